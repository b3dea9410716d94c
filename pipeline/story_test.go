package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// These are the stories of stories_test.go that are played nowhere else.

// counted tweaks crawls to batches of one, one at a time, so that what is
// answered is settled.
func (w *world) counted() {
	w.allow(func(c *Crawl) { c.Batch, c.InFlight, c.Readers = 1, 1, 1; c.Loader.Concurrency = 1 })
}

// interrupted is a crawl that dies at its n-th request.
func (w *world) interrupted(n int) {
	w.t.Helper()
	w.failAt(n)
	if _, err := w.crawl(w.t.Context()); !errors.Is(err, errKilled) {
		w.t.Fatalf("crawl = %v, want it to die", err)
	}
	w.target.onRequest = nil
}

// bubble does something in virtual time, which begins in the year 2000.
func (w *world) bubble(do func()) {
	outer := w.t
	defer func() { w.t = outer }()
	synctest.Test(outer, func(t *testing.T) {
		w.t = t
		do()
	})
}

// status is that of the last run.
func (w *world) status() string {
	w.t.Helper()
	s, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer s.Close()
	runs, err := s.Runs(w.t.Context(), 1)
	w.must(err)
	return runs[0].Status
}

func storyDiesEveryNight(w *world) {
	w.counted()
	w.write("a.csv", numbered(100)...)
	nights := 0
	for ; len(w.target.snapshot()) < 99; nights++ {
		w.interrupted(12)
	}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 100, Stored: 100})
	if nights != 9 || w.target.puts != 100 {
		w.t.Errorf("%d nights, %d items sent; want 9 of 11 items each, and every item once", nights, w.target.puts)
	}
}

func storyRestartOfAnUpdate(w *world) {
	w.counted()
	w.write("a.csv", numbered(100)...)
	w.mustCrawl()
	w.write("a.csv", append(rows("new", 20), numbered(100)...)...)
	w.interrupted(10)
	w.target.puts = 0
	rep := w.mustCrawl()
	if rep.Deleted != 0 || w.target.deletes != 0 || w.target.puts != 11 {
		w.t.Errorf("%d deleted, %d sent; want none, and the 11 that were left", rep.Deleted, w.target.puts)
	}
}

func storyInterrupted(w *world) {
	w.write("a.csv", numbered(400)...)
	ctx, cancel := context.WithCancel(w.t.Context())
	w.target.onRequest = func(n int, _ bool) error {
		if n == 20 {
			cancel()
		}
		return nil
	}
	first, err := w.crawl(ctx)
	if !errors.Is(err, context.Canceled) || w.status() != "interrupted" {
		w.t.Errorf("crawl = %v, and the run is %s; want it cancelled and interrupted", err, w.status())
	}
	w.target.onRequest = nil
	rep := w.mustCrawl()
	if !rep.Resumed || rep.Run != first.Run || w.status() != "done" {
		w.t.Errorf("resumed: %v, run %d after %d, %s", rep.Resumed, rep.Run, first.Run, w.status())
	}
	w.wantCounts(rep, state.Counts{Read: 400, Stored: 400})
	if len(rep.Attempts) != 2 || rep.Attempts[0].Status != "interrupted" || !rep.Attempts[0].Started.Equal(first.Attempts[0].Started) {
		w.t.Errorf("attempts = %+v, want the first one too", rep.Attempts)
	}
}

func storyDoneFilesStayDone(w *world) {
	var opened []string
	w.opens(&opened)
	w.counted()
	for _, name := range []string{"a.csv", "b.csv", "c.csv"} {
		w.write(name, rows(name, 5)...)
	}
	w.interrupted(12)
	opened = nil
	w.mustCrawl()
	if slices.Contains(opened, "a.csv") || slices.Contains(opened, "b.csv") {
		w.t.Errorf("opened %v again, want c.csv alone", opened)
	}
}

func storySuccessIsWhole(w *world) {
	w.write("a.csv", numbered(40)...)
	for k := 1; ; k += 7 {
		w.target.items, w.state = map[string]string{}, filepath.Join(w.dir, fmt.Sprint("state", k))
		if !killAt(w, k, true) {
			return
		}
		if left := len(w.target.snapshot()); left >= 40 {
			continue // it died after the last one
		}
		rep := w.mustCrawl()
		if n := len(w.target.snapshot()); n != 40 || rep.Stored != 40 {
			w.t.Errorf("killed at request %d: done with %d items, %d in the report, want 40", k, n, rep.Stored)
		}
	}
}

