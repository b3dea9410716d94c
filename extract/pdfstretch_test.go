package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"
	"github.com/google/go-cmp/cmp"
)

// stretchedPDF makes a document of so many pages with all that a page may have
// beside its text: a label, a title, a form field that only a viewer draws, one
// that is drawn, a note, and a file on every third page. All share a stream.
func stretchedPDF(pages int) []byte {
	const font, drawn, file, shared = 3, 4, 5, 7
	objects := []string{
		"", "",
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
		stream("/Type/XObject/Subtype/Form/BBox[0 0 220 20]/Resources<</Font<</F1 3 0 R>>>>", "BT /F1 12 Tf 2 5 Td (Ada Lovelace) Tj ET"),
		"<</Type/Filespec/F(note.txt)/UF(note.txt)/EF<</F 6 0 R>>>>",
		stream("/Type/EmbeddedFile/Subtype/text#2Fplain", "a note"),
		stream("", "BT /F1 10 Tf 20 380 Td (Contoso) Tj ET"),
		"",
	}
	const outline = 8
	var kids, fields strings.Builder
	for n := range pages {
		page := len(objects) + 1
		annots := fmt.Sprintf("%d 0 R %d 0 R %d 0 R", page+2, page+3, page+4)
		if n%3 == 2 {
			annots += fmt.Sprintf(" <</Type/Annot/Subtype/FileAttachment/Rect[0 0 20 20]/FS %d 0 R>>", file)
		}
		title := fmt.Sprintf("<</Title(Chapter %d)/Parent %d 0 R/Dest[%d 0 R/Fit]", n+1, outline, page)
		if n+1 < pages {
			title += fmt.Sprintf("/Next %d 0 R", page+5+6)
		}
		objects = append(objects,
			fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents[%d 0 R %d 0 R]/Resources<</Font<</F1 %d 0 R>>>>/Annots[%s]>>", shared, page+1, font, annots),
			stream("", fmt.Sprintf("BT /F1 12 Tf 20 300 Td (This is page %d.) Tj ET", n+1)),
			fmt.Sprintf("<</Type/Annot/Subtype/Widget/FT/Tx/T(a%d)/V(value %d)/Rect[20 200 300 220]/F 4/P %d 0 R/DA(/F1 12 Tf)>>", n, n+1, page),
			fmt.Sprintf("<</Type/Annot/Subtype/Widget/FT/Tx/T(b%d)/V(Ada Lovelace)/Rect[20 150 300 170]/F 4/P %d 0 R/DA(/F1 12 Tf)/AP<</N %d 0 R>>>>", n, page, drawn),
			fmt.Sprintf("<</Type/Annot/Subtype/FreeText/Contents(seen)/Rect[20 100 300 120]/F 4/DA(/F1 12 Tf)/AP<</N %d 0 R>>>>", drawn),
			title+">>")
		fmt.Fprintf(&kids, "%d 0 R ", page)
		fmt.Fprintf(&fields, "%d 0 R %d 0 R ", page+2, page+3)
	}
	objects[0] = fmt.Sprintf("<</Type/Catalog/Pages 2 0 R/Outlines %d 0 R/PageLabels<</Nums[0<</S/r>>2<</S/D/P(A-)>>]>>/AcroForm<</Fields[%s]/DR<</Font<</F1 %d 0 R>>>>>>>>", outline, &fields, font)
	objects[1] = fmt.Sprintf("<</Type/Pages/Kids[%s]/Count %d>>", &kids, pages)
	objects[outline-1] = fmt.Sprintf("<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>", outline+6, outline+6*pages, pages)
	return rawPDF(objects...)
}

