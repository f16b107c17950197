package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// TestSidesLeaveTheSame has both sides create, change and delete one customer, and compares all that they leave: what is
// compared in time must be the same work.
func TestSidesLeaveTheSame(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, err := openCRM(t.Context(), engine, 10*tenants*pageSize)
			if errors.Is(err, errAbsent) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer w.close()
			given := w.buyer(tenant(1))
			given.ReferrerID = w.of(tenant(1)).id
			bulk := w.buyer(tenant(1))
			ours, base := w.live(t, w.ours, given, bulk), w.live(t, w.base, given, bulk)
			require.Equal(t, ours, base)
			require.NotEmpty(t, ours[0].Events)
		})
	}
}

// trace is what a customer left in the database, but for ids and times.
type trace struct {
	Buyer   buyer
	Events  []crm.Event
	Derived [2][]byte // name_fold, name_sort
	Outbox  int       // events that wait in the tenant's bucket
	Index   []int64
}

// live makes and deletes one customer alone and one by bulk.
func (w *crmWorld) live(t *testing.T, s crmSide, given, bulk buyer) (left []trace) {
	t.Helper()
	ctx, tenant := t.Context(), tenant(1)
	made, err := s.create(ctx, tenant, given)
	require.NoError(t, err)
	_, err = s.update(ctx, tenant, made.ID, 11, "one")
	require.NoError(t, err)
	changed, err := s.upsert(ctx, tenant, given.Email, 12, "two")
	require.NoError(t, err)
	read, err := s.get(ctx, tenant, made.ID)
	require.NoError(t, err)
	require.Equal(t, forgotten(read), forgotten(changed))
	require.NoError(t, s.remove(ctx, tenant, made.ID))
	all, err := s.createAll(ctx, tenant, []buyer{bulk})
	require.NoError(t, err)
	require.NoError(t, s.remove(ctx, tenant, all[0].ID))
	return []trace{w.trace(t, made.ID), w.trace(t, all[0].ID)}
}

func (w *crmWorld) trace(t *testing.T, id crm.ID) (left trace) {
	t.Helper()
	ctx := as(t.Context(), tenant(1), clerk)
	b, err := w.core.customers.Get(ctx, id, crm.WithDeleted())
	require.NoError(t, err)
	require.False(t, b.Deleted.IsZero())
	left.Buyer = forgotten(b)
	history, err := w.core.customers.History(ctx, id)
	require.NoError(t, err)
	for i := range history.Items {
		e := &history.Items[i]
		left.Outbox += w.number(t, "SELECT count(*) FROM {outbox} WHERE version = 1 AND bucket = (SELECT bucket FROM {tenant} AS o WHERE o.tenant = 'tenant-01') AND id = ?", e.ID)
		for j := range e.Changes {
			if c := &e.Changes[j]; c.Field == "deleted" {
				require.NoError(t, json.Unmarshal(c.After, new(time.Time)))
				c.After = nil
			} else {
				c.Before, c.After = compact(t, c.Before), compact(t, c.After)
			}
		}
		e.ID, e.Record, e.Happened, e.Recorded = crm.ID{}, crm.ID{}, time.Time{}, time.Time{}
	}
	left.Events = history.Items
	require.NoError(t, w.row(t, "SELECT name_fold, name_sort FROM {customer} WHERE id = ?", id, &left.Derived[0], &left.Derived[1]))
	left.Index = []int64{0}
	require.NoError(t, w.row(t, "SELECT int_value FROM {field_index} WHERE object = 'customer' AND field = 'number' AND record_id = ?", id, &left.Index[0]))
	return left
}

// forgotten is a customer without what differs from one to the next.
func forgotten(b buyer) buyer {
	b.Record = crm.Record{OwnerID: b.OwnerID, Version: b.Version, Refs: b.Refs, Custom: b.Custom}
	return b
}

// compact is JSON in one form, which Postgres and Go do not share.
func compact(t *testing.T, text json.RawMessage) json.RawMessage {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}

// row reads the one row about an id. A table is written {customer}.
func (w *crmWorld) row(t *testing.T, query string, id crm.ID, into ...any) error {
	t.Helper()
	before, arg := "crm_", any(id[:])
	if w.engine == "postgres" {
		before, arg = schemaName+".", any(uuid.UUID(id))
		query = strings.ReplaceAll(query, "?", "$1")
	}
	query = strings.NewReplacer("{", before, "}", "").Replace(query)
	return w.db.QueryRowContext(t.Context(), query, arg).Scan(into...)
}

func (w *crmWorld) number(t *testing.T, query string, id crm.ID) (n int) {
	t.Helper()
	require.NoError(t, w.row(t, query, id, &n))
	return n
}
