package customers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// HealthStep is one step of a measure: the points it gives, and to whom.
type HealthStep struct {
	// When says which customers are on it, in the CRM's language, as in
	// "count(events, .at > ago('30d')) >= 10"; empty: all who are on no step before.
	When string `json:"when,omitempty"`
	// Points are from 0, poor, to 100, good.
	Points int64 `json:"points"`
	// Says tells people why, in their words, in at most 200 bytes: "logged in this month".
	Says string `json:"says,omitempty"`
}

// HealthMeasure is one thing by which a customer's health is measured: how much he uses,
// what he bought.
type HealthMeasure struct {
	// Key is what code calls it, unique in the scorecard, and Name what people do.
	Key  string `json:"key"`
	Name string `json:"name,omitempty"`
	// Weight is how much it counts beside the others, from 1 to 1,000.
	Weight int64 `json:"weight"`
	// Applies says whom it can be told of; empty: everyone. For others the scorecard goes by
	// the rest of its measures.
	Applies string `json:"applies,omitempty"`
	// Steps are at most 10. A customer is on the first whose When holds, and on none has 0
	// points.
	Steps []HealthStep `json:"steps"`
}

// HealthBand is a range of scores with a name.
type HealthBand struct {
	Name string `json:"name"`
	// From is the lowest score in it; the highest is below that of the band before.
	From int64 `json:"from"`
}

// Scorecard says how healthy a customer is, from 0 to 100, by measures and their weights.
// A tenant has any number of them side by side: of usage, of payments, of everything.
//
// The score is the mean of the points of the measures that apply, by their weights,
// rounded half up. Whom no measure applies to has none.
type Scorecard struct {
	crm.Record

	// Key is what code calls it: lower-case letters, digits, - and _, at most 48.
	Key  string `crm:"required,max=48,unique" json:"key"`
	Name string `crm:"required,max=100"       json:"name"`
	// Whom says which customers it is for, in the CRM's language; empty: all.
	Whom string `crm:"max=4000" json:"whom,omitempty"`
	// Measures are at most 20, and have at most 49 conditions in all.
	Measures []HealthMeasure `crm:"json" json:"measures"`
	// Bands are at most 10, the best first, the last from 0. Without any they are good from
	// 70, watch from 40 and poor.
	Bands []HealthBand `crm:"json" json:"bands"`
}

const (
	maxHealthMeasures   = 20
	maxHealthSteps      = 10
	maxHealthBands      = 10
	maxHealthConditions = crm.MaxMeasures - 1
)

var _ crm.Validator = (*Scorecard)(nil)

// Validate refuses a scorecard that gives no score.
func (s *Scorecard) Validate() error {
	if err := keyFault(s.Key); err != nil {
		return err
	}
	if n := len(s.Measures); n == 0 || n > maxHealthMeasures {
		return crm.Invalid("measures", "are %d: give 1 to %d", n, maxHealthMeasures)
	}
	for i := range s.Measures {
		if err := s.Measures[i].check(s.Measures[:i]); err != nil {
			return err
		}
	}
	if n := len(s.conditions()); n > maxHealthConditions {
		return crm.Invalid("measures", "have %d conditions with whom, and %d are allowed: make another scorecard of some", n, maxHealthConditions)
	}
	return s.checkBands()
}

// check refuses a measure that gives no points, or has the key of one before.
func (m *HealthMeasure) check(before []HealthMeasure) error {
	refuse := func(format string, args ...any) error {
		return crm.Invalid("measures", "measure %q "+format, append([]any{m.Key}, args...)...)
	}
	switch {
	case m.Key == "" || len(m.Key) > 48 || keyFault(m.Key) != nil:
		return refuse("has a key of 1 to 48 lower-case letters, digits, - and _")
	case slices.ContainsFunc(before, func(o HealthMeasure) bool { return o.Key == m.Key }):
		return refuse("is there twice")
	case len(m.Name) > 100:
		return refuse("has a name of at most 100 bytes")
	case m.Weight < 1 || m.Weight > 1000:
		return refuse("has the weight %d: give 1 to 1000", m.Weight)
	case len(m.Steps) == 0 || len(m.Steps) > maxHealthSteps:
		return refuse("has %d steps: give 1 to %d", len(m.Steps), maxHealthSteps)
	}
	for i, step := range m.Steps {
		switch {
		case step.Points < 0 || step.Points > 100:
			return refuse("has a step of %d points: give 0 to 100", step.Points)
		case step.When == "" && i < len(m.Steps)-1:
			return refuse("has a step without a condition, so that nobody is on those after it: put it last")
		case len(step.Says) > 200:
			return refuse("has a step that says more than 200 bytes")
		}
	}
	return nil
}

