package crm_test

import (
	"fmt"
	"testing/fstest"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/pinyin"
	"github.com/embedcrm/embedcrm/storage"
)

// Tariff is a setting of a tenant: what a berth costs.
type Tariff struct {
	crm.Record

	Berth string    `crm:"required,max=10" json:"berth"`
	Day   crm.Money `json:"day"`
}

// The tariffs are known to every call, without asking the database.
func ExampleKind_Known() {
	var tariffs *crm.Kind[Tariff]
	h, ctx := openHarbourWith(crm.Config{}, func(h *Harbour) (err error) {
		h.AddLine(storage.Line{Name: "tariffs", Needs: map[string]int{"crm": 1}, Files: fstest.MapFS{"sqlite/0001_tariff.sql": {Data: []byte(`
CREATE TABLE crm_tariff (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	berth TEXT NOT NULL, day INTEGER, day_currency TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_tariff_updated ON crm_tariff (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_tariff_owner ON crm_tariff (tenant, owner_id);`)}}})
		tariffs, err = crm.Define(h.Core, crm.Object[Tariff]{Name: "tariff", Known: true})
		return err
	})
	show := func() {
		for _, t := range must(tariffs.Known(ctx)) {
			fmt.Println(t.Berth, t.Day)
		}
	}
	made := must(tariffs.Create(ctx, Tariff{Berth: "A7", Day: crm.EUR(40_00)}))
	show()
	must(tariffs.Update(ctx, made.ID, func(t *Tariff) error { t.Day = crm.EUR(45_00); return nil }))
	show()
	_, err := h.Boats.Known(ctx)
	fmt.Println(err)
	// Output:
	// A7 40.00 EUR
	// A7 45.00 EUR
	// crm: known boat: invalid: known: records of this kind are read: define it with Object.Known
}

func ExampleCore_Readings() {
	h, _ := openHarbourWith(crm.Config{Readings: pinyin.Readings})
	fmt.Println(h.Readings("李雷"))
	// Output: [lilei ll li lei]
}
