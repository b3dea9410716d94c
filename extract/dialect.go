package extract

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// delimiters are the characters that are tried, the usual ones first: of two
// that do equally well the earlier wins. Rare ones must do better, because
// they are also what text is made of.
var delimiters = []struct {
	delim  string
	weight float64
}{
	{",", 1}, {";", 1}, {"\t", 1}, {"|", 1},
	{"\x1f", .95}, {"\x01", .95}, {"§", .9}, {"¦", .9}, {"~", .75}, {"^", .75}, {":", .75}, {" ", .7},
}

// sniffDelimiter finds the character that parts sample into a table: the one
// under which most rows have the same number of fields, more than one, in the
// fewest broken quotes. whole tells that sample is all of the text. A text
// that no delimiter parts, not even its first row, is a table of one column,
// in which commas are commas.
func sniffDelimiter(sample string, d dialect, whole bool) string {
	best, bestScore := noDelimiter, 0.0
	if first := strings.TrimLeft(sample, "\r\n"); strings.Contains(first[:lineLen(first, d.eol)], ",") {
		best = ","
	}
	for _, c := range delimiters {
		if !strings.Contains(sample, c.delim) {
			continue
		}
		d.delim = c.delim
		score := scoreDialect(sample, d, whole, c.weight < 1) * c.weight
		if score > bestScore+1e-9 {
			best, bestScore = c.delim, score
		}
	}
	return best
}

// scoreDialect rates a dialect between 0 and about 1.2. A rare one must part
// the first row, too.
func scoreDialect(sample string, d dialect, whole, rare bool) float64 {
	s := newSample(sample, d)
	widths := map[int]int{} // rows by number of fields
	var all []int           // the number of fields of each
	var rows, broken, filled, cells, decimals, first int
	for {
		row := s.next()
		if row.fault == scanEnd || row.last && !whole && rows > 0 {
			break
		}
		rows++
		if row.fault != scanned {
			broken++
			continue
		}
		n := len(s.fields)
		if rows == 1 {
			first = n
		}
		widths[n]++
		all = append(all, n)
		half := false
		for i, f := range s.fields {
			cells++
			if strings.TrimSpace(f) != "" {
				filled++
			}
			half = half || halfQuoted(f, d.quote)
			if i > 0 && endsInDigit(s.fields[i-1]) && f != "" && f[0] >= '0' && f[0] <= '9' {
				decimals++
			}
		}
		if half {
			broken++
		}
	}
	width, most := 0, 0
	for w, n := range widths {
		if n > most || n == most && w > width {
			width, most = w, n
		}
	}
	if width < 2 && !rare {
		width, most = belowText(all)
		rows = len(all)
	}
	if width < 2 || rare && (first != width || most < rows) {
		return 0
	}
	score := float64(most) / float64(rows)
	score *= 1 + min(float64(width-2), 10)*.01                        // a small bonus for more columns
	score *= .7 + .3*float64(filled)/float64(max(cells, 1))           // empty cells come of wrong cuts
	score *= 1 - .8*min(1, float64(broken)/float64(rows))             // so do broken quotes
	if d.delim == "," && first != width && decimals*2 >= cells-rows { // 1,5 and not 1 and 5
		score *= .5
	}
	return score
}

// belowText looks for a table below more lines of text than it has rows, and
// gives the number of its fields and of its rows.
func belowText(widths []int) (width, most int) {
	count := map[int]int{}
	for _, w := range widths {
		if count[w]++; w > 1 && (count[w] > most || count[w] == most && w > width) {
			width, most = w, count[w]
		}
	}
	rows := len(widths) - max(0, slices.Index(widths, width))
	if most < 4 || width < 3 || most*3 < rows*2 {
		return 0, 0
	}
	return width, most
}

// newSample makes a scanner of text that is all there.
func newSample(text string, d dialect) *csvScanner {
	s := &csvScanner{dialect: d, src: strings.NewReader(""), eof: true, line: 1, window: windowSize,
		limit: int64(len(text)) + 1, columns: 1 << 20, win: text}
	s.findQuote()
	return s
}

