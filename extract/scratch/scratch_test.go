package scratch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A sweep takes what a dead process has left, and nothing else.
func TestSweep(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	live, err := New("live")
	if err != nil {
		t.Fatal(err)
	}
	dead, err := New("dead")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Folder{live, dead} {
		if err := os.WriteFile(filepath.Join(f.Path, "x"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := dead.lock.Unlock(); err != nil { // as the system does when a process ends
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	keep := []string{filepath.Base(live.outer)}
	for name, put := range map[string]func(full string) error{
		"importer-nolock":  func(full string) error { return os.Mkdir(full, 0o700) },
		"importer-link":    func(full string) error { return os.Symlink(elsewhere, full) },
		"importer-file":    func(full string) error { return os.WriteFile(full, nil, 0o600) },
		"importer-oddlock": func(full string) error { return os.MkdirAll(filepath.Join(full, lockName), 0o700) },
		"other":            func(full string) error { return os.MkdirAll(full, 0o700) },
	} {
		if err := put(filepath.Join(tmp, name)); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, name)
	}
	for _, dir := range []string{elsewhere, filepath.Join(tmp, "other")} {
		if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(keep)
	Sweep()
	if got := names(t, tmp); !slices.Equal(got, keep) {
		t.Errorf("after a sweep there are %v, want %v", got, keep)
	}
	if _, err := os.Stat(filepath.Join(live.Path, "x")); err != nil {
		t.Errorf("the file of a live process: %v", err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, lockName)); err != nil {
		t.Errorf("the folder that a link leads to: %v", err)
	}
	live.Remove()
	if got := names(t, tmp); slices.Contains(got, filepath.Base(live.outer)) {
		t.Errorf("Remove has left %v", got)
	}
	(*Folder)(nil).Remove()
}

// What a sweep takes while it is being made is not used.
func TestClaim(t *testing.T) {
	outer := t.TempDir()
	first, ok := claim(outer)
	if !ok {
		t.Fatal("a new folder cannot be claimed")
	}
	if _, ok := claim(outer); ok {
		t.Error("a folder whose lock is held can be claimed")
	}
	os.RemoveAll(outer)
	if _, ok := claim(outer); ok {
		t.Error("a folder that is gone can be claimed")
	}
	first.Remove()
}

func TestNoFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "absent"))
	Sweep()
	if _, err := New("x"); err == nil {
		t.Error("a folder was made in a folder that is not there")
	}
}
