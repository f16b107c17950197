package crm_test

import (
	"context"
	"embed"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// company and deal are kinds of records of a host's own: a struct and two SQL files.
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

// remark belongs to a deal, reply to a remark or to nothing.
type remark struct {
	crm.Record

	DealID crm.ID `crm:"required,ref=deal,parent" json:"deal_id"`
	Text   string `crm:"required,max=200,search"  json:"text"`
	Mood   string `crm:"max=20"                   json:"mood,omitempty"`
}

type reply struct {
	crm.Record

	RemarkID crm.ID `crm:"ref=remark,parent,as=replies" json:"remark_id,omitzero"`
	Text     string `crm:"required,max=200"             json:"text"`
}

// visit is a row of a ledger: what somebody of a company did.
type visit struct {
	CompanyID crm.ID         `crm:"required,ref=company,parent"    json:"company_id"`
	At        time.Time      `json:"at"`
	ID        crm.ID         `json:"id"`
	Name      string         `crm:"required,max=64"                json:"name"`
	Kind      string         `crm:"enum=web|shop,personal"         json:"kind,omitempty"`
	DealID    crm.ID         `crm:"ref=deal,as=deal_visits"        json:"deal_id,omitzero"`
	Spent     crm.Money      `json:"spent"`
	Props     map[string]any `crm:"json"                           json:"props,omitempty"`
}

// Validate is the deal's own rule.
func (d *deal) Validate() error {
	if d.Stage == "won" && d.Amount.IsZero() {
		return crm.Invalid("amount", "a won deal has an amount")
	}
	return nil
}

//go:embed testdata/shop
var shopFiles embed.FS

// shop is a core with both kinds.
type shop struct {
	*crmtest.Core

	companies *crm.Kind[company]
	deals     *crm.Kind[deal]
	remarks   *crm.Kind[remark]
	replies   *crm.Kind[reply]
	visits    *crm.Ledger[visit]

	noted crm.ID // the company of which a reply called "a visit" is one
}

func (s *shop) define(c *crm.Core) (err error) {
	files, err := fs.Sub(shopFiles, "testdata/shop")
	if err != nil {
		return err
	}
	c.AddLine(storage.Line{Name: "shop", Files: files, Needs: map[string]int{"crm": 1}})
	if s.companies, err = crm.Define(c, crm.Object[company]{Name: "company", Plural: "companies"}); err != nil {
		return err
	}
	s.deals, err = crm.Define(c, crm.Object[deal]{
		Name: "deal",
		Initial: func(_ context.Context, w *crm.Write[deal]) error {
			w.After.Stage = "new"
			return nil
		},
	})
	if err != nil {
		return err
	}
	if s.remarks, err = crm.Define(c, crm.Object[remark]{Name: "remark"}); err != nil {
		return err
	}
	if s.replies, err = crm.Define(c, crm.Object[reply]{Name: "reply", Plural: "replies", AfterWrite: s.note}); err != nil {
		return err
	}
	s.visits, err = crm.DefineLedger[visit](c, crm.LedgerOf[visit]{Name: "visit", Key: []string{"company_id", "at", "id"}})
	return err
}

// note writes a visit with a reply that is one, and fails with it where it is none.
func (s *shop) note(ctx context.Context, w *crm.Write[reply]) error {
	if w.After == nil || w.After.Text != "a visit" {
		return nil
	}
	return s.visits.Append(ctx, visit{CompanyID: s.noted, At: s.Now(ctx), ID: w.After.ID, Name: "reply"})
}

// onBoth runs fn on a shop in either engine.
func onBoth(t *testing.T, fn func(t *testing.T, s *shop)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		fn(t, newShop(t, e.Store, crm.Config{}))
	})
}

func newShop(tb testing.TB, store storage.Store, cfg crm.Config) *shop {
	tb.Helper()
	s := &shop{}
	s.Core = crmtest.On(tb, store, cfg, s.define)
	return s
}

// as and system are the contexts of a member, and of the tenant itself.
var as, system = crmtest.As, crmtest.System

func (s *shop) company(tb testing.TB, ctx context.Context, name string) company { //nolint:revive // the test comes first
	tb.Helper()
	c, err := s.companies.Create(ctx, company{Name: name})
	require.NoError(tb, err)
	return c
}
