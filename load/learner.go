package load

import (
	"math"
	"time"
)

const (
	// The last figures that were published for a connection and app:
	// requests a second, and in flight.
	startRate   = 25
	startFlight = 25
	// Below minRate no refusal pushes: what is slower is the pauses' business.
	minRate = 1

	fine   = 0.01 // the smallest trial, and how near to the limit good comes
	coarse = 0.10 // the largest one
	// ramp is how many seconds a trial of 10 % takes while nothing is known.
	ramp = 2.0
	// window is the longest time, in seconds, by which a service may count: a
	// shorter trial would prove nothing. While nothing is known it is not kept
	// to, and bad is found late.
	window = 10.0
	// lent is how many seconds' worth of requests a service may let through in
	// advance: a trial of 1 % takes 100 s, or it would prove nothing.
	lent = 1.0
	// jitter is how many seconds the line may move a request.
	jitter = 0.2
	// minPause follows an overload, if the service asks for less: what is under
	// way has to arrive first, or the next measurement is one of it.
	minPause = 200 * time.Millisecond
)

// A learner finds out what a service allows: see Limiter. Its rates are in
// requests a second.
type learner struct {
	max  float64 // what the user allows
	most int     // the same of requests in flight

	rate  float64   // in force
	good  float64   // the fastest that is held to be allowed
	bad   float64   // the slowest that was refused; 0: none is known
	trial bool      // rate is above good, to see whether it is allowed
	step  float64   // of the next trial, while bad is not known
	next  time.Time // no trial before
	fails int       // refusals since the last trial that succeeded
	knows bool      // something was learned in this run

	flight      int     // most requests in flight now
	flightGood  int     // what it was before the trial that is on; 0: none is
	flightBad   int     // the least that was refused; 0: none is known
	flightSpeed float64 // before the trial
	flightNext  time.Time
	flightFails int

	now   point
	mark  point         // the present measurement began: since then, one rate
	calm  point         // the pause after the last refusal ended
	pause time.Duration // that one
	cost  time.Duration // a refusal costs so much: what it asks for
	empty int           // pauses after which the first request was refused again
	held  int64         // sends since mark that waited for a place, not for their time

	// crowd counts the sends since same, with one rate and flight, by how many
	// were in flight with them. chance is how likely it is that refusals meet
	// such a crowd by accident; least is the smallest such crowd, and before
	// the rate at the first of these refusals.
	crowd  [256]int32
	same   int64
	chance float64
	least  int
	before float64

	// The service keeps up with sure: so much it took, its refusals and pauses
	// included. doubts are the refusals below it, and proven the rate before the
	// first of them. Up to the request quiet, the rate is half of sure. between
	// is the logarithm of how many requests come between two refusals.
	sure, proven, between float64
	doubts, quiet         int64
	// noise is the share of refusals that have nothing to do with the rate, and
	// loud the most that it may be; 0: too few have come to know. refusals are
	// those since noisy.
	noise, loud float64
	noisy       point
	refusals    float64
}

// A point is a moment between two requests.
type point struct {
	at       time.Time
	seq      int64         // requests sent before it
	inFlight int           // of them
	paused   time.Duration // all pauses before it
}

// seconds is the time from p to another point, without pauses.
func (p point) seconds(to point) float64 {
	return (to.at.Sub(p.at) - (to.paused - p.paused)).Seconds()
}

func newLearner(o LimiterOptions, now time.Time) *learner {
	l := &learner{max: o.Max, most: o.MaxInFlight, good: startRate, step: coarse, flight: min(startFlight, o.MaxInFlight),
		now: point{at: now}, pause: time.Second, cost: time.Second, chance: 1}
	if !math.IsInf(o.Max, 1) {
		l.good = o.Max
	}
	l.rate, l.mark, l.calm = l.good, l.now, l.now
	return l
}

func (l *learner) assume(known Learned) {
	if known.Limited || math.IsInf(l.max, 1) {
		l.good = min(max(known.Rate, minRate), l.max)
		l.rate = l.good
	}
	if known.Limited {
		l.step = fine
		if known.Refused > l.good {
			l.bad = known.Refused
		}
	}
	l.flight = min(max(known.InFlight, 1), l.most)
}

// sends notes n requests that go out now. held tells that they waited for a
// place among those in flight.
func (l *learner) sends(now time.Time, n int, held bool) Pass {
	l.now.at = now
	l.now.seq += int64(n)
	l.now.inFlight += n
	if held {
		l.held += int64(n)
	}
	l.crowd[min(l.now.inFlight, len(l.crowd)-1)] += int32(n)
	return Pass{sent: l.now, n: n, rate: l.rate}
}

// measure begins a measurement; changed tells that it is of another rate or
// flight than the one before.
func (l *learner) measure(from point, changed bool) {
	l.mark, l.held = from, 0
	if changed {
		l.same = from.seq
		clear(l.crowd[:])
	}
}

