package quality_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

var everyone = crm.Filter{Text: "true"}

func TestCorrectionsAreSeenMadeAndUndone(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.contact(ctx, t, contact{Name: "ADA  LOVELACE", Phone: "030 901820", Country: "germany", Tags: []string{"x"}})
		bob := d.contact(ctx, t, contact{Name: "Bob McDonald", Phone: "12", Country: "DE"})
		cy := d.contact(ctx, t, contact{Name: "cy o'neill", Country: "Deutschland", Email: "cy@EXAMPLE.com"})
		c := quality.Correction{Object: "contact", Where: everyone, Reason: "spring cleaning", Changes: []quality.Change{
			{Field: "name", Op: quality.Trim},
			{Field: "name", Op: quality.Title},
			{Field: "country", Op: quality.Map, Map: map[string]string{"Germany": "DE", "Deutschland": "DE"}},
			{Field: "phone", Op: quality.Phone, Region: "DE"},
			{Field: "email", Op: quality.Email},
			{Field: "tags", Op: quality.Clear},
			{Field: "size", Op: quality.Set, Value: 7},
			{Field: "worth", Op: quality.Set, Value: crm.EUR(5_00)},
		}}
		p, err := d.Preview(ctx, c)
		require.NoError(t, err)
		require.Equal(t, []int64{3, 2, 1}, []int64{p.Matched, p.Changed, p.Refused})
		require.Equal(t, bob.ID, p.Refusals[0].Record)
		require.Contains(t, p.Refusals[0].Reason, "phone: ")
		require.Contains(t, p.Samples, quality.Sample{Record: ada.ID, Field: "name", Before: "ADA  LOVELACE", After: "Ada Lovelace"})
		require.Contains(t, p.Samples, quality.Sample{Record: cy.ID, Field: "worth", After: crm.EUR(5_00)})
		require.Equal(t, ada, d.get(t, ada.ID), "nothing is changed")

		done, err := d.Apply(ctx, c)
		require.NoError(t, err)
		require.Equal(t, quality.Done, done.Run.State)
		runs, err := d.Runs.History(ctx, done.Run.ID)
		require.NoError(t, err)
		require.Equal(t, "member:dana", runs.Items[1].Actor, "who began it")
		require.Equal(t, []int64{2, 1}, []int64{done.Run.Changed, done.Run.Refused})
		require.Equal(t, bob, d.get(t, bob.ID), "a record is corrected whole or not at all")
		got := d.get(t, ada.ID)
		require.Equal(t, []any{"Ada Lovelace", "+4930901820", "DE", int64(7), crm.EUR(5_00)}, []any{got.Name, got.Phone, got.Country, *got.Size, got.Worth})
		require.Empty(t, got.Tags)
		require.Equal(t, "Cy O'Neill", d.get(t, cy.ID).Name)
		require.Equal(t, "cy@example.com", d.get(t, cy.ID).Email)
		history, err := d.contacts.History(ctx, ada.ID)
		require.NoError(t, err)
		require.Equal(t, "correction "+done.Run.ID.String()+" spring cleaning", history.Items[0].Cause)

		_, err = d.Resume(ctx, done.Run.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		_, err = d.contacts.Update(ctx, cy.ID, func(c *contact) error { c.Name = "Cyril"; return nil })
		require.NoError(t, err)
		undone, err := d.Undo(ctx, done.Run.ID)
		require.NoError(t, err)
		require.Equal(t, quality.Undone, undone.Run.State)
		require.Equal(t, []int64{1, 1}, []int64{undone.Restored, undone.Left})
		require.Equal(t, []quality.Refusal{{Record: cy.ID, Reason: "name was changed since"}}, undone.Reasons)
		got, was := d.get(t, ada.ID), ada
		was.Version, was.Updated = got.Version, got.Updated
		require.Equal(t, was, got)
		got, was = d.get(t, cy.ID), cy
		was.Version, was.Updated, was.Name = got.Version, got.Updated, "Cyril"
		require.Equal(t, was, got, "the fields nobody changed since are restored")
		_, err = d.Undo(ctx, done.Run.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
	})
}

