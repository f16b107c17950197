package crm

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// ID identifies a record: a UUID, and version 7 where the CRM made it. The zero ID
// identifies nothing and stands for an absent reference.
//
// IDs of one process ascend in the order they were made, which keeps an index
// dense. That is no promise about time: sort by a time where time is meant.
type ID uuid.UUID

// ParseID reads an ID from its canonical text, 36 characters in either case, such
// as 0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d. All else is [ErrInvalid], and so is the
// UUID of zeros: an absent ID is written by leaving it out.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, errIDForm()
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return ID{}, errIDForm()
	}
	if u == uuid.Nil {
		return ID{}, Invalid("", "the UUID of zeros identifies nothing: leave the id out")
	}
	return ID(u), nil
}

func errIDForm() error {
	return Invalid("", "an id is a UUID of 36 characters such as 0198c1f0-7a3e-7b52-9c1d-2f4e6a8b0c1d")
}

// String returns the canonical text in lower case, and "" for the zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return uuid.UUID(id).String()
}

// IsZero reports whether id identifies nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Compare returns -1, 0 or +1, as id sorts before, with or after other: bytewise,
// as the stores do.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText returns what [ID.String] does. It never fails.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what [ParseID] does, and empty text as the zero ID.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ids makes version 7 UUIDs (RFC 9562, 5.7) by a clock it is told. Its zero value
// works, and it is safe for concurrent use.
//
// The 12 bits after the milliseconds are a counter (RFC 9562, 6.2, method 1) that
// begins each millisecond at random in its lower half, so that at least 2,048 ids
// fit. A batch that needs more borrows from the next millisecond, and so does a
// clock that stands still or goes back: ids never descend.
type ids struct {
	mu      sync.Mutex
	milli   int64  // of the last id; may be ahead of the clock
	counter uint16 // of the last id, 12 bits
	unread  []byte // what is left of random
	random  [4096]byte
}

// lastMilli is the end of the year 9999, the last that a store holds. What remains
// of the 48 bits above it is for the counter to borrow from.
const lastMilli = 253_402_300_799_999

// next returns an id made at now, which counts from 1970 to 9999 and is taken for
// the nearest of the two outside them.
func (g *ids) next(now time.Time) ID {
	milli := min(max(now.UnixMilli(), 0), lastMilli)
	g.mu.Lock()
	defer g.mu.Unlock()
	if milli > g.milli {
		g.begin(milli)
	} else if g.counter++; g.counter > 0xFFF {
		g.begin(g.milli + 1)
	}
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(g.milli)<<16|0x7000|uint64(g.counter))
	copy(id[8:], g.draw(8))
	id[8] = id[8]&0x3F | 0x80 // the variant of RFC 9562, 4.1
	return id
}

// begin enters a millisecond.
func (g *ids) begin(milli int64) {
	g.milli, g.counter = milli, binary.BigEndian.Uint16(g.draw(2))&0x7FF
}

// draw returns n random bytes, each given out once. They are fetched many at a time
// because each fetch may be a system call.
func (g *ids) draw(n int) []byte {
	if len(g.unread) < n {
		_, _ = rand.Read(g.random[:]) // it cannot fail: the process ends first
		g.unread = g.random[:]
	}
	drawn := g.unread[:n]
	g.unread = g.unread[n:]
	return drawn
}
