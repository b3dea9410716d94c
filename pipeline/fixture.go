package pipeline

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"importer/transform"
)

// Fixtures are the tests of a mapping: records, and the items that the mapping
// is to make of them.
//
// # Layout
//
// A text file. What stands above the first case is for people, as are lines
// that begin with #; a line of a case that begins with ===, --- or \ has a \ in
// front.
//
//	=== a confidential ticket is not for who it is about
//	source: tickets
//	path: tickets/london.csv
//	--- input
//	ticket_number,title
//	INC-1,Printer on fire
//	--- items
//	item INC-1
//	  title: "Printer on fire"
//	  acl: grant everyone
//
// source is the mapping's source; path is what file.path is to be (a name of
// the source's kind by default). Instead of an input, file: names a file,
// relative to this one, and records: how many of its records count.
type Fixtures struct {
	Name     string // of the file, for messages
	preamble []string
	Cases    []*Fixture
}

// A Fixture is one case.
type Fixture struct {
	Name    string
	Line    int // where it begins
	Source  string
	Path    string
	File    string
	Records int // 0 is all
	Input   string
	Want    string
	inline  bool     // there is an input
	head    []string // the lines between its name and its input, as written
}

const (
	caseMark  = "=== "
	inputMark = "--- input"
	itemsMark = "--- items"
)

// ReadFixtures reads a file of tests. Its error is a *transform.Error.
func ReadFixtures(name string, data []byte) (*Fixtures, error) {
	fs := &Fixtures{Name: name}
	fail := func(line int, remedy, format string, args ...any) error {
		return &transform.Error{Pos: transform.Pos{File: name, Line: line, Col: 1}, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	var c *Fixture
	var part *[]string // that lines go to
	var input, want []string
	end := func() {
		if c != nil {
			c.Input, c.Want = join(input), join(trimBlank(want))
		}
		input, want = nil, nil
	}
	part = &fs.preamble
	text := strings.TrimSuffix(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\n")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r") // of Windows
		title, begins := strings.CutPrefix(line+" ", caseMark)
		switch mark := strings.TrimRight(line, " \t"); {
		case begins:
			end()
			c = &Fixture{Name: strings.TrimSpace(title), Line: i + 1}
			if c.Name == "" {
				return nil, fail(c.Line, "write what the case is about behind ===", "the case has no name")
			}
			fs.Cases = append(fs.Cases, c)
			part = &c.head
		case c != nil && mark == inputMark && part == &c.head:
			c.inline, part = true, &input
		case c != nil && mark == itemsMark && part != &want:
			part = &want
		case c != nil && strings.HasPrefix(line, "---"):
			return nil, fail(i+1, `a case has --- input, and then --- items; a line of records that begins so is written \---`, "%q is no part of a case here", mark)
		case c != nil && part == &c.head:
			if remedy := c.key(line); remedy != "" {
				return nil, fail(i+1, remedy, "%q is no key of a case", line)
			}
			c.head = append(c.head, line)
		default:
			if c != nil {
				line = strings.TrimPrefix(line, `\`)
			}
			*part = append(*part, line)
		}
	}
	end()
	for _, c := range fs.Cases {
		switch {
		case c.Source == "":
			return nil, fail(c.Line, "add source: NAME", "the case %q does not say which source it is of", c.Name)
		case c.inline == (c.File != ""):
			return nil, fail(c.Line, "write the records below --- input, or name a file with file:", "the case %q has no records, or has them twice", c.Name)
		}
	}
	return fs, nil
}

// key reads a line of a case's head; remedy is "" when it is good.
func (c *Fixture) key(line string) (remedy string) {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch strings.TrimSpace(name) {
	case "source":
		c.Source = value
	case "path":
		c.Path = value
	case "file":
		c.File = value
	case "records":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return "write records: and a number from 1"
		}
		c.Records = n
	default:
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return "keys are source, path, file and records; records stand below --- input"
		}
		return ""
	}
	if !ok || value == "" {
		return "write a value behind the colon"
	}
	return ""
}

func join(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func trimBlank(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// Bytes writes the file. What was read is written as it was, but for blank
// lines at the end of a case.
func (fs *Fixtures) Bytes() []byte {
	var b bytes.Buffer
	line := func(s string) { b.WriteString(s + "\n") }
	safe := func(text string) {
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, "===") || strings.HasPrefix(l, "---") || strings.HasPrefix(l, `\`) {
				l = `\` + l
			}
			line(strings.TrimSuffix(l, "\n"))
		}
	}
	for _, l := range fs.preamble {
		line(l)
	}
	for i, c := range fs.Cases {
		if i > 0 || len(trimBlank(fs.preamble)) == len(fs.preamble) && len(fs.preamble) > 0 {
			line("")
		}
		line(caseMark + c.Name)
		for _, l := range c.head {
			line(l)
		}
		if c.inline {
			line(inputMark)
			safe(c.Input)
		}
		line(itemsMark)
		safe(c.Want)
	}
	return b.Bytes()
}

// Differ compares what was wanted with what came, line by line: lines that are
// only in one of them have a - or a + in front; of those that are in both only
// some around the others are shown. "" is that they are the same.
func Differ(want, got string) string {
	if want == got {
		return ""
	}
	a, b := strings.Split(strings.TrimSuffix(want, "\n"), "\n"), strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if want == "" {
		a = nil
	}
	if got == "" {
		b = nil
	}
	const most = 4000 // lines that are compared one by one
	if len(a) > most || len(b) > most {
		return fmt.Sprintf("%d lines were wanted, and %d came; they are too many to be compared here\n", len(a), len(b))
	}
	// length[i][j] is that of the longest common part of a[i:] and b[j:].
	length := make([][]int32, len(a)+1)
	for i := range length {
		length[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if length[i][j] = max(length[i+1][j], length[i][j+1]); a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			}
		}
	}
	var lines []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			lines = append(lines, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			lines = append(lines, "- "+a[i])
			i++
		default:
			lines = append(lines, "+ "+b[j])
			j++
		}
	}
	return near(lines)
}

// near leaves out lines that are far from any that differs, but for those that
// say which item it is.
func near(lines []string) string {
	const around = 2
	keep := make([]bool, len(lines))
	head := -1
	for i, l := range lines {
		if !strings.HasPrefix(l[1:], "   ") { // not of the inside of an item
			head = i
		}
		if l[0] == ' ' {
			continue
		}
		if head >= 0 {
			keep[head] = true
		}
		for n := max(i-around, 0); n <= min(i+around, len(lines)-1); n++ {
			keep[n] = true
		}
	}
	var b strings.Builder
	for i, l := range lines {
		switch {
		case keep[i]:
			b.WriteString(l + "\n")
		case i == 0 || keep[i-1]:
			b.WriteString("  ...\n")
		}
	}
	return b.String()
}
