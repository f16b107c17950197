package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
)

const day = 24 * time.Hour

// recycling makes a pool that takes back after 30 days, and warns 5 days before.
func recycling(p *pool.Pool) {
	p.RecycleDays, p.WarnDays = 30, 5
	p.FollowedUp = "any(visits, .at >= $1) or any(offers, .created >= $1 or .state == 'open')"
}

// pass moves the clock by days, and does each day what is due.
func (d *desk) pass(tb testing.TB, days int) {
	tb.Helper()
	for range days {
		d.Clock.Advance(day)
		require.NoError(tb, d.RunDue(tb.Context()))
	}
}

func (d *desk) kinds(tb testing.TB, id crm.ID) (kinds []pool.MoveKind) {
	tb.Helper()
	page := need(d.pools.Moves.Of(system(tb), "client", id))(tb)
	for i := range page.Items {
		kinds = append([]pool.MoveKind{page.Items[i].Kind}, kinds...)
	}
	return kinds
}

func TestWhatLiesIsWarnedOfAndTakenBack(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, recycling)
		ada, bob := d.client(t, "Ada"), d.client(t, "Bob")
		for _, id := range []crm.ID{ada.ID, bob.ID} {
			_, err := d.pools.Claim(as(t, "dana"), north.ID, id)
			require.NoError(t, err)
		}
		_, err := d.Shares.Share(as(t, "dana"), "client", ada.ID, crm.WithMember(d.people["lee"].ID), crm.ShareRead)
		require.NoError(t, err)
		d.pass(t, 20)
		require.Equal(t, []pool.MoveKind{pool.Claimed}, d.kinds(t, ada.ID))
		need(d.visits.Create(as(t, "dana"), visit{Object: "client", RecordID: bob.ID, At: d.Clock.Now()}))(t)
		d.pass(t, 6)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned}, d.kinds(t, ada.ID))
		d.pass(t, 3)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned}, d.kinds(t, ada.ID), "once")
		require.Equal(t, d.people["dana"].ID, d.owner(t, ada.ID))
		d.pass(t, 3)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned, pool.Recycled}, d.kinds(t, ada.ID))
		require.Zero(t, d.owner(t, ada.ID))
		for _, who := range []string{"dana", "lee"} {
			_, err = d.clients.Get(as(t, who), ada.ID)
			require.ErrorIs(t, err, crm.ErrNotFound, who)
		}
		events := need(d.clients.History(system(t), ada.ID))(t)
		require.Equal(t, "client.recycled", events.Items[0].Name)
		require.Equal(t, "system", events.Items[0].Actor)
		require.Equal(t, "pool North: not followed up for 30 days", events.Items[0].Cause)

		require.Equal(t, []pool.MoveKind{pool.Claimed}, d.kinds(t, bob.ID), "he was visited")
		d.pass(t, 20)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned, pool.Recycled}, d.kinds(t, bob.ID))
		d.whole(t)
	})
}

func TestAFollowUpAfterTheWarningBeginsTheDaysAnew(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, recycling)
		ada := d.client(t, "Ada")
		_, err := d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
		d.pass(t, 28)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned}, d.kinds(t, ada.ID))
		need(d.visits.Create(as(t, "dana"), visit{Object: "client", RecordID: ada.ID, At: d.Clock.Now()}))(t)
		d.pass(t, 24)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned}, d.kinds(t, ada.ID))
		d.pass(t, 2)
		require.Equal(t, []pool.MoveKind{pool.Claimed, pool.Warned, pool.Warned}, d.kinds(t, ada.ID), "these days have their own warning")
		open := offer{ClientID: ada.ID, State: "open"}
		o := need(d.offers.Create(system(t), open))(t)
		d.pass(t, 60)
		require.Equal(t, d.people["dana"].ID, d.owner(t, ada.ID), "there is an open offer")
		_, err = d.offers.Update(system(t), o.ID, func(o *offer) error { o.State = "lost"; return nil })
		require.NoError(t, err)
		d.pass(t, 2)
		require.Equal(t, pool.Warned, d.kinds(t, ada.ID)[3], "nobody loses a record unwarned")
		require.Len(t, d.kinds(t, ada.ID), 4)
		d.pass(t, 5)
		require.Zero(t, d.owner(t, ada.ID))
	})
}

