package transform

import (
	"errors"
	"strings"
	"testing"

	"importer/extract"
)

// groupOf makes a record of rows of the columns id, tag, team and secret.
func groupOf(rows ...[]string) extract.Record {
	rec := row("a.csv", 2, []string{"id", "tag", "team", "secret"}, rows[0]...)
	for i, r := range rows {
		rec.Rows = append(rec.Rows, extract.Row{Place: extract.Place{File: "a.csv", Line: i + 2}, Text: r})
	}
	return rec
}

func groupMapping(t *testing.T, source string) (*Source, error) {
	t.Helper()
	m, err := parse("m.yaml", []byte(`version: 1
connection: {id: kbase, name: KB, description: Ours.}
schema:
  title: {type: string, searchable: true, retrievable: true}
  tags: {type: stringCollection, retrievable: true}
sources:
  - name: rows
    path: "*.csv"
`+source))
	if err != nil {
		return nil, err
	}
	return m.Sources[0], nil
}

func TestGroup(t *testing.T) {
	const everyone = "    groupBy: id\n    id: id\n    properties: {title: tag, tags: values(tag)}\n    acl: [{grant: everyone}]\n"
	const teams = "    groupBy: id\n    id: id\n    properties: {title: tag, tags: values(tag)}\n    acl: [{grant: externalGroup, value: values(team)}]\n"
	const first = "    groupBy: id\n    id: id\n    properties: {title: tag}\n    acl: [{grant: externalGroup, value: team}]\n"
	const deny = "    groupBy: id\n    id: id\n    properties: {title: tag}\n    acl: [{grant: everyone}, {deny: externalGroup, value: '\"Guests\"', when: secret}]\n"
	const denyAny = "    groupBy: id\n    id: id\n    properties: {title: tag}\n    acl: [{grant: everyone}, {deny: externalGroup, value: '\"Guests\"', when: '\"yes\" in values(secret)'}]\n"
	const where = "    groupBy: id\n    where: secret != \"yes\"\n    id: id\n    properties: {title: tag}\n    acl: [{grant: everyone}]\n"
	two := groupOf([]string{"1", "a", "Red", "no"}, []string{"1", "b", "Blue", "yes"}, []string{"1", "a", "Red ", "no"})
	same := groupOf([]string{"1", "a", "Red", "no"}, []string{"1", "b", " Red", "no"})
	short := groupOf([]string{"1", "a", "Red", "no"}, []string{"1", "b", "", ""})
	short.Rows[1].Cells = 2
	bad := groupOf([]string{"1", "a", "Red", "no"}, []string{"1", "#N/A", "Red", "no"})
	bad.Rows[1].Typed = []any{nil, extract.CellError("#N/A"), nil, nil}
	for _, tt := range []struct {
		name, source string
		rec          extract.Record
		tags, acl    string
		err          string
	}{
		{"all values", everyone, two, "a b", "grant everyone everyone", ""},
		{"no group", everyone, row("a.csv", 2, []string{"id", "tag", "team", "secret"}, "1", " a ", "", ""), "a", "grant everyone everyone", ""},
		{"permissions of all rows", teams, two, "a b", "grant externalGroup Blue, grant externalGroup Red", ""},
		{"permissions of one row", first, two, "", "", `acl: column "team" is "Red" here and "Blue" in line 3 of the same group; make them the same, or write for all of them with values(team)`},
		{"permissions that agree", first, same, "", "grant externalGroup Red", ""},
		{"a deny of a later row", deny, two, "", "", `acl: column "secret" is "no" here and "yes" in line 3`},
		{"a deny of any row", denyAny, two, "", "grant everyone everyone, deny externalGroup Guests", ""},
		{"where of one row", where, two, "", "", `where: column "secret" is "no" here and "yes" in line 3`},
		{"a later row is short of its permissions", teams, short, "", "", "the row has 2 cells and its permissions are read from the first 3"},
		{"an error cell of a later row", everyone, bad, "", "", `column "tag" is the error #N/A`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := groupMapping(t, tt.source)
			if err != nil {
				t.Fatal(err)
			}
			it, err := s.Apply(tt.rec)
			if tt.err != "" {
				var wrong *ItemError
				if !errors.As(err, &wrong) || !strings.Contains(wrong.Detail, tt.err) {
					t.Fatalf("Apply = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tags := ""
			for _, p := range it.Properties {
				if p.Name == "tags" {
					tags = strings.Join(p.Value.Strs, " ")
				}
			}
			var acl []string
			for _, a := range it.ACL {
				verb := "grant"
				if a.Deny {
					verb = "deny"
				}
				acl = append(acl, verb+" "+a.Type+" "+a.Value)
			}
			if got := strings.Join(acl, ", "); tags != tt.tags || got != tt.acl {
				t.Errorf("tags %q, ACL %q; want %q, %q", tags, got, tt.tags, tt.acl)
			}
		})
	}
}

func TestGroupErrors(t *testing.T) {
	for _, tt := range []struct{ name, source, header, want string }{
		{"no such column", "    groupBy: ids\n    id: id\n    properties: {title: tag}\n    acl: [{grant: everyone}]\n", "id,tag",
			`m.yaml:9:14: source "rows": groupBy: there is no column "ids"; did you mean "id"?`},
		{"empty", "    groupBy: \"\"\n    id: id\n    properties: {title: tag}\n    acl: [{grant: everyone}]\n", "", "groupBy is empty; name a column"},
		{"values of an expression", "    groupBy: id\n    id: id\n    properties: {title: tag, tags: 'values(lower(tag))'}\n    acl: [{grant: everyone}]\n", "", "values() is of a column, not of another value; name a column, as in values(tag)"},
		{"values of a text", "    groupBy: id\n    id: id\n    properties: {title: tag, tags: 'values(\"tag\")'}\n    acl: [{grant: everyone}]\n", "", "values() is of a column"},
		{"values of no column", "    groupBy: id\n    id: id\n    properties: {title: tag, tags: values(tags)}\n    acl: [{grant: everyone}]\n", "id,tag", `did you mean "tag"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := groupMapping(t, tt.source)
			if err == nil && tt.header != "" {
				err = s.Check(extract.NewHeader(strings.Split(tt.header, ",")))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
