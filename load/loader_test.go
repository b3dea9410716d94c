package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"importer/transform"
)

// A scripted target answers as its function says.
type scripted struct {
	batch  int
	answer func(ctx context.Context, ids []string) []Result

	mu      sync.Mutex // guards the fields below
	calls   []int      // how many items each had
	at      []time.Time
	now     int // calls under way
	atOnce  int // the most of them
	settled map[string]int
}

func (s *scripted) MaxBatch() int { return s.batch }

func (s *scripted) Put(ctx context.Context, items []*transform.Item) []Result {
	ids := make([]string, len(items))
	for i, it := range items {
		ids[i] = it.ID
	}
	return s.Delete(ctx, ids)
}

func (s *scripted) Delete(ctx context.Context, ids []string) []Result {
	s.mu.Lock()
	s.calls = append(s.calls, len(ids))
	s.at = append(s.at, time.Now())
	s.now++
	s.atOnce = max(s.atOnce, s.now)
	s.mu.Unlock()
	results := s.answer(ctx, ids)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if s.settled == nil {
		s.settled = make(map[string]int)
	}
	for i, res := range results {
		if res.Fate != Unsettled {
			s.settled[ids[i]]++
		}
	}
	return results
}

// each makes an answer of one item's.
func each(answer func(id string) Result) func(context.Context, []string) []Result {
	return func(_ context.Context, ids []string) []Result {
		results := make([]Result, len(ids))
		for i, id := range ids {
			results[i] = answer(id)
		}
		return results
	}
}

func items(n int) []*transform.Item {
	its := make([]*transform.Item, n)
	for i := range its {
		its[i] = item(fmt.Sprintf("i%d", i), fmt.Sprintf("title %d", i))
	}
	return its
}

var errNetwork = errors.New("connection reset by peer")

func count(results []Result, fate Fate) (n int) {
	for _, res := range results {
		if res.Fate == fate {
			n++
		}
	}
	return n
}

// Ten minutes in which the service is gone, then a service that throttles,
// loses and refuses: every item ends in its own verdict, and none is sent
// again after that.
func TestLoaderOutage(t *testing.T) {
	for _, batch := range []int{1, 7, 500} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			var n atomic.Int64
			target := &scripted{batch: batch}
			target.answer = each(func(id string) Result {
				time.Sleep(10 * time.Millisecond)
				switch since := time.Since(started); {
				case since < 10*time.Minute:
					return Result{Err: errNetwork}
				case id == "i13":
					return Result{Fate: Rejected, Err: &APIError{Status: 400}}
				case n.Add(1)%3 == 0:
					return Result{Err: errNetwork}
				case n.Load()%7 == 0:
					return Result{Err: &APIError{Status: 429}, Throttled: true, After: 5 * time.Second}
				}
				return Result{Fate: Stored}
			})
			l := &Loader{Target: target, Concurrency: 8}
			results, err := l.Put(t.Context(), items(200))
			if err != nil {
				t.Fatalf("batch %d: %v", batch, err)
			}
			if count(results, Stored) != 199 || results[13].Fate != Rejected {
				t.Errorf("batch %d: %d stored, item 13 is %+v", batch, count(results, Stored), results[13])
			}
			for id, n := range target.settled {
				if n != 1 {
					t.Errorf("batch %d: %s was settled %d times", batch, id, n)
				}
			}
			during := 0
			for _, at := range target.at {
				if at.Sub(started) < 10*time.Minute {
					during++
				}
			}
			if during < 8 || during > 400 {
				t.Errorf("batch %d: %d calls during an outage of 10 minutes, want probes only", batch, during)
			}
			if s := l.Stats(); s.Requests != int64(len(target.calls)) || s.Throttled == 0 || s.Retries == 0 {
				t.Errorf("batch %d: stats %+v after %d calls", batch, s, len(target.calls))
			}
		})
	}
}

