package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// crashMapping has something of everything that a crawl deals with: records
// that are filtered, that are bad, whose permissions cannot be made (size 99
// names somebody who is not known), that are denied to a group.
const crashMapping = `version: 1
connection: {id: testconnection, name: Test, description: For tests.}
schema:
  title: {type: string, searchable: true, retrievable: true}
  size: {type: int64, retrievable: true, refinable: true, queryable: true}
%ssources:
  - name: rows
    path: files/*.csv
    where: title != "skip"
    id: id
    properties: {title: title, size: size}
    content: {type: text, value: title}
    acl:
      - {grant: everyone, when: title != "secret"}
      - {grant: externalGroup, value: '"team"', when: title == "secret"}
      - {grant: user, value: title, when: size == "99"}
      - {deny: externalGroup, value: '"barred"', when: size == "13"}
`

// crash is newWorld with crashMapping.
func crash(t *testing.T, more string) *world {
	w := newWorld(t)
	w.source(fmt.Sprintf(crashMapping, more))
	w.target.refuse = func(it *transform.Item) error {
		if strings.HasPrefix(it.Content.Value, "no!") {
			return errors.New("the service says no")
		}
		return nil
	}
	return w
}

// source writes the mapping.
func (w *world) source(text string) {
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(text), 0o600))
}

// edit replaces texts in the mapping.
func (w *world) edit(oldNew ...string) {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(string(b), oldNew[i]) {
			w.t.Fatalf("the mapping has no %q", oldNew[i])
		}
	}
	w.source(strings.NewReplacer(oldNew...).Replace(string(b)))
}

func (w *world) groups(lines string) {
	w.must(os.WriteFile(filepath.Join(w.dir, "groups.csv"), []byte("group,type,member\n"+lines), 0o600))
}

func rows(prefix string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s%d,title %d,%d", prefix, i, i, i))
	}
	return out
}

// A scenario is what a killed process was at.
type scenario struct {
	name string
	// before is done without a kill, crawls and all; it may be nil.
	before func(t *testing.T) *world
	// then is what the killed process meets.
	then func(w *world)
	// do is the process; nil is a crawl.
	do func(w *world) error
	// counts tells that what a run does depends on how many came before it.
	counts bool
	// again tells that what was sent may be sent again, earlier record first:
	// then the balance says so.
	again bool

	met *world // see world
}

// world gives the world that the process meets, a new one each time.
func (sc *scenario) world(t *testing.T) *world {
	if sc.met == nil {
		sc.met = sc.before(t)
		sc.then(sc.met)
	}
	w := newWorld(t)
	w.must(os.RemoveAll(w.dir))
	w.must(os.CopyFS(w.dir, os.DirFS(sc.met.dir)))
	for _, name := range []string{"a.csv", "b.csv", "c.csv"} {
		if info, err := os.Stat(filepath.Join(sc.met.dir, "files", name)); err == nil {
			w.must(os.Chtimes(filepath.Join(w.dir, "files", name), info.ModTime(), info.ModTime()))
		}
	}
	from := sc.met.holding()
	w.old, w.tweak, w.planned, w.target.refuse, w.target.items = sc.met.old, sc.met.tweak, sc.met.planned, sc.met.target.refuse, from.items
	if admin := sc.met.admin; admin != nil {
		w.admin = &memAdmin{via: w.target, ready: from.ready, groups: from.groups, changes: admin.changes}
	}
	return w
}

func (sc *scenario) process(w *world) func() error {
	if sc.do != nil {
		return func() error { return sc.do(w) }
	}
	return func() error { _, err := w.crawl(context.Background()); return err }
}

// several is a world with three files, of everything something.
func several(t *testing.T, more string) *world {
	w := crash(t, more)
	w.write("a.csv", append(rows("a", 11), "a3,again,1", "x,skip,1", "bad,title,many", "r1,no! never,1", "s,secret,13")...)
	w.write("b.csv", rows("b", 6)...)
	w.write("c.csv", "c0,title,0")
	return w
}

