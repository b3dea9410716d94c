package localgraph

// The store is one SQLite file, graph.db, in WAL mode. Its layout, version 2:
//
//	meta         key -> value: instance (a random id), gen (counts changes of
//	             connections and schemas; a snapshot is right while gen stands)
//	connections  n, id, state, doc (the other fields as JSON), schema, pending
//	operations   id, connection, status, error, due (unix ms), schema
//	acls         each distinct ACL of a connection once: n, hash, entries
//	aces         (connection, who, deny, acl): which ACLs name a principal
//	groups, members        external groups; members are found by the member
//	people, teams, team_members   the directory
//	activities   what addActivities stored
//
// and for each connection n that has had a schema four tables of its own,
// dropped with it:
//
//	i<n>  narrow: n, id, acl, modified (unix ms), digest, and one column p<k>
//	      for the k-th property of the schema if it is queryable or refinable
//	b<n>  the bulk: n, props (JSON as answered), ctype, content, label
//	f<n>  FTS5 over title, props, content; contentless, so that a row is
//	      removed without reading its old text
//	v<n>  a view of f<n>: its words (fts5vocab); since version 2
//
// digest covers what the index was made from, so a PUT that changes only the
// ACL leaves f<n> and b<n> alone.

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"
)

const layoutVersion = 2

var layout = []string{
	`CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID`,
	`CREATE TABLE connections (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL,
		state TEXT NOT NULL, doc TEXT NOT NULL, schema TEXT, pending TEXT, deleting INTEGER NOT NULL DEFAULT 0)`,
	`CREATE TABLE operations (id TEXT PRIMARY KEY, conn INTEGER NOT NULL, status TEXT NOT NULL, error TEXT, due INTEGER NOT NULL, schema TEXT NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE acls (n INTEGER PRIMARY KEY AUTOINCREMENT, conn INTEGER NOT NULL, hash BLOB NOT NULL, entries TEXT NOT NULL, UNIQUE (conn, hash))`,
	`CREATE TABLE aces (conn INTEGER NOT NULL, who TEXT NOT NULL, deny INTEGER NOT NULL, acl INTEGER NOT NULL, PRIMARY KEY (conn, who, deny, acl)) WITHOUT ROWID`,
	`CREATE TABLE groups (conn INTEGER NOT NULL, id TEXT NOT NULL, name TEXT, description TEXT, PRIMARY KEY (conn, id)) WITHOUT ROWID`,
	`CREATE TABLE members (conn INTEGER NOT NULL, who TEXT NOT NULL, grp TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (conn, who, grp)) WITHOUT ROWID`,
	`CREATE INDEX members_grp ON members (conn, grp)`,
	`CREATE TABLE activities (n INTEGER PRIMARY KEY, conn INTEGER NOT NULL, item TEXT NOT NULL, doc TEXT NOT NULL)`,
	`CREATE INDEX activities_item ON activities (conn, item)`,
	`CREATE TABLE people (id TEXT PRIMARY KEY COLLATE NOCASE, upn TEXT COLLATE NOCASE, mail TEXT COLLATE NOCASE, name TEXT, employee TEXT, guest INTEGER NOT NULL) WITHOUT ROWID`,
	`CREATE INDEX people_upn ON people (upn)`,
	`CREATE INDEX people_mail ON people (mail)`,
	`CREATE TABLE teams (id TEXT PRIMARY KEY COLLATE NOCASE, name TEXT, mail TEXT COLLATE NOCASE) WITHOUT ROWID`,
	`CREATE TABLE team_members (who TEXT NOT NULL, grp TEXT NOT NULL, PRIMARY KEY (who, grp)) WITHOUT ROWID`,
	`CREATE INDEX team_members_grp ON team_members (grp)`,
	`INSERT INTO meta VALUES ('gen', 1)`,
}

