package activity_test

import (
	"io/fs"
	"os"
)

// lines are the migrations of the kinds that the tests define.
func lines() fs.FS { return os.DirFS("testdata/desk") }
