//go:build unix

package scratch

import (
	"io/fs"
	"os"
	"syscall"
)

// mine tells whether a folder is this user's.
func mine(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
