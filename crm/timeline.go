package crm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// Appearance says how records of a kind, or rows of a [Ledger], appear in the timelines of
// others: in that of the record to which one leads, at a time it holds. Define and
// DefineLedger refuse one whose fields are not there. An index on (tenant, On, At, id)
// where deleted is null makes a page cost the same however long the timeline is.
type Appearance struct {
	// On is the field that leads to the record in whose timeline it is: a reference, or
	// one tagged subject.
	On string
	// At is the field of the time; empty: created. A record that has none there does not
	// appear.
	At string
	// Title is a field of text that says what it is; empty: none.
	Title string
	// Kind is what the entry is called; empty: as the kind of record. With KindOf it is
	// instead what that field of text holds, as an interaction's "call".
	Kind, KindOf string
	// Asked says that they appear only where [TimelineFilter].Kinds names Kind: many small
	// ones that would hide the others.
	Asked bool
}

// appearance is an Appearance of an object's fields.
type appearance struct {
	Appearance

	o                     *object
	on, at, title, kindOf *field
	open                  bool // on is a subject
}

// MaxAppearances is how many ways there are to appear in the timelines of one kind.
const MaxAppearances = storage.MaxBranches - 1

func (o *object) appear(x Appearance) error {
	if x.At == "" {
		x.At = "created"
	}
	a := &appearance{Appearance: x, o: o, on: o.byName[x.On], at: o.byName[x.At], title: o.byName[x.Title], kindOf: o.byName[x.KindOf]}
	text := func(name string, f *field) bool { return name == "" || f != nil && f.typ == TypeText && !f.protected }
	switch {
	case a.on == nil || a.on.typ != TypeID || a.on.ref == "" && a.on != o.subject:
		return Invalid("timeline", "%q is no reference of %s, nor what it hangs on", x.On, o.name)
	case a.at == nil || a.at.typ != TypeTime:
		return Invalid("timeline", "%q is no time of %s", x.At, o.name)
	case o.ledger() && !slices.Equal(o.key, []string{x.On, x.At, "id"}):
		return Invalid("timeline", "the key of %s is not %s, %s, id, by which rows are read in the order of a timeline", o.name, x.On, x.At)
	case !text(x.Title, a.title) || !text(x.KindOf, a.kindOf):
		return Invalid("timeline", "title and kind of %s are fields of text that is not protected", o.name)
	}
	if a.Kind == "" {
		a.Kind = o.name
	}
	a.open = a.on == o.subject
	o.appearances = append(o.appearances, a)
	return nil
}

// resolveAppearances refuses more than a timeline is read from.
func (c *Core) resolveAppearances() error {
	for _, o := range c.order {
		if n := len(c.appearing(o)); n > MaxAppearances {
			return Invalid("timeline", "%d kinds appear in the timeline of a %s, and %d are allowed", n, o.name, MaxAppearances)
		}
	}
	return nil
}

// appearing are those who appear in the timelines of an object's records.
func (c *Core) appearing(in *object) (list []*appearance) {
	for _, o := range slices.Concat(c.order, c.ledgers) {
		for _, x := range o.appearances {
			if x.open && c.hangable(in) || !x.open && x.on.ref == in.name {
				list = append(list, x)
			}
		}
	}
	return list
}

// TimelineEntry is something that happened to a record, or hangs on it.
type TimelineEntry struct {
	At time.Time
	// Kind is what it is: "note", "call", or for what happened to the record itself the
	// event's name, "deal.won".
	Kind string
	// Object and ID are the record that appears: a note, a deal, or the record itself.
	Object string
	ID     ID
	// Title is what it is about; empty: it says none, or the actor may not read it.
	Title string
	// OwnerID is who owns the record that appears; zero: nobody, or the actor may not
	// know.
	OwnerID ID
	// Actor is who did what happened to the record itself: see [Event].
	Actor string
	// Changes are what that did to its fields, those that the actor may read.
	Changes []FieldChange
}

// TimelineFilter says which entries are wanted. The zero one is all.
type TimelineFilter struct {
	// Kinds are those wanted, at most 100: "note", "call", "interaction" for those of all
	// its kinds, "deal.won", or "deal.*" for all that happened to the record itself when
	// that is a deal. Some kinds are there only when they are named here: see [Appearance].
	Kinds []string
	// Member is whose entries are wanted: what he owns, and what he did.
	Member ID
	// From and To bound the time: from the first on, and before the second.
	From, To time.Time
}

