package extract

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// This file reads text in pictures by tesseract, a program that is installed
// beside this one (Debian: tesseract-ocr). It is run once for each page, with a
// time limit, on one processor, and under the memory limit of the worker that
// starts it.

// OCROptions say when and how text in pictures is read.
type OCROptions struct {
	// When is "never" (or ""), "auto" (pages without text, and images) or
	// "always" (every page that shows something; where OCR finds text it takes
	// the place of the page's own).
	When string `yaml:"when"`
	// Languages are tesseract's names, such as eng and deu; none is eng.
	Languages []string `yaml:"languages"`
	// DPI is how finely pages are drawn for it; 0 is 300.
	DPI int `yaml:"dpi"`
	// Pages is how many pages of one document are read so; 0 is 1,000.
	Pages int `yaml:"pages"`
	// Time is what one page may take; 0 is 60 s.
	Time time.Duration `yaml:"time"`
}

// Values of OCROptions.When.
const (
	OCRNever  = "never"
	OCRAuto   = "auto"
	OCRAlways = "always"
)

const (
	ocrDPI    = 300
	ocrPages  = 1_000
	ocrTime   = time.Minute
	ocrOutput = 32 << 20 // bytes of tesseract's table of a page
	// ocrPixels is the most that a page is drawn with: A3 at 400 dpi.
	ocrPixels = 32 << 20
	// ocrSure is the confidence, of 100, below which a word is taken for dirt.
	ocrSure = 20
)

// On tells that some text in pictures is read.
func (o OCROptions) On() bool { return o.When == OCRAuto || o.When == OCRAlways }

func (o OCROptions) time() time.Duration {
	if o.Time > 0 {
		return o.Time
	}
	return ocrTime
}

func (o OCROptions) pages() int {
	if o.Pages > 0 {
		return o.Pages
	}
	return ocrPages
}

func (o OCROptions) dpi() int {
	if o.DPI > 0 {
		return o.DPI
	}
	return ocrDPI
}

func (o OCROptions) languages() []string {
	if len(o.Languages) == 0 {
		return []string{"eng"}
	}
	return o.Languages
}

// Check says what is wrong with the options, and what to do.
func (o OCROptions) Check() error {
	switch o.When {
	case "", OCRNever, OCRAuto, OCRAlways:
	default:
		return fmt.Errorf("ocr.when is %q; set it to auto, always or never", o.When)
	}
	for _, l := range o.Languages {
		if l == "" || strings.ContainsFunc(l, func(r rune) bool { return r != '_' && r != '/' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			return fmt.Errorf("ocr.languages has %q; set it to names as tesseract --list-langs prints them", l)
		}
	}
	if o.DPI < 0 || o.DPI > 1200 {
		return fmt.Errorf("ocr.dpi is %d; set it to 70 to 1200", o.DPI)
	}
	return nil
}

// An OCRTool is what there is on this machine to read pictures.
type OCRTool struct {
	Version   string // as the program says: 5.3.0
	Languages []string
	path      string
	orient    bool // it can tell how a page is turned
}

// FindOCR looks for the program, once. Its error says how to get it.
func FindOCR() (*OCRTool, error) { return findOCR() }

var findOCR = sync.OnceValues(func() (*OCRTool, error) {
	path, err := exec.LookPath("tesseract")
	if err != nil {
		return nil, errors.New("tesseract is not installed (Debian: tesseract-ocr)")
	}
	return askOCR(path)
})

func askOCR(path string) (*OCRTool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), workerStop*10)
	defer cancel()
	version, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("tesseract does not start (%v)", withoutPath(err))
	}
	first, _, _ := strings.Cut(string(version), "\n")
	t := &OCRTool{Version: strings.TrimPrefix(strings.TrimSpace(first), "tesseract "), path: path}
	langs, err := exec.CommandContext(ctx, path, "--list-langs").Output()
	if err != nil {
		return nil, fmt.Errorf("tesseract does not tell its languages (%v)", withoutPath(err))
	}
	for i, line := range strings.Split(strings.TrimSpace(string(langs)), "\n") {
		switch line = strings.TrimSpace(line); {
		case i == 0 && strings.Contains(line, " "): // a heading
		case line == "osd":
			t.orient = true
		case line != "":
			t.Languages = append(t.Languages, line)
		}
	}
	return t, nil
}

