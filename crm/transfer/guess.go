package transfer

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// guesser decides what columns are for a kind of record.
type guesser struct {
	plan   *Plan
	kind   *kind
	sample []Row
	places map[string]string // postal addresses, by what tells them apart
}

// guess decides what one column is.
func (g *guesser) guess(i int, c *Column) {
	c.Currency, c.Opposite = c.role.Currency, c.role.Opposite
	if c.Heading == "" {
		c.Note = "left out: it has no heading"
		return
	}
	if g.bySubject(c) || g.exact(i, c) || g.byHung(c) || g.byRole(i, c) || g.bySide(c) {
		return
	}
	c.Note = "left out: " + g.kind.Kind() + " has no field for it"
	if c.role.Role == "" {
		c.Note = "left out: its heading is not understood"
	}
}

// exact takes a column whose heading is a field's own name or label.
func (g *guesser) exact(i int, c *Column) bool {
	name := strings.ToLower(strings.TrimSpace(c.Heading))
	switch {
	case name == "id" && g.ids(i):
		c.Field = "id"
		return true
	case name == "refs":
		c.Field = "refs"
		return true
	case strings.HasPrefix(name, "refs.") && len(name) > len("refs."):
		c.Field = strings.TrimSpace(c.Heading)
		return true
	case name == "owner_id" || isTime(name):
		c.Field = name
		return true
	}
	if c.role.Role == heading.State && g.addressed() {
		return false // a state, and no region of the market
	}
	plain := plainName(name)
	for _, f := range g.kind.fields {
		if f.Kernel || f.Computed {
			continue
		}
		same := plain != "" && (plain == plainName(f.Name) || plain == plainName(strings.TrimPrefix(f.Name, "custom.")) ||
			f.Type == crm.TypeID && plain == plainName(strings.TrimSuffix(f.Name, "_id")))
		for _, label := range f.Labels {
			same = same || plain != "" && plain == plainName(label)
		}
		if same && !(f.Type == crm.TypeMoney && c.role.Role == heading.Currency) {
			c.Field = f.Name
			return true
		}
		if f.Type == crm.TypeMoney && plain == plainName(f.Name+"_currency") {
			c.Field, c.Part = f.Name, heading.Currency
			return true
		}
	}
	if plain == plainName(g.kind.Kind()+"id") { // Task ID, of a task
		c.Field = "refs." + g.plan.System
		return true
	}
	return false
}

// addressed reports whether there are columns of a postal address.
func (g *guesser) addressed() bool {
	return slices.ContainsFunc(g.plan.Columns, func(c Column) bool {
		return c.role.Role == heading.City || c.role.Role == heading.Postcode || c.role.Role == heading.Street || c.role.Role == heading.Address
	})
}

// ids reports whether a column holds ids of records.
func (g *guesser) ids(i int) bool {
	seen := false
	for _, text := range g.texts(i) {
		if _, err := crm.ParseID(text); err != nil {
			return false
		}
		seen = true
	}
	return seen
}

// texts are the values of a column in the sample.
func (g *guesser) texts(i int) (list []string) {
	for _, r := range g.sample {
		if r.Fault == "" && i < len(r.Cells) {
			if text := tidy(r.Cells[i]); text != "" {
				list = append(list, text)
			}
		}
	}
	return list
}

// byRole takes a column by what its heading means.
func (g *guesser) byRole(i int, c *Column) bool {
	m := c.role
	switch m.Role {
	case "":
		return false
	case heading.ExternalID:
		return g.byKey(c)
	case heading.Owner:
		if g.kind.Kind() == "member" { // what others call an owner's key is his own here
			return g.byKey(c)
		}
		c.Field = "owner_id"
		return true
	case heading.Created:
		c.Field = "created"
		return true
	case heading.Updated:
		c.Field = "updated"
		return true
	}
	if part, ok := nameParts[m.Role]; ok && g.namePart(c, part) {
		return true
	}
	if g.byReference(c) {
		return true
	}
	for _, f := range g.kind.fields {
		r := g.kind.roles[f.Name]
		if f.Kernel || f.Computed || r.Role == "" || !alike(r.Role, m.Role) || r.Role == heading.State && g.addressed() {
			continue
		}
		if f.Ref != "" && !f.Tree {
			continue
		}
		c.Field, c.Rank = f.Name, c.Rank+nearness(r.Role, m)
		return true
	}
	if m.Role == heading.Address && g.kind.byName["country"] != nil && g.countries(i) {
		c.Field = "country"
		return true
	}
	if m.Role == heading.Currency {
		for _, f := range g.kind.fields {
			if f.Type == crm.TypeMoney && !f.Kernel {
				c.Field, c.Part = f.Name, heading.Currency
				return true
			}
		}
	}
	return false
}

// countries reports whether a column of places names nothing but countries.
func (g *guesser) countries(i int) bool {
	list := g.texts(i)
	known := countries()
	for _, text := range list {
		if known.code(text) == "" {
			return false
		}
	}
	return len(list) > 0
}

