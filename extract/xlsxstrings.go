package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// sharedStrings is the table of the texts that cells refer to by number. Its
// texts lie one after the other in one slice: three million strings of their
// own would cost three times as much and a garbage collector's attention. A
// table of over spillAt bytes goes to a temporary file instead. Excel numbers
// texts in the order in which cells use them, so that reading them back from
// there by blocks is nearly sequential.
type sharedStrings struct {
	data []byte   // the texts, or the last of them if the others are in file
	ends []uint32 // text i ends at ends[i], and begins where the one before ends

	file   *os.File
	base   int64         // bytes in file
	err    error         // the first failure to read file
	blocks []stringBlock // of file, by their number modulo their count
}

type stringBlock struct {
	num  int64 // from 1: 0 is none
	data []byte
}

const (
	spillAt      = 8 << 20
	spillChunk   = 1 << 20
	spillBlock   = 8 << 10
	spillBlocks  = 512 // 4 MiB
	maxTextBytes = math.MaxUint32
)

func (t *sharedStrings) len() int { return len(t.ends) }

// close lets go of the temporary file.
func (t *sharedStrings) close() {
	if t.file != nil {
		t.file.Close()
		os.Remove(t.file.Name()) // a second time for systems that keep open files
	}
}

// appendText appends text i. It says false if there is none, or if the
// temporary file cannot be read.
func (t *sharedStrings) appendText(b []byte, i int) ([]byte, bool) {
	if i >= len(t.ends) {
		return b, false
	}
	from, to := int64(0), int64(t.ends[i])
	if i > 0 {
		from = int64(t.ends[i-1])
	}
	if t.file == nil {
		return append(b, t.data[from:to]...), true
	}
	for from < to {
		block, err := t.block(from / spillBlock)
		if err != nil {
			t.err = &FileError{Reason: ReasonUnreadable, Err: err,
				Detail: fmt.Sprintf("the workbook's texts cannot be read back from the temporary file (%v); run again", cause(err))}
			return b, false
		}
		off := from % spillBlock
		end := min(to-from+off, int64(len(block)))
		if end <= off {
			t.err = &FileError{Reason: ReasonUnreadable, Err: io.ErrUnexpectedEOF,
				Detail: "the temporary file with the workbook's texts was made shorter by another program; run again"}
			return b, false
		}
		b = append(b, block[off:end]...)
		from += end - off
	}
	return b, true
}

// block gives a block of the temporary file.
func (t *sharedStrings) block(num int64) ([]byte, error) {
	slot := &t.blocks[num%spillBlocks]
	if slot.num == num+1 {
		return slot.data, nil
	}
	if slot.data == nil {
		slot.data = make([]byte, spillBlock)
	}
	slot.num = 0
	n, err := t.file.ReadAt(slot.data[:spillBlock], num*spillBlock)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slot.num, slot.data = num+1, slot.data[:n]
	return slot.data, nil
}

// spill writes the texts so far to the temporary file, which it makes.
func (t *sharedStrings) spill() error {
	if t.file == nil {
		f, err := os.CreateTemp("", "importer-texts-")
		if err != nil {
			return spillError(err)
		}
		os.Remove(f.Name()) // so that a crash leaves nothing, where the system allows it
		t.file, t.blocks = f, make([]stringBlock, spillBlocks)
	}
	if _, err := t.file.Write(t.data); err != nil {
		return spillError(err)
	}
	t.base += int64(len(t.data))
	if cap(t.data) > 4*spillChunk {
		t.data = make([]byte, 0, 2*spillChunk)
	}
	t.data = t.data[:0]
	return nil
}

func spillError(err error) error {
	return &FileError{Reason: ReasonUnreadable, Err: err,
		Detail: fmt.Sprintf("the workbook's texts do not fit into the folder for temporary files (%v); free some space, or set TMPDIR to another folder", cause(err))}
}

// readSharedStrings reads the table to its end:
//
//	<sst><si><t>plain</t></si>
//	     <si><r><rPr/><t>rich </t></r><r><t>text</t></r><rPh><t>its reading</t></rPh></si></sst>
//
// The count that it declares is not believed. A text longer than limit is cut
// just above it, so that the rows which use it are refused. Beyond spillAt
// bytes the texts go to a temporary file. The caller closes the table.
func readSharedStrings(r io.Reader, limit, spillAt int) (*sharedStrings, error) {
	t := &sharedStrings{}
	if err := t.readFrom(r, limit, spillAt); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *sharedStrings) readFrom(r io.Reader, limit, spillAt int) error {
	s := newTagScanner(r)
	var inside, phonetic bool
	start := 0
	for {
		if !inside {
			if raw := s.plainText(limit); raw != nil {
				t.data = appendCellText(t.data, raw, false)
				if err := t.end(spillAt); err != nil {
					return err
				}
				start = len(t.data)
				continue
			}
		}
		tag, ok := s.next()
		switch {
		case !ok:
			if errors.Is(s.err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return s.err
		case tag.is("sst") && (tag.close || tag.empty):
			if t.file != nil {
				if err := t.spill(); err != nil {
					return err
				}
				t.data = nil
			}
			return s.drain()
		case tag.is("si"):
			if tag.close || tag.empty {
				t.data = t.data[:start+unescapeCell(t.data[start:])]
				if err := t.end(spillAt); err != nil {
					return err
				}
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

var (
	tagSI    = []byte("<si><t>")
	tagEndSI = []byte("</t></si>")
)

// plainText takes <si><t>text</t></si>, which most texts are, and gives what
// stands in it, not decoded; nil if something else comes next, or a text that
// may be over the limit.
func (s *tagScanner) plainText(limit int) []byte {
	if s.end-s.pos < cellRoom {
		s.fill()
	}
	b, ok := bytes.CutPrefix(s.buf[s.pos:s.end], tagSI)
	if !ok {
		return nil
	}
	n := bytes.IndexByte(b, '<')
	if n < 0 || n > limit || !bytes.HasPrefix(b[n:], tagEndSI) {
		return nil
	}
	s.pos += len(tagSI) + n + len(tagEndSI)
	return b[:n]
}

// end ends a text.
func (t *sharedStrings) end(spillAt int) error {
	total := t.base + int64(len(t.data))
	if total > maxTextBytes {
		return &limitError{fmt.Sprintf("the workbook's texts are more than %d MiB; split the workbook", maxTextBytes>>20)}
	}
	t.ends = append(t.ends, uint32(total))
	if t.file == nil && len(t.data) > spillAt || t.file != nil && len(t.data) > spillChunk {
		return t.spill()
	}
	return nil
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
