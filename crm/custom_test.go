package crm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// field defines a field of companies, with what records there are.
func (s *shop) field(t *testing.T, ctx context.Context, def crm.CustomField) crm.CustomField { //nolint:revive // the test comes first
	t.Helper()
	if def.Object == "" {
		def.Object = "company"
	}
	made, err := s.Fields.Create(ctx, def)
	require.NoError(t, err)
	return s.filled(t, ctx, made)
}

// filled is a field once it is ready.
func (s *shop) filled(t *testing.T, ctx context.Context, def crm.CustomField) crm.CustomField { //nolint:revive // the test comes first
	t.Helper()
	if def.Ready {
		return def
	}
	s.Clock.Advance(time.Second)
	require.NoError(t, s.Fields.Backfill(ctx, def.ID))
	made, err := s.Fields.Get(ctx, def.ID)
	require.NoError(t, err)
	require.True(t, made.Ready)
	return made
}

func (s *shop) with(t *testing.T, ctx context.Context, name string, custom crm.Custom) company { //nolint:revive // the test comes first
	t.Helper()
	c, err := s.companies.Create(ctx, company{Name: name, Record: crm.Record{Custom: custom}})
	require.NoError(t, err)
	return c
}

// set changes custom values of a company.
func (s *shop) set(ctx context.Context, id crm.ID, custom crm.Custom) (company, error) {
	return s.companies.Update(ctx, id, func(c *company) error {
		for name, v := range custom {
			c.Custom.Set(name, v)
		}
		return nil
	})
}

func options(keys ...string) (list []crm.Option) {
	for _, k := range keys {
		list = append(list, crm.Option{Key: k})
	}
	return list
}

// oneOfEach is a field of each type, with its name.
func oneOfEach() []crm.CustomField {
	return []crm.CustomField{
		{Name: "text", Type: crm.FieldText, MaxLength: 20}, {Name: "long_text", Type: crm.FieldLongText},
		{Name: "int", Type: crm.FieldInt}, {Name: "decimal", Type: crm.FieldDecimal, Scale: 2}, {Name: "money", Type: crm.FieldMoney},
		{Name: "bool", Type: crm.FieldBool}, {Name: "date", Type: crm.FieldDate}, {Name: "time", Type: crm.FieldTime},
		{Name: "choice", Type: crm.FieldChoice, Options: options("a", "b")}, {Name: "multi_choice", Type: crm.FieldMultiChoice, Options: options("a", "b", "c")},
		{Name: "member", Type: crm.FieldMember}, {Name: "reference", Type: crm.FieldReference, To: "deal"},
		{Name: "url", Type: crm.FieldURL}, {Name: "email", Type: crm.FieldEmail}, {Name: "phone", Type: crm.FieldPhone},
	}
}

func (s *shop) oneOfEach(t *testing.T, ctx context.Context) { //nolint:revive // the test comes first
	t.Helper()
	list := oneOfEach()
	for i := range list {
		list[i].Object = "company"
	}
	_, err := s.Fields.CreateAll(ctx, list)
	require.NoError(t, err)
}

