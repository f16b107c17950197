package crm_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestEraserVictim is no test but the process that TestEraseKilled kills.
func TestEraserVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	p := newPractice(t, db.Pool(t), crm.Config{})
	id, err := crm.ParseID(words[0])
	require.NoError(t, err)
	_, err = p.people.ErasePerson(system(t), id, "asked by mail")
	require.NoError(t, err)
}

// TestEraseKilled kills a process while it erases a person, again and again; then the
// background finishes what it began.
func TestEraseKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		p := newPractice(t, db.Pool(t), crm.Config{})
		ctx := system(t)
		ada, err := p.people.Create(ctx, patient{Name: "Augusta Marblethwaite", Sex: "female", Email: "augusta@marble.example"})
		require.NoError(t, err)
		all := make([]finding, 1500)
		for i := range all {
			all[i] = finding{PersonID: ada.ID, Title: "call", Body: fmt.Sprintf("marblethwaite %d", i)}
		}
		_, err = p.remarks.CreateAll(ctx, all)
		require.NoError(t, err)
		require.NoError(t, p.RunDue(t.Context()))
		_, err = p.SealHistory(ctx)
		require.NoError(t, err)
		for n := range 4 {
			v := db.Start(t, "TestEraserVictim", ada.ID)
			v.KillWhen(func() bool { // at another moment each time, once it has begun
				e, err := p.Erasures.List(ctx)
				return err == nil && len(e.Items) > 0 && e.Items[0].Records > int64(200*n)
			})
		}
		for range 3 {
			p.Clock.Advance(time.Hour)
			require.NoError(t, p.RunDue(t.Context()))
		}
		require.Empty(t, tablesWith(t, p.engine, "marblethwaite", "marble.example"))
		for e, err := range p.Erasures.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, crm.ErasureDone, e.State)
		}
		report, err := p.VerifyHistory(ctx)
		require.NoError(t, err)
		require.Nil(t, report.Broken)
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestEraseAmongWriters erases a person while others write about him, and the relay
// seals: what they wrote before it began is gone, and the proof holds.
func TestEraseAmongWriters(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		_, err := p.SealHistory(system(t))
		require.NoError(t, err)
		var wg sync.WaitGroup
		done := make(chan struct{})
		for w := range 16 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					_, err := p.people.Update(ctx, ada.ID, func(x *patient) error { x.Level = fmt.Sprint(w, ".", i%90); return nil })
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := p.RunDue(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
		_, err = p.people.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		close(done)
		wg.Wait()
		require.NoError(t, p.RunDue(t.Context()))
		require.Empty(t, tablesWith(t, p.engine, traces()...))
		report, err := p.VerifyHistory(system(t))
		require.NoError(t, err)
		require.Nil(t, report.Broken)
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestEraseLeavesNothing makes people with any past, erases some, and looks for what
// they said in every table; what others said must all be there.
func TestEraseLeavesNothing(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			ctx := crm.As(t.Context(), crm.Actor{Tenant: fmt.Sprint("t", n), Member: "dana"})
			if rapid.Bool().Draw(rt, "sealed") {
				_, err := p.SealHistory(crm.System(t.Context(), fmt.Sprint("t", n)))
				require.NoError(t, err)
			}
			marks := [2][]string{}
			mark := func(who int) string {
				m := fmt.Sprintf("zq%dx%dy%dz", n, who, len(marks[who]))
				marks[who] = append(marks[who], m)
				return m
			}
			var people [2]crm.ID
			var remarks [2][]crm.ID
			var merges [2][]crm.Merge
			var apart [2][]crm.ID // whom a merge that was undone gave back
			made := func(who int) crm.ID {
				x, err := p.people.Create(ctx, patient{Name: mark(who), Sex: "female", Email: mark(who) + "@a.example", Habits: []string{mark(who)}})
				require.NoError(t, err)
				return x.ID
			}
			seen := func(who int, id crm.ID) error {
				place := "put away by the next"
				if who == 0 {
					place = mark(who)
				}
				return p.seen.Put(ctx, sighting{PersonID: id, Seq: rapid.Int64Range(0, 2).Draw(rt, "seq"), Place: place})
			}
			for who := range people {
				people[who] = made(who)
			}
			for range rapid.IntRange(0, 12).Draw(rt, "steps") {
				who := rapid.IntRange(0, 1).Draw(rt, "who")
				var err error
				switch rapid.IntRange(0, 9).Draw(rt, "verb") {
				case 0:
					_, err = p.people.Update(crm.Because(ctx, "for "+mark(who)), people[who], func(x *patient) error {
						x.Name, x.Refs = mark(who), crm.Refs{"shop": mark(who)}
						return nil
					})
				case 1:
					_, err = p.people.Update(ctx, people[who], func(x *patient) error { x.Phone, x.Habits = mark(who), nil; return nil })
				case 2, 3:
					var r finding
					r, err = p.remarks.Create(ctx, finding{PersonID: people[who], Title: "call", Body: mark(who)})
					remarks[who] = append(remarks[who], r.ID)
				case 4:
					if len(remarks[who]) > 0 {
						_, err = p.replies.Create(ctx, answer{RemarkID: remarks[who][0], From: mark(who)})
					}
				case 5:
					if k := len(remarks[who]); k > 1 {
						err = p.remarks.Purge(ctx, remarks[who][k-1])
						remarks[who] = remarks[who][:k-1]
					}
				case 6:
					err = p.RunDue(t.Context())
				case 7:
					err = seen(who, people[who])
				case 8:
					into, other := people[who], made(who)
					require.NoError(t, seen(who, other))
					if rapid.Bool().Draw(rt, "the other stays") {
						into, other = other, into
					}
					var m crm.Merge
					_, m, err = p.people.Merge(crm.Because(ctx, "for "+mark(who)), into, []crm.ID{other}, crm.MergeRules{})
					people[who], merges[who] = into, append(merges[who], m)
				case 9:
					if k := len(merges[who]); k > 0 {
						m := merges[who][k-1]
						merges[who] = merges[who][:k-1]
						if rapid.Bool().Draw(rt, "purged") {
							err = p.people.Purge(ctx, m.Absorbed[0])
							break
						}
						if _, err = p.people.Unmerge(ctx, m.ID); errors.Is(err, crm.ErrConflict) { // a record of it was purged
							err = nil
							break
						}
						apart[who] = append(apart[who], m.Absorbed...)
					}
				}
				require.NoError(t, err)
			}
			for _, id := range append(apart[0], people[0]) {
				_, err := p.people.ErasePerson(ctx, id, "asked by mail")
				require.NoError(t, err)
			}
			require.NoError(t, p.RunDue(t.Context()))
			require.Empty(t, tablesOf(t, p.engine, fmt.Sprint("t", n), marks[0]...))
			said := strings.Join(slices.Collect(maps.Values(dump(t, p.engine, fmt.Sprint("t", n)))), "")
			for _, m := range marks[1] {
				require.Contains(t, said, m, "what the other said is there")
			}
		})
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}
