package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// makePDF makes a document with a page for each text, and facts to find.
func makePDF(t testing.TB, pages []string, change ...func(*fpdf.Fpdf)) []byte {
	t.Helper()
	p := fpdf.New("P", "mm", "A4", "")
	p.SetTitle("Printer manual – deutsch", true)
	p.SetAuthor("Facilities", true)
	p.SetSubject("Toner", true)
	p.SetKeywords("toner, paper", true)
	p.SetCreator("tests", true)
	p.SetCreationDate(time.Date(2024, 2, 29, 13, 14, 15, 0, time.UTC))
	p.SetModificationDate(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC))
	p.SetLang("de-DE")
	p.SetCatalogSort(true)
	for _, f := range change {
		f(p)
	}
	for i, text := range pages {
		p.AddPage()
		p.SetFont("Helvetica", "", 12)
		p.Bookmark(fmt.Sprintf("Chapter %d", i+1), 0, 0)
		if text != "" {
			p.MultiCell(0, 6, text, "", "L", false)
		}
	}
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rawPDF makes a PDF of the given objects, the first of which is the catalog.
func rawPDF(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, off := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", off)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, at)
	return b.Bytes()
}

func stream(dict, data string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
}

func bytesInput(name string, b []byte) Input {
	return Input{Name: name, Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}
}

// readPDFs drains readPDF.
func readPDFs(ctx context.Context, in Input, opt Options) (docs []*Document, bad []*RecordError, err error) {
	for rec, e := range readPDF(ctx, in, opt) {
		if r, ok := errors.AsType[*RecordError](e); ok {
			bad = append(bad, r)
			continue
		}
		if e != nil {
			return docs, bad, e
		}
		docs = append(docs, rec.Doc)
	}
	return docs, bad, nil
}

// oneDoc reads a document that is expected to be good.
func oneDoc(t *testing.T, in Input, opt Options) *Document {
	t.Helper()
	docs, bad, err := readPDFs(t.Context(), in, opt)
	if err != nil || len(bad) > 0 || len(docs) != 1 {
		t.Fatalf("%s: got %d documents, record errors %v, error %v, want one document", in.Name, len(docs), bad, err)
	}
	return docs[0]
}

// eachEngine runs a test by every engine that this build has.
func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	engines := []string{engineAuto, engineLedongthuc}
	if havePDFium {
		engines = append(engines, enginePDFium)
	}
	for _, e := range engines {
		t.Run(e, func(t *testing.T) { test(t, e) })
	}
}

func TestPDFDocument(t *testing.T) {
	pdf := makePDF(t, []string{"Open the front cover.", "Replace the toner."})
	eachEngine(t, func(t *testing.T, engine string) {
		doc := oneDoc(t, bytesInput("manual.pdf", pdf), Options{PDF: PDFOptions{Engine: engine}})
		if got := strings.Fields(doc.Body); strings.Join(got, " ") != "Open the front cover. Replace the toner." {
			t.Errorf("body = %q", doc.Body)
		}
		if pages := strings.Split(doc.Body, "\f"); len(pages) != 2 || !strings.Contains(pages[1], "toner") {
			t.Errorf("body = %q, want two pages parted by a form feed", doc.Body)
		}
		if doc.Title != "Printer manual – deutsch" || doc.Pages != 2 || doc.Page != 0 {
			t.Errorf("title %q, page %d of %d", doc.Title, doc.Page, doc.Pages)
		}
		delete(doc.Meta, "producer")
		want := map[string]string{
			"title": "Printer manual – deutsch", "author": "Facilities", "subject": "Toner",
			"keywords": "toner, paper", "creator": "tests", "language": "de-DE",
			"created": "2024-02-29T13:14:15Z", "modified": "2024-03-01T00:00:00Z",
		}
		if !reflect.DeepEqual(doc.Meta, want) {
			t.Errorf("meta = %q, want %q", doc.Meta, want)
		}
		if want := []string{"Chapter 1", "Chapter 2"}; !slices.Equal(doc.Headings, want) {
			t.Errorf("headings = %q, want %q", doc.Headings, want)
		}
		if len(doc.Warnings) > 0 {
			t.Errorf("warnings = %q, want none", doc.Warnings)
		}
	})
}

