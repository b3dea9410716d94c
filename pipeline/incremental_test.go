package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"importer/extract"
	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// remap writes the mapping with parts of the test mapping replaced.
func (w *world) remap(oldNew ...string) {
	w.t.Helper()
	src := strings.NewReplacer(oldNew...).Replace(fmt.Sprintf(testMapping, ""))
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
}

// touch makes a file look later than before, without a change.
func (w *world) touch(name string) {
	w.t.Helper()
	w.old--
	at := time.Now().Add(-time.Duration(w.old) * time.Second)
	w.must(os.Chtimes(filepath.Join(w.dir, "files", name), at, at))
}

// Of a changed file only the changed items are sent, and of an item only what
// has changed. (elastic/connectors#1664: an incremental sync missed a change
// that was of permissions only.)
func TestOnlyTheChangedPartsAreSent(t *testing.T) {
	const mapped = `    content: {type: text, value: title}
    acl: [{grant: everyone}]
`
	const rich = `    content: {type: text, value: text}
    acl: [{grant: everyone, when: open == "yes"}, {grant: externalGroup, value: '"team"'}]
    activities: [{type: created, at: 'date(made, "2006-01-02", "UTC")', by: '"11111111-1111-1111-1111-111111111111"'}]
`
	tests := []struct {
		name string
		row  string
		want transform.Parts
	}{
		{"permissions", "7,title,7,text,yes,2026-01-01", transform.PartACL},
		{"a value", "7,another,7,text,no,2026-01-01", transform.PartProperties},
		{"the text", "7,title,7,changed,no,2026-01-01", transform.PartContent},
		{"an activity", "7,title,7,text,no,2026-02-01", transform.PartActivities},
		{"all", "7,other,7,changed,yes,2026-02-01", transform.AllParts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.remap(mapped, rich)
			var rows []string
			for i := range 100 {
				rows = append(rows, fmt.Sprintf("%d,title,%d,text,no,2026-01-01", i, i))
			}
			write := func() {
				w.write("a.csv", rows...)
				path := filepath.Join(w.dir, "files", "a.csv")
				b, err := os.ReadFile(path)
				w.must(err)
				w.must(os.WriteFile(path, []byte(strings.Replace(string(b), "id,title,size", "id,title,size,text,open,made", 1)), 0o600))
			}
			write()
			w.mustCrawl()
			w.target.requests = 0
			rows[7] = tt.row
			write()
			rep := w.mustCrawl()
			if w.target.requests != 1 || rep.Requests != 1 {
				t.Errorf("%d requests, %d in the report, want 1", w.target.requests, rep.Requests)
			}
			w.wantCounts(rep, state.Counts{Read: 100, Stored: 1, Unchanged: 99})
			if got := w.target.sent["7"]; got != tt.want {
				t.Errorf("sent the parts %04b, want %04b", got, tt.want)
			}
		})
	}
}

func TestFilesOfTheSameContent(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(10)...)
	w.write("b.csv", "x,x,1")
	w.mustCrawl()
	opened := func() (names []string) {
		w.tweak = func(c *Crawl) {
			c.watchOpens = func(path string) { names = append(names, path) }
			c.Readers = 1
		}
		rep := w.mustCrawl()
		w.tweak = nil
		if rep.Requests != 0 {
			t.Errorf("%d requests, want none", rep.Requests)
		}
		w.wantCounts(rep, state.Counts{Read: 11, Unchanged: 11})
		return names
	}
	if got := opened(); len(got) > 0 {
		t.Errorf("untouched, and opened: %v", got)
	}
	w.touch("a.csv")
	if got := opened(); len(got) > 0 {
		t.Errorf("touched, and opened: %v", got)
	}
	w.write("a.csv", numbered(10)...) // as a nightly export does
	if got := opened(); len(got) > 0 {
		t.Errorf("written with the same content, and opened: %v", got)
	}
	w.tweak = func(c *Crawl) { c.Full = true }
	w.rewrite("a.csv", "id,title,size\n"+strings.Join(append(numbered(9), "9,other,9"), "\n")+"\n")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 11, Stored: 1, Unchanged: 10})
}

// A mapping that uses the time of the file makes other items of a file that
// was touched.
func TestATouchedFileWhoseTimeIsUsed(t *testing.T) {
	w := newWorld(t)
	w.remap("value: title", `value: string(file.modified)`)
	w.write("a.csv", "1,one,1")
	w.mustCrawl()
	w.touch("a.csv")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 1, Stored: 1})
}

