package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importer/transform"
)

func TestLimiterInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Max: 1000, MaxInFlight: 3})
		var passes []Pass
		for range 3 {
			p, err := l.Wait(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			passes = append(passes, p)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a fourth in flight: %v, want it to wait", err)
		}
		l.Report(passes[0], Result{Fate: Stored})
		p, err := l.Wait(t.Context(), 1)
		if err != nil {
			t.Errorf("after one answer: %v", err)
		}
		for _, p := range append(passes[1:], p) {
			l.Report(p, Result{})
		}
		// More at once than may be in flight go when nothing else does.
		if _, err := l.Wait(t.Context(), 20); err != nil {
			t.Error(err)
		}
	})
}

// A batch of n takes the time of n, and the places.
func TestLimiterTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterOptions{Max: 20})
		started := time.Now()
		for range 11 {
			p, err := l.Wait(t.Context(), 20)
			if err != nil {
				t.Fatal(err)
			}
			l.Report(p, Result{Fate: Stored})
		}
		if took := time.Since(started).Round(100 * time.Millisecond); took != 10*time.Second {
			t.Errorf("11 batches of 20 at 20/s took %v, want 10 s from the first to the last", took)
		}
	})
}

// The calls about groups keep to the limit as well. One about an item does not
// wait for a turn that the item itself holds.
func TestGraphKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := newFakeGraph(t, nil)
		l := NewLimiter(LimiterOptions{Max: 2, MaxInFlight: 1})
		g.Pace(l)
		started := time.Now()
		for n := range 7 {
			if _, err := g.PutGroup(t.Context(), transform.Group{ID: fmt.Sprint("group", n)}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(started); took < 3*time.Second-late {
			t.Errorf("7 groups at 2 a second took %v", took)
		}
		if n := f.requests(""); n < 7 {
			t.Fatalf("%d requests", n)
		}
		pass, err := l.Wait(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := g.GetItem(ctx, "1"); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an item that is not there, while the only place is held: %v", err)
		}
		l.Report(pass, Result{Fate: Stored})
	})
}

func TestNilLimiter(t *testing.T) {
	var l *Limiter
	p, err := l.Wait(t.Context(), 5)
	if err != nil {
		t.Error(err)
	}
	l.Report(p, Result{Throttled: true, After: time.Hour})
	l.Assume(Learned{Rate: 1})
	if _, ok := l.Learned(); ok {
		t.Error("a nil Limiter has learned something")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: %v", err)
	}
}

// A pause that begins while others wait for their turn holds them too, and
// the longest of several pauses holds.
func TestLimiterPause(t *testing.T) {
	for name, l := range map[string]func() *Limiter{
		"learns":      func() *Limiter { return NewLimiter(LimiterOptions{Max: 1}) },
		"pauses only": pauseOnly,
	} {
		synctest.Test(t, func(t *testing.T) {
			l := l()
			first, _ := l.Wait(t.Context(), 1)
			second, _ := l.Wait(t.Context(), 1)
			l.Report(first, Result{Err: &APIError{Status: http.StatusServiceUnavailable}, After: 30 * time.Second})
			started := time.Now()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					p, err := l.Wait(t.Context(), 1)
					if since := time.Since(started); err != nil || since < 30*time.Second {
						t.Errorf("%s: one was let through after %v, in a pause of 30 s: %v", name, since, err)
					}
					l.Report(p, Result{Fate: Stored})
				})
			}
			synctest.Wait()
			l.Report(second, Result{After: 2 * time.Second})
			wg.Wait()
			// A shorter pause does not end a longer one.
			third, _ := l.Wait(t.Context(), 1)
			started = time.Now()
			l.Report(third, Result{After: 20 * time.Second})
			l.Report(Pass{}, Result{After: time.Second})
			if _, err := l.Wait(t.Context(), 1); err != nil || time.Since(started) < 20*time.Second {
				t.Errorf("%s: let through after %v, in a pause of 20 s: %v", name, time.Since(started), err)
			}
		})
	}
}
