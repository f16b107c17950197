package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// Mode is what an import does with a row.
type Mode string

// The modes.
const (
	// Create makes a record of each row.
	Create Mode = "create"
	// Update changes the record that a row's key leads to; without one the row fails.
	Update Mode = "update"
	// Upsert changes the record a row's key leads to, or else makes one.
	Upsert Mode = "upsert"
)

// DateOrder is in which order dates such as 03/04/2024 are written.
type DateOrder string

// The orders.
const (
	DayFirst   DateOrder = "dmy"
	MonthFirst DateOrder = "mdy"
	YearFirst  DateOrder = "ymd"
	// Serial1900 and Serial1904 are dates of spreadsheets: numbers of days since the
	// beginning of 1900 or 1904.
	Serial1900 DateOrder = "serial1900"
	Serial1904 DateOrder = "serial1904"
)

// Plan is what is made of a source. [Transfer.Plan] completes one, and what is given in
// it stays: the zero Plan with an Object is all guessed.
type Plan struct {
	// Object is the kind of record each row is.
	Object string `json:"object"`
	// Columns are what becomes of the columns, in their order.
	Columns []Column `json:"columns,omitempty"`
	// Mode is what is done with a row; empty is upsert if there is a key, else create.
	Mode Mode `json:"mode,omitempty"`
	// Key is what a record is known by: "id", "refs.shopify", or a text field such as
	// "email". Empty takes the first there is a column for of id, the keys of System and a
	// unique field.
	Key string `json:"key,omitempty"`
	// System is the name of the system the source is from, under which its own keys are
	// kept in Record.Refs; empty is "import".
	System string `json:"system,omitempty"`
	// Set has values for fields that a row itself has none for. One such as "{name}" is what
	// that field has: so a name serves as the key of what has no other.
	Set map[string]string `json:"set,omitempty"`
	// Currency is of amounts that name none, such as EUR.
	Currency string `json:"currency,omitempty"`
	// Dates is the order of dates; empty is found out column by column.
	Dates DateOrder `json:"dates,omitempty"`
	// Decimal is the decimal mark of numbers, "." or ","; empty is found out.
	Decimal string `json:"decimal,omitempty"`
	// Zone is the time zone of times that name none, such as Europe/Berlin; empty is UTC.
	Zone string `json:"zone,omitempty"`
	// Owners says for owners as the source calls them which members they are, by key. Who
	// is not in it is looked for by key, e-mail address and name.
	Owners map[string]string `json:"owners,omitempty"`
	// CreateMissing makes the records that rows refer to by name where there are none.
	CreateMissing bool `json:"create_missing,omitempty"`
	// KeepOrphans imports a row of which a reference leads nowhere without that reference,
	// where the field is not required, and flags it. Else the row fails.
	KeepOrphans bool `json:"keep_orphans,omitempty"`
	// OnlyKnown makes none of the organisations that persons work at, where no organisation
	// has the name: the row is flagged. Else they are made.
	OnlyKnown bool `json:"only_known,omitempty"`

	zone *time.Location
	// only are the fields that a second pass of a migration writes; nil: all.
	only map[string]bool
	// systems are, by kind, the systems whose keys references are found by; else it is System.
	systems map[string][]string
}

