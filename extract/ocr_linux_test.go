package extract

import (
	"bufio"
	"context"
	"errors"
	"image"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOCREndsWithTheRun has a tesseract that hangs, and a run that is
// cancelled: the worker is killed, and what it has started with it.
func TestOCREndsWithTheRun(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	fake := fakeOCR(t, `case "$1" in
--version) echo tesseract 0 ;;
--list-langs) echo 'List of languages'; echo eng ;;
*) exec 3>`+fifo+`; echo started >&3; exec sleep 1000 ;;
esac`)
	t.Setenv("PATH", filepath.Dir(fake.path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	CloseWorkers()
	t.Cleanup(CloseWorkers)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		f, err := os.Open(fifo) // it waits for the other end
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if _, err := bufio.NewReader(f).ReadString('\n'); err != nil {
			t.Error(err)
		}
	}()
	in := bytesInput("a.png", encodePNG(t, image.NewGray(image.Rect(0, 0, 40, 30))))
	got := readAll(t, ctx, in, Options{OCR: OCROptions{When: OCRAuto}})
	if !errors.Is(got.err, context.Canceled) || len(got.recs) > 0 {
		t.Errorf("%v and %d records, want %v", got.err, len(got.recs), context.Canceled)
	}
	// The pipe ends when nobody has its other end any more.
	f, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rd, err := os.OpenFile(fifo, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	f.Close()
	if _, err := io.ReadAll(rd); err != nil {
		t.Error(err)
	}
}
