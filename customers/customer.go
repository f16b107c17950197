package customers

import (
	"github.com/embedcrm/embedcrm/crm"
)

// Kind says what a customer is.
type Kind string

// The kinds of customers.
const (
	Person       Kind = "person"
	Organisation Kind = "organisation"
)

// Customer is a person or an organisation one does business with, or wants to.
type Customer struct {
	crm.Record

	// Kind is what the customer is. It never changes.
	Kind Kind `crm:"required,enum=person|organisation" json:"kind"`
	// Name is a person's full name, or what an organisation is called.
	Name  string `crm:"required,max=200,fold,sort,search,personal" json:"name"`
	Email string `crm:"max=254,search,personal,identity"           json:"email,omitempty"`
	Phone string `crm:"max=50,search,personal,identity"            json:"phone,omitempty"`
	// Country is the code of ISO 3166-1, of two capital letters: DE.
	Country string `crm:"max=2" json:"country,omitempty"`
	// ParentID is the organisation that an organisation belongs to. The tree has no
	// circles and is at most 100 deep.
	ParentID crm.ID `crm:"ref=customer,tree,as=subsidiaries" json:"parent_id,omitzero"`
	// Industry is the branch an organisation works in, in the host's own terms.
	Industry string `crm:"max=100" json:"industry,omitempty"`
	// Founded is the year in which an organisation was founded.
	Founded *int64 `json:"founded,omitempty"`
	// Employees is how many people work for an organisation.
	Employees *int64 `json:"employees,omitempty"`
	// Revenue is what an organisation takes in a year.
	Revenue crm.Money `json:"revenue"`
	Tags    []string  `crm:"search" json:"tags,omitempty"`
}

var _ crm.Validator = (*Customer)(nil)

// Validate refuses what a customer cannot be, listing every field at fault.
func (c *Customer) Validate() error {
	var wrong crm.InvalidError
	refuse := func(field, reason string) {
		wrong.Faults = append(wrong.Faults, crm.Fault{Field: field, Reason: reason})
	}
	if c.Country != "" && !isCountry(c.Country) {
		refuse("country", "is a code of two capital letters, such as DE (ISO 3166-1)")
	}
	if c.Employees != nil && *c.Employees < 0 {
		refuse("employees", "is a number from 0 on")
	}
	if c.Founded != nil && (*c.Founded < 1 || *c.Founded > 9999) {
		refuse("founded", "is a year from 1 to 9999")
	}
	if c.Kind == Person {
		for _, f := range []struct {
			name string
			set  bool
		}{
			{"employees", c.Employees != nil}, {"founded", c.Founded != nil},
			{"parent_id", !c.ParentID.IsZero()}, {"revenue", !c.Revenue.IsZero()},
		} {
			if f.set {
				refuse(f.name, "is for organisations, and this is a person: leave it out")
			}
		}
	}
	if len(wrong.Faults) > 0 {
		return &wrong
	}
	return nil
}

func isCountry(code string) bool {
	return len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z'
}
