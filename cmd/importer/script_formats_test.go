package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"importer/extract"
)

// cmdPack zips what is in a folder: pack report.docx folder.
func cmdPack(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	ts.Check(z.AddFS(os.DirFS(ts.MkAbs(args[1]))))
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// cmdParquet writes a file of three parts, with a date: parquet parts.parquet.
func cmdParquet(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, 1)
	type part struct {
		No    int64    `parquet:"no"`
		Title string   `parquet:"title"`
		Since int32    `parquet:"since,date"`
		Fits  []string `parquet:"fits,list"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[part](&b)
	_, err := w.Write([]part{{1, "Pump", 19849, []string{"A1", "A2"}}, {2, "Seal", 19850, nil}, {3, "Valve", 19851, []string{"B1"}}})
	ts.Check(cmp.Or(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// cmdDocs writes many small files: docs 10000 folder .ext. Under
// -short it is a hundredth of them. Their number is then $DOCUMENTS.
func cmdDocs(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, 3)
	n := integer(ts, args[0])
	if testing.Short() {
		n /= 100
	}
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(dir, 0o700))
	for i := range n {
		ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d%s", i, args[2])), fmt.Appendf(nil, "text %d", i), 0o600))
	}
	ts.Setenv("DOCUMENTS", fmt.Sprint(n))
	ts.Setenv("OTHERS", fmt.Sprint(n-1))
}

// With $HANGING_VERSION this program, and each of its workers, reads files
// *.hang; one with the word poison in it is read for ever. Each begin is a line
// in the file tries beside its folder.
func init() {
	version := os.Getenv("HANGING_VERSION")
	if version == "" && os.Getenv("IMPORTER_EXTRACT_WORKER") == "" {
		return
	}
	extract.Formats = append(extract.Formats, &extract.Format{Name: "hang", Exts: []string{".hang"}, Keep: true, Isolate: true, Version: version,
		Sniff: func([]byte) bool { return false },
		Read: func(_ context.Context, in extract.Input, _ extract.Options) iter.Seq2[extract.Record, error] {
			return func(yield func(extract.Record, error) bool) {
				text, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size))
				if strings.Contains(string(text), "poison") {
					if f, err := os.OpenFile(filepath.Join(filepath.Dir(in.Path), "..", "tries"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
						fmt.Fprintln(f, "poison")
						f.Close()
					}
					select {}
				}
				yield(extract.Record{Place: extract.Place{File: in.Name}, Doc: &extract.Document{Body: string(text)}}, err)
			}
		}})
}
