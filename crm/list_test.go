package crm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// fill makes 40 deals of four companies and one without.
func (s *shop) fill(t testing.TB, ctx context.Context) []deal { //nolint:revive // the test comes first
	t.Helper()
	var companies []company
	for _, name := range []string{"Zürich AG", "äpfel", "Birne", "张三"} {
		companies = append(companies, s.company(t, ctx, name))
	}
	list := make([]deal, 40)
	for i := range list {
		d := deal{Name: fmt.Sprintf("Deal %02d", i), Score: int64(i % 7), Amount: crm.EUR(int64(i) * 100)}
		if i%5 < 4 {
			d.CompanyID = companies[i%4].ID
		}
		if i%3 > 0 {
			d.CloseOn = crm.Date{Year: 2026, Month: time.March, Day: 1 + i%9}
		}
		if i%10 == 0 {
			d.Amount = crm.USD(int64(i))
		}
		list[i] = d
	}
	kept, err := s.deals.CreateAll(ctx, list)
	require.NoError(t, err)
	return kept
}

// pages reads a list page by page.
func (s *shop) pages(t *testing.T, ctx context.Context, size int, opts ...crm.ListOption) []deal { //nolint:revive // the test comes first
	t.Helper()
	var all []deal
	for cursor := ""; ; {
		p, err := s.deals.List(ctx, append(slices.Clone(opts), crm.Limit(size), crm.After(cursor))...)
		require.NoError(t, err)
		all = append(all, p.Items...)
		if cursor = p.Next; cursor == "" {
			return all
		}
		require.Len(t, p.Items, size)
	}
}

func TestListsArePaged(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		made := s.fill(t, ctx)
		for _, order := range [][]string{
			nil, {"name"}, {"-close_on"}, {"close_on"}, {"-score", "close_on"}, {"score", "-amount"}, {"amount"}, {"company.name"}, {"-company.name", "name"}, {"company_id", "-closed"}, {"id"},
		} {
			var opts []crm.ListOption
			if order != nil {
				opts = append(opts, crm.OrderBy(order...))
			}
			whole := s.pages(t, ctx, 1000, opts...)
			require.Len(t, whole, len(made), order)
			for _, size := range []int{1, 7, 40} {
				require.Equal(t, whole, s.pages(t, ctx, size, opts...), "%v by %d", order, size)
			}
		}
		byName := s.pages(t, ctx, 9, crm.OrderBy("company.name"))
		var names []string
		for _, d := range byName {
			c := company{Name: "-"}
			if !d.CompanyID.IsZero() {
				var err error
				c, err = s.companies.Get(ctx, d.CompanyID)
				require.NoError(t, err)
			}
			names = append(names, c.Name)
		}
		require.Equal(t, []string{"-", "äpfel", "Birne", "Zürich AG", "张三"}, slices.Compact(names))
		nulls := s.pages(t, ctx, 9, crm.OrderBy("close_on"))
		require.True(t, nulls[0].CloseOn.IsZero())
		require.False(t, nulls[39].CloseOn.IsZero())
	})
}

