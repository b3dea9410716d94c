package extract

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A numFormat says what the numbers of a cell mean.
type numFormat uint8

const (
	formatNumber  numFormat = iota
	formatDate              // a date, with or without a time
	formatClock             // hours, minutes or seconds only: a time of day below 1, else a date
	formatElapsed           // [h]:mm and its kin
)

// builtinFormat classifies the number formats that have no code in the file
// (ECMA-376 part 1, 18.8.30; 27 to 36 and 50 to 58 are dates of East Asian
// locales, of which a Western Excel writes only the numbers).
func builtinFormat(id int) numFormat {
	switch {
	case id >= 14 && id <= 17, id == 22, id >= 27 && id <= 31, id >= 34 && id <= 36, id >= 50 && id <= 58:
		return formatDate
	case id >= 18 && id <= 21, id == 32, id == 33, id == 45, id == 47:
		return formatClock
	case id == 46:
		return formatElapsed
	}
	return formatNumber
}

// classifyFormat classifies a custom code by its first section, which is the
// one for positive numbers. Only letters that stand for parts of a date count:
// not those in quotes, in brackets or behind a backslash.
func classifyFormat(code string) numFormat {
	var date, month, clock, second, zero, digits bool
	for i := 0; i < len(code) && code[i] != ';'; i++ {
		switch code[i] {
		case '"':
			i = skipTo(code, i, '"')
		case '\\', '_', '*': // the next character as it is, its width, or repeated
			i++
		case '[':
			end := skipTo(code, i, ']')
			if isElapsed(code[i+1 : end]) {
				return formatElapsed
			}
			i = end
		case 'y', 'Y', 'd', 'D':
			date = true
		case 'm', 'M':
			month = true // or minutes, beside hours or seconds
		case 'h', 'H':
			clock = true
		case 's', 'S':
			clock, second = true, true
		case '0':
			zero = true // ss.000 has them as well
		case '#', '?':
			digits = true
		}
	}
	switch {
	case digits, zero && !second, strings.EqualFold(code, "Standard"): // LibreOffice's General, in some languages
		return formatNumber
	case date, month && !clock:
		return formatDate
	case clock:
		return formatClock
	}
	return formatNumber
}

// skipTo gives the index of the next c after i, or the end of the code.
func skipTo(code string, i int, c byte) int {
	if n := strings.IndexByte(code[i+1:], c); n >= 0 {
		return i + 1 + n
	}
	return len(code)
}

// isElapsed knows the brackets that count hours, minutes or seconds past
// their usual end: [h], [mm], [ss].
func isElapsed(s string) bool {
	if s == "" {
		return false
	}
	unit := s[0] | 0x20
	if unit != 'h' && unit != 'm' && unit != 's' {
		return false
	}
	for i := range len(s) {
		if s[i]|0x20 != unit {
			return false
		}
	}
	return true
}

const (
	dayMillis = 24 * 60 * 60 * 1000
	// maxSerial is 9999-12-31, the last day that Excel knows, in the 1900 system.
	maxSerial = 2958465
	// days1904 is how far the 1904 system starts after the 1900 one.
	days1904 = 1462
)

// Day zero of both date systems, in milliseconds of Unix time.
var (
	epoch1900 = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).UnixMilli()
	epoch1904 = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

// serialMillis converts a serial number, days since the date system's day
// zero, into the milliseconds of Unix time at which UTC shows the cell's wall
// clock. It refuses what Excel cannot show: negative days and years past 9999.
//
// The 1900 system holds 1900 to be a leap year, as Lotus 1-2-3 did: serial 59
// is February 28, 60 is a February 29 that never was, 61 is March 1. So serials
// below 60 count from 1899-12-31 and those above from 1899-12-30; 60 becomes
// February 28, as in openpyxl and excelize.
func serialMillis(v float64, date04 bool) (int64, bool) {
	last := float64(maxSerial)
	if date04 {
		last -= days1904
	}
	if !(v >= 0 && v < last+1) { // also NaN
		return 0, false
	}
	day := math.Floor(v)
	ms := int64(math.Round((v - day) * dayMillis))
	days := int64(day)
	if ms == dayMillis {
		days, ms = days+1, 0
	}
	if days > int64(last) {
		return 0, false
	}
	if date04 {
		return epoch1904 + days*dayMillis + ms, true
	}
	if days < 60 {
		days++
	}
	return epoch1900 + days*dayMillis + ms, true
}

// maxElapsed keeps durations within int64 nanoseconds.
const maxElapsed = 106_000

// serialDuration converts days into a duration, to the millisecond.
func serialDuration(v float64) (time.Duration, bool) {
	if !(math.Abs(v) < maxElapsed) {
		return 0, false
	}
	return time.Duration(math.Round(v*dayMillis)) * time.Millisecond, true
}

// appendTime appends 2006-01-02, or 2006-01-02T15:04:05 where there is a
// time, with its milliseconds where there are any.
func appendTime(b []byte, ms int64) []byte {
	t := time.UnixMilli(ms).UTC()
	rest := int(mod(ms, dayMillis))
	year, month, day := t.Date()
	switch {
	case year < 0 || year > 9999: // the last millisecond, rounded up
		return t.AppendFormat(b, "2006-01-02T15:04:05")
	case rest == 0:
		return appendDate(b, year, int(month), day)
	}
	b = append(appendDate(b, year, int(month), day), 'T')
	b = append(appendTwo(b, rest/3_600_000), ':')
	b = append(appendTwo(b, rest/60_000%60), ':')
	b = appendTwo(b, rest/1000%60)
	if rest %= 1000; rest != 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	return b
}

func appendDate(b []byte, year, month, day int) []byte {
	b = append(appendTwo(appendTwo(b, year/100), year%100), '-')
	return appendTwo(append(appendTwo(b, month), '-'), day)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// appendDuration appends 49:30:00[.250].
func appendDuration(b []byte, d time.Duration) []byte {
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	h, m, s, ms := d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000
	if h < 10 {
		b = append(b, '0')
	}
	b = strconv.AppendInt(b, int64(h), 10)
	b = append(b, ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if ms != 0 {
		b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
	return b
}

// isoLayouts are the spellings of a cell of type d (ECMA-376 part 1,
// 18.18.11: ISO 8601). A zone is not part of a cell's wall clock.
var isoLayouts = []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly}

// parseISO reads a cell of type d.
func parseISO(s string) (ms int64, ok bool) {
	s = strings.TrimSuffix(s, "Z")
	if i := strings.IndexByte(s, 'T'); i > 0 {
		if j := strings.LastIndexAny(s, "+-"); j > i {
			s = s[:j]
		}
	}
	for _, layout := range isoLayouts {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t.Round(time.Millisecond).UnixMilli(), true
		}
	}
	return 0, false
}

// parseISOClock reads a cell of type d that is only a time of day.
func parseISOClock(s string) (time.Duration, bool) {
	for _, layout := range []string{"15:04:05.999999999", "15:04"} {
		if t, err := time.Parse(layout, strings.TrimSuffix(strings.TrimPrefix(s, "T"), "Z")); err == nil {
			return time.Duration(mod(t.UnixMilli(), dayMillis)) * time.Millisecond, true
		}
	}
	return 0, false
}