// When retries run out the call stops. What was not settled stays Unsettled:
// an outage is nobody's verdict.
func TestLoaderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &scripted{batch: 1, answer: each(func(id string) Result {
			if id == "i0" {
				return Result{Fate: Stored}
			}
			return Result{Err: errNetwork}
		})}
		l := &Loader{Target: target, Concurrency: 4}
		started := time.Now()
		results, err := l.Put(t.Context(), items(100))
		gone, ok := errors.AsType[*UnavailableError](err)
		if !ok || !errors.Is(err, errNetwork) || gone.For < 15*time.Minute {
			t.Fatalf("%v, want *UnavailableError with the cause after 15 minutes", err)
		}
		if took := time.Since(started); took > 20*time.Minute {
			t.Errorf("gave up after %v", took)
		}
		if count(results, Stored) != 1 || count(results, Unsettled) != 99 {
			t.Errorf("%d stored and %d unsettled, want 1 and 99", count(results, Stored), count(results, Unsettled))
		}
		for i, res := range results[1:] {
			if res.Err == nil {
				t.Errorf("item %d is unsettled and does not say why", i+1)
			}
		}
	})
}

// One item that never gets through does not keep the others waiting, and ends
// the call only after the full patience.
func TestLoaderPoisonItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var last atomic.Int64
		target := &scripted{batch: 1, answer: each(func(id string) Result {
			if id == "i5" {
				return Result{Err: &APIError{Status: 500}}
			}
			last.Store(int64(time.Since(started)))
			return Result{Fate: Stored}
		})}
		results, err := (&Loader{Target: target, Concurrency: 4}).Put(t.Context(), items(100))
		if _, ok := errors.AsType[*UnavailableError](err); !ok || count(results, Stored) != 99 || results[5].Fate != Unsettled {
			t.Errorf("%v with %d stored, item 5 %+v", err, count(results, Stored), results[5])
		}
		if took := time.Duration(last.Load()); took > time.Second {
			t.Errorf("the others took %v", took)
		}
	})
}

// The pause that one call is asked for holds every call of the Loader.
func TestLoaderSharedPause(t *testing.T) {
	for _, limiter := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			var first atomic.Bool
			target := &scripted{batch: 1}
			target.answer = each(func(string) Result {
				time.Sleep(time.Second)
				if first.CompareAndSwap(false, true) {
					return Result{Err: &APIError{Status: 429}, Throttled: true, After: time.Minute}
				}
				return Result{Fate: Stored}
			})
			l := &Loader{Target: target, Concurrency: 4}
			if limiter {
				l.Limiter = NewLimiter(LimiterOptions{Max: 10})
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if _, err := l.Put(t.Context(), items(20)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, at := range target.at {
				if since := at.Sub(started); since > 2*time.Second && since < 61*time.Second {
					t.Errorf("limiter %v: a call at %v, in the pause from 1 s to 61 s", limiter, since)
				}
			}
			if len(target.calls) != 61 {
				t.Errorf("limiter %v: %d calls for 60 items of which one was throttled", limiter, len(target.calls))
			}
			if target.atOnce > 4 {
				t.Errorf("limiter %v: %d calls at once over all Puts, want at most 4", limiter, target.atOnce)
			}
		})
	}
}

// A Retry-After that would hold the night's crawl for days stops it instead.
func TestLoaderAbsurdRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		target := &scripted{batch: 1, answer: each(func(string) Result {
			return Result{Err: &APIError{Status: 503}, After: 48 * time.Hour}
		})}
		_, err := (&Loader{Target: target}).Put(t.Context(), items(3))
		if _, ok := errors.AsType[*UnavailableError](err); !ok || time.Since(started) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(started))
		}
	})
}

