package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/internal/pgtest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/storagetest"
)

// Ways pgx runs a statement, as a DSN says it.
const (
	modeExec     = " default_query_exec_mode=exec"
	modeDescribe = " default_query_exec_mode=cache_describe"
	modeSimple   = " default_query_exec_mode=simple_protocol"
)

// direct is a host's pool that reaches the server itself.
func direct(name, mode string, options postgres.Options) Config {
	return Config{Name: name, Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		return schemaOf(t, pgtest.Server(t, pgtest.UTF8).Database(t)+mode, options)
	}}
}

// TestPostgres leaves out what the adapter's own test runs on: a pool in exec mode.
func TestPostgres(t *testing.T) {
	byDefault := direct("cache_statement", "", postgres.Options{})
	byDefault.Quick = []string{"Transactions", "Join"}
	Run(t,
		byDefault,
		direct("Cached on an exec pool", modeExec, postgres.Options{Statements: postgres.Cached}),
		direct("cache_describe", modeDescribe, postgres.Options{}),
		direct("simple_protocol", modeSimple, postgres.Options{}),
		Config{Name: "joined", Open: func(t *testing.T) storagetest.Database {
			t.Helper()
			d := schemaOf(t, pgtest.Server(t, pgtest.UTF8).Database(t)+modeExec, postgres.Options{})
			d.Joined = true
			return d
		}},
		Config{Name: "C collation", Open: func(t *testing.T) storagetest.Database {
			t.Helper()
			return schemaOf(t, pgtest.Server(t, pgtest.C).Database(t)+modeExec, postgres.Options{})
		}},
		bounced("PgBouncer, exec", modeExec),
		bounced("PgBouncer, cache_describe", modeDescribe),
		Config{
			Name: "row security",
			Skip: map[string]string{"Migration": "the role owns nothing, and who migrates does"},
			Open: func(t *testing.T) storagetest.Database {
				t.Helper()
				d, _ := secured(t)
				return d
			},
		},
	)
}

// bounced is a pool through PgBouncer in transaction mode, where the next statement may meet another connection.
func bounced(name, mode string) Config {
	return Config{Name: name, Open: func(t *testing.T) storagetest.Database {
		t.Helper()
		return schemaOf(t, pgtest.Bouncer(t, pgtest.Server(t, pgtest.UTF8).Database(t), "transaction")+mode, postgres.Options{})
	}}
}

// schemaOf is a Database behind a DSN.
func schemaOf(t *testing.T, dsn string, options postgres.Options) storagetest.Database {
	t.Helper()
	db := pool(t, "pgx", dsn)
	return storagetest.Database{
		Store: storeOf(t, db, options), SQL: db, Dialect: "postgres",
		Table: func(name string) string { return `"crm".` + name },
		Reopen: func(t *testing.T) storage.Store {
			t.Helper()
			return storeOf(t, pool(t, "pgx", dsn), options)
		},
	}
}

