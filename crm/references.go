package crm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxTree is how deep a tree of records may be.
const maxTree = 100

// refTable holds the keys of records in other systems, unique for a kind.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var refTable = &storage.Table{Name: "ref", Key: []string{"object", "source", "key"}, Columns: []storage.Column{
	{Name: "object", Kind: storage.Text}, {Name: "source", Kind: storage.Text}, {Name: "key", Kind: storage.Text},
	{Name: "record_id", Kind: storage.ID},
}}

// refRows are what a change does to the keys in other systems.
func (c *change) refRows() (rows []storage.Change) {
	var was, is Refs
	if c.before != nil {
		was = c.before.meta().Refs
	}
	if c.after != nil {
		is = c.after.meta().Refs
	}
	if len(was) == 0 && len(is) == 0 {
		return nil
	}
	row := func(refs Refs, source string) storage.Row {
		return storage.Values{c.o.name, source, refs[source], uuid.UUID(c.either().meta().ID)}
	}
	for _, source := range slices.Sorted(maps.Keys(was)) {
		if was[source] != is[source] {
			rows = append(rows, storage.Change{Action: storage.Delete, Table: refTable, Row: row(was, source)})
		}
	}
	for _, source := range slices.Sorted(maps.Keys(is)) {
		if was[source] != is[source] {
			rows = append(rows, storage.Change{Action: storage.Insert, Table: refTable, Row: row(is, source)})
		}
	}
	return rows
}

// refTaken says whose key in another system a record wanted.
func (w *writer) refTaken(ctx context.Context, c *change, cause error) error {
	for source, key := range c.after.meta().Refs {
		id, err := w.byRef(ctx, source, key)
		if err != nil {
			return err
		}
		if !id.IsZero() && id != c.after.meta().ID {
			conflict := &ConflictError{Field: "refs." + source, Reason: "another record has this key, living or deleted"}
			n, err := count(ctx, w.core.session(ctx), w.sc.Tenant, w.table, w.access.reading(storage.And{byID(id)}))
			if err == nil && n > 0 { // else it is none the actor may read
				conflict.Holder = id
			}
			return conflict
		}
	}
	return cause
}

// byRef returns the record that has a key in another system, or a zero ID.
func (w *writer) byRef(ctx context.Context, source, key string) (ID, error) {
	row := storage.Values{nil, nil, nil, uuid.Nil}
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{Table: refTable, Limit: 1, Where: storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: w.name},
		storage.Is{Field: storage.F("source"), Op: storage.Eq, Value: source},
		storage.Is{Field: storage.F("key"), Op: storage.Eq, Value: key},
	}}, func() storage.Row { return row })
	id, _ := row[3].(uuid.UUID)
	return ID(id), err
}

// exists reports whether a record, living or deleted, has an id.
func (w *writer) exists(ctx context.Context, id ID) bool {
	n, err := count(ctx, w.core.session(ctx), w.sc.Tenant, w.table, byID(id))
	return err == nil && n > 0
}

// taken says who has a value that must be unique.
func (w *writer) taken(ctx context.Context, c *change, f *field) error {
	conflict := &ConflictError{Field: f.name, Reason: "another record has this value"}
	var holder *rec
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: w.table, Columns: w.read, Limit: 1,
		Where: w.access.reading(storage.And{w.lives(), f.equals(c.after)}),
	}, func() storage.Row {
		holder = w.newRec()
		return holder
	})
	if err == nil && holder != nil {
		conflict.Holder = holder.meta().ID
	}
	return conflict // whether its holder could be found or not
}

// equals is the condition that a field has the value it has in r.
func (f *field) equals(r *rec) storage.Expr {
	col := f.col
	if f.foldCol >= 0 {
		col = f.foldCol
	}
	is := storage.Is{Field: storage.F(r.o.specs[col].Name), Op: storage.Eq, Value: r.Value(col)}
	if f.typ != TypeMoney {
		return is
	}
	return storage.And{is, storage.Is{Field: storage.F(r.o.specs[col+1].Name), Op: storage.Eq, Value: r.Value(col + 1)}}
}

// others says which records a change refers to, and what must hold for them.
type others struct {
	of   *object
	held bool // no foreign key makes who deletes one wait: the row is held instead
	seen bool // the actor need not be allowed to read them: they are known to him as owners
}

