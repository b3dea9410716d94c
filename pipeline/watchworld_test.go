package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A fakeNotifier tells what a test has it tell.
type fakeNotifier struct {
	events chan fsnotify.Event
	errs   chan error

	mu     sync.Mutex
	dirs   map[string]bool
	cannot func(dir string) error
	closed bool
}

func (f *fakeNotifier) Add(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cannot != nil {
		if err := f.cannot(dir); err != nil {
			return err
		}
	}
	f.dirs[dir] = true
	return nil
}

func (f *fakeNotifier) Remove(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dirs[dir] {
		return fsnotify.ErrNonExistentWatch
	}
	delete(f.dirs, dir)
	return nil
}

func (f *fakeNotifier) WatchList() (dirs []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for dir := range f.dirs {
		dirs = append(dirs, dir)
	}
	return dirs
}

func (f *fakeNotifier) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

// A watchWorld is a world that is watched, in virtual time. Its crawls are not
// real: they take some time and end as the test says.
type watchWorld struct {
	*world
	fake  *fakeNotifier
	watch *Watch
	began time.Time
	stop  context.CancelFunc
	ended chan error

	mu     sync.Mutex
	told   []string      // "2s crawling start"
	take   time.Duration // of a crawl
	fails  func(n int) error
	hold   func(string) bool // of the crawl that is under way, or was last
	crawls int
	now    int // crawls under way
}

func newWatchWorld(t *testing.T) *watchWorld {
	w := &watchWorld{world: newWorld(t), take: 100 * time.Millisecond, ended: make(chan error, 1), began: time.Now(),
		fake: &fakeNotifier{events: make(chan fsnotify.Event), errs: make(chan error), dirs: map[string]bool{}}}
	real, err := filepath.EvalSymlinks(w.dir) // as events name it
	w.must(err)
	w.dir = real
	w.write("a.csv", "a1,one,1")
	w.watch = &Watch{File: filepath.Join(w.dir, "mapping.yaml"), Settle: 2 * time.Second, SettleMax: 2 * time.Second,
		Poll: 30 * time.Second, Rescan: 15 * time.Minute, Crawl: w.fakeCrawl, Tell: w.tell,
		notify: func() (notifier, <-chan fsnotify.Event, <-chan error, error) {
			return w.fake, w.fake.events, w.fake.errs, nil
		}}
	return w
}

func (w *watchWorld) fakeCrawl(ctx context.Context, m *Loaded, hold func(string) bool) error {
	w.mu.Lock()
	w.crawls++
	n := w.crawls
	w.hold = hold
	if w.now++; w.now > 1 {
		w.t.Errorf("%d crawls at a time", w.now)
	}
	take := w.take
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	select {
	case <-time.After(take):
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails != nil {
		return w.fails(n)
	}
	return nil
}

// tell writes an event down as a line.
func (w *watchWorld) tell(ev WatchEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Sprintf("%v %s", time.Since(w.began).Round(10*time.Millisecond), ev.Type)
	switch ev.Type {
	case "settled":
		line += fmt.Sprintf(" %d", ev.Files)
		if ev.Waiting > 0 {
			line += fmt.Sprintf(" held %d", ev.Waiting)
		}
	case "crawling", "polling":
		line += " " + ev.Reason
	case "retrying":
		line += " " + ev.Every.String()
	case "gone", "back":
		line += " " + filepath.Base(ev.Path)
	case "watching":
		line += fmt.Sprintf(" %d", ev.Folders)
	}
	w.told = append(w.told, line)
}

// run starts the watch; it ends with the test at the latest.
func (w *watchWorld) run() {
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop = stop
	go func() { w.ended <- w.watch.Run(ctx) }()
}

func (w *watchWorld) end() error {
	w.stop()
	return <-w.ended
}

// event tells of a change below the folder files.
func (w *watchWorld) event(name string, op fsnotify.Op) {
	w.fake.events <- fsnotify.Event{Name: filepath.Join(w.dir, "files", name), Op: op}
}

// change writes a file and tells of it.
func (w *watchWorld) change(name string, rows ...string) {
	w.write(name, rows...)
	w.event(name, fsnotify.Create)
	w.event(name, fsnotify.Write)
}

func (w *watchWorld) held(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hold(filepath.Join(w.dir, "files", name))
}

// sleepTo sleeps until so long after the start, and until all is quiet then.
func (w *watchWorld) sleepTo(d time.Duration) {
	time.Sleep(time.Until(w.began.Add(d)))
	synctest.Wait()
}

// wantTold compares what was told since the last time.
func (w *watchWorld) wantTold(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.told, want) {
		w.t.Errorf("told\n  %s\nwant\n  %s", strings.Join(w.told, "\n  "), strings.Join(want, "\n  "))
	}
	w.told = nil
}

// watched runs a test in virtual time, past the first crawl.
func watched(t *testing.T, before, test func(w *watchWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWatchWorld(t)
		if before != nil {
			before(w)
		}
		w.run()
		w.sleepTo(5 * time.Second)
		if before == nil {
			w.wantTold("0s watching 2", "2s crawling start")
		}
		test(w)
		if w.ended != nil && len(w.ended) == 0 && w.stop != nil {
			if err := w.end(); err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		}
	})
}
