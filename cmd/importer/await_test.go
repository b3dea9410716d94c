package main

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"

	"importer/pipeline"
	"importer/pipeline/state"
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

// stateFile finds the file that a pattern means, or would.
func stateFile(ts *testscript.TestScript, pattern string) string {
	found, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(found) == 1 {
		return found[0]
	}
	return ts.MkAbs(pattern)
}

// cmdRemember makes a connection remember up to when its full and incremental
// crawls have been dealt with.
func cmdRemember(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 4, 4)
	until, err := time.Parse(time.RFC3339, args[3])
	ts.Check(err)
	ctx := context.Background()
	file := stateFile(ts, args[0])
	store, err := state.Open(ctx, filepath.Dir(file), strings.TrimSuffix(filepath.Base(file), ".db"), false)
	ts.Check(err)
	defer store.Close()
	ts.Check(pipeline.Remember(ctx, store, &pipeline.Memory{Full: pipeline.Dealt{Cron: args[1], Until: until}, Incremental: pipeline.Dealt{Cron: args[2], Until: until}}))
}

// cmdHold holds the lock of a connection until the script ends.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, 1)
	lock := flock.New(stateFile(ts, args[0]))
	ok, err := lock.TryLock()
	ts.Check(err)
	if !ok {
		ts.Fatalf("%s is locked already", args[0])
	}
	ts.Defer(func() { lock.Unlock() })
}
