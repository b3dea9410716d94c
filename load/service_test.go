package load

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A rule takes a request that comes at a time since the start, or says how
// long to wait. limit is the requests a second that are allowed then.
type rule interface {
	take(at time.Duration, limit float64) (ok bool, after time.Duration)
}

// spaced is the rule of the local Graph (GCRA): a request may come 0.2 s
// early, and a refused one counts as well.
type spaced struct{ due time.Duration }

func (s *spaced) take(at time.Duration, limit float64) (bool, time.Duration) {
	const early = 200 * time.Millisecond
	step := time.Duration(float64(time.Second) / limit)
	s.due = max(s.due, at)
	refused := s.due-at > early
	s.due += step
	if refused {
		s.due = min(s.due, at+early+step+time.Second)
		return false, s.due - at - early
	}
	return true, 0
}

// A bucket gets limit tokens a second and holds those of so many seconds. It
// is full at first.
type bucket struct {
	holds  float64
	begun  bool
	tokens float64
	last   time.Duration
}

func (b *bucket) take(at time.Duration, limit float64) (bool, time.Duration) {
	most := max(b.holds*limit, 1)
	if !b.begun {
		b.begun, b.tokens = true, most
	}
	b.tokens = min(b.tokens+limit*(at-b.last).Seconds(), most)
	b.last = at
	if b.tokens < 1 {
		return false, time.Duration((1 - b.tokens) / limit * float64(time.Second))
	}
	b.tokens--
	return true, 0
}

// windows count anew each size.
type windows struct {
	size, n time.Duration
	count   float64
}

func (w *windows) take(at time.Duration, limit float64) (bool, time.Duration) {
	if n := at / w.size; n != w.n {
		w.n, w.count = n, 0
	}
	if w.count++; w.count > limit*w.size.Seconds() {
		w.count--
		return false, (w.n+1)*w.size - at
	}
	return true, 0
}

// sliding allows so many in any 10 s.
type sliding struct{ past []time.Duration }

func (s *sliding) take(at time.Duration, limit float64) (bool, time.Duration) {
	const size = 10 * time.Second
	for len(s.past) > 0 && s.past[0] <= at-size {
		s.past = s.past[1:]
	}
	if n := int(limit * size.Seconds()); len(s.past) >= n {
		return false, s.past[len(s.past)-n] + size - at
	}
	s.past = append(s.past, at)
	return true, 0
}

// unlimited takes all.
type unlimited struct{}

func (unlimited) take(time.Duration, float64) (bool, time.Duration) { return true, 0 }

var rules = map[string]func() rule{
	"as the local Graph": func() rule { return &spaced{} },
	"bucket of 1 s":      func() rule { return &bucket{holds: 1} },
	"bucket of 4 s":      func() rule { return &bucket{holds: 4} },
	"windows of 1 s":     func() rule { return &windows{size: time.Second} },
	"windows of 10 s":    func() rule { return &windows{size: 10 * time.Second} },
	"any 10 s":           func() rule { return &sliding{} },
	"unlimited":          func() rule { return unlimited{} },
}

// An arrival is a request as the service sees it.
type arrival struct {
	at time.Duration
	ok bool
}

// A service is a model of one, at the end of a line. Its zero values are no
// limits.
type service struct {
	rule       string
	limit      func(at time.Duration) float64
	near, far  time.Duration // there and back takes from near to far
	concurrent int           // so many requests at once
	work       time.Duration // a request takes half of it to one and a half
	places     int           // so many are worked on at once, and the others wait
	form       string        // of Retry-After: "" is whole seconds; none, decimal, date
	ask        time.Duration // Retry-After is at least this
	noise      float64       // share of refusals that come of nothing, with Retry-After 1

	mu       sync.Mutex
	take     rule
	rand     *rand.Rand
	inside   int
	most     int // inside at once
	busy     chan struct{}
	arrivals []arrival
}

func always(limit float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return limit }
}

func (s *service) start() {
	s.take, s.rand = rules[s.rule](), rand.New(rand.NewPCG(1, 2))
	s.busy = make(chan struct{}, max(s.places, 1))
}

