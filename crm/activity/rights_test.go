package activity_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
)

// hung is what hangs on one record, by kind.
type hung map[string]crm.ID

// hang hangs one of each kind on an account.
func (d *desk) hang(ctx context.Context, t *testing.T, on crm.ID) hung {
	t.Helper()
	h := hung{}
	i, err := d.Interactions.Create(ctx, activity.Interaction{Object: "account", RecordID: on, Kind: activity.Call, Title: "secret"})
	require.NoError(t, err)
	n, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: on, Text: "secret @dana"})
	require.NoError(t, err)
	c, err := d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: on, Text: "secret"})
	require.NoError(t, err)
	task, err := d.Tasks.Create(ctx, activity.Task{Object: "account", RecordID: on, Title: "secret"})
	require.NoError(t, err)
	h["interaction"], h["note"], h["comment"], h["task"] = i.ID, n.ID, c.ID, task.ID
	return h
}

func verbsOf[T any](d *desk, c *crm.Collection[T], object string, id crm.ID) map[string]func(context.Context) (bool, error) {
	is := crm.Where("id == $1", id)
	one := func(n int, err error) (bool, error) { return n > 0, err }
	return map[string]func(context.Context) (bool, error){
		"get":     func(ctx context.Context) (bool, error) { _, err := c.Get(ctx, id); return err == nil, err },
		"history": func(ctx context.Context) (bool, error) { _, err := c.History(ctx, id); return err == nil, err },
		"as of": func(ctx context.Context) (bool, error) {
			_, err := c.AsOf(ctx, id, d.Clock.Now())
			return err == nil, err
		},
		"list": func(ctx context.Context) (bool, error) {
			page, err := c.List(ctx, is)
			return one(len(page.Items), err)
		},
		"count": func(ctx context.Context) (bool, error) { n, err := c.Count(ctx, is); return n > 0, err },
		"search": func(ctx context.Context) (bool, error) {
			page, err := c.Search(ctx, "secret")
			return one(len(page.Items), err)
		},
		"facets": func(ctx context.Context) (bool, error) {
			list, err := c.Facets(ctx, "object", is)
			return one(len(list), err)
		},
		"aggregate": func(ctx context.Context) (bool, error) {
			table, err := d.Aggregate(ctx, object, crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, Total: true}, is)
			return err == nil && table.Total.Values[0] != int64(0), err
		},
		"update": func(ctx context.Context) (bool, error) {
			_, err := c.Update(ctx, id, func(*T) error { return nil })
			return err == nil, err
		},
		"delete":  func(ctx context.Context) (bool, error) { err := c.Delete(ctx, id); return err == nil, err },
		"restore": func(ctx context.Context) (bool, error) { _, err := c.Restore(ctx, id); return err == nil, err },
		"purge":   func(ctx context.Context) (bool, error) { err := c.Purge(ctx, id); return err == nil, err },
	}
}

func (d *desk) verbs(object string, id crm.ID) map[string]func(context.Context) (bool, error) {
	switch object {
	case "interaction":
		return verbsOf(d, &d.Interactions.Collection, object, id)
	case "note":
		return verbsOf(d, &d.Notes.Collection, object, id)
	case "comment":
		return verbsOf(d, &d.Comments.Collection, object, id)
	}
	return verbsOf(d, &d.Tasks.Collection, object, id)
}

