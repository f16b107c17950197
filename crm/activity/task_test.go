package activity_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
)

func day(y int, m time.Month, d int) crm.Date { return crm.Date{Year: y, Month: m, Day: d} }

func TestATaskIsDueInTheTenantsZone(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		require.NoError(t, d.Tenants.Ensure(t.Context(), "acme"))
		require.NoError(t, d.Tenants.SetZone(system(t), "Asia/Shanghai"))
		task, err := d.Tasks.Create(ctx, activity.Task{Title: "x", DueOn: day(2026, time.January, 6)})
		require.NoError(t, err)
		require.Equal(t, time.Date(2026, time.January, 6, 16, 0, 0, 0, time.UTC), task.Due, "the end of that day")
		require.Equal(t, activity.PriorityNormal, task.Priority)
		at := time.Date(2026, time.January, 7, 9, 0, 0, 0, time.UTC)
		task, err = d.Tasks.Update(ctx, task.ID, func(task *activity.Task) error { task.Due = at; return nil })
		require.NoError(t, err)
		require.Equal(t, at, task.Due)
		require.Zero(t, task.DueOn)
		task, err = d.Tasks.Update(ctx, task.ID, func(task *activity.Task) error { task.DueOn = day(2026, time.January, 8); return nil })
		require.NoError(t, err)
		require.Equal(t, 16, task.Due.Hour())
		task, err = d.Tasks.Update(ctx, task.ID, func(task *activity.Task) error { task.DueOn = crm.Date{}; return nil })
		require.NoError(t, err)
		require.Zero(t, task.Due)
	})
}

func TestATaskIsDoneAndReopened(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		task, err := d.Tasks.Create(ctx, activity.Task{Title: "x"})
		require.NoError(t, err)
		_, err = d.Tasks.Reopen(ctx, task.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
		d.Clock.Advance(time.Hour)
		task, err = d.Tasks.Complete(ctx, task.ID)
		require.NoError(t, err)
		require.Equal(t, d.Clock.Now(), task.Done)
		_, err = d.Tasks.Complete(ctx, task.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Tasks.Update(ctx, task.ID, func(task *activity.Task) error { task.Done = time.Time{}; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid, "done has verbs")
		task, err = d.Tasks.Reopen(ctx, task.ID)
		require.NoError(t, err)
		require.Zero(t, task.Done)
		page, err := d.Tasks.History(ctx, task.ID)
		require.NoError(t, err)
		require.Equal(t, "task.reopened", page.Items[0].Name)
		require.Equal(t, "task.done", page.Items[1].Name)
	})
}

func TestOneIsRemindedOnce(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		now := d.Clock.Now()
		remind := func(task activity.Task) activity.Task {
			task.Title = "x"
			made, err := d.Tasks.Create(ctx, task)
			require.NoError(t, err)
			return made
		}
		plain := remind(activity.Task{RemindAt: now.Add(time.Hour)})
		done := remind(activity.Task{RemindAt: now.Add(time.Hour)})
		_, err := d.Tasks.Complete(ctx, done.ID)
		require.NoError(t, err)
		later := remind(activity.Task{RemindAt: now.Add(time.Hour)})
		later, err = d.Tasks.Update(ctx, later.ID, func(task *activity.Task) error { task.RemindAt = now.Add(3 * time.Hour); return nil })
		require.NoError(t, err)
		gone := remind(activity.Task{RemindAt: now.Add(time.Hour)})
		require.NoError(t, d.Tasks.Delete(ctx, gone.ID))
		reminded := func() (n int) {
			require.NoError(t, d.RunDue(t.Context()))
			for _, task := range []activity.Task{plain, done, later} {
				page, err := d.Tasks.History(ctx, task.ID)
				require.NoError(t, err)
				for _, e := range page.Items {
					if e.Name == "task.reminded" {
						n++
					}
				}
			}
			return n
		}
		require.Zero(t, reminded())
		d.Clock.Advance(time.Hour)
		require.Equal(t, 1, reminded())
		require.Equal(t, 1, reminded())
		kept, err := d.Tasks.Get(ctx, plain.ID)
		require.NoError(t, err)
		require.Equal(t, d.Clock.Now(), kept.Reminded)
		d.Clock.Advance(2 * time.Hour)
		require.Equal(t, 2, reminded())
		// While what it hangs on is deleted, it waits.
		a := d.account(ctx, t)
		hangs := remind(activity.Task{Object: "account", RecordID: a.ID, RemindAt: d.Clock.Now().Add(time.Hour)})
		require.NoError(t, d.accounts.Delete(ctx, a.ID))
		d.Clock.Advance(2 * time.Hour)
		require.Equal(t, 2, reminded())
		_, err = d.accounts.Restore(ctx, a.ID)
		require.NoError(t, err)
		d.Clock.Advance(24 * time.Hour)
		require.Equal(t, 2, reminded())
		hangs, err = d.Tasks.Get(ctx, hangs.ID)
		require.NoError(t, err)
		require.NotZero(t, hangs.Reminded)
		// Put off again, it is reminded again; reopened and restored ones are too.
		at := d.Clock.Now().Add(time.Hour)
		_, err = d.Tasks.Update(ctx, plain.ID, func(task *activity.Task) error { task.RemindAt = at; return nil })
		require.NoError(t, err)
		_, err = d.Tasks.Reopen(ctx, done.ID)
		require.NoError(t, err)
		_, err = d.Tasks.Restore(ctx, gone.ID)
		require.NoError(t, err)
		d.Clock.Advance(time.Hour)
		require.Equal(t, 4, reminded())
		kept, err = d.Tasks.Get(ctx, gone.ID)
		require.NoError(t, err)
		require.NotZero(t, kept.Reminded)
		d.whole(t)
	})
}

