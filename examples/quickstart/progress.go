package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// progress draws how far something has come, on a line of its own.
type progress struct {
	to        io.Writer // nil: nowhere
	done, all int
}

// bar returns a progress that is drawn on a terminal, and nowhere else.
func bar(f *os.File) *progress {
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{to: f}
}

func (p *progress) begin(all int) { p.done, p.all = 0, all }

func (p *progress) tick(n int) {
	p.done += n
	if p.to == nil || p.all == 0 {
		return
	}
	const width = 40
	full := width * p.done / p.all
	_, _ = fmt.Fprintf(p.to, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", width-full), p.done, p.all)
}

// end leaves the line empty.
func (p *progress) end() {
	if p.to != nil {
		_, _ = fmt.Fprint(p.to, "\r\x1b[K")
	}
}
