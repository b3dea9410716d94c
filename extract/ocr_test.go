package extract

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// needOCR skips a test where tesseract or a language is missing.
func needOCR(t testing.TB, languages ...string) OCROptions {
	t.Helper()
	o := OCROptions{When: OCRAuto, Languages: languages}
	if _, err := ocrTool(o); err != nil {
		t.Skip(err)
	}
	if !havePDFium {
		t.Skip("built without PDFium")
	}
	return o
}

// Texts to be printed, scanned and read. They are ours.
var scanTexts = map[string]string{
	"eng": "Replace the toner cartridge when the display shows a low level. Open the front cover, wait until the carriage " +
		"has come to rest, and pull the empty cartridge towards you. Never touch the green drum with your fingers: light and " +
		"grease shorten its life. Shake the new cartridge five times, remove the orange strip, and push it in until it clicks. " +
		"The machine cleans itself for about ninety seconds. Print a test page, and write date, serial number and counter " +
		"reading into the log of the device. Invoices over 250 euros need the approval of the department, smaller ones do not.",
	"deu": "Für die Prüfung der Anträge gelten folgende Grundsätze: Über größere Anschaffungen entscheidet die Geschäftsführung, " +
		"über kleinere der zuständige Abteilungsleiter. Die Gerätenummer steht außen auf dem Gehäuse, das Prüfprotokoll liegt " +
		"im Schrank. Bitte tragen Sie Änderungen täglich ein, möglichst vor der Mittagspause. Straßenschuhe sind in den " +
		"Laborräumen verboten, ebenso das Öffnen der Fenster während der Messung. Wer Störungen bemerkt, meldet sie unverzüglich " +
		"der Werkstatt. Die Gewährleistung beträgt zwei Jahre ab Übergabe; Verschleißteile sind ausgenommen.",
	"fra": "Le procès-verbal de la réunion a été approuvé à l'unanimité. Les travaux de rénovation du bâtiment commenceront dès " +
		"le début du mois prochain et dureront près de six semaines. Pendant cette période, l'accès au garage sera limité. " +
		"Chaque propriétaire recevra une clé numérotée, qu'il devra rendre après la fin du chantier. Les dépenses engagées " +
		"seront réparties selon les règles fixées par le contrat. Où trouver les formulaires nécessaires ? À l'accueil, ou " +
		"bien sur le site de la société, à côté des dernières nouvelles. Le reçu doit être conservé pendant une année.",
}

// scan prints a text with a font and gives the page as a scanner would: pixels
// without text, 300 to the inch, turned by so many quarters.
func scan(t testing.TB, text, font string, size float64, quarters int) image.Image {
	t.Helper()
	p := fpdf.New("P", "mm", "A4", "")
	p.SetMargins(25, 25, 25)
	p.AddPage()
	if strings.HasSuffix(font, ".ttf") {
		p.SetFontLocation(filepath.Dir(font))
		p.AddUTF8Font("f", "", filepath.Base(font))
		p.SetFont("f", "", size)
	} else {
		p.SetFont(font, "", size)
		text = p.UnicodeTranslatorFromDescriptor("")(text)
	}
	p.MultiCell(0, size*0.55, text, "", "L", false)
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		t.Fatal(err)
	}
	pic := paintPDF(t, b.Bytes(), 300)
	img := &image.Gray{Pix: pic.gray, Stride: pic.width, Rect: image.Rect(0, 0, pic.width, pic.height)}
	for range quarters {
		img = quarterTurn(img)
	}
	return img
}

func quarterTurn(in *image.Gray) *image.Gray {
	w, h := in.Rect.Dx(), in.Rect.Dy()
	out := image.NewGray(image.Rect(0, 0, h, w))
	for y := range h {
		for x := range w {
			out.Pix[x*out.Stride+h-1-y] = in.Pix[y*in.Stride+x]
		}
	}
	return out
}

