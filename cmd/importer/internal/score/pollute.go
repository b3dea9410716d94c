//go:build linux || darwin

package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// This file makes tables as programs and people spoil them, one thing at a
// time, each with the cells that are right for it. The kinds are those of
// Pollock (Vitagliano et al., A Data Loading Benchmark, VLDB 2023), whose files
// are such changes of one table too, and what the issues of other importers
// tell of.

// A pollutedFile is one of them.
type pollutedFile struct {
	kind  string
	name  string
	data  []byte
	cells [][]string // the header and the rows that are right
	none  bool       // the table has no header, and the reader is told so
}

const (
	pollutedRows    = 84
	pollutedColumns = 9
)

// cleanTable is what the files are made of.
func cleanTable() [][]string {
	t := [][]string{{"DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "ProductDescription", "URL", "Comments"}}
	kinds := []string{"Accessories", "Doors & Windows", "Café", "Garden"}
	for i := range pollutedRows {
		comment := ""
		switch i % 4 {
		case 0:
			comment = "Cloudy, with rain"
		case 1:
			comment = fmt.Sprintf(`%d" screen`, 10+i)
		case 2:
			comment = "délivré à temps"
		}
		t = append(t, []string{fmt.Sprintf("%02d/%02d/2024", i%28+1, i%12+1), fmt.Sprintf("%02d:%02d", i%24, i%60), fmt.Sprint(i%7 + 1),
			fmt.Sprintf("P-%04d", i*37), fmt.Sprintf("%d.%02d", 10+i, i*7%100), kinds[i%4], fmt.Sprintf("Steel hinge no. %d, polished", i),
			fmt.Sprintf("https://shop.example.com/p/%d?ref=a;b", i), comment})
	}
	return t
}

// A spelling is how a table is written.
type spelling struct {
	delim, quote, escape, eol string
	all                       bool // quotes around every field
}

var plainSpelling = spelling{",", `"`, `"`, "\r\n", false}

func (s spelling) row(fields []string) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		if out[i] = f; s.all || strings.ContainsAny(f, s.delim+s.quote+"\r\n") {
			if s.escape != s.quote {
				f = strings.ReplaceAll(f, s.escape, s.escape+s.escape)
			}
			out[i] = s.quote + strings.ReplaceAll(f, s.quote, s.escape+s.quote) + s.quote
		}
	}
	return strings.Join(out, s.delim) + s.eol
}

func (s spelling) table(rows [][]string) []byte {
	var b bytes.Buffer
	for _, row := range rows {
		b.WriteString(s.row(row))
	}
	return b.Bytes()
}

