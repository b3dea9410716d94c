package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ledongthuc/pdf"
	"github.com/xuri/excelize/v2"
	"golang.org/x/net/html"
)

const (
	samplesDir  = ".."         // seen from this package
	maxSamples  = 5_000_000    // bytes, goldens included
	maxInputs   = 2_000_000    // what leaves room for the goldens
	minRecords  = 3_000        // rows and documents
	maxRecords  = 4_000        //
	goldenName  = "want.jsonl" // made by the tool, not by the generator
	sourcesName = "gen"        // this package's folder
	opsName     = "ops"        // written by hand
)

func mustGenerate(t *testing.T) *tree {
	t.Helper()
	made, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// diff says in what two versions of a file differ, "" if in nothing that
// counts. Workbooks are compared part by part: their bytes depend on
// compress/flate, whose output may change from one Go release to the next.
func diff(t *testing.T, name string, got, want []byte) string {
	t.Helper()
	if bytes.Equal(got, want) {
		return ""
	}
	if a, b := parts(got), parts(want); strings.HasSuffix(name, ".xlsx") && a != nil && b != nil {
		return cmp.Diff(b, a)
	}
	return "the bytes differ"
}

// parts lists the entries of a zip archive with their headers and contents;
// nil if it is none.
func parts(data []byte) (entries []string) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil
	}
	for _, f := range r.File {
		content, err := readPart(f)
		if err != nil {
			return nil
		}
		entries = append(entries, f.Name+" "+f.Modified.String(), string(content))
	}
	return entries
}

func TestTwoRunsAreByteForByteTheSame(t *testing.T) {
	first, second := mustGenerate(t), mustGenerate(t)
	if got, want := second.names(), first.names(); !slices.Equal(got, want) {
		t.Fatalf("the second run made other files: %s", cmp.Diff(want, got))
	}
	for _, name := range first.names() {
		if !bytes.Equal(first.files[name], second.files[name]) {
			t.Errorf("%s differs from run to run", name)
		}
	}
}

// The generator is run as its user runs it, into an empty folder.
func TestCommittedFilesAreCurrent(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-o", dir}, &stdout, &stderr); code != 0 {
		t.Fatalf("gen exits with %d: %s", code, &stderr)
	}
	fresh, committed := filesBelow(t, dir), filesBelow(t, samplesDir)
	if d := cmp.Diff(fresh, committed); d != "" {
		t.Errorf("samples/ has not the files that the generator makes (-made +there); run go run ./samples/gen -o samples\n%s", d)
	}
	for _, name := range fresh {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(samplesDir, name))
		if err != nil {
			continue // told above
		}
		if d := diff(t, name, got, want); d != "" {
			t.Errorf("%s is not what the generator makes; change the generator and run go run ./samples/gen -o samples\n%s", name, d)
		}
	}
}

