package transform

import (
	"fmt"
	"slices"
	"strings"
)

// A Name is a name of a person or group that is to be looked up.
type Name struct {
	Kind string // user or group
	Text string // folded, and by the mapping's rules
}

// Found is what a directory says of a name. The zero Found is that nobody has
// it.
type Found struct {
	ID      string // Entra object id; "" is nobody's, or several's
	Several bool
	// Of people, as property values show them.
	DisplayName, Mail, UPN string
}

// A Directory answers names that no file has, from what it has found out
// already: it does not wait. ok is false for a name that it was not asked for
// yet.
type Directory interface {
	Known(n Name) (f Found, ok bool)
}

// An UnresolvedError says that a record cannot be mapped before its names are
// looked up. It is no fault of the record: see Source.ApplyWith.
type UnresolvedError struct{ Names []Name }

func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("%d names have to be looked up first", len(e.Names))
}

// NamesPeople tells whether what the source's records become may depend on
// whom names are.
func (s *Source) NamesPeople() bool {
	return len(s.def.activities) > 0 ||
		slices.ContainsFunc(s.def.acl, func(a aclDef) bool { return a.kind == "user" || a.kind == "group" || a.from != "" }) ||
		slices.ContainsFunc(s.def.props, func(p propDef) bool { elem, _ := elementOf(p.def.Type); return elem == PrincipalType })
}

// NamesGroups tells whether groups of Entra ID may have to be looked up.
func (m *Mapping) NamesGroups() bool {
	if m.groups != nil && slices.ContainsFunc(m.groups.members, func(gm groupMember) bool { return gm.name && memberTypes[gm.kind] == "group" }) {
		return true
	}
	return slices.ContainsFunc(m.Sources, func(s *Source) bool {
		return slices.ContainsFunc(s.def.acl, func(a aclDef) bool { return a.kind == "group" || a.from != "" })
	})
}

// An Unknown is a name in permissions that is nobody's, or several people's.
type Unknown struct {
	Kind    string `json:"kind"` // user, group or externalGroup
	Name    string `json:"name"` // as it was looked for, cut to 200 bytes
	Several bool   `json:"several,omitempty"`
}

// names resolves the names of one record.
type names struct {
	m       *Mapping
	dir     Directory // nil: Entra ID cannot be asked
	pending []Name    // that dir has no answer to yet
}

// find looks a person or group up. known is false when that is nobody, and
// several when it may be several. Of a name that has to be looked up first it
// gives nothing that may be used: see pending.
func (w *names) find(kind, name string) (f Found, known bool) {
	for _, text := range w.m.rules.spellings(name) {
		if f, known = w.m.inFile(kind, text); known || f.Several {
			return f, known
		}
	}
	if w.m.Entra == nil || w.dir == nil || isGUID(name) {
		return Found{}, false
	}
	waiting := false
	for _, text := range w.m.rules.spellings(name) {
		n := Name{kind, fold(text)}
		f, asked := w.dir.Known(n)
		switch {
		case !asked:
			w.pending = append(w.pending, n)
			waiting = true
		case !waiting && (f.ID != "" || f.Several):
			return f, f.ID != ""
		}
	}
	return Found{}, false
}

// inFile looks a name up in the identities file.
func (m *Mapping) inFile(kind, name string) (f Found, known bool) {
	k := fold(name)
	if kind == "group" {
		i, ok := m.teams[k]
		if !ok || i == ambiguous {
			return Found{Several: ok}, false
		}
		return Found{ID: m.Teams[i].ID, DisplayName: m.Teams[i].DisplayName, Mail: m.Teams[i].Mail}, true
	}
	i, ok := m.people[k]
	if !ok || i == ambiguous {
		return Found{Several: ok}, false
	}
	u := &m.Users[i]
	return Found{ID: u.ID, DisplayName: u.DisplayName, Mail: u.Mail, UPN: u.UPN}, true
}

