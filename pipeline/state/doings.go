package state

import (
	"context"
	"database/sql"
)

// The activities that were sent of an item, so that each is sent once: the
// service keeps no list of them that can be asked for. Table doings has a row
// an item that has had any, with eight bytes for each.

// DoingSize is how many bytes tell an activity of an item from its others.
const DoingSize = 8

// maxDoings bounds what is kept of an item. The oldest go first: they would be
// sent again if a record still had them.
const maxDoings = 1000

// unsent gives those of now that are not in sent.
func unsent(sent, now []byte) (left int) {
	for i := 0; i+DoingSize <= len(now); i += DoingSize {
		if !hasDoing(sent, now[i:i+DoingSize]) {
			left++
		}
	}
	return left
}

func hasDoing(sent, one []byte) bool {
	for i := 0; i+DoingSize <= len(sent); i += DoingSize {
		if string(sent[i:i+DoingSize]) == string(one) {
			return true
		}
	}
	return false
}

// Did tells whether an activity was sent before.
func (v Verdict) Did(one []byte) bool { return hasDoing(v.did, one) }

// addDoings gives what was sent once now is as well.
func addDoings(sent, now []byte) []byte {
	out := append([]byte(nil), sent...)
	for i := 0; i+DoingSize <= len(now); i += DoingSize {
		if one := now[i : i+DoingSize]; !hasDoing(out, one) {
			out = append(out, one...)
		}
	}
	return out[max(0, len(out)-maxDoings*DoingSize):]
}

// askDoings reads what was sent of the activities of those entries that have
// any.
func (s *Store) askDoings(ctx context.Context, entries []Entry, verdicts []Verdict, ask []int) error {
	for _, i := range ask {
		if len(entries[i].Doings) == 0 {
			continue
		}
		err := s.db.QueryRowContext(ctx, sentDoings, verdicts[i].Row).Scan(&verdicts[i].did)
		if err != nil && err != sql.ErrNoRows {
			return err
		}
	}
	return nil
}

const sentDoings = "SELECT sent FROM doings WHERE item = ?"

// sentOf reads what was sent of an item's activities, as the transaction has it.
func sentOf(ctx context.Context, tx *sql.Tx, row uint64) (sent []byte, err error) {
	if err = tx.QueryRowContext(ctx, sentDoings, row).Scan(&sent); err == sql.ErrNoRows {
		return nil, nil
	}
	return sent, err
}

// onlyDoings tells whether an item differs from what the target has in nothing
// but activities that were all sent, or that there are less of. The last eight
// bytes of a digest are the activities'.
func (it *stored) onlyDoings(e *Entry, did []byte) bool {
	at := len(e.Digest) - DoingSize
	return it.status == statusStored && len(it.digest) == len(e.Digest) && string(it.digest[:at]) == string(e.Digest[:at]) && unsent(did, e.Doings) == 0
}

// writeDoings notes the activities of a stored item as sent.
func writeDoings(ctx context.Context, tx *sql.Tx, o *Outcome) error {
	if o.Rejected || o.Verdict.Kind != Send || len(o.Entry.Doings) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO doings (item, sent) VALUES (?, ?)", o.Verdict.Row, addDoings(o.Verdict.did, o.Entry.Doings))
	return err
}
