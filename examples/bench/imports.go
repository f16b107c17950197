package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
)

// writer brings customers in who are not there: as a list, or as the text of a file.
type writer func(ctx context.Context, list []buyer, text []byte) (int, error)

// importLayer measures an import of CSV beside the bare writing of the same customers in bulk, by the same crm and by SQL
// by hand. The bare sides are given the values; the import reads and understands the text, and keeps how far it is after
// each thousand rows.
func (c config) importLayer(ctx context.Context, engine string, w *crmWorld, say func(format string, args ...any)) error {
	bare := func(s crmSide) writer {
		return func(ctx context.Context, list []buyer, _ []byte) (int, error) {
			kept, err := s.createAll(ctx, bulk, list)
			return len(kept), err
		}
	}
	for _, line := range []struct {
		name string
		base writer
	}{{"bulk import beside crm bulk create", bare(w.ours)}, {"bulk import beside SQL", bare(w.base)}} {
		ready := func(n int) (func(writer, int) error, error) { return w.imports(ctx, n, batch) }
		ours := turns(ctx, line.name, "ours", writer(w.imported), w.database, w.chance, ready)
		base := turns(ctx, line.name, "base", line.base, w.database, w.chance, ready)
		if err := c.measure(engine, line.name, batch, ours, base, say); err != nil {
			return err
		}
	}
	return nil
}

// imports makes n files of so many customers for a tenant who has none.
func (w *crmWorld) imports(ctx context.Context, n, many int) (func(writer, int) error, error) {
	if err := w.clear(ctx); err != nil {
		return nil, err
	}
	keys := map[crm.ID]string{}
	for i, id := range w.owners[bulk] {
		keys[id] = ownerKey(i)
	}
	lists, texts := make([][]buyer, n), make([][]byte, n)
	for i := range lists {
		lists[i] = w.buyers(bulk, many)
		var err error
		if texts[i], err = csvOf(lists[i], keys); err != nil {
			return nil, err
		}
	}
	return func(by writer, i int) error {
		made, err := by(ctx, lists[i], texts[i])
		return expect(made, many, err)
	}, nil
}

// csvOf writes customers as a file would have them. Absent values are empty cells.
func csvOf(list []buyer, owners map[crm.ID]string) ([]byte, error) {
	var text bytes.Buffer
	to := csv.NewWriter(&text)
	_ = to.Write(strings.Split("name,email,phone,company,city,country,stage,source,score,employees,revenue,since,note,owner,number,size", ","))
	for i := range list {
		b := &list[i]
		employees := ""
		if b.Employees != nil {
			employees = strconv.FormatInt(*b.Employees, 10)
		}
		x := extrasOf(b)
		_ = to.Write([]string{
			b.Name, b.Email, b.Phone, b.Company, b.City, b.Country, b.Stage, b.Source, strconv.FormatInt(b.Score, 10), employees,
			fmt.Sprintf("%d.%02d", b.Revenue.Minor/100, b.Revenue.Minor%100), b.Since.String(), b.Note, owners[b.OwnerID],
			strconv.FormatInt(x.Number, 10), x.Size,
		}) // Error tells
	}
	to.Flush()
	return text.Bytes(), to.Error()
}

// imported brings a text in as a host does.
func (w *crmWorld) imported(ctx context.Context, _ []buyer, text []byte) (int, error) {
	ctx = as(ctx, bulk, clerk)
	src, err := transfer.ReadCSV(bytes.NewReader(text), transfer.CSVOptions{})
	if err != nil {
		return 0, err
	}
	plan, rows, err := w.core.transfer.Plan(ctx, src, transfer.Plan{
		Object: "customer", Mode: transfer.Create, Currency: "EUR", Columns: []transfer.Column{
			{Heading: "owner", Field: "owner_id"}, {Heading: "number", Field: "custom.number"}, {Heading: "size", Field: "custom.size"},
		},
	})
	if err != nil {
		return 0, err
	}
	for _, column := range plan.Columns {
		if column.Field == "" {
			return 0, fmt.Errorf("%s: %s", column.Heading, column.Note)
		}
	}
	report, err := w.core.transfer.Import(ctx, rows, plan, transfer.Options{})
	if err == nil && len(report.Faults) > 0 {
		err = fmt.Errorf("line %d: %s", report.Faults[0].Line, report.Faults[0].Reason)
	}
	return int(report.Created), err
}
