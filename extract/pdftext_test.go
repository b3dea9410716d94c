package extract

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanPDFText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"line ends", "a\r\nb\rc\nd", "a\nb\nc\nd"},
		{"trailing blanks", "a \t\r\nb  ", "a\nb"},
		{"blank lines in the middle stay", "a\n\n b", "a\n\n b"},
		{"leading line ends go, leading blanks stay", "\r\n  a", "  a"},
		{"form feed is for between pages", "a\fb", "a\nb"},
		{"hyphen mark", "auto\x02matic", "automatic"},
		{"hyphen mark and line end", "auto\x02\r\nmatic feeder", "automatic feeder"},
		{"old hyphen mark", "auto\uFFFEmatic", "automatic"},
		{"soft hyphen at a line end", "auto\u00AD \nmatic", "automatic"},
		{"soft hyphen in a word", "auto\u00ADmatic", "automatic"},
		{"soft hyphen that is a hyphen", "2010\u00AD2015, A\u00AD4", "2010-2015, A-4"},
		{"soft hyphen at a line end before no letter", "to\u00AD\n42", "to-\n42"},
		{"hyphen in a line", "well-known, A-4", "well-known, A-4"},
		{"hyphen at a line end", "re-\nuse of Ge-\r\nräten", "reuse of Geräten"},
		{"hyphen at a line end before a capital", "Jean-\nPaul", "Jean-Paul"},
		{"hyphen at a line end before a number", "in 2010-\n2012", "in 2010-\n2012"},
		{"hyphen of a part that comes later", "Ein-\nund Ausgang, pre- and post-\nor inter", "Ein-\nund Ausgang, pre- and post-\nor inter"},
		{"hyphen mark of a part that comes later", "Ein\x02\nund Ausgang", "Ein-\nund Ausgang"},
		{"hyphen in an address", "see http://example.com/test-\nfoo, e-\nmail, well-to-\ndo", "see http://example.com/test-foo, e-mail, well-to-do"},
		{"hyphen of a list", "- one\n-\ntwo", "- one\n-\ntwo"},
		{"ligatures", "o\uFB03ce \uFB01le \uFB06op", "office file stop"},
		{"Arabic shapes", "\uFEE3\uFEAE\uFEA3\uFE92\uFE8E", "مرحبا"},
		{"Arabic mark that stands alone", "\uFE70", "\uFE70"},
		{"no compatibility mapping", "x² ½ Ⅷ ™", "x² ½ Ⅷ ™"},
		{"controls", "a\x00b\x07c\x1bd\u0080e\ufefff", "abcdef"},
		{"line and paragraph separators", "a\u2028b\u2029c\u0085d", "a\nb\nc\nd"},
		{"tab", "a\tb", "a\tb"},
		{"broken UTF-8", "a\xffb\xc3", "ab"},
		{"replacement character stays", "a\uFFFDb", "a\uFFFDb"},
		{"beyond the BMP", "𠮷😀", "𠮷😀"},
		{"nothing but blanks", " \r\n \x00", ""},
	}
	for _, tt := range tests {
		if got := cleanPDFText(tt.in); got != tt.want {
			t.Errorf("%s: cleanPDFText(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

func FuzzCleanPDFText(f *testing.F) {
	for _, s := range []string{"a\r\nb", "auto\x02\nmatic", "x\u00AD \n\n", "\uFB01\uFE70", "a\xffb", " \t\r\n\f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := cleanPDFText(in)
		if !utf8.ValidString(out) {
			t.Fatalf("cleanPDFText(%q) = %q is not UTF-8", in, out)
		}
		for _, c := range out {
			if unicode.IsControl(c) && c != '\n' && c != '\t' || c == softHyphen || c == oldHyphenMark {
				t.Fatalf("cleanPDFText(%q) = %q has %U", in, out, c)
			}
		}
		if strings.Contains(out, " \n") || strings.HasPrefix(out, "\n") || strings.HasSuffix(out, "\n") {
			t.Fatalf("cleanPDFText(%q) = %q has blanks at an end", in, out)
		}
		if again := cleanPDFText(out); again != out {
			t.Fatalf("cleanPDFText(%q) = %q, and of that %q", in, out, again)
		}
	})
}

func TestPDFDate(t *testing.T) {
	tests := []struct{ in, want string }{
		{"D:20240229131415+01'00'", "2024-02-29T13:14:15+01:00"},
		{"D:20240229131415-05'30", "2024-02-29T13:14:15-05:30"},
		{"D:20240229131415+0100", "2024-02-29T13:14:15+01:00"},
		{"D:20240229131415+01", "2024-02-29T13:14:15+01:00"},
		{"D:20240229131415Z", "2024-02-29T13:14:15Z"},
		{"D:20240229131415Z00'00'", "2024-02-29T13:14:15Z"},
		{"D:20240229131415", "2024-02-29T13:14:15Z"},
		{"20240229131415", "2024-02-29T13:14:15Z"},
		{"D:202402291314", "2024-02-29T13:14:00Z"},
		{"D:20240229", "2024-02-29T00:00:00Z"},
		{"D:2024", "2024-01-01T00:00:00Z"},
		{" D:20240229 ", "2024-02-29T00:00:00Z"},

		{"", ""},
		{"D:", ""},
		{"D:20230229", ""},               // no such day
		{"D:20241301", ""},               // no such month
		{"D:20240229251415", ""},         // no such hour
		{"D:00000000000000", ""},         // a field that nobody filled
		{"D:191010229131415", ""},        // year 19101
		{"D:20240229131415+99'00'", ""},  // no such zone
		{"Thu Feb 29 13:14:15 2024", ""}, // not PDF's way
		{"D:20240229131415 Europe/Rome", ""},
	}
	for _, tt := range tests {
		if got := pdfDate(tt.in); got != tt.want {
			t.Errorf("pdfDate(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPDFDate(f *testing.F) {
	for _, s := range []string{"D:20240229131415+01'00'", "D:2024", "Z", "D:20240229131415-0530", "+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := pdfDate(s)
		if got == "" {
			return
		}
		if back := pdfDate("D:" + strings.NewReplacer("-", "", ":", "", "T", "", "Z", "").Replace(got[:19])); back == "" || back[:19] != got[:19] {
			t.Fatalf("pdfDate(%q) = %q, which is not a date: %q", s, got, back)
		}
	})
}

func TestPageSet(t *testing.T) {
	tests := []struct {
		pages []int
		want  string
	}{
		{[]int{3}, "page 3"},
		{[]int{1, 2}, "pages 1-2"},
		{[]int{1, 3, 4, 5, 9}, "pages 1, 3-5, 9"},
	}
	for _, tt := range tests {
		var s pageSet
		for _, n := range tt.pages {
			s.add(n)
		}
		if s.String() != tt.want || s.size() != len(tt.pages) {
			t.Errorf("set of %v is %q with %d pages, want %q", tt.pages, s, s.size(), tt.want)
		}
	}
	var odd pageSet
	for n := 1; n < 200; n += 2 {
		odd.add(n)
	}
	if got := odd.String(); !strings.HasSuffix(got, ", 39 and 80 more") {
		t.Errorf("a hundred single pages are %q", got)
	}
}

func TestPlausible(t *testing.T) {
	tests := []struct {
		raw  string
		want bool
	}{
		{"Replace the toner.", true},
		{"\n\nReplace\n", true},
		{"日本語", true},
		{"", false},
		{"... --- ...", false},
		{"\x00\x2b\x00\x48\x00\x4f", false}, // codes of an Identity-H font
		{"\uF0B7\uF0A7 ab", false},          // private use
		{"abc\uFFFD", false},
		{strings.Repeat("good text ", 100) + "\uFFFD", true},
	}
	for _, tt := range tests {
		if got := plausible(tt.raw, cleanPDFText(tt.raw)); got != tt.want {
			t.Errorf("plausible(%.30q) = %v, want %v", tt.raw, got, tt.want)
		}
	}
}

func TestCutText(t *testing.T) {
	tests := []struct {
		s    string
		n    int
		want string
	}{
		{"alpha beta", 20, "alpha beta"},
		{"alpha beta", 10, "alpha beta"},
		{"alpha beta", 8, "alpha"},
		{"alpha", 3, "alp"},
		{"aé", 2, "a"},
		{"é", 1, ""},
		{"alpha", 0, ""},
		{"alpha", -5, ""},
		{"a " + strings.Repeat("b", 300), 250, "a " + strings.Repeat("b", 248)},
	}
	for _, tt := range tests {
		if got := cutText(tt.s, tt.n); got != tt.want {
			t.Errorf("cutText(%.20q, %d) = %.20q, want %.20q", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestPDFTail(t *testing.T) {
	const object, table = "1 0 obj\n<<>>\nendobj\n", "xref\n0 1\n0000000000 65535 f \ntrailer\n<<>>\n"
	const end = "startxref\n19\n%%EOF\n"
	whole, repaired, cut := pdfTail{whole: true}, pdfTail{whole: true, repaired: true}, pdfTail{}
	tests := []struct {
		name string
		in   string
		want pdfTail
	}{
		{"complete", object + table + end, whole},
		{"no line end", object + table + "startxref\n19\n%%EOF", whole},
		{"junk after it", object + table + end + "<script>\x00\x00", whole},
		{"two revisions", object + table + end + object + table + end, whole},
		{"an object without its end before the table", object + "2 0 obj\n<<>>\n" + table + end, whole},

		{"no startxref", object + table, repaired},
		{"cut in the table", object + "xref\n0 1\n00000", repaired},
		{"cut in %%EOF", object + table + "startxref\n19\n%%E", repaired},
		{"no startxref but %%EOF", object + table + "%%EOF", repaired},

		{"nothing", "", cut},
		{"cut between objects", object, cut},
		{"cut in an object", object + "2 0 obj\n<</Length 9", cut},
		{"cut in a stream that speaks of xref", object + "xref\n" + "2 0 obj\n<<>>", cut},
		{"cut in the second revision", object + table + end + "2 0 obj\n<<", cut},
		{"cut in the second revision's first number", object + table + end + "12", cut},
		{"cut in the second revision's table", object + table + end + object + "xref\n0", cut},
		{"linearized, cut in the middle", object + "xref\ntrailer\nstartxref\n0\n%%EOF\n" + object + object, cut},
	}
	for _, tt := range tests {
		in := bytesInput("f.pdf", []byte(tt.in))
		if got, err := readPDFTail(in); got != tt.want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	long := object + strings.Repeat("0000000000 00000 n \n", 100_000) + table + end
	if got, err := readPDFTail(bytesInput("f.pdf", []byte(long))); got != whole || err != nil {
		t.Errorf("table of 2 MB: %+v, %v", got, err)
	}
}
