package storage

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxJSONDepth is how deep arrays and objects may be nested; SQLite stops at 1000.
const maxJSONDepth = 100

const (
	notJSON     = "is not valid JSON"
	memberTwice = "has an object with a member twice"
	halfPair    = "holds half a surrogate pair"
	longNumber  = "holds a number with an exponent or more than 38 digits: write it plainly or as a string"
)

// jsonFault says why v is not JSON that every engine keeps and reads alike, or "".
// Valid JSON can still be read differently: an object with a member twice has the
// first for one engine and the last for another, NUL and half a surrogate pair are
// no text in Postgres, and 1e2 is an integer for one and a real for the other.
func jsonFault(v json.RawMessage) string {
	if len(v) > MaxText {
		return sizeFault(len(v))
	}
	w := jsonWalk{v: v}
	if msg := w.value(0); msg != "" {
		return msg
	}
	if w.i < len(v) {
		return notJSON
	}
	return ""
}

// jsonWalk goes through JSON once, to the first fault.
type jsonWalk struct {
	v []byte
	i int
	// names are the members' of the objects around, unquoted.
	names [][]byte
}

// next passes over space, and returns the byte after it, or 0.
func (w *jsonWalk) next() byte {
	for ; w.i < len(w.v); w.i++ {
		switch c := w.v[w.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// value passes over a value and the space around it.
func (w *jsonWalk) value(depth int) (msg string) {
	switch c := w.next(); {
	case c == '{':
		msg = w.object(depth + 1)
	case c == '[':
		msg = w.array(depth + 1)
	case c == '"':
		_, msg = w.text()
	case c == '-' || c >= '0' && c <= '9':
		msg = w.number()
	default:
		msg = w.word()
	}
	w.next()
	return msg
}

func (w *jsonWalk) word() string {
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(w.v[w.i:], []byte(word)) {
			w.i += len(word)
			return ""
		}
	}
	return notJSON
}

func (w *jsonWalk) array(depth int) string {
	if depth > maxJSONDepth {
		return "is nested deeper than " + strconv.Itoa(maxJSONDepth)
	}
	w.i++
	if w.next() == ']' {
		w.i++
		return ""
	}
	for {
		if msg := w.value(depth); msg != "" {
			return msg
		}
		if end, msg := w.end(']'); end || msg != "" {
			return msg
		}
	}
}

// end passes over what follows an element: a comma, or the end.
func (w *jsonWalk) end(closing byte) (bool, string) {
	c := w.next()
	w.i++
	switch c {
	case closing:
		return true, ""
	case ',':
		return false, ""
	}
	return false, notJSON
}

// maxListed is up to how many members are compared one by one.
const maxListed = 32

func (w *jsonWalk) object(depth int) string {
	if depth > maxJSONDepth {
		return "is nested deeper than " + strconv.Itoa(maxJSONDepth)
	}
	w.i++
	if w.next() == '}' {
		w.i++
		return ""
	}
	first := len(w.names)
	var many map[string]struct{}
	for {
		if w.next() != '"' {
			return notJSON
		}
		name, msg := w.text()
		if msg != "" {
			return msg
		}
		if !w.add(name, first, &many) {
			return memberTwice
		}
		if w.next() != ':' {
			return notJSON
		}
		w.i++
		if msg := w.value(depth); msg != "" {
			return msg
		}
		if end, msg := w.end('}'); end || msg != "" {
			w.names = w.names[:first]
			return msg
		}
	}
}

// add notes a member of the object whose names begin at first, and reports whether
// it is new there.
func (w *jsonWalk) add(name []byte, first int, many *map[string]struct{}) bool {
	if *many == nil {
		for _, other := range w.names[first:] {
			if bytes.Equal(name, other) {
				return false
			}
		}
		if len(w.names)-first < maxListed {
			w.names = append(w.names, name)
			return true
		}
		*many = make(map[string]struct{}, 2*maxListed)
		for _, other := range w.names[first:] {
			(*many)[string(other)] = struct{}{}
		}
	}
	if _, twice := (*many)[string(name)]; twice {
		return false
	}
	(*many)[string(name)] = struct{}{}
	return true
}

// text passes over a string and returns what it says.
func (w *jsonWalk) text() (said []byte, msg string) {
	start, escaped := w.i, false
	for w.i++; w.i < len(w.v); {
		switch c := w.v[w.i]; {
		case c == '"':
			w.i++
			if said = w.v[start+1 : w.i-1]; escaped {
				var s string
				_ = json.Unmarshal(w.v[start:w.i], &s) // it is valid
				said = []byte(s)
			}
			return said, ""
		case c == '\\':
			escaped = true
			if msg := w.escape(); msg != "" {
				return nil, msg
			}
		case c < ' ':
			return nil, notJSON
		case c < utf8.RuneSelf:
			w.i++
		default:
			r, n := utf8.DecodeRune(w.v[w.i:])
			if r == utf8.RuneError && n == 1 {
				return nil, notJSON
			}
			w.i += n
		}
	}
	return nil, notJSON
}

// escape passes over an escaped character.
func (w *jsonWalk) escape() string {
	if w.i++; w.i == len(w.v) {
		return notJSON
	}
	c := w.v[w.i]
	w.i++
	if c != 'u' {
		if strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return notJSON
		}
		return ""
	}
	switch r := w.unit(w.i); {
	case r < 0:
		return notJSON
	case r == 0:
		return `holds \u0000: remove it`
	case r >= 0xDC00 && r <= 0xDFFF:
		return halfPair
	case r >= 0xD800 && r <= 0xDBFF:
		// The other half must follow: \uXXXX\uXXXX.
		low := w.unit(w.i + 6)
		if !bytes.HasPrefix(w.v[w.i+4:], []byte(`\u`)) || low < 0xDC00 || low > 0xDFFF {
			return halfPair
		}
		w.i += 6
	}
	w.i += 4
	return ""
}

// unit reads the four hexadecimal digits at i, or returns -1.
func (w *jsonWalk) unit(i int) int {
	if i+4 > len(w.v) {
		return -1
	}
	n := 0
	for _, c := range w.v[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// number passes over a number: no zero in front, digits after the point.
func (w *jsonWalk) number() string {
	if w.v[w.i] == '-' {
		w.i++
	}
	whole := w.digits()
	if whole == 0 || whole > 1 && w.v[w.i-whole] == '0' {
		return notJSON
	}
	part := 0
	if w.i < len(w.v) && w.v[w.i] == '.' {
		w.i++
		if part = w.digits(); part == 0 {
			return notJSON
		}
	}
	if whole+part > 38 || w.i < len(w.v) && w.v[w.i]|0x20 == 'e' {
		return longNumber
	}
	return ""
}

// digits passes over digits, and returns how many.
func (w *jsonWalk) digits() int {
	start := w.i
	for w.i < len(w.v) && w.v[w.i] >= '0' && w.v[w.i] <= '9' {
		w.i++
	}
	return w.i - start
}
