package activity_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
)

// TestWhatHangsOnARecordIsARelationOfIt holds expressions about what hangs on records to what lives and hangs on that
// very record, of that very kind.
func TestWhatHangsOnARecordIsARelationOfIt(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a, b := d.account(ctx, t), d.account(ctx, t)
		p := d.project(ctx, t, a.ID)
		for _, id := range []crm.ID{a.ID, a.ID} {
			_, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: id, Text: "bees"})
			require.NoError(t, err)
		}
		_, err := d.Notes.Create(ctx, activity.Note{Object: "project", RecordID: p.ID, Text: "wasps"})
		require.NoError(t, err)
		gone, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: b.ID, Text: "bees"})
		require.NoError(t, err)
		require.NoError(t, d.Notes.Delete(ctx, gone.ID))

		for where, want := range map[string][]crm.ID{
			"any(notes, .text == 'bees')":                            {a.ID},
			"count(notes) == 2":                                      {a.ID},
			"none(notes, .text == 'bees')":                           {b.ID},
			"any(notes, .text == 'wasps')":                           nil,
			"all(notes, .text == 'bees')":                            {a.ID, b.ID},
			"count(notes, .created > ago('1d')) >= 2":                {a.ID},
			"any(notes, .pinned) or any(interactions, .seconds > 1)": nil,
		} {
			page, err := d.accounts.List(ctx, crm.Where(where), crm.OrderBy("id"))
			require.NoError(t, err, where)
			var ids []crm.ID
			for _, is := range page.Items {
				ids = append(ids, is.ID)
			}
			require.ElementsMatch(t, want, ids, where)
		}
		n, err := d.projects.Count(ctx, crm.Where("any(notes, .text == 'wasps')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = d.projects.Count(ctx, crm.WhereOf("account_id", "count(notes) == 2"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		_, err = d.Notes.Count(ctx, crm.Where("count(comments) > 0"))
		require.ErrorIs(t, err, crm.ErrInvalid, "nothing hangs on what hangs")
		_, err = d.Members.Count(ctx, crm.Where("count(notes) > 0"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.accounts.Count(ctx, crm.Where("count(nothings) > 0"))
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

// TestWhatHangsIsAskedUnderTheRightsToItsRecord holds that an expression tells nobody of what he may not read.
func TestWhatHangsIsAskedUnderTheRightsToItsRecord(t *testing.T) {
	onBoth(t, func(_ context.Context, t *testing.T, d *desk) {
		role, err := d.Roles.Create(system(t), crm.Role{
			Name: "rep", Grants: crm.Allow("account", crm.LevelOwn, crm.VerbRead),
			Fields: []crm.FieldRule{{Object: "note", Field: "text", Access: crm.FieldHidden}, {Object: "task", Field: "record_id", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		for _, key := range []string{"dana", "lee"} {
			_, err = d.Members.Create(system(t), crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{role.ID}})
			require.NoError(t, err)
		}
		dana, err := d.Members.ByKey(system(t), "dana")
		require.NoError(t, err)
		hers, err := d.accounts.Create(system(t), account{Record: crm.Record{OwnerID: dana.ID}, Name: "Lovelace & Co"})
		require.NoError(t, err)
		_, err = d.Notes.Create(system(t), activity.Note{Object: "account", RecordID: hers.ID, Text: "secret"})
		require.NoError(t, err)

		count := func(who, where string) (int64, error) { return d.accounts.Count(as(t, who), crm.Where(where)) }
		n, err := count("dana", "count(notes) == 1")
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = count("lee", "count(notes) == 1")
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = count("dana", "any(notes, .text == 'secret')")
		require.ErrorIs(t, err, crm.ErrForbidden, "the field is hidden from her")
		_, err = count("dana", "count(tasks) == 0")
		require.ErrorIs(t, err, crm.ErrForbidden, "and of tasks what they hang on")
	})
}
