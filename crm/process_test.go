package crm_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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
		require.Equal(t, "process:"+in.ID.String(), history.Items[0].Cause)
		require.Equal(t, "system", history.Items[0].Actor)
	})
}

func TestProcessInBranches(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "both", Kind: crm.StepFork, Branches: []string{"mail", "rest"}, Join: "met"},
			{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "met"},
			{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "plus"},
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "met"},
			{Key: "met", Kind: crm.StepJoin, Next: "race"},
			{Key: "race", Kind: crm.StepFork, Branches: []string{"slow", "quick"}, Join: "first"},
			{Key: "slow", Kind: crm.StepWait, For: "9d", Next: "first"},
			{Key: "quick", Kind: crm.StepWait, For: "1d", Next: "first"},
			{Key: "first", Kind: crm.StepJoin, Any: true, Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		in, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		w.run(t, 0)
		_, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"met", "rest"}, steps)
		require.Len(t, w.sent, 1)
		w.sound(t)
		w.run(t, 24*time.Hour)
		_, steps = w.at(t, ctx, in.ID)
		require.Equal(t, []string{"slow", "quick"}, steps)
		w.run(t, 24*time.Hour)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, "done", got.Result)
		require.Equal(t, []string{"both", "mail", "rest", "met", "plus", "met", "race", "slow/cancelled", "quick", "first", "done"}, w.path(t, ctx, in.ID))
		times, err := w.Processes.Times(ctx, got.ProcessID)
		require.NoError(t, err)
		require.Contains(t, times, crm.StepTime{Step: "quick", Visits: 1, Mean: 24 * time.Hour, Median: 24 * time.Hour, P90: 24 * time.Hour})
	})
}

func TestActionsThatFail(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "break"},
			{Key: "break", Kind: crm.StepAction, Action: "half", Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		w.fail.Store(2)
		in, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceRunning, got.State)
		require.Equal(t, "the line is busy", got.Positions[0].Error)
		require.Equal(t, 1, got.Positions[0].Attempts)
		w.run(t, 15*time.Second)
		w.run(t, 30*time.Second)
		require.Len(t, w.sent, 1, "the third attempt succeeded, with the key of the first")
		_, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"break"}, steps)
		for range 12 {
			w.run(t, 8*time.Hour)
		}
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceStuck, got.State)
		require.True(t, got.Positions[0].Stuck)
		require.Equal(t, "it broke half way", got.Positions[0].Error)
		require.Empty(t, got.Variables, "what a failed action set is not kept")
		d, err = w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Zero(t, d.Score, "nor what it wrote")
		page, err := w.Instances.Stuck(ctx)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.NoError(t, w.Instances.Retry(ctx, in.ID))
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceRunning, got.State)
		require.ErrorIs(t, w.Instances.Move(ctx, in.ID, "", "done", " "), crm.ErrInvalid)
		require.NoError(t, w.Instances.Move(ctx, in.ID, "", "done", "done by phone"))
		w.run(t, 0)
		history, err := w.Instances.History(ctx, in.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"mail", "break/moved", "break/retried", "done"}, w.path(t, ctx, in.ID))
		require.Equal(t, "member:dana", history.Items[1].Actor)
		require.Equal(t, "done by phone", history.Items[1].Reason)
		require.ErrorIs(t, w.Instances.Move(ctx, in.ID, "", "mail", "again"), crm.ErrConflict)
	})
}

