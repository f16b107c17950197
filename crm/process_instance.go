package crm

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Instances are the processes that run, and those that ran. One is seen by those who
// may read its record.
type Instances struct{ core *Core }

// InstanceState is how an instance stands.
type InstanceState string

// The states. The first three are of instances that have not ended.
const (
	InstanceRunning   InstanceState = "running"   // it has something to do, now or when it tries again
	InstanceWaiting   InstanceState = "waiting"   // for a time, an event or an answer
	InstanceStuck     InstanceState = "stuck"     // a branch of it goes on only by hand
	InstanceDone      InstanceState = "done"      // it came to an end
	InstanceCancelled InstanceState = "cancelled" // it was ended from without
)

// Instance is one run of a process, on one record.
type Instance struct {
	ID        ID            `json:"id"`
	Process   string        `json:"process"`    // the process's key
	ProcessID ID            `json:"process_id"` // the version it runs on
	Object    string        `json:"object"`
	Record    ID            `json:"record"`
	State     InstanceState `json:"state"`
	// Positions are the steps it is at: one, or one in each branch; none when it has
	// ended.
	Positions []Position `json:"positions,omitempty"`
	// Result is the key of the end it came to.
	Result string `json:"result,omitempty"`
	// Variables are what its actions, and answers to callbacks, keep for later steps.
	Variables map[string]json.RawMessage `json:"variables,omitempty"`
	// Starter is who started it, as the history names actors.
	Starter string    `json:"starter"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"` // when it last moved
	Ended   time.Time `json:"ended,omitzero"`
}

// Position is a step an instance is at.
type Position struct {
	Step  string    `json:"step"`
	Since time.Time `json:"since"`
	// Until is when it goes on by itself at the latest; zero: it does not.
	Until time.Time `json:"until,omitzero"`
	// Stuck says that it goes on only by hand, and Uncertain that nobody knows whether
	// the step's action was done.
	Stuck     bool   `json:"stuck,omitempty"`
	Uncertain bool   `json:"uncertain,omitempty"`
	Attempts  int    `json:"attempts,omitempty"`
	Error     string `json:"error,omitempty"` // of the last attempt
}

// instance is a row of the table of instances, which is a queue.
type instance struct {
	id      uuid.UUID
	version int64
	bucket  int64
	due     time.Time
	of      uuid.UUID // the version of the process
	process string
	object  string
	record  uuid.UUID
	single  bool
	state   string
	result  string
	starter string
	started time.Time
	updated time.Time
	ended   time.Time
	body    json.RawMessage // a state
}

//nolint:gochecknoglobals // constants, which an adapter knows by their address
var (
	instanceTable = &storage.Table{Name: "process_instance", Key: []string{"id"}, Version: "version", Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "version", Kind: storage.Int}, {Name: "bucket", Kind: storage.Int},
		{Name: "due", Kind: storage.Time, Null: true}, {Name: "process_id", Kind: storage.ID}, {Name: "process", Kind: storage.Text},
		{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "single", Kind: storage.Bool},
		{Name: "state", Kind: storage.Text}, {Name: "result", Kind: storage.Text, Null: true}, {Name: "starter", Kind: storage.Text},
		{Name: "started", Kind: storage.Time}, {Name: "updated", Kind: storage.Time}, {Name: "ended", Kind: storage.Time, Null: true},
		{Name: "body", Kind: storage.JSON},
	}}
	// instanceMoved are the columns that change while an instance runs.
	instanceMoved = []int{3, 9, 10, 13, 14, 15}
	// waitTable says which instances wait for what of which record.
	waitTable = &storage.Table{Name: "process_wait", Key: []string{"instance_id", "visit"}, Columns: []storage.Column{
		{Name: "instance_id", Kind: storage.ID}, {Name: "visit", Kind: storage.Int}, {Name: "object", Kind: storage.Text},
		{Name: "record_id", Kind: storage.ID}, {Name: "event", Kind: storage.Text},
	}}
	// visitTable is the history: the steps that were left.
	visitTable = &storage.Table{Name: "process_visit", Key: []string{"instance_id", "visit"}, Columns: []storage.Column{
		{Name: "instance_id", Kind: storage.ID}, {Name: "visit", Kind: storage.Int}, {Name: "process_id", Kind: storage.ID},
		{Name: "step", Kind: storage.Text}, {Name: "entered", Kind: storage.Time}, {Name: "finished", Kind: storage.Time},
		{Name: "took", Kind: storage.Int}, {Name: "outcome", Kind: storage.Text, Null: true}, {Name: "actor", Kind: storage.Text},
		{Name: "reason", Kind: storage.Text, Null: true},
	}}
)

// Value returns column i.
func (in *instance) Value(i int) any {
	switch i {
	case 0:
		return in.id
	case 1:
		return in.version
	case 2:
		return in.bucket
	case 3:
		return orNever(in.due)
	case 4:
		return in.of
	case 5:
		return in.process
	case 6:
		return in.object
	case 7:
		return in.record
	case 8:
		return in.single
	case 9:
		return in.state
	case 10:
		return orAbsent(in.result)
	case 11:
		return in.starter
	case 12:
		return in.started
	case 13:
		return in.updated
	case 14:
		return orNever(in.ended)
	}
	return in.body
}

