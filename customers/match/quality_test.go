package match_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/pinyin"
	"github.com/embedcrm/embedcrm/customers/match"
)

// latin is a Chinese name in letters: li lei, or with the surname last.
func latin(name string, turned bool) string {
	chars := []rune(name)
	n := 1
	if len(chars) > 2 && strings.Contains("欧阳司马上官", string(chars[:2])) { //nolint:gocritic // one of these surnames
		n = 2
	}
	whole := pinyin.Readings(name)[0]
	given := pinyin.Readings(string(chars[n:]))[0]
	family := strings.TrimSuffix(whole, given)
	if turned {
		return given + " " + family
	}
	return family + " " + given
}

// quality is precision, recall and F1 over pairs.
type quality struct{ precision, recall, f1 float64 }

// measure finds the duplicates of labelled rows, of the first fields.
func measure(t *testing.T, fields []match.Field, l labelled) quality {
	t.Helper()
	r, err := match.NewRecords(fields...)
	require.NoError(t, err)
	r.ReadBy(pinyin.Readings)
	for _, row := range l.rows {
		_, err := r.Add(row[:len(fields)]...)
		require.NoError(t, err)
	}
	m, err := match.Learn(t.Context(), r, match.Options{})
	require.NoError(t, err)
	clusters, err := match.Find(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	var right, found, there float64
	for _, c := range clusters {
		for _, p := range c.Pairs() {
			found++
			if l.entity[p[0]] == l.entity[p[1]] {
				right++
			}
		}
	}
	of := map[int]float64{}
	for _, e := range l.entity {
		there += of[e]
		of[e]++
	}
	q := quality{precision: right / max(found, 1), recall: right / max(there, 1)}
	q.f1 = 2 * q.precision * q.recall / max(q.precision+q.recall, 1e-9)
	t.Logf("%d rows, %.0f pairs, %.0f found: precision %.4f recall %.4f f1 %.4f", len(l.rows), there, found, q.precision, q.recall, q.f1)
	return q
}

// TestQuality holds what is found among made-up people and companies to what is there,
// for several seeds and kinds of trouble, none of which anything was fitted to.
func TestQuality(t *testing.T) {
	t.Parallel()
	people, companies, chinese := personFields(), companyFields(), chineseFields()
	for _, c := range []struct {
		name   string
		fields []match.Field
		make   func(w *world) labelled
		least  quality
		long   bool
	}{
		{"people, a few errors", people, func(w *world) labelled { return w.people(300, 1, spoiling{errors: 3, copies: 1}) }, quality{precision: .99, recall: .98}, false},
		{"people, several copies", people, func(w *world) labelled { return w.people(1000, .5, spoiling{errors: 5, copies: 5}) }, quality{precision: .99, recall: .96}, true},
		{"people, many errors", people, func(w *world) labelled { return w.people(400, .6, spoiling{errors: 10, copies: 5}) }, quality{precision: .99, recall: .9}, true},
		{"people, no number of theirs", people[:9], func(w *world) labelled { return w.people(400, .6, spoiling{errors: 5, copies: 3}) }, quality{precision: .98, recall: .93}, false},
		{"people, sparse", people[:9], func(w *world) labelled { return w.people(400, .6, spoiling{errors: 3, copies: 2, missing: .25}) }, quality{f1: .88}, false},
		{"people, few copies", people, func(w *world) labelled { return w.people(1500, .03, spoiling{errors: 4, copies: 1}) }, quality{precision: .95, recall: .95}, true},
		{"households", people, func(w *world) labelled { return w.households(200, .3) }, quality{precision: .97, recall: .95}, false},
		{"companies", companies, func(w *world) labelled { return w.companies(500, .4, false) }, quality{f1: .95}, false},
		{"companies, sparse", companies, func(w *world) labelled { return w.companies(500, .4, true) }, quality{f1: .88}, false},
		{"Chinese people", chinese, func(w *world) labelled { return w.chinesePeople(500, .4) }, quality{f1: .95}, false},
		{"a few rows", people, func(w *world) labelled { return w.people(12, .5, spoiling{errors: 2, copies: 1}) }, quality{precision: 1, recall: .8}, false},
	} {
		seeds := uint64(3)
		if testing.Short() {
			if seeds = 1; c.long {
				continue
			}
		}
		for seed := range seeds {
			t.Run(c.name, func(t *testing.T) {
				q := measure(t, c.fields, c.make(newWorld(seed)))
				require.GreaterOrEqual(t, q.precision, c.least.precision)
				require.GreaterOrEqual(t, q.recall, c.least.recall)
				require.GreaterOrEqual(t, q.f1, c.least.f1)
			})
		}
	}
}

// Where there are no duplicates, none are found.
func TestNoDuplicates(t *testing.T) {
	t.Parallel()
	l := newWorld(1).people(600, 0, spoiling{copies: 1})
	r := records(t, personFields(), l.rows...)
	m, err := match.Learn(t.Context(), r, match.Options{})
	require.NoError(t, err)
	clusters, err := match.Find(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	require.Empty(t, clusters)
}
