package quality

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Enricher finds out more about records elsewhere: a register of companies, a provider of
// data. It is called outside of transactions, by any number of goroutines.
type Enricher interface {
	// Source is what it is called, of 1 to 60 lower-case letters, digits, - and _. It is
	// kept with every value it brought.
	Source() string
	// Enrich returns what is known of a record, by the names of its fields. What is not
	// among them stays. v must not be changed.
	Enrich(ctx context.Context, object string, v crm.Values) (crm.Values, error)
}

// Enriched is what became of what an Enricher found.
type Enriched struct {
	// Record is it as it is kept.
	Record crm.Values
	// Set are the fields that were set. Kept are those that were not, since somebody else
	// gave them the value they have, or took it away.
	Set, Kept []string
}

// enrichment is what the causes of changes by an Enricher begin with.
const enrichment = "enrichment "

// enrichTries is how often a record that others change meanwhile is begun again.
const enrichTries = 4

// Enrich fills a record by what an Enricher finds. It never overwrites what a person, or
// anything else than enrichment, has entered, nor fills again what was emptied so: only
// fields without a value, and those that enrichment itself had set last, are set. Which
// source a value is from stays in the history of the record, see [Quality.Origins]. It
// takes the right to update the record, and refuses what the actor, a rule or the kind
// does not allow, whole.
func (q *Quality) Enrich(ctx context.Context, object string, id crm.ID, from Enricher) (Enriched, error) {
	done, err := q.enrich(ctx, object, id, from)
	return done, failed("enrich", object, id, err)
}

func (q *Quality) enrich(ctx context.Context, object string, id crm.ID, from Enricher) (Enriched, error) {
	if from == nil {
		return Enriched{}, crm.Invalid("from", "there is no enricher")
	}
	source := from.Source()
	if source == "" || len(source) > 60 || strings.Trim(source, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return Enriched{}, crm.Invalid("source", "%q is the name of no source: 1 to 60 lower-case letters, digits, - and _ make one", source)
	}
	records, err := q.records(object)
	if err != nil {
		return Enriched{}, err
	}
	v, err := records.Get(ctx, id, crm.WithoutMasked())
	if err != nil {
		return Enriched{}, err
	}
	found, err := from.Enrich(ctx, object, v.Copy())
	if err != nil || len(found) == 0 {
		return Enriched{Record: v}, err
	}
	fields, err := records.Fields(ctx)
	if err != nil {
		return Enriched{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		f, ok := fieldOf(fields, name)
		if !ok || f.Kernel || f.Guarded || f.Computed {
			return Enriched{}, crm.Invalid(name, "is no field of %s that enrichment may set", object)
		}
	}
	for range enrichTries {
		var done Enriched
		if done, err = q.fill(ctx, records, v, found, source); !errors.Is(err, crm.ErrConflict) {
			return done, err
		}
		if v, err = records.Get(ctx, id, crm.WithoutMasked()); err != nil {
			return Enriched{}, err
		}
	}
	return Enriched{}, err
}

// fill sets what may be set of what was found, in a record as it was read.
func (q *Quality) fill(ctx context.Context, records *crm.Records, v, found crm.Values, source string) (Enriched, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if found[name] != nil && !same(found[name], v[name]) {
			names = append(names, name)
		}
	}
	done := Enriched{Record: v}
	if len(names) == 0 {
		return done, nil
	}
	origins, err := q.originsOf(crm.SystemIn(ctx), records, v.ID(), names)
	if err != nil {
		return Enriched{}, err
	}
	for _, name := range names {
		if o, ok := origins[name]; ok && o.Source == "" {
			done.Kept = append(done.Kept, name)
		} else {
			done.Set = append(done.Set, name)
		}
	}
	if len(done.Set) == 0 {
		return done, nil
	}
	version, _ := v["version"].(int64)
	done.Record, err = records.Update(crm.Because(ctx, enrichment+source), v.ID(), func(v crm.Values) error {
		for _, name := range done.Set {
			v[name] = found[name]
		}
		return nil
	}, crm.IfVersion(version))
	return done, err
}

// Origin is where the value of a field is from: the last change of it.
type Origin struct {
	Field string
	// Source is the [Enricher] that brought it; empty: it was somebody or something else.
	Source string
	// Actor and Cause are who set it and why, as in [crm.Event], and At is when.
	Actor, Cause string
	At           time.Time
}

// Origins returns where the values of a record are from, by the names of the fields, for
// those who may read it. A field that never had a value has no origin.
func (q *Quality) Origins(ctx context.Context, object string, id crm.ID) ([]Origin, error) {
	list, err := func() ([]Origin, error) {
		records, err := q.records(object)
		if err != nil {
			return nil, err
		}
		all, err := q.originsOf(ctx, records, id, nil)
		list := slices.Collect(maps.Values(all))
		slices.SortFunc(list, func(a, b Origin) int { return strings.Compare(a.Field, b.Field) })
		return list, err
	}()
	return list, failed("origins", object, id, err)
}

// originsOf are the origins of some fields, or without names of all.
func (q *Quality) originsOf(ctx context.Context, records *crm.Records, id crm.ID, names []string) (map[string]Origin, error) {
	origins := map[string]Origin{}
	for cursor := ""; ; {
		page, err := records.History(ctx, id, crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return nil, err
		}
		for _, e := range page.Items { // the latest first
			for _, c := range e.Changes {
				if _, known := origins[c.Field]; known || names != nil && !slices.Contains(names, c.Field) {
					continue
				}
				o := Origin{Field: c.Field, Actor: e.Actor, Cause: e.Cause, At: e.Happened}
				if source, ok := strings.CutPrefix(e.Cause, enrichment); ok && strings.HasSuffix(e.Name, ".updated") {
					o.Source = source
				}
				origins[c.Field] = o
			}
		}
		if cursor = page.Next; cursor == "" || names != nil && len(origins) == len(names) {
			return origins, nil
		}
	}
}
