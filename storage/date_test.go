package storage_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/storage"
)

func date(y int, m time.Month, d int) storage.Date { return storage.Date{Year: y, Month: m, Day: d} }

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// anyDate draws a valid date.
var anyDate = rapid.Custom(func(t *rapid.T) storage.Date {
	return date(1, 1, 1).AddDays(rapid.IntRange(0, 3_652_058).Draw(t, "day"))
})

func TestDateText(t *testing.T) {
	t.Parallel()
	type holder struct {
		On    storage.Date `json:"on"`
		Until storage.Date `json:"until,omitzero"`
	}
	b, err := json.Marshal(holder{On: date(2024, 2, 29)})
	require.NoError(t, err)
	require.JSONEq(t, `{"on":"2024-02-29"}`, string(b))
	b, err = json.Marshal(holder{})
	require.NoError(t, err)
	require.JSONEq(t, `{"on":""}`, string(b))

	h := holder{On: date(1, 1, 1)}
	require.NoError(t, json.Unmarshal([]byte(`{"on":"","until":"9999-12-31"}`), &h))
	require.Equal(t, holder{Until: date(9999, 12, 31)}, h)
	require.True(t, h.On.IsZero())
	require.False(t, h.Until.IsZero())

	for _, text := range []string{"2023-02-29", "2024-2-9", "0000-01-01", "10000-01-01", "2024-01-01T00:00:00Z", " 2024-01-01", "-001-01-01", "今日"} {
		d := date(2020, 1, 1)
		require.ErrorIs(t, d.UnmarshalText([]byte(text)), storage.ErrInvalid, text)
		require.Equal(t, date(2020, 1, 1), d, "what can't be read changes nothing")
	}
	for _, d := range []storage.Date{date(2023, 2, 29), date(0, 1, 1), date(10000, 1, 1), date(2024, 13, 1), {Year: 2024}} {
		_, err := d.MarshalText()
		require.ErrorIs(t, err, storage.ErrInvalid, "%#v", d)
	}
}

func TestDateTextComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyDate.Draw(t, "date")
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got storage.Date
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
}

func TestDateAddDaysAndCompare(t *testing.T) {
	t.Parallel()
	require.Equal(t, date(2024, 2, 29), date(2024, 2, 28).AddDays(1))
	require.Equal(t, date(2023, 12, 31), date(2024, 1, 1).AddDays(-1))
	require.Equal(t, date(9999, 12, 31), date(1, 1, 1).AddDays(3_652_058))
	require.Equal(t, date(1, 1, 1), date(9999, 12, 31).AddDays(-3_652_058))
	for _, n := range []int{1, 3_652_059, math.MaxInt} {
		require.Zero(t, date(9999, 12, 31).AddDays(n))
		require.Zero(t, date(1, 1, 1).AddDays(-n))
	}
	require.Zero(t, date(1, 1, 1).AddDays(math.MinInt))
	require.Zero(t, storage.Date{}.AddDays(1), "no date stays none")
	require.Zero(t, date(2023, 2, 29).AddDays(1))
	require.Equal(t, -1, storage.Date{}.Compare(date(1, 1, 1)))

	rapid.Check(t, func(t *rapid.T) {
		a, b := anyDate.Draw(t, "a"), anyDate.Draw(t, "b")
		days := int((b.Time(nil).Unix() - a.Time(nil).Unix()) / (24 * 60 * 60)) // a Duration holds 292 years
		require.Equal(t, b, a.AddDays(days))
		require.Equal(t, a, b.AddDays(-days))
		require.Equal(t, a.Time(nil).Compare(b.Time(nil)), a.Compare(b))
	})
}

func TestDateTimeIsTheFirstInstantOfTheDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, zone string
		date      storage.Date
		want      string // in UTC
	}{
		{"an ordinary day", "Europe/Berlin", date(2024, 6, 1), "2024-05-31T22:00:00Z"},
		{"midnight skipped", "America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00Z"},
		{"midnight skipped, east of UTC", "Africa/Cairo", date(2023, 4, 28), "2023-04-27T22:00:00Z"},
		{"midnight skipped from before it", "America/Toronto", date(1919, 3, 31), "1919-03-31T04:30:00Z"},
		{"midnight is when the clocks go back", "America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00:00Z"},
		{"midnight twice on the day", "America/Havana", date(2023, 11, 5), "2023-11-05T04:00:00Z"},
		{"midnight again after the evening before came back", "America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30:00Z"},
		{"a day left out", "Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00Z"},
		{"the day after it", "Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00Z"},
		{"the day before it", "Pacific/Apia", date(2011, 12, 29), "2011-12-29T10:00:00Z"},
		{"before there was standard time", "Asia/Shanghai", date(1, 1, 1), "0000-12-31T15:54:17Z"},
		{"the last day", "Pacific/Kiritimati", date(9999, 12, 31), "9999-12-30T10:00:00Z"},
	} {
		loc := zone(t, c.zone)
		got := c.date.Time(loc)
		require.Equal(t, c.want, got.UTC().Format(time.RFC3339), c.why)
		require.Equal(t, loc, got.Location())
	}
	require.Equal(t, time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC), date(2024, 6, 1).Time(nil))
	far := time.FixedZone("far", 40*60*60)
	require.Equal(t, date(2024, 6, 1), storage.DateOf(date(2024, 6, 1).Time(far)))
}

// TestDateTimeInEveryZone looks at every minute around each change of the clocks.
func TestDateTimeInEveryZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/Sao_Paulo", "Africa/Cairo", "America/Havana", "America/St_Johns", "Pacific/Apia", "Asia/Gaza", "Europe/Lisbon", "Antarctica/Troll"} {
		loc := zone(t, name)
		for at := time.Date(1960, 1, 1, 0, 0, 0, 0, loc); at.Year() < 2030; {
			_, end := at.ZoneBounds()
			if end.IsZero() {
				break
			}
			for _, day := range []storage.Date{storage.DateOf(end.Add(-time.Minute)), storage.DateOf(end)} {
				require.Equal(t, firstMinute(day, loc), day.Time(loc).UTC(), "%s in %s", day, name)
			}
			at = end
		}
	}
}

// firstMinute returns the first minute of a day in a zone, by trying each.
func firstMinute(d storage.Date, loc *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Add(-26 * time.Hour)
	for storage.DateOf(t.In(loc)) != d {
		t = t.Add(time.Minute)
	}
	return t
}
