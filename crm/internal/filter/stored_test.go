package filter_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm/internal/filter"
	"github.com/embedcrm/embedcrm/storage"
)

func TestStored(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(filter.Stored{Text: "amount > $1", Args: []any{filter.Amount{Minor: 1000, Currency: "EUR"}}, Version: filter.LanguageVersion})
	require.NoError(t, err)
	require.JSONEq(t, `{"text":"amount > $1","args":[{"money":{"minor":1000,"currency":"EUR"}}],"version":1}`, string(data))

	full := filter.Stored{Text: "x", Version: 1, Args: []any{
		"a\u2028<", "", true, false, int64(-1 << 63), now(), storage.Date{Year: 2026, Month: 1, Day: 31}, ids()[0], uuid.Nil,
		filter.Amount{Minor: 1<<63 - 1, Currency: "CNY"}, []string{"a", ""}, []string{}, []int64{1<<53 + 1}, []int64{}, ids(), []uuid.UUID{},
	}}
	data, err = json.Marshal(full)
	require.NoError(t, err)
	var back filter.Stored
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, full, back)

	data, err = json.Marshal(filter.Stored{Text: "x", Version: 1, Args: []any{7, []string(nil), now().In(berlin())}})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, []any{int64(7), []string{}, now()}, back.Args)
}

func TestStoredRefuses(t *testing.T) {
	t.Parallel()
	for _, arg := range []any{nil, 1.5, "\xff", []string{"\xff"}, storage.Date{}, []any{1}, filter.Amount{Currency: "\xff"}} {
		_, err := json.Marshal(filter.Stored{Text: "x", Version: 1, Args: []any{arg}})
		require.ErrorIs(t, err, storage.ErrInvalid, "%v", arg)
	}
	_, err := json.Marshal(filter.Stored{Text: "\xff", Version: 1})
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, data := range []string{
		`{"args":[{}]}`, `{"args":[{"int":1,"text":"a"}]}`, `{"args":[{"float":1.5}]}`, `{"args":[{"int":1.5}]}`, `{"args":[{"int":9223372036854775808}]}`,
		`{"args":[{"date":"2026-02-30"}]}`, `{"args":[{"id":"x"}]}`, `{"args":[null]}`, `[]`, `{"text":1}`, `{"version":"1"}`,
	} {
		var s filter.Stored
		require.ErrorIs(t, json.Unmarshal([]byte(data), &s), storage.ErrInvalid, data)
		require.Zero(t, s)
	}
	for _, version := range []int{0, -1, filter.LanguageVersion + 1} {
		_, err := filter.Stored{Text: "open", Version: version}.Parse()
		require.ErrorIs(t, err, storage.ErrInvalid)
	}
	parsed, err := filter.Stored{Text: "open", Version: 1}.Parse()
	require.NoError(t, err)
	require.Equal(t, "open", parsed.String())
}
