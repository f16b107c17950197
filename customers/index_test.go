package customers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestIdentifyReadsByIndexes holds that whom an address is asks the indexes of addresses,
// and never reads customers in the order of a list until one fits.
func TestIdentifyReadsByIndexes(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		var people *customers.Customers
		crmtest.On(t, e.Store, crm.Config{}, func(c *crm.Core) (err error) {
			people, err = customers.New(c)
			return err
		})
		ctx := as(t, "dana")
		list := make([]customers.Customer, 2000)
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: "Ada", Email: fmt.Sprintf("a%d@example.com", i), Phone: fmt.Sprintf("+49%d", 1000+i)}
		}
		_, err := people.CreateAll(ctx, list)
		require.NoError(t, err)
		_, err = e.DB.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		heard.Forget()
		done, err := people.Identify(ctx, customers.Customer{Email: "a7@example.com"}, number("+49 99"), wechat("ada"))
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyAttached, done.Outcome)
		reads := heard.Reads()
		require.NotEmpty(t, reads)
		for _, s := range reads {
			require.NotContains(t, e.Explain(t, s), "customer_updated", s.Text)
		}
	})
}

// TestCheckReadsByIndexes holds that a check is two statements, by the index of match keys
// and by ids, and that without a policy writing asks nothing.
func TestCheckReadsByIndexes(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		d.person(ctx, t, "Ada Lovelace", "ada@example.com")
		heard.Forget()
		d.person(ctx, t, "Grace Hopper", "grace@example.com")
		for _, s := range heard.Reads() {
			require.NotContains(t, s.Text, "duplicate", "without a policy")
		}

		_, err := d.Duplicates.Policies.Create(ctx, customers.DuplicatePolicy{Kind: customers.Person})
		require.NoError(t, err)
		list := make([]customers.Customer, 2000)
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprintf("Ada %d", i), Email: fmt.Sprintf("a%d@example.com", i)}
		}
		_, err = d.CreateAll(ctx, list)
		require.NoError(t, err)
		_, err = e.DB.ExecContext(ctx, "ANALYZE")
		require.NoError(t, err)
		_, err = d.Duplicates.Check(ctx, customers.Customer{Name: "Ada"})
		require.NoError(t, err)
		heard.Forget()
		found, err := d.Duplicates.Check(ctx, customers.Customer{Name: "Ada 7", Email: "a7@example.com"})
		require.NoError(t, err)
		require.Len(t, found, 1)
		reads := heard.Reads()
		require.Len(t, reads, 2)
		require.Contains(t, reads[0].Text, "duplicate_key")
		for _, s := range reads {
			plan := e.Explain(t, s)
			require.NotContains(t, plan, "customer_updated", s.Text)
			require.NotContains(t, plan, "Seq Scan", s.Text)
			require.NotRegexp(t, `SCAN (crm_duplicate_key|crm_customer|t)\b`, plan, s.Text)
		}
	})
}

// TestSegmentsFollowManyChangesByFewReads holds that which segments ask about what changed
// is read for all that is at hand, and not for each change.
func TestSegmentsFollowManyChangesByFewReads(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		for _, country := range []string{"DE", "FR"} {
			_, err := d.Segments.Create(ctx, customers.Segment{Key: strings.ToLower(country), Name: country, Kind: customers.DynamicSegment, Where: crm.Filter{Text: "country == '" + country + "'"}})
			require.NoError(t, err)
		}
		require.NoError(t, d.RunDue(t.Context()))
		list := make([]customers.Customer, 150)
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprint("Ada ", i), Country: []string{"DE", "FR"}[i%2]}
		}
		_, err := d.Customers.CreateAll(ctx, list)
		require.NoError(t, err)
		heard.Forget()
		require.NoError(t, d.RunDue(t.Context()))
		reads := 0
		for _, s := range heard.Reads() {
			if strings.Contains(s.Text, "segment_use") {
				reads++
			}
		}
		require.LessOrEqual(t, reads, 6, "one that is at work for all, and whether there is any")
		n, err := d.Segments.Count(ctx, "de")
		require.NoError(t, err)
		require.EqualValues(t, 75, n)
	})
}

// TestCustomersAreFoundByNameByAnIndex: the names that rows of an import refer to are looked
// for among those who have them, also by a database that has not looked at its tables yet.
func TestCustomersAreFoundByNameByAnIndex(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		list, names := make([]customers.Customer, 3000), []string{}
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Organisation, Name: fmt.Sprintf("Company %d GmbH", i)}
			if i%100 == 0 {
				names = append(names, strings.ToUpper(list[i].Name))
			}
		}
		_, err := d.Customers.CreateAll(ctx, list)
		require.NoError(t, err)
		records, err := d.Records("customer")
		require.NoError(t, err)
		heard.Forget()
		found, err := records.Find(ctx, "name", names)
		require.NoError(t, err)
		require.Len(t, found, len(names))
		reads := slices.DeleteFunc(heard.Reads(), func(s enginetest.Statement) bool { return !strings.Contains(s.Text, "name_fold") })
		require.NotEmpty(t, reads)
		for _, s := range reads {
			require.Contains(t, e.Explain(t, s), "customer_name_fold", s.Text)
		}
	})
}

// TestManyRelationshipsReadWhoseTheyAreOnce: that persons work at organisations is held for
// all that are made together by one read of them, whoever was merged into another included.
func TestManyRelationshipsReadWhoseTheyAreOnce(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		both, err := d.Customers.CreateAll(ctx, []customers.Customer{{Kind: customers.Organisation, Name: "Acme"}, {Kind: customers.Organisation, Name: "Acme Inc."}})
		require.NoError(t, err)
		acme, gone := both[0], both[1]
		_, _, err = d.Customers.Merge(ctx, acme.ID, []crm.ID{gone.ID}, crm.MergeRules{})
		require.NoError(t, err)
		staff := make([]customers.Customer, 50)
		for i := range staff {
			staff[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprint("Ada ", i)}
		}
		staff, err = d.Customers.CreateAll(ctx, staff)
		require.NoError(t, err)
		list := make([]customers.Relationship, len(staff))
		for i, ada := range staff {
			list[i] = customers.Relationship{CustomerID: ada.ID, OtherID: acme.ID, Kind: customers.WorksAt}
		}
		list[7].OtherID = gone.ID
		wrong := slices.Clone(list)
		wrong[9].OtherID = staff[0].ID
		_, err = d.Relationships.CreateAll(ctx, wrong)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "other_id")

		heard.Forget()
		made, err := d.Relationships.CreateAll(ctx, list)
		require.NoError(t, err)
		require.Equal(t, acme.ID, made[7].OtherID)
		reads := slices.DeleteFunc(heard.Reads(), func(s enginetest.Statement) bool { return !strings.Contains(s.Text, `"given_name"`) })
		require.LessOrEqual(t, len(reads), 6, "one for all, and some for who was merged")
	})
}
