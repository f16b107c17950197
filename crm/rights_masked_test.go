package crm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// TestNoVerbShowsMoreOfAMaskedField holds for every kind and every text.
func TestNoVerbShowsMoreOfAMaskedField(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		kinds := crm.KindsOf(s.Core.Core)
		for _, k := range kinds {
			masked := k.Maskable()
			id := m.make(t, k)
			var rules []crm.FieldRule
			for _, name := range masked {
				// As long a text as the field takes: what its module wants in it may be another.
				_ = k.Update(m.sys, id, func(v any) { crm.FieldOf(v, name).SetString("13812340000") })
				rules = append(rules, crm.FieldRule{Object: k.Name(), Field: name, Access: crm.FieldMasked})
			}
			m.grant(t, crm.Allow(crm.AnyKind, crm.LevelAll), rules...)
			ctx := as(t, "ada")
			is := m.read(ctx, t, k, id)
			for _, name := range masked {
				what := k.Name() + "." + name
				require.Equal(t, crm.Mask(crm.FieldOf(is.whole, name).String()), crm.FieldOf(is.got, name).String(), what)
				require.Zero(t, crm.FieldOf(is.past, name).Interface(), what)
				for _, e := range is.events {
					for _, c := range e.Changes {
						require.NotEqual(t, name, c.Field, what)
					}
				}
				figure := crm.Measure{Fn: crm.FnMax, Field: name}
				_, figures := m.Aggregate(ctx, k.Name(), crm.Figures{Measures: []crm.Measure{figure}})
				_, groups := m.Aggregate(ctx, k.Name(), crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, GroupBy: []crm.GroupBy{{Field: name}}})
				for by, err := range map[string]error{
					"readable": k.Readable(ctx, name), "sort": k.List(ctx, crm.OrderBy(name)), "facet": k.Facets(ctx, name),
					"filter": k.List(ctx, crm.Where(name+" startsWith '1'")), "groups": groups,
				} {
					require.ErrorIs(t, err, crm.ErrForbidden, "%s by %s", what, by)
				}
				require.Error(t, figures, what)
				mayNotSet(ctx, t, k, id, name)
				for from, step := range referring(kinds, k) {
					path := step + "." + name
					require.Error(t, from.List(ctx, crm.OrderBy(path)), "%s by %s", from.Name(), path)
					require.Error(t, from.List(ctx, crm.Where(path+" startsWith '1'")), "%s by %s", from.Name(), path)
				}
			}
			m.unchanged(t, k, id, is.whole)
		}
	})
}

// masked is a practice in which dana sees of a person in part who he is, and kim nothing.
type masked struct {
	*practice

	ctx context.Context // dana's
	log *readLog
	ada patient
}

const (
	secretPhone  = "+4917055501234"
	secretEmail  = "augusta@quill.example"
	secretMobile = "+4915112345678"
)

// secrets are of what dana must see no more: what their masks leave out.
func secrets() []string {
	return []string{"0550123", "70555", "5501234", "ugusta", "1123456", "1234567", "uillfeather"}
}

func withMasks(t *testing.T, fn func(t *testing.T, m *masked)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		m := &masked{log: &readLog{}}
		m.practice = newPractice(t, e, crm.Config{}, func(c *crm.Core) error { return c.WatchReads(m.log.watch) })
		sys := system(t)
		_, err := m.Fields.Create(sys, crm.CustomField{Object: "person", Name: "mobile", Type: crm.FieldPhone})
		require.NoError(t, err)
		_, err = m.Fields.Create(sys, crm.CustomField{Object: "person", Name: "visits", Type: crm.FieldInt})
		require.NoError(t, err)
		m.role(t, "dana", m.rules(crm.FieldMasked)...)
		m.role(t, "kim", m.rules(crm.FieldHidden)...)
		m.ada, err = m.people.Create(sys, patient{
			Name: "Quillfeather", Email: secretEmail, Phone: secretPhone, Sex: "female", Level: "gold",
			Record: crm.Record{Refs: crm.Refs{"shop": "customer-98431-ward-7"}, Custom: crm.Custom{"mobile": secretMobile, "visits": int64(3)}},
		})
		require.NoError(t, err)
		_, err = m.remarks.Create(sys, finding{PersonID: m.ada.ID, Title: secretPhone, Body: "called"})
		require.NoError(t, err)
		m.ctx = as(t, "dana")
		fn(t, m)
	})
}

