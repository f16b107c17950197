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
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// open makes a database with rows customers. Both sides work on one pool, so that they share its connection with all
// that is cached there.
func open(ctx context.Context, engine string, s *schema, rows int) (w *world, err error) {
	switch engine {
	case "sqlite":
		w, err = openSQLite(ctx, s)
	case "postgres":
		w, err = openPostgres(ctx, s)
	default:
		err = errors.New("it is neither sqlite nor postgres")
	}
	if err != nil {
		return nil, err
	}
	w.engine = engine
	if err := w.fill(ctx, s, rows); err != nil {
		w.close()
		return nil, err
	}
	if w.base, err = w.byHand(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func openSQLite(ctx context.Context, s *schema) (*world, error) {
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
	w := &world{db: db, byHand: func(ctx context.Context) (side, error) { return newBySQLite(ctx, db) }}
	w.close = func() { _ = db.Close(); remove() }
	store, err := sqlite.New(db) //nolint:contextcheck // it takes none
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT 'SQLite ' || sqlite_version() || ' by modernc, WAL, synchronous=NORMAL, without checkpoints'").Scan(&w.about)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	w.store, w.ours = store, ours{s, store}
	return w, nil
}

func openPostgres(ctx context.Context, s *schema) (w *world, err error) {
	p := &program{ctx: ctx}
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case error:
			w, err = nil, cause
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
	w = &world{db: db, store: store, ours: ours{s, store}, close: p.end}
	w.byHand = func(context.Context) (side, error) { return byPostgres{db}, nil }
	return w, db.QueryRowContext(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version') || ', fsync=' || current_setting('fsync')
		|| ', synchronous_commit=' || current_setting('synchronous_commit')`).Scan(&w.about)
}

// errAbsent is that there is no Postgres here.
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
