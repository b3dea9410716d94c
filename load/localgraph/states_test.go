package localgraph

import (
	"fmt"
	"strings"
	"testing"
)

// What each state allows, as the manage-connections page has it.
func TestStates(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.want(201, "POST", base, `{"id":"draft1","name":"draft"}`)
	const desk = base + "/desk"
	g.want(201, "POST", desk+"/groups", `{"id":"g"}`)
	schema := `{"baseType":"microsoft.graph.externalItem","properties":[{"name":"title","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["title"]}]}`
	activities := `{"activities":[{"type":"viewed","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}}]}`
	for _, tt := range []struct {
		name, method, path, body string
		ready, limit, obsolete   int
	}{
		{"read the connection", "GET", desk, "", 200, 200, 200},
		{"change the connection", "PATCH", desk, `{"description":"x"}`, 204, 204, 409},
		{"read the schema", "GET", desk + "/schema", "", 200, 200, 200},
		{"create an item", "PUT", desk + "/items/new", least, 200, 507, 409},
		{"update an item", "PUT", desk + "/items/old", least, 200, 200, 409},
		{"patch an item", "PATCH", desk + "/items/old", `{"properties":{"title":"y"}}`, 200, 200, 409},
		{"read an item", "GET", desk + "/items/old", "", 200, 200, 200},
		{"add activities", "POST", desk + "/items/old/addActivities", activities, 200, 200, 409},
		{"delete an item", "DELETE", desk + "/items/old", "", 204, 204, 204},
		{"create a group", "POST", desk + "/groups", `{"id":"h"}`, 201, 201, 409},
		{"read a group", "GET", desk + "/groups/g", "", 200, 200, 200},
		{"change a group", "PATCH", desk + "/groups/g", `{"displayName":"x"}`, 204, 204, 409},
		{"update the schema", "PATCH", desk + "/schema", schema, 202, 202, 409},
	} {
		for _, state := range []struct {
			name string
			want int
		}{{"ready", tt.ready}, {"limitExceeded", tt.limit}, {"obsolete", tt.obsolete}} {
			g.setState("desk", "ready")
			g.want(200, "PUT", desk+"/items/old", least)
			g.do("DELETE", desk+"/items/new", nil)
			g.do("DELETE", desk+"/groups/h", nil)
			g.setState("desk", state.name)
			var body any
			if tt.body != "" {
				body = tt.body
			}
			a := g.do(tt.method, tt.path, body)
			if a.status != state.want {
				t.Errorf("%s in %s = %v, want %d", tt.name, state.name, a, state.want)
			}
			if loc := a.header.Get("Location"); loc != "" {
				path := loc[strings.Index(loc, "/v1.0"):]
				wait(t, "the schema", func() bool { return g.want(200, "GET", path, nil).get("status") == "completed" })
			}
			if got := g.want(200, "GET", desk, nil).get("state"); got != state.name {
				t.Errorf("after %q the state is %v, want %s", tt.name, got, state.name)
			}
		}
	}
	replacing := open(t, Options{ReplaceOnPut: true})
	replacing.register("desk", helpdesk)
	replacing.want(200, "PUT", desk+"/items/old", least)
	replacing.setState("desk", "limitExceeded")
	replacing.want(200, "PUT", desk+"/items/old", least)
	replacing.want(507, "PUT", desk+"/items/new", least)
	// Items that were there stay found.
	g.setState("desk", "obsolete")
	if ids, _ := g.search("u", "desk", "*", ""); len(ids) != 1 {
		t.Errorf("an obsolete connection has the hits %v, want one", ids)
	}
	for id, state := range map[string]string{"draft1": "ready", "desk": "draft"} {
		if w := g.raw("PATCH", "/_control/connections/"+id, `{"state":"`+state+`"}`); w.Code != 400 {
			t.Errorf("%s becomes %s: %d", id, state, w.Code)
		}
	}
	if w := g.raw("PATCH", "/_control/connections/nosuch", `{"state":"ready"}`); w.Code != 404 {
		t.Errorf("no such connection: %d", w.Code)
	}
	g.want(202, "DELETE", desk, nil)
}

func (g *graph) setState(id, state string) {
	g.t.Helper()
	if w := g.raw("PATCH", "/_control/connections/"+id, `{"state":"`+state+`"}`); w.Code != 204 {
		g.t.Fatalf("the state %s: %d %s", state, w.Code, w.Body)
	}
}

// An application with an id manages what it made and what names it.
func TestOwners(t *testing.T) {
	g := open(t, Options{})
	one, two, all := Caller{App: true, AppID: "app-1"}, Caller{App: true, AppID: "app-2"}, Caller{App: true}
	create := func(c Caller, id, more string) {
		t.Helper()
		if a := g.as(c, "POST", base, fmt.Sprintf(`{"id":%q,"name":%q,"#owner":"app-2"%s}`, id, id, more)); a.status != 201 {
			t.Fatalf("creating %s: %v", id, a)
		}
		g.update(id, helpdesk)
		g.put(id, "a", `{"title":"x"}`, "")
	}
	create(one, "ofone", "")
	create(one, "shared", `,"configuration":{"authorizedAppIds":["APP-2"]}`)
	create(all, "ofnobody", "")
	for _, tt := range []struct {
		caller Caller
		conn   string
		may    bool
	}{
		{one, "ofone", true}, {one, "shared", true}, {one, "ofnobody", false},
		{two, "ofone", false}, {two, "shared", true}, {two, "ofnobody", false},
		{all, "ofone", true}, {all, "shared", true}, {all, "ofnobody", true},
	} {
		for _, r := range []struct{ method, path, body string }{
			{"GET", "", ""}, {"PATCH", "", `{"description":"x","#owner":"app-9"}`}, {"GET", "/schema", ""},
			{"PUT", "/items/a", least}, {"PATCH", "/items/a", least}, {"GET", "/items/a", ""},
			{"GET", "/groups", ""}, {"POST", "/items/a/addActivities", `{"activities":[{"type":"viewed","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}}]}`},
			{"DELETE", "/items/a", ""}, {"PUT", "/items/a", least},
		} {
			a := g.as(tt.caller, r.method, base+"/"+tt.conn+r.path, r.body)
			if (a.status < 300) != tt.may || !tt.may && a.status != 403 {
				t.Errorf("%s %s%s by %q: %v, want allowed = %v", r.method, tt.conn, r.path, tt.caller.AppID, a, tt.may)
			}
		}
	}
	for _, tt := range []struct {
		caller Caller
		want   string
	}{{one, "ofone shared"}, {two, "shared"}, {all, "ofnobody ofone shared"}} {
		var ids []string
		for _, v := range g.as(tt.caller, "GET", base, nil).get("value").([]any) {
			ids = append(ids, v.(map[string]any)["id"].(string))
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%q lists %q, want %q", tt.caller.AppID, got, tt.want)
		}
	}
}
