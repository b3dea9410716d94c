package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xuri/excelize/v2"
)

// cell FILE ROW COLUMN VALUE writes a text into a cell of a workbook's first
// sheet, whose first row names the columns.
func cmdCell(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, 4)
	path := ts.MkAbs(args[0])
	f, err := excelize.OpenFile(path)
	ts.Check(err)
	defer f.Close()
	sheet := f.GetSheetName(0)
	rows, err := f.GetRows(sheet)
	ts.Check(err)
	col := slices.Index(rows[0], args[2])
	if col < 0 || integer(ts, args[1]) > len(rows) {
		ts.Fatalf("%s has no column %s and row %s; it has the columns %q and %d rows", args[0], args[2], args[1], rows[0], len(rows))
	}
	name, err := excelize.ColumnNumberToName(col + 1)
	ts.Check(err)
	ts.Check(f.SetCellStr(sheet, name+args[1], args[3]))
	ts.Check(f.Save())
}

// replace FILE FROM TO replaces a text wherever it stands at the end of a line.
func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, 3)
	src := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(src, args[1]+"\n", args[2]+"\n")), 0o600))
}

// today FILE writes an hour ago, with the seconds that are in it (TODAY:07), in
// place of each TODAY:07.
func cmdToday(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, 1)
	ago := time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04:")
	src := strings.ReplaceAll(ts.ReadFile(args[0]), "TODAY:", ago)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(src), 0o600))
}

// mode FILE MODE checks the permissions of a file, in octal.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has the mode %s, want %s", args[0], got, args[1])
	}
}

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
