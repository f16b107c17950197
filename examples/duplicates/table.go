package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm/pinyin"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
	"github.com/embedcrm/embedcrm/customers/match"
)

// table is a file in memory, by column.
type table struct {
	headings []string
	columns  [][]string
	lines    []int // where the rows are in the file
}

func readTable(name string) (*table, error) {
	file, err := os.Open(name) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	source, err := transfer.ReadCSV(file, transfer.CSVOptions{})
	if err != nil {
		return nil, err
	}
	t := &table{headings: source.Headings()}
	t.columns = make([][]string, len(t.headings))
	for {
		row, err := source.Next()
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return nil, err
		}
		t.lines = append(t.lines, row.Line)
		for i := range t.columns {
			cell := "" // of a row that is too short
			if i < len(row.Cells) {
				cell = strings.TrimSpace(row.Cells[i])
			}
			t.columns[i] = append(t.columns[i], cell)
		}
	}
}

// column is where a heading is; -1 if there is none.
func (t *table) column(name string) int {
	return slices.IndexFunc(t.headings, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), strings.TrimSpace(name)) })
}

var copyMark = regexp.MustCompile(`^(.+?)[-_ ](?:org|dup)(?:[-_ ]?\d+)?$`)

// entities says of each row which entity it is; nil without a column of the truth.
func (t *table) entities(name, pattern string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	i := t.column(name)
	if i < 0 {
		return nil, fmt.Errorf("-truth: there is no column %q among %s", name, strings.Join(t.headings, ", "))
	}
	list := slices.Clone(t.columns[i])
	within := copyMark
	if pattern != "" {
		var err error
		if within, err = regexp.Compile(pattern); err != nil {
			return nil, fmt.Errorf("-truth-pattern: %w", err)
		}
		if within.NumSubexp() == 0 {
			return nil, errors.New("-truth-pattern: has no group: put the part that is the entity in brackets")
		}
	}
	if pattern != "" || allDifferent(list) {
		for i, text := range list {
			if m := within.FindStringSubmatch(text); m != nil {
				list[i] = m[1]
			}
		}
	}
	for i, text := range list {
		if text == "" { // nobody knows: an entity by itself
			list[i] = fmt.Sprintf("row %d", i)
		}
	}
	return list, nil
}

func allDifferent(list []string) bool {
	seen := map[string]bool{}
	for _, s := range list {
		if seen[s] {
			return false
		}
		seen[s] = true
	}
	return true
}

// records are the rows, of the columns that help, without the truth.
func (t *table) records(truth string, w io.Writer) (*match.Records, error) {
	var fields []match.Field
	var columns []int
	meanings := heading.Guess(t.headings)
	fmt.Fprintf(w, "%d rows, compared by\n", len(t.lines))
	for i, h := range t.headings {
		if kind, ok := kindOf(meanings[i].Role, t.columns[i]); ok && i != t.column(truth) {
			fmt.Fprintf(w, "  %-20s as %s\n", h, kind)
			fields = append(fields, match.Field{Name: h, Kind: kind})
			columns = append(columns, i)
		}
	}
	fmt.Fprintln(w)
	r, err := match.NewRecords(fields...)
	if err != nil {
		return nil, err
	}
	r.ReadBy(pinyin.Readings)
	row := make([]string, len(columns))
	for n := range t.lines {
		for i, c := range columns {
			row[i] = t.columns[c][n]
		}
		if _, err := r.Add(row...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// kindOf is how a column is compared, by what its heading means and what is in it; false
// if it does not help.
func kindOf(role heading.Role, values []string) (match.Kind, bool) {
	guessed, ok := match.Guess(values)
	if !ok {
		return "", false
	}
	switch role {
	case heading.GivenName, heading.MiddleName:
		return match.Given, true
	case heading.FamilyName:
		return match.Family, true
	case heading.FullName, heading.Title:
		return match.GuessName(values), true
	case heading.Organisation:
		return match.Company, true
	case heading.Street, heading.Street2, heading.Address:
		return match.Address, true
	case heading.City, heading.District:
		return match.Place, true
	case heading.Postcode, heading.HouseNumber, heading.PostBox:
		return match.Code, true
	case heading.State, heading.Country, heading.Gender, heading.Industry, heading.Language:
		return match.Category, true
	case heading.Phone, heading.Mobile, heading.Fax:
		return match.Phone, true
	case heading.Birthday:
		return match.Date, true
	case heading.Website:
		return match.Web, true
	case heading.NationalID, heading.TaxID:
		return match.ID, true
	case heading.ExternalID, heading.Created, heading.Updated: // of the row, not of the entity
		return guessed, guessed != match.Date && !allDifferent(values)
	}
	return guessed, true
}
