package extract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

const wordNS = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"`

// docxOf makes a Word document of the XML of its body; extra adds parts.
func docxOf(t testing.TB, body string, extra map[string]string) []byte {
	t.Helper()
	parts := []zipEntry{
		{name: "[Content_Types].xml", content: `<Types/>`},
		{name: "_rels/.rels", content: relsXML([3]string{"r1", "officeDocument", "word/document.xml"}, [3]string{"r2", "core-properties", "docProps/core.xml"})},
		{name: "word/_rels/document.xml.rels", content: relsXML([3]string{"s", "styles", "styles.xml"}, [3]string{"h", "header", "header1.xml"}, [3]string{"h2", "header", "header2.xml"},
			[3]string{"f", "footer", "footer1.xml"}, [3]string{"n", "footnotes", "footnotes.xml"}, [3]string{"c", "comments", "comments.xml"})},
		{name: "word/document.xml", content: `<?xml version="1.0"?><w:document ` + wordNS + `><w:body>` + body + `</w:body></w:document>`},
		{name: "docProps/core.xml", content: coreXML},
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		parts = append(parts, zipEntry{name: name, content: extra[name]})
	}
	return zipBytes(t, parts...)
}

func wordPara(runs ...string) string {
	var b strings.Builder
	for _, r := range runs {
		fmt.Fprintf(&b, `<w:r><w:t xml:space="preserve">%s</w:t></w:r>`, r)
	}
	return `<w:p>` + b.String() + `</w:p>`
}

func TestDOCX(t *testing.T) {
	wrap := func(name, inner string) string {
		return `<w:` + name + ` ` + wordNS + `>` + inner + `</w:` + name + `>`
	}
	body := `<w:p><w:pPr><w:pStyle w:val="berschrift1"/></w:pPr><w:r><w:t>First &amp; last</w:t></w:r></w:p>` +
		wordPara("One ", "run", " after another.") +
		`<w:p><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>an item</w:t></w:r></w:p>` +
		`<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>` +
		`<w:tbl><w:tr><w:tc>` + wordPara("A1") + wordPara("again") + `</w:tc><w:tc>` + wordPara("B1") + `</w:tc></w:tr><w:tr><w:tc>` + wordPara("A2") + `</w:tc><w:tc>` + wordPara("B2") + `</w:tc></w:tr></w:tbl>` +
		`<w:p><w:del><w:r><w:delText>gone</w:delText><w:t>gone too</w:t></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>` +
		`<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:t>7</w:t></w:r></w:p>` +
		`<w:p><w:r><mc:AlternateContent><mc:Choice><w:t>box</w:t></mc:Choice><mc:Fallback><w:t>box</w:t></mc:Fallback></mc:AlternateContent></w:r></w:p>` +
		wordPara("&#x1F600; &lt;end&gt;")
	doc := oneFile(t, "a.docx", docxOf(t, body, map[string]string{
		"word/styles.xml":           wrap("styles", `<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>`),
		"word/header1.xml":          wrap("hdr", wordPara("The head")),
		"word/header2.xml":          wrap("hdr", wordPara("The head")),
		"word/footer1.xml":          wrap("ftr", wordPara("The foot")),
		"word/footnotes.xml":        wrap("footnotes", wordPara("A note.")),
		"word/embeddings/data.xlsx": "not really a workbook",
	}), Options{})
	same(t, "body", doc.Body, "The head\n\nFirst & last\nOne run after another.\n- an item\na\tb\nc\nA1 again\tB1\nA2\tB2\nnew\n7\nbox\n😀 <end>\n\nA note.\n\nThe foot")
	same(t, "headings", strings.Join(doc.Headings, "|"), "First & last")
	same(t, "title", doc.Title, "The title")
	same(t, "meta", fmt.Sprint(doc.Meta), "map[author:Ada created:2024-05-06T07:08:09Z lastModifiedBy:Bob title:The title]")
	if len(doc.Attachments) != 1 || doc.Attachments[0].Name != "data.xlsx" {
		t.Errorf("attachments %v, want data.xlsx", doc.Attachments)
	}
	if len(doc.Warnings) > 0 {
		t.Errorf("warnings %q", doc.Warnings)
	}
}

