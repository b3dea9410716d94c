package extract

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

func TestSuiteCSV(t *testing.T) {
	const header = "id,title,due,note\n"
	table := func(n int) []byte {
		var b bytes.Buffer
		b.WriteString(header)
		for i := range n {
			fmt.Fprintf(&b, "%d,Printer %d,2026-11-%02d,\"paper, jam\nfloor %d é\"\n", i, i, i%28+1, i)
		}
		return b.Bytes()
	}
	small := table(16)
	runSuite(t, suiteCase{
		format: CSV, name: "tickets.csv", small: small, want: 16, big: table,
		unknowable: func(cut int) bool {
			b := small[:cut]
			if bytes.Count(b, []byte("\"\n")) < enoughRows {
				return bytes.Count(b, []byte(`"`))%2 == 0 // all but inside quotes
			}
			if bytes.HasSuffix(b, []byte(",")) && bytes.Count(b[bytes.LastIndexByte(b, '\n'):], []byte(",")) == 3 {
				return true // the last field may be empty
			}
			return bytes.HasSuffix(b, []byte("\"\n")) || bytes.HasSuffix(b, []byte(`"`)) && bytes.Count(b, []byte(`"`))%2 == 0
		},
	})
	runSuite(t, suiteCase{
		format: CSV, name: "tickets.txt", opt: Options{CSV: CSVOptions{Delimiter: "|", Quote: "none"}},
		small: []byte("a|b\n1|2\n3|4\n5|\"6\n"), want: 3,
		unknowable: func(int) bool { return true },
		big:        func(n int) []byte { return []byte("a|b\n" + strings.Repeat("one|two\n", n)) },
	})
	utf16 := func(n int) []byte {
		b, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes(table(n))
		return b
	}
	runSuite(t, suiteCase{
		format: CSV, name: "tickets.csv", small: utf16(4), want: 4, big: utf16,
		unknowable: func(cut int) bool {
			text, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(utf16(4)[:cut])
			return cut < 2 || cut%2 == 0 && bytes.Count(text, []byte(`"`))%2 == 0
		},
	})
}

// rows reads text as a CSV file and prints what comes: one line a record, its
// cells in brackets; record errors as !line:col reason; the last error as !! reason.
func rows(t *testing.T, name, text string, opt Options) string {
	t.Helper()
	in := Input{Name: name, Size: int64(len(text)), ReaderAt: strings.NewReader(text)}
	got := readAll(t, t.Context(), in, opt)
	var b strings.Builder
	for i, rec := range got.recs {
		if i == 0 {
			fmt.Fprintf(&b, "%s\n", strings.Join(rec.Header.Names(), "|"))
		}
		fmt.Fprintf(&b, "%d [%s]\n", rec.Place.Line, strings.Join(rec.Text, "]["))
	}
	for _, bad := range got.bad {
		fmt.Fprintf(&b, "!%d:%d %s\n", bad.Place.Line, bad.Place.Col, bad.Reason)
	}
	if fe, ok := errors.AsType[*FileError](got.err); ok {
		fmt.Fprintf(&b, "!! %s\n", fe.Reason)
	}
	return b.String()
}

