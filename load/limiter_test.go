package load

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A service that counts requests in each second and answers those above its
// limit with 429 and Retry-After: 1, as in the simulation that the scheme was
// chosen by: 25/s allowed, 8/s from second 100 to 200, then 25/s again.
func TestLimiterFollowsTheService(t *testing.T) {
	for _, tt := range []struct {
		name      string
		opt       LimiterOptions
		allowed   func(second int) int
		delivered float64 // at least, of what was allowed
		throttled float64 // at most, of all requests
	}{
		{"published figures", LimiterOptions{}, func(s int) int {
			if s >= 100 && s < 200 {
				return 8
			}
			return 25
		}, 0.88, 0.02},
		{"the figure of 2020", LimiterOptions{}, func(int) int { return 4 }, 0.70, 0.10},
		{"limit unknown", LimiterOptions{Start: 25, Max: 100}, func(int) int { return 60 }, 0.75, 0.02},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(tt.opt)
			var mu sync.Mutex
			inSecond := make(map[int]int)
			delivered, throttled := 0, 0
			started := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for l.Wait(ctx, 1) == nil {
						time.Sleep(100 * time.Millisecond) // the way there and back
						second := int(time.Since(started) / time.Second)
						mu.Lock()
						inSecond[second]++
						res := Result{Fate: Stored}
						if inSecond[second] > tt.allowed(second) {
							throttled++
							res = Result{Throttled: true, After: time.Second}
						} else {
							delivered++
						}
						mu.Unlock()
						l.Report(res)
					}
				})
			}
			wg.Wait()
			allowed := 0
			for s := range 300 {
				allowed += tt.allowed(s)
			}
			share, refused := float64(delivered)/float64(allowed), float64(throttled)/float64(delivered+throttled)
			t.Logf("%s: delivered %.0f %% of what was allowed, %d answers of 429 (%.1f %%), rate at the end %.1f/s",
				tt.name, 100*share, throttled, 100*refused, l.Rate())
			if share < tt.delivered || refused > tt.throttled {
				t.Errorf("%s: delivered %.2f (want %.2f), throttled %.3f (want at most %.3f)", tt.name, share, tt.delivered, refused, tt.throttled)
			}
		})
	}
}

// Answers of one overload lower the rate once.
func TestLimiterLowersOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Start: 20, Max: 20})
		for range 10 {
			l.Wait(t.Context(), 1)
		}
		for range 10 {
			l.Report(Result{Throttled: true})
		}
		if got := l.Rate(); got != 14 {
			t.Errorf("rate %v after one overload, want 14", got)
		}
		time.Sleep(3 * time.Second)
		l.Wait(t.Context(), 1)
		l.Report(Result{Fate: Stored})
		if got := l.Rate(); got != 17 {
			t.Errorf("rate %v three seconds later, want 17", got)
		}
		time.Sleep(time.Hour)
		l.Wait(t.Context(), 1)
		if got := l.Rate(); got != 20 {
			t.Errorf("rate %v an hour later, want Max", got)
		}
		l.Report(Result{})
		for range 50 {
			l.Wait(t.Context(), 1)
			time.Sleep(time.Second)
			l.Report(Result{Throttled: true})
		}
		if got := l.Rate(); got < 1 || got > 3 {
			t.Errorf("rate %v after lasting overload, want about Min", got)
		}
	})
}

func TestLimiterStartsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Start: 10, Max: 40})
		l.Wait(t.Context(), 1)
		if got := l.Rate(); got != 10 {
			t.Errorf("rate %v at first, want Start", got)
		}
		time.Sleep(5 * time.Second)
		l.Wait(t.Context(), 1)
		if got := l.Rate(); got != 15 {
			t.Errorf("rate %v after 5 s, want 15", got)
		}
	})
}

func TestLimiterInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Start: 1000, Max: 1000, InFlight: 3})
		if err := l.Wait(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a fourth in flight: %v, want it to wait", err)
		}
		l.Report(Result{Fate: Stored})
		if err := l.Wait(t.Context(), 1); err != nil {
			t.Errorf("after one answer: %v", err)
		}
	})
}

// A wait that is cancelled gives its places back.
func TestLimiterCancelledWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Start: 1, Max: 1, InFlight: 2})
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			if err := l.Wait(ctx, 3); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("three of two places: %v", err)
			}
			cancel()
		}
		if err := l.Wait(t.Context(), 2); err != nil {
			t.Error(err)
		}
	})
}

func TestNilLimiter(t *testing.T) {
	var l *Limiter
	if err := l.Wait(t.Context(), 5); err != nil {
		t.Error(err)
	}
	l.Report(Result{Throttled: true, After: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: %v", err)
	}
}

// A pause that begins while others wait for their turn holds them too, and
// the longest of several pauses holds.
func TestLimiterPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Start: 1, Max: 1})
		l.Wait(t.Context(), 2)
		started := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				l.Wait(t.Context(), 1)
				if since := time.Since(started); since < 30*time.Second {
					t.Errorf("one was let through after %v, in a pause of 30 s", since)
				}
				l.Report(Result{Fate: Stored})
			})
		}
		synctest.Wait()
		l.Report(Result{Err: &APIError{Status: http.StatusServiceUnavailable}, After: 30 * time.Second})
		l.Report(Result{After: 2 * time.Second})
		wg.Wait()
	})
}
