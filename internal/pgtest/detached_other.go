//go:build !unix

package pgtest

import "syscall"

// detached is for unix. Elsewhere tests use the server that [EnvServer] names.
func detached(int, int) *syscall.SysProcAttr { return nil }