func TestCSVDialects(t *testing.T) {
	tests := []struct {
		name, text string
		opt        CSVOptions
		want       string
	}{
		{"comma", "a,b\n1,2\n", CSVOptions{}, "a|b\n2 [1][2]\n"},
		{"no line end at the end", "a,b\n1,2", CSVOptions{}, "a|b\n2 [1][2]\n"},
		{"CRLF", "a,b\r\n1,2\r\n", CSVOptions{}, "a|b\n2 [1][2]\n"},
		{"bare CR", "a,b\r1,2\r3,\"x\ny\"\r", CSVOptions{}, "a|b\n2 [1][2]\n3 [3][x\ny]\n"},
		{"CR CR LF", "a,b\r\r\n1,2\r\r\n", CSVOptions{}, "a|b\n2 [1][2]\n"},
		{"blank lines", "\n\na,b\n\n1,2\n\n\n3,4\n\n", CSVOptions{}, "a|b\n5 [1][2]\n8 [3][4]\n"},
		{"semicolon with decimal commas", "name;price\nx;1,5\ny;2,5\n", CSVOptions{}, "name|price\n2 [x][1,5]\n3 [y][2,5]\n"},
		{"tab", "a\tb\n1,5\t2\n", CSVOptions{}, "a|b\n2 [1,5][2]\n"},
		{"pipe", "a|b|c\n1|2,0|3\n", CSVOptions{}, "a|b|c\n2 [1][2,0][3]\n"},
		{"one column of text", "title\nHello, all\nA tale: part two\nx\n", CSVOptions{}, "title\n2 [Hello, all]\n3 [A tale: part two]\n4 [x]\n"},
		{"sep line", "sep=;\r\na;b,c\r\n1;2,3\r\n", CSVOptions{}, "a|b,c\n3 [1][2,3]\n"},
		{"quoted sep line", "\"sep=|\"\na|b\n1|2\n", CSVOptions{}, "a|b\n3 [1][2]\n"},
		{"declared delimiter", "a;b,c\n1;2,3\n", CSVOptions{Delimiter: ","}, "a;b|c\n2 [1;2][3]\n"},
		{"tab by name", "a\tb\n1\t2\n", CSVOptions{Delimiter: "tab"}, "a|b\n2 [1][2]\n"},
		{"delimiter of two bytes", "a§b\n1§\"2§3\"\n", CSVOptions{Delimiter: "§"}, "a|b\n2 [1][2§3]\n"},
		{"quoted", "a,b\n\"1,\"\"x\"\"\",2\n", CSVOptions{}, "a|b\n2 [1,\"x\"][2]\n"},
		{"quoted line ends", "a,b\n\"1\n2\r\n3\",4\n5,6\n", CSVOptions{}, "a|b\n2 [1\n2\r\n3][4]\n5 [5][6]\n"},
		{"empty quoted", "a,b\n\"\",\"\"\n", CSVOptions{}, "a|b\n2 [][]\n"},
		{"single quotes", "a,b\n'1,2',3\n", CSVOptions{Quote: "'"}, "a|b\n2 [1,2][3]\n"},
		{"no quotes", "a,b\n\"1,2\"\n", CSVOptions{Quote: "none"}, "a|b\n2 [\"1][2\"]\n"},
		{"stray quote in a plain field", "a,b\n5\" disk,2\n", CSVOptions{}, "a|b\n2 [5\" disk][2]\n"},
		{"stray quote in a quoted field", "a,b\n\"a \"b\" c\",2\n", CSVOptions{}, "a|b\n2 [a \"b\" c][2]\n"},
		{"spaces around quotes", "a,b\n\"1\" , \"2,3\" \n", CSVOptions{}, "a|b\n2 [1][2,3]\n"},
		{"space before a quote that does not close", "a,b\n1, \"2\" x\n", CSVOptions{}, "a|b\n2 [1][ \"2\" x]\n"},
		{"comment", "# made by x\na,b\n#c,d\n1,#2\n", CSVOptions{Comment: "#"}, "a|b\n4 [1][#2]\n"},
		{"trim", "a , b\n 1 ,\" 2 \"\n", CSVOptions{Trim: true}, "a|b\n2 [1][2]\n"},
		{"header names are trimmed, cells are not", " a ,b\u00a0\n 1 ,2\n", CSVOptions{}, "a|b\n2 [ 1 ][2]\n"},
		{"third row is the header", "Report\n2026,x\na,b\n1,2\n", CSVOptions{Header: 3}, "a|b\n4 [1][2]\n"},
		{"header of empty cells is passed over", ",\na,b\n1,2\n", CSVOptions{}, "a|b\n3 [1][2]\n"},
		{"no header", "1,2\n3,4\n", CSVOptions{Header: -1}, "column1|column2\n1 [1][2]\n2 [3][4]\n"},
		{"columns given", "1,2\n3,4\n", CSVOptions{Header: -1, Columns: []string{"x", "y"}}, "x|y\n1 [1][2]\n2 [3][4]\n"},
		{"columns given, header found", "X,y\n3,4\n", CSVOptions{Columns: []string{"x", "y"}}, "x|y\n2 [3][4]\n"},
		{"columns given instead of the header", "a,b\n3,4\n", CSVOptions{Header: 1, Columns: []string{"x", "y"}}, "x|y\n2 [3][4]\n"},
		{"empty and equal names", "a,,a\n1,2,3\n", CSVOptions{}, "a|column2|a_2\n2 [1][2][3]\n"},
		{"row of delimiters is a row", "a,b\n,\n", CSVOptions{}, "a|b\n2 [][]\n"},
		{"NUL stays", "a,b\n1\x00,2\n", CSVOptions{}, "a|b\n2 [1\x00][2]\n"},
		{"MS-DOS end of file", "a,b\n1,2\r\n\x1a", CSVOptions{}, "a|b\n2 [1][2]\n"},
		{"header only", "a,b\n", CSVOptions{}, ""},

		{"short row", "a,b,c\n1,2\n3,4,5\n", CSVOptions{}, "a|b|c\n2 [1][2][]\n3 [3][4][5]\n"},
		{"long row", "a,b\n1,2,3\n4,5\n", CSVOptions{}, "a|b\n3 [4][5]\n!2:0 ragged-row\n"},
		{"long row of empty cells", "a,b\n1,2,, \n", CSVOptions{}, "a|b\n2 [1][2]\n"},
		{"ragged quarantine", "a,b\n1\n1,2,\n4,5\n", CSVOptions{Ragged: "quarantine"}, "a|b\n4 [4][5]\n!2:0 ragged-row\n!3:0 ragged-row\n"},
		{"ragged cut", "a,b\n1\n1,2,3\n", CSVOptions{Ragged: "cut"}, "a|b\n2 [1][]\n3 [1][2]\n"},

		{"bad delimiter", "a,b\n", CSVOptions{Delimiter: "::"}, "!! bad-option\n"},
		{"bad quote", "a,b\n", CSVOptions{Quote: "''"}, "!! bad-option\n"},
		{"bad encoding", "a,b\n", CSVOptions{Encoding: "utf-9"}, "!! bad-option\n"},
		{"bad policy", "a,b\n", CSVOptions{Ragged: "drop"}, "!! bad-option\n"},
		{"bad header", "a,b\n", CSVOptions{Header: -2}, "!! bad-option\n"},
		{"quote and delimiter are one", "a,b\n", CSVOptions{Quote: ",", Delimiter: ","}, "!! bad-option\n"},
		{"header row after the end", "a,b\n1,2\n", CSVOptions{Header: 9}, "!! broken-file\n"},
		{"blank lines only", "\n\r\n\n", CSVOptions{}, "!! empty-file\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rows(t, "t.csv", tt.text, Options{CSV: tt.opt}); got != tt.want {
				t.Errorf("%q:\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
			}
		})
	}
}

