package state

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// Counts is a balance: every record read is in exactly one of the others.
type Counts struct {
	Read        int64 `json:"read"`
	Stored      int64 `json:"stored"`
	Unchanged   int64 `json:"unchanged"`
	Filtered    int64 `json:"filtered"`
	Quarantined int64 `json:"quarantined"`
	Duplicates  int64 `json:"duplicates"`
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.Read += d.Read
	c.Stored += d.Stored
	c.Unchanged += d.Unchanged
	c.Filtered += d.Filtered
	c.Quarantined += d.Quarantined
	c.Duplicates += d.Duplicates
}

// Settled is the number of records that are accounted for.
func (c Counts) Settled() int64 {
	return c.Stored + c.Unchanged + c.Filtered + c.Quarantined + c.Duplicates
}

// A Found is a file that a walk has met.
type Found struct {
	Name     string // the mapping's source
	Path     string // relative to the source's root
	Size     int64
	Modified time.Time
	Digest   [32]byte // what decides what its records become
}

// A Source is a file in the present run.
type Source struct {
	ID  int64
	Ord int64 // its place in the crawl
	Found
	Run   int64
	Pass  int64
	Skip  bool // need not be opened: Counts says what it holds
	Ended bool // the pass is over, for the file's end or for an error
	Whole bool // it reached the end of the file
	// Resume is the number of records that were settled before the run was
	// interrupted.
	Resume int64
	Counts // settled so far
}

// A Run is one crawl.
type Run struct {
	ID      int64
	Started time.Time
	Resumed bool // it was interrupted and goes on
	// Walk is the number of the walk: a resumed run walks anew, and a file that
	// it does not meet any more is gone.
	Walk int64
}

// BeginRun starts a run, or takes up the last one when that did not end and
// the mapping is the same.
func (s *Store) BeginRun(ctx context.Context, mapping [32]byte, now time.Time) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r Run
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var started, status string
		var have []byte
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(walked), 0) + 1 FROM sources").Scan(&r.Walk); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, "SELECT id, started, status, mapping, pass FROM runs ORDER BY id DESC LIMIT 1").Scan(&r.ID, &started, &status, &have, &s.firstPass)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && status != "done" && bytes.Equal(have, mapping[:]) {
			r.Resumed = true
			if r.Started, err = time.Parse(time.RFC3339, started); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "UPDATE runs SET status = 'running', ended = NULL WHERE id = ?", r.ID)
			return err
		}
		r.ID++
		r.Started = now.UTC()
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(pass), 0) + 1 FROM sources").Scan(&s.firstPass); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO runs (id, started, status, mapping, pass) VALUES (?, ?, 'running', ?, ?)",
			r.ID, r.Started.Format(time.RFC3339), mapping[:], s.firstPass)
		return err
	})
	return r, s.wrap(err)
}

// EndRun writes how a run ended: "done", "interrupted" or "failed".
func (s *Store) EndRun(ctx context.Context, run int64, status string, summary any, now time.Time) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.db.ExecContext(ctx, "UPDATE runs SET status = ?, ended = ?, summary = ? WHERE id = ?",
		status, now.UTC().Format(time.RFC3339), string(text), run)
	return s.wrap(err)
}

