package crm_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// augusta is a patient with a past: a former name, remarks, bills, files.
func (p *practice) augusta(tb testing.TB, ctx context.Context) patient { //nolint:revive // the test comes first
	tb.Helper()
	ada, err := p.people.Create(ctx, patient{
		Name: "Augusta Quillfeather", Email: "augusta@quill.example", Phone: "+49 170 5550123", Sex: "female",
		Born: crm.Date{Year: 1915, Month: time.December, Day: 10}, Habits: []string{"clockmaking"}, Level: "gold",
		Record: crm.Record{Refs: crm.Refs{"shop": "customer-98431-ward-7"}},
	})
	require.NoError(tb, err)
	ada, err = p.people.Update(crm.Because(ctx, "Mrs Quillfeather called"), ada.ID, func(x *patient) error {
		x.Name, x.Email = "Augusta Marblethwaite", "augusta@marble.example"
		return nil
	})
	require.NoError(tb, err)
	for _, body := range []string{"afraid of thunderstorms", "collects barometers"} {
		r, err := p.remarks.Create(ctx, finding{PersonID: ada.ID, Title: "call", Body: body, Record: crm.Record{Refs: crm.Refs{"mail": body}}})
		require.NoError(tb, err)
		_, err = p.replies.Create(ctx, answer{RemarkID: r.ID, From: "husband@marble.example"})
		require.NoError(tb, err)
		p.files[r.ID] = []string{"recording.ogg"}
	}
	gone, err := p.remarks.Create(ctx, finding{PersonID: ada.ID, Title: "call", Body: "owns a xylophone"})
	require.NoError(tb, err)
	require.NoError(tb, p.remarks.Purge(ctx, gone.ID))
	gone, err = p.remarks.Create(ctx, finding{PersonID: ada.ID, Title: "call", Body: "sails to Zanzibar"})
	require.NoError(tb, err)
	require.NoError(tb, p.remarks.Delete(ctx, gone.ID))
	_, err = p.bills.Create(crm.Because(ctx, "for Marblethwaite"), bill{PersonID: ada.ID, Amount: crm.EUR(120_00)})
	require.NoError(tb, err)
	p.files[ada.ID] = []string{"passport.pdf"}
	require.NoError(tb, p.seen.Append(ctx, sighting{PersonID: ada.ID, Seq: 1, Place: "lighthouse"}, sighting{PersonID: ada.ID, Seq: 2, Place: "lighthouse"}))
	return ada
}

// traces are texts of the patient, none of which may be anywhere once she is erased.
func traces() []string {
	return []string{
		"quillfeather", "marblethwaite", "augusta", "quill.example", "marble.example", "5550123", "female", "1915-12", "clockmaking",
		"98431-ward-7", "husband", "lighthouse", "thunderstorms", "barometers", "xylophone", "zanzibar",
	}
}

