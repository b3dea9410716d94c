package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Known is an item that the sweep may delete.
type Known struct {
	Row    uint64
	ID     string
	Source string // the mapping's source
	Path   string
	// Withdrawn tells that its record may be there, but that the target has it
	// for others than it should be.
	Withdrawn bool
}

// gone is the condition for the record of an item to be gone for certain: this
// run did not meet it although its file was read whole and understood, or the
// file itself is gone, and nothing makes that doubtful (see DoubtFiles).
// doubtful are the sources of the mapping whose folders could not be looked at
// whole: what is missing in one file may stand in one that was not seen.
func gone(run Run, doubtful []string) (cond string, args []any) {
	cond = "((i.pass <> s.pass AND s.walked = ? AND s.whole AND s.proof OR s.walked <> ? AND s.doubt IS NULL)"
	args = []any{run.Walk, run.Walk}
	if len(doubtful) > 0 {
		cond += " AND s.source NOT IN (?" + strings.Repeat(",?", len(doubtful)-1) + ")"
		for _, d := range doubtful {
			args = append(args, d)
		}
	}
	return cond + ")", args
}

// DoubtFiles asks of every file that the walk has not met why it is not proven
// to be gone, "" if it is, and writes the answers down.
func (s *Store) DoubtFiles(ctx context.Context, run Run, why func(source, path string) string) error {
	const page = 500
	type file struct {
		id           int64
		source, path string
	}
	if err := s.exec(ctx, "UPDATE sources SET doubt = NULL WHERE doubt IS NOT NULL"); err != nil {
		return err
	}
	for last := int64(0); ; {
		var files []file
		rows, err := s.db.QueryContext(ctx, "SELECT id, source, path FROM sources NOT INDEXED WHERE id > ? AND walked <> ? ORDER BY id LIMIT ?", last, run.Walk, page)
		if err != nil {
			return s.wrap(err)
		}
		for rows.Next() {
			var f file
			if err := rows.Scan(&f.id, &f.source, &f.path); err != nil {
				rows.Close()
				return s.wrap(err)
			}
			files, last = append(files, f), f.id
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return s.wrap(err)
		}
		doubts := map[int64]string{}
		for _, f := range files {
			if doubt := why(f.source, f.path); doubt != "" {
				doubts[f.id] = doubt
			}
		}
		if err := s.writeDoubts(ctx, doubts); err != nil {
			return s.wrap(err)
		}
		if len(files) < page {
			return nil
		}
	}
}

