package localgraph

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"
)

// The index folds case and strips diacritics by FTS5's unicode61 tokenizer,
// which splits at what is neither letter nor number. Marks that do not compose
// with their letter (the points of Hebrew and Arabic, the vowel signs of
// Devanagari) would split words too, so indexText leaves them out. Scripts that are written
// without spaces would become tokens of whole sentences, so indexText sets
// each of their letters apart: a word is then a phrase of letters, and any
// part of a text is found, one letter included. The same is done to queries.

// unsegmented are the scripts written without spaces, and Hangul, whose
// particles cling to their nouns.
var unsegmented = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Yi}

func standsAlone(r rune) bool {
	// U+0E00 (Thai) is the first; U+30FC, the long vowel mark, is of no one
	// script but belongs to Katakana words.
	return r >= 0x0E00 && (unicode.In(r, unsegmented...) && unicode.IsLetter(r) || r == 0x30FC)
}

// indexText makes the form of s that the index sees.
func indexText(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf || s[i] == 0 {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	// Compatibility forms (full-width letters, half-width Katakana, ligatures)
	// and decomposed ones (file names of macOS) become the usual ones.
	s = norm.NFKC.String(s)
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf && r != 0:
			b.WriteByte(byte(r))
		case standsAlone(r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		case inWord(r):
			b.WriteRune(r)
		case unicode.Is(unicode.M, r): // vowel points and signs: left out
		default: // FTS5 takes some of what is unassigned for letters
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// inWord tells the characters that unicode61 makes tokens of.
func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Co, r)
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
		switch {
		case r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'):
			if start < 0 {
				start = i
			}
		case r < utf8.RuneSelf:
			flush(i)
		case standsAlone(r):
			flush(i)
			start = i
			flush(i + utf8.RuneLen(r))
		case inWord(r):
			if start < 0 {
				start = i
			}
		case unicode.Is(unicode.M, r) && start >= 0: // a diacritic of its own
		default:
			flush(i)
		}
	}
	flush(len(s))
	return list
}

// foldToken lowers a token and strips its diacritics.
func foldToken(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(func(r rune) rune {
				if unicode.Is(unicode.M, r) {
					return -1
				}
				return unicode.ToLower(r)
			}, norm.NFKD.String(s))
		}
	}
	return strings.ToLower(s)
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
