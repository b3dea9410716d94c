package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The fingerprint changes with everything that is written down, and with
// nothing else.
func TestFingerprint(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	now := func() string {
		t.Helper()
		f, err := w.s.Fingerprint(ctx)
		w.must(err)
		return f
	}
	w.write("a.csv", "1=x", "2=x")
	w.crawl()
	steps := []struct {
		name string
		do   func()
		same bool
	}{
		{"opened again", w.kill, true},
		{"a run that finds nothing", func() { w.crawl() }, false},
		{"a run that was begun", func() { w.begin() }, false},
		{"and taken up", func() { w.begin() }, true},
		{"ended", func() { w.must(w.s.EndRun(ctx, w.run.ID, "done", nil, time.Now())) }, false},
		{"a changed item", func() { w.write("a.csv", "1=y", "2=x"); w.crawl() }, false},
		{"an item disturbed by hand", func() { _, err := w.s.Disturb(ctx, []string{"1"}); w.must(err) }, false},
		{"a mark to send all again", func() { _, err := w.s.MarkResend(ctx, "x"); w.must(err) }, false},
		{"a group", func() { w.must(w.s.SetGroup(ctx, Group{"g", "", ""}, true)) }, false},
		{"a group in doubt", func() { w.must(w.s.DoubtGroup(ctx, "g")) }, false},
		{"a member", func() { w.must(w.s.SetMember(ctx, Member{"g", "user", "u"}, true)) }, false},
		{"what was learned of the service", func() { w.must(w.s.SetMeta(ctx, "merging", "yes")) }, true},
		{"all in doubt", func() { w.must(w.s.Doubt(ctx)) }, false},
	}
	before := now()
	for _, step := range steps {
		step.do()
		after := now()
		if (after == before) != step.same {
			t.Errorf("%s: the fingerprint is the same: %v, want %v", step.name, after == before, step.same)
		}
		before = after
	}
}

// A copy holds what the state holds, and what happens to it happens to no
// state.
func TestOpenCopy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.write("a.csv", "1=x", "2=x")
	w.crawl()
	before, err := w.s.Fingerprint(ctx)
	w.must(err)
	if _, err := OpenCopy(ctx, w.dir, "conn"); !errors.Is(err, ErrLocked) {
		t.Errorf("a copy while somebody works on it: %v, want ErrLocked", err)
	}
	w.must(w.s.Close())
	c, err := OpenCopy(ctx, w.dir, "conn")
	w.must(err)
	got, err := c.Fingerprint(ctx)
	w.must(err)
	check(t, "the copy", got, before)
	w.open() // the lock is free
	temp := c.temp.Path
	mine := w.s
	w.s = c
	w.write("a.csv", "1=y")
	check(t, "the copy knows the items", w.crawl(), map[string]Kind{"1": Send})
	w.must(c.Close())
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
	w.s = mine
	after, err := w.s.Fingerprint(ctx)
	w.must(err)
	check(t, "the state after it", after, before)

	// What a killed process leaves is half in the log.
	w.crawl()
	before, err = w.s.Fingerprint(ctx)
	w.must(err)
	killed := t.TempDir()
	w.must(copyFiles(w.dir, killed, "conn.db", "conn.db-wal"))
	if info, err := os.Stat(filepath.Join(killed, "conn.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("nothing in the log: %v", err)
	}
	c, err = OpenCopy(ctx, killed, "conn")
	w.must(err)
	got, err = c.Fingerprint(ctx)
	w.must(err)
	w.must(c.Close())
	check(t, "the copy of a killed process's state", got, before)

	none := filepath.Join(t.TempDir(), "none")
	c, err = OpenCopy(ctx, none, "conn")
	w.must(err)
	defer c.Close()
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a copy of nothing has made the folder: %v", err)
	}
	if !c.Keeps() {
		t.Error("a copy must keep items: the sweep needs them")
	}
}
