package customers_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/customers"
)

func TestAddressesAreKeptInTheirNormalForm(t *testing.T) {
	atDesk(t, customers.Policy{Region: "DE"}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: " Ada@EXAMPLE.com ", Phone: "030 901820"})
		require.NoError(t, err)
		require.Equal(t, "Ada@example.com", ada.Email)
		require.Equal(t, "+4930901820", ada.Phone, "as the policy's region dials it")
		grace, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Grace", Country: "US", Phone: "(202) 456-1111"})
		require.NoError(t, err)
		require.Equal(t, "+12024561111", grace.Phone, "as the customer's country dials it")
		mobile, err := d.Identities.Create(ctx, customers.Identity{CustomerID: grace.ID, Kind: crm.AddressPhone, Value: "202 456 1414", Label: "mobile"})
		require.NoError(t, err)
		require.Equal(t, "+12024561414", mobile.Value)

		ada, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Name = "Ada L."; return nil })
		require.NoError(t, err)
		require.Equal(t, "+4930901820", ada.Phone)
	})
}

func TestWhatIsNoAddressIsKeptAndFlagged(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "ada at home", Phone: "ask Bob"})
		require.NoError(t, err)
		require.Equal(t, "ada at home", ada.Email)
		require.Equal(t, "ask Bob", ada.Phone)
		require.True(t, ada.EmailMalformed && ada.PhoneMalformed)
		n, err := d.Count(ctx, crm.Where("email_malformed and phone_malformed"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		other, err := d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "@"})
		require.NoError(t, err)
		require.True(t, other.Malformed)
		require.True(t, func() bool { a := other.Address(); return a.IsZero() }())

		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: "We Chat", Value: "ada"})
		require.ErrorContains(t, err, "kind: is email, phone or a network's name")
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: crm.ID{1}, Kind: "wechat", Value: "ada"})
		require.ErrorContains(t, err, "customer_id")

		ada, err = d.Update(ctx, ada.ID, func(c *customers.Customer) error {
			c.Email, c.Phone, c.EmailMalformed = "ada@example.com", "", true
			return nil
		})
		require.NoError(t, err)
		require.False(t, ada.EmailMalformed || ada.PhoneMalformed, "the flags follow the addresses")
	})
}

func TestAnAddressIsKnownForEveryoneWhoHasIt(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "family@example.com")
		bob := d.person(ctx, t, "Bob", "bob@example.com")
		_, err := d.Identities.Create(ctx, customers.Identity{CustomerID: bob.ID, Kind: crm.AddressEmail, Value: "Family@Example.com", Label: "home"})
		require.NoError(t, err)

		_, err = d.ContactPoints.MarkInvalid(ctx, email("FAMILY@example.com"), "550 no such mailbox")
		require.NoError(t, err)
		late := d.person(ctx, t, "Carol", "family@example.com")
		for _, id := range []crm.ID{ada.ID, bob.ID, late.ID} {
			list, err := d.Addresses(ctx, id)
			require.NoError(t, err)
			r := list[len(list)-1]
			require.Equal(t, crmtest.Start(), r.Point.Invalid)
			require.Equal(t, "550 no such mailbox", r.Point.InvalidReason)
			require.False(t, r.Usable())
			require.Equal(t, id == bob.ID, list[0].Usable())
		}
		holders, err := d.ByAddress(ctx, email("family@EXAMPLE.com"))
		require.NoError(t, err)
		require.Len(t, holders, 3)
		require.Equal(t, "Ada", holders[0].Name, "the oldest first")

		d.Clock.Advance(time.Hour)
		_, err = d.ContactPoints.OptOut(ctx, email("family@example.com"), "link in the mail")
		require.NoError(t, err)
		point, err := d.ContactPoints.MarkVerified(ctx, email("family@example.com"))
		require.NoError(t, err)
		require.True(t, point.Invalid.IsZero(), "mail reached somebody there")
		require.Equal(t, crmtest.Start().Add(time.Hour), point.OptedOut, "who has read it still wants no more")
		point, err = d.ContactPoints.OptIn(ctx, email("family@example.com"), "form on the site")
		require.NoError(t, err)
		require.True(t, point.OptedOut.IsZero())
		history, err := d.ContactPoints.History(ctx, point.ID)
		require.NoError(t, err)
		require.Equal(t, "contact_point.opted_in", history.Items[0].Name)
		require.Equal(t, "form on the site", history.Items[0].Cause)

		_, err = d.ContactPoints.OptOut(ctx, email("family@example.com"), "")
		require.ErrorContains(t, err, "reason")
		_, err = d.ContactPoints.MarkInvalid(ctx, email("no mailbox"), "x")
		require.ErrorIs(t, err, crm.ErrInvalid)
		unknown, err := d.ContactPoints.Of(ctx, wechat("ada"))
		require.NoError(t, err)
		require.Equal(t, customers.ContactPoint{Kind: "wechat", Value: "ada", Key: "wechat:ada"}, unknown)
	})
}

