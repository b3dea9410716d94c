package load

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"
)

// LimiterOptions tell a Limiter what to begin with.
type LimiterOptions struct {
	// Max is the most requests a second, and the rate to begin with; 0 is what
	// the service allows, from 25 a second on.
	Max float64
	// MaxInFlight is the most requests in flight; default 200. It begins with 25.
	MaxInFlight int
}

// PublishedRate is the last figure that was published for a connection, in
// requests a second.
const PublishedRate = startRate

// Learned is what a Limiter has found out: where the next one begins.
type Learned struct {
	Rate     float64 `json:"rate"` // requests a second
	InFlight int     `json:"inFlight"`
	// Limited tells that the service refuses more. Without it, the rate is only
	// as far as the run has come.
	Limited bool `json:"limited"`
	// Refused is the slowest rate that was refused; 0: none is known.
	Refused float64 `json:"refused,omitempty"`
}

// A Limiter finds the rate that a connection allows, and keeps to it. One
// Limiter stands for one connection: share it among all that write to it. A
// nil Limiter limits nothing. A Retry-After pauses everyone.
//
// # How it learns
//
// It knows the fastest rate that is held to be allowed (good), and the slowest
// that was refused (bad). Every so often it tries a rate between the two. If
// that is not refused within the time in which it would have been, it is good,
// else bad. While nothing has been refused, a trial is 10 % more for 2 s, so
// the rate doubles in 15 s. Near the limit it is 1 % more for 100 s. A trial
// that is refused costs a pause, so the next one waits until it is worth the
// pause: at 1 % and Retry-After 1, 200 to 400 s.
//
// A refusal at a good rate means that less is allowed: good falls to what the
// service has taken since the last refusal, pauses included. More it cannot
// have allowed, whether it counts by buckets or by windows. When that much is
// refused as well, twice, the rate is halved for a while; if refusals come then,
// they have nothing to do with the rate: they are noise, and only pause. Their
// share is measured, and more than that is again a refusal of the rate.
//
// Requests in flight grow by trials too, when the rate is not reached for want
// of them, and only if they bring more speed. When refusals come with
// unusually many in flight, it is these that are limited, not the rate.
//
// # What it reaches
//
// Measured in simulation, by the tests in learner_test.go, with 20 to 200 ms
// there and back. After the first minutes it uses 98 to 99.8 % of a limit of 4,
// 25, 60 or 500 requests a second, whether the service spaces requests, fills
// a bucket or counts by 10 s, and 0.1 % of the requests are refused at 4/s, 0.02 %
// at 25/s. No 10 s hold more than 102 % of the limit, and two requests; of a
// bucket it also takes what is in it. Where the service counts by the second,
// the line moves requests over the border: then it uses 93 %, and no fixed rate
// uses 95 %. A limit that falls is found within a minute or two, and when it
// rises, in 2 to 12 minutes.
//
// While it learns, a service that spaces requests, as the local Graph does, or
// counts any 10 s, is not overrun either (102 %). One that counts by fixed
// windows of 10 s refuses late, and 10 s may hold 125 %; and a limit below 25/s
// is met with 25/s until the first refusal. 500/s are reached from 25/s in a
// minute and a half.
type Limiter struct {
	turn  chan struct{} // held by the one who waits to send
	freed chan struct{} // has a token when requests have ended

	mu      sync.Mutex // guards the fields below
	learner *learner   // nil: only pauses are shared
	until   time.Time  // nobody sends before
	due     time.Time  // when the next request goes out
}

// late is how much of a delay here is caught up on. More would be a burst.
const late = 50 * time.Millisecond

// NewLimiter makes a limiter.
func NewLimiter(o LimiterOptions) *Limiter {
	setDefault(&o.Max, math.Inf(1))
	setDefault(&o.MaxInFlight, 200)
	now := time.Now()
	l := pauseOnly()
	l.learner, l.due = newLearner(o, now), now
	return l
}