// openStore opens the file with a pool of readers and one writer.
func (s *Server) openStore(dir string) error {
	if err := registerFunctions(); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(dir, "graph.db"))
	if err != nil {
		return err
	}
	// NORMAL syncs at checkpoints: a killed process loses nothing, a power
	// cut may lose the last transactions but never tears one.
	dsn := func(cacheKB int, more string) string {
		return (&url.URL{Scheme: "file", Path: path}).String() + "?" + more +
			"&_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)" +
			fmt.Sprintf("&_pragma=temp_store(memory)&_pragma=cache_size(-%d)", cacheKB)
	}
	// 8,000 pages between checkpoints instead of 1,000 write fewer pages twice.
	wdb, err := sql.Open("sqlite", dsn(32<<10, "_txlock=immediate&_pragma=wal_autocheckpoint(8000)"))
	if err != nil {
		return err
	}
	wdb.SetMaxOpenConns(1)
	if s.id, err = migrate(wdb); err != nil {
		wdb.Close()
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil { // it holds what not everybody may see
		wdb.Close()
		return err
	}
	if s.db, err = sql.Open("sqlite", dsn(16<<10, "_pragma=query_only(1)")); err != nil {
		wdb.Close()
		return err
	}
	s.db.SetMaxOpenConns(4)
	s.db.SetMaxIdleConns(4)
	if s.w, err = newWriter(wdb); err != nil {
		s.db.Close()
		wdb.Close()
		return err
	}
	if err := s.refresh(context.Background()); err != nil {
		s.w.close()
		s.db.Close()
		return err
	}
	return nil
}

// A snapshot is what requests need to know of all connections. It is never
// changed, only replaced.
type snapshot struct {
	gen  int64
	byID map[string]*connection // by lower-case id
	list []*connection          // by id
}

// A connection is a row of connections, with its schema compiled.
type connection struct {
	gen      int64 // of the snapshot
	n        int64
	id       string
	state    string
	doc      connectionDoc
	apps     []string // authorizedAppIds
	schema   *schema  // nil until registered
	pending  *schema  // while its registration is under way
	deleting bool
}

func (cn *connection) items() string  { return fmt.Sprintf("i%d", cn.n) }
func (cn *connection) bodies() string { return fmt.Sprintf("b%d", cn.n) }
func (cn *connection) index() string  { return fmt.Sprintf("f%d", cn.n) }

// vocabulary is the words of the index.
func (cn *connection) vocabulary() string { return fmt.Sprintf("v%d", cn.n) }

// refresh replaces the snapshot if the file has changed since it was taken,
// by this process or another.
func (s *Server) refresh(ctx context.Context) error {
	var gen int64
	if err := s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'gen'`).Scan(&gen); err != nil {
		return err
	}
	if old := s.snap.Load(); old != nil && old.gen == gen {
		return nil
	}
	s.load.Lock()
	defer s.load.Unlock()
	if old := s.snap.Load(); old != nil && old.gen >= gen {
		return nil
	}
	snap, err := readSnapshot(ctx, s.db)
	if err != nil {
		return err
	}
	s.snap.Store(snap)
	return nil
}

func readSnapshot(ctx context.Context, db *sql.DB) (*snapshot, error) {
	// One statement, so that gen and the rows are of one moment.
	rows, err := db.QueryContext(ctx, `SELECT m.value, c.n, c.id, c.state, c.doc, c.schema, c.pending, c.deleting
		FROM meta m LEFT JOIN connections c ON true WHERE m.key = 'gen' ORDER BY c.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	snap := &snapshot{byID: map[string]*connection{}}
	for rows.Next() {
		var n, deleting sql.NullInt64
		var id, state, doc, schema, pending sql.NullString
		if err := rows.Scan(&snap.gen, &n, &id, &state, &doc, &schema, &pending, &deleting); err != nil {
			return nil, err
		}
		if !n.Valid {
			continue // there is no connection
		}
		cn := &connection{gen: snap.gen, n: n.Int64, id: id.String, state: state.String, deleting: deleting.Int64 != 0}
		if err := json.Unmarshal([]byte(doc.String), &cn.doc); err != nil {
			return nil, fmt.Errorf("connection %s: its fields: %w", cn.id, err)
		}
		cn.apps = authorizedApps(cn.doc.Configuration)
		if cn.schema, err = storedSchema(schema.String); err != nil {
			return nil, fmt.Errorf("connection %s: its schema: %w", cn.id, err)
		}
		if cn.pending, err = storedSchema(pending.String); err != nil {
			return nil, fmt.Errorf("connection %s: its next schema: %w", cn.id, err)
		}
		snap.list = append(snap.list, cn)
		snap.byID[strings.ToLower(cn.id)] = cn
	}
	return snap, rows.Err()
}

// connection finds a connection by its id, as the file has it now.
func (s *Server) connection(ctx context.Context, id string) (*connection, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	return s.cached(id)
}

