package crm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

func hour(n int) time.Time { return crmtest.Start().Add(time.Duration(n) * time.Hour) }

// visited are n visits to a company, an hour between them.
func visited(c crm.ID, n int) []visit {
	list := make([]visit, n)
	for i := range list {
		list[i] = visit{CompanyID: c, At: hour(i), ID: crm.ID{byte(i + 1)}, Name: fmt.Sprint("page", i%3)}
	}
	return list
}

func TestLedgerKeepsRows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		c := s.company(t, ctx, "Acme")
		berlin, err := time.LoadLocation("Europe/Berlin")
		require.NoError(t, err)
		given := visit{
			CompanyID: c.ID, At: time.Date(2026, 1, 2, 3, 4, 5, 6789, berlin), Name: " price  ", Kind: "web", Spent: crm.EUR(1200),
			Props: map[string]any{"path": "/a", "n": 3.0},
		}
		require.NoError(t, s.visits.Append(ctx, given))
		require.Equal(t, " price  ", given.Name, "what was given is the caller's")
		page, err := s.visits.List(ctx)
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		kept := page.Items[0]
		require.False(t, kept.ID.IsZero())
		want := given
		want.ID, want.At, want.Name = kept.ID, time.Date(2026, 1, 2, 2, 4, 5, 6000, time.UTC), "price"
		require.Equal(t, want, kept)

		// One whose key is taken is not there twice, and nothing with it.
		require.NoError(t, s.visits.Append(ctx)) // nothing is no row
		err = s.visits.Append(ctx, visit{CompanyID: c.ID, At: hour(1), Name: "x"}, kept)
		require.ErrorIs(t, err, crm.ErrConflict)
		n, err := s.visits.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		// Added twice it is there once, as it was.
		again := kept
		again.Name = "other"
		fresh := visit{CompanyID: c.ID, At: hour(2), ID: crm.ID{9}, Name: "y"}
		added, err := s.visits.Add(ctx, fresh, again, fresh)
		require.NoError(t, err)
		require.Equal(t, []bool{true, false, false}, added)
		page, err = s.visits.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []visit{kept, fresh}, page.Items)

		// Put, it takes the other's place.
		last := again
		last.Name = "last"
		require.NoError(t, s.visits.Put(ctx, again, last))
		page, err = s.visits.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []visit{last, fresh}, page.Items)

		require.ErrorIs(t, s.visits.Remove(ctx), crm.ErrInvalid, "all of them, by mistake")
		require.NoError(t, s.visits.Remove(ctx, crm.Where("name == 'last'")))
		page, err = s.visits.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []visit{fresh}, page.Items)
		problems, err := s.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestLedgerRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		c := s.company(t, ctx, "Acme")
		gone := s.company(t, ctx, "Gone")
		require.NoError(t, s.companies.Delete(ctx, gone.ID))
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "ada"})
		theirs := s.company(t, foreign, "Theirs")
		good := visit{CompanyID: c.ID, At: hour(1), Name: "x"}
		with := func(fn func(*visit)) visit { v := good; fn(&v); return v }
		for field, bad := range map[string]visit{
			"name":                              with(func(v *visit) { v.Name = " " }),
			"name ":                             with(func(v *visit) { v.Name = strings.Repeat("x", 65) }),
			"name  ":                            with(func(v *visit) { v.Name = "a\xff" }),
			"at":                                with(func(v *visit) { v.At = time.Time{} }),
			"kind":                              with(func(v *visit) { v.Kind = "tv" }),
			"spent":                             with(func(v *visit) { v.Spent = crm.Money{Minor: 1, Currency: "xx"} }),
			"props":                             with(func(v *visit) { v.Props = map[string]any{"a": strings.Repeat("x", storage.MaxText)} }),
			"company_id":                        with(func(v *visit) { v.CompanyID = crm.ID{} }),
			"company_id: refers to no company ": with(func(v *visit) { v.CompanyID = crm.ID{7} }),
			"company_id: refers to no company":  with(func(v *visit) { v.CompanyID = gone.ID }),
			"company_id: refers to no":          with(func(v *visit) { v.CompanyID = theirs.ID }),
			"deal_id":                           with(func(v *visit) { v.DealID = crm.ID{7} }),
		} {
			for how, err := range map[string]error{
				"append": s.visits.Append(ctx, good, bad), "put": s.visits.Put(ctx, good, bad),
				"add": func() error { _, err := s.visits.Add(ctx, good, bad); return err }(),
			} {
				require.ErrorIs(t, err, crm.ErrInvalid, "%s: %s", how, field)
				require.ErrorContains(t, err, "row 1: ")
				require.ErrorContains(t, err, strings.TrimSpace(field))
			}
		}
		n, err := s.visits.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "what is refused leaves nothing")
		require.ErrorIs(t, s.visits.Append(t.Context(), good), crm.ErrUnscoped)
		_, err = s.visits.List(ctx, crm.Where("nothing == 1"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.visits.List(ctx, crm.WhereOf("name", "true"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		// Nor is it another tenant's.
		require.NoError(t, s.visits.Append(ctx, good))
		for _, other := range []context.Context{foreign, crm.System(t.Context(), "other"), crm.System(t.Context(), "nobody")} {
			n, err := s.visits.Count(other)
			require.NoError(t, err)
			require.Zero(t, n)
			require.NoError(t, s.visits.Remove(other, crm.Where("true")))
		}
		n, err = s.visits.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
}

func TestLedgerPages(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{SortLimit: 10})
		ctx := as(t, "ada")
		a, b := s.company(t, ctx, "A"), s.company(t, ctx, "B")
		rows := append(visited(a.ID, 30), visited(b.ID, 5)...)
		require.NoError(t, s.visits.Append(ctx, rows...))
		pages := func(opts ...crm.ListOption) (all []visit) {
			for v, err := range s.visits.All(ctx, append(opts, crm.Limit(7))...) {
				require.NoError(t, err)
				all = append(all, v)
			}
			return all
		}
		require.Len(t, pages(), 35)
		latest := pages(crm.Where("company_id == $1", a.ID), crm.OrderBy("-at"))
		require.Len(t, latest, 30, "the key's order has no limit")
		for i, v := range latest {
			require.Equal(t, hour(29-i), v.At)
		}
		require.Len(t, pages(crm.Where("company_id == $1", a.ID), crm.Where("at >= $1", hour(20))), 10)
		_, err := s.visits.List(ctx, crm.OrderBy("-at"))
		require.ErrorIs(t, err, crm.ErrInvalid, "of all companies it is a sort")
		_, err = s.visits.List(ctx, crm.OrderBy("name"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.Len(t, pages(crm.Where("company_id == $1", b.ID), crm.OrderBy("name", "-at")), 5)
		p, err := s.visits.List(ctx, crm.Limit(7))
		require.NoError(t, err)
		_, err = s.visits.List(ctx, crm.Limit(7), crm.After(p.Next), crm.WhereOf("company_id", "name == 'A'"))
		require.ErrorIs(t, err, crm.ErrInvalid, "a cursor of another list")
		require.Len(t, pages(crm.WhereOf("company_id", "name == $1", "A")), 30)
		require.Len(t, pages(crm.UnlessOf("company_id", "count(visits) > 10")), 5)
	})
}

// TestLedgerInExpressions asks for records by their rows, by the index of the key.
func TestLedgerInExpressions(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "ada")
		var rows []visit
		for i := range 40 {
			c := s.company(t, ctx, fmt.Sprint("C", i))
			rows = append(rows, visited(c.ID, i*3)...)
		}
		require.NoError(t, s.visits.Append(ctx, rows...))
		analyze := "ANALYZE"
		_, err := e.DB.ExecContext(t.Context(), analyze)
		require.NoError(t, err)
		for text, want := range map[string]int64{
			"count(visits) == 0": 1, "count(visits) >= 60": 20, "none(visits)": 0,
			"count(visits, .at >= $1) >= 3":                         0,
			"count(visits, .name == 'page0' and .at < $1) >= 3":     0,
			"any(visits, .at >= $1) and not any(visits, .at >= $2)": 0,
		} {
			if want == 0 { // reckoned here
				want = 0
				for i := range 40 {
					n := i * 3
					switch {
					case strings.HasPrefix(text, "none"):
						want += bit(n == 0)
					case strings.HasPrefix(text, "count(visits, .at"):
						want += bit(n-50 >= 3)
					case strings.HasPrefix(text, "count(visits, .name"):
						want += bit((min(n, 50)+2)/3 >= 3)
					default:
						want += bit(n > 50 && n <= 80)
					}
				}
			}
			args := []any{}
			if strings.Contains(text, "$1") {
				args = append(args, hour(50))
			}
			if strings.Contains(text, "$2") {
				args = append(args, hour(80))
			}
			if text == "none(visits)" {
				text = "none(visits, true)"
			}
			n, err := s.companies.Count(ctx, crm.Where(text, args...))
			require.NoError(t, err, text)
			require.Equal(t, want, n, text)
		}
		heard.Forget()
		_, err = s.companies.List(ctx, crm.Where("count(visits, .at >= $1) >= 3", hour(110)), crm.OrderBy("name"))
		require.NoError(t, err)
		last := heard.Reads()[len(heard.Reads())-1]
		plan := explain(t, e, last)
		if e.Name == "sqlite" {
			require.Regexp(t, `SEARCH \w+ USING (INDEX \w+|PRIMARY KEY) \(tenant=\? AND company_id=\? AND at>\?\)`, plan, last.Text)
		} else {
			require.Regexp(t, `Index (Only )?Scan using visit_pkey`, plan, last.Text)
			require.Regexp(t, `Index Cond: .*company_id = .*at >= `, plan, last.Text)
		}
	})
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// explain is how a database would run a statement it was sent.
func explain(t *testing.T, e enginetest.Engine, x enginetest.Statement) string {
	t.Helper()
	if e.Name == "sqlite" {
		rows, err := e.DB.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+x.Text, x.Args...)
		require.NoError(t, err)
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		var plan strings.Builder
		for rows.Next() {
			var a, b, c int
			var text string
			require.NoError(t, rows.Scan(&a, &b, &c, &text))
			plan.WriteString(text + "\n")
		}
		require.NoError(t, rows.Err())
		return plan.String()
	}
	conn, err := e.DB.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()                                                 //nolint:errcheck // back to the pool
	_, err = conn.ExecContext(t.Context(), "SET enable_seqscan = off") // a table of a test is small
	require.NoError(t, err)
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+x.Text, x.Args...)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var plan strings.Builder
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		plan.WriteString(text + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// TestLedgerUnderRights holds that an actor learns of no row but those of records he may
// read, by no field that is hidden from him.
func TestLedgerUnderRights(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		f := newOffice(t, s)
		owned := func(owner crm.ID, n int) company {
			c, err := s.companies.Create(f.sys, company{Record: crm.Record{OwnerID: owner}, Name: "C"})
			require.NoError(t, err)
			require.NoError(t, s.visits.Append(f.sys, visited(c.ID, n)...))
			return c
		}
		mine, theirs := owned(f.ada.ID, 5), owned(f.sue.ID, 7)
		f.grant(t, append(crm.Allow("company", crm.LevelOwn), crm.Allow("visit", crm.LevelAll)...))
		ctx := as(t, "ada")
		count := crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}, Total: true}
		total := func(fig crm.FigureTable, err error) any {
			t.Helper()
			require.NoError(t, err)
			return fig.Total.Values[0]
		}
		require.EqualValues(t, 5, total(f.Aggregate(ctx, "visit", count)))
		require.EqualValues(t, 5, total(s.visits.Aggregate(ctx, count, crm.AsActor())))
		require.EqualValues(t, 12, total(s.visits.Aggregate(ctx, count)), "its module's own")
		require.EqualValues(t, 12, total(f.Aggregate(f.sys, "visit", count)))
		n, err := s.visits.Count(ctx, crm.AsActor())
		require.NoError(t, err)
		require.EqualValues(t, 5, n)
		page, err := s.visits.List(ctx, crm.AsActor(), crm.Where("company_id == $1", theirs.ID))
		require.NoError(t, err)
		require.Empty(t, page.Items)
		_, err = f.Aggregate(crm.As(t.Context(), crm.Actor{Tenant: "acme", Member: "nobody"}), "visit", count)
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.EqualValues(t, 0, total(f.Aggregate(crm.System(t.Context(), "other"), "visit", count)))

		// A record that was deleted is not seen by its rows either.
		require.NoError(t, s.companies.Delete(f.sys, mine.ID))
		require.EqualValues(t, 0, total(f.Aggregate(ctx, "visit", count)))
		require.EqualValues(t, 5, total(f.Aggregate(ctx, "visit", count, crm.WithDeleted())))
		_, err = s.companies.Restore(f.sys, mine.ID)
		require.NoError(t, err)
		require.EqualValues(t, 5, total(f.Aggregate(ctx, "visit", count)))

		// A hidden field is named nowhere and not shown.
		f.grant(t, crm.Allow("company", crm.LevelOwn), crm.FieldRule{Object: "visit", Field: "name", Access: crm.FieldHidden},
			crm.FieldRule{Object: "visit", Field: "at", Access: crm.FieldHidden})
		page, err = s.visits.List(ctx, crm.AsActor(), crm.Limit(2))
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		require.Empty(t, page.Items[0].Name)
		page, err = s.visits.List(ctx, crm.AsActor(), crm.Limit(3), crm.After(page.Next))
		require.NoError(t, err)
		require.Len(t, page.Items, 3, "the position knows what the actor does not")
		require.Equal(t, crm.ID{3}, page.Items[0].ID)
		byName := count
		byName.GroupBy = []crm.GroupBy{{Field: "name"}}
		_, grouped := f.Aggregate(ctx, "visit", byName)
		_, filtered := s.visits.List(ctx, crm.AsActor(), crm.Where("name == 'page0'"))
		_, sorted := s.visits.List(ctx, crm.AsActor(), crm.OrderBy("name"))
		_, related := s.companies.Count(ctx, crm.Where("count(visits, .name == 'page0') > 0"))
		for _, err := range []error{grouped, filtered, sorted, related} {
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		// Nor is the relation, where the reference is hidden.
		f.grant(t, crm.Allow("company", crm.LevelOwn), crm.FieldRule{Object: "visit", Field: "company_id", Access: crm.FieldHidden})
		_, err = s.companies.Count(ctx, crm.Where("count(visits) > 0"))
		require.ErrorIs(t, err, crm.ErrForbidden)
		// From a record they do not belong to, those are counted that he may read.
		d, err := s.deals.Create(f.sys, deal{Record: crm.Record{OwnerID: f.ada.ID}, Name: "D"})
		require.NoError(t, err)
		require.NoError(t, s.visits.Append(f.sys, visit{CompanyID: theirs.ID, At: hour(1), Name: "x", DealID: d.ID}))
		f.grant(t, append(crm.Allow("company", crm.LevelOwn), crm.Allow("deal", crm.LevelOwn)...))
		n, err = s.deals.Count(ctx, crm.Where("count(deal_visits) > 0"))
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = s.deals.Count(f.sys, crm.Where("count(deal_visits) > 0"))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		// What a module asks before it writes.
		require.NoError(t, s.companies.May(ctx, crm.VerbUpdate, mine.ID, mine.ID))
		require.ErrorIs(t, s.companies.May(ctx, crm.VerbUpdate, mine.ID, theirs.ID), crm.ErrNotFound)
		f.grant(t, append(crm.Allow("company", crm.LevelAll, crm.VerbRead), crm.Allow("company", crm.LevelOwn, crm.VerbUpdate)...))
		require.NoError(t, s.companies.May(ctx, crm.VerbRead, mine.ID, theirs.ID))
		require.ErrorIs(t, s.companies.May(ctx, crm.VerbUpdate, mine.ID, theirs.ID), crm.ErrForbidden)
		require.ErrorIs(t, s.companies.May(ctx, crm.VerbDelete), crm.ErrForbidden)
		require.ErrorIs(t, s.companies.May(ctx, crm.VerbRead, crm.ID{1}), crm.ErrNotFound)
	})
}

