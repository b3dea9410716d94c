package transform

import "slices"

// SideKind tells tables that are no records but people or groups, by the names
// of their columns: "identities", "groups" or "".
func SideKind(columns []string) string {
	var names []string
	for _, c := range columns {
		names = append(names, headerName(c))
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	switch {
	case has("group") && has("member") && (has("membertype") || len(names) <= 5):
		return "groups"
	case has("id") && has("displayname") && (has("userprincipalname") || has("mail")) && len(names) <= 40:
		return "identities"
	}
	return ""
}

// RecordLike tells the keys of an object that is a record itself, by their names:
// something identifies it, and something else says what it is.
func RecordLike(keys []string) bool {
	named, told := false, 0
	for _, k := range keys {
		switch {
		case !named && identifies(k):
			named = true
		case hasWord(k, titleWords), hasWord(k, longWords), hasWord(k, stateWords), hasWord(k, creatorWords), hasWord(k, createWords):
			told++
		}
	}
	return named && told > 0
}

// Slug makes a name of lower-case letters, digits and hyphens, as the function
// slug of the language does.
func Slug(s string) string { return slug(s) }

// Asks tells that the mapping does not say who may see the source's items.
func (s *Source) Asks() bool { return len(s.def.acl) == 0 }
