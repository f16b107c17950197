package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// host is an application with a table of its own, orders, and a library by which it works.
type host struct {
	storagetest.Database

	begin  func(ctx context.Context) (*transaction, error)
	orders func(ctx context.Context) (int64, error) // how many there are
}

// transaction is one of a host's.
type transaction struct {
	joinable         *sql.Tx
	order            func(ctx context.Context, n int) error // writes an order
	commit, rollback func() error
}

// TestHosts has a host and the CRM write in one transaction.
func TestHosts(t *testing.T) {
	lite := func(t *testing.T) storagetest.Database { t.Helper(); return SQLiteFile("sqlite").Open(t) }
	server := func(t *testing.T) storagetest.Database {
		t.Helper()
		return schemaOf(t, pgtest.Server(t, pgtest.UTF8).Database(t)+modeExec, postgres.Options{})
	}
	for name, open := range map[string]func(t *testing.T) host{
		"database SQL on SQLite":   func(t *testing.T) host { t.Helper(); return plainHost(lite(t)) },
		"database SQL on Postgres": func(t *testing.T) host { t.Helper(); return plainHost(server(t)) },
		"bun on SQLite":            func(t *testing.T) host { t.Helper(); return bunHost(lite(t), sqlitedialect.New()) },
		"bun on Postgres":          func(t *testing.T) host { t.Helper(); return bunHost(server(t), pgdialect.New()) },
		"pgx on Postgres":          pgxHost,
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			ctx := t.Context()
			require.NoError(t, h.Store.Migrate(ctx, line()))
			_, err := h.SQL.ExecContext(ctx, "CREATE TABLE orders (n bigint PRIMARY KEY)")
			require.NoError(t, err)
			for _, commit := range []bool{false, true} {
				tx, err := h.begin(ctx)
				require.NoError(t, err)
				together(t, h, tx)
				finish, orders, kept := tx.rollback, int64(0), []string{}
				if commit {
					finish, orders, kept = tx.commit, 3, []string{"changed", "second"}
				}
				require.NoError(t, finish())
				got, err := h.orders(ctx)
				require.NoError(t, err)
				require.Equal(t, orders, got)
				require.Equal(t, kept, titles(t, h.Store, tenant))
				require.NoError(t, h.SQL.QueryRowContext(ctx, "SELECT count(*) FROM "+h.Table("note")+" WHERE title <> ''").Scan(&got))
				require.Len(t, kept, int(got), "the host reads the CRM's table")
			}
		})
	}
}

// together writes orders and notes in turn. A call that fails disturbs neither.
func together(t *testing.T, h host, tx *transaction) {
	t.Helper()
	ctx := t.Context()
	table := notes()
	require.NoError(t, tx.order(ctx, 1))
	crm, err := h.Store.Join(ctx, tx.joinable)
	require.NoError(t, err)
	require.NoError(t, crm.Write(ctx, tenant, []storage.Change{insert(table, note(1, "first"))}))
	require.NoError(t, tx.order(ctx, 2))
	require.ErrorIs(t, crm.Write(ctx, tenant, []storage.Change{insert(table, note(2, "no")), insert(table, note(1, "twice"))}), storage.ErrConflict)
	require.NoError(t, tx.order(ctx, 3))
	require.NoError(t, crm.Atomic(ctx, func(s storage.Session) error {
		return errors.Join(
			s.Write(ctx, tenant, []storage.Change{{Action: storage.Update, Table: table, Row: note(1, "changed"), Version: 1}}),
			s.Write(ctx, tenant, []storage.Change{insert(table, note(2, "second"))}),
		)
	}))
	require.Equal(t, []string{"changed", "second"}, titles(t, crm, tenant))
}

// plainHost works with database/sql alone.
func plainHost(d storagetest.Database) host {
	return host{
		Database: d,
		begin: func(ctx context.Context) (*transaction, error) {
			tx, err := d.SQL.BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			return &transaction{joinable: tx, commit: tx.Commit, rollback: tx.Rollback, order: func(ctx context.Context, n int) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO orders (n) VALUES ($1)", n)
				return err
			}}, nil
		},
		orders: func(ctx context.Context) (n int64, err error) {
			err = d.SQL.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&n)
			return n, err
		},
	}
}

// order is a model of bun's.
type order struct {
	bun.BaseModel `bun:"table:orders"`

	N int64 `bun:",pk"`
}

