package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"
)

// A longTable is a table of lines of the same length that is never made as a
// whole: line i is made by line(i).
type longTable struct {
	header string
	line   func(i int64) string // of width bytes
	width  int64
	rows   int64
	read   int64 // bytes that were asked for
}

func (l *longTable) size() int64 { return int64(len(l.header)) + l.width*l.rows }

func (l *longTable) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < l.size() {
		from := l.header
		at := off
		if off >= int64(len(l.header)) {
			at = off - int64(len(l.header))
			from, at = l.line(at/l.width), at%l.width
		}
		k := copy(p[n:], from[at:])
		n += k
		off += int64(k)
	}
	l.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// So is a file of JSON lines; of JSON and XML the beginning is.
func TestSampleOfLongFlatFiles(t *testing.T) {
	for _, tt := range []struct {
		name, header, line string
		spread             bool
	}{
		{"long.jsonl", "", `{"n": %d, "text": "`, true},
		{"long.json", "[\n", `{"n": %d, "text": "`, false},
		{"long.xml", "<list>\n", `<row><n>%d</n><text>`, false},
	} {
		l := &longTable{header: tt.header, width: 60, rows: 1 << 30 / 60, line: func(i int64) string {
			s, end := fmt.Sprintf(tt.line, i), map[string]string{"long.jsonl": "\"}\n", "long.json": "\"},\n", "long.xml": "</text></row>\n"}[tt.name]
			return s + strings.Repeat("x", 60-len(s)-len(end)) + end
		}}
		left, n, far := 0, 0, int64(0)
		for rec, err := range Sample(t.Context(), Input{Name: tt.name, Size: l.size(), ReaderAt: l}, Options{}, Portion{Bytes: 1 << 20}, func() { left++ }) {
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			n++
			v, err := strconv.ParseInt(rec.Text[0], 10, 64)
			if err != nil || len(rec.Text[1]) < 10 {
				t.Fatalf("%s: record %q", tt.name, rec.Text)
			}
			far = max(far, v)
			if line := int(v) + 1 + strings.Count(tt.header, "\n"); rec.Place.Line != 0 && rec.Place.Line != line {
				t.Fatalf("%s: record %d is at line %d", tt.name, v, rec.Place.Line)
			}
		}
		if left != 1 || n < 10_000 || l.read > 8<<20 || tt.spread != (far > l.rows*9/10) {
			t.Errorf("%s: %d records up to %d of %d, %d bytes read, left out told %d times", tt.name, n, far, l.rows, l.read, left)
		}
	}
	// One record that is larger than the portion is read all the same.
	one := `{"text": "` + strings.Repeat("x", 2<<20) + `"}`
	n := 0
	for rec, err := range Sample(t.Context(), bytesInput("one.json", []byte(one)), Options{}, Portion{Bytes: 1 << 20}, func() { t.Error("something is left out") }) {
		if err != nil || len(rec.Text[0]) != 2<<20 {
			t.Errorf("a large record: %v", err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// A table of 10 GB is seen from its start to its end, and little of it is read.
func TestSampleOfLongTable(t *testing.T) {
	const rows = 10 << 30 / 40
	l := &longTable{header: "number,twice,text\n", width: 40, rows: rows, line: func(i int64) string {
		s := fmt.Sprintf("%d,%d,\"a, b", i, 2*i)
		return s + strings.Repeat("x", 40-len(s)-2) + "\"\n"
	}}
	in := Input{Name: "long.csv", Size: l.size(), ReaderAt: l}
	left, n, last := 0, 0, int64(0)
	tenths := map[int64]bool{}
	for rec, err := range Sample(t.Context(), in, Options{}, Portion{Bytes: 2 << 20}, func() { left++ }) {
		if err != nil {
			t.Fatal(err)
		}
		i, err1 := strconv.ParseInt(rec.Text[0], 10, 64)
		twice, err2 := strconv.ParseInt(rec.Text[1], 10, 64)
		if err := errors.Join(err1, err2); err != nil || twice != 2*i || !strings.HasPrefix(rec.Text[2], "a, b") || len(rec.Text) != 3 {
			t.Fatalf("a part of a row is a record: %q", rec.Text)
		}
		if i <= last && n > 0 {
			t.Fatalf("row %d comes after %d", i, last)
		}
		tenths[i*10/rows] = true
		last = i
		n++
	}
	if left != 1 || len(tenths) < 10 || last < rows-2 {
		t.Errorf("%d rows up to %d of %d, from %d tenths; left out is told %d times", n, last, rows, len(tenths), left)
	}
	if l.read > 4<<20 {
		t.Errorf("%d bytes were read of a portion of 2 MiB", l.read)
	}
}

// Rows of several lines, other encodings, and tables that fit into the portion.
func TestSample(t *testing.T) {
	var table strings.Builder
	table.WriteString("id;text\r\n")
	for i := range 20_000 {
		fmt.Fprintf(&table, "%d;\"first;\r\nsecond ä %[1]d\"\r\n", i)
	}
	utf16le := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(table.String())) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
	}
	for _, test := range []struct {
		name  string
		data  []byte
		bytes int64
		least int
		left  bool
	}{
		{"several lines", []byte(table.String()), 64 << 10, 1000, true},
		{"UTF-16", utf16le, 128 << 10, 1000, true},
		{"small", []byte(table.String()), 8 << 20, 20_000, false},
		{"exactly", []byte(table.String()), int64(table.Len()), 20_000, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			left, n, last := false, 0, -1
			in := Input{Name: "t.csv", Size: int64(len(test.data)), ReaderAt: bytes.NewReader(test.data)}
			for rec, err := range Sample(t.Context(), in, Options{}, Portion{Bytes: test.bytes}, func() { left = true }) {
				if err != nil {
					t.Fatal(err)
				}
				i, err := strconv.Atoi(rec.Text[0])
				if err != nil || rec.Text[1] != fmt.Sprintf("first;\r\nsecond ä %d", i) && rec.Text[1] != fmt.Sprintf("first;\nsecond ä %d", i) {
					t.Fatalf("record %q", rec.Text)
				}
				last = i
				n++
			}
			if left != test.left || n < test.least || left && n == 20_000 || last < 19_000 {
				t.Errorf("%d rows up to %d, left out %v; want at least %d, %v", n, last, left, test.least, test.left)
			}
			n = 0
			for range Sample(t.Context(), in, Options{}, Portion{Bytes: test.bytes}, func() {}) {
				if n++; n == 3 {
					break
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for _, err := range Sample(ctx, in, Options{}, Portion{Bytes: test.bytes}, func() {}) {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("a cancelled sample yields %v", err)
				}
			}
		})
	}
}

// Of a workbook each sheet gives its first rows.
func TestSampleExcel(t *testing.T) {
	data := writeBook(t, func(f *excelize.File) error {
		for _, name := range []string{"one", "two", "three"} {
			if _, err := f.NewSheet(name); err != nil {
				return err
			}
			if err := f.SetSheetRow(name, "A1", &[]any{"id", "name"}); err != nil {
				return err
			}
			for i := range 50 {
				if err := f.SetSheetRow(name, fmt.Sprintf("A%d", i+2), &[]any{i, name}); err != nil {
					return err
				}
			}
		}
		return f.DeleteSheet("Sheet1")
	})
	in := Input{Name: "b.xlsx", Size: int64(len(data)), ReaderAt: bytes.NewReader(data)}
	got := map[string]int{}
	left := 0
	for rec, err := range Sample(t.Context(), in, Options{}, Portion{Rows: 10}, func() { left++ }) {
		if err != nil {
			t.Fatal(err)
		}
		got[rec.Place.Sheet]++
	}
	if got["one"] != 10 || got["two"] != 10 || got["three"] != 10 || left != 1 {
		t.Errorf("rows of the sheets: %v, left out is told %d times", got, left)
	}
}
