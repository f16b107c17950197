package customers_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

// policy makes a policy of tenant acme, and has the keys made.
func (d *desk) duplicates(tb testing.TB, p customers.DuplicatePolicy) customers.DuplicatePolicy {
	tb.Helper()
	system := crm.System(tb.Context(), "acme")
	made, err := d.Duplicates.Policies.Create(system, p)
	require.NoError(tb, err)
	require.NoError(tb, d.RunDue(tb.Context()))
	made, err = d.Duplicates.Policies.Get(system, made.ID)
	require.NoError(tb, err)
	require.EqualValues(tb, 1, made.KeysVersion)
	return made
}

func lovelace() customers.Customer {
	return customers.Customer{
		Kind: customers.Person, Name: "Ada Lovelace", Email: "ada.lovelace@example.com", Phone: "+44 20 7946 0018",
		Birthday: crm.Date{Year: 1815, Month: 12, Day: 10},
	}
}

func ids(list []customers.Candidate) (ids []crm.ID) {
	for _, c := range list {
		ids = append(ids, c.Customer.ID)
	}
	return ids
}

func TestCheckFindsWhoIsThere(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		_, err := d.Duplicates.Check(ctx, lovelace())
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "no match keys are kept")

		d.crowd(ctx, t) // some were there before
		ada, err := d.Create(ctx, lovelace())
		require.NoError(t, err)
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person})
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Organisation})
		li, err := d.Create(ctx, customers.Customer{Kind: customers.Person, Name: "李雷", Phone: "+86 138 0013 8000"})
		require.NoError(t, err)
		acme, err := d.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme Analytical Engines Ltd", Email: "info@acme.example"})
		require.NoError(t, err)

		for what, c := range map[string]struct {
			c    customers.Customer
			want crm.ID
		}{
			"the same":              {lovelace(), ada.ID},
			"turned round":          {customers.Customer{Name: "LOVELACE, Ada", Birthday: crm.Date{Year: 1815, Month: 12, Day: 10}}, ada.ID},
			"a slip":                {customers.Customer{Name: "Ada Lovelase", Birthday: crm.Date{Year: 1815, Month: 12, Day: 10}}, ada.ID},
			"by parts of the name":  {customers.Customer{GivenName: "Ada", FamilyName: "Lovelace"}, ada.ID},
			"her address, initials": {customers.Customer{Name: "A. Lovelace", Email: "Ada.Lovelace@Example.com"}, ada.ID},
			"her number":            {customers.Customer{Name: "Ada L.", Phone: "020 7946 0018", Country: "GB"}, ada.ID},
			"in pinyin":             {customers.Customer{Name: "Li Lei", Phone: "13800138000", Country: "CN"}, li.ID},
			"a company":             {customers.Customer{Kind: customers.Organisation, Name: "ACME Analytical Engines GmbH"}, acme.ID},
			"its domain":            {customers.Customer{Kind: customers.Organisation, Name: "Acme Engines", Email: "sales@acme.example"}, acme.ID},
		} {
			list, err := d.Duplicates.Check(ctx, c.c)
			require.NoError(t, err, what)
			require.Equal(t, []crm.ID{c.want}, ids(list), what)
			require.Greater(t, list[0].Probability, .5, what)
			require.NotEmpty(t, list[0].Why.Reasons, what)
		}
		for what, c := range map[string]customers.Customer{
			"nobody":                        {Name: "Grace Hopper", Email: "grace@example.com"},
			"her mailbox, somebody else":    {Name: "William King", Email: "ada.lovelace@example.com"},
			"her name, all else is another": {Name: "Ada Lovelace", Email: "al@example.org", Birthday: crm.Date{Year: 1990, Month: 1, Day: 2}},
			"a company of her name":         {Kind: customers.Organisation, Name: "Ada Lovelace"},
			"nothing":                       {},
			"herself":                       {Record: crm.Record{ID: ada.ID}, Name: "Ada Lovelace", Email: ada.Email},
		} {
			list, err := d.Duplicates.Check(ctx, c)
			require.NoError(t, err, what)
			require.Empty(t, list, what)
		}
	})
}

