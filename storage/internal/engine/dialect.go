package engine

import (
	"context"
	"database/sql"

	"github.com/embedcrm/embedcrm/storage"
)

// Dialect is what differs between two databases. The engine asks it for pieces of
// SQL and for the driver's form of values; it decides nothing about meaning.
type Dialect interface {
	// Name is the folder of the migrations, "postgres" or "sqlite".
	Name() string
	// TableName returns the quoted name of a table of the CRM.
	TableName(name string) string

	// Placeholder appends the n-th argument, of kind k; 0 is a count or a limit.
	Placeholder(b []byte, n int, k storage.Kind) []byte
	// Argument appends the n-th argument once more.
	Argument(b []byte, n int, k storage.Kind) []byte
	// Bind returns the driver's form of a value that passed CheckValue.
	Bind(k storage.Kind, v any) any
	// Among appends the comparison of what stands before it with any value of the
	// n-th argument, a list whose driver form BindList returns.
	Among(b []byte, n int, k storage.Kind) []byte
	BindList(k storage.Kind, values []any) any

	// Find is the function that answers where a text begins in another, from 1.
	Find() string
	// Member appends the member of a JSON column as kind k, NULL when it is of
	// another type; as JSON it is only asked whether it is NULL, as null is too.
	// column is SQL. key appends the bound member, in the form that MemberKey gives
	// its name; it may be called more than once.
	MemberKey(name string) string
	Member(b []byte, column string, k storage.Kind, key func([]byte) []byte) []byte
	// Has appends whether a JSON column, or the member of it that key binds when it
	// is not nil, is an array with the text that text binds. It is never NULL but
	// for a column that is.
	Has(b []byte, column string, key, text func([]byte) []byte) []byte
	// Nulls is what an order of a nullable term ends with so that NULL is lowest.
	Nulls(desc bool) string
	// Lock is what a locking read ends with.
	Lock() string
	// Share is what a locking read ends with whose lock others may have too.
	Share() string
	// Bucket appends the number of bounds that are not greater than the value that
	// operand appends; NULL when it is NULL.
	Bucket(f Fragments, operand func(), k storage.Kind, bounds []any)
	// WordIndex reports whether an index of words is a table beside, which the engine
	// writes and begins a search with; if not, the database does both by itself.
	WordIndex() bool
	// WordQuery is what a search of that index, or of a column of words, is for.
	WordQuery(all [][]storage.Word) string
	// Analyze is the verb that has the database look anew at a table; empty: it has no
	// figures to plan by.
	Analyze() string
	// NoJoin ends a subquery of EXISTS so that the planner makes no join of it.
	NoJoin() string
	// Sum returns the sum of x as an int64 that fails past its range.
	Sum(x string) string
	// Comparable returns x in a form min and max take and order as the kind does.
	Comparable(x string, k storage.Kind) string

	// Prepared reports whether statements are kept as *sql.Stmt; if not, the
	// driver keeps them itself, and Mode is passed in front of the arguments.
	Prepared() bool
	Mode() any
	// SingleWriter reports whether writing transactions take turns. Then Writer is
	// the statement that takes the turn at the database.
	SingleWriter() bool
	Writer() string
	// ReadsAbort reports whether a statement that fails, even a read, leaves its
	// transaction unusable but for a savepoint.
	ReadsAbort() bool

	// Alive reports whether the transaction still stands, where no savepoint can
	// tell.
	Alive(ctx context.Context, tx *sql.Tx) bool
	// SnapshotLevel is the isolation at which a transaction sees one instant.
	SnapshotLevel() sql.IsolationLevel

	// Classify names the kind of a driver's error, the column or constraint at
	// fault and the cure, where it can; a nil kind is unknown.
	Classify(err error) Fault

	// Identity returns a query for one text that tells this database from others.
	Identity() string
	// Schema is how migrations run.
	Schema() Schema
}

// Bulk is a Dialect that takes many rows as one array a column. One without it
// runs a prepared statement a row, and one for several new rows, which costs SQLite
// less.
type Bulk interface {
	Dialect
	// Array appends the n-th argument as an array of kind k; its value is what
	// BindList returns.
	Array(b []byte, n int, k storage.Kind) []byte
	// Quotes reports whether an error quotes the values of a row.
	Quotes(err error, tenant string, t *storage.Table, row storage.Row) bool
}

// KeyFinder is a Dialect whose planner has to be told to begin with keys that are
// given, where another index has their tenant.
type KeyFinder interface {
	Dialect
	// Keys appends that t's row is one of the tenant's with a key of a list; tenant and
	// list append their arguments, the list that which BindList returns.
	Keys(b []byte, key string, k storage.Kind, tenant, list func([]byte) []byte) []byte
}

// Copier is a Bulk that has a quicker way for many new rows of a table.
type Copier interface {
	Bulk
	// Copy inserts rows, and reports false when it cannot in this transaction: the
	// driver is not reached, or the server refuses. The caller then goes back to
	// the savepoint it made before.
	Copy(ctx context.Context, tx *sql.Tx, tenant string, t *storage.Table, rows []storage.Row) (bool, error)
}

// Fault is what a driver's error means.
type Fault struct {
	Kind   error
	Table  string // as storage names it, or empty
	Field  string
	Reason string
}

// Schema is the part of a Dialect that migrations use.
type Schema interface {
	// Bookkeeping returns the statements that make the tables of the runner, each
	// harmless when they are there.
	Bookkeeping() []string
	// Expand puts the schema's name where a migration file asks for it.
	Expand(text string) string
	// Begin opens a transaction that holds the lock of all migrations, or returns
	// false when another process has it.
	Begin(ctx context.Context, conn *sql.Conn) (bool, error)
	// BeforeCommit checks what a migration did.
	BeforeCommit(ctx context.Context, conn *sql.Conn) error
	// Prepare readies a connection for migrations, and Restore undoes it.
	Prepare(ctx context.Context, conn *sql.Conn) (restore func(), err error)
	// Cleanup removes what a failed no-transaction migration may have left.
	Cleanup(ctx context.Context, conn *sql.Conn) error
}
