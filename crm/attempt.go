package crm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	// defaultAttempts is how often a handler is called before it is given up: over
	// about six hours.
	defaultAttempts = 12
	firstBackoff    = 10 * time.Second
	longestBackoff  = 6 * time.Hour

	// workLease is five times the largest difference of clocks that costs nothing. A
	// larger one costs work done twice, and thrown away the second time.
	workLease = 5 * time.Minute

	// elsewhere is when work is looked at again that another version of the host's
	// program knows how to do.
	elsewhere = time.Minute

	maxErrorText = 1000 // bytes of a handler's error that are kept
)

// backoff is how long to wait after the n-th failed attempt: ten seconds, doubled each
// time up to six hours, a fifth more or less so that what failed together does not
// come back together. It depends on nothing but its arguments.
func backoff(id uuid.UUID, n int64) time.Duration {
	d := longestBackoff
	if n < 12 {
		d = min(d, firstBackoff<<max(n-1, 0))
	}
	h := fnv.New32a()
	_, _ = h.Write(binary.BigEndian.AppendUint64(id[:], uint64(n)))
	spread := int64(d) / 5
	return d + time.Duration(int64(h.Sum32())%(2*spread+1)-spread).Truncate(time.Microsecond)
}

// permanentError is an error that another attempt will not mend.
type permanentError struct{ err error }

func (p permanentError) Error() string { return p.err.Error() }
func (p permanentError) Unwrap() error { return p.err }

// Permanent says that another attempt would fail as well: what a handler returns it
// for is given up at once. A nil err stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

func isPermanent(err error) bool {
	_, ok := errors.AsType[permanentError](err)
	return ok
}

// errorText is what is kept of a handler's error.
func errorText(err error) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "")
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	if text == "" {
		text = "an error without text"
	}
	return text
}

// call runs a handler. Its panic is an error, of which only the place is logged.
func (c *Core) call(ctx context.Context, what string, id ID, fn func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.cfg.Logger.LogAttrs(ctx, slog.LevelError, "crm: a handler panicked",
				slog.String("handler", what), slog.String("id", id.String()), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return fn(ctx)
}

// inside runs a handler as a part of a transaction: what it wrote is undone when it
// fails. fatal is an error of the transaction itself.
func (c *Core) inside(ctx context.Context, what string, id ID, fn func(context.Context) error) (failed, fatal error) {
	err := c.atomic(ctx, func(ctx context.Context) error { return c.call(ctx, what, id, fn) })
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, ErrRetry), errors.Is(err, ErrTxLost):
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return err, nil
}

// maxChain is how long a chain of causes may be: an event whose handler changed a
// record, whose event's handler changed a record …
const maxChain = 32

// chained is the cause that what a handler does names: "event:ID", "job:ID" or "process:ID", and
// behind it how many events led here, each by the handler of the one before.
func chained(kind string, id ID, cause string) string {
	n := chain(cause)
	if kind == "event" {
		n++
	}
	text := kind + ":" + id.String()
	if kind == "event" && n > 1 || kind != "event" && n > 0 {
		text += "#" + strconv.Itoa(n)
	}
	return text
}

// chain is how many events led to what names a cause; 0 for one the kernel did not
// give.
func chain(cause string) int {
	event := strings.HasPrefix(cause, "event:")
	if !event && !strings.HasPrefix(cause, "job:") && !strings.HasPrefix(cause, "process:") {
		return 0
	}
	if _, place, ok := strings.Cut(cause, "#"); ok {
		if n, err := strconv.Atoi(place); err == nil && n > 0 {
			return n
		}
	}
	if event {
		return 1
	}
	return 0
}

// errChain is what becomes of an event at the end of a long chain.
func errChain() error {
	return Permanent(fmt.Errorf("a chain of %d events led here, each made by the handler of the one before: "+
		"look whether handlers set each other off, and retry it if they do not", maxChain))
}

// orNever is a time, or absent.
func orNever(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// retried returns when the n-th failed attempt is followed by another, or a zero time.
func retried(now time.Time, id uuid.UUID, n, most int64, err error) time.Time {
	if n >= most || isPermanent(err) {
		return time.Time{}
	}
	return now.Add(backoff(id, n))
}
