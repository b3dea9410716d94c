package extract

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ledongthuc/pdf"
)

// A ledongthucEngine is github.com/ledongthuc/pdf: small, quick to start, and
// much weaker than PDFium (it drops the text of form XObjects and refuses
// files whose first or last bytes are not to the letter).
type ledongthucEngine struct{}

func newLedongthuc() (pdfEngine, error) { return ledongthucEngine{}, nil }

func (ledongthucEngine) recycle() {}
func (ledongthucEngine) close()   {}

func (ledongthucEngine) open(f io.ReaderAt, size int64, passwords []string) (pdfDocument, error) {
	next := 0
	r, err := pdf.NewReaderEncrypted(f, size, func() string {
		for next < len(passwords) {
			next++
			if passwords[next-1] != "" { // "" means no more to the library, which has tried it
				return passwords[next-1]
			}
		}
		return ""
	})
	switch {
	case errors.Is(err, pdf.ErrInvalidPassword):
		return nil, encryptedPDF(len(passwords))
	case err != nil && strings.Contains(err.Error(), "encryption"):
		// The library has no sentinel for it. It knows RC4 and AES-128 only.
		return nil, &pdfError{ReasonEncrypted, "the file is encrypted in a way that ledongthuc does not know; set pdf.engine to auto"}
	case err != nil:
		return nil, ledongthucRefuses(oneLine(err.Error()))
	}
	d := &ledongthucDocument{r: r}
	d.walk(r.Trailer().Key("Root").Key("Pages"), 0)
	if len(d.pages) == 0 {
		return nil, ledongthucRefuses("it finds no pages")
	}
	return d, nil
}

// ledongthucRefuses is the error of a file that the better engine may read.
func ledongthucRefuses(why string) *pdfError {
	better := "use a build of this program with PDFium"
	if havePDFium {
		better = "set pdf.engine to auto"
	}
	return &pdfError{ReasonBroken, "the engine ledongthuc cannot read this file (" + why + "); " + better + ", or open the file in a PDF viewer and save it again"}
}

type ledongthucDocument struct {
	r     *pdf.Reader
	pages []pdf.Page
	nodes int // of the page tree, seen by walk
}

// Guards on the page tree, which may be circular.
const (
	maxTreeDepth = 64
	maxTreeNodes = 1 << 20
)

// walk collects the pages. Reader.Page searches the tree anew for each page,
// which takes the square of their number.
func (d *ledongthucDocument) walk(node pdf.Value, depth int) {
	if d.nodes++; depth > maxTreeDepth || d.nodes > maxTreeNodes {
		return
	}
	kids := node.Key("Kids")
	if kids.Kind() != pdf.Array {
		if node.Kind() == pdf.Dict && node.Key("Type").Name() != "Pages" {
			d.pages = append(d.pages, pdf.Page{V: node})
		}
		return
	}
	for i := range kids.Len() {
		d.walk(kids.Index(i), depth+1)
	}
}

func (d *ledongthucDocument) close() {}

func (d *ledongthucDocument) facts() pdfFacts {
	f := pdfFacts{Pages: len(d.pages)}
	root := d.r.Trailer().Key("Root")
	info := d.r.Trailer().Key("Info")
	for key := range pdfInfoNames {
		if key == "Lang" {
			f.setInfo(key, root.Key(key).Text())
		} else {
			f.setInfo(key, info.Key(key).Text())
		}
	}
	steps := 0
	ledongthucOutline(&f, root.Key("Outlines"), 0, &steps)
	return f
}

// ledongthucOutline walks an outline within limits; Reader.Outline follows a
// circular one for ever.
func ledongthucOutline(f *pdfFacts, parent pdf.Value, depth int, steps *int) {
	if depth > maxHeadingDepth {
		return
	}
	for entry := parent.Key("First"); entry.Kind() == pdf.Dict && *steps < maxHeadings; entry = entry.Key("Next") {
		*steps++
		f.addHeading(entry.Key("Title").Text(), 0)
		ledongthucOutline(f, entry, depth+1, steps)
	}
}

// files lists the embedded files. Those that are pinned to a page it leaves to
// PDFium.
func (d *ledongthucDocument) files(n int) (files []pdfFile, err error) {
	if n > 0 {
		return nil, nil
	}
	for _, spec := range d.embedded() {
		f := pdfFile{Name: spec.Key("UF").Text(), Type: fileStream(spec).Key("Subtype").Name()}
		if f.Name == "" {
			f.Name = spec.Key("F").Text()
		}
		files = append(files, f)
	}
	return files, nil
}

func (d *ledongthucDocument) content(_, i int) (b []byte, err error) {
	defer func() {
		if recover() != nil { // of a filter
			b, err = nil, errNoFile
		}
	}()
	r := fileStream(d.embedded()[i]).Reader()
	defer r.Close()
	if b, err = io.ReadAll(io.LimitReader(r, defaultUnzippedLimit)); err != nil {
		return nil, errNoFile
	}
	return b, nil
}

func fileStream(spec pdf.Value) pdf.Value {
	streams := spec.Key("EF")
	if s := streams.Key("UF"); s.Kind() == pdf.Stream {
		return s
	}
	return streams.Key("F")
}

// embedded are the file specifications of the document's name tree.
func (d *ledongthucDocument) embedded() (specs []pdf.Value) {
	nodes := 0
	var walk func(node pdf.Value, depth int)
	walk = func(node pdf.Value, depth int) {
		if nodes++; depth > maxTreeDepth || nodes > maxTreeNodes {
			return
		}
		names := node.Key("Names")
		for i := 1; i < names.Len() && len(specs) <= maxAttachments; i += 2 {
			if spec := names.Index(i); fileStream(spec).Kind() == pdf.Stream {
				specs = append(specs, spec)
			}
		}
		kids := node.Key("Kids")
		for i := range kids.Len() {
			walk(kids.Index(i), depth+1)
		}
	}
	walk(d.r.Trailer().Key("Root").Key("Names").Key("EmbeddedFiles"), 0)
	return specs
}

func (d *ledongthucDocument) page(n int) (pdfPage, error) {
	if n > len(d.pages) {
		return pdfPage{}, errNoPage
	}
	page := d.pages[n-1]
	// Not Reader.GetPlainText: it keeps fonts by their name, and pages give
	// the same name to other fonts.
	text, err := plainText(page)
	if err != nil {
		return pdfPage{}, errNoPage // of this page only: the reader has no state
	}
	p := pdfPage{lines: []pdfLine{{text: text}}}
	if cleanPDFText(text) == "" {
		p.state = pageNoText
		if page.V.Key("Contents").IsNull() {
			p.state = pageBlank
		}
	}
	return p, nil
}

func plainText(page pdf.Page) (text string, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("ledongthuc: %v", x)
		}
	}()
	return page.GetPlainText(nil)
}
