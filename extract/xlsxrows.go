package extract

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Of a sheet's first rows, at most so much is looked at to find the header.
const (
	earlyRows  = 100
	earlyBytes = 1 << 20
)

// A rowSource gives the rows of one sheet. It is a scanner of the sheet's own
// format.
type rowSource interface {
	// start reads up to the first row. It says false if the sheet has no rows.
	start() (bool, error)
	// next gives the next row that has something in it, nil after the last one. It
	// must not end without an error unless the sheet is whole.
	next() (*sheetRow, error)
	facts() *sheetFacts
}

// sheetFacts are what a sheet says beside its rows.
type sheetFacts struct {
	hidden []columnRange // hidden columns, known when the first row is
	merges []mergeRange  // known when all rows were read
}

// A book is an open file of sheets.
type book interface {
	list() []bookSheet // worksheets in the book's order, hidden ones too
	// scan opens a sheet, as often as it is asked for.
	scan(r *excelReader, sh *bookSheet) (rowSource, func() error, error)
	close()
}

// A sheetReader turns the rows of one sheet into records.
type sheetReader struct {
	*excelReader
	sh     *bookSheet
	sc     rowSource
	header *Header
	// slot gives the header's index of a column (slot[col-1]), -1 for a hidden
	// one; columns past its end have no name.
	slot   []int32
	merges mergeFiller

	headerRow  int // 0 before it is known, -1 if there is none
	hiddenRows int
	titles     int // rows above the header, passed over
	firstTitle int

	text  []string // of the last record, for the next if it may be used again
	typed []any
}

// sheet yields the records of one sheet.
func (r *excelReader) sheet(sh *bookSheet) error {
	sr := &sheetReader{excelReader: r, sh: sh}
	if r.opt.Excel.Merged || r.opt.Excel.Header < 0 {
		if err := sr.survey(); err != nil {
			return err
		}
	}
	sc, close, err := sr.book.scan(sr.excelReader, sr.sh)
	if err != nil {
		return err
	}
	defer close()
	sr.sc = sc
	if ok, err := sc.start(); !ok || err != nil {
		return err
	}
	return sr.rows()
}

// recordLimit is in the range in which a row's cells can point into its text.
func (r *excelReader) recordLimit() int {
	return int(min(orDefault(r.opt.Limits.Record, defaultRecordLimit), 1<<30))
}

// columnLimit is how many columns a row may have.
func (r *excelReader) columnLimit() int {
	if n := r.opt.Limits.Columns; n > 0 {
		return min(maxExcelColumns, n)
	}
	return maxExcelColumns
}

// survey reads the sheet once before its rows are: merged ranges stand behind
// the rows, and without a header only the widest row tells how many columns
// there are.
func (sr *sheetReader) survey() error {
	sc, close, err := sr.book.scan(sr.excelReader, sr.sh)
	if err != nil {
		return err
	}
	defer close()
	ok, err := sc.start()
	width := 0
	for ok && err == nil {
		var row *sheetRow
		if row, err = sc.next(); row == nil {
			break
		}
		for i := range row.cells {
			width = max(width, int(row.cells[i].col))
		}
	}
	// A survey that fails has its reasons told by the reading of the rows; but
	// if merged cells are to be filled, no row is good without it.
	if err != nil && (sr.opt.Excel.Merged || sr.ctx.Err() != nil) {
		return err
	}
	if sr.opt.Excel.Merged {
		sr.merges = newMergeFiller(sc.facts().merges)
	}
	if sr.opt.Excel.Header < 0 && width > 0 {
		sr.headerRow = -1
		sr.name(make([]string, width), sc.facts().hidden)
	}
	return nil
}

// rows drives the sheet: first the early rows that were kept to find the
// header, then the rest as it comes.
func (sr *sheetReader) rows() error {
	var early []*sheetRow
	whole := false
	if sr.opt.Excel.Header > 0 {
		sr.headerRow = sr.opt.Excel.Header
	} else if sr.headerRow == 0 {
		var err error
		var cut error
		if early, whole, cut = sr.readEarly(); len(early) == 0 {
			return cut
		}
		sr.headerRow = sr.findHeader(early)
		for _, row := range early {
			if err = sr.take(row); err != nil {
				return err
			}
		}
		if cut != nil {
			return cut
		}
	}
	for !whole {
		row, err := sr.sc.next()
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		if err := sr.take(row); err != nil {
			return err
		}
	}
	return sr.end()
}

// readEarly keeps the rows in which the header is looked for. It tells if
// they are all there are, or what ended them.
func (sr *sheetReader) readEarly() (early []*sheetRow, whole bool, err error) {
	size := 0
	for visible := 0; visible < earlyRows && size < earlyBytes; {
		row, err := sr.sc.next()
		if err != nil || row == nil {
			return early, err == nil, err
		}
		clone := *row
		clone.cells = append([]sheetCell(nil), row.cells...)
		clone.buf = bytes.Clone(row.buf)
		early = append(early, &clone)
		size += len(row.buf) + 32*len(row.cells)
		if !row.hidden || sr.opt.Excel.Hidden {
			visible++
		}
	}
	return early, false, nil
}

