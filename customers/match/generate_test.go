package match_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/customers/match"
)

// A world makes entities and spoils copies of them, always the same from one seed. It is
// made after what the Febrl generator does to people (Christen 2005): slips, words
// joined, split and exchanged, values missing, replaced, or in the neighbouring field.
type world struct {
	*rand.Rand

	surnames, streets, places []string
}

// spoiling is how badly copies are spoiled.
type spoiling struct {
	errors  int     // at most so many in a copy
	copies  int     // at most so many of an entity
	missing float64 // of the values, in originals too
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7))}
	w.surnames = slices.Concat(strings.Fields(`smith jones nguyen white campbell clarke taylor brown wilson webb green ryan martin
		thompson reid walker kelly harris lee king wright clark hill scott young morrison murphy roberts mitchell`), w.madeUp(600, 2, 3))
	w.streets = w.madeUp(500, 2, 3)
	w.places = w.madeUp(300, 2, 4)
	return w
}

func (w *world) madeUp(n, least, most int) (list []string) {
	syllables := strings.Fields("ba ber cal den dor el fen gar hal hol ing ka kel lam lin lo mar mel mon na nor ol pen ra ros sal sen ta tor ul van wal wel wes wil yar zan")
	for range n {
		var b strings.Builder
		for range least + w.IntN(most-least+1) {
			b.WriteString(syllables[w.IntN(len(syllables))])
		}
		list = append(list, b.String())
	}
	return list
}

// often takes one of a list, those in front far more often than those behind.
func (w *world) often(list []string) string {
	return list[int(float64(len(list))*w.Float64()*w.Float64()*w.Float64())]
}

func (w *world) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0' + byte(w.IntN(10))
	}
	return string(b)
}

func (w *world) birthday() string {
	return fmt.Sprintf("%d%02d%02d", 1925+w.IntN(80), 1+w.IntN(12), 1+w.IntN(28))
}

// personFields are what people are known by here; the last is left out in some tests.
func personFields() []match.Field {
	return []match.Field{
		{Name: "given", Kind: match.Given}, {Name: "family", Kind: match.Family}, {Name: "number", Kind: match.Code},
		{Name: "street", Kind: match.Address}, {Name: "line 2", Kind: match.Address}, {Name: "suburb", Kind: match.Place},
		{Name: "postcode", Kind: match.Code}, {Name: "state", Kind: match.Category}, {Name: "birth", Kind: match.Date}, {Name: "ssn", Kind: match.ID},
	}
}

func (w *world) person() []string {
	given := strings.Fields(`emily jack joshua thomas lachlan jessica chloe sarah sophie isabella james william samuel mitchell alexander ella
		hannah georgia benjamin matthew daniel nicholas jacob mia olivia ruby charlotte zoe amelia grace lucy lily harrison luke ethan riley liam
		connor dylan tyler caitlin madison maddison brianna kayla jasmine alana imogen bella tahlia logan finn oscar hugo jayden noah kyle zachary`)
	place := w.IntN(len(w.places))
	line2 := ""
	if w.Float64() < .4 {
		line2 = w.often(w.streets) + []string{" park", " village", " farm", ""}[w.IntN(4)]
	}
	return []string{
		w.often(given), w.often(w.surnames), strconv.Itoa(1 + int(300*w.Float64()*w.Float64())),
		w.often(w.streets) + " " + []string{"street", "place", "crescent", "court", "avenue", "circuit"}[w.IntN(6)],
		line2, w.places[place], strconv.Itoa(2000 + place*7%3000), []string{"nsw", "vic", "qld", "wa", "sa", "tas"}[place%6], w.birthday(), w.digits(7),
	}
}

// family is people of one household, twins aside of different ages.
func (w *world) household() (list [][]string) {
	first := w.person()
	list = append(list, first)
	for range 1 + w.IntN(3) {
		next := w.person()
		copy(next[1:8], first[1:8])
		list = append(list, next)
	}
	return list
}

const keyboard = "qwertyuiopasdfghjklzxcvbnm"

