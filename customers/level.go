package customers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Grade is one grade of a scheme: A, B, gold.
type Grade struct {
	Name string `json:"name"`
	// When says which customers have it, in the CRM's language; empty: all who have no
	// better one.
	When string `json:"when,omitempty"`
}

// LevelScheme is a way to grade customers, by value or by risk. A tenant has any number of
// them side by side. Of its grades a customer has the first whose condition he satisfies.
type LevelScheme struct {
	crm.Record

	// Key is what code calls it: lower-case letters, digits, - and _, at most 48.
	Key  string `crm:"required,max=48,unique" json:"key"`
	Name string `crm:"required,max=100"       json:"name"`
	// Grades are at most 10, the best first.
	Grades []Grade `crm:"json" json:"grades"`
}

const maxGrades = 10

var _ crm.Validator = (*LevelScheme)(nil)

// Validate refuses grades that could not be told apart.
func (s *LevelScheme) Validate() error {
	if err := keyFault(s.Key); err != nil {
		return err
	}
	if len(s.Grades) == 0 || len(s.Grades) > maxGrades {
		return crm.Invalid("grades", "are %d: give 1 to %d", len(s.Grades), maxGrades)
	}
	for i, g := range s.Grades {
		switch {
		case g.Name == "" || len(g.Name) > 50 || strings.TrimSpace(g.Name) != g.Name:
			return crm.Invalid("grades", "grade %d has a name of 1 to 50 bytes, without space around it", i+1)
		case slices.ContainsFunc(s.Grades[:i], func(o Grade) bool { return o.Name == g.Name }):
			return crm.Invalid("grades", "grade %q is there twice", g.Name)
		case g.When == "" && i < len(s.Grades)-1:
			return crm.Invalid("grades", "grade %q has no condition, so that nobody has those after it: put it last", g.Name)
		}
	}
	return nil
}

// Level is the grade a customer has in a scheme. Expressions know it:
//
//	any(levels, .scheme.key == 'value' and .grade == 'A')
type Level struct {
	crm.Record

	CustomerID crm.ID    `crm:"required,ref=customer,parent" json:"customer_id"`
	SchemeID   crm.ID    `crm:"required,ref=level_scheme"    json:"scheme_id"`
	Grade      string    `crm:"required,guarded,max=50"      json:"grade"`
	Since      time.Time `crm:"required,guarded"             json:"since"`
	// Key is the customer and the scheme in one: he has one grade in it.
	Key string `crm:"required,guarded,max=80,unique" json:"key"`
}

// Levels are the schemes by which customers are graded, and their grades.
type Levels struct {
	crm.Collection[Level]

	Schemes *LevelSchemes

	kind   *crm.Kind[Level]
	people *Customers
}

// LevelSchemes are the schemes of a tenant. They are evaluated in the background, every
// hour and soon after one changed; see [Levels.Evaluate].
type LevelSchemes struct{ crm.Collection[LevelScheme] }

// levelJob is the kind of the jobs and the name of the schedule that evaluate schemes.
const levelJob = "customers.levels"

func (c *Customers) defineLevels(core *crm.Core) error {
	l := &Levels{people: c}
	schemes, err := crm.Define(core, crm.Object[LevelScheme]{Name: "level_scheme", BeforeWrite: l.checkScheme, AfterWrite: l.schemeWritten})
	if err != nil {
		return err
	}
	kind, err := crm.Define(core, crm.Object[Level]{
		Name:    "level",
		Initial: func(context.Context, *crm.Write[Level]) error { return nil }, // so that only a scheme gives a grade, or an import
		Relink: func(_ context.Context, w *crm.Write[Level]) error {
			w.After.Key = w.After.CustomerID.String() + " " + w.After.SchemeID.String()
			return nil
		},
	})
	if err != nil {
		return err
	}
	l.kind, l.Collection, l.Schemes = kind, kind.Collection, &LevelSchemes{schemes.Collection}
	c.Levels = l
	core.Fields.UsedBy(l.naming)
	return core.Jobs.Handle(levelJob, func(ctx context.Context, _ crm.Job) error {
		_, err := l.EvaluateAll(ctx)
		return err
	}, crm.Idempotent())
}

// checkScheme refuses conditions that cannot be understood.
func (l *Levels) checkScheme(ctx context.Context, w *crm.Write[LevelScheme]) error {
	if err := w.After.Validate(); err != nil {
		return err
	}
	for i, g := range w.After.Grades {
		if err := l.people.understood(crm.SystemIn(ctx), "grades", fmt.Sprintf("grade %q", g.Name), w.After.having(i)...); err != nil {
			return err
		}
	}
	return nil
}

