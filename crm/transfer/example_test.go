package transfer_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/embedcrm/embedcrm/crm/transfer"
)

func ExampleReadCSV() {
	c, err := transfer.ReadCSV(strings.NewReader("Name;Umsatz\n\"Müller; Söhne\";1.234,50\nMeier\n"), transfer.CSVOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %c %q\n", c.Encoding(), c.Delimiter(), c.Headings())
	for {
		row, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %q %q\n", row.Line, row.Cells, row.Fault)
	}
	// Output:
	// utf-8 ; ["Name" "Umsatz"]
	// 2 ["Müller; Söhne" "1.234,50"] ""
	// 3 ["Meier"] "has 1 cell, and there are 2 headings: look for a missing or an unquoted delimiter or line break"
}