func TestCorrectionsGoByRightsAndRules(t *testing.T) {
	onBoth(t, func(_ context.Context, t *testing.T, d *desk) {
		system := crm.System(t.Context(), "acme")
		d.role(t, "own", append(append(crm.Allow("contact", crm.LevelOwn, crm.AnyVerb), crm.Allow("contact", crm.LevelAll, crm.VerbRead)...),
			crm.Allow("quality_run", crm.LevelAll, crm.AnyVerb)...), crm.FieldRule{Object: "contact", Field: "email", Access: crm.FieldHidden})
		own, err := d.Members.ByKey(system, "own")
		require.NoError(t, err)
		mine := d.contact(system, t, contact{Record: crm.Record{OwnerID: own.ID}, Name: "Ada", Country: "de"})
		other := d.contact(system, t, contact{Name: "Bob", Country: "de"})
		barred := d.contact(system, t, contact{Record: crm.Record{OwnerID: own.ID}, Name: "Cy", Country: "cy"})
		_, err = d.Core.Rules.Create(system, crm.Rule{Object: "contact", Name: "No CY", When: "country == 'CY'"})
		require.NoError(t, err)

		owner := as(t, "own")
		done, err := d.Apply(owner, quality.Correction{Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "country", Op: quality.Upper}}})
		require.NoError(t, err)
		require.Equal(t, []int64{1, 2}, []int64{done.Run.Changed, done.Run.Refused})
		require.Len(t, done.Refusals, 2)
		require.Equal(t, "DE", d.get(t, mine.ID).Country)
		require.Equal(t, other, d.get(t, other.ID))
		require.Equal(t, barred, d.get(t, barred.ID))

		for says, c := range map[string]quality.Correction{
			"email: is no field":    {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "email", Op: quality.Lower}}},
			"stage: is not changed": {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "stage", Op: quality.Clear}}},
			"id: is not changed":    {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "id", Op: quality.Clear}}},
			"size: holds":           {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "size", Op: quality.Trim}}},
			"is no change":          {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "name", Op: "reverse"}}},
			"no value to set":       {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "name", Op: quality.Set}}},
			"0 texts to replace":    {Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "name", Op: quality.Map}}},
			"say which records":     {Object: "contact", Changes: []quality.Change{{Field: "name", Op: quality.Trim}}},
			"changes: are 0":        {Object: "contact", Where: everyone},
			"there is no kind":      {Object: "boat", Where: everyone, Changes: []quality.Change{{Field: "name", Op: quality.Trim}}},
		} {
			_, err := d.Preview(owner, c)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		_, err = d.Preview(owner, quality.Correction{Object: "contact", Where: crm.Filter{Text: "email != nil"}, Changes: []quality.Change{{Field: "name", Op: quality.Trim}}})
		require.ErrorIs(t, err, crm.ErrForbidden)
		d.role(t, "none", crm.Allow("contact", crm.LevelAll, crm.AnyVerb))
		_, err = d.Apply(as(t, "none"), quality.Correction{Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "country", Op: quality.Lower}}})
		require.ErrorIs(t, err, crm.ErrForbidden)
		_, err = d.Undo(as(t, "none"), done.Run.ID)
		require.Error(t, err)
		require.Equal(t, "DE", d.get(t, mine.ID).Country)
	})
}

// TestACorrectionThatWasStoppedGoesOn stops one within its second page.
func TestACorrectionThatWasStoppedGoesOn(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		list := make([]contact, 450)
		for i := range list {
			list[i] = contact{Name: fmt.Sprintf("C %d", i), Source: []string{"a", "b", "d"}[i%3]}
		}
		_, err := d.contacts.CreateAll(ctx, list)
		require.NoError(t, err)
		before := d.sources(t)
		d.plug = 150
		stopped, err := d.Apply(ctx, rename())
		require.ErrorIs(t, err, errPulled)
		runs, err := d.Runs.List(ctx)
		require.NoError(t, err)
		require.Equal(t, quality.Running, runs.Items[0].State)
		n := d.sources(t)
		require.NotEqual(t, before, n, "some were corrected")
		require.Positive(t, n["a"], "and some were not")

		done, err := d.Resume(ctx, stopped.Run.ID)
		require.NoError(t, err)
		require.EqualValues(t, 300, done.Run.Changed)
		require.Equal(t, map[string]int64{"b": 150, "c": 150, "d": 150}, d.sources(t))

		d.plug = 250
		_, err = d.Undo(ctx, done.Run.ID)
		require.ErrorIs(t, err, errPulled)
		_, err = d.Resume(ctx, done.Run.ID)
		require.ErrorIs(t, err, crm.ErrConflict)
		undone, err := d.Undo(ctx, done.Run.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{300, 0}, []int64{undone.Restored, undone.Left})
		require.Equal(t, before, d.sources(t))
	})
}

