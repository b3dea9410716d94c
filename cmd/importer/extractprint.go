package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"importer/extract"
)

// extractText prints what is read for people.
type extractText struct {
	w      io.Writer
	styled bool
	any    bool // something was printed: the next file is parted from it
	header *extract.Header
	name   string // of the file
	err    error
}

// Styles of terminals.
const (
	styleBold = "\x1b[1m"
	styleDim  = "\x1b[2m"
	styleRed  = "\x1b[31m"
	styleWarn = "\x1b[33m"
	styleBlue = "\x1b[36m"
	styleEnd  = "\x1b[0m"
)

func (t *extractText) style(style, s string) string {
	if !t.styled || s == "" {
		return s
	}
	return style + s + styleEnd
}

func (t *extractText) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// harmless makes what a file says harmless on a terminal.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r >= 0xa0) {
			return r
		}
		return '\uFFFD'
	}, s)
}

func (t *extractText) file(f extractedFile) error {
	if t.any {
		t.printf("\n")
	}
	t.any, t.header, t.name = true, nil, f.Path
	what := ""
	if f.Format != "" {
		what = f.Noun
		if !strings.HasSuffix(what, "(."+f.Format+")") {
			what += " (" + f.Format + ")"
		}
		what += ", " + f.Why
	}
	t.printf("%s  %s\n", t.style(styleBold, harmless(f.Path)), t.style(styleDim, strings.Join(nonEmpty(sizeWords(f.Size), what), ", ")))
	return t.err
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (t *extractText) warning(p extract.Place, text string) error {
	t.printf("%s %s: %s\n", t.style(styleWarn, "warning:"), harmless(p.String()), harmless(text))
	return t.err
}

func (t *extractText) refused(err error) error {
	t.printf("%s %s\n", t.style(styleRed, "cannot be read:"), harmless(err.Error()))
	return t.err
}

func (t *extractText) end(records int, more bool) error {
	switch {
	case more:
		t.printf("%s\n", t.style(styleDim, fmt.Sprintf("... and more after the first %s; --limit 0 prints all", count(int64(records), "record", "records"))))
	case records == 0:
		t.printf("%s\n", t.style(styleDim, "no records"))
	}
	return t.err
}

func (t *extractText) record(rec extract.Record) error {
	if rec.Doc != nil {
		t.document(rec)
		return t.err
	}
	if rec.Header != t.header {
		t.header = rec.Header
		names := rec.Header.Names()
		t.printf("%s\n", t.style(styleDim, fmt.Sprintf("%s: %s", count(int64(len(names)), "column", "columns"), harmless(shortList(names, 200)))))
	}
	t.printf("\n%s\n", t.style(styleBlue, harmless(rec.Place.String())))
	wide := 0
	for _, name := range rec.Header.Names() {
		wide = max(wide, min(utf8.RuneCountInString(name), 32))
	}
	for i, name := range rec.Header.Names() {
		if rec.Text[i] == "" {
			continue
		}
		kind := ""
		if rec.Typed != nil {
			kind = cellType(rec.Typed[i])
		}
		t.field(name, rec.Text[i], kind, wide)
	}
	return t.err
}

// field prints a name and a value; lines of the value stand below each other.
func (t *extractText) field(name, value, kind string, wide int) {
	if kind != "" {
		kind = "  " + t.style(styleDim, kind)
	}
	name = harmless(strings.ReplaceAll(name, "\n", " "))
	pad := strings.Repeat(" ", max(wide-utf8.RuneCountInString(name), 0))
	indent := strings.Repeat(" ", wide+4)
	lines := strings.Split(strings.TrimRight(harmless(value), "\n"), "\n")
	t.printf("  %s%s  %s%s\n", t.style(styleDim, name), pad, lines[0], kind)
	for _, line := range lines[1:] {
		t.printf("%s%s\n", indent, line)
	}
}

func (t *extractText) document(rec extract.Record) {
	d := rec.Doc
	if place := rec.Place.String(); place != t.name {
		t.printf("\n%s\n", t.style(styleBlue, harmless(place)))
	}
	fields := [][2]string{}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, [2]string{name, value})
		}
	}
	add("title", d.Title)
	switch {
	case d.Page > 0:
		add("page", fmt.Sprintf("%d of %d", d.Page, d.Pages))
	case d.Pages > 0:
		add("pages", fmt.Sprint(d.Pages))
	}
	if p := rec.Part; p != nil && p.Parent != nil {
		add("attached to", p.Parent.Place.String())
	}
	for _, key := range metaKeys(d.Meta) {
		if key != "title" || d.Meta[key] != d.Title {
			add("meta."+key, d.Meta[key])
		}
	}
	add("headings", strings.Join(cutList(d.Headings, 30), "\n"))
	var attached []string
	for _, a := range d.Attachments {
		attached = append(attached, attachmentLine(a))
	}
	add("attachments", strings.Join(cutList(attached, 50), "\n"))
	wide := 0
	for _, f := range fields {
		wide = max(wide, min(utf8.RuneCountInString(f[0]), 32))
	}
	for _, f := range fields {
		t.field(f[0], f[1], "", wide)
	}
	for _, w := range d.Warnings {
		t.printf("  %s %s\n", t.style(styleWarn, "warning:"), harmless(w))
	}
	if body := harmless(strings.ReplaceAll(d.Body, "\f", "\n"+strings.Repeat("-", 8)+"\n")); body != "" {
		t.printf("\n%s\n", body)
	}
}