func TestCustomValuesOfEachType(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.oneOfEach(t, ctx)
		d, err := s.deals.Create(ctx, deal{Name: "Engine"})
		require.NoError(t, err)
		m, err := s.Members.Create(ctx, crm.Member{Key: "dana", Name: "Dana"})
		require.NoError(t, err)
		at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.FixedZone("", 3600))
		for _, c := range []struct {
			name string
			give any
			want any
		}{
			{"text", " Zoe\u0308 ", "Zo\u00eb"}, {"text", "<a & b>", "<a & b>"}, {"text", "", nil}, {"text", nil, nil},
			{"long_text", strings.Repeat("x", 5000), strings.Repeat("x", 5000)},
			{"int", int64(1) << 62, int64(1) << 62}, {"int", 5, int64(5)}, {"int", 7.0, int64(7)}, {"int", json.Number("-3"), int64(-3)},
			{"decimal", "12.5", "12.50"}, {"decimal", "-0.05", "-0.05"}, {"decimal", "-0", "0.00"}, {"decimal", 12.5, "12.50"}, {"decimal", 3, "3.00"}, {"decimal", "1.100", "1.10"},
			{"money", crm.JPY(-5), crm.JPY(-5)}, {"money", map[string]any{"amount": "12.00", "currency": "EUR"}, crm.EUR(1200)}, {"money", crm.Money{}, nil},
			{"bool", true, true}, {"bool", false, false},
			{"date", crm.Date{Year: 2026, Month: 2, Day: 28}, crm.Date{Year: 2026, Month: 2, Day: 28}}, {"date", "2026-02-28", crm.Date{Year: 2026, Month: 2, Day: 28}}, {"date", "", nil},
			{"time", at, at.UTC()}, {"time", "2026-03-04T05:06:07+01:00", time.Date(2026, 3, 4, 4, 6, 7, 0, time.UTC)},
			{"choice", "a", "a"}, {"choice", "", nil},
			{"multi_choice", []string{"b", "a", "b"}, []string{"a", "b"}}, {"multi_choice", []any{"c"}, []string{"c"}}, {"multi_choice", []string{}, nil},
			{"member", m.ID, m.ID}, {"reference", d.ID.String(), d.ID}, {"reference", crm.ID{}, nil},
			{"url", "HTTPS://Example.COM/A?b=c", "https://example.com/A?b=c"}, {"url", "https://example.com/?b #", "https://example.com/?b"}, {"email", "Ada@Example.com", "Ada@example.com"},
			{"phone", "+49 (30) 12-34.567", "+49301234567"}, {"phone", "０３０ 1234", "0301234"},
		} {
			made := s.with(t, ctx, "x", crm.Custom{c.name: c.give})
			require.Equal(t, c.want, made.Custom[c.name], "%s %v", c.name, c.give)
			got, err := s.companies.Get(ctx, made.ID)
			require.NoError(t, err)
			require.Equal(t, made, got)
			again, err := s.set(ctx, made.ID, maps.Clone(got.Custom))
			require.NoError(t, err)
			require.Equal(t, got, again, "writing what was read changes nothing")
			// What a host's client sends back is JSON.
			var decoded map[string]any
			raw, err := json.Marshal(got.Custom)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(raw, &decoded))
			if c.name != "int" || c.want != int64(1)<<62 {
				again, err = s.set(ctx, made.ID, decoded)
				require.NoError(t, err)
				require.Equal(t, got, again)
			}
			gone, err := s.set(ctx, made.ID, crm.Custom{c.name: nil})
			require.NoError(t, err)
			require.Nil(t, gone.Custom)
			page, err := s.companies.List(ctx, crm.Where("custom."+c.name+" != nil and id == $1", made.ID))
			require.NoError(t, err)
			require.Empty(t, page.Items)
		}
		s.whole(t)
	})
}

func TestCustomValuesThatAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.oneOfEach(t, ctx)
		s.field(t, ctx, crm.CustomField{Name: "few", Type: crm.FieldInt, Min: new(int64(1)), Max: new(int64(3))})
		s.field(t, ctx, crm.CustomField{Name: "rate", Type: crm.FieldDecimal, Scale: 1, Min: new(int64(-1)), Max: new(int64(3))})
		for _, c := range []struct {
			name string
			give any
			want string
		}{
			{"nothing", 1, "is no field of company"}, {"text", 5, "holds text"}, {"text", strings.Repeat("x", 21), "21 characters, and 20"},
			{"text", "a\x00", "NUL"}, {"text", "\xff", "UTF-8"}, {"int", "5", "whole number"}, {"int", 1.5, "fraction"}, {"int", 1e300, "too large"}, {"int", json.Number("1e3"), "whole number"},
			{"few", 4, "more than 3"}, {"few", 0, "less than 1"}, {"rate", "-1.1", "less than -1"}, {"rate", "3.1", "more than 3"},
			{"decimal", "1.234", "at most 2 digits"}, {"decimal", "1e5", "digits"}, {"decimal", "99999999999999999999", "out of range"},
			{"money", 5, "holds money"}, {"money", map[string]any{"amount": 5.0, "currency": "EUR"}, "holds money"}, {"money", crm.Money{Minor: 1, Currency: "XXQ"}, "custom.money"},
			{"bool", "true", "true or false"}, {"date", "28.2.2026", "2026-01-31"}, {"date", crm.Date{Year: 2026, Month: 2, Day: 30}, "calendar"},
			{"time", "yesterday", "holds a time"}, {"time", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "1 to 9999"},
			{"choice", "c", "has no option"}, {"multi_choice", []string{"a", "d"}, "has no option"}, {"multi_choice", []any{1}, "several options"},
			{"member", crm.ID{1}, "refers to no member"}, {"reference", crm.ID{1}, "refers to no deal"}, {"reference", "x", "holds an id"},
			{"url", "example.com", "https://"}, {"url", "javascript:alert(1)", "https://"}, {"email", "Ada <ada@example.com>", "one address"}, {"phone", "call me", "is a number"},
			{"long_text", func() {}, "holds text"},
		} {
			_, err := s.companies.Create(ctx, company{Name: "x", Record: crm.Record{Custom: crm.Custom{c.name: c.give}}})
			require.ErrorIs(t, err, crm.ErrInvalid, "%s %v", c.name, c.give)
			require.ErrorContains(t, err, "custom."+c.name)
			require.ErrorContains(t, err, c.want)
		}
		// All that is wrong is said at once.
		_, err := s.companies.Create(ctx, company{Record: crm.Record{Custom: crm.Custom{"int": "x", "bool": 1}}})
		for _, name := range []string{"name:", "custom.int:", "custom.bool:"} {
			require.ErrorContains(t, err, name)
		}
		for i := range 8 {
			s.field(t, ctx, crm.CustomField{Name: fmt.Sprintf("long_%d", i), Type: crm.FieldLongText})
		}
		long := crm.Custom{}
		for i := range 8 {
			long.Set(fmt.Sprintf("long_%d", i), strings.Repeat("x", 9000))
		}
		_, err = s.companies.Create(ctx, company{Name: "x", Record: crm.Record{Custom: long}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "65536 are allowed")
		n, err := s.companies.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		// A map the host gave is not changed.
		given := crm.Custom{"decimal": "1.5"}
		s.with(t, ctx, "x", given)
		require.Equal(t, crm.Custom{"decimal": "1.5"}, given)
	})
}

