package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestFoldLine(t *testing.T) {
	for _, tt := range []struct {
		line        string
		width, hang int
		want        string
	}{
		{"short", 20, -1, "short"},
		{"  a line that is too long for it", 20, -1, "  a line that is too\n    long for it"},
		{"exactly twenty wide..", 21, -1, "exactly twenty wide.."},
		{"a/path/that/is/far/too/long/to/be/broken", 20, -1, "a/path/that/is/far/too/long/to/be/broken"},
		{"see a/path/that/is/far/too/long/to/be/broken now", 20, -1, "see\n  a/path/that/is/far/too/long/to/be/broken\n  now"},
		{"ä ö ü ä ö ü ä ö ü ä", 10, 0, "ä ö ü ä ö\nü ä ö ü ä"},
		{"      ", 3, -1, "      "},
		{"ends in spaces     ", 16, -1, "ends in spaces     "},
		{"確認 印刷 用紙 故障", 10, 0, "確認 印刷\n用紙 故障"},
		{"e\u0301te\u0301 e\u0301te\u0301 mer", 7, 0, "e\u0301te\u0301 e\u0301te\u0301\nmer"},
		{"id    a text that goes on and on", 20, 6, "id    a text that\n      goes on and on"},
	} {
		if got := strings.Join(foldLine(tt.line, tt.width, tt.hang), "\n"); got != tt.want {
			t.Errorf("foldLine(%q, %d, %d) =\n%s\nwant\n%s", tt.line, tt.width, tt.hang, got, tt.want)
		}
	}
}

// A table that fits stays as it is; one that does not is made to, and nothing of
// it is lost.
func TestNarrowTables(t *testing.T) {
	rows := [][]string{{"source", "files", "read", "stored", "unchanged", "filtered", "quarantined", "duplicates"},
		{"tickets-warsaw", "1", "1,140", "1,135", "0", "4", "1", "0"}, {"all", "82", "1,644", "1,587", "0", "42", "14", "1"}}
	runs := [][]string{{"run", "started", "kind", "status", "took", "read", "stored", "unchanged", "quarantined", "deleted", "requests"},
		{"12", "2026-11-26 16:20:26", "incremental", "quarantined", "12m30s", "1,234,567", "1,200,000", "34,000", "567", "12", "1,200,012"}}
	for _, tt := range []struct {
		name  string
		width int
		print func(w io.Writer)
		rows  [][]string
		want  string
	}{
		{"no width", 0, func(w io.Writer) { printTable(w, rows) }, rows,
			"source          files   read  stored  unchanged  filtered  quarantined  duplicates\n" +
				"tickets-warsaw      1  1,140   1,135          0         4            1           0\n" +
				"all                82  1,644   1,587          0        42           14           1\n"},
		{"headings are broken", 80, func(w io.Writer) { printTable(w, rows) }, rows,
			"                                          un-   fil-  quaran-  dupli-\n" +
				"source          files   read  stored  changed  tered    tined   cates\n" +
				"tickets-warsaw      1  1,140   1,135        0      4        1       0\n" +
				"all                82  1,644   1,587        0     42       14       1\n"},
		{"in two lines", 80, func(w io.Writer) { printParted(w, runs, 5) }, runs,
			"run              started         kind       status    took\n" +
				"         read     stored  unchanged  quarantined  deleted   requests\n" +
				"12   2026-11-26 16:20:26  incremental  quarantined  12m30s\n" +
				"    1,234,567  1,200,000     34,000          567       12  1,200,012\n"},
		{"wherever it has to", 40, func(w io.Writer) { printTable(w, runs) }, runs, ""},
		{"a text", 40, func(w io.Writer) {
			printColumns(w, "  ", [][]string{{"id", "name"}, {"helpdesk", "a name that does not fit into what is left"}})
		},
			nil, "  id        name\n  helpdesk  a name that does not fit\n            into what is left\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			var w io.Writer = &b
			if tt.width > 0 {
				w = &folder{w: &b, width: tt.width}
			}
			tt.print(w)
			if tt.want != "" && b.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), tt.want)
			}
			for line := range strings.Lines(b.String()) {
				if n := cells(strings.TrimRight(line, "\n")); tt.width > 0 && n > tt.width {
					t.Errorf("a line has %d columns, and there are %d: %s", n, tt.width, line)
				}
			}
			for _, row := range tt.rows[min(1, len(tt.rows)):] {
				for _, cell := range row {
					if !strings.Contains(b.String(), cell) {
						t.Errorf("%q is lost in\n%s", cell, b.String())
					}
				}
			}
		})
	}
}

// Lines are broken whatever pieces they are written in.
func TestFolder(t *testing.T) {
	var b bytes.Buffer
	f := &folder{w: &b, width: 20}
	for _, part := range strings.SplitAfter("  3 × bad-value in opened\nshort\n\n  a.csv:95: is not a date\n", "a") {
		fmt.Fprint(f, part)
	}
	want := "  3 × bad-value in\n    opened\nshort\n\n  a.csv:95: is not a\n    date\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
