package activity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"strings"
	"time"
	"unicode"

	"github.com/embedcrm/embedcrm/crm"
)

// File is a file on a record: what it is called and what is known of its contents, which
// are in [crm.Config].Blobs. Its owner is who added it. [Files.Add] makes one.
type File struct {
	crm.Record

	// Object and RecordID are the record it hangs on, of any kind.
	Object   string `crm:"required,max=48"         json:"object"`
	RecordID crm.ID `crm:"required,subject=object" json:"record_id"`
	// Name is what it is called, without directories.
	Name string `crm:"required,max=255,sort,search,personal" json:"name"`
	// MediaType is what it holds (RFC 6838), as whoever added it says: "application/pdf".
	// A host that serves it to a browser sends it as an attachment.
	MediaType string `crm:"required,max=255" json:"media_type"`
	// Size is how many bytes it has.
	Size int64 `crm:"guarded" json:"size"`
	// SHA256 is the digest of its contents, in 64 hexadecimal digits.
	SHA256 string `crm:"required,guarded,max=64" json:"sha256"`
	// Blob is the key of its contents.
	Blob string `crm:"required,guarded,max=100" json:"blob"`
}

var _ crm.Validator = (*File)(nil)

// Validate refuses a name with a directory in it, and what is no media type.
func (f *File) Validate() error {
	if f.Name == "." || f.Name == ".." || strings.ContainsAny(f.Name, `/\`) || strings.ContainsFunc(f.Name, unicode.IsControl) {
		return crm.Invalid("name", "is the name alone, without directories and control characters")
	}
	if kind, _, err := mime.ParseMediaType(f.MediaType); err != nil || !strings.Contains(kind, "/") {
		return crm.Invalid("media_type", "is no media type such as application/pdf")
	}
	return nil
}

// Files are a tenant's files. Deleted, a file can be restored with its contents; purged,
// they are removed.
type Files struct {
	crm.Collection[File]

	core  *crm.Core
	blobs crm.Blobs
	max   int64
}

const (
	// grace is how long a blob may be there before a row refers to it.
	grace = 24 * time.Hour
	// maxUpload is how long contents may take to arrive, so that a sweep never meets a
	// blob whose row is about to be committed.
	maxUpload = 12 * time.Hour

	dropJob  = "file.drop"
	sweepJob = "file.sweep"
)

// addingKey finds in a context that Files.Add writes a file, which nobody else does.
type addingKey struct{}

func (a *Activity) defineFiles() error {
	f := &Files{core: a.core}
	f.blobs, f.max = a.core.Blobs()
	kind, err := crm.Define(a.core, crm.Object[File]{
		Name: "file", BeforeWrite: f.check, AfterWrite: f.purged,
		Timeline: []crm.Appearance{{On: "record_id", Title: "name"}},
	})
	if err != nil {
		return err
	}
	f.Collection = kind.Collection
	a.Files = f
	drop := func(ctx context.Context, _ crm.Job, key string) error { return f.drop(ctx, key) }
	sweep := func(ctx context.Context, _ crm.Job) error { return f.Sweep(ctx) }
	return errors.Join(
		crm.HandleJob(a.core.Jobs, dropJob, drop, crm.Idempotent()), a.core.Jobs.Handle(sweepJob, sweep, crm.Idempotent()),
		a.core.AddPersonalData(crm.PersonalData{
			Name: "files", Erase: f.erase,
			Export: func(context.Context, string, crm.ID, func(any) error) error { return nil }, // the records say it all
		}),
	)
}

// erase has the contents of a file removed whose record is erased, once that is
// committed.
func (f *Files) erase(ctx context.Context, object string, id crm.ID) (int64, error) {
	if object != "file" {
		return 0, nil
	}
	file, err := f.Get(ctx, id, crm.WithDeleted())
	if errors.Is(err, crm.ErrNotFound) { // its contents went when it was purged
		return 0, nil
	}
	if err == nil {
		_, err = f.core.Jobs.Enqueue(ctx, crm.Job{Kind: dropJob, Key: file.Blob, Payload: file.Blob})
	}
	return 1, err
}

// check refuses a file that was not added with its contents, by which one could be made
// of another's.
func (f *Files) check(ctx context.Context, w *crm.Write[File]) error {
	if w.Before == nil && ctx.Value(addingKey{}) == nil {
		return crm.Invalid("blob", "a file is made with its contents: use Files.Add")
	}
	return nil
}

// Add keeps what r gives as a file. Of v it takes Object, RecordID, Name, MediaType
// ("application/octet-stream" without), and the owner and custom fields of its Record.
// More than [crm.Config].MaxBlob bytes are ErrInvalid, and so is what takes longer than
// twelve hours to arrive.
//
// All rights and rules are held before anything is read. In a transaction of the host's
// the file is there with it; contents of one that is rolled back are swept up later.
func (f *Files) Add(ctx context.Context, v File, r io.Reader) (File, error) {
	none := File{}
	switch {
	case f.blobs == nil:
		return none, crm.Invalid("blobs", "there is no place for files: give crm.Config.Blobs")
	case r == nil:
		return none, crm.Invalid("contents", "there are none: give a reader")
	}
	if v.MediaType == "" {
		v.MediaType = "application/octet-stream"
	}
	began := f.core.Now(crm.SystemIn(ctx))
	prefix, err := f.prefix(ctx)
	if err != nil {
		return none, err
	}
	v.Size, v.SHA256, v.Blob = 0, strings.Repeat("0", 2*sha256.Size), blobKey(prefix, began)
	ctx = context.WithValue(ctx, addingKey{}, true)
	if err := f.try(ctx, v); err != nil {
		return none, err
	}
	if err := f.sweepLater(ctx, began); err != nil {
		return none, err
	}
	in := &counted{r: io.LimitReader(r, f.max+1), sum: sha256.New(), max: f.max}
	if err := f.blobs.Put(ctx, v.Blob, in); err != nil {
		return none, err
	}
	if f.core.Now(crm.SystemIn(ctx)).Sub(began) > maxUpload {
		return none, crm.Invalid("contents", "took longer than %s to arrive", maxUpload)
	}
	v.Size, v.SHA256 = in.n, hex.EncodeToString(in.sum.Sum(nil))
	return f.Create(ctx, v)
}

// errTried undoes a file that was made to see whether it may be.
var errTried = errors.New("tried")

// try makes a file and undoes it.
func (f *Files) try(ctx context.Context, v File) error {
	err := f.core.Tx(ctx, func(ctx context.Context) error {
		if _, err := f.Create(ctx, v); err != nil {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

// counted counts and digests what is read, up to a limit.
type counted struct {
	r      io.Reader
	sum    hash.Hash
	n, max int64
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if c.n += int64(n); c.n > c.max {
		return n, crm.Invalid("contents", "have more than the %d bytes that are allowed", c.max)
	}
	return n, err
}

// Open opens the contents of a file. Reading them to the end fails when they are not
// those that were added. Who may read the file may read its contents.
func (f *Files) Open(ctx context.Context, id crm.ID) (File, io.ReadCloser, error) {
	v, err := f.Get(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	if f.blobs == nil {
		return File{}, nil, crm.Invalid("blobs", "there is no place for files: give crm.Config.Blobs")
	}
	whole, err := f.Get(crm.SystemIn(ctx), id) // with the key, which may be hidden
	if err != nil {
		return File{}, nil, err
	}
	r, err := f.blobs.Get(ctx, whole.Blob)
	if err != nil {
		return File{}, nil, err
	}
	return v, &verified{ReadCloser: r, sum: sha256.New(), want: whole.SHA256}, nil
}

// ErrDamaged is that the contents of a file are not those that were added.
var ErrDamaged = errors.New("activity: the contents of the file are not those that were added")

// verified holds contents to their digest.
type verified struct {
	io.ReadCloser

	sum  hash.Hash
	want string
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(v.sum.Sum(nil)) != v.want {
		err = ErrDamaged
	}
	return n, err
}

// purged has the contents of a purged file removed once that is committed.
func (f *Files) purged(ctx context.Context, w *crm.Write[File]) error {
	if w.After != nil {
		return nil
	}
	_, err := f.core.Jobs.Enqueue(crm.SystemIn(ctx), crm.Job{Kind: dropJob, Key: w.Before.Blob, Payload: w.Before.Blob})
	return err
}

func (f *Files) drop(ctx context.Context, key string) error {
	if f.blobs == nil {
		return nil
	}
	return f.blobs.Delete(ctx, key)
}

// sweepLater has the tenant's blobs swept when what is added now is either a file or
// left behind.
func (f *Files) sweepLater(ctx context.Context, now time.Time) error {
	_, err := f.core.Jobs.Enqueue(crm.SystemIn(ctx), crm.Job{Kind: sweepJob, Key: sweepJob, Due: now.Add(grace + time.Hour), Priority: crm.PriorityLow})
	return err
}