func TestPDFPages(t *testing.T) {
	pdf := makePDF(t, []string{"Open the front cover.", "", "Replace the toner."})
	var got []string
	for rec, err := range readPDF(t.Context(), bytesInput("manual.pdf", pdf), Options{Item: "page"}) {
		if err != nil {
			t.Fatal(err)
		}
		d := rec.Doc
		got = append(got, fmt.Sprintf("%v %d/%d %q %q %q %s", rec.Place, d.Page, d.Pages, d.Body, d.Headings, d.Warnings, d.Meta["author"]))
	}
	headings := []string{`["Chapter 1"]`, `["Chapter 2"]`, `["Chapter 3"]`}
	if !havePDFium {
		headings = []string{"[]", "[]", "[]"} // ledongthuc does not tell where an entry leads
	}
	blank := `["page 2 has no text (blank)"]`
	if !havePDFium {
		blank = `["page 2 has no text (scanned?)"]`
	}
	want := []string{
		`manual.pdf#page=1 1/3 "Open the front cover." ` + headings[0] + ` [] Facilities`,
		`manual.pdf#page=2 2/3 "" ` + headings[1] + ` ` + blank + ` Facilities`,
		`manual.pdf#page=3 3/3 "Replace the toner." ` + headings[2] + ` [] Facilities`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// fontObjects are a font of two Japanese characters that is not embedded:
// their codes mean something only by ToUnicode.
var fontObjects = []string{
	"<</Type/Font/Subtype/Type0/BaseFont/Test/Encoding/Identity-H/DescendantFonts[6 0 R]/ToUnicode 7 0 R>>",
	"<</Type/Font/Subtype/CIDFontType2/BaseFont/Test/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor 8 0 R/DW 1000>>",
	stream("", "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /T def /CMapType 2 def\n1 begincodespacerange <0000> <FFFF> endcodespacerange\n3 beginbfchar <0001> <65E5> <0002> <672C> <0003> <D83DDE00> endbfchar\nendcmap end end"),
	"<</Type/FontDescriptor/FontName/Test/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0/Ascent 900/Descent -200/CapHeight 700/StemV 80>>",
}

func TestPDFText(t *testing.T) {
	page := func(extra string) string {
		return "<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>" + extra + ">>"
	}
	const catalog, pages = "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>"
	const helvetica = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
	tests := []struct {
		name string
		pdf  []byte
		want string
	}{
		{"CJK and beyond the BMP by ToUnicode", rawPDF(append([]string{catalog, pages, page(""),
			stream("", "BT /F1 20 Tf 20 300 Td <0001000200030003> Tj ET")}, fontObjects...)...),
			"日本😀😀"},
		{"form field", rawPDF(
			"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]/DR<</Font<</F1 5 0 R>>>>>>>>", pages, page("/Annots[6 0 R]"),
			stream("", "BT /F1 12 Tf 20 300 Td (Name:) Tj ET"), helvetica,
			"<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Ada Lovelace)/Rect[80 290 300 310]/F 4/P 3 0 R/DA(/F1 12 Tf)/AP<</N 7 0 R>>>>",
			stream("/Type/XObject/Subtype/Form/BBox[0 0 220 20]/Resources<</Font<</F1 5 0 R>>>>", "BT /F1 12 Tf 2 5 Td (Ada Lovelace) Tj ET")),
			"Name: Ada Lovelace"},
		{"word divided at a line end", rawPDF(catalog, pages, page(""),
			stream("", "BT /F1 12 Tf 14 TL 20 300 Td (the auto-) Tj T* (matic feeder) Tj ET"), helvetica),
			"the automatic feeder"},
		{"two columns drawn one after the other", rawPDF(catalog, pages, page(""),
			stream("", "BT /F1 12 Tf 14 TL 20 300 Td (left one) Tj T* (left two) Tj ET BT /F1 12 Tf 14 TL 220 300 Td (right one) Tj T* (right two) Tj ET"), helvetica),
			"left one\nleft two\nright one\nright two"},
	}
	if !havePDFium {
		t.Skip("built without PDFium")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := oneDoc(t, bytesInput("t.pdf", tt.pdf), Options{})
			if doc.Body != tt.want {
				t.Errorf("body = %q, want %q (warnings %q)", doc.Body, tt.want, doc.Warnings)
			}
		})
	}
}

