package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/embedcrm/embedcrm/crm"
)

// data is what the four files hold.
type data struct {
	accounts      []account
	products      []product
	agents        []agent
	opportunities []opportunity
}

// account is a line of accounts.csv.
type account struct {
	name, sector, location, parent string
	founded, employees             int64
	revenue                        crm.Money
}

// product is a line of products.csv.
type product struct {
	name, series string
	price        crm.Money
}

// agent is a line of sales_teams.csv.
type agent struct{ name, manager, office string }

// opportunity is a line of sales_pipeline.csv. Dates and value may be absent.
type opportunity struct {
	id, agent, product, account, stage string
	engaged, closed                    crm.Date
	value                              crm.Money
}

// files reads a file by its name: from a directory, or of the sample.
type files func(name string) ([]byte, error)

// readData reads the four files.
func readData(from files) (*data, error) {
	d := &data{}
	return d, errors.Join(
		read(from, "accounts.csv", &d.accounts, func(r *row) account {
			return account{
				name: r.text("account"), sector: r.text("sector"), location: r.text("office_location"), parent: r.text("subsidiary_of"),
				founded: r.number("year_established"), employees: r.number("employees"), revenue: r.millions("revenue"),
			}
		}),
		read(from, "products.csv", &d.products, func(r *row) product {
			return product{name: r.text("product"), series: r.text("series"), price: r.dollars("sales_price")}
		}),
		read(from, "sales_teams.csv", &d.agents, func(r *row) agent {
			return agent{name: r.text("sales_agent"), manager: r.text("manager"), office: r.text("regional_office")}
		}),
		read(from, "sales_pipeline.csv", &d.opportunities, func(r *row) opportunity {
			return opportunity{
				id: r.text("opportunity_id"), agent: r.text("sales_agent"), product: r.text("product"), account: r.text("account"),
				stage: r.text("deal_stage"), engaged: r.date("engage_date"), closed: r.date("close_date"), value: r.dollars("close_value"),
			}
		}),
	)
}

// read appends to list what each line of a file is.
func read[T any](from files, name string, list *[]T, of func(*row) T) error {
	content, err := from(name)
	if err != nil {
		return err
	}
	c := csv.NewReader(bytes.NewReader(content))
	c.ReuseRecord = true
	heading, err := c.Read()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r := row{heading: slices.Clone(heading)}
	for {
		if r.cells, err = c.Read(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			*list = append(*list, of(&r))
			err = r.err
		}
		if err != nil {
			line, _ := c.FieldPos(0)
			return fmt.Errorf("%s, line %d: %w", name, line, err)
		}
	}
}

// row is a line being read. The first thing wrong with it stays.
type row struct {
	heading, cells []string
	err            error
}

func (r *row) text(column string) string {
	if i := slices.Index(r.heading, column); i >= 0 {
		return r.cells[i]
	}
	r.fail(column, errors.New("there is no such column"))
	return ""
}

func (r *row) number(column string) int64 {
	n, err := strconv.ParseInt(r.text(column), 10, 64)
	r.fail(column, err)
	return n
}

func (r *row) date(column string) (d crm.Date) {
	if text := r.text(column); text != "" {
		var err error
		d, err = crm.ParseDate(text)
		r.fail(column, err)
	}
	return d
}

func (r *row) dollars(column string) (m crm.Money) {
	if text := r.text(column); text != "" {
		var err error
		m, err = crm.ParseAmount(text, "USD")
		r.fail(column, err)
	}
	return m
}

// millions reads an amount in millions of dollars.
func (r *row) millions(column string) crm.Money {
	m, err := r.dollars(column).Mul(1_000_000, 1)
	r.fail(column, err)
	return m
}

func (r *row) fail(column string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", column, err)
	}
}
