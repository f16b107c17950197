package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

// patience bounds what would otherwise hang. No test waits for it to pass.
const patience = time.Minute

// tester is a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Helper()
	Logf(format string, args ...any)
}

// env is what a test works with: a database, a Session on it and a tenant.
type env struct {
	Database
	*tables

	t       tester
	ctx     context.Context
	s       storage.Session
	tenant  string
	short   bool
	another func(t *testing.T) *env // an env on another, fresh database
}

// with returns the env for a test and a tenant.
func (e *env) with(t *testing.T, tenant string) *env {
	t.Helper()
	c := *e
	c.t, c.ctx, c.tenant = t, t.Context(), tenant
	if j, ok := c.s.(joined); ok {
		j.t = t
		c.s = j
	}
	return &c
}

// as returns the env for another tenant.
func (e *env) as(tenant string) *env {
	c := *e
	c.tenant = tenant
	return &c
}

// on returns the env with another Session.
func (e *env) on(s storage.Session) *env {
	c := *e
	c.s = s
	return &c
}

// rounds is how often a random or concurrent test goes round.
func (e *env) rounds(short, full int) int {
	if e.short {
		return short
	}
	return full
}

// single reports whether the host's pool has but one connection, so that nothing
// else can be done while a transaction is open.
func (e *env) single() bool { return e.SQL.Stats().MaxOpenConnections == 1 }

