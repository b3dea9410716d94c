package transform

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml/ast"

	"importer/extract"
)

// defaultItemSize keeps a whole request under the 4 MB (4,000,000 bytes) that
// Graph took until 2026, with room for the envelope. It takes 30 MB now, but
// not in every cloud.
const defaultItemSize = 3_500_000

// Load reads and checks a mapping and its side files (identities, groups).
// Its error is an Errors, or an *Error when the file cannot be read.
func Load(path string) (*Mapping, error) { return load(path, false) }

// LoadDraft is Load for a mapping that may lack its ACLs, to look at what it
// makes: items of such a source have none, and no target must ever get them.
func LoadDraft(path string) (*Mapping, error) { return load(path, true) }

func load(path string, draft bool) (*Mapping, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, &Error{Pos: Pos{File: path, Line: 1, Col: 1}, Detail: "the mapping is a folder", Remedy: "name the file in it"}
	}
	src, err := readLimited(path, maxMapping)
	if err != nil {
		return nil, &Error{Pos: Pos{File: path, Line: 1, Col: 1}, Detail: "the mapping cannot be read: " + reasonOf(err).Error(), Remedy: "check its path and permissions"}
	}
	return parseAs(path, src, draft)
}

// parse reads a mapping from src; side files are relative to file.
func parse(file string, src []byte) (*Mapping, error) { return parseAs(file, src, false) }

func parseAs(file string, src []byte, draft bool) (*Mapping, error) {
	d, body := parseDocument(file, src)
	d.draft = draft
	m := &Mapping{File: file, OnDuplicate: "quarantine", ItemSize: defaultItemSize, doc: d, spots: map[string]spot{}}
	if body != nil {
		m.read(body)
	}
	m.Files = append([]string{file}, d.files...)
	if len(d.errs) > 0 {
		sortErrors(d.errs, file)
		return nil, d.errs
	}
	for _, s := range m.Sources {
		s.digest, s.modified = s.computeDigest(), s.usesModified()
	}
	return m, nil
}

func (m *Mapping) read(body ast.Node) {
	d := m.doc
	top, ok := d.section(body, "mapping", "the mapping")
	if !ok {
		return
	}
	if v, ok := top.scalar("version"); ok && v.s != "1" {
		d.errorf(v.pos, "write version: 1", "version %q of the mapping language is not known to this program", v.s)
	}
	if f, ok := top.byN["connection"]; ok {
		m.readConnection(f.value)
	}
	if f, ok := top.byN["schema"]; ok {
		m.spots["schema"] = f.key
		m.readSchema(f)
	}
	groups, hasGroups := m.child(top, "groups", "groups")
	if hasGroups {
		m.prepareGroups(groups)
	}
	if s, ok := m.child(top, "identities", "identities"); ok {
		m.readIdentities(s)
	}
	if hasGroups {
		m.readGroups(groups)
	}
	if s, ok := m.child(top, "schedule", "schedule"); ok {
		m.readSchedule(s)
	}
	if s, ok := m.child(top, "safety", "safety"); ok {
		m.MaxDeletes, m.MaxACLWidenings = s.limit("maxDeletes"), s.limit("maxAclWidenings")
		m.MissedRuns, m.Errors = s.int("deleteAfter", 1), s.budget("maxErrors")
	}
	if s, ok := m.child(top, "target", "target"); ok && s.has("itemSize") {
		m.ItemSize = m.itemSize(s)
	}
	if top.has("duplicates") {
		m.OnDuplicate = top.word("mapping", "duplicates")
	}
	if top.has("drift") {
		m.Drift = top.word("mapping", "drift")
	}
	loc := top.zone("timezone")
	if loc == nil {
		loc = time.UTC
	}
	if f, ok := top.byN["converters"]; ok {
		m.readConverters(f)
	}
	if f, ok := top.byN["sources"]; ok {
		m.spots["sources"] = f.key
		m.readSources(f, loc)
	}
	m.checkMembers()
}

