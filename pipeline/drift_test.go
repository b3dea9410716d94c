package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"importer/pipeline/state"
	"importer/transform"
)

// sized are n rows, the sizes made by format.
func sized(n int, format string) (rows []string) {
	for i := range n {
		rows = append(rows, fmt.Sprintf("%d,title %d,"+format, i, i, i))
	}
	return rows
}

// wantDrift crawls, and wants the run to stop for a change of that kind, with
// nothing written.
func (w *world) wantDrift(kind string) {
	w.t.Helper()
	before := w.target.snapshot()
	_, err := w.crawl(w.t.Context())
	var drift *DriftError
	if !errors.As(err, &drift) || len(drift.Changes) != 1 || drift.Changes[0].Kind != kind {
		w.t.Fatalf("crawl = %v, want it to stop for %q", err, kind)
	}
	if after := w.target.snapshot(); fmt.Sprint(before) != fmt.Sprint(after) {
		w.t.Errorf("the target has %d items after a stop, and had %d", len(after), len(before))
	}
}

func TestDriftStops(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", sized(30, "%d")...)
	w.mustCrawl()
	w.write("b.csv", sized(30, "about %d")...)
	w.wantDrift(transform.ChangeType)
	w.wantDrift(transform.ChangeType) // a stop is not taken for the new state of things
	w.tweak = func(c *Crawl) { c.AcceptDrift = true }
	if rep := w.mustCrawl(); len(rep.Changes) != 1 {
		t.Errorf("accepted changes are %v, want one", rep.Changes)
	}
	w.tweak = nil
	w.write("c.csv", sized(30, "about %d")...)
	if rep := w.mustCrawl(); len(rep.Changes) != 0 {
		t.Errorf("changes %v, which were accepted before", rep.Changes)
	}
}

// What was accepted is what holds, and not what was there before.
func TestDriftAccepted(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", sized(30, "%d")...)
	w.mustCrawl()
	var dates []string
	for i := range 30 {
		dates = append(dates, fmt.Sprintf("%d,title %d,2026-01-02", i, i))
	}
	w.write("a.csv", dates...)
	w.wantDrift(transform.ChangeType)
	w.tweak = func(c *Crawl) { c.AcceptDrift = true }
	w.mustCrawl()
	w.tweak = nil
	w.write("b.csv", sized(30, "%d")...)
	w.wantDrift(transform.ChangeType)
}

// Titles that the mapping makes in another way are no change of the files; what
// is made in that way is what later runs compare with.
func TestDriftOfTitlesByTheMapping(t *testing.T) {
	w := newWorld(t)
	w.edit("title: {type: string, ", "title: {type: string, labels: [title], ")
	w.write("a.csv", sized(30, "%d")...)
	w.mustCrawl()
	w.edit("title: title, size", "title: upper(title), size")
	if rep := w.mustCrawl(); rep.Stored != 30 || len(rep.Changes) != 0 {
		t.Errorf("%d stored, changes %v; want 30, none", rep.Stored, rep.Changes)
	}
	var others []string
	for i := range 30 {
		others = append(others, fmt.Sprintf("%d,other %d,%d", i, i, i))
	}
	w.write("a.csv", others...)
	w.wantDrift(transform.ChangeIDs)
}

// A run that is killed before it has ended has no contract yet; the one that
// takes it up makes it. It does not hold the run's own files against it.
func TestDriftAfterAKill(t *testing.T) {
	for at := range 8 {
		w := newWorld(t)
		w.write("a.csv", sized(30, "%d")...)
		w.failAt(at)
		if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
			t.Fatalf("killed at request %d: %v", at, err)
		}
		w.target.onRequest = nil
		w.mustCrawl()
		w.write("a.csv", append(sized(30, "about %d"), "x,x,1")...)
		w.wantDrift(transform.ChangeType)

		// What was accepted stays so, also when the run that did is killed.
		w.tweak = func(c *Crawl) { c.AcceptDrift = true }
		w.failAt(0)
		if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
			t.Fatalf("killed after accepting: %v", err)
		}
		w.target.onRequest, w.tweak = nil, nil
		if rep := w.mustCrawl(); len(rep.Changes) > 0 {
			t.Errorf("changes %v, which were accepted", rep.Changes)
		}
	}
}

