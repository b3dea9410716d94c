package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// Who may read a file is taken over from its file system, or from the folders
// around it, where the mapping says so. What cannot be told refuses the file's
// records.

// accessOf says who may read a file, as far as the source wants to know; nil
// is that it does not.
func (c *Crawl) accessOf(src *transform.Source, rel string) *extract.Access {
	posix, folder := src.Needs()
	if !posix && !folder {
		return nil
	}
	root, _ := splitPath(c.Dir, src)
	acc := &extract.Access{}
	if posix {
		var err error
		if acc.Posix, err = posixAround(filepath.FromSlash(root), rel); err != nil {
			acc.Posix, acc.Unknown = nil, err.Error()
		}
	}
	if folder {
		acc.Folder = c.folders.around(filepath.FromSlash(root), rel, src.AccessFiles())
		if acc.Folder != "" {
			if f := c.folders.get(filepath.Join(filepath.FromSlash(root), filepath.FromSlash(acc.Folder), src.AccessFiles())); f.err != nil {
				acc.Unknown = f.err.Error()
			}
		}
	}
	return acc
}

// posixAround reads the permissions of a file, and of the folders that one
// passes on the way to it, from the source's root down. A link leads through
// other folders, of which each has its say.
func posixAround(root, rel string) (all []extract.Posix, err error) {
	full := filepath.Join(root, filepath.FromSlash(rel))
	above, err := passed(root)
	if err != nil {
		return nil, err
	}
	folders, err := passed(full)
	if err != nil {
		return nil, err
	}
	for _, at := range append([]string{full}, folders...) {
		if slices.Contains(above, at) {
			continue
		}
		p, err := posixOf(at)
		if err != nil {
			return nil, permissionsOf(at, err)
		}
		all = append(all, p)
	}
	return all, nil
}

func permissionsOf(full string, err error) error {
	return fmt.Errorf("the permissions of %s cannot be read: %w", filepath.ToSlash(full), cause(err))
}

// maxLinks is how many links Linux follows on the way to a file (path_resolution(7)).
const maxLinks = 40

