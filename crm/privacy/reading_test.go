package privacy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// readers are who was shown a patient, the first first, and how.
func (w *ward) readers(tb testing.TB, id crm.ID) (list []string) {
	tb.Helper()
	for _, r := range need(w.Readings(as(tb, "kim"), "patient", id, crm.Limit(100)))(tb).Items {
		list = append(list, strings.TrimPrefix(r.Actor, "member:")+" "+string(r.How))
	}
	slices.Reverse(list)
	return list
}

// export reads all patients as an export does.
func (w *ward) export(ctx context.Context, tb testing.TB) (n int) {
	tb.Helper()
	records := need(w.Core.Records("patient"))(tb)
	for _, err := range records.Export(ctx) {
		require.NoError(tb, err)
		n++
	}
	return n
}

func TestARevealIsLoggedWithItsReason(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada := w.patient(t, "Ada", "ada@example.com")
		sys := system(t)
		role := need(w.Roles.Create(sys, crm.Role{
			Name: "desk", Grants: crm.Allow("patient", crm.LevelAll, crm.VerbRead), Fields: []crm.FieldRule{{Object: "patient", Field: "email", Access: crm.FieldMasked}},
		}))(t)
		need(w.Members.Create(sys, crm.Member{Key: "lou", Name: "Lou", RoleIDs: []crm.ID{role.ID}}))(t)
		ctx := as(t, "lou")
		require.Equal(t, "a***@example.com", need(w.patients.Get(ctx, ada.ID))(t).Email)
		require.Equal(t, "ada@example.com", need(w.patients.Reveal(ctx, ada.ID, "she asks to be called back", "email"))(t).Email)
		log := need(w.Readings(sys, "patient", ada.ID))(t).Items
		require.Len(t, log, 1, "the zero policy logs reveals alone")
		require.Equal(t, []any{"member:lou", crm.ReadingReveal, []string{"email"}, "she asks to be called back"}, []any{log[0].Actor, log[0].How, log[0].Fields, log[0].Reason})
	})
}

func TestWhoWasShownARecordIsLogged(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada, bob := w.patient(t, "Ada", "ada@example.com"), w.patient(t, "Bob", "")
		need(w.patients.Get(as(t, "dana"), ada.ID))(t)
		require.Empty(t, w.readers(t, ada.ID), "a policy asks for it")
		w.policy.Log = []string{"patient"}
		tick := func() { w.Clock.Advance(time.Second) }
		tick()
		need(w.patients.Get(as(t, "dana"), ada.ID))(t)
		tick()
		need(w.patients.List(as(t, "kim"), crm.Where("name == 'Ada'")))(t)
		tick()
		w.export(crm.Because(as(t, "dana"), "the yearly list"), t)
		tick()
		q := w.verified(t, privacy.Access, ada)
		var file bytes.Buffer
		tick()
		need(w.Requests.Access(as(t, "kim"), q.ID, &file, crm.PersonJSON))(t)
		require.Contains(t, file.String(), `"source":"readings"`, "he may know when he was read")
		require.NotContains(t, file.String(), "member:dana")
		_, err := w.patients.Get(as(t, "guest"), ada.ID)
		require.Error(t, err)
		need(w.patients.Get(system(t), ada.ID))(t)
		got := w.readers(t, ada.ID)
		require.Equal(t, []string{"dana read", "kim read", "dana export"}, got[:3])
		require.Equal(t, "kim export", got[len(got)-1])
		for _, one := range got {
			require.NotContains(t, one, "guest")
			require.NotContains(t, one, "system")
		}
		require.Equal(t, []string{"dana export"}, w.readers(t, bob.ID))
		export := need(w.Readings(as(t, "kim"), "patient", bob.ID))(t).Items[0]
		require.Equal(t, "the yearly list", export.Reason)

		by := need(w.ReadingsBy(as(t, "kim"), "member:dana", w.Clock.Now().Add(-time.Hour), w.Clock.Now()))(t)
		require.Len(t, by.Items, 3)
		for _, other := range []string{"dana", "guest", "clerk"} {
			page, err := w.Readings(as(t, other), "patient", ada.ID)
			require.True(t, errors.Is(err, crm.ErrForbidden) || err == nil && len(page.Items) == 0, "%s: %v", other, err)
			page, err = w.ReadingsBy(as(t, other), "member:dana", time.Unix(0, 0), w.Clock.Now())
			require.True(t, errors.Is(err, crm.ErrForbidden) || err == nil && len(page.Items) == 0, "%s: %v", other, err)
		}
		page, err := w.Readings(crm.System(t.Context(), "other"), "patient", ada.ID)
		require.NoError(t, err)
		require.Empty(t, page.Items)
		w.whole(t)
	})
}

func TestWhatCannotBeLoggedIsNotShown(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, e enginetest.Engine) {
		ada := w.patient(t, "Ada", "ada@example.com")
		w.policy.Log = []string{"patient"}
		table := "crm_reading"
		if e.Name == "postgres" {
			table = "crm.reading"
		}
		_, err := e.DB.ExecContext(t.Context(), "ALTER TABLE "+table+" RENAME TO reading_away")
		require.NoError(t, err)
		got, err := w.patients.Get(as(t, "dana"), ada.ID)
		require.Error(t, err)
		require.Empty(t, got.Name)
		page, err := w.patients.List(as(t, "dana"))
		require.Error(t, err)
		require.Empty(t, page.Items)
		w.policy.Log = nil
		need(w.patients.Get(as(t, "dana"), ada.ID))(t)
	})
}