// moved is what happens to the files of several: rows are new, changed, gone,
// in another file; some are bad now, one of them in its permissions and one with
// other permissions; the target refuses others, one of them with other permissions.
func moved(w *world) {
	w.write("a.csv", append([]string{"new,row,1", "a1,secret,1", "a2,title 2,99", "a0,secret,3?"}, append(rows("a", 7)[3:], "a7,title 7,many", "a8,no! more,8", "a9,no! secret,13", "a10,changed,2", "b1,title 1,1")...)...)
	w.write("b.csv", append(rows("b", 1), "b4,changed,7", "s,open,1")...) // b2, b3 and b5 go
}

const anna, bob, carl = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"

var scenarios = []scenario{
	{name: "first crawl", before: func(t *testing.T) *world { return crash(t, "") }, then: func(w *world) {
		w.write("a.csv", append(rows("a", 11), "a3,again,1", "x,skip,1", "bad,title,many", "r1,no! never,1", "s,secret,13")...)
		w.write("b.csv", rows("b", 6)...)
		w.write("c.csv", "c0,title,0")
	}},
	// A clock that was set back, here or where the files come from.
	{name: "files from the future", before: func(t *testing.T) *world {
		w := crash(t, "")
		w.old = -24 * 3600
		w.write("a.csv", rows("a", 11)...)
		w.write("b.csv", rows("b", 6)...)
		w.write("c.csv", "c0,title,0")
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		w.write("a.csv", append(rows("a", 9), "new,new,1")...)
		w.write("b.csv", append(rows("b", 5), "n,new,2")...)
	}},
	{name: "update", before: func(t *testing.T) *world {
		w := several(t, "")
		w.mustCrawl()
		return w
	}, then: moved},
	{name: "full", before: func(t *testing.T) *world {
		w := several(t, "")
		w.mustCrawl()
		w.tweak = func(c *Crawl) { c.Full = true }
		return w
	}, then: func(w *world) {
		w.write("a.csv", append(rows("a", 9), "a9,changed,1", "new,row,1")...)
		w.rewrite("b.csv", "id,title,size\n"+strings.Join(append(rows("b", 4), "b4,other,9"), "\n")+"\n")
	}},
	{name: "duplicates: last", before: func(t *testing.T) *world {
		w := crash(t, "duplicates: last\n")
		w.write("a.csv", append(rows("a", 9), "a3,again,1", "b2,in both,1", "c0,in all,1")...)
		w.write("b.csv", append(rows("b", 6), "c0,in all,2", "a4,later,7")...)
		w.write("c.csv", "c0,title,0")
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		w.write("a.csv", append(rows("a", 9), "a3,again,1", "a3,once more,1", "b2,in both,1", "c0,in all,1", "new,row,1", "new,row,2")...)
		w.write("b.csv", append(rows("b", 4), "b1,no! longer,3", "a4,later,8", "a5,secret,1", "a5,no! secret,1")...)
	}, again: true},
	{name: "first crawl, duplicates: last", before: func(t *testing.T) *world { return crash(t, "duplicates: last\n") }, then: func(w *world) {
		w.write("a.csv", append(rows("a", 9), "a3,again,1", "b2,in both,1")...)
		w.write("b.csv", append(rows("b", 6), "a4,later,7")...)
		w.write("c.csv", "c0,title,0", "a1,last of all,1")
	}},
	{name: "deleteAfter", before: func(t *testing.T) *world {
		w := several(t, "safety: {deleteAfter: 2}\n")
		w.mustCrawl()
		w.write("a.csv", append(rows("a", 9), "s,secret,13")...)
		w.write("b.csv", rows("b", 4)...)
		w.mustCrawl() // a9, a10, b4 and b5 are missed
		return w
	}, then: func(w *world) {
		w.write("a.csv", append(rows("a", 8), "a9,title 9,9", "s,secret,99")...) // a8 is missed, a9 is back
		w.write("b.csv", rows("b", 5)...)                                        // b4 is back, b5 goes
	}, counts: true},
	{name: "groups", before: func(t *testing.T) *world {
		w := crash(t, "groups: {file: groups.csv}\n")
		w.admin = &memAdmin{via: w.target}
		w.groups("team,user," + anna + "\nteam,user," + bob + "\nbarred,user," + carl + "\nbarred,externalGroup,inner\ninner,user," + bob + "\nold,user," + anna + "\n")
		w.write("a.csv", append(rows("a", 6), "s,secret,13")...)
		w.write("c.csv", "c0,title,0")
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		w.groups("team,user," + anna + "\nteam,user," + carl + "\nbarred,externalGroup,other\nother,user," + anna + "\nlate,user," + anna + "\nlate,externalGroup,team\n")
		w.write("a.csv", append(rows("a", 5), "s,open,1", "t,title,13")...)
	}},
	{name: "in parts", before: func(t *testing.T) *world {
		w := several(t, "")
		w.tweak = func(c *Crawl) {
			target := c.Loader.Target.(*fakeTarget)
			c.Loader.Target = load.NewPartial(target, target.get, load.MergesUnknown)
		}
		w.mustCrawl()
		return w
	}, then: moved},
	{name: "quiet", before: func(t *testing.T) *world {
		w := several(t, "")
		w.mustCrawl()
		w.mustCrawl()
		return w
	}, then: func(w *world) {}},
	{name: "resend", before: func(t *testing.T) *world {
		w := several(t, "")
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		store, err := state.Open(w.t.Context(), w.state, "testconnection", false)
		w.must(err)
		_, err = store.MarkResend(w.t.Context(), "title changes")
		w.must(errors.Join(err, store.Close()))
		w.write("b.csv", rows("b", 4)...)
	}},
	{name: "a schema that needs everything again", before: func(t *testing.T) *world {
		w := several(t, "")
		w.admin = &memAdmin{via: w.target}
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		w.admin.changes = []load.SchemaChange{{Property: "title", Change: "labels", Verdict: load.Reingest}}
		w.write("b.csv", rows("b", 4)...)
	}},
	{name: "a connection that is gone", before: func(t *testing.T) *world {
		w := several(t, "groups: {file: groups.csv}\n")
		w.admin = &memAdmin{via: w.target}
		w.groups("team,user," + anna + "\nbarred,user," + bob + "\n")
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		w.admin.ready, w.admin.groups = false, nil
		clear(w.target.items)
		w.write("b.csv", rows("b", 4)...)
	}},
	{name: "apply", before: func(t *testing.T) *world {
		w := several(t, "")
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		moved(w)
		_, w.planned = w.plan()
	}, do: func(w *world) error { _, err := w.apply(w.planned); return err }},
}

