package privacy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

func TestTablesFitTheirStructs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		crmtest.RequireSchema(t, openWard(t, e.Store).Core.Core, e.DB, e.Name)
	})
}

func TestTheTimeToAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada, ctx := w.patient(t, "Ada", "ada@example.com"), as(t, "kim")
		require.NoError(t, w.Tenants.SetZone(system(t), "Asia/Shanghai"))
		w.at(t, "2028-03-01 00:00:00")
		for _, c := range []struct {
			policy        privacy.Policy
			law           privacy.Law
			received, due string
		}{
			{privacy.Policy{}, "", "2027-01-31 12:00:00", "2027-02-28"},
			{privacy.Policy{}, privacy.GDPR, "2028-01-31 12:00:00", "2028-02-29"},
			{privacy.Policy{}, "", "2027-01-31 16:00:00", "2027-03-01"}, // the first of February in Shanghai
			{privacy.Policy{}, "", "2027-12-15 12:00:00", "2028-01-15"},
			{privacy.Policy{Law: privacy.PIPL}, "", "2027-01-31 12:00:00", "2027-03-02"},
			{privacy.Policy{}, privacy.PIPL, "2027-02-01 12:00:00", "2027-03-03"},
			{privacy.Policy{Days: 15}, "", "2027-01-31 12:00:00", "2027-02-15"},
			{privacy.Policy{Days: 60}, "", "2027-01-31 12:00:00", "2027-02-28"}, // no more than the law
			{privacy.Policy{Law: privacy.OtherLaw, Days: 45}, "", "2027-01-31 12:00:00", "2027-03-17"},
		} {
			w.policy = c.policy
			received := need(time.Parse(time.DateTime, c.received))(t)
			q := need(w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID, Received: received, Law: c.law}))(t)
			require.Equal(t, day(c.due), q.Due, "%+v", c)
		}
		w.policy = privacy.Policy{Law: privacy.OtherLaw}
		_, err := w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID})
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "Policy.Days")
		w.policy = privacy.Policy{}
		_, err = w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID, Law: "none"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID, Received: w.Clock.Now().Add(time.Hour)})
		require.ErrorContains(t, err, "received")
	})
}

func TestItIsToldThatTimeIsUp(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada, ctx := w.patient(t, "Ada", "ada@example.com"), as(t, "kim")
		w.at(t, "2027-01-31 10:00:00")
		q := w.asked(t, privacy.Access, ada)
		of := func(name string) (n int) {
			for _, told := range w.told {
				if told == "data_request."+name {
					n++
				}
			}
			return n
		}
		overdue := func() int64 {
			return need(w.Requests.Count(ctx, crm.Where("state in ['open', 'verified'] and due < today()")))(t)
		}
		w.at(t, "2027-02-20 23:59:59")
		w.run(t)
		require.Zero(t, of("due_soon"))
		w.at(t, "2027-02-21 00:00:00")
		w.run(t)
		w.run(t)
		require.Equal(t, []int{1, 0}, []int{of("due_soon"), of("overdue")})
		w.at(t, "2027-02-28 23:59:59")
		w.run(t)
		require.Equal(t, []int{1, 0}, []int{of("due_soon"), of("overdue")})
		require.Zero(t, overdue())
		_, err := w.Requests.Extend(ctx, q.ID, " ")
		require.ErrorIs(t, err, crm.ErrInvalid)
		told := need(w.Requests.Extend(ctx, q.ID, "there are very many files"))(t)
		require.Equal(t, []crm.Date{day("2027-02-28"), day("2027-04-30"), day("2027-04-30")}, []crm.Date{told.By, told.Until, told.Request.Due})
		require.False(t, told.Complaint)
		_, err = w.Requests.Extend(ctx, q.ID, "more still")
		require.ErrorIs(t, err, crm.ErrConflict)
		w.at(t, "2027-03-01 00:00:01")
		w.run(t)
		require.Equal(t, []int{1, 0}, []int{of("due_soon"), of("overdue")}, "the old day says nothing any more")
		late := need(w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID, Received: w.Clock.Now().AddDate(0, 0, -40)}))(t)
		_, err = w.Requests.Extend(ctx, late.ID, "much to do")
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "the month is over")
		china := need(w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID, Law: privacy.PIPL}))(t)
		_, err = w.Requests.Extend(ctx, china.ID, "much to do")
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.EqualValues(t, 1, overdue())
		for _, id := range []crm.ID{late.ID, china.ID} {
			notice := need(w.Requests.Refuse(ctx, id, "it is the fifth in a month"))(t)
			require.True(t, notice.Complaint)
			require.Equal(t, privacy.Refused, notice.Request.State)
		}
		w.told = nil
		w.at(t, "2027-05-01 00:00:00")
		w.run(t)
		require.Equal(t, 1, of("overdue"), "not those that are closed")
		require.True(t, need(w.Requests.Get(ctx, q.ID))(t).Overdue)
		require.EqualValues(t, 1, overdue())
		w.whole(t)
	})
}

