package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fake is a Graph that is as unkind as the network. It is written from the
// API's description: schemas take minutes and can be read before they count,
// items are checked, and its fault decides of each request whether it is
// lost, answered half, throttled or refused.
type fake struct {
	t     *testing.T
	token string // the token that it takes; "" takes all

	mu    sync.Mutex // guards the fields below
	fault func(r *http.Request, n int) fault
	wire  *pipeListener
	log   []string // method and raw path of each request, before faults
	ids   map[string]bool
	conns map[string]*fakeConn
	// How long the slow things take.
	schemaTakes, deleteTakes time.Duration
	schemaFails              string
	// page is how many members a page of a list has; 0: there are no lists.
	page int

	envelopes envelopeFaults
	listsOps  bool                     // GET operations is answered
	location  func(path string) string // of an operation, for PATCH schema; nil: on another host
}

type fakeConn struct {
	info    map[string]any
	schema  map[string]any
	ops     map[string]time.Time // when they are completed
	items   map[string]json.RawMessage
	groups  map[string]map[string]any
	members map[string]string // group/id -> type
	goneAt  time.Time         // being deleted until then

	activities int // that were sent
}

// A fault is what goes wrong with one request; the zero fault is nothing.
type fault struct {
	status int // answers this instead
	header map[string]string
	body   string
	said   bool // with the error envelope, as the service itself answers
	after  bool // answers so, and yet it happens

	loseRequest bool // the connection breaks before anything happens
	loseReply   bool // it happens, then the connection breaks
	half        bool // the answer's body breaks off
	slow        time.Duration
}

// newFake starts a fake on an in-memory network, so that everything, the
// HTTP of net/http included, runs in a synctest bubble.
func newFake(t *testing.T) (*fake, http.RoundTripper) {
	wire := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	f := &fake{t: t, wire: wire, conns: make(map[string]*fakeConn), ids: make(map[string]bool)}
	server := &http.Server{Handler: f}
	go server.Serve(wire)
	tr := newTransport(25, nil)
	tr.Proxy = nil
	tr.DialContext = wire.dial
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		server.Close()
	})
	return f, tr
}

// newFakeGraph gives a client of a fake that has the connection hd.
func newFakeGraph(t *testing.T, change func(*GraphOptions)) (*fake, *Graph) {
	f, tr := newFake(t)
	f.conns["hd"] = newFakeConn("hd", "Helpdesk")
	f.conns["hd"].info["state"] = "ready"
	return f, f.client(tr, change)
}

func (f *fake) client(tr http.RoundTripper, change func(*GraphOptions)) *Graph {
	opt := GraphOptions{BaseURL: "http://graph.fake", Connection: "hd", Transport: tr}
	if change != nil {
		change(&opt)
	}
	g, err := NewGraph(opt)
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

func newFakeConn(id, name string) *fakeConn {
	return &fakeConn{
		info: map[string]any{"id": id, "name": name, "description": "", "state": "draft", "newerField": 1},
		ops:  make(map[string]time.Time), items: make(map[string]json.RawMessage),
		groups: make(map[string]map[string]any), members: make(map[string]string),
	}
}

type pipeListener struct {
	conns  chan net.Conn
	dials  atomic.Int32
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	l.dials.Add(1)
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	what := f.arrive(r)
	if what.slow > 0 {
		select {
		case <-time.After(what.slow):
		case <-r.Context().Done():
			return
		}
	}
	if what.loseRequest {
		hangUp(w)
		return
	}
	var status int
	var header map[string]string
	var answer any
	switch {
	case what.status != 0 && !what.after:
	case r.URL.Path == "/v1.0/$batch":
		status, header, answer = f.batch(r, body)
	default:
		f.mu.Lock()
		status, header, answer = f.handle(r, body)
		f.mu.Unlock()
	}
	if what.loseReply {
		hangUp(w)
		return
	}
	if what.status != 0 {
		for key, value := range what.header {
			w.Header().Set(key, value)
		}
		w.WriteHeader(what.status)
		io.WriteString(w, what.text())
		return
	}
	for key, value := range header {
		w.Header().Set(key, value)
	}
	w.Header().Set("request-id", "req-1")
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	out, _ := json.Marshal(answer)
	w.Header().Set("Content-Type", "application/json")
	if what.half {
		w.Header().Set("Content-Length", fmt.Sprint(len(out)))
		w.WriteHeader(status)
		w.Write(out[:len(out)/2])
		http.NewResponseController(w).Flush()
		hangUp(w)
		return
	}
	w.WriteHeader(status)
	w.Write(out)
}

// arrive notes a request and decides what goes wrong with it.
func (f *fake) arrive(r *http.Request) (what fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, r.Method+" "+r.URL.EscapedPath())
	if f.fault != nil {
		what = f.fault(r, len(f.log))
	}
	if id := r.Header.Get("client-request-id"); id == "" || f.ids[id] && r.Method != http.MethodGet { // net/http repeats a GET by itself
		f.t.Errorf("%s %s: client-request-id %q is missing or was used before", r.Method, r.URL, id)
	} else {
		f.ids[id] = true
	}
	return what
}

