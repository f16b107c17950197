package crm

// Currency is a currency of ISO 4217.
type Currency struct {
	// Code is its three capital letters, such as EUR.
	Code string
	// Digits is how many decimals it has: 2 for EUR, whose minor unit is the cent,
	// 0 for JPY, 3 for KWD.
	Digits int
	// Withdrawn says that it is no longer in use. It is known so that a purchase
	// of its time can be recorded and read.
	Withdrawn bool
}

// The tables hold a code and its digits in four bytes each, ascending. They are
// text because text can't be changed by anyone. A code is never removed, lest
// stored money become unreadable: it moves to withdrawn.

// inUse are the codes of ISO 4217 list one as of amendment 180 (2026-01-01). Gold,
// special drawing rights, the codes for tests and for no currency are left out:
// they have no minor unit, so no amount in one.
const inUse = "" +
	"AED2AFN2ALL2AMD2AOA2ARS2AUD2AWG2AZN2" +
	"BAM2BBD2BDT2BHD3BIF0BMD2BND2BOB2BOV2BRL2BSD2BTN2BWP2BYN2BZD2" +
	"CAD2CDF2CHE2CHF2CHW2CLF4CLP0CNY2COP2COU2CRC2CUP2CVE2CZK2" +
	"DJF0DKK2DOP2DZD2" +
	"EGP2ERN2ETB2EUR2" +
	"FJD2FKP2" +
	"GBP2GEL2GHS2GIP2GMD2GNF0GTQ2GYD2" +
	"HKD2HNL2HTG2HUF2" +
	"IDR2ILS2INR2IQD3IRR2ISK0" +
	"JMD2JOD3JPY0" +
	"KES2KGS2KHR2KMF0KPW2KRW0KWD3KYD2KZT2" +
	"LAK2LBP2LKR2LRD2LSL2LYD3" +
	"MAD2MDL2MGA2MKD2MMK2MNT2MOP2MRU2MUR2MVR2MWK2MXN2MXV2MYR2MZN2" +
	"NAD2NGN2NIO2NOK2NPR2NZD2" +
	"OMR3" +
	"PAB2PEN2PGK2PHP2PKR2PLN2PYG0" +
	"QAR2" +
	"RON2RSD2RUB2RWF0" +
	"SAR2SBD2SCR2SDG2SEK2SGD2SHP2SLE2SOS2SRD2SSP2STN2SVC2SYP2SZL2" +
	"THB2TJS2TMT2TND3TOP2TRY2TTD2TWD2TZS2" +
	"UAH2UGX0USD2USN2UYI0UYU2UYW4UZS2" +
	"VED2VES2VND0VUV0" +
	"WST2" +
	"XAD2XAF0XCD2XCG2XOF0XPF0" +
	"YER2" +
	"ZAR2ZMW2ZWG2"

// withdrawn are the codes that were money until 2010 or later, of list three.
const withdrawn = "ANG2BGN2BYR0CUC2EEK2HRK2LTL2LVL2MRO2SLL2STD2VEF2ZMK2ZWL2"

const entry = 4 // bytes of a currency in a table

// Currencies returns the currencies in use, by code. The slice is the caller's.
func Currencies() []Currency {
	list := make([]Currency, 0, len(inUse)/entry)
	for at := 0; at < len(inUse); at += entry {
		list = append(list, currencyAt(inUse, at))
	}
	return list
}

// LookupCurrency returns the currency with a code, in capital letters, and whether
// there is one. It knows those in use and those withdrawn since 2010.
func LookupCurrency(code string) (Currency, bool) {
	if c, ok := find(inUse, code); ok {
		return c, true
	}
	c, ok := find(withdrawn, code)
	c.Withdrawn = ok
	return c, ok
}

// find looks a code up in a table, by bisection.
func find(table, code string) (Currency, bool) {
	low, high := 0, len(table)/entry
	for low < high {
		middle := (low + high) / 2
		at := middle * entry
		switch found := table[at : at+3]; {
		case found == code:
			return currencyAt(table, at), true
		case found < code:
			low = middle + 1
		default:
			high = middle
		}
	}
	return Currency{}, false
}

func currencyAt(table string, at int) Currency {
	return Currency{Code: table[at : at+3], Digits: int(table[at+3] - '0')}
}

// currencyOf is LookupCurrency with an error that says what to write.
func currencyOf(code string) (Currency, error) {
	if c, ok := LookupCurrency(code); ok {
		return c, nil
	}
	if code == "" {
		return Currency{}, Invalid("", "the amount has no currency: name its ISO 4217 code, such as EUR")
	}
	if !isCode(code) { // nor shown: it may be anything
		return Currency{}, Invalid("", "a currency is three capital letters of ISO 4217, such as EUR")
	}
	return Currency{}, Invalid("", "%s is no currency of ISO 4217 that has a minor unit", code)
}

func isCode(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return len(s) == 3
}
