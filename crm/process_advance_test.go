package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// block is a piece of a process, as a tree: what the process must come to is read
// from it without running anything.
type block struct {
	kind  string // action, wait, choose, fork, loop
	key   string
	parts [][]block // of choose and fork
	holds bool      // of choose: whether the first part is taken
}

// builder makes trees, and the steps of them.
type builder struct {
	t     *rapid.T
	n     int
	forks int
	steps []Step
	holds map[string]bool
}

func (b *builder) key(kind string) string {
	b.n++
	return fmt.Sprintf("%s%d", kind, b.n)
}

func (b *builder) seq(depth int) []block {
	list := make([]block, rapid.IntRange(0, 3).Draw(b.t, "length"))
	for i := range list {
		kinds := []string{"action", "wait"}
		if depth > 0 {
			kinds = append(kinds, "choose", "fork")
		}
		kind := rapid.SampledFrom(kinds).Draw(b.t, "kind")
		if kind == "fork" && b.forks == 5 { // within MaxTokens in any arrangement
			kind = "action"
		}
		x := block{kind: kind, key: b.key(kind)}
		switch kind {
		case "choose":
			x.parts = [][]block{b.seq(depth - 1), b.seq(depth - 1)}
			x.holds = rapid.Bool().Draw(b.t, "holds")
			b.holds[x.key] = x.holds
		case "fork":
			b.forks++
			for range rapid.IntRange(2, 2).Draw(b.t, "branches") {
				x.parts = append(x.parts, b.seq(depth-1))
			}
		}
		list[i] = x
	}
	return list
}

// emit makes steps of a sequence that goes on to next, and returns the first's key.
func (b *builder) emit(list []block, next string) string {
	for _, x := range slices.Backward(list) {
		s := Step{Key: x.key, Kind: StepKind(x.kind), Next: next}
		switch x.kind {
		case "action":
			s.Action = "act"
		case "wait":
			s.For = "1h"
			if b.n%2 == 0 {
				s.For, s.Event = "", "deal.updated"
			}
		case "choose":
			s.Cases = []Case{{If: x.key, Next: b.emit(x.parts[0], next)}}
			s.Next = b.emit(x.parts[1], next)
		case "fork":
			join := x.key + "_join"
			s.Next, s.Join = "", join
			for n, part := range x.parts {
				first := b.emit(part, join)
				if first == join { // branches begin each at another step
					first = fmt.Sprintf("%s_%d", x.key, n)
					b.steps = append(b.steps, Step{Key: first, Kind: StepAction, Action: "nothing", Next: join})
				}
				s.Branches = append(s.Branches, first)
			}
			b.steps = append(b.steps, Step{Key: join, Kind: StepJoin, Next: next})
		}
		b.steps = append(b.steps, s)
		next = x.key
	}
	return next
}

// process returns the process of a tree.
func (b *builder) process(list []block) *Process {
	first := b.emit(list, "end")
	b.steps = append(b.steps, Step{Key: "end", Kind: StepEnd})
	for i, s := range b.steps {
		if s.Key == first {
			b.steps[0], b.steps[i] = b.steps[i], b.steps[0]
		}
	}
	return &Process{Key: "tree", Object: "deal", Steps: b.steps}
}

// dice is a world that does what chance says.
type dice struct {
	t     *rapid.T
	holds map[string]bool
	done  map[string]int
	rev   int64
}

func newDice(b *builder) *dice { return &dice{t: b.t, holds: b.holds, done: map[string]int{}} }

func (d *dice) backoff(t *token) time.Duration          { return backoff(uuid.Nil, int64(t.Tries)) }
func (d *dice) version() (int64, error)                 { return d.rev, nil }
func (d *dice) instant(string) (time.Time, bool, error) { return time.Time{}, false, nil }

// world is the dice as steps see them.
type diceWorld struct{ *dice }

func (d diceWorld) holds(text string) (bool, error) { return d.dice.holds[text], nil }

func (d diceWorld) act(t *token, _ *Step) (string, error) {
	luck := rapid.IntRange(0, 3).Draw(d.t, "act")
	if t.Tries > 5 { // or it would be stuck at last
		luck = 3
	}
	switch luck {
	case 0:
		return "", errors.New("not now")
	case 1:
		return "", outsideError{10 * time.Minute}
	}
	d.done[t.Step]++
	return "", nil
}

