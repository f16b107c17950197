package crm_test

import (
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

func ExampleCore_Now() {
	h, ctx := openHarbour()
	fmt.Println(h.Now(ctx))
	fmt.Println(h.Now(crm.At(ctx, time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC))))
	// Output:
	// 2026-01-05 09:00:00 +0000 UTC
	// 2025-06-01 12:00:00 +0000 UTC
}
