package crm_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/embedcrm/embedcrm/crm"
)

// harbourThat is a harbour with handlers, and the contexts of dana and of the tenant's
// own.
func harbourThat(register func(h *Harbour) error) (h *Harbour, dana, system context.Context) {
	h, dana = openHarbourWith(crm.Config{}, register)
	return h, dana, crm.System(context.Background(), "acme")
}

// A handler's changes are part of one transaction with the note that the event is
// done: each boat gets its visit once, whatever happens.
func ExampleCore_On() {
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.created", "first visit", func(ctx context.Context, e crm.Event) error {
			_, err := h.Visits.Create(ctx, Visit{BoatID: e.Record, Arrived: crm.DateOf(e.Happened)})
			return err
		})
	})
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	fmt.Println(h.Visits.Count(ctx))
	fmt.Println(h.RunDue(context.Background()))
	fmt.Println(h.Visits.Count(ctx))
	// Output:
	// 0 <nil>
	// <nil>
	// 1 <nil>
}

// Many boats at once are registered by one call.
func ExampleCore_OnBatch() {
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.OnBatch("boat.created", "first visits", func(ctx context.Context, events []crm.Event) error {
			visits := make([]Visit, len(events))
			for i, e := range events {
				visits[i] = Visit{BoatID: e.Record, Arrived: crm.DateOf(e.Happened)}
			}
			fmt.Println(len(visits), "visits")
			_, err := h.Visits.CreateAll(ctx, visits)
			return err
		})
	})
	must(h.Boats.CreateAll(ctx, []Boat{{Name: "Argo"}, {Name: "Pequod"}, {Name: "Beagle"}}))
	fmt.Println(h.RunDue(context.Background()))
	// Output:
	// 3 visits
	// <nil>
}

// Who was a customer of the former CRM is not welcomed again.
func ExampleQuietly() {
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.created", "welcome", func(_ context.Context, e crm.Event) error {
			fmt.Println("welcome,", string(e.Changes[0].After))
			return nil
		})
	})
	must(h.Boats.Create(crm.Quietly(ctx), Boat{Name: "Argo"}))
	must(h.Boats.Create(ctx, Boat{Name: "Pequod"}))
	fmt.Println(h.RunDue(context.Background()))
	// Output:
	// welcome, "Pequod"
	// <nil>
}

// What keeps count of boats counts those of the former system too.
func ExampleAlsoQuiet() {
	n := 0
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.created", "count", func(context.Context, crm.Event) error {
			n++
			return nil
		}, crm.AlsoQuiet())
	})
	must(h.Boats.Create(crm.Quietly(ctx), Boat{Name: "Argo"}))
	fmt.Println(h.RunDue(context.Background()), n)
	// Output:
	// <nil> 1
}

func ExampleIsQuiet() {
	_, ctx := openHarbour()
	fmt.Println(crm.IsQuiet(ctx), crm.IsQuiet(crm.Quietly(ctx)))
	// Output:
	// false true
}

// Timers are tested by moving the clock.
func ExampleCore_RunDue() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("remind", func(context.Context, crm.Job) error {
			fmt.Println("the fee is due")
			return nil
		})
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "remind", Due: h.Clock.Now().Add(72 * time.Hour)}))
	fmt.Println(h.RunDue(context.Background()))
	h.Clock.Advance(72 * time.Hour)
	fmt.Println(h.RunDue(context.Background()))
	// Output:
	// <nil>
	// the fee is due
	// <nil>
}

func ExampleCore_Start() {
	heard := make(chan string)
	h, dana, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.*", "greet", func(_ context.Context, e crm.Event) error {
			heard <- e.Name
			return nil
		}, crm.Outside())
	})
	stop := h.Start(context.Background())
	must(h.Boats.Create(dana, Boat{Name: "Argo"}))
	fmt.Println(<-heard)

	within, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(stop(within)) // when the program ends
	// Output:
	// boat.created
	// <nil>
}

func ExampleCore_Run() {
	ctx, cancel := context.WithCancel(context.Background())
	h, dana, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.created", "last", func(context.Context, crm.Event) error {
			cancel() // as the host's signal handler does
			return nil
		}, crm.Outside())
	})
	must(h.Boats.Create(dana, Boat{Name: "Argo"}))
	fmt.Println(h.Run(ctx))
	// Output: <nil>
}

func ExampleCore_Health() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("remind", func(context.Context, crm.Job) error { return crm.Permanent(errors.New("no address")) })
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "remind"}))
	h.Clock.Advance(90 * time.Second)
	health, err := h.Health(context.Background())
	for _, q := range health.Queues {
		fmt.Println(q.Name, q.Lag)
	}
	fmt.Println(err)

	_ = h.RunDue(context.Background())
	health, _ = h.Health(context.Background())
	fmt.Println(health.Failed, health.Uncertain, health.Parked)
	// Output:
	// outbox 0s
	// subscriptions 0s
	// held events 0s
	// jobs 1m31s
	// jobs outside 0s
	// schedules 0s
	// process 0s
	// <nil>
	// 1 0 0
}

