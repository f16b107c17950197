package activity

import (
	"context"
	"errors"

	"github.com/embedcrm/embedcrm/crm"
)

// Follow says that a member follows a record: he wants to hear what happens to it. A
// host's handler of an event asks for the followers of its record, and tells them.
type Follow struct {
	crm.Record

	// Object and RecordID are the record that is followed, of any kind.
	Object   string `crm:"required,max=48,guarded"              json:"object"`
	RecordID crm.ID `crm:"required,subject=object,open,guarded" json:"record_id"`
	// MemberID is who follows it.
	MemberID crm.ID `crm:"required,guarded" json:"member_id"`
}

// Follows are who follows what.
type Follows struct {
	crm.Collection[Follow]

	core *crm.Core
}

func (a *Activity) defineFollows() error {
	kind, err := crm.Define(a.core, crm.Object[Follow]{Name: "follow"})
	if err == nil {
		a.Follows = &Follows{kind.Collection, a.core}
	}
	return err
}

// Add has a member follow a record, and is no error when he does already. Who may read
// the record may have others follow it; those who may not read it are told nothing.
func (f *Follows) Add(ctx context.Context, object string, record, member crm.ID) error {
	for range 2 {
		_, err := f.find(ctx, object, record, member)
		if !errors.Is(err, crm.ErrNotFound) {
			return err
		}
		if _, err := f.core.Members.Get(crm.SystemIn(ctx), member); err != nil {
			return crm.Invalid("member_id", "refers to no member who lives")
		}
		_, err = f.Create(ctx, Follow{Object: object, RecordID: record, MemberID: member})
		if !errors.Is(err, crm.ErrConflict) { // another writer was first
			return err
		}
	}
	return nil
}

// Remove ends that a member follows a record, and is no error when he does not.
func (f *Follows) Remove(ctx context.Context, object string, record, member crm.ID) error {
	found, err := f.find(ctx, object, record, member)
	if err == nil {
		err = f.Purge(ctx, found.ID)
	}
	if errors.Is(err, crm.ErrNotFound) {
		return nil
	}
	return err
}

func (f *Follows) find(ctx context.Context, object string, record, member crm.ID) (Follow, error) {
	page, err := f.List(ctx, crm.Limit(1), crm.OrderBy("id"),
		crm.Where("object == $1 and record_id == $2 and member_id == $3", object, record, member))
	if err == nil && len(page.Items) == 0 {
		err = crm.ErrNotFound
	}
	if err != nil {
		return Follow{}, err
	}
	return page.Items[0], nil
}

// Of returns a page of who follows a record.
func (f *Follows) Of(ctx context.Context, object string, record crm.ID, opts ...crm.ListOption) (crm.Page[Follow], error) {
	return f.List(ctx, append([]crm.ListOption{crm.OrderBy("id"), crm.Where("object == $1 and record_id == $2", object, record)}, opts...)...)
}
