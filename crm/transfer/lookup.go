package transfer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// maxKnown is how many references an import remembers.
const maxKnown = 100_000

// link is what a row refers to, to be found.
type link struct {
	field string
	by    string
	text  string
	kind  string // of what it refers to, where that may be of any kind and the row says which
	in    crm.ID // what that lies within, as a stage in a pipeline, where the row or its record says it
}

// group is what links have in common that are looked for together.
func (l link) group() link { return link{field: l.field, by: l.by, kind: l.kind} }

func compareLinks(a, b link) int {
	return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.by, b.by), strings.Compare(a.kind, b.kind), strings.Compare(a.text, b.text),
		slices.Compare(a.in[:], b.in[:]))
}

// asked is what a row says, and what it refers to.
type asked struct {
	values crm.Values
	links  []link
}

// hit is what a link leads to. The zero hit is nothing.
type hit struct {
	id    crm.ID
	kind  string
	in    crm.ID // what it lies within
	among string // it is one of several, which this tells apart
}

// one reports whether it is one record, and not one of several.
func (h hit) one() bool { return !h.id.IsZero() && h.among == "" }

// lookups find what rows refer to.
type lookups struct {
	r       *runner
	known   map[link]hit
	members map[string]crm.ID // by what they are called; nil until they were read
	keys    map[crm.ID]string // of members
	kinds   map[string]*crm.Records
	fields  map[string]map[string]crm.FieldInfo
}

func newLookups(r *runner) *lookups {
	return &lookups{r: r, known: map[link]hit{}, kinds: map[string]*crm.Records{}, fields: map[string]map[string]crm.FieldInfo{}}
}

// forget drops what was found in a transaction that came to nothing.
func (l *lookups) forget() { clear(l.known) }

// locate finds what rows refer to, each text once: first what stands for itself, then what
// lies within that.
func (l *lookups) locate(ctx context.Context, rows []*asked) error {
	if len(l.known) > maxKnown {
		clear(l.known)
	}
	if err := l.findAll(ctx, rows, false); err != nil {
		return err
	}
	if err := l.place(ctx, rows); err != nil {
		return err
	}
	return l.findAll(ctx, rows, true)
}

// within is the field in which what a field refers to lies, or empty.
func (l *lookups) within(field string) string {
	if f := l.r.kind.byName[field]; f != nil {
		return f.Within
	}
	return ""
}

// findAll finds the links that lie within others, or those that do not.
func (l *lookups) findAll(ctx context.Context, rows []*asked, within bool) error {
	var wanted []link
	for _, row := range rows {
		for _, want := range row.links {
			if _, ok := l.known[want]; !ok && want.field != "" && want.field != "owner_id" && (l.within(want.field) != "") == within {
				wanted = append(wanted, want)
			}
		}
	}
	slices.SortFunc(wanted, compareLinks)
	wanted = slices.Compact(wanted)
	for len(wanted) > 0 {
		n := 1
		for n < len(wanted) && wanted[n].group() == wanted[0].group() {
			n++
		}
		if err := l.find(ctx, wanted[0].group(), wanted[:n]); err != nil {
			return err
		}
		wanted = wanted[n:]
	}
	return nil
}

// place says of what lies within something else in which: that which the row says, or
// else that of its record as it is.
func (l *lookups) place(ctx context.Context, rows []*asked) error {
	var silent []*asked
	for _, row := range rows {
		for i := range row.links {
			if field := l.within(row.links[i].field); field != "" {
				if row.links[i].in = l.said(row, field); row.links[i].in.IsZero() {
					silent = append(silent, row)
				}
			}
		}
	}
	if len(silent) == 0 {
		return nil
	}
	known, err := l.r.known(ctx, silent)
	if err != nil {
		return err
	}
	var ids []crm.ID
	for _, some := range known {
		ids = append(ids, some...)
	}
	is, err := readAll(ctx, l.r.kind.Records, ids)
	if err != nil {
		return err
	}
	for _, row := range silent {
		if ids := known[l.r.keyOf(row.values)]; len(ids) == 1 {
			for i := range row.links {
				if field := l.within(row.links[i].field); field != "" && row.links[i].in.IsZero() {
					row.links[i].in, _ = is[ids[0]][field].(crm.ID)
				}
			}
		}
	}
	return nil
}

// said is what a row says that a field refers to.
func (l *lookups) said(row *asked, field string) crm.ID {
	if id, ok := row.values[field].(crm.ID); ok {
		return id
	}
	for _, to := range row.links {
		if h := l.known[to]; to.field == field && h.one() {
			return h.id
		}
	}
	return crm.ID{}
}

// find looks for what links of one group lead to.
func (l *lookups) find(ctx context.Context, group link, links []link) error {
	f := l.r.kind.byName[group.field]
	if f.Subject == "" {
		return l.findIn(ctx, f.Ref, group, links)
	}
	kinds := f.Subjects
	if group.kind != "" {
		kinds = []string{group.kind}
	}
	for _, kind := range kinds {
		if err := l.findIn(ctx, kind, group, links); err != nil && !errors.Is(err, crm.ErrForbidden) { // of what one may not read there is no sign
			return err
		}
	}
	return nil
}

