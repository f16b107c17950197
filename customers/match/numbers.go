package match

import (
	"strings"
	"unicode/utf8"
)

// day is a date in normal form: eight digits, year, month and day. A number that is no
// date stays the digits it is, since it may be one with a slip. Of 3/4/1990 nobody
// knows which is the day: the month is taken to be first unless it can't be, and
// comparing allows for the other.
func day(s string) string {
	s = strings.TrimSpace(s)
	if at := strings.IndexAny(s, "T "); at >= 8 && len(s) > 10 { // a time behind it
		s = s[:at]
	}
	parts := strings.FieldsFunc(fold(s), func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case len(parts) == 1:
		return parts[0]
	case len(parts) != 3:
		return digits(s)
	case len(parts[0]) == 4:
		return parts[0] + two(parts[1]) + two(parts[2])
	case len(parts[2]) == 4 || len(parts[2]) == 2:
		year, month, d := parts[2], two(parts[0]), two(parts[1])
		if len(year) == 2 {
			year = century(year)
		}
		if month > "12" {
			month, d = d, month
		}
		return year + month + d
	}
	return digits(s)
}

func two(s string) string {
	if len(s) == 1 {
		return "0" + s
	}
	return s
}

// century writes a year of two digits out: from 30 on it is of the twentieth.
func century(s string) string {
	if s < "30" {
		return "20" + s
	}
	return "19" + s
}

// compareDate compares days: with day and month exchanged, or a digit wrong, they are
// near; with two of year, month and day the same they are alike.
func compareDate(a, b *value) agreement {
	x, y := a.text, b.text
	if x == y {
		return agreement{level: Same, why: same, whole: true}
	}
	if len(x) != 8 || len(y) != 8 {
		if slips(x, y, 1) == 1 && min(len(x), len(y)) > 4 {
			return agreement{level: Near, why: slip}
		}
		return agreement{level: Differ, why: different}
	}
	if far(a.letters, b.letters, 4) {
		return agreement{level: Differ, why: different}
	}
	alikeParts := 0
	for _, p := range [][2]int{{0, 4}, {4, 6}, {6, 8}} {
		if x[p[0]:p[1]] == y[p[0]:p[1]] {
			alikeParts++
		}
	}
	switch {
	case x[:4] == y[:4] && x[4:6] == y[6:] && x[6:] == y[4:6]:
		return agreement{level: Near, why: dayMonth}
	case slips(x, y, 1) == 1:
		return agreement{level: Near, why: slip}
	case alikeParts == 2:
		return agreement{level: Close, why: part}
	case slips(x, y, 2) == 2:
		return agreement{level: Distant, why: alike}
	}
	return agreement{level: Differ, why: different}
}

// phone is a number in normal form: its digits without leading zeros and without an
// extension.
func phone(s string) string {
	lower := strings.ToLower(s)
	for _, mark := range []string{"ext", "x", "#", "转"} {
		if at := strings.Index(lower, mark); at > 6 {
			lower = lower[:at]
			break
		}
	}
	return strings.TrimLeft(digits(lower), "0")
}

// comparePhone compares numbers, with the code of the country or without.
func comparePhone(a, b *value) agreement {
	x, y := a.text, b.text
	if len(x) > len(y) {
		x, y = y, x
	}
	switch {
	case x == y:
		return agreement{level: Same, why: same, whole: true}
	case len(x) < 6:
		return agreement{level: Differ, why: different}
	case strings.HasSuffix(y, x), len(x) > 9 && strings.HasSuffix(y, x[len(x)-9:]):
		return agreement{level: Same, why: ending}
	case slips(x, y, 1) == 1:
		return agreement{level: Near, why: slip}
	case y[len(y)-6:] == x[len(x)-6:]:
		return agreement{level: Close, why: ending}
	case len(x) > 8 && slips(x, y, 2) <= 2:
		return agreement{level: Close, why: slip}
	}
	return agreement{level: Differ, why: different}
}

// email is the key of an address: in lower case, and for Gmail without what Gmail
// overlooks. It serves comparing only; mail goes to the address as it was given.
func email(s string) string {
	s = strings.ToLower(strings.TrimSpace(cut(s)))
	s = strings.TrimPrefix(s, "mailto:")
	local, host, ok := strings.Cut(s, "@")
	if !ok {
		return alphanumeric(s)
	}
	local, _, _ = strings.Cut(local, "+")
	if host == "googlemail.com" {
		host = "gmail.com"
	}
	if host == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + host
}