// slip makes one slip of the pen.
func (w *world) slip(s string) string {
	chars := []rune(s)
	if len(chars) == 0 {
		return s
	}
	at := w.IntN(len(chars))
	other := rune(keyboard[w.IntN(len(keyboard))])
	if chars[at] >= '0' && chars[at] <= '9' {
		other = '0' + rune(w.IntN(10))
	}
	switch w.IntN(5) {
	case 0:
		return string(slices.Insert(chars, at, other))
	case 1:
		if len(chars) > 1 {
			return string(slices.Delete(chars, at, at+1))
		}
	case 2:
		if at > 0 {
			chars[at], chars[at-1] = chars[at-1], chars[at]
			return string(chars)
		}
	case 3:
		return string(slices.Insert(chars, at, ' '))
	}
	chars[at] = other
	return string(chars)
}

// spoil returns a copy with errors.
func (w *world) spoil(row []string, errors int, fresh func() []string) []string {
	row = slices.Clone(row)
	for range errors {
		f := w.IntN(len(row))
		switch p := w.Float64(); {
		case p < .62:
			row[f] = w.slip(row[f])
		case p < .80:
			row[f] = ""
		case p < .86:
			row[f] = fresh()[f]
		case p < .93 && f < 2:
			row[0], row[1] = row[1], row[0]
		case p < .93 && (f == 3 || f == 4):
			row[3], row[4] = row[4], row[3]
		default:
			list := strings.Fields(row[f])
			if len(list) > 1 {
				list[0], list[1] = list[1], list[0]
			}
			row[f] = strings.Join(list, []string{" ", ""}[w.IntN(2)])
		}
	}
	return row
}

// labelled is rows, and of each which entity it is.
type labelled struct {
	rows   [][]string
	entity []int
}

func (l *labelled) add(entity int, row []string) {
	l.rows = append(l.rows, row)
	l.entity = append(l.entity, entity)
}

func (w *world) shuffled(l labelled) labelled {
	w.Shuffle(len(l.rows), func(i, j int) {
		l.rows[i], l.rows[j] = l.rows[j], l.rows[i]
		l.entity[i], l.entity[j] = l.entity[j], l.entity[i]
	})
	return l
}

// people are n people, of whom a share has copies.
func (w *world) people(n int, share float64, s spoiling) (l labelled) {
	for e := range n {
		row := w.person()
		for f := range row {
			if w.Float64() < s.missing {
				row[f] = ""
			}
		}
		l.add(e, row)
		if w.Float64() < share {
			for range 1 + int(float64(s.copies)*w.Float64()*w.Float64()) {
				l.add(e, w.spoil(row, 1+w.IntN(s.errors), w.person))
			}
		}
	}
	return w.shuffled(l)
}

// households are people who live together, of whom a share has a copy.
func (w *world) households(n int, share float64) (l labelled) {
	e := 0
	for range n {
		for _, row := range w.household() {
			e++
			l.add(e, row)
			if w.Float64() < share {
				l.add(e, w.spoil(row, 1+w.IntN(3), w.person))
			}
		}
	}
	return w.shuffled(l)
}

func companyFields() []match.Field {
	return []match.Field{
		{Name: "company", Kind: match.Company}, {Name: "street", Kind: match.Address}, {Name: "city", Kind: match.Place}, {Name: "phone", Kind: match.Phone},
		{Name: "branch", Kind: match.Category},
	}
}

func (w *world) company() []string {
	words := []string{"Trading", "Systems", "Technologies", "Foods", "Logistics", "Consulting", "International", "Services", "Group", "Energy", "Media", "Brothers", "Manufacturing"}
	name := strings.ToUpper(w.often(w.surnames)[:1]) + w.often(w.surnames)[1:] + " " + words[w.IntN(len(words))]
	switch w.IntN(4) {
	case 0:
		name = w.often(w.surnames) + " & " + w.often(w.surnames)
	case 1:
		name += " " + words[w.IntN(len(words))]
	}
	return []string{
		name + []string{" Inc.", " Ltd", " GmbH", " S.A.", " LLC", " Co., Ltd.", ""}[w.IntN(7)],
		strconv.Itoa(1+w.IntN(900)) + " " + w.often(w.streets) + " " + []string{"Street", "Avenue", "Road", "Boulevard"}[w.IntN(4)],
		w.often(w.places), "+1 " + w.digits(3) + " " + w.digits(3) + " " + w.digits(4),
		[]string{"retail", "food", "finance", "transport", "health", "software"}[w.IntN(6)],
	}
}

