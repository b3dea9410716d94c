package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/fsnotify/fsnotify"

	"importer/transform"
)

// A folder is one that is watched. It is known by its real path, as several
// sources, or links, may lead to it.
type folder struct {
	info   fs.FileInfo
	places []place
	links  []string // the files in it that are links, as a crawl names them
	next   string   // the name in it that leads to a root that is not there yet
	own    bool     // files of the mapping lie in it
}

// A place is where a folder stands in the walk of a source.
type place struct {
	*scope
	full, rel string // of the folder, as in walked
}

// A scope is what a source's path says: files below a root that match.
type scope struct {
	src     *transform.Source
	root    string
	pattern string
	all     bool
	depth   int // folders below the root that can have matches; negative is any number
}

func newScope(dir string, src *transform.Source) *scope {
	root, pattern := splitPath(dir, src)
	sc := &scope{src: src, root: filepath.FromSlash(root), pattern: pattern, all: pattern == "**", depth: -1}
	if !strings.Contains(pattern, "**") {
		sc.depth = strings.Count(pattern, "/")
	}
	return sc
}

// matches tells whether a file is one of the source's, or metadata of one.
func (sc *scope) matches(rel string) bool {
	for _, end := range sc.src.Sidecar {
		if of, ok := strings.CutSuffix(rel, end); ok && sc.files(of) {
			return true
		}
	}
	return sc.files(rel)
}

// says tells whether a file of that name says who may see what lies in its
// folder.
func (sc *scope) says(name string) bool {
	_, folder := sc.src.Needs()
	return folder && name == sc.src.AccessFiles()
}

func (sc *scope) files(rel string) bool {
	ok, _ := doublestar.Match(sc.pattern, rel)
	return ok && (!sc.all || sc.src.Options.Reads(rel))
}

// passedOver are names that a walk passes over.
func passedOver(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$")
}

// A survey finds the folders that are to be watched.
type survey struct {
	dirs   map[string]*folder
	links  map[string][]string
	remote func(dir string) string
	far    map[string]string // source -> the kind of file system that tells nothing
}

func (v *survey) add(real string) *folder {
	f := v.dirs[real]
	if f == nil {
		f = &folder{}
		if info, err := os.Stat(real); err == nil {
			f.info = info
		}
		v.dirs[real] = f
	}
	return f
}

// source adds the folders of a source, or the one above them that is there.
func (v *survey) source(dir string, src *transform.Source) {
	sc := newScope(dir, src)
	if _, err := os.Stat(sc.root); err != nil {
		v.above(sc.root)
		return
	}
	v.folder(place{sc, sc.root, ""}, nil)
}

// above adds the nearest folder above a root that is not there.
func (v *survey) above(root string) {
	root, err := filepath.Abs(root)
	if err != nil {
		return
	}
	for dir := filepath.Dir(root); ; root, dir = dir, filepath.Dir(dir) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			v.add(real).next = filepath.Base(root)
			return
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// folder adds a folder and those below it, as walk goes through them.
func (v *survey) folder(p place, above []string) {
	real, err := filepath.EvalSymlinks(p.full)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil || slices.Contains(above, real) {
		return // the crawl tells
	}
	if kind := v.remote(real); kind != "" {
		v.far[p.src.Name] = kind
		return
	}
	f := v.add(real)
	f.places = append(f.places, p)
	above = append(above, real)
	entries, _ := os.ReadDir(p.full)
	for _, d := range entries {
		if passedOver(d.Name()) {
			continue
		}
		sub := place{p.scope, filepath.Join(p.full, d.Name()), path.Join(p.rel, d.Name())}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			v.link(sub, f, above)
		case d.IsDir() && p.reaches(sub.rel):
			v.folder(sub, above)
		}
	}
}

// reaches tells whether a folder can have matches.
func (sc *scope) reaches(rel string) bool {
	return sc.depth < 0 || strings.Count(rel, "/") < sc.depth
}

