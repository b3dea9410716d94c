package pipeline

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"importer/extract"
	"importer/transform"
)

// Files of JSON and XML do not say what of them is a record. Where one list of
// objects, or elements of one name, are plainly the records, init says so in the
// mapping; where a file is a record itself, too.

// surveyed says where the records of a file are.
type surveyed struct {
	at   string // as json.records or xml.record has it; "" is the reader's own way
	note string // by what that was found; a CHECK where something else may be meant
}

// surveyBytes is how much of a file is looked at to find its records.
const surveyBytes = 4 << 20

// wholeAtMost is how many elements a list may have for the file around it to be
// a record itself, with its list of lines or comments.
const wholeAtMost = 20

// recordsOf looks for the records of a file of JSON or XML.
func recordsOf(in extract.Input, format *extract.Format) surveyed {
	head := io.NewSectionReader(in, 0, min(in.Size, surveyBytes))
	var s surveyed
	switch format {
	case extract.JSON:
		s = surveyJSON(head)
	case extract.XML:
		s = surveyXML(head)
	}
	if s.note != "" && in.Size > surveyBytes {
		s.note += fmt.Sprintf(" (by the first %d MiB)", surveyBytes>>20)
	}
	return s
}

// A flatList is a list of objects, or elements of one name.
type flatList struct {
	path  string
	depth int
	count int
}

// pick chooses among lists: the largest of those nearest to the root. alike are
// the others of its depth that may be meant as well.
func pick(lists []*flatList) (best *flatList, alike []string) {
	for _, l := range lists {
		if best == nil || l.depth < best.depth || l.depth == best.depth && l.count > best.count {
			best = l
		}
	}
	for _, l := range lists {
		if l != best && l.depth == best.depth && l.count*3 > best.count {
			alike = append(alike, fmt.Sprintf("%s (%d)", l.path, l.count))
		}
	}
	return best, alike
}

// A jsonSurvey walks the tokens of a file.
type jsonSurvey struct {
	dec    *json.Decoder
	plain  []string // keys of plain values of the root
	alike  int      // objects that are values of the root
	values int      // of the root
	lists  map[string]*flatList
	order  []*flatList
}

func surveyJSON(r io.Reader) surveyed {
	s := &jsonSurvey{dec: json.NewDecoder(withoutMark(r)), lists: map[string]*flatList{}}
	s.dec.UseNumber()
	tok, err := s.dec.Token()
	if err != nil || tok != json.Delim('{') {
		return surveyed{} // a list, whose elements are the records
	}
	s.object(nil) // what is wrong, or cut off, is told by who reads it
	best, others := pick(s.order)
	switch {
	case s.alike > 4 && s.alike == s.values:
		return surveyed{note: fmt.Sprintf("CHECK: the file is one object of %d objects, which nothing takes as records of their own; have it exported as a list", s.alike)}
	case best == nil:
		return surveyed{}
	case transform.RecordLike(s.plain) && best.count < wholeAtMost:
		return surveyed{note: fmt.Sprintf("CHECK: each file is a record, with %s as its own; json: {records: %s} makes records of that list instead", best.path, best.path)}
	case len(others) > 0:
		return surveyed{best.path, fmt.Sprintf("CHECK: %s has %s, and there are other lists of objects: %s; they want sources of their own", best.path, plainCount(best.count, "object"), strings.Join(others, ", "))}
	}
	return surveyed{best.path, fmt.Sprintf("%s: no other such list is as near to the root, or as long", eachOf(best.count, "object"))}
}

func eachOf(n int, what string) string {
	if n == 1 {
		return "its 1 " + what + " is a record"
	}
	return fmt.Sprintf("each of its %d %ss is a record", n, what)
}

func plainCount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// withoutMark passes over a byte order mark.
func withoutMark(r io.Reader) io.Reader {
	mark := make([]byte, 3)
	n, _ := io.ReadFull(r, mark)
	if n == 3 && string(mark) == "\ufeff" {
		return r
	}
	return io.MultiReader(bytes.NewReader(mark[:n]), r)
}

