package crm

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"
)

// Records are the records of one kind, by the names of its fields: for what is to work
// with any kind, as imports, exports and interfaces over a network do. They are the
// same records as the kind's [Collection], and change in the same way: what may not be
// read, written or kept there is so here too.
type Records struct{ o *object }

// Records returns the records of a kind.
func (c *Core) Records(kind string) (*Records, error) {
	if err := c.ready(); err != nil {
		return nil, failed("records", "", ID{}, err)
	}
	o := c.objects[kind]
	if o == nil {
		return nil, failed("records", "", ID{}, Invalid("object", "there is no kind of record %q", clip(kind)))
	}
	return &Records{o}, nil
}

// Kinds returns the names of all kinds of records, as they were defined.
func (c *Core) Kinds() ([]string, error) {
	if err := c.ready(); err != nil {
		return nil, failed("kinds", "", ID{}, err)
	}
	names := make([]string, len(c.order))
	for i, o := range c.order {
		names[i] = o.name
	}
	return names, nil
}

// Kind is the name of what they are.
func (r *Records) Kind() string { return r.o.name }

// Plural is what they are called together.
func (r *Records) Plural() string { return r.o.plural }

// FieldInfo describes a field of a kind of record.
type FieldInfo struct {
	// Name is how Values, expressions and errors call it: "amount", and "custom.tier" of
	// one of the tenant's own.
	Name string
	Type Type
	// Kernel says that it is one all records have: id, version, created …
	Kernel   bool
	Required bool
	// Guarded says that it is changed by the verbs of its module alone.
	Guarded bool
	Unique  bool
	// Personal says that it says something about a person.
	Personal bool
	// Protected says that it is kept as ciphertext, and compared by ==, != and in alone.
	Protected bool
	// Search says that records are found by its words.
	Search bool
	// Max is how many characters it has at most; 0: no limit of its own.
	Max int
	// Choices are the texts it may be; none: any.
	Choices []string
	// Ref is the kind of record it refers to, or empty.
	Ref string
	// Tree says that the reference to its own kind makes trees.
	Tree bool
	// Within is the reference that the record it refers to has in common with this one, as a
	// stage is of the deal's pipeline; or empty.
	Within string
	// Subjects are the kinds of records that it may refer to, where the text field Subject
	// says for each record which it is; else they are empty.
	Subject  string
	Subjects []string
	// Scale is how many digits a decimal has after the point.
	Scale int
	// Labels are what people call it, by language, of one of the tenant's own.
	Labels map[string]string
	// Computed says that it is never given: a formula.
	Computed bool
}

// Fields describes the fields that the actor may read, the tenant's own behind the
// others. Those he sees in part are not among them: see [Records.Masked].
func (r *Records) Fields(ctx context.Context) ([]FieldInfo, error) {
	rd, err := r.o.reader(ctx)
	if err != nil {
		return nil, failed("fields", r.o.name, ID{}, err)
	}
	own, err := r.o.core.fieldsOf(ctx, rd.sc.Tenant, r.o)
	if err != nil {
		return nil, failed("fields", r.o.name, ID{}, err)
	}
	var list []FieldInfo
	for _, f := range r.o.fields {
		if f.name == "custom" || rd.access.hides(f.name) {
			continue
		}
		info := FieldInfo{
			Name: f.name, Type: f.typ, Kernel: f.kernel, Required: f.required, Guarded: f.guarded, Unique: f.unique, Personal: f.personal, Protected: f.protected,
			Search: f.search, Max: f.max, Choices: append([]string(nil), f.enum...), Ref: f.ref, Tree: f.tree, Within: f.within, Subject: f.tags.subject,
		}
		if f.tags.subject != "" {
			for _, up := range r.o.ups() {
				info.Subjects = append(info.Subjects, up.name)
			}
		}
		list = append(list, info)
	}
	for _, f := range own.all() {
		if !rd.access.hides(f.name) {
			list = append(list, f.info())
		}
	}
	return list, nil
}

