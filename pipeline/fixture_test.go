package pipeline

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"importer/transform"
)

const fixtureText = `# for people

=== one
# why
source: rows
path: a/b.csv
--- input
id,title
1,"first
\--- second"
--- items
item 1
  title: "x"

=== two
source: rows
file: x.csv
records: 2
--- items
`

func TestReadFixtures(t *testing.T) {
	fs, err := ReadFixtures("m.tests", []byte(fixtureText))
	if err != nil {
		t.Fatal(err)
	}
	one, two := fs.Cases[0], fs.Cases[1]
	if one.Name != "one" || one.Line != 3 || one.Source != "rows" || one.Path != "a/b.csv" || one.Input != "id,title\n1,\"first\n--- second\"\n" || one.Want != "item 1\n  title: \"x\"\n" {
		t.Errorf("the first case is %+v", one)
	}
	if two.File != "x.csv" || two.Records != 2 || two.Input != "" || two.Want != "" {
		t.Errorf("the second case is %+v", two)
	}
	if got := string(fs.Bytes()); got != fixtureText {
		t.Errorf("written, it is\n%s\nand was\n%s", got, fixtureText)
	}
	if fs, err := ReadFixtures("m.tests", []byte("\ufeff"+strings.ReplaceAll(fixtureText, "\n", "\r\n"))); err != nil || string(fs.Bytes()) != fixtureText {
		t.Errorf("with the line ends of Windows: %v", err)
	}
}

func TestFixtureErrors(t *testing.T) {
	for text, want := range map[string]string{
		"=== \nsource: a\n":                            `m.tests:1:1: the case has no name; `,
		"=== a\n--- items\n":                           `m.tests:1:1: the case "a" does not say which source it is of; `,
		"=== a\nsource: x\n--- items\n":                `m.tests:1:1: the case "a" has no records, or has them twice; `,
		"=== a\nsource: x\nfile: y\n--- input\nz\n":    `m.tests:1:1: the case "a" has no records, or has them twice; `,
		"=== a\nsorce: x\n":                            `m.tests:2:1: "sorce: x" is no key of a case; keys are source`,
		"=== a\nrecords: many\n":                       `m.tests:2:1: "records: many" is no key of a case; write records: and a number from 1`,
		"=== a\nsource:\n":                             `m.tests:2:1: "source:" is no key of a case; write a value behind the colon`,
		"=== a\nsource: x\n--- input\n1\n--- wanted\n": `m.tests:5:1: "--- wanted" is no part of a case here; `,
	} {
		_, err := ReadFixtures("m.tests", []byte(text))
		var e *transform.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ReadFixtures(%q) = %v, want %s", text, err, want)
		}
	}
}

// What was written is read as it was.
func FuzzReadFixtures(f *testing.F) {
	f.Add([]byte(fixtureText))
	f.Add([]byte("=== a\nsource: x\n--- input\n\\\\\n\\===\n\n--- items\n\\--- \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fs, err := ReadFixtures("m.tests", data)
		if err != nil {
			return
		}
		text := fs.Bytes()
		again, err := ReadFixtures("m.tests", text)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", data, text, err)
		}
		if string(again.Bytes()) != string(text) {
			t.Errorf("%q is written as %q, and then as %q", data, text, again.Bytes())
		}
		for i, c := range fs.Cases {
			if o := again.Cases[i]; o.Name != c.Name || o.Input != c.Input || o.Want != c.Want || o.Source != c.Source {
				t.Errorf("%+v is read again as %+v", c, o)
			}
		}
	})
}

func TestFixtureRun(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,one,1", "2,two,2", "3,three,3")
	m, err := transform.Load(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	for _, test := range []struct{ name, text, want string }{
		{"text", "=== a\nsource: rows\n--- input\nid,title,size\n1,one,7\n2,skip,1\n,x,1\n4,four,many\n5,five,5,6\n",
			"item 1\n  title: \"one\"\n  size: 7\n  acl: grant everyone\n  content: text\n    | one\nfiltered 3\nrefused 4: the id is empty; "},
		{"a file", "=== a\nsource: rows\nfile: files/a.csv\nrecords: 2\n--- items\n", "item 1\n  title: \"one\"\n  size: 1\n  acl: grant everyone\n  content: text\n    | one\nitem 2\n"},
		{"nothing", "=== a\nsource: rows\n--- input\n\n", "unreadable: "},
	} {
		fs, err := ReadFixtures(filepath.Join(w.dir, "mapping.tests"), []byte(test.text))
		w.must(err)
		got, err := fs.Cases[0].Run(t.Context(), m, fs, w.dir)
		w.must(err)
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s gives\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
	for text, want := range map[string]string{
		"=== a\nsource: no\n--- input\nx\n":        `the mapping has no source "no"; it has rows`,
		"=== a\nsource: rows\nfile: none.csv\n":    `the file none.csv cannot be opened`,
		"=== a\nsource: rows\nfile: files\n":       `files is no file`,
		"=== a\nsource: rows\n--- input\nx,y\n1,2": `none of the 3 columns that the mapping uses is in the header`,
	} {
		fs, err := ReadFixtures("mapping.tests", []byte(text))
		w.must(err)
		if _, err := fs.Cases[0].Run(t.Context(), m, fs, w.dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run(%q) = %v, want %s", text, err, want)
		}
	}
}

func TestDiffer(t *testing.T) {
	for _, test := range []struct{ want, got, diff string }{
		{"a\n", "a\n", ""},
		{"", "", ""},
		{"", "a\n", "+ a\n"},
		{"item 1\n  a: 1\n  b: 2\n", "item 1\n  a: 1\n  b: 3\n", "  item 1\n    a: 1\n-   b: 2\n+   b: 3\n"},
		{"item 1\n  a: 1\nitem 2\n  a: 1\n  b: 2\n  c: 3\n  d: 4\n", "item 1\n  a: 1\nitem 2\n  a: 1\n  b: 2\n  c: 3\n", "  ...\n  item 2\n  ...\n    b: 2\n    c: 3\n-   d: 4\n"},
	} {
		if got := Differ(test.want, test.got); got != test.diff {
			t.Errorf("Differ(%q, %q) = \n%s\nwant\n%s", test.want, test.got, got, test.diff)
		}
	}
}
