package crm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// graph is a process made ready to be run. It does not change once it is made.
type graph struct {
	id       uuid.UUID // of the version
	key      string
	object   string
	single   bool
	number   int64
	language int64
	first    *node
	nodes    map[string]*node
	fault    error // why it cannot be run; it then has no nodes

	mu    sync.Mutex
	conds *conditions // compiled for the custom fields of the moment
}

// node is a step, and where it lies.
type node struct {
	*Step

	at    int      // its index in the process
	forks []string // those it lies within, the outermost first
}

// newGraph makes a process ready, or says what is wrong with its steps by
// themselves.
func newGraph(p *Process) (*graph, []Fault) {
	g := &graph{id: uuid.UUID(p.ID), key: p.Key, object: p.Object, single: p.Single, number: p.Number, language: p.Language, nodes: map[string]*node{}}
	var all faults
	switch n := len(p.Steps); {
	case n == 0:
		all.addf("steps", "there are none: a process has at least an end")
		return nil, all
	case n > MaxSteps:
		all.addf("steps", "are %d, and %d are allowed", n, MaxSteps)
		return nil, all
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		switch {
		case !stepName(s.Key):
			all.addf(stepField(i, s.Key, "key"), "a key is lower-case letters, digits and underscores, beginning with a letter, at most %d", maxFieldName)
		case g.nodes[s.Key] != nil:
			all.addf(stepField(i, s.Key, "key"), "another step has this key")
		}
		g.nodes[s.Key] = &node{Step: s, at: i}
		g.checkStep(i, s, &all)
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		s.targets(func(field, to string) {
			if g.nodes[to] == nil {
				all.addf(stepField(i, s.Key, field), "there is no step %q", clip(to))
			}
		})
		if to := g.nodes[s.Join]; s.Kind == StepFork && (to == nil || to.Kind != StepJoin) {
			all.addf(stepField(i, s.Key, "join"), "there is no join %q", clip(s.Join))
		}
	}
	if len(all) == 0 {
		g.first = g.nodes[p.Steps[0].Key]
		g.place(&all)
	}
	if len(all) > 0 {
		slices.SortStableFunc(all, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
		return nil, all
	}
	return g, nil
}

// checkStep holds a step against what its kind has.
func (g *graph) checkStep(i int, s *Step, all *faults) {
	wrong := func(field, format string, args ...any) { all.addf(stepField(i, s.Key, field), format, args...) }
	allowed, known := stepFields[s.Kind]
	if !known {
		wrong("kind", "is one of action, wait, choose, fork, join and end, not %q", clip(string(s.Kind)))
		return
	}
	if len(s.Name) > 200 {
		wrong("name", "has %d bytes, and 200 are allowed", len(s.Name))
	}
	for _, field := range slices.Sorted(maps.Keys(s.fields())) {
		if s.fields()[field] && !slices.Contains(allowed, field) {
			wrong(field, "a step of kind %s has none", s.Kind)
		}
	}
	if n := max(len(s.Cases), len(s.Branches), len(s.Outcomes)); n > maxCases {
		wrong("", "leads to %d steps, and %d are allowed", n, maxCases)
	}
	for name := range s.Outcomes {
		if name == "" || len(name) > maxFieldName {
			wrong("outcomes", "an outcome has 1 to %d bytes", maxFieldName)
		}
	}
	switch s.Kind {
	case StepAction:
		g.checkAction(s, wrong)
	case StepWait:
		g.checkWait(s, wrong)
	case StepChoose:
		if len(s.Cases) == 0 {
			wrong("cases", "there are none")
		}
		for n, c := range s.Cases {
			if c.If == "" || len(c.If) > maxCondition {
				wrong(fmt.Sprintf("cases[%d].if", n), "a condition has 1 to %d bytes", maxCondition)
			}
		}
		fallthrough
	case StepJoin:
		if s.Next == "" {
			wrong("next", "the step that follows is missing")
		}
	case StepFork:
		sorted := slices.Sorted(slices.Values(s.Branches))
		if len(s.Branches) < 2 || len(slices.Compact(sorted)) < len(s.Branches) {
			wrong("branches", "a fork has two or more, each another step")
		}
	case StepEnd:
	}
}

func (g *graph) checkAction(s *Step, wrong func(string, string, ...any)) {
	if s.Action == "" {
		wrong("action", "the action's name is missing")
	}
	if len(s.Args) > maxStepArgs {
		wrong("args", "have %d bytes, and %d are allowed", len(s.Args), maxStepArgs)
	} else if len(s.Args) > 0 && !json.Valid(s.Args) {
		wrong("args", "are no JSON")
	}
	if s.Next == "" && len(s.Outcomes) == 0 {
		wrong("next", "the step that follows is missing")
	}
}

func (g *graph) checkWait(s *Step, wrong func(string, string, ...any)) {
	ways := 0
	for _, is := range []bool{s.For != "" || s.Until != "", s.Event != "" || s.If != "", s.Callback} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		wrong("", "waits for one of: a time (for, until), an event or a condition (event, if), a callback")
	}
	if s.For != "" && !isSpan(s.For, s.Until != "") {
		wrong("for", `is a span such as "90min", "3d" or "2mo", and only with until may go back`)
	}
	if s.Event != "" && (!strings.HasPrefix(s.Event, g.object+".") || len(s.Event) > 100) {
		wrong("event", "is one of the record's, such as %q", g.object+".updated")
	}
	if len(s.If) > maxCondition {
		wrong("if", "has %d bytes, and %d are allowed", len(s.If), maxCondition)
	}
	timed := s.For != "" || s.Until != ""
	switch {
	case s.Timeout == "":
		if s.OnTimeout != "" {
			wrong("timeout", "is missing: on_timeout would never come")
		}
	case timed:
		wrong("timeout", "a wait for a time has none")
	case !isSpan(s.Timeout, false):
		wrong("timeout", `is a span such as "90min", "3d" or "2mo"`)
	}
	if len(s.Outcomes) > 0 && !s.Callback {
		wrong("outcomes", "only the answer to a callback has any")
	}
	if s.Next == "" && (len(s.Outcomes) == 0 || s.Timeout != "" && s.OnTimeout == "") {
		wrong("next", "the step that follows is missing")
	}
}