func TestErasePerson(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		other, err := p.people.Create(ctx, patient{Name: "Bob", Sex: "male", Email: "bob@example.com"})
		require.NoError(t, err)
		_, err = p.remarks.Create(ctx, finding{PersonID: other.ID, Title: "call", Body: "likes rain"})
		require.NoError(t, err)
		require.NoError(t, p.RunDue(t.Context()))
		head, err := p.SealHistory(system(t))
		require.NoError(t, err)
		require.NotEmpty(t, tablesWith(t, p.engine, "quillfeather"), "the dump sees what is there")
		p.Clock.Advance(time.Hour)
		then := p.Clock.Now()
		p.Clock.Advance(time.Hour)

		_, err = p.people.ErasePerson(ctx, ada.ID, "asked by Marblethwaite")
		require.ErrorIs(t, err, crm.ErrInvalid, "a reason names nobody")
		_, err = p.ErasePerson(ctx, "nobody", ada.ID, "asked")
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = p.people.ErasePerson(ctx, crm.ID{1}, "asked")
		require.ErrorIs(t, err, crm.ErrNotFound)

		e, err := p.people.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		require.Empty(t, tablesWith(t, p.engine, traces()...))
		require.Equal(t, crm.ErasureDone, e.State)
		require.Equal(t, p.Clock.Now(), e.Finished)
		require.Equal(t, int64(8), e.Records, "her, four remarks, one of them purged, two replies, and a bill that named her")
		require.Equal(t, int64(9), e.Events)
		require.Equal(t, int64(7), e.Keys, "two addresses, a number, a key; an address of a reply, two keys of remarks")
		require.Equal(t, map[string]int64{"files": 3, "sighting": 2}, e.Others)
		proof, err := p.Erasures.History(ctx, e.ID)
		require.NoError(t, err)
		require.Equal(t, "member:dana", proof.Items[len(proof.Items)-1].Actor)
		require.Equal(t, "asked by mail", proof.Items[len(proof.Items)-1].Cause)

		// The record stays, and with it what is no part of her.
		after, err := p.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "erased", after.Name)
		require.Equal(t, "unknown", after.Sex)
		require.Equal(t, "gold", after.Level)
		require.Empty(t, after.Refs)
		sum, err := p.bills.Count(ctx, crm.Where("person_id == $1 and amount == $2", ada.ID, crm.EUR(120_00)))
		require.NoError(t, err)
		require.Equal(t, int64(1), sum)
		remarks, err := p.remarks.List(ctx, crm.Where("person_id == $1", other.ID))
		require.NoError(t, err)
		require.Equal(t, "likes rain", remarks.Items[0].Body)

		// History and AsOf know that there was something, and not what.
		past, err := p.people.AsOf(ctx, ada.ID, then)
		require.NoError(t, err)
		require.Empty(t, past.Name+past.Email+past.Phone)
		require.Equal(t, "gold", past.Level)
		now, err := p.people.AsOf(ctx, ada.ID, p.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, after, now)
		events, err := p.people.History(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "person.erased", events.Items[0].Name)
		require.Empty(t, events.Items[1].Cause)
		for _, c := range events.Items[1].Changes {
			require.True(t, c.Erased(), c.Field)
		}

		// The proof holds, from before the erasure on.
		require.NoError(t, p.RunDue(t.Context()))
		r, err := p.VerifyHistory(system(t), head)
		require.NoError(t, err)
		require.Nil(t, r.Broken)
		require.Equal(t, int64(9), r.Erased)
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)

		// Again: nothing is left to erase but what came since.
		again, err := p.people.ErasePerson(ctx, ada.ID, "asked again")
		require.NoError(t, err)
		require.Equal(t, int64(1), again.Records)
		require.Zero(t, again.Keys)

		// What lives on can be deleted, restored and purged.
		require.ErrorIs(t, p.Erasures.Delete(ctx, e.ID), crm.ErrConflict)
		_, err = p.Erasures.Create(ctx, crm.Erasure{Object: "person", RecordID: other.ID, Reason: "none", State: crm.ErasureDone})
		require.ErrorIs(t, err, crm.ErrForbidden)
	})
}

