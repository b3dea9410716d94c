package localgraph

import "time"

const (
	slotLength = 10 * time.Millisecond
	slots      = 1000 // 10 s
)

// A tally counts what comes to a connection that has limits, so that a test
// can tell how well a client keeps them.
type tally struct {
	began           time.Time
	requests, taken int64
	// in counts the requests of the last 10 s, a number for each slot: that of
	// slot n is at n % slots. sum is their sum, and worst the greatest it was.
	in         [slots]int32
	newest     int64
	sum, worst int64
}

// add counts a request, whether it is let in or not.
func (t *tally) add(now time.Time, taken bool) {
	if t.requests == 0 {
		t.began = now
	}
	t.requests++
	if taken {
		t.taken++
	}
	n := int64(now.Sub(t.began) / slotLength)
	for t.newest < n { // what is older than 10 s falls out
		t.newest++
		if n-t.newest >= slots { // all of it
			t.newest, t.sum, t.in = n, 0, [slots]int32{}
			break
		}
		t.sum -= int64(t.in[t.newest%slots])
		t.in[t.newest%slots] = 0
	}
	t.in[t.newest%slots]++
	t.sum++
	t.worst = max(t.worst, t.sum)
}

// A Tally is what has come to a connection since its limits were set.
type Tally struct {
	Requests int64   `json:"requests"` // those that were refused, too
	Taken    int64   `json:"taken"`    // those that no limit refused
	Seconds  float64 `json:"seconds"`  // since the first of them
	Worst10s int64   `json:"worst10s"` // the most requests in any 10 s
}

func (t *tally) snapshot(now time.Time) Tally {
	if t.requests == 0 {
		return Tally{}
	}
	return Tally{t.requests, t.taken, now.Sub(t.began).Seconds(), t.worst}
}
