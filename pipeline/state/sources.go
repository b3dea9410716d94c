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

// A Found is a file that a walk has met.
type Found struct {
	Name     string // the mapping's source
	Path     string // relative to the source's root
	Size     int64
	Modified time.Time
	Digest   [32]byte // what decides what its records become
	// Hash is the SHA-256 of the content, nil where it was not looked at.
	Hash []byte
	// Verify tells that size and time prove nothing: only an equal Hash does.
	Verify bool
	// ByTime tells that the file's time can decide what its records become.
	ByTime bool
	// Racy tells that the file is so young that a later change may not show in
	// its time.
	Racy bool
	// Parsers are the formats of this program with their versions, a line each;
	// then the programs that are not installed, behind a tab each.
	Parsers string
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
	// Parser is what the file was read by: a line of Parsers, or all of them
	// when it is none of theirs; "" is not known. The programs that something of
	// it could not be read without come behind a tab each.
	Parser string
	// Failed is the reason why the file cannot be read to its end, where the
	// same content would fail so again; else "".
	Failed string
	// Resume is the number of records that were settled before the run was
	// interrupted.
	Resume int64
	// Known is the hash of the content as it was read whole before, if nothing
	// says that it has changed; else nil.
	Known  []byte
	Counts // settled so far

	used   []UsedFix               // not written down yet
	missed map[unknownKey]*Unknown // the same
	named  map[string]bool         // the same
}

// A Run is one crawl.
type Run struct {
	ID      int64
	Started time.Time
	Full    bool // every file's content is compared, whatever its size and time say
	Resumed bool // it was interrupted and goes on
	// Walk is the number of the walk: a resumed run walks anew, and a file that
	// it does not meet any more is gone.
	Walk int64
}

// BeginRun starts a run, or takes up the last one when that did not end and
// the mapping is the same. A full run that is taken up stays full.
func (s *Store) BeginRun(ctx context.Context, mapping [32]byte, full bool, now time.Time) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Run{Full: full}
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var started, status, kind string
		s.widened = 0
		var have []byte
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(walked), 0) + 1 FROM sources").Scan(&r.Walk); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, "SELECT id, kind, started, status, mapping, pass, widened FROM runs ORDER BY id DESC LIMIT 1").Scan(&r.ID, &kind, &started, &status, &have, &s.firstPass, &s.widened)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && status != "done" && bytes.Equal(have, mapping[:]) {
			r.Resumed, r.Full = true, full || kind == kindFull
			if r.Started, err = time.Parse(time.RFC3339, started); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "UPDATE runs SET status = 'running', ended = NULL, kind = ?, plan = ? WHERE id = ?", r.Kind(), sql.NullString{String: s.Plan, Valid: s.Plan != ""}, r.ID)
			return err
		}
		s.widened = 0
		r.ID++
		r.Started = now.UTC()
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(pass), 0) + 1 FROM sources").Scan(&s.firstPass); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO runs (id, kind, started, status, mapping, pass, plan) VALUES (?, ?, ?, 'running', ?, ?, ?)",
			r.ID, r.Kind(), r.Started.Format(time.RFC3339), mapping[:], s.firstPass, sql.NullString{String: s.Plan, Valid: s.Plan != ""})
		return err
	})
	s.run, s.mapping, s.widenings = r.ID, mapping, nil
	return r, s.wrap(err)
}

const (
	kindFull        = "full"
	kindIncremental = "incremental"
)

// Kind is full or incremental.
func (r Run) Kind() string {
	if r.Full {
		return kindFull
	}
	return kindIncremental
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
			"DELETE FROM doings",
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

// Load reads the known items, so that Admit can tell them from new ones. It
// comes after every file was met and before the first Admit. Items of files
// that are not read in this run count as met, and so do those before the
// position from which a file is read on.
func (s *Store) Load(ctx context.Context, run Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.close()
	s.index, s.seen, s.held, s.known = newIndex(s.index.dir), nil, nil, 0
	again, err := s.load(ctx, run)
	s.firstNew = s.nextRow
	if err != nil || len(again) == 0 {
		return s.wrap(err)
	}
	// Settled behind the position: their records are read again, and if one
	// should be there no more, nothing else says that its item is to go.
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, "UPDATE items SET pass = 0 WHERE rowid = ?")
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, row := range again {
			if _, err := stmt.ExecContext(ctx, row); err != nil {
				return err
			}
		}
		return nil
	}))
}

