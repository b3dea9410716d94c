package state

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file is read again when its content may have changed, and for no other
// reason.
func TestWhatIsReadAgain(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world)
		hashed bool // its content is compared
		read   bool
	}{
		{"nothing", func(*world) {}, false, false},
		{"touched", func(w *world) { w.stamp["a.csv"]++ }, true, false},
		{"another value of the same length", func(w *world) { w.write("a.csv", "1=y") }, true, true},
		{"a row more", func(w *world) { w.write("a.csv", "1=x", "2=x") }, false, true},
		{"another value behind the clock's back", func(w *world) { w.files["a.csv"] = []string{"1=y"} }, false, false},
		{"another value behind the clock's back, and a full run", func(w *world) { w.files["a.csv"] = []string{"1=y"}; w.full = true }, true, true},
		{"a full run", func(w *world) { w.full = true }, true, false},
		{"touched, and the mapping uses the time", func(w *world) { w.stamp["a.csv"]++; w.byTime = true }, false, true},
		{"a full run, and the mapping uses the time", func(w *world) { w.full, w.byTime = true, true }, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("a.csv", "1=x")
			w.crawl()
			tt.change(w)
			kinds := w.crawl()
			if got := len(w.hashed) > 0; got != tt.hashed {
				t.Errorf("content compared: %v, want %v", got, tt.hashed)
			}
			if got := len(kinds) > 0; got != tt.read {
				t.Errorf("read again: %v, want %v", got, tt.read)
			}
			// Whatever it was, the next run finds nothing to do.
			w.full, w.byTime, w.hashed = false, false, nil
			if kinds := w.crawl(); len(kinds) > 0 || len(w.hashed) > 0 {
				t.Errorf("the run after it read %v and compared %v, want nothing", kinds, w.hashed)
			}
		})
	}
}

// A full run that was interrupted goes on as a full run.
func TestAFullRunStaysFull(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x")
	w.crawl()
	w.full = true
	w.begin()
	w.kill()
	w.full = false
	w.begin()
	if !w.run.Full || !w.run.Resumed {
		t.Errorf("the run that goes on: full %v, resumed %v, want both", w.run.Full, w.run.Resumed)
	}
}

func TestAnItemIsDeletedAfterSomeRuns(t *testing.T) {
	w := newWorld(t)
	age := func() int64 {
		t.Helper()
		left, err := w.s.Age(t.Context(), w.run, nil)
		w.must(err)
		return left
	}
	w.s.MissedRuns = 3
	w.write("a.csv", "1=x", "2=x", "3=x")
	w.crawl()
	w.write("a.csv", "1=x")
	w.crawl()
	check(t, "left after one run", age(), 2)
	check(t, "and after it was taken up again", age(), 2)
	check(t, "stale after one run", w.stale(), []string{})
	w.write("a.csv", "1=x", "2=x") // found again, where it was: it starts anew
	w.crawl()
	check(t, "left after two runs", age(), 1)
	w.crawl() // untouched
	check(t, "left after three runs", age(), 0)
	check(t, "stale after three runs", w.stale(), []string{"3"})
	w.write("a.csv", "1=x")
	w.crawl()
	check(t, "left, for 2 is missing again", age(), 1)
	delete(w.files, "a.csv") // and the whole file
	w.crawl()
	check(t, "left, for the file has gone", age(), 2)
	check(t, "stale", w.stale(), []string{"3"})
}

