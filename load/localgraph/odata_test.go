package localgraph

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// ids reads the ids of a page.
func (a answer) ids() string {
	var ids []string
	list, _ := a.get("value").([]any)
	for i := range list {
		ids = append(ids, fmt.Sprint(a.get("value", i, "id")))
	}
	return strings.Join(ids, " ")
}

// all follows the links of a list and gives the ids of each page.
func (g *graph) pages(c Caller, path string) (all []string) {
	g.t.Helper()
	for path != "" {
		a := g.as(c, "GET", path, nil)
		if a.status != 200 {
			g.t.Fatalf("GET %s = %v", path, a)
		}
		all = append(all, a.ids())
		path, _ = a.get("@odata.nextLink").(string)
	}
	return all
}

func q(option, value string) string { return "?" + option + "=" + url.QueryEscape(value) }

// The options of lists, on the list that has all of them.
func TestQueryOptions(t *testing.T) {
	g := open(t, Options{})
	for _, c := range []string{`{"id":"one","name":"It's one","description":"first"}`, `{"id":"two","name":"Two"}`, `{"id":"three","name":"Three","contentCategory":"wikis"}`} {
		g.want(201, "POST", base, c)
	}
	g.update("two", helpdesk)
	g.want(201, "POST", base+"/two/groups", `{"id":"g1","displayName":"One"}`)
	g.want(201, "POST", base+"/two/groups", `{"id":"g2"}`)
	g.want(201, "POST", base+"/two/groups/g1/members", `{"id":"u1","type":"user"}`)
	for _, tt := range []struct {
		query string
		want  string // the ids; "400 text" is a refusal that says so
	}{
		{"", "one three two"},
		{q("$filter", "name eq 'It''s one'"), "one"},
		{q("$filter", "name eq 'Two' or id eq 'three'"), "three two"},
		{q("$filter", "(name eq 'Two' or id eq 'three') and not (state eq 'draft')"), "two"},
		{q("$filter", "id in ('one', 'two','four')"), "one two"},
		{q("$filter", "startswith(name,'T')"), "three two"},
		{q("$filter", "state ne 'draft'"), "two"},
		{q("$filter", "description eq null"), "three two"},
		{q("$filter", "contentCategory eq 'wikis'"), "three"},
		{q("$filter", "name eq 'two'"), ""},
		{q("$orderby", "name desc"), "two three one"},
		{q("$orderby", "state desc,id"), "two one three"},
		{"?$top=1&$skip=1", "three"},
		{"?$skip=9", ""},
		{"?$select=id&$filter=name%20eq%20'Two'", "two"},
		{"?unknown=1", "one three two"},
		{q("$filter", "name eq Two"), "400 column 9"},
		{q("$filter", "name eq 'Two"), "400 no end"},
		{q("$filter", "name eq 'Two' x"), "400 end is expected"},
		{q("$filter", "nosuch eq 'x'"), "400 nosuch"},
		{q("$filter", "name gt 'x'"), "400 eq, ne, in and startswith"},
		{q("$filter", "name in 'x'"), "400 parentheses"},
		{q("$filter", "startswith(name)"), "400 startswith(property"},
		{q("$filter", "startswith(name,null)"), "400 quotes"},
		{q("$filter", "(name eq 'x'"), "400 closing"},
		{q("$filter", " "), "400 property is expected"},
		{q("$filter", strings.Repeat("(", 60)+"name eq 'x'"+strings.Repeat(")", 60)), "400 nested"},
		{q("$orderby", "name sideways"), "400 sideways"},
		{q("$orderby", "nosuch"), "400 nosuch"},
		{"?$top=0", "400 $top"},
		{"?$top=-1", "400 $top"},
		{"?$top=x", "400 $top"},
		{"?$skip=-1", "400 $skip"},
		{"?$skiptoken=1", "400 $skiptoken"},
		{"?$search=x", "400 $search"},
		{"?$select=nosuch", "400 nosuch"},
		{"?$expand=nosuch", "400 groups, operations, schema"},
		{"?$expand=schema($select=id)", "400 $expand"},
		{"?$top=%zz", "400 query string"},
	} {
		a := g.do("GET", base+tt.query, nil)
		if text, bad := strings.CutPrefix(tt.want, "400 "); bad {
			if a.status != 400 || !strings.Contains(a.inner(), text) {
				t.Errorf("%s = %v, want 400 with %q", tt.query, a, text)
			}
		} else if a.status != 200 || a.ids() != tt.want {
			t.Errorf("%s = %v, want %q", tt.query, a, tt.want)
		}
	}
	if pages := g.pages(Caller{App: true}, base+"?$top=2&$orderby=id%20desc&$select=id"); !slices.Equal(pages, []string{"two three", "one"}) {
		t.Errorf("pages = %q", pages)
	}
	a := g.want(200, "GET", base+"?$count=true&$top=1", nil)
	if fmt.Sprint(a.get("@odata.count")) != "3" {
		t.Errorf("count beside a page = %v, want 3", a.get("@odata.count"))
	}
	a = g.want(200, "GET", base+"/two?$expand=schema,operations,groups&$select=id,name", nil)
	if a.get("schema", "properties", 0, "name") != "title" || a.get("operations", 0, "status") != "completed" || a.get("groups", 1, "id") != "g2" ||
		a.get("name") != "Two" || a.get("state") != nil {
		t.Errorf("expanded = %v", a)
	}
	if a = g.want(200, "GET", base+"/one?$expand=schema", nil); a.get("schema") != nil || a.get("id") != "one" {
		t.Errorf("the schema that is not there = %v", a)
	}
	if a = g.want(200, "GET", base+"/two/groups/g1?$expand=members&$select=id", nil); a.get("members", 0, "id") != "u1" || a.get("displayName") != nil {
		t.Errorf("the group's members = %v", a)
	}
	if a = g.want(200, "GET", base+"/two/groups?$expand=members", nil); a.get("value", 0, "members", 0, "type") != "user" {
		t.Errorf("the groups' members = %v", a)
	}
}

