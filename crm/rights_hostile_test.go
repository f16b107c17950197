package crm_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// These tests hold for every kind of record and every field of a core: a new one
// joins by being defined.

// attempts are all one can do to a record by its id.
func attempts(ctx context.Context, k crm.AnyKindOf, id crm.ID) map[string]error {
	called := func(any) { panic("the record was handed out") }
	_, get := k.Get(ctx, id)
	_, history := k.History(ctx, id)
	_, asOf := k.AsOf(ctx, id)
	return map[string]error{
		"get": get, "history": history, "as of": asOf,
		"update": k.Update(ctx, id, called), "do": k.Do(ctx, id, called),
		"delete": k.End(ctx, id, "deleted"), "restore": k.End(ctx, id, "restored"), "purge": k.End(ctx, id, "purged"),
	}
}

// sameAsMissing holds that by no verb a record shows, be it as another error than a
// record that is not there gives.
func (m *maker) sameAsMissing(ctx context.Context, t *testing.T, k crm.AnyKindOf, id crm.ID) {
	t.Helper()
	before, err := k.Get(m.sys, id)
	require.NoError(t, err)
	missing := crm.ID{0x0f}
	none := attempts(ctx, k, missing)
	for verb, err := range attempts(ctx, k, id) {
		require.ErrorIs(t, err, crm.ErrNotFound, "%s of %s", verb, k.Name())
		require.Equal(t, strings.ReplaceAll(none[verb].Error(), missing.String(), "ID"), strings.ReplaceAll(err.Error(), id.String(), "ID"))
	}
	listed, counted, err := k.Has(ctx, id)
	require.NoError(t, err)
	require.False(t, listed)
	require.Zero(t, counted)
	for _, name := range k.Searched() {
		found, err := k.Search(ctx, crm.FieldOf(before, name).String())
		require.NoError(t, err)
		require.NotContains(t, found, id, "%s by %s", k.Name(), name)
	}
	figures, err := m.Aggregate(ctx, k.Name(), crm.Figures{
		Measures: []crm.Measure{{Fn: crm.FnCount}, {Fn: crm.FnMax, Field: "updated"}}, GroupBy: []crm.GroupBy{{Field: "version"}}, Total: true,
	}, crm.WithDeleted(), crm.Where("id == $1", id))
	require.NoError(t, err)
	require.Empty(t, figures.Rows)
	require.Equal(t, []any{int64(0), nil}, figures.Total.Values)
	m.unchanged(t, k, id, before)
}

func TestNoVerbReachesWhatIsNotTheActors(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		m.grant(t, append(crm.Allow(crm.AnyKind, crm.LevelOwn), crm.Allow(crm.AnyKind, crm.LevelSubtree)...))
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "ada"})
		_, err := m.deals.Create(foreign, deal{Name: "so that the tenant is there"})
		require.NoError(t, err)
		for _, k := range crm.KindsOf(s.Core.Core) {
			for _, gone := range []bool{false, true} {
				id := m.make(t, k)
				if gone {
					require.NoError(t, k.End(m.sys, id, "deleted"))
				}
				m.sameAsMissing(as(t, "ada"), t, k, id)
				m.sameAsMissing(foreign, t, k, id)
				m.sameAsMissing(crm.System(t.Context(), "other"), t, k, id)
				if k.Decides() || gone {
					continue
				}
				// It is not shared, and not referred to.
				_, err := s.Shares.Share(as(t, "ada"), k.Name(), id, crm.WithMember(m.ada.ID), crm.ShareRead)
				if !errors.Is(err, crm.ErrInvalid) { // a kind that is not shared
					require.ErrorIs(t, err, crm.ErrNotFound, k.Name())
				}
			}
			// Whose key in another system it is, is not said. Who makes retentions may read all.
			if !k.Decides() && k.Name() != "share" && k.Name() != "retention" {
				v := m.fill(t, k)
				crm.FieldOf(v, "refs").Set(reflect.ValueOf(crm.Refs{"erp": "1"}))
				_, holder, err := k.Create(m.sys, v)
				require.NoError(t, err)
				v = m.fill(t, k)
				crm.FieldOf(v, "refs").Set(reflect.ValueOf(crm.Refs{"erp": "1"}))
				_, _, err = k.Create(as(t, "ada"), v)
				taken := &crm.ConflictError{}
				require.ErrorAs(t, err, &taken)
				require.Zero(t, taken.Holder)
				require.NotContains(t, err.Error(), holder.String())
			}
			for field, ref := range k.References() {
				if field == "owner_id" || k.Decides() || ref == "member" || ref == "team" {
					continue // members and teams are no secret in their tenant
				}
				says := func(id crm.ID) string {
					v := m.fill(t, k)
					crm.FieldOf(v, field).Set(reflect.ValueOf(id))
					_, _, err := k.Create(as(t, "ada"), v)
					require.ErrorIs(t, err, crm.ErrInvalid)
					return err.Error()
				}
				require.Equal(t, says(crm.ID{0x0f}), says(m.make(t, m.kind(ref))), "%s.%s", k.Name(), field)
			}
		}
	})
}

