package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"importer/extract"
)

// A yamlOut is a YAML text on its way.
type yamlOut struct{ b strings.Builder }

func (y *yamlOut) line(format string, args ...any) {
	fmt.Fprintf(&y.b, format, args...)
	y.b.WriteByte('\n')
}

// note writes comments at an indentation.
func (y *yamlOut) note(indent string, lines ...string) {
	for _, l := range lines {
		l = strings.Join(strings.Fields(l), " ")
		for len(l) > 0 {
			part := l
			if room := 118 - len(indent); len(l) > room {
				if cut := strings.LastIndexByte(l[:room], ' '); cut > 0 {
					part = l[:cut]
				} else {
					part = l[:len(cutBytes(l, room))-len("…")]
				}
			}
			y.line("%s# %s", indent, strings.TrimSpace(part))
			l = strings.TrimSpace(l[len(part):])
		}
	}
}

func (w *drafting) write() []byte {
	y := &yamlOut{}
	if w.d.Schema != "" {
		y.line("# yaml-language-server: $schema=%s", w.d.Schema)
		y.line("")
	}
	y.note("", "Written by importer init from what the files hold. The comments say by what each guess was made; those with CHECK want "+
		"to be looked at. Two things only you can say: who may see the items (acl), and what they are (connection).")
	y.note("", w.d.Notes...)
	y.line("")
	y.line("version: 1")
	y.line("")
	y.line("connection:")
	y.line("  id: %s # 3 to 32 letters and digits; it cannot be changed later", connectionIDOf(w.d.Folder))
	y.line("  name: %s # what administrators see", scalarYAML(connectionNameOf(w.d.Folder), false))
	y.note("  ", "Copilot decides by this text whether a question is for this connection.")
	y.line("  description: %q", placeholder+": what the items are, where they come from, and which questions they answer.")
	y.line("")
	w.writeSchema(y)
	w.writePeople(y)
	y.line("sources:")
	for i, s := range w.sources {
		if i > 0 {
			y.line("")
		}
		w.writeSource(y, s)
	}
	return []byte(y.b.String())
}

func (w *drafting) writeSchema(y *yamlOut) {
	y.note("", "searchable: found by its words; queryable: by name, as in status:open; refinable: filtered, sorted and counted; "+
		"retrievable: shown. A label tells Microsoft 365 what a property means.")
	y.line("schema:")
	wide := 0
	for _, p := range w.props {
		wide = max(wide, len(p.def.Name))
	}
	for _, p := range w.inOrder() {
		y.line("  %-*s {%s}", wide+1, p.def.Name+":", definition(p.def))
	}
	if w.labels["url"] == "" {
		y.note("  ", `url: no column holds the address of an item, without which Copilot may not show it. Where it can be made of others: `+
			`url: {type: string, labels: [url], retrievable: true}, and below properties: url: '"https://example.com/items/" + urlEscape(ID)'`)
	}
	y.line("")
}

func definition(p PropertyDef) string {
	parts := []string{"type: " + p.Type.String()}
	if len(p.Labels) > 0 {
		parts = append(parts, "labels: ["+strings.Join(p.Labels, ", ")+"]")
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"searchable", p.Searchable}, {"refinable", p.Refinable}, {"retrievable", p.Retrievable}, {"queryable", p.Queryable}} {
		if f.set {
			parts = append(parts, f.name+": true")
		}
	}
	return strings.Join(parts, ", ")
}

// writePeople writes where people and groups are found, or how they would be.
func (w *drafting) writePeople(y *yamlOut) {
	mails, teams := w.columnsFor(func(g *guess) bool { return g.kind == roleMail || g.listsMails() }), w.columnsFor((*guess).isTeam)
	switch {
	case w.d.Identities != "":
		y.line("identities: {file: %s, match: [email, employeeId]} # it has the columns of a list of people", scalarYAML(w.d.Identities, true))
	case len(mails) > 0:
		y.note("", fmt.Sprintf("People in permissions are found by a file of your directory (columns id, userPrincipalName, mail, displayName, employeeId). Mail addresses stand in %s.", strings.Join(mails, ", ")),
			"identities: {file: directory.csv, match: [email]}", "identities: {entra: true} # asks Entra ID instead; needs User.Read.All")
	}
	switch {
	case w.d.Groups != "":
		y.line("groups: {file: %s} # it has the columns of a list of groups", scalarYAML(w.d.Groups, true))
	case len(teams) > 0:
		y.note("", fmt.Sprintf("Groups of your own, with their members (columns group, displayName, memberType, member). %s may name some.", strings.Join(teams, ", ")),
			"groups: {file: groups.csv}")
	}
	if w.d.Identities != "" || w.d.Groups != "" || len(mails)+len(teams) > 0 {
		y.line("")
	}
}

