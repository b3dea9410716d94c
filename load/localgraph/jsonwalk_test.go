package localgraph

import (
	"encoding/json"
	"testing"
)

func TestUnquote(t *testing.T) {
	for _, raw := range []string{`""`, `"plain"`, `"\n"`, `"a\nb\tc\rd\be\ff"`, `"\"\\\/"`, `"\\n"`, `"end\\"`, `"\n\u00e9\n"`,
		`"\ud83d\ude00"`, `"\ud83d"`, `"grüß\n日"`} {
		var want string
		if err := json.Unmarshal([]byte(raw), &want); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if got := unquote([]byte(raw)); got != want {
			t.Errorf("unquote(%s) = %q, want %q", raw, got, want)
		}
	}
}

func FuzzUnquote(f *testing.F) {
	f.Add(`"a\nb"`)
	f.Add(`"\u0041\\"`)
	f.Fuzz(func(t *testing.T, raw string) {
		var want string
		if len(raw) == 0 || raw[0] != '"' || json.Unmarshal([]byte(raw), &want) != nil || raw[len(raw)-1] != '"' {
			return
		}
		if got := unquote([]byte(raw)); got != want && json.Valid([]byte(raw)) {
			if string([]rune(got)) == want {
				return // bytes that are not UTF-8, which bodies never have
			}
			t.Errorf("unquote(%s) = %q, want %q", raw, got, want)
		}
	})
}
