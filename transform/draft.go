package transform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"importer/extract"
)

// A Draft is what a first mapping is written of.
type Draft struct {
	// Folder names what the files come from, for the connection's id and name.
	Folder  string
	Sources []DraftSource
	// Identities and Groups are files that look like a list of people and of
	// groups, relative to the mapping; "" is none.
	Identities, Groups string
	// Schema is the path to mapping.schema.json for editors; "" is none.
	Schema string
	// Notes are told at the top, a line each: files that nothing reads.
	Notes []string
}

// A DraftSource is a set of files that are read alike.
type DraftSource struct {
	Name   string   // legal and of its own
	Path   string   // as the mapping will have it
	Format string   // the name of one of extract.Formats
	Sheets []string // Excel: only these; nil is all
	Header int      // CSV: the record that names the columns; 0 is found
	// Records is where the records of JSON and XML are, "" the reader's own way,
	// and RecordsNote by what that was found, or what else may be meant.
	Records, RecordsNote string
	Columns              []string // JSON, XML: those that not every file has all of; nil where each has
	OCR                  bool     // the files are pictures
	Root                 string   // the folder that file.path is relative to
	Deep                 bool     // some of the files lie in folders below it
	Notes                []string // about the files, a line each
	Rows                 *Profiler
}

// placeholder begins the description that Write leaves in a mapping. Lint asks
// about it.
const placeholder = "CHANGE ME"

// A draftSource is a source on its way.
type draftSource struct {
	name, path, format, root string
	sheets, notes, columns   []string
	records, recordsNote     string
	ocr, deep                bool
	header                   int
	rows                     *Profiler
	profile                  *Profile
	customs                  customs
	guesses                  []guess
	id                       draftID
	title                    *guess
	content                  []*guess
	bare                     bool // no column holds anything
}

// docs tells records that are documents, without columns of their own.
func (s *draftSource) docs() bool {
	return slices.ContainsFunc(extract.Formats, func(f *extract.Format) bool { return f.Name == s.format && !f.Table })
}

// workbook tells rows that stand in sheets.
func (s *draftSource) workbook() bool { return slices.Contains(workbooks, s.format) }

var workbooks = []string{extract.Excel.Name, extract.XLSB.Name, extract.XLS.Name, extract.ODS.Name}

func (s *draftSource) guessFor(c *Column) *guess {
	for i := range s.guesses {
		if s.guesses[i].c == c {
			return &s.guesses[i]
		}
	}
	return nil
}

func (s *draftSource) repeatedName(name string) bool {
	return slices.ContainsFunc(s.profile.Shapes, func(sh *Shape) bool { return slices.Contains(sh.Repeated, name) })
}

// A draftProperty is a property of the schema on its way.
type draftProperty struct{ def PropertyDef }

// A drafting is a mapping on its way.
type drafting struct {
	d       Draft
	sources []*draftSource
	props   []*draftProperty
	taken   map[string]bool
	labels  map[string]string // label -> property
}

// Write writes a mapping with the evidence for each guess beside it. All that
// it lacks is who may see the items: nobody else can say that.
func (d Draft) Write() []byte {
	w := &drafting{d: d, taken: map[string]bool{}, labels: map[string]string{}}
	for _, src := range d.Sources {
		s := &draftSource{name: src.Name, path: src.Path, format: src.Format, root: src.Root, sheets: src.Sheets, header: src.Header, records: src.Records, recordsNote: src.RecordsNote, columns: src.Columns, ocr: src.OCR, deep: src.Deep, notes: src.Notes, rows: src.Rows, profile: src.Rows.Profile()}
		s.customs = customsOf(s.profile)
		s.guess()
		s.id = s.guessID()
		w.sources = append(w.sources, s)
	}
	apart(w.sources)
	for _, s := range w.sources {
		w.label(s)
	}
	for _, s := range w.sources {
		w.name(s)
	}
	return w.write()
}

