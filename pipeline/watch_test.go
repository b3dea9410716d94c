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
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"importer/transform"
)

// A file that has been quiet for the settling time is crawled then.
func TestWatchCrawlsWhenAFileHasSettled(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.change("b.csv", "b1,one,1")
		w.sleepTo(6 * time.Second)
		w.event("b.csv", fsnotify.Write)
		w.sleepTo(7900 * time.Millisecond)
		w.wantTold()
		w.sleepTo(20 * time.Second)
		w.wantTold("8s settled 1")
		w.event("notes.txt", fsnotify.Write) // no source has it
		w.event(".b.csv.swp", fsnotify.Create)
		w.event("~$b.csv", fsnotify.Create)
		w.sleepTo(40 * time.Second)
		w.wantTold()
	})
}

// A file that says who may see a folder is worth a crawl, by events and by looks.
func TestWatchAccessOfFolders(t *testing.T) {
	folders := func(w *watchWorld) {
		src := strings.Replace(fmt.Sprintf(testMapping, "groups: {folders: .access.csv}\n"), "acl: [{grant: everyone}]", "acl: [{from: folder}]", 1)
		w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
		w.must(os.WriteFile(filepath.Join(w.dir, "files", ".access.csv"), []byte("member\n"+anna+"\n"), 0o600))
	}
	last := func(w *watchWorld, want string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if got := w.told[len(w.told)-1]; got != want {
			t.Errorf("told %q, want %q last", w.told, want)
		}
	}
	watched(t, folders, func(w *watchWorld) {
		w.event(".access.csv", fsnotify.Write)
		w.sleepTo(20 * time.Second)
		last(w, "7s settled 1")
	})
	looks := func(w *watchWorld) {
		folders(w)
		w.watch.NoEvents = true
	}
	watched(t, looks, func(w *watchWorld) {
		w.sleepTo(20 * time.Second)
		w.must(os.WriteFile(filepath.Join(w.dir, "files", ".access.csv"), []byte("member\n"), 0o600))
		w.sleepTo(60 * time.Second)
		last(w, "34s settled 1")
	})
}

// 10,000 files within a second are one crawl.
func TestWatchBurstIsOneCrawl(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		for i := range 10_000 {
			w.event(fmt.Sprintf("%d.csv", i), fsnotify.Create)
			time.Sleep(100 * time.Microsecond)
		}
		w.sleepTo(time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		files := 0
		for _, line := range w.told {
			var at string
			var n int
			if _, err := fmt.Sscanf(line, "%s settled %d", &at, &n); err != nil {
				t.Errorf("told %q", line)
			}
			files += n
		}
		if files != 10_000 || len(w.told) > 2 {
			t.Errorf("%d files in %d crawls, want 10,000 in 2 at most: %q", files, len(w.told), w.told)
		}
	})
}

// Files that keep coming for a long time make few crawls, and none waits long:
// each is in a crawl that begins within settle, settle-max and the length of
// the crawl before.
func TestWatchSteadyStream(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.take = 3 * time.Second
		for i := range 600 {
			w.event(fmt.Sprintf("%d.csv", i), fsnotify.Create)
			time.Sleep(100 * time.Millisecond)
		}
		w.sleepTo(2 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.told); n < 8 || n > 25 {
			t.Errorf("%d crawls in a minute, each of 3 s; want 8 to 25: %q", n, w.told)
		}
	})
}

// After a crawl of hours, files do not wait for hours.
func TestWatchAfterALongCrawl(t *testing.T) {
	watched(t, func(w *watchWorld) { w.take = 5 * time.Hour }, func(w *watchWorld) {
		w.sleepTo(5*time.Hour + time.Minute)
		w.change("b.csv", "b1,one,1")
		for range 600 {
			w.event("log.csv", fsnotify.Write)
			time.Sleep(500 * time.Millisecond)
		}
		w.wantTold("0s watching 2", "2s crawling start", "5h1m32s settled 1 held 1")
		if err := w.end(); !errors.Is(err, context.Canceled) { // the next one takes as long
			t.Errorf("Run = %v, want Canceled", err)
		}
		w.stop = nil
	})
}

