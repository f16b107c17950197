package crm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestRetention(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		old := p.augusta(t, ctx) // nobody's remarks keep her, a bill does
		gone, err := p.people.Create(ctx, patient{Name: "Bartholomew", Sex: "male"})
		require.NoError(t, err)
		bills := make([]bill, 250)
		for i := range bills {
			bills[i].Amount = crm.EUR(int64(i))
		}
		_, err = p.bills.CreateAll(ctx, bills)
		require.NoError(t, err)
		p.Clock.Advance(400 * 24 * time.Hour)
		fresh, err := p.people.Create(ctx, patient{Name: "Cornelius", Sex: "male"})
		require.NoError(t, err)

		for field, wrong := range map[string]crm.Retention{
			"object": {Object: "nobody", After: "1y"}, "after": {Object: "person", After: "soon"},
			"where": {Object: "person", After: "1y", Where: "colour == 'red'"}, "since": {Object: "person", After: "1y", Since: "1 = 1 or created"},
			"action": {Object: "person", After: "1y", Action: "burn"},
		} {
			wrong.Name = "wrong"
			if wrong.Action == "" {
				wrong.Action = crm.RetentionErase
			}
			_, err := p.Retentions.Create(ctx, wrong)
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, field)
		}
		_, err = p.Retentions.Create(ctx, crm.Retention{Name: "After a year without bills", Object: "person", Where: "count(bills) == 0", After: "365d", Action: crm.RetentionErase})
		require.NoError(t, err)
		_, err = p.Retentions.Create(ctx, crm.Retention{Name: "Bills", Object: "bill", Since: "created", After: "1y", Action: crm.RetentionDelete})
		require.NoError(t, err)
		off, err := p.Retentions.Create(ctx, crm.Retention{Name: "All", Object: "person", After: "1d", Action: crm.RetentionErase, Off: true})
		require.NoError(t, err)

		_, err = p.Retentions.Preview(ctx)
		require.ErrorIs(t, err, crm.ErrForbidden)
		would, err := p.Retentions.Preview(system(t))
		require.NoError(t, err)
		require.Len(t, would, 2)
		require.Equal(t, crm.RetentionResult{
			Rule: "After a year without bills", Object: "person", Action: crm.RetentionErase, Matched: 1, Records: []crm.ID{gone.ID},
		}, would[0])
		require.Equal(t, int64(251), would[1].Matched)
		require.Len(t, would[1].Records, 20)
		require.NotEmpty(t, tablesWith(t, p.engine, "bartholomew"), "a preview does nothing")

		p.Clock.Advance(24 * time.Hour) // the job comes at night
		require.NoError(t, p.RunDue(t.Context()))
		require.Empty(t, tablesWith(t, p.engine, "bartholomew"))
		n, err := p.bills.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		for id, name := range map[crm.ID]string{old.ID: "Augusta Marblethwaite", fresh.ID: "Cornelius"} {
			x, err := p.people.Get(ctx, id)
			require.NoError(t, err)
			require.Equal(t, name, x.Name)
		}
		e, err := p.Erasures.List(ctx)
		require.NoError(t, err)
		require.Equal(t, "retention After a year without bills", e.Items[0].Reason)

		// Her bills are gone by now, and she goes with the next night. Who was erased stays so.
		p.Clock.Advance(24 * time.Hour)
		require.NoError(t, p.RunDue(t.Context()))
		require.Empty(t, tablesWith(t, p.engine, traces()...))
		n, err = p.Erasures.Count(ctx)
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		p.Clock.Advance(366 * 24 * time.Hour)
		done, err := p.Retentions.Apply(system(t))
		require.NoError(t, err)
		require.Equal(t, int64(1), done[0].Done, "Cornelius alone: what was erased is not erased again")
		require.NoError(t, p.Retentions.Delete(ctx, off.ID))
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestRetentionKeepsItsFields holds that a custom field a rule names is not taken from
// it, that what is in use is refused and counted, and who may make rules.
func TestRetentionKeepsItsFields(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		f, err := p.Fields.Create(ctx, crm.CustomField{Object: "person", Name: "last_visit", Type: crm.FieldDate})
		require.NoError(t, err)
		_, err = p.Retentions.Create(ctx, crm.Retention{Name: "Visits", Object: "person", Since: "custom.last_visit", After: "2y", Action: crm.RetentionDelete})
		require.NoError(t, err)
		require.ErrorIs(t, p.Fields.Delete(ctx, f.ID), crm.ErrConflict)
		for i := range 3 {
			x, err := p.people.Create(ctx, patient{Name: fmt.Sprint("P", i), Sex: "male", Record: crm.Record{Custom: crm.Custom{"last_visit": "2020-01-01"}}})
			require.NoError(t, err)
			if i == 0 {
				_, err = p.bills.Create(ctx, bill{PersonID: x.ID})
				require.NoError(t, err)
			}
		}
		done, err := p.Retentions.Apply(system(t))
		require.NoError(t, err)
		require.Equal(t, int64(2), done[0].Done)
		require.Equal(t, int64(1), done[0].Refused, "a bill refers to one")

		role, err := p.Roles.Create(system(t), crm.Role{Name: "rep", Grants: crm.Allow("retention", crm.LevelAll, crm.AnyVerb)})
		require.NoError(t, err)
		_, err = p.Members.Create(system(t), crm.Member{Key: "rep", Name: "rep", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		_, err = p.Retentions.Create(as(t, "rep"), crm.Retention{Name: "All", Object: "person", After: "1d", Action: crm.RetentionErase})
		require.ErrorIs(t, err, crm.ErrForbidden)
	})
}
