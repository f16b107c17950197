package transfer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// resolve finds what the rows refer to, and returns the rows that can be written.
func (l *lookups) resolve(ctx context.Context, w *partWrite, rows []*task) ([]*ready, error) {
	all := make([]*ready, len(rows))
	for i, t := range rows {
		all[i] = &ready{task: t, asked: t.taken.asks(), flags: slices.Clone(t.taken.flags)}
	}
	if err := l.locate(ctx, asksOf(all)); err != nil {
		return nil, err
	}
	var out []*ready
	for _, row := range all {
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

// links sets what a row refers to. A row of which something is missing is put off or
// fails.
func (l *lookups) links(ctx context.Context, w *partWrite, row *ready) (bool, error) {
	for _, want := range row.links {
		if want.field == "owner_id" {
			if err := l.own(ctx, row, want.text); err != nil {
				return false, err
			}
			continue
		}
		switch to := l.known[want]; {
		case to.among != "":
			w.fail(row.task, l.ambiguous(want, to))
			return false, nil
		case !to.id.IsZero():
			l.refer(row, want, to)
		default:
			if kept, err := l.missing(ctx, w, row, want); err != nil || !kept {
				return false, err
			}
		}
	}
	return true, nil
}

// own gives a row the owner whom a source calls so, if he is a member.
func (l *lookups) own(ctx context.Context, row *ready, text string) error {
	id, err := l.owner(ctx, text)
	if err != nil {
		return err
	}
	if id.IsZero() {
		row.flags = append(row.flags, fmt.Sprintf("owner_id: no member is called %q, so who imports it is the owner", clip(text)))
		return nil
	}
	row.values["owner_id"] = id
	return nil
}

// refer sets what a link leads to, of what kind that is, and what it lies within where
// neither the row nor its record says that.
func (l *lookups) refer(row *ready, want link, to hit) {
	f := l.r.kind.byName[want.field]
	row.values[want.field] = to.id
	if f.Subject != "" {
		row.values[f.Subject] = to.kind
	}
	if f.Within != "" && want.in.IsZero() && row.values[f.Within] == nil {
		row.values[f.Within] = to.in
	}
}

// ambiguous is what is wrong with a link that leads to several records, and the cure.
func (l *lookups) ambiguous(want link, to hit) string {
	f := l.r.kind.byName[want.field]
	which, tells := "records of several kinds have the key "+quoted(want.text, false)+": "+to.among, f.Subject
	if f.Subject == "" || to.among == several {
		which = fmt.Sprintf("several %s are called %s", l.kinds[to.kind].Plural(), quoted(want.text, l.secret(to.kind, want)))
		if to.among == several {
			return want.field + ": " + which + ": refer to one by a key"
		}
		which, tells = which+", "+to.among, f.Within
	}
	return fmt.Sprintf("%s: %s: say which is meant by a column that goes into %s, or by its value in the plan's Set", want.field, which, tells)
}

// nowhere is why a link leads nowhere.
func (l *lookups) nowhere(want link) string {
	f := l.r.kind.byName[want.field]
	kind, inside := cmp.Or(f.Ref, want.kind), ""
	if kind == "" {
		return "no record has the key " + quoted(want.text, false)
	}
	if !want.in.IsZero() {
		inside = " of its " + l.r.kind.byName[f.Within].Ref
	}
	return fmt.Sprintf("no %s%s is called %s", kind, inside, quoted(want.text, l.secret(kind, want)))
}

// missing does with a row what is to be done where a reference leads nowhere, and reports
// whether the row is imported now.
func (l *lookups) missing(ctx context.Context, w *partWrite, row *ready, want link) (bool, error) {
	f := l.r.kind.byName[want.field]
	why := l.nowhere(want)
	orphan := l.r.plan.KeepOrphans && !f.Required
	if f.Tree || f.Ref == l.r.plan.Object {
		why += ", or it is above itself in turn"
		itself := same(row.values["name"], want.text)
		switch {
		case orphan && (itself || w.final):
		case itself:
			w.fail(row.task, want.field+": would make a circle: the record is above itself")
			return false, nil
		default:
			w.putOff(row.task, want.field+": "+why)
			return false, nil
		}
	} else if l.r.plan.CreateMissing && f.Subject == "" && !l.secret(f.Ref, want) { // which would be its name, in the clear
		return l.make(ctx, w, row, f, want)
	}
	if !orphan {
		w.fail(row.task, want.field+": "+why)
		return false, nil
	}
	row.flags = append(row.flags, want.field+": is left out, since "+why)
	if f.Subject != "" { // which says nothing alone
		delete(row.values, f.Subject)
	}
	return true, nil
}

func same(name any, text string) bool {
	s, ok := name.(string)
	return ok && crm.Fold(s) == crm.Fold(text)
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
	l.known[want] = hit{id: values.ID(), kind: f.Ref}
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
