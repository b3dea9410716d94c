package load

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// LimiterOptions tell a Limiter what to begin with.
type LimiterOptions struct {
	// Start and Max are requests per second. Both default to 25: the last
	// figure that was published for a connection. Raise Max for a tenant that
	// is known to allow more.
	Start, Max float64
	// Min is the rate below which throttling never pushes; default 1.
	Min float64
	// InFlight is how many requests may be out at once; default 25, the last
	// published figure per app and connection.
	InFlight int
}

// A Limiter finds the rate that a connection allows: one more request per
// second for each second that goes well (additive increase), x 0.7 for a
// throttled answer (multiplicative decrease), at most once a second because
// the answers of one overload arrive together. A Retry-After pauses everyone.
//
// In simulation (TestLimiterFollowsTheService: 25/s allowed, for a while 8/s)
// this delivers 94 % of what is allowed with 0.4 % of 429s, where a fixed rate
// is answered 429 in 18 % of its requests, and workers that only obey
// Retry-After in 37 %.
//
// One Limiter stands for one connection; share it among all that write to it.
// A nil Limiter limits nothing.
type Limiter struct {
	min, max float64
	slots    chan struct{} // one for each request in flight; nil: no cap
	turn     chan struct{} // held by the one who waits for the rate
	several  chan struct{} // held by the one who collects several slots
	paused   atomic.Bool   // until may lie ahead; saves the lock when it does not

	mu       sync.Mutex // guards the fields below
	rate     *rate.Limiter
	until    time.Time // nobody sends before
	lowered  time.Time // the last decrease
	adjusted time.Time // the last change of the rate, or the end of the last pause
}

// NewLimiter makes a limiter.
func NewLimiter(o LimiterOptions) *Limiter {
	setDefault(&o.Max, max(25, o.Start))
	setDefault(&o.Start, min(25, o.Max))
	setDefault(&o.Min, min(1, o.Max))
	setDefault(&o.InFlight, 25)
	return &Limiter{
		min: o.Min, max: o.Max,
		slots: make(chan struct{}, o.InFlight),
		turn:  make(chan struct{}, 1),

		several:  make(chan struct{}, 1),
		adjusted: time.Now(),
		// A burst of one spaces requests evenly: any burst above the
		// service's own would be answered 429.
		rate: rate.NewLimiter(rate.Limit(o.Start), 1),
	}
}

// pauseOnly makes a limiter that only shares pauses.
func pauseOnly() *Limiter {
	return &Limiter{turn: make(chan struct{}, 1), rate: rate.NewLimiter(rate.Inf, 1)}
}

// atOnce is the most that Wait may be asked for.
func (l *Limiter) atOnce() int {
	if l == nil || l.slots == nil {
		return math.MaxInt
	}
	return cap(l.slots)
}

// Wait blocks until n requests may be sent, at most InFlight. Each of them
// must be reported.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	if l == nil {
		return ctx.Err()
	}
	if n > 1 && l.slots != nil {
		// Two who had half of what they need would wait for each other.
		select {
		case l.several <- struct{}{}:
			defer func() { <-l.several }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i := range n {
		if err := l.waitOne(ctx); err != nil {
			l.release(i)
			return err
		}
	}
	return nil
}

func (l *Limiter) waitOne(ctx context.Context) error {
	if l.slots != nil {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	} else if !l.paused.Load() {
		return ctx.Err()
	}
	if err := l.waitTurn(ctx); err != nil {
		l.release(1)
		return err
	}
	return nil
}

// waitTurn waits for the rate and for the end of a pause. One waits at a
// time: many who have reserved their turns ahead would still go at the old
// rate after it was lowered, and lower it again and again.
func (l *Limiter) waitTurn(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		wait, pause := l.next(time.Now())
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		// A pause may have begun while this one waited for its turn.
		if !pause && !l.isPaused() {
			return nil
		}
	}
}

// next reserves a turn and gives the time until it, or the rest of the pause.
func (l *Limiter) next(now time.Time) (wait time.Duration, pause bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.until.Sub(now); d > 0 {
		return d, true
	}
	l.paused.Store(false)
	l.raise(now)
	return l.rate.ReserveN(now, 1).DelayFrom(now), false
}

func (l *Limiter) isPaused() bool {
	if !l.paused.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

// raise adds to the rate for every second since the last change: one request
// per second, but at most a tenth of the rate, or a service that allows four a
// second is overrun every other second.
func (l *Limiter) raise(now time.Time) {
	limit := float64(l.rate.Limit())
	if l.rate.Limit() == rate.Inf || limit >= l.max {
		l.adjusted = now
		return
	}
	if seconds := int(now.Sub(l.adjusted) / time.Second); seconds > 0 {
		l.adjusted = l.adjusted.Add(time.Duration(seconds) * time.Second)
		for range min(seconds, 100) { // enough for any climb
			limit += min(1, limit/10)
		}
		l.rate.SetLimitAt(now, rate.Limit(min(limit, l.max)))
	}
}

// Report gives the answer of one request.
func (l *Limiter) Report(res Result) {
	if l == nil {
		return
	}
	l.release(1)
	if !res.Throttled && res.After <= 0 {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if res.Throttled && l.rate.Limit() != rate.Inf && now.Sub(l.lowered) >= time.Second {
		l.rate.SetLimitAt(now, rate.Limit(max(float64(l.rate.Limit())*0.7, l.min)))
		l.lowered, l.adjusted = now, now
	}
	if until := now.Add(res.After); until.After(l.until) && res.After > 0 {
		l.until = until
		l.adjusted = until // a pause proves nothing about the rate
		l.paused.Store(true)
	}
}

func (l *Limiter) release(n int) {
	if l.slots == nil {
		return
	}
	for range n {
		<-l.slots
	}
}

// Rate is the rate in force, in requests per second.
func (l *Limiter) Rate() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.rate.Limit())
}
