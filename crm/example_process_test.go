package crm_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/crm/crmtest"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// Yard is a harbour whose boats go through processes.
type Yard struct {
	*Harbour

	Letters []string // that were sent
	Links   []string // for answers, that were sent
	Down    bool     // the post does not work
}

// Greeting is what the action "letter" is given.
type Greeting struct {
	Text string `json:"text"`
}

// Validate refuses a letter without a text, when a process is written.
func (l *Greeting) Validate() error {
	if l.Text == "" {
		return crm.Invalid("text", "is missing")
	}
	return nil
}

// openYard returns a yard, dana's context, and a boat of hers.
func openYard() (*Yard, context.Context, Boat) { return openYardWith(func(*Yard) {}) }

func openYardWith(define func(*Yard)) (*Yard, context.Context, Boat) {
	y := &Yard{Harbour: &Harbour{Clock: &crmtest.Clock{}, DB: must(sql.Open("sqlite", sqlite.DSN(":memory:")))}}
	y.DB.SetMaxOpenConns(1)
	y.Core = must(crm.New(must(sqlite.New(y.DB)), crm.Config{Clock: y.Clock}))
	y.AddLine(harbourLine())
	y.Boats = must(crm.Define(y.Core, crm.Object[Boat]{Name: "boat"}))
	y.Visits = must(crm.Define(y.Core, crm.Object[Visit]{Name: "visit"}))
	err := errors.Join(
		crm.DefineAction(y.Core, "letter", y.letter, crm.Idempotent()),
		crm.DefineAction(y.Core, "berth", y.berth),
	)
	define(y)
	ctx := context.Background()
	if err := errors.Join(err, y.Migrate(ctx)); err != nil {
		log.Fatal(err)
	}
	ctx = crm.As(ctx, crm.Actor{Tenant: "acme", Member: "dana"})
	return y, ctx, must(y.Boats.Create(ctx, Boat{Name: "Argo"}))
}

// letter is an action with an effect outside.
func (y *Yard) letter(_ context.Context, _ *crm.ActionCall, l Greeting) (string, error) {
	if y.Down {
		return "", errors.New("the post is closed")
	}
	y.Letters = append(y.Letters, l.Text)
	return "", nil
}

// berth is an action inside: it gives the boat a place.
func (y *Yard) berth(ctx context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
	_, err := y.Boats.Update(ctx, call.Record, func(b *Boat) error { b.Berth = "A1"; return nil })
	return "", err
}

// publish makes a process of steps in JSON that starts from now on.
func (y *Yard) publish(ctx context.Context, key, steps string) crm.Process {
	p := must(y.Processes.Create(ctx, crm.Process{Key: key, Name: key, Object: "boat", Single: true, Steps: must(crm.ParseSteps([]byte(steps)))}))
	return must(y.Processes.Publish(ctx, p.ID))
}

// run does what is due after some time.
func (y *Yard) run(later time.Duration) {
	y.Clock.Advance(later)
	if err := y.RunDue(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// welcome is a process: a place, a letter three days later, unless the boat has left.
const welcome = `[
	{"key": "place", "kind": "action", "action": "berth", "next": "days"},
	{"key": "days",  "kind": "wait", "for": "3d", "next": "here"},
	{"key": "here",  "kind": "choose", "cases": [{"if": "berth == 'A1'", "next": "mail"}], "next": "gone"},
	{"key": "mail",  "kind": "action", "action": "letter", "args": {"text": "Welcome!"}, "next": "done"},
	{"key": "gone",  "kind": "end"},
	{"key": "done",  "kind": "end"}]`

// ask is a process that asks somebody outside.
const ask = `[
	{"key": "ask", "kind": "wait", "callback": true, "outcomes": {"yes": "granted", "no": "refused"}, "timeout": "7d", "on_timeout": "refused"},
	{"key": "granted", "kind": "end"},
	{"key": "refused", "kind": "end"}]`

func ExampleProcesses_Start() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	in, err := y.Processes.Start(ctx, "welcome", argo.ID)
	fmt.Println(in.State, err)
	_, err = y.Processes.Start(ctx, "welcome", argo.ID)
	fmt.Println(errors.Is(err, crm.ErrConflict))

	y.run(0)
	in = must(y.Instances.Get(ctx, in.ID))
	fmt.Println(in.State, in.Positions[0].Step, in.Positions[0].Until.Format(time.DateOnly), must(y.Boats.Get(ctx, argo.ID)).Berth)
	y.run(72 * time.Hour)
	in = must(y.Instances.Get(ctx, in.ID))
	fmt.Println(in.State, in.Result, y.Letters)
	// Output:
	// running <nil>
	// true
	// waiting days 2026-01-08 A1
	// done done [Welcome!]
}

func ExampleWithVariables() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	in := must(y.Processes.Start(ctx, "welcome", argo.ID, crm.WithVariables(map[string]any{"guest": "Ada", "nights": 3})))
	fmt.Printf("%s %s\n", in.Variables["guest"], in.Variables["nights"])
	// Output: "Ada" 3
}

