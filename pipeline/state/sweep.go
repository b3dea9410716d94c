package state

import (
	"context"
	"database/sql"
	"strings"
)

// A Known is an item that the sweep may delete.
type Known struct {
	Row    uint64
	ID     string
	Source string // the mapping's source
	Path   string
}

// stale selects the items that this run did not meet although their file was
// read whole and understood, or is gone. gone tells of which sources of the
// mapping a missing file is proven to be gone: those whose folder was walked
// without an error, and those that the mapping no longer has.
func stale(run Run, doubtful []string) (from string, args []any) {
	// NOT INDEXED, as everywhere where most of the table is read: the planner
	// would otherwise walk an index, at five times the cost.
	from = ` FROM items i NOT INDEXED JOIN sources s ON s.id = i.source
		WHERE i.pass <> s.pass AND s.walked = ? AND s.whole AND s.proof OR s.walked <> ?`
	args = []any{run.Walk, run.Walk}
	if len(doubtful) > 0 {
		from += " AND s.source NOT IN (?" + strings.Repeat(",?", len(doubtful)-1) + ")"
		for _, d := range doubtful {
			args = append(args, d)
		}
	}
	return from, args
}

// CountStale says how many items the sweep would delete, and of how many.
func (s *Store) CountStale(ctx context.Context, run Run, doubtful []string) (stales, all int64, err error) {
	from, args := stale(run, doubtful)
	if err := s.db.QueryRowContext(ctx, "SELECT count(*)"+from, args...).Scan(&stales); err != nil {
		return 0, 0, s.wrap(err)
	}
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM items").Scan(&all)
	return stales, all, s.wrap(err)
}

// Stale gives up to n items to delete, those with a row above after.
func (s *Store) Stale(ctx context.Context, run Run, doubtful []string, after uint64, n int) ([]Known, error) {
	from, args := stale(run, doubtful)
	from = strings.Replace(from, "WHERE ", "WHERE i.rowid > ? AND (", 1) + ") ORDER BY i.rowid LIMIT ?"
	args = append([]any{after}, append(args, n)...)
	rows, err := s.db.QueryContext(ctx, "SELECT i.rowid, i.id, s.source, s.path"+from, args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []Known
	for rows.Next() {
		var k Known
		if err := rows.Scan(&k.Row, &k.ID, &k.Source, &k.Path); err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, k)
	}
	return out, s.wrap(rows.Err())
}

// Deleted forgets items that the target no longer has. If we crash before it,
// they are deleted once more, which is harmless.
func (s *Store) Deleted(ctx context.Context, items []Known) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, "DELETE FROM items WHERE rowid = ?")
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, k := range items {
			if _, err := stmt.ExecContext(ctx, k.Row); err != nil {
				return err
			}
		}
		return nil
	}))
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
		return err
	}))
}

// Held counts, by source of the mapping, the items that the run did not meet
// and that are kept because nothing proves that they are gone.
func (s *Store) Held(ctx context.Context, run Run, doubtful []string) (n int64, err error) {
	stales, _, err := s.CountStale(ctx, run, doubtful)
	if err != nil {
		return 0, err
	}
	var all int64
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM items i NOT INDEXED JOIN sources s ON s.id = i.source
		WHERE i.pass <> s.pass OR s.walked <> ?`, run.Walk).Scan(&all)
	return all - stales, s.wrap(err)
}
