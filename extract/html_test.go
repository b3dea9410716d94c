package extract

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/encoding/unicode"
)

var updateGolden = flag.Bool("update", false, "write the golden files instead of comparing with them")

// page reads b as a web page and returns its only record.
func page(t testing.TB, b string, opt Options) (*Document, error) {
	t.Helper()
	return pageNamed(t, "page.html", b, opt)
}

func pageNamed(t testing.TB, name, b string, opt Options) (*Document, error) {
	t.Helper()
	opt.Format = "html"
	var doc *Document
	in := Input{Name: name, Size: int64(len(b)), ReaderAt: strings.NewReader(b)}
	for rec, err := range Records(t.Context(), in, opt) {
		if err != nil {
			return doc, err
		}
		if doc != nil {
			t.Fatal("a page gives two records")
		}
		doc = rec.Doc
	}
	return doc, nil
}

func mustPage(t testing.TB, b string, opt Options) *Document {
	t.Helper()
	doc, err := page(t, b, opt)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestGoldenPages compares all that is read of the pages in testdata/html
// with what stands beside them.
func TestGoldenPages(t *testing.T) {
	paths, err := filepath.Glob("testdata/html/*html")
	if err != nil || len(paths) < 5 {
		t.Fatalf("found %d pages (%v), want 5 or more", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, content := range []string{"article", "main", "full"} {
				doc, err := pageNamed(t, filepath.Base(path), string(raw), Options{HTML: HTMLOptions{Content: content}})
				if err != nil {
					t.Fatal(err)
				}
				if content == "article" {
					fmt.Fprintf(&got, "title: %s\n", doc.Title)
					for _, key := range slices.Sorted(maps.Keys(doc.Meta)) {
						fmt.Fprintf(&got, "meta %s: %s\n", key, doc.Meta[key])
					}
					for _, w := range doc.Warnings {
						fmt.Fprintf(&got, "warning: %s\n", w)
					}
				}
				fmt.Fprintf(&got, "\n===== %s: headings %q\n%s\n", content, doc.Headings, doc.Body)
				if content != "full" {
					fmt.Fprintf(&got, "----- %s as HTML\n%s\n", content, doc.HTML())
				}
			}
			golden := path + ".golden"
			if *updateGolden {
				if err := os.WriteFile(golden, []byte(got.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; make it with -update", err)
			}
			if got.String() != string(want) {
				t.Errorf("%s is read as\n%s\nwant\n%s", path, got.String(), want)
			}
		})
	}
}

func TestSuiteHTML(t *testing.T) {
	small, err := os.ReadFile("testdata/html/article.html")
	if err != nil {
		t.Fatal(err)
	}
	runSuite(t, suiteCase{
		format: HTML, name: "article.html", small: small, want: 1,
		// HTML leaves it to its writers which elements they close, so that
		// only an end inside of a tag, comment, script or style shows.
		unknowable: func(cut int) bool {
			s := string(small[:cut])
			for _, pair := range [][2]string{{"<!--", "-->"}, {"<script", "</script>"}, {"<style", "</style>"}, {"<title", "</title>"}, {"<noscript", "</noscript>"}, {"<", ">"}} {
				if strings.LastIndex(s, pair[0]) > strings.LastIndex(s, pair[1]) {
					return false
				}
			}
			return true
		},
	})
}

func TestSniffHTML(t *testing.T) {
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("<!DOCTYPE html><html>")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		head string
		want bool
	}{
		{"<!DOCTYPE html>", true},
		{"<!doctype HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">", true},
		{"\n\t <HTML lang=de>", true},
		{"\xEF\xBB\xBF<html>", true},
		{"<head>", true},
		{"<body bgcolor=white>", true},
		{"<!-- saved from url=(0014)about:internet -->\n<html>", true},
		{"<!-- a comment without end", true},
		{"<!-- a --> text", true},
		{`<?xml version="1.0"?><!DOCTYPE html><html xmlns="x">`, true},
		{utf16, true},
		{utf16[2:], true},
		{"", false},
		{"<", false},
		{"<html", false},
		{"<htmlish>", false},
		{"<header>", false},
		{`<?xml version="1.0"?><rss>`, false},
		{"<!-- drawn --><svg>", false},
		{"<!DOCTYPE svg>", false},
		{"id,name\n1,<html>\n", false},
		{"%PDF-1.7", false},
		{"\x00\x01\x02\x03", false},
	} {
		if got := HTML.Sniff([]byte(tt.head)); got != tt.want {
			t.Errorf("Sniff(%q) = %v, want %v", tt.head, got, tt.want)
		}
	}
}

// TestBodyText is the specification of the text that elements give.
func TestBodyText(t *testing.T) {
	for _, tt := range []struct{ name, html, want string }{
		{"white space is collapsed", "<p> a\n\tb  c </p>", "a b c"},
		{"paragraphs are parted by an empty line", "<p>a<p>b", "a\n\nb"},
		{"block elements begin and end lines", "a<div>b</div>c<section>d</section>", "a\nb\nc\nd"},
		{"empty elements leave no empty lines", "<p>a</p><div></div><p></p><div><div></div></div><p>b</p>", "a\n\nb"},
		{"inline elements add no space", "un<b>believ</b>able", "unbelievable"},
		{"white space between inline elements stays", "<b>a</b> <i>b</i>\n<u>c</u>", "a b c"},
		{"no space before the end of a block", "<p>a <b>b </b></p><p>c", "a b\n\nc"},
		{"br ends a line", "a<br>b<br><br>c<br><br><br><br>d", "a\nb\n\nc\n\nd"},
		{"headings stand alone", "<h1>a</h1>b<h2>c</h2>d", "a\n\nb\n\nc\n\nd"},
		{"lists", "a<ul><li>b<li>c</ul>d", "a\n\n- b\n- c\n\nd"},
		{"lists in lists", "<ol><li>a<ul><li>b<li>c</ul><li>d</ol>", "- a\n  - b\n  - c\n- d"},
		{"list items with paragraphs", "<ul><li><p>a</p><li><p>b</p></ul>", "- a\n- b"},
		{"empty list items leave no mark", "<ul><li>a<li><li>b</ul>", "- a\n- b"},
		{"definitions", "<dl><dt>a<dd>b<dt>c<dd>d</dl>", "a\nb\nc\nd"},
		{"rows and cells", "<table><tr><th>a<th>b<tr><td>c<td>d</table>", "a\tb\nc\td"},
		{"empty cells keep their column", "<table><tr><td>a<td><td>c<tr><td><td>e<td></table>", "a\t\tc\n\te"},
		{"empty rows go", "<table><tr><td>a<td>b<tr><td><td><tr><td>c<td>d</table>", "a\tb\nc\td"},
		{"a cell is one line", "<table><tr><th>a<td>b<br>c<p>d</p></table>", "a\tb c d"},
		{"a table that lays out a page is none", "<table><tr><td><h1>a</h1><p>b</p><td><p>c</p><p>d</p></table>", "a\n\nb\n\nc\n\nd"},
		{"tables in tables", "<table><tr><td>x<td><table><tr><td>a<td>b</table></table>", "x\n\na\tb"},
		{"pre keeps its white space", "<p>a</p><pre>\n b\n   c\t d\n</pre><p>e</p>", "a\n\n b\n   c\t d\n\ne"},
		{"alternative texts of images", "<p>a<img src=x alt='the roller'>b<img src=y alt=''>c</p>", "a the roller b c"},
		{"quotes", "<p>he said <q>no</q>.", `he said "no".`},
		{"entities", "<p>&lt;a&gt; &amp;&nbsp;b&#8212;c", "<a> & b—c"},
		{"characters that are not seen", "<p>soft&shy;hyphen &#xFEFF;mark &#x7F;delete", "softhyphen mark delete"},
		{"wide spaces", "<p>a&emsp;b\u3000c", "a b c"},
		{"buttons and labels are words of their own", "<div><label>a</label><label>b</label></div>", "a b"},
		{"nothing of scripts, styles, comments and frames", "a<script>b</script><style>c</style><!-- d --><iframe>e</iframe><template>f</template><noscript>g</noscript><object>h</object><svg><text>i</text></svg>", "a"},
		{"hidden elements", "a<p hidden>b</p><p style='display:none'>c</p><p style='visibility: hidden'>d</p><p aria-hidden=true>e</p><dialog>f</dialog>", "a"},
		{"shown elements", "<p hidden=until-found>a</p><p style='display:block'>b</p><p aria-hidden=false>c</p><dialog open>d</dialog><details>e</details>", "a\n\nb\n\nc\n\nd\ne"},
		{"a page that shows itself by a script", "<body style='display:none' hidden><p>a</p>", "a"},
		{"all the text there is, unmarked", "just text", "just text"},
		{"text after the end", "<html><body>a</body></html>b", "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, content := range []string{"", "article", "main", "full"} {
				if got := mustPage(t, tt.html, Options{HTML: HTMLOptions{Content: content}}).Body; got != tt.want {
					t.Errorf("Body of %s with content %q = %q, want %q", tt.html, content, got, tt.want)
				}
			}
		})
	}
}

