package state

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A world is a folder of made-up files and a store that is opened and killed.
type world struct {
	t     *testing.T
	dir   string
	s     *Store
	run   Run
	files map[string][]string // path -> "id=content" by part
	stamp map[string]int64    // path -> modified

	mapping      string // its name: another one is another mapping
	full, byTime bool
	parsers      string
	hashed       []string // paths whose content was compared
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), files: map[string][]string{}, stamp: map[string]int64{}}
	w.open()
	t.Cleanup(func() { w.s.Close() })
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() {
	w.t.Helper()
	var err error
	w.s, err = Open(w.t.Context(), w.dir, "conn", false)
	w.must(err)
}

// kill closes the store without ending the run, as a SIGKILL does.
func (w *world) kill() {
	w.t.Helper()
	w.must(w.s.Close())
	w.open()
}

func (w *world) write(path string, records ...string) {
	w.files[path] = records
	w.stamp[path]++
}

// begin starts or resumes a run and meets all files.
func (w *world) begin() []*Source {
	w.t.Helper()
	ctx := w.t.Context()
	var err error
	w.run, err = w.s.BeginRun(ctx, sha256.Sum256([]byte("mapping"+w.mapping)), w.full, time.Now())
	w.must(err)
	var found []Found
	for path := range w.files {
		found = append(found, Found{Name: "src", Path: path, Size: int64(len(w.files[path])), Modified: time.Unix(w.stamp[path], 0),
			Verify: w.run.Full, ByTime: w.byTime, Parsers: w.parsers})
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Path, b.Path) })
	which, err := w.s.Undecided(ctx, found)
	w.must(err)
	for _, i := range which {
		found[i].Hash = w.hash(found[i].Path)
		w.hashed = append(w.hashed, found[i].Path)
	}
	w.must(w.s.Meet(ctx, w.run, 0, found))
	w.must(w.s.Recheck(ctx, w.run))
	w.must(w.s.Load(ctx, w.run))
	var out []*Source
	for src, err := range w.s.Sources(ctx, w.run) {
		w.must(err)
		out = append(out, src)
	}
	return out
}

// hash is the hash of a file's content.
func (w *world) hash(path string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(w.files[path], "\n")))
	return sum[:]
}

// admit admits the records of src from part from to part to.
func (w *world) admit(src *Source, from, to int) (int64, []Entry, []Verdict) {
	w.t.Helper()
	var entries []Entry
	for part := from; part < to; part++ {
		id, content, _ := strings.Cut(w.files[src.Path][part], "=")
		entries = append(entries, Entry{ID: id, Digest: sha256.Sum256([]byte(content)), Source: src, Part: int64(part), Line: part + 2})
	}
	seq, verdicts, err := w.s.Admit(w.t.Context(), entries)
	w.must(err)
	return seq, entries, verdicts
}

// settle stores what was admitted; reject names ids that the target refuses.
func (w *world) settle(src *Source, seq int64, entries []Entry, verdicts []Verdict, end bool, reject ...string) {
	w.t.Helper()
	var outs []Outcome
	for i, v := range verdicts {
		src.Read++
		switch v.Kind {
		case Duplicate:
			src.Duplicates++
			continue
		case Unchanged:
			src.Unchanged++
		default:
			src.Stored++
		}
		outs = append(outs, Outcome{Entry: &entries[i], Verdict: v, Rejected: slices.Contains(reject, entries[i].ID)})
	}
	src.Ended, src.Whole = end, end
	if end {
		src.Hash = w.hash(src.Path)
	}
	w.must(w.s.Settle(w.t.Context(), seq, outs, nil, []*Source{src}, nil))
}

// crawl reads every file that must be read and ends the run. It returns the
// kinds by id, "skip" for files that were not opened.
func (w *world) crawl(reject ...string) map[string]Kind {
	w.t.Helper()
	kinds := map[string]Kind{}
	for _, src := range w.begin() {
		if src.Skip {
			continue
		}
		seq, entries, verdicts := w.admit(src, int(src.Resume), len(w.files[src.Path]))
		for i, v := range verdicts {
			kinds[entries[i].ID] = v.Kind
		}
		w.settle(src, seq, entries, verdicts, true, reject...)
	}
	w.must(w.s.EndRun(w.t.Context(), w.run.ID, "done", nil, time.Now()))
	return kinds
}