func (s *Scorecard) checkBands() error {
	if len(s.Bands) > maxHealthBands {
		return crm.Invalid("bands", "are %d, and %d are allowed", len(s.Bands), maxHealthBands)
	}
	for i, b := range s.Bands {
		switch {
		case b.Name == "" || len(b.Name) > 50 || strings.TrimSpace(b.Name) != b.Name:
			return crm.Invalid("bands", "band %d has a name of 1 to 50 bytes, without space around it", i+1)
		case slices.ContainsFunc(s.Bands[:i], func(o HealthBand) bool { return o.Name == b.Name }):
			return crm.Invalid("bands", "band %q is there twice", b.Name)
		case b.From < 0 || b.From > 100:
			return crm.Invalid("bands", "band %q begins at %d: give 0 to 100", b.Name, b.From)
		case i > 0 && b.From >= s.Bands[i-1].From:
			return crm.Invalid("bands", "band %q begins at %d, which is not below the band before it: put the best first", b.Name, b.From)
		case i == len(s.Bands)-1 && b.From != 0:
			return crm.Invalid("bands", "band %q is the last and begins at %d: let it begin at 0", b.Name, b.From)
		}
	}
	return nil
}

// band is the name of the band a score is in.
func (s *Scorecard) band(score int64) string {
	bands := s.Bands
	if len(bands) == 0 {
		bands = []HealthBand{{"good", 70}, {"watch", 40}, {"poor", 0}}
	}
	for _, b := range bands {
		if score >= b.From {
			return b.Name
		}
	}
	return bands[len(bands)-1].Name
}

// healthCondition is a condition of a scorecard, and what it is called.
type healthCondition struct{ text, field, label string }

// conditions are all a scorecard asks of a customer, in the order in which judge takes
// the answers.
func (s *Scorecard) conditions() []healthCondition {
	var list []healthCondition
	if s.Whom != "" {
		list = append(list, healthCondition{s.Whom, "whom", "whom"})
	}
	for _, m := range s.Measures {
		if m.Applies != "" {
			list = append(list, healthCondition{m.Applies, "measures", fmt.Sprintf("measure %q applies", m.Key)})
		}
		for i, step := range m.Steps {
			if step.When != "" {
				list = append(list, healthCondition{step.When, "measures", fmt.Sprintf("measure %q step %d", m.Key, i+1)})
			}
		}
	}
	return list
}

// judged is what a scorecard makes of a customer.
type judged struct {
	covered bool // he has a score
	score   int64
	points  []MeasureHealth
}

// judge makes a score of the answers to conditions.
func (s *Scorecard) judge(holds []bool) judged {
	next := func(condition string) bool {
		if condition == "" {
			return true
		}
		h := holds[0]
		holds = holds[1:]
		return h
	}
	is := judged{covered: next(s.Whom), points: make([]MeasureHealth, len(s.Measures))}
	var sum, weights int64
	for i, m := range s.Measures {
		of := MeasureHealth{Key: m.Key, Name: m.Name, Weight: m.Weight, Applies: next(m.Applies)}
		on := false
		for _, step := range m.Steps {
			if next(step.When) && !on {
				on, of.Points, of.When, of.Says = true, step.Points, step.When, step.Says
			}
		}
		if of.Applies {
			sum, weights = sum+m.Weight*of.Points, weights+m.Weight
		} else {
			of.Points, of.When, of.Says = 0, "", ""
		}
		is.points[i] = of
	}
	if is.covered = is.covered && weights > 0; is.covered {
		is.score = (2*sum + weights) / (2 * weights)
	}
	return is
}

// checkScorecard refuses conditions that cannot be understood: BeforeWrite.
func (h *Health) checkScorecard(ctx context.Context, w *crm.Write[Scorecard]) error {
	if err := w.After.Validate(); err != nil {
		return err
	}
	for _, c := range w.After.conditions() {
		if err := h.people.understood(crm.SystemIn(ctx), c.field, c.label, crm.Where(c.text)); err != nil {
			return err
		}
	}
	return nil
}

// naming names the scorecards whose conditions name a custom field.
func (h *Health) naming(ctx context.Context, object, field string) (names []string, err error) {
	for s, err := range h.Scorecards.All(crm.SystemIn(ctx)) {
		if err != nil {
			return nil, err
		}
		var texts []string
		for _, c := range s.conditions() {
			texts = append(texts, c.text)
		}
		named, err := h.people.named(ctx, object, field, texts)
		if err != nil {
			return nil, err
		}
		if named {
			names = append(names, fmt.Sprintf("scorecard %q", s.Name))
		}
	}
	return names, nil
}

// scorecardWritten has a changed scorecard evaluated soon, and all of them as time goes:
// AfterWrite.
func (h *Health) scorecardWritten(ctx context.Context, w *crm.Write[Scorecard]) error {
	if w.After == nil || !w.After.Deleted.IsZero() {
		return nil
	}
	return h.people.keepUp(ctx, healthJob, "*/5 * * * *")
}
