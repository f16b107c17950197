package customers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// A custom field that a scheme or a scorecard asks about is neither deleted nor renamed;
// another kind's field of the same name is, and one that nobody asks about any more.
func TestAFieldThatSchemesAndScorecardsNameStays(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		field := func(object, name string) crm.ID {
			f, err := d.Fields.Create(ctx, crm.CustomField{Object: object, Name: name, Type: crm.FieldText})
			require.NoError(t, err)
			return f.ID
		}
		tier, tie, bought := field("customer", "tier"), field("customer", "tie"), field("purchase", "tier")
		gold := customers.LevelScheme{Key: "gold", Name: "By gold", Grades: []customers.Grade{
			{Name: "A", When: "any(purchases, .amount > money('100', 'EUR'))"}, {Name: "B", When: "custom.tier == 'gold'"}, {Name: "C"},
		}}
		scheme, err := d.Levels.Schemes.Create(ctx, gold)
		require.NoError(t, err)
		cards := map[string]customers.Scorecard{}
		for name, change := range map[string]func(*customers.Scorecard){
			"whom":    func(s *customers.Scorecard) { s.Whom = "custom.tier == 'gold'" },
			"applies": func(s *customers.Scorecard) { s.Measures[1].Applies = "custom.tier != nil" },
			"step":    func(s *customers.Scorecard) { s.Measures[0].Steps[1].When = "custom.tier == 'gold'" },
			"bought":  func(s *customers.Scorecard) { s.Whom = "any(purchases, .custom.tier == 'gold')" },
		} {
			s := usage()
			s.Key, s.Name = name, name
			change(&s)
			cards[name], err = d.Health.Scorecards.Create(ctx, s)
			require.NoError(t, err)
		}

		rename := func(id crm.ID) error {
			_, err := d.Fields.Update(ctx, id, func(f *crm.CustomField) error { f.Name = "rank"; return nil })
			return err
		}
		for _, err := range []error{d.Fields.Delete(ctx, tier), d.Fields.Purge(ctx, tier), rename(tier)} {
			require.ErrorIs(t, err, crm.ErrConflict)
			for _, user := range []string{`level scheme "By gold"`, `scorecard "whom"`, `scorecard "applies"`, `scorecard "step"`} {
				require.ErrorContains(t, err, user)
			}
			require.NotContains(t, err.Error(), "bought")
		}
		err = rename(bought)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, `custom.tier is used by scorecard "bought": change them first`)
		require.NoError(t, d.Fields.Delete(ctx, tie), "nobody asks about it")

		require.NoError(t, d.Health.Drop(ctx, "bought"))
		require.NoError(t, rename(bought), "of another kind")
		require.NoError(t, d.Fields.Delete(ctx, bought))
		for _, name := range []string{"whom", "applies", "step"} {
			require.ErrorContains(t, d.Fields.Delete(ctx, tier), cards[name].Name)
			require.NoError(t, d.Health.Drop(ctx, name))
		}
		require.EqualError(t, d.Fields.Delete(ctx, tier),
			`crm: delete field `+tier.String()+`: conflict: name: custom.tier is used by level scheme "By gold": change them first`)
		_, err = d.Levels.Schemes.Update(ctx, scheme.ID, func(s *customers.LevelScheme) error { s.Grades = s.Grades[2:]; return nil })
		require.NoError(t, err)
		require.NoError(t, rename(tier))
		require.NoError(t, d.Fields.Delete(ctx, tier))
	})
}
