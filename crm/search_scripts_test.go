package crm_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// script is a way of writing names. Its parts are joined by what it writes between
// words: nothing, in Chinese, Japanese and Korean.
type script struct {
	first, last, cities []string
	between             string
}

func scripts() []script {
	list := strings.Fields
	return []script{
		{list("José Zoë Jürgen Łukasz Anaïs Ádám Séamus Ann Anna Annabel Marie Marianne"), list("Müller García Ångström Nowak Strauß Lee Leeds Çelik Øster Smith"), list("Zürich Málaga Łódź Oslo Köln"), " "},
		{list("Иван Ольга Пётр Анна Фёдор Ян"), list("Петров Петрова Щукин Иванов Ёлкин"), list("Москва Київ София"), " "},
		{list("محمد علي فاطمة سيتا أحمد"), list("حسن الحسن كريم سعيد"), list("القاهرة دبي"), " "},
		{list("सीता राम गीता मोहन"), list("शर्मा वर्मा सिंह"), list("दिल्ली मुंबई"), " "},
		{list("伟 芳 三丰 三 小明 明 丽 建国"), list("王 李 张 刘 欧阳 司马 张三"), list("北京 上海 重庆 北京市"), ""},
		{list("太郎 花子 철수 영희 ミュラー ハンス"), list("山田 田山 김 이 マリア"), list("東京 京都 서울"), ""},
	}
}

// population makes people, the same each time.
type population struct {
	*rand.Rand

	scripts []script
}

func newPopulation(seed uint64) *population {
	return &population{rand.New(rand.NewPCG(seed, 1)), scripts()}
}

func one[T any](g *population, list []T) T { return list[g.IntN(len(list))] }

func (g *population) id(n int) (id crm.ID) {
	binary.BigEndian.PutUint64(id[:], g.Uint64())
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func (g *population) person(n int) person {
	s := one(g, g.scripts)
	v := person{Record: crm.Record{ID: g.id(n)}, VIP: g.IntN(4) == 0}
	if s.between == "" {
		v.Name = one(g, s.last) + one(g, s.first)
	} else {
		v.Name = one(g, s.first) + s.between + one(g, s.last)
	}
	if g.IntN(3) > 0 {
		v.City = one(g, s.cities)
	}
	if g.IntN(5) == 0 {
		v.Labels = []string{one(g, one(g, g.scripts).cities), one(g, []string{"VIP", "x200", "Anna's list"})}
	}
	return v
}

// query is something of what people are called, whole or a part.
func (g *population) query() string {
	var words []string
	for range 1 + g.IntN(2) {
		s := one(g, g.scripts)
		word := one(g, slices.Concat(s.first, s.last, s.cities))
		if s.between == "" && g.IntN(3) == 0 {
			word = one(g, s.last) + one(g, s.first) // may be nobody's
		}
		if chars := []rune(word); g.IntN(2) == 0 {
			word = string(chars[:1+g.IntN(len(chars))])
			if s.between == "" && g.IntN(2) == 0 {
				word = string(chars[g.IntN(len(chars)):])
			}
		}
		words = append(words, one(g, []func(string) string{strings.ToUpper, strings.ToLower, crm.Fold, func(s string) string { return s }})(word))
	}
	return strings.Join(words, " ")
}

// inMemory is what a search means, said again in the plainest way.
type inMemory struct {
	person

	fields []string   // folded
	words  [][]string // of each field
}

func isCJK(r rune) bool {
	return r == 'ー' || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

func remember(v person) *inMemory {
	m := &inMemory{person: v}
	for _, text := range append([]string{v.Name, v.City}, v.Labels...) {
		folded := crm.Fold(text)
		m.fields = append(m.fields, folded)
		m.words = append(m.words, strings.FieldsFunc(folded, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.M, unicode.N) }))
	}
	return m
}

// tier is 0 for a record with every word whole, 1 with the last one's beginning, and
// 2 for one that is not found.
func (m *inMemory) tier(query string) int {
	tier := 0
	words := strings.Fields(crm.Fold(query))
	for i, word := range words {
		chars := []rune(word)
		best := 2
		for f := range m.fields {
			switch {
			case isCJK(chars[0]):
				if strings.Contains(m.fields[f], word) {
					best = 0
				}
			case slices.Contains(m.words[f], word):
				best = 0
			case i == len(words)-1 && len(chars) > 1 && slices.ContainsFunc(m.words[f], func(w string) bool { return strings.HasPrefix(w, word) }):
				best = min(best, 1)
			}
		}
		tier = max(tier, best)
	}
	return tier
}

