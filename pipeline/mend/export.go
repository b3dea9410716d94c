package mend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"importer/pipeline/state"
)

// Formats are those that Export writes and Take reads.
var Formats = []string{"xlsx", "csv", "jsonl"}

// FormatOf is the format of a file by its name, "" if it is none of Formats.
func FormatOf(name string) string {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".xlsx", ".csv", ".jsonl":
		return ext[1:]
	}
	return ""
}

// Exported is what an export has.
type Exported struct {
	Rows     int64 `json:"rows"`
	Mendable int64 `json:"mendable"` // rows that can be corrected there
	Sheets   int   `json:"sheets,omitempty"`
}

// A writer writes the lines of an export.
type writer interface {
	line(*line) error
	close() error
}

// Export writes what f chooses of the quarantine, in one of Formats. However
// much it is, it takes little memory.
func Export(ctx context.Context, s *state.Store, w io.Writer, format string, f state.Filter) (out Exported, err error) {
	shapes, err := s.Shapes(ctx, f)
	if err != nil {
		return out, err
	}
	var to writer
	switch format {
	case "xlsx":
		to, err = newXLSXWriter(w, shapes)
	case "csv":
		to, err = newCSVWriter(w, shapes)
	case "jsonl":
		to = &jsonWriter{bufio.NewWriter(w)}
	default:
		return out, fmt.Errorf("there is no format %q", format)
	}
	if err != nil {
		return out, err
	}
	for q, err := range s.Lines(ctx, f) {
		if err != nil {
			return out, errors.Join(err, to.close())
		}
		l, err := newLine(q)
		if err == nil {
			err = to.line(l)
		}
		if err != nil {
			return out, errors.Join(err, to.close())
		}
		out.Rows++
		if l.mendable() {
			out.Mendable++
		}
	}
	if x, ok := to.(*xlsxWriter); ok {
		out.Sheets = len(x.sheets)
	}
	return out, to.close()
}

// A csvWriter writes one table for all sources: UTF-8 with the mark that Excel
// knows it by.
type csvWriter struct {
	w      *csv.Writer
	layout layout
	row    []string
}

func newCSVWriter(w io.Writer, shapes []state.Shape) (*csvWriter, error) {
	c := &csvWriter{w: csv.NewWriter(w)}
	for _, sh := range shapes {
		c.layout.add(sh)
	}
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return nil, err
	}
	names := c.layout.names()
	c.row = make([]string, len(names))
	for i, name := range names {
		c.row[i] = guard(name)
	}
	return c, c.w.Write(c.row)
}

func (c *csvWriter) line(l *line) error {
	clear(c.row)
	copy(c.row, l.lead)
	for i, name := range l.names {
		if i < len(l.rec.Values) {
			c.row[len(leading)+c.layout.index[name]] = l.rec.Values[i]
		}
	}
	copy(c.row[len(leading)+len(c.layout.columns):], l.extra)
	for i, v := range c.row {
		c.row[i] = guard(v)
	}
	return c.w.Write(c.row)
}

func (c *csvWriter) close() error {
	c.w.Flush()
	return c.w.Error()
}

// guard puts an apostrophe before what a spreadsheet would take for a formula,
// and before an apostrophe, so that unguard can tell. Numbers below zero are
// none (OWASP, CSV injection).
func guard(v string) string {
	if v == "" || !strings.ContainsRune("=+-@'\t\r\n＝＋－＠", []rune(v[:min(len(v), 4)])[0]) {
		return v
	}
	if v[0] == '-' && plainNumber.MatchString(v) {
		return v
	}
	return "'" + v
}

func unguard(v string) string { return strings.TrimPrefix(v, "'") }

// A jsonWriter writes an object a line.
type jsonWriter struct{ w *bufio.Writer }

// A jsonLine is a line of a jsonl export.
type jsonLine struct {
	Action   string   `json:"action"`
	Source   string   `json:"source"`
	File     string   `json:"file"`
	Place    string   `json:"place"`
	Item     string   `json:"item"`
	Stage    string   `json:"stage"`
	Reason   string   `json:"reason"`
	Property string   `json:"property"`
	Value    string   `json:"value"`
	Detail   string   `json:"detail"`
	Key      string   `json:"key"`
	Record   ordered  `json:"record,omitzero"`
	Extra    []string `json:"extra,omitempty"`
}

// ordered is an object that keeps its order.
type ordered struct{ names, values []string }

func (o ordered) IsZero() bool { return len(o.names) == 0 }

func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	sep := byte('{')
	for i, name := range o.names {
		b.WriteByte(sep)
		if err := enc.Encode(name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(o.values[i]); err != nil {
			return nil, err
		}
		sep = ','
	}
	b.WriteByte('}')
	return b.Bytes(), nil // the encoder around it takes the line ends out
}

func (j *jsonWriter) line(l *line) error {
	values := slices.Clone(l.rec.Values[:min(len(l.rec.Values), len(l.names))])
	for len(values) < len(l.names) {
		values = append(values, "")
	}
	out := jsonLine{Record: ordered{l.names, values}, Extra: l.extra}
	for i, to := range []*string{&out.Action, &out.Source, &out.File, &out.Place, &out.Item, &out.Stage, &out.Reason, &out.Property, &out.Value, &out.Detail, &out.Key} {
		*to = l.lead[i]
	}
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func (j *jsonWriter) close() error { return j.w.Flush() }
