package transform

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"importer/extract"
)

const driftMapping = `version: 1
connection: {id: drift, name: Drift, description: Files that change.}
schema:
  title: {type: string, labels: [title], searchable: true, retrievable: true}
  opened: {type: dateTime, retrievable: true}
  closed: {type: dateTime, retrievable: true}
  size: {type: double, retrievable: true}
  state: {type: string, refinable: true, retrievable: true}
sources:
  - name: rows
    path: t.csv
    where: kind != "draft"
    id: id
    properties: {title: title, opened: 'date(opened, ["02/01/2006", "2006-01-02"])', closed: 'date(closed, "02/01/2006")', size: 'float(size, ",")', state: state}
    acl: [{grant: everyone, when: 'team != "secret"'}, {grant: everyoneExceptGuests}]
`

// driftTable makes a table of n rows; set changes cells.
func driftTable(n int, set func(i int, row map[string]string)) string {
	names := []string{"id", "title", "opened", "closed", "size", "state", "kind", "team", "note"}
	var b strings.Builder
	b.WriteString(strings.Join(names, "|"))
	for i := range n {
		row := map[string]string{"id": fmt.Sprint("T", i), "title": fmt.Sprint("title ", i), "opened": fmt.Sprintf("%02d/%02d/2026", i%28+1, i%3+1), "size": fmt.Sprintf("%d.5", i), "closed": []string{"", fmt.Sprintf("%02d/04/2026", i%28+1)}[i%2],
			"state": []string{"open", "closed"}[i%2], "kind": []string{"draft", "final"}[i/2%2], "team": []string{"red", "blue"}[i/3%2], "note": fmt.Sprint("note ", i%4)}
		if set != nil {
			set(i, row)
		}
		b.WriteString("\n")
		for j, name := range names {
			if j > 0 {
				b.WriteString("|")
			}
			b.WriteString(row[name])
		}
	}
	return b.String() + "\n"
}

func TestDrift(t *testing.T) {
	m, err := parse("m.yaml", []byte(driftMapping))
	if err != nil {
		t.Fatal(err)
	}
	src := m.Sources[0]
	profile := func(table string) (*Profile, *extract.Header) {
		r := NewProfilerOf(src.Uses())
		var h *extract.Header
		in := extract.Input{Name: "t.csv", Size: int64(len(table)), ReaderAt: strings.NewReader(table)}
		for rec, err := range extract.Records(t.Context(), in, extract.Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			h = rec.Header
			r.Add(rec)
		}
		return r.Profile().OfFile(), h
	}
	cell := func(name string, to func(i int) string) func(int, map[string]string) {
		return func(i int, row map[string]string) { row[name] = to(i) }
	}
	some := func(every int, name, to string) func(int, map[string]string) {
		return func(i int, row map[string]string) {
			if i%every == 0 {
				row[name] = to
			}
		}
	}
	for _, test := range []struct {
		name string
		now  string
		want string // the changes: kind column serious, a line each
	}{
		{"nothing", driftTable(60, nil), ""},
		{"more and fewer", driftTable(20, nil), ""},
		{"other ids and titles", driftTable(60, cell("title", func(i int) string { return fmt.Sprint("new ", i) })), ""},
		{"a few odd values", driftTable(60, some(20, "size", "many")), ""},
		{"month first", driftTable(60, cell("opened", func(i int) string { return fmt.Sprintf("%02d/%02d/2026", i%3+1, i%28+1) })), "format opened true"},
		{"another form", driftTable(60, cell("opened", func(i int) string { return fmt.Sprintf("2026-%02d-%02d", i%3+1, i%28+1) })), "format opened true"},
		{"another form in one of twenty", driftTable(60, some(20, "opened", "2026-01-02")), ""},
		{"decimal commas", driftTable(60, cell("size", func(i int) string { return fmt.Sprintf("%d,5", i) })), "format size true"},
		{"words for numbers", driftTable(60, cell("size", func(i int) string { return "large" })), "type size true"},
		{"empty cells", driftTable(60, cell("size", func(i int) string { return "" })), "empty size true"},
		{"more empty cells where some were", driftTable(60, cell("closed", func(i int) string { return "" })), "empty closed false"},
		{"two dates in another form of ten", driftTable(12, func(i int, row map[string]string) {
			if i < 2 {
				row["opened"] = "2026-01-02"
			}
		}), ""},
		{"a new team", driftTable(60, some(30, "team", "secret")), "values team true"},
		{"a new state", driftTable(60, some(30, "state", "waiting")), "values state false"},
		{"a new kind, by which rows are left out", driftTable(60, some(30, "kind", "old")), "values kind false"},
		{"a new note, of which nothing is made", driftTable(60, some(30, "note", "x")), ""},
		{"a column more", strings.Replace(driftTable(60, nil), "note", "note|more", 1), "new more false"},
		{"a column less", strings.Replace(driftTable(60, nil), "|note\n", "|remark\n", 1), "new remark false\ngone note false"},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, _ := profile(driftTable(60, nil))
			text, err := json.Marshal(src.Keep(was))
			if err != nil {
				t.Fatal(err)
			}
			if was, err = ReadProfile(text); err != nil { // as a later run has it
				t.Fatal(err)
			}
			now, h := profile(test.now)
			var got []string
			for _, ch := range src.Drift(was, now, h) {
				got = append(got, fmt.Sprintf("%s %s %v", ch.Kind, ch.Column, ch.Serious))
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("the changes are %q, want %q", got, test.want)
			}
		})
	}
}

