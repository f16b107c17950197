package customers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// sets are the sets of duplicates that an actor is shown, by their customers.
func (d *desk) shown(ctx context.Context, tb testing.TB, after int64) (list []customers.DuplicateSet) {
	tb.Helper()
	for s, err := range d.Duplicates.Sets(ctx, customers.Person, after) {
		require.NoError(tb, err)
		require.Len(tb, s.Why, len(s.Customers)-1)
		list = append(list, s)
	}
	return list
}

// twins makes people of whom some are there two or three times: Ada, Grace, and Charles.
func (d *desk) twins(ctx context.Context, tb testing.TB) map[string][]crm.ID {
	tb.Helper()
	d.crowd(ctx, tb)
	made := map[string][]crm.ID{}
	for _, c := range []customers.Customer{
		{Name: "Ada Lovelace", Email: "ada.lovelace@example.com", Birthday: crm.Date{Year: 1815, Month: 12, Day: 10}},
		{Name: "LOVELACE, Ada", Email: "ada.lovelace@example.com", Birthday: crm.Date{Year: 1815, Month: 10, Day: 12}},
		{Name: "Grace Hopper", Email: "grace.hopper@example.com", Birthday: crm.Date{Year: 1906, Month: 12, Day: 9}},
		{Name: "Grace Hoper", Email: "grace.hopper@example.com", Birthday: crm.Date{Year: 1906, Month: 12, Day: 9}},
		{Name: "Charles Babbage", Email: "cb@example.org", Birthday: crm.Date{Year: 1791, Month: 12, Day: 26}},
		{Name: "Charles Babage", Email: "cb@example.org", Birthday: crm.Date{Year: 1791, Month: 12, Day: 26}},
		{Name: "Babbage, Charles", Phone: "+442079460018", Email: "cb@example.org", Birthday: crm.Date{Year: 1791, Month: 12, Day: 26}},
	} {
		c.Kind = customers.Person
		kept, err := d.Create(ctx, c)
		require.NoError(tb, err)
		who := c.Name[:1]
		if c.Name[0] == 'L' {
			who = "A"
		} else if c.Name[0] == 'B' {
			who = "C"
		}
		made[who] = append(made[who], kept.ID)
	}
	return made
}

func (d *desk) scan(ctx context.Context, tb testing.TB) customers.DuplicateScan {
	tb.Helper()
	scan, err := d.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{})
	require.NoError(tb, err)
	require.Equal(tb, customers.ScanDone, scan.State)
	require.Equal(tb, scan.Total, scan.Done)
	return scan
}

func TestScanKeepsWhatItFinds(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		require.Empty(t, d.shown(ctx, t, 0), "there was no scan")
		made := d.twins(ctx, t)
		var steps []int64
		scan, err := d.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{Workers: 2, Progress: func(done, total int64) error {
			steps = append(steps, done)
			require.LessOrEqual(t, done, total)
			return nil
		}})
		require.NoError(t, err)
		require.Equal(t, []int64{1}, steps, "of few customers all pairs are compared at once")
		require.EqualValues(t, 37, scan.Customers)
		require.EqualValues(t, 3, scan.Sets)
		require.NotEmpty(t, scan.Model)

		list := d.shown(ctx, t, 0)
		require.Len(t, list, 3)
		for i, s := range list {
			require.EqualValues(t, i+1, s.Number)
			require.Greater(t, s.Probability, .5)
			require.NotEmpty(t, s.Why[0].Reasons)
			require.Contains(t, [][]crm.ID{made["A"], made["C"], made["G"]}, sorted(s.Customers))
		}
		require.Len(t, d.shown(ctx, t, 1), 2, "those behind the first")
		n, err := d.Count(ctx, crm.Where("count(duplicates) > 0"))
		require.NoError(t, err)
		require.EqualValues(t, 7, n)
		seen, err := d.Duplicates.Scans.Get(ctx, scan.ID)
		require.NoError(t, err)
		require.Equal(t, scan.Sets, seen.Sets)

		again := d.scan(ctx, t)
		require.NotEqual(t, scan.ID, again.ID)
		require.Len(t, d.shown(ctx, t, 0), 3, "the last scan alone counts")

		_, err = d.Duplicates.Scan(ctx, "robot", customers.ScanOptions{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{Threshold: 100})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Duplicates.Scan(t.Context(), customers.Person, customers.ScanOptions{})
		require.ErrorIs(t, err, crm.ErrUnscoped)
	})
}

