package extract

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/saintfish/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// A codec is a character encoding by its usual name. A nil enc is UTF-8,
// which needs no decoding.
type codec struct {
	name string
	enc  encoding.Encoding
}

var utf8Codec = codec{name: "utf-8"}

// aliases are names that people and programs write and that neither the
// WHATWG's list nor IANA's has.
var aliases = map[string]string{
	"ansi": "windows-1252", "utf-8-sig": "utf-8", "utf-8-bom": "utf-8", "utf8-bom": "utf-8", "utf8bom": "utf-8",
	"macroman": "macintosh", "mac-roman": "macintosh", "cp932": "shift_jis", "ms932": "shift_jis", "cp936": "gbk",
	"cp949": "euc-kr", "cp950": "big5", "ucs-2": "utf-16le", "ucs2": "utf-16le", "utf16": "utf-16", "utf16le": "utf-16le", "utf16be": "utf-16be",
	"cp437": "ibm437", "cp850": "ibm850", "cp852": "ibm852", "cp858": "ibm00858", "cp866": "ibm866",
}

// lookupCodec finds an encoding by a name of the WHATWG or of IANA.
func lookupCodec(name string) (codec, error) {
	key := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", "-"))
	key = strings.Replace(key, "shift-jis", "shift_jis", 1)
	if digits, ok := strings.CutPrefix(key, "cp125"); ok {
		key = "windows-125" + digits
	}
	if digits, ok := strings.CutPrefix(key, "windows125"); ok {
		key = "windows-125" + digits
	}
	if a, ok := aliases[key]; ok {
		key = a
	}
	switch key {
	case "utf-8", "utf8":
		return utf8Codec, nil
	case "utf-16", "utf-16le":
		return codec{key, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)}, nil
	case "utf-16be":
		return codec{key, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)}, nil
	case "utf-32", "utf-32le":
		return codec{key, utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)}, nil
	case "utf-32be":
		return codec{key, utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)}, nil
	}
	if enc, canonical := charset.Lookup(key); enc != nil && enc != encoding.Replacement {
		return codec{canonical, enc}, nil
	}
	if enc, err := ianaindex.IANA.Encoding(key); err == nil && enc != nil {
		return codec{key, enc}, nil
	}
	if enc, canonical := charset.Lookup(strings.TrimSpace(name)); enc != nil && enc != encoding.Replacement { // ks_c_5601-1987
		return codec{canonical, enc}, nil
	}
	return codec{}, fmt.Errorf("the encoding %q is not known; write an IANA name such as utf-8, utf-16le, windows-1252, iso-8859-2 or shift_jis, or auto", name)
}

// boms are the byte order marks, the longer of two that start alike first.
var boms = []struct{ mark, name string }{
	{"\xEF\xBB\xBF", "utf-8"},
	{"\xFF\xFE\x00\x00", "utf-32le"},
	{"\x00\x00\xFE\xFF", "utf-32be"},
	{"\xFF\xFE", "utf-16le"},
	{"\xFE\xFF", "utf-16be"},
}

// byBOM tells the encoding that a byte order mark names, and the mark's length.
func byBOM(head []byte) (name string, n int) {
	for _, b := range boms {
		if bytes.HasPrefix(head, []byte(b.mark)) {
			return b.name, len(b.mark)
		}
	}
	return "", 0
}

// byNULs tells UTF-16 without a byte order mark: characters below U+0100,
// which every table has (its delimiters and line ends), put their NUL on one
// side only. NULs that got into other text stand on either.
func byNULs(head []byte) string {
	head = head[:len(head)&^1]
	if len(head) == 0 || bytes.IndexByte(head, 0) < 0 {
		return ""
	}
	var nul [2]int    // NULs at even and at odd offsets
	var lines [2]int  // line feeds that are one in UTF-16BE, in UTF-16LE
	var otherLine int // line feeds that are none in either
	for i := 0; i < len(head); i += 2 {
		if head[i] == 0 {
			nul[0]++
		}
		if head[i+1] == 0 {
			nul[1]++
		}
		switch {
		case head[i] == 0 && head[i+1] == '\n':
			lines[0]++
		case head[i] == '\n' && head[i+1] == 0:
			lines[1]++
		case head[i] == '\n' || head[i+1] == '\n':
			otherLine++
		}
	}
	pairs := len(head) / 2
	for side, name := range []string{"utf-16be", "utf-16le"} {
		here, there := nul[side], nul[1-side]
		if there*20 > here {
			continue
		}
		// Either most characters are Latin, or the script has no NULs and
		// every line feed (some bytes 0A of other characters aside) has one.
		if here*3 >= pairs || lines[side] >= 2 && lines[side] > 4*otherLine {
			return name
		}
	}
	return ""
}

