package crm

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// HistoryReport is what [Core.VerifyHistory] found.
type HistoryReport struct {
	// Head is the end of the chain, as far as it was verified.
	Head HistoryHead
	// Erased is how many of its events have had values erased.
	Erased int64
	// Pending is how many events are not in the chain yet; they get their links when
	// they are put into the log.
	Pending int64
	// Broken is the first place that is not as it was written; nil: all is.
	Broken *HistoryBreak
}

// HistoryBreak is a place where a history is not as it was written.
type HistoryBreak struct {
	Position int64 // in the chain; 0: not in it
	Event    ID
	Object   string
	Record   ID
	Version  int64
	What     string // what is wrong, without values
}

// String returns one line.
func (b *HistoryBreak) String() string {
	return fmt.Sprintf("position %d: %s %s, version %d: %s", b.Position, b.Object, b.Record, b.Version, b.What)
}

// VerifyHistory goes along the chain over the history of ctx's tenant and reports the
// first place where an event was altered, removed, added or put elsewhere since it was
// sealed. Who can write the database could alter an event and compute the whole chain
// anew; that is found with the ends of the chain that were returned earlier and kept
// elsewhere: the chain must go through each of them. It reads one instant of the
// database, and takes as long as reading the history does. A tenant whose history is
// not sealed is ErrInvalid. The scope is that of [System].
func (c *Core) VerifyHistory(ctx context.Context, known ...HistoryHead) (HistoryReport, error) {
	var report HistoryReport
	tenant, err := c.systemScope(ctx)
	if err == nil {
		verify := func(s storage.Session) (err error) {
			v := &verifier{core: c, ctx: ctx, s: s, tenant: tenant, known: map[int64]string{}, report: &report}
			for _, k := range known {
				if k.Position < 0 || v.known[k.Position] != "" && v.known[k.Position] != k.Hash {
					return Invalid("known", "there are two ends at position %d, or it is below 0", k.Position)
				}
				v.known[k.Position] = k.Hash
			}
			return v.chain()
		}
		if t := c.tx(ctx); t != nil {
			err = verify(t.session)
		} else {
			err = c.store.Snapshot(ctx, verify)
		}
	}
	if err != nil {
		return HistoryReport{}, failed("verify", "history", ID{}, err)
	}
	return report, nil
}

// verifier goes along a chain.
type verifier struct {
	core   *Core
	ctx    context.Context //nolint:containedctx // it lives for one call
	s      storage.Session
	tenant string
	known  map[int64]string
	report *HistoryReport

	at   int64
	link []byte
}

func (v *verifier) chain() error {
	var head *headRow
	err := v.s.Read(v.ctx, v.tenant, &storage.Query{Table: headTable, Limit: 1}, func() storage.Row {
		head = &headRow{}
		return head
	})
	if err != nil {
		return err
	}
	if head == nil || !head.sealing() {
		return Invalid("", "the history is not sealed: call SealHistory first")
	}
	for n := sealBatch; n == sealBatch && v.report.Broken == nil; {
		if n, err = v.batch(); err != nil {
			return err
		}
	}
	v.report.Head = HistoryHead{Position: v.at, Hash: hex.EncodeToString(v.link)}
	if v.report.Broken != nil {
		return nil
	}
	switch {
	case v.at < *head.sealed:
		v.broken(v.at+1, nil, "it and all behind it were removed")
	case v.at > *head.sealed || !bytes.Equal(v.link, head.link):
		v.broken(v.at, nil, "the chain does not end where its head says")
	}
	for position := range v.known {
		if v.report.Broken == nil && position > v.at {
			v.broken(v.at+1, nil, fmt.Sprintf("the chain ends here, and had come to position %d", position))
		}
	}
	if v.report.Broken == nil {
		err = v.strays(head)
	}
	return err
}

func (v *verifier) broken(position int64, e *eventRow, what string) {
	b := &HistoryBreak{Position: position, What: what}
	if e != nil {
		b.Event, b.Object, b.Record, b.Version = ID(e.id), e.object, ID(e.record), e.version
	}
	v.report.Broken = b
}

