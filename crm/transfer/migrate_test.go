package transfer_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// opens is a file of a former CRM.
func opens(text string) func() (transfer.Source, error) {
	return func() (transfer.Source, error) {
		return transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
	}
}

const (
	accountsCSV = "Id,Account Name,Parent Account ID,Employees,OwnerId,CreatedDate,Country\n" +
		"A1,Child,A2,10,u1,2019-05-01,DE\nA2,Mother,,200,u1,2019-04-01,FR\nA3,Orphan,A9,1,u9,2020-01-01,DE\nA4,,,7,u1,2020-01-01,DE\n"
	oppsCSV = "Id,Opportunity Name,AccountId,StageName,Amount,Close Date,OwnerId,Created Date,Score\n" +
		"O1,Engine,A1,offer,\"1,000.50\",2021-06-30,u2,2021-01-02,5\nO2,Loom,A2,won,200,2021-07-01,u2,2021-02-02,7\n" +
		"O3,Mill,A7,new,50,2021-07-01,u2,2021-02-03,1\n"
)

// salesforce is a former CRM, with the deals before what they refer to.
func (s *shop) salesforce(accounts, opps string) transfer.Migration {
	return transfer.Migration{
		System: "salesforce", Currency: "EUR", Owners: map[string]string{"u1": "dana", "u2": "lee"},
		Tables: []transfer.Table{
			{Plan: transfer.Plan{Object: "deal", KeepOrphans: true, Columns: []transfer.Column{
				{Heading: "AccountId", Field: "company_id"}, {Heading: "Opportunity Name", Field: "name"}, {Heading: "Amount", Field: "amount"}, {Heading: "Close Date", Field: "close_on"},
			}}, Open: opens(opps)},
			{Plan: transfer.Plan{Object: "company", KeepOrphans: true}, Open: opens(accounts)},
		},
	}
}

func (s *shop) members(t *testing.T) map[string]crm.ID {
	t.Helper()
	ids := map[string]crm.ID{}
	for _, key := range []string{"dana", "lee"} {
		m, err := s.Members.Ensure(as(t), key, strings.ToUpper(key[:1])+key[1:])
		require.NoError(t, err)
		ids[key] = m.ID
	}
	return ids
}

func (s *shop) dealNamed(t *testing.T, name string) deal {
	t.Helper()
	for d, err := range s.deals.All(as(t), crm.Where("name == $1", name)) {
		require.NoError(t, err)
		return d
	}
	require.Fail(t, "there is no such deal", name)
	return deal{}
}

