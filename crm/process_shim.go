package crm

import (
	"errors"
	"time"
)

// Permanent returns err as one that no further attempt would help against.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (p *permanentError) Error() string { return p.err.Error() }
func (p *permanentError) Unwrap() error { return p.err }

func isPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

func errorText(err error) string { return prefix(err.Error(), 500) }

func orNever(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
