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

// Config is what can be chosen about an [Activity]. The zero Config works, and keeps no
// files.
type Config struct {
	// Blobs is where the contents of files are kept; nil: there are no files.
	Blobs Blobs
	// MaxFile is how many bytes a file may have; 0 is 100 MiB.
	MaxFile int64
}

//go:embed migrations
var migrations embed.FS

// New defines activity on a core, before its Migrate.
func New(core *crm.Core, cfg Config) (*Activity, error) {
	if core == nil {
		return nil, crm.Invalid("core", "no core is given: make one by crm.New")
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	a := &Activity{core: core}
	for _, define := range []func() error{
		a.defineInteractions, a.defineNotes, a.defineComments, a.defineMentions, a.defineFollows, a.defineTasks,
		func() error { return a.defineFiles(cfg) },
	} {
		if err := define(); err != nil {
			return nil, err
		}
	}
	core.AddLine(storage.Line{Name: "activity", Files: files, Needs: map[string]int{"crm": 7}})
	return a, nil
}
