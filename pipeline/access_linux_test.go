package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importer/extract"
	"importer/pipeline/state"
)

// Entries of an access control list, its mask taken off; bytes as setfacl
// writes them.
func TestWithACL(t *testing.T) {
	entry := func(tag, perm byte, id byte) []byte { return []byte{tag, 0, perm, 0, id, 0, 0, 0} }
	list := []byte{2, 0, 0, 0}
	for _, e := range [][]byte{entry(1, 6, 0xff), entry(tagUser, 7, 9), entry(tagGroupObj, 7, 0xff), entry(tagGroup, 2, 8), entry(tagMask, 5, 0xff), entry(0x20, 0, 0xff)} {
		list = append(list, e...)
	}
	p, err := withACL(extract.Posix{UID: 1, GID: 2, User: 6, Group: 5}, list)
	want := "{1 2 6 5 0 [{9 5}] [{8 0}]}"
	if err != nil || fmt.Sprint(p) != want {
		t.Errorf("withACL = %v, %v, want %s", p, err, want)
	}
	for _, bad := range [][]byte{nil, list[:7], append([]byte{3}, list[1:]...)} {
		if _, err := withACL(extract.Posix{}, bad); err == nil {
			t.Errorf("withACL(%v) takes it", bad)
		}
	}
}

// Who may read a file sees its items, and a change of its mode alone is
// noticed.
func TestAccessOfTheFileSystem(t *testing.T) {
	w, _ := peopleWorld(t, "identities: {entra: true}\n", "[{from: posix, principals: unix.csv}]")
	uid, gid := os.Getuid(), os.Getgid()
	w.must(os.WriteFile(filepath.Join(w.dir, "unix.csv"), fmt.Appendf(nil, "identity,type,value\nuid:%d,user,ann@x\ngid:%d,group,%s\nother,everyone,\n", uid, gid, bob), 0o600))
	w.write("a.csv", "1,one,1")
	w.write("b.csv", "2,two,1")
	full := func(name string) string { return filepath.Join(w.dir, "files", name) }
	w.must(os.Chmod(full(""), 0o755))
	w.must(os.Chmod(full("a.csv"), 0o644))
	w.must(os.Chmod(full("b.csv"), 0o600))
	w.mustCrawl()
	items := w.target.snapshot()
	if it := items["1"]; !strings.Contains(it, "everyone") || !strings.Contains(it, anna) {
		t.Errorf("0644: %s", it)
	}
	if it := items["2"]; strings.Contains(it, "everyone") || strings.Contains(it, bob) || !strings.Contains(it, anna) {
		t.Errorf("0600: %s", it)
	}
	w.wantCounts(w.mustCrawl(), state.Counts{Read: 2, Unchanged: 2})
	w.must(os.Chmod(full("a.csv"), 0o640)) // neither its size nor its time
	w.mustCrawl()
	if it := w.target.snapshot()["1"]; strings.Contains(it, "everyone") || !strings.Contains(it, bob) {
		t.Errorf("0640: %s", it)
	}
	w.must(os.Chmod(full(""), 0o700)) // a folder that others may not pass
	w.mustCrawl()
	if it := w.target.snapshot()["1"]; strings.Contains(it, bob) {
		t.Errorf("0640 in 0700: %s", it)
	}
}

// posixWorld has files whose items are for those who may read them.
func posixWorld(t *testing.T) (w *world, full func(name string) string) {
	w, _ = peopleWorld(t, "identities: {entra: true}\nsafety: {maxDeletes: 100%}\n", "[{from: posix, principals: unix.csv}]")
	w.must(os.WriteFile(filepath.Join(w.dir, "unix.csv"), fmt.Appendf(nil, "identity,type,value\nuid:%d,user,ann@x\ngid:%d,group,%s\nother,everyone,\n", os.Getuid(), os.Getgid(), bob), 0o600))
	return w, func(name string) string { return filepath.Join(w.dir, "files", name) }
}

// A link is no way around the folders that what it leads to lies in.
func TestAccessThroughLinks(t *testing.T) {
	w, full := posixWorld(t)
	w.must(os.Chmod(w.dir, 0o755))
	shut := filepath.Join(w.dir, "shut")
	w.must(os.MkdirAll(filepath.Join(shut, "open"), 0o755))
	w.write("a.csv", "1,one,1")
	w.must(os.Chmod(full(""), 0o755))
	w.must(os.Rename(full("a.csv"), filepath.Join(shut, "open", "a.csv")))
	w.must(os.Chmod(filepath.Join(shut, "open", "a.csv"), 0o644))
	w.must(os.Symlink("shut", filepath.Join(w.dir, "way")))
	w.must(os.Symlink("../way/open/a.csv", full("a.csv")))
	w.mustCrawl()
	if it := w.target.snapshot()["1"]; !strings.Contains(it, "everyone") {
		t.Errorf("in 0755: %s", it)
	}
	w.must(os.Chmod(shut, 0o700))
	w.mustCrawl()
	if it := w.target.snapshot()["1"]; strings.Contains(it, "everyone") || !strings.Contains(it, anna) {
		t.Errorf("in 0700: %s", it)
	}
}

// A file that cannot be read and whose permissions have changed does not leave
// its items to those who could read it.
func TestAccessOfAFileThatCannotBeRead(t *testing.T) {
	w, full := posixWorld(t)
	w.write("a.csv", "1,one,1")
	w.write("b.csv", "2,two,1")
	for _, name := range []string{"a.csv", "b.csv"} {
		w.must(os.Chmod(full(name), 0o644))
	}
	w.must(os.Chmod(full(""), 0o755))
	w.mustCrawl()
	for _, name := range []string{"a.csv", "b.csv"} {
		w.must(os.WriteFile(full(name), []byte("PK\x03\x04 no workbook"), 0))
	}
	rep := w.mustCrawl()
	w.wantItems("1", "2")
	if rep.Kept != 2 {
		t.Errorf("%d kept, want 2", rep.Kept)
	}
	w.must(os.Chmod(full("a.csv"), 0o600))
	rep = w.mustCrawl()
	w.wantItems("2")
	if rep.Withdrawn != 1 || rep.Kept != 1 {
		t.Errorf("%d withdrawn, %d kept; want 1, 1", rep.Withdrawn, rep.Kept)
	}
}
