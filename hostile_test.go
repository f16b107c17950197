package embedcrm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// These tests hold for every kind of record of the application: a new one joins by being defined. What only its own
// verbs make is made by them, in byVerbs.

// maker makes records of any kind, in one tenant.
type maker struct {
	*embedcrm.App

	ctx   context.Context // of who makes them
	owner crm.ID
	n     int
}

// given are the values of which there are rules that their types do not tell.
func (m *maker) given(t *testing.T, kind string) crm.Values {
	t.Helper()
	switch kind {
	case "share":
		return crm.Values{"object": "customer", "record_id": m.one(t, "customer"), "member_id": m.owner, "access": "read"}
	case "field":
		return crm.Values{"object": "customer", "name": fmt.Sprint("x", m.n), "type": "text"}
	case "rule":
		return crm.Values{"object": "customer", "name": fmt.Sprint("x", m.n), "when": "name == 'refused'"}
	case "process":
		return crm.Values{"object": "customer", "key": fmt.Sprint("x", m.n), "name": "x", "steps": json.RawMessage(`[{"key":"done","kind":"end"}]`)}
	case "quality_rule":
		return crm.Values{"object": "customer", "name": "x", "condition": "name == nil", "severity": "warn"}
	case "quality_standard":
		kinds, err := m.Kinds()
		require.NoError(t, err)
		return crm.Values{"object": kinds[m.n%len(kinds)]}
	case "duplicate_policy": // there is one of a kind
		return crm.Values{"kind": []string{"person", "organisation", "household"}[m.n%3]}
	case "retention":
		return crm.Values{"name": fmt.Sprint("x", m.n), "object": "customer", "since": "updated", "after": "90d", "action": "delete"}
	}
	v := crm.Values{}
	switch kind {
	case "interaction", "note", "comment", "mention", "follow":
		v["object"], v["record_id"] = "customer", m.one(t, "customer")
	}
	switch kind {
	case "mention", "follow":
		v["member_id"] = m.owner
		if kind == "mention" {
			v["source"], v["source_id"] = "note", m.one(t, "note")
		}
	case "data_request": // of nobody yet
		v["contact"] = "x"
	case "consent_topic":
		v["basis"], v["channels"] = "consent", []string{"email"}
	case "pool":
		v["object"] = "customer"
	case "postal_address":
		v["city"] = "Ulm"
	case "relationship":
		v["kind"], v["role"] = "related", "friend"
	case "scorecard":
		v["measures"] = json.RawMessage(`[{"key":"x","weight":1,"steps":[{"points":1}]}]`)
	case "level_scheme":
		v["grades"] = json.RawMessage(`[{"name":"A"}]`)
	case "deal":
		v["pipeline_id"] = m.one(t, "pipeline")
		stages, err := m.Records("stage")
		require.NoError(t, err)
		made, err := stages.Create(m.ctx, crm.Values{"pipeline_id": v["pipeline_id"], "name": "x", "key": "x", "kind": "open", "owner_id": m.owner})
		require.NoError(t, err)
		v["stage_id"] = made.ID()
	}
	return v
}

// byVerbs makes records of the kinds that their own verbs make alone, each on a customer.
func byVerbs() map[string]func(t *testing.T, m *maker, on crm.ID) (crm.ID, error) {
	return map[string]func(t *testing.T, m *maker, on crm.ID) (crm.ID, error){
		"erasure": func(_ *testing.T, m *maker, on crm.ID) (crm.ID, error) {
			made, err := m.Customers.ErasePerson(m.ctx, on, "he asked")
			return made.ID, err
		},
		"pool_move": func(t *testing.T, m *maker, on crm.ID) (crm.ID, error) {
			t.Helper()
			made, err := m.Pools.Protect(m.ctx, m.one(t, "pool"), on, m.Now(m.ctx).AddDate(1, 0, 0), "")
			return made.ID, err
		},
		"file": func(_ *testing.T, m *maker, on crm.ID) (crm.ID, error) {
			v := activity.File{Record: crm.Record{OwnerID: m.owner}, Object: "customer", RecordID: on, Name: "x.txt", MediaType: "text/plain"}
			made, err := m.Activity.Files.Add(m.ctx, v, strings.NewReader("x"))
			return made.ID, err
		},
		"segment_roll": func(t *testing.T, m *maker, _ crm.ID) (crm.ID, error) { // each segment has one
			t.Helper()
			rolls, err := m.Records("segment_roll")
			require.NoError(t, err)
			page, err := rolls.List(m.ctx, crm.Where("segment_id == $1", m.one(t, "segment")))
			require.NoError(t, err)
			return page.Items[0].ID(), nil
		},
		"consent": func(t *testing.T, m *maker, on crm.ID) (crm.ID, error) {
			t.Helper()
			topic, err := m.Customers.Consents.Topics.Get(m.ctx, m.one(t, "consent_topic"))
			require.NoError(t, err)
			made, err := m.Customers.Consents.Give(m.ctx, customers.ConsentAct{CustomerID: on, Channel: "email", Topic: topic.Key, Source: "a form"})
			return made.ID, err
		},
	}
}

