package customers_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/postgres"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

func TestIdentifySaysWhatItDid(t *testing.T) {
	atDesk(t, customers.Policy{Region: "DE"}, func(ctx context.Context, t *testing.T, d *desk) {
		first, err := d.Identify(ctx, customers.Customer{Email: "Ada@example.com"}, wechat("ada"))
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyCreated, first.Outcome)
		require.Equal(t, customers.Person, first.Customer.Kind)
		require.Equal(t, "Ada@example.com", first.Customer.Name, "nothing better is known")
		require.Equal(t, []crm.Address{email("Ada@example.com"), wechat("ada")}, first.Attached)

		again, err := d.Identify(ctx, customers.Customer{}, wechat("ada"), email("ada@example.com"))
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyFound, again.Outcome)
		require.Equal(t, first.Customer, again.Customer, "nothing was written")
		require.Empty(t, again.Attached)

		profile := customers.Customer{GivenName: "Ada", FamilyName: "Lovelace", Country: "DE", Email: "work@example.com", Phone: "030 901820"}
		profile.Refs = crm.Refs{"shop": "4711"}
		more, err := d.Identify(ctx, profile, wechat("ada"))
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyAttached, more.Outcome)
		require.Equal(t, []crm.Address{email("work@example.com"), number("+4930901820")}, more.Attached)
		require.Equal(t, first.Customer.ID, more.Customer.ID)
		require.Equal(t, "Ada Lovelace", more.Customer.Name, "he was called by his address only so long")
		require.Equal(t, "Ada@example.com", more.Customer.Email, "what was there stays")
		require.Equal(t, "+4930901820", more.Customer.Phone)
		require.Equal(t, crm.Refs{"shop": "4711"}, more.Customer.Refs)

		byRef := customers.Customer{Name: "Somebody Else"}
		byRef.Refs = crm.Refs{"shop": "4711"}
		found, err := d.Identify(ctx, byRef)
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyFound, found.Outcome)
		require.Equal(t, more.Customer, found.Customer)
		list, err := d.Addresses(ctx, found.Customer.ID)
		require.NoError(t, err)
		require.Len(t, list, 4)
	})
}

func TestIdentifyKeepsWhatIsNoAddress(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		_, err := d.Identify(ctx, customers.Customer{Name: "Ada", Email: "ada at home"}, number("none"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "nothing to know anybody by")
		for range 2 {
			made, err := d.Identify(ctx, customers.Customer{Name: "Ada", Email: "ada at home"}, number("none"), wechat("ada"))
			require.NoError(t, err)
			list, err := d.Addresses(ctx, made.Customer.ID)
			require.NoError(t, err)
			require.Len(t, list, 3)
			require.True(t, list[0].Malformed && list[1].Malformed != list[2].Malformed)
		}
		_, err = d.Identify(ctx, customers.Customer{}, make([]crm.Address, 101)...)
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestIdentifyOfSeveralCustomers(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "ada@example.com")
		bob := d.person(ctx, t, "Bob", "bob@example.com")
		twin := d.person(ctx, t, "Twin", "ada@example.com")
		_, err := d.Identities.Create(ctx, customers.Identity{CustomerID: twin.ID, Kind: "wechat", Value: "twin"})
		require.NoError(t, err)

		both, err := d.Identify(ctx, customers.Customer{Email: "bob@example.com"}, email("ada@example.com"), wechat("new"))
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyAmbiguous, both.Outcome)
		require.Equal(t, bob.ID, both.Customer.ID, "the first identity decides")
		require.Equal(t, []crm.ID{ada.ID, twin.ID}, both.Others, "the oldest first")
		require.Equal(t, []crm.Address{wechat("new")}, both.Attached, "nobody had it")

		shared, err := d.Identify(ctx, customers.Customer{}, email("ada@example.com"))
		require.NoError(t, err)
		require.Equal(t, ada.ID, shared.Customer.ID, "the oldest of those who share it")
		require.Equal(t, []crm.ID{twin.ID}, shared.Others)

		most, err := d.Identify(ctx, customers.Customer{}, email("ada@example.com"), wechat("twin"))
		require.NoError(t, err)
		require.Equal(t, twin.ID, most.Customer.ID, "the one whom most of them are")

		byRef := customers.Customer{Email: "ada@example.com"}
		byRef.Refs = crm.Refs{"shop": "1"}
		_, err = d.Update(ctx, bob.ID, func(c *customers.Customer) error { c.Refs = crm.Refs{"shop": "1"}; return nil })
		require.NoError(t, err)
		ref, err := d.Identify(ctx, byRef)
		require.NoError(t, err)
		require.Equal(t, bob.ID, ref.Customer.ID, "a key of another system decides before addresses")
		kept, err := d.Get(ctx, bob.ID)
		require.NoError(t, err)
		require.Equal(t, "bob@example.com", kept.Email)
	})
}

