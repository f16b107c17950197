package crm_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// end is what most of the processes below come to.
const end = `{"key":"done","kind":"end"}`

func TestProcessesThatAreRefused(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.field(t, ctx, crm.CustomField{Object: "deal", Name: "renewal", Type: crm.FieldDate})
		many := make([]string, 12)
		for i := range many {
			many[i] = fmt.Sprintf(`"b%d"`, i)
		}
		var branches strings.Builder
		for i := range many {
			_, _ = fmt.Fprintf(&branches, `{"key":"b%d","kind":"wait","for":"1h","next":"k"},`, i)
		}
		wide := `[{"key":"f","kind":"fork","branches":["g","x"],"join":"j"},{"key":"g","kind":"fork","branches":[` + strings.Join(many, ",") + `],"join":"k"},` +
			branches.String() + `{"key":"k","kind":"join","next":"j"},{"key":"x","kind":"wait","for":"1h","next":"j"},{"key":"j","kind":"join","next":"done"},` + end + `]`
		for _, c := range []struct {
			steps string
			want  string // nothing: it is right
		}{
			{`[` + end + `]`, ""},
			{`[{"key":"a","kind":"action","action":"score","args":{"add":5},"next":"done"},` + end + `]`, ""},
			{`[{"key":"a","kind":"wait","until":"custom.renewal","for":"-3d","next":"done"},` + end + `]`, ""},
			{`[{"key":"a","kind":"wait","if":"count(company.deals) > 3","timeout":"2mo","next":"done"},` + end + `]`, "steps[0] (a).if"},
			{`[{"key":"a","kind":"wait","if":"company.vip","timeout":"2mo","next":"done"},` + end + `]`, ""},
			{wide, ""},
			{strings.ReplaceAll(wide, `"branches":["g","x"]`, `"branches":["g","x","done","y1","y2","y3"]`), `there is no step "y1"`},

			{`[]`, "steps: there are none"},
			{`{}`, "array of steps"},
			{`[{"key":"a","kind":"end","nxet":"b"}]`, `steps[0] (a): cannot be read`},
			{`[{"key":"a","kind":"end"} ,{"key":5}]`, `steps[1]: cannot be read`},
			{`[{"key":"A","kind":"end"}]`, "steps[0] (A).key"},
			{`[{"key":"a","kind":"end"},{"key":"a","kind":"end"}]`, "another step has this key"},
			{`[{"key":"a","kind":"stop"}]`, "steps[0] (a).kind"},
			{`[{"key":"a","kind":"end","next":"a"}]`, "steps[0] (a).next: a step of kind end has none"},
			{`[{"key":"a","kind":"action","action":"nothing","next":"done"},` + end + `]`, `no action "nothing"`},
			{`[{"key":"a","kind":"action","action":"score","args":{"add":0},"next":"done"},` + end + `]`, "args: add: must not be 0"},
			{`[{"key":"a","kind":"action","action":"score","args":{"sub":1},"next":"done"},` + end + `]`, `unknown field "sub"`},
			{`[{"key":"a","kind":"action","action":"score","args":[],"next":"done"},` + end + `]`, "steps[0] (a).args"},
			{`[{"key":"a","kind":"action","action":"score","args":{"add":1}},` + end + `]`, "next: the step that follows is missing"},
			{`[{"key":"a","kind":"action","action":"send","outcomes":{"x":"nowhere"},"next":"done"},` + end + `]`, `no step "nowhere"`},
			{`[{"key":"a","kind":"wait","next":"done"},` + end + `]`, "waits for one of"},
			{`[{"key":"a","kind":"wait","for":"1d","callback":true,"next":"done"},` + end + `]`, "waits for one of"},
			{`[{"key":"a","kind":"wait","for":"soon","next":"done"},` + end + `]`, "steps[0] (a).for"},
			{`[{"key":"a","kind":"wait","for":"-1d","next":"done"},` + end + `]`, "steps[0] (a).for"},
			{`[{"key":"a","kind":"wait","for":"1d","timeout":"1d","next":"done"},` + end + `]`, "has none"},
			{`[{"key":"a","kind":"wait","until":"name","next":"done"},` + end + `]`, `no date or time "name"`},
			{`[{"key":"a","kind":"wait","until":"custom.other","next":"done"},` + end + `]`, "steps[0] (a).until"},
			{`[{"key":"a","kind":"wait","event":"company.created","next":"done"},` + end + `]`, "one of the record's"},
			{`[{"key":"a","kind":"wait","event":"deal.won","if":"stage ==","next":"done"},` + end + `]`, "steps[0] (a).if"},
			{`[{"key":"a","kind":"wait","event":"deal.won","if":"colour == 'red'","next":"done"},` + end + `]`, "colour"},
			{`[{"key":"a","kind":"wait","event":"deal.won","on_timeout":"done","next":"done"},` + end + `]`, "timeout: is missing"},
			{`[{"key":"a","kind":"choose","next":"done"},` + end + `]`, "cases"},
			{`[{"key":"a","kind":"choose","cases":[{"if":"","next":"done"}],"next":"done"},` + end + `]`, "cases[0].if"},
			{`[{"key":"a","kind":"choose","cases":[{"if":"$1 > 3","next":"done"}],"next":"done"},` + end + `]`, "steps[0] (a).cases[0].if"},
			{`[{"key":"a","kind":"choose","cases":[{"if":"score > 3","next":"done"}]},` + end + `]`, "next"},
			{`[{"key":"a","kind":"fork","branches":["done"],"join":"j"},{"key":"j","kind":"join","next":"done"},` + end + `]`, "two or more"},
			{`[{"key":"a","kind":"fork","branches":["j","done"],"join":"done"},{"key":"j","kind":"join","next":"done"},` + end + `]`, `no join "done"`},
			{`[{"key":"j","kind":"join","next":"done"},` + end + `]`, "reached by no branch"},
			{`[{"key":"a","kind":"wait","for":"1h","next":"a"},` + end + `]`, "never reached"},
			{`[{"key":"a","kind":"wait","for":"1h","next":"a"}]`, "no end is ever reached"},
			// A branch that leaves its fork beside the join, and one that enters it from beside.
			{`[{"key":"a","kind":"fork","branches":["x","y"],"join":"j"},{"key":"x","kind":"wait","for":"1h","next":"z"},{"key":"y","kind":"wait","for":"1h","next":"j"},` +
				`{"key":"j","kind":"join","next":"z"},{"key":"z","kind":"wait","for":"1h","next":"done"},` + end + `]`, "left by its join alone"},
			{`[{"key":"c","kind":"choose","cases":[{"if":"score > 1","next":"x"}],"next":"a"},{"key":"a","kind":"fork","branches":["x","y"],"join":"j"},` +
				`{"key":"x","kind":"wait","for":"1h","next":"j"},{"key":"y","kind":"wait","for":"1h","next":"j"},{"key":"j","kind":"join","next":"done"},` + end + `]`, "within other forks"},
		} {
			steps, err := crm.ParseSteps([]byte(c.steps))
			if err == nil {
				_, err = w.Processes.Create(ctx, crm.Process{Key: "p", Name: "p", Object: "deal", Steps: steps})
			}
			if c.want == "" {
				require.NoError(t, err, c.steps)
				continue
			}
			require.ErrorIs(t, err, crm.ErrInvalid, c.steps)
			require.ErrorContains(t, err, c.want, c.steps)
		}
		done := []crm.Step{{Key: "done", Kind: crm.StepEnd}}
		for _, p := range []crm.Process{
			{Name: "p", Object: "deal", Steps: done}, {Key: "P", Name: "p", Object: "deal", Steps: done}, {Key: "p", Name: "p", Object: "boat", Steps: done},
			{Key: "p", Name: "p", Object: "deal"}, {Key: "p", Name: "p", Object: "deal", Steps: make([]crm.Step, 201)},
			{Key: "p", Name: "p", Object: "deal", Steps: []crm.Step{{Key: "a", Kind: crm.StepAction, Action: "send", Args: json.RawMessage("{"), Next: "a"}}},
		} {
			_, err := w.Processes.Create(ctx, p)
			require.ErrorIs(t, err, crm.ErrInvalid, "%+v", p)
		}
	})
}

