package transfer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// cellReader makes of the cells of a row the values of a record.
type cellReader struct {
	plan      *Plan
	kind      *kind
	fields    []fieldColumns
	times     map[int]*timeReader
	sides     []*sideColumns
	placed    map[int]bool // columns of which a side has the value as well
	countries countryNames
	splits    bool // full names into given and family names
	title     cases.Caser
	now       time.Time
}

// fieldColumns are the columns of one field, the first that counts first.
type fieldColumns struct {
	name    string
	info    *crm.FieldInfo // nil of refs and the kernel's own
	columns []int
}

// taken is what a row was read as.
type taken struct {
	values crm.Values
	links  []link
	faults []crm.Fault
	sides  []side
	flags  []string // what is doubtful, and kept
	empty  bool
	// guessed says that no column has the kind of party.
	guessed bool
}

// asks is what the row says, in a copy of its own.
func (f *taken) asks() asked {
	return asked{values: maps.Clone(f.values), links: slices.Clone(f.links)}
}

func (f *taken) failf(field, format string, args ...any) {
	f.faults = append(f.faults, crm.Fault{Field: field, Reason: fmt.Sprintf(format, args...)})
}

func newCellReader(p *Plan, k *kind, now time.Time) *cellReader {
	r := &cellReader{plan: p, kind: k, placed: map[int]bool{}, times: map[int]*timeReader{}, countries: countries(), title: cases.Title(language.Und), now: now}
	at := map[string]int{}
	for i, c := range p.Columns {
		if _, _, _, _, beside := cutSide(c.Field); c.Field == "" || beside {
			continue
		}
		k, ok := at[c.Field]
		if !ok {
			k = len(r.fields)
			at[c.Field] = k
			r.fields = append(r.fields, fieldColumns{name: c.Field, info: r.kind.byName[c.Field]})
		}
		r.fields[k].columns = append(r.fields[k].columns, i)
	}
	for _, f := range r.fields {
		slices.SortStableFunc(f.columns, func(a, b int) int { return cmp.Compare(p.Columns[a].Rank, p.Columns[b].Rank) })
	}
	for name := range p.Set {
		if _, ok := at[name]; !ok {
			r.fields = append(r.fields, fieldColumns{name: name, info: r.kind.byName[name]})
		}
	}
	r.splits = slices.ContainsFunc(p.Columns, func(c Column) bool { return c.Split })
	r.newSides()
	return r
}

// read makes of a row's cells the values of a record.
func (r *cellReader) read(row Row) *taken {
	out := &taken{values: crm.Values{}, empty: true, flags: slices.Clone(row.Notes)}
	for _, cell := range row.Cells {
		if out.empty = tidy(cell) == ""; !out.empty {
			break
		}
	}
	if out.empty {
		return out
	}
	parts := map[heading.Role]string{}
	for _, f := range r.fields {
		r.field(f, row, parts, out)
	}
	r.name(parts, out)
	r.copies(out)
	r.subject(out)
	r.orderTimes(out)
	if f := r.kind.byName["kind"]; f != nil && f.Required && slices.Contains(f.Choices, "person") && slices.Contains(f.Choices, "organisation") && out.values["kind"] == nil {
		out.values["kind"], out.guessed = r.plan.party(out.values, parts), true
	}
	r.split(parts, out)
	r.readSides(row, out)
	r.narrow(out)
	return out
}

// cell is the text of a column in a row, cleaned as the plan says.
func (r *cellReader) cell(row Row, i int) string {
	return r.clean(&r.plan.Columns[i], row.Cells[i])
}

// clean is a text as it counts in a column.
func (r *cellReader) clean(c *Column, text string) string {
	text = tidy(text)
	if v, ok := c.Values[text]; ok {
		text = v
	}
	switch c.Case {
	case "lower":
		text = strings.ToLower(text)
	case "upper":
		text = strings.ToUpper(text)
	case "title":
		text = r.title.String(text)
	}
	return text
}

