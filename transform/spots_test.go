package transform

import (
	"fmt"
	"strings"
	"testing"
)

// In every style of scalar each byte of the value is known by its line and
// column: here that of the letter Z.
func TestSpots(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"plain", "k: ab Z", "1:7"},
		{"after a wide character", "k: ёé Z", "1:7"},
		{"single quotes", "k: 'ab Z'", "1:8"},
		{"doubled quote", "k: 'a''b'' Z'", "1:12"},
		{"double quotes", `k: "ab Z"`, "1:8"},
		{"escapes", `k: "\"a\" \u00e9\x41\n Z"`, "1:24"},
		{"flow", "k: {a: 1, b: ab Z}", "1:17"},
		{"plain over lines", "k: ab\n   cd\n\n   Z", "4:4"},
		{"quoted over lines", "k: \"ab\n   cd \\\n   Z\"", "3:4"},
		{"literal", "k: |\n  ab\n    cd Z\n", "3:8"},
		{"literal with a comment", "k: |- # x\n\n  ab\n\n  Z\n", "5:3"},
		{"folded", "k: >\n  ab\n  cd\n\n  Z\n", "5:3"},
	}
	for _, tt := range tests {
		d, body := parseDocument("m.yaml", []byte(tt.yaml))
		if body == nil {
			t.Errorf("%s: %v", tt.name, d.errs)
			continue
		}
		fields, _ := d.fields(body, "x")
		n := fields[0].value
		if tt.name == "flow" {
			inner, _ := d.fields(n, "x")
			n = inner[1].value
		}
		s, ok := d.scalar(n, "x", true)
		if !ok {
			t.Errorf("%s: %v", tt.name, d.errs)
			continue
		}
		at := s.spotOf(strings.IndexByte(s.s, 'Z'))
		if got := fmt.Sprintf("%d:%d", at.line, at.col); got != tt.want {
			t.Errorf("%s: Z in %q is at %s, want %s", tt.name, tt.yaml, got, tt.want)
		}
	}
}
