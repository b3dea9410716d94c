package state

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// An intent is what a batch is about to send. It is written before the first
// request and taken away with the answers, so that whatever is in one when a
// process opens the state may have reached the target.
//
// # Layout
//
// One blob a batch, an entry an item: the row with marks in its upper bits, the
// file's id and the length of the item's id as uvarints, and the item's id.
// With markLong there follow the digest of what is sent, 1 + open and the
// length of denies as uvarints, and denies. Entries without are those of
// earlier versions of this program.

const (
	markLong     = 1 << 63
	markWidens   = 1 << 62 // it counts as an ACL widening of the run
	markReplaces = 1 << 61 // a later record of an id that the run has met
	rowMask      = markReplaces - 1
)

// intend writes the intent of a batch, and how many widenings the run has with
// it.
func (s *Store) intend(ctx context.Context, seq int64, entries []Entry, verdicts []Verdict, widened int64) error {
	if !s.Keeps() {
		return nil
	}
	var blob []byte
	for i, v := range verdicts {
		if s.Sends(v) {
			blob = appendIntent(blob, v, &entries[i])
		}
	}
	if len(blob) == 0 {
		return nil
	}
	// If we crash before this is written, nothing of the batch was sent. If we
	// crash after it, recoverIntents finds the ids that may have been.
	const insert = "INSERT INTO intents (seq, entries) VALUES (?, ?)"
	if widened == s.widened {
		_, err := s.db.ExecContext(ctx, insert, seq, blob)
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE runs SET widened = ? WHERE id = ?", widened, s.run); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, insert, seq, blob)
		return err
	})
}

func appendIntent(blob []byte, v Verdict, e *Entry) []byte {
	row := v.Row | markLong
	if v.Widens != "" {
		row |= markWidens
	}
	if v.Kind == Duplicate {
		row |= markReplaces
	}
	blob = binary.AppendUvarint(blob, row)
	blob = binary.AppendUvarint(blob, uint64(e.Source.ID))
	blob = binary.AppendUvarint(blob, uint64(len(e.ID)))
	blob = append(blob, e.ID...)
	blob = append(blob, e.Digest[:]...)
	blob = binary.AppendUvarint(blob, uint64(1+e.Open))
	blob = binary.AppendUvarint(blob, uint64(len(e.Denies)))
	return append(blob, e.Denies...)
}

// settleIntent takes the intent of a batch away, or leaves it to those that are
// unanswered.
func settleIntent(ctx context.Context, tx *sql.Tx, seq int64, unanswered []Outcome) (err error) {
	if len(unanswered) == 0 {
		_, err = tx.ExecContext(ctx, "DELETE FROM intents WHERE seq = ?", seq)
		return err
	}
	var blob []byte
	for _, o := range unanswered {
		blob = appendIntent(blob, o.Verdict, o.Entry)
	}
	_, err = tx.ExecContext(ctx, "UPDATE intents SET entries = ? WHERE seq = ?", blob, seq)
	return err
}

// An inFlight is an entry of an intent.
type inFlight struct {
	row              uint64
	source           int64
	id               string
	digest           []byte // nil is not known
	open             int    // -1 is not known
	denies           string
	widens, replaces bool
}

var errIntent = errors.New("an intent cannot be read")

// readIntent takes the first entry off a blob.
func readIntent(blob []byte) (e inFlight, rest []byte, err error) {
	number := func() (n uint64) {
		n, size := binary.Uvarint(blob)
		if size <= 0 {
			err = errIntent
			return 0
		}
		blob = blob[size:]
		return n
	}
	text := func(n uint64) []byte {
		if err != nil || n > uint64(len(blob)) {
			err = errIntent
			return nil
		}
		b := blob[:n]
		blob = blob[n:]
		return b
	}
	marked := number()
	e.row, e.widens, e.replaces = marked&rowMask, marked&markWidens != 0, marked&markReplaces != 0
	e.source = int64(number())
	e.id, e.open = string(text(number())), -1
	if marked&markLong != 0 {
		e.digest = bytes.Clone(text(32))
		e.open = int(number()&3) - 1
		e.denies = string(text(number()))
	}
	if e.row == 0 || e.id == "" {
		err = errIntent
	}
	return e, blob, err
}

