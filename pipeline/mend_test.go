package pipeline

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"importer/extract"
	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// quarantine lists what is refused.
func (w *world) quarantine(f state.Filter) []state.QuarantineLine {
	w.t.Helper()
	s, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer s.Close()
	var out []state.QuarantineLine
	for line, err := range s.Lines(w.t.Context(), f) {
		w.must(err)
		out = append(out, line)
	}
	return out
}

// keyOf is the key of the only record that is refused in a line of a file.
func (w *world) keyOf(file string, line int) string {
	w.t.Helper()
	for _, l := range w.quarantine(state.Filter{File: file}) {
		if l.Line == line {
			return l.Key
		}
	}
	w.t.Fatalf("nothing is refused in line %d of %s: %+v", line, file, w.quarantine(state.Filter{}))
	return ""
}

// withStore does something to the state while no crawl is at work.
func (w *world) withStore(do func(s *state.Store) error) {
	w.t.Helper()
	s, err := state.Open(context.Background(), w.state, "testconnection", false)
	w.must(err)
	defer s.Close()
	w.must(do(s))
}

// mend gives the record of a key other values; none leave it out.
func (w *world) mend(key string, values ...string) {
	w.t.Helper()
	w.mendAll(map[string][]string{key: values})
}

func (w *world) mendAll(all map[string][]string) {
	w.t.Helper()
	mend := func(m *state.Mending) error {
		for key, values := range all {
			k, ok := state.ParseKey(key)
			r, found, err := m.Find(k)
			if !ok || !found || err != nil {
				w.t.Fatalf("the record of %q: %v, %v, %v", key, ok, found, err)
			}
			var now *state.Record
			if len(values) > 0 {
				now = &state.Record{Columns: r.Was.Columns, Values: values}
			}
			w.must(m.Set(k, &r, now))
		}
		return nil
	}
	w.withStore(func(s *state.Store) error { return s.Mend(w.t.Context(), time.Now(), mend) })
}

func (w *world) wantFixes(rep *Report, mended, leftOut int64) {
	w.t.Helper()
	if rep.Mended != mended || rep.LeftOut != leftOut {
		w.t.Errorf("%d mended, %d left out; want %d, %d", rep.Mended, rep.LeftOut, mended, leftOut)
	}
}

// A mended record is read as its fix has it for as long as its file has it so,
// wherever it stands there. (floe#264, seatunnel#10306, dlt#1980 ask for it.)
func TestAMendedRecord(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,many", "3,three,3", "4,fo,ur,4")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 4, Stored: 2, Quarantined: 2})
	lines := w.quarantine(state.Filter{})
	if got := string(lines[0].Record); got != `{"columns":["id","title","size"],"values":["2","two","many"],"wrong":[2]}` {
		t.Errorf("the value that does not convert: %s", got)
	}
	if got := string(lines[1].Record); got != `{"columns":["id","title","size"],"values":["4","fo","ur","4"],"wrong":[3]}` {
		t.Errorf("the row that is too wide: %s", got)
	}
	w.mend(w.keyOf("a.csv", 3), "2", "two", "22")
	w.mend(w.keyOf("a.csv", 5), "4", "four", "4")

	w.target.requests = 0
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 4, Stored: 2, Unchanged: 2})
	w.wantFixes(rep, 2, 0)
	w.wantItems("1", "2", "3", "4")
	if w.target.requests != 2 {
		t.Errorf("%d requests, want one for each mended record", w.target.requests)
	}
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 4, Unchanged: 4})
	w.wantFixes(rep, 2, 0)

	w.write("a.csv", "0,new,0", "4,fo,ur,4", "2,two,many", "1,one,1", "3,three,3")
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 5, Stored: 1, Unchanged: 4})
	w.wantFixes(rep, 2, 0)

	w.write("a.csv", "1,one,1", "2,two,2", "3,three,3", "4,fo,ur,4") // somebody has mended the file
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 4, Stored: 1, Unchanged: 3})
	w.wantFixes(rep, 1, 0)
	if rep.Deleted != 1 { // 0
		t.Errorf("%d deleted, want 1", rep.Deleted)
	}
	wantIdle(t, w, 1)
	w.write("a.csv", "1,one,1", "2,two,many", "3,three,3", "4,fo,ur,4") // and spoiled it again
	w.wantFixes(w.mustCrawl(), 2, 0)
	wantIdle(t, w, 0)

	w.write("a.csv", "1,one,1", "2,two,2", "3,three,3", "4,fo,ur,4")
	for range 9 {
		w.mustCrawl()
	}
	wantIdle(t, w, 1)
	w.mustCrawl()
	wantIdle(t, w, 0)
	w.write("a.csv", "1,one,1", "2,two,many", "3,three,3", "4,fo,ur,4")
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 4, Unchanged: 3, Quarantined: 1})
	w.wantFixes(rep, 1, 0)
}

