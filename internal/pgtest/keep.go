package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// keeper is the shell program that runs a server and ends it with the test binary. It reads from a pipe whose other
// end only the test binary holds and nobody writes to. When the test binary is gone, by a normal end, a panic or
// kill -9, the system closes that end; the keeper then stops the server and removes its directory. Nothing in a dying
// test binary has to run for that, as a deferred call would, and unlike Pdeathsig it does not hang on one thread.
//
// The signal is repeated because a server that has only just started does not listen to it yet.
const keeper = `
dir=$1 signal=$2 prepare=$3
shift 3
trap 'rm -rf "$dir"' EXIT
eval "$prepare" || exit
exec 3<&0
"$@" 3<&- &
server=$!
{ read -r _ <&3; while kill -s "$signal" "$server"; do sleep 0.1; done; } 2>/dev/null &
wait "$server"
kill $!
`

// keep starts a server under a keeper, which runs prepare first and stops the server by the signal, and waits until
// the DSN answers. It returns a pool on the DSN, and what stops the server earlier than the test binary ends.
func keep(tb testing.TB, dsn, dir, signal, prepare string, server ...string) (*sql.DB, func()) {
	tb.Helper()
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // our own directory
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer log.Close() //nolint:errcheck // the server writes it, not we
	uid, gid := ordinary(tb)
	if err := os.Chown(dir, uid, gid); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}

	// Not the context of the test: the server serves the tests after it too. Output goes to a file, since go test
	// waits for everyone who holds its own output. The environment is bare: no PGPORT and the like.
	cmd := exec.CommandContext(context.Background(), "/bin/sh", //nolint:gosec // that is what this is for
		append([]string{"-c", keeper, "keeper", dir, signal, prepare}, server...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = detached(uid, gid)
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // also keeps our end of the pipe from being collected; the log says what went wrong
	}()
	stop := func() {
		_ = alive.Close()
		<-ended
	}

	db := open(tb, dsn)
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	for {
		if err = db.PingContext(ctx); err == nil {
			return db, stop
		}
		// A server that answers, but does not say that it is starting up, has made up its mind.
		if answer := (*pgconn.PgError)(nil); !errors.As(err, &answer) || answer.Code == "57P03" {
			select {
			case <-time.After(20 * time.Millisecond):
				continue
			case <-ended:
			case <-ctx.Done():
			}
		}
		stop()
		said, _ := io.ReadAll(io.NewSectionReader(log, 0, 2<<10))
		tb.Fatalf("pgtest: %s does not serve: %v\n%s", server[0], err, said)
	}
}

// ordinary returns who runs a server: ourselves, or where we are root, whom both Postgres and PgBouncer refuse to
// serve, somebody else.
func ordinary(tb testing.TB) (uid, gid int) {
	tb.Helper()
	if os.Geteuid() != 0 {
		return os.Getuid(), os.Getgid()
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err == nil {
		uid, err = strconv.Atoi(account.Uid)
	}
	if err == nil {
		gid, err = strconv.Atoi(account.Gid)
	}
	if err != nil {
		tb.Fatalf("pgtest: no ordinary user to run a server as: %v", err)
	}
	return uid, gid
}

// tempDir returns a new directory for a server's files and socket. It is the keeper's to remove: the server may
// outlive the test. The name is short because the path of a socket may not be long.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "embedcrm-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return dir
}
