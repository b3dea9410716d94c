package transform

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"importer/extract"
)

// Whatever the file, Load says what is wrong with it and does not panic; what
// loads can be applied.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/errors/*.txtar")
	for _, file := range append(files, "testdata/example/helpdesk.yaml", "testdata/example/full.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		text := string(src)
		if _, after, ok := strings.Cut(text, "-- m.yaml --\n"); ok {
			text, _, _ = strings.Cut(after, "\n-- ")
		}
		f.Add(text)
	}
	for _, expr := range []string{"a ??", "map(split(a, b), #.x)", "let x = a; x + x", "a[1:]", "{a: 1}.a", "select(`p`)", "1..1e9", "if a == b {a} else {b}", "a?.b", "row?.x", "-a", "[#]", "::int(a)", "a | int()"} {
		f.Add(strings.Replace(benchMapping, "title: title", "title: "+expr, 1))
	}
	f.Fuzz(func(t *testing.T, src string) {
		if strings.Contains(src, "${") {
			t.Skip("would read this machine's files")
		}
		m, err := parse("testdata/example/m.yaml", []byte(src))
		if err != nil {
			errs, ok := err.(Errors)
			if !ok || len(errs) == 0 {
				t.Fatalf("error %T %v", err, err)
			}
			for _, e := range errs {
				if e.Pos.Line < 1 || e.Pos.Col < 1 || e.Detail == "" || e.Remedy == "" {
					t.Fatalf("a finding without place or remedy: %#v", e)
				}
			}
			return
		}
		for _, s := range m.Sources {
			applyAny(t, s, row("f.csv", 2, benchColumns, benchRow...))
			applyAny(t, s, page("<h1>x</h1>"))
		}
	})
}

func applyAny(t *testing.T, s *Source, rec extract.Record) {
	t.Helper()
	it, err := s.Apply(rec)
	var bad *ItemError
	var errs Errors
	switch {
	case err == nil:
		checkItem(t, it)
	case errors.Is(err, ErrSkip), errors.As(err, &bad), errors.As(err, &errs):
	default:
		t.Fatalf("Apply gave %T %v", err, err)
	}
}

// checkItem holds an item to what the service asks of it.
func checkItem(t *testing.T, it *Item) {
	t.Helper()
	if !isLegalID(it.ID) || len(it.Properties) == 0 || len(it.ACL) == 0 || !grants(it.ACL) {
		t.Fatalf("not an item: %+v", it)
	}
	for _, p := range it.Properties {
		for _, s := range append([]string{p.Value.Str}, p.Value.Strs...) {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x01\x1f") {
				t.Fatalf("property %s = %q", p.Name, s)
			}
		}
		if p.Value.Type == DateTime {
			if _, err := time.Parse(time.RFC3339, p.Value.Str); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func FuzzApply(f *testing.F) {
	src := strings.NewReplacer("int(priority)", "{value: int(priority) + len(title), onError: omit}", "float(amount)", `float(amount, ",")`,
		"city: city", `city: extract(city, "([A-Z])[a-z]+") ?? substr(city, 1, 3)`, "team: team", `team: stripHTML(team) + slug(team)`).Replace(benchMapping)
	m := mustParse(f, src)
	f.Add("INC1", "t", "open", "3", "1.5", "2026-05-01 08:30", "x", "Torino", "r", "d")
	f.Add("", "\xff\x00", "", "-", "1.234,5", "2026-02-30", "<p>&amp;", "\u2028", "é", strings.Repeat("x ", 100))
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g, h, i, j, k string) {
		rec := row("f.csv", 2, benchColumns, a, b, c, d, e, g, h, i, j, k)
		applyAny(t, m.Sources[0], rec)
		it1, err1 := m.Sources[0].Apply(rec)
		it2, err2 := m.Sources[0].Apply(rec)
		if err1 == nil && it1.Digest() != it2.Digest() || (err1 == nil) != (err2 == nil) {
			t.Fatal("the same record gave two items")
		}
	})
}

// Ids are legal, and different keys have different ids.
func FuzzEncodeID(f *testing.F) {
	for _, s := range []string{"a", "e_a", "h_a", "e_e_5Fa", "a/b", "a_2Fb", "é", strings.Repeat("x", 129), strings.Repeat("/", 42), "_", "-"} {
		f.Add(s, s+"_")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		ia, ib := EncodeID(a), EncodeID(b)
		if !isLegalID(ia) {
			t.Fatalf("EncodeID(%q) = %q", a, ia)
		}
		if (a == b) != (ia == ib) {
			t.Fatalf("EncodeID(%q) = %q, EncodeID(%q) = %q", a, ia, b, ib)
		}
		key, ok := DecodeID(ia)
		if ok && key != a || !ok && !strings.HasPrefix(ia, "h_") {
			t.Fatalf("DecodeID(%q) = %q, %v, want %q", ia, key, ok, a)
		}
		if key, ok := DecodeID(a); ok && EncodeID(key) != a {
			t.Fatalf("DecodeID(%q) = %q, which encodes as %q", a, key, EncodeID(key))
		}
	})
}

// clean and cutText against their plain definitions.
func FuzzText(f *testing.F) {
	f.Add("plain", 3)
	f.Add("a\x00b\xffé\u2028\U0001f600<&> words and words", 20)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		var want strings.Builder
		for _, r := range s {
			if r == '\f' {
				r = '\n'
			}
			if r >= 0x20 || r == '\t' || r == '\n' || r == '\r' {
				want.WriteRune(r)
			}
		}
		c := clean(s)
		if c != want.String() {
			t.Fatalf("clean(%q) = %q, want %q", s, c, want.String())
		}
		body, err := json.Marshal(c)
		if err != nil || len(body)-2 > jsonSize(c) {
			t.Fatalf("jsonSize(%q) = %d, encoding/json takes %d", c, jsonSize(c), len(body)-2)
		}
		if limit < 0 || limit > 1<<20 {
			return
		}
		cut, was := cutText(c, limit)
		if jsonSize(cut) > limit || !strings.HasPrefix(c, cut) || !utf8.ValidString(cut) || was != (jsonSize(c) > limit) {
			t.Fatalf("cutText(%q, %d) = %q, %v", c, limit, cut, was)
		}
	})
}

// The fast parser of layouts gives what time.Parse gives.
func FuzzDate(f *testing.F) {
	layouts := []string{"2006-01-02 15:04", "02.01.2006", "01/02/2006 15:04:05", "20060102T150405", "2006-01-02 15:04:05.000"}
	zone, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"2026-05-01 08:30", "29.02.2023", "31.12.9999", "02/30/2026 00:00:00", "20260329T023000", "0000-01-01 00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range layouts {
			fast := newFixedLayout(l)
			if fast == nil {
				continue
			}
			got, ok := fast.parse(s, zone)
			want, err := time.ParseInLocation(l, s, zone)
			if ok && (err != nil || !got.Equal(want)) {
				t.Fatalf("%q by %q = %v, time.Parse %v %v", s, l, got, want, err)
			}
		}
		if at, ok := parseISO(s, time.UTC); ok {
			if inRange(at) {
				if back, err := time.Parse(time.RFC3339Nano, formatTime(at)); err != nil || !back.Equal(at.Truncate(100)) {
					t.Fatalf("%q = %v, written %s", s, at, formatTime(at))
				}
			}
		}
	})
}
