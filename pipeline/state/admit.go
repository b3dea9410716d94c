package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Entry is an item that a crawl has made and may have to send.
type Entry struct {
	ID string
	// Digest identifies the item as the target is to have it. Its first eight
	// bytes are those of its ACL.
	Digest [32]byte
	Source *Source
	Part   int64  // which record of the file, from 0
	Line   int    // for people: line, row or page
	Sheet  string // for people
	// Open tells who may see the item: 1 everyone but guests, 2 everyone, else 0.
	Open int
	// Doings are the item's activities, DoingSize bytes each.
	Doings []byte
	// Denies are those who may not, sorted, a line each.
	Denies string
}

// A Kind says what is to be done with an entry.
type Kind uint8

const (
	Send      Kind = iota
	Unchanged      // the target has it just so
	Duplicate      // another record of this run has the id
	Refused        // the target refused this very item under this very mapping
)

// A Verdict is the answer for one entry.
type Verdict struct {
	Kind Kind
	Row  uint64 // the item's row, which Settle wants back
	New  bool   // the row is not in the database yet
	// Before tells of an Unchanged that it was this run that stored it, before
	// it was interrupted.
	Before bool
	// Later tells of a Duplicate that the record which has the id comes later
	// in the crawl than this one.
	Later bool
	// Widens says, of an item that was stored, for whom it is now that it was
	// not for: everyone, or somebody who is not denied it any more.
	Widens string
	// Have is the digest of what the target has of an item that is to be sent;
	// nil is not known, or nothing.
	Have []byte

	same bool   // only the pass of the stored row is to be changed
	was  stored // the stored row; zero for a new one
	did  []byte // the activities that were sent before
}

// In is the file in which the state has the item: 0 is none.
func (v Verdict) In() int64 { return v.was.source }

const (
	statusSent = iota
	statusStored
	statusRejected
	statusWithdrawn // what the target has is for others than it should be: the sweep deletes it
)

const columns = 12 // of an insert into items

const rowsPerInsert = 32 // more gain nothing: 4.1 us a row at 1, 2.3 at 32, 2.3 at 128

// A row's digest is the item's. That of a rejected item is what must be equal
// for it to be refused again without being sent: the first eight bytes are of
// the ACL that the target has (zeros when it has nothing), and the others of
// the refused item together with the mapping. So whoever changes the record or
// the mapping gets it tried again.
const aclSize = 8

func refusedDigest(acl []byte, digest, mapping [32]byte) []byte {
	both := sha256.New()
	both.Write(digest[:])
	both.Write(mapping[:])
	out := make([]byte, aclSize, len(digest))
	copy(out, acl)
	return append(out, both.Sum(nil)[:len(digest)-aclSize]...)
}

// refusedAgain tells whether the target refused e as it is.
func (it *stored) refusedAgain(e *Entry, mapping [32]byte) bool {
	return it.status == statusRejected && it.refused(e, mapping)
}

// exposed tells whether the target refused e as it is before this reading was
// interrupted, and has the item for others than e is for: the sweep takes it
// out.
func (it *stored) exposed(e *Entry, mapping [32]byte) bool {
	return it.status == statusWithdrawn && it.source == e.Source.ID && it.sent == e.Source.Pass && it.part == e.Part && it.refused(e, mapping)
}

func (it *stored) refused(e *Entry, mapping [32]byte) bool {
	return len(it.digest) == len(e.Digest) && bytes.Equal(it.digest, refusedDigest(it.digest[:aclSize], e.Digest, mapping))
}

