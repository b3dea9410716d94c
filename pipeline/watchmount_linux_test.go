package pipeline

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A share is unmounted under a watch: nothing is deleted. It is mounted again:
// it is watched again.
func TestWatchRealMount(t *testing.T) {
	probe := t.TempDir()
	if err := unix.Mount("none", probe, "tmpfs", 0, ""); err != nil {
		t.Skipf("file systems cannot be mounted here: %v", err)
	}
	unmount(t, probe)

	w := newLive(t)
	files := w.path("files")
	w.must(os.MkdirAll(files, 0o700))
	mount := func() { w.must(unix.Mount("none", files, "tmpfs", 0, "size=1m")) }
	mount()
	t.Cleanup(func() { unix.Unmount(files, unix.MNT_DETACH) })
	w.put("files/a.csv", "a")
	w.put("files/sub/b.csv", "b")
	w.watch.Poll = 100 * time.Millisecond // the system does not tell of mounts
	w.start()
	w.wantSoon("a", "b")

	failed := w.failed.Load()
	unmount(t, files)
	w.waitFor("the crawl to fail for want of files", func() bool { return w.failed.Load() > failed })
	w.wantSoon("a", "b")

	mount()
	w.put("files/a.csv", "a")
	w.put("files/sub/c.csv", "c")
	w.wantSoon("a", "c")
	w.put("files/sub/d.csv", "d")
	w.wantSoon("a", "c", "d")
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
}
