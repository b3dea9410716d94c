package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"importer/pipeline/state"
)

const programMapping = `version: 1
connection: {id: testconnection, name: Test, description: For tests.}
schema:
  title: {type: string, searchable: true, retrievable: true}
converters:
  - {match: "*.dwg", command: [./upper, "{in}"], time: 20s}
sources:
  - name: mails
    path: files/*.{eml,dwg}
    attachments: items
    id: file.path
    properties: {title: title ?? file.name}
    content: {type: text, value: body}
    acl: [{grant: everyone}]
`

// mail is a message with files attached to it.
func mail(subject string, attached ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: a@b\r\nSubject: %s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", subject)
	for _, name := range attached {
		fmt.Fprintf(&b, "--b\r\nContent-Disposition: attachment; filename=%s\r\n\r\ntext of %s\r\n", name, name)
	}
	return b.String() + "--b--\r\n"
}

// What is read by a program that is not installed is refused once, and its file
// is read again when the program is there, and not every night.
func TestAProgramThatIsMissing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program is one of Unix")
	}
	w := newWorld(t)
	w.source(programMapping)
	w.must(os.Mkdir(filepath.Join(w.dir, "files"), 0o700))
	var opened []string
	w.opens(&opened)
	w.put("a.eml", mail("A", "plan.dwg", "note.txt"))
	w.put("b.eml", mail("B", "other.txt"))
	w.put("c.dwg", "plan")
	want := func(what string, counts state.Counts, files ...string) {
		t.Helper()
		opened = nil
		rep := w.mustCrawl()
		w.wantCounts(rep, counts)
		slices.Sort(opened)
		if !slices.Equal(opened, files) {
			t.Errorf("%s: opened %v, want %v", what, opened, files)
		}
	}
	want("first", state.Counts{Read: 6, Stored: 4, Quarantined: 2}, "a.eml", "b.eml", "c.dwg")
	for _, l := range w.quarantine(state.Filter{}) {
		if !strings.HasSuffix(l.File, ".dwg") || !strings.Contains(l.Detail, "is not installed") {
			t.Errorf("refused: %+v", l)
		}
	}
	want("the program is still missing", state.Counts{Read: 6, Unchanged: 4, Quarantined: 2})
	w.put("b.eml", mail("B", "other.txt", "more.txt"))
	want("another file has changed", state.Counts{Read: 7, Stored: 1, Unchanged: 4, Quarantined: 2}, "b.eml")
	w.put("a.eml", mail("A", "plan.dwg"))
	want("the file has changed", state.Counts{Read: 6, Unchanged: 4, Quarantined: 2}, "a.eml")
	if n := len(w.target.snapshot()); n != 5 {
		t.Errorf("%d items, want 5: what was attached may be what cannot be read", n)
	}

	program := filepath.Join(w.dir, "upper")
	w.must(os.WriteFile(program, []byte("#!/bin/sh\ntr a-z A-Z < \"$1\"\n"), 0o700))
	want("it is there", state.Counts{Read: 6, Stored: 2, Unchanged: 4}, "a.eml", "c.dwg")
	want("and stays", state.Counts{Read: 6, Unchanged: 6})
	w.must(os.Remove(program))
	want("it is gone, and nothing has changed", state.Counts{Read: 6, Unchanged: 6})
}
