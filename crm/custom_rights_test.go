package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestHiddenCustomFieldsStay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := crm.System(t.Context(), "acme")
		s.field(t, ctx, crm.CustomField{Name: "margin", Type: crm.FieldMoney, Indexed: false})
		s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText, Unique: true})
		c := s.with(t, ctx, "x", crm.Custom{"margin": crm.EUR(5), "tier": "gold"})
		role, err := s.Roles.Create(ctx, crm.Role{
			Name: "rep", Grants: []crm.Grant{{Object: "company", Verb: crm.AnyVerb, Level: crm.LevelAll}},
			Fields: []crm.FieldRule{{Object: "company", Field: "custom.margin", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		_, err = s.Members.Create(ctx, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		dana := as(t, "dana")
		got, err := s.companies.Get(dana, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"tier": "gold"}, got.Custom)
		got, err = s.companies.Update(dana, c.ID, func(c *company) error { c.Custom = crm.Custom{"tier": "tin"}; return nil })
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"tier": "tin"}, got.Custom)
		_, err = s.set(dana, c.ID, crm.Custom{"margin": crm.EUR(6)})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = s.companies.List(dana, crm.Where("custom.margin > money('1', 'EUR')"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		got, err = s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"margin": crm.EUR(5), "tier": "tin"}, got.Custom)
		_, err = s.Fields.Create(dana, crm.CustomField{Object: "company", Name: "more", Type: crm.FieldInt})
		require.ErrorIs(t, err, crm.ErrForbidden)
		list, err := s.Fields.Of(dana, "company")
		require.NoError(t, err)
		require.Len(t, list, 2)
		s.whole(t)
	})
}
