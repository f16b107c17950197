package crm_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// office is a shop with people in it: ada and bob in sales, cid in north below it,
// sue in support, and boss in the board above all.
type office struct {
	*shop

	sys                          context.Context
	board, sales, north, support crm.Team
	ada, bob, cid, sue, boss     crm.Member
	rep                          crm.Role // what ada has
}

func newOffice(t *testing.T, s *shop) *office {
	t.Helper()
	f := &office{shop: s, sys: crm.System(t.Context(), "acme")}
	team := func(name string, above crm.ID) crm.Team {
		made, err := s.Teams.Create(f.sys, crm.Team{Name: name, ParentID: above})
		require.NoError(t, err)
		return made
	}
	f.board = team("Board", crm.ID{})
	f.sales = team("Sales", f.board.ID)
	f.north = team("North", f.sales.ID)
	f.support = team("Support", f.board.ID)
	member := func(key string, team crm.ID) crm.Member {
		made, err := s.Members.Create(f.sys, crm.Member{Key: key, Name: key, TeamIDs: []crm.ID{team}})
		require.NoError(t, err)
		return made
	}
	f.ada, f.bob = member("ada", f.sales.ID), member("bob", f.sales.ID)
	f.cid, f.sue, f.boss = member("cid", f.north.ID), member("sue", f.support.ID), member("boss", f.board.ID)
	return f
}

// grant makes the rep's role hold these grants, and gives it to ada.
func (f *office) grant(t *testing.T, grants []crm.Grant, fields ...crm.FieldRule) {
	t.Helper()
	var err error
	if f.rep.ID.IsZero() {
		f.rep, err = f.Roles.Create(f.sys, crm.Role{Name: "Rep", Grants: grants, Fields: fields})
		require.NoError(t, err)
		f.give(t, f.ada, f.rep)
		return
	}
	f.rep, err = f.Roles.Update(f.sys, f.rep.ID, func(r *crm.Role) error { r.Grants, r.Fields = grants, fields; return nil })
	require.NoError(t, err)
}

func (f *office) give(t *testing.T, m crm.Member, roles ...crm.Role) {
	t.Helper()
	_, err := f.Members.Update(f.sys, m.ID, func(m *crm.Member) error {
		m.RoleIDs = nil
		for _, r := range roles {
			m.RoleIDs = append(m.RoleIDs, r.ID)
		}
		return nil
	})
	require.NoError(t, err)
}

func (f *office) role(t *testing.T, name string, grants []crm.Grant, fields ...crm.FieldRule) crm.Role {
	t.Helper()
	r, err := f.Roles.Create(f.sys, crm.Role{Name: name, Grants: grants, Fields: fields})
	require.NoError(t, err)
	return r
}

func (f *office) owned(t *testing.T, owner crm.ID) deal {
	t.Helper()
	d, err := f.deals.Create(f.sys, deal{Record: crm.Record{OwnerID: owner}, Name: "Deal", Amount: crm.EUR(100)})
	require.NoError(t, err)
	return d
}

func (f *office) kind(name string) crm.AnyKindOf {
	for _, k := range crm.KindsOf(f.Core.Core) {
		if k.Name() == name {
			return k
		}
	}
	return crm.AnyKindOf{}
}

// ok turns an error into whether there was none; only the two kinds of refusal count.
func ok(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, crm.ErrForbidden) && !errors.Is(err, crm.ErrNotFound) {
		require.NoError(t, err)
	}
	return err == nil
}

func allVerbsBut(level crm.Level, but ...crm.Grant) []crm.Grant {
	skip := map[crm.Verb]bool{}
	for _, g := range but {
		skip[g.Verb] = true
	}
	var grants []crm.Grant
	for _, v := range crm.AllVerbs() {
		if !skip[v] {
			grants = append(grants, crm.Grant{Object: "deal", Verb: v, Level: level})
		}
	}
	return append(grants, but...)
}

// maker makes a record of any kind, with what it refers to.
type maker struct {
	*office

	n int
}