// place finds within which forks each step lies, by following every way: so a branch
// can neither leave its fork but by the join nor enter one from beside, and an
// instance can be in no more places than counted here.
func (g *graph) place(all *faults) {
	seen := map[string]bool{g.first.Key: true}
	for todo := []*node{g.first}; len(todo) > 0; {
		n := todo[0]
		todo = todo[1:]
		within, ok := g.behind(n, all)
		if !ok {
			continue
		}
		n.targets(func(field, to string) {
			next := g.nodes[to]
			if next.Kind == StepEnd { // it ends all branches, wherever it is come to from
				seen[to] = true
				return
			}
			if !seen[to] {
				seen[to] = true
				next.forks = within
				todo = append(todo, next)
				return
			}
			if !slices.Equal(next.forks, within) {
				all.addf(stepField(n.at, n.Key, field), "%q is reached within other forks elsewhere: a branch is left by its join alone", to)
			}
		})
	}
	ends := false
	for _, key := range slices.Sorted(maps.Keys(g.nodes)) {
		n := g.nodes[key]
		if !seen[key] {
			all.addf(stepField(n.at, key, ""), "is never reached")
		}
		ends = ends || n.Kind == StepEnd && seen[key]
	}
	if !ends {
		all.addf("steps", "no end is ever reached")
	}
	if n := g.width(nil); len(*all) == 0 && n > MaxTokens {
		all.addf("steps", "an instance could be in %d branches at once, and %d are allowed", n, MaxTokens)
	}
}

// behind are the forks within which the steps behind a step lie.
func (g *graph) behind(n *node, all *faults) ([]string, bool) {
	switch n.Kind {
	case StepFork:
		if len(n.forks) >= maxCases {
			all.addf(stepField(n.at, n.Key, ""), "lies within %d forks, and fewer are allowed", len(n.forks))
			return nil, false
		}
		return append(slices.Clone(n.forks), n.Key), true
	case StepJoin:
		if len(n.forks) == 0 || g.nodes[n.forks[len(n.forks)-1]].Join != n.Key {
			all.addf(stepField(n.at, n.Key, ""), "is reached by no branch of a fork that names it as its join")
			return nil, false
		}
		return n.forks[:len(n.forks)-1], true
	case StepAction, StepWait, StepChoose, StepEnd:
	}
	return n.forks, true
}

// width is how many branches an instance may be in at once within the forks given.
func (g *graph) width(within []string) int {
	most := 1
	for _, n := range g.nodes {
		if n.Kind == StepFork && slices.Equal(n.forks, within) {
			most = max(most, min(len(n.Branches)*g.width(append(slices.Clone(within), n.Key)), MaxTokens+1))
		}
	}
	return most
}
