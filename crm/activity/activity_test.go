package activity_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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

func TestATimelineIsFiltered(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		lee := d.member(t, "lee")
		a := d.account(ctx, t)
		began := d.Clock.Now()
		for _, member := range []string{"dana", "lee"} {
			for _, kind := range []activity.InteractionKind{activity.Call, activity.Mail} {
				d.Clock.Advance(time.Hour)
				_, err := d.Interactions.Create(as(t, member), activity.Interaction{Object: "account", RecordID: a.ID, Kind: kind})
				require.NoError(t, err)
			}
			_, err := d.Notes.Create(as(t, member), activity.Note{Object: "account", RecordID: a.ID, Text: member})
			require.NoError(t, err)
			_, err = d.accounts.Update(as(t, member), a.ID, func(a *account) error { a.Name = member; return nil })
			require.NoError(t, err)
		}
		count := func(f crm.TimelineFilter) int {
			page, err := d.Timeline(ctx, "account", a.ID, f)
			require.NoError(t, err)
			return len(page.Items)
		}
		require.Equal(t, 9, count(crm.TimelineFilter{}))
		require.Equal(t, 2, count(crm.TimelineFilter{Kinds: []string{"call"}}))
		require.Equal(t, 4, count(crm.TimelineFilter{Kinds: []string{"interaction"}}))
		require.Equal(t, 4, count(crm.TimelineFilter{Kinds: []string{"note", "account.updated"}}))
		require.Equal(t, 3, count(crm.TimelineFilter{Kinds: []string{"account.*"}}))
		require.Zero(t, count(crm.TimelineFilter{Kinds: []string{"project"}}))
		require.Equal(t, 4, count(crm.TimelineFilter{Member: lee.ID}))
		require.Equal(t, 1, count(crm.TimelineFilter{Member: lee.ID, Kinds: []string{"mail"}}))
		require.Equal(t, 1, count(crm.TimelineFilter{To: began.Add(time.Hour)}))
		require.Equal(t, 1, count(crm.TimelineFilter{From: began.Add(time.Hour), To: began.Add(2 * time.Hour)}))
		for name, f := range map[string]crm.TimelineFilter{
			"a member there is not":   {Member: crm.ID{1}},
			"an end before the start": {From: began, To: began},
			"too many kinds":          {Kinds: make([]string, 101)},
		} {
			_, err := d.Timeline(ctx, "account", a.ID, f)
			require.ErrorIs(t, err, crm.ErrInvalid, name)
		}
		for name, opt := range map[string]crm.ListOption{
			"a filter": crm.Where("id != nil"), "an order": crm.OrderBy("id"), "deleted ones": crm.WithDeleted(),
			"too long a page": crm.Limit(crm.MaxPage), "a forged cursor": crm.After("x"),
		} {
			_, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{}, opt)
			require.ErrorIs(t, err, crm.ErrInvalid, name)
		}
		page, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{}, crm.Limit(1))
		require.NoError(t, err)
		_, err = d.Timeline(as(t, "lee"), "account", a.ID, crm.TimelineFilter{}, crm.After(page.Next))
		require.ErrorIs(t, err, crm.ErrInvalid, "another's cursor")
		_, err = d.Timeline(ctx, "account", crm.ID{1}, crm.TimelineFilter{})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Timeline(ctx, "nothing", a.ID, crm.TimelineFilter{})
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

// TestATimelineOfOneMoment has all entries at one time, among them a record that appears
// twice, and pages of one.
func TestATimelineOfOneMoment(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		for range 3 {
			task, err := d.Tasks.Create(ctx, activity.Task{Object: "account", RecordID: a.ID, Title: "x"})
			require.NoError(t, err)
			_, err = d.Tasks.Complete(ctx, task.ID)
			require.NoError(t, err)
			_, err = d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: a.ID, Text: "x"})
			require.NoError(t, err)
		}
		all, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{})
		require.NoError(t, err)
		require.Len(t, all.Items, 10)
		var paged []crm.TimelineEntry
		for after := ""; ; {
			page, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{}, crm.Limit(1), crm.After(after))
			require.NoError(t, err)
			paged = append(paged, page.Items...)
			if after = page.Next; after == "" {
				break
			}
		}
		require.Equal(t, all.Items, paged)
	})
}

