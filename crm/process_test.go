package crm_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// works is a shop with actions, and what became of them.
type works struct {
	*shop

	mu     sync.Mutex
	sent   map[string]int // by the call's key
	links  []string
	fail   atomic.Int32 // how many calls of "send" and "pay" fail
	perish atomic.Bool  // whether the worker dies in the call
	store  storage.Store
}

type scoreArgs struct {
	Add int64 `json:"add"`
}

func (a *scoreArgs) Validate() error {
	if a.Add == 0 {
		return crm.Invalid("add", "must not be 0")
	}
	return nil
}

func (w *works) define(c *crm.Core) error {
	w.shop = &shop{}
	if err := w.shop.define(c); err != nil {
		return err
	}
	outside := func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
		if w.perish.Load() {
			panic("the worker dies") // for a class that is done at most once this is all that is known
		}
		if w.fail.Add(-1) >= 0 {
			return "", errors.New("the line is busy")
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent[call.Key()]++
		return "", nil
	}
	return errors.Join(
		crm.DefineAction(c, "score", crm.EffectInside, func(ctx context.Context, call *crm.ActionCall, args scoreArgs) (string, error) {
			d, err := w.deals.Update(ctx, call.Record, func(d *deal) error { d.Score += args.Add; return nil })
			if err == nil && d.Score > 100 {
				return "high", nil
			}
			return "", err
		}),
		crm.DefineAction(c, "half", crm.EffectInside, func(ctx context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			if _, err := w.deals.Update(ctx, call.Record, func(d *deal) error { d.Score += 1000; return nil }); err != nil {
				return "", err
			}
			if err := call.SetVariable("half", true); err != nil {
				return "", err
			}
			return "", errors.New("it broke half way")
		}),
		crm.DefineAction(c, "invite", crm.EffectInside, func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			link, err := call.CallbackToken("approval")
			w.mu.Lock()
			defer w.mu.Unlock()
			w.links = append(w.links, link)
			return "", err
		}),
		crm.DefineAction(c, "read", crm.EffectInside, func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			var data struct{ By string }
			ok, err := call.Variable("approval", &data)
			if ok {
				err = errors.Join(err, call.SetVariable("by", data.By))
			}
			return "", err
		}),
		crm.DefineAction(c, "send", crm.EffectIdempotent, outside),
		crm.DefineAction(c, "pay", crm.EffectAtMostOnce, outside),
	)
}

func newWorks(tb testing.TB, store storage.Store, clock *crmtest.Clock) *works {
	tb.Helper()
	w := &works{sent: map[string]int{}, store: store}
	cfg := crm.Config{RightsLag: -1}
	if clock != nil {
		cfg.Clock = clock
	}
	core := crmtest.On(tb, store, cfg, w.define)
	if clock != nil {
		core.Clock = clock
	}
	w.Core = core
	return w
}

// processes runs fn on both engines.
func processes(t *testing.T, fn func(t *testing.T, w *works)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		w := newWorks(t, e.Store, &crmtest.Clock{})
		fn(t, w)
		w.sound(t)
	})
}

// sound holds everything stored against what it must be.
func (w *works) sound(tb testing.TB) {
	tb.Helper()
	problems, err := w.Check(context.WithoutCancel(tb.Context()))
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

// publish makes a process of steps and publishes it.
func (w *works) publish(tb testing.TB, ctx context.Context, p crm.Process) crm.Process { //nolint:revive // the test comes first
	tb.Helper()
	if p.Object == "" {
		p.Object = "deal"
	}
	if p.Key == "" {
		p.Key = "follow"
	}
	p.Name = p.Key
	made, err := w.Processes.Create(ctx, p)
	require.NoError(tb, err)
	made, err = w.Processes.Publish(ctx, made.ID)
	require.NoError(tb, err)
	return made
}

func (w *works) deal(tb testing.TB, ctx context.Context) deal { //nolint:revive // the test comes first
	tb.Helper()
	d, err := w.deals.Create(ctx, deal{Name: "engine", Amount: crm.EUR(100)})
	require.NoError(tb, err)
	return d
}

// run does what is due, after some time.
func (w *works) run(tb testing.TB, later time.Duration) {
	tb.Helper()
	w.Clock.Advance(later)
	require.NoError(tb, w.RunDue(tb.Context()))
}

// at is where an instance is.
func (w *works) at(tb testing.TB, ctx context.Context, id crm.ID) (crm.Instance, []string) { //nolint:revive // the test comes first
	tb.Helper()
	in, err := w.Instances.Get(ctx, id)
	require.NoError(tb, err)
	var steps []string
	for _, p := range in.Positions {
		steps = append(steps, p.Step)
	}
	return in, steps
}

// path is what an instance did.
func (w *works) path(tb testing.TB, ctx context.Context, id crm.ID) (path []string) { //nolint:revive // the test comes first
	tb.Helper()
	page, err := w.Instances.History(ctx, id)
	require.NoError(tb, err)
	for _, v := range page.Items {
		text := v.Step
		if v.Outcome != "" {
			text += "/" + v.Outcome
		}
		path = append(path, text)
	}
	return path
}

func args(v any) json.RawMessage {
	raw, _ := json.Marshal(v)
	return raw
}

func TestProcessRuns(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{60}), Outcomes: map[string]string{"high": "done"}, Next: "pause"},
			{Key: "pause", Kind: crm.StepWait, For: "3d", Next: "big"},
			{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "amount > money('50', 'EUR')", Next: "done"}, {If: "company.country == 'DE'", Next: "plus"}}, Next: "poor"},
			{Key: "poor", Kind: crm.StepEnd},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		german, err := w.companies.Create(ctx, company{Name: "Zuse", Country: "DE"})
		require.NoError(t, err)
		in, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		require.Equal(t, crm.InstanceRunning, in.State)
		require.Equal(t, "member:dana", in.Starter)
		w.run(t, 0)
		got, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"pause"}, steps)
		require.Equal(t, crm.InstanceWaiting, got.State)
		require.Equal(t, crmtest.Start().AddDate(0, 0, 3), got.Positions[0].Until)
		w.run(t, 3*24*time.Hour-time.Second)
		_, steps = w.at(t, ctx, in.ID)
		require.Equal(t, []string{"pause"}, steps)
		_, err = w.deals.Update(ctx, d.ID, func(d *deal) error { d.CompanyID = german.ID; return nil })
		require.NoError(t, err)
		w.run(t, time.Second)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceDone, got.State)
		require.Equal(t, "done", got.Result)
		require.Equal(t, w.Clock.Now(), got.Ended)
		require.Equal(t, []string{"plus", "pause", "big/case 2", "plus/high", "done"}, w.path(t, ctx, in.ID))
		d, err = w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.EqualValues(t, 120, d.Score)
		history, err := w.deals.History(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, "process follow "+in.ID.String(), history.Items[0].Cause)
		require.Equal(t, "system", history.Items[0].Actor)
	})
}