func TestProtectionKeepsARecord(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, func(p *pool.Pool) { recycling(p); p.WarnDays, p.Protected = 0, "name == 'Zoe'" })
		ada, zoe := d.client(t, "Ada"), d.client(t, "Zoe")
		for _, id := range []crm.ID{ada.ID, zoe.ID} {
			_, err := d.pools.Claim(as(t, "dana"), north.ID, id)
			require.NoError(t, err)
		}
		until := d.Clock.Now().Add(40 * day)
		_, err := d.pools.Protect(as(t, "dana"), north.ID, ada.ID, until, "")
		require.ErrorIs(t, err, crm.ErrForbidden, "she may not assign")
		_, err = d.pools.Protect(as(t, "sam"), north.ID, ada.ID, until, "")
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.pools.Protect(as(t, "kim"), north.ID, ada.ID, d.Clock.Now().Add(-time.Hour), "")
		require.ErrorIs(t, err, crm.ErrInvalid)
		made, err := d.pools.Protect(as(t, "kim"), north.ID, ada.ID, until, "a tender")
		require.NoError(t, err)
		require.Equal(t, "a tender", made.Note)
		d.pass(t, 39)
		require.Equal(t, d.people["dana"].ID, d.owner(t, ada.ID))
		d.pass(t, 2)
		require.Zero(t, d.owner(t, ada.ID), "its time is over")
		require.Equal(t, d.people["dana"].ID, d.owner(t, zoe.ID))
		_, err = d.pools.Update(system(t), north.ID, func(p *pool.Pool) error { p.Protected = ""; return nil })
		require.NoError(t, err)
		_, err = d.pools.Protect(as(t, "kim"), north.ID, zoe.ID, d.Clock.Now().Add(900*day), "")
		require.NoError(t, err)
		d.pass(t, 1)
		require.Equal(t, d.people["dana"].ID, d.owner(t, zoe.ID))
		_, err = d.pools.Protect(as(t, "kim"), north.ID, zoe.ID, time.Time{}, "")
		require.NoError(t, err)
		d.pass(t, 1)
		require.Zero(t, d.owner(t, zoe.ID))
	})
}

// TestTheDaysBeginWhenTheOwnerGotIt holds that what was long with another is not taken from who has it since.
func TestTheDaysBeginWhenTheOwnerGotIt(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		ada, bob, old := d.owned(t, "Ada", "lee"), d.owned(t, "Bob", "lee"), d.owned(t, "Old", "lee")
		d.pass(t, 100)
		d.pool(t, func(p *pool.Pool) { recycling(p); p.WarnDays = 0 })
		d.pass(t, 20)
		require.Equal(t, d.people["lee"].ID, d.owner(t, old.ID), "the rule counts from when it was made")
		_, err := d.clients.Update(as(t, "kim"), ada.ID, func(c *client) error { c.OwnerID = d.people["dana"].ID; return nil })
		require.NoError(t, err)
		_, err = d.clients.Update(as(t, "lee"), bob.ID, func(c *client) error { c.Phone = "13800000000"; return nil })
		require.NoError(t, err)
		late := d.owned(t, "Late", "lee")
		d.pass(t, 11)
		require.Zero(t, d.owner(t, old.ID))
		require.Zero(t, d.owner(t, bob.ID), "a change is no follow-up unless the rule says so")
		require.Equal(t, d.people["dana"].ID, d.owner(t, ada.ID))
		require.Equal(t, d.people["lee"].ID, d.owner(t, late.ID))
		d.pass(t, 20)
		require.Zero(t, d.owner(t, ada.ID))
		require.Zero(t, d.owner(t, late.ID))
		d.whole(t)
	})
}

func TestRecycleByHand(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, recycling)
		d.pool(t, func(p *pool.Pool) { p.Name = "still" })
		list := []crm.ID{d.owned(t, "Ada", "dana").ID, d.owned(t, "Bob", "lee").ID}
		_, err := d.pools.Recycle(as(t, "dana"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		d.Clock.Advance(26 * day)
		for _, want := range []pool.Recycling{{Pool: "North", Warned: 2}, {Pool: "North"}} {
			done, err := d.pools.Recycle(as(t, "kim"))
			require.NoError(t, err)
			require.Equal(t, []pool.Recycling{want}, done)
		}
		d.Clock.Advance(5 * day)
		_, err = d.pools.Update(system(t), north.ID, func(p *pool.Pool) error { p.Off = true; return nil })
		require.NoError(t, err)
		done, err := d.pools.Recycle(system(t))
		require.NoError(t, err)
		require.Empty(t, done)
		_, err = d.pools.Update(system(t), north.ID, func(p *pool.Pool) error { p.Off = false; return nil })
		require.NoError(t, err)
		done, err = d.pools.Recycle(system(t))
		require.NoError(t, err)
		require.Equal(t, []pool.Recycling{{Pool: "North", Recycled: 2}}, done)
		for _, id := range list {
			require.Zero(t, d.owner(t, id))
		}
		_, err = d.pools.Claim(as(t, "dana"), north.ID, list[1])
		require.NoError(t, err)
	})
}

