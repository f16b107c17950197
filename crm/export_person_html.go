package crm

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
	"time"
)

// personHTML writes a page that needs nothing else: no script, no style from elsewhere.
type personHTML struct {
	w     io.Writer
	table bool // a history is open
}

func (p *personHTML) printf(format string, args ...any) error {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = html.EscapeString(s)
		}
	}
	_, err := fmt.Fprintf(p.w, format, args...)
	return err
}

func (p *personHTML) head(object string, id ID, at time.Time) error {
	return p.printf(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%s %s</title><style>
body{font:16px/1.4 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%%}td,th{border:1px solid #ccc;padding:.3em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}
section{margin:2em 0}h3{margin:.8em 0 .3em}
</style></head><body>
<h1>%s %s</h1><p>What was stored on %s.</p>
`, object, id.String(), object, id.String(), at.Format(time.RFC1123))
}

// close ends the history before.
func (p *personHTML) close() error {
	if !p.table {
		return nil
	}
	p.table = false
	return p.printf("</table>\n")
}

func (p *personHTML) record(h *hanging, r *rec) error {
	if err := p.close(); err != nil {
		return err
	}
	by := ""
	if h != nil {
		by = ", by " + h.by.name
	}
	if err := p.printf("<section><h2>%s%s</h2>\n<table>\n", r.o.name, by); err != nil {
		return err
	}
	for _, f := range r.o.fields {
		if text := readable(f.marshal(nil, r)); text != "" && f.name != "custom" {
			if err := p.printf("<tr><th>%s</th><td>%s</td></tr>\n", f.name, text); err != nil {
				return err
			}
		}
	}
	var err error
	eachCustom(nil, r.meta().Custom, func(name string, _, value []byte) {
		if err == nil {
			err = p.printf("<tr><th>%s</th><td>%s</td></tr>\n", name, readable(value))
		}
	})
	if err != nil {
		return err
	}
	return p.printf("</table></section>\n")
}

// readable is a value as people read it: a text without quotes, nothing for null.
func readable(raw json.RawMessage) string {
	var text string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &text) == nil:
		return text
	}
	return string(raw)
}

func (p *personHTML) event(e Event) error {
	if !p.table {
		p.table = true
		if err := p.printf("<h3>History</h3><table><tr><th>When</th><th>What</th><th>Who</th><th>Changes</th></tr>\n"); err != nil {
			return err
		}
	}
	var b strings.Builder
	for _, c := range e.Changes {
		line := c.Field + ": " + readable(c.Before) + " → " + readable(c.After)
		if c.Erased() {
			line = c.Field + ": erased"
		}
		b.WriteString(html.EscapeString(line) + "<br>")
	}
	what := e.Name
	if e.Cause != "" {
		what += " (" + e.Cause + ")"
	}
	if err := p.printf("<tr><td>%s</td><td>%s</td><td>%s</td><td>", e.Happened.Format(time.RFC3339), what, e.Actor); err != nil {
		return err
	}
	_, err := io.WriteString(p.w, b.String()+"</td></tr>\n")
	return err
}

func (p *personHTML) other(source string, item any) error {
	if err := p.close(); err != nil {
		return err
	}
	text, err := json.Marshal(item)
	if err != nil {
		return err
	}
	return p.printf("<p><b>%s</b> %s</p>\n", source, string(text))
}

func (p *personHTML) end(withheld []string) error {
	if err := p.close(); err != nil {
		return err
	}
	if len(withheld) > 0 {
		if err := p.printf("<p>Left out: %s</p>\n", strings.Join(withheld, ", ")); err != nil {
			return err
		}
	}
	return p.printf("</body></html>\n")
}
