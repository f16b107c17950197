package smtp

import (
	"context"
	"errors"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/embedcrm/embedcrm/crm"
)

// outcomeOf says what became of a mail whose sending failed.
func outcomeOf(ctx context.Context, err error) *crm.SendError {
	failure, ok := errors.AsType[*failure](err)
	if !ok {
		return &crm.SendError{Class: crm.SendUncertain, Err: err}
	}
	if answer, ok := errors.AsType[*textproto.Error](err); ok && failure.at != atContent { // where the server says nothing
		return answered(failure.at, answer)
	}
	if cause := ctx.Err(); cause != nil {
		err = errors.Join(cause, err)
	}
	out := &crm.SendError{Class: crm.SendLater, Reason: crm.ReasonChannel, Err: err}
	switch {
	case failure.at == atEnd:
		out.Class, out.Reason = crm.SendUncertain, ""
	case ctx.Err() != nil: // whatever else was found out by then
		out.Reason = ""
	case errors.Is(err, errNoUTF8):
		out.Class, out.Reason = crm.SendRejected, crm.ReasonOther
	case errors.Is(err, crm.ErrInvalid):
		out.Class, out.Reason = crm.SendRejected, crm.ReasonInvalid
	case errors.Is(err, errContent):
		out.Reason = crm.ReasonContent
	}
	return out
}

// answered is what an answer of the server means.
func answered(at stage, answer *textproto.Error) *crm.SendError {
	enhanced, _ := enhancedCode(answer)
	out := &crm.SendError{Code: strings.TrimSpace(strconv.Itoa(answer.Code) + " " + enhanced.String()), Err: answer}
	switch {
	case answer.Code/100 == 4:
		out.Class = crm.SendLater
	case at == atHello:
		out.Class, out.Reason = crm.SendLater, crm.ReasonChannel
	case answer.Code/100 == 5:
		out.Class, out.Reason = crm.SendRejected, reasonOf(at, answer.Code, enhanced)
		if out.Reason == crm.ReasonChannel {
			out.Class = crm.SendLater
		}
	case at == atEnd:
		out.Class = crm.SendUncertain
	default:
		out.Class, out.Reason = crm.SendLater, crm.ReasonChannel
	}
	return out
}

// enhanced is an enhanced status code by RFC 3463: 5.1.1.
type enhanced struct{ class, subject, detail int }

func (e enhanced) String() string {
	if e == (enhanced{}) {
		return ""
	}
	return strconv.Itoa(e.class) + "." + strconv.Itoa(e.subject) + "." + strconv.Itoa(e.detail)
}

// enhancedCode reads the code that an answer's text begins with. One of another class
// than the answer's is none.
func enhancedCode(answer *textproto.Error) (enhanced, bool) {
	first, _, _ := strings.Cut(answer.Msg, " ")
	first, _, _ = strings.Cut(first, "\n")
	parts := strings.Split(first, ".")
	if len(parts) != 3 {
		return enhanced{}, false
	}
	var numbers [3]int
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 999 {
			return enhanced{}, false
		}
		numbers[i] = n
	}
	if numbers[0] != answer.Code/100 {
		return enhanced{}, false
	}
	return enhanced{numbers[0], numbers[1], numbers[2]}, true
}

// reasonOf says why the server refuses for good. The enhanced code goes first, since
// servers give 550 and 554 for anything.
func reasonOf(at stage, code int, e enhanced) crm.Reason {
	switch code {
	case 530, 534, 535, 538: // it wants another login, or one at all
		return crm.ReasonChannel
	case 556: // the domain takes no mail, RFC 7504
		return crm.ReasonBadAddress
	}
	if reason := reasonOfEnhanced(at, e); reason != "" {
		return reason
	}
	switch code {
	case 500, 501, 502, 503, 504, 555: // the server did not understand
		return crm.ReasonOther
	}
	switch at {
	case atMail:
		if code == 552 {
			return crm.ReasonContent // it is too long
		}
		return crm.ReasonPolicy
	case atRcpt:
		switch code {
		case 550, 551, 553:
			return crm.ReasonBadAddress
		case 552:
			return crm.ReasonFull
		}
		return crm.ReasonPolicy
	}
	switch code {
	case 552, 554:
		return crm.ReasonContent
	case 550, 553:
		return crm.ReasonPolicy
	}
	return crm.ReasonOther
}

// reasonOfEnhanced says what a code of RFC 3463, its registry included, says, or
// nothing.
func reasonOfEnhanced(at stage, e enhanced) crm.Reason {
	switch e.subject {
	case 1: // addresses
		if at == atMail || e.detail == 7 || e.detail == 8 { // the sender's
			return crm.ReasonPolicy
		}
		return crm.ReasonBadAddress
	case 2: // mailboxes
		switch e.detail {
		case 2:
			return crm.ReasonFull
		case 3:
			return crm.ReasonContent // longer than the mailbox takes
		}
		return crm.ReasonBadAddress
	case 3: // the mail system
		if e.detail == 4 {
			return crm.ReasonContent // longer than the system takes
		}
		return crm.ReasonOther
	case 4: // the way
		if e.detail == 4 {
			return crm.ReasonBadAddress // there is none to the domain
		}
		return crm.ReasonOther
	case 5: // the protocol
		return crm.ReasonOther
	case 6: // the content
		return crm.ReasonContent
	case 7: // security
		switch e.detail {
		case 8, 9, 11: // the login
			return crm.ReasonChannel
		case 28: // too much of it, from here
			return crm.ReasonBlocked
		}
		return crm.ReasonPolicy
	}
	return ""
}
