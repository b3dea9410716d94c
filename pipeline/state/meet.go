package state

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
)

// Meet writes down files of a walk, in their order from ord on, and decides
// for each whether it must be read and from where.
func (s *Store) Meet(ctx context.Context, run Run, ord int64, files []Found) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		if s.nextPass == 0 { // once: it reads the whole table
			if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(pass), 0) + 1 FROM sources").Scan(&s.nextPass); err != nil {
				return err
			}
		}
		for i, f := range files {
			if err := meet(ctx, tx, run, ord+int64(i), f, s.nextPass); err != nil {
				return err
			}
			s.nextPass++
		}
		return nil
	}))
}

func meet(ctx context.Context, tx *sql.Tx, run Run, ord int64, f Found, pass int64) error {
	m, err := lookUp(ctx, tx.QueryRowContext, f)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `INSERT INTO sources (source, path, ord, size, modified, digest, run, walked, pass, settled, ended, whole, proof,
			read, stored, unchanged, filtered, quarantined, duplicates) VALUES (?,?,?,?,?,?,?,?,?,0,0,0,0,0,0,0,0,0,0)`,
			f.Name, f.Path, ord, f.Size, f.Modified.UnixNano(), f.Digest[:], run.ID, run.Walk, pass)
		return err
	}
	if err != nil {
		return err
	}
	begun := m.mapped && m.stat && m.Run == run.ID && (!m.Ended || m.settled())
	// A file whose content cannot be read whole is not tried every night.
	same := m.mapped && m.settled() && (m.content || m.stat && !f.Verify)
	switch {
	case begun && (m.settled() || m.Duplicates == 0):
		// This run has begun it, or is done with it: go on there. Where a record
		// was left out as a duplicate, the other one may be gone by now.
		_, err = tx.ExecContext(ctx, "UPDATE sources SET walked = ?, ord = ?, recheck = ? WHERE id = ?", run.Walk, ord, m.Duplicates > 0, m.ID)
	case same && m.Run == run.ID:
		// This run has read it whole before it was interrupted, and only its time
		// is another, or so late that it proves nothing: its balance stands.
		_, err = tx.ExecContext(ctx, "UPDATE sources SET walked = ?, ord = ?, size = ?, modified = ?, recheck = ? WHERE id = ?", run.Walk, ord, f.Size, f.stamp(), m.Duplicates > 0, m.ID)
	case same:
		// Read before and untouched since. Where a record was left out as a
		// duplicate, the other one may be gone: see Recheck.
		_, err = tx.ExecContext(ctx, `UPDATE sources SET walked = ?, ord = ?, run = ?, size = ?, modified = ?, stored = 0, unchanged = ?, recheck = ? WHERE id = ?`,
			run.Walk, ord, run.ID, f.Size, f.stamp(), m.Stored+m.Unchanged, m.Duplicates > 0, m.ID)
	default:
		known := m.settled() && (m.content || m.stat && !f.Verify)
		if err = setAside(ctx, tx, m.ID, pass); err == nil {
			_, err = tx.ExecContext(ctx, readAnew+" WHERE id = ?", run.Walk, ord, run.ID, f.Size, f.Modified.UnixNano(), f.Digest[:], pass, known, m.ID)
		}
	}
	return err
}

// readAnew resets a file that is to be read from its start.
const readAnew = `UPDATE sources SET walked = ?, ord = ?, run = ?, size = ?, modified = ?, digest = ?, pass = ?, hash = CASE WHEN ? THEN hash END, settled = 0, recheck = 0, failed = NULL, parser = NULL,
	ended = 0, whole = 0, proof = 0, read = 0, stored = 0, unchanged = 0, filtered = 0, quarantined = 0, duplicates = 0`

// stamp is the time by which a later change of the file is told. One that a
// change within the clock's grain would not move is put off by the least.
func (f *Found) stamp() int64 {
	if f.Racy {
		return f.Modified.UnixNano() - 1
	}
	return f.Modified.UnixNano()
}

// A known file, compared with how a walk has found it.
type met struct {
	Source
	mapped  bool // under the same mapping
	stat    bool // of the same size and time
	content bool // with the same content
	hashed  bool // its content is known by its hash, and may be the same
}

// settled tells that reading the same content again would bring nothing new.
func (m *met) settled() bool { return m.Whole || m.Ended && m.Failed != "" }

// reads tells whether what has read a file would read it so again: it is the
// same, and what was missing still is.
func (f *Found) reads(parser string) bool {
	formats, missing, _ := strings.Cut(f.Parsers, "\t")
	by, without, lacked := strings.Cut(parser, "\t")
	if by != "" && by != formats && !slices.Contains(strings.Split(formats, "\n"), by) {
		return false
	}
	for name := range strings.SplitSeq(without, "\t") {
		if lacked && !slices.Contains(strings.Split(missing, "\t"), name) {
			return false
		}
	}
	return true
}