// bunHost works with bun, whose transaction has database/sql's within.
func bunHost(d storagetest.Database, dialect schema.Dialect) host {
	db := bun.NewDB(d.SQL, dialect)
	return host{
		Database: d,
		begin: func(ctx context.Context) (*transaction, error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			return &transaction{joinable: tx.Tx, commit: tx.Commit, rollback: tx.Rollback, order: func(ctx context.Context, n int) error {
				_, err := tx.NewInsert().Model(&order{N: int64(n)}).Exec(ctx)
				return err
			}}, nil
		},
		orders: func(ctx context.Context) (int64, error) { return db.NewSelect().Model((*order)(nil)).Count(ctx) },
	}
}

// pgxHost works with a pool of pgx's own, and reaches through database/sql's connection to pgx's within it.
func pgxHost(t *testing.T) host {
	t.Helper()
	pgxPool, err := pgxpool.New(t.Context(), pgtest.Server(t, pgtest.UTF8).Database(t))
	require.NoError(t, err)
	t.Cleanup(pgxPool.Close)
	db := stdlib.OpenDBFromPool(pgxPool)
	t.Cleanup(func() { _ = db.Close() })
	return host{
		Database: storagetest.Database{
			Store: storeOf(t, db, postgres.Options{}), SQL: db,
			Table: func(name string) string { return `"crm".` + name },
		},
		begin: func(ctx context.Context) (*transaction, error) {
			conn, err := db.Conn(ctx)
			if err != nil {
				return nil, err
			}
			tx, err := conn.BeginTx(ctx, nil)
			if err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			order := func(ctx context.Context, n int) error {
				return conn.Raw(func(driver any) error {
					own, ok := driver.(*stdlib.Conn)
					if !ok {
						return errors.New("the connection is not pgx's")
					}
					_, err := own.Conn().Exec(ctx, "INSERT INTO orders (n) VALUES ($1)", n)
					return err
				})
			}
			return &transaction{
				joinable: tx, order: order,
				commit:   func() error { return errors.Join(tx.Commit(), conn.Close()) },
				rollback: func() error { return errors.Join(tx.Rollback(), conn.Close()) },
			}, nil
		},
		orders: func(ctx context.Context) (n int64, err error) {
			err = pgxPool.QueryRow(ctx, "SELECT count(*) FROM orders").Scan(&n)
			return n, err
		},
	}
}

// TestFullPool uses the Store itself inside a transaction that holds the only connection. It could wait for ever, and
// says what is wrong instead, also where the limit is that of a pool which database/sql does not see.
func TestFullPool(t *testing.T) {
	const wait = 250 * time.Millisecond
	for name, open := range map[string]func(t *testing.T) (*sql.DB, storage.Store){
		"SQLite": func(t *testing.T) (*sql.DB, storage.Store) {
			t.Helper()
			db := pool(t, "sqlite", sqlite.DSN(newFile(t)))
			db.SetMaxOpenConns(1)
			store, err := sqlite.Options{Wait: wait}.New(db)
			require.NoError(t, err)
			return db, store
		},
		"Postgres": func(t *testing.T) (*sql.DB, storage.Store) {
			t.Helper()
			db := pool(t, "pgx", pgtest.Server(t, pgtest.UTF8).Database(t))
			db.SetMaxOpenConns(1)
			require.NoError(t, db.PingContext(t.Context())) // to connect is not what is waited for here
			return db, storeOf(t, db, postgres.Options{Wait: wait})
		},
		"pgxpool": func(t *testing.T) (*sql.DB, storage.Store) {
			t.Helper()
			pgxPool, err := pgxpool.New(t.Context(), pgtest.Server(t, pgtest.UTF8).Database(t)+" pool_max_conns=1")
			require.NoError(t, err)
			t.Cleanup(pgxPool.Close)
			db := stdlib.OpenDBFromPool(pgxPool)
			t.Cleanup(func() { _ = db.Close() })
			require.NoError(t, db.PingContext(t.Context()))
			return db, storeOf(t, db, postgres.Options{Wait: wait})
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, store := open(t)
			require.NoError(t, store.Migrate(t.Context(), line()))
			tx, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // it holds the connection, no more
			for call, do := range map[string]func(ctx context.Context) error{
				"write": func(ctx context.Context) error {
					return store.Write(ctx, tenant, []storage.Change{insert(notes(), note(1, "first"))})
				},
				"atomic": func(ctx context.Context) error {
					return store.Atomic(ctx, func(storage.Session) error { return nil })
				},
				"read": func(ctx context.Context) error {
					_, err := read(ctx, store, tenant, storage.Query{Table: notes(), Limit: 1})
					return err
				},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				err := do(ctx)
				cancel()
				assert.ErrorIs(t, err, storage.ErrBusy, call)
				assert.ErrorContains(t, err, "make the call in it", call)
			}
		})
	}
}
