package transform

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"importer/extract"
)

// version changes when this package would make another item of the same
// record by the same mapping.
const version = "transform/2"

// A canon writes values one after the other so that different sequences give
// different bytes: every text goes with its length.
type canon struct{ b []byte }

func (c *canon) str(s string) {
	c.b = binary.AppendUvarint(c.b, uint64(len(s)))
	c.b = append(c.b, s...)
}

func (c *canon) num(n int) { c.b = binary.AppendVarint(c.b, int64(n)) }

func (c *canon) bool(v bool) {
	if v {
		c.b = append(c.b, 1)
	} else {
		c.b = append(c.b, 0)
	}
}

func (c *canon) strs(ss []string) {
	c.num(len(ss))
	for _, s := range ss {
		c.str(s)
	}
}

func (c *canon) value(v *Value) {
	c.b = append(c.b, byte(v.Type))
	switch v.Type {
	case String, DateTime:
		c.str(v.Str)
	case Int64:
		c.b = binary.AppendVarint(c.b, v.Int)
	case Double:
		c.b = binary.LittleEndian.AppendUint64(c.b, math.Float64bits(v.Float))
	case Boolean:
		c.bool(v.Bool)
	case StringCollection, DateTimeCollection:
		c.strs(v.Strs)
	case Int64Collection:
		c.num(len(v.Ints))
		for _, n := range v.Ints {
			c.b = binary.AppendVarint(c.b, n)
		}
	case DoubleCollection:
		c.num(len(v.Floats))
		for _, f := range v.Floats {
			c.b = binary.LittleEndian.AppendUint64(c.b, math.Float64bits(f))
		}
	case PrincipalType, PrincipalCollection:
		c.num(len(v.Persons))
		for _, p := range v.Persons {
			for _, s := range [...]string{p.ExternalName, p.ExternalID, p.EntraDisplayName, p.EntraID, p.Email, p.UPN, p.TenantID} {
				c.str(s)
			}
		}
	}
}

var canons = sync.Pool{New: func() any { return &canon{b: make([]byte, 0, 4096)} }}

// Parts are components of an item that the API takes apart from each other.
type Parts uint8

// The components, in the order of their digests.
const (
	PartACL Parts = 1 << iota
	PartProperties
	PartContent
	PartActivities
	AllParts = PartACL | PartProperties | PartContent | PartActivities
)

// partSize is how many bytes of an item's digest are of one part: by chance
// two texts of one item have the same 64 bits once in 10^19 changes.
const partSize = 8

// Differ tells which parts of an item differ, given two of its digests. A
// digest of another length is that of another version: everything differs.
func Differ(have, want []byte) (p Parts) {
	if len(have) != 4*partSize || len(want) != 4*partSize {
		return AllParts
	}
	for i := range 4 {
		if at := i * partSize; string(have[at:at+partSize]) != string(want[at:at+partSize]) {
			p |= 1 << i
		}
	}
	return p
}

// Digest identifies the item as the target sees it, its Origin left out: eight
// bytes for each of its Parts, the id with the ACL. An absent part has zeros.
func (it *Item) Digest() (d [32]byte) {
	c := canons.Get().(*canon)
	part := func(at Parts) {
		if len(c.b) > 0 {
			sum := sha256.Sum256(c.b)
			copy(d[bits.TrailingZeros8(uint8(at))*partSize:], sum[:partSize])
		}
		c.b = c.b[:0]
	}
	c.b = c.b[:0]
	c.str(it.ID)
	for _, a := range it.ACL {
		c.str(a.Type)
		c.str(a.Value)
		c.bool(a.Deny)
	}
	part(PartACL)
	for i := range it.Properties {
		c.str(it.Properties[i].Name)
		c.value(&it.Properties[i].Value)
	}
	part(PartProperties)
	if it.Content.Type != "" {
		c.str(it.Content.Type)
		c.str(it.Content.Value)
	}
	part(PartContent)
	for i := range it.Activities {
		c.activity(&it.Activities[i])
	}
	part(PartActivities)
	if cap(c.b) <= 1<<20 { // a rare huge item must not stay in the pool
		canons.Put(c)
	}
	return d
}

func (c *canon) activity(a *Activity) {
	c.str(a.Type)
	c.b = binary.AppendVarint(c.b, a.At.Unix())
	c.num(a.At.Nanosecond())
	c.str(a.ByType)
	c.str(a.ByID)
}

// Hash tells an activity of an item from its others, in eight bytes.
func (a *Activity) Hash() []byte {
	var c canon
	c.activity(a)
	sum := sha256.Sum256(c.b)
	return sum[:partSize]
}

// Digest identifies everything that decides what a record of this source
// becomes: the source's part of the mapping, schema, identities and groups,
// and the versions of this package and of the formats' readers. A changed digest means that every record
// is mapped again.
func (s *Source) Digest() [32]byte { return s.digest }

