package extract

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

// scanCells reads every cell of every worksheet, hidden or not: sheet, then
// cell name, then the cell's text and value.
func scanCells(t testing.TB, b []byte) (cells map[string]map[string]scannedCell, err error) {
	t.Helper()
	opt := Options{Excel: ExcelOptions{Hidden: true}}
	book, err := openWorkbook(t.Context(), Input{Name: "book.xlsx", Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}, opt)
	if err != nil {
		return nil, err
	}
	defer book.close()
	cells = map[string]map[string]scannedCell{}
	for i := range book.sheets {
		sh := &book.sheets[i]
		of := map[string]scannedCell{}
		cells[sh.name] = of
		sc, done, err := book.scan(&excelReader{ctx: t.Context(), opt: opt, book: book}, sh)
		if err != nil {
			return cells, err
		}
		ok, err := sc.start()
		for ok && err == nil {
			var row *sheetRow
			if row, err = sc.next(); row == nil {
				break
			}
			for i := range row.cells {
				c := &row.cells[i]
				text := string(row.text(c))
				of[cellName(int(c.col), row.num)] = scannedCell{text, c.value(text)}
			}
		}
		done()
		if err != nil {
			return cells, err
		}
	}
	return cells, nil
}

type scannedCell struct {
	text  string
	value any
}

// compareWithExcelize compares all cells with excelize's raw values, and
// gives the differences.
func compareWithExcelize(t testing.TB, b []byte) (diffs []string, compared int) {
	t.Helper()
	ours, err := scanCells(t, b)
	if err != nil {
		return []string{"not read: " + err.Error()}, 0
	}
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		return nil, 0 // no reference
	}
	defer f.Close()
	props, _ := f.GetWorkbookProps()
	date04 := props.Date1904 != nil && *props.Date1904
	for sheet, cells := range ours {
		rows, err := f.Rows(sheet)
		if err != nil {
			continue
		}
		seen := map[string]bool{}
		for n := 1; rows.Next(); n++ {
			values, err := rows.Columns(excelize.Options{RawCellValue: true})
			if err != nil {
				diffs = append(diffs, fmt.Sprintf("%s row %d: excelize: %v", sheet, n, err))
				break
			}
			for i, want := range values {
				name := cellName(i+1, n)
				got, ok := cells[name]
				seen[name] = true
				compared++
				if want == "" && !ok {
					continue
				}
				if !sameValue(got, want, date04) {
					diffs = append(diffs, fmt.Sprintf("%s!%s: %q (%v), excelize has %q", sheet, name, got.text, got.value, want))
				}
			}
		}
		rows.Close()
		for name, c := range cells {
			if !seen[name] {
				diffs = append(diffs, fmt.Sprintf("%s!%s: %q, excelize has no cell", sheet, name, c.text))
			}
		}
	}
	return diffs, compared
}

// sameValue compares a cell with the bare text that excelize gives for it.
func sameValue(got scannedCell, want string, date04 bool) bool {
	number, err := strconv.ParseFloat(strings.TrimSpace(want), 64)
	switch v := got.value.(type) {
	case int64:
		return err == nil && float64(v) == number
	case float64:
		return err == nil && v == number
	case bool:
		return want == strings.ToUpper(got.text) || want == "1" && v || want == "0" && !v
	case time.Duration:
		return err != nil || (number-v.Hours()/24)*dayMillis < 1 && (number-v.Hours()/24)*dayMillis > -1
	case time.Time:
		ms, ok := serialMillis(number, date04)
		return err != nil || ok && ms == v.UnixMilli()
	}
	return want == got.text || strings.ReplaceAll(want, "\r\n", "\n") == got.text // excelize keeps raw line ends
}

// corpus lists the files of other people's test suites.
func corpusFiles(t testing.TB, sub string, exts ...string) []string {
	t.Helper()
	root := os.Getenv("IMPORTER_CORPUS")
	if root == "" {
		t.Skip("IMPORTER_CORPUS does not name a folder of real files")
	}
	var files []string
	err := filepath.WalkDir(filepath.Join(root, sub), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, ext := range exts {
			if !d.IsDir() && strings.EqualFold(filepath.Ext(path), ext) {
				files = append(files, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no files in %s of the corpus", sub)
	}
	return files
}

// TestExcelCorpus reads every workbook of other people's test suites: no
// panic, no hang, an explained error where it cannot be read, and the values
// that excelize reads from it.
func TestExcelCorpus(t *testing.T) {
	opened, cells, differ := 0, 0, 0
	for _, path := range corpusFiles(t, "xlsx", ".xlsx", ".xlsm", ".xltx", ".xltm", ".xlsb", ".xls") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		start := time.Now()
		r := readExcelBytes(t, b, Options{})
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s takes %v", name, d)
		}
		if r.err != nil {
			t.Logf("%s: %v", name, r.err)
			continue
		}
		for _, bad := range r.bad[:min(len(r.bad), 2)] {
			t.Logf("%s: %v", name, bad)
		}
		opened++
		diffs, n := compareWithExcelize(t, b)
		cells += n
		differ += len(diffs)
		for _, d := range diffs[:min(len(diffs), 8)] {
			t.Logf("%s: %s", name, d)
		}
	}
	t.Logf("%d books read, %d cells compared, %d differ", opened, cells, differ)
	if opened == 0 || differ > 0 {
		t.Errorf("%d books read and %d cells differ, want some and none", opened, differ)
	}
}

// TestExcelCorpusEncrypted opens books that other programs have encrypted.
func TestExcelCorpusEncrypted(t *testing.T) {
	passwords := map[string]string{"encryptAES": "password", "encryptSHA1": "password", "encryptSHA512": "password", "protected_passtika": "tika"}
	opened := 0
	for _, path := range corpusFiles(t, "xlsx", ".xlsx") {
		for part, password := range passwords {
			if !strings.Contains(path, part+".xlsx") {
				continue
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if r := readExcelBytes(t, b, Options{Excel: ExcelOptions{Header: -1, Passwords: []string{"wrong", password}}}); r.err != nil || len(r.recs) == 0 {
				t.Errorf("%s: %d records, error %v", filepath.Base(path), len(r.recs), r.err)
			}
			opened++
		}
	}
	if opened == 0 {
		t.Skip("the corpus has none of the encrypted books")
	}
}