// paintPDF draws the first page of a PDF in this process.
func paintPDF(t testing.TB, b []byte, dpi int) picture {
	t.Helper()
	r := newPDFReader()
	defer r.close()
	e, err := r.engine(enginePDFium)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := e.open(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer doc.close()
	pic, err := doc.(pdfPainter).paint(1, dpi)
	if err != nil {
		t.Fatal(err)
	}
	return pic
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scannedPDF makes a PDF of pictures, a page each.
func scannedPDF(t testing.TB, pages ...image.Image) []byte {
	t.Helper()
	p := fpdf.New("P", "mm", "A4", "")
	for i, img := range pages {
		p.AddPage()
		name := string(rune('a' + i))
		p.RegisterImageOptionsReader(name, fpdf.ImageOptions{ImageType: "PNG"}, bytes.NewReader(encodePNG(t, img)))
		p.ImageOptions(name, 0, 0, 210, 297, false, fpdf.ImageOptions{ImageType: "PNG"}, 0, "")
	}
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wordAccuracy is the share of the words of want that got has right, in order:
// 1 less the edit distance in words for each word.
func wordAccuracy(got, want string) float64 {
	a, b := strings.Fields(got), strings.Fields(want)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		last := row[0]
		row[0] = i + 1
		for j := range b {
			cost := last
			if a[i] != b[j] {
				cost = min(last, row[j], row[j+1]) + 1
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return 1 - float64(row[len(b)])/float64(len(b))
}

// scanFonts are what clean scans are printed in.
var scanFonts = []string{"Helvetica", "Times", "Courier",
	"/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf", "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf",
	"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf"}

// TestOCRAccuracy holds OCR to what clean scans of 300 dpi allow: a page of each
// language, in a font of its own. BenchmarkOCR has all of them in all fonts.
func TestOCRAccuracy(t *testing.T) {
	const goal = 0.97
	for i, language := range []string{"eng", "deu", "fra"} {
		t.Run(language, func(t *testing.T) {
			if testing.Short() && language != "deu" {
				t.Skip("one language is read in short mode")
			}
			o, text := needOCR(t, language), scanTexts[language]
			doc := oneDoc(t, bytesInput("scan.pdf", scannedPDF(t, scan(t, text, scanFonts[i], 11, 0))), Options{OCR: o})
			if got := wordAccuracy(doc.Body, text); got < goal {
				t.Errorf("word accuracy %.3f, want %.2f: %s", got, goal, doc.Body)
			}
		})
	}
}

func TestOCRPDF(t *testing.T) {
	o := needOCR(t)
	text := scanTexts["eng"]
	good := scan(t, text, "Helvetica", 11, 0)
	white := image.NewGray(image.Rect(0, 0, 600, 800))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	read := func(t *testing.T, pdf []byte, o OCROptions) *Document {
		t.Helper()
		return oneDoc(t, bytesInput("scan.pdf", pdf), Options{OCR: o})
	}
	t.Run("turned", func(t *testing.T) {
		tool, _ := ocrTool(o)
		if !tool.orient {
			t.Skip("tesseract has no data for orientation (Debian: tesseract-ocr-osd)")
		}
		pic := picture{page: -1, dpi: 300}
		img := scan(t, text, "Helvetica", 11, 1).(*image.Gray)
		pic.gray, pic.width, pic.height = img.Pix, img.Rect.Dx(), img.Rect.Dy()
		got, err := tool.read(t.Context(), pic, o)
		if acc := wordAccuracy(got.text, text); err != nil || acc < 0.95 {
			t.Errorf("word accuracy %.3f, %v", acc, err)
		}
	})
	t.Run("never unless asked", func(t *testing.T) {
		doc := read(t, scannedPDF(t, good), OCROptions{})
		if doc.Body != "" || doc.Meta["extraction"] != "none" || !slices.Equal(doc.Warnings, []string{"page 1 has no text (scanned? set ocr to have it read)"}) {
			t.Errorf("body %q, meta %q, warnings %q", doc.Body, doc.Meta, doc.Warnings)
		}
	})
	t.Run("told in meta", func(t *testing.T) {
		doc := read(t, scannedPDF(t, white, good), o)
		if !strings.Contains(doc.Body, "toner cartridge") || doc.Meta["extraction"] != "ocr" || doc.Meta["ocrPages"] != "2" || doc.Meta["ocrConfidence"] < "85" {
			t.Errorf("body %.60q, meta %q", doc.Body, doc.Meta)
		}
		if !slices.Equal(doc.Warnings, []string{"page 1 has no text that OCR finds"}) {
			t.Errorf("warnings %q", doc.Warnings)
		}
	})
	t.Run("budget", func(t *testing.T) {
		o := o
		o.Pages = 1
		doc := read(t, scannedPDF(t, good, good, good), o)
		if n := strings.Count(doc.Body, "toner cartridge"); n != 1 || len(doc.Warnings) != 2 || !strings.Contains(doc.Warnings[0], "raise ocr.pages") || !strings.HasPrefix(doc.Warnings[1], "pages 2-3 have no text") {
			t.Errorf("%d pages read, warnings %q", n, doc.Warnings)
		}
	})
	t.Run("time", func(t *testing.T) {
		o := o
		o.Time = time.Millisecond
		doc := read(t, scannedPDF(t, good), o)
		if doc.Body != "" || len(doc.Warnings) == 0 || !strings.Contains(doc.Warnings[0], "longer than 1ms") {
			t.Errorf("body %.40q, warnings %q", doc.Body, doc.Warnings)
		}
	})
	t.Run("pages with text are left alone", func(t *testing.T) {
		pdf := makePDF(t, []string{"Text that can be read."})
		if doc := read(t, pdf, o); doc.Body != "Text that can be read." || doc.Meta["extraction"] != "" {
			t.Errorf("body %q, meta %q", doc.Body, doc.Meta)
		}
		o := o
		o.When = OCRAlways
		if doc := read(t, pdf, o); doc.Body != "Text that can be read." || doc.Meta["extraction"] != "ocr" {
			t.Errorf("always: body %q, meta %q", doc.Body, doc.Meta)
		}
	})
	t.Run("a language that is not there", func(t *testing.T) {
		doc := read(t, scannedPDF(t, good), OCROptions{When: OCRAuto, Languages: []string{"tlh"}})
		if doc.Body != "" || !strings.Contains(strings.Join(doc.Warnings, "\n"), "no data for tlh (Debian: tesseract-ocr-tlh)") {
			t.Errorf("body %.40q, warnings %q", doc.Body, doc.Warnings)
		}
	})
}

func TestOCROptions(t *testing.T) {
	for _, o := range []OCROptions{{When: "sometimes"}, {Languages: []string{"--help"}}, {Languages: []string{""}}, {DPI: -1}, {DPI: 5000}} {
		_, _, err := readPDFs(t.Context(), bytesInput("f.pdf", makePDF(t, []string{"x"})), Options{OCR: o})
		if bad, ok := errors.AsType[*FileError](err); !ok || bad.Reason != ReasonOption || !strings.Contains(bad.Detail, "; set") {
			t.Errorf("%+v: %v, want %s", o, err, ReasonOption)
		}
	}
}

// fakeOCR is a program in tesseract's place.
func fakeOCR(t *testing.T, script string) *OCRTool {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "tesseract")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &OCRTool{path: path, Version: "0"}
}

func TestOCRProgram(t *testing.T) {
	pic := picture{page: -1, gray: make([]byte, 100*100), width: 100, height: 100}
	tests := []struct{ name, script, want string }{
		{"fails", "echo 'Error in pixRead: bad' >&2; exit 1", "tesseract: Error in pixRead: bad"},
		{"fails without a word", "exit 3", "exit status 3"},
		{"does not read its input", "exit 0", ""},
		{"hangs", "exec sleep 100", "too long"},
		{"never ends to write", `while :; do echo 5; done`, "too long"},
	}
	for _, tt := range tests {
		_, err := fakeOCR(t, tt.script).read(t.Context(), pic, OCROptions{Time: 300 * time.Millisecond})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fakeOCR(t, "exec sleep 100").read(ctx, pic, OCROptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	t.Setenv("IMPORTER_SECRET", "s3cret")
	if got, err := fakeOCR(t, `printf '5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t90\tsecret=%s\n' "$IMPORTER_SECRET"`).read(t.Context(), pic, OCROptions{}); err != nil || got.text != "secret=" {
		t.Errorf("it sees the environment: %q, %v", got.text, err)
	}
}

func TestReadOCRTable(t *testing.T) {
	row := func(block, par, line, conf, text string) string {
		return "5\t1\t" + block + "\t" + par + "\t" + line + "\t1\t0\t0\t9\t9\t" + conf + "\t" + text + "\n"
	}
	head := "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
	tests := []struct {
		name, in, want string
		sure           int
	}{
		{"nothing", "", "", 0},
		{"a head alone", head, "", 0},
		{"words and lines", head + row("1", "1", "1", "90", "two") + row("1", "1", "1", "80", "words") + row("1", "1", "2", "70", "next"), "two words\nnext", 80},
		{"blocks", row("1", "1", "1", "90", "one") + row("2", "1", "1", "90", "two"), "one\n\ntwo", 90},
		{"dirt", row("1", "1", "1", "90", "good") + row("1", "1", "1", "5", "~~;") + row("1", "1", "1", "95", " "), "good", 90},
		{"divided words", row("1", "1", "1", "90", "Prü-") + row("1", "1", "2", "90", "fung"), "Prüfung", 90},
		{"no spaces in Chinese", row("1", "1", "1", "90", "日") + row("1", "1", "1", "90", "本"), "日本", 90},
		{"garbage", "5\t1\n\x00\xff\t\t\t\n5\t1\t1\t1\t1\t1\t0\t0\t9\t9\tx\tword\n", "", 0},
	}
	for _, tt := range tests {
		if got := readOCRTable(strings.NewReader(tt.in)); got.text != tt.want || got.sure != tt.sure {
			t.Errorf("%s: %q with %d, want %q with %d", tt.name, got.text, got.sure, tt.want, tt.sure)
		}
	}
}

func TestSizePicture(t *testing.T) {
	for _, tt := range []struct {
		wide, high float64
		dpi        int
	}{{595, 842, 300}, {595, 842, 1200}, {1e6, 1e6, 300}, {14400, 1, 300}, {0, -5, 300}, {1e9, 1e9, 1}} {
		p := sizePicture(tt.wide, tt.high, tt.dpi)
		if p.width < 1 || p.height < 1 || p.width*p.height > ocrPixels {
			t.Errorf("%v: %d x %d pixels", tt, p.width, p.height)
		}
	}
	if p := sizePicture(595.28, 841.89, 300); p.width != 2480 || p.height != 3507 || p.dpi != 300 {
		t.Errorf("A4 is %d x %d at %d dpi", p.width, p.height, p.dpi)
	}
}