func TestAFormerCRMInOneRun(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		who := s.members(t)
		m := s.salesforce(accountsCSV, oppsCSV)
		dry, err := s.transfer.DryRunMigration(as(t), m, transfer.Options{})
		require.NoError(t, err)
		n, err := s.companies.Count(as(t))
		require.NoError(t, err)
		require.Zero(t, n, "a dry run leaves nothing")

		var failed bytes.Buffer
		report, err := s.transfer.Migrate(as(t), m, transfer.Options{Errors: &failed})
		require.NoError(t, err)
		require.Equal(t, []string{"company", "deal"}, []string{report.Tables[0].Name, report.Tables[1].Name}, "what others refer to comes first")
		require.Equal(t, "rows 4 created 3 updated 0 skipped 0 failed 1 flagged 1", counts(report.Tables[0].Report), report.Tables[0].Report.Faults)
		require.Equal(t, "rows 3 created 3 updated 0 skipped 0 failed 0 flagged 1", counts(report.Tables[1].Report), report.Tables[1].Report.Faults)
		require.True(t, dry.DryRun)
		require.Equal(t, report.Reconciliation, dry.Reconciliation, "a dry run sees references between tables, and says what the run does")
		require.Contains(t, failed.String(), "A4,,,7,u1,2020-01-01,DE,5,name: is required")

		o1 := s.dealNamed(t, "Engine")
		require.Equal(t, s.companyNamed(t, "Child").ID, o1.CompanyID)
		require.Equal(t, s.companyNamed(t, "Mother").ID, s.companyNamed(t, "Child").ParentID)
		require.Equal(t, who["lee"], o1.OwnerID)
		require.Equal(t, "offer", o1.Stage, "in the state it was in")
		require.Equal(t, "2021-01-02", o1.Created.Format("2006-01-02"))
		require.Equal(t, crm.Refs{"salesforce": "O1"}, o1.Refs)
		require.True(t, s.dealNamed(t, "Mill").CompanyID.IsZero(), "an orphan is kept")

		companies, deals := report.Reconciliation.Objects[0], report.Reconciliation.Objects[1]
		require.Equal(t, transfer.Reconciled{
			Object: "company", System: "salesforce", Rows: 4, Keys: 4, Here: 3, Missing: 1,
			MissingKeys: []transfer.MissingKey{{Key: "A4", Reason: "name: is required"}},
			Sums:        []transfer.Sum{{Field: "employees", Source: "218", Target: "211"}},
			Orphans:     []transfer.Orphan{{Table: "company", Column: "Parent Account ID", Rows: 1, Examples: []string{"A9"}}},
		}, companies)
		require.Equal(t, transfer.Reconciled{
			Object: "deal", System: "salesforce", Rows: 3, Keys: 3, Here: 3,
			Sums:    []transfer.Sum{{Field: "amount", Currency: "EUR", Source: "1250.50", Target: "1250.50"}, {Field: "score", Source: "13", Target: "13"}},
			Orphans: []transfer.Orphan{{Table: "deal", Column: "AccountId", Rows: 1, Examples: []string{"A7"}}},
		}, deals)
		require.Equal(t, []transfer.OwnerRows{{"u1", "dana", 3}, {"u2", "lee", 3}, {"u9", "", 1}}, report.Reconciliation.Owners)
		require.False(t, report.Reconciliation.Agrees())

		again, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 4 created 0 updated 0 skipped 3 failed 1 flagged 0", counts(again.Tables[0].Report), "nothing is there twice")
		require.Equal(t, "rows 3 created 0 updated 0 skipped 3 failed 0 flagged 0", counts(again.Tables[1].Report))

		// What the former CRM did until it was given up.
		later, err := s.transfer.Migrate(as(t), s.salesforce(
			strings.Replace(accountsCSV, "A4,,", "A4,Named,", 1)+"A9,Grandmother,,,u1,2022-01-01,IT\n",
			strings.NewReplacer("O1,Engine,A1,offer", "O1,Engine,A9,won", "O3,Mill,A7,new,50,2021-07-01,u2,2021-02-03,1\n", "").Replace(oppsCSV),
		), transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 5 created 2 updated 1 skipped 2 failed 0 flagged 1", counts(later.Tables[0].Report))
		require.Equal(t, "rows 2 created 0 updated 1 skipped 1 failed 0 flagged 0", counts(later.Tables[1].Report))
		require.Equal(t, "won", s.dealNamed(t, "Engine").Stage, "guarded fields follow")
		require.Equal(t, s.companyNamed(t, "Grandmother").ID, s.companyNamed(t, "Orphan").ParentID)
		require.EqualValues(t, 1, later.Reconciliation.Objects[1].Gone)
		require.Equal(t, []string{"O3"}, later.Reconciliation.Objects[1].GoneKeys)
		require.True(t, later.Reconciliation.Agrees(), "%+v", later.Reconciliation)
		alone, err := s.transfer.Reconcile(as(t), s.salesforce(accountsCSV, oppsCSV))
		require.NoError(t, err)
		require.Equal(t, "218", alone.Objects[0].Sums[0].Target)
		require.EqualValues(t, 1, alone.Objects[0].Gone)
		undone, err := s.transfer.Revert(as(t), later.Tables[1].Report.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, undone.Restored)
		require.Equal(t, "offer", s.dealNamed(t, "Engine").Stage, "guarded fields too")
		problems, err := s.Check(crm.System(t.Context(), "acme"))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestTablesThatReferToEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		_, err := s.Fields.Create(as(t), crm.CustomField{Object: "company", Name: "first_deal", Type: crm.FieldReference, To: "deal", Labels: map[string]string{"en": "First deal"}})
		require.NoError(t, err)
		m := transfer.Migration{System: "erp", Currency: "EUR", Tables: []transfer.Table{
			{Plan: transfer.Plan{Object: "company", Columns: []transfer.Column{{Heading: "Deal", Field: "custom.first_deal"}}}, Open: opens("ID,Name,Deal\n1,Acme,11\n2,Beta,\n3,Ceta,99\n")},
			{Plan: transfer.Plan{Object: "deal", Columns: []transfer.Column{{Heading: "Company", Field: "company_id"}}}, Open: opens("ID,Deal Name,Company\n11,Engine,1\n12,Loom,2\n")},
		}}
		report, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"custom.first_deal"}, report.Tables[0].Deferred)
		require.Equal(t, "rows 3 created 3 updated 0 skipped 0 failed 0 flagged 0", counts(report.Tables[0].Report))
		require.Equal(t, "rows 3 created 0 updated 1 skipped 1 failed 1 flagged 0", counts(*report.Tables[0].Second))
		require.Equal(t, s.dealNamed(t, "Engine").ID.String(), fmt.Sprint(s.companyNamed(t, "Acme").Custom["first_deal"]))
		require.Equal(t, s.companyNamed(t, "Acme").ID, s.dealNamed(t, "Engine").CompanyID)
		require.EqualValues(t, 1, report.Reconciliation.Objects[0].Orphans[0].Rows)
		again, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 3 created 0 updated 0 skipped 2 failed 1 flagged 0", counts(*again.Tables[0].Second))
	})
}

func TestTablesOfOneKindThatReferToEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		table := func(name, text string) transfer.Table {
			return transfer.Table{Name: name, Plan: transfer.Plan{Object: "company"}, Open: opens(text)}
		}
		m := transfer.Migration{System: "erp", Tables: []transfer.Table{
			table("branches", "ID,Name,Parent Company\n1,Branch,12\n2,Sub,1\n"), table("holdings", "ID,Name,Parent Company\n11,Top,\n12,Middle,11\n"),
		}}
		report, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"holdings", "branches"}, []string{report.Tables[0].Name, report.Tables[1].Name})
		require.Empty(t, append(report.Tables[0].Deferred, report.Tables[1].Deferred...))
		m.Tables[1] = table("holdings", "ID,Name,Parent Company\n11,Top,\n12,Middle,11\n13,Late,1\n")
		report, err = s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"parent_id"}, report.Tables[0].Deferred)
		require.True(t, report.Reconciliation.Agrees())
		require.Equal(t, s.companyNamed(t, "Branch").ID, s.companyNamed(t, "Late").ParentID)
		require.Equal(t, s.companyNamed(t, "Middle").ID, s.companyNamed(t, "Branch").ParentID)
	})
}

func TestWhatAMigrationCannotBe(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		table := func(object, text string) transfer.Table {
			return transfer.Table{Plan: transfer.Plan{Object: object}, Open: opens(text)}
		}
		named := table("company", "ID,Name\n1,Twin\n")
		named.Name = "companies"
		for _, c := range []struct {
			m   transfer.Migration
			why string
		}{
			{transfer.Migration{}, "system: is required"},
			{transfer.Migration{System: "erp"}, "tables: there is none"},
			{transfer.Migration{System: "erp", Tables: []transfer.Table{table("company", "Name\nA\n")}}, "key: no column goes into refs.erp: say which does by Columns"},
			{transfer.Migration{System: "erp", Tables: []transfer.Table{{Plan: transfer.Plan{Object: "company"}}}}, "open: is required"},
			{transfer.Migration{System: "erp", Tables: []transfer.Table{{Plan: transfer.Plan{Object: "company", Mode: transfer.Create}, Open: opens("ID,Name\n1,A\n")}}}, "a migration knows records by refs.erp"},
			{transfer.Migration{System: "erp", Tables: []transfer.Table{table("company", "ID,Name\n1,A\n"), named}}, `company and companies both have the key "1": give one of their plans a System of its own, as in erp_companies`},
		} {
			_, err := s.transfer.Migrate(as(t), c.m, transfer.Options{})
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, c.why)
		}
		own := named
		own.Plan.System = "erp_companies"
		report, err := s.transfer.Migrate(as(t), transfer.Migration{System: "erp", Tables: []transfer.Table{table("company", "ID,Name\n1,A\n"), own}}, transfer.Options{})
		require.NoError(t, err)
		require.Len(t, report.Reconciliation.Objects, 2)
		require.True(t, report.Reconciliation.Agrees())
	})
}
