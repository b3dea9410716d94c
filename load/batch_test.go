package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importer/load/localgraph"
	"importer/transform"
)

// The ways in which the requests for items travel.
var ways = []struct {
	name   string
	change func(*GraphOptions)
}{
	{"alone", nil},
	{"together", func(o *GraphOptions) { o.Transport = oneByOne{o.Transport} }},
	{"in $batch", func(o *GraphOptions) { o.Batch = 20 }},
}

// oneByOne is a BatchTransport of any other.
type oneByOne struct{ http.RoundTripper }

func (t oneByOne) RoundTripAll(reqs []*http.Request) ([]*http.Response, []error) {
	resps, errs := make([]*http.Response, len(reqs)), make([]error, len(reqs))
	for i, r := range reqs {
		resps[i], errs[i] = t.RoundTrip(r)
	}
	return resps, errs
}

// Of what travels together each item has its own answer, and its request
// counts.
func TestTogether(t *testing.T) {
	for _, w := range ways[1:] {
		f, g := newFakeGraph(t, w.change)
		f.setFault(func(r *http.Request, n int) fault {
			switch {
			case strings.HasSuffix(r.URL.Path, "/bad"):
				return fault{status: http.StatusBadRequest, said: true}
			case strings.HasSuffix(r.URL.Path, "/busy"):
				return fault{status: http.StatusServiceUnavailable}
			case strings.HasSuffix(r.URL.Path, "/lost"):
				return fault{loseReply: true}
			}
			return fault{}
		})
		items := []*transform.Item{item("good", "A"), item("bad", "B"), item("busy", "C"), item("lost", "D"), item("last", "E")}
		checkFates(t, g.Put(t.Context(), items), Stored, Rejected, Unsettled, Unsettled, Stored)
		checkFates(t, g.Delete(t.Context(), []string{"good", "never", "busy"}), Stored, Stored, Unsettled)

		f.setFault(nil)
		l := &Loader{Target: g}
		if _, err := l.Put(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		if got := l.Stats().Requests; got != 5 {
			t.Errorf("%s: %d requests for 5 items, want 5", w.name, got)
		}
	}
}

// newBatchGraph gives a client that sends envelopes of up to 20, to a fake
// that has taken one of each method.
func newBatchGraph(t *testing.T, change func(*GraphOptions)) (*fake, *Graph) {
	f, g := newUnprovenGraph(t, change)
	checkFates(t, g.Put(t.Context(), items(2)), Stored, Stored)
	checkFates(t, g.Delete(t.Context(), []string{"i0", "i1"}), Stored, Stored)
	f.log, f.envelopes.sizes, f.envelopes.bytes = nil, nil, nil
	return f, g
}

func newUnprovenGraph(t *testing.T, change func(*GraphOptions)) (*fake, *Graph) {
	return newFakeGraph(t, func(o *GraphOptions) {
		o.Batch = 20
		if change != nil {
			change(o)
		}
	})
}

func idsOf(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("i%d", i)
	}
	return ids
}

// Envelopes are filled, and what is left over travels alone.
func TestEnvelopeSizes(t *testing.T) {
	f, g := newBatchGraph(t, nil)
	for _, res := range g.Put(t.Context(), items(61)) {
		if res.Fate != Stored {
			t.Errorf("%+v, want Stored", res)
		}
	}
	if got := f.inEnvelopes(); got != "[20 20 20]" || f.requests("PUT ") != 61 || len(f.log) != 64 {
		t.Errorf("61 items in envelopes of %s and %d requests in all, want [20 20 20] and 64", got, len(f.log))
	}
	for _, id := range f.stored() {
		var n int
		if fmt.Sscanf(id, "i%d", &n); titleOf(t, f.conns["hd"].items[id]) != fmt.Sprintf("title %d", n) {
			t.Errorf("item %s is %s", id, f.conns["hd"].items[id])
		}
	}
	f.envelopes.sizes = nil
	for _, res := range g.Delete(t.Context(), idsOf(61)) {
		if res.Fate != Stored {
			t.Errorf("%+v, want Stored", res)
		}
	}
	if got := f.inEnvelopes(); got != "[20 20 20]" || len(f.stored()) != 0 {
		t.Errorf("deleted in envelopes of %s, left %q", got, f.stored())
	}
}