// recoverIntents turns the batches that were in flight when the process died
// into items of unknown content: the next crawl sends them again, or deletes
// them when their records are gone.
func (s *Store) recoverIntents(ctx context.Context) error {
	s.nextSeq = 1
	return s.tx(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT seq, entries FROM intents ORDER BY seq")
		if err != nil {
			return err
		}
		defer rows.Close()
		widened := 0
		for rows.Next() {
			var blob []byte
			if err := rows.Scan(&s.nextSeq, &blob); err != nil {
				return err
			}
			s.nextSeq++
			for len(blob) > 0 {
				var e inFlight
				if e, blob, err = readIntent(blob); err != nil {
					return err
				}
				if err := s.recoverItem(ctx, tx, &e); err != nil {
					return err
				}
				if e.widens {
					widened++
				}
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if widened > 0 { // they are counted again when they are sent again
			if _, err := tx.ExecContext(ctx, "UPDATE runs SET widened = max(0, widened - ?) WHERE id = (SELECT max(id) FROM runs)", widened); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM intents")
		return err
	})
}

// recoverItem writes down that the target may have e, or what it had before.
func (s *Store) recoverItem(ctx context.Context, tx *sql.Tx, e *inFlight) error {
	s.nextRow = max(s.nextRow, e.row+1)
	var was stored
	err := tx.QueryRowContext(ctx, "SELECT pass, sent, digest, status, open, coalesce(denies, '') FROM items WHERE rowid = ?", e.row).
		Scan(&was.pass, &was.sent, &was.digest, &was.status, &was.open, &was.denies)
	if errors.Is(err, sql.ErrNoRows) {
		// pass 0 was never given out: the item counts as not met.
		_, err = tx.ExecContext(ctx, `INSERT INTO items (rowid, id, source, part, pass, sent, line, digest, status, open, denies) VALUES (?, ?, ?, ?, 0, 0, 0, ?, ?, ?, nullif(?, ''))`,
			e.row, e.id, e.source, nowhere, e.digest, statusSent, e.open, e.denies)
		return err
	}
	if err != nil {
		return err
	}
	now := e.over(was)
	_, err = tx.ExecContext(ctx, "UPDATE items SET pass = ?, sent = ?, digest = ?, status = ?, open = ?, denies = nullif(?, '') WHERE rowid = ?",
		now.pass, now.sent, now.digest, now.status, now.open, now.denies, e.row)
	return err
}

// over is what is known of an item that the target has as e or as it was.
func (e *inFlight) over(was stored) stored {
	now := stored{status: statusSent, sent: was.sent, open: was.open, denies: was.denies}
	if e.replaces {
		// The record that it would replace was met: it is not gone.
		now.pass = was.pass
	}
	was.known = true
	switch {
	case !was.there(): // as a new one
		now.sent, now.digest, now.open, now.denies = 0, e.digest, e.open, e.denies
		return now
	case was.status == statusWithdrawn:
		now.status = statusWithdrawn // until it is known to be there as it should be
	case was.status == statusRejected && e.replaces:
		now.status = statusRejected // the record that was met is so
		return now
	}
	if len(e.digest) > aclSize && len(was.digest) == len(e.digest) && bytes.Equal(was.digest[:aclSize], e.digest[:aclSize]) {
		now.digest = e.digest // at least its permissions are known
	}
	if e.open >= 0 && was.open >= 0 {
		// A widening is whatever shows it to more people than either of the two.
		now.open, now.denies = min(was.open, e.open), union(was.denies, e.denies)
	}
	return now
}

// union joins two sorted lists of lines.
func union(a, b string) string {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	}
	all := append(strings.Split(a, "\n"), strings.Split(b, "\n")...)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "\n")
}