func storyTheSweepDied(w *world) {
	w.write("a.csv", numbered(20)...)
	w.mustCrawl()
	w.write("a.csv", append(numbered(10), "new,new,1")...)
	w.interrupted(3) // the first is the new one's
	var opened []string
	w.opens(&opened)
	rep := w.mustCrawl()
	if len(opened) > 0 || rep.Deleted != 10 {
		w.t.Errorf("opened %v to delete %d; want nothing, and 10", opened, rep.Deleted)
	}
}

func storyLandedAndNotWritten(w *world) {
	w.write("a.csv", numbered(10)...)
	n := 0
	remove := w.onCommit(func() int32 {
		if n++; len(w.target.snapshot()) > 0 {
			return 1
		}
		return 0
	})
	_, err := w.crawl(w.t.Context())
	remove()
	if err == nil || len(w.target.snapshot()) == 0 {
		w.t.Fatalf("crawl = %v with %d items in the target; want an error, and some", err, len(w.target.snapshot()))
	}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 10, Stored: 10})
	if got := len(w.target.snapshot()); got != 10 {
		w.t.Errorf("%d items, want 10", got)
	}
}

func storyTheStateStaysSmall(w *world) {
	const sizes = `SELECT 'items', count(*) FROM items; SELECT 'files', count(*) FROM sources; SELECT 'quarantine', count(*) FROM quarantine;
		SELECT 'intents', count(*) FROM intents; SELECT 'doings', count(*) FROM doings; SELECT 'meta', count(*) FROM meta`
	night := func(n int) string {
		w.write("a.csv", append(numbered(20), fmt.Sprintf("today%d,title,%d", n, n), "bad,title,many", "1,again,1")...)
		w.write("b.csv", rows(fmt.Sprint("b", n), 3)...)
		w.mustCrawl()
		return w.dump(sizes)
	}
	want := night(0)
	for n := range 20 {
		if got := night(n + 1); got != want {
			w.t.Fatalf("after night %d:\n%s", n+1, differ(got, want))
		}
	}
}

func storyErrorInTheMiddle(w *world) {
	w.write("a.csv", numbered(30)...)
	w.write("b.csv", rows("b", 30)...)
	w.mustCrawl()
	w.write("a.csv", rows("new", 30)...)
	w.interrupted(10) // before b.csv was looked into
	if w.target.deletes > 0 || w.lastReport().Error == "" || w.status() != "failed" {
		w.t.Errorf("%d deletes; the run is %s, %q", w.target.deletes, w.status(), w.lastReport().Error)
	}
}

func storyCameDuringTheCrawl(w *world) {
	w.counted()
	w.write("a.csv", numbered(5)...)
	w.write("b.csv", rows("b", 5)...)
	w.mustCrawl()
	w.write("a.csv", append(numbered(5), "new,new,1")...)
	var once sync.Once
	w.target.onRequest = func(int, bool) error {
		once.Do(func() {
			w.write("0.csv", "early,early,1")
			w.write("c.csv", "late,late,1")
			w.write("b.csv", append(rows("b", 5), "more,more,1")...)
		})
		return nil
	}
	if rep := w.mustCrawl(); rep.Deleted != 0 {
		w.t.Errorf("%d deleted", rep.Deleted)
	}
	if rep := w.mustCrawl(); rep.Deleted != 0 || len(w.target.snapshot()) != 14 {
		w.t.Errorf("%d deleted, %d items, want 0, 14", rep.Deleted, len(w.target.snapshot()))
	}
}

func storyDeletedWhilePaused(w *world) {
	w.write("a.csv", numbered(20)...)
	w.write("b.csv", rows("b", 2)...)
	w.mustCrawl()
	w.write("a.csv", append(numbered(20), rows("new", 20)...)...)
	w.interrupted(5)
	w.remove("b.csv")
	w.write("a.csv", numbered(19)...)
	w.mustCrawl()
	if got := w.target.snapshot(); len(got) != 19 || got["b0"] != "" || got["19"] != "" || got["new0"] != "" {
		w.t.Errorf("%d items are left, want the 19 that have records", len(got))
	}
}

