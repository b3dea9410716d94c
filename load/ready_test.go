package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importer/transform"
)

// is tells whether a request is one that begins so, below the version.
func is(r *http.Request, begin string) bool {
	return strings.HasPrefix(r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1.0"), begin)
}

const (
	postConnection = "POST /external/connections"
	hd             = "/external/connections/hd"
)

// What a registration may look like, other than by its operation from
// inprogress to completed.
func TestRegistrationsThatMisbehave(t *testing.T) {
	for _, tt := range []struct {
		name     string
		prepare  func(f *fake)
		fault    func(f *fake, r *http.Request, since time.Duration) fault
		min, max time.Duration
		patches  int
		words    string // of the error; "" is none
	}{
		{name: "the operation is not seen for three minutes", min: 7 * time.Minute, max: 9 * time.Minute, patches: 1,
			fault: func(_ *fake, r *http.Request, since time.Duration) fault {
				if is(r, "GET "+hd+"/operations/") && since < 3*time.Minute {
					return fault{status: 404, said: true}
				}
				return fault{}
			}},
		{name: "the operation is never seen", min: 7 * time.Minute, max: 9 * time.Minute, patches: 1,
			fault: func(_ *fake, r *http.Request, _ time.Duration) fault {
				if is(r, "GET "+hd+"/operations/") {
					return fault{status: 404, said: true}
				}
				return fault{}
			}},
		{name: "it is answered 503 and yet under way", min: 7 * time.Minute, max: 9 * time.Minute, patches: -1,
			fault: onceAt("PATCH "+hd+"/schema", fault{status: 503, after: true})},
		{name: "its answer is lost", min: 7 * time.Minute, max: 9 * time.Minute, patches: -1,
			fault: onceAt("PATCH "+hd+"/schema", fault{loseReply: true})},
		{name: "no operation is named", prepare: func(f *fake) { f.location = func(string) string { return "" } },
			min: 7 * time.Minute, max: 9 * time.Minute, patches: 1},
		{name: "the operation's address is relative", prepare: func(f *fake) { f.location = func(p string) string { return p } },
			min: 7 * time.Minute, max: 9 * time.Minute, patches: 1},
		{name: "the operation is named by a key, with a query", min: 7 * time.Minute, max: 9 * time.Minute, patches: 1,
			prepare: func(f *fake) {
				f.location = func(p string) string {
					return "https://elsewhere.example" + strings.Replace(p, "/operations/", "/Operations('", 1) + "')?api-version=7#x"
				}
			}},
		{name: "it fails, and yet is registered a minute later", min: 8 * time.Minute, max: 9 * time.Minute, patches: 1,
			prepare: func(f *fake) { f.schemaFails = "internal error" },
			fault: func(f *fake, r *http.Request, since time.Duration) fault {
				if since > 8*time.Minute {
					f.conns["hd"].info["state"] = "ready"
				}
				return fault{}
			}},
		{name: "it fails", min: 7 * time.Minute, max: 11 * time.Minute, patches: 1, words: "label title is used twice",
			prepare: func(f *fake) { f.schemaFails = "label title is used twice" }},
		{name: "the connection is not seen for a minute", min: 8 * time.Minute, max: 10 * time.Minute, patches: -1,
			fault: func(_ *fake, r *http.Request, since time.Duration) fault {
				if is(r, "PATCH "+hd+"/schema") && since < time.Minute {
					return fault{status: 404, said: true}
				}
				return fault{}
			}},
		{name: "another one is under way", min: 9 * time.Minute, max: 12 * time.Minute, patches: -1,
			fault: func(f *fake, r *http.Request, since time.Duration) fault {
				if c := f.conns["hd"]; c != nil && len(c.ops) == 0 {
					c.ops["other"] = time.Now().Add(2 * time.Minute)
				}
				return fault{}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ensure(t, func(f *fake) {
				started := time.Now()
				if tt.prepare != nil {
					tt.prepare(f)
				}
				f.fault = func(r *http.Request, n int) fault {
					if r.Host != "graph.fake" || r.Header.Get("Authorization") != "" && r.Host != "graph.fake" {
						t.Errorf("%s %s goes to another host", r.Method, r.Host)
					}
					if tt.fault == nil {
						return fault{}
					}
					return tt.fault(f, r, time.Since(started))
				}
			}, func(t *testing.T, f *fake, _ *Graph, created bool, took time.Duration, err error) {
				switch {
				case tt.words != "":
					if _, ok := errors.AsType[*SchemaRefusedError](err); !ok || !strings.Contains(err.Error(), tt.words) {
						t.Errorf("%v, want a *SchemaRefusedError with %q", err, tt.words)
					}
				case err != nil || !created || f.conns["hd"].info["state"] != "ready":
					t.Errorf("created %v, %v", created, err)
				}
				if took < tt.min || took > tt.max {
					t.Errorf("took %v, want %v to %v", took, tt.min, tt.max)
				}
				if n := len(f.conns["hd"].ops); tt.patches > 0 && f.requests("PATCH") != tt.patches || n > 2 {
					t.Errorf("%d PATCHes and %d registrations, want %d", f.requests("PATCH"), n, tt.patches)
				}
			})
		})
	}
}

// onceAt makes the first of some requests meet a fault.
func onceAt(begin string, what fault) func(*fake, *http.Request, time.Duration) fault {
	done := false
	return func(_ *fake, r *http.Request, _ time.Duration) fault {
		if done || !is(r, begin) {
			return fault{}
		}
		done = true
		return what
	}
}

// A registration whose answer was lost is not made again.
func TestRegistrationIsMadeOnce(t *testing.T) {
	for _, lost := range []fault{{status: 503, after: true}, {loseReply: true}} {
		ensure(t, func(f *fake) {
			at := onceAt("PATCH "+hd+"/schema", lost)
			f.fault = func(r *http.Request, _ int) fault { return at(f, r, 0) }
		}, func(t *testing.T, f *fake, _ *Graph, _ bool, _ time.Duration, err error) {
			if err != nil || len(f.conns["hd"].ops) != 1 {
				t.Errorf("%d registrations, want one: %v", len(f.conns["hd"].ops), err)
			}
		})
	}
}

func TestOperationID(t *testing.T) {
	for location, want := range map[string]string{
		"https://graph.microsoft.com/v1.0/external/connections/hd/operations/1.neu.0278.10b": "1.neu.0278.10b",
		"/v1.0/external/connections/hd/operations/abc":                                       "abc",
		"operations/abc": "abc",
		"https://elsewhere.example/operations/abc?$select=id&a=/operations/b": "abc",
		"https://x/v1.0/external/connections('hd')/operations('abc')":         "abc",
		"https://x/external/connections/operations/operations/abc":            "abc",
		"https://x/external/connections/hd/Operations/a%2Fb%20c":              "a/b c",
		"https://x/external/connections/hd/operations/abc/":                   "abc",
		"https://x/external/connections/hd/operations/abc#part":               "abc",
		"https://x/external/connections/hd/operations/":                       "",
		"https://x/external/connections/hd/operations":                        "",
		"https://x/external/connections/hd":                                   "",
		"":                                                                    "",
	} {
		if got := operationID(location); got != want {
			t.Errorf("operationID(%q) = %q, want %q", location, got, want)
		}
	}
}

// A change of the schema of a connection that is ready is waited for as well,
// by its operation or, where none is named, by the list of operations.
func TestSchemaUpdateWithoutOperation(t *testing.T) {
	ensure(t, func(f *fake) {
		registered(f)
		f.conns["hd"].schema["properties"] = f.conns["hd"].schema["properties"].([]map[string]any)[:1]
		f.location = func(string) string { return "" }
		f.listsOps = true
	}, func(t *testing.T, f *fake, _ *Graph, _ bool, took time.Duration, err error) {
		if err != nil || took < 7*time.Minute || took > 9*time.Minute {
			t.Errorf("after %v: %v, want the 7 minutes of the registration", took, err)
		}
	})
}

// A run that was killed while it waited for a change of the schema finds the
// new schema and a ready connection, and yet must not send items.
func TestStrayRegistration(t *testing.T) {
	for _, tt := range []struct{ left, min, max time.Duration }{
		{4 * time.Minute, 4 * time.Minute, 6 * time.Minute},
		{100 * time.Hour, strayOperation, strayOperation + time.Minute}, // it will never end: nobody waits for it for good
	} {
		ensure(t, func(f *fake) {
			registered(f)
			f.listsOps = true
			f.conns["hd"].ops["old"] = time.Now().Add(-time.Hour)
			f.conns["hd"].ops["stray"] = time.Now().Add(tt.left)
		}, func(t *testing.T, f *fake, _ *Graph, _ bool, took time.Duration, err error) {
			if err != nil || took < tt.min || took > tt.max || f.requests("PATCH") != 0 {
				t.Errorf("%v left: after %v: %v, want %v to %v", tt.left, took, err, tt.min, tt.max)
			}
		})
	}
}

// What a create may be answered, and what is there then.
func TestCreateConnectionConflicts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		there map[string]any // made between the GET and the POST
		words []string       // of the error; none: it is ours
	}{
		{"what was wanted", map[string]any{"name": "Helpdesk", "description": "Tickets"}, nil},
		{"with more than was wanted", map[string]any{"name": "Helpdesk", "description": "Tickets", "contentCategory": "media", "newer": 1}, nil},
		{"another name", map[string]any{"name": "Theirs", "description": "Tickets"}, []string{`its name is "Theirs" and not "Helpdesk"`}},
		{"another description", map[string]any{"name": "Helpdesk", "description": nil}, []string{`its description is "" and not "Tickets"`}},
		{"another of both", map[string]any{"name": "X", "description": "Y"}, []string{`its name is "X" and not "Helpdesk", its description is "Y" and not "Tickets"`, "somebody else"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ensure(t, func(f *fake) {
				f.fault = func(r *http.Request, _ int) fault {
					if is(r, postConnection) {
						f.conns["hd"] = newFakeConn("hd", "")
						for key, value := range tt.there {
							f.conns["hd"].info[key] = value
						}
					}
					return fault{}
				}
			}, func(t *testing.T, f *fake, _ *Graph, created bool, _ time.Duration, err error) {
				if len(tt.words) == 0 {
					if err != nil || !created {
						t.Errorf("created %v, %v", created, err)
					}
					return
				}
				for _, words := range tt.words {
					if err == nil || !strings.Contains(err.Error(), words) {
						t.Errorf("%v, want %q in it", err, words)
					}
				}
				if f.requests("PATCH") != 0 || f.requests("POST") != 1 {
					t.Errorf("somebody else's connection was written to: %q", f.log)
				}
			})
		})
	}
}

