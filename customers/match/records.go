package match

import (
	"math"
	"slices"
	"sync"

	"github.com/embedcrm/embedcrm/crm"
)

// maxFields is how many fields records may be compared by.
const maxFields = 64

// Records are what is compared, in memory: each different value of a field is kept
// once, in normal form. They are first added, by one goroutine, and then compared, by any
// number.
type Records struct {
	fields  []Field
	columns []column
	n       int
	partner []int // the field one may change places with, or -1
	read    reader
	mu      sync.Mutex
	counted bool    // nothing more is added
	blocks  *blocks // once they were asked for
}

// column is a field of all records.
type column struct {
	kind    Kind
	shared  bool      // as its traits say
	cells   []uint32  // by record, the number of its value; 0 is none
	texts   []string  // by number
	counts  []uint32  // how many records have the value
	seen    *interned // the numbers, while records are added
	offs    []uint32  // by number, where its words end
	words   []uint32
	letters []uint64 // by number
	han     map[uint32][]string
	vocab   *vocabulary
}

// NewRecords returns records without any, of 1 to 64 fields. A kind that there is not
// is ErrInvalid.
func NewRecords(fields ...Field) (*Records, error) {
	if len(fields) == 0 || len(fields) > maxFields {
		return nil, crm.Invalid("fields", "are %d: give 1 to %d", len(fields), maxFields)
	}
	r := &Records{fields: slices.Clone(fields), columns: make([]column, len(fields)), partner: make([]int, len(fields))}
	for i, f := range fields {
		t, ok := f.Kind.traits()
		if !ok {
			return nil, crm.Invalid("fields", "%s is of the kind %q, which there is not", f.Name, f.Kind)
		}
		r.columns[i] = column{kind: f.Kind, shared: t.shared, texts: []string{""}, counts: []uint32{0}, seen: newInterned()}
		r.partner[i] = -1
	}
	r.pair(Given, Family)
	r.pair(Address, Address)
	return r, nil
}

// pair lets the first two fields of these kinds change places.
func (r *Records) pair(a, b Kind) {
	i := slices.IndexFunc(r.fields, func(f Field) bool { return f.Kind == a })
	if i < 0 {
		return
	}
	for j := range r.fields {
		if j != i && r.fields[j].Kind == b {
			r.partner[i], r.partner[j] = j, i
			return
		}
	}
}

// ReadBy makes known how names in Chinese are read in letters: by [pinyin.Readings], or
// nil: they are compared by their characters alone. It is called before the first Add. It
// is a function so that the dictionary is in the programs that want it.
//
// [pinyin.Readings]: https://pkg.go.dev/github.com/embedcrm/embedcrm/crm/pinyin#Readings
func (r *Records) ReadBy(readings func(text string) []string) { r.read = readings }

// Fields returns what the records are compared by.
func (r *Records) Fields() []Field { return slices.Clone(r.fields) }

// Len returns how many records there are.
func (r *Records) Len() int { return r.n }

// Add adds a record and returns its number, from 0 on. It has a text for each field, in
// their order; an empty one, or one such as "n/a", is absent. Too few or too many are
// ErrInvalid.
func (r *Records) Add(values ...string) (int, error) {
	if len(values) != len(r.fields) {
		return 0, crm.Invalid("values", "are %d: there are %d fields", len(values), len(r.fields))
	}
	if r.counted {
		return 0, crm.Invalid("values", "records are added before they are compared: make new ones")
	}
	if r.n == math.MaxUint32 {
		return 0, crm.Invalid("values", "there are too many records")
	}
	for i := range r.columns {
		r.columns[i].add(r.read.normal(r.columns[i].kind, values[i]))
	}
	r.n++
	return r.n - 1, nil
}

func (c *column) add(text string) {
	if text == "" {
		c.cells = append(c.cells, 0)
		return
	}
	id, known := c.seen.find(text, c.texts)
	if !known {
		c.texts = append(c.texts, c.seen.keep(text))
		c.counts = append(c.counts, 0)
	}
	c.counts[id]++
	c.cells = append(c.cells, id)
}

// count finds the words of all values, once all records are there.
func (r *Records) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted {
		return
	}
	r.counted = true
	for i := range r.columns {
		of := newVocabulary()
		if p := r.partner[i]; p >= 0 && p < i {
			of = r.columns[p].vocab // so that they can be compared with each other
		}
		r.columns[i].count(of)
	}
	for i := range r.columns {
		r.columns[i].vocab.number = nil
		r.columns[i].vocab.weigh(float64(r.n))
	}
}

