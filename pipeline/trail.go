package pipeline

import (
	"context"
	"time"
)

// A Point is how far a run was at some time.
type Point struct {
	Seconds     float64 `json:"s"`    // since its process began
	Settled     int64   `json:"n"`    // records that are done with
	Quarantined int64   `json:"q"`    // those of them that were refused
	Requests    int64   `json:"r"`    // made so far
	Throttled   int64   `json:"t"`    // answers that asked for a lower rate
	Rate        float64 `json:"rate"` // records a second since the point before
}

// maxPoints bounds a trail: when there are more, every second one goes and
// they are made half as often.
const maxPoints = 240

// A trail is a run's course, in points that are equally far apart.
type trail struct {
	points []Point
	every  time.Duration
	next   time.Duration
}

func (t *trail) add(at time.Duration, p Progress, requests, throttled int64) {
	if t.every == 0 {
		t.every = time.Second
	}
	if at < t.next {
		return
	}
	t.next += t.every
	t.points = append(t.points, Point{Seconds: at.Seconds(), Settled: p.Set, Quarantined: p.Quarantined, Requests: requests, Throttled: throttled})
	if len(t.points) == maxPoints {
		kept := t.points[:0]
		for i := 1; i < maxPoints; i += 2 {
			kept = append(kept, t.points[i])
		}
		t.points, t.every = kept, 2*t.every
		t.next = at + t.every
	}
}

// course gives the points with the rate between them.
func (t *trail) course() []Point {
	var before Point
	for i := range t.points {
		p := &t.points[i]
		if d := p.Seconds - before.Seconds; d > 0 {
			p.Rate = float64(p.Settled-before.Settled) / d
		}
		before = *p
	}
	return t.points
}

// follow notes the course of the run until the function it returns is called,
// which gives it.
func (c *Crawl) follow(ctx context.Context, began time.Time) func() []Point {
	t := &trail{}
	note := func() {
		stats := c.Loader.Stats()
		t.add(time.Since(began), c.Progress(), stats.Requests, stats.Throttled)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				note()
			case <-stop:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() []Point {
		close(stop)
		<-ended
		t.next = 0 // the end belongs to the course
		note()
		return t.course()
	}
}
