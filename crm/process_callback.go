package crm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// maxAnswer is how many bytes the data of an answer has at most.
const maxAnswer = 4 << 10

// errToken is a token that is none of ours, for whatever reason.
var errToken = Invalid("token", "is none that this CRM gave out")

// callback is what a token says: the round of a wait of an instance.
type callback struct {
	tenant   string
	instance uuid.UUID
	step     string
	round    int64
}

// text seals the callback with the tenant's secret: whoever has the text may answer.
func (b callback) text(t *tenant) string {
	raw := append([]byte{byte(len(b.tenant))}, b.tenant...)
	raw = append(raw, b.instance[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(b.round))
	raw = append(raw, b.step...)
	return base64.RawURLEncoding.EncodeToString(append(raw, b.seal(t, raw)...))
}

func (b callback) seal(t *tenant, raw []byte) []byte {
	mac := hmac.New(sha256.New, t.secret)
	_, _ = mac.Write([]byte("process callback\x00"))
	_, _ = mac.Write(raw)
	return mac.Sum(nil)
}

// parseCallback reads a token, and the seal on it, which is yet to be checked.
func parseCallback(text string) (b callback, raw, seal []byte, ok bool) {
	if len(text) > 400 {
		return b, nil, nil, false
	}
	all, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(all) < 1 || len(all) < 1+int(all[0])+16+8+1+sha256.Size {
		return b, nil, nil, false
	}
	raw, seal = all[:len(all)-sha256.Size], all[len(all)-sha256.Size:]
	n := 1 + int(raw[0])
	b.tenant = string(raw[1:n])
	copy(b.instance[:], raw[n:])
	b.round = int64(binary.BigEndian.Uint64(raw[n+16:]))
	b.step = string(raw[n+24:])
	return b, raw, seal, true
}

// token returns the token for a wait of an instance.
func (is *Instances) token(ctx context.Context, in *instance, g *graph, st *state, step string) (string, error) {
	if n := g.nodes[step]; n == nil || !n.Callback {
		return "", Invalid("step", "there is no wait for a callback %q", clip(step))
	}
	sc, err := scopeOf(ctx)
	if err != nil {
		return "", err
	}
	t, err := is.core.Tenants.of(ctx, sc.Tenant)
	if err != nil {
		return "", err
	}
	if t == nil {
		return "", ErrNotFound
	}
	return callback{sc.Tenant, in.id, step, st.Rounds[step]}.text(t), nil
}

// CallbackToken returns the token that answers a wait of an instance: one it is at, or
// comes to. Whoever has it may answer, once. It takes the right to update the record.
func (is *Instances) CallbackToken(ctx context.Context, id ID, step string) (text string, err error) {
	err = is.operate(ctx, id, false, func(ctx context.Context, p *pass, in *instance) (bool, error) {
		if !in.ended.IsZero() {
			return false, errEnded
		}
		text, err = is.token(ctx, in, p.g, p.st, step)
		return false, err
	})
	return text, failed("callback", "instance", id, err)
}

// Answer ends a wait for a callback, from outside: whoever has the token may, and no
// scope is needed. The outcome chooses among the Outcomes of the step, and "" is Next.
// data is kept in the variable of the step's key, at most 4 KiB of JSON; nil is none.
// An answer may come before its wait is reached.
//
// A token that was not given out is ErrInvalid. One that was used, or whose wait has
// ended otherwise, is ErrConflict.
func (is *Instances) Answer(ctx context.Context, token, outcome string, data any) error {
	b, raw, seal, ok := parseCallback(token)
	if !ok {
		return failed("answer", "instance", ID{}, errToken)
	}
	t, err := is.core.Tenants.of(ctx, b.tenant)
	if err != nil {
		return failed("answer", "instance", ID{}, err)
	}
	if t == nil || !hmac.Equal(seal, b.seal(t, raw)) {
		return failed("answer", "instance", ID{}, errToken)
	}
	ctx = System(ctx, b.tenant)
	err = is.core.changeInstance(ctx, b.tenant, ID(b.instance), func(p *pass, in *instance) (bool, error) {
		if !in.ended.IsZero() {
			return false, errEnded
		}
		return true, p.answer(b.step, b.round, outcome, data)
	})
	return failed("answer", "instance", ID(b.instance), err)
}

// answer takes an answer to a wait, which goes on with it, or will.
func (p *pass) answer(step string, round int64, outcome string, data any) error {
	n := p.g.nodes[step]
	if n == nil {
		return Invalid("token", "the step is not there any more")
	}
	if _, taken := p.st.Answers[step]; taken || p.st.Rounds[step] != round {
		return &ConflictError{Field: "token", Reason: "it was used, or the wait has ended"}
	}
	if n.follows(outcome) == "" {
		return Invalid("outcome", "%q is none of: %s", clip(outcome), strings.Join(slices.Sorted(maps.Keys(n.Outcomes)), ", "))
	}
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil || len(raw) > maxAnswer {
			return Invalid("data", "is JSON of at most %d bytes", maxAnswer)
		}
		if err := (&ActionCall{set: map[string]json.RawMessage{step: raw}}).apply(p.st); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	if p.st.Answers == nil {
		p.st.Answers = map[string]string{}
	}
	p.st.Answers[step] = outcome
	for _, t := range p.st.Tokens {
		if t.Step == step && t.State == tokenWaiting {
			t.State, t.Due = tokenReady, p.now
			break
		}
	}
	return nil
}
