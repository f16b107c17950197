package pool

import (
	"errors"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
)

// Why a record is not claimed. All are also [crm.ErrConflict].
var (
	// ErrClaimed is a record that somebody has claimed already.
	ErrClaimed = fmt.Errorf("%w: it is claimed already", crm.ErrConflict)
	// ErrLimit is a claim past what the pool lets a member hold, or claim on a day.
	ErrLimit = fmt.Errorf("%w: a limit of the pool is reached", crm.ErrConflict)
	// ErrBanned is a claim of what the member returned or lost a short while ago.
	ErrBanned = fmt.Errorf("%w: it was yours, and is not to be claimed again yet", crm.ErrConflict)
)

// failed says which verb of which kind an error came up in.
func failed(op, object string, id crm.ID, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*crm.Error](err); ok {
		err = known.Err
	}
	return &crm.Error{Op: op, Object: object, ID: id, Err: err}
}

func forbidden(format string, args ...any) error {
	return fmt.Errorf("%w: %s", crm.ErrForbidden, fmt.Sprintf(format, args...))
}
