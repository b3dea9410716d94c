//go:build linux || darwin

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"importer/extract"
)

// shingleLength is how many words make a unit of comparison, as in the
// benchmarks of main-text extraction.
const shingleLength = 4

func htmlPart(ctx context.Context, s *settings) ([]section, error) {
	sec, err := scoreHTML(ctx, s)
	return []section{sec}, err
}

// scoreHTML compares the text of pages with that of the main content that
// people marked: source.html and expected.html in a folder for each page.
func scoreHTML(ctx context.Context, s *settings) (section, error) {
	sec := section{title: "HTML", note: "Main text of the pages of mozilla/readability against expected.html: F1 of runs of four words."}
	pages, err := filepath.Glob(filepath.Join(s.corpus, "html", "*", "*", "source.html"))
	if err != nil {
		return sec, err
	}
	if len(pages) == 0 {
		return sec, fmt.Errorf("there are no pages with expected.html below %s", s.corpus)
	}
	sec.add("pages", float64(len(pages)), free, 0, "")
	for _, content := range []string{"article", "main", "full"} {
		var scores []float64
		failed := 0
		for _, page := range pages {
			opt := extract.Options{Format: "html", HTML: extract.HTMLOptions{Content: content}}
			doc, err := readWhole(ctx, page, opt, func(string) {})
			if err != nil {
				failed++
				continue
			}
			want, err := goldText(filepath.Join(filepath.Dir(page), "expected.html"))
			if err != nil {
				return sec, err
			}
			scores = append(scores, f1(shingles(doc.Body), shingles(want)))
		}
		goal := ""
		if content == "article" {
			goal = ">= 0.96"
			sec.add("pages not read", float64(failed), atMost, 0, "0")
			sec.add("4-gram F1, content: article, p10", quantile(scores, .1), atLeast, 0.005, "")
		}
		sec.add("4-gram F1, content: "+content+", mean", mean(scores), atLeast, 0.002, goal)
	}
	return sec, scoreOtherPages(ctx, s, &sec)
}

// leastKept is the share of a page's text under which too little of it is kept.
const leastKept = 0.3

// scoreOtherPages looks at pages that nobody has marked an article in: lists,
// manuals, forms, tests of parsers. What the search for the article keeps of
// their text must not be a corner of it.
func scoreOtherPages(ctx context.Context, s *settings, sec *section) error {
	pages, err := filesBelow(filepath.Join(s.corpus, "html"), ".html")
	if err != nil {
		return err
	}
	seen, little := 0, 0
	for _, page := range pages {
		if name := filepath.Base(page); name == "source.html" || name == "expected.html" {
			continue
		}
		var sizes [2]int
		for i, content := range []string{"article", "full"} {
			opt := extract.Options{Format: "html", HTML: extract.HTMLOptions{Content: content}}
			if doc, err := readWhole(ctx, page, opt, func(string) {}); err == nil {
				sizes[i] = len(words(doc.Body))
			}
		}
		if sizes[1] < minWordsOfPage {
			continue
		}
		seen++
		if float64(sizes[0]) < leastKept*float64(sizes[1]) {
			little++
			if s.worst > 0 {
				fmt.Fprintf(os.Stderr, "%s: %d of %d words are kept\n", page, sizes[0], sizes[1])
			}
		}
	}
	sec.add("pages without an article marked in them", float64(seen), free, 0, "")
	sec.add("of these, less than 30 % of the words kept", float64(little), atMost, 0, "0")
	return ctx.Err()
}

// minWordsOfPage leaves out pages that have no text to speak of.
const minWordsOfPage = 20

// shingles are the runs of four words of a text, or all of a shorter one.
func shingles(s string) bag {
	w := words(s)
	return grams(w, min(shingleLength, max(1, len(w))))
}

// goldText is the text of a page by a route that shares nothing with the
// reader: all text nodes, elements other than these parted by a blank.
func goldText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	doc, err := html.Parse(f)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && !inline[n.DataAtom]:
			b.WriteByte(' ')
		}
	}
	return b.String(), nil
}

// inline are the elements that do not part words.
var inline = map[atom.Atom]bool{
	atom.A: true, atom.Abbr: true, atom.Acronym: true, atom.B: true, atom.Bdi: true, atom.Bdo: true, atom.Big: true,
	atom.Cite: true, atom.Code: true, atom.Data: true, atom.Del: true, atom.Dfn: true, atom.Em: true, atom.Font: true,
	atom.I: true, atom.Ins: true, atom.Kbd: true, atom.Label: true, atom.Mark: true, atom.Nobr: true, atom.Q: true,
	atom.Ruby: true, atom.S: true, atom.Samp: true, atom.Small: true, atom.Span: true, atom.Strike: true, atom.Strong: true,
	atom.Sub: true, atom.Sup: true, atom.Time: true, atom.Tt: true, atom.U: true, atom.Var: true, atom.Wbr: true,
}