// passed gives the folders that one passes on the way to a file, links followed,
// each once.
func passed(full string) (folders []string, err error) {
	abs, err := filepath.Abs(full)
	if err != nil {
		return nil, permissionsOf(full, err)
	}
	const sep = string(filepath.Separator)
	top := filepath.VolumeName(abs) + sep
	at, links := top, 0
	for ahead := strings.Split(abs[len(top):], sep); len(ahead) > 0; {
		name := ahead[0]
		ahead = ahead[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		if !slices.Contains(folders, at) {
			folders = append(folders, at)
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return nil, permissionsOf(full, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		to, err := os.Readlink(next)
		if links++; err == nil && links > maxLinks {
			err = errors.New("too many links lead to it")
		}
		if err != nil {
			return nil, permissionsOf(full, err)
		}
		if filepath.IsAbs(to) {
			at, to = top, to[len(filepath.VolumeName(to)):]
		}
		ahead = append(strings.Split(filepath.FromSlash(to), sep), ahead...)
	}
	return folders, nil
}

// accessFolders are the folders that say who may see what lies in them.
type accessFolders struct {
	mu   sync.Mutex // guards the fields below
	have map[string]bool
	read map[string]*accessFile
}

// An accessFile is who may see what lies in a folder.
type accessFile struct {
	members []transform.FolderMember
	err     error // why that cannot be told
}

// around is the nearest folder around a file that has a file of that name,
// relative to root; "." is the root itself, and "" none.
func (f *accessFolders) around(root, rel, name string) string {
	for at := path.Dir(rel); ; at = path.Dir(at) {
		if f.has(filepath.Join(root, filepath.FromSlash(at), name)) {
			return at
		}
		if at == "." {
			return ""
		}
	}
}

// has tells whether there is a file. One that cannot be looked at is there: it
// says something, and not to us.
func (f *accessFolders) has(full string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if has, known := f.have[full]; known {
		return has
	}
	_, err := os.Stat(full)
	if f.have == nil {
		f.have, f.read = map[string]bool{}, map[string]*accessFile{}
	}
	f.have[full] = !errors.Is(err, fs.ErrNotExist)
	return f.have[full]
}

// get reads the file that says who may see what lies in a folder.
func (f *accessFolders) get(full string) *accessFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.read[full]; a != nil {
		return a
	}
	a := &accessFile{}
	f.read[full] = a
	file, err := os.Open(full)
	if err != nil {
		a.err = fmt.Errorf("%s cannot be read: %w", filepath.ToSlash(full), cause(err))
		return a
	}
	defer file.Close()
	a.members, a.err = transform.ReadFolder(file)
	if parse, ok := errors.AsType[*csv.ParseError](a.err); ok {
		a.err = fmt.Errorf("%s:%d: this line is not CSV: %w", filepath.ToSlash(full), parse.Line, parse.Err)
	} else if a.err != nil {
		a.err = fmt.Errorf("%s:%w", filepath.ToSlash(full), a.err)
	}
	return a
}

// withAccess makes a file's permissions a part of what decides whether it is
// read again.
func withAccess(digest [32]byte, src *transform.Source, rel string, acc *extract.Access) [32]byte {
	if b := src.AccessDigest(rel, acc); b != nil {
		return sha256.Sum256(append(digest[:], b...))
	}
	return digest
}

// noteFolder notes the group of the folder that says who may see a file.
func (c *Crawl) noteFolder(found *state.Found) {
	src := c.source(found.Name)
	if _, folder := src.Needs(); !folder {
		return
	}
	root, _ := splitPath(c.Dir, src)
	at := c.folders.around(filepath.FromSlash(root), found.Path, src.AccessFiles())
	if at == "" {
		return
	}
	g := transform.FolderGroup(src.Name, at)
	if c.inFolders == nil {
		c.inFolders = map[string]folderGroup{}
	}
	file := filepath.Join(filepath.FromSlash(root), filepath.FromSlash(at), src.AccessFiles())
	if c.Hold != nil && c.Hold(file) { // half of it is not who may see the folder
		file = ""
	}
	c.inFolders[g.ID] = folderGroup{g, file}
}

// A folderGroup is the external group of a folder.
type folderGroup struct {
	transform.Group
	file string // that says who is in it; "" is not known, and it stays as it is
}

// keepFolders notes the groups that the target has of folders of which the walk
// has met no file, unless they are gone for certain: the items of a share that
// is not mounted stay, and so do those who may see them.
func (c *Crawl) keepFolders(have map[state.Group]bool) {
	for _, src := range c.Mapping.Sources {
		if _, folder := src.Needs(); !folder {
			continue
		}
		root, pattern := splitPath(c.Dir, src)
		root = filepath.FromSlash(root)
		_, away := os.Stat(root)
		witness := &folders{src: src, root: root, pattern: pattern, seen: map[string]testimony{}}
		for g := range have {
			at, ok := folderOf(src.Name, g)
			if _, met := c.inFolders[g.ID]; met || !ok {
				continue
			}
			group := folderGroup{Group: transform.FolderGroup(src.Name, at)}
			file := filepath.Join(root, filepath.FromSlash(at), src.AccessFiles())
			_, err := os.Lstat(file)
			switch {
			case err == nil:
				group.file = file
			case away == nil && witness.gone(at) == "":
				continue
			}
			if c.inFolders == nil {
				c.inFolders = map[string]folderGroup{}
			}
			c.inFolders[g.ID] = group
		}
	}
}

// folderOf tells which folder of a source a group is of.
func folderOf(source string, g state.Group) (at string, ok bool) {
	if at, ok = strings.CutPrefix(g.Display, source+": "); !ok {
		at = "."
	}
	return at, transform.FolderGroup(source, at).ID == g.ID
}

// folderNames are the names in folders that have to be looked up.
func (c *Crawl) folderNames() (names []transform.Name) {
	for _, id := range sortedKeys(c.inFolders) {
		if c.inFolders[id].file == "" {
			continue
		}
		for _, fm := range c.folders.get(c.inFolders[id].file).members {
			_, pending, _ := c.Mapping.MemberOf(fm, c.people) // whom nobody knows is told later
			names = append(names, pending...)
		}
	}
	sortNames(names)
	return slices.Compact(names)
}

// addFolders adds the groups of folders to those of the mapping. A member whom
// nobody knows is left out.
func (c *Crawl) addFolders(ctx context.Context, all *transform.Memberships, rep *Report) error {
	kept := map[string]bool{}
	for _, id := range sortedKeys(c.inFolders) {
		g := c.inFolders[id]
		all.AddGroup(g.Group)
		if g.file == "" {
			kept[id] = true
			continue
		}
		for _, fm := range c.folders.get(g.file).members {
			m, _, err := c.Mapping.MemberOf(fm, c.directory())
			if err != nil {
				rep.Problems = append(rep.Problems, fmt.Sprintf("%s:%d: %v; left out of those who may see the folder", filepath.ToSlash(g.file), fm.Line, err))
				continue
			}
			all.Add(g.ID, m)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return c.Store.Members(ctx, func(m state.Member, _ bool) {
		if kept[m.Group] {
			all.Add(m.Group, transform.Member{Type: m.Type, ID: m.ID})
		}
	})
}

// memberPlace says which line of which file puts a member into the group of a
// folder, file:line; "" is that it is not known.
func (c *Crawl) memberPlace(g state.Group, member state.Member, dir transform.Directory) string {
	for _, src := range c.Mapping.Sources {
		at, ok := folderOf(src.Name, g)
		if _, folder := src.Needs(); !folder || !ok {
			continue
		}
		root, _ := splitPath(c.Dir, src)
		file := filepath.Join(filepath.FromSlash(root), filepath.FromSlash(at), src.AccessFiles())
		if !c.folders.has(file) {
			continue
		}
		for _, fm := range c.folders.get(file).members {
			m, _, err := c.Mapping.MemberOf(fm, dir)
			if err == nil && m == (transform.Member{Type: member.Type, ID: member.ID}) {
				return fmt.Sprintf("%s:%d", filepath.ToSlash(file), fm.Line)
			}
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}

// expose finds the items of files that the run has not read to their end, and
// that the target has for others than who may read the file now: one that was
// shut to others is shut to us too, most often. They are taken out as those
// whose permissions cannot be made are. Where a record has a say in who may see
// it nothing can be told without reading it.
func (c *Crawl) expose(ctx context.Context, run state.Run) error {
	files := map[int64]func(id string) []byte{}
	for _, src := range c.Mapping.Sources {
		root, _ := splitPath(c.Dir, src)
		if !src.TakesOver() || !src.ByFile() {
			continue
		}
		if _, err := os.ReadDir(filepath.FromSlash(root)); err != nil {
			continue // a share that is not there says nothing of its files
		}
		unread, err := c.Store.Unread(ctx, run, src.Name)
		if err != nil {
			return err
		}
		for _, f := range unread {
			acl, ok, err := c.fileACL(ctx, f, src)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			files[f.ID] = func(id string) []byte {
				if acl == nil {
					return nil
				}
				sum := (&transform.Item{ID: id, ACL: acl}).Digest()
				return sum[:]
			}
		}
	}
	return c.Store.Expose(ctx, files)
}

// fileACL makes the permissions of a file's records without reading it; nil is
// that they cannot be made. ok is false where nobody can tell.
func (c *Crawl) fileACL(ctx context.Context, f *state.Source, src *transform.Source) (acl []transform.Access, ok bool, err error) {
	full := c.full(f, src)
	_, err = os.Stat(full)
	posix, _ := src.Needs()
	switch {
	case c.held(src, full):
		return nil, false, nil
	case posix && errors.Is(err, fs.ErrPermission): // in a folder that is shut
		return nil, true, nil
	case err != nil:
		return nil, false, nil
	}
	for {
		acl, ok, err = src.FileACL(c.fileOf(f, src), c.directory())
		names, waits := errors.AsType[*transform.UnresolvedError](err)
		if !waits {
			return acl, ok, nil
		}
		if err := c.people.resolve(ctx, names.Names); err != nil {
			return nil, false, err
		}
	}
}