// compareEmail compares addresses.
func compareEmail(a, b *value) agreement {
	if a.text == b.text {
		return agreement{level: Same, why: same, whole: true}
	}
	la, ha, _ := strings.Cut(a.text, "@")
	lb, hb, _ := strings.Cut(b.text, "@")
	switch {
	case a.slips(b, 1), ha == hb && len(la) > 6 && slips(la, lb, 2) <= 2:
		return agreement{level: Near, why: slip}
	case la == lb && len(la) > 4:
		return agreement{level: Close, why: mailbox}
	case ha == hb && !isPublicHost(ha):
		return agreement{level: Distant, why: domain}
	}
	return agreement{level: Differ, why: different}
}

// isPublicHost reports whether anybody may have a mailbox there.
func isPublicHost(host string) bool {
	switch host {
	case "gmail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com", "aol.com", "gmx.de", "gmx.net", "web.de", "t-online.de",
		"mail.ru", "yandex.ru", "proton.me", "protonmail.com", "qq.com", "163.com", "126.com", "sina.com", "sohu.com", "foxmail.com", "aliyun.com", "139.com":
		return true
	}
	return false
}

// web is the host of a website, without www.
func web(s string) string {
	s = strings.ToLower(strings.TrimSpace(cut(s)))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, ":")
	return strings.TrimSuffix(strings.TrimPrefix(s, "www."), ".")
}

// compareWeb compares hosts.
func compareWeb(a, b *value) agreement {
	la, _, _ := strings.Cut(a.text, ".")
	lb, _, _ := strings.Cut(b.text, ".")
	switch {
	case a.text == b.text:
		return agreement{level: Same, why: same, whole: true}
	case len(la) > 3 && la == lb:
		return agreement{level: Close, why: part}
	case slips(a.text, b.text, 1) == 1:
		return agreement{level: Near, why: slip}
	}
	return agreement{level: Differ, why: different}
}

// compareID compares numbers given to one alone.
func compareID(a, b *value) agreement {
	n := min(len(a.text), len(b.text))
	switch {
	case a.text == b.text:
		return agreement{level: Same, why: same, whole: true}
	case far(a.letters, b.letters, 2):
		return agreement{level: Differ, why: different}
	case n > 4 && slips(a.text, b.text, 1) == 1:
		return agreement{level: Near, why: slip}
	case n > 6 && slips(a.text, b.text, 2) == 2:
		return agreement{level: Close, why: slip}
	}
	return agreement{level: Differ, why: different}
}

// compareCode compares short codes.
func compareCode(a, b *value) agreement {
	x, y := a.text, b.text
	switch {
	case x == y:
		return agreement{level: Same, why: same, whole: true}
	case min(len(x), len(y)) > 1 && slips(x, y, 1) == 1:
		return agreement{level: Near, why: slip}
	case min(len(x), len(y)) >= 2 && (strings.HasPrefix(x, y) || strings.HasPrefix(y, x)): // a ZIP+4
		return agreement{level: Close, why: part}
	}
	return agreement{level: Differ, why: different}
}

// compareCategory compares one of few values.
func compareCategory(a, b *value) agreement {
	n := min(utf8.RuneCountInString(a.text), utf8.RuneCountInString(b.text))
	switch {
	case a.text == b.text:
		return agreement{level: Same, why: same, whole: true}
	case n > 3 && slips(a.text, b.text, 1) == 1:
		return agreement{level: Near, why: slip}
	case n > 1 && (strings.HasPrefix(a.text, b.text) || strings.HasPrefix(b.text, a.text)):
		return agreement{level: Close, why: part}
	}
	return agreement{level: Differ, why: different}
}

// comparePlace compares names of places.
func comparePlace(a, b *value) agreement {
	if a.equal(b) {
		return agreement{level: Same, why: same, whole: true}
	}
	n := min(len(a.text), len(b.text))
	if a.slips(b, allowed(n)) {
		return agreement{level: Near, why: slip}
	}
	if n > 3 && (strings.HasPrefix(a.text, b.text) || strings.HasPrefix(b.text, a.text)) {
		return agreement{level: Close, why: part}
	}
	if found := overlap(a, b); found.both >= .6 || found.less >= .85 {
		return agreement{level: Close, why: wordsShared, shared: found.rarest}
	}
	if a.slips(b, max(len(a.text), len(b.text))/3) {
		return agreement{level: Distant, why: alike}
	}
	return agreement{level: Differ, why: different}
}