func wantIdle(t *testing.T, w *world, want int64) {
	t.Helper()
	w.withStore(func(s *state.Store) error {
		c, err := s.FixCounts(t.Context())
		if c.Idle != want {
			t.Errorf("%d fixes are idle, want %d", c.Idle, want)
		}
		return err
	})
}

// A fix that does not mend its record shows what it has made of it, and can be
// replaced and forgotten.
func TestAFixThatDoesNotDo(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,many")
	w.mustCrawl()
	key := w.keyOf("a.csv", 3)
	w.mend(key, "2", "two", "more")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 2, Unchanged: 1, Quarantined: 1})
	w.wantFixes(rep, 0, 0)
	line := w.quarantine(state.Filter{})[0]
	if line.Key != key || line.Value != "more" || !strings.Contains(string(line.Record), `"values":["2","two","more"]`) {
		t.Errorf("refused again: %+v, want the key %s and what the fix has", line, key)
	}
	w.mend(key, "2", "two", "2")
	w.wantFixes(w.mustCrawl(), 1, 0)
	w.wantItems("1", "2")
	w.withStore(func(s *state.Store) error {
		return s.Mend(t.Context(), time.Now(), func(m *state.Mending) error {
			k, _ := state.ParseKey(key)
			r, found, err := m.Find(k)
			if !found || !r.Fixed || fmt.Sprint(r.Was.Values, r.Now.Values) != "[2 two many] [2 two 2]" {
				t.Errorf("the record of the fix: %v %+v", found, r)
			}
			if err == nil {
				err = m.Forget(k, &r)
			}
			return err
		})
	})
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 2, Unchanged: 1, Quarantined: 1})
	w.wantFixes(rep, 0, 0)
	w.wantItems("1", "2") // what was stored of it stays, as of any record that turns bad
}

// A record that is left out on purpose is filtered: nobody is told of it every
// night, and what was stored of it goes.
func TestARecordThatIsLeftOut(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2")
	w.mustCrawl()
	w.write("a.csv", "1,one,1", "2,two,many")
	w.mustCrawl()
	w.wantItems("1", "2")
	w.mend(w.keyOf("a.csv", 3))
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 2, Unchanged: 1, Filtered: 1})
	w.wantFixes(rep, 0, 1)
	w.wantItems("1")
	if rep.Refusals {
		t.Error("refusals are told")
	}
}

