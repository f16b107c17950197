// Package sqlite keeps a CRM in a SQLite database: the host's own, beside its
// tables, or one of its own.
//
//	db, err := sql.Open("sqlite", sqlite.DSN("shop.db"))
//	store, err := sqlite.New(db)
//
// The package imports no driver. It works with modernc.org/sqlite (no cgo,
// registered as "sqlite") and github.com/mattn/go-sqlite3 (registered as
// "sqlite3", and built with -tags sqlite_fts5, for the CRM searches words by FTS5);
// import one of them, and never open a file with both in one process: POSIX drops
// the locks of the one when the other closes the file.
//
// The CRM's tables begin with crm_. A commit survives a killed process, and with
// Durable a power failure; see [Options].
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// Store is a [storage.Store] in SQLite.
type Store struct{ storage.Store }

// Options are what can be chosen; the zero value is what [New], [Open] and [DSN]
// use.
type Options struct {
	// Durable makes every commit wait for the disk (PRAGMA synchronous=FULL), so
	// that it survives power failure. Without it the last commits before one may
	// be missing, and the database is whole. It is part of the DSN: on a host's
	// own pool the pool's setting counts.
	Durable bool
	// Wait is how long a call waits for its turn to write, for a lock of another
	// process or for a connection of a bounded pool, before it is
	// [storage.ErrBusy]; 0 is 5 seconds.
	Wait time.Duration
}

// DSN returns the data source name for a file, in a form both drivers take: WAL,
// foreign keys on, a busy timeout, and transactions that begin IMMEDIATE, so that
// reading and then writing in one cannot lose a race.
func DSN(path string) string { return Options{}.DSN(path) }

// New returns a store in db's database. The pool stays the host's: Close does not
// close it, and its limits are not changed. It works with a pool of one
// connection.
func New(db *sql.DB) (*Store, error) { return Options{}.New(db) }

// Open returns a store in a file that only the CRM uses, or in memory for
// ":memory:". It has one connection that writes and several that read.
func Open(driver, path string) (*Store, error) { return Options{}.Open(driver, path) }

// DSN is [DSN] with these options.
func (o Options) DSN(path string) string {
	synchronous := "NORMAL"
	if o.Durable {
		synchronous = "FULL"
	}
	wait := o.wait().Milliseconds()
	// modernc reads _pragma, mattn the names below it; each passes over the rest.
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(%s)&_pragma=foreign_keys(1)", wait, synchronous) +
		fmt.Sprintf("&_busy_timeout=%d&_journal_mode=WAL&_synchronous=%s&_foreign_keys=1&_txlock=immediate", wait, synchronous)
}

func (o Options) wait() time.Duration {
	if o.Wait <= 0 {
		return 5 * time.Second
	}
	return o.Wait
}

// New is [New] with these options.
func (o Options) New(db *sql.DB) (*Store, error) { return o.store(db, db, false) }

// Open is [Open] with these options.
func (o Options) Open(driver, path string) (*Store, error) {
	if !slices.Contains(sql.Drivers(), driver) {
		return nil, storage.Invalid("", "", "sqlite: no driver is registered as %q: "+
			"import modernc.org/sqlite and open \"sqlite\", or github.com/mattn/go-sqlite3 and open \"sqlite3\"", driver)
	}
	if path == ":memory:" {
		db, err := sql.Open(driver, ":memory:")
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1) // each connection would be a database of its own
		db.SetConnMaxLifetime(0)
		db.SetConnMaxIdleTime(0)
		db.SetMaxIdleConns(1)
		return o.store(db, db, true)
	}
	writer, err := sql.Open(driver, o.DSN(path))
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	readers, err := sql.Open(driver, strings.Replace(o.DSN(path), "_txlock=immediate", "_txlock=deferred", 1)+"&_pragma=query_only(1)&_query_only=1")
	if err != nil {
		_ = writer.Close()
		return nil, err
	}
	readers.SetMaxOpenConns(4)
	readers.SetMaxIdleConns(4)
	return o.store(writer, readers, true)
}

// store checks what cannot work before anything does.
func (o Options) store(db, readers *sql.DB, owned bool) (*Store, error) {
	if db == nil {
		return nil, storage.Invalid("", "", "sqlite: no database given")
	}
	fail := func(err error) (*Store, error) {
		if owned {
			_ = db.Close()
			_ = readers.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.wait())
	defer cancel()
	// Another process may just be turning the file to WAL, for which the drivers'
	// busy timeout does not count.
	ask := func(query string) (answer string, err error) {
		err = engine.Patiently(ctx, dialect{}, o.wait(), func() error {
			return db.QueryRowContext(ctx, query).Scan(&answer)
		})
		return answer, err
	}
	version, err := ask("SELECT sqlite_version()")
	if err != nil {
		return fail(fmt.Errorf("sqlite: the database does not answer: %w", err))
	}
	if older(version, "3.41.0") {
		return fail(storage.Invalid("", "", "sqlite: the driver brings SQLite %s, and 3.41 or newer is needed", version))
	}
	journal, err := ask("PRAGMA journal_mode")
	if err != nil {
		return fail(fmt.Errorf("sqlite: %w", err))
	}
	e := engine.New(dialect{}, db, readers, owned, engine.Options{
		Wait:          o.wait(),
		CarefulCommit: !strings.EqualFold(journal, "wal"),
		Immediate:     owned && readers != db || beginsImmediate(ctx, db), // Open's own DSN says so
	})
	err = engine.Patiently(ctx, dialect{}, o.wait(), func() error {
		_, err := e.Identify(ctx)
		return err
	})
	if err != nil {
		return fail(err)
	}
	return &Store{e}, nil
}

// beginsImmediate reports whether transactions of a pool begin with the right to write,
// which only its DSN says. SQLite tells it by refusing a checkpoint in a transaction
// that holds a lock; NOOP checkpoints nothing. When in doubt the answer is no, which
// costs a statement a transaction and nothing else.
func beginsImmediate(ctx context.Context, db *sql.DB) bool {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing in it
	_, err = tx.ExecContext(ctx, "PRAGMA wal_checkpoint(NOOP)")
	code, ok := resultCode(err)
	return ok && code&0xff == codeLocked
}

// older compares dotted versions.
func older(version, than string) bool {
	var a, b [3]int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &a[0], &a[1], &a[2])
	_, _ = fmt.Sscanf(than, "%d.%d.%d", &b[0], &b[1], &b[2])
	return slices.Compare(a[:], b[:]) < 0
}
