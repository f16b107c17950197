package crm

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/embedcrm/embedcrm/storage"
)

// Config is what can be chosen about a [Core]. The zero Config works.
type Config struct {
	// Clock tells the time; nil is [SystemClock].
	Clock Clock
	// Logger hears of what fails in the background, by ids and kinds, never values;
	// nil is silence.
	Logger *slog.Logger
	// Policy decides over rights instead of the roles a tenant keeps; nil is roles.
	Policy Policy
	// StrictTenants refuses work for a tenant that Tenants.Ensure was not called
	// for. Otherwise a tenant comes to be with its first write.
	StrictTenants bool
	// SortLimit is how many records may be sorted by a field without an index, a
	// reference or a custom field that is not indexed; 0 is 50,000. A list of more is
	// ErrInvalid.
	SortLimit int
	// RightsLag is how long a change of rights or of custom fields made by another
	// process may go unnoticed; 0 is a second, negative looks at every call. A change
	// made through this Core holds at once.
	RightsLag time.Duration
	// Poll is how often a worker in the background looks for what other processes
	// wrote and for what has come due; 0 is a second.
	Poll time.Duration
	// Workers is how many goroutines [Core.Run] and [Core.Start] work in; 0 is 2.
	Workers int
	// Blobs is where the contents of files are kept; nil: there are no files. MaxBlob is
	// how many bytes one may have; 0 is 100 MiB.
	Blobs   Blobs
	MaxBlob int64
	// Readings returns further words by which a text is found: how it is read in
	// another script, as crm/pinyin does for Chinese. It must return the same for the
	// same text; after it was changed, [Core.Reindex] makes it hold for the records
	// there are. Nil is none.
	Readings func(text string) []string
	// Phones brings a phone number to the one form in which it is kept, E.164, as
	// crm/phone does. The region is that of numbers without a country's code, by
	// ISO 3166-1, or empty. Its error, an [Invalid] one, says what is wrong with the
	// number. Nil is the form of [ParseAddress], which knows no numbering plans.
	Phones func(number, region string) (string, error)
	// Cipher keeps the values of protected fields from who has the database and not the
	// keys, as crm/fieldcrypt does. Nil: no field may be protected.
	Cipher Cipher
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.SortLimit == 0 {
		c.SortLimit = 50_000
	}
	if c.RightsLag == 0 {
		c.RightsLag = time.Second
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.MaxBlob <= 0 {
		c.MaxBlob = 100 << 20
	}
	if c.Workers <= 0 {
		c.Workers = 2
	}
	return c
}

// Core is the kernel on one store: the kinds of records defined on it, and what
// all of them share. It is safe for any number of goroutines once all kinds are
// defined.
type Core struct {
	background

	// Tenants are whom records belong to.
	Tenants *Tenants
	// Members, Teams, Roles and Shares are who may do what.
	Members *Members
	Teams   *Teams
	Roles   *Roles
	Shares  *Shares
	// Fields are what tenants add to kinds of records, Rules what they ask of records.
	Fields *Fields
	Rules  *Collection[Rule]
	// Subscriptions are the handlers of events.
	Subscriptions *Subscriptions
	// Jobs is work done later.
	Jobs *Jobs
	// Erasures are the proofs that persons were erased.
	Erasures *Erasures
	// Retentions are rules of how long records are kept.
	Retentions *Retentions
	// Processes are steps that records go through, Instances those that run.
	Processes *Processes
	Instances *Instances

	store storage.Store
	cfg   Config
	ids   ids

	expressions expressions

	mu       sync.Mutex // guards the registry until it is sealed
	objects  map[string]*object
	order    []*object // as they were defined
	ledgers  []*object // the same
	own      int       // how many kinds of order, the first, are the kernel's
	lines    []storage.Line
	seeds    []func(context.Context) error
	checks   []func(context.Context, func(string, ID, string)) error
	watchers []watcher // told what actors read
	sealed   atomic.Bool
	rights   rightsCache
	bounds   searchBounds

	protections map[string]*protecting // by kind of record, once the registry is sealed
}

//go:embed migrations
var migrations embed.FS

// New returns a Core on a store. Nothing is read or written: see [Core.Migrate].
func New(store storage.Store, cfg Config) (*Core, error) {
	if store == nil {
		return nil, failed("new", "", ID{}, Invalid("store", "no store is given: open one with storage/sqlite or storage/postgres"))
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	c := &Core{
		store:   store,
		cfg:     cfg.withDefaults(),
		objects: map[string]*object{},
		bounds:  defaultSearchBounds(),
		lines:   []storage.Line{{Name: "crm", Files: files}},
	}
	if cfg.Cipher != nil {
		c.store = &vault{store, c}
	}
	c.wake = make(chan struct{}, 1)
	c.Tenants = newTenants(c)
	if err := c.defineRights(); err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	if err := c.defineFields(); err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	c.defineRelay()
	c.defineSubscriptions()
	c.defineJobs()
	c.defineSchedules()
	if err := c.defineBackfill(); err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	if err := c.definePrivacy(); err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	if err := c.defineReseal(); err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	if err := c.defineProcesses(); err != nil {
		return nil, failed("new", "", ID{}, err)
	}
	c.own = len(c.order)
	return c, nil
}

// Migrate brings the database to what the defined kinds of records need. Any
// number of processes may call it at once. After it no kind can be defined.
func (c *Core) Migrate(ctx context.Context) error {
	lines, err := c.seal()
	if err == nil {
		err = c.store.Migrate(ctx, lines...)
	}
	return failed("migrate", "", ID{}, err)
}

// MigrationScript returns, as SQL for another migration tool, what Migrate would
// do now. Empty: nothing.
func (c *Core) MigrationScript(ctx context.Context) (string, error) {
	lines, err := c.seal()
	if err != nil {
		return "", failed("migrate", "", ID{}, err)
	}
	script, err := c.store.Script(ctx, lines...)
	return script, failed("migrate", "", ID{}, err)
}

// Verify reports as storage.ErrVersion that the database is not migrated, or past
// what this library can read.
func (c *Core) Verify(ctx context.Context) error {
	lines, err := c.seal()
	if err == nil {
		err = c.store.Verify(ctx, lines...)
	}
	return failed("verify", "", ID{}, err)
}

// seal ends the registry: references are resolved, once.
func (c *Core) seal() ([]storage.Line, error) {
	if c.sealed.Load() {
		return c.lines, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sealed.Load() {
		if err := c.resolve(); err != nil {
			return nil, err
		}
		if err := c.resolveSubscriptions(); err != nil {
			return nil, err
		}
		c.sealed.Store(true)
	}
	return c.lines, nil
}

// ready reports whether the kinds of records are complete.
func (c *Core) ready() error {
	_, err := c.seal()
	return err
}

// Seed registers what a tenant is given when it comes to be, in the transaction
// that makes it. Modules call it when they are made, before Migrate: a default
// pipeline.
func (c *Core) Seed(fn func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seeds = append(c.seeds, fn)
}

// AddLine registers a module's migrations, before Migrate.
func (c *Core) AddLine(line storage.Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

// Tables returns the tables of all kinds of records and ledgers, as storage knows them: for
// tools that look at the schema.
func (c *Core) Tables() ([]*storage.Table, error) {
	if err := c.ready(); err != nil {
		return nil, failed("tables", "", ID{}, err)
	}
	tables := []*storage.Table{
		tenantTable, eventTable, outboxTable, refTable, indexTable,
		logTable, headTable, sealTable, tombstoneTable, subscriptionTable, heldTable,
		jobTable, scheduleTable, searchTable,
		instanceTable, waitTable, visitTable,
		mergeTable, partTable, moveTable, mergeRowTable,
	}
	for _, o := range append(slices.Clone(c.order), c.ledgers...) {
		tables = append(tables, o.table)
	}
	return tables, nil
}
