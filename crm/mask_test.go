package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  "",
		"13800000000":       "138****0000",
		"+8613812340000":    "+86138****0000",
		"+49 30 1234-5678":  "+49 30 ****-5678",
		"1234567":           "12****7",
		"+1 (555) 010-0199": "+1 (55*) ***-0199",
		"ada@example.com":   "a***@example.com",
		"李@例子.中国":           "李***@例子.中国",
		"@ada":              "@***",
		"李雷":                "李*",
		"Ada Lovelace":      "A***",
		"A":                 "*",
		"12345":             "1***",
		"AB1234567":         "A***",
	} {
		require.Equal(t, want, crm.Mask(text), text)
	}
}
