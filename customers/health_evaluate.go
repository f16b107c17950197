package customers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

const (
	// healthBatch is how many customers are evaluated at once.
	healthBatch = 1000
	// healthOverlap is how long a change may take to be committed, and be seen without
	// waiting for the night.
	healthOverlap = 5 * time.Minute
	// healthTries is how often a step is begun again that another evaluation came into.
	healthTries = 4
)

// Evaluate gives every customer the score he has by now by a scorecard, by its key, and
// returns how many have another one, or another trend, than before. Conditions are asked
// as the tenant's own, whoever calls: all of a thousand customers in one statement. Only
// what changed is written. Ended in between, it goes on when it is called again.
func (h *Health) Evaluate(ctx context.Context, scorecard string) (int64, error) {
	card, err := h.card(ctx, scorecard)
	if err != nil {
		return 0, failed("evaluate", "scorecard", crm.ID{}, err)
	}
	n, err := h.whole(ctx, &card)
	return n, failed("evaluate", "scorecard", card.ID, err)
}

// EvaluateCustomer gives one customer the scores he has by now, and returns them: for
// those who will not wait for the job, and for modules in which something changed that
// scorecards ask of. It is for those who may read him. Of who is restricted it is
// [ErrRestricted].
func (h *Health) EvaluateCustomer(ctx context.Context, id crm.ID) ([]HealthScore, error) {
	owner, err := h.people.Get(ctx, id)
	if err == nil {
		err = h.people.usable(ctx, owner.ID)
	}
	if err != nil {
		return nil, failed("evaluate", "health_score", id, err)
	}
	for card, err := range h.Scorecards.All(crm.SystemIn(ctx)) {
		if err == nil {
			_, err = h.pass(ctx, &card, crm.Where("id == $1", id))
		}
		if err != nil {
			return nil, failed("evaluate", "health_score", id, err)
		}
	}
	page, err := h.List(ctx, crm.Where("customer_id == $1", id), crm.Limit(crm.MaxPage))
	return page.Items, failed("evaluate", "health_score", id, err)
}