// restyle writes a company as another clerk would.
func (w *world) restyle(row []string) []string {
	row = slices.Clone(row)
	for _, form := range []string{" Inc.", " Ltd", " GmbH", " S.A.", " LLC", " Co., Ltd."} {
		if bare, ok := strings.CutSuffix(row[0], form); ok && w.IntN(3) > 0 {
			row[0] = bare + []string{"", " Limited", " inc"}[w.IntN(3)]
		}
	}
	if w.IntN(2) == 0 {
		row[0] = strings.NewReplacer("International", "Intl.", "Manufacturing", "Mfg", "Brothers", "Bros.", "Technologies", "Tech", " & ", " and ").Replace(row[0])
	}
	if w.IntN(4) == 0 {
		list := strings.Fields(row[0])
		list[0], list[len(list)-1] = list[len(list)-1], list[0]
		row[0] = strings.Join(list, " ")
	}
	if w.IntN(2) == 0 {
		row[1] = strings.NewReplacer("Street", "St.", "Avenue", "Ave", "Road", "Rd", "Boulevard", "blvd.").Replace(row[1])
	}
	if w.IntN(2) == 0 {
		row[3] = strings.NewReplacer("+1 ", "", " ", "-").Replace(row[3])
	}
	if w.IntN(3) == 0 {
		row[0] = w.slip(row[0])
	}
	switch w.IntN(5) {
	case 0:
		row[3] = ""
	case 1:
		row[1] = w.company()[1]
	case 2:
		row[4] = w.company()[4]
	}
	return row
}

func (w *world) companies(n int, share float64, sparse bool) (l labelled) {
	add := func(e int, row []string) {
		if sparse {
			row[3] = ""
			if w.IntN(2) == 0 {
				row[2] = ""
			}
			if w.IntN(3) == 0 {
				row[1] = ""
			}
		}
		l.add(e, row)
	}
	for e := range n {
		row := w.company()
		if w.Float64() < share {
			add(e, w.restyle(row))
		}
		add(e, row)
	}
	return w.shuffled(l)
}

func chineseFields() []match.Field {
	return []match.Field{{Name: "姓名", Kind: match.Person}, {Name: "手机", Kind: match.Phone}, {Name: "地址", Kind: match.Address}, {Name: "公司", Kind: match.Company}}
}

func (w *world) chinese() []string {
	pick := func(chars string) string { r := []rune(chars); return string(r[w.IntN(len(r))]) }
	surname := pick("王王王李李李张张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗曾单任解仇")
	if w.IntN(25) == 0 {
		surname = []string{"欧阳", "司马", "上官"}[w.IntN(3)]
	}
	given := "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰文建国志红梅子轩涵雨欣怡梓浩宇博思晨"
	name := surname + pick(given)
	if w.IntN(4) > 0 {
		name += pick(given)
	}
	city := []string{"北京市朝阳区", "上海市浦东新区", "深圳市南山区", "杭州市西湖区", "广州市天河区"}[w.IntN(5)]
	return []string{
		name, "1" + strconv.Itoa(3+w.IntN(6)) + w.digits(9), city + pick(given) + pick("安民山海新") + "路" + strconv.Itoa(1+w.IntN(900)) + "号",
		[]string{"北京", "上海", "深圳市", "杭州"}[w.IntN(4)] + pick(given) + pick(given) + pick("通达信联创") + []string{"科技", "贸易", "电子", "网络技术"}[w.IntN(4)] + []string{"有限公司", "股份有限公司", "有限责任公司"}[w.IntN(3)],
	}
}

// rewrite writes a Chinese person as another clerk would, in pinyin now and then.
func (w *world) rewrite(row []string) []string {
	row = slices.Clone(row)
	if w.IntN(3) == 0 {
		row[0] = latin(row[0], w.IntN(2) == 0)
	}
	switch w.IntN(4) {
	case 0:
		row[1] = ""
	case 1:
		row[1] = "+86 " + row[1][:3] + " " + row[1][3:7] + " " + row[1][7:]
	case 2:
		row[1] = w.slip(row[1])
	}
	switch w.IntN(4) {
	case 0:
		row[2] = strings.NewReplacer("市", "", "区", "").Replace(row[2])
	case 1:
		row[2] = ""
	}
	if w.IntN(2) == 0 {
		row[3] = strings.NewReplacer("股份有限公司", "", "有限责任公司", "有限公司", "市", "").Replace(row[3])
	}
	return row
}

func (w *world) chinesePeople(n int, share float64) (l labelled) {
	for e := range n {
		row := w.chinese()
		l.add(e, row)
		if w.Float64() < share {
			l.add(e, w.rewrite(row))
		}
	}
	return w.shuffled(l)
}
