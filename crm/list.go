package crm

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

const (
	// DefaultPage is how many records a page has that asks for no number.
	DefaultPage = 50
	// MaxPage is the most records of a page.
	MaxPage = 1000
)

// ListOption says which records are wanted, and how.
type ListOption func(*listOptions)

type listOptions struct {
	where   []condition
	order   []string
	limit   int
	after   string
	deleted bool
	merged  bool
	export  bool // those the actor has the right to export
	clear   bool // without what the actor sees in part
	actor   bool // of a ledger: under the actor's rights
	of      []ofCondition
	span    *Span
}

func listOptionsOf(opts []ListOption) listOptions {
	var o listOptions
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithDeleted includes deleted records.
func WithDeleted() ListOption { return func(o *listOptions) { o.deleted = true } }

// WithoutMasked leaves fields that the actor sees in part ([FieldMasked]) out of what is
// read, as if they were hidden: for modules that compare, send or keep what they read,
// where a part of a text would pass for another one. It is an option of Get, List, All and
// Search.
func WithoutMasked() ListOption { return func(o *listOptions) { o.clear = true } }

// WithMerged includes in a [Collection.History] what happened to the records that were
// merged into the record, as far as the actor may read them. The events are then in the
// order in which they were recorded.
func WithMerged() ListOption { return func(o *listOptions) { o.merged = true } }

// OrderBy sorts by fields, the first first; a minus sign before a name sorts
// downward: OrderBy("-amount", "name"). An absent value is lowest. A field of a
// record referred to is written company.name. What is equal is sorted by id. Text
// that is marked sort comes as people sort it, other text bytewise; money by
// currency, then amount. Without OrderBy the latest changed come first.
//
// A list by one custom field that is indexed or unique, and ready, has no limit: each
// page is a read of the index and one of the records, whatever the number of records,
// and one more where those without a value meet the others. Records in between that
// are not of the list are passed over, by further reads when they are many. With a
// filter, or where the actor may read some records only, one more read finds out
// whether so few are left that they are better sorted.
func OrderBy(fields ...string) ListOption {
	return func(o *listOptions) { o.order = append(o.order, fields...) }
}

// Limit asks for pages of n records, 1 to [MaxPage]; without it [DefaultPage].
func Limit(n int) ListOption { return func(o *listOptions) { o.limit = n } }

// After asks for the page behind a cursor, which [Page] gave for the same query of
// the same actor. An empty cursor is the beginning.
func After(cursor string) ListOption { return func(o *listOptions) { o.after = cursor } }

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Next is the cursor of the page behind this one; empty: there is none. It is
	// sealed: it tells nothing, and serves this query of this actor alone.
	Next string
}

// List returns a page of records. A record that is changed while one pages may be
// seen twice or not at all; every other one is seen once.
func (c *Collection[T]) List(ctx context.Context, opts ...ListOption) (Page[T], error) {
	l, err := c.o.listTold(ctx, listOptionsOf(opts))
	if err != nil {
		return Page[T]{}, failed("list", c.o.name, ID{}, err)
	}
	p := Page[T]{Items: make([]T, len(l.recs)), Next: l.next}
	for i, r := range l.recs {
		p.Items[i] = value[T](r)
	}
	return p, nil
}

// All returns every record of a list, read page by page: between two pages nothing
// is held, and the loop's body may write. An error ends it.
func (c *Collection[T]) All(ctx context.Context, opts ...ListOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		o := listOptionsOf(opts)
		if o.limit == 0 {
			o.limit = MaxPage
		}
		for {
			l, err := c.o.listTold(ctx, o)
			if err != nil {
				var none T
				yield(none, failed("list", c.o.name, ID{}, err))
				return
			}
			for _, r := range l.recs {
				if !yield(value[T](r), nil) {
					return
				}
			}
			if l.next == "" {
				return
			}
			o.after = l.next
		}
	}
}

// Count returns how many records there are.
func (c *Collection[T]) Count(ctx context.Context, opts ...ListOption) (int64, error) {
	n, err := c.o.count(ctx, listOptionsOf(opts))
	return n, failed("count", c.o.name, ID{}, err)
}

