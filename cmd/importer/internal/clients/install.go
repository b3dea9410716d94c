package clients

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// npm installs the packages of the lock file into the cache, unless they are
// there. No package runs a script of its own.
func (in *Installed) npm(ctx context.Context) error {
	if err := checkNode(ctx, in.node); err != nil {
		return err
	}
	source := filepath.Join(in.opt.Source, in.Name)
	h := sha256.New()
	files := map[string][]byte{}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		files[name] = text
		fmt.Fprintf(h, "%d %s", len(text), text)
	}
	in.folder = filepath.Join(in.opt.Cache, fmt.Sprintf("%s-%x", in.Name, h.Sum(nil)[:8]))
	if _, err := os.Stat(in.folder); err == nil {
		return nil
	}
	// If we crash here, a folder with half of the packages is left over, under
	// another name.
	tmp, err := os.MkdirTemp(in.opt.Cache, in.Name+"-tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(tmp, name), text, 0o600); err != nil {
			return err
		}
	}
	if err := output(ctx, tmp, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
		return err
	}
	if err := os.Rename(tmp, in.folder); err != nil {
		if _, there := os.Stat(in.folder); there == nil {
			return nil // another process was quicker
		}
		return err
	}
	return nil
}

// build makes the Go client. The go command keeps the modules and what it has
// compiled in its own cache.
func (in *Installed) build(ctx context.Context) error {
	in.folder = in.opt.Cache
	return output(ctx, filepath.Join(in.opt.Source, in.Name), "go", "build", "-mod=readonly", "-o", in.program(), ".")
}

func (in *Installed) program() string { return filepath.Join(in.folder, "client-"+in.Name+".exe") }

// command gives the client's command line; clean removes what it needs.
//
// A script finds packages in the folders that it lies in, so it runs from a
// copy beside them.
func (in *Installed) command() (argv []string, clean func(), err error) {
	if in.node == 0 {
		return []string{in.program()}, func() {}, nil
	}
	dir, err := os.MkdirTemp(in.folder, "run-")
	if err != nil {
		return nil, nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	for _, pattern := range []string{"*.mjs", filepath.Join(in.Name, "*.?js")} {
		names, err := fs.Glob(os.DirFS(in.opt.Source), filepath.ToSlash(pattern))
		if err == nil {
			err = copyFiles(in.opt.Source, dir, names)
		}
		if err != nil {
			clean()
			return nil, nil, err
		}
	}
	return []string{"node", filepath.Join(dir, in.Name, "life.mjs")}, clean, nil
}

func copyFiles(from, to string, names []string) error {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
