package crm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// Limits of custom fields.
const (
	// MaxCustomFields is how many custom fields an object has at most in a tenant.
	MaxCustomFields = 200
	// MaxCustomOptions is how many options a field has at most, retired ones too.
	MaxCustomOptions = 500
	// MaxCustomBytes is how many bytes the custom values of one record have at most,
	// as they are kept.
	MaxCustomBytes = 64 << 10
	// MaxRules is how many rules an object has at most in a tenant.
	MaxRules = 100

	maxIndexed     = 10   // custom fields of an object that are unique or indexed
	maxIndexedText = 500  // characters of a text that is unique or indexed
	maxFieldText   = 2000 // characters of a text
	maxFieldLong   = 20_000
	maxFieldURL    = 2000 // bytes
	maxFieldName   = 40
	maxLabel       = 1000 // characters of a label, a help or a message
	maxLanguages   = 50   // of a label
	maxOptionKey   = 64   // bytes
	maxChosen      = 100  // options a record has of one field
	maxScale       = 6
)

// FieldType is what a custom field holds.
type FieldType string

// The types of custom fields, each with the Go type of its values.
const (
	FieldText        FieldType = "text"         // string, one line or few
	FieldLongText    FieldType = "long_text"    // string, never indexed
	FieldInt         FieldType = "int"          // int64
	FieldDecimal     FieldType = "decimal"      // string with Scale digits after the point: "12.50"
	FieldMoney       FieldType = "money"        // Money
	FieldBool        FieldType = "bool"         // bool
	FieldDate        FieldType = "date"         // Date
	FieldTime        FieldType = "time"         // time.Time
	FieldChoice      FieldType = "choice"       // string, the key of an option
	FieldMultiChoice FieldType = "multi_choice" // []string, keys of options, each once, in order
	FieldMember      FieldType = "member"       // ID of a member
	FieldReference   FieldType = "reference"    // ID of a record of the object To
	FieldURL         FieldType = "url"          // string, http or https
	FieldEmail       FieldType = "email"        // string, one address
	FieldPhone       FieldType = "phone"        // string, digits with perhaps a + before them
	FieldFormula     FieldType = "formula"      // bool, computed by an expression
)

// CustomField is a field that a tenant adds to a kind of record. Its values are in
// [Record.Custom] under its name. Records of it are kept in [Core.Fields].
type CustomField struct {
	Record

	// Object is the kind of record it belongs to. It never changes.
	Object string `crm:"required,max=48" json:"object"`
	// Name is how it is called in Record.Custom and, behind "custom.", in
	// expressions: lower-case letters, digits and underscores, a letter first, at
	// most 40 bytes. No two living fields of an object share one.
	Name string `crm:"required,max=40" json:"name"`
	// Key is the name under which values are stored, which stays when Name changes
	// and is no other field's, deleted ones included. The kernel sets it.
	Key string `crm:"required,max=48" json:"key"`
	// Type is what it holds. It never changes, but that a choice, url, email or phone
	// may become a text, and all of these a long_text.
	Type FieldType `crm:"required,enum=text|long_text|int|decimal|money|bool|date|time|choice|multi_choice|member|reference|url|email|phone|formula" json:"type"`
	// To is the object a reference leads to.
	To string `crm:"max=48" json:"refers_to,omitempty"`
	// Required refuses a new record without a value and a change that removes it. A
	// record from before may stay without.
	Required bool `json:"required,omitempty"`
	// Unique lets no two living records have the same value. Texts are the same when
	// they fold to the same: see [Fold].
	Unique bool `json:"unique,omitempty"`
	// Indexed makes filters and lists by it fast.
	Indexed bool `json:"indexed,omitempty"`
	// Personal says that it says something about a person: it is erased with the person,
	// and so is an address or a unique value, of which a keyed hash stays. See
	// [Core.ErasePerson].
	Personal bool `json:"personal,omitempty"`
	// Protected keeps values as ciphertext: see [Config.Cipher]. It is for text, long_text,
	// url, email and phone, has no default, and never changes.
	Protected bool `json:"protected,omitempty"`
	// Ready says that all records are in the index, or have the formula's value. The
	// kernel sets it: see [Fields.Backfill].
	Ready bool `json:"ready,omitempty"`
	// MaxLength is how many characters a text has at most; 0 is 255, of a long_text
	// 10,000.
	MaxLength int64 `json:"max_length,omitempty"`
	// Scale is how many digits a decimal has after the point, 0 to 6.
	Scale int64 `json:"scale,omitempty"`
	// Min and Max are the least and greatest value of an int or decimal.
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
	// Default is what a new record has that does not name the field. It is written as
	// JSON would have it, and kept so.
	Default any `crm:"json" json:"default,omitempty"`
	// Options are what a choice or multi_choice chooses from, in the order shown.
	Options []Option `crm:"json" json:"options,omitempty"`
	// DependsOn is the name of a choice of the same object that decides which options
	// there are: see [Option.When].
	DependsOn string `crm:"max=40" json:"depends_on,omitempty"`
	// Formula is the condition a formula's value says the truth of, in the language
	// of docs/expressions.md, about the record's own fields.
	Formula string `crm:"max=4000" json:"formula,omitempty"`
	// Position sorts fields on a screen, the name among equals.
	Position int64 `json:"position,omitempty"`
	// Group is the heading under which it is shown.
	Group string `crm:"max=100" json:"group,omitempty"`
	// Labels and Help are what people read, by language: "de", "zh-CN".
	Labels map[string]string `crm:"json" json:"labels,omitempty"`
	Help   map[string]string `crm:"json" json:"help,omitempty"`
}

