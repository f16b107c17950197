package crm_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestCallbacks(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{
			{Key: "ask", Kind: crm.StepAction, Action: "invite", Next: "approval"},
			{Key: "approval", Kind: crm.StepWait, Callback: true, Outcomes: map[string]string{"yes": "read", "no": "refused", "later": "ask"}, Timeout: "2d", OnTimeout: "late"},
			{Key: "read", Kind: crm.StepAction, Action: "read", Next: "approved"},
			{Key: "approved", Kind: crm.StepEnd}, {Key: "refused", Kind: crm.StepEnd}, {Key: "late", Kind: crm.StepEnd},
		}})
		d := w.deal(t, ctx)
		start := func() (crm.Instance, string) {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			w.run(t, 0)
			return in, w.links[len(w.links)-1]
		}
		in, link := start()
		for _, bad := range []string{"", "x", link[:len(link)-1], link + "AA", "AAAA" + link[4:], string(make([]byte, 500))} {
			require.ErrorIs(t, w.Instances.Answer(t.Context(), bad, "yes", nil), crm.ErrInvalid)
		}
		require.ErrorContains(t, w.Instances.Answer(t.Context(), link, "perhaps", nil), "later, no, yes")
		require.NoError(t, w.Instances.Answer(t.Context(), link, "later", nil))
		require.ErrorIs(t, w.Instances.Answer(t.Context(), link, "yes", nil), crm.ErrConflict, "it serves once")
		w.run(t, 0)
		require.ErrorIs(t, w.Instances.Answer(t.Context(), link, "yes", nil), crm.ErrConflict, "also when the wait is reached again")
		require.ErrorIs(t, w.Instances.Answer(t.Context(), w.links[1], "yes", make([]byte, 5000)), crm.ErrInvalid)
		require.NoError(t, w.Instances.Answer(t.Context(), w.links[1], "yes", map[string]string{"By": "Ada"}))
		w.run(t, 0)
		got, _ := w.at(t, ctx, in.ID)
		require.Equal(t, "approved", got.Result)
		require.JSONEq(t, `"Ada"`, string(got.Variables["by"]))

		in, link = start()
		w.run(t, 48*time.Hour)
		got, _ = w.at(t, ctx, in.ID)
		require.Equal(t, "late", got.Result)
		require.ErrorIs(t, w.Instances.Answer(t.Context(), link, "yes", nil), crm.ErrConflict)

		// An answer that comes before its wait.
		early, err := w.Processes.Start(ctx, "follow", d.ID)
		require.NoError(t, err)
		link, err = w.Instances.CallbackToken(ctx, early.ID, "approval")
		require.NoError(t, err)
		_, err = w.Instances.CallbackToken(ctx, early.ID, "ask")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.NoError(t, w.Instances.Answer(t.Context(), link, "no", nil))
		w.run(t, 0)
		require.Equal(t, []string{"ask", "approval/no", "refused"}, w.path(t, ctx, early.ID))

		// The token of one tenant is nothing in another.
		require.NoError(t, w.Tenants.Ensure(ctx, "acmf"))
		waits, link := start()
		raw, err := base64.RawURLEncoding.DecodeString(link)
		require.NoError(t, err)
		raw[4] = 'f'
		require.ErrorIs(t, w.Instances.Answer(t.Context(), base64.RawURLEncoding.EncodeToString(raw), "yes", nil), crm.ErrInvalid)
		raw[4] = 'e'
		raw[len(raw)-33]++ // the step
		require.ErrorIs(t, w.Instances.Answer(t.Context(), base64.RawURLEncoding.EncodeToString(raw), "yes", nil), crm.ErrInvalid)
		_, steps := w.at(t, ctx, waits.ID)
		require.Equal(t, []string{"approval"}, steps)
	})
}
