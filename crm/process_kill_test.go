package crm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestProcessesInAChild is what such a process does until it is killed: it starts
// instances, each on a deal of its own, says so when that is committed, and runs them.
func TestProcessesInAChild(t *testing.T) {
	db, words := enginetest.Orders(t)
	hour, err := strconv.Atoi(words[1])
	require.NoError(t, err)
	w := openChild(t, db, words[0], hour)
	ctx := crm.System(context.Background(), "acme")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 500 {
				_ = w.RunDue(ctx) // a lost race is no matter
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 100 {
				var in crm.Instance
				err := w.Tx(ctx, func(ctx context.Context) error {
					d, err := w.deals.Create(ctx, deal{Name: "x"})
					if err == nil {
						in, err = w.Processes.Start(ctx, "kill", d.ID)
					}
					return err
				})
				if err == nil {
					_, _ = fmt.Fprintln(os.Stdout, "started", in.ID) // in one write
				}
			}
		})
	}
	wg.Wait()
}

// childWorks is a shop whose effects outside are lines of a file.
type childWorks struct{ *works }

func openChild(t *testing.T, db enginetest.Shared, file string, hour int) *childWorks {
	t.Helper()
	clock := &crmtest.Clock{}
	clock.Advance(time.Duration(hour) * time.Hour)
	w := &childWorks{&works{sent: map[string]int{}}}
	effect := func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return "", err
		}
		_, err = fmt.Fprintln(f, call.Key())
		return "", errors.Join(err, f.Close())
	}
	w.Core = crmtest.On(t, db.Pool(t).Store, crm.Config{Clock: clock}, func(c *crm.Core) error {
		w.shop = &shop{}
		return errors.Join(
			w.shop.define(c),
			crm.DefineAction(c, "plus", func(ctx context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
				_, err := w.deals.Update(ctx, call.Record, func(d *deal) error { d.Score++; return nil })
				return "", err
			}),
			crm.DefineAction(c, "send", effect, crm.Idempotent()),
			crm.DefineAction(c, "pay", effect, crm.AtMostOnce()),
		)
	})
	w.Clock = clock
	return w
}

// TestProcessesAreKilled kills a process that runs instances, again and again and at
// any moment: what was acknowledged goes on, nothing inside is done twice, and
// nothing outside that must not be.
func TestProcessesAreKilled(t *testing.T) {
	t.Parallel()
	enginetest.EachShared(t, killed)
}

func killed(t *testing.T, db enginetest.Shared) {
	t.Helper()
	rounds := 10
	switch {
	case testing.Short():
		rounds = 3
	case os.Getenv("EMBEDCRM_SOAK") != "":
		rounds = 200
	}
	file := filepath.Join(t.TempDir(), "effects")
	ctx := crm.System(t.Context(), "acme")
	openChild(t, db, file, 0).publish(t, ctx, crm.Process{Key: "kill", Steps: []crm.Step{
		{Key: "one", Kind: crm.StepAction, Action: "plus", Next: "both"},
		{Key: "both", Kind: crm.StepFork, Branches: []string{"send", "pay"}, Join: "met"},
		{Key: "send", Kind: crm.StepAction, Action: "send", Next: "met"},
		{Key: "pay", Kind: crm.StepAction, Action: "pay", Next: "met"},
		{Key: "met", Kind: crm.StepJoin, Next: "heard"},
		{Key: "heard", Kind: crm.StepWait, Event: "deal.updated", Timeout: "30min", Next: "two"},
		{Key: "two", Kind: crm.StepAction, Action: "plus", Next: "done"},
		{Key: "done", Kind: crm.StepEnd},
	}})
	var started []string
	for round := range rounds {
		started = append(started, untilKilled(db.Start(t, "TestProcessesInAChild", file, round))...)
	}
	require.NotEmpty(t, started)

	w := openChild(t, db, file, rounds+24)
	w.run(t, 0)
	w.run(t, time.Hour)
	effects := map[string]int{} // by instance and step
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		effects[line[:strings.LastIndexByte(line, ':')]]++
	}
	unsure := 0
	for {
		page, err := w.Instances.Stuck(ctx, crm.Limit(1000))
		require.NoError(t, err)
		if len(page.Items) == 0 {
			break
		}
		for _, in := range page.Items {
			unsure++
			done := effects[in.ID.String()+":pay"] == 1
			require.NoError(t, w.Instances.Resolve(ctx, in.ID, "pay", done, "", "looked"))
		}
	}
	for range 3 {
		w.run(t, time.Hour)
	}
	t.Logf("%d acknowledged, %d of them uncertain", len(started), unsure)
	raw, err = os.ReadFile(file)
	require.NoError(t, err)
	clear(effects)
	for line := range strings.Lines(string(raw)) {
		effects[line[:strings.LastIndexByte(line, ':')]]++
	}
	for _, text := range started {
		id, err := crm.ParseID(text)
		require.NoError(t, err)
		in, err := w.Instances.Get(ctx, id)
		require.NoError(t, err, "it was acknowledged")
		require.Equal(t, crm.InstanceDone, in.State, "%+v", in)
		d, err := w.deals.Get(ctx, in.Record)
		require.NoError(t, err)
		require.EqualValues(t, 2, d.Score, "each step inside is done once")
		require.Equal(t, 1, effects[text+":pay"])
		require.Positive(t, effects[text+":send"])
	}
	w.sound(t)
}

// untilKilled kills a process after it acknowledged some starts, and returns them.
func untilKilled(v *enginetest.Victim) (started []string) {
	most := 1 + rand.IntN(60)
	for line := range v.Lines() {
		if id, ok := strings.CutPrefix(line, "started "); ok {
			started = append(started, id)
			if len(started) == most {
				v.Kill(0)
			}
		}
	}
	v.Ended()
	return started
}