// A name that many have says less than one that few have.
func TestAFrequentNameSaysLittle(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person})
		for i := range 40 {
			d.person(ctx, t, "Zhang Wei", fmt.Sprintf("zhang%d@example.com", i))
		}
		d.person(ctx, t, "Ada Lovelace", "")
		list, err := d.Duplicates.Check(ctx, customers.Customer{Name: "Zhang Wei"})
		require.NoError(t, err)
		require.Empty(t, list)
		list, err = d.Duplicates.Check(ctx, customers.Customer{Name: "Ada Lovelace"})
		require.NoError(t, err)
		require.Len(t, list, 1)
		list, err = d.Duplicates.Check(ctx, customers.Customer{Name: "Wei Zhang", Email: "zhang7@example.com"})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "zhang7@example.com", list[0].Customer.Email)
	})
}

func TestPolicyBlocksAndWarns(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		policy := d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person, Form: customers.DuplicateBlock, API: customers.DuplicateWarn})
		ada, err := d.Create(ctx, lovelace())
		require.NoError(t, err)
		form := customers.From(ctx, customers.EntryForm)

		_, err = d.Create(form, lovelace())
		var refused *customers.DuplicateError
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.Equal(t, []crm.ID{ada.ID}, ids(refused.Candidates))
		require.Zero(t, refused.Hidden)
		require.Contains(t, err.Error(), ada.ID.String())
		require.NotContains(t, err.Error(), "Lovelace", "an error has no values")

		var heard customers.DuplicateWarnings
		second, err := d.Create(customers.WithDuplicates(ctx, &heard), lovelace())
		require.NoError(t, err)
		require.Equal(t, second.ID, heard.All()[0].Customer)
		require.Equal(t, []crm.ID{ada.ID}, ids(heard.All()[0].Candidates))

		heard = customers.DuplicateWarnings{}
		_, err = d.Create(customers.WithDuplicates(form, &heard), customers.Customer{Kind: customers.Person, Name: "Ada Lovelace"})
		require.NoError(t, err, "a name alone is too little to refuse")
		_, err = d.Create(customers.Confirmed(form), lovelace())
		require.NoError(t, err)
		_, err = d.Create(customers.From(ctx, customers.EntryImport), lovelace())
		require.NoError(t, err, "an empty action allows")

		// Who becomes like another is looked at as well, and nobody else.
		grace := d.person(form, t, "Grace Hopper", "grace@example.com")
		become := func(c *customers.Customer) error {
			c.Name, c.Email = "Ada Lovelace", "ada.lovelace@example.com"
			return nil
		}
		_, err = d.Update(form, grace.ID, become)
		require.ErrorAs(t, err, &refused)
		_, err = d.Update(form, ada.ID, func(c *customers.Customer) error { c.Region = "North"; return nil })
		require.NoError(t, err)
		require.NoError(t, d.Delete(ctx, second.ID))
		_, err = d.Restore(form, second.ID)
		require.ErrorAs(t, err, &refused)

		// Who was dismissed is no duplicate any more.
		hopper := d.person(ctx, t, "Grace Hopper", "hopper@example.com")
		_, err = d.Update(ctx, hopper.ID, func(c *customers.Customer) error { c.Birthday = crm.Date{Year: 1906, Month: 12, Day: 9}; return nil })
		require.NoError(t, err)
		require.NoError(t, d.Duplicates.Dismiss(ctx, grace.ID, hopper.ID))
		same := func(c *customers.Customer) error { c.Email = "hopper@example.com"; return nil }
		_, err = d.Update(form, grace.ID, same)
		require.NoError(t, err)

		// A policy is changed as it runs.
		_, err = d.Duplicates.Policies.Update(ctx, policy.ID, func(p *customers.DuplicatePolicy) error {
			p.Form, p.Import = customers.DuplicateAllow, customers.DuplicateBlock
			return nil
		})
		require.NoError(t, err)
		_, err = d.Create(form, lovelace())
		require.NoError(t, err)
		_, err = d.Create(customers.From(ctx, customers.EntryImport), lovelace())
		require.ErrorAs(t, err, &refused)

		for field, change := range map[string]func(*customers.DuplicatePolicy){
			"warn_from":    func(p *customers.DuplicatePolicy) { p.WarnFrom = 100 },
			"block_from":   func(p *customers.DuplicatePolicy) { p.WarnFrom, p.BlockFrom = 80, 70 },
			"form":         func(p *customers.DuplicatePolicy) { p.Form = "perhaps" },
			"kind":         func(p *customers.DuplicatePolicy) { p.Kind = customers.Household },
			"keys_version": func(p *customers.DuplicatePolicy) { p.KeysVersion = 7 },
		} {
			_, err = d.Duplicates.Policies.Update(ctx, policy.ID, func(p *customers.DuplicatePolicy) error { change(p); return nil })
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, field)
		}
		_, err = d.Duplicates.Policies.Create(ctx, customers.DuplicatePolicy{Kind: customers.Person})
		require.ErrorIs(t, err, crm.ErrConflict, "there is one of a kind")
	})
}

