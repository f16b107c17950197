package crm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestUniqueUnderWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText, Unique: true})
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = s.companies.Create(ctx, company{Name: strconv.Itoa(i), Record: crm.Record{Custom: crm.Custom{"tax_no": []string{"DE 1", "de  1"}[i%2]}}})
			})
		}
		wg.Wait()
		list, err := s.companies.List(ctx)
		require.NoError(t, err)
		require.Len(t, list.Items, 1)
		for _, err := range errs {
			if err == nil {
				continue
			}
			require.ErrorIs(t, err, crm.ErrConflict)
			taken, ok := errors.AsType[*crm.ConflictError](err)
			require.True(t, ok)
			require.Equal(t, "custom.tax_no", taken.Field)
			require.Equal(t, list.Items[0].ID, taken.Holder)
		}
		// The same value twice in one call has no holder yet.
		_, err = s.companies.CreateAll(ctx, []company{
			{Name: "a", Record: crm.Record{Custom: crm.Custom{"tax_no": "2"}}}, {Name: "b", Record: crm.Record{Custom: crm.Custom{"tax_no": "2"}}},
		})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = s.companies.CreateAll(ctx, []company{
			{Name: "a", Record: crm.Record{Custom: crm.Custom{"tax_no": "3"}}}, {Name: "b", Record: crm.Record{Custom: crm.Custom{"tax_no": "DE 1"}}},
		})
		require.ErrorContains(t, err, "record 1")
		require.ErrorContains(t, err, "custom.tax_no")
		s.whole(t)
	})
}

func TestIndexFollowsTheRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "no", Type: crm.FieldInt, Unique: true})
		s.field(t, ctx, crm.CustomField{Name: "city", Type: crm.FieldText, Indexed: true})
		c := s.with(t, ctx, "a", crm.Custom{"no": 1, "city": "Bonn"})
		s.whole(t)
		require.NoError(t, s.companies.Delete(ctx, c.ID))
		s.whole(t)
		found, err := s.companies.List(ctx, crm.Where("custom.city == 'Bonn'"), crm.WithDeleted())
		require.NoError(t, err)
		require.Len(t, found.Items, 1, "deleted ones are found too by who asks for them")

		other := s.with(t, ctx, "b", crm.Custom{"no": 1})
		_, err = s.companies.Restore(ctx, c.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		taken, ok := errors.AsType[*crm.ConflictError](err)
		require.True(t, ok)
		require.Equal(t, "custom.no", taken.Field)
		require.Equal(t, other.ID, taken.Holder)
		_, err = s.set(ctx, other.ID, crm.Custom{"no": 2})
		require.NoError(t, err)
		_, err = s.companies.Restore(ctx, c.ID)
		require.NoError(t, err)
		s.whole(t)
		_, err = s.set(ctx, other.ID, crm.Custom{"no": 1})
		require.ErrorIs(t, err, crm.ErrConflict)
		require.NoError(t, s.companies.Purge(ctx, c.ID))
		_, err = s.set(ctx, other.ID, crm.Custom{"no": 1})
		require.NoError(t, err)
		s.whole(t)
	})
}

