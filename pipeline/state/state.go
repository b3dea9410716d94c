// Package state remembers what a crawl must not forget: which items may be in
// the target, from which record each came, how far each file was read, what
// was refused, and the runs.
//
// There is no call that lists the items of a connection, so this memory is the
// only one: an item that was sent and not written down could never be deleted
// again. The order of writing follows from that:
//
//	Admit    writes the ids that are about to be sent (an intent)    durable before the first request
//	Settle   writes what the target answered, and how far the crawl
//	         is settled, and takes the intent away                   one transaction
//
// A process that is killed between the two leaves intents; [Open] turns them
// into items of unknown content, which are sent again when the crawl meets
// them and deleted when it does not.
//
// # Layout
//
// One SQLite file a connection and target, in WAL mode with synchronous=NORMAL:
// it loses nothing when the process is killed. For targets on other machines
// it is FULL, so that a power cut takes nothing either. Any SQLite tool opens it.
//
//	meta        name -> value
//	runs        a row a crawl, with its balance
//	sources     a row a file: fingerprint, how far it is read, its balance
//	items       a row an item, in crawl order; row numbers are given out in that order
//	intents     a row a batch in flight: the ids that may have reached the target
//	quarantine  a row a refused record
//	fixes       a row a record that somebody has mended: see fixes.go
//	doings      the activities that were sent of an item
//	groups, members  external groups as the target has them
//	people      what a directory has said of names: see people.go
//	audiences   the different ACLs of items: see audience.go
//	unknowns    names in permissions that are nobody's, by file
//	named, unfit  records that events name and that are no items: see named.go
//
// items has no index by id, on purpose: see index.
package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"

	"importer/extract/scratch"
)

const schemaVersion = 5

