package crm_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// paged reads a list of companies page by page.
func (s *shop) paged(t require.TestingT, ctx context.Context, size int, opts ...crm.ListOption) (all []company) { //nolint:revive // the test comes first
	for cursor := ""; ; {
		p, err := s.companies.List(ctx, append(slices.Clone(opts), crm.Limit(size), crm.After(cursor))...)
		require.NoError(t, err)
		all = append(all, p.Items...)
		if cursor = p.Next; cursor == "" {
			return all
		}
		require.Len(t, p.Items, size)
	}
}

func called(list []company) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Name
	}
	return out
}

// sorted are the companies in the order a list by a custom field must have.
func sorted(list []company, field string, desc bool, keep func(company) bool) []company {
	kept := slices.DeleteFunc(slices.Clone(list), func(c company) bool { return !keep(c) })
	slices.SortFunc(kept, func(a, b company) int {
		order := cmp.Or(compareCustom(a.Custom[field], b.Custom[field]), a.ID.Compare(b.ID))
		if desc {
			return -order
		}
		return order
	})
	return kept
}

// compareCustom compares values of one field; none is lowest.
func compareCustom(a, b any) int {
	switch x := a.(type) {
	case nil:
		if b == nil {
			return 0
		}
		return -1
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y)
		}
	case crm.Date:
		if y, ok := b.(crm.Date); ok {
			return cmp.Compare(x.String(), y.String())
		}
	}
	return 1 // b is none
}

// TestListsByAnIndexedCustomField holds lists by an indexed custom field, page by page,
// to the same records sorted in memory.
func TestListsByAnIndexedCustomField(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{SortLimit: 1}) // so that nothing is sorted otherwise
		ctx := as(t, "dana")
		for _, def := range []crm.CustomField{
			{Name: "text", Type: crm.FieldText}, {Name: "int", Type: crm.FieldInt},
			{Name: "time", Type: crm.FieldTime}, {Name: "date", Type: crm.FieldDate}, {Name: "late", Type: crm.FieldInt},
		} {
			def.Indexed = def.Name != "late"
			s.field(t, ctx, def)
		}
		start := s.Clock.Now()
		list := make([]company, 60)
		for i := range list {
			custom := crm.Custom{}
			give := func(name string, without int, v any) {
				if (i*7+len(name))%without > 0 {
					custom[name] = v
				}
			}
			give("text", 3, []string{"a", "ab", "B", "é", "10", "9"}[i%6])
			give("int", 4, i%5-2)
			give("late", 2, i%11)
			give("time", 60, start.Add(time.Duration(i%4)*time.Hour)) // nearly all have one
			if i == 9 {
				custom["date"] = crm.Date{Year: 2026, Month: 1, Day: 31} // nearly none
			}
			list[i] = company{Name: strconv.Itoa(i), Country: []string{"DE", "FR", ""}[i%3], Record: crm.Record{Custom: custom}}
		}
		_, err := s.companies.CreateAll(ctx, list)
		require.NoError(t, err)
		// Indexed once there are records, deleted and changed ones among them.
		late, err := s.Fields.List(ctx, crm.Where("name == 'late'"))
		require.NoError(t, err)
		_, err = s.Fields.Update(ctx, late.Items[0].ID, func(f *crm.CustomField) error { f.Indexed = true; return nil })
		require.NoError(t, err)
		made := s.paged(t, ctx, 100, crm.OrderBy("id"))
		for i := 0; i < len(made); i += 7 {
			require.NoError(t, s.companies.Delete(ctx, made[i].ID))
			_, err := s.set(ctx, made[i+1].ID, crm.Custom{"int": nil, "text": "z", "late": nil})
			require.NoError(t, err)
		}
		_, err = s.companies.Restore(ctx, made[7].ID)
		require.NoError(t, err)
		s.Clock.Advance(time.Second)
		require.NoError(t, s.Fields.Backfill(ctx, late.Items[0].ID))
		s.whole(t)

		living := s.paged(t, ctx, 100, crm.OrderBy("id"))
		all := s.paged(t, ctx, 100, crm.OrderBy("id"), crm.WithDeleted())
		require.Less(t, len(living), len(all))
		rapid.Check(t, func(rt *rapid.T) {
			field := rapid.SampledFrom([]string{"text", "int", "time", "date", "late"}).Draw(rt, "field")
			desc, deleted := rapid.Bool().Draw(rt, "desc"), rapid.Bool().Draw(rt, "deleted")
			size := rapid.SampledFrom([]int{1, 2, 7, 13, 59, 1000}).Draw(rt, "size")
			order, of := "custom."+field, living
			var opts []crm.ListOption
			if desc {
				order = "-" + order
			}
			if deleted {
				of, opts = all, append(opts, crm.WithDeleted())
			}
			opts = append(opts, crm.OrderBy(order))
			keep := func(company) bool { return true }
			require.Equal(rt, sorted(of, field, desc, keep), s.paged(rt, ctx, size, opts...))
			err := s.Tx(ctx, func(ctx context.Context) error {
				p, err := s.companies.List(ctx, append(opts, crm.Limit(size))...)
				require.Equal(rt, sorted(of, field, desc, keep)[:min(size, len(of))], p.Items)
				return err
			})
			require.NoError(rt, err)
		})

		// Within a transaction its own changes are seen.
		require.NoError(t, s.Tx(ctx, func(ctx context.Context) error {
			_, err := s.companies.Create(ctx, company{Name: "first", Record: crm.Record{Custom: crm.Custom{"int": 99}}})
			require.NoError(t, err)
			p, err := s.companies.List(ctx, crm.OrderBy("-custom.int"), crm.Limit(1))
			require.Equal(t, []string{"first"}, called(p.Items))
			return err
		}))
		_, err = s.companies.List(ctx, crm.OrderBy("custom.int", "name"))
		require.ErrorContains(t, err, "too many to sort", "the index has one field")
	})
}

