package transform

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocarina/gocsv"
)

// Side files are CSV files beside a mapping: people, groups, tables of
// permissions. gocsv makes structs of their rows, one at a time, as a file of
// groups may have a million.

// Columns that the reader adds. No header can have their names, as those of a
// header lose their spaces.
const (
	columnLine  = "line no"
	columnExtra = "extra values"
)

// maxSideErrors is how many lines of a side file are told to be wrong.
const maxSideErrors = 100

// maxSide bounds a side file.
const maxSide = 4 << 30

// headerNames are other names that columns of the side files go by.
var headerNames = map[string]string{"email": "mail", "emailaddress": "mail", "upn": "userprincipalname", "objectid": "id", "name": "displayname",
	"employeenumber": "employeeid", "onpremisessecurityidentifier": "sid", "onpremisessamaccountname": "samaccountname",
	"identityreference": "identity", "accesscontroltype": "access", "filesystemrights": "rights"}

func taken(columns map[string]string, name string) bool {
	return slices.Contains(slices.Collect(maps.Values(columns)), name)
}

// headerKnown tells whether some side file has a column of that name.
func headerKnown(name string) bool {
	return slices.Contains([]string{"id", "mail", "userprincipalname", "displayname", "employeeid", "samaccountname", "sid", "usertype", "type", "members",
		"group", "description", "membertype", "member", "identity", "value", "path", "access", "rights"}, name)
}

func headerName(h string) string {
	h = squeeze(h)
	if name, ok := headerNames[h]; ok {
		return name
	}
	return h
}

// squeeze takes out of a column's name what is a matter of taste.
func squeeze(h string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(h))
}

// A sideFile is a side file of a mapping.
type sideFile struct {
	m       *Mapping
	name    string // as messages have it
	columns map[string]string
	extra   []string // columns whose values come in columnExtra, a line each
	errs    int
}

// errorf reports what is wrong in a line; of many lines, the first.
func (f *sideFile) errorf(line int, remedy, format string, args ...any) {
	f.errs++
	switch {
	case f.errs == maxSideErrors+1:
		format, args, remedy = "more lines are wrong than are told", nil, "correct these first"
	case f.errs > maxSideErrors:
		return
	}
	f.m.doc.errs = append(f.m.doc.errs, &Error{Pos: Pos{File: f.name, Line: max(line, 1), Col: 1}, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
}

// sidePath completes the path of a file that the mapping names, and notes it.
func (m *Mapping) sidePath(name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(m.File), name)
	}
	if !slices.Contains(m.doc.files, name) {
		m.doc.files = append(m.doc.files, name)
	}
	return name
}

// openSide opens the file that a key of a section names; nil is that it could
// not, which has been reported.
func (m *Mapping) openSide(s section, key string, f *sideFile) *os.File {
	v, ok := s.scalar(key)
	if !ok {
		return nil
	}
	f.m, f.name = m, m.sidePath(v.s)
	file, err := os.Open(f.name)
	if err == nil {
		info, statErr := file.Stat()
		switch {
		case statErr == nil && info.IsDir():
			err = errors.New("it is a folder")
		case statErr == nil && info.Size() > maxSide:
			err = errors.New("it is too large")
		default:
			return file
		}
		file.Close()
	}
	m.doc.errorf(v.pos, "correct the path, which is relative to the mapping, or make the file readable", "%s: the file %s cannot be read: %v", s.what, v.s, reasonOf(err))
	return nil
}

// readSide calls each with every row of the file that a key of a section
// names. Its errors have been reported.
func readSide[T any](m *Mapping, s section, key string, f *sideFile, required []string, each func(T)) {
	if file := m.openSide(s, key, f); file != nil {
		defer file.Close()
		decodeSide(f, file, required, each)
	}
}

// decodeSide calls each with every row of an open side file, decoded by gocsv.
// ok is false when it is no table to its end, which has been reported.
func decodeSide[T any](f *sideFile, file io.Reader, required []string, each func(T)) (ok bool) {
	sr := &sideReader{f: f}
	if !sr.open(file, required) {
		return false
	}
	err := gocsv.UnmarshalDecoderToCallback(sr, each)
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		f.errorf(pe.Line, "check the quotes in it", "this line is not CSV: %v", pe.Err)
	case err != nil:
		f.errorf(1, "save it as CSV in UTF-8", "the file cannot be read: %v", reasonOf(err))
	}
	return err == nil
}