func (m *Mapping) itemSize(s section) int {
	n := s.size("itemSize")
	if n > 0 && (n < 10_000 || n > 30_000_000) {
		m.doc.errorf(s.posOf("itemSize"), "Graph takes 4 MB everywhere and 30 MB at most", "target: itemSize is not between 10KB and 30MB")
	}
	return int(n)
}

// child reads an object below a section; ok is false when it is not there.
func (m *Mapping) child(s section, name, what string) (section, bool) {
	f, ok := s.byN[name]
	if !ok {
		return section{}, false
	}
	return m.doc.section(f.value, name, what)
}

func (m *Mapping) readConnection(n ast.Node) {
	s, ok := m.doc.section(n, "connection", "connection")
	if !ok {
		return
	}
	m.spots["description"] = s.posOf("description")
	m.Connection = Connection{ID: s.text("id"), Name: s.text("name"), Description: s.text("description")}
	if s.has("contentCategory") {
		m.Connection.ContentCategory = s.word("connection", "contentCategory")
	}
	checkConnection(m.doc, s, m.Connection)
}

func (m *Mapping) readSchema(f field) {
	d := m.doc
	fields, ok := d.fields(f.value, "schema")
	if !ok {
		return
	}
	if len(fields) == 0 || len(fields) > 128 {
		d.errorf(f.key, "the service takes 1 to 128", "the schema has %d properties", len(fields))
	}
	var sections []section
	for _, f := range fields {
		checkPropertyName(d, f.name, f.key)
		s, ok := d.section(f.value, "schema property", "property "+quoted(f.name))
		if !ok {
			continue
		}
		p := PropertyDef{Name: f.name, Searchable: s.bool("searchable"), Queryable: s.bool("queryable"), Retrievable: s.bool("retrievable"),
			Refinable: s.bool("refinable"), ExactMatch: s.bool("exactMatch"), Aliases: s.texts("aliases"), Labels: s.texts("labels"), Description: s.text("description")}
		s.pos, m.spots["schema "+f.name] = f.key, f.key
		if w := s.word("schema property", "type"); w != "" {
			p.Type, _ = ParseType(w)
		}
		m.Schema = append(m.Schema, p)
		sections = append(sections, s)
	}
	checkSchema(d, m.Schema, sections)
}

func (m *Mapping) readSources(f field, loc *time.Location) {
	nodes := m.doc.list(f.value)
	if len(nodes) == 0 {
		m.doc.errorf(f.key, "add - name: ... with path, id, properties and acl", "the mapping has no sources")
	}
	seen := map[string]spot{}
	for i, n := range nodes {
		s := m.readSource(n, i, loc)
		if s == nil || s.Name == "" {
			continue
		}
		if first, dup := seen[s.Name]; dup {
			m.doc.errorf(s.def.pos, "give each source a name of its own", "the name %q is already that of the source in line %d", s.Name, first.line)
		}
		seen[s.Name] = s.def.pos
		m.Sources = append(m.Sources, s)
	}
}

func (m *Mapping) readSource(n ast.Node, i int, loc *time.Location) *Source {
	d := m.doc
	what := fmt.Sprintf("source %d", i+1)
	if name := d.peekName(n); name != "" {
		what = "source " + quoted(name)
	}
	sec, ok := d.section(n, "source", what)
	if !ok {
		return nil
	}
	s := &Source{m: m, Name: sec.text("name"), Optional: sec.bool("optional")}
	s.def.pos = sec.posOf("name")
	if sec.has("name") && strings.TrimSpace(s.Name) == "" {
		d.errorf(s.def.pos, "write a short name", "%s: the name is empty", what)
	}
	if sec.has("drift") {
		s.drift = sec.word("source", "drift")
	}
	m.readPath(s, sec)
	m.readOptions(s, sec)
	m.readSidecar(s, sec)
	s.def.loc = loc
	if l := sec.zone("timezone"); l != nil {
		s.def.loc = l
	}
	s.def.scope = scopeOf(s)
	s.def.where = d.expression(sec, "where", wantsBool)
	s.def.id = d.expression(sec, "id", wantsID)
	m.readProperties(s, sec)
	m.readContent(s, sec)
	m.readACL(s, sec)
	m.readActivities(s, sec)
	before := len(d.errs)
	if errs, _ := s.names(); len(errs) > 0 {
		d.errs = append(d.errs[:before], errs...)
	}
	return s
}

