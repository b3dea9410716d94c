package localgraph

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A tally counts as one does who looks at all the times.
func TestTally(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, gap := range []time.Duration{time.Millisecond, 40 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		var tl tally
		var past []time.Time
		start := time.Now()
		now, taken, worst := start, int64(0), int64(0)
		for range 3000 {
			now = now.Add(time.Duration(rnd.Int64N(int64(2 * gap)))).Truncate(slotLength)
			if len(past) == 0 {
				start = now
			}
			ok := rnd.IntN(10) > 0
			if ok {
				taken++
			}
			tl.add(now, ok)
			past = append(past, now)
			for past[0].Add(10*time.Second).Compare(now) <= 0 {
				past = past[1:]
			}
			worst = max(worst, int64(len(past)))
		}
		want := Tally{Requests: 3000, Taken: taken, Seconds: now.Sub(start).Seconds(), Worst10s: worst}
		if got := tl.snapshot(now); got != want {
			t.Errorf("every %v: %+v, want %+v", gap, got, want)
		}
	}
	if got := new(tally).snapshot(time.Now()); got != (Tally{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// The control answer tells of each connection what its limits let in.
func TestTallyOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInjector(faults(t, "rate=10")) // what is refused counts: after five, nothing is let in
		for range 30 {
			if leave, _ := in.enter("desk"); leave != nil {
				leave()
			}
			time.Sleep(50 * time.Millisecond)
		}
		in.enter("other")
		in.enter("")
		all := in.tallies()
		desk := all["desk"]
		if len(all) != 2 || desk.Requests != 30 || desk.Taken != 5 || desk.Worst10s != 30 || desk.Seconds != 1.5 {
			t.Errorf("%+v", all)
		}
	})
}
