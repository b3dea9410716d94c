package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"importer/transform"
)

// What each answer to a PUT means, however the PUT travels.
func TestVerdict(t *testing.T) {
	const why = `{"error":{"code":"InvalidRequest","message":"general","innerError":{"message":"the useful text"}}}`
	const page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>" + "blah blah" + "</body></html>"
	for _, tt := range []struct {
		name  string
		fault fault
		want  Result // but for Err
		words string // that Err must hold
	}{
		{"200", fault{status: 200}, Result{Fate: Stored}, ""},
		{"201", fault{status: 201}, Result{Fate: Stored}, ""},
		{"204", fault{status: 204}, Result{Fate: Stored}, ""},
		{"200 whose body breaks off", fault{half: true}, Result{Fate: Stored}, ""},
		{"200 from a login page", fault{status: 200, body: page, header: map[string]string{"Content-Type": "text/html"}}, Result{}, "proxy or login page"},
		{"400", fault{status: 400, body: why}, Result{Fate: Rejected}, "400 InvalidRequest: the useful text"},
		{"400 of the service", fault{status: 400, said: true}, Result{Fate: Rejected}, "400 InvalidRequest"},
		// Rule: only the service's verdict on the item rejects it.
		{"400 of a proxy", fault{status: 400}, Result{Fatal: true}, "400 Bad Request"},
		{"404 of a proxy", fault{status: 404}, Result{Fatal: true}, "404 Not Found"},
		{"413", fault{status: 413, body: why}, Result{Fate: Rejected}, "the useful text"},
		{"415", fault{status: 415, body: why}, Result{Fate: Rejected}, "the useful text"},
		{"422", fault{status: 422, body: why}, Result{Fate: Rejected}, "the useful text"},
		{"a refusal that is new", fault{status: 451, body: why}, Result{Fate: Rejected}, "the useful text"},
		{"a proxy's refusal", fault{status: 418, body: page}, Result{Fatal: true}, "an HTML page"},
		{"401", fault{status: 401, body: why}, Result{Fatal: true}, "IMPORTER_GRAPH_TOKEN"},
		{"403", fault{status: 403, body: why}, Result{Fatal: true}, "ExternalItem.ReadWrite.OwnedBy"},
		{"404", fault{status: 404, body: why}, Result{Fatal: true}, "404"},
		{"405", fault{status: 405, body: why}, Result{Fatal: true}, "405"},
		{"407", fault{status: 407, body: page}, Result{Fatal: true}, "HTTPS_PROXY"},
		{"302", fault{status: 302, header: map[string]string{"Location": "http://graph.fake/v1.0/other"}}, Result{Fatal: true}, "check the Graph URL"},
		{"408", fault{status: 408}, Result{}, "408"},
		{"409", fault{status: 409, body: why}, Result{}, "409"},
		{"423", fault{status: 423, body: why}, Result{}, "423"},
		{"424", fault{status: 424, body: why}, Result{}, "424"},
		{"429", fault{status: 429, body: why}, Result{Throttled: true}, "429"},
		{"429, wait 10 s", fault{status: 429, header: map[string]string{"Retry-After": "10"}}, Result{Throttled: true, After: 10 * time.Second}, "429"},
		{"500", fault{status: 500, body: why}, Result{}, "500"},
		{"502 with a page", fault{status: 502, body: page}, Result{}, `an HTML page "502 Bad Gateway"`},
		{"502 with a page in the envelope", fault{status: 502, body: `{"error":{"code":"UnknownError","message":"<html><title>Our services aren't available</title>"}}`}, Result{}, "an HTML page"},
		{"503, wait 2.5 s", fault{status: 503, header: map[string]string{"Retry-After": "2.5"}}, Result{After: 2500 * time.Millisecond}, "503"},
		{"504", fault{status: 504}, Result{}, "504"},
		{"507", fault{status: 507, body: why}, Result{Fatal: true}, "507"},
		{"509", fault{status: 509}, Result{Throttled: true}, "509"},
		{"the request is lost", fault{loseRequest: true}, Result{}, "EOF"},
		{"the reply is lost", fault{loseReply: true}, Result{}, "EOF"},
		{"no answer in time", fault{slow: time.Hour}, Result{}, "no answer in 2m0s"},
	} {
		for _, w := range ways {
			t.Run(tt.name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, g := newFakeGraph(t, w.change)
					checkFates(t, g.Put(t.Context(), items(2)), Stored, Stored)
					f.setFault(func(r *http.Request, _ int) fault {
						if strings.HasSuffix(r.URL.Path, "/$batch") {
							return fault{}
						}
						return tt.fault
					})
					results := g.Put(t.Context(), []*transform.Item{item("a", "A"), item("b", "B")})
					got := results[0]
					err := got.Err
					if got.Err = nil; got != tt.want {
						t.Errorf("got %+v, want %+v (%v)", got, tt.want, err)
					}
					if res := results[1]; (res.Err == nil) != (err == nil) || res.Fate != got.Fate {
						t.Errorf("the second item: %+v, the first: %+v (%v)", res, got, err)
					}
					lost := tt.fault.loseRequest || tt.fault.loseReply // an envelope's answer tells it otherwise
					if (err == nil) != (tt.words == "") || err != nil && !lost && !strings.Contains(err.Error(), tt.words) {
						t.Errorf("error %v, want one with %q", err, tt.words)
					}
					if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "blah")) {
						t.Errorf("the answer was dumped: %v", err)
					}
					if api := new(APIError); tt.want.Fate == Rejected && !errors.As(err, &api) {
						t.Errorf("a rejection without an *APIError: %T", err)
					}
					if n := f.requests("PUT "); n > 4 {
						t.Errorf("%d requests for two items, twice; want one attempt of each", n)
					}
				})
			})
		}
	}
}

