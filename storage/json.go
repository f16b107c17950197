package storage

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// maxJSONDepth is how deep arrays and objects may be nested; SQLite stops at 1000.
const maxJSONDepth = 100

// jsonFault says why v is not JSON that every engine keeps and reads alike, or "".
// Valid JSON can still be read differently: an object with a member twice has the
// first for one engine and the last for another, NUL and half a surrogate pair are
// no text in Postgres, and 1e2 is an integer for one and a real for the other.
func jsonFault(v json.RawMessage) string {
	switch {
	case len(v) > MaxText:
		return sizeFault(len(v))
	case !json.Valid(v) || !utf8.Valid(v):
		return "is not valid JSON"
	}
	w := jsonWalk{v: v}
	return w.fault()
}

// jsonWalk goes through valid JSON once.
type jsonWalk struct {
	v     []byte
	i     int
	stack []jsonLevel
}

type jsonLevel struct {
	members map[string]struct{} // nil in an array
	name    bool                // the next string is a member's name
}

func (w *jsonWalk) fault() string {
	for w.i < len(w.v) {
		var msg string
		switch c := w.v[w.i]; {
		case c == '{' || c == '[':
			if len(w.stack) == maxJSONDepth {
				return "is nested deeper than " + strconv.Itoa(maxJSONDepth)
			}
			level := jsonLevel{}
			if c == '{' {
				level = jsonLevel{members: map[string]struct{}{}, name: true}
			}
			w.stack = append(w.stack, level)
			w.i++
		case c == '}' || c == ']':
			w.stack = w.stack[:len(w.stack)-1]
			w.i++
		case c == '"':
			msg = w.text()
		case c == '-' || c >= '0' && c <= '9':
			msg = w.number()
		default:
			if top := w.top(); top != nil && top.members != nil && (c == ',' || c == ':') {
				top.name = c == ','
			}
			w.i++
		}
		if msg != "" {
			return msg
		}
	}
	return ""
}

func (w *jsonWalk) top() *jsonLevel {
	if len(w.stack) == 0 {
		return nil
	}
	return &w.stack[len(w.stack)-1]
}

// text passes over a string and, where it is a member's name, remembers it.
func (w *jsonWalk) text() string {
	start, escaped := w.i, false
	for w.i++; w.v[w.i] != '"'; w.i++ {
		if w.v[w.i] != '\\' {
			continue
		}
		escaped = true
		if w.i++; w.v[w.i] != 'u' {
			continue
		}
		switch r := w.unit(w.i + 1); {
		case r == 0:
			return `holds \u0000: remove it`
		case r >= 0xDC00 && r <= 0xDFFF:
			return "holds half a surrogate pair"
		case r >= 0xD800 && r <= 0xDBFF:
			// The other half must follow: \uXXXX\uXXXX.
			if low := w.unit(w.i + 7); string(w.v[w.i+5:min(w.i+7, len(w.v))]) != `\u` || low < 0xDC00 || low > 0xDFFF {
				return "holds half a surrogate pair"
			}
			w.i += 6
		}
		w.i += 4
	}
	w.i++
	top := w.top()
	if top == nil || top.members == nil || !top.name {
		return ""
	}
	name := string(w.v[start+1 : w.i-1])
	if escaped {
		_ = json.Unmarshal(w.v[start:w.i], &name) // valid, as the whole is
	}
	if _, twice := top.members[name]; twice {
		return "has an object with a member twice"
	}
	top.members[name] = struct{}{}
	return ""
}

// unit reads the four hexadecimal digits at i, or returns -1.
func (w *jsonWalk) unit(i int) int64 {
	if i+4 > len(w.v) {
		return -1
	}
	n, err := strconv.ParseInt(string(w.v[i:i+4]), 16, 32)
	if err != nil {
		return -1
	}
	return n
}

func (w *jsonWalk) number() string {
	for digits := 0; w.i < len(w.v); w.i++ {
		switch c := w.v[w.i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == 'e' || c == 'E':
			return "holds a number with an exponent or more than 38 digits: write it plainly or as a string"
		case c != '-' && c != '.':
			return ""
		}
		if digits > 38 {
			return "holds a number with an exponent or more than 38 digits: write it plainly or as a string"
		}
	}
	return ""
}
