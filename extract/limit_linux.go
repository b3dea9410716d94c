package extract

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitMemory lets this process have more bytes of data than now, and no
// more: an allocation beyond that fails, and Go ends the process. RLIMIT_DATA
// counts what can be written to; RLIMIT_AS would count the hundreds of
// megabytes of addresses that Go and wazero reserve and never use.
func limitMemory(more uint64) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 6 {
		return
	}
	pages, err := strconv.ParseUint(fields[5], 10, 64) // data + stack, proc_pid_statm(5)
	if err != nil {
		return
	}
	most := pages*uint64(os.Getpagesize()) + more
	// Where it is refused, watchMemory is left.
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most})
}

// programPath is this program, also when its file has been replaced.
func programPath() (string, error) { return "/proc/self/exe", nil }

// tie has the kernel kill the child when this process dies: a child that
// hangs in machine code of WebAssembly cannot look whether its input has ended.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
