package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importer/pipeline/state"
	"importer/transform"
)

func TestBalance(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,skip,2", "3,three,many", "1,again,1", "4,four,4,extra,cells")
	w.target.refuse = func(it *transform.Item) error {
		if it.ID == "5" {
			return errors.New("no fives")
		}
		return nil
	}
	w.write("b.csv", "5,five,5", "6,six,6")
	rep := w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 7, Stored: 2, Filtered: 1, Quarantined: 3, Duplicates: 1})
	w.wantItems("1", "6")
	if !rep.Refusals {
		t.Error("Refusals is false though records were refused")
	}

	rep = w.mustCrawl() // b.csv is not opened; a.csv is, for its duplicate
	w.wantCounts(rep, state.Counts{Read: 7, Unchanged: 2, Filtered: 1, Quarantined: 3, Duplicates: 1})
	if rep.Requests != 0 {
		t.Errorf("%d requests by a second run, want none: a refused item is not tried again as it is", rep.Requests)
	}

	w.target.refuse = nil
	w.write("b.csv", "5,mended,5", "6,six,6")
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 7, Stored: 1, Unchanged: 2, Filtered: 1, Quarantined: 2, Duplicates: 1})
	w.wantItems("1", "5", "6")
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	w := newWorld(t)
	var rows []string
	for i := range 100 {
		rows = append(rows, fmt.Sprintf("%d,title,%d", i, i))
	}
	w.write("a.csv", rows...)
	w.mustCrawl()
	rows[17] = "17,changed,17"
	w.write("a.csv", append([]string{"new,first,0"}, rows...)...)
	rep := w.mustCrawl()
	if rep.Requests != 2 {
		t.Errorf("%d requests for one changed and one new row, want 2", rep.Requests)
	}
	w.wantCounts(rep, state.Counts{Read: 101, Stored: 2, Unchanged: 99})
}

func TestDuplicatePolicies(t *testing.T) {
	for policy, want := range map[string]string{"quarantine": "first", "first": "first", "last": "second"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.mapping("duplicates: " + policy + "\n")
			w.write("a.csv", "1,first,1", "2,other,2", "1,middle,1", "3,x,1", "4,x,1", "5,x,1", "1,second,1")
			rep := w.mustCrawl()
			w.wantCounts(rep, state.Counts{Read: 7, Stored: 5, Duplicates: 2})
			if got := w.target.snapshot()["1"]; !strings.HasPrefix(got, want) {
				t.Errorf("item 1 is %q, want the %s record", got, want)
			}
			if rep.Refusals != (policy == "quarantine") {
				t.Errorf("Refusals = %v under the policy %s", rep.Refusals, policy)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2")
	w.write("b.csv", "3,three,3")
	w.mustCrawl()
	w.write("a.csv", "1,one,1")
	w.remove("b.csv")
	rep := w.mustCrawl()
	if rep.Deleted != 2 {
		t.Errorf("Deleted = %d, want 2", rep.Deleted)
	}
	w.wantItems("1")
}

// The quarantine says what is refused now, each record once, however often it
// was refused before.
func TestQuarantineDoesNotGrow(t *testing.T) {
	w := newWorld(t)
	w.target.refuse = func(it *transform.Item) error {
		if it.ID == "7" {
			return errors.New("no sevens")
		}
		return nil
	}
	for range 3 {
		w.write("a.csv", "1,one,1", "2,two,many", "7,seven,7", "1,again,1")
		w.write("b.csv")
		w.must(os.WriteFile(filepath.Join(w.dir, "files", "b.csv"), nil, 0o600))
		w.mustCrawl()
	}
	store, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer store.Close()
	lines, err := store.Quarantine(t.Context(), 0, 100)
	w.must(err)
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%s:%d %s", filepath.Base(l.File), l.Line, l.Reason))
	}
	want := "[a.csv:3 bad-value a.csv:4 rejected a.csv:5 duplicate-id b.csv:0 empty-file]"
	if fmt.Sprint(got) != want {
		t.Errorf("quarantine after three runs = %v, want %s", got, want)
	}
}

// A source that is read short never drives deletes (elastic/connectors#2393:
// an error in the middle, and 23,748 good documents were deleted).
func TestNothingIsDeletedWithoutProof(t *testing.T) {
	tests := map[string]func(w *world){
		"a file ends within quotes": func(w *world) {
			path := filepath.Join(w.dir, "files", "a.csv")
			w.must(os.WriteFile(path, []byte("id,title,size\n1,\"one"), 0o600))
		},
		"a record cannot be understood": func(w *world) { w.write("a.csv", "1,one,1", "2,two,2,too,many") },
		"a record has no id":            func(w *world) { w.write("a.csv", "1,one,1", ",two,2") },
		"a file is no table any more":   func(w *world) { w.must(os.WriteFile(filepath.Join(w.dir, "files", "a.csv"), nil, 0o600)) },
		"a link leads nowhere": func(w *world) {
			w.remove("a.csv")
			w.must(os.Symlink("nowhere", filepath.Join(w.dir, "files", "a.csv")))
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("a.csv", "1,one,1", "2,two,2")
			w.write("b.csv", "3,three,3")
			w.mustCrawl()
			spoil(w)
			rep := w.mustCrawl()
			if rep.Deleted != 0 || !rep.Refusals {
				t.Errorf("Deleted = %d, Refusals = %v; want 0, true", rep.Deleted, rep.Refusals)
			}
			w.wantItems("1", "2", "3")
		})
	}
}