func TestNothingIsAnsweredBeforeItIsKnownWhoAsks(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada, ctx := w.patient(t, "Ada", "ada@example.com"), as(t, "kim")
		verbs := func(id crm.ID) map[privacy.Kind]error {
			all := map[privacy.Kind]error{}
			_, all[privacy.Access] = w.Requests.Access(ctx, id, &bytes.Buffer{}, crm.PersonJSON)
			_, all[privacy.Correct] = w.Requests.Correct(ctx, id, func(v crm.Values) error { v["name"] = "Eve"; return nil })
			_, all[privacy.Erase] = w.Requests.Erase(ctx, id)
			_, all[privacy.Restrict] = w.Requests.Restrict(ctx, id)
			_, all[privacy.Object] = w.Requests.Object(ctx, id)
			return all
		}
		for _, kind := range []privacy.Kind{privacy.Access, privacy.Correct, privacy.Erase, privacy.Restrict, privacy.Object} {
			letter := need(w.Requests.Open(ctx, privacy.Request{Kind: kind, Contact: "a letter without a name"}))(t)
			require.ErrorIs(t, verbs(letter.ID)[kind], privacy.ErrUnknown)
			_, err := w.Requests.Verify(ctx, letter.ID, "his passport")
			require.ErrorIs(t, err, privacy.ErrUnknown)
			for verb, err := range verbs(w.asked(t, kind, ada).ID) {
				if verb == kind {
					require.ErrorIs(t, err, privacy.ErrUnverified, kind)
				} else {
					require.ErrorIs(t, err, crm.ErrInvalid, "%s for %s", verb, kind)
				}
			}
			require.Equal(t, ada, need(w.patients.Get(ctx, ada.ID))(t))
		}
		_, err := w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access})
		require.ErrorContains(t, err, "contact")
		_, err = w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "patient", Contact: "x"})
		require.ErrorContains(t, err, "record_id")
		for _, object := range []string{"boat", "member"} {
			_, err = w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: object, RecordID: ada.ID})
			require.ErrorContains(t, err, "Privacy.Acts")
		}
		_, err = w.Requests.Open(as(t, "kim"), privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: crm.ID{1}})
		require.ErrorContains(t, err, "no patient that you may read")
		_, err = w.Requests.Open(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "eve"}), privacy.Request{Kind: privacy.Access, Object: "patient", RecordID: ada.ID})
		require.ErrorContains(t, err, "no patient that you may read")

		q := w.asked(t, privacy.Access, ada)
		_, err = w.Requests.Verify(ctx, q.ID, "")
		require.ErrorIs(t, err, crm.ErrInvalid)
		q = need(w.Requests.Verify(ctx, q.ID, "his passport"))(t)
		require.Equal(t, []string{"member:kim", "his passport", "verified"}, []string{q.CheckedBy, q.CheckedHow, string(q.State)})
		_, err = w.Requests.Verify(ctx, q.ID, "once more")
		require.ErrorIs(t, err, privacy.ErrVerified)
		bob := w.patient(t, "Bob", "")
		_, err = w.Requests.Update(ctx, q.ID, func(q *privacy.Request) error { q.RecordID = bob.ID; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid, "the passport was another's")
		_, err = w.Requests.Update(ctx, q.ID, func(q *privacy.Request) error { q.Received = q.Received.AddDate(0, 0, -9); return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Requests.Update(ctx, q.ID, func(q *privacy.Request) error { q.State = privacy.Done; return nil })
		require.Error(t, err)
		require.ErrorIs(t, w.Requests.Delete(ctx, q.ID), crm.ErrConflict)
		require.ErrorIs(t, w.Requests.Purge(ctx, q.ID), crm.ErrConflict)
		w.whole(t)
	})
}

