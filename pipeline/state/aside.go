package state

import (
	"context"
	"database/sql"
)

// What an earlier reading of a file has found of its records stands until the
// next one has come to them: a run that is stopped must not hide what is refused
// or was mended. It is forgotten with the file's end, see Source.write.
//
//	quarantine  lines of earlier readings stand for the records that are still to be
//	            read, by their number
//	fixes       the number of a reading that has met a fix is made negative when the
//	            next one begins, and is that of this next one
//	unknowns    of the counts of several readings of a file the largest stand

// standing is the condition for a line q of the quarantine to stand, in file s.
const standing = "(q.pass = s.pass OR NOT s.ended AND q.part >= s.settled)"

// inForce is the condition for a fix f to be in force, in file s: the reading
// has met it, or is still to come to it and the one before has.
const inForce = "(f.pass = s.pass OR NOT s.ended AND f.pass = -s.pass)"

// setAside makes what stands of a file's records that of an earlier reading,
// before the file gets its new pass.
func setAside(ctx context.Context, tx *sql.Tx, source, pass int64) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM quarantine AS q WHERE source = ? AND NOT EXISTS (SELECT 1 FROM sources s WHERE s.id = q.source AND "+standing+")", source)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE fixes AS f SET pass = ? WHERE (source, path) = (SELECT source, path FROM sources WHERE id = ?)
		AND EXISTS (SELECT 1 FROM sources s WHERE s.id = ? AND `+inForce+`)`, -pass, source, source)
	return err
}
