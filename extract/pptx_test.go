package extract

import (
	"fmt"
	"strings"
	"testing"
)

// pptxOf makes a presentation of the XML of its slides' shapes, in reverse order
// of their parts' names.
func pptxOf(t testing.TB, notes string, slides ...string) []byte {
	t.Helper()
	parts := []zipEntry{{name: "_rels/.rels", content: relsXML([3]string{"r1", "officeDocument", "ppt/presentation.xml"}, [3]string{"r2", "core-properties", "docProps/core.xml"})}}
	var ids strings.Builder
	var rels [][3]string
	for i, xml := range slides {
		name := fmt.Sprintf("slide%d.xml", len(slides)-i)
		fmt.Fprintf(&ids, `<p:sldId id="%d" r:id="rId%d"/>`, 256+i, i)
		rels = append(rels, [3]string{fmt.Sprintf("rId%d", i), "slide", "slides/" + name})
		parts = append(parts, zipEntry{name: "ppt/slides/" + name, content: `<p:sld xmlns:p="p" xmlns:a="a"><p:cSld><p:spTree>` + xml + `</p:spTree></p:cSld></p:sld>`})
		if notes != "" && i == 0 {
			parts = append(parts, zipEntry{name: "ppt/slides/_rels/" + name + ".rels", content: relsXML([3]string{"n", "notesSlide", "../notesSlides/notes1.xml"})},
				zipEntry{name: "ppt/notesSlides/notes1.xml", content: `<p:notes>` + notes + `</p:notes>`})
		}
	}
	parts = append(parts, zipEntry{name: "ppt/presentation.xml", content: `<p:presentation xmlns:r="r"><p:sldIdLst>` + ids.String() + `</p:sldIdLst></p:presentation>`},
		zipEntry{name: "ppt/_rels/presentation.xml.rels", content: relsXML(rels...)}, zipEntry{name: "docProps/core.xml", content: coreXML})
	return zipBytes(t, parts...)
}

// shape is a shape with a placeholder of a kind, "" for none, and paragraphs.
func shape(kind string, paras ...string) string {
	ph := ""
	if kind != "" {
		ph = `<p:nvSpPr><p:nvPr><p:ph type="` + kind + `"/></p:nvPr></p:nvSpPr>`
	}
	var b strings.Builder
	for _, p := range paras {
		b.WriteString(`<a:p><a:r><a:t>` + p + `</a:t></a:r></a:p>`)
	}
	return `<p:sp>` + ph + `<p:txBody>` + b.String() + `</p:txBody></p:sp>`
}

func TestPPTX(t *testing.T) {
	cell := func(s string) string {
		return `<a:tc><a:txBody><a:p><a:r><a:t>` + s + `</a:t></a:r></a:p></a:txBody></a:tc>`
	}
	first := shape("ctrTitle", "Welcome") + shape("subTitle", "to all", "of you &amp; yours")
	second := shape("title", "Numbers") + `<a:tbl><a:tr>` + cell("A1") + cell("B1") + `</a:tr><a:tr>` + cell("A2") + cell("B2") + `</a:tr></a:tbl>` + shape("", "a box")
	b := pptxOf(t, shape("sldNum", "1")+shape("body", "Speak slowly."), first, second)

	doc := oneFile(t, "a.pptx", b, Options{})
	same(t, "body", doc.Body, "Welcome\nto all\nof you & yours\n\nSpeak slowly.\fNumbers\nA1\tB1\nA2\tB2\na box")
	same(t, "headings", strings.Join(doc.Headings, "|"), "Welcome|Numbers")
	same(t, "facts", fmt.Sprint(doc.Title, doc.Page, doc.Pages, doc.Meta["author"]), "The title0 2Ada")

	got := readAll(t, t.Context(), bytesInput("a.pptx", b), Options{Item: "page"})
	if len(got.recs) != 2 || got.err != nil {
		t.Fatalf("%d records, error %v, want 2 slides", len(got.recs), got.err)
	}
	page := got.recs[1]
	same(t, "second slide", fmt.Sprint(page.Place, page.Doc.Page, page.Doc.Pages, page.Doc.Headings, page.Doc.Body), "a.pptx#page=2 2 2 [Numbers]Numbers\nA1\tB1\nA2\tB2\na box")

	doc = oneFile(t, "a.pptx", b, Options{Limits: Limits{Record: 10}})
	if len(doc.Body) > 10 || len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "cut at 10 bytes, on slide 1 of") {
		t.Errorf("%q, warnings %q, want 10 bytes and that it was cut", doc.Body, doc.Warnings)
	}
	refused(t, "a.pptx", b, Options{Item: "row"}, ReasonOption, "document or page")
	refused(t, "a.pptx", zipBytes(t, zipEntry{name: "a.xml"}), Options{}, ReasonBroken, "no ppt/presentation.xml")
	refused(t, "a.pptx", b[:len(b)/2], Options{}, ReasonShort, "cut short")
}

func TestSuitePPTX(t *testing.T) {
	b := pptxOf(t, "", shape("title", "one"), shape("title", "two"), shape("title", "three"))
	runSuite(t, suiteCase{format: PPTX, name: "a.pptx", opt: Options{Item: "page"}, small: b, want: 3, cuts: 40, flips: 60})
}
