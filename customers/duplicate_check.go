package customers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers/match"
)

// Candidate is a customer who may be the same as another one.
type Candidate struct {
	// Customer is he, as the actor may read him.
	Customer Customer
	// Probability is that of being the same, and Why what speaks for it and what against, by
	// the fields that the actor may read.
	Probability float64
	Why         match.Explanation
}

// DuplicateError is an [crm.ErrConflict] of a customer who seems to be there already, where
// the tenant's [DuplicatePolicy] refuses that.
type DuplicateError struct {
	// Candidates are whom he may be the same as, the most probable first.
	Candidates []Candidate
	// Hidden is how many more there are whom the actor may not read. That they are there
	// is all he is told.
	Hidden int
}

// Error names ids and probabilities, and no values.
func (e *DuplicateError) Error() string {
	var b strings.Builder
	b.WriteString("conflict: the customer seems to be there already: ")
	for i, c := range e.Candidates {
		if i == 5 {
			fmt.Fprintf(&b, "%d more, ", len(e.Candidates)-i)
			break
		}
		fmt.Fprintf(&b, "%s (%.0f %%), ", c.Customer.ID, 100*c.Probability)
	}
	if e.Hidden > 0 {
		fmt.Fprintf(&b, "%d that you may not read, ", e.Hidden)
	}
	b.WriteString("take that one, or say by Confirmed that it is another")
	return b.String()
}

// Is makes it an [crm.ErrConflict].
func (e *DuplicateError) Is(target error) bool { return target == crm.ErrConflict }

// DuplicateWarning is what was found of a customer who was kept.
type DuplicateWarning struct {
	Customer   crm.ID
	Candidates []Candidate
	Hidden     int
}

// DuplicateWarnings gathers what calls found. It is safe for any number of goroutines.
type DuplicateWarnings struct {
	mu  sync.Mutex
	all map[crm.ID]DuplicateWarning
}

// All returns what was found so far. Of what was undone since, it knows nothing.
func (w *DuplicateWarnings) All() []DuplicateWarning {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]DuplicateWarning, 0, len(w.all))
	for _, x := range w.all {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b DuplicateWarning) int { return a.Customer.Compare(b.Customer) })
	return list
}

func (w *DuplicateWarnings) note(x DuplicateWarning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[crm.ID]DuplicateWarning{}
	}
	w.all[x.Customer] = x
}

type warningsKey struct{}

// WithDuplicates returns a context whose calls tell into of customers who may be there
// already, where the tenant's [DuplicatePolicy] warns.
func WithDuplicates(ctx context.Context, into *DuplicateWarnings) context.Context {
	return context.WithValue(ctx, warningsKey{}, into)
}

// maxCompared is how many customers one is compared with.
const maxCompared = 50

// Check returns the customers who may be the same as one that is not kept yet, or as one
// that is, by its id, the most probable first: those from the WarnFrom of the tenant's
// [DuplicatePolicy] on. Of the match keys it is one query by their index, whatever the number
// of customers, and of those found, at most 50, another. Whom the actor may not read is not
// among them, and a field hidden from him or masked is not compared. Kind is a Person's where it is
// empty. Without a policy for the kind it is ErrInvalid, since there are no keys.
func (d *Duplicates) Check(ctx context.Context, c Customer) ([]Candidate, error) {
	list, err := d.check(ctx, c)
	return list, failed("check", "customer", c.ID, err)
}

func (d *Duplicates) check(ctx context.Context, c Customer) ([]Candidate, error) {
	c.Kind = cmp.Or(c.Kind, Person)
	c.Deleted = crm.Record{}.Deleted
	nameAfterParts(&crm.Write[Customer]{After: &c})
	c.Name = strings.TrimSpace(c.Name)
	d.people.keepAddresses(ctx, &crm.Write[Customer]{After: &c})
	policy, err := d.policyOf(ctx, c.Kind)
	if err != nil {
		return nil, err
	}
	if policy == nil {
		return nil, crm.Invalid("kind", "of %s no match keys are kept: create a policy for them by Duplicates.Policies", c.Kind.plural())
	}
	hits, err := d.hits(ctx, d.keysOf(ctx, &c), c.ID)
	if err != nil {
		return nil, err
	}
	return d.compared(ctx, &c, hits, policy.warnFrom())
}

// hit is a customer who has match keys in common with another.
type hit struct {
	id     crm.ID
	weight int
	// alike is how many others have what he has in common, by what it is, at least.
	alike map[class]int
	// further are the addresses he has in common as an identity.
	further map[class]bool
}

// hits finds the customers with any of the match keys, those who share most first.
func (d *Duplicates) hits(ctx context.Context, keys []crm.ID, but crm.ID) ([]hit, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	page, err := d.keys.List(ctx, crm.Where("hash in $1", keys), crm.Limit(crm.MaxPage))
	if err != nil {
		return nil, err
	}
	often := map[crm.ID]int{}
	for _, row := range page.Items {
		often[row.Hash]++
	}
	by := map[crm.ID]*hit{}
	for _, row := range page.Items {
		if row.CustomerID == but {
			continue
		}
		h := by[row.CustomerID]
		if h == nil {
			h = &hit{id: row.CustomerID, alike: map[class]int{}, further: map[class]bool{}}
			by[row.CustomerID] = h
		}
		of := class(row.Hash[0])
		h.weight += of.weight()
		if n := h.alike[of]; n == 0 || often[row.Hash] < n {
			h.alike[of] = often[row.Hash]
		}
		h.further[of] = h.further[of] || row.Origin != row.CustomerID
	}
	list := make([]hit, 0, len(by))
	for _, h := range by {
		list = append(list, *h)
	}
	slices.SortFunc(list, func(a, b hit) int { return cmp.Or(b.weight-a.weight, a.id.Compare(b.id)) })
	return list[:min(len(list), maxCompared)], nil
}

