package crm_test

import (
	"context"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// at creates companies named by the instant they were created at.
func (s *shop) at(t *testing.T, ctx context.Context, instants ...string) { //nolint:revive // the test comes first
	t.Helper()
	for _, text := range instants {
		instant, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		_, err = s.companies.Create(crm.At(ctx, instant), company{Name: text})
		require.NoError(t, err)
	}
}

// TestZoneOverADSTChange asks for days and spans around the night in which clocks are
// put forward in Berlin: by filters, which the database answers, and by formulas and
// rules, which are evaluated in memory.
func TestZoneOverADSTChange(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := crm.System(t.Context(), "acme")
		now := time.Date(2026, time.March, 29, 10, 0, 0, 0, time.UTC) // noon in Berlin, by summer time
		s.Clock.Advance(now.Sub(s.Clock.Now()))
		formula := s.fieldOnly(t, ctx, crm.CustomField{Object: "company", Name: "that_day", Type: crm.FieldFormula, Formula: "created == date('2026-03-29')"})
		steady := s.fieldOnly(t, ctx, crm.CustomField{Object: "company", Name: "vips", Type: crm.FieldFormula, Formula: "vip"})
		s.Clock.Advance(time.Second)
		require.NoError(t, s.Fields.Backfill(ctx, formula.ID))
		require.NoError(t, s.Fields.Backfill(ctx, steady.ID))
		s.at(t, ctx, "2026-03-28T10:30:00Z", "2026-03-28T22:59:59Z", "2026-03-28T23:00:00Z", "2026-03-29T00:00:00Z")
		s.Clock.Advance(24 * time.Hour)
		s.at(t, ctx, "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z")
		s.Clock.Advance(-24*time.Hour - time.Second)
		found := func(where string) []string {
			t.Helper()
			list, err := s.companies.List(ctx, crm.Where(where), crm.OrderBy("created"))
			require.NoError(t, err)
			return called(list.Items)
		}
		all := found("true")
		const day, today, ago = "created == date('2026-03-29')", "created >= today()", "created >= ago('1d')"

		require.Equal(t, all[3:], found(day), "UTC, without a zone")
		require.Equal(t, found(day), found("custom.that_day"))
		require.Equal(t, all[3:], found(today))
		require.Equal(t, all, found(ago))

		require.NoError(t, s.Tenants.SetZone(ctx, "Europe/Berlin"))
		zone, err := s.Tenants.Zone(ctx)
		require.NoError(t, err)
		require.Equal(t, "Europe/Berlin", zone.String())
		require.Equal(t, all[2:5], found(day), "a day of 23 hours")
		require.Equal(t, all[2:], found(today))
		require.Equal(t, all[1:], found(ago), "noon of the day before is an hour later than a day ago")

		// What is computed by the zone has to be computed anew, and nothing else.
		f, err := s.Fields.Get(ctx, formula.ID)
		require.NoError(t, err)
		require.False(t, f.Ready)
		other, err := s.Fields.Get(ctx, steady.ID)
		require.NoError(t, err)
		require.True(t, other.Ready)
		s.Clock.Advance(24 * time.Hour)
		require.NoError(t, s.Fields.Backfill(ctx, formula.ID))
		require.Equal(t, all[2:5], found("custom.that_day"))

		// Rules, whether they go by the moment or not.
		s.Clock.Advance(-24 * time.Hour)
		_, err = s.Rules.Create(ctx, crm.Rule{Object: "company", Name: "steady", When: "vip and not (" + day + ")", Severity: crm.Warn})
		require.NoError(t, err)
		_, err = s.Rules.Create(ctx, crm.Rule{Object: "company", Name: "moving", When: "vip and not (" + today + ")", Severity: crm.Warn})
		require.NoError(t, err)
		list, err := s.companies.List(ctx, crm.OrderBy("created"))
		require.NoError(t, err)
		for _, c := range list.Items {
			var warnings crm.Warnings
			_, err := s.companies.Update(crm.WithWarnings(ctx, &warnings), c.ID, func(c *company) error { c.VIP = true; return nil })
			require.NoError(t, err)
			var fired []string
			for _, w := range warnings.All() {
				fired = append(fired, w.Fault.Reason)
			}
			require.Equal(t, slices.Contains(all[2:5], c.Name), !slices.Contains(fired, "steady"), c.Name)
			require.Equal(t, slices.Contains(all[2:], c.Name), !slices.Contains(fired, "moving"), c.Name)
		}
		s.whole(t)

		// Where clocks are put back the day has 25 hours; without a name it is UTC again.
		s.Clock.Advance(365 * 24 * time.Hour)
		s.at(t, ctx, "2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z")
		require.Equal(t, []string{"2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"}, found("created == date('2026-10-25')"))
		require.NoError(t, s.Tenants.SetZone(ctx, ""))
		require.Equal(t, []string{"2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"}, found("created == date('2026-10-25')"))
	})
}

