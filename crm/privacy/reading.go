package privacy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Reading is one entry of the log of who was shown a record: see [Policy].Log. It has no
// value of the record, so it stays when the person is erased, as the proof of who read.
// It stays with the record that was read, and is found with the one that was merged into.
type Reading struct {
	Object   string    `crm:"required,max=48" json:"object"`
	RecordID crm.ID    `crm:"required"        json:"record_id"`
	At       time.Time `crm:"required"        json:"at"`
	ID       crm.ID    `json:"id"`
	// Actor is who read, as the history names him: "member:" and the host's key.
	Actor string         `crm:"required,max=250" json:"actor"`
	How   crm.ReadingHow `crm:"required,max=20"  json:"how"`
	// Fields are those that were revealed, and Reason why; of what was not revealed Reason
	// is what [crm.Because] said. Both go when the person is erased.
	Fields []string `json:"fields,omitempty"`
	Reason string   `crm:"max=1000" json:"reason,omitempty"`
}

// batch is that records of a kind were exported together. Alarms go by these, since there
// are a thousand times fewer than readings.
type batch struct {
	Actor  string    `crm:"required,max=250" json:"actor"`
	Object string    `crm:"required,max=48"  json:"object"`
	At     time.Time `crm:"required"         json:"at"`
	ID     crm.ID    `json:"id"`
	N      int64     `json:"n"`
}

// UpkeepJob is the kind of job that does [Privacy.Upkeep] in a tenant: schedule it once a
// day.
//
//	err := core.Jobs.Schedule(tenant, crm.Schedule{Name: "privacy", Kind: privacy.UpkeepJob, Cron: "@daily"})
const UpkeepJob = "privacy.upkeep"

func (p *Privacy) defineReadings() (err error) {
	if p.readings, err = crm.DefineLedger[Reading](p.core, crm.LedgerOf[Reading]{
		Name: "reading", Key: []string{"object", "record_id", "at", "id"},
	}); err != nil {
		return err
	}
	if p.batches, err = crm.DefineLedger[batch](p.core, crm.LedgerOf[batch]{
		Name: "export_batch", Plural: "export_batches", Key: []string{"actor", "object", "at", "id"},
	}); err != nil {
		return err
	}
	if err := p.core.AddPersonalData(crm.PersonalData{Name: "readings", Export: p.exportReadings, Erase: p.eraseReadings}); err != nil {
		return err
	}
	if err := p.core.WatchReads(p.read); err != nil {
		return err
	}
	return p.core.Jobs.Handle(UpkeepJob, func(ctx context.Context, _ crm.Job) error { return p.Upkeep(ctx) }, crm.Idempotent())
}

// read logs what an actor is about to be shown: what cannot be logged is not shown.
func (p *Privacy) read(ctx context.Context, r crm.Reading) error {
	policy := p.policyOf(ctx)
	export := r.How == crm.ReadingExport
	if r.How != crm.ReadingReveal && !slices.Contains(policy.Log, r.Object) && !(export && policy.Export.set()) {
		return nil
	}
	now := p.core.Now(ctx)
	rows := make([]Reading, len(r.Records))
	for i, id := range r.Records {
		rows[i] = Reading{Object: r.Object, RecordID: id, At: now, Actor: r.Actor, How: r.How, Fields: r.Fields, Reason: cmp.Or(r.Reason, r.Cause)}
	}
	if err := p.readings.Append(ctx, rows...); err != nil {
		return failed("log", "reading", crm.ID{}, err)
	}
	if !export || !policy.Export.set() {
		return nil
	}
	err := p.batches.Append(ctx, batch{Actor: r.Actor, Object: r.Object, At: now, N: int64(len(r.Records))})
	if err == nil {
		err = p.watch(ctx, policy.Export, r, now)
	}
	return failed("watch", "export", crm.ID{}, err)
}

