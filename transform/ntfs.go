package transform

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A table of NTFS permissions is a CSV file with a line for each entry of each
// file's list, as PowerShell's Get-Acl gives them:
//
//	path,identity,access,rights
//	D:\share\hr\plan.pdf,CONTOSO\HR,Allow,"ReadAndExecute, Synchronize"
//
// Deny wins over allow here, as in Graph; in Windows an entry of the file
// itself comes before inherited ones. So what is shown is never more.

// A pathTable has the permissions of files by path. There may be millions of
// files with a few lists between them.
type pathTable struct {
	byPath map[[16]byte]int32 // hash of a path -> index in lists
	lists  []pathList
	next   map[listKey]int32 // a list with an entry more
}

type pathList struct{ grants, denies []string }

type listKey struct {
	list  int32
	entry string
}

// A pathRow is a line of the table.
type pathRow struct {
	Path     string `csv:"path"`
	Identity string `csv:"identity"`
	Access   string `csv:"access"`
	Rights   string `csv:"rights"`
	Line     int    `csv:"line no"`
}

// pathKey is the key of a path below the root. Case does not count in Windows.
func pathKey(path string) (key [16]byte) {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Trim(strings.ReplaceAll(path, `\`, "/"), "/"))))
	copy(key[:], sum[:])
	return key
}

// of gives who may read a file and who may not, by its path below the source's
// root.
func (t *pathTable) of(path string) (grants, denies []string, ok bool) {
	i, ok := t.byPath[pathKey(path)]
	if !ok {
		return nil, nil, false
	}
	return t.lists[i].grants, t.lists[i].denies, true
}

// add adds an entry to the list of a path.
func (t *pathTable) add(path, identity string, deny bool) {
	key := pathKey(path)
	have := t.byPath[key] // 0 is the empty list
	if identity == "" {
		t.byPath[key] = have
		return
	}
	entry := fmt.Sprint(deny, " ", fold(identity))
	to, known := t.next[listKey{have, entry}]
	if !known {
		l := pathList{slices.Clone(t.lists[have].grants), slices.Clone(t.lists[have].denies)}
		if deny {
			l.denies = append(l.denies, identity)
		} else {
			l.grants = append(l.grants, identity)
		}
		to = int32(len(t.lists))
		t.lists, t.next[listKey{have, entry}] = append(t.lists, l), to
	}
	t.byPath[key] = to
}

func (m *Mapping) readPaths(e section) *pathTable {
	t := &pathTable{byPath: map[[16]byte]int32{}, lists: []pathList{{}}, next: map[listKey]int32{}}
	root := strings.ToLower(strings.Trim(strings.ReplaceAll(e.text("root"), `\`, "/"), "/"))
	f := &sideFile{}
	lines, below := 0, 0
	readSide(m, e, "table", f, []string{"path", "identity", "access", "rights"}, func(r pathRow) {
		lines++
		path := strings.Trim(strings.ReplaceAll(r.Path, `\`, "/"), "/")
		if root != "" {
			rest, ok := cutFold(path, root+"/")
			if !ok {
				return
			}
			path = rest
		}
		below++
		deny := strings.EqualFold(r.Access, "deny")
		reads, known := rightsRead(r.Rights)
		switch {
		case path == "":
			f.errorf(r.Line, "fill it in", "the line has no path")
		case r.Identity == "" && r.Access+r.Rights == "": // a file without an entry
			t.add(path, "", false)
		case r.Identity == "":
			f.errorf(r.Line, "fill it in", "the line has no identity")
		case !deny && !strings.EqualFold(r.Access, "allow"):
			f.errorf(r.Line, "write Allow or Deny", "the access %q is neither Allow nor Deny", r.Access)
		case !known:
			f.errorf(r.Line, "export it as Get-Acl gives it, such as ReadAndExecute", "the rights %q are not known", r.Rights)
		case reads, deny && noAccess(r.Rights):
			t.add(path, r.Identity, deny)
		default:
			t.add(path, "", false)
		}
	})
	if lines > 0 && below == 0 && f.errs == 0 {
		m.doc.errorf(e.posOf("root"), "write the folder on the file server that the source's root is, as the table has it", "%s: no path of the table is below the root %q", e.what, e.text("root"))
	}
	t.next = nil
	return t
}

func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// rightsNames are the names of FileSystemRights, with whether they let read
// the content of a file (FILE_READ_DATA).
var rightsNames = map[string]bool{
	"fullcontrol": true, "modify": true, "readandexecute": true, "read": true, "readdata": true, "listdirectory": true,
	"genericall": true, "genericread": true, "f": true, "m": true, "rx": true, "r": true, "gr": true, "ga": true, "rd": true,
	"write": false, "writedata": false, "createfiles": false, "appenddata": false, "createdirectories": false, "readextendedattributes": false,
	"writeextendedattributes": false, "executefile": false, "traverse": false, "deletesubdirectoriesandfiles": false, "readattributes": false,
	"writeattributes": false, "delete": false, "readpermissions": false, "changepermissions": false, "takeownership": false, "synchronize": false,
	"genericwrite": false, "genericexecute": false, "w": false, "d": false, "x": false, "gw": false, "ge": false, "wd": false, "ad": false,
	"s": false, "rc": false, "wdac": false, "wo": false, "de": false, "rea": false, "wea": false, "ra": false, "wa": false, "dc": false, "n": false,
}

// noAccess tells the right N of icacls and cacls. To deny it is to deny all.
func noAccess(rights string) bool { return strings.EqualFold(strings.Trim(rights, " ()"), "n") }

// Masks of rights that come as a number: FILE_READ_DATA, GENERIC_ALL and
// GENERIC_READ of winnt.h.
const readMask = 0x1 | 0x1000_0000 | 0x8000_0000

// rightsRead tells whether rights let read; known is false when they are not
// understood.
func rightsRead(rights string) (reads, known bool) {
	if n, err := strconv.ParseInt(strings.TrimSpace(rights), 10, 64); err == nil {
		return uint32(n)&readMask != 0, true
	}
	for name := range strings.FieldsFuncSeq(rights, func(r rune) bool { return strings.ContainsRune(", ()", r) }) {
		r, ok := rightsNames[strings.ToLower(name)]
		if !ok {
			return false, false
		}
		reads, known = reads || r, true
	}
	return reads, known
}
