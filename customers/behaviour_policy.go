package customers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// BehaviourPolicy is what a tenant asks of events. The zero policy keeps every event of
// everyone but programs, for good.
type BehaviourPolicy struct {
	// Catalogue are the events there are; empty: any. What is not in it is refused
	// as ErrInvalid, or with Note kept and marked Unknown.
	Catalogue []EventType
	Note      bool
	// Consent says whether an event may be kept; nil is yes. It is called for each,
	// before anything is written, and answers from memory or by its own means.
	Consent func(ctx context.Context, e Event) (bool, error)
	// Bot says whether a program and no person did it; nil is [IsBot] of its UserAgent.
	Bot func(e Event) bool
	// Keep is how long events are kept one by one, whole days; 0 is for good. Of older
	// ones Upkeep leaves the number of each day.
	Keep time.Duration
}

// PropType is what a property of an event holds.
type PropType string

// The types of properties.
const (
	PropText   PropType = "text"
	PropNumber PropType = "number"
	PropBool   PropType = "bool"
	PropTime   PropType = "time" // a text of RFC 3339, or a time.Time
)

// EventType is an event of a catalogue.
type EventType struct {
	Name string
	// Props are the properties it may have. One it leaves out is absent.
	Props map[string]PropType
}

// SetPolicy sets how the host answers what a tenant asks of events. It is called once,
// before the core's Migrate. The function is called by many goroutines, and answers
// from memory.
func (b *Behaviour) SetPolicy(of func(tenant string) BehaviourPolicy) { b.policy = of }

func (b *Behaviour) policyOf(ctx context.Context) BehaviourPolicy {
	if b.policy == nil {
		return BehaviourPolicy{}
	}
	return b.policy(crm.TenantOf(ctx))
}

func (p *BehaviourPolicy) bot(e *Event) bool {
	if p.Bot != nil {
		return p.Bot(*e)
	}
	return IsBot(e.UserAgent)
}

// IsBot reports whether a user agent says of itself that it is a program: a crawler, a
// monitor, a library, a browser without a screen. Programs that hide it are people to it.
func IsBot(userAgent string) bool {
	ua := strings.ToLower(userAgent)
	return slices.ContainsFunc([]string{
		"bot", "crawl", "spider", "slurp", "headless", "phantomjs", "lighthouse", "pingdom", "uptime", "monitor", "preview", "facebookexternalhit",
		"curl/", "wget/", "python-", "go-http-client", "java/", "okhttp", "axios/", "node-fetch", "scrapy",
	}, func(word string) bool { return strings.Contains(ua, word) })
}

// know holds an event to the catalogue.
func (p *BehaviourPolicy) know(e *Event) (unknown bool, err error) {
	if len(p.Catalogue) == 0 {
		return false, nil
	}
	fault := p.fault(e)
	if fault == nil || p.Note {
		return fault != nil, nil
	}
	return false, fault
}

func (p *BehaviourPolicy) fault(e *Event) error {
	i := slices.IndexFunc(p.Catalogue, func(t EventType) bool { return t.Name == strings.TrimSpace(e.Name) })
	if i < 0 {
		return crm.Invalid("name", "is no event of the catalogue: add it there")
	}
	names := make([]string, 0, len(e.Props))
	for name := range e.Props {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch want, known := p.Catalogue[i].Props[name]; {
		case !known:
			return crm.Invalid("props", "the catalogue has no property %q of this event", clipped(name))
		case !want.holds(e.Props[name]):
			return crm.Invalid("props", "%s holds %s by the catalogue, and not what it was given", clipped(name), want)
		}
	}
	return nil
}

func (t PropType) holds(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		if t == PropTime {
			_, err := time.Parse(time.RFC3339, v)
			return err == nil
		}
		return t == PropText
	case bool:
		return t == PropBool
	case time.Time:
		return t == PropTime
	case int, int32, int64, float32, float64, json.Number:
		return t == PropNumber
	}
	return false
}

// clipped is a name as an error shows it.
func clipped(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// inEvent says which event of several an error is about.
func inEvent(i, of int, err error) error {
	if of == 1 {
		return err
	}
	return fmt.Errorf("event %d: %w", i, err)
}
