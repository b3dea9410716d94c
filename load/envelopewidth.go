package load

import "sync"

// An envelopeWidth is how many requests an envelope may have. It adapts to
// what becomes of them, for two reasons.
//
// The requests in an envelope arrive at once. A service that paces them
// strictly throttles the last of them, however slowly the envelopes come. The
// limiter must not hear of it, or it would lower the rate for nothing: when a
// part went through of an envelope of a width that never has as a whole, it was
// too wide, and that part is the width from then on. It grows again, the more
// slowly the more often that was in vain, as each 429 holds everybody up.
//
// And an envelope that fails as a whole because of one of its items, for what
// that does to the service or to a gateway on the way, would fail for ever and
// keep the others out. One bad envelope does not prove that. Two in a row, the
// second sent after the first was answered, halve the width.
type envelopeWidth struct {
	max int

	mu     sync.Mutex // guards the fields below
	now    int        // from 1 to max
	whole  int        // the widest that nothing of was throttled
	turn   int        // grows with each bad envelope that says something new
	strike bool       // the last one was bad
	good   int        // requests that went well since now was changed
	need   int        // how many of them make it grow by one
}

// After an envelope was too wide, firstNeed requests must go well before one
// more is tried, and four times as many after each trial that was in vain.
const (
	firstNeed = 100
	mostNeed  = 1 << 20
)

// get gives the width, and the turn in which an envelope of it is sent.
func (w *envelopeWidth) get() (now, turn int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.turn
}

// learn takes the answers to the requests of one envelope that was sent in
// that turn, or to one that travelled alone. It tells whether the envelope was
// too wide, so that what was throttled in it says nothing of the rate.
func (w *envelopeWidth) learn(turn int, errs []error) (tooWide bool) {
	good, slower, bad := weigh(errs)
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(errs)
	switch {
	case n == 1 || !bad:
		if turn == w.turn && 2*n > w.now {
			w.strike = false
		}
		if n > w.whole {
			w.whole, w.need = n, w.need/4
		}
		if w.good += good; w.good > 0 && w.good >= w.need && w.now < w.max {
			w.now, w.good = w.now+1, 0
		}
	case slower && good > 0 && n > w.whole:
		w.whole = max(w.whole, good)
		w.now, w.good, w.need = min(w.now, good), 0, min(max(4*w.need, firstNeed), mostNeed)
		return true
	case turn < w.turn: // sent before the last bad one was answered: the same trouble
	default:
		w.turn++
		if w.strike = !w.strike; w.strike {
			break
		}
		w.good = 0
		if slower { // it went through once, and does no more
			w.now, w.need = max(1, w.now/2), max(w.need, firstNeed)
			w.whole = min(w.whole, w.now)
			break
		}
		// n and not now: it is these that must get out of each other's way.
		w.now = max(1, min(w.now, n/2))
		w.need = max(w.need, w.now)
	}
	return false
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
