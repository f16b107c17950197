package customers

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers/match"
)

// Duplicates finds customers that are one: as they come in (Check and Policies), and among
// those who are there (Scan and Sets).
type Duplicates struct {
	// Policies are what is asked of new customers.
	Policies *DuplicatePolicies
	// Scans are the searches through all customers.
	Scans *crm.Collection[DuplicateScan]

	people    *Customers
	policies  *crm.Kind[DuplicatePolicy]
	scans     *crm.Kind[DuplicateScan]
	keys      *crm.Ledger[duplicateKey]
	holds     *crm.Ledger[duplicateHold]
	dismissed *crm.Ledger[dismissed]
	pairs     *crm.Ledger[duplicatePair]
	sets      *crm.Ledger[duplicate]
}

func (c *Customers) defineDuplicates(core *crm.Core) error {
	d := &Duplicates{people: c}
	c.Duplicates = d
	for _, define := range []func(*crm.Core) error{d.definePolicies, d.defineKeys, d.defineDismissed, d.defineScans} {
		if err := define(core); err != nil {
			return err
		}
	}
	return nil
}

// DuplicateSet is customers that are taken to be one.
type DuplicateSet struct {
	// Number is its place among those found, the surest first, from 1 on.
	Number int64
	// Customers are their ids, in the order of the list that was searched: without
	// crm.OrderBy, the one changed last first.
	Customers []crm.ID
	// Probability is that of the least sure step by which they came together.
	Probability float64
	// Why has for each of them but the first what speaks for its being the first, and
	// what against.
	Why []match.Explanation
}

// Find returns the customers of a kind that are taken to be one, the surest first. It
// looks at all that the actor may read, or at those of the options: crm.Where("country ==
// 'DE'"). A field hidden from him or masked is not compared. What agreement is worth is learned from
// these customers themselves, so the more there are the better; see [match.Learn].
//
// It keeps what it compares in memory: docs/duplicates.md says how much. Nothing is changed,
// and nothing kept: a call that was cancelled begins anew.
func (d *Duplicates) Find(ctx context.Context, kind Kind, o match.Options, opts ...crm.ListOption) ([]DuplicateSet, error) {
	sets, err := d.find(ctx, kind, o, opts)
	return sets, failed("find duplicates", "customer", crm.ID{}, err)
}

func (d *Duplicates) find(ctx context.Context, kind Kind, o match.Options, opts []crm.ListOption) ([]DuplicateSet, error) {
	fields, values := comparedBy(kind)
	if fields == nil {
		return nil, crm.Invalid("kind", "is %q: customers are compared that are persons, organisations or households", kind)
	}
	records, err := match.NewRecords(fields...)
	if err != nil {
		return nil, err
	}
	records.ReadBy(d.people.core.Readings)
	var ids []crm.ID
	for c, err := range d.people.All(ctx, append(slices.Clone(opts), crm.WithoutMasked())...) {
		if err != nil {
			return nil, err
		}
		if c.Kind != kind {
			continue
		}
		if _, err := records.Add(values(&c)...); err != nil {
			return nil, err
		}
		ids = append(ids, c.ID)
	}
	model, err := match.Learn(ctx, records, o)
	if err != nil {
		return nil, err
	}
	clusters, err := match.Find(ctx, records, model, o)
	if err != nil {
		return nil, err
	}
	sets := make([]DuplicateSet, len(clusters))
	for i, c := range clusters {
		sets[i] = DuplicateSet{Probability: c.Probability}
		for _, n := range c.Records {
			sets[i].Customers = append(sets[i].Customers, ids[n])
		}
		for _, n := range c.Records[1:] {
			why, err := match.Explain(records, model, c.Records[0], n)
			if err != nil {
				return nil, err
			}
			sets[i].Why = append(sets[i].Why, why)
		}
	}
	slices.SortStableFunc(sets, func(a, b DuplicateSet) int { return cmp.Compare(b.Probability, a.Probability) })
	for i := range sets {
		sets[i].Number = int64(i) + 1
	}
	return sets, nil
}

// comparedBy are the fields by which customers of a kind are compared, and their values.
func comparedBy(kind Kind) ([]match.Field, func(*Customer) []string) {
	fields := []match.Field{
		{Name: "name", Kind: match.Person}, {Name: "email", Kind: match.Email}, {Name: "phone", Kind: match.Phone},
		{Name: "country", Kind: match.Category}, {Name: "region", Kind: match.Category},
	}
	common := func(c *Customer) []string { return []string{c.Name, c.Email, c.Phone, c.Country, c.Region} }
	switch kind {
	case Person:
		fields = append(fields, match.Field{Name: "birthday", Kind: match.Date}, match.Field{Name: "gender", Kind: match.Category})
		return fields, func(c *Customer) []string {
			born := ""
			if c.Birthday != (crm.Date{}) {
				born = c.Birthday.String()
			}
			return append(common(c), born, string(c.Gender))
		}
	case Organisation:
		fields[0].Kind = match.Company
		fields = append(fields, match.Field{Name: "industry", Kind: match.Category}, match.Field{Name: "founded", Kind: match.Code})
		return fields, func(c *Customer) []string {
			founded := ""
			if c.Founded != nil {
				founded = strconv.FormatInt(*c.Founded, 10)
			}
			return append(common(c), c.Industry, founded)
		}
	case Household:
		return fields, common
	}
	return nil, nil
}
