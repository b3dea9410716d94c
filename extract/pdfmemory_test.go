//go:build !nopdfium && (linux || darwin)

package extract

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"
)

// TestLinearMemory has memory that grows in place and is given back, and, where
// the system gives no more addresses, one on Go's heap with the same content.
func TestLinearMemory(t *testing.T) {
	const page, most = 64 << 10, 8 << 20
	before := linearBytes.Load()
	m := newLinearMemory(page, most).(*linearMemory)
	b := m.Reallocate(page)
	b[0], b[page-1] = 1, 2
	at := unsafe.SliceData(b)
	for size := uint64(2 * page); size <= most; size *= 2 {
		b = m.Reallocate(size)
		if uint64(len(b)) != size || unsafe.SliceData(b) != at || b[0] != 1 || b[page-1] != 2 || b[size-1] != 0 {
			t.Fatalf("of %d bytes: %d at %p, want all at %p with what was written", size, len(b), unsafe.SliceData(b), at)
		}
		b[size-1] = 3
		if got := linearBytes.Load() - before; got != int64(size) {
			t.Errorf("%d bytes are counted, want %d", got, size)
		}
		b[size-1] = 0
	}
	b = m.Reallocate(most + page) // more than was reserved, as when the system has no more
	if len(b) != most+page || b[0] != 1 || b[page-1] != 2 {
		t.Errorf("on the heap: %d bytes, want %d with what was written", len(b), most+page)
	}
	if got := linearBytes.Load(); got != before {
		t.Errorf("%d bytes are counted that are on the heap", got-before)
	}
	b[most+page-1] = 4
	if b = m.Reallocate(most + 2*page); b[most+page-1] != 4 {
		t.Error("on the heap: what was written is lost when it grows again")
	}
	m.Free()
}

// TestPDFiumMemory has an instance that has grown replaced, and its memory given back.
func TestPDFiumMemory(t *testing.T) {
	before := linearBytes.Load()
	engine, err := newPDFium()
	if err != nil {
		t.Fatal(err)
	}
	e := engine.(*pdfiumEngine)
	in := bytesInput("f.pdf", makePDF(t, []string{"one"}))
	read := func() {
		t.Helper()
		doc, err := e.open(in.ReaderAt, in.Size, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer doc.close()
		if _, err := doc.page(1); err != nil {
			t.Fatal(err)
		}
	}
	read()
	small, inst := linearBytes.Load()-before, e.inst
	if small <= 0 || small > wasmKept {
		t.Fatalf("an instance has %d bytes, want 1 to %d", small, wasmKept)
	}
	read()
	if e.inst != inst {
		t.Error("an instance that is small was replaced")
	}
	if at, err := e.raw.call("malloc", wasmKept); err != nil || at == 0 {
		t.Fatal(at, err)
	}
	read()
	if got := linearBytes.Load() - before; got != small {
		t.Errorf("after an instance has grown, the next has %d bytes, want %d", got, small)
	}
	e.close()
	if got := linearBytes.Load(); got != before {
		t.Errorf("%d bytes are left when all is closed", got-before)
	}
}

// TestPDFByBlocks has files read block by block as those in memory are.
func TestPDFByBlocks(t *testing.T) {
	inMemory, byBlocks := newPDFReader(), newPDFReader()
	defer inMemory.close()
	defer byBlocks.close()
	byBlocks.engines[enginePDFium] = func() (pdfEngine, error) {
		engine, err := newPDFium()
		if err == nil {
			engine.(*pdfiumEngine).inMemory = 0
		}
		return engine, err
	}
	compare := func(path string) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		req := pdfRequest{Path: path, Size: info.Size(), Engine: enginePDFium, Passwords: []string{"no", "", "s3cret"}}
		want, got := framesOf(t, inMemory, 0, 100, req), framesOf(t, byBlocks, 0, 100, req)
		if !slices.Equal(got, want) {
			t.Errorf("%s: by blocks\n%q\nin memory\n%q", filepath.Base(path), got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "f.pdf")
	for _, pdf := range [][]byte{stretchedPDF(9), headedPDF(t, 20), stretchedPDF(9)[:2000], {'%'}} {
		if err := os.WriteFile(path, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
		compare(path)
	}
	if os.Getenv("IMPORTER_CORPUS") == "" {
		t.Log("IMPORTER_CORPUS does not name a folder of real files")
		return
	}
	for i, path := range corpusPDFs(t) {
		if i%7 == 0 {
			compare(path)
		}
	}
}
