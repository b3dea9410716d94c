//go:build !linux

package pipeline

import (
	"errors"

	"importer/extract"
)

// posixOf reads the permissions of a file or folder.
func posixOf(string) (extract.Posix, error) {
	return extract.Posix{}, errors.New("that is done on Linux only; run the import there, or export the permissions and use from: ntfs")
}
