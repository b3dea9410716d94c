package state

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A file that could not be read whole is read again, from its start, unless it
// is its content that is to blame.
func TestAFileThatCannotBeReadWhole(t *testing.T) {
	parsers := "csv:1\npdf:1"
	tests := []struct {
		name           string
		failed, parser string
		change         func(w *world)
		read           bool
	}{
		{"the file system refused", "", "csv:1", func(*world) {}, true},
		{"its content is to blame", "encrypted", "csv:1", func(*world) {}, false},
		{"touched", "encrypted", "csv:1", func(w *world) { w.stamp["a.csv"]++ }, false},
		{"another content", "encrypted", "csv:1", func(w *world) { w.write("a.csv", "1=y") }, true},
		{"a full run", "encrypted", "csv:1", func(w *world) { w.full = true }, false},
		{"another content behind the clock's back, and a full run", "encrypted", "csv:1", func(w *world) { w.files["a.csv"], w.full = []string{"1=y"}, true }, true},
		{"another version of its reader", "encrypted", "csv:0", func(*world) {}, true},
		{"no reader takes it", "unsupported", parsers, func(*world) {}, false},
		{"a program is missing", "unreadable", "csv:1\tdwg2txt", func(w *world) { w.parsers = parsers + "\tcatdoc\tdwg2txt" }, false},
		{"one of two programs is there now", "unreadable", "csv:1\tcatdoc\tdwg2txt", func(w *world) { w.parsers = parsers + "\tdwg2txt" }, true},
		{"another program is missing", "encrypted", "csv:1", func(w *world) { w.parsers = parsers + "\tdwg2txt" }, false},
		{"no reader took it, a program is missing", "unsupported", parsers, func(w *world) { w.parsers = parsers + "\tdwg2txt" }, false},
		{"no reader took it, and there are others now", "unsupported", "csv:1", func(w *world) { w.parsers = "pdf:1" }, true},
	}
	for _, tt := range tests {
		for _, sameRun := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				w := newWorld(t)
				w.parsers = parsers
				w.write("a.csv", "1=x", "2=x")
				src := w.begin()[0]
				seq, entries, verdicts := w.admit(src, 0, 1)
				w.settle(src, seq, entries, verdicts, false)
				src.Read, src.Quarantined, src.Ended, src.Failed, src.Parser, src.Hash = 2, 1, true, tt.failed, tt.parser, w.hash("a.csv")
				w.must(w.s.Settle(t.Context(), 0, nil, nil, []*Source{src}, []Refusal{{Source: src, Stage: "extract", Reason: "r", File: "a.csv", Detail: "d"}}))
				if sameRun {
					w.kill()
				} else {
					w.must(w.s.EndRun(t.Context(), w.run.ID, "done", nil, time.Now()))
				}
				tt.change(w)
				src = w.begin()[0]
				if src.Skip == tt.read || src.Resume != 0 && tt.read {
					t.Errorf("same run %v: skipped %v, resumed at %d; want it read anew: %v", sameRun, src.Skip, src.Resume, tt.read)
				}
				if lines, err := w.s.Quarantine(t.Context(), 0, 9); err != nil || len(lines) != 1 {
					t.Errorf("same run %v: quarantine %v, %v; want what was there until the file is read", sameRun, lines, err)
				}
				if want := (Counts{Read: 2, Stored: 1, Quarantined: 1}); sameRun && !tt.read && w.stamp["a.csv"] == 1 && src.Counts != want {
					t.Errorf("in the same run: %+v, want %+v", src.Counts, want)
				}
			})
		}
	}
}

// refuse reads a file and refuses every record of it, as they are or with fixes.
func (w *world) refuse(path string, records ...string) {
	w.t.Helper()
	w.write(path, records...)
	for _, src := range w.begin() {
		if src.Path != path {
			continue
		}
		var refused []Refusal
		for i, r := range records {
			sum := SumHeader([]string{"a"}).Record([]string{r}, 0)
			rec := Keep([]string{"a"}, []string{r}, nil)
			src.Read++
			src.Quarantined++
			refused = append(refused, Refusal{Source: src, Part: int64(i), Item: r, Stage: "transform", Reason: "bad-" + r, Property: "p", File: "dir/" + path, Line: i + 2,
				Detail: "d", Sum: sum[:], Record: rec.JSON()})
		}
		src.Ended, src.Whole = true, true
		w.must(w.s.Settle(w.t.Context(), 0, nil, nil, []*Source{src}, refused))
	}
	w.must(w.s.EndRun(w.t.Context(), w.run.ID, "done", nil, time.Now()))
}

func (w *world) lines(f Filter) []QuarantineLine {
	w.t.Helper()
	var out []QuarantineLine
	for l, err := range w.s.Lines(w.t.Context(), f) {
		w.must(err)
		out = append(out, l)
	}
	return out
}

