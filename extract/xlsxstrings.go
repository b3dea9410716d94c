package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// sharedStrings is the table of the texts that cells refer to by number. Its
// texts lie one after the other in one slice: three million strings of their
// own would cost three times as much and a garbage collector's attention.
type sharedStrings struct {
	data []byte
	ends []uint32 // text i is data[ends[i-1]:ends[i]]
}

func (t *sharedStrings) len() int { return len(t.ends) }

func (t *sharedStrings) close() {}

// appendText appends text i, and says false if there is none.
func (t *sharedStrings) appendText(b []byte, i int) ([]byte, bool) {
	if i >= len(t.ends) {
		return b, false
	}
	from := uint32(0)
	if i > 0 {
		from = t.ends[i-1]
	}
	return append(b, t.data[from:t.ends[i]]...), true
}

// readSharedStrings reads the table to its end:
//
//	<sst><si><t>plain</t></si>
//	     <si><r><rPr/><t>rich </t></r><r><t>text</t></r><rPh><t>its reading</t></rPh></si></sst>
//
// The count that it declares is not believed. A text longer than limit is cut
// just above it, so that the rows which use it are refused.
func readSharedStrings(r io.Reader, limit int) (*sharedStrings, error) {
	t := &sharedStrings{}
	s := newTagScanner(r)
	var inside, phonetic bool
	start := 0
	for {
		tag, ok := s.next()
		switch {
		case !ok:
			if errors.Is(s.err, io.EOF) {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, s.err
		case tag.is("sst") && (tag.close || tag.empty):
			return t, s.drain()
		case tag.is("si"):
			if tag.close || tag.empty {
				t.data = t.data[:start+unescapeCell(t.data[start:])]
				if len(t.data) > math.MaxUint32 {
					return nil, &limitError{fmt.Sprintf("the workbook's texts are more than %d MiB; split the workbook", math.MaxUint32>>20)}
				}
				t.ends = append(t.ends, uint32(len(t.data)))
			}
			start = len(t.data)
			inside, phonetic = !tag.close && !tag.empty, false
		case tag.is("rPh"):
			phonetic = !tag.close && !tag.empty
		case tag.is("t") && inside && !phonetic && !tag.close && !tag.empty:
			t.data, _ = s.text(t.data, start+limit+1)
		}
	}
}

// unescapeCell resolves the escapes of ECMA-376 part 1, 22.9.2.19 (_x000D_ is
// a carriage return, _x005F_ the underscore of what only looks like an escape)
// in place, and gives the new length. An escape is a UTF-16 unit: a character
// beyond the first plane takes two.
func unescapeCell(b []byte) int {
	i := bytes.Index(b, []byte("_x"))
	if i < 0 {
		return len(b)
	}
	n := i
	for i < len(b) {
		r, size := cellEscape(b[i:])
		if size == 0 {
			b[n] = b[i]
			n, i = n+1, i+1
			continue
		}
		i += size
		if utf16.IsSurrogate(r) {
			low, more := cellEscape(b[i:])
			if pair := utf16.DecodeRune(r, low); more > 0 && pair != utf8.RuneError {
				r = pair
				i += more
			}
		}
		n += utf8.EncodeRune(b[n:i], r)
	}
	return n
}

// cellEscape parses the escape that b begins with; its size is 0 if there is none.
func cellEscape(b []byte) (rune, int) {
	const size = len("_x0000_")
	if len(b) < size || b[0] != '_' || b[1] != 'x' || b[size-1] != '_' {
		return 0, 0
	}
	n, err := strconv.ParseUint(string(b[2:size-1]), 16, 16)
	if err != nil {
		return 0, 0
	}
	return rune(n), size
}
