package localgraph

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Group commit. A transaction costs more than the item in it (826 items per
// CPU-second one by one, 4,681 in batches), and Graph sends items one by one.
// So one goroutine owns the writing connection, takes what has queued up, and
// commits it as one transaction; each request is answered after its commit.

const maxBatch = 2000

// patience is how long a batch waits for requests that are being decoded.
const patience = 2 * time.Millisecond

var errClosed = errors.New("the store is closed")

// A writeOp is one item's write, or, with run set, any change of its own
// transaction.
type writeOp struct {
	item *itemOp
	run  func(*wtx) error
	done chan error // capacity 1
}

// A writer owns the one connection that writes.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	queue chan *writeOp
	ended chan struct{}

	// coming counts the requests that will queue an item soon.
	coming atomic.Int64

	mu     sync.RWMutex // held for writing while the queue is closed
	closed bool

	// The fields below belong to the goroutine of loop.
	last  int // size of the batch before
	stmts map[string]*sql.Stmt
	acls  map[aclKey]int64 // committed rows of acls
}

func newWriter(db *sql.DB) (*writer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	w := &writer{
		db: db, conn: conn,
		queue: make(chan *writeOp, maxBatch),
		ended: make(chan struct{}),
		stmts: map[string]*sql.Stmt{},
		acls:  map[aclKey]int64{},
	}
	go w.loop()
	return w, nil
}

// close commits what is queued and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
	w.forget()
	return errors.Join(w.conn.Close(), w.db.Close())
}

// submit queues an operation and waits for its commit. A caller that goes
// away does not undo it: the write may already be part of a transaction.
func (w *writer) submit(op *writeOp) error {
	w.enqueue(op)
	return <-op.done
}

// enqueue queues an operation; its outcome comes by op.done.
func (w *writer) enqueue(op *writeOp) {
	op.done = make(chan error, 1)
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		op.done <- errClosed
		return
	}
	w.queue <- op
}

// An arrival is a request that will queue an item soon. A nil arrival is none.
type arrival struct {
	w *writer
}

func (w *writer) expect() *arrival {
	w.coming.Add(1)
	return &arrival{w}
}

// over tells that the item is about to be queued, or will not come. Only the
// first call counts.
func (a *arrival) over() {
	if a != nil && a.w != nil {
		a.w.coming.Add(-1)
		a.w = nil
	}
}

// do runs f in a transaction of its own.
func (w *writer) do(ctx context.Context, f func(*wtx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.submit(&writeOp{run: f})
}

func (w *writer) loop() {
	defer close(w.ended)
	var held *writeOp // taken from the queue, for the next transaction
	for {
		op := held
		held = nil
		if op == nil {
			var ok bool
			if op, ok = <-w.queue; !ok {
				return
			}
		}
		if op.run != nil {
			op.done <- w.transact(op.run)
			continue
		}
		batch := []*writeOp{op}
		batch, held = w.gather(batch)
		w.commit(batch)
		w.last = len(batch)
	}
}

// gather takes items from the queue until it is empty and nobody is about to
// add one. The clients that the last batch has answered are likely to come
// again, all but at once: most of them are awaited, or every second batch
// would be of one item. A client that sends one item at a time waits for none.
func (w *writer) gather(batch []*writeOp) (_ []*writeOp, held *writeOp) {
	var late <-chan time.Time
	for len(batch) < maxBatch {
		var op *writeOp
		var ok bool
		select {
		case op, ok = <-w.queue:
		default:
			if w.coming.Load() == 0 && len(batch) >= w.last*3/4 {
				return batch, nil
			}
			if late == nil {
				t := time.NewTimer(patience)
				defer t.Stop()
				late = t.C
			}
			select {
			case op, ok = <-w.queue:
			case <-late:
				return batch, nil
			}
		}
		if !ok {
			return batch, nil
		}
		if op.run != nil {
			return batch, op
		}
		batch = append(batch, op)
	}
	return batch, nil
}

// commit writes a batch in one transaction and answers its requests. When the
// batch fails for a reason that may lie in one item, each is tried alone.
func (w *writer) commit(batch []*writeOp) {
	err := w.transact(func(tx *wtx) error { return tx.putItems(batch) })
	if err == nil {
		for _, op := range batch {
			op.done <- op.item.err
		}
		return
	}
	status := asAPIError(err).status
	alone := len(batch) > 1 && status != 507 && status != 503
	for _, op := range batch {
		if alone {
			op.item.err = nil
			err = w.transact(func(tx *wtx) error { return tx.putItems([]*writeOp{op}) })
			if err == nil {
				err = op.item.err
			}
		}
		op.done <- err
	}
}

// A wtx is a write transaction, used by one goroutine.
type wtx struct {
	w       *writer
	newACLs map[aclKey]int64 // enter w.acls after the commit
}

// transact runs f in a transaction. BEGIN IMMEDIATE takes the file's write
// lock first, so that two processes wait for each other and never deadlock.
//
// If we crash before COMMIT returns, the transaction is undone and its
// requests have had no answer; after it, it stands.
func (w *writer) transact(f func(*wtx) error) error {
	tx := &wtx{w: w}
	if err := tx.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := tx.run(f)
	if err == nil {
		err = tx.exec(`COMMIT`)
	}
	if err != nil {
		// A full disk may have rolled back by itself; then this fails, harmlessly.
		_, _ = w.conn.ExecContext(context.Background(), `ROLLBACK`)
		return err
	}
	if len(w.acls)+len(tx.newACLs) > 100_000 {
		clear(w.acls)
	}
	for k, n := range tx.newACLs {
		w.acls[k] = n
	}
	return nil
}

// run calls f. A panic in it is the fault of one transaction, and not the end
// of all others.
func (tx *wtx) run(f func(*wtx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return f(tx)
}

// stmt prepares a statement once. Statements of dropped tables go when the
// cache is full.
func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	if len(w.stmts) > 500 {
		w.forget()
	}
	st, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = st
	return st, nil
}

func (w *writer) forget() {
	for _, st := range w.stmts {
		st.Close()
	}
	clear(w.stmts)
}

func (tx *wtx) exec(query string, args ...any) error {
	st, err := tx.w.stmt(query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(context.Background(), args...)
	return err
}

// insert is exec for a row whose number the table gives.
func (tx *wtx) insert(query string, args ...any) (int64, error) {
	st, err := tx.w.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// row queries one row; call the result to scan it.
func (tx *wtx) row(query string, args ...any) func(dest ...any) error {
	st, err := tx.w.stmt(query)
	if err != nil {
		return func(...any) error { return err }
	}
	return st.QueryRowContext(context.Background(), args...).Scan
}

// each calls f for each row.
func (tx *wtx) each(query string, f func(scan func(...any) error) error, args ...any) error {
	st, err := tx.w.stmt(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
