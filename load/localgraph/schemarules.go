package localgraph

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A ptype is a property type of the connectors schema.
type ptype uint8

const (
	noType ptype = iota
	tString
	tInt64
	tDouble
	tDateTime
	tBoolean
	tStrings
	tInt64s
	tDoubles
	tDateTimes
	tPrincipal
	tPrincipals
)

// typeTable spells the types, and names what the annotation of a collection
// must say. Dates are DateTimeOffset, never DateTime (put-items page).
var typeTable = [...]struct {
	name       string
	annotation string
	element    ptype
}{
	tString:     {name: "string"},
	tInt64:      {name: "int64"},
	tDouble:     {name: "double"},
	tDateTime:   {name: "dateTime"},
	tBoolean:    {name: "boolean"},
	tStrings:    {"stringCollection", "Collection(String)", tString},
	tInt64s:     {"int64Collection", "Collection(Int64)", tInt64},
	tDoubles:    {"doubleCollection", "Collection(Double)", tDouble},
	tDateTimes:  {"dateTimeCollection", "Collection(DateTimeOffset)", tDateTime},
	tPrincipal:  {name: "principal"},
	tPrincipals: {"principalCollection", "Collection(microsoft.graph.externalConnectors.principal)", tPrincipal},
}

func (t ptype) String() string { return typeTable[t].name }

// element is the type of one value: the type itself, unless it is a collection.
func (t ptype) element() ptype {
	if e := typeTable[t].element; e != noType {
		return e
	}
	return t
}

func (t ptype) collection() bool { return typeTable[t].element != noType }
func (t ptype) text() bool       { return t == tString || t == tStrings }

// parseType takes any case: samples and the CLI send "String".
func parseType(name string) (ptype, bool) {
	for i, row := range typeTable {
		if row.name != "" && strings.EqualFold(row.name, name) {
			return ptype(i), true
		}
	}
	return noType, false
}

// A labelRule says which property types may carry a label. The reference
// gives types for people labels only; the others follow from their meaning
// and from samples, and labels of no clear type take any.
type labelRule struct {
	name  string
	types []ptype
	early bool // before unknownFutureValue in the enum
}

var (
	oneString  = []ptype{tString}
	oneDate    = []ptype{tDateTime}
	persons    = []ptype{tString, tStrings, tPrincipal, tPrincipals}
	manyString = []ptype{tStrings}
)

// labelRules lists the labels of the v1.0 model, the two that the reference
// page spells otherwise (assignedTo, numReactions) included.
var labelRules = []labelRule{
	{"title", oneString, true}, {"url", oneString, true}, {"createdBy", persons, true}, {"lastModifiedBy", persons, true},
	{"authors", persons, true}, {"createdDateTime", oneDate, true}, {"lastModifiedDateTime", oneDate, true},
	{"fileName", oneString, true}, {"fileExtension", oneString, true},
	{"containerName", oneString, false}, {"containerUrl", oneString, false}, {"iconUrl", oneString, false},
	{"assignedToPeople", persons, false}, {"assignedTo", persons, false}, {"closedBy", persons, false}, {"closedDate", oneDate, false},
	{"priority", nil, false}, {"priorityNormalized", nil, false}, {"sprintName", oneString, false}, {"tags", []ptype{tString, tStrings}, false},
	{"severity", nil, false}, {"state", nil, false}, {"dueDate", oneDate, false}, {"itemParentId", nil, false}, {"itemPath", nil, false},
	{"itemType", nil, false}, {"numberOfReactions", nil, false}, {"numReactions", nil, false}, {"parentUrl", oneString, false},
	{"reportedBy", persons, false}, {"secondaryId", nil, false},
	{"personAccount", oneString, false}, {"personCurrentPosition", oneString, false}, {"personName", oneString, false},
	{"personNote", oneString, false}, {"personWebSite", oneString, false},
	{"personEmails", manyString, false}, {"personAddresses", manyString, false}, {"personAnniversaries", manyString, false},
	{"personPhones", manyString, false}, {"personWebAccounts", manyString, false}, {"personSkills", manyString, false},
	{"personProjects", manyString, false}, {"personAwards", manyString, false}, {"personCertifications", manyString, false},
	{"personAssistants", manyString, false}, {"personColleagues", manyString, false}, {"personManager", manyString, false},
	{"personAlternateContacts", manyString, false}, {"personEmergencyContacts", manyString, false},
	{"personEducationalActivities", manyString, false}, {"personInterests", manyString, false}, {"personLanguages", manyString, false},
	{"personPublications", manyString, false}, {"personPatents", manyString, false}, {"personWorkPositions", manyString, false},
}

func findLabel(name string) *labelRule {
	for i := range labelRules {
		if strings.EqualFold(labelRules[i].name, name) {
			return &labelRules[i]
		}
	}
	return nil
}

// checkSchema enforces the documented rules on a whole schema.
func checkSchema(props []*property) error {
	if len(props) == 0 {
		return badRequest("properties: a schema needs at least one")
	}
	if len(props) > 128 {
		return badRequest("properties: a schema has at most 128, not %d", len(props))
	}
	names := map[string]string{} // lower-case name or alias -> whose it is
	labels := map[string]string{}
	claim := func(name, owner string) error {
		key := strings.ToLower(name)
		if other, ok := names[key]; ok {
			return badRequest("property %q: the name %q is already used by property %q", owner, name, other)
		}
		names[key] = owner
		return nil
	}
	for _, p := range props {
		if err := claim(p.Name, p.Name); err != nil {
			return err
		}
	}
	for _, p := range props {
		if p.SystemAlias == "" {
			continue
		}
		if err := claim(p.SystemAlias, p.Name); err != nil {
			return err
		}
	}
	for _, p := range props {
		if err := checkProperty(p); err != nil {
			return err
		}
		for _, a := range p.Aliases {
			if err := checkName("alias", a); err != nil {
				return badRequest("property %q: %v", p.Name, err)
			}
			if err := claim(a, p.Name); err != nil {
				return err
			}
		}
		for _, l := range p.Labels {
			if other, ok := labels[l]; ok {
				return badRequest("property %q: the label %q is already on property %q", p.Name, l, other)
			}
			labels[l] = p.Name
		}
	}
	return checkPeople(props, labels)
}

