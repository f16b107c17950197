package crm_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func records(tb testing.TB, s *shop, kind string) *crm.Records {
	tb.Helper()
	r, err := s.Records(kind)
	require.NoError(tb, err)
	return r
}

func TestRecordsAreThoseOfTheirCollection(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		_, err := s.Fields.Create(ctx, crm.CustomField{Object: "deal", Name: "tier", Type: crm.FieldText})
		require.NoError(t, err)
		deals := records(t, s, "deal")
		acme := s.company(t, ctx, "Acme")
		made, err := deals.Create(ctx, crm.Values{
			"name": "Engine", "company_id": acme.ID.String(), "amount": map[string]any{"amount": "12.50", "currency": "EUR"}, "close_on": "2026-02-01",
			"closed": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "score": json.Number("7"), "notes": map[string]any{"a": true},
			"custom": map[string]any{"tier": "gold"}, "refs": map[string]any{"shop": "1"},
		})
		require.NoError(t, err)
		kept, err := s.deals.Get(ctx, made.ID())
		require.NoError(t, err)
		require.Equal(t, crm.EUR(1250), kept.Amount)
		require.Equal(t, acme.ID, kept.CompanyID)
		require.Equal(t, "gold", kept.Custom["tier"])
		require.Equal(t, crm.Refs{"shop": "1"}, kept.Refs)
		require.EqualValues(t, 7, kept.Score)
		require.Equal(t, "2026-02-01", kept.CloseOn.String())
		require.Equal(t, map[string]any{"a": true}, kept.Notes)

		got, err := deals.Get(ctx, made.ID())
		require.NoError(t, err)
		require.Equal(t, made, got)
		require.Equal(t, "gold", got["custom.tier"])
		require.Equal(t, "1", got["refs.shop"])
		require.NotContains(t, got, "cost", "what is absent has no entry")

		again, err := deals.Create(ctx, got.Copy("id", "refs.shop"))
		require.NoError(t, err, "what is read can be written")
		require.Equal(t, got["amount"], again["amount"])

		changed, err := deals.Update(ctx, made.ID(), func(v crm.Values) error {
			v["score"] = int64(9)
			delete(v, "closed")
			v["custom.tier"] = nil
			return nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 9, changed["score"])
		require.NotContains(t, changed, "closed")
		require.NotContains(t, changed, "custom.tier")
		require.Equal(t, got["amount"], changed["amount"])

		up, outcome, err := deals.Upsert(ctx, crm.Values{"refs.shop": "1", "name": "Motor"})
		require.NoError(t, err)
		require.Equal(t, crm.Updated, outcome)
		require.Equal(t, made.ID(), up.ID())
		require.Equal(t, "Motor", up["name"])
	})
}