func ExampleParseSteps() {
	_, err := crm.ParseSteps([]byte(`[{"key": "days", "kind": "wait", "until": "arrived", "nxet": "done"}]`))
	fmt.Println(err)
	// Output: crm: parse process: invalid: steps[0] (days): cannot be read: unknown field "nxet"
}

func ExampleDefineAction() {
	y, ctx, _ := openYard()
	_, err := y.Processes.Create(ctx, crm.Process{Key: "p", Name: "p", Object: "boat", Steps: must(crm.ParseSteps([]byte(`[
		{"key": "mail", "kind": "action", "action": "letter", "args": {"txt": "Hello"}, "next": "done"},
		{"key": "done", "kind": "end"}]`)))})
	fmt.Println(err)
	// Output: crm: create process: invalid: steps[0] (mail).args: cannot be read: unknown field "txt"
}

// A new version serves new instances; what runs ends on its own.
func ExampleProcesses_Publish() {
	y, ctx, argo := openYard()
	first := y.publish(ctx, "ask", ask)
	in := must(y.Processes.Start(ctx, "ask", argo.ID))
	second := y.publish(ctx, "ask", strings.ReplaceAll(ask, "7d", "1d"))
	fmt.Println(must(y.Processes.Get(ctx, first.ID)).State, second.State, second.Number)
	y.run(0)
	fmt.Println(must(y.Instances.Get(ctx, in.ID)).Positions[0].Until.Format(time.DateOnly))
	// Output:
	// retired published 2
	// 2026-01-12
}

func ExampleProcesses_Retire() {
	y, ctx, argo := openYard()
	p := y.publish(ctx, "ask", ask)
	must(y.Processes.Retire(ctx, p.ID))
	_, err := y.Processes.Start(ctx, "ask", argo.ID)
	fmt.Println(err)
	// Output: crm: start process: invalid: process: no version of "ask" is published
}

// A draft can be tried on a record before it is published.
func ExampleProcesses_DryRun() {
	y, ctx, argo := openYard()
	draft := must(y.Processes.Create(ctx, crm.Process{Key: "p", Name: "p", Object: "boat", Steps: must(crm.ParseSteps([]byte(welcome)))}))
	for _, s := range must(y.Processes.DryRun(ctx, draft.ID, argo.ID)) {
		fmt.Println(s.Step, s.Kind, s.Outcome, s.Conditions)
	}
	fmt.Println(len(y.Letters))
	// Output:
	// place action  []
	// days wait  []
	// here choose otherwise [{berth == 'A1' false}]
	// gone end  []
	// 0
}

func ExampleProcesses_Times() {
	y, ctx, argo := openYard()
	p := y.publish(ctx, "welcome", welcome)
	must(y.Processes.Start(ctx, "welcome", argo.ID))
	y.run(0)
	y.run(80 * time.Hour)
	for _, t := range must(y.Processes.Times(ctx, p.ID)) {
		fmt.Println(t.Step, t.Visits, t.Median)
	}
	// Output:
	// days 1 80h0m0s
	// done 1 0s
	// here 1 0s
	// mail 1 0s
	// place 1 0s
}

func ExampleInstances_Get() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	in := must(y.Processes.Start(ctx, "welcome", argo.ID))
	y.run(0)
	in = must(y.Instances.Get(ctx, in.ID))
	fmt.Println(in.Process, in.Object, in.State, in.Starter, in.Positions[0].Step)
	// Output: welcome boat waiting member:dana days
}

func ExampleInstances_List() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	must(y.Processes.Start(ctx, "welcome", argo.ID))
	y.run(0)
	page := must(y.Instances.List(ctx, crm.InstanceFilter{Object: "boat", Record: argo.ID, State: crm.InstanceWaiting}, crm.Limit(10)))
	for _, in := range page.Items {
		fmt.Println(in.Process, in.Positions[0].Step)
	}
	// Output: welcome days
}

