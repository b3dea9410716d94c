package localgraph

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// company is a directory with a nested group, a circle and a guest.
const company = `{
  "users": [
    {"id": "u1", "userPrincipalName": "ann@contoso.com", "mail": "ann.smith@contoso.com", "displayName": "Ann Smith", "employeeId": "E1"},
    {"id": "u2", "upn": "bob@contoso.com", "email": "shared@contoso.com", "displayName": "Bob", "userType": "Member"},
    {"id": "u3", "userPrincipalName": "gus_fabrikam.com#EXT#@contoso.com", "mail": "shared@contoso.com", "displayName": "Gus", "userType": null},
    {"id": "u4", "userPrincipalName": "vera@contoso.com", "userType": "guest", "more": {"is": "ignored"}}
  ],
  "groups": [
    {"id": "g1", "displayName": "Staff", "mail": "staff@contoso.com", "members": ["ann.smith@contoso.com", "g2", "u4"]},
    {"id": "g2", "displayName": "Leads", "members": ["bob@contoso.com", "g3"]},
    {"id": "g3", "displayName": "Circle", "members": ["g1"]},
    {"id": "g4"}
  ]
}`

func (g *graph) replaceDirectory(text string) {
	g.t.Helper()
	d, err := ReadDirectory("directory.json", []byte(text))
	if err == nil {
		err = g.srv.ReplaceDirectory(context.Background(), d)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func TestDirectoryPaths(t *testing.T) {
	g := open(t, Options{})
	g.replaceDirectory(company)
	for _, tt := range []struct {
		path string
		want string // the ids; "400 text" is a refusal that says so
	}{
		{"/users", "u1 u2 u3 u4"},
		{"/users?$orderby=displayName%20desc", "u3 u2 u1 u4"},
		{"/users" + q("$filter", "mail eq 'ANN.smith@contoso.com'"), "u1"},
		{"/users" + q("$filter", "userPrincipalName eq 'bob@contoso.com'"), "u2"},
		{"/users" + q("$filter", "employeeId eq 'e1'"), "u1"},
		{"/users" + q("$filter", "displayName eq 'ann smith'"), "u1"},
		{"/users" + q("$filter", "userType eq 'Guest'"), "u3 u4"},
		{"/users" + q("$filter", "mail eq 'shared@contoso.com'"), "u2 u3"},
		{"/users" + q("$filter", "id in ('u1','u4','nobody')"), "u1 u4"},
		{"/users" + q("$filter", "startswith(displayName,'b') or startswith(mail,'ann')"), "u1 u2"},
		{"/users" + q("$filter", "id in ("+strings.TrimSuffix(strings.Repeat("'u1',", 15), ",")+")"), "u1"},
		{"/users" + q("$filter", "id in ("+strings.TrimSuffix(strings.Repeat("'u1',", 16), ",")+")"), "400 Max allowed: 15"},
		{"/users" + q("$filter", "mail ne null"), "400 ConsistencyLevel"},
		{"/users" + q("$filter", "mail eq 'x'") + "&$orderby=displayName", "400 ConsistencyLevel"},
		{"/users" + q("$filter", "surname eq 'x'"), "400 surname"},
		{"/users?$select=nosuch", "400 nosuch"},
		{"/users?$top=1000", "400 between 1 and 999"},
		{"/users?$skip=1", "400 $skip"},
		{"/users?$search=x", "400 $search"},
		{"/users/$count", "400 ConsistencyLevel"},
		{"/users/u1/memberOf", "g1"},
		{"/users/u1/transitiveMemberOf", "g1 g2 g3"},
		{"/users/ann@contoso.com/memberOf/microsoft.graph.group", "g1"},
		{"/users/u1/memberOf/microsoft.graph.user", ""},
		{"/users/u1/transitiveMemberOf" + q("$filter", "displayName eq 'Circle'"), "g3"},
		{"/users/u1/members", "404 members"},
		{"/users/u1/manager", "404 manager"},
		{"/users/ann.smith@contoso.com", "404 does not exist"}, // a mail address is no key
		{"/users/nobody/memberOf", "404 does not exist"},
		{"/groups", "g1 g2 g3 g4"},
		{"/groups" + q("$filter", "mail eq 'staff@contoso.com'"), "g1"},
		{"/groups" + q("$filter", "employeeId eq 'x'"), "400 employeeId"},
		{"/groups/g1/members", "g2 u1 u4"},
		{"/groups/G1/members?$select=userPrincipalName", "g2 u1 u4"},
		{"/groups/g1/members/microsoft.graph.user", "u1 u4"},
		{"/groups/g1/members/microsoft.graph.group", "g2"},
		{"/groups/g1/members/microsoft.graph.device", "404 device"},
		{"/groups/g1/transitiveMembers", "g2 g3 u1 u2 u4"}, // it is in itself, and not listed
		{"/groups/g1/transitiveMembers/microsoft.graph.user", "u1 u2 u4"},
		{"/groups/g2/memberOf", "g1"},
		{"/groups/g2/transitiveMemberOf", "g1 g3"},
		{"/groups/g4/members", ""},
		{"/groups/nosuch", "404 does not exist"},
		{"/groups/nosuch/members", "404 does not exist"},
		{"/groups/g1/members/microsoft.graph.user/x", "404 x"},
		{"/organization/nosuch", "404 does not exist"},
		{"/organization/x/y", "404 y"},
		{"/me", "400 delegated"},
	} {
		a := g.do("GET", "/v1.0"+tt.path, nil)
		status, text, bad := strings.Cut(tt.want, " ")
		if bad = bad && (status == "400" || status == "404"); bad {
			if fmt.Sprint(a.status) != status || !strings.Contains(a.inner(), text) {
				t.Errorf("GET %s = %v, want %s", tt.path, a, tt.want)
			}
		} else if a.status != 200 || a.ids() != tt.want {
			t.Errorf("GET %s = %v, want %q", tt.path, a, tt.want)
		}
	}
	// What comes by default, and what $select must ask for.
	a := g.want(200, "GET", "/v1.0/users/u1", nil)
	if _, there := a.body["employeeId"]; there || a.get("displayName") != "Ann Smith" || a.get("businessPhones") == nil {
		t.Errorf("a user by default = %v", a)
	}
	a = g.want(200, "GET", "/v1.0/users/u3?$select=id,employeeId,userType", nil)
	if a.get("userType") != "Guest" || a.get("employeeId") != nil || a.get("displayName") != nil {
		t.Errorf("selected of a user = %v", a)
	}
	a = g.want(200, "GET", "/v1.0/groups/g1/members", nil)
	if a.get("value", 0, "@odata.type") != "#microsoft.graph.group" || a.get("value", 1, "@odata.type") != "#microsoft.graph.user" {
		t.Errorf("members = %v", a)
	}
	a = g.want(200, "GET", "/v1.0/users/$count"+q("$filter", "userType eq 'Guest'"), nil, "ConsistencyLevel", "eventual")
	if string(a.raw) != "2" {
		t.Errorf("count of guests = %s", a.raw)
	}
	g.want(400, "GET", "/v1.0/users"+q("$filter", "mail ne null"), nil, "ConsistencyLevel", "eventual") // and not $count=true
	a = g.want(200, "GET", "/v1.0/users"+q("$filter", "not (mail eq null)")+"&$count=true&$orderby=displayName%20desc", nil, "ConsistencyLevel", "eventual")
	if a.ids() != "u3 u2 u1" || fmt.Sprint(a.get("@odata.count")) != "3" {
		t.Errorf("advanced query = %v", a)
	}
	a = g.want(200, "GET", "/v1.0/organization", nil)
	id, _ := a.get("value", 0, "id").(string)
	if !objectID.MatchString(id) || g.want(200, "GET", "/v1.0/organization/"+id, nil).get("id") != id {
		t.Errorf("organization = %v", a)
	}
}

// Pages have at most a hundred, so that a client has to follow the link.
func TestDirectoryPages(t *testing.T) {
	g := open(t, Options{})
	var users []User
	var ids []string
	for i := range 250 {
		ids = append(ids, fmt.Sprintf("u%03d", i))
		users = append(users, User{ID: ids[i], DisplayName: fmt.Sprintf("n%03d", 999-i)})
	}
	if err := g.srv.ImportDirectory(context.Background(), users, []DirectoryGroup{{ID: "g", Members: ids}}); err != nil {
		t.Fatal(err)
	}
	app := Caller{App: true}
	for _, tt := range []struct {
		path  string
		pages int
	}{
		{"/v1.0/users", 3}, {"/v1.0/users?$top=999", 1}, {"/v1.0/users?$top=120&$select=id", 3}, {"/v1.0/groups/g/members", 3},
		{"/v1.0/users?$orderby=displayName%20desc&$top=200&$select=id,displayName", 2}, {"/v1.0/groups/g/transitiveMembers/microsoft.graph.user?$select=displayName&$top=250", 1},
	} {
		pages := g.pages(app, tt.path)
		if len(pages) != tt.pages || strings.Join(pages, " ") != strings.Join(ids, " ") && !strings.Contains(tt.path, "$select=displayName") {
			t.Errorf("%s has %d pages: %q", tt.path, len(pages), pages)
		}
	}
}

// A signed-in user reads itself and nobody else.
func TestDelegatedReads(t *testing.T) {
	g := open(t, Options{})
	g.replaceDirectory(company)
	for _, tt := range []struct {
		as     Caller
		path   string
		status int
		id     string
	}{
		{Caller{UserID: "u1"}, "/me", 200, "u1"},
		{Caller{UserID: "ann.smith@contoso.com"}, "/me", 200, "u1"},
		{Caller{UserID: "ann.smith@contoso.com"}, "/me/memberOf", 200, ""},
		{Caller{UserID: "ann@contoso.com"}, "/me/transitiveMemberOf/microsoft.graph.group", 200, ""},
		{Caller{UserID: "ann.smith@contoso.com"}, "/users/u1", 200, "u1"},
		{Caller{UserID: "u1"}, "/users/ann@contoso.com", 200, "u1"},
		{Caller{UserID: "u1"}, "/organization", 200, ""},
		{Caller{App: true, SearchAs: "ann.smith@contoso.com"}, "/me", 200, "u1"},
		{Caller{UserID: "u1"}, "/users/u2", 403, ""},
		{Caller{UserID: "u1"}, "/users/nobody", 403, ""},
		{Caller{UserID: "stranger"}, "/users/u2", 403, ""},
		{Caller{UserID: "stranger"}, "/users/nobody", 403, ""},
		{Caller{UserID: "stranger"}, "/me", 404, ""},
		{Caller{UserID: "shared@contoso.com"}, "/me", 400, ""}, // who of the two?
		{Caller{UserID: "shared@contoso.com"}, "/users/u2", 403, ""},
		{Caller{UserID: "u1"}, "/users", 403, ""},
		{Caller{UserID: "u1"}, "/users/$count", 403, ""},
		{Caller{UserID: "u1"}, "/groups", 403, ""},
		{Caller{UserID: "u1"}, "/groups/g1", 403, ""},
		{Caller{UserID: "u1"}, "/groups/g1/members", 403, ""},
		{Caller{UserID: "u1"}, "/external", 403, ""},
		{Caller{UserID: "u1"}, "/external/connections", 403, ""},
	} {
		a := g.as(tt.as, "GET", "/v1.0"+tt.path, nil)
		if a.status != tt.status || tt.id != "" && a.get("id") != tt.id {
			t.Errorf("GET %s as %+v = %v, want %d %s", tt.path, tt.as, a, tt.status, tt.id)
		}
	}
	if a := g.as(Caller{UserID: "u1"}, "PUT", "/_control/directory", company); a.status != 403 {
		t.Errorf("a user replaces the directory: %v", a)
	}
}

func TestReadDirectory(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       string // users / groups, or "error: ..."
	}{
		{"JSON", company, "u1 u2 u3 u4!/g1(ann.smith@contoso.com g2 u4) g2(bob@contoso.com g3) g3(g1) g4()"},
		{"CSV", "id,userPrincipalName,mail,displayName,employeeId,userType\nu1,ann@contoso.com,a@x,\"Smith, Ann\",E1,\nu2,b@x,,,,Guest\n", "u1 u2!/nil"},
		{"CSV of Excel", "\xef\xbb\xbfType;ID;UPN;Email;DisplayName;Members\r\nuser;u1;ann@x;;\"A;B\";\r\ngroup;g1;;;Staff;\"ann@x; g2\"\r\n Group ;g2;;;;\r\n", "u1/g1(ann@x g2) g2()"},
		{"CSV with tabs", "mail\tid\na@x\tu1\n", "u1/nil"},
		{"CSV with other columns", "id,department\nu1,HR\n", "u1/nil"},
		{"only groups", `{"groups":[]}`, "nil/"},
		{"no users any more", `{"users":[]}`, "/nil"},
		{"nothing at all", `{}`, "nil/nil"},
		{"only a header", "id\n", "nil/nil"},
		{"", "", "error: d:1:1: the file is empty"},
		{"", "mail\nx\n", "error: d:1:1: there is no column id"},
		{"", "id,mail,email\n", `error: d:1:9: the column "email" comes twice`},
		{"", "id,mail\nu1\n", "error: d:2:1: the line has 1 fields, and the header 2"},
		{"", "id,mail\n\"u1,x\n", "error: d:2:7: extraneous"},
		{"", "mail,id\nx,\n", "error: d:2:3: the id is missing"},
		{"", "id,mail\nu1,x\nU1,y\n", `error: d:3:1: the id "U1" is already on line 2`},
		{"", "id,upn\nu1,x@y\nu2,X@Y\n", `error: d:3:4: the userPrincipalName "X@Y" is already on line 2`},
		{"", "id,userType\nu1,robot\n", `error: d:2:4: the userType "robot"`},
		{"", "id,type\nu1,team\n", `error: d:2:4: the type "team"`},
		{"", "id,members\nu1,u2\n", "error: d:2:4: a user has no members"},
		{"", "id,displayName\nu1,M\xfcller\n", "error: d:2:5: the file is not UTF-8"},
		{"", `[]`, "error: d:1:1: the file must be an object"},
		{"", "{\"users\":\n  [{\"id\":}]}", "error: d:2:10: invalid character"},
		{"", `{"users":`, "error: d:1:9: unexpected end"},
		{"", `{"users":7}`, "error: d:1:10: users must be an array"},
		{"", `{"users":[7]}`, "error: d:1:11: each of users"},
		{"", "{\"users\":[\n {\"mail\":\"x\"}]}", "error: d:2:2: the id is missing"},
		{"", `{"users":[{"id":"ü","mail":7}]}`, "error: d:1:28: mail must be a string"},
		{"", `{"users":[{"id":"u","userType":"x"}]}`, `error: d:1:32: the userType "x"`},
		{"", `{"users":[{"id":"u"}],"groups":[{"id":"u"}]}`, `error: d:1:39: the id "u" is already`},
		{"", `{"groups":[{"id":"g","members":"u"}]}`, "error: d:1:32: members must be an array"},
		{"", `{"groups":[{"id":"g","members":[{}]}]}`, "error: d:1:33: members must be an array of strings"},
	} {
		d, err := ReadDirectory("d", []byte(tt.text))
		if text, bad := strings.CutPrefix(tt.want, "error: "); bad {
			if err == nil || !strings.HasPrefix(err.Error(), text) {
				t.Errorf("%q: %v, want %s", tt.text, err, text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		users, groups := "nil", "nil"
		if d.Users != nil {
			var list []string
			for _, u := range d.Users {
				list = append(list, u.ID+map[bool]string{true: "!"}[u.Guest])
			}
			users = strings.Join(list, " ")
		}
		if d.Groups != nil {
			var list []string
			for _, g := range d.Groups {
				list = append(list, g.ID+"("+strings.Join(g.Members, " ")+")")
			}
			groups = strings.Join(list, " ")
		}
		if got := users + "/" + groups; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The directory becomes what the file has, or stays as it was.
func TestReplaceDirectory(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.putACL("desk", "x", entries("grant group g1"), `{"title":"word"}`, "")
	sees := func(want string, when string) {
		t.Helper()
		var got []string
		for _, u := range []string{"u1", "u2", "u3", "u4"} {
			if ids, _ := g.search(u, "desk", "word", ""); len(ids) == 1 {
				got = append(got, u)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: seen by %q, want %q", when, s, want)
		}
	}
	sees("", "without a directory")
	put := func(status int, body, text string) {
		t.Helper()
		a := g.do("PUT", "/_control/directory", body)
		if a.status != status || !strings.Contains(string(a.raw), text) {
			t.Errorf("PUT %.60s = %v, want %d with %q", body, a, status, text)
		}
	}
	put(200, company, `{"groups":4,"members":6,"users":4}`)
	sees("u1 u2 u4", "nested groups")
	put(400, `{"groups":[{"id":"g1","members":["u1","nobody"]}]}`, `directory:1:39: the member \"nobody\" of the group \"g1\" is no user's id`)
	put(400, `{"groups":[{"id":"g1","members":["shared@contoso.com"]}]}`, "several users")
	put(400, `{"groups":[{"id":"U1"}]}`, `directory:1:18: the id \"U1\" is that of a user`)
	put(400, `{"users":[{"id":""}]}`, "directory:1:17: the id is missing")
	put(400, `nonsense`, "no column id")
	sees("u1 u2 u4", "after refusals")
	put(200, `{"groups":[{"id":"g1","members":["BOB@contoso.com"]}]}`, `{"groups":1,"members":1,"users":4}`)
	sees("u2", "other groups")
	put(200, "id,userPrincipalName\nu3,x\n", `{"groups":1,"members":0,"users":1}`) // u2 has left
	sees("", "other users")
	put(200, `{}`, `{"groups":1,"members":0,"users":1}`)
	put(200, `{"users":[],"groups":[]}`, `{"groups":0,"members":0,"users":0}`)
	if a := g.want(200, "GET", "/_control/directory", nil); !strings.Contains(string(a.raw), `"users":0`) {
		t.Errorf("directory = %v", a)
	}
	g.want(405, "POST", "/_control/directory", `{}`)
	var wrong *DirectoryError
	d, err := ReadDirectory("d", []byte(`{"groups":[{"id":"g","members":["x"]}]}`))
	if err = errors.Join(err, g.srv.ReplaceDirectory(context.Background(), d)); !errors.As(err, &wrong) || wrong.Line != 1 || wrong.Col != 33 {
		t.Errorf("a member that is nobody: %v", err)
	}
}

// Looking people up is by an index, however many there are.
func TestDirectoryIndexes(t *testing.T) {
	g := open(t, Options{})
	g.replaceDirectory(company)
	srv, err := Open(g.dir, Options{}) // whose connections know of the index
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	for _, field := range []string{"id", "mail", "userPrincipalName", "employeeId"} {
		s := allUsers
		f, err := parseFilter(field+" in ('x','y')", s.fields)
		if err != nil {
			t.Fatal(err)
		}
		where, args := f.sql(s.column)
		rows, err := srv.db.Query(`EXPLAIN QUERY PLAN SELECT * FROM (`+s.query+`) WHERE `+where+` ORDER BY id LIMIT 10 OFFSET 0`, args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var a, b, d int
			var step string
			if err := rows.Scan(&a, &b, &d, &step); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, step)
		}
		rows.Close()
		if !slices.ContainsFunc(plan, func(s string) bool { return strings.HasPrefix(s, "SEARCH p USING") }) {
			t.Errorf("people are looked up by %s so: %q", field, plan)
		}
	}
}