func TestDriftPolicies(t *testing.T) {
	odd := sized(30, "about %d")
	t.Run("evolve", func(t *testing.T) {
		w := newWorld(t)
		w.mapping("drift: evolve\n")
		w.write("a.csv", sized(30, "%d")...)
		w.mustCrawl()
		w.write("b.csv", odd...)
		if rep := w.mustCrawl(); len(rep.Changes) != 1 || rep.Quarantined == 0 {
			t.Errorf("changes %v, %d in quarantine", rep.Changes, rep.Quarantined)
		}
	})
	t.Run("stop", func(t *testing.T) {
		w := newWorld(t)
		w.mapping("drift: stop\n")
		w.write("a.csv", sized(30, "%d")...)
		w.mustCrawl()
		w.must(os.WriteFile(filepath.Join(w.dir, "files", "b.csv"), []byte("id,title,size,more\nx,x,1,1\n"), 0o600))
		w.wantDrift(transform.ChangeNew)
	})
	t.Run("quarantine", func(t *testing.T) {
		w := newWorld(t)
		w.mapping("drift: quarantine\n")
		w.write("a.csv", sized(30, "%d")...)
		w.write("b.csv", "x,other,1")
		w.mustCrawl()
		w.write("a.csv", odd...)
		w.write("b.csv", "x,another,1", "y,more,2")
		rep := w.mustCrawl()
		w.wantCounts(rep, state.Counts{Read: 3, Stored: 2, Quarantined: 1})
		if rep.Kept != 30 || rep.Deleted != 0 || len(w.target.snapshot()) != 32 {
			t.Errorf("%d kept, %d deleted, %d items; want the 30 of the file that is kept out", rep.Kept, rep.Deleted, len(w.target.snapshot()))
		}
		w.must(os.WriteFile(filepath.Join(w.dir, "files", "a.csv"), []byte("id,name,size\n1,x,1\n"), 0o600))
		rep = w.mustCrawl() // a file without a needed column, too
		if rep.Kept != 30 || rep.Quarantined != 1 {
			t.Errorf("%d kept, %d in quarantine", rep.Kept, rep.Quarantined)
		}
		w.write("a.csv", sized(30, "%d")...)
		rep = w.mustCrawl()
		w.wantCounts(rep, state.Counts{Read: 32, Unchanged: 32})
	})
}

// Files that need not be read are not looked at, and those that are lost count
// among the records that are gone.
func TestDriftOfUntouchedFiles(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		var rows []string
		for n := range 20 {
			rows = append(rows, fmt.Sprintf("%d-%d,title,1", i, n))
		}
		w.write(fmt.Sprintf("%d.csv", i), rows...)
	}
	w.mustCrawl()
	var opened []string
	w.write("0.csv", "0-0,title,1", "0-1,changed,1")
	w.tweak = func(c *Crawl) {
		opened = nil
		c.watchOpens = func(path string) { opened = append(opened, filepath.Base(path)) }
	}
	w.mustCrawl()
	if slices.ContainsFunc(opened, func(name string) bool { return name != "0.csv" }) {
		t.Errorf("opened %v, want 0.csv only", opened)
	}
	for i := range 5 {
		w.remove(fmt.Sprintf("%d.csv", i))
	}
	w.wantDrift(transform.ChangeRows)
	if len(opened) > 0 {
		t.Errorf("opened %v to count records", opened)
	}
	w.tweak = func(c *Crawl) { c.Deletes = transform.Limit{Count: 200, Set: true} }
	w.mustCrawl()
}

