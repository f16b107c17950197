package customers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestFullName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, family, language, want string }{
		{"Ada", "Lovelace", "", "Ada Lovelace"},
		{"Ada", "Lovelace", "en-GB", "Ada Lovelace"},
		{"雷", "李", "", "李雷"},
		{"雷", "李", "zh-Hans", "李雷"},
		{"Lei", "Li", "zh", "Li Lei"},
		{"太郎", "山田", "ja", "山田太郎"},
		{"철수", "김", "", "김철수"},
		{"Béla", "Bartók", "hu", "Bartók Béla"},
		{"Ada", "", "", "Ada"},
		{"", "Lovelace", "hu", "Lovelace"},
		{"Ada", "Lovelace", "no language", "Ada Lovelace"},
	} {
		require.Equal(t, c.want, customers.FullName(c.given, c.family, c.language))
	}
	rapid.Check(t, func(t *rapid.T) {
		given, family := rapid.String().Draw(t, "given"), rapid.String().Draw(t, "family")
		name := customers.FullName(given, family, rapid.String().Draw(t, "language"))
		require.True(t, strings.Contains(name, given) && strings.Contains(name, family), "nothing is lost")
	})
}

func TestANameFollowsItsParts(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		li, err := d.Create(ctx, customers.Customer{Kind: customers.Person, GivenName: "雷", FamilyName: "李"})
		require.NoError(t, err)
		require.Equal(t, "李雷", li.Name)
		li, err = d.Update(ctx, li.ID, func(c *customers.Customer) error {
			c.GivenName, c.FamilyName, c.Language = "Lei", "Li", "zh-Latn"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "Li Lei", li.Name)
		li, err = d.Update(ctx, li.ID, func(c *customers.Customer) error { c.Name = "Lei Li"; return nil })
		require.NoError(t, err)
		li, err = d.Update(ctx, li.ID, func(c *customers.Customer) error { c.GivenName = "L."; return nil })
		require.NoError(t, err)
		require.Equal(t, "Lei Li", li.Name, "a name that was given stays")
	})
}

func TestAProfileIsKeptWhole(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		made, err := d.Create(ctx, customers.Customer{
			Kind: customers.Person, GivenName: "Ada", FamilyName: "Lovelace", Birthday: crm.Date{Year: 1815, Month: 12, Day: 10}, Gender: customers.GenderFemale,
			Language: "en-GB", Zone: "Europe/London", Country: "GB", Region: "South", IndustryScheme: customers.ISIC, IndustryCode: "J6201",
			Source: "fair", FirstCampaign: "spring", LastCampaign: "autumn", Lifecycle: customers.StageLead,
		})
		require.NoError(t, err)
		found, err := d.Get(ctx, made.ID)
		require.NoError(t, err)
		require.Equal(t, made, found)
	})
}