// keepUp is what the job does. A scorecard that can no longer be understood does not
// keep the others from it.
func (h *Health) keepUp(ctx context.Context) error {
	zone, err := h.people.core.Tenants.Zone(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for card, err := range h.Scorecards.All(ctx) {
		if err != nil {
			return err
		}
		if err := h.keepUpCard(ctx, &card, zone); err != nil {
			wrong = append(wrong, fmt.Errorf("scorecard %q: %w", card.Key, err))
		}
	}
	return errors.Join(wrong...)
}

func (h *Health) keepUpCard(ctx context.Context, card *Scorecard, zone *time.Location) error {
	page, err := h.passes.List(ctx, crm.Where("scorecard_id == $1", card.ID))
	if err != nil {
		return err
	}
	now := h.people.core.Now(ctx)
	if len(page.Items) == 0 || !page.Items[0].Whole.After(card.Updated) || crm.DateOf(page.Items[0].Whole.In(zone)) != crm.DateOf(now.In(zone)) {
		_, err := h.whole(ctx, card)
		return err
	}
	was := page.Items[0]
	if _, err := h.pass(ctx, card, crm.Where("updated >= $1", was.Recent.Add(-healthOverlap))); err != nil {
		return err
	}
	was.Recent = now
	return h.passes.Put(ctx, was)
}

// whole evaluates all customers, and notes it.
func (h *Health) whole(ctx context.Context, card *Scorecard) (int64, error) {
	ctx = crm.SystemIn(ctx)
	now := h.people.core.Now(ctx)
	n, err := h.pass(ctx, card)
	if err != nil {
		return n, err
	}
	return n, h.passes.Put(ctx, healthPass{ScorecardID: card.ID, Recent: now, Whole: now})
}

// pass evaluates some customers, page by page.
func (h *Health) pass(ctx context.Context, card *Scorecard, among ...crm.ListOption) (int64, error) {
	ctx = crm.SystemIn(ctx)
	var changed, seen int64
	for cursor := ""; ; {
		page, err := h.people.List(ctx, slices.Concat(among, []crm.ListOption{unrestricted(), crm.OrderBy("id"), crm.Limit(healthBatch), crm.After(cursor)})...)
		if err != nil || len(page.Items) == 0 {
			return changed, err
		}
		ids := make([]crm.ID, len(page.Items))
		for i, o := range page.Items {
			ids[i] = o.ID
		}
		n, err := h.evaluate(ctx, card, ids)
		if err != nil {
			return changed, err
		}
		changed, seen = changed+n, seen+int64(len(ids))
		if cursor = page.Next; cursor == "" {
			return changed, nil
		}
		if err := crm.Progress(ctx, seen, 0); err != nil && !errors.Is(err, crm.ErrInvalid) { // which it is outside a job
			return changed, err
		}
	}
}

// evaluate gives customers their scores.
func (h *Health) evaluate(ctx context.Context, card *Scorecard, ids []crm.ID) (n int64, err error) {
	for range healthTries {
		var todo *healthChanges
		if todo, err = h.changes(ctx, card, ids); err != nil || todo.count() == 0 {
			return 0, err
		}
		err = h.people.core.Tx(ctx, func(ctx context.Context) error { return h.write(ctx, card, todo) })
		if !errors.Is(err, crm.ErrConflict) { // else another evaluation was first: there may be nothing left to do
			return todo.count(), err
		}
	}
	return 0, err
}

// healthChanges are the scores that are to be others than they are.
type healthChanges struct {
	fresh   []HealthScore
	changed []healthChange
	gone    []HealthScore
}

type healthChange struct{ was, is HealthScore }

func (c *healthChanges) count() int64 { return int64(len(c.fresh) + len(c.changed) + len(c.gone)) }

// changes finds out what is to change.
func (h *Health) changes(ctx context.Context, card *Scorecard, ids []crm.ID) (*healthChanges, error) {
	judged, err := h.judge(ctx, card, ids)
	if err != nil {
		return nil, err
	}
	had, err := h.had(ctx, card, ids)
	if err != nil {
		return nil, err
	}
	rose, err := h.rose(ctx, had)
	if err != nil {
		return nil, err
	}
	now := h.people.core.Now(ctx)
	c := &healthChanges{}
	for _, id := range ids {
		j, here := judged[id]
		was, has := had[id]
		switch {
		case !here: // he was deleted meanwhile
		case !j.covered && has:
			c.gone = append(c.gone, was)
		case !j.covered:
		case !has:
			c.fresh = append(c.fresh, HealthScore{
				CustomerID: id, ScorecardID: card.ID, Score: j.score, Band: card.band(j.score), Since: now, Key: healthKey(id, card.ID),
			})
		default:
			is := was
			is.Score, is.Band = j.score, card.band(j.score)
			is.Delta30, is.Delta90 = rose[was.ID][0]+is.Score-was.Score, rose[was.ID][1]+is.Score-was.Score
			if is.Band != was.Band {
				is.Since = now
			}
			if is.Score != was.Score || is.Band != was.Band || is.Delta30 != was.Delta30 || is.Delta90 != was.Delta90 {
				c.changed = append(c.changed, healthChange{was, is})
			}
		}
	}
	return c, nil
}

// judge asks all conditions of a scorecard of customers, in one statement.
func (h *Health) judge(ctx context.Context, card *Scorecard, ids []crm.ID) (map[crm.ID]judged, error) {
	conditions := card.conditions()
	t, err := h.asked(ctx, conditions, crm.Where("id in $1", ids))
	if err != nil {
		return nil, err
	}
	all := make(map[crm.ID]judged, len(t.Rows))
	holds := make([]bool, len(conditions))
	for _, row := range t.Rows {
		id, _ := row.Groups[0].(crm.ID)
		for i := range holds {
			n, _ := row.Values[i+1].(int64)
			holds[i] = n > 0
		}
		all[id] = card.judge(holds)
	}
	return all, nil
}

// asked are the answers to conditions, by the customers' ids, behind a count of one.
func (h *Health) asked(ctx context.Context, conditions []healthCondition, of crm.ListOption) (crm.FigureTable, error) {
	f := crm.Figures{GroupBy: []crm.GroupBy{{Field: "id"}}, Measures: []crm.Measure{{Fn: crm.FnCount}}}
	for _, c := range conditions {
		f.Measures = append(f.Measures, crm.Measure{Name: c.label, Fn: crm.FnCount, Where: crm.Filter{Text: c.text}})
	}
	return h.people.Aggregate(ctx, f, of)
}

// had are the scores living customers have by a scorecard. That they live is not asked
// again: Postgres, where it does not know yet how many there are, takes its time over it.
func (h *Health) had(ctx context.Context, card *Scorecard, ids []crm.ID) (map[crm.ID]HealthScore, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = healthKey(id, card.ID)
	}
	page, err := h.List(ctx, crm.WithDeleted(), crm.Where("deleted == nil and key in $1", keys),
		crm.OrderBy("created"), crm.Limit(crm.MaxPage)) // by the index of keys, not that of an order
	had := map[crm.ID]HealthScore{}
	for _, s := range page.Items {
		had[s.CustomerID] = s
	}
	return had, err
}

