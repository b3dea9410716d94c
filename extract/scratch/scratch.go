// Package scratch makes folders for temporary files that do not stay for ever.
//
// Such a folder goes when it is removed, which a process that is killed cannot
// do. So each has a lock that its owner holds while it lives, and [Sweep], which
// every start of the program calls, removes those whose lock nobody holds.
//
//	TMPDIR/importer-attachments-1234/lock    held by flock(2) or its like
//	TMPDIR/importer-attachments-1234/files/  what New gives
package scratch

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

const (
	prefix   = "importer-"
	lockName = "lock"
	inside   = "files"
)

// A Folder is a folder for temporary files, of this process alone.
type Folder struct {
	Path  string
	outer string
	lock  *flock.Flock // nil where the file system has no locks: then nobody sweeps it
}

// New makes a folder; what is for the people who find it in TMPDIR. Its error
// says what to do.
func New(what string) (*Folder, error) {
	for {
		outer, err := os.MkdirTemp("", prefix+what+"-")
		if err != nil {
			return nil, noFolder(err)
		}
		f, ok := claim(outer)
		if !ok { // a sweep came between, and took it for that of a dead process
			os.RemoveAll(outer)
			continue
		}
		f.Path = filepath.Join(outer, inside)
		if err := os.Mkdir(f.Path, 0o700); err != nil {
			f.Remove()
			return nil, noFolder(err)
		}
		return f, nil
	}
}

func noFolder(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err
	}
	return fmt.Errorf("cannot make a folder for temporary files in %s: %w; free some space, or set TMPDIR to one that can be written", os.TempDir(), err)
}

// claim takes the lock of a folder that was just made.
func claim(outer string) (f *Folder, ok bool) {
	lock := flock.New(filepath.Join(outer, lockName))
	held, err := lock.TryLock()
	if err != nil {
		os.Remove(lock.Path()) // without it nobody sweeps the folder
		_, err := os.Stat(outer)
		return &Folder{outer: outer}, err == nil
	}
	if !held {
		return nil, false
	}
	mine, err1 := lock.Stat()
	there, err2 := os.Stat(lock.Path())
	if err1 != nil || err2 != nil || !os.SameFile(mine, there) {
		lock.Unlock()
		return nil, false
	}
	return &Folder{outer: outer, lock: lock}, true
}

// Remove removes the folder with all that is in it. A nil folder is none.
func (f *Folder) Remove() {
	if f == nil {
		return
	}
	remove(f.outer, f.lock)
}

// remove removes a folder whose lock is held, and lets go of the lock last, where
// the system can remove a file that is open.
func remove(outer string, lock *flock.Flock) {
	os.RemoveAll(filepath.Join(outer, inside))
	os.RemoveAll(outer)
	if lock != nil {
		lock.Unlock()
		os.RemoveAll(outer)
	}
}

// Sweep removes the folders of processes that are dead. It leaves those of other
// users, and what it cannot remove.
func Sweep() {
	top := os.TempDir()
	entries, err := os.ReadDir(top)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			sweep(filepath.Join(top, e.Name()))
		}
	}
}

func sweep(outer string) {
	info, err := os.Lstat(outer)
	if err != nil || !info.IsDir() || !mine(info) {
		return
	}
	lock := flock.New(filepath.Join(outer, lockName))
	if info, err := os.Lstat(lock.Path()); err != nil || !info.Mode().IsRegular() {
		return // not one of ours, or one that is being made
	}
	if held, err := lock.TryLock(); err != nil || !held {
		return // its process lives
	}
	remove(outer, lock)
}
