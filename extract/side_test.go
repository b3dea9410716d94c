package extract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// sideText writes metadata down, by name.
func sideText(s Side) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s=%q ", name, s[name])
	}
	return strings.TrimSpace(b.String())
}

func TestReadSide(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want, err string }{
		{"scalars as spelled", "a.yaml", "no: 007\nversion: 1.10\ndate: 2026-05-01\nopen: yes\nsecret: true\ntext: 'a: b'\nnone: null\nnil: ~\nempty: \"\"\nblank:\n",
			`date="2026-05-01" no="007" open="yes" secret="true" text="a: b" version="1.10"`, ""},
		{"json", "a.json", `{"no": 7.0, "big": 12345678901234567890, "secret": true, "none": null, "text": "a\"b", "empty": ""}`,
			`big="12345678901234567890" no="7.0" secret="true" text="a\"b"`, ""},
		{"lists", "a.yaml", "tags: [a, b]\nteams:\n  - Red\n  - Blue\none: [x]\nno: []\n", `one=["x"] tags=["a" "b"] teams=["Red" "Blue"]`, ""},
		{"lists in json", "a.JSON", `{"tags": ["a", 2], "one": ["x"], "no": []}`, `one=["x"] tags=["a" "2"]`, ""},
		{"objects", "a.yaml", "owner:\n  mail: a@x\n  at: {city: Rome}\n", `owner.at.city="Rome" owner.mail="a@x"`, ""},
		{"objects in json", "a.json", `{"owner": {"mail": "a@x", "at": {"city": "Rome"}}}`, `owner.at.city="Rome" owner.mail="a@x"`, ""},
		{"a list of objects", "a.yaml", "people:\n  - {mail: a@x, role: owner}\n  - {mail: b@x}\n", `people.mail=["a@x" "b@x"] people.role=["owner"]`, ""},
		{"a list of objects in json", "a.json", `{"people": [{"mail": "a@x"}, {"mail": "b@x"}]}`, `people.mail=["a@x" "b@x"]`, ""},
		{"literals", "a.yml", "text: |\n  one\n  two\nfolded: >-\n  one\n  two\n", `folded="one two" text="one\ntwo\n"`, ""},
		{"anchors", "a.yaml", "a: &who [x, y]\nb: *who\n", `a=["x" "y"] b=["x" "y"]`, ""},
		{"a byte order mark and CRLF", "a.yaml", "\ufeffa: 1\r\nb: 2\r\n", `a="1" b="2"`, ""},
		{"nothing", "a.yaml", "# nothing yet\n", "", ""},
		{"an empty file", "a.yaml", "", "", ""},

		{"an empty file of json", "a.json", "", "", "1:1: it is no JSON: it ends too early"},
		{"twice", "a.yaml", "a: 1\nb: 2\na: 3\n", "", "3:1: "},
		{"twice in json", "a.json", "{\"a\": 1,\n \"a\": 2}", "", `the key "a" stands there twice`},
		{"twice by way of dots", "a.json", `{"a": {"b": 1}, "a.b": 2}`, "", `the key "a.b" stands there twice`},
		{"no object", "a.json", `[1]`, "", "it holds no object of names and values"},
		{"a list", "a.yaml", "- a\n", "", "it holds no names and values"},
		{"a word", "a.yaml", "secret\n", "", "it holds no names and values"},
		{"broken", "a.yaml", "a: [1\n", "", "it is no YAML"},
		{"broken json", "a.json", "{\n \"a\": x}", "", "2:7: it is no JSON"},
		{"cut json", "a.json", `{"a": "b"`, "", "it ends too early"},
		{"two of json", "a.json", `{"a": "b"} {}`, "", "something stands behind the object"},
		{"two documents", "a.yaml", "a: 1\n---\nb: 2\n", "", ": it holds several documents"},
		{"an alias of nothing", "a.yaml", "a: *b\n", "", `there is no anchor "b"`},
		{"a merge", "a.yaml", "a: &a {x: 1}\nb:\n  <<: *a\n", "", "3:3: << is not for metadata"},
		{"an alias of itself", "a.yaml", "a: &a [*a]\n", "", "it is"},
		{"growth", "a.yaml", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", "", "more values than"},
		{"depth", "a.json", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "", "nested deeper than 32"},
		{"not UTF-8", "a.yaml", "a: \xff\n", "", "it is not UTF-8"},
		{"size", "a.yaml", "a: " + strings.Repeat("x", MaxSide), "", "it is over 1 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			side, err := ReadSide(tt.file, []byte(tt.text))
			if tt.err == "" && err != nil || sideText(side) != tt.want {
				t.Errorf("got %s, %v; want %s", sideText(side), err, tt.want)
			}
			if tt.err == "" {
				return
			}
			var wrong *SideError
			if !errors.As(err, &wrong) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if got := fmt.Sprintf("%d:%d: %s", wrong.Line, wrong.Col, wrong.Detail); !strings.Contains(got, tt.err) {
				t.Errorf("error %q, want %q", got, tt.err)
			}
		})
	}
}

func TestSideSpots(t *testing.T) {
	for name, data := range map[string]string{
		"a.yaml": "title: Pump\nowner:\n  mail: 'ann@x'\nlist:\n- \"ä\"\n- b\n",
		"a.json": "{\"title\": \"Pump\",\n \"owner\": {\"ä\": null, \"mail\": \"ann@x\"}, \"list\" :[\"ä\", \"b\"]}",
	} {
		spots := SideSpots(name, []byte(data))
		for field, values := range map[string][]string{"title": {"Pump"}, "owner.mail": {"ann@x"}, "list": {"ä", "b"}} {
			if len(spots[field]) != len(values) {
				t.Fatalf("%s: %s stands at %v", name, field, spots[field])
			}
			for i, spot := range spots[field] {
				line := []rune(strings.Split(data, "\n")[spot.Line-1])
				if got := strings.TrimLeft(string(line[spot.Col-1:]), `"'`); spot.Value != values[i] || !strings.HasPrefix(got, values[i]) {
					t.Errorf("%s: %s stands at %d:%d, where there is %q", name, spot.Value, spot.Line, spot.Col, got)
				}
			}
		}
	}
	if spots := SideSpots("a.yaml", []byte("a: 1\na: 2\n")); spots != nil {
		t.Errorf("metadata that is refused has %v", spots)
	}
}

func FuzzReadSide(f *testing.F) {
	f.Add("a.yaml", []byte("a: &x [1, {b: c}]\nd: *x\n"))
	f.Add("a.json", []byte(`{"a": [1, {"b": "c"}], "d": null}`))
	f.Add("a.yaml", []byte("? [a]\n: b\n"))
	f.Add("a.yaml", []byte("a: !!binary x\n<<: {}\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		side, err := ReadSide(name, data)
		if err != nil {
			if _, ok := errors.AsType[*SideError](err); !ok || side != nil {
				t.Errorf("ReadSide = %v, %T %v", side, err, err)
			}
			return
		}
		for name, v := range side {
			switch v := v.(type) {
			case string:
				if strings.TrimSpace(v) == "" {
					t.Errorf("%q is empty", name)
				}
			case []string:
				if len(v) == 0 || slices.ContainsFunc(v, func(s string) bool { return strings.TrimSpace(s) == "" }) {
					t.Errorf("%q has nothing in it: %q", name, v)
				}
			default:
				t.Errorf("%q is a %T", name, v)
			}
		}
	})
}
