package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// company and deal are kinds of records of a host's own, those of the kernel's tests.
type company struct {
	crm.Record

	Name      string   `crm:"required,max=200,fold,sort,search"     json:"name"`
	Email     string   `crm:"unique,max=254,personal"               json:"email,omitempty"`
	Country   string   `crm:"max=2"                                 json:"country,omitempty"`
	ParentID  crm.ID   `crm:"ref=company,tree,as=subsidiaries"      json:"parent_id,omitzero"`
	Tags      []string `json:"tags,omitempty"`
	Employees *int64   `json:"employees,omitempty"`
	VIP       bool     `json:"vip,omitempty"`
	Founded   crm.Date `json:"founded,omitzero"`
}

type deal struct {
	crm.Record

	Name      string         `crm:"required,max=200"                            json:"name"`
	CompanyID crm.ID         `crm:"ref=company"                                 json:"company_id,omitzero"`
	Stage     string         `crm:"required,guarded,enum=new|offer|won|lost"    json:"stage"`
	Amount    crm.Money      `json:"amount"`
	Cost      crm.Money      `json:"cost"`
	CloseOn   crm.Date       `crm:"sort"                                        json:"close_on,omitzero"`
	Closed    time.Time      `json:"closed,omitzero"`
	Score     int64          `crm:"sort"                                        json:"score"`
	Notes     map[string]any `crm:"json"                                        json:"notes,omitempty"`
}

// shop is a core with both kinds.
type shop struct {
	*crmtest.Core

	transfer  *transfer.Transfer
	companies *crm.Kind[company]
	deals     *crm.Kind[deal]
}

func (s *shop) define(c *crm.Core) (err error) {
	c.AddLine(storage.Line{Name: "shop", Files: os.DirFS("../testdata/shop"), Needs: map[string]int{"crm": 1}})
	if s.companies, err = crm.Define(c, crm.Object[company]{Name: "company", Plural: "companies"}); err != nil {
		return err
	}
	if s.deals, err = crm.Define(c, crm.Object[deal]{Name: "deal", Initial: func(_ context.Context, w *crm.Write[deal]) error {
		w.After.Stage = "new"
		return nil
	}}); err != nil {
		return err
	}
	s.transfer, err = transfer.New(c)
	return err
}

func newShop(tb testing.TB, store storage.Store) *shop {
	tb.Helper()
	s := &shop{}
	s.Core = crmtest.On(tb, store, crm.Config{}, s.define)
	return s
}

// onBoth runs fn on a shop in either engine.
func onBoth(t *testing.T, fn func(t *testing.T, s *shop)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { fn(t, newShop(t, e.Store)) })
}

func as(tb testing.TB) context.Context {
	tb.Helper()
	return crm.As(tb.Context(), crm.Actor{Tenant: "acme", Member: "dana"})
}

// plan reads a text and completes a plan for it.
func (s *shop) plan(tb testing.TB, text string, p transfer.Plan) (transfer.Plan, transfer.Source) {
	tb.Helper()
	src, err := transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
	require.NoError(tb, err)
	p, rows, err := s.transfer.Plan(as(tb), src, p)
	require.NoError(tb, err)
	return p, rows
}

// bring imports a text, and returns the rows that failed as CSV.
func (s *shop) bring(tb testing.TB, text string, p transfer.Plan) (transfer.Report, string) {
	tb.Helper()
	var failed bytes.Buffer
	p, src := s.plan(tb, text, p)
	report, err := s.transfer.Import(as(tb), src, p, transfer.Options{Errors: &failed})
	require.NoError(tb, err)
	return report, failed.String()
}

// refused is what is wrong with a text as a whole.
func (s *shop) refused(tb testing.TB, text string, p transfer.Plan) error {
	tb.Helper()
	src, err := transfer.ReadCSV(strings.NewReader(text), transfer.CSVOptions{})
	require.NoError(tb, err)
	_, _, err = s.transfer.Plan(as(tb), src, p)
	require.ErrorIs(tb, err, crm.ErrInvalid)
	return err
}

func (s *shop) companyNamed(tb testing.TB, name string) company {
	tb.Helper()
	for c, err := range s.companies.All(as(tb), crm.Where("name == $1", name)) {
		require.NoError(tb, err)
		return c
	}
	require.Fail(tb, "there is no such company", name)
	return company{}
}

// failing is a source that ends with an error before a row.
type failing struct {
	transfer.Source

	after int
}

var errStopped = errors.New("the connection is gone")

func (f *failing) Next() (transfer.Row, error) {
	if f.after == 0 {
		return transfer.Row{}, errStopped
	}
	f.after--
	return f.Source.Next()
}

var _ io.Reader = (*endless)(nil)
