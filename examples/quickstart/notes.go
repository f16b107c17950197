package main

import (
	"fmt"
	"io"

	"github.com/embedcrm/embedcrm/crm"
)

// notes prints what the data lacks, and what was made of it.
func (l *loader) notes(to io.Writer) {
	var undated, nobodys, open, renamed int
	for _, o := range l.data.opportunities {
		if o.engaged == (crm.Date{}) {
			undated++
		}
		if o.account == "" {
			nobodys++
		}
		if o.closed == (crm.Date{}) {
			open++
		}
		if _, ok := misspelled[o.product]; ok {
			renamed++
		}
	}
	note := func(n int, format string, args ...any) {
		if n > 0 {
			_, _ = fmt.Fprintf(to, "- %d %s\n", n, fmt.Sprintf(format, args...))
		}
	}
	_, _ = fmt.Fprintf(to, "%d accounts, %d products, %d agents, %d opportunities, of which\n",
		len(l.data.accounts), len(l.data.products), len(l.data.agents), len(l.data.opportunities))
	note(open, "are open, and have no value in the data: they are taken at list price, and so were those that were lost")
	note(undated, "have no engage date: they are dated %s, the first day in the data", l.first)
	note(nobodys, "have no account: they are deals of no customer")
	note(renamed, "name the product GTXPro: they are deals of GTX Pro")
}
