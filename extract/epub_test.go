package extract

import (
	"fmt"
	"strings"
	"testing"
)

// epubOf makes a book of chapters, in the order of the spine; their parts are in
// reverse order.
func epubOf(t testing.TB, chapters ...string) []byte {
	t.Helper()
	parts := []zipEntry{{name: "mimetype", content: "application/epub+zip", stored: true},
		{name: "META-INF/container.xml", content: `<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>`}}
	var items, spine strings.Builder
	for i, html := range chapters {
		name := fmt.Sprintf("chapter %d.xhtml", len(chapters)-i)
		fmt.Fprintf(&items, `<item id="c%d" href="%s" media-type="application/xhtml+xml"/>`, i, strings.ReplaceAll(name, " ", "%20"))
		fmt.Fprintf(&spine, `<itemref idref="c%d"/>`, i)
		if html != "" {
			parts = append(parts, zipEntry{name: "OEBPS/" + name, content: `<html><body>` + html + `</body></html>`})
		}
	}
	parts = append(parts, zipEntry{name: "OEBPS/book.opf", content: `<package xmlns:dc="d"><metadata><dc:title>The title</dc:title><dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator>` +
		`<dc:language>en</dc:language><dc:date>2024-05-06</dc:date></metadata><manifest>` + items.String() + `</manifest><spine>` + spine.String() + `</spine></package>`})
	return zipBytes(t, parts...)
}

func TestEPUB(t *testing.T) {
	doc := oneFile(t, "a.epub", epubOf(t, "<h1>One</h1><p>First &amp; last.</p>", "<h1>Two</h1><p>Second.</p>"), Options{})
	same(t, "body", doc.Body, "One\n\nFirst & last.\n\nTwo\n\nSecond.")
	same(t, "headings", strings.Join(doc.Headings, "|"), "One|Two")
	same(t, "meta", fmt.Sprint(doc.Title, doc.Meta), "The titlemap[author:Ada, Bob created:2024-05-06T00:00:00Z language:en title:The title]")

	doc = oneFile(t, "a.epub", epubOf(t, "<p>One</p>", ""), Options{})
	if len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "1 of 2 chapters are missing") {
		t.Errorf("warnings %q, want that a chapter is missing", doc.Warnings)
	}
	refused(t, "a.epub", epubOf(t), Options{}, ReasonBroken, "no chapters")
	refused(t, "a.epub", zipBytes(t, zipEntry{name: "mimetype", content: "application/epub+zip", stored: true}), Options{}, ReasonBroken, "no package file")
	refused(t, "a.epub", zipBytes(t, zipEntry{name: "mimetype", content: "application/epub+zip", stored: true},
		zipEntry{name: "META-INF/encryption.xml", content: `<x Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>`}), Options{}, ReasonEncrypted, "copy protection")
}

func TestSuiteEPUB(t *testing.T) {
	runSuite(t, suiteCase{format: EPUB, name: "a.epub", small: epubOf(t, "<p>one</p>", "<p>two</p>"), want: 1, cuts: 40, flips: 60})
}
