package pipeline

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"importer/transform"
)

// A Stray is what stands beside files and is of none of them: metadata whose
// file is not there, or a file that says who may see a folder in which no file
// of the source lies. Nothing is made of it.
type Stray struct {
	Source string `json:"source"`
	Kind   string `json:"kind"` // StraySidecar or StrayFolder
	Count  int64  `json:"count"`
	// First are some of the files, as they would be named in messages.
	First []string `json:"first"`
}

// The kinds of strays.
const (
	StraySidecar = "sidecar"
	StrayFolder  = "folder"
)

const mostStrays = 5

// strays are what a walk finds beside the files of a source.
type strays struct {
	sidecars []string // whose files are not there
	folders  []string // that say who may see what lies in them
}

// noteStrays looks through a folder for what may be of no file.
func (w *walker) noteStrays(entries []fs.DirEntry, rel string) {
	_, folder := w.src.Needs()
	if !folder && len(w.src.Sidecar) == 0 {
		return
	}
	listed := func(name string) bool {
		_, ok := slices.BinarySearchFunc(entries, name, func(d fs.DirEntry, name string) int { return strings.Compare(d.Name(), name) })
		return ok
	}
	if folder && listed(w.src.AccessFiles()) {
		w.strays.folders = append(w.strays.folders, path.Clean(rel)) // "." is the root
	}
	for _, d := range entries {
		for _, end := range w.src.Sidecar {
			of, ok := strings.CutSuffix(d.Name(), end)
			if !ok || of == "" || strings.HasPrefix(of, ".") || listed(of) {
				continue
			}
			// One that is itself a file of the source is read as such.
			if at := path.Join(rel, d.Name()); w.matches(path.Join(rel, of)) && !w.matches(at) {
				w.strays.sidecars = append(w.strays.sidecars, at)
			}
		}
	}
}

// strays tells of what a walk has found beside the files of a source and is of
// none of them. It comes when every file of it was noted.
func (c *Crawl) strays(src *transform.Source, found *strays) (all []Stray) {
	root, _ := splitPath(c.Dir, src)
	name := func(rel string) string {
		return filepath.ToSlash(filepath.Join(filepath.FromSlash(root), filepath.FromSlash(rel)))
	}
	add := func(kind string, paths []string) {
		if len(paths) == 0 {
			return
		}
		s := Stray{Source: src.Name, Kind: kind, Count: int64(len(paths))}
		for _, p := range paths[:min(len(paths), mostStrays)] {
			s.First = append(s.First, name(p))
		}
		all = append(all, s)
	}
	add(StraySidecar, found.sidecars)
	var folders []string
	for _, at := range found.folders {
		if _, met := c.inFolders[transform.FolderGroup(src.Name, at).ID]; !met {
			folders = append(folders, path.Join(at, src.AccessFiles()))
		}
	}
	add(StrayFolder, folders)
	return all
}
