package fieldcrypt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/fieldcrypt"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestSchemaHasBlinds(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		crmtest.RequireSchema(t, c.Core.Core, c.engine.DB, c.engine.Name)
	})
}

// Whatever is done with a protected value, who has the database does not have it.
func TestDumpHasNoClearText(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true, Personal: true})
		c.field(t, ctx, crm.CustomField{Name: "iban", Type: crm.FieldText, Protected: true, Indexed: true})
		c.field(t, ctx, crm.CustomField{Name: "story", Type: crm.FieldLongText, Protected: true})
		c.field(t, ctx, crm.CustomField{Name: "plain", Type: crm.FieldText, Unique: true})
		ada := c.create(t, ctx, person{
			Name: "Augusta", Number: "Zanzibar-4711", Diagnosis: "Thunderstorm fever", Open: "Openvalue-1",
			Record: crm.Record{Custom: crm.Custom{"tax_no": "Xylophone-1", "iban": "Barometer-22", "story": "Marmalade, and «quotes» \"$sealed\"", "plain": "Plainvalue-1"}},
		})
		bob, err := c.people.CreateAll(ctx, []person{
			{Name: "Bob", Number: "Zanzibar-4712", Diagnosis: "Thunderstorm cough", Record: crm.Record{Custom: crm.Custom{"tax_no": "Xylophone-2"}}}, {Name: "Carl"},
		})
		require.NoError(t, err)
		_, err = c.people.Update(ctx, ada.ID, func(p *person) error {
			p.Number, p.Diagnosis = "Zanzibar-4713", "Thunderstorm cold"
			p.Custom["iban"], p.Custom["story"] = "Barometer-23", "Marmalade tart"
			return nil
		})
		require.NoError(t, err)
		_, outcome, err := c.people.Upsert(ctx, person{Name: "Augusta Q", Number: "Zanzibar-4713", Diagnosis: "Thunderstorm flu"})
		require.NoError(t, err)
		require.Equal(t, crm.Updated, outcome)
		_, outcome, err = c.people.Upsert(ctx, person{Name: "Augusta R", Record: crm.Record{Custom: crm.Custom{"tax_no": "XYLOPHONE-1"}}}, "custom.tax_no")
		require.NoError(t, err)
		require.Equal(t, crm.Updated, outcome, "unique texts are the same that fold to the same")
		_, err = c.visits.Create(ctx, visit{PersonID: bob[0].ID})
		require.NoError(t, err)
		_, merge, err := c.people.Merge(ctx, ada.ID, []crm.ID{bob[0].ID}, crm.MergeRules{})
		require.NoError(t, err)
		_, err = c.people.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		require.NoError(t, c.people.Delete(ctx, bob[1].ID))
		_, err = c.people.Restore(ctx, bob[1].ID)
		require.NoError(t, err)
		_, err = c.people.Create(ctx, person{Name: "Dora", Number: "Zanzibar-4713"})
		require.ErrorIs(t, err, crm.ErrConflict)
		require.NotContains(t, err.Error(), "Zanzibar")
		_, err = c.SealHistory(system(t))
		require.NoError(t, err)
		require.NoError(t, c.RunDue(t.Context()))
		require.Positive(t, c.told, "who is told of events is told what is in them")
		kept, err := c.people.Get(ctx, bob[0].ID)
		require.NoError(t, err)
		require.Equal(t, "Zanzibar-4712", kept.Number)
		_, err = c.people.ErasePerson(ctx, bob[0].ID, "asked by mail")
		require.NoError(t, err)
		_, err = c.people.Create(ctx, person{Name: "Bob", Number: "Zanzibar-4712"})
		erased, ok := errors.AsType[*crm.ErasedError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "number", erased.Field)
		c.whole(t)
		report, err := c.VerifyHistory(system(t))
		require.NoError(t, err)
		require.Nil(t, report.Broken)

		all := dump(t, c.engine)
		for _, secret := range []string{"Zanzibar", "Thunderstorm", "Xylophone", "Barometer", "Marmalade"} {
			require.Empty(t, found(all, secret), secret)
		}
		for _, open := range []string{"Augusta", "Openvalue", "Plainvalue"} { // so the dump sees what is there
			require.NotEmpty(t, found(all, open), open)
		}
		if c.engine.Name == "postgres" {
			require.Subset(t, found(all, "Openvalue"), []string{"person", "event"})
			require.Subset(t, found(all, "Plainvalue"), []string{"person", "event", "field_index"})
		}
	})
}

