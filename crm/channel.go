package crm

import "context"

// Channel carries messages to people outside: mail, SMS, a chat. What sends
// campaigns, answers tickets or notifies members is given channels by the host and
// asks nothing else of them. A Channel is safe for any number of goroutines, and does
// not try again by itself.
type Channel interface {
	// Send hands one message to the channel and returns what became of it.
	//
	// No error means that the channel took the message over. Every other outcome is
	// an error whose class [ClassOf] tells: rejected for good, to be tried later, or
	// uncertain. With an uncertain outcome Sent may have an ID, by which a later
	// [Receipt] can tell.
	//
	// A message that is not [Message.Normal] is rejected. What a channel can't carry
	// of one is said by its Traits: subject and HTML are left out, since Text says the
	// same; a message with attachments it can't carry is rejected.
	Send(ctx context.Context, m Message) (Sent, error)

	// Traits says what may be expected of the channel. They never change.
	Traits() ChannelTraits
}

// ChannelTraits are what may be expected of a [Channel].
type ChannelTraits struct {
	// Kind is the kind of addresses it sends to.
	Kind AddressKind
	// Idempotent reports that a message sent again under the same Key reaches the
	// person once. An uncertain one may then be sent again. Where it is false, doing
	// so may send it twice, and who may not takes every uncertain message for sent.
	Idempotent bool
	// Subject, HTML and Attachments report what of a message it carries besides Text.
	Subject, HTML, Attachments bool
}

// Sent is what a [Channel] says of a message it took over.
type Sent struct {
	// ID is the provider's id of the message, by which its receipts name it. For mail
	// it is the Message-ID.
	ID string
	// Parts is into how many a text message was cut, or 0 if that is not said.
	Parts int
	// Cost is what it costs, or zero if that is not said.
	Cost Money
	// Response is what the provider answered, for people who trace a message there.
	Response string
}
