//go:build !linux

package pipeline

import (
	"errors"
	"syscall"
)

// remote names the kind of file system that a folder lies on, if changes may
// come without events there. That is not found out on this system.
func remote(string) string { return "" }

// limitRemedy says what to do about a limit of the system that was met, ""
// when the error is no limit.
func limitRemedy(err error) string {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOSPC) {
		return "the limit of open files is reached; raise it with ulimit -n"
	}
	return ""
}
