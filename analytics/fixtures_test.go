package analytics_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/analytics"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// Stage, Customer and Deal are a small pipeline.
type Stage struct {
	crm.Record

	Name        string `crm:"required,max=100"        json:"name"`
	Kind        string `crm:"required,enum=open|won|lost" json:"kind"`
	Probability int64  `json:"probability"`
}

type Customer struct {
	crm.Record

	Name   string `crm:"required,max=100" json:"name"`
	Sector string `crm:"max=100"          json:"sector,omitempty"`
}

type Deal struct {
	crm.Record

	Name       string    `crm:"required,max=100"          json:"name"`
	StageID    crm.ID    `crm:"required,ref=stage"        json:"stage_id"`
	CustomerID crm.ID    `crm:"ref=customer"              json:"customer_id,omitzero"`
	AgentID    crm.ID    `crm:"ref=member,as=agent_deals" json:"agent_id,omitzero"`
	Product    string    `crm:"max=100"                   json:"product,omitempty"`
	Amount     crm.Money `json:"amount"`
	CloseOn    crm.Date  `json:"close_on,omitzero"`
	Closed     time.Time `json:"closed,omitzero"`
}

// pipeline is a core with these kinds, and their stages by name.
type pipeline struct {
	*crmtest.Core
	*analytics.Analytics

	stages    *crm.Kind[Stage]
	customers *crm.Kind[Customer]
	deals     *crm.Kind[Deal]
	stage     map[string]crm.ID
}

func (p *pipeline) define(c *crm.Core) (err error) {
	c.AddLine(storage.Line{Name: "pipeline", Needs: map[string]int{"crm": 1}, Files: fstest.MapFS{
		"sqlite/0001_pipeline.sql":   {Data: []byte(tables("crm_", "TEXT", "BLOB", "INTEGER", "INTEGER", "TEXT", "TEXT"))},
		"postgres/0001_pipeline.sql": {Data: []byte(tables("{schema}.", `text COLLATE "C"`, "uuid", "bigint", "timestamptz", "date", "jsonb"))},
	}})
	if p.stages, err = crm.Define(c, crm.Object[Stage]{Name: "stage"}); err != nil {
		return err
	}
	if p.customers, err = crm.Define(c, crm.Object[Customer]{Name: "customer"}); err != nil {
		return err
	}
	p.deals, err = crm.Define(c, crm.Object[Deal]{Name: "deal"})
	return err
}

// tables is the SQL of the kinds for an engine, by its names of types.
func tables(prefix, text, id, integer, instant, day, raw string) string {
	var all strings.Builder
	for _, t := range [][2]string{
		{"stage", "name TEXT NOT NULL, kind TEXT NOT NULL, probability INT NOT NULL"},
		{"customer", "name TEXT NOT NULL, sector TEXT"},
		{"deal", "name TEXT NOT NULL, stage_id ID NOT NULL, customer_id ID, agent_id ID, product TEXT, amount INT, amount_currency TEXT, close_on DAY, closed TIME"},
	} {
		columns := "tenant TEXT NOT NULL, id ID NOT NULL, version INT NOT NULL, owner_id ID, created TIME NOT NULL, updated TIME NOT NULL, deleted TIME, refs RAW, custom RAW, "
		columns = strings.NewReplacer("TEXT", text, "ID", id, "INT", integer, "TIME", instant, "DAY", day, "RAW", raw).Replace(columns + t[1])
		fmt.Fprintf(&all, "CREATE TABLE %s%s (%s, PRIMARY KEY (tenant, id));\n", prefix, t[0], columns)
	}
	return all.String()
}

// onBoth runs fn on an empty pipeline in either engine, as its tenant.
func onBoth(t *testing.T, fn func(ctx context.Context, t *testing.T, p *pipeline)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		p := &pipeline{stage: map[string]crm.ID{}}
		p.Core = crmtest.On(t, e.Store, crm.Config{}, p.define)
		p.Analytics = analytics.New(p.Core.Core)
		ctx := crm.System(t.Context(), "acme")
		p.fill(ctx, t)
		fn(ctx, t, p)
	})
}

func (p *pipeline) fill(ctx context.Context, tb testing.TB) {
	tb.Helper()
	for _, s := range []Stage{
		{Name: "Lead", Kind: "open", Probability: 10}, {Name: "Offer", Kind: "open", Probability: 50},
		{Name: "Won", Kind: "won", Probability: 100}, {Name: "Lost", Kind: "lost"},
	} {
		made, err := p.stages.Create(ctx, s)
		require.NoError(tb, err)
		p.stage[s.Name] = made.ID
	}
}
