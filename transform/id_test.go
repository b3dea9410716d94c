package transform

import (
	"strings"
	"testing"
)

// The scheme is stored in every target, so these never change.
func TestEncodeID(t *testing.T) {
	for _, tt := range []struct{ key, id string }{
		{"INC-0042_a", "INC-0042_a"},
		{strings.Repeat("x", 128), strings.Repeat("x", 128)},
		{"a b", "e_a_20b"},
		{"a/b.pdf", "e_a_2Fb_2Epdf"},
		{"é", "e__C3_A9"},
		{"e_a", "e_e_5Fa"},
		{"h_a", "e_h_5Fa"},
		{"\xff", "e__FF"},
		{strings.Repeat("x", 129), "h_DsnrM-dFELzdHy6lUgboLyFknFwr7L8rQz60dbNMAb0"},
	} {
		got := EncodeID(tt.key)
		if got != tt.id {
			t.Errorf("EncodeID(%q) = %q, want %q", tt.key, got, tt.id)
		}
		if key, ok := DecodeID(got); ok && key != tt.key || !ok && !strings.HasPrefix(got, "h_") {
			t.Errorf("DecodeID(%q) = %q, %v", got, key, ok)
		}
	}
	for _, id := range []string{"e_", "e_a_2", "e_a_2f", "e_a_41", "e_abc", "h_x", "a b", ""} {
		if key, ok := DecodeID(id); ok {
			t.Errorf("DecodeID(%q) = %q, though EncodeID never makes it", id, key)
		}
	}
}