// Prune saw zero ids and deleted every indexed document (onyx#8464).
func TestAFolderWithoutFilesStopsTheRun(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	w.mustCrawl()
	w.remove("a.csv")
	_, err := w.crawl(t.Context())
	var wrong *transform.Error
	if !errors.As(err, &wrong) || wrong.Pos.Line == 0 {
		t.Errorf("crawl of an empty folder = %v, want an error at the mapping's path", err)
	}
	w.wantItems("1")
}

// A record that is bad now keeps its item: it is neither lost nor widened.
func TestABadRecordKeepsItsItem(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2")
	w.mustCrawl()
	w.write("a.csv", "1,one,1", "2,two,many")
	rep := w.mustCrawl()
	if rep.Deleted != 0 || rep.Held != 1 || rep.Quarantined != 1 {
		t.Errorf("Deleted, Held, Quarantined = %d, %d, %d; want 0, 1, 1", rep.Deleted, rep.Held, rep.Quarantined)
	}
	w.wantItems("1", "2")
}

func TestGuard(t *testing.T) {
	tests := []struct {
		safety string
		flag   transform.Limit
		items  int
		gone   int
		stops  bool
	}{
		{"", transform.Limit{}, 60, 50, false}, // 50 may always go
		{"", transform.Limit{}, 60, 51, true},
		{"safety: {maxDeletes: 10%}\n", transform.Limit{}, 60, 6, false},
		{"safety: {maxDeletes: 10%}\n", transform.Limit{}, 60, 7, true},
		{"safety: {maxDeletes: 3}\n", transform.Limit{}, 60, 4, true},
		{"safety: {maxDeletes: 3}\n", transform.Limit{Count: 4, Set: true}, 60, 4, false},
		{"safety: {maxDeletes: 0}\n", transform.Limit{}, 60, 1, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s%+v %d of %d", tt.safety, tt.flag, tt.gone, tt.items), func(t *testing.T) {
			w := newWorld(t)
			w.mapping("drift: evolve\n" + tt.safety)
			var rows []string
			for i := range tt.items {
				rows = append(rows, fmt.Sprintf("%d,title,%d", i, i))
			}
			w.write("a.csv", rows...)
			w.mustCrawl()
			w.write("a.csv", rows[tt.gone:]...)
			w.tweak = func(c *Crawl) { c.Deletes = tt.flag }
			rep, err := w.crawl(t.Context())
			var guard *GuardError
			if errors.As(err, &guard) != tt.stops {
				t.Fatalf("crawl = %v, want a safety stop: %v", err, tt.stops)
			}
			left := tt.items - tt.gone
			if tt.stops {
				left = tt.items
			} else if rep.Deleted != int64(tt.gone) {
				t.Errorf("Deleted = %d, want %d", rep.Deleted, tt.gone)
			}
			if got := len(w.target.snapshot()); got != left {
				t.Errorf("%d items left, want %d", got, left)
			}
		})
	}
}

