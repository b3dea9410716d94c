//go:build !linux

package extract

import (
	"os"
	"os/exec"
)

// limitMemory does nothing: macOS takes RLIMIT_DATA and ignores it, Windows
// has no such limit. watchMemory is what there is.
func limitMemory(uint64) {}

func programPath() (string, error) { return os.Executable() }

// tie does nothing: the child ends when its input does.
func tie(*exec.Cmd) {}
