package quality_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// rename turns a into b and b into c, so that nothing may be corrected twice.
func rename() quality.Correction {
	return quality.Correction{Object: "contact", Where: everyone, Changes: []quality.Change{
		{Field: "source", Op: quality.Map, Map: map[string]string{"a": "b", "b": "c"}},
	}}
}

// goOn does, or goes on with, the one correction there is.
func (d *desk) goOn(ctx context.Context, undo bool) error {
	runs, err := d.Runs.List(ctx)
	switch {
	case err != nil:
		return err
	case len(runs.Items) == 0:
		_, err = d.Apply(ctx, rename())
	case undo && runs.Items[0].State != quality.Undone:
		_, err = d.Undo(ctx, runs.Items[0].ID)
	case !undo && runs.Items[0].State == quality.Running:
		_, err = d.Resume(ctx, runs.Items[0].ID)
	}
	return err
}

// TestVictim is no test but the process that TestKilled kills.
func TestVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	d := newDesk(t, db.Open(t))
	fmt.Println("begins")
	require.NoError(t, d.goOn(as(t, "dana"), words[0] == "undo"))
	select {} // until it is killed
}

// TestKilled kills processes while they correct records, and while they undo it. Gone on
// with, every record is corrected once, and restored.
func TestKilled(t *testing.T) {
	t.Parallel()
	db := enginetest.NewShared(t, "sqlite")
	d := newDesk(t, db.Open(t))
	ctx := as(t, "dana")
	list := make([]contact, 1500)
	for i := range list {
		list[i] = contact{Name: fmt.Sprintf("C %d", i), Source: []string{"a", "b", "d"}[i%3]}
	}
	_, err := d.contacts.CreateAll(ctx, list)
	require.NoError(t, err)
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	for _, what := range []string{"apply", "undo"} {
		for range rounds {
			v := db.Start(t, "TestVictim", what)
			v.KillAfter("begins", time.Duration(20+rand.IntN(300))*time.Millisecond)
			v.Killed()
		}
		require.NoError(t, d.goOn(ctx, what == "undo"))
		want := map[string]int64{"b": 500, "c": 500, "d": 500}
		if what == "undo" {
			want = map[string]int64{"a": 500, "b": 500, "d": 500}
		}
		require.Equal(t, want, d.sources(t))
		changed, err := d.contacts.Count(ctx, crm.Where("version > 1"))
		require.NoError(t, err)
		require.EqualValues(t, 1000, changed)
	}
	runs, err := d.Runs.List(ctx)
	require.NoError(t, err)
	require.Equal(t, quality.Undone, runs.Items[0].State)
	require.EqualValues(t, 1000, runs.Items[0].Changed)
}
