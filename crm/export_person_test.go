package crm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
)

// exported is an export read back.
type exported struct {
	Object  string `json:"object"`
	ID      crm.ID `json:"id"`
	Entries []struct {
		Object  string           `json:"object"`
		By      string           `json:"by"`
		Record  map[string]any   `json:"record"`
		History []map[string]any `json:"history"`
		Others  []struct {
			Source string         `json:"source"`
			Item   map[string]any `json:"item"`
		} `json:"others"`
	} `json:"entries"`
	Withheld []string `json:"withheld"`
}

func TestExportPerson(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		many := make([]bill, 450)
		for i := range many {
			many[i] = bill{PersonID: ada.ID, Amount: crm.EUR(int64(i + 1))}
		}
		_, err := p.bills.CreateAll(ctx, many)
		require.NoError(t, err)
		other, err := p.people.Create(ctx, patient{Name: "Bob <script>alert(1)</script>", Sex: "male"})
		require.NoError(t, err)
		_, err = p.remarks.Create(ctx, finding{PersonID: other.ID, Title: "call", Body: "likes rain"})
		require.NoError(t, err)

		var out bytes.Buffer
		done, err := p.people.ExportPerson(ctx, &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Equal(t, int64(1+3+2+1+450), done.Records, "her, three remarks, one deleted, replies to them, bills")
		require.Equal(t, map[string]int64{"files": 3, "sighting": 2}, done.Others)
		require.Empty(t, done.Withheld)
		var got exported
		require.NoError(t, json.Unmarshal(out.Bytes(), &got), out.String()[:300])
		require.Len(t, got.Entries, int(done.Records))
		require.Equal(t, ada.ID, got.ID)
		require.Equal(t, "Augusta Marblethwaite", got.Entries[0].Record["name"])
		require.Equal(t, "passport.pdf", got.Entries[0].Others[0].Item["name"])
		require.Len(t, got.Entries[0].History, 2)
		require.Contains(t, out.String(), "quill.example", "what she was called before")
		for _, trace := range []string{"thunderstorms", "barometers", "Zanzibar", "husband@", "recording.ogg", "lighthouse"} {
			require.Contains(t, out.String(), trace)
		}
		require.NotContains(t, out.String(), "likes rain")
		by := map[string]int{}
		for _, e := range got.Entries {
			by[e.Object+" by "+e.By]++
		}
		require.Equal(t, map[string]int{"person by ": 1, "remark by person_id": 3, "reply by remark_id": 2, "bill by person_id": 451}, by)

		out.Reset()
		_, err = p.people.ExportPerson(ctx, &out, other.ID, crm.PersonHTML)
		require.NoError(t, err)
		require.Contains(t, out.String(), "Bob &lt;script&gt;")
		require.NotContains(t, out.String(), "<script>")
		require.True(t, strings.HasSuffix(out.String(), "</html>\n"))

		_, err = p.people.ExportPerson(ctx, &out, crm.ID{1}, crm.PersonJSON)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = p.ExportPerson(ctx, &out, "nobody", ada.ID, crm.PersonJSON)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = p.people.ExportPerson(ctx, &out, ada.ID, "pdf")
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = p.people.ExportPerson(ctx, full{}, ada.ID, crm.PersonJSON)
		require.ErrorContains(t, err, "no space")
	})
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

// TestExportPersonRights holds that an export has what its actor may export and read,
// and says what it left out.
func TestExportPersonRights(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ada := p.augusta(t, system(t))
		role, err := p.Roles.Create(system(t), crm.Role{
			Name:   "clerk",
			Grants: append(crm.Allow("person", crm.LevelAll, crm.VerbRead, crm.VerbExport), crm.Allow("bill", crm.LevelAll, crm.VerbRead)...),
			Fields: []crm.FieldRule{{Object: "person", Field: "phone", Access: crm.FieldHidden}},
		})
		require.NoError(t, err)
		reader, err := p.Roles.Create(system(t), crm.Role{Name: "reader", Grants: crm.Allow("person", crm.LevelAll, crm.VerbRead)})
		require.NoError(t, err)
		for key, id := range map[string]crm.ID{"clerk": role.ID, "reader": reader.ID} {
			_, err = p.Members.Create(system(t), crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{id}})
			require.NoError(t, err)
		}
		var out bytes.Buffer
		_, err = p.people.ExportPerson(as(t, "reader"), &out, ada.ID, crm.PersonJSON)
		require.ErrorIs(t, err, crm.ErrForbidden)
		require.Zero(t, out.Len())
		done, err := p.people.ExportPerson(as(t, "clerk"), &out, ada.ID, crm.PersonJSON)
		require.NoError(t, err)
		require.Equal(t, []string{"bill", "person.phone", "sighting"}, done.Withheld)
		require.NotContains(t, out.String(), "5550123")
		require.NotContains(t, out.String(), `"bill"}`)
		require.Contains(t, out.String(), "thunderstorms", "remarks go by the rights of whom they are about")
		out.Reset()
		done, err = p.people.ExportPerson(system(t), &out, ada.ID, crm.PersonHTML)
		require.NoError(t, err)
		require.Empty(t, done.Withheld)
		require.Contains(t, out.String(), "5550123")
	})
}
