package crm_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// patient is somebody with a right to be forgotten.
type patient struct {
	crm.Record

	Name   string   `crm:"required,max=100,fold,sort,search,personal"  json:"name"`
	Email  string   `crm:"max=254,unique,search,personal"              json:"email,omitempty"`
	Phone  string   `crm:"max=50,search,personal,identity"             json:"phone,omitempty"`
	Sex    string   `crm:"required,personal,enum=unknown|female|male"  json:"sex"`
	Born   crm.Date `crm:"personal"                                    json:"born,omitzero"`
	Habits []string `crm:"search,personal"                             json:"habits,omitempty"`
	Level  string   `crm:"max=10"                                      json:"level,omitempty"`
}

// finding is something written down about somebody.
type finding struct {
	crm.Record

	PersonID crm.ID `crm:"required,ref=person,parent"   json:"person_id"`
	Title    string `crm:"required,max=100"             json:"title"`
	Body     string `crm:"required,max=1000,personal"   json:"body"`
}

// answer is a part of a finding.
type answer struct {
	crm.Record

	RemarkID crm.ID `crm:"required,ref=remark,parent,as=replies" json:"remark_id"`
	From     string `crm:"max=100,personal,identity"  json:"from,omitempty"`
}

// sighting is a row of a ledger.
type sighting struct {
	PersonID crm.ID `crm:"required,ref=person" json:"person_id"`
	Seq      int64  `json:"seq"`
	Place    string `crm:"personal" json:"place,omitempty"`
}

// bill is what somebody owes: nothing of it is personal.
type bill struct {
	crm.Record

	PersonID crm.ID    `crm:"ref=person" json:"person_id,omitzero"`
	Amount   crm.Money `json:"amount"`
}

// practiceLine is the SQL of the kinds.
func practiceLine() storage.Line {
	kernel := map[string]string{
		"sqlite": `tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB, created INTEGER NOT NULL,
			updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT, `,
		"postgres": `tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid, created timestamptz NOT NULL,
			updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb, `,
	}
	tables := map[string][]string{
		"sqlite": {
			`person (%sname TEXT NOT NULL, name_fold TEXT, name_sort BLOB, email TEXT, phone TEXT, sex TEXT NOT NULL, born TEXT, habits TEXT, level TEXT, PRIMARY KEY (tenant, id));`,
			`remark (%sperson_id BLOB NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (tenant, id));`,
			`reply (%sremark_id BLOB NOT NULL, "from" TEXT, PRIMARY KEY (tenant, id));`,
			`sighting (tenant TEXT NOT NULL, person_id BLOB NOT NULL, seq INTEGER NOT NULL, place TEXT, PRIMARY KEY (tenant, person_id, seq)); -- %.0s`,
			`bill (%sperson_id BLOB, amount INTEGER, amount_currency TEXT, PRIMARY KEY (tenant, id));`,
		},
		"postgres": {
			`person (%sname text COLLATE "C" NOT NULL, name_fold text COLLATE "C", name_sort bytea, email text COLLATE "C", phone text COLLATE "C",
				sex text COLLATE "C" NOT NULL, born date, habits jsonb, level text COLLATE "C", PRIMARY KEY (tenant, id));`,
			`remark (%sperson_id uuid NOT NULL, title text COLLATE "C" NOT NULL, body text COLLATE "C" NOT NULL, PRIMARY KEY (tenant, id));`,
			`reply (%sremark_id uuid NOT NULL, "from" text COLLATE "C", PRIMARY KEY (tenant, id));`,
			`sighting (tenant text COLLATE "C" NOT NULL, person_id uuid NOT NULL, seq bigint NOT NULL, place text COLLATE "C", PRIMARY KEY (tenant, person_id, seq)); -- %.0s`,
			`bill (%sperson_id uuid, amount bigint, amount_currency text COLLATE "C", PRIMARY KEY (tenant, id));`,
		},
	}
	files := fstest.MapFS{}
	for dialect, prefix := range map[string]string{"sqlite": "crm_", "postgres": "{schema}."} {
		var b strings.Builder
		for _, table := range tables[dialect] {
			fmt.Fprintf(&b, "CREATE TABLE "+prefix+table+"\n", kernel[dialect])
		}
		index := "crm_person_email"
		if dialect == "postgres" {
			index = "person_email"
		}
		fmt.Fprintf(&b, "CREATE UNIQUE INDEX %s ON %sperson (tenant, email) WHERE deleted IS NULL;\n", index, prefix)
		files[dialect+"/0001_practice.sql"] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return storage.Line{Name: "practice", Needs: map[string]int{"crm": 1}, Files: files}
}

// practice is a core with these kinds, in either engine.
type practice struct {
	*crmtest.Core

	engine  enginetest.Engine
	people  *crm.Kind[patient]
	remarks *crm.Kind[finding]
	replies *crm.Kind[answer]
	bills   *crm.Kind[bill]
	seen    *crm.Ledger[sighting]
	files   map[crm.ID][]string // what a module keeps besides
}

func newPractice(tb testing.TB, e enginetest.Engine, cfg crm.Config, more ...func(*crm.Core) error) *practice {
	tb.Helper()
	p := &practice{engine: e, files: map[crm.ID][]string{}}
	p.Core = crmtest.On(tb, e.Store, cfg, func(c *crm.Core) error {
		c.AddLine(practiceLine())
		var errs [6]error
		p.people, errs[0] = crm.Define(c, crm.Object[patient]{Name: "person", Plural: "people"})
		p.remarks, errs[1] = crm.Define(c, crm.Object[finding]{Name: "remark"})
		p.bills, errs[2] = crm.Define(c, crm.Object[bill]{Name: "bill"})
		p.replies, errs[4] = crm.Define(c, crm.Object[answer]{Name: "reply", Plural: "replies"})
		p.seen, errs[5] = crm.DefineLedger[sighting](c, crm.LedgerOf[sighting]{Name: "sighting", Key: []string{"person_id", "seq"}})
		errs[3] = c.AddPersonalData(crm.PersonalData{
			Name: "files",
			Export: func(_ context.Context, _ string, id crm.ID, yield func(any) error) error {
				for _, name := range p.files[id] {
					if err := yield(map[string]string{"name": name}); err != nil {
						return err
					}
				}
				return nil
			},
			Erase: func(_ context.Context, _ string, id crm.ID) (int64, error) {
				n := len(p.files[id])
				delete(p.files, id)
				return int64(n), nil
			},
		})
		for _, fn := range more {
			errs[3] = errors.Join(errs[3], fn(c))
		}
		return errors.Join(errs[:]...)
	})
	return p
}

func inPractice(t *testing.T, fn func(t *testing.T, p *practice)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { fn(t, newPractice(t, e, crm.Config{})) })
}