// Of equal records each is mended for itself, and a fix of one of them never
// takes the other one's item.
func TestEqualRecords(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "1,one,1", ",none,3", ",none,3", "1,one,1")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 5, Stored: 1, Duplicates: 2, Quarantined: 2})
	keys := map[string]bool{}
	for _, l := range w.quarantine(state.Filter{}) {
		keys[l.Key] = true
	}
	if len(keys) != 4 {
		t.Fatalf("4 records have %d keys", len(keys))
	}
	w.mend(w.keyOf("a.csv", 3)) // a duplicate is left out: its item stays
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 5, Unchanged: 1, Filtered: 1, Duplicates: 1, Quarantined: 2})
	w.wantItems("1")
	var last string
	for _, l := range w.quarantine(state.Filter{Reason: "duplicate-id"}) {
		last = l.Key
	}
	w.mend(last, "2", "two", "2") // the other one gets an id of its own
	w.mend(w.keyOf("a.csv", 4), "3", "three", "3")
	w.mend(w.keyOf("a.csv", 5), "4", "four", "3")
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 5, Stored: 3, Unchanged: 1, Filtered: 1})
	w.wantFixes(rep, 3, 1)
	w.wantItems("1", "2", "3", "4")
}

// A nightly export may bear the day in its name: its fixes go over to the next
// one, but never change a record that is good.
func TestAFixGoesOverToTheNextFile(t *testing.T) {
	w := newWorld(t)
	w.write("good.csv", "1,one,1")
	w.write("monday.csv", "1,one,1", "2,two,many") // the first is a duplicate
	w.mustCrawl()
	w.mend(w.keyOf("monday.csv", 2), "7", "seven", "7")
	w.mend(w.keyOf("monday.csv", 3), "2", "two", "2")
	w.wantFixes(w.mustCrawl(), 2, 0)
	w.wantItems("1", "2", "7")

	w.remove("monday.csv")
	w.write("tuesday.csv", "1,one,1", "2,two,many")
	rep := w.mustCrawl()
	w.wantItems("1", "2") // the duplicate is one again, and good.csv was not touched
	w.wantCounts(rep, state.Counts{Read: 3, Unchanged: 2, Duplicates: 1})
	w.wantFixes(rep, 1, 0)
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 3, Unchanged: 2, Duplicates: 1})
	w.wantFixes(rep, 1, 0)
}

// A file that is unreadable now says nothing of its fixes.
func TestFixesOfAFileThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,many")
	w.mustCrawl()
	w.mend(w.keyOf("a.csv", 3), "2", "two", "2")
	w.mustCrawl()
	w.rewrite("a.csv", "")
	for range 15 {
		w.mustCrawl()
	}
	wantIdle(t, w, 0)
	w.write("a.csv", "1,one,1", "2,two,many")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 2, Unchanged: 2})
	w.wantFixes(rep, 1, 0)
}

// Cells of a workbook have types. Those that a fix leaves alone keep them, and
// those that it changes get the ones that they would have had.
func TestAMendedWorkbook(t *testing.T) {
	w := newWorld(t)
	w.remap("size: {type: int64, retrievable: true, refinable: true, queryable: true}", "size: {type: int64, retrievable: true}\n  due: {type: dateTime, retrievable: true}\n  paid: {type: dateTime, retrievable: true}",
		"path: files/*.csv", "path: files/*", "size: size}", `size: size, due: 'date(due, "02.01.2006")', paid: 'date(paid, "02.01.2006")'}`)
	f := excelize.NewFile()
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	rows := [][]any{
		{"id", "title", "size", "due", "paid"},
		{"1", "one", 1, day, day},
		{"2", "two", "many", day, day},      // one cell to change, two dates to leave alone
		{"3", "three", 3, "soon", day},      // a date to write
		{"4", "four", 4, day, "01.03.2024"}, // good: a text in the mapping's form
		{"5", "five", "007", "x", "01.03.2024"},
	}
	for i, row := range rows {
		w.must(f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row))
	}
	path := filepath.Join(w.dir, "files", "a.xlsx")
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	w.must(f.SaveAs(path))
	w.touch("a.xlsx")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 5, Stored: 2, Quarantined: 3})
	w.mend(w.keyOf("a.xlsx", 3), "2", "two", "22", "2024-02-29", "2024-02-29")
	w.mend(w.keyOf("a.xlsx", 4), "3", "three", "3", "2024-03-31", "2024-02-29")
	w.mend(w.keyOf("a.xlsx", 6), "5", "five", "007", "31.03.2024", "01.03.2024")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 5, Stored: 3, Unchanged: 2})
	w.wantFixes(rep, 3, 0)
	items := w.target.snapshot()
	for id, want := range map[string]string{"2": "2024-02-29T00:00:00Z", "3": "2024-03-31T00:00:00Z", "5": "2024-03-31T00:00:00Z"} {
		if !strings.Contains(items[id], want) {
			t.Errorf("item %s is %s, want %s in it", id, items[id], want)
		}
	}
}

