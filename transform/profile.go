package transform

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"importer/extract"
)

// ProfileVersion is that of a profile's JSON form.
const ProfileVersion = 1

// A Profile says what the records of a source look like. Whatever the number
// of records, it stays small: what cannot be counted exactly is sketched, and
// says so.
type Profile struct {
	Version int   `json:"version"`
	Files   int64 `json:"files"`
	Records int64 `json:"records"`           // that were looked at
	Bad     int64 `json:"bad,omitempty"`     // that could not be read
	Blank   int64 `json:"blank,omitempty"`   // rows without any value
	Sampled bool  `json:"sampled,omitempty"` // there are more than were looked at
	// Shapes are the headers of the tables, in the order of their first file.
	Shapes  []*Shape  `json:"shapes,omitempty"`
	Columns []*Column `json:"columns"`

	byName map[string]*Column
}

// A Shape is a header that some tables share.
type Shape struct {
	Columns []string `json:"columns"`
	Files   int64    `json:"files"`
	First   string   `json:"first"` // the first file, with its sheet where there is one
	// Repeated are names that stand in the header several times.
	Repeated []string `json:"repeated,omitempty"`
}

// A Column is what is known of one column, or of one field of documents, whose
// name is the expression for it (meta.author).
type Column struct {
	Name  string `json:"name"`
	Count int64  `json:"count"` // records that have the column
	Empty int64  `json:"empty,omitempty"`
	// Classes count the values by what they look like.
	Classes map[string]int64 `json:"classes,omitempty"`
	// Layouts are the forms of dates.
	Layouts []*Layout `json:"layouts,omitempty"`
	// Distinct is the number of different values that are not empty.
	Distinct int64 `json:"distinct"`
	Exact    bool  `json:"exact,omitempty"` // Distinct is no estimate
	// Repeats are the values that stand more than once, as far as they were
	// counted; -1 is not counted, as there are too many.
	Repeats int64 `json:"repeats"`
	Min     int   `json:"min"` // length of the shortest and the longest value in characters
	Max     int   `json:"max"`
	Chars   int64 `json:"chars"`           // of all values
	Lines   int64 `json:"lines,omitempty"` // values of several lines
	// Top are the values where they are few, the most frequent first.
	Top []Tally `json:"top,omitempty"`
	// Values are a sample of the values, to compare with.
	Values *sketch `json:"values,omitempty"`
	// EmptyShare is the range of the share of empty cells in the files so far.
	EmptyShare *Range `json:"emptyShare,omitempty"`

	counts   [classes]int64
	examples [classes][]Example
	repeated []Example // the first values that stood before
	nulls    map[string]*Tally
	seps     []sepCount
	once     map[uint64]struct{} // hashes of values; nil once given up
	top      map[string]int64    // nil once there are too many
	ordinal  ordinal
	stamps   int64 // whole numbers that are days, such as 20260501
	zeroOne  int64 // 0 and 1
}

// A Tally is a value with its number.
type Tally struct {
	Value string `json:"value"`
	Count int64  `json:"count"`

	places []extract.Place
}

// A Layout is a form of dates with its number.
type Layout struct {
	Layout string `json:"layout"` // "ISO 8601" or package time's; day first where nothing tells
	Count  int64  `json:"count"`
	Day    int64  `json:"day,omitempty"`   // dates that can only have the day first
	Month  int64  `json:"month,omitempty"` // dates that can only have the month first
	Loose  bool   `json:"loose,omitempty"` // some days or months have one digit
	Clock  int64  `json:"clock,omitempty"`
	Zone   int64  `json:"zone,omitempty"`

	days, months [32]bool // the numbers seen in both places, to tell what varies
}

// A Range is the least and the most of a share, over Of files.
type Range struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
	Of  int64   `json:"of"`
}

// An Example is a value with its place.
type Example struct {
	Value string
	Place extract.Place
}