// Lacks says what is missing for the options; nil is nothing.
func (t *OCRTool) Lacks(o OCROptions) error {
	var missing []string
	for _, l := range o.languages() {
		if !slices.Contains(t.Languages, l) {
			missing = append(missing, l)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("tesseract has no data for %s (Debian: tesseract-ocr-%s)", strings.Join(missing, ", "), strings.ReplaceAll(missing[0], "_", "-"))
}

// ocrTool gives the program for the options, or says why there is none.
func ocrTool(o OCROptions) (*OCRTool, error) {
	t, err := findOCR()
	if err != nil {
		return nil, err
	}
	if err := t.Lacks(o); err != nil {
		return nil, err
	}
	return t, nil
}

// ocrVersion identifies what OCR would make of a page by the options, "" when
// it is not wanted.
func ocrVersion(o OCROptions) string {
	if !o.On() {
		return ""
	}
	t, err := ocrTool(o)
	if err != nil {
		return "ocr1 none"
	}
	return fmt.Sprintf("ocr1 tesseract/%s %s %v", t.Version, strings.Join(o.languages(), "+"), t.orient)
}

// An ocrText is what was read of one page.
type ocrText struct {
	text string
	sure int // mean confidence of its words, 1 to 100; 0 without words
}

// A picture is something to be read: a file with a page in it, or grey pixels.
type picture struct {
	file string // "" for pixels
	page int    // of the file, from 0; -1 is its only one

	gray          []byte // width * height, rows from the top; 0 is black
	width, height int
	dpi           int // 0 is unknown
}

// sizePicture makes room for a page of so many points: finely drawn, but not
// beyond ocrPixels.
func sizePicture(wide, high float64, dpi int) picture {
	const inch = 72
	clean := func(v float64) float64 { // NaN and the endless too
		if v >= 1 && v <= 1e6 {
			return v
		}
		return 1
	}
	wide, high = clean(wide), clean(high)
	if most := math.Sqrt(ocrPixels/(wide*high)) * inch; float64(dpi) > most {
		dpi = max(1, int(most))
	}
	scale := func(v float64) int { return max(1, int(v*float64(dpi)/inch)) }
	return picture{page: -1, width: min(scale(wide), ocrPixels/scale(high)), height: scale(high), dpi: dpi}
}

var errOCRTime = errors.New("it took too long")

// read reads a picture. Its errors are errOCRTime, ctx's, or what the program
// said.
func (t *OCRTool) read(ctx context.Context, p picture, o OCROptions) (ocrText, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.time(), errOCRTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.path, t.args(p, o)...)
	cmd.Env = append(littleEnv(), "OMP_THREAD_LIMIT=1")
	cmd.WaitDelay = workerStop
	errs := &tailWriter{}
	cmd.Stderr = errs
	if p.file == "" {
		cmd.Stdin = io.MultiReader(strings.NewReader(fmt.Sprintf("P5\n%d %d\n255\n", p.width, p.height)), bytes.NewReader(p.gray))
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return ocrText{}, err
	}
	tie(cmd)
	if err := startTied(cmd); err != nil {
		if ctx.Err() != nil {
			return ocrText{}, context.Cause(ctx)
		}
		return ocrText{}, fmt.Errorf("tesseract does not start (%v)", withoutPath(err))
	}
	text := readOCRTable(io.LimitReader(out, ocrOutput))
	_, _ = io.Copy(io.Discard, out) // else it would wait for us
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return ocrText{}, context.Cause(ctx)
		}
		return ocrText{}, errors.New(ocrComplaint(errs.String(), err))
	}
	return text, nil
}

func (t *OCRTool) args(p picture, o OCROptions) []string {
	file := "-"
	if p.file != "" {
		file = p.file
	}
	args := []string{file, "-", "-l", strings.Join(o.languages(), "+")}
	if t.orient {
		args = append(args, "--psm", "1")
	} else {
		args = append(args, "--psm", "3")
	}
	if p.dpi > 0 {
		args = append(args, "--dpi", strconv.Itoa(p.dpi))
	}
	if p.page >= 0 && p.file != "" {
		args = append(args, "-c", "tessedit_page_number="+strconv.Itoa(p.page))
	}
	return append(args, "tsv")
}

