//go:build linux || darwin

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A reference is a program that prints what it reads from a file.
type reference struct {
	name    string
	args    func(file string) []string
	program string // to run; "" is name
}

var (
	pdftotext = reference{name: "pdftotext", args: func(file string) []string { return []string{"-q", "-enc", "UTF-8", file, "-"} }}
	mutool    = reference{name: "mutool", args: func(file string) []string { return []string{"draw", "-q", "-F", "txt", "-o", "-", file} }}
)

// missing names the package of a reference that is not installed.
func (r reference) missing() error {
	if _, err := exec.LookPath(r.name); err != nil {
		pkg := map[string]string{"pdftotext": "poppler-utils", "mutool": "mupdf-tools"}[r.name]
		return errors.New(r.name + " is not installed (Debian: " + pkg + ")")
	}
	return nil
}

// referenceTime is what a reference may take for a file: both hang on some.
const referenceTime = 20 * time.Second

// text is what the program prints, and whether it took the file. It is kept in
// dir by the file's content, since a tenth of the corpus takes most of the time.
func (r reference) text(ctx context.Context, dir, file string) (string, bool) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", false
	}
	sum := sha256.Sum256(content)
	kept := filepath.Join(dir, r.name+"-"+hex.EncodeToString(sum[:16]))
	if b, err := os.ReadFile(kept); err == nil && len(b) > 0 {
		return string(b[1:]), b[0] == '+'
	}
	out, took := r.run(ctx, file)
	mark := "-"
	if took {
		mark = "+"
	}
	if ctx.Err() == nil {
		_ = os.WriteFile(kept, append([]byte(mark), out...), 0o600) // else it is made again
	}
	return string(out), took
}

func (r reference) run(ctx context.Context, file string) (out []byte, took bool) {
	ctx, cancel := context.WithTimeout(ctx, referenceTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, cmp.Or(r.program, r.name), r.args(file)...)
	out, err := cmd.Output()
	return out, err == nil
}

// cpu is the processor time that the program takes for the files together.
func (r reference) cpu(ctx context.Context, files []string) (total time.Duration) {
	for _, file := range files {
		ctx, cancel := context.WithTimeout(ctx, referenceTime)
		cmd := exec.CommandContext(ctx, r.name, r.args(file)...)
		_ = cmd.Run() // what it makes of the file has been seen
		cancel()
		if cmd.ProcessState != nil {
			total += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
	}
	return total
}

// cpuTime is what this process and those of its children that have ended have
// used of processor time.
func cpuTime() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}
