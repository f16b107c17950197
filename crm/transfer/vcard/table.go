package vcard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm/transfer"
)

// column is a heading, and what a card has under it.
type column struct {
	heading string
	of      func(c *card) string
}

// columns are those of the table that cards are read as.
func columns() []column {
	list := []column{
		{"Full Name", func(c *card) string { return c.first("FN") }},
		{"Family Name", part("N", 0)}, {"Given Name", part("N", 1)}, {"Additional Name", part("N", 2)}, {"Name Prefix", part("N", 3)}, {"Name Suffix", part("N", 4)},
		{"Nickname", func(c *card) string { return c.first("NICKNAME") }},
		{"Organization Name", part("ORG", 0)}, {"Department", part("ORG", 1)},
		{"Job Title", func(c *card) string { return c.first("TITLE") }},
	}
	for n := range 3 {
		list = append(list, column{"E-mail " + string(rune('1'+n)), nth("EMAIL", n)})
	}
	list[len(list)-1].of = rest("EMAIL", 2)
	list = append(list,
		column{"Mobile Phone", phone("cell")}, column{"Work Phone", phone("work")}, column{"Home Phone", phone("home")}, column{"Phone", phone("")}, column{"Fax", phone("fax")},
	)
	for _, place := range []string{"home", "work", "other"} {
		title := strings.ToUpper(place[:1]) + place[1:]
		for nth := range maxPlaces {
			if nth > 0 {
				title = fmt.Sprintf("%s %d", title, nth+1)
			}
			for i, what := range []string{"PO Box", "Street 2", "Street", "City", "State", "Postal Code", "Country"} {
				list = append(list, column{title + " " + what, address(place, nth, i)})
			}
		}
	}
	return append(list,
		column{"Website", nth("URL", 0)},
		column{"Birthday", birthday},
		column{"Gender", gender},
		column{"Tags", func(c *card) string {
			var tags []string
			for _, p := range c.all("CATEGORIES") {
				tags = append(tags, p.parts(',')...)
			}
			return strings.Join(tags, ";")
		}},
		column{"Notes", func(c *card) string {
			var notes []string
			for _, p := range c.all("NOTE") {
				notes = append(notes, p.text())
			}
			return strings.Join(notes, "\n\n")
		}},
		column{"UID", func(c *card) string { return strings.TrimPrefix(c.first("UID"), "urn:uuid:") }},
	)
}

// part is the n-th part of a structured property.
func part(name string, n int) func(*card) string {
	return func(c *card) string {
		if all := c.all(name); len(all) > 0 {
			if parts := all[0].parts(';'); n < len(parts) {
				return strings.ReplaceAll(parts[n], ",", " ")
			}
		}
		return ""
	}
}

// nth is the n-th property of a name.
func nth(name string, n int) func(*card) string {
	return func(c *card) string {
		if all := c.all(name); n < len(all) {
			return strings.TrimPrefix(all[n].text(), "mailto:")
		}
		return ""
	}
}

// rest are the properties of a name from the n-th on.
func rest(name string, n int) func(*card) string {
	return func(c *card) string {
		var list []string
		for _, p := range c.all(name)[min(n, len(c.all(name))):] {
			list = append(list, strings.TrimPrefix(p.text(), "mailto:"))
		}
		return strings.Join(list, several)
	}
}

// several stands between values in one cell.
const several = " ::: "

// phone are the numbers of a sort.
func phone(kind string) func(*card) string {
	return func(c *card) string {
		var list []string
		for _, p := range c.all("TEL") {
			fax := p.has("fax") || p.has("pager")
			is := map[string]bool{
				"cell": p.has("cell") && !fax, "fax": p.has("fax"), "work": p.has("work") && !fax && !p.has("cell"), "home": p.has("home") && !fax && !p.has("cell"),
				"": !fax && !p.has("cell") && !p.has("work") && !p.has("home"),
			}
			if is[kind] {
				list = append(list, strings.TrimPrefix(p.text(), "tel:"))
			}
		}
		return strings.Join(list, several)
	}
}

// maxPlaces is how many postal addresses of a place have columns.
const maxPlaces = 2

// addresses are the parts of the postal addresses of a place, but for those that say
// nothing.
func (c *card) addresses(place string) (list [][]string) {
	for _, p := range c.all("ADR") {
		is := "other"
		if p.has("work") {
			is = "work"
		} else if p.has("home") {
			is = "home"
		}
		parts := p.parts(';')
		if is == place && strings.Join(parts, "") != "" && !slices.ContainsFunc(list, func(known []string) bool { return slices.Equal(known, parts) }) {
			list = append(list, parts)
		}
	}
	return list
}

// address is a part of the nth postal address of a place.
func address(place string, nth, part int) func(*card) string {
	return func(c *card) string {
		if list := c.addresses(place); nth < len(list) && part < len(list[nth]) {
			return list[nth][part]
		}
		return ""
	}
}

// notes say what a card has more of than there are columns for.
func (c *card) notes() (list []string) {
	for _, name := range []string{"FN", "N", "NICKNAME", "ORG", "TITLE", "URL", "GENDER"} {
		var known []string
		for _, p := range c.all(name) {
			text := p.text()
			if len(known) > 0 && !slices.Contains(known, text) {
				list = append(list, leftOut(name, text))
			}
			known = append(known, text)
		}
	}
	for _, p := range c.all("TEL") {
		if p.has("pager") && !p.has("fax") {
			list = append(list, leftOut("TEL", p.text()))
		}
	}
	for _, place := range []string{"home", "work", "other"} {
		all := c.addresses(place)
		for _, parts := range all[min(maxPlaces, len(all)):] {
			list = append(list, leftOut("ADR", strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")))
		}
	}
	if len(list) > maxNotes {
		list = append(list[:maxNotes], fmt.Sprintf("%d more properties are left out", len(list)-maxNotes))
	}
	return list
}

// maxNotes is how many properties a row's notes name.
const maxNotes = 10

func leftOut(name, text string) string {
	return fmt.Sprintf("%s: one more is left out: %.100q", name, text)
}

// birthday is the first that is a whole date. In 4.0 it may be without a year.
func birthday(c *card) string {
	for _, p := range c.all("BDAY") {
		day, _, _ := strings.Cut(p.text(), "T")
		if len(strings.ReplaceAll(day, "-", "")) == 8 && !strings.HasPrefix(day, "--") {
			return day
		}
	}
	return ""
}

func gender(c *card) string {
	sex, _, _ := strings.Cut(c.first("GENDER"), ";")
	return map[string]string{"M": "male", "F": "female", "O": "other"}[strings.ToUpper(sex)]
}

// Headings are the names of the columns that cards are read as.
func (c *Cards) Headings() []string {
	var list []string
	for _, col := range columns() {
		list = append(list, col.heading)
	}
	return list
}

// Dates says that what is a date is written as ISO 8601 has it.
func (c *Cards) Dates() transfer.DateOrder { return transfer.YearFirst }

// Next returns the next card.
func (c *Cards) Next() (transfer.Row, error) {
	found, err := c.r.card()
	if err != nil {
		return transfer.Row{}, err
	}
	row := transfer.Row{Line: found.line, Fault: found.fault, Notes: found.notes()}
	for _, col := range columns() {
		row.Cells = append(row.Cells, col.of(found))
	}
	if row.Fault == "" && !slices.ContainsFunc(row.Cells, func(s string) bool { return s != "" }) {
		row.Fault = "the card is empty"
	}
	return row, nil
}
