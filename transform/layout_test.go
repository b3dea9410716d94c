package transform

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Layouts that could give another date than they seem to are refused, with
// what to write; those that are right pass.
func TestLayouts(t *testing.T) {
	const general = "such as"
	tests := []struct{ layout, remedy string }{
		// Right as they are.
		{"02.01.2006", ""}, {"2006-01-02", ""}, {"01/02/2006", ""}, {"2.1.06", ""}, {"2006-01-02T15:04:05Z07:00", ""}, {"20060102150405", ""},
		{"2006-01-02 15:04:05.000", ""}, {"2006-01-02 15:04:05,999999", ""}, {"Mon, 02 Jan 2006 15:04:05 -0700", ""}, {"02/01/2006 15h04", ""},
		{"2 January 2006", ""}, {"2 de January de 2006", ""}, {"02.01.2006 15:04 Uhr", ""}, {"Jan _2, 2006 at 3:04 PM", ""}, {"2006", ""}, {"January 2006", ""},
		{"2006-002", ""}, {"2006年01月02日", ""}, {time.RFC1123, ""}, {time.RFC3339Nano, ""}, {time.ANSIC, ""}, {"01_2006", ""}, {"02.01.2006 um 15:04", ""},
		// Letters of other languages: m is the month but beside h and s.
		{"dd.mm.yyyy", "02.01.2006"}, {"yyyy-mm-dd", "2006-01-02"}, {"mm/dd/yyyy", "01/02/2006"}, {"dd.mm.yy", "02.01.06"}, {"DD.MM.YYYY", "02.01.2006"},
		{"dd.MM.yyyy HH:mm", "02.01.2006 15:04"}, {"dd.mm.yyyy hh:mm", "02.01.2006 15:04"}, {"dd.mm.yyyy hh:mm:ss", "02.01.2006 15:04:05"},
		{"YYYY-MM-DD HH:MM:SS", "2006-01-02 15:04:05"}, {"YYYY-MM-DD HH:MM", "2006-01-02 15:04"}, {"yyyymmddhhmmss", "20060102150405"}, {"yyyyMMdd", "20060102"},
		{"hh:mm dd.mm.yyyy", "15:04 02.01.2006"}, {"hh:mm a dd.mm.yyyy", "03:04 PM 02.01.2006"}, {"MM/dd/yyyy hh:mm tt", "01/02/2006 03:04 PM"}, {"MM/DD/YYYY h:mm AM", "01/02/2006 3:04 PM"},
		{"d.m.yyyy", "2.1.2006"}, {"D MMM YYYY", "2 Jan 2006"}, {"EEEE, d MMMM yyyy", "Monday, 2 January 2006"}, {"yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2006-01-02T15:04:05.000Z07:00"},
		{"TT.MM.JJJJ", "02.01.2006"}, {"jj/mm/aaaa", "02/01/2006"}, {"gg/mm/aaaa", "02/01/2006"}, {"dd/mm/aaaa", "02/01/2006"},
		{"DD-MON-YYYY HH24:MI:SS", "02-Jan-2006 15:04:05"}, {"d.m.Y", "02.01.2006"}, {"Y-m-d H:i:s", "2006-01-02 15:04:05"}, {"%d.%m.%Y %H:%M", "02.01.2006 15:04"}, {"%-d.%-m.%y", "2.1.06"},
		// Half a layout.
		{"02.04.2006", "02.01.2006"}, {"2006-04-02", "2006-01-02"}, {"dd.01.2006", "02.01.2006"}, {"02.mm.2006", "02.01.2006"}, {"02.01.yyyy", "02.01.2006"}, {"02.2006", general},
		{"2006-01-02T15:mm", "2006-01-02T15:04"}, {"02.01.2006 04", general}, {"02.01.2006 03:04", "02.01.2006 15:04"}, {"15:04", general}, {"02.01.", general}, {"2006 15:04", general},
		{"2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z07:00"}, {"212006", general}, {"2006-01-02 06", general}, {"January 01, 2006", general}, {"ddMM2006", "02012006"},
		// Values that are no layouts.
		{"2006-13-01", "2006-01-02"}, {"2026-05-01", "2006-01-02"}, {"31.12.2024", "02.01.2006"}, {"12/31/2024", "01/02/2006"}, {"31/12/2024", "02/01/2006"},
		{"05/06/2024", `02/01/2006" or "01/02/2006`}, {"01.01.2006", "02.01.2006"}, {"2024-05-01 08:30:00", "2006-01-02 15:04:05"}, {"1.5.24", "02.01.06"},
		{"", general}, {"date", general}, {"ISO", general}, {"iso8601", general}, {"2006-01-02 15:04:00", "2006-01-02 15:04:05"},
	}
	for _, tt := range tests {
		detail, remedy := layoutProblem(tt.layout)
		switch {
		case tt.remedy == "" && detail != "":
			t.Errorf("%q is refused: %s; %s", tt.layout, detail, remedy)
		case tt.remedy != "" && detail == "":
			t.Errorf("%q passes, want %q", tt.layout, tt.remedy)
		case tt.remedy == general && !strings.Contains(remedy, general), tt.remedy != general && tt.remedy != "" && !strings.HasSuffix(remedy, ": \""+tt.remedy+`"`):
			t.Errorf("%q: %s; %s, want %q", tt.layout, detail, remedy, tt.remedy)
		}
	}
}

