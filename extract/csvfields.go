package extract

import (
	"math/bits"
	"strings"
)

// This file cuts text without quotes at its delimiters, which it finds 64 bytes
// at a time. Fields are mostly so short that a search for the end of each costs
// more than the field; and most of that is branches that the processor cannot
// foresee, so there is one for 64 bytes and not one for eight.

// split cuts the n bytes of a line without quotes from the start of text. It
// reports whether the fields are few enough.
func (s *csvScanner) split(text string, n int) bool {
	f := s.row()
	if len(s.delim) != 1 {
		return s.keep(appendSplit(f, text[:n], s.delim))
	}
	room := f[:cap(f)]
	if k, start := cutFields(room, text, n, s.delim[0]); uint(k) < uint(len(room)) {
		room[k] = text[start:n]
		return s.keep(room[:k+1])
	}
	f, start := appendFields(f, text[:n], s.delim[0])
	return s.keep(append(f, text[start:n]))
}

// appendPlain cuts the first n bytes of text, which have no quotes, but for the
// last field, and says where that starts.
func (s *csvScanner) appendPlain(f []string, text string, n int) (fields []string, start int) {
	if k, start := cutFields(f[len(f):cap(f)], text, n, s.delim[0]); k >= 0 {
		return f[:len(f)+k], start
	}
	return appendFields(f, text[:n], s.delim[0])
}

// appendSplit cuts a line at a delimiter of any kind.
func appendSplit(f []string, line, delim string) []string {
	for {
		i := strings.Index(line, delim)
		if i < 0 {
			return append(f, line)
		}
		f = append(f, line[:i])
		line = line[i+len(delim):]
	}
}

// appendFields cuts text at every d, and says where the last field starts, which
// it leaves out: what ends it is the caller's affair.
func appendFields(f []string, text string, d byte) (fields []string, start int) {
	pattern := repeat8(d)
	for block := 0; block < len(text); block += 8 {
		found := marks(text[block:min(block+8, len(text))], pattern)
		for ; found != 0; found &= found - 1 {
			at := block + bits.TrailingZeros64(found)
			f = append(f, text[start:at])
			start = at + 1
		}
	}
	return f, start
}

// cutFields is appendFields of the first n bytes of text into the room of f. It
// gives the number of fields, or -1 where there is not room enough, or not as
// much text as it looks at: it looks beyond n, for 64 bytes at once cost less
// than a few one by one.
func cutFields(f []string, text string, n int, d byte) (k, start int) {
	if (n+63)&^63 > len(text) {
		return -1, 0
	}
	pattern := repeat8(d)
	for block := 0; block < n; block += 64 {
		b := text[block : block+64]
		found := ^(others(load8(b, 0)^pattern) | others(load8(b, 8)^pattern)<<8 |
			others(load8(b, 16)^pattern)<<16 | others(load8(b, 24)^pattern)<<24 |
			others(load8(b, 32)^pattern)<<32 | others(load8(b, 40)^pattern)<<40 |
			others(load8(b, 48)^pattern)<<48 | others(load8(b, 56)^pattern)<<56)
		if left := n - block; left < 64 {
			found &= 1<<(uint(left)&63) - 1
		}
		for found != 0 {
			at := block + bits.TrailingZeros64(found)
			if uint(k) >= uint(len(f)) {
				return -1, 0
			}
			found &= found - 1
			f[k] = text[start:at]
			k++
			start = at + 1
		}
	}
	return k, start
}

// repeat8 is eight times the byte c.
func repeat8(c byte) uint64 { return uint64(c) * 0x0101010101010101 }

// marks tells which of the bytes of s, at most eight, are the one of pattern: bit
// k is for s[k].
func marks(s string, pattern uint64) uint64 {
	if len(s) >= 8 {
		return others(load8(s, 0)^pattern) ^ 0xFF
	}
	var m uint64
	for i := range len(s) {
		if s[i] == byte(pattern) {
			m |= 1 << i
		}
	}
	return m
}

// others gives a bit for each byte of x that is not zero: bit k for byte k. The
// sum has the high bit of each byte whose lower bits are not all zero, and
// cannot carry into the next; the product moves the high bits together.
func others(x uint64) uint64 {
	const low, high = 0x7F7F7F7F7F7F7F7F, 0x8080808080808080
	return (x&low + low | x) & high * 0x0002040810204081 >> 56
}

// load8 is the eight bytes of s at i, little-endian: one instruction.
func load8(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