func TestWhatAProfileCannotBe(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		p := func(fn func(*customers.Customer)) customers.Customer {
			c := customers.Customer{Kind: customers.Person, Name: "X"}
			fn(&c)
			return c
		}
		for field, c := range map[string]customers.Customer{
			"country":         p(func(c *customers.Customer) { c.Country = "ZQ" }),
			"language":        p(func(c *customers.Customer) { c.Language = "no language" }),
			"zone":            p(func(c *customers.Customer) { c.Zone = "Europe/Nowhere" }),
			"gender":          p(func(c *customers.Customer) { c.Gender = "none" }),
			"industry_code":   p(func(c *customers.Customer) { c.IndustryScheme, c.IndustryCode = customers.GBT4754, "U99" }),
			"lifecycle":       p(func(c *customers.Customer) { c.Lifecycle = "visitor" }),
			"family_name":     {Kind: customers.Organisation, Name: "Acme", FamilyName: "Acme"},
			"birthday":        {Kind: customers.Household, Name: "The Lovelaces", Birthday: crm.Date{Year: 2000, Month: 1, Day: 1}},
			"employees":       {Kind: customers.Household, Name: "The Lovelaces", Employees: new(int64(3))},
			"industry_scheme": p(func(c *customers.Customer) { c.IndustryScheme = "sic" }),
		} {
			_, err := d.Create(ctx, c)
			invalid := &crm.InvalidError{}
			require.ErrorAs(t, err, &invalid, field)
			require.Equal(t, field, invalid.Faults[0].Field, "%v", err)
		}
		for scheme, codes := range map[customers.IndustryScheme]string{
			customers.ISIC:    "A J 62 620 6201 J6201 V97",
			customers.GBT4754: "I I65 65 6510 T97",
		} {
			for code := range strings.FieldsSeq(codes) {
				_, err := d.Create(ctx, p(func(c *customers.Customer) { c.IndustryScheme, c.IndustryCode = scheme, code }))
				require.NoError(t, err, code)
			}
		}
		for code := range strings.FieldsSeq("W 6 00 62010 6A j62 A-1") {
			_, err := d.Create(ctx, p(func(c *customers.Customer) { c.IndustryScheme, c.IndustryCode = customers.ISIC, code }))
			require.ErrorIs(t, err, crm.ErrInvalid, code)
		}
		_, err := d.Create(ctx, p(func(c *customers.Customer) { c.IndustryCode = "62" }))
		require.ErrorContains(t, err, "industry_scheme")
	})
}

func TestOnePostalAddressIsTheMainOne(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		add := func(p customers.PostalAddress) customers.PostalAddress {
			p.CustomerID = ada.ID
			made, err := d.PostalAddresses.Create(ctx, p)
			require.NoError(t, err)
			return made
		}
		home := add(customers.PostalAddress{Kind: customers.PostalHome, Street: "12 St James's Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB"})
		require.True(t, home.Main, "the first one")
		require.False(t, add(customers.PostalAddress{Kind: customers.PostalBilling, City: "Paris", Country: "FR"}).Main)
		add(customers.PostalAddress{Kind: customers.PostalShipping, City: "Bonn", Country: "DE", Main: true})
		n, err := d.PostalAddresses.Count(ctx, crm.Where("main"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = d.Count(ctx, crm.Where("any(postal_addresses, .main and .city == 'Bonn')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		for field, p := range map[string]customers.PostalAddress{
			"country": {Kind: customers.PostalHome, Country: "ZQ", City: "London"},
			"street":  {Kind: customers.PostalHome, Recipient: "Ada"},
			"kind":    {City: "London"},
		} {
			p.CustomerID = ada.ID
			_, err := d.PostalAddresses.Create(ctx, p)
			require.ErrorContains(t, err, field)
		}
	})
}

// TestTheMainOnesOfManyGivenTogether gives several customers addresses and relationships in
// one call each: everybody has one main one afterwards, and what is asked of the database
// does not grow with their number.
func TestTheMainOnesOfManyGivenTogether(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		d := newDesk(t, e.Store, customers.Policy{})
		ctx := as(t, "dana")
		acme, err := d.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme"})
		require.NoError(t, err)
		give := func(n int) (people []crm.ID, reads int) {
			var addresses []customers.PostalAddress
			var jobs []customers.Relationship
			for range n {
				people = append(people, d.person(ctx, t, "Ada", "").ID)
				addresses = append(addresses, customers.PostalAddress{CustomerID: people[len(people)-1], Kind: customers.PostalHome, City: "Bonn"})
				jobs = append(jobs, customers.Relationship{CustomerID: people[len(people)-1], OtherID: acme.ID, Kind: customers.Related, Role: "friend"})
			}
			heard.Forget()
			addresses = append(addresses, customers.PostalAddress{CustomerID: people[0], Kind: customers.PostalWork, City: "Bonn"}) // not the first
			made, err := d.PostalAddresses.CreateAll(ctx, addresses)
			require.NoError(t, err)
			related, err := d.Relationships.CreateAll(ctx, jobs)
			require.NoError(t, err)
			reads = len(heard.Reads())
			for i := range n {
				require.True(t, made[i].Main)
				require.True(t, related[i].Main)
			}
			require.False(t, made[n].Main)
			return people, reads
		}
		people, few := give(2)
		_, many := give(20)
		require.Equal(t, few, many)

		ada, grace := people[0], people[1]
		_, err = d.PostalAddresses.CreateAll(ctx, []customers.PostalAddress{
			{CustomerID: ada, Kind: customers.PostalWork, City: "Rome"},
			{CustomerID: grace, Kind: customers.PostalWork, City: "Rome", Main: true},
			{CustomerID: grace, Kind: customers.PostalOther, City: "Oslo", Main: true},
		})
		require.NoError(t, err)
		_, err = d.Relationships.CreateAll(ctx, []customers.Relationship{
			{CustomerID: ada, OtherID: grace, Kind: customers.Related, Role: "friend"},
			{CustomerID: grace, OtherID: ada, Kind: customers.Related, Role: "friend", Main: true},
		})
		require.NoError(t, err)
		for id, city := range map[crm.ID]string{ada: "Bonn", grace: "Oslo"} {
			page, err := d.PostalAddresses.List(ctx, crm.Where("customer_id == $1 and main", id))
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			require.Equal(t, city, page.Items[0].City)
		}
		for id, other := range map[crm.ID]crm.ID{ada: acme.ID, grace: ada} {
			page, err := d.Relationships.List(ctx, crm.Where("customer_id == $1 and main", id))
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			require.Equal(t, other, page.Items[0].OtherID)
		}
	})
}

