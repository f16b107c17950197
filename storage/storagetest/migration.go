package storagetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/storage"
)

func migrationTests() []testCase {
	return []testCase{
		{"Migrate brings each line to its newest version", bare, testMigrate},
		{"what is applied already is not touched", bare, testMigrateAgain},
		{"any number may call Migrate at once", bare, testMigrateAtOnce},
		{"a migration is applied whole or not at all", bare, testMigrateHalf},
		{"a file that was changed after it was applied is refused", bare, testMigrateChanged},
		{"files are numbered without a gap and named", bare, testMigrateGap},
		{"a line whose reader is too old is ErrVersion", bare, testMinReader},
		{"a newer schema without min-reader can be used", bare, testNewerSchema},
		{"a database behind is ErrVersion for Verify", bare, testBehind},
		{"a no-transaction file runs outside one", bare, testNoTransaction},
		{"needed lines are applied first", bare, testNeeds},
		{"a need that is not met is refused", bare, testNeedsRefused},
		{"a table can be rebuilt and keeps every reference", bare, testRebuild},
		{"a rebuild that breaks references is refused whole", bare, testRebuildBroken},
		{"Script is what Migrate would do, marks included", bare, testScript},
		{"Migrate leaves the host's tables alone", bare, testHostTables},
		{"a cancelled Migrate is whole or not at all", bare, testMigrateCancelled},
	}
}

// line makes a migration line of files: name, Postgres, SQLite.
func line(name string, files ...string) storage.Line {
	all := fstest.MapFS{}
	for i := 0; i < len(files); i += 3 {
		all["postgres/"+files[i]+".sql"] = &fstest.MapFile{Data: []byte(files[i+1])}
		all["sqlite/"+files[i]+".sql"] = &fstest.MapFile{Data: []byte(files[i+2])}
	}
	return storage.Line{Name: name, Files: all}
}

// file is one migration for both dialects: SQL in which @name is a table.
func file(name, sql string) []string {
	return []string{name, placed(sql, "{schema}."), placed(sql, "crm_")}
}

func placed(sql, prefix string) string { return strings.ReplaceAll(sql, "@", prefix) }

// more returns the line with a further file.
func more(l storage.Line, name, sql string) storage.Line {
	f := file(name, sql)
	all, _ := l.Files.(fstest.MapFS)
	all = maps.Clone(all)
	all["postgres/"+name+".sql"] = &fstest.MapFile{Data: []byte(f[1])}
	all["sqlite/"+name+".sql"] = &fstest.MapFile{Data: []byte(f[2])}
	l.Files = all
	return l
}

const created = "create table @one (tenant text not null, n bigint not null, primary key (tenant, n));\n"

// first is a line with one table, @one.
func first() storage.Line { return line("first", file("0001_one", created)...) }

// tally says how often a line was applied: its second file adds a row.
func tally() storage.Line {
	return more(first(), "0002_two", "-- two statements\n\ninsert into @one values ('x', 1);\ninsert into @one values ('x', 2); -- the last\n")
}

func (e *env) rowsOf(table string) int {
	e.t.Helper()
	return e.number("select count(*) from %s", e.Table(table))
}

// exists asks the database whether there is a table, as its host would.
func (e *env) exists(table string) bool {
	rows, err := e.SQL.QueryContext(e.ctx, "select 1 from "+e.Table(table))
	if err != nil {
		return false
	}
	defer rows.Close()
	rows.Next()
	return rows.Err() == nil
}

func (e *env) migrate(lines ...storage.Line) {
	e.t.Helper()
	require.NoError(e.t, e.Store.Migrate(e.ctx, lines...))
}

func testMigrate(t *testing.T, e *env) {
	e.migrate(tally(), suiteLine())
	require.Equal(t, 2, e.rowsOf("one"))
	require.NoError(t, e.Store.Verify(e.ctx, tally(), suiteLine()))
	e.add(e.note, row(e.note, "id", id(1)))
	require.Equal(t, 1, e.rowsOf("note"))
}

func testMigrateAgain(t *testing.T, e *env) {
	e.migrate(tally())
	for range 3 {
		e.migrate(tally())
	}
	require.Equal(t, 2, e.rowsOf("one"))
	e.migrate(suiteLine()) // another line beside it
	e.migrate(more(tally(), "0003_three", "insert into @one values ('x', 3)"))
	require.Equal(t, 3, e.rowsOf("one"))
	e.migrate()
}

