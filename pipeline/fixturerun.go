package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// fixtureTime is when the file of a case was changed: what its items are must
// not depend on when it was checked out.
var fixtureTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Run maps the records of a case and tells what became of each, as text; dir is
// the folder of the file of tests. Its errors are *transform.Error, about the
// case, transform.Errors, about the mapping, and ctx's.
func (c *Fixture) Run(ctx context.Context, m *transform.Mapping, fixtures *Fixtures, dir string) (string, error) {
	fail := func(remedy, format string, args ...any) error {
		return &transform.Error{Pos: transform.Pos{File: fixtures.Name, Line: c.Line, Col: 1}, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	var src *transform.Source
	var names []string
	for _, s := range m.Sources {
		names = append(names, s.Name)
		if s.Name == c.Source {
			src = s
		}
	}
	if src == nil {
		return "", fail("it has "+strings.Join(names, ", "), "the mapping has no source %q", c.Source)
	}
	in, file, opt, err := c.open(src, dir)
	if err != nil {
		return "", fail("correct file:", "%v", err)
	}
	if closer, ok := in.ReaderAt.(*os.File); ok {
		defer closer.Close()
	}
	var b strings.Builder
	n := 0
	for rec, err := range extract.Records(ctx, in, opt) {
		if n++; c.Records > 0 && n > c.Records {
			break
		}
		if err == nil {
			rec.SetFile(file)
		}
		if err := tell(&b, src, rec, err); err != nil {
			return "", err
		}
	}
	return b.String(), context.Cause(ctx)
}

// tell writes what becomes of a record.
func tell(b *strings.Builder, src *transform.Source, rec extract.Record, err error) error {
	at := func(p extract.Place) string {
		p.File, p.Col = "", 0
		return strings.TrimPrefix(strings.TrimPrefix(p.String(), ":"), "!")
	}
	var item *transform.Item
	if err == nil {
		item, err = src.Apply(rec)
	}
	var record *extract.RecordError
	var file *extract.FileError
	var refused *transform.ItemError
	var wrong transform.Errors
	switch {
	case errors.As(err, &wrong):
		return wrong
	case errors.Is(err, transform.ErrSkip):
		fmt.Fprintf(b, "filtered %s\n", at(rec.Place))
	case errors.As(err, &refused):
		fmt.Fprintf(b, "refused %s: %s\n", at(refused.Place), refused.Detail)
	case errors.As(err, &record):
		fmt.Fprintf(b, "unreadable %s: %s\n", at(record.Place), record.Detail)
	case errors.As(err, &file):
		fmt.Fprintf(b, "unreadable: %s\n", file.Detail)
	case err != nil:
		return err
	default:
		describe(b, item)
	}
	return nil
}

// describe writes an item for people: a line each of what it has.
func describe(b *strings.Builder, it *transform.Item) {
	fmt.Fprintf(b, "item %s\n", it.ID)
	for i := range it.Properties {
		p := &it.Properties[i]
		fmt.Fprintf(b, "  %s: %s\n", p.Name, valueText(&p.Value))
	}
	for _, a := range it.ACL {
		word := "grant"
		if a.Deny {
			word = "deny"
		}
		who := a.Type
		if a.Value != a.Type && a.Value != "everyone" {
			who += " " + a.Value
		}
		fmt.Fprintf(b, "  acl: %s %s\n", word, who)
	}
	for _, a := range it.Activities {
		fmt.Fprintf(b, "  activity: %s %s by %s %s\n", a.Type, a.At.UTC().Format(time.RFC3339), a.ByType, a.ByID)
	}
	if it.Content.Type != "" {
		fmt.Fprintf(b, "  content: %s\n", it.Content.Type)
		for l := range strings.SplitSeq(strings.TrimSuffix(it.Content.Value, "\n"), "\n") {
			b.WriteString(strings.TrimRight("    | "+l, " \t\r") + "\n")
		}
	}
}

// valueText writes texts in quotes, and all else as it is.
func valueText(v *transform.Value) string {
	encode := func(v any) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return fmt.Sprint(v) // unreachable: numbers of items are finite
		}
		return strings.TrimSpace(b.String())
	}
	switch v.Type {
	case transform.DateTime:
		return v.Str
	case transform.String:
		return encode(v.Str)
	case transform.Boolean:
		return fmt.Sprint(v.Bool)
	case transform.Int64:
		return fmt.Sprint(v.Int)
	case transform.Double:
		return encode(v.Float)
	case transform.PrincipalType, transform.PrincipalCollection:
		return encode(v.Persons)
	}
	switch {
	case v.Ints != nil:
		return encode(v.Ints)
	case v.Floats != nil:
		return encode(v.Floats)
	}
	return encode(v.Strs)
}