func TestInteractions(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		call, err := d.Interactions.Create(ctx, activity.Interaction{
			Object: "account", RecordID: a.ID, Kind: activity.Call, Direction: activity.Out, Seconds: 90, Outcome: "no answer",
			Participants: []activity.Participant{{Name: "Ada", Address: "+49 30 1"}},
		})
		require.NoError(t, err)
		require.Equal(t, d.Clock.Now(), call.At)
		kept, err := d.Interactions.Get(ctx, call.ID)
		require.NoError(t, err)
		require.Equal(t, call, kept)
		for name, i := range map[string]activity.Interaction{
			"no kind":                   {},
			"a kind there is not":       {Kind: "dance"},
			"a negative duration":       {Kind: activity.Call, Seconds: -1},
			"a message without channel": {Kind: activity.Mail, MessageID: "1"},
			"nobody took part":          {Kind: activity.Call, Participants: []activity.Participant{{}}},
			"too many took part":        {Kind: activity.Call, Participants: make([]activity.Participant, 201)},
			"a name too long":           {Kind: activity.Call, Participants: []activity.Participant{{Name: strings.Repeat("x", 501)}}},
		} {
			i.Object, i.RecordID = "account", a.ID
			_, err := d.Interactions.Create(ctx, i)
			require.ErrorIs(t, err, crm.ErrInvalid, name)
		}
	})
}

func TestNothingIsCapturedTwice(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a, b := d.account(ctx, t), d.account(ctx, t)
		mail := activity.Interaction{Object: "account", RecordID: a.ID, Kind: activity.Mail, Channel: "support", MessageID: "<1@x>", Title: "Hello"}
		first, added, err := d.Interactions.Capture(ctx, mail)
		require.NoError(t, err)
		require.True(t, added)
		again, added, err := d.Interactions.Capture(ctx, mail)
		require.NoError(t, err)
		require.False(t, added)
		require.Equal(t, first, again)
		_, err = d.Interactions.Create(ctx, mail)
		require.ErrorIs(t, err, crm.ErrConflict)
		onOther := mail
		onOther.RecordID = b.ID
		_, added, err = d.Interactions.Capture(ctx, onOther)
		require.NoError(t, err)
		require.True(t, added, "one message may be of two records")
		require.NoError(t, d.Interactions.Delete(ctx, first.ID))
		_, added, err = d.Interactions.Capture(ctx, mail)
		require.NoError(t, err)
		require.False(t, added, "what was deleted does not come back")
		require.NoError(t, d.Interactions.Purge(ctx, first.ID))
		_, added, err = d.Interactions.Capture(ctx, mail)
		require.NoError(t, err)
		require.True(t, added)
		_, _, err = d.Interactions.Capture(ctx, activity.Interaction{Object: "account", RecordID: a.ID, Kind: activity.Mail})
		require.ErrorIs(t, err, crm.ErrInvalid)
		// Many at once make one.
		mail.MessageID = "<2@x>"
		var wg sync.WaitGroup
		var made atomic.Int64
		for range 8 {
			wg.Go(func() {
				_, added, err := d.Interactions.Capture(ctx, mail)
				if assert.NoError(t, err) && added {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, made.Load())
		d.whole(t)
	})
}

func TestMentions(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		told := map[crm.ID]int{}
		lee, ann := d.member(t, "lee"), d.member(t, "ann of sales")
		a := d.account(ctx, t)
		of := func(text crm.ID) []crm.ID {
			page, err := d.Mentions.List(ctx, crm.OrderBy("member_id"), crm.Where("source_id == $1", text))
			require.NoError(t, err)
			var ids []crm.ID
			for _, m := range page.Items {
				ids = append(ids, m.MemberID)
				told[m.MemberID]++
			}
			return ids
		}
		note, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: a.ID, Text: "ask @lee, and x@lee or @nobody. 问@lee。"})
		require.NoError(t, err)
		require.Equal(t, []crm.ID{lee.ID}, of(note.ID))
		note, err = d.Notes.Update(ctx, note.ID, func(n *activity.Note) error { n.Text = "ask @lee and @{ann of sales}"; return nil })
		require.NoError(t, err)
		require.ElementsMatch(t, []crm.ID{lee.ID, ann.ID}, of(note.ID))
		mine, err := d.Mentions.Count(as(t, "lee"), crm.Where("member_id == me()"))
		require.NoError(t, err)
		require.EqualValues(t, 1, mine)
		_, err = d.Notes.Update(ctx, note.ID, func(n *activity.Note) error { n.Text = "ask @{ann of sales}"; return nil })
		require.NoError(t, err)
		require.Equal(t, []crm.ID{ann.ID}, of(note.ID))
		b := d.account(ctx, t)
		_, err = d.Notes.Update(ctx, note.ID, func(n *activity.Note) error { n.RecordID = b.ID; return nil })
		require.NoError(t, err)
		moved, err := d.Mentions.Count(ctx, crm.Where("record_id == $1", b.ID))
		require.NoError(t, err)
		require.EqualValues(t, 1, moved)
		require.NoError(t, d.Notes.Delete(ctx, note.ID))
		require.Empty(t, of(note.ID))
		_, err = d.Notes.Restore(ctx, note.ID)
		require.NoError(t, err)
		require.Equal(t, []crm.ID{ann.ID}, of(note.ID))
		require.NoError(t, d.Notes.Purge(ctx, note.ID))
		require.Empty(t, of(note.ID))
		comment, err := d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: a.ID, Text: "@lee?"})
		require.NoError(t, err)
		require.Equal(t, []crm.ID{lee.ID}, of(comment.ID))
		require.NoError(t, d.accounts.Purge(ctx, a.ID))
		require.Empty(t, of(comment.ID))
		d.whole(t)
	})
}