// Whom an actor may not read he is not shown; that there is somebody he is told where
// he is refused.
func TestCheckIsTheActorsOwn(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person, API: customers.DuplicateBlock})
		_, err := d.Create(ctx, lovelace())
		require.NoError(t, err)
		d.role(t, "own", crm.Allow("customer", crm.LevelOwn, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate))
		d.role(t, "blind", crm.Allow("customer", crm.LevelAll, crm.VerbRead, crm.VerbCreate),
			crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldHidden})
		d.role(t, "veiled", crm.Allow("customer", crm.LevelAll, crm.VerbRead, crm.VerbCreate),
			crm.FieldRule{Object: "customer", Field: "email", Access: crm.FieldMasked})

		list, err := d.Duplicates.Check(as(t, "own"), lovelace())
		require.NoError(t, err)
		require.Empty(t, list)
		_, err = d.Create(as(t, "own"), lovelace())
		var refused *customers.DuplicateError
		require.ErrorAs(t, err, &refused)
		require.Empty(t, refused.Candidates)
		require.Equal(t, 1, refused.Hidden)

		for _, who := range []string{"blind", "veiled"} { // who sees the address in part could else try its rest out
			list, err = d.Duplicates.Check(as(t, who), lovelace())
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Empty(t, list[0].Customer.Email)
			for _, reason := range list[0].Why.Reasons {
				require.NotEqual(t, "email", reason.Name)
			}
			_, err = d.Create(as(t, who), customers.Customer{Kind: customers.Person, Name: lovelace().Name, Phone: lovelace().Phone})
			require.ErrorAs(t, err, &refused)
			require.Empty(t, refused.Candidates[0].Customer.Email)
		}

		other := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"})
		_, err = d.Create(other, lovelace())
		require.NoError(t, err)
	})
}

// Of many who bring the same person at once one gets through.
func TestBlockHoldsBesideOthers(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person, API: customers.DuplicateBlock})
		const writers = 8
		var wait sync.WaitGroup
		errs := make([]error, writers)
		for i := range writers {
			wait.Go(func() { _, errs[i] = d.Create(ctx, lovelace()) })
		}
		wait.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			var refused *customers.DuplicateError
			require.ErrorAs(t, err, &refused)
			require.Len(t, refused.Candidates, 1)
		}
		require.Equal(t, 1, made)
		n, err := d.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

// What else brings customers in stands to the policy as Create does.
func TestOtherWaysIn(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person, API: customers.DuplicateBlock, Import: customers.DuplicateBlock})
		ada, err := d.Create(ctx, lovelace())
		require.NoError(t, err)

		known, err := d.Identify(ctx, lovelace())
		require.NoError(t, err, "who is known by an address is found, not made")
		require.Equal(t, ada.ID, known.Customer.ID)
		twin := lovelace()
		twin.Email, twin.Phone = "countess@example.com", ""
		var refused *customers.DuplicateError
		_, err = d.Identify(ctx, twin)
		require.ErrorAs(t, err, &refused, "her name and birthday, and an address that nobody has")

		shop := lovelace()
		shop.Refs = crm.Refs{"shop": "7"}
		_, _, err = d.Upsert(ctx, shop)
		require.ErrorAs(t, err, &refused)
		_, err = d.CreateAll(ctx, []customers.Customer{{Kind: customers.Person, Name: "Grace Hopper", Email: "g@example.com"}, lovelace()})
		require.ErrorAs(t, err, &refused, "all or none")
		n, err := d.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		records, err := d.Core.Records("customer")
		require.NoError(t, err)
		faults, err := records.Import(customers.From(ctx, customers.EntryImport), []crm.Values{
			{"kind": "person", "name": "Grace Hopper", "email": "g@example.com"},
			{"kind": "person", "name": "Ada Lovelace", "email": "ada.lovelace@example.com"},
			{"kind": "person", "name": "Hopper, Grace", "email": "g@example.com"},
		})
		require.NoError(t, err)
		require.NoError(t, faults[0])
		require.ErrorAs(t, faults[1], &refused)
		require.ErrorAs(t, faults[2], &refused, "of two rows of a file the first is kept")
	})
}

