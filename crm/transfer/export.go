package transfer

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Sink takes the rows of an export: first its headings, then a row for each record.
type Sink interface {
	Write(cells []string) error
	// Close writes what is left. After it nothing is written.
	Close() error
}

// Export writes the records of a kind to a sink, those that the options choose, and
// returns how many. It takes the right to export, and passes over what that does not
// reach; fields the actor may not read are absent. Records are read and written page by
// page, so that any number of them takes little memory.
//
// Fields are those to write, in this order; without any all but version, updated and
// deleted. What is written imports back to the same records: their ids are in the first
// column, amounts name their currency, and times are in UTC.
func (t *Transfer) Export(ctx context.Context, object string, fields []string, to Sink, opts ...crm.ListOption) (int64, error) {
	k, err := t.kind(ctx, object)
	if err != nil {
		return 0, err
	}
	if len(fields) == 0 {
		for _, f := range k.fields {
			if f.Name != "version" && f.Name != "updated" && f.Name != "deleted" {
				fields = append(fields, f.Name)
			}
		}
	}
	for _, name := range fields {
		if k.byName[name] == nil && !strings.HasPrefix(name, "refs.") {
			return 0, crm.Invalid("fields", "%s has no field %q that you may read", object, name)
		}
	}
	begun, n := false, int64(0)
	for v, err := range k.Export(ctx, opts...) {
		if err != nil {
			return n, err
		}
		if !begun {
			begun = true
			if err := to.Write(fields); err != nil {
				return n, err
			}
		}
		cells := make([]string, len(fields))
		for i, name := range fields {
			if cells[i], err = cellOf(v, name); err != nil {
				return n, err
			}
		}
		if err := to.Write(cells); err != nil {
			return n, err
		}
		n++
	}
	if !begun {
		if err := to.Write(fields); err != nil {
			return n, err
		}
	}
	return n, to.Close()
}

// cellOf is a field of a record as text.
func cellOf(v crm.Values, name string) (string, error) {
	if name == "refs" {
		refs := map[string]string{}
		for field, key := range v {
			if source, ok := strings.CutPrefix(field, "refs."); ok {
				refs[source], _ = key.(string)
			}
		}
		if len(refs) == 0 {
			return "", nil
		}
		b, err := json.Marshal(refs)
		return string(b), err
	}
	switch x := v[name].(type) {
	case nil:
		return "", nil
	case string:
		return guard(x), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case bool:
		return strconv.FormatBool(x), nil
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano), nil
	case []string:
		if slices.ContainsFunc(x, func(tag string) bool {
			return strings.ContainsAny(tag, ",;|[\n，、；") || strings.Contains(tag, ":::") || strings.HasPrefix(tag, "* ")
		}) {
			b, err := json.Marshal(x)
			return string(b), err
		}
		return guard(strings.Join(x, ", ")), nil
	case json.RawMessage:
		return guard(string(x)), nil
	case fmt.Stringer: // an id, a date, an amount with its currency
		return x.String(), nil
	}
	return "", crm.Invalid(name, "holds what has no form in a table")
}

// guard puts an apostrophe before a text that a spreadsheet would take for a formula, and
// before one that begins with an apostrophe, so that it is known which to take off.
func guard(text string) string {
	if text != "" && strings.IndexByte("=+-@\t\r'", text[0]) >= 0 {
		return "'" + text
	}
	return text
}

// CSVWriter writes a table as delimited text.
type CSVWriter struct{ w *csv.Writer }

var _ Sink = (*CSVWriter)(nil)

// WriteCSV returns a sink that writes delimited text in UTF-8 as RFC 4180 has it; a
// delimiter of 0 is a comma. A byte order mark stands first, without which Excel takes
// the file for one in an encoding of the country.
func WriteCSV(w io.Writer, delimiter byte) (*CSVWriter, error) {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return nil, err
	}
	c := &CSVWriter{csv.NewWriter(w)}
	if delimiter != 0 {
		c.w.Comma = rune(delimiter)
	}
	return c, nil
}

// Write writes a row.
func (c *CSVWriter) Write(cells []string) error { return c.w.Write(cells) }

// Close writes what is left in memory. The writer below stays open.
func (c *CSVWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}