// TestWhatHangsOnAnUnreadableRecordIsNotThere tries every verb on what hangs on a record
// one may not read, as a member who may read others, as one who may read none, and as one
// of another tenant.
func TestWhatHangsOnAnUnreadableRecordIsNotThere(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		// Grants on what hangs add nothing.
		d.member(t, "own", append(crm.Allow(crm.AnyKind, crm.LevelOwn), crm.Allow("note", crm.LevelAll)...)...)
		d.member(t, "none", append(crm.Allow("note", crm.LevelAll), crm.Allow("task", crm.LevelAll)...)...)
		d.member(t, "dana", crm.Allow(crm.AnyKind, crm.LevelAll)...)
		theirs := d.account(ctx, t)
		h := d.hang(ctx, t, theirs.ID)
		mine := d.account(as(t, "own"), t)
		d.hang(as(t, "own"), t, mine.ID)
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "own"})
		_, err := d.accounts.Create(foreign, account{Name: "so that the tenant is there"})
		require.NoError(t, err)

		missing := crm.ID{0x0f}
		for object, id := range h {
			none := d.verbs(object, missing)
			for who, ctx := range map[string]context.Context{"own": as(t, "own"), "none": as(t, "none"), "foreign": foreign} {
				for verb, do := range d.verbs(object, id) {
					if verb == "search" && who == "own" {
						continue // finds his own, below
					}
					done, err := do(ctx)
					require.False(t, done, "%s may %s a %s", who, verb, object)
					_, of := none[verb](ctx)
					switch {
					case of == nil:
						require.NoError(t, err, "%s: %s of a %s", who, verb, object)
					case errors.Is(of, crm.ErrForbidden): // no right to any
						require.ErrorIs(t, err, crm.ErrForbidden)
					default:
						require.ErrorIs(t, of, crm.ErrNotFound)
						require.ErrorIs(t, err, crm.ErrNotFound, "%s: %s of a %s", who, verb, object)
					}
				}
			}
		}
		n, err := d.Notes.Count(as(t, "own"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n, "his own is there")
		found, err := d.Notes.Search(as(t, "own"), "secret")
		require.NoError(t, err)
		require.Len(t, found.Items, 1)
		all, err := d.Search(as(t, "own"), "secret")
		require.NoError(t, err)
		require.Len(t, all, 4)
		_, err = d.Timeline(as(t, "own"), "account", theirs.ID, crm.TimelineFilter{})
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Timeline(as(t, "none"), "account", theirs.ID, crm.TimelineFilter{})
		require.ErrorIs(t, err, crm.ErrForbidden)
		// Nor is anything hung on it, or moved to it.
		_, err = d.Notes.Create(as(t, "own"), activity.Note{Object: "account", RecordID: theirs.ID, Text: "x"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		note, err := d.Notes.Create(as(t, "own"), activity.Note{Object: "account", RecordID: mine.ID, Text: "x"})
		require.NoError(t, err)
		_, err = d.Notes.Update(as(t, "own"), note.ID, func(n *activity.Note) error { n.RecordID = theirs.ID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.Equal(t, fmt.Sprint(err), func() string {
			_, err := d.Notes.Update(as(t, "own"), note.ID, func(n *activity.Note) error { n.RecordID = missing; return nil })
			return fmt.Sprint(err)
		}(), "one that is not there reads the same")
		d.whole(t)
	})
}

// TestReadersWriteNotesAndChangeTheirOwn has a member who may read an account and not
// update it.
func TestReadersWriteNotesAndChangeTheirOwn(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.member(t, "dana", crm.Allow(crm.AnyKind, crm.LevelAll)...)
		rita := d.member(t, "rita", append(crm.Allow("account", crm.LevelAll, crm.VerbRead), crm.Allow("member", crm.LevelAll, crm.VerbRead)...)...)
		reader := as(t, "rita")
		a := d.account(ctx, t)
		h := d.hang(ctx, t, a.ID)
		for object, id := range h {
			for verb, do := range d.verbs(object, id) {
				done, err := do(reader)
				switch verb {
				case "update", "delete", "purge":
					require.ErrorIs(t, err, crm.ErrForbidden, "%s of a %s", verb, object)
				case "restore":
					require.ErrorIs(t, err, crm.ErrNotFound)
				default:
					require.NoError(t, err, "%s of a %s", verb, object)
					require.True(t, done, "%s of a %s", verb, object)
				}
			}
		}
		note, err := d.Notes.Create(reader, activity.Note{Object: "account", RecordID: a.ID, Text: "mine"})
		require.NoError(t, err)
		require.Equal(t, rita.ID, note.OwnerID)
		_, err = d.Notes.Update(reader, note.ID, func(n *activity.Note) error { n.Text = "still mine"; return nil })
		require.NoError(t, err)
		require.NoError(t, d.Notes.Delete(reader, note.ID))
		_, err = d.Notes.Restore(reader, note.ID)
		require.NoError(t, err)
		comment, err := d.Comments.Create(reader, activity.Comment{Object: "account", RecordID: a.ID, ParentID: h["comment"], Text: "so say I"})
		require.NoError(t, err)
		require.NoError(t, d.Comments.Delete(reader, comment.ID))
		// What is attached takes the right to update.
		_, err = d.Tasks.Create(reader, activity.Task{Object: "account", RecordID: a.ID, Title: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Interactions.Create(reader, activity.Interaction{Object: "account", RecordID: a.ID, Kind: activity.Call})
		require.ErrorIs(t, err, crm.ErrForbidden)
		// Nobody speaks for another, and who may update the record removes what others said.
		other := crm.Record{OwnerID: d.member(t, "bob").ID}
		_, err = d.Notes.Create(reader, activity.Note{Record: other, Object: "account", RecordID: a.ID, Text: "as bob"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.NoError(t, d.Notes.Delete(ctx, note.ID))
		// A task that is one's own one may do, whoever gave it.
		task, err := d.Tasks.Create(ctx, activity.Task{Record: crm.Record{OwnerID: rita.ID}, Object: "account", RecordID: a.ID, Title: "for rita", DueOn: crm.Date{Year: 2026, Month: time.January, Day: 6}, Repeat: "FREQ=WEEKLY"})
		require.NoError(t, err)
		_, err = d.Tasks.Complete(reader, task.ID)
		require.NoError(t, err)
		next, err := d.Tasks.List(reader, crm.Where("done == nil and owner_id == me()"))
		require.NoError(t, err)
		require.Len(t, next.Items, 1)
		_, err = d.Tasks.Complete(reader, h["task"])
		require.ErrorIs(t, err, crm.ErrForbidden)
		e, err := d.Explain(system(t), "rita", crm.VerbUpdate, "task", task.ID)
		require.NoError(t, err)
		require.True(t, e.Allowed, e)
		e, err = d.Explain(system(t), "rita", crm.VerbUpdate, "task", h["task"])
		require.NoError(t, err)
		require.False(t, e.Allowed, e)
		require.Equal(t, "account", e.Parent)
		d.whole(t)
	})
}

// TestASharedRecordCarriesWhatHangsOnIt shares one account.
func TestASharedRecordCarriesWhatHangsOnIt(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.member(t, "dana", crm.Allow(crm.AnyKind, crm.LevelAll)...)
		lee := d.member(t, "lee", crm.Allow("account", crm.LevelOwn)...)
		a, b := d.account(ctx, t), d.account(ctx, t)
		h := d.hang(ctx, t, a.ID)
		d.hang(ctx, t, b.ID)
		count := func() int64 {
			n, err := d.Tasks.Count(as(t, "lee"))
			require.NoError(t, err)
			return n
		}
		require.Zero(t, count())
		_, err := d.Shares.Share(ctx, "account", a.ID, crm.WithMember(lee.ID), crm.ShareRead)
		require.NoError(t, err)
		require.EqualValues(t, 1, count())
		_, err = d.Tasks.Complete(as(t, "lee"), h["task"])
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Shares.Share(ctx, "account", a.ID, crm.WithMember(lee.ID), crm.ShareWrite)
		require.NoError(t, err)
		_, err = d.Tasks.Complete(as(t, "lee"), h["task"])
		require.NoError(t, err)
		_, err = d.Shares.Share(ctx, "note", h["note"], crm.WithMember(lee.ID), crm.ShareRead)
		require.ErrorIs(t, err, crm.ErrInvalid, "the account is shared, not what hangs on it")
		require.NoError(t, d.Shares.Withdraw(ctx, "account", a.ID, crm.WithMember(lee.ID)))
		require.Zero(t, count())
	})
}

// TestATaskOnNoRecordGoesByItsOwner has tasks of two members' own.
func TestATaskOnNoRecordGoesByItsOwner(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.member(t, "dana", crm.Allow("task", crm.LevelOwn)...)
		d.member(t, "lee", crm.Allow("task", crm.LevelOwn)...)
		task, err := d.Tasks.Create(ctx, activity.Task{Title: "call the bank"})
		require.NoError(t, err)
		_, err = d.Tasks.Get(as(t, "lee"), task.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Tasks.Complete(ctx, task.ID)
		require.NoError(t, err)
		d.member(t, "ivy", crm.Allow("account", crm.LevelAll)...)
		_, err = d.Tasks.Create(as(t, "ivy"), activity.Task{Title: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden, "she may have tasks on accounts alone")
	})
}

// TestAHiddenFieldOfWhatHangs hides the text of notes.
func TestAHiddenFieldOfWhatHangs(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.member(t, "dana", crm.Allow(crm.AnyKind, crm.LevelAll)...)
		role, err := d.Roles.Create(system(t), crm.Role{
			Name: "blind", Grants: crm.Allow("account", crm.LevelAll),
			Fields: []crm.FieldRule{
				{Object: "note", Field: "text", Access: crm.FieldHidden}, {Object: "account", Field: "name", Access: crm.FieldHidden},
				{Object: "task", Field: "record_id", Access: crm.FieldHidden},
			},
		})
		require.NoError(t, err)
		_, err = d.Members.Create(system(t), crm.Member{Key: "lee", Name: "Lee", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		a := d.account(ctx, t)
		h := d.hang(ctx, t, a.ID)
		note, err := d.Notes.Get(as(t, "lee"), h["note"])
		require.NoError(t, err)
		require.Empty(t, note.Text)
		page, err := d.Timeline(as(t, "lee"), "account", a.ID, crm.TimelineFilter{})
		require.NoError(t, err)
		kinds := map[string]crm.TimelineEntry{}
		for _, e := range page.Items {
			kinds[e.Kind] = e
		}
		require.Contains(t, kinds, "note")
		require.Empty(t, kinds["note"].Title)
		require.Equal(t, "secret", kinds["call"].Title)
		require.NotContains(t, kinds, "task", "that it is of this account may not be known")
		for _, c := range kinds["account.created"].Changes {
			require.NotEqual(t, "name", c.Field)
		}
	})
}

// TestWhatHappensWithARecord deletes, restores and purges what others hang on.
func TestWhatHappensWithARecord(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a, b := d.account(ctx, t), d.account(ctx, t)
		h := d.hang(ctx, t, a.ID)
		_, err := d.Comments.Create(ctx, activity.Comment{Object: "account", RecordID: a.ID, ParentID: h["comment"], Text: "an answer"})
		require.NoError(t, err)
		other := d.hang(ctx, t, b.ID)
		require.NoError(t, d.accounts.Delete(ctx, a.ID))
		for object, id := range h {
			for verb, do := range d.verbs(object, id) {
				if verb == "history" || verb == "as of" || verb == "search" || verb == "purge" {
					continue
				}
				done, err := do(ctx)
				require.False(t, done, "%s of a %s", verb, object)
				if err != nil {
					require.ErrorIs(t, err, crm.ErrNotFound)
				}
			}
		}
		n, err := d.Notes.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n, "what hangs on it is hidden")
		n, err = d.Notes.Count(ctx, crm.WithDeleted())
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		_, err = d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: a.ID, Text: "too late"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.accounts.Restore(ctx, a.ID)
		require.NoError(t, err)
		_, err = d.Notes.Get(ctx, h["note"])
		require.NoError(t, err, "and comes back with it")
		require.NoError(t, d.accounts.Delete(ctx, a.ID))
		require.NoError(t, d.accounts.Purge(ctx, a.ID))
		for object, id := range h {
			_, err := d.verbs(object, id)["get"](ctx)
			require.ErrorIs(t, err, crm.ErrNotFound, "a %s goes with it", object)
			_, err = d.verbs(object, other[object])["get"](ctx)
			require.NoError(t, err)
		}
		d.whole(t)
	})
}

