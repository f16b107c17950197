package dbtest

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// child is the first argument of a test binary that another one started as a second process of the host's.
const child = "embedcrm-process"

// The jobs of such a process.
const (
	migrating = "migrate"
	writing   = "write"
)

// writers is how many goroutines of a process write.
const writers = 16

// patience bounds what would otherwise hang.
const patience = 3 * time.Minute

// Main is what TestMain does: run the tests or, as a process that a test started, its job.
func Main(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != child {
		m.Run()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := work(ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // with the process its context ends as well
	}
}

// work does a job: its name, the driver and the DSN of the host's pool, the number of the process, and how often each
// writer writes.
func work(ctx context.Context, args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%d arguments", len(args))
	}
	job, driver, dsn := args[0], args[1], args[2]
	process, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	each, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}

	// All processes are let go at once, by the end of their input.
	if _, err := fmt.Fprintln(os.Stdout, "ready"); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what was committed is
	var store storage.Store
	if driver == "pgx" {
		store, err = postgres.New(db) //nolint:contextcheck // it takes none
	} else {
		// All writers wait in one line, as long as a busy machine takes for it.
		store, err = sqlite.Options{Wait: time.Minute}.New(db) //nolint:contextcheck // it takes none
	}
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	if job == migrating {
		if err := store.Migrate(ctx, line()); err != nil {
			return err
		}
		return store.Verify(ctx, line())
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { errs[w] = write(ctx, store, process*writers+w, each) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// write is a writer: it adds notes of its own, and each time raises the note that all writers raise. That one it locks
// first, so that there is no race to be lost.
func write(ctx context.Context, store storage.Store, writer, each int) error {
	table := notes()
	for n := range each {
		if err := store.Write(ctx, tenant, []storage.Change{insert(table, note(1+writer*each+n, "own"))}); err != nil {
			return fmt.Errorf("writer %d, write %d: %w", writer, n, err)
		}
		err := store.Atomic(ctx, func(s storage.Session) error {
			shared := note(0, "")
			rows, err := read(ctx, s, tenant, storage.Query{
				Table: table, Where: storage.Is{Field: storage.F("id"), Op: storage.Eq, Value: shared[0]}, Limit: 1, Lock: true,
			})
			if err != nil {
				return err
			}
			if len(rows) != 1 {
				return fmt.Errorf("%d shared notes", len(rows))
			}
			version, _ := rows[0][1].(int64)
			raised, _ := rows[0][3].(int64)
			rows[0][3] = raised + 1
			return s.Write(ctx, tenant, []storage.Change{{Action: storage.Update, Table: table, Row: rows[0], Version: version}})
		})
		if err != nil {
			return fmt.Errorf("writer %d, transaction %d: %w", writer, n, err)
		}
	}
	return nil
}

// processes starts some at once and waits until all have done their job.
func processes(t *testing.T, number int, job, driver, dsn string, each int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	self, err := os.Executable()
	require.NoError(t, err)
	type process struct {
		*exec.Cmd

		in   io.Closer
		said bytes.Buffer
	}
	all := make([]*process, number)
	for n := range all {
		p := &process{Cmd: exec.CommandContext(ctx, self, child, job, driver, dsn, strconv.Itoa(n), strconv.Itoa(each))} //nolint:gosec // this binary
		all[n] = p
		p.Stderr = &p.said
		p.in, err = p.StdinPipe()
		require.NoError(t, err)
		out, err := p.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, p.Start())
		_, err = bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err, "a process did not begin")
	}
	for _, p := range all {
		require.NoError(t, p.in.Close())
	}
	for n, p := range all {
		err := p.Wait()
		require.NoError(t, err, "process %d said: %s", n, &p.said)
	}
}

// migrateAtOnce lets ten processes bring one fresh database up to date.
func migrateAtOnce(t *testing.T, driver, dsn, applied, migration string) {
	t.Helper()
	processes(t, 10, migrating, driver, dsn, 0)
	db := pool(t, driver, dsn)
	var rows, different, marks int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT n) FROM "+applied).Scan(&rows, &different))
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+migration).Scan(&marks))
	require.Equal(t, [3]int{files - 1, files - 1, files}, [3]int{rows, different, marks}, "each file is applied once")
}

// SQLiteProcesses tests several processes on one file.
func SQLiteProcesses(t *testing.T, driver string) {
	t.Helper()
	for _, c := range []struct {
		name string
		dsn  func(path string) string
	}{
		{"sqlite.DSN", sqlite.DSN},
		{"plain path", func(path string) string { return path }},
	} {
		t.Run("migrate/"+c.name, func(t *testing.T) {
			for range rounds(1, 5) {
				migrateAtOnce(t, driver, c.dsn(newFile(t)), "crm_applied", "crm_migration")
			}
		})
		t.Run("write/"+c.name, func(t *testing.T) {
			dsn, each := c.dsn(newFile(t)), rounds(10, 50)
			store := newStore(t, pool(t, driver, dsn))
			require.NoError(t, store.Migrate(t.Context(), line()))
			require.NoError(t, store.Write(t.Context(), tenant, []storage.Change{insert(notes(), note(0, "shared"))}))
			processes(t, 2, writing, driver, dsn, each)
			require.Len(t, titles(t, store, tenant), 1+2*writers*each)
			rows, err := read(t.Context(), store, tenant, storage.Query{
				Table: notes(), Where: storage.Is{Field: storage.F("title"), Op: storage.Eq, Value: "shared"}, Limit: 1,
			})
			require.NoError(t, err)
			require.Equal(t, []any{int64(1 + 2*writers*each), int64(2 * writers * each)}, []any{rows[0][1], rows[0][3]})
		})
	}
}

// rounds is how often something goes round.
func rounds(short, full int) int {
	if testing.Short() {
		return short
	}
	return full
}