func TestZoneIsTheTenantsOwn(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		f := newOffice(t, newShop(t, e.Store, crm.Config{}))
		for _, name := range []string{"Local", "Mars/Olympus", "../zone", "Europe/Berlin\x00", "/etc/localtime"} {
			err := f.Tenants.SetZone(f.sys, name)
			require.ErrorIs(t, err, crm.ErrInvalid, name)
			require.ErrorContains(t, err, "zone: ")
		}
		other := crm.System(t.Context(), "other")
		require.NoError(t, f.Tenants.SetZone(other, "Asia/Shanghai"), "it makes the tenant")
		zone := func(s *shop, ctx context.Context) string {
			z, err := s.Tenants.Zone(ctx)
			require.NoError(t, err)
			return z.String()
		}
		require.Equal(t, "UTC", zone(f.shop, f.sys))
		require.Equal(t, "Asia/Shanghai", zone(f.shop, other))
		require.Equal(t, "UTC", zone(f.shop, crm.System(t.Context(), "nobody")))

		// It decides over what many see.
		f.grant(t, crm.Allow("company", crm.LevelAll))
		require.ErrorIs(t, f.Tenants.SetZone(as(t, "ada"), "Asia/Tokyo"), crm.ErrForbidden)
		require.ErrorIs(t, f.Tenants.SetZone(t.Context(), "Asia/Tokyo"), crm.ErrUnscoped)
		_, err := f.Tenants.Zone(t.Context())
		require.ErrorIs(t, err, crm.ErrUnscoped)

		// Other processes hear of it as they do of rights, and a transaction knows its own.
		far := newShop(t, e.Store, crm.Config{})
		require.Equal(t, "UTC", zone(far, f.sys))
		require.Error(t, f.Tx(f.sys, func(ctx context.Context) error {
			require.NoError(t, f.Tenants.SetZone(ctx, "Asia/Tokyo"))
			require.Equal(t, "Asia/Tokyo", zone(f.shop, ctx))
			return context.Canceled
		}))
		require.Equal(t, "UTC", zone(f.shop, f.sys), "it was rolled back")
		require.NoError(t, f.Tenants.SetZone(f.sys, "Asia/Tokyo"))
		require.Equal(t, "UTC", zone(far, f.sys))
		far.Clock.Advance(time.Second)
		require.Equal(t, "Asia/Tokyo", zone(far, f.sys))

		// One that this program does not know ends every call, and says how to mend it.
		table := map[string]string{"sqlite": "crm_tenant", "postgres": "crm.tenant"}[e.Name]
		_, err = e.DB.ExecContext(t.Context(), "UPDATE "+table+" SET zone = 'Mars/Olympus', rights = rights + 1 WHERE tenant = 'acme'")
		require.NoError(t, err)
		far.Clock.Advance(time.Second)
		_, err = far.companies.List(f.sys)
		require.ErrorContains(t, err, "time/tzdata")
		require.ErrorContains(t, err, "list company")
	})
}
