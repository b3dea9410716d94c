package extract

import (
	"strings"
	"sync"

	"golang.org/x/net/html"
)

// classWords are the kinds of words that sites use in the classes and ids of
// their elements.
type classWords uint16

const (
	wordUnlikely classWords = 1 << iota // stands around articles
	wordMaybe                           // but this is one after all
	wordPositive
	wordNegative
	wordByline
	wordShare
)

// wordLists are those of Mozilla's Readability.js (Apache-2.0), which were
// gathered over fifteen years of pages.
var wordLists = []struct {
	kind  classWords
	words string
}{
	{wordUnlikely, "-ad- ai2html banner breadcrumbs combx comment community cover-wrap disqus extra footer gdpr header legends menu related remark replies rss shoutbox sidebar skyscraper social sponsor supplemental ad-break agegate pagination pager popup yom-remote"},
	{wordMaybe, "and article body column content main mathjax shadow"},
	{wordPositive, "article body content entry hentry h-entry main page pagination post text blog story"},
	{wordNegative, "-ad- hidden banner combx comment com- contact footer gdpr masthead media meta outbrain promo related scroll share shoutbox sidebar skyscraper sponsor shopping tags widget"},
	{wordByline, "byline author dateline writtenby p-author"},
}

// A wordFinder finds all of the words in one pass (Aho and Corasick, 1975): a
// page has thousands of classes, and there are eighty words.
type wordFinder struct {
	next  [][wordLetters]uint16 // by state and letter
	kinds []classWords          // of the words that end in a state
}

// wordLetters are a to z, the hyphen, and all else, such as the 2 of ai2html.
const wordLetters = 28

func letterIndex(c byte) int {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return int(c|0x20-'a') + 1
	case c == '-':
		return 27
	}
	return 0
}

var findWords = sync.OnceValue(func() *wordFinder {
	f := &wordFinder{next: make([][wordLetters]uint16, 1), kinds: make([]classWords, 1)}
	for _, list := range wordLists {
		for word := range strings.FieldsSeq(list.words) {
			f.add(word, list.kind)
		}
	}
	f.link()
	return f
})

func (f *wordFinder) add(word string, kind classWords) {
	state := uint16(0)
	for i := range len(word) {
		to := &f.next[state][letterIndex(word[i])]
		if *to == 0 {
			*to = uint16(len(f.kinds))
			f.next = append(f.next, [wordLetters]uint16{})
			f.kinds = append(f.kinds, 0)
			to = &f.next[state][letterIndex(word[i])]
		}
		state = *to
	}
	f.kinds[state] |= kind
}

// link gives every state its way for letters that do not go on in a word: that
// of its longest suffix which begins one.
func (f *wordFinder) link() {
	suffix := make([]uint16, len(f.kinds))
	var queue []uint16
	for _, to := range f.next[0] {
		if to != 0 {
			queue = append(queue, to)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		f.kinds[state] |= f.kinds[suffix[state]]
		for c, to := range f.next[state] {
			if back := f.next[suffix[state]][c]; to == 0 {
				f.next[state][c] = back
			} else {
				suffix[to] = back
				queue = append(queue, to)
			}
		}
	}
}

// in gives the kinds of all words in s.
func (f *wordFinder) in(s string) (kinds classWords) {
	state := uint16(0)
	for i := range len(s) {
		state = f.next[state][letterIndex(s[i])]
		kinds |= f.kinds[state]
	}
	return kinds
}

// namesOf gives the kinds of words in an element's class and id, and the weight
// that they have: 25 for each of the two that speaks for content, -25 against.
func namesOf(n *html.Node) (kinds classWords, weight int) {
	for _, a := range n.Attr {
		if a.Key != "class" && a.Key != "id" || a.Namespace != "" || a.Val == "" {
			continue
		}
		found := findWords().in(a.Val)
		if strings.Contains(a.Val, "hid") && strings.Contains(" "+a.Val+" ", " hid ") {
			found |= wordNegative
		}
		if isShare(a.Val) {
			found |= wordShare
		}
		if found&wordNegative != 0 {
			weight -= 25
		}
		if found&wordPositive != 0 {
			weight += 25
		}
		kinds |= found
	}
	return kinds, weight
}

// isShare finds the word share, which share-holders and timeshares are not.
func isShare(s string) bool {
	for i := strings.Index(s, "share"); i >= 0; {
		rest := s[i+len("share"):]
		if rest = strings.TrimPrefix(rest, "daddy"); (i == 0 || !isLetter(s[i-1])) && (rest == "" || !isLetter(rest[0])) {
			return true
		}
		next := strings.Index(s[i+1:], "share")
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}