// Bounds of what a profile holds of one column.
const (
	maxExamples = 8
	maxTop      = 300     // different values that are counted one by one
	maxTopBytes = 100     // of such a value
	maxOnce     = 200_000 // values of one column whose repeats are counted
	maxOnceAll  = 2_000_000
	maxColumns  = 2_000 // columns that are looked at
	maxRows     = 5_000 // rows whose values are held against each other
	maxWide     = 64    // columns of such a row
)

// A Profiler makes the profile of a stream of records. It is not safe for
// concurrent use.
type Profiler struct {
	p       *Profile
	budget  int // values that may still be remembered as seen once
	shapes  map[string]*shapeOf
	last    *extract.Header // of the record before
	cols    []*Column       // of its header
	file    string
	inFile  int64 // records of the file so far
	rows    [][]uint64
	rowCols []*Column // that rows are of
	// only are the columns that are looked at; nil is all. Then rows are not held
	// against each other, and lists are not looked for.
	only map[string]bool

	attached, attaching int64    // files that are attached to documents, and documents that have some
	attachedNames       []string // some of them, for an example
}

type shapeOf struct {
	*Shape
	file string
	cols []*Column
}

// NewProfiler gives a Profiler that has seen nothing.
func NewProfiler() *Profiler {
	return &Profiler{p: &Profile{Version: ProfileVersion, byName: map[string]*Column{}}, budget: maxOnceAll, shapes: map[string]*shapeOf{}}
}

// NewProfilerOf gives a Profiler that looks at some columns of tables, for a
// comparison with what they were: see Source.Drift. Of the others it knows the
// names.
func NewProfilerOf(columns []string) *Profiler {
	r := NewProfiler()
	r.only = map[string]bool{}
	for _, name := range columns {
		r.only[name] = true
	}
	return r
}

// Bad counts a record that could not be read.
func (r *Profiler) Bad() { r.p.Bad++ }

// Sampled notes that there are records which are not shown to the profiler.
func (r *Profiler) Sampled() { r.p.Sampled = true }

// Add looks at a record.
func (r *Profiler) Add(rec extract.Record) {
	if rec.Place.File != r.file || r.p.Files == 0 {
		r.file, r.inFile = rec.Place.File, 0
		r.p.Files++
	}
	r.p.Records++
	r.inFile++
	if rec.Header == nil {
		r.addDocument(rec)
		return
	}
	if rec.Header != r.last {
		r.cols, r.last = r.columnsOf(rec), rec.Header
	}
	var row []uint64
	if r.only == nil && len(r.rows) < maxRows && (r.rowCols == nil || &r.rowCols[0] == &r.cols[0]) && len(r.cols) > 0 {
		r.rowCols = r.cols
		row = make([]uint64, min(len(r.cols), maxWide))
	}
	blank := true
	for i, c := range r.cols {
		if c == nil {
			continue
		}
		var typed any
		if i < len(rec.Typed) {
			typed = rec.Typed[i]
		}
		h := r.value(c, rec.Text[i], typed, cellAt{&rec, i})
		blank = blank && h == 0
		if i < len(row) {
			row[i] = h
		}
	}
	if blank && r.only == nil {
		r.p.Blank++
	}
	if row != nil {
		r.rows = append(r.rows, row)
	}
}

// columnsOf finds the columns of a header that was not met in the record before.
func (r *Profiler) columnsOf(rec extract.Record) []*Column {
	names := rec.Header.Names()
	key := strings.Join(names, "\x00")
	sh := r.shapes[key]
	where := rec.Place.File
	if rec.Place.Sheet != "" {
		where += "!" + rec.Place.Sheet
	}
	if sh == nil {
		sh = &shapeOf{Shape: &Shape{Columns: slices.Clone(names), First: where}}
		for _, name := range names[:min(len(names), maxColumns)] {
			var c *Column // nil: it is not looked at
			if r.only == nil || r.only[name] {
				c = r.column(name)
			}
			sh.cols = append(sh.cols, c)
			if rec.Header.Repeated(name) {
				sh.Repeated = append(sh.Repeated, name)
			}
		}
		r.shapes[key] = sh
		r.p.Shapes = append(r.p.Shapes, sh.Shape)
	}
	if sh.file != where {
		sh.file = where
		sh.Files++
	}
	return sh.cols
}

