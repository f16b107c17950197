package crm

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

//nolint:gochecknoglobals // constants, which an adapter knows by their address
var (
	// mergeTable has the merges there were, also those undone.
	mergeTable = &storage.Table{Name: "merge", Key: []string{"id"}, Columns: []storage.Column{
		{Name: "id", Kind: storage.ID}, {Name: "object", Kind: storage.Text}, {Name: "survivor_id", Kind: storage.ID},
		{Name: "version", Kind: storage.Int}, {Name: "happened", Kind: storage.Time}, {Name: "recorded", Kind: storage.Time},
		{Name: "actor", Kind: storage.Text}, {Name: "cause", Kind: storage.Text, Null: true}, {Name: "absorbed", Kind: storage.JSON},
		{Name: "relinked", Kind: storage.JSON}, {Name: "undone", Kind: storage.Time, Null: true}, {Name: "undone_by", Kind: storage.Text, Null: true},
		{Name: "erased", Kind: storage.Time, Null: true},
	}}
	mergeEnd    = []int{mergeTable.Index("undone"), mergeTable.Index("undone_by")}
	mergeErased = []int{mergeTable.Index("cause"), mergeTable.Index("erased")}

	// partTable has the records of each merge. One that was absorbed leads into another
	// until that has ended; the survivor's own row leads nowhere.
	partTable = &storage.Table{Name: "merge_part", Key: []string{"object", "record_id", "merge_id"}, Columns: []storage.Column{
		{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "merge_id", Kind: storage.ID},
		{Name: "into_id", Kind: storage.ID, Null: true}, {Name: "version", Kind: storage.Int}, {Name: "recorded", Kind: storage.Time},
		{Name: "ended", Kind: storage.Time, Null: true},
	}}
	partInto, partVersion, partEnded = partTable.Index("into_id"), partTable.Index("version"), partTable.Index("ended")

	// moveTable has what a merge made refer to the survivor, and to whom it referred; the
	// version is the record's by then.
	moveTable = &storage.Table{Name: "merge_move", Key: []string{"merge_id", "object", "field", "record_id"}, Columns: []storage.Column{
		{Name: "merge_id", Kind: storage.ID}, {Name: "object", Kind: storage.Text}, {Name: "field", Kind: storage.Text},
		{Name: "record_id", Kind: storage.ID}, {Name: "from_id", Kind: storage.ID}, {Name: "version", Kind: storage.Int},
	}}
)

// Merge is one merge that was made: an entry of the log of merges.
type Merge struct {
	ID       ID     `json:"id"`
	Object   string `json:"object"`
	Survivor ID     `json:"survivor"`
	Absorbed []ID   `json:"absorbed"`
	// Version is the survivor's, once it was merged.
	Version  int64     `json:"version"`
	Happened time.Time `json:"happened"`
	Recorded time.Time `json:"recorded"`
	Actor    string    `json:"actor"` // as in [Event]
	Cause    string    `json:"cause,omitempty"`
	// Relinked is how many references were made to lead to the survivor, by kind of
	// record.
	Relinked map[string]int64 `json:"relinked,omitempty"`
	// Undone is when it was undone, and UndoneBy who did it; zero: it holds.
	Undone   time.Time `json:"undone,omitzero"`
	UndoneBy string    `json:"undone_by,omitempty"`
	// Erased is when what was kept to undo it was, with the person it was of: see
	// [Core.ErasePerson].
	Erased time.Time `json:"erased,omitzero"`
}

// mergeRow is a row of the table of merges.
type mergeRow struct {
	id, survivor       uuid.UUID
	object             string
	version            int64
	happened, recorded time.Time
	actor, cause       string
	absorbed, relinked json.RawMessage
	undone, erased     time.Time
	undoneBy           string
}

func (m *mergeRow) Value(i int) any {
	var undone, erased any
	if !m.undone.IsZero() {
		undone = m.undone
	}
	if !m.erased.IsZero() {
		erased = m.erased
	}
	return [...]any{
		m.id, m.object, m.survivor, m.version, m.happened, m.recorded, m.actor, orAbsent(m.cause), m.absorbed, m.relinked, undone, orAbsent(m.undoneBy), erased,
	}[i]
}

func (m *mergeRow) Dest(i int) any {
	return [...]any{
		&m.id, &m.object, &m.survivor, &m.version, &m.happened, &m.recorded, &m.actor, &m.cause, &m.absorbed, &m.relinked, &m.undone, &m.undoneBy, &m.erased,
	}[i]
}

func (m *mergeRow) merge() Merge {
	out := Merge{
		ID: ID(m.id), Object: m.object, Survivor: ID(m.survivor), Version: m.version, Happened: m.happened, Recorded: m.recorded,
		Actor: m.actor, Cause: m.cause, Undone: m.undone, UndoneBy: m.undoneBy, Erased: m.erased,
	}
	_ = json.Unmarshal(m.absorbed, &out.Absorbed) // the kernel wrote both
	_ = json.Unmarshal(m.relinked, &out.Relinked)
	return out
}