// findHeader finds the row that names the columns: the first with text in at
// least half as many cells as the widest row has cells. A lone text over a row
// of several is a title, though, and where no row qualifies (columns named by
// years) the first one that is filled enough is taken.
func (sr *sheetReader) findHeader(early []*sheetRow) int {
	shown := early
	if !sr.opt.Excel.Hidden {
		shown = slices.DeleteFunc(slices.Clone(early), func(row *sheetRow) bool { return row.hidden })
	}
	if len(shown) == 0 {
		return early[0].num
	}
	return shown[headerIndex(shown)].num
}

func headerIndex(early []*sheetRow) int {
	widest := 0
	for _, row := range early {
		widest = max(widest, len(row.cells))
	}
	filled := -1
	for i, row := range early {
		if filled < 0 && 2*len(row.cells) >= widest {
			filled = i
		}
		if texts := countTexts(row); texts == 0 || 2*texts < widest {
			continue
		}
		if len(row.cells) == 1 && i+1 < len(early) && len(early[i+1].cells) > 1 && countTexts(early[i+1]) == len(early[i+1].cells) {
			continue
		}
		return i
	}
	return max(filled, 0)
}

// countTexts counts the cells that hold text.
func countTexts(row *sheetRow) int {
	n := 0
	for i := range row.cells {
		if c := &row.cells[i]; c.kind == cellText && len(bytes.TrimSpace(row.text(c))) > 0 {
			n++
		}
	}
	return n
}

// take handles the next row of the sheet.
func (sr *sheetReader) take(row *sheetRow) error {
	if err := sr.ctx.Err(); err != nil {
		return err
	}
	sr.cells = true
	if sr.opt.Excel.Merged {
		sr.merges.advance(row)
	}
	if sr.header == nil {
		switch {
		case row.num == sr.headerRow:
			return sr.nameBy(row)
		case row.num > sr.headerRow:
			return sr.noHeader()
		}
		if sr.titles++; sr.titles == 1 {
			sr.firstTitle = row.num
		}
		return nil
	}
	if row.hidden && !sr.opt.Excel.Hidden {
		sr.hiddenRows++
		return nil
	}
	if row.uncached > 0 && !sr.uncached {
		sr.uncached = true
		sr.warn(sr.place(row.num, row.uncached), fmt.Sprintf("the formula in cell %s has no value stored with it, so the cell is empty; "+
			"open the book in Excel and save it (said once; others may follow)", cellName(row.uncached, row.num)))
	}
	return sr.record(row)
}

func (sr *sheetReader) place(line, col int) Place {
	return Place{File: sr.in.Name, Sheet: sr.sh.name, Line: line, Col: col}
}

func (sr *sheetReader) noHeader() error {
	return &FileError{Place: sr.place(sr.headerRow, 0), Reason: ReasonOption,
		Detail: fmt.Sprintf("row %d is to name the columns, but it is empty; give another with excel: {header: ...}, or leave that out to have it found", sr.headerRow)}
}

// nameBy makes the header of a row.
func (sr *sheetReader) nameBy(row *sheetRow) error {
	if row.bad != "" {
		return &FileError{Place: sr.place(row.num, row.badCol), Reason: row.badReason, Detail: "the row that names the columns is not usable: " + row.bad}
	}
	if !utf8.Valid(row.buf) {
		return &FileError{Place: sr.place(row.num, 0), Reason: ReasonEncoding, Detail: "the row that names the columns is not in UTF-8, which a workbook has to be; save it again in Excel"}
	}
	width := 0
	for i := range row.cells {
		if c := &row.cells[i]; len(bytes.TrimSpace(row.text(c))) > 0 {
			width = max(width, int(c.col))
		}
	}
	if width == 0 {
		return sr.noHeader()
	}
	width = min(sr.merges.reach(row.num, width), sr.columnLimit())
	names := make([]string, width)
	for i := range row.cells {
		if c := &row.cells[i]; int(c.col) <= width {
			names[c.col-1] = strings.TrimSpace(string(row.text(c)))
		}
	}
	sr.merges.fill(row.num, width, func(col int, m *activeMerge) {
		if names[col-1] == "" {
			names[col-1] = strings.TrimSpace(m.text)
		}
	})
	sr.name(names, sr.sc.facts().hidden)
	if len(sr.header.names) == 0 {
		return &FileError{Place: sr.place(row.num, 0), Reason: ReasonEmpty, Detail: "all columns of the sheet are hidden; excel: {hidden: true} reads them"}
	}
	if sr.titles > 0 && sr.opt.Excel.Header == 0 {
		sr.warn(sr.place(row.num, 0), fmt.Sprintf("row %d is taken for the one that names the columns; %d above it passed over, from row %d on; excel: {header: N} chooses another",
			row.num, sr.titles, sr.firstTitle))
	}
	return nil
}

