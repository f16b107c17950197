package crm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxCursor is how long a cursor is at most; a page's position is eight values.
const maxCursor = 64 << 10

// errCursor is a cursor that does not fit, for whatever reason: which one it is
// would tell what is in it.
var errCursor = Invalid("after", "the cursor is none of this query of this actor: begin again without one")

// cursor seals the position of a row: the values of the order's terms, then the key.
func (l *listing) cursor(tn *tenant, values []any) (string, error) {
	texts := make([]json.RawMessage, len(values))
	for i, v := range values {
		texts[i] = cursorValue(v)
	}
	return tn.seal(l.bound(), texts)
}

// seal makes a cursor of the values of a position.
func (t *tenant) seal(bound []byte, texts []json.RawMessage) (string, error) {
	aead, err := t.aead()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, canonical(texts), bound)), nil
}

// open returns the values of a position that seal made a cursor of.
func (t *tenant) open(bound []byte, cursor string) ([]json.RawMessage, error) {
	if len(cursor) > maxCursor {
		return nil, errCursor
	}
	aead, err := t.aead()
	if err != nil {
		return nil, err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil, errCursor
	}
	open, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], bound)
	var texts []json.RawMessage
	if err != nil || json.Unmarshal(open, &texts) != nil {
		return nil, errCursor
	}
	return texts, nil
}

// position opens the caller's cursor; nil is the beginning.
func (l *listing) position(tn *tenant) ([]any, error) {
	if l.after == "" {
		return nil, nil
	}
	texts, err := tn.open(l.bound(), l.after)
	if err != nil {
		return nil, err
	}
	if len(texts) != len(l.terms)+len(l.table.Key) {
		return nil, errCursor
	}
	values := make([]any, len(texts))
	for i, text := range texts {
		var kind storage.Kind
		if k := i - len(l.terms); k >= 0 {
			kind = l.specs[l.table.Index(l.table.Key[k])].Kind
		} else {
			if kind, err = storage.CheckField(l.table, l.terms[i].field); err != nil {
				return nil, errCursor
			}
		}
		if values[i], err = cursorParse(kind, text); err != nil {
			return nil, errCursor
		}
	}
	return values, nil
}

// bound is what a cursor belongs to: it opens for nothing else. The limit may
// change from page to page.
func (l *listing) bound() []byte {
	type part struct {
		Text string
		Args []string
	}
	b := struct {
		Tenant, Actor, Object string
		Where                 []part
		Order                 []string
		Deleted               bool
	}{l.sc.Tenant, l.sc.actor(), l.object.name, nil, l.order, l.deleted}
	for _, c := range l.listOptions.where {
		text := c.text
		if c.system {
			text = "system " + text
		}
		b.Where = append(b.Where, part{text, c.printed()})
	}
	for _, c := range l.of {
		b.Where = append(b.Where, part{fmt.Sprint(c.field, " ", c.not, " ", c.text), c.printed()})
	}
	sum := sha256.Sum256(canonical(b))
	return sum[:]
}

// printed are the arguments of a condition, told apart by their types.
func (c condition) printed() (args []string) {
	for _, a := range c.args {
		args = append(args, fmt.Sprintf("%T %v", a, a))
	}
	return args
}

// aead seals and opens with the tenant's secret. A secret of another length than it
// was made with is a damaged row, and an error.
func (t *tenant) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(t.secret)
	if err != nil {
		return nil, fmt.Errorf("the tenant's secret is damaged: %w", err)
	}
	return cipher.NewGCM(block)
}

// cursorValue is a value of an order as JSON.
func cursorValue(v any) json.RawMessage {
	switch v := v.(type) {
	case time.Time:
		return canonical(v.UnixMicro())
	case Date:
		return canonical(v.String())
	}
	return canonical(v) // []byte is base64
}

func cursorParse(k storage.Kind, text json.RawMessage) (any, error) {
	if string(text) == "null" {
		return nil, nil
	}
	switch k {
	case storage.Bool:
		return parsed[bool](text)
	case storage.Int:
		return parsed[int64](text)
	case storage.Bytes:
		return parsed[[]byte](text)
	case storage.ID:
		return parsed[uuid.UUID](text)
	case storage.Time:
		micros, err := parsed[int64](text)
		n, _ := micros.(int64)
		return time.UnixMicro(n).UTC(), err
	case storage.Day:
		s, err := parsed[string](text)
		if err != nil {
			return nil, err
		}
		day, _ := s.(string)
		return ParseDate(day)
	case storage.Text, storage.JSON:
	}
	return parsed[string](text)
}

func parsed[T any](text json.RawMessage) (any, error) {
	var v T
	err := json.Unmarshal(text, &v)
	return v, err
}
