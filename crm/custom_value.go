package crm

import (
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// currencyMember is what the member with a money's currency is called behind the
// field's key. No key has the sign, so that it can't be another field's.
const currencyMember = "$currency"

// textFault says what is wrong with a text, or nothing.
func textFault(s string, most int) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8: convert it first"
	case strings.IndexByte(s, 0) >= 0:
		return "holds a NUL character: remove it"
	case utf8.RuneCountInString(s) > most:
		return fmt.Sprintf("has %d characters, and %d are allowed", utf8.RuneCountInString(s), most)
	}
	return ""
}

// normal brings a value to the Go type and form of its field; nil is none. The forms
// JSON has are taken as well. It says what is wrong with what does not fit.
func (f *CustomField) normal(v any) (value any, msg string) {
	switch f.Type {
	case FieldInt, FieldDecimal:
		return f.normalNumber(v)
	case FieldBool, FieldFormula:
		return normalBool(v)
	case FieldMoney:
		return normalMoney(v)
	case FieldDate:
		return normalDate(v)
	case FieldTime:
		return normalTime(v)
	case FieldMember, FieldReference:
		return normalID(v)
	case FieldMultiChoice:
		return normalTexts(v)
	}
	return f.normalText(v)
}

// wrongType says which type is wanted.
func wrongType(want string, v any) string {
	return fmt.Sprintf("holds %s, and a %T was given", want, v)
}

func (f *CustomField) normalText(v any) (any, string) {
	if v == nil {
		return nil, ""
	}
	s, ok := v.(string)
	if !ok {
		return nil, wrongType("text: give a string", v)
	}
	most := f.length()
	switch f.Type {
	case FieldChoice:
		most = maxOptionKey
	case FieldURL, FieldEmail, FieldPhone:
		most = maxFieldURL
	}
	if !utf8.ValidString(s) { // before it would be mended
		return nil, textFault(s, most)
	}
	if s = strings.TrimSpace(norm.NFC.String(s)); s == "" {
		return nil, ""
	}
	if msg := textFault(s, most); msg != "" {
		return nil, msg
	}
	switch f.Type {
	case FieldURL:
		return normalURL(s)
	case FieldEmail:
		return normalEmail(s)
	case FieldPhone:
		return normalPhone(s)
	}
	return s, ""
}

func normalURL(s string) (any, string) {
	const form = "is an address such as https://example.com/page"
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, form
	}
	u.Host = strings.ToLower(u.Host)
	// An empty fragment goes, and what is at the end then may be a space.
	if s = strings.TrimSpace(u.String()); len(s) > maxFieldURL {
		return nil, fmt.Sprintf("has %d bytes, and %d are allowed", len(s), maxFieldURL)
	}
	return s, ""
}

func normalEmail(s string) (any, string) {
	const form = "is one address such as ada@example.com, without a name"
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return nil, form
	}
	at := strings.LastIndexByte(s, '@')
	return s[:at] + strings.ToLower(s[at:]), ""
}

// normalPhone keeps the digits, and a + before them.
func normalPhone(s string) (any, string) {
	const form = "is a number such as +49 30 1234567: 3 to 20 digits, perhaps with a + first and with spaces, dots, hyphens, slashes and brackets between"
	var b strings.Builder
	for i, r := range norm.NFKC.String(s) {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b.WriteRune(r)
		case strings.ContainsRune(" .-/()\u2010\u2011\u2012\u2013", r):
		default:
			return nil, form
		}
	}
	plain := b.String()
	if n := len(strings.TrimPrefix(plain, "+")); n < 3 || n > 20 {
		return nil, form
	}
	return plain, ""
}

func normalBool(v any) (any, string) {
	switch v := v.(type) {
	case nil:
		return nil, ""
	case bool:
		return v, ""
	}
	return nil, wrongType("true or false: give a bool", v)
}

func normalMoney(v any) (any, string) {
	const want = `money: give a crm.Money, or {"amount":"12.00","currency":"EUR"}`
	var m Money
	switch v := v.(type) {
	case nil:
		return nil, ""
	case Money:
		m = v
	case map[string]any:
		amount, ok := v["amount"].(string)
		currency, both := v["currency"].(string)
		if !ok || !both || len(v) != 2 {
			return nil, "holds " + want
		}
		var err error
		if m, err = ParseAmount(amount, currency); err != nil {
			return nil, plainReason(err)
		}
	default:
		return nil, wrongType(want, v)
	}
	if m.IsZero() {
		return nil, ""
	}
	if err := m.Valid(); err != nil {
		return nil, plainReason(err)
	}
	return m, ""
}

// plainReason is what an error says is wrong, without what it is wrapped in.
func plainReason(err error) string {
	if found, ok := faultsOf(err); ok && len(found) == 1 {
		return found[0].Reason
	}
	return reason(err)
}

