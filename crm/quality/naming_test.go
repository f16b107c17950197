package quality_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/quality"
)

// A custom field that a rule or a standard names is neither deleted nor renamed, until it
// is named no more.
func TestAFieldThatRulesAndStandardsNameStays(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		field := func(name string) crm.ID {
			f, err := d.Fields.Create(ctx, crm.CustomField{Object: "contact", Name: name, Type: crm.FieldText})
			require.NoError(t, err)
			return f.ID
		}
		tier, tie := field("tier"), field("tie")
		rename := func() error {
			_, err := d.Fields.Update(ctx, tier, func(f *crm.CustomField) error { f.Name = "rank"; return nil })
			return err
		}
		for says, r := range map[string]quality.Rule{
			`quality rule "asks"`:   {Object: "contact", Name: "asks", When: "custom.tier == nil"},
			`quality rule "shows"`:  {Object: "contact", Name: "shows", When: "email == nil", Field: "custom.tier"},
			`quality rule "sleeps"`: {Object: "contact", Name: "sleeps", When: "custom.tier == 'x'", Off: true},
		} {
			is, err := d.Rules.Create(ctx, r)
			require.NoError(t, err)
			for _, err := range []error{d.Fields.Delete(ctx, tier), rename()} {
				require.ErrorIs(t, err, crm.ErrConflict)
				require.ErrorContains(t, err, "custom.tier is used by "+says+":")
			}
			require.NoError(t, d.Rules.Delete(ctx, is.ID))
		}
		const custom = "custom.tier"
		for _, s := range []quality.Standard{
			{Object: "contact", Complete: []quality.Wanted{{Field: "email"}, {Field: custom}}},
			{Object: "contact", FreshDays: 10, FreshFields: []string{custom}},
			{Object: "contact", Source: custom},
		} {
			is, err := d.Standards.Create(ctx, s)
			require.NoError(t, err)
			for _, err := range []error{d.Fields.Delete(ctx, tier), rename()} {
				require.ErrorIs(t, err, crm.ErrConflict)
				require.ErrorContains(t, err, "custom.tier is used by the quality standard of contact:")
			}
			require.NoError(t, d.Standards.Delete(ctx, is.ID))
		}
		require.NoError(t, d.Fields.Delete(ctx, tie))
		require.NoError(t, rename())
		require.NoError(t, d.Fields.Delete(ctx, tier))
	})
}
