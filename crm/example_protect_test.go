package crm_test

import (
	"context"
	"fmt"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/fieldcrypt"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// A key is replaced: the program is started with the next ones, and the values that are
// there are sealed anew.
func ExampleCore_Reseal() {
	keys := must(fieldcrypt.NewKeys())
	h, ctx := openHarbourWith(crm.Config{Cipher: must(fieldcrypt.New(keys))})
	must(h.Fields.Create(ctx, crm.CustomField{Object: "boat", Name: "safe", Type: crm.FieldText, Protected: true}))
	argo := must(h.Boats.Create(ctx, Boat{Name: "Argo", Record: crm.Record{Custom: crm.Custom{"safe": "12-45-78"}}}))

	keys = must(must(keys.Add()).Promote())
	core := must(crm.New(must(sqlite.New(h.DB)), crm.Config{Cipher: must(fieldcrypt.New(keys)), Clock: h.Clock}))
	core.AddLine(harbourLine())
	boats := must(crm.Define(core, crm.Object[Boat]{Name: "boat"}))
	must(crm.Define(core, crm.Object[Visit]{Name: "visit"}))
	fmt.Println(core.Migrate(context.Background()))

	system := crm.System(context.Background(), "acme")
	fmt.Println(core.Reseal(system))
	fmt.Println(core.Reseal(system))
	fmt.Println(must(boats.Get(ctx, argo.ID)).Custom, must(boats.Count(ctx, crm.Where("custom.safe == '12-45-78'"))))
	// Output:
	// <nil>
	// 1 <nil>
	// 0 <nil>
	// map[safe:12-45-78] 1
}

// A place is named in errors without the value.
func ExamplePlace_String() {
	fmt.Println(crm.Place{Tenant: "acme", Kind: "boat", Field: "custom.safe$p"})
	// Output: boat.custom.safe$p
}
