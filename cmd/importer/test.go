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

func (a *app) testCommand() *cobra.Command {
	var update bool
	cmd := &cobra.Command{
		Use:   "test MAPPING...",
		Short: "Compare what mappings make of some records with what they should",
		Long: `test maps the records that stand in a file beside each mapping (helpdesk.tests
beside helpdesk.yaml) and compares the items with those that stand below them.
Lines that differ are shown, and the exit code is 1.

--update writes what the mapping makes of the records now; read the difference
before you commit it. Where there are no tests yet, it makes some of the first
records of each source, to be changed and added to.`,
		Example: `  importer test mappings/*.yaml
  importer test mappings/helpdesk.yaml --update`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("test needs mapping files; see importer test --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.testMappings(cmd.Context(), args, update) },
	}
	cmd.Flags().BoolVar(&update, "update", false, "write what the mapping makes of the records now")
	return cmd
}

func (a *app) testMappings(ctx context.Context, args []string, update bool) error {
	cases, failed := 0, 0
	for _, path := range args {
		m, err := transform.Load(path)
		if err != nil {
			return err
		}
		tests := strings.TrimSuffix(path, filepath.Ext(path)) + ".tests"
		fixtures, made, err := readTests(ctx, m, path, tests, update)
		if err != nil {
			return err
		}
		n, err := a.runTests(ctx, m, fixtures, update)
		if err != nil {
			return err
		}
		cases, failed = cases+len(fixtures.Cases), failed+n
		if update && (n > 0 || made) {
			if err := os.WriteFile(tests, fixtures.Bytes(), 0o644); err != nil {
				return fmt.Errorf("%s cannot be written: %w", tests, bare(err))
			}
		}
		if update {
			a.testsWritten(tests, made, n)
		}
	}
	switch {
	case update:
		return nil
	case a.json:
		if err := a.printJSON(map[string]any{"type": "tests", "version": jsonVersion, "cases": cases, "failed": failed}); err != nil {
			return err
		}
	case failed == 0:
		fmt.Fprintf(a.stdout, "%s good\n", count(int64(cases), "case is", "cases are"))
	}
	if failed > 0 {
		return fmt.Errorf("%s out of %d: the mapping makes something else of the records; correct it, or take that with --update", count(int64(failed), "case differs", "cases differ"), cases)
	}
	return nil
}

func (a *app) testsWritten(tests string, made bool, changed int) {
	switch {
	case a.quiet:
	case made:
		fmt.Fprintf(a.stdout, "%s: made; look at it, and add what matters: denies, odd cells, what where leaves out\n", tests)
	case changed == 0:
		fmt.Fprintf(a.stdout, "%s: unchanged\n", tests)
	default:
		fmt.Fprintf(a.stdout, "%s: %s\n", tests, count(int64(changed), "case has changed", "cases have changed"))
	}
}

// readTests reads the tests of a mapping, or makes some.
func readTests(ctx context.Context, m *transform.Mapping, mapping, tests string, update bool) (_ *pipeline.Fixtures, made bool, err error) {
	data, err := os.ReadFile(tests)
	switch {
	case err == nil:
		fixtures, err := pipeline.ReadFixtures(tests, data)
		return fixtures, false, err
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("%s cannot be read: %w", tests, bare(err))
	case !update:
		return nil, false, usageError{fmt.Errorf("%s has no tests: there is no %s; importer test %s --update makes some of the first records of its files", mapping, tests, mapping)}
	}
	fixtures, err := pipeline.DraftFixtures(ctx, m, filepath.Dir(mapping), tests)
	return fixtures, true, err
}

// runTests runs the cases of a file, and tells of those that differ. With
// update they are taken as they are.
func (a *app) runTests(ctx context.Context, m *transform.Mapping, fixtures *pipeline.Fixtures, update bool) (failed int, err error) {
	for _, c := range fixtures.Cases {
		got, err := c.Run(ctx, m, fixtures, filepath.Dir(fixtures.Name))
		if err != nil {
			return failed, err
		}
		diff := pipeline.Differ(c.Want, got)
		if diff != "" {
			failed++
		}
		if update {
			c.Want = got
			continue
		}
		if a.json {
			err := a.printJSON(map[string]any{"type": "case", "version": jsonVersion, "file": fixtures.Name, "line": c.Line, "name": c.Name, "good": diff == "", "diff": diff})
			if err != nil {
				return failed, err
			}
		} else if diff != "" {
			fmt.Fprintf(a.stdout, "%s:%d: %s\n%s\n", fixtures.Name, c.Line, c.Name, diff)
		}
	}
	return failed, nil
}
