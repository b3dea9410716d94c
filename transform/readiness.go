package transform

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Readiness is one thing that decides how well Microsoft Search and Copilot
// can use what a mapping makes.
type Readiness struct {
	ID     string // a stable name, such as labels
	Good   bool
	Fatal  bool   // not good, and nothing can be found so
	Found  string // a sentence
	Remedy string // "" when Good
}

// Readiness says how ready the items of the mapping are for Microsoft Search
// and Copilot. Nothing of it keeps a run from working. The rules are those of
// the Copilot connectors guidance that the CLI for Microsoft 365 and Dev Proxy
// check as well.
func (m *Mapping) Readiness() []Readiness {
	return []Readiness{m.labelled(), m.searchable(), m.contents(), m.described(), m.explained(), m.active()}
}

// copilotLabels are the labels without which content may not be shown.
var copilotLabels = []string{"title", "url", "iconUrl"}

func (m *Mapping) labelled() Readiness {
	r := Readiness{ID: "labels", Good: true, Found: "the labels title, url and iconUrl are there"}
	var missing []string
	for _, l := range copilotLabels {
		if !slices.ContainsFunc(m.Schema, func(p PropertyDef) bool { return slices.Contains(p.Labels, l) }) {
			missing = append(missing, l)
		}
	}
	if len(missing) > 0 {
		r.Good = false
		r.Found = fmt.Sprintf("no property has the label %s; Copilot may not show items without", strings.Join(missing, ", nor "))
		r.Remedy = fmt.Sprintf("label the properties that hold them, as in %s: {type: string, labels: [%[1]s], retrievable: true}", missing[0])
	}
	return r
}

func (m *Mapping) searchable() Readiness {
	n := 0
	for _, p := range m.Schema {
		if p.Searchable {
			n++
		}
	}
	if n > 0 {
		return Readiness{ID: "searchable", Good: true, Found: fmt.Sprintf("searchable properties: %d", n)}
	}
	r := Readiness{ID: "searchable", Found: "no property is searchable", Remedy: "make the property with the title searchable: true"}
	if !slices.ContainsFunc(m.Sources, func(s *Source) bool { return s.def.content != nil }) {
		r.Fatal, r.Found = true, "no property is searchable and no item has content, so that no word finds anything"
	}
	return r
}

func (m *Mapping) contents() Readiness {
	var without []string
	for _, s := range m.Sources {
		if s.def.content == nil {
			without = append(without, s.Name)
		}
	}
	if len(without) == 0 {
		return Readiness{ID: "content", Good: true, Found: "every source gives its items content"}
	}
	return Readiness{ID: "content", Found: "items have no content: source " + strings.Join(without, ", ") + "; Copilot answers from content and title only",
		Remedy: "give them content: {type: text, value: ...}, from the columns that say most"}
}

// fewWords is the length from which a description can say what is in a
// connection.
const fewWords = 8

func (m *Mapping) described() Readiness {
	words := len(strings.Fields(m.Connection.Description))
	r := Readiness{ID: "description", Remedy: "say in a few sentences what the items are, where they come from, and what questions they answer"}
	switch {
	case words == 0:
		r.Found = "the connection has no description, by which Copilot decides whether a question is for it"
	case strings.EqualFold(strings.TrimSpace(m.Connection.Description), strings.TrimSpace(m.Connection.Name)):
		r.Found = "the connection's description only repeats its name"
	case words < fewWords:
		r.Found = fmt.Sprintf("the connection's description has %s, and Copilot decides by it whether a question is for the connection", plural(int64(words), "word", "words"))
	default:
		return Readiness{ID: "description", Good: true, Found: fmt.Sprintf("the connection has a description of %d characters", utf8.RuneCountInString(m.Connection.Description))}
	}
	return r
}

// explained looks at the descriptions of properties, which help Copilot to
// turn a question into a query.
func (m *Mapping) explained() Readiness {
	queryable, described := 0, 0
	for _, p := range m.Schema {
		if p.Queryable {
			queryable++
			if p.Description != "" {
				described++
			}
		}
	}
	if queryable == 0 || described > 0 {
		return Readiness{ID: "properties", Good: true, Found: fmt.Sprintf("queryable properties: %d, with a description: %d", queryable, described)}
	}
	return Readiness{ID: "properties", Found: "no queryable property has a description, which would help Copilot to ask for it",
		Remedy: "describe those whose names do not say it all, such as description: 1 is the highest and 4 the lowest"}
}

func (m *Mapping) active() Readiness {
	if slices.ContainsFunc(m.Sources, func(s *Source) bool { return len(s.def.activities) > 0 }) {
		return Readiness{ID: "activities", Good: true, Found: "items tell who made or changed them"}
	}
	return Readiness{ID: "activities", Found: "no source tells who did what with an item, by which Microsoft 365 recommends items",
		Remedy: "add activities: to a source, such as {type: created, at: opened_at, by: requester_email}"}
}