func TestTheMainAddressIsChosen(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "old@example.com")
		add := func(a crm.Address) customers.Identity {
			i, err := d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: a.Kind, Value: a.Value})
			require.NoError(t, err)
			return i
		}
		second, mobile, chat := add(email("new@example.com")), add(number("+49 30 901820")), add(wechat("ada"))
		ada, err := d.SetPrimary(ctx, second.ID)
		require.NoError(t, err)
		require.Equal(t, "new@example.com", ada.Email)
		ada, err = d.SetPrimary(ctx, mobile.ID)
		require.NoError(t, err)
		require.Equal(t, "+4930901820", ada.Phone)
		_, err = d.SetPrimary(ctx, chat.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)

		list, err := d.Addresses(ctx, ada.ID)
		require.NoError(t, err)
		var values []string
		for _, r := range list {
			values = append(values, r.Value)
		}
		require.Equal(t, []string{"new@example.com", "+4930901820", "old@example.com", "ada"}, values)

		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "NEW@example.com"})
		require.ErrorContains(t, err, "has this address already")
		n, err := d.Count(ctx, crm.Where("any(identities, .kind == 'wechat' and .value == 'ada')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

func TestAddressesAreUniqueWhereTheTenantAsks(t *testing.T) {
	atDesk(t, customers.Policy{Unique: []crm.AddressKind{crm.AddressEmail}}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		bob := d.person(ctx, t, "Bob", "bob@example.com")
		_, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Eve", Email: "ADA@example.com"})
		taken := &crm.ConflictError{}
		require.ErrorAs(t, err, &taken)
		require.Equal(t, "email", taken.Field)
		require.Equal(t, ada.ID, taken.Holder)

		_, err = d.Update(ctx, bob.ID, func(c *customers.Customer) error { c.Email = "ada@example.com"; return nil })
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: bob.ID, Kind: crm.AddressEmail, Value: "ada@example.com"})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = d.CreateAll(ctx, []customers.Customer{
			{Kind: customers.Person, Name: "One", Email: "one@example.com"}, {Kind: customers.Person, Name: "Two", Email: "one@example.com"},
		})
		require.ErrorIs(t, err, crm.ErrConflict, "two in one batch")
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: bob.ID, Kind: crm.AddressPhone, Value: "+49 30 901820"})
		require.NoError(t, err)
		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressPhone, Value: "+49 30 901820"})
		require.NoError(t, err, "phones may be shared")

		require.NoError(t, d.Delete(ctx, d.person(ctx, t, "Gone", "gone@example.com").ID))
		d.person(ctx, t, "New", "gone@example.com")
		gone, err := d.List(ctx, crm.WithDeleted(), crm.Where("name == 'Gone'"))
		require.NoError(t, err)
		_, err = d.Restore(ctx, gone.Items[0].ID)
		require.ErrorIs(t, err, crm.ErrConflict, "who comes back brings his address")
		n, err := d.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 3, n, "what was refused left nothing")

		_, err = d.Identities.Create(ctx, customers.Identity{CustomerID: bob.ID, Kind: crm.AddressEmail, Value: "second@example.com"})
		require.NoError(t, err)
		require.NoError(t, d.Delete(ctx, bob.ID))
		second := d.person(ctx, t, "Second", "second@example.com")
		_, err = d.Restore(ctx, bob.ID)
		require.ErrorIs(t, err, crm.ErrConflict, "with all he had")
		require.NoError(t, d.Delete(ctx, second.ID))
		_, err = d.Restore(ctx, bob.ID)
		require.NoError(t, err)
		holders, err := d.ByAddress(ctx, email("second@example.com"))
		require.NoError(t, err)
		require.Len(t, holders, 1)
		require.NoError(t, d.Purge(ctx, bob.ID))
	})
}

// TestMailboxesOfTheStandards holds which addresses are flagged to the cases of isemail,
// in the directory EMBEDCRM_TEST_DATA names.
func TestMailboxesOfTheStandards(t *testing.T) {
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	content, err := os.ReadFile(filepath.Join(dir, "isemail", "cases.csv"))
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with isemail/cases.csv")
	}
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		for _, row := range rows[1:] {
			value, category := row[2], row[3]
			if strings.ContainsAny(value, "\x00\r\n") || value == "" || len(value) > 254 {
				continue // no text a form would send, or too long to keep
			}
			made, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Case " + row[1], Email: value})
			require.NoError(t, err, "%q", value)
			switch category {
			case "ISEMAIL_ERR":
				require.True(t, made.EmailMalformed, "%q is none", value)
			case "ISEMAIL_VALID_CATEGORY":
				require.False(t, made.EmailMalformed, "%q is one", value)
			}
		}
	})
}
