package transfer_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

const companiesCSV = "ID;Company;E-mail;Country;No. of Employees;Tags;Created;VIP\n" +
	"1;Müller GmbH;INFO@example.com;Deutschland;1.200;vip, old;31.12.2020 10:30;ja\n" +
	"2;;none@example.com;;;;;\n" +
	"3;Acme;not-an-email;USA;12;;2021-02-03;no\n" +
	"4;Nowhere;x@example.com;Atlantis;;;;\n" +
	"5;Twice;info2@example.com;中国;viele;;;\n" +
	";;;;;;;\n" +
	"6;Ragged;r@example.com\n" +
	"7;东城区公司;zhang@example.com;CN;7;;;\n"

func TestAnImportKeepsWhatIsSoundAndSaysWhatIsNot(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		p, src := s.plan(t, companiesCSV, transfer.Plan{Object: "company", System: "erp"})
		dry, err := s.transfer.DryRun(as(t), src, p, transfer.Options{})
		require.NoError(t, err)
		n, err := s.companies.Count(as(t))
		require.NoError(t, err)
		require.Zero(t, n, "a dry run leaves nothing")
		imports, err := s.transfer.Imports.Count(as(t))
		require.NoError(t, err)
		require.Zero(t, imports)

		report, failed := s.bring(t, companiesCSV, transfer.Plan{Object: "company", System: "erp"})
		require.Equal(t, "rows 8 created 3 updated 0 skipped 1 failed 4 flagged 1", counts(report))
		dry.ID, dry.DryRun = report.ID, false
		require.Equal(t, report, dry, "a dry run says what the import does")
		require.Equal(t, "ID,Company,E-mail,Country,No. of Employees,Tags,Created,VIP,line,reason\n"+
			"2,,none@example.com,,,,,,3,name: is required\n"+
			"4,Nowhere,x@example.com,Atlantis,,,,,5,\"country: \"\"Atlantis\"\" is no country that is known: give its name, or its code of ISO 3166-1 such as DE\"\n"+
			"5,Twice,info2@example.com,中国,viele,,,,6,\"employees: \"\"viele\"\" is no whole number\"\n"+
			"6,Ragged,r@example.com,,,,,,8,\"has 3 cells, and there are 8 headings: look for a missing or an unquoted delimiter or line break\"\n", failed)

		m := s.companyNamed(t, "Müller GmbH")
		require.Equal(t, "DE", m.Country)
		require.EqualValues(t, 1200, *m.Employees)
		require.Equal(t, []string{"old", "vip"}, m.Tags)
		require.Equal(t, crm.Refs{"erp": "1"}, m.Refs)
		require.True(t, m.VIP)
		require.Equal(t, time.Date(2020, 12, 31, 10, 30, 0, 0, time.UTC), m.Created, "created when it was")
		require.Equal(t, "not-an-email", s.companyNamed(t, "Acme").Email, "kept as it stands, and flagged")
		h, err := s.companies.History(as(t), m.ID)
		require.NoError(t, err)
		require.Equal(t, "import "+report.ID.String(), h.Items[0].Cause)

		again, _ := s.bring(t, companiesCSV, transfer.Plan{Object: "company", System: "erp"})
		require.Equal(t, "rows 8 created 0 updated 0 skipped 4 failed 4 flagged 0", counts(again), "known by their keys")
		changed, _ := s.bring(t, "ID,Employees\n1,1300\n9,1\n", transfer.Plan{Object: "company", System: "erp", Mode: transfer.Update})
		require.Equal(t, "rows 2 created 0 updated 1 skipped 0 failed 1 flagged 0", counts(changed))
		require.Contains(t, changed.Faults[0].Reason, `refs.erp: no company has "9", and none is created`)
		require.EqualValues(t, 1300, *s.companyNamed(t, "Müller GmbH").Employees)
	})
}

