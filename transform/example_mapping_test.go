package transform

import (
	"errors"
	"slices"
	"testing"
	"time"

	"importer/extract"
)

var ticketColumns = []string{"ticket_number", "title", "status", "priority", "tags", "opened_at", "description", "resolution", "visibility", "team", "requester_email", "confidential"}

// The mapping that the documentation shows must load as it stands and do what
// it says.
func TestExampleMapping(t *testing.T) {
	m, err := Load("testdata/example/helpdesk.yaml")
	if err != nil {
		t.Fatal(err)
	}
	h := extract.NewHeader(ticketColumns)
	tickets, manuals := m.Sources[0], m.Sources[1]
	if err := tickets.Check(h); err != nil {
		t.Fatal(err)
	}
	if err := manuals.Check(nil); err != nil {
		t.Fatal(err)
	}
	row := func(text ...string) extract.Record {
		return extract.Record{Place: extract.Place{File: "t.csv", Line: 2}, Header: h, Text: text}
	}
	it, err := tickets.Apply(row("INC 1", "Jam", "open", "007", "a; b;", "2026-05-01 08:30", "desc", "res", "public", "rotors", "E1", "yes"))
	if err != nil {
		t.Fatal(err)
	}
	ada := "11111111-1111-1111-1111-111111111111"
	want := &Item{
		ID:  "e_INC_201",
		ACL: []Access{{"everyone", "everyone", false}, {"externalGroup", "Rotors", false}, {"user", ada, true}},
		Properties: []Property{
			{"title", Value{Type: String, Str: "Jam"}},
			{"priority", Value{Type: Int64, Int: 7}},
			{"tags", Value{Type: StringCollection, Strs: []string{"a", "b"}}},
			{"opened", Value{Type: DateTime, Str: "2026-05-01T06:30:00Z"}},
			{"url", Value{Type: String, Str: "https://helpdesk.contoso.com/tickets/INC%201"}},
		},
		Content:    Content{"text", "desc\n\nres"},
		Activities: []Activity{{"created", time.Date(2026, 5, 1, 8, 30, 0, 0, time.UTC), "user", ada}},
		Origin:     Origin{"tickets", "INC 1", extract.Place{File: "t.csv", Line: 2}},
	}
	diffItems(t, it, want)

	if _, err := tickets.Apply(row("INC 2", "Jam", "deleted", "", "", "", "", "", "", "", "", "")); !errors.Is(err, ErrSkip) {
		t.Errorf("a deleted ticket: error %v, want ErrSkip", err)
	}
	it, err = manuals.Apply(extract.Record{Place: extract.Place{File: "x/a b.pdf"}, Doc: &extract.Document{Body: "hello"}, File: &extract.File{Path: "x/a b.pdf", Stem: "a b"}})
	if err != nil {
		t.Fatal(err)
	}
	diffItems(t, it, &Item{
		ID:  "e_x_2Fa_20b_2Epdf",
		ACL: []Access{{"everyone", "everyone", false}},
		Properties: []Property{
			{"title", Value{Type: String, Str: "a b"}},
			{"url", Value{Type: String, Str: "https://files.contoso.com/x/a b.pdf"}},
		},
		Content: Content{"text", "hello"},
		Origin:  Origin{"manuals", "x/a b.pdf", extract.Place{File: "x/a b.pdf"}},
	})
	all, lost := m.Memberships(nil)
	all.Sort()
	diff(t, "groups", all.Groups(), []Group{{"Rotors", "Rotor team", ""}, {"e_Field_20Service", "Field service", "All engineers outside"}})
	diff(t, "members", slices.Collect(all.Members()), []Membership{{"Rotors", "user", "22222222-2222-2222-2222-222222222222"},
		{"e_Field_20Service", "externalGroup", "Rotors"}, {"e_Field_20Service", "user", ada}})
	diff(t, "lost members", lost, []LostMember(nil))
	if got, want := m.MaxDeletes, (Limit{Share: 0.02, Set: true}); got != want {
		t.Errorf("MaxDeletes = %v, want %v", got, want)
	}
	if s := m.Schedule; *s.Full != *newCron("0 2 * * 0", time.Local) || *s.Incremental != *newCron("0 2 * * 1-6", time.Local) || s.Jitter != 0 {
		t.Errorf("Schedule = %v, %v, %v", *s.Full, *s.Incremental, s.Jitter)
	}
}