func TestProtectedValuesAreRead(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true})
		c.field(t, ctx, crm.CustomField{Name: "story", Type: crm.FieldLongText, Protected: true})
		ada := c.create(t, ctx, person{Name: "Ada", Number: "4711", Diagnosis: "cold", Record: crm.Record{Custom: crm.Custom{"tax_no": "T-1", "story": "long"}}})
		before := c.Clock.Now()
		c.Clock.Advance(time.Hour)
		_, err := c.people.Update(ctx, ada.ID, func(p *person) error {
			require.Equal(t, "4711", p.Number)
			p.Number, p.Custom["story"] = "4712", "longer"
			return nil
		})
		require.NoError(t, err)
		got, err := c.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "4712", got.Number)
		require.Equal(t, "cold", got.Diagnosis)
		require.Equal(t, crm.Custom{"tax_no": "T-1", "story": "longer"}, got.Custom)
		page, err := c.people.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []person{got}, page.Items)
		past, err := c.people.AsOf(ctx, ada.ID, before)
		require.NoError(t, err)
		require.Equal(t, "4711", past.Number)
		require.Equal(t, "long", past.Custom["story"])
		history, err := c.people.History(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, []crm.FieldChange{
			{Field: "custom.story", Before: []byte(`"long"`), After: []byte(`"longer"`)}, {Field: "number", Before: []byte(`"4711"`), After: []byte(`"4712"`)},
		}, history.Items[0].Changes)
		timeline, err := c.Timeline(ctx, "person", ada.ID, crm.TimelineFilter{})
		require.NoError(t, err)
		require.Equal(t, history.Items[0].Changes, timeline.Items[0].Changes)
		var out strings.Builder
		_, err = c.people.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Contains(t, out.String(), "4712")
		require.Contains(t, out.String(), "4711", "the history is in it too")
		c.whole(t)

		// Nothing changed: nothing is written, though ciphertext would be another.
		_, err = c.people.Update(ctx, ada.ID, func(p *person) error { p.Number = "4712"; return nil })
		require.NoError(t, err)
		same, err := c.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, got.Version, same.Version)
	})
}

func TestProtectedValuesAreFoundWhole(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true})
		c.field(t, ctx, crm.CustomField{Name: "story", Type: crm.FieldLongText, Protected: true})
		ada := c.create(t, ctx, person{Name: "Ada", Number: "4711", Diagnosis: "cold", Record: crm.Record{Custom: crm.Custom{"tax_no": "T-1", "story": "long"}}})
		c.create(t, ctx, person{Name: "Bob", Number: "4712", Record: crm.Record{Custom: crm.Custom{"tax_no": "T-2"}}})
		c.create(t, ctx, person{Name: "Carl", Diagnosis: "cold"})
		_, err := c.visits.Create(ctx, visit{PersonID: ada.ID})
		require.NoError(t, err)

		for expression, want := range map[string]int64{
			"number == '4711'":                                    1,
			"number == '4713'":                                    0,
			"number != '4711'":                                    2,
			"number in ['4711', '4712', '4713']":                  2,
			"not (number in ['4711'])":                            2,
			"number == nil":                                       1,
			"number != nil":                                       2,
			"diagnosis == 'cold' and name != 'Ada'":               1,
			"custom.tax_no == 'T-1'":                              1,
			"custom.tax_no in ['T-1', 'T-2', 'T-9']":              2,
			"custom.tax_no != 'T-1'":                              2,
			"custom.tax_no == nil":                                1,
			"custom.story == 'long'":                              1,
			"custom.story == 'longer'":                            0,
			"any(visits, .person_id != nil) and number == '4711'": 1,
		} {
			n, err := c.people.Count(ctx, crm.Where(expression))
			require.NoError(t, err, expression)
			require.Equal(t, want, n, expression)
		}
		n, err := c.visits.Count(ctx, crm.Where("person.number == $1 and person.custom.story == $2", "4711", "long"))
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		n, err = c.people.Count(ctx, crm.Where("number in $1", []string{"4711", "x"}))
		require.NoError(t, err)
		require.Equal(t, int64(1), n)

		for _, expression := range []string{
			"number < '5'", "number >= '5'", "number contains '7'", "number startsWith '4'", "fold(number) == fold('4711')", "number == diagnosis", "open == number",
			"custom.tax_no > 'T'", "custom.tax_no contains 'T'", "custom.story startsWith 'l'", "custom.tax_no == name",
		} {
			_, err := c.people.Count(ctx, crm.Where(expression))
			require.ErrorIs(t, err, crm.ErrInvalid, expression)
		}
		_, err = c.visits.Count(ctx, crm.Where("person.number contains '7'"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		for _, field := range []string{"number", "custom.tax_no", "custom.story"} {
			_, err := c.people.List(ctx, crm.OrderBy(field))
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, "is protected")
			_, err = c.people.Facets(ctx, field)
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, "is protected")
			_, err = c.Aggregate(ctx, "person", crm.Figures{GroupBy: []crm.GroupBy{{Field: field}}, Measures: []crm.Measure{{Fn: crm.FnCount}}})
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, "is protected")
		}
		_, err = c.visits.List(ctx, crm.OrderBy("person.number"))
		require.ErrorContains(t, err, "is protected")
	})
}

