package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/embedcrm/embedcrm/crm"
)

// peerLayer measures crm beside PocketBase as a library, each in a SQLite of its own with the same customers, the same
// driver and the same durability. PocketBase keeps no history; the lines "with history" have it write an event with
// each change, in one transaction, as who needs one would.
func (c config) peerLayer(ctx context.Context, say func(format string, args ...any)) error {
	w, err := openCRM(ctx, "sqlite", c.rows)
	if err != nil {
		return err
	}
	defer w.close()
	peer, err := openPeer(ctx, w)
	if err != nil {
		return err
	}
	defer peer.close()
	c.head(w.database, beside, say)
	say("# By custom field PocketBase is ahead: its fields are columns of a table per collection, changed by DDL, and one index answers.\n" +
		"# Ours are values of a tenant's own in JSON, without DDL; an index row per value finds the records, which are then read.\n")
	plain, _ := peer.base.(*byPocketBase)
	for _, op := range peerOperations(w) {
		compared := map[string]crmSide{"pocketbase " + op.name: plain}
		if op.writes {
			compared["pocketbase "+op.name+" with history"] = plain.withHistory()
		}
		for _, name := range sortedKeys(compared) {
			ready := func(w *crmWorld) func(n int) (func(crmSide, int) error, error) {
				return func(n int) (func(crmSide, int) error, error) { return op.ready(ctx, w, n) }
			}
			ours := turns(ctx, name, "ours", w.ours, w.database, w.chance, ready(w))
			base := turns(ctx, name, "base", compared[name], peer.database, peer.chance, ready(peer))
			if err := c.measure("sqlite", name, 1, ours, base, say); err != nil {
				return err
			}
		}
	}
	return nil
}

// peerBatch is how many customers the peers create at once.
const peerBatch = 500

// peerOperation is one that PocketBase has as well.
type peerOperation struct {
	crmOperation

	writes bool
}

// peerOperations are in an order in which none disturbs a later one.
func peerOperations(w *crmWorld) []peerOperation {
	reads := []crmOperation{
		{"get", 1, crmGet}, {"list page 1", 1, crmList}, {fmt.Sprintf("list page %d", w.farthest()), 1, crmListFar},
		{"count", 1, crmCount}, {"count by custom field", 1, crmNumbered},
	}
	writes := []crmOperation{
		{"create", 1, crmCreate}, {"create with reference", 1, crmCreateReferring}, {"update", 1, crmUpdate},
		{"upsert", 1, crmUpsert}, {"delete", 1, crmRemove}, {fmt.Sprintf("create %d at once", peerBatch), 1, crmCreateAll(peerBatch)},
	}
	var list []peerOperation
	for _, op := range reads {
		list = append(list, peerOperation{op, false})
	}
	for _, op := range writes {
		list = append(list, peerOperation{op, true})
	}
	return list
}

func sortedKeys(m map[string]crmSide) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// openPeer makes a world of PocketBase's with the customers of w.
func openPeer(ctx context.Context, w *crmWorld) (*crmWorld, error) {
	d, app, err := openPocketBase(ctx)
	if err != nil {
		return nil, err
	}
	peer := &crmWorld{
		database: d, chance: &chance{rand: dice(0), made: w.made}, core: w.core, base: &byPocketBase{app: app, far: (w.farthest() - 1) * pageSize},
		owners: w.owners, mates: w.mates, rows: w.rows, first: w.first,
	}
	for t := range tenants {
		if err := fillPocketBase(ctx, app, tenant(t), w.core.customers.All(crm.System(ctx, tenant(t)))); err != nil {
			d.close()
			return nil, err
		}
	}
	return peer, d.settle(ctx)
}
