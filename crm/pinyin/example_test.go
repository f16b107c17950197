package pinyin_test

import (
	"fmt"

	"github.com/embedcrm/embedcrm/crm/pinyin"
)

func ExampleReadings() {
	fmt.Println(pinyin.Readings("李雷"))
	// Output: [lilei ll li lei]
}