// field reads one field of a row.
func (r *cellReader) field(f fieldColumns, row Row, parts map[heading.Role]string, out *taken) {
	currency := ""
	for _, i := range f.columns { // the parts of a value are looked at together
		if c := &r.plan.Columns[i]; c.Part != "" {
			text := r.cell(row, i)
			if c.Part == heading.Currency {
				currency = strings.ToUpper(text)
			} else if text != "" && parts[c.Part] == "" {
				parts[c.Part] = text
			}
		}
	}
	counts, first := -1, ""
	for _, i := range f.columns {
		text := ""
		if r.plan.Columns[i].Part == "" {
			text = r.cell(row, i)
		}
		if text == "" {
			continue
		}
		for _, text := range r.several(f.name, text) {
			switch {
			case counts < 0:
				counts, first = i, text
				r.value(f, &r.plan.Columns[i], i, text, currency, out)
			case crm.Fold(text) == crm.Fold(first), r.placed[i], r.further(f.name, text, i, out):
			default:
				out.flags = append(out.flags, fmt.Sprintf("%s: is left out, since %s has %s", r.plan.title(i), r.plan.title(counts), f.name))
			}
		}
	}
	if counts >= 0 {
		return
	}
	if text, ok := r.plan.Set[f.name]; ok && !hasParts(r.plan, f) {
		if text != "" && text[0] != '{' {
			r.value(f, &Column{Field: f.name, Dates: YearFirst, Decimal: "."}, -1, text, "", out)
		}
	}
}

// copies gives fields what others have, as {email} in the plan says.
func (r *cellReader) copies(out *taken) {
	for _, f := range r.fields {
		if from, ok := strings.CutPrefix(r.plan.Set[f.name], "{"); ok && out.values[f.name] == nil && !hasParts(r.plan, f) {
			if text, _ := out.values[strings.TrimSuffix(from, "}")].(string); text != "" {
				r.value(f, &Column{Field: f.name, Dates: YearFirst, Decimal: "."}, -1, text, "", out)
			}
		}
	}
}

// narrow leaves of a row what a second pass of a migration writes.
func (r *cellReader) narrow(out *taken) {
	if r.plan.only == nil {
		return
	}
	maps.DeleteFunc(out.values, func(name string, _ any) bool { return !r.plan.only[name] && name != r.plan.Key })
	out.links = slices.DeleteFunc(out.links, func(l link) bool { return !r.plan.only[l.field] })
	out.faults = slices.DeleteFunc(out.faults, func(f crm.Fault) bool { return !r.plan.only[f.Field] && f.Field != r.plan.Key })
	out.sides, out.flags = nil, nil
	out.empty = len(out.links)+len(out.faults) == 0 && len(out.values) <= 1
}

// title is what a column is called in messages.
func (p *Plan) title(i int) string {
	return cmp.Or(p.Columns[i].Heading, fmt.Sprintf("column %d", i+1))
}

func hasParts(p *Plan, f fieldColumns) bool {
	return slices.ContainsFunc(f.columns, func(i int) bool { return p.Columns[i].Part != "" && p.Columns[i].Part != heading.Currency })
}

// value reads a text as a field's value.
func (r *cellReader) value(f fieldColumns, c *Column, i int, text, currency string, out *taken) {
	switch {
	case f.name == "id":
		id, err := crm.ParseID(text)
		if err != nil {
			out.failf("id", "%q is no id of a record", clip(text))
			return
		}
		out.values["id"] = id
		return
	case f.info != nil && f.info.Subject != "":
		key, others, _ := strings.Cut(text, ";") // HubSpot names all that a note is associated with
		if strings.Trim(others, "; ") != "" {
			out.flags = append(out.flags, f.name+": names several records, of which it is the first")
		}
		out.links = append(out.links, link{field: f.name, by: c.By, text: strings.TrimSpace(key), kind: r.kind.subjectNamed(c.role.Of)})
		return
	case f.name == "owner_id" || f.info != nil && f.info.Type == crm.TypeID:
		if id, err := crm.ParseID(text); err == nil && c.By == "" {
			out.values[f.name] = id
			return
		}
		out.links = append(out.links, link{field: f.name, by: c.By, text: text})
		return
	case f.name == "refs":
		var refs map[string]any
		if err := json.Unmarshal([]byte(text), &refs); err != nil {
			out.failf("refs", `is no list of keys such as {"shopify":"4711"}`)
			return
		}
		out.values["refs"] = refs
		return
	case isTime(f.name):
		r.at(f.name, c, i, text, out)
		return
	case f.info == nil:
		out.values[f.name] = text
		return
	}
	v, err := r.typed(r.kind.roles[f.name].Role, f.info, c, i, text, currency)
	if err != nil {
		out.failf(f.name, "%s", err)
		return
	}
	if v == nil {
		return
	}
	out.values[f.name] = v
	r.flag(f.name, text, out)
}

