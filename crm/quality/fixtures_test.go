package quality_test

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/phone"
	"github.com/embedcrm/embedcrm/crm/quality"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// contact is a kind of a host's own.
type contact struct {
	crm.Record

	Name    string    `crm:"required,max=100,personal" json:"name"`
	Email   string    `crm:"max=200,personal"          json:"email,omitempty"`
	Phone   string    `crm:"max=50,personal"           json:"phone,omitempty"`
	Country string    `crm:"max=50"                    json:"country,omitempty"`
	Source  string    `crm:"max=100"                   json:"source,omitempty"`
	Stage   string    `crm:"guarded,max=20"            json:"stage,omitempty"`
	Size    *int64    `json:"size,omitempty"`
	Worth   crm.Money `json:"worth"`
	Born    crm.Date  `json:"born,omitzero"`
	Tags    []string  `json:"tags,omitempty"`
}

const contactSQLite = `CREATE TABLE crm_contact (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, email TEXT, phone TEXT, country TEXT, source TEXT, stage TEXT, size INTEGER, worth INTEGER, worth_currency TEXT, born TEXT, tags TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_contact_updated ON crm_contact (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_contact_owner ON crm_contact (tenant, owner_id);`

const contactPostgres = `CREATE TABLE {schema}.contact (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	name text COLLATE "C" NOT NULL, email text COLLATE "C", phone text COLLATE "C", country text COLLATE "C", source text COLLATE "C",
	stage text COLLATE "C", size bigint, worth bigint, worth_currency text COLLATE "C", born date, tags jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX contact_updated ON {schema}.contact (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX contact_owner ON {schema}.contact (tenant, owner_id);`

// desk is a core with contacts, and their quality.
type desk struct {
	*crmtest.Core
	*quality.Quality

	contacts *crm.Kind[contact]
	plug     int // how many contacts are written before the plug is pulled; 0: it is not
}

var errPulled = errors.New("the plug was pulled")

// pulled ends the transaction of whoever writes a contact too many.
func (d *desk) pulled(context.Context, *crm.Write[contact]) error {
	if d.plug == 0 {
		return nil
	}
	if d.plug--; d.plug == 0 {
		return errPulled
	}
	return nil
}

// define puts contacts and their quality on a core.
func (d *desk) define(c *crm.Core) (err error) {
	if d.contacts, err = crm.Define(c, crm.Object[contact]{Name: "contact", AfterWrite: d.pulled}); err != nil {
		return err
	}
	c.AddLine(storage.Line{Name: "desk", Needs: map[string]int{"crm": 8}, Files: fstest.MapFS{
		"sqlite/0001_contacts.sql": {Data: []byte(contactSQLite)}, "postgres/0001_contacts.sql": {Data: []byte(contactPostgres)},
	}})
	d.Quality, err = quality.New(c)
	return err
}

func newDesk(tb testing.TB, store storage.Store) *desk {
	tb.Helper()
	d := &desk{}
	d.Core = crmtest.On(tb, store, crm.Config{Phones: phone.Normal}, d.define)
	return d
}

// onBoth runs fn on a desk in either engine, as dana of acme.
func onBoth(t *testing.T, fn func(ctx context.Context, t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		d := newDesk(t, e.Store)
		fn(as(t, "dana"), t, d)
		problems, err := d.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

// as is the context of a member.
var as = crmtest.As

func (d *desk) contact(ctx context.Context, tb testing.TB, c contact) contact {
	tb.Helper()
	made, err := d.contacts.Create(ctx, c)
	require.NoError(tb, err)
	return made
}

func (d *desk) get(tb testing.TB, id crm.ID) contact {
	tb.Helper()
	c, err := d.contacts.Get(crm.System(tb.Context(), "acme"), id)
	require.NoError(tb, err)
	return c
}

func (d *desk) rule(ctx context.Context, tb testing.TB, r quality.Rule) quality.Rule {
	tb.Helper()
	r.Object = "contact"
	made, err := d.Rules.Create(ctx, r)
	require.NoError(tb, err)
	return made
}

// role makes a member of acme one who may what grants say.
func (d *desk) role(tb testing.TB, member string, grants []crm.Grant, fields ...crm.FieldRule) {
	tb.Helper()
	system := crm.System(tb.Context(), "acme")
	made, err := d.Roles.Create(system, crm.Role{Name: "Role of " + member, Grants: grants, Fields: fields})
	require.NoError(tb, err)
	_, err = d.Members.Create(system, crm.Member{Key: member, Name: member, RoleIDs: []crm.ID{made.ID}})
	require.NoError(tb, err)
}
