package pipeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"modernc.org/sqlite"

	"importer/transform"
)

// A moment is when a process ends.
//
//	request before   the k-th request is on its way, and has no effect any more
//	request after    it has had its effect, and its answer is lost
//	request failing  its answer is lost, and no later one comes through. The process
//	                 ends by itself
//	commit before    the k-th transaction of the state is about to be committed
//	commit after     it is committed, and nothing has happened since
//	commit failing   it fails, and so does every later one: the disk is full. The
//	                 process ends by itself
//	commit hiccup    it alone fails
type moment struct {
	what, when string
	k          int
}

func (m moment) String() string { return fmt.Sprintf("%s %d, %s", m.what, m.k, m.when) }

var kindsOfMoments = []moment{{what: "request", when: "before"}, {what: "request", when: "after"}, {what: "request", when: "failing"},
	{what: "commit", when: "before"}, {what: "commit", when: "after"}, {what: "commit", when: "failing"}, {what: "commit", when: "hiccup"}}

// commitHooks are asked before each commit of a state, by the path of its file;
// an answer that is not 0 makes the commit fail.
var commitHooks sync.Map // string -> func() int32

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		// The death of a process takes nothing back that was given to the system,
		// and fsync is most of what these tests would cost.
		if _, err := conn.ExecContext(context.Background(), "PRAGMA synchronous=OFF", nil); err != nil {
			return err
		}
		path, _, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
		conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			if hook, ok := commitHooks.Load(path); ok {
				return hook.(func() int32)()
			}
			return 0
		})
		return nil
	})
}

// onCommit sets the hook of w's state until the function it returns is called.
func (w *world) onCommit(hook func() int32) (remove func()) {
	path := filepath.ToSlash(filepath.Join(w.state, "testconnection.db"))
	commitHooks.Store(path, hook)
	return func() { commitHooks.Delete(path) }
}

// A holding is what a target has at some moment.
type holding struct {
	items  map[string]string
	groups map[string][]transform.Member
	ready  bool
}

func (w *world) holding() *holding {
	r := &holding{items: w.target.snapshot()}
	if w.admin != nil {
		w.admin.mu.Lock()
		defer w.admin.mu.Unlock()
		r.ready = w.admin.ready
		r.groups = map[string][]transform.Member{}
		for id, members := range w.admin.groups {
			r.groups[id] = slices.Clone(members)
		}
	}
	return r
}

func (w *world) restore(r *holding) {
	w.target.items = r.items
	if w.admin != nil {
		w.admin.groups, w.admin.ready = r.groups, r.ready
	}
	w.target.requests, w.target.puts, w.target.deletes = 0, 0, 0
}

