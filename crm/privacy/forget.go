package privacy

import (
	"context"
	"errors"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// about are the requests about records.
func about(object string, ids ...crm.ID) []crm.ListOption {
	return []crm.ListOption{crm.Where("object == $1 and record_id in $2", object, ids), crm.OrderBy("id")}
}

// export gives a person the requests he made, also about records that were merged into his:
// crm.PersonalData.Export.
func (r *Requests) export(ctx context.Context, object string, id crm.ID, yield func(any) error) error {
	if !r.guard.admits(object) {
		return nil
	}
	ids, err := r.guard.with(ctx, object, id)
	if err != nil {
		return err
	}
	for q, err := range r.All(ctx, about(object, ids...)...) {
		if errors.Is(err, crm.ErrForbidden) { // the actor may read none
			return nil
		}
		if err == nil {
			err = yield(q)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// itsReason is why a request is erased. It has no word that is long enough to be one of
// the person's, which a reason must not have.
const itsReason = "as who it was of"

// erase takes out of requests what they say of a person: crm.PersonalData.Erase.
func (r *Requests) erase(ctx context.Context, object string, id crm.ID) (n int64, err error) {
	if !r.guard.admits(object) {
		return 0, nil
	}
	for q, err := range r.All(ctx, about(object, id)...) {
		if err == nil {
			_, err = r.ErasePerson(ctx, q.ID, itsReason)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// forget does so with requests of nobody yet that name a person who is being erased:
// crm.PersonalData.Forget.
func (r *Requests) forget(ctx context.Context, of crm.Traces) (n int64, err error) {
	for q, err := range r.All(ctx, crm.Where("record_id == nil and (contact != nil or text != nil)"), crm.OrderBy("id")) {
		if err != nil {
			return n, err
		}
		if !of.In(q.Contact) && !of.In(q.Text) {
			continue
		}
		if _, err := r.ErasePerson(ctx, q.ID, itsReason); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// sound finds requests that are done without what shows it: [crm.Core.AddCheck].
func (r *Requests) sound(ctx context.Context, found func(object string, record crm.ID, what string)) error {
	for q, err := range r.All(ctx, crm.Where("state == 'done'"), crm.OrderBy("id")) {
		if err != nil {
			return err
		}
		switch {
		case q.Proof == "":
			found("data_request", q.ID, "is done without a proof")
		case q.Checked.IsZero():
			found("data_request", q.ID, "is done, and nobody looked who asks")
		case q.Kind == Erase:
			id, err := crm.ParseID(strings.TrimPrefix(q.Proof, "erasure "))
			if err == nil {
				_, err = r.core.Erasures.Get(ctx, id)
			}
			if errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrInvalid) {
				found("data_request", q.ID, "has an erasure for its proof that is not there")
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}