// ofObject is the condition on parts and merges that they are of a kind.
func (o *object) ofObject() storage.Expr {
	return storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: o.name}
}

// into returns, of the records with these ids, those that were ever absorbed, and into
// which each was, or, when that was undone, itself: who did not find it a moment ago may
// find it now.
func (o *object) into(ctx context.Context, tenant string, ids []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	found := map[uuid.UUID]uuid.UUID{}
	row := make(storage.Values, len(partTable.Columns))
	n := 0
	note := func() {
		id, _ := row[1].(uuid.UUID)
		into, _ := row[partInto].(uuid.UUID)
		switch _, known := found[id]; {
		case n == 0:
		case row[partEnded] == nil:
			found[id] = into
		case !known:
			found[id] = id
		}
	}
	for part := range slices.Chunk(ids, MaxPage) {
		values := make([]any, len(part))
		for i, id := range part {
			values[i] = id
		}
		q := &storage.Query{
			Table: partTable, Columns: []int{1, 2, partInto, partEnded}, Limit: MaxPage,
			Where: storage.And{
				o.ofObject(), storage.In{Field: storage.F("record_id"), Values: values}, storage.Not{Expr: storage.Absent{Field: storage.F("into_id")}},
			},
		}
		for more := true; more; q.After = []any{o.name, row[1], row[2]} {
			n = 0
			err := o.core.session(ctx).Read(ctx, tenant, q, func() storage.Row {
				note()
				n++
				return row
			})
			if err != nil {
				return nil, err
			}
			note()
			more = n >= q.Limit
		}
	}
	return found, nil
}

// currents returns, of the records with these ids, those that were ever absorbed, and to
// which record each leads by now: merges of survivors are followed to their end. There
// are no circles, since only a living record absorbs, and then the other lives no more.
func (o *object) currents(ctx context.Context, tenant string, ids []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	to, err := o.into(ctx, tenant, ids)
	if err != nil || len(to) == 0 {
		return nil, err
	}
	known := map[uuid.UUID]uuid.UUID{} // each step that was found
	for next := to; len(next) > 0; {
		var ask []uuid.UUID
		maps.Copy(known, next)
		for _, into := range next {
			if _, asked := known[into]; !asked {
				ask = append(ask, into)
				known[into] = into // where it ends, unless more is found
			}
		}
		if len(ask) == 0 {
			break
		}
		if next, err = o.into(ctx, tenant, ask); err != nil {
			return nil, err
		}
	}
	for id, into := range to {
		for range known {
			if known[into] == into {
				break
			}
			into = known[into]
		}
		to[id] = into
	}
	return to, nil
}

// current returns to which record an id leads that may be one of an absorbed record, and
// whether it ever was one: then a record that was not found is looked for again.
func (o *object) current(ctx context.Context, tenant string, id ID) (into ID, led bool, err error) {
	to, err := o.currents(ctx, tenant, idsOf(id))
	if at, ok := to[uuid.UUID(id)]; ok {
		return ID(at), true, err
	}
	return id, false, err
}

// lookups is how often a record is looked for that merges lead to, while others merge and
// undo merges: each time it may have gone where it was looked for before. One that was
// deleted after a merge of it was undone costs as many.
const lookups = 20

