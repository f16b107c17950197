package crm

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMembers holds the quick reader of custom values to encoding/json.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":"b"}`, `{ "a" : 1 , "b" : -7, "c":true,"d":false }`, `{"t":["x","y"],"e":[]}`, `{"a":1.5}`, `{"a":1e3}`, `{"a":null}`,
		`{"a":"\u0041"}`, `{"a":"é"}`, `{"a":9223372036854775808}`, `{"a":{"b":1}}`, `{"a":[1]}`, `{"a":1,}`, `{"a":01}`, `{"a":-}`, `{"a":1}x`, `[`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := members(raw)
		want := map[string]any{}
		if !json.Valid(raw) || decodeJSON(raw, &want) != nil {
			return // the database keeps nothing else
		}
		for name, v := range want {
			want[name] = goForm(v)
		}
		require.NoError(t, err)
		if want == nil {
			want = map[string]any{}
		}
		if got == nil {
			got = map[string]any{}
		}
		require.Equal(t, want, got)
		again, err := members(appendMembers(nil, got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