// hold refuses the record of an item.
func (w *world) hold(src *Source, id string) {
	w.t.Helper()
	_, err := w.s.Hold(w.t.Context(), id, src, nil)
	w.must(err)
}

func (w *world) heldBack() int64 {
	w.t.Helper()
	n, err := w.s.HeldBack(w.t.Context())
	w.must(err)
	return n
}

func (w *world) stale(doubtful ...string) []string {
	w.t.Helper()
	known, err := w.s.Stale(w.t.Context(), w.run, doubtful, 0, 1000)
	w.must(err)
	toll, err := w.s.Guard(w.t.Context(), w.run, doubtful)
	w.must(err)
	var nowhere int64 // what was never there is swept and does not count
	w.must(w.s.db.QueryRowContext(w.t.Context(), "SELECT count(*) FROM items WHERE status = 2 AND open < 0 AND pass <> (SELECT pass FROM sources WHERE id = items.source)").Scan(&nowhere))
	if toll.Stale+nowhere != int64(len(known)) {
		w.t.Errorf("Guard counts %d, Stale gives %d", toll.Stale, len(known))
	}
	ids := []string{}
	for _, k := range known {
		ids = append(ids, k.ID)
	}
	return ids
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s = %s, want %s", what, g, w)
	}
}

func TestVerdicts(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x", "3=x", "2=again")
	check(t, "first run", w.crawl("3"), map[string]Kind{"1": Send, "2": Duplicate, "3": Send})

	w.write("a.csv", "1=x", "2=changed", "3=x", "4=new") // 3 is as it was refused
	check(t, "second run", w.crawl(), map[string]Kind{"1": Unchanged, "2": Send, "3": Refused, "4": Send})

	w.mapping = "another"
	w.write("a.csv", "1=x", "2=changed", "3=x", "4=new", "")
	check(t, "another mapping", w.crawl("3", ""), map[string]Kind{"1": Unchanged, "2": Unchanged, "3": Send, "4": Unchanged, "": Send})

	w.write("a.csv", "0=new", "1=x", "2=changed", "3=mended", "4=new")
	check(t, "rows shifted", w.crawl(), map[string]Kind{"0": Send, "1": Unchanged, "2": Unchanged, "3": Send, "4": Unchanged})
	check(t, "stale", w.stale(), []string{})

	check(t, "untouched", w.crawl(), map[string]Kind{})
}

func TestAnUntouchedFileCountsAsUnchanged(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.crawl()
	w.crawl()
	got, err := w.s.Balance(t.Context(), w.run)
	w.must(err)
	check(t, "balance", got, Counts{Read: 2, Unchanged: 2})
}

func TestAFileWithDuplicatesIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x")
	w.write("b.csv", "1=y")
	check(t, "first run", w.crawl(), map[string]Kind{"1": Duplicate})
	// The other record of the id cannot have gone while nothing has changed.
	check(t, "untouched", w.crawl(), map[string]Kind{})
	got, err := w.s.Balance(t.Context(), w.run)
	w.must(err)
	check(t, "balance", got, Counts{Read: 2, Unchanged: 1, Duplicates: 1})
	w.write("a.csv", "2=x")
	// b.csv was not touched, but its record is no duplicate any more.
	check(t, "second run", w.crawl(), map[string]Kind{"1": Send, "2": Send})
	check(t, "stale", w.stale(), []string{})
}

func TestAnIDInAFileThatIsNotReadIsTaken(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x")
	w.crawl()
	w.write("b.csv", "1=y")
	check(t, "second run", w.crawl(), map[string]Kind{"1": Duplicate})
}

func TestKilledBetweenIntentAndAnswer(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x", "3=x", "4=x")
	src := w.begin()[0]
	seq, entries, verdicts := w.admit(src, 0, 2)
	w.settle(src, seq, entries, verdicts, false)
	w.admit(src, 2, 4) // sent, and then
	w.kill()

	src = w.begin()[0]
	if !w.run.Resumed || w.run.ID != 1 {
		t.Errorf("run = %+v, want run 1 resumed", w.run)
	}
	check(t, "resume position", src.Resume, int64(2))
	_, _, verdicts = w.admit(src, 2, 4)
	for i, v := range verdicts {
		if v.Kind != Send {
			t.Errorf("in flight item %d: verdict %v, want Send", i, v.Kind)
		}
	}
}

