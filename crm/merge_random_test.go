package crm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// picture is all of a tenant's companies and deals, deleted ones too, but for what every
// write changes.
func (s *shop) picture(t require.TestingT, ctx context.Context) (map[crm.ID]company, map[crm.ID]deal) { //nolint:revive // the test comes first
	companies, deals := map[crm.ID]company{}, map[crm.ID]deal{}
	for c, err := range s.companies.All(ctx, crm.WithDeleted()) {
		require.NoError(t, err)
		c.Version, c.Updated = 0, time.Time{}
		companies[c.ID] = c
	}
	for d, err := range s.deals.All(ctx, crm.WithDeleted()) {
		require.NoError(t, err)
		d.Version, d.Updated = 0, time.Time{}
		deals[d.ID] = d
	}
	return companies, deals
}

// events are the histories of all records of the pictures.
func (s *shop) events(t require.TestingT, ctx context.Context, companies map[crm.ID]company, deals map[crm.ID]deal) map[crm.ID][]crm.Event { //nolint:revive // the test comes first
	all := map[crm.ID][]crm.Event{}
	for id := range companies {
		p, err := s.companies.History(ctx, id, crm.Limit(crm.MaxPage))
		require.NoError(t, err)
		all[id] = p.Items
	}
	for id := range deals {
		p, err := s.deals.History(ctx, id, crm.Limit(crm.MaxPage))
		require.NoError(t, err)
		all[id] = p.Items
	}
	return all
}

// TestMergesThatAreUndoneWereNever merges at random, also what was merged before, and
// undoes it: every record is as it was, and its history begins as it did.
func TestMergesThatAreUndoneWereNever(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			ctx := crm.As(t.Context(), crm.Actor{Tenant: fmt.Sprint("t", n), Member: "dana"})
			for _, f := range []crm.CustomField{
				{Object: "company", Name: "tier", Type: crm.FieldText},
				{Object: "company", Name: "topics", Type: crm.FieldMultiChoice, Options: options("x", "y", "z")},
				{Object: "deal", Name: "for", Type: crm.FieldReference, To: "company"},
			} {
				_, err := s.Fields.Create(ctx, f)
				require.NoError(rt, err)
			}
			var ids []crm.ID
			maybe := rapid.Bool()
			for i := range rapid.IntRange(2, 6).Draw(rt, "companies") {
				c := company{Name: rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "name"), Record: crm.Record{Refs: crm.Refs{}, Custom: crm.Custom{}}}
				if maybe.Draw(rt, "email") {
					c.Email = fmt.Sprint(i, "@example.com")
				}
				c.VIP = maybe.Draw(rt, "vip")
				if maybe.Draw(rt, "employees") {
					c.Employees = new(int64(i))
				}
				c.Tags = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2).Draw(rt, "tags")
				for _, source := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"erp", "shop"}), 0, 2, rapid.ID).Draw(rt, "refs") {
					c.Refs[source] = strconv.Itoa(i)
				}
				if maybe.Draw(rt, "tier") {
					c.Custom["tier"] = strconv.Itoa(i)
				}
				if topics := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 2, rapid.ID).Draw(rt, "topics"); len(topics) > 0 {
					c.Custom["topics"] = topics
				}
				if i > 0 && maybe.Draw(rt, "parent") {
					c.ParentID = rapid.SampledFrom(ids).Draw(rt, "above")
				}
				made, err := s.companies.Create(ctx, c)
				require.NoError(rt, err)
				ids = append(ids, made.ID)
			}
			for range rapid.IntRange(0, 5).Draw(rt, "deals") {
				d := deal{Name: "D", CompanyID: rapid.SampledFrom(ids).Draw(rt, "of")}
				if maybe.Draw(rt, "custom") {
					d.Custom = crm.Custom{"for": rapid.SampledFrom(ids).Draw(rt, "for")}
				}
				made, err := s.deals.Create(ctx, d)
				require.NoError(rt, err)
				if maybe.Draw(rt, "deleted") {
					require.NoError(rt, s.deals.Delete(ctx, made.ID))
				}
			}
			companies, deals := s.picture(rt, ctx)
			events := s.events(rt, ctx, companies, deals)

			var merges []crm.ID
			for range rapid.IntRange(1, 3).Draw(rt, "merges") {
				if len(ids) < 2 {
					break
				}
				rules := crm.MergeRules{Rule: rapid.SampledFrom([]crm.MergeRule{"", crm.MergeNewest, crm.MergeComplete}).Draw(rt, "rule")}
				chosen := rapid.Permutation(ids).Draw(rt, "records")[:rapid.IntRange(2, min(3, len(ids))).Draw(rt, "many")]
				if maybe.Draw(rt, "from") {
					rules.From = map[string]crm.ID{"custom.tier": chosen[1], "parent_id": chosen[1], "tags": chosen[1]}
				}
				s.Clock.Advance(time.Second)
				preview, err := s.companies.PreviewMerge(ctx, chosen[0], chosen[1:], rules)
				require.NoError(rt, err)
				kept, m, err := s.companies.Merge(ctx, chosen[0], chosen[1:], rules)
				if len(preview.Faults) > 0 {
					require.Error(rt, err, "%v", preview.Faults)
					continue
				}
				require.NoError(rt, err)
				preview.Result.Version, preview.Result.Updated = kept.Version, kept.Updated
				require.Equal(rt, preview.Result, kept)
				require.Len(rt, m.Relinked, len(preview.Relinked))
				merges = append(merges, m.ID)
				ids = slices.DeleteFunc(ids, func(id crm.ID) bool { return slices.Contains(chosen[1:], id) })
				for _, id := range chosen {
					got, err := s.companies.Get(ctx, id)
					require.NoError(rt, err)
					require.Equal(rt, kept, got)
				}
				for d, err := range s.deals.All(ctx, crm.WithDeleted()) {
					require.NoError(rt, err)
					require.NotContains(rt, chosen[1:], d.CompanyID)
					require.NotContains(rt, chosen[1:], d.Custom["for"])
				}
			}
			s.Clock.Advance(time.Second)
			for _, id := range slices.Backward(merges) {
				u, err := s.companies.Unmerge(ctx, id)
				require.NoError(rt, err)
				require.Empty(rt, u.Kept)
				require.Empty(rt, u.Elsewhere)
				require.Empty(rt, u.New)
			}
			companiesNow, dealsNow := s.picture(rt, ctx)
			require.Equal(rt, companies, companiesNow)
			require.Equal(rt, deals, dealsNow)
			for id, now := range s.events(rt, ctx, companies, deals) {
				was := events[id]
				require.Equal(rt, was, now[len(now)-len(was):], "a history is only added to")
			}
		})
		s.whole(t)
	})
}