func testMigrateAtOnce(t *testing.T, e *env) {
	const processes = 10
	lines := []storage.Line{tally(), suiteLine()}
	for n := 3; n < 8; n++ {
		lines[0] = more(lines[0], fmt.Sprintf("%04d_more", n), fmt.Sprintf("insert into @one values ('x', %d)", n))
	}
	stores := []storage.Store{}
	for range processes {
		if e.Reopen == nil {
			stores = append(stores, e.Store)
		} else {
			stores = append(stores, e.Reopen(t))
		}
	}
	errs := e.parallel(processes, func(e *env, i int) error {
		if err := stores[i].Migrate(e.ctx, lines...); err != nil {
			return err
		}
		return stores[i].Verify(e.ctx, lines...) // each returns only when all is done
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 7, e.rowsOf("one"), "each file is applied once")
}

func testMigrateHalf(t *testing.T, e *env) {
	e.migrate(first())
	bad := more(first(), "0002_two", "create table @two (n bigint);\ninsert into @one values ('x', 1);\ninsert into @nowhere values (1);\n")
	err := e.Store.Migrate(e.ctx, bad)
	require.Error(t, err)
	require.True(t, known(err), "%v", err)
	require.Contains(t, err.Error(), "0002", "the file is named")
	require.Contains(t, err.Error(), "first", "the line is named")
	require.False(t, e.exists("two"))
	require.Equal(t, 0, e.rowsOf("one"))
	require.NoError(t, e.Store.Verify(e.ctx, first()))
	require.ErrorIs(t, e.Store.Verify(e.ctx, bad), storage.ErrVersion)
	e.migrate(tally()) // the file put right: nothing of the failed one is remembered
	require.Equal(t, 2, e.rowsOf("one"))
}

func testMigrateChanged(t *testing.T, e *env) {
	e.migrate(tally())
	changed := more(tally(), "0002_two", "insert into @one values ('x', 1);\ninsert into @one values ('x', 2);\n-- a comment more\n")
	for _, l := range []storage.Line{changed, more(changed, "0003_three", "insert into @one values ('x', 3)")} {
		err := e.Store.Migrate(e.ctx, l)
		refused(t, err, storage.ErrInvalid)
		require.Contains(t, err.Error(), "0002", "the file is named")
		require.Contains(t, err.Error(), "first", "the line is named")
		require.Equal(t, 2, e.rowsOf("one"), "nothing is applied")
	}
	require.NoError(t, e.Store.Verify(e.ctx, tally()))
}

func testMigrateGap(t *testing.T, e *env) {
	for name, l := range map[string]storage.Line{
		"a gap":           line("first", append(file("0001_one", created), file("0003_three", created)...)...),
		"no first":        line("first", file("0002_two", created)...),
		"a number twice":  line("first", append(file("0001_one", created), file("0001_two", created)...)...),
		"no number":       line("first", file("one", created)...),
		"no files":        {Name: "first", Files: fstest.MapFS{}},
		"no file system":  {Name: "first"},
		"a bad name":      line("First-1", file("0001_one", created)...),
		"a bad directive": line("first", file("0001_one", "-- min-reader: 7\n"+created)...),
	} {
		refused(t, e.Store.Migrate(e.ctx, l), storage.ErrInvalid)
		refused(t, e.Store.Verify(e.ctx, l), storage.ErrInvalid)
		_, err := e.Store.Script(e.ctx, l)
		refused(t, err, storage.ErrInvalid)
		require.False(t, e.exists("one"), name)
	}
	refused(t, e.Store.Migrate(e.ctx, first(), tally()), storage.ErrInvalid)
}

func testMinReader(t *testing.T, e *env) {
	newer := more(more(tally(), "0003_three", "-- min-reader: 2\ninsert into @one values ('x', 3)"), "0004_four", "insert into @one values ('x', 4)")
	e.migrate(newer)
	old := first()
	refused(t, e.Store.Verify(e.ctx, old), storage.ErrVersion)
	refused(t, e.Store.Migrate(e.ctx, old), storage.ErrVersion)
	refused(t, e.Store.Migrate(e.ctx, old, suiteLine()), storage.ErrVersion)
	require.False(t, e.exists("note"), "nothing of another line either")
	for _, l := range []storage.Line{tally(), newer} {
		require.NoError(t, e.Store.Verify(e.ctx, l), "the second file can read it")
		e.migrate(l)
	}
	require.Equal(t, 4, e.rowsOf("one"))
}

// suiteNewer is the suite's line with a further file.
func suiteNewer(t *testing.T, name, sql string) storage.Line {
	t.Helper()
	all := fstest.MapFS{}
	l := suiteLine()
	require.NoError(t, fs.WalkDir(l.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(l.Files, path)
		all[path] = &fstest.MapFile{Data: data}
		return err
	}))
	l.Files = all
	return more(l, name, sql)
}

func testNewerSchema(t *testing.T, e *env) {
	e.migrate(suiteNewer(t, "0002_more", "alter table @note add column later text;\ncreate table @later (n bigint);\n"))
	require.NoError(t, e.Store.Verify(e.ctx, suiteLine()))
	e.migrate(suiteLine())
	full := fullNote(e.tables, 1)
	e.add(e.note, full)
	e.write(update(e.note, full, 1))
	e.same(e.note, []storage.Values{change(e.note, full, "version", 2)}, e.all(e.note, nil))
	require.True(t, e.exists("later"), "what is newer stays")
}

