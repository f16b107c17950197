package crm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestRightsOnProcesses(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		sys := crm.System(t.Context(), "acme")
		p := w.publish(t, sys, crm.Process{Steps: []crm.Step{
			{Key: "rest", Kind: crm.StepWait, For: "1d", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		role := func(name string, grants ...crm.Grant) crm.ID {
			made, err := w.Roles.Create(sys, crm.Role{Name: name, Grants: grants})
			require.NoError(t, err)
			return made.ID
		}
		own := role("own", crm.Allow("deal", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate, crm.VerbCreate)...)
		look := role("look", crm.Allow("deal", crm.LevelAll, crm.VerbRead)...)
		steer := role("steer", append(crm.Allow("process", crm.LevelAll), crm.Allow("deal", crm.LevelAll, crm.VerbRead)...)...)
		member := func(key string, roles ...crm.ID) {
			_, err := w.Members.Create(sys, crm.Member{Key: key, Name: key, RoleIDs: roles})
			require.NoError(t, err)
		}
		member("olga", own)
		member("otto", own)
		member("luis", look)
		member("stan", steer)
		olga, otto, luis, stan := as(t, "olga"), as(t, "otto"), as(t, "luis"), as(t, "stan")
		d := w.deal(t, olga)
		start := func(ctx context.Context) error {
			_, err := w.Processes.Start(ctx, "follow", d.ID)
			return err
		}
		require.ErrorIs(t, start(otto), crm.ErrNotFound)
		require.ErrorIs(t, start(luis), crm.ErrForbidden)
		in, err := w.Processes.Start(olga, "follow", d.ID)
		require.NoError(t, err, "to start it takes no right on processes")
		w.run(t, 0)
		for ctx, sees := range map[context.Context]bool{olga: true, otto: false, luis: true, stan: true} {
			_, err := w.Instances.Get(ctx, in.ID)
			require.Equal(t, sees, err == nil)
			_, err = w.Instances.History(ctx, in.ID)
			require.Equal(t, sees, err == nil)
			page, err := w.Instances.List(ctx, crm.InstanceFilter{Object: "deal"})
			require.NoError(t, err)
			require.Equal(t, sees, len(page.Items) == 1)
		}
		_, err = w.Instances.Get(otto, in.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.ErrorIs(t, w.Instances.Cancel(otto, in.ID, "x"), crm.ErrNotFound)
		require.ErrorIs(t, w.Instances.Cancel(luis, in.ID, "x"), crm.ErrForbidden)
		require.ErrorIs(t, w.Instances.Retry(luis, in.ID), crm.ErrForbidden)
		_, err = w.Instances.CallbackToken(luis, in.ID, "rest")
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.ErrorIs(t, w.Instances.Move(olga, in.ID, "", "done", "x"), crm.ErrForbidden)
		require.ErrorIs(t, w.Instances.Resolve(olga, in.ID, "rest", true, "", "x"), crm.ErrForbidden)
		_, err = w.Instances.Stuck(olga)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = w.Processes.Times(olga, p.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = w.Processes.Publish(olga, p.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.NoError(t, w.Instances.Move(stan, in.ID, "rest", "rest", "begin again"))
		require.NoError(t, w.Instances.Cancel(olga, in.ID, "enough"))
		require.Equal(t, []string{"rest/moved", "rest/cancelled"}, w.path(t, olga, in.ID))

		// Another tenant sees nothing of it, whatever its rights.
		other := crm.System(t.Context(), "other")
		require.NoError(t, w.Tenants.Ensure(other, "other"))
		_, err = w.Instances.Get(other, in.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = w.Instances.History(other, in.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.ErrorIs(t, w.Instances.Cancel(other, in.ID, "x"), crm.ErrNotFound)
		_, err = w.Processes.Start(other, "follow", d.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
		page, err := w.Instances.List(other, crm.InstanceFilter{Object: "deal"})
		require.NoError(t, err)
		require.Empty(t, page.Items)
		_, err = w.Instances.Get(t.Context(), in.ID)
		require.ErrorIs(t, err, crm.ErrUnscoped)
	})
}

// Nobody learns by a process what he may not read.
func TestProcessesShowNoHiddenField(t *testing.T) {
	processes(t, func(t *testing.T, w *works) {
		sys := crm.System(t.Context(), "acme")
		steps := []crm.Step{
			{Key: "rich", Kind: crm.StepChoose, Cases: []crm.Case{{If: "cost > money('1', 'EUR')", Next: "done"}}, Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}
		p, err := w.Processes.Create(sys, crm.Process{Key: "p", Name: "p", Object: "deal", Steps: steps})
		require.NoError(t, err)
		role, err := w.Roles.Create(sys, crm.Role{
			Name: "all", Grants: crm.Allow(crm.AnyKind, crm.LevelAll), Fields: []crm.FieldRule{
				{Object: "deal", Field: "cost", Access: crm.FieldHidden}, {Object: "deal", Field: "close_on", Access: crm.FieldHidden},
			},
		})
		require.NoError(t, err)
		_, err = w.Members.Create(sys, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		ctx := as(t, "dana")
		d := w.deal(t, sys)
		_, err = w.Processes.DryRun(ctx, p.ID, d.ID)
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = w.Processes.Create(ctx, crm.Process{Key: "q", Name: "q", Object: "deal", Steps: steps})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = w.Processes.Create(ctx, crm.Process{Key: "q", Name: "q", Object: "deal", Steps: []crm.Step{
			{Key: "rest", Kind: crm.StepWait, Until: "close_on", Next: "done"}, {Key: "done", Kind: crm.StepEnd},
		}})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = w.Processes.DryRun(sys, p.ID, d.ID)
		require.NoError(t, err)
	})
}
