// Package sales keeps what is being sold: products, pipelines with their stages, and
// the deals that move through them.
//
//	pipeline, err := sales.New(core, people)
//	err = core.Migrate(ctx)
//	deal, err := pipeline.Deals.Create(ctx, sales.Deal{Name: "Analytical engine", CustomerID: ada.ID})
//	deal, err = pipeline.Deals.Move(ctx, deal.ID, "negotiation")
//	deal, err = pipeline.Deals.Win(ctx, deal.ID)
//
// Each tenant begins with one pipeline, of the key sales, and its stages
// prospecting, qualification, proposal, negotiation, won and lost. All of them are
// records that it may change.
//
// A role that works with deals also grants the right to read what they refer to: the
// kinds customer, product, pipeline and stage.
package sales