// Readings returns a page of who was shown a record, or one that was merged into it, the
// latest first: what the policy had logged. It takes the right to read every reading (the
// kind is reading), and no right to the record.
func (p *Privacy) Readings(ctx context.Context, object string, record crm.ID, opts ...crm.ListOption) (crm.Page[Reading], error) {
	ids, err := p.with(ctx, object, record)
	if err != nil {
		return crm.Page[Reading]{}, failed("list", "reading", crm.ID{}, err)
	}
	which := crm.Where("object == $1 and record_id == $2", object, record) // in the order of the key, however many
	if len(ids) > 1 {
		which = crm.Where("object == $1 and record_id in $2", object, ids)
	}
	return p.readings.List(ctx, append([]crm.ListOption{crm.AsActor(), which, crm.OrderBy("-at", "-id")}, opts...)...)
}

// ReadingsBy returns a page of what somebody was shown, from one time up to another, the
// latest first. The actor is as [Reading] has him. More than Config.SortLimit in that time
// are crm.ErrInvalid: ask for less time. It takes the right to read every reading.
func (p *Privacy) ReadingsBy(ctx context.Context, actor string, from, to time.Time, opts ...crm.ListOption) (crm.Page[Reading], error) {
	from, to = from.Truncate(time.Microsecond), to.Truncate(time.Microsecond)
	return p.readings.List(ctx, append([]crm.ListOption{
		crm.AsActor(), crm.Where("actor == $1 and at >= $2 and at < $3", actor, from, to), crm.OrderBy("-at", "-id"),
	}, opts...)...)
}

// usualDays are how many days say what is usual.
const usualDays = 30

// Upkeep removes from the log what is older than the policy keeps it. It is what the job
// [UpkeepJob] does, and takes the right to update every role.
func (p *Privacy) Upkeep(ctx context.Context) error {
	err := p.core.MayAdminister(ctx)
	now := p.core.Now(crm.SystemIn(ctx))
	if keep := p.policyOf(ctx).Keep; err == nil && keep > 0 {
		err = p.readings.Remove(ctx, crm.Where("at < $1", now.Add(-keep)))
	}
	if err == nil {
		err = p.batches.Remove(ctx, crm.Where("at < $1", now.AddDate(0, 0, -usualDays-2)))
	}
	return failed("upkeep", "reading", crm.ID{}, err)
}

// shown is what a person is told of who read his data: when, and how. That is about him;
// who of the tenant's people it was is about them (Court of Justice, C-579/21).
type shown struct {
	At  time.Time      `json:"at"`
	How crm.ReadingHow `json:"how"`
}

// exportReadings gives a person when his data was read: crm.PersonalData.Export.
func (p *Privacy) exportReadings(ctx context.Context, object string, id crm.ID, yield func(any) error) error {
	if !p.admits(object) {
		return nil
	}
	ids, err := p.with(ctx, object, id)
	if err != nil {
		return err
	}
	for r, err := range p.readings.All(ctx, crm.AsActor(), crm.Where("object == $1 and record_id in $2", object, ids)) {
		if errors.Is(err, crm.ErrForbidden) { // the actor may read none
			return nil
		}
		if err == nil {
			err = yield(shown{r.At, r.How})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseReadings takes out of the log what somebody typed: crm.PersonalData.Erase.
func (p *Privacy) eraseReadings(ctx context.Context, object string, id crm.ID) (n int64, err error) {
	if !p.admits(object) {
		return 0, nil
	}
	for {
		page, err := p.readings.List(ctx, crm.Where("object == $1 and record_id == $2 and reason != nil", object, id), crm.Limit(crm.MaxPage))
		if err != nil || len(page.Items) == 0 {
			return n, err
		}
		for i := range page.Items {
			page.Items[i].Fields, page.Items[i].Reason = nil, ""
		}
		if err := p.readings.Put(ctx, page.Items...); err != nil {
			return n, err
		}
		n += int64(len(page.Items))
	}
}
