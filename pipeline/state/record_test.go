package state

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestKeep(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n/2) }
	columns := []string{"id", "title", "text"}
	tests := []struct {
		name   string
		values []string
		cut    []int
	}{
		{"a row", []string{"1", "a", "b"}, nil},
		{"a wide one", []string{"1", "a", "b", "c", "d"}, nil},
		{"a narrow one", []string{"1"}, nil},
		{"just fits", []string{"1", "a", strings.Repeat("x", MaxRecord-len("idtitletext1a"))}, nil},
		{"does not", []string{"1", "a", strings.Repeat("x", MaxRecord)}, []int{2}},
		{"two long ones share", []string{"1", long(MaxRecord), long(MaxRecord)}, []int{1, 2}},
		{"the longer one loses", []string{"1", long(MaxRecord / 4), long(3 * MaxRecord)}, []int{2}},
		{"bytes that are no text", []string{"1", "a\xff", "b"}, []int{1}},
	}
	for _, tt := range tests {
		r := Keep(columns, tt.values, nil)
		size := len("idtitletext")
		for i, v := range r.Values {
			size += len(v)
			if !utf8.ValidString(v) || !slices.Contains(r.Cut, i) && v != tt.values[i] {
				t.Errorf("%s: value %d is %.20q of %.20q", tt.name, i, v, tt.values[i])
			}
		}
		if !slices.Equal(r.Cut, tt.cut) || size > MaxRecord+8 || r.Whole() != (tt.cut == nil) {
			t.Errorf("%s: cut %v, %d bytes, whole %v; want cut %v", tt.name, r.Cut, size, r.Whole(), tt.cut)
		}
		back, err := ParseRecord(r.JSON())
		if d := cmp.Diff(r, back); err != nil || d != "" {
			t.Errorf("%s: read back: %v, %s", tt.name, err, d)
		}
	}
	many := make([]string, 16_384)
	for i := range many {
		many[i] = "a column"
	}
	if r := Keep(many, many, nil); r.Whole() || r.JSON() != "" {
		t.Errorf("of a table of %d columns %d are kept", len(many), len(r.Columns))
	}
}

// Only equal records have equal sums.
func TestSums(t *testing.T) {
	seen := map[Sum]int{}
	for i, tt := range []struct {
		columns, values []string
		cells           int
	}{
		{[]string{"a", "b"}, []string{"1", "2"}, 0},
		{[]string{"a", "b"}, []string{"12", ""}, 0},
		{[]string{"a", "b"}, []string{"12", ""}, 1}, // filled up
		{[]string{"a", "b"}, []string{"12"}, 0},
		{[]string{"ab"}, []string{"1", "2"}, 0},
		{[]string{"a", "c"}, []string{"1", "2"}, 0},
		{[]string{"a", "b"}, []string{"1", "2", ""}, 0},
		{nil, []string{"1", "2"}, 0},
	} {
		sum := SumHeader(tt.columns).Record(tt.values, tt.cells)
		if j, ok := seen[sum]; ok {
			t.Errorf("records %d and %d have one sum", i, j)
		}
		seen[sum] = i
		if again := SumHeader(slices.Clone(tt.columns)).Record(slices.Clone(tt.values), tt.cells); again != sum {
			t.Errorf("record %d has two sums", i)
		}
	}
}

func TestKeys(t *testing.T) {
	sum := SumHeader([]string{"a"}).Record([]string{"1"}, 0)
	k := NewKey("rows", "a.csv", sum, 12)
	if back, ok := ParseKey(k.String()); !ok || back != k {
		t.Errorf("ParseKey(%s) = %v, %v", k, back, ok)
	}
	for _, other := range []Key{NewKey("rows", "b.csv", sum, 12), NewKey("row", "sa.csv", sum, 12), NewKey("rows", "a.csv", sum, 1)} {
		if other.String() == k.String() {
			t.Errorf("two records have the key %s", k)
		}
	}
	text := k.String()
	for _, bad := range []string{"", "r-0", text[1:], text[:len(text)-3], text + " ", strings.ToUpper(text), text[:len(text)-2] + "-1", text[:len(text)-2] + "012", "x" + text} {
		if _, ok := ParseKey(bad); ok {
			t.Errorf("ParseKey(%q) takes it", bad)
		}
	}
}