func TestAChangedMappingMapsEverythingAgain(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(5)...)
	w.mustCrawl()
	w.remap("value: title", `value: title + "!"`)
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 5, Stored: 5})
	if got := w.target.sent["3"]; got != transform.PartContent {
		t.Errorf("sent the parts %04b, want the content alone", got)
	}
}

// An item that the target refuses is not sent every night; it is when its
// record or the mapping changes. (Norconex#647 is the other way round: refused
// items kept their "seen" checksum, and were never tried again.)
func TestARefusedItemIsTriedAgainWhenItChanges(t *testing.T) {
	w := newWorld(t)
	w.target.refuse = func(it *transform.Item) error {
		if it.ID == "2" {
			return errors.New("the service says no")
		}
		return nil
	}
	w.write("a.csv", numbered(4)...)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 4, Stored: 3, Quarantined: 1})
	w.write("a.csv", append(numbered(4), "new,row,1")...)
	w.target.requests = 0
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 5, Stored: 1, Unchanged: 3, Quarantined: 1})
	if w.target.requests != 1 || !rep.Refusals {
		t.Errorf("%d requests, refusals %v; want 1, for the new row alone, and the refusal told", w.target.requests, rep.Refusals)
	}
	w.target.refuse = nil
	w.remap("description: For tests.", "description: Another.")
	w.touch("a.csv")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 5, Unchanged: 5 - 1, Quarantined: 1}) // the same content is not opened for it
	w.write("a.csv", append(numbered(4), "new,row,2")...)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 5, Stored: 2, Unchanged: 3})
	w.wantItems("0", "1", "2", "3", "new")
}

func TestTheErrorBudget(t *testing.T) {
	bad := func(n int) (rows []string) {
		for i := range n {
			rows = append(rows, fmt.Sprintf("bad%d,title,many", i))
		}
		return rows
	}
	tests := []struct {
		name   string
		budget string
		rows   []string
		stop   string
		read   int64 // settled when it stopped; batches of four
	}{
		{"in a row", "consecutive=10", slices.Concat(numbered(6), bad(20)), "10 records in a row", 16},
		{"with good ones between", "consecutive=10", slices.Concat(bad(9), numbered(1), bad(9)), "", 0},
		{"in all", "10", slices.Concat(bad(6), numbered(5), bad(6)), "more than 10 records", 0},
		{"share", "share=15%", slices.Concat(numbered(90), bad(17)), "16 of the last 100", 0},
		{"share of fewer", "share=15%", slices.Concat(numbered(70), bad(17)), "", 0},
		{"none", "none", bad(1200), "", 0},
		{"the default", "", bad(1200), "1000 records in a row", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.budget != "" {
				w.mapping("safety: {maxErrors: '" + tt.budget + "'}\n")
			}
			w.write("a.csv", tt.rows...)
			rep, err := w.crawl(t.Context())
			var stop *BudgetError
			if got := errors.As(err, &stop); got != (tt.stop != "") || got && !strings.Contains(stop.What, tt.stop) || err != nil && !got {
				t.Fatalf("crawl = %v, want a stop: %q", err, tt.stop)
			}
			if rep.Deleted != 0 {
				t.Errorf("%d deleted", rep.Deleted)
			}
			if stop == nil {
				w.wantCounts(rep, state.Counts{Read: int64(len(tt.rows)), Stored: rep.Stored, Quarantined: rep.Quarantined})
				return
			}
			w.tweak = func(c *Crawl) { c.Errors = transform.Budget{Set: true} }
			rep = w.mustCrawl() // what was settled stays settled
			if !rep.Resumed || rep.Read != int64(len(tt.rows)) {
				t.Errorf("the run that goes on: resumed %v, %d read, want %d", rep.Resumed, rep.Read, len(tt.rows))
			}
		})
	}
}

