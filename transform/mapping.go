// Package transform turns records into items by a mapping file.
package transform

import (
	"errors"
	"fmt"
	"strings"

	"importer/extract"
)

// A Mapping is a parsed and checked mapping file. It is not changed after
// Load and is safe for concurrent use.
type Mapping struct {
	File       string // as given to Load
	Connection Connection
	Schema     Schema
	Sources    []*Source
	// Groups are the external groups of the groups file, ids encoded.
	Groups []Group
	// Users are the people of the identities file.
	Users []User
	// OnDuplicate says what happens to a record whose id another record of
	// the run had: "quarantine" (default), "first" or "last".
	OnDuplicate string
	// MaxDeletes guards the sweep: a share (0.02) or a number, whichever is set.
	MaxDeletes Limit
}

// A Limit is "2%" or "500" in a mapping. The zero Limit is the default.
type Limit struct {
	Share float64 // of 1
	Count int
	Set   bool
}

// A User is a line of the identities file.
type User struct {
	ID          string // Entra object id
	UPN, Mail   string
	DisplayName string
	EmployeeID  string
}

// A Source is one entry of a mapping's sources.
type Source struct {
	Name     string
	Path     string // as written: glob, folder or file, slash-separated, relative to the mapping's folder
	PathPos  Pos    // where the path stands in the mapping
	Optional bool   // matching no file is no error
	Options  extract.Options
}

// A Pos is a place in a mapping file.
type Pos struct {
	File      string
	Line, Col int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// An Error is one finding in a mapping. It prints as
// mappings/x.yaml:12:7: what is wrong; what to do.
type Error struct {
	Pos     Pos
	Detail  string // what is wrong
	Remedy  string // what to do; "did you mean ..."
	Excerpt string // the line with a caret below, may be ""
}

func (e *Error) Error() string {
	s := e.Pos.String() + ": " + e.Detail
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Errors are all findings of one check, in the order of the file.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Load reads and checks a mapping and its side files (identities, groups).
// Its error is an Errors, or an *Error when the file cannot be read.
func Load(path string) (*Mapping, error) { return nil, errors.New("not written yet") }

// ErrSkip means that the mapping's where filtered the record out.
var ErrSkip = errors.New("filtered out by where")

// An ItemError says why a record cannot become an item.
type ItemError struct {
	Place    extract.Place
	Reason   string // a stable code: see the Reason constants
	Property string // the property, or id, acl, content, activities, where
	Value    string // the offending value, cut to 200 bytes
	Detail   string // a full sentence without the place: what and the remedy
}

func (e *ItemError) Error() string { return e.Place.String() + ": " + e.Detail }

// Check type-checks every expression of the source against a table's columns,
// before anything is written; h is nil for sources of documents. Its error is
// an Errors.
func (s *Source) Check(h *extract.Header) error { return nil }

// Apply maps one record. It is pure and safe from many goroutines. Its error
// is ErrSkip, an *ItemError, or an Errors when the record's columns are not
// what the mapping needs.
func (s *Source) Apply(rec extract.Record) (*Item, error) { return nil, ErrSkip }

// Digest identifies everything that decides what a record of this source
// becomes: the source's part of the mapping, schema, identities and groups,
// and the version of this package. A changed digest means that every record
// is mapped again.
func (s *Source) Digest() [32]byte { return [32]byte{} }

// Digest identifies the item as the target sees it; Origin is left out.
func (it *Item) Digest() [32]byte { return [32]byte{} }

// EncodeID makes a legal item id of any key, stably and reversibly where it
// fits.
func EncodeID(key string) string { return key }
