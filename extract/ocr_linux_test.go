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
	"time"

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

// BenchmarkOCR reads clean scans of 300 dpi, a page at a time; the metrics are
// the time of processors for a page and the words that are right, of all.
func BenchmarkOCR(b *testing.B) {
	pages, right, cpu := 0, 0.0, time.Duration(0)
	for b.Loop() {
		for language, text := range scanTexts {
			o := needOCR(b, language)
			for _, font := range scanFonts {
				if _, err := os.Stat(font); err != nil && filepath.IsAbs(font) {
					continue
				}
				pdf := scannedPDF(b, scan(b, text, font, 11, 0))
				CloseWorkers()
				began := childrenCPU()
				docs, _, err := readPDFs(b.Context(), bytesInput("scan.pdf", pdf), Options{OCR: o})
				if err != nil {
					b.Fatal(err)
				}
				CloseWorkers() // their time counts when they have ended
				cpu += childrenCPU() - began
				right += wordAccuracy(docs[0].Body, text)
				pages++
			}
		}
	}
	b.ReportMetric(cpu.Seconds()/float64(pages), "cpu-s/page")
	b.ReportMetric(right/float64(pages), "word-accuracy")
}

// childrenCPU is the time of processors that processes started from here have
// taken, with those that they started, when they have ended.
func childrenCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
