package localgraph

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func props(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"name":"p%d","type":"string"}`, i))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestConnectionRules(t *testing.T) {
	g := open(t, Options{})
	g.want(201, "POST", base, `{"id":"taken","name":"Taken","description":"d"}`)
	long := strings.Repeat("n", 128)
	for _, tt := range []struct {
		name, body string
		status     int
		text       string // part of the message
	}{
		{"three characters", `{"id":"abc","name":"abc"}`, 201, ""},
		{"32 characters", `{"id":"` + strings.Repeat("a", 32) + `","name":"thirty-two"}`, 201, ""},
		{"name of 128", `{"id":"longname","name":"` + long + `"}`, 201, ""},
		{"category in any case", `{"id":"cat1","name":"cat1","contentCategory":"KnowledgeBase"}`, 201, ""},
		{"unknown fields are tolerated", `{"id":"unk1","name":"unk1","complianceSettings":{},"more":"x"}`, 201, ""},
		{"two characters", `{"id":"ab","name":"x"}`, 400, "3 to 32"},
		{"33 characters", `{"id":"` + strings.Repeat("a", 33) + `","name":"x"}`, 400, "3 to 32"},
		{"no id", `{"name":"x"}`, 400, "3 to 32"},
		{"hyphen", `{"id":"my-conn","name":"x"}`, 400, "letters and digits"},
		{"underscore", `{"id":"my_conn","name":"x"}`, 400, "letters and digits"},
		{"umlaut", `{"id":"über","name":"x"}`, 400, "letters and digits"},
		{"Microsoft", `{"id":"MicrosoftKB","name":"x"}`, 400, "Microsoft"},
		{"reserved", `{"id":"SharePoint","name":"x"}`, 400, "reserved"},
		{"reserved in another case", `{"id":"powerbi","name":"x"}`, 400, "reserved"},
		{"no name", `{"id":"noname"}`, 400, "name"},
		{"name of 129", `{"id":"toolong","name":"` + long + `n"}`, 400, "128"},
		{"category", `{"id":"cat2","name":"x","contentCategory":"nonsense"}`, 400, "contentCategory"},
		{"three templates", `{"id":"tmp3","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a"},{"id":"b"},{"id":"c"}]}}`, 400, "at most 2"},
		{"template id", `{"id":"tmpid","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a-b"}]}}`, 400, "a-b"},
		{"a negative priority", `{"id":"tmpneg","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a","priority":-1}]}}`, 400, "positive"},
		{"a priority of more than 32 bits", `{"id":"tmpbig","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a","priority":2147483648}]}}`, 400, "priority"},
		{"a template id of 17", `{"id":"tmplong","name":"x","searchSettings":{"searchResultTemplates":[{"id":"aaaaaaaaaaaaaaaaa"}]}}`, 400, "1 to 16"},
		{"connectorId without the ticket", `{"id":"ticket","name":"x","connectorId":"c1"}`, 400, "GraphConnectors-Ticket"},
		{"the beta's members", `{"id":"beta1","name":"beta1","enabledContentExperiences":"nonsense","complianceSettings":7}`, 201, ""},
		{"layout is no object", `{"id":"tmpl","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a","layout":"s"}]}}`, 400, "layout"},
		{"resolver without a type", `{"id":"res","name":"x","activitySettings":{"urlToItemResolvers":[{"itemId":"{a}"}]}}`, 400, "@odata.type"},
		{"the id is taken", `{"id":"taken","name":"other"}`, 409, "id"},
		{"the id is taken in another case", `{"id":"TAKEN","name":"other"}`, 409, "id"},
		{"the name is taken", `{"id":"other","name":"Taken"}`, 409, "name"},
		{"no JSON", `{"id":`, 400, "JSON"},
		{"no UTF-8", "{\"id\":\"abcd\",\"name\":\"\xff\"}", 400, "UTF-8"},
		{"no object", `[]`, 400, ""},
		{"a number for a name", `{"id":"numname","name":7}`, 400, "name"},
		{"an open configuration", `{"id":"conf1","name":"conf1","configuration":{"authorizedAppIds":null,"other":{"a":1}}}`, 201, ""},
		{"configuration is a number", `{"id":"conf2","name":"x","configuration":7}`, 400, "configuration"},
		{"authorizedAppIds of numbers", `{"id":"conf3","name":"x","configuration":{"authorizedAppIds":[7]}}`, 400, "authorizedAppIds"},
		{"connectorId is an object", `{"id":"ctor","name":"x","connectorId":{}}`, 400, "connectorId"},
		{"unknown settings are dropped", `{"id":"set1","name":"set1","searchSettings":{"other":1,"searchResultTemplates":[{"id":"a","other":1,"layout":null,"rules":[{"property":"p","operation":"Equals","values":null,"other":1}]}]},
			"activitySettings":{"other":1,"urlToItemResolvers":[{"@odata.type":"microsoft.graph.externalConnectors.itemIdResolver","other":1,"urlMatchInfo":{"other":1}}]}}`, 201, ""},
		{"null settings", `{"id":"set2","name":"set2","searchSettings":{"searchResultTemplates":null},"activitySettings":{"urlToItemResolvers":null}}`, 201, ""},
		{"a rule's operation", `{"id":"set3","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a","rules":[{"property":"p","operation":"like","values":[]}]}]}}`, 400, "operation"},
		{"a rule's joining", `{"id":"set4","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a","rules":[{"property":"p","operation":"equals","valuesJoinedBy":"xor"}]}]}}`, 400, "valuesJoinedBy"},
		{"two templates of an id", `{"id":"set5","name":"x","searchSettings":{"searchResultTemplates":[{"id":"a"},{"id":"a"}]}}`, 400, "twice"},
		{"a priority that is text", `{"id":"set6","name":"x","activitySettings":{"urlToItemResolvers":[{"@odata.type":"#microsoft.graph.externalConnectors.itemIdResolver","priority":"1"}]}}`, 400, "priority"},
	} {
		a := g.do("POST", base, tt.body)
		if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s: %v, want %d with %q", tt.name, a, tt.status, tt.text)
		}
	}
}

func TestConnectionLife(t *testing.T) {
	g := open(t, Options{})
	body := `{"id":"desk","name":"It's the desk","description":"Tickets","configuration":{"authorizedAppIds":["a1"]},
		"activitySettings":{"urlToItemResolvers":[{"@odata.type":"#microsoft.graph.externalConnectors.itemIdResolver","priority":1,"itemId":"{slug}",
			"urlMatchInfo":{"baseUrls":["https://x.example"],"urlPattern":"$'/(?<slug>[^/]+)'"}}]},
		"searchSettings":{"searchResultTemplates":[{"id":"t1","priority":0,"layout":{"type":"AdaptiveCard","body":[{"text":"${title} <b>&"}]}}]}}`
	a := g.want(201, "POST", base, body)
	for _, want := range []struct {
		path []any
		v    any
	}{
		{[]any{"id"}, "desk"}, {[]any{"name"}, "It's the desk"}, {[]any{"state"}, "draft"}, {[]any{"description"}, "Tickets"},
		{[]any{"configuration", "authorizedAppIds", 0}, "a1"}, {[]any{"contentCategory"}, "uncategorized"},
		{[]any{"activitySettings", "urlToItemResolvers", 0, "@odata.type"}, "#microsoft.graph.externalConnectors.itemIdResolver"},
		{[]any{"searchSettings", "searchResultTemplates", 0, "layout", "body", 0, "text"}, "${title} <b>&"},
		{[]any{"@odata.context"}, "http://example.com/v1.0/$metadata#external/connections/$entity"},
	} {
		if got := a.get(want.path...); got != want.v {
			t.Errorf("created connection: %v = %v, want %v", want.path, got, want.v)
		}
	}
	g.want(204, "PATCH", base+"/desk", `{"description":"New","activitySettings":{"urlToItemResolvers":[]}}`)
	a = g.want(200, "GET", base+"/DESK", nil)
	if a.get("description") != "New" || a.get("name") != "It's the desk" || len(a.get("activitySettings", "urlToItemResolvers").([]any)) != 0 {
		t.Errorf("patched connection = %v", a)
	}
	g.want(400, "PATCH", base+"/desk", `{"name":""}`)
	g.want(400, "PATCH", base+"/desk", `{"id":"other"}`)
	g.want(404, "GET", base+"/nosuch", nil)
	g.want(404, "PATCH", base+"/nosuch", `{}`)
	g.want(404, "DELETE", base+"/nosuch", nil)

	for i := range 4 {
		g.want(201, "POST", base, fmt.Sprintf(`{"id":"more%d","name":"More %d"}`, i, i))
	}
	a = g.want(200, "GET", base+"?$filter=name%20eq%20%27It%27%27s%20the%20desk%27&$select=id,name", nil)
	if list := a.get("value").([]any); len(list) != 1 || a.get("value", 0, "id") != "desk" || a.get("value", 0, "state") != nil {
		t.Errorf("filtered list = %v", a)
	}
	g.want(400, "GET", base+"?$filter=nonsense", nil)
	g.want(400, "GET", base+"?$select=nonsense", nil)
	var ids []string
	pages := 0
	for next := base + "?$top=2&$select=id"; next != ""; pages++ {
		a = g.want(200, "GET", next, nil)
		for i := range a.get("value").([]any) {
			ids = append(ids, a.get("value", i, "id").(string))
		}
		next, _ = a.get("@odata.nextLink").(string)
	}
	if got := strings.Join(ids, " "); got != "desk more0 more1 more2 more3" || pages != 3 {
		t.Errorf("pages of connections: %q in %d pages", got, pages)
	}

	if a := g.want(202, "DELETE", base+"/desk", nil); len(a.raw) != 0 || a.header.Get("Content-Type") != "" {
		t.Errorf("DELETE = %v %v, want no body", a, a.header)
	}
	wait(t, "the deletion", func() bool { return g.do("GET", base+"/desk", nil).status == 404 })
	g.want(201, "POST", base, body)
}

// A connection that is being deleted is still there, but what is inside is not.
func TestDeleteTakesTime(t *testing.T) {
	g := open(t, Options{DeleteDelay: time.Hour})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"x"}`, "y")
	g.want(202, "DELETE", base+"/desk", nil)
	g.want(200, "GET", base+"/desk", nil)
	g.want(404, "GET", base+"/desk/items/a", nil)
	g.want(404, "PUT", base+"/desk/items/b", `{"acl":`+everyone+`,"properties":{"title":"x"}}`)
	g.want(404, "DELETE", base+"/desk/items/a", nil)
	g.want(404, "POST", base+"/desk/groups", `{"id":"g"}`)
	g.want(409, "POST", base, `{"id":"desk","name":"again"}`)
	if ids, _ := g.search("u", "desk", "x", ""); len(ids) != 0 {
		t.Errorf("search finds %v in a connection that is being deleted", ids)
	}
}

