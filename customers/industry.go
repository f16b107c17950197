package customers

import "strings"

// IndustryScheme is a classification of economic activities.
type IndustryScheme string

// The classifications.
const (
	// ISIC is the International Standard Industrial Classification of the United Nations.
	ISIC IndustryScheme = "isic"
	// GBT4754 is China's GB/T 4754, 国民经济行业分类.
	GBT4754 IndustryScheme = "gbt4754"
)

// fault says what is wrong with the form of a code, or nothing. Codes of either scheme
// are a section's letter, or two to four digits (division, group, class) with the letter
// before them or without: A, 01, A0111. Sections are A to V in ISIC Rev. 5 and A to T in
// GB/T 4754-2017; divisions are 01 to 99.
func (s IndustryScheme) fault(code string) string {
	last := byte('V')
	switch s {
	case "":
		if code != "" {
			return "is of a classification: say in industry_scheme which one it is"
		}
		return ""
	case GBT4754:
		last = 'T'
	}
	digits := code
	if code != "" && code[0] >= 'A' && code[0] <= last {
		digits = code[1:]
	}
	switch {
	case digits == "" && code != "":
		return ""
	case len(digits) < 2 || len(digits) > 4 || strings.Trim(digits, "0123456789") != "" || digits[:2] == "00":
		return "is a section from A to " + string(last) + ", or two to four digits with or without the section before: " + string(last) + ", 62, J6201"
	}
	return ""
}
