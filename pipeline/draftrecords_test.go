package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"importer/extract"
)

func TestSurvey(t *testing.T) {
	objects := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(`{"id": %d, "lines": [{"no": 1}, {"no": 2}]}`, i))
		}
		return strings.Join(parts, ",")
	}
	elements := func(n int, name string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `<%s id="%d"><title>t</title><line n="1"/><line n="2"/></%[1]s>`, name, i)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, content, at, note string
		format                  *extract.Format
	}{
		{"a list", "[" + objects(3) + "]", "", "", extract.JSON},
		{"nested", `{"count": 3, "data": {"page": 1, "items": [` + objects(3) + `]}}`, "data.items", "each of its 3 objects is a record", extract.JSON},
		{"with a mark, and cut off", "\ufeff" + `{"items": [` + objects(5) + `, {"id"`, "items", "each of its 6 objects", extract.JSON},
		{"one object", `{"id": 1, "title": "x", "tags": ["a"]}`, "", "", extract.JSON},
		{"a record with a list", `{"id": 1, "title": "x", "comments": [{"by": "a"}, {"by": "b"}]}`, "", "CHECK: each file is a record, with comments as its own; json: {records: comments}", extract.JSON},
		{"a record's keys, and too long a list for one", `{"id": 1, "title": "x", "items": [` + objects(30) + `]}`, "items", "each of its 30 objects", extract.JSON},
		{"two lists", `{"users": [` + objects(9) + `], "tickets": [` + objects(10) + `]}`, "tickets", "CHECK: tickets has 10 objects, and there are other lists of objects: users (9)", extract.JSON},
		{"a small list beside", `{"errors": [` + objects(1) + `], "tickets": [` + objects(10) + `]}`, "tickets", "each of its 10 objects", extract.JSON},
		{"nearer to the root", `{"items": [` + objects(2) + `], "facets": {"a": [` + objects(9) + `]}}`, "items", "", extract.JSON},
		{"a key with a dot", `{"a.b": [` + objects(2) + `]}`, "", "", extract.JSON},
		{"objects by their ids", `{"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}, "d": {"x": 1}, "e": {"x": 1}}`, "", "CHECK: the file is one object of 5 objects", extract.JSON},
		{"lists in lists", `{"m": [[{"a": 1}], [{"a": 2}]]}`, "", "", extract.JSON},
		{"broken", `{"a": [`, "", "", extract.JSON},
		{"not JSON", `hello`, "", "", extract.JSON},

		{"right under the root", "<list>" + elements(3, "row") + "</list>", "", "", extract.XML},
		{"deeper", "<x:export xmlns:x='u' date='d'><system>X</system><rows>" + elements(3, "row") + "</rows></x:export>", "/export/rows/row", "each of its 3 elements is a record", extract.XML},
		{"one below the other", "<export><rows>" + elements(3, "row") + "</rows></export>", "/export/rows/row", "each of its 3 elements", extract.XML},
		{"a feed", "<feed><title>F</title><link href='a'/><link href='b'/>" + elements(9, "entry") + "</feed>", "/feed/entry", "each of its 9 elements", extract.XML},
		{"a record", "<invoice><number>1</number><title>x</title><lines>" + elements(3, "item") + "</lines></invoice>", "/invoice", "CHECK: each file is a record, with the elements of /invoice/lines/item as its own", extract.XML},
		{"settings", "<settings><a>1</a><b>2</b></settings>", "/settings", "each file is one record", extract.XML},
		{"cut off", "<export><n>1</n><rows>" + elements(3, "row"), "/export/rows/row", "", extract.XML},
		{"nothing", "hello", "", "", extract.XML},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := extract.Input{Name: "x", Size: int64(len(tt.content)), ReaderAt: strings.NewReader(tt.content)}
			got := recordsOf(in, tt.format)
			if got.at != tt.at || !strings.Contains(got.note, tt.note) || tt.note == "" && strings.Contains(got.note, "CHECK") {
				t.Errorf("records of %.100s\n= %q, %q, want %q, %q", tt.content, got.at, got.note, tt.at, tt.note)
			}
		})
	}
}

// Of a large file it is said how much of it was looked at.
func TestSurveyOfLargeFile(t *testing.T) {
	content := `{"rows": [` + strings.Repeat(`{"id": 1, "title": "one"},`, surveyBytes/20) + `{}]}`
	got := recordsOf(extract.Input{Name: "x", Size: int64(len(content)), ReaderAt: strings.NewReader(content)}, extract.JSON)
	if got.at != "rows" || !strings.HasSuffix(got.note, "(by the first 4 MiB)") {
		t.Errorf("records of a large file = %q, %q", got.at, got.note)
	}
}
