package pipeline

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"importer/pipeline/state"
)

// inView is what anybody can see of refused and mended records and of unknown
// names, a line each.
func (w *world) inView() string {
	w.t.Helper()
	s, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer s.Close()
	var all []string
	for _, mended := range []bool{false, true} {
		for l, err := range s.Lines(w.t.Context(), state.Filter{Mended: mended}) {
			w.must(err)
			all = append(all, fmt.Sprint(mended, l.Source, path.Base(l.File), l.Line, l.Item, l.Stage, l.Reason, l.Key, string(l.Record)))
		}
	}
	fixes, err := s.FixCounts(w.t.Context())
	w.must(err)
	names, n, err := s.Unknowns(w.t.Context(), 10)
	w.must(err)
	slices.Sort(all)
	return fmt.Sprintf("%s\n%+v\n%d %+v", strings.Join(all, "\n"), fixes, n, names)
}

// mendedWorld has refused records of all stages, equal ones among them, some
// of which are mended and some left out.
func mendedWorld(t *testing.T) *world {
	w := crash(t, "")
	w.write("a.csv", append(append([]string{"who,nobody@x,99"}, rows("a", 6)...), "bad,title,many", "bad,title,many", "bad,title,many", "odd,row", "wide,row,1,2", "r1,no! never,1", "out,title,much", "mend,title,more")...)
	w.write("b.csv", append(rows("b", 6), "bbad,title,many", "a1,again,1")...)
	w.write("c.csv", "c0,title,0")
	w.mustCrawl()
	fixes := map[string][]string{w.keyOf("a.csv", 15): nil, w.keyOf("a.csv", 16): {"mend", "title", "7"}}
	for _, l := range w.quarantine(state.Filter{File: "a.csv"}) {
		if l.Line == 10 { // the second of three that are equal
			fixes[l.Key] = []string{"better", "title", "8"}
		}
	}
	w.mendAll(fixes)
	w.mustCrawl()
	return w
}

// While a run is under way, and after it was stopped, what is refused and what
// was mended stands as it was, until the run comes to the record.
func TestWhatIsRefusedStaysInView(t *testing.T) {
	sc := &scenario{before: mendedWorld, then: func(w *world) { w.edit("value: title}", `value: title + "!"}`) }}
	want := sc.world(t).inView()
	if strings.Count(want, "\n") < 12 || !strings.Contains(want, "{Mended:2 LeftOut:1") || !strings.Contains(want, "nobody@x") {
		t.Fatalf("in view before:\n%s", want)
	}
	step := 1
	if testing.Short() {
		step = 4
	}
	for _, m := range kindsOfMoments {
		n := 0
		for m.k = 1; ; m.k += step {
			got := sc.recover(t, m, func(w *world) {
				n++
				if got := w.inView(); got != want {
					t.Errorf("%v:\n%s", m, differ(got, want))
				}
				// Another mapping, and again: the readings of two runs were not ended.
				w.edit(`title + "!"}`, `title + "!!"}`)
				second := moment{m.what, m.when, 1 + m.k/2}
				w.dieAt(second, sc.process(w))
				if got := w.inView(); got != want {
					t.Errorf("%v, and %v of the next run:\n%s", m, second, differ(got, want))
				}
				w.mustCrawl()
				if got := w.inView(); got != want {
					t.Errorf("%v, and the run has ended:\n%s", m, differ(got, want))
				}
			})
			if !got {
				break
			}
		}
		if n < 2 && step == 1 {
			t.Errorf("%s: only %d moments of this kind", m.what, n)
		}
	}
}

// A correction that no run has come to yet is told, and the record that it is
// of stands in quarantine until then, under its key.
func TestACorrectionThatWaits(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", append(numbered(20), "x,title,many")...)
	w.mustCrawl()
	key := w.keyOf("a.csv", 22)
	w.mend(key, "x", "title", "7")
	w.edit("value: title}", `value: title + "!"}`)
	w.interrupted(3)
	lines, waiting := w.quarantine(state.Filter{}), w.quarantine(state.Filter{Mended: true})
	if len(lines) != 1 || lines[0].Key != key || len(waiting) != 1 || waiting[0].Key != key || !strings.Contains(waiting[0].Detail, "no run has come to it yet") {
		t.Errorf("in quarantine %+v, and waiting %+v; want the record %s in both", lines, waiting, key)
	}
	w.withStore(func(s *state.Store) error {
		c, err := s.FixCounts(t.Context())
		if want := (state.FixCounts{Waiting: 1}); c != want {
			t.Errorf("fixes %+v, want %+v", c, want)
		}
		return err
	})
	w.mend(key, "x", "title", "8") // it can be changed
	rep := w.mustCrawl()
	w.wantFixes(rep, 1, 0)
	if rep.Quarantined != 0 || w.target.snapshot()["x"] == "" {
		t.Errorf("%d in quarantine at the end", rep.Quarantined)
	}
}

// Of a file that has changed, lines stand for records that are still to be read:
// nothing is told twice, and nothing that was read and is good.
func TestWhatIsRefusedOfAChangedFile(t *testing.T) {
	w := newWorld(t)
	w.tweak = func(c *Crawl) { c.Batch, c.InFlight = 4, 1 }
	w.write("a.csv", append([]string{"x,title,many"}, append(numbered(20), "y,title,many")...)...)
	w.mustCrawl()
	w.write("a.csv", append([]string{"x,title,1", "z,title,many"}, append(numbered(20), "y,title,many", "y2,title,many")...)...)
	w.remap("value: title}", `value: title + "!"}`)
	w.interrupted(6)
	var lines []string
	for _, l := range w.quarantine(state.Filter{}) {
		lines = append(lines, l.Item)
	}
	if got := strings.Join(lines, " "); got != "z y" {
		t.Errorf("in quarantine %q, want z of what was read, and y of what was there", got)
	}
}