// page is what a list reads.
type page struct {
	recs []*rec
	next string
}

// listing is one call of list.
type listing struct {
	*reader
	listOptions

	terms []sortTerm
	by    *filter.Lookup // the index of the custom field it is sorted by, or nil
}

// sortTerm is a column a list is sorted by.
type sortTerm struct {
	field   storage.Field
	col     int // of the record itself, or -1
	desc    bool
	indexed bool
}

// listTold is list for who is given what was read.
func (o *object) listTold(ctx context.Context, opts listOptions) (*page, error) {
	p, err := o.list(ctx, opts)
	if err == nil {
		err = o.toldPage(ctx, opts, p)
	}
	return p, err
}

func (o *object) list(ctx context.Context, opts listOptions) (*page, error) {
	r, err := o.readerFor(ctx, opts)
	if err != nil {
		return nil, err
	}
	l := &listing{reader: r, listOptions: opts}
	if l.limit == 0 {
		l.limit = DefaultPage
	}
	if l.limit < 1 || l.limit > MaxPage {
		return nil, Invalid("limit", "a page has 1 to %d records, not %d", MaxPage, l.limit)
	}
	if err := l.sort(ctx); err != nil {
		return nil, err
	}
	where, err := r.where(ctx, opts)
	if err != nil {
		return nil, err
	}
	q := &storage.Query{Table: o.table, Columns: l.access.columns(), Where: where, Limit: l.limit + 1}
	if o.ledger() { // a position takes the whole key; what is hidden is taken out later
		q.Columns = o.read
	}
	for _, t := range l.terms {
		q.Order = append(q.Order, storage.Order{Field: t.field, Desc: t.desc})
		if t.col < 0 {
			q.Also = append(q.Also, t.field)
		} else if o.columns[t.col].dest == nil {
			q.Also = append(q.Also, t.field)
		}
	}
	tn, err := o.core.Tenants.of(ctx, l.sc.Tenant)
	if err != nil || tn == nil { // without a tenant there are no records
		return &page{}, err
	}
	if q.After, err = l.position(tn); err != nil {
		return nil, err
	}
	byIndex, err := l.byIndex(ctx, where)
	switch {
	case err != nil:
		return nil, err
	case byIndex:
		return l.readByIndex(ctx, tn, q)
	case q.After == nil:
		if err := l.sortable(ctx, where); err != nil {
			return nil, err
		}
	}
	return l.read(ctx, tn, q)
}