// TestDOCXChunks reads what other programs leave to Word to take in.
func TestDOCXChunks(t *testing.T) {
	rels := relsXML([3]string{"h", "aFChunk", "page.html"}, [3]string{"m", "aFChunk", "page.mht"}, [3]string{"t", "aFChunk", "note.txt"}, [3]string{"x", "aFChunk", "other.rtf"})
	chunk := func(id string) string { return `<w:altChunk xmlns:r="r" r:id="` + id + `"/>` }
	b := zipBytes(t, zipEntry{name: "word/_rels/document.xml.rels", content: rels},
		zipEntry{name: "word/document.xml", content: `<w:document ` + wordNS + `><w:body>` + wordPara("first") + chunk("h") + wordPara("then") + chunk("m") + chunk("t") + chunk("x") + chunk("none") + `</w:body></w:document>`},
		zipEntry{name: "word/page.html", content: `<h1>A page</h1><p>of &auml; text</p>`},
		zipEntry{name: "word/page.mht", content: "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>Gr=C3=BC=C3=9Fe</p>"},
		zipEntry{name: "word/note.txt", content: "a note"}, zipEntry{name: "word/other.rtf", content: "{\\rtf1 x}"})
	doc := oneFile(t, "a.docx", b, Options{})
	same(t, "body", doc.Body, "first\n\nA page\n\nof ä text\n\nthen\n\nGrüße\n\na note")
	same(t, "headings", strings.Join(doc.Headings, "|"), "A page")
	if len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "the text in other.rtf") {
		t.Errorf("warnings %q, want one of other.rtf", doc.Warnings)
	}
}

func TestDOCXRefused(t *testing.T) {
	good := docxOf(t, wordPara("text"), nil)
	refused(t, "a.docx", good[:len(good)-30], Options{}, ReasonShort, "cut short")
	refused(t, "a.docx", cfbBytes(t, cfbNode{name: "EncryptedPackage", content: []byte("x")}), Options{}, ReasonEncrypted, "without a password")
	refused(t, "a.docx", zipBytes(t, zipEntry{name: "other.xml", content: "<a/>"}), Options{}, ReasonBroken, "no word/document.xml")
	refused(t, "a.docx", good, Options{Item: "page"}, ReasonOption, "item is")
	unclosed := zipBytes(t, zipEntry{name: "word/document.xml", content: `<w:document><w:body>` + wordPara("text")})
	refused(t, "a.docx", unclosed, Options{}, ReasonShort, "document.xml")
	big := docxOf(t, wordPara(strings.Repeat("x", 1<<20)), nil)
	refused(t, "a.docx", big, Options{Limits: Limits{Unzipped: 1 << 16}}, ReasonTooLarge, "limits")

	doc := oneFile(t, "a.docx", docxOf(t, wordPara(strings.Repeat("word ", 1000)), nil), Options{Limits: Limits{Record: 100}})
	if len(doc.Body) > 100 || len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "was cut at 100 bytes") {
		t.Errorf("%d bytes of text, warnings %q, want 100 and that it was cut", len(doc.Body), doc.Warnings)
	}
	if doc := oneFile(t, "a.docx", docxOf(t, "<w:p/>", nil), Options{}); len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "no text") {
		t.Errorf("warnings %q of an empty document, want that it has no text", doc.Warnings)
	}
}

func TestSuiteDOCX(t *testing.T) {
	runSuite(t, suiteCase{format: DOCX, name: "a.docx", small: docxOf(t, wordPara("one")+wordPara("two"), nil), want: 1, cuts: 40, flips: 60})
}
