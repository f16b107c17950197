package transfer

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
)

// formerRow is one row of a former system's history.
type formerRow struct {
	key      string // of the record, in that system
	at       int64  // microseconds since 1970
	column   int    // of the table: what changed
	old, new string
	by       string
}

func (r *formerRow) size() int { return len(r.key) + len(r.old) + len(r.new) + len(r.by) + 96 }

// compareFormer sorts by record, then by time. Rows of one time keep their order.
func compareFormer(a, b formerRow) int {
	return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.at, b.at))
}

const (
	// sortBytes is how much of a history is in memory at once.
	sortBytes = 32 << 20
	// indexBytes is how far apart the records are whose places in the file are remembered.
	indexBytes = 4 << 10
)

// formerSorter brings a history that may be larger than memory into the order of its
// records: runs that fit are sorted and put into a temporary file, from which they are
// merged into another.
type formerSorter struct {
	limit int // bytes in memory
	rows  []formerRow
	bytes int
	file  *os.File
	ends  []int64 // where the runs in the file end
}

func (s *formerSorter) add(r formerRow) error {
	s.rows = append(s.rows, r)
	if s.bytes += r.size(); s.bytes < s.limit {
		return nil
	}
	return s.spill()
}

// spill writes the rows in memory as one run.
func (s *formerSorter) spill() (err error) {
	if s.file == nil {
		if s.file, err = temporary(); err != nil {
			return err
		}
	}
	slices.SortStableFunc(s.rows, compareFormer)
	w := newFormerWriter(s.file)
	for i := range s.rows {
		w.write(&s.rows[i])
	}
	if err := w.to.Flush(); err != nil {
		return err
	}
	begin := int64(0)
	if len(s.ends) > 0 {
		begin = s.ends[len(s.ends)-1]
	}
	s.ends = append(s.ends, begin+w.n)
	s.rows, s.bytes = s.rows[:0], 0
	return nil
}

