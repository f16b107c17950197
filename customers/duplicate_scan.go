package customers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers/match"
)

// ScanState is how far a search for duplicates is.
type ScanState string

// The states.
const (
	ScanRunning ScanState = "running"
	ScanDone    ScanState = "done"
)

// DuplicateScan is a search through all customers of a kind. [Duplicates.Scan] makes it, and
// nobody changes it.
type DuplicateScan struct {
	crm.Record

	Kind  Kind      `crm:"required,guarded,enum=person|organisation|household" json:"kind"`
	State ScanState `crm:"required,guarded,enum=running|done"                  json:"state"`
	// Done of Total are the steps it has taken; 0 of 0: it is learning.
	Done  int64 `crm:"guarded" json:"done"`
	Total int64 `crm:"guarded" json:"total"`
	// Customers is how many it looked at, Sets how many sets of duplicates it found.
	Customers int64 `crm:"guarded" json:"customers"`
	Sets      int64 `crm:"guarded" json:"sets"`
	// Threshold is the probability from which on customers are taken to be one, in percent.
	Threshold int64 `crm:"guarded" json:"threshold"`
	// Model is what agreement is worth, as it was learned of these customers: a [match.Model]
	// as JSON.
	Model    string    `crm:"guarded,max=100000" json:"model,omitempty"`
	Finished time.Time `crm:"guarded"            json:"finished,omitzero"`
}

// duplicatePair is two customers whom a scan that is running takes for one.
type duplicatePair struct {
	ScanID crm.ID `json:"scan_id"`
	One    crm.ID `json:"one"`
	Other  crm.ID `json:"other"`
}

// duplicate is that a customer is in a set of a scan.
type duplicate struct {
	ScanID     crm.ID `json:"scan_id"`
	Number     int64  `json:"number"`
	CustomerID crm.ID `crm:"required,ref=customer,parent" json:"customer_id"`
	// Place is his place in the set; 0 is he with whom the others were compared.
	Place int64 `json:"place"`
	// Probability is that of the set, in millionths.
	Probability int64 `json:"probability"`
	// Rarity is what it adds, in bits by field, how rare what he has in common with the first is.
	Rarity map[string]float64 `crm:"json,personal" json:"rarity,omitempty"`
}

// ScanJob is the kind of job that does [Duplicates.Scan]. Its payload is the [Kind]:
//
//	job, err := core.Jobs.Enqueue(tenant, crm.Job{Kind: customers.ScanJob, Key: "person", Payload: customers.Person})
const ScanJob = "customers.duplicates"

func (d *Duplicates) defineScans(core *crm.Core) error {
	kind, err := crm.Define(core, crm.Object[DuplicateScan]{
		Name:    "duplicate_scan",
		Initial: func(context.Context, *crm.Write[DuplicateScan]) error { return nil }, // so that only Scan makes one, or an import
	})
	if err != nil {
		return err
	}
	d.scans, d.Scans = kind, &kind.Collection
	if d.pairs, err = crm.DefineLedger[duplicatePair](core, crm.LedgerOf[duplicatePair]{
		Name: "duplicate_pair", Key: []string{"scan_id", "one", "other"},
	}); err != nil {
		return err
	}
	if d.sets, err = crm.DefineLedger[duplicate](core, crm.LedgerOf[duplicate]{
		Name: "duplicate", Key: []string{"scan_id", "number", "customer_id"},
	}); err != nil {
		return err
	}
	return crm.HandleJob(core.Jobs, ScanJob, func(ctx context.Context, _ crm.Job, kind Kind) error {
		// Another worker goes on with what this one did, if it ends.
		_, err := d.Scan(ctx, kind, ScanOptions{Progress: func(done, total int64) error { return crm.Progress(ctx, done, total) }})
		if errors.Is(err, crm.ErrInvalid) {
			return crm.Permanent(err)
		}
		return err
	}, crm.Idempotent())
}

// ScanOptions say how customers are searched. The zero value is fine.
type ScanOptions struct {
	// Threshold is the probability from which on customers are taken to be one, in percent;
	// 0 is 50. A scan that goes on keeps its own.
	Threshold int64
	// Workers is how many goroutines compare while the call lasts; 0 is 1.
	Workers int
	// Progress is told how many steps are done. Its error ends the scan, which goes on when
	// Scan is called again.
	Progress func(done, total int64) error
}

// Scan searches all customers of a kind for those who are one, and keeps what it finds for
// [Duplicates.Sets], in the place of what the last scan found. What agreement is worth is
// learned from the customers themselves (see [match.Learn]); who was dismissed stays apart.
//
// It takes the right to create scans, and then looks at every customer, whoever calls. What it
// compares it keeps in memory: see docs/duplicates.md for how much. It works in steps, each
// kept with what it found: ended at any point, by a kill too, it goes on with the step it
// was at when Scan is called again for the kind, in any process. Who comes meanwhile may be
// passed over, and is found by the next.
func (d *Duplicates) Scan(ctx context.Context, kind Kind, o ScanOptions) (DuplicateScan, error) {
	s, err := d.scan(ctx, kind, o)
	return s, failed("scan", "customer", crm.ID{}, err)
}

