package transform

import (
	"fmt"
	"strings"
	"testing"
)

const readyMapping = `version: 1
connection: {id: ready, name: Ready, description: %s}
schema:
%s
sources:
  - {name: rows, path: a.csv, id: id, properties: {title: title}, %s acl: [{grant: everyone}]}
  - {name: more, path: b.csv, id: id, properties: {title: title}, %[3]s acl: [{grant: everyone}]}
`

// What keeps Copilot from making the most of a mapping, each with a remedy.
func TestReadiness(t *testing.T) {
	const (
		words    = "Tickets of the helpdesk with what was done about them."
		title    = "  title: {type: string, labels: [title], searchable: true, retrievable: true, queryable: true, description: The subject}\n"
		rest     = "  url: {type: string, labels: [url], retrievable: true}\n  icon: {type: string, labels: [iconUrl], retrievable: true}"
		content  = "content: title,"
		activity = "activities: [{type: created, at: 'date(at, \"2006-01-02\")', by: who}],"
		bare     = "  title: {type: string, retrievable: true, queryable: true}"
	)
	for _, tt := range []struct {
		name, description, schema, source string
		bad                               string // ids, with ! where nothing can be found
	}{
		{"all that is wanted", words, title + rest, content + " " + activity, ""},
		{"no icon", words, title + "  url: {type: string, labels: [url], retrievable: true}", content + " " + activity, "labels"},
		{"no labels", words, "  title: {type: string, searchable: true}", content + " " + activity, "labels"},
		{"nothing searchable, but content", words, bare, content + " " + activity, "labels searchable properties"},
		{"nothing searchable", words, bare, activity, "labels searchable! content properties"},
		{"no description", "''", title + rest, content + " " + activity, "description"},
		{"the name again", "' ready '", title + rest, content + " " + activity, "description"},
		{"a few words", "Tickets of the helpdesk", title + rest, content + " " + activity, "description"},
		{"no activities", words, title + rest, content, "activities"},
	} {
		m := mustParse(t, fmt.Sprintf(readyMapping, tt.description, tt.schema, tt.source))
		var bad []string
		for _, r := range m.Readiness() {
			if r.Good != (r.Remedy == "") || r.Found == "" {
				t.Errorf("%s: %+v: what is not good, and only that, has a remedy", tt.name, r)
			}
			switch {
			case r.Fatal:
				bad = append(bad, r.ID+"!")
			case !r.Good:
				bad = append(bad, r.ID)
			}
		}
		if got := strings.Join(bad, " "); got != tt.bad {
			t.Errorf("%s: not ready: %s, want %s", tt.name, got, tt.bad)
		}
	}
}