// A file that is being written to for long is held back, and the others do not
// wait for it; when it is quiet it comes.
func TestWatchHoldsWhatGrows(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.change("b.csv", "b1,one,1")
		done := make(chan bool)
		go func() {
			defer close(done)
			for range 40 {
				w.event("log.csv", fsnotify.Write)
				time.Sleep(500 * time.Millisecond)
			}
		}()
		w.sleepTo(9050 * time.Millisecond)
		w.wantTold("9s settled 1 held 1")
		if !w.held("log.csv") || w.held("b.csv") {
			t.Errorf("log.csv is held: %v, b.csv: %v; want true, false", w.held("log.csv"), w.held("b.csv"))
		}
		<-done
		w.sleepTo(time.Minute)
		w.wantTold("26.5s settled 1")
		if w.held("log.csv") {
			t.Errorf("log.csv is held still")
		}
	})
}

// What changes during a crawl makes the next one, and there is one at a time.
func TestWatchEventsDuringACrawl(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.take = 10 * time.Second
		w.change("b.csv", "b1,one,1")
		w.sleepTo(8 * time.Second) // the crawl has begun at 7s
		w.change("c.csv", "c1,one,1")
		w.change("b.csv", "b1,two,1")
		w.sleepTo(16900 * time.Millisecond)
		w.wantTold("7s settled 1")
		if w.held("c.csv") {
			t.Errorf("c.csv has settled and is held")
		}
		w.sleepTo(time.Minute)
		w.wantTold("17s settled 2")
	})
}

// A save by rename, with the file not there for a moment, is one crawl.
func TestWatchSaveByRename(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.event("a.csv.tmp", fsnotify.Create)
		w.event("a.csv.tmp", fsnotify.Write)
		w.remove("a.csv")
		w.event("a.csv", fsnotify.Rename)
		w.change("a.csv", "a1,two,1")
		w.event("a.csv.tmp", fsnotify.Rename)
		w.sleepTo(time.Minute)
		w.wantTold("7s settled 1")
	})
}

func TestWatchMapping(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		mapping := w.watch.File
		changed := func(text string) {
			w.must(os.WriteFile(mapping, []byte(text), 0o600))
			w.fake.events <- fsnotify.Event{Name: mapping, Op: fsnotify.Write}
		}
		good, err := os.ReadFile(mapping)
		w.must(err)

		changed("version: 1\nsauces: []\n")
		w.sleepTo(20 * time.Second)
		w.wantTold("7.05s invalid")
		w.change("b.csv", "b1,one,1") // the old one is in force
		w.sleepTo(100 * time.Second)  // and the mistake is told once
		w.wantTold("22s settled 1")

		changed(string(good) + "# better\n")
		w.sleepTo(110 * time.Second)
		w.wantTold("1m42.05s reloaded", "1m42.05s crawling mapping")

		// A side file that is not there is a mistake until it comes.
		changed(string(good) + "groups: {file: groups.csv}\n")
		w.sleepTo(120 * time.Second)
		w.wantTold("1m52.05s invalid")
		w.must(os.WriteFile(filepath.Join(w.dir, "groups.csv"), []byte("group,memberType,member\n"), 0o600))
		w.fake.events <- fsnotify.Event{Name: filepath.Join(w.dir, "groups.csv"), Op: fsnotify.Create}
		w.sleepTo(125 * time.Second)
		w.wantTold("2m0.05s reloaded", "2m0.05s crawling mapping")
		w.must(os.WriteFile(filepath.Join(w.dir, "groups.csv"), []byte("group,memberType,member\nBlue,,\n"), 0o600))
		w.sleepTo(200 * time.Second) // nobody tells of it, but it is looked at
		w.wantTold("2m32.05s reloaded", "2m32.05s crawling mapping")
	})
}