func TestTheLogFollowsAMergeAndOutlivesThePerson(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := as(t, "kim")
		ada, twin := w.patient(t, "Ada", "ada@example.com"), w.patient(t, "Lady Lovelace", "twin@example.com")
		w.policy.Log = []string{"patient"}
		need(w.patients.Get(crm.Because(as(t, "dana"), "Lady Lovelace called"), twin.ID))(t)
		w.policy.Log = nil
		_, merge, err := w.patients.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, []string{"dana read"}, w.readers(t, ada.ID))
		_, err = w.patients.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		require.Empty(t, w.readers(t, ada.ID))
		require.Equal(t, []string{"dana read"}, w.readers(t, twin.ID))
		_, err = w.patients.ErasePerson(ctx, twin.ID, "asked for it")
		require.NoError(t, err)
		page := need(w.Readings(ctx, "patient", twin.ID))(t)
		require.Len(t, page.Items, 1, "that somebody read is a proof")
		require.Empty(t, page.Items[0].Reason)
		require.NoError(t, w.patients.Purge(ctx, twin.ID))
		require.Equal(t, []string{"dana read"}, w.readers(t, twin.ID))
		w.whole(t)
	})
}

func TestUpkeepForgetsWhatIsOld(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada := w.patient(t, "Ada", "ada@example.com")
		w.policy.Log = []string{"patient"}
		need(w.patients.Get(as(t, "dana"), ada.ID))(t)
		w.Clock.Advance(20 * 24 * time.Hour)
		need(w.patients.Get(as(t, "dana"), ada.ID))(t)
		w.Clock.Advance(11 * 24 * time.Hour)
		require.ErrorIs(t, w.Upkeep(as(t, "dana")), crm.ErrForbidden)
		require.NoError(t, w.Upkeep(system(t)))
		require.Len(t, w.readers(t, ada.ID), 2, "for good, unless the policy says otherwise")
		w.policy.Keep = 30 * 24 * time.Hour
		require.NoError(t, w.Jobs.Schedule(system(t), crm.Schedule{Name: "privacy", Kind: privacy.UpkeepJob, Cron: "@daily"}))
		w.Clock.Advance(24 * time.Hour)
		w.run(t)
		require.Len(t, w.readers(t, ada.ID), 1)
	})
}

func TestUnusualExportsRaiseAnAlarm(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		for i := range 10 {
			w.patient(t, fmt.Sprint("patient ", i), "")
		}
		alarms := func() []privacy.ExportAlarm {
			return need(w.Alarms.List(system(t), crm.OrderBy("created")))(t).Items
		}
		w.export(as(t, "dana"), t)
		w.policy.Export = privacy.ExportRule{Max: 25}
		for range 2 {
			w.export(as(t, "dana"), t)
			w.Clock.Advance(time.Minute)
		}
		w.export(as(t, "kim"), t)
		w.export(system(t), t)
		require.Empty(t, alarms())
		w.export(as(t, "dana"), t)
		require.Len(t, alarms(), 1)
		got := alarms()[0]
		require.Equal(t, []any{"member:dana", "patient", int64(30), int64(25), int64(0), crm.DateOf(w.Clock.Now())},
			[]any{got.Actor, got.Object, got.Exported, got.Allowed, got.Usual, got.Day})
		require.True(t, got.OwnerID.IsZero())
		_, err := w.Alarms.Get(as(t, "dana"), got.ID)
		require.Error(t, err, "whom it is about does not read it")
		w.export(as(t, "dana"), t)
		require.Len(t, alarms(), 1, "once a day")
		w.Clock.Advance(24 * time.Hour)
		w.export(as(t, "dana"), t)
		require.Len(t, alarms(), 1, "what is older than a day no longer counts")
		require.NotEmpty(t, need(w.ReadingsBy(system(t), "member:dana", time.Unix(0, 1), w.Clock.Now().Add(time.Second+time.Nanosecond)))(t).Items)

		// By what is usual for him: 40 on his busiest day.
		w.policy.Export = privacy.ExportRule{Times: 2, Floor: 15}
		w.Clock.Advance(25 * time.Hour)
		for range 8 {
			w.export(as(t, "dana"), t)
		}
		require.Len(t, alarms(), 1)
		w.export(as(t, "dana"), t)
		require.Len(t, alarms(), 2)
		require.Equal(t, []int64{90, 80, 40}, []int64{alarms()[1].Exported, alarms()[1].Allowed, alarms()[1].Usual})
		w.Clock.Advance(40 * 24 * time.Hour) // by then nothing is usual
		w.export(as(t, "dana"), t)
		require.Len(t, alarms(), 2, "the floor")
		w.export(as(t, "dana"), t)
		require.Len(t, alarms(), 3)
		require.NoError(t, w.Upkeep(system(t)))
		w.whole(t)
	})
}