// filesBelow lists the generated files below dir.
func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == sourcesName, name == opsName:
			return fs.SkipDir
		case !d.IsDir() && d.Name() != goldenName:
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSizes(t *testing.T) {
	made := mustGenerate(t)
	if size := made.size(); size > maxInputs {
		t.Errorf("the inputs have %d bytes, at most %d leave room for the goldens", size, maxInputs)
	}
	var all int64
	err := filepath.WalkDir(samplesDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all > maxSamples {
		t.Errorf("samples/ has %d bytes, at most %d", all, maxSamples)
	}
	if n := countRecords(t, made); n < minRecords || n > maxRecords {
		t.Errorf("the samples have %d records, want %d to %d", n, minRecords, maxRecords)
	}
}

func countRecords(t *testing.T, made *tree) (n int) {
	t.Helper()
	for _, f := range made.texts {
		if !strings.HasSuffix(f.File, "directory.csv") && !strings.HasSuffix(f.File, "groups.csv") {
			n += f.Records
		}
	}
	for _, name := range made.names() {
		switch filepath.Ext(name) {
		case ".pdf", ".html":
			n++
		case ".xlsx":
			if f, err := excelize.OpenReader(bytes.NewReader(made.files[name])); err == nil {
				for _, sheet := range f.GetSheetList() {
					rows, err := f.GetRows(sheet)
					if err != nil {
						t.Fatal(err)
					}
					n += len(rows) - 1
				}
				f.Close()
			}
		}
	}
	return n
}

// Each CSV file is read back in the dialect that the README claims for it.
func TestCSVFilesAreInTheirDialects(t *testing.T) {
	made := mustGenerate(t)
	listed := map[string]bool{}
	for _, f := range made.texts {
		if filepath.Ext(f.File) != ".csv" {
			continue
		}
		listed[f.File] = true
		text, err := encodings[f.Dialect.Encoding].NewDecoder().Bytes(made.files[f.File])
		if err != nil {
			t.Errorf("%s is not %s: %v", f.File, f.Dialect.Encoding, err)
			continue
		}
		if bytes.ContainsRune(text, '\uFFFD') {
			t.Errorf("%s has bytes that are not %s", f.File, f.Dialect.Encoding)
		}
		r := csv.NewReader(bytes.NewReader(text))
		r.Comma = rune(f.Dialect.Delimiter[0])
		r.FieldsPerRecord = -1 // one row is ragged on purpose
		rows, err := r.ReadAll()
		if err != nil {
			t.Errorf("%s: %v", f.File, err)
			continue
		}
		if len(rows)-1 != f.Records {
			t.Errorf("%s has %d rows, the README says %d", f.File, len(rows)-1, f.Records)
		}
		if strings.Contains(f.File, "/tickets/") && !slices.Equal(rows[0], ticketColumns) {
			t.Errorf("%s has the columns %q, want those of all offices", f.File, rows[0])
		}
		ragged := 0
		for _, row := range rows {
			if len(row) != len(rows[0]) {
				ragged++
			}
		}
		if want := countFaults(made, f.File, "ragged-row"); ragged != want {
			t.Errorf("%s has %d ragged rows, want %d", f.File, ragged, want)
		}
	}
	for _, name := range made.names() {
		if filepath.Ext(name) == ".csv" && !listed[name] && len(made.files[name]) > 0 {
			t.Errorf("%s is not listed in the README", name)
		}
	}
}

func countFaults(made *tree, file, expect string) (n int) {
	for _, f := range made.faults {
		if f.File == file && f.Expect == expect {
			n++
		}
	}
	return n
}

// What each fault says of a line is there, so that the README can be trusted.
func TestFaultsAreWhereTheREADMESays(t *testing.T) {
	made := mustGenerate(t)
	readme := string(made.files["README.md"])
	dialects := map[string]dialect{}
	for _, f := range made.texts {
		dialects[f.File] = f.Dialect
	}
	seen := map[string]bool{}
	for _, f := range made.faults {
		data, ok := made.files[f.File]
		if !ok {
			t.Errorf("the fault %q is in %s, which does not exist", f.What, f.File)
			continue
		}
		if !strings.Contains(readme, "| "+f.File+" | "+f.Where+" | ") {
			t.Errorf("the README does not list %s %s", f.File, f.Where)
		}
		if seen[f.File+f.Where] {
			t.Errorf("%s %s has two faults; only one of them would be seen", f.File, f.Where)
		}
		seen[f.File+f.Where] = true
		line, isLine := strings.CutPrefix(f.Where, "line ")
		_, value, says := strings.Cut(f.What, " is ")
		if !isLine || !says || value == "empty" || strings.HasPrefix(value, "empty ") {
			continue
		}
		value, _, _ = strings.Cut(strings.Trim(value, `"`), ",")
		value, _, _ = strings.Cut(strings.Trim(value, `"`), ` (`)
		value = strings.Trim(value, `"`)
		text, err := encodings[dialects[f.File].Encoding].NewDecoder().Bytes(data)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		if got := lines[atoi(t, line)-1]; !strings.Contains(got, value) {
			t.Errorf("%s:%s is %q, want %q in it", f.File, line, got, value)
		}
	}
	for _, sample := range []string{"helpdesk/", "contracts/", "website/", "catalogue/"} {
		if n := len(slices.DeleteFunc(slices.Clone(made.faults), func(f fault) bool { return !strings.HasPrefix(f.File, sample) })); n < 5 {
			t.Errorf("%s has %d faults, want a handful", sample, n)
		}
	}
}

// The README promises searches that differ from person to person.
func TestSomeTicketsAreHiddenFromOnePerson(t *testing.T) {
	made := mustGenerate(t)
	if len(made.hidden) == 0 {
		t.Fatal("no public printer ticket is hidden from anybody")
	}
	tickets := map[string]string{} // a row's fields by number
	for _, f := range made.texts {
		if !strings.Contains(f.File, "/tickets/") {
			continue
		}
		text, err := encodings[f.Dialect.Encoding].NewDecoder().Bytes(made.files[f.File])
		if err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(bytes.NewReader(text))
		r.Comma, r.FieldsPerRecord = rune(f.Dialect.Delimiter[0]), -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			tickets[row[0]] = strings.Join(row, " ")
		}
	}
	for _, h := range made.hidden {
		row := tickets[h.Ticket]
		for _, want := range []string{"public", "true", h.From, "rinter"} {
			if !strings.Contains(row, want) {
				t.Errorf("%s is %q, want %q in it", h.Ticket, row, want)
			}
		}
		if !bytes.Contains(made.files["helpdesk/directory.csv"], []byte(","+h.From+",")) {
			t.Errorf("%s is hidden from %s, whom the directory does not know", h.Ticket, h.From)
		}
	}
}

