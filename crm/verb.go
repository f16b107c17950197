package crm

// Verb is what an actor does with records; a right is for one.
type Verb string

// The verbs.
const (
	VerbRead   Verb = "read"
	VerbCreate Verb = "create"
	VerbUpdate Verb = "update" // and restore
	VerbDelete Verb = "delete" // and purge
	VerbExport Verb = "export"
	VerbImport Verb = "import" // to date what happened, and to create in another than the initial state
	VerbAssign Verb = "assign" // to give a record to another owner
	VerbShare  Verb = "share"
)
