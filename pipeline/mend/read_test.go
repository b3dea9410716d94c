package mend

import (
	"os"
	"path/filepath"
	"testing"

	"importer/pipeline/state"
)

// Whatever a line holds, it is a row or is told to be none.
func FuzzJSONRow(f *testing.F) {
	for _, s := range []string{`{"key":"r00-0","action":"skip","record":{"a":"1","b":null,"c":1e5,"d":true},"extra":["x",2]}`, `{"key":null}`, `{"key":"","record":{"a":{}}}`, `[]`, `{`, "\xff", `{"key":"","record":{"":""}}x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := jsonRow(line)
		if err != nil {
			return
		}
		if k, ok := state.ParseKey(r.key); ok && k.String() != r.key {
			t.Errorf("the key %q is read as %s", r.key, k)
		}
		for _, name := range []string{"a", "", extraName(0)} {
			if c, ok := r.get(name); !ok && c.text != "" {
				t.Errorf("%q is not there and holds %q", name, c.text)
			}
		}
	})
}

// Whatever a file holds, all of it is taken or nothing, and it is told.
func FuzzTake(f *testing.F) {
	f.Add([]byte("[key],[action]\nr00-0,skip\n"), true)
	f.Add([]byte("\uFEFF[key];number\n\"'=1\";7\n"), true)
	f.Add([]byte(`{"key":"x"}`), false)
	f.Fuzz(func(t *testing.T, content []byte, table bool) {
		b := newShelf(t)
		b.refuse("rows", "a.csv", tickets()...)
		path := filepath.Join(b.dir, map[bool]string{true: "x.csv", false: "x.jsonl"}[table])
		b.must(os.WriteFile(path, content, 0o600))
		if _, err := b.take(path); err != nil && len(b.fixes()) > 0 {
			t.Errorf("%v, and fixes were made: %q", err, b.fixes())
		}
	})
}
