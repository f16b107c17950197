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

// The kinds of records in which a row's further values are kept, where a module defines
// them and they belong to the kind that is imported.
const (
	sideAddress    = "identity"       // a further e-mail address or phone number
	sidePostal     = "postal_address" // where somebody is
	sideEmployment = "relationship"   // where a person works
)

// side is a record beside the row's own: one that belongs to it.
type side struct {
	kind   string
	values crm.Values
	link   string // the name of what it refers to besides
	by     string // the field the link is found by; empty: the name
	title  string // of its columns, for messages
}

// sideColumns are the columns of one side, such as "postal_address[billing]".
type sideColumns struct {
	kind   *kind
	sort   string // what its field "kind" says
	fields map[string][]int
	order  []string
}

// cutSide cuts a target such as "postal_address[billing 2].city" into the side it is of,
// and its kind, its sort and its field.
func cutSide(target string) (of, kind, sort, field string, ok bool) {
	of, field, ok = strings.Cut(target, "].")
	if !ok {
		return "", "", "", "", false
	}
	kind, sort, ok = strings.Cut(of, "[")
	sort, _, _ = strings.Cut(sort, " ")
	return of + "]", kind, sort, field, ok
}

// sidesOf are the kinds of records that belong to one and get what rows have besides.
func (t *Transfer) sidesOf(ctx context.Context, object string) map[string]*kind {
	out := map[string]*kind{}
	for _, name := range []string{sideAddress, sidePostal, sideEmployment} {
		records, err := t.core.Records(name)
		if err != nil {
			continue // no module defines it
		}
		k, err := describe(ctx, records)
		if err != nil {
			continue // the actor reads none
		}
		if f := k.byName[object+"_id"]; f != nil && f.Ref == object && k.byName["kind"] != nil {
			out[name] = k
		}
	}
	return out
}

// sideTarget refuses a target of a side that there is not.
func (k *kind) sideTarget(target string) error {
	_, name, sort, field, _ := cutSide(target)
	of := k.sides[name]
	if of == nil {
		return crm.Invalid("columns", "%q: no %s belongs to a %s", target, name, k.Kind())
	}
	if choices := of.byName["kind"].Choices; sort == "" || len(choices) > 0 && !slices.Contains(choices, sort) {
		return crm.Invalid("columns", "%q: say which it is, as in %s[…].%s: %s", target, name, field, strings.Join(choices, ", "))
	}
	f := of.byName[field]
	if f == nil || f.Kernel || f.Computed || field == "kind" || field == k.Kind()+"_id" {
		return crm.Invalid("columns", "%q: nothing can be imported into the %s of %s", target, field, name)
	}
	return nil
}

// streetParts are what a street is put together of, in their order.
//
//nolint:gochecknoglobals // a constant
var streetParts = []heading.Role{heading.Street, heading.HouseNumber, heading.Street2, heading.PostBox, heading.Address}

// bySide takes a column for a record that belongs to the row's.
func (g *guesser) bySide(c *Column) bool {
	field := ""
	switch c.role.Role {
	case heading.JobTitle:
		return g.employment(c, "title")
	case heading.Department:
		return g.employment(c, "department")
	case heading.Organisation:
		return g.employment(c, "other_id")
	case heading.City:
		field = "city"
	case heading.District:
		field = "district"
	case heading.State:
		field = "region"
	case heading.Postcode:
		field = "postal_code"
	case heading.Street, heading.HouseNumber, heading.Street2, heading.PostBox, heading.Address:
		field, c.Part = "street", c.role.Role
	}
	if field == "" || g.kind.sides[sidePostal] == nil {
		c.Part = ""
		return false
	}
	if c.Part == heading.Address {
		c.Note = "counts where the parts of the address have no value"
	}
	c.Field = g.place(c.role) + "." + field
	return true
}

func (g *guesser) employment(c *Column, field string) bool {
	if g.kind.sides[sideEmployment] == nil {
		return false
	}
	c.Field = sideEmployment + "[works_at]." + field
	return true
}

// place is the postal address that a column is a part of. Each that headings tell apart
// is one.
func (g *guesser) place(m heading.Meaning) string {
	key := placeOf(m)
	if g.places == nil {
		g.places = map[string]string{}
	}
	if of, ok := g.places[key]; ok {
		return of
	}
	sort := m.Place
	switch {
	case m.Of == "organisation" && sort == "":
		sort = "work"
	case !slices.Contains([]string{"home", "work", "billing", "shipping"}, sort):
		sort = "other"
	}
	of := sidePostal + "[" + sort + "]"
	for n := 2; slices.Contains(sortedValues(g.places), of); n++ {
		of = fmt.Sprintf("%s[%s %d]", sidePostal, sort, n)
	}
	g.places[key] = of
	return of
}