// naming names the schemes whose conditions name a custom field.
func (l *Levels) naming(ctx context.Context, object, field string) (names []string, err error) {
	for s, err := range l.Schemes.All(crm.SystemIn(ctx)) {
		if err != nil {
			return nil, err
		}
		var texts []string
		for _, g := range s.Grades {
			texts = append(texts, g.When)
		}
		named, err := l.people.named(ctx, object, field, texts)
		if err != nil {
			return nil, err
		}
		if named {
			names = append(names, fmt.Sprintf("level scheme %q", s.Name))
		}
	}
	return names, nil
}

// having are the conditions of a grade: its own, and none of those before it.
func (s *LevelScheme) having(grade int) []crm.ListOption {
	var opts []crm.ListOption
	for _, better := range s.Grades[:grade] {
		opts = append(opts, crm.Where("not (\n"+better.When+"\n)"))
	}
	if when := s.Grades[grade].When; when != "" {
		opts = append(opts, crm.Where(when))
	}
	return opts
}

// schemeWritten has a changed scheme evaluated soon, and all of them every hour.
func (l *Levels) schemeWritten(ctx context.Context, w *crm.Write[LevelScheme]) error {
	if w.After == nil || !w.After.Deleted.IsZero() {
		return nil
	}
	return l.people.keepUp(ctx, levelJob, "@hourly")
}

// EvaluateAll evaluates every scheme of the tenant, and returns how many customers have
// another grade now. It is what the job customers.levels does; another rhythm than every
// hour is that of a Schedule of this name and kind.
func (l *Levels) EvaluateAll(ctx context.Context) (int64, error) {
	var changed int64
	for s, err := range l.Schemes.All(ctx) {
		if err == nil {
			var n int64
			n, err = l.evaluate(ctx, &s)
			changed += n
		}
		if err != nil {
			return changed, failed("evaluate", "level_scheme", s.ID, err)
		}
	}
	return changed, nil
}

// Evaluate gives every customer the grade he has by now in a scheme, by its key, and returns
// how many have another one than before. Conditions are asked as the tenant's own, whoever
// calls. Only those whose grade changed are written, in steps of 500: ended in between, it
// goes on when it is called again. The history of a level is that of the customer's grade.
// Who is restricted is passed over, and keeps the grade he has: see [Customers.Restrict].
func (l *Levels) Evaluate(ctx context.Context, scheme string) (int64, error) {
	s, err := l.scheme(ctx, scheme)
	if err != nil {
		return 0, failed("evaluate", "level_scheme", crm.ID{}, err)
	}
	n, err := l.evaluate(ctx, &s)
	return n, failed("evaluate", "level_scheme", s.ID, err)
}

// EvaluateCustomer gives one customer the grades he has by now in all schemes, and returns
// them: for those who will not wait for the hour. It is for those who may read him. Of who
// is restricted it is [ErrRestricted].
func (l *Levels) EvaluateCustomer(ctx context.Context, id crm.ID) ([]Level, error) {
	owner, err := l.people.Get(ctx, id)
	if err == nil {
		err = l.people.usable(ctx, owner.ID)
	}
	if err != nil {
		return nil, failed("evaluate", "level", id, err)
	}
	for s, err := range l.Schemes.All(crm.SystemIn(ctx)) {
		if err == nil {
			_, err = l.evaluate(ctx, &s, crm.Where("id == $1", id))
		}
		if err != nil {
			return nil, failed("evaluate", "level", id, err)
		}
	}
	page, err := l.List(ctx, crm.Where("customer_id == $1", id), crm.Limit(crm.MaxPage))
	return page.Items, failed("evaluate", "level", id, err)
}

