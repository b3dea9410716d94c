package extract

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// This file adds cells to a sheetRow, for the scanners of formats whose cells
// come as values and not as text.

// value appends a number in its canonical spelling, or as the date or duration
// that its format makes of it. raw is how it is written, nil if it is not.
func (r *sheetRow) value(c *sheetCell, v float64, raw []byte, format numFormat, date04 bool) {
	switch format {
	case formatElapsed:
		if d, ok := serialDuration(v); ok {
			r.duration(c, d)
			return
		}
	case formatClock:
		if v >= 0 && v < 1 {
			d, _ := serialDuration(v)
			r.duration(c, d)
			return
		}
		fallthrough
	case formatDate:
		if ms, ok := serialMillis(v, date04); ok {
			r.time(c, ms)
			return
		}
	}
	if v == math.Trunc(v) && math.Abs(v) < maxExact {
		c.kind, c.bits = cellInt, uint64(int64(v))
		r.buf = strconv.AppendInt(r.buf, int64(v), 10)
		return
	}
	c.kind, c.bits = cellFloat, math.Float64bits(v)
	r.buf = appendFloat(r.buf, raw, v)
}

func (r *sheetRow) time(c *sheetCell, ms int64) {
	c.kind, c.bits = cellTime, uint64(ms)
	r.buf = appendTime(r.buf, ms)
}

func (r *sheetRow) duration(c *sheetCell, d time.Duration) {
	c.kind, c.bits = cellDuration, uint64(d)
	r.buf = appendDuration(r.buf, d)
}

func (r *sheetRow) bool(c *sheetCell, v bool) {
	c.kind, c.bits = cellBool, 0
	if v {
		c.bits = 1
	}
	r.buf = strconv.AppendBool(r.buf, v)
}

// A rowLimits bounds the rows of a sheet.
type rowLimits struct {
	record  int // bytes of a row
	columns int
}

// add appends a cell in a column, 1-based; fill writes it. A cell without text
// is none.
func (l rowLimits) add(r *sheetRow, col int, fill func(c *sheetCell)) {
	switch {
	case col > l.columns:
		r.fail(0, ReasonTooLarge, "row %d has a cell in column %s, beyond the %d columns that are allowed", r.num, columnName(col), l.columns)
		return
	case len(r.cells) >= l.columns:
		r.fail(0, ReasonSyntax, "row %d has more cells than a row has columns; open the file in its program and save it again", r.num)
		return
	}
	c := sheetCell{col: int32(col), from: int32(len(r.buf))}
	fill(&c)
	if len(r.buf) > l.record {
		r.buf = r.buf[:c.from]
		r.fail(col, ReasonTooLarge, "row %d holds more than %d bytes of text at cell %s; shorten it, or raise limits: {record: ...}", r.num, l.record, cellName(col, r.num))
		return
	}
	if c.to = int32(len(r.buf)); c.to > c.from {
		r.cells = append(r.cells, c)
	}
}

// reset begins a row.
func (r *sheetRow) reset(num int, hidden bool) {
	*r = sheetRow{num: num, hidden: hidden, cells: r.cells[:0], buf: r.buf[:0]}
}

// filled tells a row that is worth giving out.
func (r *sheetRow) filled() bool { return len(r.cells) > 0 || r.bad != "" || r.uncached > 0 }

// errRows is the error of a sheet with more rows than any program writes.
func errRows() error {
	return &limitError{fmt.Sprintf("the sheet has more than %d rows, which Excel itself does not allow; split it", maxExcelRows)}
}