// open gives the records of a case as a file of the source.
func (c *Fixture) open(src *transform.Source, dir string) (in extract.Input, file *extract.File, opt extract.Options, err error) {
	opt = src.Options
	opt.Warn = nil
	data, name := []byte(c.Input), c.Path
	if c.File == "" {
		if name == "" {
			name = "input" + firstExt(src)
		}
		opt.CSV.Encoding, opt.HTML.Encoding = "utf-8", "utf-8" // this file's
		in = extract.Input{Name: name, Size: int64(len(data)), ReaderAt: bytes.NewReader(data)}
	} else {
		full := filepath.Join(dir, filepath.FromSlash(c.File))
		f, err := os.Open(full)
		if err != nil {
			return in, nil, opt, fmt.Errorf("the file %s cannot be opened (%w)", c.File, cause(err))
		}
		info, err := f.Stat()
		if err != nil || info.IsDir() {
			f.Close()
			return in, nil, opt, fmt.Errorf("%s is no file", c.File)
		}
		if name == "" {
			name = below(src, c.File)
		}
		in = extract.Input{Name: filepath.ToSlash(full), Size: info.Size(), Path: full, ReaderAt: f}
	}
	base, ext := path.Base(name), path.Ext(name)
	file = &extract.File{Path: name, Name: base, Stem: strings.TrimSuffix(base, ext), Ext: ext, Size: in.Size, Modified: fixtureTime,
		SHA256: func() (string, error) {
			if c.File != "" {
				return hashFile(in.Path)
			}
			sum := sha256.Sum256(data)
			return hex.EncodeToString(sum[:]), nil
		}}
	if len(src.Sidecar) > 0 && c.File != "" {
		file.Side = func() (extract.Side, error) { return besideOf(src, in.Path).side() }
	}
	return in, file, opt, nil
}

// below is the path of a file below the folder that the source's path begins
// with: file.path.
func below(src *transform.Source, file string) string {
	root, pattern := doublestar.SplitPattern(src.Path)
	if pattern == "" || pattern == "." {
		return path.Base(file)
	}
	if rel := relativeTo(path.Clean(root), path.Clean(filepath.ToSlash(file))); rel != "" && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path.Base(file)
}

// firstExt is an ending of the names that the source's path matches.
func firstExt(src *transform.Source) string {
	for _, f := range extract.Formats {
		for _, ext := range f.Exts {
			if strings.HasSuffix(strings.ToLower(src.Path), ext) || src.Options.Format == f.Name {
				return ext
			}
		}
	}
	return ".csv"
}

// DraftFixtures makes tests of the first records of each source. dir is the
// folder of the mapping, and of the tests.
func DraftFixtures(ctx context.Context, m *transform.Mapping, dir, name string) (*Fixtures, error) {
	fs := &Fixtures{Name: name, preamble: []string{
		"# Records, and the items that the mapping makes of them. importer test compares;",
		"# importer test --update writes what the mapping makes of them now: read the difference.", ""}}
	c := &Crawl{Mapping: m, Dir: dir, Log: slog.New(slog.DiscardHandler)}
	for _, src := range m.Sources {
		for f, err := range walk(ctx, dir, src) {
			if err != nil {
				continue
			}
			found := &state.Source{Found: state.Found{Name: src.Name, Path: f.rel, Size: f.info.Size(), Modified: f.info.ModTime()}}
			if one := c.draftFixture(ctx, found, src); one != nil {
				fs.Cases = append(fs.Cases, one)
				break
			}
		}
	}
	if len(fs.Cases) == 0 {
		return nil, &transform.Error{Pos: transform.Pos{File: m.File, Line: 1, Col: 1}, Detail: "no record of its files could be read, to make tests of", Remedy: "look at its paths"}
	}
	return fs, context.Cause(ctx)
}

// draftFixture makes a case of the first records of a file; nil when there are none.
func (c *Crawl) draftFixture(ctx context.Context, f *state.Source, src *transform.Source) *Fixture {
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return nil
	}
	defer closeFile()
	format := ""
	opt := src.Options
	opt.Warn, opt.Found = nil, func(f *extract.Format) { format = f.Name }
	const some = 2
	var recs []extract.Record
	for rec, err := range extract.Records(ctx, in, opt) {
		if err == nil {
			rec.Text = slices.Clone(rec.Text)
			recs = append(recs, rec)
		}
		if len(recs) == some || err != nil && len(recs) == 0 && ctx.Err() != nil {
			break
		}
	}
	if len(recs) == 0 {
		return nil
	}
	one := &Fixture{Name: "the first records of " + src.Name, Source: src.Name, head: []string{"source: " + src.Name}}
	if format == extract.CSV.Name && opt.GroupBy == "" && opt.CSV.Header >= 0 && opt.CSV.Header < 2 && len(opt.CSV.Columns) == 0 && opt.CSV.Quote == "" {
		one.inline, one.Path, one.Input = true, f.Path, tableText(recs, opt.CSV.Delimiter)
		one.head = append(one.head, "path: "+f.Path)
		return one
	}
	one.File = relativeTo(filepath.ToSlash(filepath.Clean(c.Dir)), filepath.ToSlash(c.full(f, src)))
	one.Records = some
	one.head = append(one.head, "file: "+one.File, fmt.Sprintf("records: %d", some))
	return one
}

// tableText writes rows as a table that reads as they did.
func tableText(recs []extract.Record, delimiter string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if r := []rune(delimiter); len(r) == 1 {
		w.Comma = r[0]
	} else if strings.EqualFold(delimiter, "tab") {
		w.Comma = '\t'
	}
	w.Write(recs[0].Header.Names())
	for _, rec := range recs {
		if rec.Header == recs[0].Header {
			w.Write(rec.Text)
		}
	}
	w.Flush()
	return b.String()
}