func (d *desk) sources(t *testing.T) map[string]int64 {
	t.Helper()
	facets, err := d.contacts.Facets(crm.System(t.Context(), "acme"), "source")
	require.NoError(t, err)
	n := map[string]int64{}
	for _, f := range facets {
		source, _ := f.Value.(string)
		n[source] = f.Count
	}
	return n
}

// TestUndoIsTheInverse holds corrections of random records, whoever changes some in
// between, to leave no trace but that.
func TestUndoIsTheInverse(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open("sqlite", filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	d := newDesk(t, store)
	ctx := as(t, "dana")
	texts := rapid.SampledFrom([]string{"", "a", " A  b ", "ÄÖ ü", "DE", "de", "+49 30 901820", "x@Example.COM", "李 雷"})
	group := 0
	rapid.Check(t, func(rt *rapid.T) {
		group++
		source := strconv.Itoa(group)
		was := map[crm.ID]contact{}
		for i := range rapid.IntRange(1, 5).Draw(rt, "records") {
			c, err := d.contacts.Create(ctx, contact{
				Name: fmt.Sprint("n", i, texts.Draw(rt, "name")), Email: texts.Draw(rt, "email"), Country: texts.Draw(rt, "country"), Source: source,
			})
			require.NoError(rt, err)
			was[c.ID] = c
		}
		change := rapid.Custom(func(rt *rapid.T) quality.Change {
			return quality.Change{
				Field: rapid.SampledFrom([]string{"name", "email", "country"}).Draw(rt, "field"),
				Op: rapid.SampledFrom([]quality.Op{
					quality.Trim, quality.Upper, quality.Lower, quality.Title, quality.Map, quality.Email, quality.Phone, quality.Clear, quality.Set,
				}).Draw(rt, "op"),
				Map: map[string]string{"de": "DE", "a": ""}, Value: "set",
			}
		})
		done, err := d.Apply(ctx, quality.Correction{
			Object: "contact", Where: crm.Filter{Text: "source == $1", Args: []any{source}}, Changes: rapid.SliceOfN(change, 1, 4).Draw(rt, "changes"),
		})
		require.NoError(rt, err)
		require.EqualValues(rt, len(was), done.Run.Changed+done.Run.Refused+done.Unchanged)
		for id, c := range was {
			if rapid.Bool().Draw(rt, "touched") {
				kept, err := d.contacts.Update(ctx, id, func(c *contact) error { c.Phone += "7"; return nil })
				require.NoError(rt, err)
				c.Phone = kept.Phone
				was[id] = c
			}
		}
		undone, err := d.Undo(ctx, done.Run.ID)
		require.NoError(rt, err)
		require.Zero(rt, undone.Left)
		require.Equal(rt, done.Run.Changed, undone.Restored)
		for id, c := range was {
			got := d.get(t, id)
			c.Version, c.Updated = got.Version, got.Updated
			require.Equal(rt, c, got)
		}
	})
}

func TestUndoLeavesWhoWasErasedOrIsGone(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.contact(ctx, t, contact{Name: "ada", Email: "ada@Example.com"})
		bob, cy := d.contact(ctx, t, contact{Name: "bob"}), d.contact(ctx, t, contact{Name: "cy"})
		done, err := d.Apply(ctx, quality.Correction{Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "name", Op: quality.Title}}})
		require.NoError(t, err)
		_, err = d.contacts.ErasePerson(ctx, ada.ID, "asked")
		require.NoError(t, err)
		require.NoError(t, d.contacts.Delete(ctx, bob.ID))
		other := d.contact(ctx, t, contact{Name: "Other"})
		_, _, err = d.contacts.Merge(ctx, other.ID, []crm.ID{cy.ID}, crm.MergeRules{})
		require.NoError(t, err)
		require.Equal(t, d.get(t, other.ID).Version, cy.Version+1, "so that a version alone does not tell them apart")
		undone, err := d.Undo(ctx, done.Run.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{0, 3}, []int64{undone.Restored, undone.Left})
		require.Equal(t, "Other", d.get(t, other.ID).Name)
		require.NotEqual(t, "ada", d.get(t, ada.ID).Name)
	})
}

