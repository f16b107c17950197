//go:build unix

package pgtest

import (
	"os"
	"syscall"
)

// detached says to run a process as the user, and in a session of its own: Ctrl-C in a terminal is for the tests, and
// the servers follow from that.
func detached(uid, gid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attr
}