// pauseOnly makes a limiter that only shares pauses.
func pauseOnly() *Limiter {
	return &Limiter{turn: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// A Pass is the leave to send n requests.
type Pass struct {
	sent point
	n    int
	rate float64 // in force
}

// Assume makes the limiter begin with what an earlier one has learned. It comes
// before the first Wait.
func (l *Limiter) Assume(known Learned) {
	if l == nil || l.learner == nil || known.Rate <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learner.assume(known)
}

// atOnce is the most that Wait may be asked for now: more would have to wait
// until nothing is in flight.
func (l *Limiter) atOnce() int {
	if l == nil || l.learner == nil {
		return math.MaxInt
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learner.flight
}

// Wait blocks until n requests may be sent together. Their answer must be
// reported, once.
func (l *Limiter) Wait(ctx context.Context, n int) (Pass, error) {
	if l == nil {
		return Pass{}, ctx.Err()
	}
	// One waits at a time: many who have reserved their turns ahead would
	// still go at the old rate after it was lowered.
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return Pass{}, ctx.Err()
	}
	for held := false; ; {
		p, wait, full := l.enter(n, held)
		switch {
		case full:
			held = true
			select {
			case <-l.freed:
			case <-ctx.Done():
				return Pass{}, ctx.Err()
			}
		case wait > 0:
			if err := sleep(ctx, wait); err != nil {
				return Pass{}, err
			}
		default:
			return p, nil
		}
	}
}

// enter lets n requests out, or tells how long to wait, or that others must
// be answered first. held tells that they had to be.
func (l *Limiter) enter(n int, held bool) (p Pass, wait time.Duration, full bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.until.Sub(now); d > 0 || l.learner == nil {
		return p, d, false
	}
	if d := l.due.Sub(now); d > 0 {
		return p, d, false
	}
	if now := l.learner.now.inFlight; now > 0 && now+n > l.learner.flight {
		return p, 0, true
	}
	if from := now.Add(-late); l.due.Before(from) {
		l.due = from
	}
	l.due = l.due.Add(time.Duration(float64(n) / l.learner.rate * float64(time.Second)))
	return l.learner.sends(now, n, held), 0, false
}

// giveBack takes n requests out of a Pass that will not be sent after all.
func (l *Limiter) giveBack(p *Pass, n int) {
	if l == nil || n <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.n -= n
	if l.learner != nil {
		l.due = l.due.Add(-time.Duration(float64(n) / p.rate * float64(time.Second)))
		l.free(n)
	}
}

// Report gives the answer to what a Pass was for.
func (l *Limiter) Report(p Pass, res Result) {
	if l == nil {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.learner
	if r == nil {
		l.pause(now, res.After)
		return
	}
	r.now.at = now
	l.free(p.n)
	switch overload := res.Throttled && r.overload(p); {
	case overload:
		l.pause(now, max(cmp.Or(res.After, r.unasked()), minPause))
		r.refused(p, res.After, l.until)
	default:
		l.pause(now, res.After)
		if res.Fate != Unsettled {
			r.answered(p)
		}
	}
}

func (l *Limiter) free(n int) {
	l.learner.now.inFlight -= n
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// pause holds everybody back. The longest of several pauses holds.
func (l *Limiter) pause(now time.Time, d time.Duration) {
	until := now.Add(d)
	if d <= 0 || !until.After(l.until) {
		return
	}
	if l.learner != nil {
		more := min(d, until.Sub(l.until))
		l.learner.now.paused += more
	}
	l.until, l.due = until, until
}

// Rate is the rate in force, in requests a second.
func (l *Limiter) Rate() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learner.rate
}

// Learned is what the limiter has found out. ok is false when it has learned
// nothing that it did not begin with.
func (l *Limiter) Learned() (_ Learned, ok bool) {
	if l == nil || l.learner == nil {
		return Learned{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.learner
	return Learned{Rate: r.good, InFlight: cmp.Or(r.flightGood, r.flight), Limited: r.bad > 0 || r.step == fine, Refused: r.bad}, r.knows
}