// dump returns all rows of all tables as text, by table; with a tenant, only his. SQLite's index of words keeps
// in its own pages what is gone from it until they are written anew: it is left out.
func dump(tb testing.TB, e enginetest.Engine, tenant string) map[string]string {
	tb.Helper()
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'crm_%' AND name NOT LIKE 'crm_search_words%'"
	if e.Name == "postgres" {
		query = "SELECT 'crm.' || quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'crm'"
	}
	var tables []string
	rows, err := e.DB.QueryContext(tb.Context(), query)
	require.NoError(tb, err)
	for rows.Next() {
		var name string
		require.NoError(tb, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(tb, rows.Err())
	require.NoError(tb, rows.Close())
	all := map[string]string{}
	for _, table := range tables {
		query := "SELECT * FROM " + table
		if tenant != "" && !strings.Contains(table, "migration") {
			query += " WHERE tenant = '" + tenant + "'"
		}
		rows, err := e.DB.QueryContext(tb.Context(), query)
		require.NoError(tb, err)
		columns, err := rows.Columns()
		require.NoError(tb, err)
		var b strings.Builder
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(tb, rows.Scan(into...))
			for i, v := range values {
				if raw, ok := v.([]byte); ok {
					v = string(raw)
				}
				fmt.Fprintf(&b, "%s=%v ", columns[i], v)
			}
			b.WriteByte('\n')
		}
		require.NoError(tb, rows.Err())
		require.NoError(tb, rows.Close())
		all[table] = b.String()
	}
	return all
}

// tablesWith are the tables that have a text, as it is or as the index of words has it.
func tablesWith(tb testing.TB, e enginetest.Engine, texts ...string) []string {
	tb.Helper()
	return tablesOf(tb, e, "", texts...)
}

// tablesOf is tablesWith for one tenant.
func tablesOf(tb testing.TB, e enginetest.Engine, tenant string, texts ...string) (found []string) {
	tb.Helper()
	for table, rows := range dump(tb, e, tenant) {
		rows = strings.ToLower(rows)
		for _, text := range texts {
			text = strings.ToLower(text)
			word := hex.EncodeToString([]byte(text))
			if strings.Contains(rows, text) || strings.Contains(rows, word) {
				found = append(found, table+" has "+text)
			}
		}
	}
	return found
}