func normalDate(v any) (any, string) {
	const want = "a date: give a crm.Date, or text such as 2026-01-31"
	var d Date
	switch v := v.(type) {
	case nil:
		return nil, ""
	case Date:
		d = v
	case string:
		if v == "" {
			return nil, ""
		}
		var err error
		if d, err = ParseDate(v); err != nil {
			return nil, "holds " + want
		}
	default:
		return nil, wrongType(want, v)
	}
	switch {
	case d.IsZero():
		return nil, ""
	case !d.Valid():
		return nil, "is not a day of the calendar in the years 1 to 9999"
	}
	return d, ""
}

func normalTime(v any) (any, string) {
	const want = "a time: give a time.Time, or text such as 2026-01-31T09:00:00Z"
	var t time.Time
	switch v := v.(type) {
	case nil:
		return nil, ""
	case time.Time:
		t = v
	case string:
		if v == "" {
			return nil, ""
		}
		var err error
		if t, err = time.Parse(time.RFC3339Nano, v); err != nil {
			return nil, "holds " + want
		}
	default:
		return nil, wrongType(want, v)
	}
	if t.IsZero() {
		return nil, ""
	}
	if t = instant(t); t.Year() < 1 || t.Year() > 9999 {
		return nil, "lies outside the years 1 to 9999"
	}
	return t, ""
}

func normalID(v any) (any, string) {
	const want = "an id: give a crm.ID, or its text of 36 characters"
	var id ID
	switch v := v.(type) {
	case nil:
		return nil, ""
	case ID:
		id = v
	case string:
		if v == "" {
			return nil, ""
		}
		var err error
		if id, err = ParseID(v); err != nil {
			return nil, "holds " + want
		}
	default:
		return nil, wrongType(want, v)
	}
	if id.IsZero() {
		return nil, ""
	}
	return id, ""
}

func normalTexts(v any) (any, string) {
	const want = "several options: give a []string of their keys"
	var list []string
	switch v := v.(type) {
	case nil:
		return nil, ""
	case []string:
		list = slices.Clone(v)
	case []any:
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				return nil, wrongType(want, x)
			}
			list = append(list, s)
		}
	default:
		return nil, wrongType(want, v)
	}
	if len(list) == 0 {
		return nil, ""
	}
	for i, s := range list {
		if msg := textFault(s, maxOptionKey); msg != "" {
			return nil, "a text of it " + msg
		}
		list[i] = strings.TrimSpace(norm.NFC.String(s))
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) > maxChosen {
		return nil, fmt.Sprintf("has %d options, and %d are allowed", len(list), maxChosen)
	}
	return list, ""
}

// normalNumber takes an int, or a decimal's text, to the number as it is kept: times
// ten to the power of the scale.
func (f *CustomField) normalNumber(v any) (any, string) {
	if v == nil {
		return nil, ""
	}
	text, msg := f.numberText(v)
	if msg != "" || text == "" {
		return nil, msg
	}
	if f.Type == FieldInt {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			return nil, "is a whole number from -2^63 to 2^63-1"
		case f.Min != nil && n < *f.Min:
			return nil, fmt.Sprintf("is less than %d", *f.Min)
		case f.Max != nil && n > *f.Max:
			return nil, fmt.Sprintf("is more than %d", *f.Max)
		}
		return n, ""
	}
	n, msg := parseDecimal(text, int(f.Scale))
	if msg != "" {
		return nil, msg
	}
	unit := int64(math.Pow10(int(f.Scale)))
	// Compared by division, which does not overflow: a remainder is beyond the bound.
	if f.Min != nil && (n/unit < *f.Min || n/unit == *f.Min && n%unit < 0) {
		return nil, fmt.Sprintf("is less than %d", *f.Min)
	}
	if f.Max != nil && (n/unit > *f.Max || n/unit == *f.Max && n%unit > 0) {
		return nil, fmt.Sprintf("is more than %d", *f.Max)
	}
	return formatDecimal(n, int(f.Scale)), ""
}

// numberText is a number as its text. A float that is JSON's is taken, whose exact
// range for whole numbers ends at 2^53.
func (f *CustomField) numberText(v any) (text, msg string) {
	want := "a whole number: give an int64"
	if f.Type == FieldDecimal {
		want = "a number: give its text, such as \"12.50\""
	}
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10), ""
	case int:
		return strconv.Itoa(v), ""
	case json.Number:
		return v.String(), ""
	case string:
		if f.Type == FieldDecimal {
			return strings.TrimSpace(v), ""
		}
	case float64:
		const exact = 1 << 53
		switch {
		case math.IsNaN(v) || math.Abs(v) > exact:
			return "", "is a number too large to be exact as a float: give an int64 or text"
		case f.Type == FieldInt && v != math.Trunc(v):
			return "", "holds a whole number, and this one has a fraction"
		}
		return strconv.FormatFloat(v+0, 'f', -1, 64), "" // +0: no negative zero
	}
	return "", wrongType(want, v)
}

