package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"importer/pipeline"
	"importer/transform"
)

func (a *app) initCommand() *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "init FILE...",
		Short: "Write a first mapping from files, folders or globs",
		Long: `init looks at files and writes a mapping that makes items of them: a source for
each kind of file, the columns with their types by all values seen, the forms of
dates and numbers, what identifies a record, title, labels and content. Beside
every guess stands by what it was made, and CHECK where the files do not tell.

Who may see the items is left as a question: init does not guess it, and nothing
runs before it is answered. Of large files it reads parts from all over them.`,
		Example: `  importer init exports/
  importer init tickets-*.csv manuals/ -o mappings/helpdesk.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("init needs files, folders or globs; see importer init --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.initMapping(cmd.Context(), args, out, force)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "mapping.yaml", "`file` to write; - is stdout")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	return cmd
}

func (a *app) initMapping(ctx context.Context, args []string, out string, force bool) error {
	dir := "."
	if out != "-" {
		dir = filepath.Dir(out)
		if _, err := os.Stat(out); err == nil && !force {
			return usageError{fmt.Errorf("%s is there already: choose another file with -o, or overwrite it with --force", out)}
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return usageError{fmt.Errorf("-o %s: there is no folder %s; make it first", out, dir)}
		}
	}
	d, err := pipeline.Draft(ctx, args, dir)
	if err != nil {
		return initError(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "mapping.schema.json")); err == nil {
		d.Schema = "mapping.schema.json"
	}
	text := d.Write()
	if out == "-" {
		_, err := a.stdout.Write(text)
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(out, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usageError{fmt.Errorf("%s is there already: choose another file with -o, or overwrite it with --force", out)}
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", out, bare(err))
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s cannot be written: %w", out, bare(err))
	}
	return a.initDone(d, out, text)
}

// initError words an error about an argument, which is no place in a mapping.
func initError(err error) error {
	if e, ok := errors.AsType[*transform.Error](err); ok {
		return usageError{fmt.Errorf("%s: %s; %s", e.Pos.File, e.Detail, e.Remedy)}
	}
	return err
}

func columnNames(p *transform.Profile) (names []string) {
	for _, c := range p.Columns {
		names = append(names, c.Name)
	}
	return names
}

func (a *app) initDone(d transform.Draft, out string, text []byte) error {
	checks := strings.Count(string(text), "# CHECK") + strings.Count(string(text), "; CHECK")
	if a.json {
		var sources []map[string]any
		for _, s := range d.Sources {
			p := s.Rows.Profile()
			sources = append(sources, map[string]any{"name": s.Name, "path": s.Path, "format": s.Format,
				"files": p.Files, "records": p.Records, "sampled": p.Sampled, "columns": columnNames(p)})
		}
		return a.printJSON(map[string]any{"type": "init", "version": jsonVersion, "mapping": out, "checks": checks, "notes": d.Notes, "sources": sources})
	}
	if a.quiet {
		return nil
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", out, count(int64(len(d.Sources)), "source", "sources"))
	for _, s := range d.Sources {
		p := s.Rows.Profile()
		fmt.Fprintf(a.stdout, "  %s: %s, %s of %s, %s\n", s.Name, s.Path, count(p.Records, "record", "records"), count(p.Files, "file", "files"), count(int64(len(p.Columns)), "column", "columns"))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(a.stderr, "%s\n", n)
	}
	fmt.Fprintf(a.stdout, "\nNow\n")
	step := 1
	say := func(format string, args ...any) {
		fmt.Fprintf(a.stdout, "  %d. "+format+"\n", append([]any{step}, args...)...)
		step++
	}
	say("look at the first items:  importer preview %s", out)
	if checks > 0 {
		say("look at what is marked CHECK in it: %s", count(int64(checks), "guess that the files do not settle", "guesses that the files do not settle"))
	}
	say("say who may see them (acl) and what they are (connection)")
	say("importer validate %s", out)
	return nil
}