// text is the body of a fault's answer.
func (what *fault) text() string {
	if !what.said {
		return what.body
	}
	out, _ := json.Marshal(envelope("InvalidRequest", "as the test wants it"))
	return string(out)
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func envelope(code, message string) map[string]any {
	return map[string]any{"error": map[string]any{"code": code, "message": "The request is malformed or incorrect.",
		"innerError": map[string]any{"code": code, "message": message, "request-id": "req-1"}}}
}

func (f *fake) handle(r *http.Request, body []byte) (int, map[string]string, any) {
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		return 401, nil, envelope("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired: "+r.Header.Get("Authorization"))
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/v1.0/")
	if !ok {
		return 404, nil, envelope("BadRequest", "no version")
	}
	if path == "search/query" {
		return f.search(body)
	}
	var seg []string
	for s := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return 400, nil, envelope("BadRequest", err.Error())
		}
		seg = append(seg, plain)
	}
	if len(seg) < 2 || seg[0] != "external" || seg[1] != "connections" {
		return 404, nil, envelope("BadRequest", "Resource not found")
	}
	if len(seg) == 2 && r.Method == http.MethodGet {
		var all []any
		for _, id := range slices.Sorted(keys(f.conns)) {
			if filter := r.URL.Query().Get("$filter"); filter == "" || filter == "name eq '"+f.conns[id].info["name"].(string)+"'" {
				all = append(all, f.conns[id].info)
			}
		}
		return f.list(r, all)
	}
	if len(seg) == 2 {
		return f.createConnection(body)
	}
	c := f.conns[seg[2]]
	if c != nil && !c.goneAt.IsZero() {
		if time.Now().After(c.goneAt) {
			delete(f.conns, seg[2])
			c = nil
		} else if len(seg) > 3 {
			c = nil // while it is being deleted, what is in it is not found
		}
	}
	if c == nil {
		return 404, nil, envelope("ItemNotFound", "The connection does not exist")
	}
	return f.inConnection(c, r, seg[3:], body)
}

// list answers a page. The link to the next one leads to another host: a token
// must not follow.
func (f *fake) list(r *http.Request, all []any) (int, map[string]string, any) {
	if f.page == 0 {
		return 405, nil, envelope("MethodNotAllowed", "there is no list")
	}
	from := 0
	fmt.Sscan(r.URL.Query().Get("$skiptoken"), &from)
	size := f.page
	fmt.Sscan(r.URL.Query().Get("$top"), &size)
	size = min(size, f.page)
	answer := map[string]any{"@odata.context": "x", "value": all[min(from, len(all)):min(from+size, len(all))]}
	if from+size < len(all) {
		query := r.URL.Query()
		query.Set("$skiptoken", fmt.Sprint(from+size))
		answer["@odata.nextLink"] = "https://elsewhere.example/v1.0/stolen?" + query.Encode()
	}
	return 200, nil, answer
}