func TestCSVUnclosedQuote(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("8,x,y\n", n) }
	poem := strings.Repeat("a line of a poem, with a comma\n", 3000)
	tests := []struct{ name, text, want string }{
		{"the next quote is a field's", "a,b,c\n1,\"two,3\n2,\"def\",4\n5,6,7\n", "a|b|c\n3 [2][def][4]\n4 [5][6][7]\n!2:3 syntax\n"},
		{"the next quote is far away", "a,b,c\n1,\"two,3\n2,x,4\n3,\"def\",9\n", "a|b|c\n3 [2][x][4]\n4 [3][def][9]\n!2:3 syntax\n"},
		{"no more quotes: rows are recovered, the end is in doubt", "a,b,c\n1,\"two,3\n2,x,4\n5,6,7\n", "a|b|c\n3 [2][x][4]\n4 [5][6][7]\n!2:3 syntax\n!! truncated-file\n"},
		{"a text cut off", "a,b,c\n1,2,3\n1,\"once upon a time\nthere was\n", "a|b|c\n2 [1][2][3]\n!3:3 syntax\n!! truncated-file\n"},
		{"in the second of two texts", "a,b,c\n1,\"x\ny\",\"two\n2,x,4\n5,6,7\n", "a|b|c\n4 [2][x][4]\n5 [5][6][7]\n!3:4 syntax\n!! truncated-file\n"},
		{"in the header", "a,\"b,c\n1,2,3\n", "!! truncated-file\n"},
		{"a text with unescaped quotes", "a,b\n1,\"He said:\n\"Hello there\"!\nand left\"\n2,3\n", "a|b\n2 [1][He said:\n\"Hello there\"!\nand left]\n5 [2][3]\n"},
		{"a long text", "a,b\n1,\"" + poem + "\"\n2,3\n", "a|b\n2 [1][" + poem + "]\n3003 [2][3]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rows(t, "t.csv", tt.text, Options{}); got != tt.want {
				t.Errorf("got\n%.2000s\nwant\n%.2000s", got, tt.want)
			}
		})
	}

	t.Run("over the limit", func(t *testing.T) {
		text := "a,b,c\n1,\"two,3\n" + lines(40_000) + "9,\"z\",9\n"
		got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}, Options{Limits: Limits{Record: 100_000}})
		if got.err != nil || len(got.recs) != 40_001 || len(got.bad) != 1 || got.bad[0].Place.Line != 2 {
			t.Errorf("got %d records, errors %v, end %v; want 40001, one on line 2, nil", len(got.recs), got.bad, got.err)
		}
	})
	t.Run("many of them take linear time", func(t *testing.T) {
		text := "a,b\n" + strings.Repeat("1,\"x\n", 50_000)
		got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}, Options{})
		if len(got.recs) != 0 || len(got.bad) != 50_000 {
			t.Errorf("got %d records and %d record errors, want none and 50000", len(got.recs), len(got.bad))
		}
	})
}

