package quality

import (
	"context"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Score is how good a record is. Each part is from 0 to 100; what is not asked of the
// kind is 100.
type Score struct {
	Record crm.ID
	// Score is the mean of the parts that are asked, rounded half up.
	Score int64
	// Complete is how much of what it should have it has, by the weights of the fields;
	// Missing are those without a value.
	Complete int64
	Missing  []string
	// Fresh falls from 100 to 0 within the days of the standard, and Changed is from when
	// on it falls.
	Fresh   int64
	Changed time.Time
	// Valid is how much of the rules it keeps, by their severities, and Violated are
	// those it does not, the worst first.
	Valid    int64
	Violated []Rule
	// Withheld says that some of Missing and Violated are left out, since the actor may
	// not read the fields they are about.
	Withheld bool
}

// scorer scores records of one kind. It sees all of them, so that a score is the same
// for everyone.
type scorer struct {
	q        *Quality
	records  *crm.Records
	standard Standard
	rules    []Rule
}

func (q *Quality) scorer(ctx context.Context, object string) (*scorer, error) {
	s := &scorer{q: q}
	var err error
	if s.records, err = q.records(object); err != nil {
		return nil, err
	}
	if s.standard, err = q.standard(crm.SystemIn(ctx), object); err != nil {
		return nil, err
	}
	s.rules, err = q.rules(crm.SystemIn(ctx), object)
	return s, err
}

// Score returns how good a record is by now, for those who may read it. The score is the
// same for all of them.
func (q *Quality) Score(ctx context.Context, object string, id crm.ID) (Score, error) {
	score, err := func() (Score, error) {
		s, err := q.scorer(ctx, object)
		if err != nil {
			return Score{}, err
		}
		v, err := s.records.Get(ctx, id)
		if err != nil {
			return Score{}, err
		}
		list, err := s.shown(ctx, []crm.ID{v.ID()})
		if err == nil && len(list) == 0 {
			err = crm.ErrNotFound
		}
		if err != nil {
			return Score{}, err
		}
		return list[0], nil
	}()
	return score, failed("score", object, id, err)
}

// Scores returns a page of records with their scores: which, and in which order, is said
// as to [crm.Records.List].
func (q *Quality) Scores(ctx context.Context, object string, opts ...crm.ListOption) (crm.Page[Score], error) {
	page, err := func() (crm.Page[Score], error) {
		s, err := q.scorer(ctx, object)
		if err != nil {
			return crm.Page[Score]{}, err
		}
		found, err := s.records.List(ctx, opts...)
		if err != nil {
			return crm.Page[Score]{}, err
		}
		ids := make([]crm.ID, len(found.Items))
		for i, v := range found.Items {
			ids[i] = v.ID()
		}
		list, err := s.shown(ctx, ids)
		return crm.Page[Score]{Items: list, Next: found.Next}, err
	}()
	return page, failed("score", object, crm.ID{}, err)
}

// shown are the scores of records that the actor may read, without what he may not know.
func (s *scorer) shown(ctx context.Context, ids []crm.ID) ([]Score, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	system := crm.SystemIn(ctx)
	page, err := s.records.List(system, crm.Where("id in $1", ids), crm.OrderBy("id"), crm.Limit(crm.MaxPage))
	if err != nil {
		return nil, err
	}
	list, err := s.score(system, page.Items)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Score) int { return slices.Index(ids, a.Record) - slices.Index(ids, b.Record) })
	fields, err := s.records.Fields(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := s.q.secret(ctx, s.records, s.rules)
	if err != nil {
		return nil, err
	}
	for i := range list {
		x := &list[i]
		all := len(x.Missing) + len(x.Violated)
		x.Missing = slices.DeleteFunc(x.Missing, func(name string) bool { _, ok := fieldOf(fields, name); return !ok })
		x.Violated = slices.DeleteFunc(x.Violated, func(r Rule) bool { return secret[r.ID] })
		x.Withheld = len(x.Missing)+len(x.Violated) < all
	}
	return list, nil
}