func TestRelationships(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		of := func(kind customers.Kind, name string) crm.ID {
			made, err := d.Create(ctx, customers.Customer{Kind: kind, Name: name})
			require.NoError(t, err)
			return made.ID
		}
		ada, william := of(customers.Person, "Ada"), of(customers.Person, "William")
		acme, bluth := of(customers.Organisation, "Acme"), of(customers.Organisation, "Bluth")
		home := of(customers.Household, "The Lovelaces")
		today := crm.DateOf(d.Core.Core.Now(ctx))
		relate := func(r customers.Relationship) customers.Relationship {
			made, err := d.Relationships.Create(ctx, r)
			require.NoError(t, err)
			return made
		}
		relate(customers.Relationship{CustomerID: ada, OtherID: bluth, Kind: customers.WorksAt, Until: crm.Date{Year: 2001, Month: 1, Day: 31}})
		job := relate(customers.Relationship{CustomerID: ada, OtherID: acme, Kind: customers.WorksAt, Title: "Engineer", Role: "decision maker", Since: today, Main: true})
		relate(customers.Relationship{CustomerID: ada, OtherID: home, Kind: customers.LivesIn})
		relate(customers.Relationship{CustomerID: william, OtherID: ada, Kind: customers.Related, Role: "spouse"})

		now, err := d.Relationships.Of(ctx, ada)
		require.NoError(t, err)
		require.Len(t, now, 3, "she left Bluth")
		n, err := d.Count(ctx, crm.Where("any(relationships, .kind == 'works_at' and .main and .other.name == 'Acme')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = d.Relationships.Count(ctx, crm.Where("customer_id == $1 and main", ada))
		require.NoError(t, err)
		require.EqualValues(t, 2, n, "one of each kind")
		require.ErrorIs(t, d.Delete(ctx, acme), crm.ErrConflict, "people work there")

		for field, r := range map[string]customers.Relationship{
			"other_id":    {CustomerID: ada, OtherID: ada, Kind: customers.Related, Role: "self"},
			"customer_id": {CustomerID: acme, OtherID: bluth, Kind: customers.WorksAt},
			"role":        {CustomerID: ada, OtherID: william, Kind: customers.Related},
			"title":       {CustomerID: ada, OtherID: home, Kind: customers.LivesIn, Title: "Lady"},
			"until":       {CustomerID: ada, OtherID: acme, Kind: customers.WorksAt, Since: today, Until: crm.Date{Year: 2000, Month: 1, Day: 1}},
			"kind":        {CustomerID: ada, OtherID: acme, Kind: "owns"},
		} {
			_, err := d.Relationships.Create(ctx, r)
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, field)
		}
		_, err = d.Relationships.Create(ctx, customers.Relationship{CustomerID: ada, OtherID: home, Kind: customers.WorksAt})
		require.ErrorContains(t, err, "refers to a household")
		_, err = d.Relationships.Update(ctx, job.ID, func(r *customers.Relationship) error { r.OtherID = william; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestWhatIsDeclaredWins(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.person(ctx, t, "Ada", "")
		p, err := d.Preferences.Infer(ctx, ada.ID, "colour", "blue", "bought three blue coats")
		require.NoError(t, err)
		require.Equal(t, "blue", p.Value)
		p, err = d.Preferences.Declare(ctx, ada.ID, "colour", "red")
		require.NoError(t, err)
		require.Equal(t, "red", p.Value)
		p, err = d.Preferences.Infer(ctx, ada.ID, "colour", "green", "looked at green coats")
		require.NoError(t, err)
		require.Equal(t, "red", p.Value)
		n, err := d.Count(ctx, crm.Where("any(preferences, .name == 'colour' and .value == 'red')"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		p, err = d.Preferences.Declare(ctx, ada.ID, "colour", "")
		require.NoError(t, err)
		require.Equal(t, "green", p.Value, "what was inferred holds again")
		require.True(t, p.DeclaredAt.IsZero())

		_, err = d.Preferences.Infer(ctx, ada.ID, "size", "L", "")
		require.ErrorContains(t, err, "evidence")
		_, err = d.Preferences.Create(ctx, customers.Preference{CustomerID: ada.ID, Name: "colour", Declared: "pink"})
		require.ErrorIs(t, err, crm.ErrConflict, "one of a name")
		_, err = d.Preferences.Declare(ctx, crm.ID{1}, "colour", "red")
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

// TestWhatBelongsToACustomerIsHisReaders holds that all that hangs on a customer goes by
// the rights to him.
func TestWhatBelongsToACustomerIsHisReaders(t *testing.T) {
	atDesk(t, customers.Policy{}, func(ctx context.Context, t *testing.T, d *desk) {
		d.role(t, "dana", crm.Allow("customer", crm.LevelOwn))
		system := crm.System(t.Context(), "acme")
		theirs := d.person(system, t, "Theirs", "")
		mine := d.person(ctx, t, "Mine", "")
		for _, owner := range []crm.ID{theirs.ID, mine.ID} {
			for what, do := range map[string]func(ctx context.Context) error{
				"identity": func(ctx context.Context) error {
					_, err := d.Identities.Create(ctx, customers.Identity{CustomerID: owner, Kind: "wechat", Value: "x"})
					return err
				},
				"postal address": func(ctx context.Context) error {
					_, err := d.PostalAddresses.Create(ctx, customers.PostalAddress{CustomerID: owner, Kind: customers.PostalHome, City: "Bonn"})
					return err
				},
				"preference": func(ctx context.Context) error {
					_, err := d.Preferences.Declare(ctx, owner, "colour", "red")
					return err
				},
			} {
				err := do(ctx)
				if owner == mine.ID {
					require.NoError(t, err, what)
					continue
				}
				require.Error(t, err, what)
				require.NotErrorIs(t, err, crm.ErrForbidden, "he is not there: %s", what)
				require.NoError(t, do(system), what)
			}
		}
		for what, count := range map[string]func(context.Context, ...crm.ListOption) (int64, error){
			"identities": d.Identities.Count, "postal addresses": d.PostalAddresses.Count, "preferences": d.Preferences.Count,
		} {
			n, err := count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, 1, n, what)
		}
		_, err := d.Addresses(ctx, theirs.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Advance(ctx, theirs.ID, customers.StageLead)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Levels.EvaluateCustomer(ctx, theirs.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}
