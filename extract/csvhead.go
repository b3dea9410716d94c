package extract

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file tells a table from what people and programs write above and below
// it: titles, the names of reports, licences, totals, remarks.

const (
	headRows = 200 // of the sample, to find the header in
	// maxFooter is how many rows may stand below a table.
	maxFooter = 20
)

// A headRow is what is seen of an early row.
type headRow struct {
	line   int // on which it starts
	fields int
	filled int // fields with something in them
}

// titles gives the line of the row that names the columns, where titles stand
// above it; 0 if the first row is as good as any.
func (r *csvReader) titles() int {
	s := &r.scan
	text := s.win[s.pos:]
	whole := s.eof && len(text) <= sniffSize
	text = text[:min(len(text), sniffSize)]
	early := newSample(text, s.dialect)
	early.line = s.line
	var rows []headRow
	for len(rows) < headRows {
		row := early.next()
		if row.fault == scanEnd || row.last && !whole {
			break
		}
		if row.fault != scanned {
			continue
		}
		if n := countFilled(early.fields); n > 0 {
			rows = append(rows, headRow{row.line, len(early.fields), n})
		}
	}
	i := headerRow(rows)
	if i == 0 {
		return 0
	}
	r.warnOnce("titles", rows[i].line, fmt.Sprintf("this row is taken for the one that names the columns, and the rows above it (%d, from line %d on) were passed over; csv.header: N chooses another",
		i, rows[0].line))
	return rows[i].line
}

// headerRow gives the index of the row that names the columns: the first that
// is no title. A title has one field filled, or less than half as many as the
// rows of the table have fields. That is believed only of a table of which
// most rows have the same number of fields.
func headerRow(rows []headRow) int {
	count := map[int]int{}
	width := 0
	for _, row := range rows {
		if row.fields < 2 {
			continue
		}
		count[row.fields]++
		if n, most := count[row.fields], count[width]; n > most || n == most && row.fields > width {
			width = row.fields
		}
	}
	for i, row := range rows {
		if row.isTitle(width) {
			continue
		}
		same := 0
		for _, later := range rows[i:] {
			if later.fields == width {
				same++
			}
		}
		if all := len(rows) - i; same*3 < all*2 || all < 2 {
			return 0
		}
		return i
	}
	return 0
}

func (row headRow) isTitle(width int) bool {
	switch {
	case width < 2:
		return false
	case row.filled == 1:
		return width > 2 || row.fields < width
	case row.fields < width:
		return row.filled*2 <= width
	}
	return row.filled*2 < width
}

func countFilled(fields []string) int {
	n := 0
	for _, f := range fields {
		if strings.TrimSpace(f) != "" {
			n++
		}
	}
	return n
}

// A heldRow is a row that waits for what comes after it.
type heldRow struct {
	row    scannedRow
	fields []string
}

// totals are the words that a row of totals begins with, in the languages of
// Western spreadsheets. Those that are false do not make one alone: a title of
// two words is no total because of its first.
var totals = map[string]bool{
	"grand": false, "overall": false, "general": false, "generale": false, "général": false, "of": false, "all": false, "rows": false, "records": false,
	"total": true, "totals": true, "subtotal": true, "sum": true, "sums": true, "average": true,
	"gesamt": true, "gesamtsumme": true, "summe": true, "zwischensumme": true, "insgesamt": true,
	"totale": true, "totali": true, "somma": true, "totaal": true, "totaux": true, "somme": true, "suma": true, "totalt": true,
	"razem": true, "celkem": true, "összesen": true, "итого": true, "всего": true, "合计": true, "合計": true, "总计": true,
}

// mayBeFooter tells no of nearly every row: one that is as wide as the table and
// begins with no word for a total.
func mayBeFooter(fields []string, width int) bool {
	return len(fields) != width || fields[0] == "" || mayBeTotal[fields[0][0]]
}

// isFooter tells that the scanner's row looks like one below a table: it is a
// total, or a remark behind an empty line. It is one only if no record comes
// after it. apart tells of the empty line.
func (r *csvReader) isFooter(apart bool) bool {
	fields, width := r.scan.fields, r.scan.width
	if width < 2 || r.good < 2 || len(r.held) >= maxFooter {
		return false
	}
	if isTotal(fields, width) {
		return true
	}
	return (apart || len(r.held) > 0) && len(fields) < width && countFilled(fields) == 1
}

// isTotal tells a row that begins with a word for it and has either half of
// its fields empty or numbers only.
func isTotal(fields []string, width int) bool {
	i := 0
	for i < len(fields) && fields[i] == "" {
		i++
	}
	if i == len(fields) || !isTotalWord(fields[i]) {
		return false
	}
	filled, numbers := 1, true
	for _, f := range fields[i+1:] {
		if f = strings.TrimSpace(f); f != "" {
			filled++
			numbers = numbers && isAmount(f)
		}
	}
	return filled*2 <= width+1 || numbers
}

// mayBeTotal are the bytes that a word for a total may begin with, or the space
// before it. Every row is asked, and most are told no by them.
var mayBeTotal = func() (may [256]bool) {
	for c := range may {
		may[c] = c >= utf8.RuneSelf || unicode.IsSpace(rune(c)) || strings.IndexByte("tgsairco", byte(c)|0x20) >= 0
	}
	return may
}()

// isTotalWord tells a field of nothing but such words.
func isTotalWord(f string) bool {
	f = strings.TrimSpace(f)
	if f == "" || len(f) > 40 || !mayBeTotal[f[0]] {
		return false
	}
	is := false
	for word := range strings.FieldsSeq(f) {
		sum, known := totals[strings.ToLower(strings.TrimFunc(word, unicode.IsPunct))]
		if !known {
			return false
		}
		is = is || sum
	}
	return is
}

// isAmount tells a number as people write it: 1,234.50 or 12 % or € 3.
func isAmount(f string) bool {
	digits := false
	for _, c := range f {
		switch {
		case c >= '0' && c <= '9':
			digits = true
		case !unicode.IsPunct(c) && !unicode.IsSymbol(c) && !unicode.IsSpace(c):
			return false
		}
	}
	return digits
}

func (r *csvReader) hold() {
	fields := slices.Clone(r.scan.fields)
	r.held = append(r.held, heldRow{r.row, fields})
}

// release yields the rows that were held: a record follows them, so they are
// records too. The scanner's row is what it was afterwards.
func (r *csvReader) release(yield func(Record, error) bool) bool {
	s := &r.scan
	row, fields, clean := r.row, s.fields, s.utf8.clean
	held := r.held
	r.held = nil
	s.utf8.clean = false // their window is gone: look at them
	for _, h := range held {
		r.row, s.fields = h.row, h.fields
		rec := Record{Place: Place{File: r.in.Name}, Header: r.header}
		var err error
		if bad := r.judge(); bad != nil {
			rec, err = Record{}, bad
		} else {
			r.fill(&rec)
		}
		if !yield(rec, err) {
			return false
		}
	}
	r.row, s.fields, s.utf8.clean = row, fields, clean
	return true
}

// tellFooter tells of the rows that stand below the table.
func (r *csvReader) tellFooter() {
	if len(r.held) == 0 {
		return
	}
	first := r.held[0]
	text := strings.TrimSpace(strings.Join(first.fields, " "))
	if utf8.RuneCountInString(text) > 40 {
		text = string([]rune(text)[:40]) + "..."
	}
	r.warnOnce("footer", first.row.line, fmt.Sprintf("the last rows (%d, from here on: %q) stand below the table and were passed over; csv.footer: keep reads them as records", len(r.held), text))
}
