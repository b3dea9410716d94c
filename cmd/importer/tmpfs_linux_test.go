package main

import (
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// canMount tells whether this process may mount file systems.
var canMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		return false
	}
	return syscall.Unmount(dir, 0) == nil
})

func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	var flags uintptr
	var data []string
	for _, option := range strings.Split(args[1], ",") {
		switch option {
		case "ro":
			flags |= syscall.MS_RDONLY
		case "remount":
			flags |= syscall.MS_REMOUNT
		default:
			data = append(data, option)
		}
	}
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", flags, strings.Join(data, ",")))
	if flags&syscall.MS_REMOUNT == 0 {
		ts.Defer(func() { ts.Check(syscall.Unmount(dir, syscall.MNT_DETACH)) })
	}
}

// memoryOf gives the most memory that a program held which has ended, in MB.
func memoryOf(state *os.ProcessState) (mb int64, ok bool) {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	return usage.Maxrss >> 10, true // Linux gives KiB
}
