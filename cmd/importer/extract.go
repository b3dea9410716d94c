package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"importer/extract"
	"importer/transform"
)

// extractFlags are the flags of extract.
type extractFlags struct {
	limit   int
	page    int
	sheets  []string
	options []string
	mapping string
	source  string
}

func (a *app) extractCommand() *cobra.Command {
	var f extractFlags
	cmd := &cobra.Command{
		Use:   "extract FILE...",
		Short: "Print what is read of files, before there is a mapping",
		Long: `extract prints what the importer reads of files: which format it takes them for
and why, the columns and typed cells of tables, the text, headings and metadata
of documents, what is attached to them, places, warnings, and what cannot be read.
Nothing is written.

Options are those of a mapping's source, given one by one or taken from one:

  importer extract tickets.csv --option csv.delimiter=';' --option csv.header=3
  importer extract mails/*.eml --option attachments=items
  importer extract register.xlsx --mapping contracts.yaml --source register

With --json every record, warning and refusal is an object of its own, and so is
the end of each file. Exit codes: 0 when all was read, 3 when something was not.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("extract needs a file; see importer extract --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.extract(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.limit, "limit", "n", 20, "records of each file; 0 is all")
	flags.IntVar(&f.page, "page", 0, "only this page, of PDF files and presentations")
	flags.StringArrayVar(&f.sheets, "sheet", nil, "only this `sheet` of a workbook; can be given again")
	flags.StringArrayVarP(&f.options, "option", "o", nil, "an option of the source as `KEY=VALUE`; can be given again")
	flags.StringVar(&f.mapping, "mapping", "", "take the options of a source of this `mapping`")
	flags.StringVar(&f.source, "source", "", "which source of --mapping; its only one if not given")
	return cmd
}

// extract prints the files, one after the other.
func (a *app) extract(ctx context.Context, files []string, f extractFlags) error {
	if f.limit < 0 || f.page < 0 {
		return usageError{errors.New("--limit and --page cannot be negative")}
	}
	opt, err := f.read()
	if err != nil {
		return err
	}
	w, flush := buffered(a.stdout)
	var out extractPrinter = &extractText{w: w, styled: isTerminal(a.stdout)}
	if a.json {
		out = &extractJSON{w: w}
	}
	refused := false
	for _, file := range files {
		bad, err := a.extractFile(ctx, file, opt, f, out)
		if err != nil {
			return errors.Join(err, flush())
		}
		refused = refused || bad
	}
	if err := flush(); err != nil {
		return err
	}
	if refused {
		return errors.Join(errQuarantined, errTold)
	}
	return nil
}

// read makes options of the flags.
func (f *extractFlags) read() (extract.Options, error) {
	var opt extract.Options
	switch {
	case f.mapping != "" && len(f.options) > 0:
		return opt, usageError{errors.New("--option and --mapping exclude each other: options come one by one or from a source")}
	case f.source != "" && f.mapping == "":
		return opt, usageError{errors.New("--source is one of a mapping: name that with --mapping")}
	case f.mapping != "":
		src, err := sourceOf(f.mapping, f.source)
		if err != nil {
			return opt, err
		}
		opt = src.Options
	default:
		var err error
		if opt, err = transform.ParseOptions(f.options); err != nil {
			return opt, usageError{err}
		}
	}
	if len(f.sheets) > 0 {
		opt.Excel.Sheets = f.sheets
	}
	if f.page > 0 {
		opt.Item = "page"
	}
	return opt, nil
}

// sourceOf loads a mapping and finds its source of a name, or its only one.
func sourceOf(mapping, name string) (*transform.Source, error) {
	m, err := transform.Load(mapping)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, src := range m.Sources {
		if src.Name == name || name == "" && len(m.Sources) == 1 {
			return src, nil
		}
		names = append(names, src.Name)
	}
	if name == "" {
		return nil, usageError{fmt.Errorf("the mapping has several sources: choose one with --source (%s)", strings.Join(names, ", "))}
	}
	return nil, usageError{fmt.Errorf("--source %q: the mapping has no such source; it has %s", name, strings.Join(names, ", "))}
}

// An extractPrinter prints what is read of files. Its errors are those of
// writing.
type extractPrinter interface {
	file(f extractedFile) error
	record(rec extract.Record) error
	warning(p extract.Place, text string) error
	// refused is called for a record's error, and for the error that ends a file.
	refused(err error) error
	// end is called after the last record; more tells that there are others.
	end(records int, more bool) error
}

// An extractedFile is what is known of a file before it is read.
type extractedFile struct {
	Path   string
	Size   int64
	Format string
	Noun   string
	Why    string
}

// extractFile prints one file; refused tells that something of it cannot be read.
func (a *app) extractFile(ctx context.Context, name string, opt extract.Options, f extractFlags, out extractPrinter) (refused bool, err error) {
	in, done, err := openInput(name)
	if err != nil {
		return false, err
	}
	defer done()
	facts := extractedFile{Path: in.Name, Size: in.Size}
	if format, why, err := extract.Explain(in, opt); err == nil {
		facts.Format, facts.Noun, facts.Why = format.Name, format.Noun(), why
		if len(f.sheets) > 0 && !slices.Contains([]string{"excel", "xls", "xlsb", "ods"}, format.Name) {
			return false, usageError{fmt.Errorf("--sheet is for workbooks, and %s is %s: leave it out", in.Name, format.Noun())}
		}
	}
	if err := out.file(facts); err != nil {
		return false, err
	}
	var printErr error
	opt.Warn = func(p extract.Place, text string) {
		if err := out.warning(p, text); err != nil && printErr == nil {
			printErr = err
		}
	}
	n, more := 0, false
	for rec, err := range extract.Records(ctx, in, opt) {
		if ctx.Err() != nil {
			return refused, context.Cause(ctx)
		}
		if err == nil && f.page > 0 && rec.Place.Page != f.page {
			continue
		}
		if f.limit > 0 && n >= f.limit {
			more = true
			break
		}
		n++
		if err != nil {
			refused = true
			printErr = errors.Join(printErr, out.refused(err))
		} else {
			printErr = errors.Join(printErr, out.record(rec))
		}
		if printErr != nil {
			return refused, printErr
		}
	}
	return refused, out.end(n, more)
}

// openInput opens a file for reading.
func openInput(name string) (extract.Input, func(), error) {
	f, err := os.Open(name)
	if err != nil {
		return extract.Input{}, nil, usageError{fmt.Errorf("%s cannot be opened (%w); check its name and permissions", name, bare(err))}
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder; name its files, such as %s", name, filepath.Join(name, "*"))
	}
	if err != nil {
		f.Close()
		return extract.Input{}, nil, usageError{err}
	}
	return extract.Input{Name: filepath.ToSlash(name), Size: info.Size(), Path: name, ReaderAt: f}, func() { f.Close() }, nil
}

// cellType names the type of a typed cell.
func cellType(v any) string {
	name, _ := cellValue(v)
	return name
}

// sizeWords says a size as people do.
func sizeWords(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// metaKeys orders metadata: what everybody has first, the rest by name.
func metaKeys(meta map[string]string) []string {
	first := []string{"from", "to", "cc", "date", "subject", "title", "author", "created", "modified"}
	var keys []string
	for _, k := range first {
		if meta[k] != "" {
			keys = append(keys, k)
		}
	}
	var rest []string
	for k, v := range meta {
		if v != "" && !slices.Contains(first, k) {
			rest = append(rest, k)
		}
	}
	slices.Sort(rest)
	return append(keys, rest...)
}
