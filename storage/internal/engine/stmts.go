package engine

import (
	"container/list"
	"context"
	"database/sql"
	"sync"
)

// maxKept bounds the statements kept for a pool. A CRM has a few hundred shapes;
// the filters its users type are without end.
const maxKept = 512

// stmts keeps the texts of a pool's statements and, where the driver does not,
// the prepared statements; the least recently used goes first.
type stmts struct {
	db *sql.DB

	mu     sync.Mutex
	byText map[string]*list.Element // of *kept
	recent *list.List
	wanted map[string]struct{} // run in a transaction, to be prepared when it ended
}

type kept struct {
	text  string
	stmt  *sql.Stmt
	users int
	gone  bool // evicted: the last user closes it
}

// of returns what the list's elements hold.
func of(el *list.Element) *kept {
	k, _ := el.Value.(*kept)
	return k
}

func newStmts(db *sql.DB) *stmts {
	return &stmts{db: db, byText: map[string]*list.Element{}, recent: list.New(), wanted: map[string]struct{}{}}
}

// text returns b as a string, the same one each time.
func (c *stmts) text(b []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byText[string(b)]; ok {
		c.recent.MoveToFront(el)
		return of(el).text
	}
	return c.add(string(b), nil).text
}

// peek returns what is kept of a text if it is prepared, or nil; release gives it
// back.
func (c *stmts) peek(text []byte) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byText[string(text)]
	if !ok || of(el).stmt == nil {
		return nil
	}
	c.recent.MoveToFront(el)
	k := of(el)
	k.users++
	return k
}

// get returns what is kept of a text, preparing it if need be; release gives it back.
func (c *stmts) get(ctx context.Context, text []byte) (*kept, error) {
	if k := c.peek(text); k != nil {
		return k, nil
	}
	stmt, err := c.db.PrepareContext(ctx, string(text))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.add(string(text), stmt)
	k.users++
	return k, nil
}

// add keeps a statement, unless another goroutine was first: then that one.
func (c *stmts) add(text string, stmt *sql.Stmt) *kept {
	if el, ok := c.byText[text]; ok {
		if stmt != nil {
			_ = stmt.Close()
		}
		return of(el)
	}
	k := &kept{text: text, stmt: stmt}
	c.byText[text] = c.recent.PushFront(k)
	if c.recent.Len() > maxKept {
		c.evict(c.recent.Back())
	}
	return k
}

func (c *stmts) evict(el *list.Element) {
	c.recent.Remove(el)
	k := of(el)
	delete(c.byText, k.text)
	if k.gone = true; k.users == 0 && k.stmt != nil {
		_ = k.stmt.Close()
	}
}

func (c *stmts) release(k *kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.users--; k.gone && k.users == 0 {
		_ = k.stmt.Close()
	}
}

// want notes a text that a transaction had to prepare for itself.
func (c *stmts) want(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wanted) < maxKept {
		c.wanted[string(text)] = struct{}{}
	}
}

// takeWanted returns the texts noted since it was last called. The map is the
// caller's alone: notes go on in another.
func (c *stmts) takeWanted() map[string]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wanted) == 0 {
		return nil
	}
	wanted := c.wanted
	c.wanted = map[string]struct{}{}
	return wanted
}

// prepareWanted prepares for the pool what transactions had to prepare for
// themselves, if a connection is free for it; what fails is tried again after it
// was run again.
func (c *stmts) prepareWanted(ctx context.Context) {
	wanted := c.takeWanted()
	if len(wanted) == 0 {
		return
	}
	if st := c.db.Stats(); st.MaxOpenConnections > 0 && st.InUse >= st.MaxOpenConnections {
		return
	}
	for text := range wanted {
		if k, err := c.get(ctx, []byte(text)); err == nil {
			c.release(k)
		}
	}
}

func (c *stmts) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.recent.Len() > 0 {
		c.evict(c.recent.Back())
	}
}
