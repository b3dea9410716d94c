package extract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// makeTIFF writes grey pages without compression.
func makeTIFF(order binary.ByteOrder, pages ...*image.Gray) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, order, v) } // to memory
	mark := "II"
	if order == binary.BigEndian {
		mark = "MM"
	}
	b.WriteString(mark)
	put(uint16(42))
	put(uint32(8))
	for i, p := range pages {
		const entries = 9
		w, h := uint32(p.Rect.Dx()), uint32(p.Rect.Dy())
		at := uint32(b.Len())
		pixels := at + 2 + entries*12 + 4
		next := pixels + w*h + w*h%2
		if i == len(pages)-1 {
			next = 0
		}
		put(uint16(entries))
		for _, e := range [entries][2]uint32{{256, w}, {257, h}, {258, 8}, {259, 1}, {262, 1}, {273, pixels}, {277, 1}, {278, h}, {279, w * h}} {
			put(uint16(e[0]))
			put(uint16(4)) // LONG
			put(uint32(1))
			put(e[1])
		}
		put(next)
		b.Write(p.Pix)
		if w*h%2 == 1 {
			b.WriteByte(0)
		}
	}
	return b.Bytes()
}

// part cuts the top of a scan, which is read sooner than all of it.
func part(img image.Image, height int) *image.Gray {
	g := img.(*image.Gray)
	return &image.Gray{Pix: g.Pix[:height*g.Stride], Stride: g.Stride, Rect: image.Rect(0, 0, g.Rect.Dx(), height)}
}

func encodeJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImage(t *testing.T) {
	o := needOCR(t)
	one := part(scan(t, "Replace the toner cartridge now.", "Helvetica", 14, 0), 900)
	two := part(scan(t, "Close the front cover again.", "Times", 14, 0), 900)
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"a.png", encodePNG(t, one), "Replace the toner cartridge now."},
		{"a.jpg", encodeJPEG(t, one), "Replace the toner cartridge now."},
		{"a.tif", makeTIFF(binary.LittleEndian, one), "Replace the toner cartridge now."},
		{"two.tiff", makeTIFF(binary.BigEndian, one, two), "Replace the toner cartridge now.\fClose the front cover again."},
	} {
		got := readAll(t, t.Context(), bytesInput(tt.name, tt.in), Options{OCR: o})
		if got.err != nil || len(got.recs) != 1 || got.recs[0].Doc.Body != tt.want || got.recs[0].Doc.Meta["extraction"] != "ocr" {
			t.Errorf("%s: %v, %+v", tt.name, got.err, got.recs)
		}
	}
	both := makeTIFF(binary.LittleEndian, one, two)
	got := readAll(t, t.Context(), bytesInput("two.tif", both), Options{OCR: o, Item: "page"})
	if got.err != nil || len(got.recs) != 2 || got.recs[1].Doc.Body != "Close the front cover again." || got.recs[1].Place.String() != "two.tif#page=2" || got.recs[1].Doc.Pages != 2 {
		t.Errorf("by page: %v, %+v", got.err, got.recs)
	}
	o.Pages = 1
	got = readAll(t, t.Context(), bytesInput("two.tif", both), Options{OCR: o})
	if got.err != nil || len(got.recs) != 1 || strings.Contains(got.recs[0].Doc.Body, "Close") || !strings.Contains(strings.Join(got.recs[0].Doc.Warnings, "\n"), "raise ocr.pages") {
		t.Errorf("budget: %v, %+v", got.err, got.recs)
	}
	o.Time = time.Millisecond
	got = readAll(t, t.Context(), bytesInput("one.png", encodePNG(t, one)), Options{OCR: o})
	if bad, ok := errors.AsType[*FileError](got.err); !ok || bad.Reason != ReasonTimeout || len(got.recs) > 0 {
		t.Errorf("time: %v, %+v", got.err, got.recs)
	}
}

