package localgraph

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// othersRead tells whether other users of the machine can read a file.
func othersRead(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0, nil
}

// placeOnce puts a whole file with a secret in place or none: of two processes
// that do so at once, one wins, and both read that one's.
func placeOnce(path string, text []byte) error {
	tmp := path + "." + rand.Text()
	// If we crash here, a file with an unused secret is left over.
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return os.Rename(tmp, path) // a file system without links
	}
	return nil
}

// replaceFile puts a whole file in the place of another.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	tmp := path + "." + rand.Text()
	if err := os.WriteFile(tmp, text, mode); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}