// TestRunsBesideEachOtherWarnAndTakeOnce holds two processes that recycle at once to one warning and one move.
func TestRunsBesideEachOtherWarnAndTakeOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		d.pool(t, recycling)
		list := []crm.ID{d.owned(t, "Ada", "dana").ID, d.owned(t, "Bob", "lee").ID, d.owned(t, "Cai", "dana").ID}
		atOnce := func() (sum pool.Recycling) {
			results := make(chan pool.Recycling, 4)
			for range cap(results) {
				go func() {
					done, err := d.pools.Recycle(crm.System(context.Background(), "acme"))
					if err != nil || len(done) != 1 {
						done = []pool.Recycling{{Refused: 1000}}
					}
					results <- done[0]
				}()
			}
			for range cap(results) {
				r := <-results
				sum.Warned, sum.Recycled, sum.Refused = sum.Warned+r.Warned, sum.Recycled+r.Recycled, sum.Refused+r.Refused
			}
			return sum
		}
		d.Clock.Advance(26 * day)
		require.Equal(t, pool.Recycling{Warned: 3}, atOnce())
		d.Clock.Advance(5 * day)
		require.Equal(t, pool.Recycling{Recycled: 3}, atOnce())
		for _, id := range list {
			require.Equal(t, []pool.MoveKind{pool.Warned, pool.Recycled}, d.kinds(t, id))
		}
		d.whole(t)
	})
}

func TestAWarningIsAnEventOnce(t *testing.T) {
	onBothWith(t, func(c *crm.Core, d *desk) error {
		return c.On("pool_move.warned", "mail", func(ctx context.Context, e crm.Event) error {
			m, err := d.pools.Moves.Get(ctx, e.Record)
			if err == nil {
				d.warned = append(d.warned, m)
			}
			return err
		})
	}, func(t *testing.T, d *desk) {
		d.pool(t, recycling)
		ada := d.owned(t, "Ada", "dana")
		d.pass(t, 29)
		require.Len(t, d.warned, 1)
		m := d.warned[0]
		require.Equal(t, ada.ID, m.RecordID)
		require.Equal(t, d.people["dana"].ID, m.MemberID)
		require.Equal(t, m.At.AddDate(0, 0, 5), m.Until)
	})
}

// TestWhatIsFollowedUpMeanwhileIsNotTaken holds a run to what is so when it takes a record, not to what it read before.
func TestWhatIsFollowedUpMeanwhileIsNotTaken(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		d.pool(t, func(p *pool.Pool) { recycling(p); p.WarnDays = 0 })
		list := []crm.ID{d.owned(t, "Ada", "dana").ID, d.owned(t, "Bob", "dana").ID, d.owned(t, "Cai", "dana").ID}
		d.Clock.Advance(31 * day)
		taken := 0
		d.after = func(ctx context.Context, w *crm.Write[client]) error {
			if taken++; taken > 1 {
				return nil
			}
			for _, id := range list { // the others, while the first is taken
				if id == w.After.ID {
					continue
				}
				if _, err := d.visits.Create(ctx, visit{Object: "client", RecordID: id, At: d.Clock.Now()}); err != nil {
					return err
				}
			}
			return nil
		}
		done, err := d.pools.Recycle(system(t))
		require.NoError(t, err)
		require.Equal(t, []pool.Recycling{{Pool: "North", Recycled: 1}}, done)
		d.whole(t)
	})
}

// TestARecordThatIsRefusedStopsNoOther holds a run to go on behind a record that the kind's own rules keep.
func TestARecordThatIsRefusedStopsNoOther(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		d.pool(t, func(p *pool.Pool) { recycling(p); p.WarnDays = 0 })
		list := []crm.ID{d.owned(t, "Ada", "dana").ID, d.owned(t, "Bob", "dana").ID, d.owned(t, "Cai", "dana").ID}
		d.Clock.Advance(31 * day)
		d.after = func(_ context.Context, w *crm.Write[client]) error {
			if w.After.ID == list[1] {
				return crm.Invalid("owner_id", "Bob is always somebody's")
			}
			return nil
		}
		done, err := d.pools.Recycle(system(t))
		require.NoError(t, err)
		require.Equal(t, []pool.Recycling{{Pool: "North", Recycled: 2, Refused: 1}}, done)
		require.Equal(t, d.people["dana"].ID, d.owner(t, list[1]))
		require.Empty(t, d.kinds(t, list[1]))
	})
}