// Column is what becomes of a column.
type Column struct {
	// Heading is the column's, as it stands in the source.
	Heading string `json:"heading"`
	// Field is the field it goes into: "email", "custom.tier", "refs.shopify", "owner_id",
	// "created", or "customer_id" of what the row refers to; or one of a record that belongs to it, as
	// "postal_address[billing].city", "identity[phone].value" and
	// "relationship[works_at].other_id", where the module has such. Empty: the column is
	// left out.
	// Of several columns for one field the first that has a value in a row counts.
	Field string `json:"field,omitempty"`
	// Part says that the column is a part of the field's value: a given or a family name
	// of a name.
	Part heading.Role `json:"part,omitempty"`
	// By is the field by which a reference is found: "refs.shopify", "name". Empty tries
	// the id, the keys of System, name, key and email.
	By string `json:"by,omitempty"`
	// Case is "lower", "upper" or "title": how the text is written anew.
	Case string `json:"case,omitempty"`
	// Values are what texts of the column mean: "Customer - Direct" is "customer". A text
	// that means nothing is "".
	Values map[string]string `json:"values,omitempty"`
	// Dates and Decimal are the column's own, as those of the Plan.
	Dates   DateOrder `json:"dates,omitempty"`
	Decimal string    `json:"decimal,omitempty"`
	// Serial says that numbers are dates of a spreadsheet, and since when they count.
	Serial DateOrder `json:"serial,omitempty"`
	// Currency is one that the heading names.
	Currency string `json:"currency,omitempty"`
	// Opposite says that yes in the column means no.
	Opposite bool `json:"opposite,omitempty"`
	// Split says that the column has persons' full names, "Ada Lovelace", "Lovelace, Ada" or
	// 李雷, and that given and family name are made of them where no other column has these.
	// A name that may be parted in two ways is kept whole, and flagged.
	Split bool `json:"split,omitempty"`
	// Note is why it is left out, or what is to be known of it.
	Note string `json:"note,omitempty"`
	// Rank is its place among the columns of one field: that with the lowest counts first.
	Rank int `json:"rank,omitempty"`

	role heading.Meaning // what the heading was understood as
}

// defaultSystem is the name of a source's system that has none.
const defaultSystem = "import"

// sampleSize is how many rows are looked at to find out what is in the columns.
const sampleSize = 1000

// Plan completes a plan for a source: what its columns are by their headings, in which
// form its numbers and dates are written by the first 1,000 rows. What it cannot decide
// is [crm.ErrInvalid], with what to say. It returns the source to import, of which
// nothing has been taken.
func (t *Transfer) Plan(ctx context.Context, src Source, given Plan) (Plan, Source, error) {
	kept := &buffered{Source: src}
	if err := kept.fill(); err != nil {
		return Plan{}, nil, err
	}
	kind, err := t.kind(ctx, given.Object)
	if err != nil {
		return Plan{}, nil, err
	}
	p := given
	if p.System == "" {
		p.System = defaultSystem
	}
	if err := p.check(kind); err != nil {
		return Plan{}, nil, err
	}
	if err := p.columns(kind, src.Headings(), kept.ahead); err != nil {
		return Plan{}, nil, err
	}
	if p.Decimal == "" && slices.ContainsFunc(p.Columns, func(c Column) bool { return c.Field == "id" }) {
		p.Decimal = "." // what Export wrote
	}
	if err := p.formats(kind, kept); err != nil {
		return Plan{}, nil, err
	}
	if err := p.key(kind); err != nil {
		return Plan{}, nil, err
	}
	return p, kept, nil
}

// kind is a kind of record as an import sees it.
type kind struct {
	*crm.Records

	fields  []crm.FieldInfo
	byName  map[string]*crm.FieldInfo
	subject *crm.FieldInfo             // the reference to a record of any kind, or nil
	roles   map[string]heading.Meaning // of fields, by name
	sides   map[string]*kind           // of records that belong to one
}

func (t *Transfer) kind(ctx context.Context, object string) (*kind, error) {
	r, err := t.core.Records(object)
	if err != nil {
		return nil, err
	}
	k, err := describe(ctx, r)
	if err != nil {
		return nil, err
	}
	k.sides = t.sidesOf(ctx, object)
	return k, nil
}

// describe is what a kind of records is made of.
func describe(ctx context.Context, r *crm.Records) (_ *kind, err error) {
	k := &kind{Records: r, byName: map[string]*crm.FieldInfo{}, roles: map[string]heading.Meaning{}}
	if k.fields, err = r.Fields(ctx); err != nil {
		return nil, err
	}
	for i := range k.fields {
		f := &k.fields[i]
		k.byName[f.Name] = f
		if f.Subject != "" {
			k.subject = f
		}
		name := strings.TrimPrefix(f.Name, "custom.")
		if f.Type == crm.TypeID {
			name = strings.TrimSuffix(name, "_id")
		}
		k.roles[f.Name] = heading.One(name)
	}
	return k, nil
}