// guess looks at every column of the source.
func (s *draftSource) guess() {
	for _, c := range s.profile.Columns {
		if s.docs() && (c.Name == "title" || c.Name == "body" || c.Name == "meta.title" || s.isTitle(c)) {
			continue
		}
		if s.docs() && (c.filled()*20 < c.Count && c.Count > 20 || isDecor(c.Name) || s.said(c)) {
			continue // in hardly any of the documents, or nothing that anyone would ask for
		}
		g := guessOf(c, s.customs)
		if g.typ == DateTime && g.expr == c.Name && s.docs() {
			g.expr = "dateTime(" + g.expr + ")"
		}
		if s.docs() && g.kind == roleMail && identifies(c.Name) { // message ids look like mail addresses
			g.kind, g.notes = roleKey, []string{fmt.Sprintf("%s ids of messages, such as %s", grouped(c.filled()), c.example(classMail))}
		}
		if s.docs() && g.typ != String {
			g.omit = true // what a document says of itself is often wrong, and it is worth finding all the same
		}
		if s.repeatedName(c.Name) {
			g.expr = ""
			g.notes = []string{fmt.Sprintf("CHECK: several columns are called %q; give them names of their own with csv: {columns: [...]}, or in the file", c.Name)}
		}
		s.guesses = append(s.guesses, g)
	}
	s.chooseTitle()
	s.chooseContent()
}

// isTitle tells metadata that says what the title says.
func (s *draftSource) isTitle(c *Column) bool {
	title := s.profile.Column("title")
	if title == nil || c.filled() == 0 {
		return false
	}
	share, _ := c.Values.common(title.Values)
	return share > 0.9
}

// titleExpr is the title of a document: what its format tells, or its name.
func (s *draftSource) titleExpr() string {
	title, meta := s.profile.Column("title"), s.profile.Column("meta.title")
	switch {
	case title == nil || title.filled() == 0:
		return "file.stem"
	case s.rows.attached > 0, meta == nil:
		return "title ?? file.stem"
	case title.filled() > meta.filled():
		return "meta.title ?? title ?? file.stem"
	}
	return "meta.title ?? file.stem"
}