// A Fatal stops every call of the Loader, even one that waits out a pause.
func TestLoaderFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		target := &scripted{batch: 1, answer: each(func(id string) Result {
			switch id {
			case "i0": // the first call of all: an hour's pause
				return Result{Err: &APIError{Status: 429}, After: 50 * time.Minute}
			case "fatal":
				time.Sleep(time.Minute)
				return Result{Err: &APIError{Status: 401}, Fatal: true}
			}
			return Result{Fate: Stored}
		})}
		l := &Loader{Target: target, Concurrency: 2}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := l.Delete(t.Context(), []string{"fatal"})
			if _, ok := errors.AsType[*AuthError](err); !ok {
				t.Errorf("the call itself: %v, want *AuthError", err)
			}
		})
		synctest.Wait()
		results, err := l.Put(t.Context(), items(10))
		if _, ok := errors.AsType[*AuthError](err); !ok || time.Since(started) > 2*time.Minute {
			t.Errorf("the call that waited: %v after %v", err, time.Since(started))
		}
		for i, res := range results {
			if res.Fate == Unsettled && res.Err == nil || res.Fate == Rejected {
				t.Errorf("item %d: %+v", i, res)
			}
		}
		wg.Wait()
		before := len(target.calls)
		if _, err := l.Put(t.Context(), items(1)); err == nil || len(target.calls) > before+1 {
			t.Errorf("a later call: %v after %d calls, want the same error", err, len(target.calls)-before)
		}
	})
}

// A cancel returns ctx's error, at once, and no verdict that nobody gave.
func TestLoaderCancel(t *testing.T) {
	waits := map[string]Result{
		"backing off":      {Err: errNetwork},
		"pausing":          {Err: &APIError{Status: 429}, Throttled: true, After: 10 * time.Minute},
		"waiting for turn": {Fate: Stored},
	}
	for name, answer := range waits {
		synctest.Test(t, func(t *testing.T) {
			target := &scripted{batch: 1, answer: each(func(string) Result { return answer })}
			l := &Loader{Target: target, Concurrency: 3, Limiter: NewLimiter(LimiterOptions{Max: 2})}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			started := time.Now()
			results, err := l.Put(ctx, items(1000))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != 30*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(started))
			}
			if count(results, Rejected) != 0 || count(results, Stored) != len(target.settled) {
				t.Errorf("%s: %d rejected, %d stored of %d", name, count(results, Rejected), count(results, Stored), len(target.settled))
			}
			if answer.Fate == Stored && len(target.settled) < 50 {
				t.Errorf("%s: only %d were stored in 30 s at 2/s", name, len(target.settled))
			}
		})
	}
}

// A target that answers half of what it was asked leaves the rest unsettled.
func TestLoaderHalfAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &scripted{batch: 10, answer: func(_ context.Context, ids []string) []Result {
			results := make([]Result, (len(ids)+1)/2)
			for i := range results {
				results[i].Fate = Stored
			}
			return results
		}}
		results, err := (&Loader{Target: target}).Put(t.Context(), items(25))
		if err != nil || count(results, Stored) != 25 {
			t.Errorf("%d stored, %v", count(results, Stored), err)
		}
		for id, n := range target.settled {
			if n != 1 {
				t.Errorf("%s was stored %d times", id, n)
			}
		}
	})
}

func TestLoaderBatches(t *testing.T) {
	target := &scripted{batch: 500, answer: each(func(string) Result { return Result{Fate: Stored} })}
	l := &Loader{Target: target, Concurrency: 1}
	if _, err := l.Put(t.Context(), items(1200)); err != nil || !slices.Equal(target.calls, []int{500, 500, 200}) {
		t.Errorf("calls of %v items, %v", target.calls, err)
	}
	if results, err := l.Put(t.Context(), nil); err != nil || len(results) != 0 {
		t.Errorf("Put of nothing: %v, %v", results, err)
	}
}

// The whole way through net/http: an hour in the life of a service that loses
// requests and replies, throttles in all three forms, answers with web pages
// and cuts its answers short. What is stored is what was sent.
func TestLoaderOverStormyGraph(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { testLoaderOverStormyGraph(t, w.change) })
	}
}