// found reads by once a record that id leads to. A record that is not found is looked for
// where the one with its id was merged into.
func (o *object) found(ctx context.Context, tenant string, id ID, once func(ID) (*rec, error)) (*rec, error) {
	for try := 1; ; try++ {
		r, err := once(id)
		if err != ErrNotFound || try == lookups { //nolint:errorlint // the kernel's own
			return r, err
		}
		into, led, err := o.current(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		if !led {
			return nil, ErrNotFound
		}
		id = into
	}
}

// Current returns the id of the record that an id leads to: its own, or, when the record
// was merged into another, that of the survivor. A record the actor may not read, and one
// that does not live, is ErrNotFound. It is for what keeps ids outside of references:
// those lead to the survivor by themselves.
func (c *Core) Current(ctx context.Context, object string, id ID) (ID, error) {
	o := c.objects[object]
	if o == nil {
		return ID{}, failed("current", "", id, Invalid("object", "there is no kind of record %q", clip(object)))
	}
	r, err := o.get(ctx, id, nil)
	if err != nil {
		return ID{}, failed("current", object, id, err)
	}
	return r.meta().ID, nil
}

// Absorbed returns the ids of the records that were merged into one, directly or before,
// and lead to it by now: the other way of [Core.Current], for what keeps ids outside of
// references and is asked about a record. It is for those who may read the record.
func (c *Core) Absorbed(ctx context.Context, object string, id ID) ([]ID, error) {
	list, err := c.absorbed(ctx, object, id)
	return list, failed("absorbed", object, id, err)
}

func (c *Core) absorbed(ctx context.Context, object string, id ID) ([]ID, error) {
	o := c.objects[object]
	if o == nil {
		return nil, Invalid("object", "there is no kind of record %q", clip(object))
	}
	if err := (&Records{o}).May(ctx, VerbRead, id); err != nil {
		return nil, err
	}
	found, err := c.mergedAway(ctx, TenantOf(ctx), o, id)
	list := make([]ID, len(found))
	for i, v := range found {
		at, _ := v.(uuid.UUID)
		list[i] = ID(at)
	}
	slices.SortFunc(list, ID.Compare)
	return list, err
}

// MergeOf returns one merge of the log. It is for those who may read its survivor.
func (k *Kind[T]) MergeOf(ctx context.Context, merge ID) (Merge, error) {
	m, err := k.o.mergeOf(ctx, merge)
	return m, failed("merge of", k.o.name, merge, err)
}

func (o *object) mergeOf(ctx context.Context, merge ID) (Merge, error) {
	r, err := o.reader(ctx)
	if err != nil {
		return Merge{}, err
	}
	u := &unmerging{writer: &writer{object: o, sc: r.sc}}
	if err := u.read(ctx, merge); err != nil {
		return Merge{}, err
	}
	_, err = o.get(ctx, ID(u.row.survivor), []ListOption{WithDeleted()})
	if err != nil {
		return Merge{}, err
	}
	return u.row.merge(), nil
}

// Merges returns the merges a record had part in, the latest first, as the one that
// stayed and as one that was absorbed, also those undone. It is for those who may read
// the record, be it absorbed. Of the options it takes [Limit] and [After].
func (c *Collection[T]) Merges(ctx context.Context, id ID, opts ...ListOption) (Page[Merge], error) {
	p, err := c.o.merges(ctx, id, listOptionsOf(opts))
	return p, failed("merges", c.o.name, id, err)
}

func (o *object) merges(ctx context.Context, id ID, opts listOptions) (Page[Merge], error) {
	r, err := o.reader(ctx)
	if err == nil {
		_, err = o.get(ctx, id, []ListOption{WithDeleted()})
	}
	if err != nil {
		return Page[Merge]{}, err
	}
	if opts.limit == 0 {
		opts.limit = DefaultPage
	}
	if opts.limit < 1 || opts.limit > MaxPage {
		return Page[Merge]{}, Invalid("limit", "a page has 1 to %d merges, not %d", MaxPage, opts.limit)
	}
	q := &storage.Query{
		Table: partTable, Columns: []int{2, partTable.Index("recorded")}, Limit: opts.limit + 1,
		Where: storage.And{o.ofObject(), storage.Is{Field: storage.F("record_id"), Op: storage.Eq, Value: uuid.UUID(id)}},
		Order: []storage.Order{{Field: storage.F("recorded"), Desc: true}},
	}
	if opts.after != "" { // when a merge was is no secret to who may read the record
		micro, merge, _ := strings.Cut(opts.after, ".")
		at, err := strconv.ParseInt(micro, 10, 64)
		last, bad := ParseID(merge)
		if err != nil || bad != nil {
			return Page[Merge]{}, errCursor
		}
		q.After = []any{time.UnixMicro(at).UTC(), o.name, uuid.UUID(id), uuid.UUID(last)}
	}
	var parts []storage.Values
	err = o.core.session(ctx).Read(ctx, r.sc.Tenant, q, func() storage.Row {
		parts = append(parts, make(storage.Values, len(partTable.Columns)))
		return parts[len(parts)-1]
	})
	if err != nil || len(parts) == 0 {
		return Page[Merge]{}, err
	}
	p := Page[Merge]{}
	if len(parts) > opts.limit {
		parts = parts[:opts.limit]
		last := parts[opts.limit-1]
		at, _ := last[q.Columns[1]].(time.Time)
		merge, _ := last[2].(uuid.UUID)
		p.Next = strconv.FormatInt(at.UnixMicro(), 10) + "." + merge.String()
	}
	ids := make([]any, len(parts))
	for i := range parts {
		ids[i] = parts[i][2]
	}
	found := map[any]Merge{}
	var row *mergeRow
	note := func() {
		if row != nil {
			found[row.id] = row.merge()
		}
	}
	err = o.core.session(ctx).Read(ctx, r.sc.Tenant, &storage.Query{
		Table: mergeTable, Where: storage.In{Field: storage.F("id"), Values: ids}, Limit: len(ids),
	}, func() storage.Row { note(); row = &mergeRow{}; return row })
	note()
	for _, id := range ids {
		p.Items = append(p.Items, found[id])
	}
	return p, err
}
