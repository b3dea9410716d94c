package extract

import (
	"fmt"
	"strings"
	"testing"
)

// odfOf makes an OpenDocument file of a kind of the XML of its body.
func odfOf(t testing.TB, kind, body string, extra ...zipEntry) []byte {
	t.Helper()
	const ns = `xmlns:office="o" xmlns:text="t" xmlns:table="b" xmlns:draw="d" xmlns:presentation="p" xmlns:style="s" xmlns:fo="f" xmlns:calcext="c" xmlns:meta="m" xmlns:dc="dc"`
	parts := []zipEntry{
		{name: "mimetype", content: "application/vnd.oasis.opendocument." + kind, stored: true},
		{name: "content.xml", content: `<?xml version="1.0"?><office:document-content ` + ns + `><office:body>` + body + `</office:body></office:document-content>`},
		{name: "meta.xml", content: `<office:document-meta ` + ns + `><office:meta><dc:title>The title</dc:title><meta:initial-creator>Ada</meta:initial-creator><dc:creator>Bob</dc:creator>` +
			`<meta:creation-date>2024-05-06T07:08:09.5</meta:creation-date><meta:keyword>a</meta:keyword><meta:keyword>b</meta:keyword>` +
			`<meta:user-defined meta:name="Project">X1</meta:user-defined></office:meta></office:document-meta>`},
	}
	return zipBytes(t, append(parts, extra...)...)
}

func TestODT(t *testing.T) {
	body := `<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h text:outline-level="1">First &amp; last</text:h>` +
		`<text:p>One <text:span>span</text:span><text:s text:c="2"/>after<text:tab/>another.<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note></text:p>` +
		`<text:list><text:list-item><text:p>an item</text:p></text:list-item><text:list-item><text:p>more</text:p></text:list-item></text:list>` +
		`<table:table><table:table-row><table:table-cell><text:p>A1</text:p><text:p>again</text:p></table:table-cell><table:table-cell><text:p>B1</text:p></table:table-cell></table:table-row>` +
		`<table:table-row><table:table-cell><text:p>A2</text:p></table:table-cell><table:table-cell/></table:table-row></table:table>` +
		`<text:p>end<text:line-break/>of it</text:p></office:text>`
	b := odfOf(t, "text", body, zipEntry{name: "styles.xml", content: `<office:document-styles><style:master-page><style:header><text:p>The head</text:p></style:header></style:master-page></office:document-styles>`})
	doc := oneFile(t, "a.odt", b, Options{})
	same(t, "body", doc.Body, "First & last\nOne span  after\tanother.\nA note.\n- an item\n- more\nA1 again\tB1\nA2\nend\nof it\n\nThe head")
	same(t, "headings", strings.Join(doc.Headings, "|"), "First & last")
	same(t, "meta", fmt.Sprint(doc.Meta), "map[Project:X1 author:Ada created:2024-05-06T07:08:09Z keywords:a, b lastModifiedBy:Bob title:The title]")

	refused(t, "a.odt", b[:len(b)-40], Options{}, ReasonShort, "cut short")
	refused(t, "a.odt", odfOf(t, "text", body, zipEntry{name: "META-INF/manifest.xml", content: "<m><encryption-data/></m>"}), Options{}, ReasonEncrypted, "without a password")
	refused(t, "a.odt", zipBytes(t, zipEntry{name: "mimetype", content: "application/vnd.oasis.opendocument.text", stored: true}), Options{}, ReasonBroken, "no content.xml")
	refused(t, "a.odt", zipBytes(t, zipEntry{name: "mimetype", content: "application/vnd.oasis.opendocument.text", stored: true}, zipEntry{name: "content.xml", content: "<office:document-content><text:p>x"}),
		Options{}, ReasonShort, "content.xml")
}

func TestODP(t *testing.T) {
	page := func(title, text, notes string) string {
		return `<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>` + title + `</text:p></draw:text-box></draw:frame>` +
			`<draw:frame presentation:class="outline"><draw:text-box><text:p>` + text + `</text:p></draw:text-box></draw:frame>` +
			`<presentation:notes><draw:frame><draw:text-box><text:p>` + notes + `</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>`
	}
	b := odfOf(t, "presentation", `<office:presentation>`+page("Welcome", "to all", "Speak slowly.")+page("Numbers", "1", "")+`</office:presentation>`)
	doc := oneFile(t, "a.odp", b, Options{})
	same(t, "body", doc.Body, "Welcome\nto all\n\nSpeak slowly.\fNumbers\n1")
	same(t, "headings", strings.Join(doc.Headings, "|"), "Welcome|Numbers")
	got := readAll(t, t.Context(), bytesInput("a.odp", b), Options{Item: "page"})
	if len(got.recs) != 2 || got.err != nil || got.recs[1].Doc.Body != "Numbers\n1" || got.recs[1].Place.Page != 2 {
		t.Errorf("pages: %d records, %v, error %v", len(got.recs), got.seen, got.err)
	}
	got = readAll(t, t.Context(), bytesInput("a.odp", b), Options{Item: "page", Limits: Limits{Record: 5}})
	if len(got.recs) != 2 || got.recs[0].Doc.Body != "Welco" || len(got.recs[0].Doc.Warnings) != 1 {
		t.Errorf("cut pages: %v", got.seen)
	}
}

func TestSuiteODF(t *testing.T) {
	t.Run("odt", func(t *testing.T) {
		runSuite(t, suiteCase{format: ODT, name: "a.odt", small: odfOf(t, "text", "<office:text><text:p>one</text:p></office:text>"), want: 1, cuts: 40, flips: 60})
	})
	t.Run("odp", func(t *testing.T) {
		runSuite(t, suiteCase{format: ODP, name: "a.odp", small: odfOf(t, "presentation", "<draw:page><text:p>one</text:p></draw:page><draw:page/><draw:page/>"),
			opt: Options{Item: "page"}, want: 3, cuts: 40, flips: 60})
	})
}
