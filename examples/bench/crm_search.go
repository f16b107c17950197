package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm"
)

// contact is a record that is searched.
type contact struct {
	crm.Record

	Name  string `crm:"required,search" json:"name"`
	Email string `crm:"search,personal" json:"email,omitempty"`
	City  string `crm:"search"          json:"city,omitempty"`
}

// namesakes is how many contacts have the rare word.
const namesakes = 20

// contacts fills the database with as many contacts as it has customers, the first time that they are searched: most in the
// first tenant, the rest in another, whose words are in the same index. By hand there is an index of the engine's own words.
func (w *crmWorld) contacts(ctx context.Context) (int, error) {
	most := len(w.rows) * 6 / 10
	if w.searched {
		return most, nil
	}
	for t, n := range []int{most, len(w.rows) - most} {
		for at := 0; at < n; at += batch {
			list := make([]contact, min(batch, n-at))
			for i := range list {
				list[i] = contact{
					Name:  pick(at+i, "Ada", "Grace", "Emmy", "Sofia", "Marie") + fmt.Sprintf(" Name%06d", (at+i)/namesakes),
					Email: fmt.Sprintf("contact%d@example.com", at+i), City: pick((at+i)/7, "Berlin", "München", "Zürich", "Wien"),
				}
			}
			if _, err := w.core.contacts.CreateAll(as(ctx, tenant(t), clerk), list); err != nil {
				return 0, err
			}
		}
	}
	statements := []string{
		`CREATE VIRTUAL TABLE hand_contact USING fts5(name, email, city, content='crm_contact')`,
		`INSERT INTO hand_contact (hand_contact) VALUES ('rebuild')`,
	}
	if w.engine == "postgres" {
		statements = []string{`CREATE INDEX hand_contact ON ` + schemaName + `.contact USING gin (` + contactWords + `)`}
	}
	for _, statement := range statements {
		if _, err := w.db.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	if s, ok := w.base.(*crmBySQLite); ok {
		var err error
		if s.searchWords, err = w.db.PrepareContext(ctx, handSearch); err != nil {
			return 0, err
		}
	}
	w.searched = true
	return most, w.vacuum(ctx)
}

// crmSearch looks for a word that few have or many; it may be the beginning of one.
func crmSearch(word func(i int) string, want int) func(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
	return func(ctx context.Context, w *crmWorld, n int) (func(crmSide, int) error, error) {
		most, err := w.contacts(ctx)
		words := make([]string, n)
		for i := range words {
			words[i] = word(w.rand.IntN(max(1, most/namesakes)))
		}
		return func(s crmSide, i int) error {
			found, err := s.search(ctx, tenant(0), words[i])
			return expect(len(found), want, err)
		}, err
	}
}

func rareWord(i int) string   { return fmt.Sprintf("name%06d", i) }
func commonWord(i int) string { return pick(i, "ada", "grace", "emmy") }

func (o byCRM) search(ctx context.Context, tenant, text string) ([]contact, error) {
	page, err := o.contacts.Search(as(ctx, tenant, clerk), text, crm.Limit(pageSize))
	return page.Items, err
}

const (
	contactColumns = `c.id, c.version, c.created, c.updated, c.name, c.email, c.city`
	contactWords   = `to_tsvector('simple', name || ' ' || coalesce(email, '') || ' ' || coalesce(city, ''))`
	contactOrder   = ` AND c.deleted IS NULL ORDER BY c.updated DESC, c.id DESC LIMIT `
	handSearch     = `SELECT ` + contactColumns + ` FROM hand_contact AS h CROSS JOIN crm_contact AS c ON c.rowid = h.rowid
		WHERE hand_contact MATCH ? AND c.tenant = ?` + contactOrder + `?`
)

func (s *crmBySQLite) search(ctx context.Context, tenant, text string) ([]contact, error) {
	rows, err := s.searchWords.QueryContext(ctx, strings.Join(strings.Fields(text), " AND ")+"*", tenant, pageSize+1)
	return readPage(rows, err, func(rows interface{ Scan(dest ...any) error }) (c contact, err error) {
		var created, updated int64
		err = rows.Scan((*uuid.UUID)(&c.ID), &c.Version, &created, &updated, &c.Name, &c.Email, &c.City)
		c.Created, c.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
		return c, err
	})
}

func (s crmByPostgres) search(ctx context.Context, tenant, text string) ([]contact, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+contactColumns+` FROM `+schemaName+`.contact AS c WHERE tenant = $1 AND `+contactWords+
		` @@ to_tsquery('simple', $2)`+contactOrder+`$3`, tenant, strings.Join(strings.Fields(text), " & ")+":*", pageSize+1)
	return readPage(rows, err, func(rows interface{ Scan(dest ...any) error }) (c contact, err error) {
		err = rows.Scan((*uuid.UUID)(&c.ID), &c.Version, &c.Created, &c.Updated, &c.Name, &c.Email, &c.City)
		return c, err
	})
}