func TestEffectsDoneAtMostOnce(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "pay", Kind: crm.StepAction, Action: "pay", Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		w.perish.Store(true)
		var all []crm.Instance
		for range 2 {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			all = append(all, in)
			w.run(t, 0)
			w.perish.Store(false)
			w.vague.Store(true)
		}
		w.vague.Store(false)
		w.fail.Store(1)
		busy, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		require.Empty(t, w.sent)
		w.run(t, time.Minute)
		require.Len(t, w.sent, 1, "what was surely not done is done later")
		require.Equal(t, []string{"pay", "done"}, w.path(t, ctx, busy.ID))
		w.run(t, 24*time.Hour)
		for _, in := range all {
			got, _ := w.at(t, ctx, in.ID)
			require.Equal(t, crm.InstanceStuck, got.State)
			require.True(t, got.Positions[0].Uncertain)
		}
		require.Len(t, w.sent, 1, "nobody did it again")
		require.ErrorIs(t, w.Instances.Retry(ctx, all[0].ID), crm.ErrConflict)
		require.ErrorIs(t, w.Instances.Resolve(ctx, all[0].ID, "pay", true, "nonsense", "seen in the bank"), crm.ErrInvalid)
		require.NoError(t, w.Instances.Resolve(ctx, all[0].ID, "pay", true, "", "seen in the bank"))
		require.NoError(t, w.Instances.Resolve(ctx, all[1].ID, "pay", false, "", "not in the bank"))
		require.ErrorIs(t, w.Instances.Resolve(ctx, all[1].ID, "pay", false, "", "not in the bank"), crm.ErrConflict)
		w.run(t, 0)
		require.Len(t, w.sent, 2)
		require.Equal(t, []string{"pay", "done"}, w.path(t, ctx, all[0].ID))
		require.Equal(t, []string{"pay", "pay/retried", "done"}, w.path(t, ctx, all[1].ID))
	})
}

func TestCallbacks(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "ask", Kind: crm.StepAction, Action: "invite", Next: "approval"},
			{Key: "approval", Kind: crm.StepWait, Callback: true, Outcomes: map[string]string{"yes": "read", "no": "refused", "later": "ask"}, Timeout: "2d", OnTimeout: "late"},
			{Key: "read", Kind: crm.StepAction, Action: "read", Next: "approved"},
			{Key: "approved", Kind: crm.StepEnd}, {Key: "refused", Kind: crm.StepEnd}, {Key: "late", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		start := func() (crm.Instance, string) {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			w.run(t, 0)
			return in, w.links[len(w.links)-1]
		}
		in, link := start()
		for _, bad := range []string{"", "x", link[:len(link)-1], link + "AA", "AAAA" + link[4:], string(make([]byte, 500))} {
			require.ErrorIs(t, w.Instances.Answer(t.Context(), bad, "yes", nil), crm.ErrInvalid)
		}
		require.ErrorContains(t, w.Instances.Answer(t.Context(), link, "perhaps", nil), "later, no, yes")
		require.NoError(t, w.Instances.Answer(t.Context(), link, "later", nil))
		require.ErrorIs(t, w.Instances.Answer(t.Context(), link, "yes", nil), crm.ErrConflict, "it serves once")
		w.run(t, 0)
		require.ErrorIs(t, w.Instances.Answer(t.Context(), link, "yes", nil), crm.ErrConflict, "also when the wait is reached again")
		require.ErrorIs(t, w.Instances.Answer(t.Context(), w.links[1], "yes", make([]byte, 5000)), crm.ErrInvalid)
		require.NoError(t, w.Instances.Answer(t.Context(), w.links[1], "yes", map[string]string{"By": "Ada"}))
		w.run(t, 0)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, "approved", got.Result)
		require.JSONEq(t, `"Ada"`, string(got.Variables["by"]))

		in, link = start()
		w.run(t, 48*time.Hour)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, "late", got.Result)
		require.ErrorIs(t, w.Instances.Answer(t.Context(), link, "yes", nil), crm.ErrConflict)

		// An answer that comes before its wait.
		early, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		link, err = w.Instances.CallbackToken(ctx, early.ID, "approval")
		require.NoError(t, err)
		_, err = w.Instances.CallbackToken(ctx, early.ID, "ask")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.NoError(t, w.Instances.Answer(t.Context(), link, "no", nil))
		w.run(t, 0)
		require.Equal(t, []string{"ask", "approval/no", "refused"}, w.path(t, ctx, early.ID))

		// The token of one tenant is nothing in another.
		require.NoError(t, w.Tenants.Ensure(ctx, "acmf"))
		waits, link := start()
		raw, err := base64.RawURLEncoding.DecodeString(link)
		require.NoError(t, err)
		raw[4] = 'f'
		require.ErrorIs(t, w.Instances.Answer(t.Context(), base64.RawURLEncoding.EncodeToString(raw), "yes", nil), crm.ErrInvalid)
		raw[4] = 'e'
		raw[len(raw)-33]++ // the step
		require.ErrorIs(t, w.Instances.Answer(t.Context(), base64.RawURLEncoding.EncodeToString(raw), "yes", nil), crm.ErrInvalid)
		_, steps := w.at(t, ctx, waits.ID)
		require.Equal(t, []string{"approval"}, steps)
	})
}