func (d *Duplicates) scan(ctx context.Context, kind Kind, o ScanOptions) (DuplicateScan, error) {
	scan, err := d.begin(ctx, kind, o)
	if err != nil {
		return scan, err
	}
	x := &scanning{Duplicates: d, options: o, DuplicateScan: scan}
	ctx = crm.SystemIn(ctx)
	for _, step := range []func(context.Context) error{x.load, x.learn, x.search, x.keep} {
		if err := step(ctx); err != nil {
			return x.DuplicateScan, err
		}
	}
	return x.DuplicateScan, nil
}

// begin returns the scan of a kind that is not finished, or a new one.
func (d *Duplicates) begin(ctx context.Context, kind Kind, o ScanOptions) (DuplicateScan, error) {
	if fields, _ := comparedBy(kind); fields == nil {
		return DuplicateScan{}, crm.Invalid("kind", "is %q: customers are compared that are persons, organisations or households", kind)
	}
	if o.Threshold < 0 || o.Threshold > 99 {
		return DuplicateScan{}, crm.Invalid("threshold", "is %d: a probability in percent, from 1 to 99; 0 is 50", o.Threshold)
	}
	if err := d.scans.May(ctx, crm.VerbCreate); err != nil {
		return DuplicateScan{}, err
	}
	ctx = crm.SystemIn(ctx)
	page, err := d.scans.List(ctx, crm.Where("kind == $1 and state == 'running'", string(kind)), crm.Limit(1))
	if err != nil || len(page.Items) > 0 {
		return append(page.Items, DuplicateScan{})[0], err
	}
	if o.Threshold == 0 {
		o.Threshold = 50
	}
	return d.scans.Create(ctx, DuplicateScan{Kind: kind, State: ScanRunning, Threshold: o.Threshold})
}

// scanning is one call of Scan.
type scanning struct {
	*Duplicates
	DuplicateScan

	options ScanOptions
	records *match.Records
	ids     []crm.ID // by number, in their order
	apart   map[[2]int]bool

	model    *match.Model
	clusters []match.Cluster
}

// do changes the scan, unless another process did so meanwhile.
func (x *scanning) do(ctx context.Context, event string, fn func(*DuplicateScan)) error {
	s, err := x.scans.Do(ctx, x.ID, event, func(s *DuplicateScan) error {
		if s.State != ScanRunning || s.Done != x.Done || s.Total != x.Total {
			return &crm.ConflictError{Field: "done", Reason: "another process goes on with this scan"}
		}
		fn(s)
		return nil
	})
	if err == nil {
		x.DuplicateScan = s
	}
	return err
}

// manyCustomers take so long that Progress is told even while no step is done, so that the
// lease of a job does not end.
const manyCustomers = 50 * crm.MaxPage

// tell says how many steps are done.
func (x *scanning) tell() error {
	if x.options.Progress == nil {
		return nil
	}
	return x.options.Progress(x.Done, x.Total)
}

// load reads the customers.
func (x *scanning) load(ctx context.Context) error {
	fields, values := comparedBy(x.Kind)
	var err error
	if x.records, err = match.NewRecords(fields...); err != nil {
		return err
	}
	x.records.ReadBy(x.people.core.Readings)
	for c, err := range x.people.All(ctx, crm.Where("kind == $1", string(x.Kind)), crm.OrderBy("id")) {
		if err == nil {
			_, err = x.records.Add(values(&c)...)
		}
		if err != nil {
			return err
		}
		if x.ids = append(x.ids, c.ID); len(x.ids)%manyCustomers == 0 {
			if err := x.tell(); err != nil {
				return err
			}
		}
	}
	x.apart = map[[2]int]bool{}
	for row, err := range x.dismissed.All(ctx) {
		if err != nil {
			return err
		}
		a, known := x.number(row.OneID)
		b, both := x.number(row.OtherID)
		if known && both {
			x.apart[[2]int{min(a, b), max(a, b)}] = true
		}
	}
	return nil
}

// number is that of a customer, if he is there.
func (x *scanning) number(id crm.ID) (int, bool) {
	return slices.BinarySearchFunc(x.ids, id, crm.ID.Compare)
}

func (x *scanning) matching() match.Options {
	o := match.Options{Threshold: float64(x.Threshold) / 100, Workers: x.options.Workers}
	if len(x.apart) > 0 {
		o.Apart = func(a, b int) bool { return x.apart[[2]int{min(a, b), max(a, b)}] }
	}
	return o
}

// learn finds out what agreement is worth, if that is not known from before.
func (x *scanning) learn(ctx context.Context) error {
	var err error
	if x.Model != "" {
		x.model, err = x.weights()
		return err
	}
	learning, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	o := x.matching()
	if len(x.ids) >= manyCustomers {
		o.Progress = func(int64, int64) {
			if err := x.tell(); err != nil {
				stop(err)
			}
		}
	}
	if x.model, err = match.Learn(learning, x.records, o); err != nil {
		return cmp.Or(context.Cause(learning), err)
	}
	text, err := json.Marshal(x.model)
	if err != nil {
		return err
	}
	return x.do(ctx, "learned", func(s *DuplicateScan) { s.Model, s.Customers = string(text), int64(len(x.ids)) })
}

