package state

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
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

// SetMetas stores values under names, all of them or none; "" takes a name out.
func (s *Store) SetMetas(ctx context.Context, values map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for name, value := range values {
			if _, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE name = ?", name); err != nil {
				return err
			}
			if value == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?)", name, value); err != nil {
				return err
			}
		}
		return nil
	}))
}