// utf8Evidence counts the multi-byte characters of b that are valid UTF-8 and
// the bytes that are not. A character cut off by the end of b is neither.
func utf8Evidence(b string) (valid, invalid int) {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(b[i:])
		switch {
		case r != utf8.RuneError || n > 1:
			valid++
		case !utf8.FullRuneInString(b[i:]):
			return valid, invalid
		default:
			invalid++
		}
		i += n
	}
	return valid, invalid
}

const guessSample = 64 << 10 // chardet's cost is linear, its answer hardly better after this

// guessCodec decides on text that is not all valid UTF-8. confidence is what
// chardet says of its answer, of 100; 0 is the fallback; 101 is no guess. Text
// that is mostly UTF-8 stays UTF-8: a stray byte must not turn every other
// letter to mojibake (actualbudget/actual#8924).
func guessCodec(sample string) (c codec, confidence int) {
	valid, invalid := utf8Evidence(sample)
	if invalid == 0 || valid >= invalid {
		return utf8Codec, 101
	}
	sample = sample[:min(len(sample), guessSample)]
	foreign, c1 := script(sample)
	found, err := chardet.NewTextDetector().DetectAll([]byte(sample))
	if err != nil {
		found = nil
	}
	for i, r := range found {
		next := 0
		if i+1 < len(found) {
			next = found[i+1].Confidence
		}
		latin := isLatin(r.Charset)
		switch {
		case strings.HasPrefix(r.Charset, "UTF-"): // it has neither the mark nor the NULs
			continue
		case foreign && latin:
			continue
		case foreign && r.Confidence < 15, !foreign && r.Confidence < 60 && (r.Confidence < 40 || r.Confidence < next+20):
			continue
		}
		name := r.Charset
		if latin {
			name = latinPage(r.Language, c1)
		}
		c, err := lookupCodec(name)
		if err != nil || c.enc == nil {
			continue
		}
		if text, err := c.enc.NewDecoder().String(sample); err == nil && strings.Count(text, "\uFFFD") <= 1 { // one may be cut by the sample's end
			return c, r.Confidence
		}
	}
	return codec{"windows-1252", charmap.Windows1252}, 0
}

// script tells whether most letters of a text in a legacy encoding are above
// ASCII, as they are in Greek, Cyrillic or CJK and never in a Latin script,
// and whether it uses the bytes that only the windows pages have letters for.
func script(sample string) (foreign, c1 bool) {
	high, low := 0, 0
	for i := range len(sample) {
		switch b := sample[i]; {
		case b >= 0x80:
			high++
			c1 = c1 || b < 0xA0
		case b|0x20 >= 'a' && b|0x20 <= 'z':
			low++
		}
	}
	return high*3 > low*2, c1
}

func isLatin(charset string) bool {
	switch charset {
	case "ISO-8859-1", "ISO-8859-2", "ISO-8859-9", "windows-1250", "windows-1252", "windows-1254":
		return true
	}
	return false
}

// latinPage is the page that a language in Latin script is written in.
// chardet names Latin-1 even where it finds Polish, which that has no letters for.
func latinPage(language string, c1 bool) string {
	switch language {
	case "pl", "cs", "hu", "ro":
		if c1 {
			return "windows-1250"
		}
		return "iso-8859-2"
	case "tr":
		return "windows-1254" // which has all letters of iso-8859-9
	}
	return "windows-1252" // which has all letters of iso-8859-1
}

// mend decodes the bytes of s that are not UTF-8 as windows-1252, from which
// stray bytes nearly always come.
func mend(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(s[i])
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// isBinary tells bytes that no text has in such numbers: NULs and other
// controls (those from 1A on are an old end of file, escapes and separators). UTF-16 and UTF-32 are told before. Random bytes are one tenth
// controls; a text with NULs in some fields stays far below one twentieth.
func isBinary(head []byte) bool {
	if _, n := byBOM(head); n > 0 || byNULs(head) != "" {
		return false
	}
	controls := 0
	for _, c := range head {
		if c < 0x1A && c != '\t' && c != '\n' && c != '\r' && c != '\f' {
			controls++
		}
	}
	return controls >= 4 && controls*20 > len(head)
}

// isASCII looks at 64 bytes at a time.
func isASCII(s string) bool {
	const high = 0x8080808080808080
	for len(s) >= 64 {
		b := s[:64]
		if (load8(b, 0)|load8(b, 8)|load8(b, 16)|load8(b, 24)|load8(b, 32)|load8(b, 40)|load8(b, 48)|load8(b, 56))&high != 0 {
			return false
		}
		s = s[64:]
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