// check refuses what is given in a plan and cannot be.
func (p *Plan) check(k *kind) error {
	if p.Mode != "" && !slices.Contains([]Mode{Create, Update, Upsert}, p.Mode) {
		return crm.Invalid("mode", "%q is none of %s, %s, %s", p.Mode, Create, Update, Upsert)
	}
	if p.Dates != "" && !slices.Contains([]DateOrder{DayFirst, MonthFirst, YearFirst}, p.Dates) {
		return crm.Invalid("dates", "%q is none of %s, %s, %s", p.Dates, DayFirst, MonthFirst, YearFirst)
	}
	if p.Decimal != "" && p.Decimal != "." && p.Decimal != "," {
		return crm.Invalid("decimal", `is "." or ","`)
	}
	if p.Currency != "" {
		if _, err := crm.Minor(1, p.Currency); err != nil {
			return err
		}
	}
	if err := p.load(); err != nil {
		return err
	}
	for name := range p.Set {
		if _, _, _, _, beside := cutSide(name); beside {
			return crm.Invalid("set", "%s: only fields of the record itself are set", name)
		}
		if err := k.target(name); err != nil {
			return err
		}
	}
	return nil
}

// load makes of a plan that was kept one that can be worked with.
func (p *Plan) load() error {
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return crm.Invalid("zone", "%q is no time zone: give one such as Europe/Berlin", p.Zone)
	}
	p.zone = zone
	headings := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		headings[i] = c.Heading
	}
	for i, m := range heading.Guess(headings) {
		p.Columns[i].role = m
	}
	return nil
}

// target refuses a field that nothing can be imported into.
func (k *kind) target(name string) error {
	if _, _, _, _, beside := cutSide(name); beside {
		return k.sideTarget(name)
	}
	f := k.byName[name]
	switch {
	case strings.HasPrefix(name, "refs.") && len(name) > len("refs."):
	case name == "id", name == "refs", name == "owner_id", isTime(name):
	case f == nil:
		return crm.Invalid("columns", "%s has no field %q: it has %s", k.Kind(), name, strings.Join(k.names(), ", "))
	case f.Kernel || f.Computed:
		return crm.Invalid("columns", "%s is computed, and not imported", name)
	}
	return nil
}

// names are the fields that can be imported into.
func (k *kind) names() []string {
	var list []string
	for _, f := range k.fields {
		if !f.Kernel && !f.Computed {
			list = append(list, f.Name)
		}
	}
	return append(list, "owner_id", "created", "updated")
}

// isTime reports whether a column says when its record was created, or last changed.
func isTime(name string) bool { return name == "created" || name == "updated" }

// columns decides what becomes of the columns.
func (p *Plan) columns(k *kind, headings []string, sample []Row) error {
	given := p.Columns
	p.Columns = make([]Column, len(headings))
	meanings := heading.Guess(headings)
	own := make([]bool, len(headings))
	for i, h := range headings {
		p.Columns[i] = Column{Heading: h, role: meanings[i]}
	}
	for _, c := range given {
		i, err := find(headings, c.Heading)
		if err != nil {
			return err
		}
		if own[i] {
			return crm.Invalid("columns", "%q is mapped twice", c.Heading)
		}
		if c.Field != "" {
			if err := k.target(c.Field); err != nil {
				return err
			}
		}
		if c.Split {
			if k.byName["given_name"] == nil || k.byName["family_name"] == nil || c.Field != "" && c.Field != "name" {
				return crm.Invalid("columns", "%s: a %s has no given and family name to split it into", c.Heading, k.Kind())
			}
			c.Field, c.Part = "name", heading.FullName
		}
		own[i] = true
		c.Heading, c.role, c.Rank = headings[i], meanings[i], -1
		p.Columns[i] = c
	}
	g := guesser{plan: p, kind: k, sample: sample}
	for i := range p.Columns {
		if c := &p.Columns[i]; !own[i] {
			g.guess(i, c)
		} else if c.Field == "" && c.Note == "" {
			c.Note = "left out, as the plan says"
		}
	}
	g.settle(own)
	return p.distinct(own)
}

