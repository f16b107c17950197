package crm_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// TestNoMergeReachesWhatIsNotTheActors merges records of every kind that the actor may not
// read, or that are another tenant's: it is as if they were not there.
func TestNoMergeReachesWhatIsNotTheActors(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		m.grant(t, crm.Allow(crm.AnyKind, crm.LevelOwn))
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "ada"})
		_, err := m.deals.Create(foreign, deal{Name: "so that the tenant is there"})
		require.NoError(t, err)
		for _, k := range crm.KindsOf(s.Core.Core) {
			if k.Own() {
				_, err := k.Merge(m.sys, crm.ID{1}, crm.ID{2})
				require.ErrorIs(t, err, crm.ErrInvalid, k.Name())
				continue
			}
			a, b, missing := m.make(t, k), m.make(t, k), crm.ID{0x0f}
			merge, err := k.Merge(m.sys, a, m.make(t, k))
			require.NoError(t, err, k.Name())
			for _, ctx := range []context.Context{as(t, "ada"), foreign, crm.System(t.Context(), "other")} {
				_, none := k.Merge(ctx, missing, crm.ID{0x0e})
				_, err := k.Merge(ctx, a, b)
				require.ErrorIs(t, err, crm.ErrNotFound, k.Name())
				require.Equal(t, strings.ReplaceAll(none.Error(), missing.String(), "ID"), strings.ReplaceAll(err.Error(), a.String(), "ID"))
				none = k.Unmerge(ctx, missing)
				err = k.Unmerge(ctx, merge.ID)
				require.ErrorIs(t, err, crm.ErrNotFound, k.Name())
				require.Equal(t, strings.ReplaceAll(none.Error(), missing.String(), "ID"), strings.ReplaceAll(err.Error(), merge.ID.String(), "ID"))
			}
			require.NoError(t, k.Unmerge(m.sys, merge.ID))
		}
		s.whole(t)
	})
}

// TestEveryReferenceIsRelinked merges records of every kind, with a record of each kind
// that refers to the one that is absorbed.
func TestEveryReferenceIsRelinked(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		for _, to := range crm.KindsOf(s.Core.Core) {
			if to.Own() {
				continue
			}
			a, b := m.make(t, to), m.make(t, to)
			type end struct {
				kind  crm.AnyKindOf
				field string
				id    crm.ID
			}
			var ends []end
			for _, from := range crm.KindsOf(s.Core.Core) {
				for field, kind := range from.References() {
					if from.Own() || kind != to.Name() {
						continue
					}
					v := m.fill(t, from)
					crm.FieldOf(v, field).Set(reflect.ValueOf(b))
					_, id, err := from.Create(m.sys, v)
					require.NoError(t, err)
					ends = append(ends, end{from, field, id})
				}
			}
			leads := func(id crm.ID) {
				for _, e := range ends {
					v, err := e.kind.Get(m.sys, e.id)
					require.NoError(t, err)
					require.Equal(t, id, crm.FieldOf(v, e.field).Interface(), "%s.%s", e.kind.Name(), e.field)
				}
			}
			merge, err := to.Merge(m.sys, a, b)
			require.NoError(t, err)
			leads(a)
			require.NoError(t, to.Unmerge(m.sys, merge.ID))
			leads(b)
		}
		s.whole(t)
	})
}
