package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// crawl reads the files that must be read and sends what has changed.
func (c *Crawl) crawl(ctx context.Context, run state.Run, rep *Report) error {
	if err := c.findFixes(ctx, run); err != nil {
		return err
	}
	// hard outlives ctx by the grace: a cancel stops reading at once, and what
	// is in flight may still settle.
	hard, stopHard := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHard()
	defer context.AfterFunc(ctx, func() { afterGrace(c.Grace, hard, stopHard) })()

	rctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	g, soft := errgroup.WithContext(rctx)
	order := make(chan *reading, c.Readers)
	g.Go(func() error { return c.dispatch(soft, run, order) })
	// live ends with the first failure: what has not settled by then never will.
	live, die := context.WithCancelCause(hard)
	defer die(nil)
	a := &admission{c: c, rep: rep, soft: soft, hard: hard, live: live, die: die, stop: stop, slots: make(chan struct{}, c.InFlight), spare: make(chan *batch, c.InFlight+2)}
	g.Go(func() error { return a.run(order) })
	err := g.Wait()
	upErr := a.wait() // what is in flight settles, whatever stopped the reading
	switch {
	case upErr != nil && !errors.Is(upErr, context.Canceled):
		return upErr // a cancel must not hide that something could not be written
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case upErr != nil:
		return upErr
	}
	return err
}

// errStopped ends the reading side after an upload has failed; the upload's
// own error is the one to report.
var errStopped = errors.New("stopped")

// dispatch starts a reader for each file, in order, as slots come free. The
// head of the order always has a slot, so readers that wait for their turn
// cannot block it.
func (c *Crawl) dispatch(ctx context.Context, run state.Run, order chan<- *reading) error {
	defer close(order)
	readers, rctx := errgroup.WithContext(ctx)
	readers.SetLimit(c.Readers)
	var listErr error
	for f, err := range c.Store.Sources(ctx, run) {
		if err != nil {
			listErr = err
			break
		}
		if f.Skip {
			c.skip(f)
			continue
		}
		r := &reading{make(chan *chunk, 2)}
		readers.Go(func() error { // blocks until a reader is free
			defer close(r.chunks)
			return c.read(rctx, f, r.chunks)
		})
		select {
		case order <- r:
		case <-rctx.Done():
		}
		if rctx.Err() != nil {
			break
		}
	}
	return errors.Join(readers.Wait(), listErr)
}

// skip takes the balance of a file that need not be opened.
func (c *Crawl) skip(f *state.Source) {
	p := &c.progress
	p.filesDone.Add(1)
	p.bytesDone.Add(f.Size)
	p.read.Add(f.Read)
	p.stored.Add(f.Stored)
	p.unchanged.Add(f.Unchanged)
	p.duplicates.Add(f.Duplicates)
	p.quarantined.Add(f.Quarantined)
	p.settled.Add(f.Settled())
}

// An admission takes chunks in crawl order, forms batches, and settles them.
type admission struct {
	c    *Crawl
	rep  *Report
	soft context.Context         // ends with the crawl's reading side
	hard context.Context         // ends the uploads
	live context.Context         // ends the waiting for other batches
	die  context.CancelCauseFunc // ends live
	stop context.CancelCauseFunc // ends soft

	slots   chan struct{} // one token a batch in flight
	spare   chan *batch   // settled, for newBatch
	uploads sync.WaitGroup
	next    *batch // being filled
	orders  int    // batches handed out

	mu       sync.Mutex // guards the fields below
	frontier frontier
	settling *batch // the one whose answers are being written down
	over     error  // the error budget's, to be told once the batch is written down
	err      error  // the first failure
	// broken is the failure of a settlement. What the frontier has passed in
	// memory may be missing on disk after it, so nothing is settled any more.
	broken error
}

// A batch is what is admitted, sent and committed together.
type batch struct {
	order   int
	seq     int64
	steps   []step
	entries []state.Entry
	items   []*transform.Item // parallel to entries
	bytes   int

	verdicts []state.Verdict // parallel to entries, once admitted
	results  []load.Result   // parallel to entries; only those that were sent count
}