func TestCSVLimits(t *testing.T) {
	big := strings.Repeat("x", 3000)
	opt := Options{Limits: Limits{Record: 1000, Columns: 3}}
	tests := []struct{ name, text, want string }{
		{"a long field", "a,b\n1," + big + "\n3,4\n", "a|b\n3 [3][4]\n!2:0 too-large\n"},
		{"a long field in quotes", "a,b\n1,\"" + big + "\"\n3,4\n", "a|b\n3 [3][4]\n!2:0 too-large\n"},
		{"a long text in quotes", "a,b\n1,\"" + strings.Repeat("hello\n", 30_000) + "\"\n3,4\n", "a|b\n30003 [3][4]\n!2:0 too-large\n"},
		{"a long last line", "a,b\n3,4\n1," + big, "a|b\n2 [3][4]\n!3:0 too-large\n"},
		{"many fields", "a,b\n1,2,3,4\n3,4\n", "a|b\n3 [3][4]\n!2:0 too-large\n"},
		{"a long header", big + "\n1\n", "!! too-large\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rows(t, "t.csv", tt.text, opt); got != tt.want {
				t.Errorf("got\n%.2000s\nwant\n%.2000s", got, tt.want)
			}
		})
	}
}

// A hugeField is a file of two rows, of which the first has a field of size
// bytes: more than any memory.
type hugeField struct {
	quote string
	size  int64
}