// Timeline returns what happened to a record and what hangs on it, in one list, the
// latest first: interactions, notes, tasks and whatever else the kinds of records say
// (see [Object]) and, from its history, what changed of the record itself. It is for who
// may read the record; an entry of a record he may not read is not in it, and what he
// may not read of an entry is left out. Deleted records do not appear; what happened to
// the record itself stays. Limit and After apply as for a list.
//
// A page is one statement, which reads as many entries of each kind as the page has.
// Only the record's own history is sorted as a whole.
func (c *Core) Timeline(ctx context.Context, object string, id ID, f TimelineFilter, opts ...ListOption) (Page[TimelineEntry], error) {
	p, err := c.timeline(ctx, object, id, f, listOptionsOf(opts))
	if err == nil && len(p.Items) > 0 && c.watched(ctx) {
		err = c.objects[object].toldIDs(ctx, ReadingRead, []ID{id})
	}
	if err != nil {
		return Page[TimelineEntry]{}, failed("timeline", object, id, err)
	}
	return p, nil
}

// timeline is one call of Timeline.
type timeline struct {
	*reader

	id     ID
	filter TimelineFilter
	opts   listOptions
	parts  []*appearance // by branch; nil is the record's own events
	after  []any
	from   string // of the last entry read, the name of its branch
	names  []string
}

const maxKinds = 100

func (c *Core) timeline(ctx context.Context, object string, id ID, f TimelineFilter, opts listOptions) (Page[TimelineEntry], error) {
	none := Page[TimelineEntry]{}
	o := c.objects[object]
	if o == nil {
		return none, Invalid("object", "there is no kind %q", object)
	}
	r, err := o.reader(ctx)
	if err != nil {
		return none, err
	}
	l := &timeline{reader: r, id: id, filter: f, opts: opts}
	if err := l.check(); err != nil {
		return none, err
	}
	tn, err := c.Tenants.of(ctx, r.sc.Tenant)
	if err == nil && tn == nil {
		err = ErrNotFound
	}
	if err == nil {
		err = l.visible(ctx)
	}
	if err == nil {
		err = l.position(tn)
	}
	if err != nil {
		return none, err
	}
	u, err := l.union(ctx)
	if err != nil || len(u.Branches) == 0 {
		return none, err
	}
	var rows []*timelineRow
	err = c.session(ctx).Union(ctx, r.sc.Tenant, u, func() storage.Row {
		rows = append(rows, &timelineRow{})
		return rows[len(rows)-1]
	})
	if err != nil {
		return none, err
	}
	return l.page(ctx, tn, rows)
}

func (l *timeline) check() error {
	f := &l.filter
	if l.opts.limit == 0 {
		l.opts.limit = DefaultPage
	}
	switch {
	case l.opts.limit < 1 || l.opts.limit >= MaxPage:
		return Invalid("limit", "a page has 1 to %d entries, not %d", MaxPage-1, l.opts.limit)
	case len(l.opts.where) > 0 || len(l.opts.order) > 0 || l.opts.deleted:
		return Invalid("where", "a timeline is filtered by its TimelineFilter, sorted by time, and of living records: of the options it takes Limit and After")
	case len(f.Kinds) > maxKinds:
		return Invalid("kinds", "are %d, and %d are allowed", len(f.Kinds), maxKinds)
	case !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To):
		return Invalid("from", "lies not before to")
	}
	return nil
}

// visible is nil if the actor may read the record. Its one statement is saved where he
// may read all of them: a record that is not there has no entries then.
func (l *timeline) visible(ctx context.Context) error {
	if l.access.everything() {
		return nil
	}
	_, err := l.object.get(ctx, l.id, []ListOption{WithDeleted()})
	return err
}

// The values of a row of a timeline.
const (
	entryAt = iota
	entryID
	entryKind
	entryTitle
	entryOwner
	entryActor
	entryRecorded
	entryChanges
	entryValues
)

// timelineRow is one of them.
type timelineRow struct {
	at, recorded       time.Time
	id, owner          uuid.UUID
	kind, title, actor string
	changes            json.RawMessage
	part               int64
}

func (r *timelineRow) Value(int) any { return nil }

func (r *timelineRow) Dest(i int) any {
	return [...]any{&r.at, &r.id, &r.kind, &r.title, &r.owner, &r.actor, &r.recorded, &r.changes, &r.part}[i]
}

// union is the query of a page and one entry more.
func (l *timeline) union(ctx context.Context) (*storage.Union, error) {
	u := &storage.Union{
		Kinds: []storage.Kind{
			storage.Time, storage.ID, storage.Text, storage.Text, storage.ID, storage.Text, storage.Time, storage.JSON,
		},
		Sorted: entryID + 1, Desc: true, Limit: l.opts.limit + 1,
	}
	for _, x := range l.core.appearing(l.object) {
		b, err := l.branch(ctx, x)
		if err != nil {
			return nil, err
		}
		if b != nil {
			l.add(u, x, b)
		}
	}
	b, err := l.events(ctx)
	if err == nil && b != nil {
		l.add(u, nil, b)
	}
	return u, err
}

