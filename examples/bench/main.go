// Command bench measures what the storage adapters, and crm on them, add to SQL written by hand. It runs both in turns on
// the same database, the same rows and the same connection, and prints one line for each operation:
//
//	engine  operation  ours µs  base µs  ratio  upper bound
//
// The times are medians of one repetition. The ratio is the median of the rounds' ratios, and the bound is the upper end
// of its 95 % confidence interval: below 1.10 it says that a store costs at most a tenth more than the SQL it stands for.
//
// The operations of the CRM layer, whose names begin with crm, stand beside SQL that sends the same statements in as many
// round trips: it reads what crm reads, checks versions and references, and writes the same record, history, outbox and
// index of custom fields. It makes no use of expressions, rights, tags or rules: what those cost is the difference.
//
// Work in the background is measured by the event, job or step, in batches, and its SQL by hand is stricter: a statement for
// each set of rows, which relies on all being of one kind, on a handler that never fails and on nobody else who works there.
// What crm does for each row so that one failure undoes and delays that one alone is the difference.
//
// With -layer peers crm stands beside PocketBase as a library, on SQLite; see peer.go for what the two do not have alike.
//
//	go run ./bench                                       both databases, 100,000 rows
//	go run ./bench -engine sqlite -run 'get|list' -rounds 51
//	go run ./bench -layer crm -run 'crm create'
//	go run ./bench -grow -rows 1000000                   how reading grows from 10,000 rows to a million
//
// Postgres is a private server, or the one of -dsn. The private one does without fsync: where writing costs least, what is
// added to it shows most.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/embedcrm/embedcrm/internal/pgtest"
)

// few is how many customers -grow compares with.
const few = 10_000

type config struct {
	rows, rounds int
	slice        time.Duration
	engine       string
	layer        string
	run          *regexp.Regexp
	grow         bool
}