// rules take away what tells who somebody is.
func (m *masked) rules(access crm.FieldAccess) (rules []crm.FieldRule) {
	for _, name := range []string{"name", "email", "phone", "custom.mobile"} {
		rules = append(rules, crm.FieldRule{Object: "person", Field: name, Access: access})
	}
	return append(rules, crm.FieldRule{Object: "remark", Field: "title", Access: access})
}

// role gives a member a role of his own, and makes him when he is new.
func (m *masked) role(t *testing.T, key string, rules ...crm.FieldRule) {
	t.Helper()
	sys := system(t)
	role, err := m.Roles.Create(sys, crm.Role{Name: fmt.Sprint(key, " ", len(rules), " ", m.Clock.Now()), Grants: crm.Allow(crm.AnyKind, crm.LevelAll), Fields: rules})
	require.NoError(t, err)
	who, err := m.Members.Ensure(sys, key, key)
	require.NoError(t, err)
	_, err = m.Members.Update(sys, who.ID, func(x *crm.Member) error { x.RoleIDs = append(x.RoleIDs, role.ID); return nil })
	require.NoError(t, err)
	m.Clock.Advance(1)
}

// tellsNothing holds that what was shown has none of what the masks leave out.
func tellsNothing(t *testing.T, way string, shown any) {
	t.Helper()
	text, err := json.Marshal(shown)
	require.NoError(t, err, way)
	for _, secret := range secrets() {
		require.NotContains(t, string(text), secret, "%s: %s", way, text)
	}
}

func TestAMaskedTextIsShownInPart(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		records, err := m.Records("person")
		require.NoError(t, err)
		is, err := m.people.Get(m.ctx, m.ada.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"Q***", "a***@quill.example", "+49170****1234"}, []string{is.Name, is.Email, crm.Mask(secretPhone)})
		require.Equal(t, crm.Mask(secretPhone), is.Phone)
		require.Equal(t, crm.Custom{"mobile": crm.Mask(secretMobile), "visits": int64(3)}, is.Custom)
		require.Equal(t, "gold", is.Level)
		v, err := records.Get(m.ctx, m.ada.ID)
		require.NoError(t, err)
		require.Equal(t, []any{"Q***", is.Phone, is.Custom["mobile"]}, []any{v["name"], v["phone"], v["custom.mobile"]})
		names, err := records.Masked(m.ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"custom.mobile", "email", "name", "phone"}, names)
		fields, err := records.Fields(m.ctx)
		require.NoError(t, err)
		for _, f := range fields {
			require.NotContains(t, names, f.Name)
		}
		plain, err := m.people.Get(m.ctx, m.ada.ID, crm.WithoutMasked())
		require.NoError(t, err)
		require.Empty(t, plain.Name+plain.Email+plain.Phone)
		require.Equal(t, crm.Custom{"visits": int64(3)}, plain.Custom)
		hidden, err := m.people.Get(as(t, "kim"), m.ada.ID)
		require.NoError(t, err)
		require.Empty(t, hidden.Name+hidden.Email+hidden.Phone)
		for _, key := range []string{"kim"} {
			list, err := records.Masked(as(t, key))
			require.NoError(t, err)
			require.Empty(t, list)
		}
	})
}