func TestATokenShowsWhoAsks(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada, ctx := w.patient(t, "Ada", "ada@example.com"), as(t, "kim")
		email := func(s string) crm.Address { return crm.Address{Kind: crm.AddressEmail, Value: s} }
		q, other := w.asked(t, privacy.Access, ada), w.asked(t, privacy.Access, ada)
		_, err := w.Requests.Token(ctx, q.ID, email("eve@example.com"))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "none by which the person is known")
		_, err = w.Requests.Token(as(t, "guest"), q.ID, email("ada@example.com"))
		require.Error(t, err)
		c := need(w.Requests.Token(ctx, q.ID, email("Ada@Example.com")))(t)
		require.Equal(t, email("ada@example.com"), c.Address)

		outside := t.Context()
		for i := range c.Token {
			forged := []byte(c.Token)
			forged[i] ^= 1
			_, err := w.Requests.Confirm(outside, string(forged))
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		foreign := need(w.SealToken(ctx, "something else", q.ID[:], time.Time{}))(t)
		short := need(w.SealToken(ctx, "data request", q.ID[:], time.Time{}))(t)
		for _, none := range []string{"", "x", foreign, short} {
			_, err := w.Requests.Confirm(outside, none)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		_, err = w.Requests.Confirm(crm.As(outside, crm.Actor{Tenant: "other", Member: "eve"}), c.Token)
		require.ErrorIs(t, err, crm.ErrInvalid)
		known := need(w.Requests.Confirm(outside, c.Token))(t)
		require.Equal(t, []string{"token", "verified"}, []string{known.CheckedBy, string(known.State)})
		require.Equal(t, privacy.Open, need(w.Requests.Get(ctx, other.ID))(t).State, "for this request alone")
		_, err = w.Requests.Confirm(outside, c.Token)
		require.ErrorIs(t, err, privacy.ErrVerified, "once")
		need(w.Requests.Refuse(ctx, q.ID, "he took it back"))(t)
		_, err = w.Requests.Confirm(outside, c.Token)
		require.ErrorIs(t, err, privacy.ErrClosed)

		old := need(w.Requests.Token(ctx, other.ID, email("ada@example.com")))(t)
		need(w.patients.Update(ctx, ada.ID, func(p *patient) error { p.Email = "new@example.com"; return nil }))(t)
		_, err = w.Requests.Confirm(outside, old.Token)
		require.ErrorIs(t, err, privacy.ErrOther, "the address is hers no more")
		fresh := need(w.Requests.Token(ctx, other.ID, email("new@example.com")))(t)
		bob := w.patient(t, "Bob", "new@example.com")
		need(w.Requests.Update(ctx, other.ID, func(q *privacy.Request) error { q.RecordID = bob.ID; return nil }))(t)
		_, err = w.Requests.Confirm(outside, fresh.Token)
		require.ErrorIs(t, err, privacy.ErrOther, "it is about somebody else by now")
		late := need(w.Requests.Token(ctx, other.ID, email("new@example.com")))(t)
		w.Clock.Advance(7 * 24 * time.Hour)
		_, err = w.Requests.Confirm(outside, late.Token)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "has expired")
		of := need(w.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "visit", RecordID: need(w.visits.Create(ctx, visit{PatientID: ada.ID}))(t).ID}))(t)
		_, err = w.Requests.Token(ctx, of.ID, email("new@example.com"))
		require.ErrorContains(t, err, "no addresses are known")
		w.whole(t)
	})
}