// person makes a principal of a person's name as a property value. Unlike in
// an ACL an unknown one is no error: it is shown, it permits nothing.
func (w *names) person(name string) Principal {
	text := w.m.rules.apply(name)
	if f, known := w.find("user", text); known {
		return Principal{ExternalName: name, EntraID: f.ID, EntraDisplayName: f.DisplayName, Email: f.Mail, UPN: f.UPN}
	}
	switch {
	case isGUID(text):
		return Principal{EntraID: strings.ToLower(text)}
	case strings.Contains(text, "@"):
		return Principal{ExternalName: name, Email: text}
	}
	return Principal{ExternalName: name}
}

// principal gives the id of whom an ACL names. Its error is a *fault of reason
// ReasonUnknownPrincipal. While a name is pending the id is "".
func (w *names) principal(kind, name string) (string, error) {
	if kind == "externalGroup" {
		return w.m.externalGroup(name)
	}
	text := w.m.rules.apply(name)
	before := len(w.pending)
	f, known := w.find(kind, text)
	switch {
	case known:
		return f.ID, nil
	case len(w.pending) > before:
		return "", nil
	case f.Several:
		return "", w.unknown(kind, name, text, true, fmt.Sprintf("the %s %q fits several %s", kind, name, w.place("lines of the identities file", "objects in Entra ID")),
			"use a value that only one of them has, such as the mail")
	case isGUID(text):
		if _, person := w.m.people[fold(text)]; person && kind == "group" {
			return "", w.unknown(kind, name, text, false, fmt.Sprintf("%q is a person of the identities file, not a group", name), "write user, or the object id of a group")
		}
		return strings.ToLower(text), nil
	}
	detail, remedy := w.nobody(kind, name, text)
	return "", w.unknown(kind, name, text, false, detail, remedy)
}

func (w *names) unknown(kind, name, text string, several bool, detail, remedy string) error {
	if text == "" {
		text = name // that a rule has emptied
	}
	return &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: detail, remedy: remedy,
		unknown: &Unknown{kind, cutBytes(fold(text), 200), several}}
}

// nobody says that a name is not known, and what to do.
func (w *names) nobody(kind, name, text string) (detail, remedy string) {
	m := w.m
	called := fmt.Sprintf("the %s %q", kind, name)
	if text != fold(name) && text != name {
		called += fmt.Sprintf(", looked for as %q,", text)
	}
	if part := w.several(kind, text); part != "" {
		return called + " is not known, and " + part + " in it is", `several names in one cell need split(), as in split(column, ";")`
	}
	if _, person := m.people[fold(text)]; person && kind == "group" {
		return fmt.Sprintf("%q is a person of the identities file, not a group", name), "write user, or the object id of a group"
	}
	if _, team := m.teams[fold(text)]; team && kind == "user" {
		return fmt.Sprintf("%q is a group of the identities file, not a person", name), "write group instead of user"
	}
	switch {
	case m.people == nil && m.Entra == nil && kind == "group":
		return called + " is no Entra object id", "write the id of the group, make it an external group, or look it up by identities: {entra: true}"
	case m.people == nil && m.Entra == nil:
		return called + " is no Entra object id", "name a file of people under identities, so that it can be looked up"
	case m.Entra == nil && kind == "group":
		return called + " is no Entra object id and no group of the identities file", "write the id of the group, or make it an external group"
	case m.Entra == nil:
		return called + " is not in the identities file", "add the line to the identities file, or correct the name"
	case w.dir == nil:
		return called + " is not in the identities file, and Entra ID was not asked", "run it into a target with a directory: --target local or graph"
	case m.people == nil:
		return called + " is not in Entra ID", "correct the name, or say with match by which properties people are named"
	}
	return called + " is neither in the identities file nor in Entra ID", "correct the name, or add it to the identities file"
}

// several finds a name that is known in a text of several; "" is none.
func (w *names) several(kind, text string) string {
	for _, sep := range []string{";", ",", "|", "\n"} {
		parts := strings.Split(text, sep)
		if len(parts) < 2 || len(parts) > 100 {
			continue
		}
		for _, part := range parts {
			if _, known := w.m.inFile(kind, part); known {
				return fmt.Sprintf("%q", trim(part))
			}
		}
	}
	return ""
}

func (w *names) place(file, entra string) string {
	if w.m.people == nil {
		return entra
	}
	return file
}
