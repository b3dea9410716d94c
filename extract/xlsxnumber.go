package extract

import (
	"math"
	"strconv"
)

// This file reads and writes the numbers of cells.

// plainInt parses an integer of at most 15 digits in its canonical spelling.
func plainInt(b []byte) (int64, bool) {
	neg := len(b) > 1 && b[0] == '-'
	digits := b
	if neg {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 15 || digits[0] == '0' && (len(digits) > 1 || neg) {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

// parseNumber parses what XML Schema calls a double, except infinities.
func parseNumber(b []byte) (float64, bool) {
	for _, c := range b {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}

// appendFloat appends the shortest decimal that is v. Excel stores 17 digits
// (1.1000000000000001), which nobody has typed. A long integer keeps all the
// digits that are stored.
func appendFloat(b, raw []byte, v float64) []byte {
	if isCanonical(raw) {
		return append(b, raw...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// isCanonical tells an integer, or a decimal that is the shortest of its value:
// it ends in no zero and has at most 15 digits, which a float64 tells apart.
func isCanonical(raw []byte) bool {
	digits := raw
	if len(raw) > 0 && raw[0] == '-' {
		digits = raw[1:]
	}
	point := -1
	for i, c := range digits {
		switch {
		case c == '.' && point < 0:
			point = i
		case c < '0' || c > '9':
			return false
		}
	}
	n := len(digits)
	switch {
	case n == 0 || digits[0] == '.':
		return false
	case point < 0:
		return digits[0] != '0'
	case n > maxExactDigits+1 || digits[n-1] == '0' || digits[n-1] == '.':
		return false
	}
	// 0.000001 and what is larger is written without an exponent.
	return digits[0] != '0' || point == 1 && n <= 8
}
