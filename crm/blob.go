package crm

import (
	"context"
	"errors"
	"io"
)

// Blobs is where the contents of files are kept: a directory (crm/activity has one), or
// a store of the host's. A key is made by the CRM, of at most 100 characters a to z, 0 to
// 9, - and /, and is never used twice, so that nothing is ever overwritten. It must be
// safe for any number of goroutines.
//
// The CRM writes a blob before the row that refers to it is committed, and removes one
// after no row does: what List gives beyond what rows refer to is what a process left
// behind that ended in between.
type Blobs interface {
	// Put keeps what r gives under a key, and returns once it is safe: after a crash it
	// is there whole. When it fails, nothing is there, or something List gives.
	Put(ctx context.Context, key string, r io.Reader) error
	// Get opens a blob. One that is not there is ErrNoBlob.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// Delete removes a blob. It is no error when there is none.
	Delete(ctx context.Context, key string) error
	// List calls fn for every blob whose key begins with prefix, in any order, until fn
	// fails. Blobs may come and go meanwhile.
	List(ctx context.Context, prefix string, fn func(key string) error) error
}

// Blobs returns [Config.Blobs], or nil, and how many bytes one may have. It is for modules
// that keep files.
func (c *Core) Blobs() (Blobs, int64) { return c.cfg.Blobs, c.cfg.MaxBlob }

// ErrNoBlob is a blob that is not there.
var ErrNoBlob = errors.New("crm: there is no such blob")