func TestPDFPasswords(t *testing.T) {
	pdf := makePDF(t, []string{"Salaries"}, func(p *fpdf.Fpdf) { p.SetProtection(fpdf.CnProtectPrint, "s3cret", "owner") })
	eachEngine(t, func(t *testing.T, engine string) {
		opt := Options{PDF: PDFOptions{Engine: engine, Passwords: []string{"wrong", "", "s3cret"}}}
		if engine != engineLedongthuc && havePDFium { // ledongthuc cannot decrypt the streams of this one
			if doc := oneDoc(t, bytesInput("pay.pdf", pdf), opt); doc.Body != "Salaries" {
				t.Errorf("body = %q", doc.Body)
			}
		} else if docs, _, err := readPDFs(t.Context(), bytesInput("pay.pdf", pdf), opt); err == nil || len(docs) > 0 {
			t.Errorf("no page can be opened, got %d documents and error %v, want an error alone", len(docs), err)
		}
		aes, done := openFile(t, filepath.Join("testdata", "pdf", "aes256.pdf"))
		defer done()
		if engine != engineLedongthuc && havePDFium {
			if doc := oneDoc(t, aes, opt); doc.Body != "first page\fsecond page\fthird page" {
				t.Errorf("AES-256: body = %q", doc.Body)
			}
		} else if _, _, err := readPDFs(t.Context(), aes, opt); err == nil || !strings.Contains(err.Error(), "encrypted") {
			t.Errorf("AES-256: error = %v, want one that says encrypted", err)
		}
		for _, passwords := range [][]string{nil, {"wr0ng"}, {"wr0ng", "other"}} {
			opt.PDF.Passwords = passwords
			_, _, err := readPDFs(t.Context(), bytesInput("pay.pdf", pdf), opt)
			bad, ok := errors.AsType[*FileError](err)
			if !ok || bad.Reason != ReasonEncrypted || !strings.Contains(err.Error(), "passwords: [") {
				t.Errorf("passwords %q: error = %v, want %s and how to give one", passwords, err, ReasonEncrypted)
			}
			if err != nil && strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("error tells the password: %v", err)
			}
		}
	})
}

func TestPDFRefused(t *testing.T) {
	good := makePDF(t, []string{"one", "two", "three"})
	tests := []struct {
		name   string
		in     []byte
		opt    Options
		reason string
		has    string
	}{
		{"empty file", nil, Options{}, ReasonEmpty, "empty"},
		{"no PDF", []byte("hello, this is text\n"), Options{}, ReasonShort, "copy or download"},
		{"rows", good, Options{Item: "row"}, ReasonUnsupported, "document or page"},
		{"unknown engine", good, Options{PDF: PDFOptions{Engine: "acrobat"}}, ReasonUnsupported, `"acrobat"`},
		{"too many pages", good, Options{Limits: Limits{Pages: 2}}, ReasonTooLarge, "limits.pages"},
		{"garbage with a trailer", []byte("%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n"), Options{}, ReasonBroken, "save it again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, _, err := readPDFs(t.Context(), bytesInput("f.pdf", tt.in), tt.opt)
			bad, ok := errors.AsType[*FileError](err)
			if !ok || bad.Reason != tt.reason || !strings.Contains(bad.Detail, tt.has) || len(docs) > 0 {
				t.Errorf("%d documents, error = %v, want %s with %q", len(docs), err, tt.reason, tt.has)
			}
			if ok && bad.Place.File != "f.pdf" {
				t.Errorf("place = %v", bad.Place)
			}
		})
	}
}

