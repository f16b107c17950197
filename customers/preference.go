package customers

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Preference is what a customer likes in one respect: what he said himself, and what was
// inferred from what he did. What he said wins.
type Preference struct {
	crm.Record

	CustomerID crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	// Name is the respect: "colour", "channel".
	Name string `crm:"required,max=100" json:"name"`
	// Key is the customer and the name in one: he has one preference of a name. It follows
	// them, and what is given is ignored.
	Key string `crm:"required,max=200,unique" json:"key"`
	// Value is what holds: Declared, or else Inferred. What is given is ignored.
	Value string `crm:"max=500,personal" json:"value,omitempty"`
	// Declared is what the customer said, and when he said it; empty: nothing.
	Declared   string    `crm:"max=500,guarded,personal" json:"declared,omitempty"`
	DeclaredAt time.Time `crm:"guarded"                  json:"declared_at,omitzero"`
	// Inferred is what was concluded, when, and from what; empty: nothing.
	Inferred   string    `crm:"max=500,guarded,personal"  json:"inferred,omitempty"`
	InferredAt time.Time `crm:"guarded"                   json:"inferred_at,omitzero"`
	Evidence   string    `crm:"max=1000,guarded,personal" json:"evidence,omitempty"`
}

var _ crm.Validator = (*Preference)(nil)

// Validate refuses what was inferred from nothing.
func (p *Preference) Validate() error {
	if p.Inferred != "" && p.Evidence == "" {
		return crm.Invalid("evidence", "is required: say what it was inferred from")
	}
	return nil
}

// Preferences are what customers like.
type Preferences struct {
	crm.Collection[Preference]

	kind   *crm.Kind[Preference]
	people *Customers
}

func (c *Customers) definePreferences(core *crm.Core) error {
	p := &Preferences{people: c}
	kind, err := crm.Define(core, crm.Object[Preference]{Name: "preference", BeforeWrite: p.follow, Relink: p.follow})
	if err != nil {
		return err
	}
	p.kind, p.Collection = kind, kind.Collection
	c.Preferences = p
	return nil
}

// follow makes what follows from the rest.
func (p *Preferences) follow(ctx context.Context, w *crm.Write[Preference]) error {
	is := w.After
	is.Key = is.CustomerID.String() + " " + strings.TrimSpace(is.Name)
	is.Value = cmp.Or(is.Declared, is.Inferred)
	now := p.people.core.Now(ctx)
	if is.Declared != "" && is.DeclaredAt.IsZero() {
		is.DeclaredAt = now
	}
	if is.Inferred != "" && is.InferredAt.IsZero() {
		is.InferredAt = now
	}
	return nil
}

// Declare notes what a customer said he likes. An empty value takes back what he said, so
// that what was inferred holds again. The history calls it preference.declared.
func (p *Preferences) Declare(ctx context.Context, customer crm.ID, name, value string) (Preference, error) {
	return p.set(ctx, "declared", customer, name, func(is *Preference, now time.Time) {
		if is.Declared, is.DeclaredAt = value, now; value == "" {
			is.DeclaredAt = time.Time{}
		}
	})
}

// Infer notes what a customer seems to like, and what says so. What he said himself stays
// what holds. An empty value takes it back. The history calls it preference.inferred.
func (p *Preferences) Infer(ctx context.Context, customer crm.ID, name, value, evidence string) (Preference, error) {
	return p.set(ctx, "inferred", customer, name, func(is *Preference, now time.Time) {
		if is.Inferred, is.InferredAt, is.Evidence = value, now, evidence; value == "" {
			is.InferredAt, is.Evidence = time.Time{}, ""
		}
	})
}

func (p *Preferences) set(ctx context.Context, event string, customer crm.ID, name string, fn func(*Preference, time.Time)) (Preference, error) {
	var kept Preference
	err := p.people.core.Tx(ctx, func(ctx context.Context) error {
		if _, err := p.people.kind.Hold(ctx, customer); err != nil {
			return err
		}
		known, err := p.List(ctx, crm.Where("key == $1", customer.String()+" "+strings.TrimSpace(name)))
		if err != nil {
			return err
		}
		now := p.people.core.Now(ctx)
		if len(known.Items) == 0 {
			kept = Preference{CustomerID: customer, Name: name}
			fn(&kept, now)
			kept, err = p.Create(ctx, kept)
			return err
		}
		kept, err = p.kind.Do(ctx, known.Items[0].ID, event, func(is *Preference) error { fn(is, now); return nil })
		return err
	})
	return kept, failed(event, "preference", crm.ID{}, err)
}