func TestDeleteVerdict(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { testDeleteVerdict(t, w.change) })
	}
}

func testDeleteVerdict(t *testing.T, change func(*GraphOptions)) {
	f, g := newFakeGraph(t, change)
	checkFates(t, g.Put(t.Context(), items(1)), Stored)
	checkFates(t, g.Delete(t.Context(), []string{"i0", "b"}), Stored, Stored) // deleted in an envelope
	outer := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/$batch") }
	for status, want := range map[int]Result{204: {Fate: Stored}, 404: {Fate: Stored}, 403: {Fatal: true}, 429: {Throttled: true}, 502: {}, 400: {Fate: Rejected}} {
		f.setFault(func(r *http.Request, _ int) fault {
			if outer(r) {
				return fault{}
			}
			return fault{status: status, said: status != 204}
		})
		for _, got := range g.Delete(t.Context(), []string{"a", "b"}) {
			if got.Err = nil; got != want {
				t.Errorf("%d on DELETE: %+v, want %+v", status, got, want)
			}
		}
	}
	f.setFault(func(r *http.Request, _ int) fault {
		if outer(r) {
			return fault{}
		}
		return fault{status: 404, body: "<html>no such host</html>"}
	})
	for _, got := range g.Delete(t.Context(), []string{"a", "b"}) {
		if got.Fate == Stored {
			t.Error("a proxy's 404 counts as deleted")
		}
	}
}

