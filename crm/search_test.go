package crm_test

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// person is somebody to be found.
type person struct {
	crm.Record

	Name   string   `crm:"required,max=200,search"    json:"name"`
	Email  string   `crm:"max=254,search,personal"    json:"email,omitempty"`
	Phone  string   `crm:"max=100,search,personal"    json:"phone,omitempty"`
	City   string   `crm:"max=100,search"             json:"city,omitempty"`
	Labels []string `crm:"search"                     json:"labels,omitempty"`
	VIP    bool     `json:"vip,omitempty"`
}

//go:embed testdata/people
var peopleFiles embed.FS

// people is a shop that knows people, too.
type people struct {
	*shop

	kind *crm.Kind[person]
}

func newPeople(tb testing.TB, store storage.Store, cfg crm.Config) *people {
	tb.Helper()
	p := &people{shop: &shop{}}
	p.Core = crmtest.On(tb, store, cfg, func(c *crm.Core) error {
		if err := p.define(c); err != nil {
			return err
		}
		files, err := fs.Sub(peopleFiles, "testdata/people")
		if err != nil {
			return err
		}
		c.AddLine(storage.Line{Name: "people", Files: files, Needs: map[string]int{"crm": 1}})
		p.kind, err = crm.Define(c, crm.Object[person]{Name: "person", Plural: "people"})
		return err
	})
	return p
}

// withPeople runs fn on people in either engine.
func withPeople(t *testing.T, fn func(t *testing.T, p *people)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { fn(t, newPeople(t, e.Store, crm.Config{})) })
}

// add makes a person a second after the one before.
func (p *people) add(tb testing.TB, ctx context.Context, v person) person { //nolint:revive // the test comes first
	tb.Helper()
	p.Clock.Advance(time.Second)
	made, err := p.kind.Create(ctx, v)
	require.NoError(tb, err)
	return made
}

// names are the names of who is found, in order.
func (p *people) names(tb testing.TB, ctx context.Context, text string, opts ...crm.ListOption) string { //nolint:revive // the test comes first
	tb.Helper()
	page, err := p.kind.Search(ctx, text, opts...)
	require.NoError(tb, err)
	names := make([]string, len(page.Items))
	for i, v := range page.Items {
		names[i] = v.Name
	}
	return strings.Join(names, ", ")
}

func (p *people) sound(tb testing.TB) {
	tb.Helper()
	problems, err := p.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

func TestSearchFinds(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := as(t, "ada")
		require.Empty(t, p.names(t, ctx, "ada")) // before the tenant is there
		p.add(t, ctx, person{Name: "Ada Lovelace", Email: "ada.lovelace@example.com", Phone: "+44 20 7946 0958", City: "London", Labels: []string{"Mathematik", "Poet's daughter"}})
		p.add(t, ctx, person{Name: "Adalbert Stifter", City: "Linz", Phone: "0043 (0)732 7720 54321"})
		p.add(t, ctx, person{Name: "Zoë O’Brien", Email: "zoe@例子.中国", City: "Cork"})
		p.add(t, ctx, person{Name: "张三丰", City: "北京"})
		p.add(t, ctx, person{Name: "张三 三丰", City: "上海"})
		p.add(t, ctx, person{Name: "李雷", City: "北京市", Labels: []string{"ＶＩＰ"}})
		p.add(t, ctx, person{Name: "Иван Петров", City: "Москва"})
		p.add(t, ctx, person{Name: "مُحَمَّد علي", City: "القاهرة"})
		p.add(t, ctx, person{Name: "ミュラー・ハンス", City: "東京"})
		p.add(t, ctx, person{Name: "김철수", City: "서울"})
		for text, want := range map[string]string{
			"ada":                         "Ada Lovelace, Adalbert Stifter", // whole before begun, though older
			"ADÁ":                         "Ada Lovelace, Adalbert Stifter",
			"love ada":                    "", // love is no word, and not the last
			"ada love":                    "Ada Lovelace",
			"lon lovelace":                "",
			"lovelace lon":                "Ada Lovelace", // in two fields
			"mathematik poets":            "Ada Lovelace",
			"a":                           "", // one letter is no beginning
			"o'brien":                     "Zoë O’Brien",
			"obri":                        "Zoë O’Brien",
			"brien zoe":                   "Zoë O’Brien",
			"zoe@":                        "Zoë O’Brien",
			"@例子.中国":                      "Zoë O’Brien",
			"ada.lovelace@example.com":    "Ada Lovelace",
			"Ada.Lovelace@EXAM":           "Ada Lovelace",
			"@example.com":                "Ada Lovelace",
			"example.com":                 "Ada Lovelace",
			"(020) 79460958":              "Ada Lovelace",
			"+44 20 7946 0958":            "Ada Lovelace",
			"79460958":                    "Ada Lovelace",
			"0044207946":                  "Ada Lovelace",
			"0732 772054321":              "Adalbert Stifter",
			"73277205432":                 "Adalbert Stifter",
			"张三丰":                         "张三丰",
			"三丰":                          "张三 三丰, 张三丰",
			"张":                           "张三 三丰, 张三丰",
			"北京 李雷":                       "李雷",
			"北京":                          "李雷, 张三丰",
			"李雷 vip":                      "李雷",
			"петр":                        "Иван Петров",
			"محمد":                        "مُحَمَّد علي",
			"ﾊﾝｽ":                         "ミュラー・ハンス",
			"ハンズ":                         "",
			"철수":                          "김철수",
			"":                            "",
			" -- ":                        "",
			"nobody":                      "",
			"\x00' OR 1=1 \" * NEAR(a b)": "",
		} {
			require.Equal(t, want, p.names(t, ctx, text), text)
		}
		require.Equal(t, "李雷", p.names(t, ctx, "北京", crm.Where("city == '北京市'")))
		p.sound(t)
	})
}

