package mend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"importer/extract"
)

// A row is a row of an export that came back.
type row struct {
	place  string // where it stands, for messages
	how    medium
	action string
	key    string
	// get gives the cell of a column as it is shown; ok is false where the table
	// has no such column.
	get func(name string) (c cell, ok bool)
	// blank tells that no cell of the row has anything in it.
	blank bool
}

// A FileError is what is wrong with an export as a whole.
type FileError struct{ File, Detail string }

func (e *FileError) Error() string { return e.File + ": " + e.Detail }

// rows yields the rows of an export. Any error ends the sequence: a table that
// was not read to its end is not taken.
func rows(ctx context.Context, path string) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, &FileError{path, fmt.Sprintf("cannot be opened (%v)", cause(err))})
			return
		}
		defer f.Close()
		if isJSON(f, path) {
			jsonRows(ctx, f, path, yield)
			return
		}
		info, err := f.Stat()
		if err != nil {
			yield(nil, &FileError{path, fmt.Sprintf("cannot be read (%v)", cause(err))})
			return
		}
		in := extract.Input{Name: path, Size: info.Size(), Path: path, ReaderAt: f}
		tableRows(ctx, in, yield)
	}
}

func cause(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// isJSON tells an export of JSON lines, by its name or its first character.
func isJSON(f io.ReaderAt, path string) bool {
	if ext := strings.ToLower(filepath.Ext(path)); ext == ".jsonl" || ext == ".ndjson" || ext == ".json" {
		return true
	}
	head := make([]byte, 16)
	n, _ := f.ReadAt(head, 0) // a failure shows when it is read
	return bytes.HasPrefix(bytes.TrimLeft(head[:n], "\uFEFF \r\n\t"), []byte("{"))
}

// tableRows reads a workbook or a CSV file. Rows that a filter hides count:
// whoever has set it has not taken them out.
func tableRows(ctx context.Context, in extract.Input, yield func(*row, error) bool) {
	// A spreadsheet may have changed the delimiter; the rest is as it was written.
	asWritten := extract.CSVOptions{Header: 1, Quote: `"`, Escape: "none", Footer: "keep"}
	opt := extract.Options{CSV: asWritten, Excel: extract.ExcelOptions{Header: 1, Hidden: true}}
	how := byCSV
	opt.Found = func(f *extract.Format) {
		if f == extract.Excel {
			how = byBook
		}
	}
	any := false
	for rec, err := range extract.Records(ctx, in, opt) {
		switch {
		case err != nil && ctx.Err() != nil:
			yield(nil, context.Cause(ctx))
			return
		case err != nil:
			yield(nil, tableError(in.Name, err))
			return
		case rec.Header == nil:
			yield(nil, &FileError{in.Name, "is no table; exports are .xlsx, .csv or .jsonl"})
			return
		}
		if _, ok := rec.Header.Index(colKey); !ok {
			if how == byBook {
				continue // a sheet of somebody's own
			}
			break
		}
		any = true
		if !yield(tableRow(rec, how), nil) {
			return
		}
	}
	if !any {
		yield(nil, &FileError{in.Name, fmt.Sprintf("has no column %s in its first row: it is no export of the quarantine, or that column or row was taken out; export again, and leave both in", colKey)})
	}
}

func tableError(name string, err error) error {
	var bad *extract.RecordError
	var file *extract.FileError
	switch {
	case errors.As(err, &bad):
		return &FileError{bad.Place.String(), bad.Detail}
	case errors.As(err, &file):
		return &FileError{file.Place.String(), file.Detail}
	}
	return &FileError{name, err.Error()}
}

func tableRow(rec extract.Record, how medium) *row {
	get := func(name string) (c cell, ok bool) {
		i, ok := rec.Header.Index(name)
		if !ok {
			return c, false
		}
		c.text = rec.Text[i]
		if how == byCSV {
			c.text = unguard(c.text)
		} else if rec.Typed != nil {
			c.typed = rec.Typed[i]
		}
		return c, true
	}
	r := &row{place: rec.Place.String(), how: how, get: get, blank: strings.TrimSpace(strings.Join(rec.Text, "")) == ""}
	action, _ := get(colAction)
	key, _ := get(colKey)
	r.action, r.key = strings.ToLower(strings.TrimSpace(action.text)), strings.TrimSpace(key.text)
	return r
}

// maxJSONLine is more than a record and its export can be.
const maxJSONLine = 64 << 20

// jsonRows reads JSON lines.
func jsonRows(ctx context.Context, f io.Reader, path string, yield func(*row, error) bool) {
	in := bufio.NewScanner(f)
	in.Buffer(nil, maxJSONLine)
	for n := 1; in.Scan(); n++ {
		if ctx.Err() != nil {
			yield(nil, context.Cause(ctx))
			return
		}
		text := bytes.TrimSpace(bytes.TrimPrefix(in.Bytes(), []byte("\uFEFF")))
		if len(text) == 0 {
			continue
		}
		r, err := jsonRow(text)
		place := fmt.Sprintf("%s:%d", path, n)
		if err != nil {
			yield(nil, &FileError{place, fmt.Sprintf("is no line of an export (%v)", err)})
			return
		}
		r.place = place
		if !yield(r, nil) {
			return
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		yield(nil, &FileError{path, "has a line of more than 64 MB: it is no export of the quarantine"})
	case err != nil:
		yield(nil, &FileError{path, fmt.Sprintf("cannot be read to its end (%v)", cause(err))})
	}
}

func jsonRow(text []byte) (*row, error) {
	var line struct {
		Action string         `json:"action"`
		Key    *string        `json:"key"`
		Record map[string]any `json:"record"`
		Extra  []any          `json:"extra"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&line); err != nil {
		return nil, errors.New("it is not the JSON that was written")
	}
	if line.Key == nil {
		return nil, errors.New(`it has no "key"`)
	}
	cells := map[string]cell{}
	for name, v := range line.Record {
		text, ok := jsonText(v)
		if !ok {
			return nil, fmt.Errorf("the value of %q is neither a text nor a number, a boolean or null", name)
		}
		cells[name] = cell{text: text}
	}
	for i, v := range line.Extra {
		text, ok := jsonText(v)
		if !ok {
			return nil, errors.New(`"extra" has something else than texts in it`)
		}
		cells[extraName(i)] = cell{text: text}
	}
	get := func(name string) (c cell, ok bool) {
		c, ok = cells[name]
		return c, ok
	}
	return &row{how: byJSON, action: strings.ToLower(strings.TrimSpace(line.Action)), key: strings.TrimSpace(*line.Key), get: get}, nil
}

func jsonText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}
