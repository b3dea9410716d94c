package mend

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"importer/pipeline/state"
)

// Limits of a worksheet.
const (
	maxSheetColumns = 16_384
	maxSheetName    = 31
)

// maxSheetRows is how many rows a sheet may have; tests set it lower.
var maxSheetRows = 1_048_576

// maxComments is how many cells say why they are marked: a workbook with many
// thousands of comments opens slowly. The reason of every row stands in the row.
const maxComments = 1000

// An xlsxWriter writes a workbook, with a sheet for each source when their
// columns differ. Rows go to temporary files, the book straight to its writer.
type xlsxWriter struct {
	f        *excelize.File
	w        io.Writer
	of       map[string]*xlsxSheet // by source; those that share a sheet have the same
	sheets   []*xlsxSheet
	comments int

	head, info, text, wrong int // styles
}

type xlsxSheet struct {
	title  string // of the source, or of all
	name   string // as the book has it
	layout layout
	part   int // of the rows, when one sheet does not hold them all
	stream *excelize.StreamWriter
	rows   int
	cells  []any
}

func newXLSXWriter(w io.Writer, shapes []state.Shape) (*xlsxWriter, error) {
	x := &xlsxWriter{f: excelize.NewFile(), w: w, of: map[string]*xlsxSheet{}}
	byColumns := map[string]bool{}
	var all []string
	layouts := map[string]*layout{}
	for _, sh := range shapes {
		l := layouts[sh.Source]
		if l == nil {
			l = &layout{}
			layouts[sh.Source] = l
			all = append(all, sh.Source)
		}
		l.add(sh)
	}
	for _, source := range all {
		if l := layouts[source]; len(l.columns) > 0 {
			byColumns[strings.Join(l.columns, "\x00")] = true
		}
		if n := len(layouts[source].names()); n > maxSheetColumns {
			return nil, fmt.Errorf("the records of source %q have %d columns, and a sheet has room for %d; export them with --format jsonl", source, n, maxSheetColumns)
		}
	}
	if err := x.styles(); err != nil {
		return nil, err
	}
	if len(byColumns) <= 1 { // one sheet for all
		shared := &xlsxSheet{title: "quarantine"}
		for _, sh := range shapes {
			shared.layout.add(sh)
			x.of[sh.Source] = shared
		}
		return x, x.open(shared)
	}
	for _, source := range all {
		x.of[source] = &xlsxSheet{title: source, layout: *layouts[source]}
		if err := x.open(x.of[source]); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *xlsxWriter) styles() (err error) {
	const textFormat = 49 // "@": what is typed stays as it is typed
	style := func(to *int, s excelize.Style) {
		if err == nil {
			*to, err = x.f.NewStyle(&s)
		}
	}
	fill := func(color string) excelize.Fill {
		return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{color}}
	}
	top := &excelize.Alignment{Vertical: "top"}
	style(&x.head, excelize.Style{Font: &excelize.Font{Bold: true}, Fill: fill("D9E1F2"), NumFmt: textFormat, Alignment: top})
	style(&x.info, excelize.Style{Font: &excelize.Font{Color: "595959"}, NumFmt: textFormat, Alignment: top})
	style(&x.text, excelize.Style{NumFmt: textFormat, Alignment: top})
	style(&x.wrong, excelize.Style{Fill: fill("FFC7CE"), NumFmt: textFormat, Alignment: top})
	return err
}

// widths of the leading columns, in characters.
var widths = []float64{9, 12, 24, 10, 14, 10, 14, 12, 18, 60, 12}

const ownWidth = 18