// where is the condition of a list: the caller's, as a group of its own behind the
// rights.
func (r *reader) where(ctx context.Context, opts listOptions) (storage.Expr, error) {
	var all storage.And
	switch {
	case opts.deleted:
	case !r.ledger():
		all = append(all, r.lives())
	case !r.sc.trusted:
		all = r.ofLiving()
	}
	for i, c := range opts.where {
		x, err := r.compileAny(ctx, c)
		if err != nil {
			return nil, whereFault(err, i, len(opts.where))
		}
		all = append(all, x)
	}
	for _, c := range opts.of {
		x, err := r.compileOf(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	if opts.span != nil {
		if r.ledger() {
			return nil, Invalid("span", "is of records, and rows of a ledger are none")
		}
		all = append(all, opts.span.within()...)
	}
	if opts.export {
		return r.access.exporting(all)
	}
	return r.access.reading(all), nil
}

// sort finds the columns a list is sorted by.
func (l *listing) sort(ctx context.Context) error {
	if len(l.order) == 0 && !l.ledger() { // whose order is that of its key
		l.order = []string{"-updated"}
	}
	if len(l.order) > storage.MaxOrder/2 {
		return Invalid("order", "a list is sorted by at most %d fields", storage.MaxOrder/2)
	}
	for _, text := range l.order {
		name, desc := strings.CutPrefix(text, "-")
		if err := l.sortBy(ctx, name, desc); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) sortBy(ctx context.Context, name string, desc bool) error {
	if custom, ok := strings.CutPrefix(name, "custom."); ok {
		return l.sortByCustom(ctx, name, custom, desc)
	}
	o, a, ref := l.object, l.access, (*storage.Ref)(nil)
	if step, rest, dotted := strings.Cut(name, "."); dotted {
		f := o.byName[step+"_id"]
		if f == nil || f.target == nil {
			return Invalid("order", "%s: there is no reference %s", name, step)
		}
		if err := a.readable(f.name); err != nil {
			return err
		}
		var err error
		if a, err = l.core.access(ctx, l.sc, f.target); err != nil {
			return err
		}
		if !a.everything() { // what may not be read must not show in an order
			return forbidden("%s: you may read some %s only, and cannot sort by what they hold", name, f.target.plural)
		}
		o, ref, name = f.target, &storage.Ref{Column: f.name, Table: f.target.table}, rest
	}
	f := o.byName[name]
	if f == nil {
		return Invalid("order", "%s: there is no such field", name)
	}
	if f.typ == TypeJSON || f.typ == TypeTags {
		return Invalid("order", "%s: holds %s, which has no order", name, f.typ)
	}
	if err := a.readable(name); err != nil {
		return err
	}
	if f.protected {
		return Invalid("order", "%s: %s", name, protectedHint)
	}
	add := func(col int) {
		t := sortTerm{field: storage.Field{Name: o.specs[col].Name, Ref: ref}, col: col, desc: desc}
		if ref != nil {
			t.col = -1
		}
		t.indexed = ref == nil && (f.sort || name == "updated" || name == "id") && len(l.terms) == 0
		l.terms = append(l.terms, t)
	}
	switch {
	case f.typ == TypeMoney:
		add(f.col + 1)
		add(f.col)
	case f.sortCol >= 0:
		add(f.sortCol)
	default:
		add(f.col)
	}
	return nil
}

// sortByCustom sorts by a field of the tenant's own.
func (l *listing) sortByCustom(ctx context.Context, name, custom string, desc bool) error {
	f, ok, err := l.core.customField(ctx, l.sc, l.object, custom)
	switch {
	case err != nil:
		return err
	case !ok:
		return Invalid("order", "%s: there is no such field", name)
	case f.At.Kind == storage.JSON:
		return Invalid("order", "%s: a set of texts has no order", name)
	case f.Protected:
		return Invalid("order", "%s: %s", name, protectedHint)
	}
	if err := l.access.readable(name); err != nil {
		return err
	}
	if f.Currency.Name != "" {
		l.terms = append(l.terms, sortTerm{field: f.Currency, col: -1, desc: desc})
	}
	l.terms = append(l.terms, sortTerm{field: f.At, col: -1, desc: desc})
	if len(l.order) == 1 {
		l.by = f.Lookup
	}
	return nil
}

// sortable refuses to sort more records than a list without an index may have.
func (l *listing) sortable(ctx context.Context, where storage.Expr) error {
	if l.ledger() && l.byKey(where) || len(l.terms) > 0 && l.terms[0].indexed || l.named(where) {
		return nil
	}
	n, err := count(ctx, l.core.session(ctx), l.sc.Tenant, l.table, where)
	if err == nil && n > int64(l.core.cfg.SortLimit) {
		err = Invalid("order", "%s: %d records are too many to sort without an index, and %d are allowed: filter more, or sort by a field marked sort",
			strings.TrimPrefix(l.order[0], "-"), n, l.core.cfg.SortLimit)
	}
	return err
}

// named reports whether a condition names the records, so that they are few enough to sort
// without counting them: by their ids or, of living ones, by a unique field.
func (l *listing) named(where storage.Expr) bool {
	one := func(at storage.Field) bool {
		f := l.byName[at.Name]
		return at.Ref == nil && at.Member == "" && (at.Name == "id" || f != nil && f.unique && !f.fold && !l.deleted)
	}
	switch x := where.(type) {
	case storage.And:
		return !l.ledger() && slices.ContainsFunc(x, l.named)
	case storage.In:
		return !l.ledger() && len(x.Values) <= l.core.cfg.SortLimit && one(x.Field)
	case storage.Is:
		_, field := x.Value.(storage.Field)
		return !l.ledger() && x.Op == storage.Eq && !field && one(x.Field)
	}
	return false
}

// read reads one page, and one record more, to know whether there is another.
func (l *listing) read(ctx context.Context, tn *tenant, q *storage.Query) (*page, error) {
	var rows []*listed
	err := l.core.session(ctx).Read(ctx, l.sc.Tenant, q, func() storage.Row {
		row := &listed{rec: l.newRec(), also: make([]any, len(q.Also))}
		rows = append(rows, row)
		return row
	})
	if err != nil {
		return nil, err
	}
	p := &page{}
	if len(rows) > l.limit {
		rows = rows[:l.limit]
		if p.next, err = l.cursor(tn, l.sortValues(rows[l.limit-1])); err != nil {
			return nil, err
		}
	}
	p.recs = make([]*rec, len(rows))
	for i, row := range rows {
		p.recs[i] = row.rec
	}
	if l.ledger() {
		for _, r := range p.recs {
			l.access.mask(r)
		}
		return p, nil
	}
	return p, l.core.shown(ctx, l.sc, l.object, l.access, p.recs)
}

// listed is a record of a list with what it was sorted by.
type listed struct {
	*rec

	also []any
}

// Dest is the record's, and behind its columns what else was asked for.
func (r *listed) Dest(i int) any {
	if n := len(r.o.columns); i >= n {
		return &r.also[i-n]
	}
	return r.rec.Dest(i)
}

// sortValues are the values of the order's terms, then the key.
func (l *listing) sortValues(r *listed) []any {
	values := make([]any, 0, len(l.terms)+1)
	also := 0
	for _, t := range l.terms {
		if t.col < 0 || l.columns[t.col].dest == nil {
			values = append(values, r.also[also])
			also++
			continue
		}
		values = append(values, r.Value(t.col))
	}
	for _, name := range l.table.Key {
		values = append(values, r.Value(l.table.Index(name)))
	}
	return values
}

func (o *object) count(ctx context.Context, opts listOptions) (int64, error) {
	r, err := o.readerFor(ctx, opts)
	if err != nil {
		return 0, err
	}
	where, err := r.where(ctx, opts)
	if err != nil {
		return 0, err
	}
	if !o.narrowed(where) {
		where = grouped(where)
	}
	return count(ctx, o.core.session(ctx), r.sc.Tenant, o.table, where)
}

// narrowed reports whether a condition is one of few records, or of a part that an index
// may find: where counts of what is related are better asked record by record.
func (o *object) narrowed(x storage.Expr) bool {
	indexed := func(f storage.Field) bool {
		if f.Ref != nil || f.Member != "" {
			return false
		}
		c := o.columns[o.table.Index(f.Name)].field
		return c.typ == TypeID || c.unique || c.sort || c.fold || c.name == "updated"
	}
	switch x := x.(type) {
	case storage.And:
		return slices.ContainsFunc(x, o.narrowed)
	case storage.Is:
		return indexed(x.Field)
	case storage.In:
		return indexed(x.Field)
	case storage.Prefix:
		return indexed(x.Field)
	case storage.Exists:
		return x.First
	}
	return false
}

// grouped is a condition whose counts of related rows are asked of all at once.
func grouped(x storage.Expr) storage.Expr {
	switch x := x.(type) {
	case storage.And:
		return storage.And(groupedAll(x))
	case storage.Or:
		return storage.Or(groupedAll(x))
	case storage.Not:
		return storage.Not{Expr: grouped(x.Expr)}
	case storage.Count:
		x.Grouped = true
		return x
	}
	return x
}

func groupedAll(list []storage.Expr) []storage.Expr {
	out := make([]storage.Expr, len(list))
	for i, x := range list {
		out[i] = grouped(x)
	}
	return out
}

// everything reports whether the actor may read every record of the object.
func (a *access) everything() bool {
	all, ok := a.reading(storage.And{}).(storage.And)
	return ok && len(all) == 0
}