// fill returns a struct of a kind that can be created.
func (m *maker) fill(t *testing.T, k crm.AnyKindOf) any {
	t.Helper()
	v := k.New()
	m.n++
	switch v := v.(type) {
	case *crm.Share:
		v.Object, v.RecordID, v.MemberID, v.Access = "deal", m.owned(t, crm.ID{}).ID, m.boss.ID, crm.ShareRead
	case *crm.CustomField:
		v.Object, v.Name, v.Type = "company", fmt.Sprint("x", m.n), crm.FieldText
	case *crm.Rule:
		v.Object, v.Name, v.When = "deal", fmt.Sprint("x", m.n), "name == 'refused'"
	case *crm.Process:
		v.Object, v.Key, v.Name, v.Steps = "deal", fmt.Sprint("x", m.n), "x", []crm.Step{{Key: "done", Kind: crm.StepEnd}}
	case *crm.Retention:
		v.Name, v.Object, v.Since, v.After, v.Action = fmt.Sprint("x", m.n), "deal", "updated", "90d", crm.RetentionDelete
	default:
		k.Required(func(field reflect.Value, name, ref, one string) {
			switch {
			case ref != "":
				field.Set(reflect.ValueOf(m.make(t, m.kind(ref))))
			case one != "":
				field.SetString(one)
			case field.Kind() == reflect.String:
				field.SetString(fmt.Sprint("x", m.n))
			default:
				require.Fail(t, "no value is known for "+k.Name()+"."+name)
			}
		}, v)
	}
	return v
}

// make creates a record of a kind.
func (m *maker) make(t *testing.T, k crm.AnyKindOf) crm.ID {
	t.Helper()
	_, id, err := k.Create(m.sys, m.fill(t, k))
	require.NoError(t, err, k.Name())
	return id
}

// other gives a field another value than it has.
func other(t *testing.T, field reflect.Value) {
	t.Helper()
	switch v := field.Addr().Interface().(type) {
	case *crm.ID:
		*v = crm.ID{0x0e}
	case *crm.Money:
		*v = crm.EUR(v.Minor + 1)
	case *crm.Date:
		*v = crm.Date{Year: 1999, Month: 9, Day: 9}
	case *time.Time:
		*v = v.Add(time.Hour)
	case *crm.Refs:
		*v = crm.Refs{"hostile": "x"}
	case *crm.Custom:
		*v = crm.Custom{"hostile": "x"}
	case **int64:
		*v = new(int64)
	case *any:
		*v = "hostile"
	case *[]string:
		*v = []string{"hostile"}
	case *map[string]any:
		*v = map[string]any{"hostile": "x"}
	case *map[string]string:
		*v = map[string]string{"hostile": "x"}
	default:
		switch field.Kind() {
		case reflect.String:
			field.SetString(field.String() + "x")
		case reflect.Int64:
			field.SetInt(field.Int() + 1)
		case reflect.Bool:
			field.SetBool(!field.Bool())
		case reflect.Slice:
			field.Set(reflect.Append(field, reflect.New(field.Type().Elem()).Elem()))
		default:
			require.Fail(t, "no other value is known for a "+field.Type().String())
		}
	}
}

// shown is what somebody is shown of a record, in every way there is to read one.
type shown struct {
	whole     any // as the system reads it
	got, past any
	events    []crm.Event
}

// read reads a record by its id, as it was, and what happened to it.
func (m *maker) read(ctx context.Context, t *testing.T, k crm.AnyKindOf, id crm.ID) (is shown) {
	t.Helper()
	var err error
	is.whole, err = k.Get(m.sys, id)
	require.NoError(t, err)
	is.got, err = k.Get(ctx, id)
	require.NoError(t, err)
	is.past, err = k.AsOf(ctx, id)
	require.NoError(t, err)
	is.events, err = k.History(ctx, id)
	require.NoError(t, err)
	return is
}

// unchanged holds that a record is as it was.
func (m *maker) unchanged(t *testing.T, k crm.AnyKindOf, id crm.ID, whole any) {
	t.Helper()
	after, err := k.Get(m.sys, id)
	require.NoError(t, err)
	require.Equal(t, whole, after)
}

// mayNotSet holds that no verb writes a field, and that each says which it is.
func mayNotSet(ctx context.Context, t *testing.T, k crm.AnyKindOf, id crm.ID, name string) {
	t.Helper()
	what := k.Name() + "." + name
	set := func(v any) { other(t, crm.FieldOf(v, name)) }
	for _, err := range []error{k.Update(ctx, id, set), k.Do(ctx, id, set)} {
		require.ErrorIs(t, err, crm.ErrForbidden, what)
		require.ErrorContains(t, err, name)
	}
	given := k.New()
	set(given)
	_, _, err := k.Create(ctx, given)
	require.ErrorIs(t, err, crm.ErrForbidden, what)
}

// referring are the other kinds that refer to one, each with the step of a path to it.
func referring(kinds []crm.AnyKindOf, to crm.AnyKindOf) iter.Seq2[crm.AnyKindOf, string] {
	return func(yield func(crm.AnyKindOf, string) bool) {
		for _, from := range kinds {
			for field, ref := range from.References() {
				step, _ := strings.CutSuffix(field, "_id")
				if ref == to.Name() && from.Name() != to.Name() && !yield(from, step) {
					return
				}
			}
		}
	}
}
