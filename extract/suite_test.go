package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// A suiteCase is one format and input for the conformance suite. A format's
// tests add theirs:
//
//	func TestSuiteCSV(t *testing.T) { runSuite(t, suiteCase{format: CSV, name: "tickets.csv", ...}) }
type suiteCase struct {
	format *Format
	name   string // the file's name, with the extension that belongs to format
	opt    Options
	small  []byte // a good input, with three records or more where the format can
	want   int    // the number of records in small

	// unknowable tells that the format cannot know that small[:cut] is not
	// the whole file, such as a CSV that ends after a row. nil is never.
	unknowable func(cut int) bool
	cuts       int // the number of places to cut at; 0 is 200
	flips      int // the number of inputs with flipped bytes; 0 is 200

	// big makes a good input of n records. It may be nil in a format whose
	// only record is the document.
	big  func(n int) []byte
	bigN int   // n of big; the suite compares n with 10n; 0 is 2,000
	heap int64 // how far the live heap may grow from n to 10n; 0 is 4 MiB
}

// runSuite holds a format to the contract of Records.
func runSuite(t *testing.T, c suiteCase) {
	t.Run("reads all", c.readsAll)
	t.Run("records belong to the caller", c.keeps)
	t.Run("break stops", c.breaks)
	t.Run("cancel is not success", c.cancels)
	t.Run("truncated input", c.truncated)
	t.Run("flipped bytes", c.flipped)
	t.Run("failing disk", c.failingDisk)
	t.Run("shrinking file", c.shrinkingFile)
	t.Run("constant memory", c.constantMemory)
}

func (c suiteCase) input(b []byte) Input {
	return Input{Name: c.name, Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}
}

func (c suiteCase) readsAll(t *testing.T) {
	got := readAll(t, t.Context(), c.input(c.small), c.opt)
	if got.err != nil || len(got.bad) > 0 {
		t.Fatalf("reading a good file: error %v, record errors %v", got.err, got.bad)
	}
	if len(got.recs) != c.want {
		t.Fatalf("got %d records, want %d", len(got.recs), c.want)
	}
	if len(got.found) != 1 || got.found[0] != c.format {
		t.Errorf("told to be %v, want %s, once", got.found, c.format.Name)
	}
	for i, rec := range got.recs {
		if rec.Place.File != c.name {
			t.Errorf("record %d: Place.File = %q, want %q", i, rec.Place.File, c.name)
		}
		if c.format.Table && rec.Place.Line < 1 {
			t.Errorf("record %d: Place %+v has no line", i, rec.Place)
		}
		if rec.Header != nil && len(rec.Text) != len(rec.Header.Names()) {
			t.Errorf("record %d: %d cells under %d columns", i, len(rec.Text), len(rec.Header.Names()))
		}
		if rec.Typed != nil && len(rec.Typed) != len(rec.Text) {
			t.Errorf("record %d: %d typed cells for %d cells", i, len(rec.Typed), len(rec.Text))
		}
		if (rec.Header == nil) == (rec.Doc == nil) {
			t.Errorf("record %d is neither a row nor a document, or both", i)
		}
	}
	f, err := Detect(c.input(c.small), c.opt)
	if err != nil || f != c.format {
		t.Errorf("Detect = %v, %v, want %s", f, err, c.format.Name)
	}
}

func (c suiteCase) keeps(t *testing.T) {
	in := c.small
	if c.big != nil {
		in = c.big(300)
	}
	got := readAll(t, t.Context(), c.input(in), c.opt)
	for i, rec := range got.recs {
		if now := render(rec); now != got.seen[i] {
			t.Fatalf("record %d changed after it was yielded:\nwas %s\nis  %s", i, got.seen[i], now)
		}
	}
}