// findIn looks for links among the records of a kind.
func (l *lookups) findIn(ctx context.Context, kind string, group link, links []link) error {
	records, fields, err := l.kindOf(ctx, kind)
	if err != nil {
		return err
	}
	for _, field := range l.ways(kind, group) {
		if _, ok := fields[field]; !ok && !strings.HasPrefix(field, "refs.") {
			if group.by != "" && len(l.r.kind.byName[group.field].Subjects) == 0 {
				return crm.Invalid("columns", "%s: %s has no field %q to be found by", group.field, kind, field)
			}
			continue
		}
		var left []link
		for part := range slices.Chunk(links, crm.MaxFind) {
			missed, err := l.findBy(ctx, records, field, group, part)
			if err != nil {
				return err
			}
			left = append(left, missed...)
		}
		links = left
	}
	return nil
}

// findBy looks for some links by one field, and returns those that lead nowhere by it.
func (l *lookups) findBy(ctx context.Context, records *crm.Records, field string, group link, links []link) (left []link, err error) {
	texts := make([]string, len(links))
	for i, want := range links {
		texts[i] = want.text
	}
	ids, err := findBy(ctx, records, field, slices.Compact(texts))
	if err != nil {
		return nil, err
	}
	s, err := l.scopes(ctx, records, group.field, ids)
	if err != nil {
		return nil, err
	}
	for _, want := range links {
		h, err := s.choose(ctx, want.in, ids[want.text])
		switch was := l.known[want]; {
		case err != nil:
			return nil, err
		case h.id.IsZero():
			left = append(left, want)
		case !was.id.IsZero(): // a record of another kind
			was.among = cmp.Or(was.among, was.kind) + ", " + records.Kind()
			l.known[want] = was
		default:
			h.kind = records.Kind()
			l.known[want] = h
		}
	}
	return left, nil
}

// findBy finds records by a field, which may be their id.
func findBy(ctx context.Context, records *crm.Records, field string, texts []string) (map[string][]crm.ID, error) {
	if field != "id" {
		return records.Find(ctx, field, texts)
	}
	text := map[crm.ID][]string{}
	var ids []crm.ID
	for _, t := range texts {
		if id, err := crm.ParseID(t); err == nil {
			text[id] = append(text[id], t)
			ids = append(ids, id)
		}
	}
	is, err := readAll(ctx, records, ids)
	if err != nil {
		return nil, err
	}
	found := map[string][]crm.ID{}
	for id := range is {
		for _, t := range text[id] {
			found[t] = []crm.ID{id}
		}
	}
	return found, nil
}

// readAll reads the records of ids, as far as they are there.
func readAll(ctx context.Context, records *crm.Records, ids []crm.ID) (map[crm.ID]crm.Values, error) {
	is := make(map[crm.ID]crm.Values, len(ids))
	for part := range slices.Chunk(ids, removePage) {
		for v, err := range records.All(ctx, crm.Where("id in $1", part)) {
			if err != nil {
				return nil, err
			}
			is[v.ID()] = v
		}
	}
	return is, nil
}

// ways are the fields by which a record of a kind is found, in turn: where it may be of any
// kind its keys alone.
func (l *lookups) ways(kind string, group link) []string {
	if group.by != "" {
		return []string{group.by}
	}
	var ways []string
	subject := len(l.r.kind.byName[group.field].Subjects) > 0
	if subject {
		ways = append(ways, "id")
	}
	systems := l.r.plan.systems[kind]
	if systems == nil {
		systems = []string{l.r.plan.System}
	}
	for _, system := range systems {
		ways = append(ways, "refs."+system)
	}
	if subject && group.kind == "" {
		return ways
	}
	return append(ways, "name", "key", "email")
}

// secret reports whether a text that a link is found by may be a protected value.
func (l *lookups) secret(kind string, want link) bool {
	return slices.ContainsFunc(l.ways(kind, want), func(field string) bool { return l.fields[kind][field].Protected })
}

// quoted is a text as reasons name it, which are kept in the clear.
func quoted(text string, secret bool) string {
	if secret {
		return "that (it is protected, and not shown)"
	}
	return strconv.Quote(clip(text))
}

func (l *lookups) kindOf(ctx context.Context, name string) (*crm.Records, map[string]crm.FieldInfo, error) {
	if l.kinds[name] == nil {
		r, err := l.r.t.core.Records(name)
		if err != nil {
			return nil, nil, err
		}
		list, err := r.Fields(ctx)
		if err != nil {
			return nil, nil, err
		}
		l.kinds[name], l.fields[name] = r, map[string]crm.FieldInfo{}
		for _, f := range list {
			l.fields[name][f.Name] = f
		}
	}
	return l.kinds[name], l.fields[name], nil
}

// owner is the member whom a source calls so.
func (l *lookups) owner(ctx context.Context, text string) (crm.ID, error) {
	if l.members == nil {
		records, _, err := l.kindOf(ctx, "member")
		if err != nil {
			return crm.ID{}, err
		}
		l.members, l.keys = map[string]crm.ID{}, map[crm.ID]string{}
		for m, err := range records.All(ctx) {
			if err != nil {
				return crm.ID{}, err
			}
			l.keys[m.ID()], _ = m["key"].(string)
			for _, name := range []string{"name", "email", "key", "refs." + l.r.plan.System} { // the surest last
				if s, ok := m[name].(string); ok && s != "" {
					l.members[crm.Fold(s)] = m.ID()
				}
			}
		}
	}
	if key, ok := l.r.plan.Owners[text]; ok {
		text = key
	}
	return l.members[crm.Fold(text)], nil
}
