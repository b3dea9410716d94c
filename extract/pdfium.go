//go:build !nopdfium

package extract

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

const havePDFium = true

// pdfEngineVersion stands in PDF.Version. Raise it with go-pdfium.
const pdfEngineVersion = "pdfium/1.21.4 ledongthuc/20260907"

const (
	// wasmPages caps PDFium's memory at 256 MiB; 2,761 files of public test
	// suites read the same with it as without.
	wasmPages = 4096
	// wasmDocs is after how many documents, and wasmKept with how much memory, the
	// instance is replaced, because the memory of WebAssembly never shrinks. It has
	// 19 MB when it starts.
	wasmDocs = 200
	wasmKept = 64 << 20
	// inMemory is the size up to which a file is given to PDFium as bytes, which
	// are twice in memory then, and not read block by block. Together they are as
	// much as PDFium needs for a table of 20,000 pages.
	inMemory = 8 << 20
)

// pdfiumModule is go-pdfium's module without the functions that cannot be reached
// from those that are called here: 2.8 MB of code, not 3.9, to decode, to check
// and to have in memory as machine code in every worker. "make pdfium" makes it.
//
//go:embed pdfium.wasm
var pdfiumModule []byte

// A pdfiumEngine is PDFium, compiled to WebAssembly and run by wazero: no
// cgo, and no reach beyond its own memory and the fonts.
type pdfiumEngine struct {
	pool pdfium.Pool
	inst pdfium.Pdfium // nil until it is needed
	raw  *rawPDFium    // of inst
	docs int           // opened by inst

	inMemory int64 // bytes of the largest file that is given to it as a whole
}

func newPDFium() (pdfEngine, error) {
	var pool pdfium.Pool
	var err error
	// Compiling PDFium takes 1.4 s of CPU and 150 MB; from the cache it takes
	// 0.1 s. A cache that does not work must not stop the work.
	if cache := compilationCache(); cache != nil {
		pool, err = startPDFium(cache)
	}
	if pool == nil {
		pool, err = startPDFium(nil)
	}
	if err != nil {
		return nil, err
	}
	return &pdfiumEngine{pool: pool, inMemory: inMemory}, nil
}

func startPDFium(cache wazero.CompilationCache) (pdfium.Pool, error) {
	// No WithCloseOnContextDone: it makes PDFium 3.5 times slower. A hang is
	// ended by ending the process.
	rc := wazero.NewRuntimeConfig().
		// The module uses exceptions for setjmp; go-pdfium's default has this too.
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithMemoryLimitPages(wasmPages)
	if cache != nil {
		rc = rc.WithCompilationCache(cache)
	}
	return webassembly.InitWithWASM(webassembly.Config{
		WASM:          pdfiumModule,
		Context:       withLinearMemory(context.Background()),
		MaxTotal:      1,
		RuntimeConfig: rc,
		FSConfig:      wazero.NewFSConfig().WithFSMount(systemFonts(), "/"),
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
}

// compilationCache is the machine code of PDFium on disk, nil where there is
// no place for it. The folder is for this user alone: who could write to it
// could run code as this user.
func compilationCache() wazero.CompilationCache {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil
	}
	dir = filepath.Join(dir, "importer", "wazero")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil // another user's
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil
	}
	return cache
}

// fontsDir is where PDFium's Linux build looks for fonts.
const fontsDir = "usr/share/fonts"

// A fontFS is a file system with nothing in it but the machine's fonts, at
// fontsDir. PDFium needs them for documents that do not embed theirs: without
// a CJK font the text of those is lost. go-pdfium's default shows PDFium the
// whole disk.
type fontFS struct{ fonts fs.FS }

func systemFonts() fs.FS {
	switch runtime.GOOS {
	case "darwin":
		return fontFS{os.DirFS("/System/Library/Fonts")}
	case "windows":
		return fontFS{os.DirFS(filepath.Join(os.Getenv("SystemRoot"), "Fonts"))}
	}
	return fontFS{os.DirFS("/" + fontsDir)}
}

