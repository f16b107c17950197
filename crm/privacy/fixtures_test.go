package privacy_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/crm/privacy"
	"github.com/embedcrm/embedcrm/internal/enginetest"
	"github.com/embedcrm/embedcrm/storage"
)

// patient is a kind of a host's own, and visit one that refers to it.
type patient struct {
	crm.Record

	Name       string `crm:"required,max=100,personal"      json:"name"`
	Email      string `crm:"max=200,personal,identity"      json:"email,omitempty"`
	Restricted bool   `json:"restricted,omitempty"`
	Quiet      bool   `json:"quiet,omitempty"`
}

type visit struct {
	crm.Record

	PatientID crm.ID `crm:"required,ref=patient,parent" json:"patient_id"`
	Findings  string `crm:"max=500,personal"            json:"findings,omitempty"`
}

const wardSQLite = `CREATE TABLE crm_patient (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	name TEXT NOT NULL, email TEXT, restricted INTEGER NOT NULL, quiet INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_patient_updated ON crm_patient (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_patient_owner ON crm_patient (tenant, owner_id);
CREATE TABLE crm_visit (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	patient_id BLOB NOT NULL, findings TEXT,
	PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, patient_id) REFERENCES crm_patient (tenant, id)
);
CREATE INDEX crm_visit_patient ON crm_visit (tenant, patient_id);
CREATE INDEX crm_visit_updated ON crm_visit (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_visit_owner ON crm_visit (tenant, owner_id);`

const wardPostgres = `CREATE TABLE {schema}.patient (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	name text COLLATE "C" NOT NULL, email text COLLATE "C", restricted boolean NOT NULL, quiet boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX patient_updated ON {schema}.patient (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX patient_owner ON {schema}.patient (tenant, owner_id);
CREATE TABLE {schema}.visit (
	tenant text COLLATE "C" NOT NULL, id uuid NOT NULL, version bigint NOT NULL, owner_id uuid,
	created timestamptz NOT NULL, updated timestamptz NOT NULL, deleted timestamptz, refs jsonb, custom jsonb,
	patient_id uuid NOT NULL, findings text COLLATE "C",
	PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, patient_id) REFERENCES {schema}.patient (tenant, id)
);
CREATE INDEX visit_patient ON {schema}.visit (tenant, patient_id);
CREATE INDEX visit_updated ON {schema}.visit (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX visit_owner ON {schema}.visit (tenant, owner_id);`

// ward is a core with patients. Kim answers requests, dana reads patients, and guest may do
// nothing.
type ward struct {
	*crmtest.Core
	*privacy.Privacy

	patients *crm.Kind[patient]
	visits   *crm.Kind[visit]
	policy   privacy.Policy
	told     []string // the events of requests that a subscriber heard of
}

func (w *ward) set(ctx context.Context, id crm.ID, fn func(*patient)) (string, error) {
	kept, err := w.patients.Update(ctx, id, func(p *patient) error { fn(p); return nil })
	return "patient " + kept.ID.String(), err
}

func (w *ward) define(c *crm.Core) (err error) {
	if w.patients, err = crm.Define(c, crm.Object[patient]{Name: "patient"}); err != nil {
		return err
	}
	if w.visits, err = crm.Define(c, crm.Object[visit]{Name: "visit"}); err != nil {
		return err
	}
	c.AddLine(storage.Line{Name: "ward", Needs: map[string]int{"crm": 10}, Files: fstest.MapFS{
		"sqlite/0001_ward.sql": {Data: []byte(wardSQLite)}, "postgres/0001_ward.sql": {Data: []byte(wardPostgres)},
	}})
	if w.Privacy, err = privacy.New(c); err != nil {
		return err
	}
	w.SetPolicy(func(string) privacy.Policy { return w.policy })
	w.Acts("visit", privacy.Acts{})
	w.Acts("patient", privacy.Acts{
		Restrict: func(ctx context.Context, id crm.ID, _ string) (string, error) {
			return w.set(ctx, id, func(p *patient) { p.Restricted = true })
		},
		Lift: func(ctx context.Context, id crm.ID, _ string) (string, error) {
			return w.set(ctx, id, func(p *patient) { p.Restricted = false })
		},
		Object: func(ctx context.Context, id crm.ID, _ string) (string, error) {
			return w.set(ctx, id, func(p *patient) { p.Quiet = true })
		},
		Addresses: func(ctx context.Context, id crm.ID) ([]crm.Address, error) {
			p, err := w.patients.Get(ctx, id)
			if err != nil || p.Email == "" {
				return nil, err
			}
			a, err := crm.ParseAddress(crm.AddressEmail, p.Email)
			return []crm.Address{a}, err
		},
	})
	return c.On("data_request.*", "desk", func(_ context.Context, e crm.Event) error {
		w.told = append(w.told, e.Name)
		return nil
	})
}

