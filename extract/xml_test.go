package extract

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestXML(t *testing.T) {
	const tickets = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "boom">]><e:export xmlns:e="u"><e:head><e:n>3</e:n></e:head>` + "\n" +
		`<e:tickets><e:ticket id="7" xml:lang="de"><title>One &amp; two</title><by><name>Ada</name></by><tag>a</tag><tag>b</tag></e:ticket>` + "\n" +
		`<e:ticket id="8"><title><![CDATA[<x>]]></title><id>inner</id>mixed</e:ticket></e:tickets></e:export>`
	tests := []struct {
		name, content string
		opt           XMLOptions
		want          string
	}{
		{"by name", tickets, XMLOptions{Record: "//ticket"},
			"# @id | lang | title | by.name | tag | id | text\n:2 7 | de | One & two | Ada | a\\nb |  | \n:3 8 |  | <x> |  |  | inner | mixed\n"},
		{"by place", tickets, XMLOptions{Record: "/export/tickets/ticket", Columns: []string{"closed"}},
			"# closed | @id | lang | title | by.name | tag | id | text\n:2  | 7 | de | One & two | Ada | a\\nb |  | \n:3  | 8 |  | <x> |  |  | inner | mixed\n"},
		{"what is under the root", `<a><b><c>1</c></b><b/><b d="2"/></a>`, XMLOptions{}, "# c | d\n:1 1 | \n:1  | \n:1  | 2\n"},
		{"any name", `<a><b><c>1</c></b><d><c>2</c></d></a>`, XMLOptions{Record: "/a/*"}, "# c\n:1 1\n:1 2\n"},
		{"records in records", `<a><b><b><c>1</c></b></b></a>`, XMLOptions{Record: "//b"}, "# b.c\n:1 1\n"},
		{"entities", `<a><b><c>&#xfc;&lt;&e;</c></b></a>`, XMLOptions{}, "# c\n:1 ü<&e;\n"},
	}
	for _, tt := range tests {
		got := readAll(t, t.Context(), bytesInput("a.xml", []byte(tt.content)), Options{XML: tt.opt})
		if got.err != nil || len(got.bad) > 0 {
			t.Errorf("%s: error %v, bad %v", tt.name, got.err, got.bad)
		}
		same(t, tt.name, rowLines(got.recs), tt.want)
	}
	none := readAll(t, t.Context(), bytesInput("a.xml", []byte(tickets)), Options{XML: XMLOptions{Record: "//tiket"}})
	if len(none.recs) > 0 || none.err != nil {
		t.Errorf("a path to nothing: %d records, error %v", len(none.recs), none.err)
	}
	same(t, "warnings of a path to nothing", strings.Join(none.warn, "\n"), "a.xml: the file has no records: no element of it is at xml.record: //tiket; correct that if it should have some")
	latin := readAll(t, t.Context(), bytesInput("a.xml", []byte("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a><b>\xfc</b></a>")), Options{})
	same(t, "iso-8859-1", rowLines(latin.recs), "# text\n:1 ü\n")

	refused(t, "a.xml", []byte(tickets), Options{}, ReasonOption, `elements of several names ("head", "tickets")`)
	refused(t, "a.xml", []byte(`<a><b></a>`), Options{XML: XMLOptions{Record: "//b"}}, ReasonSyntax, "</a> closes an element that is not open")
	refused(t, "a.xml", []byte(`<a><b/>`), Options{}, ReasonShort, "root element is not closed")
	refused(t, "a.xml", []byte(`<a><b/></a><c/>`), Options{}, ReasonSyntax, "goes on after its root")
	refused(t, "a.xml", []byte(`no element`), Options{}, ReasonBroken, "not XML")
	refused(t, "a.xml", []byte(strings.Repeat("<a>", 2000)), Options{XML: XMLOptions{Record: "//b"}}, ReasonTooLarge, "nested more than 1000 deep")
	refused(t, "a.xml", []byte(`<a/>`), Options{XML: XMLOptions{Record: "//b[1]"}}, ReasonOption, "names only")

	got := readAll(t, t.Context(), bytesInput("a.xml", []byte(`<a><b><c>1</c></b><b><c>`+strings.Repeat("x", 2000)+`</c></b><b><c>3</c></b></a>`)), Options{Limits: Limits{Record: 1000}})
	if len(got.recs) != 2 || len(got.bad) != 1 || got.bad[0].Reason != ReasonTooLarge || got.err != nil {
		t.Errorf("a long record: %d records, bad %v, error %v", len(got.recs), got.bad, got.err)
	}
	got = readAll(t, t.Context(), bytesInput("a.xml", []byte("<a><b/>\n<b/>\n<b></a>")), Options{XML: XMLOptions{Record: "//b"}})
	if len(got.recs) != 2 || !errors.Is(got.err, ErrShort) {
		t.Errorf("broken after two records: %d, error %v", len(got.recs), got.err)
	}
}

func TestSuiteXML(t *testing.T) {
	list := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<t no=\"%d\"><title>%s</title></t>\n", i, strings.Repeat("text ", 20))
		}
		return []byte("<list>\n" + b.String() + "</list>\n")
	}
	runSuite(t, suiteCase{format: XML, name: "a.xml", small: list(3), want: 3, big: list})
}
