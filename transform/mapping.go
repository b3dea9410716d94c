// Package transform turns records into items by a mapping file.
package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"importer/extract"
)

// A Mapping is a parsed and checked mapping file. It is not changed after
// Load and is safe for concurrent use.
type Mapping struct {
	File string // as given to Load
	// Files are the files that the mapping was made of: itself, the side files,
	// and those that ${file:X} names.
	Files      []string
	Connection Connection
	Schema     Schema
	Sources    []*Source
	// Users and Teams are the people and groups of the identities file.
	Users []User
	Teams []Team
	// Entra says how Entra ID is asked for those whom no file has; nil is that
	// it is not.
	Entra *Entra
	// OnDuplicate says what happens to a record whose id another record of
	// the run had: "quarantine" (default), "first" or "last".
	OnDuplicate string
	// Drift says what happens when files are not as they were: "stop",
	// "quarantine", "evolve", or "", see Change.Serious.
	Drift string
	// MaxDeletes guards the sweep: a share (0.02) or a number, whichever is set.
	MaxDeletes Limit
	// MaxACLWidenings guards what becomes visible to more people.
	MaxACLWidenings Limit
	// MissedRuns is in how many runs in a row a record must be missing before
	// its item is deleted; 0 is 1.
	MissedRuns int
	// Errors is how many records may be refused before a run stops.
	Errors   Budget
	Schedule Schedule
	// ItemSize is the most bytes that an item may take as JSON.
	ItemSize int

	doc          *document
	converters   []extract.Converter
	spots        map[string]spot // of what Lint speaks of
	rules        nameRules
	match        []string // the columns of identities that count, as Graph calls them
	dropUnknown  bool     // a grant to somebody who is not known is left out
	identityFile string
	people       index       // of Users; nil without an identities file
	teams        index       // of Teams; the same
	groups       *groupTable // nil without a groups file and groups of columns
	groupColumns []string    // of the identities file
	accessFiles  string
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
	SAM         string // the account name in an on-premises domain
	SID         string // the security identifier there
	Guest       bool
}

// A Team is a group of the identities file. Its members matter to the local
// Graph alone.
type Team struct {
	ID          string // Entra object id
	DisplayName string
	Mail        string
	Members     []string // object ids
}

// A Source is one entry of a mapping's sources.
type Source struct {
	Name     string
	Path     string // as written: glob, folder or file, slash-separated, relative to the mapping's folder
	PathPos  Pos    // where the path stands in the mapping
	Optional bool   // matching no file is no error
	Options  extract.Options
	Sidecar  []string // endings of the files of metadata beside each file, such as ".yaml"

	m      *Mapping
	def    sourceDef
	drift  string
	plans  plans
	digest [32]byte

	modified bool // see UsesModified
}

// DriftPolicy is the mapping's Drift, or the source's own.
func (s *Source) DriftPolicy() string {
	if s.drift != "" {
		return s.drift
	}
	return s.m.Drift
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
	Excerpt string // the line with a caret below, may be ""; Error leaves it out

	column string // that the table does not have
	table  int    // where in Detail the table can be named, see Errors.In
}

func (e *Error) Error() string {
	s := e.Pos.String() + ": " + e.Detail
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// MarshalJSON writes a finding flat, with its excerpt beside its words.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Col     int    `json:"col"`
		Detail  string `json:"detail"`
		Remedy  string `json:"remedy,omitempty"`
		Excerpt string `json:"excerpt,omitempty"`
	}{e.Pos.File, e.Pos.Line, e.Pos.Col, e.Detail, e.Remedy, e.Excerpt})
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

// ErrSkip means that the mapping's where filtered the record out.
var ErrSkip = errors.New("filtered out by where")

// An ItemError says why a record cannot become an item.
type ItemError struct {
	Place    extract.Place // of the record, or of the cell that it fails by
	ID       string        // the item's id, when it could be made
	Reason   string        // a stable code: see the Reason constants
	Property string        // the property, or id, acl, content, activities, where
	Value    string        // the offending value, cut to 200 bytes
	Detail   string        // a full sentence without the place: what and the remedy
	// Columns are those that the record fails by: the one whose cell is wrong,
	// or all that the failing expression reads.
	Columns []string
	// Unknown are the names in its permissions that are nobody's.
	Unknown []Unknown
	// ACL are its permissions, nil where it is they that cannot be made.
	ACL []Access

	at spot // of the entry of the acl that it comes of, in the mapping; zero for all else
}

func (e *ItemError) Error() string { return e.Place.String() + ": " + e.Detail }