func TestLines(t *testing.T) {
	w := newWorld(t)
	w.refuse("a[1].csv", "x", "y", "x")
	w.refuse("b.csv", "x", "z")
	all := w.lines(Filter{})
	var keys []string
	for _, l := range all {
		keys = append(keys, l.Key)
	}
	if len(keys) != 5 || len(slices.Compact(slices.Sorted(slices.Values(keys)))) != 5 {
		t.Fatalf("5 records have the keys %v", keys)
	}
	tests := []struct {
		f    Filter
		want []int // of all
	}{
		{Filter{Source: "src"}, []int{0, 1, 2, 3, 4}},
		{Filter{Source: "other"}, nil},
		{Filter{Reason: "bad-x"}, []int{0, 2, 3}},
		{Filter{Reason: "bad-x", File: "a[1].csv"}, []int{0, 2}},
		{Filter{File: "dir/a*"}, []int{0, 1, 2}},
		{Filter{File: "?.csv"}, []int{3, 4}},
		{Filter{File: "*"}, []int{0, 1, 2, 3, 4}},
		{Filter{File: "csv"}, nil},
		{Filter{Item: "y"}, []int{1}},
		{Filter{Stage: "load"}, nil},
		{Filter{Run: w.run.ID}, []int{3, 4}},
	}
	for _, tt := range tests {
		got := w.lines(tt.f)
		if len(got) != len(tt.want) {
			t.Errorf("%+v gives %d lines, want %v", tt.f, len(got), tt.want)
			continue
		}
		for i, l := range got {
			if l.Key != all[tt.want[i]].Key {
				t.Errorf("%+v: line %d is not %d of all", tt.f, i, tt.want[i])
			}
		}
		causes, err := w.s.CausesOf(t.Context(), tt.f, 1)
		w.must(err)
		n := int64(0)
		for _, c := range causes {
			n += c.Count
			check(t, "examples", len(c.Examples), 1)
		}
		check(t, "counted by causes", n, int64(len(tt.want)))
	}
}

// Whoever mends a record finds it by its key alone, and only that.
func TestMending(t *testing.T) {
	w := newWorld(t)
	w.refuse("a.csv", "x", "y")
	w.refuse("b.csv", "x")
	key := func(path string, nth int) Key {
		return NewKey("src", path, SumHeader([]string{"a"}).Record([]string{"x"}, 0), nth)
	}
	mend := func(do func(m *Mending) error) error { return w.s.Mend(t.Context(), time.Now(), do) }
	find := func(k Key) (r Mendable, found bool) {
		t.Helper()
		w.must(mend(func(m *Mending) (err error) { r, found, err = m.Find(k); return err }))
		return r, found
	}
	if r, found := find(key("a.csv", 0)); !found || r.Path != "a.csv" || r.Fixed || r.Was.Values[0] != "x" {
		t.Errorf("found %v %+v", found, r)
	}
	if _, found := find(key("c.csv", 0)); found {
		t.Error("a record of a file that is not there is found")
	}
	w.must(mend(func(m *Mending) error {
		r, _, err := m.Find(key("a.csv", 0))
		w.must(err)
		return m.Set(key("a.csv", 0), &r, &Record{Columns: []string{"a"}, Values: []string{"good"}})
	}))
	if r, _ := find(key("a.csv", 0)); !r.Fixed || r.Now.Values[0] != "good" || r.Was.Values[0] != "x" {
		t.Errorf("once mended: %+v", r)
	}
	if r, found := find(key("a.csv", 1)); !found || r.Fixed {
		t.Errorf("another equal record of the file: %v %+v, want it without a fix", found, r)
	}
	if r, _ := find(key("b.csv", 0)); r.Fixed {
		t.Errorf("an equal record of another file: %+v, want it without a fix", r)
	}
	for _, src := range w.begin() {
		if want := src.Path == "b.csv"; src.Skip != want {
			t.Errorf("%s is skipped: %v, want %v", src.Path, src.Skip, want)
		}
	}
	// What fails leaves nothing.
	bad := mend(func(m *Mending) error {
		r, _, err := m.Find(key("b.csv", 0))
		w.must(err)
		w.must(m.Set(key("b.csv", 0), &r, nil))
		return ErrLocked
	})
	if r, _ := find(key("b.csv", 0)); bad != ErrLocked || r.Fixed {
		t.Errorf("after a mending that failed (%v): %+v", bad, r)
	}
}

func TestWordsOfTheTarget(t *testing.T) {
	const refused = "the target refuses this item: "
	tests := []struct{ detail, item, want string }{
		{refused + "PUT /external/connections/c/items/INC-1: 400 BadRequest: the item 'INC-1' has no acl (request-id 0b1e)", "INC-1", "400 BadRequest: the item '…' has no acl"},
		{refused + `PUT /x: 413: too large, see 0a1b2c3d-0000-1111-2222-abcdefABCDEF`, "7", "413: too large, see …"},
		{refused + "no", "", "no"},
		{"the target has refused this item in an earlier run; it is sent again", "7", "the target has refused this item in an earlier run; it is sent again"},
	}
	for _, tt := range tests {
		if got := wordsOf(tt.detail, tt.item); got != tt.want {
			t.Errorf("wordsOf(%q) = %q, want %q", tt.detail, got, tt.want)
		}
	}
}

// However many answers the target has, there are few causes, and all are counted.
func TestManyWordsOfTheTarget(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x")
	src := w.begin()[0]
	var refused []Refusal
	for i := range 3 * maxWords {
		src.Read++
		src.Quarantined++
		refused = append(refused, Refusal{Source: src, Part: int64(i), Item: fmt.Sprint(i), Stage: "load", Reason: "rejected", File: "a.csv", Detail: fmt.Sprintf("the target refuses this item: value %d", i)})
	}
	src.Ended, src.Whole = true, true
	w.must(w.s.Settle(t.Context(), 0, nil, nil, []*Source{src}, refused))
	causes, err := w.s.Causes(t.Context(), 2)
	w.must(err)
	n := int64(0)
	for _, c := range causes {
		n += c.Count
	}
	check(t, "causes", len(causes), maxWords+1)
	check(t, "counted", n, int64(3*maxWords))
}