// TestPDFCut cuts files at a hundred places: success must mean all the text.
func TestPDFCut(t *testing.T) {
	files := map[string][]byte{
		"fpdf": makePDF(t, []string{"one", "two", "three"}),
		// The tree stands first, as in files made for the web: the half of
		// them opens.
		"tree first": rawPDF("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 6 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 7 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
			"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
			stream("", "BT /F1 12 Tf 20 300 Td (first) Tj ET"), stream("", "BT /F1 12 Tf 20 300 Td (second) Tj ET")),
	}
	// Two revisions: the trailer of the first survives a cut of the second.
	first := files["tree first"]
	changed := fmt.Sprintf("7 0 obj\n%s\nendobj\n", stream("", "BT /F1 12 Tf 20 300 Td (changed) Tj ET"))
	files["two revisions"] = append(bytes.Clone(first), changed+fmt.Sprintf(
		"xref\n7 1\n%010d 00000 n \ntrailer\n<</Size 8/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n",
		len(first), bytes.LastIndex(first, []byte("xref\n0 ")), len(first)+len(changed))...)
	// By qpdf of what makePDF makes: laid out for the web, and with objects
	// packed in streams.
	for _, name := range []string{"linearized.pdf", "linearized-objstm.pdf", "objstm.pdf"} {
		b, err := os.ReadFile(filepath.Join("testdata", "pdf", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	for name, pdf := range files {
		t.Run(name, func(t *testing.T) {
			whole := oneDoc(t, bytesInput("f.pdf", pdf), Options{})
			step := max(1, len(pdf)/97)
			for cut := len(pdf) - 1; cut > 0; cut -= step {
				if name == "two revisions" && cut <= len(first)+2 {
					continue // what is left is the whole first revision, or a cut of it
				}
				docs, _, err := readPDFs(t.Context(), bytesInput("f.pdf", pdf[:cut]), Options{})
				if err == nil && docs[0].Body != whole.Body {
					t.Errorf("cut at %d of %d: success with %q, want an error", cut, len(pdf), docs[0].Body)
				}
				if err != nil && len(docs) > 0 && (!errors.Is(err, ErrShort) || len(docs[0].Warnings) == 0) {
					t.Errorf("cut at %d: document with warnings %q, then %v, want a warning and ErrShort", cut, docs[0].Warnings, err)
				}
			}
		})
	}
}

// TestPDFLostPage has a page tree that counts pages that are not there.
func TestPDFLostPage(t *testing.T) {
	if !havePDFium {
		t.Skip("ledongthuc passes over such pages")
	}
	page := func(contents int) string {
		return fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents %d 0 R/Resources<</Font<</F1 7 0 R>>>>>>", contents)
	}
	pdf := rawPDF("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R 4 0 R]/Count 5>>",
		page(5), page(6),
		stream("", "BT /F1 12 Tf 20 300 Td (first) Tj ET"), stream("", "BT /F1 12 Tf 20 300 Td (last) Tj ET"),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
	doc := oneDoc(t, bytesInput("f.pdf", pdf), Options{})
	if want := []string{"pages 3-5 cannot be opened"}; !slices.Equal(doc.Warnings, want) {
		t.Errorf("warnings = %q, want %q", doc.Warnings, want)
	}
	docs, bad, err := readPDFs(t.Context(), bytesInput("f.pdf", pdf), Options{Item: "page"})
	if err != nil || len(docs) != 2 || len(bad) != 1 || bad[0].Place.Page != 3 || !strings.Contains(bad[0].Detail, "pages 3-5") {
		t.Errorf("by page: %d pages, record errors %v, error %v; want two pages and one error for pages 3-5", len(docs), bad, err)
	}
}

func TestPDFTextLimit(t *testing.T) {
	pdf := makePDF(t, []string{"alpha beta gamma", "delta epsilon", "zeta"})
	opt := Options{Limits: Limits{Record: 24}}
	doc := oneDoc(t, bytesInput("f.pdf", pdf), opt)
	if doc.Body != "alpha beta gamma\fdelta" || len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "limits.record") {
		t.Errorf("body %q, warnings %q, want it cut on page 2 and told", doc.Body, doc.Warnings)
	}
	opt = Options{Item: "page", Limits: Limits{Record: 12}}
	docs, _, err := readPDFs(t.Context(), bytesInput("f.pdf", pdf), opt)
	if err != nil || len(docs) != 3 || docs[0].Body != "alpha beta" || docs[2].Body != "zeta" || len(docs[0].Warnings) != 1 {
		t.Errorf("by page: %+v, %v, want each page cut by itself", docs, err)
	}
}

// TestPDFByPath reads the file itself when it is the one that was opened, and
// what was opened otherwise.
func TestPDFByPath(t *testing.T) {
	old, now := makePDF(t, []string{"the old text"}), makePDF(t, []string{"the new text, and more of it"})
	path := filepath.Join(t.TempDir(), "f.pdf")
	if err := os.WriteFile(path, now, 0o600); err != nil {
		t.Fatal(err)
	}
	in := Input{Name: "f.pdf", Path: path, Size: int64(len(now)), ReaderAt: bytes.NewReader(nil)}
	// The reader is needed for the tail; only the tail may be read of it.
	in.ReaderAt = bytes.NewReader(now)
	if doc := oneDoc(t, in, Options{}); doc.Body != "the new text, and more of it" {
		t.Errorf("body = %q", doc.Body)
	}
	in = bytesInput("f.pdf", old)
	in.Path = path
	if doc := oneDoc(t, in, Options{}); doc.Body != "the old text" {
		t.Errorf("the file was replaced after it was opened: body = %q, want that of what was opened", doc.Body)
	}
}

func TestPDFTempFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	oneDoc(t, bytesInput("f.pdf", makePDF(t, []string{"x"})), Options{})
	for range readPDF(t.Context(), bytesInput("f.pdf", makePDF(t, []string{"x", "y", "z"})), Options{Item: "page"}) {
		break
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

func TestPDFCancel(t *testing.T) {
	pdf := makePDF(t, []string{"one", "two", "three"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range readPDF(ctx, bytesInput("f.pdf", pdf), Options{Item: "page"}) {
		if last = err; err == nil {
			n++
		}
		cancel()
	}
	if !errors.Is(last, context.Canceled) || n != 1 {
		t.Errorf("%d pages, then %v; want 1 and %v", n, last, context.Canceled)
	}
}

func TestSniffPDF(t *testing.T) {
	for _, tt := range []struct {
		head string
		want bool
	}{
		{"%PDF-1.7\n", true},
		{strings.Repeat("x", 1000) + "%PDF-1.4", true},
		{strings.Repeat("x", 1024) + "%PDF-1.4", false},
		{"%PDF", false},
		{"", false},
	} {
		if got := PDF.Sniff([]byte(tt.head)); got != tt.want {
			t.Errorf("Sniff(%.20q..., %d bytes) = %v, want %v", tt.head, len(tt.head), got, tt.want)
		}
	}
}

// TestPDFAttachments has what is attached to a document, and to a page of it,
// as records of their own.
func TestPDFAttachments(t *testing.T) {
	report := fpdf.Attachment{Content: []byte("no,amount\n1,20\n"), Filename: "Beträge.csv"}
	inner := makePDF(t, []string{"The inner one."})
	pdf := makePDF(t, []string{"Open the front cover.", "Replace the toner."}, func(p *fpdf.Fpdf) {
		p.SetAttachments([]fpdf.Attachment{report, {Content: inner, Filename: "inner.pdf"}})
	})
	read := func(engine, attachments, item string) (got []string) {
		opt := Options{Attachments: attachments, Item: item, PDF: PDFOptions{Engine: engine}}
		pdf := pdf
		if engine == enginePDFium { // which wants a name, where fpdf writes none; auto has the second engine
			pdf = bytes.ReplaceAll(pdf, []byte("/F ()"), []byte("/F( )"))
		}
		for rec, err := range Records(t.Context(), bytesInput("m.pdf", pdf), opt) {
			if err != nil {
				t.Fatal(err)
			}
			path := "-"
			if rec.Part != nil {
				path = rec.Part.Path
			}
			text := strings.Join(strings.Fields(rec.Doc.Body), " ")
			for _, a := range rec.Doc.Attachments {
				text += " +" + a.Name
			}
			got = append(got, path+" "+text)
		}
		return got
	}
	eachEngine(t, func(t *testing.T, engine string) {
		all := []string{"- Open the front cover. Replace the toner. +Beträge.csv +inner.pdf", "Beträge.csv no amount 1 20", "inner.pdf The inner one."}
		if got := read(engine, AttachmentItems, "document"); !slices.Equal(got, all) {
			t.Errorf("items: got %q, want %q", got, all)
		}
		if got := read(engine, "", ""); !slices.Equal(got, all[:1]) {
			t.Errorf("names: got %q, want %q", got, all[:1])
		}
		if got, want := read(engine, AttachmentNone, ""), []string{"- Open the front cover. Replace the toner."}; !slices.Equal(got, want) {
			t.Errorf("none: got %q, want %q", got, want)
		}
		pages := []string{"- Open the front cover. +Beträge.csv +inner.pdf", "- Replace the toner.", "Beträge.csv no amount 1 20", "inner.pdf The inner one."}
		if got := read(engine, AttachmentItems, "page"); !slices.Equal(got, pages) {
			t.Errorf("pages: got %q, want %q", got, pages)
		}
	})
}

// TestPDFPinned has files that are pinned to a page, beside a note: reading the
// note must not take them off before they are listed.
func TestPDFPinned(t *testing.T) {
	if !havePDFium {
		t.Skip("only PDFium finds them")
	}
	pdf := rawPDF("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Annots[4 0 R 7 0 R 8 0 R]>>",
		"<</Type/Annot/Subtype/FileAttachment/Rect[0 0 20 20]/FS 5 0 R>>", "<</Type/Filespec/F(note.txt)/UF(note.txt)/EF<</F 6 0 R>>>>",
		stream("/Type/EmbeddedFile/Subtype/text#2Fplain", "a note"),
		"<</Type/Annot/Subtype/FileAttachment/Rect[0 0 20 20]/FS<</Type/Filespec/F(bad.txt)/EF<</F 99 0 R>>>>>>",
		"<</Type/Annot/Subtype/FreeText/Contents(seen)/Rect[20 100 300 120]/F 4/DA(/F1 12 Tf)/AP<</N 9 0 R>>>>",
		stream("/Type/XObject/Subtype/Form/BBox[0 0 220 20]/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>", "BT /F1 12 Tf 2 5 Td (a remark) Tj ET"))
	opt := Options{Attachments: AttachmentItems, spool: &spool{}}
	defer opt.spool.remove()
	doc := oneDoc(t, bytesInput("m.pdf", pdf), opt)
	var got []string
	for _, a := range doc.Attachments {
		got = append(got, fmt.Sprintf("%s %s %d: %s", a.Name, a.Type, a.Size, contentOf(a)))
	}
	if doc.Body != "a remark" {
		t.Errorf("body = %q", doc.Body)
	}
	if want := []string{"note.txt text/plain 6: a note", "bad.txt  0: its content is damaged"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPDFLabels has the numbers that are printed on pages, which are not those
// of the file.
func TestPDFLabels(t *testing.T) {
	if !havePDFium {
		t.Skip("only PDFium tells them")
	}
	page := "<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]>>"
	read := func(labels string) (got []string) {
		pdf := rawPDF("<</Type/Catalog/Pages 2 0 R"+labels+">>", "<</Type/Pages/Kids[3 0 R 4 0 R 5 0 R]/Count 3>>", page, page, page)
		docs, _, err := readPDFs(t.Context(), bytesInput("m.pdf", pdf), Options{Item: "page"})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			got = append(got, d.Meta["pageLabel"])
		}
		return got
	}
	if got, want := read("/PageLabels<</Nums[0<</S/r/St 3>>2<</S/D/P(A-)>>]>>"), []string{"iii", "iv", "A-1"}; !slices.Equal(got, want) {
		t.Errorf("labels = %q, want %q", got, want)
	}
	if got, want := read(""), []string{"", "", ""}; !slices.Equal(got, want) {
		t.Errorf("without labels: %q", got)
	}
	if got := read("/PageLabels<</Nums[0<</P(" + strings.Repeat("long ", 10_000) + ")>>]>>"); len(got[0]) > 100 {
		t.Errorf("a label of %d bytes", len(got[0]))
	}
}

// TestPDFFacts has what a document says of itself, without its text.
func TestPDFFacts(t *testing.T) {
	pdf := makePDF(t, []string{"Open the front cover.", "Replace the toner."})
	doc := oneDoc(t, bytesInput("m.pdf", pdf), Options{PDF: PDFOptions{Engine: engineFacts}})
	if doc.Body != "" || doc.Pages != 2 || doc.Title != "Printer manual – deutsch" || doc.Meta["author"] != "Facilities" || doc.Meta["extraction"] != "facts" ||
		!slices.Equal(doc.Headings, []string{"Chapter 1", "Chapter 2"}) || len(doc.Warnings) > 0 || doc.Unread > 0 {
		t.Errorf("got %+v", doc)
	}
	_, _, err := readPDFs(t.Context(), bytesInput("m.pdf", pdf), Options{Item: "page", PDF: PDFOptions{Engine: engineFacts}})
	if bad, ok := errors.AsType[*FileError](err); !ok || bad.Reason != ReasonOption {
		t.Errorf("by page: %v", err)
	}
	if _, _, err := readPDFs(t.Context(), bytesInput("m.pdf", pdf[:len(pdf)/2]), Options{PDF: PDFOptions{Engine: engineFacts}}); !errors.Is(err, ErrShort) {
		t.Errorf("a file that was cut off: %v, want ErrShort", err)
	}
}