func (f *fake) createConnection(body []byte) (int, map[string]string, any) {
	var in struct{ ID, Name, Description string }
	if json.Unmarshal(body, &in) != nil || in.ID == "" || in.Name == "" {
		return 400, nil, envelope("InvalidRequest", "id and name are required")
	}
	if f.conns[in.ID] != nil {
		return 409, nil, envelope("NameAlreadyExists", "The connection exists")
	}
	f.conns[in.ID] = newFakeConn(in.ID, in.Name)
	f.conns[in.ID].info["description"] = in.Description
	return 201, nil, f.conns[in.ID].info
}

func (f *fake) inConnection(c *fakeConn, r *http.Request, seg []string, body []byte) (int, map[string]string, any) {
	route := r.Method
	for i, s := range seg {
		if i%2 == 0 && s != "addActivities" {
			route += " " + s
		}
	}
	switch route {
	case "GET":
		for _, ready := range c.ops {
			if time.Now().After(ready) && f.schemaFails == "" {
				c.info["state"] = "ready"
			}
		}
		return 200, nil, c.info
	case "PATCH":
		json.Unmarshal(body, &c.info)
		return 204, nil, nil
	case "DELETE":
		c.goneAt = time.Now().Add(f.deleteTakes)
		return 202, nil, nil
	case "GET schema":
		if c.schema == nil {
			return 404, nil, envelope("ItemNotFound", "no schema")
		}
		if r.Header.Get("Prefer") != "include-unknown-enum-members" {
			f.t.Errorf("GET schema without the Prefer header: newer labels would come back as unknownFutureValue")
		}
		return 200, nil, c.schema
	case "PATCH schema":
		return f.patchSchema(c, r, body)
	case "GET operations":
		if len(seg) == 1 {
			return f.listOperations(c)
		}
		ready, ok := c.ops[seg[1]]
		status := map[string]any{"id": seg[1], "status": "inprogress", "error": nil}
		switch {
		case !ok:
			return 404, nil, envelope("ItemNotFound", "no operation")
		case time.Now().Before(ready):
		case f.schemaFails != "":
			status["status"], status["error"] = "failed", map[string]any{"message": f.schemaFails}
		default:
			status["status"], c.info["state"] = "completed", "ready"
		}
		return 200, nil, status
	case "PUT items":
		if why := badItem(body); why != "" {
			return 400, nil, envelope("InvalidRequest", why)
		}
		c.items[seg[1]] = body
		return 200, nil, json.RawMessage(body)
	case "GET items":
		if c.items[seg[1]] == nil {
			return 404, nil, envelope("ItemNotFound", "no item")
		}
		return 200, nil, c.items[seg[1]]
	case "DELETE items":
		if c.items[seg[1]] == nil {
			return 404, nil, envelope("ItemNotFound", "no item")
		}
		delete(c.items, seg[1])
		return 204, nil, nil
	}
	switch {
	case route == "POST items" && len(seg) == 3 && seg[2] == "addActivities":
		return c.addActivities(seg[1], body)
	case route == "GET groups" && len(seg) == 1:
		var all []any
		for _, id := range slices.Sorted(keys(c.groups)) {
			all = append(all, c.groups[id])
		}
		return f.list(r, all)
	case route == "GET groups members" && len(seg) == 3 && c.groups[seg[1]] != nil:
		var all []any
		for _, key := range slices.Sorted(keys(c.members)) {
			if id, ok := strings.CutPrefix(key, seg[1]+"/"); ok {
				all = append(all, map[string]any{"id": id, "type": c.members[key], "newer": 1})
			}
		}
		return f.list(r, all)
	}
	return c.inGroups(route, seg, body)
}

