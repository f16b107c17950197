package sales

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Deal is one sale in progress, or one that came to its end. It stays in the
// pipeline it was made in.
type Deal struct {
	crm.Record

	Name       string `crm:"required,max=200,fold,search" json:"name"`
	CustomerID crm.ID `crm:"ref=customer"                 json:"customer_id,omitzero"`
	ProductID  crm.ID `crm:"ref=product"                  json:"product_id,omitzero"`
	// PipelineID is the pipeline it goes through. Create without one takes the
	// tenant's first.
	PipelineID crm.ID `crm:"required,ref=pipeline" json:"pipeline_id"`
	// StageID is where in the pipeline it is: at the first open stage when it is
	// created, then where Move, Win, Lose and Reopen take it.
	StageID crm.ID `crm:"required,ref=stage,within=pipeline_id,guarded" json:"stage_id"`
	// Status is the kind of its stage, and follows it.
	Status Status `crm:"required,guarded,enum=open|won|lost" json:"status"`
	// Amount is what it is worth.
	Amount crm.Money `json:"amount"`
	// CloseOn is the day on which it is expected to be closed.
	CloseOn crm.Date `crm:"sort" json:"close_on,omitzero"`
	// Closed is when it was won or lost; zero: it is open.
	Closed time.Time `crm:"guarded" json:"closed,omitzero"`
	// LostReason is why it was lost. A lost deal has one, and no other has.
	LostReason string `crm:"max=500" json:"lost_reason,omitempty"`
}

var _ crm.Validator = (*Deal)(nil)

// Validate holds what is known of the end of a deal to its status.
func (d *Deal) Validate() error {
	switch {
	case d.Status == Open && !d.Closed.IsZero():
		return crm.Invalid("closed", "the deal is open, and was not closed yet")
	case d.Status == Lost && d.LostReason == "":
		return crm.Invalid("lost_reason", "is required: say why the deal was lost, or that it is unknown")
	case d.Status != Lost && d.LostReason != "":
		return crm.Invalid("lost_reason", "the deal is %s: only Deals.Lose gives it a reason for which it was lost", d.Status)
	}
	return nil
}

// Deals are a tenant's deals.
type Deals struct {
	crm.Collection[Deal]

	kind  *crm.Kind[Deal]
	sales *Sales
}

func (s *Sales) defineDeals(core *crm.Core) error {
	d := &Deals{sales: s}
	kind, err := crm.Define(core, crm.Object[Deal]{Name: "deal", Initial: d.begin, BeforeWrite: d.follow, Timeline: []crm.Appearance{
		{On: "customer_id", Title: "name"}, {On: "customer_id", At: "closed", Title: "name", Kind: "deal.closed"},
	}})
	if err != nil {
		return err
	}
	d.kind, d.Collection = kind, kind.Collection
	s.Deals = d
	return nil
}

// Create adds a deal at the first open stage of its pipeline. To create it at
// another stage, or closed, takes the right to import; a deal that was closed and
// does not say when was closed now, or at the time of [crm.At].
func (d *Deals) Create(ctx context.Context, v Deal) (Deal, error) {
	return d.Collection.Create(withBoards(ctx), v)
}

// CreateAll is Create of many deals, all or none.
func (d *Deals) CreateAll(ctx context.Context, list []Deal) ([]Deal, error) {
	return d.Collection.CreateAll(withBoards(ctx), list)
}

// begin puts a new deal where deals begin.
func (d *Deals) begin(ctx context.Context, w *crm.Write[Deal]) error {
	b, err := d.board(ctx, w.After.PipelineID)
	if err != nil {
		return err
	}
	first, err := b.first(Open)
	if err != nil {
		return err
	}
	w.After.StageID, w.After.Status = first.ID, Open
	return nil
}

// follow makes status and time of closing follow the stage.
func (d *Deals) follow(ctx context.Context, w *crm.Write[Deal]) error {
	is, was := w.After, w.Before
	switch {
	case was == nil:
	case is.PipelineID != was.PipelineID:
		return crm.Invalid("pipeline_id", "a deal stays in its pipeline: create one in the other")
	case is.StageID == was.StageID:
		return nil
	}
	b, err := d.board(ctx, is.PipelineID)
	if err != nil {
		return err
	}
	stage, ok := b.byID(is.StageID)
	if !ok {
		return crm.Invalid("stage_id", "is no stage of the deal's pipeline, whose stages are %s", b.keys())
	}
	if was == nil && is.Status != Open && is.Status != stage.Kind {
		return crm.Invalid("status", "is %s, and at the stage %s a deal is %s: give the stage alone", is.Status, stage.Key, stage.Kind)
	}
	is.PipelineID, is.Status = b.pipeline, stage.Kind
	switch {
	case is.Status == Open && was != nil:
		is.Closed, is.LostReason = time.Time{}, ""
	case is.Status != Open && (was != nil || is.Closed.IsZero()):
		is.Closed = d.sales.core.Now(ctx)
	}
	return nil
}