func counts(r transfer.Report) string {
	return fmt.Sprintf("rows %d created %d updated %d skipped %d failed %d flagged %d", r.Rows, r.Created, r.Updated, r.Skipped, r.Failed, r.Flagged)
}

func TestWhatAPlanCannotDecide(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		for _, c := range []struct {
			text string
			plan transfer.Plan
			why  string
		}{
			{"a,b\n1,2\n", transfer.Plan{Object: "company"}, "headings: none of a, b is understood as a field of company"},
			{"Name,Email,Email\nA,a@example.com,b@example.com\n", transfer.Plan{Object: "company"}, `headings: "Email" stands in columns 2 and 3: rename one, or say which is meant by its number: #3 for email`},
			{"Name,Founded\nA,03/04/2024\n", transfer.Plan{Object: "company"}, "Founded: 03/04/2024 has the day first or the month, and no date of the column tells: say which by Dates (dmy or mdy)"},
			{"Name,Founded\nA,13/04/2024\nB,04/13/2024\n", transfer.Plan{Object: "company"}, "its dates are written in two orders"},
			{"Name\nA\n", transfer.Plan{Object: "ship"}, `there is no kind of record "ship"`},
			{"Name\nA\n", transfer.Plan{Object: "company", Mode: "replace"}, `mode: "replace" is none of`},
			{"Name\nA\n", transfer.Plan{Object: "company", Mode: transfer.Upsert}, "key: to upsert records takes something to know them by"},
			{"Name\nA\n", transfer.Plan{Object: "company", Key: "email"}, "key: no column goes into email"},
			{"Name\nA\n", transfer.Plan{Object: "company", Columns: []transfer.Column{{Heading: "Nom", Field: "name"}}}, `there is no heading "Nom": there are Name`},
			{"Name\nA\n", transfer.Plan{Object: "company", Columns: []transfer.Column{{Heading: "Name", Field: "nome"}}}, `company has no field "nome"`},
			{"Name\nA\n", transfer.Plan{Object: "company", Columns: []transfer.Column{{Heading: "Name", Field: "version"}}}, "version is computed"},
			{"Name\nA\n", transfer.Plan{Object: "company", Zone: "Mars/Base"}, `zone: "Mars/Base" is no time zone`},
			{"Name\nA\n", transfer.Plan{Object: "company", Currency: "XXQ"}, "currency"},
			{"Name\nA\n", transfer.Plan{Object: "company", Dates: "dym"}, "dates: "},
		} {
			require.ErrorContains(t, s.refused(t, c.text, c.plan), c.why, "%s", c.text)
		}
		// What cured it.
		report, _ := s.bring(t, "Name,Email,Email,Founded\nA,a@example.com,b@example.com,03/04/2024\n", transfer.Plan{
			Object: "company", Dates: transfer.DayFirst, Columns: []transfer.Column{{Heading: "#2"}, {Heading: "#3", Field: "email"}},
		})
		require.EqualValues(t, 1, report.Created)
		a := s.companyNamed(t, "A")
		require.Equal(t, "b@example.com", a.Email)
		require.Equal(t, "2024-04-03", a.Founded.String())
	})
}

