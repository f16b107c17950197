package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestClosedFields(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ctx := as(t, "ada")
		rule := func(field string, access crm.FieldAccess) crm.FieldRule {
			return crm.FieldRule{Object: "deal", Field: field, Access: access}
		}
		f.grant(t, crm.Allow("deal", crm.LevelAll),
			rule("amount", crm.FieldHidden), rule("notes", crm.FieldHidden), rule("refs", crm.FieldHidden), rule("score", crm.FieldReadOnly))
		whole, err := f.deals.Create(f.sys, deal{
			Record: crm.Record{Refs: crm.Refs{"erp": "1"}}, Name: "Whole", Amount: crm.EUR(7), Score: 3, Notes: map[string]any{"a": "b"},
		})
		require.NoError(t, err)
		masked := whole
		masked.Amount, masked.Notes, masked.Refs = crm.Money{}, nil, nil

		got, err := f.deals.Get(ctx, whole.ID)
		require.NoError(t, err)
		require.Equal(t, masked, got)
		list, err := f.deals.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []deal{masked}, list.Items)
		for d, err := range f.deals.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, masked, d)
		}

		// What was not seen is not lost.
		got, err = f.deals.Update(ctx, whole.ID, func(d *deal) error {
			require.Zero(t, d.Amount)
			require.Nil(t, d.Notes)
			require.Nil(t, d.Refs)
			d.Name = "Changed"
			return nil
		})
		require.NoError(t, err)
		require.Zero(t, got.Amount)
		kept, err := f.deals.Get(f.sys, whole.ID)
		require.NoError(t, err)
		require.Equal(t, crm.EUR(7), kept.Amount)
		require.Equal(t, map[string]any{"a": "b"}, kept.Notes)
		require.Equal(t, crm.Refs{"erp": "1"}, kept.Refs)
		// A module's verb computes with all there is.
		_, err = f.deals.Do(ctx, whole.ID, "won", func(d *deal) error {
			require.Equal(t, crm.EUR(7), d.Amount)
			d.Stage = "won"
			return nil
		})
		require.NoError(t, err)

		for field, set := range map[string]func(*deal) error{
			"amount": func(d *deal) error { d.Amount = crm.EUR(8); return nil },
			"notes":  func(d *deal) error { d.Notes = map[string]any{}; return nil },
			"refs":   func(d *deal) error { d.Refs = crm.Refs{"erp": "2"}; return nil },
			"score":  func(d *deal) error { d.Score = 4; return nil },
		} {
			_, err = f.deals.Update(ctx, whole.ID, set)
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, field)
			d := deal{Name: "New"}
			_ = set(&d)
			if field == "notes" {
				d.Notes = map[string]any{"x": "y"}
			}
			_, err = f.deals.Create(ctx, d)
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, field)
		}
		made, err := f.deals.Create(ctx, deal{Name: "New"})
		require.NoError(t, err)
		require.Equal(t, "new", made.Stage, "what a hook sets is the module's own doing")

		// Who may create and not read sees nothing of what he made.
		f.grant(t, crm.Allow("deal", crm.LevelAll, crm.VerbCreate))
		made, err = f.deals.Create(ctx, deal{Name: "Blind"})
		require.NoError(t, err)
		require.False(t, made.ID.IsZero())
		require.Empty(t, made.Name)
	})
}

func TestHiddenCustomFields(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		for _, name := range []string{"open", "secret", "fixed"} {
			_, err := s.Fields.Create(f.sys, crm.CustomField{Object: "company", Name: name, Type: crm.FieldText})
			require.NoError(t, err)
		}
		c, err := f.companies.Create(f.sys, company{Name: "x", Record: crm.Record{Custom: crm.Custom{"open": "1", "secret": "2", "fixed": "3"}}})
		require.NoError(t, err)
		f.grant(t, crm.Allow("company", crm.LevelAll),
			crm.FieldRule{Object: "company", Field: "custom.secret", Access: crm.FieldHidden},
			crm.FieldRule{Object: "company", Field: "custom.fixed", Access: crm.FieldReadOnly})
		ctx := as(t, "ada")
		got, err := f.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"open": "1", "fixed": "3"}, got.Custom)
		set := func(name string, v any) error {
			_, err := f.companies.Update(ctx, c.ID, func(c *company) error { c.Custom[name] = v; return nil })
			return err
		}
		require.NoError(t, set("open", "4"))
		for _, name := range []string{"secret", "fixed"} {
			err = set(name, "5")
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, "custom."+name)
			_, err = f.companies.Create(ctx, company{Name: "y", Record: crm.Record{Custom: crm.Custom{name: "5"}}})
			require.ErrorContains(t, err, "custom."+name)
		}
		for _, err := range []error{
			f.kind("company").Readable(ctx, "custom.secret"), f.kind("company").List(ctx, crm.OrderBy("custom.secret")),
			f.kind("company").List(ctx, crm.Where("custom.secret == '2'")), f.kind("company").Facets(ctx, "custom.secret"),
		} {
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		kept, err := f.companies.Get(f.sys, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"open": "4", "secret": "2", "fixed": "3"}, kept.Custom)
		f.grant(t, crm.Allow("company", crm.LevelAll), crm.FieldRule{Object: "company", Field: "custom", Access: crm.FieldHidden})
		got, err = f.companies.Update(ctx, c.ID, func(c *company) error {
			require.Empty(t, c.Custom)
			c.Name = "z"
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, got.Custom)
		again, err := f.companies.Get(f.sys, c.ID)
		require.NoError(t, err)
		require.Equal(t, kept.Custom, again.Custom)
	})
}
