package transform

import (
	"fmt"
	"strings"
	"testing"

	"importer/extract"
)

const lintMapping = `version: 1
connection: {id: lint, name: Lint, description: What the team of the harbour has written down since 1999.}
schema:
  title: {type: string, labels: [title], searchable: true, retrievable: true}
  url: {type: string, labels: [url], retrievable: true}
  iconUrl: {type: string, labels: [iconUrl], retrievable: true}
  size: {type: int64, retrievable: true}
sources:
  - name: rows
    path: t.csv
    where: kind != "draft"
    id: id
    properties: {title: title, url: '"https://x.example/" + id', iconUrl: '"https://x.example/i.png"', size: size}
    content: title
    acl: [{grant: everyone, when: team == "all"}, {grant: everyoneExceptGuests}, {deny: user, value: '"7a0f5a2e-7d1c-4c5f-9f39-0a4b6d1e2f01"', when: team != "red"}]
`

func TestLint(t *testing.T) {
	table := func(set func(i int) (id, title, size, kind, team, note string)) string {
		var b strings.Builder
		b.WriteString("id,title,size,kind,team,note\n")
		for i := range 60 {
			id, title, size, kind, team, note := set(i)
			fmt.Fprintf(&b, "%s,%s,%s,%s,%s,%s\n", id, title, size, kind, team, note)
		}
		return b.String()
	}
	good := func(i int) (id, title, size, kind, team, note string) {
		return fmt.Sprint("r", i), fmt.Sprint("title ", i), fmt.Sprint(i), []string{"draft", "final"}[i%2], "all", ""
	}
	for _, test := range []struct {
		name  string
		set   func(i int, row []*string)
		more  func(string) string // changes the mapping
		wants []string            // a part of each finding, with where it stands
	}{
		{"nothing", func(i int, r []*string) {}, nil, nil},
		{"always empty", func(i int, r []*string) { *r[2] = "" }, nil,
			[]string{`m.yaml:13:110: source "rows": property "size": no item has it, of 30 items; nothing stands in "size"; take it out, or name another column`}},
		{"unused", func(i int, r []*string) { *r[5] = "x" }, nil, []string{`m.yaml:10:11: source "rows": nothing is made of 1 column: "note"`}},
		{"ids", func(i int, r []*string) { *r[0] = fmt.Sprint("r", i/4) }, nil,
			[]string{`m.yaml:12:9: source "rows": 15 records have an id that another one has, of 60 records looked at: "r0" is the id of t.csv:3 and of t.csv:5`}},
		{"ids, and the last one wins", func(i int, r []*string) { *r[0] = fmt.Sprint("r", i/4) }, func(m string) string { return m + "duplicates: last\n" }, nil},
		{"refused", func(i int, r []*string) { *r[2] = "many" }, nil,
			[]string{`m.yaml:13:110: source "rows": every record would be refused, of 60 records looked at: t.csv:3: property "size": column "size" "many" is not a whole number`}},
		{"all filtered", func(i int, r []*string) { *r[3] = "draft" }, nil, []string{`m.yaml:11:12: source "rows": where leaves every record out, of 60 records looked at`}},
		{"a grant and a deny that never count", func(i int, r []*string) { *r[3], *r[4] = "final", "red" }, nil,
			[]string{`m.yaml:15:35: source "rows": acl: this grant counts for no item, of 60 items`, `m.yaml:15:150: source "rows": acl: this deny counts for no item, of 60 items`}},
		{"nobody", func(i int, r []*string) {}, func(m string) string {
			return strings.Replace(m, `{deny: user, value: '"7a0f5a2e-7d1c-4c5f-9f39-0a4b6d1e2f01"'`, "{deny: everyone", 1)
		},
			[]string{`source "rows": acl: whoever is granted is denied as well, so that nobody can see 30 items, of 30 items; the first one is of t.csv:3`}},
		{"nobody, by the third entry", func(i int, r []*string) {}, func(m string) string {
			return strings.Replace(m, `{deny: user, value: '"7a0f5a2e-7d1c-4c5f-9f39-0a4b6d1e2f01"', when: team != "red"}`, `{deny: user, value: '"7a0f5a2e-7d1c-4c5f-9f39-0a4b6d1e2f01"'}, {deny: everyone, when: team == "all"}`, 1)
		}, []string{`m.yaml:15:168: source "rows": acl: whoever is granted is denied as well`}},
		{"an empty deny", func(i int, r []*string) {}, func(m string) string {
			return strings.Replace(m, `value: '"7a0f5a2e-7d1c-4c5f-9f39-0a4b6d1e2f01"'`, "value: note", 1)
		}, []string{`m.yaml:15:102: source "rows": every record would be refused, of 60 records looked at: t.csv:3: acl: the user to deny is empty`}},
		{"a condition that stops", func(i int, r []*string) { *r[4] = "" }, func(m string) string {
			return strings.Replace(m, `when: team != "red"`, `when: int(team) > 3`, 1)
		}, []string{`m.yaml:15:150: source "rows": every record would be refused, of 60 records looked at: t.csv:3: acl: when: `}},
		{"the only grant names nobody", func(i int, r []*string) { *r[4] = "" }, func(m string) string {
			return strings.Replace(m, `{grant: everyone, when: team == "all"}, {grant: everyoneExceptGuests}, `, "{grant: externalGroup, value: team}, ", 1)
		}, []string{`m.yaml:15:41: source "rows": every record would be refused, of 60 records looked at: t.csv:3: nobody is granted`}},
		{"no labels, nor a good description", func(i int, r []*string) {}, func(m string) string {
			return strings.NewReplacer("labels: [url], ", "", "What the team of the harbour has written down since 1999.", "CHANGE ME: what it is").Replace(m)
		}, []string{`m.yaml:2:49: the connection's description is still that of importer init`, `m.yaml:3:1: no property has the label url; Copilot may not show items without`}},
		{"a property without a value", func(i int, r []*string) {}, func(m string) string { return strings.Replace(m, ", size: size}", "}", 1) },
			[]string{`m.yaml:7:3: no source gives the property "size" a value`, `nothing is made of 1 column: "size"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := lintMapping
			if test.more != nil {
				text = test.more(text)
			}
			m, err := parse("m.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			csv := table(func(i int) (id, title, size, kind, team, note string) {
				id, title, size, kind, team, note = good(i)
				test.set(i, []*string{&id, &title, &size, &kind, &team, &note})
				return id, title, size, kind, team, note
			})
			l := m.Sources[0].Lint()
			in := extract.Input{Name: "t.csv", Size: int64(len(csv)), ReaderAt: strings.NewReader(csv)}
			for rec, err := range extract.Records(t.Context(), in, extract.Options{}) {
				if err != nil {
					t.Fatal(err)
				}
				l.Add(rec)
			}
			found := append(m.Lint(), l.Findings()...)
			for _, want := range test.wants {
				if !strings.Contains(found.Error(), want) {
					t.Errorf("no finding %q in\n%v", want, found)
				}
			}
			if len(found) != len(test.wants) {
				t.Errorf("%d findings, want %d:\n%v", len(found), len(test.wants), found)
			}
		})
	}
}