// TestAReasonThatNamesAPersonGoesWhateverItsWords has the words of the CRM's own reasons in it.
func TestAReasonThatNamesAPersonGoesWhateverItsWords(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.contact(ctx, t, contact{Name: "lovelace", Email: "ada@example.com"})
		done, err := d.Apply(ctx, quality.Correction{
			Object: "contact", Where: everyone, Changes: []quality.Change{{Field: "name", Op: quality.Title}}, Reason: "a person named lovelace was erased before",
		})
		require.NoError(t, err)
		_, err = d.contacts.ErasePerson(ctx, ada.ID, "asked")
		require.NoError(t, err)
		kept, err := d.Runs.Get(ctx, done.Run.ID)
		require.NoError(t, err)
		require.Empty(t, kept.Reason)
	})
}

// register is an Enricher that knows what it is told to.
type register struct {
	source string
	knows  crm.Values
	err    error
}

func (r register) Source() string { return r.source }

func (r register) Enrich(context.Context, string, crm.Values) (crm.Values, error) {
	return r.knows, r.err
}

func TestEnrichmentOverwritesNobodysWork(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		ada := d.contact(ctx, t, contact{Name: "Ada", Country: "GB", Source: "fair"})
		_, err := d.contacts.Update(ctx, ada.ID, func(c *contact) error { c.Source = ""; return nil })
		require.NoError(t, err)
		knows := register{source: "register", knows: crm.Values{"country": "UK", "email": "ada@example.com", "size": int64(3), "source": "list", "name": "Ada"}}
		done, err := d.Enrich(ctx, "contact", ada.ID, knows)
		require.NoError(t, err)
		require.Equal(t, []string{"email", "size"}, done.Set)
		require.Equal(t, []string{"country", "source"}, done.Kept, "entered, and emptied, by hand")
		got := d.get(t, ada.ID)
		require.Equal(t, "GB", got.Country)
		require.Equal(t, "ada@example.com", got.Email)
		require.Empty(t, got.Source)

		origins, err := d.Origins(ctx, "contact", ada.ID)
		require.NoError(t, err)
		by := map[string]string{}
		for _, o := range origins {
			by[o.Field] = o.Source
		}
		require.Equal(t, "register", by["email"])
		require.Empty(t, by["country"])

		knows.knows["email"], knows.knows["size"] = "countess@example.com", int64(3)
		_, err = d.contacts.Update(ctx, ada.ID, func(c *contact) error { c.Size = new(int64(4)); return nil })
		require.NoError(t, err)
		knows.source = "other"
		done, err = d.Enrich(ctx, "contact", ada.ID, knows)
		require.NoError(t, err)
		require.Equal(t, []string{"email"}, done.Set, "what enrichment brought is brought up to date")
		require.Equal(t, []string{"country", "size", "source"}, done.Kept, "what a person put right stays")
		require.EqualValues(t, 4, *d.get(t, ada.ID).Size)

		for says, r := range map[string]register{
			"stage: is no field":  {source: "x", knows: crm.Values{"stage": "won"}},
			"colour: is no field": {source: "x", knows: crm.Values{"colour": "red", "phone": "1"}},
			"name of no source":   {source: "Big Data"},
			"phone":               {source: "x", knows: crm.Values{"phone": 7}},
		} {
			_, err := d.Enrich(ctx, "contact", ada.ID, r)
			require.ErrorIs(t, err, crm.ErrInvalid, says)
			require.ErrorContains(t, err, says)
		}
		down := errors.New("down")
		_, err = d.Enrich(ctx, "contact", ada.ID, register{source: "x", err: down})
		require.ErrorIs(t, err, down)
		require.Empty(t, d.get(t, ada.ID).Phone)
		d.role(t, "own", crm.Allow("contact", crm.LevelOwn, crm.AnyVerb))
		_, err = d.Enrich(as(t, "own"), "contact", ada.ID, knows)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Origins(as(t, "own"), "contact", ada.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}
