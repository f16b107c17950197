package privacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// Access answers a request for access: it writes all that is known of the person, as
// [crm.Core.ExportPerson] does, and notes the SHA-256 and the size of what was written,
// by which that file is known again. It takes the right to export his record. What the
// actor may not read or export is left out, and Outcome says so: a whole answer takes
// [crm.System], or a role with all of it. When it fails, what was written is no answer.
func (r *Requests) Access(ctx context.Context, id crm.ID, w io.Writer, form crm.PersonFormat) (Request, error) {
	kept, err := r.access(ctx, id, w, form)
	return kept, failed("access", "data_request", id, err)
}

func (r *Requests) access(ctx context.Context, id crm.ID, w io.Writer, form crm.PersonFormat) (Request, error) {
	q, person, err := r.ready(ctx, id, Access)
	if err != nil {
		return Request{}, err
	}
	out := &measured{w: w}
	sum := sha256.New()
	done, err := r.core.ExportPerson(crm.Because(ctx, q.cause()), io.MultiWriter(out, sum), q.Object, person, form)
	if err != nil {
		return Request{}, err
	}
	outcome := ""
	if len(done.Withheld) > 0 {
		outcome = clip("withheld: "+strings.Join(done.Withheld, ", "), 2000)
	}
	proof := fmt.Sprintf("%s %s, %s, %d bytes, sha256 %s", q.Object, person, form, out.n, hex.EncodeToString(sum.Sum(nil)))
	return r.close(ctx, id, proof, outcome)
}

// measured counts what is written.
type measured struct {
	w io.Writer
	n int64
}

func (m *measured) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	return n, err
}

// clip is a text of at most n bytes, all ASCII.
func clip(text string, n int) string {
	if len(text) > n {
		return text[:n-3] + "..."
	}
	return text
}

// ready is a request that is to be answered, and the person's record.
func (r *Requests) ready(ctx context.Context, id crm.ID, kind Kind) (q Request, person crm.ID, err error) {
	if q, err = r.opened(ctx, id); err == nil {
		err = q.toAnswer(kind)
	}
	if err == nil {
		person, err = r.person(ctx, &q)
	}
	if err == nil {
		err = r.living(ctx, q.Object, person)
	}
	return q, person, err
}

// act answers a request in one transaction with the note of it: what do does, and the
// proof it returns, stand or fall together. Two who answer one request take turns.
func (r *Requests) act(ctx context.Context, id crm.ID, kind Kind, do func(ctx context.Context, q *Request, person crm.ID) (proof string, err error)) (Request, error) {
	var kept Request
	err := r.core.Tx(ctx, func(ctx context.Context) error {
		if _, err := r.held(ctx, id); err != nil {
			return err
		}
		q, person, err := r.ready(ctx, id, kind)
		if err != nil {
			return err
		}
		proof, err := do(crm.Because(ctx, q.cause()), &q, person)
		if err == nil {
			kept, err = r.close(ctx, id, proof, "")
		}
		return err
	})
	return kept, err
}

// Correct answers a request for correction: fn changes the person's record, which is
// written as any change is, with the request as its cause. The proof is the version that
// made. A function that changes nothing is crm.ErrInvalid. It takes the right to update
// the record; fn may run more than once.
func (r *Requests) Correct(ctx context.Context, id crm.ID, fn func(crm.Values) error) (Request, error) {
	kept, err := r.act(ctx, id, Correct, func(ctx context.Context, q *Request, person crm.ID) (string, error) {
		records, err := r.core.Records(q.Object)
		if err != nil {
			return "", err
		}
		var was any
		is, err := records.Update(ctx, person, func(v crm.Values) error {
			was = v["version"]
			return fn(v)
		})
		if err != nil {
			return "", err
		}
		if is["version"] == was {
			return "", crm.Invalid("values", "are what they were: a correction changes something, and a request that is not right is refused")
		}
		return fmt.Sprintf("%s %s version %d", q.Object, person, is["version"]), nil
	})
	return kept, failed("correct", "data_request", id, err)
}

// Restrict answers a request for restriction by what the kind's module does then:
// [Acts].Restrict. The proof is what that returns.
func (r *Requests) Restrict(ctx context.Context, id crm.ID) (Request, error) {
	kept, err := r.act(ctx, id, Restrict, func(ctx context.Context, q *Request, person crm.ID) (string, error) {
		return q.does("restriction", r.guard.actsOf(q.Object).Restrict)(ctx, person, q.cause())
	})
	return kept, failed("restrict", "data_request", id, err)
}

// Object answers an objection to advertising by what the kind's module does then:
// [Acts].Object. The proof is what that returns.
func (r *Requests) Object(ctx context.Context, id crm.ID) (Request, error) {
	kept, err := r.act(ctx, id, Object, func(ctx context.Context, q *Request, person crm.ID) (string, error) {
		return q.does("objection", r.guard.actsOf(q.Object).Object)(ctx, person, q.cause())
	})
	return kept, failed("object", "data_request", id, err)
}

type act = func(ctx context.Context, id crm.ID, why string) (string, error)