// score scores records, in their order.
func (s *scorer) score(ctx context.Context, list []crm.Values) ([]Score, error) {
	violated, err := s.violated(ctx, list)
	if err != nil {
		return nil, err
	}
	scores := make([]Score, len(list))
	for i, v := range list {
		x := Score{Record: v.ID(), Complete: 100, Fresh: 100, Valid: 100, Violated: violated[v.ID()]}
		var parts []int64
		if len(s.standard.Complete) > 0 {
			x.Complete, x.Missing = s.complete(v)
			parts = append(parts, x.Complete)
		}
		if s.standard.FreshDays > 0 {
			if x.Changed, err = s.changed(ctx, v); err != nil {
				return nil, err
			}
			x.Fresh = s.fresh(s.q.core.Now(ctx).Sub(x.Changed))
			parts = append(parts, x.Fresh)
		}
		if len(s.rules) > 0 {
			x.Valid = s.valid(x.Violated)
			parts = append(parts, x.Valid)
		}
		x.Score = 100
		if n := int64(len(parts)); n > 0 {
			x.Score = share(sum(parts), 100*n)
		}
		scores[i] = x
	}
	return scores, nil
}

func sum(list []int64) (n int64) {
	for _, x := range list {
		n += x
	}
	return n
}

// share is part of whole in percent, rounded half up.
func share(part, whole int64) int64 { return (200*part + whole) / (2 * whole) }

// complete is how much of what it should have a record has.
func (s *scorer) complete(v crm.Values) (score int64, missing []string) {
	var has, all int64
	for _, wanted := range s.standard.Complete {
		all += wanted.Weight
		if filled(v, wanted.Field) {
			has += wanted.Weight
		} else {
			missing = append(missing, wanted.Field)
		}
	}
	return share(has, all), missing
}

// fresh is the freshness of what was changed so long ago.
func (s *scorer) fresh(age time.Duration) int64 {
	span := time.Duration(s.standard.FreshDays) * 24 * time.Hour
	if age >= span {
		return 0
	}
	return share(int64((span-max(age, 0))/time.Second), int64(span/time.Second))
}

// changed is when what the standard asks about was changed last. A record in which
// nothing was changed for so long is out of date whatever its history says.
func (s *scorer) changed(ctx context.Context, v crm.Values) (time.Time, error) {
	updated, _ := v["updated"].(time.Time)
	created, _ := v["created"].(time.Time)
	span := time.Duration(s.standard.FreshDays) * 24 * time.Hour
	if len(s.standard.FreshFields) == 0 || s.q.core.Now(ctx).Sub(updated) >= span {
		return updated, nil
	}
	for cursor := ""; ; {
		page, err := s.records.History(ctx, v.ID(), crm.After(cursor))
		if err != nil {
			return created, err
		}
		for _, e := range page.Items {
			if slices.ContainsFunc(e.Changes, func(c crm.FieldChange) bool { return slices.Contains(s.standard.FreshFields, c.Field) }) {
				return e.Happened, nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return created, nil
		}
	}
}

// valid is how much of the rules a record keeps that violates some.
func (s *scorer) valid(violated []Rule) int64 {
	var broken, all int64
	for _, r := range s.rules {
		all += r.Severity.weight()
	}
	for _, r := range violated {
		broken += r.Severity.weight()
	}
	return share(all-broken, all)
}

// violated are the rules that records violate: all of them are asked of all records in
// one statement, or two.
func (s *scorer) violated(ctx context.Context, list []crm.Values) (map[crm.ID][]Rule, error) {
	ids := make([]crm.ID, len(list))
	for i, v := range list {
		ids[i] = v.ID()
	}
	return s.violating(ctx, ids)
}

func (s *scorer) violating(ctx context.Context, ids []crm.ID) (map[crm.ID][]Rule, error) {
	violated := map[crm.ID][]Rule{}
	for rules := range slices.Chunk(s.rules, crm.MaxMeasures) {
		f := crm.Figures{GroupBy: []crm.GroupBy{{Field: "id"}}}
		for i := range rules {
			f.Measures = append(f.Measures, counting(&rules[i]))
		}
		t, err := s.q.core.Aggregate(ctx, s.records.Kind(), f, crm.Where("id in $1", ids))
		if err != nil {
			return nil, err
		}
		for _, row := range t.Rows {
			id, _ := row.Groups[0].(crm.ID)
			for i, n := range row.Values {
				if n != int64(0) {
					violated[id] = append(violated[id], rules[i])
				}
			}
		}
	}
	return violated, nil
}
