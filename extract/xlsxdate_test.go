package extract

import (
	"math"
	"testing"
	"time"
)

// TestSerial has what Excel itself shows for the serials round the edges.
func TestSerial(t *testing.T) {
	tests := []struct {
		serial float64
		date04 bool
		want   string // "" is refused
	}{
		{0, false, "1899-12-31"},
		{0.5, false, "1899-12-31T12:00:00"},
		{1, false, "1900-01-01"},
		{31, false, "1900-01-31"},
		{58, false, "1900-02-27"},
		{59, false, "1900-02-28"},
		{59.75, false, "1900-02-28T18:00:00"},
		{60, false, "1900-02-28"}, // Excel's February 29
		{61, false, "1900-03-01"},
		{61.25, false, "1900-03-01T06:00:00"},
		{366, false, "1900-12-31"},
		{367, false, "1901-01-01"},
		{25569, false, "1970-01-01"},
		{36526, false, "2000-01-01"},
		{40000.25, false, "2009-07-06T06:00:00"},
		{44197.999988425923, false, "2021-01-01T23:59:59"},
		{44197.5 + 1.0/86400000, false, "2021-01-01T12:00:00.001"},
		{45350.9999999999, false, "2024-02-29"},
		{2958465, false, "9999-12-31"},
		{2958465.9999884, false, "9999-12-31T23:59:58.998"},
		{2958465.999999999, false, ""}, // rounds into the year 10000
		{2958466, false, ""},
		{-0.001, false, ""},
		{-1, false, ""},
		{math.NaN(), false, ""},
		{math.Inf(1), false, ""},
		{0, true, "1904-01-01"},
		{1, true, "1904-01-02"},
		{59, true, "1904-02-29"},
		{60, true, "1904-03-01"},
		{61, true, "1904-03-02"},
		{366, true, "1905-01-01"},
		{40000.25, true, "2013-07-07T06:00:00"},
		{2957003, true, "9999-12-31"},
		{2957004, true, ""},
		{-1, true, ""},
	}
	for _, tt := range tests {
		got := ""
		if ms, ok := serialMillis(tt.serial, tt.date04); ok {
			got = string(appendTime(nil, ms))
		}
		if got != tt.want {
			t.Errorf("serialMillis(%v, 1904 %v) = %q, want %q", tt.serial, tt.date04, got, tt.want)
		}
	}
}

// TestSerialEveryDay counts the days of both systems against the calendar.
func TestSerialEveryDay(t *testing.T) {
	at := time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC)
	for serial := 61; serial <= maxSerial; serial++ {
		ms, ok := serialMillis(float64(serial), false)
		if !ok || ms != at.UnixMilli() {
			t.Fatalf("serial %d = %v, want %v", serial, time.UnixMilli(ms).UTC(), at)
		}
		if serial >= days1904 {
			if ms04, ok := serialMillis(float64(serial-days1904), true); !ok || ms04 != ms {
				t.Fatalf("serial %d of the 1904 system = %v, want %v", serial-days1904, time.UnixMilli(ms04).UTC(), at)
			}
		}
		at = at.AddDate(0, 0, 1)
	}
}