func TestSingleProcess(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Single: true, Steps: []crm.Step{{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		d := w.deal(t, ctx)
		var wg sync.WaitGroup
		var through atomic.Int32
		for range 8 {
			wg.Go(func() {
				_, err := w.Processes.Start(ctx, "follow", d.ID)
				if err == nil {
					through.Add(1)
				} else if !errors.Is(err, crm.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, through.Load())
		page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal", Record: d.ID})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		taken, ok := errors.AsType[*crm.ConflictError](err)
		require.True(t, ok)
		require.Equal(t, page.Items[0].ID, taken.Holder)
		// In a transaction that goes on.
		require.NoError(t, w.Tx(ctx, func(ctx context.Context) error {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			require.ErrorIs(t, err, crm.ErrConflict)
			_, err = w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
			return err
		}))
		w.run(t, 0)
		w.run(t, 24*time.Hour)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err, "it has ended")
	})
}

func TestStartIsUndoneWithItsTransaction(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "done", Kind: crm.StepEnd}}})
		d := w.deal(t, ctx)
		undo := errors.New("undo")
		require.ErrorIs(t, w.Tx(ctx, func(ctx context.Context) error {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			return undo
		}), undo)
		page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"})
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})
}

func TestVersionsOfProcesses(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		steps := func(end string) []crm.Step {
			return []crm.Step{{Key: "rest", Kind: crm.StepWait, For: "1d", Next: end}, {Key: end, Kind: crm.StepEnd}}
		}
		first := w.publish(t, ctx, crm.Process{Steps: steps("old"), Single: true})
		require.EqualValues(t, 1, first.Number)
		d := w.deal(t, ctx)
		one, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)

		_, err = w.Processes.Update(ctx, first.ID, func(p *crm.Process) error { p.Steps = steps("new"); return nil })
		require.ErrorContains(t, err, "never changes")
		_, err = w.Processes.Update(ctx, first.ID, func(p *crm.Process) error { p.State = crm.ProcessDraft; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, w.Processes.Delete(ctx, first.ID), crm.ErrConflict)
		second := w.publish(t, ctx, crm.Process{Steps: steps("new"), Single: true})
		require.EqualValues(t, 2, second.Number)
		first, err = w.Processes.Get(ctx, first.ID)
		require.NoError(t, err)
		require.Equal(t, crm.ProcessRetired, first.State)
		require.ErrorContains(t, w.Processes.Delete(ctx, first.ID), "1 instances run on it")
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		require.ErrorIs(t, err, crm.ErrConflict, "one at a time, of whichever version")
		two, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		w.run(t, 0)
		w.run(t, 24*time.Hour)
		got, _ := w.at(t, ctx, one.ID)
		require.Equal(t, "old", got.Result)
		got, _ = w.at(t, ctx, two.ID)
		require.Equal(t, "new", got.Result)
		require.NoError(t, w.Processes.Delete(ctx, first.ID))
		_, err = w.Processes.Retire(ctx, second.ID)
		require.NoError(t, err)
		_, err = w.Processes.Publish(ctx, second.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		require.ErrorContains(t, err, "no version")

		// Of several published at once one is.
		var wg sync.WaitGroup
		for range 4 {
			p, err := w.Processes.Create(ctx, crm.Process{Key: "follow", Name: "x", Object: "deal", Steps: steps("new")})
			require.NoError(t, err)
			wg.Go(func() {
				if _, err := w.Processes.Publish(ctx, p.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n, err := w.Processes.Count(ctx, crm.Where("state == 'published'"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		numbers := map[int64]bool{}
		for p, err := range w.Processes.All(ctx) {
			require.NoError(t, err)
			require.False(t, numbers[p.Number])
			numbers[p.Number] = true
		}
	})
}

func TestDryRun(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		p, err := w.Processes.Create(ctx, crm.Process{Key: "p", Name: "p", Object: "deal", Steps: []crm.Step{
			{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "score > 5", Next: "done"}, {If: "stage == 'new'", Next: "both"}}, Next: "done"},
			{Key: "both", Kind: crm.StepFork, Branches: []string{"plus", "ask"}, Join: "met"},
			{Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "met"},
			{Key: "ask", Kind: crm.StepWait, Callback: true, Outcomes: map[string]string{"yes": "met", "no": "done"}},
			{Key: "met", Kind: crm.StepJoin, Next: "rest"},
			{Key: "rest", Kind: crm.StepWait, Until: "close_on", For: "-1d", Next: "big"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		require.NoError(t, err)
		d, err := w.deals.Create(ctx, deal{Name: "x", CloseOn: crm.Date{Year: 2026, Month: 3, Day: 1}})
		require.NoError(t, err)
		path, err := w.Processes.DryRun(ctx, p.ID, d.ID)
		require.NoError(t, err)
		require.Equal(t, []crm.DryStep{
			{Step: "big", Kind: crm.StepChoose, Outcome: "case 2", Conditions: []crm.DryCondition{{If: "score > 5"}, {If: "stage == 'new'", Holds: true}}},
			{Step: "both", Kind: crm.StepFork},
			{Step: "plus", Kind: crm.StepAction},
			{Step: "ask", Kind: crm.StepWait, Waits: true},
		}, path[:4])
		require.Equal(t, "done", path[len(path)-1].Step, "the first outcome by name is no, which ends it")
		after, err := w.deals.Get(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, d.Version, after.Version, "nothing was done")
		_, err = w.Processes.DryRun(ctx, p.ID, crm.ID{1})
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

// A process that waits is where it was when another program goes on with the database.
func TestWaitsSurviveARestart(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		clock := &crmtest.Clock{}
		w := newWorks(t, e.Store, clock)
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "rest", Kind: crm.StepWait, For: "1y", Next: "mail"}, {Key: "mail", Kind: crm.StepAction, Action: "send", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		in, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		w.run(t, 0)
		clock.Advance(366 * 24 * time.Hour)
		again := newWorks(t, e.Store, clock)
		again.run(t, 0)
		got, _ := again.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceDone, got.State)
		require.Len(t, again.sent, 1)
		again.sound(t)
	})
}

func TestRecordsThatGo(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "plus"}, {Key: "plus", Kind: crm.StepAction, Action: "score", Args: args(scoreArgs{1}), Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		in, err := w.Processes.Start(ctx, "follow", d.ID, crm.WithVariables(map[string]any{"who": "Ada"}))
		require.NoError(t, err)
		w.run(t, 0)
		require.NoError(t, w.deals.Delete(ctx, d.ID))
		w.run(t, 48*time.Hour)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceCancelled, got.State)
		history, err := w.Instances.History(ctx, in.ID)
		require.NoError(t, err)
		require.Equal(t, "the record is gone", history.Items[0].Reason)
		_, err = w.Processes.Start(ctx, "follow", d.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

func TestListsOfInstances(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		d := w.deal(t, ctx)
		var started []crm.ID
		for range 5 {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			started = append(started, in.ID)
		}
		w.run(t, 0)
		var seen []crm.ID
		for after := ""; ; {
			page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal", Process: "follow", State: crm.InstanceWaiting}, crm.Limit(2), crm.After(after))
			require.NoError(t, err)
			for _, in := range page.Items {
				seen = append(seen, in.ID)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		require.ElementsMatch(t, started, seen)
		for _, f := range []crm.InstanceFilter{{Object: "deal", State: crm.InstanceDone}, {Object: "deal", Process: "other"}, {Object: "company"}} {
			page, err := w.Instances.List(ctx, f)
			require.NoError(t, err)
			require.Empty(t, page.Items)
		}
		_, err := w.Instances.List(ctx, crm.InstanceFilter{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"}, crm.Where("true"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"}, crm.After("x"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"}, crm.Limit(1001))
		require.ErrorIs(t, err, crm.ErrInvalid)
		first, err := w.Instances.History(ctx, started[0], crm.Limit(1))
		require.NoError(t, err)
		require.Empty(t, first.Items, "it is at its first step still")
		w.run(t, 24*time.Hour)
		first, err = w.Instances.History(ctx, started[0], crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, "rest", first.Items[0].Step)
		rest, err := w.Instances.History(ctx, started[0], crm.After(first.Next))
		require.NoError(t, err)
		require.Equal(t, "done", rest.Items[0].Step)
	})
}

// While versions of the program take turns, an instance waits for one that knows its
// action.
func TestActionsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		clock := &crmtest.Clock{}
		w := newWorks(t, e.Store, clock)
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		in, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
		require.NoError(t, err)
		old := newShop(t, e.Store, crm.Config{Clock: clock})
		require.NoError(t, old.RunDue(t.Context()))
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceRunning, got.State)
		require.Contains(t, got.Positions[0].Error, "does not know the action send")
		w.run(t, time.Minute)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, crm.InstanceDone, got.State)
	})
}

// More actions outside than a worker begins at once are all done.
func TestManyEffects(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "mail", Kind: crm.StepAction, Action: "send", Next: "pay"}, {Key: "pay", Kind: crm.StepAction, Action: "pay", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		for range 70 {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
		}
		w.run(t, 0)
		require.Len(t, w.sent, 140)
		for key, n := range w.sent {
			require.Equal(t, 1, n, key)
		}
		page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal", State: crm.InstanceDone}, crm.Limit(100))
		require.NoError(t, err)
		require.Len(t, page.Items, 70)
	})
}

// Check finds what of an instance does not fit together.
func TestCheckOfInstances(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		prefix := map[string]string{"sqlite": "crm_", "postgres": "crm."}[e.Name]
		for _, c := range []struct{ damage, want string }{
			{"DELETE FROM " + prefix + "process_wait", "it waits for 1 events, and 0 are noted"},
			{"DELETE FROM " + prefix + "process_visit", "it left 1 steps, and its history has 0"},
			{"UPDATE " + prefix + "process_instance SET due = NULL", "nobody would go on with it"},
			{"UPDATE " + prefix + "process_instance SET state = 'running'", "it is waiting, and noted as running"},
			{"UPDATE " + prefix + "process_instance SET ended = started", "it has ended, and is somewhere still"},
		} {
			w := newWorks(t, e.Store, nil)
			if page, err := w.Processes.List(ctx); err == nil && len(page.Items) == 0 {
				w.publish(t, ctx, crm.Process{Steps: []crm.Step{
					{Key: "big", Kind: crm.StepChoose, Cases: []crm.Case{{If: "score > 5", Next: "done"}}, Next: "rest"},
					{Key: "rest", Kind: crm.StepWait, Event: "deal.won", Timeout: "9d", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
				}})
			}
			_, err := w.Processes.Start(ctx, "follow", w.deal(t, ctx).ID)
			require.NoError(t, err)
			w.run(t, 0)
			w.sound(t)
			_, err = e.DB.ExecContext(ctx, c.damage)
			require.NoError(t, err)
			problems, err := w.Check(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, problems, c.damage)
			require.Contains(t, fmt.Sprint(problems), c.want)
			for _, table := range []string{"process_wait", "process_visit", "process_instance"} { // and begin anew
				_, err = e.DB.ExecContext(ctx, "DELETE FROM "+prefix+table)
				require.NoError(t, err)
			}
		}
	})
}
