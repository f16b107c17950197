package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// TestPeersDoTheSame has crm and PocketBase do every operation that is compared, each of which checks its answer, and
// compares what they then say of a customer.
func TestPeersDoTheSame(t *testing.T) {
	t.Parallel()
	w, err := openCRM(t.Context(), "sqlite", 10*tenants*pageSize)
	require.NoError(t, err)
	defer w.close()
	peer, err := openPeer(t.Context(), w)
	require.NoError(t, err)
	defer peer.close()
	plain, ok := peer.base.(*byPocketBase)
	require.True(t, ok)
	for _, op := range peerOperations(w) {
		for _, s := range []struct {
			w  *crmWorld
			by crmSide
		}{{w, w.ours}, {peer, plain}, {peer, plain.withHistory()}} {
			s.w.rand = dice(7)
			fn, err := op.ready(t.Context(), s.w, 1)
			require.NoError(t, err, op.name)
			require.NoError(t, fn(s.by, 0), "%s by %T", op.name, s.by)
		}
	}
	given := w.buyer(tenant(1))
	ours, theirs := peerLife(t, w.ours, given), peerLife(t, plain.withHistory(), given)
	require.Equal(t, ours, theirs)
	var events int
	require.NoError(t, peer.db.QueryRowContext(t.Context(), "SELECT count(*) FROM events WHERE name = 'customer.updated'").Scan(&events))
	require.NotZero(t, events)
}

// peerLife creates and changes a customer, and returns what is said of him then, but for id and times.
func peerLife(t *testing.T, s crmSide, given buyer) buyer {
	t.Helper()
	made, err := s.create(t.Context(), tenant(1), given)
	require.NoError(t, err)
	_, err = s.update(t.Context(), tenant(1), made.ID, 11, "one")
	require.NoError(t, err)
	b, err := s.upsert(t.Context(), tenant(1), given.Email, 12, "two")
	require.NoError(t, err)
	b = forgotten(b)
	if b.Employees != nil && *b.Employees == 0 { // PocketBase knows no absent number
		b.Employees = nil
	}
	b.ID = crm.ID{}
	return b
}
