package localgraph

import (
	"strings"
	"testing"
)

// Names in any case, keys in parentheses, the qualified names of actions and a
// slash too many behind the root lead where the plain path leads.
func TestPathForms(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "Items", `{"title":"word"}`, "") // an id that is a name elsewhere keeps its case
	g.want(201, "POST", base+"/desk/groups", `{"id":"Members"}`)
	g.want(201, "POST", base+"/desk/groups/Members/members", `{"id":"Users","type":"user"}`)
	activities := `{"activities":[{"type":"viewed","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}}]}`
	for _, tt := range []struct{ method, path, body, id string }{
		{"GET", "/V1.0/external/connections/desk", "", "desk"},
		{"GET", "//v1.0/external/connections/desk", "", "desk"},
		{"GET", "/v1.0//external/connections/desk", "", "desk"},
		{"GET", "/v1.0/External/Connections/DESK/", "", "desk"},
		{"GET", "/v1.0/external/connections('desk')", "", "desk"},
		{"GET", "/v1.0/external/connections(%27desk%27)", "", "desk"},
		{"GET", "/v1.0/external/connections('desk')/items('Items')", "", "Items"},
		{"GET", "/v1.0/external/connections/desk/ITEMS/Items", "", "Items"},
		{"GET", "/v1.0/external/Connections('desk')/Schema", "", "schema"},
		{"PUT", "/v1.0/external/connections('desk')/items('Items')", `{"properties":{"title":"word"}}`, "Items"},
		{"GET", "/v1.0/external/connections('desk')/groups('Members')", "", "Members"},
		{"GET", "/v1.0/external/connections('desk')/groups('Members')/members('Users')", "", "Users"},
		{"POST", "/v1.0/external/connections('desk')/items('Items')/AddActivities", activities, ""},
		{"POST", "/v1.0/external/connections('desk')/items('Items')/microsoft.graph.externalconnectors.addactivities", activities, ""},
		{"GET", "/v1.0/External/Connections/$count", "", ""},
		{"GET", "/Beta/external/connections('desk')/Quota", "", ""},
	} {
		if a := g.do(tt.method, tt.path, tt.body); a.status != 200 || tt.id != "" && a.get("id") != tt.id {
			t.Errorf("%s %s = %v, want 200 and %q", tt.method, tt.path, a, tt.id)
		}
	}
	for _, path := range []string{"/v1.0/search/microsoft.graph.query", "/v1.0/Search/Query"} {
		if a := g.as(Caller{UserID: "u"}, "POST", path, searchBody("desk", "word", "")); !strings.Contains(string(a.raw), `"total":1`) {
			t.Errorf("POST %s = %v", path, a)
		}
	}
	if a := g.want(200, "GET", "/V1.0/External/Connections?$top=1", nil); !strings.Contains(string(a.raw), `/v1.0/$metadata`) {
		t.Errorf("links of /V1.0 are of another root: %v", a)
	}
	batch := g.want(200, "POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/V1.0/external/connections('desk')"},{"id":"2","method":"GET","url":"v1.0/External/connections"}]}`)
	if batch.get("responses", 0, "body", "id") != "desk" || batch.get("responses", 1, "body", "value", 0, "id") != "desk" {
		t.Errorf("in a batch: %v", batch)
	}
}

// However a path is written, it needs the same rights.
func TestPathFormsNeedRights(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"word"}`, "")
	for _, c := range []Caller{{UserID: "u"}, {App: true, AppID: "another"}, {App: true, Roles: "ExternalConnection.Read.All"}} {
		for _, path := range []string{"/v1.0/external/connections('desk')/items('a')", "/v1.0/external/connections/desk/Items/a", "/V1.0//External/connections('desk')/ITEMS/a"} {
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
				if a := g.as(c, method, path, least); a.status != 403 {
					t.Errorf("%s %s as %+v = %v, want 403", method, path, c, a)
				}
			}
		}
	}
}

func TestTidyPath(t *testing.T) {
	for path, want := range map[string]string{
		"/v1.0/external/connections/Desk/items/A%2Fb":               "/v1.0/external/connections/Desk/items/A%2Fb",
		"/v1.0/external/connections('a%2Fb')/items('it''s')/schema": "/v1.0/external/connections/a%2Fb/items/it%27s/schema",
		"/v1.0/external/connections/('x')":                          "/v1.0/external/connections/('x')",
		"/v1.0/external/connections/items('x')/items/items('x')":    "/v1.0/external/connections/items('x')/items/items('x')",
		"/v1.0/external/connections('')":                            "/v1.0/external/connections('')",
		"/v1.0/Users('ann@x')/MemberOf/Microsoft.Graph.Group":       "/v1.0/users/ann@x/memberOf/microsoft.graph.group",
		"/v1.0/users/Me/memberof":                                   "/v1.0/users/Me/memberOf",
		"/v1.0/%24batch":                                            "/v1.0/$batch",
		"/v1.0/Nobody/Knows":                                        "/v1.0/Nobody/Knows",
		"/v1.0/external//connections":                               "/v1.0/external//connections",
		"/v1.0/external/connections/":                               "/v1.0/external/connections/",
		"//_control/faults":                                         "//_control/faults",
		"/V2.0/external":                                            "/V2.0/external",
		"/v1.0/":                                                    "/v1.0/",
		"/":                                                         "/",
	} {
		if got := tidyPath(path); got != want {
			t.Errorf("tidyPath(%q) = %q, want %q", path, got, want)
		}
	}
}
