package engine

import (
	"database/sql"
	"encoding/binary"
	"sync/atomic"

	"github.com/embedcrm/embedcrm/storage"
)

// shape is what the text of a simple statement depends on.
type shape struct {
	table   *storage.Table
	action  storage.Action // 0 of a query
	columns string         // and of a query the condition
}

// form is what is kept of a statement of one shape: what depends on no value.
type form struct {
	text string

	// Of a query: the columns its condition compares, in the order of its values, and
	// what receives its rows while no read has it.
	compared []int
	spare    atomic.Pointer[sink]
}

// maxForms bounds the forms that are kept.
const maxForms = 1024

func (e *Engine) keep(of shape, f *form) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.forms) == maxForms {
		clear(e.forms)
	}
	e.forms[of] = f
}

// writeChange writes the statement of one change into b: with arguments alone where
// one of its shape was written before.
func (e *Engine) writeChange(b *builder, c *storage.Change) error {
	b.key = b.key[:0]
	if c.Action == storage.Update && c.Columns != nil {
		b.key = appendInts(b.key, c.Columns)
	}
	e.mu.Lock()
	f := e.forms[shape{c.Table, c.Action, string(b.key)}]
	e.mu.Unlock()
	if f != nil {
		b.b, b.again = append(b.b, f.text...), true
		return b.change(c, "")
	}
	if err := b.change(c, ""); err != nil {
		return err
	}
	e.keep(shape{c.Table, c.Action, string(b.key)}, &form{text: string(b.b)})
	return nil
}

// writeInserts writes the statement of several new rows of one table, which are always
// as many.
func (e *Engine) writeInserts(b *builder, changes []storage.Change) {
	if !b.again {
		of := shape{changes[0].Table, storage.Insert, "several"}
		e.mu.Lock()
		f := e.forms[of]
		e.mu.Unlock()
		if f == nil {
			b.inserts(changes)
			e.keep(of, &form{text: string(b.b)})
			return
		}
		b.b, b.again = append(b.b, f.text...), true
	}
	b.inserts(changes)
}

// writeQuery checks q and writes its statement into b. Of a query like one that was
// written before, the values alone are looked at.
func (e *Engine) writeQuery(b *builder, q *storage.Query) (*form, error) {
	plain := b.shapeOf(q)
	if plain {
		e.mu.Lock()
		f := e.forms[shape{q.Table, 0, string(b.key)}]
		e.mu.Unlock()
		if f != nil && f.bind(b, q) {
			b.b = append(b.b, f.text...)
			return f, nil
		}
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := b.query(q); err != nil || !plain {
		return &form{}, err
	}
	f := &form{text: string(b.b), compared: appendCompared(nil, q.Table, q.Where)}
	e.keep(shape{q.Table, 0, string(b.key)}, f)
	return f, nil
}

// bind binds the arguments of q. It reports false, and binds nothing, when one is not
// what the form has in its place; [storage.Query.Check] says what is wrong with it.
func (f *form) bind(b *builder, q *storage.Query) bool {
	if q.Limit < 1 || q.Limit > storage.MaxPage {
		return false
	}
	before := len(b.args)
	b.again = true
	b.bind(storage.Text, b.whose)
	if left, ok := f.bindAll(b, q.Table, f.compared, q.Where); !ok || len(left) > 0 {
		b.args, b.again = b.args[:before], false
		return false
	}
	b.bind(storage.Int, int64(q.Limit))
	return true
}

// bindAll binds the values of a condition and returns the columns that are left.
func (f *form) bindAll(b *builder, t *storage.Table, compared []int, x storage.Expr) (left []int, ok bool) {
	switch x := x.(type) {
	case storage.And:
		for _, part := range x {
			if compared, ok = f.bindAll(b, t, compared, part); !ok {
				return nil, false
			}
		}
	case storage.Is:
		if len(compared) == 0 || x.Value == nil || storage.CheckValue(t, compared[0], x.Value) != nil {
			return nil, false
		}
		b.bind(t.Columns[compared[0]].Kind, x.Value)
		compared = compared[1:]
	}
	return compared, true
}

// appendCompared appends the columns that a plain condition compares with values.
func appendCompared(list []int, t *storage.Table, x storage.Expr) []int {
	switch x := x.(type) {
	case storage.And:
		for _, part := range x {
			list = appendCompared(list, t, part)
		}
	case storage.Is:
		list = append(list, t.Index(x.Field.Name))
	}
	return list
}

// read delivers rows to a receiver that is spare, or to a fresh one.
func (f *form) read(rows *sql.Rows, limit int, fresh func() *sink, next func() storage.Row) error {
	s := f.spare.Swap(nil)
	if s == nil {
		s = fresh()
	}
	err := s.read(rows, limit, next)
	s.forget()
	f.spare.Store(s)
	return err
}

// shapeOf sets the key of b to what the text of a query depends on, and reports
// whether it is one whose form is worth keeping: it finds rows by values of columns,
// as what gets or locks one record does.
func (b *builder) shapeOf(q *storage.Query) bool {
	all, ok := q.Where.(storage.And)
	if !ok && q.Where != nil || len(q.Order) > 0 || q.After != nil || q.Unordered || len(q.Also) > 0 {
		return false
	}
	b.key = append(b.key[:0], flag(q.Lock), flag(q.Share), flag(q.Columns == nil))
	b.key = appendInts(b.key, q.Columns)
	b.key, ok = appendPlain(b.key, all)
	return ok
}

// appendPlain appends the shape of conditions joined by and, if they are plain.
func appendPlain(key []byte, all storage.And) (_ []byte, ok bool) {
	for _, x := range all {
		var f storage.Field
		switch x := x.(type) {
		case storage.Is:
			if _, two := x.Value.(storage.Field); two {
				return key, false
			}
			f, key = x.Field, append(key, 'i', byte(x.Op))
		case storage.Absent:
			f, key = x.Field, append(key, 'a')
		case storage.And:
			if key, ok = appendPlain(append(key, '('), x); !ok {
				return key, false
			}
			key = append(key, ')')
			continue
		default:
			return key, false
		}
		if f.Ref != nil || f.Member != "" {
			return key, false
		}
		key = append(append(key, f.Name...), ' ') // no name has a space
	}
	return key, true
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendInts(key []byte, list []int) []byte {
	key = binary.AppendUvarint(key, uint64(len(list)))
	for _, i := range list {
		key = binary.AppendUvarint(key, uint64(i))
	}
	return key
}
