package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Retry says how long to try. Giving up is never a verdict on an item: the
// crawl stops and goes on where it was when it is run again.
type Retry struct {
	// A call is given up after at least Tries fruitless tries AND after For
	// without anything settled. Both, so that neither one long Retry-After
	// nor a quick series of refused connections ends a night's crawl.
	Tries int           // default 6
	For   time.Duration // default 15 minutes: longer than a restart, a deployment or a fail-over
	// Base and Max bound the wait before the next try when the service names
	// none: it doubles from Base to Max and is jittered.
	Base time.Duration // default 500 ms
	Max  time.Duration // default 1 minute
	// MaxAfter is the longest Retry-After that is waited for. A service that
	// asks for more is given up at once.
	MaxAfter time.Duration // default 1 hour
}

func (r Retry) withDefaults() Retry {
	setDefault(&r.Tries, 6)
	setDefault(&r.For, 15*time.Minute)
	setDefault(&r.Base, 500*time.Millisecond)
	setDefault(&r.Max, time.Minute)
	setDefault(&r.MaxAfter, time.Hour)
	return r
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// A drought counts fruitless tries since the last success.
type drought struct {
	Retry
	tries int
	since time.Time
}

// failed notes a fruitless try and says how long to wait before the next, or
// gives up with an *UnavailableError.
func (d *drought) failed(err error, after time.Duration) (wait time.Duration, _ error) {
	now := time.Now()
	if d.tries == 0 {
		d.since = now
	}
	d.tries++
	lasted := now.Sub(d.since)
	if d.tries >= d.Tries && lasted >= d.For || after > d.MaxAfter {
		return 0, &UnavailableError{Tries: d.tries, For: lasted, Err: err}
	}
	if after > 0 {
		return after, nil
	}
	return d.backoff(d.tries), nil
}

func (d *drought) ended() { d.tries = 0 }

// backoff gives the n-th wait, n from 1: half of it is fixed, half is random,
// so that many crawls that failed together do not come back together.
func (r Retry) backoff(n int) time.Duration {
	wait := r.Max
	if n < 32 && r.Base<<(n-1) < r.Max {
		wait = r.Base << (n - 1)
	}
	return wait/2 + rand.N(wait/2+1)
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