func (c suiteCase) breaks(t *testing.T) {
	readAll(t, t.Context(), c.input(c.small), c.opt) // whatever is kept for later reads now exists
	before := runtime.NumGoroutine()
	for range 20 {
		n := 0
		for range Records(t.Context(), c.input(c.small), c.opt) {
			n++
			break
		}
		if n != 1 {
			t.Fatalf("got %d pairs before the break, want 1", n)
		}
		for range c.format.Read(t.Context(), c.input(c.small), c.opt) {
			break // a reader that yields after this panics
		}
	}
	after := runtime.NumGoroutine()
	for i := 0; after > before+2 && i < 1e6; i++ {
		runtime.Gosched() // goroutines that are about to end may end
		after = runtime.NumGoroutine()
	}
	if after > before+2 {
		t.Errorf("%d goroutines after 40 early breaks, %d before", after, before)
	}
}

func (c suiteCase) cancels(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := readAll(t, ctx, c.input(c.small), c.opt); !errors.Is(got.err, context.Canceled) {
		t.Errorf("cancelled before the start: error = %v, want %v", got.err, context.Canceled)
	}

	in, most := c.small, c.want
	if c.big != nil {
		in, most = c.big(2000), 1999
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range Records(ctx, c.input(in), c.opt) {
		if last = err; err == nil {
			n++
		}
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled at the first record: error = %v after %d records, want %v", last, n, context.Canceled)
	}
	if n > most {
		t.Errorf("%d records after the cancel", n)
	}
}

func (c suiteCase) truncated(t *testing.T) {
	whole := readAll(t, t.Context(), c.input(c.small), c.opt)
	n := c.cuts
	if n == 0 {
		n = 200
	}
	step := max(1, len(c.small)/n)
	for cut := len(c.small) - 1; cut >= 0; cut -= step {
		got := readAll(t, t.Context(), c.input(c.small[:cut]), c.opt)
		if got.err != nil {
			if _, ok := errors.AsType[*FileError](got.err); !ok && !errors.Is(got.err, ErrShort) {
				t.Errorf("cut at %d of %d: error %v is neither a *FileError nor ErrShort", cut, len(c.small), got.err)
			}
			continue
		}
		if c.unknowable != nil && c.unknowable(cut) {
			continue
		}
		if !reflect.DeepEqual(got.seen, whole.seen) {
			t.Errorf("cut at %d of %d: success with %d records that are not the %d of the whole file", cut, len(c.small), len(got.recs), c.want)
		}
	}
}

func (c suiteCase) flipped(t *testing.T) {
	n := c.flips
	if n == 0 {
		n = 200
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range n {
		b := bytes.Clone(c.small)
		for range 1 + rnd.IntN(8) {
			b[rnd.IntN(len(b))] = byte(rnd.Uint32())
		}
		readAll(t, t.Context(), c.input(b), c.opt) // it ends, and does not panic
	}
}

var errDisk = errors.New("input/output error")

// A brokenDisk fails on every read that touches off or what follows it.
type brokenDisk struct {
	io.ReaderAt
	off int64
}

func (d brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off >= d.off {
		return 0, errDisk
	}
	if off+int64(len(p)) <= d.off {
		return d.ReaderAt.ReadAt(p, off)
	}
	n, err := d.ReaderAt.ReadAt(p[:d.off-off], off)
	if err == nil {
		err = errDisk
	}
	return n, err
}

func (c suiteCase) failingDisk(t *testing.T) {
	b := c.small
	if c.big != nil {
		b = c.big(2000)
	}
	for _, at := range []int{0, len(b) / 10, len(b) / 2, len(b) - 1} {
		in := c.input(b)
		in.ReaderAt = brokenDisk{in.ReaderAt, int64(at)}
		got := readAll(t, t.Context(), in, c.opt)
		bad, ok := errors.AsType[*FileError](got.err)
		if !ok || bad.Reason != ReasonUnreadable || bad.Lasting() || !errors.Is(got.err, errDisk) {
			t.Errorf("disk fails at %d of %d: error = %#v, want a FileError that is %s and wraps the cause", at, len(b), got.err, ReasonUnreadable)
		}
	}
}

// shrinkingFile is a file that was made shorter after its size was taken.
func (c suiteCase) shrinkingFile(t *testing.T) {
	in := c.input(c.small)
	in.ReaderAt = bytes.NewReader(c.small[:len(c.small)*2/3])
	got := readAll(t, t.Context(), in, c.opt)
	if bad, ok := errors.AsType[*FileError](got.err); !ok || bad.Lasting() || !errors.Is(got.err, ErrShort) {
		t.Errorf("error = %v, want %v, which does not last", got.err, ErrShort)
	}
}

func (c suiteCase) constantMemory(t *testing.T) {
	if c.big == nil {
		t.Skip("the format's only record is the document")
	}
	n, most := c.bigN, c.heap
	if n == 0 {
		n = 2000
	}
	if most == 0 {
		most = 4 << 20
	}
	c.liveHeap(t, n) // whatever is made once exists before it is measured
	small, large := c.liveHeap(t, n), c.liveHeap(t, 10*n)
	if large-small > most {
		t.Errorf("live heap at the last of %d records is %d KiB, at the last of %d records %d KiB", n, small>>10, 10*n, large>>10)
	}
}

// liveHeap is how much more is alive at the last of n records than before.
func (c suiteCase) liveHeap(t *testing.T, n int) int64 {
	in := c.input(c.big(n))
	before := heapAlloc()
	var after int64
	i := 0
	for _, err := range Records(t.Context(), in, c.opt) {
		if err != nil {
			t.Fatalf("record %d of %d: %v", i, n, err)
		}
		if i++; i == n {
			after = heapAlloc()
		}
	}
	if i != n {
		t.Fatalf("got %d records, want %d", i, n)
	}
	runtime.KeepAlive(in)
	return after - before
}

func heapAlloc() int64 {
	runtime.GC()
	runtime.GC() // a second time for what finalizers and pools let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A reading is all that came of an input.
type reading struct {
	recs []Record
	seen []string       // each record as it was when it was yielded
	bad  []*RecordError // in order
	err  error          // what ended the sequence
	warn []string

	found []*Format // what it was told to be, before the first record
}

// readAll drains Records and checks what holds for every input whatever is
// in it: no panic, and nothing after the error that ends the sequence.
func readAll(t *testing.T, ctx context.Context, in Input, opt Options) reading {
	t.Helper()
	var r reading
	opt.Warn = func(p Place, s string) { r.warn = append(r.warn, p.String()+": "+s) }
	opt.Found = func(f *Format) {
		if len(r.recs) == 0 {
			r.found = append(r.found, f)
		}
	}
	for rec, err := range Records(ctx, in, opt) {
		if r.err != nil {
			t.Fatalf("the sequence goes on after %v", r.err)
		}
		bad, ok := errors.AsType[*RecordError](err)
		switch {
		case ok:
			if bad.Place.File != in.Name || bad.Reason == "" || bad.Detail == "" {
				t.Errorf("record error without place, reason or detail: %#v", bad)
			}
			r.bad = append(r.bad, bad)
		case err != nil:
			if _, ok := errors.AsType[*readerPanic](err); ok {
				t.Fatalf("the reader panics: %v", err)
			}
			if strings.Contains(err.Error(), "reader gave up on this file") { // in a worker
				t.Fatalf("the reader panics: %v", err)
			}
			r.err = err
		default:
			r.recs = append(r.recs, rec)
			r.seen = append(r.seen, render(rec))
		}
	}
	return r
}

// render prints what a record says, not how it is held.
func render(rec Record) string {
	var b strings.Builder
	fmt.Fprint(&b, rec.Place)
	if rec.Header != nil {
		fmt.Fprintf(&b, " %q", rec.Header.Names())
	}
	fmt.Fprintf(&b, " %q %#v", rec.Text, rec.Typed)
	if d := rec.Doc; d != nil {
		markup := ""
		if d.HTML != nil {
			markup = d.HTML()
		}
		fmt.Fprintf(&b, " %q %q %q %q %d %d %q", d.Title, d.Body, d.Headings, d.Meta, d.Page, d.Pages, markup)
	}
	return b.String()
}
