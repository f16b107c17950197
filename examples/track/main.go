// Command track is a site that knows what its visitors do: a page with track.js, which
// posts to two handlers, and the CRM behind them. Open it at http://localhost:8080,
// and end it by Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the host chooses the driver

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

const page = `<!doctype html><title>Prices</title><script src="/track.js" defer></script>
<p><button onclick="track.consent(true)">You may watch me</button>
<button onclick="track.event('price viewed', {plan: 'pro'})">Price of pro</button>
<button onclick="fetch('/login', {method: 'POST'}).then(() => track.identify())">Sign in as Ada</button>`

func main() {
	db := flag.String("db", "track.db", "the SQLite file")
	addr := flag.String("addr", "localhost:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second one ends the program at once
	if err := listen(ctx, *db, *addr); err != nil {
		log.Fatal(err)
	}
}

func listen(ctx context.Context, db, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return serve(ctx, db, l)
}

// serve serves until the context ends, answers the requests that it has by then, and
// closes the database.
func serve(ctx context.Context, db string, l net.Listener) (err error) {
	defer l.Close()                         //nolint:errcheck // the server may have closed it
	store, err := sqlite.Open("sqlite", db) //nolint:contextcheck // opening takes none
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	app, err := embedcrm.New(store, crm.Config{})
	if err != nil {
		return err
	}
	app.Customers.Behaviour.SetPolicy(catalogue)
	if err := app.Migrate(ctx); err != nil {
		return err
	}
	t := &tracker{app: app, sites: map[string]string{"localhost": "acme"}, signedIn: session}
	mux := http.NewServeMux()
	mux.Handle("/track", t.handler())
	mux.Handle("/track/", t.handler())
	mux.Handle("/track.js", t.handler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, page) })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, _ *http.Request) { // a host has a real one
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "ada", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // localhost has no TLS
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if err := s.Shutdown(patience); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// session is who has signed in, by the host's own means: here a cookie that it believes.
func session(r *http.Request) (customers.Customer, bool) {
	c, err := r.Cookie("session")
	if err != nil || c.Value != "ada" {
		return customers.Customer{}, false
	}
	return customers.Customer{
		Name: "Ada Lovelace", Email: "ada@example.com", Record: crm.Record{Refs: crm.Refs{"site": "1"}},
	}, true
}
