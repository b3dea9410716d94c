package extract

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzCSV reads arbitrary bytes under arbitrary options: it ends, it does not
// panic, records are as wide as their header, and lines never go back.
func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,2\n"), "", "", 0)
	f.Add([]byte("a;b\r\n\"1;\r\n\"\"\";2"), ";", "", 1)
	f.Add([]byte("a\tb\r1\t\"2\r"), "tab", "none", -1)
	f.Add([]byte("\xFF\xFEa\x00,\x00"), "auto", "'", 2)
	f.Add([]byte("title\na,b,c\n1,2,3\n4,5,6\nTotal,,\n\nend"), "", "", 0)
	f.Add([]byte("'a','b'\n'1','2'\n'3','4'\n\"x\\\"y\",5\n"), "", "", 0)
	f.Add([]byte("a,b\n1,\"two\n2,\"x\"\n\xe9,\"\n\"\n"), ",", "", 0)
	f.Fuzz(func(t *testing.T, b []byte, delim, quote string, header int) {
		opt := Options{CSV: CSVOptions{Delimiter: delim, Quote: quote, Header: header % 4}, Limits: Limits{Record: 200, Columns: 50}, Format: "csv"}
		got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}, opt)
		line := 0
		for _, rec := range got.recs {
			if len(rec.Text) != len(rec.Header.Names()) {
				t.Fatalf("%d cells under %d columns", len(rec.Text), len(rec.Header.Names()))
			}
			if rec.Place.Line <= line {
				t.Fatalf("line %d after line %d", rec.Place.Line, line)
			}
			line = rec.Place.Line
			for _, cell := range rec.Text {
				if !utf8.ValidString(cell) {
					t.Fatalf("cell %q is not UTF-8", cell)
				}
			}
		}
		if most := strings.Count(string(b), "\n") + strings.Count(string(b), "\r") + 1; line > most {
			t.Fatalf("line %d in a file of %d lines", line, most)
		}
	})
}

// FuzzCSVAgainstEncodingCSV compares with encoding/csv wherever that reads
// without complaint.
func FuzzCSVAgainstEncodingCSV(f *testing.F) {
	f.Add("a,b\n1,2\n")
	f.Add("a,b\n\"1\n\"\"\",\"2\"\n,\n")
	f.Add("c1\n\n x \n\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\x1a\uFEFF") || text == "" {
			return // encoding/csv has other ideas of these, or none
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		want, err := r.ReadAll()
		if err != nil || len(want) == 0 {
			return
		}
		for _, row := range want {
			if len(row) != len(want[0]) {
				return
			}
		}
		s := newSample(text, dialect{delim: ",", quote: '"', eol: '\n'})
		s.width = len(want[0])
		var got [][]string
		for {
			row := s.next()
			if row.fault == scanEnd {
				break
			}
			if row.fault != scanned {
				t.Fatalf("%q: fault %d at line %d", text, row.fault, row.line)
			}
			got = append(got, s.fields)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\ngot  %q\nwant %q", text, got, want)
		}
	})
}

// FuzzCSVWindows reads text in windows of a few bytes and in one: where a
// window ends must not show.
func FuzzCSVWindows(f *testing.F) {
	f.Add("a,b\n1,2\n", ",", uint8(3))
	f.Add("a,b\n\"1\n\"\"\"  ,\"2\"\r\n,\n1,\"x\n2,\"y\",z\n", ",", uint8(0))
	f.Add("a§b\n1§\"2 \" §\"\"\n", "§", uint8(2))
	f.Add("a,b\n1,\"\\\"2\\\\\"\n\"\\\"\n3,4\n", ",", uint8(130))
	f.Fuzz(func(t *testing.T, text, delim string, width uint8) {
		d, err := CSVOptions{Delimiter: delim}.dialect()
		if err != nil || d.delim == "" {
			return
		}
		scan := func(s *csvScanner) string {
			s.width = int(width % 5)
			if width >= 128 {
				s.escape = '\\'
			}
			s.limit = 1 << 20
			var b strings.Builder
			for {
				s.fields = nil
				row := s.next()
				fmt.Fprintf(&b, "%+v %q\n", row, s.fields)
				if row.fault == scanEnd {
					return b.String()
				}
			}
		}
		want := scan(newSample(text, d))
		for _, window := range []int{1, 7} {
			s := newSample("", d)
			s.src, s.eof, s.window = strings.NewReader(text), false, window
			if got := scan(s); got != want {
				t.Fatalf("%q in windows of %d bytes:\n%s\nin one:\n%s", text, window, got, want)
			}
		}
	})
}

