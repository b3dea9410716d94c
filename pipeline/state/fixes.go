package state

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// Records that somebody has mended in an export of the quarantine are fixes. A
// fix belongs to a record by its content: as long as a file has the record so,
// it is read as the fix has it. When the file changes the record, the fix is of
// no use any more; it is kept for some runs, in case that the record comes back.
//
// Of equal records of a file each can have a fix of its own: they are told by
// their number.
const fixesTable = `CREATE TABLE fixes (
  id     INTEGER PRIMARY KEY,
  source TEXT NOT NULL,            -- the mapping's source
  path   TEXT NOT NULL,            -- the file, as in sources
  sum    BLOB NOT NULL,            -- the record as the file has it, see Sum
  nth    INTEGER NOT NULL,         -- which of the file's records with this sum, from 0
  was    TEXT,                     -- JSON: the record as the file has it; NULL is not kept
  record TEXT,                     -- JSON: the record to use instead; NULL leaves it out
  made   TEXT NOT NULL,            -- RFC 3339, UTC
  pass   INTEGER NOT NULL DEFAULT 0, -- the reading that last met the record; negative is the one that follows it, see aside.go; 0 is none
  idle   INTEGER NOT NULL DEFAULT 0, -- runs in a row in which no file had the record
  idle_run INTEGER NOT NULL DEFAULT 0, -- the last run that was counted
  UNIQUE (source, path, sum, nth));
CREATE INDEX fixes_sum ON fixes (sum);
`

// idleRuns is in how many runs in a row a fix must be of no use before it is
// forgotten.
const idleRuns = 10

// A FixRef is a fix without its values.
type FixRef struct {
	ID       int64
	Sum      Sum
	Nth      int
	LeaveOut bool // the record is to be left out
}

// FixedSources names the sources of the mapping that have fixes.
func (s *Store) FixedSources(ctx context.Context) (map[string]bool, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT source FROM fixes")
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, s.wrap(err)
		}
		names[name] = true
	}
	return names, s.wrap(rows.Err())
}

// FixesOf gives the fixes of a file.
func (s *Store) FixesOf(ctx context.Context, source, path string) ([]FixRef, error) {
	return s.fixRefs(ctx, "source = ? AND path = ?", source, path)
}

// LostFixes gives the fixes of a source whose files are not there any more: a
// nightly export may bear the day in its name.
func (s *Store) LostFixes(ctx context.Context, run Run, source string) ([]FixRef, error) {
	return s.fixRefs(ctx, "source = ? AND path NOT IN (SELECT path FROM sources WHERE source = ? AND walked = ?)", source, source, run.Walk)
}

func (s *Store) fixRefs(ctx context.Context, where string, args ...any) ([]FixRef, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, sum, nth, record IS NULL FROM fixes WHERE "+where+" ORDER BY made, path, nth", args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []FixRef
	for rows.Next() {
		var f FixRef
		var sum []byte
		if err := rows.Scan(&f.ID, &sum, &f.Nth, &f.LeaveOut); err != nil {
			return nil, s.wrap(err)
		}
		copy(f.Sum[:], sum)
		out = append(out, f)
	}
	return out, s.wrap(rows.Err())
}

// FixRecord gives the record that a fix has instead.
func (s *Store) FixRecord(ctx context.Context, id int64) (Record, error) {
	var text sql.NullString
	if err := s.db.QueryRowContext(ctx, "SELECT record FROM fixes WHERE id = ?", id).Scan(&text); err != nil {
		return Record{}, s.wrap(err)
	}
	r, err := ParseRecord(text.String)
	return r, s.wrap(err)
}

// A UsedFix is one that a record was read with.
type UsedFix struct {
	FixRef
	// Lost tells that the fix was of another file, which is not there any more.
	// The record's own file gets it, for its record number Nth.
	Lost bool
}

// Use notes that a record of the file was read with a fix. It becomes durable
// with the file's balance.
func (src *Source) Use(f UsedFix) { src.used = append(src.used, f) }

func (src *Source) writeFixes(ctx context.Context, tx *sql.Tx) error {
	for _, f := range src.used {
		var err error
		if f.Lost {
			_, err = tx.ExecContext(ctx, `INSERT INTO fixes (source, path, sum, nth, was, record, made, pass)
				SELECT source, ?, sum, ?, was, record, made, ? FROM fixes WHERE id = ?
				ON CONFLICT (source, path, sum, nth) DO UPDATE SET pass = excluded.pass`, src.Path, f.Nth, src.Pass, f.ID)
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE fixes SET pass = ? WHERE id = ?", src.Pass, f.ID)
		}
		if err != nil {
			return err
		}
	}
	src.used = nil
	return nil
}

// FixCounts says what the fixes do now.
type FixCounts struct {
	Mended  int64 `json:"mended"`  // records that are read with other values, and are good so
	LeftOut int64 `json:"leftOut"` // records that are left out on purpose
	Idle    int64 `json:"idle"`    // fixes whose records are not there any more
	// Waiting are fixes that no run has come to yet.
	Waiting int64 `json:"waiting,omitempty"`
}