// expected are the names of who is found, in order.
func expected(all []*inMemory, query string, keep func(*inMemory) bool) []crm.ID {
	type found struct {
		*inMemory

		tier int
	}
	var list []found
	for _, m := range all {
		if tier := m.tier(query); tier < 2 && keep(m) {
			list = append(list, found{m, tier})
		}
	}
	slices.SortFunc(list, func(a, b found) int {
		return cmp.Or(a.tier-b.tier, b.Updated.Compare(a.Updated), bytes.Compare(b.ID[:], a.ID[:]))
	})
	ids := []crm.ID{}
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	return ids
}

// first returns at most n of what is found, read in pages of random size.
func (p *people) first(tb testing.TB, ctx context.Context, g *population, text string, n int, opts ...crm.ListOption) []crm.ID { //nolint:revive // the test comes first
	tb.Helper()
	ids := []crm.ID{}
	for next := ""; ; {
		page, err := p.kind.Search(ctx, text, append(slices.Clone(opts), crm.Limit(1+g.IntN(100)), crm.After(next))...)
		require.NoError(tb, err)
		for _, v := range page.Items {
			ids = append(ids, v.ID)
		}
		if next = page.Next; next == "" || len(ids) >= n {
			return ids[:min(n, len(ids))]
		}
	}
}

// TestSearchInEveryScript holds what either engine finds, and its order, to a plain
// search in memory: so the two find the same. EMBEDCRM_SOAK=1 is for 100,000 people.
func TestSearchInEveryScript(t *testing.T) {
	size, queries := 3000, 250
	switch {
	case os.Getenv("EMBEDCRM_SOAK") != "":
		size, queries = 100_000, 400
	case testing.Short():
		size, queries = 500, 120
	}
	withPeople(t, func(t *testing.T, p *people) {
		ctx, g := crm.System(t.Context(), "acme"), newPopulation(7)
		var all []*inMemory
		for n := 0; n < size; {
			var batch []person
			for range min(1+g.IntN(500), size-n) {
				batch = append(batch, g.person(n))
				n++
			}
			p.Clock.Advance(time.Second)
			made, err := p.kind.CreateAll(ctx, batch)
			require.NoError(t, err)
			for _, v := range made {
				all = append(all, remember(v))
			}
		}
		// Some are changed or deleted since, and another tenant has the same people.
		for range 100 {
			m := one(g, all)
			p.Clock.Advance(time.Second)
			next := g.person(0)
			v, err := p.kind.Update(ctx, m.ID, func(v *person) error { v.Name, v.City = next.Name, next.City; return nil })
			require.NoError(t, err)
			*m = *remember(v)
		}
		gone := map[crm.ID]bool{}
		for range 30 {
			if m := one(g, all); !gone[m.ID] {
				require.NoError(t, p.kind.Delete(ctx, m.ID))
				gone[m.ID] = true
			}
		}
		var others []person
		for n := range 300 {
			others = append(others, g.person(n))
		}
		_, err := p.kind.CreateAll(crm.System(t.Context(), "other"), others)
		require.NoError(t, err)

		bounds := [][2]int{{5000, 200}, {200, 20}, {20, 20}, {0, 0}}
		for i := range queries {
			b := bounds[i%len(bounds)]
			if size > 10_000 {
				b = bounds[i%2]
			}
			crm.BoundSearch(p.Core.Core, b[0], b[1])
			text := g.query()
			keep := func(m *inMemory) bool { return !gone[m.ID] }
			var opts []crm.ListOption
			if g.IntN(4) == 0 {
				opts = append(opts, crm.Where("vip"))
				keep = func(m *inMemory) bool { return !gone[m.ID] && m.VIP }
			}
			want := expected(all, text, keep)
			const most = 300
			require.Equal(t, want[:min(most, len(want))], p.first(t, ctx, g, text, most, opts...), "%q, bounds %v", text, b)
		}
		if size <= 10_000 {
			p.sound(t)
		}
	})
}
