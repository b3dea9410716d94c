package localgraph

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"
)

// Text is folded before it is indexed and before it is looked for: small
// letters, without diacritics in any script. FTS5's unicode61 tokenizer splits
// it at what is neither letter nor number; by itself it would fold Latin alone.
//
// Marks that do not compose with their letter (the points of Hebrew and Arabic,
// the vowel signs of Devanagari) would split words too, so they are left out.
// Scripts that are written without spaces would become tokens of whole
// sentences, so each of their letters is set apart: a word is then a phrase of
// letters, and any part of a text is found, one letter included.

// unsegmented are the scripts written without spaces, and Hangul, whose
// particles cling to their nouns.
var unsegmented = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Yi}

// A sort tells what a character is to the index.
type sort uint8

const (
	between sort = iota // parts words
	inWord              // what unicode61 makes tokens of
	alone               // a token of its own
	mark                // left out
)

// sortOf finds the sort of a character.
func sortOf(r rune) sort {
	switch {
	case r < tableEnd:
		return table()[r].sort
	case usuallyAlone(r):
		return alone
	}
	return findSort(r)
}

// usuallyAlone tells most of Han, Hangul and Kana.
func usuallyAlone(r rune) bool {
	return r >= 0x4E00 && r <= 0x9FFF || r >= 0xAC00 && r <= 0xD7A3 || r >= 0x3041 && r <= 0x3096 || r >= 0x30A1 && r <= 0x30FC && r != 0x30FB
}

func findSort(r rune) sort {
	letter := unicode.IsLetter(r)
	switch {
	// U+30FC, the long vowel mark, is of no one script but belongs to Katakana words.
	case letter && unicode.In(r, unsegmented...) || r == 0x30FC:
		return alone
	case letter || unicode.IsNumber(r) || unicode.Is(unicode.Co, r):
		return inWord
	case unicode.Is(unicode.M, r):
		return mark
	}
	return between
}

// letters are those whose folded form is not their decomposition without marks.
// What tells words of a language apart stays: a Russian does not take й for и.
var letters = map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'þ': "th", 'ð': "d", 'đ': "d", 'ħ': "h", 'ł': "l", 'ø': "o", 'ŧ': "t", 'ı': "i",
	'ς': "σ", 'й': "й", 'ї': "ї", 'ў': "ў"}

// tableEnd is behind nearly all letters that have case or diacritics.
const tableEnd = 0x2000

type entry struct {
	fold  string
	sort  sort
	usual bool // NFKC leaves it alone, beside others of which this is true
}

var table = sync.OnceValue(func() []entry {
	list := make([]entry, tableEnd)
	for r := range list {
		jamo := r >= 0x1100 && r < 0x1200 // compose with each other
		usual := norm.NFKC.String(string(rune(r))) == string(rune(r)) && !unicode.Is(unicode.M, rune(r)) && !jamo
		list[r] = entry{foldLetter(rune(r)), findSort(rune(r)), usual}
	}
	return list
})

func foldLetter(r rune) string {
	if f, ok := letters[unicode.ToLower(r)]; ok {
		return f
	}
	var b strings.Builder
	for _, d := range norm.NFKD.String(string(r)) {
		if unicode.Is(unicode.M, d) {
			continue
		}
		d = unicode.ToLower(d)
		if f, ok := letters[d]; ok {
			b.WriteString(f)
		} else {
			b.WriteRune(d)
		}
	}
	return b.String()
}

// fold gives the folded form of a letter; of a mark it is empty.
func fold(r rune) string {
	switch {
	case r < tableEnd:
		return table()[r].fold
	case sortOf(r) == alone: // the marks of Katakana make other letters
		return string(r)
	}
	return foldLetter(r)
}

// isASCII tells text that needs no more than small letters. Not so a zero,
// which ends a text in SQLite.
func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf || s[i] == 0 {
			return false
		}
	}
	return true
}

// isUsual tells text whose words NFKC leaves alone. To look is ten times cheaper
// than to have it looked for by norm, which takes longer than all else that is
// done to a text.
func isUsual(s string) bool {
	for _, r := range s {
		switch {
		case r < tableEnd && table()[r].usual, usuallyAlone(r):
		case r >= 0x2010 && r <= 0x2027, r >= 0x3001 && r <= 0x3002, r >= 0x3008 && r <= 0x3011, r == 0x20AC, r == 0x30FB:
			// punctuation parts words in any form
		default:
			return false
		}
	}
	return true
}

// indexText makes the form of s that the index sees.
func indexText(s string) string {
	if isASCII(s) {
		return s // FTS5 makes small letters
	}
	// Compatibility forms (full-width letters, half-width Katakana, ligatures)
	// and decomposed ones (file names of macOS) become the usual ones.
	if !isUsual(s) {
		s = norm.NFKC.String(s)
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for _, r := range s {
		if r < utf8.RuneSelf && r != 0 {
			b.WriteByte(byte(r))
			continue
		}
		switch sortOf(r) {
		case alone:
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		case inWord:
			b.WriteString(fold(r))
		case between: // FTS5 takes some of what is unassigned for letters
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// A span is a token of a text: its place and its folded form.
type span struct {
	start, end int
	fold       string
}

// spans splits a text as the index does.
func spans(s string) []span {
	var list []span
	start := -1
	flush := func(end int) {
		if start >= 0 {
			// A sound mark by itself folds to nothing; it is no token.
			if fold := foldToken(s[start:end]); fold != "" {
				list = append(list, span{start, end, fold})
			}
			start = -1
		}
	}
	for i, r := range s {
		if r < utf8.RuneSelf {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				if start < 0 {
					start = i
				}
			} else {
				flush(i)
			}
			continue
		}
		switch kind := sortOf(r); {
		case kind == alone:
			flush(i)
			start = i
			flush(i + utf8.RuneLen(r))
		case kind == inWord:
			if start < 0 {
				start = i
			}
		case kind == mark && start >= 0: // a diacritic of its own
		default:
			flush(i)
		}
	}
	flush(len(s))
	return list
}

// foldToken folds a token, as indexText does.
func foldToken(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	if !isUsual(s) {
		s = norm.NFKC.String(s)
	}
	var b strings.Builder
	for _, r := range s {
		b.WriteString(fold(r))
	}
	return b.String()
}

// folds splits a text into folded tokens.
func folds(s string) []string {
	list := spans(s)
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.fold
	}
	return out
}

// inline elements do not part words: w<b>or</b>d is one word.
var inline = map[string]bool{"a": true, "abbr": true, "b": true, "bdi": true, "bdo": true, "cite": true, "code": true, "em": true,
	"font": true, "i": true, "ins": true, "kbd": true, "mark": true, "q": true, "s": true, "samp": true, "small": true, "span": true,
	"strong": true, "sub": true, "sup": true, "u": true, "var": true, "wbr": true}

// stripHTML makes text of HTML content: what the reader of a page sees.
func stripHTML(s string) string {
	z := html.NewTokenizer(strings.NewReader(s))
	var b strings.Builder
	hidden := "" // the element whose text is not for readers
	for {
		switch z.Next() {
		case html.ErrorToken: // the end, or what is left of a broken page
			return b.String()
		case html.TextToken:
			if hidden == "" {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			switch n := string(name); {
			case hidden != "":
			case n == "script" || n == "style" || n == "template":
				hidden = n
			case !inline[n]:
				b.WriteByte('\n')
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if n := string(name); n == hidden {
				hidden = ""
			} else if !inline[n] {
				b.WriteByte('\n')
			}
		case html.SelfClosingTagToken:
			b.WriteByte('\n')
		}
	}
}