// figuresOf are all ways in which figures can name a field.
func figuresOf(name string) map[string]crm.Figures {
	count := crm.Measure{Fn: crm.FnCount}
	given := count
	given.Where = crm.Filter{Text: name + " == nil"}
	all := map[string]crm.Figures{
		"figures by it":           {Measures: []crm.Measure{count}, GroupBy: []crm.GroupBy{{Field: name}}},
		"figures by its month":    {Measures: []crm.Measure{count}, GroupBy: []crm.GroupBy{{Field: name, Bucket: crm.ByMonth}}},
		"figures by its part":     {Measures: []crm.Measure{count}, GroupBy: []crm.GroupBy{{Field: name + ".currency"}}},
		"figures where it is":     {Measures: []crm.Measure{given}},
		"figures by a custom one": {Measures: []crm.Measure{count}, GroupBy: []crm.GroupBy{{Field: "custom.x"}}},
	}
	for _, fn := range []crm.Fn{crm.FnCountOf, crm.FnDistinct, crm.FnSum, crm.FnMin, crm.FnMax, crm.FnAverage, crm.FnMedian, crm.FnPercentile, crm.FnWeighted} {
		m := crm.Measure{Fn: fn, Field: name}
		switch fn {
		case crm.FnPercentile:
			m.Percent = 50
		case crm.FnWeighted:
			m.Weight = name
		}
		all["figures: "+string(fn)] = crm.Figures{Measures: []crm.Measure{m}}
	}
	return all
}

func TestNoVerbShowsAHiddenField(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		kinds := crm.KindsOf(s.Core.Core)
		for _, k := range kinds {
			id := m.make(t, k)
			var hidden []crm.FieldRule
			for _, name := range k.Fields() {
				hidden = append(hidden, crm.FieldRule{Object: k.Name(), Field: name, Access: crm.FieldHidden})
			}
			m.grant(t, crm.Allow(crm.AnyKind, crm.LevelAll), hidden...)
			ctx := as(t, "ada")
			is := m.read(ctx, t, k, id)
			for _, e := range is.events {
				require.Empty(t, e.Changes)
			}
			if len(k.Searched()) > 0 {
				_, err := k.Search(ctx, "x")
				require.ErrorIs(t, err, crm.ErrForbidden)
			}
			for _, name := range k.Fields() {
				what := k.Name() + "." + name
				require.Zero(t, crm.FieldOf(is.got, name).Interface(), what)
				require.Zero(t, crm.FieldOf(is.past, name).Interface(), what)
				named := map[string]error{
					"readable": k.Readable(ctx, name),
					"custom":   k.Readable(ctx, "custom.x"),
					"sort":     k.List(ctx, crm.OrderBy(name)),
					"filter":   k.List(ctx, crm.Where(name+" == nil")),
					"facet":    k.Facets(ctx, name),
				}
				for by, f := range figuresOf(name) {
					_, named[by] = m.Aggregate(ctx, k.Name(), f)
				}
				for by, err := range named {
					require.Error(t, err, "%s by %s", what, by)
					if !errors.Is(err, crm.ErrInvalid) || by == "readable" { // JSON cannot be sorted by anyone
						require.ErrorIs(t, err, crm.ErrForbidden, "%s by %s", what, by)
					}
				}
				require.ErrorContains(t, named["readable"], name)
				mayNotSet(ctx, t, k, id, name)
			}
			m.unchanged(t, k, id, is.whole)

			// From records that refer to it.
			for from, step := range referring(kinds, k) {
				for _, name := range k.Fields() {
					path := step + "." + name
					require.Error(t, from.List(ctx, crm.OrderBy(path)), "%s by %s", from.Name(), path)
					require.Error(t, from.List(ctx, crm.Where(path+" == nil")), "%s by %s", from.Name(), path)
					for by, f := range figuresOf(path) {
						_, err := m.Aggregate(ctx, from.Name(), f)
						require.Error(t, err, "%s of %s by %s", by, from.Name(), path)
					}
				}
			}
		}
	})
}

