package localgraph

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// Text that is taken as usual has the same words after normalization.
func TestUsualText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	ranges := [][2]rune{{0x20, 0x250}, {0x250, 0x2000}, {0x2000, 0x2100}, {0x3000, 0x3100}, {0x4E00, 0x4F00}, {0xAC00, 0xAD00}, {0x1100, 0x1200}, {0xFF00, 0xFFEF}, {0x0300, 0x0370}, {0x0400, 0x0460}, {0x0300, 0x0310}}
	usual := 0
	for range 200_000 {
		var b strings.Builder
		for range 1 + r.IntN(3) {
			in := ranges[r.IntN(len(ranges))]
			b.WriteRune(in[0] + r.Int32N(in[1]-in[0]))
		}
		s := b.String()
		if !isUsual(s) {
			continue
		}
		usual++
		got, want := folds(indexText(s)), folds(indexText(norm.NFKC.String(s)))
		if !slices.Equal(got, want) {
			t.Fatalf("%q (%+q) is indexed as %q, and normalized as %q", s, s, got, want)
		}
	}
	if usual < 10_000 {
		t.Errorf("only %d texts were usual", usual)
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Größe", "grosse"}, {"ZÜRICH", "zurich"}, {"Ærø", "aero"}, {"Łódź", "lodz"}, {"ΟΔΟΣ", "οδοσ"}, {"οδός", "οδοσ"}, {"Ёлка", "елка"}, {"мой", "мой"},
		{"ĳ", "ij"}, {"ﬁn", "fin"}, {"Ｆｕｌｌ", "full"}, {"e\u0301", "e"}, {"İI", "ii"}, {"ガ", "ガ"}, {"ｶﾞ", "ガ"}, {"mật", "mat"}, {"أحمد", "احمد"}, {"①", "1"}, {"plain", "plain"},
	} {
		if got := foldToken(tt.in); got != tt.want {
			t.Errorf("foldToken(%q) = %q, want %q", tt.in, got, tt.want)
		}
		if got := strings.Join(strings.Fields(strings.ToLower(indexText(tt.in))), ""); got != tt.want {
			t.Errorf("indexText(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