// TestListsByAnIndexedCustomFieldObey holds filters and rights to be part of such a list,
// whether few records are left, which are sorted, or many, which are read by the index.
func TestListsByAnIndexedCustomFieldObey(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		f := newOffice(t, s)
		f.grant(t, crm.Allow("company", crm.LevelOwn))
		s.field(t, f.sys, crm.CustomField{Name: "rank", Type: crm.FieldInt, Indexed: true})
		list := make([]company, 2300)
		for i := range list {
			list[i] = company{Name: strconv.Itoa(i), Country: "DE"}
			list[i].OwnerID = f.ada.ID
			if i%2 == 0 {
				list[i].OwnerID = f.boss.ID
			}
			if i%5 > 0 {
				list[i].Custom = crm.Custom{"rank": i % 97}
			}
			if i%100 == 0 {
				list[i].Country = "FR"
			}
		}
		made, err := s.companies.CreateAll(f.sys, list)
		require.NoError(t, err)
		analyze(t, e.DB)
		for _, c := range []struct {
			ctx  context.Context
			opts []crm.ListOption
			keep func(company) bool
		}{
			{f.sys, []crm.ListOption{crm.Where("country == 'FR'")}, func(c company) bool { return c.Country == "FR" }},
			{f.sys, []crm.ListOption{crm.Where("country == 'DE'")}, func(c company) bool { return c.Country == "DE" }},
			{f.sys, []crm.ListOption{crm.Where("custom.rank > 90")}, func(c company) bool { n, ok := c.Custom["rank"].(int64); return ok && n > 90 }},
			{as(t, "ada"), nil, func(c company) bool { return c.OwnerID == f.ada.ID }},
			{as(t, "ada"), []crm.ListOption{crm.Where("country == 'FR'")}, func(c company) bool { return c.OwnerID == f.ada.ID && c.Country == "FR" }},
		} {
			for _, desc := range []bool{false, true} {
				order := strings.Repeat("-", map[bool]int{true: 1}[desc]) + "custom.rank"
				want := sorted(made, "rank", desc, c.keep)
				require.Equal(t, called(want), called(s.paged(t, c.ctx, 300, append(c.opts, crm.OrderBy(order))...)))
			}
		}
		// From one page to the next few enough may be left to sort them.
		some := crm.Where("country == 'FR' or custom.rank >= 60 or custom.rank == nil")
		p, err := s.companies.List(f.sys, some, crm.OrderBy("-custom.rank"), crm.Limit(700))
		require.NoError(t, err)
		n, err := s.companies.Count(f.sys, some)
		require.NoError(t, err)
		require.Greater(t, n, int64(crm.MaxPage))
		seen := p.Items
		for _, c := range seen[:n-crm.MaxPage] {
			require.NoError(t, s.companies.Delete(f.sys, c.ID))
		}
		p, err = s.companies.List(f.sys, some, crm.OrderBy("-custom.rank"), crm.After(p.Next), crm.Limit(1000))
		require.NoError(t, err)
		require.Empty(t, p.Next)
		want := sorted(made, "rank", true, func(c company) bool {
			n, ok := c.Custom["rank"].(int64)
			return c.Country == "FR" || !ok || n >= 60
		})
		require.Equal(t, called(want), called(append(seen, p.Items...)))

		// A cursor serves its query alone, and shows nothing.
		p, err = s.companies.List(f.sys, crm.OrderBy("custom.rank"), crm.Limit(5))
		require.NoError(t, err)
		_, err = s.companies.List(as(t, "ada"), crm.OrderBy("custom.rank"), crm.After(p.Next))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.companies.List(f.sys, crm.OrderBy("-custom.rank"), crm.After(p.Next))
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

// TestCustomPagesUseTheirIndex asks the databases how they run each page of a list by
// an indexed custom field: by the index on its values or on those without one, without
// sorting, and without reading rows that the page does not show.
func TestCustomPagesUseTheirIndex(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		s := newShop(t, e.Store, crm.Config{SortLimit: 1})
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "rank", Type: crm.FieldInt, Indexed: true})
		s.field(t, ctx, crm.CustomField{Name: "city", Type: crm.FieldText, Indexed: true})
		const size, each = 20, 100 // pages of records without a value, and of those with one
		list := make([]company, 2*each*size)
		for i := range list {
			list[i] = company{Name: strconv.Itoa(i)}
			if i%2 > 0 {
				list[i].Custom = crm.Custom{"rank": i % 300, "city": fmt.Sprint("c", i%300)}
			}
		}
		_, err := s.companies.CreateAll(ctx, list)
		require.NoError(t, err)
		analyze(t, e.DB)
		for _, order := range []string{"custom.rank", "-custom.rank", "custom.city", "-custom.city"} {
			cursor := ""
			for page := range 2 * each {
				heard.Forget()
				p, err := s.companies.List(ctx, crm.OrderBy(order), crm.Limit(size), crm.After(cursor))
				require.NoError(t, err)
				require.Len(t, p.Items, size)
				cursor = p.Next
				reads := heard.Reads()
				most := 2 // the index, the records
				if page == each-1 || page == each {
					most = 3 // both parts of the index meet here
				}
				require.LessOrEqual(t, len(reads), most, "%s, page %d", order, page)
				for _, read := range reads {
					if page%49 < 2 {
						requireProbes(t, e, read, size+1)
					}
				}
			}
			require.Empty(t, cursor)
		}
	})
}

