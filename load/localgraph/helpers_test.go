package localgraph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const base = "/v1.0/external/connections"

// A graph is a server under test, called as its handler.
type graph struct {
	t   testing.TB
	srv *Server
	dir string
}

func open(t testing.TB, opt Options) *graph {
	t.Helper()
	g := &graph{t: t, dir: t.TempDir()}
	if opt.SchemaDelay == 0 {
		opt.SchemaDelay = time.Nanosecond
	}
	if opt.DeleteDelay == 0 {
		opt.DeleteDelay = time.Nanosecond
	}
	srv, err := Open(g.dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	g.srv = srv
	t.Cleanup(func() {
		if err := g.srv.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return g
}

// An answer is a response, read.
type answer struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.raw) }

// get follows a path of keys and indexes into the body.
func (a answer) get(path ...any) any {
	var v any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// inner is the text of a refusal: innerError.message, else message.
func (a answer) inner() string {
	if s, _ := a.get("error", "innerError", "message").(string); s != "" {
		return s
	}
	s, _ := a.get("error", "message").(string)
	return s
}

func (g *graph) as(c Caller, method, path string, body any, headers ...string) answer {
	g.t.Helper()
	var b []byte
	switch body := body.(type) {
	case nil:
	case string:
		b = []byte(body)
	case []byte:
		b = body
	default:
		var err error
		if b, err = json.Marshal(body); err != nil {
			g.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(b))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	checked(g.t, g.srv).ServeHTTP(w, r.WithContext(WithCaller(context.Background(), c)))
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	if len(a.raw) > 0 && a.header.Get("Content-Type") != "text/plain" { // of $count
		dec := json.NewDecoder(bytes.NewReader(a.raw))
		dec.UseNumber()
		if err := dec.Decode(&a.body); err != nil {
			g.t.Fatalf("%s %s: the answer is no JSON object: %v\n%s", method, path, err, a.raw)
		}
	}
	if a.status >= 400 && a.get("error", "code") == nil {
		g.t.Errorf("%s %s: %v has no error envelope", method, path, a)
	}
	return a
}

func (g *graph) do(method, path string, body any, headers ...string) answer {
	g.t.Helper()
	return g.as(Caller{App: true}, method, path, body, headers...)
}

func (g *graph) want(status int, method, path string, body any, headers ...string) answer {
	g.t.Helper()
	a := g.do(method, path, body, headers...)
	if a.status != status {
		g.t.Fatalf("%s %s = %v, want %d", method, path, a, status)
	}
	return a
}

// wait polls until f is true.
func wait(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("%s did not happen in 20 s", what)
}

// register makes a connection with a schema and waits for it.
func (g *graph) register(id, props string) {
	g.t.Helper()
	g.want(201, "POST", base, map[string]any{"id": id, "name": "Name of " + id, "description": "d"})
	g.update(id, props)
}

func (g *graph) update(id, props string) {
	g.t.Helper()
	a := g.want(202, "PATCH", base+"/"+id+"/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+props+`}`)
	loc := a.header.Get("Location")
	path := loc[strings.Index(loc, "/v1.0"):]
	wait(g.t, "the schema", func() bool { return g.want(200, "GET", path, nil).get("status") == "completed" })
}

const helpdesk = `[
	{"name":"title","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["title"]},
	{"name":"body","type":"string","isSearchable":true},
	{"name":"status","type":"string","isQueryable":true,"isRefinable":true,"isRetrievable":true,"aliases":["state"]},
	{"name":"priority","type":"int64","isQueryable":true,"isRefinable":true,"isRetrievable":true},
	{"name":"cost","type":"double","isQueryable":true,"isRetrievable":true,"isRefinable":true},
	{"name":"opened","type":"dateTime","isQueryable":true,"isRefinable":true,"isRetrievable":true,"labels":["createdDateTime"]},
	{"name":"urgent","type":"boolean","isQueryable":true,"isRetrievable":true},
	{"name":"tags","type":"stringCollection","isQueryable":true,"isRefinable":true,"isRetrievable":true},
	{"name":"numbers","type":"int64Collection","isQueryable":true,"isRetrievable":true},
	{"name":"days","type":"dateTimeCollection","isQueryable":true,"isRetrievable":true},
	{"name":"secret","type":"string","isSearchable":true},
	{"name":"category","type":"string","isSearchable":true,"isQueryable":true,"isRetrievable":true},
	{"name":"owner","type":"principal","isQueryable":true,"isRetrievable":true},
	{"name":"url","type":"string","isRetrievable":true,"labels":["url"]}]`

const everyone = `[{"type":"everyone","value":"everyone","accessType":"grant"}]`

// put stores an item that everyone sees.
func (g *graph) put(conn, id, props, content string) {
	g.t.Helper()
	g.putACL(conn, id, everyone, props, content)
}

func (g *graph) putACL(conn, id, acl, props, content string) {
	g.t.Helper()
	c, _ := json.Marshal(content)
	g.want(200, "PUT", base+"/"+conn+"/items/"+id, `{"acl":`+acl+`,"properties":`+props+`,"content":{"type":"text","value":`+string(c)+`}}`)
}

func searchBody(conn, query, more string) string {
	q, _ := json.Marshal(query)
	if more != "" {
		more = "," + more
	}
	return `{"requests":[{"entityTypes":["externalItem"],"contentSources":["/external/connections/` + conn + `"],"query":{"queryString":` + string(q) + `}` + more + `}]}`
}

// search returns the ids of the hits, in order, and the answer.
func (g *graph) search(user, conn, query, more string) ([]string, answer) {
	g.t.Helper()
	a := g.as(Caller{UserID: user}, "POST", "/v1.0/search/query", searchBody(conn, query, more))
	if a.status != 200 {
		return nil, a
	}
	ids := []string{}
	hits, _ := a.get("value", 0, "hitsContainers", 0, "hits").([]any)
	for i := range hits {
		s, _ := a.get("value", 0, "hitsContainers", 0, "hits", i, "resource", "properties", "substrateContentDomainId").(string)
		_, id, _ := strings.Cut(s, ",")
		ids = append(ids, id)
	}
	return ids, a
}
