// Package localgraph is the connectors REST API of Microsoft Graph over one
// embedded file: connections, schemas, items, external groups and
// permission-trimmed full-text search, as an http.Handler.
//
// Its nouns are the API's. A connection holds a schema and items; an item has
// an ACL, properties and content; a caller is an application, which writes, or
// a user, who searches and sees what the ACLs let through.
//
//	srv, err := localgraph.Open(dir, localgraph.Options{})
//	...
//	req = req.WithContext(localgraph.WithCaller(ctx, localgraph.Caller{App: true}))
//	srv.ServeHTTP(w, req) // PUT /v1.0/external/connections/kb/items/1
//
// It is written from the API's description and imports nothing of the
// importer, so that it cannot share the client's mistakes. Where the
// documents disagree, the choice is an Option; README.md lists them all.
package localgraph

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The published sizes of an item's request body: 4 MB until the limits page of
// July 2026, 30 MB since.
const (
	ItemSize4MB  = 4_000_000
	ItemSize30MB = 30_000_000
)

// Options changes what a Server does. The zero Options is the strict reading of
// the documents, but for the fields that begin with Require: what passes here
// passes in a tenant.
type Options struct {
	// Tokens maps bearer tokens to their callers. Requests whose context
	// carries no caller need one; without any, they all get 401.
	Tokens map[string]Caller
	// Issuer, if not nil, mints tokens that are taken as well, and answers the
	// token endpoint.
	Issuer *Issuer

	// MaxItemBytes limits an item's body; 0 is ItemSize4MB.
	MaxItemBytes int64

	// SchemaDelay is how long the registration of a schema takes; 0 is 20 ms,
	// so that clients meet a real "inprogress". A tenant takes 5 to 15 minutes.
	SchemaDelay time.Duration
	// SchemaFailure, if not empty, makes every registration end as failed
	// with this message.
	SchemaFailure string
	// DeleteDelay is how long a connection goes on to exist after its DELETE
	// was accepted; 0 is 20 ms.
	DeleteDelay time.Duration

	// SearchTime is how long a search may take; 0 is 30 s. One that takes
	// longer is answered 504, so that no query holds a reader for good.
	SearchTime time.Duration

	// AllowNullProperties takes a null property value as an absent one. The
	// documents say nothing of null; the strict reading is that null is no
	// value of any type.
	AllowNullProperties bool
	// AllowLooseDates takes dates without a time or a zone as UTC. An OData
	// DateTimeOffset needs both.
	AllowLooseDates bool
	// AllowDuplicateNames lets two connections have one name. A note on the
	// create page says that a name is unique.
	AllowDuplicateNames bool
	// ReplaceOnPut makes PUT of an existing item drop what the body leaves
	// out, as an old beta page has it. The current page keeps it.
	ReplaceOnPut bool
	// AlwaysNewEnums answers the enum members after unknownFutureValue
	// (the label iconUrl among them) even without the request header
	// "Prefer: include-unknown-enum-members".
	AlwaysNewEnums bool
	// RequireDescription refuses a connection without a description, as the
	// create page has it. The resource page calls it optional.
	RequireDescription bool
	// RequireObjectIDs refuses users and groups, in ACLs and as members, whose
	// id has not the form of one of Entra ID's, as a tenant does. Without it a
	// test may call a user u1; a mail address is refused all the same.
	RequireObjectIDs bool
	// ListItems answers GET .../items and its $count, which are in the
	// published model; no page describes them.
	ListItems bool
	// MaxPage is the largest page of a search; 0 is 500, as the searchRequest
	// page has it. An older overview says 1000.
	MaxPage int

	// Faults is what goes wrong on purpose; SetFaults changes it.
	Faults Faults
}

// A Caller is who makes a request.
type Caller struct {
	// App tells an application: it may write, and may search only as SearchAs.
	App bool
	// AppID names an application that manages only the connections that it
	// made or that name it in authorizedAppIds, as one with the permission
	// ExternalConnection.ReadWrite.OwnedBy does. Without it, it manages all.
	AppID string
	// SearchAs names the user that an application's searches run as: an
	// object id, a UPN or a mail address.
	SearchAs string
	// UserID names the signed-in user of a delegated caller, who searches.
	UserID string
	// Roles are an application's permissions, with spaces between; "" are all
	// that the server asks for. See Permissions.
	Roles string
}

type callerKey struct{}