// The reference's table of dates holds values that their layouts read.
func TestReferenceDates(t *testing.T) {
	text, err := os.ReadFile(readmeFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "| values | layout |\n|---|---|\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	rows := strings.Split(table, "\n")
	for _, line := range rows {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			t.Fatalf("not a row: %q", line)
		}
		layouts := strings.Split(strings.Trim(cells[2], " `"), "`, `")
		for _, l := range layouts {
			if detail, _ := layoutProblem(l); detail != "" {
				t.Error(detail)
			}
		}
		for value := range strings.SplitSeq(strings.TrimSpace(cells[1]), ", ") {
			if _, ok := newDateSpec(layouts).parse(value, time.UTC); !ok {
				t.Errorf("%q is not read by %q", value, layouts)
			}
		}
	}
	if len(rows) < 5 {
		t.Errorf("the table has %d rows", len(rows))
	}
}

// A list of layouts reads every text as one date only.
func TestLayoutsClash(t *testing.T) {
	for _, tt := range []struct {
		layouts []string
		clash   bool
	}{
		{[]string{"02.01.2006 15:04", "02.01.2006"}, false},
		{[]string{"02.01.2006", "2006-01-02", "01/02/2006"}, false},
		{[]string{"02.01.2006", "2.1.2006", "2.1.06"}, false},
		{[]string{"02/01/2006", "2006-01-02", "01/02/2006"}, true},
		{[]string{"2.1.2006", "01.02.2006"}, true},
		{[]string{"02-01-06", "06-01-02"}, true},
	} {
		if a, b, text := layoutsClash(tt.layouts); (a != "") != tt.clash {
			t.Errorf("layoutsClash(%q) = %q, %q by %q, want a clash: %v", tt.layouts, a, b, text, tt.clash)
		}
	}
}

// An abbreviation of a zone that the source's zone does not have says nothing.
func TestZoneAbbreviations(t *testing.T) {
	rome, err := loadZone("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	ds := newDateSpec([]string{"2006-01-02 15:04 MST"})
	for text, want := range map[string]string{
		"2026-05-01 08:30 CEST": "2026-05-01T06:30:00Z", "2026-05-01 08:30 UTC": "2026-05-01T08:30:00Z", "2026-05-01 08:30 GMT": "2026-05-01T08:30:00Z",
		"2026-05-01 08:30 EST": "", "2026-05-01 08:30 PDT": "",
	} {
		got := ""
		if at, ok := ds.parse(text, rome); ok {
			got = formatTime(at)
		}
		if got != want {
			t.Errorf("%q = %q, want %q", text, got, want)
		}
	}
}

// What passes as a layout gives back every date that is written in it, and so
// does what is offered in its stead.
func FuzzLayout(f *testing.F) {
	for _, l := range []string{"02.01.2006", "dd.mm.yyyy", "2006-13-01", "Mon Jan _2 3:04:05.000 PM 2006 MST", "002 06", "Z07:00-0700", "_2006", "%Y%m%d", "Janu", "2 1 15.9"} {
		f.Add(l)
	}
	dates := []time.Time{time.Date(2009, 11, 27, 21, 8, 36, 0, time.UTC), time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(1987, 12, 31, 0, 59, 9, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, layout string) {
		if _, remedy := layoutProblem(layout); remedy != "" {
			return
		}
		var has [lZone + 1]bool
		for _, el := range elementsOf(layout) {
			has[el.field] = true
		}
		for _, d := range dates {
			text := d.Format(layout)
			back, err := time.Parse(layout, text)
			if err != nil {
				t.Fatalf("%q writes %q and does not read it: %v", layout, text, err)
			}
			if back.Year() != d.Year() || has[lMonth] && back.Month() != d.Month() || has[lDay] && back.Day() != d.Day() || has[lYearDay] && back.YearDay() != d.YearDay() ||
				(has[lHour] || has[lHour12]) && back.Hour() != d.Hour() || has[lMinute] && back.Minute() != d.Minute() || has[lSecond] && back.Second() != d.Second() {
				t.Fatalf("%q writes %v as %q and reads %v", layout, d, text, back)
			}
		}
	})
}
