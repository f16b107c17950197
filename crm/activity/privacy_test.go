package activity_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
)

// TestWhatHangsOnAnErasedRecord holds that notes, tasks and files go with whom they are
// about, the contents of files too, and those on others stay.
func TestWhatHangsOnAnErasedRecord(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a, other := d.account(ctx, t), d.account(ctx, t)
		for _, id := range []crm.ID{a.ID, other.ID} {
			_, err := d.Notes.Create(ctx, activity.Note{Object: "account", RecordID: id, Text: "keeps bees"})
			require.NoError(t, err)
			_, err = d.Tasks.Create(ctx, activity.Task{Object: "account", RecordID: id, Title: "Ask about the bees"})
			require.NoError(t, err)
			d.file(ctx, t, id, "a picture of bees")
		}
		var out bytes.Buffer
		done, err := d.accounts.ExportPerson(ctx, &out, a.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Equal(t, int64(4), done.Records)
		require.Contains(t, out.String(), "keeps bees")

		proof, err := d.accounts.ErasePerson(ctx, a.ID, "asked by mail")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"files": 1}, proof.Others)
		require.NoError(t, d.RunDue(t.Context()))
		require.Len(t, d.blobs(t), 1)
		notes, err := d.Notes.List(ctx)
		require.NoError(t, err)
		texts := map[crm.ID]string{}
		for _, n := range notes.Items {
			texts[n.RecordID] = n.Text
		}
		require.Equal(t, map[crm.ID]string{a.ID: "erased", other.ID: "keeps bees"}, texts)
		files, err := d.Files.List(ctx, crm.Where("record_id == $1", a.ID))
		require.NoError(t, err)
		require.Equal(t, "erased", files.Items[0].Name)
		problems, err := d.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}