// Rules are held against records in memory: it is the same there.
func TestProtectedInMemory(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true})
		rule := crm.Rule{Object: "person", Name: "test", When: "number == '000' or custom.tax_no in ['000', '111']", Messages: map[string]string{"en": "a test number"}}
		_, err := c.Rules.Create(ctx, rule)
		require.NoError(t, err)
		_, err = c.people.Create(ctx, person{Name: "Ada", Number: "000"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = c.people.Create(ctx, person{Name: "Ada", Record: crm.Record{Custom: crm.Custom{"tax_no": "111"}}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		c.create(t, ctx, person{Name: "Ada", Number: "001"})
		rule.Name, rule.When = "other", "number startsWith '0'"
		_, err = c.Rules.Create(ctx, rule)
		require.ErrorIs(t, err, crm.ErrInvalid)
		for _, formula := range []string{"number == '1'", "custom.tax_no == '1'"} {
			_, err = c.Fields.Create(ctx, crm.CustomField{Object: "person", Name: "is_one", Type: crm.FieldFormula, Formula: formula})
			require.ErrorIs(t, err, crm.ErrInvalid, "what a formula comes to is kept in the clear")
		}
	})
}

func TestWhatCanBeProtected(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		for _, def := range []crm.CustomField{
			{Type: crm.FieldInt}, {Type: crm.FieldBool}, {Type: crm.FieldChoice, Options: []crm.Option{{Key: "a"}}}, {Type: crm.FieldText, Default: "x"},
		} {
			def.Object, def.Name, def.Protected = "person", "own", true
			_, err := c.Fields.Create(ctx, def)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		made := c.field(t, ctx, crm.CustomField{Name: "own", Type: crm.FieldText, Protected: true})
		_, err := c.Fields.Update(ctx, made.ID, func(f *crm.CustomField) error { f.Protected = false; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "define another field")
		// It goes on under another name, and once it was deleted.
		ada := c.create(t, ctx, person{Name: "Ada", Record: crm.Record{Custom: crm.Custom{"own": "Zanzibar"}}})
		_, err = c.Fields.Update(ctx, made.ID, func(f *crm.CustomField) error { f.Name = "renamed"; return nil })
		require.NoError(t, err)
		got, err := c.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"renamed": "Zanzibar"}, got.Custom)
		past, err := c.people.AsOf(ctx, ada.ID, c.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"renamed": "Zanzibar"}, past.Custom)
		require.NoError(t, c.Fields.Delete(ctx, made.ID))
		_, err = c.people.Update(ctx, ada.ID, func(p *person) error { p.Name = "Ada B"; return nil })
		require.NoError(t, err)
		_, err = c.Fields.Restore(ctx, made.ID)
		require.NoError(t, err)
		got, err = c.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"renamed": "Zanzibar"}, got.Custom)
		// It may become unique later, also of the records there are.
		_, err = c.Fields.Update(ctx, made.ID, func(f *crm.CustomField) error { f.Unique = true; return nil })
		require.NoError(t, err)
		c.create(t, ctx, person{Name: "Bob", Record: crm.Record{Custom: crm.Custom{"renamed": "Other"}}})
		c.Clock.Advance(time.Second)
		require.NoError(t, c.Fields.Backfill(ctx, made.ID))
		_, err = c.people.Create(ctx, person{Name: "Carl", Record: crm.Record{Custom: crm.Custom{"renamed": "zanzibar"}}})
		conflict, ok := errors.AsType[*crm.ConflictError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "custom.renamed", conflict.Field)
		require.Equal(t, ada.ID, conflict.Holder)
		require.Empty(t, found(dump(t, c.engine), "Zanzibar"))
		c.whole(t)
	})
}