// A step is a record or the end of a file, in crawl order.
type step struct {
	file    *state.Source
	part    int64
	entry   int // index in entries, -1 when there is no item
	end     *chunk
	refusal *state.Refusal
	unknown []transform.Unknown // names in its permissions
	record  kept
	named   string // see outcome
}

// newBatch gives an empty batch, with the room of one that has settled when
// there is one.
func (a *admission) newBatch() *batch {
	select {
	case b := <-a.spare:
		return b
	default:
	}
	n := a.c.Batch
	return &batch{steps: make([]step, 0, n), entries: make([]state.Entry, 0, n), items: make([]*transform.Item, 0, n)}
}

// reuse keeps the room of a batch that has settled, and nothing that was in it.
func (a *admission) reuse(b *batch) {
	transform.Recycle(b.items)
	clear(b.steps)
	clear(b.entries)
	clear(b.items)
	*b = batch{steps: b.steps[:0], entries: b.entries[:0], items: b.items[:0]}
	select {
	case a.spare <- b:
	default:
	}
}

func (a *admission) run(order <-chan *reading) error {
	a.next = a.newBatch()
	for r := range order {
		for {
			ch, ok, err := a.take(r)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if err := a.add(ch); err != nil {
				return err
			}
		}
	}
	if err := context.Cause(a.soft); err != nil {
		return err
	}
	return a.flush()
}

// take receives the next chunk of a file. While none is ready and an upload
// slot is free, what has gathered is sent: small files must not wait for each
// other.
func (a *admission) take(r *reading) (ch *chunk, ok bool, err error) {
	select {
	case ch, ok = <-r.chunks:
		return ch, ok, nil
	default:
	}
	if len(a.next.steps) > 0 && len(a.slots) == 0 {
		if err := a.flush(); err != nil {
			return nil, false, err
		}
	}
	select {
	case ch, ok = <-r.chunks:
		return ch, ok, nil
	case <-a.soft.Done():
		return nil, false, context.Cause(a.soft)
	}
}

func (a *admission) add(ch *chunk) error {
	b := a.next
	for i := range ch.outs {
		out := &ch.outs[i]
		s := step{file: ch.file, part: out.part, entry: -1, unknown: out.unknown, record: out.record, named: out.named}
		if ref := out.refusal; ref != nil {
			if err := a.refuse(ch.file, out, ref); err != nil {
				return err
			}
			s.refusal = ref
		}
		if out.item != nil {
			s.entry = len(b.entries)
			place := out.item.Origin.Place
			line := max(place.Line, place.Page)
			b.entries = append(b.entries, entryOf(out, ch.file, line))
			b.items = append(b.items, out.item)
			b.bytes += out.size
		}
		b.steps = append(b.steps, s)
		if len(b.steps) >= a.c.Batch || b.bytes >= 2*chunkBytes {
			if err := a.flush(); err != nil {
				return err
			}
			b = a.next
		}
	}
	if ch.end {
		b.steps = append(b.steps, step{file: ch.file, entry: -1, end: ch})
	}
	a.c.outcomes.put(ch)
	return nil
}

// entryOf is an item as the state sees it.
func entryOf(out *outcome, f *state.Source, line int) state.Entry {
	it := out.item
	e := state.Entry{ID: it.ID, Digest: out.digest, Source: f, Part: out.part, Line: line, Col: it.Origin.Place.Col, Sheet: it.Origin.Place.Sheet}
	for i := range it.Activities {
		e.Doings = append(e.Doings, it.Activities[i].Hash()...)
	}
	e.ACL = audienceOf(it.ACL)
	for _, a := range it.ACL { // sorted
		switch {
		case a.Deny:
			if e.Denies != "" {
				e.Denies += "\n"
			}
			e.Denies += a.Type + ":" + a.Value
		case a.Type == "everyone":
			e.Open = 2
		case a.Type == "everyoneExceptGuests":
			e.Open = max(e.Open, 1)
		}
	}
	return e
}

