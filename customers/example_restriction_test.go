package customers_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/embedcrm/embedcrm/customers"
)

// Who is restricted is read, and neither contacted nor scored.
func ExampleCustomers_Restrict() {
	app, ctx, ada := openShop()
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	proof := must(app.Customers.Restrict(ctx, ada.ID, "letter of 5 January"))
	fmt.Println(strings.HasPrefix(proof, "suppression "), must(app.Customers.Get(ctx, ada.ID)).Name)
	fmt.Println(must(app.Customers.MayContact(ctx, ada.ID, "email", "news")).Cause)
	_, err := app.Customers.Health.EvaluateCustomer(ctx, ada.ID)
	fmt.Println(errors.Is(err, customers.ErrRestricted))
	// Output:
	// true Ada Lovelace
	// restricted
	// true
}

func ExampleCustomers_LiftRestriction() {
	app, ctx, ada := openShop()
	must(app.Customers.Health.Scorecards.Create(ctx, health()))
	began := must(app.Customers.Restrict(ctx, ada.ID, "letter of 5 January"))
	ended := must(app.Customers.LiftRestriction(ctx, ada.ID, "the dispute is settled"))
	fmt.Println(began == ended, len(must(app.Customers.Health.EvaluateCustomer(ctx, ada.ID))))
	// Output: true 1
}

// Who objects is told what he has to be told, and no more.
func ExampleCustomers_Object() {
	app, ctx, ada := openShop()
	proof := must(app.Customers.Object(ctx, ada.ID, "a call"))
	said, _, _ := strings.Cut(proof, ":")
	fmt.Println(said)
	fmt.Println(must(app.Customers.MayContact(ctx, ada.ID, "email", "news")).Cause, must(app.Customers.MayContact(ctx, ada.ID, "email", "orders")).Allowed)
	// Output:
	// 1 consents withdrawn
	// withdrawn true
}
