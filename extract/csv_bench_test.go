package extract

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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