// audienceOf is an item's ACL as the state keeps it.
func audienceOf(acl []transform.Access) string {
	all := make([]state.Access, len(acl))
	for i, a := range acl {
		all[i] = state.Access{Type: a.Type, Value: a.Value, Deny: a.Deny}
	}
	return state.Audience(all)
}

// refuse places a refusal and decides on the item of an earlier, good record.
// What the target has stays until the record is mended or gone, unless it is
// the permissions that cannot be made, or that have changed: see Store.Withdraw.
func (a *admission) refuse(f *state.Source, out *outcome, ref *state.Refusal) error {
	ref.Source, ref.Part = f, out.part
	if ref.Item == "" {
		return nil
	}
	var acl []byte
	if out.acl != nil {
		sum := (&transform.Item{ID: ref.Item, ACL: out.acl}).Digest()
		acl = sum[:]
	}
	exposed, err := a.c.Store.Hold(a.hard, ref.Item, f, acl)
	if exposed {
		ref.Property, ref.Detail = "acl", ref.Detail+"; its permissions have changed too, so what the target has of it is taken out until then"
	}
	return err
}

// flush admits the batch and starts its upload.
func (a *admission) flush() error {
	b := a.next
	if len(b.steps) == 0 {
		return nil
	}
	a.next = a.newBatch()
	// One batch that is tried again and again holds the frontier, and what has
	// settled behind it is kept in memory: there is a bound to that.
	if err := a.frontier.wait(a.soft, &a.mu, a.orders-2*a.c.InFlight-4); err != nil {
		return err
	}
	select {
	case a.slots <- struct{}{}:
	case <-a.soft.Done():
		return context.Cause(a.soft)
	}
	if a.failed() != nil {
		<-a.slots
		return errStopped
	}
	var err error
	if b.seq, b.verdicts, err = a.c.Store.Admit(a.hard, b.entries); err != nil {
		<-a.slots
		return err
	}
	b.order = a.orders
	a.orders++
	a.uploads.Add(1)
	go func() {
		defer a.uploads.Done()
		defer func() { <-a.slots }()
		if err := a.upload(b); err != nil {
			a.fail(err)
		}
	}()
	return nil
}

func (a *admission) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil || errors.Is(a.err, context.Canceled) {
		a.err = err
	}
	a.stop(errStopped)
	a.die(errStopped)
}

func (a *admission) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

func (a *admission) wait() error {
	a.uploads.Wait()
	return a.failed()
}

// upload sends what is to be sent of a batch and settles it.
func (a *admission) upload(b *batch) error {
	b.parts()
	send, which, again := b.sort(a.c.Store)
	var err error
	switch {
	case len(send) == len(b.entries): // all are new, as in a first crawl
		b.results, err = a.c.Loader.Put(a.hard, send)
	case len(send) > 0:
		var results []load.Result
		results, err = a.c.Loader.Put(a.hard, send)
		b.results = make([]load.Result, len(b.entries))
		for n, r := range results {
			b.results[which[n]] = r
		}
	default:
		b.results = make([]load.Result, len(b.entries))
	}
	if err != nil {
		return errors.Join(err, a.keepStored(b))
	}
	if len(again) > 0 {
		if err := a.replace(b, again); err != nil {
			return errors.Join(err, a.keepStored(b))
		}
	}
	return a.settle(b)
}

// parts notes what of each item is to be sent, where the target has the rest.
func (b *batch) parts() {
	for i := range b.verdicts {
		v, it := &b.verdicts[i], b.items[i]
		if v.Kind != state.Send {
			continue
		}
		// An activity is sent once.
		it.Activities = slices.DeleteFunc(it.Activities, func(a transform.Activity) bool { return v.Did(a.Hash()) })
		if v.Have != nil {
			it.Send = transform.Differ(v.Have, b.entries[i].Digest[:])
		}
	}
}