func (s *Source) computeDigest() [32]byte {
	var c canon
	m, d := s.m, &s.def
	c.str(version)
	c.str(idScheme)
	c.num(m.ItemSize)
	for _, p := range m.Schema {
		c.str(p.Name)
		c.num(int(p.Type))
	}
	c.str(s.Name)
	c.str(d.loc.String())
	for _, f := range s.formats() {
		c.str(f.Name)
		c.str(f.VersionFor(s.Options))
	}
	opt := s.Options
	opt.Warn, opt.Found = nil, nil
	c.str(fmt.Sprintf("%+v", opt))
	c.strs(s.Sidecar)
	c.expr(d.where)
	c.expr(d.id)
	c.num(len(d.props))
	for i := range d.props {
		p := &d.props[i]
		c.str(p.def.Name)
		c.expr(p.x)
		c.str(p.onError)
		c.value(&p.fallback)
	}
	c.expr(d.content)
	c.bool(d.html)
	c.num(len(d.acl))
	for _, a := range d.acl {
		c.str(a.kind)
		c.bool(a.deny)
		c.expr(a.value)
		c.expr(a.when)
		c.str(a.from)
		if a.access != nil && a.access.who != nil {
			for _, k := range keysOf(a.access.who.rows) {
				c.strs([]string{k, a.access.who.rows[k].kind, a.access.who.rows[k].value})
			}
		}
	}
	c.num(len(d.activities))
	for _, a := range d.activities {
		c.str(a.kind)
		c.expr(a.at)
		c.expr(a.by)
		c.expr(a.when)
		if a.events != nil {
			c.str("events/2") // what is kept of their records
			c.expr(a.events.id)
			c.b = append(c.b, a.events.table.sum[:]...)
		}
	}
	xs := s.expressions()
	for _, a := range d.activities {
		if a.events != nil {
			xs = append(xs, a.events.id, a.at, a.by, cmp.Or(a.when, a.by))
		}
	}
	for _, x := range xs {
		for _, file := range x.lookupFiles() {
			if t, err := m.doc.tables().table(file); err == nil { // else no record is mapped
				c.str(file)
				c.b = append(c.b, t.sum[:]...)
			}
		}
	}
	m.identityDigest(&c)
	return sha256.Sum256(c.b)
}

// identityDigest is what decides who the names of records are, but for what
// Entra ID says.
func (m *Mapping) identityDigest(c *canon) {
	c.strs(m.match)
	for _, r := range m.rules.rewrite {
		c.strs([]string{r.match.String(), r.replace})
	}
	c.bool(m.rules.strip)
	c.str(m.rules.domain)
	c.bool(m.dropUnknown)
	c.bool(m.Entra != nil)
	c.bool(m.people != nil)
	c.num(len(m.Users))
	for _, u := range m.Users {
		c.strs([]string{u.ID, u.UPN, u.Mail, u.DisplayName, u.EmployeeID, u.SAM, u.SID})
	}
	c.num(len(m.Teams))
	for _, t := range m.Teams {
		c.strs([]string{t.ID, t.DisplayName, t.Mail})
	}
	c.bool(m.groups != nil)
	c.str(m.accessFiles)
	if m.groups != nil {
		for _, g := range m.groups.list {
			c.str(g.ID)
		}
	}
}

// AccessDigest is what a file's own permissions add to what decides what its
// records become; nil is nothing. path is relative to the source's root.
func (s *Source) AccessDigest(path string, acc *extract.Access) []byte {
	var c canon
	for _, a := range s.def.acl {
		switch {
		case a.from == "ntfs" && a.access.paths != nil:
			grants, denies, ok := a.access.paths.of(path)
			c.bool(ok)
			c.strs(grants)
			c.strs(denies)
		case a.from == "posix" && acc != nil:
			c.str(fmt.Sprint(acc.Posix, acc.Unknown))
		case a.from == "folder" && acc != nil:
			c.str(acc.Folder)
			c.str(acc.Unknown)
		}
	}
	return c.b
}

// Limit sets limits of the source's files in place of its own, where they are
// set. They are a change of the mapping as any other.
func (s *Source) Limit(l extract.Limits) {
	if l != (extract.Limits{}) {
		s.Options.Limits = l.Over(s.Options.Limits)
		s.digest = s.computeDigest()
	}
}

// UsesModified tells whether the file's time can decide what a record becomes:
// then a file that was rewritten with the same content is not unchanged.
func (s *Source) UsesModified() bool { return s.modified }

// fileModified is file.modified in any spelling.
var fileModified = regexp.MustCompile(`\bfile\W{1,8}modified\b`)

func (s *Source) usesModified() bool {
	return slices.ContainsFunc(s.expressions(), func(x *expression) bool { return fileModified.MatchString(x.s) })
}

// formats are those that the source's files may be in, as far as its path says.
func (s *Source) formats() []*extract.Format {
	var some []*extract.Format
	if s.Options.Attachments == extract.AttachmentItems {
		return extract.Formats // an attachment may be of any
	}
	ext := strings.ToLower(path.Ext(s.Path))
	for _, f := range extract.Formats {
		if s.Options.Format == f.Name || s.Options.Format == "" && slices.Contains(f.Exts, ext) {
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		return extract.Formats
	}
	return some
}

func (c *canon) expr(x *expression) {
	c.bool(x != nil)
	if x != nil {
		c.str(x.s)
	}
}
