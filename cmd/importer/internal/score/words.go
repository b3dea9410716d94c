//go:build linux || darwin

package main

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// words are those of a text, in order: runs of letters and digits after NFKC
// and in lower case. A character of a script that is written without spaces is
// a word of its own.
func words(s string) []string {
	var all []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			all = append(all, word.String())
			word.Reset()
		}
	}
	for _, c := range strings.ToLower(norm.NFKC.String(s)) {
		switch {
		case unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			flush()
			all = append(all, string(c))
		case unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c):
			word.WriteRune(c)
		default:
			flush()
		}
	}
	flush()
	return all
}

// A bag counts things.
type bag map[string]int

func (b bag) size() (n int) {
	for _, k := range b {
		n += k
	}
	return n
}

// grams counts the runs of n words.
func grams(words []string, n int) bag {
	b := bag{}
	for i := 0; i+n <= len(words); i++ {
		b[strings.Join(words[i:i+n], " ")]++
	}
	return b
}

// f1 is the harmonic mean of precision and recall of got against want, from 0
// to 1.
func f1(got, want bag) float64 {
	same := 0
	for word, n := range got {
		same += min(n, want[word])
	}
	return harmonic(same, got.size(), same, want.size())
}

// agreedF1 compares got with what two references say. What both have is
// wanted; what only one of them has is neither wanted nor held against got.
func agreedF1(got, a, b bag) float64 {
	common, either, want := 0, 0, 0
	for word, n := range got {
		common += min(n, a[word], b[word])
		either += min(n, max(a[word], b[word]))
	}
	for word, n := range a {
		want += min(n, b[word])
	}
	return harmonic(either, got.size(), common, want)
}

// harmonic is the mean of right of all got, and found of all wanted.
func harmonic(right, got, found, want int) float64 {
	if right == 0 || found == 0 {
		return 0
	}
	p, r := float64(right)/float64(got), float64(found)/float64(want)
	return 2 * p * r / (p + r)
}
