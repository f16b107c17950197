package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Fields are the custom fields of tenants: records of the kind "field", with the
// methods of any collection. A definition that does not fit the others of its object
// is ErrInvalid. One that expressions or other fields name is neither renamed nor
// deleted: ErrConflict, which lists them. What was deleted is read no more, and the
// values records have stay stored: they are there again when it is restored. It is
// purged only when no record has a value of it.
type Fields struct {
	*Collection[CustomField]

	core *Core
	kind *Kind[CustomField]
	uses []FieldUses
}

// FieldUses returns what of a module names a field in ctx's tenant, as a tenant
// would call it: `segment "Big deals"`. The field is an object's, and written as in
// expressions: "amount", "custom.tier". It is asked after the field was written, and yet
// [Core.FilterUses] reads an expression with the field as it was.
type FieldUses func(ctx context.Context, object, field string) ([]string, error)

// UsedBy registers a module whose stored expressions name fields, so that none is
// taken from them. Modules call it when they are made.
func (f *Fields) UsedBy(uses FieldUses) {
	f.core.mu.Lock()
	defer f.core.mu.Unlock()
	f.uses = append(f.uses, uses)
}

// Of returns the custom fields of an object, as they are shown. It takes no right,
// for whoever shows a record needs them.
func (f *Fields) Of(ctx context.Context, object string) ([]CustomField, error) {
	s, err := f.of(ctx, object)
	if err != nil {
		return nil, failed("list", "field", ID{}, err)
	}
	list := make([]CustomField, len(s.all()))
	for i, def := range s.all() {
		list[i] = def.copy(f.kind.o)
	}
	return list, nil
}

func (f *Fields) of(ctx context.Context, object string) (*fieldSet, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.core.ready(); err != nil {
		return nil, err
	}
	o := f.core.objects[object]
	if o == nil {
		return nil, Invalid("object", "there is no kind of record %q", clip(object))
	}
	return f.core.fieldsOf(ctx, sc.Tenant, o)
}

// copy returns the definition with maps and lists of its own.
func (f *customField) copy(o *object) CustomField {
	def := f.CustomField
	r := &rec{o: o, p: unsafe.Pointer(&def), v: &def} //nolint:gosec // by column.get alone
	return value[CustomField](r.clone())
}

// defineFields makes custom fields and rules kinds of records.
func (c *Core) defineFields() error {
	k, err := Define(c, Object[CustomField]{Name: "field", BeforeWrite: c.beforeField, AfterWrite: c.fieldWritten})
	if err != nil {
		return err
	}
	k.o.rights = true
	c.Fields = &Fields{Collection: &k.Collection, core: c, kind: k}
	return c.defineRules()
}

const (
	eventReady    = "ready"    // what history calls the end of a backfill
	eventOutdated = "outdated" // and that another one is needed
)

// beforeField completes a definition, and refuses what never changes.
func (c *Core) beforeField(ctx context.Context, w *Write[CustomField]) error {
	f, was := w.After, w.Before
	f.tidy()
	if err := c.customisable(f.Object); err != nil {
		return err
	}
	if was != nil {
		if err := f.stays(was, w.Event == "field."+eventReady || w.Event == "field."+eventOutdated); err != nil {
			return err
		}
	}
	others, err := c.freshFields(ctx, f.Object)
	if err != nil {
		return err
	}
	if other := others.named(f.Name); other != nil && (was == nil || other.ID != was.ID) {
		return &ConflictError{Field: "name", Holder: other.ID, Reason: "another field of the object has this name"}
	}
	if was == nil {
		f.Ready = !f.promoted() && f.Type != FieldFormula
		if f.Protected && c.cfg.Cipher == nil {
			return Invalid("protected", "there is no Config.Cipher: the program has to be given keys first")
		}
		name := f.Name
		if f.Protected {
			name += protectedMark
		}
		f.Key, err = c.freeKey(ctx, f.Object, name)
		return err
	}
	f.Key = was.Key
	if !was.Deleted.IsZero() || f.build() != was.build() {
		f.Ready = !f.promoted() && f.Type != FieldFormula
	}
	return nil
}

// stays refuses changes of what never changes.
func (f *CustomField) stays(was *CustomField, ready bool) error {
	var all faults
	if f.Object != was.Object {
		all.addf("object", "never changes: define another field")
	}
	if f.Type != was.Type && !widens(was.Type, f.Type) {
		all.addf("type", "a %s does not become a %s: define another field", was.Type, f.Type)
	}
	if f.Protected != was.Protected {
		all.addf("protected", "never changes: define another field, and move the values there")
	}
	if f.Scale != was.Scale {
		all.addf("scale", "never changes: define another field")
	}
	if f.To != was.To {
		all.addf("refers_to", "never changes: define another field")
	}
	if f.Ready != was.Ready && !ready {
		all.addf("ready", "is set by Backfill alone")
	}
	return all.err()
}