// isDecor tells metadata that is about the file's making and showing.
func isDecor(name string) bool {
	name = strings.ToLower(strings.NewReplacer("meta.", "", `meta["`, "", `"]`, "").Replace(name))
	for _, prefix := range []string{"producer", "creator", "generator", "viewport", "robots", "theme-color", "format-detection", "msapplication", "apple-", "twitter:", "fb:", "google", "charset",
		"og:title", "og:type", "og:site_name", "og:locale", "og:image:", "og:updated", "mobile-web", "color-scheme", "referrer", "csrf", "progid", "http-equiv", "x-ua", "references", "inreplyto", "handheldfriendly", "mobileoptimized", "application-name", "title"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// said tells metadata whose values all stand under another name, too.
func (s *draftSource) said(c *Column) bool {
	return slices.ContainsFunc(s.guesses, func(g guess) bool {
		share, _ := c.Values.common(g.c.Values)
		return share > 0.9 && g.c.filled() >= c.filled()
	})
}

// chooseTitle finds the column that a person would call the record by.
func (s *draftSource) chooseTitle() {
	if s.docs() {
		return
	}
	points := 0
	for i := range s.guesses {
		g := &s.guesses[i]
		c := g.c
		if g.typ != String || g.expr == "" || c.filled()*10 < c.Count*8 || c.mean() > 200 || g.kind == roleURL || g.kind == roleKey || g.kind == roleMail {
			continue
		}
		n := 1
		switch {
		case hasWord(c.Name, bestTitles):
			n += 60
		case hasWord(c.Name, titleWords):
			n += 40
		}
		if g.kind == roleText {
			n += 15
		}
		if c.wordy() {
			n += 10
		}
		if c.Distinct*2 > c.filled() {
			n += 10
		}
		if g.kind == roleLong || g.few {
			n -= 12
		}
		if n > points {
			points, s.title = n, g
		}
	}
}

// chooseContent takes the columns of sentences; where there are none, all
// words that the record has.
func (s *draftSource) chooseContent() {
	if s.docs() {
		return
	}
	for i := range s.guesses {
		g := &s.guesses[i]
		if g.readable() && g != s.title && (g.kind == roleLong || g.kind == roleText && g.c.mean() > 25 && hasWord(g.c.Name, longWords)) {
			s.content = append(s.content, g)
		}
	}
	if len(s.content) > 0 {
		return
	}
	if s.title != nil && s.title.readable() {
		s.content = append(s.content, s.title)
	}
	for i := range s.guesses {
		if g := &s.guesses[i]; g.kind == roleText && g.readable() && g != s.title && len(s.content) < 6 {
			s.content = append(s.content, g)
		}
	}
}

// readable tells a column of texts in which no cell is an error: content has no
// onError, and one such cell would cost the whole record.
func (g *guess) readable() bool {
	return g.expr != "" && g.typ == String && g.c.counts[classError] == 0
}

// A labelRule gives a label, and a property's name, to a column by its name.
type labelRule struct {
	label, prop string
	words       []string
	fits        func(*guess) bool
}

func isDate(g *guess) bool   { return g.typ == DateTime }
func isString(g *guess) bool { return g.typ == String && g.kind != roleLong }
func isPerson(g *guess) bool {
	return (g.typ == String || g.typ == StringCollection) && g.kind != roleLong && g.kind != roleURL
}
func isLink(g *guess) bool { return g.kind == roleURL }

var labelRules = []labelRule{
	{"url", "url", urlWords, isLink},
	{"iconUrl", "iconUrl", iconWords, isLink},
	{"lastModifiedDateTime", "modified", changeWords, isDate},
	{"createdDateTime", "created", createWords, isDate},
	{"lastModifiedBy", "modifiedBy", changerWords, isPerson},
	{"createdBy", "createdBy", creatorWords, isPerson},
	{"authors", "authors", authorWords, isPerson},
	{"assignedToPeople", "assignedTo", assignWords, isPerson},
	{"dueDate", "dueDate", dueWords, isDate},
	{"closedDate", "closedDate", closeWords, isDate},
	{"priority", "priority", priorityWords, func(g *guess) bool { return g.typ == String || g.typ == Int64 || g.typ == Double }},
	{"severity", "severity", severityWords, func(g *guess) bool { return g.typ == String || g.typ == Int64 }},
	{"state", "status", stateWords, isString},
	{"tags", "tags", tagWords, func(g *guess) bool { return g.typ == StringCollection }},
}

// label gives labels to the columns of a source. Each label goes to one
// property, whatever sources it comes from.
func (w *drafting) label(s *draftSource) {
	if s.title != nil {
		s.title.label, s.title.prop = "title", "title"
		s.title.notes = append([]string{"the title: " + first(s.title.notes)}, rest(s.title.notes)...)
	}
	for _, rule := range labelRules {
		for i := range s.guesses {
			g := &s.guesses[i]
			if g.label != "" || g.expr == "" || !hasWord(g.c.Name, rule.words) || !rule.fits(g) {
				continue
			}
			g.label, g.prop = rule.label, rule.prop
			break
		}
	}
	if slices.ContainsFunc(s.guesses, func(g guess) bool { return g.label == "url" }) {
		return
	}
	for i := range s.guesses { // the only column of addresses
		if g := &s.guesses[i]; g.kind == roleURL && g.label == "" && g.c.Distinct*2 > g.c.filled() {
			g.label, g.prop = "url", "url"
			return
		}
	}
}

func first(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return notes[0]
}

func rest(notes []string) []string {
	if len(notes) == 0 {
		return nil
	}
	return notes[1:]
}

// maxProperties is how many a schema may have.
const maxProperties = 128

// name gives every column of a source its property: one of the schema of the
// same name and type, or another.
func (w *drafting) name(s *draftSource) {
	used := map[string]bool{}
	if s.docs() {
		w.fromFile(s.fileProperties())
		for _, f := range fileProperties {
			used[strings.ToLower(f.def.Name)] = true
		}
	}
	for i := range s.guesses {
		g := &s.guesses[i]
		if g.expr == "" || g.isContentOnly(s) {
			continue
		}
		want := cmp.Or(g.prop, legalName(g.c.Name, i+1))
		if w.taken[strings.ToLower(want)] && !used[strings.ToLower(want)] && w.share(want, g) {
			used[strings.ToLower(want)] = true
			continue
		}
		if g.label != "" && w.labels[g.label] != "" { // of another type there
			g.label = ""
		}
		if len(w.props) >= maxProperties-4 {
			g.notes = append([]string{"left out: a schema has at most 128 properties"}, g.notes...)
			g.expr, g.prop = "", ""
			continue
		}
		g.prop = another(want, w.taken)
		w.taken[strings.ToLower(g.prop)] = true
		used[strings.ToLower(g.prop)] = true
		w.props = append(w.props, w.define(g))
	}
	if len(used) == 0 { // no cell holds anything: an item needs a property all the same
		s.bare = true
		w.fromFile(fileProperties[1:2])
	}
}

// isContentOnly tells a column of sentences, which is content and no property:
// as a property it would only make results longer.
func (g *guess) isContentOnly(s *draftSource) bool {
	return g != s.title && slices.Contains(s.content, g) && g.kind == roleLong && g.label == ""
}

// share lets a column be a property that another source has made, where name
// and type are the same.
func (w *drafting) share(want string, g *guess) bool {
	i := slices.IndexFunc(w.props, func(p *draftProperty) bool { return strings.EqualFold(p.def.Name, want) })
	if i < 0 || w.props[i].def.Type != g.typ {
		return false
	}
	p := &w.props[i].def
	if !g.few && p.Refinable && p.Type == String { // there it is one of few choices
		p.Refinable, p.Searchable = false, true
	}
	g.prop = p.Name
	return true
}

// define makes the property of a column, with the flags that its type may have.
func (w *drafting) define(g *guess) *draftProperty {
	p := PropertyDef{Name: g.prop, Type: g.typ, Retrievable: true, Queryable: true}
	switch {
	case g.label == "title":
		p.Searchable = true
	case g.kind == roleURL:
		p.Queryable = false
	case g.typ == String && g.few, g.typ == Int64, g.typ == Double, g.typ == DateTime, g.typ == StringCollection:
		p.Refinable = true
	case g.typ == String && g.kind != roleKey:
		p.Searchable = true
	}
	if g.label != "" {
		p.Labels = []string{g.label}
		w.labels[g.label] = g.prop
	}
	return &draftProperty{def: p}
}

// A fileProperty is one that comes of the file and not of what is in it.
type fileProperty struct {
	def  PropertyDef
	expr string
}

// fileProperties are those that documents have whatever is in them.
var fileProperties = []fileProperty{
	{PropertyDef{Name: "title", Type: String, Labels: []string{"title"}, Searchable: true, Retrievable: true, Queryable: true}, "meta.title ?? file.stem"},
	{PropertyDef{Name: "fileName", Type: String, Labels: []string{"fileName"}, Searchable: true, Retrievable: true, Queryable: true}, "file.name"},
	{PropertyDef{Name: "fileType", Type: String, Labels: []string{"fileExtension"}, Refinable: true, Retrievable: true, Queryable: true}, `trimPrefix(lower(file.ext), ".")`},
	{PropertyDef{Name: "folder", Type: String, Labels: []string{"containerName"}, Refinable: true, Retrievable: true, Queryable: true}, `extract(file.path, "^(.*)/[^/]*$")`},
}

// fileProperties are those of the source: without folders there is none to tell.
func (s *draftSource) fileProperties() []fileProperty {
	if s.deep {
		return fileProperties
	}
	return fileProperties[:3]
}

func (w *drafting) fromFile(from []fileProperty) {
	for _, f := range from {
		i := slices.IndexFunc(w.props, func(p *draftProperty) bool { return strings.EqualFold(p.def.Name, f.def.Name) })
		if i >= 0 {
			continue
		}
		w.taken[strings.ToLower(f.def.Name)] = true
		def := f.def
		if w.labels[def.Labels[0]] != "" {
			def.Labels = nil
		} else {
			w.labels[def.Labels[0]] = def.Name
		}
		w.props = append(w.props, &draftProperty{def: def})
	}
}

// connectionID makes a legal id of the folder's name.
func connectionIDOf(folder string) string {
	id := strings.ToLower(legalName(folder, 1))
	if fault, _ := ConnectionIDFault(id); fault != "" {
		id = "my" + id
	}
	if fault, _ := ConnectionIDFault(id); fault != "" {
		return "myfiles"
	}
	return id
}

// connectionNameOf makes a name that people read of the folder's name.
func connectionNameOf(folder string) string {
	words := strings.FieldsFunc(folder, func(r rune) bool { return r == '_' || r == '-' || r == ' ' || unicode.IsControl(r) })
	name := cutBytes(strings.Join(words, " "), 120)
	if name == "" {
		return "Files"
	}
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

// inOrder puts the properties with the labels that matter most first.
func (w *drafting) inOrder() []*draftProperty {
	order := []string{"title", "url", "iconUrl"}
	rank := func(p *draftProperty) int {
		if len(p.def.Labels) == 0 {
			return len(order)
		}
		if i := slices.Index(order, p.def.Labels[0]); i >= 0 {
			return i
		}
		return len(order)
	}
	props := slices.Clone(w.props)
	slices.SortStableFunc(props, func(a, b *draftProperty) int { return rank(a) - rank(b) })
	return props
}