// TestNothingMoreIsToldOfAMaskedText goes by every way there is.
func TestNothingMoreIsToldOfAMaskedText(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		ctx := m.ctx
		records, err := m.Records("person")
		require.NoError(t, err)
		bob, err := m.people.Create(system(t), patient{Name: "Quillfeather", Phone: secretPhone, Sex: "male"})
		require.NoError(t, err)
		gone, err := m.people.Create(system(t), patient{Name: "Quillfeather", Phone: secretPhone, Sex: "male"})
		require.NoError(t, err)
		require.NoError(t, m.people.Delete(system(t), gone.ID))
		type way struct {
			shown any
			err   error
		}
		try := func(shown any, err error) way { return way{shown, err} }
		_, _, upserted := m.people.Upsert(ctx, patient{Email: secretEmail}, "email")
		mine := m.people.Update
		var seen []patient
		note := func(x *patient) error { seen = append(seen, *x); x.Level = "silver"; return nil }
		ways := map[string]way{
			"get":              try(m.people.Get(ctx, m.ada.ID)),
			"find":             try(m.people.Find(ctx, "shop", "customer-98431-ward-7")),
			"list":             try(m.people.List(ctx, crm.WithDeleted())),
			"list by another":  try(m.people.List(ctx, crm.OrderBy("level"), crm.Limit(1))),
			"all":              try(every(m.people.All(ctx))),
			"search":           try(m.people.Search(ctx, "quillfeather")),
			"search of a part": try(m.people.Search(ctx, "5501234")),
			"search all":       try(m.Search(ctx, "5501234")),
			"history":          try(m.people.History(ctx, m.ada.ID, crm.WithMerged())),
			"as of":            try(m.people.AsOf(ctx, m.ada.ID, m.Clock.Now())),
			"record":           try(records.Get(ctx, m.ada.ID)),
			"records":          try(records.List(ctx)),
			"its history":      try(records.History(ctx, m.ada.ID)),
			"export":           try(every(records.Export(ctx))),
			"timeline":         try(m.Timeline(ctx, "person", m.ada.ID, crm.TimelineFilter{})),
			"preview":          try(m.people.PreviewMerge(ctx, m.ada.ID, []crm.ID{bob.ID}, crm.MergeRules{})),
			"update":           try(mine(ctx, m.ada.ID, note)),
			"update of nothing": try(records.Update(ctx, m.ada.ID, func(v crm.Values) error {
				tellsNothing(t, "a record in an update", v)
				return nil
			})),
			"restore": try(m.people.Restore(ctx, gone.ID)),
			"filter":  try(m.people.Count(ctx, crm.Where("phone startsWith '+49170555'"))),
			"equals":  try(m.people.Count(ctx, crm.Where("phone == $1", secretPhone))),
			"custom":  try(m.people.Count(ctx, crm.Where("custom.mobile contains '5678'"))),
			"sort":    try(m.people.List(ctx, crm.OrderBy("-phone"))),
			"facets":  try(m.people.Facets(ctx, "email")),
			"of":      try(m.remarks.Count(ctx, crm.Where("person.phone startsWith '+49'"))),
			"related": try(m.people.Count(ctx, crm.Where("any(remarks, .title startsWith '+49')"))),
			"found":   try(records.Find(ctx, "phone", []string{secretPhone})),
			"upsert":  {nil, upserted},
			"rule":    try(m.people.PreviewMerge(ctx, m.ada.ID, []crm.ID{bob.ID}, crm.MergeRules{From: map[string]crm.ID{"phone": bob.ID}})),
		}
		for _, format := range []crm.PersonFormat{crm.PersonJSON, crm.PersonHTML} {
			var out bytes.Buffer
			done, err := m.people.ExportPerson(ctx, &out, m.ada.ID, format)
			require.NoError(t, err)
			require.Contains(t, done.Withheld, "person.phone")
			require.Contains(t, done.Withheld, "person.custom.mobile")
			require.NotContains(t, out.String(), crm.Mask(secretPhone), "an export is without it")
			ways["export of the person as "+string(format)] = way{out.String(), nil}
		}
		refused := map[string]bool{
			"filter": true, "equals": true, "custom": true, "sort": true, "facets": true, "of": true, "related": true, "found": true,
			"upsert": true, "rule": true,
		}
		for name, w := range ways {
			tellsNothing(t, name, w.shown)
			require.Equal(t, refused[name], errors.Is(w.err, crm.ErrForbidden), "%s: %v", name, w.err)
			if !refused[name] {
				require.NoError(t, w.err, name)
			}
		}
		tellsNothing(t, "what an update sees", seen)
		found, err := m.people.Search(ctx, "quillfeather")
		require.NoError(t, err)
		require.Empty(t, found.Items, "no record is found by what is masked")
		exported, _ := ways["export"].shown.([]crm.Values)
		require.NotEmpty(t, exported)
		for _, v := range exported {
			require.NotContains(t, v, "phone")
			require.NotContains(t, v, "custom.mobile")
		}
		merged, _, err := m.people.Merge(ctx, m.ada.ID, []crm.ID{bob.ID}, crm.MergeRules{})
		require.NoError(t, err)
		tellsNothing(t, "merge", merged)
	})
}