// Option is one of the values of a choice.
type Option struct {
	// Key is the value, at most 64 bytes.
	Key string `json:"key"`
	// Labels are what people read, by language.
	Labels map[string]string `json:"labels,omitempty"`
	// Colour is the host's own: "red", "#c00".
	Colour string `json:"colour,omitempty"`
	// Retired says that it is chosen no more. Records that have it keep it.
	Retired bool `json:"retired,omitempty"`
	// When are the options of the field's DependsOn with which it may be chosen;
	// empty is all.
	When []string `json:"when,omitempty"`
}

// Label returns the field's name for a language: of zh-CN the first there is of
// zh-CN, zh and en, else Name.
func (f *CustomField) Label(lang string) string { return inLanguage(f.Labels, lang, f.Name) }

// HelpText returns the field's help for a language, chosen as [CustomField.Label]
// does, or nothing.
func (f *CustomField) HelpText(lang string) string { return inLanguage(f.Help, lang, "") }

// Label returns the option's name for a language, chosen as [CustomField.Label]
// does, else Key.
func (o *Option) Label(lang string) string { return inLanguage(o.Labels, lang, o.Key) }

// Option finds an option by its key.
func (f *CustomField) Option(key string) (Option, bool) {
	for _, o := range f.Options {
		if o.Key == key {
			return o, true
		}
	}
	return Option{}, false
}

// inLanguage chooses of texts by language.
func inLanguage(texts map[string]string, lang, otherwise string) string {
	for lang = languageTag(lang); lang != ""; {
		if t, ok := texts[lang]; ok {
			return t
		}
		cut := strings.LastIndexByte(lang, '-')
		lang = lang[:max(cut, 0)]
	}
	if t, ok := texts["en"]; ok {
		return t
	}
	return otherwise
}

// languageTag is the usual form of a language's name: "zh_cn" is zh-CN. What is none
// stays as it is.
func languageTag(s string) string {
	if t, err := language.Parse(s); err == nil {
		return t.String()
	}
	return s
}

// texts brings texts by language to their form.
func texts(given map[string]string) map[string]string {
	var kept map[string]string
	for _, lang := range slices.Sorted(maps.Keys(given)) {
		t := given[lang]
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[languageTag(lang)] = t
	}
	return kept
}

// promoted reports whether values are written to the index table.
func (f *CustomField) promoted() bool { return f.Unique || f.Indexed }