func (s *Store) writeDoubts(ctx context.Context, doubts map[int64]string) error {
	if len(doubts) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tx(ctx, func(tx *sql.Tx) error {
		for id, doubt := range doubts {
			if _, err := tx.ExecContext(ctx, "UPDATE sources SET doubt = ? WHERE id = ?", doubt, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// stale is the condition for an item to be deleted: its record is gone, and
// has been for as many runs as the mapping wants; or it was withdrawn.
func (s *Store) stale(run Run, doubtful []string) (cond string, args []any) {
	cond, args = gone(run, doubtful)
	if s.MissedRuns > 1 {
		cond += fmt.Sprintf(" AND coalesce(i.missed, 0) >= %d", s.MissedRuns)
	}
	return fmt.Sprintf("(i.status = %d OR %s)", statusWithdrawn, cond), args
}

// Age counts this run for the items whose records are gone: once a run, however
// often it is taken up. left is the number of those that are not to be deleted
// yet. An item whose record is found again starts anew.
func (s *Store) Age(ctx context.Context, run Run, doubtful []string) (left int64, err error) {
	if s.MissedRuns <= 1 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// An item of a file that came back as it was has not been written since.
	_, err = s.db.ExecContext(ctx, "UPDATE items SET missed = NULL, missed_run = NULL WHERE rowid IN (SELECT i.rowid"+itemsOfSources+"i.missed IS NOT NULL AND i.pass = s.pass AND s.walked = ?)", run.Walk)
	if err != nil {
		return 0, s.wrap(err)
	}
	cond, args := gone(run, doubtful)
	_, err = s.db.ExecContext(ctx, fmt.Sprintf(`UPDATE items SET missed = coalesce(missed, 0) + 1, missed_run = ? WHERE coalesce(missed_run, 0) <> ? AND rowid IN
		(SELECT i.rowid%s%s AND i.status <> %d)`, itemsOfSources, cond, statusWithdrawn), append([]any{run.ID, run.ID}, args...)...)
	if err != nil {
		return 0, s.wrap(err)
	}
	err = s.db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*)%s%s AND i.status <> %d AND i.missed < %d", itemsOfSources, cond, statusWithdrawn, s.MissedRuns), args...).Scan(&left)
	return left, s.wrap(err)
}

// NOT INDEXED, as everywhere where most of the table is read: the planner
// would otherwise walk an index, at five times the cost.
const itemsOfSources = " FROM items i NOT INDEXED JOIN sources s ON s.id = i.source WHERE "

// A Toll is what the sweep of a run would take.
type Toll struct {
	Stale   int64 // items that it would delete now
	Deleted int64 // those that the run has deleted before
	Known   int64 // items that the target had when its sweep began
	Sources []SourceToll
}

// A SourceToll is the part of a toll that one source of the mapping has.
type SourceToll struct {
	Source    string
	Items     int64 // that the target may have
	Met       int64 // of those, the ones that the run has made of a record, or would have
	Stale     int64 // of those, the ones to be deleted
	Withdrawn int64 // of the stale, the ones that the target has for others than it should
	Files     int64 // that are gone
	OfFiles   int64 // of the stale, the ones of files that are gone
	New       int64 // items that were not known when this process began
}

// notThere is the condition for an item that the target has never taken: its
// row is swept like others, and is no loss.
var notThere = fmt.Sprintf("(i.status = %d AND i.open < 0)", statusRejected)

// Guard says what the sweep would take. Sources are there only if it would take
// anything.
func (s *Store) Guard(ctx context.Context, run Run, doubtful []string) (t Toll, err error) {
	cond, args := s.stale(run, doubtful)
	err = s.db.QueryRowContext(ctx, "SELECT count(*)"+itemsOfSources+cond+" AND NOT "+notThere, args...).Scan(&t.Stale)
	if err != nil || t.Stale == 0 {
		return t, s.wrap(err)
	}
	if t.Sources, err = s.tolls(ctx, run, cond, args); err != nil {
		return t, s.wrap(err)
	}
	for _, st := range t.Sources {
		t.Known += st.Items
	}
	if err := s.exec(ctx, "UPDATE runs SET known = coalesce(known, ?) WHERE id = ?", t.Known, run.ID); err != nil {
		return t, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT deleted, known FROM runs WHERE id = ?", run.ID).Scan(&t.Deleted, &t.Known)
	return t, s.wrap(err)
}

func (s *Store) tolls(ctx context.Context, run Run, stale string, args []any) (tolls []SourceToll, err error) {
	args = append([]any{run.Walk, run.Walk}, append(args, s.firstNew)...)
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf(`SELECT source, count(*), sum(met), sum(stale), sum(stale AND withdrawn), count(DISTINCT CASE WHEN stale AND away THEN file END), sum(stale AND away), sum(fresh)
		FROM (SELECT s.source AS source, s.id AS file, i.pass = s.pass AND s.walked = ? AND i.part <> %d AS met, i.status = %d AS withdrawn, s.walked <> ? AS away, %s AS stale, i.rowid >= ? AS fresh%sNOT %s)
		GROUP BY source ORDER BY source`, nowhere, statusWithdrawn, stale, itemsOfSources, notThere), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t SourceToll
		if err := rows.Scan(&t.Source, &t.Items, &t.Met, &t.Stale, &t.Withdrawn, &t.Files, &t.OfFiles, &t.New); err != nil {
			return nil, err
		}
		tolls = append(tolls, t)
	}
	return tolls, rows.Err()
}

// Stale gives up to n items to delete, those with a row above after.
func (s *Store) Stale(ctx context.Context, run Run, doubtful []string, after uint64, n int) ([]Known, error) {
	cond, args := s.stale(run, doubtful)
	args = append([]any{after}, append(args, n)...)
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT i.rowid, i.id, s.source, s.path, i.status = %d", statusWithdrawn)+itemsOfSources+"i.rowid > ? AND "+cond+" ORDER BY i.rowid LIMIT ?", args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []Known
	for rows.Next() {
		var k Known
		if err := rows.Scan(&k.Row, &k.ID, &k.Source, &k.Path, &k.Withdrawn); err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, k)
	}
	return out, s.wrap(rows.Err())
}

// Deleted forgets items that the target no longer has. If we crash before it,
// they are deleted once more, which is harmless.
func (s *Store) Deleted(ctx context.Context, run Run, items []Known) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, "DELETE FROM items WHERE rowid = ? RETURNING status, open")
		if err != nil {
			return err
		}
		defer stmt.Close()
		deleted, withdrawn := 0, 0
		for _, k := range items {
			it := stored{known: true}
			err := stmt.QueryRowContext(ctx, k.Row).Scan(&it.status, &it.open)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if it.there() {
				deleted++
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM doings WHERE item = ?", k.Row); err != nil {
				return err
			}
			if it.status == statusWithdrawn {
				withdrawn++
			}
		}
		_, err = tx.ExecContext(ctx, "UPDATE runs SET deleted = deleted + ?, withdrawn = withdrawn + ? WHERE id = ?", deleted, withdrawn, run.ID)
		return err
	}))
}

