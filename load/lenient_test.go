package load

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"importer/transform"
)

// An activity's error is its own, and what was taken is not sent again.
func TestActivitiesThatMisbehave(t *testing.T) {
	list := func() []Activity {
		var list []Activity
		for i := range 25 {
			list = append(list, Activity{Type: "viewed", Start: "2026-05-01T08:00:00Z", By: Identity{"user", fmt.Sprint(i)}})
		}
		return list
	}
	answer := func(n int, bad ...int) string {
		value := []map[string]any{}
		for i := range n {
			value = append(value, map[string]any{"id": i, "error": nil, "newer": 1})
			if slices.Contains(bad, i) {
				value[i]["error"] = map[string]any{"code": 400, "message": nil, "innerError": "too old"}
			}
		}
		out, _ := json.Marshal(map[string]any{"value": value})
		return string(out)
	}
	const first, second = 1, 2 // the calls, of 20 and of 5
	for _, tt := range []struct {
		name     string
		answers  map[int][]fault // to each try of a call
		results  int
		faults   []int // indexes of activities with a fault
		requests int
		words    string
	}{
		{"each has its own", map[int][]fault{first: {{status: 207, body: answer(20, 0, 19)}}, second: {{status: 207, body: answer(5, 2)}}}, 25, []int{0, 19, 22}, 2, ""},
		{"the reply is lost, and they are there", map[int][]fault{first: {{loseReply: true}, {status: 409, said: true}}, second: {{status: 503}, {status: 200, body: answer(5)}}}, 25, nil, 4, ""},
		{"they clash at once", map[int][]fault{first: {{status: 409, said: true}}}, 0, nil, 1, "409"},
		{"an answer that is none", map[int][]fault{first: {{status: 200, body: answer(20)}}, second: {{status: 200, body: `{"value":[`}}}, 20, nil, 2, "not refused"},
		{"an answer about others", map[int][]fault{first: {{status: 207, body: answer(19)}}}, 0, nil, 1, "about 19"},
		{"refused altogether", map[int][]fault{first: {{status: 200, body: answer(20)}}, second: {{status: 403, said: true}}}, 20, nil, 2, "ExternalItem.ReadWrite.OwnedBy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, g := newFakeGraph(t, nil)
				tries := map[int]int{}
				f.setFault(func(r *http.Request, _ int) fault {
					call := first
					if r.ContentLength < 1500 {
						call = second
					}
					tries[call]++
					if tries[call] > len(tt.answers[call]) {
						t.Errorf("call %d is made once more", call)
						return fault{status: 400}
					}
					return tt.answers[call][tries[call]-1]
				})
				results, err := g.AddActivities(t.Context(), "a", list())
				if (err == nil) != (tt.words == "") || err != nil && !strings.Contains(err.Error(), tt.words) {
					t.Errorf("%v, want %q", err, tt.words)
				}
				var faults []int
				for i, r := range results {
					if r.Value.Fault() != "" {
						faults = append(faults, i)
						if r.Value.Fault() != "too old" {
							t.Errorf("fault %q, want the service's words", r.Value.Fault())
						}
					}
				}
				if len(results) != tt.results || !slices.Equal(faults, tt.faults) || len(f.log) != tt.requests {
					t.Errorf("%d results with faults %v by %d requests, want %d, %v, %d", len(results), faults, len(f.log), tt.results, tt.faults, tt.requests)
				}
			})
		})
	}
}

// Ids are escaped wherever they stand in a path.
func TestIDsAreEscaped(t *testing.T) {
	const odd, escaped = "ü,= @;'()/%+&?#:", "%C3%BC%2C%3D%20%40%3B%27%28%29%2F%25%2B%26%3F%23%3A"
	for id, want := range map[string]string{odd: escaped, ".": "%2E", "..": "%2E%2E", "...": "...", "a.b": "a.b", "-._~": "-._~"} {
		f, g := newFakeGraph(t, nil)
		f.fault = func(r *http.Request, _ int) fault {
			f.log[len(f.log)-1] = r.Method + " " + r.RequestURI
			return fault{}
		}
		ctx := t.Context()
		g.Put(ctx, []*transform.Item{item(id, "A")})
		g.Delete(ctx, []string{id})
		g.PutGroup(ctx, transform.Group{ID: id})
		g.AddMember(ctx, id, transform.Member{Type: "user", ID: id})
		g.RemoveMember(ctx, id, transform.Member{Type: "user", ID: id})
		g.Operation(ctx, id)
		g.AddActivities(ctx, id, []Activity{{Type: "viewed"}})
		g.On(id).GetConnection(ctx)
		base := "/v1.0" + hd
		wanted := []string{
			"PUT " + base + "/items/" + want, "DELETE " + base + "/items/" + want,
			"GET " + base + "/groups/" + want, "POST " + base + "/groups",
			"POST " + base + "/groups/" + want + "/members", "DELETE " + base + "/groups/" + want + "/members/" + want,
			"GET " + base + "/operations/" + want, "POST " + base + "/items/" + want + "/addActivities",
			"GET /v1.0/external/connections/" + want,
		}
		if !slices.Equal(f.log, wanted) {
			t.Errorf("the id %q goes as\n%s\nwant\n%s", id, strings.Join(f.log, "\n"), strings.Join(wanted, "\n"))
		}
	}
}