func TestSearchFollowsTheRecord(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := as(t, "ada")
		grace := p.add(t, ctx, person{Name: "Grace Hopper", City: "New York"})
		p.add(t, ctx, person{Name: "Grace Kelly"})
		change := func(fn func(v *person)) {
			t.Helper()
			p.Clock.Advance(time.Second)
			_, err := p.kind.Update(ctx, grace.ID, func(v *person) error { fn(v); return nil })
			require.NoError(t, err)
			p.sound(t)
		}
		change(func(v *person) { v.VIP = true })
		require.Equal(t, "Grace Hopper, Grace Kelly", p.names(t, ctx, "grace")) // the latest changed first
		change(func(v *person) { v.Name = "Amazing Grace" })
		require.Empty(t, p.names(t, ctx, "hopper"))
		require.Equal(t, "Amazing Grace", p.names(t, ctx, "amazing new"))
		change(func(v *person) { v.City = "" })
		require.Empty(t, p.names(t, ctx, "york"))

		require.NoError(t, p.kind.Delete(ctx, grace.ID))
		require.Empty(t, p.names(t, ctx, "amazing"))
		require.Equal(t, "Amazing Grace", p.names(t, ctx, "amazing", crm.WithDeleted()))
		p.sound(t)
		_, err := p.kind.Restore(ctx, grace.ID)
		require.NoError(t, err)
		require.Equal(t, "Amazing Grace", p.names(t, ctx, "amazing"))
		require.NoError(t, p.kind.Purge(ctx, grace.ID))
		require.Empty(t, p.names(t, ctx, "amazing", crm.WithDeleted()))
		p.sound(t)

		again, err := p.kind.Create(ctx, person{Record: crm.Record{ID: crm.ID{1}}, Name: "First"})
		require.NoError(t, err)
		_, err = p.kind.Create(ctx, person{Record: crm.Record{ID: crm.ID{1}}, Name: "Second"})
		taken := &crm.ConflictError{}
		require.ErrorAs(t, err, &taken)
		require.Equal(t, "id", taken.Field)
		require.Equal(t, again.ID, taken.Holder)
		require.Empty(t, p.names(t, ctx, "second"))

		// What a transaction undoes is not found.
		err = p.Tx(ctx, func(ctx context.Context) error {
			p.add(t, ctx, person{Name: "Undone"})
			require.Equal(t, "Undone", p.names(t, ctx, "undone"))
			return context.Canceled
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, p.names(t, ctx, "undone"))

		// A field emptied of words takes the record out of the index.
		_, err = p.kind.Update(ctx, again.ID, func(v *person) error { v.Name = "--"; return nil })
		require.NoError(t, err)
		require.Empty(t, p.names(t, ctx, "first"))
		p.sound(t)
	})
}

