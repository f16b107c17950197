package activity

import (
	"embed"
	"io/fs"

	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/storage"
)

// Activity is what is done and said about a tenant's records.
type Activity struct {
	Interactions *Interactions
	Notes        *Notes
	Comments     *Comments
	Mentions     *Mentions
	Follows      *Follows
	Tasks        *Tasks
	Files        *Files

	core *crm.Core
}

//go:embed migrations
var migrations embed.FS

// New defines activity on a core, before its Migrate.
func New(core *crm.Core) (*Activity, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	a := &Activity{core: core}
	for _, define := range []func() error{
		a.defineInteractions, a.defineNotes, a.defineComments, a.defineMentions, a.defineFollows, a.defineTasks, a.defineFiles,
	} {
		if err := define(); err != nil {
			return nil, err
		}
	}
	core.AddLine(storage.Line{Name: "activity", Files: files, Needs: map[string]int{"crm": 7}})
	return a, nil
}
