package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/xuri/excelize/v2"
)

// A book is a workbook in the making.
type book struct {
	Title, Author string
	Date1904      bool // days count from 1904-01-01, as on old Macs
	Sheets        []sheet
}

// A sheet has a merged title line, an empty line, and a table from row 3.
// Without Title the table starts in row 1.
type sheet struct {
	Name, Title string
	Hidden      bool
	Columns     []string
	// Rows hold string, int, float64, bool, time.Time (a date), moment (a
	// date with a time), formula, cellError or nil.
	Rows [][]any
}

type moment time.Time

// A formula carries the number that the program which saved it had computed.
type formula struct {
	Text   string
	Cached float64
}

// A cellError is #N/A; with a formula when it is the result of one.
type cellError struct{ Formula string }

// naMarker is the number that stands for #N/A until the parts are mended: it
// is the value of xlErrNA in Excel's object model, and no sample has it.
const naMarker = -2146826246

func (s *sheet) firstRow() int { // of the data
	if s.Title == "" {
		return 2
	}
	return 4
}

// bytes gives the file.
func (b *book) bytes() ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close()
	day, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	if err != nil {
		return nil, err
	}
	custom := "yyyy-mm-dd hh:mm"
	minute, err := f.NewStyle(&excelize.Style{CustomNumFmt: &custom})
	if err != nil {
		return nil, err
	}
	money, err := f.NewStyle(&excelize.Style{NumFmt: 4})
	if err != nil {
		return nil, err
	}
	if err := f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &b.Date1904}); err != nil {
		return nil, err
	}
	stamp := "2024-12-02T08:00:00Z"
	if err := f.SetDocProps(&excelize.DocProperties{Title: b.Title, Creator: b.Author, Created: stamp, Modified: stamp}); err != nil {
		return nil, err
	}
	for i, s := range b.Sheets {
		if i == 0 {
			err = f.SetSheetName("Sheet1", s.Name)
		} else {
			_, err = f.NewSheet(s.Name)
		}
		if err == nil {
			err = s.fill(f, styles{day, minute, money})
		}
		if err == nil && s.Hidden {
			err = f.SetSheetVisible(s.Name, false)
		}
		if err != nil {
			return nil, fmt.Errorf("sheet %s: %w", s.Name, err)
		}
	}
	raw, err := f.WriteToBuffer()
	if err != nil {
		return nil, err
	}
	return repack(raw.Bytes())
}

type styles struct{ day, minute, money int }

func (s *sheet) fill(f *excelize.File, st styles) error {
	header := s.firstRow() - 1
	if s.Title != "" {
		last, err := excelize.CoordinatesToCellName(len(s.Columns), 1)
		if err != nil {
			return err
		}
		if err := f.MergeCell(s.Name, "A1", last); err != nil {
			return err
		}
		if err := f.SetCellValue(s.Name, "A1", s.Title); err != nil {
			return err
		}
	}
	for col, name := range s.Columns {
		if err := setCell(f, s.Name, col+1, header, name, st); err != nil {
			return err
		}
	}
	for i, row := range s.Rows {
		for col, v := range row {
			if err := setCell(f, s.Name, col+1, s.firstRow()+i, v, st); err != nil {
				return err
			}
		}
	}
	return nil
}

func setCell(f *excelize.File, sheet string, col, row int, v any, st styles) error {
	if v == nil {
		return nil
	}
	cell, err := excelize.CoordinatesToCellName(col, row)
	if err != nil {
		return err
	}
	style := 0
	switch x := v.(type) {
	case time.Time:
		style = st.day
	case moment:
		v, style = time.Time(x), st.minute
	case float64:
		style = st.money
	case formula:
		if err := f.SetCellFloat(sheet, cell, x.Cached, -1, 64); err != nil {
			return err
		}
		return f.SetCellFormula(sheet, cell, x.Text)
	case cellError:
		if err := f.SetCellInt(sheet, cell, naMarker); err != nil {
			return err
		}
		return f.SetCellFormula(sheet, cell, x.Formula)
	}
	if err := f.SetCellValue(sheet, cell, v); err != nil {
		return err
	}
	if style == 0 {
		return nil
	}
	return f.SetCellStyle(sheet, cell, cell, style)
}

// excelize writes every cached result as a string (t="str") and has no call
// for error cells; Excel writes a number without t and errors with t="e".
var (
	cachedNA     = regexp.MustCompile(`(<c r="[A-Z]+[0-9]+"(?: s="[0-9]+")?)(?: t="str")?>((?:<f>[^<]*</f>)?)<v>-2146826246</v>`)
	cachedNumber = regexp.MustCompile(`(<c r="[A-Z]+[0-9]+"(?: s="[0-9]+")?) t="str">(<f>[^<]*</f><v>)`)
)

// repack writes the archive again with its parts in a fixed order, without
// times, and with the cached results mended.
func repack(raw []byte) ([]byte, error) {
	in, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(in.File, func(a, b *zip.File) int {
		return cmp.Or(cmp.Compare(partRank(a.Name), partRank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, part := range in.File {
		text, err := readPart(part)
		if err != nil {
			return nil, err
		}
		text = cachedNA.ReplaceAll(text, []byte(`$1 t="e">$2<v>#N/A</v>`))
		text = cachedNumber.ReplaceAll(text, []byte(`$1>$2`))
		to, err := w.CreateHeader(&zip.FileHeader{Name: part.Name, Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		if _, err := to.Write(text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// partRank puts the content types first, where every other writer has them.
func partRank(name string) int {
	if name == "[Content_Types].xml" {
		return 0
	}
	return 1
}

func readPart(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
