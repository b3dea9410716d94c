//go:build !linux

package extract

import (
	"os"
	"os/exec"
)

// dataSize does not know: macOS takes RLIMIT_DATA and ignores it, Windows has
// no such limit. memoryLimit.watch is what there is.
func dataSize() uint64 { return 0 }

func limitData(uint64) {}

func programPath() (string, error) { return os.Executable() }

// tie does nothing: the child ends when its input does.
func tie(*exec.Cmd) {}