// TestKilledAtEveryMoment ends a process at each of its moments, in each
// scenario. What it leaves is the state's files as they are then and what the
// target has. From there
//
//	resume  ends with what an unbroken crawl ends with: items, groups, balance,
//	        quarantine, and all that is known of them; sends again only what was in
//	        flight; and leaves nothing to do
//	vanish  with all files gone but one, deletes whatever may have been sent
//	remap   under another mapping, ends with what that mapping makes of the files
//
// Seen red with each of the breakages at the end of the file, one at a time.
func TestKilledAtEveryMoment(t *testing.T) {
	for _, sc := range slices.Concat(scenarios, eventScenarios) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			unbroken := sc.world(t)
			want := &ending{}
			if err := sc.process(unbroken)(); err != nil {
				t.Fatal(err)
			}
			want.note(unbroken)
			unbroken.target.requests = 0
			unbroken.mustCrawl()
			want.left = unbroken.target.requests
			other := sc.world(t)
			other.remap2()
			other.mustCrawl()
			remapped := &ending{}
			remapped.note(other)
			step := 1
			if testing.Short() { // under the race detector a moment takes ten times as long
				step = 5
			}
			for _, m := range kindsOfMoments {
				for m.k = 1; ; m.k += step {
					if m.k > 500 {
						t.Fatalf("%v: no end", m)
					}
					if !sc.recover(t, m, func(w *world) { want.resume(w, &sc, m) }) {
						break
					}
					if m.k%2 == 0 || sc.counts {
						sc.recover(t, m, func(w *world) { vanish(w, m) })
					} else {
						sc.recover(t, m, func(w *world) { remapped.remap(w, m) })
					}
				}
				if m.k < 3 && step == 1 && sc.name != "quiet" {
					t.Errorf("%s: only %d moments of this kind", m.what, m.k-1)
				}
			}
		})
	}
}

