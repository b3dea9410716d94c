package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// On a terminal lines are broken at spaces, and tables are made to fit, so that
// nothing is torn at the edge. Elsewhere a line stays one line, for grep and awk.

// widthOf is how many columns a writer has: IMPORTER_COLUMNS, or those of the
// terminal that it is; 0 is any number. COLUMNS would be that of whoever started
// a script.
func widthOf(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("IMPORTER_COLUMNS")); err == nil && n >= 20 {
		return n
	}
	f, ok := w.(*os.File)
	if !ok || !isTerminalFile(f) {
		return 0
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= 20 {
		return n
	}
	return 80
}

// narrow gives a writer for people that breaks lines where w is too narrow for
// them. What is written to it must end with a line.
func narrow(w io.Writer) io.Writer {
	if n := widthOf(w); n > 0 {
		return &folder{w: w, width: n}
	}
	return w
}

// cells is how many columns of a terminal a text takes.
func cells(s string) (n int) {
	for _, r := range s {
		n += cellsOf(r)
	}
	return n
}

// cellsOf is 2 for the characters of East Asia, 0 for what is put over another
// one, and 1 for all else.
func cellsOf(r rune) int {
	if r < 0x300 {
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	return 1
}

// A folder breaks lines.
type folder struct {
	w     io.Writer
	width int
	rest  []byte // of a line that has not ended
}

func (f *folder) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	for {
		line, rest, ended := bytes.Cut(f.rest, []byte{'\n'})
		if !ended {
			return len(p), nil
		}
		for _, l := range foldLine(string(line), f.width, -1) {
			if _, err := io.WriteString(f.w, l+"\n"); err != nil {
				return 0, err
			}
		}
		f.rest = slices.Clone(rest)
	}
}

// foldLine breaks a line at spaces. What follows is indented by hang, or where
// that is negative by two more than the line. A word that is too long stays
// whole.
func foldLine(line string, most, hang int) (lines []string) {
	rest := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(rest)]
	if hang < 0 {
		hang = len(lead) + 2
	}
	for {
		cut := breakAt(rest, most-len(lead))
		if cut < 0 {
			return append(lines, lead+rest)
		}
		lines = append(lines, lead+strings.TrimRight(rest[:cut], " "))
		rest, lead = strings.TrimLeft(rest[cut:], " "), strings.Repeat(" ", hang)
	}
}

// breakAt is where a text that is too long for its room is broken: at the last
// space that fits, or the first one there is; -1 is nowhere.
func breakAt(s string, room int) int {
	cut, col := -1, 0
	for i, r := range s {
		if r == ' ' {
			cut = i
		}
		if col += cellsOf(r); col <= room || cut < 0 {
			continue
		}
		if strings.TrimLeft(s[cut:], " ") == "" { // nothing but space is too long
			return -1
		}
		return cut
	}
	return -1
}

// printHanging prints a line whose text begins at the column hang, where it goes
// on when it has to be broken.
func printHanging(w io.Writer, hang int, line string) {
	lines := []string{line}
	if f, ok := w.(*folder); ok {
		lines = foldLine(line, f.width, hang)
	}
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
}

// printTable aligns rows: the first column left, the others right.
func printTable(w io.Writer, rows [][]string) { printParted(w, rows, 0) }

// printParted is printTable for a table that, where it is too wide, goes on in a
// second line from the column at on, which is the first of those that belong
// together; 0 is wherever it has to. Before that long headings are broken.
func printParted(w io.Writer, rows [][]string, at int) {
	width := 0
	if f, ok := w.(*folder); ok {
		width = f.width
	}
	if len(rows) == 0 {
		return
	}
	if width == 0 || tableWidth(rows) <= width {
		printRows(w, rows)
		return
	}
	if broken := breakHeadings(rows); tableWidth(broken) <= width {
		printRows(w, broken)
		return
	}
	printBands(w, rows, bandsOf(rows, width, at))
}

func columnWidths(rows [][]string) (widths []int) {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cells(cell))
		}
	}
	return widths
}

func tableWidth(rows [][]string) (sum int) {
	for i, n := range columnWidths(rows) {
		sum += n
		if i > 0 {
			sum += 2
		}
	}
	return sum
}

func printRows(w io.Writer, rows [][]string) {
	widths := columnWidths(rows)
	for _, row := range rows {
		fmt.Fprintln(w, alignRow(row, widths))
	}
}

func alignRow(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		pad := strings.Repeat(" ", widths[i]-cells(cell))
		if i == 0 {
			b.WriteString(cell + pad)
		} else {
			b.WriteString("  " + pad + cell)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// syllables are where long headings are broken.
var syllables = map[string][2]string{
	"unchanged": {"un-", "changed"}, "filtered": {"fil-", "tered"}, "quarantined": {"quaran-", "tined"}, "duplicates": {"dupli-", "cates"},
	"deleted": {"de-", "leted"}, "requests": {"re-", "quests"},
}

// breakHeadings gives a table with two lines of headings.
func breakHeadings(rows [][]string) [][]string {
	upper, lower := make([]string, len(rows[0])), make([]string, len(rows[0]))
	for i, heading := range rows[0] {
		first, second, ok := strings.Cut(heading, " ")
		if parts, known := syllables[heading]; known {
			first, second, ok = parts[0], parts[1], true
		}
		if !ok {
			first, second = "", heading
		}
		upper[i], lower[i] = first, second
	}
	return append([][]string{upper, lower}, rows[1:]...)
}

// bandsOf parts the columns of a table into lines of at most width; it gives
// where each begins.
func bandsOf(rows [][]string, width, at int) (starts []int) {
	starts = []int{0}
	used := 0
	for i, n := range columnWidths(rows) {
		if i == at && i > 0 || used > 0 && used+2+n > width {
			starts, used = append(starts, i), len(bandIndent)
		} else if i > 0 {
			used += 2
		}
		used += n
	}
	return starts
}

const bandIndent = "    "

// printBands prints each row in several lines.
func printBands(w io.Writer, rows [][]string, starts []int) {
	var widths [][]int
	part := func(row []string, band int) []string {
		to := len(row)
		if band+1 < len(starts) {
			to = min(to, starts[band+1])
		}
		return row[min(starts[band], to):to]
	}
	for band := range starts {
		var parts [][]string
		for _, row := range rows {
			parts = append(parts, part(row, band))
		}
		widths = append(widths, columnWidths(parts))
	}
	for _, row := range rows {
		for band := range starts {
			line := alignRow(part(row, band), widths[band])
			if band > 0 {
				line = bandIndent + alignRight(part(row, band), widths[band])
			}
			fmt.Fprintln(w, line)
		}
	}
}

// alignRight aligns every cell to the right.
func alignRight(row []string, widths []int) string {
	parts := make([]string, len(row))
	for i, cell := range row {
		parts[i] = strings.Repeat(" ", widths[i]-cells(cell)) + cell
	}
	return strings.Join(parts, "  ")
}

// printColumns aligns rows to the left, for texts. Where they are too wide the
// last column is broken.
func printColumns(w io.Writer, indent string, rows [][]string) {
	widths := columnWidths(rows)
	width := 0
	if f, ok := w.(*folder); ok {
		width = f.width
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString(indent)
		last := len(indent)
		for i, cell := range row {
			if i == len(row)-1 {
				last = cells(b.String())
			}
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-cells(cell)+2))
			}
		}
		if width-last < 20 { // the last column has no room
			last = len(indent) + 2
		}
		printHanging(w, last, strings.TrimRight(b.String(), " "))
	}
}
