// Package postgres keeps a CRM in a schema of a PostgreSQL database, 14 or newer,
// beside the host's tables, through pgx's database/sql driver.
//
//	db, err := sql.Open("pgx", dsn)
//	store, err := postgres.New(db)
//
// Nothing of a session is relied on (no SET, no session lock, no LISTEN, no
// temporary table), so that a pooler in transaction mode works. The driver's way
// of running statements is the pool's own unless [Options] say otherwise:
// behind such a pooler give the DSN default_query_exec_mode=exec.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// Store is a [storage.Store] in PostgreSQL.
type Store struct{ storage.Store }

// Statements is how the driver runs the CRM's statements.
type Statements uint8

const (
	// Inherit runs them as the pool runs the host's own.
	Inherit Statements = iota
	// Cached keeps them prepared on each connection whatever the pool's mode is:
	// for a pool in exec mode that reaches the server itself. Through a pooler in
	// transaction mode it fails, and says so.
	Cached
)

// Options are what can be chosen; the zero value is what [New] and [Open] use.
type Options struct {
	// Schema is where the tables are; empty is "crm". Migrate makes it.
	Schema string
	// Statements is how statements are run.
	Statements Statements
	// Wait is how long a call waits for a connection of a bounded pool before it
	// is [storage.ErrBusy]; 0 is 5 seconds.
	Wait time.Duration
}

// New returns a store in db's database. The pool stays the host's: Close does not
// close it, and its limits are not changed.
func New(db *sql.DB) (*Store, error) { return Options{}.New(db) }

// Open returns a store on a pool of its own, which Close closes. Statements are
// kept prepared unless the DSN names another default_query_exec_mode.
func Open(dsn string) (*Store, error) { return Options{}.Open(dsn) }

// Open is [Open] with these options.
func (o Options) Open(dsn string) (*Store, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, storage.Invalid("", "", "postgres: the DSN cannot be read: %v", redacted(err))
	}
	db := stdlib.OpenDB(*config)
	s, err := o.store(db, true)
	if err != nil {
		_ = db.Close()
	}
	return s, err
}

// redacted keeps a DSN's password out of the error about it.
func redacted(err error) error {
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return errors.New("it is neither a URL nor key=value settings that pgx takes")
	}
	return err
}

// New is [New] with these options.
func (o Options) New(db *sql.DB) (*Store, error) { return o.store(db, false) }

func (o Options) store(db *sql.DB, owned bool) (*Store, error) {
	if db == nil {
		return nil, storage.Invalid("", "", "postgres: no database given")
	}
	if o.Schema == "" {
		o.Schema = "crm"
	}
	if strings.ContainsRune(o.Schema, 0) || len(o.Schema) > 63 {
		return nil, storage.Invalid("", "", "postgres: a schema's name has at most 63 bytes and no NUL")
	}
	wait := o.Wait
	if wait <= 0 {
		wait = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	d := dialect{schema: o.Schema, prefix: pgx.Identifier{o.Schema}.Sanitize() + "."}
	if o.Statements == Cached {
		if !isPgx(ctx, db) {
			return nil, storage.Invalid("", "", "postgres: Cached needs pgx's driver itself, and the pool's is wrapped or another: use Inherit")
		}
		d.mode = pgx.QueryExecModeCacheStatement
	}
	var number int
	if err := db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number); err != nil {
		if f := d.Classify(err); f.Kind != nil {
			return nil, &storage.Error{Kind: f.Kind, Op: "open", Reason: f.Reason, Change: -1, Err: err}
		}
		return nil, fmt.Errorf("postgres: the database does not answer as PostgreSQL: %w", err)
	}
	if number < 140000 {
		return nil, storage.Invalid("", "", "postgres: the server is version %d, and 14 or newer is needed", number/10000)
	}
	d.copies = isPgx(ctx, db)
	e := engine.New(d, db, db, owned, engine.Options{Wait: wait})
	if _, err := e.Identify(ctx); err != nil {
		return nil, err
	}
	return &Store{e}, nil
}

// isPgx reports whether the pool's connections are pgx's own.
func isPgx(ctx context.Context, db *sql.DB) bool {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	is := false
	_ = conn.Raw(func(dc any) error {
		_, is = dc.(*stdlib.Conn)
		return nil
	})
	return is
}
