package main

import (
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

// A dialect is how a program writes a CSV file.
type dialect struct {
	Encoding  string // a key of encodings
	Delimiter string
	EOL       string
	QuoteAll  bool
}

// encodings are named as a mapping names them; "bom" says that the file
// starts with a byte order mark.
var encodings = map[string]encoding.Encoding{
	"utf-8":        unicode.UTF8,
	"utf-8 bom":    unicode.UTF8BOM,
	"utf-16le bom": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16be bom": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"windows-1250": charmap.Windows1250,
	"windows-1252": charmap.Windows1252,
	"windows-1253": charmap.Windows1253,
	"iso-8859-15":  charmap.ISO8859_15,
	"shift_jis":    japanese.ShiftJIS,
}

// encode writes text in an encoding that has all its characters.
func encode(text, name string) ([]byte, error) {
	enc, ok := encodings[name]
	if !ok {
		return nil, fmt.Errorf("no encoding %q", name)
	}
	data, err := enc.NewEncoder().Bytes([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// A table is a CSV file in the making. It counts lines, so that a fault can
// say where it is.
type table struct {
	dialect dialect
	text    strings.Builder
	line    int // of the next record, 1-based
	records int
}

func newTable(d dialect, header []string) *table {
	t := &table{dialect: d, line: 1}
	t.row(header)
	t.records = 0
	return t
}

// row writes a record and returns the line on which it starts.
func (t *table) row(fields []string) int {
	for i, field := range fields {
		if i > 0 {
			t.text.WriteString(t.dialect.Delimiter)
		}
		if t.dialect.QuoteAll || strings.ContainsAny(field, t.dialect.Delimiter+"\"\r\n") {
			field = `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
		}
		t.text.WriteString(field)
	}
	t.text.WriteString(t.dialect.EOL)
	start := t.line
	t.line++
	for _, field := range fields {
		t.line += strings.Count(field, "\n")
	}
	t.records++
	return start
}

// save adds the table to the tree.
func (t *table) save(to *tree, name, language string) error {
	data, err := encode(t.text.String(), t.dialect.Encoding)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	to.add(name, data)
	to.texts = append(to.texts, textFile{name, t.dialect, language, t.records})
	return nil
}