// What is in the published model and has no page of its own.
func TestModelCalls(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.want(201, "POST", base, `{"id":"draft1","name":"d"}`)
	g.want(201, "POST", base+"/desk/groups", `{"id":"g1"}`)
	g.want(201, "POST", base+"/desk/groups/g1/members", `{"id":"u1","type":"user"}`)
	g.put("desk", "a", `{"title":"x"}`, "")
	for _, tt := range []struct {
		path   string
		status int
		want   string // part of the body
	}{
		{"/v1.0/external", 200, "$metadata#external"},
		{"/v1.0/external?$expand=connections", 200, `"connections":[{`},
		{"/v1.0/external?$expand=industryData", 400, "connections"},
		{base + "/$count", 200, "2"},
		{base + "/$count?$filter=state%20eq%20'ready'", 200, "1"},
		{base + "/$count?$top=1", 400, "$top"},
		{base + "/desk/operations", 200, `"status":"completed"`},
		{base + "/desk/operations?$filter=status%20eq%20'failed'", 200, `"value":[]`},
		{base + "/desk/operations/$count", 200, "1"},
		{base + "/draft1/operations", 200, `"value":[]`},
		{base + "/desk/groups/$count", 200, "1"},
		{base + "/desk/groups/g1/members/$count", 200, "1"},
		{base + "/desk/groups/g1/members/u1?$select=id", 200, `"id":"u1"`},
		{base + "/desk/groups/g1?$select=nosuch", 400, "nosuch"},
		{base + "/desk/groups/nosuch/members/$count", 404, "nosuch"},
		{base + "/nosuch/operations", 404, "nosuch"},
		{base + "/desk/schema?$select=baseType", 200, `"baseType"`},
		{base + "/desk/items/a?$select=id,content", 200, `"content":{`},
		{base + "/desk/items/a?$expand=activities", 400, "$expand"},
		{base + "/desk/items", 404, "segment 'items'"},
		{base + "/desk/items/$count", 404, "segment '$count'"},
		{base + "/desk/quota", 404, "quota"},
		{"/beta/external/connections/desk/quota", 200, `"itemsRemaining":4999999}`},
		{"/beta/external/connections/nosuch/quota", 404, "nosuch"},
		{"/v1.0/connections", 404, "connections"}, // /external is left out
		{"/v1.0/external/industryData", 404, "industryData"},
		{"/v1.0", 404, ""},
		{"/", 404, "/v1.0"},
		{"/v2.0/external/connections", 404, "v2.0"},
		{base + "/desk/nosuch", 404, "nosuch"},
		{base + "/desk/items/a/nosuch", 404, "nosuch"},
		{base + "/desk/groups/g1/nosuch", 404, "nosuch"},
	} {
		if a := g.do("GET", tt.path, nil); a.status != tt.status || !strings.Contains(string(a.raw), tt.want) {
			t.Errorf("GET %s = %v, want %d with %q", tt.path, a, tt.status, tt.want)
		}
	}
	a := g.want(200, "GET", base+"/desk/items/a?$select=id,content", nil)
	if a.get("acl") != nil || a.get("content", "type") != "text" {
		t.Errorf("selected members of an item = %v", a)
	}
}

