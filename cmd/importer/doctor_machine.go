package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"importer/extract"
	"importer/pipeline"
	"importer/pipeline/state"
)

// What a run needs on the disk, roughly.
const (
	// The state and the local Graph each write up to 80 MB ahead of their file
	// (20,000 pages of 4 KB).
	baseBytes = 200 << 20
	// An item takes up to 250 bytes in the state; records are rarely shorter.
	stateShare = 0.5
	// The local Graph holds text, index and properties: of the sample collections
	// 0.5 to 1.3 times the files' bytes. Short records take more.
	localShare = 3
)

// machine checks this machine: folders, disk, state, tools.
func (d *doctor) machine(ctx context.Context) {
	if d.folder("data.folder", "the data folder", d.a.data, true, "make it writable, or choose another with --data") {
		d.space(ctx)
	}
	if d.m != nil {
		d.state(ctx)
	}
	d.temp()
	d.pdf(ctx)
	d.ocr()
}

// folder tells whether a file can be written into a folder. One that a run
// makes may not be there yet: then the next one above it counts.
func (d *doctor) folder(id, what, dir string, made bool, remedy string) bool {
	at, err := existing(dir)
	if _, absent := os.Stat(dir); !made && absent != nil {
		err = absent
	}
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(at, ".importer-doctor-"); err == nil {
			_, err = f.WriteString("x")
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		d.fail(id, fmt.Sprintf("%s %s cannot be written: %v", what, dir, bare(err)), remedy)
		return false
	}
	if at != dir && !sameFile(at, dir) {
		d.ok(id, "%s %s is not there yet and can be made", what, dir)
		return true
	}
	d.ok(id, "%s %s can be written", what, dir)
	return true
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// existing is the folder itself, or the next one above it that is there.
func existing(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(abs)
		switch {
		case err == nil && info.IsDir():
			return abs, nil
		case err == nil:
			return "", fmt.Errorf("%s is no folder", abs)
		case !errors.Is(err, fs.ErrNotExist) || filepath.Dir(abs) == abs:
			return "", err
		}
		abs = filepath.Dir(abs)
	}
}

// space compares the free disk with what a run may need.
func (d *doctor) space(ctx context.Context) {
	at, err := existing(d.a.data)
	if err != nil {
		return
	}
	free, err := freeBytes(at)
	if err != nil {
		d.warn("data.space", fmt.Sprintf("how much room is left under %s cannot be found out: %v", d.a.data, bare(err)), "look yourself")
		return
	}
	need, words := int64(baseBytes), "a run may need"
	if d.m != nil {
		extent, err := pipeline.Measure(ctx, d.m, filepath.Dir(d.path))
		if err != nil {
			return // the mapping's check has told
		}
		share := stateShare
		if d.f.target == "local" {
			share += localShare
		}
		need += max(int64(float64(extent.Bytes)*share)-folderSize(d.a.data), 0)
		words = fmt.Sprintf("a run of %s with %s may need", count(extent.Files, "file", "files"), humanize.IBytes(uint64(extent.Bytes)))
	}
	found := fmt.Sprintf("%s are free under %s; %s %s more", humanize.IBytes(uint64(free)), d.a.data, words, humanize.IBytes(uint64(need)))
	remedy := "make room, or choose another folder with --data"
	switch {
	case free < need/4:
		d.fail("data.space", found, remedy)
	case free < need:
		d.warn("data.space", found, remedy)
	default:
		d.ok("data.space", "%s", found)
	}
}

// folderSize adds up the files below a folder, as far as they can be seen.
func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}

// state looks at what is remembered of the mapping's connection.
func (d *doctor) state(ctx context.Context) {
	id := d.m.Connection.ID
	files, err := filepath.Glob(filepath.Join(d.a.data, "state", "*", id+".db"))
	if err != nil {
		return
	}
	for _, f := range files {
		dir := filepath.Dir(f)
		target := filepath.Base(dir)
		if (target == "local") != (d.f.target == "local") {
			continue
		}
		d.stateOf(ctx, dir, target, id)
	}
}