// chosen reports whether the field has options.
func (f *CustomField) chosen() bool { return f.Type == FieldChoice || f.Type == FieldMultiChoice }

// isText reports whether values are text of the field's own length.
func (f *CustomField) isText() bool { return f.Type == FieldText || f.Type == FieldLongText }

// isNumber reports whether values have a least and a greatest.
func (f *CustomField) isNumber() bool { return f.Type == FieldInt || f.Type == FieldDecimal }

// indexable reports whether values of the type can be unique or indexed.
func (t FieldType) indexable() bool {
	switch t {
	case FieldLongText, FieldMoney, FieldBool, FieldMultiChoice, FieldFormula:
		return false
	}
	return true
}

// protectable reports whether values of the type can be protected.
func (t FieldType) protectable() bool {
	switch t {
	case FieldText, FieldLongText, FieldURL, FieldEmail, FieldPhone:
		return true
	}
	return false
}

// length is how many characters a text has at most.
func (f *CustomField) length() int {
	switch {
	case f.MaxLength > 0:
		return int(f.MaxLength)
	case f.Type == FieldLongText:
		return 10_000
	}
	return 255
}

// widens reports whether all values of one type are values of another, and kept in
// the same form.
func widens(from, to FieldType) bool {
	switch from {
	case FieldChoice, FieldURL, FieldEmail, FieldPhone:
		return to == FieldText || to == FieldLongText
	case FieldText:
		return to == FieldLongText
	}
	return false
}

// Validate is what a definition is held against by itself.
func (f *CustomField) Validate() error {
	var all faults
	if !isFieldName(f.Name) {
		all.addf("name", "is lower-case letters, digits and underscores, begins with a letter and has at most %d bytes", maxFieldName)
	}
	f.checkWords(&all)
	f.checkType(&all)
	f.checkOptions(&all)
	if len(all) == 0 && f.Default != nil {
		if msg := f.checkDefault(); msg != "" {
			all.addf("default", "%s", msg)
		}
	}
	return all.err()
}

// faults collects what is wrong.
type faults []Fault

func (f *faults) addf(field, format string, args ...any) {
	*f = append(*f, Fault{field, fmt.Sprintf(format, args...)})
}

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return &InvalidError{Faults: *f}
}