// ownerHeld reports whether a change gives the record to somebody else than the actor,
// who then must be there and stay. That the actor is there is known; of what he makes in
// the instant in which he is deleted see [Members.Release].
func (w *writer) ownerHeld(c *change, f *field, id uuid.UUID) bool {
	return f.kernel && ID(id) != w.access.me && (c.changed(f) || c.event == "restored")
}

// verifyReferences holds that what changes refer to is there, lives and may be
// read. It looks after the write: whoever was about to delete the other record has
// by then either finished, and is seen, or waits for this transaction.
func (w *writer) verifyReferences(ctx context.Context, changes []*change) error {
	type end struct {
		change int
		field  *field
	}
	wanted := map[others]map[uuid.UUID][]end{}
	want := func(o others, id uuid.UUID, e end) {
		if wanted[o] == nil {
			wanted[o] = map[uuid.UUID][]end{}
		}
		wanted[o][id] = append(wanted[o][id], e)
	}
	for i, c := range changes {
		if c.after == nil || c.event == "deleted" {
			continue
		}
		for _, f := range w.references {
			id, set := c.after.Value(f.col).(uuid.UUID)
			switch {
			case !set || !c.changed(f) && c.event != "restored":
			case !f.kernel:
				want(others{of: f.target}, id, end{i, f})
			case w.ownerHeld(c, f, id):
				want(others{of: f.target, held: true, seen: w.access.knows(ID(id))}, id, end{i, f})
			}
		}
		for _, ref := range w.customRefs(c) {
			known := ref.field.target == w.core.Members.o && w.access.knows(ID(ref.id))
			want(others{of: ref.field.target, held: ref.held, seen: known}, ref.id, end{i, ref.field})
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	faults := map[int][]Fault{}
	var to leads
	for o, ids := range wanted {
		missing, err := w.missing(ctx, o, slices.Collect(maps.Keys(ids)))
		if err == nil && len(missing) > 0 {
			to, err = to.and(o.of.currents(ctx, w.sc.Tenant, missing))
		}
		if err != nil {
			return err
		}
		for _, id := range missing {
			for _, e := range ids[id] {
				faults[e.change] = append(faults[e.change], Fault{e.field.name, "refers to no " + o.of.name + " that lives and that you may read"})
			}
		}
	}
	for i := range changes {
		if all := faults[i]; all != nil {
			slices.SortFunc(all, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
			err := at(i, len(changes), &InvalidError{Faults: all})
			if to != nil {
				err = &elsewhereError{to, err}
			}
			return err
		}
	}
	return nil
}

// missing returns which of the ids are no living records the actor may read.
func (w *writer) missing(ctx context.Context, o others, ids []uuid.UUID) ([]uuid.UUID, error) {
	target := o.of
	a, err := w.core.access(ctx, w.sc, target)
	if err != nil {
		return nil, err
	}
	may := a.reading
	if o.seen {
		may = func(where storage.And) storage.Expr { return where }
	}
	found := map[uuid.UUID]bool{}
	for part := range slices.Chunk(ids, storage.MaxPage) {
		among := byID(ID(part[0])) // of one, the plain comparison is planned quicker
		if len(part) > 1 {
			values := make([]any, len(part))
			for i, id := range part {
				values[i] = id
			}
			among = storage.In{Field: storage.F("id"), Values: values}
		}
		row := lifeRow{idCol: target.byName["id"].col}
		note := func() {
			if row.id != uuid.Nil && row.deleted.IsZero() {
				found[row.id] = true
			}
		}
		err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
			Table: target.table, Columns: []int{row.idCol, target.byName["deleted"].col}, Limit: len(part), Share: o.held && w.core.tx(ctx) != nil,
			Where: may(append(storage.And{among}, target.ofLiving()...)),
		}, func() storage.Row { note(); return &row })
		if err != nil {
			return nil, err
		}
		note()
	}
	return slices.DeleteFunc(ids, func(id uuid.UUID) bool { return found[id] }), nil
}

// idRow receives the id of a row, where nothing else is asked for.
type idRow struct{ id uuid.UUID }

// Value returns the id.
func (r *idRow) Value(int) any { return r.id }

// Dest returns where the id is put.
func (r *idRow) Dest(int) any { return &r.id }

// lifeRow receives the id of a record and when it was deleted, which is seen and not asked
// for: see [rec.gone].
type lifeRow struct {
	idCol   int
	id      uuid.UUID
	deleted time.Time
}

// Value returns the id.
func (r *lifeRow) Value(int) any { return r.id }

// Dest returns where a column is put.
func (r *lifeRow) Dest(i int) any {
	if i == r.idCol {
		return &r.id
	}
	return &r.deleted
}

// beforeWrite looks at what other records have to do with a change: none may refer
// to one that goes, and trees stay trees.
func (w *writer) beforeWrite(ctx context.Context, changes []*change) error {
	if w.access.rights != nil && w.access.rights.erased {
		if err := w.erasedBefore(ctx, changes); err != nil {
			return err
		}
	}
	for i, c := range changes {
		if c.after == nil || c.event == "deleted" {
			err := w.unused(ctx, c)
			if err == nil && c.after == nil {
				err = w.purgeParts(ctx, c.before.meta().ID)
			}
			if err != nil {
				return at(i, len(changes), err)
			}
			continue
		}
		for _, f := range w.references {
			if !f.tree || !c.changed(f) {
				continue
			}
			if err := w.acyclic(ctx, c, f); err != nil {
				return at(i, len(changes), err)
			}
		}
	}
	return nil
}

// unused refuses that a record goes while others refer to it: for a purge deleted
// ones too.
func (w *writer) unused(ctx context.Context, c *change) error {
	id := uuid.UUID(c.before.meta().ID)
	for _, name := range slices.Sorted(maps.Keys(w.relations)) {
		r := w.relations[name]
		if r.by.parent {
			continue // it goes and comes back with the record
		}
		where := storage.And{storage.Is{Field: storage.F(r.by.name), Op: storage.Eq, Value: id}}
		if c.after != nil {
			where = append(where, living(false))
		}
		n, err := count(ctx, w.core.session(ctx), w.sc.Tenant, r.of.table, where)
		if err != nil {
			return err
		}
		if n > 0 {
			return r.of.inUse(name, n, r.by.name)
		}
	}
	return w.unusedByCustom(ctx, c)
}

// inUse is the error that n records of the object refer by a field to one that was to
// go; they are the relation of this name.
func (o *object) inUse(relation string, n int64, by string) error {
	refer, them := "refer", "them"
	if n == 1 {
		refer, them = "refers", "it"
	}
	return &ConflictError{Field: relation, Reason: fmt.Sprintf("%s still %s to it by %s: change or delete %s first", o.counted(n), refer, by, them)}
}

// records says how many records do something.
func records(n int64, does, do string) string {
	if n == 1 {
		return "1 record " + does
	}
	return fmt.Sprintf("%d records %s", n, do)
}

// counted is a number of records of the object, in words.
func (o *object) counted(n int64) string {
	if n == 1 {
		return "1 " + o.name
	}
	return fmt.Sprintf("%d %s", n, o.plural)
}

// count returns how many rows satisfy a condition.
func count(ctx context.Context, s storage.Session, tenant string, t *storage.Table, where storage.Expr) (int64, error) {
	row := storage.Values{int64(0)}
	err := s.Aggregate(ctx, tenant, &storage.Aggregate{
		Table: t, Where: where, Measure: []storage.Measure{{Fn: storage.CountRows}},
	}, func() storage.Row { return row })
	n, _ := row[0].(int64)
	return n, err
}

// acyclic walks from the new parent to the root, and holds each record on the way,
// so that of two writers who would close a circle together one waits for the other.
func (w *writer) acyclic(ctx context.Context, c *change, f *field) error {
	id, set := c.after.Value(f.col).(uuid.UUID)
	for depth := 0; set; depth++ {
		if ID(id) == c.after.meta().ID {
			return Invalid(f.name, "would make a circle: the record is above itself")
		}
		if depth == maxTree {
			return Invalid(f.name, "would make a tree deeper than %d", maxTree)
		}
		row := storage.Values(make([]any, len(w.columns)))
		err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
			Table: w.table, Columns: []int{f.col}, Limit: 1, Lock: w.core.tx(ctx) != nil, Where: byID(ID(id)),
		}, func() storage.Row { return row })
		if err != nil {
			return err
		}
		id, set = row[f.col].(uuid.UUID)
	}
	return nil
}

// reason is what is wrong, in the words of a storage error, without what it is
// wrapped in.
func reason(err error) string {
	if known, ok := errors.AsType[*storage.Error](err); ok && known.Reason != "" {
		return known.Reason
	}
	return err.Error()
}

func idsOf(ids ...ID) []uuid.UUID {
	list := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		list[i] = uuid.UUID(id)
	}
	return list
}
