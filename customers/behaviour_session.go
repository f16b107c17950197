package customers

import (
	"context"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// SessionGap is how long a customer does nothing between two sessions.
const SessionGap = 30 * time.Minute

// maxSessionEvents is of how many events at most sessions are made.
const maxSessionEvents = 10_000

// Session is events of a customer with less than [SessionGap] between them.
type Session struct {
	Began, Ended time.Time
	Events       int
	First, Last  string // the names of the first and the last event
}

// Sessions returns a customer's sessions that have an event in [from, to), the latest
// first, for those who may read him. They are computed of the events that are kept,
// late ones too, at most the latest 10,000 before to. A session that began before from
// is cut there.
func (b *Behaviour) Sessions(ctx context.Context, customer crm.ID, from, to time.Time) ([]Session, error) {
	var list []Session
	cursor, n := "", 0
	for {
		page, err := b.List(ctx, customer, crm.Where("at >= $1 and at < $2", from, to), crm.Limit(crm.MaxPage), crm.After(cursor))
		if err != nil {
			return nil, err
		}
		for _, a := range page.Items {
			if last := len(list) - 1; last >= 0 && list[last].Began.Sub(a.At) < SessionGap {
				list[last].Began, list[last].First = a.At, a.Name
				list[last].Events++
			} else {
				list = append(list, Session{Began: a.At, Ended: a.At, Events: 1, First: a.Name, Last: a.Name})
			}
		}
		n += len(page.Items)
		if cursor = page.Next; cursor == "" || n >= maxSessionEvents {
			return list, nil
		}
	}
}
