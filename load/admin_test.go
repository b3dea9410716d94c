package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importer/transform"
)

// Lists come whole, page by page, and no link leads to another host.
func TestLists(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	f.page = 2
	delete(f.conns, "hd")
	for i := range 5 {
		id := fmt.Sprint("c", i)
		f.conns[id] = newFakeConn(id, "Name "+id)
	}
	ids := func(opt ListOptions) []string {
		var ids []string
		for c, err := range g.Connections(t.Context(), opt) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, c.Value.ID)
			if !strings.Contains(string(c.Raw), "newerField") {
				t.Errorf("the document lost what is newer: %s", c.Raw)
			}
		}
		return ids
	}
	for _, tt := range []struct {
		opt      ListOptions
		want     string
		requests int
	}{
		{ListOptions{}, "c0 c1 c2 c3 c4", 3},
		{ListOptions{Top: 3}, "c0 c1 c2", 2},
		{ListOptions{Top: 2}, "c0 c1", 1},
		{ListOptions{Top: 50}, "c0 c1 c2 c3 c4", 3},
		{ListOptions{Filter: "name eq 'Name c3'"}, "c3", 1},
		{ListOptions{Filter: "name eq 'a&b=c d'"}, "", 1},
	} {
		f.log = nil
		if got := strings.Join(ids(tt.opt), " "); got != tt.want || len(f.log) != tt.requests {
			t.Errorf("%+v: %s by %q, want %s by %d requests", tt.opt, got, f.log, tt.want, tt.requests)
		}
	}
	f.log = nil
	for range g.Connections(t.Context(), ListOptions{}) {
		break
	}
	if len(f.log) != 1 {
		t.Errorf("a loop that ends early asked %q", f.log)
	}
}

// A list that does not come to an end, or whose links are none, is an error and
// never a short list.
func TestListsThatAreBroken(t *testing.T) {
	for name, link := range map[string]string{
		"in circles": "https://graph.fake/v1.0/external/connections?$skiptoken=1", "without a query": "https://graph.fake/v1.0/more", "no address": "\x7f",
	} {
		f, g := newFakeGraph(t, nil)
		f.fault = func(*http.Request, int) fault {
			body, err := json.Marshal(map[string]any{"value": []any{map[string]any{"id": "c"}, nil}, "@odata.nextLink": link})
			if err != nil {
				t.Error(err)
			}
			return fault{status: 200, body: string(body)}
		}
		var last error
		n := 0
		for _, err := range g.Connections(t.Context(), ListOptions{}) {
			last = err
			n++
		}
		if last == nil || n > 3 || len(f.log) > 2 {
			t.Errorf("%s: %d members, %v after %d requests, want an error soon", name, n, last, len(f.log))
		}
	}
}

