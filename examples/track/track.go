package main

import (
	"context"
	_ "embed" // the snippet
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
)

//go:embed track.js
var snippet []byte

// tracker takes what track.js sends. Whatever a browser says may be made up: a tracker
// goes by the site's name for the tenant, and by the host's session for who it is.
type tracker struct {
	app *embedcrm.App
	// sites are the tenants, by the names of their sites.
	sites map[string]string
	// signedIn says who the host's session is of: at least a key or an address of his.
	signedIn func(*http.Request) (customers.Customer, bool)
}

// Limits of what a browser sends.
const (
	maxBody   = 64 << 10 // bytes
	maxEvents = 50
	maxProp   = 500                // bytes of a text in a property
	maxAge    = 7 * 24 * time.Hour // of an event that waited in a closed laptop
	maxAhead  = 5 * time.Minute    // by which a browser's clock may be wrong
)

// catalogue are the events that the site sends. Others are refused, and so are other
// properties of theirs.
func catalogue(string) customers.BehaviourPolicy {
	return customers.BehaviourPolicy{Catalogue: []customers.EventType{
		{Name: "page viewed", Props: map[string]customers.PropType{"path": customers.PropText}},
		{Name: "price viewed", Props: map[string]customers.PropType{"plan": customers.PropText}},
	}}
}

// handler serves the snippet and what it posts to. Requests that another site's page
// makes are refused.
func (t *tracker) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /track.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write(snippet)
	})
	mux.HandleFunc("POST /track", t.post(t.track))
	mux.HandleFunc("POST /track/identify", t.post(t.identify))
	return http.NewCrossOriginProtection().Handler(mux)
}

// message is what the snippet posts.
type message struct {
	Visitor string `json:"visitor"`
	Events  []struct {
		Name  string         `json:"name"`
		At    time.Time      `json:"at"`
		Key   string         `json:"key"`
		Props map[string]any `json:"props"`
	} `json:"events"`
}

// errRefused is the answer to what no snippet of ours sends.
var errRefused = crm.Invalid("message", "is none that track.js sends")

// read reads a message, and refuses one that is too large, has anything else in it, or
// is of nobody.
func read(w http.ResponseWriter, r *http.Request) (m message, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return m, err
		}
		return m, errRefused
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errRefused
	}
	if _, err := crm.ParseID(m.Visitor); err != nil || len(m.Events) > maxEvents {
		return m, errRefused
	}
	return m, nil
}

// track keeps what a visitor did. To ask not to be tracked is answered like anything
// else, and nothing is kept.
func (t *tracker) track(ctx context.Context, r *http.Request, m message) error {
	if r.Header.Get("Sec-GPC") == "1" || r.Header.Get("DNT") == "1" {
		return nil
	}
	now := t.app.Now(ctx)
	events := make([]customers.Event, len(m.Events))
	for i, e := range m.Events {
		if _, err := crm.ParseID(e.Key); err != nil || e.At.Before(now.Add(-maxAge)) || e.At.After(now.Add(maxAhead)) {
			return errRefused
		}
		for _, v := range e.Props {
			if text, ok := v.(string); ok && len(text) > maxProp {
				return errRefused
			}
		}
		events[i] = customers.Event{Visitor: m.Visitor, Name: e.Name, At: e.At, Key: e.Key, Props: e.Props, UserAgent: r.UserAgent()}
	}
	_, err := t.app.Customers.Behaviour.Track(ctx, events...)
	return err
}

// errSignedOut is the answer to who has not signed in.
var errSignedOut = errors.New("nobody has signed in")

// identify makes the visitor the customer who has signed in, with all that he did before.
func (t *tracker) identify(ctx context.Context, r *http.Request, m message) error {
	profile, ok := t.signedIn(r)
	if !ok {
		return errSignedOut
	}
	if len(m.Events) > 0 {
		return errRefused
	}
	return t.app.Tx(ctx, func(ctx context.Context) error {
		who, err := t.app.Customers.Identify(ctx, profile)
		if err != nil {
			return err
		}
		_, err = t.app.Customers.Behaviour.Stitch(ctx, m.Visitor, who.Customer.ID)
		return err
	})
}

// post answers a request: as the tenant whose site it was made to, and without a word of
// what is in the CRM.
func (t *tracker) post(do func(context.Context, *http.Request, message) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		tenant, ok := t.sites[host]
		if !ok {
			http.NotFound(w, r)
			return
		}
		m, err := read(w, r)
		if err == nil {
			err = do(crm.System(r.Context(), tenant), r, m)
		}
		status := http.StatusInternalServerError
		_, large := errors.AsType[*http.MaxBytesError](err)
		switch {
		case err == nil:
			status = http.StatusNoContent
		case large:
			status = http.StatusRequestEntityTooLarge
		case errors.Is(err, errSignedOut):
			status = http.StatusUnauthorized
		case errors.Is(err, crm.ErrInvalid):
			status = http.StatusBadRequest
		case errors.Is(err, crm.ErrConflict):
			status = http.StatusConflict
		}
		w.WriteHeader(status)
	}
}
