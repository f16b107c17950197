package storage

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestJSONThatEnginesReadAlike(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`: "", `null`: "", `"x"`: "", `[1,-2.50,0]`: "", `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`: "",
		`{"e":true,"n":1}`:             "",
		`"\ud83d\ude00"`:               "",
		`"\\u0000"`:                    "", // a backslash, then u0000
		`{"a":1,"a":2}`:                "twice",
		`{"a":1,"\u0061":2}`:           "twice",
		`[{"x":1},{"y":[{"z":1}]}]`:    "",
		`{"a":"a","b":"a"}`:            "",
		`"\u0000"`:                     `\u0000`,
		`"\ud83d"`:                     "surrogate",
		`"\ud83dx"`:                    "surrogate",
		`"\ud83d\u0041"`:               "surrogate",
		`"\ude00"`:                     "surrogate",
		`1e2`:                          "exponent",
		`[1.5E-3]`:                     "exponent",
		strings.Repeat("9", 38):        "",
		strings.Repeat("9", 39):        "digits",
		"0." + strings.Repeat("1", 38): "digits",
		`{"a":`:                        "not valid",
		"\"\xff\"":                     "not valid",
		``:                             "not valid",
		`01`:                           "not valid",
		`1.`:                           "not valid",
		`-`:                            "not valid",
		`{"a":1,}`:                     "not valid",
		`[1,]`:                         "not valid",
		`[1`:                           "not valid",
		`{} {}`:                        "not valid",
		`{a:1}`:                        "not valid",
		"\"\n\"":                       "not valid",
		`"\x"`:                         "not valid",
		`"\u12"`:                       "not valid",
		members(100):                   "",
		members(100) + " ":             "",
		strings.Replace(members(100), `"m99"`, `"m7"`, 1):   "twice",
		strings.Repeat("[", 100) + strings.Repeat("]", 100): "",
		strings.Repeat("[", 101) + strings.Repeat("]", 101): "deeper",
	} {
		got := jsonFault(json.RawMessage(text))
		if want == "" {
			require.Empty(t, got, text)
		} else {
			require.Contains(t, got, want, text)
		}
	}
}

// members is an object with n members.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

// FuzzJSONFault holds the walk to encoding/json: what passes is valid, and what is
// said not to be valid is not.
func FuzzJSONFault(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\ud83d\ude00",{"b":null}],"c":-1.5}`))
	f.Add([]byte(" [ true , false , null , 0 , -0.5 ] "))
	f.Add([]byte("{\"\\n\":\"\\/\"}"))
	f.Fuzz(func(t *testing.T, v []byte) {
		switch msg := jsonFault(v); {
		case msg == "" && (!json.Valid(v) || !utf8.Valid(v)):
			t.Fatalf("%q is not valid", v)
		case msg == notJSON && json.Valid(v) && utf8.Valid(v):
			t.Fatalf("%q is valid", v)
		}
	})
}
