// Package privacy keeps what persons ask of a tenant about their data, who read it, and
// alarms on exports that are out of the ordinary, for records of any kind.
//
//	guard, err := privacy.New(core)
//	guard.Acts("customer", privacy.Acts{Restrict: people.Restrict, Lift: people.LiftRestriction, Object: people.Object})
//	err = core.Migrate(ctx)
//	asked, err := guard.Requests.Open(ctx, privacy.Request{Kind: privacy.Access, Object: "customer", RecordID: ada.ID})
//	_, err = guard.Requests.Verify(ctx, asked.ID, "showed her passport")
//	done, err := guard.Requests.Access(ctx, asked.ID, file, crm.PersonHTML)
//
// A request has a day by which it is answered, takes that somebody looked who asks, and
// keeps the proof of what was done. What it does is done by the kernel: this package
// says when, for whom, and that it was.
package privacy