func TestImageRefused(t *testing.T) {
	white := image.NewGray(image.Rect(0, 0, 40, 30))
	good := encodePNG(t, white)
	huge := bytes.Clone(good)
	binary.BigEndian.PutUint32(huge[16:], 1<<30)
	binary.BigEndian.PutUint32(huge[20:], 1<<30)
	circle := makeTIFF(binary.LittleEndian, white)
	binary.LittleEndian.PutUint32(circle[8+2+9*12:], 8) // its next directory is itself
	on := OCROptions{When: OCRAuto}
	tests := []struct {
		name   string
		in     []byte
		opt    Options
		reason string
		has    string
	}{
		{"without ocr", good, Options{}, ReasonUnsupported, "set ocr"},
		{"rows", good, Options{OCR: on, Item: "row"}, ReasonUnsupported, "document or page"},
		{"bad option", good, Options{OCR: OCROptions{When: "maybe"}}, ReasonOption, "ocr.when"},
		{"a PNG of 10^18 pixels", huge, Options{OCR: on}, ReasonTooLarge, "pixels"},
		{"half a PNG", good[:len(good)-20], Options{OCR: on}, ReasonShort, "copy or download"},
		{"a TIFF that goes round in a circle", circle, Options{OCR: on}, ReasonBroken, "circle"},
		{"too many pages", makeTIFF(binary.LittleEndian, white, white, white), Options{OCR: on, Limits: Limits{Pages: 2}}, ReasonTooLarge, "limits.pages"},
	}
	for _, tt := range tests {
		got := readAll(t, t.Context(), bytesInput("a.png", tt.in), tt.opt)
		bad, ok := errors.AsType[*FileError](got.err)
		if !ok || bad.Reason != tt.reason || !strings.Contains(bad.Detail, tt.has) || len(got.recs) > 0 {
			t.Errorf("%s: %v and %d records, want %s with %q", tt.name, got.err, len(got.recs), tt.reason, tt.has)
		}
	}
	// Its pixels are garbage, which only who decodes it sees.
	if _, err := findOCR(); err == nil {
		dirty := bytes.Clone(good)
		for i := 41; i < len(dirty)-20; i++ {
			dirty[i] ^= 0x55
		}
		got := readAll(t, t.Context(), bytesInput("a.png", dirty), Options{OCR: on})
		if bad, ok := errors.AsType[*FileError](got.err); !ok || bad.Reason != ReasonBroken {
			t.Errorf("garbage: %v, want %s", got.err, ReasonBroken)
		}
	}
}

// TestImageWithoutOCR has images in a run on a machine without tesseract.
func TestImageWithoutOCR(t *testing.T) {
	before := findOCR
	defer func() { findOCR = before }()
	findOCR = func() (*OCRTool, error) { return nil, errors.New("tesseract is not installed (Debian: tesseract-ocr)") }
	in := bytesInput("a.png", encodePNG(t, image.NewGray(image.Rect(0, 0, 40, 30))))
	for rec, err := range readImage(t.Context(), in, Options{OCR: OCROptions{When: OCRAuto}}) {
		if err != nil || rec.Doc.Body != "" || rec.Doc.Meta["extraction"] != "none" || len(rec.Doc.Warnings) != 1 || !strings.Contains(rec.Doc.Warnings[0], "tesseract is not installed") {
			t.Errorf("%v, %+v", err, rec.Doc)
		}
	}
	if v := PDF.VersionFor(Options{OCR: OCROptions{When: OCRAuto}}); v != PDF.Version+" ocr1 none" {
		t.Errorf("version %q", v)
	}
	if v := PDF.VersionFor(Options{}); v != PDF.Version {
		t.Errorf("version %q", v)
	}
}

// TestSuiteImage has a shell script in tesseract's place, which is sooner done.
func TestSuiteImage(t *testing.T) {
	fake := fakeOCR(t, `case "$1" in
--version) echo tesseract 0 ;;
--list-langs) echo 'List of languages'; echo eng ;;
*) [ -r "$1" ] && printf '5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t90\tword\n' ;;
esac`)
	t.Setenv("PATH", filepath.Dir(fake.path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	CloseWorkers() // those that know another, as this process may
	known := findOCR
	findOCR = func() (*OCRTool, error) { return askOCR(fake.path) }
	t.Cleanup(func() {
		findOCR = known
		CloseWorkers()
	})
	opt := Options{OCR: OCROptions{When: OCRAuto}}
	small := image.NewGray(image.Rect(0, 0, 61, 40))
	t.Run("tiff", func(t *testing.T) {
		opt := opt
		opt.Item = "page"
		tiff := makeTIFF(binary.BigEndian, small, small, small)
		runSuite(t, suiteCase{format: Image, name: "scan.tif", opt: opt, small: tiff, want: 3, cuts: 50, flips: 50})
	})
	t.Run("png", func(t *testing.T) {
		runSuite(t, suiteCase{format: Image, name: "scan.png", opt: opt, small: encodePNG(t, small), want: 1, cuts: 50, flips: 50})
	})
	t.Run("jpeg", func(t *testing.T) {
		runSuite(t, suiteCase{format: Image, name: "scan.jpg", opt: opt, small: encodeJPEG(t, small), want: 1, cuts: 50, flips: 50})
	})
}

func FuzzImagePages(f *testing.F) {
	small := image.NewGray(image.Rect(0, 0, 7, 5))
	f.Add(encodePNG(f, small))
	f.Add(encodeJPEG(f, small))
	f.Add(makeTIFF(binary.LittleEndian, small, small))
	f.Add(makeTIFF(binary.BigEndian, small))
	f.Fuzz(func(t *testing.T, b []byte) {
		pages, err := imagePages(bytesInput("f", b))
		if err == nil && len(pages) == 0 {
			t.Fatal("neither pages nor an error")
		}
		if err != nil && strings.Contains(err.Error(), "goroutine") {
			t.Fatal(err)
		}
	})
}