// A rare value may have been there all along where not all records were seen.
func TestDriftOfSamples(t *testing.T) {
	m, err := parse("m.yaml", []byte(driftMapping))
	if err != nil {
		t.Fatal(err)
	}
	of := func(rare int) *Profile {
		return profileCSV(t, driftTable(600, func(i int, row map[string]string) {
			if i < rare {
				row["team"] = "secret"
			}
		})).Profile()
	}
	h := extract.NewHeader(strings.Split("id|title|opened|closed|size|state|kind|team|note", "|"))
	for rare, want := range map[int]int{0: 0, 2: 0, 12: 1} {
		was := of(0)
		was.Sampled = true
		if got := m.Sources[0].Drift(was, of(rare), h); len(got) != want {
			t.Errorf("%d of 600 rows have a new value: changes %v, want %d", rare, got, want)
		}
	}
}

// A column that was there before is no new name of one that has gone, though it
// has the same values: people who may not see a record are people, too.
func TestRenamed(t *testing.T) {
	table := func(header, row string) *Profile {
		var b strings.Builder
		fmt.Fprintln(&b, header)
		for i := range 40 {
			fmt.Fprintln(&b, strings.ReplaceAll(row, "#", fmt.Sprint(i)))
		}
		return profileCSV(t, b.String()).Profile()
	}
	was := table("number,hidden from,requester", "#,p#@x.com,p#@x.com")
	missing := was.Column("hidden from")
	if hint := Renamed(missing, was, table("number,requester", "#,p#@x.com")); hint != "" {
		t.Errorf("with a column that was there before: %s; want nothing", hint)
	}
	if hint := Renamed(missing, was, table("number,requester,hidden for", "#,p#@x.com,p#@x.com")); !strings.Contains(hint, `"hidden for" has 100 %`) {
		t.Errorf("with a new column as well: %q, want hidden for", hint)
	}
}

func TestIDsReused(t *testing.T) {
	of := func(n, from, renamed int) IDs {
		ids := IDs{}
		for i := range n {
			title := fmt.Sprint("title ", i)
			if i < renamed {
				title = "another"
			}
			ids[hashText(fmt.Sprint(from+i))] = IDTitle{title: hashText(title), key: fmt.Sprint(from + i)}
		}
		return ids
	}
	for _, test := range []struct {
		was, now IDs
		want     bool
	}{
		{of(100, 0, 0), of(100, 0, 0), false},
		{of(100, 0, 0), of(100, 0, 40), false},
		{of(100, 0, 0), of(100, 0, 60), true},
		{of(100, 0, 0), of(100, 1000, 100), false}, // others
		{of(10, 0, 0), of(10, 0, 10), false},       // too few
		{IDs{}.Merge(of(5000, 0, 0)), of(5000, 0, 5000), true},
		{nil, of(100, 0, 0), false},
	} {
		text, err := test.was.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var was IDs
		if err := was.UnmarshalText(text); err != nil {
			t.Fatal(err)
		}
		if got := test.now.Reused(was); (got != "") != test.want {
			t.Errorf("Reused = %q, want one: %v", got, test.want)
		}
	}
	if len(IDs{}.Merge(of(5000, 0, 0))) != keptIDs {
		t.Errorf("more than %d ids are kept", keptIDs)
	}
	var ids IDs
	for _, bad := range []string{"?", "AAAA", strings.Repeat("A", 22*keptIDs*2)} {
		if err := ids.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("UnmarshalText(%.20q) takes it", bad)
		}
	}
}

// What stands in a state file is read, or refused, and can be compared with.
func FuzzReadProfile(f *testing.F) {
	m, err := parse("m.yaml", []byte(driftMapping))
	if err != nil {
		f.Fatal(err)
	}
	src := m.Sources[0]
	h := extract.NewHeader(strings.Split("id|title|opened|closed|size|state|kind|team|note", "|"))
	text, err := json.Marshal(src.Keep(profileCSV(f, driftTable(60, nil)).Profile()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"columns":[{"name":"size","count":-3,"classes":{"text":9},"layouts":[{}]}],"shapes":[{}]}`))
	f.Add([]byte(`{"version":1,"columns":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		was, err := ReadProfile(text)
		if err != nil {
			return
		}
		now := profileCSV(t, driftTable(20, nil)).Profile()
		src.Drift(was, now, h)
		was.Merge(now)
		src.Keep(was)
	})
}
