package match_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pinyin"
	"github.com/embedcrm/embedcrm/customers/match"
)

func TestHowFarValuesAgree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind match.Kind
		a, b string
		want match.Level
	}{
		{match.Given, "Bob", "Robert", match.Near},
		{match.Given, "J.", "James", match.Close},
		{match.Given, "Mary Ann", "Maryann", match.Same},
		{match.Given, "Mary Ann", "Mary", match.Near},
		{match.Given, "José", "Jose", match.Same},
		{match.Given, "Ada", "Byron", match.Differ},
		{match.Given, "Ann", "Dan", match.Differ}, // three letters leave no room for a slip
		{match.Family, "O'Brien", "OBrien", match.Same},
		{match.Family, "Campbell", "Campebll", match.Near},
		{match.Family, "Davila-Sanders", "Davila", match.Near},
		{match.Family, "Straße", "Strasse", match.Same},
		{match.Family, "欧阳", "ouyang", match.Near},

		{match.Person, "Ada Lovelace", "LOVELACE, Ada", match.Same},
		{match.Person, "Dr. Ada Lovelace", "Ada Lovelace", match.Same},
		{match.Person, "Ada King Lovelace", "Ada Lovelace", match.Near},
		{match.Person, "A. Lovelace", "Ada Lovelace", match.Close},
		{match.Person, "Bill Gates", "Gates, William", match.Near},
		{match.Person, "Ada Lovelace", "Charles Babbage", match.Differ},
		{match.Person, "李雷", "Li Lei", match.Near},
		{match.Person, "李雷", "Lei Li", match.Near},
		{match.Person, "李雷", "ＬＩＬＥＩ", match.Near},
		{match.Person, "李雷先生", "李雷", match.Same},
		{match.Person, "欧阳娜娜", "Nana Ouyang", match.Near},
		{match.Person, "曾国藩", "Zeng Guofan", match.Near},   // a surname's own reading
		{match.Person, "单田芳", "Shan Tianfang", match.Near}, // and not dan
		{match.Person, "张三丰", "张三峰", match.Near},           // read alike
		{match.Person, "王伟", "王芳", match.Differ},
		{match.Person, "王伟", "Li Lei", match.Differ},

		{match.Company, "Acme Inc.", "ACME Corporation", match.Same},
		{match.Company, "Smith & Sons Ltd", "Smith and Sons", match.Same},
		{match.Company, "The Intl. Mfg. Co.", "International Manufacturing", match.Same},
		{match.Company, "Müller GmbH & Co. KG", "Muller", match.Same},
		{match.Company, "Banco S.A.", "Banco", match.Same},
		{match.Company, "Hotel Bel-Air", "Bel-Air Hotel", match.Same},
		{match.Company, "IBM", "International Business Machines", match.Close},
		{match.Company, "深圳市腾讯计算机系统有限公司", "深圳市腾讯计算机系统", match.Same},
		{match.Company, "阿里巴巴集团", "Alibaba", match.Near},
		{match.Company, "The Company", "Company Ltd", match.Distant}, // nothing but forms: kept
		{match.Company, "Acme", "Globex", match.Differ},

		{match.Address, "435 S. La Cienega Blvd.", "435 South La Cienega Boulevard", match.Same},
		{match.Address, "102 Fifth Ave", "102 5th Avenue", match.Same},
		{match.Address, "12 Main Street", "14 Main Street", match.Distant},
		{match.Address, "Apartment 5, 12 Main Street", "12 Main St Unit 5", match.Same},
		{match.Address, "cockcroft avenue", "cockcroftavenue", match.Distant},

		{match.Place, "New York", "New York City", match.Close},
		{match.Place, "Paradise Waters", "Paradise Awters", match.Near},

		{match.Date, "1990-03-04", "04.03.1990", match.Near},
		{match.Date, "1990-03-04", "19900304", match.Same},
		{match.Date, "1990-03-04", "3/4/1990", match.Same},
		{match.Date, "25.12.1990", "1990-12-25", match.Same},
		{match.Date, "1990-03-04", "1990-03-05", match.Near},
		{match.Date, "1990-03-04", "1990-03-17", match.Close},
		{match.Date, "1990-03-04", "1961-11-28", match.Differ},

		{match.Phone, "+1 (310) 246-1501", "310/246-1501", match.Same},
		{match.Phone, "0049 30 123456", "030 123456", match.Same},
		{match.Phone, "310-246-1501 ext. 12", "310 246 1501", match.Same},
		{match.Phone, "310-246-1501", "310-246-1510", match.Near},
		{match.Phone, "310-246-1501", "212-555-0100", match.Differ},

		{match.Email, "Ada.Lovelace+shop@googlemail.com", "adalovelace@gmail.com", match.Same},
		{match.Email, "ada.lovelace@example.com", "adalovelace@example.com", match.Near},
		{match.Email, "ada.lovelace@example.com", "ada.lovelace@example.org", match.Close},
		{match.Email, "ada@example.com", "charles@example.com", match.Distant},
		{match.Email, "ada@qq.com", "charles@qq.com", match.Differ},

		{match.Web, "https://www.example.com/about", "example.com", match.Same},
		{match.ID, "DE 811.907.980", "de811907980", match.Same},
		{match.ID, "7364009", "7364090", match.Near},
		{match.ID, "7364009", "1920394", match.Differ},
		{match.Code, "90048-1234", "90048", match.Close},
		{match.Code, "4814", "4184", match.Near},
		{match.Category, "nsw", "NSW", match.Same},
		{match.Category, "nsw", "vic", match.Differ},
		{match.Text, "steak house", "steakhouse", match.Same},
		{match.Text, "", "steakhouse", match.Missing},
		{match.Text, "n/a", "steakhouse", match.Missing},
	} {
		level, why, err := match.Compare(c.kind, c.a, c.b, pinyin.Readings)
		require.NoError(t, err)
		require.Equal(t, c.want, level, "%s: %q and %q: %s", c.kind, c.a, c.b, why)
		back, _, err := match.Compare(c.kind, c.b, c.a, pinyin.Readings)
		require.NoError(t, err)
		require.Equal(t, level, back, "%s: %q and %q, the other way round", c.kind, c.a, c.b)
	}
}