// HEAD is GET without a body over a socket; OPTIONS tells what a path takes.
func TestMethods(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"HEAD", base, 200, ""},
		{"HEAD", base + "/nosuch", 404, ""},
		{"HEAD", "/v1.0/search/query", 405, "POST, OPTIONS"},
		{"OPTIONS", base, 204, "GET, HEAD, POST, OPTIONS"},
		{"OPTIONS", base + "/desk/items/a", 204, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
		{"OPTIONS", "/v1.0/nosuch", 404, ""},
		{"POST", base + "/desk/items/a", 405, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"},
		{"PUT", base + "/desk", 405, "GET, HEAD, PATCH, DELETE, OPTIONS"},
		{"POST", base + "/desk/operations", 405, "GET, HEAD, OPTIONS"},
		{"PATCH", "/v1.0/external", 405, "GET, HEAD, OPTIONS"},
		{"PATCH", base + "/desk/groups/g/members/u", 405, "GET, HEAD, DELETE, OPTIONS"},
		{"TRACE", base, 405, "GET, HEAD, POST, OPTIONS"},
		{"DELETE", "/v1.0/users/u", 404, ""},
		{"PROPFIND", base, 405, "GET, HEAD, POST, OPTIONS"},
	} {
		a := g.do(tt.method, tt.path, nil)
		if a.status != tt.status || a.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s = %v, Allow %q; want %d, %q", tt.method, tt.path, a, a.header.Get("Allow"), tt.status, tt.allow)
		}
	}
}

// The list of items is there for those who ask for it.
func TestListItems(t *testing.T) {
	g := open(t, Options{ListItems: true})
	g.register("desk", helpdesk)
	g.want(201, "POST", base, `{"id":"draft1","name":"d"}`)
	for i := range 250 {
		g.put("desk", fmt.Sprintf("i%03d", i), `{"title":"x"}`, "text")
	}
	pages := g.pages(Caller{App: true}, base+"/desk/items?$select=id")
	if len(pages) != 3 || !strings.HasPrefix(pages[2], "i200 i201") || len(strings.Fields(strings.Join(pages, " "))) != 250 {
		t.Errorf("pages of items: %q", pages)
	}
	a := g.want(200, "GET", base+"/desk/items?$top=1&$count=true", nil)
	if a.get("value", 0, "content", "value") != "text" || a.get("value", 0, "acl", 0, "type") != "everyone" || fmt.Sprint(a.get("@odata.count")) != "250" {
		t.Errorf("an item of the list = %v", a)
	}
	if a := g.want(200, "GET", base+"/desk/items/$count", nil); string(a.raw) != "250" {
		t.Errorf("count = %s", a.raw)
	}
	g.want(200, "GET", base+"/draft1/items", nil)
	g.want(400, "GET", base+"/desk/items?$filter=id%20eq%20'x'", nil)
	g.want(400, "GET", base+"/desk/items?$top=1001", nil)
	g.want(405, "POST", base+"/desk/items", `{}`)
}

// What a filter of the directory finds is what the same filter finds in memory.
func TestFilterInSQL(t *testing.T) {
	g := open(t, Options{})
	users := []User{
		{ID: "1", UserPrincipalName: "ann@contoso.com", Mail: "ann@contoso.com", DisplayName: "Ann 100%", EmployeeID: "E1"},
		{ID: "2", UserPrincipalName: "bob@contoso.com", DisplayName: "Bob_B", Guest: true},
		{ID: "3", UserPrincipalName: "o'neil@contoso.com", Mail: "o'neil@contoso.com", DisplayName: `Back\slash`, EmployeeID: "E3"},
	}
	if err := g.srv.ImportDirectory(context.Background(), users, nil); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"id eq '1'": "1", "mail eq null": "2", "mail ne null": "1 3", "employeeId in ('E1','E3')": "1 3", "not (id eq '1')": "2 3",
		"startswith(displayName,'Ann 100%')": "1", "startswith(displayName,'%')": "", "startswith(displayName,'Bob_')": "2", "startswith(displayName,'_ob')": "",
		`startswith(displayName,'Back\')`: "3", "userPrincipalName eq 'o''neil@contoso.com'": "3", "id eq '1' or mail eq null and id eq '2'": "1 2",
		"(id eq '1' or mail eq null) and userType eq 'Guest'": "2", "id eq ''' OR 1=1 --'": "", "userType eq 'Member' and employeeId ne 'E1'": "3",
	} {
		f, err := parseFilter(text, userFields)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var inMemory []string
		for _, u := range users {
			if f.holds(u.properties().values) {
				inMemory = append(inMemory, u.ID)
			}
		}
		a := g.want(200, "GET", "/v1.0/users"+q("$filter", text)+"&$count=true", nil, "ConsistencyLevel", "eventual")
		if a.ids() != want || strings.Join(inMemory, " ") != want {
			t.Errorf("%s finds %q, and in memory %q; want %q", text, a.ids(), inMemory, want)
		}
	}
}