// A date that somebody has made of a cell in an export is one, whatever form
// the mapping reads dates in.
func TestADateOfAnExport(t *testing.T) {
	w := newWorld(t)
	w.remap("size: {type: int64, retrievable: true, refinable: true, queryable: true}", "size: {type: dateTime, retrievable: true}", "size: size}", `size: 'date(size, "02.01.2006")'}`)
	w.write("a.csv", "1,one,31.02.2024")
	w.mustCrawl()
	key := w.keyOf("a.csv", 2)
	w.withStore(func(s *state.Store) error {
		return s.Mend(t.Context(), time.Now(), func(m *state.Mending) error {
			k, _ := state.ParseKey(key)
			r, _, err := m.Find(k)
			w.must(err)
			return m.Set(k, &r, &state.Record{Columns: r.Was.Columns, Values: []string{"1", "one", "2024-02-29"}, Typed: []int{2}})
		})
	})
	w.wantFixes(w.mustCrawl(), 1, 0)
	w.wantItems("1")
}

// What the target refuses keeps its record too, and can be mended.
func TestAnItemThatTheTargetRefusesIsMended(t *testing.T) {
	w := newWorld(t)
	w.target.refuse = func(it *transform.Item) error {
		if it.Content.Value == "two" {
			return &load.APIError{Method: "PUT", Path: "/x/items/" + it.ID, Status: 400, Code: "BadRequest", Message: "two is no title", RequestID: "abc" + it.ID}
		}
		return nil
	}
	w.write("a.csv", "1,one,1", "2,two,2", "3,two,3")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 3, Stored: 1, Quarantined: 2})
	w.withStore(func(s *state.Store) error {
		causes, err := s.Causes(t.Context(), 3)
		if len(causes) != 1 || causes[0].Count != 2 || len(causes[0].Examples) != 2 || causes[0].Words != "400 BadRequest: two is no title" {
			t.Errorf("causes = %+v, want one of two records", causes)
		}
		return err
	})
	w.touch("a.csv")
	w.mend(w.keyOf("a.csv", 3), "2", "zwei", "2")
	w.target.requests = 0
	rep := w.mustCrawl() // the other one is not asked for again
	w.wantCounts(rep, state.Counts{Read: 3, Stored: 1, Unchanged: 1, Quarantined: 1})
	w.wantFixes(rep, 1, 0)
	if w.target.requests != 1 {
		t.Errorf("%d requests, want 1", w.target.requests)
	}
}

