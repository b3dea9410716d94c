package extract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestReadColumnsEvidence has pages that differ in one thing from columns, each of
// which alone must keep the rows together.
func TestReadColumnsEvidence(t *testing.T) {
	good := wrap(strings.NewReplacer(" /", "", "|", "").Replace(englishText), 36)
	lines := func(n int, line func(i int) string) (lines []string) {
		for i := range n {
			lines = append(lines, line(i))
		}
		return lines
	}
	lower := func(texts []string) []string {
		return lines(len(texts), func(i int) string { return strings.ToLower(texts[i]) })
	}
	capital := func(texts []string, these func(i int) bool) []string {
		return lines(len(texts), func(i int) string {
			if these(i) {
				return strings.ToUpper(texts[i][:1]) + texts[i][1:]
			}
			return strings.ToLower(texts[i])
		})
	}
	// paragraphs of so many lines, the last of which is short where it is wanted.
	paragraphs := func(short bool, high ...int) (texts []string) {
		for k, n := range high {
			from := len(texts)
			texts = append(texts, lower(good[from:from+n])...)
			texts[from] = strings.ToUpper(texts[from][:1]) + texts[from][1:]
			if short {
				texts[from+n-1] = []string{"as well.", "at once.", "in time.", "by hand.", "for all.", "of them."}[k]
			}
		}
		return texts
	}
	divided := func(texts []string) []string {
		texts = slices.Clone(texts)
		texts[1], texts[5] = texts[1]+" in-", texts[5]+" in-"
		return texts
	}
	gaps := func(x float32, texts []string, every int) (page []setLine) {
		for i, text := range texts {
			page = append(page, setLine{x, 700 - 12*float32(i) - 8*float32(i/every), text})
		}
		return page
	}
	turned := slices.Concat(good[5:], good[:5])
	columns := func(left, right []string) []setLine {
		return slices.Concat(set(50, 700, 12, left...), set(264, 700, 12, right...))
	}
	tests := []struct {
		name  string
		page  []setLine
		apart bool
	}{
		{"columns", columns(good, lower(good)), true},
		{"two words in a line", columns(good, lines(len(good), func(i int) string {
			return "haus" + strings.Repeat(string(rune('a'+i)), 12) + "verwaltung, gebaut"
		})), false},
		{"lines of all lengths", columns(good, append(wrap(strings.ReplaceAll(strings.ToLower(englishText), " /", ""), 22)[:len(good)-1], lower(good)[1])), false},
		{"as many digits as letters", columns(good, lines(len(good), func(i int) string {
			return fmt.Sprintf("of %d, the, %d and %d of it, more", 300200+i, 500400+i, 7070+i)
		})), false},
		{"no commas", columns(good, lower(wrap(strings.NewReplacer(",", "", ".", "", ":", "", " /", "", "|", "").Replace(englishText), 36)[:len(good)])), false},
		{"the same again", columns(good, lines(len(good), func(i int) string { return lower(good)[i%4] })), false},
		{"lines that begin with capitals", columns(lower(good), capital(good, func(int) bool { return true })), false},
		{"most lines begin with capitals", columns(capital(good, func(i int) bool { return i%3 != 0 }), capital(turned, func(i int) bool { return i%3 != 1 })), false},
		{"and words are divided", columns(divided(capital(good, func(i int) bool { return i%3 != 2 && i != 6 })), capital(turned, func(i int) bool { return i%3 != 1 })), true},
		{"paragraphs", columns(paragraphs(true, 4, 5, 6), paragraphs(true, 7, 5, 3)), true},
		{"paragraphs side by side", columns(paragraphs(true, 4, 5, 6), paragraphs(true, 4, 5, 6)), false},
		{"one pair of paragraphs side by side", columns(paragraphs(true, 7, 8), paragraphs(true, 7, 8)), false},
		{"the same, and words are divided", columns(divided(paragraphs(true, 7, 8)), paragraphs(true, 7, 8)), true},
		{"more of them, and words are divided", columns(divided(paragraphs(true, 4, 5, 6)), divided(paragraphs(true, 4, 5, 6))), false},
		{"rows with white between", slices.Concat(gaps(50, paragraphs(false, 5, 5, 5), 5), gaps(264, paragraphs(false, 5, 5, 5), 5)), false},
		{"rows with white between and paragraphs in them", slices.Concat(gaps(50, paragraphs(true, 2, 3, 2, 3, 2, 3), 5), gaps(264, paragraphs(true, 3, 2, 3, 2, 3, 2), 5)), false},
		{"five rows", columns(good[:5], lower(good)[:5]), false},
		{"six rows", columns(good[:6], lower(good)[:6]), true},
		{"ragged lines of Hebrew", typesetPairs(hebrewText, func(i int) int { return 20 + 12*(i%2) }), false},
	}
	for _, tt := range tests {
		lines := drawnLines(typeset(drawnAcross(tt.page), 0))
		if apart := joinPDFLines(readColumns(lines)) != joinPDFLines(lines); apart != tt.apart {
			t.Errorf("%s: taken apart is %v\n%s", tt.name, apart, joinPDFLines(lines))
		}
	}
}

// typesetPairs sets a text twice, side by side, in lines of different lengths.
func typesetPairs(text string, width func(i int) int) (page []setLine) {
	rest := strings.Fields(text)
	for i := 0; len(rest) > 5; i++ {
		line := wrap(strings.Join(rest, " "), width(i))[0]
		rest = rest[len(strings.Fields(line)):]
		page = append(page, setLine{50, 700 - 12*float32(i), line}, setLine{264, 700 - 12*float32(i), line})
	}
	return page
}