// requireProbes holds a statement to look up rows one by one, or in the order of an
// index on custom fields, and to read none that it does not need.
func requireProbes(t *testing.T, e enginetest.Engine, read enginetest.Statement, most int) {
	t.Helper()
	plan := e.Explain(t, read)
	require.NotRegexp(t, `Seq Scan|SCAN t\b`, plan)
	for _, n := range regexp.MustCompile(`actual rows=(\d+)`).FindAllStringSubmatch(plan, -1) {
		rows, err := strconv.Atoi(n[1])
		require.NoError(t, err)
		require.LessOrEqual(t, rows, most, plan)
	}
	if strings.Contains(read.Text, "field_index") {
		require.Regexp(t, `field_index_(int|text|none)`, plan)
		require.NotRegexp(t, `Rows Removed by Filter|TEMP B-TREE|Sort`, plan)
	}
}

func analyze(t *testing.T, db *sql.DB) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), "ANALYZE")
	require.NoError(t, err)
}

// TestCustomListsBesideWriters reads lists by an indexed field while records change:
// whoever is not changed is there, once.
func TestCustomListsBesideWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.field(t, ctx, crm.CustomField{Name: "rank", Type: crm.FieldInt, Indexed: true})
		list := make([]company, 120)
		for i := range list {
			list[i] = company{Name: strconv.Itoa(i), Record: crm.Record{Custom: crm.Custom{"rank": i / 2}}}
		}
		made, err := s.companies.CreateAll(ctx, list)
		require.NoError(t, err)
		ending, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 1; ending.Err() == nil; i = (i + 2) % len(made) {
				_, _ = s.set(ctx, made[i].ID, crm.Custom{"rank": nil})
				_ = s.companies.Delete(ctx, made[i].ID)
				_, _ = s.companies.Restore(ctx, made[i].ID)
				_, _ = s.set(ctx, made[i].ID, crm.Custom{"rank": i / 2})
			}
		})
		defer func() { stop(); wg.Wait() }()
		for range 10 {
			seen := map[crm.ID]int{}
			for c, err := range s.companies.All(ctx, crm.OrderBy("custom.rank"), crm.Limit(17)) {
				require.NoError(t, err)
				seen[c.ID]++
			}
			for i := 0; i < len(made); i += 2 {
				require.Equal(t, 1, seen[made[i].ID])
			}
		}
	})
}