func TestSearchPages(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := as(t, "ada")
		for i := range 30 {
			p.add(t, ctx, person{Name: fmt.Sprintf("%s %d", []string{"Ann", "Anna"}[i%2], i), VIP: i%3 == 0})
		}
		whole := p.names(t, ctx, "ann")
		require.True(t, strings.HasPrefix(whole, "Ann 28, Ann 26"))
		require.True(t, strings.HasSuffix(whole, "Anna 3, Anna 1"))
		for _, few := range []int{5000, 20, 3} { // few enough to be put in order here, or not
			crm.BoundSearch(p.Core.Core, few, few/2)
			for _, limit := range []int{1, 4, 15, 29, 30, 31} {
				var names []string
				next := ""
				for {
					page, err := p.kind.Search(ctx, "ann", crm.Limit(limit), crm.After(next))
					require.NoError(t, err)
					for _, v := range page.Items {
						names = append(names, v.Name)
						require.False(t, v.Created.IsZero()) // whole
					}
					if next = page.Next; next == "" {
						break
					}
					require.Len(t, page.Items, limit)
				}
				require.Equal(t, whole, strings.Join(names, ", "), "few %d, limit %d", few, limit)
			}
			require.Equal(t, "Ann 24, Ann 18, Ann 12, Ann 6, Ann 0, Anna 27, Anna 21, Anna 15, Anna 9, Anna 3", p.names(t, ctx, "ann", crm.Where("vip")))
		}
	})
}

func TestSearchCursorsServeOneSearchOfOneActor(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := as(t, "ada")
		for range 3 {
			p.add(t, ctx, person{Name: "Ann Bee"})
		}
		page, err := p.kind.Search(ctx, "ann", crm.Limit(1))
		require.NoError(t, err)
		list, err := p.kind.List(ctx, crm.Limit(1))
		require.NoError(t, err)
		refused := func(ctx context.Context, text, cursor string, opts ...crm.ListOption) {
			t.Helper()
			_, err := p.kind.Search(ctx, text, append(opts, crm.After(cursor))...)
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, "cursor")
		}
		_, err = p.kind.Search(ctx, " ANN ", crm.After(page.Next)) // the same search
		require.NoError(t, err)
		refused(ctx, "bee", page.Next)
		refused(ctx, "ann", page.Next, crm.Where("vip"))
		refused(ctx, "ann", page.Next, crm.WithDeleted())
		refused(ctx, "ann", list.Next)
		refused(ctx, "ann", "x")
		refused(ctx, "ann", strings.Repeat("x", 1<<17))
		refused(as(t, "bob"), "ann", page.Next)
		_, err = p.kind.List(ctx, crm.After(page.Next))
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestSearchRefuses(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := as(t, "ada")
		for field, opts := range map[string][]crm.ListOption{
			"limit": {crm.Limit(-1)}, "order": {crm.OrderBy("name")}, "nothing": {crm.Where("nothing == 1")},
		} {
			_, err := p.kind.Search(ctx, "ann", opts...)
			require.ErrorIs(t, err, crm.ErrInvalid, field)
			require.ErrorContains(t, err, field)
		}
		for _, text := range []string{strings.Repeat("a", 501), strings.Repeat("字", 100) + strings.Repeat("符", 40)} {
			_, err := p.kind.Search(ctx, text)
			if len(text) > 500 {
				require.ErrorIs(t, err, crm.ErrInvalid)
				require.ErrorContains(t, err, "text")
			}
		}
		var words []string
		for i := range 33 {
			words = append(words, fmt.Sprintf("w%d", i))
		}
		_, err := p.kind.Search(ctx, strings.Join(words, " "))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.Empty(t, p.names(t, ctx, strings.Join(words[1:], " ")))
		_, err = p.deals.Search(ctx, "ann")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "mark a field search")
		_, err = p.kind.Search(t.Context(), "ann")
		require.ErrorIs(t, err, crm.ErrUnscoped)
		_, err = p.Search(t.Context(), "ann")
		require.ErrorIs(t, err, crm.ErrUnscoped)
		_, err = p.Search(ctx, "ann", "nothing")
		require.ErrorIs(t, err, crm.ErrInvalid)
	})
}