// The target refuses an update. What it has stays, unless it is there for
// people who are not to see it any more.
func TestARefusedUpdate(t *testing.T) {
	entry := func(acl, text byte, open int, denies string) Entry {
		e := Entry{ID: "1", Open: open, Denies: denies}
		e.Digest[0], e.Digest[20] = acl, text
		return e
	}
	tests := []struct {
		name      string
		had, want Entry
		again     Kind // of the same update, in the next run
		stale     bool
	}{
		{"a new text", entry(1, 1, 2, ""), entry(1, 2, 2, ""), Refused, false},
		{"other permissions", entry(1, 1, 2, ""), entry(2, 1, 0, "user:a"), Send, true},
		{"both", entry(1, 1, 2, ""), entry(2, 2, 2, "user:a"), Send, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			crawl := func(e Entry, reject ...string) Verdict {
				w.write("a.csv", fmt.Sprint("1=", w.stamp["a.csv"])) // or it would not be read
				src := w.begin()[0]
				e.Source = src
				entries := []Entry{e}
				seq, verdicts, err := w.s.Admit(t.Context(), entries)
				w.must(err)
				w.settle(src, seq, entries, verdicts, true, reject...)
				w.must(w.s.EndRun(t.Context(), w.run.ID, "done", nil, time.Now()))
				return verdicts[0]
			}
			crawl(tt.had)
			crawl(tt.want, "1")
			check(t, "stale", len(w.stale()) > 0, tt.stale)
			w.kill()
			check(t, "stale after a kill", len(w.stale()) > 0, tt.stale)
			if v := crawl(tt.want, "1"); v.Kind != tt.again {
				t.Errorf("the same update again = %v, want %v", v.Kind, tt.again)
			}
			// The target still has the first version: what is compared is that.
			if v := crawl(entry(9, 9, 2, "")); v.Kind != Send || (v.Widens != "") != (tt.had.Open < 2) {
				t.Errorf("for everyone = %v, widens %q", v.Kind, v.Widens)
			}
			if v := crawl(entry(9, 9, 2, "")); v.Kind != Unchanged {
				t.Errorf("once it was taken = %v, want unchanged", v.Kind)
			}
		})
	}
}

// A new item that is refused is nowhere: nobody sees more when it is taken.
func TestARefusedNewItem(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.crawl("1")
	w.write("a.csv", "1=x", "2=y")
	check(t, "as it was", w.crawl(), map[string]Kind{"1": Refused, "2": Send})
	w.kill()
	w.write("a.csv", "1=x", "2=z")
	check(t, "after a kill", w.crawl(), map[string]Kind{"1": Refused, "2": Send})
	w.write("a.csv", "1=mended", "2=z")
	check(t, "mended", w.crawl(), map[string]Kind{"1": Send, "2": Unchanged})
	check(t, "stale", w.stale(), []string{})
}

// The words of the service are kept as long as the item is refused.
func TestTheWordsOfARefusalStay(t *testing.T) {
	w := newWorld(t)
	refuse := func(again bool, in int64) {
		w.write("a.csv", "1=x")
		src := w.begin()[0]
		src.Read, src.Quarantined, src.Ended, src.Whole = 1, 1, true, true
		w.must(w.s.Settle(t.Context(), 0, nil, nil, []*Source{src}, []Refusal{{Source: src, Item: "1", Stage: "load", Reason: "rejected",
			File: "a.csv", Line: 7, Detail: map[bool]string{false: "property x is unknown", true: "refused earlier"}[again], Again: again, In: in}}))
		w.must(w.s.EndRun(t.Context(), w.run.ID, "done", nil, time.Now()))
	}
	refuse(false, 0)
	refuse(true, 1)
	lines, err := w.s.Quarantine(t.Context(), 0, 10)
	w.must(err)
	if len(lines) != 1 || lines[0].Detail != "property x is unknown" || lines[0].Run != 1 {
		t.Errorf("quarantine = %+v, want the one line of the first run", lines)
	}
	refuse(true, 99) // its line is not to be found
	lines, err = w.s.Quarantine(t.Context(), 0, 10)
	w.must(err)
	if len(lines) != 1 || lines[0].Detail != "refused earlier" {
		t.Errorf("quarantine = %+v, want one line all the same", lines)
	}
}

