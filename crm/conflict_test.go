package crm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestConflictsCountInWords(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		c := s.company(t, ctx, "a")
		for _, says := range []string{"1 deal still refers to it by company_id: change or delete it first", "2 deals still refer to it by company_id: change or delete them first"} {
			_, err := s.deals.Create(ctx, deal{Name: "d", CompanyID: c.ID})
			require.NoError(t, err)
			taken, ok := errors.AsType[*crm.ConflictError](s.companies.Delete(ctx, c.ID))
			require.True(t, ok)
			require.Equal(t, says, taken.Reason)
		}
	})
}

// TestARepeatedCreateSaysTheID creates the same record again, as a client does that did
// not hear the answer: whatever unique value it has, it is the id that is taken.
func TestARepeatedCreateSaysTheID(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "no", Type: crm.FieldInt, Unique: true})
		v := company{Name: "a", Email: "a@example.com", Record: crm.Record{ID: crm.ID{7}, Refs: crm.Refs{"erp": "1"}, Custom: crm.Custom{"no": 1}}}
		repeated := func(err error) {
			t.Helper()
			taken, ok := errors.AsType[*crm.ConflictError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, "id", taken.Field)
			require.Equal(t, crm.ID{7}, taken.Holder)
		}
		_, err := s.companies.Create(ctx, v)
		require.NoError(t, err)
		_, err = s.companies.Create(ctx, v)
		repeated(err)
		_, err = s.companies.CreateAll(ctx, []company{{Name: "b"}, v})
		repeated(err)
		require.ErrorContains(t, err, "record 1")
		require.NoError(t, s.companies.Delete(ctx, v.ID))
		_, err = s.companies.Create(ctx, v)
		repeated(err)
		require.NoError(t, s.companies.Purge(ctx, v.ID))
		_, err = s.companies.Create(ctx, v)
		repeated(err) // its history is there

		// Upserts of one record with an id of its own are one record.
		w := company{Name: "w", Record: crm.Record{ID: crm.ID{8}, Refs: crm.Refs{"erp": "2"}}}
		together(t, 8, func(int) error {
			_, _, err := s.companies.Upsert(ctx, w)
			return err
		})
		_, _, err = s.companies.Upsert(ctx, company{Name: "x", Record: crm.Record{ID: crm.ID{8}, Refs: crm.Refs{"erp": "3"}}})
		taken, ok := errors.AsType[*crm.ConflictError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "id", taken.Field)
	})
}

// TestAFilterAtFaultIsNamed holds the errors of conditions to one form.
func TestAFilterAtFaultIsNamed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		for text, says := range map[string]string{
			"score ==":                 "at byte 7",
			"nothing == 1":             "at byte 0 (nothing)",
			"score > 1 and name == 5":  "at byte 14",
			"score > $1":               "$1",
			"custom.nothing == 1":      "custom.nothing",
			strings.Repeat("x", 5_000): "4096",
		} {
			for what, err := range map[string]error{
				"list":   func() error { _, err := s.deals.List(ctx, crm.Where(text)); return err }(),
				"count":  func() error { _, err := s.deals.Count(ctx, crm.Where(text)); return err }(),
				"facets": func() error { _, err := s.deals.Facets(ctx, "stage", crm.Where(text)); return err }(),
			} {
				bad, ok := errors.AsType[*crm.InvalidError](err)
				require.True(t, ok, "%s: %v", what, err)
				require.Len(t, bad.Faults, 1)
				require.Equal(t, "where", bad.Faults[0].Field)
				require.Contains(t, bad.Faults[0].Reason, says, what)
			}
		}
		_, err := s.deals.Count(ctx, crm.Where("score > 1"), crm.Where("nothing == 1"))
		require.ErrorContains(t, err, "where: condition 2 of 2: at byte 0 (nothing)")
	})
}
