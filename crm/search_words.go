package crm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/crm/internal/tokens"
	"github.com/embedcrm/embedcrm/storage"
)

const (
	maxSearched    = 20   // fields marked search, of one kind
	maxFieldTokens = 500  // tokens of one field of a record
	maxTokens      = 4000 // and of all of them
)

// searchTable is what records are found by: of each a list of words, sealed so that a
// word of one field is none of another's. It also has those of deleted records.
//
//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var searchTable = &storage.Table{Name: "search", Key: []string{"object", "record_id"}, Words: "words", Columns: []storage.Column{
	{Name: "object", Kind: storage.Text}, {Name: "record_id", Kind: storage.ID}, {Name: "words", Kind: storage.Text},
}}

type searchRow struct {
	object string
	record uuid.UUID
	words  string
}

// Value returns column i.
func (r *searchRow) Value(i int) any {
	switch i {
	case 0:
		return r.object
	case 1:
		return r.record
	}
	return r.words
}

// Dest returns where column i is put.
func (r *searchRow) Dest(i int) any { return [...]any{&r.object, &r.record, &r.words}[i] }

// wordScope is what the words of one field of a kind begin with in the index, which
// all tenants share: none reads past another's, and what an actor may not read he
// does not find by. As a hash it is short whatever the tenant's key is.
func wordScope(tenant, object, field string) string {
	sum := sha256.Sum256([]byte(tenant + "\x00" + object + "\x00" + field))
	return hex.EncodeToString(sum[:6])
}

// indexed is a token as it is in the index: in an alphabet that no engine takes apart
// or folds, and in which what begins a token begins its word.
func indexed(scope, token string) string { return scope + hex.EncodeToString([]byte(token)) }

// searchWords are the words of a record, as they are stored.
func (o *object) searchWords(tenant string, r *rec) string {
	var b strings.Builder
	n := 0
	for _, f := range o.searched {
		list := o.fieldTokens(f, r)
		if len(list) == 0 {
			continue
		}
		scope := wordScope(tenant, o.name, f.name)
		for _, token := range list[:min(len(list), maxTokens-n)] {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(indexed(scope, token))
			n++
		}
	}
	return b.String()
}

// fieldTokens are the tokens of a field of a record, each once.
func (o *object) fieldTokens(f *field, r *rec) []string {
	var list []string
	for _, text := range f.texts(r) {
		folded := Fold(text)
		found := tokens.Words(folded, maxFieldTokens)
		if list == nil {
			list = found
		} else {
			list = appendNew(list, found...)
		}
		if o.core.cfg.Readings != nil {
			list = appendNew(list, o.core.readings(text)...)
		}
		if len(list) >= maxFieldTokens {
			return list[:maxFieldTokens]
		}
	}
	return list
}

// maxReadings is how many words a text is read as at most.
const maxReadings = 64

// readings are the host's further words for a text.
func (c *Core) readings(text string) []string {
	var list []string
	for _, word := range c.cfg.Readings(text) {
		list = appendNew(list, tokens.Words(Fold(word), maxReadings)...)
		if len(list) >= maxReadings {
			return list[:maxReadings]
		}
	}
	return list
}

func appendNew(list []string, more ...string) []string {
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// texts are the texts of a field: one, or those of a list.
func (f *field) texts(r *rec) []string {
	switch v := r.Value(f.col).(type) {
	case string:
		return []string{v}
	case json.RawMessage:
		var list []string
		_ = json.Unmarshal(v, &list) // as the plan made it
		return list
	}
	return nil
}

// searchRows are what a change does to the words of its record.
func (w *writer) searchRows(c *change) []storage.Change {
	if len(w.searched) == 0 || c.after != nil && !slices.ContainsFunc(w.searched, c.changed) {
		return nil
	}
	row := &searchRow{object: w.name, record: uuid.UUID(c.either().meta().ID)}
	if c.after != nil {
		row.words = w.object.searchWords(w.sc.Tenant, c.after)
	}
	action := storage.Put
	switch {
	case c.before == nil && row.words == "":
		return nil
	case c.before == nil:
		action = storage.Insert
	case row.words == "":
		action = storage.Delete
	}
	return []storage.Change{{Action: action, Table: searchTable, Row: row}}
}