// build is what the index or the stored values are made by: when it changes they
// are made anew. A field that is indexed besides being unique needs no more.
func (f *CustomField) build() string {
	switch {
	case f.Type == FieldFormula:
		return "formula " + f.Formula
	case f.Unique:
		return fmt.Sprintf("unique %t", f.Type == FieldText || f.Type == FieldEmail || f.Type == FieldURL)
	case f.Indexed:
		return "indexed"
	}
	return ""
}

// freeKey finds a key that no field of the object has or had: its name, or its name
// with a number behind a sign that no name has.
func (c *Core) freeKey(ctx context.Context, object, name string) (string, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return "", err
	}
	o := c.Fields.kind.o
	taken := map[string]bool{}
	row := storage.Values(make([]any, len(o.columns)))
	col := o.byName["key"].col
	note := func() {
		if key, ok := row[col].(string); ok {
			taken[key] = true
		}
	}
	err = c.session(ctx).Read(ctx, sc.Tenant, &storage.Query{
		Table: o.table, Columns: []int{col}, Limit: storage.MaxPage,
		Where: storage.And{storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object}, storage.Prefix{Field: storage.F("key"), Text: name}},
	}, func() storage.Row { note(); return row })
	note()
	key := name
	for n := 2; taken[key]; n++ {
		key = fmt.Sprintf("%s$%d", name, n)
	}
	return key, err
}

// afterField holds a definition against the others of its object, once it is
// written: by then everyone else who defines fields for the tenant waits.
func (c *Core) afterField(ctx context.Context, w *Write[CustomField]) error {
	was, is := w.Before, w.After
	if is == nil {
		return c.fieldPurged(ctx, was)
	}
	s, err := c.freshFields(ctx, is.Object)
	if err != nil || s == nil && is.Deleted.IsZero() {
		return err
	}
	if is.Deleted.IsZero() {
		if err := s.fits(); err != nil {
			return err
		}
		if err := s.defined(c, is); err != nil {
			return err
		}
	}
	if was == nil || !was.Deleted.IsZero() {
		return nil
	}
	if was.Name != is.Name || !is.Deleted.IsZero() || was.Type == FieldChoice && is.Type != FieldChoice {
		if err := c.fieldUnused(ctx, s, was, is); err != nil {
			return err
		}
	}
	if err := c.optionsUnused(ctx, was, is); err != nil {
		return err
	}
	if was.build() != is.build() || !is.Deleted.IsZero() {
		return c.clearIndex(ctx, was, is.promoted() && is.Deleted.IsZero())
	}
	return nil
}

// fits holds the limits.
func (s *fieldSet) fits() error {
	if n := len(s.list); n > MaxCustomFields {
		return Invalid("object", "%s would have %d custom fields, and %d are allowed", s.o.name, n, MaxCustomFields)
	}
	if n := len(s.promoted); n > maxIndexed {
		return Invalid("indexed", "%s would have %d fields that are unique or indexed, and %d are allowed", s.o.name, n, maxIndexed)
	}
	return nil
}

// defined holds a definition against what it names.
func (s *fieldSet) defined(c *Core, def *CustomField) error {
	f := s.named(def.Name)
	if f == nil {
		return nil
	}
	var all faults
	if f.err != nil {
		all.addf("formula", "%s", strings.TrimPrefix(f.err.Error(), "storage: "))
	}
	if f.Type == FieldReference && c.objects[f.To] == nil {
		all.addf("refers_to", "there is no kind of record %q", clip(f.To))
	}
	if f.DependsOn != "" {
		s.checkParent(f, &all)
	}
	return all.err()
}

// checkParent holds a dependent choice against the one it depends on.
func (s *fieldSet) checkParent(f *customField, all *faults) {
	parent := s.named(f.DependsOn)
	if parent == nil || parent.Type != FieldChoice {
		all.addf("depends_on", "%s has no choice of this name among its custom fields", s.o.name)
		return
	}
	for steps := 0; parent != nil; parent = s.named(parent.DependsOn) {
		if steps++; parent == f || steps > MaxCustomFields {
			all.addf("depends_on", "would make a circle")
			return
		}
	}
	parent = s.named(f.DependsOn)
	for _, o := range f.Options {
		for _, key := range o.When {
			if _, ok := parent.Option(key); !ok {
				all.addf("options", "%q goes with %q, which is no option of %s", o.Key, clip(key), parent.Name)
			}
		}
	}
}

// fieldsThen is the key of a context in which expressions know the custom fields of one
// object as they were.
type fieldsThen struct{}