// object reads the rest of an object that has begun. Its error ends the survey.
func (s *jsonSurvey) object(path []string) error {
	for s.dec.More() {
		tok, err := s.dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		if tok, err = s.dec.Token(); err != nil {
			return err
		}
		if len(path) == 0 {
			s.values++
		}
		below := append(slices.Clone(path), key)
		switch tok {
		case json.Delim('{'):
			if len(path) == 0 {
				s.alike++
			}
			err = s.object(below)
		case json.Delim('['):
			err = s.array(below)
		default:
			if len(path) == 0 {
				s.plain = append(s.plain, key)
			}
		}
		if err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

// array reads the rest of a list that has begun; nil is one inside of another,
// which no path leads to.
func (s *jsonSurvey) array(path []string) error {
	for s.dec.More() {
		tok, err := s.dec.Token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'):
			s.met(path)
			err = s.skip()
		case json.Delim('['):
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

// met counts an object of a list.
func (s *jsonSurvey) met(path []string) {
	if slices.ContainsFunc(path, func(key string) bool { return key == "" || strings.Contains(key, ".") }) {
		return // json.records has no way to say it
	}
	at := strings.Join(path, ".")
	l := s.lists[at]
	if l == nil {
		l = &flatList{path: at, depth: len(path)}
		s.lists[at] = l
		s.order = append(s.order, l)
	}
	l.count++
}

// skip passes over the rest of what has begun.
func (s *jsonSurvey) skip() error {
	for depth := 1; depth > 0; {
		tok, err := s.dec.Token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// An xmlNode is the elements of one path.
type xmlNode struct {
	flatList
	most  int            // of them in one element
	kids  int            // elements in them, and attributes
	inOne map[string]int // names of the elements in the one that is open
}

// An xmlSurvey walks the elements of a file.
type xmlSurvey struct {
	nodes map[string]*xmlNode
	order []*xmlNode
	open  []*xmlNode
	plain []string // plain values of the root
	first []string // names of the elements right in it
}

func surveyXML(r io.Reader) surveyed {
	dec := xml.NewDecoder(r)
	dec.Strict = false
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // names are ASCII, nearly always
	s := &xmlSurvey{nodes: map[string]*xmlNode{}}
	for {
		tok, err := dec.RawToken()
		if err != nil {
			return s.found() // the end, or what is wrong, which is told by who reads it
		}
		switch t := tok.(type) {
		case xml.StartElement:
			s.start(&t)
		case xml.EndElement:
			if n := len(s.open); n > 0 {
				s.open = s.open[:n-1]
			}
		}
	}
}

// start meets an element.
func (s *xmlSurvey) start(t *xml.StartElement) {
	at := "/" + t.Name.Local
	n := len(s.open)
	if n > 0 {
		at = s.open[n-1].path + at
		s.open[n-1].kids++
	}
	node := s.nodes[at]
	if node == nil {
		node = &xmlNode{flatList: flatList{path: at, depth: n}}
		s.nodes[at] = node
		s.order = append(s.order, node)
		if n == 1 {
			s.first = append(s.first, t.Name.Local)
		}
	}
	node.count++
	node.inOne = map[string]int{}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		node.kids++
		if n == 0 {
			s.plain = append(s.plain, a.Name.Local)
		}
	}
	if n > 0 {
		above := s.open[n-1]
		above.inOne[t.Name.Local]++
		node.most = max(node.most, above.inOne[t.Name.Local])
	}
	s.open = append(s.open, node)
}

// found says which elements are the records.
func (s *xmlSurvey) found() surveyed {
	odd := func(path string) bool { return strings.ContainsAny(path, "[]@()=. ") } // xml.record has no way to say it
	if len(s.order) == 0 || odd(s.order[0].path) {
		return surveyed{}
	}
	plain := s.plain
	var lists []*flatList
	for _, n := range s.order {
		if n.depth == 1 && n.kids == 0 {
			plain = append(plain, n.path[strings.LastIndexByte(n.path, '/')+1:])
		}
		if n.depth > 0 && n.most > 1 && n.kids > 0 && !odd(n.path) {
			lists = append(lists, &n.flatList)
		}
	}
	best, others := pick(lists)
	whole := surveyed{s.order[0].path, "each file is one record"}
	switch {
	case best == nil && len(s.first) == 1:
		return surveyed{} // what the reader takes by itself
	case best == nil:
		return whole
	case transform.RecordLike(plain) && best.count < wholeAtMost:
		whole.note = fmt.Sprintf("CHECK: each file is a record, with the elements of %s as its own; xml: {record: %s} makes records of these instead", best.path, best.path)
		return whole
	case len(others) > 0:
		return surveyed{best.path, fmt.Sprintf("CHECK: %s of this path, and there are others: %s; they want sources of their own", plainCount(best.count, "element"), strings.Join(others, ", "))}
	case len(s.first) == 1 && best.depth == 1:
		return surveyed{}
	}
	return surveyed{best.path, fmt.Sprintf("%s: no others that repeat are as near to the root, or as many", eachOf(best.count, "element"))}
}

// flat tells a format of keys and values, whose columns differ from file to file.
func flat(f *extract.Format) bool {
	return f == extract.JSON || f == extract.JSONLines || f == extract.XML
}

// alikeNames tells columns of records of one kind: most of the fewer are among
// the others.
func alikeNames(a, b []string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	shared := 0
	for _, name := range a {
		if slices.Contains(b, name) {
			shared++
		}
	}
	return shared*5 >= len(a)*3 && shared > 0
}
