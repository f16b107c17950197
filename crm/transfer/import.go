package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Options say how an import is followed. The zero Options follow nothing.
type Options struct {
	// Progress is told now and then how far the import is.
	Progress func(Report)
	// Errors gets the rows that failed as CSV: the source's columns, then line and reason.
	// Of an import that is resumed it gets those from before as well.
	Errors io.Writer
	// Inspect is asked once for all records that a part of the rows created or changed, and says
	// by record what is wrong with them: their rows are flagged with it. Quality.Inspect of
	// package quality is one, by the tenant's rules. It sees what was written, in a dry run too.
	Inspect func(ctx context.Context, object string, ids []crm.ID) (map[crm.ID][]string, error)
}

// Report is what became of the rows of an import. Each is one of created, updated,
// skipped and failed.
type Report struct {
	// ID is the import's; of a dry run it is zero.
	ID crm.ID `json:"id,omitzero"`
	// Object is the kind of record the rows are.
	Object string `json:"object,omitempty"`
	// DryRun says that nothing was written.
	DryRun  bool  `json:"dry_run,omitempty"`
	Rows    int64 `json:"rows"`
	Created int64 `json:"created"`
	Updated int64 `json:"updated"`
	// Skipped are rows without a value, and those that changed nothing.
	Skipped int64 `json:"skipped"`
	Failed  int64 `json:"failed"`
	// Flagged are rows of those created and updated about which something is doubtful.
	Flagged int64 `json:"flagged,omitempty"`
	// Related are records created because rows refer to them, and those beside the rows'
	// own: further addresses, postal addresses, where persons work.
	Related int64 `json:"related,omitempty"`
	// Faults are the first reasons for which rows failed or are flagged.
	Faults []RowFault `json:"faults,omitempty"`
}

// RowFault is what is wrong with a row.
type RowFault struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
	// Kept says that the row was imported all the same.
	Kept bool `json:"kept,omitempty"`
}

const (
	// partRows is how many rows are written in one transaction.
	partRows = 1000
	// partBytes is how much text these have at most, but for the last row.
	partBytes = 8 << 20
	// maxFaults is how many reasons a report lists.
	maxFaults = 100
	// maxPostponed is how many rows may wait for others further down.
	maxPostponed = 100_000
	// maxRefused is of how many keys a migration remembers why their rows failed.
	maxRefused = 10_000
)

// Import brings the rows of a source in, by a plan that [Transfer.Plan] completed, and
// keeps what it does as an [Import]. Rows are written in parts, each together with how
// far the import has come: one that is stopped at any point, by an error or by the end
// of the process, is gone on with by [Transfer.Resume], and no row is imported twice.
// A row that is refused is counted as failed, with its reason; the others are imported.
//
// It takes the right to import the kind of record, besides the rights to create and
// update it that each row takes. A row may say when its record was created.
func (t *Transfer) Import(ctx context.Context, src Source, p Plan, o Options) (Report, error) {
	r, err := t.begin(ctx, src, p, "", o)
	if err != nil {
		return Report{}, err
	}
	err = r.all(ctx)
	return r.report, err
}

// DryRun does all that Import would do, and undoes it: the counts and the faults are
// those that Import would have. It is one transaction, and holds what one holds.
func (t *Transfer) DryRun(ctx context.Context, src Source, p Plan, o Options) (Report, error) {
	var report Report
	tried := false
	undo := errors.New("a dry run is undone")
	err := t.core.Tx(ctx, func(ctx context.Context) error {
		if tried { // the source has been read
			return crm.ErrRetry
		}
		tried = true
		r, err := t.begin(ctx, src, p, "", o)
		if err != nil {
			return err
		}
		r.report.DryRun = true
		err = r.all(ctx)
		report = r.report
		return errors.Join(err, undo)
	})
	report.ID = crm.ID{}
	if errors.Is(err, undo) {
		var others interface{ Unwrap() []error }
		if errors.As(err, &others) && len(others.Unwrap()) > 1 {
			return report, others.Unwrap()[0]
		}
		return report, nil
	}
	return report, err
}

