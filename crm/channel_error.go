package crm

import (
	"errors"
	"time"
)

// SendClass is what became of a message, as far as the sender must know it to go on.
type SendClass string

// The classes of outcomes of [Channel.Send].
const (
	SendAccepted  SendClass = "accepted"  // the channel took it over; receipts tell the rest
	SendRejected  SendClass = "rejected"  // not sent, and trying again won't help
	SendLater     SendClass = "later"     // not sent; trying again may help
	SendUncertain SendClass = "uncertain" // it may have been sent, and nobody knows
)

// The classes of a [SendError], matched with errors.Is.
var (
	// ErrRejected is a message that is refused for good.
	ErrRejected = errors.New("rejected")
	// ErrLater is a message that was not sent, and may be tried again.
	ErrLater = errors.New("not sent now")
	// ErrUncertain is a message that may have been sent or not.
	ErrUncertain = errors.New("not known to be sent or not")
)

// Reason is why a message was refused, or bounced.
type Reason string

// Reasons. Only ReasonBadAddress and ReasonBlocked are about the person addressed, so
// that further messages will fare no better.
const (
	ReasonBadAddress Reason = "bad_address"  // nobody has the address
	ReasonBlocked    Reason = "blocked"      // the person, or the provider in their name, takes nothing from this sender
	ReasonFull       Reason = "mailbox_full" // there is no room for it
	ReasonContent    Reason = "content"      // the message itself: its size, an attachment, taken for spam
	ReasonPolicy     Reason = "policy"       // the sender may not: authentication, reputation, a template that is not registered
	ReasonInvalid    Reason = "invalid"      // it is no message: an [ErrInvalid] says why
	ReasonChannel    Reason = "channel"      // the channel does not work: credentials, certificate, not reachable
	ReasonOther      Reason = "other"        // what the channel did not say, or nothing of the above
)

// SendError is an outcome of [Channel.Send] other than accepted.
type SendError struct {
	// Class is rejected, later or uncertain.
	Class SendClass
	// Reason says why, or is empty: nothing is known but the class.
	Reason Reason
	// After is how long the provider asks to wait before trying again, or 0.
	After time.Duration
	// Code is the provider's own, such as "550 5.1.1", or empty.
	Code string
	// Err is what went wrong. It may hold what the provider answered, addresses
	// included, so that Class, Reason and Code are what is fit for a log.
	Err error
}

// Error returns class, reason, code and what went wrong.
func (e *SendError) Error() string {
	text := string(e.Class)
	if e.Reason != "" {
		text += ", " + string(e.Reason)
	}
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what went wrong.
func (e *SendError) Unwrap() error { return e.Err }

// Is makes it the error of its class.
func (e *SendError) Is(target error) bool {
	switch target {
	case ErrRejected:
		return e.Class == SendRejected
	case ErrLater:
		return e.Class == SendLater
	case ErrUncertain:
		return e.Class == SendUncertain
	}
	return false
}

// ClassOf returns the class of an outcome of [Channel.Send]: accepted for no error,
// that of a [SendError], rejected for an [ErrInvalid]. Any other error is uncertain,
// as an error that says nothing of it leaves open whether the message was sent.
func ClassOf(err error) SendClass {
	if err == nil {
		return SendAccepted
	}
	if e, ok := errors.AsType[*SendError](err); ok {
		switch e.Class {
		case SendRejected, SendLater:
			return e.Class
		}
		return SendUncertain
	}
	if errors.Is(err, ErrInvalid) {
		return SendRejected
	}
	return SendUncertain
}
