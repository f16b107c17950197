package transfer_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// told is the history of a deal in words, the first change first.
func (s *shop) told(t *testing.T, name string) (lines []string) {
	t.Helper()
	members := map[string]string{}
	for m, err := range s.Members.All(as(t)) {
		require.NoError(t, err)
		members[m.ID.String()] = m.Key
	}
	h, err := s.deals.History(as(t), s.dealNamed(t, name).ID)
	require.NoError(t, err)
	for _, e := range slices.Backward(h.Items) {
		words := []string{e.Happened.Format("2006-01-02"), strings.TrimPrefix(e.Actor, "member:")}
		for _, c := range e.Changes {
			if c.Field == "stage" || c.Field == "amount" || c.Field == "owner_id" || c.Field == "score" && e.Version > 1 {
				after := strings.Trim(string(c.After), `"`)
				if key, ok := members[after]; ok {
					after = key
				}
				words = append(words, c.Field+"="+after)
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// opportunities are deals with their histories.
func (s *shop) opportunities(opps, history string, fields map[string]string) transfer.Migration {
	return transfer.Migration{
		System: "salesforce", Currency: "EUR", Owners: map[string]string{"u1": "dana", "u2": "lee", "Lee Last": "lee"},
		Tables: []transfer.Table{{Plan: transfer.Plan{Object: "deal", Columns: []transfer.Column{
			{Heading: "StageName", Field: "stage", Values: map[string]string{"Closed Won": "won", "Proposal": "offer", "Prospecting": "new"}},
			{Heading: "Name", Field: "name"}, {Heading: "Amount", Field: "amount", Currency: "EUR"},
		}}, Open: opens(opps), History: &transfer.History{Open: opens(history), Fields: fields}}},
	}
}

const (
	sfOpps    = "Id,Name,StageName,Amount,OwnerId,CreatedDate,Score\nO1,Engine,Closed Won,300,u2,2021-01-01,3\nO2,Loom,Prospecting,5,u1,2021-02-01,1\n"
	sfHistory = "Id,IsDeleted,OpportunityId,CreatedById,CreatedDate,Field,DataType,OldValue,NewValue\n" +
		"h5,false,O1,u2,2021-04-01T10:00:00.000Z,StageName,Text,Proposal,Closed Won\n" +
		"h1,false,O1,u1,2021-01-01T09:00:00.000Z,created,Text,,\n" +
		"h2,false,O1,u1,2021-02-01T10:00:00.000Z,StageName,Text,Prospecting,Proposal\n" +
		"h3,false,O1,u1,2021-02-01T10:00:00.000Z,Amount,Currency,100,200\n" +
		"h4,false,O1,u9,2021-03-01T10:00:00.000Z,Owner,EntityId,u1,u2\n" +
		"h4b,false,O1,u9,2021-03-01T10:00:00.000Z,Owner,Text,Dana,Lee Last\n" +
		"h6,false,O1,u1,2021-02-11T10:00:00.000Z,StageName,Text,Nowhere,Lost in space\n" +
		"h7,false,O1,u1,2031-02-11T10:00:00.000Z,Amount,Currency,1,2\n" +
		"h8,false,,u1,2021-02-11T10:00:00.000Z,Amount,Currency,1,2\n" +
		"h9,false,O1,u1,some day,Amount,Currency,1,2\n" +
		"ha,false,O1,u1,2021-02-11T10:00:00.000Z,Weather,Text,1,2\n"
)

func TestFormerHistoriesAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		s.members(t)
		m := s.opportunities(sfOpps, sfHistory, nil)
		report, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 2 created 2 updated 0 skipped 0 failed 0 flagged 0", counts(report.Tables[0].Report), report.Tables[0].Report.Faults)
		require.Equal(t, []string{
			"2021-01-01 dana amount=100.00 owner_id=dana stage=new",
			"2021-02-01 dana amount=200.00 stage=offer",
			"2021-03-01 dana owner_id=lee",
			"2021-04-01 lee stage=won",
			"2021-04-01 dana amount=300.00",
		}, plainMoney(s.told(t, "Engine")), "what the history does not account for came with its last change")
		require.Equal(t, &transfer.HistoryReport{Rows: 11, Kept: 5, Left: map[string]int64{
			"nothing changed": 1, `no field is known as "Weather"`: 1, "it lies in the future": 1, "it names no record": 1,
			"when it was is no time that is understood": 1, "stage: a value is no choice of the field": 1,
		}}, report.Tables[0].History)
		engine := s.dealNamed(t, "Engine")
		require.Equal(t, "2021-04-01", engine.Updated.Format(time.DateOnly), "changed when it was changed last")
		was, err := s.deals.AsOf(as(t), engine.ID, time.Date(2021, 2, 15, 0, 0, 0, 0, time.UTC))
		require.NoError(t, err)
		require.Equal(t, "offer", was.Stage)
		require.Equal(t, crm.EUR(200_00), was.Amount)

		again, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 2 created 0 updated 0 skipped 2 failed 0 flagged 0", counts(again.Tables[0].Report))
		require.Zero(t, again.Tables[0].History.Kept)

		// Until cut-over Loom went on, as its history says; Engine changed without one.
		later := s.opportunities(
			strings.NewReplacer("Loom,Prospecting,5", "Loom,Closed Won,7", "u2,2021-01-01,3", "u2,2021-01-01,4").Replace(sfOpps),
			sfHistory+"i1,false,O2,u2,2022-05-01T10:00:00.000Z,StageName,Text,Prospecting,Proposal\ni2,false,O2,u2,2022-05-03T10:00:00.000Z,StageName,Text,Proposal,Closed Won\n"+
				"i3,false,O2,u2,2022-05-03T10:00:00.000Z,Amount,Currency,5,7\ni4,false,O1,u2,2022-05-03T10:00:00.000Z,Amount,Currency,17,18\n", nil)
		report, err = s.transfer.Migrate(as(t), later, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, "rows 2 created 0 updated 2 skipped 0 failed 0 flagged 0", counts(report.Tables[0].Report))
		require.EqualValues(t, 3, report.Tables[0].History.Kept)
		now := s.Clock.Now().Format(time.DateOnly)
		require.Equal(t, []string{"2021-02-01 dana amount=5.00 owner_id=dana stage=new", "2022-05-01 dana stage=offer", "2022-05-03 dana amount=7.00 stage=won"}, plainMoney(s.told(t, "Loom")))
		require.Equal(t, now+" dana score=4", s.told(t, "Engine")[5], "a history that does not begin where the record was is one change now")
		problems, err := s.Check(crm.System(t.Context(), "acme"))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// plainMoney is amounts as the eye reads them.
func plainMoney(lines []string) []string {
	for i, l := range lines {
		l = strings.ReplaceAll(l, `": "`, `":"`)
		lines[i] = strings.NewReplacer(`{"amount":"`, "", `","currency":"EUR"}`, "", `", "currency":"EUR"}`, "").Replace(l)
	}
	return lines
}

func TestHistoriesWithoutWhatWasBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		s.members(t)
		m := s.opportunities(sfOpps, "Record ID,Property name,Property value,Timestamp\nO1,dealstage,Proposal,2021-02-01 10:00\nO1,dealstage,Prospecting,2020-12-31 23:00\nO1,dealstage,Closed Won,2021-03-01 10:00\nO2,x,y,2021-02-03 10:00\n"+
			"O1,hs_score,2,2021-01-20 10:00\nO1,hs_score,3,2021-01-21 10:00\n", map[string]string{"dealstage": "stage", "hs_score": "score"})
		report, err := s.transfer.Migrate(as(t), m, transfer.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{
			"2021-01-01 dana amount=300.00 owner_id=lee stage=new", "2021-01-20 dana score=2", "2021-01-21 dana score=3", "2021-02-01 dana stage=offer", "2021-03-01 dana stage=won",
		}, plainMoney(s.told(t, "Engine")), report.Tables[0].Report.Faults)
	})
}

func TestNobodyIsToldOfAMigration(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		for _, automate := range []bool{false, true} {
			own := strings.NewReplacer("\nO1,", fmt.Sprintf("\n%v1,", automate), "\nO2,", fmt.Sprintf("\n%v2,", automate), ",O1,", fmt.Sprintf(",%v1,", automate))
			m := s.opportunities(own.Replace(sfOpps), own.Replace(sfHistory), nil)
			m.Automate = automate
			_, err := s.transfer.Migrate(as(t), m, transfer.Options{})
			require.NoError(t, err)
			h, err := s.deals.History(as(t), s.dealNamed(t, "Engine").ID)
			require.NoError(t, err)
			for _, e := range h.Items {
				require.Equal(t, !automate, e.Quiet)
			}
			for d, err := range s.deals.All(as(t)) {
				require.NoError(t, err)
				require.NoError(t, s.deals.Purge(as(t), d.ID))
			}
		}
	})
}

