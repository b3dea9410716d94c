package load

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"

	"importer/transform"
)

// A Loader brings items to a target: it batches, paces, waits and retries,
// where the Target makes single attempts. It is safe for concurrent use, and
// all its calls share one limit of concurrency, one rate and every pause.
// Its exported fields must not change after the first call.
type Loader struct {
	Target Target
	// Limiter paces requests; nil, for a local target, only shares pauses.
	Limiter *Limiter
	// Concurrency is how many calls of the target may run at once, over all
	// calls of Put and Delete; default 25. A Limiter may want fewer.
	Concurrency int
	Retry       Retry
	Log         *slog.Logger

	once     sync.Once
	slots    chan struct{}
	several  chan struct{} // held by the one who waits to send several at once
	failures atomic.Int64  // failed calls since the last settled item, over all calls

	stopOnce sync.Once
	stopped  chan struct{} // closed by the first Fatal result
	fatal    error         // set before stopped is closed

	requests, throttled, retries atomic.Int64
}

// LoaderStats count what a Loader has done.
type LoaderStats struct {
	Requests  int64 // made by the target
	Throttled int64 // answers that asked for a lower rate
	Retries   int64 // items sent again
}

// Stats is a snapshot; it may be asked for at any time.
func (l *Loader) Stats() LoaderStats {
	return LoaderStats{l.requests.Load(), l.throttled.Load(), l.retries.Load()}
}

func (l *Loader) init() {
	l.once.Do(func() {
		setDefault(&l.Concurrency, 25)
		l.Retry = l.Retry.withDefaults()
		if l.Limiter == nil {
			l.Limiter = pauseOnly()
		}
		if l.Log == nil {
			l.Log = slog.New(slog.DiscardHandler)
		}
		l.slots = make(chan struct{}, l.Concurrency)
		l.several = make(chan struct{}, 1)
		l.stopped = make(chan struct{})
	})
}

// Put stores items. It returns when each of them is Stored or Rejected, or
// with the error that stopped it: ctx's own, an *AuthError or another Fatal,
// or an *UnavailableError when retries ran out. With an error the results
// still tell what became of each item; Unsettled ones may or may not have
// reached the target. Items of one call must have different ids: their order
// is not kept.
func (l *Loader) Put(ctx context.Context, items []*transform.Item) ([]Result, error) {
	return drive(ctx, l, items, l.Target.Put)
}

// Delete deletes items, as Put stores them. Stored means deleted.
func (l *Loader) Delete(ctx context.Context, ids []string) ([]Result, error) {
	return drive(ctx, l, ids, l.Target.Delete)
}

// A batch is one call of Put or Delete under way.
type batch[T any] struct {
	l       *Loader
	call    func(context.Context, []T) []Result
	results []Result

	// The round's work: todo[i] is item at[i] of the batch; nil at is the
	// first round, in which they are the same.
	todo []T
	at   []int32

	next    atomic.Int64 // the next item of todo
	settled atomic.Int64 // items that the round settled
	stop    atomic.Bool  // ends the round early
}

// drive works in rounds. A round sends what is not settled, and what it
// leaves unsettled goes into the next one.
func drive[T any](ctx context.Context, l *Loader, in []T, call func(context.Context, []T) []Result) ([]Result, error) {
	l.init()
	b := &batch[T]{l: l, call: call, results: make([]Result, len(in)), todo: in}
	// wait ends with ctx and with the first Fatal. The target's own calls do
	// not: what is in flight is brought to an end, for its answer counts.
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	if len(in) > 0 {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-l.stopped:
				cancel()
			case <-stop:
			}
		}()
	}
	d := drought{Retry: l.Retry}
	for len(b.todo) > 0 {
		b.round(ctx, wait)
		last := b.rest(in)
		if len(b.todo) == 0 {
			break
		}
		err := l.whyStopped(ctx)
		if err == nil {
			err = b.pause(wait, &d, last)
			if err != nil && wait.Err() != nil {
				err = l.whyStopped(ctx)
			}
		}
		if err != nil {
			b.unsettled(err)
			return b.results, err
		}
		l.retries.Add(int64(len(b.todo)))
	}
	return b.results, nil
}

// whyStopped gives the error that ends every call: a Fatal, or ctx's.
func (l *Loader) whyStopped(ctx context.Context) error {
	select {
	case <-l.stopped:
		return l.fatal
	default:
		return ctx.Err()
	}
}

// round sends todo, in chunks, by as many goroutines as there are slots. The
// goroutines share an index: one each for 500 items would cost more than a
// local target does.
func (b *batch[T]) round(ctx, wait context.Context) {
	b.next.Store(0)
	b.settled.Store(0)
	b.stop.Store(false)
	size := b.l.most()
	workers := min(b.l.Concurrency, (len(b.todo)+size-1)/size)
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(func() { b.work(ctx, wait) })
	}
	b.work(ctx, wait)
	wg.Wait()
}

func (b *batch[T]) work(ctx, wait context.Context) {
	for !b.stop.Load() {
		if int(b.next.Load()) >= len(b.todo) || !b.l.acquire(wait) {
			return
		}
		lo, hi, pass := b.claim(wait)
		if lo >= hi {
			b.l.release()
			return
		}
		b.l.requests.Add(int64(b.l.perCall(hi - lo)))
		res := b.call(ctx, b.todo[lo:hi])
		b.l.release()
		b.settle(lo, hi, res, pass)
	}
}