func testBehind(t *testing.T, e *env) {
	refused(t, e.Store.Verify(e.ctx, first()), storage.ErrVersion)
	require.False(t, e.exists("one"), "Verify makes nothing")
	refused(t, e.Store.Verify(e.ctx, first()), storage.ErrVersion)
	e.migrate(first())
	require.NoError(t, e.Store.Verify(e.ctx, first()))
	err := e.Store.Verify(e.ctx, tally())
	refused(t, err, storage.ErrVersion)
	require.Contains(t, err.Error(), "first", "the line is named")
	refused(t, e.Store.Verify(e.ctx, first(), suiteLine()), storage.ErrVersion)
	e.migrate(tally())
	require.NoError(t, e.Store.Verify(e.ctx, tally()))
}

func testNoTransaction(t *testing.T, e *env) {
	l := more(line("first", append(file("0001_one", created), "0002_apart",
		"-- no-transaction\ncreate index concurrently if not exists one_n on {schema}.one (n)", "-- no-transaction\nvacuum")...),
		"0003_three", "insert into @one values ('x', 3)")
	e.migrate(l)
	require.Equal(t, 1, e.rowsOf("one"))
	require.NoError(t, e.Store.Verify(e.ctx, l))
	e.migrate(l)
}

func needing(name, table, refers string, version int) storage.Line {
	l := line(name, file("0001_"+table, fmt.Sprintf(
		"create table @%s (tenant text not null, n bigint not null, primary key (tenant, n), foreign key (tenant, n) references @%s (tenant, n));\ninsert into @%[1]s values ('x', 1);\n", table, refers))...)
	l.Needs = map[string]int{refers: version}
	return l
}

func testNeeds(t *testing.T, e *env) {
	one := tally()
	one.Name = "one"
	two, three := needing("two", "two", "one", 2), needing("three", "three", "two", 1)
	three.Needs["one"] = 1
	e.migrate(three, two, one) // in the wrong order: the references hold only in the right one
	require.Equal(t, 1, e.rowsOf("three"))
	require.NoError(t, e.Store.Verify(e.ctx, two, three, one))
}

func testNeedsRefused(t *testing.T, e *env) {
	one := first()
	one.Name = "one"
	circle := first()
	circle.Name = "one"
	circle.Needs = map[string]int{"two": 1}
	for name, lines := range map[string][]storage.Line{
		"missing": {needing("two", "two", "one", 1)},
		"too low": {one, needing("two", "two", "one", 2)},
		"circle":  {circle, needing("two", "two", "one", 1)},
		"twice":   {one, one},
	} {
		refused(t, e.Store.Migrate(e.ctx, lines...), storage.ErrInvalid)
		refused(t, e.Store.Verify(e.ctx, lines...), storage.ErrInvalid)
		require.False(t, e.exists("one"), name)
	}
}

// family is a line with parents, children that refer to them and their rows.
func family() storage.Line {
	return line("family", file("0001_family", `
create table @parent (tenant text not null, n bigint not null, primary key (tenant, n));
create table @child (tenant text not null, n bigint not null, parent bigint, primary key (tenant, n),
	foreign key (tenant, parent) references @parent (tenant, n));
insert into @parent values ('x', 1), ('x', 2), ('x', 3);
insert into @child values ('x', 10, 1), ('x', 20, 2), ('x', 21, 2), ('x', 30, null);
`)...)
}

const rebuilt = `
create table @parent_new (tenant text not null, n bigint not null, name text not null default 'new', primary key (tenant, n));
insert into @parent_new (tenant, n) select tenant, n from @parent%s;
drop table @parent;
alter table @parent_new rename to @parent;
`

func testRebuild(t *testing.T, e *env) {
	if e.Dialect != "sqlite" {
		t.Skip("only SQLite changes a table by rebuilding it")
	}
	e.migrate(family())
	e.exec("create table host_child (n bigint, tenant text, parent bigint)")
	e.exec("insert into host_child values (1, 'x', 1)")
	e.migrate(more(family(), "0002_rebuild", fmt.Sprintf(rebuilt, "")))
	require.Equal(t, 3, e.number("select count(*) from crm_parent where name = 'new'"))
	require.Equal(t, 3, e.number("select count(*) from crm_child c join crm_parent p on p.tenant = c.tenant and p.n = c.parent"), "every reference is kept")
	require.Equal(t, 1, e.number("select count(*) from pragma_foreign_key_list('crm_child') where seq = 0 and \"table\" = 'crm_parent'"), "and so is the constraint")
	require.Equal(t, 0, e.number("select count(*) from pragma_foreign_key_check"))
	require.Equal(t, 1, e.number("select count(*) from host_child"))
}

