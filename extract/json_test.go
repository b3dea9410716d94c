package extract

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	tests := []struct {
		name, content string
		opt           JSONOptions
		want          string
	}{
		{"a list", `[{"no": 7, "title": "one"},` + "\n" + `{"title": "two", "no": 8.50, "open": true}]`, JSONOptions{},
			"# no | title | open\n:1:2 7 (int64) | one | \n:2:1 8.50 (float64) | two | true (bool)\n"},
		{"one object", `{"no": "007"}`, JSONOptions{}, "# no\n:1:1 007\n"},
		{"deeper", `{"meta": {"n": [1]}, "data": {"items": [{"a": {"b": {"c": 1}, "d": null}, "list": [1, "x", true], "rows": [{"x": 1}], "none": []}]}}`, JSONOptions{Records: "data.items"},
			"# a.b.c | a.d | list | rows | none\n:1:41 1 (int64) |  | 1\\nx\\ntrue | [{\"x\": 1}] | \n"},
		{"columns", `[{"b": 1}]`, JSONOptions{Columns: []string{"a", "b"}}, "# a | b\n:1:2  | 1 (int64)\n"},
		{"plain values", `[1, "x", [2]]`, JSONOptions{}, "# value\n:1:2 1 (int64)\n:1:5 x\n:1:10 [2]\n"},
		{"a key with dots", `[{"a.b": 1, "a": {"b": 2}}]`, JSONOptions{}, "# a.b\n:1:2 1\\n2\n"},
		{"large numbers", `[{"n": 12345678901234567890, "m": 9007199254740993, "x": 1e400}]`, JSONOptions{}, "# n | m | x\n:1:2 12345678901234567890 (float64) | 9007199254740993 (int64) | 1e400\n"},
		{"an empty list", `[]`, JSONOptions{}, ""},
		{"a mark and UTF-16", "\xff\xfe" + string(utf16le(`[{"a":"ü"}]`)), JSONOptions{}, "# a\n:1:2 ü\n"},
		{"lines", "\n\n[\n{\"a\":\n1},\n\n{\"a\":2}]", JSONOptions{}, "# a\n:4:1 1 (int64)\n:7:1 2 (int64)\n"},
	}
	for _, tt := range tests {
		got := readAll(t, t.Context(), bytesInput("a.json", []byte(tt.content)), Options{JSON: tt.opt})
		if got.err != nil || len(got.bad) > 0 {
			t.Errorf("%s: error %v, bad %v", tt.name, got.err, got.bad)
		}
		same(t, tt.name, rowLines(got.recs), tt.want)
	}
	refused(t, "a.json", []byte(`[{"a": 1}, {]`), Options{}, ReasonSyntax, "the JSON is broken here")
	refused(t, "a.json", []byte(`[{"a": 1}, {"a"`), Options{}, ReasonShort, "ends before its end")
	refused(t, "a.json", []byte(`[{"a": 1}] x`), Options{}, ReasonSyntax, "broken here")
	refused(t, "a.json", []byte(`[{"a": 1}] [{"a": 2}]`), Options{}, ReasonSyntax, "goes on after its value; if the file has a value a line, say format: jsonl")
	refused(t, "a.json", []byte(`{"a": 1}`), Options{JSON: JSONOptions{Records: "data.items"}}, ReasonOption, "nothing at json.records: data.items")
	refused(t, "a.json", []byte(`[{"a": "`+strings.Repeat("x", 200<<10)+`"}]`), Options{Limits: Limits{Record: 1000}}, ReasonTooLarge, "raise limits.record")
	refused(t, "a.json", []byte(`[{"a":1,"b":2,"c":3}]`), Options{Limits: Limits{Columns: 2}}, ReasonTooLarge, "more than 2 different keys")
	refused(t, "a.json", []byte(`[]`), Options{Item: "page"}, ReasonOption, "item is")

	// A record before the broken place is there, and that the rest is lost is told.
	got := readAll(t, t.Context(), bytesInput("a.json", []byte("[{\"a\": 1},\n{\"a\": 2} {]")), Options{})
	if len(got.recs) != 2 || !errors.Is(got.err, ErrShort) || !strings.HasPrefix(got.err.Error(), "a.json:2:10: ") {
		t.Errorf("%d records, error %v, want 2 and one of line 2 that is short", len(got.recs), got.err)
	}
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	if got := readAll(t, t.Context(), bytesInput("a.json", []byte("["+deep+`, {"b": 1}]`)), Options{}); len(got.recs) != 1 || len(got.bad) != 1 {
		t.Errorf("%d records, bad %v of a deep one and a good one, want one of each", len(got.recs), got.bad)
	}
}

