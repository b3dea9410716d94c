//go:build !linux

package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// File systems are mounted on Linux only.
func canMount() bool { return false }

func cmdTmpfs(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("file systems are mounted on Linux only; ask [mount] first")
}

func memoryOf(*os.ProcessState) (mb int64, ok bool) { return 0, false }
