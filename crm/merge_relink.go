package crm

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// relinkBatch is how many records that refer to an absorbed one are held in memory.
const relinkBatch = 500

// link is one way in which records refer to those of an object.
type link struct {
	of    *object
	name  string // in the log: the field, or "custom." and the key of one of the tenant's own
	where func(id ID) storage.Expr
	get   func(r *rec) ID
	set   func(r *rec, id ID)
	alone bool // only living records refer by it
	spare []any
}

// pointer is a pair of fields by which records of a kind refer to records of any kind.
type pointer struct {
	of           *object
	object, byID *field
}

// pointers are all there are: what hangs on records, and shares.
func (c *Core) pointers() []pointer {
	shares := c.Shares.o
	list := []pointer{{shares, shares.byName["object"], shares.byName["record_id"]}}
	for _, o := range c.order {
		if o.subject != nil {
			list = append(list, pointer{o, o.subjectKind, o.subject})
		}
	}
	return list
}

// links are all ways to refer to records of an object, in a fixed order.
func (o *object) links(ctx context.Context, tenant string) ([]link, error) {
	var list []link
	for _, name := range slices.Sorted(maps.Keys(o.relations)) {
		r := o.relations[name]
		list = append(list, link{
			of: r.of, name: r.by.name,
			where: func(id ID) storage.Expr {
				return storage.Is{Field: storage.F(r.by.name), Op: storage.Eq, Value: uuid.UUID(id)}
			},
			get: r.by.reference, set: r.by.refer,
		})
	}
	all, err := o.core.definitions(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, f := range all[name].all() {
			if f.ref != nil && f.ref.target == o {
				list = append(list, f.link(all[name].o))
			}
		}
	}
	for _, p := range o.core.pointers() {
		list = append(list, p.link(o))
	}
	return list, nil
}

// reference is the record a field refers to, or zero.
func (f *field) reference(r *rec) ID {
	id, _ := f.valueOf(r).(uuid.UUID)
	return ID(id)
}

func (f *field) valueOf(r *rec) any { return r.o.columns[f.col].get(r.p) }

// refer makes a field refer to a record.
func (f *field) refer(r *rec, id ID) { put(r.Dest(f.col), uuid.UUID(id)) }

func (f *customField) link(of *object) link {
	l := link{of: of, name: "custom." + f.Key}
	l.where = func(id ID) storage.Expr {
		if !f.promoted() || !f.Ready {
			return storage.Is{Field: storage.Field{Name: "custom", Member: f.Key, Kind: storage.Text}, Op: storage.Eq, Value: id.String()}
		}
		return storage.Exists{
			Rel: storage.Rel{Table: indexTable, Column: "record_id", Key: "id"}, First: true,
			Where: append(f.rows(), storage.Is{Field: storage.F("text_value"), Op: storage.Eq, Value: id.String()}),
		}
	}
	l.get = func(r *rec) ID {
		id, _ := r.meta().Custom[f.Name].(ID)
		return id
	}
	l.set = func(r *rec, id ID) { r.meta().Custom.Set(f.Name, id) }
	return l
}

func (p pointer) link(to *object) link {
	return link{
		of: p.of, name: p.byID.name,
		where: func(id ID) storage.Expr {
			return storage.And{
				storage.Is{Field: storage.F(p.object.name), Op: storage.Eq, Value: to.name},
				storage.Is{Field: storage.F(p.byID.name), Op: storage.Eq, Value: uuid.UUID(id)},
			}
		},
		get: p.byID.reference, set: p.byID.refer,
		alone: p.of.name == shareKind,
	}
}

// relinkAll makes all that refers to those absorbed refer to the survivor, notes what it
// changed, and returns how many references those were, by kind.
func (m *merging) relinkAll(ctx context.Context, row *mergeRow) (map[string]int64, error) {
	links, err := m.links(ctx, m.sc.Tenant)
	if err != nil {
		return nil, err
	}
	survivor := m.survivor.meta().ID
	moved := map[string]int64{}
	for _, l := range links {
		for _, r := range m.absorbed {
			from := r.meta().ID
			if l, err = m.sparing(ctx, l, from); err != nil {
				return nil, err
			}
			n, err := l.relink(ctx, from, survivor, func(recs []*rec) error {
				rows := make([]storage.Change, len(recs))
				for i, r := range recs {
					rows[i] = storage.Change{Action: storage.Insert, Table: moveTable, Row: storage.Values{
						row.id, l.of.name, l.name, uuid.UUID(r.meta().ID), uuid.UUID(from),
					}}
				}
				return m.core.session(ctx).Write(ctx, m.sc.Tenant, rows)
			})
			if err != nil {
				return nil, err
			}
			if n > 0 {
				moved[l.of.name] += n
			}
		}
	}
	return moved, nil
}