// A connection that is being deleted: first it is answered and what is in it is
// not, then it is not answered and its id is taken, then it is gone.
func TestConnectionBeingDeleted(t *testing.T) {
	prepare := func(f *fake) {
		registered(f)
		gone := time.Now().Add(3 * time.Minute)
		free := gone.Add(time.Minute)
		f.conns["hd"].goneAt = gone
		f.fault = func(r *http.Request, _ int) fault {
			if is(r, postConnection) && time.Now().Before(free) {
				return fault{status: 409, said: true}
			}
			return fault{}
		}
	}
	ensure(t, prepare, func(t *testing.T, f *fake, _ *Graph, created bool, took time.Duration, err error) {
		if err != nil || !created || f.conns["hd"].info["state"] != "ready" || took < 11*time.Minute || took > 14*time.Minute {
			t.Errorf("created %v after %v: %v", created, took, err)
		}
	})
	// Whoever remembers items asks first, and is told that they are gone.
	synctest.Test(t, func(t *testing.T) {
		f, tr := newFake(t)
		prepare(f)
		g := f.client(tr, nil)
		started := time.Now()
		if ready, err := g.Ready(t.Context()); ready || err != nil || time.Since(started) < 3*time.Minute {
			t.Errorf("Ready = %v, %v after %v, want false when it is gone", ready, err, time.Since(started))
		}
		if created, err := g.EnsureConnection(t.Context(), helpdesk, tickets); err != nil || !created {
			t.Errorf("created %v, %v", created, err)
		}
	})
}

