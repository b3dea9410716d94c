package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"importer/load"
	"importer/pipeline/state"
)

// patience is how long a test waits for what must come. Nothing should come
// near it.
const patience = 60 * time.Second

// A liveWatch is a watch of real folders, with real events and real crawls.
type liveWatch struct {
	*world
	watch          *Watch
	crawls, failed atomic.Int64
}

// newLive makes a watch that looks at nothing by itself: what it does, events
// have made it do.
func newLive(t *testing.T) *liveWatch {
	w := &liveWatch{world: newWorld(t)}
	mapping := strings.Replace(fmt.Sprintf(testMapping, ""), "files/*.csv", "files/**/*.csv", 1)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(mapping), 0o600))
	w.watch = &Watch{File: filepath.Join(w.dir, "mapping.yaml"), Settle: 50 * time.Millisecond, SettleMax: 50 * time.Millisecond, Poll: time.Hour,
		Tell: func(ev WatchEvent) { t.Logf("%+v", ev) }, Crawl: w.liveCrawl}
	return w
}

func (w *liveWatch) liveCrawl(ctx context.Context, m *Loaded, hold func(string) bool) error {
	w.crawls.Add(1)
	store, err := state.Open(ctx, w.state, "testconnection", false)
	if err != nil {
		return err
	}
	defer store.Close()
	c := &Crawl{Mapping: m.Mapping, Dir: w.dir, Digest: m.Digest, Store: store, Log: slog.New(slog.DiscardHandler), Hold: hold,
		Loader: &load.Loader{Target: w.target, Concurrency: 3}}
	if _, err = c.Run(ctx); err != nil {
		w.failed.Add(1)
	}
	return err
}

// start watches until the test ends.
func (w *liveWatch) start() {
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error)
	go func() { ended <- w.watch.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		<-ended
	})
}

// live starts a watch of a folder with one file.
func live(t *testing.T) *liveWatch {
	w := newLive(t)
	w.put("files/first.csv", "first")
	w.start()
	w.wantSoon("first")
	return w
}

// put writes a file with a row for each id.
func (w *liveWatch) put(name string, ids ...string) {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("id,title,size\n")
	for _, id := range ids {
		fmt.Fprintf(&b, "%s,title of %s,1\n", id, id)
	}
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	w.must(os.WriteFile(path, []byte(b.String()), 0o600))
}

func (w *liveWatch) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

// wantSoon waits until the target has these items and no others.
func (w *liveWatch) wantSoon(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	var got []string
	w.waitFor(fmt.Sprintf("the items %q", want), func() bool {
		got = slices.Sorted(maps.Keys(w.target.snapshot()))
		return slices.Equal(got, want)
	}, &got)
}

// waitFor waits for what must come; got is what there was instead.
func (w *liveWatch) waitFor(what string, come func() bool, got ...any) {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		if come() {
			return
		}
	}
	w.t.Fatalf("waited in vain for %s; there was %q", what, got)
}