// Resume goes on with an import that did not come to its end, of the same source from
// its beginning. One that is done is left as it is; one that is part of a migration goes on
// by [Transfer.Migrate].
func (t *Transfer) Resume(ctx context.Context, id crm.ID, src Source, o Options) (Report, error) {
	im, err := t.Imports.Get(ctx, id)
	if err != nil {
		return Report{}, err
	}
	switch {
	case im.State == Reverted:
		return Report{}, crm.Invalid("id", "the import was reverted: import the source anew")
	case im.Migration != "":
		return Report{}, crm.Invalid("id", "the import is part of a migration (%s): call Migrate again with all of its tables", im.Migration)
	}
	kept := &buffered{Source: src}
	if err := kept.fill(); err != nil {
		return Report{}, err
	}
	if digest(kept) != im.Digest {
		return Report{}, crm.Invalid("source", "is another one than that of the import: it begins differently")
	}
	r, err := t.runner(ctx, kept, im.Plan, o)
	if err != nil {
		return Report{}, err
	}
	r.take(im)
	if err := r.skip(ctx); err != nil || im.State == Done {
		return r.report, err
	}
	err = r.all(ctx)
	return r.report, err
}

// runner is one import being done.
type runner struct {
	t       *Transfer
	plan    Plan
	kind    *kind
	cells   *cellReader
	src     Source
	o       Options
	im      Import
	report  Report
	errors  *csv.Writer
	headed  bool
	lookups *lookups

	position  int64 // of the next row of the source
	postponed []task
	settled   map[int64]bool
	parts     int64

	former *former // what happened to the records before, or nil
	// refused has for keys why their rows failed, where somebody asks; brings says that guarded
	// fields of records that are there are changed too.
	refused map[string]string
	brings  bool

	written int64 // rows created by this run
	looked  int64 // of them when the database last looked at its tables
}

// task is a row to be imported.
type task struct {
	number int64 // of the row, from 0
	row    Row
	taken  *taken
}

func (t *Transfer) runner(ctx context.Context, src Source, p Plan, o Options) (*runner, error) {
	k, err := t.kind(ctx, p.Object)
	if err != nil {
		return nil, err
	}
	if len(p.Columns) != len(src.Headings()) || p.Mode == "" {
		return nil, crm.Invalid("plan", "is not of this source: complete it by Transfer.Plan")
	}
	p.Columns = slices.Clone(p.Columns)
	if err := p.load(); err != nil {
		return nil, err
	}
	r := &runner{t: t, plan: p, kind: k, src: src, o: o, settled: map[int64]bool{}}
	r.cells = newCellReader(&r.plan, k, t.core.Now(ctx))
	r.lookups = newLookups(r)
	if o.Errors != nil {
		r.errors = csv.NewWriter(o.Errors)
	}
	return r, nil
}

// begin makes the record of a new import, which may be of a migration.
func (t *Transfer) begin(ctx context.Context, src Source, p Plan, migration string, o Options) (*runner, error) {
	kept, ok := src.(*buffered)
	if !ok {
		kept = &buffered{Source: src}
		if err := kept.fill(); err != nil {
			return nil, err
		}
	}
	r, err := t.runner(ctx, kept, p, o)
	if err != nil {
		return nil, err
	}
	if _, err := r.kind.Import(ctx, nil); err != nil { // the right to
		return nil, err
	}
	im := Import{ObjectName: p.Object, State: Running, Migration: migration, Plan: p, Digest: digest(kept)}
	if r.im, err = t.Imports.Create(ctx, im); errors.Is(err, crm.ErrForbidden) { // who may import need not see all imports
		r.im, err = t.Imports.Create(crm.SystemIn(ctx), im)
	}
	if err != nil {
		return nil, err
	}
	r.take(r.im)
	return r, nil
}

// take makes a report of what an import says of itself.
func (r *runner) take(im Import) {
	r.im = im
	r.report = Report{
		ID: im.ID, Object: im.ObjectName, Rows: im.Rows, Created: im.Created, Updated: im.Updated, Skipped: im.Skipped, Failed: im.Failed,
		Flagged: im.Flagged, Related: im.Related, Faults: r.report.Faults,
	}
}