func TestPDFs(t *testing.T) {
	made := mustGenerate(t)
	for _, name := range made.names() {
		if filepath.Ext(name) != ".pdf" {
			continue
		}
		data := made.files[name]
		broken := slices.ContainsFunc(made.faults, func(f fault) bool { return f.File == name })
		r, err := pdf.NewReader(bytes.NewReader(data), int64(len(data)))
		if broken {
			if err == nil {
				t.Errorf("%s opens without a password, want a fault", name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info := r.Trailer().Key("Info")
		if info.Key("Title").Text() == "" || info.Key("Author").Text() == "" {
			t.Errorf("%s has no title or no author", name)
		}
		if n := r.NumPage(); n < 1 || n > 6 {
			t.Errorf("%s has %d pages, want 1 to 6", name, n)
		}
		text, err := r.Page(1).GetPlainText(nil)
		if err != nil || len(text) < 200 {
			t.Errorf("%s: page 1 has %d bytes of text (%v)", name, len(text), err)
		}
		if bytes.Contains(data, []byte("/FlateDecode")) {
			t.Errorf("%s is compressed; its bytes would change with the Go release", name)
		}
	}
}

// The encrypted ones are that, and no mere rubbish: they say /Encrypt.
func TestEncryptedPDFsSaySo(t *testing.T) {
	made := mustGenerate(t)
	n := 0
	for _, f := range made.faults {
		if f.Expect != "encrypted" {
			continue
		}
		n++
		data := made.files[f.File]
		if !bytes.HasPrefix(data, []byte("%PDF-")) || !bytes.Contains(data, []byte("/Encrypt")) {
			t.Errorf("%s is no encrypted PDF", f.File)
		}
	}
	if n != 2 {
		t.Errorf("%d PDFs are encrypted, want 2", n)
	}
}

func TestWorkbooks(t *testing.T) {
	made := mustGenerate(t)
	open := func(name string) *excelize.File {
		t.Helper()
		f, err := excelize.OpenReader(bytes.NewReader(made.files[name]), excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	cells := []struct{ book, sheet, cell, want string }{
		{"contracts/register.xlsx", "Suppliers 2023", "A1", "Fabrikam: contracts with suppliers signed in 2023"},
		{"contracts/register.xlsx", "Suppliers 2023", "A3", "Contract No."},
		{"contracts/register.xlsx", "Suppliers 2023", "A4", "S-2023-001"},
		{"contracts/register.xlsx", "Suppliers 2023", "B4", "44929"}, // 2023-01-03 counted from 1900
		{"contracts/register.xlsx", "Suppliers 2023", "D18", "#N/A"},
		{"contracts/register.xlsx", "Suppliers 2024", "M3", "Rate"},
		{"contracts/register.xlsx", "Customers", "D13", "to be agreed"},
		{"contracts/archive-1904.xlsx", "Archive", "B2", "31777"}, // 1991-01-01 counted from 1904
		{"contracts/archive-1904.xlsx", "Archive", "B35", "#N/A"},
		{"catalogue/products.xlsx", "Products", "H33", "#N/A"},
		{"catalogue/products.xlsx", "Products", "J335", "12.5"},
	}
	for _, c := range cells {
		if got, err := open(c.book).GetCellValue(c.sheet, c.cell); err != nil || got != c.want {
			t.Errorf("%s!%s %s = %q, %v, want %q", c.book, c.sheet, c.cell, got, err, c.want)
		}
	}
	register := open("contracts/register.xlsx")
	if got, want := register.GetSheetList(), []string{"Suppliers 2023", "Suppliers 2024", "Customers", "Drafts"}; !slices.Equal(got, want) {
		t.Errorf("register.xlsx has the sheets %q, want %q", got, want)
	}
	if visible, err := register.GetSheetVisible("Drafts"); err != nil || visible {
		t.Errorf("the sheet Drafts is visible (%v), want hidden", err)
	}
	if merged, err := register.GetMergeCells("Customers"); err != nil || len(merged) != 1 {
		t.Errorf("Customers has %d merged ranges (%v), want its title", len(merged), err)
	}
	if text, err := register.GetCellFormula("Suppliers 2023", "L4"); err != nil || text != "C4-B4" {
		t.Errorf("L4 has the formula %q (%v), want C4-B4", text, err)
	}
	if props, err := open("contracts/archive-1904.xlsx").GetWorkbookProps(); err != nil || props.Date1904 == nil || !*props.Date1904 {
		t.Errorf("archive-1904.xlsx does not count from 1904 (%v)", err)
	}
	if _, err := excelize.OpenReader(bytes.NewReader(made.files["contracts/register-2022.xlsx"])); err == nil {
		t.Error("register-2022.xlsx opens, want a broken workbook")
	}
}

// Excel writes a formula's number without a type and an error with t="e".
// excelize reads both spellings alike, so the parts are looked at.
func TestCachedResultsAreWrittenAsExcelDoes(t *testing.T) {
	made := mustGenerate(t)
	var sheets strings.Builder
	for i, text := range parts(made.files["contracts/register.xlsx"]) {
		if i%2 == 1 {
			sheets.WriteString(text)
		}
	}
	for text, want := range map[string]bool{
		`<c r="L4"><f>C4-B4</f><v>1463</v></c>`: true,
		`<c r="D18" t="e"><f>`:                  true,
		`t="str"`:                               false,
		`-2146826246`:                           false,
	} {
		if got := strings.Contains(sheets.String(), text); got != want {
			t.Errorf("register.xlsx contains %s: %v, want %v", text, got, want)
		}
	}
}

// Every page parses, in the encoding that the README gives, with a main part
// that is not empty.
func TestPages(t *testing.T) {
	made := mustGenerate(t)
	legacy := map[string]string{}
	for _, f := range made.texts {
		legacy[f.File] = f.Dialect.Encoding
	}
	for _, name := range made.names() {
		data := made.files[name]
		if filepath.Ext(name) != ".html" || len(data) == 0 {
			continue
		}
		encoding := legacy[name]
		if encoding == "" {
			encoding = "utf-8"
		}
		text, err := encodings[encoding].NewDecoder().Bytes(data)
		if err != nil || bytes.ContainsRune(text, '\uFFFD') {
			t.Errorf("%s is not %s (%v)", name, encoding, err)
			continue
		}
		doc, err := html.Parse(bytes.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, tag := range []string{"title", "h1", "nav", "script", "footer", "p"} {
			if text := element(doc, tag); text == "" {
				t.Errorf("%s has an empty <%s> or none", name, tag)
			}
		}
		if i := bytes.IndexByte(text, '{'); bytes.Contains(text, []byte("{n}")) || bytes.Contains(text, []byte("{place}")) {
			t.Errorf("%s has a gap that was not filled in, from byte %d on", name, i)
		}
	}
}

// element gives the text of the first element of a name.
func element(n *html.Node, tag string) string {
	if n.Type == html.ElementNode && n.Data == tag {
		var b strings.Builder
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				b.WriteString(d.Data)
			}
		}
		return strings.TrimSpace(b.String())
	}
	for c := range n.ChildNodes() {
		if text := element(c, tag); text != "" {
			return text
		}
	}
	return ""
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-o", filepath.Join(file, "below")}, 1, "gen: "},
		{[]string{"-x"}, 2, "-x"},
	} {
		var stderr bytes.Buffer
		if code := run(c.args, io.Discard, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("run(%q) = %d, %q, want %d and %q in it", c.args, code, &stderr, c.code, c.want)
		}
	}
}
