package sales

import (
	"embed"
	"io/fs"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage"
)

// Sales are a tenant's products, pipelines and deals.
type Sales struct {
	Products  *Products
	Pipelines *Pipelines
	Stages    *Stages
	Deals     *Deals

	core   *crm.Core
	people *customers.Customers
}

//go:embed migrations
var migrations embed.FS

// New defines the kinds of records of sales on a core, before its Migrate. Deals
// refer to customers, which are defined on the same core.
func New(core *crm.Core, people *customers.Customers) (*Sales, error) {
	switch {
	case core == nil:
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	case people == nil:
		return nil, crm.Invalid("customers", "no customers are given: make them by customers.New on the same core")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	s := &Sales{core: core, people: people}
	for _, define := range []func(*crm.Core) error{s.defineProducts, s.definePipelines, s.defineStages, s.defineDeals} {
		if err := define(core); err != nil {
			return nil, err
		}
	}
	core.AddLine(storage.Line{Name: "sales", Files: files, Needs: map[string]int{"crm": 3, "customers": 5}})
	core.Seed(s.seed)
	core.AddCheck(s.Deals.check)
	if err := core.On("deal.*", "sales.lifecycle", s.advance, crm.AlsoQuiet()); err != nil {
		return nil, err
	}
	return s, nil
}
