package crm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/tokens"
	"github.com/embedcrm/embedcrm/storage"
)

const (
	maxSearchText  = 500 // bytes of what is searched for
	maxSearchTerms = 32  // words of it
)

// Search returns the records that are found by a text: those with all of its words,
// wherever in the fields marked search, regardless of case, accents and width. The
// last word may be the beginning of one, from two characters on. Of Chinese, Japanese,
// Korean and Thai any part of a text is found; a telephone number however it is
// written, by its beginning or by its end of seven digits or more, and two numbers are
// taken for the same whose last nine digits are; an e-mail address by itself, its beginning, its
// words, and as @example.com by its domain. No record is found by a field that the
// actor may not read.
//
// First come the records that have all the words as they are, then those that have the
// beginning; among each the latest changed first, then the greater id. Where, Limit,
// After and WithDeleted are as for [Collection.List]; there is no other order. A text
// without a word finds nothing. One of more than 500 bytes or 32 words is ErrInvalid,
// and a kind without a field marked search; when the actor may read none of those it
// is ErrForbidden.
func (c *Collection[T]) Search(ctx context.Context, text string, opts ...ListOption) (Page[T], error) {
	o := listOptionsOf(opts)
	l, _, err := c.o.search(ctx, text, o)
	if err == nil {
		err = c.o.toldPage(ctx, o, l)
	}
	if err != nil {
		return Page[T]{}, failed("search", c.o.name, ID{}, err)
	}
	p := Page[T]{Items: make([]T, len(l.recs)), Next: l.next}
	for i, r := range l.recs {
		p.Items[i] = value[T](r)
	}
	return p, nil
}

// searching is one call of search.
type searching struct {
	*reader
	listOptions

	ctx    context.Context //nolint:containedctx // it lives for one call
	query  tokens.Query
	bound  []byte // what a cursor of it belongs to
	fields []*field
	where  storage.Expr // all but the words
}

// Records come by tier: those with every word as it is, then those with the beginning
// of the last.
const (
	tierExact = iota
	tierBegins
)

// spot is where a record stands in what is found.
type spot struct {
	tier    int
	updated time.Time
	id      ID
}

func (s *spot) compare(other *spot) int {
	return cmp.Or(cmp.Compare(s.tier, other.tier), other.updated.Compare(s.updated), bytes.Compare(other.id[:], s.id[:]))
}

// hit is a record that was found.
type hit struct {
	*rec
	spot
}

func (o *object) search(ctx context.Context, text string, opts listOptions) (*page, []hit, error) {
	s, err := o.searching(ctx, text, opts)
	if err != nil {
		return nil, nil, err
	}
	if len(s.query.Terms) == 0 {
		return &page{}, nil, nil
	}
	if s.where, err = s.reader.where(ctx, opts); err != nil {
		return nil, nil, err
	}
	tn, err := o.core.Tenants.of(ctx, s.sc.Tenant)
	if err != nil || tn == nil { // without a tenant there are no records
		return &page{}, nil, err
	}
	after, err := s.position(tn)
	if err != nil {
		return nil, nil, err
	}
	hits, more, err := s.find(after)
	if err != nil {
		return nil, nil, err
	}
	p := &page{}
	if more {
		if p.next, err = s.cursor(tn, &hits[len(hits)-1].spot); err != nil {
			return nil, nil, err
		}
	}
	for i := range hits {
		p.recs = append(p.recs, hits[i].rec)
	}
	return p, hits, o.core.shown(ctx, s.sc, o, s.access, p.recs)
}

