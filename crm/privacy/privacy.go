package privacy

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Privacy is what persons ask of a tenant about their data, and who reads it.
type Privacy struct {
	// Requests are what persons ask.
	Requests *Requests
	// Alarms are exports that were out of the ordinary.
	Alarms *Alarms

	core     *crm.Core
	policy   func(tenant string) Policy
	readings *crm.Ledger[Reading]
	batches  *crm.Ledger[batch]

	mu   sync.Mutex // guards acts until Migrate
	acts map[string]Acts
}

// Acts are what the module of a kind of record does for persons its records are of. Each
// may be nil: a request for it is then refused, and says so. They are called with the
// context of whoever answers the request, and look at his rights. The text why says what
// it is done for, without naming the person. What they return names what shows that it
// was done, as in "suppression 0198c0de-…", and has nothing of the person.
type Acts struct {
	// Restrict has a person's record kept and not used, until Lift.
	Restrict func(ctx context.Context, id crm.ID, why string) (proof string, err error)
	Lift     func(ctx context.Context, id crm.ID, why string) (proof string, err error)
	// Object ends what is done with it for advertising.
	Object func(ctx context.Context, id crm.ID, why string) (proof string, err error)
	// Addresses are those by which the person is known: a token sent to one of them
	// shows who asks. See [Requests.Token].
	Addresses func(ctx context.Context, id crm.ID) ([]crm.Address, error)
}

//go:embed migrations
var migrations embed.FS

// New defines privacy on a core, before its Migrate.
func New(core *crm.Core) (*Privacy, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	p := &Privacy{core: core, acts: map[string]Acts{}}
	for _, define := range []func() error{p.defineRequests, p.defineReadings, p.defineAlarms} {
		if err := define(); err != nil {
			return nil, err
		}
	}
	core.AddLine(storage.Line{Name: "privacy", Files: files, Needs: map[string]int{"crm": 10}})
	return p, nil
}

// Acts admits requests about records of a kind, and says what is done for the persons
// they are of, before the core's Migrate. Called again it replaces what it said.
func (p *Privacy) Acts(object string, acts Acts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acts[object] = acts
}

func (p *Privacy) actsOf(object string) Acts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acts[object]
}

// admits reports whether there are requests about records of a kind.
func (p *Privacy) admits(object string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.acts[object]
	return known
}

// Why a request is not answered. All are also [crm.ErrConflict].
var (
	// ErrUnverified is that nobody looked yet who asks.
	ErrUnverified = fmt.Errorf("%w: nobody looked yet who asks", crm.ErrConflict)
	// ErrVerified is that somebody did already.
	ErrVerified = fmt.Errorf("%w: who asks is known already", crm.ErrConflict)
	// ErrClosed is a request that was done or refused.
	ErrClosed = fmt.Errorf("%w: the request is closed", crm.ErrConflict)
	// ErrUnknown is a request of which nobody said yet which record it is about.
	ErrUnknown = fmt.Errorf("%w: it is not known whom it is about", crm.ErrConflict)
	// ErrErased is a request about a record whose person was erased, and of whom nothing
	// was recorded since.
	ErrErased = fmt.Errorf("%w: the person was erased", crm.ErrConflict)
	// ErrOther is a token that was given out for another record, or for an address by
	// which the person is known no more.
	ErrOther = fmt.Errorf("%w: the token is about another record or address than the request by now", crm.ErrConflict)
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
