package load

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// The requests for items travel in one of three ways: each alone, many at
// once to a Graph in the same process (a BatchTransport that the caller
// brings), or many in one $batch (envelopes, a BatchTransport of our own).
// Whatever carried a request, Graph.read reads its answer.

// A BatchTransport carries many requests at the same time for less than as
// many calls of RoundTrip from as many goroutines. A Graph in the same process
// is one. Either a response or an error answers each request.
type BatchTransport interface {
	http.RoundTripper
	RoundTripAll(reqs []*http.Request) ([]*http.Response, []error)
}

// maxTogether is how many items a BatchTransport of the caller's gets.
const maxTogether = 500

// MaxBatch is how many items may travel together now: 1 where each travels
// alone. What travels together is a request an item all the same.
func (g *Graph) MaxBatch() int {
	switch {
	case g.together == nil:
		return 1
	case g.envelopes != nil:
		return g.envelopes.most()
	}
	return maxTogether
}

// Requests is the number of requests that so many items take. Throttling is
// judged by them, not by envelopes (the batching page says so).
func (g *Graph) Requests(items int) int { return items }

// attempts makes one attempt of each call, as many at once as may travel
// together.
func (g *Graph) attempts(ctx context.Context, calls []call) []error {
	errs := make([]error, len(calls))
	for lo := 0; lo < len(calls); {
		hi := lo + g.lot(calls[lo:])
		if hi-lo == 1 {
			_, errs[lo] = g.attempt(ctx, calls[lo])
			if g.envelopes != nil {
				g.envelopes.width.learn(0, errs[lo:hi])
			}
		} else {
			g.attemptTogether(ctx, calls[lo:hi], errs[lo:hi])
		}
		if i := slices.IndexFunc(errs[lo:hi], throttled); i >= 0 {
			fill(errs[hi:], errs[lo+i]) // it would be the answer to the rest as well
			break
		}
		lo = hi
	}
	return errs
}

func throttled(err error) bool {
	api, ok := errors.AsType[*APIError](err)
	return ok && api.slower()
}

// lot is how many of the next calls travel together.
func (g *Graph) lot(calls []call) int {
	most := min(g.MaxBatch(), len(calls))
	if g.envelopes == nil || most < 2 {
		return most
	}
	return g.envelopes.fit(calls[:most])
}

// attemptTogether makes one attempt of each call, all at once.
func (g *Graph) attemptTogether(ctx context.Context, calls []call, errs []error) {
	token, err := g.token(ctx)
	if err != nil {
		fill(errs, err)
		return
	}
	turn := 0
	if g.envelopes != nil {
		_, turn = g.envelopes.width.get()
	}
	g.carry(ctx, calls, errs, token)
	if errors.Is(errs[0], errNotCarried) {
		// Nothing was done, and a lot is smaller now, in the end one call.
		copy(errs, g.attempts(ctx, calls))
		return
	}
	if slices.ContainsFunc(errs, unauthorized) {
		if fresh := g.replaced(ctx, token); fresh != token { // as in attempt
			for i, c := range calls {
				if unauthorized(errs[i]) {
					_, errs[i] = g.send(ctx, c, fresh)
				}
			}
		}
	}
	if g.envelopes != nil {
		if g.envelopes.width.learn(turn, errs) {
			for _, err := range errs {
				if api, ok := errors.AsType[*APIError](err); ok {
					api.crowded = true
				}
			}
		}
		g.doubt(ctx, calls, errs)
	}
}

// carry sends the calls together and reads their answers.
func (g *Graph) carry(ctx context.Context, calls []call, errs []error, token string) {
	limited, cancel := context.WithTimeout(ctx, g.opt.Timeout)
	defer cancel()
	reqs := make([]*http.Request, len(calls))
	for i, c := range calls {
		var err error
		if reqs[i], err = g.request(limited, c, token); err != nil {
			fill(errs, err) // unreachable: see request
			return
		}
	}
	started := time.Now()
	resps, failed := g.together.RoundTripAll(reqs)
	for i, c := range calls {
		if failed[i] != nil {
			errs[i] = g.transportError(ctx, limited, c, failed[i])
			continue
		}
		_, errs[i] = g.read(ctx, limited, c, exchange{reqs[i], resps[i], started, token})
	}
}

// doubt looks at answers that came out of an envelope. A service that does
// not let external items into a $batch may say so in each answer: with a 404
// that would count as deleted, or with a 400 that would reject the item. So
// until a method has once done something in an envelope, a refusal out of one
// is asked for again by a request of its own, whose answer counts. Where it
// is another one, no envelope is sent any more.
func (g *Graph) doubt(ctx context.Context, calls []call, errs []error) {
	proven := g.envelopes.proven(calls[0].method)
	if proven.Load() {
		return
	}
	if slices.Contains(errs, nil) {
		proven.Store(true)
		return
	}
	for i, c := range calls {
		inside, ok := errors.AsType[*APIError](errs[i])
		if !ok || !refusal(inside.Status) {
			continue
		}
		_, errs[i] = g.attempt(ctx, c)
		alone, ok := errors.AsType[*APIError](errs[i])
		if errs[i] == nil || ok && !alone.Retryable() && (alone.Status != inside.Status || alone.Code != inside.Code) {
			g.envelopes.refuse(inside)
		}
	}
}

func unauthorized(err error) bool { return hasStatus(err, http.StatusUnauthorized) }

func fill(errs []error, err error) {
	for i := range errs {
		errs[i] = err
	}
}