func TestSchemaRules(t *testing.T) {
	for _, tt := range []struct {
		name, props string
		status      int
		text        string
	}{
		{"one", `[{"name":"a","type":"string"}]`, 202, ""},
		{"flags as strings, types in any case", `[{"name":"a","type":"String","isSearchable":"true","isRefinable":"False"},{"name":"b","type":"StringCollection"},{"name":"c","type":"DateTime"}]`, 202, ""},
		{"128", props(128), 202, ""},
		{"exact", `[{"name":"a","type":"string","isQueryable":true,"isExactMatchRequired":true}]`, 202, ""},
		{"dates and collections refine", `[{"name":"a","type":"dateTime","isRefinable":true},{"name":"b","type":"stringCollection","isRefinable":true}]`, 202, ""},
		{"a label in another case", `[{"name":"a","type":"string","isRetrievable":true,"labels":["Title"]}]`, 202, ""},
		{"both spellings of a label", `[{"name":"a","type":"string","isRetrievable":true,"labels":["assignedTo"]},{"name":"b","type":"int64","isRetrievable":true,"labels":["numberOfReactions"]}]`, 202, ""},
		{"none", `[]`, 400, "at least one"},
		{"129", props(129), 400, "128"},
		{"no name", `[{"type":"string"}]`, 400, "empty"},
		{"name of 33", `[{"name":"` + strings.Repeat("a", 33) + `","type":"string"}]`, 400, "32"},
		{"name with a space", `[{"name":"due date","type":"string"}]`, 400, `"due date"`},
		{"name with an underscore", `[{"name":"due_date","type":"string"}]`, 400, "letters and digits"},
		{"two of a name", `[{"name":"a","type":"string"},{"name":"A","type":"string"}]`, 400, "already"},
		{"an alias is a name", `[{"name":"a","type":"string"},{"name":"b","type":"string","aliases":["a"]}]`, 400, "already"},
		{"an alias with a dash", `[{"name":"b","type":"string","aliases":["x-y"]}]`, 400, "alias"},
		{"no such type", `[{"name":"a","type":"decimal"}]`, 400, "decimal"},
		{"no collection of booleans", `[{"name":"a","type":"booleanCollection"}]`, 400, "booleanCollection"},
		{"searchable number", `[{"name":"a","type":"int64","isSearchable":true}]`, 400, "isSearchable"},
		{"searchable and refinable", `[{"name":"a","type":"string","isSearchable":true,"isRefinable":true}]`, 400, "isRefinable"},
		{"searchable and exact", `[{"name":"a","type":"string","isSearchable":true,"isExactMatchRequired":true}]`, 400, "isExactMatchRequired"},
		{"exact number", `[{"name":"a","type":"int64","isExactMatchRequired":true}]`, 400, "isExactMatchRequired"},
		{"label not retrievable", `[{"name":"a","type":"string","labels":["title"]}]`, 400, "isRetrievable"},
		{"label of another type", `[{"name":"a","type":"dateTime","isRetrievable":true,"labels":["title"]}]`, 400, "string"},
		{"no such label", `[{"name":"a","type":"string","isRetrievable":true,"labels":["headline"]}]`, 400, "headline"},
		{"two labels", `[{"name":"a","type":"string","isRetrievable":true,"labels":["title","url"]}]`, 400, "one label"},
		{"a label twice", `[{"name":"a","type":"string","isRetrievable":true,"labels":["title"]},{"name":"b","type":"string","isRetrievable":true,"labels":["title"]}]`, 400, "already"},
		{"people", `[{"name":"account","type":"string","labels":["personAccount"]},{"name":"skills","type":"stringCollection","labels":["personSkills"]}]`, 202, ""},
		{"people without an account", `[{"name":"skills","type":"stringCollection","labels":["personSkills"]}]`, 400, "personAccount"},
		{"people with a principal", `[{"name":"account","type":"string","labels":["personAccount"]},{"name":"p","type":"principal"}]`, 400, "principal"},
		{"a people label of another type", `[{"name":"account","type":"stringCollection","labels":["personAccount"]}]`, 400, "string"},
		{"a people label that is not supported", `[{"name":"account","type":"string","labels":["personAccount"]},{"name":"m","type":"stringCollection","labels":["personManager"]}]`, 400, "not supported yet"},
		{"work item labels", `[{"name":"a","type":"principalCollection","isRetrievable":true,"labels":["assignedToPeople"]},{"name":"b","type":"dateTime","isRetrievable":true,"labels":["dueDate"]},{"name":"c","type":"stringCollection","isRetrievable":true,"labels":["tags"]}]`, 202, ""},
		{"a work item label of another type", `[{"name":"b","type":"string","isRetrievable":true,"labels":["dueDate"]}]`, 400, "dateTime"},
		{"rankingHint", `[{"name":"a","type":"string","isSearchable":true,"rankingHint":{"importanceScore":"VeryHigh"}}]`, 202, ""},
		{"a rankingHint that is none", `[{"name":"a","type":"string","isSearchable":true,"rankingHint":{"importanceScore":"most"}}]`, 400, "rankingHint"},
		{"alias of 33", `[{"name":"b","type":"string","aliases":["` + strings.Repeat("a", 33) + `"]}]`, 400, "32"},
		{"refinable principal", `[{"name":"a","type":"principal","isRefinable":true}]`, 400, "isRefinable"},
		{"a label that is null", `[{"name":"a","type":"string","labels":null,"aliases":null}]`, 202, ""},
		{"a label that is a number", `[{"name":"a","type":"string","labels":[7]}]`, 400, "labels"},
		{"properties is an object", `{"name":"a"}`, 400, "properties"},
		{"a flag that is a number", `[{"name":"a","type":"string","isQueryable":1}]`, 400, "isQueryable"},
		{"long description", `[{"name":"a","type":"string","description":"` + strings.Repeat("d", 201) + `"}]`, 400, "200"},
		{"flag is no boolean", `[{"name":"a","type":"string","isSearchable":"maybe"}]`, 400, "maybe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := open(t, Options{})
			g.want(201, "POST", base, `{"id":"desk","name":"x"}`)
			a := g.do("POST", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+tt.props+`}`)
			if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
				t.Errorf("%v, want %d with %q", a, tt.status, tt.text)
			}
			if a.status == 202 {
				g.want(200, "GET", base+"/desk/schema", nil)
				beta := g.want(200, "GET", "/beta/external/connections/desk/schema", nil)
				if exact := beta.get("properties", 0, "isExactMatchRequired"); (exact == true) != (tt.name == "exact") {
					t.Errorf("isExactMatchRequired in beta = %v", exact)
				}
				if hint := beta.get("properties", 0, "rankingHint", "importanceScore"); (hint == "veryHigh") != (tt.name == "rankingHint") {
					t.Errorf("rankingHint in beta = %v", hint)
				}
			}
		})
	}
}