func TestHiddenStaysHidden(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		sys := system(t)
		ada := c.create(t, sys, person{Name: "Ada", Number: "4711", Diagnosis: "cold"})
		_, err := c.Roles.Create(sys, crm.Role{
			Name: "desk", Grants: []crm.Grant{{Object: "person", Verb: crm.VerbRead, Level: crm.LevelAll}, {Object: "person", Verb: crm.VerbUpdate, Level: crm.LevelAll}},
			Fields: []crm.FieldRule{{Object: "person", Field: "number", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		roles, err := c.Roles.List(sys)
		require.NoError(t, err)
		_, err = c.Members.Create(sys, crm.Member{Key: "desk", Name: "Desk", RoleIDs: []crm.ID{roles.Items[0].ID}})
		require.NoError(t, err)
		ctx := as(t, "desk")
		got, err := c.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Empty(t, got.Number)
		require.Equal(t, "cold", got.Diagnosis)
		_, err = c.people.Update(ctx, ada.ID, func(p *person) error { p.Diagnosis = "flu"; return nil })
		require.NoError(t, err)
		_, err = c.people.Count(ctx, crm.Where("number == '4711'"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		history, err := c.people.History(ctx, ada.ID)
		require.NoError(t, err)
		for _, e := range history.Items {
			for _, x := range e.Changes {
				require.NotEqual(t, "number", x.Field)
			}
		}
		got, err = c.people.Get(sys, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "4711", got.Number)
	})
}

// A value that is put elsewhere, or altered, does not open, and is no other value.
func TestMovedValuesDoNotOpen(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		ada := c.create(t, ctx, person{Name: "Ada", Number: "4711", Diagnosis: "cold"})
		bob := c.create(t, ctx, person{Name: "Bob", Number: "4712", Diagnosis: "flu"})
		unread := func(id crm.ID) {
			_, err := c.people.Get(ctx, id)
			require.ErrorIs(t, err, crm.ErrSealed)
			require.ErrorContains(t, err, id.String())
			require.NotContains(t, err.Error(), "4711")
			_, err = c.people.List(ctx)
			require.ErrorIs(t, err, crm.ErrSealed)
		}
		c.exec(t, "UPDATE {person} SET number = (SELECT number FROM {person} WHERE name = 'Ada') WHERE name = 'Bob'")
		unread(bob.ID)
		c.exec(t, "UPDATE {person} SET number = 'clear' WHERE name = 'Bob'")
		unread(bob.ID)
		c.exec(t, "UPDATE {person} SET number = NULL, number_blind = NULL WHERE name = 'Bob'")
		_, err := c.people.Get(ctx, bob.ID)
		require.NoError(t, err)
		c.exec(t, "UPDATE {person} SET diagnosis = number WHERE name = 'Ada'")
		unread(ada.ID)
		problems, err := c.Check(t.Context())
		require.ErrorIs(t, err, crm.ErrSealed, "%v", problems)
	})
}

// A user may write what looks like ciphertext into a field of his: nothing is opened there.
func TestNothingIsOpenedElsewhere(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		ada := c.create(t, ctx, person{Name: `{"$sealed":"AAAA","$field":"number"}`, Number: `{"$sealed":"AAAA","$field":"number"}`})
		history, err := c.people.History(ctx, ada.ID)
		require.NoError(t, err)
		for _, x := range history.Items[0].Changes {
			require.JSONEq(t, `"{\"$sealed\":\"AAAA\",\"$field\":\"number\"}"`, string(x.After))
		}
	})
}

func TestNoCipher(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		core, err := crm.New(e.Store, crm.Config{})
		require.NoError(t, err)
		c := &clinic{engine: e}
		require.NoError(t, c.define(core))
		err = core.Migrate(t.Context())
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "person.number")
		require.ErrorContains(t, err, "Config.Cipher")
	})
}