// cached finds a connection as it was when the snapshot was taken.
func (s *Server) cached(id string) (*connection, error) {
	cn := s.snap.Load().byID[strings.ToLower(id)]
	if cn == nil {
		return nil, notFound("The connection '%s' was not found.", id)
	}
	return cn, nil
}

// usable refuses work inside a connection that is being deleted
// (msgraph-connectors-sdk#13).
func (cn *connection) usable() error {
	if cn.deleting {
		return notFound("The connection '%s' is being deleted.", cn.id)
	}
	return nil
}

// The states of a connection, with what they allow (manage-connections page):
// draft has no items yet, ready everything, limitExceeded no new items,
// obsolete only reading and deleting.
const (
	stateDraft    = "draft"
	stateReady    = "ready"
	stateLimit    = "limitExceeded"
	stateObsolete = "obsolete"
)

// writable refuses changes inside a connection that is obsolete. The status is
// not documented; as for a draft, it is not the item's fault.
func (cn *connection) writable() error {
	if err := cn.usable(); err != nil {
		return err
	}
	if cn.state == stateObsolete {
		return conflict("The connection '%s' is in state obsolete; it can be read and deleted only.", cn.id)
	}
	return nil
}

// errNothing ends a change that has found nothing to do.
var errNothing = errors.New("nothing to change")

// change runs f in a transaction of the writer, counts the change, and makes
// this process see it.
func (s *Server) change(ctx context.Context, f func(tx *wtx) error) error {
	err := s.w.do(ctx, func(tx *wtx) error {
		if err := f(tx); err != nil {
			return err
		}
		return tx.exec(`UPDATE meta SET value = value + 1 WHERE key = 'gen'`)
	})
	if err != nil && !errors.Is(err, errNothing) {
		return err
	}
	return s.refresh(ctx)
}

// dropTables removes a connection's own tables.
func dropTables(tx *wtx, n int64) error {
	for _, prefix := range []string{"v", "i", "b", "f"} {
		if err := tx.exec(fmt.Sprintf(`DROP TABLE IF EXISTS %s%d`, prefix, n)); err != nil {
			return err
		}
	}
	return nil
}

// makeTables makes a connection's own tables, or adds the columns of
// properties that became queryable or refinable. Such a column is empty until
// its items are sent again, as the service documents.
func makeTables(tx *wtx, n int64, sc *schema) error {
	stmts := []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS i%d (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, acl INTEGER NOT NULL, modified INTEGER NOT NULL, digest BLOB NOT NULL)`, n),
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS b%d (n INTEGER PRIMARY KEY, props TEXT NOT NULL, ctype INTEGER NOT NULL, content TEXT NOT NULL, label TEXT NOT NULL)`, n),
	}
	for _, stmt := range append(stmts, indexTables(n)...) {
		if err := tx.exec(stmt); err != nil {
			return err
		}
	}
	have := map[string]bool{}
	err := tx.each(fmt.Sprintf(`SELECT name FROM pragma_table_info('i%d')`, n), func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		have[name] = true
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range sc.props {
		if col := p.column(); p.stored() && !have[col] {
			if err := tx.exec(fmt.Sprintf(`ALTER TABLE i%d ADD COLUMN %s`, n, col)); err != nil {
				return err
			}
		}
	}
	return nil
}

// indexTables are the statements that make the index of a connection.
func indexTables(n int64) []string {
	return []string{
		// With an index of first letters, a* costs as much as a frequent word;
		// without it, it merges a part of all the index, in memory. Longer
		// prefixes do well by merging, and would make the store a third larger.
		fmt.Sprintf(`CREATE VIRTUAL TABLE IF NOT EXISTS f%d USING fts5(title, props, content, content='', contentless_delete=1, prefix='1', tokenize='unicode61 remove_diacritics 2')`, n),
		fmt.Sprintf(`CREATE VIRTUAL TABLE IF NOT EXISTS v%d USING fts5vocab(f%[1]d, row)`, n),
		// Every transaction makes a segment of the index. Merged 16 at a time
		// instead of 4, they are written half as often: a fifth of the CPU of a
		// first crawl.
		fmt.Sprintf(`INSERT INTO f%d (f%d, rank) VALUES ('automerge', 16)`, n, n),
	}
}