// digest is of the headings and the first rows of a source.
func digest(src *buffered) string {
	h := sha256.New()
	write := func(list []string) {
		for _, s := range list {
			_, _ = io.WriteString(h, s+"\x00")
		}
		_, _ = io.WriteString(h, "\x01")
	}
	write(src.Headings())
	for _, row := range src.ahead[:min(len(src.ahead), 20)] {
		write(row.Cells)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// skip passes over the rows that were settled before, and tells again which failed.
func (r *runner) skip(ctx context.Context) error {
	told := map[int64]RowFault{}
	putOff := map[int64]bool{}
	for part, err := range r.t.parts.All(crm.SystemIn(ctx), crm.Where("import_id == $1", r.im.ID), crm.OrderBy("number")) {
		if err != nil {
			return err
		}
		r.parts = part.Number + 1
		for reason, rows := range part.Outcome.Failed {
			for _, n := range rows {
				told[n] = RowFault{Reason: reason}
			}
		}
		for reason, rows := range part.Outcome.Flagged {
			for _, n := range rows {
				told[n] = RowFault{Reason: reason, Kept: true}
			}
		}
		for _, n := range part.Outcome.Postponed {
			putOff[n] = true
		}
		for _, n := range part.Outcome.Settled {
			delete(putOff, n)
		}
	}
	for r.position < r.im.Position {
		row, err := r.src.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return crm.Invalid("source", "ends before the row that the import has come to: it is another one, or was cut off")
			}
			return err
		}
		n := r.position
		r.position++
		if putOff[n] {
			r.postponed = append(r.postponed, task{number: n, row: row})
		}
		if fault, ok := told[n]; ok {
			r.tell(row, fault.Reason, fault.Kept)
		}
	}
	return r.flush()
}

// tell reports a row that failed or is flagged.
func (r *runner) tell(row Row, reason string, kept bool) {
	if len(r.report.Faults) < maxFaults {
		r.report.Faults = append(r.report.Faults, RowFault{Line: row.Line, Reason: reason, Kept: kept})
	}
	if kept || r.errors == nil {
		return
	}
	if !r.headed {
		r.headed = true
		_ = r.errors.Write(append(slices.Clone(r.src.Headings()), "line", "reason")) // flush tells
	}
	cells := slices.Clone(row.Cells)
	width := len(r.src.Headings())
	for len(cells) < width {
		cells = append(cells, "")
	}
	if len(cells) > width {
		cells = append(cells[:width-1], strings.Join(cells[width-1:], ","))
	}
	_ = r.errors.Write(append(cells, itoa(row.Line), reason))
}

func (r *runner) flush() error {
	if r.errors == nil {
		return nil
	}
	r.errors.Flush()
	return r.errors.Error()
}

// all imports the rows that are left, then those that were put off.
func (r *runner) all(ctx context.Context) error {
	ctx = crm.Because(ctx, cause(r.im.ID))
	for ended := false; !ended; {
		var part []task
		bytes := 0
		for len(part) < partRows && bytes < partBytes {
			row, err := r.src.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					return err
				}
				ended = true
				break
			}
			for _, c := range row.Cells {
				bytes += len(c)
			}
			part = append(part, task{number: r.position, row: row})
			r.position++
		}
		if len(part) == 0 {
			break
		}
		if err := r.part(ctx, part, false); err != nil {
			return err
		}
	}
	if err := r.last(ctx); err != nil {
		return err
	}
	im, err := r.t.imports.Do(crm.SystemIn(ctx), r.im.ID, "done", func(im *Import) error {
		if im.State != Running {
			return errOther
		}
		im.State = Done
		return nil
	})
	r.im = im
	return errors.Join(err, r.flush())
}

// errOther is the end of an import that somebody else took over.
var errOther = &crm.ConflictError{Field: "position", Reason: "another process is going on with this import"}

func cause(id crm.ID) string { return "import " + id.String() }

// last imports the rows that were put off because they refer to rows further down, as
// long as there are some that can be. What is left fails.
func (r *runner) last(ctx context.Context) error {
	for final := false; len(r.postponed) > 0; {
		waiting := r.postponed
		r.postponed = nil
		for part := range slices.Chunk(waiting, partRows) {
			if err := r.part(ctx, part, final); err != nil {
				return err
			}
		}
		final = len(r.postponed) == len(waiting)
	}
	return nil
}

