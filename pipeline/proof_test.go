package pipeline

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// exec changes the state behind the program's back.
func (w *world) exec(query string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.state, "testconnection.db"))
	w.must(err)
	defer db.Close()
	_, err = db.Exec(query)
	w.must(err)
}

// rewrite changes a file's content and neither its size nor its time, as a
// share that comes back, or a chmod, does not.
func (w *world) rewrite(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "files", name)
	info, err := os.Stat(path)
	w.must(err)
	if int(info.Size()) < len(content) {
		w.t.Fatalf("%s has %d bytes, not the %d that are to be written", name, info.Size(), len(content))
	}
	content += strings.Repeat("\n", int(info.Size())-len(content))
	w.must(os.WriteFile(path, []byte(content), 0o600))
	w.must(os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func numbered(n int) (rows []string) {
	for i := range n {
		rows = append(rows, fmt.Sprintf("%d,title,%d", i, i))
	}
	return rows
}

// failAt makes every request from the n-th on fail for good.
func (w *world) failAt(n int) {
	base := w.target.requests
	w.target.onRequest = func(k int, after bool) error {
		if k-base >= n && !after {
			return errKilled
		}
		return nil
	}
}

// One commit that fails, and others that succeed behind it: the position must
// not pass what was not written.
func TestASettlementThatFailsStopsTheRest(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "z,z,1")
	w.mustCrawl()
	w.exec(`CREATE TRIGGER hiccup BEFORE DELETE ON intents WHEN OLD.seq = 2 BEGIN SELECT RAISE(ABORT, 'disk hiccup'); END`)
	w.write("b.csv", numbered(40)...)
	if _, err := w.crawl(t.Context()); err == nil || !strings.Contains(err.Error(), "hiccup") {
		t.Fatalf("crawl with a failing commit = %v", err)
	}
	w.exec(`DROP TRIGGER hiccup`)
	rep := w.mustCrawl()
	if rep.Deleted != 0 || len(w.target.snapshot()) != 41 {
		t.Errorf("%d deleted, %d items; want 0, 41", rep.Deleted, len(w.target.snapshot()))
	}
	w.wantCounts(rep, state.Counts{Read: 41, Stored: 40, Unchanged: 1})
}

// What a failed batch has stored all the same is not sent again.
func TestStoredIsStoredWhenTheBatchFails(t *testing.T) {
	w := newWorld(t)
	w.tweak = func(c *Crawl) { c.Batch, c.InFlight = 40, 1 }
	w.write("a.csv", numbered(40)...)
	w.failAt(31)
	if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	stored := len(w.target.snapshot())
	w.target.onRequest, w.target.requests = nil, 0
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 40, Stored: 40})
	if w.target.requests != 40-stored {
		t.Errorf("%d were stored, and %d sent again, want %d", stored, w.target.requests, 40-stored)
	}
}

func TestAFileThatCanBeReadAgainIsReadWhole(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,\"one,1", "2,two,2222222222")
	w.write("b.csv", numbered(20)...)
	w.failAt(10)
	if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.target.onRequest = nil
	w.rewrite("a.csv", "id,title,size\nx1,one,1\nx2,two,2\n")
	w.touch("a.csv")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 22, Stored: 22})
	if items := w.target.snapshot(); items["x1"] == "" || items["x2"] == "" {
		t.Error("a record of the mended file is missing")
	}
}

// Less of a file can be read than before the run was interrupted: that is no
// defect of the balance, and the file is read anew.
func TestAFileThatShrinksBetweenKillAndResume(t *testing.T) {
	w := newWorld(t)
	w.tweak = func(c *Crawl) { c.InFlight = 1 } // what is answered is settled
	w.write("a.csv", numbered(40)...)
	w.failAt(30)
	if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.target.onRequest = nil
	w.rewrite("a.csv", "id,title,size\n0,title,0\n1,title,1\n")
	if rep := w.mustCrawl(); rep.Deleted != 0 {
		t.Errorf("%d deleted on the word of a file that is not what it was", rep.Deleted)
	}
	w.write("a.csv", numbered(40)...)
	if rep := w.mustCrawl(); rep.Read != 40 || rep.Stored+rep.Unchanged != 40 || len(w.target.snapshot()) != 40 {
		t.Errorf("balance = %+v with %d items, want all 40", rep.Counts, len(w.target.snapshot()))
	}
}