// A subscription that is new hears of what happens from now on, unless it asks for all
// there was.
func ExampleFromBeginning() {
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.created", "register", func(_ context.Context, e crm.Event) error {
			fmt.Println(e.Name, e.Actor)
			return nil
		}, crm.FromBeginning())
	})
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	_ = h.RunDue(context.Background())
	// Output: boat.created member:dana
}

func ExampleOutside() {
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.On("boat.created", "webhook", func(_ context.Context, e crm.Event) error {
			// e.ID goes with the request, so that the other side knows a repetition.
			fmt.Println("POST", e.Name, e.ID == crm.ID{})
			return nil
		}, crm.Outside())
	})
	must(h.Boats.Create(ctx, Boat{Name: "Argo"}))
	_ = h.RunDue(context.Background())
	// Output: POST boat.created false
}

// oneParked is a harbour whose handler fails, with one event parked.
func oneParked() (h *Harbour, broken *bool, system context.Context) {
	broken = new(bool)
	*broken = true
	h, dana, system := harbourThat(func(h *Harbour) error {
		return h.On("boat.*", "webhook", func(_ context.Context, e crm.Event) error {
			if *broken {
				return errors.New("503 Service Unavailable")
			}
			fmt.Println("delivered", e.Name)
			return nil
		}, crm.Attempts(1))
	})
	must(h.Boats.Create(dana, Boat{Name: "Argo"}))
	_ = h.RunDue(context.Background())
	return h, broken, system
}

func ExampleAttempts() {
	h, _, system := oneParked() // with crm.Attempts(1)
	parked, err := h.Subscriptions.Parked(system, "webhook")
	fmt.Println(len(parked.Items), parked.Items[0].Attempts, err)
	// Output: 1 1 <nil>
}

func ExampleSubscriptions_Parked() {
	h, _, system := oneParked()
	parked, err := h.Subscriptions.Parked(system, "webhook", crm.Limit(10))
	for _, p := range parked.Items {
		fmt.Println(p.Event.Name, p.Error)
	}
	fmt.Println(err)
	// Output:
	// boat.created 503 Service Unavailable
	// <nil>
}

// Later events of the same record wait behind the one that failed.
func ExampleSubscriptions_Held() {
	h, _, system := oneParked()
	parked := must(h.Subscriptions.Parked(system, "webhook")).Items[0]
	must(h.Boats.Update(system, parked.Event.Record, func(b *Boat) error { b.Berth = "A7"; return nil }))
	_ = h.RunDue(context.Background())
	held, err := h.Subscriptions.Held(system, "webhook")
	for _, e := range held.Items {
		fmt.Println(e.Event.Name, e.Attempts, !e.Parked.IsZero())
	}
	fmt.Println(err)
	// Output:
	// boat.created 1 true
	// boat.updated 0 false
	// <nil>
}

func ExampleSubscriptions_Retry() {
	h, broken, system := oneParked()
	parked := must(h.Subscriptions.Parked(system, "webhook"))
	*broken = false
	fmt.Println(h.Subscriptions.Retry(system, parked.Items[0].ID))
	_ = h.RunDue(context.Background())
	// Output:
	// <nil>
	// delivered boat.created
}

func ExampleSubscriptions_Drop() {
	h, _, system := oneParked()
	parked := must(h.Subscriptions.Parked(system, "webhook"))
	fmt.Println(h.Subscriptions.Drop(system, parked.Items[0].ID))
	parked = must(h.Subscriptions.Parked(system, "webhook"))
	fmt.Println(len(parked.Items))
	// Output:
	// <nil>
	// 0
}

func ExampleSubscriptions_Replay() {
	h, broken, system := oneParked()
	*broken = false
	must(h.Boats.Create(system, Boat{Name: "Pequod"}))
	_ = h.RunDue(context.Background())
	fmt.Println(h.Subscriptions.Replay(system, "webhook", h.Clock.Now().Add(-time.Hour)))
	_ = h.RunDue(context.Background()) // the one that was parked, and the other once more
	// Output:
	// delivered boat.created
	// <nil>
	// delivered boat.created
	// delivered boat.created
}

func ExampleSubscriptions_List() {
	h, _, system := oneParked()
	list, err := h.Subscriptions.List(system)
	for _, s := range list {
		fmt.Println(s.Name, s.Position, "of", s.Head, "parked:", s.Parked)
	}
	fmt.Println(err)
	// Output:
	// crm.process 1 of 1 parked: 0
	// webhook 1 of 1 parked: 1
	// <nil>
}

