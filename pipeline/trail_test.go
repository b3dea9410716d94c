package pipeline

import (
	"testing"
	"time"
)

// However long a run is, its course is bounded, evenly spaced, and ends where
// the run ends.
func TestTheCourseIsBounded(t *testing.T) {
	for _, seconds := range []int{0, 1, 10, 239, 240, 241, 1000, 100_000} {
		tr := &trail{}
		for s := 1; s <= seconds; s++ {
			tr.add(time.Duration(s)*time.Second, Progress{Set: int64(10 * s)}, int64(s), 0)
		}
		tr.next = 0
		tr.add(time.Duration(seconds)*time.Second+time.Millisecond, Progress{Set: int64(10 * seconds)}, int64(seconds), 0)
		points := tr.course()
		if len(points) > maxPoints || len(points) < min(seconds, maxPoints/2-1) {
			t.Errorf("%d s: %d points", seconds, len(points))
		}
		if last := points[len(points)-1]; last.Settled != int64(10*seconds) {
			t.Errorf("%d s: the course ends at %+v", seconds, last)
		}
		var gaps []float64
		for i := 1; i < len(points)-1; i++ {
			gaps = append(gaps, points[i].Seconds-points[i-1].Seconds)
			if points[i].Rate != 10 {
				t.Errorf("%d s: rate %v at %v, want 10", seconds, points[i].Rate, points[i].Seconds)
			}
		}
		for i := range gaps {
			if gaps[i] != gaps[0] && gaps[i] != 2*gaps[0] {
				t.Errorf("%d s: gaps %v", seconds, gaps)
				break
			}
		}
	}
}

// The history tells of every process that worked on a run.
func TestAttempts(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(40)...)
	w.failAt(10)
	first, err := w.crawl(t.Context())
	if err == nil {
		t.Fatal("the crawl did not fail")
	}
	w.target.onRequest = nil
	rep := w.mustCrawl()
	if len(rep.Attempts) != 2 || rep.Attempts[0].Status != "failed" || rep.Attempts[0].Requests != first.Requests ||
		rep.Attempts[1].Status != "done" || rep.Attempts[1].Requests != rep.Requests || rep.Attempts[0].Error == "" {
		t.Errorf("attempts = %+v", rep.Attempts)
	}
	w.write("a.csv", numbered(41)...)
	if rep := w.mustCrawl(); len(rep.Attempts) != 1 {
		t.Errorf("attempts of a new run = %+v", rep.Attempts)
	}
}
