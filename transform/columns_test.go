package transform

import (
	"errors"
	"strings"
	"testing"

	"importer/extract"
)

// A refused record says by which of its columns it fails.
func TestTheColumnsOfAnItemError(t *testing.T) {
	m, err := parse("testdata/example/m.yaml", []byte(`version: 1
connection: {id: abc, name: X, description: Y}
schema:
  sum: {type: int64}
  day: {type: dateTime}
sources:
  - name: s
    path: s.csv
    where: keep != "no"
    id: trim(key)
    properties:
      sum: int(a) + int(b)
      day: date(made, "02.01.2006")
    content: text
    acl:
      - {grant: externalGroup, value: '"x"', when: open}
      - {grant: user, value: who, when: open == "no"}
`))
	if err != nil {
		t.Fatal(err)
	}
	src := m.Sources[0]
	h := extract.NewHeader([]string{"keep", "key", "a", "b", "made", "text", "open", "who"})
	tests := []struct{ row, property, columns string }{
		{"yes,k,1,many,01.02.2026,t,yes,w", "sum", "b"}, // the cell alone
		{"yes,k,1,,01.02.2026,t,yes,w", "sum", "a b"},   // the sum cannot be made: either may be meant
		{"yes,k,1,2,31.02.2026,t,yes,w", "day", "made"},
		{"yes, ,1,2,01.02.2026,t,yes,w", "id", "key"},
		{"yes,k,1,2,01.02.2026,t,maybe,w", "acl", "open"},
		{"yes,k,1,2,01.02.2026,t,no,nobody", "acl", "open who"},
	}
	for _, tt := range tests {
		_, err := src.Apply(extract.Record{Header: h, Text: strings.Split(tt.row, ",")})
		var wrong *ItemError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want an ItemError", tt.row, err)
			continue
		}
		if got := strings.Join(wrong.Columns, " "); wrong.Property != tt.property || got != tt.columns {
			t.Errorf("%s: %s fails by %q, want %s by %q (%v)", tt.row, wrong.Property, got, tt.property, tt.columns, err)
		}
	}
	for property, want := range map[string]string{"id": "key", "where": "keep", "sum": "a b", "content": "text", "acl": "open who", "other": ""} {
		if got := strings.Join(src.Reads(h, property), " "); got != want {
			t.Errorf("Reads(%s) = %q, want %q", property, got, want)
		}
	}
}
