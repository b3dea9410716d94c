package state

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// nowhere is the part of an item that no good record of the reading has met.
const nowhere = -1

// Hold marks an item as met although its record could not be made into one:
// what is stored stays, and the sweep leaves it alone. A good record with the
// same id may still come, before or after, and is no duplicate of this one.
//
// acl is the digest of an item with the record's permissions, nil where it has
// none. exposed tells that the target has the item for others than these, or
// that it is to be taken out for that already.
func (s *Store) Hold(ctx context.Context, id string, src *Source, acl []byte) (exposed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Keeps() {
		return false, nil
	}
	row, found, err := s.index.get(id)
	// A run that goes on may meet the refused record again: what was found of its
	// permissions then has to be found again, as that refusal is forgotten.
	if err != nil || !found || s.seen.has(row) && !s.held.has(row) {
		return false, s.wrap(err)
	}
	// If we crash after it, Load finds by the part that the item is held.
	var has []byte
	var status int
	err = s.db.QueryRowContext(ctx, "UPDATE items SET source = ?, pass = ?, part = ?, missed = NULL, missed_run = NULL WHERE rowid = ? RETURNING digest, status", src.ID, src.Pass, nowhere, row).Scan(&has, &status)
	if errors.Is(err, sql.ErrNoRows) { // given out in a batch that was rolled back
		return false, nil
	}
	if err == nil {
		s.seen.set(row)
		s.held.set(row)
	}
	if err != nil || len(acl) == 0 {
		return false, s.wrap(err)
	}
	return status == statusWithdrawn || len(has) == len(acl) && !bytes.Equal(has[:aclSize], acl[:aclSize]), nil
}

// Withdraw marks the held items whose records were refused for their
// permissions, or have others than what is stored: what the target has of them may be for people who may not see
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

// Unread gives the files of a source of the mapping that the run has not read
// to their end, or not met.
func (s *Store) Unread(ctx context.Context, run Run, source string) (files []*Source, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, path, size, modified, pass FROM sources WHERE source = ? AND (NOT whole OR walked <> ?) ORDER BY id", source, run.Walk)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		f := &Source{Found: Found{Name: source}}
		var modified int64
		if err := rows.Scan(&f.ID, &f.Path, &f.Size, &modified, &f.Pass); err != nil {
			return nil, s.wrap(err)
		}
		f.Modified = time.Unix(0, modified)
		files = append(files, f)
	}
	return files, s.wrap(rows.Err())
}

// KnownFiles counts the files of a source of the mapping that walks have met.
func (s *Store) KnownFiles(ctx context.Context, source string) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM sources WHERE source = ?", source).Scan(&n)
	return n, s.wrap(err)
}

// Expose marks items that the run did not meet and that the target has for
// others than it should, as Withdraw does. files are their files, by number: the
// function gives the digest of an item with the permissions that it should have,
// nil where they cannot be made.
func (s *Store) Expose(ctx context.Context, files map[int64]func(id string) []byte) error {
	if len(files) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var exposed []int64
	rows, err := s.db.QueryContext(ctx, "SELECT rowid, id, source, digest FROM items NOT INDEXED WHERE status <> ?", statusWithdrawn)
	if err != nil {
		return s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, file int64
		var id string
		var has []byte
		if err := rows.Scan(&row, &id, &file, &has); err != nil {
			return s.wrap(err)
		}
		acl := files[file]
		if acl == nil || s.seen.has(uint64(row)) {
			continue
		}
		if want := acl(id); want == nil || len(has) == len(want) && !bytes.Equal(has[:aclSize], want[:aclSize]) {
			exposed = append(exposed, row)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return s.wrap(err)
	}
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for _, row := range exposed {
			if _, err := tx.ExecContext(ctx, "UPDATE items SET status = ?, digest = NULL WHERE rowid = ?", statusWithdrawn, row); err != nil {
				return err
			}
		}
		return nil
	}))
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
func (s *Store) Where(ctx context.Context, row uint64) (source, path, sheet string, line, col int, ok bool) {
	var maybe sql.NullString
	err := s.db.QueryRowContext(ctx, `SELECT s.source, s.path, i.sheet, i.line FROM items i JOIN sources s ON s.id = i.source WHERE i.rowid = ?`, row).
		Scan(&source, &path, &maybe, placeScan{&line, &col})
	return source, path, maybe.String, line, col, err == nil
}
