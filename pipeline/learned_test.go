package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"importer/load"
	"importer/pipeline/state"
)

func TestLearnedAges(t *testing.T) {
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	known := Learned{load.Learned{Rate: 100, InFlight: 49, Limited: true}, at}
	const day = 24 * time.Hour
	for _, tt := range []struct {
		age     time.Duration
		rate    float64
		flight  int
		limited bool
	}{
		{0, 100, 49, true},
		{day, 100, 49, true},
		{7 * day, 100, 49, true},
		{14 * day, 35.36, 30, false}, // 25 * 4^0.25, 25 * 1.96^0.25
		{21 * day, 29.73, 27, false},
		{365 * day, 25, 25, false},
		{-day, 100, 49, true}, // a clock that was set back
	} {
		got := known.Aged(at.Add(tt.age))
		if math.Abs(got.Rate-tt.rate) > 0.01 || got.InFlight != tt.flight || got.Limited != tt.limited {
			t.Errorf("after %v: %+v, want %v/s, %d, %v", tt.age, got.Learned, tt.rate, tt.flight, tt.limited)
		}
	}
	if got := (Learned{}).Aged(at); got.Rate != 0 {
		t.Errorf("nothing learned becomes %+v", got)
	}
	// A low limit ages upwards.
	if got := (Learned{load.Learned{Rate: 4, InFlight: 2, Limited: true}, at}).Aged(at.Add(14 * day)); got.Rate < 15 || got.Rate > 16 {
		t.Errorf("4/s of two weeks ago counts as %v", got.Rate)
	}
}

// limited makes the world's target refuse what is faster than a rate.
func (w *world) limited(rate float64) {
	var due time.Time
	w.target.onRequest = func(_ int, after bool) error {
		if after {
			return nil
		}
		w.target.mu.Lock()
		defer w.target.mu.Unlock()
		now := time.Now()
		if due.Before(now) {
			due = now
		}
		if due.Sub(now) > 200*time.Millisecond {
			return errThrottled
		}
		due = due.Add(time.Duration(float64(time.Second) / rate))
		return nil
	}
}

var errThrottled = errors.New("throttled")

func (w *world) remembered(t *testing.T) Learned {
	t.Helper()
	s, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer s.Close()
	known, err := Remembered(t.Context(), s)
	w.must(err)
	return known
}

// What a run has learned is there for the next one, also when it was killed.
func TestRunsRemember(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(3000)...)
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.limited(40)
		w.tweak = func(c *Crawl) {
			c.Loader.Limiter = load.NewLimiter(load.LimiterOptions{})
			c.Batch, c.InFlight, c.Loader.Concurrency = 50, 4, 200
		}
		// In the middle, while the run is still at work.
		ctx, cancel := context.WithCancelCause(t.Context())
		var midway Learned
		time.AfterFunc(64*time.Second, func() {
			midway = w.remembered(t)
			cancel(errKilled)
		})
		if _, err := w.crawl(ctx); !errors.Is(err, errKilled) {
			t.Fatalf("%v, want the cancel", err)
		}
		if midway.Rate < 30 || midway.Rate > 45 || !midway.Limited {
			t.Errorf("after a minute %+v is remembered of a limit of 40", midway)
		}
		rep := w.mustCrawl()
		if rep.Learned == nil || rep.Learned.Rate < 37 || rep.Learned.Rate > 40.5 || !rep.Learned.Limited {
			t.Errorf("learned %+v of a limit of 40", rep.Learned)
		}
		if got := w.remembered(t); rep.Learned == nil || got.Learned != rep.Learned.Learned || !got.At.Equal(rep.Learned.At) {
			t.Errorf("remembered %+v, learned %+v", got, rep.Learned)
		}
		// The next run begins there.
		w.write("a.csv", numbered(1000)...)
		w.target.puts = 0
		limiter := load.NewLimiter(load.LimiterOptions{})
		w.tweak = func(c *Crawl) {
			c.Loader.Limiter = limiter
			c.Batch, c.InFlight = 50, 4
			c.Keep = true
			if rate := limiter.Rate(); rate != 25 {
				t.Errorf("the rate is %v before the run", rate)
			}
		}
		w.target.onRequest = func(n int, _ bool) error {
			if rate := limiter.Rate(); rate < 37 {
				t.Errorf("the rate is %v at request %d", rate, n)
			}
			return nil
		}
		w.mapping("safety: {maxDeletes: 100%}\n")
		w.mustCrawl()
	})
}

// What another version has written, or nobody, is no reason to stop.
func TestRememberedIsOdd(t *testing.T) {
	w := newWorld(t)
	s, err := state.Open(t.Context(), w.state, "testconnection", false)
	w.must(err)
	defer s.Close()
	for _, text := range []string{"", "x", "{}", `{"rate":-1,"inFlight":3}`, `{"rate":5,"inFlight":0}`, `{"rate":"fast"}`} {
		w.must(s.SetMeta(t.Context(), metaLearned, text))
		if got, err := Remembered(t.Context(), s); err != nil || got.Rate != 0 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	want := Learned{load.Learned{Rate: 24.5, InFlight: 25, Limited: true}, time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)}
	text, err := json.Marshal(want)
	w.must(err)
	w.must(s.SetMeta(t.Context(), metaLearned, string(text)))
	if got, err := Remembered(t.Context(), s); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