// at reads when a record was created, or last changed. What lies in the future was not.
func (r *cellReader) at(name string, c *Column, i int, text string, out *taken) {
	t, ok := r.time(c, i).read(text)
	switch {
	case !ok:
		out.failf(name, "%q is no date that is understood", clip(text))
	case t.After(r.now):
		out.failf(name, "%q lies in the future", clip(text))
	default:
		out.values[name] = t
	}
}

// orderTimes leaves out when a record was last changed where that was before it was created,
// or where that is not known, so that it is created now.
func (r *cellReader) orderTimes(out *taken) {
	changed, ok := out.values["updated"].(time.Time)
	if !ok {
		return
	}
	created, known := out.values["created"].(time.Time)
	if known && changed.Before(created) {
		out.flags = append(out.flags, "updated: lies before the record was created, and is left out")
	}
	if !known || changed.Before(created) {
		delete(out.values, "updated")
	}
}

func (r *cellReader) time(c *Column, i int) *timeReader {
	if r.times[i] == nil {
		r.times[i] = &timeReader{order: c.Dates, epoch: c.Serial, zone: r.plan.zone}
	}
	return r.times[i]
}

// flag notes what is doubtful about an address. It is kept as it stands.
func (r *cellReader) flag(field, text string, out *taken) {
	role := r.kind.roles[field].Role
	switch role {
	case heading.Email:
		if _, err := crm.ParseAddress(crm.AddressEmail, text); err != nil {
			out.flags = append(out.flags, field+": is no e-mail address, and kept as it stands")
		}
	case heading.Phone, heading.Mobile:
		digits := 0
		for _, ch := range text {
			if unicode.IsDigit(ch) {
				digits++
			}
		}
		if digits < 3 || digits > 20 {
			out.flags = append(out.flags, field+": is no phone number, and kept as it stands")
		}
	}
}

// typed reads a text as a value of a type.
func (r *cellReader) typed(role heading.Role, f *crm.FieldInfo, c *Column, i int, text, currency string) (any, error) {
	switch f.Type {
	case crm.TypeInt:
		n, ok := parseNumber(text, c.Decimal)
		whole, fraction, _ := strings.Cut(n, ".")
		v, err := wholeOf(whole)
		if !ok || err != nil || strings.Trim(fraction, "0") != "" {
			return nil, fmt.Errorf("%q is no whole number", clip(text))
		}
		return v, nil
	case crm.TypeDecimal:
		n, ok := parseNumber(text, c.Decimal)
		if !ok {
			return nil, fmt.Errorf("%q is no number", clip(text))
		}
		return n, nil
	case crm.TypeMoney:
		if currency == "" {
			currency = cmp.Or(c.Currency, r.plan.Currency)
		}
		return parseMoney(text, c.Decimal, currency)
	case crm.TypeBool:
		v, ok := truth(text)
		if !ok {
			return nil, fmt.Errorf("%q is neither yes nor no", clip(text))
		}
		return v != c.Opposite, nil
	case crm.TypeDate:
		t, ok := r.time(c, i).read(text)
		if !ok {
			return nil, fmt.Errorf("%q is no date that is understood", clip(text))
		}
		return crm.DateOf(t), nil
	case crm.TypeTime:
		t, ok := r.time(c, i).read(text)
		if !ok {
			return nil, fmt.Errorf("%q is no time that is understood", clip(text))
		}
		return t, nil
	case crm.TypeTags:
		return splitTags(text), nil
	case crm.TypeJSON:
		if !json.Valid([]byte(text)) {
			return nil, errors.New("is not written as JSON")
		}
		return json.RawMessage(text), nil
	}
	if len(f.Choices) > 0 {
		return choice(f, text), nil
	}
	if role == heading.Country && f.Max == 2 {
		code := r.countries.code(text)
		if code == "" {
			return nil, fmt.Errorf("%q is no country that is known: give its name, or its code of ISO 3166-1 such as DE", clip(text))
		}
		return code, nil
	}
	return text, nil
}