// TestErasedStaysErased holds that an erased person does not come back by any verb,
// unless there is a reason.
func TestErasedStaysErased(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		_, err := p.people.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		for what, x := range map[string]patient{
			"address":          {Email: "augusta@marble.example"},
			"address, written": {Email: " Augusta@MARBLE.example"},
			"former address":   {Email: "augusta@quill.example"},
			"number":           {Phone: "0170/5550123"},
			"key":              {Record: crm.Record{Refs: crm.Refs{"shop": "customer-98431-ward-7"}}},
		} {
			x.Name, x.Sex = "A. M.", "female"
			_, err := p.people.Create(ctx, x)
			require.ErrorIs(t, err, crm.ErrConflict, what)
			var erased *crm.ErasedError
			require.ErrorAs(t, err, &erased, what)
			_, err = p.people.CreateAll(ctx, []patient{{Name: "Bob", Sex: "male"}, x})
			require.ErrorAs(t, err, &erased, what)
			if x.Email != "" || x.Refs != nil {
				_, _, err = p.people.Upsert(ctx, x)
				require.ErrorAs(t, err, &erased, what)
			}
			_, err = p.people.Update(ctx, ada.ID, func(old *patient) error {
				old.Email, old.Phone, old.Refs = x.Email, x.Phone, x.Refs
				return nil
			})
			require.ErrorAs(t, err, &erased, what)
		}
		_, err = p.people.Create(ctx, patient{Name: "Augusta Marblethwaite", Sex: "female"})
		require.NoError(t, err, "a name is many people's")
		_, err = p.people.Create(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "lee"}), patient{Name: "A", Sex: "female", Email: "augusta@marble.example"})
		require.NoError(t, err, "another tenant has its own")

		back := crm.Returned(ctx, "signed up in the shop")
		_, err = p.people.Create(crm.Returned(ctx, ""), patient{Name: "A", Sex: "female", Email: "augusta@marble.example"})
		require.ErrorIs(t, err, crm.ErrInvalid)
		x, err := p.people.Create(back, patient{Name: "A", Sex: "female", Email: "augusta@marble.example"})
		require.NoError(t, err)
		events, err := p.people.History(ctx, x.ID)
		require.NoError(t, err)
		require.Equal(t, "signed up in the shop", events.Items[0].Cause)
		_, _, err = p.people.Upsert(ctx, patient{Name: "Ada", Sex: "female", Email: "augusta@marble.example"})
		require.NoError(t, err, "she is known again")
		_, err = p.people.Update(ctx, x.ID, func(x *patient) error { x.Phone = "+49 170 5550123"; return nil })
		require.ErrorIs(t, err, crm.ErrConflict, "her number is not")
	})
}

