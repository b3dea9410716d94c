package main

import (
	"bytes"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// edit FILE FROM TO replaces a text that the file holds once.
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	edit(ts, args)
}

// hide is edit behind the clock's back: the file's time stays, and so does its
// size, if the texts are as long as each other.
func cmdHide(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: hide FILE FROM TO, FROM and TO of one length")
	}
	// Older than what counts as young, or the file would be looked at anyway.
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	edit(ts, args)
	ts.Check(os.Chtimes(path, time.Now(), info.ModTime()))
}

func edit(ts *testscript.TestScript, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: edit FILE FROM TO")
	}
	path := ts.MkAbs(args[0])
	src, err := os.ReadFile(path)
	ts.Check(err)
	if n := bytes.Count(src, []byte(args[1])); n != 1 {
		ts.Fatalf("%s has %q %d times, and not once", args[0], args[1], n)
	}
	ts.Check(os.WriteFile(path, bytes.Replace(src, []byte(args[1]), []byte(args[2]), 1), 0o600))
}
