package customers

import (
	"context"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// ContactPoint is an e-mail address, a phone number or a handle, and what is known of it.
// It is no one customer's: an address that bounced or opted out did so for everyone who
// has it, also for those who come to have it later. There is one where there is
// something to say of the address, or where Identify looked for it.
type ContactPoint struct {
	crm.Record

	// Kind and Value are the address in its normal form; see [crm.ParseAddress].
	Kind  crm.AddressKind `crm:"required,max=32,guarded"           json:"kind"`
	Value string          `crm:"required,max=500,guarded,personal" json:"value"`
	// Key is the same for addresses that reach the same person; see [crm.Address.Key].
	Key string `crm:"required,max=540,guarded,unique,personal" json:"key"`

	// Verified is when its owner showed that he reads what is sent there; zero: he did
	// not yet.
	Verified time.Time `crm:"guarded" json:"verified,omitzero"`
	// Invalid is since when nothing reaches anybody there, and why: mail bounced for
	// good, the number is not in service. Zero: nothing is known against it.
	Invalid       time.Time `crm:"guarded"         json:"invalid,omitzero"`
	InvalidReason string    `crm:"guarded,max=500" json:"invalid_reason,omitempty"`
	// OptedOut is since when whoever reads there wants nothing more, and how he said so.
	OptedOut     time.Time `crm:"guarded"         json:"opted_out,omitzero"`
	OptOutReason string    `crm:"guarded,max=500" json:"opt_out_reason,omitempty"`
	// Complained is since when he calls what he got there unsolicited; he opted out by it.
	Complained time.Time `crm:"guarded" json:"complained,omitzero"`
}

// Address returns the address.
func (p *ContactPoint) Address() crm.Address { return crm.Address{Kind: p.Kind, Value: p.Value} }

// ContactPoints are the addresses of which a tenant knows something.
type ContactPoints struct {
	crm.Collection[ContactPoint]

	kind *crm.Kind[ContactPoint]
	core *crm.Core
}

func (c *Customers) defineContactPoints(core *crm.Core) error {
	p := &ContactPoints{core: core}
	kind, err := crm.Define(core, crm.Object[ContactPoint]{
		Name: "contact_point",
		BeforeWrite: func(_ context.Context, w *crm.Write[ContactPoint]) error {
			a, err := crm.ParseAddress(w.After.Kind, w.After.Value)
			if err == nil {
				w.After.Kind, w.After.Value, w.After.Key = a.Kind, a.Value, a.Key()
			}
			return err
		},
		AfterWrite: p.kept,
	})
	if err != nil {
		return err
	}
	p.kind, p.Collection = kind, kind.Collection
	c.ContactPoints = p
	return nil
}

// erasingKey marks in a context that a person is being erased, with what is known of his
// addresses.
type erasingKey struct{}

// kept holds that an address that opted out does not become one that did not because
// somebody deletes what is known of it: AfterWrite.
func (p *ContactPoints) kept(ctx context.Context, w *crm.Write[ContactPoint]) error {
	gone := w.After == nil || !w.After.Deleted.IsZero()
	if gone && w.Before != nil && !w.Before.OptedOut.IsZero() && ctx.Value(erasingKey{}) == nil {
		return crm.Invalid("opted_out", "the address opted out, which is kept: OptIn takes it back")
	}
	return nil
}

// MarkInvalid notes that nothing reaches anybody at an address, and why. Further calls
// keep the first time and take the new reason. The history calls it
// contact_point.invalid.
func (p *ContactPoints) MarkInvalid(ctx context.Context, a crm.Address, reason string) (ContactPoint, error) {
	return p.mark(ctx, "invalid", a, reason, func(p *ContactPoint, now time.Time) {
		if p.Invalid.IsZero() {
			p.Invalid = now
		}
		p.InvalidReason = reason
	})
}

// MarkVerified notes that its owner read what was sent to an address: by a link in a
// mail, a code in a message. It is valid then, whatever was known against it.
// The history calls it contact_point.verified.
func (p *ContactPoints) MarkVerified(ctx context.Context, a crm.Address) (ContactPoint, error) {
	return p.mark(ctx, "verified", a, "-", func(p *ContactPoint, now time.Time) {
		p.Verified, p.Invalid, p.InvalidReason = now, time.Time{}, ""
	})
}

// OptOut notes that whoever reads at an address wants nothing more, and how he said so.
// Further calls keep the first time and take the new reason. The history calls it
// contact_point.opted_out.
func (p *ContactPoints) OptOut(ctx context.Context, a crm.Address, reason string) (ContactPoint, error) {
	return p.mark(ctx, "opted_out", a, reason, func(p *ContactPoint, now time.Time) {
		if p.OptedOut.IsZero() {
			p.OptedOut = now
		}
		p.OptOutReason = reason
	})
}

// Complain notes that whoever reads at an address calls what he got unsolicited: he
// pressed the button for spam, and his provider tells. It is an [ContactPoints.OptOut], with
// the reason. The history calls it contact_point.complained.
func (p *ContactPoints) Complain(ctx context.Context, a crm.Address, reason string) (ContactPoint, error) {
	return p.mark(ctx, "complained", a, reason, func(p *ContactPoint, now time.Time) {
		if p.OptedOut.IsZero() {
			p.OptedOut = now
		}
		if p.Complained.IsZero() {
			p.Complained = now
		}
		p.OptOutReason = reason
	})
}

// OptIn notes that whoever reads at an address took his opting out back, and how he said so.
// The reason is in the history, as the cause of contact_point.opted_in.
func (p *ContactPoints) OptIn(ctx context.Context, a crm.Address, reason string) (ContactPoint, error) {
	return p.mark(crm.Because(ctx, reason), "opted_in", a, reason, func(p *ContactPoint, _ time.Time) {
		p.OptedOut, p.OptOutReason, p.Complained = time.Time{}, "", time.Time{}
	})
}

// mark changes what is known of an address, which is written down first if it is new.
func (p *ContactPoints) mark(ctx context.Context, event string, a crm.Address, reason string, fn func(*ContactPoint, time.Time)) (ContactPoint, error) {
	var point ContactPoint
	err := p.core.Tx(ctx, func(ctx context.Context) error {
		normal, err := p.normal(a)
		if err != nil {
			return err
		}
		if reason == "" {
			return crm.Invalid("reason", "is required: say how it is known")
		}
		found, _, err := p.ensure(ctx, normal)
		if err != nil {
			return err
		}
		point, err = p.kind.Do(ctx, found.ID, event, func(point *ContactPoint) error {
			fn(point, p.core.Now(ctx))
			return nil
		})
		return err
	})
	return point, failed(event, "contact_point", crm.ID{}, err)
}

func (p *ContactPoints) normal(a crm.Address) (crm.Address, error) {
	return p.core.ParseAddress(a.Kind, a.Value, "")
}

// Of returns what is known of an address; of one of which nothing is, a ContactPoint with
// its normal form alone.
func (p *ContactPoints) Of(ctx context.Context, a crm.Address) (ContactPoint, error) {
	normal, err := p.normal(a)
	if err != nil {
		return ContactPoint{}, failed("of", "contact_point", crm.ID{}, err)
	}
	known, err := p.known(ctx, []crm.Address{normal})
	if err != nil {
		return ContactPoint{}, failed("of", "contact_point", crm.ID{}, err)
	}
	if point, ok := known[normal.Key()]; ok {
		return point, nil
	}
	return ContactPoint{Kind: normal.Kind, Value: normal.Value, Key: normal.Key()}, nil
}

// known returns what is known of addresses, by their keys.
func (p *ContactPoints) known(ctx context.Context, list []crm.Address) (map[string]ContactPoint, error) {
	points := map[string]ContactPoint{}
	for _, a := range list {
		page, err := p.List(ctx, crm.Where("key == $1", a.Key()), crm.Limit(1))
		if err != nil {
			return nil, err
		}
		for _, point := range page.Items {
			points[point.Key] = point
		}
	}
	return points, nil
}

// ensure returns the row of an address, which is made when there is none. Of many writers
// one makes it, and the others wait for him.
func (p *ContactPoints) ensure(ctx context.Context, a crm.Address) (point ContactPoint, made bool, err error) {
	for range 3 {
		known, err := p.known(ctx, []crm.Address{a})
		if point, ok := known[a.Key()]; ok || err != nil {
			return point, false, err
		}
		point, err := p.Create(ctx, ContactPoint{Kind: a.Kind, Value: a.Value})
		if !errors.Is(err, crm.ErrConflict) {
			return point, true, err
		}
	}
	return point, false, &crm.ConflictError{Field: "key", Reason: "other writers made and removed it all the time: try again"}
}

// hold makes whoever else holds the address wait until this transaction has ended. It
// is written, so that a database that looks at what was read finds the race too.
func (p *ContactPoints) hold(ctx context.Context, a crm.Address) error {
	ctx = crm.SystemIn(ctx)
	point, made, err := p.ensure(ctx, a)
	if err == nil && !made {
		_, err = p.kind.Do(ctx, point.ID, "taken", func(*ContactPoint) error { return nil })
	}
	return err
}
