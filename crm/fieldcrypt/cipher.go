package fieldcrypt

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/embedcrm/embedcrm/crm"
)

const (
	// prefix is how many bytes of Tink's stand before ciphertext: a version, then the
	// key's id.
	prefix = 5
	// blindSize is how many bytes a blind has behind the id of its key: of a billion
	// values two have the same by chance with a probability of 10⁻²¹.
	blindSize = 16
)

// Cipher is a [crm.Cipher]. It is safe for any number of goroutines.
type Cipher struct {
	seals   tink.AEAD
	known   map[uint32]bool // the keys that open
	primary uint32
	blinds  []blindKey // the primary one first
}

type blindKey struct {
	id  uint32
	prf prf.PRF
}

var _ crm.Cipher = (*Cipher)(nil)

// New returns the cipher of keys. Sets that do not fit, such as one of another purpose
// or without a prefix, are an error.
func New(k Keys) (*Cipher, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	seals, err := aead.New(k.Values)
	if err != nil {
		return nil, fmt.Errorf("fieldcrypt: the keys of values are of another kind: make them by an AEAD template: %w", err)
	}
	set, err := prf.NewPRFSet(k.Blinds)
	if err != nil {
		return nil, fmt.Errorf("fieldcrypt: the keys of blinds are of another kind: make them by a PRF template: %w", err)
	}
	c := &Cipher{seals: seals, known: map[uint32]bool{}, primary: k.Values.KeysetInfo().GetPrimaryKeyId()}
	for _, key := range k.Values.KeysetInfo().GetKeyInfo() {
		if key.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return nil, fmt.Errorf("fieldcrypt: key %d does not say by which key a value is sealed: make it with the output prefix TINK", key.GetKeyId())
		}
		if key.GetStatus() == tinkpb.KeyStatusType_ENABLED {
			c.known[key.GetKeyId()] = true
		}
	}
	for id, f := range set.PRFs {
		c.blinds = append(c.blinds, blindKey{id, f})
	}
	slices.SortFunc(c.blinds, func(a, b blindKey) int {
		switch {
		case a.id == set.PrimaryID:
			return -1
		case b.id == set.PrimaryID:
			return 1
		}
		return int(int64(a.id) - int64(b.id))
	})
	return c, nil
}

// Seal encrypts a value for its place.
func (c *Cipher) Seal(_ context.Context, at crm.Place, value []byte) ([]byte, error) {
	return c.seals.Encrypt(value, bound(at))
}

// Open decrypts what Seal made for the same place.
func (c *Cipher) Open(_ context.Context, at crm.Place, sealed []byte) ([]byte, error) {
	id, ok := keyOf(sealed)
	if !ok {
		return nil, fmt.Errorf("fieldcrypt: %d bytes are no ciphertext of Tink's", len(sealed))
	}
	if !c.known[id] {
		return nil, fmt.Errorf("fieldcrypt: it was sealed by key %d, which is not among those given: add it to Keys.Values", id)
	}
	value, err := c.seals.Decrypt(sealed, bound(at))
	if err != nil {
		return nil, fmt.Errorf("fieldcrypt: by key %d it does not open here: it was altered, or belongs to another record, field or tenant", id)
	}
	return value, nil
}

// Blind returns the blinds of a value under each key.
func (c *Cipher) Blind(_ context.Context, at crm.Place, value []byte) ([][]byte, error) {
	input := field(at)
	input = append(binary.AppendUvarint(input, uint64(len(value))), value...)
	all := make([][]byte, len(c.blinds))
	for i, key := range c.blinds {
		sum, err := key.prf.ComputePRF(input, blindSize)
		if err != nil {
			return nil, fmt.Errorf("fieldcrypt: %w", err)
		}
		all[i] = append(binary.BigEndian.AppendUint32(nil, key.id), sum...)
	}
	return all, nil
}

// Current reports whether ciphertext is under the primary key.
func (c *Cipher) Current(sealed []byte) bool {
	id, ok := keyOf(sealed)
	return ok && id == c.primary
}

// keyOf returns the key that ciphertext says it is under.
func keyOf(sealed []byte) (uint32, bool) {
	if len(sealed) <= prefix || sealed[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:prefix]), true
}

// field is the part of a place that all its records share, told apart from any other.
func field(at crm.Place) []byte {
	b := []byte("embedcrm field 1")
	for _, part := range []string{at.Tenant, at.Kind, at.Field} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b
}

// bound is what a value is bound to.
func bound(at crm.Place) []byte { return append(field(at), at.Record[:]...) }
