package match

import (
	"strings"
)

// A legal form says how a company is organised, not which it is. They are listed
// without dots, as fold leaves them. The list follows the abbreviations in common use of
// ISO 20275 (Entity Legal Forms).
func isLegalForm(w string) bool {
	switch w {
	case "inc", "incorporated", "corp", "corporation", "co", "company", "companies", "llc", "lllp", "llp", "lp", "plc", "ltd", "limited", "pc", "pllc",
		"gmbh", "ag", "kg", "kgaa", "ohg", "ug", "ev", "mbh", "se",
		"sa", "sas", "sarl", "eurl", "sasu", "snc", "sca",
		"spa", "srl", "srls", "sl", "slu", "sau", "cv", "sapi",
		"bv", "nv", "vof", "bvba", "cvba", "asbl",
		"ab", "as", "asa", "aps", "oy", "oyj", "hf", "ehf",
		"pty", "pte", "pvt", "bhd", "sdn", "jsc", "ooo", "oao", "zao", "pao", "kft", "zrt", "sro", "doo", "dd", "eood", "ood", "spzoo", "sp", "zoo",
		"ltda", "eireli", "kk", "gk", "kabushiki", "kaisha", "tbk", "pt", "jv":
		return true
	}
	return false
}

// Chinese legal forms, the longest first, since they are ends of each other.
func hanForms() []string {
	return []string{
		"股份有限责任公司", "有限责任公司", "股份有限公司", "集团有限公司", "控股有限公司", "有限公司", "有限合伙", "股份公司", "总公司", "分公司", "公司",
		"有限責任公司", "股份有限公司", "集團有限公司", "有限公司", "株式会社", "合同会社", "有限会社", "集团", "集團",
	}
}

// unabbreviated is the word that an abbreviation in names of companies stands for; else
// the word itself.
func unabbreviated(w string) string {
	switch w {
	case "intl", "int", "internatl":
		return "international"
	case "natl", "nat":
		return "national"
	case "mfg", "manuf", "mfrs":
		return "manufacturing"
	case "bros":
		return "brothers"
	case "assoc", "assocs", "assn":
		return "associates"
	case "univ":
		return "university"
	case "svc", "svcs", "serv", "service":
		return "services"
	case "mgmt", "mgt":
		return "management"
	case "ctr", "cntr", "centre":
		return "center"
	case "grp", "gp":
		return "group"
	case "hldgs", "hldg", "holding":
		return "holdings"
	case "tech", "techs", "technology":
		return "technologies"
	case "sys", "syst", "system":
		return "systems"
	case "ind", "inds", "industry", "industrial":
		return "industries"
	case "dept":
		return "department"
	case "ent", "entp", "enterprise":
		return "enterprises"
	case "prod", "prods", "product":
		return "products"
	case "labs", "lab", "laboratory":
		return "laboratories"
	case "elec", "electr":
		return "electric"
	case "eng", "engr":
		return "engineering"
	case "fin":
		return "financial"
	case "ins":
		return "insurance"
	case "pharm", "pharma":
		return "pharmaceuticals"
	case "bldg":
		return "building"
	case "amer":
		return "american"
	case "st":
		return "saint"
	case "mt":
		return "mount"
	case "ft":
		return "fort"
	}
	return w
}

// company is the name of an organisation in normal form: folded, without legal forms,
// articles and "and", its abbreviations written out. What would leave nothing is left
// undone.
func company(s string) string {
	var kept, all []string
	for w := range strings.FieldsSeq(dotless(s)) {
		all = append(all, w)
		if hasHan(w) {
			w = withoutForm(w)
		}
		if w == "" || w == "the" || w == "and" || isLegalForm(w) {
			continue
		}
		kept = append(kept, unabbreviated(w))
	}
	if len(kept) == 0 {
		kept = all
	}
	return strings.Join(kept, " ")
}

func withoutForm(w string) string {
	for _, form := range hanForms() {
		if rest, ok := strings.CutSuffix(w, form); ok {
			return rest
		}
	}
	return w
}

// dotless folds a text in which dots between single letters join them: S.A. is sa,
// I.B.M. is ibm.
func dotless(s string) string {
	s = cut(strings.ToValidUTF8(s, ""))
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] == '.' && i > 0 && isLetter(s[i-1]) && (i == 1 || !isLetter(s[i-2])) {
			continue
		}
		b = append(b, s[i])
	}
	return fold(string(b))
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// compareCompany compares names of organisations: their rare words count, the frequent
// ones hardly.
func compareCompany(a, b *value) agreement {
	if a.equal(b) {
		return agreement{level: Same, why: same, whole: true}
	}
	if a.han != b.han {
		if g := compareHan(a, b); g.level > Differ {
			return g
		}
	}
	if isAcronym(a, b) || isAcronym(b, a) {
		return agreement{level: Close, why: initial}
	}
	return compareWords(a, b)
}

// isAcronym reports whether one word is the initials of three or more others.
func isAcronym(short, long *value) bool {
	if len(short.words) != 1 || len(long.words) < 3 || len(short.text) != len(long.words) {
		return false
	}
	for i := range long.words {
		if long.word(i)[0] != short.text[i] {
			return false
		}
	}
	return true
}
