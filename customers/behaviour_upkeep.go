package customers

import (
	"context"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// UpkeepJob is the kind of job that does [Behaviour.Upkeep] in a tenant: schedule it
// once a day.
//
//	err := core.Jobs.Schedule(tenant, crm.Schedule{Name: "behaviour", Kind: customers.UpkeepJob, Cron: "@daily"})
const UpkeepJob = "behaviour.upkeep"

// Upkeep removes events that are older than the policy keeps them, and leaves how many
// there were of each name on each day (of UTC); of visitors who stayed unknown it leaves
// nothing. Events that came for a visitor in the instant in which he became known are
// given to the customer. It returns how many events it removed. An event that comes
// later than it would be kept is counted by the next Upkeep; sent again after that, it is
// counted again. It is the host's: call it as [crm.System].
func (b *Behaviour) Upkeep(ctx context.Context) (int64, error) {
	removed, err := b.upkeep(ctx)
	return removed, failed("upkeep", "behaviour", crm.ID{}, err)
}

func (b *Behaviour) upkeep(ctx context.Context) (removed int64, _ error) {
	if err := b.customers.May(ctx, crm.VerbDelete); err != nil {
		return 0, err
	}
	if err := b.strays(ctx); err != nil {
		return 0, err
	}
	keep := b.policyOf(ctx).Keep
	if keep <= 0 {
		return 0, nil
	}
	before := b.core.Now(ctx).Add(-keep).UTC().Truncate(24 * time.Hour)
	for {
		n, err := b.trim(ctx, before)
		if err != nil {
			return removed, err
		}
		if n == 0 {
			break
		}
		removed += n
	}
	return removed, b.anonymous.Remove(ctx, crm.Where("at < $1", before))
}

// strays gives events to customers whose visitors are known.
func (b *Behaviour) strays(ctx context.Context) error {
	after := ""
	for {
		page, err := b.visitors.List(ctx, crm.Limit(crm.MaxPage), crm.After(after))
		if err != nil {
			return err
		}
		names, of := make([]string, len(page.Items)), map[string]crm.ID{}
		for i, v := range page.Items {
			names[i], of[v.Visitor] = v.Visitor, v.CustomerID
		}
		if len(names) > 0 {
			stray, err := b.anonymous.List(ctx, crm.Where("visitor in $1", names), crm.Limit(crm.MaxPage))
			if err != nil {
				return err
			}
			seen := map[string]bool{}
			for _, a := range stray.Items {
				if seen[a.Visitor] {
					continue
				}
				seen[a.Visitor] = true
				if err := b.core.Tx(ctx, func(ctx context.Context) error {
					_, err := b.claim(ctx, a.Visitor, of[a.Visitor])
					return err
				}); err != nil {
					return err
				}
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// trim counts and removes some events before a time, oldest days first.
func (b *Behaviour) trim(ctx context.Context, before time.Time) (removed int64, err error) {
	err = b.core.Tx(ctx, func(ctx context.Context) error {
		removed = 0
		old := crm.Where("at < $1", before)
		oldest, err := b.actions.Aggregate(ctx, crm.Figures{Measures: []crm.Measure{{Fn: crm.FnMin, Field: "at"}}}, old)
		if err != nil || len(oldest.Rows) == 0 {
			return err
		}
		first, some := oldest.Rows[0].Values[0].(time.Time)
		if !some {
			return nil
		}
		until := first.Truncate(24 * time.Hour).Add(24 * time.Hour)
		page, err := b.actions.List(ctx, crm.Where("at < $1", until), crm.Limit(crm.MaxPage))
		if err != nil {
			return err
		}
		if err := b.count(ctx, page.Items); err != nil {
			return err
		}
		ids := make([]crm.ID, len(page.Items))
		for i, a := range page.Items {
			ids[i] = a.ID
		}
		removed = int64(len(ids))
		if err := b.customers.Segments.touch(ctx, "behaviour", whose(page.Items)); err != nil {
			return err
		}
		return b.actions.Remove(ctx, crm.Where("at < $1 and id in $2", until, ids))
	})
	return removed, err
}

// whose are the customers of events, each once.
func whose(actions []Action) []crm.ID {
	ids := make([]crm.ID, len(actions))
	for i, a := range actions {
		ids[i] = a.CustomerID
	}
	slices.SortFunc(ids, crm.ID.Compare)
	return slices.Compact(ids)
}

// count adds events to the numbers of their days.
func (b *Behaviour) count(ctx context.Context, actions []Action) error {
	type key struct {
		customer crm.ID
		day      crm.Date
		name     string
	}
	sums := map[key]*dayCount{}
	var customers []crm.ID
	for _, a := range actions {
		k := key{a.CustomerID, crm.DateOf(a.At), a.Name}
		if sums[k] == nil {
			sums[k] = &dayCount{CustomerID: a.CustomerID, Day: k.day, Name: a.Name, Origin: a.CustomerID}
			customers = append(customers, a.CustomerID)
		}
		sums[k].N++
	}
	if len(sums) == 0 {
		return nil
	}
	slices.SortFunc(customers, crm.ID.Compare)
	customers = slices.Compact(customers)
	days := make([]crm.Date, 0, 2)
	for k := range sums {
		if !slices.Contains(days, k.day) {
			days = append(days, k.day)
		}
	}
	for _, day := range days {
		for known, err := range b.days.All(ctx, crm.Where("customer_id in $1 and day == $2", customers, day)) {
			if err != nil {
				return err
			}
			if s := sums[key{known.CustomerID, known.Day, known.Name}]; s != nil && known.Origin == known.CustomerID {
				s.N += known.N
			}
		}
	}
	rows := make([]dayCount, 0, len(sums))
	for _, s := range sums {
		rows = append(rows, *s)
	}
	return b.days.Put(ctx, rows...)
}

// Daily returns how often a customer did each thing on each day from one to another, of
// events that are kept and of those that were removed, for those who may read him. Days
// are those of UTC, the first first. They span at most 400 days.
func (b *Behaviour) Daily(ctx context.Context, customer crm.ID, from, to crm.Date) ([]DayCount, error) {
	list, err := b.daily(ctx, customer, from, to)
	return list, failed("count", "behaviour", customer, err)
}

// DayCount is how often something was done on a day.
type DayCount struct {
	Day  crm.Date
	Name string
	N    int64
}

func (b *Behaviour) daily(ctx context.Context, customer crm.ID, from, to crm.Date) ([]DayCount, error) {
	begin, end := from.Time(time.UTC), to.Time(time.UTC).AddDate(0, 0, 1)
	if !end.After(begin) || end.Sub(begin) > 400*24*time.Hour {
		return nil, crm.Invalid("to", "is the last day, not before the first, and at most 400 days")
	}
	if err := b.customers.May(ctx, crm.VerbRead, customer); err != nil {
		return nil, err
	}
	his := crm.Where("customer_id == $1", customer)
	kept, err := b.actions.Aggregate(ctx, crm.Figures{
		Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: "at", Bucket: crm.ByDay}, {Field: "name"}}, Zone: time.UTC,
	}, crm.AsActor(), his, crm.Where("at >= $1 and at < $2", begin, end))
	if err != nil {
		return nil, err
	}
	sums := map[DayCount]int64{}
	for _, row := range kept.Rows {
		period, _ := row.Groups[0].(crm.Period)
		name, _ := row.Groups[1].(string)
		n, _ := row.Values[0].(int64)
		sums[DayCount{Day: period.Start, Name: name}] += n
	}
	for d, err := range b.days.All(ctx, crm.AsActor(), his, crm.Where("day >= $1 and day <= $2", from, to)) {
		if err != nil {
			return nil, err
		}
		sums[DayCount{Day: d.Day, Name: d.Name}] += d.N
	}
	list := make([]DayCount, 0, len(sums))
	for d, n := range sums {
		d.N = n
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b DayCount) int {
		if c := a.Day.Compare(b.Day); c != 0 {
			return c
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list, nil
}
