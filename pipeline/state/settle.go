package state

import (
	"bytes"
	"context"
	"database/sql"
	"slices"
)

// An Outcome is what became of an admitted entry.
type Outcome struct {
	Entry   *Entry
	Verdict Verdict // of a Duplicate, one that was sent to replace an earlier record
	// Rejected tells that the target refused it; else what was sent was stored.
	Rejected bool
}

// A Refusal is a line of the quarantine.
type Refusal struct {
	Source   *Source
	Part     int64
	Item     string // the id, when it is known
	Stage    string // extract, transform or load
	Reason   string // a stable code
	File     string
	Sheet    string
	Page     int
	Line     int
	Col      int
	Property string
	Value    string
	Detail   string
	// Record is the record as it was tried, in JSON; "" where it is not kept.
	Record string
	// Sum is the record as its file has it; nil where it has no columns.
	Sum []byte
	// Fix is 1 + the number of the fix that it was tried with; 0 is none.
	Fix int
	// Again tells that the target refused the item in an earlier run and was
	// not asked again: the line of that run stands, with its words, and Detail
	// is only for when it is gone. In is the file of that line.
	Again bool
	In    int64
}

// Settle writes the answers to a batch: the outcomes of the entries that were
// sent and answered, and of the unchanged ones. unanswered are those that were
// sent and have no answer; they stay as the batch's intent.
//
// advanced are the files whose settled position, balance or end has moved, and
// refused the records refused up to there: they become durable with the
// answers, in one transaction.
func (s *Store) Settle(ctx context.Context, seq int64, outcomes, unanswered []Outcome, advanced []*Source, refused []Refusal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Keeps() && len(refused) == 0 && s.later(advanced) {
		return nil
	}
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		if s.Keeps() {
			if err := s.writeItems(ctx, tx, outcomes); err != nil {
				return err
			}
			if err := s.writeReplaced(ctx, tx, outcomes, advanced); err != nil {
				return err
			}
			if err := settleIntent(ctx, tx, seq, unanswered); err != nil {
				return err
			}
			if err := forgetRejections(ctx, tx, outcomes); err != nil {
				return err
			}
		}
		for i := range refused {
			if err := s.writeRefusal(ctx, tx, &refused[i]); err != nil {
				return err
			}
		}
		for _, src := range advanced {
			if err := src.write(ctx, tx); err != nil {
				return err
			}
			delete(s.unwritten, src)
		}
		return nil
		// If we crash before the commit, the intent stands and the batch is
		// sent again; PUT is an upsert, so that is harmless. If we crash after
		// it, the crawl goes on behind the batch.
	}))
}

// forgetRejections takes away what the target said to items, earlier in this
// reading, that it has taken now: their records were mended meanwhile.
func forgetRejections(ctx context.Context, tx *sql.Tx, outcomes []Outcome) error {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Rejected || o.Verdict.Kind != Send || o.Verdict.was.status < statusRejected {
			continue
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE +source = ? AND pass = ? AND item = ? AND stage = 'load'", o.Entry.Source.ID, o.Entry.Source.Pass, o.Entry.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// later puts off the writing of files, unless one of them has ended: nobody
// resumes a run of which nothing is kept, so a transaction for each batch
// would be for nothing.
func (s *Store) later(files []*Source) bool {
	if slices.ContainsFunc(files, func(src *Source) bool { return src.Whole }) {
		return false
	}
	if s.unwritten == nil {
		s.unwritten = map[*Source]bool{}
	}
	for _, src := range files {
		s.unwritten[src] = true
	}
	return true
}

// catchUp writes what later has put off.
func (s *Store) catchUp(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unwritten) == 0 {
		return nil
	}
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for src := range s.unwritten {
			if err := src.write(ctx, tx); err != nil {
				return err
			}
		}
		s.unwritten = nil
		return nil
	}))
}

func (s *Store) writeItems(ctx context.Context, tx *sql.Tx, outcomes []Outcome) error {
	insert, many := tx.StmtContext(ctx, s.insert), tx.StmtContext(ctx, s.many)
	args := make([]any, 0, rowsPerInsert*columns)
	flush := func(stmt *sql.Stmt) error {
		_, err := stmt.ExecContext(ctx, args...)
		args = args[:0]
		return err
	}
	var touched touch
	for i := range outcomes {
		o := &outcomes[i]
		if o.Verdict.Kind == Duplicate {
			continue // see writeReplaced
		}
		if o.Verdict.Kind != Send && o.Verdict.same {
			if err := touched.add(ctx, tx, o); err != nil {
				return err
			}
			continue
		}
		if err := writeDoings(ctx, tx, o); err != nil {
			return err
		}
		row, err := s.rowOf(ctx, tx, o)
		if err != nil {
			return err
		}
		args = append(args, row...)
		if len(args) == cap(args) {
			if err := flush(many); err != nil {
				return err
			}
		}
	}
	if err := touched.flush(ctx, tx); err != nil {
		return err
	}
	rest := slices.Clone(args)
	for len(rest) > 0 {
		args = rest[:columns:columns]
		rest = rest[columns:]
		if err := flush(insert); err != nil {
			return err
		}
	}
	return nil
}

