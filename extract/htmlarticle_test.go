package extract

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func TestNamesOf(t *testing.T) {
	tests := []struct {
		class, id string
		kinds     classWords
		weight    int
	}{
		{"", "", 0, 0},
		{"Sidebar", "", wordUnlikely | wordNegative, -25},
		{"article-body", "", wordMaybe | wordPositive, 25},
		{"post", "comments", wordUnlikely | wordPositive | wordNegative, 0},
		{"content sponsor", "", wordUnlikely | wordMaybe | wordPositive | wordNegative, 0},
		{"hid", "", wordNegative, -25},
		{"x hid y", "", wordNegative, -25},
		{"hide-and-seek", "", wordMaybe, 0},
		{"big-ad-box", "", wordUnlikely | wordNegative, -25},
		{"ads", "", 0, 0},
		{"ai2html", "", wordUnlikely, 0},
		{"h-entry", "", wordPositive, 25},
		{"author-name", "", wordByline, 0},
		{"share-bar", "", wordNegative | wordShare, -25},
		{"shareholders", "", wordNegative, -25},
		{"blog_share", "", wordPositive | wordNegative | wordShare, 0},
		{"yom-remote", "", wordUnlikely, 0},
		{"cococontent", "", wordMaybe | wordPositive, 25},
	}
	for _, tt := range tests {
		n := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div, Attr: []html.Attribute{{Key: "class", Val: tt.class}, {Key: "id", Val: tt.id}}}
		if kinds, weight := namesOf(n); kinds != tt.kinds || weight != tt.weight {
			t.Errorf("namesOf(%q, %q) = %b, %d, want %b, %d", tt.class, tt.id, kinds, weight, tt.kinds, tt.weight)
		}
	}
}

func TestCountText(t *testing.T) {
	for text, want := range map[string][2]int{"": {0, 0}, " \n\t": {0, 0}, "a": {1, 0}, " a  b, c ": {6, 1}, "naïve，x": {7, 1}, "日本": {2, 0}} {
		if chars, commas := countText(text); [2]int{chars, commas} != want {
			t.Errorf("countText(%q) = %d, %d, want %v", text, chars, commas, want)
		}
	}
}

// However many elements are left out, the counts are those of what is left.
func TestArticleCounts(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("testdata", "html", "article.html"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(string(page) + strings.Repeat("<div class=x><ul><li>a, <a href=#b>bc</a><li><img><p>d<span>e <h2>f</h2></span></ul><input><figcaption><a>g</a></figcaption></div>", 20)))
	if err != nil {
		t.Fatal(err)
	}
	body := first(doc, func(n *html.Node) bool { return n.DataAtom == atom.Body })
	s := &articleSearch{}
	s.add(body, -1)
	var recount func(i int) counts
	recount = func(i int) counts {
		var sum counts
		for c := s.nodes[i].n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type == html.TextNode {
				chars, commas := countText(c.Data)
				sum.add(counts{chars: chars, commas: commas}, 1)
			}
		}
		for k := i + 1; k < s.nodes[i].end; k = s.nodes[k].end {
			if a := &s.nodes[k]; !a.gone {
				sum.add(a.wrap(recount(k), a.n.Parent, true), 1)
			}
		}
		return sum
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		if i := 1 + r.IntN(len(s.nodes)-1); !s.nodes[i].gone {
			s.remove(i)
		}
		for i := range s.nodes {
			if a := &s.nodes[i]; !a.gone && a.counts != recount(i) {
				t.Fatalf("node %d <%s>: %+v, want %+v", i, a.n.Data, a.counts, recount(i))
			}
		}
	}
}

// A page of elements in each other costs no more than its size.
func TestArticleDeepPages(t *testing.T) {
	for name, text := range map[string]string{
		"bylines":  strings.Repeat("<div class=author>", 400) + strings.Repeat("word ", 50_000),
		"shares":   strings.Repeat("<div class=share>", 400) + strings.Repeat("<p>word</p>", 20_000),
		"tables":   strings.Repeat("<table><tr><td>", 150) + strings.Repeat("<div><a href=x>word</a></div>", 10_000),
		"headings": strings.Repeat("<h1>", 400) + strings.Repeat("word ", 50_000),
	} {
		rec, err := readPage(t.Context(), Input{Name: "p.html", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}, Options{HTML: HTMLOptions{Content: "article"}})
		if err != nil || strings.Count(rec.Doc.Body, "word") < 1000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