// groups says who is in which external group of the target.
func (r *holding) members() string {
	var lines []string
	for id, members := range r.groups {
		var names []string
		for _, m := range members {
			names = append(names, m.Type+":"+m.ID)
		}
		slices.Sort(names)
		lines = append(lines, id+" "+strings.Join(names, " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// dieAt lets do work until the moment and leaves w as the process would. It
// reports whether do got there.
func (w *world) dieAt(m moment, do func() error) bool {
	w.t.Helper()
	if m.what == "request" && m.when == "failing" {
		return w.failDuring(m.k, do)
	}
	if m.what == "request" {
		return w.killDuring(m.k, m.when == "after", do)
	}
	var left *holding
	copied := filepath.Join(w.dir, fmt.Sprintf("state-%d-%s", m.k, m.when))
	n, died := 0, false
	remove := w.onCommit(func() int32 {
		switch n++; {
		case died:
			return 1
		case m.when == "before" && n == m.k, m.when == "after" && n == m.k+1:
			copyDir(w.t, w.state, copied)
			if died = true; left == nil {
				left = w.holding()
			}
			return 1
		case m.when == "after" && n == m.k:
			left = w.holding()
		case m.when == "failing" && n >= m.k, m.when == "hiccup" && n == m.k:
			return 1
		}
		return 0
	})
	err := do()
	remove()
	switch m.when {
	case "before", "after":
		if !died {
			if err != nil {
				w.t.Fatalf("%v: %v", m, err)
			}
			return false // the last commit of all
		}
		w.restore(left)
		w.state = copied
	default:
		if n < m.k {
			if err != nil {
				w.t.Fatalf("%v: %v", m, err)
			}
			return false
		}
		w.target.requests = 0
	}
	if err == nil {
		w.t.Fatalf("%v: the commit failed, and nobody noticed", m)
	}
	return true
}

// killDuring ends a process at its k-th request as a SIGKILL would.
func (w *world) killDuring(k int, after bool, do func() error) bool {
	w.t.Helper()
	var once sync.Once
	var left *holding
	copied := filepath.Join(w.dir, fmt.Sprintf("state-%d-%v", k, after))
	base := w.target.requests
	w.target.onRequest = func(n int, isAfter bool) error {
		if n-base < k || isAfter != after && n-base == k {
			return nil
		}
		once.Do(func() {
			// The state first: others are still at work, and it never says
			// stored of what the target does not have.
			copyDir(w.t, w.state, copied)
			left = w.holding()
		})
		return errKilled
	}
	err := do()
	w.target.onRequest = nil
	if left == nil {
		if err != nil {
			w.t.Fatalf("crawl: %v", err)
		}
		return false
	}
	if !errors.Is(err, errKilled) {
		w.t.Fatalf("the killed crawl ended with %v", err)
	}
	w.restore(left)
	w.state = copied
	return true
}

// failDuring lets every request from the k-th on fail for good; the k-th has had
// its effect.
func (w *world) failDuring(k int, do func() error) bool {
	w.t.Helper()
	var failed atomic.Bool
	base := w.target.requests
	w.target.onRequest = func(n int, isAfter bool) error {
		if n-base > k || n-base == k && isAfter {
			failed.Store(true)
			return errKilled
		}
		return nil
	}
	err := do()
	w.target.onRequest, w.target.requests = nil, 0
	switch {
	case !failed.Load() && err != nil:
		w.t.Fatalf("crawl: %v", err)
	case failed.Load() && !errors.Is(err, errKilled):
		w.t.Fatalf("request %d failed, and the crawl ended with %v", k, err)
	}
	return failed.Load()
}

// copyDir copies the state's files as they are, as a crash would leave them:
// SQLite's WAL is written at its end only, and a torn end is passed over.
func copyDir(t *testing.T, from, to string) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"testconnection.db", "testconnection.db-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// known is what the state knows at the end of a run, but for what depends on
// how the run went: the numbers of passes, walks and rows.
const known = `
SELECT 'item', i.id, s.source, s.path, i.part, i.line, i.sheet, hex(i.digest), i.status, i.open, i.denies, i.missed, i.pass = s.pass FROM items i JOIN sources s ON s.id = i.source;
SELECT 'file', source, path, size, hex(hash), settled, ended, whole, proof, recheck, read, filtered, quarantined, duplicates, stored + unchanged FROM sources;
SELECT 'refused', s.path, q.part, q.item, q.stage, q.reason, q.line, q.property, q.value, q.detail FROM quarantine q JOIN sources s ON s.id = q.source;
SELECT 'group', id, display, description, sure FROM groups;
SELECT 'member', grp, type, member, sure FROM members;
SELECT 'meta', name, value FROM meta WHERE name NOT IN ('mapping', 'merging') AND name NOT LIKE 'contract/%';
SELECT 'contract', name, json_remove(value, '$.when', '$.run') FROM meta WHERE name LIKE 'contract/%';
SELECT 'named', s.path, n.id, n.item, n.pass = s.pass FROM named n JOIN sources s ON s.id = n.source;
SELECT 'unfit', source, id, fate FROM unfit;
SELECT 'intent', count(*) FROM intents;`

// knownItems is the part of known that does not depend on the runs before.
// Whether the target may have an earlier version of an item that it refuses
// does: one that was in flight may have been another.
var knownItems = strings.NewReplacer("ON s.id = i.source;", "ON s.id = i.source WHERE i.status <> 2;", "SELECT 'meta', name, value FROM meta WHERE name NOT IN ('mapping', 'merging') AND name NOT LIKE 'contract/%';", "",
	"SELECT 'contract', name, json_remove(value, '$.when', '$.run') FROM meta WHERE name LIKE 'contract/%';", "",
	"SELECT 'unfit', source, id, fate FROM unfit;", "").Replace(known)

// dump gives what queries find in w's state, a line a row, sorted.
func (w *world) dump(queries string) string {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.state, "testconnection.db")+"?mode=ro")
	w.must(err)
	defer db.Close()
	var lines []string
	for _, query := range strings.Split(queries, ";") {
		if query = strings.TrimSpace(query); query == "" {
			continue
		}
		rows, err := db.QueryContext(context.Background(), query)
		w.must(err)
		cols, err := rows.Columns()
		w.must(err)
		for rows.Next() {
			values := make([]any, len(cols))
			for i := range values {
				values[i] = new(sql.NullString)
			}
			w.must(rows.Scan(values...))
			var line []string
			for _, v := range values {
				line = append(line, v.(*sql.NullString).String)
			}
			lines = append(lines, strings.ReplaceAll(strings.Join(line, "|"), w.dir, "DIR"))
		}
		w.must(rows.Err())
		w.must(rows.Close())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// differ says in what two texts of lines differ.
func differ(got, want string) string {
	lines := func(s string) map[string]int {
		m := map[string]int{}
		for l := range strings.SplitSeq(s, "\n") {
			m[l]++
		}
		return m
	}
	have, wanted := lines(got), lines(want)
	var out []string
	for l := range maps.Keys(have) {
		if have[l] > wanted[l] {
			out = append(out, "has   "+l)
		}
	}
	for l := range maps.Keys(wanted) {
		if wanted[l] > have[l] {
			out = append(out, "lacks "+l)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[6:]+a, b[6:]+b) })
	return strings.Join(out, "\n")
}

// killAt crawls until the k-th request and leaves w as a SIGKILL would. It
// reports whether the crawl got there.
func killAt(w *world, k int, after bool) bool {
	w.t.Helper()
	return w.killDuring(k, after, func() error { _, err := w.crawl(context.Background()); return err })
}