func TestNumbersAndDatesAreReadAsTheirColumnsWriteThem(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		for n, c := range []struct{ amounts, dates, want string }{
			{"1.234,56 €|99,00 €|1.000 €|-5 €", "31.12.2024|1.2.24|2024-03-01|20240302", "1234.56 EUR 2024-12-31|99.00 EUR 2024-02-01|1000.00 EUR 2024-03-01|-5.00 EUR 2024-03-02"},
			{"$1,234.56|USD 7|(12.50) USD|1'000 CHF", "12/31/2024|3/4/2024|Mar 5, 2024|5 March 2024", "1234.56 USD 2024-12-31|7.00 USD 2024-03-04|-12.50 USD 2024-03-05|1000.00 CHF 2024-03-05"},
			{"1234 JPY|1.5 KWD|￥100|12 元", "31/12/2024|3/4/2024|2024年5月6日|2024/7/8", "1234 JPY 2024-12-31|1.500 KWD 2024-04-03|100.00 CNY 2024-05-06|12.00 CNY 2024-07-08"},
		} {
			var text strings.Builder
			text.WriteString("Deal Name|Amount|Close Date\n")
			dates := strings.Split(c.dates, "|")
			for i, a := range strings.Split(c.amounts, "|") {
				fmt.Fprintf(&text, "Case %d.%d|%s|%s\n", n, i, a, dates[i])
			}
			report, failed := s.bring(t, text.String(), transfer.Plan{Object: "deal"})
			require.Empty(t, failed)
			require.EqualValues(t, 4, report.Created)
			var got []string
			for d, err := range s.deals.All(as(t), crm.Where("name startsWith $1", fmt.Sprintf("Case %d.", n)), crm.OrderBy("name")) {
				require.NoError(t, err)
				got = append(got, d.Amount.String()+" "+d.CloseOn.String())
			}
			require.Equal(t, c.want, strings.Join(got, "|"))
		}
		report, failed := s.bring(t, "Deal Name,Amount\nA,12\n", transfer.Plan{Object: "deal", Columns: []transfer.Column{{Heading: "Amount", Field: "amount"}}})
		require.EqualValues(t, 1, report.Failed)
		require.Contains(t, failed, "amount: names no currency")
		report, _ = s.bring(t, "Deal Name,Amount,Currency\nA,12,GBP\n", transfer.Plan{Object: "deal"})
		require.EqualValues(t, 1, report.Created)
	})
}

func TestRecordsKeepTheirTimes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		report, _ := s.bring(t, "Name,Created Date,Last Modified Date\nKept,2019-05-01,2020-06-02\nWrong,2019-05-01,2018-01-01\nNone,2019-05-01,\n", transfer.Plan{Object: "company"})
		require.Equal(t, "rows 3 created 3 updated 0 skipped 0 failed 0 flagged 1", counts(report))
		for name, updated := range map[string]string{"Kept": "2020-06-02", "Wrong": "2019-05-01", "None": "2019-05-01"} {
			c := s.companyNamed(t, name)
			require.Equal(t, "2019-05-01", c.Created.Format("2006-01-02"))
			require.Equal(t, updated, c.Updated.Format("2006-01-02"), name)
		}
		report, _ = s.bring(t, "Name,Last Modified Date\nLate,2020-06-02\n", transfer.Plan{Object: "company"})
		require.EqualValues(t, 1, report.Created)
		require.Equal(t, s.Clock.Now(), s.companyNamed(t, "Late").Updated, "it is created now")
	})
}

func TestReferencesAreFoundByKeyOrName(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		// Subsidiaries may stand before what they belong to, and circles are refused.
		report, failed := s.bring(t, "ID,Name,Parent Company\n1,Child,Mother\n2,Mother,Grandmother\n3,Grandmother,\n4,A,B\n5,B,A\n6,Self,Self\n7,Orphan,Nobody\n",
			transfer.Plan{Object: "company", System: "erp"})
		require.Equal(t, "rows 7 created 3 updated 0 skipped 0 failed 4 flagged 0", counts(report))
		require.Contains(t, failed, `4,A,B,5,"parent_id: no company is called ""B"", or it is above itself in turn"`)
		require.Contains(t, failed, "parent_id: would make a circle: the record is above itself")
		require.Equal(t, s.companyNamed(t, "Mother").ID, s.companyNamed(t, "Child").ParentID)

		mapped := []transfer.Column{{Heading: "Company", Field: "company_id"}}
		report, _ = s.bring(t, "Deal Name,Company\nX,1\nY,mother\nZ,New Ltd\n", transfer.Plan{Object: "deal", System: "erp", Columns: mapped})
		require.Equal(t, "rows 3 created 2 updated 0 skipped 0 failed 1 flagged 0", counts(report))
		require.Equal(t, `company_id: no company is called "New Ltd"`, report.Faults[0].Reason)
		made, _ := s.bring(t, "Deal Name,Company\nZ,New Ltd\nZZ,New Ltd\n", transfer.Plan{Object: "deal", System: "erp", Columns: mapped, CreateMissing: true})
		require.EqualValues(t, 2, made.Created)
		require.EqualValues(t, 1, made.Related)
		undone, err := s.transfer.Revert(as(t), made.ID)
		require.NoError(t, err)
		require.EqualValues(t, 3, undone.Removed, "with what was created for them")
		_, err = s.companies.Create(as(t), company{Name: "Mother"})
		require.NoError(t, err)
		report, _ = s.bring(t, "Deal Name,Company\nY,Mother\n", transfer.Plan{Object: "deal", System: "erp", Columns: mapped})
		require.Equal(t, `company_id: several companies are called "Mother": refer to one by a key`, report.Faults[0].Reason)
	})
}

func TestAnImportThatWasStoppedGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		var text strings.Builder
		text.WriteString("ID,Name,Parent Company\n")
		for i := range 2500 {
			parent := ""
			if i == 3 {
				parent = "Company 2400" // further down
			}
			name := fmt.Sprintf("Company %d", i)
			if i%500 == 7 {
				name = ""
			}
			fmt.Fprintf(&text, "%d,%s,%s\n", i, name, parent)
		}
		whole := func() *transfer.CSV {
			src, err := transfer.ReadCSV(strings.NewReader(text.String()), transfer.CSVOptions{})
			require.NoError(t, err)
			return src
		}
		p, src, err := s.transfer.Plan(as(t), &failing{whole(), 2200}, transfer.Plan{Object: "company"})
		require.NoError(t, err)
		var before, after bytes.Buffer
		stopped, err := s.transfer.Import(as(t), src, p, transfer.Options{Errors: &before})
		require.ErrorIs(t, err, errStopped)
		require.EqualValues(t, 1999, stopped.Rows, "two parts are kept, but for the row that waits")
		im, err := s.transfer.Imports.Get(as(t), stopped.ID)
		require.NoError(t, err)
		require.Equal(t, transfer.Running, im.State)

		_, err = s.transfer.Resume(as(t), stopped.ID, &failing{whole(), 100}, transfer.Options{})
		require.Error(t, err)
		other, err := transfer.ReadCSV(strings.NewReader("ID,Name\n1,X\n"), transfer.CSVOptions{})
		require.NoError(t, err)
		_, err = s.transfer.Resume(as(t), stopped.ID, other, transfer.Options{})
		require.ErrorContains(t, err, "source: is another one")

		done, err := s.transfer.Resume(as(t), stopped.ID, whole(), transfer.Options{Errors: &after})
		require.NoError(t, err)
		require.Equal(t, "rows 2500 created 2495 updated 0 skipped 0 failed 5 flagged 0", counts(done))
		require.Equal(t, 6, strings.Count(after.String(), "\n"), "the errors from before as well: %s", after.String())
		n, err := s.companies.Count(as(t))
		require.NoError(t, err)
		require.EqualValues(t, 2495, n, "none twice")
		require.Equal(t, s.companyNamed(t, "Company 2400").ID, s.companyNamed(t, "Company 3").ParentID)
		again, err := s.transfer.Resume(as(t), stopped.ID, whole(), transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, counts(done), counts(again), "what is done stays so")
	})
}