// Any two texts can be compared as anything, either way round, and a text is the same as
// itself.
func TestAnythingCanBeCompared(t *testing.T) {
	t.Parallel()
	kinds := []match.Kind{
		match.Given, match.Family, match.Person, match.Company, match.Address, match.Place, match.Code, match.Category, match.Date,
		match.Phone, match.Email, match.Web, match.ID, match.Text,
	}
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-c李雷 .,@'0-9-]{0,12}`))
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		one, _, err := match.Compare(kind, a, b, pinyin.Readings)
		require.NoError(t, err)
		other, _, err := match.Compare(kind, b, a, pinyin.Readings)
		require.NoError(t, err)
		require.Equal(t, one, other)
		self, _, err := match.Compare(kind, a, a, pinyin.Readings)
		require.NoError(t, err)
		require.Contains(t, []match.Level{match.Same, match.Missing}, self)
	})
}

func records(t *testing.T, fields []match.Field, rows ...[]string) *match.Records {
	t.Helper()
	r, err := match.NewRecords(fields...)
	require.NoError(t, err)
	r.ReadBy(pinyin.Readings)
	for _, row := range rows {
		_, err := r.Add(row...)
		require.NoError(t, err)
	}
	return r
}

func TestTheSameRecordsGiveTheSame(t *testing.T) {
	t.Parallel()
	l := newWorld(3).people(250, .5, spoiling{errors: 4, copies: 2})
	var models, found []string
	for range 2 {
		r := records(t, personFields(), l.rows...)
		m, err := match.Learn(t.Context(), r, match.Options{})
		require.NoError(t, err)
		clusters, err := match.Find(t.Context(), r, m, match.Options{})
		require.NoError(t, err)
		text, err := json.Marshal(m)
		require.NoError(t, err)
		models, found = append(models, string(text)), append(found, fmt.Sprint(clusters))
	}
	require.Equal(t, models[0], models[1])
	require.Equal(t, found[0], found[1])
}