func testRebuildBroken(t *testing.T, e *env) {
	if e.Dialect != "sqlite" {
		t.Skip("only SQLite changes a table by rebuilding it")
	}
	e.migrate(family())
	on := e.number("pragma foreign_keys")
	broken := more(family(), "0002_rebuild", fmt.Sprintf(rebuilt, " where n > 1"))
	err := e.Store.Migrate(e.ctx, broken)
	require.Error(t, err)
	require.True(t, known(err), "%v", err)
	require.Equal(t, 3, e.rowsOf("parent"))
	require.Equal(t, 3, e.number("select count(*) from crm_child c join crm_parent p on p.tenant = c.tenant and p.n = c.parent"))
	require.False(t, e.exists("parent_new"))
	require.ErrorIs(t, e.Store.Verify(e.ctx, broken), storage.ErrVersion)
	require.Equal(t, on, e.number("pragma foreign_keys"), "the host's connections are as they were")
}

func testScript(t *testing.T, e *env) {
	lines := []storage.Line{tally(), suiteLine()}
	script, err := e.Store.Script(e.ctx, lines...)
	require.NoError(t, err)
	require.False(t, e.exists("one"), "Script changes nothing")
	require.ErrorIs(t, e.Store.Verify(e.ctx, lines...), storage.ErrVersion)
	require.Regexp(t, `create table \S*one \(`, script)
	require.NotContains(t, script, "{schema}")

	conn, err := e.SQL.Conn(e.ctx)
	require.NoError(t, err)
	_, err = conn.ExecContext(e.ctx, script)
	require.NoError(t, errors.Join(err, conn.Close()), "the host's tool runs it:\n%s", script)
	require.Equal(t, 2, e.rowsOf("one"))
	require.NoError(t, e.Store.Verify(e.ctx, lines...), "the marks were set")
	e.migrate(lines...)
	require.Equal(t, 2, e.rowsOf("one"), "nothing was left to do")
	e.add(e.note, row(e.note, "id", id(1)))
	empty, err := e.Store.Script(e.ctx, lines...)
	require.NoError(t, err)
	require.Empty(t, empty)

	// What remains after a part is that part alone.
	lines[0] = more(lines[0], "0003_three", "insert into @one values ('x', 3)")
	rest, err := e.Store.Script(e.ctx, lines...)
	require.NoError(t, err)
	require.NotContains(t, rest, "'x', 2")
	require.Contains(t, rest, "'x', 3")
	e.exec("%s", rest)
	require.NoError(t, e.Store.Verify(e.ctx, lines...))
	require.Equal(t, 3, e.rowsOf("one"))
	changed := more(tally(), "0001_one", created+"-- changed\n")
	refused(t, e.Store.Migrate(e.ctx, changed), storage.ErrInvalid)
}

func testHostTables(t *testing.T, e *env) {
	e.exec("create table host_parent (n bigint primary key)")
	e.exec("create table host_child (n bigint primary key, parent bigint, note text)")
	e.exec("insert into host_child values (1, 7, 'kept')")
	e.exec("create table note (mine text)") // a name of the CRM's, the host's own
	e.exec("insert into note values ('mine')")
	if e.Dialect == "sqlite" {
		// A violation of the host's own is its own matter, in a rebuild as well.
		e.exec("create table host_bad (n bigint primary key, parent bigint references host_parent (n))")
		conn, err := e.SQL.Conn(e.ctx)
		require.NoError(t, err)
		was := 0
		require.NoError(t, conn.QueryRowContext(e.ctx, "pragma foreign_keys").Scan(&was))
		for _, s := range []string{"pragma foreign_keys = off", "insert into host_bad values (1, 99)", fmt.Sprint("pragma foreign_keys = ", was)} {
			_, err = conn.ExecContext(e.ctx, s)
			require.NoError(t, err)
		}
		require.NoError(t, conn.Close())
	}
	e.migrate(family(), suiteLine())
	if e.Dialect == "sqlite" {
		e.migrate(more(family(), "0002_rebuild", fmt.Sprintf(rebuilt, "")), suiteLine())
		require.Equal(t, 1, e.number("select count(*) from host_bad where parent = 99"))
	}
	e.add(e.note, row(e.note, "id", id(1)))
	require.Equal(t, 1, e.number("select count(*) from host_child where parent = 7 and note = 'kept'"))
	require.Equal(t, 1, e.number("select count(*) from note where mine = 'mine'"))
}

func testMigrateCancelled(t *testing.T, e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	require.ErrorIs(t, e.Store.Migrate(ctx, first()), context.Canceled)
	require.False(t, e.exists("one"))
	e.migrate(first())
}