// TestEraseDeleted holds that deleted and purged persons are erased, and that what is
// restored afterwards has nothing of them.
func TestEraseDeleted(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		for r, err := range p.replies.All(ctx) {
			require.NoError(t, err)
			require.NoError(t, p.replies.Delete(ctx, r.ID))
		}
		for r, err := range p.remarks.All(ctx, crm.Where("person_id == $1", ada.ID)) {
			require.NoError(t, err)
			require.NoError(t, p.remarks.Delete(ctx, r.ID))
		}
		bills, err := p.bills.List(ctx)
		require.NoError(t, err)
		require.NoError(t, p.bills.Delete(ctx, bills.Items[0].ID))
		require.NoError(t, p.people.Delete(ctx, ada.ID))
		_, err = p.people.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		require.Empty(t, tablesWith(t, p.engine, traces()...))
		restored, err := p.people.Restore(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "erased", restored.Name)

		bob, err := p.people.Create(ctx, patient{Name: "Bartholomew", Sex: "male", Email: "bartholomew@example.com"})
		require.NoError(t, err)
		require.NoError(t, p.people.Purge(ctx, bob.ID))
		require.NotEmpty(t, tablesWith(t, p.engine, "bartholomew"), "a purge leaves the history")
		e, err := p.people.ErasePerson(ctx, bob.ID, "asked by mail")
		require.NoError(t, err)
		require.Equal(t, int64(1), e.Keys)
		require.Empty(t, tablesWith(t, p.engine, "bartholomew"))
		_, err = p.people.Create(ctx, patient{Name: "B", Sex: "male", Email: "bartholomew@example.com"})
		require.ErrorIs(t, err, crm.ErrConflict)
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestEraseCustom holds that personal custom fields go, with their index, and those
// that were deleted or renamed.
func TestEraseCustom(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		for _, f := range []crm.CustomField{
			{Name: "tax_no", Type: crm.FieldText, Unique: true, Personal: true},
			{Name: "hobby", Type: crm.FieldText, Indexed: true, Personal: true},
			{Name: "tier", Type: crm.FieldText},
			{Name: "faith", Type: crm.FieldText, Personal: true},
		} {
			f.Object = "person"
			_, err := p.Fields.Create(ctx, f)
			require.NoError(t, err)
		}
		require.NoError(t, p.RunDue(t.Context()))
		ada, err := p.people.Create(ctx, patient{Name: "Ada", Sex: "female", Record: crm.Record{Custom: crm.Custom{
			"tax_no": "TAX-777123", "hobby": "ballooning", "tier": "platinum", "faith": "pastafarian",
		}}})
		require.NoError(t, err)
		all, err := p.Fields.Of(ctx, "person")
		require.NoError(t, err)
		for _, f := range all {
			switch f.Name {
			case "faith":
				require.NoError(t, p.Fields.Delete(ctx, f.ID))
			case "hobby":
				_, err := p.Fields.Update(ctx, f.ID, func(f *crm.CustomField) error { f.Name = "pastime"; return nil })
				require.NoError(t, err)
			}
		}
		_, err = p.people.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		require.Empty(t, tablesWith(t, p.engine, "777123", "ballooning", "pastafarian"))
		after, err := p.people.Get(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, crm.Custom{"tier": "platinum"}, after.Custom)
		_, err = p.people.Create(ctx, patient{Name: "A", Sex: "female", Record: crm.Record{Custom: crm.Custom{"tax_no": "tax-777123"}}})
		require.ErrorIs(t, err, crm.ErrConflict)
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// TestEraseRights holds who may erase.
func TestEraseRights(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ada := p.augusta(t, system(t))
		role := func(key string, grants ...crm.Grant) context.Context {
			r, err := p.Roles.Create(system(t), crm.Role{Name: key, Grants: grants})
			require.NoError(t, err)
			_, err = p.Members.Create(system(t), crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{r.ID}})
			require.NoError(t, err)
			return as(t, key)
		}
		officer := role("officer", append(crm.Allow("person", crm.LevelAll, crm.VerbRead, crm.VerbDelete), crm.Allow("erasure", crm.LevelAll, crm.VerbRead, crm.VerbCreate)...)...)
		rep := role("rep", append(crm.Allow("person", crm.LevelAll, crm.VerbRead), crm.Allow("erasure", crm.LevelAll, crm.VerbCreate)...)...)
		clerk := role("clerk", crm.Allow("person", crm.LevelAll, crm.VerbRead, crm.VerbDelete)...)
		stranger := role("stranger", crm.Allow("bill", crm.LevelAll, crm.VerbRead)...)
		own := role("own", append(crm.Allow("person", crm.LevelOwn, crm.VerbRead, crm.VerbDelete), crm.Allow("erasure", crm.LevelAll, crm.VerbCreate)...)...)
		for who, actor := range map[string]context.Context{"rep": rep, "clerk": clerk, "stranger": stranger} {
			_, err := p.people.ErasePerson(actor, ada.ID, "asked")
			require.ErrorIs(t, err, crm.ErrForbidden, who)
		}
		_, err := p.people.ErasePerson(own, ada.ID, "asked")
		require.ErrorIs(t, err, crm.ErrNotFound, "what one may not read is not there")
		require.NotEmpty(t, tablesWith(t, p.engine, "marblethwaite"))
		_, err = p.people.ErasePerson(officer, ada.ID, "asked")
		require.NoError(t, err, "remarks go with her, readable to the officer or not")
		require.Empty(t, tablesWith(t, p.engine, traces()...))
	})
}

