package customers_test

import (
	"fmt"
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
