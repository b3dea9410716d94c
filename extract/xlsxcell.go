package extract

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxExactDigits is how many digits of a number a workbook keeps.
const maxExactDigits = 15

// CellValue is what a cell of a workbook with this text would have in
// Record.Typed: the value whose canonical spelling the text is, nil where it is
// none ("007", "31.12.2024"). It is for cells that somebody has written anew.
func CellValue(text string) any {
	switch text {
	case "":
		return nil
	case "true":
		return true
	case "false":
		return false
	}
	switch c := text[0]; {
	case c == '#':
		if cellErrors[text] {
			return CellError(text)
		}
		return nil
	case c != '-' && (c < '0' || c > '9'):
		return nil
	}
	exact := digitsIn(text) <= maxExactDigits
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && exact && strconv.FormatInt(n, 10) == text {
		return n
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && exact && v != 0 && string(appendFloat(nil, nil, v)) == text {
		return v
	}
	if ms, ok := parseISO(text); ok && string(appendTime(nil, ms)) == text {
		return time.UnixMilli(ms).UTC()
	}
	if d, ok := parseClock(text); ok {
		return d
	}
	return nil
}

func digitsIn(s string) (n int) {
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// cellErrors are the error values of Excel.
var cellErrors = map[string]bool{"#NULL!": true, "#DIV/0!": true, "#VALUE!": true, "#REF!": true, "#NAME?": true, "#NUM!": true, "#N/A": true, "#SPILL!": true, "#CALC!": true}

// parseClock reads what appendDuration writes.
func parseClock(text string) (time.Duration, bool) {
	rest, neg := strings.CutPrefix(text, "-")
	parts := strings.Split(rest, ":")
	if len(parts) != 3 {
		return 0, false
	}
	h, err1 := strconv.ParseUint(parts[0], 10, 32)
	m, err2 := strconv.ParseUint(parts[1], 10, 8)
	s, err3 := strconv.ParseFloat(parts[2], 64)
	if err1 != nil || err2 != nil || err3 != nil || h > 24*maxElapsed {
		return 0, false
	}
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(math.Round(s*1000))*time.Millisecond
	if neg {
		d = -d
	}
	return d, string(appendDuration(nil, d)) == text
}