func isFieldName(s string) bool {
	if s == "" || len(s) > maxFieldName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// checkWords holds that there are words for a type only where they mean something.
func (f *CustomField) checkWords(all *faults) {
	checkTexts(all, "labels", f.Labels)
	checkTexts(all, "help", f.Help)
	for _, w := range []struct {
		field string
		given bool
		fits  bool
		whose string
	}{
		{"max_length", f.MaxLength != 0, f.isText(), "text and long_text"},
		{"scale", f.Scale != 0, f.Type == FieldDecimal, "decimal"},
		{"min", f.Min != nil, f.isNumber(), "int and decimal"},
		{"max", f.Max != nil, f.isNumber(), "int and decimal"},
		{"options", len(f.Options) > 0, f.chosen(), "choice and multi_choice"},
		{"depends_on", f.DependsOn != "", f.chosen(), "choice and multi_choice"},
		{"formula", f.Formula != "", f.Type == FieldFormula, "formula"},
		{"refers_to", f.To != "", f.Type == FieldReference, "reference"},
		{"required", f.Required, f.Type != FieldFormula, "what is not computed"},
		{"default", f.Default != nil, f.Type != FieldFormula, "what is not computed"},
		{"protected", f.Protected, f.Type.protectable(), "text, long_text, url, email and phone"},
		{"default", f.Default != nil, !f.Protected, "what is not protected"},
		{"unique", f.Unique, f.Type.indexable(), "what has an order and is short"},
		{"indexed", f.Indexed, f.Type.indexable(), "what has an order and is short"},
	} {
		if w.given && !w.fits {
			all.addf(w.field, "is for %s, and the field's type is %s", w.whose, f.Type)
		}
	}
}

func checkTexts(all *faults, field string, list map[string]string) {
	if len(list) > maxLanguages {
		all.addf(field, "has %d languages, and %d are allowed", len(list), maxLanguages)
	}
	for lang, t := range list {
		if _, err := language.Parse(lang); err != nil {
			all.addf(field, "%q is no language: write it as de or zh-CN", lang)
		}
		if msg := textFault(t, maxLabel); msg != "" {
			all.addf(field, "%s: %s", lang, msg)
		}
	}
}

// checkType holds the words of one type against each other.
func (f *CustomField) checkType(all *faults) {
	most := int64(maxFieldText)
	if f.Type == FieldLongText {
		most = maxFieldLong
	}
	switch {
	case f.isText() && (f.MaxLength < 0 || f.MaxLength > most):
		all.addf("max_length", "is 1 to %d, or 0 for the usual", most)
	case f.Type == FieldText && f.promoted() && f.length() > maxIndexedText:
		all.addf("max_length", "is at most %d where values are unique or indexed", maxIndexedText)
	case f.Type == FieldDecimal && (f.Scale < 0 || f.Scale > maxScale):
		all.addf("scale", "is 0 to %d", maxScale)
	case f.Type == FieldFormula && f.Formula == "":
		all.addf("formula", "is required: the condition to tell the truth of")
	case f.Type == FieldReference && f.To == "":
		all.addf("refers_to", "is required: the object it leads to")
	}
	if f.Min != nil && f.Max != nil && *f.Min > *f.Max {
		all.addf("min", "is greater than max")
	}
}

func (f *CustomField) checkOptions(all *faults) {
	if !f.chosen() {
		return
	}
	if n := len(f.Options); n == 0 || n > MaxCustomOptions {
		all.addf("options", "are 1 to %d, not %d", MaxCustomOptions, n)
	}
	seen := map[string]bool{}
	for _, o := range f.Options {
		switch msg := textFault(o.Key, maxOptionKey); {
		case msg != "":
			all.addf("options", "a key %s", msg)
		case o.Key == "" || len(o.Key) > maxOptionKey:
			all.addf("options", "a key has 1 to %d bytes", maxOptionKey)
		case seen[o.Key]:
			all.addf("options", "%q is there twice", o.Key)
		case len(o.When) > 0 && f.DependsOn == "":
			all.addf("options", "%q is for some values of another field: name it in depends_on", o.Key)
		}
		if msg := textFault(o.Colour, maxOptionKey); msg != "" {
			all.addf("options", "a colour %s", msg)
		}
		seen[o.Key] = true
		checkTexts(all, "options", o.Labels)
	}
}

// checkDefault says what is wrong with the default.
func (f *CustomField) checkDefault() string {
	switch f.Type {
	case FieldMember, FieldReference:
		return "is not for what refers to a record, which could be deleted"
	}
	v, msg := f.normal(f.Default)
	switch {
	case msg != "":
		return msg
	case v == nil:
		return "is empty: leave it out"
	}
	return f.optionFault(v, nil)
}

// tidy brings a definition to the form in which it is kept.
func (f *CustomField) tidy() {
	f.Labels, f.Help = texts(f.Labels), texts(f.Help)
	f.Options = slices.Clone(f.Options)
	for i := range f.Options {
		o := &f.Options[i]
		o.Key, o.Colour = strings.TrimSpace(o.Key), strings.TrimSpace(o.Colour)
		o.Labels, o.When = texts(o.Labels), slices.Compact(slices.Sorted(slices.Values(o.When)))
		if len(o.When) == 0 {
			o.When = nil
		}
	}
	if len(f.Options) == 0 {
		f.Options = nil
	}
	f.Name, f.Object, f.DependsOn, f.Formula = strings.TrimSpace(f.Name), strings.TrimSpace(f.Object), strings.TrimSpace(f.DependsOn), strings.TrimSpace(f.Formula)
	if f.Default == nil {
		return
	}
	// As JSON has it, so that what is read back is what was given.
	if v, msg := f.normal(f.Default); msg == "" {
		f.Default = nil
		_ = json.Unmarshal(canonical(v), &f.Default)
	}
}
