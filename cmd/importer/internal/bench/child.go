//go:build linux || darwin

package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// childArg as the first argument makes this program one of its own children.
const childArg = "child"

// child does what one of them is for:
//
//	table FILE ROWS TEXT   write a table
//	tables DIR N ROWS TEXT the same in N files
//	read FILE              read it by encoding/csv
//	direct FROM TO         write the rows of a local Graph into another store
func child(args []string, out io.Writer) error {
	switch {
	case len(args) == 4 && args[0] == "table":
		rows, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		text, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return writeTable(args[1], 0, rows, text)
	case len(args) == 5 && args[0] == "tables":
		var n [3]int
		for i := range n {
			var err error
			if n[i], err = strconv.Atoi(args[2+i]); err != nil {
				return err
			}
		}
		for i := range n[0] {
			from, to := i*n[1]/n[0], (i+1)*n[1]/n[0]
			if err := writeTable(fmt.Sprintf("%s/tickets-%03d.csv", args[1], i), from, to-from, n[2]); err != nil {
				return err
			}
		}
		return nil
	case len(args) == 2 && args[0] == "read":
		n, err := readCSV(args[1])
		fmt.Fprintln(out, n)
		return err
	case len(args) == 3 && args[0] == "direct":
		used, err := writeDirect(args[1], args[2])
		fmt.Fprintln(out, used)
		return err
	}
	if known, err := readingChild(args, out); known {
		return err
	}
	return fmt.Errorf("no such child: %q", args)
}

// readCSV is what every crawl from CSV is compared with: the standard library
// at its cheapest.
func readCSV(path string) (rows int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	for {
		if _, err := r.Read(); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return rows, err
		}
		rows++
	}
}