func TestRequiredDefaultsAndOptions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		old := s.with(t, ctx, "before", nil)
		tier := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldChoice, Required: true, Options: options("gold", "tin")})
		s.field(t, ctx, crm.CustomField{Name: "fee", Type: crm.FieldMoney, Default: crm.EUR(500)})
		s.field(t, ctx, crm.CustomField{Name: "make", Type: crm.FieldChoice, Options: options("vw", "bmw")})
		s.field(t, ctx, crm.CustomField{
			Name: "model", Type: crm.FieldMultiChoice, DependsOn: "make",
			Options: []crm.Option{{Key: "golf", When: []string{"vw"}}, {Key: "x5", When: []string{"bmw"}}, {Key: "other"}},
		})
		_, err := s.companies.Create(ctx, company{Name: "x"})
		require.ErrorContains(t, err, "custom.tier: is required")
		c := s.with(t, ctx, "x", crm.Custom{"tier": "gold"})
		require.Equal(t, crm.Custom{"tier": "gold", "fee": crm.EUR(500)}, c.Custom)
		require.NotContains(t, s.with(t, ctx, "x", crm.Custom{"tier": "gold", "fee": nil}).Custom, "fee", "nil is none, not the default")

		// A record from before may stay without, but not lose it again.
		old, err = s.companies.Update(ctx, old.ID, func(c *company) error { c.Name = "after"; return nil })
		require.NoError(t, err)
		require.Nil(t, old.Custom)
		_, err = s.set(ctx, c.ID, crm.Custom{"tier": nil})
		require.ErrorContains(t, err, "custom.tier: is required")

		// Options that depend on another field.
		_, err = s.set(ctx, c.ID, crm.Custom{"model": []string{"x5"}, "make": "vw"})
		require.ErrorContains(t, err, "custom.model")
		c, err = s.set(ctx, c.ID, crm.Custom{"model": []string{"other", "x5"}, "make": "bmw"})
		require.NoError(t, err)
		_, err = s.set(ctx, c.ID, crm.Custom{"make": "vw"})
		require.ErrorContains(t, err, "custom.model")

		// A retired option stays where it is.
		_, err = s.Fields.Update(ctx, tier.ID, func(f *crm.CustomField) error { f.Options[0].Retired = true; return nil })
		require.NoError(t, err)
		c, err = s.companies.Update(ctx, c.ID, func(c *company) error { c.Country = "DE"; return nil })
		require.NoError(t, err)
		require.Equal(t, "gold", c.Custom["tier"])
		_, err = s.companies.Create(ctx, company{Name: "x", Record: crm.Record{Custom: crm.Custom{"tier": "gold"}}})
		require.ErrorContains(t, err, "retired")
		c, err = s.set(ctx, c.ID, crm.Custom{"tier": "tin"})
		require.NoError(t, err)
		_, err = s.set(ctx, c.ID, crm.Custom{"tier": "gold"})
		require.ErrorContains(t, err, "retired")

		// One that records have is not taken out, one that nobody has is.
		_, err = s.Fields.Update(ctx, tier.ID, func(f *crm.CustomField) error { f.Options = options("gold", "iron"); return nil })
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "retire it")
		_, err = s.Fields.Update(ctx, tier.ID, func(f *crm.CustomField) error { f.Options = append(options("lead"), f.Options...); return nil })
		require.NoError(t, err)
		_, err = s.Fields.Update(ctx, tier.ID, func(f *crm.CustomField) error { f.Options = f.Options[1:]; return nil })
		require.NoError(t, err)
		s.whole(t)
	})
}

func TestLabels(t *testing.T) {
	t.Parallel()
	f := crm.CustomField{Name: "tier", Labels: map[string]string{"en": "Tier", "zh": "级别", "zh-TW": "級別", "de": "Stufe"}, Help: map[string]string{"de": "Hilfe"}}
	for lang, want := range map[string]string{"zh-CN": "级别", "zh-TW": "級別", "zh_tw": "級別", "de-AT": "Stufe", "fr": "Tier", "": "Tier", "not a language": "Tier"} {
		require.Equal(t, want, f.Label(lang), lang)
	}
	require.Equal(t, "Hilfe", f.HelpText("de-DE"))
	require.Empty(t, f.HelpText("en"))
	require.Equal(t, "tier", (&crm.CustomField{Name: "tier", Labels: map[string]string{"de": "Stufe"}}).Label("en"))
	o := crm.Option{Key: "gold", Labels: map[string]string{"zh": "金"}}
	require.Equal(t, "金", o.Label("zh-CN"))
	require.Equal(t, "gold", o.Label("de"))
}