// part imports some rows and says how far the import is, in one transaction. What
// refers to a row that is not there yet is put off, but not when it is final.
func (r *runner) part(ctx context.Context, part []task, final bool) error {
	for i := range part {
		if part[i].taken == nil && part[i].row.Fault == "" {
			part[i].taken = r.cells.read(part[i].row)
		}
	}
	var w *partWrite
	err := r.t.core.Tx(ctx, func(ctx context.Context) error {
		if w != nil { // the transaction is begun again
			r.lookups.forget()
		}
		w = &partWrite{runner: r, final: final, told: map[int64]RowFault{}}
		if err := w.write(ctx, part); err != nil {
			return err
		}
		return w.keep(ctx, part)
	})
	if err != nil {
		r.lookups.forget()
		return err
	}
	r.take(w.im)
	r.parts += w.parts
	w.account()
	r.postponed = append(r.postponed, w.postponed...)
	for _, t := range part {
		if f, ok := w.told[t.number]; ok {
			r.tell(t.row, f.Reason, f.Kept)
		}
		delete(r.settled, t.number)
	}
	if err := r.flush(); err != nil {
		return err
	}
	if r.o.Progress != nil {
		r.o.Progress(r.report)
	}
	r.written += w.created
	return r.analyze(ctx)
}

// analyzed is after how many new records the database is to look at its tables, and then
// after ten times as many.
const analyzed = 10_000

// analyze has the database look at the tables of what is imported: without it a PostgreSQL
// reads a new tenant whole for each part. If it cannot, the import goes on all the same.
func (r *runner) analyze(ctx context.Context) error {
	if r.written < max(analyzed, 10*r.looked) || r.report.DryRun {
		return nil
	}
	r.looked = r.written
	kinds := []string{r.kind.Kind()}
	for _, side := range r.kind.sides {
		kinds = append(kinds, side.Kind())
	}
	_ = r.t.core.Analyze(ctx, kinds...)
	return ctx.Err()
}

// account adds what a part that was kept says to what is known of the whole.
func (w *partWrite) account() {
	r := w.runner
	if r.former != nil {
		r.former.report.Kept += w.kept
		for _, reason := range w.left {
			r.former.report.leave(reason)
		}
	}
	for key, reason := range w.why {
		if len(r.refused) < maxRefused {
			r.refused[key] = reason
		}
	}
}

// unquoted is a reason as it is kept, without the values that it quotes: whose they are is
// not known, so that nobody could erase them. They are in the file.
func unquoted(reason string) string {
	var b strings.Builder
	for {
		begin := strings.IndexByte(reason, '"')
		if begin < 0 {
			break
		}
		end := begin + 1
		for end < len(reason) && reason[end] != '"' {
			if reason[end] == '\\' {
				end++
			}
			end++
		}
		b.WriteString(reason[:begin])
		b.WriteString(`"…"`)
		reason = reason[min(end+1, len(reason)):]
	}
	return b.String() + reason
}

// keep writes down what became of the rows of a part.
func (w *partWrite) keep(ctx context.Context, part []task) error {
	r := w.runner
	for _, n := range slices.Sorted(maps.Keys(w.told)) {
		f := w.told[n]
		into := &w.outcome.Failed
		if f.Kept {
			into = &w.outcome.Flagged
		}
		if *into == nil {
			*into = map[string][]int64{}
		}
		reason := unquoted(f.Reason)
		(*into)[reason] = append((*into)[reason], n)
	}
	system := crm.SystemIn(ctx)
	if !w.outcome.empty() {
		if _, err := r.t.parts.Create(system, importPart{ImportID: r.im.ID, Number: r.parts, Outcome: w.outcome}); err != nil {
			return err
		}
		w.parts = 1
	}
	var err error
	w.im, err = r.t.imports.Do(system, r.im.ID, "advanced", func(im *Import) error {
		if im.Position != r.im.Position || im.Version != r.im.Version {
			return errOther
		}
		im.Position = max(im.Position, part[len(part)-1].number+1)
		im.Created += w.created
		im.Updated += w.updated
		im.Skipped += w.skipped
		im.Failed += w.failed
		im.Flagged += w.flagged
		im.Related += w.related
		im.Rows = im.Created + im.Updated + im.Skipped + im.Failed
		return nil
	})
	return err
}
