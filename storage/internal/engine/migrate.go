package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// mark is a row of the runner's own table: one migration applied.
type mark struct {
	version   int
	checksum  string
	minReader int
}

// plan loads the lines in the order they are applied.
func (e *Engine) plan(lines []storage.Line) ([]storage.Line, map[string][]storage.Migration, error) {
	sorted, err := storage.SortLines(e.d.Name(), lines)
	if err != nil {
		return nil, nil, err
	}
	files := map[string][]storage.Migration{}
	for _, l := range sorted {
		if files[l.Name], err = l.Load(e.d.Name()); err != nil {
			return nil, nil, err
		}
	}
	return sorted, files, nil
}

// Migrate applies what is not applied yet, a file at a time.
func (e *Engine) Migrate(ctx context.Context, lines ...storage.Line) error {
	sorted, files, err := e.plan(lines)
	if err != nil {
		return e.classify(ctx, "migrate", "", err)
	}
	conn, err := e.conn(ctx, e.db)
	if err != nil {
		return e.classify(ctx, "migrate", "", err)
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	restore, err := e.d.Schema().Prepare(ctx, conn)
	if err != nil {
		return e.classify(ctx, "migrate", "", err)
	}
	defer restore()
	// The first lock also covers the tables the runner itself needs.
	for {
		done := false
		err := e.locked(ctx, conn, func() error {
			for _, text := range e.d.Schema().Bookkeeping() {
				if _, err := conn.ExecContext(ctx, text); err != nil {
					return err
				}
			}
			next, err := e.next(ctx, conn, sorted, files)
			if err != nil || next == nil {
				done = true
				return err
			}
			if next.NoTransaction {
				return e.applyAlone(ctx, conn, next)
			}
			return e.apply(ctx, conn, next)
		})
		if err != nil || done {
			return e.classify(ctx, "migrate", "", err)
		}
	}
}

// next returns the first migration that has no mark, after checking those that
// have one; nil when there is none.
func (e *Engine) next(ctx context.Context, conn *sql.Conn, lines []storage.Line, files map[string][]storage.Migration) (*storage.Migration, error) {
	marks, err := e.marks(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if err := readable(l.Name, files[l.Name], marks[l.Name]); err != nil {
			return nil, err
		}
	}
	for _, l := range lines {
		if done := len(marks[l.Name]); done < len(files[l.Name]) {
			return &files[l.Name][done], nil
		}
	}
	return nil, nil
}

// readable reports whether a library with these files can use a line with these
// marks.
func readable(line string, files []storage.Migration, marks []mark) error {
	for i, m := range marks {
		if i < len(files) {
			if m.checksum != files[i].Checksum {
				return storage.Invalid("", "", "migration %s %04d_%s was changed after it was applied: put the file back and add another", line, m.version, files[i].Name)
			}
			continue
		}
		if m.minReader > len(files) {
			return &storage.Error{
				Kind: storage.ErrVersion, Change: -1,
				Reason: fmt.Sprintf("the database's %s is at %d, which only a library at %d or newer can use, and this one is at %d: upgrade the library",
					line, len(marks), m.minReader, len(files)),
			}
		}
	}
	return nil
}

func (e *Engine) marks(ctx context.Context, conn *sql.Conn) (map[string][]mark, error) {
	query := "SELECT line, version, checksum, min_reader FROM " + e.d.TableName("migration") + " ORDER BY line, version" //nolint:gosec // the dialect's name
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	marks := map[string][]mark{}
	for rows.Next() {
		var (
			line string
			m    mark
		)
		if err := rows.Scan(&line, &m.version, &m.checksum, &m.minReader); err != nil {
			return nil, err
		}
		marks[line] = append(marks[line], m)
	}
	return marks, rows.Err()
}

// markSQL returns the statement that records a migration.
func (e *Engine) markSQL(m *storage.Migration) string {
	return fmt.Sprintf("INSERT INTO %s (line, version, name, checksum, min_reader) VALUES ('%s', %d, '%s', '%s', %d)",
		e.d.TableName("migration"), m.Line, m.Version, m.Name, m.Checksum, m.MinReader)
}

// apply runs a file and its mark in the transaction that holds the lock.
func (e *Engine) apply(ctx context.Context, conn *sql.Conn, m *storage.Migration) error {
	if _, err := conn.ExecContext(ctx, e.d.Schema().Expand(m.SQL)); err != nil {
		return failed(m, err)
	}
	if err := e.d.Schema().BeforeCommit(ctx, conn); err != nil {
		return failed(m, err)
	}
	_, err := conn.ExecContext(ctx, e.markSQL(m))
	return err
}

// applyAlone runs a file that must stand outside a transaction, and marks it in
// the transaction that holds the lock.
func (e *Engine) applyAlone(ctx context.Context, lock *sql.Conn, m *storage.Migration) error {
	conn := lock
	if e.d.SingleWriter() {
		// The lock is the transaction itself: it is let go, and whoever comes
		// between runs the statement as well, without harm.
		if _, err := lock.ExecContext(ctx, "COMMIT"); err != nil {
			return err
		}
	} else {
		second, err := e.conn(ctx, e.db)
		if err != nil {
			return err
		}
		defer second.Close() //nolint:errcheck // it only goes back to the pool
		conn = second
		// The last result read under the lock still holds its snapshot, which an
		// index built concurrently waits for; a plain statement lets it go.
		if _, err := lock.ExecContext(ctx, "SELECT 1"); err != nil {
			return err
		}
	}
	if err := e.d.Schema().Cleanup(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, e.d.Schema().Expand(m.SQL)); err != nil {
		return failed(m, err)
	}
	if e.d.SingleWriter() {
		if err := e.lock(ctx, lock); err != nil {
			return err
		}
		marks, err := e.marks(ctx, lock)
		if err != nil || len(marks[m.Line]) >= m.Version {
			return err
		}
	}
	_, err := lock.ExecContext(ctx, e.markSQL(m))
	return err
}

func failed(m *storage.Migration, err error) error {
	reason := "failed"
	if !m.NoTransaction {
		reason = "failed and changed nothing"
	}
	return &storage.Error{
		Kind: storage.ErrInvalid, Change: -1, Err: err,
		Reason: fmt.Sprintf("migration %s %04d_%s %s", m.Line, m.Version, m.Name, reason),
	}
}

// lock opens a transaction that holds the lock of all migrations. It waits by
// asking again: a statement that waited in the database would hold a snapshot,
// which an index built concurrently waits for in turn.
func (e *Engine) lock(ctx context.Context, conn *sql.Conn) error {
	for {
		got, err := e.d.Schema().Begin(ctx, conn)
		switch {
		case err == nil && got:
			return nil
		case err != nil && !errors.Is(e.d.Classify(err).Kind, storage.ErrBusy):
			return err
		}
		timer := time.NewTimer(10*time.Millisecond + rand.N(40*time.Millisecond)) //nolint:gosec // it only spreads the attempts
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// locked runs fn in a transaction that holds the lock.
func (e *Engine) locked(ctx context.Context, conn *sql.Conn, fn func() error) error {
	if err := e.lock(ctx, conn); err != nil {
		return err
	}
	quiet := context.WithoutCancel(ctx)
	err := fn()
	if err == nil {
		err = e.patiently(quiet, func() error {
			_, err := conn.ExecContext(quiet, "COMMIT")
			return err
		})
	}
	if err != nil {
		_, _ = conn.ExecContext(quiet, "ROLLBACK")
	}
	return err
}

// Script returns what Migrate would do.
func (e *Engine) Script(ctx context.Context, lines ...storage.Line) (string, error) {
	sorted, files, err := e.plan(lines)
	if err != nil {
		return "", e.classify(ctx, "script", "", err)
	}
	marks, err := e.existingMarks(ctx)
	if err != nil {
		return "", e.classify(ctx, "script", "", err)
	}
	var out strings.Builder
	if marks == nil {
		for _, text := range e.d.Schema().Bookkeeping() {
			out.WriteString(text + ";\n")
		}
	}
	for _, l := range sorted {
		if err := readable(l.Name, files[l.Name], marks[l.Name]); err != nil {
			return "", e.classify(ctx, "script", "", err)
		}
		for _, m := range files[l.Name][min(len(marks[l.Name]), len(files[l.Name])):] {
			text := strings.TrimSpace(e.d.Schema().Expand(m.SQL))
			if !strings.HasSuffix(text, ";") { // on a line of its own, for the last may be a comment
				text += "\n;"
			}
			fmt.Fprintf(&out, "\n-- %s %04d_%s\n%s\n%s;\n", m.Line, m.Version, m.Name, text, e.markSQL(&m))
		}
	}
	return out.String(), nil
}

// existingMarks returns the marks, or nil where no migration ever ran.
func (e *Engine) existingMarks(ctx context.Context) (map[string][]mark, error) {
	conn, err := e.conn(ctx, e.readers)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	var marks map[string][]mark
	err = e.patiently(ctx, func() error {
		marks, err = e.marks(ctx, conn)
		return err
	})
	if err != nil && errors.Is(e.d.Classify(err).Kind, storage.ErrVersion) {
		return nil, nil // no table of marks: nothing was applied
	}
	return marks, err
}

// Verify compares the database with the lines' files.
func (e *Engine) Verify(ctx context.Context, lines ...storage.Line) error {
	sorted, files, err := e.plan(lines)
	if err != nil {
		return e.classify(ctx, "verify", "", err)
	}
	marks, err := e.existingMarks(ctx)
	if err != nil {
		return e.classify(ctx, "verify", "", err)
	}
	for _, l := range sorted {
		if have, want := len(marks[l.Name]), len(files[l.Name]); have < want {
			return &storage.Error{
				Kind: storage.ErrVersion, Op: "verify", Change: -1,
				Reason: fmt.Sprintf("the database's %s is at %d and this library needs %d: call Migrate", l.Name, have, want),
			}
		}
		if err := readable(l.Name, files[l.Name], marks[l.Name]); err != nil {
			return e.classify(ctx, "verify", "", err)
		}
	}
	return nil
}
