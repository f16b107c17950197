package crm_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// rename gives a field another name.
func (s *shop) rename(t *testing.T, ctx context.Context, id crm.ID, name string) { //nolint:revive // the test comes first
	t.Helper()
	s.Clock.Advance(time.Minute)
	_, err := s.Fields.Update(ctx, id, func(f *crm.CustomField) error { f.Name = name; return nil })
	require.NoError(t, err)
	s.Clock.Advance(time.Minute)
}

// TestAsOfKnowsFieldsByAnyName follows fields through names that others have later.
func TestAsOfKnowsFieldsByAnyName(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.Clock.Advance(time.Minute)
		tier := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText})
		c := s.with(t, ctx, "a", crm.Custom{"tier": "gold"})
		first := s.Clock.Now()
		s.rename(t, ctx, tier.ID, "level")
		asOf := func(at time.Time) crm.Custom {
			t.Helper()
			was, err := s.companies.AsOf(ctx, c.ID, at)
			require.NoError(t, err)
			return was.Custom
		}
		require.Equal(t, crm.Custom{"level": "gold"}, asOf(first), "by the name it has today")
		require.Equal(t, crm.Custom{"level": "gold"}, asOf(s.Clock.Now()))

		// Another field gets the name that is free.
		other := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText})
		s.Clock.Advance(time.Minute)
		_, err := s.set(ctx, c.ID, crm.Custom{"tier": "second", "level": "tin"})
		require.NoError(t, err)
		second := s.Clock.Now()
		require.Equal(t, crm.Custom{"level": "gold"}, asOf(first))
		require.Equal(t, crm.Custom{"level": "tin", "tier": "second"}, asOf(second))

		// It goes, and a third one has it.
		s.Clock.Advance(time.Minute)
		require.NoError(t, s.Fields.Delete(ctx, other.ID))
		s.Clock.Advance(time.Minute)
		third := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText})
		require.Equal(t, crm.Custom{"level": "tin"}, asOf(second), "the values were another field's")
		s.Clock.Advance(time.Minute)
		_, err = s.set(ctx, c.ID, crm.Custom{"tier": "third"})
		require.NoError(t, err)
		s.rename(t, ctx, third.ID, "grade")
		s.rename(t, ctx, tier.ID, "rank")
		_, err = s.Fields.Restore(ctx, other.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"rank": "gold"}, asOf(first))
		require.Equal(t, crm.Custom{"rank": "tin", "tier": "second"}, asOf(second))
		require.Equal(t, crm.Custom{"rank": "tin", "tier": "second", "grade": "third"}, asOf(s.Clock.Now()))
		now, err := s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, now.Custom, asOf(s.Clock.Now()))
	})
}

// TestARenamedFieldStaysHidden holds that a field that is hidden is not shown by its
// earlier name, and is not renamed out of a role's sight.
func TestARenamedFieldStaysHidden(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		ada := as(t, "ada")
		margin := s.field(t, f.sys, crm.CustomField{Name: "margin", Type: crm.FieldText})
		c := s.with(t, f.sys, "a", crm.Custom{"margin": "9"})
		hide := func(names ...string) {
			rules := make([]crm.FieldRule, len(names))
			for i, name := range names {
				rules[i] = crm.FieldRule{Object: "company", Field: name, Access: crm.FieldHidden}
			}
			f.grant(t, crm.Allow("company", crm.LevelAll), rules...)
		}
		hide("custom.margin")
		_, err := s.Fields.Update(f.sys, margin.ID, func(f *crm.CustomField) error { f.Name = "profit"; return nil })
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, `role "Rep", which has to take custom.profit away too`)
		hide("custom.margin", "custom.profit")
		s.rename(t, f.sys, margin.ID, "profit")
		hide("custom.profit") // the old name is nobody's
		_, err = s.set(f.sys, c.ID, crm.Custom{"profit": "10"})
		require.NoError(t, err)

		history, err := s.companies.History(ada, c.ID)
		require.NoError(t, err)
		require.Len(t, history.Items, 2)
		for _, e := range history.Items {
			for _, change := range e.Changes {
				require.NotContains(t, change.Field, "custom.")
			}
		}
		was, err := s.companies.AsOf(ada, c.ID, s.Clock.Now())
		require.NoError(t, err)
		require.Empty(t, was.Custom)
		was, err = s.companies.AsOf(f.sys, c.ID, s.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"profit": "10"}, was.Custom)
		history, err = s.companies.History(f.sys, c.ID)
		require.NoError(t, err)
		require.Equal(t, "custom.margin", history.Items[1].Changes[0].Field, "the history says what was written")

		hide("custom")
		history, err = s.companies.History(ada, c.ID)
		require.NoError(t, err)
		require.Empty(t, history.Items[0].Changes)
	})
}
