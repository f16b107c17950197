package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheReadmeShowsThisProgram, which the compiler has seen.
func TestTheReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Contains(t, string(readme), "```go\n"+string(program)+"```")
}

func Example() {
	dir, err := os.MkdirTemp("", "shop")
	check(err)
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	check(os.Chdir(dir))
	main()
	// Output:
	// Analytical engine 12000.00 EUR
	// deal.moved by member:dana
	// deal.created by member:dana
}