// need is the number of requests that the present measurement takes.
func (l *learner) need() int64 {
	switch {
	case l.flightGood > 0:
		return int64(max(20, 2*l.flight))
	case !l.trial, l.bad == 0 && l.step == coarse:
		return int64(max(10, ramp*l.rate))
	}
	return int64(max(10, min(max(lent/(l.rate/l.good-1), window), lent/fine)*l.rate))
}

// answered notes an answer that is no refusal. When enough of them have come,
// a trial has succeeded, and the next one may begin.
func (l *learner) answered(p Pass) {
	l.empty = 0
	sent := p.sent.seq - l.mark.seq
	switch {
	case l.quiet > 0 && p.sent.seq >= l.quiet:
		l.noise = 0 // if there was any
		l.quiet, l.doubts = 0, 0
		l.rate, l.proven = l.good, max(l.good, 0.8*l.proven)
		l.measure(l.now, true)
		return
	case l.quiet > 0, sent < l.need():
		return
	}
	// What waits in the service has been sent, but not dealt with.
	speed := float64(sent-int64(p.sent.inFlight-l.mark.inFlight)) / l.mark.seconds(p.sent)
	used := speed >= 0.93*l.rate // or the trial proves nothing
	rate, flight := l.rate, l.flight
	switch {
	case l.flightGood > 0:
		l.judgeFlight(speed)
	case l.trial && used:
		l.good, l.trial, l.knows = l.rate, false, true
		if l.good >= l.bad {
			l.bad = 0
		}
		l.fails, l.next = 0, time.Time{}
		l.step = min(2*l.step, coarse)
	}
	switch now := l.now.at; {
	case !used && l.held*2 > sent && l.flight < l.most && now.After(l.flightNext):
		l.flightGood, l.flightSpeed = l.flight, speed
		l.flight = l.moreInFlight()
	case !l.trial && speed >= 0.93*l.good && now.After(l.next):
		l.rate = l.candidate()
		l.trial = l.rate > l.good
	}
	l.measure(l.now, rate != l.rate || flight != l.flight)
}

// candidate is the rate of the next trial: halfway to what was refused, or a
// step up.
func (l *learner) candidate() float64 {
	c := l.good * (1 + l.step)
	if l.bad > l.good*(1+fine) {
		c = math.Sqrt(l.good * l.bad)
	}
	return min(c, l.max)
}

func (l *learner) moreInFlight() int {
	n := max(l.flight+1, l.flight*6/5)
	if l.flightBad > l.flight+1 {
		n = min(n, (l.flight+l.flightBad)/2)
	}
	return min(n, l.most)
}

// judgeFlight ends a trial of more requests in flight: it has succeeded if
// they brought more speed. If they have only waited longer, the service is
// what holds them.
func (l *learner) judgeFlight(speed float64) {
	gain := float64(l.flight)/float64(l.flightGood) - 1
	if speed >= l.flightSpeed*(1+gain/3) {
		l.flightFails, l.knows = 0, true
	} else {
		l.flight = l.flightGood
		l.flightNext = l.now.at.Add(5 * time.Second << min(l.flightFails, 6))
		l.flightFails++
	}
	l.flightGood = 0
}

// overload tells whether a refusal says anything of the rate that earlier ones
// have not said: it is no noise, and was sent after their pause.
func (l *learner) overload(p Pass) bool {
	return (l.noise == 0 || l.louder(p)) && p.sent.seq > l.calm.seq
}

// louder tells whether a refusal is more than noise. The share is taken of 20
// refusals at a rate that is held to be good, and kept up to date. Every so
// often the rate is halved for a while: if no refusal comes then, the noise has
// passed, and those that have come meant the rate.
func (l *learner) louder(p Pass) bool {
	if p.sent.seq <= l.noisy.seq {
		return false
	}
	if l.quiet > 0 && p.rate < l.good {
		l.quiet, l.rate = 0, l.good
		l.measure(l.now, true)
	}
	l.refusals++
	n := float64(l.now.seq - l.noisy.seq)
	share := l.refusals / n
	usual := n * l.noise
	louder := l.refusals > 4+1.6*usual
	switch {
	case l.loud == 0 && l.refusals < 20:
		return false
	case l.loud == 0:
		l.noise, louder = min(share, 0.3), share > 0.3
		l.loud, l.next = l.noise, time.Time{}
	case !louder && usual < 80:
		return false
	case !louder:
		l.noise = min(share, l.loud)
		l.rate, l.trial = l.good/2, false
		l.quiet = l.now.seq + int64(5/l.noise)
		l.measure(l.now, true)
	}
	l.noisy, l.refusals = l.now, 0
	return louder
}

// unasked is the pause after an overload when the service names none: 1 s, and
// 2 s, 4 s and so on up to a minute while nothing is let through.
func (l *learner) unasked() time.Duration {
	return min(time.Second<<min(l.empty, 6), time.Minute)
}