// TestMainPart is the specification of html.content.
func TestMainPart(t *testing.T) {
	long := strings.Repeat("The printer stops, shows a code, and waits for somebody to come. ", 12)
	entry := "<div><div>Room %d</div><div>Extension %d, Mr Example and Mrs Sample, second floor</div></div>"
	var rooms strings.Builder
	for i := range 40 {
		fmt.Fprintf(&rooms, entry, i, i)
	}
	for _, tt := range []struct{ name, html, content, want, not string }{
		{"navigation and the like", "<header>A</header><nav>B</nav><p>text</p><aside>C</aside><form>D</form><footer>E</footer>", "main", "text", "ABCDE"},
		{"roles", "<div role=navigation>A</div><div role=banner>B</div><p>text</p><div role=contentinfo>C</div><div role=search>D</div>", "main", "text", "ABCD"},
		{"the only main", "A<main>text</main>", "main", "text", "A"},
		{"role main", "A<div role=main>text</div>", "main", "text", "A"},
		{"the only article", "A<article>text</article>", "main", "text", "A"},
		{"a teaser is not all", "<p>text of the page, which is long</p><article>tea</article>", "main", "text of the page, which is long", ""},
		{"one article of several is not all", "<article>text</article><article>more</article>", "main", "more", ""},
		{"the headline of an article", "<article><header><h1>Headline</h1></header>text</article>", "main", "Headline", ""},
		{"a form around the page", "<form><h1>text</h1><p>more of it</p><input value=A><button>B</button></form>", "main", "more of it", "AB"},
		{"nothing but a header", "<header>text</header>", "main", "text", ""},
		{"full is all that is seen", "<nav>text</nav><p>A</p><footer>more</footer><script>B</script>", "full", "more", "B"},
		{"full has the main text too", "<nav>text</nav><p>para</p>", "full", "para", ""},
		{"small pages are no articles", "<nav>A</nav><p>text</p><footer>B</footer>", "article", "text", "AB"},
		{"an article", "<div class=menu><a href=a>A</a> <a href=b>B</a></div><div class=post><p>" + long + "</p><p>" + long + "</p></div><div class=sidebar><a href=c>C</a></div>", "article", "waits for somebody", "ABC"},
		{"a page that is no article", "<h1>Rooms</h1><div class=article><p>" + long[:120] + "</p></div>" + rooms.String(), "article", "Room 39", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := mustPage(t, tt.html, Options{HTML: HTMLOptions{Content: tt.content}})
			if !strings.Contains(doc.Body, tt.want) {
				t.Errorf("Body = %q, want %q in it", doc.Body, tt.want)
			}
			for _, r := range tt.not {
				for _, word := range strings.Fields(doc.Body) {
					if word == string(r) {
						t.Errorf("Body = %q, want no %q in it", doc.Body, word)
					}
				}
			}
		})
	}
}

