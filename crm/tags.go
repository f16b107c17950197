package crm

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// tags are the words of a field's crm:"…". They describe and never compute.
//
//	required     must have a value: text that is not blank, a date, a reference …
//	max=200      at most so many characters of text
//	enum=a|b     one of these texts
//	ref=customer the id of a record of this kind; the field's name ends in _id
//	within=pipeline_id
//	             with ref: it refers to a record that has the same as this one in this
//	             field, which both kinds have; its module holds that. So the name it
//	             is found by need be unique there alone, as a stage's in its pipeline
//	as=payments  the name under which the other kind sees these records; without
//	             it the plural of this kind
//	subject=kind the id of a record of any kind, which the text field kind names: this
//	             one hangs on that one, whose rights are its own and its maker's
//	open         with subject: added by who may read that record
//	parent       with ref: the record belongs to that one, whose rights are its own
//	tree         with ref to the own kind: the records form trees, without cycles
//	guarded      changed only by the verbs of its module
//	unique       no two living records have the same value
//	fold         compared without regard to case and accents as fold(field)
//	sort         lists are sorted by it at any size: there is an index
//	search       found by its words, see Collection.Search
//	personal     says something about a person: gone when the person is erased
//	identity     with personal: tells who it is, as an address does; a keyed hash
//	             of it stays when it is erased, see Core.ErasePerson
//	protected    kept as ciphertext by Config.Cipher, and compared by == and in alone
//	json         kept as JSON, and not compared
type tags struct {
	required, tree, parent, open, guarded, unique, fold, sort, search, personal, identity, protected, json bool

	max  int
	enum []string
	ref  string
	as   string

	subject, within string
}

// parseTags reads a tag, and refuses a word it does not know.
func parseTags(f reflect.StructField) (tags, error) {
	var t tags
	text := f.Tag.Get("crm")
	if text == "" {
		return t, nil
	}
	flags := map[string]*bool{
		"required": &t.required, "tree": &t.tree, "parent": &t.parent, "open": &t.open, "guarded": &t.guarded, "unique": &t.unique, "fold": &t.fold,
		"sort": &t.sort, "search": &t.search, "personal": &t.personal, "identity": &t.identity, "protected": &t.protected, "json": &t.json,
	}
	for word := range strings.SplitSeq(text, ",") {
		key, value, valued := strings.Cut(word, "=")
		flag := flags[key]
		switch {
		case flag != nil && !valued:
			*flag = true
		case key == "max" && valued:
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return t, fmt.Errorf("max is a number above 0, not %q", value)
			}
			t.max = n
		case key == "enum" && value != "":
			t.enum = strings.Split(value, "|")
		case key == "ref" && value != "":
			t.ref = value
		case key == "subject" && value != "":
			t.subject = value
		case key == "within" && value != "":
			t.within = value
		case key == "as" && value != "":
			t.as = value
		default:
			return t, fmt.Errorf("the tag has no word %q", word)
		}
	}
	return t, nil
}