// Doubt takes back what is known of the target's content: its connection is
// not there, or cannot have items yet. Every item is sent again, or deleted
// when its record is gone; nothing is forgotten, for it cannot be known
// whether the connection that is not there had not merely hidden itself.
func (s *Store) Doubt(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for _, stmt := range []string{
			"UPDATE items SET digest = NULL, status = 0, open = -1, denies = NULL",
			"UPDATE groups SET sure = 0",
			"UPDATE members SET sure = 0",
			"UPDATE sources SET digest = x'', whole = 0, proof = 0", // every file is read again
		} {
			if _, err := tx.ExecContext(ctx, stmt); err != nil {
				return err
			}
		}
		return nil
	}))
}

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
	var src Source
	var modified int64
	var digest []byte
	row := tx.QueryRowContext(ctx, `SELECT id, size, modified, digest, run, pass, ended, whole,
		read, stored, unchanged, filtered, quarantined, duplicates FROM sources WHERE source = ? AND path = ?`, f.Name, f.Path)
	err := row.Scan(&src.ID, &src.Size, &modified, &digest, &src.Run, &src.Pass, &src.Ended, &src.Whole,
		&src.Read, &src.Stored, &src.Unchanged, &src.Filtered, &src.Quarantined, &src.Duplicates)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `INSERT INTO sources (source, path, ord, size, modified, digest, run, walked, pass, settled, ended, whole, proof,
			read, stored, unchanged, filtered, quarantined, duplicates) VALUES (?,?,?,?,?,?,?,?,?,0,0,0,0,0,0,0,0,0,0)`,
			f.Name, f.Path, ord, f.Size, f.Modified.UnixNano(), f.Digest[:], run.ID, run.Walk, pass)
		return err
	}
	if err != nil {
		return err
	}
	same := src.Size == f.Size && modified == f.Modified.UnixNano() && bytes.Equal(digest, f.Digest[:])
	c := src.Counts
	switch {
	case same && src.Run == run.ID && (!src.Ended || src.Whole) && c.Duplicates == 0:
		// This run has begun it, or read it whole: go on there. Where a record
		// was left out as a duplicate, the other one may be gone by now.
		_, err = tx.ExecContext(ctx, "UPDATE sources SET walked = ?, ord = ? WHERE id = ?", run.Walk, ord, src.ID)
	case same && src.Whole && c.Duplicates == 0:
		// Read whole before and untouched since. A file with duplicates is read
		// again all the same: the other record may be gone by now.
		_, err = tx.ExecContext(ctx, "UPDATE sources SET walked = ?, ord = ?, run = ?, stored = 0, unchanged = ? WHERE id = ?",
			run.Walk, ord, run.ID, c.Stored+c.Unchanged, src.ID)
	default:
		// It is read anew, so what was refused of it is found again.
		if _, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE source = ?", src.ID); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE sources SET walked = ?, ord = ?, run = ?, size = ?, modified = ?, digest = ?, pass = ?, settled = 0,
			ended = 0, whole = 0, proof = 0, read = 0, stored = 0, unchanged = 0, filtered = 0, quarantined = 0, duplicates = 0 WHERE id = ?`,
			run.Walk, ord, run.ID, f.Size, f.Modified.UnixNano(), f.Digest[:], pass, src.ID)
	}
	return err
}

// Load reads the known items, so that Admit can tell them from new ones. It
// comes after every file was met and before the first Admit. Items of files
// that are not read in this run count as met.
func (s *Store) Load(ctx context.Context, run Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.close()
	s.index, s.seen, s.held = newIndex(s.index.dir), nil, nil
	// In crawl order the source changes seldom, so it is looked up when it does.
	rows, err := s.db.QueryContext(ctx, "SELECT rowid, id, source, part, pass FROM items")
	if err != nil {
		return s.wrap(err)
	}
	defer rows.Close()
	passOf, err := s.db.PrepareContext(ctx, "SELECT pass FROM sources WHERE id = ? AND walked = ?")
	if err != nil {
		return s.wrap(err)
	}
	defer passOf.Close()
	var source, live int64 = -1, -1
	for rows.Next() {
		var row uint64
		var id sql.RawBytes
		var src, part, pass int64
		if err := rows.Scan(&row, &id, &src, &part, &pass); err != nil {
			return s.wrap(err)
		}
		if src != source {
			source, live = src, -1
			err := passOf.QueryRowContext(ctx, src, run.Walk).Scan(&live)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return s.wrap(err)
			}
		}
		if _, _, err := s.index.getOrPut(string(id), row); err != nil {
			return s.wrap(err)
		}
		if pass == live {
			s.seen.set(row)
			if part == nowhere {
				s.held.set(row)
			}
		}
		s.nextRow = max(s.nextRow, row+1)
	}
	return s.wrap(rows.Err())
}

// Sources yields the files of the run in crawl order, those to be skipped as
// well. It reads ahead by pages and may be ranged over while the store is
// written to.
func (s *Store) Sources(ctx context.Context, run Run) iter.Seq2[*Source, error] {
	const page = 256
	return func(yield func(*Source, error) bool) {
		for ord := int64(-1); ; {
			batch, err := s.sourcePage(ctx, run, ord, page)
			if err != nil {
				yield(nil, s.wrap(err))
				return
			}
			for _, src := range batch {
				if !yield(src, nil) {
					return
				}
			}
			if len(batch) < page {
				return
			}
			ord += page
		}
	}
}

// sourcePage reads the files with an ord in (after, after+n]. Ords have no gaps.
func (s *Store) sourcePage(ctx context.Context, run Run, after int64, n int) ([]*Source, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, ord, source, path, size, modified, digest, run, pass, settled, whole,
		read, stored, unchanged, filtered, quarantined, duplicates
		FROM sources WHERE walked = ? AND ord > ? AND ord <= ? ORDER BY ord`, run.Walk, after, after+int64(n))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*Source
	for rows.Next() {
		var src Source
		var modified int64
		var digest []byte
		if err := rows.Scan(&src.ID, &src.Ord, &src.Name, &src.Path, &src.Size, &modified, &digest, &src.Run, &src.Pass, &src.Resume, &src.Whole,
			&src.Read, &src.Stored, &src.Unchanged, &src.Filtered, &src.Quarantined, &src.Duplicates); err != nil {
			return nil, err
		}
		src.Modified = time.Unix(0, modified)
		copy(src.Digest[:], digest)
		src.Skip = src.Whole
		out = append(out, &src)
	}
	return out, rows.Err()
}

