package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestRules(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Object: "deal", Name: "contract", Type: crm.FieldText})
		old, err := s.deals.Create(ctx, deal{Name: "old", CloseOn: crm.Date{Year: 2020, Month: 1, Day: 1}})
		require.NoError(t, err)
		rule := func(r crm.Rule) crm.Rule {
			t.Helper()
			if r.Object == "" {
				r.Object = "deal"
			}
			made, err := s.Rules.Create(ctx, r)
			require.NoError(t, err)
			return made
		}
		won := rule(crm.Rule{
			Name: "contract", When: "stage == 'won' and custom.contract == nil", Field: "custom.contract",
			Messages: map[string]string{"en": "Enter the contract's number before you win the deal.", "zh": "请先填写合同编号。"},
		})
		require.Equal(t, crm.Refuse, won.Severity)
		rule(crm.Rule{Name: "past", When: "close_on < today()", Field: "close_on", Severity: crm.Warn, Messages: map[string]string{"en": "That day is over."}})
		rule(crm.Rule{Name: "round", When: "cost > money('10', 'EUR')"})
		off := rule(crm.Rule{Name: "never", When: "true", Off: true})

		d, err := s.deals.Create(ctx, deal{Name: "x", Amount: crm.EUR(5)})
		require.NoError(t, err)
		win := func(d *deal) error { d.Stage = "won"; return nil }
		_, err = s.deals.Do(ctx, d.ID, "won", win)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "custom.contract: Enter the contract's number")
		_, err = s.deals.Do(crm.InLanguage(ctx, "zh-CN"), d.ID, "won", win)
		require.ErrorContains(t, err, "请先填写合同编号。")
		_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Custom.Set("contract", "4711"); return nil })
		require.NoError(t, err)
		_, err = s.deals.Do(ctx, d.ID, "won", win)
		require.NoError(t, err)
		_, err = s.deals.Create(ctx, deal{Name: "x", Cost: crm.EUR(1001)})
		require.ErrorContains(t, err, "round", "without a message it is the name")
		_, err = s.deals.Create(ctx, deal{Name: "x", Cost: crm.USD(1001)})
		require.NoError(t, err)

		var warnings crm.Warnings
		heard := crm.WithWarnings(ctx, &warnings)
		_, err = s.deals.Update(heard, old.ID, func(*deal) error { return nil })
		require.NoError(t, err)
		require.Empty(t, warnings.All(), "nothing was written")
		_, err = s.deals.Update(heard, old.ID, func(d *deal) error { d.Score++; return nil })
		require.NoError(t, err)
		require.Len(t, warnings.All(), 1)
		require.Equal(t, crm.Fault{Field: "close_on", Reason: "That day is over."}, warnings.All()[0].Fault)
		require.Equal(t, old.ID, warnings.All()[0].Record)
		_, err = s.deals.Update(heard, old.ID, func(d *deal) error { d.CloseOn = crm.DateOf(s.Clock.Now()); return nil })
		require.NoError(t, err)
		require.Empty(t, warnings.All(), "it is right by now")
		s.Clock.Advance(24 * time.Hour)
		_, err = s.deals.Update(heard, old.ID, func(d *deal) error { d.Score++; return nil })
		require.NoError(t, err)
		require.Len(t, warnings.All(), 1)

		_, err = s.Rules.Update(ctx, off.ID, func(r *crm.Rule) error { r.Off = false; return nil })
		require.NoError(t, err)
		_, err = s.deals.Create(ctx, deal{Name: "x"})
		require.ErrorContains(t, err, "never")
		require.NoError(t, s.deals.Delete(ctx, d.ID))
		_, err = s.deals.Restore(ctx, d.ID)
		require.NoError(t, err, "to restore is no change of what a rule is about")
		_, err = s.deals.Create(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"}), deal{Name: "x"})
		require.NoError(t, err)
		require.NoError(t, s.Rules.Delete(ctx, off.ID))
		_, err = s.deals.Create(ctx, deal{Name: "x"})
		require.NoError(t, err)
	})
}

func TestRulesThatAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		for _, c := range []struct {
			rule crm.Rule
			want string
		}{
			{crm.Rule{Name: "x", When: "vip"}, "object"}, {crm.Rule{Object: "rule", Name: "x", When: "off"}, "of its own"}, {crm.Rule{Object: "company", When: "vip"}, "name"},
			{crm.Rule{Object: "company", Name: "x"}, "when"}, {crm.Rule{Object: "company", Name: "x", When: "vip and"}, "when"}, {crm.Rule{Object: "company", Name: "x", When: "parent.vip"}, "own fields"},
			{crm.Rule{Object: "company", Name: "x", When: "count(deals) > 3"}, "own fields"}, {crm.Rule{Object: "company", Name: "x", When: "custom.nothing == 1"}, "nothing"},
			{crm.Rule{Object: "company", Name: "x", When: "name == $1"}, "when"}, {crm.Rule{Object: "company", Name: "x", When: "vip", Severity: "shout"}, "severity"},
			{crm.Rule{Object: "company", Name: "x", When: "vip", Field: "nothing"}, "field"}, {crm.Rule{Object: "company", Name: "x", When: "vip", Messages: map[string]string{"??": "x"}}, "language"},
		} {
			_, err := s.Rules.Create(ctx, c.rule)
			require.ErrorIs(t, err, crm.ErrInvalid, "%+v", c.rule)
			require.ErrorContains(t, err, c.want)
		}
		made, err := s.Rules.Create(ctx, crm.Rule{Object: "company", Name: "x", When: "vip"})
		require.NoError(t, err)
		_, err = s.Rules.Update(ctx, made.ID, func(r *crm.Rule) error { r.Object = "deal"; return nil })
		require.ErrorContains(t, err, "never changes")
	})
}
