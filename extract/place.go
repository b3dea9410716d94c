package extract

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// A Place says where a record or a value of it stands in its file. It prints as
// tickets.csv:1042, tickets.csv:1042:7, book.xlsx!Sheet2:14, manual.pdf#page=3
// or, for a whole document, as the file's name alone.
type Place struct {
	File  string `json:"file"`
	Sheet string `json:"sheet,omitempty"` // Excel: the sheet's name
	Page  int    `json:"page,omitempty"`  // PDF: 1-based; 0 is the whole document
	Line  int    `json:"line,omitempty"`  // 1-based; CSV, JSON: the line on which the record starts, Excel: the row
	Col   int    `json:"col,omitempty"`   // 1-based; CSV, JSON: byte column, Excel: column number; 0 is unknown
}

func (p Place) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Sheet != "" {
		b.WriteByte('!')
		b.WriteString(p.Sheet)
	}
	if p.Page > 0 {
		b.WriteString("#page=")
		b.WriteString(strconv.Itoa(p.Page))
	}
	if p.Line > 0 {
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(p.Line))
		if p.Col > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(p.Col))
		}
	}
	return b.String()
}

// Row is the place within its sheet or file, in words: line 4, or line 4,
// column 17.
func (p Place) Row() string {
	if p.Col > 0 {
		return fmt.Sprintf("line %d, column %d", p.Line, p.Col)
	}
	return fmt.Sprintf("line %d", p.Line)
}

// within gives the place of the byte at an offset of a text that begins at p.
func (p Place) within(text []byte, at int) Place {
	before := text[:min(at, len(text))]
	p.Line += bytes.Count(before, []byte{'\n'})
	if end := bytes.LastIndexByte(before, '\n'); end >= 0 {
		p.Col = 0
		before = before[end+1:]
	}
	p.Col = max(p.Col, 1) + len(before)
	return p
}