func TestTitleAndMeta(t *testing.T) {
	for _, tt := range []struct {
		name, html string
		key, want  string
	}{
		{"title", "<title> A &amp; B\n C </title><h1>D</h1>", "title", "A & B C"},
		{"title by og:title", "<title> </title><meta property=og:title content=A><h1>B</h1>", "title", "A"},
		{"title by h1", "<h1 hidden>A</h1><h1>B <i>C</i></h1>", "title", "B C"},
		{"the title of an image is none", "<svg><title>A</title></svg><title>B</title>", "title", "B"},
		{"names are in lower case", "<meta name=DC.Publisher content=A>", "dc.publisher", "A"},
		{"properties as written", "<meta property='og:site_name' content=A>", "og:site_name", "A"},
		{"several properties", "<meta property='og:image twitter:image' content=A>", "twitter:image", "A"},
		{"the first counts", "<meta name=robots content=A><meta name=robots content=B>", "robots", "A"},
		{"lists have all", "<meta property=article:tag content=A><meta property=article:tag content=B>", "article:tag", "A, B"},
		{"author", "<meta name=author content=A>", "author", "A"},
		{"author is a name", "<meta property=article:author content='https://x.com/a'><meta name=twitter:creator content=A>", "author", "A"},
		{"author by Dublin Core", "<meta name=DC.creator content=A>", "author", "A"},
		{"author by JSON-LD", `<script type=application/ld+json>{"@type":"NewsArticle","author":{"name":"A"}}</script>`, "author", "A"},
		{"JSON-LD with line ends in strings", "<script type='application/ld+json; charset=utf-8'><!--\n{\"@type\":[\"Thing\",\"Article\"],\"description\":\"a\nb\"}\n--></script>", "description", "a b"},
		{"broken JSON-LD", "<script type=application/ld+json>{</script><meta name=author content=A>", "author", "A"},
		{"JSON-LD of others", `<script type=application/ld+json>{"@type":"Organization","description":"A"}</script>`, "description", ""},
		{"keywords", "<meta name=Keywords content='a, b'>", "keywords", "a, b"},
		{"subject", "<meta name=dcterms.subject content=A>", "subject", "A"},
		{"description", "<meta property=og:description content=B><meta name=description content=A>", "description", "A"},
		{"language", "<html lang=pt-BR><p>", "language", "pt-BR"},
		{"language of the server", "<meta http-equiv=content-language content=de>", "language", "de"},
		{"language of og:locale", "<meta property=og:locale content=en_GB>", "language", "en-GB"},
		{"created", "<meta property=article:published_time content='2026-03-04T10:20:30+01:00'>", "created", "2026-03-04T10:20:30+01:00"},
		{"created by day", "<meta name=dcterms.created content=2026-03-04>", "created", "2026-03-04T00:00:00Z"},
		{"created by JSON-LD", `<script type=application/ld+json>[{"@type":"BlogPosting","datePublished":"March 4, 2026"}]</script>`, "created", "2026-03-04T00:00:00Z"},
		{"created by time", "<time itemprop=datePublished datetime=2026-03-04T10:20Z>4 March</time>", "created", "2026-03-04T10:20:00Z"},
		{"created must be a date", "<meta name=created content=yesterday>", "created", ""},
		{"the next source when one is no date", "<meta name=date content=soon><meta name=DC.date content='4 March 2026'>", "created", "2026-03-04T00:00:00Z"},
		{"modified", "<meta property=og:updated_time content='2026-03-04 10:20:30'>", "modified", "2026-03-04T10:20:30Z"},
		{"modified of the server", "<meta http-equiv=last-modified content='Wed, 04 Mar 2026 10:20:30 GMT'>", "modified", "2026-03-04T10:20:30Z"},
		{"canonical", "<link rel=canonical href=https://x.com/a>", "canonical", "https://x.com/a"},
		{"not there", "<p>a", "author", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := mustPage(t, tt.html, Options{})
			if got := doc.Meta[tt.key]; got != tt.want {
				t.Errorf("Meta[%q] of %s = %q, want %q", tt.key, tt.html, got, tt.want)
			}
			if doc.Title != doc.Meta["title"] {
				t.Errorf("Title = %q, Meta[title] = %q", doc.Title, doc.Meta["title"])
			}
		})
	}
}

