package pool_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/pool"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// client is a kind that is pooled, visit one that hangs on it, and offer one that refers to it.
type client struct {
	crm.Record

	Name   string `crm:"required,max=200,search,personal" json:"name"`
	Region string `crm:"max=20"                           json:"region,omitempty"`
	Phone  string `crm:"max=50,search,personal"           json:"phone,omitempty"`
	Email  string `crm:"max=254,search,personal"          json:"email,omitempty"`
}

type visit struct {
	crm.Record

	Object   string    `crm:"required,max=48"         json:"object"`
	RecordID crm.ID    `crm:"required,subject=object" json:"record_id"`
	At       time.Time `crm:"required"                json:"at"`
	About    string    `crm:"max=200"                 json:"about,omitempty"`
}

type offer struct {
	crm.Record

	ClientID crm.ID `crm:"required,ref=client" json:"client_id"`
	State    string `crm:"max=20"              json:"state,omitempty"`
}

// desk is a core with clients in pools. Its people are members of acme.
type desk struct {
	*crmtest.Core

	clients *crm.Kind[client]
	visits  *crm.Collection[visit]
	offers  *crm.Collection[offer]
	pools   *pool.Pools

	after  func(context.Context, *crm.Write[client]) error // of each client that is written, or nil
	warned []pool.Move                                     // that a subscriber was told of

	reason pool.Reason
	people map[string]crm.Member
	teams  map[string]crm.Team
}

// openDesk is a desk on what is there.
func openDesk(tb testing.TB, store storage.Store, with func(*crm.Core, *desk) error) *desk {
	tb.Helper()
	d := &desk{people: map[string]crm.Member{}, teams: map[string]crm.Team{}}
	d.Core = crmtest.On(tb, store, crm.Config{}, func(c *crm.Core) error {
		clients, err := crm.Define(c, crm.Object[client]{Name: "client", AfterWrite: func(ctx context.Context, w *crm.Write[client]) error {
			if d.after == nil {
				return nil
			}
			return d.after(ctx, w)
		}})
		if err != nil {
			return err
		}
		visits, err := crm.Define(c, crm.Object[visit]{Name: "visit"})
		if err != nil {
			return err
		}
		offers, err := crm.Define(c, crm.Object[offer]{Name: "offer"})
		if err != nil {
			return err
		}
		d.clients, d.visits, d.offers = clients, &visits.Collection, &offers.Collection
		c.AddLine(storage.Line{Name: "desk", Files: os.DirFS("testdata/desk"), Needs: map[string]int{"crm": 3}})
		if d.pools, err = pool.New(c, "client"); err == nil && with != nil {
			err = with(c, d)
		}
		return err
	})
	return d
}

func newDesk(tb testing.TB, store storage.Store, with func(*crm.Core, *desk) error) *desk {
	tb.Helper()
	d := openDesk(tb, store, with)
	ctx := system(tb)
	for _, name := range []string{"north", "south"} {
		d.teams[name] = need(d.Teams.Create(ctx, crm.Team{Name: name}))(tb)
	}
	d.teams["pole"] = need(d.Teams.Create(ctx, crm.Team{Name: "pole", ParentID: d.teams["north"].ID}))(tb)
	rep := need(d.Roles.Create(ctx, crm.Role{Name: "rep", Grants: append(
		crm.Allow("client", crm.LevelOwn, crm.VerbRead, crm.VerbUpdate, crm.VerbShare, crm.VerbCreate, crm.VerbExport),
		append(crm.Allow("offer", crm.LevelOwn, crm.AnyVerb), crm.Allow("member", crm.LevelAll, crm.VerbRead)...)...)}))(tb)
	boss := need(d.Roles.Create(ctx, crm.Role{Name: "boss", Grants: crm.Allow(crm.AnyKind, crm.LevelAll, crm.AnyVerb)}))(tb)
	for key, m := range map[string]crm.Member{
		"dana":  {RoleIDs: []crm.ID{rep.ID}, TeamIDs: []crm.ID{d.teams["north"].ID}},
		"lee":   {RoleIDs: []crm.ID{rep.ID}, TeamIDs: []crm.ID{d.teams["pole"].ID}},
		"sam":   {RoleIDs: []crm.ID{rep.ID}, TeamIDs: []crm.ID{d.teams["south"].ID}},
		"kim":   {RoleIDs: []crm.ID{boss.ID}},
		"guest": {},
	} {
		m.Key, m.Name = key, key
		d.people[key] = need(d.Members.Create(ctx, m))(tb)
	}
	d.reason = need(d.pools.Reasons.Create(ctx, pool.Reason{Name: "no budget"}))(tb)
	return d
}

// onBoth runs fn on a desk in either engine.
func onBoth(t *testing.T, fn func(t *testing.T, d *desk)) {
	t.Helper()
	onBothWith(t, nil, fn)
}

// onBothWith is onBoth on a desk with more.
func onBothWith(t *testing.T, with func(*crm.Core, *desk) error, fn func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) { fn(t, newDesk(t, e.Store, with)) })
}

// need returns a result once it is known that there is no error.
func need[T any](v T, err error) func(testing.TB) T { return enginetest.Need(v, err) }

// as and system are the contexts of a member, and of the tenant itself.
var as, system = crmtest.As, crmtest.System

// pool makes a pool of clients of the north, which shows a name and a part of a phone.
func (d *desk) pool(tb testing.TB, with func(*pool.Pool)) pool.Pool {
	tb.Helper()
	is := pool.Pool{
		Name: "North", Object: "client", Where: "region == 'N'", TeamIDs: []crm.ID{d.teams["north"].ID},
		Show: []string{"name", "region"}, Mask: []string{"phone"},
	}
	if with != nil {
		with(&is)
	}
	return need(d.pools.Create(system(tb), is))(tb)
}

// client makes one of the north that nobody owns.
func (d *desk) client(tb testing.TB, name string) client {
	tb.Helper()
	return need(d.clients.Create(system(tb), client{Name: name, Region: "N", Phone: "+8613812340000", Email: "ada@example.com"}))(tb)
}

// owned is one that a member has.
func (d *desk) owned(tb testing.TB, name, by string) client {
	tb.Helper()
	c := client{Name: name, Region: "N"}
	c.OwnerID = d.people[by].ID
	return need(d.clients.Create(system(tb), c))(tb)
}

func (d *desk) owner(tb testing.TB, id crm.ID) crm.ID {
	tb.Helper()
	return need(d.clients.Get(system(tb), id))(tb).OwnerID
}

// whole holds everything stored to the kernel's invariants.
func (d *desk) whole(tb testing.TB) {
	tb.Helper()
	problems, err := d.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}
