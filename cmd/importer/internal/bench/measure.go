//go:build linux || darwin

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A cost is what the kernel counted for a child.
type cost struct {
	cpu    time.Duration // user and system
	memory int64         // peak resident bytes
	out    string        // what it printed
}

// measure runs a child to its end.
//
// Linux counts the peak of the process that starts a child as the child's own
// (exec_mmap in fs/exec.c), so this program must stay small: whatever takes
// memory is done in children.
func measure(name string, args ...string) (cost, error) {
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	memory := int64(use.Maxrss)
	if runtime.GOOS == "linux" {
		memory <<= 10 // kilobytes there, bytes elsewhere
	}
	return cost{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory, out.String()}, nil
}

// A contender is one of several things that are measured in turns.
type contender struct {
	prepare func() error // before each turn; not measured
	measure func() (cost, error)
}

// turns measures the contenders in turns and gives for each the least CPU time
// and the largest peak of memory.
func turns(rounds int, contenders ...contender) ([]cost, error) {
	best := make([]cost, len(contenders))
	for round := range rounds {
		for i, c := range contenders {
			if c.prepare != nil {
				if err := c.prepare(); err != nil {
					return nil, err
				}
			}
			got, err := c.measure()
			if err != nil {
				return nil, err
			}
			if round == 0 || got.cpu < best[i].cpu {
				best[i].cpu = got.cpu
			}
			best[i].memory = max(best[i].memory, got.memory)
		}
	}
	return best, nil
}

// self measures a child of this program.
func self(args ...string) (cost, error) {
	exe, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	return measure(exe, append([]string{childArg}, args...)...)
}

// ownCPU is the CPU time of this process so far.
func ownCPU() (time.Duration, error) {
	var use syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), err
}

func freeDisk(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
