package crm_test

import (
	"context"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// A link in a mail says which boat is meant, and nobody can make another one of it.
func ExampleCore_SealToken() {
	h, ctx := openHarbour()
	boat := must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	token := must(h.Core.SealToken(ctx, "boat page", boat.ID[:], h.Clock.Now().Add(time.Hour)))

	tenant, data, err := h.Core.OpenToken(context.Background(), "boat page", token)
	fmt.Println(tenant, crm.ID(data) == boat.ID, err)
	h.Clock.Advance(time.Hour)
	_, _, err = h.Core.OpenToken(context.Background(), "boat page", token)
	fmt.Println(err)
	// Output:
	// acme true <nil>
	// crm: open token: invalid: token: has expired: ask for a new one
}

func ExampleCore_OpenToken() {
	h, ctx := openHarbour()
	token := must(h.Core.SealToken(ctx, "boat page", []byte("Argo"), time.Time{}))
	_, _, err := h.Core.OpenToken(ctx, "harbour gate", token)
	fmt.Println(err)
	// Output:
	// crm: open token: invalid: token: is none that this CRM gave out
}
