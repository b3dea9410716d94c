package extract

import (
	"context"
	"fmt"
	"math"
)

// An xlsScanner reads the rows of one sheet of an old workbook.
type xlsScanner struct {
	ctx     context.Context
	book    *xlsBook
	records *xlsRecords
	limits  rowLimits

	sheetFacts
	hiddenRows map[int]bool // of those that are to come
	given      int64        // text given out

	row     sheetRow
	begun   bool // row has cells that belong to it
	count   int
	depth   int // of substreams: a chart in a sheet is one
	formula int // column of a formula whose text comes in the next record, 0 if there is none
	held    *xlsCell
	ended   bool
}

// An xlsCell is a cell that was read and belongs to the next row.
type xlsCell struct {
	kind uint16
	data []byte
}

func (sc *xlsScanner) facts() *sheetFacts { return &sc.sheetFacts }

func (sc *xlsScanner) start() (bool, error) {
	kind, _, err := sc.records.next()
	if err != nil {
		return false, err
	}
	if kind != xlsBOF {
		return false, fmt.Errorf("%w: no sheet is where one should be", errMarkup)
	}
	return true, nil
}

// next gives the next row. Cells come row by row; those of a row that comes
// twice are two rows of one number.
func (sc *xlsScanner) next() (*sheetRow, error) {
	if err := sc.ctx.Err(); err != nil {
		return nil, err
	}
	sc.begun = false
	if sc.held != nil {
		sc.cell(sc.held.kind, sc.held.data)
		sc.held = nil
	}
	for !sc.ended {
		kind, data, err := sc.records.next()
		if err != nil {
			return nil, err
		}
		switch {
		case kind == xlsBOF:
			sc.depth++
		case kind == xlsEOF && sc.depth > 0:
			sc.depth--
		case kind == xlsEOF:
			sc.ended = true
		case sc.depth > 0:
		case isXLSCell(kind):
			if sc.begun && u16(data, 0)+1 != sc.row.num {
				if sc.row.filled() {
					sc.held = &xlsCell{kind, append([]byte(nil), data...)}
					return sc.give()
				}
				sc.begun = false
			}
			sc.cell(kind, data)
		case kind == xlsString && sc.formula > 0:
			sc.formulaText(data)
		default:
			sc.fact(kind, data)
		}
	}
	if sc.begun && sc.row.filled() {
		sc.begun = false
		return sc.give()
	}
	return nil, nil
}

func (sc *xlsScanner) give() (*sheetRow, error) {
	if sc.count++; sc.count > maxExcelRows {
		return nil, errRows()
	}
	// A cell of a few bytes may name a long text.
	if sc.given += int64(len(sc.row.buf)); sc.given/textFactor > defaultUnzippedLimit {
		return nil, &limitError{fmt.Sprintf("the workbook's rows repeat more than %s of text", byteWords(textFactor*defaultUnzippedLimit))}
	}
	delete(sc.hiddenRows, sc.row.num)
	return &sc.row, nil
}

func isXLSCell(kind uint16) bool {
	switch kind {
	case xlsFormula, xlsMulRK, xlsRString, xlsLabelSST, xlsNumber, xlsLabel, xlsBoolErr, xlsRK:
		return true
	}
	return false
}

// fact notes what is no cell.
func (sc *xlsScanner) fact(kind uint16, data []byte) {
	switch kind {
	case xlsRow:
		if len(data) >= 16 && data[12]&0x20 != 0 && len(sc.hiddenRows) < maxExcelRows {
			sc.hiddenRows[u16(data, 0)+1] = true
		}
	case xlsColInfo:
		if len(data) >= 10 && data[8]&1 != 0 && len(sc.hidden) < maxExcelColumns {
			sc.hidden = append(sc.hidden, columnRange{u16(data, 0) + 1, u16(data, 2) + 1})
		}
	case xlsMergedCells:
		for i := 2; i+8 <= len(data) && len(sc.merges) < maxExcelRows; i += 8 {
			r1, r2, c1, c2 := u16(data, i)+1, u16(data, i+2)+1, u16(data, i+4)+1, u16(data, i+6)+1
			sc.merges = append(sc.merges, mergeRange{min(r1, r2), min(c1, c2), max(r1, r2), max(c1, c2)})
		}
	}
}

