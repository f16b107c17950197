package crm

import (
	"context"
	"time"
)

// Limits of figures.
const (
	// MaxMeasures is how many measures figures have at most.
	MaxMeasures = 50
	// MaxGroupBy is how many fields figures are grouped by at most.
	MaxGroupBy = 6
)

// Figures says what is computed over the records of a kind: measures, for all
// records or for each group of them.
type Figures struct {
	// Measures are the figures wanted, 1 to [MaxMeasures].
	Measures []Measure
	// GroupBy are the fields whose values make the groups, at most [MaxGroupBy]; none is
	// one row over all records.
	GroupBy []GroupBy
	// Zone is the calendar by which times fall into days, months and years; nil is the
	// tenant's.
	Zone *time.Location
	// FiscalYear is the month a year begins with, of which quarters are counted too; 0
	// is January.
	FiscalYear time.Month
	// Total asks for one more row, over all records. It is computed and not added up:
	// an average or a number of different values has no sum.
	Total bool
}

// Fn is what a measure computes. All but [FnCount] are over the records in which the
// field has a value; over none of them the counts are 0 and the others nil.
type Fn string

// What measures compute, and the Go type of it.
const (
	FnCount      Fn = "count"      // the records; int64
	FnCountOf    Fn = "count_of"   // the records in which the field has a value; int64
	FnDistinct   Fn = "distinct"   // the different values of the field; int64
	FnSum        Fn = "sum"        // of int, decimal and money
	FnMin        Fn = "min"        // the least of int, decimal, money, date, time and text
	FnMax        Fn = "max"        // the greatest of the same
	FnAverage    Fn = "avg"        // of int and decimal, a [Ratio]; of money, rounded half to even to the minor unit
	FnMedian     Fn = "median"     // the 50th percentile
	FnPercentile Fn = "percentile" // of int, decimal, money, date and time: the nearest rank
	FnWeighted   Fn = "weighted"   // of money: the sum of amount × weight / 100, rounded once, half to even
)

// Measure is one figure. What it is of is the field's own Go type: int64, a decimal
// as its text, [Date], time.Time, string; and a []Money, one amount for each currency
// there is, by its code, since amounts of two currencies have no sum, mean or order.
type Measure struct {
	// Name is how errors call the measure, at most 200 bytes; empty: by its number.
	Name string
	// Fn is what it computes.
	Fn Fn
	// Field is what it is computed of: a field of the record, custom.name, or a field
	// of a record referred to, such as company.employees. A [FnCount] has none.
	Field string
	// Percent is of a [FnPercentile] which one, 1 to 100.
	Percent int
	// Weight is of a [FnWeighted] the field with the weight in percent, an int, such as
	// stage.probability. A record without one weighs nothing.
	Weight string
	// Where keeps the records the measure is over; without a text it is all of them. It
	// narrows this measure alone: deals that are won, beside all deals.
	Where Filter
}

// GroupBy makes groups of the values of a field. Records without a value are a group
// of their own, with the value nil. So are those that refer to a record the actor may
// not read, when a field of that one makes the groups.
type GroupBy struct {
	// Field is a field of the record, custom.name, or a field of a record referred to,
	// such as stage.kind or company.custom.sector. Of money it is the currency:
	// amount.currency. Tags and JSON make no groups.
	Field string
	// Bucket groups a date or time by the calendar; empty: each value by itself.
	Bucket Bucket
	// Fill adds what lies between the first and the last bucket that occurs, and has
	// no records, for each combination of the other groups. One group may be filled.
	Fill bool
}

// FigureTable is what figures came to. Its rows are sorted by the values of their
// groups, nil lowest.
type FigureTable struct {
	Rows []FigureRow
	// Total is the row over all records, when it was asked for.
	Total *FigureRow
}

// FigureRow is the figures of one group.
type FigureRow struct {
	// Groups are the group's values, in the order of [Figures.GroupBy]: of the field's
	// Go type, a [Period] where there is a bucket, nil where there is no value.
	Groups []any
	// Values are the figures, in the order of [Figures.Measures].
	Values []any
}

// Aggregate computes figures over the records of a kind, or the rows of a ledger, as the actor may read them:
// records he may not read do not count, and fields he may not read are ErrForbidden.
// [Where] and [WithDeleted] say which records; no other option means anything here.
//
// All figures of one call are of one instant. In a transaction they see what it has
// written; should the transaction see what others commit meanwhile, figures that
// would not agree are ErrConflict.
//
// More than storage.MaxGroups rows, a sum past 2^63-1 and buckets that are too many
// are ErrInvalid.
func (c *Core) Aggregate(ctx context.Context, object string, f Figures, opts ...ListOption) (FigureTable, error) {
	if err := c.ready(); err != nil {
		return FigureTable{}, failed("aggregate", object, ID{}, err)
	}
	o := c.kind(object)
	if o == nil {
		return FigureTable{}, failed("aggregate", "", ID{}, Invalid("object", "there is no kind of record %q", clip(object)))
	}
	t, err := o.aggregate(ctx, f, listOptionsOf(opts))
	return t, failed("aggregate", o.name, ID{}, err)
}

// Aggregate computes figures over the collection's records: see [Core.Aggregate].
func (c *Collection[T]) Aggregate(ctx context.Context, f Figures, opts ...ListOption) (FigureTable, error) {
	t, err := c.o.aggregate(ctx, f, listOptionsOf(opts))
	return t, failed("aggregate", c.o.name, ID{}, err)
}

func (o *object) aggregate(ctx context.Context, f Figures, opts listOptions) (FigureTable, error) {
	r, err := o.reader(ctx)
	if err != nil {
		return FigureTable{}, err
	}
	return r.aggregate(ctx, f, opts)
}

func (r *reader) aggregate(ctx context.Context, f Figures, opts listOptions) (FigureTable, error) {
	if len(opts.order) > 0 || opts.limit != 0 || opts.after != "" {
		return FigureTable{}, Invalid("options", "figures take Where and WithDeleted: rows of groups are neither sorted nor cut")
	}
	p, err := r.planFigures(ctx, f, opts)
	if err != nil {
		return FigureTable{}, err
	}
	return p.compute(ctx)
}
