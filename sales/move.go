package sales

import (
	"context"
	"errors"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

// Move takes an open deal to another stage of its pipeline, forward or back, by the
// stage's key. To the stage that is won it does what [Deals.Win] does. To the one that
// is lost it is ErrInvalid, since that takes a reason: see [Deals.Lose]. A closed deal
// is ErrInvalid too: [Deals.Reopen] it first. To the stage it is at already it changes
// nothing.
func (d *Deals) Move(ctx context.Context, id crm.ID, stage string, opts ...crm.WriteOption) (Deal, error) {
	to := func(b *board) (Stage, error) {
		s, err := b.byKey(stage)
		if err == nil && s.Kind == Lost {
			err = crm.Invalid("stage", "at %q a deal is lost, and that takes a reason: use Deals.Lose", stage)
		}
		return s, err
	}
	return d.step(ctx, "move", id, to, "", opts)
}

// Win closes an open deal as won, at the stage of its pipeline that is. The history
// calls it deal.won. What it brought in is its Amount: change that first, in the same
// transaction. A deal that is closed already is ErrInvalid.
func (d *Deals) Win(ctx context.Context, id crm.ID, opts ...crm.WriteOption) (Deal, error) {
	to := func(b *board) (Stage, error) { return b.first(Won) }
	return d.step(ctx, "win", id, to, "", opts)
}

// Lose closes an open deal as lost, at the stage of its pipeline that is, for a
// reason. The history calls it deal.lost. A deal that is closed already, and an empty
// reason, are ErrInvalid.
func (d *Deals) Lose(ctx context.Context, id crm.ID, reason string, opts ...crm.WriteOption) (Deal, error) {
	to := func(b *board) (Stage, error) { return b.first(Lost) }
	return d.step(ctx, "lose", id, to, reason, opts)
}

// Reopen opens a closed deal again, at the open stage it was at last; where that is
// gone, or the deal was created closed, at the first. A deal that is open is
// ErrInvalid.
func (d *Deals) Reopen(ctx context.Context, id crm.ID, opts ...crm.WriteOption) (Deal, error) {
	b, err := d.boardOf(ctx, id)
	if err != nil {
		return Deal{}, failed("reopen", id, err)
	}
	stage, err := d.lastOpen(ctx, id, b)
	if err != nil {
		return Deal{}, failed("reopen", id, err)
	}
	deal, err := d.kind.Do(withBoard(ctx, b), id, "reopened", func(deal *Deal) error {
		if deal.Status == Open {
			return crm.Invalid("status", "the deal is open already")
		}
		deal.StageID = stage.ID
		return nil
	}, opts...)
	return deal, failed("reopen", id, err)
}

// errStays ends a move to the stage a deal is at.
var errStays = errors.New("the deal is at this stage")

// step takes an open deal to the stage that to finds on its board.
func (d *Deals) step(ctx context.Context, op string, id crm.ID, to func(*board) (Stage, error), reason string, opts []crm.WriteOption) (Deal, error) {
	b, err := d.boardOf(ctx, id)
	if err != nil {
		return Deal{}, failed(op, id, err)
	}
	stage, err := to(b)
	if err != nil {
		return Deal{}, failed(op, id, err)
	}
	event := map[Status]string{Open: "moved", Won: "won", Lost: "lost"}[stage.Kind]
	deal, err := d.kind.Do(withBoard(ctx, b), id, event, func(deal *Deal) error {
		switch {
		case deal.Status != Open:
			return crm.Invalid("status", "the deal is %s: reopen it first, by Deals.Reopen", deal.Status)
		case deal.StageID == stage.ID:
			return errStays
		}
		deal.StageID, deal.LostReason = stage.ID, reason
		return nil
	}, opts...)
	if errors.Is(err, errStays) {
		deal, err = d.Get(ctx, id)
	}
	return deal, failed(op, id, err)
}

// boardOf returns the board a deal is on, which it never leaves.
func (d *Deals) boardOf(ctx context.Context, id crm.ID) (*board, error) {
	deal, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if deal.PipelineID.IsZero() { // it has one
		return nil, fmt.Errorf("%w: pipeline_id: you may not read it, and so cannot move deals", crm.ErrForbidden)
	}
	return d.board(ctx, deal.PipelineID)
}

// failed says which verb of a deal an error came up in.
func failed(op string, id crm.ID, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*crm.Error](err); ok {
		err = known.Err
	}
	return &crm.Error{Op: op, Object: "deal", ID: id, Err: err}
}