// TestWatchRealFolders does to a folder what people and programs do. Nothing
// but events can tell of it.
func TestWatchRealFolders(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(w *liveWatch)
		want []string // besides first
	}{
		{"a new file", func(w *liveWatch) { w.put("files/a.csv", "a") }, []string{"a"}},
		{"a changed file", func(w *liveWatch) { w.put("files/first.csv", "first", "second") }, []string{"second"}},
		{"a file moved in", func(w *liveWatch) {
			w.put("elsewhere/a.csv", "a")
			w.must(os.Rename(w.path("elsewhere/a.csv"), w.path("files/a.csv")))
		}, []string{"a"}},
		{"new folders, several deep", func(w *liveWatch) { w.put("files/x/y/z/a.csv", "a") }, []string{"a"}},
		{"a file in a folder that came new", func(w *liveWatch) {
			w.put("files/x/y/a.csv", "a")
			w.wantSoon("first", "a")
			w.put("files/x/y/b.csv", "b")
		}, []string{"a", "b"}},
		{"a tree moved in, and worked in", func(w *liveWatch) {
			w.put("elsewhere/x/y/a.csv", "a")
			w.put("elsewhere/x/b.csv", "b")
			w.must(os.Rename(w.path("elsewhere/x"), w.path("files/x")))
			w.wantSoon("first", "a", "b")
			w.put("files/x/y/c.csv", "c")
		}, []string{"a", "b", "c"}},
		{"a folder renamed, and worked in", func(w *liveWatch) {
			w.put("files/x/y/a.csv", "a")
			w.wantSoon("first", "a")
			w.must(os.Rename(w.path("files/x"), w.path("files/z")))
			w.put("files/z/y/b.csv", "b")
			w.wantSoon("first", "a", "b")
			w.put("files/x/y/c.csv", "c") // another one by the old name
			w.wantSoon("first", "a", "b", "c")
			w.put("files/z/y/d.csv", "d")
		}, []string{"a", "b", "c", "d"}},
		{"a folder moved out", func(w *liveWatch) {
			w.put("files/x/y/a.csv", "a")
			w.wantSoon("first", "a")
			w.must(os.Rename(w.path("files/x"), w.path("elsewhere")))
		}, nil},
		{"a folder deleted", func(w *liveWatch) {
			w.put("files/x/y/a.csv", "a")
			w.wantSoon("first", "a")
			w.must(os.RemoveAll(w.path("files/x")))
		}, nil},
		{"a folder deleted and made anew", func(w *liveWatch) {
			w.put("files/x/a.csv", "a")
			w.wantSoon("first", "a")
			w.must(os.RemoveAll(w.path("files/x")))
			w.put("files/x/b.csv", "b")
			w.wantSoon("first", "b")
			w.put("files/x/c.csv", "c")
		}, []string{"b", "c"}},
		{"a save by rename", func(w *liveWatch) {
			w.put("files/a.csv", "a")
			w.wantSoon("first", "a")
			w.put("files/a.csv.tmp", "a", "b")
			w.must(os.Rename(w.path("files/a.csv.tmp"), w.path("files/a.csv")))
		}, []string{"a", "b"}},
		{"a link to a file, and a change where it leads", func(w *liveWatch) {
			w.put("elsewhere/real.csv", "a")
			w.must(os.Symlink(w.path("elsewhere/real.csv"), w.path("files/link.csv")))
			w.wantSoon("first", "a")
			w.put("elsewhere/real.csv", "a", "b")
		}, []string{"a", "b"}},
		{"a link to a folder, a change in it, and the link gone", func(w *liveWatch) {
			w.put("elsewhere/sub/a.csv", "a")
			w.must(os.Symlink(w.path("elsewhere"), w.path("files/link")))
			w.wantSoon("first", "a")
			w.put("elsewhere/sub/b.csv", "b")
			w.wantSoon("first", "a", "b")
			w.must(os.Remove(w.path("files/link")))
		}, nil},
		{"links by way of a link that is changed, as Kubernetes does it", func(w *liveWatch) {
			w.put("files/..1/a.csv", "a")
			w.must(os.Symlink("..1", w.path("files/..data")))
			w.must(os.Symlink("..data/a.csv", w.path("files/a.csv")))
			w.wantSoon("first", "a")
			w.put("files/..2/a.csv", "b")
			w.must(os.Symlink("..2", w.path("files/..data_tmp")))
			w.must(os.Rename(w.path("files/..data_tmp"), w.path("files/..data")))
		}, []string{"b"}},
		{"the root deleted and made anew", func(w *liveWatch) {
			w.must(os.RemoveAll(w.path("files")))
			w.put("files/a.csv", "a")
			w.wantSoon("a")
			w.put("files/first.csv", "first")
		}, []string{"a"}},
		{"a file that was forbidden", func(w *liveWatch) {
			w.put("files/a.csv", "a")
			w.must(os.Chmod(w.path("files/a.csv"), 0))
			time.Sleep(100 * time.Millisecond)
			w.must(os.Chmod(w.path("files/a.csv"), 0o600))
		}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tt.name, "link") {
				t.Skip("links need a privilege there")
			}
			t.Parallel()
			w := live(t)
			tt.do(w)
			w.wantSoon(append([]string{"first"}, tt.want...)...)
		})
	}
}

// A burst of files is few crawls, on real folders too.
func TestWatchRealBurst(t *testing.T) {
	w := live(t)
	want := []string{"first"}
	before := w.crawls.Load()
	for i := range 2000 {
		id := fmt.Sprintf("n%d", i)
		want = append(want, id)
		w.put(fmt.Sprintf("files/%d/%d.csv", i%20, i), id)
	}
	w.wantSoon(want...)
	if n := w.crawls.Load() - before; n > 40 {
		t.Errorf("2,000 files made %d crawls, want 40 at most", n)
	}
}