// drive runs an instance to its end, whatever happens in between, and returns the
// steps in the order they were left.
func drive(t *rapid.T, g *graph, d *dice, limit int) (left []visit) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	st := begin(g, now, nil)
	for n := 0; ; n++ {
		if n > limit {
			t.Fatalf("it does not end: %s", canonical(st))
		}
		// As a row keeps it.
		kept := &state{}
		require.NoError(t, json.Unmarshal(canonical(st), kept))
		st = kept
		p := &pass{g: g, st: st, now: now, w: diceWorld{d}}
		require.NoError(t, p.run(rapid.IntRange(1, 5).Draw(t, "most")))
		for _, tk := range p.outside {
			if rapid.Bool().Draw(t, "worker dies") && tk.Tries < 5 {
				continue // its lease ends, and another has it
			}
			if st.visit(tk.Visit) == nil {
				continue // another branch ended it
			}
			d.done[tk.Step]++
			require.NoError(t, p.acted(tk, g.nodes[tk.Step], "", nil))
		}
		if rapid.Bool().Draw(t, "event") {
			d.rev++
			for _, tk := range st.Tokens {
				if node := g.nodes[tk.Step]; node.onEvents(g.object) != "" {
					_, err := p.heard(tk, node, "deal.updated", d.rev)
					require.NoError(t, err)
				}
			}
		}
		left = append(left, p.left...)
		whole(t, g, st, left)
		if p.ended {
			return left
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "minutes")) * time.Minute)
	}
}

// whole holds what is true of an instance at any moment.
func whole(t require.TestingT, g *graph, st *state, left []visit) {
	require.Len(t, left, int(st.Seq)-len(st.Tokens), "each visit is at hand or in the history")
	seen := map[int64]bool{}
	for _, v := range left {
		require.False(t, seen[v.Visit], "a visit is left once")
		seen[v.Visit] = true
	}
	branches := map[frame]int{}
	for _, tk := range st.Tokens {
		require.False(t, seen[tk.Visit])
		seen[tk.Visit] = true
		n := g.nodes[tk.Step]
		if n.Kind != StepEnd {
			require.Len(t, tk.In, len(n.forks), "at %s", tk.Step)
		}
		for i, f := range tk.In {
			require.True(t, n.Kind == StepEnd || n.forks[i] == f.Fork)
			branches[f]++
		}
	}
	for f := range branches { // a fork that is open has all of its branches
		for i := range g.nodes[f.Fork].Branches {
			require.Positive(t, branches[frame{f.Fork, f.Visit, i}], "branch %d of %s", i, f.Fork)
		}
	}
}

// expect says which actions a sequence does, and holds their order: what stands
// behind something comes after all of it, branches too.
func expect(t require.TestingT, list []block, at map[string]int, done map[string]bool) (first, last int) {
	first, last = math.MaxInt, -1
	for _, x := range list {
		from, to := math.MaxInt, -1
		switch x.kind {
		case "choose":
			part := x.parts[1]
			if x.holds {
				part = x.parts[0]
			}
			from, to = expect(t, part, at, done)
		case "fork":
			for _, part := range x.parts {
				f, l := expect(t, part, at, done)
				from, to = min(from, f), max(to, l)
			}
		default:
			i, ok := at[x.key]
			require.True(t, ok, "%s was left", x.key)
			done[x.key] = true
			from, to = i, i
		}
		require.Greater(t, from, last, "%s came before its time", x.key)
		first, last = min(first, from), max(last, to)
	}
	return first, last
}

// TestInterpreter runs random processes in random circumstances: each does exactly
// what its tree says, each once, in that order.
func TestInterpreter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &builder{t: t, holds: map[string]bool{}}
		tree := b.seq(3)
		g, found := newGraph(b.process(tree))
		require.Empty(t, found)
		d := newDice(b)
		left := drive(t, g, d, 3000)
		at := map[string]int{}
		for i, v := range left {
			if g.nodes[v.Step].Kind != StepJoin { // which is left by each branch
				require.NotContains(t, at, v.Step, "no step is done twice")
			}
			require.NotEqual(t, "cancelled", v.outcome)
			at[v.Step] = i
		}
		done := map[string]bool{}
		expect(t, tree, at, done)
		for key := range done {
			if g.nodes[key].Kind == StepAction {
				require.Equal(t, 1, d.done[key], "%s was done once", key)
			}
		}
		for key := range d.done {
			require.True(t, done[key] || g.nodes[key].Action == "nothing", "%s was done, and the tree does not say so", key)
		}
	})
}

