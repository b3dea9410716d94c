package pipeline

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"importer/transform"
)

// A file that is missing is deleted only when a folder says that it is gone. A
// share that is not mounted below a folder with other files deletes nothing.
func TestWhatProvesThatAFileIsGone(t *testing.T) {
	tests := []struct {
		name string
		away func(w *world, in func(name string) string)
		why  string // that nothing is deleted; "" is that it is
	}{
		{"the file is deleted", func(w *world, in func(string) string) { w.must(os.Remove(in("share/deep/1.csv"))) }, ""},
		{"its folder is deleted", func(w *world, in func(string) string) { w.must(os.RemoveAll(in("share/deep"))) }, ""},
		{"the folder above is deleted", func(w *world, in func(string) string) { w.must(os.RemoveAll(in("share"))) }, ""},
		{"the file has another name", func(w *world, in func(string) string) {
			w.must(os.Rename(in("share/deep/1.csv"), in("share/deep/1.bak")))
		}, ""},
		{"its folder is empty", func(w *world, in func(string) string) {
			w.must(os.RemoveAll(in("share/deep")))
			w.must(os.Mkdir(in("share/deep"), 0o700))
		}, "share/deep is empty"},
		{"the folder above is empty", func(w *world, in func(string) string) {
			w.must(os.RemoveAll(in("share")))
			w.must(os.Mkdir(in("share"), 0o700))
		}, "share is empty"},
		{"its folder is empty but for a file that is hidden", func(w *world, in func(string) string) {
			w.must(os.RemoveAll(in("share/deep")))
			w.must(os.Mkdir(in("share/deep"), 0o700))
			w.must(os.WriteFile(in("share/deep/.keep"), nil, 0o600))
		}, ""},
		{"a link to its folder leads nowhere", func(w *world, in func(string) string) {
			w.must(os.RemoveAll(in("share")))
			w.must(os.Symlink(in("nowhere"), in("share")))
		}, "leads nowhere"},
		{"a file is in the folder's place", func(w *world, in func(string) string) {
			w.must(os.RemoveAll(in("share")))
			w.must(os.WriteFile(in("share"), nil, 0o600))
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.remap("files/*.csv", "files/**/*.csv")
			in := func(name string) string { return filepath.Join(w.dir, "files", filepath.FromSlash(name)) }
			w.write("0.csv", "0,zero,0")
			w.write("share/2.csv", "2,two,2")
			w.write("share/deep/1.csv", "1,one,1")
			w.write("share/deep/3.csv", "3,three,3")
			w.mustCrawl()
			tt.away(w, in)
			for range 2 { // however long it stays so
				rep := w.mustCrawl()
				_, there := w.target.snapshot()["1"]
				if there != (tt.why != "") {
					t.Fatalf("the item is there: %v; %d deleted", there, rep.Deleted)
				}
				if there && (rep.Kept == 0 || !slices.ContainsFunc(w.keptFiles(), func(why string) bool { return strings.Contains(why, tt.why) })) {
					t.Errorf("%d kept, %q; want %q", rep.Kept, w.keptFiles(), tt.why)
				}
			}
			w.must(os.RemoveAll(in("share"))) // now it is gone for certain
			w.mustCrawl()
			w.wantItems("0")
		})
	}
}

func (w *world) keptFiles() (whys []string) {
	for _, k := range w.lastReport().KeptFiles {
		whys = append(whys, k.Why)
	}
	return whys
}

// A folder that cannot be looked at makes all of its source doubtful: a record
// that is missing in one file may stand in one that was not seen.
func TestAFolderThatCannotBeLookedAtDeletesNothing(t *testing.T) {
	w := newWorld(t)
	w.remap("files/*.csv", "files/**/*.csv")
	w.write("a.csv", numbered(5)...)
	w.write("b.csv", "b,b,1")
	w.mustCrawl()
	loop := filepath.Join(w.dir, "files", "loop")
	w.must(os.Symlink("loop", loop))
	w.write("a.csv", numbered(4)...) // 4 has moved into the loop, for all that is known
	w.remove("b.csv")
	rep := w.mustCrawl()
	if rep.Deleted != 0 || rep.Kept != 2 || len(rep.Problems) != 1 {
		t.Errorf("%d deleted, %d kept, problems %q; want 0, 2 and one", rep.Deleted, rep.Kept, rep.Problems)
	}
	w.must(os.Remove(loop))
	if rep := w.mustCrawl(); rep.Deleted != 2 {
		t.Errorf("%d deleted once all could be looked at, want 2", rep.Deleted)
	}
}

// A path that matches less than before deletes what it does not match any more,
// as far as the guard lets it.
func TestANarrowerPath(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(60)...)
	w.write("b.csv", "b,b,1")
	w.mustCrawl()
	w.edit("files/*.csv", "files/b*.csv")
	_, err := w.crawl(t.Context())
	var guard *GuardError
	if !errors.As(err, &guard) {
		t.Errorf("crawl = %v, want a safety stop", err)
	}
	w.tweak = func(c *Crawl) { c.Deletes = transform.Limit{Count: 60, Set: true} }
	w.mustCrawl()
	w.wantItems("b")
}

// A share that is dying lists names that cannot be looked at any more.
func TestAFolderThatListsAndDoesNotStat(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1")
	w.write("b.csv", "2,two,2")
	for _, tt := range []struct {
		name  string
		stat  func(path string) (fs.FileInfo, error)
		fails int
	}{
		{"all is well", os.Stat, 0},
		{"nothing can be looked at", func(path string) (fs.FileInfo, error) {
			return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
		}, 2},
		{"one is deleted meanwhile", func(path string) (fs.FileInfo, error) {
			if filepath.Base(path) == "b.csv" {
				os.Remove(path)
			}
			return os.Stat(path)
		}, 0},
	} {
		var fails, files int
		walker := &walker{ctx: t.Context(), src: &transform.Source{}, pattern: "*.csv", stat: tt.stat, yield: func(_ walked, err error) bool {
			if err != nil {
				fails++
			} else {
				files++
			}
			return true
		}}
		walker.folder(filepath.Join(w.dir, "files"), "", nil)
		if fails != tt.fails {
			t.Errorf("%s: %d files, %d could not be looked at, want %d", tt.name, files, fails, tt.fails)
		}
	}
}