// Replaying tries everything again, and a further refusal takes nothing away.
func TestRetry(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2")
	w.write("b.csv", "3,three,3")
	w.mustCrawl()
	refuse := func(*transform.Item) error { return fmt.Errorf("no") }
	w.target.refuse = refuse
	w.write("a.csv", "1,one,1", "2,two,22", "4,four,4")
	w.mustCrawl()
	retry := func(f state.Filter) (files, items int64) {
		t.Helper()
		w.withStore(func(s *state.Store) (err error) {
			files, items, err = s.Retry(t.Context(), f)
			return err
		})
		return files, items
	}
	for _, f := range []state.Filter{{Source: "other"}, {File: "b.csv"}, {Item: "9"}, {Reason: "bad-value"}, {Run: 1}} {
		if files, items := retry(f); files+items != 0 {
			t.Errorf("%+v: %d files, %d items to be tried again, want none", f, files, items)
		}
	}
	if files, items := retry(state.Filter{Stage: "load", File: "files/a*"}); files != 1 || items != 2 {
		t.Errorf("%d files, %d items to be tried again, want 1 and 2", files, items)
	}
	w.target.requests = 0
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 4, Unchanged: 2, Quarantined: 2})
	if w.target.requests != 2 || rep.Withdrawn != 0 || rep.Deleted != 0 {
		t.Errorf("%d requests, %d withdrawn, %d deleted; want 2, 0, 0", w.target.requests, rep.Withdrawn, rep.Deleted)
	}
	w.wantItems("1", "2", "3")
	w.target.refuse = nil
	w.target.requests = 0
	w.mustCrawl()
	if w.target.requests != 0 {
		t.Errorf("%d requests without a retry, want none", w.target.requests)
	}
	retry(state.Filter{})
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 4, Stored: 2, Unchanged: 2})
	w.wantItems("1", "2", "3", "4")
}

// TestKilledReplay kills the crawl after a mending at its k-th request, for
// every k, and before its first: the fixes are written down with the marks of
// their files, so any run takes them up and ends with the same items.
//
// Seen red with: fixes that are used without being counted in the records that
// a resumed run passes over (equal records get the wrong fix); files that are
// not marked (nothing is sent); a fix that is written down as used with another
// reading (idle, and forgotten).
func TestKilledReplay(t *testing.T) {
	start := func() *world {
		w := newWorld(t)
		var rows []string
		for i := range 12 {
			rows = append(rows, fmt.Sprintf("%d,row %d,%d", i, i, i), fmt.Sprintf("b%d,bad %d,many", i, i), ",none,1")
		}
		w.write("a.csv", rows...)
		w.write("b.csv", "x,x,1", "y,y,why", "z,z,2")
		w.mustCrawl()
		all := map[string][]string{}
		for n, l := range w.quarantine(state.Filter{}) {
			switch {
			case l.Reason == "missing-id":
				all[l.Key] = []string{fmt.Sprintf("n%d", n), "none", fmt.Sprint(n)}
			case strings.HasPrefix(l.Item, "b1"):
				all[l.Key] = nil
			default:
				all[l.Key] = []string{l.Item, "mended", "7"}
			}
		}
		w.mendAll(all)
		return w
	}
	w := start()
	before := w.target.requests
	want := w.mustCrawl()
	w.wantFixes(want, 12+9+1, 3)
	items := w.target.snapshot()
	total := w.target.requests - before
	for _, after := range []bool{false, true} {
		for k := 1; k <= total; k++ {
			w := start()
			if !killAt(w, k, after) {
				t.Fatalf("the crawl ended before request %d of %d", k, total)
			}
			rep := w.mustCrawl()
			if got := w.target.snapshot(); !maps.Equal(got, items) {
				t.Errorf("killed at request %d and resumed: the target has %v, want %v", k, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(items)))
			}
			if rep.Counts != want.Counts || !rep.Resumed {
				t.Errorf("killed at request %d and resumed (%v): balance %+v, want %+v", k, rep.Resumed, rep.Counts, want.Counts)
			}
			w.wantFixes(rep, want.Mended, want.LeftOut)
			if again := w.mustCrawl(); again.Requests != 0 || again.Mended != want.Mended {
				t.Errorf("killed at request %d: a further run makes %d requests, %d mended; want 0, %d", k, again.Requests, again.Mended, want.Mended)
			}
			wantIdle(t, w, 0)
		}
	}
}

// opens counts which files the crawls of w open.
func (w *world) opens(opened *[]string) {
	w.tweak = func(c *Crawl) {
		c.Readers = 1
		c.watchOpens = func(path string) { *opened = append(*opened, filepath.Base(path)) }
	}
}

// put writes a file as it is.
func (w *world) put(name, content string) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, "files", name), []byte(content), 0o600))
	w.touch(name)
}