// usualPrior is how probable it is that two customers are one who have a match key in
// common, before anything is compared.
const usualPrior = 1. / 1024

// usualModel is what agreement is worth of a customer who comes in. The addresses of people
// with one name are alike by more than chance: zhang7 and zhang8 of one domain are two.
func usualModel(kind Kind) (*match.Model, error) {
	fields, _ := comparedBy(kind)
	model, err := match.Usual(usualPrior, fields...)
	if err != nil || kind == Organisation {
		return model, err
	}
	for i := range model.Fields {
		if f := &model.Fields[i]; f.Kind == match.Email {
			for l := range f.Chance {
				f.Chance[l][match.Near], f.Chance[l][match.Close], f.Chance[l][match.Distant] = .01, .01, f.Match[match.Distant]
			}
		}
	}
	return model, nil
}

// compared reads the customers that were hit, as far as the actor may, and returns those
// who are the same with a probability.
func (d *Duplicates) compared(ctx context.Context, c *Customer, hits []hit, from float64) ([]Candidate, error) {
	if len(hits) == 0 {
		return nil, nil
	}
	ids := make([]crm.ID, len(hits))
	for i, h := range hits {
		ids[i] = h.id
	}
	page, err := d.people.List(ctx, crm.Where("id in $1", ids), crm.OrderBy("id"), crm.Limit(crm.MaxPage), crm.WithoutMasked())
	if err != nil {
		return nil, err
	}
	model, err := usualModel(c.Kind)
	if err != nil {
		return nil, err
	}
	var list []Candidate
	for _, other := range page.Items {
		if other.Kind != c.Kind {
			continue
		}
		h := hits[slices.IndexFunc(hits, func(h hit) bool { return h.id == other.ID })]
		why, err := d.explain(model, c, &other, h)
		if err != nil {
			return nil, err
		}
		if why.Probability >= from {
			list = append(list, Candidate{other, why.Probability, why})
		}
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(b.Probability, a.Probability) })
	return list, nil
}

// explain compares two customers. What many others have as well says less: of k who have a
// name one is meant, so that it is worth log2 k bits less.
func (d *Duplicates) explain(model *match.Model, c, other *Customer, h hit) (match.Explanation, error) {
	_, values := comparedBy(c.Kind)
	a, b := values(c), values(other)
	rarity := make([]float64, len(a))
	for i, f := range model.Fields {
		var of []class
		switch f.Name {
		case "name":
			of = []class{ofName, ofSound}
		case "email":
			of = []class{ofEmail}
			if h.further[ofEmail] && other.Email != "" {
				b[i] = a[i] // it is one of his identities
			}
		case "phone":
			of = []class{ofPhone}
			if h.further[ofPhone] && other.Phone != "" {
				b[i] = a[i]
			}
		}
		for _, class := range of {
			if n := h.alike[class]; n > 1 {
				rarity[i] = -math.Log2(float64(n))
				break
			}
			if h.alike[class] == 1 {
				break
			}
		}
	}
	return model.Compare(a, b, rarity, d.people.core.Readings)
}

// guard holds a customer who is written to the policy, by the match keys he got.
func (d *Duplicates) guard(ctx context.Context, policy *DuplicatePolicy, c *Customer, added []crm.ID) error {
	action := policy.action(entryPoint(ctx))
	into, _ := ctx.Value(warningsKey{}).(*DuplicateWarnings)
	if isConfirmed(ctx) || action != DuplicateBlock && (action != DuplicateWarn || into == nil) {
		return nil
	}
	if action == DuplicateBlock {
		if err := d.hold(ctx, added); err != nil {
			return err
		}
	}
	hits, err := d.hits(ctx, added, c.ID)
	if err != nil || len(hits) == 0 {
		return err
	}
	// What decides is all there is; what is said is what the actor may read.
	all, err := d.compared(crm.SystemIn(ctx), c, hits, policy.warnFrom())
	if err == nil {
		all, err = d.withoutDismissed(ctx, c.ID, all)
	}
	if err != nil || len(all) == 0 {
		return err
	}
	told, err := d.told(ctx, c, hits, all)
	if err != nil {
		return err
	}
	if hidden := len(all) - len(told); action == DuplicateBlock && all[0].Probability >= policy.blockFrom() {
		return &DuplicateError{Candidates: told, Hidden: hidden}
	} else if into != nil {
		into.note(DuplicateWarning{c.ID, told, hidden})
	}
	return nil
}

// told are the candidates as the actor may read them.
func (d *Duplicates) told(ctx context.Context, c *Customer, hits []hit, all []Candidate) ([]Candidate, error) {
	kept := slices.DeleteFunc(slices.Clone(hits), func(h hit) bool {
		return !slices.ContainsFunc(all, func(x Candidate) bool { return x.Customer.ID == h.id })
	})
	told, err := d.compared(ctx, c, kept, 0)
	if errors.Is(err, crm.ErrForbidden) { // he may read nobody
		return nil, nil
	}
	return told, err
}

// hold makes others who hold one of the keys wait for the end of this transaction: a row
// is added that nobody else can add before that, and taken away again.
func (d *Duplicates) hold(ctx context.Context, keys []crm.ID) error {
	rows := make([]duplicateHold, len(keys))
	for i, hash := range keys {
		rows[i].Hash = hash
	}
	if err := d.holds.Put(ctx, rows...); err != nil {
		return err
	}
	return d.holds.Remove(ctx, crm.Where("hash in $1", keys))
}