// rowOf is the row of an item once the outcome is in.
func (s *Store) rowOf(ctx context.Context, tx *sql.Tx, o *Outcome) ([]any, error) {
	e, now := o.Entry, s.after(o)
	if err := s.note(ctx, tx, o, &now); err != nil {
		return nil, err
	}
	var sheet, denies any
	if e.Sheet != "" {
		sheet = e.Sheet
	}
	if now.denies != "" {
		denies = now.denies
	}
	return []any{o.Verdict.Row, e.ID, e.Source.ID, e.Part, e.Source.Pass, now.sent, linePlace(e.Line, e.Col), sheet, now.digest, now.status, now.open, denies,
		orNull(now.audience), orNull(now.before), orNull(now.changed)}, nil
}

// touch gathers rows that follow one another and change nothing but their
// pass, so that they cost one statement: a file that was rewritten with the
// same content.
type touch struct {
	first, last uint64
	pass        int64
}

func (t *touch) add(ctx context.Context, tx *sql.Tx, o *Outcome) error {
	if t.pass == o.Entry.Source.Pass && o.Verdict.Row == t.last+1 {
		t.last++
		return nil
	}
	if err := t.flush(ctx, tx); err != nil {
		return err
	}
	t.first, t.last, t.pass = o.Verdict.Row, o.Verdict.Row, o.Entry.Source.Pass
	return nil
}

func (t *touch) flush(ctx context.Context, tx *sql.Tx) error {
	if t.pass == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "UPDATE items SET pass = ?, missed = NULL, missed_run = NULL WHERE rowid BETWEEN ? AND ?", t.pass, t.first, t.last)
	t.pass = 0
	return err
}

// after says what is known of an item once the outcome is in.
func (s *Store) after(o *Outcome) stored {
	e, was := o.Entry, o.Verdict.was
	now := stored{digest: e.Digest[:], status: statusStored, sent: e.Source.Pass, open: e.Open, denies: e.Denies}
	switch {
	case o.Verdict.Kind == Refused:
		return was
	case o.Verdict.Kind == Unchanged:
		now.sent = was.sent
	case !o.Rejected:
	case !was.there():
		now.status, now.digest = statusRejected, refusedDigest(nil, e.Digest, s.mapping)
		now.open, now.denies = -1, ""
	case was.inFlight() && bytes.Equal(was.digest, e.Digest[:]):
		// It was new and on its way when a process died, and this very item is
		// what the target refuses: so it was refused then as well.
		now.status, now.digest = statusRejected, refusedDigest(nil, e.Digest, s.mapping)
		now.open, now.denies = -1, ""
	case len(was.digest) != len(e.Digest) || !bytes.Equal(was.digest[:aclSize], e.Digest[:aclSize]):
		// The target keeps the item for those who could see it before, and that
		// is not what the mapping says any more.
		var acl []byte
		if len(was.digest) == len(e.Digest) {
			acl = was.digest[:aclSize]
		}
		now.status, now.digest, now.open, now.denies = statusWithdrawn, refusedDigest(acl, e.Digest, s.mapping), was.open, was.denies
	default:
		now.status, now.digest = statusRejected, refusedDigest(was.digest[:aclSize], e.Digest, s.mapping)
		now.open, now.denies = was.open, was.denies
	}
	return now
}

// inFlight tells that the item was new and on its way when a process died:
// nothing is known of an earlier version of it.
func (it *stored) inFlight() bool { return it.known && it.status == statusSent && it.sent == 0 }

// there tells that the target may have some version of the item.
func (it *stored) there() bool {
	return it.known && !(it.status == statusRejected && it.open < 0)
}

func (s *Store) writeRefusal(ctx context.Context, tx *sql.Tx, r *Refusal) error {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	if r.Again {
		// A line of another file goes with that file's next reading; its words do
		// not. The last one counts: there is an older one while this reading, which
		// was interrupted, has not ended.
		res, err := tx.ExecContext(ctx, `UPDATE quarantine SET source = ?, pass = ?, part = ?, file = ?, sheet = ?, page = ?, line = ?, col = ?, record = ?, sum = ?, fix = ?
			WHERE rowid = (SELECT max(rowid) FROM quarantine WHERE +source = ? AND item = ? AND stage = 'load')`,
			r.Source.ID, r.Source.Pass, r.Part, r.File, r.Sheet, r.Page, r.Line, r.Col, null(r.Record), r.Sum, r.Fix, r.In, r.Item)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n > 0 || err != nil {
			return err
		}
	}
	if r.Stage == "load" { // these words stand in place of those of an earlier reading
		if _, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE item = ? AND stage = 'load' AND +source = ? AND pass <> ?", r.Item, r.Source.ID, r.Source.Pass); err != nil {
			return err
		}
	}
	_, err := tx.StmtContext(ctx, s.refuse).ExecContext(ctx,
		r.Source.ID, r.Source.Pass, r.Part, null(r.Item), r.Stage, r.Reason, r.File, null(r.Sheet), r.Page, r.Line, r.Col,
		null(r.Property), null(r.Value), r.Detail, r.Source.Run, null(r.Record), r.Sum, r.Fix)
	return err
}