// TestMergesBesideWriters merges and undoes merges while others write: nobody is refused,
// and every deal ends with a company of those it was made for.
func TestMergesBesideWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		const clusters, size, writers, writes = 3, 3, 16, 12
		var ids [clusters][size]crm.ID
		of := map[crm.ID]int{}
		for i := range ids {
			for j := range ids[i] {
				ids[i][j] = s.company(t, ctx, fmt.Sprint("company ", i)).ID
				of[ids[i][j]] = i
			}
		}
		made := make(chan deal, writers*writes)
		var merging, writing sync.WaitGroup
		stop := make(chan struct{})
		for i := range clusters {
			merging.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					a, b := ids[i][n%size], ids[i][(n+1)%size]
					_, m, err := s.companies.Merge(ctx, a, []crm.ID{b}, crm.MergeRules{})
					if errors.Is(err, crm.ErrRetry) {
						continue
					}
					if !noError(t, err) {
						return
					}
					for err = crm.ErrRetry; errors.Is(err, crm.ErrRetry); {
						_, err = s.companies.Unmerge(ctx, m.ID)
					}
					if !noError(t, err) {
						return
					}
				}
			})
		}
		for w := range writers {
			writing.Go(func() {
				i := w % clusters
				for n := range writes {
					to, next := ids[i][n%size], ids[i][(n+1)%size]
					var d deal
					err := again(func() (err error) {
						d, err = s.deals.Create(ctx, deal{Name: strconv.Itoa(i), CompanyID: to})
						return err
					})
					if !noError(t, err) {
						return
					}
					err = again(func() error {
						_, err := s.deals.Update(ctx, d.ID, func(d *deal) error { d.CompanyID, d.Score = next, 1; return nil })
						return err
					})
					if !noError(t, err) {
						return
					}
					err = again(func() error {
						_, err := s.companies.Update(ctx, to, func(c *company) error { c.Tags = append(c.Tags, d.ID.String()); return nil })
						return err
					})
					if !noError(t, err) {
						return
					}
					made <- d
				}
			})
		}
		writing.Wait()
		close(stop)
		merging.Wait()
		close(made)
		tags := map[string]bool{}
		for c, err := range s.companies.All(ctx) {
			require.NoError(t, err)
			for _, tag := range c.Tags {
				tags[tag] = true
			}
		}
		n := 0
		for d := range made {
			n++
			got, err := s.deals.Get(ctx, d.ID)
			require.NoError(t, err)
			require.EqualValues(t, 1, got.Score)
			require.Equal(t, d.Name, strconv.Itoa(of[got.CompanyID]))
			require.True(t, tags[d.ID.String()], "what was written to a company is with it or with who absorbed it")
		}
		require.Equal(t, writers*writes, n)
		s.whole(t)
	})
}

