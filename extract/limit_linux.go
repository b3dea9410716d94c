package extract

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dataSize is how many bytes of data this process has, 0 where that cannot be
// known.
func dataSize() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 6 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[5], 10, 64) // data + stack, proc_pid_statm(5)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// limitData lets this process have so many bytes of data: an allocation beyond
// that fails, and Go ends the process. RLIMIT_DATA counts what can be written
// to; RLIMIT_AS would count the hundreds of megabytes of addresses that Go and
// wazero reserve and never use. The hard limit stays, so that the next document
// may be allowed more.
func limitData(most uint64) {
	var now unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_DATA, &now) != nil {
		return
	}
	// Where it is refused, memoryLimit.watch is left.
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: min(most, now.Max), Max: now.Max})
}

// programPath is this program, also when its file has been replaced.
func programPath() (string, error) { return "/proc/self/exe", nil }

// tie has the kernel kill the child when this process dies: a child that
// hangs in machine code of WebAssembly cannot look whether its input has ended.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// group has the command be the first of a group of processes, which ends with
// this one.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// killGroup ends a command and all that it has started.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// limitProcess lets a process, and what it starts from now on, have so many
// bytes of data, write files of such a size, and run for so long.
func limitProcess(pid int, memory, size int64, cpu time.Duration) {
	set := func(what int, most uint64) {
		// Where it is refused, time and the size of the result are limited all the same.
		_ = unix.Prlimit(pid, what, &unix.Rlimit{Cur: most, Max: most}, nil)
	}
	set(unix.RLIMIT_DATA, uint64(memory))
	set(unix.RLIMIT_FSIZE, uint64(size)+1)
	set(unix.RLIMIT_CPU, uint64(cpu/time.Second)+10)
	set(unix.RLIMIT_CORE, 0)
}