// A tenant cannot protect a field where the program has no keys; one who did is not read
// by such a program.
func TestNoCipherForACustomField(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		ctx := as(t, "dana")
		passport := crm.CustomField{Object: "customer", Name: "passport", Type: crm.FieldText, Protected: true}
		bare, err := crm.New(e.Store, crm.Config{RightsLag: -1})
		require.NoError(t, err)
		without, err := customers.New(bare)
		require.NoError(t, err)
		require.NoError(t, bare.Migrate(t.Context()))
		_, err = bare.Fields.Create(ctx, passport)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "Config.Cipher")

		core, people := shop(e.Store, newKeys(t))
		_, err = core.Fields.Create(ctx, passport)
		require.NoError(t, err)
		ada, err := people.Create(ctx, customers.Customer{Kind: customers.Person, Name: "Ada", Record: crm.Record{Custom: crm.Custom{"passport": "C01"}}})
		require.NoError(t, err)
		_, err = without.Get(ctx, ada.ID)
		require.ErrorIs(t, err, crm.ErrSealed)
		require.ErrorContains(t, err, "custom.passport")
		_, err = without.Update(ctx, ada.ID, func(c *customers.Customer) error { c.Name = "Ada B"; return nil })
		require.ErrorIs(t, err, crm.ErrSealed)
		got, err := people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "C01", got.Custom["passport"])
	})
}

// A program that was given other keys does not read, and harms nothing.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		keys := newKeys(t)
		right := newClinic(t, e, keys)
		ctx := as(t, "dana")
		right.field(t, ctx, crm.CustomField{Name: "own", Type: crm.FieldText, Protected: true})
		ada := right.create(t, ctx, person{Name: "Ada", Number: "4711", Record: crm.Record{Custom: crm.Custom{"own": "mine"}}})

		wrong := newClinic(t, e, newKeys(t))
		_, err := wrong.people.Get(ctx, ada.ID)
		require.ErrorIs(t, err, crm.ErrSealed)
		require.ErrorContains(t, err, "person.number")
		require.ErrorContains(t, err, "which is not among those given")
		_, err = wrong.people.Update(ctx, ada.ID, func(p *person) error { p.Number = ""; return nil })
		require.ErrorIs(t, err, crm.ErrSealed)
		_, err = wrong.people.History(ctx, ada.ID)
		require.ErrorIs(t, err, crm.ErrSealed)
		_, err = wrong.Reseal(system(t))
		require.ErrorIs(t, err, crm.ErrSealed)

		// Another set of blind keys finds nothing, and says what does not fit.
		mixed := newClinic(t, e, fieldcrypt.Keys{Values: keys.Values, Blinds: newKeys(t).Blinds})
		n, err := mixed.people.Count(ctx, crm.Where("number == '4711'"))
		require.NoError(t, err)
		require.Zero(t, n)
		problems, err := mixed.Check(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, problems)

		got, err := right.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "4711", got.Number)
		require.Equal(t, "mine", got.Custom["own"])
	})
}

// Tenants have blinds of their own, and so have fields: equal values are told within one
// field of one tenant alone.
func TestBlindsDiffer(t *testing.T) {
	t.Parallel()
	cipher, err := fieldcrypt.New(newKeys(t))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, at := range []crm.Place{
		{Tenant: "a", Kind: "b", Field: "c"}, {Tenant: "x", Kind: "b", Field: "c"}, {Tenant: "a", Kind: "x", Field: "c"}, {Tenant: "a", Kind: "b", Field: "x"},
		{Tenant: "ab", Field: "c"}, {Tenant: "a", Kind: "bc"},
	} {
		all, err := cipher.Blind(t.Context(), at, []byte("v"))
		require.NoError(t, err)
		require.Len(t, all, 1)
		seen[string(all[0])] = true
		again, err := cipher.Blind(t.Context(), crm.Place{Tenant: at.Tenant, Kind: at.Kind, Field: at.Field, Record: crm.ID{1}}, []byte("v"))
		require.NoError(t, err)
		require.Equal(t, all, again, "of a place the record does not count")
	}
	require.Len(t, seen, 6)
}

