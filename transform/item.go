package transform

import (
	"time"

	"importer/extract"
)

// An Item is one external item: what a record becomes. It says nothing of how
// it travels; the wire form is the target's business.
type Item struct {
	ID         string // legal as an item id: [A-Za-z0-9_-]{1,128}
	ACL        []Access
	Properties []Property // in the schema's order; absent values are left out
	Content    Content
	Activities []Activity
	Origin     Origin
	// Send is what of the item is to be sent, when the target has the rest just
	// so; 0 is all of it.
	Send Parts
	// Truncated tells that Content was cut to the target's size limit.
	Truncated bool
	// Dropped are those whom the record grants the item and nobody knows, where
	// the mapping wants them left out.
	Dropped []Unknown
}

// An Origin is where an item comes from.
type Origin struct {
	Source string        `json:"source"` // the mapping's source name
	Key    string        `json:"key"`    // the id before it was encoded
	Place  extract.Place `json:"place"`
}

// A Property is a named, typed value.
type Property struct {
	Name  string
	Value Value
}

// A Value is a property's value in one of the schema's types. Only the field
// that Type names is set; collections use the slice of their element type.
// It is a struct rather than an any because millions of them are made.
type Value struct {
	Type    Type
	Bool    bool   // beside Type, which makes the struct a word smaller
	Str     string // String, and DateTime in the wire form 2006-01-02T15:04:05Z
	Int     int64  // Int64
	Float   float64
	Strs    []string // StringCollection, DateTimeCollection
	Ints    []int64
	Floats  []float64
	Persons []Principal // Principal (one), PrincipalCollection
}

// A Principal is a person as a property value (not an ACL entry).
type Principal struct {
	ExternalName, ExternalID, EntraDisplayName, EntraID, Email, UPN, TenantID string
}

// An Access is one entry of an item's ACL.
type Access struct {
	Type  string // user, group, everyone, everyoneExceptGuests, externalGroup
	Value string // Entra object id; the external group's id; "everyone"
	Deny  bool   // deny wins over grant
}

// Content is an item's text.
type Content struct {
	Type  string // "text" or "html"; "" when the item has no content
	Value string
}

// An Activity is something that a person did with an item.
type Activity struct {
	Type   string // viewed, modified, created, commented
	At     time.Time
	ByType string // user, group, externalGroup
	ByID   string
}