func storyOtherIDs(w *world) {
	w.write("a.csv", numbered(60)...)
	w.mustCrawl()
	w.edit("id: id\n", "id: '\"v2-\" + id'\n")
	_, err := w.crawl(w.t.Context())
	var guard *GuardError
	if !errors.As(err, &guard) || !strings.Contains(err.Error(), "have their ids changed?") {
		w.t.Errorf("crawl = %v, want a safety stop that asks for the ids", err)
	}
	w.allow(func(c *Crawl) { c.Deletes = transform.Limit{Count: 60, Set: true} })
	w.mustCrawl()
	for id := range w.target.snapshot() {
		if !strings.HasPrefix(id, "v2-") {
			w.t.Fatalf("%d items, %s among them; want the 60 new ones", len(w.target.snapshot()), id)
		}
	}
}

func storyOneNameInTwoFolders(w *world) {
	w.edit("files/*.csv", "files/**/*.csv", "id: id\n", "id: file.path + id\n")
	w.write("north/a.csv", "1,north,1", "2,north,2")
	w.write("south/a.csv", "1,south,1", "2,south,2")
	w.mustCrawl()
	if n := len(w.target.snapshot()); n != 4 {
		w.t.Errorf("%d items, want 4", n)
	}
	// And where the mapping's ids are the same, the second one is refused, and not
	// written over the first.
	w.edit("id: file.path + id\n", "id: id\n")
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 4, Stored: 2, Quarantined: 0, Duplicates: 2})
	w.wantItem("of two with one id", "1", "north")
	w.wantItems("1", "2")
}

func storyIdenticalFiles(w *world) {
	w.edit("id: id\n", "id: file.name + id\n")
	w.write("a.csv", numbered(3)...)
	w.write("b.csv", numbered(3)...)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 6, Stored: 6})
	w.remove("a.csv")
	if rep := w.mustCrawl(); rep.Deleted != 3 {
		w.t.Errorf("%d deleted with the one of two identical files, want its 3", rep.Deleted)
	}
}

func storyTwoUsersOfOneGroup(w *world) {
	w.admin = &memAdmin{}
	w.mapping("groups: {file: groups.csv}\n")
	w.write("a.csv", "1,one,1")
	want := func(members ...string) {
		w.t.Helper()
		w.mustCrawl()
		if got := w.holding().members(); got != strings.TrimSpace("team "+strings.Join(members, " ")) {
			w.t.Errorf("groups = %q, want %q in the team", got, members)
		}
	}
	w.groups("team,user," + anna + "\nteam,user," + bob + "\n")
	want("user:"+anna, "user:"+bob)
	w.groups("team,user," + bob + "\nteam,user," + carl + "\n")
	want("user:"+bob, "user:"+carl)
	want("user:"+bob, "user:"+carl)
}

func storyPermissionsAlone(w *world) {
	w.edit("acl: [{grant: everyone}]", `acl: [{grant: everyone, when: size == "1"}, {grant: externalGroup, value: '"team"'}]`, "properties: {title: title, size: size}", "properties: {title: title}")
	w.write("a.csv", "1,one,1", "2,two,1")
	w.mustCrawl()
	w.write("a.csv", "1,one,2", "2,two,1") // the column is in the permissions alone
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 1, Unchanged: 1})
	if got := w.target.snapshot()["1"]; strings.Contains(got, "everyone") {
		w.t.Errorf("item 1 is %s, and not to be seen by everyone", got)
	}
	// The mapping changes, and no file.
	w.edit(`when: size == "1"`, `when: size == "7"`)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Stored: 1, Unchanged: 1})
}

func storyEveryoneButGuests(w *world) {
	w.edit("grant: everyone", "grant: everyoneExceptGuests")
	w.write("a.csv", "1,one,1")
	w.mustCrawl()
	if got := w.target.snapshot()["1"]; !strings.Contains(got, "everyoneExceptGuests") {
		w.t.Errorf("item 1 was sent as %s", got)
	}
	w.edit("grant: everyoneExceptGuests", "grant: everyone")
	if rep := w.mustCrawl(); rep.Widened != 1 {
		w.t.Errorf("guests see it too, and %d widenings are counted", rep.Widened)
	}
}

