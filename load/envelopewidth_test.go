package load

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
		errs  []error
		want  int
		times int  // 0 is once
		wide  bool // it is said to be too wide
		late  bool // sent before the last bad one was answered
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"what goes well changes nothing", []step{{errs: answered(20), want: 20}, {errs: part(1, 19, refused), want: 20}, {errs: many(20, refused), want: 20}}},
		{"what never went through whole is too wide", []step{{errs: part(6, 14, slower), want: 6, wide: true}, {errs: answered(6), want: 6}}},
		{"nothing of it went through, twice", []step{{errs: many(20, slower), want: 20}, {errs: many(20, slower), want: 10}, {errs: many(10, slower), want: 10}, {errs: many(10, slower), want: 5}}},
		{"those that were under way say the same", []step{{errs: part(6, 14, slower), want: 6, wide: true}, {errs: part(6, 14, slower), want: 6, wide: true}, {errs: many(20, slower), want: 6}}},
		{"what went through whole is throttled for its rate", []step{{errs: answered(20), want: 20}, {errs: part(6, 14, slower), want: 20}, {errs: answered(20), want: 20}, {errs: part(6, 14, slower), want: 20}}},
		{"but not twice in a row", []step{{errs: answered(20), want: 20}, {errs: part(6, 14, slower), want: 20}, {errs: part(6, 14, slower), want: 10}, {errs: part(6, 4, slower), want: 10}, {errs: answered(10), want: 10}}},
		{"after which the wider is too wide", []step{{errs: answered(20), want: 20}, {errs: part(6, 14, slower), want: 20}, {errs: part(6, 14, slower), want: 10},
			{errs: answered(10), times: 10, want: 11}, {errs: part(10, 1, slower), want: 10, wide: true}}},
		{"nor when the others were under way", []step{{errs: answered(20), want: 20}, {errs: many(20, slower), want: 20}, {errs: many(20, slower), want: 20, late: true}, {errs: answered(20), want: 20}, {errs: many(20, slower), want: 20}}},
		{"a small one that goes well does not acquit a large one", []step{{errs: answered(20), want: 20}, {errs: many(20, slower), want: 20}, {errs: answered(3), want: 20}, {errs: many(20, slower), want: 10}}},
		{"what was too wide grows slowly", []step{{errs: part(10, 10, slower), want: 10, wide: true}, {errs: answered(10), times: 9, want: 10}, {errs: answered(10), want: 11}}},
		{"and more slowly when that was in vain", []step{{errs: part(10, 10, slower), want: 10, wide: true}, {errs: answered(10), times: 10, want: 11},
			{errs: part(10, 1, slower), want: 10, wide: true}, {errs: answered(10), times: 39, want: 10}, {errs: answered(10), want: 11},
			{errs: part(10, 1, slower), want: 10, wide: true}, {errs: answered(10), times: 159, want: 10}, {errs: answered(10), want: 11}}},
		{"and faster when it was not", []step{{errs: part(10, 10, slower), want: 10, wide: true}, {errs: answered(10), times: 10, want: 11},
			{errs: part(10, 1, slower), want: 10, wide: true}, {errs: answered(10), times: 40, want: 11}, {errs: answered(11), times: 9, want: 11}, {errs: answered(11), want: 12}}},
		{"a refusal that comes alone is the rate's", []step{{errs: many(1, slower), want: 20}}},
		{"two that fail as a whole", []step{{errs: many(20, broken), want: 20}, {errs: many(20, down), want: 10}}},
		{"those of two are parted", []step{{errs: many(3, broken), want: 20}, {errs: many(3, broken), want: 1}}},
		{"some answers are answers", []step{{errs: part(1, 19, broken), want: 20}, {errs: part(1, 19, down), want: 20}}},
		{"what failed grows fast", []step{{errs: many(2, broken), want: 20}, {errs: many(2, broken), want: 1}, {errs: answered(1), want: 2}, {errs: answered(2), want: 3}, {errs: answered(1), want: 4}}},
		{"never less than one, never more than the most", []step{{errs: part(1, 1, slower), want: 1, wide: true}, {errs: many(1, broken), want: 1}, {errs: many(1, slower), want: 1}, {errs: answered(1), times: 99, want: 1}, {errs: answered(1), want: 2}}},
	} {
		w := envelopeWidth{max: 20, now: 20}
		for i, s := range tt.steps {
			_, turn := w.get()
			if s.late {
				turn--
			}
			for range s.times - 1 {
				w.learn(turn, s.errs)
			}
			if wide := w.learn(turn, s.errs); w.now != s.want || wide != s.wide {
				t.Errorf("%s: after step %d the width is %d (too wide %v), want %d (%v)", tt.name, i+1, w.now, wide, s.want, s.wide)
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
		if s, rate := l.Stats(), l.Limiter.Rate(); s.Throttled > 40 || rate < 40 {
			t.Errorf("%d of %d requests were throttled, and the rate is %.1f; want 40", s.Throttled, s.Requests, rate)
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
		if res.Fate != Stored && (res.After != 10*time.Second || res.Throttled) {
			t.Errorf("item %d: %+v, want to wait, and nothing for the limiter", i, res)
		}
	}
	// The same of a width that has gone through whole is for the limiter.
	busy := f.fault
	f.setFault(nil)
	g.Put(t.Context(), items(19))
	f.setFault(busy)
	if res := g.Put(t.Context(), items(19))[7]; res.After != 10*time.Second || !res.Throttled {
		t.Errorf("throttled at a width that went through before: %+v", res)
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

// A call that has waited for the limiter takes no more than may go together
// now; the rest is not forgotten, and holds no place.
func TestLoaderNarrowsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := narrowing{counted: counted{&scripted{}}, most: new(atomic.Int32)}
		target.most.Store(20)
		target.answer = each(func(string) Result { return Result{Fate: Stored} })
		l := &Loader{Target: target, Limiter: NewLimiter(LimiterOptions{Max: 10, MaxInFlight: 20})}
		started := time.Now()
		go func() {
			time.Sleep(time.Second) // 20 requests take two
			target.most.Store(5)
		}()
		results, err := l.Put(t.Context(), items(100))
		if err != nil || count(results, Stored) != 100 {
			t.Fatalf("%d stored: %v", count(results, Stored), err)
		}
		for i, at := range target.at {
			if since := at.Sub(started); since > time.Second && target.calls[i] > 5 {
				t.Errorf("a call of %d items after %v, want 5 at most", target.calls[i], since)
			}
		}
		if left := l.Limiter.learner.now.inFlight; left != 0 {
			t.Errorf("%d places are held at the end", left)
		}
		for id, n := range target.settled {
			if n != 1 {
				t.Errorf("%s was sent %d times", id, n)
			}
		}
	})
}

// narrowing is a target that takes less at once as time goes by.
type narrowing struct {
	counted
	most *atomic.Int32
}

func (n narrowing) MaxBatch() int { return int(n.most.Load()) }

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