// A file is imported by a protected key, and exported to who may read it; what an import
// notes of rows that failed does not name the value.
func TestTransfer(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		move := c.transfer
		bring := func(text string, plan transfer.Plan) transfer.Report {
			t.Helper()
			src, err := transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
			require.NoError(t, err)
			p, rows, err := move.Plan(ctx, src, plan)
			require.NoError(t, err)
			report, err := move.Import(ctx, rows, p, transfer.Options{})
			require.NoError(t, err)
			return report
		}
		report := bring("Name,number,diagnosis\nAda,Zanzibar-1,Thunderstorm\nBob,Zanzibar-2,\n", transfer.Plan{Object: "person", Key: "number"})
		require.EqualValues(t, 2, report.Created)
		report = bring("Name,number,diagnosis\nAda B,Zanzibar-1,Thunderstorm\nNobody,Zanzibar-9,\n", transfer.Plan{Object: "person", Key: "number", Mode: transfer.Update})
		require.EqualValues(t, 1, report.Updated)
		require.EqualValues(t, 1, report.Failed)
		require.NotContains(t, report.Faults[0].Reason, "Zanzibar")
		got, err := c.people.List(ctx, crm.Where("number == 'Zanzibar-1'"))
		require.NoError(t, err)
		require.Equal(t, "Ada B", got.Items[0].Name)

		report = bring("Of\nZanzibar-1\nZanzibar-7\n", transfer.Plan{
			Object: "visit", CreateMissing: true, Columns: []transfer.Column{{Heading: "Of", Field: "person_id", By: "number"}},
		})
		require.EqualValues(t, 1, report.Created)
		require.EqualValues(t, 1, report.Failed, "nobody is created who would be called by a protected number")

		var out strings.Builder
		sink, err := transfer.WriteCSV(&out, ',')
		require.NoError(t, err)
		_, err = move.Export(ctx, "person", []string{"name", "number"}, sink)
		require.NoError(t, err)
		require.NoError(t, sink.Close())
		require.Contains(t, out.String(), "Ada B,Zanzibar-1")
		require.Empty(t, found(dump(t, c.engine), "Zanzibar"))
		require.Empty(t, found(dump(t, c.engine), "Thunderstorm"))
	})
}

// In the host's own transaction it is the same.
func TestProtectedInAHostsTransaction(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		tx, err := c.engine.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		ctx, err := c.Join(as(t, "dana"), tx)
		require.NoError(t, err)
		ada := c.create(t, ctx, person{Name: "Ada", Number: "4711"})
		require.NoError(t, c.Tx(ctx, func(ctx context.Context) error {
			_, err := c.people.Update(ctx, ada.ID, func(p *person) error { p.Number = "4712"; return nil })
			return err
		}))
		n, err := c.people.Count(ctx, crm.Where("number == '4712'"))
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		_, err = c.people.Create(ctx, person{Name: "Bob", Number: "4712"})
		require.ErrorIs(t, err, crm.ErrConflict)
		require.NoError(t, tx.Commit())
		require.Empty(t, found(dump(t, c.engine), "4712-"))
		got, err := c.people.Get(as(t, "dana"), ada.ID)
		require.NoError(t, err)
		require.Equal(t, "4712", got.Number)
		c.whole(t)
	})
}

// The untyped way to records goes the same way.
func TestProtectedByRecords(t *testing.T) {
	inClinic(t, func(t *testing.T, c *clinic) {
		ctx := as(t, "dana")
		c.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Protected: true, Unique: true})
		records, err := c.Records("person")
		require.NoError(t, err)
		faults, err := records.Import(ctx, []crm.Values{{"name": "Ada", "number": "Zanzibar-1", "custom.tax_no": "Xylophone-1"}, {"name": "Bob", "number": "Zanzibar-1"}})
		require.NoError(t, err)
		require.NoError(t, faults[0])
		require.ErrorIs(t, faults[1], crm.ErrConflict)
		ids, err := records.Find(ctx, "number", []string{"Zanzibar-1", "Zanzibar-2"})
		require.NoError(t, err)
		require.Len(t, ids["Zanzibar-1"], 1)
		require.Empty(t, ids["Zanzibar-2"])
		fields, err := records.Fields(ctx)
		require.NoError(t, err)
		protected := []string{}
		for _, f := range fields {
			if f.Protected {
				protected = append(protected, f.Name)
			}
		}
		require.Equal(t, []string{"number", "diagnosis", "custom.tax_no"}, protected)
		require.Empty(t, found(dump(t, c.engine), "Zanzibar"))
	})
}
