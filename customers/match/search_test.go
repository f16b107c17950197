package match_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers/match"
)

// The steps of a search, each taken by another one, find what one search finds.
func TestStepsFindWhatASearchFinds(t *testing.T) {
	t.Parallel()
	l := newWorld(3).people(1300, .3, spoiling{errors: 3, copies: 2})
	r := records(t, personFields(), l.rows...)
	m, err := match.Learn(t.Context(), r, match.Options{})
	require.NoError(t, err)
	want, err := match.Find(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	require.Greater(t, len(want), 200)
	parallel, err := match.Find(t.Context(), r, m, match.Options{Workers: 3})
	require.NoError(t, err)
	require.Equal(t, want, parallel, "workers change nothing")

	var found []match.Pair
	for step := 0; ; step++ {
		s, err := match.NewSearch(t.Context(), r, m, match.Options{})
		require.NoError(t, err)
		require.Greater(t, s.Steps(), 1)
		if step < s.Steps() {
			list, err := s.Step(t.Context(), step)
			require.NoError(t, err)
			found = append(found, list...)
			continue
		}
		_, err = s.Step(t.Context(), step)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.Clusters([]match.Pair{{A: 0, B: 1_000_000}})
		require.ErrorIs(t, err, crm.ErrInvalid)
		got, err := s.Clusters(found)
		require.NoError(t, err)
		require.Equal(t, want, got)
		return
	}
}

// Records that are known to be two entities are never put together.
func TestApart(t *testing.T) {
	t.Parallel()
	row := []string{"Ada Lovelace", "ada@example.com", "1815-12-10"}
	fields := []match.Field{{Name: "name", Kind: match.Person}, {Name: "mail", Kind: match.Email}, {Name: "born", Kind: match.Date}}
	r := records(t, fields, row, row, row)
	m, err := match.Usual(.001, fields...)
	require.NoError(t, err)
	clusters, err := match.Find(t.Context(), r, m, match.Options{Apart: func(a, b int) bool { return a == 0 || b == 0 }})
	require.NoError(t, err)
	require.Len(t, clusters, 1)
	require.Equal(t, []int{1, 2}, clusters[0].Records)
}

// Two writings of one value share a key, whatever the text.
func TestKeys(t *testing.T) {
	t.Parallel()
	share := func(k match.Kind, a, b string) bool {
		for _, x := range match.Keys(k, a, nil) {
			if slices.Contains(match.Keys(k, b, nil), x) {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		kind match.Kind
		a, b string
		want bool
	}{
		{match.Person, "Dr. Bob Smith", "SMITH, Robert", true},
		{match.Person, "Ada Lovelace", "Ada Lovelase", false},
		{match.Person, "Charles Babbage", "Charles Babage", true},
		{match.Person, "José Núñez", "Jose Nunez", true},
		{match.Person, "Ada Lovelace", "Grace Hopper", false},
		{match.Company, "The Acme Co., Ltd.", "ACME", true},
		{match.Company, "Acme", "Globex", false},
		{match.Email, "Ada@Example.com", "ada@example.com", true},
		{match.Email, "ada@example.com", "bob@example.com", true}, // their domain
		{match.Email, "ada@gmail.com", "bob@gmail.com", false},
		{match.Email, "erased", "erased", false},
		{match.Phone, "030 901820 ext. 7", "+49 30 901820", true},
		{match.Phone, "12", "12", false},
		{match.Place, "Bonn", "Bonn", false},
	} {
		require.Equal(t, c.want, share(c.kind, c.a, c.b), "%s: %s, %s", c.kind, c.a, c.b)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aAbé 李雷-'@.1")), 0, 40, -1).Draw(t, "text")
		kind := rapid.SampledFrom([]match.Kind{match.Person, match.Company, match.Email, match.Phone, match.Date}).Draw(t, "kind")
		list := match.Keys(kind, text, nil)
		if len(list) > 12 {
			t.Fatalf("%d keys", len(list))
		}
		if len(list) > 0 && !share(kind, text, strings.ToUpper(text)+" ") {
			t.Fatalf("%q and %q in capital letters share none", text, text)
		}
	})
}

// A Chinese name is found in pinyin only where a dictionary is brought.
func TestReadingsAreOptedInto(t *testing.T) {
	t.Parallel()
	level, _, err := match.Compare(match.Person, "李雷", "Li Lei", nil)
	require.NoError(t, err)
	require.Equal(t, match.Differ, level)
	level, _, err = match.Compare(match.Person, "李雷", "李 雷", nil)
	require.NoError(t, err)
	require.Equal(t, match.Same, level)
}
