package extract

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// corpusDir is a folder of real files that nobody of us wrote, or skips the test.
func corpusDir(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("IMPORTER_CORPUS")
	if root == "" {
		t.Skip("IMPORTER_CORPUS does not name a folder of real files")
	}
	dir := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus has no %s", filepath.Join(elem...))
	}
	return dir
}

// shingleF1 compares texts by their runs of four words, as the benchmarks of
// main-text extraction do.
func shingleF1(got, want string) float64 {
	a, b := shingles(got), shingles(want)
	same, na, nb := 0, 0, 0
	for s, n := range a {
		same += min(n, b[s])
		na += n
	}
	for _, n := range b {
		nb += n
	}
	if same == 0 {
		return 0
	}
	p, r := float64(same)/float64(na), float64(same)/float64(nb)
	return 2 * p * r / (p + r)
}

func shingles(s string) map[string]int {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	m := map[string]int{}
	for i := range words {
		if i+4 <= len(words) {
			m[strings.Join(words[i:i+4], " ")]++
		}
	}
	if len(words) < 4 {
		m[strings.Join(words, " ")]++
	}
	return m
}

// readFile reads the only record of a page on disk.
func readHTMLFile(t testing.TB, path string, opt Options) (Record, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	opt.Format = "html"
	var last Record
	for rec, err := range Records(t.Context(), Input{Name: filepath.Base(path), Size: info.Size(), ReaderAt: f}, opt) {
		if err != nil {
			return Record{}, err
		}
		last = rec
	}
	return last, nil
}

// goldText is the text of the corpus's expected.html, by a route that shares
// nothing with the reader: all text nodes, parted by spaces.
func goldText(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := html.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && layouts[n.DataAtom] != inline:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func TestCorpusArticles(t *testing.T) {
	dir := corpusDir(t, "html", "mozilla+readability")
	floors := map[string]float64{"article": 0.95, "main": 0.92, "full": 0.85}
	for content, floor := range floors {
		t.Run(content, func(t *testing.T) {
			sources, err := filepath.Glob(filepath.Join(dir, "*", "source.html"))
			if err != nil || len(sources) == 0 {
				t.Fatalf("no pages in %s (%v)", dir, err)
			}
			sum := 0.0
			for _, path := range sources {
				rec, err := readHTMLFile(t, path, Options{HTML: HTMLOptions{Content: content}})
				if err != nil {
					t.Errorf("%s: %v", filepath.Base(filepath.Dir(path)), err)
					continue
				}
				f1 := shingleF1(rec.Doc.Body, goldText(t, filepath.Join(filepath.Dir(path), "expected.html")))
				t.Logf("%-40s %.3f", filepath.Base(filepath.Dir(path)), f1)
				sum += f1
			}
			mean := sum / float64(len(sources))
			t.Logf("mean F1 of %d pages: %.4f", len(sources), mean)
			if mean < floor {
				t.Errorf("mean F1 = %.4f, want %.3f or more", mean, floor)
			}
		})
	}
}

func TestCorpusPages(t *testing.T) {
	dir := corpusDir(t, "html")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) == "expected.html" || !strings.HasSuffix(path, ".html") {
			return err
		}
		for _, content := range []string{"article", "main", "full"} {
			rec, err := readHTMLFile(t, path, Options{HTML: HTMLOptions{Content: content}})
			if err != nil {
				if _, ok := errors.AsType[*FileError](err); !ok {
					t.Errorf("%s: error %v is no FileError", path, err)
				}
				t.Logf("%s: %v", content, err)
				continue
			}
			d := rec.Doc
			if !utf8.ValidString(d.Body) || strings.ContainsAny(d.Body, "\x00\r\u00AD") || strings.HasSuffix(d.Body, "\n") {
				t.Errorf("%s (%s): the text is not clean", path, content)
			}
			for _, w := range d.Warnings {
				t.Logf("%s (%s): %s", path, content, w)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCorpusCharsets looks for words that are only there when the page was
// decoded right.
func TestCorpusCharsets(t *testing.T) {
	dir := corpusDir(t, "html", "apache+tika")
	for _, tt := range []struct{ file, word string }{
		{"*testHTML_utf8.html", "åäö"},
		{"*testHTML_charset_utf16le.html", "This is a sample text"},
		{"*testArabicMisleadingCharset.html", "اللغة العربية"}, // says UTF-8, is windows-1256
		{"*testHTMLNoisyMetaEncoding_1.html", "الاتحاد الجزائري"},
		{"*testHTMLNoisyMetaEncoding_3.html", "الاتحاد الجزائري"},
		{"*testlargerbuffer.html", "Агентство недвижимости"},
		{"*icu4j*resume.html", "Здравствуйте"},
		{"*boilerplate-whitespace.html", "有什么需要我帮你的"},
	} {
		paths, err := filepath.Glob(filepath.Join(dir, tt.file))
		if err != nil || len(paths) != 1 {
			t.Errorf("%s: found %d files (%v), want 1", tt.file, len(paths), err)
			continue
		}
		if rec, err := readHTMLFile(t, paths[0], Options{}); err != nil || !strings.Contains(rec.Doc.Body, tt.word) {
			t.Errorf("%s: %v; want %q in its text", tt.file, err, tt.word)
		}
	}
}