// Dest returns where column i is put.
func (in *instance) Dest(i int) any {
	return [...]any{
		&in.id, &in.version, &in.bucket, &in.due, &in.of, &in.process, &in.object, &in.record, &in.single, &in.state, &in.result, &in.starter,
		&in.started, &in.updated, &in.ended, &in.body,
	}[i]
}

// decode reads the instance's state.
func (in *instance) decode() (*state, error) {
	st := &state{}
	if err := json.Unmarshal(in.body, st); err != nil {
		return nil, Invalid("body", "the state of the instance cannot be read")
	}
	return st, nil
}

// public is the instance as it is shown.
func (in *instance) public() (Instance, error) {
	st, err := in.decode()
	if err != nil {
		return Instance{}, err
	}
	out := Instance{
		ID: ID(in.id), Process: in.process, ProcessID: ID(in.of), Object: in.object, Record: ID(in.record), State: InstanceState(in.state),
		Result: in.result, Variables: st.Vars, Starter: in.starter, Started: in.started, Updated: in.updated, Ended: in.ended,
	}
	for _, t := range st.Tokens {
		out.Positions = append(out.Positions, Position{
			Step: t.Step, Since: t.Since, Until: t.Due, Attempts: t.Tries, Error: t.Error,
			Stuck: t.State == tokenStuck || t.State == tokenUncertain, Uncertain: t.State == tokenUncertain,
		})
	}
	return out, nil
}

// saved gathers what the instances of a transaction become, so that it travels
// together.
type saved struct {
	rows, visits, gone, waits []storage.Change
}

// add takes an instance as a pass left it. before are the events it waited for.
func (s *saved) add(in *instance, p *pass, before map[int64]string) {
	in.updated, in.due, in.state = p.now, p.st.due(p.now), string(p.st.summary())
	if p.ended {
		in.ended, in.due, in.result, in.state = p.now, time.Time{}, p.result, string(InstanceDone)
		if p.result == "" {
			in.state = string(InstanceCancelled)
		}
		p.st.Rounds, p.st.Answers = nil, nil
	}
	in.body = canonical(p.st)
	s.rows = append(s.rows, storage.Change{Action: storage.Update, Table: instanceTable, Row: in, Columns: instanceMoved, Version: in.version})
	for i := range p.left {
		v := &p.left[i]
		actor := v.actor
		if actor == "" {
			actor = "system"
		}
		s.visits = append(s.visits, storage.Change{Action: storage.Insert, Table: visitTable, Row: storage.Values{
			in.id, v.Visit, in.of, v.Step, v.Since, v.at, max(v.at.Sub(v.Since).Microseconds(), 0), orAbsent(v.outcome), actor, orAbsent(v.reason),
		}})
	}
	after := p.st.waits(p.g)
	for visit := range before {
		if after[visit] == "" {
			s.gone = append(s.gone, storage.Change{Action: storage.Delete, Table: waitTable, Row: storage.Values{in.id, visit, "", uuid.Nil, ""}})
		}
	}
	for visit, event := range after {
		if before[visit] == "" {
			s.waits = append(s.waits, storage.Change{Action: storage.Insert, Table: waitTable, Row: storage.Values{in.id, visit, in.object, in.record, event}})
		}
	}
}

// write writes all of it, in the transaction of ctx.
func (s *saved) write(ctx context.Context, c *Core, tenant string) error {
	all := slices.Concat(s.rows, s.visits, s.gone, s.waits)
	for part := range slices.Chunk(all, storage.MaxChanges) {
		if err := c.session(ctx).Write(ctx, tenant, part); err != nil {
			return err
		}
	}
	return nil
}

// lock reads instances so that nobody else changes them till the transaction ends.
func (c *Core) lock(ctx context.Context, tenant string, ids ...uuid.UUID) ([]*instance, error) {
	values := make([]any, len(ids))
	for i, id := range ids {
		values[i] = id
	}
	return c.instances(ctx, tenant, &storage.Query{Where: storage.In{Field: storage.F("id"), Values: values}, Limit: len(ids), Lock: true})
}

func (c *Core) instances(ctx context.Context, tenant string, q *storage.Query) (list []*instance, err error) {
	q.Table = instanceTable
	err = c.session(ctx).Read(ctx, tenant, q, func() storage.Row {
		list = append(list, &instance{})
		return list[len(list)-1]
	})
	return list, err
}

// running counts the instances that run on a version.
func (is *Instances) running(ctx context.Context, process string, version ID) (int64, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return 0, err
	}
	return count(ctx, is.core.session(ctx), sc.Tenant, instanceTable, storage.And{
		storage.Is{Field: storage.F("process"), Op: storage.Eq, Value: process},
		storage.Is{Field: storage.F("process_id"), Op: storage.Eq, Value: uuid.UUID(version)},
		unended(),
	})
}

// unended is the condition that an instance has not ended.
func unended() storage.Expr { return storage.Absent{Field: storage.F("ended")} }