func (f fontFS) Open(name string) (fs.File, error) {
	if name == fontsDir {
		return f.fonts.Open(".")
	}
	if rest, ok := strings.CutPrefix(name, fontsDir+"/"); ok {
		return f.fonts.Open(rest)
	}
	if name == "." || strings.HasPrefix(fontsDir, name+"/") {
		return emptyDir(name), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// An emptyDir is a folder on the way to the fonts.
type emptyDir string

func (d emptyDir) Open() (fs.File, error)     { return d, nil }
func (d emptyDir) Stat() (fs.FileInfo, error) { return d, nil }
func (d emptyDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: string(d), Err: fs.ErrInvalid}
}
func (d emptyDir) Close() error                       { return nil }
func (d emptyDir) ReadDir(int) ([]fs.DirEntry, error) { return nil, io.EOF }
func (d emptyDir) Name() string                       { return filepath.Base(string(d)) }
func (d emptyDir) Size() int64                        { return 0 }
func (d emptyDir) Mode() fs.FileMode                  { return fs.ModeDir | 0o555 }
func (d emptyDir) ModTime() time.Time                 { return time.Time{} }
func (d emptyDir) IsDir() bool                        { return true }
func (d emptyDir) Sys() any                           { return nil }

// instance gives PDFium ready for the next document.
func (e *pdfiumEngine) instance() (pdfium.Pdfium, error) {
	if e.docs >= wasmDocs || e.raw != nil && e.raw.memory.Size() > wasmKept {
		e.recycle()
	}
	if e.inst == nil {
		inst, err := e.pool.GetInstanceWithContext(context.Background())
		if err != nil {
			return nil, err
		}
		if e.raw, err = newRawPDFium(inst); err != nil {
			inst.Close()
			return nil, err
		}
		e.inst, e.docs = inst, 0
	}
	e.docs++
	return e.inst, nil
}

func (e *pdfiumEngine) recycle() {
	if e.inst != nil {
		e.inst.Close() // may fail after a trap; the instance is dropped all the same
		e.inst, e.raw = nil, nil
	}
}

func (e *pdfiumEngine) close() {
	e.recycle()
	e.pool.Close()
}

func (e *pdfiumEngine) open(f io.ReaderAt, size int64, passwords []string) (pdfDocument, error) {
	inst, err := e.instance()
	if err != nil {
		return nil, brokenPDF("PDFium does not start: " + oneLine(err.Error()))
	}
	req := &requests.OpenDocument{}
	if size <= e.inMemory {
		data := make([]byte, size)
		if n, err := f.ReadAt(data, 0); int64(n) < size {
			return nil, brokenPDF(fmt.Sprint(err))
		}
		req.File = &data
	} else {
		req.FileReader, req.FileReaderSize = io.NewSectionReader(&blockReader{r: f}, 0, size), size
	}
	resp, err := inst.OpenDocument(req)
	for i := 0; errors.Is(err, pdfiumerrors.ErrPassword) && i < len(passwords); i++ {
		req.Password = &passwords[i]
		resp, err = inst.OpenDocument(req)
	}
	switch {
	case err == nil:
		h, err := e.raw.document(inst, resp.Document)
		if err != nil {
			return nil, brokenPDF("PDFium: " + err.Error())
		}
		return &pdfiumDocument{inst: inst, doc: resp.Document, raw: e.raw, handle: h}, nil
	case errors.Is(err, pdfiumerrors.ErrPassword):
		return nil, encryptedPDF(len(passwords))
	case errors.Is(err, pdfiumerrors.ErrSecurity):
		return nil, &pdfError{ReasonEncrypted, "the file is encrypted in a way that PDFium does not know (a certificate or a rights service); save it without protection"}
	case errors.Is(err, pdfiumerrors.ErrFormat), errors.Is(err, pdfiumerrors.ErrFile), errors.Is(err, pdfiumerrors.ErrPage):
		return nil, brokenPDF("PDFium finds no document in it")
	}
	e.recycle()
	return nil, brokenPDF("PDFium: " + oneLine(err.Error()))
}