func TestLedgerAndItsRecords(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		a, b := s.company(t, ctx, "A"), s.company(t, ctx, "B")
		d, err := s.deals.Create(ctx, deal{Name: "D"})
		require.NoError(t, err)
		rows := append(visited(a.ID, 3), visited(b.ID, 2)...)
		rows[4].DealID = d.ID
		require.NoError(t, s.visits.Append(ctx, rows...))
		count := func() int64 {
			n, err := s.visits.Count(ctx)
			require.NoError(t, err)
			return n
		}
		require.NoError(t, s.companies.Delete(ctx, a.ID), "rows keep nothing")
		require.EqualValues(t, 5, count())
		require.NoError(t, s.companies.Purge(ctx, a.ID))
		require.EqualValues(t, 2, count(), "purged with it")
		require.NoError(t, s.deals.Purge(ctx, d.ID))
		require.EqualValues(t, 2, count(), "a row that can be without stays")
		p, err := s.visits.List(ctx)
		require.NoError(t, err)
		require.Zero(t, p.Items[1].DealID)

		// Given to another record, rows it has stay as they are.
		c := s.company(t, ctx, "C")
		theirs := visited(b.ID, 2)[0]
		theirs.CompanyID, theirs.Name = c.ID, "its own"
		require.NoError(t, s.visits.Append(ctx, theirs))
		moved, clashed := 0, 0
		require.NoError(t, s.Tx(ctx, func(ctx context.Context) error {
			return crm.Relink(ctx, s.Core.Core, "company", b.ID, c.ID, func(_ string, clash bool) {
				if clash {
					clashed++
				} else {
					moved++
				}
			})
		}))
		require.Equal(t, []int{1, 1}, []int{moved, clashed})
		p, err = s.visits.List(ctx)
		require.NoError(t, err)
		require.Len(t, p.Items, 2)
		require.Equal(t, "its own", p.Items[0].Name)
		require.Equal(t, c.ID, p.Items[1].CompanyID)
		problems, err := s.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestLedgerExpands(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		for i := range 20 {
			_, err := s.companies.Create(ctx, company{Name: fmt.Sprint("C", i), Employees: new(int64(i))})
			require.NoError(t, err)
		}
		gone := s.company(t, ctx, "Gone")
		require.NoError(t, s.companies.Delete(ctx, gone.ID))
		row := visit{At: hour(1), ID: crm.ID{1}, Name: "member", Spent: crm.EUR(5)}
		from := map[string]string{"company_id": "id"}
		large := crm.Filter{Text: "employees >= $1", Args: []any{10}}
		n, err := s.visits.Expand(ctx, "company", large, row, from)
		require.NoError(t, err)
		require.EqualValues(t, 10, n)
		n, err = s.visits.Expand(ctx, "company", crm.Filter{}, row, from)
		require.NoError(t, err)
		require.EqualValues(t, 10, n, "those that are new")
		// Who satisfies it no more is taken out.
		require.NoError(t, s.visits.Remove(ctx, crm.Where("name == 'member'"), crm.UnlessOf("company_id", large.Text, large.Args...)))
		kept, err := s.visits.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 10, kept)
		p, err := s.visits.List(ctx, crm.Limit(1))
		require.NoError(t, err)
		require.Equal(t, crm.EUR(5), p.Items[0].Spent)
		for what, err := range map[string]error{
			"no kind":          expanded(s, ctx, "nothing", row, from),
			"no source field":  expanded(s, ctx, "company", row, map[string]string{"company_id": "nothing"}),
			"no field":         expanded(s, ctx, "company", row, map[string]string{"nothing": "id"}),
			"another type":     expanded(s, ctx, "company", row, map[string]string{"company_id": "id", "name": "employees"}),
			"another kind":     expanded(s, ctx, "deal", row, from),
			"may be absent":    expanded(s, ctx, "company", row, map[string]string{"company_id": "parent_id"}),
			"may be too long":  expanded(s, ctx, "company", row, map[string]string{"company_id": "id", "name": "name"}),
			"required":         expanded(s, ctx, "company", row, nil),
			"no deal":          expanded(s, ctx, "company", visit{At: hour(2), ID: crm.ID{1}, Name: "x", DealID: crm.ID{1}}, from),
			"a bad expression": func() error { _, err := s.visits.Expand(ctx, "company", crm.Filter{Text: "x"}, row, from); return err }(),
		} {
			require.ErrorIs(t, err, crm.ErrInvalid, what)
		}
	})
}

