package transform

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// reservedIDs cannot be connection ids:
// https://learn.microsoft.com/graph/api/resources/externalconnectors-externalconnection
// Whether case matters is not stated, so it does not here.
var reservedIDs = []string{"None", "Directory", "Exchange", "ExchangeArchive", "LinkedIn", "Mailbox", "OneDriveBusiness", "SharePoint",
	"Teams", "Yammer", "Connectors", "TaskFabric", "PowerBI", "Assistant", "TopicEngine", "MSFT_All_Connectors"}

func checkConnection(d *document, s section, c Connection) {
	if s.has("id") && c.ID != "" {
		if fault, remedy := ConnectionIDFault(c.ID); fault != "" {
			d.errorf(s.posOf("id"), remedy, "%s", fault)
		}
	}
	if n := utf8.RuneCountInString(c.Name); n > 128 {
		d.errorf(s.posOf("name"), "shorten it", "the connection's name has %d characters, at most 128 are allowed", n)
	}
	for _, k := range []string{"id", "name"} {
		if v, ok := s.byN[k]; ok && strings.TrimSpace(s.text(k)) == "" && !isNull(v.value) {
			d.errorf(s.posOf(k), "write one", "the connection's %s is empty", k)
		}
	}
}

// ConnectionIDFault says what is wrong with the id of a connection, and what to
// do; "" is nothing. The service itself answers a bad one with "malformed or
// incorrect" and no more.
func ConnectionIDFault(id string) (fault, remedy string) {
	switch {
	case len(id) < 3 || len(id) > 32 || !isAlphanumeric(id):
		return fmt.Sprintf("the connection id %q is not 3 to 32 letters and digits", id), "use 3 to 32 letters and digits, such as " + connectionIDFrom(id)
	case strings.HasPrefix(strings.ToLower(id), "microsoft"):
		return fmt.Sprintf("the connection id %q starts with Microsoft, which is reserved", id), "choose another id"
	case slices.ContainsFunc(reservedIDs, func(r string) bool { return strings.EqualFold(r, id) }):
		return fmt.Sprintf("the connection id %q is reserved", id), "choose another id, such as contoso" + strings.ToLower(id)
	}
	return "", ""
}

func connectionIDFrom(id string) string {
	var b strings.Builder
	for i := 0; i < len(id) && b.Len() < 32; i++ {
		if isAlphanumeric(id[i : i+1]) {
			b.WriteByte(id[i])
		}
	}
	if b.Len() < 3 {
		return "contosohelpdesk"
	}
	return b.String()
}

func isAlphanumeric(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}

// A schemaRule is one rule of the connectors schema for one property; it says
// what is wrong, and what to do, or "".
type schemaRule struct {
	key  string // where the caret stands
	rule func(p *PropertyDef) (detail, remedy string)
}

// The rules of https://learn.microsoft.com/graph/api/resources/externalconnectors-property,
// and, for boolean, of the connectors SDK's best practices.
var schemaRules = []schemaRule{
	{"searchable", func(p *PropertyDef) (string, string) {
		if p.Searchable && !isText(p.Type) {
			return "only string and stringCollection can be searchable, not " + p.Type.String(), "take searchable out; queryable finds it as name:value"
		}
		return "", ""
	}},
	{"refinable", func(p *PropertyDef) (string, string) {
		switch {
		case p.Refinable && p.Searchable:
			return "it cannot be both searchable and refinable", "keep one of the two"
		case p.Refinable && p.Type == Boolean:
			return "a boolean cannot be refinable", "take refinable out, or make it a string"
		case p.Refinable && (p.Type == PrincipalType || p.Type == PrincipalCollection):
			return "a " + p.Type.String() + " cannot be refinable", "take refinable out"
		}
		return "", ""
	}},
	{"exactMatch", func(p *PropertyDef) (string, string) {
		switch {
		case p.ExactMatch && p.Searchable:
			return "it cannot be both searchable and exactMatch", "keep one of the two"
		case p.ExactMatch && !isText(p.Type):
			return "only string and stringCollection can be exactMatch, not " + p.Type.String(), "take exactMatch out"
		}
		return "", ""
	}},
	{"labels", func(p *PropertyDef) (string, string) {
		switch {
		case len(p.Labels) > 1:
			return "it has " + strings.Join(p.Labels, " and ") + " as labels; one property has at most one", "keep one of them"
		case len(p.Labels) == 1 && !p.Retrievable:
			return "the label " + p.Labels[0] + " needs retrievable", "add retrievable: true"
		}
		return "", ""
	}},
	{"description", func(p *PropertyDef) (string, string) {
		if utf8.RuneCountInString(p.Description) > 200 {
			return "its description has more than 200 characters", "shorten it"
		}
		return "", ""
	}},
}

