//go:build unix

package extract

import (
	"archive/zip"
	"bytes"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

// cpuTime is what this process has used, of all its goroutines: on a busy
// machine the clock on the wall says little.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkExcel reads books of 50,000 rows of 10 cells, as records and with
// excelize's own row iterator. Inflate alone is the floor.
func BenchmarkExcel(b *testing.B) {
	const n = 50_000
	for _, kind := range []struct {
		name string
		book []byte
	}{{"inline", streamBook(b, n)}, {"shared", sharedBook(b, n)}} {
		in := Input{Name: "book.xlsx", Size: int64(len(kind.book)), ReaderAt: bytes.NewReader(kind.book)}
		perSecond := func(b *testing.B, before time.Duration) {
			b.ReportMetric(float64(n)*float64(b.N)/(cpuTime()-before).Seconds(), "rows/cpu-s")
		}
		b.Run(kind.name+"/records", func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				got := 0
				for _, err := range Excel.Read(b.Context(), in, Options{Reuse: true}) {
					if err != nil {
						b.Fatal(err)
					}
					got++
				}
				if got != n {
					b.Fatalf("%d records, want %d", got, n)
				}
			}
			perSecond(b, before)
		})
		b.Run(kind.name+"/excelize", func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				f, err := excelize.OpenReader(bytes.NewReader(kind.book), excelize.Options{RawCellValue: true})
				if err != nil {
					b.Fatal(err)
				}
				rows, err := f.Rows("Sheet1")
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
					if _, err := rows.Columns(); err != nil {
						b.Fatal(err)
					}
				}
				rows.Close()
				f.Close()
			}
			perSecond(b, before)
		})
		b.Run(kind.name+"/inflate", func(b *testing.B) {
			before := cpuTime()
			for b.Loop() {
				zr, err := zip.NewReader(in, in.Size)
				if err != nil {
					b.Fatal(err)
				}
				for _, part := range zr.File {
					rc, err := part.Open()
					if err == nil {
						_, err = io.Copy(io.Discard, rc)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			perSecond(b, before)
		})
	}
}
