package sales

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Pipeline is a way that deals go: a row of stages.
type Pipeline struct {
	crm.Record

	Name string `crm:"required,max=100,fold,sort" json:"name"`
	// Key is what code calls it: lower-case letters, digits, - and _, at most 48.
	Key string `crm:"required,max=48,unique" json:"key"`
	// Position orders the pipelines. A deal that is made without one enters the first.
	Position int64 `crm:"sort" json:"position"`
}

var _ crm.Validator = (*Pipeline)(nil)

// Validate refuses a key of another form.
func (p *Pipeline) Validate() error { return checkKey(p.Key) }

// Pipelines are a tenant's pipelines. One that has stages is not deleted.
type Pipelines struct{ crm.Collection[Pipeline] }

func (s *Sales) definePipelines(core *crm.Core) error {
	kind, err := crm.Define(core, crm.Object[Pipeline]{Name: "pipeline"})
	if err != nil {
		return err
	}
	s.Pipelines = &Pipelines{kind.Collection}
	return nil
}

func checkKey(key string) error {
	for _, c := range key {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return crm.Invalid("key", "%q is no key: lower-case letters, digits, - and _ make one", key)
		}
	}
	return nil
}

// seed gives a new tenant its first pipeline.
func (s *Sales) seed(ctx context.Context) error {
	p, err := s.Pipelines.Create(ctx, Pipeline{Name: "Sales", Key: "sales"})
	if err != nil {
		return err
	}
	_, err = s.Stages.CreateAll(ctx, []Stage{
		{PipelineID: p.ID, Position: 1, Key: "prospecting", Name: "Prospecting", Probability: 10},
		{PipelineID: p.ID, Position: 2, Key: "qualification", Name: "Qualification", Probability: 20},
		{PipelineID: p.ID, Position: 3, Key: "proposal", Name: "Proposal", Probability: 50},
		{PipelineID: p.ID, Position: 4, Key: "negotiation", Name: "Negotiation", Probability: 75},
		{PipelineID: p.ID, Position: 5, Key: "won", Name: "Won", Kind: Won},
		{PipelineID: p.ID, Position: 6, Key: "lost", Name: "Lost", Kind: Lost},
	})
	return err
}