func expanded(s *shop, ctx context.Context, kind string, row visit, from map[string]string) error { //nolint:revive // the shop comes first
	_, err := s.visits.Expand(ctx, kind, crm.Filter{}, row, from)
	return err
}

func TestLedgerInAHook(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		s.noted = s.company(t, ctx, "A").ID
		made, err := s.replies.Create(ctx, reply{Text: "a visit"})
		require.NoError(t, err)
		p, err := s.visits.List(ctx)
		require.NoError(t, err)
		require.Len(t, p.Items, 1)
		require.Equal(t, made.ID, p.Items[0].ID)
		_, err = s.replies.CreateAll(ctx, []reply{{Text: "a visit"}, {Text: "a visit", RemarkID: crm.ID{1}}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		s.noted = crm.ID{1}
		_, err = s.replies.Create(ctx, reply{Text: "a visit"})
		require.ErrorIs(t, err, crm.ErrInvalid, "the hook's error ends the write")
		n, err := s.replies.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		n, err = s.visits.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n, "undone with the record")
	})
}

func TestLedgerInATransaction(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "ada")
		c := s.company(t, ctx, "A")
		failure := errors.New("no")
		err := s.Tx(ctx, func(ctx context.Context) error {
			if err := s.visits.Append(ctx, visited(c.ID, 2)...); err != nil {
				return err
			}
			// A call that fails undoes its own rows alone.
			require.ErrorIs(t, s.visits.Append(ctx, visited(c.ID, 3)...), crm.ErrConflict)
			n, err := s.visits.Count(ctx)
			require.NoError(t, err)
			require.EqualValues(t, 2, n)
			return failure
		})
		require.ErrorIs(t, err, failure)
		n, err := s.visits.Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestLedgerDefinitions(t *testing.T) {
	t.Parallel()
	type recorded struct {
		crm.Record

		At time.Time `json:"at"`
	}
	type sorted struct {
		At   time.Time `json:"at"`
		Name string    `crm:"sort" json:"name"`
	}
	type plain struct {
		At time.Time `json:"at"`
	}
	core := crmtest.New(t, func(c *crm.Core) error {
		_, err := crm.DefineLedger[plain](c, crm.LedgerOf[plain]{Name: "plain"})
		require.ErrorContains(t, err, "key")
		_, err = crm.DefineLedger[plain](c, crm.LedgerOf[plain]{Name: "plain", Key: []string{"nothing"}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = crm.DefineLedger[recorded](c, crm.LedgerOf[recorded]{Name: "recorded", Key: []string{"at"}})
		require.ErrorContains(t, err, "no records")
		_, err = crm.DefineLedger[sorted](c, crm.LedgerOf[sorted]{Name: "sorted", Key: []string{"at"}})
		require.ErrorContains(t, err, "sort")
		_, err = crm.DefineLedger[plain](c, crm.LedgerOf[plain]{Name: "member", Key: []string{"at"}})
		require.ErrorContains(t, err, "defined already")
		return nil
	})
	_, err := crm.DefineLedger[plain](core.Core, crm.LedgerOf[plain]{Name: "late", Key: []string{"at"}})
	require.ErrorContains(t, err, "before Migrate")
}