// The guard on widenings counts a run, not a process.
func TestWideningsOfARunThatGoesOn(t *testing.T) {
	w := newWorld(t)
	admit := func(id string, open int) error {
		src := w.begin()[0]
		e := Entry{ID: id, Open: open, Source: src}
		e.Digest[0] = byte(open)
		seq, verdicts, err := w.s.Admit(t.Context(), []Entry{e})
		if err == nil {
			w.settle(src, seq, []Entry{e}, verdicts, false)
		}
		return err
	}
	w.write("a.csv", "1", "2")
	w.must(admit("1", 0))
	w.must(admit("2", 0))
	w.must(w.s.EndRun(t.Context(), w.run.ID, "done", nil, time.Now()))
	w.write("a.csv", "1", "2", "3")
	w.s.MaxWidenings = 1
	w.must(admit("1", 2))
	w.kill()
	w.s.MaxWidenings = 1
	var stop *WideningError
	if err := admit("2", 2); !errors.As(err, &stop) || stop.Widened != 2 {
		t.Errorf("a second widening of the run that goes on = %v, want a safety stop", err)
	}
	w.must(w.s.EndRun(t.Context(), w.run.ID, "done", nil, time.Now()))
	if err := admit("2", 2); err != nil {
		t.Errorf("in the next run = %v, want none", err)
	}
	if n, first := w.s.Widened(); n != 1 || len(first) != 1 || first[0] != (Widening{"2", "everyone"}) {
		t.Errorf("Widened = %d, %v", n, first)
	}
}

// A state of the first version goes on in this one.
func TestAnOlderStateIsBroughtUpToDate(t *testing.T) {
	w := newWorld(t)
	w.must(w.s.Close())
	path := filepath.Join(w.dir, "conn.db")
	fresh, err := sql.Open("sqlite", "file:"+path)
	w.must(err)
	want := columnsOf(t, fresh)
	for _, stmt := range []string{"DROP TABLE fixes", "DROP TABLE people", "DROP TABLE unknowns", "DROP TABLE audiences", "DROP TABLE named", "DROP TABLE unfit", "ALTER TABLE items DROP COLUMN audience", "ALTER TABLE items DROP COLUMN was", "ALTER TABLE items DROP COLUMN changed", "DROP TABLE doings", "ALTER TABLE runs DROP COLUMN kind", "ALTER TABLE runs DROP COLUMN widened", "ALTER TABLE runs DROP COLUMN withdrawn", "ALTER TABLE runs DROP COLUMN plan", "ALTER TABLE sources DROP COLUMN hash",
		"ALTER TABLE sources DROP COLUMN recheck", "ALTER TABLE items DROP COLUMN missed", "ALTER TABLE items DROP COLUMN missed_run",
		"ALTER TABLE sources DROP COLUMN parser", "ALTER TABLE sources DROP COLUMN doubt", "ALTER TABLE sources DROP COLUMN failed", "DROP INDEX quarantine_sum", "DROP INDEX quarantine_item",
		"ALTER TABLE quarantine DROP COLUMN record", "ALTER TABLE quarantine DROP COLUMN sum", "ALTER TABLE quarantine DROP COLUMN fix", "PRAGMA user_version = 1",
		"INSERT INTO items (id, source, part, pass, sent, line, digest, status, open) VALUES ('1', 1, 0, 1, 1, 2, x'00112233445566778899aabbccddeeff', 1, 0)"} {
		if _, err := fresh.Exec(stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	w.must(fresh.Close())
	w.open()
	if got := columnsOf(t, w.s.db); got != want {
		t.Errorf("after the migration the columns are\n%s\nwant\n%s", got, want)
	}
	w.write("a.csv", "1=x")
	check(t, "an item of the first version", w.crawl(), map[string]Kind{"1": Send})
}

func columnsOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.Query(`SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil || len(all) < 30 {
		t.Fatalf("%d columns, %v", len(all), err)
	}
	return strings.Join(all, "\n")
}
