package activity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// stamp is the form of the time in a blob's key.
const stamp = "20060102/150405"

// prefix is what the keys of a tenant's blobs begin with. A tenant's key may have any
// characters, and a blob's few.
func (f *Files) prefix(ctx context.Context) (string, error) {
	tenant := crm.TenantOf(ctx)
	if tenant == "" {
		return "", crm.ErrUnscoped
	}
	sum := sha256.Sum256([]byte(tenant))
	return hex.EncodeToString(sum[:12]) + "/", nil
}

// blobKey is a key for a blob that is written now: by days, so that no directory has too
// many.
func blobKey(prefix string, now time.Time) string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + now.UTC().Format(stamp) + "-" + hex.EncodeToString(random[:])
}

// blobTime is when a key was made.
func blobTime(prefix, key string) (time.Time, bool) {
	at, _, ok := strings.Cut(strings.TrimPrefix(key, prefix), "-")
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(stamp, at)
	return t, err == nil
}

// Sweep removes the tenant's blobs that no file refers to and that are older than a day:
// what a process left that ended between keeping contents and noting the file, or whose
// transaction was rolled back. It runs by itself, as a job, a day after a file was added.
// A transaction of the host's in which files are added must be committed within twelve
// hours.
func (f *Files) Sweep(ctx context.Context) error {
	if f.blobs == nil {
		return nil
	}
	ctx = crm.SystemIn(ctx)
	prefix, err := f.prefix(ctx)
	if err != nil {
		return err
	}
	before := f.core.Now(ctx).Add(-grace)
	var old []string
	sweep := func() error {
		err := f.remove(ctx, old)
		old = old[:0]
		return err
	}
	err = f.blobs.List(ctx, prefix, func(key string) error {
		if t, ok := blobTime(prefix, key); !ok || !t.Before(before) {
			return nil
		}
		if old = append(old, key); len(old) < crm.MaxPage {
			return nil
		}
		return sweep()
	})
	if err == nil {
		err = sweep()
	}
	return err
}

// remove removes those of the blobs that no file refers to, deleted ones included.
func (f *Files) remove(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	used := map[string]bool{}
	for file, err := range f.All(ctx, crm.WithDeleted(), crm.OrderBy("id"), crm.Where("blob in $1", keys)) {
		if err != nil {
			return err
		}
		used[file.Blob] = true
	}
	for _, key := range keys {
		if used[key] {
			continue
		}
		if err := f.blobs.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