func TestSearchOfAllKinds(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		sys := crm.System(t.Context(), "acme")
		first := p.add(t, sys, person{Name: "Ann Bee"})
		p.Clock.Advance(time.Second)
		firm := p.company(t, sys, "Ann & Co.")
		last := p.add(t, sys, person{Name: "Annabel"})
		found, err := p.Search(sys, "ann")
		require.NoError(t, err)
		require.Equal(t, []crm.Found{
			{Object: "company", ID: firm.ID, Title: "Ann & Co."}, {Object: "person", ID: first.ID, Title: "Ann Bee"}, {Object: "person", ID: last.ID, Title: "Annabel"},
		}, found)
		found, err = p.Search(sys, "ann", "person")
		require.NoError(t, err)
		require.Len(t, found, 2)

		f := &office{shop: p.shop, sys: sys}
		f.ada, err = p.Members.Create(sys, crm.Member{Key: "ada", Name: "Anna"})
		require.NoError(t, err)
		f.grant(t, []crm.Grant{{Object: "person", Verb: crm.VerbRead, Level: crm.LevelAll}}, crm.FieldRule{Object: "person", Field: "name", Access: crm.FieldHidden})
		_, err = p.kind.Update(sys, first.ID, func(v *person) error { v.City = "Annaberg"; return nil })
		require.NoError(t, err)
		found, err = p.Search(as(t, "ada"), "ann")
		require.NoError(t, err)
		require.Equal(t, []crm.Found{{Object: "person", ID: first.ID}}, found) // and not what it is called
		_, err = p.Search(as(t, "ada"), "ann", "company")
		require.ErrorIs(t, err, crm.ErrForbidden)
	})
}

func TestSearchShowsNothingOfOthers(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		f := newOffice(t, p.shop)
		hers := p.add(t, f.sys, person{Name: "Secret Ann", Record: crm.Record{OwnerID: f.ada.ID}})
		his := p.add(t, f.sys, person{Name: "Secret Bob", Record: crm.Record{OwnerID: f.bob.ID}})
		p.add(t, f.sys, person{Name: "Secret Sue", Record: crm.Record{OwnerID: f.sue.ID}})
		other := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "ada"})
		p.add(t, other, person{Name: "Other Secret"})
		for _, few := range []int{5000, 1} {
			crm.BoundSearch(p.Core.Core, few, few)
			require.Equal(t, "Other Secret", p.names(t, other, "secret"))
			require.Equal(t, "Other Secret", p.names(t, crm.System(t.Context(), "other"), "se", crm.WithDeleted()))
			require.Equal(t, "Secret Sue, Secret Bob, Secret Ann", p.names(t, f.sys, "secr"))
			f.grant(t, crm.Allow("person", crm.LevelOwn))
			require.Equal(t, "Secret Ann", p.names(t, as(t, "ada"), "secret"))
			f.grant(t, crm.Allow("person", crm.LevelTeam))
			require.Equal(t, "Secret Bob, Secret Ann", p.names(t, as(t, "ada"), "secr"))
			f.grant(t, crm.Allow("deal", crm.LevelAll))
			_, err := p.kind.Search(as(t, "ada"), "secret")
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		// One is shared.
		f.grant(t, crm.Allow("person", crm.LevelOwn))
		_, err := p.Shares.Share(f.sys, "person", his.ID, crm.WithMember(f.ada.ID), crm.ShareRead)
		require.NoError(t, err)
		require.Equal(t, "Secret Bob, Secret Ann", p.names(t, as(t, "ada"), "secret"))
		require.NoError(t, p.kind.Delete(f.sys, hers.ID))
		require.Equal(t, "Secret Bob", p.names(t, as(t, "ada"), "secret"))
	})
}

func TestSearchFindsNothingByAHiddenField(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		f := newOffice(t, p.shop)
		p.add(t, f.sys, person{Name: "Ann Example", Email: "ann@hidden.org", Phone: "+44 20 7946 0958", City: "Hidden Town", Labels: []string{"秘密组织"}})
		p.add(t, f.sys, person{Name: "Hidden Example", Email: "bob@example.com"})
		ctx := as(t, "ada")
		hide := func(names ...string) {
			var rules []crm.FieldRule
			for _, name := range names {
				rules = append(rules, crm.FieldRule{Object: "person", Field: name, Access: crm.FieldHidden})
			}
			f.grant(t, crm.Allow("person", crm.LevelAll), rules...)
		}
		for _, few := range []int{5000, 1, 0} {
			crm.BoundSearch(p.Core.Core, few, few)
			hide()
			require.Equal(t, "Hidden Example, Ann Example", p.names(t, ctx, "hidden"))
			require.Equal(t, "Ann Example", p.names(t, ctx, "ann example"))
			require.Equal(t, "Ann Example", p.names(t, ctx, "秘密组织"))
			hide("city")
			require.Equal(t, "Hidden Example, Ann Example", p.names(t, ctx, "hidden")) // by its address
			hide("city", "email")
			require.Equal(t, "Hidden Example", p.names(t, ctx, "hidden"))
			require.Equal(t, "Hidden Example", p.names(t, ctx, "hid"))
			require.Empty(t, p.names(t, ctx, "town"))
			require.Empty(t, p.names(t, ctx, "ann@hidden.org"))
			require.Empty(t, p.names(t, ctx, "ann hidden")) // one word by a readable field, one by another
			require.Equal(t, "Ann Example", p.names(t, ctx, "02079460958"))
			hide("phone", "labels")
			require.Empty(t, p.names(t, ctx, "02079460958"))
			require.Empty(t, p.names(t, ctx, "秘密"))
			require.Empty(t, p.names(t, ctx, "秘密组织"))
			hide("name", "email", "city", "phone", "labels")
			_, err := p.kind.Search(ctx, "hidden")
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
	})
}

