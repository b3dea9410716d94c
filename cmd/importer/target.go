package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importer/load"
	"importer/load/localgraph"
	"importer/transform"
)

// A targetFlags is where items go, as typed.
type targetFlags struct {
	target   string
	graphURL string
	cloud    string
	auth     string
	graphCA  string
	out      string
	rate     float64
	flight   int
	batched  int
	retryFor time.Duration
	fresh    bool // jsonl: start the file anew, as nothing is remembered of it
}

func (t *targetFlags) add(cmd *cobra.Command, jsonl bool) {
	f := cmd.Flags()
	kinds := "local (the local Graph in --data) or graph (a Microsoft 365 tenant, or any server at --graph-url)"
	if jsonl {
		kinds = "local (the local Graph in --data), graph (a Microsoft 365 tenant, or any server at --graph-url) or jsonl (a file of JSON lines, see --out)"
		f.StringVarP(&t.out, "out", "o", "-", "`file` that the jsonl target writes; - is stdout")
		t.addPace(f)
	}
	t.addPatience(f, jsonl)
	f.StringVar(&t.target, "target", "local", kinds)
	f.StringVar(&t.graphURL, "graph-url", load.DefaultGraphURL, "`address` of the graph target")
	f.StringVar(&t.cloud, "cloud", "", "Microsoft's `cloud`, instead of --graph-url: global (with GCC), gcc-high or dod")
	t.addAuth(f)
}

// addPace adds how fast a target is written to.
func (t *targetFlags) addPace(f *pflag.FlagSet) {
	f.Float64Var(&t.rate, "rate", 0, "most requests a second to a graph target, and the rate to begin with; 0 finds out what the service allows, from 25 or what the last run has learned")
	f.IntVar(&t.batched, "batch", 0, "most items to a graph target in one $batch, up to 20; 0 sends each by itself")
	f.IntVar(&t.flight, "concurrency", 0, "most requests in flight; 0 finds out what the service allows, from 25 up to 200; of the local Graph, most batches: 0 is 4")
}

// addPatience adds how long a target is tried; crawl is for a long time.
func (t *targetFlags) addPatience(f *pflag.FlagSet, crawl bool) {
	patience := 30 * time.Second // somebody waits for the answer
	if crawl {
		patience = 15 * time.Minute // longer than a restart, a deployment or a fail-over
	}
	f.DurationVar(&t.retryFor, "retry-for", patience, "how long a graph target may go without settling anything before it is given up")
}

// addAuth adds how a graph target and this program prove to each other who
// they are.
func (t *targetFlags) addAuth(f *pflag.FlagSet) {
	f.StringVar(&t.auth, "auth", "auto", "the `way` to a token of the graph target: "+strings.Join(load.AuthMethods, ", "))
	f.StringVar(&t.graphCA, "graph-ca", "", "`file` of certificate authorities to trust beside the system's, such as the one that serve --tls makes")
}

func (t *targetFlags) check() error {
	if t.retryFor < 0 {
		return usageError{fmt.Errorf("--retry-for %v is negative", t.retryFor)}
	}
	switch {
	case t.batched < 0 || t.batched > 20:
		return usageError{fmt.Errorf("--batch %d is not from 0 to 20, the most that Graph takes in one $batch", t.batched)}
	case t.batched > 0 && t.target != "graph":
		return usageError{fmt.Errorf("--batch is for --target graph, and the target is %s", t.target)}
	}
	switch t.target {
	case "local", "jsonl":
		return nil
	case "graph":
		return t.place()
	}
	return usageError{fmt.Errorf("--target %q is none of local, graph, jsonl", t.target)}
}

// place finds the Graph's address and checks the way to a token.
func (t *targetFlags) place() error {
	if !slices.Contains(load.AuthMethods, t.auth) {
		return usageError{fmt.Errorf("--auth %q is none of %s", t.auth, strings.Join(load.AuthMethods, ", "))}
	}
	if t.cloud == "" {
		return nil
	}
	if t.graphURL != load.DefaultGraphURL {
		return usageError{errors.New("--cloud and --graph-url both say where the Graph is: give one of them")}
	}
	address, err := load.CloudURL(t.cloud)
	if err != nil {
		return usageError{fmt.Errorf("--cloud %s: %w", t.cloud, err)}
	}
	t.cloud, t.graphURL = "", address
	return nil
}

// retry is how long the target is tried.
func (t *targetFlags) retry() load.Retry {
	switch {
	case t.target == "local":
		// It has no network to wait for. What passes is another process that
		// writes to the same file, and SQLite has waited 10 s for that itself.
		return load.Retry{Tries: 3, For: 3 * time.Second, Base: 200 * time.Millisecond, Max: time.Second}
	case t.retryFor == 0:
		return load.Retry{Tries: 1, For: 1, MaxAfter: 1}
	}
	r := load.Retry{For: t.retryFor, MaxAfter: max(t.retryFor, time.Hour)}
	if t.retryFor < 15*time.Minute {
		// Somebody who says how long wants it so, however few tries that is.
		r.Tries, r.MaxAfter = 1, t.retryFor
	}
	return r
}

