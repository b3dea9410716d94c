package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// guessed is what init makes of a column of values.
func guessed(t *testing.T, values ...string) guess {
	t.Helper()
	p := profileCSV(t, column(values...)).Profile()
	c := p.Column("value")
	if c == nil {
		t.Fatalf("no column: %v", p.Columns)
	}
	return guessOf(c, customsOf(p))
}

func times(n int, values ...string) (out []string) {
	for range n {
		out = append(out, values...)
	}
	return out
}

func TestGuess(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []string
		typ    Type
		expr   string
		omit   bool
		note   string // part of the notes
	}{
		{"whole numbers", []string{"1", "-2", "30"}, Int64, "value", false, "3 values, all whole numbers"},
		{"numbers", []string{"1", "2.5", "30"}, Double, "value", false, ""},
		{"decimal commas", []string{"1,5", "2", "1.250,75"}, Double, `float(value, ",")`, false, "decimal commas"},
		{"decimal points with groups", []string{"1.5", "2", "1,250.75"}, Double, `float(value, ".")`, false, ""},
		{"groups by spaces", []string{"1 250", "22 000"}, Int64, `int(float(value, "."))`, false, ""},
		{"thousands or decimals", []string{"1.234", "5.678"}, String, "value", false, "CHECK: 2 of 2 numbers are like 1.234"},
		{"leading zeros", []string{"007", "012", "13"}, String, "value", false, "leading zeros"},
		{"one 3.5 among many", append(times(30, "1", "2", "3"), "3.5"), Int64, "value", true, `90 of 91 values are whole numbers; not: "3.5" in line 92`},
		{"a word among numbers", append(times(10, "1", "2"), "hoch"), Int64, "value", true, `20 of 21 values are whole numbers; not: "hoch" in line 22`},
		{"dates", []string{"2026-05-01", "2026-05-02T10:00:00Z"}, DateTime, "value", false, ""},
		{"dates and nothing", []string{"2026-05-01", "n/a", "2026-05-02", ""}, DateTime, "value", true, `2 of 3 values are dates; not: "n/a" in line 3 of t.csv; 1 empty`},
		{"day first by proof", []string{"03/04/2026", "31/12/2026"}, DateTime, `date(value, "02/01/2006")`, false, "the day comes first: 1 of 2 can be read in no other way"},
		{"month first by proof", []string{"03/04/2026", "12/31/2026"}, DateTime, `date(value, "01/02/2006")`, false, "the month comes first"},
		{"nobody knows", []string{"03/04/2026", "05/06/2026"}, DateTime, `date(value, "02/01/2006")`, false, "CHECK: nothing tells whether 03/04/2026"},
		{"both", []string{"31/12/2026", "12/31/2026", "30/12/2026"}, DateTime, `date(value, "02/01/2006")`, true, "CHECK: 2 can only have the day first and 1 only the month"},
		{"loose", []string{"3.4.2026", "31.12.2026"}, DateTime, `date(value, "2.1.2006")`, false, ""},
		{"two forms", []string{"31.12.2026", "30.12.2026 10:15"}, DateTime, `date(value, ["02.01.2006", "02.01.2006 15:04"])`, false, ""},
		{"days as numbers", []string{"20260501", "20260502"}, DateTime, `date(value, "20060102")`, false, ""},
		{"yes and no", []string{"yes", "no", "yes"}, Boolean, "value", false, ""},
		{"ja und nein", []string{"ja", "nein", "ja"}, Boolean, `value == "" ? nil : lower(trim(value)) in ["ja"]`, false, ""},
		{"lists", times(5, "a; b", "b", "a;c"), StringCollection, `split(value, ";")`, false, "lists"},
		{"names with commas", []string{"Nair, Priya", "Grant, Oliver", "Meyer, Anke", "Rossi, Marco"}, String, "value", false, ""},
		{"prose with semicolons", times(3, "It broke; then it worked. Nobody knows why it did", "Again; after the update of the printer. See above"), String, "value", false, ""},
		{"nothing", []string{"", ""}, String, "", false, "always empty"},
		{"only words for nothing", []string{"n/a", "-"}, String, "", false, `nothing but "-" in line 3`},
		{"choices", times(6, "open", "closed"), String, "value", false, "closed (6), open (6)"},
		{"choices with none", times(6, "red", "blue", "none"), String, "value", false, "red (6)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := guessed(t, test.values...)
			if g.typ != test.typ || g.expr != test.expr || g.omit != test.omit || !strings.Contains(strings.Join(g.notes, "\n"), test.note) {
				t.Errorf("%q is a guess of %s, %q, omit %v, %q\nwant %s, %q, omit %v, %q", test.values, g.typ, g.expr, g.omit, g.notes, test.typ, test.expr, test.omit, test.note)
			}
		})
	}
}

// Lists of mail addresses are people and not groups, also where there are too
// many different lists to count one by one.
func TestGuessListsOfPeople(t *testing.T) {
	mails := func(n int) (lists []string) {
		for i := range n {
			lists = append(lists, fmt.Sprintf("p%d@x.com, p%d@x.com", i%20, (i/20)%20), fmt.Sprintf("p%d@x.com", i%20))
		}
		return lists
	}
	for _, values := range [][]string{mails(40), mails(400)} {
		if g := guessed(t, values...); g.typ != StringCollection || !g.listsMails() {
			t.Errorf("%d lists of mail addresses are a guess of %s, people: %v; want stringCollection, true", len(values), g.typ, g.listsMails())
		}
	}
	if g := guessed(t, times(20, "red, blue", "red", "blue, green")...); g.typ != StringCollection || g.listsMails() {
		t.Errorf("lists of teams are a guess of %s, people: %v; want stringCollection, false", g.typ, g.listsMails())
	}
}

