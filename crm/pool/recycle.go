package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Recycling is what [Pools.Recycle] did by one pool.
type Recycling struct {
	Pool string // its name
	// Warned is how many owners were warned of a record, and Recycled how many records
	// went back. Refused could not: the kind's own rules forbid it.
	Warned, Recycled, Refused int64
}

// recycleBatch is how many records are looked at in one statement.
const recycleBatch = 500

// Recycle does now what the job pool.recycle does each night at five past four by the
// tenant's clocks: owners are warned of the records they are about to lose, and those
// whose days are over go back to their pools, each in a transaction of its own, so that
// it may be interrupted and called again. A record is warned of once, and goes back no
// sooner than the days of the warning later; a follow-up begins its days anew. Another
// rhythm is that of a Schedule of this name and kind. It takes the right to update every
// role.
//
// The days of a record begin when its owner got it, at his last follow-up, or with
// [Pool].RecycleFrom, whichever is the latest. The history calls it recycled.
func (p *Pools) Recycle(ctx context.Context) ([]Recycling, error) {
	all, err := p.recycle(ctx)
	return all, failed("recycle", "pool", crm.ID{}, err)
}

func (p *Pools) recycle(ctx context.Context) (all []Recycling, err error) {
	if err := p.core.MayAdminister(ctx); err != nil {
		return nil, err
	}
	ctx = crm.SystemIn(ctx)
	for pool, err := range p.All(ctx, crm.Where("not off and recycle_days > 0"), crm.OrderBy("id")) {
		if err != nil {
			return all, err
		}
		records, err := p.records(pool.Object)
		if err != nil { // the program no longer pools them
			continue
		}
		s := &sweep{Pools: p, pool: &pool, records: records, done: Recycling{Pool: pool.Name}}
		err = s.run(ctx)
		all = append(all, s.done)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// sweep is one pool's part of a run.
type sweep struct {
	*Pools

	pool    *Pool
	records *crm.Records
	now     time.Time
	idle    time.Time // without a follow-up since then, the owner is to be warned, or loses it
	done    Recycling
}

func (s *sweep) run(ctx context.Context) error {
	zone, err := s.core.Tenants.Zone(ctx)
	if err != nil {
		return err
	}
	s.now = s.core.Now(ctx)
	s.idle = s.now.In(zone).AddDate(0, 0, -int(s.pool.RecycleDays-s.pool.WarnDays)).UTC()
	for cursor := ""; ; {
		page, err := s.records.List(ctx, append(s.lying(), crm.OrderBy("id"), crm.Limit(recycleBatch), crm.After(cursor))...)
		if err != nil {
			return err
		}
		past, err := s.past(ctx, page.Items)
		if err != nil {
			return err
		}
		for _, v := range page.Items {
			if err := s.consider(ctx, v, past[v.ID()]); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// lying are the records with an owner that nobody followed up for long enough, and that
// no condition protects.
func (s *sweep) lying() []crm.ListOption {
	opts := append(s.pool.where(), crm.Where("owner_id != nil"), s.followedUp(s.idle, false))
	if s.pool.Protected != "" {
		opts = append(opts, crm.Where("not (\n"+s.pool.Protected+"\n)"))
	}
	return opts
}

// followedUp keeps the records that somebody followed up since a time, or the others.
func (s *sweep) followedUp(since time.Time, is bool) crm.ListOption {
	text := "(\n" + s.pool.FollowedUp + "\n)"
	if !is {
		text = "not " + text
	}
	return crm.Where(text, since)
}

// past is what was done about a record by the pool.
type past struct {
	warned    Move // the last one, or zero
	protected Move // the same
}

func (s *sweep) past(ctx context.Context, list []crm.Values) (map[crm.ID]past, error) {
	of := map[crm.ID]past{}
	if len(list) == 0 {
		return of, nil
	}
	ids := make([]crm.ID, len(list))
	for i, v := range list {
		ids[i] = v.ID()
	}
	for m, err := range s.moves.All(ctx, crm.OrderBy("id"), crm.Where(
		"object == $1 and pool_id == $2 and record_id in $3 and kind in ['warned', 'protected']", s.pool.Object, s.pool.ID, ids)) {
		if err != nil {
			return nil, err
		}
		x := of[m.RecordID]
		switch {
		case m.Kind == Warned && !m.At.Before(x.warned.At):
			x.warned = m
		case m.Kind == Protected && !m.At.Before(x.protected.At):
			x.protected = m
		}
		of[m.RecordID] = x
	}
	return of, nil
}

// consider warns the owner of a record, takes it from him, or waits.
func (s *sweep) consider(ctx context.Context, v crm.Values, known past) error {
	id := v.ID()
	owner, _ := v["owner_id"].(crm.ID)
	if known.protected.Until.After(s.now) {
		return nil
	}
	since, err := s.since(ctx, v, owner)
	if err != nil || since.After(s.idle) {
		return err
	}
	if s.pool.WarnDays == 0 {
		return s.take(ctx, id, owner)
	}
	valid, err := s.holds(ctx, known.warned, id, owner, since)
	switch {
	case err != nil:
		return err
	case !valid:
		return s.warn(ctx, id, owner, since)
	case s.now.Before(known.warned.Until):
		return nil
	}
	return s.take(ctx, id, owner)
}

// since is when a record's days began, follow-ups aside: when its owner got it, or when
// the rule came to be. The exact time matters only if it is after idle.
func (s *sweep) since(ctx context.Context, v crm.Values, owner crm.ID) (time.Time, error) {
	if s.pool.RecycleFrom.After(s.idle) {
		return s.pool.RecycleFrom, nil
	}
	if created, _ := v["created"].(time.Time); created.After(s.idle) {
		return created, nil
	}
	for cursor := ""; ; {
		page, err := s.records.History(ctx, v.ID(), crm.Limit(100), crm.After(cursor))
		if err != nil {
			return time.Time{}, err
		}
		for _, e := range page.Items {
			if !e.Happened.After(s.idle) {
				return e.Happened, nil
			}
			if slices.ContainsFunc(e.Changes, func(c crm.FieldChange) bool { return c.Field == "owner_id" && isID(c.After, owner) }) {
				return e.Happened, nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return s.pool.RecycleFrom, nil
		}
	}
}

// isID reports whether JSON is an id.
func isID(raw json.RawMessage, id crm.ID) bool { return string(raw) == `"`+id.String()+`"` }

// holds reports whether a warning is of the days that run now: it is the owner's, since he
// got the record, and nothing was done since.
func (s *sweep) holds(ctx context.Context, warned Move, id, owner crm.ID, since time.Time) (bool, error) {
	if warned.ID.IsZero() || warned.MemberID != owner || warned.At.Before(since) {
		return false, nil
	}
	n, err := s.records.Count(ctx, crm.Where("id == $1", id), s.followedUp(warned.At, true))
	return n == 0, err
}

// warn tells the owner that he loses a record, unless another run has done so.
func (s *sweep) warn(ctx context.Context, id, owner crm.ID, since time.Time) error {
	warned := false
	err := s.core.Tx(ctx, func(ctx context.Context) error {
		warned = false
		if err := s.seats.Put(ctx, seat{s.pool.ID, owner, s.now}); err != nil {
			return err
		}
		again, err := s.past(ctx, []crm.Values{{"id": id}})
		if err != nil {
			return err
		}
		valid, err := s.holds(ctx, again[id].warned, id, owner, since)
		if err != nil || valid {
			return err
		}
		m, err := s.note(ctx, s.pool, Move{RecordID: id, Kind: Warned, MemberID: owner, Until: s.now.AddDate(0, 0, int(s.pool.WarnDays))})
		if err == nil {
			_, err = s.moves.Do(ctx, m.ID, "warned", func(*Move) error { return nil })
		}
		warned = err == nil
		return err
	})
	if warned && err == nil {
		s.done.Warned++
	}
	return s.passed(err)
}

// errPassed is a record about which something was done meanwhile.
var errPassed = errors.New("it is another's, or was followed up")

// take takes a record from its owner. It looks again while it holds the record: what he
// did in between saves it.
func (s *sweep) take(ctx context.Context, id, owner crm.ID) error {
	why := fmt.Sprintf("not followed up for %d days", s.pool.RecycleDays)
	err := s.core.Tx(ctx, func(ctx context.Context) error {
		_, err := s.records.HandOver(because(ctx, s.pool, why), id, "recycled", func(now crm.ID) (crm.ID, error) {
			if now != owner {
				return now, errPassed
			}
			n, err := s.records.Count(ctx, append(s.lying(), crm.Where("id == $1", id))...)
			if err == nil && n == 0 {
				err = errPassed
			}
			return crm.ID{}, err
		})
		if err == nil {
			err = s.unshare(ctx, s.pool.Object, id)
		}
		if err == nil {
			_, err = s.note(ctx, s.pool, Move{RecordID: id, Kind: Recycled, MemberID: owner})
		}
		return err
	})
	if err == nil {
		s.done.Recycled++
	}
	return s.passed(err)
}

// passed goes on after what is about one record.
func (s *sweep) passed(err error) error {
	switch {
	case errors.Is(err, errPassed), errors.Is(err, crm.ErrNotFound):
		return nil
	case errors.Is(err, crm.ErrInvalid), errors.Is(err, crm.ErrConflict):
		s.done.Refused++
		return nil
	}
	return err
}