// halfQuoted tells a field that begins or ends with a quote, but not both:
// half of a quoted field that was cut in the middle.
func halfQuoted(f string, quote byte) bool {
	if quote == 0 || strings.IndexByte(f, quote) < 0 {
		return false
	}
	f = strings.TrimSpace(f)
	return (f[0] == quote) != (f[len(f)-1] == quote)
}

// noDelimiter is a character that no table of one column has in its text.
const noDelimiter = "\x1f"

func lineLen(s string, eol byte) int {
	if i := strings.IndexByte(s, eol); i >= 0 {
		return i
	}
	return len(s)
}

func endsInDigit(s string) bool {
	return s != "" && s[len(s)-1] >= '0' && s[len(s)-1] <= '9'
}

// sniffLineEnd tells a file whose lines end in a bare CR, as old Mac programs
// write them. Line feeds and returns inside quotes are part of a field.
func sniffLineEnd(sample string, quote byte) byte {
	var lf, cr [2]int // outside, inside quotes
	in := 0
	for i := 0; i < len(sample); i++ {
		switch c := sample[i]; {
		case c == quote && quote != 0:
			in = 1 - in
		case c == '\n':
			lf[in]++
		case c == '\r' && i+1 < len(sample) && sample[i+1] != '\n' && sample[i+1] != '\r':
			cr[in]++
		case c == '\r' && i+1 == len(sample):
			cr[in]++
		}
	}
	if lf[0] == 0 && cr[0] == 0 { // an odd quote somewhere
		lf[0], cr[0] = lf[1], cr[1]
	}
	if cr[0] > lf[0] {
		return '\r'
	}
	return '\n'
}

// sepLine reads Excel's own way to name the delimiter: a first line sep=;
// which is no row. n is its length with the line end.
func sepLine(sample string, eol byte) (delim string, n int) {
	line, _, found := strings.Cut(sample, string(rune(eol)))
	n = len(line)
	if found {
		n++
	}
	line = strings.Trim(strings.TrimRight(line, "\r"), `"`)
	if len(line) < 5 || !strings.EqualFold(line[:4], "sep=") || utf8.RuneCountInString(line[4:]) != 1 {
		return "", 0
	}
	return line[4:], n
}

// usualDelimiters are those that are tried while the quote is not known.
var usualDelimiters = []string{",", ";", "\t", "|"}

// singleQuoted tells a table whose fields stand in single quotes: a field of
// at least every second row begins and ends with one, and none with a double
// quote. An apostrophe is never so regular.
func singleQuoted(sample string, d dialect) bool {
	if d.quote != '"' || strings.Count(sample, "'") < 6 {
		return false
	}
	d.quote = 0
	s := newSample(sample, d)
	rows, quoted := 0, 0
	for {
		row := s.next()
		if row.fault == scanEnd {
			return quoted >= 3 && quoted*2 >= rows
		}
		rows++
		found := false
		for _, f := range s.fields {
			switch f = strings.TrimSpace(f); {
			case strings.HasPrefix(f, `"`):
				return false
			case len(f) > 2 && f[0] == '\'' && f[len(f)-1] == '\'':
				found = true
			}
		}
		if found {
			quoted++
		}
	}
}

// backslashed tells a table in whose quoted fields a backslash stands before
// quotes that do not end the field. Where quotes are doubled, or where the
// quote does end its field (a path of Windows), a backslash is a backslash.
func backslashed(sample string, d dialect) bool {
	if d.quote == 0 || !strings.Contains(sample, `\`+string(rune(d.quote))) {
		return false
	}
	ends := func(i int) bool { // a field ends or begins at i
		return i < 0 || i >= len(sample) || sample[i] == d.eol || sample[i] == '\r' || sample[i] == '\n' ||
			strings.HasPrefix(sample[i:], d.delim) || strings.HasSuffix(sample[:i+1], d.delim)
	}
	escapes := 0
	for i := 0; i < len(sample); i++ {
		if sample[i] != d.quote || i == 0 {
			continue
		}
		switch {
		case sample[i-1] == '\\' && !ends(i+1):
			escapes++
		case i+1 < len(sample) && sample[i+1] == d.quote:
			if !ends(i-1) && !ends(i+2) {
				return false
			}
			i++
		}
	}
	return escapes > 0
}