// pollutedFiles makes all of them.
func pollutedFiles() []pollutedFile {
	clean := cleanTable()
	var files []pollutedFile
	add := func(kind, name string, data []byte, cells [][]string) {
		files = append(files, pollutedFile{kind: kind, name: name + ".csv", data: data, cells: cells})
	}
	add("clean", "clean", plainSpelling.table(clean), clean)
	for _, d := range []string{",", ";", "\t", "|"} {
		for _, q := range []string{`"`, "'"} {
			for _, esc := range []string{q, `\`} {
				for _, eol := range []string{"\n", "\r\n", "\r"} {
					for _, all := range []bool{false, true} {
						s := spelling{d, q, esc, eol, all}
						if q == "'" && !all {
							continue // nothing in the text says so
						}
						add("dialect", fmt.Sprintf("dialect %q %q %q %q %v", d, q, esc, eol, all), s.table(clean), clean)
					}
				}
			}
		}
	}
	files = append(files, pollutedEncodings(clean)...)
	files = append(files, pollutedSurroundings(clean)...)
	return append(files, pollutedRowsOf(clean)...)
}

// pollutedEncodings writes the table in other encodings, and with a stray byte.
func pollutedEncodings(clean [][]string) (files []pollutedFile) {
	text := string(plainSpelling.table(clean))
	wide := func(big bool) []byte {
		var b []byte
		for _, u := range utf16.Encode([]rune(text)) {
			if big {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
		return b
	}
	western, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		panic(err) // unreachable: the table has Western letters only
	}
	at := strings.Index(text, "no. 40,")
	cells := make([][]string, len(clean))
	copy(cells, clean)
	cells[41] = append([]string(nil), clean[41]...)
	cells[41][6] = "Steel hingeé no. 40, polished"
	for name, data := range map[string][]byte{
		"UTF-8 with a mark": []byte("\xEF\xBB\xBF" + text), "UTF-16LE with a mark": append([]byte("\xFF\xFE"), wide(false)...),
		"UTF-16BE with a mark": append([]byte("\xFE\xFF"), wide(true)...), "UTF-16LE": wide(false), "UTF-16BE": wide(true), "windows-1252": []byte(western),
	} {
		files = append(files, pollutedFile{kind: "encoding", name: name + ".csv", data: data, cells: clean})
	}
	return append(files, pollutedFile{kind: "encoding", name: "stray byte.csv", data: []byte(text[:at-1] + "\xE9" + text[at-1:]), cells: cells})
}

// pollutedSurroundings puts things above and below the table.
func pollutedSurroundings(clean [][]string) (files []pollutedFile) {
	add := func(kind, name, before, after string) {
		data := append(append([]byte(before), plainSpelling.table(clean)...), after...)
		files = append(files, pollutedFile{kind: kind, name: name + ".csv", data: data, cells: clean})
	}
	empty := strings.Repeat(",", pollutedColumns-1)
	add("preamble", "title", "Sales of 2024\r\n", "")
	add("preamble", "title and empty line", "Sales of 2024\r\n\r\n", "")
	add("preamble", "title in a row", "Sales of 2024"+empty+"\r\n", "")
	add("preamble", "title and empty rows", "Sales of 2024"+empty+"\r\n"+empty+"\r\n"+empty+"\r\n", "")
	add("preamble", "facts", "Report,Sales\r\nFrom,01/01/2024\r\nTo,31/12/2024\r\n\r\n", "")
	add("preamble", "facts in rows", "Report,Sales"+empty[1:]+"\r\nCreated,by the web shop"+empty[1:]+"\r\n", "")
	add("preamble", "remarks", "# exported by shop 3.1\r\n# do not edit\r\n", "")
	add("preamble", "long", strings.Repeat("This text tells of the terms under which the data are given away.\r\n", 30), "")
	add("preamble", "sep", "sep=,\r\n", "")
	add("preamble", "empty lines", "\r\n\r\n\r\n", "")
	add("preamble", "groups of columns", "When,,What,,,,,,\r\n", "")
	add("footer", "empty lines", "", "\r\n\r\n\r\n")
	add("footer", "empty rows", "", empty+"\r\n"+empty+"\r\n")
	add("footer", "total", "", "Total,,336,,4403.86,,,,\r\n")
	add("footer", "total without the rest", "", "Total,,336\r\n")
	add("footer", "total in the second column", "", ",Grand total:,336,,4403.86,,,,\r\n")
	add("footer", "remark", "", "\r\n(84 rows affected)\r\n")
	add("footer", "end of a file", "", "\x1a")
	add("footer", "total and remark", "", "Summe,,336,,,,,,\r\n\r\nEnd of the report\r\n")
	plain := plainSpelling.table(clean[1:])
	files = append(files, pollutedFile{kind: "header", name: "no header.csv", data: plain, cells: clean[1:], none: true})
	return append(files,
		pollutedFile{kind: "header", name: "one row.csv", data: plainSpelling.table(clean[:2]), cells: clean[:2]},
		pollutedFile{kind: "header", name: "no rows.csv", data: plainSpelling.table(clean[:1]), cells: clean[:1]})
}

// pollutedRowsOf spoils one row at a time, in every column.
func pollutedRowsOf(clean [][]string) (files []pollutedFile) {
	spoil := func(kind string, i, j int, row string, right []string) {
		cells := make([][]string, len(clean))
		copy(cells, clean)
		cells[i] = right
		data := append(plainSpelling.table(clean[:i]), row...)
		data = append(data, plainSpelling.table(clean[i+1:])...)
		files = append(files, pollutedFile{kind: kind, name: fmt.Sprintf("%s, row %d column %d.csv", kind, i, j), data: data, cells: cells})
	}
	for i := 1; i < len(clean); i++ {
		row := clean[i]
		fields := make([]string, len(row))
		for j := range row {
			fields[j] = strings.TrimSuffix(plainSpelling.row(row[j:j+1]), plainSpelling.eol)
		}
		with := func(j int, f string) string {
			changed := append([]string(nil), fields...)
			changed[j] = f
			return strings.Join(changed, ",") + plainSpelling.eol
		}
		for j := range row {
			spoil("quote before a field", i, j, with(j, `"`+fields[j]), row)
			if fields[j] == row[j] && len(row[j]) > 1 {
				half := len(row[j]) / 2
				right := append([]string(nil), row...)
				right[j] = row[j][:half] + `"` + row[j][half:]
				if strings.ToValidUTF8(right[j], "") == right[j] {
					spoil("quote in a field", i, j, with(j, right[j]), right)
				}
			}
			spoil("delimiter too many", i, j, with(j, fields[j]+","), row)
		}
		spoil("delimiters missing", i, 0, strings.Join(fields[:5], ",")+plainSpelling.eol, append(append([]string(nil), row[:5]...), "", "", "", ""))
		spoil("other delimiter", i, 0, strings.Join(fields, ";")+plainSpelling.eol, row)
		spoil("other line end", i, 0, strings.Join(fields, ",")+"\n", row)
		spoil("spaces around", i, 0, " "+strings.Join(fields, " , ")+" "+plainSpelling.eol, row)
	}
	return files
}