// The members of a group beyond the first page are members.
func TestMembersOfManyPages(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	f.page = 2
	f.conns["hd"].groups["a b"] = map[string]any{"id": "a b"}
	for i := range 5 {
		f.conns["hd"].members[fmt.Sprint("a b/", i)] = "user"
	}
	members, listed, err := g.Members(t.Context(), "a b")
	if err != nil || !listed || len(members) != 5 || members[4] != (transform.Member{Type: "user", ID: "4"}) {
		t.Errorf("Members = %v, %v, %v, want all five", members, listed, err)
	}
	f.page = 0
	if members, listed, err := g.Members(t.Context(), "a b"); listed || err != nil || members != nil {
		t.Errorf("Members where there is no list = %v, %v, %v", members, listed, err)
	}
	for _, err := range g.Groups(t.Context(), ListOptions{}) {
		if !Unlisted(err) {
			t.Errorf("Groups where there is no list: %v", err)
		}
	}
	f.page = 1
	f.conns["hd"].groups["c"] = map[string]any{"id": "c"}
	n := 0
	for group, err := range g.Groups(t.Context(), ListOptions{}) {
		if err != nil || group.Value.ID == "" {
			t.Errorf("Groups: %v, %v", group, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d groups, want 2", n)
	}
}

func TestCreateGroup(t *testing.T) {
	audit := Group{ID: "audit", DisplayName: "Audit", Description: "They look"}
	for _, tt := range []struct {
		name   string
		there  map[string]any
		fault  fault // of the first POST
		exists bool
		posts  int
	}{
		{"new", nil, fault{}, false, 1},
		{"there", map[string]any{"id": "audit"}, fault{}, true, 0},
		{"the reply is lost", nil, fault{loseReply: true}, false, 2},
		{"the request is lost", nil, fault{loseRequest: true}, false, 2},
		{"busy", nil, fault{status: 503}, false, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, g := newFakeGraph(t, nil)
			if tt.there != nil {
				f.conns["hd"].groups["audit"] = tt.there
			}
			done := false
			f.fault = func(r *http.Request, _ int) fault {
				if r.Method != "POST" || done {
					return fault{}
				}
				done = true
				return tt.fault
			}
			made, err := g.CreateGroup(t.Context(), audit)
			if _, ok := errors.AsType[*ExistsError](err); ok != tt.exists || !ok && err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if err == nil && made.Value != audit || f.requests("POST") != tt.posts {
				t.Errorf("%s: made %+v by %d POSTs, want %d", tt.name, made, f.requests("POST"), tt.posts)
			}
		})
	}
}

// Of two who make a group of one id, one is told that it is the other's.
func TestCreateGroupMadeMeanwhile(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	f.fault = func(r *http.Request, _ int) fault {
		if r.Method == "POST" {
			f.conns["hd"].groups["audit"] = map[string]any{"id": "audit", "displayName": "Theirs"}
			return fault{status: 409, said: true}
		}
		return fault{}
	}
	_, err := g.CreateGroup(t.Context(), Group{ID: "audit", DisplayName: "Ours"})
	if _, ok := errors.AsType[*ExistsError](err); !ok {
		t.Errorf("%v, want an *ExistsError", err)
	}
}

func TestUpdateGroup(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	f.conns["hd"].groups["audit"] = map[string]any{"id": "audit", "displayName": "Audit", "description": "old"}
	if err := g.UpdateGroup(t.Context(), "audit", nil, new("")); err != nil {
		t.Fatal(err)
	}
	got, err := g.GetGroup(t.Context(), "audit")
	if err != nil || got.Value != (Group{ID: "audit", DisplayName: "Audit"}) {
		t.Errorf("GetGroup = %+v, %v, want an empty description and the old name", got, err)
	}
	if err := g.UpdateGroup(t.Context(), "nobody", new("x"), nil); !NotFound(err) {
		t.Errorf("UpdateGroup of none: %v, want a 404", err)
	}
	if found, err := g.TakeMember(t.Context(), "audit", "anna"); found || err != nil {
		t.Errorf("TakeMember of nobody = %v, %v", found, err)
	}
}

func TestConnectionByHand(t *testing.T) {
	doc := json.RawMessage(`{"id":"kb","name":"KB","searchSettings":{"searchResultTemplates":[]}}`)
	synctest.Test(t, func(t *testing.T) {
		f, tr := newFake(t)
		f.deleteTakes = 3 * time.Minute
		g := f.client(tr, func(o *GraphOptions) { o.Connection = "" })
		made, err := g.CreateConnection(t.Context(), doc)
		if err != nil || made.Value.State != "draft" || made.Value.ID != "kb" {
			t.Fatalf("CreateConnection = %+v, %v", made, err)
		}
		if _, err := g.CreateConnection(t.Context(), doc); err == nil || err.Error() != "the connection kb exists already" {
			t.Errorf("CreateConnection of what is there: %v", err)
		}
		kb := g.On("kb")
		if err := kb.UpdateConnection(t.Context(), json.RawMessage(`{"name":"New"}`)); err != nil || f.conns["kb"].info["name"] != "New" {
			t.Errorf("UpdateConnection: %v, %v", err, f.conns["kb"].info)
		}
		if err := g.On("other").UpdateConnection(t.Context(), json.RawMessage(`{}`)); !NotFound(err) {
			t.Errorf("UpdateConnection of none: %v", err)
		}
		started := time.Now()
		if err := kb.BeginDelete(t.Context()); err != nil || time.Since(started) > time.Second || f.conns["kb"] == nil {
			t.Errorf("BeginDelete: %v after %v", err, time.Since(started))
		}
		if err := kb.DeleteConnection(t.Context()); err != nil || time.Since(started) < 3*time.Minute || f.conns["kb"] != nil {
			t.Errorf("DeleteConnection: %v after %v", err, time.Since(started))
		}
	})
}

func TestItemByHand(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	body := json.RawMessage(`{"id":"a b","acl":[{"type":"everyone","value":"everyone","accessType":"grant"}],"properties":{"title":"x"},"newer":1}`)
	it, err := g.PutItem(t.Context(), "a b", body)
	if err != nil || it.Value.ID != "a b" || string(f.conns["hd"].items["a b"]) != string(body) {
		t.Errorf("PutItem = %+v, %v; stored %s", it, err, f.conns["hd"].items["a b"])
	}
	if got, err := g.Item(t.Context(), "a b"); err != nil || !strings.Contains(string(got.Raw), `"newer":1`) {
		t.Errorf("Item = %s, %v", got.Raw, err)
	}
	if _, err := g.PutItem(t.Context(), "c", json.RawMessage(`{"acl":[],"properties":{}}`)); !Refused(err) {
		t.Errorf("PutItem of what cannot be: %v, want a refusal", err)
	}
	// A service that answers without a body has stored it all the same.
	f.setFault(func(r *http.Request, _ int) fault { return fault{status: map[bool]int{true: 204}[r.Method == "PUT"]} })
	if it, err := g.PutItem(t.Context(), "a b", body); it != nil || err != nil {
		t.Errorf("PutItem without an answer's body = %v, %v", it, err)
	}
	f.setFault(nil)
	for _, want := range []bool{true, false} {
		if found, err := g.DeleteItem(t.Context(), "a b"); found != want || err != nil {
			t.Errorf("DeleteItem = %v, %v, want %v", found, err, want)
		}
	}
	for _, fault := range []fault{{status: 404, said: true}, {status: 401, said: true}, {status: 403, said: true}, {status: 503}, {status: 429}, {loseRequest: true}} {
		if err := errorOf(f, g, fault); Refused(err) {
			t.Errorf("%+v counts as a refusal of the item: %v", fault, err)
		}
	}
}

// errorOf is what a PUT gives under a fault, tried once.
func errorOf(f *fake, g *Graph, what fault) error {
	f.setFault(func(*http.Request, int) fault { return what })
	defer f.setFault(nil)
	once := *g
	once.opt.Retry = Retry{Tries: 1, For: 1, Base: 1, Max: 1, MaxAfter: 1}
	_, err := once.PutItem(f.t.Context(), "a", json.RawMessage(`{}`))
	return err
}

// Activities go 20 a call, and each has its own answer.
func TestAddActivities(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	f.conns["hd"].items["a"] = json.RawMessage(`{}`)
	list := make([]Activity, 45)
	for i := range list {
		list[i] = Activity{Type: "viewed", Start: "2026-05-01T08:00:00Z", By: Identity{"user", "u"}}
	}
	list[22].Type = "licked"
	results, err := g.AddActivities(t.Context(), "a", list)
	if err != nil || len(results) != 45 || f.requests("POST") != 3 || f.conns["hd"].activities != 45 {
		t.Fatalf("%d results, %v by %d calls", len(results), err, f.requests("POST"))
	}
	for i, r := range results {
		if got, want := r.Value.Fault(), map[bool]string{true: "the type is not known"}[i == 22]; got != want || !strings.Contains(string(r.Raw), "newer") {
			t.Errorf("the answer to %d is %q %s, want %q", i, got, r.Raw, want)
		}
	}
	if _, err := g.AddActivities(t.Context(), "b", list[:1]); !NotFound(err) {
		t.Errorf("activities of no item: %v", err)
	}
	// What came before an error is told.
	f.setFault(func(r *http.Request, n int) fault {
		return fault{status: map[bool]int{true: 403}[f.conns["hd"].activities > 60], said: true}
	})
	if results, err := g.AddActivities(t.Context(), "a", list); err == nil || len(results) != 20 {
		t.Errorf("%d results before the error, %v, want 20", len(results), err)
	}
	f.setFault(func(*http.Request, int) fault { return fault{status: 200, body: `{"value":[null]}`} })
	if _, err := g.AddActivities(t.Context(), "a", list[:2]); err == nil {
		t.Error("an answer to one of two activities was taken for both")
	}
	if results, err := g.AddActivities(t.Context(), "a", list[:1]); err != nil || results[0].Value.Fault() != "" {
		t.Errorf("an answer of null: %v, %v", results, err)
	}
}

func TestActivityFault(t *testing.T) {
	for text, want := range map[string]string{
		`{"error":null}`: "", `{}`: "", `{"error":{}}`: "the service does not say why", `{"error":{"code":"Bad"}}`: "Bad",
		`{"error":{"message":"outer","innerError":{"message":"inner"}}}`: "inner",
	} {
		var r Document[ActivityResult]
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.Value.Fault() != want {
			t.Errorf("%s: %q, %v, want %q", text, r.Value.Fault(), err, want)
		}
	}
}

// The words of a registration that goes on and of one that fails.
func TestOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		f.schemaTakes = 2 * time.Minute
		f.schemaFails = "no such label"
		f.conns["hd"].info["state"] = "draft"
		diff, err := g.DiffSchema(t.Context(), tickets)
		if err != nil {
			t.Fatal(err)
		}
		id, err := g.BeginSchema(t.Context(), diff, tickets)
		if err != nil || id == "" {
			t.Fatalf("BeginSchema = %q, %v", id, err)
		}
		op, err := g.Operation(t.Context(), id)
		if err != nil || op.Value.Ended() || op.Value.Status != "inprogress" {
			t.Errorf("at first: %+v, %v", op, err)
		}
		var seen []string
		err = g.AwaitSchema(t.Context(), id, tickets, func(op *Operation) { seen = append(seen, op.Status) })
		if refused, ok := errors.AsType[*SchemaRefusedError](err); !ok || refused.Words != "no such label" {
			t.Errorf("AwaitSchema: %v", err)
		}
		if len(seen) < 2 || seen[0] != "inprogress" || seen[len(seen)-1] != "failed" {
			t.Errorf("it told of %q", seen)
		}
		if _, err := g.Operation(t.Context(), "4711"); !NotFound(err) {
			t.Errorf("no operation: %v", err)
		}
	})
}

