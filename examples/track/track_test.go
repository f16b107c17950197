package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedcrm/embedcrm"
	"github.com/embedcrm/embedcrm/crm"
	"github.com/embedcrm/embedcrm/customers"
	"github.com/embedcrm/embedcrm/storage/sqlite"
)

// site is the program's handlers on the loopback, and the CRM behind them.
type site struct {
	app    *embedcrm.App
	server *httptest.Server
	acme   context.Context
}

func newSite(t *testing.T) *site {
	t.Helper()
	store, err := sqlite.Open("sqlite", filepath.Join(t.TempDir(), "crm.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	app, err := embedcrm.New(store, crm.Config{})
	require.NoError(t, err)
	app.Customers.Behaviour.SetPolicy(catalogue)
	require.NoError(t, app.Migrate(t.Context()))
	tr := &tracker{app: app, sites: map[string]string{"127.0.0.1": "acme", "globex.example": "globex"}, signedIn: session}
	s := &site{app: app, server: httptest.NewServer(tr.handler()), acme: crm.System(t.Context(), "acme")}
	t.Cleanup(s.server.Close)
	_, err = app.Customers.Create(s.acme, customers.Customer{Kind: customers.Person, Name: "Bob", Email: "bob@example.com"})
	require.NoError(t, err)
	return s
}

// post posts what a browser does, and returns the status.
func (s *site) post(t *testing.T, path, body string, change ...func(*http.Request)) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("User-Agent", "Mozilla/5.0 Firefox/140.0")
	for _, fn := range change {
		fn(r)
	}
	answer, err := s.server.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

func signedIn(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "ada"}) }

// body is a message of one event, as the snippet writes it.
func (s *site) body(visitor, name, key string, props map[string]any, age time.Duration) string {
	m := map[string]any{"visitor": visitor, "events": []any{map[string]any{
		"name": name, "at": s.app.Now(s.acme).Add(-age).Format("2006-01-02T15:04:05.000Z"), "key": key, "props": props,
	}}}
	raw, _ := json.Marshal(m) //nolint:errchkjson // texts and numbers
	return string(raw)
}

// done is what a customer did, the first thing first; and whether he is there.
func (s *site) done(t *testing.T, email string) (list []string, there bool) {
	t.Helper()
	page, err := s.app.Customers.List(s.acme, crm.Where("email == $1", email))
	require.NoError(t, err)
	if len(page.Items) == 0 {
		return nil, false
	}
	events, err := s.app.Customers.Behaviour.List(s.acme, page.Items[0].ID)
	require.NoError(t, err)
	for _, e := range events.Items {
		list = append([]string{fmt.Sprint(e.Name, " ", e.Props)}, list...)
	}
	return list, true
}

const (
	ada, eve   = "018f3c2e-0000-4000-8000-00000000000a", "018f3c2e-0000-4000-8000-00000000000e"
	key1, key2 = "018f3c2e-0000-4000-8000-000000000001", "018f3c2e-0000-4000-8000-000000000002"
)

