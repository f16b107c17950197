package pool

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Return gives a record back to a pool, for a reason of the tenant's and, if there is more
// to say, with a note of at most 2,000 characters, which those read who may read the
// record. It is for its owner, and for who may assign it. A record the pool would not
// take is ErrInvalid. Shares of the record end, so that who had it sees no more of it
// than others. The history of the record calls it returned, and names the reason.
func (p *Pools) Return(ctx context.Context, pool, record, reason crm.ID, note string) (Move, error) {
	var made Move
	err := p.core.Tx(ctx, func(ctx context.Context) (err error) {
		made, err = p.giveBack(ctx, pool, record, reason, note)
		return err
	})
	return made, failed("return", "record", record, err)
}

func (p *Pools) giveBack(ctx context.Context, id, record, reason crm.ID, note string) (Move, error) {
	pool, records, err := p.find(ctx, id)
	if err != nil {
		return Move{}, err
	}
	if err := records.May(ctx, crm.VerbRead, record); err != nil {
		return Move{}, err
	}
	if err := pool.open(); err != nil {
		return Move{}, err
	}
	why, err := p.reason(ctx, reason)
	if err != nil {
		return Move{}, err
	}
	var was crm.ID
	_, err = records.HandOver(because(crm.TrustedIn(ctx), pool, why.Name), record, "returned", func(owner crm.ID) (crm.ID, error) {
		was = owner
		return crm.ID{}, p.mayReturn(ctx, records, record, owner)
	})
	if err != nil {
		return Move{}, err
	}
	n, err := records.Count(crm.SystemIn(ctx), append(pool.where(), crm.Where("id == $1", record))...)
	if err != nil {
		return Move{}, err
	}
	if n == 0 {
		return Move{}, crm.Invalid("pool", "the pool %q is not for this one: its condition does not hold", pool.Name)
	}
	if err := p.unshare(ctx, pool.Object, record); err != nil {
		return Move{}, err
	}
	return p.note(ctx, pool, Move{RecordID: record, Kind: Returned, MemberID: was, ReasonID: reason, Note: note})
}

// mayReturn is nil if the record has an owner, who acts, or of whom the actor may take it.
func (p *Pools) mayReturn(ctx context.Context, records *crm.Records, record, owner crm.ID) error {
	if owner.IsZero() {
		return crm.Invalid("owner_id", "nobody owns it: there is nothing to return")
	}
	if me, err := p.me(ctx); err == nil && me.ID == owner {
		return nil
	}
	return records.May(ctx, crm.VerbAssign, record)
}

// unshare ends the shares of a record.
func (p *Pools) unshare(ctx context.Context, object string, record crm.ID) error {
	for s, err := range p.core.Shares.All(crm.SystemIn(ctx), crm.OrderBy("id"), crm.Where("object == $1 and record_id == $2", object, record)) {
		if err != nil {
			return err
		}
		if err := p.core.Shares.Delete(crm.TrustedIn(ctx), s.ID); err != nil {
			return err
		}
	}
	return nil
}

// Protect keeps a record from being recycled to a pool until a time, with a note on why; a
// zero time ends that. It is for who may assign the record.
func (p *Pools) Protect(ctx context.Context, pool, record crm.ID, until time.Time, note string) (Move, error) {
	var made Move
	err := p.core.Tx(ctx, func(ctx context.Context) error {
		pool, records, err := p.find(ctx, pool)
		if err == nil {
			err = records.May(ctx, crm.VerbAssign, record)
		}
		if err == nil {
			err = pool.open()
		}
		if err == nil && !until.IsZero() && !until.After(p.core.Now(crm.SystemIn(ctx))) {
			err = crm.Invalid("until", "lies in the past: a zero time ends a protection")
		}
		if err != nil {
			return err
		}
		made, err = p.note(ctx, pool, Move{RecordID: record, Kind: Protected, Until: until, Note: note})
		return err
	})
	return made, failed("protect", "record", record, err)
}