func (s *Store) prepare(ctx context.Context) (err error) {
	one := "(?,?,?,?,?,?,?,?,?,?,?,?)"
	into := "INSERT OR REPLACE INTO items (rowid, id, source, part, pass, sent, line, sheet, digest, status, open, denies) VALUES "
	if s.insert, err = s.db.PrepareContext(ctx, into+one); err != nil {
		return err
	}
	if s.many, err = s.db.PrepareContext(ctx, into+strings.Repeat(one+",", rowsPerInsert-1)+one); err != nil {
		return err
	}
	if s.refuse, err = s.db.PrepareContext(ctx, `INSERT INTO quarantine
		(source, pass, part, item, stage, reason, file, sheet, page, line, col, property, value, detail, run, record, sum, fix)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`); err != nil {
		return err
	}
	info := "SELECT rowid, source, part, pass, sent, line, digest, status, open, coalesce(denies, '') FROM items WHERE rowid "
	if s.byRow, err = s.db.PrepareContext(ctx, info+"= ?"); err != nil {
		return err
	}
	if s.byRange, err = s.db.PrepareContext(ctx, info+"BETWEEN ? AND ?"); err != nil {
		return err
	}
	return s.db.QueryRowContext(ctx, "SELECT coalesce(max(rowid), 0) + 1 FROM items").Scan(&s.nextRow)
}

// stored is what the database knows of an item.
type stored struct {
	source, part, pass, sent int64
	line                     int
	digest                   []byte
	status                   int
	open                     int
	denies                   string
	known                    bool // it is a row of the database
}

// Admit decides on the entries of one batch, in crawl order, and writes down
// the ids of those that are to be sent. When it returns without error that is
// durable, and the batch may be sent. seq names the batch for Settle.
func (s *Store) Admit(ctx context.Context, entries []Entry) (seq int64, verdicts []Verdict, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdicts = make([]Verdict, len(entries))
	var ask []int // entries whose row is to be looked at
	var met []bool
	keys := s.keys[:0]
	for i := range entries {
		keys = append(keys, s.index.key(entries[i].ID))
	}
	s.keys = keys
	s.index.fetch(keys)
	for i := range entries {
		row, found, err := s.index.put(keys[i], s.nextRow)
		if err != nil {
			return 0, nil, s.wrap(err)
		}
		verdicts[i] = Verdict{Kind: Send, Row: row, New: !found}
		if !found {
			s.nextRow++
		} else {
			ask = append(ask, i)
			met = append(met, s.seen.has(row) && !s.held.has(row))
		}
		s.seen.set(row)
		s.held.clear(row)
	}
	if err := s.ask(ctx, entries, verdicts, ask, met); err != nil {
		return 0, nil, s.wrap(err)
	}
	if s.Before != nil {
		if err := s.Before(entries, verdicts); err != nil {
			return 0, nil, err
		}
	}
	widened, sample, err := s.guardWidenings(entries, verdicts)
	if err != nil {
		return 0, nil, err
	}
	seq = s.nextSeq
	s.nextSeq++
	if err := s.intend(ctx, seq, entries, verdicts, widened); err != nil {
		return 0, nil, s.wrap(err)
	}
	s.widened = widened
	s.widenings = append(s.widenings, sample[:min(len(sample), maxWideningSample-len(s.widenings))]...)
	return seq, verdicts, nil
}

// ask looks at the rows of entries whose id is known. met tells for each of
// them whether the run has met the id before.
func (s *Store) ask(ctx context.Context, entries []Entry, verdicts []Verdict, ask []int, met []bool) error {
	if len(ask) == 0 {
		return nil
	}
	rows, err := s.lookup(ctx, verdicts, ask)
	if err != nil {
		return err
	}
	if err := s.askDoings(ctx, entries, verdicts, ask); err != nil {
		return err
	}
	for n, i := range ask {
		v, e := &verdicts[i], &entries[i]
		have, ok := rows[v.Row]
		equal := ok && have.digest != nil && bytes.Equal(have.digest, e.Digest[:])
		switch {
		case met[n] && !(s.LastWins && ok && have.of(e)):
			v.Kind = Duplicate
			if ok {
				if v.Later, err = s.comesLater(ctx, have, e); err != nil {
					return err
				}
			}
		case !ok:
			// The row is unknown to the database though the index has it: given
			// out in a batch that was rolled back. It is as good as new.
			v.New = true
		case equal && have.status == statusStored:
			v.Kind = Unchanged
		case have.refusedAgain(e, s.mapping), have.exposed(e, s.mapping):
			v.Kind = Refused
		case have.onlyDoings(e, v.did):
			v.Kind = Unchanged // but for the row's digest
		case s.LastWins && have.sent >= s.firstPass && !have.of(e):
			// A later record has replaced it before the run was interrupted.
			if v.Later, err = s.goesOn(ctx, have, e); err != nil {
				return err
			}
			if v.Later {
				v.Kind = Duplicate
			}
		}
		v.Before = v.Kind == Unchanged && have.sent >= s.firstPass
		v.was = have
		v.same = ok && have.source == e.Source.ID && have.part == e.Part && have.line == e.Line && (equal || v.Kind != Unchanged)
		if ok && s.Sends(*v) {
			v.Widens = have.widens(e)
		}
		if ok && v.Kind == Send && have.status == statusStored {
			v.Have = have.digest
		}
	}
	return nil
}