// TestEraseOfWhoWasMerged holds that an erasure reaches the records that were merged into
// the person's, and what was kept to undo that.
func TestEraseOfWhoWasMerged(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		ada := p.augusta(t, ctx)
		twin := func(name, email, place string) crm.ID {
			sex := "female"
			if name == "Bob" {
				sex = "male"
			}
			x, err := p.people.Create(ctx, patient{Name: name, Sex: sex, Email: email, Record: crm.Record{Refs: crm.Refs{"till": "key of " + name}}})
			require.NoError(t, err)
			require.NoError(t, p.seen.Append(ctx, sighting{PersonID: x.ID, Seq: 1, Place: place}))
			p.files[x.ID] = []string{"portrait.jpg"}
			return x.ID
		}
		merged := func(into, other crm.ID, why string) crm.Merge {
			_, m, err := p.people.Merge(crm.Because(ctx, why), into, []crm.ID{other}, crm.MergeRules{})
			require.NoError(t, err)
			return m
		}
		gusta, first := twin("Gusta Thimbleby", "thimbleby@wool.example", "windmill"), twin("Olympia Fothergill", "fothergill@wool.example", "aquarium")
		lost := twin("Philippa Umbermouth", "umbermouth@wool.example", "catacombs")
		other := twin("Bob", "bob@wool.example", "quarry")
		early := merged(gusta, first, "the Fothergill papers")
		gone := merged(gusta, lost, "as well")
		require.NoError(t, p.people.Purge(ctx, lost))
		late := merged(ada.ID, gusta, "the Thimbleby letters")
		undone := merged(other, ada.ID, "the Thimbleby mistake")
		_, err := p.people.Unmerge(ctx, undone.ID)
		require.NoError(t, err)
		more := []string{"thimbleby", "fothergill", "umbermouth", "windmill", "aquarium", "catacombs"}
		require.NotEmpty(t, tablesWith(t, p.engine, "aquarium"), "kept to undo it")

		_, err = p.people.ErasePerson(ctx, gusta, "asked by mail")
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "was merged into another record: erase that one, and this one goes with it")
		var conflict *crm.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, ada.ID, conflict.Holder)
		_, err = p.people.ErasePerson(ctx, ada.ID, "Fothergill asked")
		require.ErrorIs(t, err, crm.ErrInvalid, "a reason names nobody")
		p.files[ada.ID] = []string{"passport.pdf"} // which no transaction brings back

		e, err := p.people.ErasePerson(ctx, ada.ID, "asked by mail")
		require.NoError(t, err)
		require.Empty(t, tablesWith(t, p.engine, append(traces(), more...)...))
		require.Equal(t, int64(6), e.Others["files"], "three of hers, and one of each that was merged into her")
		for _, id := range []crm.ID{gusta, first} {
			x, err := p.people.Get(ctx, id, crm.WithDeleted())
			require.NoError(t, err)
			require.Equal(t, "erased", x.Name)
			require.Empty(t, x.Refs)
		}
		for _, m := range []crm.Merge{late, early, gone} {
			_, err := p.people.Unmerge(ctx, m.ID)
			require.ErrorIs(t, err, crm.ErrConflict)
			reason := "is of a person who was erased on " + p.Clock.Now().Format(time.DateOnly) + ": what it takes to undo it is gone"
			if m.ID == gone.ID {
				reason = lost.String() + " was purged since"
			}
			require.ErrorContains(t, err, reason)
			kept, err := p.people.MergeOf(ctx, m.ID)
			require.NoError(t, err)
			require.Equal(t, p.Clock.Now(), kept.Erased)
			require.Empty(t, kept.Cause)
		}
		_, err = p.people.Unmerge(ctx, undone.ID)
		require.ErrorContains(t, err, "was undone already")

		// None of them comes back, and the other one is as he was.
		for _, x := range []patient{
			{Email: "Thimbleby@wool.example"}, {Email: "fothergill@wool.example"}, {Email: "umbermouth@wool.example"},
			{Record: crm.Record{Refs: crm.Refs{"till": "key of Olympia Fothergill"}}},
		} {
			x.Name, x.Sex = "G.", "female"
			_, err := p.people.Create(ctx, x)
			var erased *crm.ErasedError
			require.ErrorAs(t, err, &erased, "%v", x)
		}
		bob, err := p.people.Get(ctx, other)
		require.NoError(t, err)
		require.Equal(t, "bob@wool.example", bob.Email)
		n, err := p.seen.Count(ctx, crm.Where("person_id == $1", other))
		require.NoError(t, err)
		require.Equal(t, int64(1), n)
		problems, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)

		again, err := p.people.ErasePerson(ctx, ada.ID, "asked again")
		require.NoError(t, err)
		require.Equal(t, int64(1), again.Records)
	})
}

