package costs

import (
	"context"
	"database/sql/driver"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// counter counts what reaches a database.
type counter struct {
	statements atomic.Int64
	trips      atomic.Int64
}

// TraceQueryStart and TraceQueryEnd implement pgx.QueryTracer: BEGIN and COMMIT are statements too.
func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// countingNet is a connection to a server. What is written after something was read is a round trip.
type countingNet struct {
	net.Conn

	c     *counter
	asked atomic.Bool // what was written is not answered yet
}

func (n *countingNet) Write(b []byte) (int, error) {
	if !n.asked.Swap(true) {
		n.c.trips.Add(1)
	}
	return n.Conn.Write(b)
}

func (n *countingNet) Read(b []byte) (int, error) {
	got, err := n.Conn.Read(b)
	if got > 0 {
		n.asked.Store(false)
	}
	return got, err
}

// countingDriver is a driver that counts the statements executed: those prepared before and those that are not, and
// BEGIN and COMMIT. Its connections do what database/sql looks for in modernc's.
type countingDriver struct {
	driver.Driver

	c   *counter
	dsn string
}

func (d countingDriver) Driver() driver.Driver { return d.Driver_() }

func (d countingDriver) Driver_() driver.Driver { return d }