func TestRecordsRefuseWhatACollectionCouldNotHold(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		deals := records(t, s, "deal")
		for field, v := range map[string]any{
			"name": 1, "score": "7", "score ": int64(1), //nolint:gocritic // a name with a space is none
			"amount": "12", "close_on": "31.12.2026", "closed": "now", "company_id": "x", "notes": make(chan int),
			"refs": 3, "refs.shop": 3, "custom": 1,
		} {
			_, err := deals.Create(ctx, crm.Values{"name": "X", field: v})
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, field)
		}
		made, err := deals.Create(ctx, crm.Values{"name": "X"})
		require.NoError(t, err)
		_, err = deals.Update(ctx, made.ID(), func(v crm.Values) error {
			v["stage"] = "won"
			return nil
		})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "stage: is changed by its own verbs alone")
		_, err = s.Records("ship")
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestImportKeepsWhatIsSoundAndNamesTheRest(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		companies := records(t, s, "company")
		_, err := companies.Create(ctx, crm.Values{"name": "There", "email": "there@example.com"})
		require.NoError(t, err)
		old := time.Date(2020, 5, 1, 12, 0, 0, 0, time.UTC)
		list := []crm.Values{
			{"name": "A", "created": old},
			{"name": ""},
			{"name": "B", "email": "there@example.com"},
			{"name": "C", "parent_id": crm.ID{1}},
			{"name": "D", "founded": "yesterday"},
			{"name": "E", "created": s.Clock.Now().Add(time.Hour)},
			{"name": "F", "email": "f@example.com"},
			{"name": "G", "email": "f@example.com"},
		}
		faults, err := companies.Import(ctx, list)
		require.NoError(t, err)
		for i, want := range []string{"", "name: is required", "email: another record has this value", "parent_id", "founded", "created: lies in the future", "", "email: another record has this value"} {
			if want == "" {
				require.NoError(t, faults[i], list[i])
			} else {
				require.ErrorContains(t, faults[i], want)
			}
		}
		n, err := companies.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
		found, err := companies.Find(ctx, "name", []string{"a", "zzz"})
		require.NoError(t, err)
		require.Len(t, found["a"], 1, "fold makes no difference of case")
		require.NotContains(t, found, "zzz")
		h, err := companies.History(ctx, found["a"][0])
		require.NoError(t, err)
		require.Equal(t, old, h.Items[0].Happened)
		require.Equal(t, s.Clock.Now(), h.Items[0].Recorded)
		problems, err := s.Check(crm.System(ctx, "acme"))
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestBringTakesTheRightToImport(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		d, err := s.deals.Create(ctx, deal{Name: "Big", Amount: crm.EUR(100)})
		require.NoError(t, err)
		deals := records(t, s, "deal")
		win := func(v crm.Values) error {
			v["stage"] = "won"
			return nil
		}
		_, err = deals.Update(ctx, d.ID, win)
		require.ErrorContains(t, err, "stage: is changed by its own verbs alone")
		kept, err := deals.Bring(ctx, d.ID, win)
		require.NoError(t, err)
		require.Equal(t, "won", kept["stage"])
		again, err := deals.Bring(ctx, d.ID, win)
		require.NoError(t, err)
		require.Equal(t, kept["version"], again["version"], "nothing changed")

		role, err := s.Roles.Create(crm.System(t.Context(), "acme"), crm.Role{Name: "clerk", Grants: crm.Allow("deal", crm.LevelAll, crm.VerbRead, crm.VerbUpdate)})
		require.NoError(t, err)
		_, err = s.Members.Create(crm.System(t.Context(), "acme"), crm.Member{Key: "carl", Name: "Carl", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		_, err = deals.Bring(as(t, "carl"), d.ID, win)
		require.ErrorIs(t, err, crm.ErrForbidden)
	})
}

func TestRecordsObeyRights(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		tenant := crm.System(t.Context(), "acme")
		role, err := s.Roles.Create(tenant, crm.Role{
			Name:   "rep",
			Grants: append(crm.Allow("deal", crm.LevelOwn, crm.VerbRead, crm.VerbCreate, crm.VerbUpdate), crm.Allow("company", crm.LevelAll, crm.VerbRead, crm.VerbImport, crm.VerbCreate)...),
			Fields: []crm.FieldRule{{Object: "deal", Field: "score", Access: crm.FieldHidden}, {Object: "deal", Field: "cost", Access: crm.FieldReadOnly}},
		})
		require.NoError(t, err)
		_, err = s.Members.Create(tenant, crm.Member{Key: "dana", Name: "Dana", RoleIDs: []crm.ID{role.ID}})
		require.NoError(t, err)
		ctx := as(t, "dana")
		deals := records(t, s, "deal")

		hers, err := deals.Create(ctx, crm.Values{"name": "Hers"})
		require.NoError(t, err)
		other, err := deals.Create(tenant, crm.Values{"name": "Other", "score": int64(3)})
		require.NoError(t, err)
		require.NotContains(t, hers, "score")
		fields, err := deals.Fields(ctx)
		require.NoError(t, err)
		for _, f := range fields {
			require.NotEqual(t, "score", f.Name)
		}
		_, err = deals.Get(ctx, other.ID())
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = deals.Update(ctx, hers.ID(), func(v crm.Values) error { v["score"] = int64(1); return nil })
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = deals.Update(ctx, hers.ID(), func(v crm.Values) error { v["cost"] = crm.EUR(1); return nil })
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = deals.Import(ctx, []crm.Values{{"name": "X"}})
		require.ErrorIs(t, err, crm.ErrForbidden, "it takes the right to import")
		_, err = deals.Find(ctx, "score", []string{"1"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		for _, err := range deals.Export(ctx) {
			require.ErrorIs(t, err, crm.ErrForbidden, "it takes the right to export")
		}
		found, err := deals.Find(ctx, "name", []string{"Other", "Hers"})
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
}
