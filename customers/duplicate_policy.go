package customers

import (
	"context"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// DuplicateAction is what becomes of a customer who seems to be there already.
type DuplicateAction string

// The actions.
const (
	DuplicateAllow DuplicateAction = "allow" // he is kept, and nobody looks
	DuplicateWarn  DuplicateAction = "warn"  // he is kept, and those hear of it who listen by WithDuplicates
	DuplicateBlock DuplicateAction = "block" // he is refused, with a DuplicateError
)

// EntryPoint is by which way a customer comes in.
type EntryPoint string

// The entry points.
const (
	EntryAPI    EntryPoint = "api" // what says nothing else
	EntryForm   EntryPoint = "form"
	EntryImport EntryPoint = "import"
)

// DuplicatePolicy is what a tenant asks of new customers of one kind. Where there is none
// for a kind, nothing is looked for and nothing kept, and writing costs what it did.
//
// Once there is one, match keys are kept of every customer of the kind: hashes of his
// normal forms by which others find him. Those who were there before get theirs by a job
// ([Duplicates.BuildKeys]); until KeysVersion is set, who has none is not found.
type DuplicatePolicy struct {
	crm.Record

	// Kind is whom it is for. It never changes, and there is one policy for it.
	Kind Kind `crm:"required,enum=person|organisation|household,unique" json:"kind"`
	// Form, Import and API say what happens at each entry point; empty is allow. See [From].
	Form   DuplicateAction `crm:"enum=allow|warn|block" json:"form,omitempty"`
	Import DuplicateAction `crm:"enum=allow|warn|block" json:"import,omitempty"`
	API    DuplicateAction `crm:"enum=allow|warn|block" json:"api,omitempty"`
	// WarnFrom and BlockFrom are the probabilities of being the same, in percent, from
	// which on a customer is a candidate, and from which on block refuses; 0 is 50 and 90.
	WarnFrom  int64 `json:"warn_from"`
	BlockFrom int64 `json:"block_from"`
	// KeysVersion is the version of the match keys that every customer has; 0: they are
	// being made.
	KeysVersion int64 `crm:"guarded" json:"keys_version"`
}

var _ crm.Validator = (*DuplicatePolicy)(nil)

// Validate refuses percentages that are none.
func (p *DuplicatePolicy) Validate() error {
	var wrong crm.InvalidError
	for _, f := range []struct {
		name  string
		value int64
	}{{"warn_from", p.WarnFrom}, {"block_from", p.BlockFrom}} {
		if f.value < 0 || f.value > 99 {
			wrong.Faults = append(wrong.Faults, crm.Fault{Field: f.name, Reason: "is a probability in percent, from 1 to 99; 0 is what is usual"})
		}
	}
	if len(wrong.Faults) == 0 && p.blockFrom() < p.warnFrom() {
		wrong.Faults = append(wrong.Faults, crm.Fault{Field: "block_from", Reason: "is not below warn_from"})
	}
	if len(wrong.Faults) > 0 {
		return &wrong
	}
	return nil
}

func (p *DuplicatePolicy) warnFrom() float64  { return percent(p.WarnFrom, 50) }
func (p *DuplicatePolicy) blockFrom() float64 { return percent(p.BlockFrom, 90) }

func percent(n, usual int64) float64 {
	if n == 0 {
		n = usual
	}
	return float64(n) / 100
}

func (p *DuplicatePolicy) action(from EntryPoint) DuplicateAction {
	switch from {
	case EntryForm:
		return p.Form
	case EntryImport:
		return p.Import
	case EntryAPI:
	}
	return p.API
}

// DuplicatePolicies are a tenant's policies, at most one for each [Kind]. They are
// settings: a change holds at once for calls through the same core, and for other processes
// once Config.RightsLag has passed.
type DuplicatePolicies struct {
	crm.Collection[DuplicatePolicy]
}

// keysJob is the kind of the jobs, and the name of the schedule, that make match keys.
const keysJob = "customers.duplicate_keys"

func (d *Duplicates) definePolicies(core *crm.Core) error {
	kind, err := crm.Define(core, crm.Object[DuplicatePolicy]{
		Name: "duplicate_policy", Plural: "duplicate_policies", Known: true, BeforeWrite: beforeDuplicatePolicy, AfterWrite: d.policyWritten,
	})
	if err != nil {
		return err
	}
	d.policies, d.Policies = kind, &DuplicatePolicies{kind.Collection}
	return crm.HandleJob(core.Jobs, keysJob, d.keysJob, crm.Idempotent())
}

// beforeDuplicatePolicy holds that keys count as made only by who made them.
func beforeDuplicatePolicy(_ context.Context, w *crm.Write[DuplicatePolicy]) error {
	switch {
	case w.Before == nil || !w.Before.Deleted.IsZero():
		w.After.KeysVersion = 0
	case w.After.Kind != w.Before.Kind:
		return crm.Invalid("kind", "is %s, and stays so: create another policy", w.Before.Kind)
	}
	return nil
}

// policyWritten has keys made, or removed, for a policy that came or went.
func (d *Duplicates) policyWritten(ctx context.Context, w *crm.Write[DuplicatePolicy]) error {
	lives := func(p *DuplicatePolicy) bool { return p != nil && p.Deleted.IsZero() }
	if lives(w.Before) == lives(w.After) {
		return nil
	}
	either := w.After
	if either == nil {
		either = w.Before
	}
	jobs, system := d.people.core.Jobs, crm.SystemIn(ctx)
	known, err := jobs.Schedules(system)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(known, func(s crm.Schedule) bool { return s.Name == keysJob }) {
		if err := jobs.Schedule(system, crm.Schedule{Name: keysJob, Kind: keysJob, Cron: "@daily"}); err != nil {
			return err
		}
	}
	_, err = jobs.Enqueue(system, crm.Job{Kind: keysJob, Key: string(either.Kind), Payload: keysOrder{Kind: either.Kind, Again: true}})
	return err
}

// policyOf is the policy for a kind of customer; nil: there is none.
func (d *Duplicates) policyOf(ctx context.Context, kind Kind) (*DuplicatePolicy, error) {
	known, err := d.policies.Known(ctx)
	for _, p := range known {
		if p.Kind == kind {
			return p, err
		}
	}
	return nil, err
}

type entryKey struct{}

// From returns a context in which customers come in by an entry point, for which a
// [DuplicatePolicy] may say something else than for others. Without it that is [EntryAPI].
func From(ctx context.Context, p EntryPoint) context.Context {
	return context.WithValue(ctx, entryKey{}, p)
}

func entryPoint(ctx context.Context) EntryPoint {
	if p, ok := ctx.Value(entryKey{}).(EntryPoint); ok {
		return p
	}
	return EntryAPI
}

type confirmedKey struct{}

// Confirmed returns a context in which no customer is refused or warned of as a duplicate:
// somebody saw the candidates, and said that it is another one. Whom a host lets say so is
// the host's to decide.
func Confirmed(ctx context.Context) context.Context {
	return context.WithValue(ctx, confirmedKey{}, true)
}

func isConfirmed(ctx context.Context) bool { return ctx.Value(confirmedKey{}) != nil }