func isText(t Type) bool { return t == String || t == StringCollection }

// checkSchema checks what can be said of the properties, each with the section
// that it was read from.
func checkSchema(d *document, schema Schema, sections []section) {
	taken := map[string]string{} // lower-case name or alias -> whose it is
	labels := map[string]string{}
	for i := range schema {
		p, s := &schema[i], sections[i]
		for _, r := range schemaRules {
			if detail, remedy := r.rule(p); detail != "" {
				d.errorf(s.posOf(r.key), remedy, "property %q: %s", p.Name, detail)
			}
		}
		for _, l := range s.scalars("labels") {
			checkLabel(d, p, l, labels)
		}
		if whose, clash := taken[strings.ToLower(p.Name)]; clash {
			d.errorf(s.pos, "rename one of them; upper and lower case are the same to the service", "property %q has the same name as %s", p.Name, whose)
		}
		taken[strings.ToLower(p.Name)] = "property " + quoted(p.Name)
	}
	for i := range schema {
		for _, a := range sections[i].scalars("aliases") {
			if !isAlphanumeric(a.s) || len(a.s) > 32 {
				d.errorf(a.pos, "use letters and digits", "property %q: the alias %q is not 1 to 32 letters and digits", schema[i].Name, a.s)
			}
			if whose, clash := taken[strings.ToLower(a.s)]; clash {
				d.errorf(a.pos, "choose another alias", "property %q: the alias %q is already that of %s", schema[i].Name, a.s, whose)
			}
			taken[strings.ToLower(a.s)] = "an alias of property " + quoted(schema[i].Name)
		}
	}
}

func quoted(s string) string { return `"` + s + `"` }

// checkPropertyName reports a name that the service refuses.
func checkPropertyName(d *document, name string, pos spot) {
	switch {
	case len(name) > 32:
		d.errorf(pos, "shorten it", "the property name %q has %d characters, at most 32 are allowed", name, len(name))
	case !isAlphanumeric(name):
		d.errorf(pos, "use letters and digits only, such as "+camel(name), "the property name %q is not made of letters and digits", name)
	}
}

// camel proposes a legal name: "due date" gives dueDate.
func camel(name string) string {
	var b strings.Builder
	up := false
	for i := 0; i < len(name); i++ {
		if !isAlphanumeric(name[i : i+1]) {
			up = b.Len() > 0
			continue
		}
		c := name[i : i+1]
		if up {
			c = strings.ToUpper(c)
		}
		up = false
		b.WriteString(c)
	}
	if b.Len() == 0 {
		return "dueDate"
	}
	return b.String()[:min(b.Len(), 32)]
}

// A label of the connectors schema, and the types that it goes with.
type label struct {
	name  string
	types []Type
	doc   string
}

var (
	textTypes   = []Type{String}
	dateTypes   = []Type{DateTime}
	peopleTypes = []Type{String, StringCollection, PrincipalType, PrincipalCollection}
	numberTypes = []Type{Int64, Double}
	listTypes   = []Type{StringCollection}
	anyText     = []Type{String, StringCollection}
	levelTypes  = []Type{String, Int64, Double}
)