// TestEraseOfASurvivorThatWasPurged holds that what it had absorbed goes too, but for what
// was restored since.
func TestEraseOfASurvivorThatWasPurged(t *testing.T) {
	inPractice(t, func(t *testing.T, p *practice) {
		ctx := as(t, "dana")
		var ids []crm.ID
		for _, name := range []string{"Marblethwaite", "Thimbleby", "Fothergill"} {
			x, err := p.people.Create(ctx, patient{Name: name, Sex: "female"})
			require.NoError(t, err)
			ids = append(ids, x.ID)
		}
		_, _, err := p.people.Merge(ctx, ids[0], ids[1:], crm.MergeRules{})
		require.NoError(t, err)
		require.NoError(t, p.people.Purge(ctx, ids[0]))
		_, err = p.people.Restore(ctx, ids[2])
		require.NoError(t, err)
		_, err = p.people.ErasePerson(ctx, ids[0], "asked by mail")
		require.NoError(t, err)
		require.Empty(t, tablesWith(t, p.engine, "marblethwaite", "thimbleby"))
		x, err := p.people.Get(ctx, ids[2])
		require.NoError(t, err)
		require.Equal(t, "Fothergill", x.Name)
		_, err = p.people.ErasePerson(ctx, ids[2], "asked by mail")
		require.NoError(t, err, "it is nobody's part")
	})
}

// TestTraces holds by what a text names a person.
func TestTraces(t *testing.T) {
	t.Parallel()
	var in func(string) bool
	p := newPractice(t, enginetest.NewShared(t, "sqlite").Pool(t), crm.Config{})
	require.ErrorIs(t, p.AddPersonalData(crm.PersonalData{Name: "late", Forget: nil}), crm.ErrInvalid)
	forgetful := crmtest.On(t, enginetest.NewShared(t, "sqlite").Pool(t).Store, crm.Config{}, func(c *crm.Core) (err error) {
		c.AddLine(practiceLine())
		if p.people, err = crm.Define(c, crm.Object[patient]{Name: "person", Plural: "people"}); err != nil {
			return err
		}
		require.ErrorIs(t, c.AddPersonalData(crm.PersonalData{Name: "half", Erase: func(context.Context, string, crm.ID) (int64, error) { return 0, nil }}), crm.ErrInvalid)
		return c.AddPersonalData(crm.PersonalData{Name: "typed", Forget: func(_ context.Context, of crm.Traces) (int64, error) {
			in = of.In
			return 3, nil
		}})
	})
	ctx := as(t, "dana")
	x, err := p.people.Create(ctx, patient{
		Name: "Ada 李雷 Müller-Lüdenscheidt", Email: "ada@gmail.com", Phone: "+49 170 5550123", Sex: "female", Born: crm.Date{Year: 1915, Month: time.May, Day: 1},
		Record: crm.Record{Refs: crm.Refs{"shop": "customer-98431"}},
	})
	require.NoError(t, err)
	_, err = p.people.Update(ctx, x.ID, func(x *patient) error { x.Name = "Countess"; return nil })
	require.NoError(t, err)
	done, err := p.people.ErasePerson(ctx, x.ID, "asked")
	require.NoError(t, err)
	require.Equal(t, int64(3), done.Others["typed"])
	require.NoError(t, forgetful.RunDue(t.Context()))
	for _, text := range []string{
		"name == 'ADA'", "name contains 'ludenscheidt'", "countess", "李雷们", "email == 'Ada@Gmail.com'", "0170/555 01 23", "date('1915-05-01')", "refs.shop == 'Customer-98431'",
	} {
		require.True(t, in(text), text)
	}
	for _, text := range []string{"", "name == 'Adam'", "email contains '@gmail.com'", "sex == 'female'", "born > date('1916-05-01')", "refs.shop == 'customer-1'"} {
		require.False(t, in(text), text)
	}
}