// rose is by how much scores have risen in the last 30 and 90 days.
func (h *Health) rose(ctx context.Context, of map[crm.ID]HealthScore) (map[crm.ID][2]int64, error) {
	if len(of) == 0 {
		return nil, nil
	}
	ids := make([]crm.ID, 0, len(of))
	for _, s := range of {
		ids = append(ids, s.ID)
	}
	within := func(span string) crm.Measure {
		return crm.Measure{Fn: crm.FnSum, Field: "change", Where: crm.Filter{Text: "at > ago('" + span + "')"}}
	}
	t, err := h.trend.Aggregate(ctx, crm.Figures{
		GroupBy: []crm.GroupBy{{Field: "score_id"}}, Measures: []crm.Measure{within("30d"), within("90d")},
	}, crm.Where("score_id in $1 and at > ago('90d')", ids))
	rose := map[crm.ID][2]int64{}
	for _, row := range t.Rows {
		id, _ := row.Groups[0].(crm.ID)
		month, _ := row.Values[0].(int64)
		quarter, _ := row.Values[1].(int64)
		rose[id] = [2]int64{month, quarter}
	}
	return rose, err
}

// write writes what is to change. What another evaluation wrote meanwhile is
// crm.ErrConflict.
func (h *Health) write(ctx context.Context, card *Scorecard, todo *healthChanges) error {
	var points []healthPoint
	fresh, err := h.CreateAll(ctx, todo.fresh)
	if err != nil {
		return err
	}
	for _, s := range fresh {
		points = append(points, healthPoint{ScoreID: s.ID, At: s.Since, Score: s.Score, Band: s.Band})
	}
	now := h.people.core.Now(ctx)
	for _, c := range todo.changed {
		event := "scored"
		if c.is.Band != c.was.Band {
			event = "band_changed"
		}
		_, err := h.kind.Do(crm.Because(ctx, "scorecard "+card.Key), c.was.ID, event, func(s *HealthScore) error {
			s.Score, s.Band, s.Since, s.Delta30, s.Delta90 = c.is.Score, c.is.Band, c.is.Since, c.is.Delta30, c.is.Delta90
			return nil
		}, crm.IfVersion(c.was.Version))
		if err != nil {
			return err
		}
		if c.is.Score != c.was.Score || c.is.Band != c.was.Band {
			points = append(points, healthPoint{ScoreID: c.was.ID, At: now, Score: c.is.Score, Change: c.is.Score - c.was.Score, Band: c.is.Band})
		}
	}
	for _, s := range todo.gone {
		if err := h.Delete(ctx, s.ID, crm.IfVersion(s.Version)); err != nil {
			return err
		}
	}
	return h.trend.Append(ctx, points...)
}