func TestDefinitions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		second := s.field(t, ctx, crm.CustomField{Name: "a", Type: crm.FieldText, Position: 2, Group: "Main", Labels: map[string]string{"zh_cn": " 甲 ", "en": ""}})
		require.Equal(t, map[string]string{"zh-CN": "甲"}, second.Labels)
		s.field(t, ctx, crm.CustomField{Name: "b", Type: crm.FieldChoice, Position: 1, Default: "x", Options: []crm.Option{{Key: "x", Colour: "red", Labels: map[string]string{"en": "X"}}}})
		s.field(t, ctx, crm.CustomField{Name: "c", Type: crm.FieldInt, Position: 1, Default: 5})
		got, err := s.Fields.Get(ctx, second.ID)
		require.NoError(t, err)
		require.Equal(t, second, got)
		list, err := s.Fields.Of(ctx, "company")
		require.NoError(t, err)
		var names []string
		for _, f := range list {
			names = append(names, f.Name)
		}
		require.Equal(t, []string{"b", "c", "a"}, names)
		list[0].Options[0].Key = "changed" // the caller's own copy
		list, err = s.Fields.Of(ctx, "company")
		require.NoError(t, err)
		require.Equal(t, "x", list[0].Options[0].Key)
		_, err = s.Fields.Of(ctx, "nothing")
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.Fields.Of(t.Context(), "company")
		require.ErrorIs(t, err, crm.ErrUnscoped)

		for _, c := range []struct {
			def  crm.CustomField
			want string
		}{
			{crm.CustomField{Type: crm.FieldInt}, "name"}, {crm.CustomField{Name: "Tier", Type: crm.FieldInt}, "lower-case"}, {crm.CustomField{Name: "1a", Type: crm.FieldInt}, "letter"},
			{crm.CustomField{Name: strings.Repeat("a", 41), Type: crm.FieldInt}, "40"}, {crm.CustomField{Name: "x", Type: "float"}, "type"},
			{crm.CustomField{Name: "x", Type: crm.FieldInt, Object: "nothing"}, "no kind of record"}, {crm.CustomField{Name: "x", Type: crm.FieldInt, Object: "field"}, "of its own"},
			{crm.CustomField{Name: "x", Type: crm.FieldInt, MaxLength: 5}, "max_length"}, {crm.CustomField{Name: "x", Type: crm.FieldText, MaxLength: 3000}, "2000"},
			{crm.CustomField{Name: "x", Type: crm.FieldText, MaxLength: 501, Unique: true}, "500"}, {crm.CustomField{Name: "x", Type: crm.FieldDecimal, Scale: 7}, "scale"},
			{crm.CustomField{Name: "x", Type: crm.FieldText, Scale: 2}, "scale"}, {crm.CustomField{Name: "x", Type: crm.FieldInt, Min: new(int64(2)), Max: new(int64(1))}, "min"},
			{crm.CustomField{Name: "x", Type: crm.FieldMoney, Indexed: true}, "indexed"}, {crm.CustomField{Name: "x", Type: crm.FieldLongText, Unique: true}, "unique"},
			{crm.CustomField{Name: "x", Type: crm.FieldChoice}, "options"}, {crm.CustomField{Name: "x", Type: crm.FieldInt, Options: options("a")}, "options"},
			{crm.CustomField{Name: "x", Type: crm.FieldChoice, Options: options("a", "a")}, "twice"}, {crm.CustomField{Name: "x", Type: crm.FieldChoice, Options: options("")}, "1 to 64"},
			{crm.CustomField{Name: "x", Type: crm.FieldChoice, Options: []crm.Option{{Key: "a", When: []string{"b"}}}}, "depends_on"},
			{crm.CustomField{Name: "x", Type: crm.FieldChoice, Options: options("a"), DependsOn: "a"}, "depends_on"}, {crm.CustomField{Name: "x", Type: crm.FieldChoice, Options: options("a"), DependsOn: "x"}, "circle"},
			{crm.CustomField{Name: "x", Type: crm.FieldChoice, DependsOn: "b", Options: []crm.Option{{Key: "a", When: []string{"y"}}}}, "no option of b"},
			{crm.CustomField{Name: "x", Type: crm.FieldChoice, Options: options("a"), Default: "b"}, "default"}, {crm.CustomField{Name: "x", Type: crm.FieldInt, Default: "b"}, "default"},
			{crm.CustomField{Name: "x", Type: crm.FieldReference}, "refers_to"}, {crm.CustomField{Name: "x", Type: crm.FieldReference, To: "nothing"}, "no kind of record"},
			{crm.CustomField{Name: "x", Type: crm.FieldFormula}, "formula"}, {crm.CustomField{Name: "x", Type: crm.FieldInt, Formula: "vip"}, "formula"},
			{crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "vip ="}, "formula"}, {crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "founded < today()"}, "today()"},
			{crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "owner_id == me()"}, "me()"}, {crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "parent.vip"}, "own fields"},
			{crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "count(deals) > 1"}, "own fields"}, {crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "custom.x"}, "own fields"},
			{crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "version > 3"}, "own fields"}, {crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "custom.nothing == 1"}, "own fields"},
			{crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "name == $1"}, "formula"}, {crm.CustomField{Name: "x", Type: crm.FieldFormula, Formula: "vip", Required: true}, "required"},
			{crm.CustomField{Name: "x", Type: crm.FieldInt, Labels: map[string]string{"???": "x"}}, "language"},
		} {
			if c.def.Object == "" {
				c.def.Object = "company"
			}
			_, err := s.Fields.Create(ctx, c.def)
			require.ErrorIs(t, err, crm.ErrInvalid, "%+v", c.def)
			require.ErrorContains(t, err, c.want)
		}
		_, err = s.Fields.Create(ctx, crm.CustomField{Object: "company", Name: "a", Type: crm.FieldInt})
		require.ErrorIs(t, err, crm.ErrConflict)
		s.field(t, ctx, crm.CustomField{Object: "deal", Name: "a", Type: crm.FieldInt})

		for _, change := range []func(*crm.CustomField){
			func(f *crm.CustomField) { f.Object = "deal" }, func(f *crm.CustomField) { f.Type = crm.FieldInt }, func(f *crm.CustomField) { f.Ready = false },
			func(f *crm.CustomField) { f.Type = crm.FieldChoice; f.Options = options("a") },
		} {
			_, err = s.Fields.Update(ctx, second.ID, func(f *crm.CustomField) error { change(f); return nil })
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		c := s.with(t, ctx, "x", crm.Custom{"a": "short"})
		_, err = s.Fields.Update(ctx, second.ID, func(f *crm.CustomField) error { f.Type = crm.FieldLongText; return nil })
		require.NoError(t, err)
		c, err = s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, "short", c.Custom["a"])
	})
}