// alike reports whether a column of one role goes into a field of another.
func alike(field, column heading.Role) bool {
	switch field {
	case column:
		return true
	case heading.Phone:
		return column == heading.Mobile
	case heading.Amount, heading.Price:
		return column == heading.Amount || column == heading.Price
	}
	return false
}

// nearness ranks a column among those for one field: the first and main one first, then
// those at work, mobile ones, at home and elsewhere.
func nearness(field heading.Role, m heading.Meaning) int {
	rank := map[string]int{"": 0, "main": 0, "work": 10, "mailing": 12, "billing": 14, "mobile": 16, "home": 20, "shipping": 24, "other": 30}[m.Place]
	if m.Number > 1 {
		rank += 4 * m.Number
	}
	if m.Role != field {
		rank += 5
	}
	if m.Of == "organisation" {
		rank += 40
	}
	return rank
}

// byKey takes a key in another system: of the record itself, or of one it refers to.
func (g *guesser) byKey(c *Column) bool {
	of := c.role.Of
	if of == "" || means(g.kind.Kind(), of) {
		c.Field = "refs." + g.plan.System
		if of == "organisation" {
			c.Rank += 10 // a person's own key comes first
		}
		return true
	}
	for _, f := range g.kind.fields {
		if f.Ref != "" && !f.Tree && means(f.Ref, of) {
			c.Field, c.By = f.Name, "refs."+g.plan.System
			return true
		}
	}
	return false
}

// sort is what headings call the records of a kind.
//
//nolint:gochecknoglobals // a constant
var sort = map[string]string{"customer": "person", "deal": "deal", "product": "product", "member": "owner"}

// byReference takes a column that names what the row refers to.
func (g *guesser) byReference(c *Column) bool {
	m := c.role
	for _, f := range g.kind.fields {
		if f.Ref == "" || f.Kernel {
			continue
		}
		r := g.kind.roles[f.Name].Role
		switch {
		case f.Tree && m.Role == heading.Parent,
			!f.Tree && r != "" && r == m.Role && r != heading.FullName,
			f.Ref == "customer" && !f.Tree && g.kind.Kind() != "customer" && (m.Role == heading.Organisation ||
				m.Role == heading.FullName && m.Of == "person" || m.Role == heading.Email):
			c.Field, c.Rank = f.Name, c.Rank+map[heading.Role]int{heading.Organisation: 1, heading.FullName: 2, heading.Email: 0}[m.Role]
			return true
		case f.Ref == "product" && m.Role == heading.Title && m.Of == "product" && g.kind.Kind() != "product":
			c.Field = f.Name
			return true
		}
	}
	return false
}

// nameParts are the roles that make a name, in the order in which they come into
// question.
//
//nolint:gochecknoglobals // a constant
var nameParts = map[heading.Role]heading.Role{
	heading.FullName: heading.FullName, heading.GivenName: heading.GivenName, heading.MiddleName: heading.MiddleName, heading.FamilyName: heading.FamilyName,
	heading.Organisation: heading.Organisation, heading.Title: heading.Title,
}

// namePart takes a column for the record's name, or a part of it.
func (g *guesser) namePart(c *Column, part heading.Role) bool {
	if g.kind.byName["name"] == nil || part == heading.Title && g.kind.Kind() == "customer" {
		return false
	}
	if part == heading.Organisation && g.kind.Kind() != "customer" && heading.One(g.kind.Kind()).Role != heading.Organisation {
		return false
	}
	own := sort[g.kind.Kind()]
	if part == heading.Title && c.role.Of != "" && c.role.Of != own {
		return false
	}
	if f := g.kind.byName[string(part)]; f != nil { // a field for given names of its own
		c.Field = f.Name
		return true
	}
	if part == heading.FullName && g.kind.Kind() != "customer" && c.role.Of != "" && c.role.Of != own {
		return false
	}
	c.Field, c.Part = "name", part
	return true
}

// settle looks at what the columns are together.
func (g *guesser) settle(own []bool) {
	g.settleName(own)
	g.settleMoney(own)
	g.settleKeys(own)
	g.settleSeveral()
}

// settleSeveral notes of which columns others of the same field come first.
func (g *guesser) settleSeveral() {
	best := map[string]int{}
	for i, c := range g.plan.Columns {
		if b, ok := best[c.Field]; c.Field != "" && c.Part == "" && (!ok || c.Rank < g.plan.Columns[b].Rank) {
			best[c.Field] = i
		}
	}
	for i := range g.plan.Columns {
		c := &g.plan.Columns[i]
		if b, ok := best[c.Field]; ok && b != i && c.Part == "" && c.Note == "" {
			c.Note = "counts where " + g.plan.title(b) + " has no value"
			if r := g.kind.roles[c.Field].Role; g.kind.sides[sideAddress] != nil && (r == heading.Email || r == heading.Phone) {
				c.Note = "one more besides " + g.plan.title(b)
			}
		}
	}
}

