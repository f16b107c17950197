package crm

import (
	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// work holds what is to be done against the events there are.
func (ch *checker) work() error {
	head, err := ch.core.readHead(ch.ctx, ch.tenant, false)
	if err != nil {
		return err
	}
	if head == nil {
		head = &headRow{}
	}
	if err := ch.log(head.position); err != nil {
		return err
	}
	if err := ch.chain(head); err != nil {
		return err
	}
	if err := ch.subscriptions(head.position); err != nil {
		return err
	}
	return ch.held()
}

// chain goes along the chain of a history that is sealed.
func (ch *checker) chain(head *headRow) error {
	if !head.sealing() {
		return nil
	}
	report, err := ch.core.VerifyHistory(ch.ctx)
	if err == nil && report.Broken != nil {
		ch.problem("event_seal", ID{}, "the history is not as it was sealed: "+report.Broken.What)
	}
	return err
}

func (ch *checker) problem(object string, id ID, what string) {
	*ch.found = append(*ch.found, Problem{ch.tenant, object, id, what})
}

// log goes through the positions, which have no gaps, and of which each has an event;
// an announced event has none yet.
func (ch *checker) log(head int64) error {
	last := int64(0)
	for {
		var rows []*logRow
		err := ch.s.Read(ch.ctx, ch.tenant, &storage.Query{Table: logTable, After: []any{last}, Limit: MaxPage}, func() storage.Row {
			rows = append(rows, &logRow{})
			return rows[len(rows)-1]
		})
		if err != nil {
			return err
		}
		ids := make([]any, len(rows))
		for i, row := range rows {
			if row.position != last+1 {
				ch.problem("event_log", ID(row.event), "there are positions missing before it")
			}
			last, ids[i] = row.position, row.event
		}
		if len(rows) > 0 {
			if err := ch.logged(ids); err != nil {
				return err
			}
		}
		if len(rows) < MaxPage || len(*ch.found) >= maxProblems {
			break
		}
	}
	if last != head {
		ch.problem("event_log", ID{}, "its head is not at its last position")
	}
	return nil
}

// logged holds events of the log against the history and the outbox.
func (ch *checker) logged(ids []any) error {
	found, err := count(ch.ctx, ch.s, ch.tenant, eventTable, storage.In{Field: storage.F("id"), Values: ids})
	if err != nil {
		return err
	}
	if int(found) != len(ids) {
		ch.problem("event_log", ID{}, "it has events that no history has")
	}
	twice, err := count(ch.ctx, ch.s, ch.tenant, outboxTable, storage.In{Field: storage.F("id"), Values: ids})
	if err == nil && twice > 0 {
		ch.problem("outbox", ID{}, "it announces events that the log has already")
	}
	return err
}

// subscriptions are nowhere behind the end, and rest there alone.
func (ch *checker) subscriptions(head int64) error {
	rows, err := ch.core.readSubscriptions(ch.ctx, ch.tenant, nil, false)
	for _, row := range rows {
		if row.position > head || row.due.IsZero() && row.position < head {
			ch.problem("subscription", ID{}, "one rests where it should not")
		}
	}
	return err
}

// held is the events that subscriptions hold: of each record only the first is tried.
func (ch *checker) held() error {
	type record struct {
		subscription string
		id           uuid.UUID
	}
	first := map[record]*heldRow{}
	for after := []any(nil); ; {
		rows, err := ch.core.readHeld(ch.ctx, ch.tenant, &storage.Query{After: after, Limit: MaxPage})
		if err != nil {
			return err
		}
		for _, row := range rows {
			after = []any{row.id}
			k := record{row.subscription, row.record}
			if was := first[k]; was == nil || row.at < was.at {
				first[k] = row
			}
		}
		if len(rows) < MaxPage {
			break
		}
	}
	for k, row := range first {
		if row.due.IsZero() && row.parked.IsZero() {
			ch.problem("held_event", ID(k.id), "a subscription holds events of the record and tries none")
		}
	}
	return nil
}
