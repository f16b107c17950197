package activity_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		crmtest.RequireSchema(t, newDesk(t, e.Store).Core.Core, e.DB, e.Name)
	})
}

func TestNewRefusesNoCore(t *testing.T) {
	t.Parallel()
	_, err := activity.New(nil)
	require.ErrorIs(t, err, crm.ErrInvalid)
}

func TestATimelineOfEverything(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		step := func() { d.Clock.Advance(time.Hour) }
		step()
		_, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: a.ID, Text: "met at the fair"})
		require.NoError(t, err)
		step()
		_, err = d.Interactions.Create(ctx, activity.Interaction{Object: "account", RecordID: a.ID, Kind: activity.Call, Title: "price"})
		require.NoError(t, err)
		step()
		_, err = d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: a.ID, Text: "good"})
		require.NoError(t, err)
		step()
		task, err := d.Tasks.Create(ctx, activity.Task{Object: "account", RecordID: a.ID, Title: "send the offer"})
		require.NoError(t, err)
		step()
		p := d.project(ctx, t, a.ID)
		step()
		_, err = d.Tasks.Complete(ctx, task.ID)
		require.NoError(t, err)
		step()
		_, err = d.accounts.Update(ctx, a.ID, func(a *account) error { a.Name = "Lovelace"; return nil })
		require.NoError(t, err)
		other := d.account(ctx, t)
		_, err = d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: other.ID, Text: "of another"})
		require.NoError(t, err)

		page, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{})
		require.NoError(t, err)
		type seen struct{ kind, object, title string }
		var got []seen
		for i, e := range page.Items {
			got = append(got, seen{e.Kind, e.Object, e.Title})
			require.True(t, i == 0 || !e.At.After(page.Items[i-1].At))
		}
		require.Equal(t, []seen{
			{"account.updated", "account", ""}, {"task.done", "task", "send the offer"}, {"project", "project", "Engine"},
			{"task", "task", "send the offer"}, {"comment", "comment", "good"}, {"call", "interaction", "price"},
			{"note", "note", "met at the fair"}, {"account.created", "account", ""},
		}, got)
		require.Equal(t, p.ID, page.Items[2].ID)
		require.Equal(t, "member:dana", page.Items[0].Actor)
		require.Equal(t, `"Lovelace"`, string(page.Items[0].Changes[0].After))

		// Page by page it is the same.
		var paged []crm.TimelineEntry
		for after := ""; ; {
			page, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{}, crm.Limit(3), crm.After(after))
			require.NoError(t, err)
			paged = append(paged, page.Items...)
			if after = page.Next; after == "" {
				break
			}
		}
		require.Equal(t, page.Items, paged)
		d.whole(t)
	})
}
