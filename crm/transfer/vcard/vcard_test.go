package vcard_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/transfer"
	"github.com/embedcrm/embedcrm/crm/transfer/vcard"
)

// cards reads cards as what they have, by heading, and a fault under "fault".
func cards(t require.TestingT, text string) []map[string]string {
	c, err := vcard.Read(strings.NewReader(text))
	require.NoError(t, err)
	var list []map[string]string
	for {
		r, err := c.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		card := map[string]string{}
		for i, h := range c.Headings() {
			if r.Cells[i] != "" {
				card[h] = r.Cells[i]
			}
		}
		if r.Fault != "" {
			card = map[string]string{"fault": r.Fault}
		}
		list = append(list, card)
	}
}

func TestCards(t *testing.T) {
	t.Parallel()
	gbk, err := simplifiedchinese.GBK.NewEncoder().String("李雷")
	require.NoError(t, err)
	old := strings.NewReplacer("%", "=").Replace(quoted(gbk))
	for name, c := range map[string]struct {
		text string
		want map[string]string
	}{
		"4.0": {"VERSION:4.0\nFN:Ada\\, Countess\nN:Lovelace;Ada;King;Lady;\nTEL;TYPE=cell;PREF=1;VALUE=uri:tel:+44 1\nEMAIL;TYPE=work:b@example.com\nEMAIL;PREF=1:a@example.com\nBDAY:18151210\nGENDER:F\nUID:urn:uuid:1\n", map[string]string{
			"Full Name": "Ada, Countess", "Family Name": "Lovelace", "Given Name": "Ada", "Additional Name": "King", "Name Prefix": "Lady", "Mobile Phone": "+44 1",
			"E-mail 1": "a@example.com", "E-mail 2": "b@example.com", "Birthday": "18151210", "Gender": "female", "UID": "1",
		}},
		"3.0 folded": {"VERSION:3.0\r\nFN:Ada Love\r\n lace\r\nitem1.ADR;TYPE=HOME,pref:;;1 Main\\nSt;NY;New York;10011;USA\r\nCATEGORIES:a\\,b,c\r\nORG:Acme;R\\;D\r\nPHOTO;ENCODING=b:AAAA\r\n BBBB\r\n", map[string]string{
			"Full Name": "Ada Lovelace", "Home Street": "1 Main\nSt", "Home City": "NY", "Home State": "New York", "Home Postal Code": "10011", "Home Country": "USA",
			"Tags": "a,b;c", "Organization Name": "Acme", "Department": "R;D",
		}},
		"2.1": {"VERSION:2.1\nN;CHARSET=GBK;ENCODING=QUOTED-PRINTABLE:" + old + ";;\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=E6=9D=8E=\n=E9=9B=B7\nTEL;CELL;VOICE:1\nTEL;WORK;FAX:2\nTEL;HOME:3\nBDAY:--1210\n", map[string]string{
			"Full Name": "李雷", "Family Name": "李雷", "Mobile Phone": "1", "Fax": "2", "Home Phone": "3",
		}},
		"several": {"FN:Ada\nTEL;TYPE=cell:1\nTEL;TYPE=cell:2\nEMAIL:a@x.de\nEMAIL:b@x.de\nEMAIL:c@x.de\nEMAIL:d@x.de\n", map[string]string{
			"Full Name": "Ada", "Mobile Phone": "1 ::: 2", "E-mail 1": "a@x.de", "E-mail 2": "b@x.de", "E-mail 3": "c@x.de ::: d@x.de",
		}},
		"an agent within": {"FN:Boss\nAGENT:\nBEGIN:VCARD\nFN:Agent\nEND:VCARD\nTEL:1\n", map[string]string{"Full Name": "Boss", "Phone": "1"}},
		"no property":     {"FN:Ada\nnonsense\n", map[string]string{"fault": `line 3 is no property: "nonsense"`}},
		"empty":           {"VERSION:3.0\n", map[string]string{"fault": "the card is empty"}},
	} {
		got := cards(t, "BEGIN:VCARD\n"+c.text+"END:VCARD\n")
		require.Equal(t, []map[string]string{c.want}, got, name)
	}
	got := cards(t, "begin:vcard\nFN:A\nend:vcard\n\nBEGIN:VCARD\nFN:B\n")
	require.Equal(t, "A", got[0]["Full Name"])
	require.Contains(t, got[1]["fault"], "no END:VCARD")
	_, err = vcard.Read(strings.NewReader("a,b\n1,2\n"))
	require.ErrorIs(t, err, crm.ErrInvalid)
}

