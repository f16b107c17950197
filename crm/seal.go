package crm

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// sealBatch is how many events are sealed at once.
const sealBatch = 1000

// sealTable has, for the positions of the log, the links of the chain over a tenant's
// history.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var sealTable = &storage.Table{Name: "event_seal", Key: []string{"position"}, Columns: []storage.Column{
	{Name: "position", Kind: storage.Int}, {Name: "salt", Kind: storage.Bytes, Null: true}, {Name: "link", Kind: storage.Bytes},
	{Name: "erased", Kind: storage.JSON, Null: true},
}}

// sealRow is one link. The salt makes digests of the event's values of which no value
// can be guessed once it is gone.
type sealRow struct {
	position int64
	salt     []byte
	link     []byte
	erased   json.RawMessage // an erasedSeal, once values of the event were erased
}

// erasedSeal is what stays of an event's salt when some of its values are erased: their
// digests, and the salts of the values that stay.
type erasedSeal struct {
	Digests map[string]string `json:"digests"`
	Salts   map[string]string `json:"salts"`
}

// Value returns column i.
func (r *sealRow) Value(i int) any {
	switch i {
	case 0:
		return r.position
	case 1:
		if r.salt == nil {
			return nil
		}
		return r.salt
	case 2:
		return r.link
	}
	if r.erased == nil {
		return nil
	}
	return r.erased
}

// Dest returns where column i is put.
func (r *sealRow) Dest(i int) any { return [...]any{&r.position, &r.salt, &r.link, &r.erased}[i] }

// sealedCause is the name under which an event's cause is sealed; no field has it.
const sealedCause = "@cause"

// sealedValues are the values of an event by name, in a form that is the same however
// a database writes JSON.
func (e *eventRow) sealedValues() (map[string][]byte, error) {
	d := json.NewDecoder(bytes.NewReader(e.stored()))
	d.UseNumber()
	var changes map[string]any
	if err := d.Decode(&changes); err != nil {
		return nil, err
	}
	values := make(map[string][]byte, len(changes)+1)
	for name, v := range changes {
		values[name] = canonical(v)
	}
	if e.cause != "" {
		values[sealedCause] = canonical(e.cause)
	}
	return values, nil
}

func fieldSalt(salt []byte, field string) []byte { return keyed(salt, []byte(field)) }

func keyed(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(text) // never fails
	return h.Sum(nil)
}

// digests are the digests of an event's values by name. Of erased ones they are those
// that were kept, and then nothing of the value may be there.
func (r *sealRow) digests(e *eventRow) (map[string][]byte, error) {
	values, err := e.sealedValues()
	if err != nil {
		return nil, err
	}
	var kept erasedSeal
	if r.erased != nil {
		if err := json.Unmarshal(r.erased, &kept); err != nil {
			return nil, err
		}
	}
	all := make(map[string][]byte, len(values))
	for name, value := range values {
		if digest, ok := kept.Digests[name]; ok {
			if !bytes.Equal(value, erasedValue) {
				return nil, errUnsealed
			}
			all[name], err = hex.DecodeString(digest)
		} else {
			var salt []byte
			if r.salt != nil {
				salt = fieldSalt(r.salt, name)
			} else {
				salt, err = hex.DecodeString(kept.Salts[name])
			}
			all[name] = keyed(salt, value)
		}
		if err != nil {
			return nil, err
		}
	}
	if digest, ok := kept.Digests[sealedCause]; ok {
		if e.cause != "" {
			return nil, errUnsealed
		}
		all[sealedCause], err = hex.DecodeString(digest)
	}
	return all, err
}

// errUnsealed is an event with a value that its seal says is gone.
var errUnsealed = Invalid("changes", "a value is there that was erased")

// erasedValue is what an event has in the place of a field's values that were erased:
// no change looks so.
var erasedValue = []byte("[null,null]") //nolint:gochecknoglobals // a constant

// follow returns the link of an event behind another link: a hash over that one and all
// the event says.
func (r *sealRow) follow(before []byte, e *eventRow) ([]byte, error) {
	digests, err := r.digests(e)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		_, _ = h.Write(n[:]) // never fails
		_, _ = h.Write(b)
	}
	number := func(i int64) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(i))
		part(n[:])
	}
	part(before)
	number(r.position)
	part(e.id[:])
	part([]byte(e.object))
	part(e.record[:])
	number(e.version)
	part([]byte(e.name))
	number(e.happened.UnixMicro())
	number(e.recorded.UnixMicro())
	part([]byte(e.actor))
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		part([]byte(name))
		part(digests[name])
	}
	return h.Sum(nil), nil
}