func TestATaskComesAgain(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		require.NoError(t, d.Tenants.Ensure(t.Context(), "acme"))
		require.NoError(t, d.Tenants.SetZone(system(t), "Europe/Berlin"))
		a := d.account(ctx, t)
		berlin, err := time.LoadLocation("Europe/Berlin")
		require.NoError(t, err)
		nine := time.Date(2026, time.March, 23, 9, 0, 0, 0, berlin) // a Monday; clocks change on the 29th
		task, err := d.Tasks.Create(ctx, activity.Task{
			Object: "account", RecordID: a.ID, Title: "weekly call", Text: "all of them", Due: nine, RemindAt: nine.Add(-time.Hour), Repeat: "FREQ=WEEKLY;COUNT=2",
			Priority: activity.PriorityHigh,
		})
		require.NoError(t, err)
		_, err = d.Tasks.Complete(ctx, task.ID)
		require.NoError(t, err)
		next := d.after(ctx, t, task)
		require.Equal(t, time.Date(2026, time.March, 30, 9, 0, 0, 0, berlin).UTC(), next.Due, "nine stays nine")
		require.Equal(t, next.Due.Add(-time.Hour), next.RemindAt)
		require.Equal(t, []any{a.ID, "weekly call", "all of them", activity.PriorityHigh}, []any{next.RecordID, next.Title, next.Text, next.Priority})
		_, err = d.Tasks.Reopen(ctx, task.ID)
		require.NoError(t, err)
		_, err = d.Tasks.Complete(ctx, task.ID)
		require.NoError(t, err)
		d.after(ctx, t, task) // there is one still
		_, err = d.Tasks.Complete(ctx, next.ID)
		require.NoError(t, err)
		n, err := d.Tasks.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n, "twice it was to come")

		// By days, and late.
		rent, err := d.Tasks.Create(ctx, activity.Task{Title: "rent", DueOn: day(2026, time.January, 31), Repeat: "FREQ=MONTHLY;BYMONTHDAY=-1"})
		require.NoError(t, err)
		d.Clock.Advance(time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC).Sub(d.Clock.Now()))
		_, err = d.Tasks.Complete(ctx, rent.ID)
		require.NoError(t, err)
		require.Equal(t, day(2026, time.April, 30), d.after(ctx, t, rent).DueOn, "those that were missed are past")
		d.whole(t)
	})
}

