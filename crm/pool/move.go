package pool

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/embedcrm/embedcrm/crm"
)

// MoveKind is what happened to a record.
type MoveKind string

// What happens to records.
const (
	Claimed  MoveKind = "claimed"
	Returned MoveKind = "returned"
	Recycled MoveKind = "recycled"
	// Warned is that its owner loses it soon, and Protected that he does not, until a time.
	Warned    MoveKind = "warned"
	Protected MoveKind = "protected"
)

// Move is one thing that happened to a record by a pool. It hangs on the record, and is
// read by who may read that. The verbs of [Pools] make it, and it never changes.
type Move struct {
	crm.Record

	Object   string    `crm:"required,max=48,guarded"         json:"object"`
	RecordID crm.ID    `crm:"required,subject=object,guarded" json:"record_id"`
	PoolID   crm.ID    `crm:"required,ref=pool,as=moves,guarded" json:"pool_id"`
	Kind     MoveKind  `crm:"required,enum=claimed|returned|recycled|warned|protected,guarded" json:"kind"`
	At       time.Time `crm:"required,sort,guarded" json:"at"`
	// MemberID is whose it became, whose it was, or who was warned.
	MemberID crm.ID `crm:"guarded" json:"member_id,omitzero"`
	// ReasonID and Note are why it was returned; Note also why it is protected.
	ReasonID crm.ID `crm:"ref=pool_reason,as=moves,guarded" json:"reason_id,omitzero"`
	Note     string `crm:"max=2000,personal,guarded"        json:"note,omitempty"`
	// Until is from when on it is recycled, of a warning, and the end of a protection, which
	// is absent where one was ended.
	Until time.Time `crm:"guarded" json:"until,omitzero"`
}

// Moves are what happened to records by pools.
type Moves struct{ c *crm.Collection[Move] }

// moving marks in a context that a verb of this package makes a move.
type moving struct{}

func (p *Pools) defineMoves() error {
	kind, err := crm.Define(p.core, crm.Object[Move]{Name: "pool_move", BeforeWrite: ofVerbs, AfterWrite: p.stays})
	if err != nil {
		return err
	}
	p.moves, p.Moves = kind, &Moves{&kind.Collection}
	return nil
}

// ofVerbs refuses moves that did not happen.
func ofVerbs(ctx context.Context, w *crm.Write[Move]) error {
	if w.Before == nil && ctx.Value(moving{}) == nil {
		return crm.Invalid("", "moves are made by the verbs of pools: Claim, Return, Protect")
	}
	return nil
}

// stays refuses that a move goes before its record does, since limits count it.
func (p *Pools) stays(ctx context.Context, w *crm.Write[Move]) error {
	if w.After != nil && w.After.Deleted.IsZero() {
		return nil
	}
	records, err := p.core.Records(w.Before.Object)
	if err != nil {
		return err
	}
	_, err = records.Get(crm.SystemIn(ctx), w.Before.RecordID, crm.WithDeleted())
	switch {
	case errors.Is(err, crm.ErrNotFound):
		return nil
	case err == nil:
		err = crm.Invalid("", "a move stays as long as its record does")
	}
	return err
}

// Of returns a page of what happened to a record, the latest first, for those who may
// read the record.
func (m *Moves) Of(ctx context.Context, object string, record crm.ID, opts ...crm.ListOption) (crm.Page[Move], error) {
	return m.List(ctx, append([]crm.ListOption{crm.Where("object == $1 and record_id == $2", object, record)}, opts...)...)
}

// List returns a page of moves of records that the actor may read, the latest first.
func (m *Moves) List(ctx context.Context, opts ...crm.ListOption) (crm.Page[Move], error) {
	return m.c.List(ctx, append([]crm.ListOption{crm.OrderBy("-at")}, opts...)...)
}

// Get returns a move, as after the event pool_move.warned.
func (m *Moves) Get(ctx context.Context, id crm.ID) (Move, error) { return m.c.Get(ctx, id) }

// note keeps a move. What the caller did it for is looked at before.
func (p *Pools) note(ctx context.Context, pool *Pool, m Move) (Move, error) {
	m.Object, m.PoolID, m.At = pool.Object, pool.ID, p.core.Now(crm.SystemIn(ctx))
	return p.moves.Create(context.WithValue(crm.TrustedIn(ctx), moving{}, true), m)
}

// because is a context whose changes the history explains by a pool, and why.
func because(ctx context.Context, pool *Pool, why string) context.Context {
	text := "pool " + pool.Name
	if why != "" {
		text += ": " + why
	}
	for len(text) > 200 {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return crm.Because(ctx, strings.TrimSpace(text))
}