// listOperations answers a call that is in the model and on no page.
func (f *fake) listOperations(c *fakeConn) (int, map[string]string, any) {
	if !f.listsOps {
		return 404, nil, envelope("BadRequest", "Resource not found for the segment 'operations'")
	}
	list := []any{}
	for id, ready := range c.ops {
		status := "completed"
		if time.Now().Before(ready) {
			status = "inprogress"
		}
		list = append(list, map[string]any{"id": id, "status": status, "error": nil, "newer": []int{1}})
	}
	return 200, nil, map[string]any{"value": list}
}

func (f *fake) patchSchema(c *fakeConn, r *http.Request, body []byte) (int, map[string]string, any) {
	for _, ready := range c.ops {
		if time.Now().Before(ready) {
			return 409, nil, envelope("Conflict", "a schema operation is in progress")
		}
	}
	c.schema = nil
	if json.Unmarshal(body, &c.schema) != nil || c.schema["baseType"] != "microsoft.graph.externalItem" {
		return 400, nil, envelope("InvalidRequest", "baseType")
	}
	id := fmt.Sprintf("1.neu.%d", len(c.ops))
	c.ops[id] = time.Now().Add(f.schemaTakes)
	path := strings.TrimSuffix(r.URL.Path, "/schema") + "/operations/" + id
	if f.location != nil {
		if place := f.location(path); place != "" {
			return 202, map[string]string{"Location": place}, nil
		}
		return 202, nil, nil
	}
	// The host is not the one that the client spoke to: a token must not follow.
	return 202, map[string]string{"Location": "https://elsewhere.example" + path}, nil
}

func (c *fakeConn) inGroups(route string, seg []string, body []byte) (int, map[string]string, any) {
	if seg[0] != "groups" {
		return 405, nil, envelope("MethodNotAllowed", route)
	}
	in := make(map[string]any)
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		return 400, nil, envelope("InvalidRequest", "not JSON")
	}
	id, _ := in["id"].(string)
	if len(seg) > 1 && c.groups[seg[1]] == nil {
		return 404, nil, envelope("ItemNotFound", "no group")
	}
	switch {
	case route == "POST groups" && c.groups[id] != nil:
		return 409, nil, envelope("Conflict", "the group exists")
	case route == "POST groups":
		c.groups[id] = in
		return 201, nil, in
	case route == "GET groups":
		return 200, nil, c.groups[seg[1]]
	case route == "PATCH groups":
		for key, value := range in {
			c.groups[seg[1]][key] = value
		}
		return 204, nil, nil
	case route == "DELETE groups":
		delete(c.groups, seg[1])
		return 204, nil, nil
	case route == "POST groups members" && c.members[seg[1]+"/"+id] != "":
		return 409, nil, envelope("Conflict", "the member exists")
	case route == "POST groups members":
		c.members[seg[1]+"/"+id] = in["type"].(string)
		return 201, nil, in
	case route == "GET groups members" && len(seg) == 4 && c.members[seg[1]+"/"+seg[3]] != "":
		return 200, nil, map[string]any{"id": seg[3], "type": c.members[seg[1]+"/"+seg[3]]}
	case route == "DELETE groups members" && c.members[seg[1]+"/"+seg[3]] == "":
		return 404, nil, envelope("ItemNotFound", "no member")
	case route == "DELETE groups members":
		delete(c.members, seg[1]+"/"+seg[3])
		return 204, nil, nil
	}
	return 405, nil, envelope("MethodNotAllowed", route)
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// requests counts the requests that begin with prefix.
func (f *fake) requests(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, line := range f.log {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// setFault changes the weather.
func (f *fake) setFault(fn func(r *http.Request, n int) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fn
}

// stored lists the ids of hd's items.
func (f *fake) stored() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(keys(f.conns["hd"].items))
}