// after is the one task that came after another.
func (d *desk) after(ctx context.Context, t *testing.T, task activity.Task) activity.Task {
	t.Helper()
	page, err := d.Tasks.List(ctx, crm.Where("previous_id == $1", task.ID))
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	return page.Items[0]
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	require.NoError(t, err)
	start := time.Date(2026, time.January, 1, 9, 0, 0, 0, shanghai)
	for rule, want := range map[string][]string{
		"FREQ=DAILY;INTERVAL=10":              {"2026-01-11", "2026-01-21", "2026-01-31"},
		"FREQ=WEEKLY;BYDAY=MO,TH":             {"2026-01-05", "2026-01-08", "2026-01-12"},
		"FREQ=MONTHLY;BYDAY=-1FR":             {"2026-01-30", "2026-02-27", "2026-03-27"},
		"FREQ=YEARLY":                         {"2027-01-01", "2028-01-01", "2029-01-01"},
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29": {"2028-02-29", "2032-02-29", "2036-02-29"},
		"FREQ=DAILY;COUNT=3":                  {"2026-01-02", "2026-01-03"},
		"FREQ=DAILY;UNTIL=20260103T235959":    {"2026-01-02", "2026-01-03"},
	} {
		times, err := activity.Repeats(rule, start, start, 3)
		require.NoError(t, err, rule)
		var got []string
		for _, at := range times {
			require.Equal(t, 9, at.Hour(), rule)
			got = append(got, at.Format(time.DateOnly))
		}
		require.Equal(t, want, got, rule)
	}
	for _, rule := range []string{
		"", "often", "FREQ=", "FREQ=HOURLY", "FREQ=SECONDLY", "FREQ=DAILY;BYHOUR=9", "FREQ=DAILY;BYEASTER=0", "FREQ=DAILY;INTERVAL=1001",
		"FREQ=DAILY;INTERVAL=-1", "FREQ=DAILY;COUNT=10001", "FREQ=DAILY;COUNT=1;UNTIL=20260101T000000Z", "FREQ=DAILY;BYMONTHDAY=31", "FREQ=WEEKLY;BYDAY=1MO",
		"FREQ=MONTHLY;BYYEARDAY=1", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31", "FREQ=DAILY\nRRULE:X",
		"DTSTART:20260101T000000Z;FREQ=DAILY", "FREQ=YEARLY;BYMONTH=13", "FREQ=MONTHLY;BYSETPOS=400", "RRULE:FREQ=DAILY;X=1",
		"FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6", "FREQ=DAILY;UNTIL=tomorrow", strings.Repeat("FREQ=DAILY;", 100),
	} {
		_, err := activity.Repeats(rule, start, start, 3)
		require.ErrorIs(t, err, crm.ErrInvalid, rule)
	}
	_, err = activity.Repeats("FREQ=DAILY", start, start, 0)
	require.ErrorIs(t, err, crm.ErrInvalid)
}

// TestNoRuleRunsAway reads rules of random parts, each within a second.
func TestNoRuleRunsAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		parts := []string{"FREQ=" + rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(r, "freq")}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{
			"INTERVAL", "COUNT", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "BYDAY", "UNTIL",
		}), 0, 4).Draw(r, "names") {
			var value string
			switch name {
			case "BYDAY":
				value = rapid.SampledFrom([]string{"MO", "5FR", "-1SU", "MO,TU", "54MO"}).Draw(r, "day")
			case "UNTIL":
				value = "20300101T000000Z"
			default:
				value = rapid.StringMatching(`-?[0-9]{1,3}(,-?[0-9]{1,2})?`).Draw(r, "value")
			}
			parts = append(parts, name+"="+value)
		}
		start := time.Date(2026, time.January, 31, 9, 0, 0, 0, time.UTC)
		times, err := activity.Repeats(strings.Join(parts, ";"), start, start, 100)
		if err != nil {
			require.ErrorIs(r, err, crm.ErrInvalid)
		}
		for i, at := range times {
			require.True(r, at.After(start) && (i == 0 || at.After(times[i-1])), "they ascend")
		}
	})
}

func TestNobodyIsRemindedOfWhatAFormerSystemRemindedOf(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		now := d.Clock.Now()
		quiet, times := crm.Quietly(ctx), map[crm.ID]int{}
		for n, at := range []time.Duration{-time.Hour, time.Hour} {
			made, err := d.Tasks.Create(quiet, activity.Task{Title: "x", RemindAt: now.Add(at)})
			require.NoError(t, err)
			times[made.ID] = n // of what is still to come
		}
		d.Clock.Advance(2 * time.Hour)
		require.NoError(t, d.RunDue(t.Context()))
		for id, want := range times {
			task, err := d.Tasks.Get(ctx, id)
			require.NoError(t, err)
			require.Equal(t, want == 1, !task.Reminded.IsZero())
		}
	})
}