// A mapping that is moved elsewhere takes its folders with it.
func TestWatchMappingWithOtherFolders(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.must(os.MkdirAll(filepath.Join(w.dir, "other", "sub"), 0o700))
		src, err := os.ReadFile(w.watch.File)
		w.must(err)
		w.must(os.WriteFile(w.watch.File, []byte(strings.Replace(string(src), "files/*.csv", "other/**/*.csv", 1)), 0o600))
		w.fake.events <- fsnotify.Event{Name: w.watch.File, Op: fsnotify.Write}
		w.sleepTo(20 * time.Second)
		w.wantTold("7.05s reloaded", "7.05s crawling mapping")
		got := w.fake.WatchList()
		slices.Sort(got)
		if want := []string{w.dir, filepath.Join(w.dir, "other"), filepath.Join(w.dir, "other", "sub")}; !slices.Equal(got, want) {
			t.Errorf("watched are %q, want %q", got, want)
		}
	})
}

// A crawl that fails is tried again, later each time, and changes meanwhile do
// not hurry it.
func TestWatchRetries(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.fails = func(n int) error {
			if n < 5 {
				return errors.New("503")
			}
			return nil
		}
		w.change("b.csv", "b1,one,1")
		w.sleepTo(8 * time.Second)
		w.change("c.csv", "c1,one,1")
		w.sleepTo(2 * time.Minute)
		w.wantTold("7s settled 1", "7.1s retrying 5s", "12.1s settled 1", "12.2s retrying 10s", "22.2s crawling retry", "22.3s retrying 20s", "42.3s crawling retry")
	})
}

// A crawl that was stopped by a guard is tried again only when something has
// changed, a lost event included.
func TestWatchBlocked(t *testing.T) {
	guards := []error{&GuardError{}, &DriftError{Errs: errors.New("drift")}, &transform.Error{}}
	for _, guard := range guards {
		watched(t, nil, func(w *watchWorld) {
			w.fails = func(n int) error {
				if n < 5 {
					return fmt.Errorf("wrapped: %w", guard)
				}
				return nil
			}
			w.change("b.csv", "b1,one,1")
			w.sleepTo(40 * time.Minute) // two rescans would have been due
			w.wantTold("7s settled 1", "7.1s blocked")
			w.change("b.csv", "b1,two,1")
			w.sleepTo(41 * time.Minute)
			w.wantTold("40m2s settled 1", "40m2.1s blocked")
			w.write("c.csv", "c1,one,1") // and no event
			w.sleepTo(60 * time.Minute)
			w.wantTold("55m4.1s settled 1", "55m4.2s blocked")
			w.write("c.csv", "c1,two,1")
			w.event("c.csv", fsnotify.Write)
			w.sleepTo(80 * time.Minute)
			w.wantTold("1h0m2s settled 1", "1h15m2.1s crawling rescan")
		})
	}
}

func TestWatchRescans(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.sleepTo(20 * time.Minute)
		w.wantTold("15m2.1s crawling rescan")
		w.change("b.csv", "b1,one,1") // a crawl for another reason will do
		w.sleepTo(34 * time.Minute)
		w.wantTold("20m2s settled 1")
		w.sleepTo(36 * time.Minute)
		w.wantTold("35m2.1s crawling rescan")
	})
}

// When events were lost, a crawl makes up for it, but not of what grows.
func TestWatchLostEvents(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.fake.errs <- fsnotify.ErrEventOverflow
		for range 5 {
			w.event("log.csv", fsnotify.Write)
			time.Sleep(500 * time.Millisecond)
		}
		w.sleepTo(7050 * time.Millisecond)
		w.wantTold("5s lost", "7s crawling lost events")
		if !w.held("log.csv") {
			t.Errorf("log.csv is not held")
		}
		w.sleepTo(time.Minute)
		w.wantTold("9s settled 1")
	})
}

