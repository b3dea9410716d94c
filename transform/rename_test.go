package transform

import (
	"strings"
	"testing"
)

func TestWithConnection(t *testing.T) {
	const rest = `
schema:
  title: {type: string, searchable: true, retrievable: true} # the title
sources:
  - name: rows
    path: a.csv
    id: kbase
    properties: {title: title}
    acl: [{grant: everyone}]
`
	for _, tt := range []struct{ name, head, want string }{
		{"in braces", "version: 1\nconnection: {id: kbase, name: KB, description: Ours.} # ours", "connection: {id: kbase2, name: KB, description: Ours.} # ours"},
		{"in lines", "version: 1\nconnection:\n  # the id\n  id: kbase # of it\n  name: KB\n  description: Ours.", "  id: kbase2 # of it\n  name: KB"},
		{"quoted", "version: 1\nconnection: {id: \"kbase\", name: 'id: kbase', description: Ours.}", "{id: \"kbase2\", name: 'id: kbase'"},
		{"not first", "version: 1\nconnection: {name: 'id: kbase', id: 'kbase', description: Ours.}", "{name: 'id: kbase', id: 'kbase2'"},
		{"after the sources", "version: 1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.head + rest
			if tt.want == "" {
				text += "connection: {id: kbase, name: KB, description: Ours.}\n"
				tt.want = "connection: {id: kbase2, name: KB"
			}
			got, err := WithConnection("m.yaml", []byte(text), "kbase2")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), tt.want) || !strings.Contains(string(got), "    id: kbase\n") || strings.Count(string(got), "kbase2") != 1 {
				t.Errorf("got\n%s", got)
			}
			if len(got) != len(text)+1 {
				t.Errorf("%d bytes became %d", len(text), len(got))
			}
		})
	}
	if _, err := WithConnection("m.yaml", []byte("version: 1\nconnection: &c {id: *d, name: KB}\n"), "kbase2"); err == nil {
		t.Error("a mapping that cannot be read was changed")
	}
	if _, err := WithConnection("m.yaml", []byte("version: 1\nconnection: {id: kbase, name: KB, description: Ours.}"+rest), "Microsoft1"); err == nil || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("a reserved id: %v", err)
	}
}