// name makes the header of the names of the sheet's columns, without the
// hidden ones.
func (sr *sheetReader) name(names []string, hidden []columnRange) {
	sr.slot = make([]int32, len(names))
	if !sr.opt.Excel.Hidden {
		skipped := 0
		for _, h := range hidden {
			for col := max(h.first, 1); col <= min(h.last, len(names)); col++ {
				if sr.slot[col-1] == 0 {
					sr.slot[col-1] = -1
					skipped++
				}
			}
		}
		if skipped > 0 {
			sr.warn(Place{File: sr.in.Name, Sheet: sr.sh.name}, fmt.Sprintf("hidden columns were passed over (%d); excel: {hidden: true} reads them", skipped))
		}
	}
	shown := make([]string, 0, len(names))
	for i, name := range names {
		if sr.slot[i] == 0 {
			sr.slot[i] = int32(len(shown))
			shown = append(shown, name)
		}
	}
	sr.header = NewHeader(shown)
}

// record yields the record of a row, or what is wrong with it.
func (sr *sheetReader) record(row *sheetRow) error {
	rec := Record{Place: sr.place(row.num, 0), Header: sr.header}
	text := string(row.buf)
	n := len(sr.header.names)
	if rec.Text, rec.Typed = sr.text, sr.typed; len(rec.Text) != n || !sr.opt.Reuse {
		rec.Text, rec.Typed = make([]string, n), make([]any, n)
		sr.text, sr.typed = rec.Text, rec.Typed
	} else {
		clear(rec.Text)
		clear(rec.Typed)
	}
	filled := false
	for i := range row.cells {
		c := &row.cells[i]
		s := text[c.from:c.to]
		slot := int32(-1)
		if int(c.col) <= len(sr.slot) {
			slot = sr.slot[c.col-1]
		} else if strings.TrimSpace(s) != "" && !sr.hiddenColumn(int(c.col)) {
			row.fail(int(c.col), ReasonRagged, "cell %s is right of the last column that row %d names; name its column, clear the cell, or choose another row with excel: {header: ...}",
				cellName(int(c.col), row.num), max(sr.headerRow, 1))
		}
		if slot < 0 {
			continue
		}
		rec.Text[slot], rec.Typed[slot] = s, c.value(s)
		filled = filled || c.kind != cellText || strings.TrimSpace(s) != ""
	}
	if row.bad == "" && !utf8.ValidString(text) {
		row.fail(0, ReasonEncoding, "row %d has bytes that are not UTF-8, which a workbook has to be; save it again in Excel", row.num)
	}
	if row.bad != "" {
		sr.text, sr.typed = nil, nil // the error keeps its texts
		return sr.send(Record{}, &RecordError{Place: sr.place(row.num, row.badCol), Reason: row.badReason, Detail: row.bad,
			Text: withOverflow(rec.Text, row, len(sr.slot)), Header: sr.header})
	}
	if !filled { // nothing but style, spaces or merged neighbours
		return nil
	}
	sr.merges.fill(row.num, len(sr.slot), func(col int, m *activeMerge) {
		if slot := sr.slot[col-1]; slot >= 0 && rec.Text[slot] == "" {
			rec.Text[slot], rec.Typed[slot] = m.text, m.value
		}
	})
	return sr.send(rec, nil)
}

// withOverflow adds the cells that have no column to the text of a bad row,
// so that whoever mends it sees them.
func withOverflow(text []string, row *sheetRow, width int) []string {
	for i := range row.cells {
		if c := &row.cells[i]; int(c.col) > width && c.to > c.from {
			text = append(text, string(row.text(c)))
		}
	}
	for i, s := range text {
		text[i] = strings.ToValidUTF8(s, "\uFFFD")
	}
	return text
}

func (sr *sheetReader) hiddenColumn(col int) bool {
	if sr.opt.Excel.Hidden {
		return false
	}
	for _, h := range sr.sc.facts().hidden {
		if col >= h.first && col <= h.last {
			return true
		}
	}
	return false
}

func (r *excelReader) send(rec Record, err error) error {
	if err == nil {
		r.records = true
	}
	if !r.yield(rec, err) {
		return errStopped
	}
	return nil
}

// end says what is to be said of a sheet that was read to its end.
func (sr *sheetReader) end() error {
	if sr.header == nil && sr.titles > 0 {
		return sr.noHeader()
	}
	if sr.hiddenRows > 0 {
		sr.warn(Place{File: sr.in.Name, Sheet: sr.sh.name}, fmt.Sprintf("hidden rows were passed over (%d; a filter hides rows as well); excel: {hidden: true} reads them", sr.hiddenRows))
	}
	return nil
}