// Drop deletes a scheme, by its key, with the grades customers have in it.
func (l *Levels) Drop(ctx context.Context, scheme string) error {
	s, err := l.scheme(ctx, scheme)
	for err == nil {
		var page crm.Page[Level]
		if page, err = l.List(crm.SystemIn(ctx), crm.Where("scheme_id == $1", s.ID), crm.Limit(levelBatch)); err != nil || len(page.Items) == 0 {
			break
		}
		err = l.people.core.Tx(ctx, func(ctx context.Context) error {
			for _, level := range page.Items {
				if err := l.Delete(crm.SystemIn(ctx), level.ID); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = l.Schemes.Delete(ctx, s.ID)
	}
	return failed("drop", "level_scheme", s.ID, err)
}

func (l *Levels) scheme(ctx context.Context, key string) (LevelScheme, error) {
	page, err := l.Schemes.List(ctx, crm.Where("key == $1", key))
	if err == nil && len(page.Items) == 0 {
		err = crm.ErrNotFound
	}
	if err != nil {
		return LevelScheme{}, err
	}
	return page.Items[0], nil
}

// levelBatch is how many customers get another grade in one transaction.
const levelBatch = 500

// evaluate asks, grade by grade, who ought to have it and has not, and in the end who
// ought to have none.
func (l *Levels) evaluate(ctx context.Context, s *LevelScheme, among ...crm.ListOption) (int64, error) {
	ctx = crm.SystemIn(ctx)
	among = append([]crm.ListOption{unrestricted()}, among...)
	var changed int64
	for i, g := range s.Grades {
		wrong := slices.Concat(among, s.having(i), []crm.ListOption{
			crm.Where("none(levels, .scheme_id == $1 and .grade == $2)", s.ID, g.Name),
		})
		n, err := l.correct(ctx, wrong, func(ctx context.Context, ids []crm.ID) error { return l.give(ctx, s, g.Name, ids) })
		changed += n
		if err != nil {
			return changed, fmt.Errorf("grade %q: %w", g.Name, err)
		}
	}
	if last := s.Grades[len(s.Grades)-1]; last.When == "" {
		return changed, nil
	}
	none := slices.Concat(among, []crm.ListOption{crm.Where("any(levels, .scheme_id == $1)", s.ID)})
	for _, g := range s.Grades {
		none = append(none, crm.Where("not (\n"+g.When+"\n)"))
	}
	n, err := l.correct(ctx, none, func(ctx context.Context, ids []crm.ID) error { return l.take(ctx, s, ids) })
	return changed + n, err
}

// correct calls fn for the customers for whom something is wrong, page by page, each in a
// transaction of its own.
func (l *Levels) correct(ctx context.Context, wrong []crm.ListOption, fn func(context.Context, []crm.ID) error) (int64, error) {
	for changed, cursor := int64(0), ""; ; {
		var page crm.Page[Customer]
		err := l.people.core.Tx(ctx, func(ctx context.Context) (err error) {
			page, err = l.people.List(ctx, append(slices.Clone(wrong), crm.Limit(levelBatch), crm.After(cursor))...)
			if err != nil || len(page.Items) == 0 {
				return err
			}
			ids := make([]crm.ID, len(page.Items))
			for i, o := range page.Items {
				ids[i] = o.ID
			}
			return fn(ctx, ids)
		})
		if err != nil {
			return changed, err
		}
		changed += int64(len(page.Items))
		if cursor = page.Next; cursor == "" {
			return changed, nil
		}
	}
}

// give gives customers a grade.
func (l *Levels) give(ctx context.Context, s *LevelScheme, grade string, ids []crm.ID) error {
	now := l.people.core.Now(ctx)
	had, err := l.in(ctx, s, ids)
	if err != nil {
		return err
	}
	var fresh []Level
	for _, id := range ids {
		level, has := had[id]
		if !has {
			fresh = append(fresh, Level{CustomerID: id, SchemeID: s.ID, Grade: grade, Since: now, Key: levelKey(id, s)})
			continue
		}
		if _, err := l.kind.Do(ctx, level.ID, "changed", func(l *Level) error {
			l.Grade, l.Since = grade, now
			return nil
		}); err != nil {
			return err
		}
	}
	_, err = l.CreateAll(ctx, fresh)
	return err
}

func levelKey(customer crm.ID, s *LevelScheme) string { return customer.String() + " " + s.ID.String() }

// take takes their grades from customers.
func (l *Levels) take(ctx context.Context, s *LevelScheme, ids []crm.ID) error {
	had, err := l.in(ctx, s, ids)
	for _, id := range ids {
		if level, has := had[id]; has && err == nil {
			err = l.Delete(ctx, level.ID)
		}
	}
	return err
}

// in returns the levels living customers have in a scheme. That they live is not asked
// again: Postgres, where it does not know yet how many there are, takes its time over it.
func (l *Levels) in(ctx context.Context, s *LevelScheme, ids []crm.ID) (map[crm.ID]Level, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = levelKey(id, s)
	}
	page, err := l.List(ctx, crm.WithDeleted(), crm.Where("deleted == nil and key in $1", keys),
		crm.OrderBy("created"), crm.Limit(crm.MaxPage)) // by the index of keys, not that of an order
	had := map[crm.ID]Level{}
	for _, level := range page.Items {
		had[level.CustomerID] = level
	}
	return had, err
}