func TestEveryRequestIsAnsweredOnceWithAProof(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := as(t, "kim")
		ada := w.patient(t, "Ada Lovelace", "ada@example.com")
		need(w.visits.Create(ctx, visit{PatientID: ada.ID, Findings: "a cough"}))(t)

		var file bytes.Buffer
		asked := w.verified(t, privacy.Access, ada)
		q := need(w.Requests.Access(ctx, asked.ID, &file, crm.PersonJSON))(t)
		sum := sha256.Sum256(file.Bytes())
		require.Equal(t, fmt.Sprintf("patient %s, json, %d bytes, sha256 %s", ada.ID, file.Len(), hex.EncodeToString(sum[:])), q.Proof)
		require.Equal(t, []string{"done", "member:kim", ""}, []string{string(q.State), q.ClosedBy, q.Outcome})
		require.Contains(t, file.String(), "a cough")
		require.Contains(t, file.String(), "Ada Lovelace asks", "his requests are his data too")
		_, err := w.Requests.Access(ctx, q.ID, &file, crm.PersonJSON)
		require.ErrorIs(t, err, privacy.ErrClosed)

		q = need(w.Requests.Correct(ctx, w.verified(t, privacy.Correct, ada).ID, func(v crm.Values) error { v["name"] = "Ada King"; return nil }))(t)
		require.Equal(t, "patient "+ada.ID.String()+" version 2", q.Proof)
		told := need(w.patients.History(ctx, ada.ID, crm.Limit(1)))(t).Items[0]
		require.Equal(t, "data request "+q.ID.String(), told.Cause)
		vain := w.verified(t, privacy.Correct, ada)
		_, err = w.Requests.Correct(ctx, vain.ID, func(crm.Values) error { return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = w.Requests.Correct(ctx, vain.ID, func(v crm.Values) error { v["name"] = ""; return nil })
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.Equal(t, privacy.Verified, need(w.Requests.Get(ctx, vain.ID))(t).State)

		q = need(w.Requests.Restrict(ctx, w.verified(t, privacy.Restrict, ada).ID))(t)
		require.Equal(t, "patient "+ada.ID.String(), q.Proof)
		require.True(t, need(w.patients.Get(ctx, ada.ID))(t).Restricted)
		_, err = w.Requests.Lift(ctx, q.ID, "")
		require.ErrorIs(t, err, crm.ErrInvalid)
		q = need(w.Requests.Lift(ctx, q.ID, "the dispute is settled"))(t)
		require.Equal(t, "the dispute is settled", q.LiftedFor)
		require.False(t, need(w.patients.Get(ctx, ada.ID))(t).Restricted)
		_, err = w.Requests.Lift(ctx, q.ID, "again")
		require.ErrorIs(t, err, crm.ErrConflict)
		q = need(w.Requests.Object(ctx, w.verified(t, privacy.Object, ada).ID))(t)
		require.True(t, need(w.patients.Get(ctx, ada.ID))(t).Quiet)
		_, err = w.Requests.Lift(ctx, q.ID, "again")
		require.ErrorIs(t, err, crm.ErrConflict)
		seen := need(w.visits.Create(ctx, visit{PatientID: ada.ID}))(t)
		none := need(w.Requests.Open(ctx, privacy.Request{Kind: privacy.Restrict, Object: "visit", RecordID: seen.ID}))(t)
		need(w.Requests.Verify(ctx, none.ID, "his passport"))(t)
		_, err = w.Requests.Restrict(ctx, none.ID)
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.ErrorContains(t, err, "there is no restriction of records of the kind visit")

		// Who may not do it himself does not do it by a request.
		for kind, do := range map[privacy.Kind]func(context.Context, crm.ID) error{
			privacy.Access: func(ctx context.Context, id crm.ID) error {
				_, err := w.Requests.Access(ctx, id, &bytes.Buffer{}, crm.PersonJSON)
				return err
			},
			privacy.Correct: func(ctx context.Context, id crm.ID) error {
				_, err := w.Requests.Correct(ctx, id, func(v crm.Values) error { v["name"] = "Eve"; return nil })
				return err
			},
			privacy.Restrict: func(ctx context.Context, id crm.ID) error { _, err := w.Requests.Restrict(ctx, id); return err },
			privacy.Erase:    func(ctx context.Context, id crm.ID) error { _, err := w.Requests.Erase(ctx, id); return err },
		} {
			open := w.verified(t, kind, ada)
			require.ErrorIs(t, do(as(t, "clerk"), open.ID), crm.ErrForbidden, kind)
			require.ErrorIs(t, do(as(t, "dana"), open.ID), crm.ErrForbidden, kind)
			require.Equal(t, privacy.Verified, need(w.Requests.Get(ctx, open.ID))(t).State)
		}
		require.Equal(t, "Ada King", need(w.patients.Get(ctx, ada.ID))(t).Name)
		w.whole(t)
	})
}