// Whoever was told that the connection stands takes its items for stored: it
// must not be made anew behind his back.
func TestConnectionDeletedMeanwhile(t *testing.T) {
	for name, vanish := range map[string]func(f *fake){
		"gone":          func(f *fake) { delete(f.conns, "hd") },
		"being deleted": func(f *fake) { f.conns["hd"].goneAt = time.Now().Add(time.Minute) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f, tr := newFake(t)
			registered(f)
			g := f.client(tr, nil)
			if ready, err := g.Ready(t.Context()); !ready || err != nil {
				t.Fatalf("Ready = %v, %v", ready, err)
			}
			vanish(f)
			_, err := g.EnsureConnection(t.Context(), helpdesk, tickets)
			if err == nil || !strings.Contains(err.Error(), "run again") || f.requests("POST") != 0 {
				t.Errorf("%s: %v after %q, want an error and nothing made", name, err, f.log)
			}
			// The next run asks again, and makes it.
			if ready, err := g.Ready(t.Context()); ready || err != nil {
				t.Errorf("%s: Ready = %v, %v afterwards", name, ready, err)
			}
			if created, err := g.EnsureConnection(t.Context(), helpdesk, tickets); !created || err != nil {
				t.Errorf("%s: created %v, %v", name, created, err)
			}
		})
	}
}

