package extract

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

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
