package transfer

import (
	"embed"
	"encoding/binary"
	"io/fs"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Transfer brings records of a core's kinds in from files, and keeps what it did.
type Transfer struct {
	// Imports are the imports there were.
	Imports *crm.Collection[Import]

	core    *crm.Core
	imports *crm.Kind[Import]
	parts   *crm.Kind[importPart]
}

// State is how far an import has come.
type State string

// The states of an import.
const (
	Running State = "running" // or stopped on the way: Resume goes on with it, Migrate with a migration's
	Done    State = "done"
	// Superseded is an import of a migration that was stopped: what it wrote is there, and a
	// later run brought the rest. It can be reverted.
	Superseded State = "superseded"
	Reverted   State = "reverted"
)

// Import is one import of a source, and what became of its rows so far. Each row is
// one of created, updated, skipped and failed.
type Import struct {
	crm.Record

	// ObjectName is the kind of record its rows are.
	ObjectName string `crm:"required,max=48" json:"object"`
	State      State  `crm:"required,guarded,enum=running|done|superseded|reverted" json:"state"`
	// Migration is the former CRM and its table that a migration brings in, such as
	// "salesforce: contacts"; empty: it is an import by itself.
	Migration string `crm:"max=200" json:"migration,omitempty"`
	// Plan is what was made of its columns.
	Plan Plan `crm:"json" json:"plan"`
	// Digest is of the beginning of the source, by which it is known again.
	Digest string `crm:"required,max=64" json:"digest"`
	// Position is how many rows have been read and settled or put off.
	Position int64 `crm:"guarded" json:"position"`
	Rows     int64 `crm:"guarded" json:"row_count"`
	Created  int64 `crm:"guarded" json:"created_count"`
	Updated  int64 `crm:"guarded" json:"updated_count"`
	// Skipped are rows without a value, and rows that changed nothing.
	Skipped int64 `crm:"guarded" json:"skipped_count"`
	Failed  int64 `crm:"guarded" json:"failed_count"`
	// Flagged are rows that were imported although something about them is doubtful.
	Flagged int64 `crm:"guarded" json:"flagged_count"`
	// Related are the records created because rows refer to them, and beside the rows' own.
	Related int64 `crm:"guarded" json:"related_count"`
}

// importPart is what became of some rows of an import, as far as it is needed to resume
// it, to report on it and to revert it.
type importPart struct {
	crm.Record

	ImportID crm.ID  `crm:"required,ref=import,as=parts" json:"import_id"`
	Number   int64   `crm:"sort"                         json:"number"`
	Outcome  outcome `crm:"json"                         json:"outcome"`
}

// outcome is what a part has to say. Rows are counted from 0.
type outcome struct {
	Updated   []crm.ID            `json:"updated,omitempty"`   // records that were changed
	Postponed []int64             `json:"postponed,omitempty"` // rows put off to the end
	Settled   []int64             `json:"settled,omitempty"`   // rows that had been put off
	Added     map[string][]int64  `json:"added,omitempty"`     // records beside the rows' own, by kind: rowNumber of them
	Changed   map[string][]crm.ID `json:"changed,omitempty"`   // the same, that were there before
	Failed    map[string][]int64  `json:"failed,omitempty"`    // rows, by the reason
	Flagged   map[string][]int64  `json:"flagged,omitempty"`
}

func (o *outcome) empty() bool {
	return len(o.Updated)+len(o.Postponed)+len(o.Settled)+len(o.Failed)+len(o.Flagged)+len(o.Added)+len(o.Changed) == 0
}

//go:embed migrations
var migrations embed.FS

// New defines imports on a core, before its Migrate.
func New(core *crm.Core) (*Transfer, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	t := &Transfer{core: core}
	if t.imports, err = crm.Define(core, crm.Object[Import]{Name: "import"}); err != nil {
		return nil, err
	}
	if t.parts, err = crm.Define(core, crm.Object[importPart]{Name: "import_part"}); err != nil {
		return nil, err
	}
	t.Imports = &t.imports.Collection
	core.AddLine(storage.Line{Name: "transfer", Files: files, Needs: map[string]int{"crm": 3}})
	return t, nil
}

const (
	// slots is how many records a row makes at most: its own, those it refers to, and from
	// sideSlot on those beside it.
	slots    = 64
	sideSlot = 16
	maxSides = slots - sideSlot
)

// rowID is the id of the record that a row of an import creates: the import's own, with
// the row's number in it. So a row that is imported again is the same record, what an
// import created can be found again, and the ids ascend with the rows.
func rowID(of crm.ID, row int64, slot int) crm.ID {
	id := of
	id[8] = of[8]&0x3F | 0x80                      // a UUID's variant
	number := uint64(row)*slots + uint64(slot) + 1 // rows are counted from 0
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], number)
	copy(id[10:], b[2:])
	return id
}

// rowNumber is what a rowID has of the row: with [numberedID] it is that id again.
func rowNumber(id crm.ID) int64 {
	var b [8]byte
	copy(b[2:], id[10:])
	return int64(binary.BigEndian.Uint64(b[:])) - 1 // six bytes
}

func numberedID(of crm.ID, number int64) crm.ID {
	return rowID(of, number/slots, int(number%slots))
}