func TestReindex(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := crm.System(t.Context(), "acme")
		var made []person
		for i := range 450 { // more than two batches
			made = append(made, person{Name: fmt.Sprintf("Ann %d", i)})
		}
		made, err := p.kind.CreateAll(ctx, made)
		require.NoError(t, err)
		require.NoError(t, p.kind.Delete(ctx, made[7].ID))
		require.NoError(t, crm.ForgetWords(ctx, p.Core.Core, "acme", "person", made[3].ID, made[449].ID))
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Len(t, problems, 2)
		require.Contains(t, problems[0].String(), "call Reindex")
		require.Empty(t, p.names(t, ctx, "ann 449"))

		last, err := p.Reindex(ctx, "person", made[3].ID) // going on behind a record
		require.NoError(t, err)
		require.Equal(t, made[449].ID, last)
		problems, err = p.Check(t.Context())
		require.NoError(t, err)
		require.Len(t, problems, 1)
		last, err = p.Reindex(ctx, "person", crm.ID{})
		require.NoError(t, err)
		require.Equal(t, made[449].ID, last)
		p.sound(t)
		require.Equal(t, "Ann 449", p.names(t, ctx, "ann 449"))
		last, err = p.Reindex(ctx, "person", last)
		require.NoError(t, err)
		require.Equal(t, made[449].ID, last)

		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		last, err = p.Reindex(cancelled, "person", made[9].ID)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, made[9].ID, last)
		_, err = p.Reindex(as(t, "ada"), "person", crm.ID{})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = p.Reindex(ctx, "nothing", crm.ID{})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorIs(t, p.Tx(ctx, func(ctx context.Context) error {
			_, err := p.Reindex(ctx, "person", crm.ID{})
			return err
		}), crm.ErrInvalid)
	})
}

// TestReindexBesideWriters changes records while they are indexed anew: no change is
// lost to the index.
func TestReindexBesideWriters(t *testing.T) {
	withPeople(t, func(t *testing.T, p *people) {
		ctx := crm.System(t.Context(), "acme")
		var made []person
		for i := range 300 {
			made = append(made, person{Name: fmt.Sprintf("Ann %d", i)})
		}
		made, err := p.kind.CreateAll(ctx, made)
		require.NoError(t, err)
		for _, v := range made[:100] { // so that there is something to write
			require.NoError(t, crm.ForgetWords(ctx, p.Core.Core, "acme", "person", v.ID, made[299].ID))
		}
		done := make(chan error)
		go func() {
			_, err := p.Reindex(ctx, "person", crm.ID{})
			done <- err
		}()
		for i := range 60 {
			_, err := p.kind.Update(ctx, made[i*5].ID, func(v *person) error { v.Name = fmt.Sprintf("Bob %d", i); return nil })
			require.NoError(t, err)
		}
		require.NoError(t, <-done)
		p.sound(t)
	})
}

func TestReadings(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		p := newPeople(t, e.Store, crm.Config{Readings: func(text string) []string {
			if strings.Contains(text, "李雷") {
				return []string{"LiLei", "ll"}
			}
			return nil
		}})
		ctx := as(t, "ada")
		p.add(t, ctx, person{Name: "李雷"})
		p.add(t, ctx, person{Name: "Ll Cool"})
		for _, few := range []int{5000, 1, 0} {
			crm.BoundSearch(p.Core.Core, few, few)
			require.Equal(t, "李雷", p.names(t, ctx, "lilei"))
			require.Equal(t, "李雷", p.names(t, ctx, "lil"))
			require.Equal(t, "李雷", p.names(t, ctx, "李雷"))
			require.Equal(t, "Ll Cool, 李雷", p.names(t, ctx, "ll"))
		}
		p.sound(t)
	})
}
