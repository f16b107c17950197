package crm

import (
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// Date is a civil date, without time or zone. The zero Date is an absent one; its
// text and JSON are empty.
type Date = storage.Date

// ParseDate reads a date of the form 2006-01-02, in the years 1 to 9999. All else
// is [ErrInvalid].
func ParseDate(s string) (Date, error) { return storage.ParseDate(s) }

// DateOf returns the date of t in t's own zone: convert t to the customer's first,
// by [time.Time.In], where his day is meant.
func DateOf(t time.Time) Date { return storage.DateOf(t) }
