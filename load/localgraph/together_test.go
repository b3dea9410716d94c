package localgraph

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A request for ServeAll.
type asked struct{ method, path, body string }

// all sends requests by ServeAll and gives their answers as "status id".
func (g *graph) all(c Caller, reqs ...asked) []string {
	g.t.Helper()
	ws, rs := make([]http.ResponseWriter, len(reqs)), make([]*http.Request, len(reqs))
	for i, q := range reqs {
		r := httptest.NewRequest(q.method, base+q.path, strings.NewReader(q.body))
		ws[i], rs[i] = httptest.NewRecorder(), r.WithContext(WithCaller(g.t.Context(), c))
	}
	g.srv.ServeAll(ws, rs)
	got := make([]string, len(reqs))
	for i, w := range ws {
		rec := w.(*httptest.ResponseRecorder)
		got[i] = fmt.Sprint(rec.Code)
		if rec.Code >= 400 && !strings.Contains(rec.Body.String(), `"error"`) {
			g.t.Errorf("%v: %d without an error: %s", reqs[i], rec.Code, rec.Body)
		}
	}
	return got
}

func put(id, title string) asked {
	return asked{"PUT", "/desk/items/" + id, `{"acl":` + everyone + `,"properties":{"title":"` + title + `"}}`}
}

func TestServeAllAnswersEachAsIfAlone(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "old", `{"title":"old"}`, "text")
	got := g.all(Caller{App: true},
		put("a", "one"),
		put("b", "two"),
		asked{"PUT", "/desk/items/c", `{"acl":` + everyone + `,"properties":{"nosuch":"x"}}`},
		asked{"PUT", "/desk/items/d", `not JSON`},
		asked{"PUT", "/desk/items/e", `{"properties":{"title":"no acl"}}`},
		put("a", "three"),
		asked{"DELETE", "/desk/items/old", ""},
		asked{"DELETE", "/desk/items/never", ""},
		asked{"PUT", "/nowhere/items/f", put("f", "x").body},
		asked{"GET", "/desk", ""},
	)
	want := "[200 200 400 400 400 200 204 404 404 200]"
	if fmt.Sprint(got) != want {
		t.Errorf("ServeAll answers %v, want %v", got, want)
	}
	// Two writes of one item hold in the order in which they came.
	if title := g.want(200, "GET", base+"/desk/items/a", nil).get("properties", "title"); title != "three" {
		t.Errorf("the item written twice has the title %v, want three", title)
	}
	g.want(200, "GET", base+"/desk/items/b", nil)
	for _, id := range []string{"c", "d", "e", "f", "old"} {
		g.want(404, "GET", base+"/desk/items/"+id, nil)
	}
}

func TestServeAllIsForApplicationsOnly(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	if got := g.all(Caller{UserID: "somebody"}, put("a", "one")); got[0] != "403" {
		t.Errorf("a user's PUT by ServeAll = %v, want 403", got)
	}
	g.want(404, "GET", base+"/desk/items/a", nil)
}

// An application deletes by ServeAll what it may delete, and no more.
func TestServeAllKeepsOwners(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"a"}`, "")
	if got := g.all(Caller{App: true, AppID: "another"}, put("a", "b"), asked{"DELETE", "/desk/items/a", ""}); fmt.Sprint(got) != "[403 403]" {
		t.Errorf("of another's connection ServeAll answers %v, want [403 403]", got)
	}
	g.want(200, "GET", base+"/desk/items/a", nil)
}

// A schema that changes between decoding and commit makes the decoded item
// stale: it is decoded again.
func TestServeAllAfterASchemaChange(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	old := g.srv.snap.Load()
	g.update("desk", `[{"name":"extra","type":"string","isQueryable":true,"isRetrievable":true}]`)
	g.srv.snap.Store(old) // as another process's change finds this one
	if got := g.all(Caller{App: true}, put("a", "one"), put("b", "two")); fmt.Sprint(got) != "[200 200]" {
		t.Errorf("ServeAll under a changed schema answers %v, want [200 200]", got)
	}
	g.want(200, "GET", base+"/desk/items/b", nil)
}

func TestServeAllOfAClosedStore(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	if err := g.srv.Close(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		var err error
		if g.srv, err = Open(g.dir, Options{}); err != nil { // for the clean-up to close
			t.Fatal(err)
		}
	}()
	for i, status := range g.all(Caller{App: true}, put("a", "one"), put("b", "two")) {
		if status < "500" {
			t.Errorf("request %d to a closed store = %s, want a 5xx", i, status)
		}
	}
}

func TestReturnMinimal(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	a := g.want(200, "PUT", base+"/desk/items/a", put("a", "one").body, "Prefer", "return=minimal")
	if a.get("id") != "a" || a.get("properties") != nil || a.header.Get("Preference-Applied") != "return=minimal" {
		t.Errorf("PUT with return=minimal answers %q and %q", a.raw, a.header)
	}
	if title := g.want(200, "GET", base+"/desk/items/a", nil).get("properties", "title"); title != "one" {
		t.Errorf("the title is %v, want one", title)
	}
}