// sorted returns the rows by record, and gives up what it held.
func (s *formerSorter) sorted() (*formerFile, error) {
	if s.file == nil {
		slices.SortStableFunc(s.rows, compareFormer)
		return &formerFile{rows: s.rows}, nil
	}
	defer s.close()
	if len(s.rows) > 0 {
		if err := s.spill(); err != nil {
			return nil, err
		}
	}
	s.rows = nil
	to, err := temporary()
	if err != nil {
		return nil, err
	}
	f := &formerFile{file: to}
	if err := s.merge(f); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (s *formerSorter) close() { remove(s.file) }

// temporary is a file that is gone with the process, also where that is killed: what is in
// it is personal. Where an open file cannot be removed, [remove] does it.
func temporary() (*os.File, error) {
	f, err := os.CreateTemp("", "embedcrm-history-")
	if err == nil {
		_ = os.Remove(f.Name())
	}
	return f, err
}

func remove(f *os.File) {
	if f != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
}

// merge writes the runs into one, and notes where records begin.
func (s *formerSorter) merge(f *formerFile) error {
	var runs formerRuns
	begin := int64(0)
	for i, end := range s.ends {
		run := &formerRun{from: newFormerReader(io.NewSectionReader(s.file, begin, end-begin)), number: i}
		begin = end
		if err := run.next(); err != nil {
			return err
		}
		runs = append(runs, run)
	}
	heap.Init(&runs)
	w := newFormerWriter(f.file)
	last := ""
	for len(runs) > 0 {
		run := runs[0]
		if run.row.key != last && (len(f.index) == 0 || w.n-f.index[len(f.index)-1].offset >= indexBytes) {
			f.index = append(f.index, formerPlace{run.row.key, w.n})
		}
		last = run.row.key
		w.write(&run.row)
		switch err := run.next(); {
		case err == nil:
			heap.Fix(&runs, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&runs)
		default:
			return err
		}
	}
	f.size = w.n
	return w.to.Flush()
}

// formerRun is one run being merged.
type formerRun struct {
	from   *formerReader
	row    formerRow
	number int
}

func (r *formerRun) next() (err error) {
	r.row, err = r.from.read()
	return err
}

type formerRuns []*formerRun

// Len implements heap.Interface.
func (r *formerRuns) Len() int { return len(*r) }

// Swap implements heap.Interface.
func (r *formerRuns) Swap(i, k int) { (*r)[i], (*r)[k] = (*r)[k], (*r)[i] }

// Less implements heap.Interface.
func (r *formerRuns) Less(i, k int) bool {
	a, b := (*r)[i], (*r)[k]
	return cmp.Or(compareFormer(a.row, b.row), cmp.Compare(a.number, b.number)) < 0
}

// Push implements heap.Interface.
func (r *formerRuns) Push(x any) { *r = append(*r, x.(*formerRun)) } //nolint:forcetypeassert,errcheck // nothing else is pushed

// Pop implements heap.Interface.
func (r *formerRuns) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// formerFile is a history by record: in memory where it fits, else in a file.
type formerFile struct {
	rows  []formerRow
	file  *os.File
	size  int64
	index []formerPlace
}

// formerPlace is where a record's rows begin.
type formerPlace struct {
	key    string
	offset int64
}

// of returns the rows of a record, in the order in which they happened.
func (f *formerFile) of(key string) ([]formerRow, error) {
	if f.file == nil {
		from, _ := slices.BinarySearchFunc(f.rows, key, func(r formerRow, key string) int { return strings.Compare(r.key, key) })
		to := from
		for to < len(f.rows) && f.rows[to].key == key {
			to++
		}
		return f.rows[from:to], nil
	}
	at, found := slices.BinarySearchFunc(f.index, key, func(p formerPlace, key string) int { return strings.Compare(p.key, key) })
	if !found {
		at--
	}
	if at < 0 {
		return nil, nil
	}
	begin := f.index[at].offset
	r := newFormerReader(io.NewSectionReader(f.file, begin, f.size-begin))
	var rows []formerRow
	for {
		row, err := r.read()
		switch {
		case errors.Is(err, io.EOF) || err == nil && row.key > key:
			return rows, nil
		case err != nil:
			return nil, err
		case row.key == key:
			rows = append(rows, row)
		}
	}
}

func (f *formerFile) close() {
	if f != nil {
		remove(f.file)
	}
}

// formerWriter writes rows one behind the other.
type formerWriter struct {
	to  *bufio.Writer
	n   int64
	row []byte
}

func newFormerWriter(to io.Writer) *formerWriter { return &formerWriter{to: bufio.NewWriter(to)} }

func (w *formerWriter) write(r *formerRow) {
	w.row = binary.AppendVarint(w.row[:0], r.at)
	w.row = binary.AppendUvarint(w.row, uint64(r.column))
	for _, s := range [...]string{r.key, r.old, r.new, r.by} {
		w.row = binary.AppendUvarint(w.row, uint64(len(s)))
		w.row = append(w.row, s...)
	}
	n, _ := w.to.Write(w.row) // Flush tells
	w.n += int64(n)
}

type formerReader struct{ from *bufio.Reader }

func newFormerReader(from io.Reader) *formerReader {
	return &formerReader{bufio.NewReaderSize(from, 2*indexBytes)}
}

// read returns the next row; io.EOF is the end.
func (r *formerReader) read() (row formerRow, err error) {
	if row.at, err = binary.ReadVarint(r.from); err != nil {
		return row, err
	}
	column, err := binary.ReadUvarint(r.from)
	row.column = int(column)
	for _, s := range [...]*string{&row.key, &row.old, &row.new, &row.by} {
		var n uint64
		if err == nil {
			n, err = binary.ReadUvarint(r.from)
		}
		if err == nil {
			text := make([]byte, n)
			_, err = io.ReadFull(r.from, text)
			*s = string(text)
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return row, err
}