// readContent reads the content: an object, or only its expression.
func (m *Mapping) readContent(s *Source, sec section) {
	f, ok := sec.byN["content"]
	if !ok {
		return
	}
	switch m.doc.plain(f.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		if c, ok := m.childOf(sec, "content", "content"); ok {
			s.def.content = m.doc.expression(c, "value", wantsText)
			s.def.html = c.has("type") && c.word("content", "type") == "html"
		}
	case *ast.SequenceNode:
		m.doc.errorf(sec.posOf("content"), "write one expression, such as title + \"\\n\" + body", "%s: content is one text, not a list", sec.what)
	default:
		s.def.content = m.doc.expression(sec, "content", wantsText)
	}
}

// childOf reads an object below a source.
func (m *Mapping) childOf(s section, name, object string) (section, bool) {
	f, ok := s.byN[name]
	if !ok {
		return section{}, false
	}
	return m.doc.section(f.value, object, s.what+": "+name)
}

// peekName finds a source's name for messages, without reporting anything.
func (d *document) peekName(n ast.Node) string {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		n = anchor.Value
	}
	mn, ok := n.(*ast.MappingNode)
	if !ok {
		return ""
	}
	for _, kv := range mn.Values {
		if s, ok := kv.Value.(*ast.StringNode); ok && keyName(kv.Key) == "name" && !strings.Contains(s.Value, "${") {
			return s.Value
		}
	}
	return ""
}

func (m *Mapping) readPath(s *Source, sec section) {
	v, ok := sec.scalar("path")
	if !ok {
		return
	}
	s.Path, s.PathPos = filepath.ToSlash(v.s), m.doc.pos(v.pos)
	switch {
	case strings.TrimSpace(v.s) == "":
		m.doc.errorf(v.pos, "write a file, a folder or a glob such as tickets/*.csv", "%s: the path is empty", sec.what)
	case !doublestar.ValidatePattern(s.Path):
		m.doc.errorf(v.pos, "close its brackets; a plain [ is \\[", "%s: %q is not a glob", sec.what, v.s)
	}
}

