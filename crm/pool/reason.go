package pool

import (
	"context"

	"github.com/embedcrm/embedcrm/crm"
)

// Reason is why a record is returned, as a tenant calls it: "No budget".
type Reason struct {
	crm.Record

	Name string `crm:"required,max=100,unique" json:"name"`
	// Off says that it is given no more. One that was given is not deleted.
	Off bool `json:"off,omitempty"`
}

// Reasons are the reasons a tenant knows.
type Reasons struct{ crm.Collection[Reason] }

func (p *Pools) defineReasons() error {
	kind, err := crm.Define(p.core, crm.Object[Reason]{Name: "pool_reason"})
	if err == nil {
		p.Reasons = &Reasons{kind.Collection}
	}
	return err
}

// reason is one that may be given.
func (p *Pools) reason(ctx context.Context, id crm.ID) (Reason, error) {
	if id.IsZero() {
		return Reason{}, crm.Invalid("reason_id", "is required: one of Pools.Reasons")
	}
	page, err := p.Reasons.List(crm.SystemIn(ctx), crm.Where("id == $1 and not off", id))
	if err == nil && len(page.Items) == 0 {
		err = crm.Invalid("reason_id", "refers to no reason that is given")
	}
	if err != nil {
		return Reason{}, err
	}
	return page.Items[0], nil
}
