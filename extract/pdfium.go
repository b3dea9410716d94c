//go:build !nopdfium

package extract

import (
	"context"
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
	"github.com/klippa-app/go-pdfium/enums"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/responses"
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
	// wasmDocs is after how many documents the instance is replaced, because
	// the memory of WebAssembly never shrinks.
	wasmDocs = 200
	// inMemory is the size up to which a file is given to PDFium as bytes,
	// and not read block by block.
	inMemory = 32 << 20
)

// A pdfiumEngine is PDFium, compiled to WebAssembly and run by wazero: no
// cgo, and no reach beyond its own memory and the fonts.
type pdfiumEngine struct {
	pool pdfium.Pool
	inst pdfium.Pdfium // nil until it is needed
	docs int           // opened by inst
}

func newPDFium() (pdfEngine, error) {
	var pool pdfium.Pool
	var err error
	// Compiling PDFium takes 3 s of CPU and 300 MB; from the cache it takes
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
	return &pdfiumEngine{pool: pool}, nil
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
	return webassembly.Init(webassembly.Config{
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
	if e.docs >= wasmDocs {
		e.recycle()
	}
	if e.inst == nil {
		inst, err := e.pool.GetInstanceWithContext(context.Background())
		if err != nil {
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
		e.inst = nil
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
	if size <= inMemory {
		data := make([]byte, size)
		if n, err := f.ReadAt(data, 0); int64(n) < size {
			return nil, brokenPDF(fmt.Sprint(err))
		}
		req.File = &data
	} else {
		req.FileReader, req.FileReaderSize = io.NewSectionReader(f, 0, size), size
	}
	resp, err := inst.OpenDocument(req)
	for i := 0; errors.Is(err, pdfiumerrors.ErrPassword) && i < len(passwords); i++ {
		req.Password = &passwords[i]
		resp, err = inst.OpenDocument(req)
	}
	switch {
	case err == nil:
		return &pdfiumDocument{inst: inst, doc: resp.Document}, nil
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

// A pdfiumDocument is a document open in an instance.
type pdfiumDocument struct {
	inst pdfium.Pdfium
	doc  references.FPDF_DOCUMENT
}

func (d *pdfiumDocument) close() {
	d.inst.FPDF_CloseDocument(&requests.FPDF_CloseDocument{Document: d.doc})
}

func (d *pdfiumDocument) facts() pdfFacts {
	var f pdfFacts
	if n, err := d.inst.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d.doc}); err == nil {
		f.Pages = n.PageCount
	}
	if m, err := d.inst.GetMetaData(&requests.GetMetaData{Document: d.doc}); err == nil {
		for _, t := range m.Tags {
			f.setInfo(t.Tag, t.Value)
		}
	}
	if l, err := d.inst.FPDFCatalog_GetLanguage(&requests.FPDFCatalog_GetLanguage{Document: d.doc}); err == nil {
		f.setInfo("Lang", l.Language)
	}
	steps := 0
	d.outline(&f, nil, 0, &steps)
	return f
}

// outline walks the bookmarks below parent. GetBookmarks does so without a
// limit, and circular outlines exist.
func (d *pdfiumDocument) outline(f *pdfFacts, parent *references.FPDF_BOOKMARK, depth int, steps *int) {
	if depth > maxHeadingDepth {
		return
	}
	first, err := d.inst.FPDFBookmark_GetFirstChild(&requests.FPDFBookmark_GetFirstChild{Document: d.doc, Bookmark: parent})
	if err != nil {
		return
	}
	for mark := first.Bookmark; mark != nil && *steps < maxHeadings; {
		*steps++
		if t, err := d.inst.FPDFBookmark_GetTitle(&requests.FPDFBookmark_GetTitle{Bookmark: *mark}); err == nil {
			f.addHeading(t.Title, d.leadsTo(*mark))
		}
		d.outline(f, mark, depth+1, steps)
		next, err := d.inst.FPDFBookmark_GetNextSibling(&requests.FPDFBookmark_GetNextSibling{Document: d.doc, Bookmark: *mark})
		if err != nil {
			return
		}
		mark = next.Bookmark
	}
}

// leadsTo is the page of a bookmark, from 1, or 0.
func (d *pdfiumDocument) leadsTo(mark references.FPDF_BOOKMARK) int {
	dest, err := d.inst.FPDFBookmark_GetDest(&requests.FPDFBookmark_GetDest{Document: d.doc, Bookmark: mark})
	if err != nil || dest.Dest == nil {
		return 0
	}
	page, err := d.inst.FPDFDest_GetDestPageIndex(&requests.FPDFDest_GetDestPageIndex{Document: d.doc, Dest: *dest.Dest})
	if err != nil || page.Index < 0 {
		return 0
	}
	return page.Index + 1
}

func (d *pdfiumDocument) page(n int) (pdfPage, error) {
	loaded, err := d.inst.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.doc, Index: n - 1})
	if errors.Is(err, pdfiumerrors.ErrPage) {
		return pdfPage{}, errNoPage
	}
	if err != nil {
		return pdfPage{}, err
	}
	page := requests.Page{ByReference: &loaded.Page}
	defer d.inst.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: loaded.Page})

	plain, err := d.text(page)
	if err != nil {
		return pdfPage{}, err
	}
	text, err := d.flattened(page, plain)
	if err != nil {
		return pdfPage{}, err
	}
	p := pdfPage{text: text}
	if cleanPDFText(text) == "" {
		p.state, p.shows = d.without(page)
	}
	return p, nil
}

