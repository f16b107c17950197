package transfer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Reconciliation holds what is there against what a former CRM's tables say.
type Reconciliation struct {
	// Objects are the kinds of records, each by the system that their keys are of.
	Objects []Reconciled `json:"objects"`
	// Owners are who owns rows, as the tables call them, those with most rows first.
	Owners []OwnerRows `json:"owners,omitempty"`
}

// Agrees reports whether every row with a key is there, no sum differs, and no reference
// leads nowhere. What is gone from the tables, and owners who are no members, are for
// somebody to look at, and not counted.
func (r Reconciliation) Agrees() bool {
	for _, o := range r.Objects {
		if o.Missing > 0 || o.Unread > 0 || len(o.Orphans) > 0 || slices.ContainsFunc(o.Sums, func(s Sum) bool { return s.Source != s.Target }) {
			return false
		}
	}
	return true
}

// Reconciled is one kind of record in the tables and here.
type Reconciled struct {
	Object string `json:"object"`
	System string `json:"system"`
	// Rows are those of the tables that have a value, Keys how many different keys they have,
	// and Unread how many have none or cannot be read.
	Rows   int64 `json:"rows"`
	Keys   int64 `json:"keys"`
	Unread int64 `json:"unread,omitempty"`
	// Here are the records that have a key of the system.
	Here int64 `json:"here"`
	// Missing are keys of the tables that no record here has; the first of them say why.
	Missing     int64        `json:"missing,omitempty"`
	MissingKeys []MissingKey `json:"missing_keys,omitempty"`
	// Gone are records here whose key no table has any more, and the first of their keys.
	Gone     int64    `json:"gone,omitempty"`
	GoneKeys []string `json:"gone_keys,omitempty"`
	// Sums are those of the numbers and amounts that columns go into.
	Sums []Sum `json:"sums,omitempty"`
	// Orphans are references that lead nowhere, by the column.
	Orphans []Orphan `json:"orphans,omitempty"`
}

// MissingKey is a row that is not here.
type MissingKey struct {
	Key string `json:"key"`
	// Reason is why, as far as it is known: in the report of a migration why its row failed, and
	// else what can be seen of the row.
	Reason string `json:"reason"`
}

// Sum is what a field comes to, in one currency if it is money.
type Sum struct {
	Field    string `json:"field"`
	Currency string `json:"currency,omitempty"`
	// Source is the sum of what the tables' cells say, and Target that of the records with
	// these keys here. Cells that are no numbers are in Unread, and count nothing.
	Source string `json:"source"`
	Target string `json:"target"`
	Unread int64  `json:"unread,omitempty"`
}

// Orphan is a column whose references lead nowhere.
type Orphan struct {
	Table  string `json:"table"`
	Column string `json:"column"`
	Rows   int64  `json:"rows"`
	// Examples are some of what it refers to.
	Examples []string `json:"examples"`
}

// OwnerRows is one owner in the tables.
type OwnerRows struct {
	Owner string `json:"owner"`
	// Member is the key of the member who it is; empty: nobody, so who imported is the owner.
	Member string `json:"member,omitempty"`
	Rows   int64  `json:"rows"`
}

const (
	// maxListed is how many keys a reconciliation lists of each sort.
	maxListed = 100
	// maxExamples is how many examples it gives.
	maxExamples = 5
	// maxOwners is how many owners it tells apart.
	maxOwners = 1000
)

// Reconcile holds what is there against a former CRM's tables: how many rows and records
// there are, which are missing or gone, what numbers and amounts come to, and which
// references lead nowhere. It reads the tables, and changes nothing. It counts what the
// actor may read, and remembers some 50 bytes for each row.
func (t *Transfer) Reconcile(ctx context.Context, m Migration) (Reconciliation, error) {
	mg, err := t.migrating(ctx, m)
	if err != nil {
		return Reconciliation{}, err
	}
	return mg.reconcile(ctx)
}

// reconciling is the tables of one kind and system being held against the records.
type reconciling struct {
	*Reconciled

	mg      *migrating
	records *crm.Records
	key     string
	seen    map[keyHash]struct{}
	sums    map[string]*fieldSum
	orphans map[*migrated]map[string]*Orphan
	owners  map[string]*OwnerRows
}