// recover lets the scenario's process die and does what comes then. It reports
// whether the process got that far.
func (sc *scenario) recover(t *testing.T, m moment, then func(w *world)) bool {
	t.Helper()
	w := sc.world(t)
	if !w.dieAt(m, sc.process(w)) {
		return false
	}
	then(w)
	w.must(os.RemoveAll(w.dir))
	return true
}

// An ending is what is there after a run.
type ending struct {
	rep     *Report
	items   map[string]string
	members string
	known   string
	items2  string
	total   int // requests
	left    int // requests of a further run
}

func (e *ending) note(w *world) {
	w.t.Helper()
	e.total = w.target.requests
	e.rep = w.lastReport()
	r := w.holding()
	e.items, e.members, e.known, e.items2 = r.items, r.members(), w.dump(known), w.dump(knownItems)
}

// lastReport is the summary of the last run in w's state.
func (w *world) lastReport() *Report {
	w.t.Helper()
	store, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer store.Close()
	runs, err := store.Runs(w.t.Context(), 1)
	w.must(err)
	return unmarshal[Report](w.t, runs[0].Summary)
}

func (e *ending) resume(w *world, sc *scenario, m moment) {
	t := w.t
	t.Helper()
	errorf := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%v, and resumed: %s", m, fmt.Sprintf(format, args...))
	}
	if err := sc.process(w)(); err != nil {
		var done *PlanError
		if !errors.As(err, &done) || !strings.Contains(err.Error(), "already") {
			errorf("%v", err)
			return
		}
	}
	rep := w.lastReport()
	r := w.holding()
	if !maps.Equal(r.items, e.items) {
		errorf("the target has %v, want %v", r.items, e.items)
	}
	if got := r.members(); got != e.members {
		errorf("groups:\n%s", differ(got, e.members))
	}
	if got := w.dump(known); got != e.known {
		errorf("known:\n%s", differ(got, e.known))
	}
	if sc.again {
		want := *e.rep
		for _, r := range []*Report{rep, &want} {
			r.Unchanged, r.Stored, r.Widened = r.Unchanged+r.Stored, 0, 0
			r.Sources = nil
		}
		if rep.Counts != want.Counts || rep.Deleted != want.Deleted || rep.Withdrawn != want.Withdrawn {
			errorf("balance %+v, want %+v", rep.Counts, want.Counts)
		}
	} else if rep.Run == e.rep.Run { // else the run was over, and this one has found nothing to do
		if rep.Counts != e.rep.Counts || !reflect.DeepEqual(rep.Sources, e.rep.Sources) {
			errorf("balance %+v %+v, want %+v %+v", rep.Counts, rep.Sources, e.rep.Counts, e.rep.Sources)
		}
		if got, want := fits(rep), fits(e.rep); got != want {
			errorf("events %s, want %s", got, want)
		}
		type tally struct{ deleted, kept, held, withdrawn, missed, widened int64 }
		got := tally{rep.Deleted, rep.Kept, rep.Held, rep.Withdrawn, rep.Missed, rep.Widened}
		if want := (tally{e.rep.Deleted, e.rep.Kept, e.rep.Held, e.rep.Withdrawn, e.rep.Missed, e.rep.Widened}); got != want {
			errorf("%+v, want %+v", got, want)
		}
	}
	w.target.requests = 0
	if again := w.mustCrawl(); w.target.requests != e.left || again.Stored != 0 {
		errorf("%d requests, %d stored by a further run, want %d, 0", w.target.requests, again.Stored, e.left)
	}
}

