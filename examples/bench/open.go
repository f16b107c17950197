package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// database is where two sides work. They share one pool, and so its connection with all that is cached there.
type database struct {
	engine string // "sqlite", "postgres" or "pocketbase"
	about  string
	db     *sql.DB
	store  storage.Store
	close  func()
}

// open makes a database with rows customers of the storage layer.
func open(ctx context.Context, engine string, s *schema, rows int) (*world, error) {
	d, err := openDatabase(ctx, engine)
	if err != nil {
		return nil, err
	}
	w := &world{database: d, chance: &chance{rand: dice(0)}, ours: ours{s, d.store}}
	if err = w.fill(ctx, s, rows); err == nil {
		if w.base = side(byPostgres{d.db}); engine == "sqlite" {
			w.base, err = newBySQLite(ctx, d.db)
		}
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return w, nil
}

// openDatabase makes an empty database.
func openDatabase(ctx context.Context, engine string) (d *database, err error) {
	switch engine {
	case "sqlite":
		d, err = openSQLite(ctx)
	case "postgres":
		d, err = openPostgres(ctx)
	default:
		err = errors.New("it is neither sqlite nor postgres")
	}
	if err != nil {
		return nil, err
	}
	d.engine = engine
	return d, nil
}

func openSQLite(ctx context.Context) (*database, error) {
	dir, err := os.MkdirTemp("", "embedcrm-bench-")
	if err != nil {
		return nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	// Checkpoints would fall on the one side or the other as they come: they are made between the turns, see settle.
	db, err := sql.Open("sqlite", sqlite.DSN(filepath.Join(dir, "crm.db"))+"&_pragma=wal_autocheckpoint(0)")
	if err != nil {
		remove()
		return nil, err
	}
	d := &database{db: db, close: func() { _ = db.Close(); remove() }}
	d.store, err = sqlite.New(db) //nolint:contextcheck // it takes none
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT 'SQLite ' || sqlite_version() || ' by modernc, WAL, synchronous=NORMAL, without checkpoints'").Scan(&d.about)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func openPostgres(ctx context.Context) (d *database, err error) {
	p := &program{ctx: ctx}
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case error:
			d, err = nil, cause
		default:
			panic(cause)
		}
		if err != nil {
			p.end()
		}
	}()
	db, err := sql.Open("pgx", pgtest.Server(p, pgtest.UTF8).Database(p)) //nolint:contextcheck // p has it
	if err != nil {
		return nil, err
	}
	p.Cleanup(func() { _ = db.Close() })
	store, err := postgres.New(db) //nolint:contextcheck // it takes none
	if err != nil {
		return nil, err
	}
	d = &database{db: db, store: store, close: p.end}
	return d, db.QueryRowContext(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version') || ', fsync=' || current_setting('fsync')
		|| ', synchronous_commit=' || current_setting('synchronous_commit')`).Scan(&d.about)
}

// vacuum makes known to Postgres what is in the database by now.
func (d *database) vacuum(ctx context.Context) error {
	if d.engine != "postgres" {
		return nil
	}
	_, err := d.db.ExecContext(ctx, "VACUUM (ANALYZE)")
	return err
}

// settle has the database do now what it would else do in the middle of a measurement.
func (d *database) settle(ctx context.Context) error {
	if d.engine == "postgres" {
		return nil
	}
	_, err := d.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// errAbsent is that there is no Postgres here. Where CI is set that is a failure instead, as pgtest has it.
var errAbsent = errors.New("skipped")

// program stands where pgtest expects a test. It has the methods that pgtest calls, and no others.
type program struct {
	testing.TB

	ctx      context.Context //nolint:containedctx // as a test has one
	cleanups []func()
}

func (*program) Helper()                    {}
func (p *program) Context() context.Context { return p.ctx }
func (p *program) Cleanup(fn func())        { p.cleanups = append(p.cleanups, fn) }

// Fatalf and Skipf end what they are called in, as a test's do.
func (*program) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
func (*program) Skipf(format string, args ...any) {
	panic(fmt.Errorf("%w: %s", errAbsent, fmt.Sprintf(format, args...)))
}

func (p *program) end() {
	for _, fn := range slices.Backward(p.cleanups) {
		fn()
	}
	p.cleanups = nil
}
