package fieldcrypt_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/fieldcrypt"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// person is somebody with a number that nobody is to find in a dump. Open takes the same
// ways and is not protected: by it the tests see that they look where values are.
type person struct {
	crm.Record

	Name      string `crm:"required,max=100,fold,sort,search"             json:"name"`
	Number    string `crm:"max=50,unique,personal,identity,protected"     json:"number,omitempty"`
	Diagnosis string `crm:"max=500,personal,protected"                    json:"diagnosis,omitempty"`
	Open      string `crm:"max=100,unique,personal"                       json:"open,omitempty"`
}

// visit refers to a person.
type visit struct {
	crm.Record

	PersonID crm.ID `crm:"required,ref=person" json:"person_id"`
}

func clinicLine() storage.Line {
	files := fstest.MapFS{}
	for dialect, x := range map[string][2]string{
		"sqlite": {"crm_", `tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB, created INTEGER NOT NULL,
			updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT, PRIMARY KEY (tenant, id), `},
		"postgres": {"{schema}.", `tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid, created timestamptz NOT NULL,
			updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb, PRIMARY KEY (tenant, id), `},
	} {
		kernel, key, _ := strings.Cut(x[1], "PRIMARY KEY")
		text, bytes, id := "TEXT", "BLOB", "BLOB"
		if dialect == "postgres" {
			text, bytes, id = `text COLLATE "C"`, "bytea", "uuid"
		}
		var b strings.Builder
		fmt.Fprintf(&b, "CREATE TABLE %sperson (%s name %[3]s NOT NULL, name_fold %[3]s, name_sort %[4]s, number %[3]s, number_blind %[3]s, diagnosis %[3]s, "+
			"diagnosis_blind %[3]s, open %[3]s, PRIMARY KEY%[5]s);\n", x[0], kernel, text, bytes, strings.TrimSuffix(key, ", "))
		fmt.Fprintf(&b, "CREATE TABLE %svisit (%s person_id %s NOT NULL, PRIMARY KEY%s);\n", x[0], kernel, id, strings.TrimSuffix(key, ", "))
		for _, column := range []string{"number_blind", "open"} {
			name := "person_" + column
			if dialect == "sqlite" {
				name = "crm_" + name
			}
			fmt.Fprintf(&b, "CREATE UNIQUE INDEX %s ON %sperson (tenant, %s) WHERE deleted IS NULL;\n", name, x[0], column)
		}
		files[dialect+"/0001_clinic.sql"] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return storage.Line{Name: "clinic", Needs: map[string]int{"crm": 11}, Files: files}
}

// clinic is a core with these kinds.
type clinic struct {
	*crmtest.Core

	engine   enginetest.Engine
	transfer *transfer.Transfer
	people   *crm.Kind[person]
	visits   *crm.Kind[visit]
	told     int // events with a number that a subscriber was told
}

func newClinic(tb testing.TB, e enginetest.Engine, keys fieldcrypt.Keys) *clinic {
	tb.Helper()
	cipher, err := fieldcrypt.New(keys)
	require.NoError(tb, err)
	c := &clinic{engine: e}
	c.Core = crmtest.On(tb, e.Store, crm.Config{Cipher: cipher, RightsLag: -1}, c.define)
	return c
}

func (c *clinic) define(core *crm.Core) (err error) {
	core.AddLine(clinicLine())
	if c.people, err = crm.Define(core, crm.Object[person]{Name: "person", Plural: "people"}); err != nil {
		return err
	}
	if c.visits, err = crm.Define(core, crm.Object[visit]{Name: "visit"}); err != nil {
		return err
	}
	if c.transfer, err = transfer.New(core); err != nil {
		return err
	}
	return core.On("person.*", "clinic.reader", func(_ context.Context, e crm.Event) error {
		for _, x := range e.Changes {
			if x.Field == "number" && strings.Contains(string(x.After), "Zanzibar") {
				c.told++
			}
		}
		return nil
	})
}

// inClinic runs a test on both engines.
func inClinic(t *testing.T, fn func(t *testing.T, c *clinic)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { fn(t, newClinic(t, e, newKeys(t))) })
}

func newKeys(tb testing.TB) fieldcrypt.Keys {
	tb.Helper()
	keys, err := fieldcrypt.NewKeys()
	require.NoError(tb, err)
	return keys
}

// as and system are the contexts of a member, and of the tenant itself.
var as, system = crmtest.As, crmtest.System

// field defines a field of people, and waits until it is ready.
func (c *clinic) field(tb testing.TB, ctx context.Context, def crm.CustomField) crm.CustomField { //nolint:revive // the test comes first
	tb.Helper()
	def.Object = "person"
	made, err := c.Fields.Create(ctx, def)
	require.NoError(tb, err)
	if !made.Ready {
		c.Clock.Advance(time.Second)
		require.NoError(tb, c.Fields.Backfill(ctx, made.ID))
	}
	return made
}

func (c *clinic) create(tb testing.TB, ctx context.Context, p person) person { //nolint:revive // the test comes first
	tb.Helper()
	made, err := c.people.Create(ctx, p)
	require.NoError(tb, err)
	return made
}

// whole holds what is stored against what must hold of it.
func (c *clinic) whole(tb testing.TB) {
	tb.Helper()
	problems, err := c.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

// exec runs a statement behind the CRM's back; {x} is the table x.
func (c *clinic) exec(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	prefix := "crm_"
	if c.engine.Name == "postgres" {
		prefix = "crm."
	}
	statement = strings.ReplaceAll(strings.ReplaceAll(statement, "{", prefix), "}", "")
	_, err := c.engine.DB.ExecContext(tb.Context(), statement, args...)
	require.NoError(tb, err)
}

// dump is all there is of a database, by table or file: SQLite's files as they are, with
// what was written before and lies in pages that are free; all rows of Postgres as text.
func dump(tb testing.TB, e enginetest.Engine) map[string]string {
	tb.Helper()
	all := map[string]string{}
	if e.Name == "sqlite" {
		var file string
		require.NoError(tb, e.DB.QueryRowContext(tb.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&file))
		for _, name := range []string{file, file + "-wal"} {
			b, err := os.ReadFile(name)
			if !os.IsNotExist(err) {
				require.NoError(tb, err)
			}
			all[name] = string(b)
		}
		return all
	}
	rows, err := e.DB.QueryContext(tb.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = 'crm'")
	require.NoError(tb, err)
	var tables []string
	for rows.Next() {
		var name string
		require.NoError(tb, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(tb, rows.Err())
	require.NoError(tb, rows.Close())
	for _, name := range tables {
		var text string
		require.NoError(tb, e.DB.QueryRowContext(tb.Context(), fmt.Sprintf("SELECT coalesce(string_agg(t::text, ' '), '') FROM crm.%q t", name)).Scan(&text))
		all[name] = text
	}
	return all
}

// found returns where a text is in a dump: as it is, in small letters, in hexadecimal as
// the index of words and byte columns have it, or in base64.
func found(all map[string]string, text string) (where []string) {
	forms := []string{strings.ToLower(text), hex.EncodeToString([]byte(text)), hex.EncodeToString([]byte(strings.ToLower(text)))}
	for shift := range 3 { // base64 looks otherwise at each place of three bytes
		b := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
		forms = append(forms, strings.ToLower(b[(shift*8+5)/6:len(b)-1]))
	}
	for name, rows := range all {
		rows = strings.ToLower(rows)
		for _, form := range forms {
			if strings.Contains(rows, form) {
				where = append(where, name)
				break
			}
		}
	}
	return where
}