func testLoaderOverStormyGraph(t *testing.T, change func(*GraphOptions)) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, change)
		f.fault = func(r *http.Request, n int) fault {
			switch n % 11 {
			case 1:
				return fault{status: 429, header: map[string]string{"Retry-After": "7"}}
			case 2:
				return fault{loseReply: true}
			case 3:
				return fault{status: 429, header: map[string]string{"Retry-After": "1.25"}}
			case 4:
				return fault{status: 502, body: "<html><title>oops</title>"}
			case 5:
				return fault{status: 503, header: map[string]string{"Retry-After": time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat)}}
			case 6:
				return fault{loseRequest: true}
			case 7:
				return fault{half: true}
			case 8:
				return fault{slow: 5 * time.Minute}
			}
			return fault{}
		}
		its := items(300)
		its[42].Properties[0].Value.Str = "refuse me"
		l := &Loader{Target: g, Limiter: NewLimiter(LimiterOptions{})}
		results, err := l.Put(t.Context(), its)
		if err != nil || count(results, Stored) != 299 || results[42].Fate != Rejected {
			t.Fatalf("%d stored, item 42 %+v: %v", count(results, Stored), results[42], err)
		}
		if got := f.stored(); len(got) != 299 {
			t.Errorf("the service holds %d items, want 299", len(got))
		}
		ids := make([]string, len(its))
		for i := range its {
			ids[i] = its[i].ID
		}
		results, err = l.Delete(t.Context(), ids)
		if err != nil || count(results, Stored) != 300 || len(f.stored()) != 0 {
			t.Errorf("%d deleted, the service holds %q: %v", count(results, Stored), f.stored(), err)
		}
	})
}

// The token expires in the middle of a run: the run stops, and a second one
// finds everything as its results say.
func TestLoaderTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, func(o *GraphOptions) { o.Token = StaticToken("secret") })
		f.fault = func(r *http.Request, n int) fault {
			if n > 30 {
				return fault{status: 401, body: `{"error":{"code":"InvalidAuthenticationToken","message":"expired"}}`}
			}
			return fault{}
		}
		l := &Loader{Target: g, Concurrency: 5}
		results, err := l.Put(t.Context(), items(100))
		if _, ok := errors.AsType[*AuthError](err); !ok {
			t.Fatalf("%v, want *AuthError", err)
		}
		if count(results, Stored) != 30 || count(results, Unsettled) != 70 || len(f.stored()) != 30 || len(f.log) > 40 {
			t.Errorf("%d stored, %d unsettled, %d requests; the service holds %d", count(results, Stored), count(results, Unsettled), len(f.log), len(f.stored()))
		}
	})
}

// nothing is a target that costs nothing, to measure the Loader alone.
type nothing struct{ batch int }

var stored = []Result{{Fate: Stored}}

func (n nothing) MaxBatch() int { return n.batch }
func (n nothing) Put(_ context.Context, items []*transform.Item) []Result {
	if len(items) == 1 {
		return stored
	}
	results := make([]Result, len(items))
	for i := range results {
		results[i].Fate = Stored
	}
	return results
}
func (n nothing) Delete(context.Context, []string) []Result { return nil }

func BenchmarkLoader(b *testing.B) {
	its := items(500)
	for _, batch := range []int{1, 500} {
		for _, concurrency := range []int{1, 4, 25} {
			b.Run(fmt.Sprintf("batch=%d/concurrency=%d", batch, concurrency), func(b *testing.B) {
				l := &Loader{Target: nothing{batch}, Concurrency: concurrency}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := l.Put(b.Context(), its); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/item")
			})
		}
	}
}

// A PUT through the client to a handler in the same process, without any
// store: what the local Graph pays for speaking HTTP.
func BenchmarkGraphPut(b *testing.B) {
	g, err := NewGraph(GraphOptions{Connection: "hd", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})})
	if err != nil {
		b.Fatal(err)
	}
	its := []*transform.Item{benchItem()}
	b.ReportAllocs()
	for b.Loop() {
		if res := g.Put(b.Context(), its); res[0].Fate != Stored {
			b.Fatal(res[0].Err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