// link adds what a link leads to. Where it is a file, its folder tells of it.
func (v *survey) link(p place, in *folder, above []string) {
	info, err := os.Stat(p.full)
	switch {
	case err == nil && info.IsDir():
		if p.reaches(p.rel) {
			v.folder(p, above)
		}
	case p.matches(p.rel):
		in.links = append(in.links, p.full)
		if real, err := filepath.EvalSymlinks(p.full); err == nil {
			if real, err = filepath.Abs(real); err == nil {
				v.links[real] = append(v.links[real], p.full)
				v.add(filepath.Dir(real))
			}
		}
	}
}

// sync makes the watched folders those that are there. Files in folders that
// come new count as changed, unless all are new.
func (s *watching) sync(now time.Time, first bool) {
	began := time.Now()
	defer func() { s.syncTook = time.Since(began) }()
	for again := true; again; {
		if s.notifier == nil {
			return
		}
		v := &survey{dirs: map[string]*folder{}, links: map[string][]string{}, remote: s.Watch.remote, far: map[string]string{}}
		for _, dir := range s.mappingFolders() {
			v.add(dir).own = true
		}
		for _, src := range s.m.Sources {
			if _, polled := s.polled[src.Name]; !polled {
				v.source(s.dir(), src)
			}
		}
		again = false
		for _, src := range s.m.Sources {
			if kind, is := v.far[src.Name]; is {
				s.pollSource(src, "a file system of the kind "+kind+" does not tell of all changes")
				again = true
			}
		}
		if !again {
			again = s.follow(v, now, first)
		}
	}
}

// dir is the folder of the mapping.
func (s *watching) dir() string { return filepath.Dir(s.File) }

// follow changes what is watched into what a survey has found. It returns
// true when a source must be polled instead.
func (s *watching) follow(v *survey, now time.Time, first bool) (again bool) {
	watched := map[string]bool{} // the system drops folders without a word, as on unmounting
	for _, dir := range s.notifier.WatchList() {
		watched[dir] = true
	}
	// The old ones first: a folder that was moved would be known by its old name.
	kept := map[string]bool{}
	for dir, f := range s.dirs {
		to := v.dirs[dir]
		if to != nil && watched[dir] && f.info != nil && to.info != nil && os.SameFile(f.info, to.info) {
			kept[dir] = true
			continue
		}
		if watched[dir] {
			_ = s.notifier.Remove(dir) // it may just have gone
		}
		if to == nil && len(f.places) > 0 && !first {
			s.touch(f.places[0].full, now)
		}
	}
	s.dirs, s.links, s.fulls = v.dirs, v.links, map[string]bool{}
	for _, f := range s.dirs {
		for _, p := range f.places {
			s.fulls[p.full] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(v.dirs)) {
		if kept[dir] {
			continue
		}
		err := s.notifier.Add(dir)
		switch {
		case err == nil:
			s.met(v.dirs[dir], now, first)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			delete(s.dirs, dir) // the crawl tells; what is above tells of a change
		default:
			again = s.cannot(v.dirs[dir], err) || again
		}
	}
	return again
}

// cannot polls the sources of a folder that cannot be watched.
func (s *watching) cannot(f *folder, err error) bool {
	for _, p := range f.places {
		s.pollSource(p.src, watchProblem(err))
	}
	if len(f.places) > 0 {
		return true
	}
	// A folder of the mapping, or above a root: looks find what changes there.
	return false
}

// met looks through a folder that is watched from now on: what came into it
// before that raised no event.
func (s *watching) met(f *folder, now time.Time, first bool) {
	for _, p := range f.places {
		entries, _ := os.ReadDir(p.full)
		for _, d := range entries {
			rel := path.Join(p.rel, d.Name())
			switch {
			case passedOver(d.Name()):
			case d.IsDir() && p.reaches(rel):
				if real, err := filepath.EvalSymlinks(filepath.Join(p.full, d.Name())); err == nil {
					if real, _ = filepath.Abs(real); s.dirs[real] == nil {
						s.syncSoon(now)
					}
				}
			case !first && p.matches(rel):
				s.touch(filepath.Join(p.full, d.Name()), now)
			}
		}
		if !first {
			s.touch(p.full, now)
		}
	}
}

// syncSoon has the folders compared, once for many reasons.
func (s *watching) syncSoon(now time.Time) {
	if s.syncAt.IsZero() {
		s.syncAt = now.Add(max(50*time.Millisecond, 4*s.syncTook))
	}
}

// hear takes in an event.
func (s *watching) hear(ev fsnotify.Event, now time.Time) {
	for _, link := range s.links[ev.Name] {
		s.touch(link, now)
	}
	gone := ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename)
	if f := s.dirs[ev.Name]; f != nil && gone {
		for _, p := range f.places {
			s.touch(p.full, now)
		}
		s.syncSoon(now)
	}
	f := s.dirs[filepath.Dir(ev.Name)]
	if f == nil {
		return
	}
	if f.own && s.checkAt.IsZero() {
		s.checkAt = now.Add(50 * time.Millisecond)
	}
	name := filepath.Base(ev.Name)
	if f.next == name {
		s.touch(ev.Name, now)
		s.syncSoon(now)
	}
	for _, link := range f.links {
		// What it leads to may have changed by way of other links, as Kubernetes
		// does it (..data).
		s.touch(link, now)
		s.syncSoon(now)
	}
	for _, p := range f.places {
		if p.says(name) {
			s.touch(filepath.Join(p.full, name), now)
		}
	}
	if passedOver(name) {
		return
	}
	if !gone && !ev.Has(fsnotify.Write) {
		if info, err := os.Lstat(ev.Name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			s.syncSoon(now) // to watch where it leads
		}
		if info, err := os.Stat(ev.Name); err == nil && info.IsDir() {
			s.hearFolder(f, name, now)
			return
		}
	}
	for _, p := range f.places {
		rel := path.Join(p.rel, name)
		full := filepath.Join(p.full, name)
		link := gone && s.fulls[full] // to a folder
		if link || p.matches(rel) {
			s.touch(full, now)
		}
		if link {
			s.syncSoon(now)
		}
	}
}