func TestAMaskedTextIsKeptByWhoDoesNotSeeIt(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		got, err := m.people.Update(m.ctx, m.ada.ID, func(x *patient) error { x.Level = "silver"; return nil })
		require.NoError(t, err)
		require.Equal(t, crm.Mask(secretPhone), got.Phone)
		records, err := m.Records("person")
		require.NoError(t, err)
		_, err = records.Update(m.ctx, m.ada.ID, func(v crm.Values) error { v["level"] = "tin"; return nil })
		require.NoError(t, err)
		// Who sends back what he was shown changes nothing either.
		_, _, err = m.people.Upsert(m.ctx, patient{Name: got.Name, Phone: got.Phone, Level: "iron", Record: crm.Record{Refs: m.ada.Refs}}, "refs")
		require.NoError(t, err)
		for _, change := range []func(*patient){
			func(x *patient) { x.Phone = "+49170" }, func(x *patient) { x.Phone = "" }, func(x *patient) { x.Phone = secretPhone },
			func(x *patient) { x.Custom["mobile"] = "+491" }, func(x *patient) { delete(x.Custom, "mobile") },
		} {
			_, err = m.people.Update(m.ctx, m.ada.ID, func(x *patient) error { change(x); return nil })
			require.ErrorIs(t, err, crm.ErrForbidden)
			require.ErrorContains(t, err, "in part")
		}
		_, err = m.people.Create(m.ctx, patient{Name: "Bob", Sex: "male"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		is, err := m.people.Get(system(t), m.ada.ID)
		require.NoError(t, err)
		require.Equal(t, []any{secretPhone, secretEmail, secretMobile, "iron"}, []any{is.Phone, is.Email, is.Custom["mobile"], is.Level})
	})
}

func TestTheMildestOfSeveralRolesMasks(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		phone := func(access crm.FieldAccess) crm.FieldRule {
			return crm.FieldRule{Object: "person", Field: "phone", Access: access}
		}
		whole := crm.FieldRule{Object: "person", Field: "custom", Access: crm.FieldHidden}
		mobile := crm.FieldRule{Object: "person", Field: "custom.mobile", Access: crm.FieldMasked}
		for i, roles := range []struct {
			of            [][]crm.FieldRule
			phone, mobile string
		}{
			{[][]crm.FieldRule{{phone(crm.FieldHidden)}, {phone(crm.FieldMasked)}}, crm.Mask(secretPhone), secretMobile},
			{[][]crm.FieldRule{{phone(crm.FieldMasked)}, {phone(crm.FieldHidden)}, {phone(crm.FieldHidden)}}, crm.Mask(secretPhone), secretMobile},
			{[][]crm.FieldRule{{phone(crm.FieldMasked)}, {}}, secretPhone, secretMobile},
			{[][]crm.FieldRule{{phone(crm.FieldMasked)}, {phone(crm.FieldReadOnly)}}, secretPhone, secretMobile},
			{[][]crm.FieldRule{{phone(crm.FieldMasked), phone(crm.FieldHidden)}}, "", secretMobile}, // what one role takes away adds up
			{[][]crm.FieldRule{{whole, mobile}}, secretPhone, ""},
			{[][]crm.FieldRule{{whole}, {mobile}}, secretPhone, crm.Mask(secretMobile)},
			{[][]crm.FieldRule{{whole}, {whole}}, secretPhone, ""},
		} {
			key := fmt.Sprint("member", i)
			for _, rules := range roles.of {
				m.role(t, key, rules...)
			}
			is, err := m.people.Get(as(t, key), m.ada.ID)
			require.NoError(t, err)
			shown, _ := is.Custom["mobile"].(string)
			require.Equal(t, []string{roles.phone, roles.mobile}, []string{is.Phone, shown}, i)
		}
	})
}

func TestOnlyTextsAreMasked(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		for field, why := range map[string]string{
			"born": "is no text", "habits": "is no text", "owner_id": "is no text", "refs": "is no text", "sex": "one of few texts",
			"custom": "by its name", "custom.visits": "is no text", "custom.nothing": "there is no field", "version": "the kernel's own",
			"nothing": "has no field",
		} {
			_, err := m.Roles.Create(system(t), crm.Role{Name: field, Fields: []crm.FieldRule{{Object: "person", Field: field, Access: crm.FieldMasked}}})
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, why, field)
		}
		// A field that becomes another one is hidden.
		mobile, err := m.Fields.List(system(t), crm.Where("name == 'mobile'"))
		require.NoError(t, err)
		require.NoError(t, m.Fields.Delete(system(t), mobile.Items[0].ID))
		_, err = m.Fields.Create(system(t), crm.CustomField{Object: "person", Name: "mobile", Type: crm.FieldChoice, Options: []crm.Option{{Key: "yes"}, {Key: "no"}}})
		require.NoError(t, err)
		_, err = m.people.Update(system(t), m.ada.ID, func(x *patient) error { x.Custom["mobile"] = "yes"; return nil })
		require.NoError(t, err)
		is, err := m.people.Get(m.ctx, m.ada.ID)
		require.NoError(t, err)
		require.NotContains(t, is.Custom, "mobile")
	})
}

// veil is a policy by which everything may be done, and some fields are read in part.
type veil crm.Permission

func (v veil) Grant(context.Context, crm.Actor, string, crm.Verb) (crm.Permission, error) {
	return crm.Permission(v), nil
}

