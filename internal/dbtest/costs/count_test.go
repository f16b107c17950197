package costs

import (
	"context"
	"database/sql/driver"
	"net"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// counter counts what reaches a database.
type counter struct{ statements, trips atomic.Int64 }

func (c *counter) reset() {
	c.statements.Store(0)
	c.trips.Store(0)
}

// TraceQueryStart and TraceQueryEnd implement pgx.QueryTracer, for which BEGIN and COMMIT are statements too.
func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceCopyFromStart and TraceCopyFromEnd implement pgx.CopyFromTracer: a COPY is a statement.
func (c *counter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (*counter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// dial is for a pgx configuration.
func (c *counter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &countingNet{Conn: conn, c: c}, err
}

// countingNet is a connection to a server. A round trip begins with the first write after the server said that it is ready;
// what it says before, as in the midst of a COPY, may come sooner or later.
type countingNet struct {
	net.Conn

	c     *counter
	asked atomic.Bool
	tail  []byte // the last bytes read
}

// ready is how an answer ends, but for the state of the transaction.
const ready = "Z\x00\x00\x00\x05"

func (n *countingNet) Write(b []byte) (int, error) {
	if !n.asked.Swap(true) {
		n.c.trips.Add(1)
	}
	return n.Conn.Write(b)
}

func (n *countingNet) Read(b []byte) (int, error) {
	got, err := n.Conn.Read(b)
	n.tail = append(n.tail, b[:got]...)
	n.tail = append(n.tail[:0], n.tail[max(0, len(n.tail)-len(ready)-1):]...)
	if got > 0 && strings.HasPrefix(string(n.tail), ready) {
		n.asked.Store(false)
	}
	return got, err
}

// countingConnector opens SQLite by modernc's driver, and counts what is executed, prepared or not, with BEGIN and COMMIT.
type countingConnector struct {
	driver.Connector

	c *counter
}

// Connect fails for a connection that lacks one of the abilities of modernc's, which database/sql would then do without.
func (c countingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countingConn{conn.(fullConn), c.c}, nil //nolint:errcheck // as it says
}

type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type countingConn struct {
	fullConn

	c *counter
}

func (c countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.c.statements.Add(1)
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.c.statements.Add(1)
	return c.fullConn.QueryContext(ctx, query, args)
}

func (c countingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.c.statements.Add(1)
	tx, err := c.fullConn.BeginTx(ctx, opts)
	return countingTx{tx, c.c}, err
}

func (c countingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return countingStmt{stmt.(fullStmt), c.c}, nil //nolint:errcheck // as with Connect
}

type countingTx struct {
	driver.Tx

	c *counter
}

func (t countingTx) Commit() error {
	t.c.statements.Add(1)
	return t.Tx.Commit()
}

func (t countingTx) Rollback() error {
	t.c.statements.Add(1)
	return t.Tx.Rollback()
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type countingStmt struct {
	fullStmt

	c *counter
}

func (s countingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.c.statements.Add(1)
	return s.fullStmt.ExecContext(ctx, args)
}

func (s countingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.c.statements.Add(1)
	return s.fullStmt.QueryContext(ctx, args)
}
