package crm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestListsOfInstances(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		ctx := as(t, "dana")
		w.publish(t, ctx, crm.Process{Steps: []crm.Step{{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "done"}, {Key: "done", Kind: crm.StepEnd}}})
		d := w.deal(t, ctx)
		var started []crm.ID
		for range 5 {
			in, err := w.Processes.Start(ctx, "follow", d.ID)
			require.NoError(t, err)
			started = append(started, in.ID)
		}
		w.run(t, 0)
		var seen []crm.ID
		for after := ""; ; {
			page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal", Process: "follow", State: crm.InstanceWaiting}, crm.Limit(2), crm.After(after))
			require.NoError(t, err)
			for _, in := range page.Items {
				seen = append(seen, in.ID)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		require.ElementsMatch(t, started, seen)
		for _, f := range []crm.InstanceFilter{{Object: "deal", State: crm.InstanceDone}, {Object: "deal", Process: "other"}, {Object: "company"}} {
			page, err := w.Instances.List(ctx, f)
			require.NoError(t, err)
			require.Empty(t, page.Items)
		}
		_, err := w.Instances.List(ctx, crm.InstanceFilter{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"}, crm.Where("true"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"}, crm.After("x"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"}, crm.Limit(1001))
		require.ErrorIs(t, err, crm.ErrInvalid)
		first, err := w.Instances.History(ctx, started[0], crm.Limit(1))
		require.NoError(t, err)
		require.Empty(t, first.Items, "it is at its first step still")
		w.run(t, 24*time.Hour)
		first, err = w.Instances.History(ctx, started[0], crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, "rest", first.Items[0].Step)
		rest, err := w.Instances.History(ctx, started[0], crm.After(first.Next))
		require.NoError(t, err)
		require.Equal(t, "done", rest.Items[0].Step)
	})
}