func TestLimitsOfDefinitions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		var list []crm.CustomField
		for i := range crm.MaxCustomFields {
			list = append(list, crm.CustomField{Object: "company", Name: fmt.Sprintf("f%d", i), Type: crm.FieldInt, Indexed: i < 10})
		}
		_, err := s.Fields.CreateAll(ctx, append(list, crm.CustomField{Object: "company", Name: "more", Type: crm.FieldInt}))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "200 are allowed")
		made, err := s.Fields.CreateAll(ctx, list)
		require.NoError(t, err)
		_, err = s.Fields.Update(ctx, made[50].ID, func(f *crm.CustomField) error { f.Unique = true; return nil })
		require.ErrorContains(t, err, "10 are allowed")
		// Two who define the last one: one of them does.
		require.NoError(t, s.Fields.Delete(ctx, made[60].ID))
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = s.Fields.Create(ctx, crm.CustomField{Object: "company", Name: fmt.Sprintf("last%d", i), Type: crm.FieldInt})
			})
		}
		wg.Wait()
		made60 := 0
		for _, err := range errs {
			if err == nil {
				made60++
			} else {
				require.ErrorIs(t, err, crm.ErrInvalid)
			}
		}
		require.Equal(t, 1, made60)
		_, err = s.Fields.Create(ctx, crm.CustomField{Object: "deal", Name: "many", Type: crm.FieldChoice, Options: options(make([]string, crm.MaxCustomOptions+1)...)})
		require.ErrorContains(t, err, "1 to 500")
	})
}

func TestFieldsInUse(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		f := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldChoice, Options: options("gold")})
		other := s.field(t, ctx, crm.CustomField{Name: "other", Type: crm.FieldInt})
		gold := s.field(t, ctx, crm.CustomField{Name: "is_gold", Type: crm.FieldFormula, Formula: "custom.tier == 'gold'"})
		sub := s.field(t, ctx, crm.CustomField{Name: "sub", Type: crm.FieldChoice, Options: options("x"), DependsOn: "tier"})
		rule, err := s.Rules.Create(ctx, crm.Rule{Object: "company", Name: "No tin", When: "custom.tier == nil and vip", Off: true})
		require.NoError(t, err)
		s.Fields.UsedBy(func(_ context.Context, object, field string) ([]string, error) {
			if object == "company" && field == "custom.tier" {
				return []string{`segment "Gold"`}, nil
			}
			return nil, nil
		})
		for _, err := range []error{
			s.Fields.Delete(ctx, f.ID), s.Fields.Purge(ctx, f.ID),
			func() error {
				_, err := s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Name = "level"; return nil })
				return err
			}(),
		} {
			require.ErrorIs(t, err, crm.ErrConflict)
			for _, user := range []string{`field "is_gold"`, `field "sub"`, `rule "No tin"`, `segment "Gold"`} {
				require.ErrorContains(t, err, user)
			}
		}
		_, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Type, f.Options = crm.FieldText, nil; return nil })
		require.ErrorIs(t, err, crm.ErrConflict)
		require.NotContains(t, err.Error(), "is_gold", "a formula goes on working")
		require.NoError(t, s.Fields.Delete(ctx, gold.ID))
		require.NoError(t, s.Fields.Delete(ctx, sub.ID))
		require.NoError(t, s.Rules.Delete(ctx, rule.ID))
		require.ErrorContains(t, s.Fields.Delete(ctx, f.ID), "segment")
		require.NoError(t, s.Fields.Delete(ctx, other.ID))
		_, err = s.Fields.Restore(ctx, gold.ID)
		require.NoError(t, err)
	})
}

