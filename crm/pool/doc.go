// Package pool keeps public pools: records of a kind that nobody owns wait there until a
// member claims them, and come back when he returns them or lets them lie. It is known as
// 公海 in Chinese CRMs.
//
//	pools, err := pool.New(core, "customer")
//	err = core.Migrate(ctx)
//	north, err := pools.Create(ctx, pool.Pool{
//		Name: "North", Object: "customer", Where: "region == 'North'",
//		Show: []string{"name", "region"}, Mask: []string{"phone"}, MaxHeld: 50, MaxPerDay: 10,
//	})
//	page, err := pools.Cards(ctx, north.ID) // phone is 138****0000
//	_, err = pools.Claim(ctx, north.ID, page.Items[0].ID)
//
// What waits is not copied anywhere: it is the living records of the kind without an
// owner for which the pool's condition holds. Who may not read them by his roles sees of
// them the fields that the pool shows, by [Pools.Cards] alone.
package pool
