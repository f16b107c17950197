package activity_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// victim is the environment variable that makes this test binary a process to be
// killed: the directory, the account and the hour, divided by bars.
const victim = "EMBEDCRM_TEST_FILES_VICTIM"

// atDirectory is a desk whose database and blobs are in a directory.
func atDirectory(tb testing.TB, dir string) *desk {
	tb.Helper()
	store, err := sqlite.Open("sqlite", filepath.Join(dir, "crm.db"))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() })
	blobs, err := activity.NewDirectory(filepath.Join(dir, "blobs"))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = blobs.Close() })
	return openDesk(tb, store, crm.Config{Blobs: blobs})
}

// TestVictim is no test but the process that TestKilled kills: it adds files and purges
// some, and says what was acknowledged.
func TestVictim(t *testing.T) {
	args := strings.Split(os.Getenv(victim), "|")
	if len(args) != 3 {
		t.Skip("it is a process of another test")
	}
	d := atDirectory(t, args[0])
	on, err := crm.ParseID(args[1])
	require.NoError(t, err)
	hour, err := strconv.Atoi(args[2])
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
	dir := t.TempDir()
	d := atDirectory(t, dir)
	ctx := as(t, "dana")
	on := d.account(ctx, t).ID
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	acknowledged := map[string]bool{}
	for n := range rounds {
		kill(t, fmt.Sprint(dir, "|", on, "|", n), time.Duration(50+rand.IntN(200))*time.Millisecond, acknowledged)
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

// kill starts a process and kills it a while after it acknowledged its first file.
func kill(t *testing.T, args string, after time.Duration, acknowledged map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"="+args)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
			acknowledged[id] = true
			if first {
				first = false
				time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			}
		}
	}
	require.ErrorContains(t, cmd.Wait(), "killed")
}
