package extract

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCSVCorpus reads files that others have made. What encoding/csv reads
// without complaint must come out the same, cell by cell.
func TestCSVCorpus(t *testing.T) {
	root := os.Getenv("IMPORTER_CORPUS")
	if root == "" {
		t.Skip("set IMPORTER_CORPUS to a folder of real files to run this")
	}
	compared := 0
	err := filepath.WalkDir(filepath.Join(root, "csv"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		t.Run(d.Name(), func(t *testing.T) {
			in := Input{Name: d.Name(), Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}
			got := readAll(t, t.Context(), in, Options{CSV: CSVOptions{Header: 1, Footer: "keep"}}) // as encoding/csv has it
			if len(got.recs) == 0 && len(got.bad) == 0 && got.err != nil {
				t.Errorf("nothing was read: %v", got.err)
			}
			for _, bad := range got.bad[:min(3, len(got.bad))] {
				t.Logf("%v", bad)
			}
			if got.err != nil || !utf8.Valid(b) || len(got.recs) == 0 {
				t.Logf("end: %v, warnings %q", got.err, got.warn)
				return
			}
			var want [][]string
			for _, comma := range []rune{',', ';', '\t', '|'} {
				r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))))
				r.Comma = comma
				if rows, err := r.ReadAll(); err == nil && len(rows) > 1 && (want == nil || len(rows[0]) > len(want[0])) {
					want = rows
				}
			}
			if want == nil || len(want[0]) == 1 {
				return
			}
			compared++
			var cells [][]string
			for _, rec := range got.recs {
				row := make([]string, len(rec.Text))
				for i, f := range rec.Text {
					row[i] = strings.ReplaceAll(f, "\r\n", "\n") // as encoding/csv does inside quotes
				}
				cells = append(cells, row)
			}
			if !reflect.DeepEqual(cells, want[1:]) {
				t.Errorf("got %d rows %.300q\nwant %d rows %.300q", len(cells), cells, len(want)-1, want[1:])
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if compared < 10 {
		t.Errorf("only %d files were compared with encoding/csv", compared)
	}
}

// TestCSVSpectrum has the cases of csv-spectrum with what they mean, as its
// JSON files have it.
func TestCSVSpectrum(t *testing.T) {
	tests := []struct{ name, csv, json string }{
		{"comma_in_quotes", "first,last,address,city,zip\nJohn,Doe,120 any st.,\"Anytown, WW\",08123\n",
			`[{"first":"John","last":"Doe","address":"120 any st.","city":"Anytown, WW","zip":"08123"}]`},
		{"empty", "a,b,c\n1,\"\",\"\"\n2,3,4\n", `[{"a":"1","b":"","c":""},{"a":"2","b":"3","c":"4"}]`},
		{"empty_crlf", "a,b,c\r\n1,\"\",\"\"\r\n2,3,4\r\n", `[{"a":"1","b":"","c":""},{"a":"2","b":"3","c":"4"}]`},
		{"escaped_quotes", "a,b\n1,\"ha \"\"ha\"\" ha\"\n3,4\n", `[{"a":"1","b":"ha \"ha\" ha"},{"a":"3","b":"4"}]`},
		{"json", "key,val\n1,\"{\"\"type\"\": \"\"Point\"\", \"\"coordinates\"\": [102.0, 0.5]}\"\n",
			`[{"key":"1","val":"{\"type\": \"Point\", \"coordinates\": [102.0, 0.5]}"}]`},
		{"newlines", "a,b,c\n1,2,3\n\"Once upon \na time\",5,6\n7,8,9\n",
			`[{"a":"1","b":"2","c":"3"},{"a":"Once upon \na time","b":"5","c":"6"},{"a":"7","b":"8","c":"9"}]`},
		{"newlines_crlf", "a,b,c\r\n1,2,3\r\n\"Once upon \r\na time\",5,6\r\n7,8,9\r\n",
			`[{"a":"1","b":"2","c":"3"},{"a":"Once upon \r\na time","b":"5","c":"6"},{"a":"7","b":"8","c":"9"}]`},
		{"quotes_and_newlines", "a,b\n1,\"ha \n\"\"ha\"\" \nha\"\n3,4\n", `[{"a":"1","b":"ha \n\"ha\" \nha"},{"a":"3","b":"4"}]`},
		{"simple", "a,b,c\n1,2,3\n", `[{"a":"1","b":"2","c":"3"}]`},
		{"utf8", "a,b,c\n1,2,3\n4,5,ʤ\n", `[{"a":"1","b":"2","c":"3"},{"a":"4","b":"5","c":"ʤ"}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(tt.csv)), ReaderAt: strings.NewReader(tt.csv)}, Options{})
			if got.err != nil || len(got.bad) > 0 {
				t.Fatal(got.err, got.bad)
			}
			var want []map[string]string
			if err := json.Unmarshal([]byte(tt.json), &want); err != nil {
				t.Fatal(err)
			}
			var objects []map[string]string
			for _, rec := range got.recs {
				o := map[string]string{}
				for i, name := range rec.Header.Names() {
					o[name] = rec.Text[i]
				}
				objects = append(objects, o)
			}
			if !reflect.DeepEqual(objects, want) {
				t.Errorf("got %q, want %q", objects, want)
			}
		})
	}
}