func TestDeletedRenamedAndRestoredFields(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		f := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText, Indexed: true})
		c := s.with(t, ctx, "x", crm.Custom{"tier": "gold"})
		f, err := s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Name = "level"; return nil })
		require.NoError(t, err)
		c, err = s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"level": "gold"}, c.Custom)

		// Another field takes the name, and not the values.
		s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldInt})
		c, err = s.set(ctx, c.ID, crm.Custom{"tier": 5})
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"level": "gold", "tier": int64(5)}, c.Custom)

		require.NoError(t, s.Fields.Delete(ctx, f.ID))
		got, err := s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"tier": int64(5)}, got.Custom)
		_, err = s.companies.List(ctx, crm.Where("custom.level == 'gold'"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.set(ctx, c.ID, crm.Custom{"level": "tin"})
		require.ErrorContains(t, err, "is no field")
		got, err = s.set(ctx, c.ID, crm.Custom{"tier": 6})
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"tier": int64(6)}, got.Custom)
		require.ErrorIs(t, s.Fields.Purge(ctx, f.ID), crm.ErrConflict)
		s.whole(t)

		f, err = s.Fields.Restore(ctx, f.ID)
		require.NoError(t, err)
		require.False(t, f.Ready)
		got, err = s.companies.Get(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"level": "gold", "tier": int64(6)}, got.Custom)
		s.filled(t, ctx, f)
		s.whole(t)
		require.NoError(t, s.companies.Purge(ctx, c.ID))
		require.NoError(t, s.Fields.Purge(ctx, f.ID))
		s.whole(t)
	})
}

func TestCustomHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.oneOfEach(t, ctx)
		start := s.Clock.Now()
		c := s.with(t, ctx, "x", crm.Custom{"money": crm.EUR(500), "decimal": "1.5", "date": "2026-01-02"})
		s.Clock.Advance(time.Hour)
		_, err := s.set(ctx, c.ID, crm.Custom{"money": nil, "multi_choice": []string{"b", "a"}})
		require.NoError(t, err)
		page, err := s.companies.History(ctx, c.ID)
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		got := map[string]string{}
		for _, ch := range page.Items[0].Changes {
			got[ch.Field] = compact(t, ch.Before) + " → " + compact(t, ch.After)
		}
		require.Equal(t, map[string]string{
			"custom.money": `{"amount":"5.00","currency":"EUR"} → null`, "custom.multi_choice": `null → ["a","b"]`,
		}, got)
		was, err := s.companies.AsOf(ctx, c.ID, start)
		require.NoError(t, err)
		require.Equal(t, c.Custom, was.Custom)
	})
}

func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestDefinitionsAreTheTenantsOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		f := s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText, Required: true, Unique: true})
		other := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"})
		s.company(t, other, "needs no tier")
		_, err := s.companies.Create(other, company{Name: "x", Record: crm.Record{Custom: crm.Custom{"tier": "a"}}})
		require.ErrorContains(t, err, "is no field")
		list, err := s.Fields.Of(other, "company")
		require.NoError(t, err)
		require.Empty(t, list)
		require.ErrorIs(t, s.Fields.Backfill(other, f.ID), crm.ErrNotFound)
		s.field(t, other, crm.CustomField{Name: "tier", Type: crm.FieldInt, Unique: true})
		s.with(t, ctx, "x", crm.Custom{"tier": "5"})
		s.with(t, other, "x", crm.Custom{"tier": 5})
		s.whole(t)
	})
}

func TestDefinitionsHoldAtOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		second := newShop(t, e.Store, crm.Config{Clock: s.Clock})
		ctx := as(t, "dana")
		_, err := second.companies.Create(ctx, company{Name: "x"}) // it has looked
		require.NoError(t, err)
		custom := crm.Record{Custom: crm.Custom{"tier": "a"}}
		require.Error(t, s.Tx(ctx, func(ctx context.Context) error {
			_, err := s.Fields.Create(ctx, crm.CustomField{Object: "company", Name: "tier", Type: crm.FieldText})
			require.NoError(t, err)
			_, err = s.companies.Create(ctx, company{Name: "inside", Record: custom})
			require.NoError(t, err)
			return context.Canceled
		}))
		_, err = s.companies.Create(ctx, company{Name: "outside", Record: custom})
		require.ErrorContains(t, err, "is no field")
		s.field(t, ctx, crm.CustomField{Name: "tier", Type: crm.FieldText})
		_, err = s.companies.Create(ctx, company{Name: "after", Record: custom})
		require.NoError(t, err)
		s.Clock.Advance(time.Second)
		_, err = second.companies.Create(ctx, company{Name: "elsewhere", Record: custom})
		require.NoError(t, err)
	})
}

func TestCustomValuesReadBack(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		s.oneOfEach(t, ctx)
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab \u00e9e\u0301<&>\"\\\u2028张\U0001F600")))
		gen := map[string]*rapid.Generator[any]{
			"text": text.AsAny(), "long_text": text.AsAny(), "int": rapid.Int64().AsAny(), "bool": rapid.Bool().AsAny(),
			"decimal": rapid.StringMatching(`-?[0-9]{1,16}(\.[0-9]{1,2})?`).AsAny(), "money": anyMoney.AsAny(),
			"date": rapid.Custom(func(t *rapid.T) any {
				return crm.DateOf(time.Unix(rapid.Int64Range(-6e10, 2e11).Draw(t, "s"), 0).UTC())
			}),
			"time": rapid.Custom(func(t *rapid.T) any {
				return time.Unix(rapid.Int64Range(-6e10, 2e11).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "n"))
			}),
			"choice": rapid.SampledFrom([]string{"a", "b", "c", ""}).AsAny(), "multi_choice": rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 4).AsAny(),
			"url": rapid.StringMatching(`https?://[A-Z]{1,3}\.com(/[a-z %?&#]{0,5})?`).AsAny(), "email": rapid.StringMatching(`[a-zA-Z.+]{1,5}@[A-Z]{1,3}\.com`).AsAny(),
			"phone": rapid.StringMatching(`\+?[0-9 ()-]{1,12}`).AsAny(),
		}
		rapid.Check(t, func(rt *rapid.T) {
			custom := crm.Custom{}
			for _, name := range slices.Sorted(maps.Keys(gen)) {
				if rapid.Bool().Draw(rt, name+"?") {
					custom[name] = gen[name].Draw(rt, name)
				}
			}
			made, err := s.companies.Create(ctx, company{Name: "x", Record: crm.Record{Custom: custom}})
			if err != nil {
				require.ErrorIs(rt, err, crm.ErrInvalid)
				return
			}
			got, err := s.companies.Get(ctx, made.ID)
			require.NoError(rt, err)
			require.Equal(rt, made, got)
			again, err := s.set(ctx, made.ID, maps.Clone(got.Custom))
			require.NoError(rt, err)
			require.Equal(rt, got, again)
			copied, err := s.companies.Create(ctx, company{Name: "x", Record: crm.Record{Custom: got.Custom}})
			require.NoError(rt, err)
			require.Equal(rt, got.Custom, copied.Custom)
		})
		s.whole(t)
	})
}
