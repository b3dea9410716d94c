package load

import (
	"fmt"
	"slices"
	"strings"
)

// A Verdict says what a change of a registered schema takes.
type Verdict string

// The verdicts, the mildest first.
const (
	Allowed       Verdict = "allowed"       // as it is
	Reingest      Verdict = "reingest"      // allowed; items that are there are to be sent again
	NewConnection Verdict = "newConnection" // not allowed
)

// The pages that the verdicts follow.
const (
	updatePage   = "https://learn.microsoft.com/graph/connecting-external-content-manage-schema#schema-update-capabilities"
	propertyPage = "https://learn.microsoft.com/graph/api/resources/externalconnectors-property"
)

// A SchemaChange is one way in which a property of the mapping's schema differs
// from the registered one.
type SchemaChange struct {
	Property string `json:"property"`
	// Change is property (the whole of it), type, isSearchable, isQueryable,
	// isRetrievable, isRefinable, isExactMatchRequired, labels, aliases or
	// description.
	Change     string  `json:"change"`
	Registered string  `json:"registered"` // what the connection has, in words; "" is nothing
	Mapping    string  `json:"mapping"`    // what the mapping says
	Verdict    Verdict `json:"verdict"`
	Reason     string  `json:"reason"`
	Source     string  `json:"source"` // the page of the API that says so
}

// A SchemaDiff is what registering a schema would change.
type SchemaDiff struct {
	Connection string         `json:"connection"`
	State      string         `json:"state"`      // of the connection
	Registered bool           `json:"registered"` // there is a schema
	Changes    []SchemaChange `json:"changes"`    // none: it is equal
}

// Worst is the verdict on all changes together.
func (d *SchemaDiff) Worst() Verdict {
	worst := Allowed
	for _, c := range d.Changes {
		if c.Verdict == NewConnection || worst == Allowed {
			worst = c.Verdict
		}
	}
	return worst
}

// With gives the changes with a verdict.
func (d *SchemaDiff) With(v Verdict) []SchemaChange {
	var some []SchemaChange
	for _, c := range d.Changes {
		if c.Verdict == v {
			some = append(some, c)
		}
	}
	return some
}

// Changed puts changes into a line, such as "title: isSearchable, url: labels".
func Changed(changes []SchemaChange) string {
	words := make([]string, len(changes))
	for i, c := range changes {
		words[i] = c.Property + ": " + c.Change
	}
	return strings.Join(words, ", ")
}

// Draft tells that the connection has had no schema yet, whatever it answers.
func (d *SchemaDiff) Draft() bool { return d.State == stateDraft }

// A SchemaError lists what the mapping wants of the registered schema and the
// API does not allow.
type SchemaError struct {
	Connection string
	Changes    []SchemaChange
}

func (e *SchemaError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the schema of connection %s cannot become what the mapping says:", e.Connection)
	for _, c := range e.Changes {
		switch c.Change {
		case "property":
			fmt.Fprintf(&b, "\n  property %q is registered as %s, and the mapping has nothing of it", c.Property, c.Registered)
		default:
			fmt.Fprintf(&b, "\n  property %q is registered with %s %s, the mapping says %s", c.Property, c.Change, c.Registered, c.Mapping)
		}
	}
	b.WriteString("\nGraph lets a property neither change its type, nor go, nor become refinable: " +
		"choose a new connection id in the mapping, or delete the connection (importer connection delete) and crawl again")
	return b.String()
}

// diffSchema compares the registered schema with the wanted one, after the
// list of update capabilities in the page on schemas.
func diffSchema(have, want []SchemaProperty) []SchemaChange {
	var changes []SchemaChange
	for _, w := range want {
		i := slices.IndexFunc(have, func(h SchemaProperty) bool { return strings.EqualFold(h.Name, w.Name) })
		switch {
		case i >= 0:
			changes = append(changes, diffProperty(have[i], w)...)
		case len(have) == 0:
			changes = append(changes, SchemaChange{w.Name, "property", "", w.words(), Allowed, "it is the first schema of the connection", updatePage})
		default:
			changes = append(changes, SchemaChange{w.Name, "property", "", w.words(), Allowed,
				"a property can be added; the items that it changes are sent by the next run", updatePage})
		}
	}
	for _, h := range have {
		if !slices.ContainsFunc(want, func(w SchemaProperty) bool { return strings.EqualFold(h.Name, w.Name) }) {
			changes = append(changes, SchemaChange{h.Name, "property", h.words(), "", NewConnection, "there is no way to take a property out of a schema", updatePage})
		}
	}
	return changes
}