// WithCaller returns a context that vouches for the caller of an in-process
// request. A network peer cannot set it.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// A Server is the local Graph over one folder. It is safe for concurrent use,
// and several processes may serve one folder.
type Server struct {
	opt    Options
	tokens []token
	db     *sql.DB // readers
	w      *writer
	id     string

	faults atomic.Pointer[injector] // nil: none

	bodies atomic.Int64 // what the bodies under way take of memory, in bytes
	budget int64        // what they may take
	page   int          // how large the hits of a search may be, in bytes

	snap atomic.Pointer[snapshot]
	load sync.Mutex // held while the snapshot is made anew

	stop context.CancelFunc // ends what runs in the background
	done context.Context
	bg   sync.WaitGroup
}

type token struct {
	hash   [32]byte
	caller Caller
}

// Open opens the store in dir, which it makes (mode 0700) when it is missing.
func Open(dir string, opt Options) (*Server, error) {
	if opt.MaxItemBytes == 0 {
		opt.MaxItemBytes = ItemSize4MB
	}
	if opt.SchemaDelay == 0 {
		opt.SchemaDelay = 20 * time.Millisecond
	}
	if opt.DeleteDelay == 0 {
		opt.DeleteDelay = 20 * time.Millisecond
	}
	if opt.SearchTime == 0 {
		opt.SearchTime = 30 * time.Second
	}
	if err := opt.Faults.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("local Graph: its folder cannot be made (%w); make it yourself", err)
	}
	s := &Server{opt: opt, budget: max(leastBudget, budgetBodies*opt.MaxItemBytes), page: maxPageBytes}
	for t, c := range opt.Tokens {
		if t != "" {
			s.tokens = append(s.tokens, token{sha256.Sum256([]byte(t)), c})
		}
	}
	_ = s.SetFaults(opt.Faults) // checked above
	if err := s.openStore(dir); err != nil {
		return nil, fmt.Errorf("local Graph in %s: %w; %s", dir, err, openRemedy(err))
	}
	s.done, s.stop = context.WithCancel(context.Background())
	s.resume()
	return s, nil
}

// InstanceID names the store for as long as it exists. A client that
// remembers what it sent uses it to notice that it talks to another store.
func (s *Server) InstanceID() string { return s.id }

// Close waits for the writes in flight and closes the store.
func (s *Server) Close() error {
	s.stop()
	s.bg.Wait()
	err := s.w.close()
	if e := s.db.Close(); err == nil {
		err = e
	}
	return err
}

// A call is one request on its way.
type call struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	caller Caller
	id     string // request-id
	root   string // scheme://host/v1.0, for links
	query  url.Values
	nested bool // a part of a batch
	every  bool // the caller's role is for all connections, whoever owns them

	anyType bool // the body may say that it is anything

	held int64 // what the body takes of the server's budget

	together bool // the call came with ServeAll
	pending  *pending
}

// A pending is a write that is decoded and not yet queued.
type pending struct {
	op    *writeOp
	reply func() error // answers once it is committed
	again func() error // tries it alone when it was refused
}

// ServeHTTP answers one request of the Graph API, under /v1.0 or /beta.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r, id: requestID()}
	defer c.release()
	s.serve(c)
}

// ServeAll answers requests that come at the same time: w[i] is the answer to
// r[i]. It is what as many goroutines would do that call ServeHTTP, at a lower
// price: the writes among the requests are committed together.
func (s *Server) ServeAll(w []http.ResponseWriter, r []*http.Request) {
	calls := make([]call, len(r))
	for i := range calls {
		calls[i] = call{s: s, w: w[i], r: r[i], id: requestID(), together: true}
		s.serve(&calls[i])
	}
	arriving := s.w.expect()
	for i := range calls {
		if p := calls[i].pending; p != nil {
			s.w.enqueue(p.op)
		}
	}
	arriving.over()
	for i := range calls {
		c := &calls[i]
		if c.pending == nil {
			continue
		}
		answer := c.pending.reply
		if err := <-c.pending.op.done; err != nil {
			answer = c.pending.again
		}
		if err := answer(); err != nil {
			c.fail(err)
		}
	}
}

func (s *Server) serve(c *call) {
	defer c.survive()
	h := c.w.Header()
	h["Request-Id"] = []string{c.id}
	h["Content-Type"] = jsonType
	h["Client-Request-Id"] = h["Request-Id"] // the client's own, if it has one
	if id := c.r.Header["Client-Request-Id"]; len(id) > 0 && id[0] != "" {
		h["Client-Request-Id"] = id[:1:1]
	}
	if c.login() {
		return
	}
	caller, err := s.callerOf(c.r)
	if err != nil {
		h.Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"`)
		c.fail(err)
		return
	}
	c.caller = caller
	c.tidy()
	if err := c.answer(); err != nil {
		c.fail(err)
	}
}