// refused draws the consequences of an overload. Nobody sends before until.
func (l *learner) refused(p Pass, asked time.Duration, until time.Time) {
	sent := p.sent.seq - int64(p.n) - l.calm.seq // and taken
	l.knows = true
	l.fails++
	switch low := float64(sent) / ((p.sent.at.Sub(l.calm.at) + l.pause).Seconds() + jitter); {
	case sent <= 0: // still closed, which says nothing of the rate
		l.empty++
	case l.flightGood > 0:
		l.flightBad = l.flight
		l.flight, l.flightGood = l.flightGood, 0
		l.flightFails++
	case l.crowded(p):
	case !l.doubt(p, low, sent):
		l.lower(p, low)
	}
	l.rate, l.trial, l.step = l.good, false, fine
	if l.quiet > 0 {
		l.rate = min(l.good, l.sure/2)
	}
	if l.bad == 0 {
		l.step = coarse
	}
	l.pause, l.cost = until.Sub(l.now.at), max(asked, time.Second)
	l.calm = l.now
	l.calm.at = until
	l.measure(l.calm, true)
	l.next = until.Add(l.worth(l.candidate()/l.good-1, l.fails, 2*fine))
	if l.noise > 0 && l.loud == 0 {
		l.next = until.Add(time.Hour) // or as soon as it is
	}
	more := l.moreInFlight()
	l.flightNext = until.Add(l.worth(float64(more)/float64(l.flight)-1, l.flightFails, 1.5/float64(l.flight)))
}

// worth is how long to wait before a trial for a gain: it may be refused and
// cost another pause, which must be a small share of the time. A gain that is
// small has been tried before, so it waits longer with each refusal.
func (l *learner) worth(gain float64, fails int, small float64) time.Duration {
	times := 1
	if gain < small {
		times = min(2*max(fails, 1), 4)
	}
	return time.Duration(min(float64(times)*float64(l.cost)/max(gain, fine/10), float64(time.Hour)))
}

// lower takes the refused rate for more than is allowed. low is what the
// service took since the last refusal, pauses included.
func (l *learner) lower(p Pass, low float64) {
	if l.noise > 0 { // its pauses were not for the rate
		low = float64(p.sent.seq-l.calm.seq) / (l.calm.seconds(p.sent) + l.pause.Seconds() + jitter)
	}
	rate := p.rate
	if t := l.mark.seconds(p.sent); t > 0.5 && p.sent.seq > l.mark.seq {
		rate = min(rate, float64(p.sent.seq-l.mark.seq)/t) // what was really sent
	}
	if rate <= l.good*1.001 { // it is good no more
		l.bad = l.good
		l.good = max(min(low, l.good*0.995), l.good/4, l.slowest())
		return
	}
	if l.bad == 0 {
		// The ramp has gone 60 % up in the last 10 s, and a service that counts
		// by 10 s refuses when the mean of these, 0.8 of the rate, is too much.
		l.good = min(l.good, 0.8*rate)
	}
	l.bad = rate
	l.good = max(l.good, min(low, 0.99*rate), l.slowest())
}

func (l *learner) slowest() float64 { return min(minRate, l.max) }

// crowded tells that the refusals come when unusually many requests are in
// flight, rather than at any time: then it is they that are limited.
func (l *learner) crowded(p Pass) bool {
	sent := p.sent.seq - l.same
	if sent < int64(30+2*p.sent.inFlight) {
		return false
	}
	var above int32
	for _, n := range l.crowd[min(p.sent.inFlight, len(l.crowd)-1):] {
		above += n
	}
	share := float64(above) / float64(sent)
	if share > 0.25 {
		l.chance = 1
		return false
	}
	if l.chance == 1 {
		l.least, l.before = p.sent.inFlight, max(l.good, p.rate)
	}
	l.chance *= share
	l.least = min(l.least, p.sent.inFlight)
	if l.chance > 0.001 {
		return false
	}
	l.flight, l.flightBad, l.chance = max(l.least-1, 1), l.least, 1
	l.good, l.bad = l.before, 0
	return true
}

// doubt tells that the refusals have nothing to do with the rate. One at a
// rate that the service keeps up with may mean that it takes less than before.
// After a second one the rate is halved, until another should have come: if one
// comes, they are noise.
func (l *learner) doubt(p Pass, low float64, sent int64) bool {
	if n := math.Log(float64(sent + 1)); l.between == 0 {
		l.between = n
	} else {
		l.between += (n - l.between) / 2
	}
	switch often := math.Exp(l.between); {
	case l.quiet > 0:
		l.noise, l.loud = min(1/often, 0.3), 0
		l.noisy, l.refusals = l.now, 0
		l.good, l.bad = max(l.good, l.proven), 0
		l.doubts, l.quiet = 0, 0
		return true
	case p.rate > l.sure:
		if l.doubts == 0 {
			l.proven = max(l.good, 0.9*l.proven)
		}
		l.sure = max(l.sure, low)
	default:
		l.sure = max(low, l.slowest())
		l.good = max(min(l.good, l.sure), l.good/4)
		// The test is for what costs more than it does.
		apart := often / l.sure
		if l.doubts++; l.doubts >= 2 && (apart < 15 || apart < 40 && l.sure < l.proven/4) {
			l.quiet = l.now.seq + max(int64(5*often), 10)
		}
	}
	return false
}
