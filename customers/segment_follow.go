package customers

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// How what is written down follows what changes: a subscription to all events finds, by
// the uses of conditions, which segments an event concerns and which customers, and notes
// them as stale; a job of each segment looks at those again. What time alone changes is
// found by looking at all customers every hour. So is, once a day, what no event told.

// The kinds of the jobs, and the name of the schedule.
const (
	segmentJob      = "customers.segment"       // looks at all customers
	segmentStaleJob = "customers.segment_stale" // looks at those who changed
	segmentsSweep   = "customers.segments"      // every hour, finds which segments need it
)

// segmentDaily is how old what is written down may be at most.
const segmentDaily = 24 * time.Hour

func (s *Segments) defineFollowing(core *crm.Core) error {
	if err := core.OnBatch("*", "customers.segments", s.follow, crm.OnlyIf(s.inUse), crm.AlsoQuiet()); err != nil {
		return err
	}
	for kind, fn := range map[string]func(context.Context, crm.Job, crm.ID) error{
		segmentJob: s.evaluateJob, segmentStaleJob: s.staleJob,
	} {
		if err := crm.HandleJob(core.Jobs, kind, fn, crm.Idempotent()); err != nil {
			return err
		}
	}
	return core.Jobs.Handle(segmentsSweep, func(ctx context.Context, _ crm.Job) error { return s.sweep(ctx) }, crm.Idempotent())
}

// inUse reports whether the tenant has dynamic segments.
func (s *Segments) inUse(ctx context.Context) (bool, error) {
	page, err := s.uses.List(ctx, crm.Limit(1))
	return len(page.Items) > 0, err
}

// wake has a job of each segment done soon. One that is being done may have looked
// already, so that another is enqueued behind it.
func (s *Segments) wake(ctx context.Context, kind string, segments ...crm.ID) error {
	jobs := make([]crm.Job, len(segments))
	for i, id := range segments {
		jobs[i] = crm.Job{Kind: kind, Key: id.String(), Payload: id}
	}
	known, err := s.core.Jobs.EnqueueAll(ctx, jobs)
	if err != nil {
		return err
	}
	now := s.core.Now(ctx)
	var again []crm.Job
	for i, j := range known {
		if j.Existing && j.Due.After(now) {
			jobs[i].Key += " again"
			again = append(again, jobs[i])
		}
	}
	_, err = s.core.Jobs.EnqueueAll(ctx, again)
	return err
}

// evaluateJob looks at all customers for one segment.
func (s *Segments) evaluateJob(ctx context.Context, _ crm.Job, id crm.ID) error {
	_, err := s.evaluate(ctx, id, func(e Evaluation) error { return crm.Progress(ctx, e.Entered+e.Left, 0) })
	return err
}

// staleJob looks again at the customers of a segment who were noted. What is noted is
// forgotten before he is looked at, so that what changes meanwhile is noted anew.
func (s *Segments) staleJob(ctx context.Context, _ crm.Job, id crm.ID) error {
	for done := int64(0); ; {
		n := 0
		err := s.core.Tx(ctx, func(ctx context.Context) error {
			page, err := s.stale.List(ctx, crm.Where("segment_id == $1", id), crm.Limit(crm.MaxPage))
			if n = len(page.Items); err != nil || n == 0 {
				return err
			}
			notes := make([]crm.ID, n)
			for i, row := range page.Items {
				notes[i] = row.ID
			}
			if err := s.stale.Remove(ctx, crm.Where("segment_id == $1 and id in $2", id, notes)); err != nil {
				return err
			}
			if err := s.correctNoted(ctx, id, page.Items, false); err != nil {
				return err
			}
			return s.correctNoted(crm.Quietly(ctx), id, page.Items, true)
		})
		if err != nil || n < crm.MaxPage {
			return err
		}
		done += int64(n)
		if err := crm.Progress(ctx, done, 0); err != nil {
			return err
		}
	}
}

