package main

import (
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdAwait waits until a program in the background has printed something.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, 2)
	p := world(ts).programs[args[0]]
	if p == nil {
		ts.Fatalf("no program %q", args[0])
	}
	until, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		over := false
		select {
		case <-p.ended:
			over = true
		default:
		}
		text := ts.ReadFile(args[0]+".out") + ts.ReadFile(args[0]+".err")
		if until.MatchString(text) {
			return
		}
		if over || time.Since(began) > patience {
			ts.Fatalf("%s did not print %q (ended: %v, %v); it printed:\n%s", args[0], args[1], over, p.failure, text)
		}
	}
}
