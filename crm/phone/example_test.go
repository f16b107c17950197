package phone_test

import (
	"fmt"

	"github.com/embedcrm/embedcrm/crm/phone"
)

func ExampleNormal() {
	fmt.Println(phone.Normal("030 901820", "DE"))
	fmt.Println(phone.Normal("(202) 456-1111", "US"))
	_, err := phone.Normal("12", "US")
	fmt.Println(err)
	// Output:
	// +4930901820 <nil>
	// +12024561111 <nil>
	// invalid: phone: is no number of the numbering plan: look for a missing or wrong digit
}
