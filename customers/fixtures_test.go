package customers_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/phone"
	"github.com/embedcrm/embedcrm/crm/pinyin"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// desk is a core with customers, and their tenant's policy.
type desk struct {
	*crmtest.Core
	*customers.Customers

	policy customers.Policy
	engine enginetest.Engine
}

func newDesk(tb testing.TB, store storage.Store, policy customers.Policy) *desk {
	tb.Helper()
	return newDeskWith(tb, store, policy, func(*crm.Core) error { return nil })
}

// newDeskWith is newDesk of a host that defines more.
func newDeskWith(tb testing.TB, store storage.Store, policy customers.Policy, define func(*crm.Core) error) *desk {
	tb.Helper()
	d := &desk{policy: policy}
	d.Core = crmtest.On(tb, store, crm.Config{Phones: phone.Normal, Readings: pinyin.Readings}, func(c *crm.Core) (err error) {
		d.Customers, err = customers.New(c)
		if err == nil {
			d.SetPolicy(func(string) customers.Policy { return d.policy })
			err = define(c)
		}
		return err
	})
	return d
}

// atDesk runs fn on a desk in either engine, as dana of acme.
func atDesk(t *testing.T, policy customers.Policy, fn func(ctx context.Context, t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store, policy)
		d.engine = e
		fn(as(t, "dana"), t, d)
		d.whole(t)
	})
}

// as is the context of a member.
var as = crmtest.As

func (d *desk) person(ctx context.Context, tb testing.TB, name, email string) customers.Customer {
	tb.Helper()
	made, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: name, Email: email})
	require.NoError(tb, err)
	return made
}

// role makes a member of acme one who may what grants say.
func (d *desk) role(tb testing.TB, member string, grants []crm.Grant, fields ...crm.FieldRule) {
	tb.Helper()
	system := crm.System(tb.Context(), "acme")
	made, err := d.Roles.Create(system, crm.Role{Name: "Role of " + member, Grants: grants, Fields: fields})
	require.NoError(tb, err)
	_, err = d.Members.Create(system, crm.Member{Key: member, Name: member, RoleIDs: []crm.ID{made.ID}})
	require.NoError(tb, err)
}

// exec runs SQL past the CRM, %s in it being a table, and an id its argument.
func (d *desk) exec(tb testing.TB, text, table string, id crm.ID) {
	tb.Helper()
	_, err := d.engine.DB.ExecContext(tb.Context(), d.sql(text, table), d.key(id))
	require.NoError(tb, err)
}

// rows returns how many rows of a table are a customer's, as a list that is empty for none.
func (d *desk) rows(tb testing.TB, table string, id crm.ID) []struct{} {
	tb.Helper()
	var n int
	require.NoError(tb, d.engine.DB.QueryRowContext(tb.Context(), d.sql("SELECT count(*) FROM %s WHERE customer_id = $1", table), d.key(id)).Scan(&n))
	return make([]struct{}, n)
}

func (d *desk) sql(text, table string) string {
	if d.engine.Name == "postgres" {
		return fmt.Sprintf(text, "crm."+table)
	}
	return fmt.Sprintf(text, "crm_"+table)
}

func (d *desk) key(id crm.ID) any {
	if d.engine.Name == "postgres" {
		return id.String()
	}
	return id[:]
}

// whole holds everything stored to the kernel's invariants.
func (d *desk) whole(tb testing.TB) {
	tb.Helper()
	problems, err := d.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

func email(value string) crm.Address  { return crm.Address{Kind: crm.AddressEmail, Value: value} }
func number(value string) crm.Address { return crm.Address{Kind: crm.AddressPhone, Value: value} }
func wechat(value string) crm.Address { return crm.Address{Kind: "wechat", Value: value} }
