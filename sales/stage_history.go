package sales

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// StageSpan is the time a deal spent at a stage.
type StageSpan struct {
	// Stage is as it is now, deleted or not; of one that was purged only the ID is
	// known.
	Stage   Stage
	Entered time.Time
	Left    time.Time // zero: it is there still
	Actor   string    // who took it there, as in [crm.Event]
}

// maxSpans is how many spans StageHistory returns at most.
const maxSpans = 1000

// StageHistory returns where a deal has been, the first first; of more than 1,000
// spans the latest. It is read from the deal's history, and for those who may read
// the deal and its stage.
func (d *Deals) StageHistory(ctx context.Context, id crm.ID) ([]StageSpan, error) {
	spans, err := d.spans(ctx, id)
	return spans, failed("stage history", id, err)
}

func (d *Deals) spans(ctx context.Context, id crm.ID) ([]StageSpan, error) {
	deal, err := d.Get(ctx, id, crm.WithDeleted())
	if err != nil {
		return nil, err
	}
	stages := map[crm.ID]Stage{}
	if !deal.PipelineID.IsZero() {
		list, err := d.sales.Stages.of(ctx, deal.PipelineID, crm.WithDeleted())
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			stages[s.ID] = s
		}
	}
	var spans []StageSpan
	var left time.Time
	for cursor := ""; ; {
		page, err := d.History(ctx, id, crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return nil, err
		}
		for _, e := range page.Items { // the latest first
			stage, entered := enters(e)
			if !entered {
				continue
			}
			s, ok := stages[stage]
			if !ok {
				s.ID = stage
			}
			spans = append(spans, StageSpan{Stage: s, Entered: e.Happened, Left: left, Actor: e.Actor})
			left = e.Happened
			if len(spans) == maxSpans {
				break
			}
		}
		if cursor = page.Next; cursor == "" || len(spans) == maxSpans {
			slices.Reverse(spans)
			return spans, nil
		}
	}
}

// enters returns the stage at which an event put a deal.
func enters(e crm.Event) (stage crm.ID, ok bool) {
	for _, c := range e.Changes {
		if c.Field == "stage_id" {
			return stage, json.Unmarshal(c.After, &stage) == nil && !stage.IsZero()
		}
	}
	return stage, false
}

// lastOpen returns the open stage at which a deal was last, or the first one.
func (d *Deals) lastOpen(ctx context.Context, id crm.ID, b *board) (Stage, error) {
	spans, err := d.spans(ctx, id)
	if err != nil {
		return Stage{}, err
	}
	for _, s := range slices.Backward(spans) {
		if stage, ok := b.byID(s.Stage.ID); ok && stage.Kind == Open {
			return stage, nil
		}
	}
	return b.first(Open)
}