func sorted(ids []crm.ID) []crm.ID {
	list := append([]crm.ID(nil), ids...)
	for i := range list {
		for j := range i {
			if list[i].Compare(list[j]) < 0 {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	return list
}

// What is settled of a set is not shown again.
func TestSetsGoWhenTheyAreSettled(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		made := d.twins(ctx, t)
		d.scan(ctx, t)
		_, merge, err := d.Merge(ctx, made["A"][0], made["A"][1:], crm.MergeRules{})
		require.NoError(t, err)
		require.Len(t, d.shown(ctx, t, 0), 2, "they are one")
		_, err = d.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		require.Len(t, d.shown(ctx, t, 0), 3, "and two again")

		require.NoError(t, d.Duplicates.Dismiss(ctx, made["A"]...))
		require.Len(t, d.shown(ctx, t, 0), 2)
		d.scan(ctx, t)
		require.Len(t, d.shown(ctx, t, 0), 2, "it is remembered")

		// Of three one is another: the other two stay one.
		require.NoError(t, d.Duplicates.Dismiss(ctx, made["C"][0], made["C"][1]))
		require.NoError(t, d.Duplicates.Dismiss(ctx, made["C"][0], made["C"][2]))
		require.Len(t, d.shown(ctx, t, 0), 1)
		d.scan(ctx, t)
		list := d.shown(ctx, t, 0)
		require.Len(t, list, 2)
		require.Contains(t, [][]crm.ID{sorted(list[0].Customers), sorted(list[1].Customers)}, made["C"][1:])

		require.NoError(t, d.Delete(ctx, made["G"][1]))
		require.Len(t, d.shown(ctx, t, 0), 1)
		_, err = d.Customers.ErasePerson(ctx, made["C"][1], "asked by mail")
		require.NoError(t, err)
		require.Empty(t, d.shown(ctx, t, 0))
		require.Empty(t, d.rows(t, "duplicate", made["C"][1]))
		require.NoError(t, d.Purge(ctx, made["G"][1]))

		require.NoError(t, d.Duplicates.Reconsider(ctx, made["A"]...))
		d.scan(ctx, t)
		require.Len(t, d.shown(ctx, t, 0), 1)

		require.ErrorIs(t, d.Duplicates.Dismiss(ctx, made["A"][0]), crm.ErrInvalid)
		require.ErrorIs(t, d.Duplicates.Dismiss(ctx, made["A"][0], crm.ID{1}), crm.ErrNotFound)
	})
}

// A set is shown as far as the actor may read it.
func TestSetsAreTheActorsOwn(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		made := d.twins(ctx, t)
		d.role(t, "own", crm.Allow("customer", crm.LevelOwn, crm.VerbRead))
		d.role(t, "blind", crm.Allow("customer", crm.LevelAll, crm.VerbRead), crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldHidden})
		d.role(t, "veiled", crm.Allow("customer", crm.LevelAll, crm.VerbRead), crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldMasked})
		system := crm.System(t.Context(), "acme")
		member, err := d.Members.ByKey(system, "own")
		require.NoError(t, err)
		for _, id := range []crm.ID{made["A"][0], made["A"][1], made["C"][1], made["C"][2], made["G"][0]} {
			_, err := d.Update(system, id, func(c *customers.Customer) error { c.OwnerID = member.ID; return nil })
			require.NoError(t, err)
		}
		d.scan(system, t)
		require.Len(t, d.shown(system, t, 0), 3)
		mine := d.shown(as(t, "own"), t, 0)
		require.Len(t, mine, 2, "of a set of which he may read one, he hears nothing")
		for _, s := range mine {
			require.Len(t, s.Customers, 2)
		}
		for _, s := range append(d.shown(as(t, "blind"), t, 0), d.shown(as(t, "veiled"), t, 0)...) {
			for _, why := range s.Why {
				for _, reason := range why.Reasons {
					require.NotEqual(t, "email", reason.Name)
				}
			}
		}
		_, err = d.Duplicates.Scan(as(t, "own"), customers.Person, customers.ScanOptions{})
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.ErrorIs(t, d.Duplicates.Dismiss(as(t, "own"), made["A"]...), crm.ErrForbidden)
		require.ErrorIs(t, d.Duplicates.Dismiss(as(t, "own"), made["G"]...), crm.ErrForbidden)
		other := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"})
		require.Empty(t, d.shown(other, t, 0))
	})
}

