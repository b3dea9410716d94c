package mend

import (
	"testing"
	"time"

	"importer/extract"
)

// What spreadsheets make of a text by themselves is no change; what they never
// do by themselves is one. typed is the cell's value in a workbook.
func TestJudge(t *testing.T) {
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		was, back string
		typed     any
		how       medium
		want      verdict
	}{
		{"007", "007", nil, byCSV, same},
		{"007", "7", nil, byCSV, rewritten},
		{"007", "7", nil, byBook, changed}, // it was text, and still is: somebody typed it
		{"007", "7", int64(7), byBook, rewritten},
		{"007", "7", nil, byJSON, changed},
		{"7", "007", nil, byCSV, changed}, // no spreadsheet adds zeros
		{"7", "8", int64(8), byBook, changed},
		{"7", "7", int64(7), byBook, same},
		{"+39", "39", nil, byCSV, rewritten},
		{"1.50", "1.5", nil, byCSV, rewritten},
		{"1.50", "1,5", nil, byCSV, rewritten},
		{"1.5", "1.50", nil, byCSV, changed},
		{"1.5", "1.6", nil, byCSV, changed},
		{"3.14159265358979", "3.141592654", nil, byCSV, rewritten},
		{"3.14159265358979", "3.14", nil, byCSV, changed},
		{"1234567890123", "1.23457E+12", nil, byCSV, rewritten},
		{"1234567890123", "1,23457E+12", nil, byCSV, rewritten},
		{"1234567890123", "1.3E+12", nil, byCSV, changed},
		{"12345678901234567890", "12345678901234600000", 12345678901234600000.0, byBook, rewritten},
		{"12345", "12346", nil, byCSV, changed},
		{"1e5", "100000", nil, byCSV, rewritten},
		{"true", "TRUE", nil, byCSV, rewritten},
		{"true", "WAHR", nil, byCSV, rewritten},
		{"true", "FALSE", nil, byCSV, changed},
		{"yes", "TRUE", nil, byCSV, changed},
		{"true", "true", true, byBook, same},
		{"2024-02-29", "29.02.2024", nil, byCSV, rewritten},
		{"2024-02-29", "2/29/2024", nil, byCSV, rewritten},
		{"2024-02-29 09:15:20", "29.02.2024 09:15", nil, byCSV, rewritten},
		{"2024-02-29 09:15", "29.02.2024 09:16", nil, byCSV, changed},
		{"2024-02-29", "28.02.2024", nil, byCSV, changed},
		{"2024-02-30", "2024-02-29", nil, byCSV, changed},
		{"2024-02-29", "2024-02-29", day, byBook, same},
		{"29.02.2024", "2024-02-29", day, byBook, rewritten},
		{"29.02.2024 18:30", "2024-02-29T18:30:00", day.Add(18*time.Hour + 30*time.Minute), byBook, rewritten},
		{"31.02.2024", "2024-02-29", day, byBook, changed},
		{"09:15", "09:15:00", 9*time.Hour + 15*time.Minute, byBook, rewritten},
		{"", "2024-02-29", day, byBook, changed},
		{"#N/A", "#N/A", extract.CellError("#N/A"), byBook, same},
		{"a\r\nb", "a\nb", nil, byBook, same},
		{"a\rb", "a\nb", nil, byCSV, same},
		{"a\x01b", "a\uFFFDb", nil, byBook, same},
		{"a b", "a  b", nil, byBook, changed},
		{"Müller 日本", "Müller ??", nil, byCSV, rewritten},
		{"Müller", "Muller", nil, byCSV, changed},
		{"what?", "what!", nil, byCSV, changed},
		{"a😀b", "a??b", nil, byCSV, rewritten},
		{"", "", nil, byCSV, same},
		{"", "0", nil, byCSV, changed},
		{"0", "", nil, byCSV, changed},
	}
	for _, tt := range tests {
		if got := judge(tt.was, cell{tt.back, tt.typed}, tt.how, false); got != tt.want {
			t.Errorf("%q came back as %q (%v) by %d: %d, want %d", tt.was, tt.back, tt.typed, tt.how, got, tt.want)
		}
	}
	// Of a date for which the record was refused, another spelling is what was asked for.
	if got := judge("2024-02-29", cell{text: "29.02.2024"}, byCSV, true); got != changed {
		t.Errorf("the date that was wrong, written otherwise: %d, want %d", got, changed)
	}
}

func TestGuard(t *testing.T) {
	for v, want := range map[string]string{
		"":        "",
		"=1+1":    "'=1+1",
		"+39 06":  "'+39 06",
		"@x":      "'@x",
		"-5":      "-5",
		"-5,25":   "-5,25",
		"-5+cmd|": "'-5+cmd|",
		"\tx":     "'\tx",
		"'tis":    "''tis",
		"''":      "'''",
		"＝1":      "'＝1",
		"x=1":     "x=1",
		"é":       "é",
		"\xff=":   "\xff=",
	} {
		got := guard(v)
		if got != want || unguard(got) != v {
			t.Errorf("guard(%q) = %q and back %q, want %q", v, got, unguard(got), want)
		}
	}
}

// Whatever is exported is untouched when it comes back as it went.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{"007", "1e5", "2024-02-29T10:00", "12:30 PM", "a\r\n\x00b", "=1", "'", "\xff"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, was, back string) {
		for _, how := range []medium{byJSON, byCSV, byBook} {
			if got := judge(was, cell{text: was}, how, false); got != same {
				t.Errorf("%q, untouched, is %d", was, got)
			}
			judge(was, cell{text: back}, how, false)
			judge(was, cell{text: back, typed: extract.CellValue(back)}, how, true)
		}
		if unguard(guard(was)) != was {
			t.Errorf("guard(%q) = %q, which is another", was, guard(was))
		}
	})
}