func storyOneUnreadableFile(w *world) {
	w.write("a.csv", numbered(3)...)
	w.put("b.csv", "id,title,size\n1,\"never closed")
	w.write("c.csv", rows("c", 3)...)
	rep := w.mustCrawl()
	if rep.Stored != 6 || rep.Quarantined == 0 || w.status() != "done" {
		w.t.Errorf("%+v, %s; want 6 stored and the file in quarantine", rep.Counts, w.status())
	}
}

// storyAnotherConnection has two connections with states in one folder.
func storyAnotherConnection(w *world) {
	other := newWorld(w.t)
	other.state = w.state
	other.allow(func(c *Crawl) {})
	w.write("a.csv", numbered(20)...)
	w.interrupted(5)
	store, err := state.Open(w.t.Context(), w.state, "otherconnection", false)
	w.must(err)
	defer store.Close()
	other.write("a.csv", "1,one,1")
	c := other.crawlOver(store)
	if rep, err := c.Run(w.t.Context()); err != nil || rep.Stored != 1 {
		w.t.Errorf("the other connection: %v", err)
	}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 20, Stored: 20})
}

func storyWhichAreNotThere(w *world) {
	w.write("a.csv", numbered(5)...)
	w.put("b.csv", "")
	w.write("c.csv", "1,again,1", "x,title,many")
	w.mustCrawl()
	var got []string
	for _, l := range w.quarantine(state.Filter{}) {
		got = append(got, fmt.Sprintf("%s:%d %s", filepath.Base(l.File), l.Line, l.Reason))
	}
	slices.Sort(got)
	if want := []string{"b.csv:0 empty-file", "c.csv:2 duplicate-id", "c.csv:3 bad-value"}; !slices.Equal(got, want) {
		w.t.Errorf("refused are %q, want %q", got, want)
	}
}

func storyProgress(w *world) {
	w.counted()
	w.write("a.csv", numbered(40)...)
	var c *Crawl
	w.allow(func(crawl *Crawl) { c = crawl })
	var seen []int64
	w.target.onRequest = func(n int, after bool) error {
		if !after && n%10 == 0 {
			p := c.Progress()
			if p.Phase != "crawling" || p.Files != 1 {
				w.t.Errorf("progress = %+v", p)
			}
			seen = append(seen, p.Stored)
		}
		return nil
	}
	w.mustCrawl()
	if want := []int64{9, 19, 29, 39}; !slices.Equal(seen, want) {
		w.t.Errorf("stored at requests 10, 20, 30 and 40: %v, want %v", seen, want)
	}
}

func storySeveralAtOnce(w *world) {
	w.write("a.csv", numbered(40)...)
	w.bubble(func() {
		together := make(chan bool)
		w.target.onRequest = func(n int, after bool) error {
			switch { // the first waits for the second
			case n == 1 && !after:
				select {
				case <-together:
				case <-time.After(time.Hour):
					w.t.Error("no second request comes while the first is under way")
				}
			case n == 2 && !after:
				close(together)
			}
			return nil
		}
		w.mustCrawl()
	})
}

func storyBackfill(w *world) {
	w.edit(`where: title != "skip"`, `where: int(size) > 5`)
	w.write("a.csv", numbered(10)...)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 10, Stored: 4, Filtered: 6})
	w.edit(`where: int(size) > 5`, `where: int(size) > 2`)
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 10, Stored: 3, Unchanged: 4, Filtered: 3})
}

func storyTheListingFails(w *world) {
	w.write("a.csv", "1,one,1")
	w.mustCrawl()
	away := filepath.Join(w.dir, "away")
	w.must(os.Rename(filepath.Join(w.dir, "files"), away))
	if _, err := w.crawl(w.t.Context()); err == nil || w.status() != "failed" {
		w.t.Errorf("crawl = %v, and the run is %s; want failed", err, w.status())
	}
	w.must(os.Rename(away, filepath.Join(w.dir, "files")))
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 1, Unchanged: 1})
	if w.status() != "done" {
		w.t.Errorf("the run is %s", w.status())
	}
}