func (d *doctor) stateOf(ctx context.Context, dir, target, id string) {
	name := fmt.Sprintf("the state of %s (%s)", id, target)
	s, err := state.Reader(dir, id)
	if err != nil {
		d.fail("state", name+" cannot be read: "+err.Error(), "restore it from a backup")
		return
	}
	defer s.Close()
	o, err := s.Overview(ctx)
	if err != nil {
		d.fail("state", err.Error(), "restore it from a backup")
		return
	}
	if state.Locked(dir, id) {
		d.warn("state.lock", "a run is at work on "+id+" now", "wait for it before you start another")
		return
	}
	switch r := o.LastRun; {
	case r != nil && r.Status != "done":
		why := r.Why()
		if why != "" {
			why = ": " + why
		}
		d.warn("state", fmt.Sprintf("%s: the last run did not end%s", name, why), "run the mapping again: it goes on where it was")
	default:
		d.ok("state", "%s knows %s", name, count(o.Items, "item", "items"))
	}
	if o.Resend != "" {
		d.warn("state.resend", "the next run sends every item again, as the schema has changed: "+o.Resend, "nothing; it takes longer than usual")
	}
}

// temp checks the folder for temporary files, where workbooks with many texts
// and PDF files are put.
func (d *doctor) temp() {
	dir := os.TempDir()
	if !d.folder("temp.folder", "the folder for temporary files", dir, false, "make it writable, or set TMPDIR to another") {
		return
	}
	const little = 256 << 20
	if free, err := freeBytes(dir); err == nil && free < little {
		d.warn("temp.space", fmt.Sprintf("%s are free under %s", humanize.IBytes(uint64(free)), dir), "make room, or set TMPDIR to another folder: large workbooks need it")
	}
}

// pdf reads a PDF of one word by each engine, as a run does.
func (d *doctor) pdf(ctx context.Context) {
	var good, bad []string
	for _, engine := range []string{"pdfium", "ledongthuc"} {
		if why := tryPDF(ctx, engine); why != "" {
			bad = append(bad, engine+": "+why)
		} else {
			good = append(good, engine)
		}
	}
	switch {
	case len(bad) == 0:
		d.ok("tools.pdf", "PDF files are read by %s", strings.Join(good, ", and where that fails by "))
	case len(good) == 0:
		d.fail("tools.pdf", "no PDF file can be read: "+strings.Join(bad, "; "), "look whether this user may start processes and write temporary files")
	default:
		d.warn("tools.pdf", "PDF files are read by "+good[0]+" only: "+strings.Join(bad, "; "), "use a build with PDFium, the better one, or look whether this user may start processes")
	}
}

// ocr looks for what reads text in pictures, for the sources that want it.
func (d *doctor) ocr() {
	tool, err := extract.FindOCR()
	wanted := 0
	if d.m != nil {
		for _, src := range d.m.Sources {
			if !src.Options.OCR.On() {
				continue
			}
			wanted++
			missing := err
			if tool != nil {
				missing = tool.Lacks(src.Options.OCR)
			}
			if missing != nil {
				d.warn("tools.ocr", fmt.Sprintf("source %q: text in pictures is not read: %v", src.Name, missing), "install it; until then such documents have no text, and tell so")
				return
			}
		}
	}
	switch {
	case tool == nil:
		d.ok("tools.ocr", "text in pictures is not read (%v), and pages without text are told of", err)
	case wanted == 0:
		d.ok("tools.ocr", "text in pictures can be read by tesseract %s (%s), where ocr is set in the mapping", tool.Version, strings.Join(tool.Languages, ", "))
	default:
		d.ok("tools.ocr", "text in pictures is read by tesseract %s", tool.Version)
	}
}

// tryPDF says why an engine does not read a PDF, "" if it does.
func tryPDF(ctx context.Context, engine string) string {
	data := tinyPDF()
	in := extract.Input{Name: "doctor.pdf", Size: int64(len(data)), ReaderAt: bytes.NewReader(data)}
	opt := extract.Options{Format: "pdf"}
	opt.PDF.Engine = engine
	for rec, err := range extract.Records(ctx, in, opt) {
		switch {
		case err != nil:
			return err.Error()
		case rec.Doc == nil || !strings.Contains(rec.Doc.Body, "doctor"):
			return "it does not find the text"
		}
	}
	return ""
}

// tinyPDF makes a PDF of one page with one word.
func tinyPDF() []byte {
	const text = "BT /F1 24 Tf 72 720 Td (doctor) Tj ET"
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(text), text),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var xref strings.Builder
	for i, o := range objects {
		fmt.Fprintf(&xref, "%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n%s", len(objects)+1, xref.String())
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}