func TestTooManyBranchesAreRefused(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		// Forks within forks, of nine branches each.
		var steps []crm.Step
		var branch func(depth int, join string) string
		n := 0
		branch = func(depth int, join string) string {
			n++
			key := fmt.Sprintf("s%d", n)
			if depth == 0 {
				steps = append(steps, crm.Step{Key: key, Kind: crm.StepWait, For: "1h", Next: join})
				return key
			}
			inner := key + "_join"
			s := crm.Step{Key: key, Kind: crm.StepFork, Join: inner}
			for range 9 {
				s.Branches = append(s.Branches, branch(depth-1, inner))
			}
			steps = append(steps, s, crm.Step{Key: inner, Kind: crm.StepJoin, Next: join})
			return key
		}
		first := branch(2, "done")
		steps = append(steps, crm.Step{Key: "done", Kind: crm.StepEnd})
		for i, s := range steps {
			if s.Key == first {
				steps[0], steps[i] = steps[i], steps[0]
			}
		}
		_, err := w.Processes.Create(as(t, "dana"), crm.Process{Key: "p", Name: "p", Object: "deal", Steps: steps})
		require.ErrorContains(t, err, "branches at once, and 64 are allowed")
	})
}

func TestActionsThatAreRefused(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		require.ErrorContains(t, crm.DefineAction[struct{}](w.Core.Core, "late", nil), "before Migrate")
	})
}

func TestFieldsThatProcessesName(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		tier := w.field(t, ctx, crm.CustomField{Object: "deal", Name: "tier", Type: crm.FieldText})
		renewal := w.field(t, ctx, crm.CustomField{Object: "deal", Name: "renewal", Type: crm.FieldDate})
		p := w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "gold", Kind: crm.StepChoose, Cases: []crm.Case{{If: "custom.tier == 'gold'", Next: "rest"}}, Next: "done"},
			{Key: "rest", Kind: crm.StepWait, Until: "custom.renewal", Next: "done"},
			{Key: "done", Kind: crm.StepEnd},
		}})
		require.Equal(t, []string{"deal.custom.renewal", "deal.custom.tier"}, p.Uses)
		for _, f := range []crm.CustomField{tier, renewal} {
			require.ErrorContains(t, w.Fields.Delete(ctx, f.ID), `process "follow" (published)`)
			_, err := w.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Name = "other"; return nil })
			require.ErrorIs(t, err, crm.ErrConflict)
		}
		d, err := w.deals.Create(ctx, deal{Record: crm.Record{Custom: crm.Custom{"tier": "gold"}}, Name: "x"})
		require.NoError(t, err)
		in, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		w.run(t, 0)
		_, steps := w.at(t, ctx, in.ID)
		require.Equal(t, []string{"rest"}, steps)
		_, err = w.Processes.Retire(ctx, p.ID)
		require.NoError(t, err)
		require.ErrorContains(t, w.Fields.Delete(ctx, tier.ID), "retired", "an instance runs on it still")
		require.NoError(t, w.Instances.Cancel(ctx, in.ID, "enough"))
		require.NoError(t, w.Fields.Delete(ctx, tier.ID))
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
