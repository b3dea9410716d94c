package extract

import (
	"fmt"
	"strings"
	"testing"
)

func odsTable(name, rows string) string {
	return `<table:table table:name="` + name + `">` + rows + `</table:table>`
}

// odsRow makes a row of texts.
func odsRow(cells ...string) string {
	var b strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&b, `<table:table-cell office:value-type="string"><text:p>%s</text:p></table:table-cell>`, c)
	}
	return `<table:table-row>` + b.String() + `</table:table-row>`
}

func TestODS(t *testing.T) {
	types := odsRow("no", "what") +
		`<table:table-row><table:table-cell office:value-type="float" office:value="1250.5"><text:p>1.250,50 €</text:p></table:table-cell><table:table-cell office:value-type="date" office:date-value="2024-05-06T07:08:09"><text:p>6.5.24</text:p></table:table-cell></table:table-row>` +
		`<table:table-row table:number-rows-repeated="2"><table:table-cell office:value-type="percentage" office:value="0.5"><text:p>50 %</text:p></table:table-cell><table:table-cell office:value-type="boolean" office:boolean-value="true"><text:p>WAHR</text:p></table:table-cell></table:table-row>` +
		`<table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>` +
		`<table:table-row><table:table-cell office:value-type="time" office:time-value="PT49H30M00.5S"><text:p>49:30</text:p></table:table-cell><table:table-cell office:value-type="string"><office:annotation><text:p>a note</text:p></office:annotation><text:p>two<text:s text:c="2"/>words</text:p><text:p>&amp; lines</text:p></table:table-cell></table:table-row>` +
		`<table:table-row><table:table-cell table:formula="x" office:value-type="string" calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell><table:table-cell office:value-type="date" office:date-value="2024-05-06"><text:p>x</text:p></table:table-cell></table:table-row>`
	tests := []struct {
		name, body string
		opt        ExcelOptions
		want       string
	}{
		{"types", odsTable("One", types), ExcelOptions{}, "# no | what\n!One:2 1250.5 (float64) | 2024-05-06T07:08:09 (time.Time)\n!One:3 0.5 (float64) | true (bool)\n!One:4 0.5 (float64) | true (bool)\n" +
			"!One:1000005 49:30:00.500 (time.Duration) | two  words\\n& lines\n!One:1000006 #N/A (extract.CellError) | 2024-05-06 (time.Time)\n"},
		{"two sheets", odsTable("One", odsRow("a")+odsRow("1")) + odsTable("Two", odsRow("b")+odsRow("2")), ExcelOptions{}, "# a\n!One:2 1\n# b\n!Two:2 2\n"},
		{"one of two", odsTable("One", odsRow("a")+odsRow("1")) + odsTable("Two", odsRow("b")+odsRow("2")), ExcelOptions{Sheets: []string{"Two"}}, "# b\n!Two:2 2\n"},
		{"merged", odsTable("One", odsRow("a", "b")+`<table:table-row><table:table-cell office:value-type="string" table:number-columns-spanned="2"><text:p>x</text:p></table:table-cell><table:covered-table-cell/></table:table-row>`),
			ExcelOptions{Merged: true}, "# a | b\n!One:2 x | x\n"},
		{"hidden rows", odsTable("One", odsRow("a")+strings.Replace(odsRow("1"), "<table:table-row", `<table:table-row table:visibility="collapse"`, 1)+odsRow("2")), ExcelOptions{}, "# a\n!One:3 2\n"},
	}
	for _, tt := range tests {
		got := readAll(t, t.Context(), bytesInput("a.ods", odfOf(t, "spreadsheet", "<office:spreadsheet>"+tt.body+"</office:spreadsheet>")), Options{Excel: tt.opt})
		if got.err != nil || len(got.bad) > 0 {
			t.Errorf("%s: error %v, bad %v", tt.name, got.err, got.bad)
		}
		same(t, tt.name, rowLines(got.recs), tt.want)
	}
	good := odfOf(t, "spreadsheet", odsTable("One", odsRow("a")))
	refused(t, "a.ods", good[:len(good)-50], Options{}, ReasonShort, "cut short")
	refused(t, "a.ods", odfOf(t, "spreadsheet", "", zipEntry{name: "META-INF/manifest.xml", content: "<m><encryption-data/></m>"}), Options{}, ReasonEncrypted, "without a password")
	refused(t, "a.ods", good, Options{Excel: ExcelOptions{Sheets: []string{"Tow"}}}, ReasonSheet, `no sheet is called "Tow"`)
	many := odsTable("One", odsRow("a")+strings.Replace(odsRow("1"), "<table:table-row", `<table:table-row table:number-rows-repeated="2000000"`, 1))
	n := 0
	var last error
	for _, err := range ODS.Read(t.Context(), bytesInput("a.ods", odfOf(t, "spreadsheet", many)), Options{}) {
		n++
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "more than 1048576 rows") || n > 1<<20+1 {
		t.Errorf("two million rows out of one: %d records, error %v", n, last)
	}
}

func TestSuiteODS(t *testing.T) {
	book := func(n int) []byte {
		var b strings.Builder
		b.WriteString(odsRow("no", "title"))
		for i := range n {
			b.WriteString(odsRow(fmt.Sprint(i), strings.Repeat("text ", 20)))
		}
		return odfOf(t, "spreadsheet", odsTable("One", b.String()))
	}
	runSuite(t, suiteCase{format: ODS, name: "a.ods", small: book(3), want: 3, big: book, cuts: 40, flips: 60})
}