// Records, values and faults have their line and their column, counted in bytes
// of UTF-8 as those of CSV are.
func TestJSONPlaces(t *testing.T) {
	const file = `{"größe": [{"id": 1, "name": "Zoë ☃"}, {"id": 2,` + "\n  \"at\": {\"day\": \"x\", \"list\": [\"a\", \"b\"]}}, {\"id\": 3}]}"
	got := readAll(t, t.Context(), bytesInput("a.json", []byte(file)), Options{JSON: JSONOptions{Records: "größe"}})
	if got.err != nil || len(got.recs) != 3 {
		t.Fatalf("%d records, error %v", len(got.recs), got.err)
	}
	lines := strings.Split(file, "\n")
	at := func(line int, text string) string {
		col := strings.Index(lines[line-1], text) + 1
		if col == 0 {
			t.Fatalf("%q is not in line %d", text, line)
		}
		return fmt.Sprintf("a.json:%d:%d", line, col)
	}
	for _, tt := range []struct {
		record int
		column string
		want   string
	}{
		{0, "", at(1, `{"id": 1`)}, {0, "id", at(1, `1, "name`)}, {0, "name", at(1, `"Zoë`)}, {0, "at.day", at(1, `{"id": 1`)},
		{1, "", at(1, `{"id": 2`)}, {1, "id", at(1, `2,`)}, {1, "at.day", at(2, `"x"`)}, {1, "at.list", at(2, `["a"`)},
		{2, "", at(2, `{"id": 3`)}, {2, "id", at(2, `3}`)},
	} {
		rec := got.recs[tt.record]
		place := rec.Place
		if i, ok := rec.Header.Index(tt.column); ok {
			place = rec.Cell(i)
		}
		if place.String() != tt.want {
			t.Errorf("%q of record %d stands at %s, want %s", tt.column, tt.record, place, tt.want)
		}
	}

	for _, tt := range []struct{ name, content, want string }{
		{"a.json", `[{"a": "ü"}, {"b": tru}]`, "a.json:1:24: "}, // tru} at its }
		{"a.json", "[{\"a\": 1},\n {\"b\" 2}]", "a.json:2:7: "},
		{"a.json", "[{\"a\": 1}\n {\"b\": 2}]", "a.json:2:2: "},
		{"a.json", "[{\"a\": 1}]\n\n  [2]", "a.json:3:3: "},
		{"a.json", "[{\"a\": 1}, {\"ü\": [1, 2,, 3]}]", "a.json:1:25: "},
	} {
		got := readAll(t, t.Context(), bytesInput(tt.name, []byte(tt.content)), Options{})
		if got.err == nil || !strings.HasPrefix(got.err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it at %s", tt.content, got.err, tt.want)
		}
	}
	got = readAll(t, t.Context(), bytesInput("a.jsonl", []byte("{\"a\": 1}\n  {\"ü\": oops}\n{\"a\": 2} 3\n {\"b\": {\"c\": 4}}\n{\"a\": [1\n{}\n")), Options{})
	var bad []string
	for _, b := range got.bad {
		bad = append(bad, b.Place.String())
	}
	same(t, "bad lines", strings.Join(bad, " "), "a.jsonl:2:10 a.jsonl:3:10 a.jsonl:5:9")
	if c, _ := got.recs[1].Header.Index("b.c"); got.recs[1].Place.String() != "a.jsonl:4" || got.recs[1].Cell(c).String() != "a.jsonl:4:14" {
		t.Errorf("line 4 is at %s, its value at %s", got.recs[1].Place, got.recs[1].Cell(c))
	}
}

