package activity

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Comment is what somebody says about a record, or answers to a comment. Its owner is
// who said it. It mentions members as a [Note] does.
type Comment struct {
	crm.Record

	// Object and RecordID are the record it hangs on, of any kind.
	Object   string `crm:"required,max=48"              json:"object"`
	RecordID crm.ID `crm:"required,subject=object,open" json:"record_id"`
	// ParentID is the comment it answers to, on the same record. It never changes.
	ParentID crm.ID `crm:"ref=comment,tree,as=replies" json:"parent_id,omitzero"`
	Text     string `crm:"required,max=20000,search,personal" json:"text"`
}

// Comments are a tenant's comments. One that has answers is not deleted; its text can be
// changed.
type Comments struct{ crm.Collection[Comment] }

func (a *Activity) defineComments() error {
	kind, err := crm.Define(a.core, crm.Object[Comment]{
		Name: "comment", BeforeWrite: a.checkReply,
		Timeline: []crm.Appearance{{On: "record_id", Title: "text"}},
		AfterWrite: func(ctx context.Context, w *crm.Write[Comment]) error {
			var was, is said
			if w.Before != nil && w.Before.Deleted.IsZero() {
				was = said{w.Before.Object, w.Before.RecordID, w.Before.Text}
			}
			if w.After == nil || !w.After.Deleted.IsZero() {
				return a.unmention(ctx, "comment", w.Before.ID)
			}
			is = said{w.After.Object, w.After.RecordID, w.After.Text}
			return a.mention(ctx, was, is, Mention{Source: "comment", SourceID: w.After.ID})
		},
	})
	if err == nil {
		a.Comments = &Comments{kind.Collection}
	}
	return err
}

// checkReply holds that an answer is on the record of what it answers to.
func (a *Activity) checkReply(ctx context.Context, w *crm.Write[Comment]) error {
	is, was := w.After, w.Before
	if was != nil {
		if is.ParentID != was.ParentID {
			return crm.Invalid("parent_id", "an answer stays one to its comment: write another one")
		}
		if is.Object != was.Object || is.RecordID != was.RecordID {
			return crm.Invalid("record_id", "a comment stays on its record: write another one")
		}
		return nil
	}
	if is.ParentID.IsZero() {
		return nil
	}
	page, err := a.Comments.List(ctx, crm.Limit(1), crm.OrderBy("id"), crm.Where("id == $1", is.ParentID))
	if err == nil && len(page.Items) == 1 && (page.Items[0].Object != is.Object || page.Items[0].RecordID != is.RecordID) {
		err = crm.Invalid("parent_id", "is a comment on another record, and an answer is on the same one")
	}
	return err // one that is not there is refused as a reference
}