// survive answers a request that this server has failed at by its own fault.
// What net/http wants to know of, a cut connection, it lets through.
func (c *call) survive() {
	v := recover()
	if err, ok := v.(error); v == nil || ok && err == http.ErrAbortHandler && !c.nested {
		if v != nil {
			panic(v)
		}
		return
	}
	c.fail(panicked(v))
}

// answer routes a request, through the faults if there are any.
func (c *call) answer() error {
	if in := c.s.faults.Load(); in != nil && !strings.HasPrefix(c.r.URL.Path, "/_control/") {
		return in.around(c, c.route)
	}
	return c.route()
}

// callerOf finds the caller in the context, or by the bearer token. All fixed
// tokens are compared, each in constant time.
func (s *Server) callerOf(r *http.Request) (Caller, error) {
	if c, ok := r.Context().Value(callerKey{}).(Caller); ok {
		return c, nil
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return Caller{}, errUnauthenticated
	}
	value = strings.TrimSpace(value)
	sum := sha256.Sum256([]byte(value))
	var found Caller
	ok := false
	for i := range s.tokens {
		if subtle.ConstantTimeCompare(sum[:], s.tokens[i].hash[:]) == 1 {
			found, ok = s.tokens[i].caller, true
		}
	}
	if ok {
		return found, nil
	}
	if s.opt.Issuer == nil {
		return Caller{}, errUnauthenticated
	}
	found, err := s.opt.Issuer.verify(value, time.Now())
	switch {
	case errors.Is(err, errExpired):
		return Caller{}, errTokenExpired
	case errors.Is(err, errNotYet):
		return Caller{}, errTokenNotYet
	case err != nil:
		return Caller{}, errUnauthenticated
	}
	return found, nil
}

// route splits the raw path, decodes each segment (an id may hold %2F), and
// calls the operation.
func (c *call) route() error {
	raw := c.r.URL.EscapedPath()
	seg := strings.Split(strings.TrimSuffix(strings.TrimPrefix(raw, "/"), "/"), "/")
	if seg[0] == "_control" && !c.nested {
		return c.control(seg[1:])
	}
	if seg[0] != "v1.0" && seg[0] != "beta" {
		return notFound("Resource not found for the segment '%s'. The API's root is /v1.0.", cut([]byte(seg[0])))
	}
	c.root = rootURL(c.r) + "/" + seg[0]
	seg = seg[1:]
	for i, s := range seg {
		d, err := url.PathUnescape(s)
		if err != nil {
			return badRequest("the path segment %q is not percent-encoded correctly", s)
		}
		seg[i] = d
	}
	if c.r.URL.RawQuery != "" {
		q, err := url.ParseQuery(c.r.URL.RawQuery)
		if err != nil {
			return badRequest("the query string cannot be read: %v", err)
		}
		c.query = q
	}
	return c.dispatch(seg)
}

func (c *call) dispatch(seg []string) error {
	if err := c.checkRole(seg); err != nil {
		return err
	}
	switch {
	case len(seg) >= 1 && seg[0] == "external":
		if !c.caller.App {
			return errAppOnly
		}
		if len(seg) == 1 {
			return c.only("GET", c.getExternal)
		}
		if seg[1] == "connections" {
			return c.external(seg[2:])
		}
	case len(seg) == 2 && seg[0] == "search" && seg[1] == "query":
		return c.only("POST", c.search)
	case len(seg) == 1 && seg[0] == "$batch" && !c.nested:
		return c.only("POST", c.batch)
	case len(seg) >= 1 && slices.Contains([]string{"users", "groups", "me", "organization"}, seg[0]):
		return c.directory(seg)
	}
	return noSegment(strings.Join(seg, "/"))
}

func noSegment(seg string) error {
	return notFound("Resource not found for the segment '%s'.", cut([]byte(seg)))
}