// Keys follow customers and their identities through all that becomes of them.
func TestKeysFollowCustomers(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.duplicates(t, customers.DuplicatePolicy{Kind: customers.Person})
		find := func(c customers.Customer) []crm.ID {
			d.whole(t)
			list, err := d.Duplicates.Check(ctx, c)
			require.NoError(t, err)
			return ids(list)
		}
		ada := d.person(ctx, t, "Ada Lovelace", "ada@example.com")
		al := d.person(ctx, t, "A. Lovelace", "al@example.org")
		asked := customers.Customer{Name: "A. Lovelace", Email: "ada@example.com"}
		moved := customers.Customer{Name: "A. Lovelace", Email: "countess@example.com"}
		further := customers.Customer{Name: "A. Lovelace", Email: "third@example.com"}

		require.Contains(t, find(asked), ada.ID)
		_, err := d.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Email = "countess@example.com"; return nil })
		require.NoError(t, err)
		require.NotContains(t, find(asked), ada.ID)
		require.Contains(t, find(moved), ada.ID)

		third, err := d.Identities.Create(ctx, customers.Identity{CustomerID: ada.ID, Kind: crm.AddressEmail, Value: "third@example.com"})
		require.NoError(t, err)
		require.Contains(t, find(further), ada.ID)

		// A merge takes the keys of the absorbed away; the survivor is found by his address. Undone, all is as it was.
		_, merge, err := d.Merge(ctx, al.ID, []crm.ID{ada.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, []crm.ID{al.ID}, find(moved))
		require.Equal(t, []crm.ID{al.ID}, find(further))
		_, err = d.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		require.Contains(t, find(moved), ada.ID)
		require.Contains(t, find(further), ada.ID)

		require.NoError(t, d.Delete(ctx, ada.ID))
		require.NotContains(t, find(moved), ada.ID)
		_, err = d.Restore(ctx, ada.ID)
		require.NoError(t, err)
		require.Contains(t, find(moved), ada.ID)
		require.NoError(t, d.Identities.Delete(ctx, third.ID))
		require.NotContains(t, find(further), ada.ID)
		_, err = d.Identities.Restore(ctx, third.ID)
		require.NoError(t, err)

		var out bytes.Buffer
		done, err := d.Customers.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Positive(t, done.Others["duplicate_keys"])
		proof, err := d.Customers.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		require.Positive(t, proof.Others["duplicate_keys"])
		require.Empty(t, d.rows(t, "duplicate_key", ada.ID))
		require.NotContains(t, find(moved), ada.ID)
		require.NoError(t, d.Purge(ctx, al.ID))
		require.Empty(t, d.rows(t, "duplicate_key", al.ID))
		d.whole(t)
	})
}

// Keys are made for those who were there, after a kill too, and go with the policy.
func TestKeysAreBuilt(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		system := crm.System(t.Context(), "acme")
		list := make([]customers.Customer, 250)
		for i := range list {
			list[i] = customers.Customer{Kind: customers.Person, Name: fmt.Sprint("Person ", i), Email: fmt.Sprintf("p%d@example.com", i)}
		}
		made, err := d.CreateAll(ctx, list)
		require.NoError(t, err)
		policy, err := d.Duplicates.Policies.Create(system, customers.DuplicatePolicy{Kind: customers.Person})
		require.NoError(t, err)
		n, err := d.Duplicates.BuildKeys(system, customers.Person)
		require.NoError(t, err)
		require.EqualValues(t, 250, n)
		n, err = d.Duplicates.BuildKeys(system, customers.Person)
		require.NoError(t, err)
		require.Zero(t, n, "it is done")
		policy, err = d.Duplicates.Policies.Get(system, policy.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, policy.KeysVersion)

		// What somebody did past the CRM is found, and set right.
		d.exec(t, "DELETE FROM %s WHERE customer_id = $1", "duplicate_key", made[7].ID)
		problems, err := d.Core.Check(t.Context())
		require.NoError(t, err)
		require.Len(t, problems, 1)
		require.Equal(t, made[7].ID, problems[0].Record)
		n, err = d.Duplicates.BuildKeys(system, customers.Person)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		d.whole(t)

		require.NoError(t, d.Duplicates.Policies.Delete(system, policy.ID))
		require.NoError(t, d.RunDue(t.Context()))
		d.Clock.Advance(10 * time.Minute)
		require.NoError(t, d.RunDue(t.Context()))
		for _, c := range made[:20] {
			require.Empty(t, d.rows(t, "duplicate_key", c.ID))
		}
		_, err = d.Duplicates.BuildKeys(as(t, "dana"), customers.Person)
		require.NoError(t, err, "in an open tenant")
	})
}