// Right after the first schema items may be answered 404 for a while; later a
// 404 says that the connection is gone.
func TestItemsRightAfterReady(t *testing.T) {
	for _, w := range ways {
		synctest.Test(t, func(t *testing.T) {
			f, tr := newFake(t)
			f.schemaTakes = settling + 2*time.Minute
			opt := GraphOptions{Transport: tr}
			if w.change != nil {
				w.change(&opt)
			}
			g := f.client(opt.Transport, func(o *GraphOptions) { o.Batch = opt.Batch })
			if _, err := g.EnsureConnection(t.Context(), helpdesk, tickets); err != nil {
				t.Fatal(err)
			}
			known := time.Now().Add(4 * time.Minute)
			unseen := func(r *http.Request, n int) fault {
				if strings.Contains(r.URL.Path, "/items/") && (time.Now().Before(known) || n%7 == 0 && time.Now().Before(known.Add(time.Minute))) {
					return fault{status: 404, said: true}
				}
				return fault{}
			}
			f.setFault(unseen)
			results, err := (&Loader{Target: g}).Put(t.Context(), items(40))
			if err != nil || count(results, Stored) != 40 {
				t.Fatalf("%s: %d stored: %v", w.name, count(results, Stored), err)
			}
			if g.MaxBatch() == 1 && w.name != "alone" {
				t.Errorf("%s: nothing travels together any more", w.name)
			}
			time.Sleep(settling)
			f.setFault(func(*http.Request, int) fault { return fault{status: 404, said: true} })
			for _, res := range g.Put(t.Context(), items(2)) {
				if !res.Fatal || res.Fate != Unsettled || !strings.Contains(res.Err.Error(), "run again") {
					t.Errorf("%s: a 404 long after: %+v, want Fatal", w.name, res)
				}
			}
		})
	}
}

// The same holds for groups and their members, and for a connection and a
// group that are read back.
func TestGroupsRightAfterReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, tr := newFake(t)
		g := f.client(tr, nil)
		var after time.Time
		f.setFault(func(r *http.Request, _ int) fault {
			if (is(r, "POST "+hd+"/groups") || is(r, "GET "+hd+"/groups")) && time.Now().Before(after) {
				return fault{status: 404, said: true}
			}
			return fault{}
		})
		if _, err := g.EnsureConnection(t.Context(), helpdesk, tickets); err != nil {
			t.Fatal(err)
		}
		wait := func() { after = time.Now().Add(2 * time.Minute) }
		wait()
		if _, err := g.PutGroup(t.Context(), transform.Group{ID: "team", DisplayName: "Team"}); err != nil {
			t.Errorf("PutGroup: %v", err)
		}
		wait()
		if err := g.AddMember(t.Context(), "team", transform.Member{Type: "user", ID: "5b2c"}); err != nil {
			t.Errorf("AddMember: %v", err)
		}
		wait()
		if made, err := g.CreateGroup(t.Context(), Group{ID: "other", DisplayName: "Other"}); err != nil || made.Value.DisplayName != "Other" {
			t.Errorf("CreateGroup = %+v, %v", made, err)
		}
		time.Sleep(settling)
		if err := g.AddMember(t.Context(), "nobody", transform.Member{Type: "user", ID: "5b2c"}); !notFound(err) {
			t.Errorf("AddMember to no group: %v, want a 404", err)
		}
		if _, err := g.PutGroup(t.Context(), transform.Group{ID: "late", DisplayName: "Late"}); err != nil {
			t.Errorf("PutGroup: %v", err)
		}
		wait()
		if err := g.AddMember(t.Context(), "late", transform.Member{Type: "user", ID: "5b2c"}); err != nil {
			t.Errorf("AddMember to a new group: %v", err)
		}
		seen := time.Now().Add(time.Minute)
		f.setFault(func(r *http.Request, _ int) fault {
			if is(r, "GET /external/connections/kb") && time.Now().Before(seen) {
				return fault{status: 404, said: true}
			}
			return fault{}
		})
		if made, err := g.CreateConnection(t.Context(), json.RawMessage(`{"id":"kb","name":"KB"}`)); err != nil || made.Value.Name != "KB" {
			t.Errorf("CreateConnection = %+v, %v", made, err)
		}
	})
}