// fieldUnused refuses that a field loses its name while something names it, or that
// it is no choice any more while another depends on it. s are the fields as they are
// by now, is among them or nil.
func (c *Core) fieldUnused(ctx context.Context, s *fieldSet, was, is *CustomField) error {
	renamed := is == nil || is.Name != was.Name || !is.Deleted.IsZero()
	// Expressions are read with the field as it was.
	then := &fieldSet{o: c.objects[was.Object], byName: map[string]*customField{}}
	for _, f := range s.all() {
		if f.ID != was.ID {
			then.byName[f.Name] = f
		}
	}
	then.byName[was.Name] = newCustomField(was)
	var users []string
	for _, f := range s.all() {
		if f.ID != was.ID && (f.DependsOn == was.Name || f.Type == FieldFormula && renamed && then.names(f.Formula, was.Name)) {
			users = append(users, fmt.Sprintf("field %q", f.Name))
		}
	}
	if s != nil {
		for _, r := range s.rules {
			if renamed && (r.Field == "custom."+was.Name || then.names(r.When, was.Name)) {
				users = append(users, fmt.Sprintf("rule %q", r.Name))
			}
		}
	}
	for _, uses := range c.Fields.uses {
		if !renamed {
			break
		}
		more, err := uses(context.WithValue(ctx, fieldsThen{}, then), was.Object, "custom."+was.Name)
		if err != nil {
			return err
		}
		users = append(users, more...)
	}
	if is != nil && is.Name != was.Name {
		bare, err := c.barredBy(ctx, was.Object, "custom."+was.Name, "custom."+is.Name)
		if err != nil {
			return err
		}
		users = append(users, bare...)
	}
	if len(users) == 0 {
		return nil
	}
	return &ConflictError{Field: "name", Reason: fmt.Sprintf("custom.%s is used by %s: change them first", was.Name, firstOf(users))}
}

// barredBy names the roles that take a field away by its old name and would not by its
// new one: who has them would read it, or write it.
func (c *Core) barredBy(ctx context.Context, object, was, is string) (users []string, err error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.rightsOf(ctx, sc.Tenant)
	if err != nil {
		return nil, err
	}
	for _, x := range r.roles {
		for _, verb := range []Verb{VerbRead, VerbUpdate} {
			if closed := x.closed(object, verb); isClosed(closed, was) && !isClosed(closed, is) {
				users = append(users, fmt.Sprintf("role %q, which has to take %s away too", x.name, is))
				break
			}
		}
	}
	slices.Sort(users)
	return users, nil
}

// firstOf names the first of a list, and how many more there are.
func firstOf(names []string) string {
	const shown = 10
	if more := len(names) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), more)
	}
	return strings.Join(names, ", ")
}

// optionsUnused refuses that an option is taken out while records have it.
func (c *Core) optionsUnused(ctx context.Context, was, is *CustomField) error {
	if !is.chosen() {
		return nil
	}
	for _, o := range was.Options {
		if _, kept := is.Option(o.Key); kept {
			continue
		}
		at := storage.Field{Name: "custom", Member: was.Key, Kind: storage.Text}
		var where storage.Expr = storage.Is{Field: at, Op: storage.Eq, Value: o.Key}
		if was.Type == FieldMultiChoice {
			at.Kind = storage.JSON
			where = storage.Has{Field: at, Text: o.Key}
		}
		n, err := c.countOf(ctx, was.Object, where)
		if err != nil {
			return err
		}
		if n > 0 {
			return &ConflictError{Field: "options", Reason: fmt.Sprintf("%s the option %q: retire it instead", records(n, "has", "have"), o.Key)}
		}
	}
	return nil
}

// fieldPurged refuses to purge what records still have, and removes what is left of
// the field.
func (c *Core) fieldPurged(ctx context.Context, was *CustomField) error {
	n, err := c.countOf(ctx, was.Object, storage.Not{Expr: storage.Absent{Field: storage.Field{Name: "custom", Member: was.Key, Kind: storage.JSON}}})
	if err != nil {
		return err
	}
	if n > 0 {
		return &ConflictError{Field: "name", Reason: records(n, "has", "have") + " a value, deleted ones counted: delete the field, which keeps them, or empty it first"}
	}
	if was.Deleted.IsZero() {
		s, err := c.freshFields(ctx, was.Object)
		if err != nil {
			return err
		}
		if err := c.fieldUnused(ctx, s, was, nil); err != nil {
			return err
		}
	}
	return c.clearIndex(ctx, was, false)
}

// countOf counts records of an object, living or deleted.
func (c *Core) countOf(ctx context.Context, object string, where storage.Expr) (int64, error) {
	sc, err := scopeOf(ctx)
	o := c.objects[object]
	if err != nil || o == nil {
		return 0, err
	}
	return count(ctx, c.session(ctx), sc.Tenant, o.table, where)
}

// clearIndex forgets how far a field was filled, and removes what is in the index for
// it, unless that goes on to be used until it is filled anew.
func (c *Core) clearIndex(ctx context.Context, f *CustomField, used bool) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	changes := []storage.Change{{Action: storage.Delete, Table: backfillTable, Row: &backfillRow{field: uuid.UUID(f.ID)}}}
	if f.promoted() && !used {
		changes = append(changes, storage.Change{Action: storage.Clear, Table: indexTable, Where: f.rows()})
	}
	return c.session(ctx).Write(ctx, sc.Tenant, changes)
}