// Where no events come, folders are looked at.
func TestWatchPolls(t *testing.T) {
	for name, before := range map[string]func(w *watchWorld){
		"asked for": func(w *watchWorld) { w.watch.NoEvents = true },
		"no watcher": func(w *watchWorld) {
			w.watch.notify = func() (notifier, <-chan fsnotify.Event, <-chan error, error) {
				return nil, nil, nil, &os.SyscallError{Syscall: "inotify_init1", Err: syscall.EMFILE}
			}
		},
		"no more watches": func(w *watchWorld) {
			w.fake.cannot = func(dir string) error {
				if filepath.Base(dir) == "files" {
					return syscall.ENOSPC
				}
				return nil
			}
		},
		"a network share": func(w *watchWorld) {
			w.watch.remote = func(dir string) string {
				if filepath.Base(dir) == "files" {
					return "NFS"
				}
				return ""
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, before, func(w *watchWorld) {
				w.mu.Lock()
				first := w.told[0]
				w.told = w.told[2:]
				w.mu.Unlock()
				if !strings.HasPrefix(first, "0s polling ") {
					t.Errorf("told first %q, want polling", first)
				}
				w.wantTold("2s crawling start")
				w.write("b.csv", "b1,one,1")
				w.sleepTo(33 * time.Second)
				w.write("b.csv", "b1,one,1", "b2,half,") // it is not ready when it is found
				w.sleepTo(35 * time.Second)
				w.wantTold()
				w.sleepTo(60 * time.Second)
				w.wantTold("36s settled 1")
				if w.held("b.csv") {
					t.Errorf("b.csv is held")
				}
				w.remove("b.csv")
				w.sleepTo(100 * time.Second)
				w.wantTold("1m4s settled 1")
				w.sleepTo(10 * time.Minute)
				w.wantTold()
			})
		})
	}
}

// A watcher that breaks gives way to looks.
func TestWatchBrokenWatcher(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		w.fake.errs <- errors.New("short read")
		w.sleepTo(20 * time.Second)
		w.wantTold("5s polling the system does not tell of changes (short read)", "5s lost", "7s crawling lost events")
		if !w.fake.closed {
			t.Errorf("the watcher is not closed")
		}
		w.write("b.csv", "b1,one,1")
		w.sleepTo(time.Minute)
		w.wantTold("39s settled 1")
	})
}

// A share that goes away is told once, and watched again when it is back.
func TestWatchRootGoesAndComes(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		files, away := filepath.Join(w.dir, "files"), filepath.Join(w.dir, "away")
		w.fails = func(int) error {
			if _, err := os.Stat(files); err != nil {
				return &transform.Error{Detail: "no file matches"}
			}
			return nil
		}
		w.must(os.Rename(files, away)) // and no event
		w.sleepTo(10 * time.Minute)
		w.wantTold("30s gone files", "32s settled 1", "32.1s blocked")
		w.must(os.Rename(away, files))
		w.sleepTo(11 * time.Minute)
		w.wantTold("10m2.1s back files", "10m4.1s settled 2")
		w.change("b.csv", "b1,one,1")
		w.sleepTo(12 * time.Minute)
		w.wantTold("11m2s settled 1")

		// Another folder in its place, as by mounting.
		w.must(os.Rename(files, away))
		w.write("z.csv", "z1,one,1")
		w.sleepTo(13 * time.Minute)
		w.wantTold("12m4.1s settled 2")
	})
}