func (m *Mapping) readSidecar(s *Source, sec section) {
	s.Sidecar = sec.texts("sidecar")
	for _, end := range s.Sidecar {
		switch ext := strings.ToLower(path.Ext(end)); {
		case !strings.HasPrefix(end, ".") || strings.ContainsAny(end, `/\`):
			m.doc.errorf(sec.posOf("sidecar"), "write it with its dot, as in [.yaml, .meta.json]", "%s: sidecar: %q is not how a file's name ends", sec.what, end)
		case ext != ".yaml" && ext != ".yml" && ext != ".json":
			m.doc.errorf(sec.posOf("sidecar"), "metadata is read from .yaml, .yml and .json", "%s: sidecar: files that end with %q cannot be read", sec.what, end)
		}
	}
}

// readOptions reads what decides how the files are read.
func (m *Mapping) readOptions(s *Source, sec section) {
	opt := &s.Options
	if sec.has("format") {
		opt.Format = sec.word("source", "format")
	}
	if sec.has("item") {
		opt.Item = sec.word("source", "item")
	}
	if sec.has("groupBy") {
		opt.GroupBy, s.def.groupBy = sec.text("groupBy"), sec.posOf("groupBy")
		if strings.TrimSpace(opt.GroupBy) == "" {
			m.doc.errorf(s.def.groupBy, "name a column, or take groupBy out", "%s: groupBy is empty", sec.what)
		}
	}
	if sec.has("attachments") {
		opt.Attachments = sec.word("source", "attachments")
	}
	if opt.Converters = m.convertersFor(s.Path); opt.Attachments == extract.AttachmentItems {
		opt.Converters = m.converters
	}
	if c, ok := m.childOf(sec, "csv", "csv"); ok {
		opt.CSV = extract.CSVOptions{Delimiter: c.text("delimiter"), Quote: c.text("quote"), Escape: c.text("escape"), Encoding: c.text("encoding"),
			Header: c.header(), Columns: c.texts("columns"), Comment: c.text("comment"), Trim: c.bool("trim")}
		if c.has("ragged") {
			opt.CSV.Ragged = c.word("csv", "ragged")
		}
		if c.has("footer") {
			opt.CSV.Footer = c.word("csv", "footer")
		}
	}
	if c, ok := m.childOf(sec, "excel", "excel"); ok {
		opt.Excel = extract.ExcelOptions{Sheets: c.texts("sheets"), Header: c.header(), Hidden: c.bool("hidden"), Merged: c.bool("merged"), Passwords: c.texts("passwords")}
	}
	if c, ok := m.childOf(sec, "pdf", "pdf"); ok {
		opt.PDF.Passwords = c.texts("passwords")
		if c.has("engine") {
			opt.PDF.Engine = c.word("pdf", "engine")
		}
		if c.has("runningHeads") {
			opt.PDF.RunningHeads = c.word("pdf", "runningHeads")
		}
		opt.PDF.Audit = c.share("audit")
	}
	if c, ok := m.childOf(sec, "ocr", "ocr"); ok {
		opt.OCR = extract.OCROptions{When: extract.OCRAuto, Languages: c.texts("languages"), DPI: c.int("dpi", 70), Pages: c.int("pages", 1), Time: c.duration("time")}
		if c.has("when") {
			opt.OCR.When = c.word("ocr", "when")
		}
		if err := opt.OCR.Check(); err != nil {
			what, remedy, _ := strings.Cut(err.Error(), "; ")
			m.doc.errorf(sec.posOf("ocr"), remedy, "%s: %s", sec.what, what)
		}
	}
	if c, ok := m.childOf(sec, "html", "html"); ok {
		opt.HTML.Encoding = c.text("encoding")
		if c.has("content") {
			opt.HTML.Content = c.word("html", "content")
		}
	}
	if c, ok := m.childOf(sec, "text", "text"); ok {
		opt.Text.Encoding = c.text("encoding")
	}
	if c, ok := m.childOf(sec, "json", "json"); ok {
		opt.JSON = extract.JSONOptions{Records: c.text("records"), Columns: c.texts("columns")}
	}
	if c, ok := m.childOf(sec, "xml", "xml"); ok {
		opt.XML = extract.XMLOptions{Record: c.text("record"), Columns: c.texts("columns")}
		if err := opt.XML.Check(); err != nil {
			m.doc.errorf(c.posOf("record"), "write the names of the elements that lead to a record", "%s: %v", sec.what, err)
		}
	}
	if c, ok := m.childOf(sec, "limits", "limits"); ok {
		opt.Limits = extract.Limits{Record: c.size("record"), Columns: c.int("columns", 1), Unzipped: c.size("unzipped"), Pages: c.int("pages", 1), Time: c.duration("time"), Memory: c.size("memory")}
	}
}

// scopeOf tells rows from documents as far as the mapping alone can.
func scopeOf(s *Source) scope {
	sc := scopeOfPath(s)
	sc.side = len(s.Sidecar) > 0
	return sc
}

func scopeOfPath(s *Source) scope {
	switch s.Options.Item {
	case "row":
		return scope{table: true}
	case "page", "document":
		return scope{doc: true}
	}
	ext := strings.ToLower(path.Ext(s.Path))
	for _, f := range extract.Formats {
		switch {
		case s.Options.Format != "" && s.Options.Format != f.Name:
		case s.Options.Format == "" && !slices.Contains(f.Exts, ext):
		case s.Options.Format == "" && (f == extract.Text || s.Options.Converts(s.Path)):
			return scope{table: true, doc: true} // what it is shows when it is read
		default:
			return scope{table: f.Table, doc: !f.Table}
		}
	}
	return scope{table: true, doc: true}
}

// expression reads a key that holds an expression; nil when it is not there.
func (d *document) expression(s section, name string, want wants) *expression {
	f, ok := s.byN[name]
	if !ok {
		return nil
	}
	what := s.what + ": " + name
	v, ok := d.scalar(f.value, what, true)
	if !ok {
		return nil
	}
	return &expression{scalar: v, what: what, want: want}
}

func (m *Mapping) readProperties(s *Source, sec section) {
	f, ok := sec.byN["properties"]
	if !ok {
		return
	}
	fields, ok := m.doc.fields(f.value, sec.what+": properties")
	if !ok {
		return
	}
	if len(fields) == 0 {
		m.doc.errorf(f.key, "add at least one", "%s has no properties", sec.what)
	}
	names := make([]string, len(m.Schema))
	for i, p := range m.Schema {
		names[i] = p.Name
	}
	for _, f := range fields {
		i := slices.Index(names, f.name)
		if i < 0 {
			remedy := suggest(f.name, names)
			if strings.ContainsAny(f.name, `()"'`) && isNull(f.value) {
				remedy = flowComma
			}
			m.doc.errorf(f.key, remedy, "%s: the schema has no property %q", sec.what, f.name)
			continue
		}
		if p := m.readProperty(sec, f, m.Schema[i]); p != nil {
			s.def.props = append(s.def.props, *p)
		}
	}
	slices.SortStableFunc(s.def.props, func(a, b propDef) int {
		return slices.Index(names, a.def.Name) - slices.Index(names, b.def.Name)
	})
}