// batch verifies the next links, and returns how many there were.
func (v *verifier) batch() (int, error) {
	var seals []*sealRow
	err := v.s.Read(v.ctx, v.tenant, &storage.Query{Table: sealTable, After: []any{v.at}, Limit: sealBatch}, func() storage.Row {
		seals = append(seals, &sealRow{})
		return seals[len(seals)-1]
	})
	if err != nil || len(seals) == 0 {
		return 0, err
	}
	logged, events, err := v.core.logged(v.ctx, v.s, v.tenant, v.at, len(seals))
	if err != nil {
		return 0, err
	}
	erased := map[string][]*eventRow{}
	for i, seal := range seals {
		var e *eventRow
		if i < len(logged) {
			e = events[logged[i].event]
		}
		switch {
		case seal.position != v.at+1:
			v.broken(v.at+1, nil, "its link was removed")
		case i >= len(logged) || logged[i].position != seal.position:
			v.broken(v.at+1, nil, "it was removed from the log")
		case e == nil:
			v.broken(v.at+1, &eventRow{id: logged[i].event}, "the event was removed")
		default:
			v.follow(seal, e)
		}
		if v.report.Broken != nil {
			return 0, nil
		}
		if seal.erased != nil {
			erased[e.object] = append(erased[e.object], e)
		}
	}
	return len(seals), v.erasures(erased)
}

// follow goes over one link.
func (v *verifier) follow(seal *sealRow, e *eventRow) {
	link, err := seal.follow(v.link, e)
	if err != nil || !bytes.Equal(link, seal.link) {
		v.broken(seal.position, e, "it is not as it was written")
		return
	}
	if want, ok := v.known[seal.position]; ok && want != hex.EncodeToString(link) {
		v.broken(seal.position, e, "the chain to here is not the one that was known")
		return
	}
	v.at, v.link = seal.position, link
	if seal.erased != nil {
		v.report.Erased++
	}
}

// erasures holds that values were erased only of records whose history says so.
func (v *verifier) erasures(erased map[string][]*eventRow) error {
	for object, events := range erased {
		ids := map[uuid.UUID]bool{}
		for _, e := range events {
			ids[e.record] = true
		}
		list := make([]any, 0, len(ids))
		for id := range ids {
			list = append(list, id)
		}
		said := &eventRow{}
		note := func() { delete(ids, said.record) }
		err := v.s.Read(v.ctx, v.tenant, &storage.Query{
			Table: eventTable, Columns: eventPlace(), Unordered: true, Limit: storage.MaxPage,
			Where: storage.And{
				storage.Is{Field: storage.F("object"), Op: storage.Eq, Value: object},
				storage.In{Field: storage.F("record_id"), Values: list},
				storage.Is{Field: storage.F("name"), Op: storage.Eq, Value: object + "." + eventErased},
			},
		}, func() storage.Row { note(); return said })
		if err != nil {
			return err
		}
		note()
		for _, e := range events {
			if ids[e.record] && v.report.Broken == nil {
				v.broken(0, e, "values are gone, and no erasure is in its history")
			}
		}
	}
	return nil
}

// strays finds an event that nobody recorded: neither in the log nor announced. What is
// behind the chain is counted.
func (v *verifier) strays(head *headRow) error {
	var stray *eventRow
	err := v.s.Read(v.ctx, v.tenant, &storage.Query{
		Table: eventTable, Columns: eventPlace(), Unordered: true, Limit: 1, Where: storage.And{
			storage.Not{Expr: storage.Exists{Rel: storage.Rel{Table: logTable, Column: "event_id", Key: "id"}}},
			storage.Not{Expr: storage.Exists{Rel: storage.Rel{Table: outboxTable, Column: "id", Key: "id"}}},
		},
	}, func() storage.Row {
		stray = &eventRow{}
		return stray
	})
	if err != nil {
		return err
	}
	if stray != nil {
		v.broken(0, stray, "it was not recorded by the CRM")
		return nil
	}
	announced, err := count(v.ctx, v.s, v.tenant, outboxTable, nil)
	v.report.Pending = head.position - *head.sealed + announced
	return err
}
