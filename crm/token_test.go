package crm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
)

func TestATokenSaysWhatWasSealedAndNothingElse(t *testing.T) {
	core := crmtest.New(t, func(*crm.Core) error { return nil })
	acme := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	globex := crm.As(t.Context(), crm.Actor{Tenant: "globex", Member: "eve"})
	token, err := core.SealToken(acme, "door", []byte("north"), core.Clock.Now().Add(time.Hour))
	require.NoError(t, err)
	again, err := core.SealToken(acme, "door", []byte("north"), core.Clock.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, token, again)
	theirs, err := core.SealToken(globex, "door", []byte("north"), core.Clock.Now().Add(time.Hour))
	require.NoError(t, err)

	tenant, data, err := core.OpenToken(t.Context(), "door", token)
	require.NoError(t, err)
	require.Equal(t, "acme", tenant)
	require.Equal(t, "north", string(data))
	_, _, err = core.OpenToken(acme, "door", token)
	require.NoError(t, err)

	for i := range token {
		for _, c := range "A_z" {
			forged := token[:i] + string(c) + token[i+1:]
			if forged == token {
				continue
			}
			_, _, err := core.OpenToken(t.Context(), "door", forged)
			require.ErrorIs(t, err, crm.ErrInvalid, forged)
		}
		_, _, err := core.OpenToken(t.Context(), "door", token[:i])
		require.ErrorIs(t, err, crm.ErrInvalid)
	}
	for _, wrong := range []string{token + "A", token + "=", " " + token, strings.Repeat("A", 1<<20), theirs[:30] + token[30:]} {
		_, _, err := core.OpenToken(t.Context(), "door", wrong)
		require.ErrorIs(t, err, crm.ErrInvalid)
	}
	_, _, err = core.OpenToken(t.Context(), "window", token)
	require.ErrorContains(t, err, "is none that this CRM gave out", "another purpose")
	_, _, err = core.OpenToken(globex, "door", token)
	require.ErrorContains(t, err, "is none that this CRM gave out", "in another tenant")

	core.Clock.Advance(time.Hour)
	_, _, err = core.OpenToken(t.Context(), "door", token)
	require.ErrorContains(t, err, "has expired")
	for purpose, data := range map[string][]byte{"": nil, "a\x00b": nil, strings.Repeat("x", 65): nil, "door": make([]byte, 513)} {
		_, err := core.SealToken(acme, purpose, data, time.Time{})
		require.ErrorIs(t, err, crm.ErrInvalid, purpose)
	}
	_, err = core.SealToken(t.Context(), "door", nil, time.Time{})
	require.ErrorIs(t, err, crm.ErrUnscoped)
	widest := crm.As(t.Context(), crm.Actor{Tenant: strings.Repeat("t", 64), Member: "dana"})
	token, err = core.SealToken(widest, strings.Repeat("x", 64), make([]byte, 512), time.Time{})
	require.NoError(t, err)
	_, data, err = core.OpenToken(widest, strings.Repeat("x", 64), token)
	require.NoError(t, err)
	require.Len(t, data, 512)
}