// getExternal answers the root of the connectors: in the model, and empty.
func (c *call) getExternal() error {
	if err := c.options("$select", "$expand"); err != nil {
		return err
	}
	m := map[string]any{"@odata.context": c.context("external")}
	err := c.expand(m, map[string]func() (any, error){"connections": func() (any, error) {
		list, err := c.visible()
		all := make([]map[string]any, len(list))
		for i, cn := range list {
			all[i] = c.connectionJSON(cn, "")
		}
		return all, err
	}})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

// external routes what stands under /external/connections.
func (c *call) external(seg []string) error {
	if len(seg) == 0 {
		return c.by(methods{"GET": c.listConnections, "POST": c.createConnection})
	}
	if seg[0] == "$count" && len(seg) == 1 {
		return c.only("GET", c.countConnections)
	}
	id, seg := seg[0], seg[1:]
	with := func(f func(*connection) error) func() error {
		return func() error {
			cn, err := c.s.connection(c.r.Context(), id)
			if err != nil {
				return err
			}
			if err := c.manages(cn); err != nil {
				return err
			}
			return f(cn)
		}
	}
	if len(seg) == 0 {
		return c.by(methods{"GET": with(c.getConnection), "PATCH": with(c.patchConnection), "DELETE": with(c.deleteConnection)})
	}
	switch {
	case seg[0] == "schema" && len(seg) == 1:
		return c.by(methods{"GET": with(c.getSchema), "PATCH": with(c.registerSchema), "POST": with(c.registerSchema),
			// What the service answers (msgraph-metadata#438).
			"DELETE": func() error {
				return &apiError{status: http.StatusNotFound, code: "UnknownError", message: "A schema cannot be deleted; delete the connection."}
			}})
	case seg[0] == "operations" && len(seg) == 1:
		return c.only("GET", with(c.listOperations))
	case seg[0] == "operations" && len(seg) == 2 && seg[1] == "$count":
		return c.only("GET", with(c.countOperations))
	case seg[0] == "operations" && len(seg) == 2:
		return c.only("GET", with(func(cn *connection) error { return c.getOperation(cn, seg[1]) }))
	case seg[0] == "quota" && len(seg) == 1:
		return c.only("GET", with(c.getQuota))
	case seg[0] == "items" && len(seg) >= 2 && seg[1] != "$count":
		return c.itemRoutes(id, seg[1], seg[2:], with)
	case seg[0] == "items" && len(seg) <= 2 && c.s.opt.ListItems:
		return c.only("GET", with(func(cn *connection) error { return c.listItems(cn, len(seg) == 2) }))
	case seg[0] == "groups":
		return c.groupRoutes(seg[1:], with)
	}
	// POST items is in the model and answers 404 in practice
	// (msgraph-sdk-powershell#3375); nobody has seen the list of items work.
	return noSegment(seg[len(seg)-1])
}

func (c *call) itemRoutes(conn, item string, rest []string, with func(func(*connection) error) func() error) error {
	switch {
	case len(rest) == 0 && c.r.Method == http.MethodPut: // nearly all requests: without making the table below
		return c.putItem(conn, item)
	case len(rest) == 0:
		return c.by(methods{
			"PUT":    func() error { return c.putItem(conn, item) },
			"PATCH":  func() error { return c.putItem(conn, item) },
			"DELETE": func() error { return c.deleteItem(conn, item) },
			"GET":    with(func(cn *connection) error { return c.getItem(cn, item) }),
		})
	case len(rest) == 1 && (rest[0] == "addActivities" || rest[0] == "microsoft.graph.externalConnectors.addActivities"):
		return c.only("POST", with(func(cn *connection) error { return c.addActivities(cn, item) }))
	case len(rest) == 1 && rest[0] == "activities":
		return c.only("GET", with(func(cn *connection) error { return c.listActivities(cn, item) }))
	}
	return noSegment(rest[len(rest)-1])
}

type methods map[string]func() error

// by calls the operation of the request's method. HEAD is GET without the
// body, which net/http leaves out; OPTIONS tells the methods.
func (c *call) by(m methods) error {
	method := c.r.Method
	if method == http.MethodHead && !c.nested {
		method = http.MethodGet
	}
	if f := m[method]; f != nil {
		return f()
	}
	var allow []string
	for _, name := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if m[name] != nil || name == http.MethodHead && m[http.MethodGet] != nil {
			allow = append(allow, name)
		}
	}
	c.w.Header().Set("Allow", strings.Join(append(allow, http.MethodOptions), ", "))
	if c.r.Method == http.MethodOptions {
		return c.replyNothing(http.StatusNoContent)
	}
	return &apiError{status: http.StatusMethodNotAllowed, code: "Request_BadRequest",
		message: fmt.Sprintf("Specified HTTP method %s is not allowed for the request target.", cut([]byte(c.r.Method)))}
}

func (c *call) only(method string, f func() error) error { return c.by(methods{method: f}) }

// rootURL makes the absolute root from what the client addressed, so that
// links lead back through a reverse proxy.
func rootURL(r *http.Request) string {
	scheme := "http"
	if p := r.Header.Get("X-Forwarded-Proto"); p == "https" || p == "http" {
		scheme = p
	} else if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if host == "" {
		host = "localhost"
	}
	return scheme + "://" + host
}

// requestID makes the id that an answer and the logs share. It is no secret.
func requestID() string {
	const hex = "0123456789abcdef"
	var b [36]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range b {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			b[i] = '-'
			continue
		}
		b[i] = hex[hi&15]
		hi = hi>>4 | lo<<60
		lo >>= 4
	}
	b[14], b[19] = '4', hex[8|b[19]&3]
	return string(b[:])
}