func TestBeginSchemaRefuses(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	diff := &SchemaDiff{Changes: []SchemaChange{{Property: "a", Change: "type", Verdict: NewConnection}, {Property: "b", Verdict: Allowed}}}
	_, err := g.BeginSchema(t.Context(), diff, tickets)
	if schema, ok := errors.AsType[*SchemaError](err); !ok || len(schema.Changes) != 1 || len(f.log) != 0 {
		t.Errorf("%v after %q, want a *SchemaError and nothing sent", err, f.log)
	}
}

// What the service says of the clock and of the way to it, whatever it answers.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		f.page = 1
		date := func(skew time.Duration) map[string]string {
			return map[string]string{"Date": time.Now().Add(skew).UTC().Format(http.TimeFormat)}
		}
		if p := g.Probe(t.Context()); p.Err != nil || !p.Answered() || !p.Clocked || p.Skew.Abs() > 2*time.Second {
			t.Errorf("well: %+v", p)
		}
		f.setFault(func(*http.Request, int) fault {
			return fault{status: 401, said: true, header: date(-time.Hour), slow: 300 * time.Millisecond}
		})
		p := g.Probe(t.Context())
		if Status(p.Err) != 401 || !p.Answered() || p.Answer != 300*time.Millisecond || (p.Skew+time.Hour).Abs() > 2*time.Second {
			t.Errorf("an hour late, and 401: %+v", p)
		}
		if _, ok := errors.AsType[*AuthError](p.Err); !ok {
			t.Errorf("401 is %T", p.Err)
		}
		f.setFault(func(*http.Request, int) fault { return fault{loseRequest: true} })
		if p := g.Probe(t.Context()); p.Answered() || p.Err == nil {
			t.Errorf("away: %+v", p)
		}
	})
}

