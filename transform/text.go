package transform

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a text fit for JSON and search: invalid UTF-8 becomes U+FFFD,
// the form feeds between the pages of a document become line feeds, and the
// other control characters below U+0020 go, but for tab, line feed and
// carriage return. Clean text, nearly all of it, is returned as it is.
func clean(s string) string {
	i := 0
	// Eight bytes at a time: a word is plain when no byte has its top bit set
	// or is below 0x20.
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		t := s[i : i+8] // one bounds check, so that the eight loads become one
		w := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
			uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
		if w&tops != 0 || (w-0x20*ones)&^w&tops != 0 {
			break
		}
	}
	for i < len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				return mend(s, i)
			}
			i += n
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r':
			return mend(s, i)
		default:
			i++
		}
	}
	return s
}

func mend(s string, from int) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteString(s[:from])
	for _, r := range s[from:] {
		if r == '\f' {
			r = '\n'
		}
		if r >= 0x20 || r == '\t' || r == '\n' || r == '\r' {
			b.WriteRune(r) // range has already made U+FFFD of what is invalid
		}
	}
	return b.String()
}

// isBlank tells whether there is nothing to see in s.
func isBlank(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > ' ' && c < utf8.RuneSelf {
			return false
		} else if c >= utf8.RuneSelf {
			return strings.TrimSpace(s[i:]) == ""
		}
	}
	return true
}

// trim is strings.TrimSpace, inlined for the common text without space
// around it.
func trim(s string) string {
	if s == "" || (s[0] > ' ' && s[0] < utf8.RuneSelf && s[len(s)-1] > ' ' && s[len(s)-1] < utf8.RuneSelf) {
		return s
	}
	return strings.TrimSpace(s)
}

// jsonSize is the most that s can take in a JSON body: encoding/json writes
// some characters as six.
func jsonSize(s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		n += jsonExtra(s[i])
	}
	return n
}

func jsonExtra(c byte) int {
	switch {
	case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
		return 1
	case c < 0x20 || c == '<' || c == '>' || c == '&' || c == 0x7f:
		return 5
	case c == 0xe2: // U+2028 and U+2029 are escaped too
		return 3
	}
	return 0
}

// cutText cuts s so that it takes at most limit bytes in JSON, between words
// where there is a space in the last part, never inside a character.
func cutText(s string, limit int) (string, bool) {
	if len(s) <= limit/6 || jsonSize(s) <= limit {
		return s, false
	}
	n, end := 0, 0
	for end < len(s) {
		_, size := utf8.DecodeRuneInString(s[end:])
		cost := 0
		for i := end; i < end+size; i++ {
			cost += 1 + jsonExtra(s[i])
		}
		if n+cost > limit {
			break
		}
		n += cost
		end += size
	}
	whole := s[:end]
	if next, _ := utf8.DecodeRuneInString(s[end:]); unicode.IsSpace(next) {
		return strings.TrimRightFunc(whole, unicode.IsSpace), true
	}
	// A text without spaces (Chinese, base64) is cut between characters.
	if i := strings.LastIndexFunc(whole, unicode.IsSpace); i > len(whole)-512 && i > 0 {
		whole = strings.TrimRightFunc(whole[:i], unicode.IsSpace)
	}
	return whole, true
}

// cutBytes shortens a text for a message.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, errors.New("it is too large")
	}
	return data, err
}

// reasonOf is the reason of a file error without the path, which the message
// already has.
func reasonOf(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
