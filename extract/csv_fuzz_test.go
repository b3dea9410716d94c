package extract

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"reflect"
	"strings"
	"testing"
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
