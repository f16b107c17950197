package privacy

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// Verify notes that somebody looked who asks, and how: "showed his passport at the desk".
// Without it nothing is answered. It takes that the record is named.
func (r *Requests) Verify(ctx context.Context, id crm.ID, how string) (Request, error) {
	kept, err := r.verify(ctx, id, crm.ActorOf(ctx), how, nil)
	return kept, failed("verify", "data_request", id, err)
}

// verify notes who looked; may is asked of the request as it is then.
func (r *Requests) verify(ctx context.Context, id crm.ID, by, how string, may func(*Request) error) (Request, error) {
	if strings.TrimSpace(how) == "" {
		return Request{}, crm.Invalid("how", "is required: say how it is known who asks")
	}
	if _, err := r.opened(ctx, id); err != nil {
		return Request{}, err
	}
	return r.kind.Do(ctx, id, "verified", func(q *Request) error {
		switch {
		case q.State == Verified:
			return ErrVerified
		case q.State != Open:
			return ErrClosed
		case q.RecordID.IsZero():
			return ErrUnknown
		}
		if may != nil {
			if err := may(q); err != nil {
				return err
			}
		}
		q.State, q.Checked, q.CheckedBy, q.CheckedHow = Verified, r.core.Now(ctx), by, how
		return nil
	})
}

// Challenge is a question whether somebody reads at an address.
type Challenge struct {
	// Token answers it, once, until Expires: see [Requests.Confirm].
	Token   string
	Expires time.Time
	// Address is where it is sent, and nowhere else.
	Address crm.Address
}

const (
	challengePurpose = "data request"
	challengeFor     = 7 * 24 * time.Hour
)

var errToken = crm.Invalid("token", "is none that this CRM gave out, or what it is about is gone")

// Token returns a token that shows who asks: the host sends it to an address by which the
// person is known, in a link to a page with a button. It is good for seven days. Another
// address than one of the record's is crm.ErrInvalid, so that nobody is known by one he
// just gave. It takes the right to read the record.
func (r *Requests) Token(ctx context.Context, id crm.ID, address crm.Address) (Challenge, error) {
	c, err := r.token(ctx, id, address)
	return c, failed("token", "data_request", id, err)
}

func (r *Requests) token(ctx context.Context, id crm.ID, address crm.Address) (Challenge, error) {
	q, err := r.opened(ctx, id)
	switch {
	case err != nil:
		return Challenge{}, err
	case q.State == Verified:
		return Challenge{}, ErrVerified
	case q.RecordID.IsZero():
		return Challenge{}, ErrUnknown
	}
	records, err := r.core.Records(q.Object)
	if err != nil {
		return Challenge{}, err
	}
	if err := records.May(ctx, crm.VerbRead, q.RecordID); err != nil {
		return Challenge{}, err
	}
	known, err := r.addresses(ctx, &q)
	if err != nil {
		return Challenge{}, err
	}
	i := slices.IndexFunc(known, func(a crm.Address) bool { return a.Same(address) })
	if i < 0 {
		return Challenge{}, crm.Invalid("address", "is none by which the person is known")
	}
	c := Challenge{Address: known[i], Expires: r.core.Now(crm.SystemIn(ctx)).Add(challengeFor)}
	c.Token, err = r.core.SealToken(ctx, challengePurpose, challenge(&q, c.Address), c.Expires)
	return c, err
}

// challenge is what a token says: the request, the record, and a digest of the address.
func challenge(q *Request, a crm.Address) []byte {
	of := sha256.Sum256([]byte(a.Key()))
	return slices.Concat(q.ID[:], q.RecordID[:], of[:])
}

// addresses are those of the record a request is about by now.
func (r *Requests) addresses(ctx context.Context, q *Request) ([]crm.Address, error) {
	of := r.guard.actsOf(q.Object).Addresses
	if of == nil {
		return nil, crm.Invalid("object", "no addresses are known of records of the kind %s: look who asks by other means, and Verify", q.Object)
	}
	id, err := r.person(ctx, q)
	if err != nil {
		return nil, err
	}
	return of(crm.SystemIn(ctx), id)
}

// Confirm notes that a person answered by the token that was sent to him: it is he who
// asks. It needs no scope, and no member's rights. A token that was not given out or has
// expired is crm.ErrInvalid, one that was used [ErrVerified] or [ErrClosed], and one for
// another record, or for an address that is the person's no more, [ErrOther]. Call it for
// a press of a button and not for the mere opening of a link, which programs do too.
func (r *Requests) Confirm(ctx context.Context, token string) (Request, error) {
	kept, err := r.confirm(ctx, token)
	return kept, failed("confirm", "data_request", kept.ID, err)
}

func (r *Requests) confirm(ctx context.Context, token string) (Request, error) {
	tenant, data, err := r.core.OpenToken(ctx, challengePurpose, token)
	if err != nil {
		return Request{}, err
	}
	if len(data) != 32+sha256.Size {
		return Request{}, errToken
	}
	ctx = crm.System(ctx, tenant)
	id := crm.ID(data[:16])
	q, err := r.Get(ctx, id)
	if errors.Is(err, crm.ErrNotFound) {
		err = errToken
	}
	if err != nil {
		return Request{}, err
	}
	if !q.open() {
		return Request{}, ErrClosed
	}
	known, err := r.addresses(ctx, &q)
	if err != nil {
		return Request{}, err
	}
	i := slices.IndexFunc(known, func(a crm.Address) bool { return string(challenge(&q, a)) == string(data) })
	if i < 0 {
		return Request{}, ErrOther
	}
	return r.verify(ctx, id, "token", "answered by a token sent to an address of the kind "+string(known[i].Kind), func(is *Request) error {
		if is.RecordID != q.RecordID {
			return ErrOther
		}
		return nil
	})
}
