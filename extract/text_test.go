package extract

import (
	"fmt"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	tests := []struct{ name, content, encoding, want string }{
		{"UTF-8", "Grüße\r\nzwei  \n\n", "", "Grüße\nzwei"},
		{"a byte order mark", "\xef\xbb\xbfone", "", "one"},
		{"UTF-16", "\xff\xfeo\x00n\x00e\x00", "", "one"},
		{"UTF-16 without a mark", string(utf16le("some words and more of them")), "", "some words and more of them"},
		{"Windows", "Gr\xfc\xdfe aus K\xf6ln, sch\xf6n \x96 wirklich", "", "Grüße aus Köln, schön – wirklich"},
		{"as it is told", "\xe4\xf6", "iso-8859-5", "фі"},
		{"old line ends", "one\rtwo", "", "one\ntwo"},
	}
	for _, tt := range tests {
		doc := oneFile(t, "a.log", []byte(tt.content), Options{Text: TextOptions{Encoding: tt.encoding}})
		same(t, tt.name, doc.Body, tt.want)
	}
	refused(t, "a.log", []byte(" \n\t\n"), Options{}, ReasonEmpty, "white space")
	refused(t, "a.log", []byte("text"), Options{Text: TextOptions{Encoding: "utf-99"}}, ReasonOption, "text.encoding")
	refused(t, "a.log", []byte("text"), Options{Item: "page"}, ReasonOption, "item is")
	refused(t, "a.log", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"+strings.Repeat("\x01\x07\xfe", 100)), Options{Format: "text"}, ReasonBroken, "not text")
	doc := oneFile(t, "a.log", []byte(strings.Repeat("ü", 100)), Options{Limits: Limits{Record: 51}})
	if doc.Body != strings.Repeat("ü", 25) || len(doc.Warnings) != 1 {
		t.Errorf("%q, warnings %q, want 25 letters and that the text was cut", doc.Body, doc.Warnings)
	}
}

func TestMarkdown(t *testing.T) {
	doc := oneFile(t, "a.md", []byte("---\ntitle: \"The title\"\nauthor: Ada\ntags:\n  - x\n---\n# First *one*\n\nSome **bold** [link](https://example.org) and `code`.\n\n"+
		"- an item\n- more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## Second\n\n```\nx < y\n```\n<script>alert(1)</script>\n"), Options{})
	same(t, "body", doc.Body, "First one\n\nSome bold link and code.\n\n- an item\n- more\n\na\tb\n1\t2\n\nSecond\n\nx < y")
	same(t, "headings", strings.Join(doc.Headings, "|"), "First one|Second")
	same(t, "meta", fmt.Sprint(doc.Title, doc.Meta), "The titlemap[author:Ada title:The title]")
	if html := doc.HTML(); strings.Contains(html, "script") || !strings.Contains(html, "<strong>bold</strong>") {
		t.Errorf("HTML = %q", html)
	}
	doc = oneFile(t, "a.md", []byte("# The first\n\ntext\n"), Options{})
	same(t, "title of a text without one", doc.Title, "The first")
}

func TestSuiteText(t *testing.T) {
	any := func(int) bool { return true } // a text may end anywhere
	t.Run("text", func(t *testing.T) {
		runSuite(t, suiteCase{format: Text, name: "a.log", small: []byte("Grüße\nzwei\ndrei\n"), want: 1, unknowable: any})
	})
	t.Run("markdown", func(t *testing.T) {
		runSuite(t, suiteCase{format: Markdown, name: "a.md", small: []byte("# One\n\n- two\n- *three*\n\n|a|b|\n|-|-|\n|1|2|\n"), want: 1, unknowable: any})
	})
}
