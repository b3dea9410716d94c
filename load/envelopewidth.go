package load

import "sync"

// An envelopeWidth is how many requests an envelope may have. It adapts to
// what becomes of them, for two reasons.
//
// The requests in an envelope arrive at once. A service that paces them
// strictly throttles the last of them, however slowly the envelopes come, and
// every 429 holds everybody up.
//
// And an envelope that fails as a whole because of one of its items, for what
// that does to the service or to a gateway on the way, would fail for ever and
// keep the others out.
//
// One bad envelope proves neither. Two in a row, the second sent after the
// first was answered, halve the width.
type envelopeWidth struct {
	max int

	mu     sync.Mutex // guards the fields below
	now    int        // from 1 to max
	turn   int        // grows with each bad envelope that says something new
	strike bool       // the last one was bad
	good   int        // requests that went well since now was changed
	need   int        // how many of them make it grow by one
}

// slowly is how many requests must go well before an envelope that was
// throttled is tried with one more.
const slowly = 500

// get gives the width, and the turn in which an envelope of it is sent.
func (w *envelopeWidth) get() (now, turn int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.turn
}

// learn takes the answers to the requests of one envelope that was sent in
// that turn, or to one that travelled alone.
func (w *envelopeWidth) learn(turn int, errs []error) {
	good, slower, bad := weigh(errs)
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(errs)
	if n == 1 || !bad {
		if turn == w.turn && 2*n > w.now {
			w.strike = false
		}
		if w.good += good; w.good > 0 && w.good >= w.need && w.now < w.max {
			w.now, w.good = w.now+1, 0
		}
		return
	}
	if turn < w.turn {
		return // sent before the last bad one was answered: the same trouble
	}
	w.turn++
	if w.strike = !w.strike; w.strike {
		return
	}
	w.good = 0
	if slower {
		// As many as went through are what it bears at once.
		if good == 0 || good >= w.now {
			good = w.now / 2
		}
		w.now, w.need = max(1, good), slowly
		return
	}
	// n and not now: it is these that must get out of each other's way.
	w.now = max(1, min(w.now, n/2))
	w.need = max(w.need, w.now)
}

// weigh sums up answers. Bad are those of which one asks for a lower rate, or
// none says anything.
func weigh(errs []error) (good int, slower, bad bool) {
	silent := 0
	for _, err := range errs {
		switch {
		case err == nil:
			good++
		case throttled(err):
			slower = true
		case retryable(err):
			silent++
		}
	}
	return good, slower, slower || silent == len(errs)
}