func (r *Profiler) column(name string) *Column {
	c := r.p.byName[name]
	if c == nil {
		c = newColumn(name)
		r.p.byName[name] = c
		r.p.Columns = append(r.p.Columns, c)
	}
	return c
}

func newColumn(name string) *Column {
	return &Column{Name: name, Values: newSketch(sketchK), once: map[uint64]struct{}{}, top: map[string]int64{}, nulls: map[string]*Tally{}}
}

// A cellAt is a cell whose place is looked up when it is wanted.
type cellAt struct {
	rec *extract.Record
	col int // negative: the record itself
}

func (c cellAt) place() extract.Place { return c.rec.Cell(c.col) }

// value adds one value to a column and gives its hash.
func (r *Profiler) value(c *Column, text string, typed any, at cellAt) uint64 {
	c.Count++
	text = trim(text)
	kind, form := classOf(text, typed)
	c.counts[kind]++
	if kind == classEmpty {
		c.Empty++
		c.ordinal.stop()
		return 0
	}
	if len(c.examples[kind]) < maxExamples {
		c.examples[kind] = append(c.examples[kind], Example{cutBytes(strings.Clone(text), 60), at.place()})
	}
	switch kind {
	case classNull:
		c.null(text, at)
	case classDate:
		c.layout(form)
	case classInt:
		c.whole(text, r.inFile)
	case classText, classMail, classGroupComma, classComma:
		if r.only == nil {
			c.separators(text)
		}
	}
	if kind != classInt {
		c.ordinal.stop()
	}
	return r.measure(c, text, at)
}

// measure counts lengths, repeats and different values.
func (r *Profiler) measure(c *Column, text string, at cellAt) uint64 {
	n := utf8.RuneCountInString(text)
	if c.Chars == 0 || n < c.Min {
		c.Min = n
	}
	c.Max = max(c.Max, n)
	c.Chars += int64(n)
	if strings.IndexByte(text, '\n') >= 0 {
		c.Lines++
	}
	h := hashText(text)
	c.Values.add(h)
	if c.once != nil {
		r.repeat(c, h, text, at)
	}
	if c.top != nil {
		if _, known := c.top[text]; known || len(text) <= maxTopBytes && len(c.top) < maxTop {
			if !known {
				text = strings.Clone(text)
			}
			c.top[text]++
		} else {
			c.top = nil
		}
	}
	return h
}

// repeat notes a value that stood before. A column with many of them cannot
// tell records apart, and is given up.
func (r *Profiler) repeat(c *Column, h uint64, text string, at cellAt) {
	if _, seen := c.once[h]; seen {
		c.Repeats++
		if len(c.repeated) < maxExamples {
			c.repeated = append(c.repeated, Example{cutBytes(strings.Clone(text), 60), at.place()})
		}
		if c.Repeats > 20 && c.Repeats*50 > c.Count {
			r.budget += len(c.once)
			c.once = nil
			c.Repeats = -1
		}
		return
	}
	if len(c.once) < maxOnce && r.budget > 0 {
		c.once[h] = struct{}{}
		r.budget--
	}
}

func (c *Column) null(text string, at cellAt) {
	t := c.nulls[text]
	if t == nil {
		if len(c.nulls) == maxExamples {
			return
		}
		t = &Tally{Value: strings.Clone(text)}
		c.nulls[t.Value] = t
	}
	t.Count++
	if len(t.places) < maxExamples {
		t.places = append(t.places, at.place())
	}
}