func (m *Mapping) readProperty(sec section, f field, def PropertyDef) *propDef {
	d := m.doc
	what := sec.what + ": property " + quoted(f.name)
	want, typed := wantsOf[def.Type]
	if !typed { // its type is wrong, which has been reported
		want = wants{"a value", []reflect.Type{typString, typInt, typFloat, typBool, typTime, typList, typAnys}, ""}
	}
	p := &propDef{def: def, onError: "quarantine"}
	switch d.plain(f.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		v, ok := d.scalar(f.value, what, true)
		if !ok {
			return nil
		}
		p.x = &expression{scalar: v, what: what, want: want}
		return p
	}
	s, ok := d.section(f.value, "property value", what)
	if !ok {
		return nil
	}
	p.x = d.expression(s, "value", want)
	if p.x != nil {
		p.x.what = what
	}
	if s.has("onError") {
		p.onError = s.word("property value", "onError")
	}
	if dv, ok := s.byN["default"]; ok && typed {
		m.readDefault(p, s, dv)
	} else if p.onError == "default" {
		d.errorf(s.posOf("onError"), "add default: and the value", "%s: onError is default, and there is none", what)
	}
	if p.x == nil {
		return nil
	}
	return p
}

func (m *Mapping) readDefault(p *propDef, s section, f field) {
	p.fallback.Type = p.def.Type
	present := false
	for _, n := range m.doc.list(f.value) {
		v, ok := m.doc.scalar(n, s.what+": default", false)
		if !ok {
			return
		}
		one, err := p.fallback.add(cell{text: v.s, col: noColumn}, &names{m: m}, time.UTC)
		if err != nil {
			m.doc.errorf(v.pos, "write a value of the property's type", "%s: the default %q %v", s.what, v.s, err)
		}
		present = present || one
	}
	if !present {
		p.fallback = Value{}
	}
}

func (m *Mapping) readACL(s *Source, sec section) {
	f, ok := sec.byN["acl"]
	if !ok {
		return
	}
	nodes := m.doc.list(f.value)
	if len(nodes) == 0 {
		m.doc.errorf(f.key, "for all of the organisation: acl: [{grant: everyone}]", "%s: the acl is empty, and nobody could see the items", sec.what)
		return
	}
	s.def.aclAt = f.key
	granted := false
	for i, n := range nodes {
		what := fmt.Sprintf("%s: acl entry %d", sec.what, i+1)
		e, ok := m.doc.section(n, "acl entry", what)
		if !ok {
			granted = true // not known; what is wrong has been said
			continue
		}
		def, ok := m.readACLEntry(e, s.Name)
		granted = granted || !def.deny
		if ok {
			s.def.acl = append(s.def.acl, def)
		}
	}
	if !granted {
		m.doc.errorf(f.key, "add a grant", "%s: the acl only denies, and nobody could see the items", sec.what)
	}
}

