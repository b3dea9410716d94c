package state

import (
	"context"
	"database/sql"
	"errors"
)

// When the mapping wants the last of several records with one id, each of them
// is sent in turn, and the one that is replaced is the duplicate: it is left
// out, and its file is read again when anything changes, for the later record
// may be gone by then.

// writeReplaced writes the duplicates that were sent to replace the record that
// had the id before, and moves that one in the balance of its file from stored,
// or unchanged, to duplicates. Its file is one of advanced, or has ended before.
func (s *Store) writeReplaced(ctx context.Context, tx *sql.Tx, outcomes []Outcome, advanced []*Source) error {
	for i := range outcomes {
		o := outcomes[i]
		if o.Verdict.Kind != Duplicate {
			continue
		}
		was, err := rowNow(ctx, tx, o.Verdict.Row)
		if err != nil {
			return err
		}
		o.Verdict.Kind, o.Verdict.was = Send, was
		if o.Verdict.did, err = sentOf(ctx, tx, o.Verdict.Row); err != nil {
			return err
		}
		if err := writeDoings(ctx, tx, &o); err != nil {
			return err
		}
		row, err := s.rowOf(ctx, tx, &o)
		if err != nil {
			return err
		}
		if _, err := tx.StmtContext(ctx, s.insert).ExecContext(ctx, row...); err != nil {
			return err
		}
		if o.Rejected || !was.known || was.status >= statusRejected || was.inFlight() {
			continue // the earlier one stays, or was refused itself
		}
		if err := s.leaveOut(ctx, tx, was, advanced); err != nil {
			return err
		}
	}
	return nil
}

// rowNow reads a row as it is in the transaction.
func rowNow(ctx context.Context, tx *sql.Tx, row uint64) (was stored, err error) {
	err = tx.QueryRowContext(ctx, "SELECT source, part, pass, sent, line, digest, status, open, coalesce(denies, ''), coalesce(audience, 0), coalesce(was, 0), coalesce(changed, 0) FROM items WHERE rowid = ?", row).
		Scan(&was.source, &was.part, &was.pass, &was.sent, &was.line, &was.digest, &was.status, &was.open, &was.denies, &was.audience, &was.before, &was.changed)
	was.known = err == nil
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return was, err
}

// leaveOut counts the record that an item was of as a duplicate.
func (s *Store) leaveOut(ctx context.Context, tx *sql.Tx, was stored, advanced []*Source) error {
	sent := was.sent >= s.firstPass
	for _, src := range advanced {
		if src.ID != was.source {
			continue
		}
		src.Duplicates++
		if sent {
			src.Stored--
		} else {
			src.Unchanged--
		}
		return nil
	}
	column := "unchanged"
	if sent {
		column = "stored"
	}
	_, err := tx.ExecContext(ctx, "UPDATE sources SET duplicates = duplicates + 1, "+column+" = "+column+" - 1 WHERE id = ?", was.source)
	return err
}
