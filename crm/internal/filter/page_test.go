package filter_test

import (
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

// pageTable is a table of docs/expressions.md.
type pageTable struct {
	heading string
	columns []string
	rows    [][]string
}

// page reads the tables of docs/expressions.md. Code in a cell loses its backticks.
func page(t *testing.T) (tables []pageTable) {
	t.Helper()
	data, err := os.ReadFile("../../../docs/expressions.md")
	require.NoError(t, err)
	heading, inTable := "", false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		case strings.HasPrefix(line, "|---"):
		case strings.HasPrefix(line, "|") && !inTable:
			tables = append(tables, pageTable{heading: heading, columns: cells(line)})
		case strings.HasPrefix(line, "|"):
			last := &tables[len(tables)-1]
			last.rows = append(last.rows, cells(line))
			require.Len(t, cells(line), len(last.columns), line)
		}
		inTable = strings.HasPrefix(line, "|")
	}
	return tables
}

func cells(line string) []string {
	line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00")
	var list []string
	for cell := range strings.SplitSeq(line, "|") {
		cell = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|")
		if len(cell) > 1 && cell[0] == '`' && strings.Count(cell, "`") == 2 && strings.HasSuffix(cell, "`") {
			cell = cell[1 : len(cell)-1]
		}
		list = append(list, cell)
	}
	return list
}

func (p pageTable) cell(row []string, column string) string {
	if i := slices.Index(p.columns, column); i >= 0 {
		return row[i]
	}
	return ""
}

// pageEnv is the moment the page speaks of.
func pageEnv() filter.Env {
	e := env()
	e.Now = utc("2026-04-02T10:30:00Z")
	return e
}

// TestThePageIsTrue evaluates the truth tables of docs/expressions.md.
func TestThePageIsTrue(t *testing.T) {
	t.Parallel()
	evaluated := 0
	for _, table := range page(t) {
		if !slices.Contains(table.columns, "result") {
			continue
		}
		for _, row := range table.rows {
			evaluated++
			text, given, want := table.cell(row, "expression"), table.cell(row, "row"), table.cell(row, "result")
			name := table.heading + ": " + text + " of " + given
			got, err := evaluate(t, text, pageArgs(t, table.cell(row, "arguments")), given)
			if want == "refused" {
				require.ErrorIs(t, err, storage.ErrInvalid, name)
				continue
			}
			require.NoError(t, err, name)
			require.Equal(t, want, strconv.FormatBool(got), name)
		}
	}
	require.Greater(t, evaluated, 100)
}

// TestThePageRefuses holds what the page says is refused to the error it gives.
func TestThePageRefuses(t *testing.T) {
	t.Parallel()
	refused := 0
	for _, table := range page(t) {
		if !slices.Contains(table.columns, "because") {
			continue
		}
		for _, row := range table.rows {
			refused++
			_, err := evaluate(t, row[0], nil, "")
			require.ErrorIs(t, err, storage.ErrInvalid, row[0])
			require.ErrorContains(t, err, row[1], row[0])
			var detail *filter.Error
			require.ErrorAs(t, err, &detail)
			require.LessOrEqual(t, detail.Pos, len(row[0]))
			require.GreaterOrEqual(t, detail.Pos, 0, row[0])
		}
	}
	require.Greater(t, refused, 30)
}

// TestThePageCompiles compiles every example, value and function of the page.
func TestThePageCompiles(t *testing.T) {
	t.Parallel()
	functions := regexp.MustCompile("`([a-zA-Z]+)\\(")
	seen := map[string]bool{}
	for _, table := range page(t) {
		switch table.heading {
		case "Examples":
			for _, row := range table.rows {
				_, err := evaluate(t, row[1], nil, "")
				require.NoError(t, err, row[1])
			}
		case "Functions":
			for _, row := range table.rows {
				for _, match := range functions.FindAllStringSubmatch("`"+row[0]+"`", -1) {
					seen[match[1]] = true
				}
			}
		case "Limits":
			want := []int{filter.MaxText, filter.MaxNodes, storage.MaxDepth, filter.MaxRelations, storage.MaxValues, filter.MaxArgs}
			for i, row := range table.rows {
				require.Equal(t, strconv.Itoa(want[i]), row[1], row[0])
			}
		}
	}
	require.Equal(t, []string{"ago", "all", "any", "count", "date", "fold", "fromNow", "id", "me", "money", "none", "now", "time", "today"}, slices.Sorted(maps.Keys(seen)))
}

