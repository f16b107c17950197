package activity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/activity"
	"github.com/embedcrm/embedcrm/internal/enginetest"
)

// blobs are the keys of all blobs there are.
func (d *desk) blobs(tb testing.TB) (keys []string) {
	tb.Helper()
	require.NoError(tb, d.config.Blobs.List(tb.Context(), "", func(key string) error {
		keys = append(keys, key)
		return nil
	}))
	return keys
}

func (d *desk) file(ctx context.Context, tb testing.TB, on crm.ID, contents string) activity.File {
	tb.Helper()
	f, err := d.Files.Add(ctx, activity.File{Object: "account", RecordID: on, Name: "offer.pdf", MediaType: "application/pdf"}, strings.NewReader(contents))
	require.NoError(tb, err)
	return f
}

func (d *desk) contents(ctx context.Context, id crm.ID) (string, error) {
	_, r, err := d.Files.Open(ctx, id)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func TestAFileIsKept(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		f := d.file(ctx, t, a.ID, "the offer")
		sum := sha256.Sum256([]byte("the offer"))
		require.Equal(t, hex.EncodeToString(sum[:]), f.SHA256)
		require.EqualValues(t, 9, f.Size)
		text, err := d.contents(ctx, f.ID)
		require.NoError(t, err)
		require.Equal(t, "the offer", text)
		require.Empty(t, enginetest.Need(d.contents(ctx, d.file(ctx, t, a.ID, "").ID))(t), "an empty one")
		page, err := d.Timeline(ctx, "account", a.ID, crm.TimelineFilter{Kinds: []string{"file"}})
		require.NoError(t, err)
		require.Equal(t, "offer.pdf", page.Items[0].Title)

		require.NoError(t, d.Files.Delete(ctx, f.ID))
		_, err = d.contents(ctx, f.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.Files.Restore(ctx, f.ID)
		require.NoError(t, err)
		require.Equal(t, "the offer", enginetest.Need(d.contents(ctx, f.ID))(t))
		require.NoError(t, d.Files.Purge(ctx, f.ID))
		require.NoError(t, d.RunDue(t.Context()))
		require.Len(t, d.blobs(t), 1, "its contents go with it")
		require.NoError(t, d.accounts.Purge(ctx, a.ID))
		require.NoError(t, d.RunDue(t.Context()))
		require.Empty(t, d.blobs(t), "and with what it hangs on")
		d.whole(t)
	})
}

func TestWhatIsNoFile(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		good := activity.File{Object: "account", RecordID: a.ID, Name: "x"}
		for name, change := range map[string]func(f *activity.File){
			"no name":           func(f *activity.File) { f.Name = "" },
			"a path":            func(f *activity.File) { f.Name = "../x" },
			"a path of Windows": func(f *activity.File) { f.Name = `c:\x` },
			"a directory":       func(f *activity.File) { f.Name = ".." },
			"a line break":      func(f *activity.File) { f.Name = "a\nb" },
			"no media type":     func(f *activity.File) { f.MediaType = "pdf" },
			"no record":         func(f *activity.File) { f.RecordID = crm.ID{1} },
		} {
			f := good
			change(&f)
			_, err := d.Files.Add(ctx, f, iotest.ErrReader(errors.New("it was read")))
			require.ErrorIs(t, err, crm.ErrInvalid, name)
		}
		_, err := d.Files.Add(ctx, good, nil)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = d.Files.Add(ctx, good, bytes.NewReader(make([]byte, 1<<20+1)))
		require.ErrorIs(t, err, crm.ErrInvalid, "a byte too many")
		require.ErrorContains(t, err, "1048576")
		_, err = d.Files.Add(ctx, good, bytes.NewReader(make([]byte, 1<<20)))
		require.NoError(t, err)
		broken := errors.New("the line broke")
		_, err = d.Files.Add(ctx, good, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
		_, err = d.Files.Create(ctx, activity.File{Object: "account", RecordID: a.ID, Name: "x", MediaType: "a/b", SHA256: "0", Blob: "x"})
		require.ErrorIs(t, err, crm.ErrInvalid, "a file without contents")
		n, err := d.Files.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		require.Len(t, d.blobs(t), 1)
		late := &slow{d: d}
		_, err = d.Files.Add(ctx, good, late)
		require.ErrorIs(t, err, crm.ErrInvalid, "thirteen hours on the way")
		_, err = d.Files.Update(ctx, crm.ID{1}, func(*activity.File) error { return nil })
		require.ErrorIs(t, err, crm.ErrNotFound)
	})
}

// slow gives its contents after thirteen hours.
type slow struct {
	d    *desk
	done bool
}

func (s *slow) Read([]byte) (int, error) {
	if !s.done {
		s.done = true
		s.d.Clock.Advance(13 * time.Hour)
	}
	return 0, io.EOF
}

func TestFilesWithoutAPlace(t *testing.T) {
	t.Parallel()
	d := openDesk(t, newStore(t), crm.Config{})
	ctx := as(t, "dana")
	a := d.account(ctx, t)
	_, err := d.Files.Add(ctx, activity.File{Object: "account", RecordID: a.ID, Name: "x"}, strings.NewReader(""))
	require.ErrorIs(t, err, crm.ErrInvalid)
	require.NoError(t, d.Files.Sweep(ctx))
}