// TestWhatNothingHangsOn tries records of other kinds, and none.
func TestWhatNothingHangsOn(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		note, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: a.ID, Text: "x"})
		require.NoError(t, err)
		member := d.member(t, "lee")
		for name, n := range map[string]activity.Note{
			"no kind":               {Object: "nothing", RecordID: a.ID, Text: "x"},
			"what hangs itself":     {Object: "note", RecordID: note.ID, Text: "x"},
			"a member":              {Object: "member", RecordID: member.ID, Text: "x"},
			"a record of another":   {Object: "project", RecordID: a.ID, Text: "x"},
			"no record":             {Object: "account", Text: "x"},
			"no kind and no record": {Text: "x"},
			"one that is not there": {Object: "account", RecordID: crm.ID{0x0f}, Text: "x"},
		} {
			_, err := d.Notes.Create(ctx, n)
			require.ErrorIs(t, err, crm.ErrInvalid, name)
		}
		_, err = d.Tasks.Create(ctx, activity.Task{Title: "x", Object: "account"})
		require.ErrorIs(t, err, crm.ErrInvalid, "half of what it hangs on")
		_, err = d.Tasks.Create(ctx, activity.Task{Title: "x", RecordID: a.ID})
		require.ErrorIs(t, err, crm.ErrInvalid, "the other half")
		d.whole(t)
	})
}
