package privacy

import (
	"context"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ExportRule says which exports are out of the ordinary. The zero rule says none.
//
// It looks at what one actor exported of one kind of record within the last 24 hours: more
// than Max, or more than Times what he exported on his busiest day of the 30 days before
// those, and no less than Floor, raises an [ExportAlarm]. A record that is exported twice
// counts twice. Who exported nothing in those days has zero for his busiest, so that all
// above Floor is unusual for him.
//
// Somebody's first list for a campaign, and what is done once a quarter, are false alarms.
// It does not see what is read from the screen, or taken in parts below the limits, what
// several take together, or what is read as crm.System, by the host's own code. It stops
// nobody.
type ExportRule struct {
	// Max is how many records are allowed; 0: any number.
	Max int64
	// Times is how many times his busiest day is allowed; 0: any. Floor is how many are in
	// any case; 0: 100.
	Times, Floor int64
}

func (x ExportRule) set() bool { return x.Max > 0 || x.Times > 0 }

// ExportAlarm is an export out of the ordinary. There is at most one of an actor, a kind of
// record and a day. Subscribers hear of export_alarm.created. What was taken is in
// [Privacy.ReadingsBy]. It belongs to nobody, so that a right at level own reads none.
type ExportAlarm struct {
	crm.Record

	// Actor is who exported, as the history names him, and Object the kind of record.
	Actor  string `crm:"required,guarded,max=250" json:"actor"`
	Object string `crm:"required,guarded,max=48"  json:"object"`
	// Day is that of the alarm, by the tenant's clocks.
	Day crm.Date `crm:"required,guarded" json:"day"`
	// Exported is how many it were within the 24 hours before, Allowed how many the rule
	// allows, and Usual how many on his busiest day of the 30 days before; 0 too where Max
	// was passed, which does not ask.
	Exported int64 `crm:"guarded" json:"exported"`
	Allowed  int64 `crm:"guarded" json:"allowed"`
	Usual    int64 `crm:"guarded" json:"usual"`
	// Key is actor, kind and day in one.
	Key string `crm:"required,guarded,max=320,unique" json:"key"`
}

// Alarms are a tenant's alarms.
type Alarms struct{ crm.Collection[ExportAlarm] }

func (p *Privacy) defineAlarms() error {
	kind, err := crm.Define(p.core, crm.Object[ExportAlarm]{
		Name:    "export_alarm",
		Initial: func(context.Context, *crm.Write[ExportAlarm]) error { return nil }, // so that only an export makes one, or an import
	})
	if err == nil {
		p.Alarms = &Alarms{kind.Collection}
	}
	return err
}

// watch raises an alarm, if the export that was just noted is out of the ordinary.
func (p *Privacy) watch(ctx context.Context, rule ExportRule, r crm.Reading, now time.Time) error {
	ctx = crm.SystemIn(ctx)
	its := crm.Where("actor == $1 and object == $2", r.Actor, r.Object)
	begin := now.Add(-24 * time.Hour)
	t, err := p.batches.Aggregate(ctx, crm.Figures{Measures: []crm.Measure{{Fn: crm.FnSum, Field: "n"}}}, its, crm.Where("at > $1", begin))
	if err != nil || len(t.Rows) == 0 {
		return err
	}
	n, _ := t.Rows[0].Values[0].(int64)
	alarm := ExportAlarm{Actor: r.Actor, Object: r.Object, Exported: n}
	floor := rule.Floor
	if floor <= 0 {
		floor = 100
	}
	zone, err := p.core.Tenants.Zone(ctx)
	if err != nil {
		return err
	}
	switch {
	case rule.Max > 0 && n > rule.Max:
		alarm.Allowed = rule.Max
	case rule.Times > 0 && n > floor:
		if alarm.Usual, err = p.busiest(ctx, its, begin, zone); err != nil {
			return err
		}
		alarm.Allowed = max(floor, rule.Times*alarm.Usual)
		if n <= alarm.Allowed {
			return nil
		}
	default:
		return nil
	}
	alarm.Day = crm.DateOf(now.In(zone))
	alarm.Key = alarm.Day.String() + " " + r.Object + " " + r.Actor
	known, err := p.Alarms.Count(ctx, crm.Where("key == $1", alarm.Key))
	if err != nil || known > 0 {
		return err
	}
	if _, err = p.Alarms.Create(ctx, alarm); errors.Is(err, crm.ErrConflict) { // by another export of his
		return nil
	}
	return err
}

// busiest is how many records were exported on the busiest of the days before a time.
func (p *Privacy) busiest(ctx context.Context, its crm.ListOption, before time.Time, zone *time.Location) (int64, error) {
	t, err := p.batches.Aggregate(ctx, crm.Figures{
		GroupBy: []crm.GroupBy{{Field: "at", Bucket: crm.ByDay}}, Measures: []crm.Measure{{Fn: crm.FnSum, Field: "n"}}, Zone: zone,
	}, its, crm.Where("at <= $1 and at > $2", before, before.AddDate(0, 0, -usualDays)))
	most := int64(0)
	for _, row := range t.Rows {
		n, _ := row.Values[0].(int64)
		most = max(most, n)
	}
	return most, err
}
