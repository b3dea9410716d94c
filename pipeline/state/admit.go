package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math"
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
	Col    int    // for people; 0 is none
	Sheet  string // for people
	// Open tells who may see the item: 1 everyone but guests, 2 everyone, else 0.
	Open int
	// Doings are the item's activities, DoingSize bytes each.
	Doings []byte
	// Denies are those who may not, sorted, a line each.
	Denies string
	// ACL is the whole of it, see Audience.
	ACL string
}

// linePlace is a line and a column in one number, as the column line has it: the
// line, and 2^32 times the column where there is one.
func linePlace(line, col int) int64 { return int64(line) | int64(col)<<32 }

// A placeScan reads a line and a column from one number.
type placeScan struct{ line, col *int }

func (p placeScan) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("the place of an item is %v", v)
	}
	*p.line, *p.col = int(n&math.MaxUint32), int(n>>32)
	return nil
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

const columns = 15 // of an insert into items

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
	one := "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
	into := "INSERT OR REPLACE INTO items (rowid, id, source, part, pass, sent, line, sheet, digest, status, open, denies, audience, was, changed) VALUES "
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
	info := "SELECT rowid, source, part, pass, sent, line, digest, status, open, coalesce(denies, ''), coalesce(audience, 0), coalesce(was, 0), coalesce(changed, 0) FROM items WHERE rowid "
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
	line                     int64 // see linePlace
	digest                   []byte
	status                   int
	open                     int
	denies                   string
	audience, before         int64 // in audiences: for whom it is, and was before the run that changed that; 0 is not known, or nothing
	changed                  int64 // the run that did
	known                    bool  // it is a row of the database
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
		v.same = ok && have.source == e.Source.ID && have.part == e.Part && have.line == linePlace(e.Line, e.Col) && (equal || v.Kind != Unchanged)
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
			if err := rows.Scan(&row, &it.source, &it.part, &it.pass, &it.sent, &it.line, &it.digest, &it.status, &it.open, &it.denies, &it.audience, &it.before, &it.changed); err != nil {
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