// Items whose records are missing go after as many runs as the mapping wants,
// and a record that comes back in time keeps its item.
func TestDeleteAfter(t *testing.T) {
	w := newWorld(t)
	w.mapping("safety: {deleteAfter: 2}\n")
	w.write("a.csv", numbered(5)...)
	w.write("b.csv", "b,b,1")
	w.mustCrawl()
	w.write("a.csv", numbered(3)...)
	rep := w.mustCrawl()
	if rep.Deleted != 0 || rep.Missed != 2 {
		t.Errorf("after one run: %d deleted, %d missed; want 0, 2", rep.Deleted, rep.Missed)
	}
	w.write("a.csv", numbered(4)...)
	if rep := w.mustCrawl(); rep.Deleted != 1 || rep.Missed != 0 {
		t.Errorf("after two runs: %d deleted, %d missed; want 1, 0", rep.Deleted, rep.Missed)
	}
	w.wantItems("0", "1", "2", "3", "b")
	gone := func(name string) (back func()) {
		path := filepath.Join(w.dir, "files", name)
		w.must(os.Rename(path, path+".away"))
		return func() { w.must(os.Rename(path+".away", path)) }
	}
	back := gone("b.csv")
	if rep := w.mustCrawl(); rep.Deleted != 0 || rep.Missed != 1 {
		t.Errorf("file gone, first run: %d deleted, %d missed; want 0, 1", rep.Deleted, rep.Missed)
	}
	back()
	if rep := w.mustCrawl(); rep.Deleted != 0 || rep.Missed != 0 {
		t.Errorf("file back: %d deleted, %d missed; want 0, 0", rep.Deleted, rep.Missed)
	}
	gone("b.csv") // and gone again, which is another first time
	if rep := w.mustCrawl(); rep.Deleted != 0 || rep.Missed != 1 {
		t.Errorf("file gone again, first run: %d deleted, %d missed; want 0, 1", rep.Deleted, rep.Missed)
	}
	if rep := w.mustCrawl(); rep.Deleted != 1 {
		t.Errorf("file gone, second run: %d deleted, want 1", rep.Deleted)
	}
	w.wantItems("0", "1", "2", "3")
}

// Without a word in the mapping, a change that would show many items to more
// people stops.
func TestTheDefaultGuardOnWidenings(t *testing.T) {
	w := newWorld(t)
	closed := []string{"acl: [{grant: everyone}]", `acl: [{grant: externalGroup, value: '"team"'}]`}
	w.remap(closed...)
	w.write("a.csv", numbered(200)...)
	w.mustCrawl()
	w.mapping("")
	_, err := w.crawl(t.Context())
	var stop *state.WideningError
	if !errors.As(err, &stop) || stop.Most != 50 || stop.Widened <= 50 || len(stop.Sample) == 0 {
		t.Fatalf("everything for everyone = %v, want a stop above 50", err)
	}
	open := 0
	for _, v := range w.target.snapshot() {
		if strings.Contains(v, "everyone") {
			open++
		}
	}
	if open > 50 {
		t.Errorf("%d items are for everyone, and the guard lets 50", open)
	}
	most := int64(200)
	w.tweak = func(c *Crawl) { c.Widenings = &most }
	rep := w.mustCrawl()
	if rep.Widened != 200 || len(rep.Widenings) == 0 || rep.Widenings[0].Why != "everyone" {
		t.Errorf("Widened = %d, %v", rep.Widened, rep.Widenings)
	}
}

// An update that the service refuses must not leave the item with those who
// are not to see it any more.
func TestARefusedUpdateOfPermissions(t *testing.T) {
	w := newWorld(t)
	w.remap("acl: [{grant: everyone}]", `acl: [{grant: everyone, when: title == "open"}, {grant: externalGroup, value: '"team"'}]`)
	w.write("a.csv", "1,open,1", "2,open,2")
	w.mustCrawl()
	w.target.refuse = func(it *transform.Item) error { return errors.New("no") }
	w.write("a.csv", "1,secret,1", "2,open,3")
	rep := w.mustCrawl()
	w.wantItems("2")
	if rep.Withdrawn != 1 || rep.Deleted != 1 {
		t.Errorf("%d withdrawn, %d deleted; want 1, 1", rep.Withdrawn, rep.Deleted)
	}
	w.wantCounts(rep, state.Counts{Read: 2, Quarantined: 2})
}

