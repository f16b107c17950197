package match

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Guess says what a column of a file holds, by its heading and, if that says nothing, by
// its values; false if comparing it helps nobody: it is empty, always the same, or
// numbers the rows.
func Guess(heading string, values []string) (Kind, bool) {
	p := profileOf(values)
	switch {
	case p.filled == 0, p.distinct == 1 && p.filled > 1:
		return "", false
	case p.numbersRows(heading):
		return "", false
	}
	kind := kindOfHeading(heading)
	switch {
	case kind == Date && p.dates < .5 || kind == Email && p.emails < .5:
		kind = ""
	case kind == ID && p.distinct*4 < p.filled:
		kind = Category
	}
	if kind != "" {
		return kind, true
	}
	return p.kind(), true
}

// kindOfHeading is what a heading says in English or Chinese; empty if it says nothing.
func kindOfHeading(heading string) Kind {
	h := fold(splitCamel(heading))
	list := strings.Fields(h)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			if hasHan(w) {
				return strings.Contains(h, w)
			}
			return slices.Contains(list, w) || strings.Contains(w, " ") && strings.Contains(h, w)
		})
	}
	switch {
	case has("email", "e mail", "mail", "邮箱", "电子邮件"):
		return Email
	case has("phone", "telephone", "tel", "mobile", "cell", "fax", "电话", "手机", "传真"):
		return Phone
	case has("website", "web", "url", "domain", "homepage", "网址", "网站"):
		return Web
	case has("birthday", "birth", "birthdate", "dob", "bday", "born", "出生", "生日"):
		return Date
	case has("date", "日期"):
		return Date
	case has("first name", "firstname", "given name", "givenname", "given", "forename", "fname", "middle name", "名字") || h == "名" || h == "first":
		return Given
	case has("last name", "lastname", "family name", "familyname", "family", "surname", "lname") || h == "姓" || h == "姓氏" || h == "last":
		return Family
	case has("company", "organisation", "organization", "org", "account", "business", "firm", "employer", "manufacturer", "vendor", "supplier", "公司", "企业", "单位", "客户名称"):
		return Company
	case has("postcode", "postal", "zip", "zipcode", "plz", "邮编", "邮政编码"):
		return Code
	case has("street number", "house number", "streetnumber", "house no", "street no", "门牌", "unit"):
		return Code
	case has("address", "addr", "street", "road", "address1", "address2", "地址", "住址"):
		return Address
	case has("city", "town", "suburb", "locality", "place", "district", "village", "城市", "市", "区"):
		return Place
	case has("state", "province", "region", "county", "country", "sex", "gender", "省", "国家", "性别", "省份"):
		return Category
	case has("full name", "fullname", "contact", "person", "姓名"):
		return Person
	case has("id", "ssn", "soc", "tax", "vat", "passport", "licence", "license", "ein", "identity", "身份证", "证件", "税号", "统一社会信用代码"):
		return ID
	}
	return ""
}

// splitCamel puts gaps where a small letter is followed by a capital one: FirstName.
func splitCamel(s string) string {
	var b strings.Builder
	last := ' '
	for _, r := range s {
		if unicode.IsUpper(r) && unicode.IsLower(last) {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// profile is what values look like.
type profile struct {
	filled, distinct              int
	numeric, dates, emails, words float64 // shares of them, and words of each
	length                        float64
	rising                        bool // each number is greater than the last
}

func profileOf(values []string) (p profile) {
	seen := map[string]bool{}
	last := ""
	p.rising = true
	for _, v := range values {
		if v = strings.TrimSpace(v); nothing(v) {
			continue
		}
		p.filled++
		seen[v] = true
		n := digits(v)
		if len(n) == len(v) {
			p.numeric++
		}
		if p.rising && (len(v) < len(last) || len(v) == len(last) && v <= last) {
			p.rising = false
		}
		last = v
		if d := day(v); len(d) == 8 && d[:2] >= "18" && d[:2] <= "20" && d[4:6] <= "12" && d[6:] <= "31" {
			p.dates++
		}
		if strings.Count(v, "@") == 1 {
			p.emails++
		}
		p.words += float64(len(strings.Fields(v)))
		p.length += float64(utf8.RuneCountInString(v))
	}
	p.distinct = len(seen)
	if n := float64(p.filled); n > 0 {
		p.numeric, p.dates, p.emails, p.words, p.length = p.numeric/n, p.dates/n, p.emails/n, p.words/n, p.length/n
	}
	return p
}

// numbersRows reports whether each value is there once, and is a number that rises or
// is called an id.
func (p profile) numbersRows(heading string) bool {
	if p.distinct < p.filled || p.filled < 2 {
		return false
	}
	list := strings.Fields(fold(splitCamel(heading)))
	called := len(list) == 0 || slices.ContainsFunc(list, func(w string) bool {
		switch w {
		case "id", "ids", "no", "nr", "key", "index", "row", "rec", "record", "uuid", "guid", "序号", "编号":
			return true
		}
		return false
	})
	return called && p.emails == 0 || p.numeric == 1 && p.rising
}

// kind is what the values look like.
func (p profile) kind() Kind {
	share := float64(p.distinct) / float64(p.filled)
	switch {
	case p.emails > .8:
		return Email
	case p.dates > .8 && p.length >= 8:
		return Date
	case p.numeric > .8 && p.length > 5:
		return ID
	case p.numeric > .8:
		return Code
	case share < .1 && p.distinct <= 200:
		return Category
	}
	return Text
}
