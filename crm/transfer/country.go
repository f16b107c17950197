package transfer

import (
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// countryNames are the codes of countries by their names.
type countryNames map[string]string

// countries returns the names of countries in English, Chinese, German, French, Spanish,
// Italian and Portuguese, by the Unicode Common Locale Data Repository, and what people
// call some of them besides.
func countries() countryNames {
	names := countryNames{}
	languages := []display.Namer{}
	for _, tag := range []language.Tag{language.English, language.SimplifiedChinese, language.TraditionalChinese, language.German,
		language.French, language.Spanish, language.Italian, language.Portuguese} {
		languages = append(languages, display.Regions(tag))
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			region, err := language.ParseRegion(string(a) + string(b))
			if err != nil || !region.IsCountry() || region.Canonicalize() != region {
				continue
			}
			code := region.String()
			names[code] = code
			if iso3 := region.ISO3(); iso3 != "ZZZ" {
				names[iso3] = code
			}
			for _, n := range languages {
				if text := n.Name(region); text != "" {
					names[plainName(text)] = code
				}
			}
		}
	}
	for code, also := range map[string]string{
		"US": "usa, u s a, united states of america, america, estados unidos de america, états unis d amérique, 美利坚合众国",
		"GB": "uk, u k, great britain, britain, england, scotland, wales, northern ireland, grossbritannien, großbritannien",
		"CN": "prc, p r china, people s republic of china, mainland china, china mainland, 中华人民共和国, 中国大陆, 大陆",
		"HK": "hong kong, hongkong, hong kong sar, 香港", "MO": "macau, macao, 澳门", "TW": "taiwan, 台湾, 臺灣", "KR": "south korea, korea, republic of korea, 南韩", "KP": "north korea",
		"RU": "russia, russian federation", "NL": "holland, the netherlands", "CZ": "czech republic, czechia", "VN": "vietnam, viet nam", "AE": "uae, u a e, emirates",
		"CH": "swiss, suisse, schweiz", "TR": "turkey, türkiye, turkiye", "IR": "iran, islamic republic of iran", "BO": "bolivia", "VE": "venezuela",
		"TZ": "tanzania", "SY": "syria",
		"LA": "laos", "MD": "moldova", "MK": "macedonia, north macedonia", "BN": "brunei", "CI": "ivory coast, cote d ivoire, côte d ivoire",
		"CV": "cape verde", "SZ": "swaziland", "MM": "burma", "PS": "palestine",
	} {
		for name := range strings.SplitSeq(also, ",") {
			names[plainName(name)] = code
		}
	}
	return names
}

// code is the code of a country by its name or one of its codes, or empty.
func (n countryNames) code(text string) string {
	if upper := strings.ToUpper(strings.TrimSpace(text)); len(upper) <= 3 {
		if code := n[upper]; code != "" {
			return code
		}
	}
	plain := plainName(text)
	if code := n[plain]; code != "" && len(plain) > 1 {
		return code
	}
	return ""
}