// The state remembers whether the service merges.
func TestMergingIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2")
	var partial *load.Partial
	w.tweak = func(c *Crawl) {
		partial = load.NewPartial(w.target, w.target.get, load.MergesUnknown)
		c.Loader.Target = partial
	}
	w.mustCrawl()
	if partial.Known() != load.MergesUnknown {
		t.Errorf("after a first crawl: %q", partial.Known())
	}
	w.write("a.csv", "1,one,9", "2,two,2")
	w.mustCrawl()
	if partial.Known() != load.Merges || w.target.gets != 1 {
		t.Errorf("after an update: %q, %d read back", partial.Known(), w.target.gets)
	}
	w.write("a.csv", "1,one,10", "2,two,2")
	w.mustCrawl()
	if partial.Known() != load.Merges || w.target.gets != 1 {
		t.Errorf("after another: %q, %d read back", partial.Known(), w.target.gets)
	}
	if got := slices.Sorted(maps.Values(w.target.sent)); got[len(got)-1] != transform.PartProperties {
		t.Errorf("sent %v, want the properties alone", w.target.sent)
	}
}

// A file that was written a moment ago may be written again without a change
// of its time.
func TestAYoungFileIsComparedAgain(t *testing.T) {
	w := newWorld(t)
	w.old = 0
	w.write("a.csv", "1,one,1")
	w.mustCrawl()
	w.rewrite("a.csv", "id,title,size\n1,two,1\n")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 1, Stored: 1})
}

// The hash is that of the content, in whatever order it is read.
func TestTheMeterHashes(t *testing.T) {
	content := make([]byte, 10_000)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	want := sha256.Sum256(content)
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		m := &meter{r: bytes.NewReader(content), done: new(atomic.Int64), sum: sha256.New()}
		at := 0
		for range rnd.IntN(40) {
			off, n := rnd.IntN(len(content)), 1+rnd.IntN(2000)
			if rnd.IntN(2) == 0 { // front to back, with overlaps
				off = max(0, at-rnd.IntN(100))
			}
			got, _ := m.ReadAt(make([]byte, n), int64(off))
			at = off + got
		}
		if got := m.hash(int64(len(content))); !bytes.Equal(got, want[:]) {
			t.Errorf("seed %d: another hash", seed)
		}
		short := &meter{r: bytes.NewReader(content), done: new(atomic.Int64), sum: sha256.New()}
		if got := short.hash(int64(len(content)) + 1); got != nil {
			t.Errorf("a file that has become shorter has the hash %x", got)
		}
	}
}

// A changed mapping maps documents again without opening them, and a document
// that cannot be read costs its time once. (fscrawler#690: a hanging PDF can
// only be stopped by killing its process; every night.)
func TestDocumentsAreReadOnce(t *testing.T) {
	w := newWorld(t)
	cache := extract.OpenCache(filepath.Join(w.dir, "cache"), 1<<20)
	reads := map[string]int{}
	before := extract.Formats
	extract.Formats = append(extract.Formats[:len(extract.Formats):len(extract.Formats)], &extract.Format{Name: "slow", Exts: []string{".slow"}, Keep: true, Version: "1",
		Sniff: func([]byte) bool { return false },
		Read: func(_ context.Context, in extract.Input, _ extract.Options) iter.Seq2[extract.Record, error] {
			return func(yield func(extract.Record, error) bool) {
				reads[filepath.Base(in.Name)]++
				text := make([]byte, in.Size)
				if _, err := in.ReadAt(text, 0); err != nil {
					yield(extract.Record{}, err)
				} else if strings.Contains(string(text), "poison") {
					yield(extract.Record{}, &extract.FileError{Place: extract.Place{File: in.Name}, Reason: extract.ReasonTimeout, Detail: "stopped after 20 s"})
				} else {
					yield(extract.Record{Place: extract.Place{File: in.Name}, Doc: &extract.Document{Body: string(text)}}, nil)
				}
			}
		}})
	t.Cleanup(func() { extract.Formats = before })
	documents := func(acl string) {
		w.remap("path: files/*.csv", "path: files/*.slow", "    where: title != \"skip\"\n", "", "id: id", "id: file.path",
			"properties: {title: title, size: size}", "properties: {title: file.name}", "value: title", "value: body", "[{grant: everyone}]", acl)
	}
	var opened []string
	w.tweak = func(c *Crawl) {
		c.Cache, c.Readers = cache, 1
		c.watchOpens = func(path string) { opened = append(opened, filepath.Base(path)) }
	}
	put := func(name, text string) {
		path := filepath.Join(w.dir, "files", name)
		w.must(os.MkdirAll(filepath.Dir(path), 0o700))
		w.must(os.WriteFile(path, []byte(text), 0o600))
		w.touch(name)
	}
	documents("[{grant: everyone}]")
	for i := range 5 {
		put(fmt.Sprintf("%d.slow", i), fmt.Sprint("text ", i))
	}
	put("bad.slow", "poison")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 6, Stored: 5, Quarantined: 1})
	check := func(what string, wantReads int, wantOpened ...string) {
		t.Helper()
		n := 0
		for _, r := range reads {
			n += r
		}
		if n != wantReads {
			t.Errorf("%s: %d documents were parsed so far, want %d", what, n, wantReads)
		}
		if !slices.Equal(opened, wantOpened) {
			t.Errorf("%s: opened %v, want %v", what, opened, wantOpened)
		}
		opened = nil
	}
	check("first crawl", 6, "0.slow", "1.slow", "2.slow", "3.slow", "4.slow", "bad.slow")

	w.mustCrawl()
	check("nothing changed", 6)
	documents(`[{grant: externalGroup, value: '"team"'}]`)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 6, Stored: 5, Quarantined: 1})
	if got := w.target.sent[transform.EncodeID("3.slow")]; got != transform.PartACL {
		t.Errorf("sent the parts %04b, want the ACL alone", got)
	}
	check("another mapping", 6)

	put("2.slow", "text 2 changed")
	put("copy.slow", "text 1") // known under another name
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 7, Stored: 2, Unchanged: 4, Quarantined: 1})
	check("a changed one and a copy", 7, "2.slow", "copy.slow")

	extract.Formats[len(extract.Formats)-1].Version = "2"
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 7, Unchanged: 6, Quarantined: 1})
	if opened = nil; reads["bad.slow"] != 2 || reads["0.slow"] != 2 {
		t.Errorf("another parser: %v, want all read again", reads)
	}
}