// Masked are the names of the fields that the actor sees in part, and may have revealed
// by [Records.Reveal].
func (r *Records) Masked(ctx context.Context) ([]string, error) {
	rd, err := r.o.reader(ctx)
	if err != nil {
		return nil, failed("masked", r.o.name, ID{}, err)
	}
	if rd.access.all {
		return nil, nil
	}
	return slices.Sorted(maps.Keys(rd.access.read.masked)), nil
}

// info describes a field of the tenant's own.
func (f *customField) info() FieldInfo {
	info := FieldInfo{
		Name: f.name, Required: f.Required, Unique: f.Unique, Ref: f.target(), Scale: int(f.Scale), Max: f.length(),
		Labels: f.Labels, Computed: f.Type == FieldFormula, Protected: f.Protected,
	}
	switch f.Type {
	case FieldInt:
		info.Type = TypeInt
	case FieldDecimal:
		info.Type = TypeDecimal
	case FieldMoney:
		info.Type = TypeMoney
	case FieldBool, FieldFormula:
		info.Type = TypeBool
	case FieldDate:
		info.Type = TypeDate
	case FieldTime:
		info.Type = TypeTime
	case FieldMember, FieldReference:
		info.Type = TypeID
	case FieldMultiChoice:
		info.Type = TypeTags
	default:
		info.Type = TypeText
	}
	for _, o := range f.Options {
		if !o.Retired {
			info.Choices = append(info.Choices, o.Key)
		}
	}
	return info
}

// Create adds a record as [Collection.Create] does.
func (r *Records) Create(ctx context.Context, v Values) (Values, error) {
	kept, err := r.createAll(ctx, []Values{v})
	if err != nil {
		return nil, failed("create", r.o.name, ID{}, err)
	}
	return kept[0], nil
}

// CreateAll adds records as [Collection.CreateAll] does, all or none.
func (r *Records) CreateAll(ctx context.Context, list []Values) ([]Values, error) {
	kept, err := r.createAll(ctx, list)
	return kept, failed("create", r.o.name, ID{}, err)
}

func (r *Records) createAll(ctx context.Context, list []Values) ([]Values, error) {
	recs := make([]*rec, len(list))
	for i, v := range list {
		recs[i] = r.o.newRec()
		if err := v.into(recs[i]); err != nil {
			return nil, at(i, len(list), err)
		}
	}
	if err := r.o.create(ctx, recs); err != nil {
		return nil, err
	}
	return r.seen(ctx, recs...)
}

// seen are records as the actor sees them.
func (r *Records) seen(ctx context.Context, recs ...*rec) ([]Values, error) {
	sc, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	a, err := r.o.core.access(ctx, sc, r.o)
	if err != nil {
		return nil, err
	}
	list := make([]Values, len(recs))
	for i, rec := range recs {
		list[i] = valuesOf(rec, a)
	}
	return list, nil
}

