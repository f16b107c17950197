package engine

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// down is a database that nobody reaches.
type down struct{}

func (down) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("down") }
func (down) Driver() driver.Driver                        { return nil }

// TestStatementsAreWantedWhileOthersArePrepared: transactions note what to prepare
// while readers look whether there is anything, which the race detector watches.
func TestStatementsAreWantedWhileOthersArePrepared(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(down{})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := newStmts(db)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 200 {
				s.want([]byte(strconv.Itoa(n*1000 + i)))
			}
		})
		wg.Go(func() {
			for range 200 {
				s.prepareWanted(t.Context())
			}
		})
	}
	wg.Wait()

	s.prepareWanted(t.Context())
	require.Empty(t, s.wanted, "what cannot be prepared is not asked for again until it is run again")
	require.Zero(t, s.recent.Len())
}