// evaluate asks an expression of the one deal that a row of the page describes.
func evaluate(t *testing.T, text string, args []any, given string) (bool, error) {
	t.Helper()
	o := newObjects()
	parsed, err := filter.Parse(text)
	if err != nil {
		return false, err
	}
	where, err := parsed.Compile(o.deal, args, pageEnv())
	if err != nil {
		return false, err
	}
	rows := pageRow(t, o, given)
	return storage.Match(where, source{rows, o.deal.table, rows[o.deal.table][0]}), nil
}

// pageRow reads the description of a deal: name = value; …
func pageRow(t *testing.T, o objects, given string) memory {
	t.Helper()
	empty := func(n byte) *record {
		return &record{id: uuid.UUID{15: n}, fields: map[string]any{}, custom: map[string]any{}, keys: map[string]uuid.UUID{}}
	}
	deal, person, purchase := empty(1), empty(2), empty(3)
	m := memory{}
	for part := range strings.SplitSeq(given, ";") {
		if given == "" {
			break
		}
		name, value, ok := strings.Cut(part, "=")
		require.True(t, ok, given)
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		r, of := deal, o.deal
		if rest, ok := strings.CutPrefix(name, "person."); ok {
			r, of, name, deal.keys["person_id"] = person, o.person, rest, person.id
		} else if rest, ok := strings.CutPrefix(name, "purchases."); ok {
			r, of, name, purchase.keys["deal_id"] = purchase, o.purchase, rest, deal.id
		}
		switch custom, isCustom := strings.CutPrefix(name, "custom."); {
		case name == "deleted":
			r.deleted = value == "true"
		case isCustom:
			r.custom[custom] = pageValue(t, of.custom[custom], value)
		default:
			require.Contains(t, of.fields, name, given)
			r.fields[name] = pageValue(t, of.fields[name], value)
		}
	}
	m[o.deal.table] = []storage.Values{o.deal.row(deal)}
	m[o.person.table] = []storage.Values{o.person.row(person)}
	m[o.purchase.table] = []storage.Values{o.purchase.row(purchase)}
	return m
}

func pageValue(t *testing.T, f filter.Field, s string) any {
	t.Helper()
	switch f.Type {
	case filter.Text:
		return s[1 : len(s)-1]
	case filter.Int:
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		return n
	case filter.Bool:
		return s == "true"
	case filter.ID:
		require.Equal(t, "me", s)
		return ids()[0]
	case filter.Time:
		return utc(s)
	case filter.Date:
		d, err := storage.ParseDate(s)
		require.NoError(t, err)
		return d
	case filter.Money:
		return pageMoney(t, s)
	case filter.Decimal:
		return rat(s)
	case filter.Tags:
		list := []string{}
		for tag := range strings.SplitSeq(strings.Trim(s, "[]"), ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				list = append(list, tag)
			}
		}
		return list
	}
	t.Fatalf("no value of %v", f.Type)
	return nil
}

func pageMoney(t *testing.T, s string) filter.Amount {
	t.Helper()
	amount, currency, _ := strings.Cut(s, " ")
	minor, err := money(amount, currency)
	require.NoError(t, err, s)
	return filter.Amount{Minor: minor, Currency: currency}
}

// pageArgs reads the arguments of a row by their form.
func pageArgs(t *testing.T, s string) (args []any) {
	t.Helper()
	for _, form := range regexp.MustCompile(`\[[^\]]*\]|[^,\s[][^,]*`).FindAllString(s, -1) {
		form = strings.TrimSpace(form)
		if form == "" {
			continue
		}
		inner := strings.Trim(form, "[]")
		switch {
		case strings.HasPrefix(form, "['"):
			list := []string{}
			for item := range strings.SplitSeq(inner, ",") {
				list = append(list, strings.Trim(item, " '"))
			}
			args = append(args, list)
		case strings.HasPrefix(form, "["):
			list := []int64{}
			for item := range strings.SplitSeq(inner, ",") {
				n, err := strconv.ParseInt(strings.TrimSpace(item), 10, 64)
				require.NoError(t, err)
				list = append(list, n)
			}
			args = append(args, list)
		case strings.HasPrefix(form, "'"):
			args = append(args, strings.Trim(form, "'"))
		case strings.HasSuffix(form, "EUR"):
			args = append(args, pageMoney(t, form))
		default:
			if d, err := storage.ParseDate(form); err == nil {
				args = append(args, d)
				continue
			}
			n, ok := new(big.Int).SetString(form, 10)
			require.True(t, ok, form)
			args = append(args, n.Int64())
		}
	}
	return args
}