// add adds a branch, which goes on behind the last entry. Entries of one time and id, of
// one record that appears twice, come in the order of branches: of those behind that of
// the last entry the same id is yet to come.
func (l *timeline) add(u *storage.Union, x *appearance, b *storage.Branch) {
	name := "event"
	if x != nil {
		name = x.o.name + "." + x.On + "." + x.At + "." + x.Kind
	}
	if l.after != nil {
		b.After = l.after
		if slices.Contains(l.names, l.from) && name != l.from {
			id, _ := l.after[1].(uuid.UUID)
			if next, ok := idAfter(id); ok {
				b.After = []any{l.after[0], next}
			}
		}
	}
	l.names = append(l.names, name)
	l.parts = append(l.parts, x)
	u.Branches = append(u.Branches, *b)
}

// idAfter is the id after another one.
func idAfter(id uuid.UUID) (uuid.UUID, bool) {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return id, true
		}
	}
	return id, false
}

// branch is where the entries of an appearance come from; nil: there are none to see.
func (l *timeline) branch(ctx context.Context, x *appearance) (*storage.Branch, error) {
	if x.KindOf == "" && !l.wants(x.Kind) || x.Asked && !slices.Contains(l.filter.Kinds, x.Kind) {
		return nil, nil
	}
	narrow := x.kindOf != nil && !l.wants(x.Kind) // the kind's own name is all of them
	a, err := l.core.access(ctx, l.sc, x.o)
	switch {
	case err != nil:
		return nil, err
	case a.may(VerbRead) != nil, a.hides(x.On), a.hides(x.At), narrow && a.hides(x.KindOf):
		return nil, nil //nolint:nilerr // what he may not read is not there
	case !l.filter.Member.IsZero() && (x.o.ledger() || a.hides("owner_id")): // a row is nobody's own
		return nil, nil
	}
	if x.o.ledger() {
		if gone, err := l.gone(ctx); err != nil || gone {
			return nil, err
		}
	}
	where := storage.And{storage.Is{Field: storage.F(x.On), Op: storage.Eq, Value: uuid.UUID(l.id)}}
	if x.open {
		where = append(where, storage.Is{Field: storage.F(x.o.subjectKind.name), Op: storage.Eq, Value: l.object.name})
	}
	if !x.o.ledger() {
		where = append(where, living(false))
	}
	where = append(where, l.between(x.At)...)
	if narrow {
		where = append(where, storage.In{Field: storage.F(x.KindOf), Values: anys(l.filter.Kinds)})
	}
	if !l.filter.Member.IsZero() {
		where = append(where, storage.Is{Field: storage.F("owner_id"), Op: storage.Eq, Value: uuid.UUID(l.filter.Member)})
	}
	if can := a.seen(); can != nil && !x.open && (!x.o.ledger() || x.on != x.o.parent) { // what hangs on the record is seen by who sees that
		where = append(where, can)
	}
	b := &storage.Branch{Table: x.o.table, Where: where, Fields: make([]storage.Field, entryValues)}
	b.Fields[entryAt], b.Fields[entryID] = storage.F(x.At), storage.F("id")
	for i, f := range map[int]*field{entryKind: x.kindOf, entryTitle: x.title, entryOwner: x.o.byName["owner_id"]} {
		if f != nil && !a.hides(f.name) {
			b.Fields[i] = storage.F(f.name)
		}
	}
	return b, nil
}

// gone reports whether the record does not live: nobody sees rows that belong to it then.
func (l *timeline) gone(ctx context.Context) (bool, error) {
	r, err := l.object.get(ctx, l.id, nil)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return err == nil && r.meta().ID != l.id, err
}