func lookUp(ctx context.Context, query func(context.Context, string, ...any) *sql.Row, f Found) (m met, err error) {
	var modified int64
	var digest, hash []byte
	err = query(ctx, `SELECT id, size, modified, digest, hash, run, pass, ended, whole, coalesce(failed, ''), coalesce(parser, ''),
		read, stored, unchanged, filtered, quarantined, duplicates FROM sources WHERE source = ? AND path = ?`, f.Name, f.Path).
		Scan(&m.ID, &m.Size, &modified, &digest, &hash, &m.Run, &m.Pass, &m.Ended, &m.Whole, &m.Failed, &m.Parser,
			&m.Read, &m.Stored, &m.Unchanged, &m.Filtered, &m.Quarantined, &m.Duplicates)
	m.mapped = bytes.Equal(digest, f.Digest[:]) && f.reads(m.Parser)
	m.stat = m.Size == f.Size && modified == f.Modified.UnixNano()
	m.hashed = len(hash) > 0 && m.Size == f.Size && (m.stat || !f.ByTime)
	m.content = m.hashed && bytes.Equal(hash, f.Hash)
	return m, err
}

// Undecided gives the indexes of files that may turn out to be unchanged when
// their content is compared, so that they need not be read.
func (s *Store) Undecided(ctx context.Context, files []Found) (which []int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range files {
		m, err := lookUp(ctx, s.db.QueryRowContext, f)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return nil, s.wrap(err)
		case m.mapped && m.settled() && m.hashed && (!m.stat || f.Verify):
			which = append(which, i)
		}
	}
	return which, nil
}

// Recheck decides on the unchanged files of which records were left out as
// duplicates, once every file was met. The other record of such an id can only
// have gone if some file has changed or gone: then they are read again.
func (s *Store) Recheck(ctx context.Context, run Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		var moved bool
		err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sources WHERE walked <> ? OR NOT whole AND failed IS NULL)", run.Walk).Scan(&moved)
		if err != nil {
			return err
		}
		if !moved {
			_, err := tx.ExecContext(ctx, "UPDATE sources SET recheck = 0 WHERE recheck")
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT id, ord, size, modified, digest FROM sources WHERE recheck AND walked = ?", run.Walk)
		if err != nil {
			return err
		}
		type again struct {
			id, ord, size, modified int64
			digest                  []byte
		}
		var all []again
		for rows.Next() {
			var a again
			if err := rows.Scan(&a.id, &a.ord, &a.size, &a.modified, &a.digest); err != nil {
				rows.Close()
				return err
			}
			all = append(all, a)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, a := range all {
			if err := setAside(ctx, tx, a.id, s.nextPass); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, readAnew+" WHERE id = ?", run.Walk, a.ord, run.ID, a.size, a.modified, a.digest, s.nextPass, true, a.id)
			if err != nil {
				return err
			}
			s.nextPass++
		}
		return nil
	}))
}

// metaEven is set while every item is that of a record which the last reading
// of its file has met, and none is held, in doubt or to be deleted.
const metaEven = "even"

// Quiet tells that nothing has to be done about items: nothing was left over by
// the last run, no file has to be read and none has gone. Then the items need
// not even be looked at. Otherwise it takes the mark away: if we crash from
// here on, the next run looks at them.
func (s *Store) Quiet(ctx context.Context, run Run) (quiet bool, err error) {
	even, err := s.Meta(ctx, metaEven)
	if err != nil || even == "" {
		return false, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT NOT EXISTS (SELECT 1 FROM sources WHERE walked <> ? OR NOT whole AND failed IS NULL)", run.Walk).Scan(&quiet)
	if err != nil || quiet {
		return quiet, s.wrap(err)
	}
	return false, s.exec(ctx, "DELETE FROM meta WHERE name = ?", metaEven)
}

// Even writes down that a run has left nothing over.
func (s *Store) Even(ctx context.Context) error { return s.SetMeta(ctx, metaEven, "1") }

// Found gives a file as it was when it was last read; ok is false when it
// never was.
func (s *Store) Found(ctx context.Context, name, path string) (f Found, ok bool, err error) {
	f = Found{Name: name, Path: path}
	var modified int64
	var digest []byte
	err = s.db.QueryRowContext(ctx, "SELECT size, modified, digest FROM sources WHERE source = ? AND path = ?", name, path).Scan(&f.Size, &modified, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		return f, false, nil
	}
	f.Modified = time.Unix(0, modified)
	copy(f.Digest[:], digest)
	return f, true, s.wrap(err)
}
