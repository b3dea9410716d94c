package extract

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/unicode/norm"
)

// corpusPDFs are the PDFs below $IMPORTER_CORPUS/pdf: the test data of public
// projects, many of them hostile.
func corpusPDFs(t *testing.T) []string {
	t.Helper()
	root := os.Getenv("IMPORTER_CORPUS")
	if root == "" {
		t.Skip("IMPORTER_CORPUS does not name a folder of real files")
	}
	var paths []string
	err := filepath.WalkDir(filepath.Join(root, "pdf"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.EqualFold(filepath.Ext(path), ".pdf") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("no PDFs below %s: %v", root, err)
	}
	return paths
}

// openFile makes an Input of a file; the caller closes it.
func openFile(t testing.TB, path string) (Input, func()) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return Input{Name: filepath.Base(path), Size: st.Size(), Path: path, ReaderAt: f}, func() { f.Close() }
}

// A corpusResult is what came of a file.
type corpusResult struct {
	path string
	doc  *Document
	err  error
	took time.Duration
	warn []string
}

func readCorpus(t *testing.T, paths []string, opt Options) []corpusResult {
	results := make([]corpusResult, len(paths))
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i, path := range paths {
		g.Go(func() error {
			in, done := openFile(t, path)
			defer done()
			r := corpusResult{path: path}
			opt := opt
			opt.Warn = func(p Place, s string) { r.warn = append(r.warn, s) }
			begin := time.Now()
			ended := false
			for rec, err := range readPDF(t.Context(), in, opt) {
				if ended {
					t.Errorf("%s: goes on after %v", path, r.err)
				}
				var bad *RecordError
				switch {
				case errors.As(err, &bad):
				case err != nil:
					r.err, ended = err, true
				case rec.Doc == nil:
					t.Errorf("%s: a record without a document", path)
				default:
					r.doc = rec.Doc
				}
			}
			r.took = time.Since(begin)
			results[i] = r
			return nil
		})
	}
	g.Wait()
	return results
}

// TestPDFCorpus holds the engines to their promise on hostile files: every
// file ends, in time, with a document or an error that says what to do.
func TestPDFCorpus(t *testing.T) {
	paths := corpusPDFs(t)
	eachEngine(t, func(t *testing.T, engine string) {
		// A hang costs the limit; the default would make this a long test.
		const limit = 3 * time.Second
		results := readCorpus(t, paths, Options{PDF: PDFOptions{Engine: engine}, Limits: Limits{Time: limit}})
		reasons := map[string]int{}
		pages, empty := 0, 0
		for _, r := range results {
			var bad *FileError
			switch {
			case r.err == nil && r.doc == nil:
				t.Errorf("%s: neither a document nor an error", r.path)
			case r.err == nil:
				reasons["ok"]++
				pages += r.doc.Pages
				if r.doc.Body == "" {
					empty++
				}
			case errors.As(r.err, &bad):
				reasons[bad.Reason]++
				if bad.Detail == "" || strings.Contains(bad.Detail, "goroutine") {
					t.Errorf("%s: %v", r.path, r.err)
				}
			default:
				t.Errorf("%s: %v is no *FileError", r.path, r.err)
			}
			if r.took > 2*limit+workerStart {
				t.Errorf("%s: took %v", r.path, r.took)
			}
			if os.Getenv("VERBOSE") != "" && (r.err != nil || r.took > limit/2 || len(r.warn) > 0) {
				t.Logf("%s: %v %v %q", r.path, r.took, r.err, r.warn)
			}
		}
		t.Logf("%d files: %v, %d pages, %d without text", len(results), reasons, pages, empty)
		if ok := reasons["ok"]; ok*10 < 8*len(results) {
			t.Errorf("%d of %d files read, want 8 in 10", ok, len(results))
		}
	})
}

// wordBag counts the words of a text; a CJK character is a word.
func wordBag(s string) map[string]int {
	bag := map[string]int{}
	word := strings.Builder{}
	flush := func() {
		if word.Len() > 0 {
			bag[word.String()]++
			word.Reset()
		}
	}
	for _, c := range strings.ToLower(norm.NFKC.String(s)) {
		switch {
		case unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			flush()
			bag[string(c)]++
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			word.WriteRune(c)
		default:
			flush()
		}
	}
	flush()
	return bag
}

func bagF1(got, want map[string]int) float64 {
	common, g, w := 0, 0, 0
	for word, n := range got {
		g += n
		common += min(n, want[word])
	}
	for _, n := range want {
		w += n
	}
	if common == 0 {
		return 0
	}
	p, r := float64(common)/float64(g), float64(common)/float64(w)
	return 2 * p * r / (p + r)
}
