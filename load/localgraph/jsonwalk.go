package localgraph

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The walkers below read JSON that json.Valid has accepted. An item is mostly
// copied, so they hand out slices of the body and decode only what is looked
// at: three times cheaper than json.Unmarshal into maps.

// walkObject calls f with each member. raw must be an object.
func walkObject(raw []byte, f func(key string, val []byte) error) error {
	i := skipSpace(raw, 1)
	for raw[i] != '}' {
		end := valueEnd(raw, i)
		key := unquote(raw[i:end])
		i = skipSpace(raw, end)
		i = skipSpace(raw, i+1) // the colon
		end = valueEnd(raw, i)
		if err := f(key, raw[i:end]); err != nil {
			return err
		}
		i = skipSpace(raw, end)
		if raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return nil
}

// walkArray calls f with each element. raw must be an array.
func walkArray(raw []byte, f func(val []byte) error) error {
	i := skipSpace(raw, 1)
	for raw[i] != ']' {
		end := valueEnd(raw, i)
		if err := f(raw[i:end]); err != nil {
			return err
		}
		i = skipSpace(raw, end)
		if raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return nil
}

// A once notes the few members of an object that count: JSON leaves open which
// of two of one name does, and OData refuses them. It is on the path of every
// item, and allocates nothing.
type once struct {
	keys [8]string // more than any object has that is read so
	n    int
}

func (o *once) given(where, key string) error {
	if slices.Contains(o.keys[:o.n], key) {
		return malformed("%s%s is given twice", where, cut([]byte(key)))
	}
	if o.n < len(o.keys) {
		o.keys[o.n] = key
		o.n++
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns the end of the value that starts at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for ; i < len(b); i++ {
			switch b[i] {
			case '"':
				i = stringEnd(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return i
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return i
}

// kindOf tells what a value is by its first byte: one of { [ " t n 0.
func kindOf(raw []byte) byte {
	switch c := raw[0]; c {
	case '{', '[', '"', 'n':
		return c
	case 't', 'f':
		return 't'
	}
	return '0'
}

// unquote decodes a JSON string. Lone surrogates become U+FFFD.
func unquote(raw []byte) string {
	in := raw[1 : len(raw)-1]
	at := bytes.IndexByte(in, '\\')
	if at < 0 {
		return string(in)
	}
	// The short escapes, which are nearly all there are: nearly every text has
	// a line end.
	out := make([]byte, 0, len(in))
	for {
		out = append(out, in[:at]...)
		c := in[at+1]
		if c == 'u' {
			var s string
			_ = json.Unmarshal(raw, &s) // cannot fail: json.Valid has accepted it
			return s
		}
		if i := strings.IndexByte("bfnrt", c); i >= 0 {
			c = "\b\f\n\r\t"[i]
		}
		out = append(out, c)
		in = in[at+2:]
		if at = bytes.IndexByte(in, '\\'); at < 0 {
			return string(append(out, in...))
		}
	}
}

// appendQuoted appends s as a JSON string, without escaping HTML characters.
func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// isWhole tells a JSON number without fraction and exponent, and its value.
func isWhole(raw []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	return v, err == nil
}

// cut shortens a value for a message.
func cut(raw []byte) string {
	const most = 60
	if len(raw) <= most {
		return string(raw)
	}
	n := most
	for n > 0 && !utf8.RuneStart(raw[n]) {
		n--
	}
	return string(raw[:n]) + "…"
}
