// Package heading guesses what the columns of a table mean by their headings: in
// English and Chinese, as HubSpot, Salesforce, Zoho, Pipedrive, Google, Outlook,
// Shopify, WooCommerce and others write them, and as people do.
//
// It knows words and not programs. A heading is cut into words ("E-mail 2 - Value" and
// "email2" alike), a phrase of them says what the column holds ("postal code"), and
// the words around it whose it is, where and which one ("billing", "home", "2"). A word
// that is not known leaves the column without a meaning rather than with a wrong one.
package heading

// Role is what a column holds.
type Role string

// The roles.
const (
	FullName   Role = "full_name"
	GivenName  Role = "given_name"
	MiddleName Role = "middle_name"
	FamilyName Role = "family_name"
	NamePrefix Role = "name_prefix" // Dr, Ms
	NameSuffix Role = "name_suffix" // Jr, MD
	Nickname   Role = "nickname"
	Gender     Role = "gender"
	Birthday   Role = "birthday"
	NationalID Role = "national_id" // a person's number with the state
	Language   Role = "language"

	Organisation Role = "organisation" // the name of a company, a school …
	Department   Role = "department"
	JobTitle     Role = "job_title"
	Industry     Role = "industry"
	Employees    Role = "employees" // how many
	Revenue      Role = "revenue"   // in a year
	Founded      Role = "founded"   // the year
	TaxID        Role = "tax_id"
	Parent       Role = "parent" // the organisation above

	Email   Role = "email"
	Phone   Role = "phone"
	Mobile  Role = "mobile"
	Fax     Role = "fax"
	Website Role = "website"

	Address     Role = "address" // whole, in one column
	Street      Role = "street"  // with the number, or without it when there is a column for that
	Street2     Role = "street_2"
	HouseNumber Role = "house_number"
	PostBox     Role = "post_box"
	District    Role = "district"
	City        Role = "city"
	Postcode    Role = "postcode"
	State       Role = "state"
	Country     Role = "country"

	ExternalID Role = "external_id" // the key in another system, of what Meaning.Of says
	Kind       Role = "kind"        // person or organisation
	Owner      Role = "owner"       // who looks after it
	Created    Role = "created"
	Updated    Role = "updated"
	Tags       Role = "tags"
	Notes      Role = "notes"
	Source     Role = "source" // where it came from
	Status     Role = "status"
	Lifecycle  Role = "lifecycle"
	Consent    Role = "consent" // to be written to

	Title       Role = "title" // what a deal, a product or a task is called
	Amount      Role = "amount"
	Price       Role = "price"
	Currency    Role = "currency"
	Quantity    Role = "quantity"
	Stage       Role = "stage"
	Pipeline    Role = "pipeline"
	Probability Role = "probability"
	CloseDate   Role = "close_date"
	Spent       Role = "spent"  // what a customer has paid in all
	Orders      Role = "orders" // how many a customer has placed
)

// Meaning is what a heading was understood as. The zero Meaning is nothing.
type Meaning struct {
	Role Role
	// Of is whose the value is, when the heading says so: "person", "organisation",
	// "deal", "product", "order" or "owner".
	Of string
	// Place is "home", "work", "mobile", "other", "billing", "shipping" or "mailing", of
	// addresses, e-mail addresses and phone numbers.
	Place string
	// Number is which of several it is, from 1; 0: the heading does not say.
	Number int
	// Opposite says that yes in the column means no: "Email Opt Out".
	Opposite bool
	// Currency is one that the heading names: "Amount (EUR)".
	Currency string
}

// Guess tells what columns mean by their headings, one Meaning for each. It looks at
// all of them: "Title" is a person's job, but beside "Job Title" it is how to address
// the person, and of a deal it is what the deal is called.
func Guess(headings []string) []Meaning {
	out := make([]Meaning, len(headings))
	for i, h := range headings {
		out[i] = One(h)
	}
	resolveTitle(headings, out)
	resolveName(headings, out)
	resolveDistrict(out)
	return out
}

// has reports whether a column other than i has a role.
func has(all []Meaning, i int, role Role) bool {
	for k, m := range all {
		if k != i && m.Role == role {
			return true
		}
	}
	return false
}

// resolveTitle decides what a column called just Title is.
func resolveTitle(headings []string, all []Meaning) {
	for i, m := range all {
		if m.Role != JobTitle || len(words(headings[i])) != 1 {
			continue
		}
		switch {
		case has(all, i, JobTitle) && (has(all, i, GivenName) || has(all, i, FullName)):
			all[i].Role = NamePrefix
		case has(all, i, Stage) || has(all, i, CloseDate) || has(all, i, Price):
			all[i].Role = Title
		}
	}
}

// resolveName decides what a column called just Name is: beside a given and a family
// name it is still the whole name; beside a stage or a price it is what is sold.
func resolveName(headings []string, all []Meaning) {
	for i, m := range all {
		if m.Role != FullName || m.Of != "" || len(words(headings[i])) != 1 {
			continue
		}
		if has(all, i, Stage) || has(all, i, CloseDate) || has(all, i, Price) {
			all[i].Role = Title
		}
	}
}

// resolveDistrict takes a suburb for the city where no other column is one.
func resolveDistrict(all []Meaning) {
	for i, m := range all {
		if m.Role == District && !has(all, i, City) {
			all[i].Role = City
		}
	}
}