func attachmentLine(a extract.Attachment) string {
	var facts []string
	if a.Type != "" {
		facts = append(facts, a.Type)
	}
	if a.Size > 0 {
		facts = append(facts, sizeWords(a.Size))
	}
	if len(facts) == 0 {
		return a.Name
	}
	return a.Name + " (" + strings.Join(facts, ", ") + ")"
}

func cutList(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("... and %d more", len(list)-most))
}

// shortList joins names up to so many characters.
func shortList(names []string, most int) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		if b.Len()+len(name) > most && i < len(names)-1 {
			fmt.Fprintf(&b, "... and %d more", len(names)-i)
			break
		}
		b.WriteString(name)
	}
	return b.String()
}

// cellValue is the type and the value of a typed cell, as JSON has it; "" is
// plain text.
func cellValue(v any) (kind string, value any) {
	switch v := v.(type) {
	case int64:
		return "int64", v
	case float64:
		return "double", v
	case bool:
		return "boolean", v
	case time.Time:
		return "dateTime", v.Format("2006-01-02T15:04:05.999999999")
	case time.Duration:
		return "duration", v.String()
	case extract.CellError:
		return "error", string(v)
	}
	return "", nil
}

// extractJSON prints an object for each record, warning and refusal.
type extractJSON struct {
	w     io.Writer
	facts extractedFile
}

func (j *extractJSON) print(v any) error {
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (j *extractJSON) file(f extractedFile) error {
	j.facts = f
	return nil
}

func (j *extractJSON) warning(p extract.Place, text string) error {
	return j.print(map[string]any{"type": "warning", "version": jsonVersion, "place": p, "message": text})
}

func (j *extractJSON) refused(err error) error {
	line := map[string]any{"type": "refused", "version": jsonVersion, "message": err.Error()}
	var bad *extract.RecordError
	var file *extract.FileError
	switch {
	case errors.As(err, &bad):
		line["place"], line["reason"], line["message"] = bad.Place, bad.Reason, bad.Detail
		if len(bad.Text) > 0 {
			line["text"] = bad.Text
		}
	case errors.As(err, &file):
		line["type"], line["place"], line["reason"], line["message"] = "unreadable", file.Place, file.Reason, file.Detail
		line["short"] = errors.Is(err, extract.ErrShort)
	}
	return j.print(line)
}

// A cellJSON is a cell of a row.
type cellJSON struct {
	Column string `json:"column"`
	Text   string `json:"text"`
	Type   string `json:"type,omitempty"`
	Value  any    `json:"value,omitempty"`
}

// A recordJSON is a record.
type recordJSON struct {
	Type        string            `json:"type"`
	Version     int               `json:"version"`
	Format      string            `json:"format"`
	Why         string            `json:"why"`
	Place       extract.Place     `json:"place"`
	Cells       []cellJSON        `json:"cells,omitempty"`
	Title       string            `json:"title,omitempty"`
	Page        int               `json:"page,omitempty"`
	Pages       int               `json:"pages,omitempty"`
	Unread      int               `json:"unread,omitempty"`
	Headings    []string          `json:"headings,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Body        string            `json:"body,omitempty"`
	HTML        string            `json:"html,omitempty"`
	Attachments []attachmentJSON  `json:"attachments,omitempty"`
	Parent      string            `json:"parent,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
}

type attachmentJSON struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size,omitempty"`
}

func (j *extractJSON) record(rec extract.Record) error {
	r := recordJSON{Type: "row", Version: jsonVersion, Format: j.facts.Format, Why: j.facts.Why, Place: rec.Place}
	if rec.Header != nil {
		for i, name := range rec.Header.Names() {
			c := cellJSON{Column: name, Text: rec.Text[i]}
			if rec.Typed != nil {
				c.Type, c.Value = cellValue(rec.Typed[i])
			}
			r.Cells = append(r.Cells, c)
		}
	}
	if d := rec.Doc; d != nil {
		r.Type = "document"
		if d.Page > 0 {
			r.Type = "page"
		}
		r.Title, r.Page, r.Pages, r.Headings, r.Meta, r.Body, r.Warnings, r.Unread = d.Title, d.Page, d.Pages, d.Headings, d.Meta, d.Body, d.Warnings, d.Unread
		if d.HTML != nil {
			r.HTML = d.HTML()
		}
		for _, a := range d.Attachments {
			r.Attachments = append(r.Attachments, attachmentJSON{a.Name, a.Type, a.Size})
		}
	}
	if p := rec.Part; p != nil && p.Parent != nil {
		r.Parent = p.Parent.Place.String()
		r.Format, r.Why = "", ""
	}
	return j.print(r)
}

func (j *extractJSON) end(records int, more bool) error {
	return j.print(map[string]any{"type": "end", "version": jsonVersion, "file": j.facts.Path, "records": records, "more": more})
}
