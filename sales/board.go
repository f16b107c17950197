package sales

import (
	"context"
	"errors"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// board is a pipeline with its stages, in order.
type board struct {
	pipeline crm.ID
	stages   []Stage
}

type (
	boardKey  struct{} // finds in a context the board that a verb is about
	boardsKey struct{} // finds the boards that a call has read
)

// boards are those that one attempt of a call has read, by pipeline; the zero ID is the
// first pipeline.
type boards struct {
	attempt context.Context //nolint:containedctx // compared, and not used
	known   map[crm.ID]*board
}

// withBoards returns a context in which a board is read once, however many deals a
// call creates. Should the call's transaction be begun again, so is the reading, since
// a new tenant's pipeline is then another one.
func withBoards(ctx context.Context) context.Context {
	return context.WithValue(ctx, boardsKey{}, &boards{})
}

// withBoard returns a context for a verb of a deal on the board. What is taken from it
// stays true: a stage keeps its kind and its pipeline, and that it was not deleted the
// kernel sees to.
func withBoard(ctx context.Context, b *board) context.Context {
	return context.WithValue(ctx, boardKey{}, b)
}

// board returns the board of a pipeline, or of the tenant's first.
func (d *Deals) board(ctx context.Context, pipeline crm.ID) (*board, error) {
	if b, ok := ctx.Value(boardKey{}).(*board); ok && b.pipeline == pipeline {
		return b, nil
	}
	read, ok := ctx.Value(boardsKey{}).(*boards)
	if !ok {
		return d.readBoard(ctx, pipeline)
	}
	if read.attempt != ctx {
		*read = boards{ctx, map[crm.ID]*board{}}
	}
	if b := read.known[pipeline]; b != nil {
		return b, nil
	}
	b, err := d.readBoard(ctx, pipeline)
	if err == nil {
		read.known[pipeline], read.known[b.pipeline] = b, b
	}
	return b, err
}

func (d *Deals) readBoard(ctx context.Context, pipeline crm.ID) (b *board, err error) {
	b = &board{pipeline: pipeline}
	if pipeline.IsZero() {
		if b.pipeline, err = d.firstPipeline(ctx); err != nil {
			return nil, err
		}
	}
	b.stages, err = d.sales.Stages.of(ctx, b.pipeline)
	return b, err
}

func (d *Deals) firstPipeline(ctx context.Context) (crm.ID, error) {
	for range 2 {
		page, err := d.sales.Pipelines.List(ctx, crm.OrderBy("position"), crm.Limit(1))
		if err != nil {
			return crm.ID{}, err
		}
		if len(page.Items) > 0 {
			return page.Items[0].ID, nil
		}
		if err := d.sales.catchUp(ctx); err != nil {
			return crm.ID{}, err
		}
	}
	return crm.ID{}, crm.Invalid("pipeline_id", "there is no pipeline that you may read: create one, with its stages")
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
	return Stage{}, crm.Invalid("stage", "the deal's pipeline has no stage %q: its stages are %s", key, b.keys())
}

// first returns the first stage of a kind.
func (b *board) first(kind Status) (Stage, error) {
	for _, s := range b.stages {
		if s.Kind == kind {
			return s, nil
		}
	}
	return Stage{}, crm.Invalid("pipeline_id", "is no pipeline with a stage that is %s and that you may read: its stages are %s", kind, b.keys())
}

// keys are the keys of the stages, for errors.
func (b *board) keys() string {
	if len(b.stages) == 0 {
		return "none"
	}
	keys := make([]string, len(b.stages))
	for i, s := range b.stages {
		keys[i] = s.Key
	}
	return strings.Join(keys, ", ")
}