// TestNothingOfACardIsLostInSilence holds that of what a card has several of, each stands in a cell or in the notes.
func TestNothingOfACardIsLostInSilence(t *testing.T) {
	t.Parallel()
	c, err := vcard.Read(strings.NewReader(`BEGIN:VCARD
FN:Ada
FN;LANGUAGE=zh:艾达
N:Lovelace;Ada;;;
ORG:Engines;R
ORG:Looms
TITLE:Boss
TITLE:Weaver
URL:https://a.example
URL:https://b.example
TEL;TYPE=pager:7
TEL;TYPE=fax:8
TEL;TYPE=home:1
TEL;TYPE=home:2
EMAIL:a@x.de
EMAIL:b@x.de
EMAIL:c@x.de
EMAIL:d@x.de
ADR;TYPE=home:;;;;;;
ADR;TYPE=home:;;Second 2;Ulm;;;
ADR;TYPE=home;PREF=1:;;First 1;Bonn;;;
ADR;TYPE=home:;;Third 3;Kiel;;;
ADR;TYPE=home:;;Second 2;Ulm;;;
ADR;TYPE=work:;;Work 1;Rome;;;
ADR;TYPE=work:;;Work 2;Oslo;;;
ADR:;;Here;;;;
END:VCARD
`))
	require.NoError(t, err)
	row, err := c.Next()
	require.NoError(t, err)
	got := map[string]string{}
	for i, h := range c.Headings() {
		if row.Cells[i] != "" {
			got[h] = row.Cells[i]
		}
	}
	require.Equal(t, map[string]string{
		"Full Name": "Ada", "Family Name": "Lovelace", "Given Name": "Ada", "Organization Name": "Engines", "Department": "R", "Job Title": "Boss",
		"Website": "https://a.example", "Fax": "8", "Home Phone": "1 ::: 2", "E-mail 1": "a@x.de", "E-mail 2": "b@x.de", "E-mail 3": "c@x.de ::: d@x.de",
		"Home Street": "First 1", "Home City": "Bonn", "Home 2 Street": "Second 2", "Home 2 City": "Ulm",
		"Work Street": "Work 1", "Work City": "Rome", "Work 2 Street": "Work 2", "Work 2 City": "Oslo", "Other Street": "Here",
	}, got)
	require.Equal(t, []string{
		`FN: one more is left out: "艾达"`, `ORG: one more is left out: "Looms"`, `TITLE: one more is left out: "Weaver"`,
		`URL: one more is left out: "https://b.example"`, `TEL: one more is left out: "7"`, `ADR: one more is left out: "Third 3, Kiel"`,
	}, row.Notes)

	var many strings.Builder
	for i := range 40 {
		many.WriteString("URL:" + strings.Repeat("x", i+1) + "\n")
	}
	c, err = vcard.Read(strings.NewReader("BEGIN:VCARD\nFN:A\n" + many.String() + "END:VCARD\n"))
	require.NoError(t, err)
	row, err = c.Next()
	require.NoError(t, err)
	require.Len(t, row.Notes, 11)
	require.Equal(t, "29 more properties are left out", row.Notes[10])
}

func quoted(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString("=" + strings.ToUpper(string("0123456789abcdef"[s[i]>>4])+string("0123456789abcdef"[s[i]&15])))
	}
	return b.String()
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := vcard.Write(&b)
	require.NoError(t, w.Write([]string{"id", "kind", "name", "given_name", "family_name", "email", "phone", "birthday", "tags"}))
	require.NoError(t, w.Write([]string{"1", "person", "Ada; " + strings.Repeat("李", 60), "Ada", "Love,lace", "a@example.com", "'+44 1", "1815-12-10", "a, b"}))
	require.NoError(t, w.Close())
	for line := range strings.SplitSeq(b.String(), "\r\n") {
		require.LessOrEqual(t, len(line), 75)
	}
	require.Equal(t, []map[string]string{{
		"UID": "1", "Full Name": "Ada; " + strings.Repeat("李", 60), "Given Name": "Ada", "Family Name": "Love lace", "E-mail 1": "a@example.com", "Phone": "+44 1", "Birthday": "18151210", "Tags": "a;b",
	}}, cards(t, b.String()))
	require.ErrorIs(t, vcard.Write(io.Discard).Write([]string{"email"}), crm.ErrInvalid)
}

func TestOtherPeoplesCards(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("EMBEDCRM_TEST_DATA")
	files, _ := filepath.Glob(filepath.Join(dir, "vcard", "*.vcf"))
	if dir == "" {
		t.Skip("set EMBEDCRM_TEST_DATA to a directory with vcard")
	}
	require.NotEmpty(t, files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, card := range cards(t, string(b)) {
			require.Empty(t, card["fault"], name)
			require.NotEmpty(t, card["Full Name"], name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("BEGIN:VCARD\nN;X=\"a:b\";Y:1;2\nEND:VCARD")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := vcard.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for range len(text) + 1 {
			r, err := c.Next()
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				return
			}
			require.Len(t, r.Cells, len(c.Headings()))
		}
	})
}

var _ transfer.Source = (*vcard.Cards)(nil)