func (w *drafting) columnsFor(is func(*guess) bool) (names []string) {
	for _, s := range w.sources {
		for i := range s.guesses {
			if g := &s.guesses[i]; g.expr != "" && is(g) && !slices.Contains(names, g.c.Name) {
				names = append(names, g.c.Name)
			}
		}
	}
	return names
}

// listsMails tells of a column of lists of mail addresses. Of one with many
// different values only the cells that hold a single address tell.
func (g *guess) listsMails() bool {
	return g.typ == StringCollection && (strings.Contains(strings.Join(topOf(g.c, 3), ""), "@") || g.c.of(classMail) > 0)
}

func (g *guess) isTeam() bool {
	if g.listsMails() {
		return false
	}
	return g.typ == String && g.few && hasWord(g.c.Name, teamWords) || g.typ == StringCollection && hasWord(g.c.Name, teamWords)
}

func (w *drafting) writeSource(y *yamlOut, s *draftSource) {
	p := s.profile
	seen := fmt.Sprintf("%s of %s", plural(p.Records, "record", "records"), plural(p.Files, "file", "files"))
	switch {
	case p.Sampled && (s.format == extract.JSON.Name || s.format == extract.XML.Name):
		seen += ", of the larger ones their beginning"
	case p.Sampled:
		seen += ", a sample from all over them"
	}
	if p.Bad > 0 {
		seen += fmt.Sprintf("; %s could not be read", plural(p.Bad, "record", "records"))
	}
	y.note("  ", append([]string{"Seen: " + seen + "."}, s.notes...)...)
	y.line("  - name: %s", s.name)
	y.line("    path: %s", scalarYAML(s.path, false))
	if len(s.sheets) > 0 {
		names := make([]string, len(s.sheets))
		for i, n := range s.sheets {
			names[i] = scalarYAML(n, true)
		}
		y.line("    excel: {sheets: [%s]}", strings.Join(names, ", "))
	}
	if s.customs.clockDates > 0 {
		y.line("    timezone: UTC # CHECK: times carry no zone; write that of the clocks, such as Europe/Rome")
	}
	w.writeRecords(y, s)
	if s.ocr {
		y.line("    ocr: {languages: [eng]} # CHECK: the languages of the texts, as tesseract names them")
	}
	if s.header > 0 {
		y.line("    csv: {header: %d} # what stands above is no header", s.header)
	}
	if names := s.filledColumns(); p.Blank > 0 && !s.docs() && len(names) > 0 && len(names) <= 20 {
		y.line("    where: %s # %s", scalarYAML(strings.Join(names, " + ")+` != ""`, false), plural(p.Blank, "row is blank", "rows are blank"))
	}
	w.writeAttachments(y, s)
	y.note("    ", s.id.notes...)
	y.line("    id: %s", scalarYAML(s.id.expr, false))
	y.line("    properties:")
	w.writeProperties(y, s)
	w.writeContent(y, s)
	w.writeACL(y, s)
}

// writeRecords says where the records of files of keys and values are, and which
// columns they have.
func (w *drafting) writeRecords(y *yamlOut, s *draftSource) {
	key, option := "json", "records"
	if s.format == extract.XML.Name {
		key, option = "xml", "record"
	}
	if s.recordsNote != "" {
		y.note("    ", s.recordsNote)
	}
	var parts []string
	if s.records != "" {
		parts = append(parts, option+": "+scalarYAML(s.records, true))
	}
	if len(s.columns) > 0 {
		y.note("    ", "columns: not every file has all of them")
		names := make([]string, len(s.columns))
		for i, name := range s.columns {
			names[i] = scalarYAML(name, true)
		}
		parts = append(parts, "columns: ["+strings.Join(names, ", ")+"]")
	}
	if len(parts) > 0 {
		y.line("    %s: {%s}", key, strings.Join(parts, ", "))
	}
}

// writeAttachments offers items of what is attached to the documents.
func (w *drafting) writeAttachments(y *yamlOut, s *draftSource) {
	r := s.rows
	if r.attached == 0 {
		return
	}
	y.note("    ", fmt.Sprintf("%s attached to %s, such as %s. Their names are told; take the # off, and each that can be read is an item as well, with the permissions of its document.",
		plural(r.attached, "file is", "files are"), plural(r.attaching, "document", "documents"), strings.Join(r.attachedNames, ", ")))
	y.line("    # attachments: items")
}