// events is where what happened to the record itself comes from.
func (l *timeline) events(ctx context.Context) (*storage.Branch, error) {
	where := storage.And{
		storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: l.object.name},
		storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(l.id)},
	}
	where = append(where, l.between("happened")...)
	if len(l.filter.Kinds) > 0 {
		var some storage.Or
		var names []string
		for _, kind := range l.filter.Kinds {
			switch object, verb, dotted := strings.Cut(kind, "."); {
			case !dotted || object != l.object.name:
			case verb == "*":
				some = append(some, storage.Prefix{Field: storage.F("name"), Text: object + "."})
			default:
				names = append(names, kind)
			}
		}
		if len(names) > 0 {
			some = append(some, storage.In{Field: storage.F("name"), Values: anys(names)})
		}
		if len(some) == 0 {
			return nil, nil
		}
		where = append(where, some)
	}
	if !l.filter.Member.IsZero() {
		m, err := l.core.Members.o.get(ctx, l.filter.Member, []ListOption{WithDeleted()})
		if err != nil {
			return nil, Invalid("member", "refers to no member that you may read")
		}
		key, _ := m.Value(l.core.Members.o.byName["key"].col).(string)
		where = append(where, storage.Is{Field: storage.F("actor"), Op: storage.Eq, Value: "member:" + key})
	}
	b := &storage.Branch{Table: eventTable, Where: where, Fields: make([]storage.Field, entryValues)}
	for i, name := range map[int]string{
		entryAt: "happened", entryID: "id", entryKind: "name", entryActor: "actor", entryRecorded: "recorded", entryChanges: "changes",
	} {
		b.Fields[i] = storage.F(name)
	}
	return b, nil
}

// wants reports whether entries of a kind are wanted.
func (l *timeline) wants(kind string) bool {
	return len(l.filter.Kinds) == 0 || slices.Contains(l.filter.Kinds, kind)
}

// between is the condition that a field's time is of those wanted.
func (l *timeline) between(name string) (where storage.And) {
	if t := l.filter.From; !t.IsZero() {
		where = append(where, storage.Is{Field: storage.F(name), Op: storage.Ge, Value: instant(t)})
	}
	if t := l.filter.To; !t.IsZero() {
		where = append(where, storage.Is{Field: storage.F(name), Op: storage.Lt, Value: instant(t)})
	}
	return where
}

func anys(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

// page is what rows say, without what the actor may not read.
func (l *timeline) page(ctx context.Context, tn *tenant, rows []*timelineRow) (p Page[TimelineEntry], err error) {
	if len(rows) == 0 && l.after == nil && l.filter.isZero() { // every record has been created
		return p, ErrNotFound
	}
	if len(rows) > l.opts.limit {
		rows = rows[:l.opts.limit]
		last := rows[len(rows)-1]
		texts := []json.RawMessage{cursorValue(last.at), cursorValue(last.id), canonical(l.names[last.part])}
		if p.Next, err = tn.seal(l.bound(), texts); err != nil {
			return p, err
		}
	}
	p.Items = make([]TimelineEntry, len(rows))
	var own []int
	events := make([]Event, 0, len(rows))
	for i, r := range rows {
		e := &p.Items[i]
		x := l.parts[r.part]
		*e = TimelineEntry{At: r.at, Kind: r.kind, Title: r.title, OwnerID: ID(r.owner), Actor: r.actor}
		if x != nil {
			e.Object, e.ID = x.o.name, ID(r.id)
			if e.Kind == "" {
				e.Kind = x.Kind
			}
			continue
		}
		e.Object, e.ID = l.object.name, l.id
		own = append(own, i)
		changes, err := l.core.openedChanges(ctx, l.sc.Tenant, l.object.name, l.id, r.changes)
		if err != nil {
			return Page[TimelineEntry]{}, err
		}
		events = append(events, Event{Recorded: r.recorded, Changes: changesOf(changes)})
	}
	if err := l.maskEvents(ctx, events); err != nil {
		return Page[TimelineEntry]{}, err
	}
	for n, i := range own {
		slices.SortFunc(events[n].Changes, func(a, b FieldChange) int { return strings.Compare(a.Field, b.Field) })
		p.Items[i].Changes = events[n].Changes
	}
	return p, nil
}

func (f *TimelineFilter) isZero() bool {
	return len(f.Kinds) == 0 && f.Member.IsZero() && f.From.IsZero() && f.To.IsZero()
}

// position opens the caller's cursor.
func (l *timeline) position(tn *tenant) error {
	if l.opts.after == "" {
		return nil
	}
	texts, err := tn.open(l.bound(), l.opts.after)
	if err != nil || len(texts) != 3 {
		return errCursor
	}
	at, err := cursorParse(storage.Time, texts[0])
	if err != nil {
		return errCursor
	}
	id, err := cursorParse(storage.ID, texts[1])
	if err != nil || json.Unmarshal(texts[2], &l.from) != nil {
		return errCursor
	}
	l.after = []any{at, id}
	return nil
}

// bound is what a cursor belongs to.
func (l *timeline) bound() []byte {
	sum := sha256.Sum256(canonical(fmt.Sprintf("timeline %q %q %q %s %v", l.sc.Tenant, l.sc.actor(), l.object.name, l.id, l.filter)))
	return sum[:]
}