func TestHeadings(t *testing.T) {
	text := strings.Repeat("Some words, and some more of them, make a paragraph that counts. ", 15)
	doc := mustPage(t, "<title>The jam</title><nav><h2>Menu</h2></nav><article><h1>The jam</h1><p>"+text+"</p><h3> Open <b>it</b> </h3><p>"+text+"</p><h2></h2><h2 hidden>No</h2><h2>Close</h2><p>"+text+"</p></article>", Options{})
	if want := []string{"The jam", "Open it", "Close"}; !slices.Equal(doc.Headings, want) {
		t.Errorf("Headings = %q, want %q", doc.Headings, want)
	}
}

func TestCleanHTML(t *testing.T) {
	for _, tt := range []struct{ name, html, want string }{
		{"scripts and handlers", `<p onclick="a()">x<script>b()</script><a href="javascript:c()">y</a></p>`, "<p>xy</p>"},
		{"styles and frames", `<style>p{}</style><p style="color:red">x</p><iframe src="https://x.com"></iframe>`, "<p>x</p>"},
		{"data links", `<a href="data:text/html,x">y</a>`, "y"},
		{"tricks", `<p><a href=" java&#10;script:a()">y</a><img src=x onerror=a()><svg onload=a()></svg></p>`, `<p>y<img src="x"/></p>`},
		{"boilerplate", "<nav>a</nav><p>x</p><footer>b</footer>", "<p>x</p>"},
		{"relative links stay", `<p><a href="a.html">x</a></p>`, `<p><a href="a.html">x</a></p>`},
		{"links become absolute", `<base href="https://x.com/d/"><p><a href="a.html">x</a> <a href="#b">y</a></p>`, `<p><a href="https://x.com/d/a.html">x</a> <a href="#b">y</a></p>`},
		{"links relative to a base that is relative to the page", `<link rel=canonical href="https://x.com/e/f.html"><base href="../d/"><p><a href="a.html">x</a></p>`, `<p><a href="https://x.com/d/a.html">x</a></p>`},
		{"structure stays", "<h1>a</h1><ul><li>b</li></ul><table><tbody><tr><td>c</td></tr></tbody></table>", "<h1>a</h1><ul><li>b</li></ul><table><tbody><tr><td>c</td></tr></tbody></table>"},
		{"text is text", "<p>&lt;script&gt;a&lt;/script&gt;</p>", "<p>&lt;script&gt;a&lt;/script&gt;</p>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustPage(t, tt.html, Options{}).HTML(); got != tt.want {
				t.Errorf("HTML of %s = %q, want %q", tt.html, got, tt.want)
			}
		})
	}
}

