package transfer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// maxKnown is how many references an import remembers.
const maxKnown = 100_000

// lookups find what rows refer to.
type lookups struct {
	r       *runner
	known   map[link]crm.ID
	members map[string]crm.ID // by what they are called; nil until they were read
	keys    map[crm.ID]string // of members
	kinds   map[string]*crm.Records
	fields  map[string]map[string]crm.FieldInfo
}

func newLookups(r *runner) *lookups {
	return &lookups{r: r, known: map[link]crm.ID{}, kinds: map[string]*crm.Records{}, fields: map[string]map[string]crm.FieldInfo{}}
}

// forget drops what was found in a transaction that came to nothing.
func (l *lookups) forget() { clear(l.known) }

// resolve finds what the rows refer to, each text once, and returns the rows that can be
// written.
func (l *lookups) resolve(ctx context.Context, w *partWrite, rows []*task) ([]*ready, error) {
	wanted := map[link][]string{} // by field and by, the texts
	for _, t := range rows {
		for _, want := range t.taken.links {
			if _, ok := l.known[want]; !ok && want.field != "owner_id" {
				group := link{field: want.field, by: want.by}
				wanted[group] = append(wanted[group], want.text)
			}
		}
	}
	if len(l.known) > maxKnown {
		clear(l.known)
	}
	for _, group := range slices.SortedFunc(maps.Keys(wanted), func(a, b link) int { return strings.Compare(a.field+"\x00"+a.by, b.field+"\x00"+b.by) }) {
		texts := wanted[group]
		slices.Sort(texts)
		if err := l.find(ctx, group, slices.Compact(texts)); err != nil {
			return nil, err
		}
	}
	var out []*ready
	for _, t := range rows {
		row := &ready{task: t, values: maps.Clone(t.taken.values), flags: slices.Clone(t.taken.flags)}
		ok, err := l.links(ctx, w, row)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, row)
		}
	}
	return out, nil
}

// ambiguous stands for a text that several records have.
//
//nolint:gochecknoglobals // a constant
var ambiguous = crm.ID{1}

// links sets what a row refers to. A row of which something is missing is put off or
// fails.
func (l *lookups) links(ctx context.Context, w *partWrite, row *ready) (bool, error) {
	for _, want := range row.taken.links {
		if want.field == "owner_id" {
			id, err := l.owner(ctx, want.text)
			if err != nil {
				return false, err
			}
			if id.IsZero() {
				row.flags = append(row.flags, fmt.Sprintf("owner_id: no member is called %q, so who imports it is the owner", clip(want.text)))
			} else {
				row.values["owner_id"] = id
			}
			continue
		}
		f := l.r.kind.byName[want.field]
		id := l.known[want]
		secret := l.secret(f.Ref, want.by)
		called := quoted(want.text, secret)
		switch {
		case id == ambiguous:
			w.fail(row.task, fmt.Sprintf("%s: several %s are called %s: refer to one by a key", want.field, l.kinds[f.Ref].Plural(), called))
			return false, nil
		case !id.IsZero():
			row.values[want.field] = id
		case f.Tree || f.Ref == l.r.plan.Object:
			switch itself := same(row.values["name"], want.text); {
			case l.r.plan.KeepOrphans && !f.Required && (itself || w.final):
				row.flags = append(row.flags, fmt.Sprintf("%s: is left out, since no %s is called %s, or it is above itself in turn", want.field, f.Ref, called))
				continue
			case itself:
				w.fail(row.task, want.field+": would make a circle: the record is above itself")
			default:
				w.putOff(row.task, fmt.Sprintf("%s: no %s is called %s, or it is above itself in turn", want.field, f.Ref, called))
			}
			return false, nil
		case l.r.plan.CreateMissing && !secret: // which would be its name, in the clear
			made, err := l.make(ctx, w, row, f, want)
			if err != nil || !made {
				return false, err
			}
		case l.r.plan.KeepOrphans && !f.Required:
			row.flags = append(row.flags, fmt.Sprintf("%s: is left out, since no %s is called %s", want.field, f.Ref, called))
		default:
			w.fail(row.task, fmt.Sprintf("%s: no %s is called %s", want.field, f.Ref, called))
			return false, nil
		}
	}
	return true, nil
}

func same(name any, text string) bool {
	s, ok := name.(string)
	return ok && crm.Fold(s) == crm.Fold(text)
}

// find looks for the records that texts of one field name.
func (l *lookups) find(ctx context.Context, group link, texts []string) error {
	f := l.r.kind.byName[group.field]
	records, fields, err := l.kindOf(ctx, f.Ref)
	if err != nil {
		return err
	}
	for _, field := range l.ways(f.Ref, group.by) {
		if _, ok := fields[field]; !ok && !strings.HasPrefix(field, "refs.") {
			if group.by != "" {
				return crm.Invalid("columns", "%s: %s has no field %q to be found by", group.field, f.Ref, field)
			}
			continue
		}
		var left []string
		for part := range slices.Chunk(texts, crm.MaxFind) {
			found, err := records.Find(ctx, field, part)
			if err != nil {
				return err
			}
			for _, text := range part {
				switch ids := found[text]; len(ids) {
				case 0:
					left = append(left, text)
				case 1:
					l.known[link{group.field, group.by, text}] = ids[0]
				default:
					l.known[link{group.field, group.by, text}] = ambiguous
				}
			}
		}
		texts = left
	}
	return nil
}

// ways are the fields by which a reference to a kind is found, in turn.
func (l *lookups) ways(kind, by string) []string {
	if by != "" {
		return []string{by}
	}
	var ways []string
	for _, system := range l.r.plan.systems[kind] {
		ways = append(ways, "refs."+system)
	}
	if ways == nil {
		ways = []string{"refs." + l.r.plan.System}
	}
	return append(ways, "name", "key", "email")
}

// secret reports whether a text that a reference is found by may be a protected value.
func (l *lookups) secret(kind, by string) bool {
	return slices.ContainsFunc(l.ways(kind, by), func(field string) bool { return l.fields[kind][field].Protected })
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

// make creates a record that a row refers to by its name.
func (l *lookups) make(ctx context.Context, w *partWrite, row *ready, f *crm.FieldInfo, want link) (bool, error) {
	records, fields, err := l.kindOf(ctx, f.Ref)
	if err != nil {
		return false, err
	}
	values := crm.Values{"id": rowID(l.r.im.ID, row.number, 1+l.slot(want.field)), "name": want.text}
	if strings.HasPrefix(want.by, "refs.") {
		values[want.by] = want.text
	}
	if k, ok := fields["kind"]; ok && slices.Contains(k.Choices, "organisation") {
		values["kind"] = "organisation"
		for _, c := range l.r.plan.Columns {
			if c.Field == want.field && c.role.Role == heading.FullName && !legalForm(want.text) {
				values["kind"] = "person"
			}
		}
	}
	faults, err := records.Import(ctx, []crm.Values{values})
	if err != nil {
		return false, err
	}
	if fault := faults[0]; fault != nil {
		w.fail(row.task, fmt.Sprintf("%s: no %s is called %q, and none could be created: %s", want.field, f.Ref, clip(want.text), reasonOf(fault)))
		return false, nil
	}
	w.related++
	l.known[want] = values.ID()
	row.values[want.field] = values.ID()
	return true, nil
}

// slot is which of the references of the kind a field is.
func (l *lookups) slot(field string) int {
	n := 0
	for _, f := range l.r.kind.fields {
		if f.Name == field {
			return n % (sideSlot - 1)
		}
		if f.Ref != "" && !f.Kernel {
			n++
		}
	}
	return 0
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