// searching begins a call: what is looked for, where the actor may.
func (o *object) searching(ctx context.Context, text string, opts listOptions) (*searching, error) {
	r, err := o.readerFor(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &searching{reader: r, listOptions: opts, ctx: ctx}
	if s.limit == 0 {
		s.limit = DefaultPage
	}
	switch {
	case len(o.searched) == 0:
		return nil, Invalid("text", "%s are not searched: mark a field search", o.plural)
	case s.limit < 1 || s.limit > MaxPage:
		return nil, Invalid("limit", "a page has 1 to %d records, not %d", MaxPage, s.limit)
	case len(s.order) > 0:
		return nil, Invalid("order", "what is found comes in an order of its own: leave OrderBy out")
	case len(text) > maxSearchText:
		return nil, Invalid("text", "has %d bytes, and %d are allowed", len(text), maxSearchText)
	}
	for _, f := range o.searched {
		if !s.access.hides(f.name) {
			s.fields = append(s.fields, f)
		}
	}
	if len(s.fields) == 0 {
		return nil, forbidden("you may read none of the fields by which %s are found", o.plural)
	}
	if s.query = tokens.Parse(Fold(text)); len(s.query.Terms) > maxSearchTerms {
		return nil, Invalid("text", "has %d words or parts of words, and %d are allowed", len(s.query.Terms), maxSearchTerms)
	}
	like := listing{reader: s.reader, listOptions: s.listOptions}
	like.order = []string{"search", Fold(text)}
	s.bound = like.bound()
	return s, nil
}

// begins reports whether the last word may be the beginning of one.
func (s *searching) begins() bool { return s.query.Terms[len(s.query.Terms)-1].Prefix }

// words is the condition that a row of the index has all the words, each in a field
// the actor may read; exact is that it has the last one whole.
func (s *searching) words(exact, first bool) storage.Words {
	scopes := make([]string, len(s.fields))
	for i, f := range s.fields {
		scopes[i] = wordScope(s.sc.Tenant, s.name, f.name)
	}
	all := make([][]storage.Word, len(s.query.Terms))
	for i, term := range s.query.Terms {
		for _, scope := range scopes {
			for _, token := range term.Any {
				all[i] = append(all[i], storage.Word{Text: indexed(scope, token), Prefix: term.Prefix && !exact})
			}
		}
	}
	return storage.Words{Field: storage.F(searchTable.Words), All: all, First: first}
}

// ofKind is the condition that a row of the index is of the kind.
func (s *searching) ofKind() storage.Expr {
	return storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: s.name}
}

// searchBounds choose the way of finding. How many records have the words is not
// known before, and a word that half of them have must not cost what half of them do.
// So only so many rows of the index are read first. When that is all, these are the
// records to look at: a few are read and put in order here, more by the database. Else
// there are so many that going through the records in the order wanted, and asking
// each for its words, soon has a page of them.
type searchBounds struct {
	few   int // rows of the index that are read
	whole int // records that are put in order here
}

func defaultSearchBounds() searchBounds { return searchBounds{few: 2000, whole: 200} }

// find returns the records behind a spot, a page of them, and whether there are more.
func (s *searching) find(after *spot) ([]hit, bool, error) {
	ids, all, err := s.probe(false)
	if err != nil {
		return nil, false, err
	}
	var hits []hit
	if all && len(ids) <= s.core.bounds.whole {
		if hits, err = s.among(ids, after); err != nil {
			return nil, false, err
		}
		return hits[:min(len(hits), s.limit)], len(hits) > s.limit, nil
	}
	if !all {
		ids = nil
	}
	tier := tierExact
	if after != nil {
		tier = after.tier
	}
	for ; tier == tierExact || tier == tierBegins && s.begins(); tier++ {
		found, cut, err := s.inTier(tier, ids, after, s.limit+1-len(hits))
		if err != nil {
			return nil, false, err
		}
		hits = append(hits, found...)
		if cut || len(hits) > s.limit {
			return hits[:min(len(hits), s.limit)], true, nil
		}
		after = nil
	}
	return hits, false, nil
}

// probe reads which records have the words, and whether it read them all.
func (s *searching) probe(exact bool) (ids []any, all bool, err error) {
	var rows []*searchRow
	err = s.core.session(s.ctx).Read(s.ctx, s.sc.Tenant, &storage.Query{
		Table: searchTable, Columns: []int{1}, Unordered: true, Limit: s.core.bounds.few + 1,
		Where: storage.And{s.ofKind(), s.words(exact, true)},
	}, func() storage.Row {
		rows = append(rows, &searchRow{})
		return rows[len(rows)-1]
	})
	ids = make([]any, len(rows))
	for i, r := range rows {
		ids[i] = r.record
	}
	return ids, len(rows) <= s.core.bounds.few, err
}

// among reads those of the records that the call is about, and puts those behind a
// spot in order.
func (s *searching) among(ids []any, after *spot) ([]hit, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	recs, err := s.read(&storage.Query{Unordered: true, Limit: len(ids), Where: storage.And{oneOf(ids), s.where}})
	if err != nil {
		return nil, err
	}
	hits := make([]hit, 0, len(recs))
	for _, r := range recs {
		if !s.holds(r) {
			continue
		}
		tier := tierExact
		if !s.exact(r) {
			tier = tierBegins
		}
		if h := hitOf(r, tier); after == nil || h.compare(after) > 0 {
			hits = append(hits, h)
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return a.compare(&b.spot) })
	return hits, nil
}

func oneOf(ids []any) storage.Expr { return storage.In{Field: storage.F("id"), Values: ids} }

