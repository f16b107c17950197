package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// sideWrite is one record beside a row's own that is being written.
type sideWrite struct {
	side

	row    *ready
	values crm.Values
}

// sides writes what belongs to the records of rows. What is there already is left as it
// is, or gets what it lacks; so nothing is there twice when rows are imported again.
func (w *partWrite) sides(ctx context.Context, rows []*ready) error {
	byKind := map[string][]*sideWrite{}
	for _, row := range rows {
		for n, s := range row.taken.sides {
			x := &sideWrite{side: s, row: row, values: crm.Values{"id": rowID(w.runner.im.ID, row.number, sideSlot+n), w.kind.Kind() + "_id": row.id}}
			maps.Copy(x.values, s.values)
			byKind[s.kind] = append(byKind[s.kind], x)
		}
	}
	for _, name := range []string{sideAddress, sidePostal, sideEmployment} {
		list := byKind[name]
		if len(list) == 0 {
			continue
		}
		var err error
		if name == sideEmployment {
			if list, err = w.employers(ctx, list); err != nil {
				return err
			}
		}
		if err = w.sidesOfKind(ctx, w.kind.sides[name], list); err != nil {
			return err
		}
	}
	return nil
}

func (w *partWrite) sidesOfKind(ctx context.Context, k *kind, list []*sideWrite) error {
	there, err := w.sidesThere(ctx, k, list)
	if err != nil {
		return err
	}
	var fresh []*sideWrite
	for _, x := range list {
		known := there[x.row.id]
		i := slices.IndexFunc(known, func(v crm.Values) bool { return x.is(v) })
		switch {
		case i < 0 && x.own():
		case i < 0:
			there[x.row.id] = append(known, x.values)
			fresh = append(fresh, x)
		case x.adds(known[i]):
			if slices.ContainsFunc(fresh, func(f *sideWrite) bool { return f.values.ID() == known[i].ID() }) {
				x.fill(known[i])
				continue
			}
			if err := w.changeSide(ctx, k, x, known[i]); err != nil {
				return err
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	values := make([]crm.Values, len(fresh))
	for i, x := range fresh {
		values[i] = x.values
	}
	faults, err := k.Import(ctx, values)
	if errors.Is(err, crm.ErrForbidden) {
		faults, err = make([]error, len(fresh)), nil
		for i := range faults {
			faults[i] = crm.ErrForbidden
		}
	}
	if err != nil {
		return err
	}
	for i, x := range fresh {
		if faults[i] != nil {
			x.refused(faults[i])
			continue
		}
		x.row.changed = true
		w.related++
		w.add(k.Kind(), x.values.ID())
	}
	return nil
}

func (x *sideWrite) refused(err error) {
	x.row.flags = append(x.row.flags, x.title+": is left out: "+reasonOf(err))
}

// add notes that the import created a record beside the rows' own.
func (w *partWrite) add(kind string, id crm.ID) {
	if w.outcome.Added == nil {
		w.outcome.Added = map[string][]int64{}
	}
	w.outcome.Added[kind] = append(w.outcome.Added[kind], rowNumber(id))
}

// changeSide gives a record that is there what it lacks.
func (w *partWrite) changeSide(ctx context.Context, k *kind, x *sideWrite, was crm.Values) error {
	_, err := k.Update(ctx, was.ID(), func(v crm.Values) error {
		x.fill(v)
		return nil
	})
	switch {
	case err == nil:
	case errors.Is(err, crm.ErrInvalid), errors.Is(err, crm.ErrConflict), errors.Is(err, crm.ErrNotFound), errors.Is(err, crm.ErrForbidden):
		x.refused(err)
		return nil
	default:
		return err
	}
	x.fill(was)
	x.row.changed = true
	if w.outcome.Changed == nil {
		w.outcome.Changed = map[string][]crm.ID{}
	}
	w.outcome.Changed[k.Kind()] = append(w.outcome.Changed[k.Kind()], was.ID())
	return nil
}

// sidesThere are the records that belong to those of rows already, by these.
func (w *partWrite) sidesThere(ctx context.Context, k *kind, list []*sideWrite) (map[crm.ID][]crm.Values, error) {
	there := map[crm.ID][]crm.Values{}
	var ids []crm.ID
	for _, x := range list {
		if !x.row.created {
			ids = append(ids, x.row.id)
		}
	}
	slices.SortFunc(ids, func(a, b crm.ID) int { return slices.Compare(a[:], b[:]) })
	field := w.kind.Kind() + "_id"
	for part := range slices.Chunk(slices.Compact(ids), removePage) {
		for v, err := range k.All(ctx, crm.Where(field+" in $1", part)) {
			if err != nil {
				return nil, err
			}
			id, _ := v[field].(crm.ID)
			there[id] = append(there[id], v)
		}
	}
	return there, nil
}

func textOf(v crm.Values, name string) string {
	s, _ := v[name].(string)
	return s
}

// is reports whether a record is the one that a row speaks of.
func (x *sideWrite) is(v crm.Values) bool {
	if textOf(v, "kind") != textOf(x.values, "kind") {
		return false
	}
	switch x.kind {
	case sideAddress:
		return x.reaches(textOf(v, "value"))
	case sideEmployment:
		return v["other_id"] == x.values["other_id"]
	}
	for name, is := range x.side.values { // a postal address that says something else is another
		if was := textOf(v, name); was != "" && crm.Fold(was) != crm.Fold(fmt.Sprint(is)) {
			return false
		}
	}
	return true
}

// own reports whether an address is the record's own.
func (x *sideWrite) own() bool {
	return x.kind == sideAddress && x.reaches(textOf(x.row.values, textOf(x.values, "kind")))
}

// reaches reports whether an address is another one, in whatever form the two are. A
// phone number without the country's code is that which ends in it.
func (x *sideWrite) reaches(other string) bool {
	text := textOf(x.values, "value")
	kind := crm.AddressKind(textOf(x.values, "kind"))
	if other == "" || crm.Fold(text) == crm.Fold(other) {
		return other != ""
	}
	if kind != crm.AddressPhone {
		a, errA := crm.ParseAddress(kind, text)
		b, errB := crm.ParseAddress(kind, other)
		return errA == nil && errB == nil && a.Same(b)
	}
	a, b := phoneDigits(text), phoneDigits(other)
	if strings.HasPrefix(text, "+") && strings.HasPrefix(other, "+") || min(len(a), len(b)) < 6 {
		return a == b
	}
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

func phoneDigits(text string) string {
	return strings.TrimLeft(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text), "0")
}

// adds reports whether a row has a value that a record lacks.
func (x *sideWrite) adds(v crm.Values) bool {
	if x.kind == sideAddress {
		return false
	}
	for name, is := range x.side.values {
		if crm.Fold(textOf(v, name)) != crm.Fold(fmt.Sprint(is)) {
			return true
		}
	}
	return false
}

func (x *sideWrite) fill(v crm.Values) { maps.Copy(v, x.side.values) }

// employers finds the organisations that rows name, those of this part among them, and
// makes those there are not.
func (w *partWrite) employers(ctx context.Context, list []*sideWrite) ([]*sideWrite, error) {
	const field = sideEmployment + ".other_id"
	records, _, err := w.lookups.kindOf(ctx, w.kind.sides[sideEmployment].byName["other_id"].Ref)
	if err != nil {
		return nil, err
	}
	known := func(x *sideWrite) link {
		if x.by != "" {
			return link{field: field, by: x.by, text: x.link}
		}
		return link{field: field, text: crm.Fold(x.link)}
	}
	wanted := map[string]map[string]bool{} // names and keys, by the field they are of
	for _, x := range list {
		if _, ok := w.lookups.known[known(x)]; !ok {
			if wanted[x.by] == nil {
				wanted[x.by] = map[string]bool{}
			}
			wanted[x.by][x.link] = true
		}
	}
	for by, texts := range wanted {
		if err := w.findOrganisations(ctx, records, by, texts, field); err != nil {
			return nil, err
		}
	}
	var out []*sideWrite
	for _, x := range list {
		to := w.lookups.known[known(x)]
		id := to.id
		switch {
		case to.among != "":
			x.row.flags = append(x.row.flags, fmt.Sprintf("%s: is left out, since several organisations are called %q", x.title, clip(x.link)))
			continue
		case id.IsZero() && x.by != "":
			x.row.flags = append(x.row.flags, fmt.Sprintf("%s: is left out, since no organisation has the key %q", x.title, clip(x.link)))
			continue
		case id.IsZero() && w.plan.OnlyKnown:
			x.row.flags = append(x.row.flags, fmt.Sprintf("%s: is left out, since no organisation is called %q", x.title, clip(x.link)))
			continue
		case id.IsZero():
			made := crm.Values{"id": x.values["id"], "name": x.link, "kind": "organisation"}
			faults, err := records.Import(ctx, []crm.Values{made})
			if err != nil {
				return nil, err
			}
			if faults[0] != nil {
				x.refused(faults[0])
				continue
			}
			id = made.ID()
			w.related++
			w.add(records.Kind(), id)
			w.lookups.known[known(x)] = hit{id: id}
		}
		x.values["other_id"] = id
		out = append(out, x)
	}
	return out, nil
}

// findOrganisations looks organisations up by their names, or by another field.
func (w *partWrite) findOrganisations(ctx context.Context, records *crm.Records, by string, wanted map[string]bool, field string) error {
	for part := range slices.Chunk(slices.Sorted(maps.Keys(wanted)), crm.MaxFind) {
		found, err := records.Find(ctx, cmp.Or(by, "name"), part)
		if err != nil {
			return err
		}
		var ids []crm.ID
		for _, some := range found {
			ids = append(ids, some...)
		}
		organisation := map[crm.ID]bool{}
		for some := range slices.Chunk(ids, removePage) {
			for v, err := range records.All(ctx, crm.Where("id in $1 and kind == 'organisation'", some)) {
				if err != nil {
					return err
				}
				organisation[v.ID()] = true
			}
		}
		for name, some := range found {
			some = slices.DeleteFunc(some, func(id crm.ID) bool { return !organisation[id] })
			at := link{field: field, text: crm.Fold(name)}
			if by != "" {
				at = link{field: field, by: by, text: name}
			}
			switch len(some) {
			case 0:
			case 1:
				w.lookups.known[at] = hit{id: some[0]}
			default:
				w.lookups.known[at] = hit{id: some[0], among: several}
			}
		}
	}
	return nil
}