func TestAPolicyMasks(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		ctx := crm.WithPolicy(m.ctx, veil{Level: crm.LevelAll, Hidden: []string{"email", "phone"}, Masked: []string{"name", "phone", "custom.mobile", "custom.visits"}})
		is, err := m.people.Get(ctx, m.ada.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"Q***", "", ""}, []string{is.Name, is.Email, is.Phone})
		require.Equal(t, crm.Custom{"mobile": crm.Mask(secretMobile)}, is.Custom, "a number is hidden")
		for _, name := range []string{"sex", "born", "nothing"} {
			_, err = m.people.Get(crm.WithPolicy(m.ctx, veil{Level: crm.LevelAll, Masked: []string{name}}), m.ada.ID)
			require.ErrorIs(t, err, crm.ErrInvalid, name)
		}
	})
}

func TestRevealShowsAndTells(t *testing.T) {
	withMasks(t, func(t *testing.T, m *masked) {
		m.log.take()
		is, err := m.people.Reveal(m.ctx, m.ada.ID, " she asked to be called ", "phone", "custom.mobile", "level")
		require.NoError(t, err)
		require.Equal(t, []any{"Q***", "a***@quill.example", secretPhone, secretMobile, "gold"}, []any{is.Name, is.Email, is.Phone, is.Custom["mobile"], is.Level})
		want := crm.Reading{
			Object: "person", Records: []crm.ID{m.ada.ID}, How: crm.ReadingReveal, Actor: "member:dana",
			Fields: []string{"phone", "custom.mobile", "level"}, Reason: "she asked to be called",
		}
		require.Equal(t, []crm.Reading{want}, m.log.take())
		records, err := m.Records("person")
		require.NoError(t, err)
		v, err := records.Reveal(crm.Because(system(t), "audit"), m.ada.ID, "a check", "phone")
		require.NoError(t, err)
		require.Equal(t, secretPhone, v["phone"])
		told := m.log.take()
		require.Len(t, told, 1)
		require.Equal(t, []string{"system", "audit", "a check"}, []string{told[0].Actor, told[0].Cause, told[0].Reason}, "of the tenant itself too")
		v, err = records.Reveal(m.ctx, m.ada.ID, "a check", "phone")
		require.NoError(t, err)
		require.Equal(t, []any{secretPhone, "Q***", crm.Mask(secretMobile)}, []any{v["phone"], v["name"], v["custom.mobile"]})
		m.log.take()
		again, err := m.people.Get(m.ctx, m.ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Mask(secretPhone), again.Phone, "it is for once")
		m.log.take()

		for what, err := range map[string]error{
			"without a reason": revealed(m.people.Reveal(m.ctx, m.ada.ID, "  ", "phone")),
			"at length":        revealed(m.people.Reveal(m.ctx, m.ada.ID, strings.Repeat("x", 201), "phone")),
			"with a NUL":       revealed(m.people.Reveal(m.ctx, m.ada.ID, "x\x00", "phone")),
			"nothing":          revealed(m.people.Reveal(m.ctx, m.ada.ID, "asked")),
			"another field":    revealed(m.people.Reveal(m.ctx, m.ada.ID, "asked", "fone")),
			"no custom field":  revealed(m.people.Reveal(m.ctx, m.ada.ID, "asked", "custom.fone")),
		} {
			require.ErrorIs(t, err, crm.ErrInvalid, what)
		}
		require.ErrorIs(t, revealed(m.people.Reveal(as(t, "kim"), m.ada.ID, "asked", "phone")), crm.ErrForbidden, "hidden is hidden")
		require.ErrorIs(t, revealed(m.people.Reveal(as(t, "nobody"), m.ada.ID, "asked", "phone")), crm.ErrForbidden)
		require.ErrorIs(t, revealed(m.people.Reveal(m.ctx, crm.ID{1}, "asked", "phone")), crm.ErrNotFound)
		require.Empty(t, m.log.take())
		m.log.refuse = errors.New("too many today")
		v, err = records.Reveal(m.ctx, m.ada.ID, "asked", "phone")
		require.ErrorIs(t, err, m.log.refuse)
		require.Nil(t, v)
		is, err = m.people.Reveal(system(t), m.ada.ID, "asked", "phone")
		require.ErrorIs(t, err, m.log.refuse)
		require.Zero(t, is)
	})
}

func revealed(_ patient, err error) error { return err }

func TestRevealTakesAWatcher(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ada := p.augusta(t, as(t, "dana"))
		_, err := p.people.Reveal(as(t, "dana"), ada.ID, "asked", "phone")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "WatchReads")
	})
}
