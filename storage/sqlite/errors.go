package sqlite

import (
	"errors"
	"reflect"
	"strings"

	"github.com/embedcrm/embedcrm/storage"
	"github.com/embedcrm/embedcrm/storage/internal/engine"
)

// SQLite's result codes, primary and extended.
const (
	codeError        = 1
	codeBusy         = 5
	codeLocked       = 6
	codeNoMem        = 7
	codeReadOnly     = 8
	codeInterrupt    = 9
	codeIOErr        = 10
	codeCorrupt      = 11
	codeFull         = 13
	codeCantOpen     = 14
	codeTooBig       = 18
	codeConstraint   = 19
	codeNotADB       = 26
	codeBusySnapshot = 517
	codeCheck        = 275
	codeForeignKey   = 787
	codeNotNull      = 1299
	codePrimaryKey   = 1555
	codeUnique       = 2067
	codeRowID        = 2579
	codeDatatype     = 3091
)

const immediate = "begin the transaction IMMEDIATE, as sqlite.DSN does by _txlock=immediate"

// Classify reads the extended result code.
func (dialect) Classify(err error) engine.Fault {
	code, ok := resultCode(err)
	if !ok {
		return engine.Fault{}
	}
	switch code {
	case codeBusySnapshot:
		return engine.Fault{Kind: storage.ErrConflict, Reason: "another writer came first, and this transaction began deferred: " + immediate}
	case codePrimaryKey, codeUnique, codeRowID:
		table, field := constraintOf(err)
		return engine.Fault{Kind: storage.ErrConflict, Table: table, Field: field, Reason: "a row has this key or unique value already"}
	case codeForeignKey:
		return engine.Fault{Kind: storage.ErrConflict, Reason: "a row it refers to is missing, or one that refers to it is left"}
	case codeNotNull, codeCheck, codeDatatype:
		table, field := constraintOf(err)
		return engine.Fault{Kind: storage.ErrInvalid, Table: table, Field: field, Reason: "the table's schema refuses the value"}
	}
	switch code & 0xff {
	case codeBusy, codeLocked:
		return engine.Fault{Kind: storage.ErrBusy, Reason: "another connection holds the database; where this transaction had begun to read, " + immediate}
	case codeReadOnly:
		return engine.Fault{Kind: storage.ErrReadOnly}
	case codeConstraint:
		return engine.Fault{Kind: storage.ErrConflict}
	case codeTooBig:
		return engine.Fault{Kind: storage.ErrInvalid, Reason: "the value is larger than SQLite takes"}
	case codeNoMem, codeInterrupt, codeIOErr, codeCorrupt, codeFull, codeCantOpen, codeNotADB:
		return engine.Fault{Kind: storage.ErrUnavailable}
	case codeError:
		switch msg := err.Error(); {
		case strings.Contains(msg, "no such table"), strings.Contains(msg, "no such column"), strings.Contains(msg, "has no column"):
			return engine.Fault{Kind: storage.ErrVersion, Reason: "the tables are not there or not of this version: call Migrate"}
		case strings.Contains(msg, "no such module: fts5"):
			return engine.Fault{Kind: storage.ErrInvalid, Reason: "the driver is built without FTS5, which searches words: build github.com/mattn/go-sqlite3 with -tags sqlite_fts5"}
		case strings.Contains(msg, "integer overflow"):
			return engine.Fault{Kind: storage.ErrOverflow}
		}
	}
	return engine.Fault{}
}

// resultCode finds the code by the shape of the error, so that no driver has to be
// imported: modernc has a method, mattn a field.
func resultCode(err error) (int, bool) {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code(), true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName("ExtendedCode"); f.IsValid() && f.CanInt() {
			return int(f.Int()), true
		}
	}
	return 0, false
}

// constraintOf reads table and column from "UNIQUE constraint failed: crm_t.tenant,
// crm_t.email (2067)", or the index from "… failed: index 'name'".
func constraintOf(err error) (table, field string) {
	_, list, ok := strings.Cut(err.Error(), "constraint failed: ")
	if !ok {
		return "", ""
	}
	list = strings.TrimSpace(list)
	if i := strings.LastIndex(list, " ("); i > 0 {
		list = list[:i]
	}
	if name, ok := strings.CutPrefix(list, "index "); ok {
		return "", strings.Trim(name, "'")
	}
	// With several columns, the last is what the tenant's rows differ in.
	last := list[strings.LastIndex(list, " ")+1:]
	table, field, ok = strings.Cut(last, ".")
	if !ok {
		return "", list
	}
	return strings.TrimPrefix(table, "crm_"), field
}
