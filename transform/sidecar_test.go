package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"importer/extract"
)

// sideSource is a source of documents with metadata beside them.
func sideSource(t *testing.T, sidecar, title, acl string) (*Source, error) {
	t.Helper()
	m, err := parse("m.yaml", []byte(strings.NewReplacer("SIDECAR", sidecar, "TITLE", title, "ACL", acl).Replace(`version: 1
connection: {id: kbase, name: KB, description: Ours.}
schema:
  title: {type: string, searchable: true, retrievable: true}
  tags: {type: stringCollection, retrievable: true}
sources:
  - name: docs
    path: docs/*.pdf
    sidecar: SIDECAR
    id: file.path
    properties: {title: 'TITLE', tags: side.tags}
    acl: ACL
`)))
	if err != nil {
		return nil, err
	}
	return m.Sources[0], nil
}

func sideDocument(side func() (extract.Side, error)) extract.Record {
	return extract.Record{Place: extract.Place{File: "a.pdf"}, Doc: &extract.Document{Body: "text"}, File: &extract.File{Path: "a.pdf", Name: "a.pdf", Side: side}}
}

func TestSidecar(t *testing.T) {
	const none, deny, when = "[{grant: everyone}]", "[{grant: everyone}, {deny: externalGroup, value: side.hidden}]", "[{grant: everyone, when: side.open}]"
	full := extract.Side{"title": "Pump", "tags": []string{"a", "b"}, "owner.mail": "anna@x", "hidden": []string{"Red", "Blue"}, "open": "yes", "due date": "soon"}
	for _, tt := range []struct {
		name, title, acl string
		side             extract.Side
		broken           error
		want             string // title, tags, ACL
		err              string
	}{
		{"a value", "side.title", none, full, nil, "Pump [a b] +everyone", ""},
		{"inside of another", "side.owner.mail", none, full, nil, "anna@x [a b] +everyone", ""},
		{"by its whole name", `side["owner.mail"]`, none, full, nil, "anna@x [a b] +everyone", ""},
		{"with a space", `upper(side["due date"])`, none, full, nil, "SOON [a b] +everyone", ""},
		{"absent, and a key without a name", `side.nothing ?? "none"`, none, extract.Side{"": "x"}, nil, "none [] +everyone", ""},
		{"absent", `side.nothing ?? "none"`, none, full, nil, "none [a b] +everyone", ""},
		{"absent in an expression", `"x" + side.nothing + (side.nothing == "" ? "y" : "z")`, none, full, nil, "xy [a b] +everyone", ""},
		{"none beside it", `side.title ?? "none"`, none, nil, nil, "none [] +everyone", ""},
		{"a condition", `side.open == "yes" ? "y" : "n"`, when, full, nil, "y [a b] +everyone", ""},
		{"a deny", "side.title", deny, full, nil, "Pump [a b] +everyone -Blue -Red", ""},
		{"a deny in another case", "file.name", deny, extract.Side{"Hidden": "Red"}, nil, "a.pdf [] +everyone -Red", ""},
		{"a deny in another case where there is any", "file.name", `[{grant: everyone}, {deny: externalGroup, value: side.hidden, when: 'side.hidden != ""'}]`, extract.Side{"Hidden": "Red"}, nil, "a.pdf [] +everyone -Red", ""},
		{"a deny as it is and in another case", "file.name", deny, extract.Side{"Hidden": "Red", "hidden": "Blue"}, nil, "", `the metadata beside the file has "hidden" and "Hidden"`},
		{"a property as it is and in another case", "side.title", none, extract.Side{"Title": "Other", "title": "Pump"}, nil, "Pump [] +everyone", ""},
		{"a property in two other cases", "side.title", none, extract.Side{"Title": "Other", "TITLE": "Pump"}, nil, "", `has "TITLE" and "Title"`},
		{"a deny in two other cases", "file.name", deny, extract.Side{"Hidden": "Red", "HIDDEN": "Blue"}, nil, "", `the metadata beside the file has "HIDDEN" and "Hidden"`},
		{"a deny of nobody", "file.name", deny, extract.Side{}, nil, "", "the externalGroup to deny is empty"},

		{"a deny with none beside it", "file.name", deny, nil, nil, "", "asks for side.hidden, and the file has no metadata beside it"},
		{"a when with none beside it", "file.name", when, nil, nil, "", "asks for side.open, and the file has no metadata beside it"},
		{"broken", "side.title", none, nil, errors.New("a.pdf.yaml:2:1: it is no YAML"), "", "asks for side.title, and a.pdf.yaml:2:1: it is no YAML"},
		{"nobody granted", "file.name", "[{grant: externalGroup, value: side.team}]", nil, nil, "", "nobody"},
		{"a list as a text", "lower(side.tags)", none, full, nil, "", "the expression gives [a b] where text is needed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, err := sideSource(t, "[.yaml]", tt.title, tt.acl)
			if err != nil {
				t.Fatal(err)
			}
			it, err := src.Apply(sideDocument(func() (extract.Side, error) { return tt.side, tt.broken }))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var title string
			var tags []string
			for _, p := range it.Properties {
				switch p.Name {
				case "title":
					title = p.Value.Str
				case "tags":
					tags = p.Value.Strs
				}
			}
			got := fmt.Sprintf("%s %v", title, tags)
			for _, a := range it.ACL {
				got += " " + map[bool]string{true: "-", false: "+"}[a.Deny] + a.Value
			}
			if want := tt.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// What a rule has read of the metadata is told, with where it stands.
func TestSidecarTrace(t *testing.T) {
	src, err := sideSource(t, "[.yaml]", "file.name", "[{grant: externalGroup, value: side.readers, when: side.open}, {grant: externalGroup, value: side.nobody}]")
	if err != nil {
		t.Fatal(err)
	}
	rec := sideDocument(func() (extract.Side, error) {
		return extract.Side{"readers": []string{"Red", "Blue"}, "OPEN": "yes"}, nil
	})
	rec.File.SideAt = func(name, value string) extract.Place {
		return extract.Place{File: "a.pdf.yaml", Line: len(name), Col: 1 + len(value)}
	}
	all, err := src.Trace(rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tr := range all {
		got = append(got, fmt.Sprint(tr.Entry, tr.Name, tr.Cells))
	}
	diff(t, "trace", got, []string{
		"false[{side.open yes a.pdf.yaml:4:1}]",
		"trueRed[{side.open yes a.pdf.yaml:4:4} {side.readers Red, Blue a.pdf.yaml:7:4}]",
		"trueBlue[{side.open yes a.pdf.yaml:4:5} {side.readers Red, Blue a.pdf.yaml:7:5}]",
		"false[{side.nobody  a.pdf.yaml:6:1}]",
	})
}

func TestSidecarRefused(t *testing.T) {
	for _, tt := range []struct{ sidecar, title, err string }{
		{"[]", "side.title", "the source has no files of metadata beside its files; set sidecar"},
		{"[.yaml]", "side", `"side" alone is no value; name one of its parts, as in side.author`},
		{"[yaml]", "side.title", `"yaml" is not how a file's name ends`},
		{"[.txt]", "side.title", `files that end with ".txt" cannot be read`},
		{"['./a.yaml']", "side.title", `"./a.yaml" is not how a file's name ends`},
	} {
		if _, err := sideSource(t, tt.sidecar, tt.title, "[{grant: everyone}]"); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("sidecar %s, %s: error %v, want %q", tt.sidecar, tt.title, err, tt.err)
		}
	}
}

// A column called side stays a column.
func TestSidecarAndColumns(t *testing.T) {
	h := extract.NewHeader([]string{"id", "side"})
	for _, sc := range []scope{{header: h, table: true}, {header: h, table: true, side: true}, {table: true}, {table: true, side: true}} {
		if _, errs := bindIn("lower(side)", sc); len(errs) > 0 {
			t.Errorf("%+v: %v", sc, errs)
		}
	}
}
