package pipeline

import (
	"context"
	"sync"
	"time"
)

// A frontier turns answers that come in any order into a position that only
// moves forward. Its owner's mutex guards it.
type frontier struct {
	next    int            // the first batch that has not settled
	settled map[int]*batch // batches behind it that have
	waiters []chan struct{}
}

// settle notes that b has settled and returns the batches that the frontier
// passes now, in order.
func (f *frontier) settle(b *batch) []*batch {
	if f.settled == nil {
		f.settled = map[int]*batch{}
	}
	f.settled[b.order] = b
	var passed []*batch
	for {
		head, ok := f.settled[f.next]
		if !ok {
			break
		}
		delete(f.settled, f.next)
		passed = append(passed, head)
		f.next++
	}
	if len(passed) > 0 {
		for _, w := range f.waiters {
			close(w)
		}
		f.waiters = nil
	}
	return passed
}

// wait blocks until every batch before order has settled.
func (f *frontier) wait(ctx context.Context, mu *sync.Mutex, order int) error {
	for {
		mu.Lock()
		if f.next >= order {
			mu.Unlock()
			return nil
		}
		w := make(chan struct{})
		f.waiters = append(f.waiters, w)
		mu.Unlock()
		select {
		case <-w:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// afterGrace cancels hard when the grace is over, unless it has ended before.
func afterGrace(grace time.Duration, hard context.Context, cancel context.CancelFunc) {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-t.C:
		cancel()
	case <-hard.Done():
	}
}
