package match

import (
	"fmt"
	"math"
)

// Kind is what a field holds, and so how two values of it are compared.
type Kind string

// The kinds of fields.
const (
	Given    Kind = "given"    // given names of a person
	Family   Kind = "family"   // the family name of a person
	Person   Kind = "person"   // the whole name of a person, in any order
	Company  Kind = "company"  // the name of an organisation, a shop, a restaurant
	Address  Kind = "address"  // a street with its number, or any line of an address
	Place    Kind = "place"    // a town, a suburb, a district
	Code     Kind = "code"     // a short code: a postcode, the number of a house
	Category Kind = "category" // one of few values: a state, a branch, a sex
	Date     Kind = "date"     // a day: of birth, of foundation
	Phone    Kind = "phone"
	Email    Kind = "email"
	Web      Kind = "web" // a website or a domain
	ID       Kind = "id"  // a number given to one of them: a tax number, a passport
	Text     Kind = "text"
)

// kinds says of each kind what is expected of two values of one entity, before
// anything was learned, and whether a household or an office has it in common.
type traits struct {
	differ float64 // how often two values of one entity have nothing in common
	apart  float64 // how often two values of different entities are the same
	shared bool
}

func (k Kind) traits() (traits, bool) {
	switch k {
	case Given:
		return traits{differ: .03, apart: .01}, true
	case Family:
		return traits{differ: .03, apart: .004, shared: true}, true
	case Person:
		return traits{differ: .01, apart: .0005}, true
	case Company:
		return traits{differ: .02, apart: .0002}, true
	case Address:
		return traits{differ: .12, apart: .0005, shared: true}, true
	case Place:
		return traits{differ: .12, apart: .02, shared: true}, true
	case Code:
		return traits{differ: .1, apart: .01, shared: true}, true
	case Category:
		return traits{differ: .15, apart: .15, shared: true}, true
	case Date:
		return traits{differ: .03, apart: .0001}, true
	case Phone:
		return traits{differ: .25, apart: .0001, shared: true}, true
	case Email:
		return traits{differ: .3, apart: .0001}, true
	case Web:
		return traits{differ: .1, apart: .0005, shared: true}, true
	case ID:
		return traits{differ: .03, apart: .00001}, true
	case Text:
		return traits{differ: .2, apart: .005, shared: true}, true
	}
	return traits{}, false
}

// Field is one thing that records are compared by.
type Field struct {
	Name string `json:"name"` // as explanations call it
	Kind Kind   `json:"kind"`
}

// Level is how far two values agree.
type Level uint8

// The levels, from less to more.
const (
	Missing Level = iota // a value is absent: this says nothing
	Differ               // nothing in common
	Distant              // a little in common, as two branches of a company have
	Close                // alike: an initial, a nickname, some of the words
	Near                 // the same but for a slip
	Same                 // the same in normal form
	Swapped              // the same as the other's neighbouring field: given and family name changed places
	levels
)

// String names the level.
func (l Level) String() string {
	switch l {
	case Missing:
		return "missing"
	case Differ:
		return "differ"
	case Distant:
		return "distant"
	case Close:
		return "close"
	case Near:
		return "near"
	case Same:
		return "same"
	case Swapped:
		return "swapped"
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// prior is what is expected of two values of one entity before anything is learned.
func (t traits) prior() (m [levels]float64) {
	m[Differ], m[Distant], m[Close], m[Near], m[Swapped] = t.differ, t.differ, .05, .10, .01
	m[Same] = 1 - m[Differ] - m[Distant] - m[Close] - m[Near] - m[Swapped]
	return m
}

// chance is the same of two values of different entities.
func (t traits) chance() (u [levels]float64) {
	u[Same] = t.apart
	u[Near] = t.apart
	u[Close] = math.Min(4*t.apart, .1)
	u[Distant] = math.Min(16*t.apart, .1)
	u[Swapped] = t.apart / 8
	u[Differ] = 1 - u[Same] - u[Near] - u[Close] - u[Distant] - u[Swapped]
	return u
}