const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
  id       INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL DEFAULT 'incremental', -- or full: no file was taken as unchanged for its size and time
  started  TEXT NOT NULL,          -- RFC 3339, UTC
  ended    TEXT,                   -- NULL while it runs, and after a kill
  status   TEXT NOT NULL,          -- running, interrupted, failed, done
  mapping  BLOB NOT NULL,          -- digest of the mapping file
  pass     INTEGER NOT NULL,       -- the first reading of the run
  known    INTEGER,                -- items in the target when its sweep began
  deleted  INTEGER NOT NULL DEFAULT 0, -- by its sweep so far: the guard counts a run, not a process
  widened  INTEGER NOT NULL DEFAULT 0, -- items sent to more people than before; the same
  withdrawn INTEGER NOT NULL DEFAULT 0, -- of the deleted, those that were there for others than they should be
  plan     TEXT,                   -- of the plan that it carries out, if any
  summary  TEXT                    -- JSON, once ended
);
CREATE TABLE sources (
  id       INTEGER PRIMARY KEY,
  source   TEXT NOT NULL,          -- the mapping's source
  path     TEXT NOT NULL,          -- relative to the source's root
  ord      INTEGER NOT NULL,       -- its place in the order of the last walk
  size     INTEGER NOT NULL,
  modified INTEGER NOT NULL,       -- ns since 1970
  hash     BLOB,                   -- SHA-256 of the content that was read whole
  digest   BLOB NOT NULL,          -- what decides what its records become
  run      INTEGER NOT NULL,       -- the last run that read it
  walked   INTEGER NOT NULL,       -- the last walk that met it
  pass     INTEGER NOT NULL,       -- the last reading of it, unique in the file
  settled  INTEGER NOT NULL,       -- records of that pass that are done with
  ended    INTEGER NOT NULL,       -- 1: that pass is over, for the file's end or for an error
  whole    INTEGER NOT NULL,       -- 1: it reached the end of the file
  proof    INTEGER NOT NULL,       -- 1: and every record of it was understood
  recheck  INTEGER NOT NULL DEFAULT 0, -- 1: unchanged, but read again if anything else has changed
  parser   TEXT,                   -- what read it: a format and its version; NULL is not known
  doubt    TEXT,                   -- why it is not proven to be gone, though the last walk did not meet it
  failed   TEXT,                   -- the reason why it cannot be read whole, where the same content would fail so again
  read INTEGER NOT NULL, stored INTEGER NOT NULL, unchanged INTEGER NOT NULL,
  filtered INTEGER NOT NULL, quarantined INTEGER NOT NULL, duplicates INTEGER NOT NULL,
  UNIQUE (source, path)
);
CREATE INDEX sources_ord ON sources (walked, ord);
CREATE TABLE items (
  id     TEXT NOT NULL,
  source INTEGER NOT NULL,         -- sources.id
  part   INTEGER NOT NULL,         -- which record of the file, from 0
  pass   INTEGER NOT NULL,         -- the reading that last met it
  sent   INTEGER NOT NULL,         -- the reading that last sent it
  line   INTEGER NOT NULL,         -- line, row or page, and 2^32 times the column, if any; 0 is the whole file
  sheet  TEXT,
  digest BLOB,                     -- see admit.go; NULL: what the target has is not known
  status INTEGER NOT NULL,         -- 0 sent, unanswered; 1 stored; 2 rejected; 3 to be withdrawn
  open   INTEGER NOT NULL,         -- who may see what the target has: -1 not known, or nothing there; 1 everyone but guests; 2 everyone; else 0
  denies TEXT,                     -- who may not, a line each
  missed INTEGER,                  -- runs in a row that did not find its record; NULL is 0
  missed_run INTEGER,              -- the last of them
  audience INTEGER,                -- audiences.id: for whom the target has it; NULL is not known
  was      INTEGER,                -- the same before the run that last changed it; NULL: it was not there
  changed  INTEGER                 -- that run
);
CREATE TABLE intents (seq INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE quarantine (
  source INTEGER NOT NULL, pass INTEGER NOT NULL, part INTEGER NOT NULL,
  item TEXT, stage TEXT NOT NULL, reason TEXT NOT NULL,
  file TEXT NOT NULL, sheet TEXT, page INTEGER, line INTEGER, col INTEGER,
  property TEXT, value TEXT, detail TEXT NOT NULL, run INTEGER NOT NULL,
  record TEXT,                     -- JSON: the record as it was tried, see Record; NULL: it has no columns, or too many
  sum    BLOB,                     -- the record as the file has it, see Sum; NULL: it has no columns
  fix    INTEGER NOT NULL DEFAULT 0 -- 1 + nth of the fix that it was tried with; 0 is none
);
CREATE INDEX quarantine_source ON quarantine (source);
CREATE INDEX quarantine_sum ON quarantine (sum) WHERE sum IS NOT NULL;
` + rejectedIndex + fixesTable + `
CREATE TABLE doings (              -- activities, see doings.go
  item INTEGER PRIMARY KEY,        -- items.rowid
  sent BLOB NOT NULL);
CREATE TABLE groups (             -- sure is 0 while it is not known whether the target has it so
  id TEXT PRIMARY KEY, display TEXT NOT NULL, description TEXT NOT NULL, sure INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE members (
  grp TEXT NOT NULL, type TEXT NOT NULL, member TEXT NOT NULL, sure INTEGER NOT NULL, PRIMARY KEY (grp, type, member)) WITHOUT ROWID;
` + peopleTables + audiencesTable + namedTables

// steps bring a file of version n+1 to version n+2.
var steps = []string{`
ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'incremental';
ALTER TABLE runs ADD COLUMN widened INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN plan TEXT;
ALTER TABLE sources ADD COLUMN hash BLOB;
ALTER TABLE sources ADD COLUMN recheck INTEGER NOT NULL DEFAULT 0;
CREATE TABLE doings (item INTEGER PRIMARY KEY, sent BLOB NOT NULL);
ALTER TABLE items ADD COLUMN missed INTEGER;
ALTER TABLE items ADD COLUMN missed_run INTEGER;
ALTER TABLE sources ADD COLUMN parser TEXT;
ALTER TABLE sources ADD COLUMN failed TEXT;
ALTER TABLE quarantine ADD COLUMN record TEXT;
ALTER TABLE quarantine ADD COLUMN sum BLOB;
ALTER TABLE quarantine ADD COLUMN fix INTEGER NOT NULL DEFAULT 0;
CREATE INDEX quarantine_sum ON quarantine (sum) WHERE sum IS NOT NULL;
` + fixesTable, `
ALTER TABLE runs ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sources ADD COLUMN doubt TEXT;`, peopleTables + audiencesTable + `
ALTER TABLE items ADD COLUMN audience INTEGER;
ALTER TABLE items ADD COLUMN was INTEGER;
ALTER TABLE items ADD COLUMN changed INTEGER;
`, rejectedIndex + namedTables + "DELETE FROM meta WHERE name = '" + metaEven + "';", // the next run looks at the items
}

// rejectedIndex finds what the target has said of an item. Those who look for it
// write +source, or the planner would go through all that is refused of the file.
const rejectedIndex = "CREATE INDEX quarantine_item ON quarantine (item) WHERE stage = 'load';\n"

// ErrLocked means that another process is at work on the same connection.
var ErrLocked = errors.New("locked")

// A Store is the memory of one connection. One process has it at a time. It is
// safe for concurrent use.
type Store struct {
	db   *sql.DB
	lock *flock.Flock
	path string
	temp *scratch.Folder // to be removed with Close; nil is none
	keep bool            // items are written down
	old  bool            // of a version without people and audiences; only a Reader has such a file

	// Before, if not nil, is told of what is to be sent, in crawl order and before
	// anything is written down or sent; its error stops the crawl.
	Before func(entries []Entry, verdicts []Verdict) error
	// Plan is the plan that the run carries out, "" if none.
	Plan string
	// LastWins tells that of two records with one id the later is sent as well.
	LastWins bool
	// MaxWidenings is the most ACL widenings of a run; negative is no limit.
	MaxWidenings int64
	// MissedRuns is in how many runs in a row a record must be missing before
	// its item is deleted; 0 is 1.
	MissedRuns int

	mu      sync.Mutex // guards the fields below, and orders the writes
	index   *index
	seen    bitset  // rows that the present run has met
	held    bitset  // those of them that only a refused record has met so far
	nextRow uint64  // the row number of the next new item
	nextSeq int64   // the number of the next intent
	run     int64   // the present one
	keys    []entry // of the batch that is admitted
	// nextPass is the number of the next reading; 0 is not known yet.
	nextPass int64
	// firstPass is the first reading of the present run, those before it was
	// interrupted included.
	firstPass int64
	// mapping is the digest of the present run's mapping.
	mapping   [32]byte
	known     int64            // items that the target may have, as of Load
	firstNew  uint64           // the row of the first item that was not known, as of Load
	widened   int64            // items sent to more people than before
	widenings []Widening       // the first of them
	audiences map[string]int64 // ids, of those that were met
	insert    *sql.Stmt
	many      *sql.Stmt // insert of rowsPerInsert rows
	refuse    *sql.Stmt // insert into quarantine
	byRow     *sql.Stmt
	byRange   *sql.Stmt
	// unwritten are files whose balance is behind. A store that keeps nothing
	// writes it when the file has ended, or when it is asked for.
	unwritten map[*Source]bool
}

// Open opens the memory in the file dir/name.db, making it when there is none,
// and takes its lock. It returns an error that wraps ErrLocked when another
// process has it.
//
// With durable set, commits survive a power cut as well, at an fsync each. It
// is for targets on other machines: what has reached one must not be forgotten
// here.
func Open(ctx context.Context, dir, name string, durable bool) (*Store, error) {
	return open(ctx, dir, name, nil, true, durable)
}

// OpenCopy opens a copy of the memory in dir/name.db, or an empty one when there
// is none. What is written to it goes away with Close.
func OpenCopy(ctx context.Context, dir, name string) (s *Store, err error) {
	temp, err := scratch.New("state")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			temp.Remove()
		}
	}()
	if _, err := os.Stat(filepath.Join(dir, name+".db")); err == nil {
		lock, err := takeLock(dir, name)
		if err != nil {
			return nil, err
		}
		// Nobody writes while the lock is held, so file and log are of one moment.
		err = errors.Join(copyFiles(dir, temp.Path, name+".db", name+".db-wal"), lock.Unlock())
		if err != nil {
			return nil, err
		}
	}
	return open(ctx, temp.Path, name, temp, true, false)
}

func copyFiles(from, to string, names ...string) error {
	for _, name := range names {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot copy the state %s: %w; make room, or set TMPDIR to another folder", filepath.Join(from, name), err)
		}
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// takeLock takes the lock of a memory. Its error wraps ErrLocked when another
// process has it.
func takeLock(dir, name string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, name+".lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("cannot lock the state: %w; choose another folder with --data", err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: another run works on %s (it holds %s); wait for it to end, or stop it", ErrLocked, name, lock.Path())
	}
	return lock, nil
}

func open(ctx context.Context, dir, name string, temp *scratch.Folder, keep, durable bool) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder for the state: %w; choose another with --data", err)
	}
	lock, err := takeLock(dir, name)
	if err != nil {
		return nil, err
	}
	s := &Store{temp: temp, keep: keep, lock: lock, path: filepath.Join(dir, name+".db"), index: newIndex(dir), nextRow: 1, MaxWidenings: -1}
	if err := s.open(ctx, durable); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// OpenTemp gives a Store that knows one run and keeps nothing: items are not
// written down, and its files go away with Close.
func OpenTemp(ctx context.Context) (*Store, error) {
	dir, err := scratch.New("state")
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, dir.Path, "run", dir, false, false)
	if err != nil {
		dir.Remove()
		return nil, err
	}
	return s, nil
}

// Reader opens the memory for looking only, without its lock; a crawl may be
// at work on it. It returns fs.ErrNotExist when there is none.
func Reader(dir, name string) (*Store, error) {
	path := filepath.Join(dir, name+".db")
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "&mode=ro"))
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, path: path, keep: true, index: newIndex(dir)}
	if err := s.checkVersion(context.Background()); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// Keeps tells whether the store remembers anything after the process.
func (s *Store) Keeps() bool { return s.keep }

// dsn names the file and the settings of every connection to it. 20,000 pages
// between checkpoints saves 28 % of the CPU of a load; 8 MiB of cache is
// plenty, as all writing is in order.
func dsn(path, more string) string {
	path = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)" +
		"&_pragma=cache_size(-8192)&_pragma=wal_autocheckpoint(20000)&_txlock=immediate" + more
}

func (s *Store) open(ctx context.Context, durable bool) error {
	if old, err := filepath.Glob(filepath.Join(filepath.Dir(s.path), "ids-*.tmp")); err == nil {
		for _, f := range old { // left by a killed process, where open files cannot be removed
			os.Remove(f)
		}
	}
	sync := "&_pragma=synchronous(NORMAL)"
	if durable {
		sync = "&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open("sqlite", dsn(s.path, sync))
	if err != nil {
		return s.wrap(err)
	}
	s.db = db
	// One connection writes; a second lets rows be read while it does.
	db.SetMaxOpenConns(2)
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		return s.wrap(err)
	}
	if err := s.prepare(ctx); err != nil {
		return s.wrap(err)
	}
	return s.wrap(s.recoverIntents(ctx))
}

func (s *Store) checkVersion(ctx context.Context) error {
	var version int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return s.wrap(err)
	}
	s.old = version < peopleSince
	if version > schemaVersion {
		return fmt.Errorf("the state %s was written by a newer importer (its version is %d, this one knows %d); use that importer, or another folder with --data",
			s.path, version, schemaVersion)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	var version int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return s.wrap(err)
	}
	if version == schemaVersion {
		return nil
	}
	s.old = false
	change := schema
	if version > 0 {
		change = strings.Join(steps[version-1:], "\n")
	}
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, change); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	}))
}

// tx runs do in a transaction. When it returns nil the transaction is durable
// against the death of the process.
func (s *Store) tx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// wrap says which file an error of the database is about, and what to do.
func (s *Store) wrap(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var lite *sqlite.Error
	another := "choose another folder with --data"
	if s.temp != nil {
		another = "set TMPDIR to another folder"
	}
	remedy := "check the disk, or " + another
	switch {
	case errors.As(err, &lite):
		switch code := lite.Code(); {
		case code&0xff == 13, code == 4874: // SQLITE_FULL, SQLITE_IOERR_SHMSIZE: no room for the index of the log
			remedy = "the disk is full: make room and run again, the crawl goes on where it was"
			if s.temp != nil {
				remedy = "the disk is full: make room, or " + another
			}
		case code&0xff == 8, code&0xff == 14: // SQLITE_READONLY, SQLITE_CANTOPEN
			remedy = "the folder or the file in it cannot be written: make it writable, or " + another
		case code&0xff == 11, code&0xff == 26: // SQLITE_CORRUPT, SQLITE_NOTADB
			remedy = "the file is damaged: restore it from a backup, or move it away and delete the connection, so that the next run starts afresh"
		case code&0xff == 5: // SQLITE_BUSY
			remedy = "another program holds the file: close it and run again"
		}
	case errors.Is(err, fs.ErrPermission):
		remedy = "it cannot be written: make it writable, or " + another
	}
	return fmt.Errorf("the state %s: %w; %s", s.path, err, remedy)
}

// Close gives the lock back. What was committed stays.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.close()
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	if s.temp != nil {
		s.temp.Remove()
	}
	return err
}