func TestPutRequest(t *testing.T) {
	f, g := newFakeGraph(t, func(o *GraphOptions) {
		o.Token = StaticToken("secret")
		o.Header = http.Header{"X-Test": {"1"}}
	})
	f.fault = func(r *http.Request, _ int) fault {
		for key, want := range map[string]string{"Authorization": "Bearer secret", "Content-Type": "application/json",
			"Accept": "application/json", "User-Agent": "importer", "X-Test": "1"} {
			if got := r.Header.Get(key); got != want {
				t.Errorf("header %s is %q, want %q", key, got, want)
			}
		}
		if r.ContentLength <= 0 {
			t.Errorf("Content-Length %d", r.ContentLength)
		}
		return fault{}
	}
	checkFates(t, g.Put(t.Context(), []*transform.Item{item("ü,= @;'()/%+..~", "A")}), Stored)
	const want = "PUT /v1.0/external/connections/hd/items/%C3%BC%2C%3D%20%40%3B%27%28%29%2F%25%2B..~"
	if f.log[0] != want {
		t.Errorf("requested %s, want %s", f.log[0], want)
	}
	if got := f.stored(); !slices.Equal(got, []string{"ü,= @;'()/%+..~"}) {
		t.Errorf("stored as %q", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"10", "", 10 * time.Second},
		{"0", "", 0},
		{"2.128", "", 2128 * time.Millisecond},
		{" 3 ", "", 3 * time.Second},
		{"Mon, 23 Nov 2026 12:00:30 GMT", "", 30 * time.Second},
		{"Mon, 23 Nov 2026 11:00:00 GMT", "", 0},
		// The server's clock is an hour ahead of this machine's.
		{"Mon, 23 Nov 2026 13:00:30 GMT", "Mon, 23 Nov 2026 13:00:00 GMT", 30 * time.Second},
		{"soon", "", 0},
		{"-5", "", 0},
		{"NaN", "", 0},
		{"0x10", "", 0},
		{"1.2.3", "", 0},
		{"999999999999999999999999", "", maxAfter},
		{strings.Repeat("9", 400), "", maxAfter},
	} {
		h := http.Header{"Retry-After": {tt.value}}
		if tt.date != "" {
			h.Set("Date", tt.date)
		}
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("retryAfter(%q, Date %q) = %v, want %v", tt.value, tt.date, got, tt.want)
		}
	}
}

// A token that is replaced while requests are under way costs nothing.
func TestTokenReplaced(t *testing.T) {
	var asked atomic.Int32
	f, g := newFakeGraph(t, func(o *GraphOptions) {
		o.Token = tokenFunc(func(context.Context) (string, error) {
			if asked.Add(1) == 1 {
				return "old", nil
			}
			return "new", nil
		})
	})
	f.token = "new"
	checkFates(t, g.Put(t.Context(), []*transform.Item{item("a", "A")}), Stored)
}

// A token that the service refuses before its time is over is replaced, alone
// and in an envelope.
func TestTokenRefusedEarly(t *testing.T) {
	for _, batch := range []int{0, 20} {
		synctest.Test(t, func(t *testing.T) {
			f, g := newFakeGraph(t, func(o *GraphOptions) {
				o.Batch, o.Token = batch, newEntra(new(credential), "scope", "a test", func() bool { return false })
			})
			f.token = "t1"
			checkFates(t, g.Put(t.Context(), items(2)), Stored, Stored)
			f.token = "t2" // t1 is revoked
			checkFates(t, g.Put(t.Context(), items(2)), Stored, Stored)
		})
	}
}

type tokenFunc func(context.Context) (string, error)

func (f tokenFunc) Token(ctx context.Context) (string, error) { return f(ctx) }

// The fake echoes the Authorization header in its 401, as a debugging proxy may.
func TestTokenIsNeverTold(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { testTokenIsNeverTold(t, w.change) })
	}
}

func testTokenIsNeverTold(t *testing.T, change func(*GraphOptions)) {
	var log strings.Builder
	f, g := newFakeGraph(t, func(o *GraphOptions) {
		if change != nil {
			change(o)
		}
		o.Token = StaticToken("hush-hush")
		o.Log = debugLog(&log)
	})
	f.token = "another"
	res := g.Put(t.Context(), []*transform.Item{item("a", "A"), item("b", "B")})[0]
	if !res.Fatal || !strings.Contains(res.Err.Error(), "[token]") {
		t.Errorf("got %+v, want a Fatal with the service's words", res)
	}
	if _, ok := errors.AsType[*AuthError](res.Err); !ok {
		t.Errorf("error %T, want *AuthError", res.Err)
	}
	if all := res.Err.Error() + log.String(); strings.Contains(all, "hush") || log.Len() == 0 {
		t.Errorf("the token is told, or nothing is: %s", all)
	}
}

// A failure to get a token is Fatal when somebody must act, and passes when
// it is the network's.
func TestTokenFailure(t *testing.T) {
	for _, tt := range []struct {
		err   error
		fatal bool
	}{{&AuthError{Remedy: "set it"}, true}, {errors.New("no route to host"), false}} {
		_, g := newFakeGraph(t, func(o *GraphOptions) {
			o.Token = tokenFunc(func(context.Context) (string, error) { return "", tt.err })
		})
		res := g.Put(t.Context(), []*transform.Item{item("a", "A")})[0]
		if res.Fate != Unsettled || res.Fatal != tt.fatal || !errors.Is(res.Err, tt.err) {
			t.Errorf("token error %v: %+v, want Fatal %v", tt.err, res, tt.fatal)
		}
	}
}

