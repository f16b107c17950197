package quality

import (
	"context"
	"encoding/json"

	"github.com/embedcrm/embedcrm/crm"
)

// erased reports whether what was given of the run is gone: see [Run].Where.
func (r *Run) erased() bool { return r.Where.Text == "" }

// forget takes out of runs what somebody typed that names a person who is being erased:
// crm.PersonalData.Forget.
func (q *Quality) forget(ctx context.Context, of crm.Traces) (n int64, err error) {
	for run, err := range q.Runs.All(ctx, crm.WithDeleted(), crm.OrderBy("id")) {
		if err != nil {
			return n, err
		}
		names, err := run.names(of)
		if err != nil {
			return n, err
		}
		if !names {
			continue
		}
		if _, err := q.Runs.ErasePerson(ctx, run.ID, "as who it was of"); err != nil { // in words too short to be among those typed
			return n, err
		}
		n++
	}
	return n, nil
}

// names reports whether what was given of a run names a person.
func (r *Run) names(of crm.Traces) (bool, error) {
	if of.In(r.Where.Text) || of.In(r.Reason) {
		return true, nil
	}
	given := []any{r.Where.Args}
	for i := range r.Changes {
		given = append(given, r.Changes[i].Value, r.Changes[i].Map)
	}
	for _, v := range given {
		text, err := json.Marshal(v)
		if err != nil || of.In(string(text)) {
			return err == nil, err
		}
	}
	return false, nil
}