// A run that finds nothing to do must not look at the items, and one that has
// anything to do must.
func TestQuietRuns(t *testing.T) {
	quiet := func(w *world) bool {
		w.t.Helper()
		loaded := int64(-1)
		w.tweak = func(c *Crawl) { c.watchLoad = func(n int64) { loaded = n } }
		rep := w.mustCrawl()
		w.tweak = nil
		if rep.Read != rep.Settled() {
			w.t.Errorf("balance %+v", rep.Counts)
		}
		return loaded < 0
	}
	w := newWorld(t)
	w.write("a.csv", numbered(5)...)
	w.write("b.csv", "b,b,1", "bad,title,many")
	if quiet(w) {
		t.Error("a first run cannot be quiet")
	}
	for range 2 {
		if !quiet(w) {
			t.Error("nothing has changed, and the items were loaded")
		}
	}
	w.write("a.csv", numbered(4)...)
	if quiet(w) {
		t.Error("a file has changed")
	}
	w.wantItems("0", "1", "2", "3", "b")
	w.remove("b.csv")
	if quiet(w) {
		t.Error("a file has gone")
	}
	w.wantItems("0", "1", "2", "3")
	if !quiet(w) {
		t.Error("nothing has changed since")
	}

	// What a run has left over is for the next one.
	w = newWorld(t)
	w.mapping("safety: {deleteAfter: 2}\n")
	w.write("a.csv", numbered(5)...)
	w.mustCrawl()
	w.write("a.csv", numbered(4)...)
	w.mustCrawl()
	if rep := w.mustCrawl(); rep.Deleted != 1 {
		t.Errorf("the second run without its record deleted %d items, want 1", rep.Deleted)
	}

	w = newWorld(t)
	w.write("a.csv", numbered(5)...)
	w.mustCrawl()
	w.write("a.csv", append(numbered(4), ",no id,1")...)
	for range 2 {
		if rep := w.mustCrawl(); rep.Kept != 1 {
			t.Errorf("%d kept, want 1 each time", rep.Kept)
		}
	}
	w.write("a.csv", append(numbered(4), "4,title,many")...)
	for range 2 {
		if rep := w.mustCrawl(); rep.Held != 1 {
			t.Errorf("%d held, want 1 each time", rep.Held)
		}
	}
	w.wantItems("0", "1", "2", "3", "4")
	w.write("a.csv", numbered(4)...)
	w.target.keep = true
	if rep := w.mustCrawl(); rep.Deleted != 0 || len(rep.Problems) != 1 {
		t.Errorf("a delete that is refused: %d deleted, problems %v", rep.Deleted, rep.Problems)
	}
	w.target.keep = false
	if rep := w.mustCrawl(); rep.Deleted != 1 {
		t.Errorf("the run after a delete that was refused deleted %d, want 1", rep.Deleted)
	}

	w = newWorld(t)
	w.write("a.csv", numbered(5)...)
	w.mustCrawl()
	w.write("a.csv", numbered(4)...)
	w.tweak = func(c *Crawl) { c.Keep = true }
	w.mustCrawl()
	w.tweak = nil
	if rep := w.mustCrawl(); rep.Deleted != 1 {
		t.Errorf("the run after one that was to delete nothing deleted %d, want 1", rep.Deleted)
	}
}

