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
	vague  atomic.Bool  // whether they fail, and nobody knows at what
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
		if w.vague.Load() {
			return "", errors.New("no answer came")
		}
		if w.fail.Add(-1) >= 0 {
			return "", crm.NotDone(errors.New("the line is busy"))
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent[call.Key()]++
		return "", nil
	}
	return errors.Join(
		crm.DefineAction(c, "score", func(ctx context.Context, call *crm.ActionCall, args scoreArgs) (string, error) {
			d, err := w.deals.Update(ctx, call.Record, func(d *deal) error { d.Score += args.Add; return nil })
			if err == nil && d.Score > 100 {
				return "high", nil
			}
			return "", err
		}),
		crm.DefineAction(c, "half", func(ctx context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			if _, err := w.deals.Update(ctx, call.Record, func(d *deal) error { d.Score += 1000; return nil }); err != nil {
				return "", err
			}
			if err := call.SetVariable("half", true); err != nil {
				return "", err
			}
			return "", errors.New("it broke half way")
		}),
		crm.DefineAction(c, "invite", func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			link, err := call.CallbackToken("approval")
			w.mu.Lock()
			defer w.mu.Unlock()
			w.links = append(w.links, link)
			return "", err
		}),
		crm.DefineAction(c, "read", func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			var data struct{ By string }
			ok, err := call.Variable("approval", &data)
			if ok {
				err = errors.Join(err, call.SetVariable("by", data.By))
			}
			return "", err
		}),
		crm.DefineAction(c, "send", outside, crm.Idempotent()),
		crm.DefineAction(c, "pay", outside, crm.AtMostOnce()),
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
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // the test gave what has no JSON
	}
	return raw
}