func TestSchemaLife(t *testing.T) {
	g := open(t, Options{SchemaDelay: 200 * time.Millisecond})
	g.want(201, "POST", base, `{"id":"desk","name":"x"}`)
	g.want(404, "GET", base+"/desk/schema", nil)
	g.want(404, "DELETE", base+"/nosuch/schema", nil)
	g.want(404, "DELETE", base+"/desk/schema", nil)
	g.want(409, "PUT", base+"/desk/items/a", `{"acl":`+everyone+`,"properties":{"title":"x"}}`)
	g.want(400, "PATCH", base+"/desk/schema", `{"properties":[{"name":"a","type":"string"}]}`)
	// The CLI for Microsoft 365 sends this content type; a proxy sets the scheme.
	a := g.want(202, "PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`,
		"Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-Proto", "https")
	loc := a.header.Get("Location")
	prefix := "https://example.com/v1.0/external/connections/desk/operations/"
	if !strings.HasPrefix(loc, prefix) || len(a.raw) != 0 {
		t.Fatalf("Location = %q, want %s...; body %q, want none", loc, prefix, a.raw)
	}
	op := base + "/desk/operations/" + strings.TrimPrefix(loc, prefix)
	a = g.want(200, "GET", op, nil, "Content-Type", "application/json")
	if _, null := a.body["error"]; a.get("status") != "inprogress" || !null || a.get("error") != nil {
		t.Errorf("operation = %v, want inprogress and a null error", a)
	}
	g.want(200, "GET", base+"/desk/schema", nil) // although it is not ready
	g.want(409, "PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`)
	g.want(404, "GET", base+"/desk/operations/nosuch", nil)
	wait(t, "the schema", func() bool { return g.want(200, "GET", op, nil).get("status") == "completed" })
	if s := g.want(200, "GET", base+"/desk", nil).get("state"); s != "ready" {
		t.Errorf("state = %v, want ready", s)
	}
	a = g.want(200, "GET", base+"/desk/schema", nil)
	if a.get("baseType") != "microsoft.graph.externalItem" || a.get("properties", 7, "type") != "stringCollection" ||
		a.get("properties", 0, "isSearchable") != true || a.get("properties", 0, "labels", 0) != "title" || a.get("properties", 12, "type") != "unknownFutureValue" {
		t.Errorf("schema = %v", a)
	}
	a = g.want(200, "GET", base+"/desk/schema", nil, "Prefer", "include-unknown-enum-members")
	if a.get("properties", 12, "type") != "principal" {
		t.Errorf("schema with Prefer = %v", a)
	}
	for _, tt := range []struct {
		name, props string
		status      int
		text        string
	}{
		{"add a property", `[{"name":"extra","type":"string","isRefinable":true}]`, 202, ""},
		{"make queryable", `[{"name":"body","type":"string","isSearchable":true,"isQueryable":true}]`, 202, ""},
		{"add an alias", `[{"name":"body","type":"string","isSearchable":true,"isQueryable":true,"aliases":["text"]}]`, 202, ""},
		{"another type", `[{"name":"priority","type":"string"}]`, 400, "type cannot change"},
		{"make refinable", `[{"name":"url","type":"string","isRetrievable":true,"isRefinable":true,"labels":["url"]}]`, 400, "isRefinable"},
		{"another case", `[{"name":"Priority","type":"int64"}]`, 400, "renamed"},
		{"a label that is elsewhere", `[{"name":"extra2","type":"string","isRetrievable":true,"labels":["title"]}]`, 400, "already"},
	} {
		a := g.do("PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+tt.props+`}`)
		if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s: %v, want %d with %q", tt.name, a, tt.status, tt.text)
		}
		if loc := a.header.Get("Location"); loc != "" {
			wait(t, "the schema", func() bool {
				return g.want(200, "GET", loc[strings.Index(loc, "/v1.0"):], nil).get("status") == "completed"
			})
		}
	}
	if n := len(g.want(200, "GET", base+"/desk/schema", nil).get("properties").([]any)); n != 15 {
		t.Errorf("the schema has %d properties, want 15: those that a PATCH leaves out stay", n)
	}
	// A property that became queryable is found after its item is sent again.
	g.put("desk", "a", `{"body":"quite unusual","extra":"e"}`, "")
	if ids, _ := g.search("u", "desk", "text:unusual", ""); !slices.Equal(ids, []string{"a"}) {
		t.Errorf("search by the new alias = %v, want a", ids)
	}
}

func TestSchemaFailure(t *testing.T) {
	g := open(t, Options{SchemaFailure: "no luck"})
	g.want(201, "POST", base, `{"id":"desk","name":"x"}`)
	loc := g.want(202, "PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`).header.Get("Location")
	var a answer
	wait(t, "the failure", func() bool {
		a = g.want(200, "GET", loc[strings.Index(loc, "/v1.0"):], nil)
		return a.get("status") != "inprogress"
	})
	if a.get("status") != "failed" || a.get("error", "message") != "no luck" {
		t.Errorf("operation = %v", a)
	}
	if s := g.want(200, "GET", base+"/desk", nil).get("state"); s != "draft" {
		t.Errorf("state = %v, want draft", s)
	}
}

func TestItemRules(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	p := func(props string) string { return `{"acl":` + everyone + `,"properties":` + props + `}` }
	acl := func(acl string) string { return `{"acl":` + acl + `,"properties":{"title":"x"}}` }
	for _, tt := range []struct {
		name, id, body string
		status         int
		text           string
	}{
		{"least", "a", p(`{"title":"x"}`), 200, ""},
		{"names in another case", "a", p(`{"TITLE":"x"}`), 200, ""},
		{"id in the body", "a", `{"id":"a","acl":` + everyone + `,"properties":{"title":"x"}}`, 200, ""},
		{"id with - and _", "AUP-001_x", p(`{"title":"x"}`), 200, ""},
		{"percent-encoded id", "%41%2D1", p(`{"title":"x"}`), 200, ""},
		{"an unknown member of an entry", "a", acl(`[{"type":"user","value":"u","accessType":"grant","@odata.type":"#microsoft.graph.externalConnectors.acl","more":1}]`), 200, ""},
		{"the source of old pages", "a", acl(`[{"type":"user","value":"u","accessType":"grant","identitySource":"azureActiveDirectory"}]`), 200, ""},
		{"an unknown member of a label", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"informationProtectionLabel":{"sensitivityLabelId":"l","more":1}}`, 200, ""},
		{"128 characters", strings.Repeat("i", 128), p(`{"title":"x"}`), 200, ""},
		{"annotation after", "a", p(`{"tags":["x"],"tags@odata.type":"Collection(String)"}`), 200, ""},
		{"annotation before", "a", p(`{"tags@odata.type":"#Collection(String)","tags":["x"]}`), 200, ""},
		{"empty collection", "a", p(`{"tags@odata.type":"Collection(String)","tags":[]}`), 200, ""},
		{"annotated string", "a", p(`{"title@odata.type":"String","title":"ü"}`), 200, ""},
		{"annotated bag", "a", p(`{"@odata.type":"microsoft.graph.externalConnectors.properties","title":"x"}`), 200, ""},
		{"whole number for a double", "a", p(`{"cost":10000000000}`), 200, ""},
		{"dates", "a", p(`{"opened":"2026-05-01T08:00:00.000Z","days@odata.type":"Collection(DateTimeOffset)","days":["2026-05-01T08:00:00+02:00"]}`), 200, ""},
		{"principal", "a", p(`{"owner":{"@odata.type":"#microsoft.graph.externalConnectors.principal","email":"a@b.c"}}`), 200, ""},
		{"empty string", "a", p(`{"title":""}`), 200, ""},
		{"null content", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"content":null}`, 200, ""},
		{"activities", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"activities":[{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","type":"created","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}}]}`, 200, ""},
		{"ACL in any case", "a", acl(`[{"type":"User","value":"u","accessType":"Grant"}]`), 200, ""},

		{"129 characters", strings.Repeat("i", 129), p(`{"title":"x"}`), 400, "128"},
		{"slash", "a%2Fb", p(`{"title":"x"}`), 400, "'/'"},
		{"dot", "a.b", p(`{"title":"x"}`), 400, "'.'"},
		{"space", "a%20b", p(`{"title":"x"}`), 400, "' '"},
		{"umlaut", "%C3%BC", p(`{"title":"x"}`), 400, "'ü'"},
		{"plus", "a%2Bb", p(`{"title":"x"}`), 400, "'+'"},
		{"another id in the body", "a", `{"id":"b","acl":` + everyone + `,"properties":{"title":"x"}}`, 400, `"b"`},
		{"unknown property", "a", p(`{"nosuch":"x"}`), 400, `"nosuch"`},
		{"unknown annotated property", "a", p(`{"nosuch@odata.type":"String","title":"x"}`), 400, `"nosuch"`},
		{"a property twice", "a", p(`{"title":"x","Title":"y"}`), 400, `"title"`},
		{"number for a string", "a", p(`{"title":7}`), 400, `"title"`},
		{"string for an int64", "a", p(`{"priority":"7"}`), 400, `"priority"`},
		{"fraction for an int64", "a", p(`{"priority":7.5}`), 400, `"priority"`},
		{"exponent for an int64", "a", p(`{"priority":1e3}`), 400, `"priority"`},
		{"beyond int64", "a", p(`{"priority":9223372036854775808}`), 400, `"priority"`},
		{"string for a double", "a", p(`{"cost":"1.5"}`), 400, `"cost"`},
		{"beyond double", "a", p(`{"cost":1e999}`), 400, `"cost"`},
		{"string for a boolean", "a", p(`{"urgent":"true"}`), 400, `"urgent"`},
		{"no date", "a", p(`{"opened":"yesterday"}`), 400, `"opened"`},
		{"no such day", "a", p(`{"opened":"2026-02-30T00:00:00Z"}`), 400, `"opened"`},
		{"date without time", "a", p(`{"opened":"2026-05-01"}`), 400, `"opened"`},
		{"date without zone", "a", p(`{"opened":"2026-05-01T08:00:00"}`), 400, `"opened"`},
		{"number for a date", "a", p(`{"opened":1777622400}`), 400, `"opened"`},
		{"null", "a", p(`{"title":null}`), 400, `"title"`},
		{"collection without annotation", "a", p(`{"tags":["x"]}`), 400, `"tags@odata.type"`},
		{"wrong annotation", "a", p(`{"tags@odata.type":"Collection(Int64)","tags":["x"]}`), 400, `"tags"`},
		{"Collection(DateTime)", "a", p(`{"days@odata.type":"Collection(DateTime)","days":["2026-05-01T08:00:00Z"]}`), 400, `"days"`},
		{"a collection annotation on a string", "a", p(`{"title@odata.type":"Collection(String)","title":"x"}`), 400, `"title"`},
		{"string for a collection", "a", p(`{"tags@odata.type":"Collection(String)","tags":"x"}`), 400, `"tags"`},
		{"array for a string", "a", p(`{"title":["x"]}`), 400, `"title"`},
		{"number in a string collection", "a", p(`{"tags@odata.type":"Collection(String)","tags":["x",7]}`), 400, `"tags"`},
		{"unknown field of a principal", "a", p(`{"owner":{"name":"x"}}`), 400, `"owner"`},
		{"no properties on a new item", "new", `{"acl":` + everyone + `}`, 400, "properties"},
		{"empty properties", "a", p(`{}`), 400, "at least one"},
		{"properties is a list", "a", p(`[]`), 400, "properties"},
		{"no acl on a new item", "new", `{"properties":{"title":"x"}}`, 400, "acl"},
		{"empty acl", "a", acl(`[]`), 400, "acl"},
		{"null acl", "a", acl(`null`), 400, "acl"},
		{"acl type", "a", acl(`[{"type":"everybody","value":"x","accessType":"grant"}]`), 400, "everybody"},
		{"accessType", "a", acl(`[{"type":"user","value":"x","accessType":"allow"}]`), 400, "allow"},
		{"no accessType", "a", acl(`[{"type":"user","value":"x"}]`), 400, "accessType"},
		{"empty value", "a", acl(`[{"type":"user","value":"","accessType":"grant"}]`), 400, "value"},
		{"a user by mail", "a", acl(`[{"type":"user","value":"ann@contoso.com","accessType":"grant"}]`), 400, "object id"},
		{"a group by mail", "a", acl(`[{"type":"group","value":"team@contoso.com","accessType":"deny"}]`), 400, "object id"},
		{"a source in v1.0", "a", acl(`[{"type":"group","value":"x","accessType":"grant","identitySource":"external"}]`), 400, "v1.0"},
		{"a source that is none", "a", acl(`[{"type":"group","value":"x","accessType":"grant","identitySource":"ldap"}]`), 400, "ldap"},
		{"a label that is a number", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"informationProtectionLabel":{"sensitivityLabelId":7}}`, 400, "sensitivityLabelId"},
		{"a label that is text", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"informationProtectionLabel":"l"}`, 400, "informationProtectionLabel"},
		{"acl is an object", "a", acl(`{}`), 400, "acl"},
		{"an entry is text", "a", acl(`["everyone"]`), 400, "acl"},
		{"21 activities", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"activities":[` + strings.TrimSuffix(strings.Repeat(`{"@odata.type":"#microsoft.graph.externalConnectors.externalActivity","type":"created","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}},`, 21), ",") + `]}`, 400, "at most 20"},
		{"numeric value", "a", acl(`[{"type":"user","value":7,"accessType":"grant"}]`), 400, "value"},
		{"content is a string", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"content":"text"}`, 400, "does not match"},
		{"content type", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"content":{"type":"pdf","value":""}}`, 400, "pdf"},
		{"activity without a type", "a", `{"acl":` + everyone + `,"properties":{"title":"x"},"activities":[{"type":"created","startDateTime":"2026-05-01T08:00:00Z","performedBy":{"type":"user","id":"u"}}]}`, 400, "@odata.type"},
		{"unknown member", "a", `{"assignee":"x"}`, 400, "assignee"},
		{"no object", "a", `"x"`, 400, "object"},
		{"broken JSON", "a", `{"acl":[}`, 400, "JSON"},
		{"empty body", "a", ``, 400, "JSON"},
		{"no connection", "../nosuch/items/a", p(`{"title":"x"}`), 404, ""},
	} {
		path := base + "/desk/items/" + tt.id
		if tt.name == "no connection" {
			path = base + "/nosuch/items/a"
		}
		a := g.do("PUT", path, tt.body)
		if a.status != tt.status || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s: %v, want %d with %q", tt.name, a, tt.status, tt.text)
		}
	}
}

