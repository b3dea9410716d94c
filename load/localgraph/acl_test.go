package localgraph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// entries writes an ACL of "grant user ann" lines.
func entries(lines ...string) string {
	var list []string
	for _, l := range lines {
		f := strings.Fields(l)
		list = append(list, fmt.Sprintf(`{"accessType":%q,"type":%q,"value":%q}`, f[0], f[1], f[2]))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestTrimming(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.register("other", helpdesk)
	err := g.srv.ImportDirectory(context.Background(), []User{
		{ID: "ann-id", UserPrincipalName: "ann@contoso.com", Mail: "ann.smith@contoso.com"},
		{ID: "bob-id", UserPrincipalName: "bob@contoso.com"},
		{ID: "gus-id", UserPrincipalName: "gus_fabrikam.com#EXT#@contoso.com"},
	}, []DirectoryGroup{
		{ID: "staff", Members: []string{"ann-id", "leads"}}, {ID: "leads", Members: []string{"bob-id", "staff"}}, // a circle
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"inner user ann-id", "outer externalGroup inner", "loop1 externalGroup loop2", "loop2 externalGroup loop1", "loop2 user bob-id", "viaentra group leads"} {
		f := strings.Fields(m)
		g.do("POST", base+"/desk/groups", `{"id":"`+f[0]+`"}`)
		g.want(201, "POST", base+"/desk/groups/"+f[0]+"/members", `{"type":"`+f[1]+`","id":"`+f[2]+`"}`)
	}
	for _, tt := range []struct {
		acl  string
		want string // who sees it, of ann bob gus and a stranger
	}{
		{entries("grant everyone everyone"), "ann bob gus stranger"},
		{entries("grant everyone 0f1d-tenant"), "ann bob gus stranger"},
		{entries("grant everyoneExceptGuests tenant"), "ann bob"},
		{entries("grant user ann-id"), "ann"},
		{entries("grant user ANN-ID"), "ann"},
		{entries("grant user ann.smith"), ""}, // an object id, never another name
		{entries("grant user stranger-id"), "stranger"},
		{entries("grant group staff"), "ann bob"},
		{entries("grant group leads"), "ann bob"}, // staff is in leads is in staff
		{entries("grant group nosuch"), ""},
		{entries("grant externalGroup inner"), "ann"},
		{entries("grant externalGroup outer"), "ann"},
		{entries("grant externalGroup loop1"), "bob"},
		{entries("grant externalGroup viaentra"), "ann bob"},
		{entries("grant externalGroup nosuch"), ""},
		{entries("grant externalGroup ann-id"), ""},                                  // a group's id is no user's
		{entries("grant externalGroup staff"), ""},                                   // nor a directory group's
		{entries("grant group inner"), ""},                                           // and the other way round
		{entries("deny user ann-id", "grant everyone everyone"), "bob gus stranger"}, // deny first
		{entries("grant everyone everyone", "deny user ann-id"), "bob gus stranger"}, // deny last
		{entries("grant user ann-id", "deny everyone everyone"), ""},
		{entries("grant user ann-id", "deny user ann-id"), ""},
		{entries("grant everyone everyone", "deny externalGroup outer"), "bob gus stranger"},
		{entries("grant everyone everyone", "deny group staff"), "gus stranger"},
		{entries("grant everyone everyone", "deny everyoneExceptGuests t"), "gus stranger"},
		{entries("deny user bob-id"), ""}, // no grant, no access
	} {
		g.putACL("desk", "x", tt.acl, `{"title":"word"}`, "content")
		var got []string
		for _, u := range []struct{ name, as string }{{"ann", "ann-id"}, {"bob", "BOB@contoso.com"}, {"gus", "gus-id"}, {"stranger", "stranger-id"}} {
			for _, q := range []string{"word", "*", "title:word OR nosuch", "-nosuch"} {
				ids, a := g.search(u.as, "desk", q, "")
				if seen := len(ids) == 1; q == "word" && seen {
					got = append(got, u.name)
				} else if seen != slices.Contains(got, u.name) {
					t.Errorf("%s: %s by %q sees %v: not as by another query", tt.acl, u.name, q, a)
				}
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s is seen by %q, want %q", tt.acl, s, tt.want)
		}
	}
	// External groups are of their connection alone.
	g.putACL("other", "y", entries("grant externalGroup inner"), `{"title":"word"}`, "")
	if ids, _ := g.search("ann-id", "other", "word", ""); len(ids) != 0 {
		t.Errorf("a group of desk opens %v of other", ids)
	}
	// By mail, and as the user of an application.
	g.putACL("desk", "x", entries("grant user ann-id"), `{"title":"word"}`, "")
	if ids, _ := g.search("Ann.Smith@contoso.com", "desk", "word", ""); len(ids) != 1 {
		t.Error("ann is not found by her mail address")
	}
	if a := g.as(Caller{App: true, SearchAs: "ann@contoso.com"}, "POST", "/v1.0/search/query", searchBody("desk", "word", "")); !strings.Contains(a.String(), `"total":1`) {
		t.Errorf("as an application for ann: %v", a)
	}
	if a := g.as(Caller{App: true}, "POST", "/v1.0/search/query", searchBody("desk", "word", "")); a.status != 403 {
		t.Errorf("as an application for nobody: %v, want 403", a)
	}
}

// What changes in groups holds for the next search, without touching items.
func TestMembershipHoldsAtOnce(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.putACL("desk", "x", entries("grant externalGroup top"), `{"title":"word"}`, "") // before the group exists
	sees := func(want bool, when string) {
		t.Helper()
		if ids, _ := g.search("ann", "desk", "word", ""); (len(ids) == 1) != want {
			t.Errorf("%s: found %v, want found = %v", when, ids, want)
		}
	}
	groups := base + "/desk/groups"
	sees(false, "no group")
	g.want(201, "POST", groups, `{"id":"top","displayName":"Top"}`)
	g.want(201, "POST", groups+"/top/members", `{"id":"sub","type":"externalGroup"}`)
	sees(false, "an empty group")
	g.want(201, "POST", groups, `{"id":"sub"}`)
	g.want(201, "POST", groups+"/sub/members", `{"id":"ann","type":"user"}`)
	sees(true, "a member of a member")
	g.want(204, "DELETE", groups+"/sub/members/ann", nil)
	sees(false, "removed")
	g.want(201, "POST", groups+"/sub/members", `{"id":"ann","type":"user"}`)
	sees(true, "added again")
	g.want(204, "DELETE", groups+"/sub", nil)
	sees(false, "the inner group deleted")
	g.want(201, "POST", groups, `{"id":"sub"}`)
	sees(false, "made again, without its members")
	g.want(200, "PATCH", base+"/desk/items/x", `{"acl":`+entries("grant user ann")+`}`)
	sees(true, "granted by name")
}

func TestUnknownUserWithoutDirectory(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.putACL("desk", "x", entries("grant everyoneExceptGuests t"), `{"title":"word"}`, "")
	if ids, _ := g.search("anybody", "desk", "word", ""); len(ids) != 1 {
		t.Errorf("without a directory nobody is a guest: found %v", ids)
	}
	if ids, _ := g.search("gus_x.com#EXT#@contoso.com", "desk", "word", ""); len(ids) != 0 {
		t.Errorf("a guest by name found %v", ids)
	}
}

func TestGroups(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	groups := base + "/desk/groups"
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "", `{"id":"g1","displayName":"One","description":"d"}`, 201},
		{"POST", "", `{"id":"g-2_x","@odata.type":"#microsoft.graph.externalConnectors.externalGroup"}`, 201},
		{"POST", "", `{"id":"g1"}`, 409},
		{"POST", "", `{"id":""}`, 400},
		{"POST", "", `{"id":"a b"}`, 400},
		{"POST", "", `{"id":"g3","@odata.type":"#microsoft.graph.externalGroup"}`, 400},
		{"GET", "/g1", "", 200},
		{"GET", "/nosuch", "", 404},
		{"PATCH", "/g1", `{"displayName":"Uno"}`, 204},
		{"PATCH", "/nosuch", `{}`, 404},
		{"POST", "/g1/members", `{"id":"u1","type":"user"}`, 201},
		{"POST", "/g1/members", `{"id":"u1","type":"user"}`, 409},
		{"POST", "/g1/members", `{"id":"u2","type":"robot"}`, 400},
		{"POST", "/g1/members", `{"type":"user"}`, 400},
		{"POST", "/nosuch/members", `{"id":"u1","type":"user"}`, 404},
		{"GET", "/g1/members", "", 200},
		{"GET", "/g1/members/u1", "", 200},
		{"GET", "/g1/members/u2", "", 404},
		{"DELETE", "/g1/members/u2", "", 404},
		{"DELETE", "/g1/members/u1", "", 204},
		{"GET", "", "", 200},
		{"DELETE", "/g-2_x", "", 204},
		{"DELETE", "/g-2_x", "", 404},
		{"PUT", "/g1", "{}", 405},
	} {
		a := g.do(tt.method, groups+tt.path, tt.body)
		if a.status != tt.status {
			t.Errorf("%s groups%s %s = %v, want %d", tt.method, tt.path, tt.body, a, tt.status)
		}
	}
	a := g.want(200, "GET", groups+"/g1", nil)
	if a.get("id") != "g1" || a.get("displayName") != "Uno" || a.get("description") != "d" {
		t.Errorf("group = %v", a)
	}
	a = g.want(201, "POST", groups+"/g1/members", `{"id":"U/2","type":"User"}`)
	if a.get("id") != "U/2" || a.get("type") != "user" {
		t.Errorf("member = %v", a)
	}
	g.want(200, "GET", groups+"/g1/members/u%2F2", nil)
	g.want(204, "DELETE", groups+"/g1/members/U%2F2", nil)
	if n := len(g.want(200, "GET", groups+"/g1/members", nil).get("value").([]any)); n != 0 {
		t.Errorf("%d members left, want none", n)
	}
}

func TestDirectory(t *testing.T) {
	g := open(t, Options{})
	ctx := context.Background()
	err := g.srv.ImportDirectory(ctx, []User{
		{ID: "1", UserPrincipalName: "ann@contoso.com", Mail: "shared@contoso.com", DisplayName: "Ann", EmployeeID: "E1"},
		{ID: "2", UserPrincipalName: "o'neil@contoso.com", Mail: "shared@contoso.com"},
	}, []DirectoryGroup{{ID: "t1", DisplayName: "Team", Members: []string{"1"}}, {ID: "t2", Members: []string{"t1"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, id string }{
		{"1", "1"}, {"ANN@contoso.com", "1"}, {"o'neil@contoso.com", "2"}, {"nobody", ""}, {"", ""},
	} {
		u, ok, err := g.srv.ResolveUser(ctx, tt.name)
		if err != nil || u.ID != tt.id || ok != (tt.id != "") {
			t.Errorf("ResolveUser(%q) = %v, %v, %v, want %q", tt.name, u, ok, err, tt.id)
		}
	}
	var several *AmbiguousUserError
	if _, _, err := g.srv.ResolveUser(ctx, "shared@contoso.com"); !errors.As(err, &several) {
		t.Errorf("ResolveUser of a mail that two have = %v, want an *AmbiguousUserError", err)
	}
	for _, tt := range []struct{ path, want string }{
		{"/users", `"id":"2"`},
		{"/users/ann@contoso.com?$select=employeeId", `"employeeId":"E1"`},
		{"/users?$filter=mail%20eq%20'shared@contoso.com'&$select=id", `{"id":"1"},{"id":"2"}`},
		{"/users?$filter=userPrincipalName%20eq%20'o''neil@contoso.com'", `"id":"2"`},
		{"/users/1/memberOf", `"displayName":"Team"`},
		{"/users/1/transitiveMemberOf", `"id":"t2"`},
		{"/groups", `"id":"t1"`},
		{"/groups/t1", `"displayName":"Team"`},
		{"/groups?$filter=displayName%20eq%20'Team'", `"id":"t1"`},
	} {
		if a := g.want(200, "GET", "/v1.0"+tt.path, nil); !strings.Contains(string(a.raw), tt.want) {
			t.Errorf("GET %s = %v, want %s in it", tt.path, a, tt.want)
		}
	}
	g.want(404, "GET", "/v1.0/users/nobody", nil)
	g.want(400, "GET", "/v1.0/users?$filter=mail%20ne%20'x'", nil)
	if err := g.srv.ImportDirectory(ctx, []User{{Mail: "x"}}, nil); err == nil {
		t.Error("a user without an id was imported")
	}
}