// DeletedBy is how many items the run has deleted, in whatever process, and how
// many of them were withdrawn.
func (s *Store) DeletedBy(ctx context.Context, run Run) (deleted, withdrawn int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT deleted, withdrawn FROM runs WHERE id = ?", run.ID).Scan(&deleted, &withdrawn)
	return deleted, withdrawn, s.wrap(err)
}

// Tidy forgets files that are gone and have no items left.
func (s *Store) Tidy(ctx context.Context, run Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		var gone int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sources WHERE walked <> ?", run.Walk).Scan(&gone); err != nil || gone == 0 {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sources WHERE walked <> ? AND id NOT IN (SELECT DISTINCT source FROM items)`, run.Walk)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM quarantine WHERE source NOT IN (SELECT id FROM sources)")
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM unknowns WHERE source NOT IN (SELECT id FROM sources)")
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM named WHERE source NOT IN (SELECT id FROM sources)")
		}
		return err
	}))
}

// A Kept is a file, or a source, whose vanished items are kept because nothing
// proves that their records are gone.
type Kept struct {
	Source string `json:"source"`
	Path   string `json:"file"`
	Items  int64  `json:"items"`
	Why    string `json:"why"`
}

// Kept counts, by file, the items that the run did not meet and that are kept,
// the most first; all is their number over all files.
func (s *Store) Kept(ctx context.Context, run Run, doubtful []string, most int) (kept []Kept, all int64, err error) {
	cond, args := gone(run, doubtful)
	query := "SELECT s.source, s.path, s.walked = ?, s.whole, coalesce(s.doubt, ''), count(*)" + itemsOfSources +
		fmt.Sprintf("i.status <> %d AND (i.pass <> s.pass OR s.walked <> ?) AND NOT ", statusWithdrawn) + cond + " GROUP BY s.id ORDER BY 6 DESC, 1, 2"
	rows, err := s.db.QueryContext(ctx, query, append([]any{run.Walk, run.Walk}, args...)...)
	if err != nil {
		return nil, 0, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var k Kept
		var walked, whole bool
		if err := rows.Scan(&k.Source, &k.Path, &walked, &whole, &k.Why, &k.Items); err != nil {
			return nil, 0, s.wrap(err)
		}
		switch {
		case slices.Contains(doubtful, k.Source):
			k.Why = "nothing of the source was found, or its folders could not be looked at whole; a share may not be mounted"
		case k.Why != "":
		case !whole:
			k.Why = "the file was not read to its end"
		default:
			k.Why = "the file has records without a readable id, which may be theirs; mend those"
		}
		all += k.Items
		if len(kept) < most {
			kept = append(kept, k)
		}
	}
	return kept, all, s.wrap(rows.Err())
}