// A root that comes later is watched from then on.
func TestWatchRootThatComesLater(t *testing.T) {
	watched(t, func(w *watchWorld) {
		w.must(os.RemoveAll(filepath.Join(w.dir, "files")))
		w.fails = func(n int) error {
			if n == 1 {
				return &transform.Error{Detail: "no file matches"}
			}
			return nil
		}
	}, func(w *watchWorld) {
		w.wantTold("0s watching 1", "0s gone files", "2s crawling start", "2.1s blocked")
		w.write("b.csv", "b1,one,1")
		w.fake.events <- fsnotify.Event{Name: filepath.Join(w.dir, "files"), Op: fsnotify.Create}
		w.sleepTo(20 * time.Second)
		w.wantTold("7.2s settled 2")
		if !slices.Contains(w.fake.WatchList(), filepath.Join(w.dir, "files")) {
			t.Errorf("the folder is not watched: %q", w.fake.WatchList())
		}
	})
}

// Stopping is graceful: nil between crawls, the crawl's own end within one.
func TestWatchStops(t *testing.T) {
	watched(t, nil, func(w *watchWorld) {
		if err := w.end(); err != nil {
			t.Errorf("Run = %v between crawls, want nil", err)
		}
		w.wantTold("5s stopped")
		w.stop = nil
	})
	watched(t, nil, func(w *watchWorld) {
		w.take = time.Hour
		w.change("b.csv", "b1,one,1")
		w.sleepTo(8 * time.Second)
		if err := w.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v within a crawl, want Canceled", err)
		}
		w.wantTold("7s settled 1", "8s stopped")
		w.stop = nil
	})
	// A crawl that has ended by itself was not interrupted.
	watched(t, nil, func(w *watchWorld) {
		w.watch.Crawl = func(ctx context.Context, _ *Loaded, _ func(string) bool) error {
			<-ctx.Done()
			return &GuardError{}
		}
		w.change("b.csv", "b1,one,1")
		w.sleepTo(8 * time.Second)
		if err := w.end(); err != nil {
			t.Errorf("Run = %v after a crawl's own end, want nil", err)
		}
		w.stop = nil
	})
}

// A mapping that is wrong from the start ends it.
func TestWatchWrongMapping(t *testing.T) {
	w := newWatchWorld(t)
	w.must(os.Remove(w.watch.File))
	var wrong *transform.Error
	if err := w.watch.Run(t.Context()); !errors.As(err, &wrong) {
		t.Errorf("Run = %v, want an error of the mapping", err)
	}
}

// A folder that may not be watched is the crawl's business.
func TestWatchForbiddenFolder(t *testing.T) {
	watched(t, func(w *watchWorld) {
		w.fake.cannot = func(dir string) error {
			if filepath.Base(dir) == "files" {
				return fs.ErrPermission
			}
			return nil
		}
	}, func(w *watchWorld) { w.wantTold("0s watching 1", "2s crawling start") })
}

// When the limit of watched folders is met later, the source is looked at from
// then on, and what came in between is crawled.
func TestWatchLimitMetLater(t *testing.T) {
	watched(t, func(w *watchWorld) {
		src, err := os.ReadFile(w.watch.File)
		w.must(err)
		w.must(os.WriteFile(w.watch.File, []byte(strings.Replace(string(src), "files/*.csv", "files/**/*.csv", 1)), 0o600))
	}, func(w *watchWorld) {
		w.wantTold("0s watching 2", "2s crawling start")
		w.fake.mu.Lock()
		w.fake.cannot = func(string) error { return syscall.ENOSPC }
		w.fake.mu.Unlock()
		w.write("sub/b.csv", "b1,one,1")
		w.event("sub", fsnotify.Create)
		w.sleepTo(20 * time.Second)
		limit := limitRemedy(syscall.ENOSPC)
		w.wantTold("5.05s polling "+limit, "7.05s crawling polling", "7.2s settled 2")
		if got := w.fake.WatchList(); !slices.Equal(got, []string{w.dir}) {
			t.Errorf("watched are %q, want only the mapping's folder: the others are looked at", got)
		}
		w.write("sub/c.csv", "c1,one,1")
		w.sleepTo(time.Minute)
		w.wantTold("39.05s settled 1")
	})
}