// read reads records.
func (s *searching) read(q *storage.Query) (recs []*rec, err error) {
	q.Table, q.Columns = s.table, s.access.columns()
	err = s.core.session(s.ctx).Read(s.ctx, s.sc.Tenant, q, func() storage.Row {
		recs = append(recs, s.newRec())
		return recs[len(recs)-1]
	})
	return recs, err
}

// tierOf is the condition that a record is of a tier; ids are those with the words, if
// they are all known.
func (s *searching) tierOf(tier int, ids []any) (storage.Expr, error) {
	if !s.begins() {
		if ids != nil {
			return oneOf(ids), nil
		}
		return s.having(s.words(true, false)), nil
	}
	// The whole word may be rare where its letters are not.
	whole, all, err := s.probe(true)
	switch {
	case err != nil:
		return nil, err
	case tier == tierExact && all:
		return oneOf(whole), nil
	case tier == tierExact:
		return s.having(s.words(true, false)), nil
	case ids != nil:
		return oneOf(without(ids, whole)), nil
	}
	return s.having(s.words(false, false), storage.Not{Expr: s.words(true, false)}), nil
}

// without are the ids that are not among others.
func without(ids, others []any) []any {
	known := make(map[any]bool, len(others))
	for _, id := range others {
		known[id] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id any) bool { return known[id] })
}

// having is the condition that a record has words.
func (s *searching) having(words ...storage.Expr) storage.Expr {
	return storage.Exists{
		Rel:   storage.Rel{Table: searchTable, Column: "record_id", Key: "id"},
		Where: append(storage.And{s.ofKind()}, words...),
	}
}

// inTier finds the records of a tier, at most n of them. It reports that it gave up
// before it had so many.
func (s *searching) inTier(tier int, ids []any, after *spot, n int) ([]hit, bool, error) {
	in, err := s.tierOf(tier, ids)
	if err != nil {
		return nil, false, err
	}
	q := &storage.Query{Order: []storage.Order{{Field: storage.F("updated"), Desc: true}}, Where: storage.And{s.where, in}}
	if after != nil {
		q.After = []any{after.updated, uuid.UUID(after.id)}
	}
	var hits []hit
	for range maxRounds {
		q.Limit = n - len(hits)
		recs, err := s.read(q)
		if err != nil {
			return nil, false, err
		}
		for _, r := range recs {
			if s.holds(r) {
				hits = append(hits, hitOf(r, tier))
			}
		}
		if len(recs) < q.Limit || len(hits) == n {
			return hits, false, nil
		}
		last := recs[len(recs)-1].meta()
		q.After = []any{last.Updated, uuid.UUID(last.ID)}
	}
	return hits, len(hits) > 0, nil
}

// maxRounds is how often a page is filled up for records that turned out not to hold
// a run of characters though they have each two of them.
const maxRounds = 100

func hitOf(r *rec, tier int) hit {
	m := r.meta()
	return hit{r, spot{tier, m.Updated, m.ID}}
}

// holds reports whether the fields hold the runs that are looked for.
func (s *searching) holds(r *rec) bool {
	for _, run := range s.query.Runs {
		if !slices.ContainsFunc(s.fields, func(f *field) bool {
			return slices.ContainsFunc(f.texts(r), func(text string) bool { return strings.Contains(Fold(text), run) })
		}) {
			return false
		}
	}
	return true
}

// exact reports whether a record that has the words has the last one whole.
func (s *searching) exact(r *rec) bool {
	if !s.begins() {
		return true
	}
	last := s.query.Terms[len(s.query.Terms)-1]
	return slices.ContainsFunc(s.fields, func(f *field) bool {
		list := s.fieldTokens(f, r)
		return slices.ContainsFunc(last.Any, func(token string) bool { return slices.Contains(list, token) })
	})
}

// cursor seals a spot.
func (s *searching) cursor(tn *tenant, at *spot) (string, error) {
	return tn.seal(s.bound, []json.RawMessage{canonical(at.tier), cursorValue(at.updated), canonical(uuid.UUID(at.id))})
}

// position opens the caller's cursor; nil is the beginning.
func (s *searching) position(tn *tenant) (*spot, error) {
	if s.after == "" {
		return nil, nil //nolint:nilnil // as said
	}
	texts, err := tn.open(s.bound, s.after)
	if err != nil {
		return nil, err
	}
	at := &spot{}
	if len(texts) != 3 || json.Unmarshal(texts[0], &at.tier) != nil || json.Unmarshal(texts[2], (*uuid.UUID)(&at.id)) != nil {
		return nil, errCursor
	}
	updated, err := cursorParse(storage.Time, texts[1])
	if err != nil {
		return nil, errCursor
	}
	at.updated, _ = updated.(time.Time)
	return at, nil
}
