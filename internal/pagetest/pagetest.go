// Package pagetest holds pages of documentation to code that is compiled.
package pagetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Blocks returns the fenced blocks of a page in a language, without their fences; an empty
// one is any.
func Blocks(tb testing.TB, page, language string) []string {
	tb.Helper()
	content, err := os.ReadFile(page) //nolint:gosec // a page of ours
	require.NoError(tb, err)
	var blocks []string
	for i, part := range strings.Split(string(content), "```") {
		if i%2 == 1 {
			said, code, _ := strings.Cut(part, "\n")
			if language == "" || said == language {
				blocks = append(blocks, code)
			}
		}
	}
	return blocks
}

// With returns the blocks that have a text.
func With(blocks []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(blocks), func(code string) bool { return !strings.Contains(code, text) })
}

// Paragraphs are what blank lines part blocks into: a page may show parts of a whole.
func Paragraphs(blocks []string) []string { return strings.Split(strings.Join(blocks, "\n\n"), "\n\n") }

// Shown holds that each of blocks stands in one of the files that patterns match, but for
// white space.
func Shown(tb testing.TB, blocks []string, patterns ...string) {
	tb.Helper()
	var source strings.Builder
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		require.NoError(tb, err)
		require.NotEmpty(tb, names, pattern)
		for _, name := range names {
			content, err := os.ReadFile(name) //nolint:gosec // a file of ours
			require.NoError(tb, err)
			source.WriteString(plain(string(content)) + "\n")
		}
	}
	for _, code := range blocks {
		require.Contains(tb, source.String(), plain(code))
	}
}

func plain(code string) string { return strings.Join(strings.Fields(code), " ") }
