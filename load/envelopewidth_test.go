package load

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestEnvelopeWidth(t *testing.T) {
	var (
		ok       error
		slower   = &APIError{Status: 429}
		refused  = &APIError{Status: 400}
		broken   = errors.New("connection reset by peer")
		down     = &APIError{Status: 503}
		many     = func(n int, err error) []error { return slices.Repeat([]error{err}, n) }
		part     = func(good, bad int, err error) []error { return append(many(good, ok), many(bad, err)...) }
		answered = func(n int) []error { return many(n, ok) }
	)
	type step struct {
		errs []error
		want int
		late bool // sent before the last bad one was answered
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"what goes well changes nothing", []step{{answered(20), 20, false}, {part(1, 19, refused), 20, false}, {many(20, refused), 20, false}}},
		{"one throttled envelope proves nothing", []step{{part(6, 14, slower), 20, false}, {answered(20), 20, false}, {part(6, 14, slower), 20, false}}},
		{"two show how many are borne at once", []step{{part(6, 14, slower), 20, false}, {part(7, 13, slower), 7, false}}},
		{"two of which nothing went through", []step{{many(20, slower), 20, false}, {many(20, slower), 10, false}, {many(10, slower), 10, false}, {many(10, slower), 5, false}}},
		{"those that were under way say the same", []step{{many(20, slower), 20, false}, {many(20, slower), 20, true}, {many(20, slower), 20, true}, {answered(20), 20, false}}},
		{"a small one that goes well does not acquit a large one", []step{{many(20, slower), 20, false}, {answered(3), 20, false}, {many(20, slower), 10, false}}},
		{"what was throttled grows slowly", []step{{many(20, slower), 20, false}, {many(20, slower), 10, false}, {answered(slowly - 1), 10, false}, {answered(1), 11, false}}},
		{"two that fail as a whole", []step{{many(20, broken), 20, false}, {many(20, down), 10, false}}},
		{"those of two are parted", []step{{many(3, broken), 20, false}, {many(3, broken), 1, false}}},
		{"some answers are answers", []step{{part(1, 19, broken), 20, false}, {part(1, 19, down), 20, false}}},
		{"what failed grows fast", []step{{many(2, broken), 20, false}, {many(2, broken), 1, false}, {answered(1), 2, false}, {answered(2), 3, false}, {answered(1), 4, false}}},
		{"never less than one, never more than the most", []step{{many(2, broken), 20, false}, {many(2, broken), 1, false}, {many(1, broken), 1, false}, {many(1, slower), 1, false}, {answered(1), 2, false}}},
	} {
		w := envelopeWidth{max: 20, now: 20}
		for i, s := range tt.steps {
			_, turn := w.get()
			if s.late {
				turn--
			}
			if w.learn(turn, s.errs); w.now != s.want {
				t.Errorf("%s: after step %d the width is %d, want %d", tt.name, i+1, w.now, s.want)
			}
		}
	}
}

// A service that bears five requests at once, and 50 a second, soon gets no
// more at once.
func TestEnvelopeLearnsBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newBatchGraph(t, nil)
		var mu sync.Mutex
		room, at := 5.0, time.Now()
		f.setFault(func(r *http.Request, n int) fault {
			if r.Method != http.MethodPut {
				return fault{}
			}
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			room, at = min(5, room+50*now.Sub(at).Seconds()), now
			if room < 1 {
				return fault{status: 429, said: true, header: map[string]string{"Retry-After": "1"}}
			}
			room--
			return fault{}
		})
		l := &Loader{Target: g, Limiter: NewLimiter(LimiterOptions{Max: 40})}
		results, err := l.Put(t.Context(), items(2000))
		if err != nil || count(results, Stored) != 2000 {
			t.Fatalf("%d stored: %v", count(results, Stored), err)
		}
		if s := l.Stats(); s.Throttled > 100 {
			t.Errorf("%d of %d requests were throttled", s.Throttled, s.Requests)
		}
	})
}

