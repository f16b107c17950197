package crm_test

import (
	"encoding/json"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind        crm.AddressKind
		value, want string
	}{
		{crm.AddressEmail, "ada@example.com", "ada@example.com"},
		{crm.AddressEmail, "  Ada.Lovelace+crm@EXAMPLE.Com\n", "Ada.Lovelace+crm@example.com"},
		{crm.AddressEmail, "o'brien!#$%&*/=?^_`{|}~-@a-b.example", "o'brien!#$%&*/=?^_`{|}~-@a-b.example"},
		{crm.AddressEmail, "root@localhost", "root@localhost"},
		{crm.AddressEmail, "用户@例え。ＪＰ", "用户@xn--r8jz45g.jp"},
		{crm.AddressEmail, "a@bücher.example", "a@xn--bcher-kva.example"},
		{crm.AddressEmail, "a@BU\u0308CHER.example", "a@xn--bcher-kva.example"},
		{crm.AddressEmail, "a@İx.example", "a@xn--ix-rub.example"},
		{crm.AddressEmail, "a@straße.de", "a@xn--strae-oqa.de"},
		{crm.AddressEmail, "a@中国移动.中国", "a@xn--fiq02ib9d179b.xn--fiqs8s"},
		{crm.AddressEmail, "cafe\u0301@example.com", "café@example.com"},
		{crm.AddressPhone, "+49 (30) 123-45.67", "+49301234567"},
		{crm.AddressPhone, "＋８６ 138 0013 8000", "+8613800138000"},
		{crm.AddressPhone, "10086", "10086"},
		{"wechat", " oABC_def-123 ", "oABC_def-123"},
		{"push", strings.Repeat("t", 1000), strings.Repeat("t", 1000)},
	} {
		a, err := crm.ParseAddress(c.kind, c.value)
		require.NoError(t, err, c.value)
		assert.Equal(t, crm.Address{Kind: c.kind, Value: c.want}, a)
		assert.NoError(t, a.Valid())
		again, err := crm.ParseAddress(c.kind, a.Value)
		require.NoError(t, err)
		assert.Equal(t, a, again, "the normal form is its own")
	}
}

// TestPunycode has the samples of RFC 3492 7.1 that are of one case.
func TestPunycode(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{
		"ليهمابتكلموشعربي؟":      "", // (A) ends with a question mark, which no label has
		"他们为什么不说中文":              "ihqwcrb4cv8a8dqg056pqjye",
		"他們爲什麽不說中文":              "ihqwctvzc91f659drss3x8bo0yb",
		"למההםפשוטלאמדבריםעברית": "4dbcagdahymbxekheh6e0a7fei0b",
		"यहलोगहिन्दीक्योंनहींबोलसकतेहैं": "i1baa7eci9glrd9b2ae1bj0hfcgg6iyaf8o0a1dig0cd",
		"なぜみんな日本語を話してくれないのか":             "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa",
		"세계의모든사람들이한국어를이해한다면얼마나좋을까":       "989aomsvi5e83db1d2a355cv1e0vak1dwrv93d5xbh15a0dt30a5jpsd879ccm6fea98c",
		"почемужеонинеговорятпорусски":   "b1abfaaepdrnnbgefbadotcwatmq2g4l",
	} {
		got, err := crm.ParseAddress(crm.AddressEmail, "a@"+label+".example")
		if want == "" || len(want) > 59 {
			assert.ErrorIs(t, err, crm.ErrInvalid, label)
			continue
		}
		require.NoError(t, err, label)
		assert.Equal(t, "a@xn--"+want+".example", got.Value)
	}
}

func TestBadAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind         crm.AddressKind
		value, field string
	}{
		{crm.AddressEmail, "", "email"},
		{crm.AddressEmail, "ada", "email"},
		{crm.AddressEmail, "@example.com", "email"},
		{crm.AddressEmail, "ada@", "email"},
		{crm.AddressEmail, "ada@example.com.", "email"},
		{crm.AddressEmail, "ada@.com", "email"},
		{crm.AddressEmail, "ada@-a.com", "email"},
		{crm.AddressEmail, "ada@a_b.com", "email"},
		{crm.AddressEmail, "ada@[127.0.0.1]", "email"},
		{crm.AddressEmail, "Ada <ada@example.com>", "email"},
		{crm.AddressEmail, `"ada"@example.com`, "email"},
		{crm.AddressEmail, "ada(x)@example.com", "email"},
		{crm.AddressEmail, "ada..l@example.com", "email"},
		{crm.AddressEmail, ".ada@example.com", "email"},
		{crm.AddressEmail, "ada@bob@example.com", "email"},
		{crm.AddressEmail, "ada@example.com,bob@example.com", "email"},
		{crm.AddressEmail, "ada@example.com\r\nBcc: eve@example.com", "email"},
		{crm.AddressEmail, "ada\x00@example.com", "email"},
		{crm.AddressEmail, "a\u200bda@example.com", "email"}, // zero width
		{crm.AddressEmail, "a\u202eda@example.com", "email"}, // right to left from here on
		{crm.AddressEmail, "ada@exa\u200dmple.com", "email"},
		{crm.AddressEmail, "ada@ex☃.com", "email"},
		{crm.AddressEmail, "a\xff@example.com", "email"},
		{crm.AddressEmail, strings.Repeat("a", 65) + "@example.com", "email"},
		{crm.AddressEmail, "a@" + strings.Repeat("a", 64) + ".com", "email"},
		{crm.AddressEmail, "a@" + strings.Repeat("例", 64) + ".com", "email"},
		{crm.AddressEmail, "a@" + strings.Repeat("a.", 130) + "com", "email"},
		{crm.AddressEmail, strings.Repeat("a", 1<<20), "email"},
		{crm.AddressPhone, "12", "phone"},
		{crm.AddressPhone, "+49 30 abc", "phone"},
		{crm.AddressPhone, "+1234567\r\n", ""}, // space around it is taken off
		{crm.AddressPhone, strings.Repeat("1", 21), "phone"},
		{"wechat", "", "wechat"},
		{"wechat", "a\nb", "wechat"},
		{"wechat", "a\u2028b", "wechat"},
		{"wechat", strings.Repeat("a", 1001), "wechat"},
		{"", "a", "kind"},
		{"We Chat", "a", "kind"},
		{crm.AddressKind(strings.Repeat("a", 33)), "a", "kind"},
	} {
		a, err := crm.ParseAddress(c.kind, c.value)
		if c.field == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, crm.ErrInvalid, "%q", c.value)
		invalid := &crm.InvalidError{}
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, c.field, invalid.Faults[0].Field, "%q", c.value)
		assert.True(t, a.IsZero())
	}
	assert.ErrorIs(t, crm.Address{Kind: crm.AddressEmail, Value: "ada@EXAMPLE.com"}.Valid(), crm.ErrInvalid)
	assert.NoError(t, crm.Address{}.Valid())
}

func TestSameAddress(t *testing.T) {
	t.Parallel()
	email := func(s string) crm.Address {
		a, err := crm.ParseAddress(crm.AddressEmail, s)
		require.NoError(t, err)
		return a
	}
	assert.True(t, email("Ada@Example.com").Same(email("ada@example.com")), "who wants no mail to one wants none to the other")
	assert.False(t, email("ada+crm@example.com").Same(email("ada@example.com")))
	assert.False(t, email("ada@example.com").Same(email("ada@example.org")))
	handle := func(kind crm.AddressKind, s string) crm.Address {
		a, err := crm.ParseAddress(kind, s)
		require.NoError(t, err)
		return a
	}
	assert.False(t, handle("wechat", "oAbc").Same(handle("wechat", "oabc")))
	assert.False(t, handle("wechat", "abc").Same(handle("weibo", "abc")))
}

func TestAddressJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(crm.Correspondent{Address: crm.Address{Kind: "wechat", Value: "o1"}, Name: "王芳"})
	require.NoError(t, err)
	assert.JSONEq(t, `{"kind":"wechat","value":"o1","name":"王芳"}`, string(text))
}

// TestAddressesThatOthersRead holds the normal form to the standard library's reader.
func TestAddressesThatOthersRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zA-Z0-9.+_ü用-]{1,20}@[a-zA-Z0-9.例ü-]{1,30}`).Draw(t, "text")
		a, err := crm.ParseAddress(crm.AddressEmail, text)
		if err != nil {
			return
		}
		parsed, err := mail.ParseAddress(a.Value)
		require.NoError(t, err, a.Value)
		require.Equal(t, a.Value, parsed.Address)
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"ada@example.com", "用户@例え.jp", "+49 30 123", "a@" + strings.Repeat("例", 60), "\xff@\x00", "a@xn--r8jz45g.jp", "İ@İ.example"} {
		f.Add("email", s)
		f.Add("phone", s)
		f.Add("wechat", s)
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		a, err := crm.ParseAddress(crm.AddressKind(kind), value)
		if err != nil {
			require.ErrorIs(t, err, crm.ErrInvalid)
			return
		}
		require.NoError(t, a.Valid(), "the normal form is its own: %q", a.Value)
		require.False(t, strings.ContainsAny(a.Value, "\r\n\x00"), "%q", a.Value)
		if a.Kind == crm.AddressEmail {
			require.Equal(t, 1, strings.Count(a.Value, "@"))
			require.LessOrEqual(t, len(a.Value), 254)
		}
		key, err := crm.ParseAddress(a.Kind, strings.TrimPrefix(a.Key(), kind+":"))
		if err == nil { // letters may be longer in small
			require.Equal(t, a.Key(), key.Key(), "a key is its own")
		}
	})
}
