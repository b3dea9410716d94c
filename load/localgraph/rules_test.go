package localgraph

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSetRules(t *testing.T) {
	var o Options
	if err := o.SetRules(" itemSize=30MB, searchPage=1000 ,requireDescription,requireObjectIds,replaceOnPut,allowNull,allowLooseDates,allowDuplicateNames,alwaysNewEnums,listItems"); err != nil {
		t.Fatal(err)
	}
	all := Options{MaxItemBytes: ItemSize30MB, MaxPage: 1000, RequireDescription: true, RequireObjectIDs: true, ReplaceOnPut: true, AllowNullProperties: true,
		AllowLooseDates: true, AllowDuplicateNames: true, AlwaysNewEnums: true, ListItems: true}
	if fmt.Sprintf("%+v", o) != fmt.Sprintf("%+v", all) {
		t.Errorf("rules = %+v", o)
	}
	for text, want := range map[string]int64{"itemSize=4MB": ItemSize4MB, "itemSize=1000": 1000, "itemSize=5kb": 5000} {
		var o Options
		if err := o.SetRules(text); err != nil || o.MaxItemBytes != want {
			t.Errorf("%s = %d, %v", text, o.MaxItemBytes, err)
		}
	}
	for text, want := range map[string]string{
		"itemSize": "like 30MB", "itemSize=": "like 30MB", "itemSize=x": "like 30MB", "itemSize=0": "like 30MB", "itemSize=2GB": "like 30MB", "itemSize=9999999MB": "like 30MB", "itemSize=MMB": "like 30MB",
		"searchPage=0": "like 1000", "searchPage=x": "like 1000", "listItems=1": "takes no value", "listItems=": "takes no value", "nonsense": "none of itemSize, searchPage",
	} {
		var o Options
		if err := o.SetRules(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SetRules(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

// Each choice, both ways.
func TestChoices(t *testing.T) {
	for _, tt := range []struct {
		rule               string
		method, path, body string
		without, with      int
	}{
		{"requireDescription", "POST", base, `{"id":"new1","name":"n","description":" "}`, 201, 400},
		{"requireObjectIds", "PUT", base + "/desk/items/a", `{"acl":` + entries("grant user u1") + `,"properties":{"title":"x"}}`, 200, 400},
		{"requireObjectIds", "PUT", base + "/desk/items/a", `{"acl":` + entries("deny group 0F1D0000-0000-4000-8000-000000000001") + `,"properties":{"title":"x"}}`, 200, 200},
		{"requireObjectIds", "PUT", base + "/desk/items/a", `{"acl":` + entries("grant externalGroup g", "grant everyone everyone") + `,"properties":{"title":"x"}}`, 200, 200},
		{"requireObjectIds", "POST", base + "/desk/groups/g/members", `{"type":"user","id":"u1"}`, 201, 400},
		{"requireObjectIds", "POST", base + "/desk/groups/g/members", `{"type":"externalGroup","id":"h"}`, 201, 201},
		{"searchPage=1000", "POST", "/v1.0/search/query", searchBody("desk", "x", `"size":1000`), 400, 200},
		{"searchPage=1000", "POST", "/v1.0/search/query", searchBody("desk", "x", `"size":1001`), 400, 400},
		{"itemSize=30MB", "PUT", base + "/desk/items/a", `{"acl":` + everyone + `,"properties":{"title":"x"},"content":{"type":"text","value":"` + strings.Repeat("w ", 2_000_001) + `"}}`, 413, 200},
		{"allowNull", "PUT", base + "/desk/items/a", `{"acl":` + everyone + `,"properties":{"title":"x","status":null}}`, 400, 200},
		{"allowLooseDates", "PUT", base + "/desk/items/a", `{"acl":` + everyone + `,"properties":{"opened":"2026-05-01"}}`, 400, 200},
		{"allowDuplicateNames", "POST", base, `{"id":"new1","name":"Name of desk"}`, 409, 201},
	} {
		for _, rule := range []string{"", tt.rule} {
			var opt Options
			if err := opt.SetRules(rule); err != nil {
				t.Fatal(err)
			}
			g := open(t, opt)
			g.want(201, "POST", base, `{"id":"desk","name":"Name of desk","description":"d"}`)
			g.update("desk", helpdesk)
			g.want(201, "POST", base+"/desk/groups", `{"id":"g"}`)
			want := tt.without
			if rule != "" {
				want = tt.with
			}
			caller := Caller{App: true}
			if strings.Contains(tt.path, "/search/") {
				caller = Caller{UserID: "u"}
			}
			if a := g.as(caller, tt.method, tt.path, tt.body); a.status != want {
				t.Errorf("%s %.60s with the rule %q = %v, want %d", tt.method, tt.path, rule, a, want)
			}
		}
	}
}

// A create with a Teams app's id needs the ticket, and the other way round.
func TestTicket(t *testing.T) {
	g := open(t, Options{})
	const ticket = "GraphConnectors-Ticket"
	a := g.want(201, "POST", base, `{"id":"one","name":"one","connectorId":"c1"}`, ticket, "t")
	if a.get("connectorId") != "c1" {
		t.Errorf("connection = %v", a)
	}
	g.want(201, "POST", base, `{"id":"two","name":"two","connectorId":null}`)
	g.want(400, "POST", base, `{"id":"three","name":"three"}`, ticket, "t")
	g.want(400, "POST", base, `{"id":"three","name":"three","connectorId":""}`, ticket, "t")
}

// With a broken card the first POST gets 503 and the next one 409: the
// connection is there (a note on the create page).
func TestBrokenCard(t *testing.T) {
	g := open(t, Options{})
	for i, card := range []string{`{}`, `{"type":"adaptiveCard"}`, `{"type":7}`} {
		body := fmt.Sprintf(`{"id":"desk%d","name":"n%d","searchSettings":{"searchResultTemplates":[{"id":"a","layout":%s}]}}`, i, i, card)
		if a := g.want(503, "POST", base, body); a.get("error", "code") != "serviceNotAvailable" {
			t.Errorf("%s: %v", card, a)
		}
		g.want(409, "POST", base, body)
		g.want(200, "GET", fmt.Sprintf("%s/desk%d", base, i), nil)
		g.want(204, "PATCH", fmt.Sprintf("%s/desk%d", base, i), `{"searchSettings":{"searchResultTemplates":[{"id":"a","layout":{"type":"AdaptiveCard"}}]}}`)
		g.want(400, "PATCH", fmt.Sprintf("%s/desk%d", base, i), `{"searchSettings":{"searchResultTemplates":[{"id":"a","layout":`+card+`}]}}`)
	}
}

// What only the beta has is taken and answered there, and v1.0 leaves it alone.
func TestBeta(t *testing.T) {
	g := open(t, Options{})
	const beta = "/beta/external/connections"
	card := func(card string) string {
		return `{"eDiscoveryResultTemplates":[{"id":"e","layout":` + card + `}]}`
	}
	g.want(201, "POST", beta, `{"id":"desk","name":"n","enabledContentExperiences":"Search,compliance","complianceSettings":`+card(`{"type":"AdaptiveCard","version":"1.2"}`)+`}`)
	a := g.want(200, "GET", beta+"/desk", nil)
	if n, there := a.body["ingestedItemsCount"]; !there || n != nil || a.get("enabledContentExperiences") != "search, compliance" ||
		a.get("complianceSettings", "eDiscoveryResultTemplates", 0, "id") != "e" {
		t.Errorf("a draft in beta = %v", a)
	}
	a = g.want(200, "GET", base+"/desk", nil) // the contract knows no such members
	g.want(204, "PATCH", base+"/desk", `{"enabledContentExperiences":"search","description":"d"}`)
	if a = g.want(200, "GET", beta+"/desk", nil); a.get("enabledContentExperiences") != "search, compliance" || a.get("description") != "d" {
		t.Errorf("after a PATCH of v1.0 = %v", a)
	}
	g.want(204, "PATCH", beta+"/desk", `{"enabledContentExperiences":"search"}`)
	g.update("desk", helpdesk)
	g.put("desk", "a", `{"title":"x"}`, "")
	a = g.want(200, "GET", beta, nil)
	if a.get("value", 0, "enabledContentExperiences") != "search" || fmt.Sprint(a.get("value", 0, "ingestedItemsCount")) != "1" {
		t.Errorf("ready in beta = %v", a)
	}
	for _, tt := range []struct{ body, text string }{
		{`{"enabledContentExperiences":"nonsense"}`, "nonsense"},
		{`{"complianceSettings":` + card(`{"type":"AdaptiveCard","version":"1.3"}`) + `}`, "1.2"},
		{`{"complianceSettings":` + card(`{"type":"AdaptiveCard","text":"${title}"}`) + `}`, "${...}"},
		{`{"complianceSettings":{"eDiscoveryResultTemplates":[{"id":"a"},{"id":"b"},{"id":"c"}]}}`, "at most 2"},
		{`{"complianceSettings":{"eDiscoveryResultTemplates":[{"id":"a","rules":[{"property":"p","operation":"like"}]}]}}`, "complianceSettings: a rule"},
	} {
		if a := g.do("PATCH", beta+"/desk", tt.body); a.status != 400 || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("PATCH %s = %v, want 400 with %q", tt.body, a, tt.text)
		}
	}
	// The beta writes an external group as a group of another source.
	g.want(201, "POST", beta+"/desk/groups", `{"id":"g1"}`)
	g.want(201, "POST", beta+"/desk/groups", `{"id":"g2"}`)
	g.want(201, "POST", beta+"/desk/groups/g1/members", `{"id":"g2","type":"group","identitySource":"external"}`)
	g.want(400, "POST", base+"/desk/groups/g1/members", `{"id":"g2","type":"group","identitySource":"external"}`)
	g.want(400, "POST", beta+"/desk/groups/g1/members", `{"id":"u","type":"user","identitySource":"external"}`)
	g.want(201, "POST", base+"/desk/groups/g2/members", `{"id":"ann","type":"user","identitySource":"azureActiveDirectory"}`)
	a = g.want(200, "PUT", beta+"/desk/items/b", `{"acl":[{"type":"group","value":"g1","accessType":"grant","identitySource":"External"}],"properties":{"title":"hers"}}`)
	if a.get("acl", 0, "type") != "externalGroup" {
		t.Errorf("acl = %v", a)
	}
	if ids, _ := g.search("ann", "desk", "hers", ""); len(ids) != 1 {
		t.Errorf("ann finds %v", ids)
	}
	if ids, _ := g.search("bob", "desk", "hers", ""); len(ids) != 0 {
		t.Errorf("bob finds %v", ids)
	}
}

// Refinable properties get an alias of the service's, which stays whatever a
// client sends, and by which they are found.
func TestSystemAlias(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", `[{"name":"Refinable00","type":"string"},{"name":"status","type":"string","isRefinable":true,"isQueryable":true,"aliases":["state"]},{"name":"prio","type":"int64","isRefinable":true}]`)
	aliases := func() string {
		return fmt.Sprint(g.want(200, "GET", base+"/desk/schema", nil).get("properties", 1, "aliases"), g.want(200, "GET", base+"/desk/schema", nil).get("properties", 2, "aliases"))
	}
	if got := aliases(); got != "[state Refinable01] [Refinable02]" {
		t.Errorf("aliases = %s", got)
	}
	for _, tt := range []struct{ sent, want string }{
		{`"aliases":[]`, "[Refinable01] [Refinable02]"},
		{`"aliases":["refinable01","other"]`, "[other Refinable01] [Refinable02]"},
	} {
		g.update("desk", `[{"name":"status","type":"string","isRefinable":true,"isQueryable":true,`+tt.sent+`}]`)
		if got := aliases(); got != tt.want {
			t.Errorf("after %s: %s, want %s", tt.sent, got, tt.want)
		}
	}
	g.want(400, "PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":[{"name":"Refinable02","type":"string"}]}`)
	g.update("desk", `[{"name":"more","type":"string","isRefinable":true}]`)
	g.put("desk", "a", `{"status":"open"}`, "")
	if ids, a := g.search("u", "desk", "Refinable01:open", ""); len(ids) != 1 {
		t.Errorf("search by the service's alias = %v", a)
	}
	if strings.Contains(string(g.want(200, "GET", base+"/desk/schema", nil).raw), "#alias") {
		t.Error("the schema tells how it is kept")
	}
}

// What a registered schema may become: the table of the schema page.
func TestSchemaChanges(t *testing.T) {
	const before = `[{"name":"title","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["title"],"aliases":["heading"]},
		{"name":"status","type":"string","isRefinable":true},{"name":"count","type":"int64"},{"name":"note","type":"string"}]`
	for _, tt := range []struct {
		name, change string
		status       int
		text         string
	}{
		{"add a property with every flag", `{"name":"new","type":"string","isRefinable":true,"isQueryable":true,"isRetrievable":true}`, 202, ""},
		{"add isSearchable", `{"name":"note","type":"string","isSearchable":true}`, 202, ""},
		{"add isQueryable", `{"name":"count","type":"int64","isQueryable":true}`, 202, ""},
		{"add isRetrievable", `{"name":"count","type":"int64","isRetrievable":true}`, 202, ""},
		{"add isRefinable", `{"name":"count","type":"int64","isRefinable":true}`, 400, "isRefinable"},
		{"remove flags", `{"name":"title","type":"string","isRetrievable":true,"labels":["title"]}`, 202, ""},
		{"remove isRefinable", `{"name":"status","type":"string"}`, 202, ""},
		{"make it searchable instead", `{"name":"status","type":"string","isSearchable":true}`, 202, ""},
		{"searchable beside refinable", `{"name":"status","type":"string","isSearchable":true,"isRefinable":true}`, 400, "exclude"},
		{"add an alias", `{"name":"note","type":"string","aliases":["remark"]}`, 202, ""},
		{"remove an alias", `{"name":"title","type":"string","isSearchable":true,"isRetrievable":true,"isQueryable":true,"labels":["title"]}`, 202, ""},
		{"an alias that is taken", `{"name":"note","type":"string","aliases":["Heading"]}`, 400, "already"},
		{"a name that is an alias", `{"name":"heading","type":"string"}`, 400, "already"},
		{"add a label", `{"name":"note","type":"string","isRetrievable":true,"labels":["url"]}`, 202, ""},
		{"remove a label", `{"name":"title","type":"string","isSearchable":true}`, 202, ""},
		{"a label that is taken", `{"name":"note","type":"string","isRetrievable":true,"labels":["title"]}`, 400, "already"},
		{"another type", `{"name":"count","type":"double"}`, 400, "type cannot change"},
		{"a collection of the type", `{"name":"count","type":"int64Collection"}`, 400, "type cannot change"},
		{"another case", `{"name":"COUNT","type":"int64"}`, 400, "renamed"},
		{"the 129th property", strings.Trim(props(125), "[]"), 400, "128"},
		{"the 128th property", strings.Trim(props(124), "[]"), 202, ""},
	} {
		g := open(t, Options{})
		g.register("desk", before)
		a := g.do("PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":[`+tt.change+`]}`)
		if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s: %v, want %d with %q", tt.name, a, tt.status, tt.text)
		}
	}
}

// An item about a person is for everyone, and its values are profiles.
func TestPeople(t *testing.T) {
	g := open(t, Options{})
	g.register("people1", `[{"name":"account","type":"string","labels":["personAccount"]},{"name":"skills","type":"stringCollection","labels":["personSkills"]},{"name":"office","type":"string"}]`)
	account := `"account":"{\"userPrincipalName\":\"ann@contoso.com\"}"`
	for _, tt := range []struct {
		acl, props string
		status     int
		text       string
	}{
		{everyone, `{` + account + `,"skills@odata.type":"Collection(String)","skills":["{\"displayName\":\"Go\"}"," {}"],"office":"B 2"}`, 200, ""},
		{everyone, `{"account":"ann"}`, 400, "JSON object"},
		{everyone, `{"account":"null"}`, 400, "JSON object"},
		{everyone, `{` + account + `,"skills@odata.type":"Collection(String)","skills":["{}","Go"]}`, 400, `"skills"`},
		{entries("grant user u1"), `{` + account + `}`, 400, "everyone"},
		{entries("grant everyone everyone", "deny user u1"), `{` + account + `}`, 400, "everyone"},
	} {
		a := g.do("PUT", base+"/people1/items/a", `{"acl":`+tt.acl+`,"properties":`+tt.props+`}`)
		if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s %s = %v, want %d with %q", tt.acl, tt.props, a, tt.status, tt.text)
		}
	}
}

