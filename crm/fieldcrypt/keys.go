package fieldcrypt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keys are the two sets of keys. They are Tink's, and may be made and kept by its own
// tools as well: Values for AEAD, Blinds for PRF, both with keys of the output prefix
// TINK. Who has them reads every protected value: they are kept where the database is
// not, wrapped by a key management system.
type Keys struct {
	// Values seal: the primary key does, the others open what they sealed once.
	Values *keyset.Handle
	// Blinds make blinds: the primary key those that are kept, the others those that may
	// be there from before.
	Blinds *keyset.Handle
}

// NewKeys makes new keys, one in each set.
func NewKeys() (Keys, error) {
	values, err := keyset.NewHandle(aead.XChaCha20Poly1305KeyTemplate())
	if err != nil {
		return Keys{}, fmt.Errorf("fieldcrypt: %w", err)
	}
	blinds, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return Keys{}, fmt.Errorf("fieldcrypt: %w", err)
	}
	return Keys{values, blinds}, nil
}

// Add returns the keys with a new one in each set, which opens and is looked for, and
// does not seal yet: the first step of a rotation. Once every process has them, Promote
// is the second.
func (k Keys) Add() (Keys, error) {
	return k.each(func(m *keyset.Manager, blinds bool) error {
		template := aead.XChaCha20Poly1305KeyTemplate()
		if blinds {
			template = prf.HMACSHA256PRFKeyTemplate()
		}
		_, err := m.Add(template)
		return err
	})
}

// Promote returns the keys with the newest of each set as the one that seals. Once every
// process has them, [crm.Core.Reseal] is the next step, for each tenant.
func (k Keys) Promote() (Keys, error) {
	return k.each(func(m *keyset.Manager, blinds bool) error {
		info := k.set(blinds).KeysetInfo().GetKeyInfo()
		return m.SetPrimary(info[len(info)-1].GetKeyId())
	})
}

// DropBlinds returns the keys without the blind keys that were replaced: the last step,
// once [crm.Core.Reseal] returned nil for every tenant. What is under a key that is gone
// is found no more, and may be there twice in a unique field. The keys that sealed values
// stay, since the history has what they sealed.
func (k Keys) DropBlinds() (Keys, error) {
	return k.each(func(m *keyset.Manager, blinds bool) error {
		if !blinds {
			return nil
		}
		info := k.Blinds.KeysetInfo()
		for _, key := range info.GetKeyInfo() {
			if key.GetKeyId() == info.GetPrimaryKeyId() {
				continue
			}
			if err := m.Delete(key.GetKeyId()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k Keys) set(blinds bool) *keyset.Handle {
	if blinds {
		return k.Blinds
	}
	return k.Values
}

// each changes both sets.
func (k Keys) each(change func(m *keyset.Manager, blinds bool) error) (Keys, error) {
	if err := k.check(); err != nil {
		return Keys{}, err
	}
	var out [2]*keyset.Handle
	for i, blinds := range []bool{false, true} {
		m := keyset.NewManagerFromHandle(k.set(blinds))
		err := change(m, blinds)
		if err == nil {
			out[i], err = m.Handle()
		}
		if err != nil {
			return Keys{}, fmt.Errorf("fieldcrypt: %w", err)
		}
	}
	return Keys{out[0], out[1]}, nil
}

func (k Keys) check() error {
	if k.Values == nil || k.Blinds == nil {
		return errors.New("fieldcrypt: a set of keys is missing: make both with NewKeys, or read them with Unwrap")
	}
	return nil
}

// wrapped are keys as they are kept.
type wrapped struct {
	Values []byte `json:"values"`
	Blinds []byte `json:"blinds"`
}

// What each set is wrapped for, so that the two are not taken for each other.
const (
	forValues = "embedcrm field values"
	forBlinds = "embedcrm field blinds"
)

// Wrap returns the keys encrypted by a key management system, to be kept in a file or a
// secret of the host's: see Tink's integrations for those of the large providers. They
// are not kept in the database they protect.
func (k Keys) Wrap(kms tink.AEAD) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	wrap := func(h *keyset.Handle, what string) ([]byte, error) {
		var b bytes.Buffer
		err := h.WriteWithAssociatedData(keyset.NewBinaryWriter(&b), kms, []byte(what))
		return b.Bytes(), err
	}
	values, err := wrap(k.Values, forValues)
	if err != nil {
		return nil, fmt.Errorf("fieldcrypt: %w", err)
	}
	blinds, err := wrap(k.Blinds, forBlinds)
	if err != nil {
		return nil, fmt.Errorf("fieldcrypt: %w", err)
	}
	return json.Marshal(wrapped{values, blinds})
}

// Unwrap reads what [Keys.Wrap] wrote, with the same key of the key management system.
func Unwrap(text []byte, kms tink.AEAD) (Keys, error) {
	var w wrapped
	if err := json.Unmarshal(text, &w); err != nil {
		return Keys{}, errors.New("fieldcrypt: this is not what Wrap wrote: give the whole of it")
	}
	read := func(b []byte, what string) (*keyset.Handle, error) {
		h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(b)), kms, []byte(what))
		if err != nil {
			return nil, fmt.Errorf("fieldcrypt: the keys do not unwrap: give the key of the management system that wrapped them: %w", err)
		}
		return h, nil
	}
	values, err := read(w.Values, forValues)
	if err != nil {
		return Keys{}, err
	}
	blinds, err := read(w.Blinds, forBlinds)
	return Keys{values, blinds}, err
}
