package crm

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// members reads the stored form of custom values: an object of texts, whole numbers,
// truth and lists of texts. Every read of a record goes through it, so that the
// plain form, which is nearly all there is, is read here; the rest is encoding/json's.
func members(raw json.RawMessage) (map[string]any, error) {
	r := memberReader{b: raw}
	if out := r.object(); out != nil {
		return out, nil
	}
	out := map[string]any{}
	if err := decodeJSON(raw, &out); err != nil {
		return nil, err
	}
	for name, v := range out {
		out[name] = goForm(v)
	}
	return out, nil
}

// memberReader reads plain JSON; ok is false once something is not plain.
type memberReader struct {
	b  []byte
	i  int
	no bool
}

func (r *memberReader) next() byte {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\t' || r.b[r.i] == '\r') {
		r.i++
	}
	if r.i == len(r.b) {
		r.no = true
		return 0
	}
	return r.b[r.i]
}

// take passes over c, which must be next.
func (r *memberReader) take(c byte) {
	if r.next() != c {
		r.no = true
		return
	}
	r.i++
}

func (r *memberReader) object() map[string]any {
	out := make(map[string]any, 8)
	r.take('{')
	for first := true; !r.no && r.next() != '}'; first = false {
		if !first {
			r.take(',')
		}
		name := r.text()
		r.take(':')
		v := r.value()
		if r.no {
			return nil
		}
		out[name] = v
	}
	r.take('}')
	if r.no || r.i != len(r.b) {
		return nil
	}
	return out
}

func (r *memberReader) value() any {
	switch c := r.next(); {
	case c == '"':
		return r.text()
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	case c == '[':
		return r.texts()
	case r.word("true"):
		return true
	case r.word("false"):
		return false
	}
	r.no = true
	return nil
}

func (r *memberReader) word(w string) bool {
	if end := r.i + len(w); end <= len(r.b) && string(r.b[r.i:end]) == w {
		r.i = end
		return true
	}
	return false
}

// text reads a text without escapes.
func (r *memberReader) text() string {
	from, to := r.plain()
	return string(r.b[from:to])
}

// plain passes over a text without escapes, and returns where it stands.
func (r *memberReader) plain() (from, to int) {
	r.take('"')
	for from = r.i; r.i < len(r.b) && r.b[r.i] != '\\' && r.b[r.i] >= ' '; r.i++ {
		if r.b[r.i] == '"' {
			to = r.i
			r.no = r.no || !utf8.Valid(r.b[from:to])
			r.i++
			return from, to
		}
	}
	r.no = true
	return 0, 0
}

func (r *memberReader) number() any {
	start := r.i
	for r.i < len(r.b) && (r.b[r.i] == '-' || r.b[r.i] >= '0' && r.b[r.i] <= '9') {
		r.i++
	}
	n, err := strconv.ParseInt(string(r.b[start:r.i]), 10, 64)
	if err != nil || r.i < len(r.b) && (r.b[r.i] == '.' || r.b[r.i]|0x20 == 'e') {
		r.no = true
	}
	return n
}

func (r *memberReader) texts() any {
	list := []string{}
	r.take('[')
	for first := true; !r.no && r.next() != ']'; first = false {
		if !first {
			r.take(',')
		}
		if r.next() != '"' {
			r.no = true
			return nil
		}
		list = append(list, r.text())
	}
	r.take(']')
	return list
}

// appendMembers appends the stored form of custom values, the same for equal values.
func appendMembers(b []byte, values map[string]any) []byte {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		b = appendValue(b, values[name])
	}
	return append(b, '}')
}

// appendValue appends a custom value as JSON.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendText(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, canonical(v)...)
}
