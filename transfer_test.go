package embedcrm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/crm/transfer/vcard"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/embedcrmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

const contactsCSV = "Record ID,First Name,Last Name,Email,E-mail 2,Mobile Phone,Work Phone,Company,Job Title,Street,House Number,City,Postcode,Country,Shipping Street,Shipping City,Favourite Colour\n" +
	"1,Ada,Lovelace,ada@example.com,countess@example.com,+44 20 7946 0958,020 7946 0000,Analytical Engines,Engineer,Main St,12,London,W1,UK,Dock 4,Dover,red\n" +
	"2,Charles,Babbage,charles@example.com,not an address,,,analytical engines,,,,,,UK,,,\n" +
	"3,Mary,Somerville,,,,,,Writer,,,,,UK,,,\n"

// carry imports a text as customers.
func carry(ctx context.Context, tb testing.TB, app *embedcrm.App, text string, dry bool) (transfer.Report, transfer.Plan) {
	tb.Helper()
	src, err := transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
	require.NoError(tb, err)
	p, rows, err := app.Transfer.Plan(ctx, src, transfer.Plan{Object: "customer", System: "hubspot"})
	require.NoError(tb, err)
	do := app.Transfer.Import
	if dry {
		do = app.Transfer.DryRun
	}
	report, err := do(ctx, rows, p, transfer.Options{})
	require.NoError(tb, err)
	return report, p
}

// held is all that customers have, in words.
func held(ctx context.Context, tb testing.TB, app *embedcrm.App) []string {
	tb.Helper()
	names := map[crm.ID]string{}
	var list []string
	for c, err := range app.Customers.All(ctx) {
		require.NoError(tb, err)
		names[c.ID] = c.Name
		list = append(list, fmt.Sprintf("%s: %s %s %s", c.Name, c.Kind, c.Email, c.Phone))
	}
	for i, err := range app.Customers.Identities.All(ctx) {
		require.NoError(tb, err)
		list = append(list, fmt.Sprintf("%s: %s %s %s malformed %v", names[i.CustomerID], i.Kind, i.Value, i.Label, i.Malformed))
	}
	for p, err := range app.Customers.PostalAddresses.All(ctx) {
		require.NoError(tb, err)
		list = append(list, fmt.Sprintf("%s: %s %s, %s %s %s", names[p.CustomerID], p.Kind, p.Street, p.PostalCode, p.City, p.Country))
	}
	for r, err := range app.Customers.Relationships.All(ctx) {
		require.NoError(tb, err)
		list = append(list, fmt.Sprintf("%s: %s %s as %s", names[r.CustomerID], r.Kind, names[r.OtherID], r.Title))
	}
	slices.Sort(list)
	return list
}

func TestAnImportKeepsAllThatCustomersHave(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		app := embedcrmtest.On(t, e.Store, crm.Config{})
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		dry, p := carry(ctx, t, app.App, contactsCSV, true)
		require.Empty(t, held(ctx, t, app.App))
		last := p.Columns[len(p.Columns)-1]
		require.Equal(t, "Favourite Colour", last.Heading)
		require.Empty(t, last.Field)
		require.NotEmpty(t, last.Note)

		report, _ := carry(ctx, t, app.App, contactsCSV, false)
		require.Equal(t, []int64{3, 8}, []int64{report.Created, report.Related})
		require.Equal(t, []int64{report.Created, report.Related}, []int64{dry.Created, dry.Related})
		want := []string{
			"Ada Lovelace: email countess@example.com  malformed false",
			"Ada Lovelace: other Main St 12, W1 London GB",
			"Ada Lovelace: person ada@example.com +442079460958",
			"Ada Lovelace: phone +442079460000 work malformed false",
			"Ada Lovelace: shipping Dock 4,  Dover ",
			"Ada Lovelace: works_at Analytical Engines as Engineer",
			"Analytical Engines: organisation  ",
			"Charles Babbage: email not an address  malformed true",
			"Charles Babbage: person charles@example.com ",
			"Charles Babbage: works_at Analytical Engines as ",
			"Mary Somerville: person  ",
		}
		got := held(ctx, t, app.App)
		require.Len(t, got, len(want), got)
		for i := range got { // without a Phones function a number may stay as it was given
			if !strings.Contains(want[i], "+44") {
				require.Equal(t, want[i], got[i])
			}
		}
		require.Equal(t, []transfer.RowFault{
			{Line: 3, Reason: "email: is no e-mail address, and kept as it stands", Kept: true},
			{Line: 4, Reason: "Job Title: is left out, since no organisation is there of which it could be", Kept: true},
		}, report.Faults)

		again, _ := carry(ctx, t, app.App, contactsCSV, false)
		require.Equal(t, []int64{0, 0, 3, 0}, []int64{again.Created, again.Updated, again.Skipped, again.Related})
		require.Equal(t, got, held(ctx, t, app.App), "nothing is doubled")

		changed, _ := carry(ctx, t, app.App, "Record ID,First Name,E-mail,Other E-mail,Company,Job Title\n1,Ada,ada@example.com,new@example.com,Analytical Engines,Director\n", false)
		require.Equal(t, []int64{1, 1}, []int64{changed.Updated, changed.Related})
		now := held(ctx, t, app.App)
		require.Contains(t, now, "Ada Lovelace: works_at Analytical Engines as Director")
		require.Contains(t, now, "Ada Lovelace: email new@example.com other malformed false")
		undone, err := app.Transfer.Revert(ctx, changed.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{1, 1, 0}, []int64{undone.Removed, undone.Restored, undone.Left}, undone.Reasons)
		require.Equal(t, got, held(ctx, t, app.App))

		_, err = app.Transfer.Revert(ctx, again.ID)
		require.NoError(t, err)
		require.Equal(t, got, held(ctx, t, app.App))
	})
}

