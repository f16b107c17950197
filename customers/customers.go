package customers

import (
	"context"
	"embed"
	"errors"
	"io/fs"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Customers are a tenant's customers, and what belongs to them.
type Customers struct {
	crm.Collection[Customer]

	// Identities are their further addresses, ContactPoints what is known of addresses.
	Identities    *Identities
	ContactPoints *ContactPoints
	// PostalAddresses are where they are, Relationships what they are to each other,
	// Preferences what they like, Levels how they are graded.
	PostalAddresses *PostalAddresses
	Relationships   *Relationships
	Preferences     *Preferences
	Levels          *Levels
	// Behaviour is what customers do, event by event.
	Behaviour *Behaviour
	// Purchases are what they bought.
	Purchases *Purchases
	// Consents are what they agreed to, Suppressions that they are not written to
	// whatever they agreed to; see MayContact.
	Consents     *Consents
	Suppressions *Suppressions
	// Duplicates finds those that are one.
	Duplicates *Duplicates

	core   *crm.Core
	kind   *crm.Kind[Customer]
	policy func(tenant string) Policy
}

//go:embed migrations
var migrations embed.FS

// New defines customers on a core, before its Migrate.
func New(core *crm.Core) (*Customers, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	c := &Customers{core: core}
	c.Duplicates = &Duplicates{c}
	for _, define := range []func(*crm.Core) error{
		c.defineCustomers, c.defineIdentities, c.defineContactPoints, c.definePostalAddresses,
		c.defineRelationships, c.definePreferences, c.defineLevels, c.defineBehaviour, c.definePurchases,
		c.defineConsents, c.defineSuppressions,
		c.definePrivacy,
	} {
		if err := define(core); err != nil {
			return nil, err
		}
	}
	core.AddLine(storage.Line{Name: "customers", Files: files, Needs: map[string]int{"crm": 8}})
	return c, nil
}

func (c *Customers) defineCustomers(core *crm.Core) error {
	kind, err := crm.Define(core, crm.Object[Customer]{Name: "customer", BeforeWrite: c.prepare, AfterWrite: c.written, Merge: c.checkMerge})
	if err != nil {
		return err
	}
	c.kind, c.Collection = kind, kind.Collection
	return nil
}

// prepare brings a customer to the form in which he is kept.
func (c *Customers) prepare(ctx context.Context, w *crm.Write[Customer]) error {
	nameAfterParts(w)
	keepTotals(w)
	c.keepAddresses(ctx, w)
	c.dateStage(ctx, w)
	return c.check(ctx, w)
}

// written is what follows once a customer is written.
func (c *Customers) written(ctx context.Context, w *crm.Write[Customer]) error {
	if err := c.claimAddresses(ctx, w); err != nil {
		return err
	}
	return c.Purchases.revived(ctx, w)
}

// check holds that a customer stays what it is, so that a parent is an organisation
// for good once it was one.
func (c *Customers) check(ctx context.Context, w *crm.Write[Customer]) error {
	var was Customer
	if w.Before != nil {
		was = *w.Before
		if w.After.Kind != was.Kind {
			return crm.Invalid("kind", "is %s, and stays so: create another customer", was.Kind)
		}
	}
	if w.After.ParentID.IsZero() || w.After.ParentID == was.ParentID {
		return nil
	}
	parent, err := c.Get(ctx, w.After.ParentID)
	switch {
	case errors.Is(err, crm.ErrNotFound): // the reference is refused once it is written
		return nil
	case err == nil && parent.Kind != Organisation:
		return crm.Invalid("parent_id", "refers to %s, and what an organisation belongs to is an organisation", parent.Kind.one())
	}
	return err
}