func TestPromotedFiltersFindTheSame(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		defs := []crm.CustomField{
			{Name: "text", Type: crm.FieldText}, {Name: "int", Type: crm.FieldInt}, {Name: "decimal", Type: crm.FieldDecimal, Scale: 1},
			{Name: "date", Type: crm.FieldDate}, {Name: "time", Type: crm.FieldTime}, {Name: "choice", Type: crm.FieldChoice, Options: options("a", "b")},
			{Name: "reference", Type: crm.FieldReference, To: "company"},
		}
		for _, def := range defs {
			s.field(t, ctx, def)
			def.Name += "_x"
			def.Indexed = true
			s.field(t, ctx, def)
		}
		root := s.company(t, ctx, "root")
		start := s.Clock.Now()
		for i := range 30 {
			custom := crm.Custom{}
			give := func(name string, v any) {
				if (i+len(name))%4 > 0 {
					custom[name], custom[name+"_x"] = v, v
				}
			}
			give("text", []string{"a", "ab", "B", "\u00e9"}[i%4])
			give("int", i%5-2)
			give("decimal", fmt.Sprintf("%d.%d", i%3, i%2))
			give("date", crm.Date{Year: 2026, Month: 1, Day: 1 + i%6})
			give("time", start.Add(time.Duration(i%6)*time.Hour))
			give("choice", []string{"a", "b"}[i%2])
			give("reference", root.ID)
			c := s.with(t, ctx, strconv.Itoa(i), custom)
			if i%9 == 0 {
				require.NoError(t, s.companies.Delete(ctx, c.ID))
			}
		}
		for _, c := range []struct {
			name string
			rest string
			args []any
		}{
			{"text", " == 'ab'", nil}, {"text", " != 'ab'", nil}, {"text", " startsWith 'a'", nil}, {"text", " contains 'b'", nil}, {"text", " in ['a', 'B']", nil}, {"text", " == nil", nil}, {"text", " >= 'ab'", nil},
			{"int", " > -1", nil}, {"int", " == 0", nil}, {"int", " in [1, 2]", nil}, {"int", " < 0.5", nil}, {"decimal", " >= 1.1", nil}, {"decimal", " == 1", nil},
			{"date", " > date('2026-01-03')", nil}, {"time", " <= $1", []any{start.Add(3 * time.Hour)}}, {"choice", " == 'a'", nil}, {"reference", " == $1", []any{root.ID}}, {"reference", " != $1", []any{root.ID}},
		} {
			for _, not := range []string{"", "not "} {
				for _, opts := range [][]crm.ListOption{nil, {crm.WithDeleted()}} {
					find := func(name string) (ids []crm.ID) {
						text := not + "(custom." + name + c.rest + ")"
						list, err := s.companies.List(ctx, append(opts, crm.Limit(100), crm.OrderBy("id"), crm.Where(text, c.args...))...)
						require.NoError(t, err, text)
						for _, x := range list.Items {
							ids = append(ids, x.ID)
						}
						return ids
					}
					require.Equal(t, find(c.name), find(c.name+"_x"), "%s%s%s", not, c.name, c.rest)
				}
			}
		}
		s.whole(t)
	})
}

// failing is a store's context that ends after some calls.
type failing struct {
	context.Context

	left *atomic.Int64
}

func (f failing) Err() error {
	if f.left.Add(-1) < 0 {
		return context.Canceled
	}
	return f.Context.Err()
}

func TestBackfillGoesOn(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		f := s.field(t, ctx, crm.CustomField{Name: "no", Type: crm.FieldInt})
		list := make([]company, 900)
		for i := range list {
			list[i] = company{Name: strconv.Itoa(i), Record: crm.Record{Custom: crm.Custom{"no": i}}}
		}
		made, err := s.companies.CreateAll(ctx, list)
		require.NoError(t, err)
		for _, c := range made[:20] {
			require.NoError(t, s.companies.Delete(ctx, c.ID))
		}
		f, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Unique = true; return nil })
		require.NoError(t, err)
		require.False(t, f.Ready)
		require.ErrorIs(t, s.Fields.Backfill(ctx, f.ID), crm.ErrConflict, "other processes may not know of it")
		s.Clock.Advance(time.Second)

		// It is broken off again and again, and goes on where it was.
		left := &atomic.Int64{}
		rows := 0
		for try := range 400 {
			left.Store(int64(try * try / 8))
			if err = s.Fields.Backfill(failing{ctx, left}, f.ID); err == nil {
				break
			}
			now := indexed(t, e)
			require.GreaterOrEqual(t, now, rows)
			rows = now
		}
		require.NoError(t, err)
		require.Equal(t, 900, indexed(t, e))
		require.NoError(t, s.Fields.Backfill(ctx, f.ID), "nothing to do")
		s.whole(t)
		_, err = s.set(ctx, made[30].ID, crm.Custom{"no": 31})
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Unique = false; return nil })
		require.NoError(t, err)
		require.Zero(t, indexed(t, e))
		s.whole(t)
	})
}