// settleKeys keeps the keys of the records themselves apart from other columns of the
// same field: a record has one key in a system.
func (g *guesser) settleKeys(own []bool) {
	field := "refs." + g.plan.System
	best := -1
	for i, c := range g.plan.Columns {
		if c.Field == field && (best < 0 || c.Rank < g.plan.Columns[best].Rank) {
			best = i
		}
	}
	for i := range g.plan.Columns {
		if c := &g.plan.Columns[i]; c.Field == field && i != best && !own[i] {
			c.Field, c.Note = "", "left out: "+g.plan.Columns[best].Heading+" is the key"
		}
	}
	if id := g.kind.byName["key"]; id != nil && id.Required && id.Unique && !g.filled("key") { // what must have a key of its own
		for i := range g.plan.Columns {
			if c := &g.plan.Columns[i]; c.role.Role == heading.Email && c.Field == "email" || c.Field == field {
				g.plan.Set = withDefault(g.plan.Set, "key", "{"+c.Field+"}")
			}
		}
	}
}

func withDefault(set map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	maps.Copy(out, set)
	return out
}

func (g *guesser) filled(field string) bool {
	return slices.ContainsFunc(g.plan.Columns, func(c Column) bool { return c.Field == field })
}

// settleName leaves a company's name out of persons' names: where there is a column for
// the name of a person, it is somebody else's.
func (g *guesser) settleName(own []bool) {
	if g.kind.Kind() != "customer" {
		return
	}
	person, contact, organisation := false, -1, false
	for i, c := range g.plan.Columns {
		switch c.role.Role {
		case heading.GivenName, heading.FamilyName:
			person = true
		case heading.FullName:
			if strings.Contains(strings.ToLower(c.Heading), "contact") || strings.Contains(c.Heading, "联系人") {
				contact = i
			} else {
				person = true
			}
		case heading.Organisation:
			organisation = true
		}
	}
	for i := range g.plan.Columns {
		c := &g.plan.Columns[i]
		switch {
		case own[i] || c.Field != "name":
		case i == contact && (organisation || person) && !g.alone(contact):
			c.Field, c.Part, c.Note = "", "", "left out: the row is what it is the contact of"
		case c.Part == heading.Organisation && person:
			c.Rank += 50 // the name of a person, and only without one the organisation's
		}
	}
}

// alone reports whether no other column than i makes a name.
func (g *guesser) alone(i int) bool {
	for k, c := range g.plan.Columns {
		if k != i && c.Field == "name" {
			return false
		}
	}
	return true
}

// settleMoney leaves out amounts of which nobody knows the currency.
func (g *guesser) settleMoney(own []bool) {
	for i := range g.plan.Columns {
		c := &g.plan.Columns[i]
		f := g.kind.byName[c.Field]
		if f == nil || f.Type != crm.TypeMoney || c.Part == heading.Currency || own[i] || g.plan.Currency != "" || c.Currency != "" {
			continue
		}
		if slices.ContainsFunc(g.plan.Columns, func(o Column) bool { return o.Field == c.Field && o.Part == heading.Currency }) {
			continue
		}
		list := g.texts(i)
		if !slices.ContainsFunc(list, func(text string) bool { return currencyOf(text) != "" }) && len(list) > 0 {
			c.Field, c.Note = "", "left out: its amounts name no currency: say which by Currency"
		}
	}
}

// party tells whether a row is a person or an organisation, of a kind of record that is
// either.
func (p *Plan) party(values crm.Values, parts map[heading.Role]string) string {
	hints := 0
	for _, c := range p.Columns {
		switch c.role.Role {
		case heading.Industry, heading.Employees, heading.Revenue, heading.Founded, heading.TaxID, heading.Parent:
			hints--
		case heading.GivenName, heading.FamilyName, heading.Birthday, heading.Gender, heading.JobTitle, heading.NamePrefix, heading.Mobile, heading.NationalID:
			hints++
		}
	}
	name, _ := values["name"].(string)
	switch {
	case parts[heading.GivenName] != "" || parts[heading.FamilyName] != "" || values["given_name"] != nil || values["family_name"] != nil:
		return "person"
	case parts[heading.Organisation] != "" && (parts[heading.FullName] == "" || parts[heading.FullName] == parts[heading.Organisation]):
		return "organisation"
	case legalForm(name):
		return "organisation"
	case hints < 0 && parts[heading.FullName] != "" || values["employees"] != nil || values["founded"] != nil || values["revenue"] != nil || values["parent_id"] != nil:
		return "organisation"
	}
	return "person"
}

// legalForm reports whether a name ends like that of a company.
func legalForm(name string) bool {
	for _, end := range []string{"公司", "集团", "银行", "大学", "医院", "学校", "工厂", "厂", "商店", "事务所", "研究院", "协会", "株式会社"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return unicode.IsSpace(r) || r == ',' })
	if len(words) < 2 {
		return false
	}
	last := strings.ReplaceAll(words[len(words)-1], ".", "")
	return slices.Contains([]string{
		"inc", "ltd", "limited", "llc", "llp", "plc", "corp", "corporation", "co", "company", "gmbh", "ag", "kg", "ohg", "ug", "ek", "ev", "sa", "sas",
		"sarl", "srl", "spa", "bv", "nv",
		"ab", "as", "oy", "oyj", "aps", "sro", "pty", "pte", "bhd", "kk", "ltda", "group", "holding", "holdings", "gruppe", "university", "bank",
		"association", "foundation", "institute",
	}, last)
}