func TestContentsAreReadUnderTheRecordsRight(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		d.member(t, "dana", crm.Allow(crm.AnyKind, crm.LevelAll)...)
		d.member(t, "rita", crm.Allow("account", crm.LevelAll, crm.VerbRead)...)
		d.member(t, "otto", crm.Allow("account", crm.LevelOwn)...)
		a := d.account(ctx, t)
		f := d.file(ctx, t, a.ID, "the offer")
		require.Equal(t, "the offer", enginetest.Need(d.contents(as(t, "rita"), f.ID))(t))
		_, err := d.contents(as(t, "otto"), f.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		_, err = d.contents(crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"}), f.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		before := len(d.blobs(t))
		for _, who := range []string{"rita", "otto"} {
			_, err := d.Files.Add(as(t, who), activity.File{Object: "account", RecordID: a.ID, Name: "x"}, iotest.ErrReader(errors.New("it was read")))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "it was read", "rights come first")
		}
		require.Len(t, d.blobs(t), before)
	})
}

func TestDamagedContents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blobs, err := activity.NewDirectory(dir)
	require.NoError(t, err)
	d := openDesk(t, newStore(t), crm.Config{Blobs: blobs})
	ctx := as(t, "dana")
	f := d.file(ctx, t, d.account(ctx, t).ID, "the offer")
	require.NoError(t, os.WriteFile(filepath.Join(dir, f.Blob), []byte("the other"), 0o600))
	_, err = d.contents(ctx, f.ID)
	require.ErrorIs(t, err, activity.ErrDamaged)
	require.NoError(t, os.Remove(filepath.Join(dir, f.Blob)))
	_, err = d.contents(ctx, f.ID)
	require.ErrorIs(t, err, crm.ErrNoBlob)
}

// TestWhatWasLeftBehindIsSwept has transactions that are rolled back, and one that is
// not over yet.
func TestWhatWasLeftBehindIsSwept(t *testing.T) {
	onBoth(t, func(ctx context.Context, t *testing.T, d *desk) {
		a := d.account(ctx, t)
		kept, deleted := d.file(ctx, t, a.ID, "kept"), d.file(ctx, t, a.ID, "deleted")
		require.NoError(t, d.Files.Delete(ctx, deleted.ID))
		undone := errors.New("undone")
		require.ErrorIs(t, d.Tx(ctx, func(ctx context.Context) error {
			d.file(ctx, t, a.ID, "undone")
			return undone
		}), undone)
		foreign := crm.As(t.Context(), crm.Actor{Tenant: "other", Member: "dana"})
		theirs := d.file(foreign, t, d.account(foreign, t).ID, "theirs")
		require.Len(t, d.blobs(t), 4)
		d.Clock.Advance(20 * time.Hour)
		fresh := d.file(ctx, t, a.ID, "fresh")
		d.Clock.Advance(6 * time.Hour)
		require.NoError(t, d.RunDue(t.Context()))
		require.Len(t, d.blobs(t), 4)
		require.ElementsMatch(t, []string{kept.Blob, deleted.Blob, theirs.Blob, fresh.Blob}, d.blobs(t))
		for _, f := range []activity.File{kept, fresh} {
			_, err := d.contents(ctx, f.ID)
			require.NoError(t, err)
		}
		d.whole(t)
	})
}

func TestADirectoryHoldsNoOtherKeys(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	dir := filepath.Join(t.TempDir(), "new")
	d, err := activity.NewDirectory(dir)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	for _, key := range []string{"", ".", "..", "../secret", "/etc/passwd", "a/../../secret", "A", "a b", "a\x00", strings.Repeat("x", 101), "a//b", "a.part"} {
		require.ErrorIs(t, d.Put(t.Context(), key, strings.NewReader("")), crm.ErrInvalid, key)
		_, err := d.Get(t.Context(), key)
		require.ErrorIs(t, err, crm.ErrInvalid, key)
		if key != "a.part" { // what was being written is removed
			require.ErrorIs(t, d.Delete(t.Context(), key), crm.ErrInvalid, key)
		}
	}
	_, err = d.Get(t.Context(), "link/secret")
	require.Error(t, err, "a link leads out")
	require.Error(t, d.Put(t.Context(), "link/x", strings.NewReader("")))
	require.Error(t, d.Delete(t.Context(), "link/secret"))
	require.FileExists(t, filepath.Join(outside, "secret"))
	require.NoError(t, d.Put(t.Context(), "a/b/c", strings.NewReader("x")))
	require.Error(t, d.Put(t.Context(), "a/b/c/d", strings.NewReader("x")), "a file is no directory")
	require.NoError(t, d.Delete(t.Context(), "a/b/c"))
	require.NoError(t, d.Delete(t.Context(), "a/b/c"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Put(ctx, "a/d", strings.NewReader("x")), context.Canceled)
	require.NoError(t, d.List(t.Context(), "", errors.New), "nothing is left")
	require.NoError(t, d.Close())
	_, err = activity.NewDirectory(filepath.Join(outside, "secret"))
	require.Error(t, err)
}
