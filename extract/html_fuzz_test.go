package extract

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
)

func htmlSeeds(f *testing.F) {
	paths, _ := filepath.Glob("testdata/html/*html")
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{"", "<", "<p", "</", "<!-", "<!---", "<script>", "<title/>", "\xFF\xFE<\x00", "<svg><p><style>a", "<table><td><table><p>", "<a b='c", "<?xml version='1.0'?><a/><![CDATA[b]]>",
		"<meta charset=utf-16><p>\x80", "<plaintext><b", "<select><b><table>", "<math><annotation-xml encoding=text/html><p>", "<frameset><frame></frameset><noframes>a</noframes>"} {
		f.Add([]byte(s))
	}
}

// FuzzHTML reads bytes as a page in each way and checks what holds for all.
func FuzzHTML(f *testing.F) {
	htmlSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"a.html", "a.xhtml"} {
			for _, content := range []string{"article", "main", "full"} {
				in := Input{Name: name, Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}
				records := 0
				for rec, err := range HTML.Read(t.Context(), in, Options{HTML: HTMLOptions{Content: content}}) {
					records++
					if err != nil {
						if bad, ok := errors.AsType[*FileError](err); !ok || bad.Reason == "" || bad.Detail == "" {
							t.Fatalf("error %#v is no whole FileError", err)
						}
						continue
					}
					checkDocument(t, rec.Doc)
				}
				if records != 1 {
					t.Fatalf("%d records and errors, want 1", records)
				}
			}
		}
	})
}

func checkDocument(t *testing.T, d *Document) {
	t.Helper()
	markup := d.HTML()
	for name, s := range map[string]string{"Body": d.Body, "Title": d.Title, "HTML": markup} {
		if !utf8.ValidString(s) {
			t.Fatalf("%s = %q is not UTF-8", name, s)
		}
	}
	if strings.ContainsAny(d.Body, "\x00\r\u00AD\uFEFF") || strings.HasSuffix(d.Body, "\n") || strings.HasPrefix(d.Body, "\n") {
		t.Fatalf("Body = %q has characters that are not seen, or empty lines around it", d.Body)
	}
	for _, bad := range []string{"<script", "<style", "<iframe", "javascript:"} {
		if i := strings.Index(strings.ToLower(markup), bad); i >= 0 && strings.Contains(bad, "<") {
			t.Fatalf("HTML = %q has %q", markup, bad)
		}
	}
	if _, err := d.Select("*"); err != nil {
		t.Fatal(err)
	}
}

// FuzzMarkupLexer checks that the lexer loses no byte, and that where it says
// that a text ended whole, the tokenizer of x/net/html agrees.
func FuzzMarkupLexer(f *testing.F) {
	htmlSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := string(b)
		for _, xml := range []bool{false, true} {
			l := markupLexer{s: s, xml: xml}
			at := 0
			for l.next() {
				if l.start != at || l.end <= l.start || l.end > len(s) {
					t.Fatalf("after %d a token at %d:%d of %d bytes", at, l.start, l.end, len(s))
				}
				at = l.end
			}
			if at != len(s) {
				t.Fatalf("ended at %d of %d bytes", at, len(s))
			}
		}
		if _, err := html.Parse(strings.NewReader(tame(s, false))); err != nil && !strings.Contains(err.Error(), "512") {
			t.Fatalf("tamed markup: %v", err)
		}
		expandXML(s)
	})
}

// FuzzTextWriter writes the text of any tree: its words are those of the
// text nodes, in their order, when nothing is left out.
func FuzzTextWriter(f *testing.F) {
	htmlSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := html.Parse(bytes.NewReader(b))
		if err != nil {
			return
		}
		got := textOf(doc, func(*html.Node) bool { return false })
		if want := letterString(allText(doc)); letterString(got) != want {
			t.Fatalf("text %q has the letters %q, want %q", got, letterString(got), want)
		}
	})
}

func allText(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode:
			b.WriteString(d.Data)
		case d.Type == html.ElementNode && d.Data == "img" && d.Namespace == "":
			b.WriteString(attr(d, "alt"))
		}
	}
	return b.String()
}

func letterString(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// FuzzSelect runs any selector over a page: it answers or says what is wrong.
func FuzzSelect(f *testing.F) {
	for _, css := range []string{"p", "a@href", "div > p:nth-child(2n+1)", "[a='b@c']@d", ":not(p):has(a, b)", ":contains('x')", "::before", "p,", "\\31 23", ":matches(a+)", "*|*", ":is(", "#\x00", "a:nth-of-type(-999999999999n)"} {
		f.Add(css)
	}
	doc := mustPage(f, selectPage, Options{})
	f.Fuzz(func(t *testing.T, css string) {
		got, err := doc.Select(css)
		if err == nil && got == nil || err != nil && (got != nil || !strings.Contains(err.Error(), "CSS selector")) {
			t.Fatalf("Select(%q) = %q, %v", css, got, err)
		}
	})
}