func TestWhatAHistoryCannotBe(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		_, err := s.transfer.Migrate(as(t), s.opportunities(sfOpps, "Opportunity ID,What,Timestamp\nO1,x,2021-01-01\n", nil), transfer.Options{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "history: no column is understood as Field: say which is by History.Field")
		require.ErrorContains(t, err, "no column is understood as New: say which is by History.New")
		m := s.opportunities(sfOpps, "Opportunity ID,Field,New,Timestamp\nO1,Amount,1,2021-01-01\n", nil)
		m.Tables[0].History.By = "Who"
		_, err = s.transfer.Migrate(as(t), m, transfer.Options{})
		require.ErrorContains(t, err, `there is no heading "Who"`)
	})
}

func TestRulesAreAskedOfWhatIsImported(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		text := "ID,Name,Country\n1,Acme,DE\n2,Beta,\n3,,\n"
		p, src := s.plan(t, text, transfer.Plan{Object: "company"})
		asked := 0
		o := transfer.Options{Inspect: func(ctx context.Context, object string, ids []crm.ID) (map[crm.ID][]string, error) {
			asked++
			wrong := map[crm.ID][]string{}
			for c, err := range s.companies.All(ctx, crm.Where("id in $1 and country == nil", ids)) {
				if err != nil {
					return nil, err
				}
				wrong[c.ID] = []string{"country: is missing in " + object}
			}
			return wrong, nil
		}}
		report, err := s.transfer.DryRun(as(t), src, p, o)
		require.NoError(t, err)
		require.Equal(t, 1, asked)
		require.Equal(t, []transfer.RowFault{{Line: 4, Reason: "name: is required"}, {Line: 3, Reason: "country: is missing in company", Kept: true}}, sortedFaults(report.Faults))
		o.Inspect = func(context.Context, string, []crm.ID) (map[crm.ID][]string, error) { return nil, errStopped }
		p, src = s.plan(t, text, transfer.Plan{Object: "company"})
		_, err = s.transfer.Import(as(t), src, p, o)
		require.ErrorIs(t, err, errStopped)
		n, err := s.companies.Count(as(t))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// sortedFaults are faults, those that failed first.
func sortedFaults(list []transfer.RowFault) []transfer.RowFault {
	slices.SortStableFunc(list, func(a, b transfer.RowFault) int {
		return strings.Compare(strconv.FormatBool(a.Kept), strconv.FormatBool(b.Kept))
	})
	return list
}
