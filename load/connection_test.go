package load

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importer/transform"
)

func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

var quiet = slog.New(slog.DiscardHandler)

// failOnWarn gives a log in which no warning may stand.
func failOnWarn(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(failing{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type failing struct{ t *testing.T }

func (f failing) Write(p []byte) (int, error) {
	f.t.Errorf("a warning: %s", p)
	return len(p), nil
}

var (
	helpdesk = transform.Connection{ID: "hd", Name: "Helpdesk", Description: "Tickets"}
	tickets  = transform.Schema{
		{Name: "title", Type: transform.String, Searchable: true, Retrievable: true, Labels: []string{"title"}},
		{Name: "priority", Type: transform.Int64, Refinable: true, Queryable: true, Retrievable: true},
	}
)

// ensure runs EnsureConnection in a bubble against a fake without connections.
func ensure(t *testing.T, prepare func(*fake), check func(t *testing.T, f *fake, g *Graph, created bool, took time.Duration, err error)) {
	synctest.Test(t, func(t *testing.T) {
		f, tr := newFake(t)
		f.schemaTakes = 7 * time.Minute
		prepare(f)
		g := f.client(tr, nil)
		started := time.Now()
		created, err := g.EnsureConnection(t.Context(), helpdesk, tickets)
		check(t, f, g, created, time.Since(started), err)
	})
}

// registered makes the fake hold the connection as EnsureConnection leaves it.
func registered(f *fake) {
	c := newFakeConn("hd", "Helpdesk")
	c.info["description"], c.info["state"] = "Tickets", "ready"
	c.schema = map[string]any{"baseType": "microsoft.graph.externalItem", "properties": []map[string]any{
		{"name": "Title", "type": "String", "isSearchable": "true", "isRetrievable": true, "labels": []string{"title"}, "newer": 1},
		{"name": "priority", "type": "int64", "isRefinable": true, "isQueryable": true, "isRetrievable": true, "aliases": []string{"RefinablePriority"}},
	}}
	f.conns["hd"] = c
}

func TestEnsureConnectionNew(t *testing.T) {
	ensure(t, func(*fake) {}, func(t *testing.T, f *fake, _ *Graph, created bool, took time.Duration, err error) {
		if err != nil || !created {
			t.Fatalf("created %v, %v", created, err)
		}
		if took < 7*time.Minute || took > 9*time.Minute {
			t.Errorf("took %v of a registration of 7 minutes", took)
		}
		if n := f.requests("GET /v1.0/external/connections/hd/operations/"); n < 5 || n > 25 {
			t.Errorf("%d polls of the operation in 7 minutes", n)
		}
		info := f.conns["hd"].info
		if info["name"] != "Helpdesk" || info["description"] != "Tickets" || info["state"] != "ready" {
			t.Errorf("the connection is %v", info)
		}
		props := f.conns["hd"].schema["properties"].([]any)
		first := props[0].(map[string]any)
		if len(props) != 2 || first["type"] != "string" || first["isSearchable"] != true || first["isRefinable"] != false || first["labels"].([]any)[0] != "title" {
			t.Errorf("the schema is %v", props)
		}
	})
}

func TestEnsureConnectionThere(t *testing.T) {
	ensure(t, registered, func(t *testing.T, f *fake, _ *Graph, created bool, _ time.Duration, err error) {
		const hd = "GET /v1.0/external/connections/hd"
		if err != nil || created || !slices.Equal(f.log, []string{hd, hd + "/schema", hd + "/operations"}) {
			t.Errorf("created %v, %v, requests %q; want three reads and nothing written", created, err, f.log)
		}
	})
}

func TestEnsureConnectionRenames(t *testing.T) {
	ensure(t, func(f *fake) {
		registered(f)
		f.conns["hd"].info["description"] = "old"
		f.conns["hd"].info["contentCategory"] = "somethingNewer"
	}, func(t *testing.T, f *fake, _ *Graph, _ bool, _ time.Duration, err error) {
		if err != nil || f.conns["hd"].info["description"] != "Tickets" || f.requests("PATCH") != 1 {
			t.Errorf("%v, connection %v, requests %q", err, f.conns["hd"].info, f.log)
		}
	})
}

// Of a POST whose fate is unknown, the connection itself is asked for.
func TestEnsureConnectionDoubtfulCreate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fault
		posts int
	}{
		{"lost on the way back", fault{loseReply: true}, 1},
		{"503, and yet created", fault{status: 503, after: true}, 1},
		{"503, and not created", fault{status: 503}, 2},
		{"lost on the way", fault{loseRequest: true}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ensure(t, func(f *fake) {
				done := false
				f.fault = func(r *http.Request, n int) fault {
					if r.Method != "POST" || done {
						return fault{}
					}
					done = true
					return tt.fault
				}
			}, func(t *testing.T, f *fake, _ *Graph, created bool, _ time.Duration, err error) {
				if err != nil || !created || f.requests("POST") != tt.posts {
					t.Errorf("created %v, %v after %d POSTs, want %d", created, err, f.requests("POST"), tt.posts)
				}
			})
		})
	}
}

