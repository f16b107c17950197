package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Reversion is what became of the records of an import that was undone.
type Reversion struct {
	ID crm.ID `json:"id"`
	// Removed are records that the import had created, and that are gone for good.
	Removed int64 `json:"removed"`
	// Restored are records that have the values again that the import had changed.
	Restored int64 `json:"restored"`
	// Left are those that are as they were, since they were changed after the import or
	// others refer to them: the number, and the first reasons.
	Left    int64  `json:"left"`
	Reasons []Left `json:"reasons,omitempty"`
}

// Left is a record that the undoing of an import left as it is.
type Left struct {
	ID     crm.ID `json:"id"`
	Reason string `json:"reason"`
}

func (r *Reversion) leave(id crm.ID, reason string) {
	r.Left++
	if len(r.Reasons) < maxFaults {
		r.Reasons = append(r.Reasons, Left{id, reason})
	}
}

const changedSince = "was changed after the import"

// Revert undoes an import: what it created goes for good, and what it changed gets its
// former values back. A record that somebody changed since stays as it is, and so does
// one that others refer to; they are reported. It takes the rights to delete and to
// update the records, may be stopped at any point and be called again, and leaves the
// import as reverted when nothing is left. To revert it once more is [crm.ErrConflict].
func (t *Transfer) Revert(ctx context.Context, id crm.ID) (Reversion, error) {
	im, err := t.Imports.Get(ctx, id)
	if err != nil {
		return Reversion{}, err
	}
	if im.State == Reverted {
		return Reversion{}, &crm.ConflictError{Field: "state", Reason: "the import was reverted already"}
	}
	k, err := t.kind(ctx, im.ObjectName)
	if err != nil {
		return Reversion{}, err
	}
	u := &undo{t: t, im: im, kind: k, out: Reversion{ID: id}}
	ctx = crm.Because(ctx, u.cause())
	if err := u.restoreAll(ctx); err != nil {
		return u.out, err
	}
	if err := u.removeAll(ctx); err != nil {
		return u.out, err
	}
	if u.out.Left > 0 {
		return u.out, nil
	}
	_, err = t.imports.Do(crm.SystemIn(ctx), id, "reverted", func(im *Import) error {
		im.State = Reverted
		return nil
	})
	return u.out, err
}

// undo is one import being undone.
type undo struct {
	t    *Transfer
	im   Import
	kind *kind
	out  Reversion
}

func (u *undo) cause() string { return "revert " + u.im.ID.String() }

// ours reports whether the import itself, or its undoing, did something.
func (u *undo) ours(e crm.Event) bool { return e.Cause == cause(u.im.ID) || e.Cause == u.cause() }

