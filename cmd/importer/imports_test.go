package main

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport says which packages of this module a package may use, itself and
// what lies below it aside. The program may use them all.
//
// Files flow one way, and the imports are the flow: a stage knows the stages
// before it. load/localgraph knows nobody, so that it cannot share a mistake
// with the client that is tested against it.
var mayImport = map[string][]string{
	"extract":         {"extract/scratch"},
	"extract/scratch": nil,
	"transform":       {"extract"},
	"load":            {"transform"},
	"load/localgraph": nil,
	"pipeline":        {"extract", "transform", "load", "pipeline/state", "extract/scratch"},
	"pipeline/mend":   {"extract", "pipeline/state"},
	"pipeline/state":  {"extract/scratch"},
	"samples/gen":     nil,
}

func TestImports(t *testing.T) {
	const module = "importer/"
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(dir, root), string(filepath.Separator)))
		if base := d.Name(); dir != root && (strings.HasPrefix(base, ".") || base == "testdata") || name == "bin" {
			return filepath.SkipDir
		}
		goFiles, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(goFiles) == 0 {
			return err
		}
		// Every file counts, whatever system it is for.
		ctx := build.Default
		ctx.UseAllFiles = true
		pkg, err := ctx.ImportDir(dir, 0)
		if _, multiple := err.(*build.MultiplePackageError); err != nil && !multiple {
			return err
		}
		seen[name] = true
		if name == "cmd/importer" || strings.HasPrefix(name, "cmd/importer/") {
			return nil
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s stands in no line of mayImport: say there what it may use", name)
			return nil
		}
		for _, path := range pkg.Imports {
			used, ours := strings.CutPrefix(path, module)
			if ours && used != name && !slices.Contains(allowed, used) {
				t.Errorf("%s imports %s (in %v); it may use %v", name, path, pkg.ImportPos[path], allowed)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("mayImport has %s, which is no package of this module", name)
		}
	}
}