// FuzzCSVDelimiters reads text that has a delimiter of one byte, which is found
// 64 bytes at a time, and the same text with one of two bytes, which is searched
// for a field at a time: all that comes out is the same, and stands in the same
// places but for the bytes by which the second text is longer.
func FuzzCSVDelimiters(f *testing.F) {
	f.Add("a,b\n1,2\n", byte(','), byte('"'), uint8(0))
	f.Add("a,b\n\"1\n\"\"\"  ,\"2\"\r\n,\n1,\"x\n2,\"y\",z\n", byte(','), byte('"'), uint8(1))
	f.Add("a\tb\tc\n5\" disk\t \"2\" \t 3\r\n\tx \"y\"\t\xE9\n", byte('\t'), byte('"'), uint8(2))
	f.Add("a;b\r1;'\\'2'\r;\r", byte(';'), byte('\''), uint8(4))
	f.Add(strings.Repeat("number|title|status|", 9)+"\n"+strings.Repeat("1||three|\"|\"|", 12)+"\"open\n2|3", byte('|'), byte('"'), uint8(3))
	f.Fuzz(func(t *testing.T, text string, delim, quote byte, how uint8) {
		const long = "§"
		if delim == '\x1a' || strings.Contains(text, long) || strings.HasPrefix(text, "\uFEFF") || strings.Contains(strings.ToLower(text), "sep=") || len(text) > 1500 {
			return // these mean something, or reach further in one of the texts
		}
		opt := CSVOptions{Delimiter: string(rune(delim)), Quote: string(rune(quote)), Escape: "none", Encoding: "utf-8", Header: 1, Trim: how&1 != 0, Footer: "keep"}
		if how&2 != 0 {
			opt.Header = -1
		}
		if how&4 != 0 {
			opt.Escape = "\\"
		}
		if unicode.IsSpace(rune(delim)) { // in quotes, it may be white space at a text's ends
			opt.Trim, opt.Header, opt.Ragged = false, -1, "cut"
		}
		if delim >= utf8.RuneSelf || opt.Check() != nil {
			return
		}
		short, eol := string(rune(delim)), sniffLineEnd(text, quote)
		read := func(text, delim string) (seen []string) {
			opt.Delimiter = delim
			got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}, Options{Format: "csv", CSV: opt})
			see := func(p Place, h *Header, text []string, more any) {
				const end = "\x00\n"
				row := strings.Join(append(slices.Clone(text), h.Names()...), end)
				seen = append(seen, fmt.Sprintf("%v %q %v", p, strings.ReplaceAll(row, delim, short), more))
			}
			for _, rec := range got.recs {
				see(rec.Place, rec.Header, rec.Text, rec.Cells)
			}
			for _, bad := range got.bad {
				if p := &bad.Place; p.Col > 0 { // without the bytes by which the delimiters before it are longer
					line := strings.Join(strings.SplitAfter(text, string(rune(eol)))[p.Line-1:], "")
					p.Col -= strings.Count(line[:p.Col-1], delim) * (len(delim) - 1)
				}
				see(bad.Place, bad.Header, bad.Text, bad.Reason+bad.Detail)
			}
			return append(seen, fmt.Sprint(got.warn, got.err))
		}
		if got, want := read(text, short), read(strings.ReplaceAll(text, short, long), long); !slices.Equal(got, want) {
			t.Fatalf("%q:\n%q\nwith a delimiter of two bytes:\n%q", text, got, want)
		}
	})
}

// TestCSVSplit cuts texts of all lengths around those that are looked at at
// once, with more text after them and without.
func TestCSVSplit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for n := range 200 {
		for range 40 {
			b := make([]byte, n+rnd.IntN(80))
			for i := range b {
				b[i] = "a,-\xAC\x00\xFF\x80"[rnd.IntN(7)] // the comma is 2C, and 2D and AC are a bit away from it
			}
			text := string(b)
			s := csvScanner{dialect: dialect{delim: ","}, columns: 1 << 20, width: rnd.IntN(20)}
			s.split(text, n)
			if got, want := s.fields, strings.Split(text[:n], ","); !slices.Equal(got, want) {
				t.Fatalf("%q of %q:\ngot  %q\nwant %q", text[:n], text, got, want)
			}
		}
	}
}