func vanish(w *world, m moment) {
	w.t.Helper()
	w.remove("a.csv")
	if _, err := os.Stat(filepath.Join(w.dir, "files", "b.csv")); err == nil {
		w.remove("b.csv")
	}
	w.write("c.csv", "c0,title,0")
	rep := w.mustCrawl()
	for range 2 { // deleteAfter
		w.mustCrawl()
	}
	if got := w.target.snapshot(); len(got) != 1 || got["c0"] == "" {
		w.t.Errorf("%v, and files removed: the target still has %v, want c0 alone (%d deleted)", m, got, rep.Deleted)
	}
}

// remap2 changes the mapping. It leaves a0 of moved out: whether it has been
// taken out already is told of it.
func (w *world) remap2() {
	w.edit("value: title}", `value: title + "!"}`, `where: title != "skip"`, `where: title != "skip" && not (size startsWith "3")`)
}

func (e *ending) remap(w *world, m moment) {
	w.t.Helper()
	w.remap2()
	w.mustCrawl()
	r := w.holding()
	if !maps.Equal(r.items, e.items) {
		w.t.Errorf("%v, and another mapping: the target has %v, want %v", m, r.items, e.items)
	}
	if got := r.members(); got != e.members {
		w.t.Errorf("%v, and another mapping: groups:\n%s", m, differ(got, e.members))
	}
	if got := w.dump(knownItems); got != e.items2 {
		w.t.Errorf("%v, and another mapping: known:\n%s", m, differ(got, e.items2))
	}
}

// Breakages that were tried by hand, one at a time, with what turned red: the
// first moment at which TestKilledAtEveryMoment saw it, or another test. Whoever
// changes the code that they are about tries them again.
//
// # Intents
//
//	a batch's intent is not written                  first crawl: files removed, and items stay
//	intents are forgotten when a state is opened     first crawl: the same
//	what is in flight counts as stored               update: a change of permissions is not sent
//	an intent is not taken away with its answers     first crawl: known, intents
//	widenings are not written with the intent        update: the count of widenings
//	widenings in flight are counted twice            update: the same
//	parts are sent over a version that is not known  in parts: an item is half of each
//
// # Settling
//
//	the frontier jumps over a batch                  first crawl: the balance
//	the position is not written with the answers     first crawl: known, files
//	refusals come without the answers                first crawl: known, refused
//	what a failed batch has stored is forgotten      TestStoredIsStoredWhenTheBatchFails
//	it settles on after a commit that failed         update, commit hiccup: items are missing
//	stored before the kill counts as unchanged       first crawl: the balance
//	a replaced record is not left out                duplicates: last: known, files
//	a held item is not known to be so after a kill   update: known, items
//
// # Sweep
//
//	unanswered deletes are forgotten                 update, request failing: items stay for ever
//	a miss counts each time that a run is taken up   deleteAfter: items go too early
//	deletes of an earlier process are not counted    update, request failing: deleted
//	the sweep comes after a crawl that failed        TestStories: most of those of resuming
//
// # Events
//
//	records left out are not written with the file   first crawl with events: known, named
//	what the sweep is to delete is not written down  update with events: the events
//
// # Groups and connection
//
//	a member is sure before the target has it        groups: a member is missing
//	a member is forgotten before it is out           groups: a member stays
//	a group is forgotten before it is deleted        groups: a group stays
//	a connection that is gone is not written down    a connection that is gone: items are missing
//
// # Runs
//
//	an interrupted run is never taken up             TestStories: most of those of resuming
//	the last run is told by the clock                TestStories: the clock jumps
//	a failed run stays in progress                   TestStories: the listing fails
