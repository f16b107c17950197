package activity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Directory keeps blobs in a directory of a file system. No key leads out of it, by
// symbolic links neither. A blob is written to a temporary file, synced, and renamed, and
// the directory synced, so that after a crash it is there whole or not at all.
type Directory struct{ root *os.Root }

var _ crm.Blobs = (*Directory)(nil)

// temporary is what the names of files end with that are being written.
const temporary = ".part"

// NewDirectory opens a directory, and makes it if it is not there. Close it when the CRM
// is done.
func NewDirectory(name string) (*Directory, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, fmt.Errorf("activity: open directory: %w", err)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("activity: open directory: %w", err)
	}
	return &Directory{root}, nil
}

// Close ends the use of the directory.
func (d *Directory) Close() error { return d.root.Close() }

// Put implements [crm.Blobs].
func (d *Directory) Put(ctx context.Context, key string, r io.Reader) (err error) {
	if err := checkKey(key); err != nil {
		return err
	}
	dir := path.Dir(key)
	if err := d.makeDir(dir); err != nil {
		return err
	}
	name := key + temporary
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = d.root.Remove(name) // a sweep finds what stays
		}
	}()
	_, err = io.Copy(f, readWhile(ctx, r))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.root.Rename(name, key); err != nil {
		return err
	}
	return d.sync(dir)
}

// makeDir makes a directory and those above it, each of them safely noted in the one it
// is in.
func (d *Directory) makeDir(dir string) error {
	if dir == "." {
		return nil
	}
	if _, err := d.root.Stat(dir); err == nil {
		return nil
	}
	if err := d.makeDir(path.Dir(dir)); err != nil {
		return err
	}
	if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(path.Dir(dir))
}

func (d *Directory) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Get implements [crm.Blobs].
func (d *Directory) Get(_ context.Context, key string) (io.ReadCloser, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	f, err := d.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, crm.ErrNoBlob
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Delete implements [crm.Blobs].
func (d *Directory) Delete(_ context.Context, key string) error {
	if err := checkKey(strings.TrimSuffix(key, temporary)); err != nil {
		return err
	}
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List implements [crm.Blobs]. What was being written is listed too.
func (d *Directory) List(ctx context.Context, prefix string, fn func(key string) error) error {
	return fs.WalkDir(d.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case entry.IsDir():
			if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasPrefix(name, prefix), !entry.Type().IsRegular():
			return nil
		}
		return fn(name)
	})
}

// checkKey refuses what is no key of the CRM's.
func checkKey(key string) error {
	ok := key != "" && len(key) <= 100 && fs.ValidPath(key) && key != "."
	for _, c := range []byte(key) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '/')
	}
	if !ok {
		return crm.Invalid("key", "is no key of a blob")
	}
	return nil
}

// whileReader reads until its context ends.
type whileReader struct {
	ctx context.Context //nolint:containedctx // it lives for one call
	r   io.Reader
}

func readWhile(ctx context.Context, r io.Reader) io.Reader { return &whileReader{ctx, r} }

// Read implements io.Reader.
func (w *whileReader) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}
