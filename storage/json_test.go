package storage

import (
	"encoding/json"
	"strings"
	"testing"

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

func FuzzJSONFault(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\ud83d\ude00",{"b":null}],"c":-1.5}`))
	f.Fuzz(func(_ *testing.T, v []byte) { jsonFault(v) })
}