// ofFile joins a fix with its file, as the last walk has met it.
const ofFile = "s.source = f.source AND s.path = f.path AND s.walked = (SELECT max(walked) FROM sources)"

// waiting is the condition for a fix that no run has come to yet.
const waiting = "(f.pass = 0 AND f.idle = 0)"

// FixCounts counts the fixes.
func (s *Store) FixCounts(ctx context.Context) (c FixCounts, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT
		coalesce(sum(`+inForce+` AND f.record IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.sum = f.sum AND q.source = s.id AND q.fix = f.nth + 1 AND `+standing+`)), 0),
		coalesce(sum(`+inForce+` AND f.record IS NULL), 0),
		coalesce(sum(f.idle > 0), 0), coalesce(sum(`+waiting+`), 0)
		FROM fixes f LEFT JOIN sources s ON `+ofFile).Scan(&c.Mended, &c.LeftOut, &c.Idle, &c.Waiting)
	return c, s.wrap(err)
}

// AgeFixes counts this run for the fixes whose records it did not find, once
// however often the run is taken up, and forgets those that were of no use for
// long. Of a file that was not read to its end, or may only be out of sight,
// nothing is known.
func (s *Store) AgeFixes(ctx context.Context, run Run, doubtful []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	args := []any{run.ID, run.Walk, run.ID, run.Walk}
	sight := ""
	if len(doubtful) > 0 {
		sight = " AND (source NOT IN (?" + strings.Repeat(",?", len(doubtful)-1) + ") OR EXISTS (SELECT 1 FROM sources s WHERE s.source = fixes.source AND s.path = fixes.path AND s.walked = ?))"
		for _, d := range doubtful {
			args = append(args, d)
		}
		args = append(args, run.Walk)
	}
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		var any bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM fixes)").Scan(&any); err != nil || !any {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE fixes SET idle_run = ?, idle = CASE WHEN EXISTS (
				SELECT 1 FROM sources s WHERE s.source = fixes.source AND s.path = fixes.path AND s.walked = ? AND s.pass = fixes.pass) THEN 0 ELSE idle + 1 END
			WHERE idle_run <> ? AND NOT EXISTS (
				SELECT 1 FROM sources s WHERE s.source = fixes.source AND s.path = fixes.path AND s.walked = ? AND NOT s.whole)`+sight, args...)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM fixes WHERE idle >= ?", idleRuns)
		}
		return err
	}))
}

// TakeFixes takes over the fixes of another store, but for those of records
// that have one here, and gives their number. A fix belongs to a record by its
// content and its file, so it does the same in a store of the same files.
func (s *Store) TakeFixes(ctx context.Context, from *Store) (n int64, err error) {
	rows, err := from.db.QueryContext(ctx, "SELECT source, path, sum, nth, was, record, made, idle FROM fixes ORDER BY id")
	if err != nil {
		return 0, from.wrap(err)
	}
	defer rows.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.tx(ctx, func(tx *sql.Tx) error {
		for rows.Next() {
			var f [8]any
			if err := rows.Scan(&f[0], &f[1], &f[2], &f[3], &f[4], &f[5], &f[6], &f[7]); err != nil {
				return err
			}
			res, err := tx.ExecContext(ctx, "INSERT INTO fixes (source, path, sum, nth, was, record, made, idle) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING", f[:]...)
			if err != nil {
				return err
			}
			one, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n += one
		}
		return rows.Err()
	})
	return n, s.wrap(err)
}

// A Mending is a set of changes to the fixes, made in one go.
type Mending struct {
	ctx context.Context
	s   *Store
	tx  *sql.Tx
	now string

	refused, fixed, fix *sql.Stmt
	last                struct { // what base has found
		Mendable
		found bool
		sum   Sum
		file  [4]byte
	}
}

func (m *Mending) prepare() (err error) {
	for _, p := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&m.refused, "SELECT s.source, s.path, q.record" + quarantineOfSources + " WHERE q.sum = ? AND q.fix = 0"},
		{&m.fixed, "SELECT source, path, was FROM fixes WHERE sum = ?"},
		{&m.fix, "SELECT record FROM fixes WHERE source = ? AND path = ? AND sum = ? AND nth = ?"},
	} {
		if *p.stmt, err = m.tx.PrepareContext(m.ctx, p.query); err != nil {
			return m.s.wrap(err)
		}
	}
	return nil
}

func (m *Mending) close() {
	for _, stmt := range []*sql.Stmt{m.refused, m.fixed, m.fix} {
		if stmt != nil {
			stmt.Close()
		}
	}
}

// Mend changes fixes: all that do does becomes durable together, or nothing
// when it fails. The files concerned are read again by the next run. If we
// crash after it, that run finds the fixes and the marks.
func (s *Store) Mend(ctx context.Context, now time.Time, do func(*Mending) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	err := s.tx(ctx, func(tx *sql.Tx) error {
		m := &Mending{ctx: ctx, s: s, tx: tx, now: now.UTC().Format(time.RFC3339)}
		defer m.close()
		if failed = m.prepare(); failed == nil {
			failed = do(m)
		}
		return failed
	})
	if failed != nil {
		return failed
	}
	return s.wrap(err)
}

