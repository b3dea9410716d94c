package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importer/transform"
)

const pagesMapping = `version: 1
connection: {id: testconnection, name: Test, description: For tests.}
schema:
  title: {type: string, searchable: true, retrievable: true}
  author: {type: string, searchable: true, retrievable: true}
  price: {type: int64, retrievable: true}
sources:
  - name: pages
    path: files/*.html
    id: file.path
    properties:
      title: title ?? file.stem
      author: meta.author
      price: {value: int(select(".price")), onError: omit}
    content: {type: text, value: body}
    acl: [{grant: everyone}]
`

// pages writes so many pages, with the marks of an author and a price.
func (w *world) pages(n int, more string) {
	w.t.Helper()
	w.must(os.MkdirAll(filepath.Join(w.dir, "files"), 0o700))
	for i := range n {
		w.put(fmt.Sprintf("%02d.html", i), fmt.Sprintf("<title>Page %d</title>"+more+"<p>Text of page %d, as it is %d.", i, i, len(more)))
	}
}

// A property that every document had, and none has any more, is told, and stops
// the run where it is no text: most often the pages have a new design.
func TestDriftOfDocuments(t *testing.T) {
	const author, price = `<meta name=author content=Ann>`, `<p><span class=price>7</span></p>`
	world := func(t *testing.T, n int) *world {
		w := newWorld(t)
		w.source(pagesMapping)
		w.pages(n, author+price)
		w.mustCrawl()
		return w
	}
	t.Run("a text", func(t *testing.T) {
		w := world(t, 30)
		w.pages(30, price)
		rep := w.mustCrawl()
		if len(rep.Changes) != 1 || rep.Changes[0].Kind != transform.ChangeEmpty || !strings.Contains(rep.Changes[0].String(), "none of the 20 documents that were looked at has a value for author, and 30 of 30 had one before") {
			t.Errorf("changes %v, want one of the author", rep.Changes)
		}
		w.pages(30, price+"<i>more</i>")
		if rep := w.mustCrawl(); len(rep.Changes) > 0 {
			t.Errorf("changes %v, which were told before", rep.Changes)
		}
	})
	t.Run("a number", func(t *testing.T) {
		w := world(t, 12)
		w.pages(12, author)
		w.wantDrift(transform.ChangeEmpty)
		w.wantDrift(transform.ChangeEmpty)
		w.tweak = func(c *Crawl) { c.AcceptDrift = true }
		if rep := w.mustCrawl(); len(rep.Changes) != 1 {
			t.Errorf("accepted changes %v, want one", rep.Changes)
		}
		w.tweak = nil
		w.pages(12, author+"<i>more</i>")
		if rep := w.mustCrawl(); len(rep.Changes) > 0 {
			t.Errorf("changes %v, which were accepted", rep.Changes)
		}
	})
	t.Run("some still have it", func(t *testing.T) {
		w := world(t, 12)
		w.pages(12, author)
		w.pages(1, author+price+"<i>more</i>")
		w.mustCrawl()
	})
	t.Run("few documents", func(t *testing.T) {
		w := world(t, 12)
		w.pages(5, author)
		w.mustCrawl()
	})
	t.Run("another mapping", func(t *testing.T) {
		w := world(t, 12)
		w.edit("author: meta.author", "author: meta.writer", `select(".price")`, `select(".cost")`)
		if rep := w.mustCrawl(); len(rep.Changes) > 0 {
			t.Errorf("changes %v, and it is the mapping that has changed", rep.Changes)
		}
	})
	t.Run("a run that was interrupted", func(t *testing.T) {
		w := newWorld(t)
		w.source(pagesMapping)
		w.pages(12, author+price)
		w.failAt(3)
		if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		w.target.onRequest = nil
		w.mustCrawl()
		w.pages(12, author)
		w.wantDrift(transform.ChangeEmpty)
	})
}
