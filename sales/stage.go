package sales

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Status says how a deal stands.
type Status string

// How deals stand.
const (
	Open Status = "open"
	Won  Status = "won"
	Lost Status = "lost"
)

// Stage is a step of a pipeline.
type Stage struct {
	crm.Record

	// PipelineID is the pipeline it is a step of. It never changes.
	PipelineID crm.ID `crm:"required,ref=pipeline" json:"pipeline_id"`
	Name       string `crm:"required,max=100"      json:"name"`
	// Key is what code calls it, unique in its pipeline: lower-case letters, digits, -
	// and _, at most 48.
	Key string `crm:"required,max=48" json:"key"`
	// Position orders the stages of a pipeline.
	Position int64 `crm:"sort" json:"position"`
	// Kind is the status of the deals in it; empty: Open. It never changes. A pipeline
	// has at most one stage that is won and one that is lost: why deals were lost is
	// their LostReason.
	Kind Status `crm:"required,enum=open|won|lost" json:"kind"`
	// Probability is how likely a deal in it will be won, in percent: 0 to 100. In a
	// stage that is won it is 100, in one that is lost 0.
	Probability int64 `json:"probability"`
}

var _ crm.Validator = (*Stage)(nil)

// Validate refuses a key of another form, and what is no probability.
func (s *Stage) Validate() error {
	if s.Probability < 0 || s.Probability > 100 {
		return crm.Invalid("probability", "is %d, and in percent from 0 to 100", s.Probability)
	}
	return checkKey(s.Key)
}

// Stages are the stages of a tenant's pipelines, at most 100 of one. To add one, or to
// change its key, takes the right to update its pipeline. One that has deals is not
// deleted: move them first.
type Stages struct {
	crm.Collection[Stage]

	sales *Sales
}

// maxStages is how many stages a pipeline has at most.
const maxStages = 100

func (s *Sales) defineStages(core *crm.Core) error {
	s.Stages = &Stages{sales: s}
	kind, err := crm.Define(core, crm.Object[Stage]{
		Name: "stage",
		BeforeWrite: func(ctx context.Context, w *crm.Write[Stage]) error {
			if err := s.Stages.check(w); err != nil {
				return err
			}
			return s.Stages.fits(ctx, w)
		},
		AfterWrite: s.Stages.fits, // again, since the stages of one batch do not see each other before
	})
	if err != nil {
		return err
	}
	s.Stages.Collection = kind.Collection
	return nil
}

// check fills in what follows from a stage's kind, and refuses to change what never
// changes.
func (s *Stages) check(w *crm.Write[Stage]) error {
	is := w.After
	if is.Kind == "" {
		is.Kind = Open
	}
	switch is.Kind {
	case Won:
		is.Probability = 100
	case Lost:
		is.Probability = 0
	case Open:
	}
	switch was := w.Before; {
	case was == nil:
	case is.PipelineID != was.PipelineID:
		return crm.Invalid("pipeline_id", "a stage stays in its pipeline: create one in the other, and move the deals there")
	case is.Kind != was.Kind:
		return crm.Invalid("kind", "is %s, and stays so: create another stage, and move the deals there", was.Kind)
	}
	return nil
}

// fits refuses a stage for which its pipeline has no room. The pipeline is held
// meanwhile, so that of two writers one sees what the other added.
func (s *Stages) fits(ctx context.Context, w *crm.Write[Stage]) error {
	is, was := w.After, w.Before
	switch {
	case w.Verb == crm.VerbDelete:
		return nil
	case was != nil && was.Deleted.IsZero() && is.Key == was.Key:
		return nil
	case is.PipelineID.IsZero(): // it is required, and refused as such
		return nil
	}
	if _, err := s.sales.Pipelines.Update(ctx, is.PipelineID, func(*Pipeline) error { return nil }); err != nil {
		return err
	}
	others, err := s.of(ctx, is.PipelineID)
	if err != nil {
		return err
	}
	n := 1
	for _, other := range others {
		switch {
		case other.ID == is.ID:
			continue
		case other.Key == is.Key:
			return &crm.ConflictError{Field: "key", Holder: other.ID, Reason: "another stage of the pipeline has it"}
		case other.Kind == is.Kind && is.Kind != Open:
			return crm.Invalid("kind", "the pipeline has a stage that is %s: %s", is.Kind, other.Key)
		}
		n++
	}
	if n > maxStages {
		return crm.Invalid("pipeline_id", "a pipeline has at most %d stages", maxStages)
	}
	return nil
}

// of returns the stages of a pipeline, in order.
func (s *Stages) of(ctx context.Context, pipeline crm.ID, opts ...crm.ListOption) ([]Stage, error) {
	opts = append(opts, crm.Where("pipeline_id == $1", pipeline), crm.OrderBy("position"), crm.Limit(crm.MaxPage))
	page, err := s.List(ctx, opts...)
	return page.Items, err
}