func main() {
	c := config{slice: 40 * time.Millisecond}
	flag.IntVar(&c.rows, "rows", 100_000, "customers, of ten tenants")
	flag.IntVar(&c.rounds, "rounds", 15, "rounds of each operation, at least 15")
	flag.StringVar(&c.engine, "engine", "all", "sqlite, postgres or all")
	flag.StringVar(&c.layer, "layer", "all", "storage, crm, customers, peers or all (which is without the peers)")
	dsn := flag.String("dsn", "", "a Postgres server to use, as superuser; databases are made there and dropped")
	flag.BoolVar(&c.grow, "grow", false, "compare with 10,000 rows instead: ours is then the larger database, base the small one")
	run := flag.String("run", ".", "operations to run, a regular `expression`")
	profile := flag.String("profile", "", "write a CPU profile to this `file`, labelled with side and operation")
	flag.Parse()

	var err error
	if *dsn != "" {
		err = os.Setenv(pgtest.EnvServer, *dsn)
	}
	if err == nil {
		c.run, err = regexp.Compile(*run)
	}
	if err == nil {
		err = profiled(*profile, c.bench)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled runs fn until it ends or is interrupted, and if the file has a name, writes what it spent its time on there.
func profiled(name string, fn func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if name == "" {
		return fn(ctx)
	}
	file, err := os.Create(name) //nolint:gosec // the user's choice
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = fn(ctx)
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// bench measures and prints.
func (c config) bench(ctx context.Context) error {
	if !slices.Contains([]string{"all", "storage", "crm", "customers", "peers"}, c.layer) {
		return errors.New("a layer is storage, crm, customers or peers")
	}
	if c.rounds < 15 || c.rows < 10*tenants*pageSize {
		return fmt.Errorf("it takes 15 rounds and %d rows at least", 10*tenants*pageSize)
	}
	if c.layer == "peers" {
		return c.peerLayer(ctx, func(format string, args ...any) { fmt.Printf(format, args...) })
	}
	engines := []string{c.engine}
	if c.engine == "all" {
		engines = []string{"sqlite", "postgres"}
	}
	for _, engine := range engines {
		err := c.on(ctx, engine, func(format string, args ...any) { fmt.Printf(format, args...) })
		if errors.Is(err, errAbsent) && c.engine == "all" {
			fmt.Printf("# %s %v\n", engine, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	return nil
}

// on measures on one engine.
func (c config) on(ctx context.Context, engine string, say func(format string, args ...any)) error {
	if c.layer == "all" || c.layer == "storage" {
		if err := c.storageLayer(ctx, engine, say); err != nil {
			return err
		}
	}
	if c.layer == "storage" || c.grow {
		return nil
	}
	if c.layer != "customers" {
		if err := c.crmLayer(ctx, engine, say); err != nil {
			return err
		}
	}
	if c.layer == "crm" {
		return nil
	}
	return c.customersLayer(ctx, engine, say)
}

// storageLayer measures a store beside SQL by hand, or with more rows beside itself with few.
func (c config) storageLayer(ctx context.Context, engine string, say func(format string, args ...any)) error {
	s := newSchema()
	large, err := open(ctx, engine, s, c.rows)
	if err != nil {
		return err
	}
	defer large.close()
	list, other := operations, large
	head := beside
	if c.grow {
		if other, err = open(ctx, engine, s, few); err != nil {
			return err
		}
		defer other.close()
		list, other.base = operations[:2], other.ours
		head = fmt.Sprintf("µs with %d\tµs with %d\tgrowth\tupper bound", c.rows, few)
	}
	c.head(large.database, head, say)
	for _, op := range list {
		ready := func(w *world) func(n int) (func(side, int) error, error) {
			return func(n int) (func(side, int) error, error) { return op.ready(ctx, w, s, n) }
		}
		ours := turns(ctx, op.name, "ours", large.ours, large.database, large.chance, ready(large))
		base := turns(ctx, op.name, "base", other.base, other.database, other.chance, ready(other))
		if err := c.measure(engine, op.name, 1, ours, base, say); err != nil {
			return err
		}
	}
	return nil
}

// crmLayer measures crm beside SQL by hand.
func (c config) crmLayer(ctx context.Context, engine string, say func(format string, args ...any)) error {
	w, err := openCRM(ctx, engine, c.rows)
	if err != nil {
		return err
	}
	defer w.close()
	c.head(w.database, beside, say)
	for _, op := range crmOperations(w) {
		ready := func(n int) (func(crmSide, int) error, error) { return op.ready(ctx, w, n) }
		ours := turns(ctx, op.name, "ours", w.ours, w.database, w.chance, ready)
		base := turns(ctx, op.name, "base", w.base, w.database, w.chance, ready)
		if err := c.measure(engine, op.name, op.each, ours, base, say); err != nil {
			return err
		}
	}
	return c.importLayer(ctx, engine, w, say)
}

// beside heads the figures of a comparison.
const beside = "ours µs\tbase µs\tratio\tupper bound"

func (c config) head(d *database, figures string, say func(format string, args ...any)) {
	say("# %s; %s %s/%s, %d CPUs; %d customers, %d rounds\n",
		d.about, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), c.rows, c.rounds)
	say("# engine\toperation\t%s\n", figures)
}

// measure measures an operation that does so many things, if it is to be.
func (c config) measure(engine, name string, each int, ours, base trial, say func(format string, args ...any)) error {
	if !c.run.MatchString(name) {
		return nil
	}
	f, err := compare(c.rounds, c.slice, ours, base)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	say("%s\t%s\t%s\n", engine, name, f.per(each))
	return nil
}

// turns returns the trial of an operation by one side of a world.
func turns[S any](
	ctx context.Context, name, side string, by S, d *database, dealer *chance, ready func(n int) (func(S, int) error, error),
) trial {
	turn := uint64(0)
	return func(n int) (took time.Duration, err error) {
		dealer.rand, turn = dice(turn), turn+1 // the two sides' turns are at the same rows
		fn, err := ready(n)
		if err != nil {
			return 0, err
		}
		if err := d.settle(ctx); err != nil {
			return 0, err
		}
		pprof.Do(ctx, pprof.Labels("side", side, "operation", name), func(context.Context) {
			took, err = timed(n, func(i int) error { return fn(by, i) })
		})
		return took, err
	}
}
