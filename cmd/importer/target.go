package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/load/localgraph"
	"importer/transform"
)

// A targetFlags is where items go, as typed.
type targetFlags struct {
	target   string
	graphURL string
	out      string
	rate     float64
	flight   int
	retryFor time.Duration
	fresh    bool // jsonl: start the file anew, as nothing is remembered of it
}

func (t *targetFlags) add(cmd *cobra.Command, jsonl bool) {
	f := cmd.Flags()
	kinds := "local (the local Graph in --data) or graph (a Microsoft 365 tenant, or any server at --graph-url)"
	if jsonl {
		kinds = "local (the local Graph in --data), graph (a Microsoft 365 tenant, or any server at --graph-url) or jsonl (a file of JSON lines, see --out)"
		f.StringVarP(&t.out, "out", "o", "-", "`file` that the jsonl target writes; - is stdout")
		f.Float64Var(&t.rate, "rate", 0, "most requests a second to a graph target; 0 learns what the service allows, up to 100")
		f.IntVar(&t.flight, "concurrency", 0, "most requests in flight; 0 is 25 for a graph target and 256 for the local Graph")
	}
	patience := 30 * time.Second // somebody waits for the answer
	if jsonl {
		patience = 15 * time.Minute // longer than a restart, a deployment or a fail-over
	}
	f.DurationVar(&t.retryFor, "retry-for", patience, "how long a graph target may go without settling anything before it is given up")
	f.StringVar(&t.target, "target", "local", kinds)
	f.StringVar(&t.graphURL, "graph-url", load.DefaultGraphURL, "`address` of the graph target")
}

func (t *targetFlags) check() error {
	if t.retryFor < 0 {
		return usageError{fmt.Errorf("--retry-for %v is negative", t.retryFor)}
	}
	switch t.target {
	case "local", "graph":
		return nil
	case "jsonl":
		return nil
	}
	return usageError{fmt.Errorf("--target %q is none of local, graph, jsonl", t.target)}
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
	close   func() error
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
		return openGraph(t, connection)
	}
	return openJSONL(t)
}

func (a *app) openLocal(t *targetFlags, connection string, caller localgraph.Caller) (*target, error) {
	server, err := localgraph.Open(a.data, localgraph.Options{})
	if err != nil {
		return nil, fmt.Errorf("%w, or choose another with --data", err)
	}
	flight := t.flight
	if flight == 0 {
		flight = 256 // one transaction of the local Graph carries what is in flight
	}
	graph, err := load.NewGraph(load.GraphOptions{
		BaseURL:     "http://localhost",
		Connection:  connection,
		Transport:   &inProcess{handler: server, caller: caller},
		Concurrency: flight,
		Retry:       t.retry(),
	})
	if err != nil {
		server.Close()
		return nil, err
	}
	return &target{Target: graph, graph: graph, local: server, flight: flight, retry: t.retry(), batch: 500, lanes: 4, key: "local", close: server.Close}, nil
}

func openGraph(t *targetFlags, connection string) (*target, error) {
	source, err := load.NewTokenSource(t.graphURL, os.Getenv)
	if err != nil {
		return nil, err
	}
	flight := t.flight
	if flight == 0 {
		flight = 25 // the last published limit of operations in flight a connection
	}
	graph, err := load.NewGraph(load.GraphOptions{BaseURL: t.graphURL, Connection: connection, Token: source, Concurrency: flight,
		Retry: t.retry(), UserAgent: "importer/" + version})
	if err != nil {
		return nil, usageError{fmt.Errorf("--graph-url %s: %w", t.graphURL, err)}
	}
	opt := load.LimiterOptions{}
	if t.rate > 0 {
		opt.Start, opt.Max = t.rate, t.rate
	}
	// Small batches: a checkpoint comes with each, and at 25 items a second a
	// batch of 50 is two seconds.
	return &target{Target: graph, graph: graph, limiter: load.NewLimiter(opt), flight: flight, retry: t.retry(), batch: 50, lanes: 4,
		key: targetKey(t.graphURL), close: func() error { return nil }}, nil
}

func openJSONL(t *targetFlags) (*target, error) {
	if t.out == "-" {
		w := load.NewJSONL(os.Stdout, false)
		return &target{Target: w, flight: 1, batch: 500, lanes: 1, key: "jsonl-stdout", close: w.Close}, nil
	}
	mode := os.O_APPEND
	if t.fresh {
		mode = os.O_TRUNC
	}
	f, err := os.OpenFile(t.out, os.O_CREATE|os.O_WRONLY|mode, 0o644)
	if err != nil {
		return nil, usageError{fmt.Errorf("--out %s: the file cannot be written (%w); choose another", t.out, bare(err))}
	}
	abs, err := filepath.Abs(t.out)
	if err != nil {
		abs = t.out
	}
	sum := sha256.Sum256([]byte(abs))
	w := load.NewJSONL(f, false)
	return &target{Target: w, flight: 1, batch: 500, lanes: 1, key: "jsonl-" + hex.EncodeToString(sum[:6]),
		close: w.Close}, nil // which closes f
}

// bare takes the operation and the path off an error of the file system: the
// message names the path itself.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// targetKey names a service in the state: items known in one are not known in
// another.
func targetKey(raw string) string {
	name := raw
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		name = u.Host
	}
	if tenant := os.Getenv("AZURE_TENANT_ID"); tenant != "" {
		name += "-" + tenant
	}
	return "graph-" + regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(name, "_")
}

// inProcess is a RoundTripper that calls the local Graph's handler: the same
// client as for a tenant, without a socket.
type inProcess struct {
	handler http.Handler
	caller  localgraph.Caller
}

func (t *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(rec, r.WithContext(localgraph.WithCaller(r.Context(), t.caller)))
	if r.Body != nil {
		r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: rec.status, Status: fmt.Sprintf("%d %s", rec.status, http.StatusText(rec.status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: rec.header,
		Body: io.NopCloser(&rec.body), ContentLength: int64(rec.body.Len()), Request: r,
	}, nil
}

// A recorder is the ResponseWriter of a call within the process.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
	wrote  bool
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
	if t.local == nil || len(m.Users) == 0 {
		return nil
	}
	users := make([]localgraph.User, len(m.Users))
	for i, u := range m.Users {
		users[i] = localgraph.User{ID: u.ID, UserPrincipalName: u.UPN, Mail: u.Mail, DisplayName: u.DisplayName, EmployeeID: u.EmployeeID}
	}
	return t.local.ImportDirectory(ctx, users, nil)
}

// buffered is stdout with a buffer, for commands that print much.
func buffered(w io.Writer) (*bufio.Writer, func() error) {
	b := bufio.NewWriterSize(w, 1<<16)
	return b, b.Flush
}
