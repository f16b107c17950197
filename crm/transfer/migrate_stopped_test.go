package transfer_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// states are those of all imports, in the order in which they began.
func (s *shop) states(t *testing.T) (states []transfer.State) {
	t.Helper()
	for im, err := range s.transfer.Imports.All(as(t), crm.OrderBy("id")) {
		require.NoError(t, err)
		states = append(states, im.State)
	}
	return states
}

// TestAMigrationThatWasStoppedIsTakenToItsEnd stops one by an error in the middle of a table.
func TestAMigrationThatWasStoppedIsTakenToItsEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		const rows = 1500 // more than one part
		var text strings.Builder
		text.WriteString("ID,Name\n")
		for n := range rows {
			fmt.Fprintf(&text, "%d,Company %d\n", n, n)
		}
		p, src := s.plan(t, "Name\nBy itself\n", transfer.Plan{Object: "company"})
		never := transfer.Options{Inspect: func(context.Context, string, []crm.ID) (map[crm.ID][]string, error) { return nil, errStopped }}
		_, err := s.transfer.Import(as(t), src, p, never)
		require.ErrorIs(t, err, errStopped)
		m := transfer.Migration{System: "erp", Tables: []transfer.Table{{Name: "companies", Plan: transfer.Plan{Object: "company"}, Open: opens(text.String())}}}
		asked := 0
		stop := transfer.Options{Inspect: func(context.Context, string, []crm.ID) (map[crm.ID][]string, error) {
			if asked++; asked > 1 {
				return nil, errStopped
			}
			return nil, nil
		}}
		stopped, err := s.transfer.Migrate(as(t), m, stop)
		require.ErrorIs(t, err, errStopped)
		require.EqualValues(t, 1000, stopped.Tables[0].Report.Created)
		_, err = s.transfer.DryRunMigration(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, []transfer.State{transfer.Running, transfer.Running}, s.states(t), "a dry run takes nothing to its end")
		_, err = s.transfer.Resume(as(t), stopped.Tables[0].Report.ID, src, transfer.Options{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "is part of a migration (erp: companies): call Migrate again")

		report, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 1500 created 500 updated 0 skipped 1000 failed 0 flagged 0", counts(report.Tables[0].Report))
		require.Equal(t, []transfer.State{transfer.Running, transfer.Superseded, transfer.Done}, s.states(t), "and of another import nothing is touched")
		for _, id := range []crm.ID{report.Tables[0].Report.ID, stopped.Tables[0].Report.ID} {
			undone, err := s.transfer.Revert(as(t), id)
			require.NoError(t, err)
			require.Zero(t, undone.Left)
		}
		require.Equal(t, []transfer.State{transfer.Running, transfer.Reverted, transfer.Reverted}, s.states(t))
		n, err := s.companies.Count(as(t))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// TestTwoRunsOfAMigrationAtOnce begins a second run while a first is on its way: the first
// ends, and does not say that it is done.
func TestTwoRunsOfAMigrationAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := transfer.Migration{System: "erp", Tables: []transfer.Table{{Plan: transfer.Plan{Object: "company"}, Open: opens("ID,Name\n1,Acme\n")}}}
		second := false
		_, err := s.transfer.Migrate(as(t), m, transfer.Options{Progress: func(transfer.Report) {
			second = true
			_, err := s.transfer.Migrate(as(t), m, transfer.Options{})
			require.NoError(t, err)
		}})
		require.True(t, second)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.Equal(t, []transfer.State{transfer.Superseded, transfer.Done}, s.states(t))
	})
}