// open begins a sheet, or a further part of one.
func (x *xlsxWriter) open(s *xlsxSheet) (err error) {
	s.part++
	s.name = x.sheetName(s)
	if len(x.sheets) == 0 && s.part == 1 {
		err = x.f.SetSheetName("Sheet1", s.name)
	} else {
		_, err = x.f.NewSheet(s.name)
	}
	if err != nil {
		return err
	}
	if s.part == 1 {
		x.sheets = append(x.sheets, s)
	}
	if s.stream, err = x.f.NewStreamWriter(s.name); err != nil {
		return err
	}
	names := s.layout.names()
	// From the last to the first: the library puts the latest to the front, and
	// Excel wants them in order.
	if len(names) > len(leading) {
		err = errors.Join(s.stream.SetColWidth(len(leading)+1, len(names), ownWidth), s.stream.SetColStyle(len(leading)+1, len(names), x.text))
	}
	for i := len(widths); i > 0; i-- {
		err = errors.Join(err, s.stream.SetColWidth(i, i, widths[i-1]))
	}
	err = errors.Join(err, s.stream.SetColStyle(1, 1, x.text))
	err = errors.Join(err, s.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
	if err != nil {
		return err
	}
	s.cells = make([]any, len(names))
	for i, name := range names {
		s.cells[i] = excelize.Cell{StyleID: x.head, Value: name}
	}
	s.rows = 1
	return s.stream.SetRow("A1", s.cells)
}

// sheetName makes a name that Excel takes and that no sheet has.
func (x *xlsxWriter) sheetName(s *xlsxSheet) string {
	title := strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]`, r) || r < ' ' {
			return ' '
		}
		return r
	}, s.title), "' ")
	taken, _ := x.f.GetSheetIndex("") // -1
	for n := s.part; ; n++ {
		suffix := ""
		if n > 1 {
			suffix = fmt.Sprintf(" (%d)", n)
		}
		name := []rune(title)
		name = append(name[:min(len(name), maxSheetName-len(suffix))], []rune(suffix)...)
		if len(name) == 0 {
			name = []rune("source")
		}
		if i, err := x.f.GetSheetIndex(string(name)); err == nil && i == taken || string(name) == "Sheet1" && len(x.sheets) == 0 {
			return string(name)
		}
	}
}

func (x *xlsxWriter) line(l *line) error {
	s := x.of[l.lead[slices.Index(leading, colSource)]]
	if s.rows == maxSheetRows {
		if err := x.end(s); err != nil {
			return err
		}
		if err := x.open(s); err != nil {
			return err
		}
	}
	clear(s.cells)
	for i, v := range l.lead {
		if v != "" {
			s.cells[i] = excelize.Cell{StyleID: x.info, Value: v}
		}
	}
	own := len(leading)
	var marked []int
	put := func(cell, value int, text string) {
		style := x.text
		if slices.Contains(l.rec.Wrong, value) {
			style = x.wrong
			marked = append(marked, cell)
		}
		if text == "" && style == x.text {
			return // the column's style has it
		}
		s.cells[cell] = excelize.Cell{StyleID: style, Value: text}
	}
	for i, name := range l.names {
		v := ""
		if i < len(l.rec.Values) {
			v = l.rec.Values[i]
		}
		put(own+s.layout.index[name], i, v)
	}
	for i, v := range l.extra {
		put(own+len(s.layout.columns)+i, len(l.names)+i, v)
	}
	s.rows++
	if err := s.stream.SetRow(fmt.Sprintf("A%d", s.rows), s.cells); err != nil {
		return err
	}
	return x.comment(s, marked, l.lead[slices.Index(leading, colDetail)])
}

// comment says in the cells that are marked why they are.
func (x *xlsxWriter) comment(s *xlsxSheet, cells []int, why string) error {
	for _, c := range cells {
		if x.comments++; x.comments > maxComments {
			return nil
		}
		cell, err := excelize.CoordinatesToCellName(c+1, s.rows)
		if err == nil {
			err = x.f.AddComment(s.name, excelize.Comment{Cell: cell, Author: "importer", Text: why})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end finishes a sheet.
func (x *xlsxWriter) end(s *xlsxSheet) error {
	last, err := excelize.CoordinatesToCellName(len(s.cells), s.rows)
	if err != nil {
		return err
	}
	if err := x.f.AutoFilter(s.name, "A1:"+last, nil); err != nil {
		return err
	}
	if s.rows > 1 {
		actions := excelize.NewDataValidation(true)
		actions.Sqref = fmt.Sprintf("A2:A%d", s.rows)
		if err := actions.SetDropList([]string{actionFix, actionSkip, actionForget}); err != nil {
			return err
		}
		if err := x.f.AddDataValidation(s.name, actions); err != nil {
			return err
		}
	}
	return s.stream.Flush()
}

func (x *xlsxWriter) close() (err error) {
	defer func() { err = errors.Join(err, x.f.Close()) }()
	for _, s := range x.sheets {
		if err := x.end(s); err != nil {
			return err
		}
	}
	// The library would gather the book in memory first.
	x.f.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(x.w) })
	_, err = x.f.WriteToBuffer()
	return err
}
