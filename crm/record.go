package crm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Record is what every record has. A kind of record embeds it. Its fields are
// written by the kernel: what a caller puts there counts only where it says so.
type Record struct {
	// ID identifies the record. On Create the caller's is taken, when given, so
	// that a repeated Create is a conflict and not a second record.
	ID ID `json:"id"`
	// Version counts the record's changes, from 1.
	Version int64 `json:"version"`
	// OwnerID is the member who looks after it; zero is nobody. Create without one
	// takes the actor's own member, when there is a record of him.
	OwnerID ID `crm:"ref=member" json:"owner_id,omitzero"`
	// Created and Updated are when it came to be and was last changed.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Deleted is when it was deleted; zero: it lives.
	Deleted time.Time `json:"deleted,omitzero"`
	// Refs are the record's keys in other systems, one a system, unique in the
	// tenant for its kind. They stay taken until the record is purged.
	Refs Refs `json:"refs,omitempty"`
	// Custom are the values of the tenant's own fields.
	Custom Custom `json:"custom,omitempty"`

	kept *keptCustom // how Custom is stored
}

// Refs are keys of a record in other systems, by the system's name: "shopify" to
// "4711".
type Refs map[string]string

// Custom are values of custom fields by name: string, int64, bool, Money, Date,
// time.Time, ID, []string, or a decimal as its text.
type Custom map[string]any

const (
	maxRefs   = 20  // of a record
	maxSource = 48  // bytes of a system's name
	maxRef    = 255 // bytes of a key
)

func (r Refs) check() []Fault {
	if len(r) == 0 {
		return nil
	}
	var faults []Fault
	if len(r) > maxRefs {
		faults = append(faults, Fault{"refs", fmt.Sprintf("has %d keys, and %d are allowed", len(r), maxRefs)})
	}
	for _, source := range slices.Sorted(maps.Keys(r)) {
		switch key := r[source]; {
		case source == "" || len(source) > maxSource || strings.ContainsAny(source, "\x00"):
			faults = append(faults, Fault{"refs", fmt.Sprintf("a system's name has 1 to %d bytes", maxSource)})
		case key == "" || len(key) > maxRef:
			faults = append(faults, Fault{"refs." + source, fmt.Sprintf("a key has 1 to %d bytes: delete the entry to remove it", maxRef)})
		}
	}
	return faults
}

// canonical returns v as JSON with sorted members, the same for equal values.
func canonical(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // the values were checked, and all have a JSON form
	}
	return b
}