func sortedValues(m map[string]string) (list []string) {
	for _, v := range m {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

// placeOf tells apart the postal addresses that headings speak of.
func placeOf(m heading.Meaning) string {
	return fmt.Sprint(m.Place, " ", m.Of == "organisation", " ", max(m.Number, 1))
}

// newSides are the sides that a plan has columns for. A column for the country of the
// record says that of the postal address too, and one for an organisation's name says
// where a person works.
func (r *cellReader) newSides() {
	at := map[string]*sideColumns{}
	places := map[string]string{}
	add := func(of, kind, sort, field string, i int) {
		if at[of] == nil {
			at[of] = &sideColumns{kind: r.kind.sides[kind], sort: sort, fields: map[string][]int{}}
			r.sides = append(r.sides, at[of])
		}
		if _, ok := at[of].fields[field]; !ok {
			at[of].order = append(at[of].order, field)
		}
		at[of].fields[field] = append(at[of].fields[field], i)
	}
	for i, c := range r.plan.Columns {
		if of, kind, sort, field, ok := cutSide(c.Field); ok {
			add(of, kind, sort, field, i)
			if kind == sidePostal {
				places[placeOf(c.role)] = of
			}
		}
	}
	for i, c := range r.plan.Columns {
		if of, ok := places[placeOf(c.role)]; ok && c.Field == "country" && c.role.Role == heading.Country {
			add(of, sidePostal, "", "country", i)
			r.placed[i] = true
		}
		if c.Field == "name" && c.Part == heading.Organisation && r.kind.sides[sideEmployment] != nil {
			add(sideEmployment+"[works_at]", sideEmployment, "works_at", "other_id", i)
		}
	}
}

// readSides reads the records that belong to a row's. It is behind all else of the row.
func (r *cellReader) readSides(row Row, out *taken) {
	for _, s := range r.sides {
		made := side{kind: s.kind.Kind(), values: crm.Values{"kind": s.sort}}
		var titles []string
		only := "" // the one field that has a value
		for _, field := range s.order {
			if r.readSide(s, field, row, &made, out) {
				titles = append(titles, r.plan.title(s.fields[field][0]))
				only = field
			}
		}
		made.title = strings.Join(titles, ", ")
		switch {
		case len(titles) == 0 || len(titles) == 1 && only == "country": // which is the record's own
		case made.kind == sideEmployment && made.link == "":
			out.flags = append(out.flags, made.title+": is left out, since no organisation is there of which it could be")
		case made.kind == sideEmployment && len(titles) == 1 && made.by == "" && same(out.values["name"], made.link): // the organisation itself
		case made.kind == sideEmployment && out.values["kind"] == "organisation":
			if len(titles) > 1 || !same(out.values["name"], made.link) {
				out.flags = append(out.flags, made.title+": is left out, since the row is an organisation")
			}
		default:
			r.addSide(made, out)
		}
	}
}

// readSide reads one field of a side.
func (r *cellReader) readSide(s *sideColumns, field string, row Row, made *side, out *taken) bool {
	f := s.kind.byName[field]
	if field == "street" {
		text := r.street(s.fields[field], row)
		if text != "" {
			made.values[field] = text
		}
		return text != ""
	}
	if f.Ref != "" {
		return r.readLink(s.fields[field], row, made, out)
	}
	found := ""
	for _, i := range s.fields[field] {
		text := r.cell(row, i)
		switch {
		case text == "":
			continue
		case found != "":
			if crm.Fold(text) != crm.Fold(found) {
				out.flags = append(out.flags, r.plan.title(i)+": is left out, since another column has the "+field)
			}
			continue
		}
		found = text
		v, err := r.typed(s.kind.roles[field].Role, f, &r.plan.Columns[i], i, text, "")
		if err != nil {
			out.flags = append(out.flags, fmt.Sprintf("%s: is left out, since %s", r.plan.title(i), err))
			continue
		}
		made.values[field] = v
	}
	return found != ""
}

// readLink reads what a side refers to: by a key where a column has one, else by name.
func (r *cellReader) readLink(columns []int, row Row, made *side, out *taken) bool {
	for _, i := range columns {
		text, by := r.cell(row, i), r.plan.Columns[i].By
		switch {
		case text == "":
		case made.link == "" || made.by == "" && by != "":
			made.link, made.by = text, by
		case made.by == by && crm.Fold(text) != crm.Fold(made.link):
			out.flags = append(out.flags, r.plan.title(i)+": is left out, since another column has the "+r.plan.Columns[i].Field)
		}
	}
	return made.link != ""
}

// street puts a street together: the house number on the same line, and what stands in
// one column as a whole where there is nothing else.
func (r *cellReader) street(columns []int, row Row) string {
	text := map[heading.Role]string{}
	for _, i := range columns {
		role := cmp.Or(r.plan.Columns[i].Part, heading.Street)
		if cell := r.cell(row, i); cell != "" {
			text[role] = strings.TrimPrefix(text[role]+"\n"+cell, "\n")
		}
	}
	var lines []string
	for _, role := range streetParts {
		switch cell := text[role]; {
		case cell == "" || role == heading.Address && len(lines) > 0:
		case role == heading.HouseNumber && len(lines) > 0:
			lines[0] += " " + cell
		default:
			lines = append(lines, cell)
		}
	}
	return strings.Join(lines, "\n")
}

// further keeps one more address of those a row has, beside that in a field of its own,
// and reports whether it can.
func (r *cellReader) further(field, text string, i int, out *taken) bool {
	kind := crm.AddressEmail
	switch r.kind.roles[field].Role {
	case heading.Email:
	case heading.Phone, heading.Mobile:
		kind = crm.AddressPhone
	default:
		return false
	}
	if r.kind.sides[sideAddress] == nil {
		return false
	}
	m := r.plan.Columns[i].role
	label := m.Place
	if m.Role == heading.Mobile {
		label = "mobile"
	}
	values := crm.Values{"kind": string(kind), "value": text}
	if label != "" && label != "main" {
		values["label"] = label
	}
	r.flag(field, text, out)
	r.addSide(side{kind: sideAddress, values: values, title: r.plan.title(i)}, out)
	return true
}

// several are the addresses that stand in one cell. Google divides them by :::.
func (r *cellReader) several(field, text string) []string {
	role := r.kind.roles[field].Role
	if role != heading.Email && role != heading.Phone && role != heading.Mobile {
		return []string{text}
	}
	var list []string
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "\n", ":::"), ":::") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

func (r *cellReader) addSide(s side, out *taken) {
	if len(out.sides) == maxSides {
		out.flags = append(out.flags, fmt.Sprintf("%s: is left out, since a row has at most %d records beside its own", s.title, maxSides))
		return
	}
	out.sides = append(out.sides, s)
}