func (m *Mapping) readACLEntry(e section, source string) (def aclDef, ok bool) {
	d := m.doc
	def.pos, def.deny = e.pos, e.has("deny")
	verb := "grant"
	switch {
	case e.has("from") && (e.has("grant") || e.has("deny")):
		d.errorf(e.posOf("from"), "make two entries of it", "%s both grants or denies and takes over", e.what)
		return def, false
	case e.has("from"):
		def.from, def.when = e.text("from"), d.expression(e, "when", wantsBool)
		def.access = m.readAccess(e, source)
		return def, def.access != nil
	case e.has("grant") && e.has("deny"):
		d.errorf(e.posOf("deny"), "make two entries of it", "%s both grants and denies", e.what)
		return def, false
	case def.deny:
		verb = "deny"
	case !e.has("grant"):
		d.errorf(e.pos, "write grant: everyone, or grant: user with a value", "%s neither grants nor denies", e.what)
		return def, false
	}
	if def.kind = e.word("acl entry", verb); def.kind == "" {
		return def, false
	}
	def.value, def.when = d.expression(e, "value", wantsWho), d.expression(e, "when", wantsBool)
	all := def.kind == "everyone" || def.kind == "everyoneExceptGuests"
	for _, k := range []string{"principals", "table", "root"} {
		if e.has(k) {
			d.errorf(e.posOf(k), "write from: posix or from: ntfs, or take it out", "%s: %s does not go with %s", e.what, k, verb)
		}
	}
	switch {
	case all && def.value != nil && def.kind == "everyone":
		d.errorf(e.posOf("value"), "take the value out, or grant user, group or externalGroup", "%s: everyone takes no value", e.what)
		return def, false
	case all && def.value != nil:
		if def.tenant = m.tenantOf(def.value.s); def.tenant == "" {
			d.errorf(def.value.pos, "take the value out, or write the tenant's id as a fixed text: '\"5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47\"'", "%s: everyoneExceptGuests takes no value but the id of the tenant", e.what)
			return def, false
		}
	case !all && !e.has("value"):
		d.errorf(e.pos, "add value: and the column that names the "+def.kind, "%s: %s %s needs a value", e.what, verb, def.kind)
		return def, false
	case !all && def.value == nil:
		return def, false
	}
	return def, true
}

// tenantOf reads the value of everyoneExceptGuests: a GUID as a fixed text,
// and not that of a person, who would be all of the organisation then.
func (m *Mapping) tenantOf(expr string) string {
	expr = strings.TrimSpace(expr)
	if len(expr) < 2 || expr[0] != expr[len(expr)-1] || !strings.ContainsRune("\"'`", rune(expr[0])) {
		return ""
	}
	id := expr[1 : len(expr)-1]
	if _, person := m.people[fold(id)]; person || !isGUID(id) {
		return ""
	}
	return strings.ToLower(id)
}

func (m *Mapping) readActivities(s *Source, sec section) {
	f, ok := sec.byN["activities"]
	if !ok {
		return
	}
	nodes := m.doc.list(f.value)
	if len(nodes) > maxActivities {
		m.doc.errorf(f.key, "keep the most telling", "%s has %d activities, and the service takes %d", sec.what, len(nodes), maxActivities)
	}
	for i, n := range nodes {
		a, ok := m.doc.section(n, "activity", fmt.Sprintf("%s: activity %d", sec.what, i+1))
		if !ok {
			continue
		}
		def := activityDef{kind: a.word("activity", "type"), at: m.doc.expression(a, "at", wantsWhen),
			by: m.doc.expression(a, "by", wantsWho), when: m.doc.expression(a, "when", wantsBool)}
		if a.has("from") {
			if m.readEvents(s, a, &def); def.events == nil {
				continue // told
			}
		} else if a.has("id") {
			m.doc.errorf(a.posOf("id"), "add from: with the file of events, or take id out", "%s: id is for a file of events", a.what)
		}
		if def.kind != "" && def.at != nil && def.by != nil {
			s.def.activities = append(s.def.activities, def)
		}
	}
}
