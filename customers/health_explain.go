package customers

import (
	"context"
	"errors"

	"github.com/embedcrm/embedcrm/crm"
)

// MeasureHealth is what one measure of a scorecard says of a customer.
type MeasureHealth struct {
	// Key and Name are the measure's, and Weight is how much it counts.
	Key, Name string
	Weight    int64
	// Applies says that it can be told of him. What does not is in no score.
	Applies bool
	// Points are from 0 to 100.
	Points int64
	// When is the condition that he fulfils, and Says what that means in words. Both are
	// empty when he is on the step for all others, or on none.
	When, Says string
	// Withheld says that the measure asks for what the actor may not read. He is told
	// neither points nor reasons then.
	Withheld bool
}

// CustomerHealth is the health of a customer by one scorecard, explained.
type CustomerHealth struct {
	// Scorecard is the key of it, and Name its name.
	Scorecard, Name string
	// Score and Band are what he has by now; see [HealthScore].
	Score int64
	Band  string
	// Measures are what it is made of, in the scorecard's order.
	Measures []MeasureHealth
}

// Explain tells how healthy a customer is by each scorecard that is for him, by their
// keys, and why: what each measure gives and by which condition. It is found out now, and
// not what the job last kept. It is for those who may read him; of measures that ask for
// what they may not read they are told the weight alone. Of who is restricted it is
// [ErrRestricted]: what he had is in [Health.Trend].
func (h *Health) Explain(ctx context.Context, customer crm.ID) ([]CustomerHealth, error) {
	list, err := h.explain(ctx, customer)
	return list, failed("explain", "health_score", customer, err)
}

func (h *Health) explain(ctx context.Context, customer crm.ID) ([]CustomerHealth, error) {
	owner, err := h.people.Get(ctx, customer)
	if err == nil {
		err = h.people.usable(ctx, owner.ID)
	}
	if err != nil {
		return nil, err
	}
	var list []CustomerHealth
	system := crm.SystemIn(ctx)
	for card, err := range h.Scorecards.All(system, crm.OrderBy("key")) {
		if err != nil {
			return nil, err
		}
		all, err := h.judge(system, &card, []crm.ID{customer})
		if err != nil {
			return nil, err
		}
		j := all[customer]
		if !j.covered {
			continue
		}
		if err := h.withhold(ctx, &card, j.points); err != nil {
			return nil, err
		}
		list = append(list, CustomerHealth{Scorecard: card.Key, Name: card.Name, Score: j.score, Band: card.band(j.score), Measures: j.points})
	}
	return list, nil
}

// withhold takes out of what measures say what the actor may not know: mostly nothing,
// which one statement finds out.
func (h *Health) withhold(ctx context.Context, card *Scorecard, points []MeasureHealth) error {
	_, err := h.asked(ctx, card.conditions(), crm.Where("false"))
	if !errors.Is(err, crm.ErrForbidden) {
		return err
	}
	for i, m := range card.Measures {
		only := Scorecard{Measures: []HealthMeasure{m}}
		_, err := h.asked(ctx, only.conditions(), crm.Where("false"))
		if errors.Is(err, crm.ErrForbidden) {
			points[i] = MeasureHealth{Key: m.Key, Name: m.Name, Weight: m.Weight, Withheld: true}
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
