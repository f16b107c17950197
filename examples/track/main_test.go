package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheSiteEnds ends the program while a request is being made: nobody is let in any
// more, but that request is answered. The database is closed, and is good for the next
// time.
func TestTheSiteEnds(t *testing.T) {
	db := filepath.Join(t.TempDir(), "track.db")
	for range 2 {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "localhost:0")
		require.NoError(t, err)
		addr := l.Addr().String()
		ctx, end := context.WithCancel(t.Context())
		defer end()
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, db, l) }()

		body, sent := io.Pipe()
		reading := make(chan struct{}) // by the handler
		traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
		r, err := http.NewRequestWithContext(traced, http.MethodPost, "http://"+addr+"/track", body)
		require.NoError(t, err)
		r.Host = "localhost"
		r.Header.Set("Expect", "100-continue")
		status := make(chan int, 1)
		go func() {
			answer, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(r)
			if err != nil {
				t.Error(err)
				status <- 0
				return
			}
			_ = answer.Body.Close()
			status <- answer.StatusCode
		}()
		select {
		case <-reading:
		case err := <-ended:
			require.Fail(t, "it does not serve", err)
		}
		end()
		require.Eventually(t, func() bool {
			c, err := net.Dial("tcp", addr) //nolint:noctx // it is refused or made at once
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		}, time.Minute, time.Millisecond, "nobody is let in")
		_, err = io.WriteString(sent, `{"visitor":"`+ada+`","events":[]}`)
		require.NoError(t, err)
		require.NoError(t, sent.Close())
		require.Equal(t, http.StatusNoContent, <-status)
		require.NoError(t, <-ended)
		require.NoFileExists(t, db+"-wal", "who closes it last leaves no log")
	}
}