// parseDecimal reads a number, and returns it times ten to the power of scale.
func parseDecimal(s string, scale int) (int64, string) {
	form := fmt.Sprintf("is digits and a decimal point, such as -1234.5, with at most %d digits after the point", scale)
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if len(s) > 40 || !isDigits(whole) || point && !isDigits(fraction) {
		return 0, form
	}
	if fraction = strings.TrimRight(fraction, "0"); len(fraction) > scale {
		return 0, form
	}
	u, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10, 64)
	if err != nil {
		u = math.MaxUint64 // it was digits, so it is out of range
	}
	n, ok := signed(u, negative)
	if !ok {
		return 0, fmt.Sprintf("is out of range: without the point at most 2^63-1, with %d digits after it", scale)
	}
	return n, ""
}

func formatDecimal(n int64, scale int) string {
	digits := strconv.FormatUint(magnitude(n), 10)
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if n < 0 {
		digits = "-" + digits
	}
	if scale == 0 {
		return digits
	}
	return digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// optionFault says what is wrong with options that are chosen anew; the ones a
// record had before are kept.
func (f *CustomField) optionFault(v, before any) string {
	var keys, kept []string
	switch f.Type {
	case FieldChoice:
		s, _ := v.(string)
		keys = []string{s}
		was, _ := before.(string)
		kept = []string{was}
	case FieldMultiChoice:
		keys, _ = v.([]string)
		kept, _ = before.([]string)
	}
	for _, key := range keys {
		o, ok := f.Option(key)
		switch {
		case slices.Contains(kept, key):
		case !ok:
			return fmt.Sprintf("has no option %q: choose one of the field's options, by its key", clip(key))
		case o.Retired:
			return fmt.Sprintf("the option %q is retired: choose another", key)
		}
	}
	return ""
}

// clip shortens what is shown of input.
func clip(s string) string { return prefix(s, 40) }

// whenFault says which of the options do not go with the value of the field they
// depend on.
func (f *CustomField) whenFault(v, parent any) string {
	keys, _ := v.([]string)
	if s, ok := v.(string); ok {
		keys = []string{s}
	}
	above, _ := parent.(string)
	for _, key := range keys {
		if o, ok := f.Option(key); ok && len(o.When) > 0 && !slices.Contains(o.When, above) {
			return fmt.Sprintf("the option %q goes with another value of custom.%s: choose another, or none", key, f.DependsOn)
		}
	}
	return ""
}

// members are the names under which a value is kept.
func (f *CustomField) members() []string {
	if f.Type == FieldMoney {
		return []string{f.Key, f.Key + currencyMember}
	}
	return []string{f.Key}
}

// keep puts a value in its normal form among those that are kept.
func (f *CustomField) keep(kept map[string]any, v any) {
	switch v := v.(type) {
	case Money:
		kept[f.Key], kept[f.Key+currencyMember] = v.Minor, v.Currency
	case Date:
		kept[f.Key] = v.String()
	case time.Time:
		kept[f.Key] = v.UnixMicro()
	case ID:
		kept[f.Key] = v.String()
	case string:
		kept[f.Key] = v
		if f.Type == FieldDecimal {
			kept[f.Key], _ = parseDecimal(v, int(f.Scale))
		}
	default:
		kept[f.Key] = v
	}
}

// find returns the value among those that are kept, or nil. One of another type, which
// only a stranger could have put there, is none.
func (f *CustomField) find(kept map[string]any) any {
	switch v := kept[f.Key].(type) {
	case int64:
		switch f.Type {
		case FieldInt:
			return v
		case FieldDecimal:
			return formatDecimal(v, int(f.Scale))
		case FieldTime:
			return time.UnixMicro(v).UTC()
		case FieldMoney:
			if currency, ok := kept[f.Key+currencyMember].(string); ok {
				return Money{Minor: v, Currency: currency}
			}
		}
	case bool:
		if f.Type == FieldBool || f.Type == FieldFormula {
			return v
		}
	case []string:
		if f.Type == FieldMultiChoice {
			return slices.Clone(v)
		}
	case string:
		return f.findText(v)
	}
	return nil
}

func (f *CustomField) findText(s string) any {
	switch f.Type {
	case FieldText, FieldLongText, FieldChoice, FieldURL, FieldEmail, FieldPhone:
		return s
	case FieldDate:
		if d, err := ParseDate(s); err == nil {
			return d
		}
	case FieldMember, FieldReference:
		if id, err := ParseID(s); err == nil {
			return id
		}
	}
	return nil
}

// goForm turns what JSON decodes to into the types of kept values.
func goForm(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
	case []any:
		list := make([]string, len(v))
		for i, x := range v {
			s, ok := x.(string)
			if !ok {
				return v
			}
			list[i] = s
		}
		return list
	}
	return v
}
