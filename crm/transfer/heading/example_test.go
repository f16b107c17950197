package heading_test

import (
	"fmt"

	"github.com/embedcrm/embedcrm/crm/transfer/heading"
)

func ExampleGuess() {
	columns := []string{"Record ID", "Company", "E-mail 2 - Value", "手机", "Billing Zip/Postal Code", "Amount (EUR)", "Favourite colour"}
	for i, m := range heading.Guess(columns) {
		fmt.Printf("%s: %q %q\n", columns[i], m.Role, m.Place)
	}
	// Output:
	// Record ID: "external_id" ""
	// Company: "organisation" ""
	// E-mail 2 - Value: "email" ""
	// 手机: "mobile" ""
	// Billing Zip/Postal Code: "postcode" "billing"
	// Amount (EUR): "amount" ""
	// Favourite colour: "" ""
}

func ExampleOne() {
	fmt.Println(heading.One("Contact owner").Role)
	// Output:
	// owner
}