func ExampleInstances_History() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	in := must(y.Processes.Start(ctx, "welcome", argo.ID))
	y.run(0)
	y.run(72 * time.Hour)
	for _, v := range must(y.Instances.History(ctx, in.ID)).Items {
		fmt.Printf("%s %s %q\n", v.Entered.Format("02 15:04"), v.Step, v.Outcome)
	}
	// Output:
	// 05 09:00 place ""
	// 05 09:00 days ""
	// 08 09:00 here "case 1"
	// 08 09:00 mail ""
	// 08 09:00 done ""
}

func ExampleInstances_Cancel() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	in := must(y.Processes.Start(ctx, "welcome", argo.ID))
	y.run(0)
	fmt.Println(y.Instances.Cancel(ctx, in.ID, "the guest has left"))
	last := must(y.Instances.History(ctx, in.ID)).Items[1]
	fmt.Println(must(y.Instances.Get(ctx, in.ID)).State, last.Step, last.Outcome, last.Actor, last.Reason)
	// Output:
	// <nil>
	// cancelled days cancelled member:dana the guest has left
}

func ExampleInstances_Move() {
	y, ctx, argo := openYard()
	y.publish(ctx, "welcome", welcome)
	in := must(y.Processes.Start(ctx, "welcome", argo.ID))
	y.run(0)
	fmt.Println(y.Instances.Move(ctx, in.ID, "", "here", "they are here already"))
	y.run(0)
	fmt.Println(must(y.Instances.Get(ctx, in.ID)).Result, y.Letters)
	// Output:
	// <nil>
	// done [Welcome!]
}

// What fails is tried again for some hours, then it is stuck, and listed.
func ExampleInstances_Stuck() {
	y, ctx, argo := openYard()
	y.publish(ctx, "mail", `[{"key": "mail", "kind": "action", "action": "letter", "args": {"text": "Hi"}, "next": "done"}, {"key": "done", "kind": "end"}]`)
	must(y.Processes.Start(ctx, "mail", argo.ID))
	y.Down = true
	for range 12 {
		y.run(8 * time.Hour)
	}
	for _, in := range must(y.Instances.Stuck(ctx)).Items {
		p := in.Positions[0]
		fmt.Println(in.Process, p.Step, p.Attempts, p.Error)
	}
	// Output: mail mail 12 the post is closed
}

func ExampleInstances_Retry() {
	y, ctx, argo := openYard()
	y.publish(ctx, "mail", `[{"key": "mail", "kind": "action", "action": "letter", "args": {"text": "Hi"}, "next": "done"}, {"key": "done", "kind": "end"}]`)
	in := must(y.Processes.Start(ctx, "mail", argo.ID))
	y.Down = true
	y.run(0)
	y.Down = false
	fmt.Println(y.Instances.Retry(ctx, in.ID)) // without waiting for the next attempt
	y.run(0)
	fmt.Println(must(y.Instances.Get(ctx, in.ID)).State, y.Letters)
	// Output:
	// <nil>
	// done [Hi]
}

// Of what must not be done twice, and ended nobody knows how, somebody finds out.
func ExampleInstances_Resolve() {
	y, ctx, argo := openYardWith(func(y *Yard) {
		must(0, crm.DefineAction(y.Core, "charge", func(context.Context, *crm.ActionCall, struct{}) (string, error) {
			panic("the line broke")
		}, crm.AtMostOnce()))
	})
	y.publish(ctx, "fee", `[{"key": "fee", "kind": "action", "action": "charge", "next": "done"}, {"key": "done", "kind": "end"}]`)
	in := must(y.Processes.Start(ctx, "fee", argo.ID))
	y.run(0)
	in = must(y.Instances.Get(ctx, in.ID))
	fmt.Println(in.State, in.Positions[0].Uncertain)
	fmt.Println(y.Instances.Resolve(ctx, in.ID, "fee", true, "", "the bank has it"))
	y.run(0)
	fmt.Println(must(y.Instances.Get(ctx, in.ID)).State)
	// Output:
	// stuck true
	// <nil>
	// done
}