// An item that breaks its envelope does not keep the others out.
func TestEnvelopePoisonItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newBatchGraph(t, nil)
		f.envelopes.kill = func(body string) bool { return strings.Contains(body, "/items/i5\"") }
		f.setFault(func(r *http.Request, n int) fault {
			return fault{loseReply: strings.HasSuffix(r.URL.Path, "/items/i5")}
		})
		results, err := (&Loader{Target: g}).Put(t.Context(), items(100))
		if _, ok := errors.AsType[*UnavailableError](err); !ok || count(results, Stored) != 99 || results[5].Fate != Unsettled {
			t.Errorf("%v with %d stored, item 5 %+v", err, count(results, Stored), results[5])
		}
	})
}

// What is throttled in one envelope of a Put holds the next ones back.
func TestEnvelopeHoldsBack(t *testing.T) {
	f, g := newBatchGraph(t, nil)
	f.setFault(func(r *http.Request, n int) fault {
		if strings.HasSuffix(r.URL.Path, "/items/i7") {
			return fault{status: 429, said: true, header: map[string]string{"Retry-After": "10"}}
		}
		return fault{}
	})
	results := g.Put(t.Context(), items(60))
	if count(results, Stored) != 19 || f.inEnvelopes() != "[20]" {
		t.Errorf("%d stored by envelopes of %s, want 19 by one", count(results, Stored), f.inEnvelopes())
	}
	for i, res := range results {
		if res.Fate != Stored && (!res.Throttled || res.After != 10*time.Second) {
			t.Errorf("item %d: %+v, want to wait", i, res)
		}
	}
}

// Calls of several requests share a limiter that has room for few.
func TestLoaderSeveralAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, flight := range []int{1, 7, 25} {
			target := &scripted{batch: 20}
			target.answer = each(func(string) Result {
				time.Sleep(time.Millisecond)
				return Result{Fate: Stored}
			})
			limiter := NewLimiter(LimiterOptions{Max: 1e6, MaxInFlight: flight})
			var wg sync.WaitGroup
			for range 2 { // two Loaders of one limiter
				l := &Loader{Target: counted{target}, Concurrency: 25, Limiter: limiter}
				for range 3 {
					wg.Go(func() {
						if results, err := l.Put(t.Context(), items(90)); err != nil || count(results, Stored) != 90 {
							t.Errorf("%d stored: %v", count(results, Stored), err)
						}
					})
				}
			}
			wg.Wait()
			if most := slices.Max(target.calls); most > flight {
				t.Errorf("a call of %d items with %d in flight", most, flight)
			}
			if n := limiter.learner.now.inFlight; n != 0 {
				t.Errorf("%d are held to be in flight at the end, of %d", n, flight)
			}
		}
	})
}

// counted is a target each of whose items takes a request.
type counted struct{ *scripted }

func (counted) Requests(items int) int { return items }

func FuzzEnvelopeAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"responses":[{"id":"2","status":204},{"id":"1","status":429,"headers":{"Retry-After":"10"},"body":{"error":{"code":"x"}}}]}`,
		`{"responses":[{"id":1,"status":"200","headers":null,"body":null},{"id":"1","status":200}]}`,
		`{"responses":[null,{},{"id":"2","status":502,"headers":{"content-type":"text/html"},"body":"PGh0bWw-"}]}`,
		`{"Responses":[{"ID":"2","Status":1e3,"Headers":{"a":["b",null]},"Body":"\ud800"}]}`, `{"responses":{}}`, ``, `null`, `{"responses":null}`,
	} {
		f.Add([]byte(seed))
	}
	e := newEnvelopes(GraphOptions{Batch: 20}, nil)
	reqs := []*http.Request{{Method: "PUT"}, {Method: "DELETE"}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		resps, errs := make([]*http.Response, 2), make([]error, 2)
		if !e.unpack(answer, reqs, resps, errs) {
			return
		}
		for i := range reqs {
			if (resps[i] == nil) == (errs[i] == nil) {
				t.Errorf("request %d: response %v and error %v, want one of them", i, resps[i], errs[i])
			}
			if resps[i] != nil && (resps[i].StatusCode < 200 || resps[i].StatusCode > 599) {
				t.Errorf("request %d: status %d", i, resps[i].StatusCode)
			}
		}
	})
}