// A file whose content cannot be read costs one try, not one a night; it is
// tried again when it or its options change, or its reader, or when it is
// called for. One that the file system refuses is tried every night.
// (Persistent failures retried for ever: dust PR 22827, haiku.rag#618.)
func TestAPoisonFile(t *testing.T) {
	w := newWorld(t)
	w.remap("path: files/*.csv", "path: files/*")
	w.write("a.csv", "1,one,1")
	w.put("b.csv", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01")
	w.put("c.pdf", "%PDF-1.4\n%broken")
	w.put("d.xlsx", "PK\x03\x04\x14\x00\x06\x00 and then the line went down")
	w.put("e.csv", "")
	w.put("f.html", "<html><body>no table</body></html>")
	must := state.Counts{Read: 6, Stored: 1, Quarantined: 5}
	w.wantCounts(w.mustCrawl(), must)
	must.Stored, must.Unchanged = 0, 1
	var opened []string
	w.opens(&opened)
	check := func(what string, want ...string) {
		t.Helper()
		opened = nil
		rep := w.mustCrawl()
		slices.Sort(opened)
		if got := slices.Compact(opened); !slices.Equal(got, want) {
			t.Errorf("%s: opened %v, want %v", what, got, want)
		}
		w.wantCounts(rep, must)
		if !rep.Refusals || len(w.quarantine(state.Filter{})) != 5 {
			t.Errorf("%s: refusals %v, %d in quarantine; want them told every time", what, rep.Refusals, len(w.quarantine(state.Filter{})))
		}
	}
	check("unchanged")
	w.touch("b.csv") // its content is compared
	check("touched")
	check("and the night after")
	w.put("d.xlsx", "PK\x03\x04\x14\x00\x06\x00 and then the line was cut")
	check("another content", "d.xlsx")
	w.withStore(func(s *state.Store) error {
		_, _, err := s.Retry(t.Context(), state.Filter{Reason: "empty-file"})
		return err
	})
	check("called for", "e.csv")
	w.remap("path: files/*.csv", "path: files/*\n    limits: {pages: 7}")
	check("other options", "a.csv", "b.csv", "c.pdf", "d.xlsx", "e.csv", "f.html")
	for range 2 {
		check("unchanged")
	}
}

// What an other version of a reader has made of a file is not trusted.
func TestAnotherVersionOfTheReader(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	w.put("b.csv", "")
	w.mustCrawl()
	var opened []string
	w.opens(&opened)
	w.mustCrawl()
	if len(opened) != 0 {
		t.Errorf("opened %v, want nothing", opened)
	}
	before := extract.CSV.Version
	defer func() { extract.CSV.Version = before }()
	extract.CSV.Version += "+"
	w.mustCrawl()
	slices.Sort(opened)
	if got := slices.Compact(opened); !slices.Equal(got, []string{"a.csv", "b.csv"}) {
		t.Errorf("with another version of the reader: opened %v, want both", got)
	}
}

// What the file system refuses is tried again every night.
func TestAFileThatTheFileSystemRefuses(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	w.must(os.Symlink(filepath.Join(w.dir, "nowhere"), filepath.Join(w.dir, "files", "b.csv")))
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 1, Quarantined: 1})
	for range 2 {
		var opened []string
		w.opens(&opened)
		w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Unchanged: 1, Quarantined: 1})
		if got := slices.Compact(opened); !slices.Equal(got, []string{"b.csv"}) {
			t.Errorf("opened %v, want b.csv", got)
		}
	}
}

// A poison file does not have files with duplicates read again every night.
func TestAPoisonFileAndDuplicates(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "1,two,2")
	w.put("b.csv", "")
	w.mustCrawl()
	var opened []string
	w.opens(&opened)
	w.mustCrawl()
	if len(opened) != 0 {
		t.Errorf("opened %v, want nothing", opened)
	}
}
