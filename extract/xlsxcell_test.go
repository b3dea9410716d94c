package extract

import (
	"fmt"
	"testing"
	"time"
)

func TestCellValue(t *testing.T) {
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		text string
		want any
	}{
		{"", nil},
		{"0", int64(0)},
		{"-7", int64(-7)},
		{"007", nil},
		{"+7", nil},
		{"7.0", nil},
		{"-0", nil},
		{"7.5", 7.5},
		{"7,5", nil},
		{".5", nil},
		{"1e3", nil},
		{"123456789012345", int64(123456789012345)},
		{"1234567890123456", nil}, // a workbook would not keep it
		{"NaN", nil},
		{"1e999", nil},
		{"true", true},
		{"TRUE", nil},
		{"2024-02-29", day},
		{"2024-02-30", nil},
		{"2024-02-29T18:30:00", day.Add(18*time.Hour + 30*time.Minute)},
		{"2024-02-29T18:30:00.250", day.Add(18*time.Hour + 30*time.Minute + 250*time.Millisecond)},
		{"2024-02-29T00:00:00", nil},
		{"2024-02-29 18:30", nil},
		{"29.02.2024", nil},
		{"18:30:00", 18*time.Hour + 30*time.Minute},
		{"49:30:00", 49*time.Hour + 30*time.Minute},
		{"-01:00:00.500", -time.Hour - 500*time.Millisecond},
		{"18:30", nil},
		{"8:30:00", nil},
		{"18:99:00", nil},
		{"#N/A", CellError("#N/A")},
		{"#1", nil},
		{"high", nil},
	}
	for _, tt := range tests {
		if got := CellValue(tt.text); got != tt.want {
			t.Errorf("CellValue(%q) = %#v, want %#v", tt.text, got, tt.want)
		}
	}
}

// Whatever CellValue takes for a value is spelled just so by the reader.
func FuzzCellValue(f *testing.F) {
	for _, s := range []string{"7", "-0.5", "1e-7", "1e+21", "2024-02-29", "18:30:00.25", "-00:00:00", "true", "#REF!", "9999-12-31T23:59:59.999", "0000-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var back string
		switch v := CellValue(text).(type) {
		case nil:
			return
		case time.Time:
			back = string(appendTime(nil, v.UnixMilli()))
		case time.Duration:
			back = string(appendDuration(nil, v))
		case float64:
			back = string(appendFloat(nil, nil, v))
		default:
			back = fmt.Sprint(v)
		}
		if back != text {
			t.Errorf("CellValue(%q) is spelled %q", text, back)
		}
	})
}
