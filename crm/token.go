package crm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

const (
	maxTokenData = 512 // bytes of what a token says
	// maxToken is how long the text of a token is at most.
	maxToken = (1+storage.MaxTenant+8+maxTokenData+sha256.Size)*4/3 + 4
)

// sealed is what a token says.
type sealed struct {
	tenant  string
	expires int64 // microseconds, 0: never
	data    []byte
}

func (s sealed) raw() []byte {
	raw := append([]byte{byte(len(s.tenant))}, s.tenant...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(s.expires))
	return append(raw, s.data...)
}

// tokenMAC is the seal on a token for a purpose: one for another purpose is none.
func tokenMAC(t *tenant, purpose string, raw []byte) []byte {
	mac := hmac.New(sha256.New, t.secret)
	_, _ = mac.Write([]byte("token\x00" + purpose + "\x00"))
	_, _ = mac.Write(raw)
	return mac.Sum(nil)
}

// parseToken reads a token, and the seal on it, which is yet to be checked.
func parseToken(text string) (s sealed, raw, mac []byte, ok bool) {
	if len(text) > maxToken {
		return s, nil, nil, false
	}
	all, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(all) < 1 || len(all) < 1+int(all[0])+8+sha256.Size {
		return s, nil, nil, false
	}
	raw, mac = all[:len(all)-sha256.Size], all[len(all)-sha256.Size:]
	n := 1 + int(raw[0])
	s.tenant = string(raw[1:n])
	s.expires = int64(binary.BigEndian.Uint64(raw[n:]))
	s.data = raw[n+8:]
	return s, raw, mac, true
}

// SealToken returns a token for somebody who is no member: what a link in a mail carries.
// It says data, of at most 512 bytes, which who has it can read and nobody can change, and
// is sealed with the tenant's secret (HMAC-SHA256) for one purpose, a name of 1 to 64
// bytes. It is good until expires; zero: for good. The same data makes the same token. What
// whoever has it may do is for the module to say that opens it by [Core.OpenToken].
func (c *Core) SealToken(ctx context.Context, purpose string, data []byte, expires time.Time) (string, error) {
	text, err := c.sealToken(ctx, purpose, data, expires)
	return text, failed("seal", "token", ID{}, err)
}

func (c *Core) sealToken(ctx context.Context, purpose string, data []byte, expires time.Time) (string, error) {
	if len(data) > maxTokenData {
		return "", Invalid("data", "has %d bytes, and %d are allowed: let the token name a record", len(data), maxTokenData)
	}
	if !validWorkName(purpose) {
		return "", Invalid("purpose", "is UTF-8 text of 1 to 64 bytes")
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return "", err
	}
	if err := c.ready(); err != nil {
		return "", err
	}
	t, err := c.Tenants.forWrite(ctx, sc.Tenant)
	if err != nil {
		return "", err
	}
	s := sealed{tenant: sc.Tenant, data: data}
	if !expires.IsZero() {
		s.expires = expires.UnixMicro()
	}
	raw := s.raw()
	return base64.RawURLEncoding.EncodeToString(append(raw, tokenMAC(t, purpose, raw)...)), nil
}

// OpenToken returns what a token of [Core.SealToken] says, and whose it is: the scope in
// which the module goes on is [System] of that tenant. It needs no scope itself; with one,
// a token of another tenant is refused. One that was not sealed for this purpose, or not
// here, is ErrInvalid, and so is one that has expired.
func (c *Core) OpenToken(ctx context.Context, purpose, token string) (tenant string, data []byte, err error) {
	s, err := c.openToken(ctx, purpose, token)
	return s.tenant, s.data, failed("open", "token", ID{}, err)
}

func (c *Core) openToken(ctx context.Context, purpose, token string) (sealed, error) {
	if err := c.ready(); err != nil {
		return sealed{}, err
	}
	s, raw, mac, ok := parseToken(token)
	sc, _ := ctx.Value(scopeKey{}).(scope)
	if !ok || storage.CheckTenant(s.tenant) != nil || sc.Tenant != "" && sc.Tenant != s.tenant {
		return sealed{}, errToken
	}
	t, err := c.Tenants.of(ctx, s.tenant)
	switch {
	case err != nil:
		return sealed{}, err
	case t == nil || !hmac.Equal(mac, tokenMAC(t, purpose, raw)):
		return sealed{}, errToken
	case s.expires != 0 && c.now().UnixMicro() >= s.expires:
		return sealed{}, Invalid("token", "has expired: ask for a new one")
	}
	return s, nil
}