// A service that is newer, or older, than this client: every object of its
// answers has members that nobody knows, numbers and booleans are strings,
// strings that say nothing are null, and the members of enums are unknown.
func TestAnswersFromAnotherRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, tr := newFake(t)
		f.page = 2
		g := f.client(newer{t, tr}, nil)
		ctx := t.Context()
		if created, err := g.EnsureConnection(ctx, helpdesk, tickets); err != nil || !created {
			t.Fatalf("EnsureConnection: %v, %v", created, err)
		}
		f.conns["hd"].info["contentCategory"] = "unknownFutureValue"
		if _, err := g.EnsureConnection(ctx, transform.Connection{ID: "hd", Name: "Helpdesk", Description: "Tickets", ContentCategory: "media"}, tickets); err != nil {
			t.Errorf("EnsureConnection again: %v", err)
		}
		bad := item("b", "refuse me")
		results := g.Put(ctx, []*transform.Item{item("a", "printer"), bad})
		checkFates(t, results, Stored, Rejected)
		if !strings.Contains(results[1].Err.Error(), "does not match schema") {
			t.Errorf("the rejection is %v", results[1].Err)
		}
		checkFates(t, g.Delete(ctx, []string{"none"}), Stored)
		if it, err := g.GetItem(ctx, "a"); err != nil || len(it.ACL) != 1 {
			t.Errorf("GetItem = %+v, %v", it, err)
		}
		if page, err := g.Search(ctx, Query{Text: "printer"}); err != nil || page.Total != 1 || page.Hits[0].ID != "a" || page.Hits[0].Rank != 1 || page.More {
			t.Errorf("Search = %+v, %v", page, err)
		}
		if _, err := g.PutGroup(ctx, transform.Group{ID: "team", DisplayName: "Team"}); err != nil {
			t.Errorf("PutGroup: %v", err)
		}
		for _, id := range []string{"1", "2", "3"} {
			if err := g.AddMember(ctx, "team", transform.Member{Type: "user", ID: id}); err != nil {
				t.Errorf("AddMember: %v", err)
			}
		}
		if members, listed, err := g.Members(ctx, "team"); err != nil || !listed || len(members) != 3 {
			t.Errorf("Members = %v, %v, %v", members, listed, err)
		}
		f.conns["hd"].info["state"] = "somethingNewer"
		if ready, err := g.Ready(ctx); err != nil || !ready {
			t.Errorf("Ready of an unknown state = %v, %v", ready, err)
		}
		if err := g.DeleteConnection(ctx); err != nil {
			t.Errorf("DeleteConnection: %v", err)
		}
	})
}

// newer is a transport that makes answers look like those of another release.
type newer struct {
	t    *testing.T
	next http.RoundTripper
}

func (n newer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	var v any
	if json.Unmarshal(body, &v) == nil {
		if body, err = json.Marshal(n.change("", v)); err != nil {
			n.t.Error(err)
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
	return resp, nil
}

func (n newer) change(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if key != "properties" || member == nil { // an item's are the mapping's own
				v[key] = n.change(key, member)
			}
		}
		if key != "properties" {
			v["newerNumber"], v["newerObject"], v["newerList"], v["newerNull"] = 1, map[string]any{"a": []int{1}}, []any{nil, 1}, nil
		}
		for _, absent := range []string{"aliases", "labels", "content", "description", "summary", "details"} {
			if have, ok := v[absent]; !ok || have == "" {
				v[absent] = nil
			}
		}
	case []any:
		for i := range v {
			v[i] = n.change("", v[i])
		}
	case float64, bool:
		return fmt.Sprint(v)
	}
	return v
}