func TestAnAnswerSaysWhatItLeavesOut(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ada := w.patient(t, "Ada", "ada@example.com")
		role := need(w.Roles.Create(system(t), crm.Role{
			Name: "desk", Grants: append(crm.Allow("data_request", crm.LevelAll), crm.Allow("patient", crm.LevelAll)...),
			Fields: []crm.FieldRule{{Object: "patient", Field: "email", Access: crm.FieldHidden}},
		}))(t)
		need(w.Members.Create(system(t), crm.Member{Key: "desk", Name: "desk", RoleIDs: []crm.ID{role.ID}}))(t)
		var file bytes.Buffer
		q := need(w.Requests.Access(as(t, "desk"), w.verified(t, privacy.Access, ada).ID, &file, crm.PersonJSON))(t)
		require.Equal(t, "withheld: patient.email", q.Outcome)
	})
}

func TestARequestFollowsWhoWasMerged(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := as(t, "kim")
		ada, twin := w.patient(t, "Ada", "ada@example.com"), w.patient(t, "A. Lovelace", "twin@example.com")
		first, second := w.verified(t, privacy.Correct, twin), w.verified(t, privacy.Correct, twin)
		_, merge, err := w.patients.Merge(ctx, ada.ID, []crm.ID{twin.ID}, crm.MergeRules{})
		require.NoError(t, err)
		of := func(id crm.ID) int { return len(need(w.Requests.Of(ctx, "patient", id))(t).Items) }
		require.Equal(t, 2, of(ada.ID))
		q := need(w.Requests.Correct(ctx, first.ID, func(v crm.Values) error { v["name"] = "Ada King"; return nil }))(t)
		require.Contains(t, q.Proof, ada.ID.String())
		require.Equal(t, "Ada King", need(w.patients.Get(ctx, ada.ID))(t).Name)
		var file bytes.Buffer
		need(w.Core.ExportPerson(ctx, &file, "patient", ada.ID, crm.PersonJSON))(t)
		require.Contains(t, file.String(), second.ID.String(), "what he asked about the record that was merged is told too")
		_, err = w.patients.Unmerge(ctx, merge.ID)
		require.NoError(t, err)
		require.Equal(t, []int{0, 2}, []int{of(ada.ID), of(twin.ID)})
		need(w.Requests.Correct(ctx, second.ID, func(v crm.Values) error { v["name"] = "Byron"; return nil }))(t)
		require.Equal(t, "Byron", need(w.patients.Get(ctx, twin.ID))(t).Name)
		w.whole(t)
	})
}

func TestAnErasureLeavesTheProofAndNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := as(t, "kim")
		for _, name := range []string{"Ada Lovelace", "Data Request Ltd"} { // one is what the reason says
			ada := w.patient(t, name, strings.ToLower(name[:4])+"@example.com")
			letter := need(w.Requests.Open(ctx, privacy.Request{Kind: privacy.Erase, Contact: ada.Email, Text: "forget me"}))(t)
			other := w.verified(t, privacy.Access, ada)
			q := w.verified(t, privacy.Erase, ada)
			done := need(w.Requests.Erase(ctx, q.ID))(t)
			id := need(crm.ParseID(strings.TrimPrefix(done.Proof, "erasure ")))(t)
			e := need(w.Erasures.Get(ctx, id))(t)
			require.Equal(t, []any{ada.ID, crm.ErasureDone}, []any{e.RecordID, e.State})
			for _, id := range []crm.ID{q.ID, other.ID, letter.ID} {
				is := need(w.Requests.Get(ctx, id))(t)
				require.Equal(t, []string{"", "", ""}, []string{is.Contact, is.Text, is.CheckedHow})
				for _, e := range need(w.Requests.History(ctx, id, crm.Limit(100)))(t).Items {
					for _, c := range e.Changes {
						require.NotContains(t, string(c.Before)+string(c.After), "@example.com")
						require.NotContains(t, string(c.Before)+string(c.After), "asks")
					}
				}
			}
			_, err := w.Requests.Erase(ctx, q.ID)
			require.ErrorIs(t, err, privacy.ErrClosed)
			_, err = w.Requests.Access(ctx, other.ID, &bytes.Buffer{}, crm.PersonJSON)
			require.ErrorIs(t, err, privacy.ErrErased)
			again := w.verified(t, privacy.Erase, patient{Record: ada.Record})
			_, err = w.Requests.Erase(ctx, again.ID)
			require.ErrorIs(t, err, privacy.ErrErased)
			for _, id := range []crm.ID{other.ID, again.ID, letter.ID} {
				need(w.Requests.Refuse(ctx, id, "the person was erased"))(t)
			}
			w.run(t)
		}
		w.whole(t)
	})
}

