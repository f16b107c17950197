package crm

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/embedcrm/embedcrm/storage"
)

// maxZone is how many bytes the name of a zone has at most.
const maxZone = 64

// SetZone sets by which calendar the expressions of ctx's tenant are read: what
// today() is, when a day begins with which a time is compared, how long ago '1d' and
// '1mo' are. It is the name of a zone in the IANA database, such as "Europe/Berlin";
// without it, and for "", it is UTC. It takes the right to update every role, and holds
// as a change of rights does: see [Config.RightsLag].
//
// A formula whose value depends on the zone is not ready any more, until
// [Fields.Backfill] has computed it anew. A name that this program does not know is
// ErrInvalid; one without the system's zone files needs to import time/tzdata, in all
// of its processes: where the zone of a tenant is not known, every call for the tenant
// fails.
func (ts *Tenants) SetZone(ctx context.Context, name string) error {
	return failed("set zone", "tenant", ID{}, ts.setZone(ctx, name))
}

// Zone returns the calendar of ctx's tenant; its String is the name given to
// [Tenants.SetZone].
func (ts *Tenants) Zone(ctx context.Context) (*time.Location, error) {
	sc, err := scopeOf(ctx)
	if err == nil {
		err = ts.core.ready()
	}
	if err != nil {
		return nil, failed("zone", "tenant", ID{}, err)
	}
	r, err := ts.core.rightsOf(ctx, sc.Tenant)
	if err != nil {
		return nil, failed("zone", "tenant", ID{}, err)
	}
	if r.zone == nil {
		return time.UTC, nil
	}
	return r.zone, nil
}

func (ts *Tenants) setZone(ctx context.Context, name string) error {
	zone, err := zoneNamed(name)
	if err != nil {
		return Invalid("zone", "%s", err)
	}
	c := ts.core
	return c.atomic(ctx, func(ctx context.Context) error {
		w, err := c.Roles.o.writer(ctx, VerbUpdate)
		if err != nil {
			return err
		}
		if err := w.access.administers("zone"); err != nil {
			return err
		}
		before, err := c.definitions(ctx, w.sc.Tenant)
		if err != nil {
			return err
		}
		if err := c.rightsChanged(ctx, w.sc.Tenant); err != nil {
			return err
		}
		row := &tenant{zone: name}
		if err := c.session(ctx).Write(ctx, w.sc.Tenant, []storage.Change{{
			Action: storage.Update, Table: tenantTable, Row: row, Columns: []int{tenantTable.Index("zone")},
		}}); err != nil {
			return err
		}
		return c.outdate(ctx, w.sc.Tenant, before, zone)
	})
}

// zoneNamed returns a zone by its name.
func zoneNamed(name string) (*time.Location, error) {
	if name == "Local" || len(name) > maxZone { // the machine's own, which is another one elsewhere
		return nil, fmt.Errorf("%q is no name of a zone in the IANA database, such as Europe/Berlin", clip(name))
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no zone this program knows: give a name such as Europe/Berlin, and import time/tzdata where the system has no zone files", clip(name))
	}
	return zone, nil
}

// zoneOf reads the zone of a tenant, nil being UTC, and whether it erased anybody.
func (c *Core) zoneOf(ctx context.Context, key string) (zone *time.Location, erased bool, err error) {
	var t tenant
	err = c.session(ctx).Read(ctx, key, &storage.Query{
		Table: tenantTable, Columns: []int{tenantTable.Index("zone"), tenantTable.Index("erased")}, Limit: 1,
	}, func() storage.Row { return &t })
	erased = t.erased != nil && *t.erased
	if err != nil || t.zone == "" {
		return nil, erased, err
	}
	zone, err = zoneNamed(t.zone)
	return zone, erased, err
}

// outdate makes the formulas not ready that another zone gives other values.
func (c *Core) outdate(ctx context.Context, tenant string, all definitions, zone *time.Location) error {
	inner := Because(System(ctx, tenant), "the tenant's zone")
	for _, s := range all {
		then := *s
		then.zone = zone
		for _, f := range s.list {
			if f.Type != FieldFormula {
				continue
			}
			x, err := then.compileFormula(f.Formula)
			if (err != nil) == (f.err != nil) && reflect.DeepEqual(x, f.formula) {
				continue
			}
			if _, err := c.Fields.kind.Do(inner, f.ID, eventOutdated, func(f *CustomField) error {
				f.Ready = false
				return nil
			}); err != nil {
				return err
			}
			if err := c.session(ctx).Write(ctx, tenant, []storage.Change{
				{Action: storage.Delete, Table: backfillTable, Row: &backfillRow{field: uuid.UUID(f.ID)}},
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