func TestWhere(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		made := s.fill(t, ctx)
		for _, c := range []struct {
			text string
			args []any
			want func(deal) bool
		}{
			{"score >= 5", nil, func(d deal) bool { return d.Score >= 5 }},
			{"amount > $1", []any{crm.EUR(2000)}, func(d deal) bool { return d.Amount.Currency == "EUR" && d.Amount.Minor > 2000 }},
			{"amount > money('20.00', 'EUR') or close_on == nil", nil, func(d deal) bool {
				return d.Amount.Currency == "EUR" && d.Amount.Minor > 2000 || d.CloseOn.IsZero()
			}},
			{"company.name == 'Birne'", nil, func(d deal) bool { return d.CompanyID == made[2].CompanyID }},
			{"fold(company.name) == fold('ZURICH ag')", nil, func(d deal) bool { return d.CompanyID == made[0].CompanyID }},
			{"id == $1", []any{made[3].ID}, func(d deal) bool { return d.ID == made[3].ID }},
			{"id in $1", []any{[]crm.ID{made[3].ID, made[4].ID}}, func(d deal) bool { return d.ID == made[3].ID || d.ID == made[4].ID }},
		} {
			var want []crm.ID
			for _, d := range made {
				if c.want(d) {
					want = append(want, d.ID)
				}
			}
			var got []crm.ID
			for d, err := range s.deals.All(ctx, crm.Where(c.text, c.args...), crm.Limit(6)) {
				require.NoError(t, err)
				got = append(got, d.ID)
			}
			require.ElementsMatch(t, want, got, c.text)
			n, err := s.deals.Count(ctx, crm.Where(c.text, c.args...))
			require.NoError(t, err)
			require.EqualValues(t, len(want), n, c.text)
		}
		for text, says := range map[string]string{
			"nothing == 1": "nothing", "score == 'x'": "score", "score ==": "", "amount > 5": "amount", "company.nothing == 1": "nothing", "score > $1": "$1",
		} {
			_, err := s.deals.Count(ctx, crm.Where(text))
			require.ErrorIs(t, err, crm.ErrInvalid, text)
			require.ErrorContains(t, err, says)
		}
		// Deleted records are reached by no reference and no relation.
		n, err := s.companies.Count(ctx, crm.Where("count(deals, .score == 3) > 0"))
		require.NoError(t, err)
		require.NotZero(t, n)
		for _, d := range made {
			if d.Score == 3 {
				require.NoError(t, s.deals.Delete(ctx, d.ID))
			}
		}
		n, err = s.companies.Count(ctx, crm.Where("count(deals, .score == 3) > 0"))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestCursorsServeTheirQueryAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *shop) {
		ctx := as(t, "dana")
		s.fill(t, ctx)
		p, err := s.deals.List(ctx, crm.Where("score > $1", 0), crm.OrderBy("name"), crm.Limit(5))
		require.NoError(t, err)
		require.NotEmpty(t, p.Next)
		require.NotContains(t, p.Next, "Deal")
		_, err = s.deals.List(ctx, crm.Where("score > $1", 0), crm.OrderBy("name"), crm.After(p.Next), crm.Limit(9))
		require.NoError(t, err)
		broken := "A" + p.Next[1:]
		if broken == p.Next {
			broken = "B" + p.Next[1:]
		}
		for what, read := range map[string]func() error{
			"another order": func() error { _, err := s.deals.List(ctx, crm.Where("score > $1", 0), crm.After(p.Next)); return err },
			"another argument": func() error {
				_, err := s.deals.List(ctx, crm.Where("score > $1", 1), crm.OrderBy("name"), crm.After(p.Next))
				return err
			},
			"another filter": func() error { _, err := s.deals.List(ctx, crm.OrderBy("name"), crm.After(p.Next)); return err },
			"another actor": func() error {
				_, err := s.deals.List(as(t, "eve"), crm.Where("score > $1", 0), crm.OrderBy("name"), crm.After(p.Next))
				return err
			},
			"another kind": func() error { _, err := s.companies.List(ctx, crm.OrderBy("name"), crm.After(p.Next)); return err },
			"another tenant": func() error {
				eve := crm.As(t.Context(), crm.Actor{Tenant: "evil", Member: "dana"})
				s.company(t, eve, "Evil")
				_, err := s.deals.List(eve, crm.Where("score > $1", 0), crm.OrderBy("name"), crm.After(p.Next))
				return err
			},
			"broken": func() error {
				_, err := s.deals.List(ctx, crm.Where("score > $1", 0), crm.OrderBy("name"), crm.After(broken))
				return err
			},
			"no base64": func() error { _, err := s.deals.List(ctx, crm.After("…")); return err },
			"too long":  func() error { _, err := s.deals.List(ctx, crm.After(strings.Repeat("A", 1<<20))); return err },
		} {
			require.ErrorIs(t, read(), crm.ErrInvalid, what)
		}
	})
}

