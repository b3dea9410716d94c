package extract

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// What stands above and below a table, and how its quotes are written.
func TestCSVSurroundings(t *testing.T) {
	rest := "1,2,3,4\n5,6,7,8\n9,10,11,12\n"
	want := func(line int) string {
		return fmt.Sprintf("a|b|c|d\n%d [1][2][3][4]\n%d [5][6][7][8]\n%d [9][10][11][12]\n", line, line+1, line+2)
	}
	tests := []struct {
		name, text string
		opt        CSVOptions
		want       string
	}{
		{"title", "Sales\na,b,c,d\n" + rest, CSVOptions{}, want(3)},
		{"title of a table of two columns", "Sales\na,b\n1,2\n3,4\n", CSVOptions{}, "a|b\n3 [1][2]\n4 [3][4]\n"},
		{"title as a row", "Sales,,,\n,,,\na,b,c,d\n" + rest, CSVOptions{}, want(4)},
		{"facts", "Report,Sales\nYear,2024\n\na,b,c,d\n" + rest, CSVOptions{}, want(5)},
		{"remarks, with commas", "# exported by shop 3.1\n# daily, complete\na,b,c,d\n" + rest, CSVOptions{}, want(4)},
		{"long text", strings.Repeat("You may use these data.\n", 40) + "a,b,c,d\n" + rest, CSVOptions{}, want(42)},
		{"groups of columns", "one,,,\na,b,c,d\n" + rest, CSVOptions{}, want(3)},
		{"one name missing", "a,b,c,\n" + rest, CSVOptions{}, strings.Replace(want(2), "|d", "|column4", 1)},
		{"a column without a name", "a,\n1,2\n3,4\n", CSVOptions{}, "a|column2\n2 [1][2]\n3 [3][4]\n"},
		{"one column with commas in it", "Industry\nFood, drinks\nToys\nPaper, pens\nSteel\n", CSVOptions{}, "Industry\n2 [Food, drinks]\n3 [Toys]\n4 [Paper, pens]\n5 [Steel]\n"},
		{"irregular rows", "a\n1,2\n3,4,5\n6\n7\n", CSVOptions{Delimiter: ","}, "a\n4 [6]\n5 [7]\n!2:0 ragged-row\n!3:0 ragged-row\n"},
		{"the header is said", "Sales\na,b,c,d\n" + rest, CSVOptions{Header: 1}, "!2:0 ragged-row\n!3:0 ragged-row\n!4:0 ragged-row\n!5:0 ragged-row\n"},

		{"total", "a,b,c,d\n" + rest + "Total,18,,\n", CSVOptions{}, want(2)},
		{"total in capitals, further right", "a,b,c,d\n" + rest + ",TOTAL:,,24\n", CSVOptions{}, want(2)},
		{"total without a line end", "a,b,c,d\n" + rest + "Total", CSVOptions{}, want(2)},
		{"total and remark", "a,b,c,d\n" + rest + "Summe,18\n\nEnd of report\n", CSVOptions{}, want(2)},
		{"remark behind an empty line", "a,b,c,d\n" + rest + "\n(3 rows)\n", CSVOptions{}, want(2)},
		{"remark on the next line is a row", "a,b,c,d\n" + rest + "x\n", CSVOptions{}, want(2) + "5 [x][][][]\n"},
		{"a total with rows after it is a row", "a,b,c,d\n1,2,3,4\n5,6,7,8\nTotal,,,6\n9,10,11,12\n", CSVOptions{},
			"a|b|c|d\n2 [1][2][3][4]\n3 [5][6][7][8]\n4 [Total][][][6]\n5 [9][10][11][12]\n"},
		{"total of numbers only", "a,b\n1,2\n3,4\nGrand total:,\"1,234.50 €\"\n", CSVOptions{}, "a|b\n2 [1][2]\n3 [3][4]\n"},
		{"a title that begins so", "a,b\n1,2\n3,4\nTotal Recall,5\n", CSVOptions{}, "a|b\n2 [1][2]\n3 [3][4]\n4 [Total Recall][5]\n"},
		{"another", "a,b\n1,2\n3,4\nGrand Hotel,5\n", CSVOptions{}, "a|b\n2 [1][2]\n3 [3][4]\n4 [Grand Hotel][5]\n"},
		{"a name", "a,b\n1,2\n3,4\nTotal,Energies\n", CSVOptions{}, "a|b\n2 [1][2]\n3 [3][4]\n4 [Total][Energies]\n"},
		{"a full row is no total", "a,b,c,d\n" + rest + "Total,Energies,SE,x\n", CSVOptions{}, want(2) + "5 [Total][Energies][SE][x]\n"},
		{"totals are kept where that is said", "a,b,c,d\n" + rest + "Total,18,,\n", CSVOptions{Footer: "keep"}, want(2) + "5 [Total][18][][]\n"},
		{"bad footer", "a\n", CSVOptions{Footer: "drop"}, "!! bad-option\n"},

		{"single quotes are found", "'a','b'\n'1, one','2'\n'it''s','4'\n'5','6'\n", CSVOptions{}, "a|b\n2 [1, one][2]\n3 [it's][4]\n4 [5][6]\n"},
		{"apostrophes are none", "a,b\n'tis,1\nrock 'n',2\n'90s,3\n", CSVOptions{}, "a|b\n2 ['tis][1]\n3 [rock 'n'][2]\n4 ['90s][3]\n"},
		{"the quote is said", "'a','b'\n'1','2'\n'3','4'\n'5','6'\n", CSVOptions{Quote: `"`}, "'a'|'b'\n2 ['1']['2']\n3 ['3']['4']\n4 ['5']['6']\n"},
		{"backslashes are found", "a,b\n\"he said \\\"no\\\", twice\",2\n", CSVOptions{}, "a|b\n2 [he said \"no\", twice][2]\n"},
		{"a backslash before a backslash", "a,b\n\"x \\\"y\\\" z\",\"C:\\\\\"\n", CSVOptions{}, "a|b\n2 [x \"y\" z][C:\\]\n"},
		{"paths of Windows", "a,b\n\"C:\\dir\\\",2\n\"D:\\\",4\n", CSVOptions{}, "a|b\n2 [C:\\dir\\][2]\n3 [D:\\][4]\n"},
		{"doubled quotes beside a backslash", "a,b\n\"x \"\"y\\\"\" z\",2\n", CSVOptions{}, "a|b\n2 [x \"y\\\" z][2]\n"},
		{"the escape is said", "a,b\n\"x ^\"y, z\",2\n", CSVOptions{Escape: "^"}, "a|b\n2 [x \"y, z][2]\n"},
		{"no escape is said", "a,b\n\"x \\\"y\\\" z\",2\n", CSVOptions{Escape: "none"}, "a|b\n2 [x \\\"y\\\" z][2]\n"},
		{"bad escape", "a\n", CSVOptions{Escape: `\\`}, "!! bad-option\n"},
		{"escape and quote are one", "a\n", CSVOptions{Escape: `"`}, "!! bad-option\n"},
		{"escape and delimiter are one", "a\n", CSVOptions{Escape: `|`, Delimiter: "|"}, "!! bad-option\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rows(t, "t.csv", tt.text, Options{CSV: tt.opt}); got != tt.want {
				t.Errorf("%q:\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
			}
		})
	}
}

