package match

import (
	"slices"
	"strings"

	"github.com/adrg/strutil/metrics"
)

// reader says how a text is read in letters, as crm/pinyin does; nil: nobody knows.
type reader func(text string) []string

// A title or a suffix is no part of a name.
func isTitle(word string) bool {
	switch word {
	case "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "herr", "frau", "mme", "jr", "sr", "ii", "iii", "iv", "phd", "md", "esq",
		"先生", "女士", "小姐", "博士", "教授":
		return true
	}
	return false
}

// personWords are the words of a person's name, without titles. A Chinese name without
// a gap is one word.
func personWords(s string) []string {
	list := strings.Fields(fold(s))
	for i, w := range list {
		for _, title := range []string{"先生", "女士", "小姐"} {
			if rest := strings.TrimSuffix(w, title); rest != "" {
				list[i] = rest
				w = rest
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(list), isTitle)
	if len(kept) == 0 {
		return list
	}
	return kept
}

// readings are the ways in which a Chinese name is read in letters, the surname first
// and last: 李雷 is lilei and leili. Other names have none. Where a character is read in
// several ways, there are several, with a surname's own way first.
func (read reader) readings(name string) (list []string) {
	if read == nil {
		return nil
	}
	name = strings.ReplaceAll(name, " ", "")
	chars := []rune(name)
	if len(chars) == 0 || len(chars) > 6 || strings.ContainsFunc(name, func(r rune) bool { return !isHan(r) }) {
		return nil
	}
	surname := 1
	if len(chars) > 2 && compound(string(chars[:2])) {
		surname = 2
	}
	wholes := read.ways(name)
	list = append(list, wholes...)
	if len(chars) <= surname {
		return list
	}
	for _, given := range read.ways(string(chars[surname:])) {
		for _, whole := range wholes {
			if family, ok := strings.CutSuffix(whole, given); ok && !slices.Contains(list, given+family) {
				list = append(list, given+family)
			}
		}
	}
	return list
}

// maxWays is how many readings of one name are kept.
const maxWays = 4

// ways are the readings of all characters of a Chinese text, the usual one first.
func (read reader) ways(s string) (list []string) {
	// It says the whole in each way, and after each its initials.
	for i, word := range read(s) {
		if i%2 == 1 {
			if len(word) != len([]rune(s)) {
				break
			}
			continue
		}
		if len(list) == maxWays || i > 0 && len(word) < len(list[0])-2 {
			break
		}
		list = append(list, word)
	}
	return list
}

// compound reports whether two characters are a surname of two.
func compound(s string) bool {
	switch s {
	case "欧阳", "歐陽", "上官", "司马", "司馬", "诸葛", "諸葛", "东方", "東方", "皇甫", "尉迟", "公孙", "令狐", "慕容", "宇文", "长孙", "司徒", "司空", "夏侯",
		"轩辕", "端木", "百里", "南宫", "独孤", "呼延", "万俟", "澹台", "闻人", "赫连", "太史", "申屠", "公羊", "钟离", "第五", "东郭", "西门":
		return true
	}
	return false
}

// nickname is the name that a short form stands for, in English; else the word itself.
// The usual forms are from the lists of given names any phone book shows.
func nickname(w string) string {
	switch w {
	case "bob", "bobby", "rob", "robbie", "bert":
		return "robert"
	case "bill", "billy", "will", "willy", "liam":
		return "william"
	case "dick", "rick", "ricky", "rich", "richie":
		return "richard"
	case "jim", "jimmy", "jamie":
		return "james"
	case "jack", "johnny", "jon", "johnnie":
		return "john"
	case "joe", "joey":
		return "joseph"
	case "mike", "mick", "mickey", "micky":
		return "michael"
	case "tom", "tommy":
		return "thomas"
	case "tony":
		return "anthony"
	case "ted", "teddy", "ed", "eddie", "ned":
		return "edward"
	case "chuck", "charlie", "charley":
		return "charles"
	case "dave", "davy":
		return "david"
	case "dan", "danny":
		return "daniel"
	case "matt":
		return "matthew"
	case "nick", "nicky":
		return "nicholas"
	case "steve", "stephen":
		return "steven"
	case "andy", "drew":
		return "andrew"
	case "alex", "sandy":
		return "alexander"
	case "ben", "benny":
		return "benjamin"
	case "sam", "sammy":
		return "samuel"
	case "chris":
		return "christopher"
	case "greg":
		return "gregory"
	case "ken", "kenny":
		return "kenneth"
	case "larry":
		return "lawrence"
	case "pete":
		return "peter"
	case "phil":
		return "philip"
	case "ron", "ronnie":
		return "ronald"
	case "don", "donnie":
		return "donald"
	case "tim", "timmy":
		return "timothy"
	case "hank", "harry":
		return "henry"
	case "fred", "freddy":
		return "frederick"
	case "josh":
		return "joshua"
	case "nate", "nathan":
		return "nathaniel"
	case "zach", "zack":
		return "zachary"
	case "liz", "beth", "betty", "lizzie", "eliza", "lisa", "betsy":
		return "elizabeth"
	case "kate", "katie", "kathy", "cathy", "kat", "kitty", "catherine", "kathryn", "katharine":
		return "katherine"
	case "peggy", "meg", "maggie", "marge", "margie", "peg":
		return "margaret"
	case "sue", "susie", "suzy":
		return "susan"
	case "jen", "jenny", "jennie":
		return "jennifer"
	case "becky", "rebekah":
		return "rebecca"
	case "pam":
		return "pamela"
	case "patty", "tricia", "trish":
		return "patricia"
	case "debbie", "deb":
		return "deborah"
	case "cindy":
		return "cynthia"
	case "vicky", "vicki":
		return "victoria"
	case "abby":
		return "abigail"
	case "mandy":
		return "amanda"
	case "barb":
		return "barbara"
	case "annie", "nan":
		return "ann"
	case "molly", "polly":
		return "mary"
	}
	return w
}

// likeName is how alike two words of names are, from 0 to 1: the same, a nickname, a
// slip, an initial, or by the measure of Jaro and Winkler (Winkler 1990), which was
// made for names. Their letters are at hand, since most names are told apart by them.
func likeName(a, b string, inA, inB uint64) (like float64, what reason) {
	switch {
	case a == b:
		return 1, same
	case nickname(a) == nickname(b):
		return .95, nick
	case len(a) == 1 || len(b) == 1:
		if a[0] == b[0] {
			return .7, initial
		}
		return 0, different
	}
	n := max(len(a), len(b))
	if far(inA, inB, 1+n/3) {
		return 0, different
	}
	if most := allowed(n); most > 0 && slips(a, b, most) <= most {
		return .9, slip
	}
	switch jw := metrics.NewJaroWinkler().Compare(a, b); {
	case jw >= .86:
		return .8, alike
	case n > 3 && slips(a, b, n/3) <= n/3:
		return .5, alike
	}
	return 0, different
}

// likeWords is likeName of two words of names.
func likeWords(a, b *value, i, j int) (like float64, what reason) {
	if a.words[i] == b.words[j] {
		return 1, same
	}
	return likeName(a.word(i), b.word(j), a.of.letters[a.words[i]], b.of.letters[b.words[j]])
}

// compareName compares the given names, or the family names, of two people.
func compareName(a, b *value) agreement {
	if a.equal(b) {
		return agreement{level: Same, why: same, whole: true}
	}
	if a.han || b.han {
		return compareHan(a, b)
	}
	if len(a.words) == 1 && len(b.words) == 1 {
		return gradeName(likeName(a.text, b.text, a.letters, b.letters))
	}
	if len(a.words) == 0 || len(b.words) == 0 {
		return agreement{level: Differ, why: different}
	}
	// Mary Ann and Mary, Davila-Sanders and Davila; but van Dyke is no van Gogh
	if x, y := a.word(0), b.word(0); min(len(x), len(y)) > 3 {
		if like, _ := likeWords(a, b, 0, 0); like >= .9 {
			return agreement{level: Near, why: part}
		}
	}
	if g := gradeName(likeName(a.joined(), b.joined(), a.letters, b.letters)); g.level > Distant {
		return g
	}
	for i, w := range a.words {
		if len(a.word(i)) > 3 && b.has(w) {
			return agreement{level: Close, why: part}
		}
	}
	return agreement{level: Differ, why: different}
}

func gradeName(like float64, why reason) agreement {
	switch {
	case like >= .9:
		return agreement{level: Near, why: why}
	case like >= .7:
		return agreement{level: Close, why: why}
	case like > 0:
		return agreement{level: Distant, why: why}
	}
	return agreement{level: Differ, why: different}
}

// compareHan compares names of which one or both are Chinese: by their characters, or
// as they are read. Two people's names are often read alike, so that is less.
func compareHan(a, b *value) agreement {
	switch {
	case a.han && b.han:
		if intersects(a.readings, b.readings) {
			return agreement{level: Near, why: reading}
		}
		if slips(a.text, b.text, 1) == 1 && len(a.text) > 6 && len(b.text) > 6 {
			return agreement{level: Distant, why: slip}
		}
	case a.han:
		if slices.Contains(a.readings, b.joined()) || slices.Contains(a.readings, b.reversed()) {
			return agreement{level: Near, why: reading}
		}
	case b.han:
		return compareHan(b, a)
	}
	return agreement{level: Differ, why: different}
}

func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// comparePerson compares whole names, whichever of their names is said first. Of the
// shorter one each word is held against the best of the longer.
func comparePerson(a, b *value) agreement {
	if a.equal(b) {
		return agreement{level: Same, why: same, whole: true}
	}
	if a.han || b.han {
		return compareHan(a, b)
	}
	if a.letters == b.letters && (a.reversed() == b.joined() || a.joined() == b.reversed()) {
		return agreement{level: Same, why: same, whole: true}
	}
	if len(a.words) > len(b.words) {
		a, b = b, a
	}
	var taken [maxWords]bool
	least, full, why := 1., 0, part
	shared := uint32(0)
	for i, w := range a.words {
		best, at, how := 0., -1, different
		for j := range b.words {
			if taken[j] {
				continue
			}
			if l, reason := likeWords(a, b, i, j); l > best {
				best, at, how = l, j, reason
			}
		}
		if at >= 0 {
			taken[at] = true //nolint:gosec // an index of b
		}
		if best >= .9 && len(a.word(i)) > 1 {
			full++
			if best == 1 && (shared == 0 || a.of.counts[w] < a.of.counts[shared-1]) {
				shared = w + 1
			}
		}
		if best < least {
			least, why = best, how
		}
	}
	n := len(a.words)
	switch {
	case n > 1 && full == n && len(b.words) < n+2:
		return agreement{level: Near, why: why, shared: shared}
	case n > 1 && full > 0 && least >= .7:
		return agreement{level: Close, why: why, shared: shared}
	case full > 0 && (n == 1 || full > 1):
		return agreement{level: Distant, why: part, shared: shared}
	case a.slips(b, allowed(min(len(a.text), len(b.text)))):
		return agreement{level: Near, why: slip}
	}
	return agreement{level: Differ, why: different}
}