// claim takes the next items of todo for a call and waits for the limiter.
// lo == hi if there are none, or wait has ended.
//
// How many a call takes may change while others wait: one at a time asks for
// several, just before it waits.
func (b *batch[T]) claim(wait context.Context) (lo, hi int, pass Pass) {
	l := b.l
	if l.Limiter.atOnce() < math.MaxInt && l.most() > 1 {
		select {
		case l.several <- struct{}{}:
			defer func() { <-l.several }()
		case <-wait.Done():
			return 0, 0, pass
		}
	}
	size := l.most()
	hi = int(b.next.Add(int64(size)))
	lo, hi = min(hi-size, len(b.todo)), min(hi, len(b.todo))
	if lo < hi {
		var err error
		if pass, err = l.Limiter.Wait(wait, l.perCall(hi-lo)); err != nil {
			return 0, 0, pass
		}
		// What may go together may have become less meanwhile: the rest stays
		// for the next round.
		hi = min(hi, lo+l.most())
		l.Limiter.giveBack(&pass, pass.n-l.perCall(hi-lo))
	}
	return lo, hi, pass
}

// most is how many items a call of the target may have now.
func (l *Loader) most() int { return max(1, min(l.Target.MaxBatch(), l.Limiter.atOnce())) }

// perCall is the number of requests that a call of the target makes for so
// many items: one, if the target does not say otherwise.
func (l *Loader) perCall(items int) int { return requests(l.Target, items) }

func (l *Loader) acquire(ctx context.Context) bool {
	select {
	case l.slots <- struct{}{}: // without a look at ctx: half the price
		return true
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *Loader) release() { <-l.slots }

var errNoAnswer = errors.New("the target gave no answer for this item")

// settle notes the answers of one call.
func (b *batch[T]) settle(lo, hi int, answers []Result, pass Pass) {
	l := b.l
	var whole Result // what the call says to the limiter
	settled, refused := 0, 0
	for i := lo; i < hi; i++ {
		res := Result{Err: errNoAnswer}
		if i-lo < len(answers) {
			res = answers[i-lo]
		}
		b.results[b.index(i)] = res
		if res.Fate != Unsettled {
			settled++
			whole.Fate = Stored
		}
		if res.Throttled || throttled(res.Err) {
			refused++
		}
		whole.Throttled = whole.Throttled || res.Throttled
		if res.After <= l.Retry.MaxAfter { // else it is given up, not waited for: see drought
			whole.After = max(whole.After, res.After)
		}
		if res.Fatal {
			l.halt(res.Err)
		}
	}
	l.Limiter.Report(pass, whole)
	if l.perCall(hi-lo) != hi-lo { // the items of one request speak together
		refused = min(refused, 1)
	}
	l.throttled.Add(int64(refused))
	if settled > 0 {
		b.settled.Add(int64(settled))
		if l.failures.Load() != 0 {
			l.failures.Store(0)
		}
		return
	}
	// A throttled service is alive: the limiter deals with it. But when calls
	// fail one after the other, whoever made them, there is an outage; then
	// each round probes with one call per worker instead of sending all.
	if !whole.Throttled && l.failures.Add(1) >= int64(min(l.Concurrency, startFlight)) {
		b.stop.Store(true)
	}
	if l.isStopped() {
		b.stop.Store(true)
	}
}

func (l *Loader) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

// halt stops every call of this Loader, now and later.
func (l *Loader) halt(err error) {
	l.stopOnce.Do(func() {
		var api *APIError
		var auth *AuthError
		if !errors.As(err, &auth) && errors.As(err, &api) &&
			(api.Status == http.StatusUnauthorized || api.Status == http.StatusForbidden) {
			err = &AuthError{Err: err, Remedy: "check the credentials and permissions"}
		}
		l.fatal = err
		close(l.stopped)
	})
}

func (b *batch[T]) index(i int) int {
	if b.at == nil {
		return i
	}
	return int(b.at[i])
}

// rest collects what is not settled for the next round, and gives the answer
// that asks for the longest wait.
func (b *batch[T]) rest(in []T) (last Result) {
	var todo []T
	var at []int32
	for i := range b.todo {
		n := b.index(i)
		res := b.results[n]
		if res.Fate != Unsettled {
			continue
		}
		todo, at = append(todo, in[n]), append(at, int32(n))
		if res.Err != nil && (last.Err == nil || res.After > last.After) {
			last = res
		}
	}
	b.todo, b.at = todo, at
	return last
}

// pause waits before the next round, or gives up. A round that settled
// something is no reason to give up, and ends a drought.
func (b *batch[T]) pause(wait context.Context, d *drought, last Result) error {
	if b.settled.Load() > 0 {
		d.ended()
	}
	delay, err := d.failed(last.Err, last.After)
	if err != nil {
		return err
	}
	if last.After > 0 {
		return wait.Err() // the limiter holds everybody back
	}
	b.l.Log.Debug("load: trying again", "items", len(b.todo), "in", delay, "after", last.Err)
	return sleep(wait, delay)
}

// unsettled gives every unsettled item without a reason the one that stopped
// the batch.
func (b *batch[T]) unsettled(err error) {
	for i := range b.results {
		if r := &b.results[i]; r.Fate == Unsettled && r.Err == nil {
			r.Err = err
		}
	}
}