func storeOf(t *testing.T, db *sql.DB, options postgres.Options) storage.Store {
	t.Helper()
	store, err := options.New(db)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// hidden is the tenant whose rows the policy of [secured] keeps from the role.
const hidden = "hidden"

// secured is a Database as a role that owns nothing in it, with row security on every table, and the pool of its
// owner.
func secured(t *testing.T) (storagetest.Database, *sql.DB) {
	t.Helper()
	server := pgtest.Server(t, pgtest.UTF8)
	dsn := server.Database(t)
	role := "clerk_" + strings.ToLower(rand.Text()[:12])
	d := schemaOf(t, server.Role(t, role, dsn)+modeExec, postgres.Options{})
	owner := pool(t, "pgx", dsn)
	// The suite plays a host that has tables of its own, and a trigger on one of the CRM's.
	_, err := owner.ExecContext(t.Context(), "GRANT CREATE ON SCHEMA public TO "+role)
	require.NoError(t, err)
	t.Cleanup(func() { // the trigger hangs on the role's function
		_, err := owner.ExecContext(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+" CASCADE")
		assert.NoError(t, err)
	})
	owned := storeOf(t, owner, postgres.Options{})
	grant := func(ctx context.Context) error {
		_, err := owner.ExecContext(ctx, strings.ReplaceAll(policies, "{role}", role))
		return err
	}
	d.Store = clerk{d.Store, owned, grant}
	plain := d.Reopen
	d.Reopen = func(t *testing.T) storage.Store {
		t.Helper()
		return clerk{plain(t), owned, grant}
	}
	return d, owner
}

// policies lets the role work with every table, and see the rows of every tenant but one.
const policies = `
GRANT USAGE ON SCHEMA crm TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON ALL TABLES IN SCHEMA crm TO {role};
DO $$
DECLARE t regclass;
BEGIN
	FOR t IN SELECT attrelid FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r' AND attname = 'tenant' AND NOT relrowsecurity
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY clerk ON %s USING (tenant <> ''` + hidden + `'')', t);
	END LOOP;
END $$`

// clerk is the role's Store; who migrates is the owner, and grants the role what came new.
type clerk struct {
	storage.Store

	owner storage.Store
	grant func(context.Context) error
}

// Migrate lets the owner do it.
func (c clerk) Migrate(ctx context.Context, lines ...storage.Line) error {
	if err := c.owner.Migrate(ctx, lines...); err != nil {
		return err
	}
	return c.grant(ctx)
}

// TestPooler works through PgBouncer in transaction mode with more clients than one connection serves. What prepares
// nothing on the server gets through; forcing Cached does not, and says what to do instead.
func TestPooler(t *testing.T) {
	dsn := pgtest.Server(t, pgtest.UTF8).Database(t)
	require.NoError(t, storeOf(t, pool(t, "pgx", dsn), postgres.Options{}).Migrate(t.Context(), line()))
	through := pgtest.Bouncer(t, dsn, "transaction")
	keeps := keepsPrepared(t, through)
	for _, c := range []struct {
		name, mode string
		statements postgres.Statements
		fails      bool
	}{
		{"exec", modeExec, postgres.Inherit, false},
		{"cache_describe", modeDescribe, postgres.Inherit, false},
		{"simple_protocol", modeSimple, postgres.Inherit, false},
		{"Cached on an exec pool", modeExec, postgres.Cached, true},
		{"cache_statement", "", postgres.Inherit, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.fails && keeps {
				t.Skip("PgBouncer lets prepared statements through from 1.24 on")
			}
			store := storeOf(t, pool(t, "pgx", through+c.mode), postgres.Options{Statements: c.statements})
			const clients, each = 16, 25
			errs := make([]error, clients*each)
			var wg sync.WaitGroup
			for client := range clients {
				wg.Go(func() {
					table := notes()
					for n := range each {
						i := client*each + n
						errs[i] = errors.Join(
							store.Write(t.Context(), c.name, []storage.Change{insert(table, note(i, "bounced"))}),
							store.Atomic(t.Context(), func(s storage.Session) error {
								_, err := read(t.Context(), s, c.name, storage.Query{Table: table, Limit: 1})
								return err
							}),
						)
					}
				})
			}
			wg.Wait()
			failed := 0
			for _, err := range errs {
				if err == nil {
					continue
				}
				failed++
				require.True(t, c.fails, "%v", err)
				require.ErrorIs(t, err, storage.ErrUnavailable)
				require.ErrorContains(t, err, "default_query_exec_mode=exec")
			}
			require.Equal(t, c.fails, failed > 0)
			t.Logf("%d of %d failed", failed, len(errs))

			// Other processes start, and meet connections that know their statements already.
			failed = 0
			for range 20 {
				_, err := postgres.Options{Statements: c.statements}.New(pool(t, "pgx", through+c.mode))
				if err == nil {
					continue
				}
				failed++
				require.ErrorIs(t, err, storage.ErrUnavailable)
				require.ErrorContains(t, err, "default_query_exec_mode=exec")
			}
			require.Equal(t, c.mode == "" && c.fails, failed > 0, "opening prepares where the pool itself does")
			t.Logf("%d of 20 could not be opened", failed)
		})
	}
}

// keepsPrepared reports whether a PgBouncer follows prepared statements from one connection to the next.
func keepsPrepared(t *testing.T, through string) bool {
	t.Helper()
	var version string
	require.NoError(t, pool(t, "pgx", through+" dbname=pgbouncer"+modeSimple).QueryRowContext(t.Context(), "SHOW VERSION").Scan(&version))
	var major, minor int
	_, err := fmt.Sscanf(version, "PgBouncer %d.%d", &major, &minor)
	require.NoError(t, err, version)
	return major > 1 || minor >= 24
}

// TestRowSecurity holds the policy of the suite's role, and one of a host that names the tenant for each transaction,
// against what gets through.
func TestRowSecurity(t *testing.T) {
	d, owner := secured(t)
	ctx := t.Context()
	require.NoError(t, d.Store.Migrate(ctx, line()))
	insertAs := func(s storage.Session, tenant string, n int) error {
		return s.Write(ctx, tenant, []storage.Change{insert(notes(), note(n, "a note"))})
	}
	all := storeOf(t, owner, postgres.Options{})
	for _, of := range []string{tenant, hidden} {
		require.NoError(t, insertAs(all, of, 1))
	}
	require.Len(t, titles(t, d.Store, tenant), 1)
	require.Empty(t, titles(t, d.Store, hidden))
	require.ErrorIs(t, insertAs(d.Store, hidden, 2), storage.ErrUnavailable)

	_, err := owner.ExecContext(ctx, `ALTER POLICY clerk ON crm.note USING (tenant = current_setting('host.tenant', true))`)
	require.NoError(t, err)
	require.Empty(t, titles(t, d.Store, tenant), "no tenant is named")
	tx, err := d.SQL.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // committed by then
	_, err = tx.ExecContext(ctx, "SELECT set_config('host.tenant', $1, true)", tenant)
	require.NoError(t, err)
	crm, err := d.Store.Join(ctx, tx)
	require.NoError(t, err)
	require.NoError(t, insertAs(crm, tenant, 2))
	require.Len(t, titles(t, crm, tenant), 2)
	require.Empty(t, titles(t, crm, hidden))
	require.ErrorIs(t, insertAs(crm, hidden, 3), storage.ErrUnavailable)
	require.NoError(t, insertAs(crm, tenant, 3), "the refusal leaves the transaction usable")
	require.NoError(t, tx.Commit())
	require.Len(t, titles(t, all, tenant), 3)
	require.Len(t, titles(t, all, hidden), 1)
}

func TestPostgresMigrateAtOnce(t *testing.T) {
	for range rounds(1, 5) {
		migrateAtOnce(t, "pgx", pgtest.Server(t, pgtest.UTF8).Database(t)+modeExec, "crm.applied", "crm.migration")
	}
}
