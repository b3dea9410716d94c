package extract

import (
	"cmp"
	"slices"
)

// A mergeFiller knows the merged ranges that a row crosses and the values of
// their first cells, as the rows of a sheet go by. Its zero value knows none.
type mergeFiller struct {
	ranges []mergeRange // those still to come, by first row
	active []activeMerge
}

// An activeMerge is a range that has begun.
type activeMerge struct {
	mergeRange
	text  string
	value any
}

// maxActiveMerges bounds the ranges that one row can cross: ranges must not
// overlap, so that there are at most as many as columns.
const maxActiveMerges = maxExcelColumns

func newMergeFiller(ranges []mergeRange) mergeFiller {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b mergeRange) int {
		return cmp.Or(cmp.Compare(a.row1, b.row1), cmp.Compare(a.col1, b.col1))
	})
	return mergeFiller{ranges: ranges}
}

// advance goes on to a row.
func (f *mergeFiller) advance(row *sheetRow) {
	f.active = slices.DeleteFunc(f.active, func(m activeMerge) bool { return m.row2 < row.num })
	for len(f.ranges) > 0 && f.ranges[0].row1 <= row.num {
		m := activeMerge{mergeRange: f.ranges[0]}
		f.ranges = f.ranges[1:]
		if m.row1 < row.num || len(f.active) == maxActiveMerges {
			continue // its first row, and so its value, is empty
		}
		for i := range row.cells {
			if c := &row.cells[i]; int(c.col) == m.col1 {
				m.text = string(row.text(c))
				m.value = c.value(m.text)
			}
		}
		if m.text != "" {
			f.active = append(f.active, m)
		}
	}
}

// fill visits each cell up to column width of the ranges that the row
// crosses. Ranges must not overlap, so that a row has no more of such cells
// than columns; those of a hostile file are not visited for longer.
func (f *mergeFiller) fill(row, width int, visit func(col int, m *activeMerge)) {
	visits := 0
	for i := range f.active {
		m := &f.active[i]
		for col := m.col1; col <= min(m.col2, width) && row <= m.row2; col++ {
			if visits++; visits > maxExcelColumns {
				return
			}
			visit(col, m)
		}
	}
}

// reach is the last column of the ranges that cross the row, at least width.
func (f *mergeFiller) reach(row, width int) int {
	for _, m := range f.active {
		if row <= m.row2 {
			width = max(width, min(m.col2, maxExcelColumns))
		}
	}
	return width
}
