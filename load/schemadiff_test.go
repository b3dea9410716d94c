package load

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"importer/transform"
)

// The table of the schema page: what may change, and what it takes.
func TestDiffSchema(t *testing.T) {
	prop := func(change func(*SchemaProperty)) []SchemaProperty {
		p := SchemaProperty{Name: "tags", Type: "stringCollection", Queryable: true, Retrievable: true}
		if change != nil {
			change(&p)
		}
		return []SchemaProperty{p}
	}
	exact := func(v bool) func(*SchemaProperty) {
		return func(p *SchemaProperty) { p.ExactMatch = new(lenient(v)) }
	}
	for _, tt := range []struct {
		name       string
		have, want []SchemaProperty
		changes    string // change: registered -> mapping: verdict, a line each
	}{
		{"none registered", nil, prop(nil), "property:  -> stringCollection queryable retrievable: allowed"},
		{"equal", prop(nil), prop(nil), ""},
		{"case of names and types", prop(func(p *SchemaProperty) { p.Name, p.Type = "Tags", "StringCollection" }), prop(nil), ""},
		{"a property more", prop(nil), append(prop(nil), SchemaProperty{Name: "more", Type: "string"}), "property:  -> string: allowed"},
		{"a flag more", prop(nil), prop(func(p *SchemaProperty) { p.Searchable = true }), "isSearchable: false -> true: reingest"},
		{"a flag less", prop(nil), prop(func(p *SchemaProperty) { p.Queryable = false }), "isQueryable: true -> false: reingest"},
		{"a label more", prop(nil), prop(func(p *SchemaProperty) { p.Labels = []string{"tags"} }), "labels:  -> tags: reingest"},
		{"a label less", prop(func(p *SchemaProperty) { p.Labels = []string{"tags"} }), prop(nil), "labels: tags -> : reingest"},
		{"another label", prop(func(p *SchemaProperty) { p.Labels = []string{"tags"} }), prop(func(p *SchemaProperty) { p.Labels = []string{"authors"} }),
			"labels: tags -> authors: reingest"},
		{"a label that the service does not name", prop(func(p *SchemaProperty) { p.Labels = []string{"unknownFutureValue"} }),
			prop(func(p *SchemaProperty) { p.Labels = []string{"iconUrl"} }), ""},
		{"a type that the service does not name", prop(func(p *SchemaProperty) { p.Type = "unknownFutureValue" }),
			prop(func(p *SchemaProperty) { p.Type = "principalCollection" }), ""},
		{"an alias more", prop(nil), prop(func(p *SchemaProperty) { p.Aliases = []string{"t"} }), "aliases:  -> t: allowed"},
		{"an alias less", prop(func(p *SchemaProperty) { p.Aliases = []string{"t"} }), prop(nil), "aliases: t -> : allowed"},
		{"the service's own alias", prop(func(p *SchemaProperty) { p.Refinable, p.Aliases = true, []string{"sys"} }),
			prop(func(p *SchemaProperty) { p.Refinable = true }), ""},
		{"another description", prop(nil), prop(func(p *SchemaProperty) { p.Description = "what it is about" }), "description:  -> what it is about: allowed"},
		{"no longer refinable", prop(func(p *SchemaProperty) { p.Refinable = true }), prop(nil), "isRefinable: true -> false: reingest"},
		{"newly refinable", prop(nil), prop(func(p *SchemaProperty) { p.Refinable = true }), "isRefinable: false -> true: newConnection"},
		{"refinable made searchable", prop(func(p *SchemaProperty) { p.Refinable = true }), prop(func(p *SchemaProperty) { p.Searchable = true }),
			"isSearchable: false -> true: newConnection\nisRefinable: true -> false: reingest"},
		{"exact match, of which v1.0 says nothing", prop(nil), prop(exact(true)), ""},
		{"exact match", prop(exact(false)), prop(exact(true)), "isExactMatchRequired: false -> true: reingest"},
		{"another type", prop(nil), prop(func(p *SchemaProperty) { p.Type = "string" }), "type: stringCollection -> string: newConnection"},
		{"a property less", append(prop(nil), SchemaProperty{Name: "gone", Type: "string"}), prop(nil), "property: string -> : newConnection"},
	} {
		var lines []string
		for _, c := range diffSchema(tt.have, tt.want) {
			lines = append(lines, fmt.Sprintf("%s: %s -> %s: %s", c.Change, c.Registered, c.Mapping, c.Verdict))
			if c.Property == "" || c.Reason == "" || !strings.HasPrefix(c.Source, "https://learn.microsoft.com/") {
				t.Errorf("%s: %+v lacks its property, reason or source", tt.name, c)
			}
		}
		if got := strings.Join(lines, "\n"); got != tt.changes {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.changes)
		}
	}
}

func TestWorst(t *testing.T) {
	all := []Verdict{Allowed, Reingest, NewConnection}
	for _, a := range all {
		for _, b := range all {
			d := SchemaDiff{Changes: []SchemaChange{{Verdict: a}, {Verdict: b}}}
			if got, want := d.Worst(), all[max(slices.Index(all, a), slices.Index(all, b))]; got != want {
				t.Errorf("the worst of %s and %s is %s, want %s", a, b, got, want)
			}
		}
	}
	if got := new(SchemaDiff).Worst(); got != Allowed {
		t.Errorf("the worst of nothing is %s", got)
	}
}

// A run asks before it registers whether what it has sent must be sent again.
func TestReingest(t *testing.T) {
	searchable := transform.Schema{tickets[0], tickets[1]}
	searchable[0].Labels = nil
	typed := transform.Schema{searchable[0], tickets[1]}
	typed[1].Type = transform.Double
	for _, tt := range []struct {
		name   string
		state  string
		schema transform.Schema
		want   int
	}{
		{"equal", "ready", tickets, 0},
		{"a label less", "ready", searchable, 1},
		{"a label less, in a draft", "draft", searchable, 0},
		{"what cannot be", "ready", typed, 0},
		{"a property more", "ready", append(slices.Clone(tickets), transform.PropertyDef{Name: "more", Type: transform.String}), 0},
	} {
		f, g := newFakeGraph(t, nil)
		registered(f)
		f.conns["hd"].info["state"] = tt.state
		changes, err := g.Reingest(t.Context(), tt.schema)
		if err != nil || len(changes) != tt.want || f.requests("PATCH") > 0 {
			t.Errorf("%s: %v, %v, requests %q; want %d changes and nothing written", tt.name, changes, err, f.log, tt.want)
		}
	}
}