// An application with named roles does what they are for: the permission
// tables of the reference pages.
func TestRoles(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"x"}`, "")
	g.want(201, "POST", base+"/desk/groups", `{"id":"g"}`)
	activities := `{"activities":[{"type":"viewed","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}}]}`
	connectionWrite, connectionRead := "ExternalConnection.ReadWrite.OwnedBy ExternalConnection.ReadWrite.All", "ExternalConnection.Read.All"
	itemWrite, itemRead := "ExternalItem.ReadWrite.OwnedBy ExternalItem.ReadWrite.All", "ExternalItem.Read.All"
	for _, tt := range []struct {
		method, path, body, may string
	}{
		{"GET", base, "", connectionWrite + " " + connectionRead},
		{"GET", base + "/desk", "", connectionWrite + " " + connectionRead},
		{"GET", base + "/desk/schema", "", connectionWrite + " " + connectionRead},
		{"GET", base + "/desk/operations", "", connectionWrite + " " + connectionRead},
		{"PATCH", base + "/desk", `{"description":"d"}`, connectionWrite},
		{"POST", base, `{"id":"desk","name":"x"}`, connectionWrite}, // 409
		{"PUT", base + "/desk/items/a", least, itemWrite},
		{"GET", base + "/desk/items/a", "", itemWrite + " " + itemRead},
		{"DELETE", base + "/desk/items/nosuch", "", itemWrite}, // 404
		{"POST", base + "/desk/items/a/addActivities", activities, itemWrite},
		{"GET", base + "/desk/groups/g", "", itemWrite + " " + itemRead},
		{"POST", base + "/desk/groups", `{"id":"g"}`, itemWrite},   // 409
		{"POST", base + "/desk/groups/g/members", `{}`, itemWrite}, // 400
		{"GET", "/v1.0/users", "", "User.Read.All User.ReadBasic.All Directory.Read.All"},
		{"GET", "/v1.0/groups", "", "Group.Read.All GroupMember.Read.All Directory.Read.All"},
		{"GET", "/v1.0/organization", "", "Organization.Read.All Directory.Read.All"},
	} {
		for _, role := range Permissions {
			a := g.as(Caller{App: true, Roles: role}, tt.method, tt.path, tt.body)
			want := strings.Contains(" "+tt.may+" ", " "+role+" ")
			if (a.status != 403) != want || !want && (a.get("error", "code") != "Authorization_RequestDenied" || !strings.Contains(a.inner(), strings.Fields(tt.may)[0])) {
				t.Errorf("%s %s with %s = %v, want allowed = %v", tt.method, tt.path, role, a, want)
			}
		}
	}
	// A client of the token endpoint looks people up, as its tokens say.
	for _, path := range []string{"/v1.0/users", "/v1.0/groups", "/v1.0/organization"} {
		if a := g.as(Caller{App: true, AppID: "app-1"}, "GET", path, nil); a.status != 200 {
			t.Errorf("GET %s as a client = %v, want 200", path, a)
		}
	}
	// OwnedBy is for one's own connections, All for any.
	for role, want := range map[string]int{"": 403, "ExternalConnection.ReadWrite.OwnedBy": 403, "ExternalConnection.ReadWrite.All": 200,
		"ExternalConnection.ReadWrite.OwnedBy ExternalConnection.Read.All": 200} {
		if a := g.as(Caller{App: true, AppID: "app-1", Roles: role}, "GET", base+"/desk", nil); a.status != want {
			t.Errorf("reading another's connection with %q = %v, want %d", role, a, want)
		}
	}
}

// A token carries its roles, and none but those.
func TestTokenRoles(t *testing.T) {
	is := issuer(t, t.TempDir())
	g := open(t, Options{Issuer: is})
	token := mint(t, is, Caller{App: true, Roles: "ExternalItem.Read.All"}, time.Hour)
	r := httptest.NewRequest("GET", base, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	g.srv.ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("a list of connections for a reader of items = %d %s", w.Code, w.Body)
	}
	for _, bad := range []Caller{{App: true, Roles: "Everything"}, {UserID: "u", Roles: "User.Read.All"}} {
		if _, err := is.Mint(bad, time.Hour); err == nil {
			t.Errorf("a token was made for %+v", bad)
		}
	}
}

// Other entity types may stand beside externalItem; there is nothing of them.
func TestEntityTypes(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"word"}`, "")
	for types, want := range map[string]int{
		`["externalItem"]`: 200, `["ExternalItem"]`: 200, `["driveItem","externalItem","site"]`: 200,
		`["driveItem"]`: 400, `["externalItem","message"]`: 400, `[]`: 400, `null`: 400, `"externalItem"`: 400,
	} {
		a := g.as(Caller{UserID: "u"}, "POST", "/v1.0/search/query", strings.Replace(searchBody("desk", "word", ""), `["externalItem"]`, types, 1))
		if a.status != want || want == 200 && !strings.Contains(string(a.raw), `"total":1`) {
			t.Errorf("%s: %v, want %d", types, a, want)
		}
	}
}
