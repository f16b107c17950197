package customers

import (
	"time"

	"golang.org/x/text/language"

	"github.com/embedcrm/embedcrm/crm"
)

// Kind says what a customer is.
type Kind string

// The kinds of customers.
const (
	Person       Kind = "person"
	Organisation Kind = "organisation"
	// Household is people who live and buy together; see [Relationship].
	Household Kind = "household"
)

// Gender is what a person says of himself; empty: it is not known.
type Gender string

// The genders.
const (
	GenderFemale Gender = "female"
	GenderMale   Gender = "male"
	GenderOther  Gender = "other"
)

// Customer is a person, an organisation or a household one does business with, or wants
// to.
type Customer struct {
	crm.Record

	// Kind is what the customer is. It never changes.
	Kind Kind `crm:"required,enum=person|organisation|household" json:"kind"`
	// Name is a person's full name, or what an organisation is called. A person's without
	// one is made of his GivenName and FamilyName, in the order of his Language, and
	// follows them until it is set to something else.
	Name string `crm:"required,max=200,fold,sort,search,personal" json:"name"`
	// Email and Phone are the main addresses, in their normal forms; see
	// [crm.Core.ParseAddress]. What has none is kept as it was given. Further addresses
	// are his Identities.
	Email string `crm:"max=254,fold,search,personal,identity"      json:"email,omitempty"`
	Phone string `crm:"max=50,search,personal,identity"            json:"phone,omitempty"`
	// GivenName and FamilyName are the parts of a person's name.
	GivenName  string `crm:"max=100,personal" json:"given_name,omitempty"`
	FamilyName string `crm:"max=100,personal" json:"family_name,omitempty"`
	// EmailMalformed and PhoneMalformed are that Email and Phone are no addresses. They
	// follow them, and what is given is ignored.
	EmailMalformed bool `json:"email_malformed,omitempty"`
	PhoneMalformed bool `json:"phone_malformed,omitempty"`
	// Country is the code of ISO 3166-1, of two capital letters: DE.
	Country string `crm:"max=2" json:"country,omitempty"`
	// Region is the part of the market he belongs to, in the host's own terms: "North",
	// "EMEA". Where he lives is his [PostalAddress].
	Region string `crm:"max=100" json:"region,omitempty"`
	// Language is what to write to him in, a tag of BCP 47: de, zh-Hant, pt-BR.
	Language string `crm:"max=35" json:"language,omitempty"`
	// Zone is by whose clocks he lives, a name of the IANA database: Europe/Berlin.
	Zone     string   `crm:"max=64"                             json:"zone,omitempty"`
	Birthday crm.Date `crm:"personal"                           json:"birthday,omitzero"`
	Gender   Gender   `crm:"enum=female|male|other,personal" json:"gender,omitempty"`
	// ParentID is the organisation that an organisation belongs to. The tree has no
	// circles and is at most 100 deep.
	ParentID crm.ID `crm:"ref=customer,tree,as=subsidiaries" json:"parent_id,omitzero"`
	// Industry is the branch an organisation works in, in the host's own terms.
	Industry string `crm:"max=100" json:"industry,omitempty"`
	// IndustryCode is the branch in a classification, and IndustryScheme which one it is:
	// ISIC (revision 4 or 5) or China's GB/T 4754. The form of the code is checked.
	IndustryScheme IndustryScheme `crm:"enum=isic|gbt4754" json:"industry_scheme,omitempty"`
	IndustryCode   string         `crm:"max=5"             json:"industry_code,omitempty"`
	// Founded is the year in which an organisation was founded.
	Founded *int64 `json:"founded,omitempty"`
	// Employees is how many people work for an organisation.
	Employees *int64 `json:"employees,omitempty"`
	// Revenue is what an organisation takes in a year.
	Revenue crm.Money `json:"revenue"`
	Tags    []string  `crm:"search" json:"tags,omitempty"`
	// Lifecycle is how far he has come, and LifecycleSince since when he is there: Advance
	// and SetBack write them. Create may begin at any stage.
	Lifecycle      Lifecycle `crm:"guarded,enum=subscriber|lead|qualified|opportunity|customer|loyal|lapsed" json:"lifecycle,omitempty"`
	LifecycleSince time.Time `crm:"guarded"                                                                  json:"lifecycle_since,omitzero"`
	// Source is where he came from first: "fair", "web". FirstCampaign and LastCampaign
	// are those that brought him, and brought him last.
	Source        string `crm:"max=200" json:"source,omitempty"`
	FirstCampaign string `crm:"max=200" json:"first_campaign,omitempty"`
	LastCampaign  string `crm:"max=200" json:"last_campaign,omitempty"`

	// PurchaseCount is how many [Purchases] he made that were not cancelled, FirstPurchase
	// and LastPurchase are when. They follow his purchases, as the fields below do, and
	// what Create is given is ignored.
	PurchaseCount int64     `crm:"guarded" json:"purchase_count"`
	FirstPurchase time.Time `crm:"guarded" json:"first_purchase,omitzero"`
	LastPurchase  time.Time `crm:"guarded" json:"last_purchase,omitzero"`
	// Spent is what he paid and did not get back, Refunded what he got back, and
	// AveragePurchase what a purchase came to in the mean, before refunds, rounded half to
	// even. They are in the currency he mostly buys in: that of the most purchases, among
	// equals the first by its code. PurchaseTotals has every currency.
	Spent           crm.Money `crm:"guarded" json:"spent"`
	Refunded        crm.Money `crm:"guarded" json:"refunded"`
	AveragePurchase crm.Money `crm:"guarded" json:"average_purchase"`
	// PurchaseTotals are what his purchases come to in each currency, by its code.
	PurchaseTotals []PurchaseTotal `crm:"guarded,json" json:"purchase_totals,omitempty"`
}