// An envelope stays under its bound, and what is larger travels alone.
func TestEnvelopeBytes(t *testing.T) {
	f, g := newBatchGraph(t, func(o *GraphOptions) {
		o.BatchBytes = 100_000
		o.Header = http.Header{"X-Long": {strings.Repeat("x", 3000)}}
	})
	its := items(20)
	for i, it := range its {
		it.Content = transform.Content{Type: "text", Value: strings.Repeat("\n", i*2000)} // escaped, so twice as long
	}
	its[7].Content.Value = strings.Repeat("long ", 30_000)
	for _, res := range g.Put(t.Context(), its) {
		if res.Fate != Stored {
			t.Errorf("%+v, want Stored", res)
		}
	}
	for i, n := range f.envelopes.bytes {
		if n > 100_000 || f.envelopes.sizes[i] < 2 {
			t.Errorf("an envelope of %d bytes for %d items", n, f.envelopes.sizes[i])
		}
	}
	if len(f.envelopes.bytes) < 4 || f.requests("PUT ") != 20 {
		t.Errorf("envelopes of %s for %d PUTs", f.inEnvelopes(), f.requests("PUT "))
	}
	if _, err := NewGraph(GraphOptions{Connection: "hd", Batch: 21}); err == nil || !strings.Contains(err.Error(), "20") {
		t.Errorf("21 in an envelope: %v, want an error that names the most", err)
	}
}

// Ids are escaped in an envelope as anywhere.
func TestEnvelopeEscapes(t *testing.T) {
	f, g := newBatchGraph(t, nil)
	odd := []string{"ü,= @;'()/%+..~", ".", "..", `a"b\c`, "a?b#c", "%2F"}
	var its []*transform.Item
	for _, id := range odd {
		its = append(its, item(id, id))
	}
	for _, res := range g.Put(t.Context(), its) {
		if res.Fate != Stored {
			t.Errorf("%+v, want Stored", res)
		}
	}
	slices.Sort(odd)
	if got := f.stored(); !slices.Equal(got, odd) {
		t.Errorf("stored as %q, want %q", got, odd)
	}
}

// What an answer does not mention, or mentions twice, is Unsettled; ids and
// states may be numbers or strings, and nobody's answers are nobody's.
func TestEnvelopeOddAnswers(t *testing.T) {
	f, g := newBatchGraph(t, nil)
	f.envelopes.change = func(answers []map[string]any) []map[string]any {
		var out []map[string]any
		for _, a := range answers {
			switch a["id"] {
			case "1":
				continue
			case "2":
				out = append(out, a)
			case "3":
				a["id"], a["status"], a["headers"], a["body"] = 3, "200", nil, nil
			case "4":
				a["status"] = nil
			case "5":
				a["status"] = 100
			case "6":
				a["status"], a["headers"] = 429, map[string]any{"retry-AFTER": 7}
			case "7":
				a["status"], a["headers"] = 429, map[string]any{"RETRY-after": []string{"8"}}
			case "8":
				a["newer"], a["headers"] = map[string]any{}, map[string]any{"x": nil, "y": map[string]any{}}
			}
			out = append(out, a)
		}
		return append(out, map[string]any{"id": "nobody", "status": 400}, map[string]any{"id": "99", "status": 400}, map[string]any{})
	}
	results := g.Put(t.Context(), items(9))
	checkFates(t, results, Unsettled, Unsettled, Stored, Unsettled, Unsettled, Unsettled, Unsettled, Stored, Stored)
	if results[5].After != 7*time.Second || results[6].After != 8*time.Second || Status(results[5].Err) != 429 {
		t.Errorf("Retry-After of 7 and 8 s read as %v and %v", results[5].After, results[6].After)
	}
	for _, res := range results {
		if res.Fatal {
			t.Errorf("%+v is Fatal", res)
		}
	}
	f.envelopes.change = nil
	f.envelopes.status = 424 // an older throttling page
	checkFates(t, g.Put(t.Context(), items(2)), Stored, Stored)
}