func (h hugeField) ReadAt(p []byte, off int64) (int, error) {
	head, tail := "a,b\n1,"+h.quote, h.quote+"\n3,4\n"
	n := 0
	for ; n < len(p) && off < h.len(); n, off = n+1, off+1 {
		switch i := off - int64(len(head)) - h.size; {
		case off < int64(len(head)):
			p[n] = head[off]
		case i >= 0:
			p[n] = tail[i]
		default:
			m := int(min(int64(len(p)-n), -i))
			for j := range m {
				p[n+j] = 'x'
			}
			n, off = n+m-1, off+int64(m)-1
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h hugeField) len() int64 { return int64(len("a,b\n1,")+len("\n3,4\n")+2*len(h.quote)) + h.size }

func TestCSVHugeField(t *testing.T) {
	for _, quote := range []string{"", `"`} {
		h := hugeField{quote: quote, size: 256 << 20}
		before := heapAlloc()
		got := readAll(t, t.Context(), Input{Name: "t.csv", Size: h.len(), ReaderAt: h}, Options{Limits: Limits{Record: 1 << 20}})
		if got.err != nil || len(got.recs) != 1 || len(got.bad) != 1 || got.bad[0].Reason != ReasonTooLarge || got.recs[0].Place.Line != 3 {
			t.Errorf("quote %q: got %d records, %v, %v", quote, len(got.recs), got.bad, got.err)
		}
		if got := heapAlloc() - before; got > 16<<20 {
			t.Errorf("quote %q: %d MiB more are alive after a field of 256 MiB", quote, got>>20)
		}
	}
}

func TestCSVEncodings(t *testing.T) {
	enc := func(e encoding.Encoding, s string) string {
		out, err := e.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	le, be := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	italian := "nome,città\n" + strings.Repeat("perché così,più virtù\n", 20)
	russian := "имя,город\n" + strings.Repeat("Пожалуйста проверьте принтер,Москва\n", 20)
	japanese1 := "名前,都市\n" + strings.Repeat("プリンターの紙詰まりを直してください,東京\n", 20)
	tests := []struct {
		name, bytes, encoding string
		want                  string // the second record's first cell, or the reason of its error
		warns                 bool
	}{
		{"utf-8", "a,b\n1,2\né,x\n", "", "é", false},
		{"utf-8 with mark", "\uFEFFa,b\n1,2\né,x\n", "", "é", false},
		{"utf-16le with mark", "\xFF\xFE" + enc(le, "a,b\n1,2\né,x\n"), "", "é", false},
		{"utf-16be with mark", "\xFE\xFF" + enc(be, "a,b\n1,2\né,x\n"), "", "é", false},
		{"utf-16le without mark", enc(le, "a,b\n1,2\né,x\n"), "", "é", true},
		{"utf-16be without mark", enc(be, "a,b\n1,2\né,x\n"), "", "é", true},
		{"utf-16le without mark, Japanese", enc(le, japanese1), "", "プリンターの紙詰まりを直してください", true},
		{"utf-16le declared, with mark", "\xFF\xFE" + enc(le, "a,b\n1,2\né,x\n"), "utf-16le", "é", false},
		{"utf-16 declared, big-endian mark", "\xFE\xFF" + enc(be, "a,b\n1,2\né,x\n"), "UTF-16", "é", false},
		{"windows-1252 found", enc(charmap.Windows1252, italian), "", "perché così", true},
		{"windows-1251 found", enc(charmap.Windows1251, russian), "", "Пожалуйста проверьте принтер", true},
		{"koi8-r found", enc(charmap.KOI8R, russian), "", "Пожалуйста проверьте принтер", true},
		{"shift_jis found", enc(japanese.ShiftJIS, japanese1), "", "プリンターの紙詰まりを直してください", true},
		{"windows-1252 short", "a,b\n1,2\nJos\xe9,x\n", "", "José", true},
		{"windows-1252 late", "a,b\n1,2\n" + strings.Repeat("plain,x\n", 40_000) + "Jos\xe9,x\n", "", "plain", true},
		{"utf-8 with a stray byte", "a,b\n1,é à ü ß\nJos\xe9,ö\n", "", "José", true},
		{"utf-8 declared with a stray byte", "a,b\n1,é\nJos\xe9,ö\n", "utf-8", ReasonEncoding, false},
		{"latin1", "a,b\n1,2\nJos\xe9,x\n", "latin1", "José", false},
		{"iso-8859-1", "a,b\n1,2\nJos\xe9,x\n", "ISO-8859-1", "José", false},
		{"iso-8859-2", enc(charmap.ISO8859_2, "a,b\n1,2\nŁódź,x\n"), "iso-8859-2", "Łódź", false},
		{"iso-8859-15", enc(charmap.ISO8859_15, "a,b\n1,2\n5 €,x\n"), "iso-8859-15", "5 €", false},
		{"windows-1250", enc(charmap.Windows1250, "a,b\n1,2\nŁódź,x\n"), "windows-1250", "Łódź", false},
		{"cp1250", enc(charmap.Windows1250, "a,b\n1,2\nŁódź,x\n"), "cp1250", "Łódź", false},
		{"windows-1253", enc(charmap.Windows1253, "a,b\n1,2\nΑθήνα,x\n"), "windows-1253", "Αθήνα", false},
		{"macintosh", enc(charmap.Macintosh, "a,b\n1,2\nJosé,x\n"), "macintosh", "José", false},
		{"cp850", enc(charmap.CodePage850, "a,b\n1,2\nJosé,x\n"), "cp850", "José", false},
		{"shift_jis", enc(japanese.ShiftJIS, "a,b\n1,2\n東京,x\n"), "Shift_JIS", "東京", false},
		{"gbk", enc(simplifiedchinese.GBK, "a,b\n1,2\n北京,x\n"), "gbk", "北京", false},
		{"euc-kr", enc(korean.EUCKR, "a,b\n1,2\n서울,x\n"), "euc-kr", "서울", false},
		{"euc-kr declared, bad bytes", "a,b\n1,2\n\xFF\xFFx,x\n", "euc-kr", ReasonEncoding, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Name: "t.csv", Size: int64(len(tt.bytes)), ReaderAt: strings.NewReader(tt.bytes)}
			got := readAll(t, t.Context(), in, Options{CSV: CSVOptions{Encoding: tt.encoding}})
			if got.err != nil {
				t.Fatal(got.err)
			}
			cell := ""
			if len(got.recs) > 1 {
				cell = got.recs[1].Text[0]
			} else if len(got.bad) > 0 {
				cell = got.bad[0].Reason
			}
			if cell != tt.want {
				t.Errorf("got %q, want %q (warnings %q)", cell, tt.want, got.warn)
			}
			if (len(got.warn) > 0) != tt.warns {
				t.Errorf("warnings %q, want some: %v", got.warn, tt.warns)
			}
			if last := got.recs[len(got.recs)-1].Text[0]; tt.name == "windows-1252 late" && last != "José" {
				t.Errorf("the last cell is %q", last)
			}
		})
	}
}

// writeTable makes a table of random cells, with everything in them that
// needs quotes.
func writeTable(rnd *rand.Rand, comma rune) ([][]string, []byte) {
	const alphabet = "ab,;\t|\"\n é\u4e2d\r "
	letters := []rune(alphabet)
	width := 2 + rnd.IntN(6)
	var table [][]string
	for range 2 + rnd.IntN(30) {
		row := make([]string, width)
		for i := range row {
			cell := make([]rune, rnd.IntN(9))
			for j := range cell {
				cell[j] = letters[rnd.IntN(len(letters))]
			}
			row[i] = strings.ReplaceAll(string(cell), "\r", "") // encoding/csv turns \r\n in quotes into \n
		}
		table = append(table, row)
	}
	for i := range table[0] {
		table[0][i] = fmt.Sprint("c", i) // a header that NewHeader leaves alone
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = comma
	w.UseCRLF = false
	if err := w.WriteAll(table); err != nil {
		panic(err)
	}
	return table, b.Bytes()
}

func TestCSVReadsWhatEncodingCSVWrites(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 3000 {
		comma := []rune{',', ';', '\t', '|'}[i%4]
		want, text := writeTable(rnd, comma)
		got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: bytes.NewReader(text)}, Options{CSV: CSVOptions{Delimiter: string(comma)}})
		if got.err != nil || len(got.bad) > 0 {
			t.Fatalf("%q: %v %v", text, got.err, got.bad)
		}
		if cells := texts(got.recs); !reflect.DeepEqual(cells, want[1:]) {
			t.Fatalf("%q:\ngot  %q\nwant %q", text, cells, want[1:])
		}
	}
}

func texts(recs []Record) [][]string {
	var all [][]string
	for _, rec := range recs {
		all = append(all, rec.Text)
	}
	return all
}

// Cells tells of the row itself, not of a short one above it: permissions are
// not read from a row that was filled up.
func TestCSVCells(t *testing.T) {
	text := "a,b,c\n1,2\n1,2,3\n1\n1,2,3,\n1,2,3\n"
	got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}, Options{})
	var cells []int
	for _, rec := range got.recs {
		cells = append(cells, rec.Cells)
	}
	if want := []int{2, 0, 1, 0, 0}; !slices.Equal(cells, want) {
		t.Errorf("Cells of %q: %v, want %v", text, cells, want)
	}
}