// indexed is how many rows the index has.
func indexed(t *testing.T, e enginetest.Engine) (n int) {
	t.Helper()
	table := "crm_field_index"
	if e.Name == "postgres" {
		table = "crm.field_index"
	}
	require.NoError(t, e.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestBackfillBesideWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		f := s.field(t, ctx, crm.CustomField{Name: "city", Type: crm.FieldText})
		list := make([]company, 600)
		for i := range list {
			list[i] = company{Name: strconv.Itoa(i), Record: crm.Record{Custom: crm.Custom{"city": fmt.Sprint("c", i)}}}
		}
		made, err := s.companies.CreateAll(ctx, list)
		require.NoError(t, err)
		f, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Unique = true; return nil })
		require.NoError(t, err)
		big := s.fieldOnly(t, ctx, crm.CustomField{Object: "company", Name: "big", Type: crm.FieldFormula, Formula: "custom.city == 'c5' or employees > 10"})
		s.Clock.Advance(time.Second)

		ending, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for i := w; ending.Err() == nil; i += 7 {
					c := made[i%len(made)]
					switch i % 4 {
					case 0:
						_, err := s.companies.Update(ctx, c.ID, func(c *company) error { c.Employees = new(int64(i % 20)); return nil })
						if err != nil && !errors.Is(err, crm.ErrNotFound) {
							t.Error(err)
						}
					case 1:
						_, _ = s.set(ctx, c.ID, crm.Custom{"city": fmt.Sprint("new", w, i)})
					case 2:
						_ = s.companies.Delete(ctx, c.ID)
						_, _ = s.companies.Restore(ctx, c.ID)
					default:
						_, _ = s.companies.Create(ctx, company{Name: "new", Record: crm.Record{Custom: crm.Custom{"city": fmt.Sprint("more", w, i)}}})
					}
				}
			})
		}
		for _, id := range []crm.ID{f.ID, big.ID} {
			for try := 0; ; try++ {
				err := s.Fields.Backfill(ctx, id)
				if err == nil {
					break
				}
				require.Less(t, try, 50, "%v", err)
				require.True(t, errors.Is(err, crm.ErrRetry) || errors.Is(err, crm.ErrConflict), "%v", err)
			}
		}
		stop()
		wg.Wait()
		s.whole(t)
		for c, err := range s.companies.All(ctx) {
			require.NoError(t, err)
			require.Equal(t, c.Custom["city"] == "c5" || c.Employees != nil && *c.Employees > 10, c.Custom["big"], "%+v", c)
		}
	})
}

// fieldOnly defines a field that is not filled yet.
func (s *shop) fieldOnly(t *testing.T, ctx context.Context, def crm.CustomField) crm.CustomField { //nolint:revive // the test comes first
	t.Helper()
	made, err := s.Fields.Create(ctx, def)
	require.NoError(t, err)
	return made
}

func TestUniqueOverDuplicates(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		f := s.field(t, ctx, crm.CustomField{Name: "tax_no", Type: crm.FieldText})
		var list []company
		for i := range 450 {
			list = append(list, company{Name: "x", Record: crm.Record{Custom: crm.Custom{"tax_no": fmt.Sprint("n", i)}}})
		}
		list[449].Custom = crm.Custom{"tax_no": "N3"}
		list[5].Custom = crm.Custom{"tax_no": "n3"}
		list[6].Custom = crm.Custom{"tax_no": "n7"}
		made, err := s.companies.CreateAll(ctx, list)
		require.NoError(t, err)
		require.NoError(t, s.companies.Delete(ctx, made[7].ID)) // who is deleted has no part in it
		f, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Unique = true; return nil })
		require.NoError(t, err)
		s.Clock.Advance(time.Second)
		err = s.Fields.Backfill(ctx, f.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "custom.tax_no: 2 records")
		require.ErrorContains(t, err, made[5].ID.String())
		require.ErrorContains(t, err, made[449].ID.String())
		s.whole(t)
		// Other changes of such a record go on, and a new one of the same value is
		// refused already.
		_, err = s.companies.Update(ctx, made[5].ID, func(c *company) error { c.Country = "DE"; return nil })
		require.NoError(t, err)
		_, err = s.companies.Create(ctx, company{Name: "x", Record: crm.Record{Custom: crm.Custom{"tax_no": "n3"}}})
		require.ErrorIs(t, err, crm.ErrConflict)
		require.NoError(t, s.companies.Delete(ctx, made[3].ID))
		require.NoError(t, s.companies.Delete(ctx, made[5].ID))
		require.NoError(t, s.Fields.Backfill(ctx, f.ID))
		s.whole(t)
		_, err = s.companies.Restore(ctx, made[5].ID)
		require.ErrorIs(t, err, crm.ErrConflict)
	})
}