// labelTable holds the labels of v1.0 (model of 2026-06). The service
// documents the types of the people labels; those of the others are what its
// samples send. Only names and types that cannot be meant are refused.
var labelTable = []label{
	{"title", textTypes, "the item's title"},
	{"url", textTypes, "where the item can be opened"},
	{"iconUrl", textTypes, "its icon"},
	{"createdBy", peopleTypes, "who made it"},
	{"lastModifiedBy", peopleTypes, "who changed it last"},
	{"authors", peopleTypes, "who wrote it"},
	{"createdDateTime", dateTypes, "when it was made"},
	{"lastModifiedDateTime", dateTypes, "when it was changed last"},
	{"fileName", textTypes, "the file's name"},
	{"fileExtension", textTypes, "the file's extension"},
	{"containerName", textTypes, "the name of what holds it"},
	{"containerUrl", textTypes, "where that can be opened"},
	{"assignedToPeople", peopleTypes, "work items: who has to do it"},
	{"closedBy", peopleTypes, "work items: who closed it"},
	{"closedDate", dateTypes, "work items: when it was closed"},
	{"priority", levelTypes, "work items: the priority"},
	{"priorityNormalized", levelTypes, "work items: the priority on a common scale"},
	{"sprintName", textTypes, "work items: the sprint"},
	{"tags", anyText, "work items: the tags"},
	{"severity", levelTypes, "work items: the severity"},
	{"state", textTypes, "work items: the state"},
	{"dueDate", dateTypes, "work items: when it is due"},
	{"itemParentId", levelTypes, "work items: the parent's id"},
	{"itemPath", textTypes, "work items: the path"},
	{"itemType", textTypes, "work items: the type"},
	{"numberOfReactions", numberTypes, "work items: how many reactions"},
	{"parentUrl", textTypes, "work items: the parent's address"},
	{"reportedBy", peopleTypes, "work items: who reported it"},
	{"secondaryId", levelTypes, "work items: another id"},
	{"personAccount", textTypes, "people: the account, exactly one"},
	{"personName", textTypes, "people: the name"},
	{"personCurrentPosition", textTypes, "people: the position"},
	{"personNote", textTypes, "people: a note"},
	{"personWebSite", textTypes, "people: the web site"},
	{"personEmails", listTypes, "people: the e-mail addresses"},
	{"personAddresses", listTypes, "people: the addresses"},
	{"personAnniversaries", listTypes, "people: the anniversaries"},
	{"personPhones", listTypes, "people: the telephones"},
	{"personWebAccounts", listTypes, "people: the web accounts"},
	{"personSkills", listTypes, "people: the skills"},
	{"personProjects", listTypes, "people: the projects"},
	{"personAwards", listTypes, "people: the awards"},
	{"personCertifications", listTypes, "people: the certifications"},
	{"personEducationalActivities", listTypes, "people: the education"},
	{"personInterests", listTypes, "people: the interests"},
	{"personLanguages", listTypes, "people: the languages"},
	{"personPublications", listTypes, "people: the publications"},
	{"personPatents", listTypes, "people: the patents"},
	{"personWorkPositions", listTypes, "people: the positions held"},
	{"personAssistants", listTypes, "people: the assistants"},
	{"personColleagues", listTypes, "people: the colleagues"},
	{"personManager", anyText, "people: the manager"},
	{"personAlternateContacts", listTypes, "people: other contacts"},
	{"personEmergencyContacts", listTypes, "people: emergency contacts"},
}

// labelRenames are spellings of the reference page that the model, which is
// what the service checks, spells otherwise.
var labelRenames = map[string]string{"assignedTo": "assignedToPeople", "numReactions": "numberOfReactions"}

func checkLabel(d *document, p *PropertyDef, l scalar, owners map[string]string) {
	i := slices.IndexFunc(labelTable, func(k label) bool { return k.name == l.s })
	if i < 0 {
		remedy := suggest(l.s, labelNames())
		if to, ok := labelRenames[l.s]; ok {
			remedy = "the service calls it " + to
		}
		d.errorf(l.pos, remedy, "property %q: the label %q is not known", p.Name, l.s)
		return
	}
	if p.Type != NoType && !slices.Contains(labelTable[i].types, p.Type) {
		names := make([]string, len(labelTable[i].types))
		for j, t := range labelTable[i].types {
			names[j] = t.String()
		}
		d.errorf(l.pos, "make the property a "+strings.Join(names, " or "), "property %q: the label %s does not go with the type %s", p.Name, l.s, p.Type)
	}
	if owner, taken := owners[l.s]; taken {
		d.errorf(l.pos, "keep one of the two", "property %q: the label %s is already that of property %q", p.Name, l.s, owner)
		return
	}
	owners[l.s] = p.Name
}

func labelNames() []string {
	names := make([]string, len(labelTable))
	for i, l := range labelTable {
		names[i] = l.name
	}
	return names
}