const selectPage = `<title>The title</title><meta name=price content=" 12.50 "><div class=a> one
 <b>two</b></div><div class="a b">three<p hidden>four</p></div><a class=download href=f.pdf>Get it</a><a class=download href=g.pdf></a>
<img src=i.png alt=i><time datetime=2026-03-04></time><input value=v><script id=s>code()</script><i title="x@y">mail</i>`

func TestSelect(t *testing.T) {
	doc := mustPage(t, selectPage, Options{})
	for _, tt := range []struct {
		css  string
		want []string
	}{
		{"title", []string{"The title"}},
		{".a", []string{"one two", "three four"}},
		{"div.b", []string{"three four"}},
		{"meta[name=price]", []string{"12.50"}},
		{"a.download", []string{"Get it", "g.pdf"}},
		{"a.download@href", []string{"f.pdf", "g.pdf"}},
		{"a.download @HREF", []string{"f.pdf", "g.pdf"}},
		{"a@name", []string{}},
		{"img", []string{"i.png"}},
		{"img@alt", []string{"i"}},
		{"time", []string{"2026-03-04"}},
		{"input", []string{"v"}},
		{"#s", []string{"code()"}},
		{`i[title="x@y"]`, []string{"mail"}},
		{`i[title="x@y"]@title`, []string{"x@y"}},
		{"title, time@datetime", []string{"2026-03-04"}},
		{"div:nth-child(2)", []string{"three four"}},
		{"h6", []string{}},
	} {
		got, err := doc.Select(tt.css)
		if err != nil || !slices.Equal(got, tt.want) || got == nil {
			t.Errorf("Select(%q) = %q, %v, want %q", tt.css, got, err, tt.want)
		}
	}
	for _, css := range []string{"", "div[", "a >", "::before", ":nosuch", "@href", strings.Repeat(":not(", 1000), strings.Repeat("a", 5000)} {
		if got, err := doc.Select(css); err == nil || !strings.Contains(err.Error(), "CSS selector") {
			t.Errorf("Select(%.20q) = %q, %v, want an error that names the selector", css, got, err)
		}
	}
}