// hearFolder takes in that a folder has come, or may be read now.
func (s *watching) hearFolder(f *folder, name string, now time.Time) {
	for _, p := range f.places {
		// A path without a pattern may have been meant for a folder all along.
		if rel := path.Join(p.rel, name); p.reaches(rel) || p.matches(rel) {
			s.touch(filepath.Join(p.full, name), now)
			s.syncSoon(now)
		}
	}
}

// checkRoots tells of roots that are gone or back, and has the watched folders
// compared when a root is another folder than before, as when a file system is
// mounted there. infos are the roots as they are, nil for one that is not there.
func (s *watching) checkRoots(infos map[string]fs.FileInfo, now time.Time) {
	for _, root := range slices.Sorted(maps.Keys(infos)) {
		info := infos[root]
		before, known := s.roots[root]
		s.roots[root] = info
		switch {
		case info == nil && (before != nil || !known):
			s.Tell(WatchEvent{Type: "gone", Path: root})
		case info != nil && before == nil && known:
			s.Tell(WatchEvent{Type: "back", Path: root})
		case info == nil || !known || os.SameFile(before, info):
			continue
		}
		if known {
			s.touch(root, now)
			s.syncAt = now
		}
	}
}

// roots gives the roots of all sources, as they are now.
func roots(ctx context.Context, dir string, m *transform.Mapping) map[string]fs.FileInfo {
	infos := map[string]fs.FileInfo{}
	for _, src := range m.Sources {
		if ctx.Err() != nil {
			break
		}
		root, _ := splitPath(dir, src)
		root = filepath.FromSlash(root)
		info, err := os.Stat(root)
		if err != nil {
			info = nil
		}
		infos[root] = info
	}
	return infos
}
