package transfer

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// tidy is a cell without space around it, and without the apostrophe by which
// spreadsheets keep a text from being a number or a formula.
func tidy(cell string) string {
	cell = strings.TrimSpace(cell)
	if len(cell) > 1 && cell[0] == '\'' && (strings.IndexByte("=+-@\t\r'", cell[1]) >= 0 || cell[1] >= '0' && cell[1] <= '9') {
		return cell[1:]
	}
	return cell
}

// formats finds out how the numbers and dates of the columns are written.
func (p *Plan) formats(k *kind, src *buffered) error {
	g := guesser{plan: p, kind: k, sample: src.ahead}
	for i := range p.Columns {
		c := &p.Columns[i]
		f := k.byName[c.Field]
		if f == nil && !isTime(c.Field) || c.Part == heading.Currency {
			continue
		}
		if known := src.dates(); known != "" {
			c.Decimal = "."
			if known == Serial1900 || known == Serial1904 {
				c.Serial = known
			} else if c.Dates == "" {
				c.Dates = known
			}
		}
		switch {
		case isTime(c.Field) || f.Type == crm.TypeTime || f.Type == crm.TypeDate:
			if err := p.dates(c, g.texts(i)); err != nil {
				return err
			}
		case f.Type == crm.TypeMoney || f.Type == crm.TypeInt || f.Type == crm.TypeDecimal:
			if err := p.decimal(c, f, g.texts(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dates finds out the order of a column's dates.
func (p *Plan) dates(c *Column, texts []string) error {
	if c.Dates == "" {
		c.Dates = p.Dates
	}
	if c.Dates != "" {
		return nil
	}
	doubtful := ""
	for _, text := range texts {
		if c.Serial != "" && strings.Trim(text, "0123456789.") == "" {
			continue
		}
		a, b, ok := dayAndMonth(text)
		switch {
		case !ok || a == b:
		case a > 12 && b <= 12:
			if c.Dates == MonthFirst {
				return crm.Invalid("columns", "%s: its dates are written in two orders, such as %s: say which by Dates", c.Heading, text)
			}
			c.Dates = DayFirst
		case b > 12 && a <= 12:
			if c.Dates == DayFirst {
				return crm.Invalid("columns", "%s: its dates are written in two orders, such as %s: say which by Dates", c.Heading, text)
			}
			c.Dates = MonthFirst
		case doubtful == "":
			doubtful = text
		}
	}
	if c.Dates == "" && doubtful != "" {
		return crm.Invalid("columns", "%s: %s has the day first or the month, and no date of the column tells: say which by Dates (dmy or mdy)", c.Heading, doubtful)
	}
	return nil
}

// dayAndMonth are the first two numbers of a date such as 03/04/2024, of which one is
// the day and one the month. With dots the day is always first.
func dayAndMonth(text string) (a, b int, ok bool) {
	head, _, _ := strings.Cut(text, " ")
	parts := strings.FieldsFunc(head, func(r rune) bool { return r == '/' || r == '-' })
	if len(parts) != 3 || len(parts[0]) > 2 || len(parts[1]) > 2 {
		return 0, 0, false
	}
	a, err := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return a, b, err == nil && err2 == nil
}

// decimal finds out the decimal mark of a column's numbers.
func (p *Plan) decimal(c *Column, f *crm.FieldInfo, texts []string) error {
	if c.Decimal == "" {
		c.Decimal = p.Decimal
	}
	if c.Decimal != "" {
		return nil
	}
	votes := map[string]int{}
	doubtful := ""
	for _, text := range texts {
		switch mark := markOf(text); mark {
		case ".", ",":
			votes[mark]++
		case "?":
			doubtful = text
		}
	}
	switch {
	case votes["."] > votes[","]:
		c.Decimal = "."
	case votes[","] > votes["."]:
		c.Decimal = ","
	case doubtful == "" || f.Type != crm.TypeDecimal: // whole numbers and money have no three decimals
	default:
		return crm.Invalid("columns", "%s: %s has three decimals or marks thousands, and no number of the column tells: say which by Decimal", c.Heading, doubtful)
	}
	return nil
}

// markOf is the decimal mark a number shows, empty when it has none, and ? when its only
// mark may be that of thousands.
func markOf(text string) string {
	dot, comma := strings.LastIndexByte(text, '.'), strings.LastIndexByte(text, ',')
	switch {
	case dot < 0 && comma < 0:
		return ""
	case dot >= 0 && comma >= 0:
		return string(text[max(dot, comma)])
	}
	at := max(dot, comma)
	mark := text[at]
	if strings.Count(text, string(mark)) > 1 {
		return other(string(mark))
	}
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	before := strings.TrimLeftFunc(text[:at], func(r rune) bool { return r < '0' || r > '9' })
	if digits(text[at+1:]) != 3 || len(before) > 3 || before == "0" || before == "" {
		return string(mark)
	}
	return "?"
}

func other(mark string) string {
	if mark == "." {
		return ","
	}
	return "."
}

// parseNumber brings a number to digits with a point: "-1234.5". The decimal mark is
// what the number itself shows, or else the column's, or else taken for that of
// thousands.
func parseNumber(text, decimal string) (string, bool) {
	text = strings.TrimSpace(norm.NFKC.String(text))
	negative := false
	if inner, ok := strings.CutPrefix(text, "("); ok {
		if text, ok = strings.CutSuffix(inner, ")"); !ok {
			return "", false
		}
		negative = true
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\'' || r == '’' || r == '_' {
			return -1
		}
		if r == '−' {
			return '-'
		}
		return r
	}, text)
	for _, sign := range []string{"-", "+"} {
		cut, front := strings.CutPrefix(text, sign)
		if !front {
			cut, front = strings.CutSuffix(text, sign)
		}
		if front {
			text, negative = cut, negative != (sign == "-")
			break
		}
	}
	mark := markOf(text)
	if mark == "?" {
		mark = decimal
		if mark == "" {
			mark = other(string(text[strings.IndexAny(text, ".,")]))
		}
	}
	whole, fraction := text, ""
	if mark != "" {
		if i := strings.LastIndex(text, mark); i >= 0 {
			whole, fraction = text[:i], text[i+1:]
		}
	}
	whole, ok := grouped(whole, other(mark))
	if !ok || whole+fraction == "" || strings.Trim(fraction, "0123456789") != "" {
		return "", false
	}
	if whole == "" {
		whole = "0"
	}
	number := strings.TrimLeft(whole, "0")
	if number == "" {
		number = "0"
	}
	if fraction != "" {
		number += "." + fraction
	}
	if negative {
		number = "-" + number
	}
	return number, true
}

// grouped is a whole number without its marks of thousands, which stand where they
// belong: before three digits, or two and three as in India.
func grouped(text, mark string) (string, bool) {
	parts := strings.Split(text, mark)
	for i, part := range parts {
		if strings.Trim(part, "0123456789") != "" {
			return "", false
		}
		if len(parts) > 1 && (i == 0 && (part == "" || len(part) > 3) || i == len(parts)-1 && len(part) != 3 || i > 0 && i < len(parts)-1 && len(part) != 3 && len(part) != 2) {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}

// symbols are the signs of currencies that are of one country, or nearly so.
//
//nolint:gochecknoglobals // a constant
var symbols = []struct{ sign, code string }{
	{"US$", "USD"}, {"C$", "CAD"}, {"A$", "AUD"}, {"HK$", "HKD"}, {"R$", "BRL"}, {"NT$", "TWD"}, {"S$", "SGD"}, {"€", "EUR"}, {"£", "GBP"}, {"₹",
		"INR"}, {"₩", "KRW"}, {"₽", "RUB"},
	{"₺", "TRY"}, {"₫", "VND"}, {"₴", "UAH"}, {"₪", "ILS"}, {"฿", "THB"}, {"zł", "PLN"}, {"Kč", "CZK"}, {"元", "CNY"}, {"人民币", "CNY"}, {"円", "JPY"},
	{"RMB", "CNY"}, {"$", "USD"}, {"¥", "CNY"}, {"￥", "CNY"},
}

// currencyOf is the currency that an amount names, by its code or sign. A dollar sign
// alone is of the United States, and ¥ of China.
func currencyOf(text string) string {
	_, code := splitCurrency(text)
	return code
}

// splitCurrency takes the currency off an amount.
func splitCurrency(text string) (amount, code string) {
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) || r > unicode.MaxASCII }) {
		if len(field) == 3 {
			if _, err := crm.Minor(1, strings.ToUpper(field)); err == nil {
				return strings.Replace(text, field, "", 1), strings.ToUpper(field)
			}
		}
	}
	for _, s := range symbols {
		if strings.Contains(text, s.sign) {
			return strings.Replace(text, s.sign, "", 1), s.code
		}
	}
	return text, ""
}

// parseMoney reads an amount with its currency, or else in the one given.
func parseMoney(text, decimal, currency string) (crm.Money, error) {
	amount, named := splitCurrency(text)
	if named != "" && !(strings.ContainsAny(text, "$¥￥") && currency != "" && !strings.Contains(text, named)) {
		currency = named
	}
	if currency == "" {
		return crm.Money{}, errors.New("names no currency: add a column with it, or say which by Currency")
	}
	number, ok := parseNumber(amount, decimal)
	if !ok {
		return crm.Money{}, fmt.Errorf("%q is no amount of money", clip(text))
	}
	if whole, fraction, ok := strings.Cut(number, "."); ok { // zeros behind the smallest unit are no loss
		one, err := crm.Minor(1, currency)
		if err == nil {
			digits := len(strings.TrimPrefix(strings.TrimLeft(one.Amount(), "0"), "."))
			if !strings.Contains(one.Amount(), ".") {
				digits = 0
			}
			if len(fraction) > digits && strings.Trim(fraction[digits:], "0") == "" {
				number = strings.TrimSuffix(whole+"."+fraction[:digits], ".")
			}
		}
	}
	m, err := crm.ParseAmount(number, currency)
	if err != nil {
		return crm.Money{}, errors.New(reasonOf(err))
	}
	return m, nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// dayForms are forms of a day that can be read in one way only.
//
//nolint:gochecknoglobals // a constant
var dayForms = []string{
	"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日", "2.1.2006", "2.1.06", "2 Jan 2006", "2 January 2006", "2-Jan-2006", "2-Jan-06",
	"2 Jan 06", "Jan 2, 2006", "January 2, 2006",
	"Jan 2 2006", "January 2 2006", "2. January 2006", "2. Jan 2006", "Mon, 2 Jan 2006", "Mon, Jan 2, 2006", "Monday, January 2, 2006",
	"Monday, 2 January 2006", "2-January-2006", "2006-Jan-2",
}

// clockForms are forms of a time of day, behind a day.
//
//nolint:gochecknoglobals // a constant
var clockForms = []string{
	"15:04", "15:04:05", "15:04:05.999999999", "3:04 PM", "3:04PM", "3:04:05 PM", "3:04:05PM", "3:04 pm", "3:04pm", "15:04:05Z07:00",
	"15:04:05.999999999Z07:00", "15:04Z07:00", "15:04:05 -0700", "15:04:05-0700", "15:04:05 -07:00",
	"15:04:05 UTC", "15:04 UTC", "15:04:05 MST", "15时4分", "15时4分5秒", "15点4分", "15:04:05 -0700 MST", "15:04:05.999999999 -0700 MST",
}

// timeReader reads the times of a column, which are mostly of one form.
type timeReader struct {
	order DateOrder
	epoch DateOrder // of a spreadsheet's numbers of days, or empty
	zone  *time.Location
	form  string // of the last that was read
}

// read reads a day, or a day with a time.
func (r *timeReader) read(text string) (time.Time, bool) {
	text = strings.Join(strings.Fields(norm.NFKC.String(text)), " ")
	if len(text) > 60 {
		return time.Time{}, false
	}
	if r.form != "" {
		if t, err := time.ParseInLocation(r.form, text, r.zone); err == nil {
			return t, true
		}
	}
	if t, ok := r.serial(text); ok {
		return t, true
	}
	if r.order == YearFirst && len(text) > 4 && !strings.ContainsAny(text[:4], "/-. ") || r.order != YearFirst {
		return r.search(text)
	}
	return time.Time{}, false
}

// serial reads a date of a spreadsheet: days since 1900, which it takes for a leap year,
// or since 1904, with the time of day as a fraction.
func (r *timeReader) serial(text string) (time.Time, bool) {
	begin := time.Date(1899, 12, 30, 0, 0, 0, 0, r.zone)
	if r.epoch == Serial1904 {
		begin = time.Date(1904, 1, 1, 0, 0, 0, 0, r.zone)
	}
	days, err := strconv.ParseFloat(text, 64)
	if r.epoch == "" || err != nil || days < 1 || days > 2_958_465 {
		return time.Time{}, false
	}
	whole := math.Floor(days)
	at := begin.AddDate(0, 0, int(whole))
	return at.Add(time.Duration(math.Round((days-whole)*86_400)) * time.Second), true
}

// search tries all forms.
func (r *timeReader) search(text string) (time.Time, bool) {
	order, zone := r.order, r.zone
	found := func(t time.Time, form string) (time.Time, bool) {
		if !strings.HasPrefix(form, "1/") && !strings.HasPrefix(form, "1-") { // the order may be each row's own
			r.form = form
		}
		return t, true
	}
	days := dayForms
	if a, b, slashed := dayAndMonth(text); slashed {
		if order == "" && a != b && a <= 12 && b <= 12 {
			return time.Time{}, false
		}
		days = []string{"1/2/2006", "1/2/06", "1-2-2006", "1-2-06"}
		if order == DayFirst || order == "" && a > 12 {
			days = []string{"2/1/2006", "2/1/06", "2-1-2006", "2-1-06"}
		}
	}
	for _, day := range days {
		if t, err := time.ParseInLocation(day, text, zone); err == nil {
			return found(t, day)
		}
	}
	// A day and a time stand apart, or with a T between.
	for i := 1; i < len(text); i++ {
		var rest string
		switch {
		case text[i] == 'T' && text[i-1] >= '0' && text[i-1] <= '9', text[i] == ' ':
			rest = text[i+1:]
		case strings.HasSuffix(text[:i], "日"):
			rest = text[i:]
		default:
			continue
		}
		if rest == "" || !unicode.IsDigit(rune(rest[0])) {
			continue
		}
		head := strings.TrimSuffix(text[:i], ",")
		for _, day := range days {
			if _, err := time.ParseInLocation(day, head, zone); err != nil {
				continue
			}
			for _, clock := range clockForms {
				form := day + strings.TrimSuffix(text[len(head):], rest) + clock
				if t, err := time.ParseInLocation(form, text, zone); err == nil {
					return found(t, form)
				}
			}
		}
	}
	return time.Time{}, false
}