// comesLater tells whether the record that has an item comes later in the
// crawl than e.
func (s *Store) comesLater(ctx context.Context, have stored, e *Entry) (bool, error) {
	if have.source == e.Source.ID {
		return have.pass == e.Source.Pass && have.part > e.Part, nil
	}
	var ord int64
	err := s.db.QueryRowContext(ctx, "SELECT ord FROM sources WHERE id = ?", have.source).Scan(&ord)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return ord > e.Source.Ord, err
}

// of tells whether the item is of the very record of e, as the present reading
// has sent it.
func (it *stored) of(e *Entry) bool {
	return it.source == e.Source.ID && it.part == e.Part && it.sent == e.Source.Pass
}

// goesOn tells whether the record that has an item comes later in the crawl
// than e, in a file whose reading was interrupted and goes on.
func (s *Store) goesOn(ctx context.Context, have stored, e *Entry) (bool, error) {
	if have.source == e.Source.ID {
		return have.sent == e.Source.Pass && have.part > e.Part, nil
	}
	var ord, pass int64
	err := s.db.QueryRowContext(ctx, "SELECT ord, pass FROM sources WHERE id = ?", have.source).Scan(&ord, &pass)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return ord > e.Source.Ord && pass == have.sent, err
}

// lookup reads the rows of the asked entries: in one go when they lie close
// together, as they do when a file is read again, else one by one.
func (s *Store) lookup(ctx context.Context, verdicts []Verdict, ask []int) (map[uint64]stored, error) {
	least, most := verdicts[ask[0]].Row, verdicts[ask[0]].Row
	for _, i := range ask {
		least, most = min(least, verdicts[i].Row), max(most, verdicts[i].Row)
	}
	found := make(map[uint64]stored, len(ask))
	read := func(rows *sql.Rows, err error) error {
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var row uint64
			var it stored
			if err := rows.Scan(&row, &it.source, &it.part, &it.pass, &it.sent, &it.line, &it.digest, &it.status, &it.open, &it.denies); err != nil {
				return err
			}
			it.known = true
			found[row] = it
		}
		return rows.Err()
	}
	if most-least < 4*uint64(len(ask)) {
		return found, read(s.byRange.QueryContext(ctx, least, most))
	}
	for _, i := range ask {
		if err := read(s.byRow.QueryContext(ctx, verdicts[i].Row)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Sends tells whether an entry with this verdict is to be sent.
func (s *Store) Sends(v Verdict) bool {
	return v.Kind == Send || s.LastWins && v.Kind == Duplicate && !v.Later
}

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
		_, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE source = ? AND pass = ? AND item = ? AND stage = 'load'", o.Entry.Source.ID, o.Entry.Source.Pass, o.Entry.ID)
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
		args = append(args, s.rowOf(o)...)
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
func (s *Store) rowOf(o *Outcome) []any {
	e, now := o.Entry, s.after(o)
	var sheet, denies any
	if e.Sheet != "" {
		sheet = e.Sheet
	}
	if now.denies != "" {
		denies = now.denies
	}
	return []any{o.Verdict.Row, e.ID, e.Source.ID, e.Part, e.Source.Pass, now.sent, e.Line, sheet, now.digest, now.status, now.open, denies}
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
			WHERE rowid = (SELECT max(rowid) FROM quarantine WHERE source = ? AND item = ? AND stage = 'load')`,
			r.Source.ID, r.Source.Pass, r.Part, r.File, r.Sheet, r.Page, r.Line, r.Col, null(r.Record), r.Sum, r.Fix, r.In, r.Item)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n > 0 || err != nil {
			return err
		}
	}
	_, err := tx.StmtContext(ctx, s.refuse).ExecContext(ctx,
		r.Source.ID, r.Source.Pass, r.Part, null(r.Item), r.Stage, r.Reason, r.File, null(r.Sheet), r.Page, r.Line, r.Col,
		null(r.Property), null(r.Value), r.Detail, r.Source.Run, null(r.Record), r.Sum, r.Fix)
	return err
}

// nowhere is the part of an item that no good record of the reading has met.
const nowhere = -1

// Hold marks an item as met although its record could not be made into one:
// what is stored stays, and the sweep leaves it alone. A good record with the
// same id may still come, before or after, and is no duplicate of this one.
func (s *Store) Hold(ctx context.Context, id string, src *Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Keeps() {
		return nil
	}
	row, found, err := s.index.get(id)
	if err != nil || !found || s.seen.has(row) {
		return s.wrap(err)
	}
	// If we crash after it, Load finds by the part that the item is held.
	res, err := s.db.ExecContext(ctx, "UPDATE items SET source = ?, pass = ?, part = ?, missed = NULL, missed_run = NULL WHERE rowid = ?", src.ID, src.Pass, nowhere, row)
	if err != nil {
		return s.wrap(err)
	}
	n, err := res.RowsAffected()
	if n > 0 { // none: given out in a batch that was rolled back
		s.seen.set(row)
		s.held.set(row)
	}
	return s.wrap(err)
}

// Withdraw marks the held items whose records were refused for their
// permissions: what the target has of them may be for people who may not see
// it any more, so the sweep takes it out. It comes when every file was read:
// a good record with the id may have come after the refused one.
//
// n counts all that the run takes out for what the target has of them, in
// whatever process: those whose update the target refused though their ACL has
// changed as well.
func (s *Store) Withdraw(ctx context.Context) (n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.db.ExecContext(ctx, fmt.Sprintf(`UPDATE items SET status = %d, digest = NULL WHERE part = ? AND status <> %[1]d
		AND id IN (SELECT item FROM quarantine WHERE stage = 'transform' AND property = 'acl' AND item IS NOT NULL)`, statusWithdrawn), nowhere)
	if err == nil {
		err = s.db.QueryRowContext(ctx, "SELECT count(*) + (SELECT withdrawn FROM runs WHERE id = ?) FROM items NOT INDEXED WHERE status = ?", s.run, statusWithdrawn).Scan(&n)
	}
	return n, s.wrap(err)
}

// HeldBack counts the items whose records are refused: the target keeps what
// it had of them. Those that are withdrawn do not count.
func (s *Store) HeldBack(ctx context.Context) (n int64, err error) {
	s.mu.Lock()
	any := s.held.count() > 0
	s.mu.Unlock()
	if !any {
		return 0, nil
	}
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM items i NOT INDEXED JOIN sources s ON s.id = i.source
		WHERE i.part = ? AND i.pass = s.pass AND s.walked = (SELECT max(walked) FROM sources) AND i.status <> ?`, nowhere, statusWithdrawn).Scan(&n)
	return n, s.wrap(err)
}

// Where tells where the item of a row comes from, for a message about a
// duplicate; ok is false when the row has not been written yet.
func (s *Store) Where(ctx context.Context, row uint64) (source, path, sheet string, line int, ok bool) {
	var maybe sql.NullString
	err := s.db.QueryRowContext(ctx, `SELECT s.source, s.path, i.sheet, i.line FROM items i JOIN sources s ON s.id = i.source WHERE i.rowid = ?`, row).
		Scan(&source, &path, &maybe, &line)
	return source, path, maybe.String, line, err == nil
}
