package pipeline

import (
	"context"
	"strconv"
	"strings"

	"importer/extract"
)

// headerRow finds the record that names the columns of a text table, where the
// first one is only a heading: few of its cells are filled, and a later one
// has a name for each column. It is counted as csv.header counts; 0 is the
// first one.
func headerRow(ctx context.Context, in extract.Input) int {
	const look, most = 30, 64
	names := make([]string, most)
	for i := range names {
		names[i] = "\x00" + strconv.Itoa(i) // no table has it as its header
	}
	opt := extract.Options{CSV: extract.CSVOptions{Header: -1, Columns: names}, Warn: func(extract.Place, string) {}}
	var rows [][]string
	for rec, err := range extract.Records(ctx, in, opt) {
		if err != nil {
			return 0 // wider than that, or broken: as it is found
		}
		row := rec.Text
		for len(row) > 0 && strings.TrimSpace(row[len(row)-1]) == "" {
			row = row[:len(row)-1]
		}
		if rows = append(rows, row); len(rows) == look {
			break
		}
	}
	first, width := -1, 0
	for i, row := range rows {
		if first < 0 && len(row) > 0 {
			first = i
		}
		width = max(width, len(row))
	}
	if first < 0 || width < 2 || filled(rows[first])*2 > width {
		return 0
	}
	for i := first + 1; i < len(rows)-1; i++ {
		if row := rows[i]; filled(row) > filled(rows[first]) && filled(row)*3 >= width*2 && filled(row) >= filled(rows[i+1]) && namesOnly(row) {
			return i + 1
		}
	}
	return 0
}

func filled(row []string) (n int) {
	for _, cell := range row {
		if strings.TrimSpace(cell) != "" {
			n++
		}
	}
	return n
}

// namesOnly tells a row of different short texts.
func namesOnly(row []string) bool {
	seen := map[string]bool{}
	for _, cell := range row {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		if _, err := strconv.ParseFloat(strings.ReplaceAll(cell, ",", "."), 64); err == nil || seen[cell] || len(cell) > 80 {
			return false
		}
		seen[cell] = true
	}
	return true
}