func TestNoVerbWritesAReadOnlyField(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		for _, k := range crm.KindsOf(s.Core.Core) {
			id := m.make(t, k)
			var rules []crm.FieldRule
			for _, name := range k.Fields() {
				rules = append(rules, crm.FieldRule{Object: k.Name(), Field: name, Access: crm.FieldReadOnly})
			}
			m.grant(t, crm.Allow(crm.AnyKind, crm.LevelAll), rules...)
			ctx := as(t, "ada")
			is := m.read(ctx, t, k, id)
			require.Equal(t, is.whole, is.got)
			for _, name := range k.Fields() {
				require.NoError(t, k.Readable(ctx, name))
				mayNotSet(ctx, t, k, id, name)
			}
			m.unchanged(t, k, id, is.whole)
		}
	})
}

func TestEveryVerbTakesItsRight(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		m := &maker{office: newOffice(t, s)}
		for _, k := range crm.KindsOf(s.Core.Core) {
			id := m.make(t, k)
			v := m.fill(t, k)
			var grants []crm.Grant
			for _, name := range k.Governing() {
				grants = append(grants, crm.Allow(name, crm.LevelAll, crm.VerbRead)...)
			}
			m.grant(t, append(grants, crm.Allow("company", crm.LevelNone)...))
			ctx := as(t, "ada")
			before, err := k.Get(m.sys, id)
			require.NoError(t, err)
			_, _, err = k.Create(ctx, v)
			require.ErrorIs(t, err, crm.ErrForbidden, "create %s", k.Name())
			for _, err := range []error{
				k.Update(ctx, id, func(v any) { other(t, crm.FieldOf(v, "refs")) }), k.Do(ctx, id, func(any) {}),
				k.End(ctx, id, "deleted"), k.End(ctx, id, "purged"), k.May(ctx, crm.VerbAssign, id), k.May(ctx, crm.VerbShare, id),
				k.Update(crm.At(ctx, s.Clock.Now()), id, func(any) {}),
			} {
				require.ErrorIs(t, err, crm.ErrForbidden, k.Name())
			}
			_, err = k.Exportable(ctx)
			require.ErrorIs(t, err, crm.ErrForbidden)
			m.unchanged(t, k, id, before)
			require.NoError(t, k.End(m.sys, id, "deleted"))
			require.ErrorIs(t, k.End(ctx, id, "restored"), crm.ErrForbidden)
		}
	})
}

