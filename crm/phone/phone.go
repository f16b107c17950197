// Package phone knows the numbering plans of the world: it brings phone numbers to
// E.164, so that 030 901820 and +49 (30) 90 18 20 are one number.
//
//	core, err := crm.New(store, crm.Config{Phones: phone.Normal})
//
// It is a package of its own since it brings 5 MB of numbering plans, those of
// Google's libphonenumber.
package phone

import (
	"github.com/nyaruka/phonenumbers"

	"github.com/embedcrm/embedcrm/crm"
)

// Normal returns a phone number in the form of ITU-T E.164, + and digits, for
// crm.Config. A number without a country's code is read as one would dial it in the
// region, a code of ISO 3166-1 such as DE; without a region it is refused. What the
// numbering plans have no number for is [crm.ErrInvalid], and so is one with an
// extension, since E.164 has none.
func Normal(number, region string) (string, error) {
	parsed, err := phonenumbers.Parse(number, region)
	switch {
	case err != nil && region == "":
		return "", crm.Invalid("phone", "is no phone number: give it with + and the country's code, or say by the policy's region where numbers without are dialled")
	case err != nil:
		return "", crm.Invalid("phone", "is no phone number")
	case parsed.GetExtension() != "":
		return "", crm.Invalid("phone", "has an extension: E.164 numbers have none, so note it elsewhere")
	case !phonenumbers.IsValidNumber(parsed):
		return "", crm.Invalid("phone", "is no number of the numbering plan: look for a missing or wrong digit")
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), nil
}
