package main

import (
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

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUpScript,
		Cmds:                scriptCommands,
		Condition:           scriptCondition,
	})
}