func TestAVisitorBecomesKnown(t *testing.T) {
	s := newSite(t)
	viewed := s.body(ada, "price viewed", key1, map[string]any{"plan": "pro"}, time.Minute)
	require.Equal(t, http.StatusNoContent, s.post(t, "/track", viewed))
	require.Equal(t, http.StatusNoContent, s.post(t, "/track", viewed), "a beacon that is sent again")
	_, there := s.done(t, "ada@example.com")
	require.False(t, there)

	me := fmt.Sprintf(`{"visitor":%q}`, ada)
	require.Equal(t, http.StatusUnauthorized, s.post(t, "/track/identify", me), "the browser alone says nothing")
	require.Equal(t, http.StatusNoContent, s.post(t, "/track/identify", me, signedIn))
	require.Equal(t, http.StatusNoContent, s.post(t, "/track", s.body(ada, "page viewed", key2, map[string]any{"path": "/"}, 0)))
	list, there := s.done(t, "ada@example.com")
	require.True(t, there)
	require.Equal(t, []string{"price viewed map[plan:pro]", "page viewed map[path:/]"}, list)

	// What a browser wishes and what a program does is not kept.
	for _, header := range []string{"DNT", "Sec-GPC"} {
		require.Equal(t, http.StatusNoContent, s.post(t, "/track", s.body(ada, "page viewed", eve, nil, 0), func(r *http.Request) { r.Header.Set(header, "1") }))
	}
	require.Equal(t, http.StatusNoContent, s.post(t, "/track", s.body(ada, "page viewed", eve, nil, 0), func(r *http.Request) { r.Header.Set("User-Agent", "Googlebot/2.1") }))
	list, _ = s.done(t, "ada@example.com")
	require.Len(t, list, 2)

	// Another visitor's browser that Bob had used stays Bob's.
	page, err := s.app.Customers.List(s.acme, crm.Where("name == 'Bob'"))
	require.NoError(t, err)
	_, err = s.app.Customers.Behaviour.Stitch(s.acme, eve, page.Items[0].ID)
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, s.post(t, "/track/identify", fmt.Sprintf(`{"visitor":%q}`, eve), signedIn))
}

func TestWhatNoSnippetSendsIsRefused(t *testing.T) {
	s := newSite(t)
	good := s.body(ada, "page viewed", key1, map[string]any{"path": "/"}, 0)
	elsewhere := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }
	for what, c := range map[string]struct {
		path, body string
		want       int
		change     func(*http.Request)
	}{
		"no JSON":              {body: "visitor", want: http.StatusBadRequest},
		"nothing":              {body: "", want: http.StatusBadRequest},
		"two messages":         {body: good + good, want: http.StatusBadRequest},
		"no visitor":           {body: s.body("", "page viewed", key1, nil, 0), want: http.StatusBadRequest},
		"a visitor of its own": {body: s.body("admin", "page viewed", key1, nil, 0), want: http.StatusBadRequest},
		"a tenant":             {body: strings.Replace(good, `"visitor"`, `"tenant":"globex","visitor"`, 1), want: http.StatusBadRequest},
		"a customer":           {body: strings.Replace(good, `"name"`, `"customer_id":"`+ada+`","name"`, 1), want: http.StatusBadRequest},
		"an unknown event":     {body: s.body(ada, "order paid", key1, nil, 0), want: http.StatusBadRequest},
		"an unknown property":  {body: s.body(ada, "page viewed", key1, map[string]any{"email": "a@b.de"}, 0), want: http.StatusBadRequest},
		"a nested property":    {body: s.body(ada, "page viewed", key1, map[string]any{"path": []any{1}}, 0), want: http.StatusBadRequest},
		"a long property":      {body: s.body(ada, "page viewed", key1, map[string]any{"path": strings.Repeat("x", 501)}, 0), want: http.StatusBadRequest},
		"no key":               {body: s.body(ada, "page viewed", "", nil, 0), want: http.StatusBadRequest},
		"long ago":             {body: s.body(ada, "page viewed", key1, nil, 8*24*time.Hour), want: http.StatusBadRequest},
		"to come":              {body: s.body(ada, "page viewed", key1, nil, -time.Hour), want: http.StatusBadRequest},
		"too many":             {body: `{"visitor":"` + ada + `","events":[{}` + strings.Repeat(",{}", 50) + `]}`, want: http.StatusBadRequest},
		"too large":            {body: `{"visitor":"` + strings.Repeat("x", maxBody) + `"}`, want: http.StatusRequestEntityTooLarge},
		"another site":         {body: good, want: http.StatusNotFound, change: func(r *http.Request) { r.Host = "shop.example" }},
		"another site's page":  {body: good, want: http.StatusForbidden, change: elsewhere},
		"his login":            {path: "/track/identify", body: `{"visitor":"` + ada + `"}`, want: http.StatusForbidden, change: func(r *http.Request) { signedIn(r); elsewhere(r) }},
		"a wrong session":      {path: "/track/identify", body: `{"visitor":"` + ada + `"}`, want: http.StatusUnauthorized, change: func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "eve"}) }},
	} {
		if c.path == "" {
			c.path = "/track"
		}
		if c.change == nil {
			c.change = func(*http.Request) {}
		}
		require.Equal(t, c.want, s.post(t, c.path, c.body, c.change), what)
	}
	answer, err := s.server.Client().Get(s.server.URL + "/track") //nolint:noctx // of a test
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	kept, err := s.app.Aggregate(s.acme, "anonymous_behaviour", crm.Figures{Measures: []crm.Measure{{Fn: crm.FnCount}}})
	require.NoError(t, err)
	require.Equal(t, int64(0), kept.Rows[0].Values[0], "none of it is kept")

	// What is sent to one tenant's site is seen by no other.
	require.Equal(t, http.StatusNoContent, s.post(t, "/track", good, func(r *http.Request) { r.Host = "globex.example" }))
	require.Equal(t, http.StatusNoContent, s.post(t, "/track/identify", `{"visitor":"`+ada+`"}`, signedIn))
	list, there := s.done(t, "ada@example.com")
	require.True(t, there)
	require.Empty(t, list)
}