func (c *Column) layout(f dateForm) {
	name := looseLayout(f.layout)
	i := slices.IndexFunc(c.Layouts, func(l *Layout) bool { return looseLayout(l.Layout) == name })
	if i < 0 {
		if len(c.Layouts) == maxExamples {
			return
		}
		i = len(c.Layouts)
		c.Layouts = append(c.Layouts, &Layout{Layout: f.layout})
	}
	l := c.Layouts[i]
	l.Count++
	if f.loose {
		l.Loose, l.Layout = true, name
	}
	if f.clock {
		l.Clock++
	}
	if f.zone {
		l.Zone++
	}
	switch {
	case f.first > 12:
		l.Day++
	case f.second > 12:
		l.Month++
	}
	if f.first > 0 && f.first < 32 && f.second < 32 {
		l.days[f.first], l.months[f.second] = true, true
	}
}

// whole looks closer at a whole number.
func (c *Column) whole(text string, nth int64) {
	n, ok := parseInt(text)
	if !ok {
		c.ordinal.stop() // of a workbook, and no int64
		return
	}
	c.ordinal.see(n, nth)
	if n == 0 || n == 1 {
		c.zeroOne++
	}
	if len(text) == 8 {
		if _, ok := parseISO(text, time.UTC); ok && n > 1900_00_00 && n < 2100_00_00 {
			c.stamps++
		}
	}
}

// An ordinal finds out whether a column only numbers the rows of each file.
type ordinal struct {
	seen, broken bool
	offset       int64
}

func (o *ordinal) see(n, nth int64) {
	if nth == 1 || !o.seen {
		o.broken = o.broken || o.seen && n-nth != o.offset
		o.seen, o.offset = true, n-nth
		return
	}
	o.broken = o.broken || n-nth != o.offset
}

func (o *ordinal) stop() { o.broken = true }

func (o *ordinal) counts() bool { return o.seen && !o.broken }

// A sepCount tells whether a character parts values into lists.
type sepCount struct {
	sep    string
	values int64 // that have it
	parts  int64 // of those
	long   int64 // parts that are no short names
	vocab  map[uint64]struct{}
	over   bool // there are too many different parts to count
}

var separators = []string{";", "|", ",", "\n"}

func (c *Column) separators(text string) {
	if len(text) > 2000 {
		return
	}
	for i, sep := range separators {
		if strings.Contains(text, sep) {
			if c.seps == nil {
				c.seps = make([]sepCount, len(separators))
			}
			c.seps[i].add(sep, text)
		}
	}
}

func (s *sepCount) add(sep, text string) {
	if s.vocab == nil {
		s.sep, s.vocab = sep, map[uint64]struct{}{}
	}
	s.values++
	for part := range strings.SplitSeq(text, sep) {
		part = trim(part)
		if part == "" {
			continue
		}
		s.parts++
		if len(part) > 40 || strings.Count(part, " ") > 3 || strings.ContainsAny(part, ".!?:") && strings.Contains(part, " ") {
			s.long++
		}
		if len(s.vocab) < 4000 {
			s.vocab[hashText(part)] = struct{}{}
		} else {
			s.over = true
		}
	}
}

// addDocument looks at the fields of a document or page.
func (r *Profiler) addDocument(rec extract.Record) {
	doc := rec.Doc
	if doc == nil {
		return
	}
	if n := len(doc.Attachments); n > 0 {
		r.attached, r.attaching = r.attached+int64(n), r.attaching+1
		if name := doc.Attachments[0].Name; name != "" && len(r.attachedNames) < 3 {
			r.attachedNames = append(r.attachedNames, oneLine(name))
		}
	}
	here := cellAt{&rec, -1}
	r.value(r.column("title"), doc.Title, nil, here)
	body := r.column("body")
	body.Count++
	if isBlank(doc.Body) {
		body.Empty++
		body.counts[classEmpty]++
	} else {
		body.counts[classText]++
		r.measure(body, doc.Body, here)
	}
	for _, key := range keysOf(doc.Meta) {
		if len(r.p.Columns) < maxColumns {
			r.value(r.column(metaName(key)), doc.Meta[key], nil, here)
		}
	}
}

// metaName is the expression for a document's metadata.
func metaName(key string) string {
	if identifierForm.MatchString(key) {
		return "meta." + key
	}
	return "meta[" + strconv.Quote(key) + "]"
}
