package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Line is the schema history of one module: numbered SQL files that are only
// ever added to.
type Line struct {
	// Name is the module's name, such as "sales".
	Name string
	// Files holds <dialect>/<number>_<name>.sql, numbered 0001, 0002 … without a
	// gap; the dialects are "postgres" and "sqlite".
	//
	// A file begins with comment lines, of which these mean something:
	//
	//	-- min-reader: 3      a library whose newest file of the line is older than 3
	//	                      can no longer work with the schema; without it, every
	//	                      older library can
	//	-- no-transaction     the file is one statement that must run outside a
	//	                      transaction and may run twice without harm; on
	//	                      Postgres it takes a second connection of the pool
	//
	// In Postgres files {schema} stands for the schema, quoted; SQL names it with
	// every table. In SQLite files tables begin with crm_. A foreign key has no
	// action but RESTRICT.
	Files fs.FS
	// Needs names lines whose tables this one refers to, and the least version of
	// each. They are applied first.
	Needs map[string]int
}

// Migration is one file of a [Line].
type Migration struct {
	Line          string
	Version       int
	Name          string
	MinReader     int // 0: every library can read
	NoTransaction bool
	SQL           string
	Checksum      string // SHA-256 of the file, in hex
}

var (
	fileName  = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.sql$`)
	directive = regexp.MustCompile(`^--\s*(min-reader|no-transaction)\s*(?::\s*(.*?))?\s*$`)
)

// Load reads the line's files for a dialect, in order.
func (l Line) Load(dialect string) ([]Migration, error) {
	if !validName(l.Name) {
		return nil, Invalid("", "", "a migration line's name must be lower-case letters, digits and underscores, not %q", l.Name)
	}
	fault := func(format string, args ...any) ([]Migration, error) {
		return nil, Invalid("", "", "migrations of %s: %s", l.Name, fmt.Sprintf(format, args...))
	}
	if l.Files == nil {
		return fault("the line has no files")
	}
	entries, err := fs.ReadDir(l.Files, dialect)
	if err != nil {
		return fault("there are none for %s: %v", dialect, err)
	}
	var list []Migration
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil {
			return fault("%s is not named 0001_what_it_does.sql", e.Name())
		}
		version, _ := strconv.Atoi(m[1])
		if version != len(list)+1 {
			return fault("%s should have the number %04d", e.Name(), len(list)+1)
		}
		text, err := fs.ReadFile(l.Files, dialect+"/"+e.Name())
		if err != nil {
			return fault("%v", err)
		}
		sum := sha256.Sum256(text)
		next := Migration{Line: l.Name, Version: version, Name: m[2], SQL: string(text), Checksum: hex.EncodeToString(sum[:])}
		if err := next.readDirectives(); err != nil {
			return fault("%s: %v", e.Name(), err)
		}
		list = append(list, next)
	}
	if len(list) == 0 {
		return fault("there are none for %s", dialect)
	}
	return list, nil
}

func (m *Migration) readDirectives() error {
	for line := range strings.Lines(m.SQL) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "--") {
			break
		}
		d := directive.FindStringSubmatch(line)
		if d == nil {
			continue
		}
		if d[1] == "no-transaction" {
			m.NoTransaction = true
			continue
		}
		n, err := strconv.Atoi(d[2])
		if err != nil || n < 1 || n > m.Version {
			return fmt.Errorf("min-reader is a version from 1 to the file's own, not %q", d[2])
		}
		m.MinReader = n
	}
	return nil
}

// SortLines returns the lines so that each comes after those it needs. A need
// that is not met, or a circle of them, is [ErrInvalid].
func SortLines(dialect string, lines []Line) ([]Line, error) {
	byName := map[string]Line{}
	for _, l := range lines {
		if _, twice := byName[l.Name]; twice {
			return nil, Invalid("", "", "the migration line %s is given twice", l.Name)
		}
		byName[l.Name] = l
	}
	var (
		sorted []Line
		state  = map[string]int{} // 1 being visited, 2 done
		visit  func(l Line) error
	)
	visit = func(l Line) error {
		switch state[l.Name] {
		case 1:
			return Invalid("", "", "migration lines need each other in a circle at %s", l.Name)
		case 2:
			return nil
		}
		state[l.Name] = 1
		needs := make([]string, 0, len(l.Needs))
		for name := range l.Needs {
			needs = append(needs, name)
		}
		slices.Sort(needs)
		for _, name := range needs {
			needed, ok := byName[name]
			if !ok {
				return Invalid("", "", "the migration line %s needs %s, which is not given", l.Name, name)
			}
			files, err := needed.Load(dialect)
			if err != nil {
				return err
			}
			if len(files) < l.Needs[name] {
				return Invalid("", "", "the migration line %s needs %s at version %d, which has %d", l.Name, name, l.Needs[name], len(files))
			}
			if err := visit(needed); err != nil {
				return err
			}
		}
		state[l.Name] = 2
		sorted = append(sorted, l)
		return nil
	}
	for _, l := range lines {
		if err := visit(l); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}