// What is kept of a source stays small, whatever its files hold.
func TestContractIsSmall(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 2000)
	var rows []string
	for i := range 3000 {
		rows = append(rows, fmt.Sprintf("%d,%s %d,%d", i, long[:i%200], i, i))
	}
	for i := range 40 {
		w.write(fmt.Sprintf("%d.csv", i), fmt.Sprintf("f%d,%s,1", i, long))
	}
	w.write("a.csv", rows...)
	w.mustCrawl()
	store, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer store.Close()
	text, err := store.Meta(t.Context(), metaContract+"rows")
	w.must(err)
	if len(text) == 0 || len(text) > 40_000 || strings.Contains(text, "xxx") {
		t.Errorf("the contract has %d bytes, or texts of the files: %.300s", len(text), text)
	}
}

// orders are rows of which several make a record: n orders of so many rows.
func orders(n, rows int, row func(order, row int) string) (all []string) {
	for o := range n {
		for r := range rows {
			all = append(all, row(o, r))
		}
	}
	return all
}

// A table of which several rows make a record is compared by its rows, and
// counted by its records.
func TestDriftOfGroups(t *testing.T) {
	row := func(o, r int, title, size string) string {
		return fmt.Sprintf("o%d,n%d,%s %d,%s%d,%d,part %d", o, o, title, o, size, o%7, r, r)
	}
	plain := func(o, r int) string { return row(o, r, "order", "") }
	const header = "order,no,title,size,pos,product"
	tests := []struct {
		name string
		rows []string
		kind string // "" is no change
	}{
		{"as it was", orders(200, 3, plain), ""},
		{"more rows, as many records", orders(200, 9, plain), ""},
		{"as many rows, and fewer records", orders(60, 10, plain), transform.ChangeRows},
		{"a typed value", orders(200, 3, func(o, r int) string { return row(o, r, "order", "about ") }), transform.ChangeType},
		{"a typed value in rows that are not the first", orders(200, 3, func(o, r int) string {
			if r == 0 {
				return plain(o, r)
			}
			return row(o, r, "order", "about ")
		}), transform.ChangeType},
		{"ids of other records", orders(200, 3, func(o, r int) string { return row(o, r, "other", "") }), transform.ChangeIDs},
		{"rows that are of no record", orders(200, 3, func(o, r int) string {
			if r == 0 {
				return plain(o, r)
			}
			return fmt.Sprintf(",x%d-%d,order %d,%d,%d,part", o, r, o, o%7, r)
		}), transform.ChangeEmpty},
	}
	world := func(t *testing.T) *world {
		w := newWorld(t)
		w.remap("path: files/*.csv", "path: files/*.csv\n    groupBy: order", "    id: id", "    id: no", "title: {type: string,", "title: {type: string, labels: [title],")
		w.table(header, orders(200, 3, plain))
		w.mustCrawl()
		return w
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world(t)
			w.table(header, tt.rows)
			if tt.kind != "" {
				w.wantDrift(tt.kind)
				w.tweak = func(c *Crawl) { c.AcceptDrift, c.Deletes = true, transform.Limit{Share: 1, Set: true} }
			}
			if rep := w.mustCrawl(); (len(rep.Changes) > 0) != (tt.kind != "") && tt.kind != transform.ChangeRows {
				t.Errorf("changes %v", rep.Changes)
			}
			w.tweak = nil
			w.touch("a.csv")
			if rep := w.mustCrawl(); len(rep.Changes) > 0 {
				t.Errorf("changes %v of a file that was accepted as it is", rep.Changes)
			}
		})
	}
	t.Run("the column that puts rows together has another name", func(t *testing.T) {
		w := world(t)
		w.table(strings.Replace(header, "order,", "order no,", 1), orders(200, 3, plain))
		_, err := w.crawl(t.Context())
		var drift *DriftError
		if !errors.As(err, &drift) || !strings.Contains(err.Error(), `groupBy names the column "order"`) || !strings.Contains(err.Error(), `the column "order" has gone, and "order no" has 100 % of its values`) {
			t.Errorf("crawl = %v, want a drift that says what the column may be called now", err)
		}
	})
}

// table writes a.csv with a header of its own.
func (w *world) table(header string, rows []string) {
	w.t.Helper()
	w.must(os.MkdirAll(filepath.Join(w.dir, "files"), 0o700))
	w.put("a.csv", header+"\n"+strings.Join(rows, "\n")+"\n")
}