// diffProperty compares a registered property with the one of its name.
func diffProperty(have, want SchemaProperty) []SchemaChange {
	var changes []SchemaChange
	add := func(what, registered, mapping string, v Verdict, reason, source string) {
		changes = append(changes, SchemaChange{want.Name, what, registered, mapping, v, reason, source})
	}
	if !sameType(have.Type, want.Type) {
		add("type", have.Type, want.Type, NewConnection, "there is no way to change the type of a property", updatePage)
	}
	for _, f := range []struct {
		name       string
		have, want lenient
	}{
		{"isSearchable", have.Searchable, want.Searchable}, {"isQueryable", have.Queryable, want.Queryable},
		{"isRetrievable", have.Retrievable, want.Retrievable}, {"isRefinable", have.Refinable, want.Refinable},
	} {
		if f.have == f.want {
			continue
		}
		verdict, reason := Reingest, "a search capability that is added holds for items that are sent after it"
		switch {
		case f.name == "isRefinable" && bool(f.want):
			verdict, reason = NewConnection, "a property cannot be made refinable later"
		case f.name == "isSearchable" && bool(f.want) && bool(have.Refinable):
			verdict, reason = NewConnection, "a property that is refinable cannot be made searchable"
		case !bool(f.want):
			reason = "without it, items that are there are found otherwise than those that are sent after it"
		}
		add(f.name, fmt.Sprint(f.have), fmt.Sprint(f.want), verdict, reason, updatePage)
	}
	// v1.0 does not say whether a match must be exact.
	if have.ExactMatch != nil && bool(*have.ExactMatch) != want.exact() {
		add("isExactMatchRequired", fmt.Sprint(have.exact()), fmt.Sprint(want.exact()), Reingest,
			"it changes how a value is indexed, and the page does not say that it can be changed", propertyPage)
	}
	if !sameLabels(have.Labels, want.Labels) {
		add("labels", strings.Join(have.Labels, ", "), strings.Join(want.Labels, ", "), Reingest, "a label holds for items that are sent after it", updatePage)
	}
	// The service adds an alias of its own to a refinable property.
	if !containsAll(have.Aliases, want.Aliases) || !bool(have.Refinable) && !containsAll(want.Aliases, have.Aliases) {
		add("aliases", strings.Join(have.Aliases, ", "), strings.Join(want.Aliases, ", "), Allowed, "an alias is a name for queries only", updatePage)
	}
	if have.Description != want.Description {
		add("description", have.Description, want.Description, Allowed, "it helps Copilot to understand queries and changes no item", propertyPage)
	}
	return changes
}

// sameType takes unknownFutureValue for a type that is newer than the enum's
// first members, for a service that does not honour the Prefer header.
func sameType(have, want string) bool {
	return strings.EqualFold(have, want) || have == unknownMember && strings.HasPrefix(want, "principal")
}

// sameLabels takes unknownFutureValue for any label that is not listed.
func sameLabels(have, want []string) bool {
	if len(have) != len(want) {
		return false
	}
	known := slices.DeleteFunc(slices.Clone(have), func(l string) bool { return l == unknownMember })
	return containsAll(want, known)
}

// unknownMember stands for members of enums that are newer than it where the
// client does not ask for them.
const unknownMember = "unknownFutureValue"

// containsAll tells whether every one of names is in list, whatever the case.
func containsAll(list, names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) }) {
			return false
		}
	}
	return true
}

func (p SchemaProperty) exact() bool { return p.ExactMatch != nil && bool(*p.ExactMatch) }

// words describes a property in a few of them.
func (p SchemaProperty) words() string {
	return strings.Join(append([]string{p.Type}, p.Flags()...), " ")
}

// Flags names the flags that are set, as a mapping spells them.
func (p SchemaProperty) Flags() []string {
	var set []string
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"searchable", bool(p.Searchable)}, {"queryable", bool(p.Queryable)}, {"retrievable", bool(p.Retrievable)},
		{"refinable", bool(p.Refinable)}, {"exactMatch", p.exact()},
	} {
		if f.on {
			set = append(set, f.name)
		}
	}
	return set
}
