package activity

import (
	"context"
	"errors"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// InteractionKind says what one did together.
type InteractionKind string

// The kinds of interactions.
const (
	Call    InteractionKind = "call"
	Mail    InteractionKind = "mail"
	Meeting InteractionKind = "meeting"
	Chat    InteractionKind = "chat"
	Visit   InteractionKind = "visit"
	Social  InteractionKind = "social" // a post, or an answer to one, in a social network
)

// Direction says who began an interaction.
type Direction string

// The directions; empty: neither, as of a meeting.
const (
	In  Direction = "in"  // they did
	Out Direction = "out" // we did
)

// Interaction is a call, a mail or whatever else passed between us and them. Its owner
// is who of us had it.
type Interaction struct {
	crm.Record

	// Object and RecordID are the record it hangs on, of any kind.
	Object    string          `crm:"required,max=48"         json:"object"`
	RecordID  crm.ID          `crm:"required,subject=object" json:"record_id"`
	Kind      InteractionKind `crm:"required,enum=call|mail|meeting|chat|visit|social" json:"kind"`
	Direction Direction       `crm:"enum=in|out"             json:"direction,omitempty"`
	// At is when it began; zero when it is created: now, or the time of [crm.At].
	At time.Time `crm:"required,sort" json:"at"`
	// Seconds is how long it took.
	Seconds int64 `json:"seconds,omitempty"`
	// Outcome is what came of it, in the host's own terms: "no answer".
	Outcome string `crm:"max=100" json:"outcome,omitempty"`
	// Title is what it was about: of a mail its subject.
	Title string `crm:"max=500,search,personal"   json:"title,omitempty"`
	Text  string `crm:"max=100000,search,personal" json:"text,omitempty"`
	// Participants are who took part besides its owner, at most 200.
	Participants []Participant `crm:"json,personal" json:"participants,omitempty"`
	// Channel and MessageID say how it came and how it is known there: "support@acme.com"
	// and a mail's Message-ID. A message is on a record once: see [Interactions.Capture].
	Channel   string `crm:"max=200" json:"channel,omitempty"`
	MessageID string `crm:"max=500" json:"message_id,omitempty"`
}

// Participant is somebody who took part in an interaction.
type Participant struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"` // an e-mail address, a phone number, a handle
	Role    string `json:"role,omitempty"`    // in the host's own terms: "to", "host"
}

const (
	maxParticipants = 200
	maxParticipant  = 500 // bytes of each of the texts
)

var _ crm.Validator = (*Interaction)(nil)

// Validate refuses a negative duration, too many participants, and a message without
// its channel.
func (i *Interaction) Validate() error {
	switch {
	case i.Seconds < 0:
		return crm.Invalid("seconds", "is %d: a duration is not below zero", i.Seconds)
	case (i.Channel == "") != (i.MessageID == ""):
		return crm.Invalid("message_id", "a message is known by its channel and its id: give both or neither")
	case len(i.Participants) > maxParticipants:
		return crm.Invalid("participants", "are %d, and %d are allowed", len(i.Participants), maxParticipants)
	}
	for n, p := range i.Participants {
		switch {
		case p == Participant{}:
			return crm.Invalid("participants", "number %d is nobody: give a name or an address", n+1)
		case len(p.Name) > maxParticipant || len(p.Address) > maxParticipant || len(p.Role) > maxParticipant:
			return crm.Invalid("participants", "number %d has a text of more than %d bytes", n+1, maxParticipant)
		}
	}
	return nil
}

// Interactions are a tenant's interactions.
type Interactions struct {
	crm.Collection[Interaction]

	core *crm.Core
}

func (a *Activity) defineInteractions() error {
	kind, err := crm.Define(a.core, crm.Object[Interaction]{
		Name: "interaction", BeforeWrite: a.dateInteraction,
		Timeline: []crm.Appearance{{On: "record_id", At: "at", Title: "title", KindOf: "kind"}},
	})
	if err == nil {
		a.Interactions = &Interactions{kind.Collection, a.core}
	}
	return err
}

func (a *Activity) dateInteraction(ctx context.Context, w *crm.Write[Interaction]) error {
	if w.After.At.IsZero() {
		w.After.At = a.core.Now(ctx)
	}
	return nil
}

// Capture adds an interaction that came by a channel, unless the record has its
// message already: then it returns the one it has, and false. One that was deleted
// counts, so that a channel read again does not bring it back; a purged one does not.
func (i *Interactions) Capture(ctx context.Context, v Interaction) (kept Interaction, added bool, err error) {
	if v.Channel == "" || v.MessageID == "" {
		return kept, false, crm.Invalid("message_id", "what is captured is known by its channel and its message id: give both, or use Create")
	}
	for range 2 {
		if kept, err = i.captured(ctx, &v); !errors.Is(err, crm.ErrNotFound) {
			return kept, false, err
		}
		kept, err = i.Create(ctx, v)
		if !errors.Is(err, crm.ErrConflict) { // another writer was first
			break
		}
	}
	return kept, err == nil, err
}

// captured returns the interaction that has the message of v.
func (i *Interactions) captured(ctx context.Context, v *Interaction) (Interaction, error) {
	page, err := i.List(ctx, crm.WithDeleted(), crm.Limit(1), crm.OrderBy("id"),
		crm.Where("object == $1 and record_id == $2 and channel == $3 and message_id == $4", v.Object, v.RecordID, v.Channel, v.MessageID))
	if err == nil && len(page.Items) == 0 {
		err = crm.ErrNotFound
	}
	if err != nil {
		return Interaction{}, err
	}
	return page.Items[0], nil
}