func TestItemLife(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	path := base + "/desk/items/a"
	g.want(404, "GET", path, nil)
	g.want(404, "DELETE", path, nil)
	g.want(404, "PATCH", path, `{"properties":{"title":"x"}}`)
	sent := `{"acl":[{"type":"user","value":"U1","accessType":"grant"},{"type":"everyone","value":"tenant","accessType":"grant"}],
		"properties":{"numbers":[1,9007199254740993],"numbers@odata.type":"Collection(Int64)","Title":"One \"quoted\" \u00fc <b>\u2028","priority":9007199254740993,"cost":10000000000},
		"content":{"type":"html","value":"<p>some w<b>or</b>ds</p><script>hidden()</script>"},"informationProtectionLabel":{"sensitivityLabelId":"l1"}}`
	put := g.want(200, "PUT", path, sent)
	got := g.want(200, "GET", path, nil)
	if !bytes.Equal(put.raw, got.raw) {
		t.Errorf("PUT answers %s\nGET answers %s", put.raw, got.raw)
	}
	for _, want := range []struct {
		path []any
		v    any
	}{
		{[]any{"id"}, "a"}, {[]any{"acl", 1, "value"}, "U1"}, {[]any{"acl", 1, "accessType"}, "grant"},
		{[]any{"properties", "title"}, "One \"quoted\" ü <b>\u2028"}, {[]any{"properties", "priority"}, json.Number("9007199254740993")},
		{[]any{"properties", "numbers@odata.type"}, "Collection(Int64)"}, {[]any{"properties", "numbers", 1}, json.Number("9007199254740993")},
		{[]any{"content", "type"}, "html"}, {[]any{"content", "value"}, "<p>some w<b>or</b>ds</p><script>hidden()</script>"},
		{[]any{"informationProtectionLabel", "sensitivityLabelId"}, "l1"},
	} {
		if v := got.get(want.path...); v != want.v {
			t.Errorf("item: %v = %#v, want %#v", want.path, v, want.v)
		}
	}
	find := func(q string, want bool) {
		t.Helper()
		ids, _ := g.search("u9", "desk", q, "")
		if (len(ids) == 1) != want {
			t.Errorf("search(%q) = %v, want found = %v", q, ids, want)
		}
	}
	find("words", true)
	find("hidden", false)

	// What is left out is kept, what is sent replaces its member whole.
	for _, method := range []string{"PUT", "PATCH"} {
		g.want(200, method, path, `{"properties":{"title":"Second `+method+`"}}`)
		got = g.want(200, "GET", path, nil)
		if got.get("properties", "title") != "Second "+method || got.get("properties", "priority") != nil || got.get("content", "type") != "html" ||
			len(got.get("acl").([]any)) != 2 || got.get("informationProtectionLabel", "sensitivityLabelId") != "l1" {
			t.Errorf("after %s of properties: %v", method, got)
		}
		find("words second "+method, true)
		find("quoted", false)
		g.want(200, method, path, `{"content":{"type":"text","value":"other `+method+`"}}`)
		find("words", false)
		find("other second "+method, true)
		g.want(200, method, path, `{"acl":[{"type":"user","value":"u1","accessType":"grant"}]}`)
		find("other", false)
		g.want(200, method, path, `{"acl":`+everyone+`}`)
		find("other", true)
		g.want(200, method, path, sent)
	}
	if a := g.want(204, "DELETE", path, nil); len(a.raw) != 0 {
		t.Errorf("DELETE has a body: %s", a.raw)
	}
	g.want(404, "GET", path, nil)
	find("words", false)
	g.want(404, "POST", base+"/desk/items", `{}`)
	g.want(404, "GET", base+"/desk/items", nil)
}