// TestNobodyGivesHimselfRights tries with every right there is but the one to update
// every role.
func TestNobodyGivesHimselfRights(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		grants := crm.Allow(crm.AnyKind, crm.LevelAll, crm.VerbRead, crm.VerbCreate, crm.VerbDelete, crm.VerbExport, crm.VerbImport)
		grants = append(grants, crm.Allow(crm.AnyKind, crm.LevelSubtree, crm.VerbUpdate, crm.VerbAssign, crm.VerbShare)...)
		for _, kind := range []string{"member", "team", "share"} {
			grants = append(grants, crm.Allow(kind, crm.LevelAll)...)
		}
		f.grant(t, grants)
		admin := f.role(t, "Admin", crm.Allow(crm.AnyKind, crm.LevelAll))
		spare := f.role(t, "Spare", nil)
		require.NoError(t, f.Roles.Delete(f.sys, spare.ID))
		gone, err := f.Members.Create(f.sys, crm.Member{Key: "gone", Name: "Gone", RoleIDs: []crm.ID{admin.ID}})
		require.NoError(t, err)
		require.NoError(t, f.Members.Delete(f.sys, gone.ID))
		asleep, err := f.Members.Create(f.sys, crm.Member{Key: "asleep", Name: "Asleep", Inactive: true})
		require.NoError(t, err)
		theirs := f.owned(t, f.sue.ID)
		share, err := f.Shares.Share(f.sys, "deal", theirs.ID, crm.WithMember(f.ada.ID), crm.ShareRead)
		require.NoError(t, err)
		ctx := as(t, "ada")
		member := func(id crm.ID, fn func(*crm.Member)) error {
			_, err := f.Members.Update(ctx, id, func(m *crm.Member) error { fn(m); return nil })
			return err
		}
		team := func(id crm.ID, fn func(*crm.Team)) error {
			_, err := f.Teams.Update(ctx, id, func(x *crm.Team) error { fn(x); return nil })
			return err
		}
		role := func(id crm.ID, fn func(*crm.Role)) error {
			_, err := f.Roles.Update(ctx, id, func(r *crm.Role) error { fn(r); return nil })
			return err
		}
		all := crm.Allow(crm.AnyKind, crm.LevelAll)
		tries := map[string]func() error{
			"gives himself a role": func() error { return member(f.ada.ID, func(m *crm.Member) { m.RoleIDs = append(m.RoleIDs, admin.ID) }) },
			"drops a role":         func() error { return member(f.ada.ID, func(m *crm.Member) { m.RoleIDs = nil }) },
			"joins a team": func() error {
				return member(f.ada.ID, func(m *crm.Member) { m.TeamIDs = append(m.TeamIDs, f.board.ID) })
			},
			"takes another's key":        func() error { return member(f.boss.ID, func(m *crm.Member) { m.Key = "ada2" }) },
			"wakes a member":             func() error { return member(asleep.ID, func(m *crm.Member) { m.Inactive = false }) },
			"puts a member to sleep":     func() error { return member(f.boss.ID, func(m *crm.Member) { m.Inactive = true }) },
			"moves his team":             func() error { return team(f.sales.ID, func(x *crm.Team) { x.ParentID = crm.ID{} }) },
			"moves a team below his":     func() error { return team(f.support.ID, func(x *crm.Team) { x.ParentID = f.sales.ID }) },
			"gives his team a role":      func() error { return team(f.sales.ID, func(x *crm.Team) { x.RoleIDs = []crm.ID{admin.ID} }) },
			"widens his role":            func() error { return role(f.rep.ID, func(r *crm.Role) { r.Grants = all }) },
			"opens a field of his role":  func() error { return role(f.rep.ID, func(r *crm.Role) { r.Fields = nil; r.Name = "Rep!" }) },
			"changes another role":       func() error { return role(admin.ID, func(r *crm.Role) { r.Grants = nil }) },
			"deletes a role":             func() error { return f.Roles.Delete(ctx, admin.ID) },
			"purges a role":              func() error { return f.Roles.Purge(ctx, admin.ID) },
			"restores a role":            func() error { _, err := f.Roles.Restore(ctx, spare.ID); return err },
			"restores one who has roles": func() error { _, err := f.Members.Restore(ctx, gone.ID); return err },
			"creates a role":             func() error { _, err := f.Roles.Create(ctx, crm.Role{Name: "Mine", Grants: all}); return err },
			"creates an empty role":      func() error { _, err := f.Roles.Create(ctx, crm.Role{Name: "Mine"}); return err },
			"creates one who has a role": func() error {
				_, err := f.Members.Create(ctx, crm.Member{Key: "me2", Name: "x", RoleIDs: []crm.ID{admin.ID}})
				return err
			},
			"creates one in a team": func() error {
				_, err := f.Members.Create(ctx, crm.Member{Key: "me2", Name: "x", TeamIDs: []crm.ID{f.board.ID}})
				return err
			},
			"creates a team with a role": func() error {
				_, err := f.Teams.Create(ctx, crm.Team{Name: "x", RoleIDs: []crm.ID{admin.ID}})
				return err
			},
			"upserts himself": func() error {
				_, _, err := f.Members.Upsert(ctx, crm.Member{Key: "ada", RoleIDs: []crm.ID{admin.ID}}, "key")
				return err
			},
			"widens a share": func() error {
				_, err := f.Shares.Update(ctx, share.ID, func(s *crm.Share) error { s.Access = crm.ShareWrite; return nil })
				return err
			},
			"shares what he only reads": func() error {
				_, err := f.Shares.Share(ctx, "deal", theirs.ID, crm.WithTeam(f.sales.ID), crm.ShareRead)
				return err
			},
			"assigns to himself": func() error {
				_, err := f.deals.Update(ctx, theirs.ID, func(d *deal) error { d.OwnerID = f.ada.ID; return nil })
				return err
			},
			"assigns to himself by a verb": func() error {
				_, err := f.deals.Do(ctx, theirs.ID, "taken", func(d *deal) error { d.OwnerID = f.ada.ID; return nil })
				return err
			},
			"assigns in a transaction": func() error {
				return f.Tx(ctx, func(ctx context.Context) error {
					_, err := f.deals.Update(ctx, theirs.ID, func(d *deal) error { d.OwnerID = f.ada.ID; return nil })
					return err
				})
			},
		}
		state := func() (all []any) {
			for m, err := range f.Members.All(f.sys, crm.WithDeleted(), crm.OrderBy("id")) {
				require.NoError(t, err)
				all = append(all, m)
			}
			for x, err := range f.Teams.All(f.sys, crm.WithDeleted(), crm.OrderBy("id")) {
				require.NoError(t, err)
				all = append(all, x)
			}
			for r, err := range f.Roles.All(f.sys, crm.WithDeleted(), crm.OrderBy("id")) {
				require.NoError(t, err)
				all = append(all, r)
			}
			for s, err := range f.Shares.All(f.sys, crm.WithDeleted(), crm.OrderBy("id")) {
				require.NoError(t, err)
				all = append(all, s)
			}
			d, err := f.deals.Get(f.sys, theirs.ID)
			require.NoError(t, err)
			return append(all, d)
		}
		before := state()
		for what, try := range tries {
			require.ErrorIs(t, try(), crm.ErrForbidden, what)
			require.Equal(t, before, state(), what)
		}
		// What decides over no right stays his to do.
		require.NoError(t, member(f.ada.ID, func(m *crm.Member) { m.Name = "Ada" }))
		require.NoError(t, team(f.sales.ID, func(x *crm.Team) { x.Name = "Sales!" }))
		_, err = f.Members.Create(ctx, crm.Member{Key: "me2", Name: "x"})
		require.NoError(t, err)
		_, err = f.Roles.Get(ctx, admin.ID)
		require.NoError(t, err)
		// And with the one right all of it is.
		f.give(t, f.ada, admin)
		require.NoError(t, role(f.rep.ID, func(r *crm.Role) { r.Grants = all }))
		require.NoError(t, member(f.ada.ID, func(m *crm.Member) { m.TeamIDs = append(m.TeamIDs, f.board.ID) }))
	})
}