// find is the index of a heading: by itself, or by its number as "#2".
func find(headings []string, name string) (int, error) {
	var n int
	if _, err := fmt.Sscanf(name, "#%d", &n); err == nil && n >= 1 && n <= len(headings) && fmt.Sprintf("#%d", n) == name {
		return n - 1, nil
	}
	at := slices.Index(headings, name)
	if at < 0 {
		at = slices.IndexFunc(headings, func(h string) bool { return strings.EqualFold(h, name) })
	}
	if at < 0 {
		return 0, crm.Invalid("columns", "there is no heading %q: there are %s", name, strings.Join(headings, ", "))
	}
	return at, nil
}

// distinct refuses headings that stand twice where it matters which is meant, and a
// plan by which nothing would be imported.
func (p *Plan) distinct(own []bool) error {
	first := map[string]int{}
	used := 0
	for i, c := range p.Columns {
		if c.Field == "" {
			continue
		}
		used++
		k, twice := first[c.Heading]
		if twice && c.Heading != "" && !(own[i] && own[k]) {
			return crm.Invalid("headings", "%q stands in columns %d and %d: rename one, or say which is meant by its number: #%d for %s", c.Heading, k+1, i+1, i+1, c.Field)
		}
		first[c.Heading] = i
	}
	if used == 0 {
		names := make([]string, len(p.Columns))
		for i, c := range p.Columns {
			names[i] = c.Heading
		}
		return crm.Invalid("headings", "none of %s is understood as a field of %s: say which is which in the plan's Columns", strings.Join(names, ", "), p.Object)
	}
	return nil
}

// key decides what a record is known by, and what is done.
func (p *Plan) key(k *kind) error {
	filled := func(field string) bool {
		return p.Set[field] != "" || slices.ContainsFunc(p.Columns, func(c Column) bool { return c.Field == field })
	}
	if p.Key != "" {
		f := k.byName[p.Key]
		if p.Key != "id" && !strings.HasPrefix(p.Key, "refs.") && (f == nil || f.Type != crm.TypeText || strings.HasPrefix(p.Key, "custom.")) {
			return crm.Invalid("key", "%q is none: give id, refs.%s, or a text field of %s", p.Key, p.System, k.Kind())
		}
		if !filled(p.Key) {
			return crm.Invalid("key", "no column goes into %s: say which does by Columns", p.Key)
		}
	} else {
		names := []string{"id", "refs." + p.System}
		for _, f := range k.fields {
			if f.Unique && f.Type == crm.TypeText && !strings.HasPrefix(f.Name, "custom.") {
				names = append(names, f.Name)
			}
		}
		for _, name := range names {
			if p.Key == "" && filled(name) {
				p.Key = name
			}
		}
	}
	if p.Mode == "" {
		p.Mode = Create
		if p.Key != "" {
			p.Mode = Upsert
		}
	}
	if p.Mode != Create && p.Key == "" {
		return crm.Invalid("key", "to %s records takes something to know them by: name a column's field as Key", p.Mode)
	}
	return nil
}

// plainName is a name without what people write in it differently.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// buffered is a source of which rows were read ahead.
type buffered struct {
	Source

	ahead []Row
	ended error
	next  int
}

// fill reads ahead what is looked at.
func (b *buffered) fill() error {
	for len(b.ahead) < sampleSize {
		r, err := b.Source.Next()
		if err != nil {
			b.ended = err
			return ignoreEOF(err)
		}
		b.ahead = append(b.ahead, r)
	}
	return nil
}

// Next returns the rows read ahead, then those behind them.
func (b *buffered) Next() (Row, error) {
	if b.next < len(b.ahead) {
		b.next++
		r := b.ahead[b.next-1]
		b.ahead[b.next-1] = Row{}
		return r, nil
	}
	if b.ended != nil {
		return Row{}, b.ended
	}
	return b.Source.Next()
}

// dates is in which form a source writes dates, when it says so. Then its numbers have a
// decimal point.
func (b *buffered) dates() DateOrder {
	if s, ok := b.Source.(interface{ Dates() DateOrder }); ok {
		return s.Dates()
	}
	return ""
}