// cell adds what a record of cells says to the row.
func (sc *xlsScanner) cell(kind uint16, data []byte) {
	r := &sc.row
	num := u16(data, 0) + 1
	if !sc.begun {
		r.reset(num, sc.hiddenRows[num])
		sc.begun = true
	}
	sc.formula = 0
	col := u16(data, 2) + 1
	if kind == xlsMulRK {
		for i := 4; i+6 <= len(data)-2; i += 6 {
			sc.number(col, u16(data, i), rkValue(u32(data, i+2)))
			col++
		}
		return
	}
	switch kind {
	case xlsNumber:
		sc.number(col, u16(data, 4), f64(data, 6))
	case xlsRK:
		sc.number(col, u16(data, 4), rkValue(u32(data, 6)))
	case xlsLabelSST:
		sc.limits.add(r, col, func(c *sheetCell) {
			var ok bool
			if r.buf, ok = sc.book.appendShared(r.buf, u32(data, 6)); !ok {
				r.fail(col, ReasonSyntax, "cell %s points to text %d of a book that has %d texts; open the book in Excel and save it again", cellName(col, r.num), u32(data, 6), len(sc.book.ends))
			}
		})
	case xlsLabel, xlsRString:
		sc.limits.add(r, col, func(c *sheetCell) { r.buf = sc.label(r.buf, data, 6) })
	case xlsBoolErr:
		if len(data) >= 8 {
			sc.boolOrError(col, data[6], data[7] != 0)
		}
	case xlsFormula:
		sc.formulaValue(col, data)
	}
}

// label appends a text that stands in its cell.
func (sc *xlsScanner) label(b, data []byte, at int) []byte {
	if !sc.book.old {
		return xlsText(b, data, at, 2)
	}
	n := u16(data, at)
	at += 2
	if at > len(data) {
		return b
	}
	return append(b, sc.book.page.text(data[at:min(len(data), at+n)])...)
}

func (sc *xlsScanner) number(col, style int, v float64) {
	format := formatNumber
	if style < len(sc.book.formats) {
		format = sc.book.formats[style]
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		sc.row.fail(col, ReasonSyntax, "cell %s holds no number where one should be; open the book in Excel and save it again", cellName(col, sc.row.num))
		return
	}
	sc.limits.add(&sc.row, col, func(c *sheetCell) { sc.row.value(c, v, nil, format, sc.book.date04) })
}

func (sc *xlsScanner) boolOrError(col int, value byte, isError bool) {
	r := &sc.row
	sc.limits.add(r, col, func(c *sheetCell) {
		if isError {
			c.kind = cellError
			r.buf = append(r.buf, excelErrorName(value)...)
			return
		}
		r.bool(c, value != 0)
	})
}

// excelErrorName is the spelling of an error's code ([MS-XLS] 2.5.10).
func excelErrorName(code byte) string {
	switch code {
	case 0x00:
		return "#NULL!"
	case 0x07:
		return "#DIV/0!"
	case 0x0f:
		return "#VALUE!"
	case 0x17:
		return "#REF!"
	case 0x1d:
		return "#NAME?"
	case 0x24:
		return "#NUM!"
	case 0x2a:
		return "#N/A"
	case 0x2b:
		return "#GETTING_DATA"
	}
	return fmt.Sprintf("#ERR%d", code)
}

// formulaValue adds what a formula had as its value when the book was saved
// ([MS-XLS] 2.5.133).
func (sc *xlsScanner) formulaValue(col int, data []byte) {
	if len(data) < 14 {
		return
	}
	if data[12] != 0xff || data[13] != 0xff {
		sc.number(col, u16(data, 4), f64(data, 6))
		return
	}
	switch data[6] {
	case 0:
		sc.formula = col
	case 1:
		sc.boolOrError(col, data[8], false)
	case 2:
		sc.boolOrError(col, data[8], true)
	}
}

// formulaText adds the text of the formula before.
func (sc *xlsScanner) formulaText(data []byte) {
	r, col := &sc.row, sc.formula
	sc.formula = 0
	sc.limits.add(r, col, func(c *sheetCell) { r.buf = sc.label(r.buf, data, 0) })
}

// rkValue reads a number in four bytes ([MS-XLS] 2.5.122).
func rkValue(rk uint32) float64 {
	var v float64
	if rk&2 != 0 {
		v = float64(int32(rk) >> 2)
	} else {
		v = math.Float64frombits(uint64(rk&^3) << 32)
	}
	if rk&1 != 0 {
		v /= 100
	}
	return v
}
