package transform

import (
	"strings"
	"testing"

	"importer/extract"
)

// An expression that is as a whole the name of a column is that column,
// whatever else it could mean; a text in quotes stays a text.
func TestColumnsByTheirWholeName(t *testing.T) {
	columns := []string{"a", "b", "a-b", "Projekt-ID", "Auftrags-Nr.", "Due date", "Preis (EUR)", "file.name", `"fixed"`, "title + x", "Straße/Nr", "body"}
	for _, tt := range []struct{ expr, want string }{
		{"a-b", "a-b"}, {"Projekt-ID", "Projekt-ID"}, {"Auftrags-Nr.", "Auftrags-Nr."}, {"Due date", "Due date"}, {" Preis (EUR) ", "Preis (EUR)"}, {"Straße/Nr", "Straße/Nr"},
		{"file.name", "file.name"}, {"title + x", "title + x"}, {"body", "body"}, {`'"fixed"'`, "fixed"}, {"a + b", "ab"}, {`'row["a-b"] + file.stem'`, "a-bs"},
	} {
		rec := row("f.csv", 2, columns, columns...)
		rec.File = &extract.File{Name: "s.csv", Stem: "s"}
		v, err := applyOne(t, one("string", tt.expr), rec)
		if err != nil || v.Str != tt.want {
			t.Errorf("%s = %q, %v, want %q", tt.expr, v.Str, err, tt.want)
		}
	}
	m := mustParse(t, one("string", "Due date", "    where: Projekt-ID"))
	if got := strings.Join(m.Sources[0].Uses(), ","); got != "Due date,Projekt-ID" {
		t.Errorf("Uses() = %s", got)
	}
}

// A table of other columns is one finding; some columns that it has not, or
// names that are nearly right, are one each.
func TestOtherTable(t *testing.T) {
	s := mustParse(t, benchMapping).Sources[0]
	for _, tt := range []struct {
		header string
		want   []string
	}{
		{"Report of May,column2", []string{`m.yaml:16:11: source "rows": none of the 10 columns that the mapping uses is in the header of f.csv (it has "Report of May", "column2"); take the file out of the path, or say where the header is: csv.header, csv.delimiter`}},
		{"number,x", []string{`only 1 of the 10 columns that the mapping uses are in the header of f.csv (it has "number", "x", and not "amount", "city", "description", "opened", "priority", "requester", "status", "team", "title"); take`}},
		{strings.Replace(strings.Join(benchColumns, ","), "city", "x", 1), []string{`property "city": there is no column "city" of f.csv; columns are "number"`}},
		{strings.ReplaceAll(strings.Join(benchColumns, "s,"), "s,", "z,"), nil},
	} {
		errs, _ := s.Check(headerOf(tt.header)).(Errors)
		if len(errs) < 1 || tt.want == nil && len(errs) < 5 || tt.want != nil && len(errs) != len(tt.want) {
			t.Errorf("%s: %d findings:\n%v", tt.header, len(errs), errs)
			continue
		}
		for i, e := range errs.In("f.csv") {
			if tt.want != nil && !strings.Contains(e.Error(), tt.want[i]) {
				t.Errorf("%s: %v, want %s", tt.header, e, tt.want[i])
			}
		}
		if strings.Contains(errs.Error(), "f.csv") {
			t.Errorf("In changed the findings themselves: %v", errs)
		}
	}
}
