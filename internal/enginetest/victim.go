package enginetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// orders is the environment variable with what a process was started for: the test, the
// database's name, path and DSN, and the words, in JSON.
const orders = "EMBEDCRM_TEST_VICTIM"

// Victim is a process that a test starts and kills: this test binary, which runs one
// other test of it. What that test prints to its standard output the first one reads.
//
//	func TestVictim(t *testing.T) { // no test but the process that TestKilled kills
//		db, words := enginetest.Orders(t)
//		s := openShop(t, db.Open(t), words[0])
//		for {
//			fmt.Println("acknowledged", s.write(t))
//		}
//	}
//
//	func TestKilled(t *testing.T) {
//		enginetest.EachShared(t, func(t *testing.T, db enginetest.Shared) {
//			v := db.Start(t, "TestVictim", "7")
//			for line := range v.Lines() {
//				v.Kill(time.Duration(rand.IntN(100)) * time.Millisecond)
//			}
//			v.Killed()
//			// What was acknowledged is there.
//		})
//	}
type Victim struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *bufio.Reader
	said bytes.Buffer // what went by in Lines, and
	errs bytes.Buffer // to its standard error
	dies bool         // the test said so
	wait func() error // until it has ended
	late func() error // whether it had to be ended
}

// Orders returns the database and the words that this process was started with for the
// test. Where it was not, the test is skipped.
func Orders(t *testing.T) (Shared, []string) {
	t.Helper()
	var o []string
	if text := os.Getenv(orders); text != "" {
		require.NoError(t, json.Unmarshal([]byte(text), &o))
	}
	if len(o) < 4 || o[0] != t.Name() {
		t.Skip("it is a process of another test")
	}
	return Shared{Name: o[1], Path: o[2], DSN: o[3]}, o[4:]
}

// Command returns the command that runs one test of this binary, with orders for it.
// Words are handed over as fmt prints them.
func (s Shared) Command(ctx context.Context, tb testing.TB, test string, words ...any) *exec.Cmd {
	tb.Helper()
	o := []string{test, s.Name, s.Path, s.DSN}
	for _, w := range words {
		o = append(o, fmt.Sprint(w))
	}
	text, err := json.Marshal(o)
	require.NoError(tb, err)
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+test+"$") //nolint:gosec // this test
	cmd.Env = append(os.Environ(), orders+"="+string(text))
	return cmd
}

// Start starts a process. After five minutes it is ended.
func (s Shared) Start(t *testing.T, test string, words ...any) *Victim {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	v := &Victim{t: t, cmd: s.Command(ctx, t, test, words...), late: ctx.Err}
	v.cmd.Stderr = &v.errs
	out, err := v.cmd.StdoutPipe()
	require.NoError(t, err)
	v.out = bufio.NewReader(io.TeeReader(out, &v.said))
	v.wait = sync.OnceValue(func() error {
		_, _ = io.Copy(io.Discard, v.out) // the rest of what it says
		return v.cmd.Wait()
	})
	require.NoError(t, v.cmd.Start())
	t.Cleanup(func() {
		cancel()
		v.Ended()
	})
	return v
}

// Lines are what it prints, until it has ended. A line that its end cut off is left out.
func (v *Victim) Lines() iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			line, err := v.out.ReadString('\n')
			if err != nil || !yield(strings.TrimSuffix(line, "\n")) {
				return
			}
		}
	}
}

// Kill kills it after a while, in which the test goes on; only the first call counts.
func (v *Victim) Kill(after time.Duration) {
	if !v.dies {
		v.dies = true
		time.AfterFunc(after, func() { _ = v.cmd.Process.Kill() })
	}
}

// KillAfter kills it a while after it printed a line, and returns when it has ended.
func (v *Victim) KillAfter(line string, after time.Duration) {
	for l := range v.Lines() {
		if l == line {
			v.Kill(after)
		}
	}
}

// KillWhen asks until there is enough, kills it, and waits for its end. One that has done
// all it does before is not waited for any longer.
func (v *Victim) KillWhen(enough func() bool) {
	ended := make(chan struct{})
	go func() {
		v.Ended()
		close(ended)
	}()
	for !enough() {
		select {
		case <-ended:
			return
		default:
			runtime.Gosched()
		}
	}
	_ = v.cmd.Process.Kill()
	<-ended
}

// Ended waits for its end, whether it was killed or has done all it does.
func (v *Victim) Ended() { _ = v.wait() }

// Killed waits for its end, and holds that the test killed it. One that ended before did
// not do what it was started for.
func (v *Victim) Killed() {
	v.t.Helper()
	err := v.wait()
	require.NoError(v.t, v.late(), "nobody killed it in five minutes; it said:\n%s%s", &v.said, &v.errs)
	require.ErrorContains(v.t, err, "killed", "it said:\n%s%s", &v.said, &v.errs)
}
