package crm

import (
	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// instancesWhole holds every instance against its process, its history and what it
// waits for.
func (ch *checker) instancesWhole() error {
	waits := int64(0)
	for q := (&storage.Query{Limit: MaxPage}); ; {
		list, err := ch.core.instances(ch.ctx, ch.tenant, q)
		if err != nil {
			return err
		}
		for _, in := range list {
			q.After = []any{in.id}
			n, err := ch.instance(in)
			if err != nil || len(*ch.found) >= maxProblems {
				return err
			}
			waits += n
		}
		if len(list) < q.Limit {
			break
		}
	}
	n, err := count(ch.ctx, ch.s, ch.tenant, waitTable, nil)
	if err == nil && n != waits {
		ch.problemf(uuid.Nil, "%d waits are noted, and instances have %d", n, waits)
	}
	return err
}

func (ch *checker) problemf(id uuid.UUID, format string, args ...any) {
	ch.addf(&object{name: instanceTable.Name}, ID(id), format, args...)
}

// instance holds one instance, and returns how many events it waits for.
func (ch *checker) instance(in *instance) (int64, error) {
	st, err := in.decode()
	if err != nil {
		ch.problemf(in.id, "its state cannot be read")
		return 0, nil //nolint:nilerr // that is what was found
	}
	of := func(t *storage.Table) (int64, error) {
		return count(ch.ctx, ch.s, ch.tenant, t, storage.Is{Field: storage.F("instance_id"), Op: storage.Eq, Value: in.id})
	}
	left, err := of(visitTable)
	if err != nil {
		return 0, err
	}
	if left != st.Seq-int64(len(st.Tokens)) {
		ch.problemf(in.id, "it left %d steps, and its history has %d", st.Seq-int64(len(st.Tokens)), left)
	}
	noted, err := of(waitTable)
	if err != nil {
		return 0, err
	}
	if !in.ended.IsZero() {
		if len(st.Tokens) > 0 || !in.due.IsZero() || noted > 0 {
			ch.problemf(in.id, "it has ended, and is somewhere still")
		}
		return noted, nil
	}
	s := &stage{core: ch.core, ctx: ch.ctx, tenant: ch.tenant}
	p, err := s.open(in, false)
	if err != nil {
		return 0, err
	}
	switch waits := p.st.waits(p.g); {
	case p.g.fault != nil:
		ch.problemf(in.id, "its process cannot be run")
		return noted, nil //nolint:nilerr // that is what was found
	case int64(len(waits)) != noted:
		ch.problemf(in.id, "it waits for %d events, and %d are noted", len(waits), noted)
	}
	if string(st.summary()) != in.state {
		ch.problemf(in.id, "it is %s, and noted as %s", st.summary(), in.state)
	}
	if in.due.IsZero() != st.due(in.updated).IsZero() {
		ch.problemf(in.id, "nobody would go on with it when its time comes")
	}
	for _, t := range st.Tokens {
		if p.g.nodes[t.Step] == nil && t.State != tokenStuck {
			ch.problemf(in.id, "it is at a step that its process has not")
		}
	}
	return noted, nil
}
