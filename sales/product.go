package sales

import "github.com/embedcrm/embedcrm/crm"

// Product is something one sells.
type Product struct {
	crm.Record

	Name string `crm:"required,max=200,fold,sort,search" json:"name"`
	// Series is the line of products it belongs to.
	Series string `crm:"max=100" json:"series,omitempty"`
	// Price is its list price.
	Price crm.Money `json:"price"`
}

var _ crm.Validator = (*Product)(nil)

// Validate refuses a price below zero.
func (p *Product) Validate() error {
	if p.Price.Minor < 0 {
		return crm.Invalid("price", "is %s: a price is not below zero", p.Price)
	}
	return nil
}

// Products are a tenant's products. One that deals refer to is not deleted.
type Products struct{ crm.Collection[Product] }

func (s *Sales) defineProducts(core *crm.Core) error {
	kind, err := crm.Define(core, crm.Object[Product]{Name: "product"})
	if err != nil {
		return err
	}
	s.Products = &Products{kind.Collection}
	return nil
}
