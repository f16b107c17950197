package crm

import (
	"context"
	"iter"
	"slices"
	"unsafe"

	"github.com/embedcrm/embedcrm/storage"
)

// Ledger is a list of rows that are no records: many, small and added to rather than
// changed, as what visitors do on a website, or who is in a segment. Rows have no
// versions, history, events, owner or custom fields, and no hooks. They are kept in the
// transaction of the context, and are the tenant's of the context.
//
// A Ledger is its module's. It looks at no rights, and a module gives its users what it
// has looked at: it asks [Collection.May] for the record that rows belong to before it
// writes them, and reads by the option [AsActor]. What every actor can ask himself is
// under his rights: a row belongs to the record of its reference with the tag word
// parent, in expressions of that kind, as in count(visits, .at > ago('30d')), and in
// [Core.Aggregate]. A ledger without parent is read by who has the right at level all.
//
// It is safe for any number of goroutines.
type Ledger[T any] struct{ o *object }

// LedgerOf is a ledger to [DefineLedger].
type LedgerOf[T any] struct {
	// Name is what one row is called, in the singular, by the rules of [Object.Name].
	// Its table is crm_name in SQLite and name in the schema of Postgres, with the
	// primary key (tenant, Key …).
	Name string
	// Plural is what rows are called together, and so the relation from the record they
	// belong to; empty: Name and an s.
	Plural string
	// Key names the fields that tell rows apart, in the order in which rows are
	// mostly asked for: the record they belong to, then a time, then what makes it
	// unique. They must have values. A field id of type [ID] among them that is zero
	// is given a new one.
	Key []string
	// Timeline says how rows appear in the timelines of records they refer to. The key
	// is then that reference, the time and an id, so that a page costs the same however
	// many there are.
	Timeline []Appearance
}

// DefineLedger makes a ledger known to a core, before [Core.Migrate]. T is a struct as
// for [Define], without the embedded Record; of the tags, required, max, enum, ref, as,
// parent, fold, personal and json mean for rows what they do for records. A
// struct that cannot be kept is ErrInvalid, naming the field.
//
// A record that rows refer to may be deleted; the rows stay, for when it is restored,
// and meanwhile nobody sees them. When it is purged they go with it, but for a
// reference that is neither required nor part of the key, which is emptied.
func DefineLedger[T any](c *Core, def LedgerOf[T]) (*Ledger[T], error) {
	if len(def.Key) == 0 {
		return nil, failed("define", def.Name, ID{}, Invalid("key", "a ledger has a key: the names of the fields that tell its rows apart"))
	}
	o, err := planned[T](c, def.Name, def.Plural, slices.Clone(def.Key))
	for _, x := range def.Timeline {
		if err == nil {
			err = o.appear(x)
		}
	}
	if err == nil {
		err = c.add(o)
	}
	if err != nil {
		return nil, failed("define", def.Name, ID{}, err)
	}
	return &Ledger[T]{o}, nil
}

// rows are copies of what a caller gave, as the engine sees them.
func (l *Ledger[T]) rows(given []T) []*rec {
	kept := slices.Clone(given)
	recs := make([]rec, len(kept))
	list := make([]*rec, len(kept))
	for i := range kept {
		recs[i] = rec{o: l.o, p: unsafe.Pointer(&kept[i]), v: &kept[i]} //nolint:gosec // by column.get alone
		list[i] = &recs[i]
	}
	return list
}

// Append adds rows, all or none. What their tags refuse is ErrInvalid, naming the row
// and its fields, and so is a reference to no living record; a key that is taken is
// ErrConflict.
func (l *Ledger[T]) Append(ctx context.Context, rows ...T) error {
	return failed("append", l.o.name, ID{}, l.o.enter(ctx, storage.Insert, l.rows(rows), nil))
}

// Add is Append, but that a row whose key is there stays as it is: what is sent twice is
// there once. It returns for each row whether it is new.
func (l *Ledger[T]) Add(ctx context.Context, rows ...T) ([]bool, error) {
	added := make([]bool, len(rows))
	if err := l.o.enter(ctx, storage.Add, l.rows(rows), added); err != nil {
		return nil, failed("add", l.o.name, ID{}, err)
	}
	return added, nil
}

// Put is Append, but that a row takes the place of the one with its key. Of two rows
// with one key the last stays.
func (l *Ledger[T]) Put(ctx context.Context, rows ...T) error {
	return failed("put", l.o.name, ID{}, l.o.enter(ctx, storage.Put, l.rows(rows), nil))
}

// List returns a page of rows. Without [OrderBy] they come in the order of the key. A
// list that is sorted by the key, or by the rest of it where [Where] holds its first
// fields to one value each, has no limit: OrderBy("-at") of one customer. Others sort
// up to Config.SortLimit rows.
func (l *Ledger[T]) List(ctx context.Context, opts ...ListOption) (Page[T], error) {
	return (&Collection[T]{l.o}).List(ctx, opts...)
}

// All returns every row of a list, read page by page, as [Collection.All] does.
func (l *Ledger[T]) All(ctx context.Context, opts ...ListOption) iter.Seq2[T, error] {
	return (&Collection[T]{l.o}).All(ctx, opts...)
}

// Count returns how many rows there are.
func (l *Ledger[T]) Count(ctx context.Context, opts ...ListOption) (int64, error) {
	return (&Collection[T]{l.o}).Count(ctx, opts...)
}

// Aggregate computes figures over the rows: see [Core.Aggregate], which is the same
// under the actor's rights, as this is with [AsActor].
func (l *Ledger[T]) Aggregate(ctx context.Context, f Figures, opts ...ListOption) (FigureTable, error) {
	o := listOptionsOf(opts)
	r, err := l.o.readerFor(ctx, o)
	if err != nil {
		return FigureTable{}, failed("aggregate", l.o.name, ID{}, err)
	}
	o.actor = false
	t, err := r.aggregate(ctx, f, o)
	return t, failed("aggregate", l.o.name, ID{}, err)
}

// AsActor reads a [Ledger] under the actor's rights: rows of living records that he may
// read, without the fields hidden from him. [Collection] does so in any case.
func AsActor() ListOption { return func(o *listOptions) { o.actor = true } }

// Remove removes the rows for which all conditions hold: [Where], [WhereOf] and
// [UnlessOf]. Without any it is ErrInvalid: Where("true") is all of them.
func (l *Ledger[T]) Remove(ctx context.Context, opts ...ListOption) error {
	return failed("remove", l.o.name, ID{}, l.o.clear(ctx, listOptionsOf(opts)))
}

// Expand adds a row for every living record of a kind that satisfies a condition,
// inside the database, and returns how many are new: one whose key is there stays. Each
// is the row given, but that the fields named by from have the value of the record's
// field:
//
//	n, err := members.Expand(ctx, "customer", crm.Filter{Text: "country == 'DE'"}, Member{SegmentID: dach, Since: now}, map[string]string{"customer_id": "id"})
//
// Like all of a Ledger it looks at no rights: the condition sees every record and field.
// [Where], [WhereOf], [UnlessOf] and [InSpan] say more of which records they are.
func (l *Ledger[T]) Expand(ctx context.Context, kind string, where Filter, row T, from map[string]string, opts ...ListOption) (int64, error) {
	n, err := l.o.expand(ctx, kind, where, l.rows([]T{row})[0], from, listOptionsOf(opts))
	return n, failed("expand", l.o.name, ID{}, err)
}
