package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// me is the member who acts.
func (p *Pools) me(ctx context.Context) (crm.Member, error) {
	me, err := p.core.Members.Me(ctx)
	switch {
	case errors.Is(err, crm.ErrNotFound):
		return me, forbidden("you are no member, and can own nothing: Members.Ensure makes you one")
	case err == nil && me.Inactive:
		return me, forbidden("you are no active member")
	}
	return me, err
}

// teams are those a member is in, and those above them.
func (p *Pools) teams(ctx context.Context, m crm.Member) (all []crm.ID, err error) {
	for next := m.TeamIDs; len(next) > 0; {
		all = append(all, next...)
		page, err := p.core.Teams.List(crm.SystemIn(ctx), crm.Where("id in $1", next), crm.OrderBy("id"), crm.Limit(crm.MaxPage))
		if err != nil {
			return nil, err
		}
		next = nil
		for _, t := range page.Items {
			if up := t.ParentID; !up.IsZero() && !slices.Contains(all, up) && !slices.Contains(next, up) {
				next = append(next, up)
			}
		}
	}
	return all, nil
}

// find returns a pool, and the records it is of.
func (p *Pools) find(ctx context.Context, id crm.ID) (*Pool, *crm.Records, error) {
	pool, err := p.Get(crm.SystemIn(ctx), id)
	if err != nil {
		return nil, nil, err
	}
	records, err := p.records(pool.Object)
	return &pool, records, err
}

// open is nil unless the pool rests, which only those are told who may know of it.
func (p *Pool) open() error {
	if p.Off {
		return crm.Invalid("pool", "the pool %q rests", p.Name)
	}
	return nil
}

// entered is find for a member who may claim. For others there is no such pool.
func (p *Pools) entered(ctx context.Context, id crm.ID, me crm.Member) (*Pool, *crm.Records, error) {
	pool, records, err := p.find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	var teams []crm.ID
	if len(pool.TeamIDs) > 0 {
		if teams, err = p.teams(ctx, me); err != nil {
			return nil, nil, err
		}
	}
	if !pool.admits(me, teams) {
		return nil, nil, crm.ErrNotFound
	}
	if err := records.May(ctx, crm.VerbRead); err != nil {
		return nil, nil, err
	}
	return pool, records, pool.open()
}

// where is the pool's condition, if it has one.
func (p *Pool) where() []crm.ListOption {
	if p.Where == "" {
		return nil
	}
	return []crm.ListOption{crm.WhereSystem(p.Where)}
}

// Claim makes the actor the owner of a record that waits in a pool, and returns the move.
// Of any number who claim one at the same time one gets it: for the others it is
// [ErrClaimed]. Past a limit of the pool it is [ErrLimit], and of what the actor lost a
// short while ago [ErrBanned]. What is not in the pool, and never went from it, is
// ErrNotFound. The history of the record calls it claimed: "customer.claimed".
func (p *Pools) Claim(ctx context.Context, pool, record crm.ID) (Move, error) {
	var made Move
	err := p.core.Tx(ctx, func(ctx context.Context) (err error) {
		made, err = p.claim(ctx, pool, record)
		return err
	})
	return made, failed("claim", "record", record, err)
}

func (p *Pools) claim(ctx context.Context, id, record crm.ID) (Move, error) {
	me, err := p.me(ctx)
	if err != nil {
		return Move{}, err
	}
	pool, records, err := p.entered(ctx, id, me)
	if err != nil {
		return Move{}, err
	}
	// The member's claims take turns from here on.
	now := p.core.Now(crm.SystemIn(ctx))
	if err := p.seats.Put(ctx, seat{pool.ID, me.ID, now}); err != nil {
		return Move{}, err
	}
	system := crm.SystemIn(ctx)
	_, err = records.HandOver(because(crm.TrustedIn(ctx), pool, ""), record, "claimed", func(owner crm.ID) (crm.ID, error) {
		if !owner.IsZero() {
			return owner, p.taken(ctx, pool, records, record)
		}
		n, err := records.Count(system, append(pool.where(), crm.Where("id == $1", record))...)
		if err == nil && n == 0 {
			err = crm.ErrNotFound
		}
		return me.ID, err
	})
	if err != nil {
		return Move{}, err
	}
	if err := p.mayHave(ctx, pool, records, record, me); err != nil {
		return Move{}, err
	}
	return p.note(ctx, pool, Move{RecordID: record, Kind: Claimed, MemberID: me.ID})
}

// taken is what is said of a record that has an owner: that it is claimed to who knows
// that it was in the pool, or may read it.
func (p *Pools) taken(ctx context.Context, pool *Pool, records *crm.Records, record crm.ID) error {
	n, err := p.moves.Count(crm.SystemIn(ctx), crm.Where("object == $1 and record_id == $2 and pool_id == $3", pool.Object, record, pool.ID))
	if err != nil {
		return err
	}
	if n > 0 {
		return ErrClaimed
	}
	if err := records.May(ctx, crm.VerbRead, record); err != nil {
		return err
	}
	return ErrClaimed
}

// mayHave holds a claim that was just made to the limits, itself included.
func (p *Pools) mayHave(ctx context.Context, pool *Pool, records *crm.Records, record crm.ID, me crm.Member) error {
	ctx = crm.SystemIn(ctx)
	now := p.core.Now(ctx)
	if pool.BanDays > 0 {
		since := now.AddDate(0, 0, -int(pool.BanDays))
		lost, err := p.moves.List(ctx, crm.Limit(1), crm.OrderBy("-at"), crm.Where(
			"object == $1 and record_id == $2 and member_id == $3 and kind in ['returned', 'recycled'] and at > $4", pool.Object, record, me.ID, since))
		if err != nil {
			return err
		}
		if len(lost.Items) > 0 {
			return fmt.Errorf("%w: not before %s", ErrBanned, lost.Items[0].At.AddDate(0, 0, int(pool.BanDays)).Format(time.DateOnly))
		}
	}
	if pool.MaxPerDay > 0 {
		zone, err := p.core.Tenants.Zone(ctx)
		if err != nil {
			return err
		}
		today := crm.DateOf(now.In(zone)).Time(zone)
		n, err := p.moves.Count(ctx, crm.Where("pool_id == $1 and member_id == $2 and kind == 'claimed' and at >= $3", pool.ID, me.ID, today))
		if err != nil {
			return err
		}
		if n >= pool.MaxPerDay {
			return fmt.Errorf("%w: you have claimed %d today, and %d are allowed", ErrLimit, n, pool.MaxPerDay)
		}
	}
	if pool.MaxHeld > 0 {
		held := append(pool.where(), crm.Where("owner_id == $1 and id != $2", me.ID, record))
		if pool.Counted != "" {
			held = append(held, crm.WhereSystem(pool.Counted))
		}
		n, err := records.Count(ctx, held...)
		if err != nil {
			return err
		}
		if n >= pool.MaxHeld {
			return fmt.Errorf("%w: you hold %d, and %d are allowed", ErrLimit, n, pool.MaxHeld)
		}
	}
	return nil
}
