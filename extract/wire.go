package extract

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// This file has records as JSON: on the way from a worker to its parent
// (readbox.go), and in what a Cache keeps.

// A wireLine is one of: a record, a record's error, a warning, or the header of
// the records that follow. Places go without their file.
type wireLine struct {
	Place  Place        `json:"place,omitzero"`
	Header []string     `json:"header,omitempty"`
	Text   []string     `json:"text,omitempty"`
	Typed  []wireValue  `json:"typed,omitempty"`
	Cells  int          `json:"cells,omitempty"`
	Doc    *wireDoc     `json:"doc,omitempty"`
	Bad    *wireFailure `json:"bad,omitempty"`
	Warn   string       `json:"warn,omitempty"`
}

// A wireDoc is a Document.
type wireDoc struct {
	Body        string            `json:"body"`
	Title       string            `json:"title,omitempty"`
	Headings    []string          `json:"headings,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Page        int               `json:"page,omitempty"`
	Pages       int               `json:"pages,omitempty"`
	HTML        string            `json:"html,omitempty"`
	Attachments []wireAttachment  `json:"attachments,omitempty"`
	Unread      int               `json:"unread,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
}

type wireAttachment struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size"`
}

// A wireFailure is the error of a record or a file, or with an empty Reason
// none.
type wireFailure struct {
	Place  Place    `json:"place,omitzero"`
	Reason string   `json:"reason,omitempty"`
	Detail string   `json:"detail,omitempty"`
	Short  bool     `json:"short,omitempty"` // it wraps ErrShort
	Text   []string `json:"text,omitempty"`
}

func noFile(p Place) Place {
	p.File = ""
	return p
}

func (l *wireLine) at(file string) Place {
	p := l.Place
	p.File = file
	return p
}

// lineOfRecord writes a record; size is about that of its text.
func lineOfRecord(rec Record) (l wireLine, size int) {
	l = wireLine{Place: noFile(rec.Place), Text: rec.Text, Cells: rec.Cells}
	for _, s := range rec.Text {
		size += len(s) + 8
	}
	if rec.Typed != nil {
		l.Typed = make([]wireValue, len(rec.Typed))
		for i, v := range rec.Typed {
			l.Typed[i] = wireValue{v}
		}
		size *= 2
	}
	if rec.Doc != nil {
		l.Doc = docToWire(rec.Doc)
		size += len(l.Doc.Body) + len(l.Doc.HTML)
	}
	return l, size
}

// record reads a record of a file under a header. A row that does not fit the
// header is made to: the worker may be out of its mind.
func (l *wireLine) record(file string, h *Header) Record {
	rec := Record{Place: l.at(file), Cells: l.Cells}
	if l.Doc != nil {
		rec.Doc = l.Doc.document()
		return rec
	}
	if h == nil {
		h = NewHeader(nil)
	}
	n := len(h.names)
	rec.Header, rec.Text = h, make([]string, n)
	copy(rec.Text, l.Text)
	if l.Typed != nil {
		rec.Typed = make([]any, n)
		for i := range min(n, len(l.Typed)) {
			rec.Typed[i] = l.Typed[i].v
		}
	}
	return rec
}

func docToWire(d *Document) *wireDoc {
	w := &wireDoc{Body: d.Body, Title: d.Title, Headings: d.Headings, Meta: d.Meta, Page: d.Page, Pages: d.Pages, Unread: d.Unread, Warnings: d.Warnings}
	if d.HTML != nil {
		w.HTML = d.HTML()
	}
	for _, a := range d.Attachments {
		w.Attachments = append(w.Attachments, wireAttachment{a.Name, a.Type, a.Size})
	}
	return w
}

func (w *wireDoc) document() *Document {
	d := &Document{Body: w.Body, Title: w.Title, Headings: w.Headings, Meta: w.Meta, Page: w.Page, Pages: w.Pages, Unread: w.Unread, Warnings: w.Warnings}
	if w.HTML != "" {
		d.HTML = func() string { return w.HTML }
	}
	for _, a := range w.Attachments {
		d.Attachments = append(d.Attachments, Attachment{Name: a.Name, Type: a.Type, Size: a.Size, Open: func() (Input, error) { return Input{}, errNotSpooled }})
	}
	return d
}

func failureOf(err error) wireFailure {
	if bad, ok := errors.AsType[*FileError](err); ok {
		return wireFailure{Place: noFile(bad.Place), Reason: bad.Reason, Detail: bad.Detail, Short: errors.Is(err, ErrShort)}
	}
	return wireFailure{Reason: ReasonBroken, Detail: err.Error(), Short: errors.Is(err, ErrShort)}
}

func (f *wireFailure) at(file string) Place {
	p := f.Place
	p.File = file + p.File // a Cache keeps what follows the file's name
	return p
}

func (f *wireFailure) fileError(file string) *FileError {
	e := &FileError{Place: f.at(file), Reason: f.Reason, Detail: f.Detail}
	if f.Short {
		e.Err = ErrShort
	}
	return e
}

func badOf(e *RecordError) *wireFailure {
	return &wireFailure{Place: noFile(e.Place), Reason: e.Reason, Detail: e.Detail, Text: e.Text}
}

func (f *wireFailure) recordError(file string, h *Header) *RecordError {
	return &RecordError{Place: f.at(file), Reason: f.Reason, Detail: f.Detail, Text: f.Text, Header: h}
}

// A wireValue is an element of Record.Typed, as a text whose first letter is
// its type; null is nil.
type wireValue struct{ v any }

func (w wireValue) MarshalJSON() ([]byte, error) {
	var s string
	switch v := w.v.(type) {
	case int64:
		s = "i" + strconv.FormatInt(v, 10)
	case float64:
		s = "f" + strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		s = "b" + strconv.FormatBool(v)
	case time.Time:
		s = "t" + v.UTC().Format(time.RFC3339Nano)
	case time.Duration:
		s = "d" + strconv.FormatInt(int64(v), 10)
	case CellError:
		return json.Marshal("e" + string(v))
	default:
		return []byte("null"), nil
	}
	return append(append([]byte{'"'}, s...), '"'), nil
}

func (w *wireValue) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	if err != nil || s == "" {
		return errMessage
	}
	kind, s := s[0], s[1:]
	switch kind {
	case 'i':
		w.v, err = strconv.ParseInt(s, 10, 64)
	case 'f':
		w.v, err = strconv.ParseFloat(s, 64)
	case 'b':
		w.v, err = strconv.ParseBool(s)
	case 't':
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, s)
		w.v = t.UTC()
	case 'd':
		var n int64
		n, err = strconv.ParseInt(s, 10, 64)
		w.v = time.Duration(n)
	case 'e':
		w.v = CellError(s)
	default:
		err = errMessage
	}
	return err
}