// again makes a call again that the database ended for the sake of another one.
func again(call func() error) (err error) {
	for range 20 {
		if err = call(); !errors.Is(err, crm.ErrRetry) {
			return err
		}
	}
	return err
}

func noError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// TestMerger is no test but the process that TestKilledWhileMerging kills.
func TestMerger(t *testing.T) {
	db, words := enginetest.Orders(t)
	s := newShop(t, db.Pool(t).Store, crm.Config{})
	hour, err := strconv.Atoi(words[2])
	require.NoError(t, err)
	s.Clock.Advance(time.Duration(hour) * time.Hour)
	ctx := system(t)
	a, err := crm.ParseID(words[0])
	require.NoError(t, err)
	b, err := crm.ParseID(words[1])
	require.NoError(t, err)
	for {
		s.Clock.Advance(time.Second)
		page, err := s.companies.Merges(ctx, a, crm.Limit(1))
		require.NoError(t, err)
		if len(page.Items) == 0 || !page.Items[0].Undone.IsZero() {
			_, _, err = s.companies.Merge(ctx, a, []crm.ID{b}, crm.MergeRules{})
		} else {
			_, err = s.companies.Unmerge(ctx, page.Items[0].ID)
		}
		require.NoError(t, err)
		if _, err := fmt.Fprintln(os.Stdout, "done"); err != nil {
			return
		}
	}
}

// TestKilledWhileMerging kills a process that merges and undoes merges at random moments:
// each is there whole or not at all.
func TestKilledWhileMerging(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		s := newShop(t, db.Pool(t).Store, crm.Config{})
		ctx := system(t)
		a, b := s.pair(t, ctx)
		const each = 600 // more than one batch
		for _, id := range []crm.ID{a.ID, b.ID} {
			_, err := s.deals.CreateAll(ctx, slices.Repeat([]deal{{Name: "D", CompanyID: id}}, each))
			require.NoError(t, err)
		}
		for hour := range 5 {
			killMerger(db.Start(t, "TestMerger", a.ID, b.ID, hour+1))
			count := func(id crm.ID) int64 {
				n, err := s.deals.Count(ctx, crm.Where("company_id == $1", id))
				require.NoError(t, err)
				return n
			}
			got, err := s.companies.Get(ctx, b.ID)
			require.NoError(t, err)
			if got.ID == a.ID {
				require.EqualValues(t, 2*each, count(a.ID))
			} else {
				require.EqualValues(t, each, count(a.ID))
				require.EqualValues(t, each, count(b.ID))
				require.Equal(t, b.Email, got.Email)
			}
		}
		s.whole(t)
	})
}

// killMerger lets a process merge for a while, and kills it at a random moment.
func killMerger(v *enginetest.Victim) {
	n := 1 + rand.IntN(3)
	for range v.Lines() {
		if n--; n == 0 { // somewhere in the next one
			v.Kill(time.Duration(rand.IntN(int(100 * time.Millisecond))))
		}
	}
	v.Killed()
}