// weights is the model of a scan.
func (s *DuplicateScan) weights() (*match.Model, error) {
	m := &match.Model{}
	return m, json.Unmarshal([]byte(s.Model), m)
}

// search takes the steps that are left, each kept with what it found.
func (x *scanning) search(ctx context.Context) error {
	search, err := match.NewSearch(ctx, x.records, x.model, x.matching())
	if err != nil {
		return err
	}
	total := int64(search.Steps())
	if x.Total != total { // it begins, or there are so many others by now that the steps are others
		if err := x.do(ctx, "began", func(s *DuplicateScan) { s.Done, s.Total = 0, total }); err != nil {
			return err
		}
	}
	for x.Done < total {
		found, err := search.Step(ctx, int(x.Done))
		if err != nil {
			return err
		}
		before := x.DuplicateScan
		err = x.people.core.Tx(ctx, func(ctx context.Context) error {
			x.DuplicateScan = before // it may be the second try
			rows := make([]duplicatePair, len(found))
			for i, p := range found {
				rows[i] = duplicatePair{x.ID, x.ids[p.A], x.ids[p.B]}
			}
			if err := x.pairs.Put(ctx, rows...); err != nil {
				return err
			}
			return x.do(ctx, "went_on", func(s *DuplicateScan) { s.Done++ })
		})
		if err != nil {
			return err
		}
		if err := x.tell(); err != nil {
			return err
		}
	}
	return x.cluster(ctx, search)
}

// cluster makes clusters of the pairs that all steps found, the surest first.
func (x *scanning) cluster(ctx context.Context, search *match.Search) error {
	var pairs []match.Pair
	for row, err := range x.pairs.All(ctx, crm.Where("scan_id == $1", x.ID)) {
		if err != nil {
			return err
		}
		one, known := x.number(row.One)
		other, both := x.number(row.Other)
		if known && both { // still
			pairs = append(pairs, match.Pair{A: one, B: other})
		}
	}
	var err error
	x.clusters, err = search.Clusters(pairs)
	slices.SortStableFunc(x.clusters, func(a, b match.Cluster) int { return cmp.Compare(b.Probability, a.Probability) })
	return err
}

// keptSets is how many sets are kept in one transaction.
const keptSets = 100

// keep keeps the clusters as sets, and ends the scan.
func (x *scanning) keep(ctx context.Context) error {
	if err := x.sets.Remove(ctx, crm.Where("scan_id == $1", x.ID)); err != nil { // of a process that was ended here
		return err
	}
	kept := int64(0)
	for part := range slices.Chunk(x.clusters, keptSets) {
		var rows []duplicate
		for _, c := range part {
			set, err := x.set(c)
			if err != nil {
				return err
			}
			kept++
			for i := range set {
				set[i].Number = kept
			}
			rows = append(rows, set...)
		}
		if err := x.keepRows(ctx, rows); err != nil {
			return err
		}
		if kept%manyCustomers == 0 {
			if err := x.tell(); err != nil {
				return err
			}
		}
	}
	before := x.DuplicateScan
	return x.people.core.Tx(ctx, func(ctx context.Context) error {
		x.DuplicateScan = before // it may be the second try
		page, err := x.scans.List(ctx, crm.Where("kind == $1 and state == 'done'", string(x.Kind)), crm.Limit(crm.MaxPage))
		if err != nil {
			return err
		}
		for _, last := range page.Items {
			if err := x.sets.Remove(ctx, crm.Where("scan_id == $1", last.ID)); err != nil {
				return err
			}
		}
		if err := x.pairs.Remove(ctx, crm.Where("scan_id == $1", x.ID)); err != nil {
			return err
		}
		return x.do(ctx, "finished", func(s *DuplicateScan) {
			s.State, s.Sets, s.Finished = ScanDone, kept, x.people.core.Now(ctx)
		})
	})
}

// keepRows keeps rows; who is deleted by now is left out.
func (x *scanning) keepRows(ctx context.Context, rows []duplicate) error {
	err := x.sets.Put(ctx, rows...)
	if !errors.Is(err, crm.ErrInvalid) {
		return err
	}
	for _, row := range rows {
		if err := x.sets.Put(ctx, row); err != nil && !errors.Is(err, crm.ErrInvalid) {
			return err
		}
	}
	return nil
}

// set are the rows of a cluster.
func (x *scanning) set(c match.Cluster) ([]duplicate, error) {
	rows := make([]duplicate, 0, len(c.Records))
	for _, n := range c.Records {
		row := duplicate{ScanID: x.ID, CustomerID: x.ids[n], Place: int64(len(rows)), Probability: int64(math.Round(1e6 * c.Probability))}
		if len(rows) > 0 {
			why, err := match.Explain(x.records, x.model, c.Records[0], n)
			if err != nil {
				return nil, err
			}
			row.Rarity = map[string]float64{}
			for _, reason := range why.Reasons {
				if reason.Rarity != 0 {
					row.Rarity[reason.Name] = math.Round(100*reason.Rarity) / 100
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}