// one makes a record and returns its id.
func (m *maker) one(t *testing.T, kind string) crm.ID {
	t.Helper()
	m.n++
	if verb := byVerbs()[kind]; verb != nil {
		id, err := verb(t, m, m.one(t, "customer"))
		require.NoError(t, err, kind)
		return id
	}
	records, err := m.Records(kind)
	require.NoError(t, err)
	v := m.given(t, kind)
	fields, err := records.Fields(m.ctx)
	require.NoError(t, err)
	for _, f := range fields {
		if _, known := v[f.Name]; known || !f.Required || f.Kernel {
			continue
		}
		v[f.Name] = m.value(t, kind, f)
	}
	if kind != "member" { // who is nobody's
		v["owner_id"] = m.owner
	}
	made, err := records.Create(m.ctx, v)
	require.NoError(t, err, "%s of %v", kind, v)
	return made.ID()
}

func (m *maker) value(t *testing.T, kind string, f crm.FieldInfo) any {
	t.Helper()
	switch {
	case f.Ref != "":
		return m.one(t, f.Ref)
	case len(f.Choices) > 0:
		return f.Choices[0]
	}
	switch f.Type {
	case crm.TypeText:
		return fmt.Sprint("x", m.n)
	case crm.TypeInt:
		return int64(1)
	case crm.TypeMoney:
		return crm.EUR(1)
	case crm.TypeTime:
		return m.Now(m.ctx)
	case crm.TypeDate:
		return crm.DateOf(m.Now(m.ctx))
	}
	require.Fail(t, "no value is known for "+kind+"."+f.Name)
	return nil
}

// attempts are what one can do to a record by its id.
func attempts(ctx context.Context, r *crm.Records, id crm.ID) map[string]error {
	_, get := r.Get(ctx, id)
	_, history := r.History(ctx, id)
	_, update := r.Update(ctx, id, func(crm.Values) error { panic("the record was handed out") })
	return map[string]error{"get": get, "history": history, "update": update, "delete": r.Delete(ctx, id), "purge": r.Purge(ctx, id)}
}

// hidden holds that a record shows by no verb, be it as another error than a record that is not there gives.
func (m *maker) hidden(ctx context.Context, t *testing.T, r *crm.Records, id crm.ID) {
	t.Helper()
	before, err := r.Get(m.ctx, id)
	require.NoError(t, err)
	missing := crm.ID{0x0f}
	none := attempts(ctx, r, missing)
	for verb, err := range attempts(ctx, r, id) {
		require.ErrorIs(t, err, crm.ErrNotFound, "%s of %s", verb, r.Kind())
		require.Equal(t, strings.ReplaceAll(none[verb].Error(), missing.String(), "ID"), strings.ReplaceAll(err.Error(), id.String(), "ID"))
	}
	n, err := r.Count(ctx, crm.Where("id == $1", id), crm.WithDeleted())
	require.NoError(t, err)
	require.Zero(t, n, r.Kind())
	for v, err := range r.All(ctx, crm.WithDeleted()) {
		require.NoError(t, err)
		require.NotEqual(t, id, v.ID(), r.Kind())
	}
	for v, err := range r.Export(ctx) {
		if errors.Is(err, crm.ErrForbidden) {
			break
		}
		require.NoError(t, err)
		require.NotEqual(t, id, v.ID(), r.Kind())
	}
	figures, err := m.Aggregate(ctx, r.Kind(), crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, Total: true}, crm.Where("id == $1", id))
	require.NoError(t, err)
	require.Equal(t, []any{int64(0)}, figures.Total.Values)
	for name, x := range before {
		text, ok := x.(string)
		if !ok || text == "" || strings.Contains(name, ".") {
			continue
		}
		if found, err := r.Find(ctx, name, []string{text}); err == nil {
			require.NotContains(t, found[text], id, "%s by %s", r.Kind(), name)
		}
	}
	after, err := r.Get(m.ctx, id)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// decides are the kinds that say who may do what: who reads records of them is said apart, in crm.
var decides = map[string]bool{"member": true, "team": true, "role": true}

func onWhole(t *testing.T, fn func(t *testing.T, m *maker)) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		blobs, err := activity.NewDirectory(t.TempDir())
		require.NoError(t, err)
		app, err := embedcrm.New(e.Store, crm.Config{Blobs: blobs})
		require.NoError(t, err)
		require.NoError(t, app.Migrate(t.Context()))
		m := &maker{App: app, ctx: crm.System(t.Context(), "acme")}
		boss, err := app.Members.Ensure(m.ctx, "boss", "Boss")
		require.NoError(t, err)
		m.owner = boss.ID
		fn(t, m)
	})
}