// text is the text of a page by FPDFText_GetText: GetPageText goes character
// by character and breaks surrogate pairs.
func (d *pdfiumDocument) text(page requests.Page) (string, error) {
	tp, err := d.inst.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: page})
	if err != nil {
		return "", err
	}
	defer d.inst.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: tp.TextPage})
	n, err := d.inst.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: tp.TextPage})
	if err != nil || n.Count <= 0 {
		return "", err
	}
	// Twice the characters: those outside the BMP are two units.
	t, err := d.inst.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: tp.TextPage, Count: 2 * n.Count})
	if err != nil {
		return "", err
	}
	return t.Text, nil
}

// flattened is the text with what stands in form fields and annotations,
// which PDFium tells only of a page into which they have been drawn. Flattening
// a form of many states draws all of them (AcroFormsBasicFields.pdf goes from
// 314 words to 18,300), so there is a cap, and plain beyond it.
func (d *pdfiumDocument) flattened(page requests.Page, plain string) (string, error) {
	annots, err := d.inst.FPDFPage_GetAnnotCount(&requests.FPDFPage_GetAnnotCount{Page: page})
	if err != nil || annots.Count <= 0 {
		return plain, nil
	}
	flat, err := d.inst.FPDFPage_Flatten(&requests.FPDFPage_Flatten{Page: page, Usage: requests.FPDFPage_FlattenUsageNormalDisplay})
	if err != nil {
		return "", err
	}
	if flat.Result != responses.FPDFPage_FlattenResultSuccess {
		return plain, nil
	}
	text, err := d.text(page)
	if err != nil {
		return "", err
	}
	if len(strings.Fields(text)) > 3*len(strings.Fields(plain))+500 {
		return plain, nil
	}
	return text, nil
}

// without says what a page without text shows. It looks at the first objects
// only: a drawing may have a million.
func (d *pdfiumDocument) without(page requests.Page) (state pageState, shows bool) {
	const most = 500
	n, err := d.inst.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: page})
	if err != nil || n.Count <= 0 {
		return pageBlank, false
	}
	for i := range min(n.Count, most) {
		obj, err := d.inst.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: page, Index: i})
		if err != nil {
			continue
		}
		t, err := d.inst.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: obj.PageObject})
		if err == nil && t.Type == enums.FPDF_PAGEOBJ_TEXT {
			return pageNoText, true
		}
	}
	return pageNoText, false
}