// does is what is done for a request, or what refuses it where nothing is.
func (q *Request) does(what string, fn act) act {
	if fn != nil {
		return fn
	}
	return func(context.Context, crm.ID, string) (string, error) {
		return "", crm.Invalid("object", "there is no %s of records of the kind %s: its module registers none by Privacy.Acts", what, q.Object)
	}
}

// Lift ends the restriction that a request brought about, for a reason; the person is
// told before (GDPR Article 18 (3)), which is the host's. The history of the request calls
// it lifted. One that was lifted, or that restricted nothing, is crm.ErrConflict.
func (r *Requests) Lift(ctx context.Context, id crm.ID, reason string) (Request, error) {
	kept, err := r.lift(ctx, id, reason)
	return kept, failed("lift", "data_request", id, err)
}

func (r *Requests) lift(ctx context.Context, id crm.ID, reason string) (kept Request, err error) {
	if strings.TrimSpace(reason) == "" {
		return kept, crm.Invalid("reason", "is required: say why the restriction ends")
	}
	err = r.core.Tx(ctx, func(ctx context.Context) error {
		if _, err := r.kind.Hold(ctx, id); err != nil {
			return err
		}
		if err := r.May(ctx, crm.VerbUpdate, id); err != nil {
			return err
		}
		q, err := r.Get(crm.SystemIn(ctx), id)
		if err != nil {
			return err
		}
		if q.Kind != Restrict || q.State != Done || !q.Lifted.IsZero() {
			return &crm.ConflictError{Field: "lifted", Reason: "there is no restriction by this request that could be lifted"}
		}
		person, err := r.person(ctx, &q)
		if err != nil {
			return err
		}
		if _, err := q.does("restriction", r.guard.actsOf(q.Object).Lift)(crm.Because(ctx, q.cause()), person, q.cause()); err != nil {
			return err
		}
		kept, err = r.kind.Do(ctx, id, "lifted", func(q *Request) error {
			q.Lifted, q.LiftedFor = r.core.Now(ctx), reason
			return nil
		})
		return err
	})
	return kept, err
}

// Erase answers a request for erasure by [crm.Core.ErasePerson]; the proof is the
// erasure. The request itself loses what it says of the person, and so do his others. If
// the process ends meanwhile, the erasure goes on, and the job that tells of it, or this
// verb called again, notes it. It takes the rights to delete the record and to create
// erasures.
func (r *Requests) Erase(ctx context.Context, id crm.ID) (Request, error) {
	kept, err := r.erasePerson(ctx, id)
	return kept, failed("erase", "data_request", id, err)
}

func (r *Requests) erasePerson(ctx context.Context, id crm.ID) (Request, error) {
	q, err := r.opened(ctx, id)
	if err == nil {
		err = q.toAnswer(Erase)
	}
	if err != nil {
		return Request{}, err
	}
	proof, err := r.erasedFor(ctx, &q)
	if err != nil {
		return Request{}, err
	}
	if proof == "" {
		_, person, err := r.ready(ctx, id, Erase)
		if err != nil {
			return Request{}, err
		}
		e, err := r.core.ErasePerson(ctx, q.Object, person, q.cause())
		if wrong, ok := errors.AsType[*crm.InvalidError](err); ok && wrong.Faults[0].Field == "reason" { // a word of it is a name of his
			e, err = r.core.ErasePerson(ctx, q.Object, person, spaced(id))
		}
		if err != nil {
			return Request{}, err
		}
		proof = erasureProof(e.ID)
	}
	kept, err := r.close(ctx, id, proof, "")
	if errors.Is(err, ErrClosed) { // the subscriber was first
		kept, err = r.Get(crm.SystemIn(ctx), id)
		if err == nil && kept.Proof != proof {
			err = ErrClosed
		}
	}
	return kept, err
}

func erasureProof(id crm.ID) string { return "erasure " + id.String() }

// spaced is an id in groups too short to be part of a name.
func spaced(id crm.ID) string {
	text := hex.EncodeToString(id[:])
	var parts []string
	for ; len(text) > 3; text = text[3:] {
		parts = append(parts, text[:3])
	}
	return strings.Join(append(parts, text), " ")
}

// erasedFor is the proof of an erasure for a request that was not noted, or "".
func (r *Requests) erasedFor(ctx context.Context, q *Request) (string, error) {
	page, err := r.core.Erasures.List(crm.SystemIn(ctx), crm.Where("reason in $1", []string{q.cause(), spaced(q.ID)}), crm.Limit(1))
	if err != nil || len(page.Items) == 0 {
		return "", err
	}
	return erasureProof(page.Items[0].ID), nil
}

// erased notes an erasure for a request, should the process that asked for it have ended.
func (r *Requests) erased(ctx context.Context, event crm.Event) error {
	e, err := r.core.Erasures.Get(ctx, event.Record)
	if errors.Is(err, crm.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := crm.ParseID(strings.ReplaceAll(strings.TrimPrefix(e.Reason, "data request "), " ", ""))
	if err != nil { // it was for something else
		return nil //nolint:nilerr // see above
	}
	q, err := r.Get(ctx, id)
	if errors.Is(err, crm.ErrNotFound) {
		return nil
	}
	if err == nil && q.Kind == Erase && q.State == Verified {
		_, err = r.close(ctx, id, erasureProof(e.ID), "")
	}
	return err
}