// TestAnErasureWhoseProcessEndsIsNoted: the erasure is committed, and the note of it is not.
func TestAnErasureWhoseProcessEndsIsNoted(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := as(t, "kim")
		for _, bySubscriber := range []bool{true, false} {
			q := w.verified(t, privacy.Erase, w.patient(t, "Ada", ""))
			_, err := w.ErasePerson(ctx, "patient", q.RecordID, "data request "+q.ID.String())
			require.NoError(t, err)
			require.Equal(t, privacy.Verified, need(w.Requests.Get(ctx, q.ID))(t).State)
			if bySubscriber {
				w.run(t)
			} else {
				need(w.Requests.Erase(ctx, q.ID))(t)
				w.run(t)
			}
			done := need(w.Requests.Get(ctx, q.ID))(t)
			require.Equal(t, privacy.Done, done.State)
			require.Contains(t, done.Proof, "erasure ")
			require.EqualValues(t, 1, need(w.Erasures.Count(ctx, crm.Where("object == 'patient' and record_id == $1", q.RecordID)))(t))
		}
		w.whole(t)
	})
}

func TestARequestStaysWhenTheRecordGoes(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := as(t, "kim")
		ada := w.patient(t, "Ada", "ada@example.com")
		access, erase := w.verified(t, privacy.Access, ada), w.verified(t, privacy.Erase, ada)
		require.NoError(t, w.patients.Delete(ctx, ada.ID))
		require.Len(t, need(w.Requests.Of(ctx, "patient", ada.ID))(t).Items, 2)
		var file bytes.Buffer
		need(w.Requests.Access(ctx, access.ID, &file, crm.PersonHTML))(t)
		require.Contains(t, file.String(), "ada@example.com")
		need(w.Requests.Erase(ctx, erase.ID))(t)
		require.NoError(t, w.patients.Purge(ctx, ada.ID))
		require.Len(t, need(w.Requests.Of(ctx, "patient", ada.ID))(t).Items, 2)
		w.whole(t)
	})
}

func TestCheckFindsWhatIsDoneWithoutProof(t *testing.T) {
	onBoth(t, func(t *testing.T, w *ward, _ enginetest.Engine) {
		ctx := system(t)
		ada := w.patient(t, "Ada", "")
		now := w.Clock.Now()
		_, err := w.Requests.Create(ctx, privacy.Request{Kind: privacy.Erase, Object: "patient", RecordID: ada.ID, State: privacy.Done, Checked: now})
		require.ErrorContains(t, err, "proof")
		_, err = w.Requests.Create(as(t, "dana"), privacy.Request{Kind: privacy.Erase, Object: "patient", RecordID: ada.ID, State: privacy.Done, Checked: now, Proof: "x"})
		require.ErrorIs(t, err, crm.ErrForbidden)
		q := need(w.Requests.Create(ctx, privacy.Request{
			Kind: privacy.Erase, Object: "patient", RecordID: ada.ID, State: privacy.Done, Checked: now, Proof: "erasure " + crm.ID{1}.String(),
		}))(t)
		problems := need(w.Check(ctx))(t)
		require.Len(t, problems, 1)
		require.Equal(t, q.ID, problems[0].Record)
		require.Contains(t, problems[0].What, "erasure")
	})
}