func TestScanAsAJob(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.twins(ctx, t)
		system := crm.System(t.Context(), "acme")
		job, err := d.Jobs.Enqueue(system, crm.Job{Kind: customers.ScanJob, Payload: customers.Person})
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		_, err = d.Jobs.Get(system, job.ID)
		require.ErrorIs(t, err, crm.ErrNotFound, "it is done")
		require.Len(t, d.shown(ctx, t, 0), 3)
		job, err = d.Jobs.Enqueue(system, crm.Job{Kind: customers.ScanJob, Payload: "robot"})
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		job, err = d.Jobs.Get(system, job.ID)
		require.NoError(t, err)
		require.Equal(t, crm.JobFailed, job.State)
	})
}

// many makes n people, every tenth of them twice.
func (d *desk) many(ctx context.Context, tb testing.TB, n int) {
	tb.Helper()
	list := make([]customers.Customer, 0, n)
	for i := range n {
		who := i
		if i%10 == 1 {
			who = i - 1
		}
		list = append(list, customers.Customer{
			Kind: customers.Person, Name: fmt.Sprintf("%s%s %s%s", syllable(who), syllable(who/7), syllable(who/3), syllable(who/11)),
			Email: fmt.Sprintf("p%dx%d@example.com", who*7919%n, who), Birthday: crm.Date{Year: 1930 + who%70, Month: time.Month(1 + who%12), Day: 1 + who%28},
		})
	}
	_, err := d.CreateAll(ctx, list)
	require.NoError(tb, err)
}

func syllable(n int) string {
	all := strings.Fields("ba ber cal den dor el fen gar hal hol ing ka kel lam lin lo mar mel mon na nor ol pen ra ros sal sen ta tor ul van wal yar zan")
	return all[n%len(all)]
}

var errStopped = errors.New("stopped")

// A scan that was ended goes on with the step it was at, and finds what it would have.
func TestScanGoesOn(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.many(ctx, t, 1400)
		whole := d.scan(ctx, t)
		want := d.shown(ctx, t, 0)
		require.Greater(t, len(want), 100)
		var scan customers.DuplicateScan
		var err error
		done := map[int64]int{}
		for range whole.Total + 1 {
			scan, err = d.Duplicates.Scan(ctx, customers.Person, customers.ScanOptions{Progress: func(n, _ int64) error {
				done[n]++
				return errStopped
			}})
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errStopped)
			require.Len(t, d.shown(ctx, t, 0), len(want), "until it is done the last scan counts")
		}
		require.NoError(t, err)
		require.Equal(t, customers.ScanDone, scan.State)
		require.Len(t, done, int(whole.Total))
		for n, times := range done {
			require.Equal(t, 1, times, "step %d is taken once", n)
		}
		got := d.shown(ctx, t, 0)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, sorted(want[i].Customers), sorted(got[i].Customers))
		}
	})
}

func openDesk(t *testing.T, db enginetest.Shared) *desk {
	t.Helper()
	d := newDesk(t, db.Open(t), customers.Policy{})
	d.engine = enginetest.Engine{Name: db.Name, Store: d.Store}
	return d
}

// TestScanVictim is no test but the process that TestScanKilled kills.
func TestScanVictim(t *testing.T) {
	db, _ := enginetest.Orders(t)
	d := openDesk(t, db)
	fmt.Println("began")
	d.scan(as(t, "dana"), t)
}

// TestScanKilled kills a process while it scans, later and later; then another ends the scan.
func TestScanKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
		ctx := as(t, "dana")
		d := openDesk(t, db)
		d.many(ctx, t, 1400)
		for try := range 4 {
			v := db.Start(t, "TestScanVictim")
			v.KillAfter("began", time.Duration(50+150*try)*time.Millisecond)
			v.Ended()
		}
		d.scan(ctx, t)
		require.Greater(t, len(d.shown(ctx, t, 0)), 100)
		running, err := d.Duplicates.Scans.Count(ctx, crm.Where("state == 'running'"))
		require.NoError(t, err)
		require.Zero(t, running)
		d.whole(t)
	})
}