func ExampleJobs_Handle() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("berth", func(ctx context.Context, j crm.Job) error {
			var boat crm.ID
			if err := j.Decode(&boat); err != nil {
				return crm.Permanent(err)
			}
			_, err := h.Boats.Update(ctx, boat, func(b *Boat) error { b.Berth = "A7"; return nil })
			return err
		})
	})
	argo := must(h.Boats.Create(system, Boat{Name: "Argo"}))
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "berth", Payload: argo.ID}))
	_ = h.RunDue(context.Background())
	fmt.Println(must(h.Boats.Get(system, argo.ID)).Berth)
	// Output: A7
}

// Letter is the payload of a job.
type Letter struct {
	To string `json:"to"`
}

func ExampleHandleJob() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return crm.HandleJob(h.Jobs, "letter", func(_ context.Context, _ crm.Job, l Letter) error {
			fmt.Println("to", l.To)
			return nil
		})
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter", Payload: Letter{To: "dana"}}))
	_ = h.RunDue(context.Background())
	// Output: to dana
}

func ExampleJob_Decode() {
	h, _, system := harbourThat(func(*Harbour) error { return nil })
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter", Payload: Letter{To: "dana"}}))
	var l Letter
	fmt.Println(must(h.Jobs.Get(system, j.ID)).Decode(&l), l.To)
	var n int
	err := j.Decode(&n)
	fmt.Println(errors.Is(err, crm.ErrInvalid))
	// Output:
	// <nil> dana
	// true
}

// A job is enqueued in the transaction of what it is about: both happen, or neither.
func ExampleJobs_Enqueue() {
	h, ctx, _ := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("invoice", func(context.Context, crm.Job) error { fmt.Println("an invoice"); return nil })
	})
	err := h.Tx(ctx, func(ctx context.Context) error {
		boat, err := h.Boats.Create(ctx, Boat{Name: "Argo"})
		if err != nil {
			return err
		}
		_, err = h.Jobs.Enqueue(ctx, crm.Job{Kind: "invoice", Key: boat.ID.String(), Payload: boat.ID})
		return err
	})
	fmt.Println(err)
	_ = h.RunDue(context.Background())
	// Output:
	// <nil>
	// an invoice
}

func ExampleJobs_EnqueueAll() {
	h, _, system := harbourThat(func(*Harbour) error { return nil })
	jobs, err := h.Jobs.EnqueueAll(system, []crm.Job{{Kind: "letter", Key: "dana"}, {Kind: "letter", Key: "eve"}, {Kind: "letter", Key: "dana"}})
	for _, j := range jobs {
		fmt.Println(j.Key, j.Existing)
	}
	fmt.Println(err)
	// Output:
	// dana false
	// eve false
	// dana true
	// <nil>
}

func ExampleJobs_Get() {
	h, _, system := harbourThat(func(*Harbour) error { return nil })
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter", Priority: crm.PriorityHigh}))
	j, err := h.Jobs.Get(system, j.ID)
	fmt.Println(j.Kind, j.State, j.MaxAttempts, err)
	// Output: letter waiting 12 <nil>
}

func ExampleJobs_List() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("letter", func(context.Context, crm.Job) error { return crm.Permanent(errors.New("no address")) })
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter"}))
	_ = h.RunDue(context.Background())
	failed, err := h.Jobs.List(system, crm.JobFilter{State: crm.JobFailed}, crm.Limit(10))
	for _, j := range failed.Items {
		fmt.Println(j.Kind, j.Attempts, j.Error)
	}
	fmt.Println(err)
	// Output:
	// letter 1 no address
	// <nil>
}

func ExampleJobs_Retry() {
	address := ""
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("letter", func(context.Context, crm.Job) error {
			if address == "" {
				return errors.New("no address")
			}
			fmt.Println("sent")
			return nil
		})
	})
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter", MaxAttempts: 1}))
	_ = h.RunDue(context.Background())
	address = "Pier 7"
	fmt.Println(h.Jobs.Retry(system, j.ID))
	_ = h.RunDue(context.Background())
	// Output:
	// <nil>
	// sent
}

func ExampleJobs_Cancel() {
	h, _, system := harbourThat(func(*Harbour) error { return nil })
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter", Due: h.Clock.Now().Add(time.Hour)}))
	fmt.Println(h.Jobs.Cancel(system, j.ID))
	_, err := h.Jobs.Get(system, j.ID)
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleIdempotent() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("sync", func(_ context.Context, j crm.Job) error {
			// j.ID goes with the request, so that the other side knows a repetition.
			fmt.Println("PUT", j.Key)
			return nil
		}, crm.Idempotent())
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "sync", Key: "boat 7"}))
	_ = h.RunDue(context.Background())
	// Output: PUT boat 7
}