func TestInFlightItemsOfAVanishedFileAreSwept(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.write("b.csv", "9=x")
	w.admit(w.begin()[0], 0, 2) // sent, and then
	w.kill()
	delete(w.files, "a.csv")
	w.crawl()
	check(t, "stale", w.stale(), []string{"1", "2"})
}

func TestAnUpdateInFlightIsSentAgain(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x")
	w.crawl()
	w.write("a.csv", "1=y")
	w.admit(w.begin()[0], 0, 1)
	w.kill()
	w.write("a.csv", "1=x") // back to what was stored before; the target may have y
	check(t, "verdict", w.crawl(), map[string]Kind{"1": Send})
}

func TestASettledBatchBehindTheFrontierIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x", "3=x", "4=x")
	src := w.begin()[0]
	w.admit(src, 0, 2) // no answer
	seq, entries, verdicts := w.admit(src, 2, 4)
	var outs []Outcome
	for i := range entries {
		outs = append(outs, Outcome{Entry: &entries[i], Verdict: verdicts[i]})
	}
	w.must(w.s.Settle(t.Context(), seq, outs, nil, nil, nil))
	w.kill()
	src = w.begin()[0]
	check(t, "resume position", src.Resume, int64(0))
	_, _, verdicts = w.admit(src, 0, 4)
	check(t, "verdicts", []Kind{verdicts[0].Kind, verdicts[1].Kind, verdicts[2].Kind, verdicts[3].Kind}, []Kind{Send, Send, Unchanged, Unchanged})
	check(t, "stored by this run", []bool{verdicts[2].Before, verdicts[3].Before}, []bool{true, true})
}

func TestAFileThatChangedAfterAKillIsReadFromTheStart(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	src := w.begin()[0]
	seq, entries, verdicts := w.admit(src, 0, 1)
	w.settle(src, seq, entries, verdicts, false)
	w.kill()
	w.write("a.csv", "0=x", "1=x", "2=x")
	check(t, "verdicts", w.crawl(), map[string]Kind{"0": Send, "1": Unchanged, "2": Send})
}

func TestSweep(t *testing.T) {
	tests := []struct {
		name  string
		then  func(w *world) []string // what happens before the second run; returns doubtful sources
		short bool                    // the second reading ends early
		lost  bool                    // a record could not be understood
		want  []string
	}{
		{"a record is gone", func(w *world) []string { w.write("a.csv", "1=x"); return nil }, false, false, []string{"2"}},
		{"a file is gone", func(w *world) []string { delete(w.files, "a.csv"); return nil }, false, false, []string{"1", "2"}},
		{"the folder could not be looked at", func(w *world) []string { delete(w.files, "a.csv"); return []string{"src"} }, false, false, []string{}},
		{"the file was cut short", func(w *world) []string { w.write("a.csv", "1=x"); return nil }, true, false, []string{}},
		{"a record could not be read", func(w *world) []string { w.write("a.csv", "1=x"); return nil }, false, true, []string{}},
		{"a record moved to another file", func(w *world) []string {
			w.write("a.csv", "1=x")
			w.write("b.csv", "9=x", "2=x")
			return nil
		}, false, false, []string{}},
		{"a file was renamed", func(w *world) []string {
			w.files["c.csv"] = w.files["a.csv"]
			delete(w.files, "a.csv")
			return nil
		}, false, false, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("a.csv", "1=x", "2=x")
			w.write("b.csv", "9=x")
			w.crawl()
			doubtful := tt.then(w)
			for _, src := range w.begin() {
				if src.Skip {
					continue
				}
				seq, entries, verdicts := w.admit(src, 0, len(w.files[src.Path]))
				var refused []Refusal
				if tt.lost {
					refused = append(refused, Refusal{Source: src, Part: 1, Stage: "extract", Reason: "ragged-row", File: src.Path, Detail: "x"})
				}
				src.Ended, src.Whole = true, !tt.short
				var outs []Outcome
				for i, v := range verdicts {
					if v.Kind != Duplicate {
						outs = append(outs, Outcome{Entry: &entries[i], Verdict: v})
					}
				}
				w.must(w.s.Settle(t.Context(), seq, outs, nil, []*Source{src}, refused))
			}
			check(t, "stale", w.stale(doubtful...), tt.want)
		})
	}
}