// A model is kept as JSON, and is the same when it is read.
func TestAModelIsKept(t *testing.T) {
	t.Parallel()
	r := records(t, personFields(), newWorld(1).people(100, .5, spoiling{errors: 2, copies: 1}).rows...)
	m, err := match.Learn(t.Context(), r, match.Options{})
	require.NoError(t, err)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	var read match.Model
	require.NoError(t, json.Unmarshal(text, &read))
	want, err := match.FindPairs(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	got, err := match.FindPairs(t.Context(), r, &read, match.Options{})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NotEmpty(t, got)
}

// A chain of likenesses from one person to quite another is no cluster.
func TestAChainIsNoCluster(t *testing.T) {
	t.Parallel()
	fields := []match.Field{{Name: "name", Kind: match.Person}, {Name: "mail", Kind: match.Email}, {Name: "born", Kind: match.Date}, {Name: "phone", Kind: match.Phone}}
	r := records(t, fields,
		[]string{"Ada Lovelace", "ada@example.com", "1815-12-10", ""},
		[]string{"Ada Lovelace", "ada@example.com", "", "+44 20 555 0100"},
		[]string{"", "", "1791-12-26", "+44 20 555 0100"}, // the same office
		[]string{"Charles Babbage", "cb@example.org", "1791-12-26", "+44 20 555 0100"},
	)
	m, err := match.Usual(.001, fields...)
	require.NoError(t, err)
	clusters, err := match.Find(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	require.Len(t, clusters, 2)
	require.Equal(t, []int{0, 1}, clusters[0].Records)
	require.Equal(t, []int{2, 3}, clusters[1].Records)
}

// What a household shares says that they are one household, and no more.
func TestAHouseholdIsNotOnePerson(t *testing.T) {
	t.Parallel()
	fields := personFields()
	row := func(given, birth string) []string {
		return []string{given, "Lovelace", "12", "St James's Square", "", "London", "SW1Y", "", birth, ""}
	}
	r := records(t, fields, row("Ada", "1815-12-10"), row("Byron", "1836-05-12"), row("Ada", "1815-10-12"))
	m, err := match.Usual(.001, fields...)
	require.NoError(t, err)
	clusters, err := match.Find(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	require.Len(t, clusters, 1)
	require.Equal(t, []int{0, 2}, clusters[0].Records)
	why, err := match.Explain(r, m, 0, 1)
	require.NoError(t, err)
	require.True(t, why.Capped)
	require.Less(t, why.Probability, .1)
}

// Blocks stay small where a value is frequent, and still find those who share it.
func TestFrequentValuesAreStillFound(t *testing.T) {
	t.Parallel()
	fields := []match.Field{{Name: "name", Kind: match.Person}, {Name: "city", Kind: match.Place}, {Name: "born", Kind: match.Date}}
	r, err := match.NewRecords(fields...)
	require.NoError(t, err)
	r.ReadBy(pinyin.Readings)
	w := newWorld(9)
	const n = 3000
	for i := range n { // two surnames, two cities, and each person twice
		first := w.surnames[i/2%600] + " wang"
		_, err := r.Add(first, []string{"beijing", "shanghai"}[i/2%2], fmt.Sprintf("%d-%02d-%02d", 1950+i/2%50, 1+i/2%12, 1+i/2%28))
		require.NoError(t, err)
	}
	m, err := match.Learn(t.Context(), r, match.Options{})
	require.NoError(t, err)
	pairs, err := match.FindPairs(t.Context(), r, m, match.Options{})
	require.NoError(t, err)
	found := 0
	for _, p := range pairs {
		if p.A/2 == p.B/2 {
			found++
		}
	}
	require.Greater(t, found, n/2*95/100)
}

func TestProgressAndCancel(t *testing.T) {
	t.Parallel()
	r := records(t, personFields(), newWorld(2).people(1200, .2, spoiling{errors: 2, copies: 1}).rows...)
	var steps []int64
	m, err := match.Learn(t.Context(), r, match.Options{Progress: func(done, total int64) {
		require.LessOrEqual(t, done, total)
		steps = append(steps, done)
	}})
	require.NoError(t, err)
	require.NotEmpty(t, steps)
	require.IsIncreasing(t, steps)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = match.Find(ctx, r, m, match.Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = match.Learn(ctx, r, match.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	name := match.Field{Name: "name", Kind: match.Person}
	refused := func(err error, text string) {
		t.Helper()
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, text)
	}
	_, err := match.NewRecords()
	refused(err, "fields: are 0")
	_, err = match.NewRecords(match.Field{Name: "x", Kind: "colour"})
	refused(err, `x is of the kind "colour"`)
	_, _, err = match.Compare("colour", "red", "blue", pinyin.Readings)
	refused(err, "kind")
	_, err = match.Usual(2, name)
	refused(err, "prior: is 2")
	r := records(t, []match.Field{name}, []string{"Ada"}, []string{"Bob"})
	_, err = r.Add("Ada", "1815")
	refused(err, "values: are 2: there are 1 fields")
	m, err := match.Usual(.01, name)
	require.NoError(t, err)
	_, err = match.Find(t.Context(), r, m, match.Options{Threshold: 1})
	refused(err, "threshold: is 1")
	_, err = match.Explain(r, m, 0, 2)
	refused(err, "records: are 0 and 2")
	other, err := match.Usual(.01, match.Field{Name: "mail", Kind: match.Email})
	require.NoError(t, err)
	_, err = match.Find(t.Context(), r, other, match.Options{})
	refused(err, "was made for other fields")
	_, err = r.Add("Eve")
	refused(err, "before they are compared")
	m.Fields[0].Given = 3
	_, err = match.Find(t.Context(), r, m, match.Options{})
	refused(err, "name is given 3")
}

func TestFewRecordsAreFine(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		r := records(t, []match.Field{{Name: "name", Kind: match.Person}}, [][]string{{"Ada"}, {"Ada"}, {""}}[:min(n, 3)]...)
		m, err := match.Learn(t.Context(), r, match.Options{})
		require.NoError(t, err)
		_, err = match.Find(t.Context(), r, m, match.Options{})
		require.NoError(t, err)
	}
}

func TestWhatAColumnHolds(t *testing.T) {
	t.Parallel()
	numbered := func(form string) (list []string) {
		for i := range 40 {
			list = append(list, fmt.Sprintf(form, i))
		}
		return list
	}
	for _, c := range []struct {
		values []string
		want   match.Kind
		helps  bool
	}{
		{nil, "", false},
		{[]string{"", "n/a"}, "", false},
		{[]string{"DE", "DE", "DE"}, "", false},
		{numbered("%03d"), "", false},
		{numbered("550e8400-e29b-41d4-a716-4466554400%02d"), "", false},
		{numbered("u%d@example.com"), match.Email, true},
		{append(numbered("19%02d0504"), "19340101"), match.Date, true},
		{append(numbered("73640%02d"), "7364012"), match.ID, true},
		{append(numbered("%d"), "7"), match.Code, true},
		{strings.Fields(strings.Repeat("red green blue ", 20)), match.Category, true},
		{append(numbered("a thing %d"), "a thing"), match.Text, true},
	} {
		kind, ok := match.Guess(c.values)
		require.Equal(t, c.helps, ok, "%v", c.values)
		require.Equal(t, c.want, kind, "%v", c.values)
	}
	require.Equal(t, match.Person, match.GuessName([]string{"Ada Lovelace", "Charles Babbage", "Mary Ann Evans", "李雷", "王小波"}))
	require.Equal(t, match.Company, match.GuessName([]string{"Acme Inc", "Globex Corporation", "Bluth Company"}))
	require.Equal(t, match.Company, match.GuessName([]string{"腾讯计算机系统有限公司", "阿里巴巴"}))
	require.Equal(t, match.Company, match.GuessName([]string{"Chinois on Main", "9 Jones Street", "Fenix"}))
}
