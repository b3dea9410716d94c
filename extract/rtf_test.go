package extract

import (
	"fmt"
	"strings"
	"testing"
)

func TestRTF(t *testing.T) {
	const head = `{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Cyr;}}{\colortbl;\red0\green0\blue0;}` +
		`{\stylesheet{\s0 Normal;}{\s1 heading 1;}}{\info{\title The \'fc title}{\author Ada}{\creatim\yr2024\mo5\dy6\hr7\min8}}`
	tests := []struct{ name, body, want, headings string }{
		{"text", `\pard One {\b bold} word.\par Two\line lines\par}`, "One bold word.\nTwo\nlines", ""},
		{"code pages", `\f0 \'fc\'e4 {\f1 \'e4\'e0} end\par}`, "üä да end", ""},
		{"unicode", `\uc1\u8364?\u-10179?\u-8704? {\uc0\u252x}\par}`, "€😀 üx", ""},
		{"escapes", `\{a\}\\ b\~c\_d\emdash e\tab f\par}`, "{a}\\ b\u00a0c-d—e\tf", ""},
		{"a heading", `\pard\s1 First\par\pard\s0 text\par}`, "First\ntext", "First"},
		{"a table", `\trowd\cellx1\cellx2 A1\cell B1\cell\row A2\cell B2\cell\row\pard end\par}`, "A1\tB1\nA2\tB2\nend", ""},
		{"hidden and deleted", `a{\v hidden}{\deleted gone}b\par}`, "ab", ""},
		{"passed over", `a{\*\unknown {deep} x}{\pict\wmetafile8 0102}{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}}\par}`, "alink", ""},
		{"binary", "a{\\*\\blob\\bin4 {}\\{}b\\par}", "ab", ""},
		{"line ends are none", "a\nb\r\nc\\par}", "abc", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := oneFile(t, "a.rtf", []byte(head+tt.body), Options{})
			same(t, "body", doc.Body, tt.want)
			same(t, "headings", strings.Join(doc.Headings, "|"), tt.headings)
			same(t, "meta", fmt.Sprint(doc.Meta), "map[author:Ada created:2024-05-06T07:08:00Z title:The ü title]")
		})
	}
	refused(t, "a.rtf", []byte("plain text"), Options{Format: "rtf"}, ReasonBroken, "not rich text")
	refused(t, "a.rtf", []byte(`{\rtf1 `+strings.Repeat("{", 20_000)), Options{}, ReasonTooLarge, "nested more than 10000 deep")
	got := readAll(t, t.Context(), bytesInput("a.rtf", []byte(`{\rtf1 one\par two`)), Options{})
	if len(got.recs) != 1 || got.recs[0].Doc.Body != "one\ntwo" || got.err == nil || !strings.Contains(got.err.Error(), "ends before its end") {
		t.Errorf("a cut text: %v, error %v, want what is there and that it is cut", got.seen, got.err)
	}
}

func TestSuiteRTF(t *testing.T) {
	b := []byte(`{\rtf1\ansi{\fonttbl{\f0 Arial;}}\pard One\par Two \'fc\u8364?\par}`)
	runSuite(t, suiteCase{format: RTF, name: "a.rtf", small: b, want: 1, flips: 60})
}