var _ crm.Validator = (*Customer)(nil)

// Validate refuses what a customer cannot be, listing every field at fault.
func (c *Customer) Validate() error {
	var wrong crm.InvalidError
	refuse := func(field, reason string) {
		wrong.Faults = append(wrong.Faults, crm.Fault{Field: field, Reason: reason})
	}
	for _, f := range []struct{ name, fault string }{
		{"country", countryFault(c.Country)}, {"language", languageFault(c.Language)}, {"zone", zoneFault(c.Zone)},
		{"industry_code", c.IndustryScheme.fault(c.IndustryCode)},
	} {
		if f.fault != "" {
			refuse(f.name, f.fault)
		}
	}
	if c.Employees != nil && *c.Employees < 0 {
		refuse("employees", "is a number from 0 on")
	}
	if c.Founded != nil && (*c.Founded < 1 || *c.Founded > 9999) {
		refuse("founded", "is a year from 1 to 9999")
	}
	for _, f := range []struct {
		name string
		set  bool
		of   Kind
	}{
		{"employees", c.Employees != nil, Organisation},
		{"founded", c.Founded != nil, Organisation},
		{"parent_id", !c.ParentID.IsZero(), Organisation},
		{"revenue", !c.Revenue.IsZero(), Organisation},
		{"given_name", c.GivenName != "", Person},
		{"family_name", c.FamilyName != "", Person},
		{"birthday", c.Birthday != crm.Date{}, Person},
		{"gender", c.Gender != "", Person},
	} {
		if f.set && c.Kind != f.of {
			refuse(f.name, "is for "+f.of.plural()+", and this is "+c.Kind.one()+": leave it out")
		}
	}
	if len(wrong.Faults) > 0 {
		return &wrong
	}
	return nil
}

// one is a customer of the kind, in words.
func (k Kind) one() string {
	if k == Organisation {
		return "an organisation"
	}
	return "a " + string(k)
}

func (k Kind) plural() string {
	if k == Person {
		return "persons"
	}
	return string(k) + "s"
}

// countryFault says what is wrong with a country, or nothing.
func countryFault(code string) string {
	const form = "is a code of two capital letters, such as DE (ISO 3166-1)"
	if code == "" {
		return ""
	}
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return form
	}
	if r, err := language.ParseRegion(code); err != nil || !r.IsCountry() || r.String() != code {
		return form + ", and there is no country " + code
	}
	return ""
}

// languageFault says what is wrong with a language, or nothing.
func languageFault(tag string) string {
	if tag == "" {
		return ""
	}
	if _, err := language.Parse(tag); err != nil {
		return "is a tag of BCP 47, such as de, zh-Hant or pt-BR"
	}
	return ""
}

// zoneFault says what is wrong with the name of a zone, or nothing.
func zoneFault(name string) string {
	if name == "" {
		return ""
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return "is a name of the IANA database of time zones, such as Europe/Berlin, and none that this program knows"
	}
	return ""
}