func openWard(tb testing.TB, store storage.Store) *ward {
	tb.Helper()
	w := &ward{}
	w.Core = crmtest.On(tb, store, crm.Config{}, w.define)
	return w
}

// onBoth runs fn on a ward in either engine, with rights and without.
func onBoth(t *testing.T, fn func(t *testing.T, w *ward, e enginetest.Engine)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, e enginetest.Engine) {
		w := openWard(t, e.Store)
		ctx := system(t)
		all := func(object string, verbs ...crm.Verb) []crm.Grant { return crm.Allow(object, crm.LevelAll, verbs...) }
		for key, grants := range map[string][]crm.Grant{
			"kim": append(append(append(all("data_request", crm.AnyVerb), all("patient", crm.AnyVerb)...),
				append(all("erasure", crm.AnyVerb), all("reading", crm.AnyVerb)...)...), all("visit", crm.AnyVerb)...),
			"dana":  all("patient", crm.VerbRead, crm.VerbExport),
			"clerk": append(all("data_request", crm.AnyVerb), all("patient", crm.VerbRead)...),
			"guest": nil,
		} {
			role := need(w.Roles.Create(ctx, crm.Role{Name: key, Grants: grants}))(t)
			need(w.Members.Create(ctx, crm.Member{Key: key, Name: key, RoleIDs: []crm.ID{role.ID}}))(t)
		}
		fn(t, w, e)
	})
}

// need returns a result once it is known that there is no error.
func need[T any](v T, err error) func(testing.TB) T { return enginetest.Need(v, err) }

// as and system are the contexts of a member, and of the tenant itself.
var as, system = crmtest.As, crmtest.System

// patient makes one.
func (w *ward) patient(tb testing.TB, name, email string) patient {
	tb.Helper()
	return need(w.patients.Create(system(tb), patient{Name: name, Email: email}))(tb)
}

// asked is a request of a patient, and verified one of which kim knows who asks.
func (w *ward) asked(tb testing.TB, kind privacy.Kind, p patient) privacy.Request {
	tb.Helper()
	return need(w.Requests.Open(as(tb, "kim"), privacy.Request{Kind: kind, Object: "patient", RecordID: p.ID, Contact: p.Email, Text: p.Name + " asks"}))(tb)
}

func (w *ward) verified(tb testing.TB, kind privacy.Kind, p patient) privacy.Request {
	tb.Helper()
	q := w.asked(tb, kind, p)
	return need(w.Requests.Verify(as(tb, "kim"), q.ID, "his passport"))(tb)
}

// run does what is due.
func (w *ward) run(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, w.RunDue(tb.Context()))
}

// whole holds everything stored to what must be true of it.
func (w *ward) whole(tb testing.TB) {
	tb.Helper()
	problems, err := w.Check(tb.Context())
	require.NoError(tb, err)
	require.Empty(tb, problems)
}

func day(text string) crm.Date {
	d, err := crm.ParseDate(text)
	if err != nil {
		panic(err)
	}
	return d
}

// at moves the clock to a time in UTC.
func (w *ward) at(tb testing.TB, text string) {
	tb.Helper()
	t := need(time.Parse(time.DateTime, text))(tb)
	w.Clock.Advance(t.Sub(w.Clock.Now()))
}