// load gives the rows whose records were settled and are read again; there are
// no more of them than can be in flight.
func (s *Store) load(ctx context.Context, run Run) (again []uint64, err error) {
	// In crawl order the source changes seldom, so it is looked up when it does.
	rows, err := s.db.QueryContext(ctx, "SELECT rowid, id, source, part, pass, status FROM items")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	of, err := s.db.PrepareContext(ctx, "SELECT pass, CASE WHEN whole THEN -1 ELSE settled END FROM sources WHERE id = ? AND walked = ?")
	if err != nil {
		return nil, err
	}
	defer of.Close()
	var source, live, settled int64 = -1, -1, -1
	for rows.Next() {
		var row uint64
		var id sql.RawBytes
		var src, part, pass, status int64
		if err := rows.Scan(&row, &id, &src, &part, &pass, &status); err != nil {
			return nil, err
		}
		if src != source {
			source, live, settled = src, -1, -1
			err := of.QueryRowContext(ctx, src, run.Walk).Scan(&live, &settled)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
		}
		if _, _, err := s.index.getOrPut(string(id), row); err != nil {
			return nil, err
		}
		switch {
		case pass != live, part == nowhere && status == statusWithdrawn:
		case settled >= 0 && part >= settled:
			again = append(again, row)
		default:
			s.seen.set(row)
			if part == nowhere {
				s.held.set(row)
			}
		}
		s.nextRow = max(s.nextRow, row+1)
		s.known++
	}
	return again, rows.Err()
}

// Known is how many items the target may have, as of Load.
func (s *Store) Known() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
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
	rows, err := s.db.QueryContext(ctx, `SELECT id, ord, source, path, size, modified, digest, hash, run, pass, settled, whole, coalesce(failed, ''), coalesce(parser, ''),
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
		if err := rows.Scan(&src.ID, &src.Ord, &src.Name, &src.Path, &src.Size, &modified, &digest, &src.Known, &src.Run, &src.Pass, &src.Resume, &src.Whole, &src.Failed, &src.Parser,
			&src.Read, &src.Stored, &src.Unchanged, &src.Filtered, &src.Quarantined, &src.Duplicates); err != nil {
			return nil, err
		}
		src.Modified = time.Unix(0, modified)
		copy(src.Digest[:], digest)
		src.Skip = src.Whole || src.Failed != ""
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
	_, err := tx.ExecContext(ctx, `UPDATE sources SET settled = ?, ended = ?, whole = ?, modified = ?, hash = CASE WHEN ? THEN ? ELSE hash END, parser = nullif(?, ''), failed = nullif(?, ''),
		proof = ? AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.source = sources.id AND q.pass = sources.pass AND q.item IS NULL),
		read = ?, stored = ?, unchanged = ?, filtered = ?, quarantined = ?, duplicates = ? WHERE id = ?`,
		src.Settled(), src.Ended, src.Whole, src.stamp(), src.Ended, src.Hash, src.Parser, src.Failed, src.Whole,
		src.Read, src.Stored, src.Unchanged, src.Filtered, src.Quarantined, src.Duplicates, src.ID)
	if err == nil {
		err = src.writeFixes(ctx, tx)
	}
	if err == nil {
		err = src.writeMissed(ctx, tx)
	}
	if err == nil {
		err = src.writeNamed(ctx, tx)
	}
	if err == nil && src.Ended {
		_, err = tx.ExecContext(ctx, "DELETE FROM quarantine WHERE source = ? AND pass <> ?", src.ID, src.Pass)
	}
	return err
}

// Knows tells whether anything is known of the target.
func (s *Store) Knows(ctx context.Context) (known bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM items) OR EXISTS (SELECT 1 FROM groups) OR EXISTS (SELECT 1 FROM sources WHERE whole)`).Scan(&known)
	return known, s.wrap(err)
}

// HasRefusals tells whether the quarantine holds anything.
func (s *Store) HasRefusals(ctx context.Context) (has bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1"+quarantineOfSources+")").Scan(&has)
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
