package crm

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// Buckets is how many shares the work of all tenants is divided into. Each tenant
// belongs to one, and a worker takes work bucket by bucket.
const Buckets = 64

// Tenants is the registry of those whom records belong to.
type Tenants struct {
	core  *Core
	known sync.Map // key to *tenant, of those whose row was committed
}

// tenant is a row of the registry.
type tenant struct {
	bucket  int64
	created time.Time
	secret  []byte // seals cursors
	rights  int64  // goes up with every change of rights
	zone    string // see [Tenants.SetZone]; read when rights are, not kept here
	erased  *bool  // whether a person was erased; likewise
}

//nolint:gochecknoglobals // a constant, which an adapter knows by its address
var tenantTable = &storage.Table{Name: "tenant", Columns: []storage.Column{
	{Name: "bucket", Kind: storage.Int},
	{Name: "created", Kind: storage.Time},
	{Name: "secret", Kind: storage.Bytes},
	{Name: "rights", Kind: storage.Int},
	{Name: "zone", Kind: storage.Text, Null: true},
	{Name: "erased", Kind: storage.Bool, Null: true},
}}

func (t *tenant) Value(i int) any {
	if i == 5 {
		if t.erased == nil {
			return nil
		}
		return *t.erased
	}
	return [...]any{t.bucket, t.created, t.secret, t.rights, orAbsent(t.zone)}[i]
}

func (t *tenant) Dest(i int) any {
	return [...]any{&t.bucket, &t.created, &t.secret, &t.rights, &t.zone, &optionalInto[bool]{&t.erased}}[i]
}

func newTenants(c *Core) *Tenants { return &Tenants{core: c} }

// Ensure makes a tenant if it is not there, with what the modules give a new one.
// It is idempotent, and without Config.StrictTenants runs by itself with a
// tenant's first write. The key is the host's own.
func (ts *Tenants) Ensure(ctx context.Context, key string) error {
	if err := storage.CheckTenant(key); err != nil {
		return failed("ensure", "tenant", ID{}, err)
	}
	_, err := ts.ensure(ctx, key)
	return failed("ensure", "tenant", ID{}, err)
}

// List returns the keys of the tenants greater than after, at most limit, in
// order. It is the host's alone: it needs no scope, and serves none.
func (ts *Tenants) List(ctx context.Context, after string, limit int) ([]string, error) {
	var keys []string
	err := ts.core.store.Tenants(ctx, tenantTable, after, limit, func(key string) storage.Row {
		keys = append(keys, key)
		return &tenant{}
	})
	return keys, failed("list", "tenant", ID{}, err)
}

// of returns a tenant for reading: nil when it is not there, which is no error, for
// it then simply has no records.
func (ts *Tenants) of(ctx context.Context, key string) (*tenant, error) {
	if t, ok := ts.known.Load(key); ok {
		return t.(*tenant), nil //nolint:errcheck // of this type alone
	}
	if t := ts.core.tx(ctx); t != nil {
		if made := t.made[key]; made != nil {
			return made, nil
		}
	}
	found, err := ts.read(ctx, key)
	if err == nil && found != nil {
		ts.known.Store(key, found) // nothing in this transaction made it, so it was committed
	}
	return found, err
}

func (ts *Tenants) read(ctx context.Context, key string) (*tenant, error) {
	var t *tenant
	err := ts.core.session(ctx).Read(ctx, key, &storage.Query{Table: tenantTable, Limit: 1}, func() storage.Row {
		t = &tenant{}
		return t
	})
	return t, err
}

// forWrite returns the tenant of a call that writes.
func (ts *Tenants) forWrite(ctx context.Context, key string) (*tenant, error) {
	t, err := ts.of(ctx, key)
	if err != nil || t != nil {
		return t, err
	}
	if ts.core.cfg.StrictTenants {
		return nil, Invalid("tenant", "there is no tenant of this key: call Tenants.Ensure first")
	}
	return ts.ensure(ctx, key)
}

func (ts *Tenants) ensure(ctx context.Context, key string) (*tenant, error) {
	t, err := ts.of(ctx, key)
	if err != nil || t != nil {
		return t, err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	made := &tenant{bucket: bucketOf(key), created: ts.core.now(), secret: secret}
	err = ts.core.atomic(ctx, func(ctx context.Context) (err error) {
		rows := append([]storage.Change{{Action: storage.Insert, Table: tenantTable, Row: made}}, ts.core.firstSubscriptions(key)...)
		if err = ts.core.session(ctx).Write(ctx, key, rows); err != nil {
			return err
		}
		in := ts.core.tx(ctx)
		in.made[key] = made
		defer func() {
			if err != nil {
				delete(in.made, key)
			}
		}()
		for _, seed := range ts.core.seeds {
			if err := seed(System(ctx, key)); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, ErrConflict) { // somebody else was first
		return ts.read(ctx, key)
	}
	return made, err
}

// committed makes known what came to be in a transaction.
func (ts *Tenants) committed(t *tx) {
	for key, made := range t.made {
		ts.known.Store(key, made)
	}
}

func bucketOf(key string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int64(h.Sum32() % Buckets)
}