// A sideReader feeds gocsv. gocsv reads in a goroutine of its own, where a
// row longer than the header panics and no one can recover (decode.go of the
// version of 2024-05-20), so every row gets the header's width here, and
// header names one spelling.
type sideReader struct {
	f      *sideFile
	r      *csv.Reader
	header []string // until it is given
	width  int
	extra  []int // the columns of f.extra
}

// open reads the header; ok is false when it will not do, which has been
// reported.
func (s *sideReader) open(file io.Reader, required []string) (ok bool) {
	text := bufio.NewReaderSize(file, 1<<16)
	head, _ := text.Peek(4096) // a shorter file is all there is
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		text.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		s.f.errorf(1, "save it as CSV in UTF-8", "the file is in UTF-16")
		return false
	}
	s.r = csv.NewReader(text)
	s.r.FieldsPerRecord, s.r.TrimLeadingSpace = -1, true
	first, _, _ := strings.Cut(string(head), "\n")
	if n := strings.Count(first, ","); strings.Count(first, ";") > n {
		s.r.Comma = ';'
	} else if strings.Count(first, "\t") > n {
		s.r.Comma = '\t'
	}
	header, err := s.next()
	var pe *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		s.f.errorf(1, "its first line names the columns: "+strings.Join(required, ","), "the file is empty")
		return false
	case errors.As(err, &pe):
		s.f.errorf(pe.Line, "check the quotes in it", "this line is not CSV: %v", pe.Err)
		return false
	case err != nil:
		s.f.errorf(1, "save it as CSV in UTF-8", "the file cannot be read: %v", reasonOf(err))
		return false
	}
	return s.readHeader(header, required)
}

func (s *sideReader) readHeader(header, required []string) (ok bool) {
	written := slices.Clone(header)
	found := map[string]bool{}
	plain := map[string]bool{} // columns that go by their own name
	for _, h := range written {
		plain[squeeze(h)] = true
	}
	for i, h := range written {
		header[i] = headerName(h)
		if name, named := s.f.columns[squeeze(h)]; named {
			header[i] = name
			found[squeeze(h)] = true
		} else if taken(s.f.columns, header[i]) || header[i] != squeeze(h) && plain[header[i]] {
			header[i] = "" // another column is this
		}
		if first := slices.Index(header[:i], header[i]); first >= 0 && header[i] != "" && headerKnown(header[i]) {
			s.f.errorf(1, "rename one of them", "the columns %q and %q are both the %s", written[first], h, header[i])
			return false
		}
	}
	for column, name := range s.f.columns {
		if !found[column] {
			s.f.errorf(1, "columns are "+strings.Join(written, ", "), "there is no column %q, which the mapping takes for the %s", column, name)
			return false
		}
	}
	for _, name := range required {
		if !slices.Contains(header, strings.ToLower(name)) {
			s.f.errorf(1, "name it in the first line; columns are "+strings.Join(written, ", "), "there is no column %q", name)
			return false
		}
	}
	for _, name := range s.f.extra {
		i := slices.IndexFunc(written, func(h string) bool { return squeeze(h) == squeeze(name) })
		if i < 0 {
			s.f.errorf(1, "columns are "+strings.Join(written, ", "), "there is no column %q, which groups: {columns: ...} names", name)
			return false
		}
		s.extra = append(s.extra, i)
	}
	s.width = len(header)
	s.header = append(header, columnLine, columnExtra)
	return true
}

// next gives the next row that is not empty.
func (s *sideReader) next() ([]string, error) {
	for {
		row, err := s.r.Read()
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(row, func(f string) bool { return !isBlank(f) }) {
			continue
		}
		for i := range row {
			row[i] = clean(trim(row[i]))
		}
		return row, nil
	}
}

// GetCSVRow gives gocsv the header, and then row after row.
func (s *sideReader) GetCSVRow() ([]string, error) {
	if s.header != nil {
		header := s.header
		s.header = nil
		return header, nil
	}
	row, err := s.next()
	if err != nil {
		return nil, err
	}
	line, _ := s.r.FieldPos(0)
	out := make([]string, s.width, s.width+2)
	copy(out, row)
	var extra []string
	for _, i := range s.extra {
		extra = append(extra, strings.ReplaceAll(out[i], "\n", " "))
	}
	return append(out, fmt.Sprint(line), strings.Join(extra, "\n")), nil
}

// GetCSVRows gives gocsv all rows at once.
func (s *sideReader) GetCSVRows() (rows [][]string, err error) {
	for {
		row, err := s.GetCSVRow()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}