// A file of JSON lines goes by the name of JSON, often.
func TestJSONLinesByTheNameOfJSON(t *testing.T) {
	for content, want := range map[string]*Format{
		"{\"a\": 1}\n{\"a\": 2}\n": JSONLines, "\ufeff{\"a\": 1}\n\n {\"a\": 2}": JSONLines, "{\"a\":\n1}\n": JSON, "{\"a\": 1}\n": JSON, "[{\"a\": 1},\n{\"a\": 2}]": JSON, "{\"a\": 1}\n]": JSON,
	} {
		if f, err := Detect(bytesInput("a.json", []byte(content)), Options{}); f != want || err != nil {
			t.Errorf("%q is %v, %v, want %s", content, f, err, want.Name)
		}
	}
	records := Options{JSON: JSONOptions{Records: "items"}}
	if f, _ := Detect(bytesInput("a.json", []byte("{\"a\": 1}\n{\"a\": 2}\n")), records); f != JSON {
		t.Errorf("a file of which records are asked for is %v", f)
	}
}

func TestJSONLines(t *testing.T) {
	got := readAll(t, t.Context(), bytesInput("a.jsonl", []byte("{\"a\": 1}\r\n\n{\"a\": oops}\n[2]\n{\"b\": \"x\"}\n")), Options{})
	same(t, "rows", rowLines(got.recs), "# a | value | b\n:1 1 (int64) |  | \n:4  | [2] | \n:5  |  | x\n")
	if len(got.bad) != 1 || got.bad[0].Place.Line != 3 || got.bad[0].Reason != ReasonSyntax || got.err != nil {
		t.Errorf("bad %v, error %v, want line 3", got.bad, got.err)
	}
	got = readAll(t, t.Context(), bytesInput("a.jsonl", []byte("{\"a\": 1}\n{\"a\":")), Options{})
	if len(got.recs) != 1 || !errors.Is(got.err, ErrShort) {
		t.Errorf("a last line that is cut: %d records, error %v", len(got.recs), got.err)
	}
	got = readAll(t, t.Context(), bytesInput("a.jsonl", []byte("{\"a\": 1}\n{\"a\": \""+strings.Repeat("x", 100_000)+"\"}\n{\"a\": 2}\n")), Options{Limits: Limits{Record: 1000}})
	if len(got.recs) != 2 || len(got.bad) != 1 || got.bad[0].Reason != ReasonTooLarge {
		t.Errorf("a long line: %d records, bad %v", len(got.recs), got.bad)
	}
}

func TestSuiteJSON(t *testing.T) {
	t.Run("json", func(t *testing.T) {
		list := func(n int) []byte {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, ",\n{\"no\": %d, \"title\": \"%s\"}", i, strings.Repeat("text ", 20))
			}
			return []byte("[" + strings.TrimPrefix(b.String(), ",") + "\n]\n")
		}
		runSuite(t, suiteCase{format: JSON, name: "a.json", small: list(3), want: 3, big: list})
	})
	t.Run("jsonl", func(t *testing.T) {
		lines := func(n int) []byte {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "{\"no\": %d, \"title\": \"%s\"}\n", i, strings.Repeat("text ", 20))
			}
			return []byte(b.String())
		}
		small := lines(3)
		runSuite(t, suiteCase{format: JSONLines, name: "a.jsonl", small: small, want: 3, big: lines,
			// Between two lines a file may end, and its only line may be bad.
			unknowable: func(cut int) bool {
				return cut > 0 && (small[cut-1] == '\n' || small[cut] == '\n') || cut < len(small)/3
			}})
	})
}