// restoreAll gives the records that the import changed their former values.
func (u *undo) restoreAll(ctx context.Context) error {
	seen := map[crm.ID]bool{}
	for part, err := range u.t.parts.All(crm.SystemIn(ctx), crm.Where("import_id == $1", u.im.ID), crm.OrderBy("-number")) {
		if err != nil {
			return err
		}
		changed := map[string][]crm.ID{u.kind.Kind(): part.Outcome.Updated}
		for name, ids := range part.Outcome.Changed {
			changed[name] = append(changed[name], ids...)
		}
		for name, ids := range changed {
			records, err := u.t.core.Records(name)
			if err != nil {
				return err
			}
			for _, id := range slices.Backward(ids) {
				if seen[id] || u.created(id) {
					continue
				}
				seen[id] = true
				if err := u.restore(ctx, records, id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// created reports whether an id is of those that the import gave.
func (u *undo) created(id crm.ID) bool {
	first := rowID(u.im.ID, 0, 0)
	return bytes.Equal(id[:10], first[:10])
}

// restore gives one record its former values, unless it was changed since.
func (u *undo) restore(ctx context.Context, records *crm.Records, id crm.ID) error {
	former, latest, err := u.former(ctx, records, id)
	if err != nil || former == nil {
		return err
	}
	write := records.Update
	for field := range former {
		if f := u.kind.byName[field]; f != nil && f.Guarded && records.Kind() == u.kind.Kind() { // a migration sets these
			write = records.Bring
		}
	}
	_, err = write(ctx, id, func(v crm.Values) error { return back(v, former) }, crm.IfVersion(latest))
	switch {
	case err == nil:
		u.out.Restored++
	case errors.Is(err, crm.ErrConflict), errors.Is(err, crm.ErrInvalid), errors.Is(err, crm.ErrForbidden), errors.Is(err, crm.ErrNotFound):
		u.out.leave(id, reasonOf(err))
	default:
		return err
	}
	return nil
}

// former are the values that the import found in a record, and the record's version. They
// are nil where it is restored already, or is to be left as it is.
func (u *undo) former(ctx context.Context, records *crm.Records, id crm.ID) (former map[string]json.RawMessage, latest int64, err error) {
	former = map[string]json.RawMessage{}
	for after, more := "", true; more; {
		page, err := records.History(ctx, id, crm.After(after))
		if errors.Is(err, crm.ErrNotFound) {
			u.out.leave(id, "is not there any more, or you may not read it")
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, err
		}
		for _, e := range page.Items {
			if latest == 0 {
				latest = e.Version
				switch {
				case e.Cause == u.cause(): // it has been restored
					return nil, 0, nil
				case e.Cause != cause(u.im.ID):
					u.out.leave(id, changedSince)
					return nil, 0, nil
				}
			}
			if more = e.Cause == cause(u.im.ID); !more {
				break
			}
			for _, c := range e.Changes {
				former[c.Field] = c.Before // the oldest is met last
			}
		}
		after = page.Next
		more = more && after != ""
	}
	return former, latest, nil
}

// back puts former values into a record.
func back(v crm.Values, former map[string]json.RawMessage) error {
	for field, raw := range former {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var was any
		if err := d.Decode(&was); err != nil {
			return err
		}
		if field == "refs" {
			maps.DeleteFunc(v, func(name string, _ any) bool { return len(name) > len("refs.") && strings.HasPrefix(name, "refs.") })
		}
		v[field] = was
	}
	return nil
}

// removeAll removes the records that the import created: the last first, since they may
// refer to those before, and those that others referred to once more, as long as some go.
func (u *undo) removeAll(ctx context.Context) error {
	added, err := u.added(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{sideEmployment, sidePostal, sideAddress} {
		if err := u.removeAdded(ctx, name, added[name]); err != nil {
			return err
		}
		delete(added, name)
	}
	if err := u.removeKind(ctx, u.kind.Records, 0); err != nil || u.im.Related == 0 {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(added)) {
		if err := u.removeAdded(ctx, name, added[name]); err != nil {
			return err
		}
	}
	slot := 0
	for _, f := range u.kind.fields {
		if f.Ref == "" || f.Kernel {
			continue
		}
		slot++
		records, err := u.t.core.Records(f.Ref)
		if err != nil {
			return err
		}
		if err := u.removeKind(ctx, records, (slot-1)%(sideSlot-1)+1); err != nil {
			return err
		}
	}
	return nil
}

// removePage is how many records are looked for at once.
const removePage = 500

// added are the ids of the records that the import created beside the rows' own, by
// kind, the last first.
func (u *undo) added(ctx context.Context) (map[string][]crm.ID, error) {
	out := map[string][]crm.ID{}
	for part, err := range u.t.parts.All(crm.SystemIn(ctx), crm.Where("import_id == $1", u.im.ID), crm.OrderBy("-number")) {
		if err != nil {
			return nil, err
		}
		for name, numbers := range part.Outcome.Added {
			for _, n := range slices.Backward(numbers) {
				out[name] = append(out[name], numberedID(u.im.ID, n))
			}
		}
	}
	return out, nil
}

func (u *undo) removeAdded(ctx context.Context, name string, ids []crm.ID) error {
	if len(ids) == 0 {
		return nil
	}
	records, err := u.t.core.Records(name)
	if err != nil {
		return err
	}
	return u.removeIDs(ctx, records, slices.Chunk(ids, removePage))
}

func (u *undo) removeKind(ctx context.Context, records *crm.Records, slot int) error {
	return u.removeIDs(ctx, records, func(yield func([]crm.ID) bool) {
		for end := u.im.Position; end > 0; end -= removePage {
			ids := make([]crm.ID, 0, removePage)
			for n := end - 1; n >= max(0, end-removePage); n-- {
				ids = append(ids, rowID(u.im.ID, n, slot))
			}
			if !yield(ids) {
				return
			}
		}
	})
}

func (u *undo) removeIDs(ctx context.Context, records *crm.Records, pages iter.Seq[[]crm.ID]) error {
	held := map[crm.ID]string{}
	var order []crm.ID
	for ids := range pages {
		there, err := u.untouched(ctx, records, ids)
		if err != nil {
			return err
		}
		kept, err := u.purge(ctx, records, there, held)
		if err != nil {
			return err
		}
		order = append(order, kept...)
	}
	for len(order) > 0 {
		before := len(order)
		var err error
		if order, err = u.purge(ctx, records, order, held); err != nil {
			return err
		}
		if len(order) == before {
			break
		}
	}
	for _, id := range order {
		u.out.leave(id, held[id])
	}
	return nil
}

// untouched are those of the ids whose records are there, and were not changed by
// others, in their order.
func (u *undo) untouched(ctx context.Context, records *crm.Records, ids []crm.ID) ([]crm.ID, error) {
	version := map[crm.ID]int64{}
	for v, err := range records.All(ctx, crm.Where("id in $1", ids), crm.OrderBy("id")) {
		if err != nil {
			return nil, err
		}
		version[v.ID()], _ = v["version"].(int64)
	}
	var there []crm.ID
	for _, id := range ids {
		switch v, ok := version[id]; {
		case !ok:
		case v == 1:
			there = append(there, id)
		default:
			page, err := records.History(ctx, id, crm.Limit(1))
			if err != nil {
				return nil, err
			}
			if len(page.Items) > 0 && u.ours(page.Items[0]) {
				there = append(there, id)
			} else {
				u.out.leave(id, changedSince)
			}
		}
	}
	return there, nil
}

// purge removes records, some in one transaction, and returns those that others refer
// to.
func (u *undo) purge(ctx context.Context, records *crm.Records, ids []crm.ID, held map[crm.ID]string) ([]crm.ID, error) {
	var kept []crm.ID
	for part := range slices.Chunk(ids, removePage) {
		var removed int64
		var refused []crm.ID
		err := u.t.core.Tx(ctx, func(ctx context.Context) error {
			removed, refused = 0, nil
			for _, id := range part {
				switch err := records.Purge(ctx, id); {
				case err == nil:
					removed++
				case errors.Is(err, crm.ErrConflict), errors.Is(err, crm.ErrForbidden):
					held[id] = reasonOf(err)
					refused = append(refused, id)
				case errors.Is(err, crm.ErrNotFound):
				default:
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		u.out.Removed += removed
		kept = append(kept, refused...)
	}
	return kept, nil
}
