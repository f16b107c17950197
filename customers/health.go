package customers

import (
	"context"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// HealthScore is how healthy a customer is by a scorecard. Expressions know it:
//
//	any(health_scores, .scorecard.key == 'usage' and .band == 'poor' and .delta30 < 0)
//
// Its history calls a step into another band health_score.band_changed, which subscribers
// hear of once, and a score that changed within its band health_score.scored.
type HealthScore struct {
	crm.Record

	CustomerID  crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	ScorecardID crm.ID `crm:"required,ref=scorecard"       json:"scorecard_id"`
	// Score is from 0, poor, to 100, good.
	Score int64 `crm:"guarded,sort" json:"score"`
	// Band is the one of the scorecard's bands the score is in, and Since since when.
	Band  string    `crm:"required,guarded,max=50" json:"band"`
	Since time.Time `crm:"required,guarded"        json:"since"`
	// Delta30 and Delta90 are by how many points it rose in the last 30 and 90 days; below
	// 0: it fell. Of a score that is younger, since it was there.
	Delta30 int64 `crm:"guarded" json:"delta30"`
	Delta90 int64 `crm:"guarded" json:"delta90"`
	// Key is the customer and the scorecard in one: he has one score by it.
	Key string `crm:"required,guarded,max=80,unique" json:"key"`
}

// HealthPoint is a score at the time from which on it was so.
type HealthPoint struct {
	At    time.Time
	Score int64
	Band  string
}

// healthPoint is a row of the trend: a score, and by how much it differed from the one
// before, so that a trend over any time is a sum. It belongs to the score and not to the
// customer, so that two trends stay two when customers are merged.
type healthPoint struct {
	ScoreID crm.ID    `crm:"required,ref=health_score,parent,as=trend" json:"score_id"`
	At      time.Time `crm:"required"                                  json:"at"`
	ID      crm.ID    `json:"id"`
	Score   int64     `json:"score"`
	Change  int64     `json:"change"`
	Band    string    `crm:"required,max=50,personal"                  json:"band"`
}

// healthPass is how far a scorecard has been evaluated.
type healthPass struct {
	ScorecardID crm.ID `crm:"required,ref=scorecard,as=health_passes" json:"scorecard_id"`
	// Recent is until when changes of customers have been looked at, Whole when all
	// customers were.
	Recent time.Time `crm:"required" json:"recent"`
	Whole  time.Time `crm:"required" json:"whole"`
}

// Health is how healthy customers are: their scores by the tenant's scorecards. It is
// kept up by a job, customers.health, every five minutes: of customers that changed
// since, and once a day, or when a scorecard changed, of all, since conditions also turn
// true by the clock alone. Another rhythm is that of a Schedule of this name and kind.
type Health struct {
	crm.Collection[HealthScore]

	Scorecards *Scorecards

	kind   *crm.Kind[HealthScore]
	trend  *crm.Ledger[healthPoint]
	passes *crm.Ledger[healthPass]
	people *Customers
}

// Scorecards are the scorecards of a tenant.
type Scorecards struct{ crm.Collection[Scorecard] }

// healthJob is the kind of the jobs and the name of the schedule that keep health up.
const healthJob = "customers.health"

func (c *Customers) defineHealth(core *crm.Core) error {
	h := &Health{people: c}
	cards, err := crm.Define(core, crm.Object[Scorecard]{Name: "scorecard", BeforeWrite: h.checkScorecard, AfterWrite: h.scorecardWritten})
	if err != nil {
		return err
	}
	kind, err := crm.Define(core, crm.Object[HealthScore]{
		Name:    "health_score",
		Initial: func(context.Context, *crm.Write[HealthScore]) error { return nil }, // so that only a scorecard gives a score, or an import
		Relink: func(_ context.Context, w *crm.Write[HealthScore]) error {
			w.After.Key = healthKey(w.After.CustomerID, w.After.ScorecardID)
			return nil
		},
	})
	if err != nil {
		return err
	}
	if h.trend, err = crm.DefineLedger[healthPoint](core, crm.LedgerOf[healthPoint]{Name: "health_point", Key: []string{"score_id", "at", "id"}}); err != nil {
		return err
	}
	if h.passes, err = crm.DefineLedger[healthPass](core, crm.LedgerOf[healthPass]{Name: "health_pass", Key: []string{"scorecard_id"}}); err != nil {
		return err
	}
	h.kind, h.Collection, h.Scorecards = kind, kind.Collection, &Scorecards{cards.Collection}
	c.Health = h
	core.Fields.UsedBy(h.naming)
	return core.Jobs.Handle(healthJob, func(ctx context.Context, _ crm.Job) error { return h.keepUp(ctx) }, crm.Idempotent())
}

func healthKey(customer, scorecard crm.ID) string {
	return customer.String() + " " + scorecard.String()
}

// MaxTrend is how many points [Health.Trend] returns.
const MaxTrend = 1000

// Trend returns the scores a customer has had by a scorecard, by its key, from one time
// to another, and the one he came with, the first first; of more than [MaxTrend] the
// latest. It is for those who may read him.
func (h *Health) Trend(ctx context.Context, customer crm.ID, scorecard string, from, to time.Time) ([]HealthPoint, error) {
	list, err := h.trendOf(ctx, customer, scorecard, from, to)
	return list, failed("trend", "health_score", customer, err)
}

func (h *Health) trendOf(ctx context.Context, customer crm.ID, scorecard string, from, to time.Time) ([]HealthPoint, error) {
	if _, err := h.people.Get(ctx, customer); err != nil {
		return nil, err
	}
	card, err := h.card(crm.SystemIn(ctx), scorecard)
	if err != nil {
		return nil, err
	}
	scores, err := h.List(ctx, crm.Where("key == $1", healthKey(customer, card.ID)), crm.Limit(1))
	if err != nil || len(scores.Items) == 0 {
		return nil, err
	}
	its := crm.Where("score_id == $1", scores.Items[0].ID)
	page, err := h.trend.List(ctx, crm.AsActor(), its, crm.Where("at >= $1 and at <= $2", from, to), crm.OrderBy("-at", "-id"), crm.Limit(MaxTrend))
	if err != nil {
		return nil, err
	}
	points := page.Items
	if len(points) < MaxTrend {
		before, err := h.trend.List(ctx, crm.AsActor(), its, crm.Where("at < $1", from), crm.OrderBy("-at", "-id"), crm.Limit(1))
		if err != nil {
			return nil, err
		}
		points = append(points, before.Items...)
	}
	slices.Reverse(points)
	list := make([]HealthPoint, len(points))
	for i, p := range points {
		list[i] = HealthPoint{p.At, p.Score, p.Band}
	}
	return list, nil
}

// card is the scorecard of a key.
func (h *Health) card(ctx context.Context, key string) (Scorecard, error) {
	page, err := h.Scorecards.List(ctx, crm.Where("key == $1", key), crm.Limit(1))
	if err == nil && len(page.Items) == 0 {
		err = crm.ErrNotFound
	}
	if err != nil {
		return Scorecard{}, err
	}
	return page.Items[0], nil
}

// Drop deletes a scorecard, by its key, with the scores customers have by it.
func (h *Health) Drop(ctx context.Context, scorecard string) error {
	card, err := h.card(ctx, scorecard)
	if err == nil {
		err = h.Scorecards.May(ctx, crm.VerbDelete, card.ID)
	}
	for err == nil {
		var page crm.Page[HealthScore]
		if page, err = h.List(crm.SystemIn(ctx), crm.Where("scorecard_id == $1", card.ID), crm.Limit(healthBatch)); err != nil || len(page.Items) == 0 {
			break
		}
		err = h.people.core.Tx(ctx, func(ctx context.Context) error {
			for _, s := range page.Items {
				if err := h.Delete(crm.SystemIn(ctx), s.ID); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = h.Scorecards.Delete(ctx, card.ID)
	}
	return failed("drop", "scorecard", card.ID, err)
}
