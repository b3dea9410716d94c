//go:build linux || darwin

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"importer/extract"
)

// pagesArg as the first argument makes this program read the pages of a file and
// print how many they are.
const pagesArg = "pages"

const (
	shortPages = 2_000
	longPages  = 20_000
)

// longPDF measures the memory for a document of very many pages. It must run
// while this process is small: Linux counts the peak of the process that starts
// a child as the child's own.
func longPDF(ctx context.Context, s *settings) (section, error) {
	sec := section{title: "PDF memory", note: fmt.Sprintf("Documents of %d and %d pages of some 40 lines, read page by page: peak memory of the larger of both processes. "+
		"Not guarded: machines differ.", shortPages, longPages)}
	dir, err := os.MkdirTemp("", "score-")
	if err != nil {
		return sec, err
	}
	defer os.RemoveAll(dir)
	peaks := map[int]int64{}
	for _, pages := range []int{shortPages, longPages} {
		file := filepath.Join(dir, "long.pdf")
		if err := writeLongPDF(file, pages); err != nil {
			return sec, err
		}
		var cpu float64
		if peaks[pages], cpu, err = readPages(ctx, s, file, pages); err != nil {
			return sec, err
		}
		sec.add(fmt.Sprintf("MB for %d pages", pages), float64(peaks[pages])/1e6, free, 0, "")
		sec.add(fmt.Sprintf("CPU-seconds for %d pages", pages), cpu, free, 0, "")
	}
	sec.add("ratio of memory", float64(peaks[longPages])/float64(peaks[shortPages]), free, 0, "<= 1.1")
	return sec, nil
}

// readPages has a new process read a file, and gives the peak of its memory in
// bytes and its time of processors, its worker's included.
func readPages(ctx context.Context, s *settings, file string, want int) (peak int64, cpu float64, err error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, exe, pagesArg, s.engine, file)
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("reading %d pages: %w", want, err)
	}
	if got := strings.TrimSpace(string(out)); got != strconv.Itoa(want) {
		return 0, 0, fmt.Errorf("of %d pages %s were read", want, got)
	}
	use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("the system does not tell what the process took")
	}
	peak = int64(use.Maxrss)
	if runtime.GOOS == "linux" {
		peak <<= 10 // kilobytes there, bytes elsewhere
	}
	return peak, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// printPages is what the new process does.
func printPages(ctx context.Context, engine, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	n := 0
	in := extract.Input{Name: filepath.Base(file), Path: file, Size: info.Size(), ReaderAt: f}
	for rec, err := range extract.Records(ctx, in, extract.Options{Item: "page", PDF: extract.PDFOptions{Engine: engine}}) {
		if err != nil {
			return err
		}
		if strings.Contains(rec.Doc.Body, fmt.Sprintf("line 39 of page %d.", rec.Doc.Page)) {
			n++
		}
	}
	extract.CloseWorkers() // their memory and time count when they have ended
	fmt.Println(n)
	return nil
}

// writeLongPDF writes a document as a printer driver would: a content stream and
// a page object for each page, in a flat tree.
func writeLongPDF(file string, pages int) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := &offsetWriter{w: bufio.NewWriter(f)}
	fmt.Fprint(w, "%PDF-1.4\n")
	w.object("<</Type/Catalog/Pages 2 0 R>>")
	w.object("<</Type/Pages/Count %d/Kids[%s]>>", pages, kids(pages))
	w.object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
	for page := range pages {
		w.object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>", 5+2*page)
		var text strings.Builder
		text.WriteString("BT /F1 10 Tf 14 TL 50 800 Td\n")
		for line := range 40 {
			fmt.Fprintf(&text, "(The quick brown fox jumps over the lazy dog: line %d of page %d.) Tj T*\n", line, page+1)
		}
		text.WriteString("ET")
		w.object("<</Length %d>>\nstream\n%s\nendstream", text.Len(), text.String())
	}
	at := w.n
	fmt.Fprintf(w, "xref\n0 %d\n0000000000 65535 f \n", len(w.offsets)+1)
	for _, off := range w.offsets {
		fmt.Fprintf(w, "%010d 00000 n \n", off)
	}
	fmt.Fprintf(w, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(w.offsets)+1, at)
	return errors.Join(w.w.Flush(), f.Close())
}

func kids(pages int) string {
	var b strings.Builder
	for page := range pages {
		fmt.Fprintf(&b, "%d 0 R ", 4+2*page)
	}
	return b.String()
}

// An offsetWriter writes objects and remembers where they are.
type offsetWriter struct {
	w       *bufio.Writer
	n       int64
	offsets []int64
}

func (o *offsetWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.n += int64(n)
	return n, err
}

func (o *offsetWriter) object(format string, args ...any) {
	o.offsets = append(o.offsets, o.n)
	fmt.Fprintf(o, "%d 0 obj\n", len(o.offsets))
	fmt.Fprintf(o, format, args...)
	_, _ = io.WriteString(o, "\nendobj\n") // Flush tells
}