func TestIdentifyTellsNothingOfWhomOneMayNotRead(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.role(t, "dana", crm.Allow("customer", crm.LevelOwn))
		theirs := customers.Customer{Kind: customers.Person, Name: "Theirs", Email: "ada@example.com"}
		theirs.Refs = crm.Refs{"shop": "1"}
		_, err := d.Create(crm.System(t.Context(), "acme"), theirs)
		require.NoError(t, err)

		mine, err := d.Identify(ctx, customers.Customer{Name: "Mine", Email: "ada@example.com"})
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyCreated, mine.Outcome, "as if there were no other")
		require.Empty(t, mine.Others)
		found, err := d.Identify(ctx, customers.Customer{Email: "ada@example.com"})
		require.NoError(t, err)
		require.Equal(t, mine.Customer.ID, found.Customer.ID)
		seen, err := d.Identify(crm.System(t.Context(), "acme"), customers.Customer{Email: "ada@example.com"})
		require.NoError(t, err)
		require.Equal(t, customers.IdentifyAmbiguous, seen.Outcome, "who may read both is told")

		byRef := customers.Customer{Name: "Mine too"}
		byRef.Refs = crm.Refs{"shop": "1"}
		_, err = d.Identify(ctx, byRef)
		taken := &crm.ConflictError{}
		require.ErrorAs(t, err, &taken, "a ref is unique, and taken")
		require.True(t, taken.Holder.IsZero(), "but by whom is not said")

		d.policy.Unique = []crm.AddressKind{crm.AddressEmail}
		_, err = d.Create(crm.System(t.Context(), "acme"), customers.Customer{Kind: customers.Person, Name: "Theirs too", Email: "eve@example.com"})
		require.NoError(t, err)
		_, err = d.Identify(ctx, customers.Customer{Email: "eve@example.com"})
		require.ErrorAs(t, err, &taken, "so is a unique address")
		require.True(t, taken.Holder.IsZero())
	})
}

func TestIdentifyTakesRights(t *testing.T) {
	atDesk(t, customers.Policy{}, func(_ context.Context, t *testing.T, d *desk) {
		d.role(t, "reader", crm.Allow("customer", crm.LevelAll, crm.VerbRead))
		d.role(t, "blind", crm.Allow("customer", crm.LevelAll),
			crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldHidden})
		ada := d.person(crm.System(t.Context(), "acme"), t, "Ada", "ada@example.com")

		found, err := d.Identify(as(t, "reader"), customers.Customer{Email: "ada@example.com"})
		require.NoError(t, err, "to find takes no right to write")
		require.Equal(t, ada.ID, found.Customer.ID)
		_, err = d.Identify(as(t, "reader"), customers.Customer{Email: "ada@example.com"}, wechat("x"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Identify(as(t, "reader"), customers.Customer{Email: "new@example.com"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Identify(as(t, "blind"), customers.Customer{Email: "ada@example.com"})
		require.ErrorIs(t, err, crm.ErrForbidden, "who may not read an address is not told whose it is")
		n, err := d.ContactPoints.Count(crm.System(t.Context(), "acme"))
		require.NoError(t, err)
		require.Zero(t, n, "what was refused left nothing")
	})
}

// another is a second process on the same database.
func another(t *testing.T, e enginetest.Engine) storage.Store {
	t.Helper()
	if e.Name == "sqlite" {
		store, err := sqlite.New(e.DB)
		require.NoError(t, err)
		return store
	}
	store, err := postgres.New(e.DB)
	require.NoError(t, err)
	return store
}

// TestIdentifyMakesOneCustomer has many callers of two processes bring the same
// identities at once, each some of them, in some order.
func TestIdentifyMakesOneCustomer(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		desks := []*desk{newDesk(t, e.Store, customers.Policy{}), newDesk(t, another(t, e), customers.Policy{})}
		ctx := as(t, "dana")
		require.NoError(t, desks[0].Tenants.Ensure(t.Context(), "acme"))
		for round := range 4 {
			var all sync.WaitGroup
			var mu sync.Mutex
			made := map[crm.ID]int{}
			for i := range 12 {
				all.Go(func() {
					mail, chat := email(fmt.Sprintf("ada%d@example.com", round)), wechat(fmt.Sprintf("ada%d", round))
					profile, more := customers.Customer{Name: "Ada"}, []crm.Address{mail, chat}
					switch i % 3 {
					case 1:
						more = []crm.Address{chat, mail, number("+4930901820")}
						more = more[:2]
					case 2:
						profile.Email, more = mail.Value, []crm.Address{chat}
						profile.Refs = crm.Refs{"shop": strconv.Itoa(round)}
					}
					done, err := desks[i%2].Identify(ctx, profile, more...)
					if assert.NoError(t, err) {
						mu.Lock()
						made[done.Customer.ID]++
						mu.Unlock()
						assert.NotEqual(t, customers.IdentifyAmbiguous, done.Outcome)
					}
				})
			}
			all.Wait()
			require.Len(t, made, 1, "one customer, whoever was first")
		}
		n, err := desks[0].Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 4, n)
		n, err = desks[0].Identities.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 4, n, "one further address each")
		desks[0].whole(t)
	})
}

// TestAUniqueAddressIsTakenOnce has many create a customer of the same address at once.
func TestAUniqueAddressIsTakenOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		policy := customers.Policy{Unique: []crm.AddressKind{crm.AddressEmail}}
		desks := []*desk{newDesk(t, e.Store, policy), newDesk(t, another(t, e), policy)}
		ctx := as(t, "dana")
		require.NoError(t, desks[0].Tenants.Ensure(t.Context(), "acme"))
		bob := desks[0].person(ctx, t, "Bob", "")
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				var err error
				if i%3 == 0 {
					_, err = desks[i%2].Identities.Create(ctx, customers.Identity{CustomerID: bob.ID, Kind: crm.AddressEmail, Value: "ada@example.com"})
				} else {
					_, err = desks[i%2].Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Email: "ada@example.com"})
				}
				if err != nil && i%3 != 0 {
					assert.ErrorIs(t, err, crm.ErrConflict)
				}
			})
		}
		all.Wait()
		holders, err := desks[0].ByAddress(ctx, email("ada@example.com"))
		require.NoError(t, err)
		require.Len(t, holders, 1)
		desks[0].whole(t)
	})
}
