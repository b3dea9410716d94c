//go:build !linux

package extract

import (
	"os"
	"os/exec"
	"time"
)

// dataSize does not know: macOS takes RLIMIT_DATA and ignores it, Windows has
// no such limit. memoryLimit.watch is what there is.
func dataSize() uint64 { return 0 }

func limitData(uint64) {}

func programPath() (string, error) { return os.Executable() }

// tie does nothing: the child ends when its input does.
func tie(*exec.Cmd) {}

// group does nothing: only the command itself is ended.
func group(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// limitProcess does nothing: there is no call that limits another process.
func limitProcess(int, int64, int64, time.Duration) {}
