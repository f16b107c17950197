package activity_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// deskIn is a desk whose blobs are in a directory.
func deskIn(tb testing.TB, db enginetest.Shared, dir string) *desk {
	tb.Helper()
	blobs, err := activity.NewDirectory(dir)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = blobs.Close() })
	return openDesk(tb, db.Open(tb), crm.Config{Blobs: blobs})
}

// TestVictim is no test but the process that TestKilled kills: it adds files and purges
// some, and says what was acknowledged.
func TestVictim(t *testing.T) {
	db, words := enginetest.Orders(t)
	d := deskIn(t, db, words[0])
	on, err := crm.ParseID(words[1])
	require.NoError(t, err)
	hour, err := strconv.Atoi(words[2])
	require.NoError(t, err)
	d.Clock.Advance(time.Duration(hour) * time.Hour)
	ctx := as(t, "dana")
	for n := 0; ; n++ {
		contents := bytes.Repeat([]byte{byte(n)}, 1+rand.IntN(200_000))
		f, err := d.Files.Add(ctx, activity.File{Object: "account", RecordID: on, Name: "x"}, bytes.NewReader(contents))
		if err != nil {
			return // its killer has ended
		}
		if n%5 == 4 {
			fmt.Println("purging", f.ID)
			if d.Files.Purge(ctx, f.ID) != nil || d.RunDue(t.Context()) != nil {
				return
			}
			continue
		}
		fmt.Println("acknowledged", f.ID)
	}
}

// TestKilled kills processes at random moments while they add files. Every file that was
// acknowledged is there whole, every file there is has its contents, and after a sweep
// there are no contents without a file.
func TestKilled(t *testing.T) {
	t.Parallel()
	db, dir := enginetest.NewShared(t, "sqlite"), filepath.Join(t.TempDir(), "blobs")
	d := deskIn(t, db, dir)
	ctx := as(t, "dana")
	on := d.account(ctx, t).ID
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	acknowledged := map[string]bool{}
	for n := range rounds {
		kill(db.Start(t, "TestVictim", dir, on, n), time.Duration(50+rand.IntN(200))*time.Millisecond, acknowledged)
	}
	d.Clock.Advance(48 * time.Hour)
	require.NoError(t, d.RunDue(t.Context()))
	d.Clock.Advance(48 * time.Hour) // a lease of one that was killed is over
	require.NoError(t, d.RunDue(t.Context()))
	var keys []string
	for f, err := range d.Files.All(ctx) {
		require.NoError(t, err)
		keys = append(keys, f.Blob)
		text, err := d.contents(ctx, f.ID)
		require.NoError(t, err, "it is there whole")
		require.Len(t, text, int(f.Size))
		delete(acknowledged, f.ID.String())
	}
	require.Empty(t, acknowledged, "nothing acknowledged is lost")
	require.ElementsMatch(t, keys, d.blobs(t), "and nothing is left behind")
	require.NotEmpty(t, keys)
	d.whole(t)
}

// kill kills a process a while after it acknowledged its first file.
func kill(v *enginetest.Victim, after time.Duration, acknowledged map[string]bool) {
	for line := range v.Lines() {
		if id, ok := strings.CutPrefix(line, "acknowledged "); ok {
			acknowledged[id] = true
			v.Kill(after)
		}
	}
	v.Killed()
}