func TestHoldKeepsAnItemWhoseRecordIsBadNow(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.crawl()
	w.write("a.csv", "1=x", "2=bad")
	src := w.begin()[0]
	seq, entries, verdicts := w.admit(src, 0, 1)
	w.hold(src, "2")
	check(t, "held", w.heldBack(), int64(1))
	w.settle(src, seq, entries, verdicts, true)
	check(t, "stale", w.stale(), []string{})
	w.hold(src, "3")
	check(t, "held, with an item that is not known", w.heldBack(), int64(1))
}

// A refused record is no record: a good one with its id is not its duplicate,
// whether the item is stored, in flight when the process died, or held by a
// run that died.
func TestAGoodRecordAfterARefusedOneWithItsID(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.crawl()
	w.write("a.csv", "2=y", "1=x")
	src := w.begin()[0]
	w.hold(src, "1")
	w.hold(src, "2")
	_, _, verdicts := w.admit(src, 0, 2)
	check(t, "kinds", []Kind{verdicts[0].Kind, verdicts[1].Kind}, []Kind{Send, Unchanged})
	check(t, "held", w.heldBack(), int64(0))

	w.kill() // the intent of 2 is there, nothing else
	src = w.begin()[0]
	w.hold(src, "2")
	w.hold(src, "1")
	w.kill()
	src = w.begin()[0]
	check(t, "held after a kill", w.heldBack(), int64(2))
	_, _, verdicts = w.admit(src, 0, 2)
	check(t, "kinds after a kill", []Kind{verdicts[0].Kind, verdicts[1].Kind}, []Kind{Send, Unchanged})
	_, _, verdicts = w.admit(src, 0, 2)
	check(t, "kinds of true duplicates", []Kind{verdicts[0].Kind, verdicts[1].Kind}, []Kind{Duplicate, Duplicate})
}

func TestOneProcessAtATime(t *testing.T) {
	w := newWorld(t)
	if _, err := Open(t.Context(), w.dir, "conn", false); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open = %v, want ErrLocked", err)
	}
	if _, err := Reader(w.dir, "conn"); err != nil {
		t.Errorf("Reader beside a crawl = %v, want nil", err)
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	w := newWorld(t)
	_, err := w.s.db.Exec("PRAGMA user_version = 99")
	w.must(err)
	w.must(w.s.Close())
	_, err = Open(t.Context(), w.dir, "conn", false)
	if err == nil || !strings.Contains(err.Error(), "newer importer") {
		t.Errorf("Open of a newer file = %v, want an error that says so", err)
	}
	w.s, err = OpenTemp(t.Context()) // for the clean-up
	w.must(err)
}

func TestOpenTempLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := OpenTemp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The connection is not there: everything is sent again, and nothing that may
// still be in it is forgotten.
func TestDoubt(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.crawl()
	w.must(w.s.Doubt(t.Context()))
	w.write("a.csv", "1=x")
	check(t, "verdicts after Doubt", w.crawl(), map[string]Kind{"1": Send})
	check(t, "stale", w.stale(), []string{"2"})
}

func TestWithdrawn(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x", "3=x")
	w.crawl()
	w.write("a.csv", "1=x", "3=nobody may see it", "2=nobody may see it", "3=x")
	refuse := func() {
		src := w.begin()[0]
		w.hold(src, "3")
		w.hold(src, "2")
		seq, entries, verdicts := w.admit(src, 0, 1)
		more, moreEntries, moreVerdicts := w.admit(src, 3, 4)
		w.settle(src, seq, entries, verdicts, false)
		var refused []Refusal
		for part, id := range []string{1: "3", 2: "2"} {
			if id != "" {
				refused = append(refused, Refusal{Source: src, Part: int64(part), Item: id, Stage: "transform", Reason: "unknown-principal", Property: "acl", File: "a.csv", Detail: "x"})
			}
		}
		// The file is not even read whole: permissions do not wait for proof.
		w.must(w.s.Settle(t.Context(), more, []Outcome{{Entry: &moreEntries[0], Verdict: moreVerdicts[0]}}, nil, []*Source{src}, refused))
		n, err := w.s.Withdraw(t.Context())
		w.must(err)
		check(t, "withdrawn", n, int64(1)) // 3 has a good record as well
		check(t, "held", w.heldBack(), int64(0))
		check(t, "stale", w.stale("src"), []string{"2"})
	}
	refuse()
	w.kill()
	w.write("a.csv", "1=x", "2=x", "3=x") // as it was before
	check(t, "mended before the sweep", w.crawl(), map[string]Kind{"1": Unchanged, "2": Send, "3": Unchanged})
	check(t, "stale", w.stale(), []string{})
}

