package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"importer/pipeline/state"
)

// hold makes w's crawls hold files by name.
func (w *world) hold(names ...string) {
	w.tweak = func(c *Crawl) {
		c.Hold = func(path string) bool {
			for _, name := range names {
				if path == filepath.Join(w.dir, "files", name) {
					return true
				}
			}
			return false
		}
	}
}

// A file that is held counts as it was, and its items stay, while others come
// and go.
func TestHeldFileIsAsItWas(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "a1,one,1", "a2,two,2")
	w.write("b.csv", "b1,one,1")
	w.write("c.csv", "c1,one,1")
	w.mustCrawl()

	w.write("a.csv", "a1,changed,1") // half written: a2 is to come
	w.write("b.csv", "b1,changed,1")
	w.remove("c.csv")
	w.hold("a.csv")
	puts := w.target.puts
	rep := w.mustCrawl()
	w.wantItems("a1", "a2", "b1")
	w.wantCounts(rep, state.Counts{Read: 3, Stored: 1, Unchanged: 2})
	if got := w.target.puts - puts; got != 1 || rep.Deleted != 1 || rep.Kept != 0 {
		t.Errorf("%d items were sent, %d deleted, %d kept; want 1, 1, 0", got, rep.Deleted, rep.Kept)
	}

	w.hold()
	rep = w.mustCrawl()
	w.wantItems("a1", "b1")
	w.wantCounts(rep, state.Counts{Read: 2, Stored: 1, Unchanged: 1})
}

// A new file that is held is passed over, and is file enough for its source.
func TestHeldFileThatIsNew(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "a1,one,1")
	w.hold("a.csv")
	rep := w.mustCrawl()
	w.wantItems()
	w.wantCounts(rep, state.Counts{})
	if len(rep.Sources) != 0 {
		t.Errorf("the report has %v, want nothing", rep.Sources)
	}
	w.hold()
	w.mustCrawl()
	w.wantItems("a1")
}

// A file that is held though it must be read, because it was never read whole
// or the mapping has changed, is not read, and nothing of it is deleted.
func TestHeldFileThatMustBeRead(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "a1,one,1", "a2,two,2", "bad,row,many")
	w.write("b.csv", "b1,one,1")
	w.mustCrawl()
	changed := strings.Replace(fmt.Sprintf(testMapping, ""), "{type: text, value: title}", `{type: text, value: title + "!"}`, 1)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(changed), 0o600))
	w.write("a.csv", "a1,one,1")
	w.hold("a.csv")
	rep := w.mustCrawl()
	w.wantItems("a1", "a2", "b1")
	w.wantCounts(rep, state.Counts{Read: 4, Stored: 1, Unchanged: 2, Quarantined: 1})

	// Written to between the walk and its turn.
	var asked atomic.Int64
	w.tweak = func(c *Crawl) {
		c.Readers = 1
		c.Hold = func(path string) bool { return filepath.Base(path) == "a.csv" && asked.Add(1) > 2 }
	}
	rep = w.mustCrawl()
	if asked.Load() < 3 {
		t.Fatalf("it was asked %d times for a.csv, want in the walk, the check and the reading", asked.Load())
	}
	w.wantItems("a1", "a2", "b1")
	w.wantCounts(rep, state.Counts{Read: 1, Unchanged: 1})
	if rep.Kept != 2 {
		t.Errorf("%d items are kept, want 2", rep.Kept)
	}

	w.hold()
	w.mustCrawl()
	w.wantItems("a1", "b1")
}
