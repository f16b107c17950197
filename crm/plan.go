package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Type is what a field of a record holds.
type Type uint8

// The types of fields.
const (
	TypeText Type = iota + 1
	TypeInt
	TypeBool
	TypeTime
	TypeDate
	TypeMoney
	TypeID
	TypeTags // a list of texts
	TypeJSON
	TypeDecimal // of custom fields
)

// String returns the type's name.
func (t Type) String() string {
	names := [...]string{"none", "text", "int", "bool", "time", "date", "money", "id", "tags", "json", "decimal"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// field is one field of a kind of record.
type field struct {
	tags

	name   string // in Go's JSON, in SQL and in expressions
	typ    Type
	col    int // its column; of Money the minor units, the currency being the next
	null   bool
	kernel bool // of Record: written by the kernel alone

	foldCol int // of the folded text, or -1
	sortCol int // of the collation key, or -1

	blindCol int // of the blind of a protected text, or -1
	target   *object
}

// column says how a column is read from and put into a record.
type column struct {
	field *field
	get   func(p unsafe.Pointer) any // the storage value, nil when absent
	dest  func(p unsafe.Pointer) any // nil for a column that is derived
	stamp bool                       // set by the write itself, and no change of its own
}

// planner reads a struct into an object.
type planner struct {
	o *object
}

// plan reads the struct T, which embeds Record unless it is a row of a ledger, into o:
// fields, columns, table.
func plan(o *object, t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("%s is no struct", t)
	}
	p := planner{o}
	o.recordAt = ^uintptr(0)
	if err := p.fields(t, 0); err != nil {
		return err
	}
	switch embeds := o.recordAt != ^uintptr(0); {
	case !embeds && !o.ledger():
		return fmt.Errorf("%s does not embed crm.Record", t)
	case embeds && o.ledger():
		return fmt.Errorf("%s embeds crm.Record, and rows of a ledger are no records", t)
	}
	cols := make([]storage.Column, 0, len(o.columns))
	for i := range o.columns {
		cols = append(cols, o.specs[i])
		if o.columns[i].dest != nil {
			o.read = append(o.read, i)
			if shares(o.columns[i].field, o.specs[i].Kind) {
				o.deep = append(o.deep, i)
			}
		}
	}
	for _, f := range o.fields {
		if f.search {
			o.searched = append(o.searched, f)
		}
	}
	if len(o.searched) > maxSearched {
		return fmt.Errorf("%s has %d fields marked search, and %d are allowed", t, len(o.searched), maxSearched)
	}
	if err := o.planSubject(); err != nil {
		return err
	}
	o.table = &storage.Table{Name: o.name, Key: []string{"id"}, Version: "version", Columns: cols}
	if o.ledger() {
		o.table.Key, o.table.Version = o.key, ""
	}
	return o.table.Check()
}

// shares reports whether a field leads to its value, so that a copy of the struct
// would be the same value. Custom values are copied by themselves.
func shares(f *field, k storage.Kind) bool {
	pointer := f.null && (f.typ == TypeInt || f.typ == TypeBool)
	return k == storage.JSON && f.name != "custom" || pointer
}

//nolint:gochecknoglobals // types are constants
var (
	typeRecord = reflect.TypeFor[Record]()
	typeID     = reflect.TypeFor[ID]()
	typeTime   = reflect.TypeFor[time.Time]()
	typeDate   = reflect.TypeFor[Date]()
	typeMoney  = reflect.TypeFor[Money]()
	typeRefs   = reflect.TypeFor[Refs]()
	typeCustom = reflect.TypeFor[Custom]()
	typeTexts  = reflect.TypeFor[[]string]()
)

func (p planner) fields(t reflect.Type, at uintptr) error {
	for f := range t.Fields() {
		switch {
		case f.Type == typeRecord && f.Anonymous:
			p.o.recordAt = at + f.Offset
		case f.Anonymous:
			return fmt.Errorf("%s.%s: only crm.Record is embedded", t, f.Name)
		case !f.IsExported():
			continue
		}
		if f.Anonymous {
			if err := p.fields(f.Type, at+f.Offset); err != nil {
				return err
			}
			continue
		}
		if err := p.field(f, at+f.Offset, t == typeRecord); err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
	}
	return nil
}

func (p planner) field(sf reflect.StructField, at uintptr, kernel bool) error {
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	if name == "-" {
		return nil
	}
	tg, err := parseTags(sf)
	switch {
	case err != nil:
		return err
	case name == "":
		return errors.New(`has no name: add a json tag, or json:"-" to leave the field out`)
	case p.o.byName[name] != nil:
		return fmt.Errorf("the name %q is taken", name)
	}
	tg.required = tg.required || slices.Contains(p.o.key, name)
	f := &field{tags: tg, name: name, kernel: kernel, col: len(p.o.columns), foldCol: -1, sortCol: -1, blindCol: -1}
	c, kind, err := accessor(f, sf.Type, at)
	if err != nil {
		return err
	}
	if err := f.fits(p.o); err != nil {
		return err
	}
	if f.parent {
		p.o.parent = f
	}
	if f.tags.subject != "" {
		p.o.subject = f
	}
	p.o.fields = append(p.o.fields, f)
	p.o.byName[name] = f
	p.add(name, kind, f.null, c)
	if f.typ == TypeMoney {
		p.add(name+"_currency", storage.Text, true, column{
			field: f,
			get:   func(p unsafe.Pointer) any { return orAbsent(at1[Money](p, at).Currency) },
			dest:  func(p unsafe.Pointer) any { return &at1[Money](p, at).Currency },
		})
	}
	if f.fold {
		f.foldCol = len(p.o.columns)
		p.add(name+"_fold", storage.Text, true, column{field: f, get: func(p unsafe.Pointer) any { return orAbsent(Fold(*at1[string](p, at))) }})
	}
	if f.sort && f.typ == TypeText && len(f.enum) == 0 && !kernel {
		f.sortCol = len(p.o.columns)
		p.add(name+"_sort", storage.Bytes, true, column{field: f, get: func(p unsafe.Pointer) any {
			if s := *at1[string](p, at); s != "" {
				return sortKey(s)
			}
			return nil
		}})
	}
	if f.protected { // what is in it takes the keys: see guarded
		f.blindCol = len(p.o.columns)
		p.add(name+blindSuffix, storage.Text, true, column{field: f, get: func(unsafe.Pointer) any { return nil }})
	}
	return nil
}

func (p planner) add(name string, kind storage.Kind, null bool, c column) {
	c.stamp = c.field.kernel && slices.Contains([]string{"id", "version", "created", "updated"}, name)
	p.o.columns = append(p.o.columns, c)
	p.o.specs = append(p.o.specs, storage.Column{Name: name, Kind: kind, Null: null})
}

// fits refuses tags that mean nothing for the field.
func (f *field) fits(o *object) error {
	text := f.typ == TypeText
	switch {
	case o.ledger() && (f.tree || f.guarded || f.unique || f.sort || f.search):
		return errors.New("tree, guarded, unique, sort and search are for records, and rows of a ledger are none")
	case (f.max > 0 || f.enum != nil || f.fold || f.search) && !text && !(f.search && f.typ == TypeTags):
		return fmt.Errorf("max, enum, fold and search are for text, and it holds %s", f.typ)
	case f.ref != "" && (f.typ != TypeID || !strings.HasSuffix(f.name, "_id")):
		return errors.New("a reference is a crm.ID with a name that ends in _id")
	case f.protected && (o.ledger() || !text || f.kernel):
		return errors.New("protected is for text of records")
	case f.protected && (f.fold || f.sort || f.search || f.enum != nil):
		return errors.New("what is protected is neither folded, sorted, searched nor one of few texts: take fold, sort, search and enum out")
	case f.tree && f.ref != o.name:
		return fmt.Errorf("a tree refers to its own kind: ref=%s", o.name)
	case f.identity && (!f.personal || !text):
		return errors.New("identity is for text that is personal")
	case f.personal && f.required && f.typ == TypeID:
		return errors.New("a reference that is required is not personal: it could not be erased")
	case (f.as != "" || f.parent || f.within != "") && f.ref == "":
		return errors.New("as=, parent and within= are for references")
	case f.tags.subject != "" && (f.typ != TypeID || !strings.HasSuffix(f.name, "_id") || f.ref != ""):
		return errors.New("subject= is for a crm.ID with a name that ends in _id, and without ref=")
	case f.open && f.tags.subject == "":
		return errors.New("open goes with subject=")
	case f.tags.subject != "" && (o.parent != nil || o.subject != nil), f.parent && o.subject != nil:
		return errors.New("a record belongs to one other at most")
	case f.parent && o.parent != nil:
		return fmt.Errorf("a record belongs to one other at most, and %s is its parent", o.parent.name)
	case (f.unique || f.sort) && (f.typ == TypeTags || f.typ == TypeJSON):
		return fmt.Errorf("%s is neither unique nor sorted", f.typ)
	}
	return nil
}

// at1 is the field of type T at an offset in a record.
func at1[T any](p unsafe.Pointer, at uintptr) *T {
	return (*T)(unsafe.Add(p, at))
}

func orAbsent(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// accessor decides what a field of a Go type holds, and how to get at it.
func accessor(f *field, t reflect.Type, at uintptr) (column, storage.Kind, error) {
	c := column{field: f}
	of := func(typ Type, k storage.Kind, null bool, get, dest func(unsafe.Pointer) any) (column, storage.Kind, error) {
		f.typ, f.null, c.get, c.dest = typ, null, get, dest
		return c, k, nil
	}
	switch {
	case f.json:
		return of(TypeJSON, storage.JSON, true, func(p unsafe.Pointer) any {
			v := reflect.NewAt(t, unsafe.Add(p, at)).Elem()
			if v.IsZero() {
				return nil
			}
			raw, err := json.Marshal(v.Interface())
			if err != nil {
				return &formless{err}
			}
			return json.RawMessage(raw)
		}, func(p unsafe.Pointer) any {
			return &jsonInto{reflect.NewAt(t, unsafe.Add(p, at)).Interface()}
		})
	case t == typeID:
		null := f.kernel && f.name == "owner_id" || !f.kernel && !f.required
		return of(TypeID, storage.ID, null, func(p unsafe.Pointer) any {
			if id := at1[uuid.UUID](p, at); *id != uuid.Nil {
				return *id
			}
			return nil
		}, func(p unsafe.Pointer) any { return at1[uuid.UUID](p, at) })
	case t == typeTime:
		null := f.name == "deleted" || !f.kernel && !f.required
		return of(TypeTime, storage.Time, null, func(p unsafe.Pointer) any {
			if x := at1[time.Time](p, at); !x.IsZero() {
				return *x
			}
			return nil
		}, func(p unsafe.Pointer) any { return at1[time.Time](p, at) })
	case t == typeDate:
		return of(TypeDate, storage.Day, !f.required, func(p unsafe.Pointer) any {
			if x := at1[Date](p, at); *x != (Date{}) {
				return *x
			}
			return nil
		}, func(p unsafe.Pointer) any { return at1[Date](p, at) })
	case t == typeMoney:
		return of(TypeMoney, storage.Int, true, func(p unsafe.Pointer) any {
			if x := at1[Money](p, at); *x != (Money{}) {
				return x.Minor
			}
			return nil
		}, func(p unsafe.Pointer) any { return &at1[Money](p, at).Minor })
	case t == typeRefs:
		return of(TypeJSON, storage.JSON, true, func(p unsafe.Pointer) any {
			if x := at1[Refs](p, at); len(*x) > 0 {
				return canonical(*x)
			}
			return nil
		}, func(p unsafe.Pointer) any { return &jsonInto{at1[Refs](p, at)} })
	case t == typeCustom && f.kernel:
		at -= unsafe.Offsetof(Record{}.Custom)
		return of(TypeJSON, storage.JSON, true, func(p unsafe.Pointer) any { return customColumn(at1[Record](p, at)) },
			func(p unsafe.Pointer) any { return &customInto{at1[Record](p, at)} })
	case t == typeTexts:
		return of(TypeTags, storage.JSON, true, func(p unsafe.Pointer) any {
			if x := at1[[]string](p, at); len(*x) > 0 {
				return canonical(*x)
			}
			return nil
		}, func(p unsafe.Pointer) any { return &jsonInto{at1[[]string](p, at)} })
	}
	return scalar(f, t, at, of)
}

type made func(typ Type, k storage.Kind, null bool, get, dest func(unsafe.Pointer) any) (column, storage.Kind, error)

// scalar is accessor for text, numbers and truth, of named types too, and to pointers
// to numbers and truth, which may be absent.
func scalar(f *field, t reflect.Type, at uintptr, of made) (column, storage.Kind, error) {
	switch {
	case t.Kind() == reflect.String:
		return of(TypeText, storage.Text, !f.required, func(p unsafe.Pointer) any { return orAbsent(*at1[string](p, at)) },
			func(p unsafe.Pointer) any { return at1[string](p, at) })
	case t.Kind() == reflect.Int64:
		return of(TypeInt, storage.Int, false, func(p unsafe.Pointer) any { return *at1[int64](p, at) },
			func(p unsafe.Pointer) any { return at1[int64](p, at) })
	case t.Kind() == reflect.Bool:
		return of(TypeBool, storage.Bool, false, func(p unsafe.Pointer) any { return *at1[bool](p, at) },
			func(p unsafe.Pointer) any { return at1[bool](p, at) })
	case t == reflect.TypeFor[*int64]():
		return of(TypeInt, storage.Int, true, optional[int64](at), func(p unsafe.Pointer) any { return &optionalInto[int64]{at1[*int64](p, at)} })
	case t == reflect.TypeFor[*bool]():
		return of(TypeBool, storage.Bool, true, optional[bool](at), func(p unsafe.Pointer) any { return &optionalInto[bool]{at1[*bool](p, at)} })
	}
	return column{}, 0, fmt.Errorf("%s is no type of a field: use string, int64, bool, *int64, *bool, time.Time, crm.Date, crm.Money, crm.ID, []string, or the tag json", t)
}

func optional[T any](at uintptr) func(unsafe.Pointer) any {
	return func(p unsafe.Pointer) any {
		if x := *at1[*T](p, at); x != nil {
			return *x
		}
		return nil
	}
}

// optionalInto puts a value that may be absent behind a pointer.
type optionalInto[T any] struct{ into **T }

// Scan implements sql.Scanner.
func (o *optionalInto[T]) Scan(src any) error {
	*o.into = nil
	if v, ok := src.(T); ok {
		*o.into = &v
	}
	return nil
}

// formless stands for a value of a field that has no JSON form. The check of the field
// refuses it; it never comes to the database.
type formless struct{ err error }

// jsonInto decodes JSON into a field. What cannot be decoded leaves the field as it was.
type jsonInto struct{ into any }

// Scan implements sql.Scanner.
func (j *jsonInto) Scan(src any) error {
	into := reflect.ValueOf(j.into).Elem()
	switch src := src.(type) {
	case json.RawMessage:
		read := reflect.New(into.Type())
		if err := json.Unmarshal(src, read.Interface()); err != nil {
			return err
		}
		into.Set(read.Elem())
	case *formless:
		return src.err
	default:
		into.SetZero()
	}
	return nil
}