// ocrComplaint is the line in which tesseract says what is wrong.
func ocrComplaint(stderr string, err error) string {
	for line := range strings.Lines(stderr) {
		if line = oneLine(line); strings.Contains(line, "rror") || strings.Contains(line, "annot") {
			return "tesseract: " + line
		}
	}
	return fmt.Sprintf("tesseract: %v", err)
}

// Columns of tesseract's table. Rows of level 5 are words.
const (
	ocrLevel = iota
	ocrPage
	ocrBlock
	ocrParagraph
	ocrLine
	ocrWord
	ocrLeft
	ocrTop
	ocrWidth
	ocrHeight
	ocrConf
	ocrWordText
	ocrColumns
)

// spaceless tells two words of a script that has no spaces between words.
func spaceless(a, b string) bool {
	x, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(a))
	y, _ := utf8.DecodeRuneInString(b)
	return isIdeographic(x) && isIdeographic(y)
}

// readOCRTable makes text of tesseract's table: words by line, an empty line
// between blocks.
func readOCRTable(r io.Reader) ocrText {
	var b strings.Builder
	var last []string
	sum, words := 0.0, 0
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), 1<<20)
	for in.Scan() {
		cells := strings.SplitN(in.Text(), "\t", ocrColumns)
		if len(cells) < ocrColumns || cells[ocrLevel] != "5" {
			continue
		}
		word := strings.TrimSpace(cells[ocrWordText])
		conf, err := strconv.ParseFloat(cells[ocrConf], 64)
		if word == "" || err != nil || conf < ocrSure {
			continue
		}
		switch {
		case last == nil:
		case last[ocrPage] != cells[ocrPage] || last[ocrBlock] != cells[ocrBlock]:
			b.WriteString("\n\n")
		case last[ocrParagraph] != cells[ocrParagraph] || last[ocrLine] != cells[ocrLine]:
			b.WriteByte('\n')
		case !spaceless(last[ocrWordText], word):
			b.WriteByte(' ')
		}
		b.WriteString(word)
		last = cells
		sum += conf
		words++
	}
	if words == 0 {
		return ocrText{}
	}
	return ocrText{text: cleanPDFText(b.String()), sure: max(1, int(sum/float64(words)+0.5))}
}

// An ocrTally counts what OCR made of the pages of a document.
type ocrTally struct {
	read    pageSet
	sum     int     // of their confidences
	unsure  pageSet // those of them with little confidence
	nothing pageSet // pages in which nothing was found
}

// ocrUnsure is the confidence below which a user is told: 90 and more is usual,
// handwriting has 30.
const ocrUnsure = 60

// add counts a page by its confidence; 0 was not read by OCR, and in -1 nothing
// was found.
func (t *ocrTally) add(page, sure int) {
	switch {
	case sure > 0:
		t.read.add(page)
		t.sum += sure
		if sure < ocrUnsure {
			t.unsure.add(page)
		}
	case sure < 0:
		t.nothing.add(page)
	}
}

// tell puts into a document what a mapping or a user wants to know. texts tells
// that the document has text.
func (t *ocrTally) tell(doc *Document, texts bool) {
	if n := t.read.size(); n > 0 {
		doc.setMeta("extraction", "ocr")
		doc.setMeta("ocrPages", strings.TrimPrefix(strings.TrimPrefix(t.read.String(), "pages "), "page "))
		doc.setMeta("ocrConfidence", strconv.Itoa(t.sum/n))
	} else if !texts {
		doc.setMeta("extraction", "none")
	}
	if len(t.unsure) > 0 {
		doc.Warnings = append(doc.Warnings, t.unsure.String()+" "+t.unsure.was()+" read by OCR with little confidence")
	}
	if len(t.nothing) > 0 {
		doc.Warnings = append(doc.Warnings, t.nothing.String()+" "+t.nothing.has()+" no text that OCR finds")
	}
}