// do is one request; clients call it at the same time.
func (s *service) do(started time.Time) Result {
	s.mu.Lock()
	there, back := s.way(), s.way()
	s.mu.Unlock()
	time.Sleep(there)
	defer time.Sleep(back)
	at := time.Since(started)
	s.mu.Lock()
	ok, after := s.enter(at)
	s.arrivals = append(s.arrivals, arrival{at, ok})
	work := s.work
	if work > 0 {
		work = work/2 + time.Duration(s.rand.Int64N(int64(work)))
	}
	s.mu.Unlock()
	if !ok {
		return Result{Throttled: true, After: s.header(max(after, s.ask))}
	}
	if s.places > 0 {
		s.busy <- struct{}{}
		defer func() { <-s.busy }()
	}
	time.Sleep(work)
	s.mu.Lock()
	s.inside--
	s.mu.Unlock()
	return Result{Fate: Stored}
}

func (s *service) way() time.Duration {
	d := s.near
	if s.far > s.near {
		d += time.Duration(s.rand.Int64N(int64(s.far - s.near)))
	}
	return d / 2
}

func (s *service) enter(at time.Duration) (ok bool, after time.Duration) {
	ok, after = s.take.take(at, s.limit(at))
	switch {
	case !ok:
		return false, after
	case s.concurrent > 0 && s.inside >= s.concurrent, s.rand.Float64() < s.noise:
		return false, time.Second
	}
	s.inside++
	s.most = max(s.most, s.inside)
	return true, 0
}

// header is what a client reads from Retry-After.
func (s *service) header(d time.Duration) time.Duration {
	switch s.form {
	case "none":
		return 0
	case "decimal":
		return time.Duration(math.Ceil(d.Seconds()*1000)) * time.Millisecond
	case "date": // in whole seconds, taken against the answer's own Date
		now := time.Now()
		return now.Add(d + time.Second - 1).Truncate(time.Second).Sub(now.Truncate(time.Second))
	}
	return time.Duration(max(math.Ceil(d.Seconds()), 1)) * time.Second
}

// load sends as fast as l lets it, for so long. watch is called each second.
func (s *service) load(t *testing.T, l *Limiter, d time.Duration, watch func(at time.Duration)) {
	s.start()
	started := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for range 220 {
		wg.Go(func() {
			for {
				p, err := l.Wait(ctx, 1)
				if err != nil {
					return
				}
				l.Report(p, s.do(started))
			}
		})
	}
	for at := time.Duration(0); watch != nil && at < d; at += time.Second {
		watch(at)
		time.Sleep(time.Second)
	}
	wg.Wait()
	slices.SortFunc(s.arrivals, func(a, b arrival) int { return int(a.at - b.at) })
}

// steadily sends at a fixed rate, for so long, and pauses as it is asked to:
// the best that somebody could do who knows the limit.
func (s *service) steadily(rate float64, d time.Duration) {
	s.start()
	started := time.Now()
	var mu sync.Mutex
	var until time.Time
	var wg sync.WaitGroup
	for due := started; time.Since(started) < d; due = due.Add(time.Duration(float64(time.Second) / rate)) {
		mu.Lock()
		if until.After(due) {
			due = until
		}
		mu.Unlock()
		time.Sleep(time.Until(due))
		wg.Go(func() {
			if res := s.do(started); res.Throttled {
				mu.Lock()
				until = time.Now().Add(res.After)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(s.arrivals, func(a, b arrival) int { return int(a.at - b.at) })
}

// A measure is what became of a service's limit in some time.
type measure struct {
	used    float64 // share of what was allowed
	worst   float64 // the most requests in any 10 s, refused ones too, as a share of what is allowed in 10 s
	refused float64 // share of the requests
}

func (s *service) measure(from, to time.Duration) (m measure) {
	var taken, all, allowed float64
	for at := from; at < to; at += time.Second {
		allowed += s.limit(at)
	}
	first := 0
	for i, a := range s.arrivals {
		for s.arrivals[first].at <= a.at-10*time.Second {
			first++
		}
		if a.at < from || a.at >= to {
			continue
		}
		all++
		if a.ok {
			taken++
		}
		if a.at >= from+10*time.Second {
			limit := max(s.limit(a.at), s.limit(a.at-10*time.Second))
			m.worst = max(m.worst, float64(i-first+1)/(10*limit))
		}
	}
	m.used, m.refused = taken/allowed, (all-taken)/max(all, 1)
	return m
}
