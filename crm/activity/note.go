package activity

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Note is a text somebody wrote down about a record. Its owner is who wrote it. Members
// whose keys it names as @key, or as @{key} when the key has spaces, are mentioned: see
// [Mentions].
type Note struct {
	crm.Record

	// Object and RecordID are the record it hangs on, of any kind.
	Object   string `crm:"required,max=48"              json:"object"`
	RecordID crm.ID `crm:"required,subject=object,open" json:"record_id"`
	Text     string `crm:"required,max=100000,search,personal" json:"text"`
	// Pinned is one that is shown above the others.
	Pinned bool `json:"pinned,omitempty"`
}

// Notes are a tenant's notes.
type Notes struct{ crm.Collection[Note] }

func (a *Activity) defineNotes() error {
	kind, err := crm.Define(a.core, crm.Object[Note]{
		Name:     "note",
		Timeline: []crm.Appearance{{On: "record_id", Title: "text"}},
		AfterWrite: func(ctx context.Context, w *crm.Write[Note]) error {
			var was, is said
			if w.Before != nil && w.Before.Deleted.IsZero() {
				was = said{w.Before.Object, w.Before.RecordID, w.Before.Text}
			}
			if w.After == nil || !w.After.Deleted.IsZero() {
				return a.unmention(ctx, "note", w.Before.ID)
			}
			is = said{w.After.Object, w.After.RecordID, w.After.Text}
			return a.mention(ctx, was, is, Mention{Source: "note", SourceID: w.After.ID})
		},
	})
	if err == nil {
		a.Notes = &Notes{kind.Collection}
	}
	return err
}