func TestEnsureConnectionTaken(t *testing.T) {
	ensure(t, func(f *fake) {
		f.fault = func(r *http.Request, n int) fault {
			if r.Method == "POST" {
				return fault{status: 409, body: `{"error":{"code":"NameAlreadyExists","message":"taken"}}`}
			}
			return fault{}
		}
	}, func(t *testing.T, f *fake, _ *Graph, created bool, took time.Duration, err error) {
		if err == nil || !strings.Contains(err.Error(), "authorizedAppIds") || created || took < takenFor || took > 2*takenFor {
			t.Errorf("created %v after %v: %v, want an error that says who has the id, soon", created, took, err)
		}
	})
}

// The name is that of another connection of the same app: waiting is in vain,
// unless that one is being deleted.
func TestEnsureConnectionNameOfAnother(t *testing.T) {
	for _, tt := range []struct {
		state, want string
		waits       bool
	}{{"ready", `the connection other has the name "Helpdesk"`, false}, {"obsolete", "authorizedAppIds", true}} {
		ensure(t, func(f *fake) {
			f.page = 5
			f.conns["other"] = newFakeConn("other", "Helpdesk")
			f.conns["other"].info["state"] = tt.state
			f.fault = func(r *http.Request, n int) fault {
				if r.Method == "POST" {
					return fault{status: 409, body: `{"error":{"code":"NameAlreadyExists","message":"taken"}}`}
				}
				return fault{}
			}
		}, func(t *testing.T, f *fake, _ *Graph, created bool, took time.Duration, err error) {
			if err == nil || !strings.Contains(err.Error(), tt.want) || created || tt.waits != (took >= takenFor) {
				t.Errorf("%s: created %v after %v: %v, want an error that says %s", tt.state, created, took, err, tt.want)
			}
		})
	}
}

func TestEnsureConnectionForbidden(t *testing.T) {
	ensure(t, func(f *fake) {
		f.fault = func(*http.Request, int) fault { return fault{status: 403, body: `{"error":{"code":"Forbidden"}}`} }
	}, func(t *testing.T, f *fake, _ *Graph, _ bool, _ time.Duration, err error) {
		if _, ok := errors.AsType[*AuthError](err); !ok || !strings.Contains(err.Error(), "ExternalConnection.ReadWrite.OwnedBy") || len(f.log) != 1 {
			t.Errorf("%v after %d requests, want an *AuthError with the permission at once", err, len(f.log))
		}
	})
}

