package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Records of keys and values (JSON, XML) become rows: a key is a column, what is
// below a key is a column of its own, called key.below. A first reading of the
// file finds all columns, so that they do not depend on which record is first;
// the second yields the rows.

// A flatRow is a record of keys and values.
type flatRow struct {
	place Place
	// valueAt gives the place of the value of a key, which need not be in the
	// record; nil where values have none.
	valueAt func(key string) Place
	keys    []string // in order; a key may come again, when it has several values
	values  []flatValue
	bad     *RecordError
}

// A flatValue is a value in the file's spelling, and typed.
type flatValue struct {
	text  string
	typed any
	at    int // where it begins in the record's own text, in bytes; for places
}

func (r *flatRow) add(key, text string, typed any) { r.addAt(key, text, typed, 0) }

func (r *flatRow) addAt(key, text string, typed any, at int) {
	r.keys = append(r.keys, key)
	r.values = append(r.values, flatValue{text, typed, at})
}

// A flatSource yields the records of a file, from its beginning. Its error is a
// *FileError without a place, or of reading.
type flatSource func(ctx context.Context, yield func(*flatRow) error) error

// Limits of flat records.
const (
	maxFlatDepth = 100
	flatJoin     = "\n" // between several values of one key

	// attributeSign stands before the name of an attribute of XML.
	attributeSign = "@"
)

// readFlat yields the rows of a source. columns are those that are there even
// when no record has them; typed tells that values have types.
func readFlat(ctx context.Context, in Input, opt Options, columns []string, typed bool, what string, source flatSource) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f := &flatReader{ctx: ctx, in: in, opt: opt, index: map[string]int{}, typed: typed, what: what}
		err := f.read(columns, source, yield)
		if err != nil && !errors.Is(err, errBreak) {
			yield(Record{}, err)
		}
	}
}

type flatReader struct {
	ctx   context.Context
	in    Input
	opt   Options
	names []string
	index map[string]int
	typed bool
	what  string
	rows  int // yielded
}

func (f *flatReader) read(columns []string, source flatSource, yield func(Record, error) bool) error {
	switch f.opt.Item {
	case "", "row":
	default:
		return docError(f.in, ReasonOption, fmt.Sprintf("item is %q, but the records of %s are rows; write item: row, or item: document for the whole file", f.opt.Item, f.what), nil)
	}
	if f.in.Size == 0 {
		return docError(f.in, ReasonEmpty, "the file is empty", nil)
	}
	for _, name := range columns {
		f.column(name)
	}
	any := false
	err := source(f.ctx, func(r *flatRow) error {
		any = true
		for _, key := range r.keys {
			if err := f.column(key); err != nil {
				return err
			}
		}
		return f.ctx.Err()
	})
	// A file that is broken further on is read as far as it goes: the second
	// reading tells what is wrong.
	if bad, ok := errors.AsType[*FileError](err); ok && (!any || bad.Reason == ReasonTooLarge || bad.Reason == ReasonOption) {
		return withFile(err, f.in.Name)
	} else if err != nil && !ok {
		return f.failure(err)
	}
	header := NewHeader(f.plainNames())
	err = source(f.ctx, func(r *flatRow) error { return f.yield(r, header, yield) })
	if bad, ok := errors.AsType[*FileError](err); ok {
		if f.rows > 0 && !errors.Is(bad, ErrShort) {
			bad.Err = errors.Join(ErrShort, bad.Err)
		}
		return withFile(err, f.in.Name)
	}
	if err != nil {
		return f.failure(err)
	}
	return nil
}

// plainNames are the columns' names. Attributes (address.@type) go without their
// sign where no element has the name.
func (f *flatReader) plainNames() []string {
	names := slices.Clone(f.names)
	for i, name := range names {
		if !strings.Contains(name, attributeSign) {
			continue
		}
		plain := strings.ReplaceAll(name, attributeSign, "")
		if _, taken := f.index[plain]; !taken {
			names[i] = plain
		}
	}
	return names
}

// failure is the error of a file that cannot be read.
func (f *flatReader) failure(err error) error {
	if errors.Is(err, errBreak) || f.ctx.Err() != nil && errors.Is(err, f.ctx.Err()) {
		return err
	}
	return f.in.readFailure(err)
}

func (f *flatReader) column(key string) error {
	if _, ok := f.index[key]; ok {
		return nil
	}
	most := f.opt.Limits.Columns
	if most <= 0 {
		most = defaultColumns
	}
	if len(f.names) >= most {
		return &FileError{Reason: ReasonTooLarge, Detail: fmt.Sprintf("the records have more than %d different keys together; leave some out in the export, or raise limits.columns", most)}
	}
	f.index[key] = len(f.names)
	f.names = append(f.names, key)
	return nil
}

func (f *flatReader) yield(r *flatRow, h *Header, yield func(Record, error) bool) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	r.place.File = f.in.Name
	if r.bad != nil {
		r.bad.Place, r.bad.Header = r.place, h
		if !yield(Record{}, r.bad) {
			return errBreak
		}
		return nil
	}
	rec := Record{Place: r.place, Header: h, Text: make([]string, len(h.names))}
	if f.typed {
		rec.Typed = make([]any, len(h.names))
	}
	for i, key := range r.keys {
		at := f.index[key]
		v := r.values[i]
		switch {
		case v.text == "":
		case rec.Text[at] != "":
			rec.Text[at] += flatJoin + v.text
			if f.typed {
				rec.Typed[at] = nil
			}
		default:
			rec.Text[at] = v.text
			if f.typed {
				rec.Typed[at] = v.typed
			}
		}
	}
	if at := r.valueAt; at != nil {
		names, file := f.names, f.in.Name
		rec.ValueAt = func(column int) Place {
			p := at(names[column])
			p.File = file
			return p
		}
	}
	f.rows++
	if !yield(rec, nil) {
		return errBreak
	}
	return nil
}

// under is the key of what is below a key.
func under(above, key string) string {
	if above == "" {
		return key
	}
	return above + "." + key
}

// A lineCounter notes where the lines of what is read end, so that an offset
// can be told as a line.
type lineCounter struct {
	r     io.Reader
	at    int64
	ends  []int64 // of lines that nobody has asked for yet
	line  int
	start int64 // of that line
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i := 0; i < n; {
		j := bytes.IndexByte(p[i:n], '\n')
		if j < 0 {
			break
		}
		i += j + 1
		l.ends = append(l.ends, l.at+int64(i))
	}
	l.at += int64(n)
	return n, err
}

// lineOf gives the line of an offset, 1-based. Offsets come in order.
func (l *lineCounter) lineOf(offset int64) int {
	n := 0
	for n < len(l.ends) && l.ends[n] <= offset {
		n++
	}
	if n > 0 {
		l.start = l.ends[n-1]
	}
	l.line += n
	l.ends = l.ends[n:]
	return l.line + 1
}

// placeOf gives the line and the column of an offset, in bytes of UTF-8, both
// 1-based. Offsets come in order.
func (l *lineCounter) placeOf(offset int64) Place {
	line := l.lineOf(offset)
	return Place{Line: line, Col: int(offset-l.start) + 1}
}