func TestRevert(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		first, _ := s.bring(t, "ID,Name,Employees,Tags\n1,One,1,a\n2,Two,2,b\n3,Three,3,c\n", transfer.Plan{Object: "company"})
		second, _ := s.bring(t, "ID,Name,Employees,Tags,Parent Company\n1,Uno,10,x,\n2,Two,20,y,\n4,Four,4,,\n5,Five,5,,Four\n", transfer.Plan{Object: "company"})
		require.Equal(t, "rows 4 created 2 updated 2 skipped 0 failed 0 flagged 0", counts(second))
		two := s.companyNamed(t, "Two")
		_, err := s.companies.Update(as(t), two.ID, func(c *company) error { c.VIP = true; return nil })
		require.NoError(t, err)

		undone, err := s.transfer.Revert(as(t), second.ID)
		require.NoError(t, err)
		require.EqualValues(t, 2, undone.Removed)
		require.EqualValues(t, 1, undone.Restored)
		require.Equal(t, []transfer.Left{{ID: two.ID, Reason: "was changed after the import"}}, undone.Reasons)
		one := s.companyNamed(t, "One")
		require.EqualValues(t, 1, *one.Employees)
		require.Equal(t, []string{"a"}, one.Tags)
		require.EqualValues(t, 20, *s.companyNamed(t, "Two").Employees)

		_, err = s.companies.Update(as(t), one.ID, func(c *company) error { c.VIP = true; return nil })
		require.NoError(t, err)
		left, err := s.transfer.Revert(as(t), first.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, left.Removed, "of three one was changed by another import, and one by hand")
		require.EqualValues(t, 2, left.Left)

		third, _ := s.bring(t, "Name\nLast\n", transfer.Plan{Object: "company"})
		_, err = s.transfer.Revert(as(t), third.ID)
		require.NoError(t, err)
		_, err = s.transfer.Revert(as(t), third.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "reverted already")
		problems, err := s.Check(crm.System(t.Context(), "acme"))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestAnImportTakesTheRightTo(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		tenant := crm.System(t.Context(), "acme")
		clerk, err := s.Roles.Create(tenant, crm.Role{Name: "clerk", Grants: crm.Allow("company", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate)})
		require.NoError(t, err)
		importer, err := s.Roles.Create(tenant, crm.Role{
			Name: "importer", Grants: crm.Allow("company", crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate, crm.VerbImport, crm.VerbExport),
			Fields: []crm.FieldRule{{Object: "company", Field: "employees", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		for key, role := range map[string]crm.ID{"carl": clerk.ID, "dana": importer.ID} {
			_, err := s.Members.Create(tenant, crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{role}})
			require.NoError(t, err)
		}
		carl := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "carl"})
		p, src := s.plan(t, "Name,Employees\nA,1\n", transfer.Plan{Object: "company"})
		require.Empty(t, p.Columns[1].Field, "a hidden field is not there")
		_, err = s.transfer.Import(carl, src, p, transfer.Options{})
		require.ErrorIs(t, err, crm.ErrForbidden)
		report, _ := s.bring(t, "Name,Employees\nA,1\n", transfer.Plan{Object: "company"})
		require.EqualValues(t, 1, report.Created)

		var b bytes.Buffer
		to, err := transfer.WriteCSV(&b, 0)
		require.NoError(t, err)
		_, err = s.transfer.Export(carl, "company", nil, to)
		require.ErrorIs(t, err, crm.ErrForbidden)
		n, err := s.transfer.Export(as(t), "company", nil, to)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.NotContains(t, b.String(), "employees")
		_, err = s.transfer.Export(as(t), "company", []string{"employees"}, to)
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestWhatHasNoPlaceIsSaid(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		text := "Company,E-mail,E-mail 2,City\nAcme,a@example.com,b@example.com,Rome\nB,,c@example.com,\nC,d@example.com,D@example.com,\n"
		p, _ := s.plan(t, text, transfer.Plan{Object: "company"})
		require.Equal(t, "counts where E-mail has no value", p.Columns[2].Note)
		require.Equal(t, "left out: company has no field for it", p.Columns[3].Note)
		report, _ := s.bring(t, text, transfer.Plan{Object: "company", Mode: transfer.Create})
		require.EqualValues(t, 3, report.Created)
		require.Equal(t, []transfer.RowFault{{Line: 2, Reason: "E-mail 2: is left out, since E-mail has email", Kept: true}}, report.Faults)
		require.Equal(t, "c@example.com", s.companyNamed(t, "B").Email)
	})
}