// The first run was killed while it waited: GET answers with the schema, but
// the registration is still under way. Whether the service then takes the
// schema again or answers 409, nothing is sent before it is registered.
func TestEnsureConnectionDraftWithSchema(t *testing.T) {
	for underWay, least := range map[bool]time.Duration{true: 4 * time.Minute, false: 7 * time.Minute} {
		ensure(t, func(f *fake) {
			registered(f)
			c := f.conns["hd"]
			c.info["state"] = "draft"
			if underWay {
				c.ops["1.neu.0"] = time.Now().Add(4 * time.Minute)
			}
		}, func(t *testing.T, f *fake, _ *Graph, created bool, took time.Duration, err error) {
			if err != nil || created || f.conns["hd"].info["state"] != "ready" || took < least || took > least+2*time.Minute {
				t.Errorf("under way %v: created %v, state %v after %v: %v", underWay, created, f.conns["hd"].info["state"], took, err)
			}
		})
	}
}

func TestEnsureConnectionSchemaFails(t *testing.T) {
	ensure(t, func(f *fake) { f.schemaFails = "label title is used twice" }, func(t *testing.T, f *fake, _ *Graph, _ bool, _ time.Duration, err error) {
		if err == nil || !strings.Contains(err.Error(), "label title is used twice") {
			t.Errorf("%v, want the service's words", err)
		}
	})
}

// An error of the operation does not count when the service has the schema.
func TestEnsureConnectionSchemaFailsAndYetIsThere(t *testing.T) {
	ensure(t, func(f *fake) {
		registered(f)
		f.conns["hd"].schema["properties"] = f.conns["hd"].schema["properties"].([]map[string]any)[:1]
		f.schemaFails = "internal error"
	}, func(t *testing.T, f *fake, _ *Graph, _ bool, _ time.Duration, err error) {
		if err != nil || f.requests("PATCH") != 1 {
			t.Errorf("%v after %q", err, f.log)
		}
	})
}

func TestEnsureConnectionStormy(t *testing.T) {
	ensure(t, func(f *fake) {
		kinds := []fault{{status: 429, header: map[string]string{"Retry-After": "1.5"}}, {loseReply: true}, {status: 502, body: "<html>"}, {half: true}, {loseRequest: true}}
		f.fault = func(r *http.Request, n int) fault {
			if n%2 == 1 {
				return kinds[n/2%len(kinds)]
			}
			return fault{}
		}
	}, func(t *testing.T, f *fake, _ *Graph, created bool, _ time.Duration, err error) {
		if err != nil || !created || f.conns["hd"].info["state"] != "ready" {
			t.Errorf("created %v, %v", created, err)
		}
	})
}

func TestEnsureConnectionSchemaNeverReady(t *testing.T) {
	ensure(t, func(f *fake) { f.schemaTakes = 1000 * time.Hour }, func(t *testing.T, f *fake, _ *Graph, _ bool, took time.Duration, err error) {
		if _, ok := errors.AsType[*UnavailableError](err); !ok || took < time.Hour || took > 2*time.Hour {
			t.Errorf("after %v: %v, want *UnavailableError after an hour", took, err)
		}
	})
}

func TestDeleteConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		f.deleteTakes = 3 * time.Minute
		started := time.Now()
		if err := g.DeleteConnection(t.Context()); err != nil || len(f.conns) != 0 || time.Since(started) < 3*time.Minute {
			t.Errorf("after %v: %v, connections %v", time.Since(started), err, f.conns)
		}
		if err := g.DeleteConnection(t.Context()); err != nil {
			t.Errorf("DeleteConnection of none: %v", err)
		}
	})
}

func TestSchemaError(t *testing.T) {
	ensure(t, func(f *fake) {
		registered(f)
		f.conns["hd"].schema["properties"].([]map[string]any)[1]["type"] = "string"
	}, func(t *testing.T, f *fake, _ *Graph, _ bool, _ time.Duration, err error) {
		if _, ok := errors.AsType[*SchemaError](err); !ok {
			t.Fatalf("%v, want *SchemaError", err)
		}
		for _, want := range []string{`"priority"`, "registered with type string", "says int64", "new connection id", "delete the connection"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: want %q in it", err, want)
			}
		}
		if f.requests("PATCH") != 0 {
			t.Errorf("something was written: %q", f.log)
		}
	})
}
