package crm_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestUpsertByCustomField(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Unique: true})
		s.field(t, ctx, crm.CustomField{Name: "no", Type: crm.FieldInt, Unique: true})
		s.field(t, ctx, crm.CustomField{Name: "city", Type: crm.FieldText, Indexed: true})
		with := func(name string, custom crm.Custom) company {
			return company{Name: name, Record: crm.Record{Custom: custom}}
		}
		a, did, err := s.companies.Upsert(ctx, with("Ada", crm.Custom{"tax_no": "DE 1", "city": "Bonn"}), "custom.tax_no")
		require.NoError(t, err)
		require.Equal(t, crm.Created, did)
		b, did, err := s.companies.Upsert(ctx, with("Ada Ltd", crm.Custom{"tax_no": " de  1 ", "no": 7}), "custom.tax_no")
		require.NoError(t, err)
		require.Equal(t, crm.Updated, did)
		require.Equal(t, a.ID, b.ID, "texts that fold to the same are the same")
		require.Equal(t, crm.Custom{"tax_no": "de  1", "city": "Bonn", "no": int64(7)}, b.Custom)
		c, did, err := s.companies.Upsert(ctx, with("Ada Ltd", crm.Custom{"no": 7}))
		require.NoError(t, err)
		require.Equal(t, crm.Unchanged, did, "without names the unique custom fields count too")
		require.Equal(t, a.ID, c.ID)

		other, did, err := s.companies.Upsert(ctx, company{Name: "Bob", Email: "bob@example.com", Record: crm.Record{Custom: crm.Custom{"no": 8}}})
		require.NoError(t, err)
		require.Equal(t, crm.Created, did)
		_, _, err = s.companies.Upsert(ctx, with("?", crm.Custom{"no": 8, "tax_no": "DE 1"}))
		require.ErrorIs(t, err, crm.ErrConflict)
		_, _, err = s.companies.Upsert(ctx, company{Name: "?", Email: "bob@example.com", Record: crm.Record{Custom: crm.Custom{"no": 7}}}, "email", "custom.no")
		require.ErrorContains(t, err, "custom.no: belongs to another record")
		_, _, err = s.companies.Upsert(ctx, with("?", crm.Custom{"no": "seven"}), "custom.no")
		require.ErrorContains(t, err, "custom.no: holds")
		for by, says := range map[string]string{
			"custom.city": "no unique field", "custom.nothing": "no unique field", "custom.tax_no": "no value",
		} {
			_, _, err = s.companies.Upsert(ctx, with("?", crm.Custom{"no": 9}), by)
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, says)
		}

		// A deleted record frees its value.
		require.NoError(t, s.companies.Delete(ctx, other.ID))
		d, did, err := s.companies.Upsert(ctx, with("New Bob", crm.Custom{"no": 8}), "custom.no")
		require.NoError(t, err)
		require.Equal(t, crm.Created, did)
		require.NotEqual(t, other.ID, d.ID)

		// What is not ready does not find all records.
		late := s.fieldOnly(t, ctx, crm.CustomField{Object: "company", Name: "late", Type: crm.FieldText, Unique: true})
		_, _, err = s.companies.Upsert(ctx, with("?", crm.Custom{"late": "x"}), "custom.late")
		require.ErrorContains(t, err, "not ready")
		_, _, err = s.companies.Upsert(ctx, with("?", crm.Custom{"late": "x"}))
		require.ErrorContains(t, err, "nothing to know the record by")
		s.filled(t, ctx, late)
		_, did, err = s.companies.Upsert(ctx, with("?", crm.Custom{"late": "x"}))
		require.NoError(t, err)
		require.Equal(t, crm.Created, did)
		s.whole(t)
	})
}

// TestUpsertsByCustomFieldLeaveOneRecord lets many writers want the same at once.
func TestUpsertsByCustomFieldLeaveOneRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Unique: true})
		const writers = 16
		outcomes := make([]crm.Outcome, writers)
		together(t, writers, func(n int) error {
			no := []string{"DE 1", "de  1"}[n%2]
			_, did, err := s.companies.Upsert(ctx, company{Name: fmt.Sprint("Name ", n), Record: crm.Record{Custom: crm.Custom{"tax_no": no}}}, "custom.tax_no")
			outcomes[n] = did
			return err
		})
		created := 0
		for _, did := range outcomes {
			if did == crm.Created {
				created++
			}
		}
		require.Equal(t, 1, created)
		n, err := s.companies.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		s.whole(t)
	})
}

// TestUpsertTellsNothingOfWhatIsHidden holds that who may not read a field does not
// learn by an upsert whether a record has a value.
func TestUpsertTellsNothingOfWhatIsHidden(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		s.field(t, f.sys, crm.CustomField{Name: "secret", Type: crm.FieldText, Unique: true})
		f.grant(t, crm.Allow("company", crm.LevelAll),
			crm.FieldRule{Object: "company", Field: "custom.secret", Access: crm.FieldHidden},
			crm.FieldRule{Object: "company", Field: "email", Access: crm.FieldHidden})
		_, err := s.companies.Create(f.sys, company{Name: "A", Email: "a@example.com", Record: crm.Record{Custom: crm.Custom{"secret": "1"}}})
		require.NoError(t, err)
		says := func(v company, by ...string) string {
			_, _, err := s.companies.Upsert(as(t, "ada"), v, by...)
			require.ErrorIs(t, err, crm.ErrForbidden)
			return err.Error()
		}
		for _, by := range [][]string{nil, {"custom.secret"}} {
			there := says(company{Name: "A", Record: crm.Record{Custom: crm.Custom{"secret": "1"}}}, by...)
			require.Equal(t, there, says(company{Name: "A", Record: crm.Record{Custom: crm.Custom{"secret": "2"}}}, by...))
		}
		require.Equal(t, says(company{Name: "A", Email: "a@example.com"}), says(company{Name: "A", Email: "b@example.com"}))
	})
}
