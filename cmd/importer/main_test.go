package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"importer/extract"
)

// The scripts in testdata/script run this test binary under the name importer,
// as a process of its own. PDFs are read in children of that process, which
// are the same binary once more: hence the first line.
func TestMain(m *testing.M) {
	extract.ServeWorkerIfAsked()
	testscript.Main(m, map[string]func(){"importer": main})
}

// raced are the scripts that run with -short, as under the race detector, where
// all of them take over ten minutes: those in which much goes on at once.
const raced = "batch cache events faults formats graph group interrupt life life_incremental people plan quarantine_kill registering search served sidecar time watch watch_trouble"

func TestScripts(t *testing.T) {
	params := testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUpScript,
		Cmds:                scriptCommands,
		Condition:           scriptCondition,
	}
	if testing.Short() {
		for name := range strings.FieldsSeq(raced) {
			params.Files = append(params.Files, filepath.Join(params.Dir, name+".txtar"))
		}
		params.Dir = ""
	}
	testscript.Run(t, params)
}