// A target is where items go, ready for use.
type target struct {
	load.Target
	graph   *load.Graph        // nil for jsonl
	local   *localgraph.Server // nil for all but local
	limiter *load.Limiter
	flight  int
	retry   load.Retry
	batch   int
	lanes   int
	key     string // names the target in the state
	remote  bool   // on another machine, or out of this process's reach
	empty   bool   // nothing is in it, whatever is remembered
	// close ends the target's use; good tells that all was written. It may be
	// called again.
	close func(good bool) error
}

// open makes the target for a connection. caller says for whom the local Graph
// acts.
func (a *app) open(t *targetFlags, connection string, caller localgraph.Caller) (*target, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	switch t.target {
	case "local":
		return a.openLocal(t, connection, caller)
	case "graph":
		return openGraph(t, connection, a.log())
	}
	return a.openJSONL(t)
}

func (a *app) openLocal(t *targetFlags, connection string, caller localgraph.Caller) (*target, error) {
	server, err := localgraph.Open(a.data, localgraph.Options{})
	if err != nil {
		return nil, fmt.Errorf("%w, or choose another with --data", err)
	}
	flight := t.flight
	if flight == 0 {
		flight = 4 // batches, each of which is one transaction
	}
	graph, err := load.NewGraph(load.GraphOptions{
		BaseURL:     "http://localhost",
		Connection:  connection,
		Transport:   &inProcess{handler: server, caller: caller},
		Header:      http.Header{"Prefer": {"return=minimal"}}, // what was stored is not needed back
		Concurrency: flight,
		Retry:       t.retry(),
		Log:         a.log(),
	})
	if err != nil {
		server.Close()
		return nil, err
	}
	return &target{Target: load.NewPartial(load.NewDoings(graph), graph.GetItem, load.Merges), graph: graph, local: server, flight: flight, retry: t.retry(), batch: 500, lanes: 4, key: "local", close: once(func(bool) error { return server.Close() })}, nil
}

func openGraph(t *targetFlags, connection string, log *slog.Logger) (*target, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, err
	}
	source, err := load.NewTokenSource(load.AuthOptions{BaseURL: t.graphURL, Method: t.auth, RootCAs: roots})
	if _, ours := errors.AsType[*load.AuthError](err); err != nil && !ours {
		return nil, usageError{fmt.Errorf("--graph-url %s: %w", t.graphURL, err)}
	}
	if err != nil {
		return nil, err
	}
	flight := t.flight
	if flight == 0 {
		flight = 200 // 500 a second at 200 ms are 100
	}
	graph, err := load.NewGraph(load.GraphOptions{BaseURL: t.graphURL, Connection: connection, Token: source, Concurrency: flight,
		Batch: t.batched, Retry: t.retry(), RootCAs: roots, UserAgent: "importer/" + version, Log: log})
	if err != nil {
		return nil, usageError{fmt.Errorf("--graph-url %s: %w", t.graphURL, err)}
	}
	key, err := targetKey(t.graphURL, source)
	if err != nil {
		return nil, err
	}
	// Small batches, as a checkpoint comes with each, and so many at a time that
	// 200 requests can be in flight. All of them end within the grace of a stop
	// at 25 a second. Whole envelopes fill one.
	batch := 40
	if t.batched > 1 {
		batch = (batch + t.batched - 1) / t.batched * t.batched
	}
	return &target{Target: load.NewPartial(load.NewDoings(graph), graph.GetItem, load.MergesUnknown), graph: graph, limiter: t.limit(graph, flight), flight: flight, retry: t.retry(), batch: batch, lanes: 6,
		key: key, remote: true, close: func(bool) error { return nil }}, nil
}

// roots are the certificate authorities to trust; nil is the system's.
func (t *targetFlags) roots() (*x509.CertPool, error) {
	if t.graphCA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(t.graphCA)
	if err != nil {
		return nil, usageError{fmt.Errorf("--graph-ca %s: the file cannot be read (%w); correct the path", t.graphCA, bare(err))}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without any
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, usageError{fmt.Errorf("--graph-ca %s: there is no certificate in PEM in it; serve --tls prints where it has put one", t.graphCA)}
	}
	return pool, nil
}

// once makes a function for closing that does it once.
func once(do func(good bool) error) func(bool) error {
	var first sync.Once
	var err error
	return func(good bool) error {
		first.Do(func() { err = do(good) })
		return err
	}
}