// Nobody can know what became of a payment whose answer was lost: it is listed, and
// not made again by itself.
func ExampleAtMostOnce() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("pay", func(context.Context, crm.Job) error {
			fmt.Println("paying")
			return errors.New("the connection broke off")
		}, crm.AtMostOnce())
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "pay", Key: "invoice 12"}))
	_ = h.RunDue(context.Background())
	h.Clock.Advance(24 * time.Hour)
	_ = h.RunDue(context.Background())
	uncertain := must(h.Jobs.List(system, crm.JobFilter{State: crm.JobUncertain}))
	fmt.Println(len(uncertain.Items), uncertain.Items[0].Key, uncertain.Items[0].Error)
	// Output:
	// paying
	// 1 invoice 12 the connection broke off
}

func ExampleJobs_Resolve() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("pay", func(context.Context, crm.Job) error { return errors.New("the connection broke off") }, crm.AtMostOnce())
	})
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "pay"}))
	_ = h.RunDue(context.Background())
	fmt.Println(h.Jobs.Resolve(system, j.ID, true)) // the bank says it was paid
	_, err := h.Jobs.Get(system, j.ID)
	fmt.Println(errors.Is(err, crm.ErrNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleNotDone() {
	up := false
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("pay", func(context.Context, crm.Job) error {
			if !up {
				return crm.NotDone(errors.New("connection refused"))
			}
			fmt.Println("paid")
			return nil
		}, crm.AtMostOnce())
	})
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "pay"}))
	_ = h.RunDue(context.Background())
	fmt.Println(must(h.Jobs.Get(system, j.ID)).State)
	up = true
	h.Clock.Advance(time.Minute)
	_ = h.RunDue(context.Background())
	// Output:
	// waiting
	// paid
}

func ExamplePermanent() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("letter", func(context.Context, crm.Job) error { return crm.Permanent(errors.New("no such address")) })
	})
	j := must(h.Jobs.Enqueue(system, crm.Job{Kind: "letter"}))
	_ = h.RunDue(context.Background())
	fmt.Println(must(h.Jobs.Get(system, j.ID)).State)
	// Output: failed
}

// A long job says how far it is, and keeps its lease by it.
func ExampleProgress() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("export", func(ctx context.Context, j crm.Job) error {
			for page := range int64(3) {
				if err := crm.Progress(ctx, page+1, 3); err != nil {
					return err
				}
			}
			at := must(h.Jobs.Get(ctx, j.ID))
			fmt.Println(at.Done, "of", at.Total)
			return nil
		}, crm.Idempotent())
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "export"}))
	_ = h.RunDue(context.Background())
	// Output: 3 of 3
}

func ExampleLease() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("export", func(ctx context.Context, j crm.Job) error {
			fmt.Println(must(h.Jobs.Get(ctx, j.ID)).Due.Sub(h.Clock.Now()))
			return nil
		}, crm.Idempotent(), crm.Lease(time.Hour))
	})
	must(h.Jobs.Enqueue(system, crm.Job{Kind: "export"}))
	_ = h.RunDue(context.Background())
	// Output: 1h0m0s
}

func ExampleJobs_Schedule() {
	h, _, system := harbourThat(func(h *Harbour) error {
		return h.Jobs.Handle("digest", func(context.Context, crm.Job) error {
			fmt.Println("a digest at", h.Clock.Now().Format(time.DateTime))
			return nil
		})
	})
	fmt.Println(h.Jobs.Schedule(system, crm.Schedule{Name: "weekly", Kind: "digest", Cron: "0 8 * * mon", Zone: "Europe/Berlin"}))
	h.Clock.Advance(6*24*time.Hour + 22*time.Hour) // to 7:00 UTC next Monday
	_ = h.RunDue(context.Background())
	// Output:
	// <nil>
	// a digest at 2026-01-12 07:00:00
}

func ExampleJobs_Schedules() {
	h, _, system := harbourThat(func(*Harbour) error { return nil })
	_ = h.Jobs.Schedule(system, crm.Schedule{Name: "nightly", Kind: "sync", Cron: "@daily", Zone: "Asia/Shanghai"})
	all, err := h.Jobs.Schedules(system)
	for _, s := range all {
		fmt.Println(s.Name, s.Next.Format(time.RFC3339))
	}
	fmt.Println(err)
	// Output:
	// nightly 2026-01-05T16:00:00Z
	// <nil>
}

func ExampleJobs_Unschedule() {
	h, _, system := harbourThat(func(*Harbour) error { return nil })
	_ = h.Jobs.Schedule(system, crm.Schedule{Name: "nightly", Kind: "sync", Cron: "@daily"})
	fmt.Println(h.Jobs.Unschedule(system, "nightly"))
	fmt.Println(len(must(h.Jobs.Schedules(system))))
	// Output:
	// <nil>
	// 0
}