// erase takes the salts of erased values out of a seal, which goes on to prove the rest.
func (r *sealRow) erase(e *eventRow, names map[string]bool) error {
	digests, err := r.digests(e)
	if err != nil {
		return err
	}
	kept := erasedSeal{Digests: map[string]string{}, Salts: map[string]string{}}
	if r.erased != nil {
		if err := json.Unmarshal(r.erased, &kept); err != nil {
			return err
		}
	}
	for name, digest := range digests {
		switch {
		case names[name]:
			kept.Digests[name] = hex.EncodeToString(digest)
			delete(kept.Salts, name)
		case r.salt != nil:
			kept.Salts[name] = hex.EncodeToString(fieldSalt(r.salt, name))
		}
	}
	r.salt, r.erased = nil, canonical(kept)
	return nil
}

// sealing reports whether the tenant's history is sealed.
func (r *headRow) sealing() bool { return r.sealed != nil }

// sealOn adds links for events of the log that have none, at most a batch of them, and
// returns how many. The head is held, and written by the caller.
func (c *Core) sealOn(ctx context.Context, tenant string, head *headRow) (int, error) {
	logged, events, err := c.logged(ctx, c.session(ctx), tenant, *head.sealed, sealBatch)
	if err != nil || len(logged) == 0 {
		return 0, err
	}
	changes := make([]storage.Change, 0, len(logged))
	for _, at := range logged {
		e := events[at.event]
		if e == nil {
			return 0, failed("seal", "event", ID(at.event), ErrNotFound) // the history is damaged
		}
		row := &sealRow{position: at.position, salt: make([]byte, 16)}
		_, _ = rand.Read(row.salt) // never fails
		if row.link, err = row.follow(head.link, e); err != nil {
			return 0, err
		}
		head.link, *head.sealed = row.link, at.position
		changes = append(changes, storage.Change{Action: storage.Insert, Table: sealTable, Row: row})
	}
	return len(logged), c.session(ctx).Write(ctx, tenant, changes)
}

// logged reads what follows a position of the log, and the events there.
func (c *Core) logged(ctx context.Context, s storage.Session, tenant string, after int64, limit int) ([]*logRow, map[uuid.UUID]*eventRow, error) {
	var rows []*logRow
	err := s.Read(ctx, tenant, &storage.Query{Table: logTable, After: []any{after}, Limit: limit}, func() storage.Row {
		rows = append(rows, &logRow{})
		return rows[len(rows)-1]
	})
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	ids := make([]any, len(rows))
	for i, r := range rows {
		ids[i] = r.event
	}
	events := make(map[uuid.UUID]*eventRow, len(rows))
	var last *eventRow
	note := func() {
		if last != nil {
			events[last.id] = last
		}
	}
	err = s.Read(ctx, tenant, &storage.Query{
		Table: eventTable, Where: storage.In{Field: storage.F("id"), Values: ids}, Unordered: true, Limit: len(ids),
	}, func() storage.Row {
		note()
		last = &eventRow{}
		return last
	})
	note()
	return rows, events, err
}

// HistoryHead is an end of the chain over a tenant's history. Kept where who can change
// the database can't change it, it proves all that was before it: see
// [Core.VerifyHistory].
type HistoryHead struct {
	// Position is how many events are before it.
	Position int64 `json:"position"`
	// Hash is the last link, in hexadecimal.
	Hash string `json:"hash"`
}

func (r *headRow) head() HistoryHead {
	return HistoryHead{Position: *r.sealed, Hash: hex.EncodeToString(r.link)}
}

// SealHistory begins the chain over the history of ctx's tenant, with all the events
// there are, and returns its end. From then on each event gets its link when it is put
// into the log, which [Core.Run] and [Core.RunDue] do; writers don't wait for it. Called
// again it goes on where it was, so that it may be interrupted. A chain has no end: who
// could end it could hide something. The scope is that of [System], in no transaction.
//
// A link is a hash (SHA-256) over the link before it, the event and salted digests of
// its values, so that values can be erased and the chain still holds.
func (c *Core) SealHistory(ctx context.Context) (HistoryHead, error) {
	head, err := c.sealHistory(ctx)
	return head, failed("seal", "history", ID{}, err)
}

func (c *Core) sealHistory(ctx context.Context) (HistoryHead, error) {
	tenant, err := c.systemScope(ctx)
	if err != nil {
		return HistoryHead{}, err
	}
	if c.tx(ctx) != nil {
		return HistoryHead{}, Invalid("", "sealing makes transactions of its own, and is in one: call it outside")
	}
	if _, err := c.Tenants.forWrite(ctx, tenant); err != nil {
		return HistoryHead{}, err
	}
	var head *headRow
	for n := sealBatch; n == sealBatch; {
		err := c.untilNoConflict(ctx, func(ctx context.Context) (err error) {
			if head, err = c.lockHead(ctx, tenant); err != nil {
				return err
			}
			if !head.sealing() {
				head.sealed = new(int64)
			}
			if n, err = c.sealOn(ctx, tenant, head); err != nil {
				return err
			}
			return c.session(ctx).Write(ctx, tenant, []storage.Change{{Action: storage.Update, Table: headTable, Row: head, Version: head.version}})
		})
		if err != nil {
			return HistoryHead{}, err
		}
	}
	return head.head(), nil
}