func TestComments(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a, b := d.account(ctx, t), d.account(ctx, t)
		first, err := d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: a.ID, Text: "what now?"})
		require.NoError(t, err)
		answer, err := d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: a.ID, ParentID: first.ID, Text: "wait"})
		require.NoError(t, err)
		page, err := d.Comments.List(ctx, crm.Where("count(replies) > 0"))
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.ErrorIs(t, d.Comments.Delete(ctx, first.ID), crm.ErrConflict, "it has an answer")
		_, err = d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: b.ID, ParentID: first.ID, Text: "x"})
		require.ErrorIs(t, err, crm.ErrInvalid, "an answer is on the same record")
		_, err = d.Comments.Update(ctx, answer.ID, func(c *activity.Comment) error { c.ParentID = crm.ID{}; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Comments.Update(ctx, answer.ID, func(c *activity.Comment) error { c.RecordID = b.ID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.NoError(t, d.Comments.Delete(ctx, answer.ID))
		require.NoError(t, d.Comments.Delete(ctx, first.ID))
		d.whole(t)
	})
}

func TestFollowers(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		lee := d.member(t, "lee")
		a := d.account(ctx, t)
		for range 2 {
			require.NoError(t, d.Follows.Add(ctx, "account", a.ID, lee.ID))
		}
		page, err := d.Follows.Of(ctx, "account", a.ID)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, lee.ID, page.Items[0].MemberID)
		mine, err := d.Follows.Count(as(t, "lee"), crm.Where("member_id == me()"))
		require.NoError(t, err)
		require.EqualValues(t, 1, mine)
		require.ErrorIs(t, d.Follows.Add(ctx, "account", a.ID, crm.ID{1}), crm.ErrInvalid)
		for range 2 {
			require.NoError(t, d.Follows.Remove(ctx, "account", a.ID, lee.ID))
		}
		page, err = d.Follows.Of(ctx, "account", a.ID)
		require.NoError(t, err)
		require.Empty(t, page.Items)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { assert.NoError(t, d.Follows.Add(ctx, "account", a.ID, lee.ID)) })
		}
		wg.Wait()
		n, err := d.Follows.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		d.whole(t)
	})
}
