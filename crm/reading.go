package crm

import (
	"context"
	"slices"
)

// ReadingHow is how records were shown.
type ReadingHow string

// The ways.
const (
	ReadingRead   ReadingHow = "read"   // got, listed, searched, or their history or timeline
	ReadingExport ReadingHow = "export" // by [Records.Export] or [Core.ExportPerson]
	ReadingReveal ReadingHow = "reveal" // masked fields, in clear: see [Collection.Reveal]
)

// Reading is what an actor is about to be shown of the records of a kind.
type Reading struct {
	Object string
	// Records are those he is shown, each once, 1 to [MaxPage].
	Records []ID
	How     ReadingHow
	// Actor and Cause are as an [Event] has them: "member:" and the host's key, or "system",
	// and what [Because] said.
	Actor, Cause string
	// Fields and Reason are those of a reveal.
	Fields []string
	Reason string
}

// watcher is told what actors read.
type watcher func(ctx context.Context, r Reading) error

// WatchReads has fn told what actors are shown, before they are: an error of fn refuses
// the read, which then shows nothing. It is registered before Migrate, and called once
// for each page of a list and each kind of record, by the caller's goroutine.
//
// It hears of Get, Find, List, All, Search, History, AsOf, Timeline (by the record whose
// timeline it is), PreviewMerge, and Update and Upsert that change nothing and so leave
// nothing in the history; of [Records] as of a [Collection], of the kernel's own kinds as
// of a module's; of exports and reveals. It does not hear of counts, facets and figures,
// nor of ledgers, which show no record; of writes, which the history has; nor, reveals
// aside, of what [System], [SystemIn] and [TrustedIn] read: what a module reads for
// itself is nobody's reading.
//
// The context is [TrustedIn] the actor's, by which fn may read and write. In a
// transaction it writes there, and a transaction that is rolled back takes that along.
// A person's export is read in an instant in which nothing can be written: of the
// person's own record fn is told before anything is written out, of the rest after, and
// its error comes when that is out already.
func (c *Core) WatchReads(fn func(ctx context.Context, r Reading) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch {
	case c.sealed.Load():
		err = Invalid("watch", "who is told of reads is registered before Migrate")
	case fn == nil:
		err = Invalid("watch", "there is no function to tell")
	default:
		c.watchers = append(c.watchers, fn)
	}
	return failed("watch", "reads", ID{}, err)
}

// untoldKey marks a context whose reads are told by who made it.
type untoldKey struct{}

// untold is a context in which nobody is told of reads.
func untold(ctx context.Context) context.Context { return context.WithValue(ctx, untoldKey{}, true) }

// watched reports whether somebody is to be told what a call reads.
func (c *Core) watched(ctx context.Context) bool {
	if len(c.watchers) == 0 {
		return false
	}
	sc, _ := ctx.Value(scopeKey{}).(scope)
	return !sc.system && !sc.trusted && ctx.Value(untoldKey{}) == nil
}

// tell tells the watchers of a reading.
func (c *Core) tell(ctx context.Context, r Reading) error {
	sc, err := scopeOf(ctx)
	if err != nil {
		return err
	}
	r.Actor, r.Cause = sc.actor(), sc.cause
	ctx = TrustedIn(ctx)
	for _, fn := range c.watchers {
		if err := fn(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// toldIDs tells the watchers which records an actor is about to be shown.
func (o *object) toldIDs(ctx context.Context, how ReadingHow, ids []ID) error {
	if !o.core.watched(ctx) {
		return nil
	}
	for page := range slices.Chunk(ids, MaxPage) {
		if err := o.core.tell(ctx, Reading{Object: o.name, Records: page, How: how}); err != nil {
			return err
		}
	}
	return nil
}

// told is toldIDs of records.
func (o *object) told(ctx context.Context, how ReadingHow, recs ...*rec) error {
	if !o.core.watched(ctx) || o.ledger() || len(recs) == 0 {
		return nil
	}
	ids := make([]ID, len(recs))
	for i, r := range recs {
		ids[i] = r.meta().ID
	}
	return o.toldIDs(ctx, how, ids)
}

// toldPage is told of a page of a list.
func (o *object) toldPage(ctx context.Context, opts listOptions, p *page) error {
	how := ReadingRead
	if opts.export {
		how = ReadingExport
	}
	return o.told(ctx, how, p.recs...)
}

// toldEvents tells the watchers whose history an actor is about to be shown.
func (o *object) toldEvents(ctx context.Context, events []Event) error {
	if !o.core.watched(ctx) {
		return nil
	}
	var ids []ID
	known := map[ID]bool{}
	for i := range events {
		if id := events[i].Record; !known[id] {
			known[id] = true
			ids = append(ids, id)
		}
	}
	return o.toldIDs(ctx, ReadingRead, ids)
}

// toldFound tells the watchers what an actor found among several kinds, by kind.
func (c *Core) toldFound(ctx context.Context, list []Found) error {
	if !c.watched(ctx) {
		return nil
	}
	by := map[string][]ID{}
	for _, f := range list {
		by[f.Object] = append(by[f.Object], f.ID)
	}
	for _, o := range c.order {
		if err := o.toldIDs(ctx, ReadingRead, by[o.name]); err != nil {
			return err
		}
	}
	return nil
}
