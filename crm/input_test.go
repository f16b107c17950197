package crm_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// TestBadInputNamesItsField gives each field what it cannot hold: an error that names
// the field, and nothing written.
func TestBadInputNamesItsField(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		good := deal{Name: "Deal"}
		for _, c := range []struct {
			field string
			spoil func(d *deal)
		}{
			{"name", func(d *deal) { d.Name = "" }},
			{"name", func(d *deal) { d.Name = " \t " }},
			{"name", func(d *deal) { d.Name = "a\x00b" }},
			{"name", func(d *deal) { d.Name = "a\xffb" }},
			{"name", func(d *deal) { d.Name = strings.Repeat("é", 201) }},
			{"stage", func(d *deal) { d.Stage = "sold" }},
			{"amount", func(d *deal) { d.Amount = crm.Money{Minor: 1, Currency: "QQQ"} }},
			{"amount", func(d *deal) { d.Amount = crm.Money{Minor: 1} }},
			{"amount", func(d *deal) { d.Stage = "won" }}, // the type's own rule
			{"close_on", func(d *deal) { d.CloseOn = crm.Date{Year: 2026, Month: 2, Day: 30} }},
			{"closed", func(d *deal) { d.Closed = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) }},
			{"notes", func(d *deal) { d.Notes = map[string]any{"a": "\x00"} }},
			{"notes", func(d *deal) { d.Notes = map[string]any{"a": strings.Repeat("x", 1<<20)} }},
			{"company_id", func(d *deal) { d.CompanyID = crm.ID{1} }},
			{"owner_id", func(d *deal) { d.OwnerID = crm.ID{1} }},
			{"refs.shop", func(d *deal) { d.Refs = crm.Refs{"shop": ""} }},
			{"refs", func(d *deal) { d.Refs = crm.Refs{"": "x"} }},
			{"refs", func(d *deal) {
				d.Refs = crm.Refs{}
				for i := range 21 {
					d.Refs[strconv.Itoa(i)] = "x"
				}
			}},
			{"custom.size", func(d *deal) { d.Custom = crm.Custom{"size": "L"} }},
		} {
			spoilt := good
			c.spoil(&spoilt)
			_, err := s.deals.Create(ctx, spoilt)
			var all *crm.InvalidError
			require.ErrorAs(t, err, &all, c.field)
			var names []string
			for _, f := range all.Faults {
				names = append(names, f.Field)
				require.NotEmpty(t, f.Reason)
			}
			require.Equal(t, []string{c.field}, names, "%v", err)
		}
		n, err := s.deals.Count(ctx, crm.WithDeleted())
		require.NoError(t, err)
		require.Zero(t, n)

		// All that is wrong is said at once.
		_, err = s.deals.Create(ctx, deal{CloseOn: crm.Date{Year: 1}, Amount: crm.Money{Minor: 1}})
		require.ErrorContains(t, err, "name: ")
		require.ErrorContains(t, err, "close_on: ")
		require.ErrorContains(t, err, "amount: ")

		d, err := s.deals.Create(ctx, good)
		require.NoError(t, err)
		stop := errors.New("stop")
		_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Name = "x"; return stop })
		require.ErrorIs(t, err, stop)
		_, err = s.deals.Update(ctx, crm.ID{9}, func(*deal) error { return nil })
		require.ErrorIs(t, err, crm.ErrNotFound)
		for what, of := range map[string]func() error{
			"delete":  func() error { return s.deals.Delete(ctx, crm.ID{9}) },
			"purge":   func() error { return s.deals.Purge(ctx, crm.ID{9}) },
			"restore": func() error { _, err := s.deals.Restore(ctx, d.ID); return err },
		} {
			require.ErrorIs(t, of(), crm.ErrNotFound, what)
		}
		kept, err := s.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, d, kept)
		s.whole(t)
	})
}

// TestScopes refuses calls that do not say whose they are.
func TestScopes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		for what, ctx := range map[string]context.Context{
			"none":      t.Context(),
			"no tenant": crm.As(t.Context(), crm.Actor{Member: "dana"}),
			"at alone":  crm.At(t.Context(), s.Clock.Now()),
		} {
			_, err := s.deals.Create(ctx, deal{Name: "x"})
			require.ErrorIs(t, err, crm.ErrUnscoped, what)
			_, err = s.deals.List(ctx)
			require.ErrorIs(t, err, crm.ErrUnscoped, what)
		}
		for what, ctx := range map[string]context.Context{
			"no member":   crm.As(t.Context(), crm.Actor{Tenant: "acme"}),
			"long tenant": crm.As(t.Context(), crm.Actor{Tenant: strings.Repeat("x", 65), Member: "dana"}),
			"NUL":         crm.As(t.Context(), crm.Actor{Tenant: "a\x00", Member: "dana"}),
			"no system":   crm.System(t.Context(), ""),
			"long cause":  crm.Because(as(t, "dana"), strings.Repeat("x", 201)),
		} {
			_, err := s.deals.Create(ctx, deal{Name: "x"})
			require.ErrorIs(t, err, crm.ErrInvalid, what)
		}
		for field, ctx := range map[string]context.Context{
			"member": crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "da\x00na"}),
			"cause":  crm.Because(as(t, "dana"), "half a \xff character"),
			"at":     crm.At(as(t, "dana"), time.Date(-9000, 1, 1, 0, 0, 0, 0, time.UTC)),
		} {
			_, err := s.deals.Create(ctx, deal{Name: "x"})
			invalid, _ := errors.AsType[*crm.InvalidError](err)
			require.NotNil(t, invalid, "%s: %v", field, err)
			require.Equal(t, field, invalid.Faults[0].Field)
		}
	})
}

// TestHistoryOfLargeTexts: what may be kept may be changed, though its history has
// what it was beside what it is.
func TestHistoryOfLargeTexts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		was, is := map[string]any{"text": strings.Repeat("a", 900_000)}, map[string]any{"text": strings.Repeat("b", 900_000)}
		d, err := s.deals.Create(ctx, deal{Name: "x", Notes: was})
		require.NoError(t, err)
		s.Clock.Advance(time.Hour)
		_, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Notes = is; return nil })
		require.NoError(t, err)
		first, err := s.deals.AsOf(ctx, d.ID, d.Updated)
		require.NoError(t, err)
		require.Equal(t, was, first.Notes)
		now, err := s.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, is, now.Notes)
		s.whole(t)
	})
}