func TestClassifyFormat(t *testing.T) {
	tests := []struct {
		code string
		want numFormat
	}{
		{"General", formatNumber},
		{"GENERAL", formatNumber},
		{"Standard", formatNumber},
		{"", formatNumber},
		{"@", formatNumber},
		{"0", formatNumber},
		{"00000", formatNumber},
		{"0.00E+00", formatNumber},
		{"#,##0.00", formatNumber},
		{"# ?/?", formatNumber},
		{`0 "days"`, formatNumber},
		{`#,##0 \d`, formatNumber},
		{`0_d`, formatNumber},
		{`0*s`, formatNumber},
		{"[Red]0", formatNumber},
		{"[$USD] #,##0", formatNumber},
		{"[$-409]0", formatNumber},
		{`"yyyy-mm-dd"`, formatNumber},
		{`General;"d"`, formatNumber},
		{"0;yyyy", formatNumber},
		{"0%", formatNumber},
		{"[h", formatElapsed}, // what is not closed reaches to the end, as brackets go
		{`"open`, formatNumber},
		{`\`, formatNumber},
		{"yyyy-mm-dd", formatDate},
		{"YYYY/MM/DD", formatDate},
		{"d", formatDate},
		{"mmm", formatDate},
		{"mmmm yy", formatDate},
		{"[$-F800]dddd, mmmm dd, yyyy", formatDate},
		{"[$-411]ge.m.d", formatDate},
		{`yyyy"年"m"月"d"日"`, formatDate},
		{`dd\.mm\.yyyy\ hh:mm`, formatDate},
		{"yyyy-mm-dd;@", formatDate},
		{"[Blue]dd/mm/yy", formatDate},
		{"yyyy-mm-ddThh:mm:ss.000", formatDate},
		{"h:mm AM/PM", formatClock},
		{"hh:mm:ss", formatClock},
		{"mm:ss.0", formatClock},
		{"ss.000", formatClock},
		{"[h]:mm", formatElapsed},
		{"[hh]:mm:ss", formatElapsed},
		{"[mm]:ss", formatElapsed},
		{"[ss].00", formatElapsed},
		{"[H]:MM", formatElapsed},
	}
	for _, tt := range tests {
		if got := classifyFormat(tt.code); got != tt.want {
			t.Errorf("classifyFormat(%q) = %d, want %d", tt.code, got, tt.want)
		}
	}
}

func TestBuiltinFormat(t *testing.T) {
	for id := range 200 {
		want := formatNumber
		switch id {
		case 14, 15, 16, 17, 22, 27, 28, 29, 30, 31, 34, 35, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58:
			want = formatDate
		case 18, 19, 20, 21, 32, 33, 45, 47:
			want = formatClock
		case 46:
			want = formatElapsed
		}
		if got := builtinFormat(id); got != want {
			t.Errorf("builtinFormat(%d) = %d, want %d", id, got, want)
		}
	}
}

func FuzzClassifyFormat(f *testing.F) {
	for _, code := range []string{"General", "[h]:mm", `yyyy\-mm"x"`, "[", `"`, `\`, "_", "a;b", "[]"} {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code string) {
		got := classifyFormat(code)
		if got > formatElapsed {
			t.Errorf("classifyFormat(%q) = %d", code, got)
		}
		if quoted := classifyFormat(`"` + code); got != formatNumber && quoted != formatNumber && len(code) > 0 && !containsByte(code, '"') {
			t.Errorf("classifyFormat of %q in quotes = %d, want a number", code, quoted)
		}
	})
}

func containsByte(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}

func FuzzSerial(f *testing.F) {
	for _, v := range []float64{0, 0.999999999, 59.9999999999, 60, 61, 2958465.99999, -1, 1e300, math.Inf(-1)} {
		f.Add(v, false)
		f.Add(v, true)
	}
	f.Fuzz(func(t *testing.T, v float64, date04 bool) {
		ms, ok := serialMillis(v, date04)
		if !ok {
			return
		}
		at := time.UnixMilli(ms).UTC()
		if at.Year() < 1899 || at.Year() > 9999 {
			t.Errorf("serial %v is %v", v, at)
		}
		text := string(appendTime(nil, ms))
		if back, ok := parseISO(text); !ok || back != ms {
			t.Errorf("serial %v is spelt %q, which is read as %d, want %d", v, text, back, ms)
		}
		if later, ok := serialMillis(v+1, date04); ok && later < ms {
			t.Errorf("serial %v is %d and the day after %d", v, ms, later)
		}
		if d, ok := serialDuration(v); ok && len(appendDuration(nil, d)) < 8 {
			t.Errorf("duration %v is spelt %q", d, appendDuration(nil, d))
		}
	})
}