func TestLinkedFolders(t *testing.T) {
	w := newWorld(t)
	elsewhere := t.TempDir()
	w.write("a.csv", "1,one,1")
	w.must(os.WriteFile(filepath.Join(elsewhere, "b.csv"), []byte("id,title,size\n2,two,2\n"), 0o600))
	w.must(os.Symlink(elsewhere, filepath.Join(w.dir, "files", "linked")))
	w.must(os.Symlink(filepath.Join(w.dir, "files"), filepath.Join(elsewhere, "circle")))
	mapping, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(strings.Replace(string(mapping), "files/*.csv", "files/**/*.csv", 1)), 0o600))
	w.mustCrawl()
	w.wantItems("1", "2")

	// The whole folder moves, and a link takes its place.
	w.must(os.Rename(filepath.Join(w.dir, "files"), filepath.Join(w.dir, "moved")))
	w.must(os.Symlink("moved", filepath.Join(w.dir, "files")))
	if rep := w.mustCrawl(); rep.Deleted != 0 {
		t.Errorf("%d deleted though only a link came between", rep.Deleted)
	}
	w.wantItems("1", "2")
}

func TestTheGuardCountsTheRun(t *testing.T) {
	w := newWorld(t)
	w.mapping("drift: evolve\n")
	w.write("a.csv", numbered(120)...)
	w.mustCrawl()
	w.write("a.csv", numbered(70)...) // 50 go, and 50 may
	w.failAt(45)
	if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.target.onRequest = nil
	w.write("a.csv", numbered(25)...) // and 45 more, in the same run
	_, err := w.crawl(t.Context())
	var guard *GuardError
	if !errors.As(err, &guard) {
		t.Errorf("crawl = %v, want a safety stop", err)
	}
	if left := len(w.target.snapshot()); left < 70 {
		t.Errorf("%d items left of 120 under a guard of 50", left)
	}
}

func TestTheLastWinsInCrawlOrder(t *testing.T) {
	w := newWorld(t)
	w.mapping("duplicates: last\n")
	w.write("a.csv", "1,first,1")
	w.write("b.csv", "1,second,1")
	want := func(what, title string) {
		t.Helper()
		if got := w.target.snapshot()["1"]; !strings.HasPrefix(got, title) {
			t.Errorf("%s: item 1 is %.20q, want %s", what, got, title)
		}
	}
	w.mustCrawl()
	want("at first", "second")
	w.write("a.csv", "1,changed,1")
	w.mustCrawl()
	want("after the earlier file changed", "second")

	w.target.refuse = func(it *transform.Item) error {
		if it.Content.Value == "bad" {
			return errors.New("no")
		}
		return nil
	}
	w.write("b.csv", "1,bad,1")
	if rep := w.mustCrawl(); !rep.Refusals {
		t.Error("a refused replacement is not in quarantine")
	}
}

// A bad record with a good one's id must not take the id from it.
func TestABadRecordDoesNotStealAnID(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2")
	w.mustCrawl()
	w.write("a.csv", "9,nine,9", "1,better,1", "1,bad,many")
	w.write("b.csv", "2,bad,many")
	w.write("c.csv", "2,moved,2")
	w.mustCrawl()
	items := w.target.snapshot()
	if !strings.HasPrefix(items["1"], "better") || !strings.HasPrefix(items["2"], "moved") {
		t.Errorf("items = %.20q and %.20q, want the good records", items["1"], items["2"])
	}
}

// The permissions of a record cannot be made: what the target has may be for
// people who may not see it any more.
func TestUnknownPermissionsTakeTheItemOut(t *testing.T) {
	w := newWorld(t)
	src := strings.Replace(fmt.Sprintf(testMapping, ""), "acl: [{grant: everyone}]", "acl:\n      - {grant: everyone, when: size == \"1\"}\n      - {grant: user, value: title, when: size != \"1\"}", 1)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
	w.write("a.csv", "1,one,1", "2,two,1")
	w.mustCrawl()
	w.write("a.csv", "1,one,1", "2,nobody we know,2")
	rep := w.mustCrawl()
	if rep.Withdrawn != 1 || rep.Deleted != 1 || rep.Held != 0 {
		t.Errorf("Withdrawn, Deleted, Held = %d, %d, %d; want 1, 1, 0", rep.Withdrawn, rep.Deleted, rep.Held)
	}
	w.wantItems("1")
}

// A record is refused for something else, and its permissions have changed:
// what the target has is for the wrong people. Of one whose permissions are as
// they were it stays.
func TestARefusedRecordOfOtherPeople(t *testing.T) {
	w := newWorld(t)
	w.remap("acl: [{grant: everyone}]", `acl: [{grant: everyone, when: title == "open"}, {grant: externalGroup, value: '"team"'}]`)
	w.write("a.csv", "1,open,1", "2,open,2", "3,open,3")
	w.mustCrawl()
	w.write("a.csv", "1,secret,many", "2,open,many", "3,open,3")
	rep := w.mustCrawl()
	w.wantItems("2", "3")
	if rep.Withdrawn != 1 || rep.Deleted != 1 || rep.Held != 1 {
		t.Errorf("Withdrawn, Deleted, Held = %d, %d, %d; want 1, 1, 1", rep.Withdrawn, rep.Deleted, rep.Held)
	}
	w.write("a.csv", "1,secret,1", "2,open,2", "3,open,3")
	w.mustCrawl()
	w.wantItems("1", "2", "3")
	if strings.Contains(w.target.snapshot()["1"], "everyone") {
		t.Errorf("item 1 is %s", w.target.snapshot()["1"])
	}
}