// sort tells what is to be sent: send are the items and which their indexes,
// nil when they are all. again are the indexes of duplicates that are to
// replace what was sent before them.
func (b *batch) sort(store *state.Store) (send []*transform.Item, which, again []int) {
	all := true
	for i := range b.verdicts {
		if b.verdicts[i].Kind != state.Send {
			all = false
			break
		}
	}
	if all {
		return b.items, nil, nil
	}
	for i, v := range b.verdicts {
		switch {
		case v.Kind == state.Send:
			send, which = append(send, b.items[i]), append(which, i)
		case store.Sends(v):
			again = append(again, i)
		}
	}
	return send, which, again
}

// replace sends the later ones of records with one id, when the mapping wants
// the last to win. Two PUTs of one id in flight could end in either order, so
// all earlier batches must have settled.
func (a *admission) replace(b *batch, again []int) error {
	if err := a.frontier.wait(a.live, &a.mu, b.order); err != nil {
		return err
	}
	// Of several in one batch the last goes, and if the target refuses it the one
	// before: so it comes to the same however the batches are cut.
	won := map[string]bool{}
	for _, i := range slices.Backward(again) {
		if won[b.entries[i].ID] {
			continue
		}
		results, err := a.c.Loader.Put(a.hard, []*transform.Item{b.items[i]})
		if err != nil {
			return err
		}
		b.results[i] = results[0]
		won[b.entries[i].ID] = results[0].Fate == load.Stored
	}
	return nil
}

// keepStored writes down what a batch that failed has stored all the same, so
// that it is not sent again. The rest stays an intent.
func (a *admission) keepStored(b *batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var done, rest []state.Outcome
	for i, r := range b.results {
		o := state.Outcome{Entry: &b.entries[i], Verdict: b.verdicts[i]}
		switch {
		case r.Fate == load.Stored && o.Verdict.Kind == state.Send:
			done = append(done, o)
		case a.c.Store.Sends(o.Verdict):
			rest = append(rest, o)
		}
	}
	if len(done) == 0 || a.broken != nil {
		return a.broken
	}
	a.broken = a.c.Store.Settle(context.WithoutCancel(a.hard), b.seq, done, rest, nil, nil)
	return a.broken
}

// settle writes down the answers to a batch and moves the frontier.
func (a *admission) settle(b *batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken == nil {
		a.broken = a.write(b)
	}
	if a.broken != nil {
		return a.broken
	}
	return a.over
}

func (a *admission) write(b *batch) error {
	refused := a.rejections(b)
	var files []*state.Source
	passed := a.frontier.settle(b)
	a.settling = b
	for _, ready := range passed {
		more, err := a.account(ready, &refused)
		if err != nil {
			return err
		}
		for _, f := range more {
			if len(files) == 0 || files[len(files)-1] != f {
				files = append(files, f)
			}
		}
	}
	var outs []state.Outcome
	if a.c.Store.Keeps() {
		outs = b.outcomes(a.c.Store)
	}
	if err := a.c.Store.Settle(context.WithoutCancel(a.hard), b.seq, outs, nil, files, refused); err != nil {
		return err
	}
	for _, ready := range passed {
		a.reuse(ready)
	}
	return nil
}

// outcomes are the items whose rows are to be written.
func (b *batch) outcomes(store *state.Store) []state.Outcome {
	outs := make([]state.Outcome, 0, len(b.verdicts))
	for i, v := range b.verdicts {
		if v.Kind == state.Duplicate && !b.replaced(store, i) {
			continue
		}
		outs = append(outs, state.Outcome{Entry: &b.entries[i], Verdict: v, Rejected: b.results[i].Fate == load.Rejected})
	}
	return outs
}

// replaced tells of a duplicate that it was sent and answered.
func (b *batch) replaced(store *state.Store, i int) bool {
	return store.Sends(b.verdicts[i]) && b.results[i].Fate != load.Unsettled
}
