package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/transfer/xlsx"
)

// export is a directory with the files of a former CRM's export.
func export(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// sheet adds a spreadsheet to a directory.
func sheet(t *testing.T, dir, name string, rows ...[]string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, name))
	require.NoError(t, err)
	w, err := xlsx.Write(file)
	require.NoError(t, err)
	for _, row := range rows {
		require.NoError(t, w.Write(row))
	}
	require.NoError(t, w.Close())
	require.NoError(t, file.Close())
}

// tableSaid is what is said of a table: rows, created, skipped, failed and changes.
func tableSaid(t *testing.T, said map[string]any, name string) []float64 {
	t.Helper()
	tables, _ := said["tables"].([]any)
	for _, x := range tables {
		table, _ := x.(map[string]any)
		if table["name"] == name {
			var counts []float64
			for _, field := range []string{"rows", "created", "skipped", "failed", "changes"} {
				n, _ := table[field].(float64)
				counts = append(counts, n)
			}
			return counts
		}
	}
	require.Fail(t, "nothing is said of the table", "%s: %v", name, said)
	return nil
}

func salesforceExport(t *testing.T) string {
	t.Helper()
	dir := export(t, map[string]string{
		"Account.csv":                 "Id,Name,ParentId\n001,Analytical Engines Ltd,\n002,Looms Ltd,001\n",
		"Opportunity.csv":             "Id,Name,AccountId,StageName,Amount,OwnerId,CreatedDate\n006,Engine,001,Negotiation,12000,005,2021-01-02\n",
		"OpportunityFieldHistory.csv": "OpportunityId,CreatedById,CreatedDate,Field,OldValue,NewValue\n006,005,2021-02-03,StageName,Qualification,Negotiation\n",
		"notes-2024-01-02.csv":        "Id,ParentId,Body\nN1,006,about the deal\n",
		"README.txt":                  "no table",
	})
	sheet(t, dir, "联系人导出.xlsx", []string{"Id", "FirstName", "LastName", "AccountId"}, []string{"003", "Ada", "Lovelace", "001"})
	return dir
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	db, dir := filepath.Join(t.TempDir(), "crm.db"), salesforceExport(t)
	args := []string{"-db", db, "-migrate", dir, "-system", "salesforce", "-currency", "EUR", "-owners", "005=dana"}
	dry, err := last(t, append(args, "-dry-run")...)
	require.NoError(t, err)
	require.Equal(t, true, dry["dry_run"])
	require.Equal(t, true, dry["agrees"])
	said, err := last(t, args...)
	require.NoError(t, err)
	require.Equal(t, true, said["agrees"])
	for name, counts := range map[string][]float64{
		"Account": {2, 2, 0, 0, 0}, "联系人导出": {1, 1, 0, 0, 0}, "Opportunity": {1, 1, 0, 0, 1}, "notes-2024-01-02": {1, 1, 0, 0, 0},
	} {
		require.Equal(t, counts, tableSaid(t, said, name), name)
		require.Equal(t, counts, tableSaid(t, dry, name), name)
	}
	again, err := last(t, args...)
	require.NoError(t, err)
	require.Equal(t, []float64{2, 0, 2, 0, 0}, tableSaid(t, again, "Account"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes-2024-01-02.csv"), []byte("Id,ParentId,Body\nN2,0XX,about nothing\n"), 0o600))
	orphan, err := last(t, args...)
	require.NoError(t, err, "that something is missing is said, and is no failure of the run")
	require.Equal(t, false, orphan["agrees"])
	require.Equal(t, []float64{1, 0, 0, 1, 0}, tableSaid(t, orphan, "notes-2024-01-02"))
}

func TestMigrateByWhatIsSaid(t *testing.T) {
	t.Parallel()
	dir := export(t, map[string]string{
		"firms.csv": "ID,Firma\n1,Acme Inc\n", "people.csv": "ID,First Name,Last Name\n1,Ada,Lovelace\n", "sales2.csv": "ID,Betreff,Stufe\n1,Engine,Verhandlung\n",
		"log.csv": "Deal ID,When,Field,Old,New\n1,2021-02-03,Stufe,Prospecting,Verhandlung\n", "junk.csv": "a\n1\n",
	})
	args := []string{
		"-db", filepath.Join(t.TempDir(), "crm.db"), "-migrate", dir, "-system", "erp",
		"-tables", "firms=customer@erp_firm,sales2.csv=deal,log.csv=history:sales2.csv,junk.csv=", "-map", "sales2.csv:Betreff=name,sales2.csv:Stufe=stage_id", "-set", "firms.csv:kind=organisation",
		"-values", "sales2.csv:Stufe:Verhandlung=Negotiation",
	}
	said, err := last(t, args...)
	require.NoError(t, err)
	require.Equal(t, true, said["agrees"])
	require.Equal(t, []float64{1, 1, 0, 0, 1}, tableSaid(t, said, "sales2"))
	require.Len(t, said["tables"], 3)
}

func TestWhatAMigrationOfADirectoryCannotBe(t *testing.T) {
	t.Parallel()
	accounts := "ID,Name\n1,Acme\n"
	for _, c := range []struct {
		files map[string]string
		args  []string
		why   string
	}{
		{nil, []string{"-system", "erp"}, "has neither CSV files nor spreadsheets: give the directory"},
		{map[string]string{"things.csv": accounts}, nil, "things.csv: what the rows are is not understood by the name: say it, as in -tables 'things.csv=deal', or leave it out by -tables 'things.csv='"},
		{map[string]string{"deal notes.csv": accounts, "things.csv": accounts}, nil, "deal notes.csv, things.csv: what the rows are is not understood"},
		{map[string]string{"accounts.csv": accounts}, []string{"-tables", "a.csv=deal"}, `-tables: there is no file "a.csv": there are accounts.csv`},
		{map[string]string{"accounts.csv": accounts}, []string{"-tables", "accounts.csv=firm"}, `there is no kind of record "firm": there are `},
		{map[string]string{"accounts.csv": accounts, "deal_history.csv": accounts}, nil, "deal_history.csv: it is a history, and of which table is not understood: say it, as in -tables 'deal_history.csv=history:FILE'"},
		{map[string]string{"accounts.csv": accounts, "accounts_history.csv": accounts, "AccountHistory.csv": accounts}, nil, "are both histories of accounts.csv"},
		{map[string]string{"accounts.csv": accounts}, []string{"-map", "Name=name"}, "-map: say of which file, as in -map 'accounts.csv:Name=name'"},
		{map[string]string{"accounts.csv": accounts}, []string{"-values", "accounts.csv:Name:a=b"}, "accounts.csv: -values: say of a column in -map what a text means"},
		{map[string]string{"accounts.csv": "Name\nAcme\n"}, nil, "key: no column goes into refs.erp: say which does by -map 'FILE:HEADING=FIELD'"},
		{map[string]string{"accounts.csv": accounts, "contacts.csv": accounts}, nil, "accounts and contacts both have the key \"1\": give one a system of its own by -tables 'FILE=KIND@SYSTEM', as in erp_contacts"},
		{map[string]string{"deals.csv": "ID,Deal Name\n1,a\n", "deals_history.csv": "Deal ID,When,What,New\n1,2021-02-03,a,b\n"}, nil, "no column is understood as Field: give a column this heading: Field"},
	} {
		said, err := last(t, append([]string{"-db", filepath.Join(t.TempDir(), "crm.db"), "-migrate", export(t, c.files), "-system", "erp"}, c.args...)...)
		require.Error(t, err)
		require.Contains(t, said["error"], c.why)
		require.Equal(t, false, said["agrees"])
		require.NotNil(t, said["tables"])
	}
	for why, args := range map[string][]string{
		"say what the former CRM is called, as in -system salesforce": {"-migrate", "x"},
		"-migrate DIR takes no other file":                            {"-migrate", "x", "-system", "erp", "a.csv"},
	} {
		require.ErrorContains(t, run(t.Context(), args, nil, nil), why)
	}
}

func TestErrorsSpeakOfTheFlags(t *testing.T) {
	t.Parallel()
	file := filepath.Join(export(t, map[string]string{"a.csv": "Foo,Bar\n1,2\n"}), "a.csv")
	said, err := last(t, "-db", filepath.Join(t.TempDir(), "crm.db"), file)
	require.ErrorContains(t, err, "say which is which by -map 'HEADING=FIELD,…'")
	require.Equal(t, err.Error(), said["error"])
	require.NotContains(t, said["error"], "plan")
}

func TestWhatFilesAreByTheirNames(t *testing.T) {
	t.Parallel()
	d := directory{system: "hubspot", kinds: []string{"postal_address", "deal"}}
	for name, want := range map[string]string{
		"hubspot-crm-exports-all-contacts-2024-01-02": "customer", "Accounts (1)": "customer", "companies": "customer", "LEADS": "customer", "Opportunity": "deal",
		"商机2024": "deal", "客户列表": "customer", "公司联系人": "customer", "任务": "task", "postal_address": "postal_address", "users": "member", "OpportunityLineItem": "",
		"deal notes": "", "x": "", "2024": "",
	} {
		require.Equal(t, want, d.object(words(name)), name)
	}
	for name, want := range map[string][]string{
		"OpportunityFieldHistory.csv": {"opportunity"}, "deals_history.csv": {"deals"}, "DealHistory.csv": {"deal"}, "商机变更历史.csv": {"商机"}, "contact-property-history.csv": {"contact"},
		"history.csv": nil, "custom field.csv": nil, "deals.csv": nil,
	} {
		require.Equal(t, want, historyOf(name), name)
	}
}