func TestNobodyElsesRecordsShow(t *testing.T) {
	onWhole(t, func(t *testing.T, m *maker) {
		role, err := m.Roles.Create(m.ctx, crm.Role{Name: "Own", Grants: append(crm.Allow(crm.AnyKind, crm.LevelOwn), crm.Allow(crm.AnyKind, crm.LevelSubtree)...)})
		require.NoError(t, err)
		ada, err := m.Members.Ensure(m.ctx, "ada", "Ada")
		require.NoError(t, err)
		_, err = m.Members.Update(m.ctx, ada.ID, func(v *crm.Member) error { v.RoleIDs = []crm.ID{role.ID}; return nil })
		require.NoError(t, err)
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "ada"})
		_, err = m.Customers.Create(foreign, customers.Customer{Kind: customers.Person, Name: "so that the tenant is there"})
		require.NoError(t, err)
		kinds, err := m.Kinds()
		require.NoError(t, err)
		for _, kind := range kinds {
			r, err := m.Records(kind)
			require.NoError(t, err)
			id := m.one(t, kind)
			m.hidden(foreign, t, r, id)
			m.hidden(crm.System(t.Context(), "other"), t, r, id)
			if !decides[kind] {
				m.hidden(crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "ada"}), t, r, id)
			}
		}
	})
}

func TestNoReferenceLeadsToAnotherTenant(t *testing.T) {
	onWhole(t, func(t *testing.T, m *maker) {
		other := &maker{App: m.App, ctx: crm.System(t.Context(), "other")}
		boss, err := m.Members.Ensure(other.ctx, "boss", "Boss")
		require.NoError(t, err)
		other.owner = boss.ID
		kinds, err := m.Kinds()
		require.NoError(t, err)
		for _, kind := range kinds {
			r, err := m.Records(kind)
			require.NoError(t, err)
			fields, err := r.Fields(m.ctx)
			require.NoError(t, err)
			for _, f := range fields {
				if f.Ref == "" || f.Guarded {
					continue
				}
				id := m.one(t, kind)
				foreign := other.one(t, f.Ref)
				_, err := r.Update(m.ctx, id, func(v crm.Values) error { v[f.Name] = foreign; return nil })
				require.Error(t, err, "%s.%s", kind, f.Name)
				v, err := r.Get(m.ctx, id)
				require.NoError(t, err)
				require.NotEqual(t, foreign, v[f.Name])
			}
		}
	})
}

func TestNoFieldThatIsHiddenShows(t *testing.T) {
	onWhole(t, func(t *testing.T, m *maker) {
		kinds, err := m.Kinds()
		require.NoError(t, err)
		ada, err := m.Members.Ensure(m.ctx, "ada", "Ada")
		require.NoError(t, err)
		for _, kind := range kinds {
			r, err := m.Records(kind)
			require.NoError(t, err)
			id := m.one(t, kind)
			fields, err := r.Fields(m.ctx)
			require.NoError(t, err)
			var rules []crm.FieldRule
			var names []string
			for _, f := range fields {
				if !f.Kernel {
					rules = append(rules, crm.FieldRule{Object: kind, Field: f.Name, Access: crm.FieldHidden})
					names = append(names, f.Name)
				}
			}
			role, err := m.Roles.Create(m.ctx, crm.Role{Name: "Blind to " + kind, Grants: crm.Allow(crm.AnyKind, crm.LevelAll), Fields: rules})
			if decides[kind] && errors.Is(err, crm.ErrInvalid) {
				continue // what decides cannot be hidden
			}
			require.NoError(t, err, kind)
			_, err = m.Members.Update(m.ctx, ada.ID, func(v *crm.Member) error { v.RoleIDs = []crm.ID{role.ID}; return nil })
			require.NoError(t, err)
			ctx := crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "ada"})
			got, err := r.Get(ctx, id)
			require.NoError(t, err, kind)
			told, err := r.History(ctx, id)
			require.NoError(t, err)
			for _, e := range told.Items {
				for _, c := range e.Changes {
					require.NotContains(t, names, c.Field, kind)
				}
			}
			for _, name := range names {
				require.NotContains(t, got, name, kind)
				_, err := r.List(ctx, crm.Where(name+" == nil"))
				require.Error(t, err, "%s.%s", kind, name)
				_, err = r.List(ctx, crm.OrderBy(name))
				require.Error(t, err, "%s.%s", kind, name)
			}
			for v, err := range r.Export(ctx) {
				if err != nil {
					break
				}
				for _, name := range names {
					require.NotContains(t, v, name, kind)
				}
			}
		}
	})
}