// begin begins a transaction of the host's. It is rolled back when the test ends.
func (e *env) begin(t *testing.T) *sql.Tx {
	t.Helper()
	tx, err := e.Begin(e.ctx)
	require.NoError(t, err)
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// join begins a transaction of the host's and returns it with a Session in it.
func (e *env) join(t *testing.T) (*sql.Tx, *env) {
	t.Helper()
	tx := e.begin(t)
	s, err := e.Store.Join(e.ctx, tx)
	require.NoError(t, err)
	return tx, e.on(s)
}

// exec runs a statement of the host's own outside any transaction.
func (e *env) exec(format string, args ...any) {
	e.t.Helper()
	_, err := e.SQL.ExecContext(e.ctx, fmt.Sprintf(format, args...))
	require.NoError(e.t, err)
}

// number asks the host's pool for one number.
func (e *env) number(format string, args ...any) int {
	e.t.Helper()
	var n int
	require.NoError(e.t, e.SQL.QueryRowContext(e.ctx, fmt.Sprintf(format, args...)).Scan(&n))
	return n
}

// try applies changes.
func (e *env) try(changes ...storage.Change) error { return e.s.Write(e.ctx, e.tenant, changes) }

// write applies changes that must succeed.
func (e *env) write(changes ...storage.Change) {
	e.t.Helper()
	require.NoError(e.t, e.try(changes...))
}

// add inserts rows of t, in batches as large as allowed.
func (e *env) add(t *storage.Table, rows ...storage.Values) {
	e.t.Helper()
	for part := range slices.Chunk(rows, storage.MaxChanges) {
		e.write(inserts(t, part...)...)
	}
}

func inserts(t *storage.Table, rows ...storage.Values) []storage.Change {
	list := make([]storage.Change, len(rows))
	for i, r := range rows {
		list[i] = insert(t, r)
	}
	return list
}

func insert(t *storage.Table, r storage.Values) storage.Change {
	return storage.Change{Action: storage.Insert, Table: t, Row: r}
}

// update sets the named columns, or all.
func update(t *storage.Table, r storage.Values, version int, columns ...string) storage.Change {
	return storage.Change{Action: storage.Update, Table: t, Row: r, Version: int64(version), Columns: indexes(t, columns...)}
}

func remove(t *storage.Table, r storage.Values, version int) storage.Change {
	return storage.Change{Action: storage.Delete, Table: t, Row: r, Version: int64(version)}
}

func wipe(t *storage.Table, where storage.Expr) storage.Change {
	return storage.Change{Action: storage.Clear, Table: t, Where: where}
}

func indexes(t *storage.Table, columns ...string) []int {
	var list []int
	for _, name := range columns {
		list = append(list, t.Index(name))
	}
	return list
}

// find reads rows, and the further fields after their columns.
func (e *env) find(q *storage.Query) ([]storage.Values, error) {
	var rows []storage.Values
	err := e.s.Read(e.ctx, e.tenant, q, func() storage.Row {
		rows = append(rows, make(storage.Values, len(q.Table.Columns)+len(q.Also)))
		return rows[len(rows)-1]
	})
	return rows, err
}

// read is find that must succeed.
func (e *env) read(q *storage.Query) []storage.Values {
	e.t.Helper()
	rows, err := e.find(q)
	require.NoError(e.t, err)
	return rows
}

// all reads every row of t that satisfies where, by key.
func (e *env) all(t *storage.Table, where storage.Expr) []storage.Values {
	e.t.Helper()
	return e.read(&storage.Query{Table: t, Where: where, Limit: storage.MaxPage})
}

// ids reads the identifiers, the first column, of the rows that satisfy where.
func (e *env) ids(t *storage.Table, where storage.Expr) []uuid.UUID {
	e.t.Helper()
	return firsts(e.t, e.read(&storage.Query{Table: t, Where: where, Limit: storage.MaxPage, Columns: []int{0}}))
}

// numbers is ids as the n of [id].
func (e *env) numbers(t *storage.Table, where storage.Expr) []int {
	e.t.Helper()
	return numbersOf(e.ids(t, where))
}

func firsts(t tester, rows []storage.Values) []uuid.UUID {
	t.Helper()
	list := []uuid.UUID{}
	for _, r := range rows {
		x, ok := r[0].(uuid.UUID)
		require.True(t, ok, "the first column is %T, not an identifier", r[0])
		list = append(list, x)
	}
	return list
}

func numbersOf(ids []uuid.UUID) []int {
	list := []int{}
	for _, x := range ids {
		list = append(list, int(x[12])<<24|int(x[13])<<16|int(x[14])<<8|int(x[15]))
	}
	return list
}

// get reads the row of t with the n-th identifier, or nil.
func (e *env) get(t *storage.Table, n int) storage.Values {
	e.t.Helper()
	rows := e.all(t, storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: id(n)})
	require.LessOrEqual(e.t, len(rows), 1)
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

// count counts the rows of t that satisfy where.
func (e *env) count(t *storage.Table, where storage.Expr) int {
	e.t.Helper()
	rows := e.figures(&storage.Aggregate{Table: t, Where: where, Measure: []storage.Measure{{Fn: storage.CountRows}}})
	require.Len(e.t, rows, 1)
	n, ok := rows[0][0].(int64)
	require.True(e.t, ok, "a count is %T, not an int64", rows[0][0])
	return int(n)
}

// reckon computes an aggregate.
func (e *env) reckon(a *storage.Aggregate) ([]storage.Values, error) {
	var rows []storage.Values
	err := e.s.Aggregate(e.ctx, e.tenant, a, func() storage.Row {
		rows = append(rows, make(storage.Values, len(a.Group)+len(a.Measure)))
		return rows[len(rows)-1]
	})
	return rows, err
}

// figures is reckon that must succeed.
func (e *env) figures(a *storage.Aggregate) []storage.Values {
	e.t.Helper()
	rows, err := e.reckon(a)
	require.NoError(e.t, err)
	return rows
}

// same requires rows of t to hold what is wanted, in that order.
func (e *env) same(t *storage.Table, want, got []storage.Values) {
	e.t.Helper()
	require.Len(e.t, got, len(want))
	for i := range want {
		for c, column := range t.Columns {
			if msg := differ(want[i][c], got[i][c]); msg != "" {
				require.Fail(e.t, "a value differs", "row %d, %s.%s: %s", i, t.Name, column.Name, msg)
			}
		}
	}
}

// differ says how two values of a kind differ, or "". JSON is compared by what it
// means: a database may keep it in another form.
func differ(want, got any) string {
	var equal bool
	switch want := want.(type) {
	case nil:
		equal = got == nil
	case []byte:
		got, ok := got.([]byte)
		equal = ok && got != nil && bytes.Equal(want, got)
	case time.Time:
		got, ok := got.(time.Time)
		if ok && want.Equal(got) && got.Location() != time.UTC {
			return fmt.Sprintf("want UTC, got %s", got.Location())
		}
		equal = ok && want.Equal(got)
	case json.RawMessage:
		got, ok := got.(json.RawMessage)
		equal = ok && equalJSON(want, got)
	default:
		equal = want == got
	}
	if equal {
		return ""
	}
	return fmt.Sprintf("want %s, got %s", display(want), display(got))
}

func display(v any) string {
	switch v := v.(type) {
	case json.RawMessage:
		return fmt.Sprintf("JSON %.200s", string(v))
	case string:
		return fmt.Sprintf("%.200q", v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case uuid.UUID, storage.Date:
		return fmt.Sprint(v)
	}
	s := fmt.Sprintf("%v (%T)", v, v)
	return s[:min(len(s), 200)]
}

// equalJSON compares numbers by value, however they are written.
func equalJSON(a, b []byte) bool {
	x, errX := decodeJSON(a)
	y, errY := decodeJSON(b)
	return errX == nil && errY == nil && equalValue(x, y)
}

func decodeJSON(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, okX := new(big.Rat).SetString(a.String())
		y, okY := new(big.Rat).SetString(b.String())
		return okX && okY && x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalValue)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, there := b[k]
			if !there || !equalValue(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}

// refused requires err to be an adapter's error of a kind, and returns it.
func refused(t tester, err, kind error) *storage.Error {
	t.Helper()
	require.Error(t, err)
	require.ErrorIs(t, err, kind)
	var e *storage.Error
	require.ErrorAs(t, err, &e)
	return e
}

// known reports whether err is of one of the contract's kinds.
func known(err error) bool {
	return slices.ContainsFunc([]error{
		storage.ErrInvalid, storage.ErrNotFound, storage.ErrConflict, storage.ErrRetry, storage.ErrTxLost, storage.ErrTxDone,
		storage.ErrBusy, storage.ErrReadOnly, storage.ErrVersion, storage.ErrOverflow, storage.ErrUnavailable,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// cancelled reports whether err is the context's own.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Short forms of conditions.
func eq(column string, v any) storage.Expr { return cmp(column, storage.Eq, v) }

func cmp(column string, op storage.Op, v any) storage.Expr {
	if n, ok := v.(int); ok {
		v = int64(n)
	}
	return storage.Is{Field: storage.F(column), Op: op, Value: v}
}

func not(x storage.Expr) storage.Expr { return storage.Not{Expr: x} }

func member(column, name string, k storage.Kind) storage.Field {
	return storage.Field{Name: column, Member: name, Kind: k}
}

func (tb *tables) authorField(column string) storage.Field {
	return storage.Field{Name: column, Ref: &storage.Ref{Column: "author_id", Table: tb.author}}
}

func (tb *tables) marks() storage.Rel {
	return storage.Rel{Table: tb.mark, Column: "note_id", Key: "id"}
}

func sub(files fs.FS, dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the directory is embedded: it cannot be missing
	}
	return f
}

// long is a text of n bytes that does not compress well.
func long(n int) string {
	var b strings.Builder
	x := uint64(88172645463325252)
	for b.Len() < n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		fmt.Fprintf(&b, "%016x", x)
	}
	return b.String()[:n]
}