func TestFormulas(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Object: "deal", Name: "tags", Type: crm.FieldMultiChoice, Options: options("hot", "cold")})
		old, err := s.deals.Create(ctx, deal{Name: "old", Amount: crm.EUR(200_000)})
		require.NoError(t, err)
		small, err := s.deals.Create(ctx, deal{Name: "small"})
		require.NoError(t, err)
		require.NoError(t, s.deals.Delete(ctx, small.ID))
		f := s.field(t, ctx, crm.CustomField{Object: "deal", Name: "is_big", Type: crm.FieldFormula, Formula: "amount > money('1000', 'EUR') or 'hot' in custom.tags"})
		old, err = s.deals.Get(ctx, old.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"is_big": true}, old.Custom)
		require.EqualValues(t, 2, old.Version, "a value that is computed is a change like any")
		d, err := s.deals.Create(ctx, deal{Name: "x", Record: crm.Record{Custom: crm.Custom{"is_big": true}}})
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"is_big": false}, d.Custom, "what is given for it does not count")
		d, err = s.deals.Update(ctx, d.ID, func(d *deal) error { d.Custom.Set("tags", []string{"hot"}); return nil })
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"is_big": true, "tags": []string{"hot"}}, d.Custom)
		found, err := s.deals.List(ctx, crm.Where("custom.is_big"))
		require.NoError(t, err)
		require.Len(t, found.Items, 2)
		small, err = s.deals.Restore(ctx, small.ID)
		require.NoError(t, err)
		require.Equal(t, false, small.Custom["is_big"])

		f, err = s.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Formula = "name == 'x'"; return nil })
		require.NoError(t, err)
		require.False(t, f.Ready)
		s.filled(t, ctx, f)
		found, err = s.deals.List(ctx, crm.Where("custom.is_big"))
		require.NoError(t, err)
		require.Len(t, found.Items, 1)
		// While a formula is deleted it is not computed, and so it is anew afterwards.
		require.NoError(t, s.Fields.Delete(ctx, f.ID))
		_, err = s.deals.Update(ctx, old.ID, func(d *deal) error { d.Name = "x"; return nil })
		require.NoError(t, err)
		f, err = s.Fields.Restore(ctx, f.ID)
		require.NoError(t, err)
		s.filled(t, ctx, f)
		found, err = s.deals.List(ctx, crm.Where("custom.is_big"))
		require.NoError(t, err)
		require.Len(t, found.Items, 2)
		s.whole(t)
	})
}

func TestBackfillTakesTheRight(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		f := s.fieldOnly(t, ctx, crm.CustomField{Object: "company", Name: "no", Type: crm.FieldInt, Indexed: true})
		_, err := s.Roles.Create(crm.System(ctx, "acme"), crm.Role{Name: "nothing"})
		require.NoError(t, err)
		s.Clock.Advance(time.Second)
		require.ErrorIs(t, s.Fields.Backfill(ctx, f.ID), crm.ErrForbidden)
		require.NoError(t, s.Fields.Backfill(crm.System(ctx, "acme"), f.ID))
		list, err := s.Fields.Of(ctx, "company")
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(list, func(f crm.CustomField) bool { return f.Ready }))
	})
}
