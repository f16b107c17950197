package enginetest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Need returns a result once it is known that there is no error:
//
//	deal := enginetest.Need(deals.Get(ctx, id))(t)
func Need[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		require.NoError(tb, err)
		return v
	}
}