// What is throttled in an envelope is sent again without the rest.
func TestEnvelopeInnerThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newBatchGraph(t, nil)
		busy := map[string]bool{"i3": true, "i8": true}
		f.setFault(func(r *http.Request, n int) fault {
			id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			if busy[id] {
				delete(busy, id)
				return fault{status: 429, said: true, header: map[string]string{"Retry-After": "10"}}
			}
			return fault{}
		})
		started := time.Now()
		l := &Loader{Target: g}
		results, err := l.Put(t.Context(), items(20))
		if err != nil || count(results, Stored) != 20 {
			t.Fatalf("%d stored: %v", count(results, Stored), err)
		}
		if got := f.inEnvelopes(); got != "[20 2]" || f.requests("PUT ") != 22 {
			t.Errorf("envelopes of %s, want [20 2]", got)
		}
		if took := time.Since(started); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("took %v, want the 10 s of Retry-After", took)
		}
		if s := l.Stats(); s.Requests != 22 || s.Throttled != 2 || s.Retries != 2 {
			t.Errorf("stats %+v, want 22 requests of which 2 throttled and sent again", s)
		}
	})
}

// An answer to the envelope as a whole is the answer to each item in it.
func TestEnvelopeFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fault
		want  Result // but for Err
	}{
		{"429", fault{status: 429, said: true, header: map[string]string{"Retry-After": "10"}}, Result{Throttled: true, After: 10 * time.Second}},
		{"503", fault{status: 503, header: map[string]string{"Retry-After": "3"}}, Result{After: 3 * time.Second}},
		{"500", fault{status: 500, said: true}, Result{}},
		{"502 with a page", fault{status: 502, body: "<html><title>Bad</title>"}, Result{}},
		{"504", fault{status: 504}, Result{}},
		{"408", fault{status: 408}, Result{}},
		{"409", fault{status: 409, said: true}, Result{}},
		{"424", fault{status: 424, said: true}, Result{}},
		{"401", fault{status: 401, said: true}, Result{Fatal: true}},
		{"407", fault{status: 407}, Result{Fatal: true}},
		{"302", fault{status: 302}, Result{Fatal: true}},
		{"200 with a login page", fault{status: 200, body: "<html>", header: map[string]string{"Content-Type": "text/html"}}, Result{}},
		{"200 with nothing", fault{status: 200}, Result{}},
		{"200 with something else", fault{status: 200, body: `{"value":[]}`}, Result{}},
		{"200 with null", fault{status: 200, body: `{"responses":null}`}, Result{}},
		{"200 with no answers", fault{status: 200, body: `{"responses":[]}`}, Result{}},
		{"the request is lost", fault{loseRequest: true}, Result{}},
		{"the reply is lost", fault{loseReply: true}, Result{}},
		{"the answer breaks off", fault{half: true}, Result{}},
		{"no answer in time", fault{slow: time.Hour}, Result{}},
	} {
		for method, call := range map[string]func(context.Context, *Graph) []Result{
			"PUT":    func(ctx context.Context, g *Graph) []Result { return g.Put(ctx, items(3)) },
			"DELETE": func(ctx context.Context, g *Graph) []Result { return g.Delete(ctx, idsOf(3)) },
		} {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, g := newBatchGraph(t, nil)
					f.setFault(func(r *http.Request, n int) fault {
						if strings.HasSuffix(r.URL.Path, "/$batch") {
							return tt.fault
						}
						return fault{}
					})
					for _, res := range call(t.Context(), g) {
						err := res.Err
						if res.Err = nil; res != tt.want || err == nil {
							t.Errorf("got %+v (%v), want %+v", res, err, tt.want)
						}
					}
					if n := f.requests("POST "); n != 1 {
						t.Errorf("%d envelopes, want one attempt", n)
					}
					// It was one bad answer: the next envelope is sent.
					f.setFault(nil)
					f.envelopes.sizes = nil
					if checkFates(t, call(t.Context(), g), Stored, Stored, Stored); f.inEnvelopes() != "[3]" {
						t.Errorf("afterwards envelopes of %s, want [3]", f.inEnvelopes())
					}
				})
			})
		}
	}
}

