package localgraph

import (
	"cmp"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// What is legal and unusual: clients other than those that the wire's tests
// are made of.

// Of two members of one name it is open which counts, and of an ACL's members
// it decides who sees the item: they are refused.
func TestMembersGivenTwice(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	const one, user = `"acl":[{"type":"user","value":"u","accessType":"grant"}],`, `"type":"user",`
	for body, want := range map[string]string{
		`{` + one + one + `"properties":{"title":"t"}}`:                                                     "acl is given twice",
		`{` + one + `"properties":{"title":"t"},"properties":{"title":"u"}}`:                                "properties is given twice",
		`{` + one + `"properties":{"title":"t"},"content":{"type":"text","value":"a","value":"b"}}`:         "content: value is given twice",
		`{"acl":[{` + user + `"type":"everyone","value":"u","accessType":"grant"}],"properties":{}}`:        "acl: type is given twice",
		`{"acl":[{` + user + `"value":"u","value":"v","accessType":"grant"}],"properties":{"title":"t"}}`:   "acl: value is given twice",
		`{"acl":[{` + user + `"value":"u","accessType":"deny","accessType":"grant"}],"properties":{}}`:      "acl: accessType is given twice",
		`{` + one + `"properties":{"title":"t"},"x@odata.context":1,"x@odata.context":2,"id":"a","id":"a"}`: "id is given twice",
	} {
		if a := g.do("PUT", base+"/desk/items/a", body); a.status != 400 || !strings.Contains(a.inner(), want) {
			t.Errorf("%s = %v, want 400 with %q", body, a, want)
		}
	}
	annotations := strings.Repeat(`"acl@odata.type":"Collection(microsoft.graph.externalConnectors.acl)",`, 3)
	g.want(200, "PUT", base+"/desk/items/a", `{`+annotations+one+`"properties":{"title":"t"}}`)
}

// null takes the sensitivity label away; left out, it stays.
func TestLabelIsTakenAway(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	const path = base + "/desk/items/a"
	label := func(more string) any {
		t.Helper()
		g.want(200, "PUT", path, `{"acl":`+everyone+`,"properties":{"title":"t"},"content":{"type":"text","value":"c"}`+more+`}`)
		return g.want(200, "GET", path+"?$select=id,informationProtectionLabel", nil).get("informationProtectionLabel", "sensitivityLabelId")
	}
	if got := label(`,"informationProtectionLabel":{"sensitivityLabelId":"l1"}`); got != "l1" {
		t.Errorf("the label is %v", got)
	}
	if got := label(""); got != "l1" {
		t.Errorf("left out, the label is %v", got)
	}
	if got := label(`,"informationProtectionLabel":null`); got != nil {
		t.Errorf("after null the label is %v", got)
	}
}

func TestQueryOptionForms(t *testing.T) {
	g := open(t, Options{})
	for _, id := range []string{"desk", "wiki"} {
		g.want(201, "POST", base, `{"id":"`+id+`","name":"The `+id+`"}`)
	}
	for query, want := range map[string]string{
		"$select=ID,NAME":                 `"id":"desk","name":"The desk"`,
		"$format=json&$select=id":         `"id":"desk"`,
		"$orderby=name%20desc&$select=id": `"id":"wiki"`,
	} {
		if a := g.want(200, "GET", base+"?"+query, nil); !strings.Contains(string(a.raw), want) {
			t.Errorf("%s: %v", query, a)
		}
	}
	g.want(400, "GET", base+"?$format=xml", nil)
	// A plus is a space in a form only; who parses the link may take it for one.
	next := g.want(200, "GET", base+"?$top=1&$orderby=name%20desc", nil).get("@odata.nextLink").(string)
	if strings.Contains(next, "+") || !strings.Contains(next, "name%20desc") {
		t.Errorf("the next link is %s", next)
	}
	if a := g.want(200, "GET", next, nil); a.get("value", 0, "id") != "desk" {
		t.Errorf("%s: %v", next, a)
	}
}

// A change takes away what it says is null, and keeps what it leaves out.
func TestNullInChanges(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	if a := g.do("PATCH", base+"/desk", `{"name":null}`); a.status != 400 {
		t.Errorf("a connection without a name: %v", a)
	}
	g.want(204, "PATCH", base+"/desk", `{"description":null}`)
	if a := g.want(200, "GET", base+"/desk", nil); a.get("name") != "Name of desk" || a.get("description") != nil {
		t.Errorf("the connection is %v", a)
	}
	g.want(201, "POST", base+"/desk/groups", `{"id":"g","displayName":"G","description":"d","members":[]}`)
	g.want(204, "PATCH", base+"/desk/groups/g", `{"displayName":null}`)
	if a := g.want(200, "GET", base+"/desk/groups/g", nil); a.get("displayName") != nil || a.get("description") != "d" {
		t.Errorf("the group is %v", a)
	}
}

// A group that came without the members it was sent with would let them see
// what it is denied.
func TestGroupWithMembersIsRefused(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	if a := g.do("POST", base+"/desk/groups", `{"id":"g","members":[{"id":"u","type":"user"}]}`); a.status != 400 || !strings.Contains(a.inner(), "members") {
		t.Errorf("a group with members = %v, want 400", a)
	}
	g.want(404, "GET", base+"/desk/groups/g", nil)
}

func TestSearchRequestForms(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"Rotor check","status":"open","priority":1}`, "the rotor turns")
	g.put("desk", "b", `{"title":"Stator manual","status":"closed","priority":2}`, "the stator stands")
	g.put("desk", "c", `{"title":"Bearing","status":"in review","priority":3}`, "greased")
	for _, tt := range []struct{ query, more, want string }{
		{"status=(open OR closed)", "", "a b"},
		{"WORDS(rotor, stator)", "", "a b"},
		{`WORDS("rotor turns",greas*)`, "", "a c"},
		{"WORDS(rotor,stator) AND status:open", "", "a"},
		{"WORDS(rotor", "", "a"},
		{"WORDS()", "", ""},
		{"*", `"sortProperties":[{"name":"priority","isDescending":"true"}]`, "c b a"},
		{"*", `"sortProperties":[{"name":"priority","isDescending":"false"}]`, "a b c"},
		{"rotor", `"query":{"queryString":"rotor","queryTemplate":"({searchTerms}) OR title:{searchTerms}"}`, "a"},
		{"*", `"contentSources":["/External/Connections/DESK/"]`, "a b c"},
		{"*", `"contentSources":["external/connections('desk')"]`, "a b c"},
	} {
		ids, a := g.search("u", "desk", tt.query, tt.more)
		if !strings.Contains(tt.more, "sort") {
			slices.Sort(ids)
		}
		if got := strings.Join(ids, " "); a.status != 200 || got != tt.want {
			t.Errorf("%s %s = %q, want %q: %v", tt.query, tt.more, got, tt.want, a)
		}
	}
	for _, fields := range []string{`null`, `[]`} { // ask for nothing by name
		_, a := g.search("u", "desk", "rotor", `"fields":`+fields)
		if a.get("value", 0, "hitsContainers", 0, "hits", 0, "resource", "properties", "title") != "Rotor check" {
			t.Errorf("fields %s: %v", fields, a)
		}
	}
	long := strings.Repeat("{searchTerms}", 100_000)
	if _, a := g.search("u", "desk", "*", `"query":{"queryString":"`+strings.Repeat("x", 10_000)+`","queryTemplate":"`+long+`"}`); a.status != 400 {
		t.Errorf("a query of a gigabyte = %.200v, want 400", a)
	}
}

// Every answer has the client's request id, or the server's for it.
func TestRequestIDs(t *testing.T) {
	g := open(t, Options{})
	for _, sent := range []string{"", "abc"} {
		r := httptest.NewRequest("GET", base, nil)
		r.Header.Set("client-request-id", sent)
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, r)
		own, client := w.Header().Get("request-id"), w.Header().Get("client-request-id")
		want := cmp.Or(sent, own)
		if own == "" || client != want {
			t.Errorf("of the client's %q: request-id %q, client-request-id %q", sent, own, client)
		}
	}
}

// A page of hits is no larger than memory allows; fewer hits, or fewer fields,
// are had.
func TestLargePages(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.srv.page = 1 << 20
	for _, id := range []string{"a", "b", "c"} {
		g.put("desk", id, `{"title":"word","status":"`+strings.Repeat("x", 400_000)+`"}`, "")
	}
	if _, a := g.search("u", "desk", "word", ""); a.status != 400 || !strings.Contains(a.inner(), "ask for fewer") {
		t.Errorf("a page of 1.2 MB = %.300v, want 400", a)
	}
	for _, more := range []string{`"size":2`, `"fields":["title"]`, `"from":1`} {
		if ids, a := g.search("u", "desk", "word", more); a.status != 200 || len(ids) < 2 {
			t.Errorf("with %s = %.300v", more, a)
		}
	}
}