func TestWidenings(t *testing.T) {
	entry := func(open int, denies string) Entry {
		return Entry{ID: "1", Open: open, Denies: denies, Digest: sha256.Sum256(fmt.Append(nil, open, denies))}
	}
	tests := []struct {
		name     string
		had, has Entry
		want     bool
	}{
		{"everyone is granted", entry(0, ""), entry(2, ""), true},
		{"guests are granted", entry(1, ""), entry(2, ""), true},
		{"everyone goes", entry(2, ""), entry(0, ""), false},
		{"a deny vanishes", entry(2, "user:a\nuser:b"), entry(2, "user:b"), true},
		{"a deny is exchanged", entry(2, "user:a"), entry(2, "user:b"), true},
		{"a deny is added", entry(2, "user:a"), entry(2, "user:a\nuser:b"), false},
		{"nothing", entry(2, "user:a"), entry(2, "user:a"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			send := func(e Entry) error {
				w.write("a.csv", fmt.Sprint("1=", w.stamp["a.csv"])) // or it would not be read
				src := w.begin()[0]
				e.Source = src
				entries := []Entry{e}
				seq, verdicts, err := w.s.Admit(t.Context(), entries)
				if err != nil {
					return err
				}
				if len(verdicts) == 1 && (verdicts[0].Widens != "") != (tt.want && e.Digest == tt.has.Digest) {
					t.Errorf("Widens = %q", verdicts[0].Widens)
				}
				w.settle(src, seq, entries, verdicts, true)
				return w.s.EndRun(t.Context(), w.run.ID, "done", nil, time.Now())
			}
			w.must(send(tt.had))
			w.s.MaxWidenings = 0
			err := send(tt.has)
			var stop *WideningError
			if errors.As(err, &stop) != tt.want || err != nil && stop == nil {
				t.Fatalf("Admit = %v, want a safety stop: %v", err, tt.want)
			}
			if stop == nil {
				return
			}
			w.kill()
			if err := send(tt.has); err != nil {
				t.Errorf("Admit without a guard after the stop = %v", err)
			}
		})
	}
}

// BenchmarkItem gives the cost of an item's state: on the first run, and on a
// run over rewritten files with the same content.
func BenchmarkItem(b *testing.B) {
	ctx := context.Background()
	const items, batch = 200_000, 500
	crawl := func(s *Store, stamp int64) {
		run, err := s.BeginRun(ctx, [32]byte{}, false, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Meet(ctx, run, 0, []Found{{Name: "s", Path: "a.csv", Modified: time.Unix(stamp, 0)}}); err != nil {
			b.Fatal(err)
		}
		if err := s.Load(ctx, run); err != nil {
			b.Fatal(err)
		}
		for src := range s.Sources(ctx, run) {
			for at := 0; at < items; at += batch {
				entries := make([]Entry, batch)
				outs := make([]Outcome, batch)
				for i := range entries {
					entries[i] = Entry{ID: fmt.Sprintf("INC-%07d", at+i), Digest: [32]byte{byte(i), byte(i >> 8)}, Source: src, Part: int64(at + i), Line: at + i + 2}
				}
				seq, verdicts, err := s.Admit(ctx, entries)
				if err != nil {
					b.Fatal(err)
				}
				for i := range entries {
					outs[i] = Outcome{Entry: &entries[i], Verdict: verdicts[i]}
				}
				src.Whole = at+batch == items
				if err := s.Settle(ctx, seq, outs, nil, []*Source{src}, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := s.EndRun(ctx, run.ID, "done", nil, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(ctx, b.TempDir(), "x", false)
			if err != nil {
				b.Fatal(err)
			}
			crawl(s, 1)
			s.Close()
			if info, err := os.Stat(s.path); err == nil {
				b.ReportMetric(float64(info.Size())/items, "bytes/item")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
	})
	b.Run("again", func(b *testing.B) {
		s, err := Open(ctx, b.TempDir(), "x", false)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		crawl(s, 1)
		stamp := int64(1)
		for b.Loop() {
			stamp++
			crawl(s, stamp)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
	})
}