func TestListRefusals(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{SortLimit: 10})
		ctx := as(t, "dana")
		s.fill(t, ctx)
		for says, opts := range map[string][]crm.ListOption{
			"too many to sort": {crm.OrderBy("name")},
			"nothing":          {crm.OrderBy("nothing")},
			"notes":            {crm.OrderBy("notes")},
			"at most":          {crm.OrderBy("id", "id", "id", "id", "id")},
			"1 to 1000":        {crm.Limit(1001)},
			"reference":        {crm.OrderBy("owl.name")},
		} {
			_, err := s.deals.List(ctx, opts...)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		_, err := s.deals.List(ctx, crm.OrderBy("name"), crm.Where("score == 1"))
		require.NoError(t, err, "few enough to sort")
		_, err = s.deals.List(ctx, crm.OrderBy("score"))
		require.NoError(t, err, "an index sorts any number")
	})
}

// TestADamagedSecretIsAnError cuts a tenant's secret short: lists then say so.
func TestADamagedSecretIsAnError(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		s := newShop(t, e.Store, crm.Config{})
		ctx := as(t, "dana")
		s.fill(t, ctx)
		table, bytes := "crm_tenant", "x'01'"
		if e.Name == "postgres" {
			table, bytes = "crm.tenant", `'\x01'`
		}
		_, err := e.DB.ExecContext(ctx, "UPDATE "+table+" SET secret = "+bytes)
		require.NoError(t, err)
		again := newShop(t, e.Store, crm.Config{}) // which has not read it before
		_, err = again.deals.List(ctx, crm.Limit(5))
		require.ErrorContains(t, err, "secret is damaged")
	})
}

// TestWhatIsNamedIsSortedUncounted sorts records by a field without an index: those that are
// named, by id or by a unique field, are read by one statement, and others are counted
// before.
func TestWhatIsNamedIsSortedUncounted(t *testing.T) {
	t.Parallel()
	enginetest.Listening(t, func(t *testing.T, e enginetest.Engine, heard *enginetest.Heard) {
		s := newShop(t, e.Store, crm.Config{SortLimit: 2})
		ctx := as(t, "dana")
		var ids []crm.ID
		var emails []string
		for _, name := range []string{"c", "a", "b"} {
			made, err := s.companies.Create(ctx, company{Name: name, Email: name + "@example.com"})
			require.NoError(t, err)
			ids, emails = append(ids, made.ID), append(emails, made.Email)
		}
		for what, x := range map[string]struct {
			where      crm.ListOption
			found      int
			statements int
		}{
			"ids":                  {crm.Where("id in $1", ids[:2]), 2, 1},
			"an id and more":       {crm.Where("id == $1 and country == nil", ids[0]), 1, 1},
			"a unique field":       {crm.Where("email in $1", emails[:2]), 2, 1},
			"a field that is none": {crm.Where("name in $1", []string{"a", "b"}), 2, 2},
			"either":               {crm.Where("id == $1 or name == 'a'", ids[0]), 2, 2},
		} {
			heard.Forget()
			page, err := s.companies.List(ctx, x.where, crm.OrderBy("created"))
			require.NoError(t, err, what)
			require.Len(t, page.Items, x.found, what)
			require.Len(t, heard.Reads(), x.statements, what)
		}
		_, err := s.companies.List(ctx, crm.Where("id in $1", ids), crm.OrderBy("created"))
		require.ErrorContains(t, err, "too many to sort", "more names than may be sorted are counted")
		_, err = s.companies.List(ctx, crm.Where("email in $1", emails[:2]), crm.OrderBy("created"), crm.WithDeleted())
		require.NoError(t, err)
	})
}