func (mg *migrating) reconcile(ctx context.Context) (Reconciliation, error) {
	var out Reconciliation
	owners := map[string]*OwnerRows{}
	type space struct{ object, system string }
	done := map[space]bool{}
	for _, first := range mg.tables {
		at := space{first.plan.Object, first.plan.System}
		if done[at] {
			continue
		}
		done[at] = true
		r := &reconciling{
			Reconciled: &Reconciled{Object: at.object, System: at.system}, mg: mg, records: first.kind.Records, key: first.plan.Key,
			seen: map[keyHash]struct{}{}, sums: map[string]*fieldSum{}, orphans: map[*migrated]map[string]*Orphan{}, owners: owners,
		}
		for _, x := range mg.tables {
			if x.plan.Object == at.object && x.plan.System == at.system {
				if err := r.table(ctx, x); err != nil {
					return out, err
				}
			}
		}
		if err := r.gone(ctx); err != nil {
			return out, err
		}
		r.finish()
		out.Objects = append(out.Objects, *r.Reconciled)
	}
	for _, o := range owners {
		out.Owners = append(out.Owners, *o)
	}
	slices.SortFunc(out.Owners, func(a, b OwnerRows) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), strings.Compare(a.Owner, b.Owner))
	})
	return out, nil
}

// rowSeen is one row of a part that is looked at.
type rowSeen struct {
	asked

	key    string
	reason string
}