func TestReplaceOnPut(t *testing.T) {
	g := open(t, Options{ReplaceOnPut: true, AllowNullProperties: true, AllowLooseDates: true, AllowDuplicateNames: true, AlwaysNewEnums: true})
	g.register("desk", helpdesk)
	g.want(201, "POST", base, `{"id":"desk2","name":"Name of desk"}`)
	g.put("desk", "a", `{"title":"x","status":null,"opened":"2026-05-01"}`, "words")
	g.want(400, "PUT", base+"/desk/items/a", `{"properties":{"title":"y"}}`)
	g.want(200, "PUT", base+"/desk/items/a", `{"acl":`+everyone+`,"properties":{"title":"y"}}`)
	if a := g.want(200, "GET", base+"/desk/items/a", nil); a.get("content") != nil {
		t.Errorf("item = %v, want its content gone", a)
	}
	if ids, _ := g.search("u", "desk", "words", ""); len(ids) != 0 {
		t.Errorf("search finds %v by content that is gone", ids)
	}
	if a := g.want(200, "GET", base+"/desk/schema", nil); a.get("properties", 12, "type") != "principal" {
		t.Errorf("schema = %v, want all enum members", a)
	}
}

func TestBodies(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	path := base + "/desk/items/a"
	body := `{"acl":` + everyone + `,"properties":{"title":"x"}}`
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	zw.Write([]byte(body))
	zw.Close()
	g.want(200, "PUT", path, z.Bytes(), "Content-Encoding", "gzip")
	g.want(200, "PUT", path, body, "Content-Encoding", "gzip", "Retry-Attempt", "1") // plain all the same: the Go SDK's retries
	g.want(200, "PUT", path, "\xef\xbb\xbf"+body)
	g.want(415, "PUT", path, body, "Content-Encoding", "br")
	g.want(400, "PUT", path, z.Bytes()[:20], "Content-Encoding", "gzip")

	large := func(n int) string {
		return `{"acl":` + everyone + `,"properties":{"title":"x"},"content":{"type":"text","value":"` + strings.Repeat("w ", n/2) + `"}}`
	}
	g.want(200, "PUT", path, large(3_900_000))
	g.want(413, "PUT", path, large(4_000_001))
	z.Reset()
	zw.Reset(&z)
	zw.Write([]byte(large(4_000_001))) // small on the wire, large when inflated
	zw.Close()
	g.want(413, "PUT", path, z.Bytes(), "Content-Encoding", "gzip")
}

