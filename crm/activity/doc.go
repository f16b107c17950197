// Package activity keeps what is done and said about records of any kind: interactions
// (calls, mail, meetings), notes, comments, tasks and files, whom they mention and who
// follows a record.
//
//	work, err := activity.New(core)
//	err = core.Migrate(ctx)
//	call, err := work.Interactions.Create(ctx, activity.Interaction{
//		Object: "customer", RecordID: ada.ID, Kind: activity.Call, Direction: activity.Out, Title: "Asked for a price",
//	})
//	task, err := work.Tasks.Create(ctx, activity.Task{Object: "customer", RecordID: ada.ID, Title: "Send the offer", DueOn: friday})
//	page, err := core.Timeline(ctx, "customer", ada.ID, crm.TimelineFilter{})
//
// What hangs on a record goes by that record's rights: who may read it reads what hangs
// on it and may write notes and comments, and who may update it adds and changes the
// rest. What is one's own one may always change.
package activity