// Rows of a group that do not agree who may see it are permissions that cannot
// be made.
func TestAGroupOfOtherPeople(t *testing.T) {
	w := newWorld(t)
	w.remap("acl: [{grant: everyone}]", `groupBy: id
    acl: [{grant: everyone, when: size == "1"}, {grant: externalGroup, value: '"team"'}]`)
	w.write("a.csv", "1,one,1", "1,one,1", "2,two,1")
	w.mustCrawl()
	w.wantItems("1", "2")
	w.write("a.csv", "1,one,1", "1,one,3", "2,two,1")
	rep := w.mustCrawl()
	w.wantItems("2")
	if rep.Withdrawn != 1 {
		t.Errorf("%d withdrawn, want 1", rep.Withdrawn)
	}
}

func TestWideningGuard(t *testing.T) {
	w := newWorld(t)
	mapping := func(safety string) {
		src := strings.Replace(fmt.Sprintf(testMapping, safety), "acl: [{grant: everyone}]",
			"acl:\n      - {grant: everyone, when: title == \"open\"}\n      - {grant: externalGroup, value: '\"team\"'}", 1)
		w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
	}
	mapping("safety: {maxAclWidenings: 0}\n")
	w.write("a.csv", "1,secret,1", "2,open,2")
	w.mustCrawl()
	w.write("a.csv", "1,open,1", "2,open,2")
	_, err := w.crawl(t.Context())
	var stop *state.WideningError
	if !errors.As(err, &stop) || !slices.Equal(stop.Sample, []state.Widening{{ID: "1", Why: "everyone"}}) {
		t.Fatalf("crawl = %v, want a safety stop about item 1", err)
	}
	if got := w.target.snapshot()["1"]; strings.Contains(got, "everyone") {
		t.Errorf("item 1 was sent all the same: %s", got)
	}
	mapping("")
	if rep := w.mustCrawl(); rep.Widened != 1 {
		t.Errorf("Widened = %d without a guard, want 1", rep.Widened)
	}
}

// One item that is tried again and again must not let the rest pile up.
func TestTheFrontierIsBounded(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(400)...)
	release := make(chan struct{})
	passed := make(chan int64, 1)
	var puts atomic.Int64
	w.target.onRequest = func(n int, after bool) error {
		if n == 1 && !after {
			<-release
		}
		puts.Add(1)
		return nil
	}
	go func() {
		for last := int64(-1); ; time.Sleep(100 * time.Millisecond) {
			if n := puts.Load(); n == last {
				passed <- n
				close(release) // nothing moves any more
				return
			} else {
				last = n
			}
		}
	}()
	w.mustCrawl()
	if n := <-passed; n > 2*100 { // before and after the effect
		t.Errorf("%d of 400 items were sent while the first was not answered", n/2)
	}
}

func TestTwoMappingsOneConnection(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	file := func(name string) { w.tweak = func(c *Crawl) { c.File = filepath.Join(w.dir, name) } }
	rename := func() {
		src := strings.Replace(fmt.Sprintf(testMapping, ""), "name: rows", "name: others", 1)
		w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
	}
	file("one.yaml")
	w.mustCrawl()
	rename() // in the same file: meant so
	w.mustCrawl()
	w.mapping("")
	file("two.yaml")
	_, err := w.crawl(t.Context())
	var foreign *ForeignError
	if !errors.As(err, &foreign) {
		t.Errorf("crawl by another mapping = %v, want a ForeignError", err)
	}
	w.wantItems("1")
}

var _ load.Admin = (*memAdmin)(nil)

// A schema that changes so that items must be ingested again has them sent
// again, and a run that dies before it is registered does not forget it.
func TestASchemaThatNeedsEverythingAgain(t *testing.T) {
	w := newWorld(t)
	admin := &memAdmin{}
	w.tweak = func(c *Crawl) { c.Admin = admin }
	w.write("a.csv", "1,one,1", "2,two,2")
	w.mustCrawl()
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Unchanged: 2})

	admin.changes = []load.SchemaChange{{Property: "title", Change: "labels", Verdict: load.Reingest}}
	admin.ensured = errors.New("killed in the 15 minutes that it takes")
	if _, err := w.crawl(t.Context()); !errors.Is(err, admin.ensured) {
		t.Fatal(err)
	}
	admin.changes, admin.ensured = nil, nil // it is registered by now
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 2})
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Unchanged: 2})
	admin.changes = []load.SchemaChange{{Property: "size", Change: "isQueryable", Verdict: load.Reingest}}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 2}) // in the very run that registers it
	if w.target.puts != 6 {
		t.Errorf("%d items were sent, want 2 three times", w.target.puts)
	}
}