// What the other columns do decides where a column alone does not tell.
func TestGuessByOthers(t *testing.T) {
	p := profileCSV(t, "a|b|c|d\n1.234|5,50|03/04/2026|25/12/2026\n5.678|1,25|05/06/2026|26/12/2026\n").Profile()
	for name, want := range map[string]string{"a": `int(float(a, ","))`, "b": `float(b, ",")`, "c": `date(c, "02/01/2006")`} {
		if g := guessOf(p.Column(name), customsOf(p)); g.expr != want {
			t.Errorf("%s is %q, want %q", name, g.expr, want)
		}
	}
}

func TestGuessID(t *testing.T) {
	for _, test := range []struct{ name, table, want, note string }{
		{"a number", "no,name,size\nA1,x,1\nA2,x,2\nA3,y,2\n", "no", "never empty, and different in each of 3 records"},
		{"not the row's", "nr,code,x\n1,B7,a\n2,B9,a\n3,C1,b\n4,C2,b\n", "code", ""},
		{"the row's, if it is called a number", "ticket,text\n1,a b\n2,c d\n3,a b\n4,c d\n5,e f\n", "ticket", "CHECK: it counts the rows"},
		{"an ordinal is none", "pos,x\n1,a\n2,a\n3,b\n4,b\n", `file.path + "#" + string(line)`, "pos only numbers the rows"},
		{"two columns", "order,item,n\nA,1,5\nA,2,5\nB,1,7\nB,2,7\n", `order + "/" + item`, "order and item together do"},
		{"a key before a name", "name,key\nAda,k-1\nBob,k-2\nEve,k-3\n", "key", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := string(Draft{Folder: "x", Sources: []DraftSource{{Name: "t", Path: "t.csv", Format: "csv", Rows: profileCSV(t, test.table)}}}.Write())
			line := ""
			for l := range strings.Lines(text) {
				if strings.HasPrefix(l, "    id: ") {
					line = strings.TrimSpace(strings.TrimPrefix(l, "    id: "))
				}
			}
			if strings.Trim(line, "'") != test.want || !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(text, "#", "")), " "), test.note) {
				t.Errorf("the id is %s, want %s, with %q in\n%s", line, test.want, test.note, text)
			}
		})
	}
}

func TestLegalName(t *testing.T) {
	taken := map[string]bool{}
	for _, test := range []struct{ name, want string }{
		{"Due date", "dueDate"}, {"due_date", "dueDate2"}, {"DueDate", "dueDate3"}, {"Währung", "waehrung"}, {"Auftrags-Nr.", "auftragsNr"}, {"件名", "column6"}, {"2024", "2024"},
		{"ID", "id"}, {"Straße", "strasse"}, {"a very long name of a column that goes on", "aVeryLongNameOfAColumnThatGoesOn"}, {"a very long name of a column that goes on!", "aVeryLongNameOfAColumnThatGoesO2"},
		{`meta["og:url"]`, "ogUrl"}, {"Číslo", "cislo"}, {"%", "column14"},
	} {
		i := len(taken) + 1
		got := another(legalName(test.name, i), taken)
		taken[strings.ToLower(got)] = true
		if got != test.want {
			t.Errorf("the property of %q is %q, want %q", test.name, got, test.want)
		}
		if len(got) > 32 || !isAlphanumeric(got) {
			t.Errorf("the property %q of %q is not legal", got, test.name)
		}
	}
}

// draftErrors are what is wrong with a draft beside its missing ACL.
func draftErrors(text []byte) (wrong Errors) {
	_, err := parse("draft.yaml", text)
	var all Errors
	if !errors.As(err, &all) {
		return Errors{{Detail: "it loads without an acl"}}
	}
	for _, e := range all {
		if !strings.Contains(e.Detail, "has no acl") {
			wrong = append(wrong, e)
		}
	}
	return wrong
}

// Whatever the table, the mapping lacks its ACL and nothing else.
func FuzzDraft(f *testing.F) {
	f.Add("a,b\n1,2\n3,4\n")
	f.Add("Due date;\"x: y\";#\n31.12.2026;1,5;{a}\n")
	f.Add("in,not,true,2024,a,a\n1,2,3,4,5,6\n")
	f.Add("'q','r'\n${env:X},\"a\"\"b\"\n")
	f.Add("url,mail,team,tags\nhttps://x.example/1,a@x.example,ops,a;b\nhttps://x.example/2,b@x.example,ops,a;c\n")
	f.Fuzz(func(t *testing.T, table string) {
		r := profileCSV(t, table)
		if r.Profile().Records == 0 {
			return
		}
		text := Draft{Folder: "x", Sources: []DraftSource{{Name: "t", Path: "t.csv", Format: "csv", Rows: r}, {Name: "u", Path: "u.csv", Format: "csv", Rows: r}}}.Write()
		if wrong := draftErrors(text); len(wrong) > 0 {
			t.Errorf("%v\n%s", wrong, text)
		}
	})
}
