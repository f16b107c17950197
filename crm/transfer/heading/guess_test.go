package heading_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

// short is a Meaning in few words: role, whose, where, which.
func short(m heading.Meaning) string {
	text := strings.Join(strings.Fields(strings.Join([]string{string(m.Role), m.Of, m.Place, m.Currency}, " ")), " ")
	if m.Number > 0 {
		text += " " + strings.Repeat("#", m.Number)
	}
	if m.Opposite {
		text += " not"
	}
	return text
}

func TestGuess(t *testing.T) {
	t.Parallel()
	for heads, want := range map[string]string{
		// People write a heading in many ways.
		"E-mail|email|EMAIL|e mail|Email Address|EmailAddress|email_address|Email ID|Your email*": "email|email|email|email|email|email|email|email|email",
		"Phone|Ph#|Tel.|Telephone No.|phoneNumber|Contact Number|联系电话":                            "phone|phone|phone|phone|phone|phone person|phone",
		"Cell|Mobile No.|MobilePhone|Phone (mobile)|手机号码（必填）|移动电话":                                "mobile|mobile|mobile|mobile mobile|mobile #|mobile",
		"E-mail 2 - Value|Secondary Email|email2|Email (work)|Personal e-mail":                    "email ##|email ##|email ##|email work|email home",
		"Zip/Postal Code|ZIP|PLZ|postcode|邮政编码|Billing Zip/Postal Code":                           "postcode|postcode|postcode|postcode|postcode|postcode billing",
		"Country/Region|国家/地区|Mailing Country|Default Address Country Code":                       "country|country|country mailing|country #",
		"First Name|given_name|Vorname|fname|名":                                                   "given_name|given_name|given_name|given_name|given_name",
		"DOB|Date of Birth|birthdate|出生日期":                                                        "birthday|birthday|birthday|birthday",
		// Whose a key is decides what it is for.
		"Account ID|Associated Contact IDs|id|客户编号|Deal - ID": "external_id organisation|external_id person|external_id|external_id person|external_id deal",
		"Contact owner|SupportRepId|负责人姓名|Assigned To":        "owner person|owner owner|owner owner|owner owner",
		"Amount (EUR)|Deal - Value|预计金额(元)":                   "amount EUR|amount deal|amount",
		"Email Opt Out|Accepts Email Marketing":               "consent not|consent",
		"Parent Account|subsidiary_of|上级公司":                   "parent organisation|parent|parent",
		// What one word of a heading does not fit is left alone.
		"E-mail 1 - Type|Assistant's Phone|Card Number|Yomi Name|Phone 1 - Label|Last Activity|order_date|Created By||下次跟进时间": "|||||||||",
		// What stands beside decides over a title.
		"First Name|Title|Job Title": "given_name|name_prefix|job_title",
		"First Name|Title":           "given_name|job_title",
		"Title|Stage|Close Date":     "title|stage|close_date",
		"suburb|state":               "city|state",
		"suburb|city":                "district|city",
	} {
		var got []string
		for _, m := range heading.Guess(strings.Split(heads, "|")) {
			got = append(got, short(m))
		}
		require.Equal(t, want, strings.Join(got, "|"), heads)
	}
}

func FuzzGuess(f *testing.F) {
	f.Add("E-mail 1 - Value")
	f.Add("客户（名称")
	f.Fuzz(func(t *testing.T, h string) {
		if m := heading.One(h); m.Role == "" && m != (heading.Meaning{}) {
			t.Errorf("%q: says something of nothing: %+v", h, m)
		}
	})
}