// write makes the file's balance and position durable. With its end come the
// consequences: what earlier readings refused is forgotten, and a reading that
// understood every record is proof that what it did not meet is gone. A
// refused record whose id is not known may be any of those that are missing,
// so it takes the proof away.
func (src *Source) write(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE sources SET settled = ?, ended = ?, whole = ?, modified = ?,
		proof = ? AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.source = sources.id AND q.pass = sources.pass AND q.item IS NULL),
		read = ?, stored = ?, unchanged = ?, filtered = ?, quarantined = ?, duplicates = ? WHERE id = ?`,
		src.Settled(), src.Ended, src.Whole, src.Modified.UnixNano(), src.Whole,
		src.Read, src.Stored, src.Unchanged, src.Filtered, src.Quarantined, src.Duplicates, src.ID)
	if err == nil && src.Whole {
		_, err = tx.ExecContext(ctx, "DELETE FROM quarantine WHERE source = ? AND pass <> ?", src.ID, src.Pass)
	}
	return err
}

// Balance adds up the files of the run.
func (s *Store) Balance(ctx context.Context, run Run) (c Counts, err error) {
	if err := s.catchUp(ctx); err != nil {
		return c, err
	}
	err = s.db.QueryRowContext(ctx, `SELECT coalesce(sum(read),0), coalesce(sum(stored),0), coalesce(sum(unchanged),0),
		coalesce(sum(filtered),0), coalesce(sum(quarantined),0), coalesce(sum(duplicates),0) FROM sources WHERE walked = ?`, run.Walk).
		Scan(&c.Read, &c.Stored, &c.Unchanged, &c.Filtered, &c.Quarantined, &c.Duplicates)
	return c, s.wrap(err)
}

// SourceBalance is the balance of one source of the mapping.
type SourceBalance struct {
	Name  string `json:"source"`
	Files int64  `json:"files"`
	Counts
}

// Balances adds up the files of the run by source, in the order of the walk.
func (s *Store) Balances(ctx context.Context, run Run) ([]SourceBalance, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT source, count(*), sum(read), sum(stored), sum(unchanged), sum(filtered), sum(quarantined), sum(duplicates)
		FROM sources WHERE walked = ? GROUP BY source ORDER BY min(ord)`, run.Walk)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []SourceBalance
	for rows.Next() {
		var b SourceBalance
		if err := rows.Scan(&b.Name, &b.Files, &b.Read, &b.Stored, &b.Unchanged, &b.Filtered, &b.Quarantined, &b.Duplicates); err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, b)
	}
	return out, s.wrap(rows.Err())
}

// Knows tells whether anything is known of the target.
func (s *Store) Knows(ctx context.Context) (known bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM items) OR EXISTS (SELECT 1 FROM groups) OR EXISTS (SELECT 1 FROM sources WHERE whole)`).Scan(&known)
	return known, s.wrap(err)
}

// HasRefusals tells whether the quarantine holds anything.
func (s *Store) HasRefusals(ctx context.Context) (has bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM quarantine)").Scan(&has)
	return has, s.wrap(err)
}

// SourceNames are the sources of the mapping that have items.
func (s *Store) SourceNames(ctx context.Context) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT s.source FROM items i NOT INDEXED JOIN sources s ON s.id = i.source ORDER BY 1")
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, s.wrap(err)
		}
		names = append(names, name)
	}
	return names, s.wrap(rows.Err())
}

// Meta gives a value that SetMeta has stored, "" when there is none.
func (s *Store) Meta(ctx context.Context, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, s.wrap(err)
}

// SetMeta stores a value under a name.
func (s *Store) SetMeta(ctx context.Context, name, value string) error {
	return s.exec(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value)
}
