package extract

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Characters that PDF text has and other text has not.
const (
	softHyphen = '\u00AD'
	// PDFium ends a line on one of these where it takes a hyphen for the
	// division of a word: U+0002, formerly U+FFFE
	// (core/fpdftext/cpdf_textpage.cpp).
	hyphenMark    = '\u0002'
	oldHyphenMark = '\uFFFE'
)

// cleanPDFText makes an engine's text of a page into lines that end in \n:
// divided words are joined, ligatures are letters, and nothing is left that is
// not text. It does not change the order, nor characters that mean something
// (no NFKC over all: x² is not x2).
func cleanPDFText(s string) string {
	out := make([]byte, 0, len(s))
	hyphens := false
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case c == '\r' && strings.HasPrefix(s[i:], "\n"):
			// the line ends at its \n
		case lineEnd(c):
			out = append(trimBlanks(out), '\n')
		case isHyphen(c):
			hyphens = true
			out = utf8.AppendRune(out, c)
		case c == '\t':
			out = append(out, '\t')
		case c == utf8.RuneError && size == 1, notText(c):
		case presentationForm(c):
			out = append(out, letters(c)...)
		default:
			out = utf8.AppendRune(out, c)
		}
	}
	if hyphens {
		out = joinWords(string(out))
	}
	return strings.TrimLeft(strings.TrimRightFunc(string(out), unicode.IsSpace), "\n")
}

func isHyphen(c rune) bool {
	return c == '-' || c == '\u2010' || c == softHyphen || c == hyphenMark || c == oldHyphenMark
}

// joinWords joins the words of a clean text that are divided at line ends.
func joinWords(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		at := i
		i += size
		switch {
		case c == '\n':
			out = append(trimBlanks(out), '\n') // after a mark that has gone
		case !isHyphen(c):
			out = append(out, s[at:i]...)
		case c == softHyphen:
			skip := joinLines(s[i:])
			i += skip
			// WinAnsi writes the hyphen as either 2D or AD, so where it does
			// not divide a word it is a hyphen (ISO 32000-1, D.2).
			if skip == 0 && !(letterBefore(s[:at]) && letterAfter(s[i:])) {
				out = append(out, '-')
			}
		default:
			written := c == '-' || c == '\u2010'
			if written && !letterBefore(s[:at]) {
				out = append(out, s[at:i]...)
				continue
			}
			skip, keep := hyphen(out, s[i:])
			i += skip
			switch {
			case written && (keep || skip == 0):
				out = utf8.AppendRune(out, c)
			case keep:
				out = append(out, '-')
			}
		}
	}
	return out
}