// framesOf is all that is told of a file, as lines, when it is opened anew after
// so many pages; nil where it has more pages than most.
func framesOf(t *testing.T, r *pdfReader, stretch, most int, req pdfRequest) []string {
	t.Helper()
	r.stretch = stretch
	req.MaxPages, req.MaxText = 100_000, 16<<20
	var lines []string
	errMany := errors.New("too many pages")
	err := r.read(req, func(f pdfFrame) error {
		if f.Kind == frameOpen && f.Facts.Pages > most {
			return errMany
		}
		b, err := json.Marshal(f)
		lines = append(lines, string(b))
		return err
	})
	if err == errMany {
		return nil
	}
	if err != nil {
		lines = append(lines, "error: "+err.Error())
	}
	return lines
}

// sameInStretches reads a file as a whole and in stretches, with the same result,
// which it gives.
func sameInStretches(t *testing.T, r *pdfReader, most int, req pdfRequest) []string {
	t.Helper()
	want := framesOf(t, r, 1<<30, most, req)
	for stretch := 1; stretch <= 3; stretch++ {
		if got := framesOf(t, r, stretch, most, req); !slices.Equal(got, want) {
			t.Errorf("%s in stretches of %d: %s", filepath.Base(req.Path), stretch, cmp.Diff(want, got))
		}
	}
	return want
}

// TestPDFStretches reads documents in stretches, between which they are opened
// anew: what is told of them is the same.
func TestPDFStretches(t *testing.T) {
	headed := headedPDF(t, 20)
	locked := makePDF(t, []string{"one", "two", "", "four", "five"}, func(p *fpdf.Fpdf) { p.SetProtection(fpdf.CnProtectPrint, "s3cret", "owner") })
	stretched := stretchedPDF(9)
	noTable := []byte(strings.ReplaceAll(string(stretched), "startxref", "startnone"))
	type file struct {
		name string
		pdf  []byte
		has  []string // where PDFium reads it
	}
	all := []string{`"title":"Chapter 9","page":9`, `Contoso\nThis is page 9.\nAda Lovelace\nAda Lovelace\nvalue 9`, `"label":"A-7"`, `"files":[{"name":"note.txt"`}
	files := []file{{"headed", headed, []string{"Page 20 of 20"}}, {"locked", locked, []string{"five"}}, {"stretched", stretched, all},
		{"no table", noTable, all}, {"cut off", headed[:len(headed)*2/3], []string{"error: "}}}
	tested, err := filepath.Glob(filepath.Join("testdata", "pdf", "*.pdf"))
	if err != nil || len(tested) < 4 {
		t.Fatal(tested, err)
	}
	for _, path := range tested {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{name: filepath.Base(path), pdf: b})
	}
	r := newPDFReader()
	defer r.close()
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.pdf")
			if err := os.WriteFile(path, f.pdf, 0o600); err != nil {
				t.Fatal(err)
			}
			told := strings.Join(sameInStretches(t, r, 100, pdfRequest{
				Path: path, Size: int64(len(f.pdf)), Engine: engineAuto, Passwords: []string{"no", "", "s3cret"}, Margins: true, Spool: t.TempDir(), MaxSpool: 1 << 20,
			}), "\n")
			for _, s := range f.has {
				if havePDFium && !strings.Contains(told, s) {
					t.Errorf("%s is not in what is told:\n%s", s, told)
				}
			}
		})
	}
}

// TestPDFStretchesCorpus does the same with real files. Only PDFium reads them:
// the other engine hangs over some.
func TestPDFStretchesCorpus(t *testing.T) {
	if !havePDFium {
		t.Skip("built without PDFium")
	}
	const every, most, size = 5, 100, 300 << 10
	r := newPDFReader()
	defer r.close()
	files, pages := 0, 0
	for i, path := range corpusPDFs(t) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if i%every != 0 || info.Size() > size {
			continue
		}
		told := strings.Join(sameInStretches(t, r, most, pdfRequest{Path: path, Size: info.Size(), Engine: enginePDFium, Margins: true}), "\n")
		if n := strings.Count(told, `"kind":"page"`); n > 1 {
			files, pages = files+1, pages+n
		}
	}
	t.Logf("%d files of several pages, %d pages", files, pages)
	if files == 0 {
		t.Error("no file of several pages was compared")
	}
}
