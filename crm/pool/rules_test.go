package pool_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pool"
)

// isClosed reports an error that says that somebody may not, or that there is nothing.
func isClosed(err error) bool {
	return errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrForbidden)
}

func TestAPoolIsOfRulesThatCanBeUnderstood(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		many := make([]crm.ID, 201)
		for i := range many {
			many[i] = d.people["dana"].ID
			many[i][0] = byte(i)
		}
		for field, with := range map[string]func(*pool.Pool){
			"name":             func(p *pool.Pool) { p.Name = "" },
			"object":           func(p *pool.Pool) { p.Object = "offer" },
			"where":            func(p *pool.Pool) { p.Where = "colour == 'red'" },
			"counted":          func(p *pool.Pool) { p.MaxHeld, p.Counted = 1, "and" },
			"counted: say":     func(p *pool.Pool) { p.Counted = "region == 'N'" },
			"followed_up":      func(p *pool.Pool) { p.RecycleDays = 30 },
			"followed_up: arg": func(p *pool.Pool) { p.RecycleDays, p.FollowedUp = 30, "count(visits) > 0" },
			"recycle_days":     func(p *pool.Pool) { p.WarnDays = 3 },
			"recycle_days: -1": func(p *pool.Pool) { p.RecycleDays = -1 },
			"warn_days":        func(p *pool.Pool) { p.RecycleDays, p.FollowedUp, p.WarnDays = 3, "updated >= $1", 3 },
			"protected":        func(p *pool.Pool) { p.RecycleDays, p.FollowedUp, p.Protected = 3, "updated >= $1", "nothing" },
			"max_held":         func(p *pool.Pool) { p.MaxHeld = -1 },
			"max_per_day":      func(p *pool.Pool) { p.MaxPerDay = 1 << 40 },
			"ban_days":         func(p *pool.Pool) { p.BanDays = 1 << 40 },
			"show":             func(p *pool.Pool) { p.Show = []string{"colour"} },
			"show: kernel":     func(p *pool.Pool) { p.Show = []string{"owner_id"} },
			"mask":             func(p *pool.Pool) { p.Mask = []string{"name"} },
			"team_ids":         func(p *pool.Pool) { p.TeamIDs = []crm.ID{d.people["dana"].ID} },
			"member_ids":       func(p *pool.Pool) { p.MemberIDs = many },
		} {
			is := pool.Pool{Name: "Some", Object: "client", Show: []string{"name"}}
			with(&is)
			_, err := d.pools.Create(system(t), is)
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			wrong, _ := errors.AsType[*crm.InvalidError](err)
			require.Contains(t, field, wrong.Faults[0].Field)
			require.NotEmpty(t, wrong.Faults[0].Field, field)
		}
		north := d.pool(t, nil)
		_, err := d.pools.Update(system(t), north.ID, func(p *pool.Pool) error { p.Object = "offer"; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.pools.Create(as(t, "dana"), pool.Pool{Name: "Mine", Object: "client", Show: []string{"email"}})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Roles.Create(system(t), crm.Role{Name: "pools", Grants: crm.Allow("pool", crm.LevelAll, crm.AnyVerb)})
		require.NoError(t, err)
		roles := need(d.Roles.List(system(t), crm.Where("name == 'pools'")))(t)
		_, err = d.Members.Update(system(t), d.people["dana"].ID, func(m *crm.Member) error {
			m.RoleIDs = append(m.RoleIDs, roles.Items[0].ID)
			return nil
		})
		require.NoError(t, err)
		_, err = d.pools.Update(as(t, "dana"), north.ID, func(p *pool.Pool) error { p.Show = []string{"email"}; return nil })
		require.ErrorIs(t, err, crm.ErrForbidden, "a pool opens what roles close")
		_, err = d.pools.Update(as(t, "kim"), north.ID, func(p *pool.Pool) error { p.Show = []string{"email"}; return nil })
		require.NoError(t, err)
	})
}

func TestAFieldThatAPoolNamesStays(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		for i, with := range []func(*pool.Pool){
			func(p *pool.Pool) { p.Where = "custom.tier == 'gold'" },
			func(p *pool.Pool) { p.Where, p.Show = "", []string{"custom.tier"} },
			func(p *pool.Pool) { p.Where, p.Mask = "", []string{"custom.tier"} },
		} {
			f := need(d.Fields.Create(system(t), crm.CustomField{Object: "client", Name: "tier", Type: crm.FieldText}))(t)
			other := need(d.Fields.Create(system(t), crm.CustomField{Object: "client", Name: "tie", Type: crm.FieldText}))(t)
			is := d.pool(t, func(p *pool.Pool) { p.Name = fmt.Sprint("pool ", i); with(p) })
			err := d.Fields.Delete(system(t), f.ID)
			require.ErrorIs(t, err, crm.ErrConflict)
			require.ErrorContains(t, err, is.Name)
			require.NoError(t, d.Fields.Purge(system(t), other.ID))
			require.NoError(t, d.pools.Purge(system(t), is.ID))
			require.NoError(t, d.Fields.Purge(system(t), f.ID))
		}
	})
}

func TestPrivacyReachesWhatWasNotedOnAMove(t *testing.T) {
	onBoth(t, func(t *testing.T, d *desk) {
		north := d.pool(t, nil)
		ada := d.client(t, "Ada")
		_, err := d.pools.Claim(as(t, "dana"), north.ID, ada.ID)
		require.NoError(t, err)
		_, err = d.pools.Return(as(t, "dana"), north.ID, ada.ID, d.reason.ID, "her husband keeps bees")
		require.NoError(t, err)
		var out bytes.Buffer
		_, err = d.clients.ExportPerson(system(t), &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Contains(t, out.String(), "her husband keeps bees")
		_, err = d.clients.ErasePerson(system(t), ada.ID, "asked by mail")
		require.NoError(t, err)
		require.NoError(t, d.RunDue(t.Context()))
		moves, err := d.pools.Moves.Of(system(t), "client", ada.ID)
		require.NoError(t, err)
		require.Len(t, moves.Items, 2)
		for _, m := range moves.Items {
			require.NotContains(t, m.Note, "bees")
			history, err := need(d.Records("pool_move"))(t).History(system(t), m.ID)
			require.NoError(t, err)
			said, err := json.Marshal(history.Items)
			require.NoError(t, err)
			require.NotContains(t, string(said), "bees")
		}
		d.whole(t)
	})
}