// 409 for a group or a member is a success when it is what was wanted.
func TestGroupConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		groups := f.conns["hd"].groups
		for _, lost := range []fault{{loseReply: true}, {status: 503, after: true}} {
			at := onceAt("POST "+hd+"/groups", lost)
			f.setFault(func(r *http.Request, _ int) fault { return at(f, r, 0) })
			clear(groups)
			if _, err := g.PutGroup(t.Context(), transform.Group{ID: "team", DisplayName: "Team"}); err != nil || f.requests("PATCH") != 0 {
				t.Errorf("%+v: %v, %q", lost, err, f.log)
			}
			at = onceAt("POST "+hd+"/groups/team/members", lost)
			if err := g.AddMember(t.Context(), "team", transform.Member{Type: "user", ID: fmt.Sprint(lost.status)}); err != nil {
				t.Errorf("%+v: AddMember: %v", lost, err)
			}
		}
		f.setFault(nil)
		// Somebody has made it meanwhile, with another name: it gets the mapping's.
		f.setFault(func(r *http.Request, _ int) fault {
			if is(r, "POST "+hd+"/groups") {
				groups["late"] = map[string]any{"id": "late", "displayName": "Theirs", "description": nil}
			}
			return fault{}
		})
		if _, err := g.PutGroup(t.Context(), transform.Group{ID: "late", DisplayName: "Ours"}); err != nil || groups["late"]["displayName"] != "Ours" {
			t.Errorf("PutGroup: %v, the group is %v", err, groups["late"])
		}
		f.setFault(func(r *http.Request, _ int) fault {
			if is(r, "POST "+hd+"/groups") {
				return fault{status: 409, said: true}
			}
			return fault{}
		})
		if _, err := g.PutGroup(t.Context(), transform.Group{ID: "ghost"}); err == nil || !strings.Contains(err.Error(), "neither be made nor found") {
			t.Errorf("PutGroup of what is taken and not there: %v", err)
		}
		f.setFault(nil)
		f.conns["hd"].members["team/0f1d"] = "group"
		err := g.AddMember(t.Context(), "team", transform.Member{Type: "user", ID: "0f1d"})
		if err == nil || !strings.Contains(err.Error(), "is there as group, and not as user") {
			t.Errorf("AddMember of one that is there as a group: %v", err)
		}
		f.conns["hd"].members["team/0f1e"] = "USER"
		f.setFault(func(r *http.Request, _ int) fault {
			if is(r, "GET "+hd+"/groups/team/members/") && strings.HasSuffix(r.URL.Path, "/0f1d") {
				return fault{status: 405, said: true} // no page has this call
			}
			return fault{}
		})
		for _, id := range []string{"0f1d", "0f1e"} {
			if err := g.AddMember(t.Context(), "team", transform.Member{Type: "user", ID: id}); err != nil {
				t.Errorf("AddMember of %s, which is there: %v", id, err)
			}
		}
	})
}

// A new connection's search fails for a while.
func TestSearchRightAfterReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		checkFates(t, g.Put(t.Context(), []*transform.Item{item("a", "printer")}), Stored)
		ready := time.Now().Add(8 * time.Minute)
		f.setFault(func(r *http.Request, _ int) fault {
			if is(r, "POST /search") && time.Now().Before(ready) {
				return fault{status: 500, said: true}
			}
			return fault{}
		})
		if page, err := g.Search(t.Context(), Query{Text: "printer"}); err != nil || page.Total != 1 {
			t.Errorf("Search = %+v, %v", page, err)
		}
		ready = time.Now().Add(time.Hour)
		_, err := g.Search(t.Context(), Query{Text: "printer"})
		if _, ok := errors.AsType[*UnavailableError](err); !ok || !strings.Contains(err.Error(), "20 minutes after the first schema") {
			t.Errorf("Search of a service that goes on failing: %v", err)
		}
	})
}