// filledColumns are the columns that hold anything, as expressions.
func (s *draftSource) filledColumns() (names []string) {
	for i := range s.guesses {
		if g := &s.guesses[i]; g.expr != "" {
			names = append(names, insideName(g.c.Name))
		}
	}
	return names
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

func (w *drafting) writeProperties(y *yamlOut, s *draftSource) {
	switch {
	case s.docs():
		for _, f := range s.fileProperties() {
			expr := f.expr
			if f.def.Name == "title" {
				expr = s.titleExpr()
			}
			y.line("      %s: %s", f.def.Name, scalarYAML(expr, false))
		}
	case s.bare:
		y.line("      %s: %s # no column holds anything", fileProperties[1].def.Name, fileProperties[1].expr)
	}
	var left []string
	for i := range s.guesses {
		g := &s.guesses[i]
		switch {
		case g.expr == "":
			left = append(left, fmt.Sprintf("%s: %s", g.c.Name, strings.Join(g.notes, "; ")))
			continue
		case g.prop == "" || g.isContentOnly(s):
			continue
		}
		w.writeProperty(y, g)
	}
	for _, l := range left {
		y.note("      ", "left out: "+l)
	}
}

func (w *drafting) writeProperty(y *yamlOut, g *guess) {
	value := scalarYAML(g.expr, false)
	if g.omit {
		value = fmt.Sprintf("{value: %s, onError: omit}", scalarYAML(g.expr, true))
	}
	line := fmt.Sprintf("      %s: %s", g.prop, value)
	notes := g.notes
	if len(notes) == 1 && len(line)+len(notes[0]) < 130 && !strings.HasPrefix(notes[0], "CHECK") {
		line += " # " + strings.Join(strings.Fields(notes[0]), " ")
		notes = notes[1:]
	}
	y.note("      ", notes...)
	y.line("%s", line)
}

func (w *drafting) writeContent(y *yamlOut, s *draftSource) {
	if s.docs() {
		y.line("    content: {type: text, value: body}")
		return
	}
	var parts []string
	for _, g := range s.content {
		parts = append(parts, insideName(g.c.Name))
	}
	if len(parts) == 0 {
		y.note("    ", "content: no column holds words; Copilot answers from content and title only")
		return
	}
	expr := strings.Join(parts, ` + "\n\n" + `)
	if len(parts) > 1 {
		expr = "trim(" + expr + ")"
	}
	for _, g := range s.content {
		if g.isContentOnly(s) {
			y.note("    ", g.c.Name+": "+first(g.notes))
		}
	}
	y.line("    content: {type: text, value: %s}", scalarYAML(expr, true))
}

// writeACL asks who may see the items. It does not guess: it lists what the
// columns offer.
func (w *drafting) writeACL(y *yamlOut, s *draftSource) {
	y.note("    ", "Who may see these items? Only you can say: take the # off one of these lines, or write your own. Several entries add up, "+
		"deny beats grant, and an item that nobody is granted is refused.")
	y.line("    # acl: [{grant: everyone}] # all of the organisation, guests included")
	y.line("    # acl: [{grant: everyoneExceptGuests}]")
	for i := range s.guesses {
		g := &s.guesses[i]
		c, value := g.c, ""
		if g.expr != "" {
			value = scalarYAML(wholeName(c.Name), true)
		}
		switch {
		case value == "":
		case g.kind == roleMail && hasWord(c.Name, notWords):
			y.line("    # acl: [{grant: everyone}, {deny: user, value: %s}] # its name says who may not; %s; needs identities", value, strings.Join(strings.Fields(first(g.notes)), " "))
		case hasWord(c.Name, notWords): // it may say who may not: no line for it is better than a wrong one
		case g.kind == roleMail:
			y.line("    # acl: [{grant: user, value: %s}] # %s; needs identities", value, strings.Join(strings.Fields(first(g.notes)), " "))
		case g.listsMails():
			y.line("    # acl: [{grant: user, value: %s}] # lists of mail addresses; needs identities", scalarYAML(g.expr, true))
		case g.isTeam():
			expr := value
			if g.typ == StringCollection {
				expr = scalarYAML(g.expr, true)
			}
			seen := c.choices(4)
			if seen == "" {
				seen = first(g.notes)
			}
			y.line("    # acl: [{grant: externalGroup, value: %s}] # %s; needs groups", expr, cutBytes(oneWide(seen), 80))
		case g.typ == Boolean && hasWord(c.Name, secretWords):
			y.line("    # acl: [{grant: everyone}, {deny: externalGroup, value: '\"GROUP\"', when: %s}] # yes or no", value)
		case g.few && len(c.Top) > 0 && (hasWord(c.Name, openWords) || hasWord(c.Name, secretWords)):
			when := scalarYAML(fmt.Sprintf("%s == %s", insideName(c.Name), strconv.Quote(c.Top[0].Value)), true)
			y.line("    # acl: [{grant: everyone, when: %s}] # %s", when, cutBytes(oneWide(c.choices(6)), 80))
		}
	}
	if s.docs() && s.deep {
		y.line("    # acl: [{grant: externalGroup, value: 'extract(file.path, \"([^/]+)/[^/]+$\")'}] # the group that the folder is called by; needs groups")
	}
}

func oneWide(s string) string { return strings.Join(strings.Fields(s), " ") }

func topOf(c *Column, n int) (values []string) {
	for _, t := range c.Top[:min(n, len(c.Top))] {
		values = append(values, t.Value)
	}
	return values
}