// sparing leaves out what is not relinked: the records of the merge themselves, which go
// back as they were, and shares with whom the survivor has one.
func (m *merging) sparing(ctx context.Context, l link, from ID) (link, error) {
	l.spare = nil
	if l.of == m.object {
		for id := range m.ids {
			l.spare = append(l.spare, uuid.UUID(id))
		}
	}
	if l.of.name != shareKind {
		return l, nil
	}
	type party struct{ member, team uuid.UUID }
	with := map[party]bool{}
	for _, id := range []ID{m.survivor.meta().ID, from} {
		err := l.of.eachRow(ctx, m.core.session(ctx), m.sc.Tenant, append(sharesOf(m.name, id), living(false)), []string{"id", "member_id", "team_id"}, func(r row) {
			p := party{uuid.UUID(r.id("member_id")), uuid.UUID(r.id("team_id"))}
			if id == from && with[p] {
				l.spare = append(l.spare, uuid.UUID(r.id("id")))
			}
			with[p] = with[p] || id != from
		})
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

// referring is how many references a merge would make lead to the survivor, by kind.
func (m *merging) referring(ctx context.Context) (map[string]int64, error) {
	links, err := m.links(ctx, m.sc.Tenant)
	if err != nil {
		return nil, err
	}
	total := map[string]int64{}
	for _, l := range links {
		for _, r := range m.absorbed {
			from := r.meta().ID
			if l, err = m.sparing(ctx, l, from); err != nil {
				return nil, err
			}
			n, err := count(ctx, m.core.session(ctx), m.sc.Tenant, l.of.table, l.referring(from))
			if err != nil {
				return nil, err
			}
			if n > 0 {
				total[l.of.name] += n
			}
		}
	}
	for _, r := range m.core.ledgersOf(m.object) {
		for _, a := range m.absorbed {
			n, err := count(ctx, m.core.session(ctx), m.sc.Tenant, r.of.table, r.refersTo(a.meta().ID))
			if err != nil {
				return nil, err
			}
			if n > 0 {
				total[r.of.name] += n
			}
		}
	}
	return total, nil
}

// referring is the condition on records that refer to one by the link.
func (l link) referring(id ID) storage.And {
	where := storage.And{l.where(id)}
	if l.alone {
		where = append(where, living(false))
	}
	if len(l.spare) > 0 {
		where = append(where, storage.Not{Expr: storage.In{Field: storage.F("id"), Values: l.spare}})
	}
	return where
}

// relink makes records, deleted ones too, refer to another one, a batch at a time.
func (l link) relink(ctx context.Context, from, to ID, note func([]*rec) error) (total int64, err error) {
	for {
		w, err := l.of.writer(ctx, VerbUpdate)
		if err != nil {
			return total, err
		}
		recs, err := w.holdWhere(ctx, l.referring(from))
		if err != nil || len(recs) == 0 {
			return total, err
		}
		if err := w.relinkSome(ctx, l, recs, func(*rec) ID { return to }); err != nil {
			return total, err
		}
		if err := note(recs); err != nil {
			return total, err
		}
		total += int64(len(recs))
	}
}

// holdWhere reads a batch of records and holds them.
func (w *writer) holdWhere(ctx context.Context, where storage.Expr) ([]*rec, error) {
	var recs []*rec
	err := w.core.session(ctx).Read(ctx, w.sc.Tenant, &storage.Query{
		Table: w.table, Columns: w.read, Where: where, Limit: relinkBatch, Unordered: true, Lock: true,
	}, func() storage.Row {
		recs = append(recs, w.newRec())
		return recs[len(recs)-1]
	})
	w.custom.show(recs...)
	return recs, err
}

// relinkSome makes records refer by a link to what to says. It is no verb of the actor's,
// and changes nothing but the reference: the kind's BeforeWrite, which may hold a record to
// what it refers to, is not asked, and what rules of today would refuse stays as it is.
func (w *writer) relinkSome(ctx context.Context, l link, recs []*rec, to func(*rec) ID) error {
	changes := make([]*change, len(recs))
	for i, r := range recs {
		c := &change{o: w.object, verb: VerbUpdate, event: "relinked", before: r, after: r.clone(), forced: true}
		l.set(c.after, to(r))
		w.stamp(c)
		if faults := w.customValues(c); len(faults) > 0 {
			return &InvalidError{Faults: faults}
		}
		c.after.freeze()
		c.diff()
		changes[i] = c
	}
	err := w.writeRows(ctx, changes)
	if err == nil {
		err = w.written(ctx, changes)
	}
	return err
}
