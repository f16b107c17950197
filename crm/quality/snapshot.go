package quality

import (
	"context"
	"errors"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// Dimension is what scores are put together by.
type Dimension string

// The dimensions.
const (
	ByObject Dimension = "object" // all records of a kind
	ByOwner  Dimension = "owner"  // by the owner's id
	BySource Dimension = "source" // by the standard's source
)

// Snapshot is how good records were on a day. It holds sums, so that snapshots can be put
// together: an average is a sum by Records. [crm.Core.Aggregate] knows them as
// "quality_snapshot".
type Snapshot struct {
	Object    string    `crm:"required,max=48"                         json:"object"`
	Dimension Dimension `crm:"required,enum=object|owner|source"       json:"dimension"`
	Day       crm.Date  `crm:"required"                                json:"day"`
	// Value is the owner's id or the source; "-" is of records without one, and "*" of all
	// records, and of the sources past the first 1,000.
	Value string `crm:"required,max=500" json:"value"`
	// Records is how many there were, and Score, Complete, Fresh and Valid are the sums of
	// theirs; see [Score].
	Records  int64 `json:"records"`
	Score    int64 `json:"score"`
	Complete int64 `json:"complete"`
	Fresh    int64 `json:"fresh"`
	Valid    int64 `json:"valid"`
	// Errors, Warnings and Infos are how many violations there were.
	Errors   int64 `json:"errors"`
	Warnings int64 `json:"warnings"`
	Infos    int64 `json:"infos"`
}

// Average is the mean score of the records, rounded half up; of none it is 100.
func (s Snapshot) Average() int64 {
	if s.Records == 0 {
		return 100
	}
	return share(s.Score, 100*s.Records)
}

const (
	// snapshotJob is the kind of the jobs and the name of the schedule that take snapshots.
	snapshotJob = "quality.snapshot"

	without    = "-"
	all        = "*"
	maxSources = 1000
)

func (q *Quality) defineSnapshots() error {
	var err error
	q.snapshots, err = crm.DefineLedger[Snapshot](q.core, crm.LedgerOf[Snapshot]{
		Name: "quality_snapshot", Key: []string{"object", "dimension", "day", "value"},
	})
	if err != nil {
		return err
	}
	return q.core.Jobs.Handle(snapshotJob, func(ctx context.Context, _ crm.Job) error {
		var wrong []error
		for s, err := range q.Standards.All(ctx) {
			if err == nil {
				_, err = q.snapshot(ctx, s.Object)
			}
			wrong = append(wrong, err)
		}
		return errors.Join(wrong...)
	}, crm.Idempotent())
}

// standardWritten makes the job come, once there is a standard: AfterWrite.
func (q *Quality) standardWritten(ctx context.Context, w *crm.Write[Standard]) error {
	if w.Before != nil {
		return nil
	}
	system := crm.SystemIn(ctx)
	known, err := q.core.Jobs.Schedules(system)
	if err != nil || slices.ContainsFunc(known, func(s crm.Schedule) bool { return s.Name == snapshotJob }) {
		return err
	}
	zone, err := q.core.Tenants.Zone(system)
	if err != nil {
		return err
	}
	return q.core.Jobs.Schedule(system, crm.Schedule{Name: snapshotJob, Kind: snapshotJob, Cron: "30 2 * * *", Zone: zone.String()})
}

// Snapshot notes how good the records of a kind are today, by the tenant's calendar, and
// returns what it noted of all of them. It is what the job quality.snapshot does of every
// kind with a standard, once a day; another rhythm is that of a Schedule of this name and
// kind. Taken twice on a day the later counts. It takes the right to update standards.
func (q *Quality) Snapshot(ctx context.Context, object string) (Snapshot, error) {
	taken, err := func() (Snapshot, error) {
		if err := q.Standards.May(ctx, crm.VerbUpdate); err != nil {
			return Snapshot{}, err
		}
		return q.snapshot(crm.SystemIn(ctx), object)
	}()
	return taken, failed("snapshot", object, crm.ID{}, err)
}

func (q *Quality) snapshot(ctx context.Context, object string) (Snapshot, error) {
	s, err := q.scorer(ctx, object)
	if err != nil {
		return Snapshot{}, err
	}
	zone, err := q.core.Tenants.Zone(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	t := &tally{object: object, day: crm.DateOf(q.core.Now(ctx).In(zone)), source: s.standard.Source, rows: map[[2]string]*Snapshot{}}
	t.row(ByObject, all)
	for cursor := ""; ; {
		page, err := s.records.List(ctx, crm.OrderBy("id"), crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return Snapshot{}, err
		}
		scores, err := s.score(ctx, page.Items)
		if err != nil {
			return Snapshot{}, err
		}
		for i, v := range page.Items {
			t.add(v, &scores[i])
		}
		if err := crm.Progress(ctx, t.row(ByObject, all).Records, 0); err != nil && !errors.Is(err, crm.ErrInvalid) { // which it is outside a job
			return Snapshot{}, err
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return *t.row(ByObject, all), q.core.Tx(ctx, func(ctx context.Context) error {
		if err := q.snapshots.Remove(ctx, crm.Where("object == $1 and day == $2", object, t.day)); err != nil {
			return err
		}
		rows := make([]Snapshot, 0, len(t.rows))
		for _, row := range t.rows {
			rows = append(rows, *row)
		}
		return q.snapshots.Put(ctx, rows...)
	})
}

// tally adds up scores.
type tally struct {
	object, source string
	day            crm.Date
	rows           map[[2]string]*Snapshot
	sources        int
}

func (t *tally) row(d Dimension, value string) *Snapshot {
	key := [2]string{string(d), value}
	if t.rows[key] == nil {
		t.rows[key] = &Snapshot{Object: t.object, Dimension: d, Day: t.day, Value: value}
	}
	return t.rows[key]
}

func (t *tally) add(v crm.Values, x *Score) {
	owner := without
	if id, ok := v["owner_id"].(crm.ID); ok {
		owner = id.String()
	}
	t.put(ByObject, all, x)
	t.put(ByOwner, owner, x)
	if t.source != "" {
		t.put(BySource, t.sourceOf(v), x)
	}
}

// sourceOf is the source of a record. What a field of free text may hold is bounded.
func (t *tally) sourceOf(v crm.Values) string {
	source, _ := v[t.source].(string)
	switch {
	case source == "":
		return without
	case t.rows[[2]string{string(BySource), source}] != nil:
		return source
	case t.sources == maxSources || len(source) > 500:
		return all
	}
	t.sources++
	return source
}

// put adds a score to a row.
func (t *tally) put(d Dimension, value string, x *Score) {
	s := t.row(d, value)
	s.Records++
	s.Score, s.Complete, s.Fresh, s.Valid = s.Score+x.Score, s.Complete+x.Complete, s.Fresh+x.Fresh, s.Valid+x.Valid
	for _, r := range x.Violated {
		switch r.Severity {
		case Error:
			s.Errors++
		case Warn:
			s.Warnings++
		case Info:
			s.Infos++
		}
	}
}

// Snapshots returns a page of the snapshots of a kind by a dimension, from one day to
// another, the first first. It takes the right to read all quality_snapshot, which says
// something of everyone's records.
func (q *Quality) Snapshots(ctx context.Context, object string, by Dimension, from, to crm.Date, opts ...crm.ListOption) (crm.Page[Snapshot], error) {
	page, err := q.snapshots.List(ctx, append(slices.Clone(opts), crm.AsActor(),
		crm.Where("object == $1 and dimension == $2 and day >= $3 and day <= $4", object, string(by), from, to))...)
	return page, failed("list snapshots", object, crm.ID{}, err)
}