// TestSelectTogether runs under the race detector.
func TestSelectTogether(t *testing.T) {
	doc := mustPage(t, selectPage, Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := doc.Select(".a"); err != nil || len(got) != 2 {
				t.Errorf("Select = %q, %v, want 2 texts", got, err)
			}
			if got := doc.HTML(); !strings.Contains(got, "two") {
				t.Errorf("HTML = %q, want two in it", got)
			}
		})
	}
	wg.Wait()
}

// TestCutPages cuts inside of what shows that it was cut.
func TestCutPages(t *testing.T) {
	for _, tt := range []struct{ name, html, inside string }{
		{"tag", "<p>a<p clas", "a tag"},
		{"tag name", "<p>a<di", "a tag"},
		{"attribute", `<p>a<a href="http://x.com/>b</a>`, "a tag"},
		{"value without quotes", "<p>a<a href=x", "a tag"},
		{"end tag", "<p>a</p", "a tag"},
		{"bracket", "<p>a<", "a tag"},
		{"bracket and slash", "<p>a</", "a tag"},
		{"comment", "<p>a<!-- b", "a comment"},
		{"comment's end", "<p>a<!-- b --", "a comment"},
		{"doctype", "<!DOCTYPE ht", "a declaration"},
		{"script", "<p>a<script>b()", "<script>"},
		{"script tag alone", "<p>a<script>", "<script>"},
		{"script's end", "<p>a<script>b()</script", "a tag"},
		{"style", "<STYLE>p{}", "<style>"},
		{"title", "<title>a", "<title>"},
		{"character", "<meta charset=utf-8><p>a\xC3", "a character"},
		{"character of a text with others", "<p>\u00E9a\xE2\x82", "a character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := page(t, tt.html, Options{})
			if !errors.Is(err, ErrShort) || doc != nil {
				t.Fatalf("reading %q: record %v, error %v, want no record and %v", tt.html, doc, err, ErrShort)
			}
			if bad, ok := errors.AsType[*FileError](err); !ok || bad.Reason != ReasonShort || !strings.Contains(bad.Detail, tt.inside) {
				t.Errorf("error = %#v, want a FileError that names %q", err, tt.inside)
			}
		})
	}
	for _, whole := range []string{"<html><body><p>a", "<p>a < b", "<p>a <3 b", "<!-->a", "<!--->a", "<!-- a --!>b", "<!-- a --->b", "<p title='>'>a", "<script>'</scrip>'</script>a", "<plaintext>a <b", "<svg><style/></svg>a", "<p a='b'c>a", "<?php echo ?>a", "</ x>a"} {
		if doc, err := page(t, whole, Options{}); err != nil || doc.Body == "" {
			t.Errorf("reading %q: %v, %v, want a record with text", whole, doc, err)
		}
	}
}