func TestErrorsAndHeaders(t *testing.T) {
	g := open(t, Options{Tokens: map[string]Caller{"app-token": {App: true, SearchAs: "ann@contoso.com"}, "user-token": {UserID: "u1"}, "bare": {App: true}}})
	g.register("desk", helpdesk)
	g.put("desk", "a", `{"title":"x"}`, "")
	call := func(token, method, path, body string) answer {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Client-Request-Id", "client-1")
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		w := httptest.NewRecorder()
		checked(t, g.srv).ServeHTTP(w, r)
		a := answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
		json.Unmarshal(a.raw, &a.body)
		return a
	}
	for _, tt := range []struct {
		token, method, path, body string
		status                    int
		code                      string
	}{
		{"", "GET", base, "", 401, "InvalidAuthenticationToken"},
		{"Bearer ", "GET", base, "", 401, "InvalidAuthenticationToken"},
		{"Bearer wrong", "GET", base, "", 401, "InvalidAuthenticationToken"},
		{"Basic app-token", "GET", base, "", 401, "InvalidAuthenticationToken"},
		{"bearer app-token", "GET", base, "", 200, ""},
		{"Bearer user-token", "GET", base, "", 403, "Forbidden"},
		{"Bearer user-token", "PUT", base + "/desk/items/a", "{}", 403, "Forbidden"},
		{"Bearer user-token", "POST", "/v1.0/search/query", searchBody("desk", "x", ""), 200, ""},
		{"Bearer app-token", "POST", "/v1.0/search/query", searchBody("desk", "x", ""), 200, ""},
		{"Bearer bare", "POST", "/v1.0/search/query", searchBody("desk", "x", ""), 403, "Forbidden"},
		{"Bearer app-token", "GET", "/nosuch", "", 404, "ItemNotFound"},
		{"Bearer app-token", "GET", "/v1.0/nosuch", "", 404, "ItemNotFound"},
		{"Bearer app-token", "DELETE", base, "", 405, "Request_BadRequest"},
		{"Bearer app-token", "POST", base + "/desk/items/a", "{}", 405, "Request_BadRequest"},
	} {
		a := call(tt.token, tt.method, tt.path, tt.body)
		code, _ := a.get("error", "code").(string)
		if a.status != tt.status || code != tt.code {
			t.Errorf("%s %s as %q = %v, want %d %s", tt.method, tt.path, tt.token, a, tt.status, tt.code)
		}
		if a.header.Get("Request-Id") == "" || a.header.Get("Client-Request-Id") != "client-1" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: headers %v", tt.method, tt.path, a.header)
		}
		if tt.status >= 400 && (a.get("error", "innerError", "client-request-id") != "client-1" ||
			a.get("error", "innerError", "request-id") != a.header.Get("Request-Id") || a.get("error", "innerError", "date") == nil || a.get("error", "message") == "") {
			t.Errorf("%s %s: envelope %s", tt.method, tt.path, a.raw)
		}
		if strings.Contains(string(a.raw), "token\"") || strings.Contains(string(a.raw), "app-token") {
			t.Errorf("%s %s: the answer tells a token: %s", tt.method, tt.path, a.raw)
		}
	}
	if a := call("Bearer app-token", "DELETE", base, ""); a.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("Allow = %q, want GET, HEAD, POST, OPTIONS", a.header.Get("Allow"))
	}
	if a := call("", "GET", base, ""); a.header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
}