// A service that refuses envelopes gets single requests, for good, and the
// user is told so once.
func TestEnvelopeRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fault                   // of the envelope
		inner func(method string) int // of each request in one
	}{
		{name: "400", fault: fault{status: 400, said: true}},
		{name: "403", fault: fault{status: 403, said: true}},
		{name: "404 of a gateway", fault: fault{status: 404, body: "<html>"}},
		{name: "405", fault: fault{status: 405, said: true}},
		{name: "413 of anything", fault: fault{status: 413}},
		{name: "501", fault: fault{status: 501, said: true}},
		{name: "400 of each", inner: func(string) int { return 400 }},
		{name: "403 of each", inner: func(string) int { return 403 }},
		{name: "404 of each", inner: func(string) int { return 404 }},
		{name: "405 of each", inner: func(string) int { return 405 }},
		{name: "501 of each", inner: func(string) int { return 501 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, first := range []string{"Put", "Delete"} {
				var log strings.Builder
				f, g := newUnprovenGraph(t, func(o *GraphOptions) { o.Log = debugLog(&log) })
				f.envelopes.inner = tt.inner
				f.setFault(func(r *http.Request, n int) fault {
					if strings.HasSuffix(r.URL.Path, "/$batch") {
						return tt.fault
					}
					return fault{}
				})
				for id := range 30 {
					f.conns["hd"].items[fmt.Sprintf("i%d", id)] = []byte(`{"properties":{"title":"old"}}`)
				}
				if first == "Delete" {
					results := g.Delete(t.Context(), idsOf(30))
					if count(results, Stored) != 30 || len(f.stored()) != 0 {
						t.Errorf("%d of 30 deleted, left %q", count(results, Stored), f.stored())
					}
				}
				results := g.Put(t.Context(), items(30))
				if count(results, Stored) != 30 || len(f.stored()) != 30 || titleOf(t, f.conns["hd"].items["i29"]) != "title 29" {
					t.Errorf("after %s: %d of 30 stored: %+v", first, count(results, Stored), results[0])
				}
				if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "single requests from now on") {
					t.Errorf("%d warnings, want one: %s", n, log.String())
				}
				if n := f.requests("POST "); n > 1 && tt.fault.status != 413 || n > 2 { // two sizes of a 413
					t.Errorf("%d envelopes, want one", n)
				}
				if g.MaxBatch() != 1 {
					t.Errorf("MaxBatch = %d afterwards, want 1", g.MaxBatch())
				}
			}
		})
	}
}

// Bad items and items that are not there are no refusal of envelopes.
func TestEnvelopeAllBad(t *testing.T) {
	f, g := newUnprovenGraph(t, func(o *GraphOptions) { o.Log = failOnWarn(t) })
	its := items(5)
	for _, it := range its {
		it.ACL = nil
	}
	checkFates(t, g.Put(t.Context(), its), Rejected, Rejected, Rejected, Rejected, Rejected)
	checkFates(t, g.Delete(t.Context(), idsOf(3)), Stored, Stored, Stored)
	if g.MaxBatch() != 20 {
		t.Error("no envelopes any more")
	}
	// Once a method has done something in an envelope, its answers count.
	checkFates(t, g.Put(t.Context(), items(3)), Stored, Stored, Stored)
	checkFates(t, g.Delete(t.Context(), idsOf(3)), Stored, Stored, Stored)
	f.log = nil
	checkFates(t, g.Put(t.Context(), its[:3]), Rejected, Rejected, Rejected)
	checkFates(t, g.Delete(t.Context(), idsOf(3)), Stored, Stored, Stored)
	if f.requests("PUT ") != 3 || f.requests("DELETE ") != 3 {
		t.Errorf("%q: each is asked once", f.log)
	}
}

// While it is doubtful whether envelopes are taken, an outage is no answer:
// nothing counts as deleted, and envelopes are not given up.
func TestEnvelopeDoubtfulAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newUnprovenGraph(t, func(o *GraphOptions) { o.Log = failOnWarn(t) })
		f.envelopes.inner = func(string) int { return 404 }
		f.setFault(func(r *http.Request, n int) fault {
			if strings.HasSuffix(r.URL.Path, "/$batch") || n%20 < 3 {
				return fault{}
			}
			return []fault{{status: 503}, {loseReply: true}, {status: 429}}[n%3]
		})
		for _, res := range g.Delete(t.Context(), idsOf(6)) {
			if res.Fate == Stored && res.Err != nil || res.Fatal {
				t.Errorf("%+v", res)
			}
		}
		f.setFault(func(*http.Request, int) fault { return fault{status: 503} })
		checkFates(t, g.Delete(t.Context(), idsOf(2)), Unsettled, Unsettled)
	})
}

// An envelope that is too large for the service is halved until it is not.
func TestEnvelopeTooLarge(t *testing.T) {
	f, g := newBatchGraph(t, nil)
	f.envelopes.largest = 60_000
	its := items(40)
	for _, it := range its {
		it.Content = transform.Content{Type: "text", Value: strings.Repeat("x", 9000)}
	}
	if results := g.Put(t.Context(), its); count(results, Stored) != 40 || len(f.stored()) != 40 {
		t.Errorf("%d stored: %+v", count(results, Stored), results[0])
	}
	refused := 0
	for _, n := range f.envelopes.bytes {
		if n > 60_000 {
			refused++
		}
	}
	if refused != 2 || g.MaxBatch() != 20 { // 190 and 95 KB; then 47
		t.Errorf("%d envelopes were too large: %s; want 2", refused, f.inEnvelopes())
	}
}

