package sales

import (
	"context"
	"errors"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// board is a pipeline with its stages, in order.
type board struct {
	pipeline Pipeline
	stages   []Stage
}

// boardsKey finds in a context the boards that a call has read.
type boardsKey struct{}

// boards are those of one call, by pipeline; the zero ID is the first pipeline.
type boards map[crm.ID]*board

// withBoards returns a context in which a board is read once, however many deals a
// call creates. What is taken from one stays true meanwhile: a stage keeps its kind
// and its pipeline, and that it was not deleted the kernel sees to.
func withBoards(ctx context.Context) context.Context {
	if _, ok := ctx.Value(boardsKey{}).(boards); ok {
		return ctx
	}
	return context.WithValue(ctx, boardsKey{}, boards{})
}

// board returns the board of a pipeline, or of the tenant's first.
func (d *Deals) board(ctx context.Context, pipeline crm.ID) (*board, error) {
	known, _ := ctx.Value(boardsKey{}).(boards)
	if b := known[pipeline]; b != nil {
		return b, nil
	}
	p, err := d.pipeline(ctx, pipeline)
	if err != nil {
		return nil, err
	}
	b := &board{pipeline: p}
	if b.stages, err = d.sales.Stages.of(ctx, p.ID); err != nil {
		return nil, err
	}
	if known != nil {
		known[pipeline], known[p.ID] = b, b
	}
	return b, nil
}

func (d *Deals) pipeline(ctx context.Context, id crm.ID) (Pipeline, error) {
	if !id.IsZero() {
		p, err := d.sales.Pipelines.Get(ctx, id)
		if errors.Is(err, crm.ErrNotFound) {
			err = crm.Invalid("pipeline_id", "refers to no pipeline that lives and that you may read")
		}
		return p, err
	}
	for range 2 {
		page, err := d.sales.Pipelines.List(ctx, crm.OrderBy("position"), crm.Limit(1))
		if err != nil {
			return Pipeline{}, err
		}
		if len(page.Items) > 0 {
			return page.Items[0], nil
		}
		if err := d.sales.catchUp(ctx); err != nil {
			return Pipeline{}, err
		}
	}
	return Pipeline{}, crm.Invalid("pipeline_id", "there is no pipeline that you may read: create one, with its stages")
}

// catchUp gives its first pipeline to a tenant that is older than the module in this
// database. One that has deleted its pipelines is left alone.
func (s *Sales) catchUp(ctx context.Context) error {
	ctx = crm.SystemIn(ctx)
	n, err := s.Pipelines.Count(ctx, crm.WithDeleted())
	if err != nil || n > 0 {
		return err
	}
	err = s.core.Tx(ctx, s.seed)
	if errors.Is(err, crm.ErrConflict) { // another writer was first
		return nil
	}
	return err
}

func (b *board) byID(id crm.ID) (Stage, bool) {
	for _, s := range b.stages {
		if s.ID == id {
			return s, true
		}
	}
	return Stage{}, false
}

func (b *board) byKey(key string) (Stage, error) {
	for _, s := range b.stages {
		if s.Key == key {
			return s, nil
		}
	}
	return Stage{}, crm.Invalid("stage", "the pipeline %s has no stage %q: its stages are %s", b.pipeline.Key, key, b.keys())
}

// first returns the first stage of a kind.
func (b *board) first(kind Status) (Stage, error) {
	for _, s := range b.stages {
		if s.Kind == kind {
			return s, nil
		}
	}
	return Stage{}, crm.Invalid("pipeline_id", "the pipeline %s has no stage that is %s: create one", b.pipeline.Key, kind)
}

func (b *board) keys() string {
	keys := make([]string, len(b.stages))
	for i, s := range b.stages {
		keys[i] = s.Key
	}
	return strings.Join(keys, ", ")
}
