package cron

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(tb, err)
	return loc
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ cron, zone, after, want string }{
		{"*/15 * * * *", "UTC", "2026-01-05T09:00:00Z", "2026-01-05T09:15:00Z"},
		{"0 9 * * mon-fri", "UTC", "2026-01-09T09:00:00Z", "2026-01-12T09:00:00Z"},
		{"0 9 * * 1-5", "Europe/Berlin", "2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z"},
		{"30 8-18/2 * * *", "UTC", "2026-01-05T18:29:00Z", "2026-01-05T18:30:00Z"},
		{"5/20 4 * * *", "UTC", "2026-01-05T04:06:00Z", "2026-01-05T04:25:00Z"},
		{"0 0 29 2 *", "UTC", "2026-01-05T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"0 0 13 * fri", "UTC", "2026-01-05T00:00:00Z", "2026-01-09T00:00:00Z"}, // either will do
		{"0 0 * * 7", "UTC", "2026-01-05T00:00:00Z", "2026-01-11T00:00:00Z"},
		{"@daily", "Asia/Shanghai", "2026-01-05T00:00:00Z", "2026-01-05T16:00:00Z"},
		{"@yearly", "UTC", "2026-01-05T00:00:00Z", "2027-01-01T00:00:00Z"},
		// New York leaps from 2:00 to 3:00 on 8 March 2026, at 7:00 UTC.
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"},
		{"30 2 * * *", "America/New_York", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"},
		{"*/30 * * * *", "America/New_York", "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z"},
		// It goes back from 2:00 to 1:00 on 1 November 2026, at 6:00 UTC.
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z"},
		{"30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
		{"30 * * * *", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"},
		// Beirut has no midnight on 29 March 2026.
		{"0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z"},
		{"0 * 29 3 *", "Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-28T22:00:00Z"},
	} {
		s, err := Parse(c.cron)
		require.NoError(t, err, c.cron)
		after, err := time.Parse(time.RFC3339, c.after)
		require.NoError(t, err)
		require.Equal(t, c.want, s.Next(after, zone(t, c.zone)).UTC().Format(time.RFC3339), "%s in %s after %s", c.cron, c.zone, c.after)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "-1 * * * *", "+1 * * * *",
		"*/0 * * * *", "*/61 * * * *", "5-1 * * * *", "a * * * *", ", * * * *", "1,, * * * *", "1- * * * *", "/ * * * *", "0 0 30 2 *", "0 0 31 4,6 *",
		"TZ=UTC * * * * *", "@never", "\x00", "99999999999999999999 * * * *",
	} {
		_, err := Parse(text)
		require.Error(t, err, "%q", text)
	}
}

// TestNextComes holds Next, over zones and times, to what a schedule means: it comes
// after, and the clocks show a minute that is meant unless they leapt over it.
func TestNextComes(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{
		zone(t, "UTC"), zone(t, "America/New_York"), zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe"),
		zone(t, "Asia/Kathmandu"), zone(t, "Pacific/Apia"), zone(t, "America/Sao_Paulo"), zone(t, "Asia/Beirut"),
	}
	texts := []string{"* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 * * *", "15 1,2,3 * * sun", "59 23 31 12 *", "0 12 1-7 * mon"}
	rapid.Check(t, func(t *rapid.T) {
		s, err := Parse(rapid.SampledFrom(texts).Draw(t, "text"))
		require.NoError(t, err)
		loc := rapid.SampledFrom(zones).Draw(t, "zone")
		after := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "after"), 0)
		next := s.Next(after, loc)
		require.False(t, next.IsZero())
		require.True(t, next.After(after))
		local := next.In(loc)
		start, _ := local.ZoneBounds()
		if !next.Equal(start) {
			require.True(t, s.minute>>local.Minute()&1 == 1 && s.hour>>local.Hour()&1 == 1 && s.means(local), "%s", local)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"*/15 8-18/2 1,15 jan-mar mon", "@daily", "0 0 29 2 *"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err == nil && s.Next(time.Unix(0, 0), time.UTC).IsZero() {
			t.Errorf("%q never comes", text)
		}
	})
}