// choice is the one of a field's texts that is meant, or the text itself.
func choice(f *crm.FieldInfo, text string) string {
	for _, c := range f.Choices {
		if plainName(c) == plainName(text) {
			return c
		}
	}
	return text
}

// splitTags cuts a list of tags. Google writes ::: between them.
func splitTags(text string) []string {
	var list []string
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &list) == nil { // as Export writes what has marks in it
		return list
	}
	mark := ","
	for _, m := range []string{":::", ";", "|", "\n", "，", "、", "；"} {
		if strings.Contains(text, m) {
			mark = m
			break
		}
	}
	for tag := range strings.SplitSeq(text, mark) {
		tag = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(tag), "* "))
		if tag != "" {
			list = append(list, tag)
		}
	}
	return list
}

func truth(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "y", "1", "x", "on", "t", "ja", "j", "wahr", "oui", "vrai", "si", "sí", "是", "有", "对", "√", "✓", "subscribed", "opted in":
		return true, true
	case "false", "no", "n", "0", "off", "f", "nein", "falsch", "non", "faux", "否", "无", "不", "×", "-", "unsubscribed", "opted out":
		return false, true
	}
	return false, false
}

func wholeOf(text string) (n int64, err error) {
	_, err = fmt.Sscan(text, &n)
	return n, err
}

// name makes a record's name of its parts, where no column has it whole: a Chinese name
// without a space and the family name first. Somebody without a name is called by the
// address.
func (r *cellReader) name(parts map[heading.Role]string, out *taken) {
	f := r.kind.byName["name"]
	if f == nil || out.values["name"] != nil {
		return
	}
	whole := cmp.Or(parts[heading.FullName], parts[heading.Title])
	given, _ := out.values["given_name"].(string)
	family, _ := out.values["family_name"].(string)
	middle := parts[heading.MiddleName]
	switch {
	case whole != "":
	case given+family != "" && middle == "":
		return // a kind with fields for them makes its name itself
	default:
		whole = joinName(cmp.Or(given, parts[heading.GivenName]), middle, cmp.Or(family, parts[heading.FamilyName]))
		whole = cmp.Or(whole, parts[heading.Organisation])
	}
	if whole == "" && r.kind.Kind() == "customer" {
		email, _ := out.values["email"].(string)
		phone, _ := out.values["phone"].(string)
		whole = cmp.Or(email, phone)
	}
	if text := r.plan.Set["name"]; whole == "" && !strings.HasPrefix(text, "{") {
		whole = text
	}
	if whole != "" {
		out.values["name"] = whole
	}
}

// split makes given and family name of a full one, where the plan says so.
func (r *cellReader) split(parts map[heading.Role]string, out *taken) {
	whole := parts[heading.FullName]
	if !r.splits || whole == "" || out.values["given_name"] != nil || out.values["family_name"] != nil ||
		out.values["kind"] == "organisation" || legalForm(whole) {
		return
	}
	given, family, ok := splitName(whole)
	if !ok {
		out.flags = append(out.flags, "name: is kept whole, since it may be parted into given and family name in several ways, or in none")
		return
	}
	out.values["given_name"], out.values["family_name"] = given, family
	if strings.Contains(whole, ",") {
		out.values["name"] = joinName(given, "", family)
	}
}

func joinName(given, middle, family string) string {
	if han(given+family) && given+family != "" {
		return family + middle + given
	}
	return strings.Join(strings.Fields(given+" "+middle+" "+family), " ")
}

func han(s string) bool {
	for _, r := range s {
		if !unicode.Is(unicode.Han, r) {
			return false
		}
	}
	return true
}

// reasonOf is what is wrong, without the words of the call that found it.
func reasonOf(err error) string {
	var invalid *crm.InvalidError
	var conflict *crm.ConflictError
	switch {
	case errors.As(err, &invalid):
		return reasons(invalid.Faults)
	case errors.As(err, &conflict):
		return conflict.Field + ": " + conflict.Reason
	}
	text := err.Error()
	if known, ok := errors.AsType[*crm.Error](err); ok {
		text = known.Err.Error()
	}
	return text
}

// reasons are several faults in one line.
func reasons(faults []crm.Fault) string {
	list := make([]string, len(faults))
	for i, f := range faults {
		list[i] = f.Reason
		if f.Field != "" {
			list[i] = f.Field + ": " + f.Reason
		}
	}
	return strings.Join(list, "; ")
}
