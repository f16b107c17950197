package crm

import (
	"strings"
)

// columns are those the actor may read, if only in part. Derived ones are never read.
func (a *access) columns() []int {
	if len(a.read.closed) == 0 {
		return a.o.read
	}
	cols := make([]int, 0, len(a.o.read))
	for _, i := range a.o.read {
		if name := a.o.columns[i].field.name; !a.read.closed[name] || a.read.masked[name] {
			cols = append(cols, i)
		}
	}
	return cols
}

// readable is nil if the actor may name the field in a filter, sort, group, facet,
// search or export: "custom.tier" is a custom field, and of "amount.currency" it is
// amount. For a field of another object, its access is asked.
func (a *access) readable(name string) error {
	if a.hides(name) {
		if a.veils(name) {
			return forbidden("%s: you may read it in part only", name)
		}
		return forbidden("%s: you may not read it", name)
	}
	return nil
}

// hides reports whether the actor may not read a field.
func (a *access) hides(name string) bool {
	if a.all {
		return false
	}
	if !strings.HasPrefix(name, "custom.") {
		name, _, _ = strings.Cut(name, ".")
	}
	return a.read.none() || isClosed(a.read.closed, name)
}

// hidesCustom reports whether there are single custom fields the actor may not read.
func (a *access) hidesCustom() bool {
	for name := range a.read.closed {
		if strings.HasPrefix(name, "custom.") {
			return !a.all
		}
	}
	return false
}

// veils reports whether the actor sees a field in part.
func (a *access) veils(name string) bool { return !a.all && !a.read.none() && a.read.masked[name] }

// clearOnly makes what the actor sees in part hidden: for what is computed with, or leaves
// the CRM.
func (a *access) clearOnly() { a.read.masked = nil }

// mask removes what the actor may not read, and leaves of masked texts their part. Who
// made a record and may read none sees of it what the kernel wrote.
func (a *access) mask(r *rec) {
	if a.all || !a.read.none() && len(a.read.closed) == 0 {
		return
	}
	for _, f := range a.o.fields {
		switch {
		case f.name == "custom" || a.o.closable(f.name) != "" || !a.hides(f.name):
		case a.veils(f.name):
			text, _ := r.Value(f.col).(string)
			put(r.Dest(f.col), orAbsent(Mask(text)))
		default:
			f.clear(r)
		}
	}
	if a.o.ledger() {
		return
	}
	m := r.meta()
	for name := range m.Custom {
		switch text, isText := m.Custom[name].(string); {
		case !a.hides("custom." + name):
		case isText && a.veils("custom."+name):
			m.Custom[name] = Mask(text)
		default:
			delete(m.Custom, name)
		}
	}
	if len(m.Custom) == 0 {
		m.Custom = nil
	}
}

// closes reports whether there may be fields the actor does not read or write.
func (a *access) closes() bool {
	if a.all {
		return false
	}
	p, err := a.permit(VerbUpdate)
	return err != nil || len(p.closed) > 0 || len(a.read.closed) > 0
}

// unmask gives back what mask removed for the actor's function, and refuses that he
// changed what he may not read or write: before is the record, seen what he was
// given, after what he made of it.
func (a *access) unmask(before, seen, after *rec) error {
	p, err := a.permit(VerbUpdate)
	if err != nil || len(p.closed) == 0 && len(a.read.closed) == 0 {
		return err
	}
	for _, f := range a.o.fields {
		if f.name == "custom" || a.o.closable(f.name) != "" {
			continue
		}
		if !f.same(seen, after) {
			if err := a.settable(p, f.name); err != nil {
				return err
			}
		}
		if a.hides(f.name) {
			f.copy(after, before)
		}
	}
	return a.unmaskCustom(p, before.meta(), seen.meta(), after.meta())
}

func (a *access) unmaskCustom(p permit, before, seen, after *Record) error {
	for _, custom := range []Custom{seen.Custom, after.Custom} {
		for name := range custom {
			if string(canonical(seen.Custom[name])) == string(canonical(after.Custom[name])) {
				continue
			}
			if err := a.settable(p, "custom."+name); err != nil {
				return err
			}
		}
	}
	for name, v := range before.Custom {
		if !a.hides("custom." + name) {
			continue
		}
		if after.Custom == nil {
			after.Custom = Custom{}
		}
		after.Custom[name] = v
	}
	return nil
}

// settable is nil if the actor may write a field.
func (a *access) settable(p permit, name string) error {
	switch {
	case a.veils(name):
		return forbidden("%s: you may read it in part, and not write it", name)
	case isClosed(a.read.closed, name):
		return forbidden("%s: you may not read it, nor write it", name)
	case isClosed(p.closed, name):
		return forbidden("%s: you may read it, and not write it", name)
	}
	return nil
}
