package transform

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"importer/extract"
)

// The mapping that has every key has every key, and all of them arrive.
func TestEveryKey(t *testing.T) {
	const file = "testdata/example/full.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		for _, k := range o.keys {
			if !strings.Contains(string(src), k.name+":") {
				t.Errorf("%s has no %s: %s", file, o.name, k.name)
			}
		}
	}
	m, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	reg, export, papers, pages := m.Sources[0], m.Sources[1], m.Sources[2], m.Sources[3]
	diff(t, "register", reg.Options, extract.Options{Format: "excel", Item: "row",
		Excel:  extract.ExcelOptions{Sheets: []string{"Register", "20*"}, Header: 3, Merged: true, Passwords: []string{"secret"}},
		Limits: extract.Limits{Record: 16e6, Columns: 500, Unzipped: 2e9, Pages: 100, Time: time.Minute, Memory: 1e9}})
	diff(t, "export", export.Options.CSV, extract.CSVOptions{Delimiter: ";", Quote: "'", Escape: `\`, Footer: "keep", Encoding: "windows-1252", Header: -1,
		Columns: []string{"no", "title"}, Ragged: "cut", Comment: "#", Trim: true})
	if export.Options.GroupBy != "no" {
		t.Errorf("export: groupBy %q", export.Options.GroupBy)
	}
	if !slices.Equal(export.Sidecar, []string{".yaml", ".meta.json"}) {
		t.Errorf("export: sidecar %q", export.Sidecar)
	}
	diff(t, "papers", papers.Options.PDF, extract.PDFOptions{Engine: "pdfium", Passwords: []string{"a", "b"}, RunningHeads: "drop", Audit: 0.05})
	diff(t, "papers", papers.Options.OCR, extract.OCROptions{When: "always", Languages: []string{"eng", "deu"}, DPI: 200, Pages: 50, Time: 90 * time.Second})
	diff(t, "pages", pages.Options.HTML, extract.HTMLOptions{Content: "main", Encoding: "iso-8859-2"})
	if !reg.Optional || reg.Path != "register/*.xlsx" || reg.PathPos.String() != file+":38:11" || reg.DriftPolicy() != "stop" || papers.DriftPolicy() != "quarantine" {
		t.Errorf("register: optional %v, path %q at %v", reg.Optional, reg.Path, reg.PathPos)
	}
	if m.OnDuplicate != "last" || m.ItemSize != 3_500_000 || m.MaxDeletes != (Limit{Count: 500, Set: true}) || m.MaxACLWidenings != (Limit{Set: true}) {
		t.Errorf("mapping: %+v", m)
	}
	if got, want := reg.Uses(), []string{"Changed", "Contract no", "Denied", "Notes", "Owner", "Public", "Status", "Title", "Value"}; !slices.Equal(got, want) {
		t.Errorf("Uses() = %q, want %q", got, want)
	}
	if got := papers.Uses(); len(got) != 0 {
		t.Errorf("Uses() of documents = %q", got)
	}
	// The time zone of the source, not of the mapping, on a workbook's clock.
	h := extract.NewHeader(reg.Uses())
	rec := extract.Record{Place: extract.Place{File: "r.xlsx", Sheet: "S", Line: 4}, Header: h, Text: make([]string, 9), Typed: make([]any, 9)}
	for name, v := range map[string]any{"Changed": time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC), "Value": 12.5, "Public": true} {
		i, _ := h.Index(name)
		rec.Typed[i], rec.Text[i] = v, "shown"
	}
	for name, v := range map[string]string{"Contract no": "C1", "Title": "T", "Owner": "ada lovelace"} {
		i, _ := h.Index(name)
		rec.Text[i] = v
	}
	it, err := reg.Apply(rec)
	if err != nil {
		t.Fatal(err)
	}
	if len(it.Activities) != 1 || !it.Activities[0].At.Equal(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("activities %v", it.Activities)
	}
	if want := (Content{"html", "<h1>T</h1><p>none</p>"}); it.Content != want {
		t.Errorf("content %v, want %v", it.Content, want)
	}
	if got := it.Properties[2]; got.Name != "value" || got.Value.Float != 12.5 {
		t.Errorf("value = %v", got)
	}
}

// A changed digest means that all is mapped again, so it changes with all
// that decides what a record becomes, and with nothing else.
func TestSourceDigest(t *testing.T) {
	dir := t.TempDir()
	people := filepath.Join(dir, "people.csv")
	write := func(s string) {
		if err := os.WriteFile(people, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("id,mail\n11111111-1111-1111-1111-111111111111,a@x\n")
	base := benchMapping + "identities: {file: people.csv}\n"
	digest := func(src string) [32]byte {
		m, err := parse(filepath.Join(dir, "m.yaml"), []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		return m.Sources[0].Digest()
	}
	want := digest(base)
	for _, same := range []string{
		base, "# a comment\n" + base,
		strings.Replace(base, "name: Bench", "name: Other", 1),
		strings.Replace(base, "path: rows.csv", "path: other.csv", 1),
		base + "safety: {maxDeletes: 3}\n",
	} {
		if digest(same) != want {
			t.Errorf("the digest changed with\n%s", same)
		}
	}
	seen := map[[32]byte]string{want: "base"}
	for _, r := range [][2]string{
		{"title: title", "title: trim(title)"}, {"int(priority)", "{value: int(priority), onError: omit}"}, {"int(priority)", "{value: int(priority), default: 3}"},
		{"status != \"deleted\"", "status != \"gone\""}, {"type: text", "type: html"}, {"[{grant: everyone}]", "[{grant: everyoneExceptGuests}]"},
		{"[{grant: everyone}]", "[{grant: everyone}, {deny: user, value: requester}]"}, {"path: rows.csv", "path: rows.csv\n    timezone: Europe/Rome"},
		{"path: rows.csv", "path: rows.csv\n    csv: {delimiter: tab}"}, {"amount:   {type: double}", "amount:   {type: string}"},
		{"sources:", "target: {itemSize: 1MB}\nsources:"}, {"name: rows", "name: lines"},
	} {
		changed := strings.Replace(base, r[0], r[1], 1)
		if changed == base {
			t.Fatalf("%q is not in the mapping", r[0])
		}
		d := digest(changed)
		if other, dup := seen[d]; dup {
			t.Errorf("%q has the digest of %s", r[1], other)
		}
		seen[d] = r[1]
	}
	write("id,mail\n11111111-1111-1111-1111-111111111111,b@x\n")
	if digest(base) == want {
		t.Error("the digest did not change with the identities")
	}
}

func TestItemDigest(t *testing.T) {
	base := func() *Item {
		return &Item{ID: "a", ACL: []Access{{"user", "u", false}}, Properties: []Property{{"p", Value{Type: StringCollection, Strs: []string{"ab", "c"}}}},
			Content: Content{"text", "x"}, Activities: []Activity{{"viewed", time.Unix(1, 0), "user", "u"}}}
	}
	seen := map[[32]byte]int{}
	for i, change := range []func(*Item){
		func(*Item) {}, func(it *Item) { it.ID = "b" }, func(it *Item) { it.ACL[0].Deny = true }, func(it *Item) { it.ACL[0].Value = "v" },
		func(it *Item) { it.Properties[0].Value.Strs = []string{"a", "bc"} }, func(it *Item) { it.Properties[0].Name = "q" },
		func(it *Item) { it.Properties[0].Value = Value{Type: String, Str: "ab"} }, func(it *Item) { it.Content.Type = "html" },
		func(it *Item) { it.Content.Value = "y" }, func(it *Item) { it.Activities[0].At = time.Unix(2, 0) }, func(it *Item) { it.Activities = nil },
		func(it *Item) { it.Properties[0].Value = Value{Type: Int64, Int: 1} }, func(it *Item) { it.Properties[0].Value = Value{Type: Int64, Int: 2} },
		func(it *Item) { it.Properties[0].Value = Value{Type: Double, Float: 1} }, func(it *Item) { it.Properties[0].Value = Value{Type: Boolean, Bool: true} },
		func(it *Item) {
			it.Properties[0].Value = Value{Type: PrincipalType, Persons: []Principal{{Email: "e"}}}
		},
	} {
		it := base()
		change(it)
		d := it.Digest()
		if other, dup := seen[d]; dup {
			t.Errorf("change %d has the digest of change %d", i, other)
		}
		seen[d] = i
		it.Origin = Origin{"s", "k", extract.Place{Line: 7}}
		if it.Digest() != d {
			t.Errorf("change %d: the digest depends on the origin", i)
		}
	}
}

func TestUsesModified(t *testing.T) {
	for _, tt := range []struct {
		expr string
		want bool
	}{
		{"file.modified", true}, {`string(file["modified"])`, true}, {"file . modified", true}, {"file?.modified", true},
		{"modified", false}, {"file.name", false}, {"title", false},
	} {
		m, err := parse("m.yaml", []byte(strings.Replace(benchMapping, "title: title\n", "title: '"+tt.expr+"'\n", 1)))
		if err != nil {
			t.Fatalf("%s: %v", tt.expr, err)
		}
		if got := m.Sources[0].UsesModified(); got != tt.want {
			t.Errorf("UsesModified of %s = %v, want %v", tt.expr, got, tt.want)
		}
	}
}

// A document's own time is in its content.
func TestADocumentsTimeIsNotTheFiles(t *testing.T) {
	if fileModified.MatchString("meta.modified") {
		t.Error("meta.modified counts as the file's time")
	}
}

func TestDifferTellsTheParts(t *testing.T) {
	base := func() *Item {
		return &Item{ID: "a", ACL: []Access{{Type: "everyone", Value: "everyone"}}, Properties: []Property{{"p", Value{Type: String, Str: "a"}}},
			Content: Content{"text", "x"}, Activities: []Activity{{Type: "created", At: time.Unix(1, 0), ByType: "user", ByID: "u"}}}
	}
	have := base().Digest()
	for _, tt := range []struct {
		name   string
		change func(*Item)
		want   Parts
	}{
		{"nothing", func(*Item) {}, 0},
		{"a deny", func(it *Item) { it.ACL = append(it.ACL, Access{Type: "user", Value: "u", Deny: true}) }, PartACL},
		{"a value", func(it *Item) { it.Properties[0].Value.Str = "b" }, PartProperties},
		{"a value gone", func(it *Item) { it.Properties = nil }, PartProperties},
		{"a text", func(it *Item) { it.Content.Value = "y" }, PartContent},
		{"a text gone", func(it *Item) { it.Content = Content{} }, PartContent},
		{"an activity gone", func(it *Item) { it.Activities = nil }, PartActivities},
		{"two of them", func(it *Item) { it.ACL[0].Deny, it.Content.Value = true, "" }, PartACL | PartContent},
	} {
		it := base()
		tt.change(it)
		now := it.Digest()
		if got := Differ(have[:], now[:]); got != tt.want {
			t.Errorf("%s: parts %04b differ, want %04b", tt.name, got, tt.want)
		}
	}
	if Differ(nil, have[:]) != AllParts || Differ(have[:16], have[:]) != AllParts {
		t.Error("an unknown digest must differ in all parts")
	}
}

// The order of names in a cell, and of properties in the mapping, make no
// other item.
func TestOrderIsSettled(t *testing.T) {
	src := strings.NewReplacer("[{grant: everyone}]", `[{grant: externalGroup, value: 'split(team, ";")'}]`).Replace(benchMapping)
	m := mustParse(t, src)
	vals := slices.Clone(benchRow)
	var digests [][32]byte
	for _, team := range []string{"A;B;C", "C ; A;B;A"} {
		vals[6] = "same"
		r := row("r.csv", 1, benchColumns, slices.Clone(vals)...)
		m2 := mustParse(t, strings.Replace(src, "team: team", "team: '\"same\"'", 1))
		r.Text[6] = team
		it, err := m2.Sources[0].Apply(r)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, it.Digest())
	}
	if digests[0] != digests[1] {
		t.Error("the order of groups in a cell made another item")
	}
	names := []string{}
	it, err := m.Sources[0].Apply(row("r.csv", 1, benchColumns, benchRow...))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range it.Properties {
		names = append(names, p.Name)
	}
	if got, want := fmt.Sprint(names), "[number title status priority amount opened team city requester url]"; got != want {
		t.Errorf("properties %s, want %s", got, want)
	}
}

// Files that spreadsheet programs write: a byte order mark, semicolons, other
// spellings of the header, ragged rows.
func TestSideFileForms(t *testing.T) {
	for _, data := range []string{
		"id,userPrincipalName,mail,displayName,employeeId\n11111111-1111-1111-1111-111111111111,u@x,m@x,N,7\n",
		"\ufeffObject ID;UPN;E-mail;Name;Employee_ID\r\n11111111-1111-1111-1111-111111111111;u@x;m@x;N;7;extra;more\r\n\r\n",
		"mail\tid\tupn\tdisplay name\temployeeid\nm@x\t11111111-1111-1111-1111-111111111111\tu@x\tN\t7",
		"other,id,mail,upn,name,employeeid\n\"a\nb\",11111111-1111-1111-1111-111111111111,m@x,u@x,N,7\n,,,,\n",
	} {
		rows, err := readRows(data)
		if err != nil {
			t.Errorf("%q: %v", data, err)
			continue
		}
		diff(t, "rows", rows, []userRow{{ID: "11111111-1111-1111-1111-111111111111", UPN: "u@x", Mail: "m@x", DisplayName: "N", EmployeeID: "7", Line: 2}})
	}
	for data, want := range map[string]string{
		"":                          "p.csv:1:1: the file is empty",
		"mail\nx\n":                 `p.csv:1:1: there is no column "id"`,
		"id,mail\n\"a\"b,c\n":       "p.csv:2:1: this line is not CSV",
		"id,e-mail,email address\n": `p.csv:1:1: the columns "e-mail" and "email address" are both the mail; rename one of them`,
		"\xff\xfei\x00d\x00":        "p.csv:1:1: the file is in UTF-16; save it as CSV in UTF-8",
	} {
		if _, err := readRows(data); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
	// Short rows: gocsv would die on what is longer than the header.
	rows, err := readRows("id,mail\na\nb,c,d,e\n")
	if err != nil || len(rows) != 2 || rows[1].Mail != "c" {
		t.Errorf("ragged rows: %v, %v", rows, err)
	}
	// A column that goes by its own name is meant, and not one of another name.
	rows, err = readRows("id,name,displayName\na,wrong,right\n")
	if err != nil || len(rows) != 1 || rows[0].DisplayName != "right" {
		t.Errorf("two names: %v, %v", rows, err)
	}
}

func readRows(data string) (rows []userRow, err error) {
	m := &Mapping{doc: &document{}}
	decodeSide(&sideFile{m: m, name: "p.csv"}, strings.NewReader(data), []string{"id"}, func(r userRow) { rows = append(rows, r) })
	if len(m.doc.errs) > 0 {
		return nil, m.doc.errs
	}
	return rows, nil
}

// A document's HTML as content, or its text made safe.
func TestBodyAsHTML(t *testing.T) {
	src := strings.NewReplacer("a.csv", "a.html", "s.csv", "s.html").Replace(one("string", "body", "    content: {type: html, value: body}"))
	s := mustParse(t, src).Sources[0]
	for _, tt := range []struct{ html, body, want string }{{"<p>x</p>", "x", "<p>x</p>"}, {"", "a<b", "a&lt;b"}} {
		it, err := s.Apply(extract.Record{Doc: &extract.Document{HTML: func() string { return tt.html }, Body: tt.body}})
		if err != nil || it.Content.Value != tt.want {
			t.Errorf("content of %q = %v, %v, want %s", tt.html, it, err, tt.want)
		}
	}
}

// A reader that panics in Select spoils one record, not the run.
func TestPanicInSelect(t *testing.T) {
	s := mustParse(t, strings.Replace(one("string", `select("h1")`), "s.csv", "s.html", 1)).Sources[0]
	_, err := s.Apply(extract.Record{Doc: &extract.Document{Select: func(string) ([]string, error) { panic("boom") }}})
	if ie, ok := err.(*ItemError); !ok || ie.Reason != ReasonExpression {
		t.Errorf("error %v", err)
	}
}

// The files that a mapping was made of are those whose change makes it another.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"m.yaml":     strings.Replace(one("string", "title", "identities: {file: people.csv}\ngroups: {file: groups.csv}\n"), "description: Y", "description: '${file:words.txt}'", 1),
		"people.csv": "id,mail\n", "groups.csv": "group,memberType,member\n", "words.txt": "words",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Load(filepath.Join(dir, "m.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range m.Files {
		got = append(got, strings.TrimPrefix(f, dir+string(filepath.Separator)))
	}
	if want := []string{"m.yaml", "words.txt", "people.csv", "groups.csv"}; !slices.Equal(got, want) {
		t.Errorf("Files = %q, want %q", got, want)
	}
}