func storyAnsweredTwice(w *world) {
	// The answer to a request is lost, and the loader's second request is answered
	// as well: the item is there once and counts once.
	w.write("a.csv", numbered(10)...)
	w.allow(func(c *Crawl) { c.Loader.Retry = load.Retry{Base: time.Microsecond, Max: time.Microsecond} })
	lost := map[int]bool{2: true, 5: true, 6: true}
	w.target.onRequest = func(n int, after bool) error {
		if after && lost[n] {
			return errors.New("the connection was reset")
		}
		return nil
	}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 10, Stored: 10})
	if w.target.puts != 13 || len(w.target.snapshot()) != 10 {
		w.t.Errorf("%d requests, %d items; want 13, 10", w.target.puts, len(w.target.snapshot()))
	}
}

func storyOutOfOrder(w *world) {
	// The first batch is answered when the others have been: a kill at that time
	// sends it again, and nothing else.
	w.allow(func(c *Crawl) { c.Batch = 1 })
	w.write("a.csv", numbered(6)...)
	w.bubble(func() {
		answered := make(chan bool, 10)
		w.target.onRequest = func(n int, after bool) error {
			switch {
			case n == 1 && !after:
				for range 2 {
					select {
					case <-answered:
					case <-time.After(time.Hour):
						w.t.Error("no other request is answered while the first is under way")
					}
				}
				return errKilled
			case after:
				answered <- true
			}
			return nil
		}
		if _, err := w.crawl(w.t.Context()); !errors.Is(err, errKilled) {
			w.t.Error(err)
		}
	})
	stored := len(w.target.snapshot())
	w.target.onRequest, w.target.puts = nil, 0
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 6, Stored: 6})
	if w.target.puts != 6-stored || stored < 2 {
		w.t.Errorf("%d were stored behind the first, %d sent afterwards", stored, w.target.puts)
	}
}

// storyTheClockJumps crawls, is interrupted and crawls on while the clock says
// the year 2000, and then today, and again 2000.
func storyTheClockJumps(w *world) {
	w.write("a.csv", numbered(20)...)
	w.write("b.csv", rows("b", 5)...)
	w.bubble(func() { w.interrupted(10) })
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 25, Stored: 25})
	w.bubble(func() { w.wantCounts(w.mustCrawl(), state.Counts{Read: 25, Unchanged: 25}) })
	w.write("a.csv", numbered(19)...)
	w.bubble(func() {
		if rep := w.mustCrawl(); rep.Deleted != 1 || rep.Seconds < 0 {
			w.t.Errorf("%d deleted in %g s", rep.Deleted, rep.Seconds)
		}
	})
	// Changed within the second, by a clock that is behind the files'.
	w.rewrite("b.csv", "id,title,size\nb0,title 0,0\nb1,other,1\nb2,title 2,2\n")
	w.bubble(func() { w.allow(func(c *Crawl) { c.Full = true }); w.mustCrawl() })
	w.wantItem("the files were rewritten", "b1", "other")
	if n := len(w.target.snapshot()); n != 22 {
		w.t.Errorf("%d items, want 22", n)
	}
}

func storyTwoRunsAtOnce(w *world) {
	w.write("a.csv", numbered(10)...)
	var other error
	var once sync.Once
	w.target.onRequest = func(int, bool) error {
		once.Do(func() {
			var second *state.Store
			if second, other = state.Open(w.t.Context(), w.state, "testconnection", false); other == nil {
				second.Close()
			}
		})
		return nil
	}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 10, Stored: 10})
	if !errors.Is(other, state.ErrLocked) {
		w.t.Errorf("a second run opens the state: %v, want ErrLocked", other)
	}
}

// storyTheMachineSleeps has a request that is under way when the machine is
// closed: it fails in the morning, and the crawl goes on.
func storyTheMachineSleeps(w *world) {
	w.counted()
	w.allow(func(c *Crawl) { c.Loader.Retry = load.Retry{Tries: 3, For: 15 * time.Minute} })
	w.write("a.csv", numbered(20)...)
	w.target.onRequest = func(n int, after bool) error {
		if n == 6 && after {
			time.Sleep(9 * time.Hour)
		}
		if (n == 5 || n == 6) && after {
			return &fs.PathError{Op: "read", Path: "tcp", Err: os.ErrDeadlineExceeded}
		}
		return nil
	}
	w.bubble(func() {
		rep := w.mustCrawl()
		w.wantCounts(rep, state.Counts{Read: 20, Stored: 20})
		if rep.Seconds < 9*3600 || w.target.puts != 22 {
			w.t.Errorf("%g s, %d requests; want 9 hours and 22", rep.Seconds, w.target.puts)
		}
	})
}