// A redirect is not followed: the token and the items go nowhere else.
func TestRedirectIsNotFollowed(t *testing.T) {
	f, g := newFakeGraph(t, func(o *GraphOptions) { o.Token = StaticToken("secret") })
	f.fault = func(*http.Request, int) fault {
		return fault{status: 307, header: map[string]string{"Location": "http://elsewhere.example/v1.0/x"}}
	}
	res := g.Put(t.Context(), []*transform.Item{item("a", "A")})[0]
	if !res.Fatal || len(f.log) != 1 {
		t.Errorf("got %+v after %d requests, want one and Fatal", res, len(f.log))
	}
	if text := fmt.Sprint(res.Err); !strings.Contains(text, "to http://elsewhere.example,") {
		t.Errorf("%s does not say where the redirect leads", text)
	}
}

// Whatever is answered, its body is read, so that the connection is used again.
func TestKeepAlive(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	long := strings.Repeat("x", 200<<10)
	f.fault = func(_ *http.Request, n int) fault {
		return []fault{{}, {status: 400, body: long}, {status: 502, body: "<html>" + long}, {status: 429}, {status: 200, body: long}}[n%5]
	}
	for range 20 {
		g.Put(t.Context(), []*transform.Item{item("a", long)})
	}
	if got := f.wire.dials.Load(); got != 1 {
		t.Errorf("%d connections for 20 requests one after the other, want 1", got)
	}
	if res := g.Put(t.Context(), []*transform.Item{item("a", "A")})[0]; res.Err != nil && len(res.Err.Error()) > 3000 {
		t.Errorf("an error of %d bytes", len(res.Err.Error()))
	}
}

func TestBaseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                  "https://graph.microsoft.com/v1.0",
		"https://graph.microsoft.us":        "https://graph.microsoft.us/v1.0",
		"https://graph.microsoft.com/beta/": "https://graph.microsoft.com/beta",
		"http://127.0.0.1:8080/v1.0":        "http://127.0.0.1:8080/v1.0",
		"http://gw.example/graph":           "http://gw.example/graph/v1.0",
		"graph.microsoft.com":               "",
		"ftp://graph.microsoft.com":         "",
		"https://me:hush@graph.example":     "",
		"https://graph.example/?a=b":        "",
	} {
		g, err := NewGraph(GraphOptions{BaseURL: raw, Connection: "hd"})
		switch {
		case want == "" && (err == nil || strings.Contains(err.Error(), "hush")):
			t.Errorf("NewGraph(%q): %v, want an error without secrets", raw, err)
		case want != "" && (err != nil || g.base.String() != want):
			t.Errorf("NewGraph(%q) = %v, %v, want %s", raw, g, err, want)
		}
	}
}

// A call about anything but items is tried again by itself.
func TestAdminRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		weather := []fault{
			{status: 429, header: map[string]string{"Retry-After": "120"}},
			{status: 502, body: "<html>"},
			{loseRequest: true},
			{half: true},
			{slow: 3 * time.Minute},
			{status: 503},
		}
		f.fault = func(_ *http.Request, n int) fault {
			if n <= len(weather) {
				return weather[n-1]
			}
			return fault{}
		}
		started := time.Now()
		info, err := g.GetConnection(t.Context())
		if err != nil || info.Name != "Helpdesk" {
			t.Fatalf("GetConnection = %+v, %v", info, err)
		}
		if took := time.Since(started); took < 4*time.Minute || len(f.log) != len(weather)+1 {
			t.Errorf("took %v and %d requests, want each fault once and Retry-After honoured", took, len(f.log))
		}
	})
}

func TestAdminGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		f.fault = func(*http.Request, int) fault { return fault{status: 503} }
		started := time.Now()
		_, err := g.GetConnection(t.Context())
		gone, ok := errors.AsType[*UnavailableError](err)
		if !ok || gone.Tries < 6 || time.Since(started) < 15*time.Minute {
			t.Errorf("after %v: %v, want *UnavailableError after 15 minutes", time.Since(started), err)
		}
	})
}

func TestAdminCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		f.fault = func(*http.Request, int) fault { return fault{status: 503} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		if _, err := g.GetConnection(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Minute {
			t.Errorf("after %v: %v, want the deadline's error at once", time.Since(started), err)
		}
	})
}

func TestGetItem(t *testing.T) {
	_, g := newFakeGraph(t, nil)
	it := item("a", "A")
	it.Properties = append(it.Properties, transform.Property{Name: "n", Value: transform.Value{Type: transform.Int64, Int: 1<<60 + 1}})
	checkFates(t, g.Put(t.Context(), []*transform.Item{it}), Stored)
	got, err := g.GetItem(t.Context(), "a")
	if err != nil || string(got.Properties["n"]) != "1152921504606846977" || got.ACL[0].AccessType != "grant" {
		t.Errorf("GetItem = %+v, %v", got, err)
	}
	if _, err := g.GetItem(t.Context(), "b"); !notFound(err) {
		t.Errorf("GetItem of nothing: %v, want a 404", err)
	}
}

func TestSearch(t *testing.T) {
	_, g := newFakeGraph(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		checkFates(t, g.Put(t.Context(), []*transform.Item{item(id, "printer "+id)}), Stored)
	}
	page, err := g.Search(t.Context(), Query{Text: "printer", From: 1, Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != 3 || !page.More || len(page.Hits) != 1 {
		t.Fatalf("page %+v, want one hit of 3", page)
	}
	hit := page.Hits[0]
	if hit.ID != "b" || hit.Summary != "the <c0>hit</c0>" || string(hit.Properties["title"]) != `"printer b"` || len(hit.Properties) != 1 {
		t.Errorf("hit %+v", hit)
	}
	if page, err := g.Search(t.Context(), Query{Text: "nothing", Connections: []string{"hd"}}); err != nil || page.Total != 0 || page.Hits == nil {
		t.Errorf("Search of nothing = %+v, %v, want an empty page", page, err)
	}
	if _, err := g.Search(t.Context(), Query{Text: "(("}); err == nil || !strings.Contains(err.Error(), "unbalanced") {
		t.Errorf("Search of a bad query: %v, want the service's words", err)
	}
}

func TestGroups(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	ctx := t.Context()
	team := transform.Group{ID: "hr team", DisplayName: "HR"}
	// The reply of the create is lost; the retry is answered 409.
	f.fault = func(r *http.Request, n int) fault {
		return fault{loseReply: r.Method == "POST" && f.conns["hd"].groups[team.ID] == nil}
	}
	if _, err := g.PutGroup(ctx, team); err != nil {
		t.Fatal(err)
	}
	f.setFault(nil)
	before := len(f.log)
	if _, err := g.PutGroup(ctx, team); err != nil || len(f.log) != before+1 {
		t.Errorf("PutGroup of what is there: %v after %d requests, want a GET only", err, len(f.log)-before)
	}
	team.DisplayName = "People"
	if _, err := g.PutGroup(ctx, team); err != nil || f.conns["hd"].groups[team.ID]["displayName"] != "People" {
		t.Errorf("PutGroup with another name: %v, %v", err, f.conns["hd"].groups)
	}
	member := transform.Member{Type: "user", ID: "5b2c"}
	for range 2 {
		if err := g.AddMember(ctx, team.ID, member); err != nil || f.conns["hd"].members["hr team/5b2c"] != "user" {
			t.Errorf("AddMember: %v", err)
		}
	}
	for range 2 {
		if err := g.RemoveMember(ctx, team.ID, member); err != nil || len(f.conns["hd"].members) != 0 {
			t.Errorf("RemoveMember: %v", err)
		}
	}
	for range 2 {
		if err := g.DeleteGroup(ctx, team.ID); err != nil || len(f.conns["hd"].groups) != 0 {
			t.Errorf("DeleteGroup: %v", err)
		}
	}
	if err := g.AddMember(ctx, "nobody", member); !notFound(err) {
		t.Errorf("AddMember to no group: %v, want a 404", err)
	}
}