// TestInterpreterWithAny lets joins go on with the first branch, and instances be
// moved by hand: nothing is lost and nothing doubled.
func TestInterpreterWithAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &builder{t: t, holds: map[string]bool{}}
		p := b.process(b.seq(3))
		for i := range p.Steps {
			p.Steps[i].Any = p.Steps[i].Kind == StepJoin && rapid.Bool().Draw(t, "any")
			if p.Steps[i].Kind == StepWait && rapid.IntRange(0, 9).Draw(t, "ends") == 0 {
				p.Steps[i].Next = "end"
			}
		}
		g, found := newGraph(p)
		if len(found) > 0 { // nothing leads to some step any more
			t.Skip()
		}
		d := newDice(b)
		left := drive(t, g, d, 3000)
		require.True(t, slices.ContainsFunc(left, func(v visit) bool { return v.Step == "end" }))
		for key, n := range d.done {
			require.LessOrEqual(t, n, 1, key)
		}
	})
}

// TestMovesByHand moves tokens anywhere: what comes of it is whole.
func TestMovesByHand(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &builder{t: t, holds: map[string]bool{}}
		process := b.process(b.seq(3))
		g, found := newGraph(process)
		require.Empty(t, found)
		now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
		st := begin(g, now, nil)
		p := &pass{g: g, st: st, now: now, w: diceWorld{newDice(b)}}
		for range 20 {
			require.NoError(t, p.run(rapid.IntRange(0, 5).Draw(t, "most")))
			if p.ended {
				break
			}
			to := rapid.SampledFrom(process.Steps).Draw(t, "to").Key
			from := ""
			if rapid.Bool().Draw(t, "named") {
				from = rapid.SampledFrom(process.Steps).Draw(t, "from").Key
			}
			if err := p.move(from, to, "member:dana", "because"); err != nil {
				require.ErrorIs(t, err, ErrInvalid)
			}
			whole(t, g, st, p.left)
		}
	})
}

// TestGoingRound holds that a process that never waits is stuck, and one that does is
// not.
func TestGoingRound(t *testing.T) {
	t.Parallel()
	g, found := newGraph(&Process{Key: "round", Object: "deal", Steps: []Step{
		{Key: "ask", Kind: StepChoose, Cases: []Case{{If: "never", Next: "end"}}, Next: "again"},
		{Key: "again", Kind: StepChoose, Cases: []Case{{If: "rest", Next: "rest"}}, Next: "ask"},
		{Key: "rest", Kind: StepWait, For: "1h", Next: "ask"},
		{Key: "end", Kind: StepEnd},
	}})
	require.Empty(t, found)
	for _, rests := range []bool{false, true} {
		now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
		st := begin(g, now, nil)
		for range 2 * MaxStepsUnwaiting {
			p := &pass{g: g, st: st, now: now, w: diceWorld{&dice{holds: map[string]bool{"rest": rests}}}}
			require.NoError(t, p.run(passSteps))
			now = now.Add(time.Hour)
		}
		require.Equal(t, rests, st.Tokens[0].State != tokenStuck)
		if !rests {
			require.EqualValues(t, MaxStepsUnwaiting+1, st.Seq)
			require.Contains(t, st.Tokens[0].Error, "goes round")
		}
	}
}

// TestSpansGoByTheZone waits a day in which the clocks were put forward.
func TestSpansGoByTheZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	noon := time.Date(2026, time.March, 28, 12, 0, 0, 0, berlin)
	require.Equal(t, 23*time.Hour, (&pass{zone: berlin}).moved(noon, "1d").Sub(noon))
	require.Equal(t, 24*time.Hour, (&pass{}).moved(noon, "1d").Sub(noon))
}
