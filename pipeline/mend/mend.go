// Package mend brings refused records to the people who can correct them, and
// their corrections back.
//
// [Export] writes the quarantine as a table: a row a refused record, first what
// is wrong with it, then its own columns, so that a value is corrected where it
// is seen. [Take] reads the table back and makes a fix of every row that was
// changed.
//
// What comes back has mostly been through a spreadsheet, which rewrites what it
// takes for numbers and dates. So a cell is compared with what was exported, and
// one that differs only in the way of spreadsheets counts as untouched: the
// record keeps the spelling of its file. Workbooks are exported as text, which
// leaves little to rewrite; a CSV file has no such protection.
package mend

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"importer/extract"
	"importer/pipeline/state"
)

// The columns that an export has before those of the records. The brackets
// keep them apart.
const (
	colAction   = "[action]"
	colSource   = "[source]"
	colFile     = "[file]"
	colPlace    = "[place]"
	colItem     = "[item]"
	colStage    = "[stage]"
	colReason   = "[reason]"
	colProperty = "[property]"
	colValue    = "[value]"
	colDetail   = "[what to do]"
	colKey      = "[key]"
)

var leading = []string{colAction, colSource, colFile, colPlace, colItem, colStage, colReason, colProperty, colValue, colDetail, colKey}

// What the action of a row can be. "" takes it as a fix if it was changed.
const (
	actionFix    = "fix"    // take every cell as it stands
	actionSkip   = "skip"   // leave the record out on purpose
	actionForget = "forget" // drop an earlier fix
)

// maxExtra is how many values without a column are shown of a row that is too
// wide.
const maxExtra = 20

// extraName is the column of the i-th value without one, from 0.
func extraName(i int) string { return "[extra " + strconv.Itoa(i+1) + "]" }

// shown is the name of a record's column in an export, which has no control
// characters and is not one of our own.
func shown(column string) string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF' {
			return ' '
		}
		return r
	}, column))
	if name == "" || strings.HasPrefix(name, "[") && (slices.Contains(leading, name) || strings.HasPrefix(name, "[extra ")) {
		name += "(column)"
	}
	return name
}

// A layout is the columns of one table of an export.
type layout struct {
	columns []string // of the records, as they are shown
	extra   int
	index   map[string]int
}

func (l *layout) add(sh state.Shape) {
	if l.index == nil {
		l.index = map[string]int{}
	}
	for _, c := range sh.Columns {
		name := shown(c)
		if _, ok := l.index[name]; !ok {
			l.index[name] = len(l.columns)
			l.columns = append(l.columns, name)
		}
	}
	if sh.Columns != nil {
		l.extra = max(l.extra, min(sh.Values-len(sh.Columns), maxExtra))
	}
}

// names are all columns of the table.
func (l *layout) names() []string {
	names := slices.Concat(leading, l.columns)
	for i := range l.extra {
		names = append(names, extraName(i))
	}
	return names
}

// A line is a refused record as an export has it.
type line struct {
	lead  []string // in the order of leading
	names []string // of the record's columns, as they are shown
	rec   state.Record
	extra []string // values without a column
}

// newLine makes a line. A record that cannot be told from others by the names
// of its columns gets no key: it cannot be mended here.
func newLine(q state.QuarantineLine) (*line, error) {
	rec, err := state.ParseRecord(string(q.Record))
	if err != nil {
		return nil, err
	}
	l := &line{rec: rec}
	key := q.Key
	for _, c := range rec.Columns {
		name := shown(c)
		if slices.Contains(l.names, name) {
			key = ""
		}
		l.names = append(l.names, name)
	}
	for i, v := range rec.Values {
		v = mark(v, rec.Cut, i)
		rec.Values[i] = v
		if i >= len(rec.Columns) {
			l.extra = append(l.extra, v)
		}
	}
	if len(l.extra) > maxExtra {
		key, l.extra = "", l.extra[:maxExtra]
	}
	l.lead = []string{"", q.Source, q.File, placeOf(q), q.Item, q.Stage, q.Reason, q.Property, q.Value, q.Detail, key}
	return l, nil
}

// cutMark ends a value of which only the beginning is kept.
const cutMark = "… (cut)"

func mark(v string, cut []int, i int) string {
	if slices.Contains(cut, i) {
		return v + cutMark
	}
	return v
}

// mendable tells that the row of the export can be taken back.
func (l *line) mendable() bool { return l.lead[len(l.lead)-1] != "" && l.rec.Whole() }

// placeOf says where in its file a record is.
func placeOf(q state.QuarantineLine) string {
	p := extract.Place{Sheet: q.Sheet, Page: q.Page, Line: q.Line, Col: q.Col}
	return strings.Trim(p.String(), "!#:")
}