// Nothing is passed over in silence.
func TestCSVSurroundingsAreTold(t *testing.T) {
	text := "Sales\na,b,c\n1,2,3\n4,5,6\nTotal,7\n"
	got := readAll(t, t.Context(), Input{Name: "t.csv", Size: int64(len(text)), ReaderAt: strings.NewReader(text)}, Options{})
	all := strings.Join(got.warn, "\n")
	for _, want := range []string{"t.csv:2", "csv.header", "t.csv:5", "csv.footer: keep"} {
		if !strings.Contains(all, want) {
			t.Errorf("the warnings do not have %q:\n%s", want, all)
		}
	}
}

// Reuse gives the same records, each good until the next is asked for.
func TestReuse(t *testing.T) {
	book := sharedBook(t, 50)
	for name, data := range map[string][]byte{"t.csv": benchTable(true)[:20_000], "t.xlsx": book,
		"short.csv": []byte("a,b,c\n1,2,3\n4\n5,6,7\n8,9,10,11\n12,13\nTotal,,\n14,15,16\n")} {
		read := func(reuse bool) (all []string) {
			in := Input{Name: name, Size: int64(len(data)), ReaderAt: bytes.NewReader(data)}
			for rec, err := range Records(t.Context(), in, Options{Reuse: reuse}) {
				all = append(all, fmt.Sprintf("%v %v %v %d %v", rec.Place, rec.Text, rec.Typed, rec.Cells, err))
			}
			return all
		}
		got, want := read(true), read(false)
		if len(want) < 5 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: with Reuse\n%v\nwithout\n%v", name, got, want)
		}
	}
}