// An activity is sent once: not with every change of its item, not again
// because there is another one, and not after a run that was cut off.
func TestActivitiesAreSentOnce(t *testing.T) {
	w := newWorld(t)
	w.remap("    content: {type: text, value: title}\n", `    content: {type: text, value: title}
    activities:
      - {type: created, at: 'date(made, "2006-01-02", "UTC")', by: '"11111111-1111-1111-1111-111111111111"'}
      - {type: modified, at: 'date(changed, "2006-01-02", "UTC")', by: '"11111111-1111-1111-1111-111111111111"'}
`)
	write := func(rows ...string) {
		w.write("a.csv", rows...)
		path := filepath.Join(w.dir, "files", "a.csv")
		b, err := os.ReadFile(path)
		w.must(err)
		w.must(os.WriteFile(path, []byte(strings.Replace(string(b), "id,title,size", "id,title,size,made,changed", 1)), 0o600))
	}
	step := func(what string, counts state.Counts, want ...string) {
		t.Helper()
		w.target.did = nil
		rep := w.mustCrawl()
		w.wantCounts(rep, counts)
		if !slices.Equal(w.target.did, want) || rep.Activities.Sent != int64(len(want)) {
			t.Errorf("%s: sent %q (%d in the report), want %q", what, w.target.did, rep.Activities.Sent, want)
		}
	}
	write("1,one,1,2026-01-01,2026-01-02", "2,two,2,2026-01-01,")
	step("first", state.Counts{Read: 2, Stored: 2}, "1 created 2026-01-01", "1 modified 2026-01-02", "2 created 2026-01-01")
	write("1,another,1,2026-01-01,2026-01-02", "2,two,2,2026-01-01,")
	step("another title", state.Counts{Read: 2, Stored: 1, Unchanged: 1})
	write("1,another,1,2026-01-01,2026-01-05", "2,two,2,2026-01-01,")
	step("a new activity", state.Counts{Read: 2, Stored: 1, Unchanged: 1}, "1 modified 2026-01-05")
	if got := w.target.sent["1"]; got != transform.PartActivities {
		t.Errorf("sent the parts %04b, want the activities alone", got)
	}
	write("1,another,1,2026-01-01,2026-01-02", "2,two,2,2026-01-01,")
	step("an old one again", state.Counts{Read: 2, Unchanged: 2})
	write("1,another,1,,", "2,two,2,2026-01-01,")
	step("none any more", state.Counts{Read: 2, Unchanged: 2})
	write("1,another,2,2026-01-01,2026-01-05", "2,two,2,2026-01-01,2026-01-09")
	step("all again, with a change", state.Counts{Read: 2, Stored: 2}, "2 modified 2026-01-09")

	// Killed when they may have arrived, or not: they may arrive twice then, but
	// never not at all.
	write("1,another,2,2026-01-01,2026-01-05", "2,two,2,2026-01-01,2026-02-01")
	w.target.did = nil
	base := w.target.requests
	w.target.onRequest = func(n int, after bool) error {
		if n > base && after {
			return errKilled
		}
		return nil
	}
	if _, err := w.crawl(t.Context()); err == nil {
		t.Fatal("the crawl was not cut off")
	}
	w.target.onRequest = nil
	w.mustCrawl()
	if len(w.target.did) == 0 || slices.ContainsFunc(w.target.did, func(s string) bool { return s != "2 modified 2026-02-01" }) {
		t.Errorf("over a kill: sent %q", w.target.did)
	}
	// An item that was deleted and comes back has had none.
	write("2,two,2,2026-01-01,2026-02-01")
	w.mustCrawl()
	write("1,one,1,2026-01-01,", "2,two,2,2026-01-01,2026-02-01")
	step("an item that comes back", state.Counts{Read: 2, Stored: 1, Unchanged: 1}, "1 created 2026-01-01")
}