// table looks at the rows of a table.
func (r *reconciling) table(ctx context.Context, x *migrated) error {
	run, err := r.mg.t.runner(ctx, headingsOf(x.plan), x.plan, Options{})
	if err != nil {
		return err
	}
	fields := r.summed(x)
	var part []*rowSeen
	flush := func() error {
		err := r.part(ctx, x, run.lookups, fields, part)
		part = part[:0]
		return err
	}
	err = r.mg.rows(ctx, x, func(_ Row, got *taken) error {
		r.Rows++
		row := &rowSeen{asked: got.asks()}
		row.key, _ = got.values[r.key].(string)
		if len(got.faults) > 0 {
			row.reason = reasons(got.faults)
		}
		if row.key == "" {
			r.Unread++
		}
		for _, name := range fields {
			r.add(name, got)
		}
		if part = append(part, row); len(part) < crm.MaxFind {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// headingsOf is a source without rows, of the columns of a plan.
func headingsOf(p Plan) Source {
	headings := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		headings[i] = c.Heading
	}
	return noRows(headings)
}

// summed are the numbers and amounts that columns of a table go into.
func (r *reconciling) summed(x *migrated) (names []string) {
	for _, f := range x.kind.fields {
		number := f.Type == crm.TypeInt || f.Type == crm.TypeDecimal || f.Type == crm.TypeMoney
		if number && !f.Kernel && slices.ContainsFunc(x.plan.Columns, func(c Column) bool { return c.Field == f.Name }) {
			names = append(names, f.Name)
		}
	}
	return names
}

// add adds what a row says to the sums of the tables.
func (r *reconciling) add(name string, got *taken) {
	s := r.sums[name]
	if s == nil {
		s = &fieldSum{of: map[string]*both{}}
		r.sums[name] = s
	}
	v, ok := got.values[name]
	switch {
	case ok:
		s.add(v, false)
	case slices.ContainsFunc(got.faults, func(f crm.Fault) bool { return f.Field == name }):
		s.unread++
	}
}

// part looks for some rows among the records, and adds up those it finds.
func (r *reconciling) part(ctx context.Context, x *migrated, l *lookups, fields []string, part []*rowSeen) error {
	if err := r.references(ctx, x, l, part); err != nil {
		return err
	}
	var keys []string
	for _, row := range part {
		if _, ok := r.seen[hashOf(row.key)]; row.key != "" && !ok {
			r.seen[hashOf(row.key)] = struct{}{}
			keys = append(keys, row.key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	r.Keys += int64(len(keys))
	found, err := r.records.Find(ctx, r.key, keys)
	if err != nil {
		return err
	}
	var ids []crm.ID
	for _, some := range found {
		ids = append(ids, some...)
	}
	for _, row := range part {
		if i, fresh := slices.BinarySearch(keys, row.key); fresh && len(found[row.key]) == 0 {
			keys = slices.Delete(keys, i, i+1) // once
			r.miss(x, row)
		}
	}
	return r.target(ctx, fields, ids)
}

// miss notes that a row's record is not here.
func (r *reconciling) miss(x *migrated, row *rowSeen) {
	r.Missing++
	if len(r.MissingKeys) < maxListed {
		reason := cmp.Or(x.refused[row.key], row.reason, "is not here: it was never imported, or deleted since, or refused for what only writing it shows")
		r.MissingKeys = append(r.MissingKeys, MissingKey{Key: clip(row.key), Reason: reason})
	}
}

// target adds what records have to the sums of what is here.
func (r *reconciling) target(ctx context.Context, fields []string, ids []crm.ID) error {
	for names := range slices.Chunk(fields, crm.MaxMeasures) {
		if len(ids) == 0 {
			return nil
		}
		var f crm.Figures
		for _, name := range names {
			f.Measures = append(f.Measures, crm.Measure{Fn: crm.FnSum, Field: name})
		}
		t, err := r.mg.t.core.Aggregate(ctx, r.Object, f, crm.Where("id in $1", ids))
		if err != nil {
			return err
		}
		for _, row := range t.Rows {
			for i, v := range row.Values {
				r.sums[names[i]].add(v, true)
			}
		}
	}
	return nil
}

// references looks at what rows refer to.
func (r *reconciling) references(ctx context.Context, x *migrated, l *lookups, part []*rowSeen) error {
	asks := make([]*asked, len(part))
	for i, row := range part {
		asks[i] = &row.asked
	}
	if err := l.locate(ctx, asks); err != nil {
		return err
	}
	for _, row := range part {
		for _, to := range row.links {
			if to.field == "owner_id" {
				if err := r.owner(ctx, l, to.text); err != nil {
					return err
				}
				continue
			}
			if !l.known[to].one() {
				r.orphan(x, to)
				row.reason = cmp.Or(row.reason, fmt.Sprintf("%s: %q leads nowhere", to.field, clip(to.text)))
			}
		}
	}
	return nil
}

// owner counts a row of an owner.
func (r *reconciling) owner(ctx context.Context, l *lookups, text string) error {
	o := r.owners[text]
	if o == nil {
		key, err := l.memberKey(ctx, text)
		if err != nil {
			return err
		}
		if len(r.owners) >= maxOwners {
			return nil
		}
		o = &OwnerRows{Owner: text, Member: key}
		r.owners[text] = o
	}
	o.Rows++
	return nil
}

// orphan counts a reference that leads nowhere.
func (r *reconciling) orphan(x *migrated, to link) {
	if r.orphans[x] == nil {
		r.orphans[x] = map[string]*Orphan{}
	}
	o := r.orphans[x][to.field]
	if o == nil {
		o = &Orphan{Table: x.Name, Column: to.field}
		if i := slices.IndexFunc(x.plan.Columns, func(c Column) bool { return c.Field == to.field && c.By == to.by }); i >= 0 {
			o.Column = x.plan.title(i)
		}
		r.orphans[x][to.field] = o
	}
	o.Rows++
	if text := clip(to.text); len(o.Examples) < maxExamples && !slices.Contains(o.Examples, text) {
		o.Examples = append(o.Examples, text)
	}
}

// gone counts the records that have a key, and those whose key no table has.
func (r *reconciling) gone(ctx context.Context) error {
	for v, err := range r.records.All(ctx) {
		if err != nil {
			return err
		}
		key, ok := v[r.key].(string)
		if !ok {
			continue
		}
		r.Here++
		if _, ok := r.seen[hashOf(key)]; !ok {
			r.Gone++
			if len(r.GoneKeys) < maxListed {
				r.GoneKeys = append(r.GoneKeys, clip(key))
			}
		}
	}
	slices.Sort(r.GoneKeys)
	return nil
}

// finish puts together what was found.
func (r *reconciling) finish() {
	for _, x := range r.mg.tables {
		for _, name := range slices.Sorted(maps.Keys(r.orphans[x])) {
			r.Orphans = append(r.Orphans, *r.orphans[x][name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.sums)) {
		s := r.sums[name]
		for _, currency := range slices.Sorted(maps.Keys(s.of)) {
			b := s.of[currency]
			r.Sums = append(r.Sums, Sum{Field: name, Currency: currency, Source: b.source.FloatString(b.scale), Target: b.target.FloatString(b.scale)})
		}
		if s.unread > 0 {
			if len(s.of) == 0 {
				r.Sums = append(r.Sums, Sum{Field: name, Source: "0", Target: "0"})
			}
			r.Sums[len(r.Sums)-1].Unread = s.unread
		}
	}
}

// fieldSum adds up a field, by currency.
type fieldSum struct {
	of     map[string]*both
	unread int64
}

type both struct {
	source, target big.Rat
	scale          int // digits behind the point
}

func (s *fieldSum) add(v any, target bool) {
	switch v := v.(type) {
	case int64:
		s.plus("", strconv.FormatInt(v, 10), target)
	case string:
		s.plus("", v, target)
	case crm.Money:
		s.plus(v.Currency, v.Amount(), target)
	case []crm.Money:
		for _, m := range v {
			s.plus(m.Currency, m.Amount(), target)
		}
	}
}

func (s *fieldSum) plus(currency, text string, target bool) {
	b := s.of[currency]
	if b == nil {
		b = &both{}
		s.of[currency] = b
	}
	var n big.Rat
	if _, ok := n.SetString(text); !ok {
		return
	}
	if _, fraction, ok := strings.Cut(text, "."); ok {
		b.scale = max(b.scale, len(fraction))
	}
	if target {
		b.target.Add(&b.target, &n)
	} else {
		b.source.Add(&b.source, &n)
	}
}
