package pool

import (
	"context"
	"embed"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Pool is where records of one kind wait that nobody owns, and the rules by which they
// come and go. Conditions are in the language of docs/expressions.md, and are asked as the
// tenant's own.
type Pool struct {
	crm.Record

	// Name is what it is called; the history of what comes and goes names it.
	Name string `crm:"required,max=100,unique" json:"name"`
	// Object is the kind of record. It never changes.
	Object string `crm:"required,max=48" json:"object"`
	// Where is which records without an owner are in it: "region == 'North'". Empty: all.
	Where string `crm:"max=4000" json:"where,omitempty"`
	// TeamIDs and MemberIDs say who may see and claim what is in it: the members of these
	// teams and of the teams below them, and these members, at most 200 of each. With
	// neither it is every active member. Whoever it is, his roles must let him read records
	// of the kind, at whatever level.
	TeamIDs   []crm.ID `crm:"json" json:"team_ids,omitempty"`
	MemberIDs []crm.ID `crm:"json" json:"member_ids,omitempty"`
	// Show are the fields they see, and Mask those of text that they see in part, by
	// [crm.Mask]. Of any other there is no sign.
	Show []string `json:"show,omitempty"`
	Mask []string `json:"mask,omitempty"`
	// MaxHeld is how many records for which Where holds a member may own at once and claim
	// another one; 0: any number. With Counted, those count for which it holds too:
	// "none(deals, .status == 'won')".
	MaxHeld int64  `json:"max_held,omitempty"`
	Counted string `crm:"max=4000" json:"counted,omitempty"`
	// MaxPerDay is how many a member may claim on a day of the tenant's zone; 0: any number.
	MaxPerDay int64 `json:"max_per_day,omitempty"`
	// BanDays is for how many days a member cannot claim what he returned, or lost; 0: none.
	BanDays int64 `json:"ban_days,omitempty"`
	// RecycleDays is after how many days without a follow-up an owner loses a record for
	// which Where holds; 0: never. FollowedUp says what a follow-up is: that there was one
	// since the time $1, as in "any(interactions, .at >= $1) or any(deals, .status == 'open')".
	RecycleDays int64  `json:"recycle_days,omitempty"`
	FollowedUp  string `crm:"max=4000" json:"followed_up,omitempty"`
	// WarnDays is how many days before that the owner is warned, by the event
	// pool_move.warned; 0: he is not.
	WarnDays int64 `json:"warn_days,omitempty"`
	// Protected is which records are never recycled. See also [Pools.Protect].
	Protected string `crm:"max=4000" json:"protected,omitempty"`
	// RecycleFrom is the time from which on days are counted, for what lay before it; zero
	// is when RecycleDays was set.
	RecycleFrom time.Time `json:"recycle_from,omitzero"`
	// Off says that it rests: nothing is claimed, returned or recycled.
	Off bool `json:"off,omitempty"`
}

// Pools are a tenant's pools. To make or change one takes the right to update every role,
// since it opens records to those whose roles do not.
type Pools struct {
	crm.Collection[Pool]

	// Reasons are why records are returned.
	Reasons *Reasons
	// Moves are what came and went.
	Moves *Moves

	core  *crm.Core
	moves *crm.Kind[Move]
	seats *crm.Ledger[seat]

	mu    sync.Mutex // guards kinds until Migrate
	kinds []string
}

// seat is a member at a pool: his claims take turns at it, so that no two of them pass
// one limit together.
type seat struct {
	PoolID   crm.ID    `crm:"required,ref=pool" json:"pool_id"`
	MemberID crm.ID    `crm:"required"          json:"member_id"`
	At       time.Time `crm:"required"          json:"at"` // of the last one
}

//go:embed migrations
var migrations embed.FS

// recycleJob is the kind of the jobs that recycle, and the name of their schedule.
const recycleJob = "pool.recycle"

// New defines pools on a core, before its Migrate, for records of the given kinds; see
// [Pools.Admit].
func New(core *crm.Core, kinds ...string) (*Pools, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	p := &Pools{core: core}
	for _, define := range []func() error{p.definePools, p.defineReasons, p.defineMoves} {
		if err := define(); err != nil {
			return nil, err
		}
	}
	core.AddLine(storage.Line{Name: "pool", Files: files, Needs: map[string]int{"crm": 10}})
	core.Fields.UsedBy(p.using)
	p.Admit(kinds...)
	return p, core.Jobs.Handle(recycleJob, func(ctx context.Context, _ crm.Job) error {
		_, err := p.Recycle(ctx)
		return err
	}, crm.Idempotent())
}

// Admit lets records of further kinds be pooled, before the core's Migrate. They are kinds
// whose records go by their owner, and belong to no other record.
func (p *Pools) Admit(kinds ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kinds = append(p.kinds, kinds...)
}

func (p *Pools) definePools() error {
	kind, err := crm.Define(p.core, crm.Object[Pool]{Name: "pool", BeforeWrite: p.check, AfterWrite: p.schedule})
	if err != nil {
		return err
	}
	p.Collection = kind.Collection
	p.seats, err = crm.DefineLedger[seat](p.core, crm.LedgerOf[seat]{Name: "pool_seat", Key: []string{"pool_id", "member_id"}})
	return err
}

// records are those that a pool is of.
func (p *Pools) records(object string) (*crm.Records, error) {
	p.mu.Lock()
	known := slices.Contains(p.kinds, object)
	p.mu.Unlock()
	if !known {
		return nil, crm.Invalid("object", "there are no pools of %q: Pools.Admit admits kinds of records", object)
	}
	return p.core.Records(object)
}

// Mine returns the pools in which the actor may claim, by name, at most 1,000. It takes no right to read
// pools.
func (p *Pools) Mine(ctx context.Context) ([]Pool, error) {
	mine, err := p.mine(ctx)
	return mine, failed("list", "pool", crm.ID{}, err)
}

func (p *Pools) mine(ctx context.Context) (mine []Pool, err error) {
	me, err := p.me(ctx)
	if err != nil {
		return nil, err
	}
	page, err := p.List(crm.SystemIn(ctx), crm.Where("not off"), crm.OrderBy("name"), crm.Limit(crm.MaxPage))
	if err != nil {
		return nil, err
	}
	teams, err := p.teams(ctx, me)
	if err != nil {
		return nil, err
	}
	for _, pool := range page.Items {
		records, err := p.records(pool.Object)
		if err != nil {
			return nil, err
		}
		if pool.admits(me, teams) && records.May(ctx, crm.VerbRead) == nil {
			mine = append(mine, pool)
		}
	}
	return mine, nil
}

// admits reports whether a member, who is in the teams and below them, may claim.
func (p *Pool) admits(m crm.Member, teams []crm.ID) bool {
	return len(p.TeamIDs)+len(p.MemberIDs) == 0 || slices.Contains(p.MemberIDs, m.ID) ||
		slices.ContainsFunc(p.TeamIDs, func(id crm.ID) bool { return slices.Contains(teams, id) })
}
