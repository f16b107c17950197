package enginetest

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// fresh is the store of a database that is made when it is first used. If the first
// thing asked of it is to migrate it, it is made as a copy of one that was migrated by
// the same files before, for migrating is most of what a short test costs. Migrate then
// runs all the same, and finds its files applied.
type fresh struct {
	open func(lines []storage.Line) storage.Store // nil is an empty database

	once  sync.Once
	store storage.Store
}

func (f *fresh) get(lines ...storage.Line) storage.Store {
	f.once.Do(func() { f.store = f.open(lines) })
	return f.store
}

func (f *fresh) Migrate(ctx context.Context, lines ...storage.Line) error {
	return f.get(lines...).Migrate(ctx, lines...)
}

func (f *fresh) Read(ctx context.Context, tenant string, q *storage.Query, next func() storage.Row) error {
	return f.get().Read(ctx, tenant, q, next)
}

func (f *fresh) Union(ctx context.Context, tenant string, u *storage.Union, next func() storage.Row) error {
	return f.get().Union(ctx, tenant, u, next)
}

func (f *fresh) Aggregate(ctx context.Context, tenant string, a *storage.Aggregate, next func() storage.Row) error {
	return f.get().Aggregate(ctx, tenant, a, next)
}

func (f *fresh) Write(ctx context.Context, tenant string, changes []storage.Change) error {
	return f.get().Write(ctx, tenant, changes)
}

func (f *fresh) Expand(ctx context.Context, tenant string, e *storage.Expansion) (int64, error) {
	return f.get().Expand(ctx, tenant, e)
}

func (f *fresh) Atomic(ctx context.Context, fn func(storage.Session) error) error {
	return f.get().Atomic(ctx, fn)
}

func (f *fresh) Join(ctx context.Context, tx *sql.Tx) (storage.Session, error) {
	return f.get().Join(ctx, tx)
}

func (f *fresh) Snapshot(ctx context.Context, fn func(storage.Session) error) error {
	return f.get().Snapshot(ctx, fn)
}

func (f *fresh) Claim(ctx context.Context, c *storage.Claim, next func(tenant string) storage.Row) error {
	return f.get().Claim(ctx, c, next)
}

func (f *fresh) Due(ctx context.Context, q storage.Queue, now time.Time) ([]int64, error) {
	return f.get().Due(ctx, q, now)
}

func (f *fresh) Tenants(ctx context.Context, t *storage.Table, after string, limit int, next func(tenant string) storage.Row) error {
	return f.get().Tenants(ctx, t, after, limit, next)
}

func (f *fresh) Script(ctx context.Context, lines ...storage.Line) (string, error) {
	return f.get().Script(ctx, lines...)
}

func (f *fresh) Verify(ctx context.Context, lines ...storage.Line) error {
	return f.get().Verify(ctx, lines...)
}

func (f *fresh) Analyze(ctx context.Context, tables ...*storage.Table) error {
	return f.get().Analyze(ctx, tables...)
}

func (f *fresh) Ping(ctx context.Context) error { return f.get().Ping(ctx) }

func (f *fresh) Close() error { return f.get().Close() }
