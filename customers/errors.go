package customers

import (
	"errors"

	"github.com/embedcrm/embedcrm/crm"
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
