package quality

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Quality is how good a tenant's records are, and what is done about it.
type Quality struct {
	// Rules say what should not be, Standards what a good record is.
	Rules     *crm.Collection[Rule]
	Standards *crm.Collection[Standard]
	// Runs are the bulk corrections there were.
	Runs *crm.Collection[Run]

	core      *crm.Core
	runs      *crm.Kind[Run]
	corrected *crm.Ledger[corrected]
	snapshots *crm.Ledger[Snapshot]
}

//go:embed migrations
var migrations embed.FS

// New defines quality on a core, before its Migrate.
func New(core *crm.Core) (*Quality, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	q := &Quality{core: core}
	for _, define := range []func() error{q.defineRules, q.defineStandards, q.defineRuns, q.defineSnapshots} {
		if err := define(); err != nil {
			return nil, err
		}
	}
	core.Fields.UsedBy(q.naming)
	if err := core.AddPersonalData(crm.PersonalData{Name: "quality_runs", Forget: q.forget}); err != nil {
		return nil, err
	}
	core.AddLine(storage.Line{Name: "quality", Files: files, Needs: map[string]int{"crm": 8}})
	return q, nil
}

// failed wraps err once, at the public boundary.
func failed(op, object string, id crm.ID, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*crm.Error](err); ok {
		err = known.Err
	}
	return &crm.Error{Op: op, Object: object, ID: id, Err: err}
}

// records are those of a kind.
func (q *Quality) records(object string) (*crm.Records, error) {
	records, err := q.core.Records(object)
	if wrong, ok := errors.AsType[*crm.InvalidError](err); ok {
		return nil, crm.Invalid("object", "%s", wrong.Faults[0].Reason)
	}
	return records, err
}

// understood refuses a condition that cannot be understood, or that the actor of the
// context may not ask.
func understood(ctx context.Context, records *crm.Records, field string, condition crm.Filter) error {
	_, err := records.Count(ctx, crm.Where(condition.Text, condition.Args...), crm.Where("false"))
	if wrong, ok := errors.AsType[*crm.InvalidError](err); ok {
		return crm.Invalid(field, "%s", wrong.Faults[0].Reason)
	}
	return err
}

// fieldOf finds a field among those an actor may read.
func fieldOf(fields []crm.FieldInfo, name string) (crm.FieldInfo, bool) {
	i := slices.IndexFunc(fields, func(f crm.FieldInfo) bool { return f.Name == name })
	if i < 0 {
		return crm.FieldInfo{}, false
	}
	return fields[i], true
}

// filled reports whether a record has a value in a field.
func filled(v crm.Values, field string) bool {
	switch x := v[field].(type) {
	case nil:
		return false
	case string:
		return x != ""
	case []string:
		return len(x) > 0
	}
	return true
}
