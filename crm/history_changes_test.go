package crm

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is read of an event by hand is what encoding/json reads, whatever the values
// and however the database spaces them.
func TestChangesAreReadAsJSON(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) any {
		return rapid.OneOf(
			rapid.Just[any](nil), rapid.Map(rapid.Int64(), func(n int64) any { return n }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.SliceOfN(rapid.String(), 0, 3), func(s []string) any { return s }),
			rapid.Map(rapid.MapOfN(rapid.String(), rapid.SliceOfN(rapid.Int(), 0, 3), 0, 3), func(m map[string][]int) any { return m }),
		).Draw(t, "value")
	})
	name := rapid.OneOf(rapid.StringMatching(`[a-z_]{1,8}(\.[a-z]{1,4})?`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.MapOfN(name, rapid.SliceOfN(value, 2, 2), 0, 6).Draw(t, "changes")
		text, err := json.Marshal(given)
		if rapid.Bool().Draw(t, "spaced") {
			text, err = json.MarshalIndent(given, " ", "\t")
		}
		require.NoError(t, err)
		var want map[string][2]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &want))
		got := changesOf(text)
		require.Len(t, got, len(want))
		for _, c := range got {
			require.Equal(t, string(want[c.Field][0]), string(c.Before))
			require.Equal(t, string(want[c.Field][1]), string(c.After))
		}
	})
	for _, broken := range []string{"", "{", `{"a"`, `{"a":[1`, `{"a":[1,`, `{"a":["\`, `{"a":[1,2]`, `{"a":[1,2]}x`, "null", "[]"} {
		require.Empty(t, changesOf(json.RawMessage(broken)), broken)
	}
}
