package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// sealedValue is what an event has in the place of a protected value. Since a custom
// field may have had another name, it says for which field it was sealed.
type sealedValue struct {
	Sealed string `json:"$sealed"`
	Field  string `json:"$field"`
}

// sealedIn is found in what has such a value.
//
//nolint:gochecknoglobals // a constant
var sealedIn = []byte(`"$sealed"`)

// stored is what an event says of fields as the database has it.
func (e *eventRow) stored() json.RawMessage {
	if e.kept != nil {
		return e.kept
	}
	return e.changes
}

// event seals what an event says of protected fields.
func (s *sealer) event(i int, c storage.Change, row *eventRow) error {
	if row.protect == nil {
		return nil
	}
	b := []byte{'{'}
	for n, x := range changesOf(row.changes) {
		before, after := x.Before, x.After
		if field, ok := row.protect[x.Field]; ok {
			at := Place{Tenant: s.tenant, Kind: row.object, Field: field, Record: ID(row.record)}
			var err error
			if before, err = s.sealValue(at, before); err != nil {
				return err
			}
			if after, err = s.sealValue(at, after); err != nil {
				return err
			}
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, x.Field), ':', '[')
		b = append(append(append(append(b, before...), ','), after...), ']')
	}
	sealed := *row
	b = append(b, '}')
	sealed.changes = b
	c.Row = &sealed
	s.replace(i, c)
	return nil
}

func (s *sealer) sealValue(at Place, value json.RawMessage) (json.RawMessage, error) {
	if string(value) == "null" {
		return value, nil
	}
	text, err := s.sealedText(s.ctx, at, string(value))
	return canonical(sealedValue{Sealed: text, Field: at.Field}), err
}

// openChanges returns what an event says of fields with protected values opened, or nil
// where there are none.
func (g guarded) openChanges(ctx context.Context, tenant, object string, record uuid.UUID, raw json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(raw, sealedIn) {
		return nil, nil
	}
	b := []byte{'{'}
	for n, x := range changesOf(raw) {
		before, after := x.Before, x.After
		var err error
		if before, err = g.openValue(ctx, tenant, object, record, x.Field, before); err != nil {
			return nil, err
		}
		if after, err = g.openValue(ctx, tenant, object, record, x.Field, after); err != nil {
			return nil, err
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, x.Field), ':', '[')
		b = append(append(append(append(b, before...), ','), after...), ']')
	}
	return append(b, '}'), nil
}

// openValue opens a value of an event. In a field that is not protected there is none,
// whatever it looks like: the one who wrote it may have made it so.
func (g guarded) openValue(ctx context.Context, tenant, object string, record uuid.UUID, field string, value json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(value, sealedIn) {
		return value, nil
	}
	own := strings.HasPrefix(field, "custom.")
	if p := g.core.protections[object]; !own && (p == nil || p.field(field) == nil) {
		return value, nil
	}
	var sealed sealedValue
	if err := json.Unmarshal(value, &sealed); err != nil {
		return value, nil //nolint:nilerr // a text that has the word in it
	}
	at := Place{Tenant: tenant, Kind: object, Field: sealed.Field, Record: ID(record)}
	if own && !keptProtected(sealed.Field) || !own && sealed.Field != field {
		return nil, fmt.Errorf("%w: %s: the history has a value of another field there", ErrSealed, at)
	}
	text, err := g.openText(ctx, at, sealed.Sealed)
	return json.RawMessage(text), err
}

// openedChanges is openChanges for what was read without its event.
func (c *Core) openedChanges(ctx context.Context, tenant, object string, record ID, raw json.RawMessage) (json.RawMessage, error) {
	if c.cfg.Cipher == nil {
		return raw, nil
	}
	opened, err := guarded{c.store, c}.openChanges(ctx, tenant, object, uuid.UUID(record), raw)
	if opened == nil {
		opened = raw
	}
	return opened, err
}

// identityHashes are the keyed hashes of what tells who a person is, the one to keep
// first. Of a protected value they are hashes of its blinds: the tenant's secret is in
// the database too, and with it alone a short value could be found by trying.
func (c *Core) identityHashes(ctx context.Context, key string, tn *tenant, form string) ([]string, error) {
	if !strings.HasPrefix(form, protectedForm) || c.cfg.Cipher == nil {
		return []string{tn.tombstone(form)}, nil
	}
	all, err := c.blinds(ctx, Place{Tenant: key, Field: "identity"}, form)
	hashes := make([]string, len(all))
	for i, blind := range all {
		hashes[i] = tn.tombstone("blind:" + blind)
	}
	return hashes, err
}

// protectedForm begins the form of an identity that is protected.
const protectedForm = "protected:"