// openJSONL opens a file of JSON lines. A file of which nothing is remembered
// is written anew, beside the old one, which it replaces when the run is done:
// a run that fails leaves yesterday's.
func (a *app) openJSONL(t *targetFlags) (*target, error) {
	out := &target{flight: 1, batch: 500, lanes: 1, key: "jsonl-stdout"}
	if t.out == "-" {
		w := load.NewJSONL(struct{ io.Writer }{a.stdout}, false) // not to be closed
		out.Target, out.close = w, once(func(bool) error { return w.Close() })
		return out, nil
	}
	name, mode := t.out, os.O_APPEND
	info, err := os.Stat(t.out)
	regular := err != nil || info.Mode().IsRegular()
	out.empty = err != nil || info.Size() == 0
	if t.fresh && regular {
		name, mode = t.out+".part", os.O_TRUNC
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|mode, 0o600) // it holds what not everybody may see
	if err != nil {
		return nil, usageError{fmt.Errorf("--out %s: the file cannot be written (%w); choose another", t.out, bare(err))}
	}
	abs, err := filepath.Abs(t.out)
	if err != nil {
		abs = t.out
	}
	sum := sha256.Sum256([]byte(abs))
	out.key = "jsonl-" + hex.EncodeToString(sum[:6])
	w := load.NewJSONL(f, false)
	out.Target = w
	out.close = once(func(good bool) error {
		err := w.Close() // and f with it
		switch {
		case name == t.out || err != nil:
			return err
		case good:
			return os.Rename(name, t.out)
		}
		return os.Remove(name)
	})
	return out, nil
}

// bare takes the operation and the path off an error of the file system: the
// message names the path itself.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// targetKey names a service in the state: the items of one tenant are not
// known in another, so the tenant that the token is for is part of it.
func targetKey(raw string, source load.TokenSource) (string, error) {
	name := raw
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		name = u.Host
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	started := time.Now()
	token, err := source.Token(ctx)
	if _, ours := errors.AsType[*load.AuthError](err); err != nil && !ours {
		return "", &load.UnavailableError{Tries: 1, For: time.Since(started), Err: err}
	}
	if err != nil {
		return "", err
	}
	// Of a token of Entra ID. It is not verified: it only names a folder.
	if claims, ok := load.ReadClaims(token); ok && claims.Tenant != "" {
		name += "-" + claims.Tenant
	}
	return serviceKey(name), nil
}

// serviceKey makes a folder's name of a service's.
func serviceKey(name string) string {
	return "graph-" + regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(name, "_")
}

// inProcess is a RoundTripper that calls the local Graph's handler: the same
// client as for a tenant, without a socket.
type inProcess struct {
	handler *localgraph.Server
	caller  localgraph.Caller
}

func (t *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := newRecorder()
	t.handler.ServeHTTP(rec, t.from(r))
	return rec.response(r)
}

// RoundTripAll is RoundTrip for many requests: a goroutine for each would cost
// as much as what it does.
func (t *inProcess) RoundTripAll(reqs []*http.Request) ([]*http.Response, []error) {
	resps, errs := make([]*http.Response, len(reqs)), make([]error, len(reqs))
	recs, served := make([]http.ResponseWriter, len(reqs)), make([]*http.Request, len(reqs))
	for i, r := range reqs {
		if err := r.Context().Err(); err != nil {
			return resps, slices.Repeat([]error{err}, len(reqs))
		}
		recs[i], served[i] = newRecorder(), t.from(r)
	}
	t.handler.ServeAll(recs, served)
	for i, r := range reqs {
		resps[i], errs[i] = recs[i].(*recorder).response(r)
	}
	return resps, errs
}

// from says for whom a request is made.
func (t *inProcess) from(r *http.Request) *http.Request {
	return r.WithContext(localgraph.WithCaller(r.Context(), t.caller))
}

// A recorder is the ResponseWriter of a call within the process.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
	wrote  bool
}

func newRecorder() *recorder { return &recorder{header: make(http.Header, 4), status: http.StatusOK} }

// response closes the request and makes a response of what was recorded.
func (r *recorder) response(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: r.status, Status: fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.header,
		Body: io.NopCloser(&r.body), ContentLength: int64(r.body.Len()), Request: req,
	}, nil
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}

// importDirectory makes the people of the mapping known to the local Graph, so
// that a search can run as one of them by mail address.
func importDirectory(ctx context.Context, t *target, m *transform.Mapping) error {
	if t.local == nil || len(m.Users)+len(m.Teams) == 0 {
		return nil
	}
	users := make([]localgraph.User, len(m.Users))
	for i, u := range m.Users {
		users[i] = localgraph.User{ID: u.ID, UserPrincipalName: u.UPN, Mail: u.Mail, DisplayName: u.DisplayName, EmployeeID: u.EmployeeID, Guest: u.Guest}
	}
	groups := make([]localgraph.DirectoryGroup, len(m.Teams))
	for i, g := range m.Teams {
		groups[i] = localgraph.DirectoryGroup{ID: g.ID, DisplayName: g.DisplayName, Mail: g.Mail, Members: g.Members}
	}
	return t.local.ImportDirectory(ctx, users, groups)
}

// buffered is stdout with a buffer, for commands that print much.
func buffered(w io.Writer) (*bufio.Writer, func() error) {
	b := bufio.NewWriterSize(w, 1<<16)
	return b, b.Flush
}