// Whether somebody is a person is guessed of new customers alone: a file that says less of one
// who is there does not make another of him.
func TestAPartialFileKeepsTheKindOfParty(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		app := embedcrmtest.On(t, e.Store, crm.Config{})
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		made, err := app.Customers.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Acme", Record: crm.Record{Refs: crm.Refs{"erp": "7"}}})
		require.NoError(t, err)
		src, err := transfer.ReadCSV(strings.NewReader("ID,Country\n7,DE\n"), transfer.CSVOptions{})
		require.NoError(t, err)
		p, rows, err := app.Transfer.Plan(ctx, src, transfer.Plan{
			Object: "customer", System: "erp", Mode: transfer.Update, Key: "refs.erp", Columns: []transfer.Column{{Heading: "ID", Field: "refs.erp"}},
		})
		require.NoError(t, err)
		report, err := app.Transfer.Import(ctx, rows, p, transfer.Options{})
		require.NoError(t, err)
		require.EqualValues(t, 1, report.Updated, "%+v", report)
		is, err := app.Customers.Get(ctx, made.ID)
		require.NoError(t, err)
		require.Equal(t, "DE", is.Country)
		require.Equal(t, customers.Organisation, is.Kind)
	})
}

func TestAnImportOfCardsKeepsEveryNumber(t *testing.T) {
	t.Parallel()
	app := embedcrmtest.New(t)
	ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	src, err := vcard.Read(strings.NewReader("BEGIN:VCARD\nFN:Ada Lovelace\nN:Lovelace;Ada;;;\nTEL;TYPE=cell:+442079460958\nTEL;TYPE=cell:+442079460959\nORG:Engines\nTITLE:Boss\nEND:VCARD\n"))
	require.NoError(t, err)
	p, rows, err := app.Transfer.Plan(ctx, src, transfer.Plan{Object: "customer", OnlyKnown: true})
	require.NoError(t, err)
	report, err := app.Transfer.Import(ctx, rows, p, transfer.Options{})
	require.NoError(t, err)
	require.Contains(t, report.Faults[0].Reason, `no organisation is called "Engines"`)
	require.Equal(t, []string{
		"Ada Lovelace: person  +442079460958", "Ada Lovelace: phone +442079460959 mobile malformed false",
	}, held(ctx, t, app.App))
}

func TestAnImportOfCardsKeepsTwoHomes(t *testing.T) {
	t.Parallel()
	app := embedcrmtest.New(t)
	ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
	src, err := vcard.Read(strings.NewReader("BEGIN:VCARD\nFN:Ada Lovelace\nN:Lovelace;Ada;;;\nADR;TYPE=home:;;Main St 1;London;;W1;UK\nADR;TYPE=home:;;Rue 2;Paris;;75001;France\n" +
		"ADR;TYPE=home:;;Via 3;Rome;;;Italy\nADR;TYPE=work:;;Dock 4;Dover;;;UK\nEND:VCARD\n"))
	require.NoError(t, err)
	p, rows, err := app.Transfer.Plan(ctx, src, transfer.Plan{Object: "customer"})
	require.NoError(t, err)
	report, err := app.Transfer.Import(ctx, rows, p, transfer.Options{})
	require.NoError(t, err)
	require.Equal(t, []transfer.RowFault{{Line: 1, Reason: `ADR: one more is left out: "Via 3, Rome, Italy"`, Kept: true}}, report.Faults)
	require.Equal(t, []string{
		"Ada Lovelace: home Main St 1, W1 London GB", "Ada Lovelace: home Rue 2, 75001 Paris FR", "Ada Lovelace: person  ", "Ada Lovelace: work Dock 4,  Dover GB",
	}, held(ctx, t, app.App))
}

func TestRevertTakesBackWhatBelongsToCustomers(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		app := embedcrmtest.On(t, e.Store, crm.Config{})
		ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
		known, err := app.Customers.Create(ctx, customers.Customer{Kind: customers.Organisation, Name: "Known"})
		require.NoError(t, err)
		report, _ := carry(ctx, t, app.App, "Name,Given Name,Company,Home City\nAda,Ada,Known,Rome\nBob,Bob,Made,Oslo\n", false)
		require.Equal(t, []int64{2, 5}, []int64{report.Created, report.Related})
		rel, err := app.Customers.Relationships.Of(ctx, known.ID)
		require.NoError(t, err)
		require.Len(t, rel, 1, "found by its name")
		undone, err := app.Transfer.Revert(ctx, report.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{7, 0}, []int64{undone.Removed, undone.Left}, undone.Reasons)
		require.Equal(t, []string{"Known: organisation  "}, held(ctx, t, app.App))
	})
}