// peopleLater are the people labels that are not supported yet (July 2026).
var peopleLater = []string{"personManager", "personAssistants", "personColleagues", "personAlternateContacts", "personEmergencyContacts"}

func (p *property) people() bool {
	return len(p.Labels) > 0 && strings.HasPrefix(p.Labels[0], "person")
}

// checkPeople enforces the rules of a schema of people: one personAccount,
// and no principals.
func checkPeople(props []*property, labels map[string]string) error {
	i := slices.IndexFunc(props, (*property).people)
	if i < 0 {
		return nil
	}
	if labels["personAccount"] == "" {
		return badRequest("property %q: with the label %s a schema needs one property with the label personAccount", props[i].Name, props[i].Labels[0])
	}
	for _, p := range props {
		if p.typ.element() == tPrincipal {
			return badRequest("property %q: a schema of people has no properties of the type %v", p.Name, p.typ)
		}
	}
	return nil
}

// addSystemAliases gives each refinable property the alias that the service
// adds to it. Its name is not documented; this one is unlike what people choose.
func addSystemAliases(props []*property) {
	taken := map[string]bool{}
	for _, p := range props {
		for _, name := range append([]string{p.Name, p.SystemAlias}, p.Aliases...) {
			taken[strings.ToLower(name)] = true
		}
	}
	for _, p := range props {
		for n := 0; p.Refinable && p.SystemAlias == ""; n++ {
			if name := fmt.Sprintf("Refinable%02d", n); !taken[strings.ToLower(name)] {
				taken[strings.ToLower(name)] = true
				p.SystemAlias = name
			}
		}
	}
}

func checkProperty(p *property) error {
	if err := checkName("name", p.Name); err != nil {
		return badRequest("property %q: %v", p.Name, err)
	}
	bad := func(format string, args ...any) error {
		return badRequest("property %q: %s", p.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case p.Searchable && !p.typ.text():
		return bad("isSearchable needs the type string or stringCollection, not %v", p.typ)
	case p.Searchable && p.Refinable:
		return bad("isRefinable and isSearchable exclude each other")
	case p.ExactMatch && !p.typ.text():
		return bad("isExactMatchRequired needs the type string or stringCollection, not %v", p.typ)
	case p.ExactMatch && p.Searchable:
		return bad("isExactMatchRequired and isSearchable exclude each other")
	case p.Refinable && p.typ.element() == tPrincipal:
		return bad("isRefinable needs a string, number or date, not %v", p.typ)
	case len(p.Labels) > 1:
		return bad("a property has at most one label, not %d", len(p.Labels))
	case utf8.RuneCountInString(p.Description) > 200:
		return bad("the description is longer than 200 characters")
	}
	for i, name := range p.Labels {
		rule := findLabel(name)
		if rule == nil {
			return bad("%q is not a label", name)
		}
		p.Labels[i] = rule.name
		if rule.types != nil && !slices.Contains(rule.types, p.typ) {
			return bad("the label %s needs the type %s, not %v", rule.name, orList(rule.types), p.typ)
		}
		if slices.Contains(peopleLater, rule.name) {
			return bad("the label %s is not supported yet", rule.name)
		}
		if !p.Retrievable && !p.people() { // of people's properties the flags do not count
			return bad("the label %s needs isRetrievable", rule.name)
		}
	}
	return nil
}

// checkName enforces "at most 32 characters, alphanumeric".
func checkName(what, name string) error {
	if name == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	if len(name) > 32 {
		return fmt.Errorf("the %s %q is longer than 32 characters", what, name)
	}
	for _, r := range name {
		if !alphanumeric(r) {
			return fmt.Errorf("the %s %q may have letters and digits only, not %q", what, name, r)
		}
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func orList(types []ptype) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, " or ")
}

// mergeSchema applies a PATCH to a registered schema: properties are added or
// changed, those that the body leaves out stay. What the documents call
// impossible is refused.
func mergeSchema(old, changes []*property) ([]*property, error) {
	props := slices.Clone(old)
	for _, p := range changes {
		i := slices.IndexFunc(props, func(q *property) bool { return strings.EqualFold(q.Name, p.Name) })
		if i < 0 {
			props = append(props, p)
			continue
		}
		was := props[i]
		switch {
		case was.Name != p.Name:
			return nil, badRequest("property %q: a property cannot be renamed (to %q); delete the connection and make it anew", was.Name, p.Name)
		case was.typ != p.typ:
			return nil, badRequest("property %q: the type cannot change from %v to %v; delete the connection and make it anew", p.Name, was.typ, p.typ)
		case p.Refinable && !was.Refinable:
			return nil, badRequest("property %q: isRefinable cannot be added to a registered property", p.Name)
		}
		p.SystemAlias = was.SystemAlias
		p.Aliases = slices.DeleteFunc(p.Aliases, func(a string) bool { return a != "" && strings.EqualFold(a, was.SystemAlias) })
		props[i] = p
	}
	return props, nil
}
