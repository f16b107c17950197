package crm

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// AddressKind says what an address is an address in. Besides [AddressEmail] and
// [AddressPhone] every name of 1 to 32 small letters, digits, _ and - is one: that of
// the network which gave a handle, such as "wechat" or "push".
type AddressKind string

// The kinds whose values have a form the kernel knows.
const (
	AddressEmail AddressKind = "email"
	AddressPhone AddressKind = "phone"
)

// Address is where a person is reached through a [Channel]: a mailbox, a phone
// number, a handle. (Where parcels go is something else.) The zero Address is none.
// An address made by [ParseAddress] is in its normal form; two in it are written the
// same if they are equal by ==, and [Address.Same] says whether they reach the same
// person.
type Address struct {
	Kind  AddressKind `json:"kind"`
	Value string      `json:"value"`
}

const (
	maxAddressText = 1000 // bytes of what ParseAddress reads, and of a handle
	maxEmail       = 254  // bytes, RFC 5321 4.5.3.1.3 without the angle brackets
	maxEmailLocal  = 64   // bytes, RFC 5321 4.5.3.1.1
	maxDomainLabel = 63   // bytes, RFC 1035 2.3.4
)

// ParseAddress returns the address of a kind in its normal form, without space
// around it:
//   - email: one address without a name, the part before the @ as it was given, in
//     Unicode's NFC; the domain in small letters, and in ASCII: 例え.jp is
//     xn--r8jz45g.jp. Quoted local parts, comments and IP addresses are refused.
//   - phone: 3 to 20 digits, perhaps with + first; spaces, dots, hyphens, slashes and
//     brackets are taken out. Whether there is such a number is not known, and 030 123
//     stays a local number.
//   - a handle: 1 to 1,000 bytes without control characters, in NFC. Its letters keep
//     their case, since most networks tell them apart.
//
// All else is [ErrInvalid].
func ParseAddress(kind AddressKind, value string) (Address, error) {
	normal, msg := normalAddress(kind, value)
	switch {
	case !isName(string(kind)):
		return Address{}, Invalid("kind", "%s", msg)
	case msg != "":
		return Address{}, Invalid(string(kind), "%s", msg)
	}
	return Address{kind, normal}, nil
}

// ParseAddress is the function [ParseAddress], but for phone numbers when
// [Config.Phones] is set: these are brought to E.164, those without a country's code
// by the numbering plan of region, a code of ISO 3166-1.
func (c *Core) ParseAddress(kind AddressKind, value, region string) (Address, error) {
	if kind != AddressPhone || c.cfg.Phones == nil {
		return ParseAddress(kind, value)
	}
	if len(value) > maxAddressText {
		return Address{}, Invalid(string(kind), "is too long: an address has at most 1000 bytes")
	}
	number, err := c.cfg.Phones(value, region)
	if err != nil {
		return Address{}, err
	}
	return ParseAddress(kind, number)
}

// normalAddress returns the normal form of a value, or what is wrong with it.
func normalAddress(kind AddressKind, value string) (normal, msg string) {
	switch {
	case !isName(string(kind)):
		return "", "the kind of an address is email, phone or a network's name, of 1 to 32 small letters, digits, _ and -"
	case len(value) > maxAddressText:
		return "", "is too long: an address has at most 1000 bytes"
	case !utf8.ValidString(value):
		return "", "is not valid UTF-8: convert it first"
	}
	value = strings.TrimSpace(norm.NFC.String(value))
	switch kind {
	case AddressEmail:
		return normalMailbox(value)
	case AddressPhone:
		v, msg := normalPhone(value)
		normal, _ = v.(string)
		return normal, msg
	}
	if value == "" || len(value) > maxAddressText || hasControl(value) {
		return "", "is a handle of 1 to 1000 bytes, without line breaks and other control characters"
	}
	return value, ""
}

// isName reports whether s can be the kind of an address.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// hasControl reports whether s has a character that would end or hide a header: a
// line break, any other control character, Unicode's own line and paragraph ends.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, isControl)
}

func isControl(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// normalMailbox brings an e-mail address to its normal form.
func normalMailbox(s string) (normal, msg string) {
	const form = "is one address such as ada@example.com, without a name, quotes or comments"
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > maxEmailLocal {
		return "", form + ", and with at most 64 bytes before the @"
	}
	local := s[:at]
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notInAtom) {
			return "", form
		}
	}
	domain, ok := asciiDomain(s[at+1:])
	if !ok {
		return "", form + ": the part after the @ is a domain of letters, digits and hyphens between dots"
	}
	if len(local)+1+len(domain) > maxEmail {
		return "", "is too long: an e-mail address has at most 254 bytes"
	}
	return local + "@" + domain, ""
}

// notInAtom reports whether r can't be in the part of an address before the @, by
// RFC 5322 3.2.3 and, beyond ASCII, RFC 6531 3.3, there without what can't be seen.
func notInAtom(r rune) bool {
	switch {
	case r >= utf8.RuneSelf:
		return !unicode.IsGraphic(r) || unicode.IsSpace(r)
	case isLetter(byte(r)) || '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// IsZero reports whether there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the value.
func (a Address) String() string { return a.Value }

// Valid returns nil for the zero Address and for one in its normal form, otherwise
// what is wrong as [ErrInvalid].
func (a Address) Valid() error {
	if a.IsZero() {
		return nil
	}
	normal, err := ParseAddress(a.Kind, a.Value)
	if err == nil && normal != a {
		return Invalid(string(a.Kind), "is not in its normal form: use ParseAddress")
	}
	return err
}

// Key returns the text in which addresses that reach the same person are the same:
// what a list of those who want no more mail, or a unique index, goes by. It is the
// kind, a colon and the value, an e-mail address all in small letters, since no
// provider that matters tells Ada@ from ada@. What some providers ignore besides
// (dots, what follows a +) is kept, as others don't.
func (a Address) Key() string {
	value := a.Value
	if a.Kind == AddressEmail {
		value = norm.NFC.String(strings.ToLower(value))
	}
	return string(a.Kind) + ":" + value
}

// Same reports whether two addresses reach the same person: their keys are the same.
func (a Address) Same(b Address) bool { return a == b || a.Key() == b.Key() }

// Correspondent is an address with the name that is shown beside it, or none.
type Correspondent struct {
	Address

	Name string `json:"name,omitempty"`
}