func TestHTMLErrors(t *testing.T) {
	for _, tt := range []struct {
		name, html string
		opt        Options
		reason     string
		says       string
	}{
		{"rows", "<p>a", Options{Item: "row"}, ReasonOption, "item: document"},
		{"pages", "<p>a", Options{Item: "page"}, ReasonOption, "item: document"},
		{"content", "<p>a", Options{HTML: HTMLOptions{Content: "most"}}, ReasonOption, "article, main or full"},
		{"encoding", "<p>a", Options{HTML: HTMLOptions{Encoding: "utf-9"}}, ReasonOption, "utf-9"},
		{"too large", "<p>aaaaa", Options{Limits: Limits{Record: 7}}, ReasonTooLarge, "limits.record"},
		{"empty", "", Options{}, ReasonEmpty, "empty"},
		{"white space", " \n\uFEFF\t", Options{}, ReasonEmpty, "white space"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := page(t, tt.html, tt.opt)
			bad, ok := errors.AsType[*FileError](err)
			if !ok || doc != nil || bad.Reason != tt.reason || !strings.Contains(bad.Detail, tt.says) || bad.Place.File != "page.html" {
				t.Errorf("record %v, error %#v, want none and a FileError with reason %s that says %q", doc, err, tt.reason, tt.says)
			}
		})
	}
	if _, err := page(t, "<p>aaaa", Options{Item: "document", Limits: Limits{Record: 7}}); err != nil {
		t.Errorf("a page as long as the limit: %v", err)
	}
}

// TestWildMarkup reads what would kill a reader without guards. All text that
// such a page has is still there.
func TestWildMarkup(t *testing.T) {
	rep := strings.Repeat
	var bold strings.Builder
	for i := range 400 {
		fmt.Fprintf(&bold, "<b id=%d>", i)
	}
	for _, tt := range []struct {
		name, html string
		words      int
		warns      bool
	}{
		{"a million elements deep", rep("<div>", 1_000_000) + "word" + rep("</div>", 1_000_000), 1, true},
		{"never closed", rep("<div>word", 200_000), 200_000, true},
		{"closed in the wrong order", rep("<div><span>word</div>", 50_000), 50_000, false},
		{"formatting that comes back", bold.String() + rep("<p>word", 100_000), 100_000, true},
		{"tables in tables", rep("<table><tr><td>word", 20_000), 20_000, true},
		{"attributes without end", "<div " + rep("a=1 b ", 200_000) + ">word", 1, false},
		{"just deep", rep("<div>", 400) + "word", 1, false},
		{"paragraphs without end", rep("<p>word", 100_000), 100_000, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := mustPage(t, tt.html, Options{})
			if got := strings.Count(doc.Body, "word"); got != tt.words {
				t.Errorf("%d words, want %d", got, tt.words)
			}
			if n := len(strings.Fields(doc.Body)); n != tt.words {
				t.Errorf("%d words are parted from each other, want %d", n, tt.words)
			}
			if (len(doc.Warnings) > 0) != tt.warns {
				t.Errorf("warnings %q, want some: %v", doc.Warnings, tt.warns)
			}
			if got, err := doc.Select("title"); err != nil || len(got) != 0 {
				t.Errorf("Select = %q, %v, want none", got, err)
			}
			doc.HTML()
		})
	}
}

// A cancelAt cancels when the reader reads at off or behind it.
type cancelAt struct {
	*bytes.Reader
	cancel context.CancelFunc
}

func (c cancelAt) ReadAt(p []byte, off int64) (int, error) {
	c.cancel()
	return c.Reader.ReadAt(p, off)
}

func TestHTMLCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := []byte(strings.Repeat("<p>word", 1000))
	n := 0
	for rec, err := range HTML.Read(ctx, Input{Name: "a.html", Size: int64(len(b)), ReaderAt: cancelAt{bytes.NewReader(b), cancel}}, Options{}) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("record %v, error %v, want %v", rec, err, context.Canceled)
		}
	}
	if n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
}

func TestXHTML(t *testing.T) {
	doc, err := pageNamed(t, "a.xhtml", `<html><head><script src="x"/><title/></head><body><div/><p>a</p><p><![CDATA[<b>]]></p><br/></body></html>`, Options{})
	if err != nil || doc.Body != "a\n\n<b>" || doc.Title != "" {
		t.Errorf("got %+v, %v, want the text of both paragraphs", doc, err)
	}
	doc, err = pageNamed(t, "a.html", `<html><body><p>a<div/>b</body></html>`, Options{})
	if err != nil || doc.Body != "a\n\nb" {
		t.Errorf("got %+v, %v, want a page as browsers read it", cmp.Or(doc, &Document{}), err)
	}
}
