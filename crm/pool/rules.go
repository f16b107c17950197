package pool

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

const (
	maxParties = 200     // teams or members of a pool
	maxDays    = 3_650   // of a rule
	maxCount   = 100_000 // of a limit
)

// Validate refuses limits that are none, and rules that lack a part.
func (p *Pool) Validate() error {
	for _, n := range []struct {
		field string
		value int64
		most  int64
	}{
		{"max_held", p.MaxHeld, maxCount}, {"max_per_day", p.MaxPerDay, maxCount},
		{"ban_days", p.BanDays, maxDays}, {"recycle_days", p.RecycleDays, maxDays}, {"warn_days", p.WarnDays, maxDays},
	} {
		if n.value < 0 || n.value > n.most {
			return crm.Invalid(n.field, "is %d, and is from 0 to %d", n.value, n.most)
		}
	}
	switch {
	case p.Counted != "" && p.MaxHeld == 0:
		return crm.Invalid("counted", "says what counts towards max_held: give that too")
	case p.RecycleDays > 0 && p.FollowedUp == "":
		return crm.Invalid("followed_up", "is required with recycle_days: say what a follow-up since $1 is, as any(interactions, .at >= $1)")
	case p.RecycleDays == 0 && (p.FollowedUp != "" || p.WarnDays > 0 || p.Protected != ""):
		return crm.Invalid("recycle_days", "is required with followed_up, warn_days and protected: say after how many days")
	case p.WarnDays > 0 && p.WarnDays >= p.RecycleDays:
		return crm.Invalid("warn_days", "is %d, and is less than recycle_days", p.WarnDays)
	}
	return nil
}

// check holds a pool to the kind it is of.
func (p *Pools) check(ctx context.Context, w *crm.Write[Pool]) error {
	is := w.After
	if err := p.core.MayAdminister(ctx); err != nil {
		return err
	}
	if w.Before != nil && w.Before.Object != is.Object {
		return crm.Invalid("object", "is %s, and stays so: make another pool", w.Before.Object)
	}
	if is.RecycleFrom.IsZero() && is.RecycleDays > 0 {
		is.RecycleFrom = p.core.Now(crm.SystemIn(ctx))
	}
	for _, text := range []*string{&is.Where, &is.Counted, &is.FollowedUp, &is.Protected} {
		*text = strings.TrimSpace(*text)
	}
	if err := is.Validate(); err != nil {
		return err
	}
	records, err := p.records(is.Object)
	if err != nil {
		return err
	}
	if err := p.sound(ctx, records, is); err != nil {
		return err
	}
	if err := p.parties(ctx, is); err != nil {
		return err
	}
	return fieldsOf(ctx, records, is)
}

// sound refuses conditions that cannot be understood.
func (p *Pools) sound(ctx context.Context, records *crm.Records, is *Pool) error {
	now := p.core.Now(crm.SystemIn(ctx))
	for _, c := range []struct {
		field, text string
		args        []any
	}{
		{"where", is.Where, nil}, {"counted", is.Counted, nil}, {"followed_up", is.FollowedUp, []any{now}}, {"protected", is.Protected, nil},
	} {
		if c.text == "" {
			continue
		}
		_, err := records.Count(crm.SystemIn(ctx), crm.Where(c.text, c.args...), crm.Where("false"))
		if wrong, ok := errors.AsType[*crm.InvalidError](err); ok {
			return crm.Invalid(c.field, "%s", wrong.Faults[0].Reason)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parties brings the lists of who may claim to their form, and holds that all are there.
func (p *Pools) parties(ctx context.Context, is *Pool) error {
	for _, l := range []struct {
		field string
		ids   *[]crm.ID
		count func(context.Context, ...crm.ListOption) (int64, error)
	}{
		{"team_ids", &is.TeamIDs, p.core.Teams.Count}, {"member_ids", &is.MemberIDs, p.core.Members.Count},
	} {
		ids := slices.Clone(*l.ids)
		slices.SortFunc(ids, crm.ID.Compare)
		ids = slices.Compact(ids)
		if *l.ids = ids; len(ids) == 0 {
			*l.ids = nil
			continue
		}
		if len(ids) > maxParties {
			return crm.Invalid(l.field, "are %d, and %d are allowed", len(ids), maxParties)
		}
		n, err := l.count(crm.SystemIn(ctx), crm.Where("id in $1", ids))
		if err != nil {
			return err
		}
		if n < int64(len(ids)) {
			return crm.Invalid(l.field, "refers to one that does not live")
		}
	}
	return nil
}

// fieldsOf refuses to show what the records have not.
func fieldsOf(ctx context.Context, records *crm.Records, is *Pool) error {
	all, err := records.Fields(crm.SystemIn(ctx))
	if err != nil {
		return err
	}
	for _, list := range []struct {
		field string
		names []string
	}{{"show", is.Show}, {"mask", is.Mask}} {
		for _, name := range list.names {
			i := slices.IndexFunc(all, func(f crm.FieldInfo) bool { return f.Name == name })
			switch {
			case i < 0 || all[i].Kernel:
				return crm.Invalid(list.field, "%q is no field of %s that a pool shows", name, records.Kind())
			case list.field == "mask" && all[i].Type != crm.TypeText:
				return crm.Invalid("mask", "%s holds %s, and only text is shown in part", name, all[i].Type)
			case list.field == "mask" && slices.Contains(is.Show, name):
				return crm.Invalid("mask", "%s is in show, too: leave it out of one", name)
			}
		}
	}
	return nil
}

// using names the pools that name a custom field. Conditions may name those of related
// records, so the name is what counts.
func (p *Pools) using(ctx context.Context, object, field string) (names []string, err error) {
	for pool, err := range p.All(crm.SystemIn(ctx), crm.OrderBy("id")) {
		if err != nil {
			return nil, err
		}
		shown := pool.Object == object && (slices.Contains(pool.Show, field) || slices.Contains(pool.Mask, field))
		asked := strings.HasPrefix(field, "custom.") && slices.ContainsFunc(
			[]string{pool.Where, pool.Counted, pool.FollowedUp, pool.Protected}, func(text string) bool { return namesField(text, field) })
		if shown || asked {
			names = append(names, "pool \""+pool.Name+"\"")
		}
	}
	return names, nil
}

// namesField reports whether a field's name stands in a text as a word.
func namesField(text, name string) bool {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, name)
		if !found {
			return false
		}
		if after == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_", rune(after[0])) {
			return true
		}
		rest = after
	}
}

// schedule makes the job come each day, once there is a pool that recycles.
func (p *Pools) schedule(ctx context.Context, w *crm.Write[Pool]) error {
	if w.After == nil || w.After.RecycleDays == 0 || w.Before != nil && w.Before.RecycleDays > 0 {
		return nil
	}
	system := crm.SystemIn(ctx)
	known, err := p.core.Jobs.Schedules(system)
	if err != nil || slices.ContainsFunc(known, func(s crm.Schedule) bool { return s.Name == recycleJob }) {
		return err
	}
	zone, err := p.core.Tenants.Zone(ctx)
	if err != nil {
		return err
	}
	return p.core.Jobs.Schedule(system, crm.Schedule{Name: recycleJob, Kind: recycleJob, Cron: "5 4 * * *", Zone: zone.String()})
}