func lineEnd(c rune) bool {
	switch c {
	case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// trimBlanks takes the blanks off the end of the line that is being written.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// joinLines is the length of the line end that s begins with, blanks before
// it included, when a letter follows it; else 0.
func joinLines(s string) int {
	rest := strings.TrimLeft(s, " \t")
	switch {
	case strings.HasPrefix(rest, "\r\n"):
		rest = rest[2:]
	case strings.HasPrefix(rest, "\n"), strings.HasPrefix(rest, "\r"):
		rest = rest[1:]
	default:
		return 0
	}
	if !letterAfter(rest) {
		return 0
	}
	return len(s) - len(rest)
}

// hyphen judges a hyphen by what is before it and what follows. skip is the
// length of a line end that it spans, and keep whether it belongs to the word.
// Without a dictionary that can only be guessed: most hyphens at line ends
// divide a word.
func hyphen(before []byte, rest string) (skip int, keep bool) {
	if skip = joinLines(rest); skip == 0 {
		return 0, false
	}
	word := before[bytes.LastIndexFunc(before, unicode.IsSpace)+1:]
	next := rest[skip:]
	if i := strings.IndexFunc(next, func(r rune) bool { return !unicode.IsLetter(r) }); i >= 0 {
		next = next[:i]
	}
	first, _ := utf8.DecodeRuneInString(next)
	switch {
	case hanging[strings.ToLower(next)]: // Ein- und Ausgang
		return 0, true
	case unicode.IsUpper(first), // Jean-Paul
		utf8.RuneCount(word) < 2, // e-mail
		bytes.ContainsFunc(word, func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune("/@:._-", r) }): // an address, well-to-do
		return skip, true
	}
	return skip, false
}

// hanging are the words that follow a hyphen which stands for a part that comes
// later, in the languages that write so.
var hanging = map[string]bool{
	"und": true, "oder": true, "bzw": true, "sowie": true, "als": true, "bis": true, "and": true, "or": true, "to": true,
	"et": true, "ou": true, "en": true, "of": true, "och": true, "eller": true, "og": true, "e": true, "o": true, "y": true, "i": true, "ja": true, "tai": true,
}

func letterBefore(s string) bool {
	c, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsLetter(c)
}

func letterAfter(s string) bool {
	c, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(c)
}

// notText tells control characters, noncharacters and the byte order mark,
// which no index wants and XML and JSON consumers refuse.
func notText(c rune) bool {
	return unicode.IsControl(c) || c&0xFFFE == 0xFFFE || c >= 0xFDD0 && c <= 0xFDEF || c == '\uFEFF'
}

// presentationForm tells the shapes that fonts draw of letters: ligatures
// (ﬁ), and Hebrew and Arabic letters by their place in the word. Text that
// people type, and so search for, has none of them.
func presentationForm(c rune) bool {
	return c >= 0xFB00 && c <= 0xFDFF || c >= 0xFE70 && c <= 0xFEFC
}

func letters(c rune) string {
	s := norm.NFKC.String(string(c))
	if strings.HasPrefix(s, " ") {
		return string(c) // a mark that stands alone
	}
	return s
}

// pdfDate reads a date of the Info dictionary, D:YYYYMMDDHHmmSSOHH'mm', where
// everything after the year may be missing (ISO 32000-1, 7.9.4), and gives it
// in RFC 3339. Without a zone it is taken for UTC. A string that is no date
// gives "".
func pdfDate(s string) string {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), "D:"))
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	num, zone := s[:digits], s[digits:]
	const layout = "20060102150405"
	if len(num) < 4 || len(num) > len(layout) || len(num)%2 != 0 {
		return ""
	}
	t, err := time.Parse(layout[:len(num)], num)
	if err != nil || t.Year() == 0 {
		return ""
	}
	offset, ok := pdfZone(zone)
	if !ok {
		return ""
	}
	if offset != 0 {
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.FixedZone("", offset))
	}
	return t.Format(time.RFC3339)
}

// pdfZone reads what follows the digits of a date: "", Z, Z00'00', +01'00',
// +0100, +01, -05'30. It gives the seconds east of UTC.
func pdfZone(s string) (offset int, ok bool) {
	s = strings.TrimSpace(strings.NewReplacer("'", "", ":", "").Replace(s))
	if s == "" || s[0] == 'Z' || s[0] == 'z' {
		return 0, true
	}
	sign := 1
	switch s[0] {
	case '+':
	case '-':
		sign = -1
	default:
		return 0, false
	}
	s = s[1:]
	if len(s) != 2 && len(s) != 4 {
		return 0, false
	}
	n, err := strconv.Atoi((s + "00")[:4])
	if err != nil || n < 0 || n/100 > 14 || n%100 > 59 {
		return 0, false
	}
	return sign * (n/100*3600 + n%100*60), true
}

// A pageSet is a set of pages that grows upwards, told as ranges: a hostile
// file may say that it has a million pages.
type pageSet []pageRange

type pageRange struct{ first, last int }

func (s *pageSet) add(n int) {
	if k := len(*s); k > 0 && (*s)[k-1].last+1 >= n {
		(*s)[k-1].last = max(n, (*s)[k-1].last)
		return
	}
	*s = append(*s, pageRange{n, n})
}

// String says "page 3" or "pages 1, 4-6, 9 and 40 more".
func (s pageSet) String() string {
	if len(s) == 1 && s[0].first == s[0].last {
		return fmt.Sprintf("page %d", s[0].first)
	}
	const most = 20
	var parts []string
	more := 0
	for i, r := range s {
		switch {
		case i >= most:
			more += r.last - r.first + 1
		case r.first == r.last:
			parts = append(parts, strconv.Itoa(r.first))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", r.first, r.last))
		}
	}
	text := "pages " + strings.Join(parts, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// size is the number of pages in the set.
func (s pageSet) size() int {
	n := 0
	for _, r := range s {
		n += r.last - r.first + 1
	}
	return n
}

// has is the verb that goes with the set.
func (s pageSet) has() string {
	if len(s) == 1 && s[0].first == s[0].last {
		return "has"
	}
	return "have"
}

// was is the verb of what was done with the set.
func (s pageSet) was() string {
	if s.has() == "has" {
		return "was"
	}
	return "were"
}