func (r *Records) one(ctx context.Context, found *rec, err error) (Values, error) {
	if err != nil {
		return nil, err
	}
	list, err := r.seen(ctx, found)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// Get returns a record as [Collection.Get] does.
func (r *Records) Get(ctx context.Context, id ID, opts ...ListOption) (Values, error) {
	found, err := r.o.get(ctx, id, opts)
	if err == nil {
		err = r.o.told(ctx, ReadingRead, found)
	}
	v, err := r.one(ctx, found, err)
	return v, failed("get", r.o.name, id, err)
}

// Update changes a record as [Collection.Update] does: fn gets it as it is now, and
// sets what it means to change; nil, or deleting the entry, makes a field absent.
func (r *Records) Update(ctx context.Context, id ID, fn func(Values) error, opts ...WriteOption) (Values, error) {
	v, err := r.update(ctx, id, fn, opts)
	return v, failed("update", r.o.name, id, err)
}

func (r *Records) update(ctx context.Context, id ID, fn func(Values) error, opts []WriteOption) (Values, error) {
	kept, err := r.o.update(ctx, id, "", func(rec *rec) error {
		list, err := r.seen(ctx, rec)
		if err != nil {
			return err
		}
		v, was := list[0], list[0].clone()
		if err := fn(v); err != nil {
			return err
		}
		return v.change(was, rec)
	}, opts)
	return r.one(ctx, kept, err)
}

// HandOver gives a record to another owner: fn gets the one it has and returns the one it
// is to have, a zero ID being nobody. The history calls it by the event's name: "claimed"
// makes "boat.claimed". In all else it is [Records.Update]; in a transaction the record
// is held while fn is called.
func (r *Records) HandOver(ctx context.Context, id ID, event string, fn func(owner ID) (ID, error), opts ...WriteOption) (Values, error) {
	v, err := r.handOver(ctx, id, event, fn, opts)
	return v, failed(event, r.o.name, id, err)
}

func (r *Records) handOver(ctx context.Context, id ID, event string, fn func(owner ID) (ID, error), opts []WriteOption) (Values, error) {
	if !isFieldName(event) {
		return nil, Invalid("event", "is lower-case letters, digits and underscores: claimed")
	}
	kept, err := r.o.update(ctx, id, event, func(rec *rec) (err error) {
		m := rec.meta()
		m.OwnerID, err = fn(m.OwnerID)
		return err
	}, opts)
	return r.one(ctx, kept, err)
}

// May is nil if the actor may do a verb with living records, as [Collection.May] says.
func (r *Records) May(ctx context.Context, verb Verb, ids ...ID) error {
	id := ID{}
	if len(ids) == 1 {
		id = ids[0]
	}
	return failed(string(verb), r.o.name, id, r.o.may(ctx, verb, ids))
}

// Upsert creates a record or updates the one that is the same, as [Collection.Upsert]
// does.
func (r *Records) Upsert(ctx context.Context, v Values, by ...string) (Values, Outcome, error) {
	given := r.o.newRec()
	err := v.into(given)
	var kept *rec
	var outcome Outcome
	if err == nil {
		kept, outcome, err = r.o.upsert(ctx, given, by)
	}
	got, err := r.one(ctx, kept, err)
	if err != nil {
		return nil, "", failed("upsert", r.o.name, ID{}, err)
	}
	return got, outcome, nil
}

// Delete deletes a record as [Collection.Delete] does.
func (r *Records) Delete(ctx context.Context, id ID, opts ...WriteOption) error {
	return failed("delete", r.o.name, id, r.o.remove(ctx, id, opts))
}

// Purge removes a record for good as [Collection.Purge] does.
func (r *Records) Purge(ctx context.Context, id ID, opts ...WriteOption) error {
	return failed("purge", r.o.name, id, r.o.purge(ctx, id, opts))
}

// List returns a page of records as [Collection.List] does.
func (r *Records) List(ctx context.Context, opts ...ListOption) (Page[Values], error) {
	p, err := r.list(ctx, listOptionsOf(opts))
	return p, failed("list", r.o.name, ID{}, err)
}

func (r *Records) list(ctx context.Context, o listOptions) (Page[Values], error) {
	l, err := r.o.listTold(ctx, o)
	if err != nil {
		return Page[Values]{}, err
	}
	items, err := r.seen(ctx, l.recs...)
	if err != nil {
		return Page[Values]{}, err
	}
	return Page[Values]{Items: items, Next: l.next}, nil
}

// All returns every record of a list as [Collection.All] does.
func (r *Records) All(ctx context.Context, opts ...ListOption) iter.Seq2[Values, error] {
	return func(yield func(Values, error) bool) {
		o := listOptionsOf(opts)
		if o.limit == 0 {
			o.limit = MaxPage
		}
		for {
			p, err := r.list(ctx, o)
			if err != nil {
				yield(nil, failed("list", r.o.name, ID{}, err))
				return
			}
			for _, v := range p.Items {
				if !yield(v, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			o.after = p.Next
		}
	}
}

// Count returns how many records there are.
func (r *Records) Count(ctx context.Context, opts ...ListOption) (int64, error) {
	n, err := r.o.count(ctx, listOptionsOf(opts))
	return n, failed("count", r.o.name, ID{}, err)
}

// History returns what happened to a record as [Collection.History] does.
func (r *Records) History(ctx context.Context, id ID, opts ...ListOption) (Page[Event], error) {
	p, err := r.o.history(ctx, id, listOptionsOf(opts))
	if err != nil {
		return Page[Event]{}, failed("history", r.o.name, id, err)
	}
	return p, nil
}

// Export returns every record of a list that the actor has the right to export, with
// the fields he may read. What he sees in part is left out.
func (r *Records) Export(ctx context.Context, opts ...ListOption) iter.Seq2[Values, error] {
	return r.All(ctx, append(opts, func(o *listOptions) { o.export = true })...)
}

// Import adds records as [Records.CreateAll] does, but each for itself: of one that is
// refused the error is at its place, and the others are kept. A record may say when it
// was created, which its history then says too, and when it was last changed. It takes the right to import. The
// error beside is about the whole: then none is kept.
func (r *Records) Import(ctx context.Context, list []Values) ([]error, error) {
	faults, err := r.o.importAll(ctx, list, nil)
	return faults, failed("import", r.o.name, ID{}, err)
}

func (o *object) importAll(ctx context.Context, list []Values, past [][]Past) ([]error, error) {
	if _, err := o.writer(ctx, VerbImport); err != nil {
		return nil, err
	}
	faults := make([]error, len(list))
	all := make([]int, len(list))
	for i := range list {
		all[i] = i
	}
	err := o.importSome(ctx, list, past, all, faults)
	return faults, err
}

// importSome adds those of a list whose indexes are given. What the database refuses
// names one record, so they are halved until it is alone.
func (o *object) importSome(ctx context.Context, list []Values, past [][]Past, some []int, faults []error) error {
	if len(some) == 0 {
		return nil
	}
	var sound []int
	err := o.call(ctx, true, func(ctx context.Context) error {
		w, err := o.writer(ctx, VerbCreate)
		if err != nil {
			return err
		}
		given := map[int]*change{}
		sound, err = standing(some, faults, func(i int) (err error) {
			if given[i], err = w.importing(list[i]); err == nil && i < len(past) {
				err = w.dated(given[i], past[i])
			}
			return err
		})
		if err != nil {
			return err
		}
		ctx, err = o.gather(ctx, of(given, sound))
		if err != nil {
			return err
		}
		sound, err = standing(sound, faults, func(i int) error {
			if err := w.prepare(ctx, given[i]); err != nil || i >= len(past) {
				return err
			}
			return w.recall(given[i], past[i])
		})
		if err != nil || len(sound) == 0 {
			return err
		}
		return w.write(ctx, of(given, sound))
	})
	switch {
	case err == nil || !ofRecord(err) || len(sound) == 0:
		return err
	case len(sound) == 1:
		faults[sound[0]] = err
		return nil
	}
	half := len(sound) / 2
	if err := o.importSome(ctx, list, past, sound[:half], faults); err != nil {
		return err
	}
	return o.importSome(ctx, list, past, sound[half:], faults)
}

// standing returns those of some that pass. What is wrong with one is kept at its place, and
// what is wrong with the whole ends it.
func standing(some []int, faults []error, pass func(i int) error) (stand []int, err error) {
	for _, i := range some {
		switch err := pass(i); {
		case err == nil:
			stand = append(stand, i)
		case ofRecord(err):
			faults[i] = err
		default:
			return nil, err
		}
	}
	return stand, nil
}

// of returns the changes of some.
func of(given map[int]*change, some []int) []*change {
	list := make([]*change, len(some))
	for k, i := range some {
		list[k] = given[i]
	}
	return list
}

// importing is the change that one record is, as it was given.
func (w *writer) importing(v Values) (*change, error) {
	r := w.newRec()
	if err := v.into(r); err != nil {
		return nil, err
	}
	c := &change{o: w.object, verb: VerbCreate, event: "created", after: r}
	for name, into := range map[string]*time.Time{"created": &c.happened, "updated": &c.touched} {
		made, ok := v[name]
		if !ok {
			continue
		}
		t, msg := normalTime(made)
		if msg != "" {
			return nil, Invalid(name, "%s", msg)
		}
		*into, _ = t.(time.Time)
		if into.After(w.now) {
			return nil, Invalid(name, "lies in the future")
		}
	}
	if !c.touched.IsZero() && c.touched.Before(w.when(c)) {
		return nil, Invalid("updated", "lies before the record was created")
	}
	return c, nil
}