// What a query asks for stands in the request, and what is not asked for does
// not.
func TestSearchRequest(t *testing.T) {
	_, g := newFakeGraph(t, nil)
	plain, err := marshal(g.searchRequest(Query{Text: "a"}))
	if want := `{"entityTypes":["externalItem"],"contentSources":["/external/connections/hd"],"query":{"queryString":"a"},"from":0}`; err != nil || string(plain) != want {
		t.Errorf("%s, %v, want %s", plain, err, want)
	}
	full, err := marshal(g.searchRequest(Query{Text: "a", Connections: []string{"x", "y"}, From: 5, Size: 10, Fields: []string{"title"},
		Sort: []SortKey{{"opened", true}}, Aggregate: []AggregateBy{{"team", 3}}, Filters: []string{`team:"t"`}}))
	want := `{"entityTypes":["externalItem"],"contentSources":["/external/connections/x","/external/connections/y"],"query":{"queryString":"a"},"from":5,"size":10,` +
		`"fields":["title"],"sortProperties":[{"name":"opened","isDescending":true}],` +
		`"aggregations":[{"field":"team","size":3,"bucketDefinition":{"sortBy":"count","isDescending":true,"minimumCount":1}}],"aggregationFilters":["team:\"t\""]}`
	if err != nil || string(full) != want {
		t.Errorf("%s, %v, want\n%s", full, err, want)
	}
}

func TestReadSettings(t *testing.T) {
	s, err := ReadSettings(json.RawMessage(`{"configuration":{"authorizedAppIds":["a"],"newer":1},"searchSettings":null,
		"activitySettings":{"urlToItemResolvers":[{"@odata.type":"#x","priority":1,"itemId":"{id}","urlMatchInfo":{"baseUrls":["https://x"],"urlPattern":"/(?<id>.+)"}}]}}`))
	if err != nil || !slices.Equal(s.Configuration.AuthorizedAppIDs, []string{"a"}) || s.ActivitySettings.Resolvers[0].Match.Pattern != "/(?<id>.+)" {
		t.Errorf("ReadSettings = %+v, %v", s, err)
	}
	if _, err := ReadSettings(json.RawMessage(`{"configuration":[]}`)); err == nil {
		t.Error("settings of another shape were read")
	}
}