// browser runs the snippet in node as a page would, with a visitor who does what the
// script says.
const browser = `
const vm = require("node:vm"), fs = require("node:fs");
const [file, origin, wishes, script] = process.argv.slice(1);
const kept = new Map(), sent = [];
const send = (path, init, cookie) => { const p = fetch(origin + path, {...init, headers: {"User-Agent": "Mozilla/5.0", ...cookie}}); sent.push(p); return p; };
const window = {
  navigator: {...JSON.parse(wishes), sendBeacon: (path, body) => { send(path, {method: "POST", body}); return true; }},
  localStorage: {getItem: k => kept.has(k) ? kept.get(k) : null, setItem: (k, v) => kept.set(k, v), removeItem: k => kept.delete(k)},
  crypto: globalThis.crypto, location: {pathname: "/prices"}, document: {visibilityState: "visible"},
  setTimeout, clearTimeout, addEventListener: (name, fn) => { window[name] = fn; },
  fetch: (path, init) => send(path, init, {Cookie: window.session || ""}),
};
window.window = window;
vm.createContext(window);
vm.runInContext(fs.readFileSync(file, "utf8"), window);
(async () => {
  await vm.runInContext("(async () => {" + script + "})()", window);
  window.document.visibilityState = "hidden";
  window.visibilitychange();
  const answers = await Promise.all(sent);
  console.log(JSON.stringify({sent: answers.map(a => a.status), kept: kept.size}));
  process.exit(0);
})();
`

func TestTheSnippet(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		const how = "there is no Node.js here to run the snippet: apt-get install -y nodejs"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	s := newSite(t)
	run := func(wishes, script string) string {
		var stderr bytes.Buffer
		c := exec.CommandContext(t.Context(), node, "-e", browser, "track.js", s.server.URL, wishes, script)
		c.Stderr = &stderr
		out, err := c.Output()
		require.NoError(t, err, stderr.String())
		return strings.TrimSpace(string(out))
	}
	doing := `track.event("price viewed", {plan: "pro"}); session = "session=ada"; await track.identify();`
	require.JSONEq(t, `{"sent":[],"kept":0}`, run(`{}`, doing), "nobody asked him")
	require.JSONEq(t, `{"sent":[],"kept":1}`, run(`{"doNotTrack":"1"}`, "track.consent(true);"+doing))
	require.JSONEq(t, `{"sent":[],"kept":1}`, run(`{"globalPrivacyControl":true}`, "track.consent(true);"+doing))
	_, there := s.done(t, "ada@example.com")
	require.False(t, there)

	require.JSONEq(t, `{"sent":[204,204],"kept":2}`, run(`{}`, "track.consent(true);"+doing))
	list, _ := s.done(t, "ada@example.com")
	require.ElementsMatch(t, []string{"page viewed map[path:/prices]", "price viewed map[plan:pro]"}, list)
	require.JSONEq(t, `{"sent":[],"kept":0}`, run(`{}`, "track.consent(true); track.event('page viewed'); track.consent(false);"))
}
