package extract

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// benchTable is 100,000 rows of ten columns; quotes puts quotes, with a
// doubled one and a line end inside, in every fourth.
func benchTable(quotes bool) []byte {
	var b bytes.Buffer
	b.WriteString("id,title,customer,status,priority,opened,owner,amount,country,note\n")
	for i := range 100_000 {
		note := "nothing to add"
		if quotes && i%4 == 0 {
			note = "\"he said \"\"no\"\",\nthen left\""
		}
		fmt.Fprintf(&b, "%d,Printer %d does not print,customer-%d,open,%d,2026-11-%02d 10:%02d,anna.%d@contoso.com,%d.%02d,Italy,%s\n", i, i, i%977, i%5, i%28+1, i%60, i%50, i%1000, i%100, note)
	}
	return b.Bytes()
}

// BenchmarkCSV sets the whole way to a Record beside encoding/csv, which
// reuses its record and checks nothing.
func BenchmarkCSV(b *testing.B) {
	for _, kind := range []string{"plain", "quotes"} {
		table := benchTable(kind == "quotes")
		b.Run(kind+"/Records", func(b *testing.B) {
			b.SetBytes(int64(len(table)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				in := Input{Name: "t.csv", Size: int64(len(table)), ReaderAt: bytes.NewReader(table)}
				for _, err := range Records(b.Context(), in, Options{Reuse: true}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 100_000 {
					b.Fatalf("%d records", n)
				}
			}
		})
		b.Run(kind+"/encoding-csv", func(b *testing.B) {
			b.SetBytes(int64(len(table)))
			b.ReportAllocs()
			for b.Loop() {
				r := csv.NewReader(bytes.NewReader(table))
				r.ReuseRecord = true
				for {
					if _, err := r.Read(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkCSVShapes reads tables that lie far from the usual: each is about
// 8 MB.
func BenchmarkCSVShapes(b *testing.B) {
	repeat := func(header, row string) string { return header + strings.Repeat(row, 8<<20/len(row)) }
	wide := func(cell, end string) string { return strings.Repeat(cell+",", 199) + cell + end }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ",c%d", i)
		}
		return b.String()[1:] + "\n"
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	mixed := []byte(names(10))
	for len(mixed) < 8<<20 {
		for range 9 {
			mixed = append(append(mixed, "Printer 7 does not print"[:rnd.IntN(24)]...), ',')
		}
		mixed = append(mixed, "it\n"...)
	}
	text := strings.Repeat("The printer near the kitchen jams on every second sheet. ", 36)
	for _, shape := range []struct{ name, table string }{
		{"mixed", string(mixed)}, // no two rows alike, which other tables of a benchmark are to a processor
		{"wide", repeat(names(200), wide("value 12", "\n"))},
		{"wide-short", repeat(names(200), wide("7", "\n"))},
		{"long", repeat(names(4), "17,Printer,"+text+","+text+"\n")},
		{"long-quoted", repeat(names(4), "17,Printer,\""+text+", and\nmore\","+text+"\n")},
		{"short", repeat(names(10), "12,abc,de,4,xyz,9,ok,77,abc,it\n")},
		{"two-columns", repeat(names(2), "12,ab\n")},
		{"one-column", repeat(names(1), "it is\n")},
		{"crlf", repeat(names(10), "12,Printer 7 does not print,customer-9,open,4,2026-11-01 10:20,anna.7@contoso.com,12.90,Italy,nothing\r\n")},
		{"all-quoted", repeat(names(10), "\"12\",\"Printer 7 does not print\",\"customer-9\",\"open\",\"4\",\"2026-11-01 10:20\",\"anna.7@contoso.com\",\"12.90\",\"Italy\",\"nothing\"\n")},
		{"utf8", repeat(names(10), "12,Принтер 7 не печатает,客户-9,ανοιχτό,4,2026-11-01 10:20,zoë.7@contoso.com,12.90,città,nulla da aggiungere è così\n")},
	} {
		b.Run(shape.name, func(b *testing.B) {
			b.SetBytes(int64(len(shape.table)))
			b.ReportAllocs()
			for b.Loop() {
				in := Input{Name: "t.csv", Size: int64(len(shape.table)), ReaderAt: strings.NewReader(shape.table)}
				for _, err := range Records(b.Context(), in, Options{Reuse: true, CSV: CSVOptions{Delimiter: ","}}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