// A Mendable is a record that an export may have: one in quarantine, or one
// that has a fix.
type Mendable struct {
	Source, Path string
	Was          Record // as the file has it
	Fixed        bool   // it has a fix
	Now          Record // as the fix has it
	LeaveOut     bool   // the fix leaves it out
}

// Find looks up the record of a key.
func (m *Mending) Find(k Key) (r Mendable, found bool, err error) {
	r, found, err = m.base(k)
	if !found || err != nil {
		return r, found, m.s.wrap(err)
	}
	var now sql.NullString
	err = m.fix.QueryRowContext(m.ctx, r.Source, r.Path, k.Sum[:], k.Nth).Scan(&now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, true, nil
	case err != nil:
		return r, false, m.s.wrap(err)
	}
	r.Fixed, r.LeaveOut = true, !now.Valid
	r.Now, err = ParseRecord(now.String)
	return r, true, m.s.wrap(err)
}

// base finds a record as its file has it: in quarantine, or as a fix knows it.
// Of the many lines that equal records can have the first will do.
func (m *Mending) base(k Key) (r Mendable, found bool, err error) {
	if m.last.found && m.last.sum == k.Sum && m.last.file == k.File {
		return m.last.Mendable, true, nil
	}
	for _, stmt := range []*sql.Stmt{m.refused, m.fixed} {
		if r, found, err = m.first(stmt, k); found || err != nil {
			break
		}
	}
	m.last.Mendable, m.last.found, m.last.sum, m.last.file = r, found && err == nil, k.Sum, k.File
	return r, found, err
}

func (m *Mending) first(stmt *sql.Stmt, k Key) (r Mendable, found bool, err error) {
	rows, err := stmt.QueryContext(m.ctx, k.Sum[:])
	if err != nil {
		return r, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var was sql.NullString
		if err := rows.Scan(&r.Source, &r.Path, &was); err != nil {
			return r, false, err
		}
		if fileTag(r.Source, r.Path) == k.File {
			r.Was, err = ParseRecord(was.String)
			return r, true, err
		}
	}
	return Mendable{}, false, rows.Err()
}

// Set gives the record of a key other values; nil leaves it out.
func (m *Mending) Set(k Key, r *Mendable, now *Record) error {
	var record any
	if now != nil {
		record = now.JSON()
	}
	_, err := m.tx.ExecContext(m.ctx, `INSERT INTO fixes (source, path, sum, nth, was, record, made) VALUES (?, ?, ?, ?, nullif(?, ''), ?, ?)
		ON CONFLICT (source, path, sum, nth) DO UPDATE SET record = excluded.record, made = excluded.made`,
		r.Source, r.Path, k.Sum[:], k.Nth, r.Was.JSON(), record, m.now)
	if err == nil {
		err = m.reread(r)
	}
	return m.s.wrap(err)
}

// Forget drops the fix of a key.
func (m *Mending) Forget(k Key, r *Mendable) error {
	_, err := m.tx.ExecContext(m.ctx, "DELETE FROM fixes WHERE source = ? AND path = ? AND sum = ? AND nth = ?", r.Source, r.Path, k.Sum[:], k.Nth)
	if err == nil {
		err = m.reread(r)
	}
	return m.s.wrap(err)
}

func (m *Mending) reread(r *Mendable) error {
	_, err := m.tx.ExecContext(m.ctx, "UPDATE sources SET digest = x'' WHERE source = ? AND path = ?", r.Source, r.Path)
	return err
}

// Retry has everything of the quarantine that the filter lets through tried
// again by the next run: files with refused records are read again, and items
// that the target refused are sent again. It gives their numbers.
func (s *Store) Retry(ctx context.Context, filter Filter) (files, items int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.tx(ctx, func(tx *sql.Tx) error {
		where, args := filter.where()
		res, err := tx.ExecContext(ctx, "UPDATE sources SET digest = x'' WHERE id IN (SELECT q.source"+quarantineOfSources+where+")", args...)
		if err != nil {
			return err
		}
		if files, err = res.RowsAffected(); err != nil {
			return err
		}
		// What the target has is not touched: the first bytes tell its ACL, and a
		// further refusal must not look like one of other permissions.
		where, args = filter.where("q.stage = 'load'")
		res, err = tx.ExecContext(ctx, "UPDATE items SET digest = CAST(substr(digest, 1, ?) || zeroblob(?) AS BLOB) WHERE status = ? AND id IN (SELECT q.item"+
			quarantineOfSources+where+")", append([]any{aclSize, len(Entry{}.Digest) - aclSize, statusRejected}, args...)...)
		if err != nil {
			return err
		}
		items, err = res.RowsAffected()
		return err
	})
	return files, items, s.wrap(err)
}