// A cancel is no failure: what is in flight settles, and the next run goes on.
func TestCancelEndsAtACheckpoint(t *testing.T) {
	w := newWorld(t)
	var rows []string
	for i := range 400 { // far more than can be in flight
		rows = append(rows, fmt.Sprintf("%d,title,%d", i, i))
	}
	w.write("a.csv", rows...)
	ctx, cancel := context.WithCancel(t.Context())
	w.target.onRequest = func(n int, after bool) error {
		if n == 20 {
			cancel()
		}
		return nil
	}
	rep, err := w.crawl(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled crawl = %v, want context.Canceled", err)
	}
	stored := len(w.target.snapshot())
	if int(rep.Stored) != stored || stored < 20 || stored == 400 {
		t.Errorf("the report says %d stored, the target has %d", rep.Stored, stored)
	}
	w.target.requests = 0
	rep = w.mustCrawl()
	w.wantCounts(rep, state.Counts{Read: 400, Stored: 400})
	if w.target.requests != 400-stored {
		t.Errorf("%d requests after the cancel, want the %d that were left", w.target.requests, 60-stored)
	}
}

func TestDrift(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	w.write("b.csv", "2,two,2")
	path := filepath.Join(w.dir, "files", "b.csv")
	w.must(os.WriteFile(path, []byte("id,titel,size\n2,two,2\n"), 0o600))
	_, err := w.crawl(t.Context())
	var drift *DriftError
	if !errors.As(err, &drift) || !strings.HasSuffix(drift.File, "files/b.csv") {
		t.Errorf("crawl with a renamed column in one file = %v, want a DriftError about b.csv", err)
	}
	if w.target.requests != 0 {
		t.Errorf("%d requests before the columns were checked", w.target.requests)
	}
	w.must(os.Remove(filepath.Join(w.dir, "files", "a.csv")))
	_, err = w.crawl(t.Context())
	var wrong transform.Errors
	if errors.As(err, &drift) || !errors.As(err, &wrong) {
		t.Errorf("crawl with an unknown column in all files = %v, want the mapping's errors", err)
	}
}

func TestFrontier(t *testing.T) {
	var f frontier
	settle := func(order int) (passed []int) {
		for _, b := range f.settle(&batch{order: order}) {
			passed = append(passed, b.order)
		}
		return passed
	}
	for _, step := range []struct {
		settle int
		want   string
	}{{2, "[]"}, {0, "[0]"}, {3, "[]"}, {1, "[1 2 3]"}, {5, "[]"}, {4, "[4 5]"}} {
		if got := fmt.Sprint(settle(step.settle)); got != step.want {
			t.Errorf("settle(%d) passes %s, want %s", step.settle, got, step.want)
		}
	}
}

// A file that cannot be read says nothing for the mapping: a typing mistake is
// one of the mapping although another file of the source is empty.
func TestAnEmptyFileIsNoWitness(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	w.must(os.WriteFile(filepath.Join(w.dir, "files", "b.csv"), nil, 0o600))
	path := filepath.Join(w.dir, "mapping.yaml")
	src := strings.Replace(fmt.Sprintf(testMapping, ""), "title: title,", "title: titel,", 1)
	w.must(os.WriteFile(path, []byte(src), 0o600))
	_, err := w.crawl(t.Context())
	var drift *DriftError
	var wrong transform.Errors
	if errors.As(err, &drift) || !errors.As(err, &wrong) {
		t.Errorf("crawl = %v, want the mapping's errors", err)
	}
}