func ExampleInstances_Answer() {
	y, ctx, argo := openYard()
	y.publish(ctx, "ask", ask)
	in := must(y.Processes.Start(ctx, "ask", argo.ID))
	y.run(0)
	token := must(y.Instances.CallbackToken(ctx, in.ID, "ask"))
	outside := context.Background() // the answer comes by a link, without a scope
	fmt.Println(y.Instances.Answer(outside, token, "yes", map[string]string{"by": "Ada"}))
	fmt.Println(errors.Is(y.Instances.Answer(outside, token, "no", nil), crm.ErrConflict))
	y.run(0)
	in = must(y.Instances.Get(ctx, in.ID))
	fmt.Println(in.Result, string(in.Variables["ask"]))
	// Output:
	// <nil>
	// true
	// granted {"by":"Ada"}
}

func ExampleInstances_CallbackToken() {
	y, ctx, argo := openYard()
	y.publish(ctx, "ask", ask)
	in := must(y.Processes.Start(ctx, "ask", argo.ID))
	token, err := y.Instances.CallbackToken(ctx, in.ID, "ask")
	fmt.Println(len(token) > 60, err)
	_, err = y.Instances.CallbackToken(ctx, in.ID, "granted")
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	// Output:
	// true <nil>
	// true
}

// links is a yard with an action that sends out a link for an answer.
func links(y *Yard) {
	must(0, crm.DefineAction(y.Core, "link", func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
		token, err := call.CallbackToken("ask")
		y.Links = append(y.Links, token)
		return "", err
	}, crm.Idempotent()))
}

func ExampleActionCall_CallbackToken() {
	y, ctx, argo := openYardWith(links)
	y.publish(ctx, "ask", strings.Replace(ask, "[", `[{"key": "link", "kind": "action", "action": "link", "next": "ask"},`, 1))
	in := must(y.Processes.Start(ctx, "ask", argo.ID))
	y.run(0)
	fmt.Println(y.Instances.Answer(ctx, y.Links[0], "no", nil))
	y.run(0)
	fmt.Println(must(y.Instances.Get(ctx, in.ID)).Result)
	// Output:
	// <nil>
	// refused
}

// An action with an effect outside gives the key to whoever it calls, so that a second
// attempt is known to be one.
func ExampleActionCall_Key() {
	failed := ""
	y, ctx, argo := openYardWith(func(y *Yard) {
		must(0, crm.DefineAction(y.Core, "call", func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			if call.Attempt == 1 {
				failed = call.Key()
				return "", errors.New("busy")
			}
			fmt.Println(call.Key() == failed)
			return "", nil
		}, crm.Idempotent()))
	})
	y.publish(ctx, "call", `[{"key": "call", "kind": "action", "action": "call", "next": "done"}, {"key": "done", "kind": "end"}]`)
	must(y.Processes.Start(ctx, "call", argo.ID))
	y.run(0)
	y.run(time.Minute)
	// Output: true
}

// counting is a yard with an action that counts in a variable.
func counting(y *Yard) {
	must(0, crm.DefineAction(y.Core, "count", func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
		n := 0
		if _, err := call.Variable("rounds", &n); err != nil {
			return "", err
		}
		if n++; n == 3 {
			return "enough", call.SetVariable("rounds", n)
		}
		return "", call.SetVariable("rounds", n)
	}))
}

const inRounds = `[
	{"key": "count", "kind": "action", "action": "count", "outcomes": {"enough": "done"}, "next": "rest"},
	{"key": "rest", "kind": "wait", "for": "1d", "next": "count"},
	{"key": "done", "kind": "end"}]`

func ExampleActionCall_SetVariable() {
	y, ctx, argo := openYardWith(counting)
	y.publish(ctx, "rounds", inRounds)
	in := must(y.Processes.Start(ctx, "rounds", argo.ID))
	for range 3 {
		y.run(24 * time.Hour)
	}
	in = must(y.Instances.Get(ctx, in.ID))
	fmt.Println(in.Result, string(in.Variables["rounds"]))
	// Output: done 3
}

func ExampleActionCall_Variable() {
	y, ctx, argo := openYardWith(func(y *Yard) {
		must(0, crm.DefineAction(y.Core, "greet", func(_ context.Context, call *crm.ActionCall, _ struct{}) (string, error) {
			var guest string
			ok, err := call.Variable("guest", &guest)
			fmt.Println(guest, ok, err)
			return "", err
		}))
	})
	y.publish(ctx, "greet", `[{"key": "greet", "kind": "action", "action": "greet", "next": "done"}, {"key": "done", "kind": "end"}]`)
	must(y.Processes.Start(ctx, "greet", argo.ID, crm.WithVariables(map[string]any{"guest": "Ada"})))
	y.run(0)
	// Output: Ada true <nil>
}