// A token that is replaced while an envelope is under way costs nothing.
func TestEnvelopeTokenReplaced(t *testing.T) {
	asked := 0
	f, g := newFakeGraph(t, func(o *GraphOptions) {
		o.Batch = 20
		o.Token = tokenFunc(func(context.Context) (string, error) {
			if asked++; asked == 1 {
				return "old", nil
			}
			return "new", nil
		})
	})
	f.token = "new"
	checkFates(t, g.Put(t.Context(), items(3)), Stored, Stored, Stored)
}

// Throttling is judged by the requests in an envelope, so the Loader paces
// them and not envelopes.
func TestEnvelopeIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newBatchGraph(t, nil)
		var at []time.Time
		f.setFault(func(r *http.Request, n int) fault {
			if r.Method == http.MethodPut {
				at = append(at, time.Now())
			}
			return fault{slow: 100 * time.Millisecond}
		})
		l := &Loader{Target: g, Limiter: NewLimiter(LimiterOptions{Max: 25, MaxInFlight: 25})}
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() {
				its := items(50)
				for _, it := range its {
					it.ID = fmt.Sprintf("k%d%s", k, it.ID)
				}
				if results, err := l.Put(t.Context(), its); err != nil || count(results, Stored) != 50 {
					t.Errorf("%d stored: %v", count(results, Stored), err)
				}
			})
		}
		wg.Wait()
		for i := range at {
			// The requests of an envelope come at once: so much may be ahead.
			if in := at[i].Sub(at[0]); float64(i) > 25*in.Seconds()+25+20 {
				t.Fatalf("request %d comes after %v, at 25 a second", i, in)
			}
		}
		if s := l.Stats(); s.Requests != 200 || s.Retries != 0 {
			t.Errorf("stats %+v, want 200 requests", s)
		}
	})
}

// A local Graph on a bad day ends with the same items, and the same refusals,
// whichever way the requests travel.
func TestWaysAgreeUnderFaults(t *testing.T) {
	const faults = "429=4%,500=1%,502=1%,503=2%,504=1%,dropBefore=3%,dropAfter=3%,reject=5%,retryAfter=decimal,after=5ms,seed=3"
	its := items(300)
	for i, it := range its {
		it.Content = transform.Content{Type: "text", Value: strings.Repeat("word ", i)}
		if i%50 == 7 {
			it.ACL = nil
		}
	}
	wrong, err := localgraph.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	var want string
	for _, w := range ways {
		server, graph := newLocalGraph(t, w.change)
		if err := server.SetFaults(wrong); err != nil {
			t.Fatal(err)
		}
		g := &noted{Graph: graph}
		l := &Loader{Target: g, Retry: Retry{Base: time.Millisecond, Max: 10 * time.Millisecond}}
		var told strings.Builder
		results, err := l.Put(t.Context(), its)
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		for i, res := range results {
			if res.Fate != Stored {
				api, _ := errors.AsType[*APIError](res.Err)
				fmt.Fprintln(&told, its[i].ID, res.Fate, api.Status, api.Code, api.Message)
			}
		}
		half, err := l.Delete(t.Context(), idsOf(150))
		if err != nil || count(half, Stored) != 150 {
			t.Fatalf("%s: %d deleted: %v", w.name, count(half, Stored), err)
		}
		if err := server.SetFaults(localgraph.Faults{}); err != nil {
			t.Fatal(err)
		}
		for _, id := range slices.Sorted(maps.Keys(g.titles(t))) {
			fmt.Fprintln(&told, id)
		}
		switch s := l.Stats(); {
		case want == "":
			want = told.String()
		case told.String() != want:
			t.Errorf("%s ends with\n%s\nalone with\n%s", w.name, told.String(), want)
		case s.Throttled == 0 || s.Retries == 0:
			t.Errorf("%s: stats %+v: the faults were not met", w.name, s)
		}
	}
	if strings.Count(want, "\n") < 150 {
		t.Errorf("ended with\n%s", want)
	}
}