// correctNoted looks again at the customers who were noted for what was quiet, or for what
// was not.
func (s *Segments) correctNoted(ctx context.Context, id crm.ID, notes []staleMember, quiet bool) error {
	var ids []crm.ID
	for _, note := range notes {
		if note.Quiet == quiet {
			ids = append(ids, note.CustomerID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, crm.ID.Compare)
	_, err := s.correct(ctx, id, crm.Where("id in $1", slices.Compact(ids)))
	return err
}

// concern is a field of a kind of record that an event says has changed. Of a custom field
// the event has the key, and a use the name: any of them.
type concern struct{ object, field string }

const anyCustom = "custom."

// concernsOf are what an event touches.
func concernsOf(e *crm.Event) []concern {
	var list []concern
	whole := e.Version == 1 || len(e.Changes) == 0
	for _, c := range e.Changes {
		field := c.Field
		if strings.HasPrefix(field, anyCustom) {
			field = anyCustom
		}
		if touched := (concern{e.Object, field}); !slices.Contains(list, touched) {
			list = append(list, touched)
		}
		whole = whole || c.Field == "deleted"
	}
	_, verb, _ := strings.Cut(e.Name, ".")
	if whole || slices.Contains([]string{"merged", "unmerged", "absorbed", "restored", "relinked", "erased"}, verb) {
		list = append(list, concern{e.Object, everyField})
	}
	return list
}

// follow notes which customers events make stale, and in which segments.
func (s *Segments) follow(ctx context.Context, events []crm.Event) error {
	concerns := make([][]concern, len(events))
	for i := range events {
		concerns[i] = concernsOf(&events[i])
	}
	uses, err := s.usesOf(ctx, slices.Concat(concerns...))
	if err != nil || len(uses) == 0 {
		return err
	}
	n := s.noting(ctx)
	for i := range events {
		byWay := map[string][]crm.ID{}
		for _, c := range concerns[i] {
			for _, u := range uses[c] {
				if !slices.Contains(byWay[u.Way], u.SegmentID) {
					byWay[u.Way] = append(byWay[u.Way], u.SegmentID)
				}
			}
		}
		for way, segments := range byWay {
			if err := n.way(&events[i], way, segments); err != nil {
				return err
			}
		}
	}
	if err := n.flush(); err != nil || len(n.segments) == 0 {
		return err
	}
	return s.wake(ctx, segmentStaleJob, slices.SortedFunc(maps.Keys(n.segments), crm.ID.Compare)...)
}

// usesOf are the uses of what is touched.
func (s *Segments) usesOf(ctx context.Context, touched []concern) (map[concern][]segmentUse, error) {
	var objects, fields []string
	text := "object in $1 and field in $2"
	for _, c := range touched {
		objects, fields = append(objects, c.object), append(fields, c.field)
		if c.field == anyCustom {
			text = "object in $1 and (field in $2 or field startsWith 'custom.')"
		}
	}
	uses := map[concern][]segmentUse{}
	for u, err := range s.uses.All(ctx, crm.Where(text, distinct(objects), distinct(fields))) {
		if err != nil {
			return nil, err
		}
		field := u.Field
		if strings.HasPrefix(field, anyCustom) {
			field = anyCustom
		}
		c := concern{u.Object, field}
		uses[c] = append(uses[c], u)
	}
	return uses, nil
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// noting writes down stale customers, each once in a segment.
type noting struct {
	s        *Segments
	ctx      context.Context //nolint:containedctx // of the one call that it is made for
	known    map[staleMember]bool
	rows     []staleMember
	segments map[crm.ID]bool // those that have some
}

func (s *Segments) noting(ctx context.Context) *noting {
	return &noting{s: s, ctx: ctx, known: map[staleMember]bool{}, segments: map[crm.ID]bool{}}
}

// note notes customers for segments.
func (n *noting) note(segments, customers []crm.ID) error {
	for _, segment := range segments {
		n.segments[segment] = true
		for _, id := range customers {
			row := staleMember{SegmentID: segment, CustomerID: id, Quiet: crm.IsQuiet(n.ctx)}
			if n.known[row] {
				continue
			}
			n.known[row] = true
			if n.rows = append(n.rows, row); len(n.rows) == crm.MaxPage {
				if err := n.flush(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (n *noting) flush() error {
	rows := n.rows
	n.rows = nil
	if len(rows) == 0 {
		return nil
	}
	return n.s.stale.Append(n.ctx, rows...)
}

// way notes the customers that a way leads to from the record of an event.
func (n *noting) way(e *crm.Event, way string, segments []crm.ID) error {
	if strings.Contains(way, "$1") {
		return n.found(e, way, segments)
	}
	ids := []crm.ID{e.Record}
	if way != "id" {
		var err error
		if ids, err = n.s.referred(n.ctx, e, way); err != nil {
			return err
		}
	}
	return n.note(segments, ids)
}

// found notes the customers of whom a condition about the record of an event holds, by one
// statement for each segment.
func (n *noting) found(e *crm.Event, way string, segments []crm.ID) error {
	for _, id := range segments {
		n.segments[id] = true
		who := crm.Filter{Text: way, Args: []any{e.Record}}
		row := staleMember{SegmentID: id, Quiet: e.Quiet}
		if _, err := n.s.stale.Expand(n.ctx, "customer", who, row, map[string]string{"customer_id": "id", "id": "id"}); err != nil {
			return err
		}
	}
	return nil
}

// referred are the customers to whom a record refers and referred.
func (s *Segments) referred(ctx context.Context, e *crm.Event, field string) ([]crm.ID, error) {
	if ids := referredBy(e, field); len(ids) > 0 {
		return ids, nil
	}
	records, err := s.core.Records(e.Object)
	if err != nil {
		return nil, err
	}
	v, err := records.Get(ctx, e.Record, crm.WithDeleted())
	if err == nil {
		if id, ok := v[field].(crm.ID); ok {
			return []crm.ID{id}, nil
		}
		return nil, nil
	}
	if !errors.Is(err, crm.ErrNotFound) {
		return nil, err
	}
	past, err := records.History(ctx, e.Record, crm.Limit(crm.MaxPage)) // it was purged, and its history is there
	if errors.Is(err, crm.ErrNotFound) {
		return nil, nil
	}
	for i := range past.Items {
		if ids := referredBy(&past.Items[i], field); len(ids) > 0 {
			return ids, err
		}
	}
	return nil, err
}

// referredBy are the records to which an event says that a field led and leads.
func referredBy(e *crm.Event, field string) (ids []crm.ID) {
	for _, c := range e.Changes {
		if c.Field != field {
			continue
		}
		for _, raw := range []json.RawMessage{c.Before, c.After} {
			var id crm.ID
			if json.Unmarshal(raw, &id) == nil && !id.IsZero() {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Touch says that rows of a ledger changed which belong to customers, for modules that
// keep one: segments whose conditions ask about it look at those customers again, soon
// after the transaction of the context. Records need no telling.
func (s *Segments) Touch(ctx context.Context, ledger string, customers ...crm.ID) error {
	return failed("touch", "segment", crm.ID{}, s.touch(ctx, ledger, customers))
}

func (s *Segments) touch(ctx context.Context, ledger string, customers []crm.ID) error {
	if len(customers) == 0 {
		return nil
	}
	touched := concern{ledger, everyField}
	uses, err := s.usesOf(ctx, []concern{touched})
	if err != nil || len(uses) == 0 {
		return err
	}
	var segments []crm.ID
	for _, u := range uses[touched] {
		if !slices.Contains(segments, u.SegmentID) {
			segments = append(segments, u.SegmentID)
		}
	}
	n := s.noting(ctx)
	if err := n.note(segments, customers); err != nil {
		return err
	}
	if err := n.flush(); err != nil {
		return err
	}
	jobs := make([]crm.Job, len(segments)) // without keys, for which one host's transaction would wait for another's
	for i, id := range segments {
		jobs[i] = crm.Job{Kind: segmentStaleJob, Payload: id}
	}
	_, err = s.core.Jobs.EnqueueAll(ctx, jobs)
	return err
}

// scheduleSweep makes the job come that finds which segments are to be looked at.
// Another rhythm is that of a Schedule of this name and kind.
func (s *Segments) scheduleSweep(ctx context.Context) error {
	known, err := s.core.Jobs.Schedules(ctx)
	if err != nil || slices.ContainsFunc(known, func(k crm.Schedule) bool { return k.Name == segmentsSweep }) {
		return err
	}
	return s.core.Jobs.Schedule(ctx, crm.Schedule{Name: segmentsSweep, Kind: segmentsSweep, Cron: "@hourly"})
}

// sweep has segments evaluated whose members time changes, and all of them once a day;
// and wakes what may have been missed.
func (s *Segments) sweep(ctx context.Context) error {
	now := s.core.Now(ctx)
	for g, err := range s.All(ctx, crm.Where("kind == 'dynamic'")) {
		if err != nil {
			return err
		}
		roll, err := s.roll(ctx, g.ID)
		if err != nil {
			return err
		}
		due := now.Sub(roll.Evaluated) >= segmentDaily
		if !due {
			uses, err := s.core.FilterUses(ctx, "customer", g.Where)
			if errors.Is(err, crm.ErrInvalid) { // its own job says so
				uses.Clock, err = true, nil
			}
			if err != nil {
				return err
			}
			due = uses.Clock
		}
		if due {
			if err := s.wake(ctx, segmentJob, g.ID); err != nil {
				return err
			}
		}
		noted, err := s.stale.List(ctx, crm.Where("segment_id == $1", g.ID), crm.Limit(1))
		if err == nil && len(noted.Items) > 0 {
			err = s.wake(ctx, segmentStaleJob, g.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