func (c *column) count(of *vocabulary) {
	c.seen, c.vocab, c.han = nil, of, map[uint32][]string{}
	c.offs, c.letters = make([]uint32, len(c.texts)), make([]uint64, len(c.texts))
	for id := 1; id < len(c.texts); id++ {
		v := unpack(c.kind, c.texts[id], of)
		c.texts[id], c.letters[id] = v.text, v.letters
		if v.han {
			c.han[uint32(id)] = v.readings
		}
		for _, w := range v.words {
			of.counts[w] += c.counts[id]
		}
		c.words = append(c.words, v.words...)
		c.offs[id] = uint32(len(c.words))
	}
}

// value is a value by its number.
func (c *column) value(id uint32) (v value) {
	v.text, v.letters, v.of = c.texts[id], c.letters[id], c.vocab
	v.words = c.words[c.offs[id-1]:c.offs[id]]
	if len(c.han) > 0 {
		v.readings, v.han = c.han[id]
	}
	return v
}

// compare compares two records, field by field.
func (r *Records) compare(i, j uint32, out []agreement) {
	for f := range r.columns {
		out[f] = r.columns[f].compare(r.columns[f].cells[i], r.columns[f].cells[j])
	}
	for f, g := range r.partner {
		if g > f && out[f].level < Close && out[g].level < Close {
			r.swap(f, g, i, j, out)
		}
	}
}

// swap compares two neighbouring fields crosswise.
func (r *Records) swap(f, g int, i, j uint32, out []agreement) {
	one := r.columns[f].across(&r.columns[g], r.columns[f].cells[i], r.columns[g].cells[j])
	two := r.columns[f].across(&r.columns[g], r.columns[f].cells[j], r.columns[g].cells[i])
	lesser, greater := min(one, two), max(one, two)
	if greater < Near || lesser == Differ || lesser == Distant {
		return
	}
	for _, k := range []int{f, g} {
		if out[k].level != Missing {
			out[k] = agreement{level: Swapped, why: exchanged}
		}
	}
}

// across compares a value of one field with one of its neighbour.
func (c *column) across(other *column, a, b uint32) Level {
	if a == 0 || b == 0 {
		return Missing
	}
	if c.texts[a] == other.texts[b] {
		return Same
	}
	if far(c.letters[a], other.letters[b], 2) {
		return Differ
	}
	x, y := c.value(a), other.value(b)
	return compareValues(c.kind, &x, &y).level
}

func (c *column) compare(a, b uint32) agreement {
	switch {
	case a == 0 || b == 0:
		return agreement{}
	case a == b:
		return agreement{level: Same, why: same, whole: true}
	}
	x, y := c.value(a), c.value(b)
	return compareValues(c.kind, &x, &y)
}

func compareValues(k Kind, a, b *value) agreement {
	switch k {
	case Given, Family:
		return compareName(a, b)
	case Person:
		return comparePerson(a, b)
	case Company:
		return compareCompany(a, b)
	case Address:
		return compareAddress(a, b)
	case Place:
		return comparePlace(a, b)
	case Code:
		return compareCode(a, b)
	case Category:
		return compareCategory(a, b)
	case Date:
		return compareDate(a, b)
	case Phone:
		return comparePhone(a, b)
	case Email:
		return compareEmail(a, b)
	case Web:
		return compareWeb(a, b)
	case ID:
		return compareID(a, b)
	}
	return compareText(a, b)
}

// Compare compares two texts of a kind, and says how far they agree and why, in words. How
// Chinese names are read is said as by [Records.ReadBy]; nil is by their characters alone.
func Compare(k Kind, a, b string, readings func(text string) []string) (Level, string, error) {
	if _, ok := k.traits(); !ok {
		return Missing, "", crm.Invalid("kind", "%q is none", k)
	}
	read := reader(readings)
	x, y := read.normal(k, a), read.normal(k, b)
	if x == "" || y == "" {
		return Missing, "absent", nil
	}
	of := newVocabulary()
	v, w := unpack(k, x, of), unpack(k, y, of)
	g := compareValues(k, &v, &w)
	return g.level, g.why.String(), nil
}
